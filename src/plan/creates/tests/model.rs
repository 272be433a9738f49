//! Every order of events around a create: operators that look, declare, create and record, requests whose answer is lost
//! and which are carried out late, processes that die, hand over and come back, caches that lag, people who edit.

mod found;
mod pass;
mod worlds;

use super::*;
use crate::plan::explore::{Calm, Lease, World};
use found::{Found, Judge};

/// Each process's clock shows this all the time: what it remembers moves instead, so that states are alike.
const NOW: Duration = Duration::from_secs(1000);
const LONG_AGO: Duration = Duration::from_secs(998);
const TICK: Duration = Duration::from_secs(1);
/// Ticks in which a request that nobody waits for any more may still be carried out.
const REQUEST: u8 = 2;
const TWO: &str = "an object has two tenants";
const NO_CLAIM: &str = "a change was sent without the claim";
const LOST: &str = "an object was let go although its tenant lives or may still be made";

/// What the platform keeps to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Platform {
    /// Names and marks are unique, and lists show marks.
    Whole,
    /// None of it.
    Documented,
}

/// What a person may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Edit {
    Renames,
    Deletes,
    Recreates,
    /// `kubectl replace` with a manifest that has neither finalizer nor annotation.
    Replaces,
}

/// A defect of the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mutant {
    NoLookBeforeCreate,
    NoWaitForOwnCreate,
    NoWaitForCreateOfAnother,
    IntentNotGuarded,
    ClaimIgnored,
    SentNameForgotten,
    ReleasedWithoutWaiting,
    PassGivenUpUnnoted,
    WaitJudgedAfterTheLook,
    WaitEndedByNewIntent,
    IntentOfAnotherName,
}

