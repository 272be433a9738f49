//! `kubectl` for one user of one cluster.

#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::assets;
use super::process::Result;

/// Runs `kubectl` with one kubeconfig, from the project's folder.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Makes a `kubectl` for the user of `kubeconfig`.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        Ok(Self { program: assets::kubectl()?, kubeconfig: kubeconfig.to_owned() })
    }

    /// Runs a command and returns its output for any exit status.
    pub fn run_for_output(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .args(args)
            .current_dir(assets::root())
            .env("KUBECONFIG", &self.kubeconfig)
            // A later cluster may use the same port, so the discovery cache of an earlier one must not apply. The
            // user's own cache is not touched.
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`kubectl` cannot be started: {error}"))?;
        let pipe = child.stdin.take();
        let text = input.to_owned();
        // A command that rejects its flags never reads its input. The broken pipe is not an error.
        let writer = thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(text.as_bytes())));
        let output = child.wait_with_output()?;
        drop(writer.join());
        Ok(output)
    }

    /// Runs a command. Returns its standard output, or an error with its standard error.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, "")
    }

    /// Like [`Kubectl::run`], with `input` on standard input (`-f -`).
    pub fn run_with(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.run_for_output(args, input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("`kubectl {}` failed: {}", args.join(" "), stderr.trim()).into())
    }

    /// Returns the value at a path such as `{.status.uniqueId}` in an object such as `client/globex`.
    pub fn read_json_path(&self, object: &str, path: &str) -> Result<String> {
        self.run(&["get", object, "-o", &format!("jsonpath={path}")])
    }
}
