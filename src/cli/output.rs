//! What goes to stdout and what to stderr.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::Failure;

/// Form of a result that programs read.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl OutputFormat {
    /// A value in this form.
    pub(crate) fn text(self, value: &impl Serialize) -> Result<String, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the result cannot be written: {error}"));
        match self {
            Self::Json => {
                let text = serde_json::to_string_pretty(value).map_err(|error| failed(&error))?;
                Ok(format!("{text}\n"))
            }
            Self::Yaml => serde_yaml::to_string(value).map_err(|error| failed(&error)),
        }
    }
}

/// Prints a result.
///
/// # Errors
/// It cannot be written. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("the result cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A text of somebody else's without the characters that command a terminal.
pub(crate) fn strip_control_chars(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// A number of things.
pub(crate) fn format_count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// How many files of folders were passed over.
pub(crate) fn skipped_files_text(number: usize) -> String {
    let hold = if number == 1 { "holds" } else { "hold" };
    format!("{} {hold} no Tenantry object", format_count(number, "file"))
}

/// Says why something cannot be done.
pub(crate) fn print_error(failure: &Failure) {
    write_to_stderr(&format!("error: {failure}"));
}

/// Says what a person should know and a program need not.
pub(crate) fn print_note(text: &str) {
    write_to_stderr(&format!("note: {text}"));
}

/// Says loudly what is wrong with what is shown.
pub(crate) fn print_warning(text: &str) {
    write_to_stderr(&format!("WARNING: {text}"));
}

/// Tells a person what to know before an answer.
pub(crate) fn print_to_stderr(text: &str) {
    write_to_stderr(text.trim_end_matches('\n'));
}

fn write_to_stderr(text: &str) {
    // With stderr closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// How far long work has come, on one line of a terminal that is written over again and again.
pub(crate) struct ProgressLine {
    what: &'static str,
    is_shown: bool,
    done: usize,
}

impl ProgressLine {
    /// Work that begins.
    pub(crate) fn begin(what: &'static str) -> Self {
        Self { what, is_shown: std::io::stderr().is_terminal(), done: 0 }
    }

    /// One more is done, of as many as are known by now.
    pub(crate) fn count_one(&mut self, all: usize) {
        self.done += 1;
        if self.is_shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{} {}/{all}", self.what, self.done);
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_shown && self.done > 0 {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
