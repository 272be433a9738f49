//! Shows a person the impact before the consent: what is erased, what is kept, and what blocks the termination.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kube::ResourceExt as _;
use serde_json::Value as Json;
use tenantry_api::TenantClient;
use tenantry_core::object::{
    NotUnderstoodObject, ParentRef, TenantResource, namespace, namespaced_name, uid, unique_id,
};
use tenantry_core::{LifecycleState, ObservedMark, ObservedTenant, Place, TenantKind, evidence_settings};

use crate::cluster::Cluster;
use crate::connection::ConnectionFlags;
use crate::failure::Failure;
use crate::inventory::object_label;
use crate::object_arg::list_objects;
use crate::object_platform::{ObjectPlatform, platform_failure, resolve_object_platform};
use crate::output::strip_control_chars;

/// Default grace period in seconds: one day.
const DEFAULT_GRACE_SECONDS: i64 = 86_400;
/// Longest list of names in one sentence.
const MAX_NAMES: usize = 5;

/// The tenant that would be terminated.
pub(super) struct TerminationImpact {
    /// Its current state, with its branding.
    pub(super) observed: ObservedTenant,
    host: String,
    impact: Option<BTreeMap<String, i64>>,
    /// Tenants under it that are not terminated. They must be terminated first.
    children: Vec<String>,
}

/// Reads the tenant of an object.
///
/// # Errors
/// Fails if there is no tenant, if it is gone or belongs to another owner, or if the platform does not answer.
pub(super) async fn read_impact<K: TenantResource>(
    object: &K,
    flags: &ConnectionFlags,
    cluster: &Cluster,
) -> Result<TerminationImpact, Failure> {
    let refused = |message: String| Failure::new(message).about(object_label(object));
    let Some(id) = unique_id(object) else {
        return Err(refused(
            "it has no tenant on the platform, so there is nothing to end: `kubectl delete` it".to_owned(),
        ));
    };
    let ObjectPlatform { platform, place } = resolve_object_platform(object, flags, cluster).await?;
    let unanswered = |error: &tenantry_client::CallError| platform_failure(object, error);
    let observed = platform.read_tenant(&place, id, true).await.map_err(|error| unanswered(&error))?;
    let Some(observed) = observed.filter(|observed| observed.lifecycle != LifecycleState::Terminated) else {
        return Err(refused(format!(
            "tenant `{id}` is on the platform no more, so there is nothing to end: `kubectl delete` it"
        )));
    };
    if let ObservedMark::Full(mark) = &observed.mark
        && mark.uid != uid(object)
    {
        return Err(refused(format!(
            "tenant `{id}` carries the mark of another owner, `{mark}`, and only that one can end it"
        )));
    }
    let impact = platform.read_impact(id).await.map_err(|error| unanswered(&error))?;
    let mut children = Vec::new();
    if K::KIND == TenantKind::Partner {
        let under = Place::Clients { msp: id.to_owned() };
        let active_children = platform.list_children(&under).await.map_err(|error| unanswered(&error))?;
        children.extend(active_children.display_names().map(|name| format!("client `{name}`")));
        let own = (namespace(object), object.name_any());
        let objects = list_objects::<TenantClient>(cluster, None).await?;
        let names_it = |client: &&TenantClient| matches!(client.parent(), ParentRef::Object(namespace, name) if (&namespace, &name) == (&own.0, &own.1));
        children.extend(
            objects
                .understood
                .iter()
                .filter(names_it)
                .map(|client| format!("object `{}`", self::namespaced_name(client))),
        );
        let may_name_it = |client: &&NotUnderstoodObject| match client.parent(TenantKind::Client) {
            Some(ParentRef::Object(namespace, name)) => (&namespace, &name) == (&own.0, &own.1),
            Some(ParentRef::Provider | ParentRef::Id(_)) => false,
            None => true,
        };
        let others = objects.not_understood.iter().filter(may_name_it);
        children.extend(others.map(|client| format!("object `{}`, which is not understood", client.namespaced_name())));
    }
    Ok(TerminationImpact { observed, host: platform.host(), impact, children })
}

