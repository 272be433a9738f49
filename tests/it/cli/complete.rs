//! Completion as kubectl requests it, as bash does, and by the program's name.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::PluginRunner;
use crate::assets;
use crate::world::TestWorld;

/// Runs a program with the plugin and the script for kubectl on its PATH.
fn run_with_plugin_on_path(plugin: &PluginRunner, program: &Path, args: &[&str]) -> String {
    let own = assets::own_program("kubectl-tenantry").unwrap();
    let folders = [own.parent().unwrap(), &plugin.folder, Path::new("/usr/bin"), Path::new("/bin")];
    let path = std::env::join_paths(folders).unwrap();
    let output = plugin.command(program).args(args).env("PATH", path).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn kubectl_and_bash_complete_verbs_flags_and_names_of_objects() {
    let namespace = TestWorld::shared_world().create_namespace("completed");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    let complete = |words: &[&str]| {
        let run = plugin.run(&[&["__complete"], words].concat());
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
        run.out
    };
    let values =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect() };
    assert_eq!(values(&complete(&["susp"])), ["suspend", ":4"]);
    assert!(complete(&["susp"]).starts_with("suspend\tTake a tenant out of service"));
    assert_eq!(values(&complete(&["list", "cl"])), ["clients", ":4"]);
    assert_eq!(values(&complete(&["pause", "--unt"])), ["--until", ":4"]);
    let ns = namespace.name.as_str();
    assert_eq!(values(&complete(&["status", "-n", ns, ""])), ["partner/acme", "client/globex", ":4"]);
    assert_eq!(values(&complete(&["status", "-n", ns, "tclient/"])), ["tclient/globex", ":4"]);
    assert_eq!(values(&complete(&["terminate", "-n", ns, "client", ""])), ["globex", ":4"]);
    assert!(values(&complete(&["status", "-n", "comple"])).contains(&ns.to_owned()));
    assert_eq!(complete(&["plan", "-f", ""]), ":0\n", "names of files are the shell's");
    // A completion prints no errors.
    assert_eq!(complete(&["status", "--server", "https://127.0.0.1:1", "-n", ns, "client/"]), ":4\n");
    // kubectl finds the script by its name, and shows its output.
    let script = plugin.write_file("kubectl_complete-tenantry", &plugin.run(&["completion", "kubectl"]).out);
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["__complete", "tenantry", "status", "-n", ns, "client/"];
    assert_eq!(run_with_plugin_on_path(&plugin, &assets::kubectl().unwrap(), &words), "client/globex\n:4\n");
    plugin.write_file("bash", &plugin.run(&["completion", "bash"]).out);
    let bash = format!(
        "source bash; COMP_WORDS=(kubectl-tenantry status -n {ns} cl); COMP_CWORD=4; _kubectl_tenantry; echo \"${{COMPREPLY[@]}}\""
    );
    assert_eq!(run_with_plugin_on_path(&plugin, Path::new("/bin/bash"), &["-c", &bash]), "client/globex\n");
}
