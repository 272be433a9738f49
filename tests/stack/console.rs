//! Reads the `console` blocks of a page.

use std::fmt::Write as _;

/// A command and its output, if the page shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConsoleEntry {
    pub(crate) command: String,
    pub(crate) output: Option<String>,
}

/// Returns the entries of the `console` blocks of a page. `$ ` starts a command, `> ` continues it, and the other lines
/// are its output. A block with `pods` after its name needs a node; one with `apart` is run elsewhere. Both are left
/// out.
pub(crate) fn console_entries(page: &str) -> Vec<ConsoleEntry> {
    let mut entries: Vec<ConsoleEntry> = Vec::new();
    for line in fenced_blocks(page).into_iter().filter(|block| block.name == "console").flat_map(|block| block.lines) {
        let last = entries.last_mut();
        if let Some(command) = line.strip_prefix("$ ") {
            entries.push(ConsoleEntry { command: command.to_owned(), output: None });
        } else if let (Some(more), Some(ConsoleEntry { command, output: None })) = (line.strip_prefix("> "), last) {
            let _ = write!(command, "\n{more}");
        } else if let Some(ConsoleEntry { output, .. }) =
            entries.last_mut().filter(|last| last.output.is_some() || !line.is_empty())
        {
            let _ = writeln!(output.get_or_insert_default(), "{line}");
        }
    }
    for output in entries.iter_mut().filter_map(|entry| entry.output.as_mut()) {
        // An empty line separates two commands.
        output.truncate(output.trim_end().len());
        output.push('\n');
    }
    entries
}

/// A fenced block.
#[derive(Debug, Default)]
pub(crate) struct FencedBlock<'p> {
    pub(crate) name: &'p str,
    /// The line of text before it.
    #[allow(dead_code, reason = "the demo writes no files")]
    pub(crate) before: &'p str,
    pub(crate) lines: Vec<&'p str>,
}

/// Returns the fenced blocks of a page, including those in lists.
pub(crate) fn fenced_blocks(page: &str) -> Vec<FencedBlock<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, FencedBlock<'_>)> = None;
    let mut before = "";
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, open.take()) {
            (Some(name), None) => {
                let indent = line.len() - line.trim_start().len();
                open = Some((indent, FencedBlock { name, before, lines: Vec::new() }));
            }
            (Some(_), Some((_, block))) => blocks.push(block),
            (None, Some((indent, mut block))) => {
                block.lines.push(line.get(indent..).unwrap_or_default());
                open = Some((indent, block));
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => before = line,
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::{ConsoleEntry, console_entries};

    #[test]
    fn what_stands_in_a_console_is_read_and_nothing_else() {
        let page = "text\n```console\n$ one\nanswer\n\nmore\n\n$ two\n> more\n```\n$ no\n```sh\n$ neither\n```\n```console pods\n$ logs\n```\n";
        let entry = |command: &str, output: Option<&str>| ConsoleEntry {
            command: command.to_owned(),
            output: output.map(str::to_owned),
        };
        assert_eq!(console_entries(page), [entry("one", Some("answer\n\nmore\n")), entry("two\nmore", None)]);
    }
}
