//! Checks the objects as the operator would, as far as the input allows: it runs the operator's own stages on the input
//! and reports nothing about what the input does not hold.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use tenantry_api::{ALLOW_REFERENCE, Partner, Reason, SecretKeyRef};
use tenantry_client::Connection;
use tenantry_core::object::{
    NamespacePermission, ParentRef, SecretSnapshot, SpecSources, TenantResource, connection_secret, image_references,
    namespace, namespace_not_allowed_outcome, namespace_permission, requested_adoption, resolve_desired_tenant,
    secret_references,
};
use tenantry_core::{
    ConfigMapEntry, InvalidSetting, PassOutcome, ResolvedReferences, SecretLookup, TenantKind, client_default_settings,
};

use super::{LintFinding, LintRule};
use crate::failure::{Failure, FileLocation};
use crate::inventory::object_label;
use crate::manifest::{DeclaredObject, Manifests, ObjectKey};

/// Replaces an image that the input does not hold: the header of a PNG of one pixel.
const VALID_IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// Adds the findings, and returns the names that the input does not hold.
pub(super) fn check_manifests(manifests: &Manifests, findings: &mut Vec<LintFinding>) -> Vec<String> {
    let mut checker = SemanticChecker { manifests, findings, unknown: BTreeSet::new(), claims: BTreeMap::new() };
    for partner in &manifests.partners {
        checker.check_object(partner, None);
        checker.check_client_defaults(partner);
    }
    for client in &manifests.clients {
        let partner = checker.partner_of(client);
        checker.check_object(client, partner);
    }
    checker.unknown.into_iter().collect()
}

struct SemanticChecker<'a> {
    manifests: &'a Manifests,
    findings: &'a mut Vec<LintFinding>,
    unknown: BTreeSet<String>,
    /// Values that only one object can have, and where each was declared first.
    claims: BTreeMap<String, FileLocation>,
}

impl<'a> SemanticChecker<'a> {
    fn add_finding<K: TenantResource>(
        &mut self,
        rule: LintRule,
        declared: &DeclaredObject<K>,
        path: &str,
        message: String,
    ) {
        let failure = Failure::new(message).about(object_label(&declared.object)).at(&declared.location_of(path));
        let path = (!path.is_empty()).then(|| path.to_owned());
        self.findings.push(LintFinding { path, ..LintFinding::new(rule, failure) });
    }

    fn check_object<K: TenantResource>(&mut self, declared: &DeclaredObject<K>, partner: Option<&'a Partner>) {
        let object = &declared.object;
        self.check_claims(declared);
        self.check_connection(declared, partner);
        self.check_country_and_timezone(declared, "spec.details");
        self.check_secret_labels(declared, secret_references(object.access()), "spec.security.access.duo");
        let material = self.load_material(declared);
        let partners_material = partner.map(|partner| self.load_defaults_material(partner));
        if let Err(invalid) = object.declared_settings(&material) {
            self.add_invalid(declared, &invalid, "spec");
            return;
        }
        let empty = ResolvedReferences::default();
        let defaults_material = partners_material.as_ref().unwrap_or(&empty);
        // A mistake in the Partner's defaults is reported at the Partner.
        if partner.is_some_and(|partner| validate_client_defaults(partner, defaults_material).is_err()) {
            return;
        }
        let sources = SpecSources { partner, references: &material, default_references: defaults_material };
        match resolve_desired_tenant(object, sources, "")
            .map(|desired| desired.drop_future_password_reset(tenantry_runtime::clock::now()))
        {
            Ok(desired) => self.add_invalid(declared, &desired.effective.refused, "spec"),
            Err(PassOutcome::Refused(_, message)) => {
                let path = message.split('`').nth(1).map(|path| format!("spec.{path}")).unwrap_or_default();
                self.add_finding(LintRule::Catalog, declared, &path, message);
            }
            Err(_) => {}
        }
    }

    /// Checks the defaults that a Partner hands to its Clients.
    fn check_client_defaults(&mut self, declared: &DeclaredObject<Partner>) {
        self.check_secret_labels(declared, default_secret_keys(&declared.object), "spec.clients.defaults.access.duo");
        let material = self.load_defaults_material(&declared.object);
        self.check_country_and_timezone(declared, "spec.clients.defaults");
        if let Err(invalid) = validate_client_defaults(&declared.object, &material) {
            self.add_invalid(declared, &invalid, "spec.clients.defaults");
        }
    }

