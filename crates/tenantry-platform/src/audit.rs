//! The audit log: who did what under a tenant, in one hash chain per tenant.
//!
//! The hash of a row covers the row and the hash before it, and each row is sealed with a key outside the database. A
//! head repeats the last hash of each chain, and the anchor covers all heads. `tenantry-platform audit verify`
//! therefore finds a row that was changed, removed, moved or cut off, and a log that was reset to an earlier day. A row
//! is written in the same transaction as the change that it records, so neither exists without the other. Each row is
//! also a line of the program's log, and in this way it leaves the machine.

mod actor;
mod anchor;
mod anchor_check;
mod chain;
mod command;
mod denial_audit;
mod denial_sampler;
mod key_rotation;
mod list;
mod log_writer;
mod seal;
mod trim;
mod verify;

pub(super) use actor::{Actor, RequestId};
pub(super) use anchor_check::check_anchor;
pub(super) use chain::{AuditRow, PrecedingRow, RowHash};
pub use command::{AuditCommand, AuditError, export_log, verify_log};
pub(super) use denial_audit::{audit_forbidden_requests, record_denial};
pub(super) use denial_sampler::{
    Denial, DenialSampler, append_sampled_denial, record_omitted_denials, record_sampled_denial,
    run_omitted_denials_report,
};
pub(super) use key_rotation::open_seal;
pub use key_rotation::rotate_key;
pub(super) use list::list_audit_log;
pub(super) use log_writer::{PendingEntry, write_pending};
pub(super) use seal::Seal;
pub(super) use trim::trim_logs_before;
pub use verify::{AuditFinding, VerificationReport};

use super::store::Tx;
use log_writer::RowContent;

/// What was done. The log stores the word of each action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AuditAction {
    /// A tenant was created.
    TenantCreate,
    /// A tenant's settings changed.
    TenantUpdate,
    /// A tenant was activated again.
    TenantActivate,
    /// A tenant was suspended.
    TenantSuspend,
    /// A tenant was terminated.
    TenantTerminate,
    /// The data of a terminated tenant was erased.
    TenantPurge,
    /// A branding changed.
    BrandingUpdate,
    /// An API credential was created.
    CredentialCreate,
    /// An API credential was revoked.
    CredentialRevoke,
    /// An API credential got a new secret.
    CredentialRotate,
    /// A token was requested.
    TokenIssue,
    /// A credential's token was revoked.
    TokenRevoke,
    /// A record was stored.
    RecordCreate,
    /// A record changed.
    RecordUpdate,
    /// Records were erased because their retention ended.
    RecordExpire,
    /// Data was written to a destination.
    ExportBatch,
    /// A batch export got a schedule.
    ExportSchedule,
    /// A schedule was removed.
    ExportScheduleEnd,
    /// A stream of data was set up.
    ExportStream,
    /// A stream of data was removed.
    ExportStreamEnd,
    /// A person logged in, or was refused with a wrong password.
    Login,
    /// A login was refused because of too many failures before it.
    LoginLocked,
    /// A login or a session was refused because of its source address.
    LoginIpDenied,
    /// A person logged out.
    Logout,
    /// A second factor was verified, or refused.
    SecondFactorVerify,
    /// A second factor was refused because of too many wrong ones before it.
    SecondFactorLocked,
    /// A person enrolled a second factor, or failed to.
    SecondFactorEnrol,
    /// A person's second factor was reset.
    SecondFactorReset,
    /// A person confirmed the own password again, or failed to.
    PasswordReauth,
    /// A person accepted the consent form, or denied it.
    Consent,
    /// A user was created.
    UserCreate,
    /// A user changed.
    UserUpdate,
    /// A user was activated, and may log in again.
    UserActivate,
    /// A user was deactivated, and may not log in until activated again.
    UserDeactivate,
    /// A user was terminated.
    UserTerminate,
    /// Somebody else set a user's password.
    PasswordSet,
    /// A person changed the own password.
    PasswordChange,
    /// A role was created.
    RoleCreate,
    /// A role or the list of its users changed.
    RoleUpdate,
    /// A role was deleted.
    RoleDelete,
    /// A permission set was created.
    PermissionSetCreate,
    /// A permission set changed.
    PermissionSetUpdate,
    /// A permission set was deleted.
    PermissionSetDelete,
    /// The key of the log was rotated.
    AuditKey,
    /// The rows before this one come from a version that sealed only the last row; this row covers them.
    AuditEpoch,
    /// The log was changed outside the platform.
    AuditTampered,
    /// The database was restored from a backup.
    DatabaseRestore,
    /// Any other request, identified by its method and route.
    Request,
}

