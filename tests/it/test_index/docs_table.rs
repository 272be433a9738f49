//! Tables of pages with a column that is generated from the tests: each test with `shows: PAGE/ID` is in the row of
//! `ID`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::TestEntry;
use crate::{assets, support};

/// Name of the first column of such a table.
const FIRST_COLUMN: &str = "id";
const LAST_COLUMN: &str = "shown by";

/// A page of `docs/`.
#[derive(Debug)]
pub(crate) struct DocsPage {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// A row of one of its tables.
#[derive(Debug)]
pub(crate) struct DocsRow {
    /// The heading above it.
    pub(crate) section: String,
    /// The tests that the page lists.
    pub(crate) shown: String,
    columns: Vec<String>,
    cells: Vec<String>,
}

impl DocsRow {
    fn new(section: &str, columns: &[&str], cells: &[&str]) -> Result<Self, String> {
        let line = cells.join(" | ");
        let ([_, .., _], true) = (cells, cells.len() == columns.len()) else {
            return Err(format!("{} cells are wanted: {line}", columns.len()));
        };
        if cells[0].is_empty() {
            return Err(format!("an id is wanted: {line}"));
        }
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (section, shown) = (section.to_owned(), cells[cells.len() - 1].to_owned());
        Ok(Self { section, shown, columns: owned(columns), cells: owned(cells) })
    }

    pub(crate) fn id(&self) -> &str {
        &self.cells[0]
    }

    /// Returns the text in a column.
    pub(crate) fn cell(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        Some(&self.cells[at])
    }
}

/// A line of a page.
enum DocsLine<'p> {
    Row(DocsRow),
    Other(&'p str),
}

impl DocsPage {
    pub(crate) fn read(name: &'static str) -> Self {
        Self { name, text: fs::read_to_string(Self::file_path(name)).expect("the page is there") }
    }

    /// Reads the page, and updates its columns first if that is requested.
    pub(crate) fn read_renewed(name: &'static str, tests: &[TestEntry]) -> Self {
        let mut page = Self::read(name);
        if support::writes_golden_files() {
            page.text = page.text_with_tests(tests);
            page.write_file();
        }
        page
    }

    /// Writes the text.
    pub(crate) fn write_file(&self) {
        fs::write(Self::file_path(self.name), &self.text).expect("the page can be written");
    }

    fn file_path(name: &str) -> PathBuf {
        assets::root().join(format!("docs/{name}.md"))
    }

    /// Parses the lines of the page. Returns what is wrong with the form of a row.
    fn parse_lines(&self) -> Result<Vec<DocsLine<'_>>, String> {
        let (mut lines, mut columns, mut section) = (Vec::new(), Vec::new(), "");
        for line in self.text.lines() {
            section = line.strip_prefix("## ").unwrap_or(section);
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let is_table = line.starts_with('|');
            if is_table && cells.last() == Some(&LAST_COLUMN) {
                if cells[0] != FIRST_COLUMN {
                    return Err(format!("the first column is `{FIRST_COLUMN}`: {line}"));
                }
                columns = cells;
            } else if !is_table {
                columns.clear();
            } else if !columns.is_empty() && !line.starts_with("| ---") {
                lines.push(DocsLine::Row(DocsRow::new(section, &columns, &cells)?));
                continue;
            }
            lines.push(DocsLine::Other(line));
        }
        Ok(lines)
    }

    /// Returns the rows that tests can show.
    pub(crate) fn parse_rows(&self) -> Result<Vec<DocsRow>, String> {
        let row = |line| match line {
            DocsLine::Row(row) => Some(row),
            DocsLine::Other(_) => None,
        };
        Ok(self.parse_lines()?.into_iter().filter_map(row).collect())
    }

    /// Returns the tests that show a row, in the form of the page.
    pub(crate) fn tests_showing(&self, row: &DocsRow, tests: &[TestEntry]) -> String {
        let id = format!("{}/{}", self.name, row.id());
        let names = tests.iter().filter(|test| test.shows.contains(&id)).map(|test| format!("`{}`", test.name));
        names.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Returns the page with the tests that the sources name.
    fn text_with_tests(&self, tests: &[TestEntry]) -> String {
        let line = |line: DocsLine<'_>| match line {
            DocsLine::Row(row) => {
                let kept = row.cells[..row.cells.len() - 1].join(" | ");
                format!("| {kept} | {} |\n", self.tests_showing(&row, tests))
            }
            DocsLine::Other(line) => format!("{line}\n"),
        };
        self.parse_lines().expect("the page has its form").into_iter().map(line).collect()
    }

