//! Leader election: decides which process may work, from one record and the calling process's own clock.
//!
//! Every `now` is a duration on the monotonic clock of the calling process, and is never compared with a time of
//! another process. A claim ends `renew_deadline` after its holder *sent* the last renewal that was granted. Another
//! process takes the record only after the record has been unchanged for `lease_duration`, counted from when that
//! process first *received* it, which is later. Because `lease_duration` is longer, the two never lead at the same
//! time, even if their clocks differ.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Maximum duration that a record may announce. Without it, a wrong value in the record would block all processes for
/// ever.
pub const MAX_LEASE_DURATION: Duration = Duration::from_hours(1);
/// Resolution of the times in a record.
const RENEW_TIME_STEP: SignedDuration = SignedDuration::from_micros(1);

/// The three durations of leader election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseTerms {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl LeaseTerms {
    /// Makes terms under which two processes never lead at the same time.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the terms, naming the flags.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, &'static str> {
        if lease_duration > MAX_LEASE_DURATION {
            return Err("`--lease-duration` must not be longer than `1h`");
        }
        if renew_deadline >= lease_duration {
            return Err("`--renew-deadline` must be shorter than `--lease-duration`");
        }
        if retry_period >= renew_deadline {
            return Err("`--retry-period` must be shorter than `--renew-deadline`");
        }
        Ok(Self { lease_duration, renew_deadline, retry_period })
    }

    /// Returns how long the record of another holder must be unchanged before it may be taken.
    pub const fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// Returns how long a claim is valid without a renewal.
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Returns the time between two renewals.
    pub const fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// Returns the time between two reads by a standby, and between a failure and the retry. It is short because a read
    /// is cheap and shows that the leader has released the lease.
    pub fn poll_interval(&self) -> Duration {
        self.retry_period / 4
    }
}

/// The record about the leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseRecord {
    /// Identity of the leader; `None` after a release.
    pub holder: Option<String>,
    /// How long the record is valid according to its holder.
    pub duration: Duration,
    /// When the holder acquired the lease, by its own wall clock; for people to read.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed, by its own wall clock; compared only with its previous value.
    pub renewed: Option<Timestamp>,
    /// Number of changes of the holder.
    pub transitions: i32,
}

/// What to do about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseDecision {
    /// The record names this process: renew it.
    Renew,
    /// The record is free or expired: write this process into it.
    Acquire,
    /// Another process holds the record: read it again after this time.
    Wait(Duration),
}

/// Decides what to do about a record that this process has seen unchanged for some time.
pub fn decide_lease(
    record: Option<&LeaseRecord>,
    identity: &str,
    unchanged_for: Duration,
    terms: &LeaseTerms,
) -> LeaseDecision {
    let Some(record) = record else { return LeaseDecision::Acquire };
    let Some(holder) = &record.holder else { return LeaseDecision::Acquire };
    if holder == identity {
        return LeaseDecision::Renew;
    }
    // During an upgrade that changes the flags, the longer of both durations applies.
    let duration = terms.lease_duration.max(record.duration.min(MAX_LEASE_DURATION));
    let left = duration.saturating_sub(unchanged_for);
    if left.is_zero() { LeaseDecision::Acquire } else { LeaseDecision::Wait(left.min(terms.poll_interval())) }
}

/// One process that acquires, holds and loses leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderElector {
    identity: String,
    terms: LeaseTerms,
    last_seen: Option<SeenRecord>,
    leads_until: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeenRecord {
    /// The last answer.
    answer: Option<LeaseRecord>,
    /// The last record that existed. A deleted record still binds every process that saw it, because its holder may not
    /// know of the deletion.
    record: Option<LeaseRecord>,
    /// When this answer was first received.
    since: Duration,
}

impl LeaderElector {
    /// Makes an elector for an identity that no other process ever has.
    pub const fn new(identity: String, terms: LeaseTerms) -> Self {
        Self { identity, terms, last_seen: None, leads_until: None }
    }

    /// Returns the identity.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Records that the lease, or its absence, was received at `now`, and decides what to do.
    pub fn observe_record(&mut self, answer: Option<LeaseRecord>, now: Duration) -> LeaseDecision {
        let seen = match self.last_seen.take() {
            Some(seen) if seen.answer == answer => seen,
            before => {
                let record = answer.clone().or_else(|| before.and_then(|before| before.record));
                SeenRecord { answer, record, since: now }
            }
        };
        let decision = decide_lease(seen.record.as_ref(), &self.identity, now.saturating_sub(seen.since), &self.terms);
        self.last_seen = Some(seen);
        decision
    }

    /// Returns the holder in the last record that was seen.
    pub fn holder(&self) -> Option<&str> {
        self.last_seen.as_ref()?.record.as_ref()?.holder.as_deref()
    }

    /// Returns the record that claims leadership, based on the last one seen.
    pub fn claim_record(&self, now: Timestamp) -> LeaseRecord {
        self.next_record(Some(&self.identity), now)
    }

    /// Returns the record that releases leadership.
    pub fn release_record(&self, now: Timestamp) -> LeaseRecord {
        self.next_record(None, now)
    }

    fn next_record(&self, holder: Option<&str>, now: Timestamp) -> LeaseRecord {
        let before = self.last_seen.as_ref().and_then(|seen| seen.record.as_ref());
        let former = before.and_then(|record| record.renewed);
        // If the clock stops or is set back, the renewal must still change the record.
        let renewed =
            former.and_then(|former| former.checked_add(RENEW_TIME_STEP).ok()).map_or(now, |least| least.max(now));
        let acquired = before.filter(|record| record.holder.as_deref() == holder).and_then(|record| record.acquired);
        let is_new = holder.is_some() && before.is_some_and(|record| record.holder.as_deref() != holder);
        let transitions = before.map_or(0, |record| record.transitions);
        LeaseRecord {
            holder: holder.map(str::to_owned),
            duration: self.terms.lease_duration,
            acquired: acquired.or(Some(renewed)),
            renewed: Some(renewed),
            transitions: transitions.saturating_add(i32::from(is_new)),
        }
    }

    /// Records that the claim sent at `sent` is known, at `now`, to have been granted. A claim that has expired stays
    /// expired.
    pub fn confirm_claim(&mut self, sent: Duration, now: Duration) {
        let until = sent.saturating_add(self.terms.renew_deadline);
        if now < until && !self.has_lost_leadership(now) {
            self.leads_until = Some(until);
        }
    }

    /// Returns when the claim ends unless it is renewed; `None` before the first claim.
    pub const fn leads_until(&self) -> Option<Duration> {
        self.leads_until
    }

    /// Returns whether this process leads.
    pub fn is_leading(&self, now: Duration) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    /// Returns whether this process has led and no longer does.
    pub fn has_lost_leadership(&self, now: Duration) -> bool {
        self.leads_until.is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
mod tests;
