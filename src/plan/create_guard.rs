//! Whether a create may follow a look that found nothing.
//!
//! A create whose answer nobody has seen may still be carried out for the time of one request: the own one after it was
//! given up, that of another process after its intent was first seen. Every `now` is a distance on the monotonic clock of
//! the process that asks.

use std::time::Duration;

use super::Intent;

/// What a process remembers of the creates of one object. It may be lost: the intent then counts as another process's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreateGuard {
    /// Nonce of the intent that this process put on.
    nonce: Option<String>,
    /// Until when a create may still be carried out; one that is over stays until an intent is put on again.
    in_flight_until: Option<Duration>,
}

/// What may follow a look that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateDecision {
    /// Nothing: an earlier create may still be carried out.
    Wait,
    /// An intent of this process, and another look.
    TakeOver,
    /// The create.
    Create,
}

impl CreateGuard {
    /// Takes note of the intent that is on the object.
    pub fn observe_intent(&mut self, there: &Intent, now: Duration, timeout: Duration) {
        if self.nonce.as_ref() != Some(&there.nonce) && self.in_flight_until.is_none() {
            self.in_flight_until = Some(now.saturating_add(timeout));
        }
    }

    /// A create of this process was given up at `now` without an answer.
    pub fn note_unanswered_create(&mut self, now: Duration, timeout: Duration) {
        self.in_flight_until = Some(now.saturating_add(timeout));
    }

    /// This process has put an intent on. Where somebody had taken the former one away, a create under that one may
    /// still be carried out.
    pub fn note_own_intent(&mut self, nonce: String, now: Duration) {
        self.nonce = Some(nonce);
        self.in_flight_until = self.in_flight_until.filter(|until| now < *until);
    }

    /// Whether a create may still be carried out.
    pub fn is_create_in_flight(&self, now: Duration) -> bool {
        self.in_flight_until.is_some_and(|until| now < until)
    }

    /// What may follow a look that found nothing, under the intent that is on the object. What counts is when the look
    /// began: a create that ended while it was under way may be missing from it.
    /// An intent for another parent or name is put on anew, so that the name that was sent is always found again.
    pub fn decide_create(
        &self,
        there: Option<&Intent>,
        (parent, name): (&str, &str),
        looked: Duration,
    ) -> CreateDecision {
        if self.is_create_in_flight(looked) {
            return CreateDecision::Wait;
        }
        let is_own = |there: &Intent| Some(&there.nonce) == self.nonce.as_ref();
        let stands = there.is_some_and(|there| is_own(there) && there.parent_id == parent && there.name == name);
        if stands && self.in_flight_until.is_none() { CreateDecision::Create } else { CreateDecision::TakeOver }
    }
}

#[cfg(test)]
mod tests;
