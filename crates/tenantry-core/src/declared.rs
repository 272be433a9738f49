//! Converts a spec into settings. Each struct is destructured completely, so a new member does not compile until it is
//! handled.

mod branding;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use secrecy::SecretString;
use tenantry_api::{
    ALLOW_REFERENCE, BusinessHours, ClientAccess, ClientDefaults, ClientDetails, ClientSecurity, ClientSpec,
    ConfigMapKeyRef, CustomPasswordPolicy, DuoSpec, PartnerAccess, PartnerDetails, PartnerSecurity, PartnerSpec,
    PasswordPolicySpec, PciDssPolicy, Phone, Reason, SecretKeyRef,
};
use tenantry_catalog::{AddOn, Package};

use super::{AppliedSecrets, Digest, Field, SecretLookup, Value, ValueType};

/// The objects that the spec refers to, as far as they were found.
#[derive(Clone, Debug, Default)]
pub struct ResolvedReferences {
    /// Namespace of the object; empty if it is not known.
    pub namespace: String,
    /// Files by reference. A file whose ConfigMap does not exist is missing here.
    pub images: BTreeMap<ConfigMapKeyRef, ConfigMapEntry>,
    /// Secrets by reference. A Secret that does not exist is missing here.
    pub secrets: BTreeMap<SecretKeyRef, SecretLookup>,
    /// References to Secrets that were applied to the tenant earlier.
    pub applied_secrets: AppliedSecrets,
    /// Digests of images that were applied to the tenant earlier.
    pub applied_images: BTreeMap<Field, Digest>,
}

/// What an existing ConfigMap holds under the key that an image names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigMapEntry {
    /// The file.
    File(Vec<u8>),
    /// A text, which cannot be an image.
    Text,
    /// The key does not exist.
    NoKey,
}

impl ConfigMapEntry {
    /// Returns the entries of a ConfigMap by key.
    pub fn entries_by_key(
        files: BTreeMap<String, Vec<u8>>,
        texts: impl IntoIterator<Item = String>,
    ) -> BTreeMap<String, Self> {
        let texts = texts.into_iter().map(|key| (key, Self::Text));
        texts.chain(files.into_iter().map(|(key, bytes)| (key, Self::File(bytes)))).collect()
    }
}

/// The bytes behind digests; only a write needs them.
#[derive(Clone, Debug, Default)]
pub struct SettingsPayload {
    /// Files by field, each with the file name to send.
    pub images: BTreeMap<Field, (String, Vec<u8>)>,
    /// Secrets by field.
    pub secrets: BTreeMap<Field, SecretString>,
}

/// What a spec declares. A field that is absent is not managed.
#[derive(Clone, Debug, Default)]
pub struct DeclaredSettings {
    /// Values by field.
    pub values: BTreeMap<Field, Value>,
    /// Bytes behind the digests in `values`.
    pub payload: SettingsPayload,
    /// Messages about images that differ from a recommendation.
    pub advice: Vec<String>,
    /// Settings that are refused when they are new, but are still accepted because they were applied earlier.
    pub tolerated: Vec<InvalidSetting>,
}

/// A declared setting that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    /// Path of the setting in the spec.
    pub path: String,
    /// Reason of the condition.
    pub reason: Reason,
    /// A clause that explains what is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.path, self.message)
    }
}

/// Collects settings and their errors.
struct SettingsReader<'a> {
    references: &'a ResolvedReferences,
    settings: DeclaredSettings,
    invalid: Vec<InvalidSetting>,
}

/// Returns the settings of a Partner.
///
/// # Errors
///
/// Returns every setting that cannot be applied.
pub fn partner_settings(
    spec: &PartnerSpec,
    material: &ResolvedReferences,
) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
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
    let mut reader = SettingsReader::new(material);
    reader.read_partner_details(details);
    reader.read_packages_and_add_ons(packages.as_deref(), add_ons.as_deref());
    if let Some(PartnerSecurity { access, password_policy, change_passwords_set_before }) = security {
        reader.set_text(Field::PasswordsSetBefore, change_passwords_set_before.as_deref());
        if let Some(PartnerAccess { shared, block_duplicate_cloud_accounts }) = access {
            reader.read_access(shared);
            reader.set_flag(Field::BlockDuplicateCloudAccounts, *block_duplicate_cloud_accounts);
        }
        if let Some(policy) = password_policy {
            reader.read_password_policy(policy);
        }
    }
    if let Some(branding) = branding {
        reader.read_branding(branding);
    }
    reader.finish()
}