impl AuditAction {
    /// Returns the word that the log stores.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TenantCreate => "tenant.create",
            Self::TenantUpdate => "tenant.update",
            Self::TenantActivate => "tenant.activate",
            Self::TenantSuspend => "tenant.suspend",
            Self::TenantTerminate => "tenant.terminate",
            Self::TenantPurge => "tenant.purge",
            Self::BrandingUpdate => "branding.update",
            Self::CredentialCreate => "credential.create",
            Self::CredentialRevoke => "credential.revoke",
            Self::CredentialRotate => "credential.rotate",
            Self::TokenIssue => "token.issue",
            Self::TokenRevoke => "token.revoke",
            Self::RecordCreate => "record.create",
            Self::RecordUpdate => "record.update",
            Self::RecordExpire => "record.expire",
            Self::ExportBatch => "export.batch",
            Self::ExportSchedule => "export.schedule",
            Self::ExportScheduleEnd => "export.scheduleEnd",
            Self::ExportStream => "export.stream",
            Self::ExportStreamEnd => "export.streamEnd",
            Self::Login => "login",
            Self::LoginLocked => "login.locked",
            Self::LoginIpDenied => "login.ip_denied",
            Self::Logout => "logout",
            Self::SecondFactorVerify => "factor",
            Self::SecondFactorLocked => "factor.locked",
            Self::SecondFactorEnrol => "factor.enrol",
            Self::SecondFactorReset => "factor.reset",
            Self::PasswordReauth => "password.prove",
            Self::Consent => "consent",
            Self::UserCreate => "user.create",
            Self::UserUpdate => "user.update",
            Self::UserActivate => "user.activate",
            Self::UserDeactivate => "user.deactivate",
            Self::UserTerminate => "user.terminate",
            Self::PasswordSet => "password.set",
            Self::PasswordChange => "password.change",
            Self::RoleCreate => "role.create",
            Self::RoleUpdate => "role.update",
            Self::RoleDelete => "role.delete",
            Self::PermissionSetCreate => "permissionSet.create",
            Self::PermissionSetUpdate => "permissionSet.update",
            Self::PermissionSetDelete => "permissionSet.delete",
            Self::AuditKey => "audit.key",
            Self::AuditEpoch => "audit.epoch",
            Self::AuditTampered => "audit.broken",
            Self::DatabaseRestore => "database.restore",
            Self::Request => "request",
        }
    }
}

/// Outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused.
    Denied,
}

impl AuditOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }
}

/// Content of a row. `object` names ids and never a value: the log may hold neither data nor a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditEvent<'a> {
    /// What was done.
    pub(super) action: AuditAction,
    /// Object of the action.
    pub(super) object: &'a str,
    /// Outcome of the action.
    pub(super) outcome: AuditOutcome,
}

impl<'a> AuditEvent<'a> {
    /// Returns the event of an action that was done.
    pub(super) const fn success(action: AuditAction, object: &'a str) -> Self {
        Self { action, object, outcome: AuditOutcome::Done }
    }

    /// Returns the event of an action that was refused.
    pub(super) const fn denial(action: AuditAction, object: &'a str) -> Self {
        Self { action, object, outcome: AuditOutcome::Denied }
    }
}

/// Adds a row to a tenant's chain in the caller's transaction. The row is written when that transaction commits.
#[allow(clippy::unused_async, reason = "a caller need not know that the log is written later")]
pub(super) async fn append_event(
    seal: &Seal,
    tx: &mut Tx,
    tenant: i64,
    actor: &Actor,
    event: AuditEvent<'_>,
) -> Result<(), sqlx::Error> {
    tx.add_pending(PendingEntry::for_row(seal, RowContent::new(tenant, actor, event)));
    Ok(())
}

/// Adds two rows for an action on a child: one to the chain of its parent, which outlives the child, and one to its
/// own.
pub(super) async fn append_to_parent_and_child(
    seal: &Seal,
    tx: &mut Tx,
    parent: i64,
    child: i64,
    actor: &Actor,
    event: AuditEvent<'_>,
) -> Result<(), sqlx::Error> {
    append_event(seal, tx, parent, actor, event).await?;
    append_event(seal, tx, child, actor, event).await
}

/// Ends a tenant's chain in the caller's transaction.
pub(super) fn end_tenant_log(seal: &Seal, tx: &mut Tx, tenant: i64) {
    tx.add_pending(PendingEntry::for_purge(seal, tenant));
}
