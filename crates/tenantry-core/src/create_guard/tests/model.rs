//! Every order of events around a create. Operators search for the tenant, write an intent, create and record. Requests
//! lose their answers and are executed late. Processes crash, hand over and restart. Caches lag, and users edit.

mod identification;
mod pass;
mod scenarios;

use super::*;
use crate::explorer::{LeaseModel, Settling, StateSpace};
use identification::{IdentityOracle, ModelIdentity};

/// The clock of each process always shows this time. What the process remembers moves instead, so that equivalent
/// states are equal.
const NOW: Duration = Duration::from_secs(1000);
const LONG_AGO: Duration = Duration::from_secs(998);
const TICK: Duration = Duration::from_secs(1);
/// Ticks during which an abandoned request may still be executed.
const REQUEST_TICKS: u8 = 2;
const TWO_TENANTS: &str = "an object has two tenants";
const WRITE_WITHOUT_CLAIM: &str = "a change was sent without the lease";
const TENANT_LOST: &str = "an object was released although its tenant exists or may still be created";

/// Guarantees of the platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PlatformModel {
    /// Names and marks are unique, and lists show marks.
    Extended,
    /// No guarantees.
    Documented,
}

/// What a user may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CreateEdit {
    Renames,
    Deletes,
    Recreates,
    /// `kubectl replace` with a manifest that has neither the finalizer nor the annotation.
    Replaces,
}

/// A defect of the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CreateMutant {
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

