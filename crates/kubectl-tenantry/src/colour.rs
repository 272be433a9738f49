//! Colours of results. Nothing is coloured if stdout is not a terminal or `NO_COLOR` is set, unless colours are
//! requested.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// When results have colours.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorMode {
    /// Where stdout is a terminal and `NO_COLOR` is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorMode {
    /// Sets the colour mode for the rest of the run.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The meaning of a text, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// No meaning.
    Plain,
    /// Nothing to do.
    Good,
    /// It resolves by itself, or waits for somebody.
    Pending,
    /// A person must act.
    Bad,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Pending => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Colours a text for stdout by its tone.
pub(crate) fn paint_text(text: &str, tone: Tone) -> String {
    let is_plain = tone == Tone::Plain || text.is_empty();
    if is_plain || AutoStream::choice(&std::io::stdout()) == ColorChoice::Never {
        return text.to_owned();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}
