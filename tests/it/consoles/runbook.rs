//! The runbook, entry by entry, with an object in the state that each is about.

use serde_json::{Value, json};

use super::Console;
use super::pages::{RELEASE, RUNBOOK};
use crate::assets;
use crate::chart::Helm;
use crate::cli::Desk;
use crate::console;
use crate::controlplane::Options;
use crate::programs::{OperatorOptions, PlatformOptions};
use crate::world::{Ground, Space, World};

/// Who `client/NAME` is in an entry; elsewhere `globex`.
const CLIENTS: [(&str, &str); 8] = [
    ("TenantryBreakerOpen", "unwanted"),
    ("TenantrySecurityDrift", "drifting"),
    ("TenantryTerminationHeld", "held"),
    ("ManagedElsewhere", "elsewhere"),
    ("ApprovalNeeded", "planned"),
    ("ManagementPaused", "paused"),
    ("ConfirmationNeeded", "doubted"),
    ("GracePeriod", "regretted"),
];

/// A cluster with the chart, and an operator as its Deployment says. Without the policies an object can be deleted that
/// waits for a consent.
fn stage() -> World {
    let ground = Ground::start("runbook", (Options::default(), &PlatformOptions::default())).unwrap();
    let admin = ground.control_plane.kubeconfig("admin");
    let chart = assets::root().join("charts/tenantry");
    RELEASE.install(&Helm::on(&admin, "runbook"), (&chart, &ground), &["policies.install=false"]);
    let operator = RELEASE.operator("runbook", (&ground.control_plane, &ground.kubectl)).unwrap();
    let options = OperatorOptions::new(&admin, ground.platform.host());
    ground.with(operator, options)
}

fn status(space: &Space<'_>, client: &str, pointer: &str) -> Value {
    let object = space.get(&format!("client/{client}")).unwrap_or_default();
    object["status"].pointer(pointer).cloned().unwrap_or_default()
}

fn until(space: &Space<'_>, client: &str, pointer: &str) {
    space.until(&format!("{client} has {pointer}"), || Ok(!status(space, client, pointer).is_null()));
}

/// Deletes a client whose end has consent, with a grace period.
fn end(space: &Space<'_>, client: &str, grace: u32) {
    let object = format!("client/{client}");
    space.patch(&object, &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    space.patch(&object, &space.confirm(&object, grace));
    space.delete(&object);
}

/// A partner, a client that is as declared, and one in each of the states.
fn objects(space: &Space<'_>) {
    space.world.kubectl.run(&["create", "namespace", &space.name]).unwrap();
    space.secret("platform", &space.credential());
    space.partner("acme", &json!({}));
    let partner = space.ready("partner/acme");
    let plain = json!({});
    let report = json!({"security": {"access": {"twoFactorAuthentication": true}}, "management": {"drift": "Report"}});
    for client in CLIENTS.map(|(_, client)| client).into_iter().chain(["globex", "former", "kept"]) {
        space.client(client, if client == "drifting" { &report } else { &plain });
    }
    for client in CLIENTS.map(|(_, client)| client).into_iter().chain(["globex", "former", "kept"]) {
        let id = space.ready(&format!("client/{client}"));
        if client == "drifting" {
            let change = json!({"twoFactorAuthentication": false});
            space.world.tenancy.change(&space.client_path(&partner, &id), &change).unwrap();
        }
    }
    until(space, "drifting", "/drift/0");
    space.patch("client/planned", &json!({"spec": {"management": {"approval": {"mode": "Manual"}}}}));
    space.patch("client/planned", &json!({"spec": {"details": {"city": "Ulm"}}}));
    until(space, "planned", "/plan/hash");
    space.patch("client/paused", &json!({"spec": {"management": {"mode": "Paused"}}}));
    space.kubectl(&["annotate", "client/elsewhere", "--overwrite", "tenantry.dev/operator=other/tenantry-operator"]);
    space.until("an event tells of it", || Ok(space.events("elsewhere").contains(&"ManagedElsewhere".to_owned())));
    end(space, "former", 0);
    space.gone("client/former");
    space.delete("client/kept");
    space.gone("client/kept");
    for client in ["held", "doubted"] {
        space.patch(&format!("client/{client}"), &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
        space.delete(&format!("client/{client}"));
        space.until("it waits", || Ok(space.condition(&format!("client/{client}"), "DeletionBlocked").is_some()));
    }
    for client in ["unwanted", "regretted"] {
        end(space, client, 86_400);
        until(space, client, "/termination/suspendedByUs");
    }
}

/// The parts of the page below each heading, by the heading.
fn entries(page: &str) -> Vec<(String, String)> {
    let mut entries = vec![(String::new(), String::new())];
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")) {
            entries.push((heading.to_owned(), String::new()));
        }
        let (_, text) = entries.last_mut().unwrap();
        text.push_str(line);
        text.push('\n');
    }
    entries.into_iter().filter(|(_, text)| !console::entries(text).is_empty()).collect()
}

