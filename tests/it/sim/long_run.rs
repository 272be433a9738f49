//! The long run: many random runs, and a histogram of their outcomes.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::actions::ActionWeights;
use super::exchange::SimWorld;
use super::random::{RandomRun, any_run, check_run, play_run};
use crate::support::{env_number, regression_file};

/// The conditions without which no tenant may be terminated. Each must have been the only one that prevented a
/// termination.
const SINGLE_CONDITIONS: [&str; 13] = [
    "no confirmation",
    "name",
    "id",
    "acknowledge",
    "notAfter past",
    "notAfter too far",
    "policy",
    "paused",
    "not deleted",
    "child alive",
    "grace not passed",
    "mark differs",
    "namespace going",
];

/// Events of neighbours, accounts and clocks, each of which must occur at least once.
const WIDER_EVENTS: [&str; 22] = [
    "accounts that hung",
    "branding written",
    "changes of the leader",
    "clocks that were apart",
    "consents withdrawn while the call waited",
    "givers that say so",
    "hand-overs",
    "newer objects",
    "packages and add-ons written",
    "plans approved",
    "plans that waited",
    "reads that were late",
    "refused: clocks apart",
    "requests that hung",
    "rotated values written",
    "tenants only read",
    "tenants taken from owners that were gone",
    "tries to take a living neighbour's tenant, refused",
    "values in the platform's own form",
    "writes beside an account that hung",
    "writes that had to wait",
    "adoptions",
];

/// Mostly attempts to terminate tenants, each with enough time to be decided before the next.
const ODDS: ActionWeights =
    ActionWeights { terminations: 120, faults: 2, neighbours: 25, flawless: 10, unconfirmed: 20, medium_pause: 15 };

/// Number of steps from which each condition must have occurred often.
const LONG_RUN_STEPS: usize = 200_000;

/// Number of runs for one seed before those of the next seed begin.
const SEEDS: u64 = 1_000_000;

/// Number of steps between two progress reports.
const REPORT_INTERVAL: usize = 10_000;

/// Counts by outcome.
type OutcomeCounts = BTreeMap<String, usize>;

fn count_outcomes(world: &SimWorld, counts: &mut OutcomeCounts) {
    let state = world.lock();
    let oracle = &state.oracle;
    let mut add = |what: &str, more: usize| *counts.entry(what.to_owned()).or_default() += more;
    add("requests", state.request_count);
    add("lives", oracle.request_counts.len());
    add("creates", oracle.created.values().map(Vec::len).sum());
    add("lawful terminations", oracle.terminated.len());
    for (event, what) in [("Reattached", "re-attachments"), ("Cancelled", "cancels"), ("Adopted", "adoptions")] {
        add(what, oracle.events.get(event).copied().unwrap_or_default());
    }
    for (what, whom) in &oracle.occurred {
        add(what, whom.len());
    }
    for (what, many) in &state.lasting_faults.counts {
        add(what, *many);
    }
    for (why, ends) in &oracle.refused {
        add(&format!("refused: {why}"), ends.len());
    }
}

/// Returns the run of a seed.
fn run_for_seed(seed: u64) -> RandomRun {
    let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    any_run(ODDS, 10..150).new_tree(&mut TestRunner::new(config)).unwrap().current()
}

/// Reads the seeds of failed runs, one a line.
fn load_failed_seeds() -> Vec<u64> {
    let text = fs::read_to_string(regression_file("long")).unwrap_or_default();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim().parse().unwrap()).collect()
}

/// Stores a seed, so that each run of the tests repeats it.
fn save_failed_seed(seed: u64) {
    if !load_failed_seeds().contains(&seed) {
        let file = OpenOptions::new().create(true).append(true).open(regression_file("long"));
        writeln!(file.unwrap(), "{seed}").unwrap();
    }
}

#[test]
fn a_long_run_ends_tenants_lawfully_and_refuses_to_for_each_single_reason() {
    let steps = env_number("TENANTRY_STEPS").unwrap_or(1_000);
    let seed: u64 = env_number("TENANTRY_SEED").unwrap_or(1);
    let (mut done, mut worlds, mut tally) = (0, 0, OutcomeCounts::new());
    let mut violations = Vec::new();
    // Each run has a seed, by which it alone can be repeated.
    for one in load_failed_seeds().into_iter().chain((seed * SEEDS..).take(steps)) {
        if done >= steps {
            break;
        }
        let run = run_for_seed(one);
        let world = play_run(&run);
        if let Err(why) = check_run(&world) {
            save_failed_seed(one);
            violations.push(format!("run {one}: {run:?}\n{why}"));
            if let Ok(folder) = std::env::var("TENANTRY_STORIES") {
                let _ = fs::write(format!("{folder}/{one}.txt"), violations.last().unwrap());
            }
        }
        count_outcomes(&world, &mut tally);
        if (done + run.actions.len()) / REPORT_INTERVAL > done / REPORT_INTERVAL {
            println!("{done} steps in {worlds} worlds: violations {}", violations.len());
        }
        done += run.actions.len();
        worlds += 1;
    }
    for violation in &violations {
        println!("{}", violation.lines().skip(1).take_while(|line| *line != "]").collect::<String>());
    }
    println!("{done} steps in {worlds} worlds from seed {seed}: violations {}", violations.len());
    for (what, many) in &tally {
        println!("{many:>9}  {what}");
    }
    assert!(violations.is_empty(), "{}", violations[0]);
    let floor = |many: usize| if steps >= LONG_RUN_STEPS { many } else { 0 };
    let found = |what: &str| tally.get(what).copied().unwrap_or_default();
    assert!(found("lawful terminations") >= floor(1_000));
    for why in SINGLE_CONDITIONS {
        let many = found(&format!("refused: {why}"));
        assert!(many >= floor(500), "{why}: {many}");
    }
    for what in WIDER_EVENTS {
        assert!(found(what) >= floor(1), "{what} never happened");
    }
}
