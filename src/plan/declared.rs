//! From a spec to settings. Each struct is destructured whole, so a new member does not compile until it is handled.

mod branding;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{AppliedSecrets, Digest, Field, Form, SecretRead, Value};
use crate::api::{
    ALLOW_REFERENCE, Access, BusinessHours, ClientAccess, ClientDefaults, ClientDetails, ClientSecurity, ClientSpec,
    ConfigMapKeyRef, CustomPolicy, DefaultPolicy, Duo, PartnerDetails, PartnerSecurity, PartnerSpec, PasswordPolicy,
    Phone, Reason, SecretKeyRef,
};
use crate::catalog::{AddOn, Package};

/// What the spec refers to, as far as it was found.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// Where the object stands; empty where that is not known.
    pub namespace: String,
    /// Files by reference; one whose ConfigMap does not exist is not among them.
    pub images: BTreeMap<ConfigMapKeyRef, ImageRead>,
    /// Secrets by reference; one that does not exist is not among them.
    pub secrets: BTreeMap<SecretKeyRef, SecretRead>,
    /// References to Secrets that were applied to the tenant before.
    pub applied: AppliedSecrets,
    /// Digests of images that were applied to the tenant before.
    pub applied_images: BTreeMap<Field, Digest>,
}

/// What a ConfigMap that exists holds under a key that an image names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRead {
    /// The file.
    File(Vec<u8>),
    /// A text, in which no image can be.
    Text,
    /// Nothing.
    NoKey,
}

impl ImageRead {
    /// What a ConfigMap holds, by key.
    pub fn all_of(files: BTreeMap<String, Vec<u8>>, texts: impl IntoIterator<Item = String>) -> BTreeMap<String, Self> {
        let texts = texts.into_iter().map(|key| (key, Self::Text));
        texts.chain(files.into_iter().map(|(key, bytes)| (key, Self::File(bytes)))).collect()
    }
}

/// The bytes behind digests, needed only to write them.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// Files by field, with the name they are sent under.
    pub images: BTreeMap<Field, (String, Vec<u8>)>,
    /// Secrets by field.
    pub secrets: BTreeMap<Field, SecretString>,
}

/// What a spec declares; an absent field is not managed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Values by field.
    pub values: BTreeMap<Field, Value>,
    /// Bytes behind the digests among them.
    pub payload: Payload,
    /// Sentences about images that differ from what is recommended.
    pub advice: Vec<String>,
    /// What is refused where it is new, and goes on for now because it was applied before.
    pub tolerated: Vec<Invalid>,
}

/// A declared setting that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where it stands in the spec.
    pub path: String,
    /// The condition's reason.
    pub reason: Reason,
    /// A clause that says what is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.path, self.message)
    }
}

/// Collects settings and what is wrong with them.
struct Reader<'a> {
    material: &'a Material,
    settings: Settings,
    invalid: Vec<Invalid>,
}

/// Settings of a Partner.
///
/// # Errors
/// Every setting that cannot be applied.
pub fn partner(spec: &PartnerSpec, material: &Material) -> Result<Settings, Vec<Invalid>> {
    let PartnerSpec {
        connection_secret_ref: _,
        details,
        packages,
        add_ons,
        security,
        branding,
        clients: _,
        tenant_state: _,
        adoption: _,
        management: _,
        hand_over: _,
        deletion: _,
    } = spec;
    let mut reader = Reader::new(material);
    reader.partner_details(details);
    reader.catalog(packages.as_deref(), add_ons.as_deref());
    if let Some(PartnerSecurity { access, password_policy, change_passwords_set_before }) = security {
        reader.text(Field::PasswordsSetBefore, change_passwords_set_before.as_deref());
        if let Some(Access { shared, block_duplicate_cloud_accounts }) = access {
            reader.access(shared);
            reader.flag(Field::BlockDuplicateCloudAccounts, *block_duplicate_cloud_accounts);
        }
        if let Some(policy) = password_policy {
            reader.password_policy(policy);
        }
    }
    if let Some(branding) = branding {
        reader.branding(branding);
    }
    reader.finish()
}

/// Settings of a Client's own spec, before inheritance.
///
/// # Errors
/// Every setting that cannot be applied.
pub fn client(spec: &ClientSpec, material: &Material) -> Result<Settings, Vec<Invalid>> {
    let ClientSpec {
        connection_secret_ref: _,
        partner_ref: _,
        partner_unique_id: _,
        details,
        packages,
        add_ons,
        security,
        branding,
        tenant_state: _,
        adoption: _,
        management: _,
        hand_over: _,
        deletion: _,
    } = spec;
    let mut reader = Reader::new(material);
    reader.client_details(details);
    reader.catalog(packages.as_deref(), add_ons.as_deref());
    if let Some(ClientSecurity { access, change_passwords_set_before }) = security {
        reader.text(Field::PasswordsSetBefore, change_passwords_set_before.as_deref());
        if let Some(access) = access {
            reader.access(access);
        }
    }
    if let Some(branding) = branding {
        reader.branding(branding);
    }
    reader.finish()
}

