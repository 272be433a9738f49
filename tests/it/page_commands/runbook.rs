//! Runs the runbook entry by entry, with an object in the state that each entry is about.

use serde_json::{Value, json};

use super::PageConsole;
use super::page_runs::{RELEASE, RUNBOOK};
use crate::assets;
use crate::chart::Helm;
use crate::cli::PluginRunner;
use crate::console;
use crate::controlplane::ControlPlaneOptions;
use crate::programs::{OperatorOptions, PlatformOptions};
use crate::world::{TestNamespace, TestServers, TestWorld};

/// The client that `client/NAME` means in an entry; `globex` in all others.
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

/// Starts a cluster with the chart, and an operator as in its Deployment. The admission policies are off, so that an
/// object that waits for a consent can be deleted.
fn start_world() -> TestWorld {
    let servers = TestServers::start("runbook", (ControlPlaneOptions::default(), &PlatformOptions::default())).unwrap();
    let admin = servers.control_plane.kubeconfig("admin");
    let chart = assets::root().join("charts/tenantry");
    RELEASE.install_chart(&Helm::on_cluster(&admin, "runbook"), &chart, &servers, &["policies.install=false"]);
    let operator = RELEASE.start_deployed_operator("runbook", &servers.control_plane, &servers.kubectl).unwrap();
    let options = OperatorOptions::new(&admin, servers.platform.host());
    servers.into_world(operator, options)
}

fn status_at(namespace: &TestNamespace<'_>, client: &str, pointer: &str) -> Value {
    let object = namespace.get(&format!("client/{client}")).unwrap_or_default();
    object["status"].pointer(pointer).cloned().unwrap_or_default()
}

fn wait_for_status(namespace: &TestNamespace<'_>, client: &str, pointer: &str) {
    namespace.wait_until(&format!("{client} has {pointer}"), || Ok(!status_at(namespace, client, pointer).is_null()));
}

/// Deletes a client with consent and a grace period.
fn delete_with_consent(namespace: &TestNamespace<'_>, client: &str, grace: u32) {
    let object = format!("client/{client}");
    namespace.merge_patch(&object, &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
    namespace.merge_patch(&object, &namespace.offered_confirmation(&object, grace));
    namespace.delete(&object);
}

/// Creates a partner, a client without drift, and one client in each of the states.
fn create_objects(namespace: &TestNamespace<'_>) {
    namespace.world.kubectl.run(&["create", "namespace", &namespace.name]).unwrap();
    namespace.apply_secret("platform", &namespace.credential());
    namespace.apply_partner("acme", &json!({}));
    let partner = namespace.wait_until_ready("partner/acme");
    let plain = json!({});
    let report = json!({"security": {"access": {"twoFactorAuthentication": true}}, "management": {"drift": "Report"}});
    for client in CLIENTS.map(|(_, client)| client).into_iter().chain(["globex", "former", "kept"]) {
        namespace.apply_client(client, if client == "drifting" { &report } else { &plain });
    }
    for client in CLIENTS.map(|(_, client)| client).into_iter().chain(["globex", "former", "kept"]) {
        let id = namespace.wait_until_ready(&format!("client/{client}"));
        if client == "drifting" {
            let change = json!({"twoFactorAuthentication": false});
            namespace.world.tenancy.change_tenant(&namespace.client_path(&partner, &id), &change).unwrap();
        }
    }
    wait_for_status(namespace, "drifting", "/drift/0");
    namespace.merge_patch("client/planned", &json!({"spec": {"management": {"approval": {"mode": "Manual"}}}}));
    namespace.merge_patch("client/planned", &json!({"spec": {"details": {"city": "Ulm"}}}));
    wait_for_status(namespace, "planned", "/plan/hash");
    namespace.merge_patch("client/paused", &json!({"spec": {"management": {"mode": "Paused"}}}));
    namespace.kubectl(&[
        "annotate",
        "client/elsewhere",
        "--overwrite",
        "tenantry.dev/operator=other/tenantry-operator",
    ]);
    namespace.wait_until("an event tells of it", || {
        Ok(namespace.event_reasons("elsewhere").contains(&"ManagedElsewhere".to_owned()))
    });
    delete_with_consent(namespace, "former", 0);
    namespace.wait_until_gone("client/former");
    namespace.delete("client/kept");
    namespace.wait_until_gone("client/kept");
    for client in ["held", "doubted"] {
        namespace.merge_patch(&format!("client/{client}"), &json!({"spec": {"deletion": {"policy": "Terminate"}}}));
        namespace.delete(&format!("client/{client}"));
        namespace.wait_until("it waits", || {
            Ok(namespace.condition(&format!("client/{client}"), "DeletionBlocked").is_some())
        });
    }
    for client in ["unwanted", "regretted"] {
        delete_with_consent(namespace, client, 86_400);
        wait_for_status(namespace, client, "/termination/suspendedByUs");
    }
}

/// Splits the page by headings.
fn page_entries(page: &str) -> Vec<(String, String)> {
    let mut entries = vec![(String::new(), String::new())];
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")) {
            entries.push((heading.to_owned(), String::new()));
        }
        let (_, text) = entries.last_mut().unwrap();
        text.push_str(line);
        text.push('\n');
    }
    entries.into_iter().filter(|(_, text)| !console::console_entries(text).is_empty()).collect()
}

