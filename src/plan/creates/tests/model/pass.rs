//! The pass of an operator, one request a step.

use super::found::{Leaving, leaving};
use super::*;

/// What the API server or the platform says.
pub(super) enum Reply {
    Done,
    /// The object is not as it was read, or not there.
    Stale,
    Tenant(u8),
    NameTaken,
}

impl Bounds {
    /// What a process can do next by itself.
    pub(super) fn step(&self, state: &State, process: u8, all: &mut Vec<(Event, State)>) {
        let mut next = state.clone();
        let operator = &state.operators[usize::from(process)];
        if operator.has_led && !state.lease.is_of(process) && !matches!(operator.doing, Doing::Sending(_)) {
            // What it would still read changes nothing.
            return;
        }
        match operator.doing {
            Doing::Nothing => self.idle(state, process, all),
            Doing::Looking(is_anew, is_under_way) => {
                let found = self.look(state, operator);
                next.does(process, Doing::Looked(found, is_anew, is_under_way, 0));
                all.push((Event::Looks(process), next));
            }
            Doing::Looked(found, is_anew, is_under_way, ago) => {
                let ago = if self.is(Mutant::WaitJudgedAfterTheLook) { 0 } else { ago };
                let doing = self.decide(operator, (found, is_anew, is_under_way, ago), state);
                next.does(process, doing);
                next.operators[usize::from(process)].is_refused = matches!(found, Found::Taken | Found::Ambiguous);
                all.push((Event::Decides(process, found), next));
            }
            Doing::Sending(request) => {
                let holds = state.lease.is_of(process);
                let is_sent = holds || self.is(Mutant::ClaimIgnored);
                next.does(process, if is_sent { Doing::Waiting(request) } else { Doing::Nothing });
                next.wrong = (is_sent && !holds).then_some(NO_CLAIM);
                all.push((Event::Sends(process, request), next));
            }
            Doing::Waiting(request) => {
                let reply = self.carried_out(&mut next, request);
                let ended = if self.is(Mutant::WaitEndedByNewIntent) { Duration::MAX } else { NOW };
                next.learn(process, request, (&reply, ended));
                all.push((Event::Answered(process, request), next));
            }
        }
    }

    fn idle(&self, state: &State, process: u8, all: &mut Vec<(Event, State)>) {
        let operator = &state.operators[usize::from(process)];
        // Who stands by may see the object once and lag behind from then on.
        if !operator.is_current && (operator.known.is_none() || operator.has_led) {
            let mut next = state.clone();
            let operator = &mut next.operators[usize::from(process)];
            let is_gone = state.object.as_ref().map(|object| object.uid);
            if operator.known.as_ref().map(|object| object.uid) != is_gone {
                // The watch says that the former object is gone.
                operator.creates = Creates::default();
            }
            operator.known.clone_from(&state.object);
            operator.is_current = true;
            all.push((Event::WatchBrings(process), next));
        }
        let Some(known) = operator.known.as_ref().filter(|_| state.lease.is_of(process)) else { return };
        if known.id.is_some() {
            return;
        }
        let mut next = state.clone();
        let timeout = TICK * u32::from(REQUEST);
        let operator = &mut next.operators[usize::from(process)];
        operator.is_refused = false;
        let is_leaving = known.is_leaving;
        if is_leaving {
            // The end begins with the object as it is, never with a cache.
            let Some(fresh) = state.object.as_ref().filter(|fresh| fresh.uid == known.uid) else { return };
            if fresh.id.is_some() {
                return;
            }
            operator.known = Some(fresh.clone());
            operator.is_current = true;
        }
        let known = operator.known.clone().unwrap_or_else(|| known.clone());
        operator.doing = match known.intent {
            None => Doing::Sending(intent_of(&known, (state, operator.is_current), false)),
            Some(there) => {
                if !self.is(Mutant::NoWaitForCreateOfAnother) {
                    operator.creates.see(&intent_there(there), NOW, timeout);
                }
                Doing::Looking(false, is_leaving && operator.creates.is_under_way(NOW))
            }
        };
        all.push((Event::Begins(process), next));
    }

    fn look(&self, state: &State, operator: &Operator) -> Found {
        let Some(object) = &operator.known else { return Found::Free };
        if self.is(Mutant::NoLookBeforeCreate) {
            return Found::Free;
        }
        let sent = object.intent.filter(|_| !self.is(Mutant::SentNameForgotten)).map(|(_, name)| name);
        let mut names: Vec<u8> = [Some(object.name), sent].into_iter().flatten().collect();
        names.dedup();
        self.judge.look(object, (&names, self.platform), &state.tenants)
    }

