//! Tests of other writers to the same objects, and of edits that arrive before an earlier one is applied.

use std::time::Duration;

use serde_json::{Value, json};

use super::annotation_writer::AnnotationWriter;
use super::{FaultSite, is_tombstone, site_with_client, site_with_partner, tenant_state};
use crate::proxy::rules::{FaultRule, FaultTiming, ProxyFault};

/// About as fast as the API server accepts the writes of one writer on a busy machine.
const WRITE_INTERVAL: Duration = Duration::from_millis(15);

/// Returns the manifest of a Client with additional metadata.
fn client_manifest(site: &FaultSite<'_>, name: &str, metadata: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": site.namespace.tenant_name(name)}},
    });
    crate::world::merge_json(&mut object["metadata"], metadata);
    object
}

/// shows: faults/12
#[test]
fn an_edit_during_an_update_is_applied_too_and_no_status_is_ahead_of_the_platform() {
    let (site, partner, client) = site_with_client("overtaken", &json!({"details": {"city": "Berlin"}}));
    let update = format!("/clients/{client}$");
    site.proxy
        .set_rules(vec![FaultRule::new("POST", &update, ProxyFault::Delay(1500)).with_timing(FaultTiming::Nth(1))]);
    let asked = site.proxy.count_requests("POST", &update);
    site.namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    site.namespace.wait_until("the update is on its way", || Ok(site.proxy.count_requests("POST", &update) > asked));
    site.namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Hamburg"}}}));
    // Ready for the newest generation means that the newest city is applied.
    site.namespace.wait_until_ready("client/globex");
    assert_eq!(site.namespace.read_client_tenant(&partner, &client)["city"], "Hamburg");
    assert_eq!(site.proxy.count_requests("POST", &update) - asked, 2);
}

/// shows: faults/13
#[test]
fn finalizers_labels_and_annotations_of_others_survive_a_writer_who_never_rests() {
    let (site, partner) = site_with_partner("foreign");
    let writer = AnnotationWriter::start(&site.namespace, "globex", WRITE_INTERVAL);
    let metadata =
        json!({"finalizers": ["example.com/guard"], "labels": {"team": "blue"}, "annotations": {"note": "x"}});
    // The pass takes long enough for the other writer to write between any two of our writes.
    site.proxy.set_rules(vec![FaultRule::new("", "/api/", ProxyFault::Delay(200))]);
    site.namespace.apply(&client_manifest(&site, "globex", &metadata));
    site.namespace.wait_until_ready("client/globex");
    assert!(writer.write_count() > 3, "the other writer did not write");
    site.assert_each_once(&partner, 1);
    let object = site.namespace.get("client/globex").unwrap()["metadata"].clone();
    assert_eq!(object["finalizers"], json!(["example.com/guard", "tenantry.dev/tenant"]));
    assert_eq!((&object["labels"]["team"], &object["annotations"]["note"]), (&json!("blue"), &json!("x")));
    drop(writer);
    site.namespace.delete("client/globex");
    site.namespace.wait_until("ours alone is gone", || {
        Ok(site.namespace.get("client/globex").unwrap()["metadata"]["finalizers"] == json!(["example.com/guard"]))
    });
    site.namespace.merge_patch("client/globex", &json!({"metadata": {"finalizers": null}}));
    site.namespace.wait_until_gone("client/globex");
}

/// shows: faults/14
#[test]
fn somebody_who_keeps_editing_a_deleting_object_does_not_hold_it_up() {
    let (site, partner, client) = site_with_client("edited", &json!({"deletion": {"policy": "Suspend"}}));
    let writer = AnnotationWriter::start(&site.namespace, "globex", WRITE_INTERVAL);
    site.namespace.wait_until("the other one writes", || Ok(writer.write_count() > 5));
    site.namespace.delete("client/globex");
    site.namespace.wait_until_gone("client/globex");
    drop(writer);
    assert_eq!(tenant_state(&site, &partner, &client), "SUSPENDED");
}

/// shows: faults/14
#[test]
fn somebody_who_keeps_editing_a_deleting_object_does_not_keep_a_confirmed_end_from_coming() {
    let (site, partner, client) = site_with_client("editedend", &json!({"deletion": {"policy": "Terminate"}}));
    site.namespace.merge_patch("client/globex", &site.namespace.offered_confirmation("client/globex", 0));
    // Each deletion step is recorded with the resource version that was read.
    let writer = AnnotationWriter::start(&site.namespace, "globex", Duration::from_millis(400));
    site.namespace.wait_until("the other one writes", || Ok(writer.write_count() > 5));
    site.namespace.delete("client/globex");
    site.namespace.wait_until_gone("client/globex");
    drop(writer);
    assert!(is_tombstone(&site, &partner, &client));
    assert_eq!(site.proxy.count_requests("POST", "/terminate$"), 1);
}
