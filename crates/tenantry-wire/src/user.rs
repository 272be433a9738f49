//! A user of a tenant, in requests and answers.

use serde::{Deserialize, Serialize};

/// A text of a request that is never printed and never sent in an answer.
#[derive(Deserialize, Clone, Default, PartialEq, Eq)]
#[serde(transparent)]
pub struct HiddenText(pub String);

impl std::fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A user. In a request, an absent member means "unchanged", and an empty text clears. Lists replace.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// `USR` and ten digits; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Login name; upper and lower case make no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_name: Option<String>,
    /// Password; requests only.
    #[serde(skip_serializing)]
    pub password: Option<HiddenText>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Function of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// Street address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// Country by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Alternate e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt_email: Option<String>,
    /// Phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Mobile number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile_number: Option<String>,
    /// Time zone: an object, unlike a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<UserZone>,
    /// `REGULAR` or `BUSINESS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_account_type: Option<String>,
    /// `ALL` or `NONE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_group_type: Option<String>,
    /// Notifications that the person gets, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_notifications: Option<Vec<UserNotification>>,
    /// Whether a login asks for a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_factor_authentication: Option<bool>,
    /// The method of the second factor; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_factor: Option<TwoFactor>,
    /// Roles by name or unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleRef>>,
    /// Groups by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_groups: Option<Vec<RoleRef>>,
    /// `LOCAL`, or `EXTERNAL` for a person whom another system authenticates; set at creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    /// `active` or `inactive`; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Unique id of the tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// Name of the tenant; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// Time of creation; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// Time of the last change; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_time: Option<String>,
    /// Permissions from the roles; answers of a single read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

/// The second factor of a user.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct TwoFactor {
    /// `TOTP` or `DUO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// A user's time zone; a request names it by its code or its IANA name.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UserZone {
    /// Number, as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Offset and name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Abbreviation of the zone's standard time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// One kind of notification.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UserNotification {
    /// Kind, such as `Account Information` or `Alert Notification`; the vendor adds words over time.
    pub notify_type: String,
    /// Method, such as `Email`, `SMS` or `No Notify`.
    pub notify_method: String,
    /// Destination, such as `Primary Email`; absent if nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_input_type: Option<String>,
    /// Whether recurring reports are sent too.
    pub notify_recurring_report: bool,
}

/// A reference to a role.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// `ROLE-` and a UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Body of `ACTIVATE`, `DEACTIVATE` and `TERMINATE`; optional.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UserAction {
    /// Why the user is deactivated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deactivate_reason: Option<String>,
    /// Why the user is terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminate_reason: Option<String>,
    /// `PARTIAL` or `FULL`: how much of the personal data a termination masks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_type: Option<String>,
}

/// Body of `changePassword`; every member is required.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordChange {
    /// The current password.
    pub current_password: HiddenText,
    /// The new one.
    pub new_password: HiddenText,
    /// The new password, repeated.
    pub confirm_password: HiddenText,
}

/// Row of a login history.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginHistoryEntry {
    /// Number of the login.
    pub id: i64,
    /// Partner of the user, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<LoginTenant>,
    /// Client of the user, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<LoginTenant>,
    /// Who logged in.
    pub user: super::PersonRef,
    /// Source address of the login.
    pub source_ip: String,
    /// The same address; it is not resolved to a name.
    pub source_host: String,
    /// Name of the session; it is not usable as a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// `SUCCESS` or `FAILED`.
    pub status: String,
    /// `COOKIE` or `TOKEN`.
    pub login_type: String,
    /// `LOGOUT`, `TIMEOUT` or `FORCED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_type: Option<String>,
    /// Time of the login.
    pub login_time: String,
    /// Time of the logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_time: Option<String>,
}

/// Reference of a login to a tenant.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginTenant {
    /// Its number.
    pub id: i64,
    /// Its unique id.
    pub unique_id: String,
    /// Its name.
    pub name: String,
    /// Whether it is in service.
    pub activated: bool,
}
