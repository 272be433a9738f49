//! Tells the programs of which commit they are, for `--version`.

#![allow(clippy::print_stdout, reason = "Cargo reads it")]

use std::process::Command;

fn main() {
    for name in ["TENANTRY_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    // Developers commit often, and each commit would cause a full rebuild.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let found = |name: &str, arguments: &[&str]| {
        let given = std::env::var(name).ok().filter(|value| !value.is_empty());
        given.or_else(|| if is_release { git(arguments) } else { None })
    };
    println!("cargo::rustc-env=TENANTRY_IS_RELEASE={is_release}");
    if let Some(commit) = found("TENANTRY_COMMIT", &["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=TENANTRY_BUILT_OF={commit}");
    }
    if let Some(seconds) = found("SOURCE_DATE_EPOCH", &["log", "-1", "--format=%ct"]) {
        println!("cargo::rustc-env=TENANTRY_BUILT_AT={seconds}");
    }
}

/// What git says; nothing where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!said.is_empty()).then_some(said)
}
