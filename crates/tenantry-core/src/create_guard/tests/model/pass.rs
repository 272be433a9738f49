//! The pass of an operator, one request per step.

use super::identification::{LeavingStep, decide_leaving};
use super::*;

/// Answer of the API server or the platform.
pub(super) enum CreateReply {
    Accepted,
    /// The object has changed since it was read, or does not exist.
    Stale,
    Tenant(u8),
    NameTaken,
}

impl CreateModel {
    /// Adds everything that a process can do next by itself.
    pub(super) fn add_process_steps(
        &self,
        state: &CreateState,
        process: u8,
        all: &mut Vec<(CreateEvent, CreateState)>,
    ) {
        let mut next = state.clone();
        let operator = &state.operators[usize::from(process)];
        if operator.has_led
            && !state.lease.is_held_by(process)
            && !matches!(operator.activity, CreateActivity::Sending(_))
        {
            // Further reads of this process have no effect.
            return;
        }
        match operator.activity {
            CreateActivity::Idle => self.add_idle_steps(state, process, all),
            CreateActivity::Looking(is_anew, is_under_way) => {
                let found = self.look_up_tenant(state, operator);
                next.set_activity(process, CreateActivity::Looked(found, is_anew, is_under_way, 0));
                all.push((CreateEvent::Looks(process), next));
            }
            CreateActivity::Looked(found, is_anew, is_under_way, ago) => {
                let ago = if self.has_mutant(CreateMutant::WaitJudgedAfterTheLook) { 0 } else { ago };
                let doing = self.decide_activity(operator, found, is_anew, is_under_way, ago, state);
                next.set_activity(process, doing);
                next.operators[usize::from(process)].is_refused =
                    matches!(found, ModelIdentity::NameTaken | ModelIdentity::Ambiguous);
                all.push((CreateEvent::Decides(process, found), next));
            }
            CreateActivity::Sending(request) => {
                let holds = state.lease.is_held_by(process);
                let is_sent = holds || self.has_mutant(CreateMutant::ClaimIgnored);
                next.set_activity(
                    process,
                    if is_sent { CreateActivity::Waiting(request) } else { CreateActivity::Idle },
                );
                next.violation = (is_sent && !holds).then_some(WRITE_WITHOUT_CLAIM);
                all.push((CreateEvent::Sends(process, request), next));
            }
            CreateActivity::Waiting(request) => {
                let reply = self.execute_call(&mut next, request);
                let ended = if self.has_mutant(CreateMutant::WaitEndedByNewIntent) { Duration::MAX } else { NOW };
                next.handle_reply(process, request, &reply, ended);
                all.push((CreateEvent::Answered(process, request), next));
            }
        }
    }

    fn add_idle_steps(&self, state: &CreateState, process: u8, all: &mut Vec<(CreateEvent, CreateState)>) {
        let operator = &state.operators[usize::from(process)];
        // A standby may see the object once and lag behind from then on.
        if !operator.is_current && (operator.known.is_none() || operator.has_led) {
            let mut next = state.clone();
            let operator = &mut next.operators[usize::from(process)];
            let is_gone = state.object.as_ref().map(|object| object.uid);
            if operator.known.as_ref().map(|object| object.uid) != is_gone {
                // The watch reports that the previous object is gone.
                operator.creates = CreateGuard::default();
            }
            operator.known.clone_from(&state.object);
            operator.is_current = true;
            all.push((CreateEvent::WatchBrings(process), next));
        }
        let Some(known) = operator.known.as_ref().filter(|_| state.lease.is_held_by(process)) else { return };
        if known.id.is_some() {
            return;
        }
        let mut next = state.clone();
        let timeout = TICK * u32::from(REQUEST_TICKS);
        let operator = &mut next.operators[usize::from(process)];
        operator.is_refused = false;
        let is_leaving = known.is_leaving;
        if is_leaving {
            // A deletion starts with a fresh read of the object, never with a cached copy.
            let Some(fresh) = state.object.as_ref().filter(|fresh| fresh.uid == known.uid) else { return };
            if fresh.id.is_some() {
                return;
            }
            operator.known = Some(fresh.clone());
            operator.is_current = true;
        }
        let known = operator.known.clone().unwrap_or_else(|| known.clone());
        operator.activity = match known.intent {
            None => CreateActivity::Sending(new_intent_call(&known, state, operator.is_current, false)),
            Some(there) => {
                if !self.has_mutant(CreateMutant::NoWaitForCreateOfAnother) {
                    operator.creates.observe_intent(&to_intent(there), NOW, timeout);
                }
                CreateActivity::Looking(false, is_leaving && operator.creates.is_create_in_flight(NOW))
            }
        };
        all.push((CreateEvent::Begins(process), next));
    }

