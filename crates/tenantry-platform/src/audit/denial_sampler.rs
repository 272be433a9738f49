//! Samples the audit rows of denied attempts that no rate limit bounds: use of a session from a denied address, wrong
//! codes, wrong passwords. Anybody could fill the log with them. Of equal attempts in one minute the first twenty get a
//! row each, then every hundredth; its object states how many before it were omitted. At the end of the minute one row
//! reports the remaining omissions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantry_wire::WireTenantState;

use super::{Actor, AuditAction, AuditEvent, append_event, record_denial};
use crate::error::ApiError;
use crate::refusal_log::{MAX_KEYS, MINUTE, SampleCounter};
use crate::store::{Tx, lock_tenant};
use crate::{App, time};

/// A denied attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denial<'a> {
    /// Number of the tenant whose log it belongs to.
    pub(crate) tenant: i64,
    pub(crate) actor: &'a Actor,
    pub(crate) action: AuditAction,
    pub(crate) object: &'a str,
}

/// Counts of the attempts denied in the current minute, and of those that no row reports yet.
#[derive(Default)]
pub(crate) struct DenialSampler {
    counts: Mutex<HashMap<DenialKey, DenialCount>>,
}

/// The properties in which equal attempts agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DenialKey {
    tenant: i64,
    actor: String,
    /// The network of the source address.
    network: String,
    action: AuditAction,
    object: String,
}

impl DenialKey {
    fn from_denial(Denial { tenant, actor, action, object }: Denial<'_>) -> Self {
        let network = actor.source.network_key();
        Self { tenant, actor: actor.name.clone(), network, action, object: object.to_owned() }
    }

    /// Returns the key for attempts under a tenant that exceed the number of separate counters.
    fn for_overflow(tenant: i64) -> Self {
        let (actor, network, object) = ("others".to_owned(), String::new(), "others".to_owned());
        Self { tenant, actor, network, action: AuditAction::Request, object }
    }
}

struct DenialCount {
    /// Start of the minute, in milliseconds.
    start: i64,
    sample_counter: SampleCounter,
    /// Actor of the last omitted attempt, with its request.
    last: Actor,
}

/// What a past minute omitted.
struct OmittedDenials {
    key: DenialKey,
    last: Actor,
    count: u64,
}

impl DenialSampler {
    /// Counts a denied attempt. Returns the object of its row if it gets one.
    fn count_denial(&self, denial: Denial<'_>, now: i64) -> Option<String> {
        let start = now - now.rem_euclid(MINUTE);
        let mut seen = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = DenialKey::from_denial(denial);
        if seen.len() >= MAX_KEYS && !seen.contains_key(&key) {
            key = DenialKey::for_overflow(denial.tenant);
        }
        let actor = denial.actor;
        let one = seen.entry(key).or_insert_with(|| DenialCount {
            start,
            sample_counter: SampleCounter::default(),
            last: actor.clone(),
        });
        if one.start != start {
            one.start = start;
            one.sample_counter.reset_for_minute();
        }
        let count = one.sample_counter.count_one();
        if count.is_none() {
            one.last = actor.clone();
        }
        count.map(|left_out| object_with_omitted(denial.object, left_out))
    }

    /// Removes the counts of minutes that are over and returns their omissions.
    fn take_expired(&self, now: i64) -> Vec<OmittedDenials> {
        let mut seen = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let over = seen.extract_if(|_, seen| now.saturating_sub(seen.start) >= MINUTE);
        over.map(|(key, DenialCount { sample_counter: tally, last, .. })| OmittedDenials {
            key,
            last,
            count: tally.omitted_count(),
        })
        .filter(|left| left.count > 0)
        .collect()
    }
}

/// Returns the object of a row that also represents omitted attempts before it.
fn object_with_omitted(object: &str, left_out: u64) -> String {
    if left_out == 0 { object.to_owned() } else { format!("{object}; {left_out} more left out") }
}

/// Counts a denied attempt or writes its row in a separate transaction.
pub(crate) async fn record_sampled_denial(app: &App, denial: Denial<'_>) {
    if let Some(object) = app.denial_sampler.count_denial(denial, time::now()) {
        record_denial(app, denial.tenant, denial.actor, AuditEvent::denial(denial.action, &object)).await;
    }
}