/// A console in which the page's words are about a client.
fn about(client: &str, desk: &Desk, space: &Space<'_>) -> Console {
    let former = space.world.kubectl.run(&[
        "-n",
        "tenantry-system",
        "get",
        "configmaps",
        "-l",
        "tenantry.dev/unique-id",
        "-o",
        "jsonpath={.items[0].metadata.labels.tenantry\\.dev/unique-id}",
    ]);
    let globex = status(space, "globex", "/uniqueId");
    let yes =
        format!("--yes-i-typed '{}' --accept DataErased,NotRecoverable,UsersDeactivated", space.tenant_name(client));
    let object = format!("client/{client} -n {}", space.name);
    Console::new(&desk.folder, space.world.control_plane.kubeconfig("admin"))
        // Who reads answers what is asked.
        .word("approve client/NAME -n NAMESPACE", format!("approve {object} --yes"))
        .word("terminate client/NAME -n NAMESPACE", format!("terminate {object} {yes}"))
        .word("client/NAME -n NAMESPACE", object)
        .word("partner/NAME -n NAMESPACE", format!("partner/acme -n {}", space.name))
        .word("secret NAME -n NAMESPACE", format!("secret platform -n {}", space.name))
        .word("lease NAME -n NAMESPACE", "lease tenantry-operator -n tenantry-system")
        .word("PLATFORM.HOST", space.world.platform.host())
        .word("uniqueId=ID", format!("uniqueId={}", globex.as_str().unwrap()))
        .word("unique-id=ID", format!("unique-id={}", former.unwrap().trim()))
}

#[test]
fn the_person_on_call_reads_commands_that_work() {
    let mut world = stage();
    let space = Space::at(&world, "acme".to_owned());
    objects(&space);
    let desk = Desk::at(&space);
    for file in ["acme.yaml", "globex.yaml"] {
        let example = std::fs::read_to_string(assets::root().join("examples").join(file)).unwrap();
        desk.put(&format!("tenants/{file}"), &example);
    }
    let mut next = None;
    let mut faults = Vec::new();
    for (entry, text) in entries(&RUNBOOK.text()) {
        let client = CLIENTS.iter().find(|(of, _)| *of == entry).map_or("globex", |(_, client)| client);
        let console = about(client, &desk, &Space::at(&world, "acme".to_owned()));
        faults.extend(console.play(&text, |command| {
            if command.contains("--replicas=0") {
                world.operator.process().stop().unwrap();
            } else if command.contains("--replicas=2") {
                next = Some(RELEASE.operator("next", (&world.control_plane, &world.kubectl)).unwrap());
            }
        }));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(next.is_some(), "the operator was ended and came back");
    let space = Space::at(&world, "acme".to_owned());
    // What was approved, resumed and taken back came to that.
    for client in ["planned", "paused"] {
        assert!(!space.ready(&format!("client/{client}")).is_empty());
    }
    for client in ["unwanted", "regretted"] {
        space.gone(&format!("client/{client}"));
    }
    assert_eq!(status(&space, "planned", "/plan"), Value::Null);
}
