//! Random runs: no action and no fault may violate an invariant at any request. Once the faults end, everything must
//! come to rest as declared, with an empty second plan.

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::actions::{ActionWeights, SimAction, any_action};
use super::exchange::{ClockOffsets, OperatorLife, RequestFate, SimState, SimWorld};
use super::idle::{new_two_account_world, wait_until_idle_restored};
use super::lasting_faults::LastingFault;
use super::operator_life::{run_life_with_standby, wide_settings};
use super::random_faults::FaultRates;
use crate::support::random_cases;

/// Time in which an operator that terminates tenants without a deletion would have shown itself.
const UNWANTED_TERMINATION_TIME: Duration = Duration::from_secs(30);

/// Time in which another operator takes over from one that cannot renew its lease.
const TAKEOVER_TIME: Duration = Duration::from_mins(36);

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct RandomRun {
    pub(crate) actions: Vec<(SimAction, Duration)>,
    pub(crate) fault_rates: FaultRates,
    /// Delay of watches.
    pub(crate) watch_delay: Duration,
    /// Number of versions by which a list after a restart is behind.
    pub(crate) list_lag: u64,
    /// Whether a second operator runs, which leads if the first one cannot.
    pub(crate) has_second_operator: bool,
    /// Whether the platform normalises values.
    pub(crate) normalises: bool,
}

pub(crate) fn any_run(weights: ActionWeights, steps: std::ops::Range<usize>) -> impl Strategy<Value = RandomRun> {
    let fault_rates =
        (any::<u64>(), prop_oneof![Just(0_u16), 1_u16..120], prop_oneof![2 => Just(0_u16), 1 => 1_u16..12]);
    let lag = prop_oneof![2 => Just(0_u64), 1 => 1_u64..20_000];
    let behind = prop_oneof![3 => Just(0_u64), 1 => 1_u64..30];
    let kind = (prop::bool::weighted(0.4), prop::bool::weighted(0.4));
    (prop::collection::vec(any_action(weights), steps), fault_rates, lag, behind, kind).prop_map(
        |(deeds, (seed, faults, crashes), lag, behind, (is_doubled, normalises))| RandomRun {
            actions: deeds,
            fault_rates: FaultRates { seed, faults, crashes },
            watch_delay: Duration::from_millis(lag),
            list_lag: behind,
            has_second_operator: is_doubled,
            normalises,
        },
    )
}

/// Runs until the world is at rest.
pub(crate) fn play_run(run: &RandomRun) -> SimWorld {
    let world = new_two_account_world();
    {
        let mut state = world.lock();
        state.fates = run.fault_rates.fate_chooser();
        state.lasting_faults.normalises = run.normalises;
        state.watch_delay = run.watch_delay;
    }
    let (next, mut lives) = (Cell::new(0), 0);
    loop {
        lives += 1;
        let life = OperatorLife::new(lives);
        {
            let mut state = world.lock();
            let version = state.cluster.version();
            state.list_at = (lives > 1 && run.list_lag > 0 && next.get() < run.actions.len())
                .then(|| version.saturating_sub(run.list_lag).max(110).min(version));
        }
        let done = run_life_with_standby(
            &world,
            &life,
            run.has_second_operator,
            wide_settings(),
            perform_actions(&world, &life, run, &next),
        );
        if done.is_some() {
            return world;
        }
        if lives > 40 + run.actions.len() {
            world.lock().oracle.violations.push("it crashes for ever".to_owned());
            return world;
        }
    }
}

async fn perform_actions(world: &SimWorld, life: &OperatorLife, run: &RandomRun, next: &Cell<usize>) {
    while let Some((deed, pause)) = run.actions.get(next.get()) {
        next.set(next.get() + 1);
        world.lock().add_log_line(tenantry_runtime::clock::now(), format!(" * {deed:?}"));
        world.perform_action(deed);
        if matches!(deed, SimAction::Crash) {
            life.end();
            std::future::pending::<()>().await;
        }
        if let SimAction::ConsentAndWithdraw(who, waits) = deed {
            world.consent_and_withdraw(*who, *waits).await;
        }
        if matches!(deed, SimAction::BeginFault(LastingFault::LoseLease)) && run.has_second_operator {
            tokio::time::sleep(TAKEOVER_TIME).await;
        }
        tokio::time::sleep(*pause).await;
        if *pause >= UNWANTED_TERMINATION_TIME {
            let mut state = world.lock();
            let SimState { oracle, cluster, .. } = &mut *state;
            oracle.count_not_deleted(cluster);
        }
        world.lock().list_at = None;
        world.run_controllers();
    }
    stop_faults(world);
    // What one drift check missed is corrected by the next. A definition that is being deleted is removed with its last
    // object.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_mins(4)).await;
        world.restore_prerequisites();
    }
    wait_until_idle_restored(world, 1).await;
}

/// Stops all faults, and repairs what was deleted.
fn stop_faults(world: &SimWorld) {
    let now = tenantry_runtime::clock::now();
    let mut state = world.lock();
    state.add_log_line(now, " * calm");
    state.fates = Box::new(|_, _| RequestFate::Pass);
    state.watch_delay = Duration::ZERO;
    state.list_at = None;
    state.clock_offsets = ClockOffsets::default();
    state.oracle.clocks_differ_since = None;
    state.lasting_faults.end_all();
    drop(state);
    world.restore_prerequisites();
    for namespace in ["a", "b"] {
        world.rewrite_connection_secret(namespace, false);
    }
}

/// Checks a run. Returns why it failed, with its story.
pub(crate) fn check_run(world: &SimWorld) -> Result<(), String> {
    let faults = world.idle_faults();
    if faults.is_empty() {
        return Ok(());
    }
    let state = world.lock();
    Err(format!("{faults:#?}\n{}", state.log.join("\n")))
}

fn check_random_runs(name: &'static str, seed: u64, strategy: impl Strategy<Value = RandomRun>) {
    let config = ProptestConfig { max_shrink_iters: 400, ..random_cases(name, seed, CASES_PER_HALF) };
    let requests = Cell::new(0);
    let outcome = TestRunner::new(config).run(&strategy, |run| {
        let world = play_run(&run);
        requests.set(requests.get() + world.lock().request_count);
        check_run(&world).map_err(TestCaseError::fail)
    });
    println!("{name}: {} requests", requests.get());
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

const ODDS: ActionWeights =
    ActionWeights { terminations: 13, faults: 4, neighbours: 12, flawless: 6, unconfirmed: 6, medium_pause: 4 };

/// Two thousand cases in two halves, so that a machine with two cores runs them in half the time.
const CASES_PER_HALF: u32 = 1_000;

#[test]
fn whatever_happens_it_comes_to_rest_as_declared() {
    check_random_runs("sim", 1, any_run(ODDS, 3..12));
}

#[test]
fn whatever_else_happens_it_comes_to_rest_as_declared() {
    check_random_runs("sim-more", 2, any_run(ODDS, 3..12));
}
