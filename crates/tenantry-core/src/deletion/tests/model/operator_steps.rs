//! The deletion pass of an operator, one request per step.

use super::*;

const WRITE_WITHOUT_CLAIM: &str = "a change was sent without the lease";

/// What the pass reads, in order.
const READ_ORDER: [&str; 7] =
    ["namespace", "Client objects", "evidence", "ledger", "Partner and Secret", "tenant", "living clients"];

impl DeletionModel {
    /// Adds everything that a process can do next by itself.
    pub(super) fn add_process_steps(
        &self,
        state: &DeletionState,
        process: u8,
        all: &mut Vec<(DeletionEvent, DeletionState)>,
    ) {
        let operator = &state.operators[usize::from(process)];
        let leads = state.lease.is_held_by(process);
        if !leads && !matches!(operator.activity, DeletionActivity::Sending(_)) {
            // Further reads of this process have no effect.
            return;
        }
        let mut next = state.clone();
        let own = &mut next.operators[usize::from(process)];
        match operator.activity {
            DeletionActivity::Idle | DeletionActivity::WaitingForTime | DeletionActivity::Held(_) => {
                let Some(object) = state.object.as_ref().filter(|object| object.is_leaving) else { return };
                own.copy = Some(object.clone());
                own.is_current = true;
                own.restart_read();
                all.push((DeletionEvent::Begins(process), next));
            }
            DeletionActivity::Reading(at, seen, is_book_current) => {
                let event = self.read_next(&mut next, process, at, seen, is_book_current);
                all.push((event, next));
            }
            DeletionActivity::WaitingForSlot => {
                if self.has_mutant(DeletionMutant::SlotAfterTheLook) {
                    own.conditions_held = 0;
                    own.activity = DeletionActivity::Sending(DeletionCall::Terminate);
                } else {
                    own.read_with_slot();
                }
                all.push((DeletionEvent::GetsSlot(process), next));
            }
            DeletionActivity::ReadingAgain => {
                self.read_again(&mut next, process);
                all.push((DeletionEvent::ReadsAgain(process), next));
            }
            DeletionActivity::ReceivingReread(is_same) => {
                self.receive_reread(&mut next, process, is_same);
                all.push((DeletionEvent::ReceivesReread(process), next));
            }
            DeletionActivity::Sending(request) => {
                let is_sent = leads || self.has_mutant(DeletionMutant::ClaimIgnored);
                own.activity = if is_sent { DeletionActivity::Waiting(request) } else { DeletionActivity::Idle };
                if is_sent {
                    next.violation = if leads { None } else { Some(WRITE_WITHOUT_CLAIM) }.or(match request {
                        DeletionCall::Terminate => operator.missing_condition(),
                        DeletionCall::Suspend => operator.missing_suspension_condition(),
                        _ => None,
                    });
                    let is_taken = state.object.as_ref().is_some_and(|object| object.spec.record.is_taken);
                    if request == DeletionCall::Terminate {
                        next.has_called = true;
                        next.violation =
                            next.violation.or(is_taken.then_some("sent again although the platform had accepted it"));
                    }
                }
                all.push((DeletionEvent::Sends(process, request), next));
            }
            DeletionActivity::Waiting(request) => {
                let is_done = self.execute_call(&mut next, request);
                next.handle_reply(process, request, is_done);
                all.push((DeletionEvent::Answered(process, request), next));
            }
        }
    }

