//! Every order of events around the end of an object: an operator that reads everything anew, decides and does one thing,
//! requests whose answer is lost and which are carried out late, processes that die, hand over and come back, a platform
//! and a cluster that others change, people who cancel, edit and delete more than the object.

mod judge;
mod mutant;
mod people;
mod step;
mod worlds;

use super::*;
use crate::plan::explore::{Calm, Lease, World};
use judge::{Clock, Judge};
use mutant::Mutant;
use people::Edit;

/// Ticks in which a request that nobody waits for any more may still be carried out; the request timeout.
const REQUEST: u8 = 2;
/// The UID of the object.
const UID: u8 = 1;

/// The world and how far it goes.
struct Bounds {
    operators: u8,
    crashes: u8,
    losses: u8,
    lapses: u8,
    edits: u8,
    may: &'static [Edit],
    /// Whether another Partner is being ended at the same time.
    has_other: bool,
    /// Whether the second operator's clock is an hour ahead of all others.
    is_clock_wrong: bool,
    /// Whether the platform shows a tenant that was ended as one that is out of service.
    is_documented: bool,
    mutant: Option<Mutant>,
    judge: Judge,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    object: Option<Object>,
    around: Around,
    /// Ticks that the tenant has been suspended without a break, and those that were promised.
    down: u8,
    promised: u8,
    other: Other,
    /// Whether the call that ends the tenant was sent.
    has_called: bool,
    lease: Lease,
    operators: Vec<Operator>,
    adrift: Vec<(Request, u8)>,
    crashes: u8,
    losses: u8,
    lapses: u8,
    edits: u8,
    wrong: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Object {
    uid: u8,
    is_leaving: bool,
    wish: Wish,
}

/// What a release is decided on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Wish {
    policy: Policy,
    /// Ticks.
    grace: u8,
    confirm: Option<Confirm>,
    record: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Policy {
    Retain,
    Suspend,
    Terminate,
}

/// A confirmation and how many ticks it is good for, less one; none once it has expired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Confirm {
    says: Says,
    left: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Says {
    Right,
    /// As right, with another time.
    RightAnew,
    WrongName,
}

/// `status.termination`, with times as ticks from now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct Progress {
    step: u8,
    accepted: Option<Says>,
    accepted_ago: u8,
    by_us: Option<bool>,
    purge_in: Option<u8>,
    has_evidence: bool,
    /// Whether it says that the platform took the call.
    is_taken: bool,
    cancelled_ago: Option<u8>,
}

/// What the object stands in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Around {
    going: Gone,
    has_child_object: bool,
    has_living_child: bool,
    is_reference_broken: bool,
    life: TenantLife,
    /// UID in the tenant's mark; 0 is somebody else's.
    mark: u8,
    /// The confirmation in the record of what is ended.
    evidence: Option<Says>,
    book: Book,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Gone {
    No,
    Namespace,
    /// The namespace, and the operator may not know.
    Unseen,
    /// Nothing, and the operator may not know.
    Hidden,
}

/// The ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct Book {
    own: bool,
    other: bool,
}

/// Another Partner that is ready to be ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Other {
    Absent,
    Ready,
    /// It has read the ledger and is about to write it; whether it is still as it was read.
    Writing(Book, bool),
    Called,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Operator {
    /// The object that the walk decides on.
    copy: Option<Object>,
    is_current: bool,
    doing: Doing,
    /// Whether the slot for the call is held.
    has_slot: bool,
    has_led: bool,
    /// What its walk knows in this step.
    walk: Walked,
    /// Conditions that have held at some moment since the step began.
    held: u8,
}

/// As `Walk`: of the time at which the step began only what makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Walked {
    has_recorded: bool,
    /// Whether a time of the record has come since the step began.
    is_early: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    /// What has been read so far, and whether the ledger is as it was read.
    Reading(u8, Around, bool),
    /// For the slot of the call that ends the tenant.
    Queueing,
    /// The object once more, before the call that ends the tenant.
    ReadingAgain,
    /// What that read found, on its way back: whether the object is as it was.
    Hearing(bool),
    Sending(Request),
    Waiting(Request),
    /// Until a person does something.
    Held(Reason),
    /// Until a time.
    Waits,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Request {
    Record(Progress, bool),
    Suspend,
    Activate,
    Terminate,
    /// The record that the call was taken, on the object as it is.
    Taken(bool),
    Evidence(Says),
    Ledger(Book, bool),
    Release(Done, bool),
}

/// Why an object is let go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Done {
    TooLate,
    Ended,
    Alive,
    Otherwise,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the contents are for whoever reads a way")]
