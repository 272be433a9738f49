//! The walk of an operator, one request a step.

use super::*;

const NO_CLAIM: &str = "a change was sent without the claim";

/// What is read, in the order in which it is read.
const READS: [&str; 7] =
    ["namespace", "Client objects", "evidence", "ledger", "Partner and Secret", "tenant", "living clients"];

impl Bounds {
    /// What a process can do next by itself.
    pub(super) fn step(&self, state: &State, process: u8, all: &mut Vec<(Event, State)>) {
        let operator = &state.operators[usize::from(process)];
        let leads = state.lease.is_of(process);
        if !leads && !matches!(operator.doing, Doing::Sending(_)) {
            // What it would still read changes nothing.
            return;
        }
        let mut next = state.clone();
        let own = &mut next.operators[usize::from(process)];
        match operator.doing {
            Doing::Nothing | Doing::Waits | Doing::Held(_) => {
                let Some(object) = state.object.as_ref().filter(|object| object.is_leaving) else { return };
                own.copy = Some(object.clone());
                own.is_current = true;
                own.read_anew();
                all.push((Event::Begins(process), next));
            }
            Doing::Reading(at, seen, is_book_current) => {
                let event = self.read(&mut next, process, (at, seen, is_book_current));
                all.push((event, next));
            }
            Doing::Queueing => {
                if self.is(Mutant::SlotAfterTheLook) {
                    own.held = 0;
                    own.doing = Doing::Sending(Request::Terminate);
                } else {
                    own.reads_with_slot();
                }
                all.push((Event::GetsSlot(process), next));
            }
            Doing::ReadingAgain => {
                self.read_again(&mut next, process);
                all.push((Event::ReadsAgain(process), next));
            }
            Doing::Hearing(is_same) => {
                self.hear(&mut next, (process, is_same));
                all.push((Event::Hears(process), next));
            }
            Doing::Sending(request) => {
                let is_sent = leads || self.is(Mutant::ClaimIgnored);
                own.doing = if is_sent { Doing::Waiting(request) } else { Doing::Nothing };
                if is_sent {
                    next.wrong = if leads { None } else { Some(NO_CLAIM) }.or(match request {
                        Request::Terminate => operator.missing(),
                        Request::Suspend => operator.missing_for_suspension(),
                        _ => None,
                    });
                    let is_taken = state.object.as_ref().is_some_and(|object| object.wish.record.is_taken);
                    if request == Request::Terminate {
                        next.has_called = true;
                        next.wrong = next.wrong.or(is_taken.then_some("sent again although the platform had taken it"));
                    }
                }
                all.push((Event::Sends(process, request), next));
            }
            Doing::Waiting(request) => {
                let is_done = self.carried_out(&mut next, request);
                next.learn(process, request, is_done);
                all.push((Event::Answered(process, request), next));
            }
        }
    }

