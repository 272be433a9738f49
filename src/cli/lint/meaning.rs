//! What the operator would say of the objects, as far as it follows from the input: its own stages with what the input
//! holds, and silence about what it does not.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;

use super::{Finding, Mistake};
use crate::api::{ALLOW_REFERENCE, Partner, Reason, SecretKeyRef};
use crate::catalog;
use crate::cli::failure::{Failure, Spot};
use crate::cli::ground::named;
use crate::cli::manifest::{Declared, Key, Manifests};
use crate::connect::Connection;
use crate::object::{
    Allows, FoundSecret, Object, Parent, Sources, allows, asked_adoption, connection_secret, image_keys, namespace,
    not_allowed, resolve, secret_keys,
};
use crate::plan::{ImageRead, Invalid, Kind, Material, Outcome, SecretRead, client_defaults};

/// What an image is taken for that the input does not hold: the head of a picture of one dot.
const SOUND_IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// Adds what is wrong, and returns the names that the input does not hold.
pub(super) fn judge(manifests: &Manifests, findings: &mut Vec<Finding>) -> Vec<String> {
    let mut judge = Judge { manifests, findings, unknown: BTreeSet::new(), claims: BTreeMap::new() };
    for partner in &manifests.partners {
        judge.object(partner, None);
        judge.defaults(partner);
    }
    for client in &manifests.clients {
        let partner = judge.partner_of(client);
        judge.object(client, partner);
    }
    judge.unknown.into_iter().collect()
}

struct Judge<'a> {
    manifests: &'a Manifests,
    findings: &'a mut Vec<Finding>,
    unknown: BTreeSet<String>,
    /// What only one object can have, and where it was said first.
    claims: BTreeMap<String, Spot>,
}

impl<'a> Judge<'a> {
    fn find<K: Object>(&mut self, mistake: Mistake, declared: &Declared<K>, (path, message): (&str, String)) {
        let failure = Failure::new(message).about(named(&declared.object)).at(&declared.spot(path));
        let path = (!path.is_empty()).then(|| path.to_owned());
        self.findings.push(Finding { path, ..Finding::new(mistake, failure) });
    }

    fn object<K: Object>(&mut self, declared: &Declared<K>, partner: Option<&'a Partner>) {
        let object = &declared.object;
        self.claim(declared);
        self.connection(declared, partner);
        self.places(declared, "spec.details");
        self.labels(declared, secret_keys(object.access()), "spec.security.access.duo");
        let material = self.material(declared);
        let partners_material = partner.map(|partner| self.defaults_material(partner));
        if let Err(invalid) = object.declared(&material) {
            self.invalid(declared, &invalid, "spec");
            return;
        }
        let empty = Material::default();
        let defaults_material = partners_material.as_ref().unwrap_or(&empty);
        // What is wrong with the Partner's own defaults is said at the Partner.
        if partner.is_some_and(|partner| defaults_of(partner, defaults_material).is_err()) {
            return;
        }
        let sources = Sources { partner, material: &material, defaults_material };
        match resolve(object, sources, "").map(|desired| desired.refuse_to_come(crate::clock::now())) {
            Ok(desired) => self.invalid(declared, &desired.effective.refused, "spec"),
            Err(Outcome::Refused(_, message)) => {
                let path = message.split('`').nth(1).map(|path| format!("spec.{path}")).unwrap_or_default();
                self.find(Mistake::Catalog, declared, (&path, message));
            }
            Err(_) => {}
        }
    }

    /// What a Partner hands to its Clients.
    fn defaults(&mut self, declared: &Declared<Partner>) {
        self.labels(declared, default_keys(&declared.object), "spec.clients.defaults.access.duo");
        let material = self.defaults_material(&declared.object);
        self.places(declared, "spec.clients.defaults");
        if let Err(invalid) = defaults_of(&declared.object, &material) {
            self.invalid(declared, &invalid, "spec.clients.defaults");
        }
    }

