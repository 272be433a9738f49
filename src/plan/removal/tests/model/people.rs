//! What happens around the operator: edits, other owners, another Partner, time, and what must have held.

use super::judge::of_other;
use super::*;

const WISH: u8 = 1;
const NO_CHILD: u8 = 2;
const GRACE: u8 = 4;
const STAYS: u8 = 8;
const REFERENCE: u8 = 16;
const MARK: u8 = 32;
const EVIDENCE: u8 = 64;
const BOOKED: u8 = 128;
/// What must have held at some moment of the step that ends the tenant, and what is wrong where it has not.
const CONDITIONS: [(u8, &str); 8] = [
    (WISH, "ended without the policy or an accepted confirmation that stands"),
    (NO_CHILD, "ended over a living child"),
    (GRACE, "ended before the grace period passed with the tenant suspended"),
    (STAYS, "ended in a namespace that goes"),
    (REFERENCE, "ended under a Partner that does not allow it"),
    (MARK, "ended without the mark"),
    (EVIDENCE, "ended without evidence"),
    (BOOKED, "ended without an entry in the ledger"),
];

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Edit {
    SetsPolicy(Policy),
    Confirms(Option<Says>),
    ShortensGrace,
    TouchesObject,
    /// Finalizer stripped by hand, and the same manifest applied again.
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

impl Operator {
    /// Whether nothing that it does can change anything any more.
    pub(super) fn is_harmless(&self) -> bool {
        !matches!(
            self.doing,
            Doing::Sending(_) | Doing::Waiting(_) | Doing::Queueing | Doing::ReadingAgain | Doing::Hearing(_)
        )
    }

    /// A step begins.
    pub(super) fn read_anew(&mut self) {
        self.held = 0;
        self.walk = Walked::default();
        self.has_slot = false;
        self.doing = Doing::Reading(0, Around::NOT_READ, true);
    }

    /// The slot is held: all is read once more, and what held before counts for nothing.
    pub(super) fn reads_with_slot(&mut self) {
        self.held = 0;
        self.has_slot = true;
        self.doing = Doing::Reading(0, Around::NOT_READ, true);
    }

    /// All else has been read: the wish must hold from now on.
    pub(super) fn reads_wish_again(&mut self) {
        self.held &= !WISH;
        self.doing = Doing::ReadingAgain;
    }

    /// What did not hold in this step.
    pub(super) fn missing(&self) -> Option<&'static str> {
        CONDITIONS.iter().find(|(bit, _)| self.held & bit == 0).map(|(_, wrong)| *wrong)
    }

    /// Whether anything but the object may have been known to go when the tenant was suspended.
    pub(super) fn missing_for_suspension(&self) -> Option<&'static str> {
        (self.held & STAYS == 0).then_some("suspended in a namespace that goes")
    }
}

impl State {
    /// What holds at this moment for the object of an operator.
    fn truths(&self, uid: u8) -> u8 {
        let around = &self.around;
        let wish = self.object.as_ref().filter(|object| object.uid == uid).map(|object| object.wish);
        let stands = wish.is_some_and(|wish| {
            let confirm = wish.confirm.map(|confirm| confirm.says);
            wish.policy == Policy::Terminate && confirm.is_some() && confirm == wish.record.accepted
        });
        let accepted = wish.and_then(|wish| wish.record.accepted);
        let is_down = around.life != TenantLife::Active;
        [
            (WISH, stands),
            (NO_CHILD, !around.has_child_object && !around.has_living_child),
            // One that was ended once is not ended too early once more.
            (GRACE, is_down && (self.down >= self.promised || around.life == TenantLife::Terminated)),
            (STAYS, matches!(around.going, Gone::No | Gone::Hidden)),
            (REFERENCE, !around.is_reference_broken),
            (MARK, around.mark == uid),
            (EVIDENCE, around.evidence.is_some() && around.evidence == accepted),
            (BOOKED, around.book.own),
        ]
        .into_iter()
        .filter(|(_, holds)| *holds)
        .fold(0, |all, (bit, _)| all | bit)
    }

