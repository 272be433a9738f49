//! The operations of the routes, and which of them require reauthentication.

/// The operation of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the handlers, and the table says the rest")]
pub enum RouteOperation {
    CreateTenant,
    MinimalTenants,
    SearchTenants,
    ReadTenant,
    UpdateTenant,
    ActivateTenant,
    SuspendTenant,
    TerminateTenant,
    ReadOwnTenant,
    UpdateOwnTenant,
    ReadBranding,
    WriteBranding,
    Countries,
    Timezones,
    Channels,
    Nocs,
    Impact,
    CreateCredential,
    SearchAudit,
    ListCredentials,
    RotateCredential,
    RevokeCredential,
    ReadSubscription,
    CreateRecord,
    ListRecords,
    ReadRecord,
    UpdateRecord,
    ExportBatch,
    ListSchedules,
    DeleteSchedule,
    CreateStream,
    ListStreams,
    DeleteStream,
    CreateUser,
    MinimalUsers,
    SearchUsers,
    SearchLogins,
    ReadUser,
    UpdateUser,
    ActivateUser,
    DeactivateUser,
    TerminateUser,
    ResetFactor,
    ChangePassword,
    CreateRole,
    SearchRoles,
    ReadRole,
    UpdateRole,
    DeleteRole,
    ListPermissionSets,
    CreatePermissionSet,
    ReadPermissionSet,
    UpdatePermissionSet,
    DeletePermissionSet,
}

/// When a person must authenticate again. This never applies to an API credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReauthPolicy {
    /// Never.
    Never,
    /// If the edited tenant requires a second factor of its people.
    IfTenantRequiresFactor,
    /// If the request grants lasting power: administration, a password, a login without its second factor.
    IfGrantingPower,
    /// Each time.
    Always,
}

impl RouteOperation {
    /// Returns when the operation requires a fresh proof.
    pub const fn reauth_policy(self) -> ReauthPolicy {
        match self {
            Self::UpdateTenant
            | Self::UpdateOwnTenant
            | Self::WriteBranding
            | Self::ActivateTenant
            | Self::SuspendTenant
            | Self::TerminateTenant => ReauthPolicy::IfTenantRequiresFactor,
            Self::CreateCredential | Self::RotateCredential | Self::RevokeCredential | Self::ResetFactor => {
                ReauthPolicy::Always
            }
            Self::CreateUser
            | Self::UpdateUser
            | Self::ActivateUser
            | Self::ChangePassword
            | Self::CreateRole
            | Self::UpdateRole
            | Self::CreatePermissionSet
            | Self::UpdatePermissionSet => ReauthPolicy::IfGrantingPower,
            Self::CreateTenant
            | Self::MinimalTenants
            | Self::SearchTenants
            | Self::ReadTenant
            | Self::ReadOwnTenant
            | Self::ReadBranding
            | Self::Countries
            | Self::Timezones
            | Self::Channels
            | Self::Nocs
            | Self::Impact
            | Self::SearchAudit
            | Self::ListCredentials
            | Self::ReadSubscription
            | Self::CreateRecord
            | Self::ListRecords
            | Self::ReadRecord
            | Self::UpdateRecord
            | Self::ExportBatch
            | Self::ListSchedules
            | Self::DeleteSchedule
            | Self::CreateStream
            | Self::ListStreams
            | Self::DeleteStream
            | Self::MinimalUsers
            | Self::SearchUsers
            | Self::SearchLogins
            | Self::ReadUser
            | Self::DeactivateUser
            | Self::TerminateUser
            | Self::SearchRoles
            | Self::ReadRole
            | Self::DeleteRole
            | Self::ListPermissionSets
            | Self::ReadPermissionSet
            | Self::DeletePermissionSet => ReauthPolicy::Never,
        }
    }
}
