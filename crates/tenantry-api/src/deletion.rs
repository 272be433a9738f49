//! What happens to the tenant when the object is deleted.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to the tenant when the object is deleted.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// `Retain`, `Suspend` or `Terminate`; default: `Retain`, the tenant stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DeletionPolicy>,
    /// Seconds that the tenant stays suspended before it is ended, 0 to 2592000; default: 86400, one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_592_000))]
    pub grace_period_seconds: Option<i64>,
    /// Your consent to end the tenant for ever, needed with `policy: Terminate`; copy the block that
    /// `status.termination.howToConfirm` shows. Removing or changing it cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirmation>,
}

/// What happens to the tenant when the object is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
// Empty, so that each field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum DeletionPolicy {
    /// The tenant stays as it is.
    #[default]
    Retain,
    /// The tenant is suspended; it can be activated again.
    Suspend,
    /// The tenant is suspended for the grace period and then ended for ever.
    Terminate,
}

impl DeletionPolicy {
    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retain => "Retain",
            Self::Suspend => "Suspend",
            Self::Terminate => "Terminate",
        }
    }
}

/// Consent to end a tenant, bound to that tenant and limited in time.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// Name of the tenant on the platform, exactly as it is there, for example `Globex GmbH`.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Unique id of the tenant, the same as in `status.uniqueId`, for example `client_93`.
    #[schemars(length(min = 1, max = 64))]
    pub unique_id: String,
    /// The three consequences you accept: `[DataErased, NotRecoverable, UsersDeactivated]`, all of them.
    #[schemars(length(min = 3, max = 3))]
    pub acknowledge: Vec<Acknowledgement>,
    /// Until when the consent may be acted on, at most seven days ahead, for example `2026-12-01T12:00:00Z`.
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub not_after: String,
}

/// A consequence of a termination.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acknowledgement {
    /// All data of the tenant is erased.
    DataErased,
    /// The tenant cannot be activated again.
    NotRecoverable,
    /// All users of the tenant become inactive.
    UsersDeactivated,
}

impl Acknowledgement {
    /// Every consequence that must be accepted.
    pub const ALL: [Self; 3] = [Self::DataErased, Self::NotRecoverable, Self::UsersDeactivated];

    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DataErased => "DataErased",
            Self::NotRecoverable => "NotRecoverable",
            Self::UsersDeactivated => "UsersDeactivated",
        }
    }
}
