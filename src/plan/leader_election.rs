//! Leadership: who may work, decided from one record and the calling process's own clock.
//!
//! Every `now` is a distance on the monotonic clock of the process that asks, and none is ever compared with a time of
//! another process. A claim ends `renew_deadline` after its holder *sent* the last renewal that was granted. Another
//! takes the record only after it has known it unchanged for `lease_duration`, counted from when it *received* it for
//! the first time, which is later. So the longer of the two times keeps them apart, whatever their clocks show.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Longest time that a record may announce: a slip in it must not keep everybody out for ever.
pub const MAX_LEASE_DURATION: Duration = Duration::from_hours(1);
/// The finest step of a record's times.
const RENEW_TIME_STEP: SignedDuration = SignedDuration::from_micros(1);

/// The three times of leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseTerms {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl LeaseTerms {
    /// Terms that keep two processes apart.
    ///
    /// # Errors
    /// What is wrong with them, naming the flags.
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

    /// How long the record of another must stand unchanged before it may be taken.
    pub const fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// How long a claim holds without being renewed.
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Time between two renewals.
    pub const fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// Time between two looks of a process that stands by, and before another try after a failure. Looking is a read,
    /// and what it finds out is that the leader let go.
    pub fn poll_interval(&self) -> Duration {
        self.retry_period / 4
    }
}

/// What is written about who leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseRecord {
    /// Who leads; nobody after a release.
    pub holder: Option<String>,
    /// For how long the holder wants the record to be believed.
    pub duration: Duration,
    /// When it became the holder, by its own wall clock: for people to read.
    pub acquired: Option<Timestamp>,
    /// When it renewed last, by its own wall clock: compared with nothing but its former value.
    pub renewed: Option<Timestamp>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// What to do about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseDecision {
    /// It names this process: renew it.
    Renew,
    /// It binds nobody: write this process into it.
    Acquire,
    /// It binds another: look again after this time.
    Wait(Duration),
}

/// What a record that this process has known unchanged for some time means to it.
pub fn decide_lease(
    record: Option<&LeaseRecord>,
    me: &str,
    unchanged_for: Duration,
    terms: &LeaseTerms,
) -> LeaseDecision {
    let Some(record) = record else { return LeaseDecision::Acquire };
    let Some(holder) = &record.holder else { return LeaseDecision::Acquire };
    if holder == me {
        return LeaseDecision::Renew;
    }
    // During an upgrade that changes the flags the longer of both holds.
    let duration = terms.lease_duration.max(record.duration.min(MAX_LEASE_DURATION));
    let left = duration.saturating_sub(unchanged_for);
    if left.is_zero() { LeaseDecision::Acquire } else { LeaseDecision::Wait(left.min(terms.poll_interval())) }
}

/// One process on its way to leadership, through it and out of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderElector {
    identity: String,
    terms: LeaseTerms,
    seen: Option<SeenRecord>,
    leads_until: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeenRecord {
    /// The last answer.
    answer: Option<LeaseRecord>,
    /// The last record that was there. One that somebody deleted still binds whoever saw it: its holder may not know.
    record: Option<LeaseRecord>,
    /// When this answer came for the first time.
    since: Duration,
}

impl LeaderElector {
    /// A process under a name that no other process ever has.
    pub const fn new(me: String, terms: LeaseTerms) -> Self {
        Self { identity: me, terms, seen: None, leads_until: None }
    }

    /// The name.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Takes note of the record, or of there being none, as received `now`.
    pub fn observe_record(&mut self, answer: Option<LeaseRecord>, now: Duration) -> LeaseDecision {
        let seen = match self.seen.take() {
            Some(seen) if seen.answer == answer => seen,
            before => {
                let record = answer.clone().or_else(|| before.and_then(|before| before.record));
                SeenRecord { answer, record, since: now }
            }
        };
        let decision = decide_lease(seen.record.as_ref(), &self.identity, now.saturating_sub(seen.since), &self.terms);
        self.seen = Some(seen);
        decision
    }

    /// Who was seen in the record last.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.record.as_ref()?.holder.as_deref()
    }

    /// The record that claims leadership, on top of the one seen last.
    pub fn claim_record(&self, wall: Timestamp) -> LeaseRecord {
        self.next_record(Some(&self.identity), wall)
    }

    /// The record that gives leadership back.
    pub fn release_record(&self, wall: Timestamp) -> LeaseRecord {
        self.next_record(None, wall)
    }

    fn next_record(&self, holder: Option<&str>, wall: Timestamp) -> LeaseRecord {
        let before = self.seen.as_ref().and_then(|seen| seen.record.as_ref());
        let former = before.and_then(|record| record.renewed);
        // A clock that stands still or is set back must not make a renewal look like no change.
        let renewed =
            former.and_then(|former| former.checked_add(RENEW_TIME_STEP).ok()).map_or(wall, |least| least.max(wall));
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

    /// The claim that was sent at `sent` is known, `now`, to have been granted. One that has lapsed stays lapsed.
    pub fn confirm_claim(&mut self, sent: Duration, now: Duration) {
        let until = sent.saturating_add(self.terms.renew_deadline);
        if now < until && !self.has_lost_leadership(now) {
            self.leads_until = Some(until);
        }
    }

    /// When the claim ends unless it is renewed; nothing before the first one.
    pub const fn leads_until(&self) -> Option<Duration> {
        self.leads_until
    }

    /// Whether this process leads.
    pub fn is_leading(&self, now: Duration) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    /// Whether this process has led and does so no more.
    pub fn has_lost_leadership(&self, now: Duration) -> bool {
        self.leads_until.is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
mod tests;
