//! `kubectl` as one user of one cluster.

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
    /// As the user of `kubeconfig`.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        Ok(Self { program: assets::kubectl()?, kubeconfig: kubeconfig.to_owned() })
    }

    /// Runs it and returns what it printed, whatever its exit status.
    pub fn run_for_output(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .args(args)
            .current_dir(assets::root())
            .env("KUBECONFIG", &self.kubeconfig)
            // A port is used again by a later cluster: what an earlier one served must not be
            // remembered, and the person's own cache stays clean.
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`kubectl` cannot be started: {error}"))?;
        let pipe = child.stdin.take();
        let text = input.to_owned();
        // A command that refuses its flags never reads its input: that broken pipe is no failure.
        let writer = thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(text.as_bytes())));
        let output = child.wait_with_output()?;
        drop(writer.join());
        Ok(output)
    }

    /// Runs it; its standard output, or an error with what it complained about.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, "")
    }

    /// Like [`Kubectl::run`], with `input` on standard input (`-f -`).
    pub fn run_with(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.run_for_output(args, input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`kubectl {}` failed: {}", args.join(" "), said.trim()).into())
    }

    /// What a path such as `{.status.uniqueId}` finds in an object such as `client/globex`.
    pub fn read_json_path(&self, object: &str, path: &str) -> Result<String> {
        self.run(&["get", object, "-o", &format!("jsonpath={path}")])
    }
}
