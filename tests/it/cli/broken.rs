//! One connection that cannot be used is one line of the result, and never a result less.

use serde_json::{Value, json};

use super::Desk;
use super::whole::contents;
use crate::proxy::rules::{Answer, Fault, Rule};
use crate::world::World;

/// A Client of a partner that is about to be made.
fn new_client(number: usize) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": format!("new-{number}")},
        "spec": {"partnerRef": {"name": "fresh"}, "details": {"name": format!("New client {number}"), "city": "Berlin"}},
    })
}

#[test]
fn a_plan_of_300_new_clients_fits_into_a_comment_and_counts_what_is_left_out() {
    let space = World::shared().namespace("comment");
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "fresh"},
        "spec": {"connectionSecretRef": {"name": "platform"}, "details": {"name": space.tenant_name("fresh")}},
    });
    let objects = [partner].into_iter().chain((0..300).map(new_client));
    let text: Vec<String> = objects.map(|object| object.to_string()).collect();
    let ran =
        Desk::at(&space).run_with(&["plan", "-f", "-", "-n", &space.name, "-o", "markdown"], &text.join("\n---\n"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.out.len() < 60_000 && ran.out.contains("**301 to create.**"), "{}", ran.out.len());
    let shown = ran.out.matches("<details>").count();
    assert_eq!(ran.out.matches("</details>").count(), shown);
    let left = format!("**{} objects left out here** ({0} to create)", 301 - shown);
    assert!(shown > 20 && ran.out.contains(&left), "{shown}: {}", &ran.out[ran.out.len() - 400..]);
}

#[test]
fn a_partner_that_the_platform_does_not_show_costs_no_other_its_export() {
    let world = World::start("half-export", |_| {}).unwrap();
    let space = world.namespace("half");
    let made = |name: &str| {
        let path = format!("{}/msps", world.tenancy.tenant());
        let answer = world.tenancy.call("POST", &path, Some(&json!({"name": name}))).unwrap();
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let (shown, hidden) = (made("Shown"), made("Hidden"));
    let desk = Desk::at(&space);
    let connection = desk.connection(&space);
    let whole = desk.run(&["export", "--connection", &connection, "-o", "tenants"]);
    assert_eq!(whole.code, 0, "{whole:?}");
    let before = contents(&desk.folder.join("tenants"));
    let proxy = world.proxy(vec![Rule::new(
        "GET",
        &format!("/msps/{hidden}$"),
        Fault::Answer(Answer { status: 500, ..Answer::default() }),
    )]);
    let through = std::fs::read_to_string(&connection).unwrap().replace(&world.platform.credential.url, &proxy.url());
    let connection = desk.put("through.env", &through).display().to_string();
    let half = desk.run(&["export", "--connection", &connection, "-o", "tenants"]);
    assert_eq!(half.code, 1, "{half:?}");
    assert!(half.err.contains(&format!("partner {hidden} as a whole")) && !half.err.contains(&shown), "{half:?}");
    assert_eq!(contents(&desk.folder.join("tenants")), before, "what could not be read stays as it was");
    let fresh = desk.run(&["export", "--connection", &connection, "-o", "fresh"]);
    let files = contents(&desk.folder.join("fresh"));
    assert!(fresh.code == 1 && files.keys().any(|name| name == "shown/partner-shown.yaml"), "{files:?}");
}
