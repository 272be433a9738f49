//! The pull request of `examples/pull-request`: its plan is equal to the stored one.

use std::fs;
use std::process::Command;

use super::PluginFolder;
use crate::assets;
use crate::consoles::apart::{PATCH_OF_THE_EXAMPLE, PLAN_OF_THE_EXAMPLE, strs};
use crate::world::TestWorld;

#[test]
fn the_comment_of_the_example_is_what_the_plan_says_of_it() {
    let world = TestWorld::start("pull-request", |_| {}).unwrap();
    let space = crate::world::TestNamespace::existing(&world, "default".to_owned());
    space.apply_secret("platform", &space.credential());
    let examples = assets::root().join("examples");
    world.kubectl.run(&["apply", "-k", &examples.display().to_string()]).unwrap();
    for object in ["partner/acme", "client/globex", "client/initech"] {
        space.wait_until_ready(object);
    }
    let id = space.wait_until_ready("client/globex");
    let desk = PluginFolder::on_cluster_of(&space);
    let copied = Command::new("cp").arg("-R").arg(&examples).arg(&desk.folder).status().unwrap();
    assert!(copied.success());
    let mut git = desk.command("git".as_ref());
    // The folder is inside a repository, to which git would relate the paths of the diff.
    git.args(PATCH_OF_THE_EXAMPLE.words("git", &[])).env("PATH", std::env::var_os("PATH").unwrap());
    assert!(git.env("GIT_CEILING_DIRECTORIES", desk.folder.parent().unwrap()).status().unwrap().success());
    let plan = PLAN_OF_THE_EXAMPLE.words("kubectl tenantry", &[]);
    let ran = desk.run(&strs(&plan));
    assert_eq!((ran.code, ran.err.as_str()), (2, "note: 1 file holds no Tenantry object\n"), "{ran:?}");
    let said = ran.out.replace(&id, "client_3");
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
