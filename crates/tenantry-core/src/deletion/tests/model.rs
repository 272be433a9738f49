//! Every order of events around the deletion of an object. An operator reads everything again, decides and does one
//! thing. Requests lose their answers and are executed late. Processes crash, hand over and restart. Others change the
//! platform and the cluster. Users cancel, edit, and delete containers of the object.

mod environment;
mod mutant;
mod operator_steps;
mod oracle;
mod scenarios;

use super::*;
use crate::explorer::{LeaseModel, Settling, StateSpace};
use environment::DeletionEdit;
use mutant::DeletionMutant;
use oracle::{DeletionOracle, ModelClock};

/// Ticks during which an abandoned request may still be executed; the request timeout.
const REQUEST_TICKS: u8 = 2;
/// UID of the object.
const UID: u8 = 1;

/// The model and its bounds.
struct DeletionModel {
    operators: u8,
    crashes: u8,
    losses: u8,
    lapses: u8,
    edits: u8,
    allowed_edits: &'static [DeletionEdit],
    /// Whether another Partner is being terminated at the same time.
    has_other: bool,
    /// Whether the second operator's clock is one hour ahead of all others.
    is_clock_wrong: bool,
    /// Whether the platform shows a terminated tenant as inactive, as the documented API does.
    is_documented: bool,
    mutant: Option<DeletionMutant>,
    oracle: DeletionOracle,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct DeletionState {
    object: Option<DeletingObject>,
    context: ModelContext,
    /// Ticks that the tenant has been suspended without interruption, and the number that was promised.
    down: u8,
    promised: u8,
    other: OtherPartner,
    /// Whether the terminate call was sent.
    has_called: bool,
    lease: LeaseModel,
    operators: Vec<DeletionOperator>,
    detached: Vec<(DeletionCall, u8)>,
    crashes: u8,
    losses: u8,
    lapses: u8,
    edits: u8,
    violation: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct DeletingObject {
    uid: u8,
    is_leaving: bool,
    spec: DeletionSpec,
}

/// The fields of the object that a release depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct DeletionSpec {
    policy: ModelPolicy,
    /// In ticks.
    grace: u8,
    confirm: Option<ModelConfirmation>,
    record: ModelProgress,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum ModelPolicy {
    Retain,
    Suspend,
    Terminate,
}

/// A confirmation, and the ticks that it is still valid, less one; `None` once it has expired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct ModelConfirmation {
    says: ConfirmationText,
    left: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum ConfirmationText {
    Right,
    /// Like `Right`, with another time.
    RightAnew,
    WrongName,
}

/// `status.termination`, with times in ticks from now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct ModelProgress {
    step: u8,
    accepted: Option<ConfirmationText>,
    accepted_ago: u8,
    by_us: Option<bool>,
    purge_in: Option<u8>,
    has_evidence: bool,
    /// Whether it records that the platform accepted the call.
    is_taken: bool,
    cancelled_ago: Option<u8>,
}

/// Context of the object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ModelContext {
    container: ContainerState,
    has_child_object: bool,
    has_living_child: bool,
    is_reference_broken: bool,
    life: LifecycleState,
    /// UID in the tenant's mark; 0 is another owner's.
    mark: u8,
    /// Confirmation in the evidence.
    evidence: Option<ConfirmationText>,
    ledger: ModelLedger,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ContainerState {
    No,
    Namespace,
    /// The namespace is deleted, and the operator may not read it.
    Unseen,
    /// Nothing is deleted, and the operator may not read it.
    Hidden,
}

/// Entries of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct ModelLedger {
    own: bool,
    other: bool,
}

/// Another Partner that is ready to be terminated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum OtherPartner {
    Absent,
    Ready,
    /// It has read the ledger and is about to write it; whether the ledger is unchanged since the read.
    Writing(ModelLedger, bool),
    Called,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct DeletionOperator {
    /// The object that the pass decides on.
    copy: Option<DeletingObject>,
    is_current: bool,
    activity: DeletionActivity,
    /// Whether the operator holds the slot for the call.
    has_slot: bool,
    has_led: bool,
    /// State of its pass in this step.
    pass: ModelPass,
    /// Conditions that were true at some moment since the step began.
    conditions_held: u8,
}

