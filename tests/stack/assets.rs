//! Paths of the programs.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use super::process::Result;

/// Returns the folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder of this build's programs (`target/debug`).
pub fn build_folder() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().ok_or("this program has no folder")?;
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("examples" | "deps") => Ok(folder.parent().unwrap_or(folder).to_owned()),
        _ => Ok(folder.to_owned()),
    }
}

/// Returns Cargo's output folder (`target`).
pub fn target() -> Result<PathBuf> {
    let build = build_folder()?;
    Ok(build.parent().unwrap_or(&build).to_owned())
}

/// Returns the folders of all packages of the workspace, the one at its root first.
pub fn package_folders() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = crates.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.insert(0, root().to_owned());
    folders
}

/// Returns the path of one of our own programs: of this build, or in the folder that `TENANTRY_PROGRAMS` names.
pub fn own_program(name: &str) -> Result<PathBuf> {
    let given = std::env::var_os("TENANTRY_PROGRAMS").map(PathBuf::from);
    let path = given.map_or_else(build_folder, Ok)?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("`{name}` is not built: run `cargo build`").into())
}

/// Returns the path of the platform's program.
///
/// # Panics
///
/// Panics if it is not built.
pub fn platform_program() -> &'static str {
    static PATH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        own_program("tenantry-platform").unwrap_or_else(|error| panic!("{error}")).display().to_string()
    });
    &PATH
}

/// Finds a program on this machine. A program that `make browser` or `make postgres` unpacked is preferred while it
/// exists, because it replaces an installed program that is missing or too old.
pub fn find_on_machine(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = target().map(|target| target.join("machine/bin")).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    // Debian installs the programs that only a PostgreSQL server needs here, one folder per version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(major_version(folder)));
    folders.extend(versions);
    folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file() && !is_stale(file))
}

/// Returns whether this is the wrapper of an unpacked program that no longer exists, because its folder was moved or
/// partly cleaned.
pub fn is_stale(file: &Path) -> bool {
    let text = std::fs::read(file).unwrap_or_default();
    let exec =
        text.strip_prefix(b"#!").and_then(|_| std::str::from_utf8(&text).ok()?.lines().last()?.strip_prefix("exec '"));
    let program = exec.and_then(|exec| exec.split('\'').next()).filter(|program| program.contains("/machine/"));
    program.is_some_and(|program| !Path::new(program).is_file())
}

/// Returns the major version in a path such as `/usr/lib/postgresql/15/bin`.
fn major_version(programs: &Path) -> Option<u32> {
    let version = programs.parent()?.file_name()?.to_str()?;
    version.split('.').next()?.parse().ok()
}

/// Returns the path of etcd, the store of the API server.
pub fn etcd() -> Result<PathBuf> {
    find_built_program("etcd", "server", "controlplane")
}

/// Returns the path of the API server.
pub fn kube_apiserver() -> Result<PathBuf> {
    find_built_program("kube-apiserver", "kube-apiserver", "controlplane")
}

/// Returns the path of the Kubernetes controller manager.
pub fn kube_controller_manager() -> Result<PathBuf> {
    let name = "kube-controller-manager";
    find_built_program(name, name, "controller-manager")
}

/// Returns the path of `kubectl`.
pub fn kubectl() -> Result<PathBuf> {
    find_built_program("kubectl", "kubectl", "controlplane")
}

/// Returns the path of Helm.
pub fn helm() -> Result<PathBuf> {
    find_built_program("helm", "helm", "helm")
}

/// Returns the path of Flux's controller for Kustomizations.
pub fn kustomize_controller() -> Result<PathBuf> {
    let name = "kustomize-controller";
    find_built_program(name, name, "flux")
}

/// Returns the path of an S3 server.
pub fn versitygw() -> Result<PathBuf> {
    let path = target()?.join("bucket/versitygw");
    if path.is_file() {
        return Ok(path);
    }
    Err("`versitygw` is missing: run `make bucket`".into())
}

/// Returns the folder with the CRDs of Flux.
pub fn flux_kinds() -> Result<PathBuf> {
    let folder = target()?.join("controlplane/flux-kinds");
    if folder.join("made").is_file() {
        return Ok(folder);
    }
    Err("the kinds of Flux are missing: run `make flux`".into())
}

fn find_built_program(name: &str, built: &str, goal: &str) -> Result<PathBuf> {
    let given = std::env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join(name));
    // That folder has no controller manager. A missing program is searched for among the programs that we build.
    let candidates = given.into_iter().chain([target()?.join("controlplane").join(built)]);
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "`{name}` is missing: run `make {goal}`, or set `KUBEBUILDER_ASSETS` to a folder \
             that holds it"
        )
        .into()
    })
}