    /// One more thing is read; after the last follows the decision.
    fn read(&self, state: &mut State, process: u8, (at, mut seen, mut is_current): (u8, Around, bool)) -> Event {
        let around = state.around;
        let operator = &mut state.operators[usize::from(process)];
        let wish = operator.copy.as_ref().map(|copy| copy.wish);
        let policy = wish.map(|wish| wish.policy);
        let accepted = wish.and_then(|wish| wish.record.accepted);
        let is_late = policy == Some(Policy::Terminate) && wish.is_some_and(|wish| wish.record.purge_in.is_some());
        match at {
            0 => seen.going = self.seen_going(around.going),
            1 => seen.has_child_object = around.has_child_object && !self.is(Mutant::ChildrenNotCounted),
            2 => seen.evidence = around.evidence,
            3 => {
                seen.book = around.book;
                is_current = true;
            }
            4 => seen.is_reference_broken = around.is_reference_broken,
            5 => {
                (seen.life, seen.mark) = (around.life, around.mark);
                let is_taken = wish.is_some_and(|wish| wish.record.is_taken) && !self.is(Mutant::TakenForgotten);
                if self.is_documented && around.life == TenantLife::Terminated && !is_taken {
                    seen.life = TenantLife::Suspended;
                }
                if self.is(Mutant::MarkNotRead) {
                    seen.mark = UID;
                }
            }
            _ => seen.has_living_child = around.has_living_child && !self.is(Mutant::LivingNotRead),
        }
        let next = match at {
            0 if seen.going == Gone::Namespace => None,
            1 if policy == Some(Policy::Retain) && accepted.is_none() => None,
            1 if !(is_late && accepted.is_some()) => Some(4),
            5 if seen.life == TenantLife::Terminated || seen.mark != UID => None,
            6 => None,
            at => Some(at + 1),
        };
        if let Some(next) = next {
            operator.doing = Doing::Reading(next, seen, is_current);
            let event = Event::Reads(process, READS[usize::from(at)]);
            return if self.moves(at) { event } else { self.read(state, process, (next, seen, is_current)) };
        }
        let decided = self.decide(process, operator, seen);
        let has_slot = std::mem::take(&mut operator.has_slot);
        if decided == Decided::Terminates {
            if has_slot || self.is(Mutant::SlotAfterTheLook) {
                operator.reads_wish_again();
            } else {
                operator.doing = Doing::Queueing;
            }
            return Event::Decides(process, decided);
        }
        let walk = std::mem::take(&mut operator.walk);
        match decided {
            Decided::Terminates => {}
            Decided::Holds(reason) => operator.doing = Doing::Held(reason),
            // The time that it waits for has come.
            Decided::Waits if walk.is_early => operator.doing = Doing::Nothing,
            Decided::Waits => operator.doing = Doing::Waits,
            // The slot goes back, and all is read before anything else is done.
            Decided::Does(_) if has_slot => operator.read_anew(),
            Decided::Does(Request::Ledger(book, _)) => {
                operator.doing = Doing::Sending(Request::Ledger(book, is_current));
            }
            Decided::Does(Request::Record(record, _)) => {
                operator.doing = Doing::Sending(Request::Record(record, operator.is_current));
                state.wrong = unfit(operator.copy.as_ref(), record);
            }
            Decided::Does(Request::Release(done, _)) => {
                operator.doing = Doing::Sending(Request::Release(done, operator.is_current));
            }
            Decided::Does(request) => operator.doing = Doing::Sending(request),
        }
        Event::Decides(process, decided)
    }

    /// Whether what was read can change in this world before the next thing is read, so that the two are two steps.
    fn moves(&self, at: u8) -> bool {
        let may = |edits: &[Edit]| self.may.iter().any(|edit| edits.contains(edit));
        match at {
            0 => may(&[Edit::DeletesNamespace]),
            1 => may(&[Edit::DeclaresChild]),
            3 => self.has_other,
            4 => may(&[Edit::BreaksReference]),
            5 => may(&[Edit::MakesChild, Edit::Activates]),
            _ => false,
        }
    }

    fn seen_going(&self, going: Gone) -> Gone {
        match going {
            _ if self.is(Mutant::NamespaceNotRead) => Gone::No,
            Gone::Unseen | Gone::Hidden if self.is(Mutant::UnknownTakenForStaying) => Gone::No,
            going => going,
        }
    }