    /// Notes for each step that is under way what holds.
    pub(super) fn remember(&mut self) {
        for process in 0..self.operators.len() {
            let operator = &self.operators[process];
            let is_deciding = match operator.doing {
                Doing::Reading(..) | Doing::ReadingAgain | Doing::Hearing(_) => true,
                Doing::Sending(request) => matches!(request, Request::Terminate | Request::Suspend),
                Doing::Nothing | Doing::Queueing | Doing::Waiting(_) | Doing::Held(_) | Doing::Waits => false,
            };
            let uid = operator.copy.as_ref().map_or(UID, |copy| copy.uid);
            let held = if is_deciding { operator.held | self.truths(uid) } else { 0 };
            self.operators[process].held = held;
        }
    }

    pub(super) fn tick(&mut self, is_late_believed: bool) {
        // A suspension of ours that is under way counts: where it is carried out late, nobody can tell.
        let is_down = self.around.life == TenantLife::Suspended || self.is_under_way(Request::Suspend);
        self.down = if is_down { (self.down + 1).min(2) } else { 0 };
        self.adrift.retain_mut(|(_, left)| {
            *left -= 1;
            *left > 0
        });
        let is_shared = self.operators.len() > 1;
        if let Some(by) = is_shared.then(|| self.lease.tick()).flatten() {
            self.adrift(by);
            let doing = &mut self.operators[usize::from(by)].doing;
            if matches!(doing, Doing::Waiting(_)) {
                *doing = Doing::Nothing;
            }
        }
        if let Some(object) = &mut self.object {
            object.wish.tick();
        }
        for operator in &mut self.operators {
            if let Some(copy) = &mut operator.copy {
                let comes = matches!(operator.doing, Doing::Reading(..) | Doing::Queueing)
                    && copy.wish.record.has_a_time_that_comes();
                operator.walk.is_early |= comes;
                copy.wish.tick();
            }
            match &mut operator.doing {
                Doing::Hearing(_) if is_late_believed => operator.held &= !WISH,
                // What the last look found so long ago says nothing of now.
                Doing::Waits | Doing::Hearing(_) => operator.doing = Doing::Nothing,
                Doing::Sending(Request::Record(record, _)) | Doing::Waiting(Request::Record(record, _)) => {
                    record.tick();
                }
                _ => {}
            }
        }
        for (request, _) in &mut self.adrift {
            if let Request::Record(record, _) = request {
                record.tick();
            }
        }
    }

    /// The object has changed: what was read of it before, or is guarded by its version, holds no more.
    pub(super) fn changed(&mut self) {
        let doing = self.operators.iter_mut().map(|operator| {
            operator.is_current = false;
            &mut operator.doing
        });
        let sent = doing.filter_map(|doing| match doing {
            Doing::Sending(request) | Doing::Waiting(request) => Some(request),
            _ => None,
        });
        for request in sent.chain(self.adrift.iter_mut().map(|(request, _)| request)) {
            if let Request::Record(_, is_current) | Request::Release(_, is_current) | Request::Taken(is_current) =
                request
            {
                *is_current = false;
            }
        }
    }

