//! Verbs that write to an object of the cluster, and let the operator do the rest.
//!
//! Each is a merge patch of the few fields that it is about, on the object as it was read, under a field manager of its own:
//! what a manifest in Git does not say stays with it and survives the next apply. Where Git does say it, the verb says so.

pub(crate) mod adopt;
pub(crate) mod approve;
pub(crate) mod pause;
pub(crate) mod reconcile;
pub(crate) mod resume;
pub(crate) mod suspend;

use kube::ResourceExt as _;
use serde_json::Value;

use super::ask;
use super::failure::Failure;
use super::ground::named;
use super::guarded::{DryRun, Target, Written, merge};
use super::one::{One, argument};
use super::{Ended, Exit, output};
use crate::object::{Object, pause};

/// What is done to an object.
pub(crate) trait Act {
    /// Fields that it writes, as paths of the object.
    fn fields(&self) -> &'static [&'static str];

    /// The patch; nothing where the object is so already.
    ///
    /// # Errors
    /// It makes no sense on this object.
    fn patch<K: Object>(&self, object: &K) -> Result<Option<Value>, Failure>;

    /// What was done to an object of this name.
    fn done(&self, named: &str) -> String;

    /// Why nothing is to be done.
    fn needless(&self) -> String;

    /// What comes next.
    fn follows<K: Object>(&self, object: &K) -> String;
}

/// Does the same to all objects. One that refuses it stops no other.
pub(crate) async fn on_all(act: &impl Act, objects: &[One], target: Target<'_>) -> Ended {
    let mut failures = Vec::new();
    for object in objects {
        let done = match object {
            One::Partner(partner) => on(act, partner.as_ref(), target).await,
            One::Client(client) => on(act, client.as_ref(), target).await,
        };
        failures.extend(done.err());
    }
    if failures.is_empty() { Ok(Exit::Nothing) } else { Err(failures) }
}

/// Does it to one object; whether anything was written.
pub(crate) async fn on<K: Object>(act: &impl Act, object: &K, target: Target<'_>) -> Result<bool, Failure> {
    let written = match merge(object, target, |object| act.patch(object)).await? {
        Written::On(written) => written,
        Written::Needless => {
            output::note(&format!("{}: {}", named(object), act.needless()));
            return Ok(false);
        }
        Written::Gone => {
            return Err(Failure::new("it has gone meanwhile: nothing is written").about(named(object)));
        }
    };
    output::print(&format!("{}{}\n", act.done(&named(object)), target.dry_run.suffix()))?;
    for owner in owners(written.as_ref(), act.fields()) {
        output::note(&format!("{}: {owner}", named(object)));
    }
    // After a dry run nothing follows.
    if target.dry_run == DryRun::None {
        output::note(&format!("{}: {}", named(object), act.follows(written.as_ref())));
    }
    Ok(true)
}

/// Who else owns one of the fields that were written, and puts its own value back.
fn owners<K: Object>(object: &K, fields: &[&str]) -> Vec<String> {
    let mut sentences = Vec::new();
    for entry in object.managed_fields() {
        let manager = entry.manager.as_deref().unwrap_or_default();
        // What a person typed once is not put back by anybody.
        if ["kubectl-tenantry", "kubectl-edit", "kubectl-patch", "kubectl-annotate"].contains(&manager) {
            continue;
        }
        let owns = |field: &&&str| {
            let pointer = format!("/f:{}", field.replace('.', "/f:"));
            entry.fields_v1.as_ref().is_some_and(|owned| owned.0.pointer(&pointer).is_some())
        };
        let owned: Vec<String> = fields.iter().filter(owns).map(|field| format!("`{field}`")).collect();
        if !owned.is_empty() {
            sentences.push(format!(
                "`{manager}` owns {} and puts it back when it applies again: make the same change in Git",
                owned.join(" and ")
            ));
        }
    }
    sentences
}

/// What holds the operator back from acting on an edit, if anything does.
pub(crate) fn held_back<K: Object>(object: &K) -> Option<String> {
    let pause = pause(object, crate::clock::now())?;
    let when = pause.end().map_or_else(|| "it is resumed".to_owned(), |end| end.to_string());
    Some(format!("the object is paused, so nothing is written until {when}"))
}

/// What shows how far it has come.
pub(crate) fn look<K: Object>(object: &K) -> String {
    format!("see with `kubectl tenantry status {}`", argument(object))
}

/// Asks for `yes` where a person sits at a terminal.
///
/// # Errors
/// It is another answer, or nobody is there.
pub(crate) fn consent(question: &str) -> Result<(), Failure> {
    let Some(mut person) = ask::at_the_terminal() else {
        return Err(Failure::new("this asks a person, and there is no terminal: say `--yes`"));
    };
    person.demand(&format!("{question} Type `yes` to go on: "), "yes", "that was not `yes`: nothing is written")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::TenantClient;
    use crate::cli::guarded::server::client;

    #[test]
    fn who_owns_a_field_that_is_written_is_named_and_a_person_is_not() {
        let mode = json!({"f:spec": {"f:management": {"f:mode": {}}}});
        let entry = |manager: &str, fields: &Value| json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields});
        let mut object = client("1", &[]);
        object["metadata"]["managedFields"] = json!([
            entry("kustomize-controller", &mode),
            entry("kubectl-edit", &mode),
            entry("argocd-controller", &json!({"f:spec": {"f:details": {}}})),
        ]);
        let object: TenantClient = serde_json::from_value(object).unwrap();
        let fields = ["spec.management.mode", "spec.management.pausedUntil"];
        assert_eq!(
            owners(&object, &fields),
            [
                "`kustomize-controller` owns `spec.management.mode` and puts it back when it applies again: make the same change in Git"
            ]
        );
        assert!(owners(&object, &["spec.tenantState"]).is_empty());
    }
}
