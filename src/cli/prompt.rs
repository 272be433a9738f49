//! Questions to a person. Where nobody sits at a terminal nothing is asked, and nothing is taken for an answer.

use std::io::{BufRead, IsTerminal as _, Write};

use super::failure::Failure;

/// Where answers come from: reader and writer of a person.
pub(crate) struct Prompt<R, W> {
    input: R,
    output: W,
}

/// The person at the terminal: answers from stdin, questions to stderr. Nothing where either is no terminal, so that no
/// script can say yes by accident.
pub(crate) fn terminal_prompt() -> Option<Prompt<std::io::StdinLock<'static>, std::io::Stderr>> {
    let is_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    is_there.then(|| Prompt::new(std::io::stdin().lock(), std::io::stderr()))
}

impl<R: BufRead, W: Write> Prompt<R, W> {
    /// Somebody who reads `output` and types into `input`.
    pub(crate) const fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Tells.
    pub(crate) fn write_text(&mut self, text: &str) -> Result<(), Failure> {
        self.output
            .write_all(text.as_bytes())
            .and_then(|()| self.output.flush())
            .map_err(|error| terminal_failure(&error))
    }

    /// Asks, and returns the line that was typed without the space around it.
    pub(crate) fn ask_line(&mut self, question: &str) -> Result<String, Failure> {
        self.write_text(question)?;
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(0) => Err(Failure::new("nothing was answered: nothing is done")),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(terminal_failure(&error)),
        }
    }

    /// Asks for exactly one word.
    ///
    /// # Errors
    /// Another answer; `otherwise` says what that means.
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
