//! A plain breadth-first walk through every order of events of a small world; the way to a state is a shortest one.

mod claim;

pub(super) use claim::Lease;

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// Longest way without faults and edits within which an end is reached.
const PATIENCE: usize = 200;

/// A world beyond this is a mistake in its bounds.
const MOST: usize = 4_000_000;

/// A world: where it begins, what can happen next, what must never be.
pub(super) trait World {
    type State: Clone + Hash;
    type Event: Copy + Debug;

    fn start(&self) -> Self::State;
    /// Everything that can happen next.
    fn next(&self, state: &Self::State, all: &mut Vec<(Self::Event, Self::State)>);
    /// What is wrong with a state.
    fn wrong(&self, state: &Self::State) -> Option<&'static str>;
    /// What happens next where no fault and no edit comes any more: nothing at an end. None where it is not asked.
    fn calm(&self, state: &Self::State) -> Option<Calm<Self::State>>;
}

/// How a state goes on by itself.
pub(super) enum Calm<S> {
    Ends,
    Goes(S),
}

/// What a walk saw.
pub(super) struct Walk<E> {
    pub(super) states: usize,
    /// What was wrong, and the shortest way to it.
    pub(super) wrong: Option<(&'static str, Vec<E>)>,
}

/// Walks until something is wrong or everything was seen. Of the states only their digests are kept: with some millions
/// no two are expected to be the same.
pub(super) fn walk<W: World>(world: &W, mut see: impl FnMut(&W::State)) -> Walk<W::Event> {
    let digest = BuildHasherDefault::<Fold>::default();
    let start = world.start();
    let mut known = HashSet::<u64, BuildHasherDefault<Same>>::default();
    known.insert(digest.hash_one(&start));
    let mut settling = HashSet::<u64, BuildHasherDefault<Same>>::default();
    let mut ways: Vec<(usize, Option<W::Event>)> = vec![(0, None)];
    let mut open = VecDeque::from([(0, start)]);
    let mut all = Vec::new();
    while let Some((at, state)) = open.pop_front() {
        see(&state);
        assert!(ways.len() < MOST, "the world does not end");
        let wrong = world.wrong(&state).or_else(|| unsettled(world, &state, &mut settling));
        if let Some(wrong) = wrong {
            return Walk { states: ways.len(), wrong: Some((wrong, way(&ways, at))) };
        }
        world.next(&state, &mut all);
        for (event, next) in all.drain(..) {
            if known.insert(digest.hash_one(&next)) {
                open.push_back((ways.len(), next));
                ways.push((at, Some(event)));
            }
        }
    }
    Walk { states: ways.len(), wrong: None }
}

/// Follows the calm way until an end, or a state from which one is known to be reached.
fn unsettled<W: World>(
    world: &W,
    state: &W::State,
    settling: &mut HashSet<u64, BuildHasherDefault<Same>>,
) -> Option<&'static str> {
    let digest = BuildHasherDefault::<Fold>::default();
    let mut way = Vec::new();
    let mut at = state.clone();
    for _ in 0..PATIENCE {
        let known = digest.hash_one(&at);
        if settling.contains(&known) {
            settling.extend(way);
            return None;
        }
        way.push(known);
        match world.calm(&at)? {
            Calm::Ends => {
                settling.extend(way);
                return None;
            }
            Calm::Goes(next) => at = next,
        }
    }
    Some("no end is reached although nothing goes wrong any more")
}

fn way<E: Copy>(ways: &[(usize, Option<E>)], mut at: usize) -> Vec<E> {
    let mut events = Vec::new();
    while let (before, Some(event)) = &ways[at] {
        events.push(*event);
        at = *before;
    }
    events.reverse();
    events
}

/// The page that says what the walks find.
const PAGE: &str = include_str!("../../docs/model.md");

/// Prints what a walk saw, and asserts that nothing was wrong and that the page says how much there was to see: a part of
/// the world that is lost by accident shows there.
pub(super) fn nothing_wrong<E: Debug>(name: &str, walk: &Walk<E>) {
    if let Some((wrong, way)) = &walk.wrong {
        panic!("{name}: {wrong}, after {} events: {way:?}", way.len());
    }
    on_page(&format!("| {name} | {} |", walk.states));
}

/// Prints the shortest way that a defect takes to what it breaks, and asserts that the page says which and how long.
pub(super) fn found<E: Debug>(model: &str, mutant: impl Debug, walk: &Walk<E>) {
    let Some((wrong, way)) = &walk.wrong else { panic!("{mutant:?} was not found in {} states", walk.states) };
    println!("{mutant:?}: {wrong}, {} events: {way:?}", way.len());
    on_page(&format!("| {model} | `{mutant:?}` | {wrong} | {} |", way.len()));
}

/// Asserts that the page names no other defects of a model.
pub(super) fn all_found(model: &str, defects: usize) {
    let there = PAGE.lines().filter(|line| line.starts_with(&format!("| {model} | `"))).count();
    assert_eq!(there, defects, "docs/model.md: defects of the model `{model}`");
}

fn on_page(row: &str) {
    println!("{row}");
    assert!(PAGE.lines().any(|line| line.starts_with(row)), "docs/model.md should have the row `{row}`");
}

/// The fold of a hash that is quick where nothing is optimised: states are small, and nobody makes them collide.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        // The last factors reach the low bits too.
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
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
