//! What a plan says about one object, in the form that programs read.

use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::ground::Subject;
use crate::cli::reach::is_of_connection;
use crate::object::is_deleting;
use crate::object::{Object, namespace};
use crate::plan::{Change, Desired, Difference, Observed, Outcome, Plan, Risk, Step, Value};

/// What happens to an object's tenant.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
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

impl Action {
    /// The word in a summary.
    pub(super) const fn words(self) -> &'static str {
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
pub(super) struct Setting {
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
pub(super) struct Request {
    /// What is asked for.
    pub(super) step: &'static str,
    /// Settings that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<Setting>,
}

/// What a plan says about one object.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
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
    pub(super) action: Action,
    /// Requests in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<Request>,
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

impl Row {
    /// A row about an object of which nothing is to be done.
    pub(super) fn of<K: Object>(subject: &Subject<K>) -> Self {
        let object = &subject.object;
        Self {
            kind: K::KIND.name(),
            namespace: namespace(object),
            name: kube::ResourceExt::name_any(object),
            source: subject.spot("").map(|spot| spot.to_string()),
            tenant_name: object.declared_name().to_owned(),
            unique_id: crate::object::unique_id(object).map(str::to_owned),
            action: if is_deleting(object) { Action::End } else { Action::Nothing },
            requests: Vec::new(),
            approved_plan: None,
            reason: None,
            message: None,
            notes: Vec::new(),
        }
    }

    /// The row of an object that cannot be as declared, or not yet.
    pub(super) fn stopped(mut self, outcome: Outcome) -> Self {
        let (action, reason, message) = match outcome {
            Outcome::Unresolved(reason, message)
            | Outcome::Unauthorised(reason, message)
            | Outcome::Refused(reason, message)
            | Outcome::Failed(reason, message) => {
                let action = if is_of_connection(reason) { Action::Unknown } else { Action::Refuse };
                (action, Some(reason.name()), Some(message))
            }
            Outcome::Held(reason, message) | Outcome::Ending(reason, message) | Outcome::Leaving(reason, message) => {
                (Action::End, Some(reason.name()), Some(message))
            }
            Outcome::Paused(_) => {
                (Action::Nothing, Some("Paused"), Some("the object is paused: nothing is done".to_owned()))
            }
            Outcome::Settled(_) | Outcome::Awaiting(_) => (Action::Nothing, None, None),
        };
        (self.action, self.reason, self.message) = (action, reason, message);
        self
    }

    /// The row of an object that the API server or the platform will refuse.
    pub(super) fn refused(self, reason: &'static str, message: String) -> Self {
        let (action, reason, message) = (Action::Refuse, Some(reason), Some(message));
        Self { action, reason, message, requests: Vec::new(), approved_plan: None, ..self }
    }

    /// The row of an object whose platform could not be asked.
    pub(super) fn unknown(self, reason: Option<&'static str>, message: String) -> Self {
        Self { action: Action::Unknown, reason, message: Some(message), ..self }
    }

    /// What the steps do, in one word.
    pub(super) fn acts(&mut self, plan: &Plan, is_adopted: bool) {
        let has = |wanted: fn(&Step) -> bool| plan.steps.iter().any(wanted);
        self.action = match () {
            () if has(|step| matches!(step, Step::Create(_))) => Action::Create,
            () if has(|step| matches!(step, Step::Update(_) | Step::Brand(_))) => Action::Change,
            () if has(|step| *step == Step::Suspend) => Action::Suspend,
            () if has(|step| *step == Step::Activate) => Action::Activate,
            () if is_adopted => Action::TakeOver,
            () if has(|step| *step == Step::Mark) => Action::Mark,
            () => Action::Nothing,
        };
    }
}

/// The steps of a plan as requests.
pub(super) fn requests(plan: &Plan, desired: &Desired, observed: Option<&Observed>) -> Vec<Request> {
    let request = |step: &Step| {
        let (step, changes): (_, &[Change]) = match step {
            Step::Create(changes) => ("create", changes),
            Step::Mark => ("mark", &[]),
            Step::Activate => ("activate", &[]),
            Step::Update(changes) => ("update", changes),
            Step::Brand(changes) => ("brand", changes),
            Step::Suspend => ("suspend", &[]),
        };
        let settings = changes.iter().map(|change| setting(change, plan, (desired, observed))).collect();
        Request { step, settings }
    };
    plan.steps.iter().map(request).collect()
}

fn setting(change: &Change, plan: &Plan, (desired, observed): (&Desired, Option<&Observed>)) -> Setting {
    let Change { field, to } = change;
    let risk = plan.differences.iter().find(|difference| difference.field == *field).map(Difference::risk);
    let is_new = observed.is_none();
    let origin = desired.effective.values.get(field).map(|(_, origin)| origin.name());
    Setting {
        path: field.path(),
        from: observed.and_then(|observed| observed.value(*field)).map(json),
        to: json(to),
        source: origin.unwrap_or_default(),
        risk: match risk {
            // A tenant that is new interrupts nobody.
            Some(Risk::Disruptive) if !is_new => "disruptive",
            Some(Risk::Disruptive | Risk::Quiet) | None => "quiet",
        },
    }
}

fn json(value: &Value) -> Json {
    if let Value::Secret(_) = value {
        // Without the object's UID its digest has no salt, and a plan goes into public comments.
        return Json::from("(secret)");
    }
    serde_json::from_str(&value.json()).unwrap_or_default()
}
