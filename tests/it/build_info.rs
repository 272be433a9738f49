//! Tests of the commit and day that the build script passes to the programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{assets, support};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compiles the build script. Returns its path.
fn script() -> PathBuf {
    let script = support::test_folder("build-script").unwrap().join("script");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    run(rustc
        .args(["--edition", "2024", "-o"])
        .arg(&script)
        .arg(assets::root().join("crates/tenantry-runtime/build.rs")));
    script
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@example.com"]).args(arguments).current_dir(folder);
    run(&mut command).trim().to_owned()
}

/// Runs the build script of the package in a workspace. Returns the commit and the second of the build.
fn run_build_script(script: &Path, workspace: &Path, given: &[(&str, &str)]) -> Vec<String> {
    let folder = workspace.join("crates/tenantry-runtime");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(script);
    command.env_remove("TENANTRY_COMMIT").env_remove("SOURCE_DATE_EPOCH").env("PROFILE", "release");
    command.env("CARGO_MANIFEST_DIR", &folder).current_dir(&folder).envs(given.iter().copied());
    let lines = run(&mut command);
    let built = lines.lines().filter_map(|line| line.strip_prefix("cargo::rustc-env=TENANTRY_BUILT_"));
    built.map(str::to_owned).collect()
}

#[test]
fn a_build_names_the_commit_of_its_own_repository_alone() {
    let (script, folder) = (script(), support::test_folder("build-of").unwrap());
    let inside = folder.join("inside");
    std::fs::create_dir(&inside).unwrap();
    git(&folder, &["init", "-q"]);
    git(&folder, &["commit", "-q", "--allow-empty", "--date", "2026-11-30T00:00:00Z", "-m", "x"]);
    let (commit, second) = (git(&folder, &["rev-parse", "HEAD"]), git(&folder, &["log", "-1", "--format=%ct"]));
    let known = [format!("OF={}", &commit[..12]), format!("AT={second}")];
    assert_eq!(run_build_script(&script, &folder, &[]), known);
    assert_eq!(run_build_script(&script, &inside, &[]), [""; 0], "the repository around it is of something else");
    let given = [("TENANTRY_COMMIT", "5d1f0c2ab9e45d1f0c2ab9e45d1f0c2ab9e4abcd"), ("SOURCE_DATE_EPOCH", "1796021696")];
    assert_eq!(run_build_script(&script, &inside, &given), ["OF=5d1f0c2ab9e4", "AT=1796021696"]);
    assert_eq!(run_build_script(&script, &inside, &[("SOURCE_DATE_EPOCH", "0")]), [""; 0], "no commit is of second 0");
    let debug = [given[0], given[1], ("PROFILE", "debug")];
    assert_eq!(run_build_script(&script, &folder, &debug), [""; 0], "a debug build is of no commit");
}