    /// Returns what is wrong with the page, given all tests and the rows that must be shown.
    pub(crate) fn page_faults(&self, tests: &[TestEntry], is_shown: impl Fn(&DocsRow) -> bool) -> Vec<String> {
        let rows = match self.parse_rows() {
            Ok(rows) => rows,
            Err(fault) => return vec![fault],
        };
        let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
        for row in &rows {
            let (id, shown) = (row.id(), self.tests_showing(row, tests));
            if !seen.insert(format!("{}/{id}", self.name)) {
                faults.push(format!("{id} stands there twice"));
            }
            if row.shown != shown {
                faults.push(format!("{id}: the sources say `{shown}`; `TENANTRY_GOLDEN=write` writes the column anew"));
            }
            if shown.is_empty() && is_shown(row) {
                faults.push(format!("{id} says to be shown, and no test shows it"));
            }
        }
        let is_ours = |id: &str| id.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('/'));
        for test in tests {
            for id in test.shows.iter().filter(|id| is_ours(id) && !seen.contains(*id)) {
                faults.push(format!("`{}` shows {id}, which stands nowhere", test.name));
            }
        }
        faults
    }
}

#[test]
fn a_false_column_is_found_out() {
    let test = |name: &str, id: &str| TestEntry {
        name: name.to_owned(),
        shows: vec![id.to_owned()],
        uses_ui_or_kubectl: false,
    };
    let judge = |rows: &str, tests: &[TestEntry]| {
        let whole = format!("# Page\n\n| id | what | shown by |\n| --- | --- | --- |\n{rows}\n\n| a | b | c |\n");
        DocsPage { name: "seeds", text: whole }.page_faults(tests, |row| row.cell("what") == Some("good")).join("; ")
    };
    let (one, two) = ([test("it::a", "seeds/x/y")], [test("it::b", "seeds/x/y"), test("it::a", "seeds/x/y")]);
    assert_eq!(judge("| x/y | good | `it::a` |", &one), "");
    assert_eq!(judge("| x/y | good | `it::a`, `it::b` |", &two), "");
    assert_eq!(judge("| x/y | open |  |", &[]), "");
    assert_eq!(judge("| x/y | open |  |", &[test("it::a", "faults/z")]), "", "an id of another page");
    for (rows, tests, fault) in [
        ("| x/y | good | `it::b` |", &one[..], "x/y: the sources say ``it::a``"),
        ("| x/y | good | `it::a` |", &two[..], "the sources say ``it::a`, `it::b``"),
        ("| x/y | good | `it::a` |", &[][..], "the sources say ``;"),
        ("| x/y | good |  |", &[][..], "x/y says to be shown, and no test shows it"),
        ("| x/z | open |  |", &one[..], "`it::a` shows seeds/x/y, which stands nowhere"),
        ("| x/y | good | `it::a` |\n| x/y | good | `it::a` |", &one[..], "x/y stands there twice"),
        ("| x/y | `it::a` |", &one[..], "3 cells are wanted"),
        ("|  | good | `it::a` |", &one[..], "an id is wanted"),
        ("\n| name | shown by |", &one[..], "the first column is `id`"),
    ] {
        let faults = judge(rows, tests);
        assert!(faults.contains(fault), "{rows}: {faults}");
    }
}

#[test]
fn a_page_is_written_anew_from_the_tests_and_nothing_else_of_it_changes() {
    let head = "# Page\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| id | what | shown by |\n| --- | --- | --- |\n";
    let page = |rows: &str| DocsPage { name: "faults", text: format!("{head}{rows}\nEnd.\n") };
    let test =
        |name: &str| TestEntry { name: name.to_owned(), shows: vec!["faults/1".to_owned()], uses_ui_or_kubectl: false };
    let written = page("| 1 | x | old |\n| 2 | y | `it::c` |\n").text_with_tests(&[test("it::b"), test("it::a")]);
    assert_eq!(written, page("| 1 | x | `it::a`, `it::b` |\n| 2 | y |  |\n").text);
}