    fn invalid<K: Object>(&mut self, declared: &Declared<K>, invalid: &[Invalid], below: &str) {
        for Invalid { path, reason, message } in invalid {
            let is_missing = [Reason::ImageNotFound, Reason::SecretNotFound].contains(reason);
            let mistake = if is_missing { Mistake::Reference } else { Mistake::Catalog };
            let place = if below == "spec" { format!("spec.{path}") } else { below.to_owned() };
            self.find(mistake, declared, (&place, format!("`{path}` {message}")));
        }
    }

    /// Countries and time zones, which the platform knows by name.
    fn places<K: Object>(&mut self, declared: &Declared<K>, below: &str) {
        let object = serde_json::to_value(&declared.object).unwrap_or_default();
        let text = |name: &str| {
            let path = format!("{below}.{name}");
            let value = object.pointer(&format!("/{}", path.replace('.', "/")))?.as_str()?;
            // As the operator takes it: a block of YAML ends with a line feed.
            Some(value.trim()).filter(|text| !text.is_empty()).map(|text| (path, text.to_owned()))
        };
        if let Some((path, message)) =
            text("country").and_then(|(path, text)| Some((path, catalog::no_country(&text)?)))
        {
            self.find(Mistake::Catalog, declared, (&path, format!("`{path}`: {message}")));
        }
        if let Some((path, message)) =
            text("timezone").and_then(|(path, text)| Some((path, catalog::no_timezone(&text)?)))
        {
            self.find(Mistake::Catalog, declared, (&path, format!("`{path}`: {message}")));
        }
    }

