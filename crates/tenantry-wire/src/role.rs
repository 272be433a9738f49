//! Roles and permission sets, in requests and answers.

use serde::{Deserialize, Serialize};

/// A role: what its people may do, and on which clients. In a request, an absent member means "unchanged"; lists
/// replace.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// `ROLE-` and a UUID; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Purpose of the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `MSP` for people of a partner, `CLIENT` for those of a client; `SP` is an extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The clients that it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<ClientRef>>,
    /// Whether it reaches every client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_clients: Option<bool>,
    /// Devices that it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<IgnoredRef>>,
    /// Whether it reaches every device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_devices: Option<bool>,
    /// Groups of devices that it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_groups: Option<Vec<IgnoredRef>>,
    /// Sets of credentials that it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_sets: Option<Vec<IgnoredRef>>,
    /// Whether it reaches every set of credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_credentials: Option<bool>,
    /// Users that have the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserRef>>,
    /// Groups of users that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_groups: Option<Vec<IgnoredRef>>,
    /// Its permission sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<PermissionSetRef>>,
    /// Whether every tenant has it from the start; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<bool>,
}

/// Reference of a role to a client.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientRef {
    /// Unique id.
    pub unique_id: String,
    /// Name; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Reference of a role to a user.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UserRef {
    /// `USR` and ten digits.
    pub id: String,
    /// Login name; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_name: Option<String>,
}

/// Reference of a role to a permission set.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionSetRef {
    /// Its number.
    pub id: i64,
    /// Its name; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Reference to an object of a kind that the self-hosted platform does not have.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct IgnoredRef {}

/// A set of permissions.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionSet {
    /// Its number; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Unique id; answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Purpose of the permission set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Scope, with the words of a role's `scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Permissions of the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<PermissionRef>>,
}

/// A permission: a category such as `Clients` and a type such as `Manage Clients`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PermissionRef {
    /// Category.
    pub name: String,
    /// What it allows there.
    pub r#type: String,
}
