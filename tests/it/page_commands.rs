//! The consoles of the pages: each command runs as written, and its output is compared with the page.

mod command_blocks;
pub(crate) mod external_commands;
mod page_runs;
mod runbook;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use command_blocks::mask_text;

use crate::console::{self, ConsoleEntry};
use crate::{assets, support};

/// Commands that change nothing.
const READ_COMMANDS: [&str; 3] = ["kubectl get ", "kubectl tenantry status", "kubectl tenantry list"];
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(30);

/// The environment of a page's commands: a folder, a cluster, and words of the page with their replacements.
pub(crate) struct PageConsole {
    folder: PathBuf,
    kubeconfig: PathBuf,
    /// Home folder of the programs.
    home: PathBuf,
    /// Words that the reader replaces: `NAMESPACE`, `client/NAME`.
    words: Vec<(&'static str, String)>,
}

impl PageConsole {
    pub(crate) fn new(folder: &Path, kubeconfig: PathBuf) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let home = support::test_folder(&format!("console-{}", NEXT.fetch_add(1, Ordering::Relaxed))).unwrap();
        Self { folder: folder.to_owned(), kubeconfig, home, words: Vec::new() }
    }

    /// Adds a word and its replacement.
    pub(crate) fn replacing(mut self, word: &'static str, meaning: impl Into<String>) -> Self {
        self.words.push((word, meaning.into()));
        self
    }

    /// Runs each command of a page, or of a part of it, in order, and returns the differences. Calls `ran` after each
    /// command.
    pub(crate) fn run_page(&self, text: &str, mut ran: impl FnMut(&str)) -> Vec<String> {
        for block in console::fenced_blocks(text) {
            let file = block.before.rsplit("** ").next().unwrap_or_default();
            if let Some(file) = file.strip_prefix("Write this to `").and_then(|rest| rest.strip_suffix("`:")) {
                std::fs::write(self.folder.join(file), block.lines.join("\n")).unwrap();
            }
        }
        let entries = console::console_entries(text);
        assert!(!entries.is_empty(), "there is no console");
        let mut faults = Vec::new();
        for entry in &entries {
            faults.extend(self.check_entry(entry));
            ran(&entry.command);
        }
        faults
    }

    /// Runs an entry. A command that only reads is repeated until it prints what the page shows, as a reader would do.
    fn check_entry(&self, entry: &ConsoleEntry) -> Option<String> {
        let begin = Instant::now();
        loop {
            let fault = self.run_entry(entry)?;
            if !READ_COMMANDS.iter().any(|look| entry.command.starts_with(look)) || begin.elapsed() > OUTPUT_TIMEOUT {
                return Some(fault);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn run_entry(&self, entry: &ConsoleEntry) -> Option<String> {
        let put = |text: &str| self.words.iter().fold(text.to_owned(), |text, (word, to)| text.replace(word, to));
        let ConsoleEntry { command, output } = entry;
        let programs = assets::own_program("kubectl-tenantry").unwrap();
        // Helm is in the same folder as kubectl.
        let folders = [assets::kubectl().unwrap().parent().unwrap().to_owned(), programs.parent().unwrap().to_owned()];
        let path = [folders.map(|folder| folder.display().to_string()).join(":"), std::env::var("PATH").unwrap()];
        // Stdout and stderr are interleaved as on a terminal.
        let ran = Command::new("sh")
            .args(["-eu", "-c", &format!("exec 2>&1\n{}", put(command))])
            .current_dir(&self.folder)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("PATH", path.join(":"))
            .env("NO_COLOR", "1")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        // What a page shows as an error must fail.
        let is_error =
            output.as_ref().is_some_and(|output| output.lines().last().is_some_and(|line| line.starts_with("Error")));
        if ran.status.success() == is_error {
            return Some(format!("`{command}`: {}\n{out}", ran.status));
        }
        let wanted = output.as_deref().map(put)?;
        let fits = command_blocks::matches_output(&mask_text(&wanted), &mask_text(&out));
        (!fits).then(|| format!("`{command}` printed\n{out}\nand the page says\n{wanted}"))
    }
}
