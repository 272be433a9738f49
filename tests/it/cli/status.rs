//! `status`: shows people what the operator last observed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use super::golden::{compare_with_golden, test_specific_names};
use super::{PluginRun, PluginRunner};
use crate::process::Result;
use crate::world::{TestNamespace, TestWorld};

/// Returns the holder of the Lease.
fn lease_holder(namespace: &TestNamespace<'_>) -> String {
    let path = "{.spec.holderIdentity}";
    namespace
        .world
        .kubectl
        .run(&["-n", "tenantry-system", "get", "lease", "tenantry-operator", "-o", &format!("jsonpath={path}")])
        .unwrap()
}

/// Masks the time of the last write.
fn mask_write_time(run: PluginRun) -> PluginRun {
    let line = |line: &str| {
        if line.starts_with("  written ") { "  written     TIME\n".to_owned() } else { format!("{line}\n") }
    };
    PluginRun { out: run.out.lines().map(line).collect(), ..run }
}

#[test]
fn one_screen_says_how_a_tenant_stands_and_a_list_how_all_do() {
    let namespace = TestWorld::shared_world().create_namespace("screen");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let own = test_specific_names(&namespace);
    let leader = lease_holder(&namespace);
    let status = |args: &[&str]| plugin.run(&[&["status", "-n", &namespace.name], args].concat());
    compare_with_golden("status/nothing-there", &status(&[]), &own);
    let defaults = json!({"timezone": "Europe/Berlin", "packages": ["EventAndIncidentManagement"]});
    // 2 x 1 pixels.
    let logo = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAC0lEQVR4nGNgAAMAAAcAAbKGrPQAAAAASUVORK5CYII=";
    namespace.apply_partner(
        "acme",
        &json!({
            "packages": ["EventAndIncidentManagement"], "clients": {"defaults": defaults},
            "branding": {"logo": {"inline": logo}},
        }),
    );
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}, "management": {"drift": "Report"}}));
    namespace.apply_client("initech", &json!({"details": {"country": "Atlantis"}}));
    let partner = namespace.wait_until_ready("partner/acme");
    let client = namespace.wait_until_ready("client/globex");
    namespace.wait_until_not_ready("client/initech", "InvalidValue");
    let tenant = namespace.client_path(&partner, &client);
    namespace.world.tenancy.change_tenant(&tenant, &json!({"city": "Munich"})).unwrap();
    namespace
        .wait_until("the drift is seen", || Ok(!namespace.get("client/globex").unwrap()["status"]["drift"].is_null()));
    namespace.wait_until("the clients are counted", || {
        let counts = namespace.get("partner/acme").unwrap()["status"]["clients"].clone();
        Ok(counts == json!({"declared": 2, "live": 1, "unmanaged": 0}))
    });
    let text = |object: &str, path: &str| {
        namespace.world.kubectl.run(&["-n", &namespace.name, "get", object, "-o", &format!("jsonpath={path}")]).unwrap()
    };
    let accounts =
        ["partner/acme", "client/globex"].map(|object| format!("(account {})", text(object, "{.status.accountId}")));
    let times = [
        text("partner/acme", "{.status.createdTime}"),
        text("client/globex", "{.status.createdTime}"),
        text("client/globex", "{.status.drift[0].since}"),
    ];
    let mut own = own;
    own.extend(accounts.iter().map(|account| (account.as_str(), "(account N)")));
    own.push((leader.as_str(), "LEADER"));
    own.extend(times.iter().map(|time| (time.as_str(), "TIME")));
    compare_with_golden("status/client", &mask_write_time(status(&["client", "globex"])), &own);
    compare_with_golden("status/refused", &mask_write_time(status(&["client/initech"])), &own);
    compare_with_golden("status/partner", &mask_write_time(status(&["acme"])), &own);
    let coloured = status(&["client/initech", "--color", "always"]).out;
    let line = |begin: &str| coloured.lines().find(|line| line.contains(begin)).unwrap();
    let (red, green) = ("\u{1b}[1m\u{1b}[31m", "\u{1b}[32m");
    assert!(line("the tenant is not as declared").contains(red), "{coloured}");
    assert!(line("the platform takes the credential").contains(green), "{coloured}");
    assert!(!status(&["client/initech"]).out.contains('\u{1b}'), "no terminal");
    let list = status(&[]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    compare_with_golden("status/list", &PluginRun { out: list.out.lines().map(words).collect(), ..list }, &own);
    let screen = status(&["globex", "-o", "json"]).json();
    assert_eq!(screen["drift"][0]["observed"], json!("\"Munich\""));
    assert_eq!(screen["uniqueId"], json!(client));
    let all = plugin.run(&["status", "-A", "-o", "json"]).json();
    let is_ours = |row: &&serde_json::Value| row["namespace"] == namespace.name.as_str();
    assert_eq!(all.as_array().unwrap().iter().filter(is_ours).count(), 3);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let namespace = TestWorld::shared_world().create_namespace("unshown");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace
        .apply_client_without_partner("twin", &json!({"partnerUniqueId": "msp_0", "management": {"mode": "Paused"}}));
    namespace.apply_partner("twin", &json!({"management": {"mode": "Paused"}}));
    for (name, args) in [
        ("no-such-object", &["status", "client/nobody"][..]),
        ("which-kind", &["status", "twin"]),
        ("no-kind-of-ours", &["status", "pod/web"]),
        ("no-cluster", &["status", "--offline"]),
        ("name-and-all", &["status", "-A", "client/twin"]),
    ] {
        compare_with_golden(
            &format!("status/{name}"),
            &plugin.run(&[args, &["-n", &namespace.name]].concat()),
            &test_specific_names(&namespace),
        );
    }
}