    fn add_invalid<K: TenantResource>(
        &mut self,
        declared: &DeclaredObject<K>,
        invalid: &[InvalidSetting],
        below: &str,
    ) {
        for InvalidSetting { path, reason, message } in invalid {
            let is_missing = [Reason::ImageNotFound, Reason::SecretNotFound].contains(reason);
            let mistake = if is_missing { LintRule::Reference } else { LintRule::Catalog };
            let place = if below == "spec" { format!("spec.{path}") } else { below.to_owned() };
            self.add_finding(mistake, declared, &place, format!("`{path}` {message}"));
        }
    }

    /// Checks countries and time zones, which the platform knows by name.
    fn check_country_and_timezone<K: TenantResource>(&mut self, declared: &DeclaredObject<K>, below: &str) {
        let object = serde_json::to_value(&declared.object).unwrap_or_default();
        let text = |name: &str| {
            let path = format!("{below}.{name}");
            let value = object.pointer(&format!("/{}", path.replace('.', "/")))?.as_str()?;
            // The operator trims them too: a block scalar of YAML ends with a line feed.
            Some(value.trim()).filter(|text| !text.is_empty()).map(|text| (path, text.to_owned()))
        };
        if let Some((path, message)) =
            text("country").and_then(|(path, text)| Some((path, tenantry_catalog::unknown_country_message(&text)?)))
        {
            self.add_finding(LintRule::Catalog, declared, &path, format!("`{path}`: {message}"));
        }
        if let Some((path, message)) =
            text("timezone").and_then(|(path, text)| Some((path, tenantry_catalog::unknown_timezone_message(&text)?)))
        {
            self.add_finding(LintRule::Catalog, declared, &path, format!("`{path}`: {message}"));
        }
    }

