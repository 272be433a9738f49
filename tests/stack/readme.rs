//! Runs the commands of the README as they are written there.

use std::fs;
use std::io::read_to_string;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::assets;
use super::console::{self, ConsoleEntry};
use super::demo::{Demo, STEP_TIMEOUT};
use super::process::Result;
use super::supervisor;
use super::terminal::{print_block, print_line};

/// Runs a command in a shell that has sourced `target/demo/env`. Returns all its output for any exit status.
pub fn run_shell(command: &str) -> Result<String> {
    let env = supervisor::stack_folder()?.join("env");
    let mut child = Command::new("sh")
        .args(["-c", r#". "$1"; exec 2>&1; eval "$2""#, "sh"])
        .arg(&env)
        .arg(command)
        .current_dir(assets::root())
        .env("KUBECACHEDIR", env.with_extension("cache"))
        .env("NO_PROXY", "127.0.0.1,localhost")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // The command and its child processes form one process group, so that all of them end on a timeout.
        .process_group(0)
        .spawn()?;
    let output = child.stdout.take().ok_or("the command has no output")?;
    let reader = thread::spawn(move || read_to_string(output));
    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() > STEP_TIMEOUT {
            Command::new("sh").args(["-c", r#"kill -9 "-$1""#, "sh", &child.id().to_string()]).status()?;
            child.wait()?;
            return Err(format!("`{command}` does not end within {STEP_TIMEOUT:?}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    reader.join().map_err(|_| "the output cannot be read")?.map_err(Into::into)
}

/// Checks that each command prints what the README shows.
pub fn check_readme(demo: &mut Demo) -> Result<()> {
    let page = fs::read_to_string(assets::root().join("README.md"))?;
    let shown = console::console_entries(&page);
    demo.assert_same("commands of the README", &shown.len(), &12)?;
    // The README starts with an empty namespace.
    demo.kubectl(&["delete", "configmap", "brand"])?;
    for ConsoleEntry { command, output } in &shown {
        let output = output.as_deref().ok_or_else(|| format!("the README shows nothing that `{command}` prints"))?;
        print_line(format!("  $ {command}"));
        let printed = wait_for_output(command, output)?;
        print_block(&printed);
        if mask(&printed) != mask(output) {
            return Err(format!("the README shows\n{output}\nand `{command}` prints\n{printed}").into());
        }
        demo.assert_true("it prints what the README shows", true)?;
    }
    demo.kubectl(&["wait", "--for=delete", "client/globex", &format!("--timeout={}s", STEP_TIMEOUT.as_secs())])?;
    Ok(())
}

/// Returns the output of a command. A command that only reads is retried until its output matches, because the change
/// before it takes effect slightly later.
fn wait_for_output(command: &str, wanted: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        let printed = run_shell(command)?;
        let is_final = !command.starts_with("kubectl get ") || begin.elapsed() > STEP_TIMEOUT;
        if is_final || mask(&printed) == mask(wanted) {
            return Ok(printed);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Masks what differs in each run: ids of tenants, ages and times.
fn mask(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines.map(|line| mask_line(line.trim_end())).collect::<Vec<_>>().join("\n")
}

fn mask_line(line: &str) -> String {
    let delimits = |c: char| matches!(c, ' ' | '"' | '`');
    line.split_inclusive(delimits)
        .map(|piece| {
            let word = piece.trim_end_matches(delimits);
            let masked = mask_word(word);
            piece.replacen(word, masked, usize::from(masked != word))
        })
        .collect()
}

fn mask_word(word: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_age = word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h'])
        && word.chars().all(|c| c.is_ascii_digit() || matches!(c, 's' | 'm' | 'h'));
    if is_age {
        return "AGE";
    }
    if word.len() == "2026-01-01T00:00:00Z".len() && word.ends_with('Z') && word.contains('T') {
        return "TIME";
    }
    for prefix in ["client_", "msp_"] {
        if word.strip_prefix(prefix).is_some_and(is_number) {
            return prefix;
        }
    }
    word
}
