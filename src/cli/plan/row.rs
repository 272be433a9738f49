//! What a plan says about one object, in the form that programs read.

use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::inventory::InventoryObject;
use crate::cli::object_platform::is_connection_reason;
use crate::object::is_deleting;
use crate::object::{TenantResource, namespace};
use crate::plan::{
    DesiredTenant, ObservedTenant, PassOutcome, Plan, PlanStep, Risk, SettingChange, SettingDifference, Value,
};

/// What happens to an object's tenant.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlannedAction {
    /// It is made.
    Create,
    /// It is taken over as it is.
    TakeOver,
    /// Its settings are changed.
    Change,
    /// It is put back in service and nothing else.
    Activate,
    /// It is stopped and nothing else.
    Suspend,
    /// Its mark is written and nothing else.
    Mark,
    /// Its object is being deleted.
    End,
    /// Nothing until something else has happened.
    Wait,
    /// Nothing, since it cannot be.
    Refuse,
    /// Not known, since its platform could not be asked.
    Unknown,
    /// Nothing.
    Nothing,
}

impl PlannedAction {
    /// The word in a summary.
    pub(super) const fn summary_words(self) -> &'static str {
        match self {
            Self::Create => "to create",
            Self::TakeOver => "to take over",
            Self::Change => "to change",
            Self::Activate => "to activate",
            Self::Suspend => "to suspend",
            Self::Mark => "to mark",
            Self::End => "being ended",
            Self::Wait => "waiting",
            Self::Refuse => "refused",
            Self::Unknown => "not looked at",
            Self::Nothing => "unchanged",
        }
    }
}

/// A setting that is written.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedSetting {
    /// Where it stands in the spec.
    pub(super) path: &'static str,
    /// What the platform shows; absent where it shows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Json>,
    /// What is written.
    pub(super) to: Json,
    /// Who says so.
    pub(super) source: &'static str,
    /// What the change does to people.
    pub(super) risk: &'static str,
}

/// One request to the platform.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedRequest {
    /// What is asked for.
    pub(super) step: &'static str,
    /// Settings that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<PlannedSetting>,
}

/// What a plan says about one object.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanRow {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    /// File and line, where a manifest declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Name that the tenant should have.
    pub(super) tenant_name: String,
    /// Id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unique_id: Option<String>,
    pub(super) action: PlannedAction,
    /// Requests in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<PlannedRequest>,
    /// What `management.approval.approvedPlan` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approved_plan: Option<String>,
    /// Reason of the condition that the object would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// Its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// What a person should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

impl PlanRow {
    /// A row about an object of which nothing is to be done.
    pub(super) fn from_object<K: TenantResource>(subject: &InventoryObject<K>) -> Self {
        let object = &subject.object;
        Self {
            kind: K::KIND.name(),
            namespace: namespace(object),
            name: kube::ResourceExt::name_any(object),
            source: subject.location_of("").map(|spot| spot.to_string()),
            tenant_name: object.declared_name().to_owned(),
            unique_id: crate::object::unique_id(object).map(str::to_owned),
            action: if is_deleting(object) { PlannedAction::End } else { PlannedAction::Nothing },
            requests: Vec::new(),
            approved_plan: None,
            reason: None,
            message: None,
            notes: Vec::new(),
        }
    }

    /// The row of an object that cannot be as declared, or not yet.
    pub(super) fn with_outcome(mut self, outcome: PassOutcome) -> Self {
        let (action, reason, message) = match outcome {
            PassOutcome::Unresolved(reason, message)
            | PassOutcome::Unauthorised(reason, message)
            | PassOutcome::Refused(reason, message)
            | PassOutcome::Failed(reason, message) => {
                let action = if is_connection_reason(reason) { PlannedAction::Unknown } else { PlannedAction::Refuse };
                (action, Some(reason.name()), Some(message))
            }
            PassOutcome::DeletionHeld(reason, message)
            | PassOutcome::Terminating(reason, message)
            | PassOutcome::Releasing(reason, message) => (PlannedAction::End, Some(reason.name()), Some(message)),
            PassOutcome::Paused(_) => {
                (PlannedAction::Nothing, Some("Paused"), Some("the object is paused: nothing is done".to_owned()))
            }
            PassOutcome::Settled(_) | PassOutcome::AwaitingApproval(_) => (PlannedAction::Nothing, None, None),
        };
        (self.action, self.reason, self.message) = (action, reason, message);
        self
    }