enum Event {
    Tick,
    Renews(u8),
    Takes(u8),
    Begins(u8),
    Reads(u8, &'static str),
    Decides(u8, Decided),
    GetsSlot(u8),
    ReadsAgain(u8),
    Hears(u8),
    Sends(u8, Request),
    Answered(u8, Request),
    GivesUp(u8, Request),
    Dies(u8),
    HandsOver(u8),
    Ends(u8),
    CarriedOutLate(Request),
    Edit(Edit),
    OtherReads,
    OtherWrites,
    OtherCalls,
}

/// What the real function says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decided {
    Does(Request),
    Terminates,
    Holds(Reason),
    Waits,
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
            next.tick(self.is(Mutant::LateLookBelieved));
            all.push((Event::Tick, next));
        }
        for index in 0..state.adrift.len() {
            let mut next = state.clone();
            let (request, _) = next.adrift.remove(index);
            self.carried_out(&mut next, request);
            all.push((Event::CarriedOutLate(request), next));
        }
        for process in (0..self.operators).filter(|_| self.operators > 1) {
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
            next.operators[usize::from(process)].doing = Doing::Nothing;
            all.push((Event::GivesUp(process, request), next));
        }
        if !operator.has_led {
            return;
        }
        if state.crashes > 0 {
            let mut next = state.clone();
            next.crashes -= 1;
            next.end(process);
            if self.is(Mutant::BreakerForgottenOnRestart) {
                next.around.book = Book::default();
            }
            all.push((Event::Dies(process), next.clone()));
            if state.lease.is_of(process) && self.operators > 1 {
                next.lease = Lease::Free;
                all.push((Event::HandsOver(process), next));
            }
        }
        if !state.lease.is_of(process) {
            let mut next = state.clone();
            next.end(process);
            all.push((Event::Ends(process), next));
        }
    }
}

impl World for Bounds {
    type State = State;
    type Event = Event;

    fn start(&self) -> State {
        let mut operators = vec![Operator::default(); usize::from(self.operators)];
        operators[0].has_led = true;
        State {
            object: Some(Object {
                uid: UID,
                is_leaving: true,
                wish: Wish {
                    policy: Policy::Terminate,
                    grace: 1,
                    confirm: Some(Confirm { says: Says::Right, left: Some(1) }),
                    record: Progress::default(),
                },
            }),
            around: Around {
                going: Gone::No,
                has_child_object: false,
                has_living_child: false,
                is_reference_broken: false,
                life: TenantLife::Active,
                mark: UID,
                evidence: None,
                book: Book::default(),
            },
            down: 0,
            promised: 0,
            other: if self.has_other { Other::Ready } else { Other::Absent },
            has_called: false,
            lease: Lease::Held(0, 0),
            operators,
            adrift: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            lapses: self.lapses,
            edits: self.edits,
            wrong: None,
        }
    }

    fn next(&self, state: &State, all: &mut Vec<(Event, State)>) {
        if state.object.is_none() && state.adrift.is_empty() && state.operators.iter().all(Operator::is_harmless) {
            return;
        }
        let from = all.len();
        for process in 0..self.operators {
            self.step(state, process, all);
            self.faults(state, process, all);
        }
        self.passing(state, all);
        self.edits(state, all);
        self.other(state, all);
        for (_, next) in &mut all[from..] {
            next.remember();
        }
    }

    fn wrong(&self, state: &State) -> Option<&'static str> {
        let both = state.has_called && state.other == Other::Called;
        state.wrong.or_else(|| both.then_some(BOTH))
    }

    /// The leader works; while it waits for a time, or something is adrift, time passes.
    fn calm(&self, state: &State) -> Option<Calm<State>> {
        if self.mutant.is_some() {
            return None;
        }
        let mut all = Vec::new();
        let has_lost = |process: &u8| state.operators[usize::from(*process)].has_led && !state.lease.is_of(*process);
        if let Some(loser) = (0..self.operators).find(has_lost) {
            let mut next = state.clone();
            next.end(loser);
            return Some(Calm::Goes(next));
        }
        if state.object.as_ref().is_none_or(|object| !object.is_leaving) {
            return Some(Calm::Ends);
        }
        let leader = (0..self.operators).find(|process| state.lease.is_of(*process));
        let doing = leader.map(|leader| state.operators[usize::from(leader)].doing);
        match (leader, doing) {
            (Some(_), Some(Doing::Held(_))) => return Some(Calm::Ends),
            (Some(leader), Some(doing)) if doing != Doing::Waits => self.step(state, leader, &mut all),
            _ => self.passing(state, &mut all),
        }
        let order = |event: &Event| match event {
            Event::Takes(_) => 0,
            Event::Renews(_) if !matches!(state.lease, Lease::Held(_, 0)) => 1,
            Event::CarriedOutLate(_) => 3,
            _ => 2,
        };
        all.into_iter().min_by_key(|(event, _)| order(event)).map(|(_, mut next)| {
            next.remember();
            Calm::Goes(next)
        })
    }
}

const BOTH: &str = "two Partners were ended although one an hour is the limit";
