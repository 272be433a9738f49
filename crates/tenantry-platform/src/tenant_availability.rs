//! Which requests a suspended or terminated tenant accepts.

use tenantry_wire::WireTenantState;

use super::error::ApiError;
use super::store::TenantRecord;

/// Kind of request under a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TenantOperation {
    /// Reads, lists, branding reads.
    Read,
    /// Reads of the tenant's people. After a termination they show who existed, and that nobody is active.
    ReadPeople,
    /// Activate, suspend, terminate.
    Lifecycle,
    /// Everything else.
    Write,
}

/// Returns 410 if the state of the tenant, or of the partner above it, does not accept the operation. A suspended
/// tenant accepts reads and lifecycle calls, a terminated one only reads of its people.
pub(super) fn ensure_tenant_accepts(tenant: &TenantRecord, operation: TenantOperation) -> Result<(), ApiError> {
    let above = tenant.parent.as_ref().map(|parent| (parent.unique_id.as_str(), parent.state));
    let own = (tenant.unique_id.as_str(), tenant.state);
    for (id, state) in std::iter::once(own).chain(above) {
        match (state, operation) {
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