/// Returns the settings of a Client's own spec, before inheritance.
///
/// # Errors
///
/// Returns every setting that cannot be applied.
pub fn client_settings(
    spec: &ClientSpec,
    material: &ResolvedReferences,
) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
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
    let mut reader = SettingsReader::new(material);
    reader.read_client_details(details);
    reader.read_packages_and_add_ons(packages.as_deref(), add_ons.as_deref());
    if let Some(ClientSecurity { access, change_passwords_set_before }) = security {
        reader.set_text(Field::PasswordsSetBefore, change_passwords_set_before.as_deref());
        if let Some(access) = access {
            reader.read_access(access);
        }
    }
    if let Some(branding) = branding {
        reader.read_branding(branding);
    }
    reader.finish()
}

/// Returns the settings that a Partner passes to Clients that do not set them.
///
/// # Errors
///
/// Returns every default that cannot be applied.
pub fn client_default_settings(
    defaults: &ClientDefaults,
    material: &ResolvedReferences,
) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
    let ClientDefaults { timezone, country, packages, add_ons, access } = defaults;
    let mut reader = SettingsReader::new(material);
    reader.set_text(Field::Timezone, timezone.as_deref());
    reader.set_text(Field::Country, country.as_deref());
    reader.read_packages_and_add_ons(packages.as_deref(), add_ons.as_deref());
    if let Some(access) = access {
        reader.read_access(access);
    }
    reader.finish()
}

impl<'a> SettingsReader<'a> {
    fn new(material: &'a ResolvedReferences) -> Self {
        Self { references: material, settings: DeclaredSettings::default(), invalid: Vec::new() }
    }

