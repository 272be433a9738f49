//! Random runs: whatever people do and whatever breaks, no invariant falls at any request, and once nothing breaks any more
//! everything comes to rest as declared, with an empty second plan.

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::deeds::{Deed, Odds, deed};
use super::life::{live_beside, wide_settings};
use super::seam::{Ahead, Fate, Life, State, World};
use super::settle::{rest_mended, wide_world};
use super::troubles::Trouble;
use super::weather::Weather;
use crate::support::random_cases;

/// In which an operator that ends tenants without a deletion would have shown itself.
const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// In which another operator takes the place of one that cannot renew its lease.
const LEASE_AND_MORE: Duration = Duration::from_mins(36);

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) deeds: Vec<(Deed, Duration)>,
    pub(crate) weather: Weather,
    /// How far watches are behind.
    pub(crate) lag: Duration,
    /// How many versions a list after a restart is behind.
    pub(crate) behind: u64,
    /// Whether a second operator is there, to lead when the first cannot.
    pub(crate) is_doubled: bool,
    /// Whether the platform shows values in a form of its own.
    pub(crate) normalises: bool,
}

pub(crate) fn run(odds: Odds, steps: std::ops::Range<usize>) -> impl Strategy<Value = Run> {
    let weather = (any::<u64>(), prop_oneof![Just(0_u16), 1_u16..120], prop_oneof![2 => Just(0_u16), 1 => 1_u16..12]);
    let lag = prop_oneof![2 => Just(0_u64), 1 => 1_u64..20_000];
    let behind = prop_oneof![3 => Just(0_u64), 1 => 1_u64..30];
    let kind = (prop::bool::weighted(0.4), prop::bool::weighted(0.4));
    (prop::collection::vec(deed(odds), steps), weather, lag, behind, kind).prop_map(
        |(deeds, (seed, faults, crashes), lag, behind, (is_doubled, normalises))| Run {
            deeds,
            weather: Weather { seed, faults, crashes },
            lag: Duration::from_millis(lag),
            behind,
            is_doubled,
            normalises,
        },
    )
}

/// Plays a run to its rest.
pub(crate) fn play(run: &Run) -> World {
    let world = wide_world();
    {
        let mut state = world.lock();
        state.fates = run.weather.fates();
        state.troubles.normalises = run.normalises;
        state.lag = run.lag;
    }
    let (next, mut lives) = (Cell::new(0), 0);
    loop {
        lives += 1;
        let life = Life::new(lives);
        {
            let mut state = world.lock();
            let version = state.cluster.version();
            state.list_at = (lives > 1 && run.behind > 0 && next.get() < run.deeds.len())
                .then(|| version.saturating_sub(run.behind).max(110).min(version));
        }
        let done = live_beside(&world, (&life, run.is_doubled), wide_settings(), script(&world, &life, (run, &next)));
        if done.is_some() {
            return world;
        }
        if lives > 40 + run.deeds.len() {
            world.lock().oracle.violations.push("it crashes for ever".to_owned());
            return world;
        }
    }
}

async fn script(world: &World, life: &Life, (run, next): (&Run, &Cell<usize>)) {
    while let Some((deed, pause)) = run.deeds.get(next.get()) {
        next.set(next.get() + 1);
        world.lock().tell(tenantry::clock::now(), format!(" * {deed:?}"));
        world.happen(deed);
        if matches!(deed, Deed::Crash) {
            life.end();
            std::future::pending::<()>().await;
        }
        if let Deed::Waver(who, waits) = deed {
            world.waver(*who, *waits).await;
        }
        if matches!(deed, Deed::Trouble(Trouble::LoseLease)) && run.is_doubled {
            tokio::time::sleep(LEASE_AND_MORE).await;
        }
        tokio::time::sleep(*pause).await;
        if *pause >= LONG_ENOUGH {
            let mut state = world.lock();
            let State { oracle, cluster, .. } = &mut *state;
            oracle.count_not_deleted(cluster);
        }
        world.lock().list_at = None;
        world.controllers();
    }
    calm(world);
    // What was missed in the last look is caught up with in the next; a definition that is going goes with its last object.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_mins(4)).await;
        world.mend();
    }
    rest_mended(world, 1).await;
}

/// Nothing breaks any more, and what was broken by hand is put right.
fn calm(world: &World) {
    let now = tenantry::clock::now();
    let mut state = world.lock();
    state.tell(now, " * calm");
    state.fates = Box::new(|_, _| Fate::Pass);
    state.lag = Duration::ZERO;
    state.list_at = None;
    state.ahead = Ahead::default();
    state.oracle.apart_since = None;
    state.troubles.end();
    drop(state);
    world.mend();
    for namespace in ["a", "b"] {
        world.reissue(namespace, false);
    }
}

/// Why a run failed, with its story.
pub(crate) fn verdict(world: &World) -> Result<(), String> {
    let faults = world.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let state = world.lock();
    Err(format!("{faults:#?}\n{}", state.story.join("\n")))
}

fn hold((name, seed): (&'static str, u64), strategy: impl Strategy<Value = Run>) {
    let config = ProptestConfig { max_shrink_iters: 400, ..random_cases(name, seed, HALF) };
    let requests = Cell::new(0);
    let outcome = TestRunner::new(config).run(&strategy, |run| {
        let world = play(&run);
        requests.set(requests.get() + world.lock().asked);
        verdict(&world).map_err(TestCaseError::fail)
    });
    println!("{name}: {} requests", requests.get());
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

const ODDS: Odds = Odds { ends: 13, mishaps: 4, neighbours: 12, flawless: 6, unconfirmed: 6, calm: 4 };

/// Two thousand cases in two halves, so that a machine with two cores plays them in half the time.
const HALF: u32 = 1_000;

#[test]
fn whatever_happens_it_comes_to_rest_as_declared() {
    hold(("sim", 1), run(ODDS, 3..12));
}

#[test]
fn whatever_else_happens_it_comes_to_rest_as_declared() {
    hold(("sim-more", 2), run(ODDS, 3..12));
}