/// Counts a denied attempt or adds its row to a transaction. Returns whether there is a row.
pub(crate) async fn append_sampled_denial(app: &App, tx: &mut Tx, denial: Denial<'_>) -> Result<bool, sqlx::Error> {
    let Some(object) = app.denial_sampler.count_denial(denial, time::now()) else { return Ok(false) };
    append_event(&app.seal, tx, denial.tenant, denial.actor, AuditEvent::denial(denial.action, &object)).await?;
    Ok(true)
}

/// Reports omitted attempts every minute.
pub(crate) async fn run_omitted_denials_report(app: Arc<App>) {
    loop {
        tokio::time::sleep(Duration::from_millis(MINUTE.unsigned_abs())).await;
        let app = Arc::clone(&app);
        // This runs on a separate task: the shutdown cancels this loop, but counts that were already removed must be
        // written.
        let report = tokio::spawn(async move { record_omitted_denials(&app, time::now()).await });
        if let Err(error) = report.await {
            tracing::error!(target: "audit", %error, "rows are lost");
        }
    }
}

/// Writes one row for each past minute with omissions.
pub(crate) async fn record_omitted_denials(app: &App, now: i64) {
    for left in app.denial_sampler.take_expired(now) {
        if let Err(error) = write_omitted_row(app, &left).await {
            let OmittedDenials { key: DenialKey { tenant, actor, object, .. }, count, .. } = left;
            tracing::error!(target: "audit", tenant, actor, object, count, ?error, "a row is lost");
        }
    }
}

/// Writes nothing for a terminated tenant: its log is erased by the purge and must not begin again.
async fn write_omitted_row(app: &App, OmittedDenials { key, last, count }: &OmittedDenials) -> Result<(), ApiError> {
    let DenialKey { tenant, actor, action, object: what, .. } = key;
    let mut tx = app.store.begin_for_tenant(*tenant).await?;
    if lock_tenant(&mut tx, *tenant).await?.state == WireTenantState::Terminated {
        return Ok(());
    }
    let (actor, object) = (Actor { name: actor.clone(), ..last.clone() }, format!("{what}; {count} left out"));
    append_event(&app.seal, &mut tx, *tenant, &actor, AuditEvent::denial(*action, &object)).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_actor() -> Actor {
        Actor::with_name("user:USR0000000001".to_owned(), None)
    }

    fn code_denial(actor: &Actor) -> Denial<'_> {
        Denial { tenant: 1, actor, action: AuditAction::SecondFactorVerify, object: "code" }
    }

    /// Returns how many attempts an object represents.
    fn represented_count(object: &str) -> u64 {
        let more = object.strip_suffix(" more left out").and_then(|text| text.rsplit(' ').next()?.parse().ok());
        1 + more.unwrap_or(0)
    }

    #[test]
    fn rows_of_a_minute_are_few_and_tell_together_how_many_there_were() {
        let samples = DenialSampler::default();
        let rows: Vec<String> =
            (0..1050).filter_map(|_| samples.count_denial(code_denial(&test_actor()), 60_000)).collect();
        assert_eq!((rows.len(), rows[0].as_str(), rows[20].as_str()), (30, "code", "code; 79 more left out"));
        assert!(samples.take_expired(119_999).is_empty(), "the minute is not over");
        let rest: u64 = samples.take_expired(120_000).iter().map(|left| left.count).sum();
        assert_eq!(rows.iter().map(|row| represented_count(row)).sum::<u64>() + rest, 1050);
        assert!(samples.take_expired(i64::MAX).is_empty(), "nothing is told twice");
    }

    #[test]
    fn the_first_row_of_a_further_minute_tells_what_the_one_before_left_out() {
        let samples = DenialSampler::default();
        let note = |now| samples.count_denial(code_denial(&test_actor()), now);
        let rows = (0..50).filter_map(|_| note(60_000)).count();
        assert_eq!((rows, note(120_000).as_deref()), (20, Some("code; 30 more left out")));
        assert_eq!(note(120_000).as_deref(), Some("code"));
    }

    #[test]
    fn attempts_of_too_many_actors_are_counted_by_tenant() {
        let samples = DenialSampler::default();
        let of = |number: usize| Actor::with_name(format!("user:{number}"), None);
        for number in 0..MAX_KEYS + 50 {
            samples.count_denial(code_denial(&of(number)), 60_000);
        }
        assert_eq!(samples.counts.lock().unwrap().len(), MAX_KEYS + 1);
        let left: Vec<(String, u64)> =
            samples.take_expired(i64::MAX).into_iter().map(|left| (left.key.actor, left.count)).collect();
        assert_eq!(left, [("others".to_owned(), 30)]);
    }
}
