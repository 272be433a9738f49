//! Where the programs are.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use super::process::Result;

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder into which Cargo put this build's programs (`target/debug`).
pub fn build_folder() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().ok_or("this program has no folder")?;
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("examples" | "deps") => Ok(folder.parent().unwrap_or(folder).to_owned()),
        _ => Ok(folder.to_owned()),
    }
}

/// Cargo's output folder (`target`).
pub fn target() -> Result<PathBuf> {
    let build = build_folder()?;
    Ok(build.parent().unwrap_or(&build).to_owned())
}

/// One of our own programs: of this build, or of the folder that `TENANTRY_PROGRAMS` names.
pub fn own_program(name: &str) -> Result<PathBuf> {
    let given = std::env::var_os("TENANTRY_PROGRAMS").map(PathBuf::from);
    let path = given.map_or_else(build_folder, Ok)?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("`{name}` is not built: run `cargo build --bins`").into())
}

/// A program of the machine. What `make browser` and `make postgres` unpacked counts first, where it still is: it stands in
/// for something that is installed and too old, or missing.
pub fn find_on_machine(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = target().map(|target| target.join("machine/bin")).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    // Where Debian keeps the programs that only a server of PostgreSQL needs, for each version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(major_version(folder)));
    folders.extend(versions);
    folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file() && !is_stale(file))
}

/// Whether this is the wrapper of an unpacked program that is not where it was: a folder was moved, or cleaned in part.
pub fn is_stale(file: &Path) -> bool {
    let text = std::fs::read(file).unwrap_or_default();
    let exec =
        text.strip_prefix(b"#!").and_then(|_| std::str::from_utf8(&text).ok()?.lines().last()?.strip_prefix("exec '"));
    let program = exec.and_then(|exec| exec.split('\'').next()).filter(|program| program.contains("/machine/"));
    program.is_some_and(|program| !Path::new(program).is_file())
}

/// The major version in a path such as `/usr/lib/postgresql/15/bin`.
fn major_version(programs: &Path) -> Option<u32> {
    let version = programs.parent()?.file_name()?.to_str()?;
    version.split('.').next()?.parse().ok()
}

/// The store behind the API server.
pub fn etcd() -> Result<PathBuf> {
    find_built_program("etcd", "server", "controlplane")
}

/// The API server.
pub fn kube_apiserver() -> Result<PathBuf> {
    find_built_program("kube-apiserver", "kube-apiserver", "controlplane")
}

/// The controllers of Kubernetes itself.
pub fn kube_controller_manager() -> Result<PathBuf> {
    let name = "kube-controller-manager";
    find_built_program(name, name, "controller-manager")
}

/// The command line of Kubernetes.
pub fn kubectl() -> Result<PathBuf> {
    find_built_program("kubectl", "kubectl", "controlplane")
}

/// The installer of charts.
pub fn helm() -> Result<PathBuf> {
    find_built_program("helm", "helm", "helm")
}

/// Flux's controller of Kustomizations.
pub fn kustomize_controller() -> Result<PathBuf> {
    let name = "kustomize-controller";
    find_built_program(name, name, "flux")
}

/// A real S3 server.
pub fn versitygw() -> Result<PathBuf> {
    let path = target()?.join("bucket/versitygw");
    if path.is_file() {
        return Ok(path);
    }
    Err("`versitygw` is missing: run `make bucket`".into())
}

/// The folder with the definitions of Flux's kinds.
pub fn flux_kinds() -> Result<PathBuf> {
    let folder = target()?.join("controlplane/flux-kinds");
    if folder.join("made").is_file() {
        return Ok(folder);
    }
    Err("the kinds of Flux are missing: run `make flux`".into())
}

fn find_built_program(name: &str, built: &str, goal: &str) -> Result<PathBuf> {
    let given = std::env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join(name));
    // Such a folder holds no controller manager: what it lacks is looked for among what we build.
    let candidates = given.into_iter().chain([target()?.join("controlplane").join(built)]);
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "`{name}` is missing: run `make {goal}`, or set `KUBEBUILDER_ASSETS` to a folder \
             that holds it"
        )
        .into()
    })
}