/// The world and how far it goes.
struct Bounds {
    operators: u8,
    platform: Platform,
    /// Processes that die or hand over, answers that are lost, edits.
    crashes: u8,
    losses: u8,
    edits: u8,
    may: &'static [Edit],
    mutant: Option<Mutant>,
    judge: Judge,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    object: Option<Object>,
    /// Number of objects there were.
    objects: u8,
    tenants: Vec<Tenant>,
    lease: Lease,
    operators: Vec<Operator>,
    /// Requests that nobody waits for, and for how long they may still be carried out.
    adrift: Vec<(Request, u8)>,
    crashes: u8,
    losses: u8,
    edits: u8,
    /// Claims that may still lapse.
    lapses: u8,
    wrong: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Object {
    uid: u8,
    name: u8,
    /// Nonce and name; with it stands our finalizer.
    intent: Option<(u8, u8)>,
    id: Option<u8>,
    is_leaving: bool,
}

/// Its number is its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Tenant {
    uid: u8,
    name: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Operator {
    /// The newer of what the watch brought and what it wrote.
    known: Option<Object>,
    is_current: bool,
    creates: Creates,
    doing: Doing,
    is_refused: bool,
    /// Whoever has led and does so no more is on its way out.
    has_led: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    /// Whether it looks once more, and whether a create was under way when an end began.
    Looking(bool, bool),
    /// So many ticks ago.
    Looked(Found, bool, bool, u8),
    Sending(Request),
    Waiting(Request),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Request {
    /// UID, nonce and name; whether the object is as it was read, and whether a look was before.
    Intent {
        uid: u8,
        nonce: u8,
        name: u8,
        is_current: bool,
        is_anew: bool,
    },
    Create {
        uid: u8,
        name: u8,
    },
    Status {
        uid: u8,
        id: u8,
    },
    Release {
        uid: u8,
        is_current: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the contents are for whoever reads a way")]
enum Event {
    Tick,
    Renews(u8),
    Takes(u8),
    WatchBrings(u8),
    Begins(u8),
    Looks(u8),
    Decides(u8, Found),
    Sends(u8, Request),
    Answered(u8, Request),
    /// The process notes that a request has failed or taken too long.
    GivesUp(u8, Request),
    /// The whole pass is given up.
    PassGivenUp(u8, Request),
    Dies(u8),
    HandsOver(u8),
    /// It has lost the lease and ends.
    Ends(u8),
    CarriedOutLate(Request),
    Person(Edit),
}

impl Bounds {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn passing(&self, state: &State, all: &mut Vec<(Event, State)>) {
        let lapses = self.operators > 1 && state.lease.lapses_next();
        if !lapses || state.lapses > 0 {
            let mut next = state.clone();
            next.lapses -= u8::from(lapses);
            next.tick(self.operators > 1);
            all.push((Event::Tick, next));
        }
        for index in 0..state.adrift.len() {
            let mut next = state.clone();
            let (request, _) = next.adrift.remove(index);
            self.carried_out(&mut next, request);
            all.push((Event::CarriedOutLate(request), next));
        }
        if self.operators == 1 {
            return;
        }
        for process in 0..self.operators {
            let mut next = state.clone();
            if state.lease.is_of(process) {
                next.lease = Lease::Held(process, 0);
                all.push((Event::Renews(process), next));
            } else if !state.operators[usize::from(process)].has_led && state.lease.may_be_taken() {
                next.lease = Lease::Held(process, 0);
                next.operators[usize::from(process)].has_led = true;
                all.push((Event::Takes(process), next));
            }
        }
    }

    fn faults(&self, state: &State, process: u8, all: &mut Vec<(Event, State)>) {
        let operator = &state.operators[usize::from(process)];
        if let (Doing::Waiting(request), true) = (operator.doing, state.losses > 0) {
            let mut next = state.clone();
            next.losses -= 1;
            next.adrift(process);
            let operator = &mut next.operators[usize::from(process)];
            operator.doing = Doing::Nothing;
            if matches!(request, Request::Create { .. }) && !self.is(Mutant::NoWaitForOwnCreate) {
                operator.creates.given_up(NOW, TICK * u32::from(REQUEST));
            }
            all.push((Event::GivesUp(process, request), next));
            let mut next = state.clone();
            next.losses -= 1;
            next.adrift(process);
            let operator = &mut next.operators[usize::from(process)];
            operator.doing = Doing::Nothing;
            if matches!(request, Request::Create { .. }) && !self.is(Mutant::PassGivenUpUnnoted) {
                operator.creates.given_up(NOW, TICK * u32::from(REQUEST));
            }
            all.push((Event::PassGivenUp(process, request), next));
        }
        if operator.has_led && state.crashes > 0 {
            let mut next = state.clone();
            next.crashes -= 1;
            next.end(process);
            all.push((Event::Dies(process), next.clone()));
            if state.lease.is_of(process) && self.operators > 1 {
                next.lease = Lease::Free;
                all.push((Event::HandsOver(process), next));
            }
        }
        if operator.has_led && !state.lease.is_of(process) {
            let mut next = state.clone();
            next.end(process);
            all.push((Event::Ends(process), next));
        }
    }

    fn edits(&self, state: &State, all: &mut Vec<(Event, State)>) {
        if state.edits == 0 {
            return;
        }
        for edit in self.may {
            let mut next = state.clone();
            next.edits -= 1;
            match (edit, &mut next.object) {
                (Edit::Renames, Some(object)) => object.name ^= 1,
                (Edit::Deletes, Some(object)) if object.intent.is_some() => object.is_leaving = true,
                (Edit::Deletes, object @ Some(_)) => *object = None,
                (Edit::Recreates, object @ None) => {
                    next.objects += 1;
                    *object = Some(Object::new(next.objects));
                }
                (Edit::Replaces, Some(object)) if object.intent.is_some() && !object.is_leaving => object.intent = None,
                (Edit::Renames | Edit::Deletes | Edit::Replaces, _) | (Edit::Recreates, Some(_)) => continue,
            }
            next.changed();
            all.push((Event::Person(*edit), next));
        }
    }
}

impl World for Bounds {
    type State = State;
    type Event = Event;

    fn start(&self) -> State {
        let mut operators = vec![Operator::default(); usize::from(self.operators)];
        // Which of the two is the first makes no difference.
        operators[0].has_led = true;
        State {
            object: Some(Object::new(0)),
            objects: 0,
            tenants: Vec::new(),
            lease: Lease::Held(0, 0),
            operators,
            adrift: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            edits: self.edits,
            lapses: 2,
            wrong: None,
        }
    }

    fn next(&self, state: &State, all: &mut Vec<(Event, State)>) {
        for process in 0..self.operators {
            self.step(state, process, all);
            self.faults(state, process, all);
        }
        self.passing(state, all);
        self.edits(state, all);
    }

    fn wrong(&self, state: &State) -> Option<&'static str> {
        let twice = |uid: u8| state.tenants.iter().filter(|tenant| tenant.uid == uid).count() > 1;
        state.wrong.or_else(|| (0..=state.objects).any(twice).then_some(TWO))
    }

    /// The leader works; when it has nothing to do, time passes until nothing is adrift and nobody waits any more.
    fn calm(&self, state: &State) -> Option<Calm<State>> {
        let mut all = Vec::new();
        let has_lost = |process: &u8| state.operators[usize::from(*process)].has_led && !state.lease.is_of(*process);
        if let Some(loser) = (0..self.operators).find(has_lost) {
            let mut next = state.clone();
            next.end(loser);
            return Some(Calm::Goes(next));
        }
        let leader = (0..self.operators).find(|process| state.lease.is_of(*process));
        let leading = leader.map(|leader| &state.operators[usize::from(leader)]);
        let is_busy = leading.is_some_and(|operator| operator.doing != Doing::Nothing);
        if let Some(leader) = leader.filter(|_| is_busy) {
            self.step(state, leader, &mut all);
            return all.into_iter().next().map(|(_, next)| Calm::Goes(next));
        }
        let waits = leading.is_some_and(|operator| operator.creates.is_under_way(NOW)) || !state.adrift.is_empty();
        if let Some(leader) = leader.filter(|_| !waits) {
            let operator = &state.operators[usize::from(leader)];
            match &state.object {
                Some(object) if operator.is_current && (object.id.is_some() || operator.is_refused) => {
                    return Some(Calm::Ends);
                }
                None => return Some(Calm::Ends),
                Some(_) => self.step(state, leader, &mut all),
            }
            return all.into_iter().next().map(|(_, next)| Calm::Goes(next));
        }
        self.passing(state, &mut all);
        let order = |event: &Event| match event {
            Event::Takes(_) => 0,
            Event::Renews(_) if !matches!(state.lease, Lease::Held(_, 0)) => 1,
            Event::Tick => 2,
            _ => 3,
        };
        all.into_iter().min_by_key(|(event, _)| order(event)).map(|(_, next)| Calm::Goes(next))
    }
}

impl Object {
    fn new(uid: u8) -> Self {
        Self { uid, name: 0, intent: None, id: None, is_leaving: false }
    }
}

impl State {
    fn tick(&mut self, is_shared: bool) {
        self.adrift.retain_mut(|(_, left)| {
            *left -= 1;
            *left > 0
        });
        if let Some(by) = is_shared.then(|| self.lease.tick()).flatten() {
            // Whoever still waits for an answer is told that it leads no more.
            self.adrift(by);
            let doing = &mut self.operators[usize::from(by)].doing;
            if matches!(doing, Doing::Waiting(_)) {
                *doing = Doing::Nothing;
            }
        }
        for operator in &mut self.operators {
            operator.creates.until = operator.creates.until.map(|until| until.saturating_sub(TICK).max(LONG_AGO));
            match &mut operator.doing {
                // The answer takes too long.
                Doing::Looked(_, _, _, REQUEST) => operator.doing = Doing::Nothing,
                Doing::Looked(_, _, _, ago) => *ago += 1,
                Doing::Nothing | Doing::Looking(..) | Doing::Sending(_) | Doing::Waiting(_) => {}
            }
        }
    }

    /// The object has changed: nothing that was read or guarded by its version before holds any more.
    fn changed(&mut self) {
        let waiting = self.operators.iter_mut().filter_map(|operator| {
            operator.is_current = false;
            match &mut operator.doing {
                Doing::Sending(request) | Doing::Waiting(request) => Some(request),
                Doing::Nothing | Doing::Looking(..) | Doing::Looked(..) => None,
            }
        });
        for request in waiting.chain(self.adrift.iter_mut().map(|(request, _)| request)) {
            if let Request::Intent { is_current, .. } | Request::Release { is_current, .. } = request {
                *is_current = false;
            }
        }
    }

    /// Nobody waits for the answer any more.
    fn adrift(&mut self, process: u8) {
        if let Doing::Waiting(request) = self.operators[usize::from(process)].doing {
            self.adrift.push((request, REQUEST));
            self.adrift.sort_unstable();
        }
    }

    fn end(&mut self, process: u8) {
        self.adrift(process);
        let is_alone = self.operators.len() == 1;
        self.operators[usize::from(process)] = Operator { has_led: is_alone, ..Operator::default() };
        if !is_alone {
            self.lease.left_by(process);
        }
    }
}
