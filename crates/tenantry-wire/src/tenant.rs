//! A partner or a client: one family of objects, in requests and responses.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Mark;

/// A partner or client as the platform reads and writes it. In a request, an absent member means "unchanged", and an
/// empty text or list clears. Arrays replace.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Tenant {
    /// `msp_<n>`, `client_<n>` or a UUID; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// The number inside the unique id; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Name of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The customer's own number for this tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext_org_id: Option<String>,
    /// Street address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code, a string on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// Country by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// IANA name of the time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Phone extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_extension: Option<String>,
    /// Mobile number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile_number: Option<String>,
    /// Notification e-mail; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_email: Option<String>,
    /// Alternate e-mail; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt_email: Option<String>,
    /// Application and API server; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_endpoint: Option<AccessEndpoint>,
    /// Channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<IdRef>,
    /// Network operations centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noc_details: Option<IdRef>,
    /// Browser consoles.
    #[serde(skip_serializing_if = "Option::is_none", rename = "rdp2swfState")]
    pub rdp2swf_state: Option<bool>,
    /// Recording of command-line sessions.
    #[serde(skip_serializing_if = "Option::is_none", rename = "enableCLIRecording")]
    pub enable_cli_recording: Option<bool>,
    /// Whether copy-to-clipboard buttons are shown.
    #[serde(skip_serializing_if = "Option::is_none", rename = "showCopyClipBoard")]
    pub show_copy_clip_board: Option<bool>,
    /// Whether resources are decommissioned automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_decommission: Option<bool>,
    /// Addresses that may log in, in one comma-separated string, for example `172.22.22.*,172.22.2.[0-50]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub white_listed_ips: Option<String>,
    /// Whether two-factor authentication is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_factor_authentication: Option<bool>,
    /// Duo Security. Answers have only the host (and, as an extension, whether an integration key is set).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duo_security: Option<DuoSecurity>,
    /// Password policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_policy: Option<PasswordPolicy>,
    /// Sessions that began before this time have ended, and people whose password is older must choose another. The
    /// time never moves back. Answers show 1970 if it was never set; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_passwords_set_before: Option<String>,
    /// Whether a cloud account that another client already has is refused; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_duplicate_cloud_accounts: Option<bool>,
    /// Whether the consent form is skipped; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_user_consent_form: Option<bool>,
    /// Business hours and switches of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_details: Option<WireClientDetails>,
    /// Packages by their display names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<String>>,
    /// Add-ons by their wire names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_ons: Option<Vec<String>>,
    /// Who owns the tenant; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<Mark>,
    /// False for a suspended and for a terminated tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated: Option<bool>,
    /// Distinguishes suspended from terminated; extension, answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<WireTenantState>,
    /// Time of creation; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// Time of the last change of anything under the tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_time: Option<String>,
    /// Grows with every change under the tenant, so the same number means that nothing changed; extension, answers
    /// only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Time of the termination; extension, answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_time: Option<String>,
    /// Who created the tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PersonRef>,
    /// Who last changed the tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<PersonRef>,
    /// Unique id of a client's partner; answers only. A second key `mspid` carries the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msp_id: Option<String>,
}

/// Answer to a create.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CreatedTenant {
    /// Id of the new tenant.
    pub unique_id: String,
    /// Its name.
    pub name: String,
    /// The number in the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
}

/// A reference by number.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct IdRef {
    /// The number.
    pub id: i64,
    /// Its name; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its time zone; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Application and API server of a partner (extension).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessEndpoint {
    /// Host name of the application server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_server: Option<String>,
    /// Host name of the API server, derived from the application server; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<String>,
}

/// Duo Security settings.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DuoSecurity {
    /// Integration key; requests only (extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration_key: Option<String>,
    /// Secret key; requests only (extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// API host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_host_name: Option<String>,
}

impl fmt::Debug for DuoSecurity {
    /// Formats the settings without the secret key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { integration_key, secret_key, api_host_name } = self;
        let secret_key = secret_key.as_ref().map(|_| "[hidden]");
        let mut text = f.debug_struct("Duo");
        text.field("integration_key", integration_key).field("secret_key", &secret_key);
        text.field("api_host_name", api_host_name).finish()
    }
}

/// The seven documented fields of a password policy.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordPolicy {
    /// Whether the PCI DSS policy applies, whose other fields cannot be edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<bool>,
    /// Shortest password, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_password_length: Option<i64>,
    /// Whether all four character classes are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_password_constraints: Option<bool>,
    /// Whether each user must choose a new password at the next login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_password_at_first_login: Option<bool>,
    /// Days until a password expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_validity: Option<i64>,
    /// Whether the last four passwords may be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_last_four_passwords: Option<bool>,
    /// Failed logins until the account is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts_to_lockout: Option<i64>,
}

/// Business hours and switches of a client. Days: 1 is Sunday, 7 is Saturday.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct WireClientDetails {
    /// Hour at which business starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_start_hour: Option<i64>,
    /// Minute at which business starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_start_min: Option<i64>,
    /// Hour at which business ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_end_hour: Option<i64>,
    /// Minute at which business ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_end_min: Option<i64>,
    /// First business day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_day_start: Option<i64>,
    /// Last business day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_day_end: Option<i64>,
    /// Whether SMS and voice notifications are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_voice_notification: Option<bool>,
    /// Whether remote access is enabled; takes effect only if the partner has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_access: Option<bool>,
}

/// A person in answers.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PersonRef {
    /// Number of the user, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Login name.
    pub login_name: String,
    /// Last name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// E-mail address.
    pub email: String,
}

/// State of a tenant (extension `status`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum WireTenantState {
    /// The tenant is in service.
    Active,
    /// The tenant is suspended; it can be activated again.
    Suspended,
    /// The tenant is terminated for ever.
    Terminated,
}

impl WireTenantState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Terminated];

    /// Returns the word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Terminated => "TERMINATED",
        }
    }
}

/// A lifecycle action on a live tenant; the last segment of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleAction {
    /// Activates all operations again.
    Activate,
    /// Stops operations temporarily.
    Suspend,
    /// Terminates the tenant for ever.
    Terminate,
}

impl LifecycleAction {
    /// Returns the path segment, in lower case.
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Suspend => "suspend",
            Self::Terminate => "terminate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_key_of_duo_is_never_printed() {
        let text = |text: &str| Some(text.to_owned());
        let duo = DuoSecurity {
            integration_key: text("DIKEY"),
            secret_key: text("hush"),
            api_host_name: text("api-1.duo.example"),
        };
        let shown = format!("{:?}", Tenant { duo_security: Some(duo), ..Tenant::default() });
        assert!(shown.contains("DIKEY") && shown.contains("api-1.duo.example") && !shown.contains("hush"), "{shown}");
    }
}
