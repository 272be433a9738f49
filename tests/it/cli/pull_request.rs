//! The pull request of `examples/pull-request`: its plan is equal to the stored one.

use std::fs;
use std::process::Command;

use super::PluginRunner;
use crate::assets;
use crate::page_commands::external_commands::{PATCH_OF_THE_EXAMPLE, PLAN_OF_THE_EXAMPLE, strs};
use crate::world::TestWorld;

#[test]
fn the_comment_of_the_example_is_what_the_plan_says_of_it() {
    let world = TestWorld::start("pull-request", |_| {}).unwrap();
    let namespace = crate::world::TestNamespace::existing(&world, "default".to_owned());
    namespace.apply_secret("platform", &namespace.credential());
    let examples = assets::root().join("examples");
    world.kubectl.run(&["apply", "-k", &examples.display().to_string()]).unwrap();
    for object in ["partner/acme", "client/globex", "client/initech"] {
        namespace.wait_until_ready(object);
    }
    let id = namespace.wait_until_ready("client/globex");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let copied = Command::new("cp").arg("-R").arg(&examples).arg(&plugin.folder).status().unwrap();
    assert!(copied.success());
    let mut git = plugin.command("git".as_ref());
    // The folder is inside a repository, to which git would relate the paths of the diff.
    git.args(PATCH_OF_THE_EXAMPLE.words("git", &[])).env("PATH", std::env::var_os("PATH").unwrap());
    assert!(git.env("GIT_CEILING_DIRECTORIES", plugin.folder.parent().unwrap()).status().unwrap().success());
    let plan = PLAN_OF_THE_EXAMPLE.words("kubectl tenantry", &[]);
    let run = plugin.run(&strs(&plan));
    assert_eq!((run.code, run.err.as_str()), (2, "note: 1 file holds no Tenantry object\n"), "{run:?}");
    let said = run.out.replace(&id, "client_3");
    let comment = examples.join("pull-request/plan.md");
    if crate::support::writes_golden_files() {
        fs::write(&comment, &said).unwrap();
    }
    let readme = fs::read_to_string(assets::root().join("README.md")).unwrap();
    for line in said.lines().filter(|line| !line.is_empty()) {
        assert!(readme.contains(&format!("> {line}\n")), "README.md does not show `{line}`");
    }
    assert_eq!(said, fs::read_to_string(comment).unwrap(), "`TENANTRY_GOLDEN=write` writes it anew");
}