    /// Reads the next item; the decision follows after the last one.
    fn read_next(
        &self,
        state: &mut DeletionState,
        process: u8,
        at: u8,
        mut observed: ModelContext,
        mut is_current: bool,
    ) -> DeletionEvent {
        let around = state.context;
        let operator = &mut state.operators[usize::from(process)];
        let wish = operator.copy.as_ref().map(|copy| copy.spec);
        let policy = wish.map(|wish| wish.policy);
        let accepted = wish.and_then(|wish| wish.record.accepted);
        let is_late = policy == Some(ModelPolicy::Terminate) && wish.is_some_and(|wish| wish.record.purge_in.is_some());
        match at {
            0 => observed.container = self.observed_container(around.container),
            1 => {
                observed.has_child_object =
                    around.has_child_object && !self.has_mutant(DeletionMutant::ChildrenNotCounted);
            }
            2 => observed.evidence = around.evidence,
            3 => {
                observed.ledger = around.ledger;
                is_current = true;
            }
            4 => observed.is_reference_broken = around.is_reference_broken,
            5 => {
                (observed.life, observed.mark) = (around.life, around.mark);
                let is_taken =
                    wish.is_some_and(|wish| wish.record.is_taken) && !self.has_mutant(DeletionMutant::TakenForgotten);
                if self.is_documented && around.life == LifecycleState::Terminated && !is_taken {
                    observed.life = LifecycleState::Suspended;
                }
                if self.has_mutant(DeletionMutant::MarkNotRead) {
                    observed.mark = UID;
                }
            }
            _ => observed.has_living_child = around.has_living_child && !self.has_mutant(DeletionMutant::LivingNotRead),
        }
        let next = match at {
            0 if observed.container == ContainerState::Namespace => None,
            1 if policy == Some(ModelPolicy::Retain) && accepted.is_none() => None,
            1 if !(is_late && accepted.is_some()) => Some(4),
            5 if observed.life == LifecycleState::Terminated || observed.mark != UID => None,
            6 => None,
            at => Some(at + 1),
        };
        if let Some(next) = next {
            operator.activity = DeletionActivity::Reading(next, observed, is_current);
            let event = DeletionEvent::Reads(process, READ_ORDER[usize::from(at)]);
            return if self.can_change_after_read(at) {
                event
            } else {
                self.read_next(state, process, next, observed, is_current)
            };
        }
        let decided = self.decide_with_mutants(process, operator, observed);
        let has_slot = std::mem::take(&mut operator.has_slot);
        if decided == ModelDecision::Terminates {
            if has_slot || self.has_mutant(DeletionMutant::SlotAfterTheLook) {
                operator.reread_object();
            } else {
                operator.activity = DeletionActivity::WaitingForSlot;
            }
            return DeletionEvent::Decides(process, decided);
        }
        let pass = std::mem::take(&mut operator.pass);
        match decided {
            ModelDecision::Terminates => {}
            ModelDecision::Holds(reason) => operator.activity = DeletionActivity::Held(reason),
            // The time that it waits for has passed.
            ModelDecision::Waits if pass.is_early => operator.activity = DeletionActivity::Idle,
            ModelDecision::Waits => operator.activity = DeletionActivity::WaitingForTime,
            // The slot is released, and everything is read again before anything else is done.
            ModelDecision::Does(_) if has_slot => operator.restart_read(),
            ModelDecision::Does(DeletionCall::Ledger(book, _)) => {
                operator.activity = DeletionActivity::Sending(DeletionCall::Ledger(book, is_current));
            }
            ModelDecision::Does(DeletionCall::Record(record, _)) => {
                operator.activity = DeletionActivity::Sending(DeletionCall::Record(record, operator.is_current));
                state.violation = find_unfit_confirmation(operator.copy.as_ref(), record);
            }
            ModelDecision::Does(DeletionCall::Release(done, _)) => {
                operator.activity = DeletionActivity::Sending(DeletionCall::Release(done, operator.is_current));
            }
            ModelDecision::Does(request) => operator.activity = DeletionActivity::Sending(request),
        }
        DeletionEvent::Decides(process, decided)
    }

    /// Returns whether the item that was read can change in this model before the next read, so that the two reads need
    /// separate steps.
    fn can_change_after_read(&self, at: u8) -> bool {
        let may = |edits: &[DeletionEdit]| self.allowed_edits.iter().any(|edit| edits.contains(edit));
        match at {
            0 => may(&[DeletionEdit::DeletesNamespace]),
            1 => may(&[DeletionEdit::DeclaresChild]),
            3 => self.has_other,
            4 => may(&[DeletionEdit::BreaksReference]),
            5 => may(&[DeletionEdit::MakesChild, DeletionEdit::Activates]),
            _ => false,
        }
    }

    fn observed_container(&self, container: ContainerState) -> ContainerState {
        match container {
            _ if self.has_mutant(DeletionMutant::NamespaceNotRead) => ContainerState::No,
            ContainerState::Unseen | ContainerState::Hidden
                if self.has_mutant(DeletionMutant::UnknownTakenForStaying) =>
            {
                ContainerState::No
            }
            going => going,
        }
    }

