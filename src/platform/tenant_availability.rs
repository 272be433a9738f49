//! What a suspended or ended tenant still answers.

use super::error::ApiError;
use super::store::TenantRecord;
use crate::wire::WireTenantState;

/// What is asked under a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TenantOperation {
    /// Reads, lists, branding reads.
    Read,
    /// Who was there, and that none of them is active any more.
    ReadPeople,
    /// Activate, suspend, terminate.
    Lifecycle,
    /// Everything else.
    Write,
}

/// 410 where the tenant of the path, or the partner above it, is out of service: a suspended one answers reads and
/// lifecycle calls, an ended one only who its people were.
pub(super) fn ensure_tenant_accepts(tenant: &TenantRecord, act: TenantOperation) -> Result<(), ApiError> {
    let above = tenant.parent.as_ref().map(|parent| (parent.unique_id.as_str(), parent.state));
    let own = (tenant.unique_id.as_str(), tenant.state);
    for (id, state) in std::iter::once(own).chain(above) {
        match (state, act) {
            (
                WireTenantState::Terminated,
                TenantOperation::Read | TenantOperation::Lifecycle | TenantOperation::Write,
            ) => {
                return Err(ApiError::Gone(format!("Tenant {id} is terminated; nothing under it is available")));
            }
            (WireTenantState::Suspended, TenantOperation::Write) => {
                return Err(ApiError::Gone(format!(
                    "Tenant {id} is suspended; activate it before changing anything under it"
                )));
            }
            (_, TenantOperation::ReadPeople)
            | (WireTenantState::Active, _)
            | (WireTenantState::Suspended, TenantOperation::Read | TenantOperation::Lifecycle) => {}
        }
    }
    Ok(())
}
