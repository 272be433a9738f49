//! The crash sweep. Every scenario runs once to number its requests to both servers. It then runs once for each request
//! with a crash right before it, and once for each write with a crash right after it.
//!
//! Right after a read, and right after a reply, everything outside the operator is as before the next request, so those
//! runs would be repetitions.

pub(super) mod scenarios;

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::Value;

use super::exchange::{CrashPoint, OperatorLife, RequestFate};
use super::idle::{new_default_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use scenarios::{Scenario, scenario_named};

/// The result of a run.
struct SweepResult {
    picture: Value,
    /// The requests until the last step was done, each with whether it may change something.
    requests: Vec<bool>,
    lives: usize,
    faults: Vec<String>,
    story: Vec<String>,
}

/// Runs a scenario. After a crash at a request, the next operator continues.
fn play_scenario(scenario: &Scenario, crash: Option<(usize, CrashPoint)>) -> SweepResult {
    let world = new_default_world();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    world.lock().fates = Box::new(move |(_, number), ask| {
        all.lock().unwrap().push((number, ask.method != Method::GET));
        crash.filter(|(at, _)| *at == number).map_or(RequestFate::Pass, |(_, when)| RequestFate::Crash(when))
    });
    let (step, requests, acted) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut lives = 0;
    loop {
        lives += 1;
        let life = OperatorLife::new(lives);
        let done = run_life(&world, &life, settings(), async {
            while let Some((what, act, is_so)) = scenario.steps.get(step.get()) {
                if acted.get() == step.get() {
                    acted.set(acted.get() + 1);
                    world.lock().add_log_line(tenantry_runtime::clock::now(), format!(" * {what}"));
                    act(&world);
                }
                world.wait_until(what, is_so).await;
                step.set(step.get() + 1);
            }
            if requests.get() == 0 {
                requests.set(world.lock().request_count);
            }
            wait_until_idle(&world, 1).await;
        });
        if done.is_some() || lives > 3 {
            break;
        }
    }
    let faults = world.idle_faults();
    let picture = world.final_state();
    let story = std::mem::take(&mut world.lock().log);
    let last = requests.get();
    let requests =
        seen.lock().unwrap().iter().filter(|(number, _)| *number <= last).map(|(_, writes)| *writes).collect();
    SweepResult { picture, requests, lives, faults, story }
}

/// Returns the differences between two final states.
fn differences(one: &Value, other: &Value, path: &str) -> Vec<String> {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            left.iter().flat_map(|(key, value)| differences(value, &right[key], &format!("{path}.{key}"))).collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .flat_map(|(i, (a, b))| differences(a, b, &format!("{path}[{i}]")))
            .collect(),
        (one, other) if one == other => Vec::new(),
        (one, other) => vec![format!("{path}: {one} and now {other}")],
    }
}

fn sweep_crashes(name: &str) {
    let scenario = &scenario_named(name);
    let plain = play_scenario(scenario, None);
    let fail = |what: &str, played: &SweepResult, more: &[String]| {
        panic!("{name}: {what}: {:#?}\n{}\n{}", played.faults, more.join("\n"), played.story.join("\n"))
    };
    if !plain.faults.is_empty() || plain.lives != 1 {
        fail("without a crash", &plain, &[]);
    }
    let mut points = 0;
    for (index, writes) in plain.requests.iter().enumerate() {
        let number = index + 1;
        for when in [CrashPoint::BeforeRequest, CrashPoint::BeforeReply].into_iter().take(1 + usize::from(*writes)) {
            let played = play_scenario(scenario, Some((number, when)));
            let differences = differences(&plain.picture, &played.picture, "");
            if !played.faults.is_empty() || !differences.is_empty() || played.lives != 2 {
                fail(&format!("ended {when:?} request {number}, {} lives", played.lives), &played, &differences);
            }
            points += 1;
        }
    }
    let writes = plain.requests.iter().filter(|writes| **writes).count();
    println!("{name}: {points} ends at {} requests, {writes} of which write", plain.requests.len());
    // A tenant's life needs at least this number.
    assert!(writes >= 5 && plain.requests.len() > writes + 5, "{name}: {:?}", plain.requests);
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_create_and_the_end_is_the_same() {
    sweep_crashes("create");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_an_update_and_the_end_is_the_same() {
    sweep_crashes("update");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_suspension_and_the_end_is_the_same() {
    sweep_crashes("suspend");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_termination_and_the_end_is_the_same() {
    sweep_crashes("terminate");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_an_adoption_and_the_end_is_the_same() {
    sweep_crashes("adopt");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_reattachment_and_the_end_is_the_same() {
    sweep_crashes("reattach");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_partner_with_clients_and_the_end_is_the_same() {
    sweep_crashes("family");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_revoked_consent_and_the_end_is_the_same() {
    sweep_crashes("revoke");
}

/// shows: faults/5
#[test]
fn the_operator_may_end_at_any_request_of_a_namespace_that_goes_and_the_end_is_the_same() {
    sweep_crashes("namespace");
}