    /// The Partner of a Client, where the input holds it and it takes the Client.
    fn partner_of<K: Object>(&mut self, declared: &Declared<K>) -> Option<&'a Partner> {
        let Parent::Object(partner_namespace, name) = declared.object.parent() else { return None };
        let partners = self.manifests.partners.iter().map(|declared| &declared.object);
        let found =
            partners.into_iter().find(|partner| namespace(*partner) == partner_namespace && partner.name_any() == name);
        let Some(partner) = found else {
            self.unknown.insert(format!("Partner `{partner_namespace}/{name}`"));
            return None;
        };
        let own = namespace(&declared.object);
        match allows(partner, &own) {
            Allows::Yes => Some(partner),
            Allows::Labelled(_) => {
                self.unknown.insert(format!("the labels of Namespace `{own}`"));
                Some(partner)
            }
            Allows::No => {
                if let Outcome::Unresolved(_, message) = not_allowed(&partner_namespace, (&name, &own)) {
                    self.find(Mistake::Reference, declared, ("spec.partnerRef", message));
                }
                None
            }
        }
    }

    /// A Secret in the input must be one that leads to a platform.
    fn connection<K: Object>(&mut self, declared: &Declared<K>, partner: Option<&Partner>) {
        // What is the Partner's is said at the Partner.
        if declared.object.connection_secret().is_none() {
            return;
        }
        let Some(key) = connection_secret(&declared.object, partner) else { return };
        match self.manifests.secrets.get(&key) {
            None => drop(self.unknown.insert(secret_name(&key))),
            Some(FoundSecret { data, .. }) => {
                if let Err(error) = Connection::from_secret(data) {
                    let message = format!("{} is no connection: {error}", secret_name(&key));
                    self.find(Mistake::Reference, declared, ("spec.connectionSecretRef", message));
                }
            }
        }
    }

    /// Two objects with one tenant, or two tenants with one name, of which the platform takes only one.
    fn claim<K: Object>(&mut self, declared: &Declared<K>) {
        let object = &declared.object;
        let mut claims = Vec::new();
        if let Some(id) = asked_adoption(object).and_then(|adoption| adoption.unique_id.as_deref()) {
            claims.push((format!("tenant `{id}`"), String::new(), "spec.adoption.uniqueId"));
        }
        let under = match (K::KIND, object.parent()) {
            (Kind::Client, Parent::Object(namespace, name)) => format!("Partner `{namespace}/{name}`"),
            (Kind::Client, Parent::Id(id)) => format!("partner `{id}`"),
            // Which service provider it is shows only the Secret.
            (Kind::Partner, _) | (_, Parent::Provider) => match object.connection_secret() {
                Some(name) => format!("the account of {}", secret_name(&(namespace(object), name.to_owned()))),
                None => "the default account".to_owned(),
            },
        };
        claims.push((format!("a {} named `{}`", K::KIND.name(), object.declared_name()), under, "spec.details.name"));
        for (what, under, path) in claims {
            let spot = declared.spot(path);
            if let Some(first) = self.claims.get(&format!("{what}\n{under}")) {
                let under = if under.is_empty() { String::new() } else { format!(" under {under}") };
                let message = format!("{what}{under} is declared at {first} already, and there can be only one");
                self.find(Mistake::Twice, declared, (path, message));
            } else {
                self.claims.insert(format!("{what}\n{under}"), spot);
            }
        }
    }

    /// Images and Secrets of an object, as far as the input holds them.
    fn material<K: Object>(&mut self, declared: &Declared<K>) -> Material {
        let object = &declared.object;
        let own = namespace(object);
        let mut material = Material::default();
        for reference in image_keys(object.branding()) {
            match self.manifests.files.get(&(own.clone(), reference.name.clone())) {
                None => {
                    self.unknown.insert(format!("ConfigMap `{own}/{}`", reference.name));
                    material.images.insert(reference, ImageRead::File(SOUND_IMAGE.to_vec()));
                }
                Some(data) => {
                    let read = data.get(&reference.key).cloned().unwrap_or(ImageRead::NoKey);
                    material.images.insert(reference, read);
                }
            }
        }
        self.secrets(secret_keys(object.access()), &own, &mut material);
        material
    }

    fn defaults_material(&mut self, partner: &Partner) -> Material {
        let mut material = Material::default();
        self.secrets(default_keys(partner), &namespace(partner), &mut material);
        material
    }

    fn secrets(&mut self, keys: Vec<SecretKeyRef>, namespace: &str, material: &mut Material) {
        for reference in keys {
            let key = (namespace.to_owned(), reference.name.clone());
            let read = if let Some(secret) = self.manifests.secrets.get(&key) {
                secret.read(namespace, &reference)
            } else {
                self.unknown.insert(secret_name(&key));
                let data = BTreeMap::from([(reference.key.clone(), b"not in the input".to_vec())]);
                FoundSecret { data, ..FoundSecret::default() }.read(namespace, &reference)
            };
            // A label that is missing has a finding of its own and hides no other.
            material.secrets.insert(reference, SecretRead { is_allowed: true, ..read });
        }
    }

    /// Secrets of the input that are referenced and do not carry the label for it.
    fn labels<K: Object>(&mut self, declared: &Declared<K>, keys: Vec<SecretKeyRef>, path: &str) {
        let own = namespace(&declared.object);
        let names: BTreeSet<String> = keys.into_iter().map(|reference| reference.name).collect();
        for name in names {
            let key = (own.clone(), name);
            if self.manifests.secrets.get(&key).is_some_and(|secret| !secret.is_allowed) {
                let message = format!(
                    "{} lacks the label `{ALLOW_REFERENCE}: \"true\"`, without which the operator refuses a new reference to its keys: add it",
                    secret_name(&key)
                );
                self.find(Mistake::Label, declared, (path, message));
            }
        }
    }
}

/// Secrets that a Partner's defaults name.
fn default_keys(partner: &Partner) -> Vec<SecretKeyRef> {
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    secret_keys(defaults.and_then(|defaults| defaults.access.as_ref()))
}

fn secret_name((namespace, name): &Key) -> String {
    format!("Secret `{namespace}/{name}`")
}

fn defaults_of(partner: &Partner, material: &Material) -> Result<(), Vec<Invalid>> {
    let defaults = partner.spec.clients.as_ref().and_then(|clients| clients.defaults.as_ref());
    defaults.map_or(Ok(()), |defaults| client_defaults(defaults, material).map(drop))
}
