//! A write that may be sent at once. Token and slot are had first, so that nothing is waited for between the last look at
//! what the write rests on and the write itself.

use std::sync::Arc;

use super::call::{Call, Reserved, checked};
use super::error::Error;
use super::pacer::Pass;
use super::place::Place;
use super::token::Token;
use super::turn::{Turn, route};
use crate::plan::Permit;
use crate::wire::Lifecycle;

/// Leave of the rate limit to send one change under a place. Dropped it gives the slot back.
pub struct Reservation<'a> {
    turn: Turn<'a>,
    place: &'a Place,
    token: Arc<Token>,
    /// Nothing once it is used.
    pass: Option<Pass<'a>>,
}

impl std::fmt::Debug for Reservation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("place", self.place).finish_non_exhaustive()
    }
}

impl<'a> Reservation<'a> {
    /// Waits for token and slot.
    pub(super) async fn wait(turn: Turn<'a>, place: &'a Place) -> Result<Self, Error> {
        let line = &turn.shared.line;
        let token = line.token(turn.deadline).await?;
        let pass = line.reserve(place, turn.deadline).await?;
        Ok(Self { turn, place, token, pass: Some(pass) })
    }

    /// Ends a tenant for ever; only `plan::removal` makes the permit.
    ///
    /// # Errors
    /// Also `Unauthorised` for a token that the platform no longer knows: the next reservation has another.
    pub async fn terminate(self, permit: Permit) -> Result<(), Error> {
        let (shared, place) = (self.turn.shared, self.place);
        self.act(permit.id(), Lifecycle::Terminate).await?;
        shared.lists.ended(place, permit.id());
        Ok(())
    }

    /// Stops a tenant.
    ///
    /// # Errors
    /// As for [`Self::terminate`].
    pub async fn suspend(self, id: &str) -> Result<(), Error> {
        self.act(id, Lifecycle::Suspend).await
    }

    async fn act(mut self, id: &str, action: Lifecycle) -> Result<(), Error> {
        let call = Call::post(&route(self.place, &[checked(id)?, action.segment()])?);
        let Some(pass) = self.pass.take() else { return Err(Error::unsent("the slot was used")) };
        self.turn.act_reserved(&call, Reserved { token: Arc::clone(&self.token), pass }).await
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            pass.unsent();
        }
    }
}
