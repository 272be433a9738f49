//! `events` and `logs`.

use serde_json::json;

use super::PluginFolder;
use crate::world::TestWorld;

#[test]
fn events_of_one_object_or_of_all_are_shown_with_what_they_say() {
    let space = TestWorld::shared_world().create_namespace("told");
    let desk = PluginFolder::on_cluster_of(&space);
    space.apply_partner("acme", &json!({}));
    space.apply_client("globex", &json!({"details": {"country": "Atlantis"}}));
    space.wait_until_ready("partner/acme");
    space.wait_until_not_ready("client/globex", "InvalidValue");
    space.wait_until("both were told of", || {
        Ok(space.event_reasons("acme").len() + space.event_reasons("globex").len() == 2)
    });
    let events = |args: &[&str]| desk.run(&[&["events", "-n", &space.name], args].concat());
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
    let ran = desk.run(&["logs", "client/globex", "-n", &space.name]);
    let said = "no Pod with the label `app.kubernetes.io/component=operator` is in namespace `tenantry-system`";
    assert!(ran.code == 1 && ran.err.contains(said), "{ran:?}");
}