/// Settings that a Partner hands to Clients which leave them out.
///
/// # Errors
/// Every default that cannot be applied.
pub fn client_defaults(defaults: &ClientDefaults, material: &Material) -> Result<Settings, Vec<Invalid>> {
    let ClientDefaults { timezone, country, packages, add_ons, access } = defaults;
    let mut reader = Reader::new(material);
    reader.text(Field::Timezone, timezone.as_deref());
    reader.text(Field::Country, country.as_deref());
    reader.catalog(packages.as_deref(), add_ons.as_deref());
    if let Some(access) = access {
        reader.access(access);
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    fn new(material: &'a Material) -> Self {
        Self { material, settings: Settings::default(), invalid: Vec::new() }
    }

    fn finish(self) -> Result<Settings, Vec<Invalid>> {
        if self.invalid.is_empty() { Ok(self.settings) } else { Err(self.invalid) }
    }

    fn put(&mut self, field: Field, value: Value) {
        self.settings.values.insert(field, value.normal(field));
    }

    fn text(&mut self, field: Field, text: Option<&str>) {
        let Some(text) = text else { return };
        let value = Value::text(text).normal(field);
        if value == Value::Cleared && field.form() == Form::Name && !text.is_empty() {
            let message = "is blank: write a value, or remove the field".to_owned();
            return self.refuse(field, Reason::InvalidValue, message);
        }
        self.put(field, value);
    }

    fn flag(&mut self, field: Field, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.put(field, Value::Flag(flag));
        }
    }

    fn number(&mut self, field: Field, number: Option<i64>) {
        if let Some(number) = number {
            self.put(field, Value::Number(number));
        }
    }

    fn refuse(&mut self, field: Field, reason: Reason, message: String) {
        self.invalid.push(Invalid { path: field.path().to_owned(), reason, message });
    }

    fn partner_details(&mut self, details: &PartnerDetails) {
        let PartnerDetails {
            name,
            alternate_email,
            notification_email,
            timezone,
            country,
            city,
            address,
            postal_code,
            state,
            application_server,
        } = details;
        self.text(Field::Name, Some(name));
        self.text(Field::AlternateEmail, alternate_email.as_deref());
        self.text(Field::NotificationEmail, notification_email.as_deref());
        self.text(Field::Timezone, timezone.as_deref());
        self.text(Field::Country, country.as_deref());
        self.text(Field::City, city.as_deref());
        self.text(Field::Address, address.as_deref());
        self.text(Field::PostalCode, postal_code.as_deref());
        self.text(Field::State, state.as_deref());
        self.text(Field::ApplicationServer, application_server.as_deref());
    }

    fn client_details(&mut self, details: &ClientDetails) {
        let ClientDetails {
            name,
            external_id,
            address,
            city,
            state,
            postal_code,
            country,
            timezone,
            phone,
            channel_id,
            noc_id,
            business_hours,
            sms_voice_notification,
            remote_access,
            cli_recording,
            resource_decommission,
        } = details;
        self.text(Field::Name, Some(name));
        self.text(Field::ExternalId, external_id.as_deref());
        self.text(Field::Address, address.as_deref());
        self.text(Field::City, city.as_deref());
        self.text(Field::State, state.as_deref());
        self.text(Field::PostalCode, postal_code.as_deref());
        self.text(Field::Country, country.as_deref());
        self.text(Field::Timezone, timezone.as_deref());
        if let Some(Phone { number, extension, mobile }) = phone {
            self.text(Field::PhoneNumber, number.as_deref());
            self.text(Field::PhoneExtension, extension.as_deref());
            self.text(Field::PhoneMobile, mobile.as_deref());
        }
        self.number(Field::ChannelId, *channel_id);
        self.number(Field::NocId, *noc_id);
        if let Some(BusinessHours { start, end, first_day, last_day }) = business_hours {
            self.text(Field::BusinessStart, Some(start));
            self.text(Field::BusinessEnd, Some(end));
            self.text(Field::BusinessFirstDay, Some(first_day.name()));
            self.text(Field::BusinessLastDay, Some(last_day.name()));
        }
        self.flag(Field::SmsVoiceNotification, *sms_voice_notification);
        self.flag(Field::RemoteAccess, *remote_access);
        self.flag(Field::CliRecording, *cli_recording);
        self.flag(Field::ResourceDecommission, *resource_decommission);
    }

    fn catalog(&mut self, packages: Option<&[Package]>, add_ons: Option<&[AddOn]>) {
        if let Some(packages) = packages {
            self.put(Field::Packages, package_set(packages));
        }
        if let Some(add_ons) = add_ons {
            self.put(Field::AddOns, add_on_set(add_ons));
        }
    }

    fn access(&mut self, access: &ClientAccess) {
        let ClientAccess { allowed_ips, two_factor_authentication, duo, skip_user_consent_form, show_copy_clipboard } =
            access;
        if let Some(ips) = allowed_ips {
            self.put(Field::AllowedIps, Value::set(ips.iter().cloned()));
        }
        self.flag(Field::TwoFactorAuthentication, *two_factor_authentication);
        if let Some(Duo { integration_key_secret_ref, secret_key_secret_ref, api_hostname }) = duo {
            self.secret(Field::DuoIntegrationKey, integration_key_secret_ref);
            self.secret(Field::DuoSecretKey, secret_key_secret_ref);
            self.text(Field::DuoApiHostname, Some(api_hostname));
        }
        self.flag(Field::SkipUserConsentForm, *skip_user_consent_form);
        self.flag(Field::ShowCopyClipboard, *show_copy_clipboard);
    }

    fn password_policy(&mut self, policy: &PasswordPolicy) {
        let PasswordPolicy { pci_dss, custom, change_password_at_next_login } = policy;
        if let Some(DefaultPolicy {}) = pci_dss {
            // The figures of the platform's own policy belong to the platform: only the choice of it is compared.
            self.flag(Field::PolicyPciDss, Some(true));
        }
        if let Some(custom) = custom {
            let CustomPolicy {
                min_length,
                require_all_character_classes,
                validity_days,
                allow_last_four_passwords,
                attempts_before_lockout,
            } = custom;
            self.flag(Field::PolicyPciDss, Some(false));
            self.number(Field::PolicyMinLength, *min_length);
            self.flag(Field::PolicyAllClasses, *require_all_character_classes);
            self.number(Field::PolicyValidityDays, *validity_days);
            self.flag(Field::PolicyLastFour, *allow_last_four_passwords);
            self.number(Field::PolicyAttempts, *attempts_before_lockout);
            self.flag(Field::PolicyChangeAtNextLogin, *change_password_at_next_login);
        }
    }

    /// Nothing of a Secret without the label is looked at before its reference is known to be an old one: not even whether
    /// it has the key.
    fn secret(&mut self, field: Field, reference: &SecretKeyRef) {
        let SecretKeyRef { name, key } = reference;
        let Some(SecretRead { source, text, is_allowed }) = self.material.secrets.get(reference) else {
            return self.refuse(field, Reason::SecretNotFound, missing(reference));
        };
        if !is_allowed {
            let message = format!(
                "names key `{key}` of Secret `{name}`, which lacks the label `{ALLOW_REFERENCE}`: if objects may use it, run `kubectl label secret {name} --namespace {} {ALLOW_REFERENCE}=true`",
                source.namespace
            );
            if !self.material.applied.has(field, reference, text.as_ref()) {
                return self.refuse(field, Reason::ReferenceNotAllowed, message);
            }
            let message = format!("{message}; it was applied before, and goes on without the label until release 0.3");
            let reason = Reason::ReferenceNotAllowed;
            self.settings.tolerated.push(Invalid { path: field.path().to_owned(), reason, message });
        }
        let Some(text) = text else { return self.refuse(field, Reason::SecretNotFound, missing(reference)) };
        self.put(field, Value::Secret(source.clone()));
        self.settings.payload.secrets.insert(field, text.clone());
    }
}

fn missing(SecretKeyRef { name, key }: &SecretKeyRef) -> String {
    format!(
        "names key `{key}` of Secret `{name}`, which does not exist: create it in this namespace, with the label `{ALLOW_REFERENCE}: \"true\"`"
    )
}

/// Packages as they are compared: the default one is always there, and leaving it out never removes it.
pub fn package_set(packages: &[Package]) -> Value {
    Value::set(packages.iter().chain(&[Package::HybridDiscoveryAndMonitoring]).map(|package| package.name()))
}

/// Add-ons as they are compared.
pub fn add_on_set(add_ons: &[AddOn]) -> Value {
    Value::set(add_ons.iter().map(|add_on| add_on.name()))
}
