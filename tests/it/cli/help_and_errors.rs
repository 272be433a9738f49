//! Help and errors: every verb describes itself, and every error names file, line, object and a remedy.

use super::golden::compare_with_golden;
use super::{PluginRun, PluginRunner};

const PARTNER: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: Partner\nmetadata: {name: acme, namespace: acme}\nspec:\n  details: {name: Acme}\n";

#[test]
fn every_verb_has_help() {
    let plugin = PluginRunner::without_cluster();
    compare_with_golden("help/all", &plugin.run(&["--help"]), &[]);
    let verbs = [
        "plan",
        "export",
        "unmanaged",
        "lint",
        "list",
        "status",
        "events",
        "logs",
        "check",
        "reconcile",
        "pause",
        "resume",
        "suspend",
        "activate",
        "approve",
        "adopt",
        "terminate",
        "cancel",
        "release",
        "version",
        "completion",
    ];
    for verb in verbs {
        compare_with_golden(&format!("help/{verb}"), &plugin.run(&[verb, "--help"]), &[]);
    }
}

#[test]
fn a_mistake_on_the_command_line_is_status_one() {
    let plugin = PluginRunner::without_cluster();
    for args in [&["plam"][..], &["plan", "--frobnicate"], &[], &["completion", "csh"]] {
        assert_eq!(plugin.run(args).code, 1, "{args:?}");
    }
}

#[test]
fn completions_know_the_verbs() {
    // The bash script calls the program itself; `complete` tests it.
    for shell in ["zsh", "fish", "powershell"] {
        let run = PluginRunner::without_cluster().run(&["completion", shell]);
        assert!(run.code == 0 && run.out.contains("plan") && run.out.contains("version"), "{shell}: {}", run.err);
    }
}

#[test]
fn without_a_cluster_there_is_a_version() {
    let run = PluginRunner::without_cluster().run(&["version"]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        (run.code, run.out),
        (0, format!("client: {version} (debug build)\noperator: unknown\nresources: unknown\n"))
    );
    let run = PluginRunner::without_cluster().run(&["version", "--client", "-o", "json"]);
    assert_eq!(run.json(), serde_json::json!({"client": version}));
}

#[test]
fn each_program_says_which_build_it_is() {
    let plugin = PluginRunner::without_cluster();
    for name in ["kubectl-tenantry", "tenantry-operator", "tenantry-platform"] {
        let output = plugin.command(&crate::assets::own_program(name).unwrap()).arg("--version").output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert!(stdout.ends_with(&format!(" {version} (debug build)\n")), "{name}: {stdout}");
    }
}

/// Runs `plan` on one text as a file.
fn plan_refused_text(text: &str) -> PluginRun {
    let plugin = PluginRunner::without_cluster();
    plugin.write_file("tenants.yaml", text);
    plugin.write_file("platform.env", "url=http://127.0.0.1:1\ntenantId=sp_1\nclientId=a\nclientSecret=b\n");
    plugin.run(&["plan", "-f", "tenants.yaml", "--offline", "--connection", "platform.env"])
}

#[test]
fn what_cannot_be_read_is_named_by_file_and_line() {
    for (name, text) in [
        ("not-yaml", "apiVersion: v1\nkind: [\n".to_owned()),
        ("no-kind", format!("{PARTNER}---\napiVersion: v1\nmetadata: {{name: x}}\n")),
        ("other-version", PARTNER.replace("v1alpha1", "v2")),
        ("twice", format!("{PARTNER}---\n{PARTNER}")),
        ("no-name", PARTNER.replace("name: acme, ", "")),
        ("unknown-field", format!("{PARTNER}  brandign: {{}}\n  details2: 1\n")),
        ("wrong-type", PARTNER.replace("{name: Acme}", "{name: Acme,\n    postalCode: 01067}")),
        ("wrong-choice", format!("{PARTNER}  packages:\n  - EventManagement\n")),
        ("not-base64", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\n  url: '%%'\n".to_owned()),
    ] {
        let ran = plan_refused_text(&text);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        compare_with_golden(&format!("input/{name}"), &ran, &[]);
    }
}

#[test]
fn what_is_missing_around_the_manifests_is_named() {
    let desk = PluginRunner::without_cluster();
    desk.write_file("tenants.yaml", PARTNER);
    desk.write_file("half.env", "url=http://127.0.0.1:1\n");
    desk.write_file("wrong.env", "url=http://127.0.0.1:1\ntenant=sp_1\n");
    desk.write_file("away.env", "url=http://127.0.0.1:1\ntenantId=sp_1\nclientId=a\nclientSecret=b\n");
    desk.write_file("kubeconfig", "apiVersion: v1\nkind: Config\ncurrent-context: x\n");
    let plan = |args: &[&str]| desk.run(&[&["plan"], args].concat());
    for (name, ran) in [
        ("no-file", plan(&["-f", "nowhere.yaml", "--offline"])),
        ("nothing-named", plan(&[])),
        ("no-connection", plan(&["-f", "tenants.yaml"])),
        ("half-connection", plan(&["-f", "tenants.yaml", "--connection", "half.env"])),
        ("wrong-connection", plan(&["-f", "tenants.yaml", "--connection", "wrong.env"])),
        ("no-platform", plan(&["-f", "tenants.yaml", "--connection", "away.env"])),
        ("no-kubeconfig", plan(&["-f", "tenants.yaml", "--kubeconfig", "nowhere"])),
        ("bad-kubeconfig", plan(&["-f", "tenants.yaml", "--kubeconfig", "kubeconfig"])),
        ("other-namespace", plan(&["-f", "tenants.yaml", "-n", "other", "--connection", "away.env"])),
        ("no-object-kind", plan(&["acme", "--connection", "away.env"])),
        ("no-kustomization", plan(&["-k", ".", "--connection", "away.env"])),
    ] {
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        // A platform that does not answer is a line of the plan.
        assert!(ran.out.is_empty() || name == "no-platform", "{name}: {ran:?}");
        compare_with_golden(&format!("error/{name}"), &ran, &[(desk.folder.to_str().unwrap(), "DESK")]);
    }
}