    fn look_up_tenant(&self, state: &CreateState, operator: &CreateOperator) -> ModelIdentity {
        let Some(object) = &operator.known else { return ModelIdentity::NotFound };
        if self.has_mutant(CreateMutant::NoLookBeforeCreate) {
            return ModelIdentity::NotFound;
        }
        let sent = object.intent.filter(|_| !self.has_mutant(CreateMutant::SentNameForgotten)).map(|(_, name)| name);
        let mut names: Vec<u8> = [Some(object.name), sent].into_iter().flatten().collect();
        names.dedup();
        self.oracle.identify_object(object, &names, self.platform, &state.tenants)
    }

    fn decide_activity(
        &self,
        operator: &CreateOperator,
        identity: ModelIdentity,
        is_anew: bool,
        is_under_way: bool,
        ago: u8,
        state: &CreateState,
    ) -> CreateActivity {
        let Some(object) = &operator.known else { return CreateActivity::Idle };
        let uid = object.uid;
        if object.is_leaving {
            let is_under_way = is_under_way && !self.has_mutant(CreateMutant::ReleasedWithoutWaiting);
            return match (decide_leaving(identity, is_under_way), identity) {
                (LeavingStep::Release, _) => {
                    CreateActivity::Sending(CreateCall::Release { uid, is_current: operator.is_current })
                }
                (LeavingStep::Identify, ModelIdentity::Owned(id)) => {
                    CreateActivity::Sending(CreateCall::Status { uid, id })
                }
                (LeavingStep::Identify | LeavingStep::Hold, _) => CreateActivity::Idle,
            };
        }
        match identity {
            ModelIdentity::Owned(id) | ModelIdentity::Reattach(id) => {
                CreateActivity::Sending(CreateCall::Status { uid, id })
            }
            ModelIdentity::Ambiguous | ModelIdentity::NameTaken => CreateActivity::Idle,
            ModelIdentity::NotFound => {
                let there = object.intent.map(to_intent);
                // With this defect, the existing intent counts as one for the name that is sent.
                let sent =
                    object.intent.filter(|_| self.has_mutant(CreateMutant::IntentOfAnotherName)).map(|(_, name)| name);
                let name = sent.unwrap_or(object.name).to_string();
                let create = CreateActivity::Sending(CreateCall::Create { uid, name: object.name });
                match operator.creates.decide_create(
                    there.as_ref(),
                    ("msp_1", &name),
                    NOW.saturating_sub(TICK * u32::from(ago)),
                ) {
                    _ if is_anew => create,
                    CreateDecision::Wait => CreateActivity::Idle,
                    CreateDecision::TakeOver => {
                        CreateActivity::Sending(new_intent_call(object, state, operator.is_current, true))
                    }
                    CreateDecision::Create => create,
                }
            }
        }
    }