    /// Returns the Partner of a Client, if the input holds it and it accepts the Client.
    fn partner_of<K: TenantResource>(&mut self, declared: &DeclaredObject<K>) -> Option<&'a Partner> {
        let ParentRef::Object(partner_namespace, name) = declared.object.parent() else { return None };
        let partners = self.manifests.partners.iter().map(|declared| &declared.object);
        let found =
            partners.into_iter().find(|partner| namespace(*partner) == partner_namespace && partner.name_any() == name);
        let Some(partner) = found else {
            self.unknown.insert(format!("Partner `{partner_namespace}/{name}`"));
            return None;
        };
        let own = namespace(&declared.object);
        match namespace_permission(partner, &own) {
            NamespacePermission::Allowed => Some(partner),
            NamespacePermission::IfLabelled(_) => {
                self.unknown.insert(format!("the labels of Namespace `{own}`"));
                Some(partner)
            }
            NamespacePermission::Denied => {
                if let PassOutcome::Unresolved(_, message) =
                    namespace_not_allowed_outcome(&partner_namespace, &name, &own)
                {
                    self.add_finding(LintRule::Reference, declared, "spec.partnerRef", message);
                }
                None
            }
        }
    }

    /// Checks that a Secret in the input holds a connection to a platform.
    fn check_connection<K: TenantResource>(&mut self, declared: &DeclaredObject<K>, partner: Option<&Partner>) {
        // A mistake in the Partner's connection is reported at the Partner.
        if declared.object.connection_secret().is_none() {
            return;
        }
        let Some(key) = connection_secret(&declared.object, partner) else { return };
        match self.manifests.secrets.get(&key) {
            None => drop(self.unknown.insert(secret_label(&key))),
            Some(SecretSnapshot { data, .. }) => {
                if let Err(error) = Connection::from_secret(data) {
                    let message = format!("{} is no connection: {error}", secret_label(&key));
                    self.add_finding(LintRule::Reference, declared, "spec.connectionSecretRef", message);
                }
            }
        }
    }

    /// Finds two objects that claim one tenant, and two tenants with one name, of which the platform accepts only one.
    fn check_claims<K: TenantResource>(&mut self, declared: &DeclaredObject<K>) {
        let object = &declared.object;
        let mut claims = Vec::new();
        if let Some(id) = requested_adoption(object).and_then(|adoption| adoption.unique_id.as_deref()) {
            claims.push((format!("tenant `{id}`"), String::new(), "spec.adoption.uniqueId"));
        }
        let under = match (K::KIND, object.parent()) {
            (TenantKind::Client, ParentRef::Object(namespace, name)) => format!("Partner `{namespace}/{name}`"),
            (TenantKind::Client, ParentRef::Id(id)) => format!("partner `{id}`"),
            // Only the Secret shows which service provider it is.
            (TenantKind::Partner, _) | (_, ParentRef::Provider) => match object.connection_secret() {
                Some(name) => format!("the account of {}", secret_label(&(namespace(object), name.to_owned()))),
                None => "the default account".to_owned(),
            },
        };
        claims.push((format!("a {} named `{}`", K::KIND.name(), object.declared_name()), under, "spec.details.name"));
        for (what, under, path) in claims {
            let spot = declared.location_of(path);
            if let Some(first) = self.claims.get(&format!("{what}\n{under}")) {
                let under = if under.is_empty() { String::new() } else { format!(" under {under}") };
                let message = format!("{what}{under} is declared at {first} already, and there can be only one");
                self.add_finding(LintRule::Duplicate, declared, path, message);
            } else {
                self.claims.insert(format!("{what}\n{under}"), spot);
            }
        }
    }

    /// Loads the images and Secrets of an object, as far as the input holds them.
    fn load_material<K: TenantResource>(&mut self, declared: &DeclaredObject<K>) -> ResolvedReferences {
        let object = &declared.object;
        let own = namespace(object);
        let mut material = ResolvedReferences::default();
        for reference in image_references(object.branding()) {
            match self.manifests.files.get(&(own.clone(), reference.name.clone())) {
                None => {
                    self.unknown.insert(format!("ConfigMap `{own}/{}`", reference.name));
                    material.images.insert(reference, ConfigMapEntry::File(VALID_IMAGE.to_vec()));
                }
                Some(data) => {
                    let read = data.get(&reference.key).cloned().unwrap_or(ConfigMapEntry::NoKey);
                    material.images.insert(reference, read);
                }
            }
        }
        self.load_secrets(secret_references(object.access()), &own, &mut material);
        material
    }

    fn load_defaults_material(&mut self, partner: &Partner) -> ResolvedReferences {
        let mut material = ResolvedReferences::default();
        self.load_secrets(default_secret_keys(partner), &namespace(partner), &mut material);
        material
    }

    fn load_secrets(&mut self, keys: Vec<SecretKeyRef>, namespace: &str, material: &mut ResolvedReferences) {
        for reference in keys {
            let key = (namespace.to_owned(), reference.name.clone());
            let read = if let Some(secret) = self.manifests.secrets.get(&key) {
                secret.read_key(namespace, &reference)
            } else {
                self.unknown.insert(secret_label(&key));
                let data = BTreeMap::from([(reference.key.clone(), b"not in the input".to_vec())]);
                SecretSnapshot { data, ..SecretSnapshot::default() }.read_key(namespace, &reference)
            };
            // A missing label has its own finding and hides no other.
            material.secrets.insert(reference, SecretLookup { is_allowed: true, ..read });
        }
    }

    /// Finds Secrets of the input that are referenced and lack the label for it.
    fn check_secret_labels<K: TenantResource>(
        &mut self,
        declared: &DeclaredObject<K>,
        keys: Vec<SecretKeyRef>,
        path: &str,
    ) {
        let own = namespace(&declared.object);
        let names: BTreeSet<String> = keys.into_iter().map(|reference| reference.name).collect();
        for name in names {
            let key = (own.clone(), name);
            if self.manifests.secrets.get(&key).is_some_and(|secret| !secret.is_allowed) {
                let message = format!(
                    "{} lacks the label `{ALLOW_REFERENCE}: \"true\"`, without which the operator refuses a new reference to its keys: add it",
                    secret_label(&key)
                );
                self.add_finding(LintRule::Label, declared, path, message);
            }
        }
    }
}

/// Returns the Secrets that a Partner's defaults name.
fn default_secret_keys(partner: &Partner) -> Vec<SecretKeyRef> {
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    secret_references(defaults.and_then(|defaults| defaults.access.as_ref()))
}

fn secret_label((namespace, name): &ObjectKey) -> String {
    format!("Secret `{namespace}/{name}`")
}

fn validate_client_defaults(partner: &Partner, material: &ResolvedReferences) -> Result<(), Vec<InvalidSetting>> {
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    defaults.map_or(Ok(()), |defaults| client_default_settings(defaults, material).map(drop))
}
