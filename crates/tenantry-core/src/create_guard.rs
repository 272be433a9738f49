//! Decides whether a tenant may be created after a lookup that found none.
//!
//! The platform may still execute a create whose answer was lost, for as long as one request may take: counted from
//! when this process gave up its own create, and from when it first saw the intent of another process. Every `now` is a
//! duration on the monotonic clock of the calling process.

use std::time::Duration;

use super::Intent;

/// What a process remembers about the creates of one object. Losing it is safe: the intent then counts as one of
/// another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreateGuard {
    /// Nonce of the intent that this process wrote.
    nonce: Option<String>,
    /// Time until which a create may still be executed. An expired time is kept until an intent is written again.
    in_flight_until: Option<Duration>,
}

/// What may follow a lookup that found no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateDecision {
    /// Nothing: an earlier create may still be executed.
    Wait,
    /// Write an intent of this process, then repeat the lookup.
    TakeOver,
    /// Create the tenant.
    Create,
}

impl CreateGuard {
    /// Records the intent that is on the object.
    pub fn observe_intent(&mut self, intent: &Intent, now: Duration, timeout: Duration) {
        if self.nonce.as_ref() != Some(&intent.nonce) && self.in_flight_until.is_none() {
            self.in_flight_until = Some(now.saturating_add(timeout));
        }
    }

    /// Records that a create of this process was given up at `now` without an answer.
    pub fn record_unanswered_create(&mut self, now: Duration, timeout: Duration) {
        self.in_flight_until = Some(now.saturating_add(timeout));
    }

    /// Records that this process has written an intent. If somebody had removed the previous intent, a create under
    /// that one may still be executed.
    pub fn record_own_intent(&mut self, nonce: String, now: Duration) {
        self.nonce = Some(nonce);
        self.in_flight_until = self.in_flight_until.filter(|until| now < *until);
    }

    /// Returns whether a create may still be executed.
    pub fn is_create_in_flight(&self, now: Duration) -> bool {
        self.in_flight_until.is_some_and(|until| now < until)
    }

    /// Decides what may follow a lookup that found no tenant, given the intent on the object. The time at which the
    /// lookup started counts: a create that finished during the lookup may be missing from its result. An intent for
    /// another parent or name is written again, so that the name that was sent can always be found.
    pub fn decide_create(
        &self,
        intent: Option<&Intent>,
        (parent, name): (&str, &str),
        looked_up_at: Duration,
    ) -> CreateDecision {
        if self.is_create_in_flight(looked_up_at) {
            return CreateDecision::Wait;
        }
        let is_own = |there: &Intent| Some(&there.nonce) == self.nonce.as_ref();
        let is_valid = intent.is_some_and(|there| is_own(there) && there.parent_id == parent && there.name == name);
        if is_valid && self.in_flight_until.is_none() { CreateDecision::Create } else { CreateDecision::TakeOver }
    }
}

#[cfg(test)]
mod tests;
