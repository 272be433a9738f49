//! Tells the programs of which commit they are, for `--version`.

#![allow(clippy::print_stdout, reason = "Cargo reads it")]

use std::path::Path;
use std::process::Command;

/// Digits of a commit that people read.
const DIGITS: usize = 12;

fn main() {
    for name in ["TENANTRY_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    // Developers commit often, and each commit would cause a full rebuild. Shells for development set a time of their own.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo::rustc-env=TENANTRY_IS_RELEASE={is_release}");
    if !is_release {
        return;
    }
    let has_git = is_repository();
    let git = |arguments: &[&str]| if has_git { run_git(arguments) } else { None };
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    // Second 0 stands for a time that nobody knows.
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty() && value != "0");
    if let Some(commit) = given("TENANTRY_COMMIT").or_else(|| git(&["rev-parse", "HEAD"])) {
        println!("cargo::rustc-env=TENANTRY_BUILT_OF={}", commit.get(..DIGITS).unwrap_or(&commit));
    }
    if let Some(seconds) = given("SOURCE_DATE_EPOCH").or_else(|| git(&["log", "-1", "--format=%ct"])) {
        println!("cargo::rustc-env=TENANTRY_BUILT_AT={seconds}");
    }
}

/// Whether the sources are a repository themselves: one that they lie in is of something else.
fn is_repository() -> bool {
    let sources = std::env::var("CARGO_MANIFEST_DIR").ok().and_then(|folder| Path::new(&folder).canonicalize().ok());
    let top = run_git(&["rev-parse", "--show-toplevel"]).and_then(|folder| Path::new(&folder).canonicalize().ok());
    sources.is_some() && sources == top
}

/// What git says; nothing where there is no git, or no repository.
fn run_git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!said.is_empty()).then_some(said)
}
