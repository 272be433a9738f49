//! Calls the real `identify_tenant` for the tenants of the model, and `next_deletion_step` for an object that is being
//! deleted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use tenantry_api::{DeletionPolicy, Reason, TerminationStatus};
use tenantry_wire::Mark;

use super::{ModelObject, ModelTenant, PlatformModel};
use crate::{
    ContainerDeletion, DeletionContext, DeletionIntent, DeletionPass, DeletionRules, DeletionStep, LifecycleState,
    ObservedMark, ObservedTenant, PartnerClients, TenantCandidate, TenantKind, TenantMatch, TenantNames,
    TerminationLimits, identify_tenant, next_deletion_step, short_mark,
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum ModelIdentity {
    NotFound,
    Owned(u8),
    Reattach(u8),
    Ambiguous,
    NameTaken,
}

/// Step for an object that is being deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LeavingStep {
    Release,
    Identify,
    Hold,
}

type IdentityQuestion = (u8, Vec<u8>, Vec<(u8, u8)>);

/// Calls the real functions once for each question.
#[derive(Default)]
pub(super) struct IdentityOracle(RefCell<BTreeMap<IdentityQuestion, ModelIdentity>>);

fn mark(uid: u8) -> Mark {
    format!("c1/Client/ns/globex/u{uid}").parse().unwrap()
}

fn tenant_name(name: u8) -> String {
    format!("name {name}")
}

impl IdentityOracle {
    /// Searches for the tenant of an object: by its name, by the name that was sent, and by mark if lists show marks.
    pub(super) fn identify_object(
        &self,
        object: &ModelObject,
        names: &[u8],
        platform: PlatformModel,
        tenants: &[ModelTenant],
    ) -> ModelIdentity {
        let asked = (object.uid, names.to_vec(), tenants.iter().map(|tenant| (tenant.uid, tenant.name)).collect());
        *self.0.borrow_mut().entry(asked).or_insert_with(|| {
            let is_candidate =
                |tenant: &ModelTenant| platform == PlatformModel::Extended || names.contains(&tenant.name);
            let candidates: Vec<TenantCandidate> = (0_u8..)
                .zip(tenants)
                .filter(|(_, tenant)| is_candidate(tenant))
                .map(|(id, tenant)| TenantCandidate {
                    unique_id: id.to_string(),
                    name: tenant_name(tenant.name),
                    mark: match platform {
                        PlatformModel::Extended => ObservedMark::Full(mark(tenant.uid)),
                        PlatformModel::Documented => ObservedMark::Short(short_mark(&mark(tenant.uid))),
                    },
                })
                .collect();
            let names: Vec<String> = names.iter().copied().map(tenant_name).collect();
            let mut names = names.iter().map(String::as_str);
            // The name declared now comes first.
            let names = TenantNames { declared: names.next().unwrap_or_default(), sent: names.next() };
            match identify_tenant(&mark(object.uid), names, &candidates) {
                TenantMatch::NotFound => ModelIdentity::NotFound,
                TenantMatch::Owned(id) => ModelIdentity::Owned(id.parse().unwrap()),
                TenantMatch::Reattach(id) => ModelIdentity::Reattach(id.parse().unwrap()),
                TenantMatch::Ambiguous(_) => ModelIdentity::Ambiguous,
                TenantMatch::NameTaken(_) => ModelIdentity::NameTaken,
            }
        })
    }
}

/// Decides the step for an object that is being deleted and whose tenant was never recorded.
pub(super) fn decide_leaving(identity: ModelIdentity, is_under_way: bool) -> LeavingStep {
    let tenant = match identity {
        ModelIdentity::Owned(id) => crate::DeletionTarget::Found(Box::new(observed_tenant(id))),
        ModelIdentity::NotFound | ModelIdentity::Reattach(_) if is_under_way => crate::DeletionTarget::Unreachable(
            Reason::InProgress,
            "an earlier create may still be on its way".to_owned(),
        ),
        ModelIdentity::NotFound | ModelIdentity::Reattach(_) | ModelIdentity::NameTaken => crate::DeletionTarget::None,
        ModelIdentity::Ambiguous => crate::DeletionTarget::Ambiguous(String::new()),
    };
    let deletion_context = DeletionContext {
        tenant,
        children: PartnerClients { active_tenants: Some(Vec::new()), ..PartnerClients::default() },
        ..DeletionContext::new(ContainerDeletion::NotDeleting)
    };
    let intent = DeletionIntent {
        kind: TenantKind::Client,
        object: "ns/globex",
        policy: DeletionPolicy::Terminate,
        grace_seconds: None,
        confirm: None,
        uid: "u",
        abandon: None,
        unique_id: None,
        mark: &mark(0),
        record: &TerminationStatus::default(),
        has_adoption_id: false,
        is_paused: false,
        rules: DeletionRules { request_timeout: super::TICK, limits: TerminationLimits { partners: 1, clients: 1 } },
        pass: DeletionPass { started_at: Timestamp::UNIX_EPOCH, has_recorded: false },
    };
    match next_deletion_step(&intent, &deletion_context, Timestamp::UNIX_EPOCH) {
        DeletionStep::Release(_) => LeavingStep::Release,
        DeletionStep::RecordTenantId(_) => LeavingStep::Identify,
        DeletionStep::Hold(_) => LeavingStep::Hold,
        other => panic!("{other:?}"),
    }
}

fn observed_tenant(id: u8) -> ObservedTenant {
    ObservedTenant {
        unique_id: id.to_string(),
        served_images: BTreeMap::new(),
        account_id: None,
        name: String::new(),
        lifecycle: LifecycleState::Active,
        mark: ObservedMark::None,
        values: BTreeMap::new(),
        created: None,
        updated: None,
        revision: None,
        url: None,
        api_endpoint: None,
        unknown: crate::UnknownAnswers::default(),
    }
}
