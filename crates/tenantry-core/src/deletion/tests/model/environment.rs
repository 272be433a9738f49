//! Events outside the operator: edits, other owners, another Partner and time; and the conditions that must have been
//! true.

use super::oracle::decide_for_other_partner;
use super::*;

const CONSENT_STANDS: u8 = 1;
const NO_CHILD: u8 = 2;
const GRACE_PASSED: u8 = 4;
const CONTAINER_STAYS: u8 = 8;
const REFERENCE_ALLOWED: u8 = 16;
const MARK_MATCHES: u8 = 32;
const EVIDENCE_PRESENT: u8 = 64;
const IN_LEDGER: u8 = 128;
/// Conditions that must have been true at some moment of the step that terminates the tenant, each with the violation
/// if it was not.
const CONDITIONS: [(u8, &str); 8] = [
    (CONSENT_STANDS, "terminated without the policy or an accepted confirmation in force"),
    (NO_CHILD, "terminated while a child exists"),
    (GRACE_PASSED, "terminated before the grace period passed with the tenant suspended"),
    (CONTAINER_STAYS, "terminated in a namespace that is being deleted"),
    (REFERENCE_ALLOWED, "terminated under a Partner that does not allow it"),
    (MARK_MATCHES, "terminated without the mark"),
    (EVIDENCE_PRESENT, "terminated without evidence"),
    (IN_LEDGER, "terminated without an entry in the ledger"),
];

/// An edit by somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DeletionEdit {
    SetsPolicy(ModelPolicy),
    Confirms(Option<ConfirmationText>),
    ShortensGrace,
    TouchesObject,
    /// The finalizer is removed by hand, and the same manifest is applied again.
    ReplacesObject,
    DeletesNamespace,
    HidesNamespace,
    DeclaresChild,
    MakesChild,
    EndsChildren,
    BreaksReference,
    RewritesMark,
    Activates,
}

impl DeletionOperator {
    /// Returns whether nothing that the operator does can have an effect any more.
    pub(super) fn is_harmless(&self) -> bool {
        !matches!(
            self.activity,
            DeletionActivity::Sending(_)
                | DeletionActivity::Waiting(_)
                | DeletionActivity::WaitingForSlot
                | DeletionActivity::ReadingAgain
                | DeletionActivity::ReceivingReread(_)
        )
    }

    /// Starts a step.
    pub(super) fn restart_read(&mut self) {
        self.conditions_held = 0;
        self.pass = ModelPass::default();
        self.has_slot = false;
        self.activity = DeletionActivity::Reading(0, ModelContext::NOT_READ, true);
    }

    /// Takes the slot and reads everything again. What was true before no longer counts.
    pub(super) fn read_with_slot(&mut self) {
        self.conditions_held = 0;
        self.has_slot = true;
        self.activity = DeletionActivity::Reading(0, ModelContext::NOT_READ, true);
    }

    /// Reads the object again after everything else. The deletion settings must be valid from now on.
    pub(super) fn reread_object(&mut self) {
        self.conditions_held &= !CONSENT_STANDS;
        self.activity = DeletionActivity::ReadingAgain;
    }

    /// Returns the condition that was not true in this step.
    pub(super) fn missing_condition(&self) -> Option<&'static str> {
        CONDITIONS.iter().find(|(bit, _)| self.conditions_held & bit == 0).map(|(_, wrong)| *wrong)
    }

    /// Returns a violation if the namespace was being deleted throughout the step that suspended the tenant.
    pub(super) fn missing_suspension_condition(&self) -> Option<&'static str> {
        (self.conditions_held & CONTAINER_STAYS == 0).then_some("suspended in a namespace that is being deleted")
    }
}

impl DeletionState {
    /// Returns the conditions that are true now for the object of an operator.
    fn holding_conditions(&self, uid: u8) -> u8 {
        let around = &self.context;
        let wish = self.object.as_ref().filter(|object| object.uid == uid).map(|object| object.spec);
        let is_valid = wish.is_some_and(|wish| {
            let confirm = wish.confirm.map(|confirm| confirm.says);
            wish.policy == ModelPolicy::Terminate && confirm.is_some() && confirm == wish.record.accepted
        });
        let accepted = wish.and_then(|wish| wish.record.accepted);
        let is_down = around.life != LifecycleState::Active;
        [
            (CONSENT_STANDS, is_valid),
            (NO_CHILD, !around.has_child_object && !around.has_living_child),
            // A tenant that was terminated once cannot be terminated too early again.
            (GRACE_PASSED, is_down && (self.down >= self.promised || around.life == LifecycleState::Terminated)),
            (CONTAINER_STAYS, matches!(around.container, ContainerState::No | ContainerState::Hidden)),
            (REFERENCE_ALLOWED, !around.is_reference_broken),
            (MARK_MATCHES, around.mark == uid),
            (EVIDENCE_PRESENT, around.evidence.is_some() && around.evidence == accepted),
            (IN_LEDGER, around.ledger.own),
        ]
        .into_iter()
        .filter(|(_, holds)| *holds)
        .fold(0, |all, (bit, _)| all | bit)
    }