    /// Executes a request on the server, whether or not anybody waits for it.
    pub(super) fn execute_call(&self, state: &mut CreateState, request: CreateCall) -> CreateReply {
        let object = state.object.as_mut();
        match request {
            CreateCall::Intent { uid, nonce, name, is_current, .. } => {
                let is_it = |object: &&mut ModelObject| object.uid == uid && !object.is_leaving;
                let is_current = is_current || self.has_mutant(CreateMutant::IntentNotGuarded);
                let Some(object) = object.filter(is_it).filter(|_| is_current) else { return CreateReply::Stale };
                object.intent = Some((nonce, name));
                state.invalidate_reads();
                CreateReply::Accepted
            }
            CreateCall::Create { uid, name } => {
                let is_holder = |tenant: &ModelTenant| tenant.uid == uid || tenant.name == name;
                let holder = (0_u8..).zip(&state.tenants).find(|(_, tenant)| is_holder(tenant));
                match holder.filter(|_| self.platform == PlatformModel::Extended) {
                    Some((id, holder)) if holder.uid == uid => CreateReply::Tenant(id),
                    Some(_) => CreateReply::NameTaken,
                    None => {
                        state.tenants.push(ModelTenant { uid, name });
                        CreateReply::Tenant(u8::try_from(state.tenants.len() - 1).unwrap())
                    }
                }
            }
            CreateCall::Status { uid, id } => {
                let Some(object) = object.filter(|object| object.uid == uid) else { return CreateReply::Stale };
                object.id = Some(id);
                state.invalidate_reads();
                CreateReply::Accepted
            }
            CreateCall::Release { uid, is_current } => {
                if !is_current || object.is_none_or(|object| object.uid != uid) {
                    return CreateReply::Stale;
                }
                state.object = None;
                let is_create =
                    |request: &CreateCall| matches!(request, CreateCall::Create { uid: of, .. } if *of == uid);
                let waits = |one: &CreateOperator| matches!(&one.activity, CreateActivity::Waiting(request) if is_create(request));
                let is_lost = state.tenants.iter().any(|tenant| tenant.uid == uid)
                    || state.detached.iter().any(|(request, _)| is_create(request))
                    || state.operators.iter().any(waits);
                state.violation = is_lost.then_some(TENANT_LOST);
                state.invalidate_reads();
                CreateReply::Accepted
            }
        }
    }
}

impl CreateState {
    fn set_activity(&mut self, process: u8, activity: CreateActivity) {
        self.operators[usize::from(process)].activity = activity;
    }

    /// Handles the answer in the process.
    fn handle_reply(&mut self, process: u8, request: CreateCall, reply: &CreateReply, now: Duration) {
        let object = self.object.clone();
        let operator = &mut self.operators[usize::from(process)];
        operator.activity = match (request, reply) {
            (CreateCall::Intent { nonce, is_anew, .. }, CreateReply::Accepted) => {
                operator.creates.record_own_intent(nonce.to_string(), now);
                CreateActivity::Looking(is_anew, false)
            }
            (CreateCall::Create { uid, .. }, CreateReply::Tenant(id)) => {
                CreateActivity::Sending(CreateCall::Status { uid, id: *id })
            }
            (_, CreateReply::NameTaken) => {
                operator.is_refused = true;
                CreateActivity::Idle
            }
            (_, CreateReply::Accepted | CreateReply::Stale | CreateReply::Tenant(_)) => CreateActivity::Idle,
        };
        if matches!((request, reply), (CreateCall::Intent { .. } | CreateCall::Status { .. }, CreateReply::Accepted)) {
            operator.known = object;
            operator.is_current = true;
        }
    }
}

fn to_intent((nonce, name): (u8, u8)) -> Intent {
    Intent { name: name.to_string(), ..super::super::intent_with_nonce(&nonce.to_string()) }
}

/// Returns the patch that writes an intent, with a nonce that is new in the model.
fn new_intent_call(object: &ModelObject, state: &CreateState, is_current: bool, is_anew: bool) -> CreateCall {
    let of_object = |object: &Option<ModelObject>| object.as_ref()?.intent.map(|(nonce, _)| nonce);
    let of_request = |request: &CreateCall| match request {
        CreateCall::Intent { nonce, .. } => Some(*nonce),
        CreateCall::Create { .. } | CreateCall::Status { .. } | CreateCall::Release { .. } => None,
    };
    let mut used = vec![of_object(&state.object), object.intent.map(|(nonce, _)| nonce)];
    used.extend(state.detached.iter().map(|(request, _)| of_request(request)));
    for operator in &state.operators {
        used.push(of_object(&operator.known));
        used.push(operator.creates.nonce.as_ref().and_then(|nonce| nonce.parse().ok()));
        if let CreateActivity::Sending(request) | CreateActivity::Waiting(request) = &operator.activity {
            used.push(of_request(request));
        }
    }
    let nonce = (0..u8::MAX).find(|nonce| !used.contains(&Some(*nonce))).unwrap();
    CreateCall::Intent { uid: object.uid, nonce, name: object.name, is_current, is_anew }
}