/// Creates a console whose words mean this client.
fn console_for_client(client: &str, plugin: &PluginRunner, namespace: &TestNamespace<'_>) -> PageConsole {
    let former = namespace.world.kubectl.run(&[
        "-n",
        "tenantry-system",
        "get",
        "configmaps",
        "-l",
        "tenantry.dev/unique-id",
        "-o",
        "jsonpath={.items[0].metadata.labels.tenantry\\.dev/unique-id}",
    ]);
    let globex = status_at(namespace, "globex", "/uniqueId");
    let yes = format!(
        "--yes-i-typed '{}' --accept DataErased,NotRecoverable,UsersDeactivated",
        namespace.tenant_name(client)
    );
    let object = format!("client/{client} -n {}", namespace.name);
    PageConsole::new(&plugin.folder, namespace.world.control_plane.kubeconfig("admin"))
        // The reader answers the prompt.
        .replacing("approve client/NAME -n NAMESPACE", format!("approve {object} --yes"))
        .replacing("terminate client/NAME -n NAMESPACE", format!("terminate {object} {yes}"))
        .replacing("client/NAME -n NAMESPACE", object)
        .replacing("partner/NAME -n NAMESPACE", format!("partner/acme -n {}", namespace.name))
        .replacing("secret NAME -n NAMESPACE", format!("secret platform -n {}", namespace.name))
        .replacing("lease NAME -n NAMESPACE", "lease tenantry-operator -n tenantry-system")
        .replacing("PLATFORM.HOST", namespace.world.platform.host())
        .replacing("uniqueId=ID", format!("uniqueId={}", globex.as_str().unwrap()))
        .replacing("unique-id=ID", format!("unique-id={}", former.unwrap().trim()))
}

#[test]
fn the_person_on_call_reads_commands_that_work() {
    let mut world = start_world();
    let namespace = TestNamespace::existing(&world, "acme".to_owned());
    create_objects(&namespace);
    let plugin = PluginRunner::on_cluster_of(&namespace);
    for file in ["acme.yaml", "globex.yaml"] {
        let example = std::fs::read_to_string(assets::root().join("examples").join(file)).unwrap();
        plugin.write_file(&format!("tenants/{file}"), &example);
    }
    let mut next = None;
    let mut faults = Vec::new();
    for (entry, text) in page_entries(&RUNBOOK.text()) {
        let client = CLIENTS.iter().find(|(of, _)| *of == entry).map_or("globex", |(_, client)| client);
        let console = console_for_client(client, &plugin, &TestNamespace::existing(&world, "acme".to_owned()));
        faults.extend(console.run_page(&text, |command| {
            if command.contains("--replicas=0") {
                world.operator.process().stop().unwrap();
            } else if command.contains("--replicas=2") {
                next = Some(RELEASE.start_deployed_operator("next", &world.control_plane, &world.kubectl).unwrap());
            }
        }));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(next.is_some(), "the operator was ended and came back");
    let namespace = TestNamespace::existing(&world, "acme".to_owned());
    // Verifies what became of the approved, resumed and withdrawn objects.
    for client in ["planned", "paused"] {
        assert!(!namespace.wait_until_ready(&format!("client/{client}")).is_empty());
    }
    for client in ["unwanted", "regretted"] {
        namespace.wait_until_gone(&format!("client/{client}"));
    }
    assert_eq!(status_at(&namespace, "planned", "/plan"), Value::Null);
}