    /// Records the conditions that are true for each step in progress.
    pub(super) fn record_conditions(&mut self) {
        for process in 0..self.operators.len() {
            let operator = &self.operators[process];
            let is_deciding = match operator.activity {
                DeletionActivity::Reading(..)
                | DeletionActivity::ReadingAgain
                | DeletionActivity::ReceivingReread(_) => true,
                DeletionActivity::Sending(request) => {
                    matches!(request, DeletionCall::Terminate | DeletionCall::Suspend)
                }
                DeletionActivity::Idle
                | DeletionActivity::WaitingForSlot
                | DeletionActivity::Waiting(_)
                | DeletionActivity::Held(_)
                | DeletionActivity::WaitingForTime => false,
            };
            let uid = operator.copy.as_ref().map_or(UID, |copy| copy.uid);
            let held = if is_deciding { operator.conditions_held | self.holding_conditions(uid) } else { 0 };
            self.operators[process].conditions_held = held;
        }
    }

    pub(super) fn tick(&mut self, is_late_believed: bool) {
        // A pending suspension by the operator counts: if it is executed late, nobody can observe when.
        let is_down = self.context.life == LifecycleState::Suspended || self.is_in_flight(DeletionCall::Suspend);
        self.down = if is_down { (self.down + 1).min(2) } else { 0 };
        self.detached.retain_mut(|(_, left)| {
            *left -= 1;
            *left > 0
        });
        let is_shared = self.operators.len() > 1;
        if let Some(by) = is_shared.then(|| self.lease.tick()).flatten() {
            self.detach_request(by);
            let doing = &mut self.operators[usize::from(by)].activity;
            if matches!(doing, DeletionActivity::Waiting(_)) {
                *doing = DeletionActivity::Idle;
            }
        }
        if let Some(object) = &mut self.object {
            object.spec.tick();
        }
        for operator in &mut self.operators {
            if let Some(copy) = &mut operator.copy {
                let comes =
                    matches!(operator.activity, DeletionActivity::Reading(..) | DeletionActivity::WaitingForSlot)
                        && copy.spec.record.has_expiring_time();
                operator.pass.is_early |= comes;
                copy.spec.tick();
            }
            match &mut operator.activity {
                DeletionActivity::ReceivingReread(_) if is_late_believed => operator.conditions_held &= !CONSENT_STANDS,
                // The result of the last read is too old to be valid now.
                DeletionActivity::WaitingForTime | DeletionActivity::ReceivingReread(_) => {
                    operator.activity = DeletionActivity::Idle;
                }
                DeletionActivity::Sending(DeletionCall::Record(record, _))
                | DeletionActivity::Waiting(DeletionCall::Record(record, _)) => {
                    record.tick();
                }
                _ => {}
            }
        }
        for (request, _) in &mut self.detached {
            if let DeletionCall::Record(record, _) = request {
                record.tick();
            }
        }
    }

    /// Marks earlier reads and version checks of the object as outdated, because the object has changed.
    pub(super) fn invalidate_object(&mut self) {
        let doing = self.operators.iter_mut().map(|operator| {
            operator.is_current = false;
            &mut operator.activity
        });
        let sent = doing.filter_map(|doing| match doing {
            DeletionActivity::Sending(request) | DeletionActivity::Waiting(request) => Some(request),
            _ => None,
        });
        for request in sent.chain(self.detached.iter_mut().map(|(request, _)| request)) {
            if let DeletionCall::Record(_, is_current)
            | DeletionCall::Release(_, is_current)
            | DeletionCall::Taken(is_current) = request
            {
                *is_current = false;
            }
        }
    }

    /// Changes the ledger.
    pub(super) fn set_ledger(&mut self, ledger: ModelLedger) {
        if self.context.ledger == ledger {
            return;
        }
        self.context.ledger = ledger;
        for operator in &mut self.operators {
            match &mut operator.activity {
                DeletionActivity::Reading(_, _, is_current)
                | DeletionActivity::Sending(DeletionCall::Ledger(_, is_current))
                | DeletionActivity::Waiting(DeletionCall::Ledger(_, is_current)) => *is_current = false,
                _ => {}
            }
        }
        for (request, _) in &mut self.detached {
            if let DeletionCall::Ledger(_, is_current) = request {
                *is_current = false;
            }
        }
        if let OtherPartner::Writing(_, is_current) = &mut self.other {
            *is_current = false;
        }
    }

    /// Stops waiting for the answer to a request.
    pub(super) fn detach_request(&mut self, process: u8) {
        if let DeletionActivity::Waiting(request) = self.operators[usize::from(process)].activity {
            self.detached.push((request, REQUEST_TICKS));
            self.detached.sort_unstable();
        }
    }

    pub(super) fn stop_process(&mut self, process: u8) {
        self.detach_request(process);
        let is_alone = self.operators.len() == 1;
        self.operators[usize::from(process)] = DeletionOperator { has_led: is_alone, ..DeletionOperator::default() };
        if !is_alone {
            self.lease.orphan_if_held_by(process);
        }
    }
}

impl DeletionSpec {
    fn tick(&mut self) {
        if let Some(confirm) = &mut self.confirm {
            confirm.left = confirm.left.and_then(|left| left.checked_sub(1));
        }
        self.record.tick();
    }
}