    /// The real decision, with what a defect would make of it.
    fn decide(&self, process: u8, operator: &Operator, mut seen: Around) -> Decided {
        let Some(copy) = &operator.copy else { return Decided::Waits };
        let mut wish = copy.wish;
        let is_accepted = wish.record.accepted.is_some();
        if let Some(confirm) = wish.confirm.as_mut().filter(|_| !is_accepted) {
            if self.is(Mutant::ConfirmationNotCompared) && confirm.says == Says::WrongName {
                confirm.says = Says::Right;
            }
            if self.is(Mutant::ExpiryIgnored) {
                confirm.left = Some(1);
            }
        }
        if self.is(Mutant::RevocationIgnored) && is_accepted {
            wish.policy = Policy::Terminate;
            wish.confirm = wish.record.accepted.map(|says| Confirm { says, left: Some(1) });
        }
        if self.is(Mutant::GraceSkipped) {
            wish.record.purge_in = wish.record.purge_in.map(|_| 0);
            wish.grace = 0;
        }
        if self.is(Mutant::ActiveNotSuspendedAgain) && wish.record.step > 1 && seen.life == TenantLife::Active {
            seen.life = TenantLife::Suspended;
        }
        if self.is(Mutant::EvidenceSkipped) && wish.record.purge_in.is_some() {
            seen.evidence = wish.record.accepted;
        }
        if self.is(Mutant::CancelWithoutWaiting) {
            wish.record.cancelled_ago = wish.record.cancelled_ago.map(|_| REQUEST);
        }
        let mut walk = operator.walk;
        walk.has_recorded |= self.is(Mutant::LateRecordOfSuspension);
        let is_cancelled = wish.record.cancelled_ago.is_some();
        walk.is_early &= !(is_cancelled && self.is(Mutant::CancelJudgedAfterTheLook));
        wish.record.is_taken &= !self.is(Mutant::TakenForgotten);
        let clock = match (self.is_clock_wrong && process == 1, self.is(Mutant::ClockBelieved)) {
            (false, _) => Clock::Right,
            (true, false) => Clock::Ahead,
            (true, true) => Clock::AheadAndBelieved,
        };
        let mut decided = self.judge.decide((copy.uid, wish), seen, (walk, clock));
        if let Decided::Does(Request::Record(record, _)) = &mut decided
            && self.is(Mutant::TakenForgotten)
        {
            record.is_taken = copy.wish.record.is_taken;
        }
        if let (Decided::Does(Request::Record(record, _)), TenantLife::Active) = (&mut decided, seen.life) {
            if self.is(Mutant::CallForgottenWhenFoundActive) && record.cancelled_ago.is_none() {
                record.step = 1;
            }
            if self.is(Mutant::PeriodKeptBySuspend) && wish.policy == Policy::Suspend {
                decided = Decided::Does(Request::Suspend);
            }
        }
        decided
    }

    /// The object once more, right before the call.
    fn read_again(&self, state: &mut State, process: u8) {
        let object = state.object.clone();
        let operator = &mut state.operators[usize::from(process)];
        let uid = operator.copy.as_ref().map(|copy| copy.uid);
        let is_it = |object: &Object| Some(object.uid) == uid && object.is_leaving;
        let Some(object) = object.filter(|object| is_it(object) || self.is(Mutant::UidNotCompared)) else {
            operator.doing = Doing::Nothing;
            return;
        };
        let is_same = operator.is_current || self.is(Mutant::ObjectNotReadAgain) || self.is(Mutant::UidNotCompared);
        if !is_same {
            operator.copy = Some(object);
            operator.is_current = true;
        }
        operator.doing = Doing::Hearing(is_same);
    }

    /// The answer to that read.
    fn hear(&self, state: &mut State, (process, is_same): (u8, bool)) {
        let operator = &mut state.operators[usize::from(process)];
        match (is_same, self.is(Mutant::SlotAfterTheLook)) {
            (false, _) => operator.read_anew(),
            (true, false) => operator.doing = Doing::Sending(Request::Terminate),
            (true, true) => operator.doing = Doing::Queueing,
        }
    }