/// Like `DeletionPass`; of the start of the step it keeps only what makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct ModelPass {
    has_recorded: bool,
    /// Whether a time in the record has passed since the step began.
    is_early: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum DeletionActivity {
    #[default]
    Idle,
    /// What the pass has read, and whether the ledger is unchanged since it was read.
    Reading(u8, ModelContext, bool),
    /// Waits for the slot of the terminate call.
    WaitingForSlot,
    /// Reads the object again before the terminate call.
    ReadingAgain,
    /// Receives the result of that read: whether the object is unchanged.
    ReceivingReread(bool),
    Sending(DeletionCall),
    Waiting(DeletionCall),
    /// Waits for an action of a user.
    Held(Reason),
    /// Waits for a time.
    WaitingForTime,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum DeletionCall {
    Record(ModelProgress, bool),
    Suspend,
    Activate,
    Terminate,
    /// The record that the call was accepted, written to the object as it is now.
    Taken(bool),
    Evidence(ConfirmationText),
    Ledger(ModelLedger, bool),
    Release(ReleaseClaim, bool),
}

/// Why the finalizer is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum ReleaseClaim {
    TooLate,
    Ended,
    Alive,
    Otherwise,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the contents are for whoever reads a way")]
enum DeletionEvent {
    Tick,
    Renews(u8),
    Takes(u8),
    Begins(u8),
    Reads(u8, &'static str),
    Decides(u8, ModelDecision),
    GetsSlot(u8),
    ReadsAgain(u8),
    ReceivesReread(u8),
    Sends(u8, DeletionCall),
    Answered(u8, DeletionCall),
    GivesUp(u8, DeletionCall),
    Crashes(u8),
    HandsOver(u8),
    Ends(u8),
    CarriedOutLate(DeletionCall),
    Edit(DeletionEdit),
    OtherReads,
    OtherWrites,
    OtherCalls,
}

/// Decision of the real function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ModelDecision {
    Does(DeletionCall),
    Terminates,
    Holds(Reason),
    Waits,
}

impl DeletionModel {
    fn has_mutant(&self, mutant: DeletionMutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn add_time_events(&self, state: &DeletionState, all: &mut Vec<(DeletionEvent, DeletionState)>) {
        let lapses = self.operators > 1 && state.lease.is_about_to_lapse();
        if !lapses || state.lapses > 0 {
            let mut next = state.clone();
            next.lapses -= u8::from(lapses);
            next.tick(self.has_mutant(DeletionMutant::LateLookBelieved));
            all.push((DeletionEvent::Tick, next));
        }
        for index in 0..state.detached.len() {
            let mut next = state.clone();
            let (request, _) = next.detached.remove(index);
            self.execute_call(&mut next, request);
            all.push((DeletionEvent::CarriedOutLate(request), next));
        }
        for process in (0..self.operators).filter(|_| self.operators > 1) {
            let mut next = state.clone();
            if state.lease.is_held_by(process) {
                next.lease = LeaseModel::Held(process, 0);
                all.push((DeletionEvent::Renews(process), next));
            } else if !state.operators[usize::from(process)].has_led && state.lease.can_be_taken() {
                next.lease = LeaseModel::Held(process, 0);
                next.operators[usize::from(process)].has_led = true;
                all.push((DeletionEvent::Takes(process), next));
            }
        }
    }

    fn add_fault_events(&self, state: &DeletionState, process: u8, all: &mut Vec<(DeletionEvent, DeletionState)>) {
        let operator = &state.operators[usize::from(process)];
        if let (DeletionActivity::Waiting(request), true) = (operator.activity, state.losses > 0) {
            let mut next = state.clone();
            next.losses -= 1;
            next.detach_request(process);
            next.operators[usize::from(process)].activity = DeletionActivity::Idle;
            all.push((DeletionEvent::GivesUp(process, request), next));
        }
        if !operator.has_led {
            return;
        }
        if state.crashes > 0 {
            let mut next = state.clone();
            next.crashes -= 1;
            next.stop_process(process);
            if self.has_mutant(DeletionMutant::BreakerForgottenOnRestart) {
                next.context.ledger = ModelLedger::default();
            }
            all.push((DeletionEvent::Crashes(process), next.clone()));
            if state.lease.is_held_by(process) && self.operators > 1 {
                next.lease = LeaseModel::Free;
                all.push((DeletionEvent::HandsOver(process), next));
            }
        }
        if !state.lease.is_held_by(process) {
            let mut next = state.clone();
            next.stop_process(process);
            all.push((DeletionEvent::Ends(process), next));
        }
    }
}

impl StateSpace for DeletionModel {
    type State = DeletionState;
    type Event = DeletionEvent;

    fn initial_state(&self) -> DeletionState {
        let mut operators = vec![DeletionOperator::default(); usize::from(self.operators)];
        operators[0].has_led = true;
        DeletionState {
            object: Some(DeletingObject {
                uid: UID,
                is_leaving: true,
                spec: DeletionSpec {
                    policy: ModelPolicy::Terminate,
                    grace: 1,
                    confirm: Some(ModelConfirmation { says: ConfirmationText::Right, left: Some(1) }),
                    record: ModelProgress::default(),
                },
            }),
            context: ModelContext {
                container: ContainerState::No,
                has_child_object: false,
                has_living_child: false,
                is_reference_broken: false,
                life: LifecycleState::Active,
                mark: UID,
                evidence: None,
                ledger: ModelLedger::default(),
            },
            down: 0,
            promised: 0,
            other: if self.has_other { OtherPartner::Ready } else { OtherPartner::Absent },
            has_called: false,
            lease: LeaseModel::Held(0, 0),
            operators,
            detached: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            lapses: self.lapses,
            edits: self.edits,
            violation: None,
        }
    }

    fn add_successors(&self, state: &DeletionState, all: &mut Vec<(DeletionEvent, DeletionState)>) {
        if state.object.is_none()
            && state.detached.is_empty()
            && state.operators.iter().all(DeletionOperator::is_harmless)
        {
            return;
        }
        let from = all.len();
        for process in 0..self.operators {
            self.add_process_steps(state, process, all);
            self.add_fault_events(state, process, all);
        }
        self.add_time_events(state, all);
        self.add_edit_events(state, all);
        self.add_other_partner_events(state, all);
        for (_, next) in &mut all[from..] {
            next.record_conditions();
        }
    }

    fn find_violation(&self, state: &DeletionState) -> Option<&'static str> {
        let both = state.has_called && state.other == OtherPartner::Called;
        state.violation.or_else(|| both.then_some(TWO_PARTNERS_ENDED))
    }

    /// Lets the leader work. While the leader waits for a time, or a request is pending, time passes.
    fn next_settling_state(&self, state: &DeletionState) -> Option<Settling<DeletionState>> {
        if self.mutant.is_some() {
            return None;
        }
        let mut all = Vec::new();
        let has_lost =
            |process: &u8| state.operators[usize::from(*process)].has_led && !state.lease.is_held_by(*process);
        if let Some(loser) = (0..self.operators).find(has_lost) {
            let mut next = state.clone();
            next.stop_process(loser);
            return Some(Settling::Continues(next));
        }
        if state.object.as_ref().is_none_or(|object| !object.is_leaving) {
            return Some(Settling::Settled);
        }
        let leader = (0..self.operators).find(|process| state.lease.is_held_by(*process));
        let doing = leader.map(|leader| state.operators[usize::from(leader)].activity);
        match (leader, doing) {
            (Some(_), Some(DeletionActivity::Held(_))) => return Some(Settling::Settled),
            (Some(leader), Some(doing)) if doing != DeletionActivity::WaitingForTime => {
                self.add_process_steps(state, leader, &mut all);
            }
            _ => self.add_time_events(state, &mut all),
        }
        let order = |event: &DeletionEvent| match event {
            DeletionEvent::Takes(_) => 0,
            DeletionEvent::Renews(_) if !matches!(state.lease, LeaseModel::Held(_, 0)) => 1,
            DeletionEvent::CarriedOutLate(_) => 3,
            _ => 2,
        };
        all.into_iter().min_by_key(|(event, _)| order(event)).map(|(_, mut next)| {
            next.record_conditions();
            Settling::Continues(next)
        })
    }
}

const TWO_PARTNERS_ENDED: &str = "two Partners were terminated although one an hour is the limit";