    fn finish(self) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
        if self.invalid.is_empty() { Ok(self.settings) } else { Err(self.invalid) }
    }

    fn set_value(&mut self, field: Field, value: Value) {
        self.settings.values.insert(field, value.into_normal_form(field));
    }

    fn set_text(&mut self, field: Field, text: Option<&str>) {
        let Some(text) = text else { return };
        let value = Value::text(text).into_normal_form(field);
        if value == Value::Cleared && field.value_type() == ValueType::Name && !text.is_empty() {
            let message = "is blank: write a value, or remove the field".to_owned();
            return self.add_invalid(field, Reason::InvalidValue, message);
        }
        self.set_value(field, value);
    }

    fn set_flag(&mut self, field: Field, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.set_value(field, Value::Flag(flag));
        }
    }

    fn set_number(&mut self, field: Field, number: Option<i64>) {
        if let Some(number) = number {
            self.set_value(field, Value::Number(number));
        }
    }

    fn add_invalid(&mut self, field: Field, reason: Reason, message: String) {
        self.invalid.push(InvalidSetting { path: field.path().to_owned(), reason, message });
    }

    fn read_partner_details(&mut self, details: &PartnerDetails) {
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
        self.set_text(Field::Name, Some(name));
        self.set_text(Field::AlternateEmail, alternate_email.as_deref());
        self.set_text(Field::NotificationEmail, notification_email.as_deref());
        self.set_text(Field::Timezone, timezone.as_deref());
        self.set_text(Field::Country, country.as_deref());
        self.set_text(Field::City, city.as_deref());
        self.set_text(Field::Address, address.as_deref());
        self.set_text(Field::PostalCode, postal_code.as_deref());
        self.set_text(Field::State, state.as_deref());
        self.set_text(Field::ApplicationServer, application_server.as_deref());
    }

    fn read_client_details(&mut self, details: &ClientDetails) {
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
        self.set_text(Field::Name, Some(name));
        self.set_text(Field::ExternalId, external_id.as_deref());
        self.set_text(Field::Address, address.as_deref());
        self.set_text(Field::City, city.as_deref());
        self.set_text(Field::State, state.as_deref());
        self.set_text(Field::PostalCode, postal_code.as_deref());
        self.set_text(Field::Country, country.as_deref());
        self.set_text(Field::Timezone, timezone.as_deref());
        if let Some(Phone { number, extension, mobile }) = phone {
            self.set_text(Field::PhoneNumber, number.as_deref());
            self.set_text(Field::PhoneExtension, extension.as_deref());
            self.set_text(Field::PhoneMobile, mobile.as_deref());
        }
        self.set_number(Field::ChannelId, *channel_id);
        self.set_number(Field::NocId, *noc_id);
        if let Some(BusinessHours { start, end, first_day, last_day }) = business_hours {
            self.set_text(Field::BusinessStart, Some(start));
            self.set_text(Field::BusinessEnd, Some(end));
            self.set_text(Field::BusinessFirstDay, Some(first_day.name()));
            self.set_text(Field::BusinessLastDay, Some(last_day.name()));
        }
        self.set_flag(Field::SmsVoiceNotification, *sms_voice_notification);
        self.set_flag(Field::RemoteAccess, *remote_access);
        self.set_flag(Field::CliRecording, *cli_recording);
        self.set_flag(Field::ResourceDecommission, *resource_decommission);
    }

    fn read_packages_and_add_ons(&mut self, packages: Option<&[Package]>, add_ons: Option<&[AddOn]>) {
        if let Some(packages) = packages {
            self.set_value(Field::Packages, package_set(packages));
        }
        if let Some(add_ons) = add_ons {
            self.set_value(Field::AddOns, add_on_set(add_ons));
        }
    }

    fn read_access(&mut self, access: &ClientAccess) {
        let ClientAccess { allowed_ips, two_factor_authentication, duo, skip_user_consent_form, show_copy_clipboard } =
            access;
        if let Some(ips) = allowed_ips {
            self.set_value(Field::AllowedIps, Value::set(ips.iter().cloned()));
        }
        self.set_flag(Field::TwoFactorAuthentication, *two_factor_authentication);
        if let Some(DuoSpec { integration_key_secret_ref, secret_key_secret_ref, api_hostname }) = duo {
            self.read_secret(Field::DuoIntegrationKey, integration_key_secret_ref);
            self.read_secret(Field::DuoSecretKey, secret_key_secret_ref);
            self.set_text(Field::DuoApiHostname, Some(api_hostname));
        }
        self.set_flag(Field::SkipUserConsentForm, *skip_user_consent_form);
        self.set_flag(Field::ShowCopyClipboard, *show_copy_clipboard);
    }

    fn read_password_policy(&mut self, policy: &PasswordPolicySpec) {
        let PasswordPolicySpec { pci_dss, custom, change_password_at_next_login } = policy;
        if let Some(PciDssPolicy {}) = pci_dss {
            // The platform defines the values of its own policy, so only the choice of that policy is compared.
            self.set_flag(Field::PolicyPciDss, Some(true));
        }
        if let Some(custom) = custom {
            let CustomPasswordPolicy {
                min_length,
                require_all_character_classes,
                validity_days,
                allow_last_four_passwords,
                attempts_before_lockout,
            } = custom;
            self.set_flag(Field::PolicyPciDss, Some(false));
            self.set_number(Field::PolicyMinLength, *min_length);
            self.set_flag(Field::PolicyAllClasses, *require_all_character_classes);
            self.set_number(Field::PolicyValidityDays, *validity_days);
            self.set_flag(Field::PolicyLastFour, *allow_last_four_passwords);
            self.set_number(Field::PolicyAttempts, *attempts_before_lockout);
            self.set_flag(Field::PolicyChangeAtNextLogin, *change_password_at_next_login);
        }
    }

    /// Reads a referenced Secret. If the Secret lacks the label, nothing of it is used, not even whether it has the
    /// key, until the reference is known to be an old one.
    fn read_secret(&mut self, field: Field, reference: &SecretKeyRef) {
        let SecretKeyRef { name, key } = reference;
        let Some(SecretLookup { source, text, is_allowed }) = self.references.secrets.get(reference) else {
            return self.add_invalid(field, Reason::SecretNotFound, missing_secret_message(reference));
        };
        if !is_allowed {
            let message = format!(
                "names key `{key}` of Secret `{name}`, which lacks the label `{ALLOW_REFERENCE}`: if objects may use it, run `kubectl label secret {name} --namespace {} {ALLOW_REFERENCE}=true`",
                source.namespace
            );
            if !self.references.applied_secrets.has_reference(field, reference, text.as_ref()) {
                return self.add_invalid(field, Reason::ReferenceNotAllowed, message);
            }
            let message = format!("{message}; it was applied before, and goes on without the label until release 0.3");
            let reason = Reason::ReferenceNotAllowed;
            self.settings.tolerated.push(InvalidSetting { path: field.path().to_owned(), reason, message });
        }
        let Some(text) = text else {
            return self.add_invalid(field, Reason::SecretNotFound, missing_secret_message(reference));
        };
        self.set_value(field, Value::Secret(source.clone()));
        self.settings.payload.secrets.insert(field, text.clone());
    }
}

fn missing_secret_message(SecretKeyRef { name, key }: &SecretKeyRef) -> String {
    format!(
        "names key `{key}` of Secret `{name}`, which does not exist: create it in this namespace, with the label `{ALLOW_REFERENCE}: \"true\"`"
    )
}

/// Returns packages in comparable form. The default package is always included: leaving it out never removes it.
pub fn package_set(packages: &[Package]) -> Value {
    Value::set(packages.iter().chain(&[Package::HybridDiscoveryAndMonitoring]).map(|package| package.name()))
}

/// Returns add-ons in comparable form.
pub fn add_on_set(add_ons: &[AddOn]) -> Value {
    Value::set(add_ons.iter().map(|add_on| add_on.name()))
}
