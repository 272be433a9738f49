//! Tables of pages with a column that is written from the tests: whatever says `shows: PAGE/ID` is in the row of `ID`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::Test;
use crate::{assets, support};

/// How such a table begins and ends.
const FIRST: &str = "id";
const LAST: &str = "shown by";

/// A page of `docs/`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// A row of one of its tables.
#[derive(Debug)]
pub(crate) struct Row {
    /// The heading above.
    pub(crate) section: String,
    /// What the page says to be shown by.
    pub(crate) shown: String,
    columns: Vec<String>,
    cells: Vec<String>,
}

impl Row {
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

    /// What stands in a column.
    pub(crate) fn cell(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        Some(&self.cells[at])
    }
}

/// A line of a page.
enum Line<'p> {
    Row(Row),
    Other(&'p str),
}

impl Page {
    pub(crate) fn read(name: &'static str) -> Self {
        Self { name, text: fs::read_to_string(Self::file(name)).expect("the page is there") }
    }

    /// The page after its columns were written, where that is asked for.
    pub(crate) fn renewed(name: &'static str, tests: &[Test]) -> Self {
        let mut page = Self::read(name);
        if support::writes_golden_files() {
            page.text = page.written(tests);
            page.save();
        }
        page
    }

    /// Keeps the text.
    pub(crate) fn save(&self) {
        fs::write(Self::file(self.name), &self.text).expect("the page can be written");
    }

    fn file(name: &str) -> PathBuf {
        assets::root().join(format!("docs/{name}.md"))
    }

    /// The lines of the page, or what is wrong with the form of a row.
    fn lines(&self) -> Result<Vec<Line<'_>>, String> {
        let (mut lines, mut columns, mut section) = (Vec::new(), Vec::new(), "");
        for line in self.text.lines() {
            section = line.strip_prefix("## ").unwrap_or(section);
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let is_table = line.starts_with('|');
            if is_table && cells.last() == Some(&LAST) {
                if cells[0] != FIRST {
                    return Err(format!("the first column is `{FIRST}`: {line}"));
                }
                columns = cells;
            } else if !is_table {
                columns.clear();
            } else if !columns.is_empty() && !line.starts_with("| ---") {
                lines.push(Line::Row(Row::new(section, &columns, &cells)?));
                continue;
            }
            lines.push(Line::Other(line));
        }
        Ok(lines)
    }

    /// The rows that tests can show.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, String> {
        let row = |line| match line {
            Line::Row(row) => Some(row),
            Line::Other(_) => None,
        };
        Ok(self.lines()?.into_iter().filter_map(row).collect())
    }

    /// The tests that show a row, as the page names them.
    pub(crate) fn shown(&self, row: &Row, tests: &[Test]) -> String {
        let id = format!("{}/{}", self.name, row.id());
        let names = tests.iter().filter(|test| test.shows.contains(&id)).map(|test| format!("`{}`", test.name));
        names.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The page with the tests that the sources name.
    fn written(&self, tests: &[Test]) -> String {
        let line = |line: Line<'_>| match line {
            Line::Row(row) => {
                let kept = row.cells[..row.cells.len() - 1].join(" | ");
                format!("| {kept} | {} |\n", self.shown(&row, tests))
            }
            Line::Other(line) => format!("{line}\n"),
        };
        self.lines().expect("the page has its form").into_iter().map(line).collect()
    }

    /// What is wrong with the page, given all tests and which rows say to be shown.
    pub(crate) fn faults(&self, tests: &[Test], is_shown: impl Fn(&Row) -> bool) -> Vec<String> {
        let rows = match self.rows() {
            Ok(rows) => rows,
            Err(fault) => return vec![fault],
        };
        let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
        for row in &rows {
            let (id, shown) = (row.id(), self.shown(row, tests));
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
    let test = |name: &str, id: &str| Test { name: name.to_owned(), shows: vec![id.to_owned()], is_felt: false };
    let judge = |rows: &str, tests: &[Test]| {
        let whole = format!("# Page\n\n| id | what | shown by |\n| --- | --- | --- |\n{rows}\n\n| a | b | c |\n");
        Page { name: "seeds", text: whole }.faults(tests, |row| row.cell("what") == Some("good")).join("; ")
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
    let page = |rows: &str| Page { name: "faults", text: format!("{head}{rows}\nEnd.\n") };
    let test = |name: &str| Test { name: name.to_owned(), shows: vec!["faults/1".to_owned()], is_felt: false };
    let written = page("| 1 | x | old |\n| 2 | y | `it::c` |\n").written(&[test("it::b"), test("it::a")]);
    assert_eq!(written, page("| 1 | x | `it::a`, `it::b` |\n| 2 | y |  |\n").text);
}
