//! The crash sweep: every scenario is played once to number its requests, and then once for each request with the
//! operator ending right before it, right after it was carried out, and right after its reply.

pub(super) mod scenarios;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::Value;

use super::life::{live, settings};
use super::seam::{Fate, Life, When};
use super::settle::{rest, world};
use scenarios::{ALL, Scenario};

/// How a play ended.
struct Played {
    picture: Value,
    /// Requests until the last step was done.
    requests: usize,
    lives: usize,
    faults: Vec<String>,
    story: Vec<String>,
}

/// Plays a scenario; with a crash at a request, the next operator goes on.
fn play(scenario: &Scenario, crash: Option<(usize, When)>) -> Played {
    let world = world();
    if let Some((number, when)) = crash {
        world.lock().fates =
            Box::new(move |(_, asked), _| if asked == number { Fate::Crash(when) } else { Fate::Pass });
    }
    let (step, requests, acted) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut lives = 0;
    loop {
        lives += 1;
        let life = Life::new(lives);
        let done = live(&world, &life, settings(), async {
            while let Some((what, act, is_so)) = scenario.steps.get(step.get()) {
                if acted.get() == step.get() {
                    acted.set(acted.get() + 1);
                    world.lock().tell(tenantry::clock::now(), format!(" * {what}"));
                    act(&world);
                }
                world.until(what, is_so).await;
                step.set(step.get() + 1);
            }
            if requests.get() == 0 {
                requests.set(world.lock().asked);
            }
            rest(&world, 1).await;
        });
        if done.is_some() || lives > 3 {
            break;
        }
    }
    let faults = world.faults();
    let picture = world.picture();
    let story = std::mem::take(&mut world.lock().story);
    Played { picture, requests: requests.get(), lives, faults, story }
}

/// What differs between two pictures.
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

fn sweep(scenario: &Scenario) -> (usize, usize) {
    let plain = play(scenario, None);
    let fail = |what: &str, played: &Played, more: &[String]| {
        panic!("{}: {what}: {:#?}\n{}\n{}", scenario.name, played.faults, more.join("\n"), played.story.join("\n"))
    };
    if !plain.faults.is_empty() || plain.lives != 1 {
        fail("without a crash", &plain, &[]);
    }
    let mut points = 0;
    for number in 1..=plain.requests {
        for when in [When::Before, When::Done, When::Replied] {
            let played = play(scenario, Some((number, when)));
            let differences = differences(&plain.picture, &played.picture, "");
            if !played.faults.is_empty() || !differences.is_empty() || played.lives != 2 {
                fail(&format!("ended {when:?} request {number}, {} lives", played.lives), &played, &differences);
            }
            points += 1;
        }
    }
    (plain.requests, points)
}

#[test]
fn the_operator_may_end_at_any_request_of_any_scenario_and_the_end_is_the_same() {
    let wanted = std::env::var("SCENARIO").ok();
    let mut counts = BTreeMap::new();
    for scenario in ALL.iter().map(|make| make()).filter(|one| wanted.as_ref().is_none_or(|name| *name == one.name)) {
        let begin = std::time::Instant::now();
        counts.insert(scenario.name, sweep(&scenario));
        println!("{:12} {:?} {:?}", scenario.name, counts[scenario.name], begin.elapsed());
    }
    let points: usize = counts.values().map(|(_, points)| points).sum();
    println!("{points} crash points in {} scenarios", counts.len());
}