    /// Returns the real decision, changed by the built-in defect.
    fn decide_with_mutants(
        &self,
        process: u8,
        operator: &DeletionOperator,
        mut observed: ModelContext,
    ) -> ModelDecision {
        let Some(copy) = &operator.copy else { return ModelDecision::Waits };
        let mut wish = copy.spec;
        let is_accepted = wish.record.accepted.is_some();
        if let Some(confirm) = wish.confirm.as_mut().filter(|_| !is_accepted) {
            if self.has_mutant(DeletionMutant::ConfirmationNotCompared) && confirm.says == ConfirmationText::WrongName {
                confirm.says = ConfirmationText::Right;
            }
            if self.has_mutant(DeletionMutant::ExpiryIgnored) {
                confirm.left = Some(1);
            }
        }
        if self.has_mutant(DeletionMutant::RevocationIgnored) && is_accepted {
            wish.policy = ModelPolicy::Terminate;
            wish.confirm = wish.record.accepted.map(|says| ModelConfirmation { says, left: Some(1) });
        }
        if self.has_mutant(DeletionMutant::GraceSkipped) {
            wish.record.purge_in = wish.record.purge_in.map(|_| 0);
            wish.grace = 0;
        }
        if self.has_mutant(DeletionMutant::ActiveNotSuspendedAgain)
            && wish.record.step > 1
            && observed.life == LifecycleState::Active
        {
            observed.life = LifecycleState::Suspended;
        }
        if self.has_mutant(DeletionMutant::EvidenceSkipped) && wish.record.purge_in.is_some() {
            observed.evidence = wish.record.accepted;
        }
        if self.has_mutant(DeletionMutant::CancelWithoutWaiting) {
            wish.record.cancelled_ago = wish.record.cancelled_ago.map(|_| REQUEST_TICKS);
        }
        let mut pass = operator.pass;
        pass.has_recorded |= self.has_mutant(DeletionMutant::LateRecordOfSuspension);
        let is_cancelled = wish.record.cancelled_ago.is_some();
        pass.is_early &= !(is_cancelled && self.has_mutant(DeletionMutant::CancelJudgedAfterTheLook));
        wish.record.is_taken &= !self.has_mutant(DeletionMutant::TakenForgotten);
        let clock = match (self.is_clock_wrong && process == 1, self.has_mutant(DeletionMutant::ClockBelieved)) {
            (false, _) => ModelClock::Right,
            (true, false) => ModelClock::Ahead,
            (true, true) => ModelClock::AheadAndBelieved,
        };
        let mut decided = self.oracle.decide_step(copy.uid, wish, observed, pass, clock);
        if let ModelDecision::Does(DeletionCall::Record(record, _)) = &mut decided
            && self.has_mutant(DeletionMutant::TakenForgotten)
        {
            record.is_taken = copy.spec.record.is_taken;
        }
        if let (ModelDecision::Does(DeletionCall::Record(record, _)), LifecycleState::Active) =
            (&mut decided, observed.life)
        {
            if self.has_mutant(DeletionMutant::CallForgottenWhenFoundActive) && record.cancelled_ago.is_none() {
                record.step = 1;
            }
            if self.has_mutant(DeletionMutant::PeriodKeptBySuspend) && wish.policy == ModelPolicy::Suspend {
                decided = ModelDecision::Does(DeletionCall::Suspend);
            }
        }
        decided
    }

    /// Reads the object again directly before the call.
    fn read_again(&self, state: &mut DeletionState, process: u8) {
        let object = state.object.clone();
        let operator = &mut state.operators[usize::from(process)];
        let uid = operator.copy.as_ref().map(|copy| copy.uid);
        let is_it = |object: &DeletingObject| Some(object.uid) == uid && object.is_leaving;
        let Some(object) = object.filter(|object| is_it(object) || self.has_mutant(DeletionMutant::UidNotCompared))
        else {
            operator.activity = DeletionActivity::Idle;
            return;
        };
        let is_same = operator.is_current
            || self.has_mutant(DeletionMutant::ObjectNotReadAgain)
            || self.has_mutant(DeletionMutant::UidNotCompared);
        if !is_same {
            operator.copy = Some(object);
            operator.is_current = true;
        }
        operator.activity = DeletionActivity::ReceivingReread(is_same);
    }

    /// Handles the result of that read.
    fn receive_reread(&self, state: &mut DeletionState, process: u8, is_same: bool) {
        let operator = &mut state.operators[usize::from(process)];
        match (is_same, self.has_mutant(DeletionMutant::SlotAfterTheLook)) {
            (false, _) => operator.restart_read(),
            (true, false) => operator.activity = DeletionActivity::Sending(DeletionCall::Terminate),
            (true, true) => operator.activity = DeletionActivity::WaitingForSlot,
        }
    }

