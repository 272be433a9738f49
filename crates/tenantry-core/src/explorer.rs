//! A breadth-first search through every order of events of a small model. The path to each state is a shortest one.

#![allow(clippy::disallowed_types, reason = "a model visits millions of states, and their order has no effect")]

mod lease_model;

pub(super) use lease_model::LeaseModel;

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// Maximum number of steps to an end state when no faults or edits occur.
const MAX_SETTLING_STEPS: usize = 200;

/// A model with more states than this has wrong bounds.
const MAX_STATES: usize = 4_000_000;

/// A model: its initial state, its possible events and its forbidden states.
pub(super) trait StateSpace {
    type State: Clone + Hash;
    type Event: Copy + Debug;

    fn initial_state(&self) -> Self::State;
    /// Adds every possible next event and state.
    fn add_successors(&self, state: &Self::State, all: &mut Vec<(Self::Event, Self::State)>);
    /// Returns what is wrong with a state, if anything.
    fn find_violation(&self, state: &Self::State) -> Option<&'static str>;
    /// Returns the next state if no more faults and edits occur; `Settled` at an end state, and `None` if the model
    /// does not check this.
    fn next_settling_state(&self, state: &Self::State) -> Option<Settling<Self::State>>;
}

/// How a state continues without faults and edits.
pub(super) enum Settling<S> {
    Settled,
    Continues(S),
}

/// Result of a search.
pub(super) struct Exploration<E> {
    pub(super) states: usize,
    /// The violation and the shortest path to it.
    pub(super) violation: Option<(&'static str, Vec<E>)>,
}

/// Searches until it finds a violation or has visited all states. It keeps only digests of states: no collision is
/// expected among a few million.
pub(super) fn explore_states<W: StateSpace>(model: &W, mut visit: impl FnMut(&W::State)) -> Exploration<W::Event> {
    let digest = BuildHasherDefault::<FoldHasher>::default();
    let start = model.initial_state();
    let mut known = HashSet::<u64, BuildHasherDefault<IdentityHasher>>::default();
    known.insert(digest.hash_one(&start));
    let mut settling = HashSet::<u64, BuildHasherDefault<IdentityHasher>>::default();
    let mut ways: Vec<(usize, Option<W::Event>)> = vec![(0, None)];
    let mut open = VecDeque::from([(0, start)]);
    let mut all = Vec::new();
    while let Some((at, state)) = open.pop_front() {
        visit(&state);
        assert!(ways.len() < MAX_STATES, "the world does not end");
        let wrong = model.find_violation(&state).or_else(|| find_livelock(model, &state, &mut settling));
        if let Some(wrong) = wrong {
            return Exploration { states: ways.len(), violation: Some((wrong, shortest_path(&ways, at))) };
        }
        model.add_successors(&state, &mut all);
        for (event, next) in all.drain(..) {
            if known.insert(digest.hash_one(&next)) {
                open.push_back((ways.len(), next));
                ways.push((at, Some(event)));
            }
        }
    }
    Exploration { states: ways.len(), violation: None }
}

/// Follows the path without faults and edits until an end state, or until a state from which an end state is known to
/// be reached.
fn find_livelock<W: StateSpace>(
    model: &W,
    state: &W::State,
    settling: &mut HashSet<u64, BuildHasherDefault<IdentityHasher>>,
) -> Option<&'static str> {
    let digest = BuildHasherDefault::<FoldHasher>::default();
    let mut way = Vec::new();
    let mut at = state.clone();
    for _ in 0..MAX_SETTLING_STEPS {
        let known = digest.hash_one(&at);
        if settling.contains(&known) {
            settling.extend(way);
            return None;
        }
        way.push(known);
        match model.next_settling_state(&at)? {
            Settling::Settled => {
                settling.extend(way);
                return None;
            }
            Settling::Continues(next) => at = next,
        }
    }
    Some("no end is reached although nothing goes wrong any more")
}

fn shortest_path<E: Copy>(ways: &[(usize, Option<E>)], mut at: usize) -> Vec<E> {
    let mut events = Vec::new();
    while let (before, Some(event)) = &ways[at] {
        events.push(*event);
        at = *before;
    }
    events.reverse();
    events
}

/// The documentation page that lists the results of the searches.
const MODEL_PAGE: &str = include_str!("../../../docs/model.md");

/// Prints the result of a search. Asserts that nothing was wrong and that the page lists the number of states, so that
/// a part of the model that is lost by accident is noticed.
pub(super) fn assert_no_violation<E: Debug>(name: &str, exploration: &Exploration<E>) {
    if let Some((wrong, way)) = &exploration.violation {
        panic!("{name}: {wrong}, after {} events: {way:?}", way.len());
    }
    assert_row_on_page(&format!("| {name} | {} |", exploration.states));
}

/// Prints the shortest path from a defect to the violation, and asserts that the page lists both the violation and the
/// length of the path.
pub(super) fn assert_defect_found<E: Debug>(model: &str, mutant: impl Debug, exploration: &Exploration<E>) {
    let Some((wrong, way)) = &exploration.violation else {
        panic!("{mutant:?} was not found in {} states", exploration.states)
    };
    println!("{mutant:?}: {wrong}, {} events: {way:?}", way.len());
    assert_row_on_page(&format!("| {model} | `{mutant:?}` | {wrong} | {} |", way.len()));
}

/// Asserts that the page lists no other defects of a model.
pub(super) fn assert_defect_count(model: &str, defects: usize) {
    let there = MODEL_PAGE.lines().filter(|line| line.starts_with(&format!("| {model} | `"))).count();
    assert_eq!(there, defects, "docs/model.md: defects of the model `{model}`");
}

fn assert_row_on_page(row: &str) {
    println!("{row}");
    assert!(MODEL_PAGE.lines().any(|line| line.starts_with(row)), "docs/model.md should have the row `{row}`");
}

/// A hash that is fast without compiler optimisation. States are small, and nobody makes them collide on purpose.
#[derive(Default)]
struct FoldHasher(u64);

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        // Moves the effect of the last factors into the low bits.
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
}

/// A digest is its own hash.
#[derive(Default)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