impl TerminationImpact {
    /// Renders the impact as text for a person.
    pub(super) fn text<K: TenantResource>(&self, object: &K, grace_seconds: Option<i64>) -> String {
        let Self { observed, host, impact, children } = self;
        let asked = object.deletion().and_then(|deletion| deletion.grace_period_seconds);
        let mut text = format!(
            "{} is tenant `{}` ({}) on {host}, {}.\n",
            object_label(object),
            observed.name,
            observed.unique_id,
            life_label(observed.lifecycle)
        );
        match impact {
            None => {
                text.push_str(
                    "\nIts end erases for ever all that the tenant holds; this platform does not count it.\n",
                );
            }
            Some(impact) => {
                text.push_str("\nIts end erases for ever the tenant with all its settings, and:\n");
                let counted = impact.iter().filter(|(_, count)| **count > 0);
                for (what, count) in counted {
                    let _ = writeln!(text, "  {count:>7}  {what}");
                }
                if impact.values().all(|count| *count == 0) {
                    text.push_str("        nothing else that this platform counts\n");
                }
            }
        }
        self.write_kept_evidence(&mut text, uid(object).as_str());
        let _ =
            writeln!(text, "\nFirst it is suspended, and {} it is erased.", grace_period_text(grace_seconds.or(asked)));
        if !children.is_empty() {
            let more = children.len().saturating_sub(MAX_NAMES);
            let first = children.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = writeln!(text, "The end waits until nothing is left under it: {first}{more}.");
        }
        // Names come from the platform, so control characters are removed.
        text.split('\n').map(strip_control_chars).collect::<Vec<_>>().join("\n")
    }

    fn write_kept_evidence(&self, text: &mut String, uid: &str) {
        let (settings, hidden) = evidence_settings(&self.observed);
        let _ = writeln!(
            text,
            "\nKept as evidence, in ConfigMap `terminated-{uid}` of the operator's namespace: your consent and who gave it, these counts, the times, and the settings:"
        );
        for (path, value) in &settings {
            if !is_empty(value) {
                let _ = writeln!(text, "  {path}: {value}");
            }
        }
        if !hidden.is_empty() {
            let _ = writeln!(text, "Not kept, since the platform never shows them: {}", hidden.join(", "));
        }
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(entries) => entries.is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

const fn life_label(lifecycle: LifecycleState) -> &'static str {
    match lifecycle {
        LifecycleState::Active => "in service",
        LifecycleState::Suspended => "suspended",
        LifecycleState::Inactive => "not in service",
        LifecycleState::Terminated => "ended",
        LifecycleState::Unknown => "in a state that this release does not know",
    }
}

/// Describes when a grace period ends.
pub(super) fn grace_period_text(seconds: Option<i64>) -> String {
    let seconds = seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
    let (count, unit) = match seconds {
        0 => return "at once".to_owned(),
        days if days % 86_400 == 0 => (days / 86_400, "day"),
        hours if hours % 3600 == 0 => (hours / 3600, "hour"),
        minutes if minutes % 60 == 0 => (minutes / 60, "minute"),
        seconds => (seconds, "second"),
    };
    format!("{count} {unit}{} later", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use tenantry_core::{Field, ObservedValue, Value};

    use super::*;

    fn render_impact(impact: Option<&[(&str, i64)]>) -> String {
        let observed = ObservedTenant {
            unique_id: "client_93".to_owned(),
            served_images: BTreeMap::new(),
            account_id: None,
            name: "Globex\u{1b}[2J".to_owned(),
            lifecycle: LifecycleState::Suspended,
            mark: ObservedMark::None,
            values: BTreeMap::from([
                (Field::City, ObservedValue::Value(Value::text("Berlin"))),
                (Field::DuoSecretKey, ObservedValue::Value(Value::text("hush"))),
            ]),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown: tenantry_core::UnknownAnswers::default(),
        };
        let impact = impact.map(|impact| impact.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect());
        let seen =
            TerminationImpact { observed, host: "api.platform.example".to_owned(), impact, children: Vec::new() };
        let object: TenantClient = serde_json::from_value(serde_json::json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex", "namespace": "acme", "uid": "1"},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}},
        }))
        .unwrap();
        seen.text(&object, Some(0))
    }

    #[test]
    fn what_goes_is_counted_or_said_to_be_uncounted_and_no_secret_is_shown() {
        let counted = render_impact(Some(&[("users", 12), ("tickets", 0)]));
        assert!(counted.contains("and:\n       12  users\n\nKept"), "{counted}");
        assert!(
            counted.contains("  details.city: \"Berlin\"\nNot kept, since the platform never shows them: security"),
            "{counted}"
        );
        assert!(!counted.contains("hush") && !counted.contains('\u{1b}'), "{counted}");
        assert!(render_impact(Some(&[("users", 0)])).contains("nothing else that this platform counts"));
        let uncounted = render_impact(None);
        assert!(uncounted.contains("this platform does not count it"), "{uncounted}");
        assert!(uncounted.contains("First it is suspended, and at once it is erased."), "{uncounted}");
    }

    #[test]
    fn a_grace_period_is_said_in_its_largest_unit() {
        for (seconds, text) in [
            (None, "1 day later"),
            (Some(604_800), "7 days later"),
            (Some(5400), "90 minutes later"),
            (Some(61), "61 seconds later"),
        ] {
            assert_eq!(grace_period_text(seconds), text);
        }
    }
}
