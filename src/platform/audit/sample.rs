//! Denied attempts that no budget of requests bounds: a session that is asked for from elsewhere, a wrong code, a wrong password.
//! Anybody could fill the log with them. Of equal ones in a minute the first twenty are rows, and then one of a hundred, whose
//! object tells how many before it are none. What a minute left out at its end is told by a row when it is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Action, Actor, Event, append, denied};
use crate::platform::error::Error;
use crate::platform::refusals::{APART, MINUTE, Tally};
use crate::platform::store::{Tx, lock};
use crate::platform::{App, time};
use crate::wire::State;

/// An attempt that was denied.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct Denial<'a> {
    /// Number of the tenant in whose log it belongs.
    pub(in crate::platform) tenant: i64,
    pub(in crate::platform) actor: &'a Actor,
    pub(in crate::platform) action: Action,
    pub(in crate::platform) object: &'a str,
}

/// What was denied in the current minute, and what of it no row has told yet.
#[derive(Default)]
pub(in crate::platform) struct Samples {
    seen: Mutex<HashMap<Key, Seen>>,
}

/// What makes two attempts equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: i64,
    actor: String,
    /// The network that it came from.
    network: String,
    action: Action,
    object: String,
}

impl Key {
    fn of(Denial { tenant, actor, action, object }: Denial<'_>) -> Self {
        let network = actor.source.network();
        Self { tenant, actor: actor.name.clone(), network, action, object: object.to_owned() }
    }

    /// Of a tenant whose attempts are more than what is counted apart.
    fn others(tenant: i64) -> Self {
        let (actor, network, object) = ("others".to_owned(), String::new(), "others".to_owned());
        Self { tenant, actor, network, action: Action::Request, object }
    }
}

struct Seen {
    /// Start of the minute.
    start: i64,
    tally: Tally,
    /// Who was left out last, and in which request.
    last: Actor,
}

/// What a minute that is over left out.
struct Left {
    key: Key,
    last: Actor,
    count: u64,
}

impl Samples {
    /// Counts a denied attempt; the object of its row, where it is one.
    fn note(&self, denial: Denial<'_>, now: i64) -> Option<String> {
        let start = now - now.rem_euclid(MINUTE);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Key::of(denial);
        if seen.len() >= APART && !seen.contains_key(&key) {
            key = Key::others(denial.tenant);
        }
        let actor = denial.actor;
        let one = seen.entry(key).or_insert_with(|| Seen { start, tally: Tally::default(), last: actor.clone() });
        if one.start != start {
            one.start = start;
            one.tally.begin_again();
        }
        let told = one.tally.note();
        if told.is_none() {
            one.last = actor.clone();
        }
        told.map(|left_out| object(denial.object, left_out))
    }

    /// Takes what no row tells of the minutes that are over at a time.
    fn over(&self, now: i64) -> Vec<Left> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let over = seen.extract_if(|_, seen| now.saturating_sub(seen.start) >= MINUTE);
        over.map(|(key, Seen { tally, last, .. })| Left { key, last, count: tally.left_out() })
            .filter(|left| left.count > 0)
            .collect()
    }
}

/// The object of a row that also stands for others before it.
fn object(object: &str, left_out: u64) -> String {
    if left_out == 0 { object.to_owned() } else { format!("{object}; {left_out} more left out") }
}

/// Writes a row about something that was refused, in a transaction of its own, or counts it.
pub(in crate::platform) async fn sampled(app: &App, denial: Denial<'_>) {
    if let Some(object) = app.samples.note(denial, time::now()) {
        denied(app, denial.tenant, denial.actor, Event::denied(denial.action, &object)).await;
    }
}

/// Adds a row about something that was refused to a transaction, or counts it; whether there is a row.
pub(in crate::platform) async fn append_sampled(
    app: &App,
    tx: &mut Tx,
    denial: Denial<'_>,
) -> Result<bool, sqlx::Error> {
    let Some(object) = app.samples.note(denial, time::now()) else { return Ok(false) };
    append(&app.seal, tx, (denial.tenant, denial.actor), Event::denied(denial.action, &object)).await?;
    Ok(true)
}