#[test]
fn the_few_that_are_not_ready_are_found_among_many() {
    let namespace = TestWorld::shared_world().create_namespace("few");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    for name in ["globex", "initech"] {
        namespace.apply_client(name, &json!({}));
    }
    namespace.apply_client("broken", &json!({"details": {"country": "Atlantis"}}));
    for object in ["partner/acme", "client/globex", "client/initech"] {
        namespace.wait_until_ready(object);
    }
    namespace.wait_until_not_ready("client/broken", "InvalidValue");
    namespace.kubectl(&["label", "client/globex", "client/broken", "team=a"]);
    let status = |args: &[&str]| plugin.run(&[&["status", "-n", &namespace.name], args].concat());
    let names = |args: &[&str]| -> Vec<String> {
        let rows = status(&[args, &["-o", "json"]].concat()).json();
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--not-ready"]), ["broken"]);
    assert_eq!(names(&["-l", "team=a"]), ["broken", "globex"]);
    assert_eq!(names(&["-l", "team=a", "--sort-by", "ready"]), ["broken", "globex"]);
    assert_eq!(names(&["-l", "team!=a"]), ["acme", "initech"]);
    let ran = status(&["--not-ready"]);
    assert!(ran.out.contains("1 of 4 to look at") && !ran.out.contains("globex"), "{ran:?}");
    let ran = status(&["--not-ready", "-l", "team!=a"]);
    assert!(ran.out.starts_with("all 2 are ready, nothing to look at\n"), "{ran:?}");
    let wide = status(&["-o", "wide"]).out;
    assert!(wide.lines().next().unwrap().ends_with("STATUS WRITTEN  MESSAGE") && wide.contains("Atlantis"), "{wide}");
    assert!(status(&["-o", "json"]).json()[0]["statusWritten"].is_string());
}

#[test]
fn a_watched_list_shows_an_object_again_when_it_changes() {
    let namespace = TestWorld::shared_world().create_namespace("watched");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    let mut command = plugin.command(&crate::assets::own_program("kubectl-tenantry").unwrap());
    command.args(["status", "-w", "-n", &namespace.name]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let (send, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(std::result::Result::ok).try_for_each(|line| send.send(line)));
    let mut all: Vec<String> = Vec::new();
    let mut until = |what: &str, is_so: &dyn Fn(&[String]) -> bool| {
        namespace.wait_until(what, || -> Result<bool> {
            all.extend(seen.try_iter());
            Ok(is_so(&all))
        });
    };
    until("the list is there", &|all| all.iter().any(|line| line.contains("leads in namespace")));
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"country": "Atlantis"}}}));
    until("the change is shown", &|all| all.last().unwrap().contains("InvalidValue"));
    namespace.delete("client/globex");
    until("the end is shown", &|all| all.last().unwrap().ends_with("/globex has gone"));
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(all.iter().filter(|line| line.contains("partner/acme")).count(), 1, "{all:#?}");
}