    fn decide(
        &self,
        operator: &Operator,
        (found, is_anew, is_under_way, ago): (Found, bool, bool, u8),
        state: &State,
    ) -> Doing {
        let Some(object) = &operator.known else { return Doing::Nothing };
        let uid = object.uid;
        if object.is_leaving {
            let is_under_way = is_under_way && !self.is(Mutant::ReleasedWithoutWaiting);
            return match (leaving(found, is_under_way), found) {
                (Leaving::Release, _) => Doing::Sending(Request::Release { uid, is_current: operator.is_current }),
                (Leaving::Identify, Found::Ours(id)) => Doing::Sending(Request::Status { uid, id }),
                (Leaving::Identify | Leaving::Hold, _) => Doing::Nothing,
            };
        }
        match found {
            Found::Ours(id) | Found::Reattach(id) => Doing::Sending(Request::Status { uid, id }),
            Found::Ambiguous | Found::Taken => Doing::Nothing,
            Found::Free => {
                let there = object.intent.map(intent_there);
                // With this defect the intent that is there passes for one of the name that is sent.
                let sent = object.intent.filter(|_| self.is(Mutant::IntentOfAnotherName)).map(|(_, name)| name);
                let name = sent.unwrap_or(object.name).to_string();
                let create = Doing::Sending(Request::Create { uid, name: object.name });
                match operator.creates.leave(
                    there.as_ref(),
                    ("msp_1", &name),
                    NOW.saturating_sub(TICK * u32::from(ago)),
                ) {
                    _ if is_anew => create,
                    Leave::Wait => Doing::Nothing,
                    Leave::TakeOver => Doing::Sending(intent_of(object, (state, operator.is_current), true)),
                    Leave::Create => create,
                }
            }
        }
    }

    /// The server's part, whether anybody waits for it or not.
    pub(super) fn carried_out(&self, state: &mut State, request: Request) -> Reply {
        let object = state.object.as_mut();
        match request {
            Request::Intent { uid, nonce, name, is_current, .. } => {
                let is_it = |object: &&mut Object| object.uid == uid && !object.is_leaving;
                let is_current = is_current || self.is(Mutant::IntentNotGuarded);
                let Some(object) = object.filter(is_it).filter(|_| is_current) else { return Reply::Stale };
                object.intent = Some((nonce, name));
                state.changed();
                Reply::Done
            }
            Request::Create { uid, name } => {
                let is_holder = |tenant: &Tenant| tenant.uid == uid || tenant.name == name;
                let holder = (0_u8..).zip(&state.tenants).find(|(_, tenant)| is_holder(tenant));
                match holder.filter(|_| self.platform == Platform::Whole) {
                    Some((id, holder)) if holder.uid == uid => Reply::Tenant(id),
                    Some(_) => Reply::NameTaken,
                    None => {
                        state.tenants.push(Tenant { uid, name });
                        Reply::Tenant(u8::try_from(state.tenants.len() - 1).unwrap())
                    }
                }
            }
            Request::Status { uid, id } => {
                let Some(object) = object.filter(|object| object.uid == uid) else { return Reply::Stale };
                object.id = Some(id);
                state.changed();
                Reply::Done
            }
            Request::Release { uid, is_current } => {
                if !is_current || object.is_none_or(|object| object.uid != uid) {
                    return Reply::Stale;
                }
                state.object = None;
                let is_create = |request: &Request| matches!(request, Request::Create { uid: of, .. } if *of == uid);
                let waits = |one: &Operator| matches!(&one.doing, Doing::Waiting(request) if is_create(request));
                let is_lost = state.tenants.iter().any(|tenant| tenant.uid == uid)
                    || state.adrift.iter().any(|(request, _)| is_create(request))
                    || state.operators.iter().any(waits);
                state.wrong = is_lost.then_some(LOST);
                state.changed();
                Reply::Done
            }
        }
    }
}

impl State {
    fn does(&mut self, process: u8, doing: Doing) {
        self.operators[usize::from(process)].doing = doing;
    }

    /// What the process makes of the answer.
    fn learn(&mut self, process: u8, request: Request, (reply, now): (&Reply, Duration)) {
        let object = self.object.clone();
        let operator = &mut self.operators[usize::from(process)];
        operator.doing = match (request, reply) {
            (Request::Intent { nonce, is_anew, .. }, Reply::Done) => {
                operator.creates.declared(nonce.to_string(), now);
                Doing::Looking(is_anew, false)
            }
            (Request::Create { uid, .. }, Reply::Tenant(id)) => Doing::Sending(Request::Status { uid, id: *id }),
            (_, Reply::NameTaken) => {
                operator.is_refused = true;
                Doing::Nothing
            }
            (_, Reply::Done | Reply::Stale | Reply::Tenant(_)) => Doing::Nothing,
        };
        if matches!((request, reply), (Request::Intent { .. } | Request::Status { .. }, Reply::Done)) {
            operator.known = object;
            operator.is_current = true;
        }
    }
}

fn intent_there((nonce, name): (u8, u8)) -> Intent {
    Intent { name: name.to_string(), ..super::super::intent(&nonce.to_string()) }
}

/// The patch of an intent, with a nonce that nobody in the world knows.
fn intent_of(object: &Object, (state, is_current): (&State, bool), is_anew: bool) -> Request {
    let of_object = |object: &Option<Object>| object.as_ref()?.intent.map(|(nonce, _)| nonce);
    let of_request = |request: &Request| match request {
        Request::Intent { nonce, .. } => Some(*nonce),
        Request::Create { .. } | Request::Status { .. } | Request::Release { .. } => None,
    };
    let mut used = vec![of_object(&state.object), object.intent.map(|(nonce, _)| nonce)];
    used.extend(state.adrift.iter().map(|(request, _)| of_request(request)));
    for operator in &state.operators {
        used.push(of_object(&operator.known));
        used.push(operator.creates.nonce.as_ref().and_then(|nonce| nonce.parse().ok()));
        if let Doing::Sending(request) | Doing::Waiting(request) = &operator.doing {
            used.push(of_request(request));
        }
    }
    let nonce = (0..u8::MAX).find(|nonce| !used.contains(&Some(*nonce))).unwrap();
    Request::Intent { uid: object.uid, nonce, name: object.name, is_current, is_anew }
}