    /// The ledger has changed.
    pub(super) fn booked(&mut self, book: Book) {
        if self.around.book == book {
            return;
        }
        self.around.book = book;
        for operator in &mut self.operators {
            match &mut operator.doing {
                Doing::Reading(_, _, is_current)
                | Doing::Sending(Request::Ledger(_, is_current))
                | Doing::Waiting(Request::Ledger(_, is_current)) => *is_current = false,
                _ => {}
            }
        }
        for (request, _) in &mut self.adrift {
            if let Request::Ledger(_, is_current) = request {
                *is_current = false;
            }
        }
        if let Other::Writing(_, is_current) = &mut self.other {
            *is_current = false;
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn adrift(&mut self, process: u8) {
        if let Doing::Waiting(request) = self.operators[usize::from(process)].doing {
            self.adrift.push((request, REQUEST));
            self.adrift.sort_unstable();
        }
    }

    pub(super) fn end(&mut self, process: u8) {
        self.adrift(process);
        let is_alone = self.operators.len() == 1;
        self.operators[usize::from(process)] = Operator { has_led: is_alone, ..Operator::default() };
        if !is_alone {
            self.lease.left_by(process);
        }
    }
}

impl Wish {
    fn tick(&mut self) {
        if let Some(confirm) = &mut self.confirm {
            confirm.left = confirm.left.and_then(|left| left.checked_sub(1));
        }
        self.record.tick();
    }
}

impl Progress {
    /// Whether with the next tick something is over that is waited for.
    fn has_a_time_that_comes(&self) -> bool {
        self.purge_in == Some(1) || self.cancelled_ago == Some(REQUEST - 1)
    }

    /// Whatever is longer ago than a request takes is all the same.
    fn tick(&mut self) {
        let later = |ago: u8| (ago + 1).min(REQUEST);
        self.accepted_ago = if self.accepted.is_some() { later(self.accepted_ago) } else { 0 };
        self.purge_in = self.purge_in.map(|left| left.saturating_sub(1));
        self.cancelled_ago = self.cancelled_ago.map(later);
    }
}

impl Bounds {
    /// Whatever somebody may do.
    pub(super) fn edits(&self, state: &State, all: &mut Vec<(Event, State)>) {
        if state.edits == 0 || state.object.as_ref().is_none_or(|object| !object.is_leaving) {
            return;
        }
        let is_down = state.around.life == TenantLife::Suspended;
        let may = |edit: &&Edit| **edit != Edit::Activates || is_down;
        for edit in self.may.iter().filter(may) {
            let mut next = state.clone();
            next.edits -= 1;
            next.edit(*edit);
            all.push((Event::Edit(*edit), next));
        }
    }

    /// The other Partner, by another worker of the same operator.
    pub(super) fn other(&self, state: &State, all: &mut Vec<(Event, State)>) {
        let mut next = state.clone();
        match state.other {
            Other::Absent | Other::Called => {}
            Other::Ready => match of_other(state.around.book) {
                Decided::Terminates => {
                    next.other = Other::Called;
                    all.push((Event::OtherCalls, next));
                }
                Decided::Does(Request::Ledger(book, _)) => {
                    next.other = Other::Writing(book, true);
                    all.push((Event::OtherReads, next));
                }
                Decided::Does(_) | Decided::Holds(_) | Decided::Waits => {}
            },
            Other::Writing(book, is_current) => {
                next.other = Other::Ready;
                if is_current || self.is(Mutant::LedgerNotGuarded) {
                    next.booked(book);
                }
                all.push((Event::OtherWrites, next));
            }
        }
    }
}

impl State {
    fn edit(&mut self, edit: Edit) {
        let around = &mut self.around;
        match edit {
            Edit::DeletesNamespace => {
                around.going = if around.going == Gone::Hidden { Gone::Unseen } else { Gone::Namespace };
            }
            Edit::HidesNamespace => {
                around.going = if around.going == Gone::Namespace { Gone::Unseen } else { Gone::Hidden };
            }
            Edit::DeclaresChild => around.has_child_object = true,
            Edit::MakesChild => around.has_living_child = true,
            Edit::EndsChildren => (around.has_child_object, around.has_living_child) = (false, false),
            Edit::BreaksReference => around.is_reference_broken = true,
            Edit::RewritesMark => around.mark = 0,
            Edit::Activates => around.life = TenantLife::Active,
            Edit::SetsPolicy(_)
            | Edit::Confirms(_)
            | Edit::ShortensGrace
            | Edit::TouchesObject
            | Edit::ReplacesObject => self.edit_object(edit),
        }
    }

    fn edit_object(&mut self, edit: Edit) {
        let Some(object) = &mut self.object else { return };
        match edit {
            Edit::SetsPolicy(policy) => object.wish.policy = policy,
            Edit::Confirms(says) => object.wish.confirm = says.map(|says| Confirm { says, left: Some(1) }),
            Edit::ShortensGrace => object.wish.grace = 0,
            Edit::ReplacesObject => {
                let wish = Wish { record: Progress::default(), ..object.wish };
                *object = Object { uid: UID + 1, is_leaving: false, wish };
                // It takes the tenant up again.
                self.around.mark = UID + 1;
            }
            _ => {}
        }
        self.changed();
    }
}

impl Around {
    /// Before anything was read.
    pub(super) const NOT_READ: Self = Self {
        going: Gone::Unseen,
        has_child_object: true,
        has_living_child: true,
        is_reference_broken: true,
        life: TenantLife::Active,
        mark: 0,
        evidence: None,
        book: Book { own: false, other: true },
    };
}
