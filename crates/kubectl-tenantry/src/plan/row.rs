//! One object of a plan, in the form that programs read.

use serde::Serialize;
use serde_json::Value as Json;
use tenantry_core::object::is_deleting;
use tenantry_core::object::{TenantResource, namespace};
use tenantry_core::{
    DesiredTenant, ObservedTenant, PassOutcome, Plan, PlanStep, Risk, SettingChange, SettingDifference, Value,
};

use crate::inventory::InventoryObject;
use crate::object_platform::is_connection_reason;

/// What happens to the tenant of an object.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlannedAction {
    /// It is created.
    Create,
    /// It is adopted without a change.
    TakeOver,
    /// Its settings are changed.
    Change,
    /// It is only activated.
    Activate,
    /// It is only suspended.
    Suspend,
    /// Only its mark is written.
    Mark,
    /// Its object is being deleted.
    End,
    /// Nothing happens until something else is done.
    Wait,
    /// Nothing happens, since the operator would refuse it.
    Refuse,
    /// Not known, since its platform could not be reached.
    Unknown,
    /// Nothing happens.
    Nothing,
}

impl PlannedAction {
    /// Returns the words of the action in a summary.
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
    /// Its path in the spec.
    pub(super) path: &'static str,
    /// The value on the platform; absent if it shows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Json>,
    /// The value that is written.
    pub(super) to: Json,
    /// Where the value is declared.
    pub(super) source: &'static str,
    /// The effect of the change on users.
    pub(super) risk: &'static str,
}

/// One request to the platform.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedRequest {
    /// The step that it belongs to.
    pub(super) step: &'static str,
    /// Settings that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<PlannedSetting>,
}

/// One object of a plan.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanRow {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    /// File and line that declare it, if a manifest does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Desired name of the tenant.
    pub(super) tenant_name: String,
    /// Id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unique_id: Option<String>,
    pub(super) action: PlannedAction,
    /// Requests in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<PlannedRequest>,
    /// The value that approves the plan in `management.approval.approvedPlan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approved_plan: Option<String>,
    /// Reason of the resulting condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// Message of the resulting condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// Notes for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

impl PlanRow {
    /// Creates the row of an object for which there is nothing to do.
    pub(super) fn from_object<K: TenantResource>(subject: &InventoryObject<K>) -> Self {
        let object = &subject.object;
        Self {
            kind: K::KIND.name(),
            namespace: namespace(object),
            name: kube::ResourceExt::name_any(object),
            source: subject.location_of("").map(|spot| spot.to_string()),
            tenant_name: object.declared_name().to_owned(),
            unique_id: tenantry_core::object::unique_id(object).map(str::to_owned),
            action: if is_deleting(object) { PlannedAction::End } else { PlannedAction::Nothing },
            requests: Vec::new(),
            approved_plan: None,
            reason: None,
            message: None,
            notes: Vec::new(),
        }
    }

    /// Sets the outcome of an object that is refused or has to wait.
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

    /// Sets the refusal of the API server or the platform.
    pub(super) fn into_refused(self, reason: &'static str, message: String) -> Self {
        let (action, reason, message) = (PlannedAction::Refuse, Some(reason), Some(message));
        Self { action, reason, message, requests: Vec::new(), approved_plan: None, ..self }
    }

    /// Marks the object as unknown, since its platform could not be reached.
    pub(super) fn into_unknown(self, reason: Option<&'static str>, message: String) -> Self {
        Self { action: PlannedAction::Unknown, reason, message: Some(message), ..self }
    }

    /// Sets the action that summarises the steps.
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

/// Converts the steps of a plan into requests.
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
        from: observed.and_then(|observed| observed.value(*field)).map(to_redacted_json),
        to: to_redacted_json(to),
        source: origin.unwrap_or_default(),
        risk: match risk {
            // A new tenant has no users who could be interrupted.
            Some(Risk::Disruptive) if !is_new => "disruptive",
            Some(Risk::Disruptive | Risk::Quiet) | None => "quiet",
        },
    }
}

fn to_redacted_json(value: &Value) -> Json {
    if let Value::Secret(_) = value {
        // Without the object's UID its digest has no salt, and a plan may be posted in public comments.
        return Json::from("(secret)");
    }
    serde_json::from_str(&value.to_json()).unwrap_or_default()
}
