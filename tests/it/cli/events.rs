//! `events` and `logs`.

use serde_json::json;

use super::PluginRunner;
use crate::world::TestWorld;

#[test]
fn events_of_one_object_or_of_all_are_shown_with_what_they_say() {
    let namespace = TestWorld::shared_world().create_namespace("told");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"details": {"country": "Atlantis"}}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_not_ready("client/globex", "InvalidValue");
    namespace.wait_until("both were told of", || {
        Ok(namespace.event_reasons("acme").len() + namespace.event_reasons("globex").len() == 2)
    });
    let events = |args: &[&str]| plugin.run(&[&["events", "-n", &namespace.name], args].concat());
    let all = events(&["-o", "json"]).json();
    let reasons: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"Created") && reasons.contains(&"InvalidValue"), "{all}");
    let ran = events(&["client/globex"]);
    let line = ran.out.lines().nth(1).unwrap();
    assert!(line.contains("Warning  InvalidValue  client/globex") && line.contains("Atlantis"), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert_eq!(events(&["--warnings"]).out.lines().count(), 2);
    let ran = events(&["partner/acme", "--warnings"]);
    assert!(ran.code == 0 && ran.out.is_empty() && ran.err.contains("there are no such events"), "{ran:?}");
    // No Pod runs in this cluster, so the error names the namespace that was searched.
    let run = plugin.run(&["logs", "client/globex", "-n", &namespace.name]);
    let said = "no Pod with the label `app.kubernetes.io/component=operator` is in namespace `tenantry-system`";
    assert!(run.code == 1 && run.err.contains(said), "{run:?}");
}