/// Tells what was left out, each minute.
pub(in crate::platform) async fn tell_minutes(app: Arc<App>) {
    loop {
        tokio::time::sleep(Duration::from_millis(MINUTE.unsigned_abs())).await;
        let app = Arc::clone(&app);
        // On a task of its own: the stop ends this loop, and what was taken from the counts has to be written.
        let told = tokio::spawn(async move { tell_left_out(&app, time::now()).await });
        if let Err(error) = told.await {
            tracing::error!(target: "audit", %error, "rows are lost");
        }
    }
}

/// Writes a row for what each minute that is over left out.
pub(in crate::platform) async fn tell_left_out(app: &App, now: i64) {
    for left in app.samples.over(now) {
        if let Err(error) = told(app, &left).await {
            let Left { key: Key { tenant, actor, object, .. }, count, .. } = left;
            tracing::error!(target: "audit", tenant, actor, object, count, ?error, "a row is lost");
        }
    }
}

/// Nobody begins the log of an ended tenant again, which goes with its purge.
async fn told(app: &App, Left { key, last, count }: &Left) -> Result<(), Error> {
    let Key { tenant, actor, action, object: what, .. } = key;
    let mut tx = app.store.begin_under(*tenant).await?;
    if lock(&mut tx, *tenant).await?.state == State::Terminated {
        return Ok(());
    }
    let (actor, object) = (Actor { name: actor.clone(), ..last.clone() }, format!("{what}; {count} left out"));
    append(&app.seal, &mut tx, (*tenant, &actor), Event::denied(*action, &object)).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Actor {
        Actor::named("user:USR0000000001".to_owned(), None)
    }

    fn code(actor: &Actor) -> Denial<'_> {
        Denial { tenant: 1, actor, action: Action::Factor, object: "code" }
    }

    /// How many an object stands for.
    fn stands_for(object: &str) -> u64 {
        let more = object.strip_suffix(" more left out").and_then(|text| text.rsplit(' ').next()?.parse().ok());
        1 + more.unwrap_or(0)
    }

    #[test]
    fn rows_of_a_minute_are_few_and_tell_together_how_many_there_were() {
        let samples = Samples::default();
        let rows: Vec<String> = (0..1050).filter_map(|_| samples.note(code(&ada()), 60_000)).collect();
        assert_eq!((rows.len(), rows[0].as_str(), rows[20].as_str()), (30, "code", "code; 79 more left out"));
        assert!(samples.over(119_999).is_empty(), "the minute is not over");
        let rest: u64 = samples.over(120_000).iter().map(|left| left.count).sum();
        assert_eq!(rows.iter().map(|row| stands_for(row)).sum::<u64>() + rest, 1050);
        assert!(samples.over(i64::MAX).is_empty(), "nothing is told twice");
    }

    #[test]
    fn the_first_row_of_a_further_minute_tells_what_the_one_before_left_out() {
        let samples = Samples::default();
        let note = |now| samples.note(code(&ada()), now);
        let rows = (0..50).filter_map(|_| note(60_000)).count();
        assert_eq!((rows, note(120_000).as_deref()), (20, Some("code; 30 more left out")));
        assert_eq!(note(120_000).as_deref(), Some("code"));
    }

    #[test]
    fn attempts_of_too_many_actors_are_counted_by_tenant() {
        let samples = Samples::default();
        let of = |number: usize| Actor::named(format!("user:{number}"), None);
        for number in 0..APART + 50 {
            samples.note(code(&of(number)), 60_000);
        }
        assert_eq!(samples.seen.lock().unwrap().len(), APART + 1);
        let left: Vec<(String, u64)> =
            samples.over(i64::MAX).into_iter().map(|left| (left.key.actor, left.count)).collect();
        assert_eq!(left, [("others".to_owned(), 30)]);
    }
}