    /// The row of an object that the API server or the platform will refuse.
    pub(super) fn into_refused(self, reason: &'static str, message: String) -> Self {
        let (action, reason, message) = (PlannedAction::Refuse, Some(reason), Some(message));
        Self { action, reason, message, requests: Vec::new(), approved_plan: None, ..self }
    }

    /// The row of an object whose platform could not be asked.
    pub(super) fn into_unknown(self, reason: Option<&'static str>, message: String) -> Self {
        Self { action: PlannedAction::Unknown, reason, message: Some(message), ..self }
    }

    /// What the steps do, in one word.
    pub(super) fn set_action(&mut self, plan: &Plan, is_adopted: bool) {
        let has = |wanted: fn(&PlanStep) -> bool| plan.steps.iter().any(wanted);
        self.action = match () {
            () if has(|step| matches!(step, PlanStep::Create(_))) => PlannedAction::Create,
            () if has(|step| matches!(step, PlanStep::Update(_) | PlanStep::Brand(_))) => PlannedAction::Change,
            () if has(|step| *step == PlanStep::Suspend) => PlannedAction::Suspend,
            () if has(|step| *step == PlanStep::Activate) => PlannedAction::Activate,
            () if is_adopted => PlannedAction::TakeOver,
            () if has(|step| *step == PlanStep::Mark) => PlannedAction::Mark,
            () => PlannedAction::Nothing,
        };
    }
}

/// The steps of a plan as requests.
pub(super) fn planned_requests(
    plan: &Plan,
    desired: &DesiredTenant,
    observed: Option<&ObservedTenant>,
) -> Vec<PlannedRequest> {
    let request = |step: &PlanStep| {
        let (step, changes): (_, &[SettingChange]) = match step {
            PlanStep::Create(changes) => ("create", changes),
            PlanStep::Mark => ("mark", &[]),
            PlanStep::Activate => ("activate", &[]),
            PlanStep::Update(changes) => ("update", changes),
            PlanStep::Brand(changes) => ("brand", changes),
            PlanStep::Suspend => ("suspend", &[]),
        };
        let settings = changes.iter().map(|change| planned_setting(change, plan, desired, observed)).collect();
        PlannedRequest { step, settings }
    };
    plan.steps.iter().map(request).collect()
}

fn planned_setting(
    change: &SettingChange,
    plan: &Plan,
    desired: &DesiredTenant,
    observed: Option<&ObservedTenant>,
) -> PlannedSetting {
    let SettingChange { field, to } = change;
    let risk = plan.differences.iter().find(|difference| difference.field == *field).map(SettingDifference::risk);
    let is_new = observed.is_none();
    let origin = desired.effective.values.get(field).map(|(_, origin)| origin.name());
    PlannedSetting {
        path: field.path(),
        from: observed.and_then(|observed| observed.value(*field)).map(to_public_json),
        to: to_public_json(to),
        source: origin.unwrap_or_default(),
        risk: match risk {
            // A tenant that is new interrupts nobody.
            Some(Risk::Disruptive) if !is_new => "disruptive",
            Some(Risk::Disruptive | Risk::Quiet) | None => "quiet",
        },
    }
}

fn to_public_json(value: &Value) -> Json {
    if let Value::Secret(_) = value {
        // Without the object's UID its digest has no salt, and a plan goes into public comments.
        return Json::from("(secret)");
    }
    serde_json::from_str(&value.to_json()).unwrap_or_default()
}
