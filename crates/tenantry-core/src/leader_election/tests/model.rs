//! Every order of events in a small model: two processes with unrelated clocks, one record protected by its version,
//! late or lost answers and changes, and processes that crash, release the lease and restart.

#![allow(clippy::disallowed_types, reason = "a model visits millions of states, and their order has no effect")]

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::*;

/// Bounds of the model.
#[derive(Clone, Copy)]
struct ElectionBounds {
    terms: LeaseTerms,
    /// Seconds until the model ends.
    end: u64,
    /// Number of changes of the record that are granted.
    writes: u8,
    /// Number of lives of each process.
    lives: [u8; 2],
}

/// Maximum number of changes in flight at once.
const CHANGES: usize = 2;
/// Time on the clock of each process when the model starts.
const CLOCKS: [Duration; 2] = [seconds(0), seconds(86_400)];

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ElectionState {
    now: u64,
    record: Option<LeaseRecord>,
    version: u8,
    processes: [LeaseProcess; 2],
    /// Changes in flight for the current version, including those that nobody waits for.
    changes: Vec<LeaseWrite>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct LeaseProcess {
    elector: LeaderElector,
    life: u8,
    activity: LeaseActivity,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum LeaseActivity {
    Idle,
    /// The server has answered a read; the answer is in transit.
    Asking(Option<LeaseRecord>, u8),
    /// A change was sent when the process's clock showed this time.
    Changing(Duration),
    /// The server has granted the change; the answer is in transit.
    Granted(Duration),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct LeaseWrite {
    /// Process and life.
    by: (usize, u8),
    sent: Option<Duration>,
    record: LeaseRecord,
}

/// A possible event; the number is that of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the number is for whoever reads a way")]
enum LeaseEvent {
    SecondPasses,
    Reads(usize),
    LearnsWhatItRead(usize, LeaseDecision),
    ServerCarriesOutChangeOf(usize),
    BecomesLeader(usize),
    WaitsNoLonger(usize),
    ReleasesAndRestarts(usize),
    CrashesAndRestarts(usize),
}

impl ElectionState {
    fn new(bounds: ElectionBounds) -> Self {
        let process =
            |index| LeaseProcess { elector: new_elector(index, 1, bounds), life: 1, activity: LeaseActivity::Idle };
        Self { now: 0, record: None, version: 0, processes: [process(0), process(1)], changes: Vec::new() }
    }

    fn clock_of(&self, index: usize) -> Duration {
        CLOCKS[index] + seconds(self.now)
    }

    fn leaders(&self) -> Vec<usize> {
        [0, 1].into_iter().filter(|index| self.processes[*index].elector.is_leading(self.clock_of(*index))).collect()
    }

    /// Returns every possible next event and state.
    fn successors(&self, bounds: ElectionBounds) -> Vec<(LeaseEvent, Self)> {
        let mut all = Vec::new();
        if self.now < bounds.end {
            all.push((LeaseEvent::SecondPasses, Self { now: self.now + 1, ..self.clone() }));
        }
        for index in 0..self.changes.len() {
            all.push((LeaseEvent::ServerCarriesOutChangeOf(self.changes[index].by.0), self.with_write_executed(index)));
        }
        for index in [0, 1] {
            if self.processes[index].life < bounds.lives[index] {
                all.push((LeaseEvent::CrashesAndRestarts(index), self.with_process_restarted(index, bounds)));
            }
            // A process that has lost leadership exits and does nothing else.
            if !self.processes[index].elector.has_lost_leadership(self.clock_of(index)) {
                self.add_process_steps(index, bounds, &mut all);
            }
        }
        all
    }

    fn add_process_steps(&self, index: usize, bounds: ElectionBounds, all: &mut Vec<(LeaseEvent, Self)>) {
        let now = self.clock_of(index);
        let mut next = self.clone();
        let process = &mut next.processes[index];
        match process.activity.clone() {
            LeaseActivity::Idle => {
                process.activity = LeaseActivity::Asking(self.record.clone(), self.version);
                all.push((LeaseEvent::Reads(index), next));
            }
            LeaseActivity::Asking(record, base) => {
                let holder = record.as_ref().and_then(|record| record.holder.clone());
                let decision = process.elector.observe_record(record, now);
                process.activity = LeaseActivity::Idle;
                // A change based on an old version is rejected and has no effect.
                let may_write = base == self.version && self.version < bounds.writes && self.changes.len() < CHANGES;
                if may_write
                    && holder.as_deref() == Some(process.elector.identity())
                    && process.life < bounds.lives[index]
                {
                    let record = process.elector.release_record(wall_time(0));
                    let mut gone = next.with_process_restarted(index, bounds);
                    gone.changes.push(LeaseWrite { by: (index, next.processes[index].life), sent: None, record });
                    all.push((LeaseEvent::ReleasesAndRestarts(index), gone));
                }
                if may_write && !matches!(decision, LeaseDecision::Wait(_)) {
                    let process = &mut next.processes[index];
                    process.activity = LeaseActivity::Changing(now);
                    let record = process.elector.claim_record(wall_time(0));
                    next.changes.push(LeaseWrite { by: (index, process.life), sent: Some(now), record });
                }
                all.push((LeaseEvent::LearnsWhatItRead(index, decision), next));
            }
            LeaseActivity::Changing(_) => {
                process.activity = LeaseActivity::Idle;
                all.push((LeaseEvent::WaitsNoLonger(index), next));
            }
            LeaseActivity::Granted(sent) => {
                process.elector.confirm_claim(sent, now);
                process.activity = LeaseActivity::Idle;
                all.push((LeaseEvent::BecomesLeader(index), next));
            }
        }
    }

    /// Executes a change on the server. All other changes were made for the previous version and have no effect.
    fn with_write_executed(&self, index: usize) -> Self {
        let mut next = self.clone();
        let change = next.changes.swap_remove(index);
        next.changes.clear();
        next.version += 1;
        next.record = Some(change.record);
        for (index, process) in next.processes.iter_mut().enumerate() {
            if let LeaseActivity::Changing(sent) = process.activity {
                let is_its = change.by == (index, process.life) && change.sent == Some(sent);
                process.activity = if is_its { LeaseActivity::Granted(sent) } else { LeaseActivity::Idle };
            }
        }
        next
    }

    fn with_process_restarted(&self, index: usize, bounds: ElectionBounds) -> Self {
        let mut next = self.clone();
        let life = next.processes[index].life + 1;
        next.processes[index] =
            LeaseProcess { elector: new_elector(index, life, bounds), life, activity: LeaseActivity::Idle };
        next
    }
}

fn new_elector(index: usize, life: u8, bounds: ElectionBounds) -> LeaderElector {
    LeaderElector::new(format!("{index}{life}"), bounds.terms)
}

/// Result of a search through every order of events.
struct LeaseExploration {
    states: usize,
    /// Number of states in which each life led.
    led: BTreeMap<String, usize>,
    /// Shortest path to two leaders.
    two_leaders: Option<Vec<LeaseEvent>>,
}

fn explore_lease(bounds: ElectionBounds) -> LeaseExploration {
    let mut states = vec![ElectionState::new(bounds)];
    let mut ways: Vec<(usize, LeaseEvent)> = vec![(0, LeaseEvent::SecondPasses)];
    // Only digests of states are kept: no collision is expected among about 100,000.
    let digest = BuildHasherDefault::<DefaultHasher>::default();
    let mut known = HashSet::from([digest.hash_one(&states[0])]);
    let mut led = BTreeMap::new();
    let mut at = 0;
    while at < states.len() {
        let leaders = states[at].leaders();
        for leader in &leaders {
            *led.entry(states[at].processes[*leader].elector.identity().to_owned()).or_default() += 1;
        }
        if leaders.len() > 1 {
            return LeaseExploration { states: states.len(), led, two_leaders: Some(shortest_path(&ways, at)) };
        }
        for (event, next) in states[at].successors(bounds) {
            if known.insert(digest.hash_one(&next)) {
                states.push(next);
                ways.push((at, event));
            }
        }
        at += 1;
    }
    LeaseExploration { states: states.len(), led, two_leaders: None }
}

fn shortest_path(ways: &[(usize, LeaseEvent)], mut at: usize) -> Vec<LeaseEvent> {
    let mut events = Vec::new();
    while at != 0 {
        events.push(ways[at].1);
        at = ways[at].0;
    }
    events.reverse();
    events
}

fn terms(lease: u64, renew: u64) -> LeaseTerms {
    // Not built with `new`, which would reject wrong terms.
    LeaseTerms { lease_duration: seconds(lease), renew_deadline: seconds(renew), retry_period: seconds(1) }
}

fn assert_never_two_leaders(bounds: ElectionBounds) -> BTreeMap<String, usize> {
    let exploration = explore_lease(bounds);
    println!("{} states, led by {:?}", exploration.states, exploration.led);
    assert_eq!(exploration.two_leaders, None);
    exploration.led
}

/// shows: faults/25
#[test]
fn in_no_order_of_renewals_and_takeovers_do_two_processes_lead_at_once() {
    let led = assert_never_two_leaders(ElectionBounds { terms: terms(3, 2), end: 4, writes: 3, lives: [1, 1] });
    assert_eq!(led.len(), 2, "{led:?}");
}

#[test]
fn in_no_order_of_deaths_and_returns_do_two_processes_lead_at_once() {
    let led = assert_never_two_leaders(ElectionBounds { terms: terms(3, 2), end: 4, writes: 2, lives: [2, 1] });
    // Each life leads in some state, so the search included hand-overs by release and by crash.
    assert_eq!(led.len(), 3, "{led:?}");
}

#[test]
fn the_walk_finds_the_way_to_two_leaders_where_the_terms_allow_it() {
    let way =
        explore_lease(ElectionBounds { terms: terms(2, 3), end: 4, writes: 3, lives: [1, 1] }).two_leaders.unwrap();
    assert_eq!(way.len(), 12, "{way:#?}");
}