impl ModelProgress {
    /// Returns whether a time that the operator waits for passes with the next tick.
    fn has_expiring_time(&self) -> bool {
        self.purge_in == Some(1) || self.cancelled_ago == Some(REQUEST_TICKS - 1)
    }

    /// Advances the times by one tick. All times longer ago than the request timeout are equivalent.
    fn tick(&mut self) {
        let later = |ago: u8| (ago + 1).min(REQUEST_TICKS);
        self.accepted_ago = if self.accepted.is_some() { later(self.accepted_ago) } else { 0 };
        self.purge_in = self.purge_in.map(|left| left.saturating_sub(1));
        self.cancelled_ago = self.cancelled_ago.map(later);
    }
}

impl DeletionModel {
    /// Adds every edit that somebody may make.
    pub(super) fn add_edit_events(&self, state: &DeletionState, all: &mut Vec<(DeletionEvent, DeletionState)>) {
        if state.edits == 0 || state.object.as_ref().is_none_or(|object| !object.is_leaving) {
            return;
        }
        let is_down = state.context.life == LifecycleState::Suspended;
        let may = |edit: &&DeletionEdit| **edit != DeletionEdit::Activates || is_down;
        for edit in self.allowed_edits.iter().filter(may) {
            let mut next = state.clone();
            next.edits -= 1;
            next.apply_edit(*edit);
            all.push((DeletionEvent::Edit(*edit), next));
        }
    }

    /// Adds the events of the other Partner, which another worker of the same operator handles.
    pub(super) fn add_other_partner_events(
        &self,
        state: &DeletionState,
        all: &mut Vec<(DeletionEvent, DeletionState)>,
    ) {
        let mut next = state.clone();
        match state.other {
            OtherPartner::Absent | OtherPartner::Called => {}
            OtherPartner::Ready => match decide_for_other_partner(state.context.ledger) {
                ModelDecision::Terminates => {
                    next.other = OtherPartner::Called;
                    all.push((DeletionEvent::OtherCalls, next));
                }
                ModelDecision::Does(DeletionCall::Ledger(book, _)) => {
                    next.other = OtherPartner::Writing(book, true);
                    all.push((DeletionEvent::OtherReads, next));
                }
                ModelDecision::Does(_) | ModelDecision::Holds(_) | ModelDecision::Waits => {}
            },
            OtherPartner::Writing(book, is_current) => {
                next.other = OtherPartner::Ready;
                if is_current || self.has_mutant(DeletionMutant::LedgerNotGuarded) {
                    next.set_ledger(book);
                }
                all.push((DeletionEvent::OtherWrites, next));
            }
        }
    }
}

impl DeletionState {
    fn apply_edit(&mut self, edit: DeletionEdit) {
        let around = &mut self.context;
        match edit {
            DeletionEdit::DeletesNamespace => {
                around.container = if around.container == ContainerState::Hidden {
                    ContainerState::Unseen
                } else {
                    ContainerState::Namespace
                };
            }
            DeletionEdit::HidesNamespace => {
                around.container = if around.container == ContainerState::Namespace {
                    ContainerState::Unseen
                } else {
                    ContainerState::Hidden
                };
            }
            DeletionEdit::DeclaresChild => around.has_child_object = true,
            DeletionEdit::MakesChild => around.has_living_child = true,
            DeletionEdit::EndsChildren => (around.has_child_object, around.has_living_child) = (false, false),
            DeletionEdit::BreaksReference => around.is_reference_broken = true,
            DeletionEdit::RewritesMark => around.mark = 0,
            DeletionEdit::Activates => around.life = LifecycleState::Active,
            DeletionEdit::SetsPolicy(_)
            | DeletionEdit::Confirms(_)
            | DeletionEdit::ShortensGrace
            | DeletionEdit::TouchesObject
            | DeletionEdit::ReplacesObject => self.edit_object(edit),
        }
    }

    fn edit_object(&mut self, edit: DeletionEdit) {
        let Some(object) = &mut self.object else { return };
        match edit {
            DeletionEdit::SetsPolicy(policy) => object.spec.policy = policy,
            DeletionEdit::Confirms(says) => {
                object.spec.confirm = says.map(|says| ModelConfirmation { says, left: Some(1) });
            }
            DeletionEdit::ShortensGrace => object.spec.grace = 0,
            DeletionEdit::ReplacesObject => {
                let wish = DeletionSpec { record: ModelProgress::default(), ..object.spec };
                *object = DeletingObject { uid: UID + 1, is_leaving: false, spec: wish };
                // The new object re-attaches to the tenant.
                self.context.mark = UID + 1;
            }
            _ => {}
        }
        self.invalidate_object();
    }
}

impl ModelContext {
    /// The state before anything was read.
    pub(super) const NOT_READ: Self = Self {
        container: ContainerState::Unseen,
        has_child_object: true,
        has_living_child: true,
        is_reference_broken: true,
        life: LifecycleState::Active,
        mark: 0,
        evidence: None,
        ledger: ModelLedger { own: false, other: true },
    };
}
