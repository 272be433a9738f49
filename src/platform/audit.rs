//! The audit log: who did what under a tenant, in one chain of hashes per tenant.
//!
//! A row's hash covers the row and the hash before it, and each row is sealed with a key outside the database. The last one
//! stands once more in a head, and all heads in the anchor. So a row that is changed, taken out, put elsewhere or cut off is
//! found by `tenantry-platform audit verify`, and so is a log that is put back to an earlier day. Rows are written in the
//! transaction of what they tell: neither is there without the other. Each is also a line of the program's log, which is how
//! it leaves the machine.

mod actor;
mod anchor;
mod anchor_check;
mod chain;
mod command;
mod denial_sampler;
mod denied_requests;
mod key;
mod list;
mod log_writer;
mod seal;
mod trim;
mod verify;

pub(super) use actor::{Actor, RequestId};
pub(super) use anchor_check::check_anchor;
pub(super) use chain::{AuditRow, PrecedingRow, RowHash};
pub use command::{AuditCommand, AuditError, export_log, verify_log};
pub(super) use denial_sampler::{
    Denial, DenialSampler, append_sampled_denial, record_omitted_denials, record_sampled_denial,
    run_omitted_denials_report,
};
pub(super) use denied_requests::{audit_forbidden_requests, record_denial};
pub(super) use key::open_seal;
pub use key::rotate_key;
pub(super) use list::list_audit_log;
pub(super) use log_writer::{PendingEntry, write_pending};
pub(super) use seal::Seal;
pub(super) use trim::trim_logs_before;
pub use verify::{AuditFinding, VerificationReport};

use super::store::Tx;
use log_writer::RowContent;

/// What was done. The words stand in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AuditAction {
    /// A tenant was made.
    TenantCreate,
    /// A tenant's settings changed.
    TenantUpdate,
    /// A tenant went into service again.
    TenantActivate,
    /// A tenant was taken out of service.
    TenantSuspend,
    /// A tenant was ended.
    TenantTerminate,
    /// What an ended tenant left was erased.
    TenantPurge,
    /// A branding changed.
    BrandingUpdate,
    /// An API credential was made.
    CredentialCreate,
    /// An API credential was revoked.
    CredentialRevoke,
    /// An API credential got another secret.
    CredentialRotate,
    /// A token was asked for.
    TokenIssue,
    /// A token of a credential was ended.
    TokenRevoke,
    /// A record was stored.
    RecordCreate,
    /// A record changed.
    RecordUpdate,
    /// Records went because their time was over.
    RecordExpire,
    /// Data was written to a destination.
    ExportBatch,
    /// A batch export was given a schedule.
    ExportSchedule,
    /// A schedule was ended.
    ExportScheduleEnd,
    /// A stream of data was set up.
    ExportStream,
    /// A stream of data was ended.
    ExportStreamEnd,
    /// A person logged in, or was refused with a wrong password.
    Login,
    /// A login was refused because of too many failures before it.
    LoginLocked,
    /// A login or a session was refused because of the address that it came from.
    LoginIpDenied,
    /// A person logged out.
    Logout,
    /// A second factor was proved, or refused.
    Factor,
    /// A second factor was refused because of too many wrong ones before it.
    FactorLocked,
    /// A person enrolled a second factor, or failed to.
    FactorEnrol,
    /// A person's second factor was taken away.
    FactorReset,
    /// A person proved the own password again, or failed to.
    PasswordProve,
    /// A person accepted the consent form, or denied it.
    Consent,
    /// A user was made.
    UserCreate,
    /// A user changed.
    UserUpdate,
    /// A user may log in again.
    UserActivate,
    /// A user may not log in until activated again.
    UserDeactivate,
    /// A user was ended.
    UserTerminate,
    /// A user's password was set by somebody else.
    PasswordSet,
    /// A person changed the own password.
    PasswordChange,
    /// A role was made.
    RoleCreate,
    /// A role changed, or who has it.
    RoleUpdate,
    /// A role was deleted.
    RoleDelete,
    /// A permission set was made.
    SetCreate,
    /// A permission set changed.
    SetUpdate,
    /// A permission set was deleted.
    SetDelete,
    /// The log goes on with another key.
    AuditKey,
    /// The rows before this one are of a version that sealed the last one only; this one covers them.
    AuditEpoch,
    /// The log was changed behind the platform's back.
    AuditBroken,
    /// The database was brought back from a copy.
    DatabaseRestore,
    /// Any other request, known by its method and route.
    Request,
}

impl AuditAction {
    /// How the log writes it.
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
            Self::Factor => "factor",
            Self::FactorLocked => "factor.locked",
            Self::FactorEnrol => "factor.enrol",
            Self::FactorReset => "factor.reset",
            Self::PasswordProve => "password.prove",
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
            Self::SetCreate => "permissionSet.create",
            Self::SetUpdate => "permissionSet.update",
            Self::SetDelete => "permissionSet.delete",
            Self::AuditKey => "audit.key",
            Self::AuditEpoch => "audit.epoch",
            Self::AuditBroken => "audit.broken",
            Self::DatabaseRestore => "database.restore",
            Self::Request => "request",
        }
    }
}

/// How it ended.
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

/// What a row tells. `object` names ids and never a value: neither data nor a secret may stand in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditEvent<'a> {
    /// What was done.
    pub(super) action: AuditAction,
    /// To what.
    pub(super) object: &'a str,
    /// How it ended.
    pub(super) outcome: AuditOutcome,
}

impl<'a> AuditEvent<'a> {
    /// Something that was done.
    pub(super) const fn success(action: AuditAction, object: &'a str) -> Self {
        Self { action, object, outcome: AuditOutcome::Done }
    }

    /// Something that was refused.
    pub(super) const fn denial(action: AuditAction, object: &'a str) -> Self {
        Self { action, object, outcome: AuditOutcome::Denied }
    }
}

/// Adds a row to a tenant's chain, in the caller's transaction: it is written when that commits.
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

/// Two rows for what was done to a child: in the chain of its parent, which outlives it, and in its own.
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

/// Ends a tenant's chain, in the caller's transaction.
pub(super) fn end_tenant_log(seal: &Seal, tx: &mut Tx, tenant: i64) {
    tx.add_pending(PendingEntry::for_purge(seal, tenant));
}
