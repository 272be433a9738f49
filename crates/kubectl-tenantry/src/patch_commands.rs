//! Verbs that patch an object of the cluster; the operator does the rest.
//!
//! Each verb sends a merge patch of the few fields that it is about, on the object as it was read, under its own field
//! manager. Fields that a manifest in Git does not set therefore survive the next apply. If Git sets one of them, the
//! verb prints a warning.

pub(crate) mod adopt;
pub(crate) mod approve;
pub(crate) mod pause;
pub(crate) mod reconcile;
pub(crate) mod resume;
pub(crate) mod suspend;

use kube::ResourceExt as _;
use serde_json::Value;
use tenantry_core::object::{TenantResource, active_pause};

use super::failure::Failure;
use super::inventory::object_label;
use super::object_arg::{AnyObject, object_argument};
use super::optimistic_patch::{DryRun, WriteOutcome, WriteTarget, merge_patch_with_retry};
use super::prompt;
use super::{CommandResult, ExitKind, output};

/// A change of an object by a verb.
pub(crate) trait ObjectPatch {
    /// Returns the paths of the fields that it writes.
    fn written_fields(&self) -> &'static [&'static str];

    /// Returns the patch, or `None` if the object already has these values.
    ///
    /// # Errors
    /// Fails if the change makes no sense for this object.
    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure>;

    /// Returns the message for a patched object.
    fn done_message(&self, named: &str) -> String;

    /// Returns the message for an object that needs no change.
    fn unchanged_message(&self) -> String;

    /// Returns the message about what happens next.
    fn next_step_message<K: TenantResource>(&self, object: &K) -> String;
}

/// Patches all objects. A refusal of one does not stop the others.
pub(crate) async fn patch_objects(
    patch: &impl ObjectPatch,
    objects: &[AnyObject],
    target: WriteTarget<'_>,
) -> CommandResult {
    let mut failures = Vec::new();
    for object in objects {
        let done = match object {
            AnyObject::Partner(partner) => patch_object(patch, partner.as_ref(), target).await,
            AnyObject::Client(client) => patch_object(patch, client.as_ref(), target).await,
        };
        failures.extend(done.err());
    }
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

/// Patches one object. Returns whether anything was written.
pub(crate) async fn patch_object<K: TenantResource>(
    patch: &impl ObjectPatch,
    object: &K,
    target: WriteTarget<'_>,
) -> Result<bool, Failure> {
    let written = match merge_patch_with_retry(object, target, |object| patch.merge_patch(object)).await? {
        WriteOutcome::Applied(written) => written,
        WriteOutcome::Unchanged => {
            output::print_note(&format!("{}: {}", object_label(object), patch.unchanged_message()));
            return Ok(false);
        }
        WriteOutcome::Gone => {
            return Err(Failure::new("it has gone meanwhile: nothing is written").about(object_label(object)));
        }
    };
    output::print(&format!("{}{}\n", patch.done_message(&object_label(object)), target.dry_run.suffix()))?;
    for owner in other_field_owners(written.as_ref(), patch.written_fields()) {
        output::print_note(&format!("{}: {owner}", object_label(object)));
    }
    // A dry run has no next step.
    if target.dry_run == DryRun::None {
        output::print_note(&format!("{}: {}", object_label(object), patch.next_step_message(written.as_ref())));
    }
    Ok(true)
}

/// Returns the other field managers that own one of the written fields and would restore their value.
fn other_field_owners<K: TenantResource>(object: &K, fields: &[&str]) -> Vec<String> {
    let mut sentences = Vec::new();
    for entry in object.managed_fields() {
        let manager = entry.manager.as_deref().unwrap_or_default();
        // Nobody restores a value that a person typed once.
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

/// Describes the pause that keeps the operator from acting on an edit, if there is one.
pub(crate) fn pause_notice<K: TenantResource>(object: &K) -> Option<String> {
    let pause = active_pause(object, tenantry_runtime::clock::now())?;
    let when = pause.ends_at().map_or_else(|| "it is resumed".to_owned(), |end| end.to_string());
    Some(format!("the object is paused, so nothing is written until {when}"))
}

/// Names the command that shows the progress.
pub(crate) fn status_hint<K: TenantResource>(object: &K) -> String {
    format!("see with `kubectl tenantry status {}`", object_argument(object))
}

/// Asks for `yes` on a terminal.
///
/// # Errors
/// Fails on another answer, or if there is no terminal.
pub(crate) fn confirm_at_terminal(question: &str) -> Result<(), Failure> {
    let Some(mut person) = prompt::terminal_prompt() else {
        return Err(Failure::new("this asks a person, and there is no terminal: say `--yes`"));
    };
    person.require_answer(&format!("{question} Type `yes` to go on: "), "yes", "that was not `yes`: nothing is written")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenantry_api::TenantClient;

    use super::*;
    use crate::optimistic_patch::fake_api_server::client_manifest;

    #[test]
    fn who_owns_a_field_that_is_written_is_named_and_a_person_is_not() {
        let mode = json!({"f:spec": {"f:management": {"f:mode": {}}}});
        let entry = |manager: &str, fields: &Value| json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields});
        let mut object = client_manifest("1", &[]);
        object["metadata"]["managedFields"] = json!([
            entry("kustomize-controller", &mode),
            entry("kubectl-edit", &mode),
            entry("argocd-controller", &json!({"f:spec": {"f:details": {}}})),
        ]);
        let object: TenantClient = serde_json::from_value(object).unwrap();
        let fields = ["spec.management.mode", "spec.management.pausedUntil"];
        assert_eq!(
            other_field_owners(&object, &fields),
            [
                "`kustomize-controller` owns `spec.management.mode` and puts it back when it applies again: make the same change in Git"
            ]
        );
        assert!(other_field_owners(&object, &["spec.tenantState"]).is_empty());
    }
}