/// The model and its bounds.
struct CreateModel {
    operators: u8,
    platform: PlatformModel,
    /// Maximum numbers of crashes or hand-overs, lost answers and edits.
    crashes: u8,
    losses: u8,
    edits: u8,
    allowed_edits: &'static [CreateEdit],
    mutant: Option<CreateMutant>,
    oracle: IdentityOracle,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct CreateState {
    object: Option<ModelObject>,
    /// Number of objects that existed.
    objects: u8,
    tenants: Vec<ModelTenant>,
    lease: LeaseModel,
    operators: Vec<CreateOperator>,
    /// Abandoned requests, and how long they may still be executed.
    detached: Vec<(CreateCall, u8)>,
    crashes: u8,
    losses: u8,
    edits: u8,
    /// Number of claims that may still expire.
    lapses: u8,
    violation: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ModelObject {
    uid: u8,
    name: u8,
    /// Nonce and name. The finalizer is present together with the intent.
    intent: Option<(u8, u8)>,
    id: Option<u8>,
    is_leaving: bool,
}

/// Its number is its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ModelTenant {
    uid: u8,
    name: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct CreateOperator {
    /// The newer of what the watch delivered and what the process wrote.
    known: Option<ModelObject>,
    is_current: bool,
    creates: CreateGuard,
    activity: CreateActivity,
    is_refused: bool,
    /// A process that has lost leadership exits.
    has_led: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum CreateActivity {
    #[default]
    Idle,
    /// Whether this is a second lookup, and whether a create was in flight when the deletion began.
    Looking(bool, bool),
    /// With the number of ticks since the lookup.
    Looked(ModelIdentity, bool, bool, u8),
    Sending(CreateCall),
    Waiting(CreateCall),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum CreateCall {
    /// UID, nonce and name; whether the object is unchanged since it was read, and whether a lookup preceded.
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
enum CreateEvent {
    Tick,
    Renews(u8),
    Takes(u8),
    WatchBrings(u8),
    Begins(u8),
    Looks(u8),
    Decides(u8, ModelIdentity),
    Sends(u8, CreateCall),
    Answered(u8, CreateCall),
    /// The process records that a request has failed or timed out.
    GivesUp(u8, CreateCall),
    /// The complete pass is abandoned.
    PassGivenUp(u8, CreateCall),
    Crashes(u8),
    HandsOver(u8),
    /// The process has lost the lease and exits.
    Ends(u8),
    CarriedOutLate(CreateCall),
    Person(CreateEdit),
}

impl CreateModel {
    fn has_mutant(&self, mutant: CreateMutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn add_time_events(&self, state: &CreateState, all: &mut Vec<(CreateEvent, CreateState)>) {
        let lapses = self.operators > 1 && state.lease.is_about_to_lapse();
        if !lapses || state.lapses > 0 {
            let mut next = state.clone();
            next.lapses -= u8::from(lapses);
            next.tick(self.operators > 1);
            all.push((CreateEvent::Tick, next));
        }
        for index in 0..state.detached.len() {
            let mut next = state.clone();
            let (request, _) = next.detached.remove(index);
            self.execute_call(&mut next, request);
            all.push((CreateEvent::CarriedOutLate(request), next));
        }
        if self.operators == 1 {
            return;
        }
        for process in 0..self.operators {
            let mut next = state.clone();
            if state.lease.is_held_by(process) {
                next.lease = LeaseModel::Held(process, 0);
                all.push((CreateEvent::Renews(process), next));
            } else if !state.operators[usize::from(process)].has_led && state.lease.can_be_taken() {
                next.lease = LeaseModel::Held(process, 0);
                next.operators[usize::from(process)].has_led = true;
                all.push((CreateEvent::Takes(process), next));
            }
        }
    }

    fn add_fault_events(&self, state: &CreateState, process: u8, all: &mut Vec<(CreateEvent, CreateState)>) {
        let operator = &state.operators[usize::from(process)];
        if let (CreateActivity::Waiting(request), true) = (operator.activity, state.losses > 0) {
            let mut next = state.clone();
            next.losses -= 1;
            next.detach_request(process);
            let operator = &mut next.operators[usize::from(process)];
            operator.activity = CreateActivity::Idle;
            if matches!(request, CreateCall::Create { .. }) && !self.has_mutant(CreateMutant::NoWaitForOwnCreate) {
                operator.creates.record_unanswered_create(NOW, TICK * u32::from(REQUEST_TICKS));
            }
            all.push((CreateEvent::GivesUp(process, request), next));
            let mut next = state.clone();
            next.losses -= 1;
            next.detach_request(process);
            let operator = &mut next.operators[usize::from(process)];
            operator.activity = CreateActivity::Idle;
            if matches!(request, CreateCall::Create { .. }) && !self.has_mutant(CreateMutant::PassGivenUpUnnoted) {
                operator.creates.record_unanswered_create(NOW, TICK * u32::from(REQUEST_TICKS));
            }
            all.push((CreateEvent::PassGivenUp(process, request), next));
        }
        if operator.has_led && state.crashes > 0 {
            let mut next = state.clone();
            next.crashes -= 1;
            next.stop_process(process);
            all.push((CreateEvent::Crashes(process), next.clone()));
            if state.lease.is_held_by(process) && self.operators > 1 {
                next.lease = LeaseModel::Free;
                all.push((CreateEvent::HandsOver(process), next));
            }
        }
        if operator.has_led && !state.lease.is_held_by(process) {
            let mut next = state.clone();
            next.stop_process(process);
            all.push((CreateEvent::Ends(process), next));
        }
    }

    fn add_edit_events(&self, state: &CreateState, all: &mut Vec<(CreateEvent, CreateState)>) {
        if state.edits == 0 {
            return;
        }
        for edit in self.allowed_edits {
            let mut next = state.clone();
            next.edits -= 1;
            match (edit, &mut next.object) {
                (CreateEdit::Renames, Some(object)) => object.name ^= 1,
                (CreateEdit::Deletes, Some(object)) if object.intent.is_some() => object.is_leaving = true,
                (CreateEdit::Deletes, object @ Some(_)) => *object = None,
                (CreateEdit::Recreates, object @ None) => {
                    next.objects += 1;
                    *object = Some(ModelObject::new(next.objects));
                }
                (CreateEdit::Replaces, Some(object)) if object.intent.is_some() && !object.is_leaving => {
                    object.intent = None;
                }
                (CreateEdit::Renames | CreateEdit::Deletes | CreateEdit::Replaces, _)
                | (CreateEdit::Recreates, Some(_)) => continue,
            }
            next.invalidate_reads();
            all.push((CreateEvent::Person(*edit), next));
        }
    }
}

impl StateSpace for CreateModel {
    type State = CreateState;
    type Event = CreateEvent;

    fn initial_state(&self) -> CreateState {
        let mut operators = vec![CreateOperator::default(); usize::from(self.operators)];
        // The two are equivalent, so the first one leads.
        operators[0].has_led = true;
        CreateState {
            object: Some(ModelObject::new(0)),
            objects: 0,
            tenants: Vec::new(),
            lease: LeaseModel::Held(0, 0),
            operators,
            detached: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            edits: self.edits,
            lapses: 2,
            violation: None,
        }
    }

    fn add_successors(&self, state: &CreateState, all: &mut Vec<(CreateEvent, CreateState)>) {
        for process in 0..self.operators {
            self.add_process_steps(state, process, all);
            self.add_fault_events(state, process, all);
        }
        self.add_time_events(state, all);
        self.add_edit_events(state, all);
    }

    fn find_violation(&self, state: &CreateState) -> Option<&'static str> {
        let twice = |uid: u8| state.tenants.iter().filter(|tenant| tenant.uid == uid).count() > 1;
        state.violation.or_else(|| (0..=state.objects).any(twice).then_some(TWO_TENANTS))
    }

    /// Lets the leader work. When it has nothing to do, time passes until no request is pending and nothing waits.
    fn next_settling_state(&self, state: &CreateState) -> Option<Settling<CreateState>> {
        let mut all = Vec::new();
        let has_lost =
            |process: &u8| state.operators[usize::from(*process)].has_led && !state.lease.is_held_by(*process);
        if let Some(loser) = (0..self.operators).find(has_lost) {
            let mut next = state.clone();
            next.stop_process(loser);
            return Some(Settling::Continues(next));
        }
        let leader = (0..self.operators).find(|process| state.lease.is_held_by(*process));
        let leading = leader.map(|leader| &state.operators[usize::from(leader)]);
        let is_busy = leading.is_some_and(|operator| operator.activity != CreateActivity::Idle);
        if let Some(leader) = leader.filter(|_| is_busy) {
            self.add_process_steps(state, leader, &mut all);
            return all.into_iter().next().map(|(_, next)| Settling::Continues(next));
        }
        let waits =
            leading.is_some_and(|operator| operator.creates.is_create_in_flight(NOW)) || !state.detached.is_empty();
        if let Some(leader) = leader.filter(|_| !waits) {
            let operator = &state.operators[usize::from(leader)];
            match &state.object {
                Some(object) if operator.is_current && (object.id.is_some() || operator.is_refused) => {
                    return Some(Settling::Settled);
                }
                None => return Some(Settling::Settled),
                Some(_) => self.add_process_steps(state, leader, &mut all),
            }
            return all.into_iter().next().map(|(_, next)| Settling::Continues(next));
        }
        self.add_time_events(state, &mut all);
        let order = |event: &CreateEvent| match event {
            CreateEvent::Takes(_) => 0,
            CreateEvent::Renews(_) if !matches!(state.lease, LeaseModel::Held(_, 0)) => 1,
            CreateEvent::Tick => 2,
            _ => 3,
        };
        all.into_iter().min_by_key(|(event, _)| order(event)).map(|(_, next)| Settling::Continues(next))
    }
}

impl ModelObject {
    fn new(uid: u8) -> Self {
        Self { uid, name: 0, intent: None, id: None, is_leaving: false }
    }
}

impl CreateState {
    fn tick(&mut self, is_shared: bool) {
        self.detached.retain_mut(|(_, left)| {
            *left -= 1;
            *left > 0
        });
        if let Some(by) = is_shared.then(|| self.lease.tick()).flatten() {
            // A process that still waits for an answer learns that it no longer leads.
            self.detach_request(by);
            let doing = &mut self.operators[usize::from(by)].activity;
            if matches!(doing, CreateActivity::Waiting(_)) {
                *doing = CreateActivity::Idle;
            }
        }
        for operator in &mut self.operators {
            operator.creates.in_flight_until =
                operator.creates.in_flight_until.map(|until| until.saturating_sub(TICK).max(LONG_AGO));
            match &mut operator.activity {
                // The answer takes too long.
                CreateActivity::Looked(_, _, _, REQUEST_TICKS) => operator.activity = CreateActivity::Idle,
                CreateActivity::Looked(_, _, _, ago) => *ago += 1,
                CreateActivity::Idle
                | CreateActivity::Looking(..)
                | CreateActivity::Sending(_)
                | CreateActivity::Waiting(_) => {}
            }
        }
    }

    /// Marks earlier reads and version checks as outdated, because the object has changed.
    fn invalidate_reads(&mut self) {
        let waiting = self.operators.iter_mut().filter_map(|operator| {
            operator.is_current = false;
            match &mut operator.activity {
                CreateActivity::Sending(request) | CreateActivity::Waiting(request) => Some(request),
                CreateActivity::Idle | CreateActivity::Looking(..) | CreateActivity::Looked(..) => None,
            }
        });
        for request in waiting.chain(self.detached.iter_mut().map(|(request, _)| request)) {
            if let CreateCall::Intent { is_current, .. } | CreateCall::Release { is_current, .. } = request {
                *is_current = false;
            }
        }
    }

    /// Stops waiting for the answer to a request.
    fn detach_request(&mut self, process: u8) {
        if let CreateActivity::Waiting(request) = self.operators[usize::from(process)].activity {
            self.detached.push((request, REQUEST_TICKS));
            self.detached.sort_unstable();
        }
    }

    fn stop_process(&mut self, process: u8) {
        self.detach_request(process);
        let is_alone = self.operators.len() == 1;
        self.operators[usize::from(process)] = CreateOperator { has_led: is_alone, ..CreateOperator::default() };
        if !is_alone {
            self.lease.orphan_if_held_by(process);
        }
    }
}