    /// The server's part, whether anybody waits for it or not. Answers whether it was done.
    pub(super) fn carried_out(&self, state: &mut State, request: Request) -> bool {
        match request {
            Request::Record(record, is_current) => {
                let is_current = is_current || self.is(Mutant::RecordNotGuarded);
                let Some(object) = state.object.as_mut().filter(|object| is_current && object.uid == UID) else {
                    return false;
                };
                if record.purge_in.is_some() && object.wish.record.purge_in.is_none() {
                    state.promised = object.wish.grace;
                }
                object.wish.record = record;
                state.changed();
            }
            Request::Suspend if state.around.life == TenantLife::Active => {
                state.around.life = TenantLife::Suspended;
            }
            Request::Activate if state.around.life == TenantLife::Suspended => {
                state.around.life = TenantLife::Active;
            }
            Request::Suspend | Request::Activate => {}
            Request::Terminate => state.around.life = TenantLife::Terminated,
            Request::Taken(is_current) => {
                let Some(object) = state.object.as_mut().filter(|object| is_current && object.uid == UID) else {
                    return false;
                };
                object.wish.record.is_taken = true;
                state.changed();
            }
            Request::Evidence(says) => {
                state.around.evidence = Some(says);
            }
            Request::Ledger(book, is_current) => {
                if is_current || self.is(Mutant::LedgerNotGuarded) {
                    state.booked(book);
                }
            }
            Request::Release(done, is_current) => {
                if !is_current || state.object.as_ref().is_none_or(|object| object.uid != UID) {
                    return false;
                }
                state.wrong = state.wrong.or(state.broken_word(done));
                state.object = None;
                state.changed();
            }
        }
        true
    }
}

/// What is wrong with accepting a confirmation.
fn unfit(copy: Option<&Object>, record: Progress) -> Option<&'static str> {
    let wish = copy?.wish;
    let fits = wish.confirm.is_some_and(|confirm| confirm.says != Says::WrongName && confirm.left.is_some());
    let is_new = wish.record.accepted.is_none() && record.accepted.is_some();
    (is_new && !fits).then_some("a confirmation was accepted that does not fit")
}

impl State {
    /// Whether a request may still be carried out.
    pub(super) fn is_under_way(&self, request: Request) -> bool {
        self.operators.iter().any(|operator| operator.doing == Doing::Waiting(request))
            || self.adrift.iter().any(|(adrift, _)| *adrift == request)
    }

    /// What is wrong with the words with which an object is let go.
    fn broken_word(&self, done: Done) -> Option<&'static str> {
        let is_gone = self.around.life == TenantLife::Terminated;
        match done {
            Done::TooLate if !self.has_called => Some("let go as too late although no call was sent"),
            Done::Ended | Done::TooLate if !is_gone => Some("let go as ended while the tenant lives"),
            Done::Alive if is_gone => Some("let go as alive although it was ended"),
            Done::Alive if self.is_under_way(Request::Terminate) => {
                Some("let go as alive while the call that ends the tenant is under way")
            }
            Done::TooLate | Done::Ended | Done::Alive | Done::Otherwise => None,
        }
    }

    /// What the process makes of the answer.
    fn learn(&mut self, process: u8, request: Request, is_done: bool) {
        let object = self.object.clone();
        let operator = &mut self.operators[usize::from(process)];
        match request {
            Request::Record(..) if !is_done => operator.doing = Doing::Nothing,
            Request::Release(..) if is_done => operator.doing = Doing::Nothing,
            Request::Release(done, _) => {
                // Somebody else's write that changes nothing of the wish does not begin the decision anew.
                let is_same = object.as_ref() == operator.copy.as_ref();
                operator.is_current = is_same;
                operator.doing = if is_same { Doing::Sending(Request::Release(done, true)) } else { Doing::Nothing };
            }
            Request::Record(..) => {
                operator.copy = object;
                operator.is_current = true;
                operator.read_anew();
                operator.walk.has_recorded = true;
            }
            Request::Terminate => {
                operator.copy = object.filter(|object| object.uid == UID);
                operator.is_current = true;
                let is_there = operator.copy.is_some();
                operator.doing = if is_there { Doing::Sending(Request::Taken(true)) } else { Doing::Nothing };
            }
            Request::Taken(_) if object.as_ref().is_none_or(|object| object.uid != UID) => {
                operator.doing = Doing::Nothing;
            }
            Request::Taken(_) => {
                operator.copy = object;
                operator.is_current = true;
                if is_done {
                    operator.read_anew();
                } else {
                    operator.doing = Doing::Sending(Request::Taken(true));
                }
            }
            Request::Suspend | Request::Activate | Request::Evidence(_) | Request::Ledger(..) => operator.read_anew(),
        }
    }
}
