//! Access management and password policy.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;

/// Access management and password policy of a partner.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PartnerSecurity {
    /// Who may log in and how, for the partner's own people, for example `{twoFactorAuthentication: true}`; what is left
    /// out is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<PartnerAccess>,
    /// Password policy for the partner's people and for all users of its clients; exactly one of `pciDSS` and `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_policy: Option<PasswordPolicySpec>,
    /// A time, for example `2026-11-30T09:00:00Z`. It ends each session of the partner's and its clients' users that began
    /// earlier. Users whose password is older must choose another one at the next login, under any password policy. Users who
    /// are authenticated elsewhere keep their password. It never moves back and is refused more than 60 seconds ahead; left
    /// out: not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub change_passwords_set_before: Option<String>,
}

/// Access management of a client; its password policy is its Partner's.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecurity {
    /// Who may log in and how, for the client's people; what is left out comes from the Partner's
    /// `clients.defaults.access`, where that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<ClientAccess>,
    /// A time, for example `2026-11-30T09:00:00Z`. It ends each session of the client's users that began earlier. Users whose
    /// password is older must choose another one at the next login, under any password policy. Users who are authenticated
    /// elsewhere keep their password. It never moves back and is refused more than 60 seconds ahead; left
    /// out: not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub change_passwords_set_before: Option<String>,
}

/// Access management of a partner.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PartnerAccess {
    /// The settings that a partner and a client share.
    #[serde(flatten)]
    pub shared: ClientAccess,
    /// Whether a cloud account that another tenant already has is refused, across partners, for example `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_duplicate_cloud_accounts: Option<bool>,
}

/// Access management of a client.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClientAccess {
    /// Addresses from which people may log in: IPv4, IPv6, CIDR, `10.0.0.*` or `10.0.0.[0-50]`, for example
    /// `[198.51.100.0/24]`; an empty list lets them in from everywhere. API credentials are never held to it.
    #[serde(default, rename = "allowedIPs", skip_serializing_if = "Option::is_none")]
    // At the entry and not at the list, so that a refusal names the entry.
    #[schemars(length(max = 1024), extend("items" = {"type": "string", "minLength": 1, "maxLength": 64, "x-kubernetes-validations": [{"rule": "isIP(self) || isCIDR(self) || self.matches('^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}([*]|\\\\[(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])-(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\\\])$')", "message": "write an IPv4 or IPv6 address, a CIDR, 10.0.0.* or 10.0.0.[0-50]"}]}))]
    pub allowed_ips: Option<Vec<String>>,
    /// Whether people need a second factor to log in, for example `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_factor_authentication: Option<bool>,
    /// Duo Security as the second factor: its keys come from Secrets, for example with `apiHostname: api-1.duo.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duo: Option<DuoSpec>,
    /// Whether people are not shown the consent form at login, for example `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_user_consent_form: Option<bool>,
    /// Whether pages show buttons that copy to the clipboard, for example `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_copy_clipboard: Option<bool>,
}

/// Duo Security.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct DuoSpec {
    /// Where the integration key is read from, for example `{name: duo, key: integrationKey}`.
    pub integration_key_secret_ref: SecretKeyRef,
    /// Where the secret key is read from, for example `{name: duo, key: secretKey}`.
    pub secret_key_secret_ref: SecretKeyRef,
    /// Host of Duo's API as Duo shows it, for example `api-1234.duo.example`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("!self.contains('/')", "write the host name alone, without `https://` and path"))]
    pub api_hostname: String,
}

/// Password policy; exactly one of `pciDSS` and `custom`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("has(self.pciDSS) != has(self.custom)", "set exactly one of `pciDSS` and `custom`"))]
#[x_kube(validation = ("!has(self.pciDSS) || !has(self.changePasswordAtNextLogin) || self.changePasswordAtNextLogin", "under `pciDSS` passwords are always changed at the next login: leave `changePasswordAtNextLogin` out or set it to true"))]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicySpec {
    /// The PCI DSS policy of the platform, whose figures cannot be edited; write `pciDSS: {}`.
    #[serde(default, rename = "pciDSS", skip_serializing_if = "Option::is_none")]
    pub pci_dss: Option<PciDssPolicy>,
    /// A policy with figures of your own, for example `{minLength: 14, validityDays: 180}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomPasswordPolicy>,
    /// Whether everybody must choose a new password at the next login, for example `true`; turning it on ends all
    /// sessions at once. Always true under `pciDSS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_password_at_next_login: Option<bool>,
}

/// The platform's own policy has nothing to set.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
pub struct PciDssPolicy {}

/// A policy with figures of one's own; what is left out is not managed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CustomPasswordPolicy {
    /// Shortest password in characters, 8 to 128, for example `14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 128))]
    pub min_length: Option<i64>,
    /// Whether a password needs a digit, a special character, a small and a capital letter, for example `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_all_character_classes: Option<bool>,
    /// Days until a password must be changed, 1 to 3650, for example `90`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub validity_days: Option<i64>,
    /// Whether one of the last four passwords may be used again, for example `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_last_four_passwords: Option<bool>,
    /// Failed logins in a row until the account is locked, 1 to 100, for example `10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts_before_lockout: Option<i64>,
}