    /// Executes a request on the server, whether or not anybody waits for it. Returns whether it had an effect.
    pub(super) fn execute_call(&self, state: &mut DeletionState, request: DeletionCall) -> bool {
        match request {
            DeletionCall::Record(record, is_current) => {
                let is_current = is_current || self.has_mutant(DeletionMutant::RecordNotGuarded);
                let Some(object) = state.object.as_mut().filter(|object| is_current && object.uid == UID) else {
                    return false;
                };
                if record.purge_in.is_some() && object.spec.record.purge_in.is_none() {
                    state.promised = object.spec.grace;
                }
                object.spec.record = record;
                state.invalidate_object();
            }
            DeletionCall::Suspend if state.context.life == LifecycleState::Active => {
                state.context.life = LifecycleState::Suspended;
            }
            DeletionCall::Activate if state.context.life == LifecycleState::Suspended => {
                state.context.life = LifecycleState::Active;
            }
            DeletionCall::Suspend | DeletionCall::Activate => {}
            DeletionCall::Terminate => state.context.life = LifecycleState::Terminated,
            DeletionCall::Taken(is_current) => {
                let Some(object) = state.object.as_mut().filter(|object| is_current && object.uid == UID) else {
                    return false;
                };
                object.spec.record.is_taken = true;
                state.invalidate_object();
            }
            DeletionCall::Evidence(says) => {
                state.context.evidence = Some(says);
            }
            DeletionCall::Ledger(book, is_current) => {
                if is_current || self.has_mutant(DeletionMutant::LedgerNotGuarded) {
                    state.set_ledger(book);
                }
            }
            DeletionCall::Release(done, is_current) => {
                if !is_current || state.object.as_ref().is_none_or(|object| object.uid != UID) {
                    return false;
                }
                state.violation = state.violation.or(state.find_false_release(done));
                state.object = None;
                state.invalidate_object();
            }
        }
        true
    }
}

/// Returns what is wrong with accepting a confirmation.
fn find_unfit_confirmation(copy: Option<&DeletingObject>, record: ModelProgress) -> Option<&'static str> {
    let wish = copy?.spec;
    let fits =
        wish.confirm.is_some_and(|confirm| confirm.says != ConfirmationText::WrongName && confirm.left.is_some());
    let is_new = wish.record.accepted.is_none() && record.accepted.is_some();
    (is_new && !fits).then_some("a confirmation was accepted that does not match")
}

impl DeletionState {
    /// Returns whether a request may still be executed.
    pub(super) fn is_in_flight(&self, request: DeletionCall) -> bool {
        self.operators.iter().any(|operator| operator.activity == DeletionActivity::Waiting(request))
            || self.detached.iter().any(|(adrift, _)| *adrift == request)
    }

    /// Returns what is wrong with the reason for removing the finalizer.
    fn find_false_release(&self, done: ReleaseClaim) -> Option<&'static str> {
        let is_gone = self.context.life == LifecycleState::Terminated;
        match done {
            ReleaseClaim::TooLate if !self.has_called => Some("let go as too late although no call was sent"),
            ReleaseClaim::Ended | ReleaseClaim::TooLate if !is_gone => Some("let go as ended while the tenant lives"),
            ReleaseClaim::Alive if is_gone => Some("released as existing although it was terminated"),
            ReleaseClaim::Alive if self.is_in_flight(DeletionCall::Terminate) => {
                Some("released as existing while the call that terminates it is in flight")
            }
            ReleaseClaim::TooLate | ReleaseClaim::Ended | ReleaseClaim::Alive | ReleaseClaim::Otherwise => None,
        }
    }

    /// Handles the answer in the process.
    fn handle_reply(&mut self, process: u8, request: DeletionCall, is_done: bool) {
        let object = self.object.clone();
        let operator = &mut self.operators[usize::from(process)];
        match request {
            DeletionCall::Record(..) if !is_done => operator.activity = DeletionActivity::Idle,
            DeletionCall::Release(..) if is_done => operator.activity = DeletionActivity::Idle,
            DeletionCall::Release(done, _) => {
                // A write by somebody else that leaves the deletion settings unchanged does not restart the decision.
                let is_same = object.as_ref() == operator.copy.as_ref();
                operator.is_current = is_same;
                operator.activity = if is_same {
                    DeletionActivity::Sending(DeletionCall::Release(done, true))
                } else {
                    DeletionActivity::Idle
                };
            }
            DeletionCall::Record(..) => {
                operator.copy = object;
                operator.is_current = true;
                operator.restart_read();
                operator.pass.has_recorded = true;
            }
            DeletionCall::Terminate => {
                operator.copy = object.filter(|object| object.uid == UID);
                operator.is_current = true;
                let is_there = operator.copy.is_some();
                operator.activity = if is_there {
                    DeletionActivity::Sending(DeletionCall::Taken(true))
                } else {
                    DeletionActivity::Idle
                };
            }
            DeletionCall::Taken(_) if object.as_ref().is_none_or(|object| object.uid != UID) => {
                operator.activity = DeletionActivity::Idle;
            }
            DeletionCall::Taken(_) => {
                operator.copy = object;
                operator.is_current = true;
                if is_done {
                    operator.restart_read();
                } else {
                    operator.activity = DeletionActivity::Sending(DeletionCall::Taken(true));
                }
            }
            DeletionCall::Suspend | DeletionCall::Activate | DeletionCall::Evidence(_) | DeletionCall::Ledger(..) => {
                operator.restart_read();
            }
        }
    }
}
