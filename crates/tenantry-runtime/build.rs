//! Passes commit and date of the build to the programs, for `--version`.

#![allow(clippy::print_stdout, reason = "Cargo reads it")]

use std::path::Path;
use std::process::Command;

/// Number of commit digits that are shown.
const DIGITS: usize = 12;

fn main() {
    for name in ["TENANTRY_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=crates/tenantry-runtime/build.rs");
    // Developers commit often, and each commit would cause a full rebuild. Development shells also set a
    // `SOURCE_DATE_EPOCH` of their own.
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
    // `0` means that the time is unknown.
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty() && value != "0");
    if let Some(commit) = given("TENANTRY_COMMIT").or_else(|| git(&["rev-parse", "HEAD"])) {
        println!("cargo::rustc-env=TENANTRY_BUILT_OF={}", commit.get(..DIGITS).unwrap_or(&commit));
    }
    if let Some(seconds) = given("SOURCE_DATE_EPOCH").or_else(|| git(&["log", "-1", "--format=%ct"])) {
        println!("cargo::rustc-env=TENANTRY_BUILT_AT={seconds}");
    }
}

/// Returns whether the workspace is the top of a git repository. A repository further up belongs to something else.
fn is_repository() -> bool {
    let workspace = |folder: String| Path::new(&folder).join("../..").canonicalize().ok();
    let sources = std::env::var("CARGO_MANIFEST_DIR").ok().and_then(workspace);
    let top = run_git(&["rev-parse", "--show-toplevel"]).and_then(|folder| Path::new(&folder).canonicalize().ok());
    sources.is_some() && sources == top
}

/// Runs git and returns its output; `None` where there is no git or no repository.
fn run_git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!said.is_empty()).then_some(said)
}
