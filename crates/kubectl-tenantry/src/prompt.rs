//! Questions to a person. Without a terminal nothing is asked, and no input counts as an answer.

use std::io::{BufRead, IsTerminal as _, Write};

use super::failure::Failure;

/// A dialog with a person: a reader for answers and a writer for questions.
pub(crate) struct Prompt<R, W> {
    input: R,
    output: W,
}

/// Returns a prompt on the terminal: answers from stdin, questions to stderr. Returns `None` if either is not a
/// terminal, so that no script can answer yes by accident.
pub(crate) fn terminal_prompt() -> Option<Prompt<std::io::StdinLock<'static>, std::io::Stderr>> {
    let is_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    is_there.then(|| Prompt::new(std::io::stdin().lock(), std::io::stderr()))
}

impl<R: BufRead, W: Write> Prompt<R, W> {
    /// Creates a prompt that reads `input` and writes `output`.
    pub(crate) const fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Writes a text without asking.
    pub(crate) fn write_text(&mut self, text: &str) -> Result<(), Failure> {
        self.output
            .write_all(text.as_bytes())
            .and_then(|()| self.output.flush())
            .map_err(|error| terminal_failure(&error))
    }

    /// Asks, and returns the typed line without surrounding white space.
    pub(crate) fn ask_line(&mut self, question: &str) -> Result<String, Failure> {
        self.write_text(question)?;
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(0) => Err(Failure::new("nothing was answered: nothing is done")),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(terminal_failure(&error)),
        }
    }

    /// Requires exactly one word as the answer.
    ///
    /// # Errors
    /// Fails on any other answer; `otherwise` is the consequence that the message names.
    pub(crate) fn require_answer(&mut self, question: &str, word: &str, otherwise: &str) -> Result<(), Failure> {
        if self.ask_line(question)? == word { Ok(()) } else { Err(Failure::new(otherwise)) }
    }
}

fn terminal_failure(error: &std::io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used ({error}): nothing is done"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_itself_is_consent_and_silence_is_none() {
        for (typed, is_consent) in [("yes\n", true), (" yes \n", true), ("y\n", false), ("YES\n", false), ("", false)] {
            let mut said = Vec::new();
            let answer = Prompt::new(typed.as_bytes(), &mut said).require_answer("Sure? ", "yes", "nothing is done");
            assert_eq!(answer.is_ok(), is_consent, "{typed:?}");
            assert_eq!(said, b"Sure? ");
        }
    }
}
