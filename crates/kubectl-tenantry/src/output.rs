//! Output to stdout and stderr.

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
    /// Serialises a value in this format.
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
/// Fails if stdout cannot be written. A reader that closes early, such as `head`, is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("the result cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes control characters from foreign text, so that it cannot control the terminal.
pub(crate) fn strip_control_chars(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// Formats a number with its noun.
pub(crate) fn format_count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Describes how many files of folders were skipped.
pub(crate) fn skipped_files_text(number: usize) -> String {
    let hold = if number == 1 { "holds" } else { "hold" };
    format!("{} {hold} no Tenantry object", format_count(number, "file"))
}

/// Prints a failure to stderr.
pub(crate) fn print_error(failure: &Failure) {
    write_to_stderr(&format!("error: {failure}"));
}

/// Prints a note for people to stderr.
pub(crate) fn print_note(text: &str) {
    write_to_stderr(&format!("note: {text}"));
}

/// Prints a warning about the result to stderr.
pub(crate) fn print_warning(text: &str) {
    write_to_stderr(&format!("WARNING: {text}"));
}

/// Prints a text to stderr before a question.
pub(crate) fn print_to_stderr(text: &str) {
    write_to_stderr(text.trim_end_matches('\n'));
}

fn write_to_stderr(text: &str) {
    // If stderr is closed, there is nobody to inform.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A progress line on a terminal, which is overwritten in place.
pub(crate) struct ProgressLine {
    what: &'static str,
    is_shown: bool,
    done: usize,
}

impl ProgressLine {
    /// Starts a progress line.
    pub(crate) fn begin(what: &'static str) -> Self {
        Self { what, is_shown: std::io::stderr().is_terminal(), done: 0 }
    }

    /// Counts one finished item of `all` that are known at this time.
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
