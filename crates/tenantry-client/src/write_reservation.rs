//! A write that may be sent at once. Token and slot are acquired first, so that nothing waits between the last check of
//! the preconditions and the write itself.

use std::sync::Arc;

use tenantry_core::{Place, TerminationPermit};
use tenantry_wire::LifecycleAction;

use super::error::CallError;
use super::rate_limiter::RateLimitPermit;
use super::request_session::{RequestSession, route_segments};
use super::token::AccessToken;
use super::transport::{ReservedWrite, TenancyCall, validate_tenant_id};

/// A reserved token and rate limit slot for one change under a place. Dropping it releases the slot.
pub struct WriteReservation<'a> {
    session: RequestSession<'a>,
    place: &'a Place,
    token: Arc<AccessToken>,
    /// `None` once it is used.
    permit: Option<RateLimitPermit<'a>>,
}

impl std::fmt::Debug for WriteReservation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("place", self.place).finish_non_exhaustive()
    }
}

impl<'a> WriteReservation<'a> {
    /// Acquires token and slot.
    pub(super) async fn acquire(session: RequestSession<'a>, place: &'a Place) -> Result<Self, CallError> {
        let line = &session.shared.transport;
        let token = line.acquire_token(session.deadline).await?;
        let pass = line.reserve_write_slot(place, session.deadline).await?;
        Ok(Self { session, place, token, permit: Some(pass) })
    }

    /// Terminates a tenant; only `tenantry_core::deletion` creates the permit.
    ///
    /// # Errors
    /// Also `Unauthorised` for a token that the platform no longer knows: the next reservation has another.
    pub async fn terminate(self, permit: TerminationPermit) -> Result<(), CallError> {
        let (shared, place) = (self.session.shared, self.place);
        self.change_state(permit.id(), LifecycleAction::Terminate).await?;
        shared.active_tenants.record_terminated(place, permit.id());
        Ok(())
    }

    /// Suspends a tenant.
    ///
    /// # Errors
    /// As for [`Self::terminate`].
    pub async fn suspend(self, id: &str) -> Result<(), CallError> {
        self.change_state(id, LifecycleAction::Suspend).await
    }

    async fn change_state(mut self, id: &str, action: LifecycleAction) -> Result<(), CallError> {
        let call = TenancyCall::post(&route_segments(self.place, &[validate_tenant_id(id)?, action.segment()])?);
        let Some(pass) = self.permit.take() else { return Err(CallError::not_sent("the slot was used")) };
        self.session.send_reserved_action(&call, ReservedWrite { token: Arc::clone(&self.token), permit: pass }).await
    }
}

impl Drop for WriteReservation<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.permit.take() {
            pass.release_unsent();
        }
    }
}
