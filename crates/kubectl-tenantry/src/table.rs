//! Tables for people: columns as wide as their widest cell.

use super::colour::{Tone, paint_text};
use super::output::strip_control_chars;

/// A cell. Control characters are removed from foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Creates a cell with a colour. An empty text becomes a dash.
    pub(crate) fn with_tone(text: &str, tone: Tone) -> Self {
        let text = strip_control_chars(text);
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::with_tone(text, Tone::Plain)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Option<&String>> for Cell {
    fn from(text: Option<&String>) -> Self {
        Self::from(text.map_or("-", String::as_str))
    }
}

/// A table that is built row by row.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Creates a table without rows.
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, with one cell for each column.
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.head.len());
        self.rows.push(row);
    }

    /// Renders the table as text.
    pub(crate) fn text(&self) -> String {
        let head: Vec<Cell> = self.head.iter().copied().map(Cell::from).collect();
        let rows = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| rows().map(|row| row[column].text.chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        rows().map(|row| format_line(row, &widths)).collect()
    }
}

/// Renders a line. The last cell is not padded, to avoid trailing spaces.
fn format_line(row: &[Cell], widths: &[usize]) -> String {
    let last = row.len().saturating_sub(1);
    let cells = row.iter().zip(widths).enumerate().map(|(number, (Cell { text, tone }, width))| {
        let space = if number == last { 0 } else { width.saturating_sub(text.chars().count()) };
        format!("{}{:space$}", paint_text(text, *tone), "")
    });
    cells.collect::<Vec<_>>().join("  ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_no_control_character_passes() {
        let mut table = Table::new(&["NAME", "ID"]);
        table.push(vec![Cell::from("Glöbex\u{1b}[31m GmbH"), Cell::from("client_1")]);
        table.push(vec![Cell::from(""), Cell::with_tone("client_22", Tone::Bad)]);
        let lines = ["NAME              ID", "Glöbex [31m GmbH  client_1", "-                 client_22", ""];
        assert_eq!(table.text(), lines.join("\n"));
    }
}
