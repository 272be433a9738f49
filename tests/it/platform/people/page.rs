//! `docs/platform.md` against the code.

use std::fmt::Write as _;

use tenantry::platform::{Permission, Position, Row, Rule, TABLE};

use crate::assets;

fn groups(groups: &[&[Permission]]) -> String {
    let names = |group: &&[Permission]| {
        group.iter().map(|permission| format!("`{}`", permission.name())).collect::<Vec<_>>().join(" or ")
    };
    let whole = groups.len() > 1;
    let bound =
        |group: &&[Permission]| if whole && group.len() > 1 { format!("({})", names(group)) } else { names(group) };
    groups.iter().map(bound).collect::<Vec<_>>().join(" and ")
}

fn words(rule: Rule) -> String {
    match rule {
        Rule::Anybody => "anybody".to_owned(),
        Rule::Each(each) => groups(each),
        Rule::AllClients(each) => format!("{}, all clients", groups(each)),
        Rule::Everything => "everything, all clients".to_owned(),
    }
}

/// The table as the page has it.
fn table() -> String {
    let mut text = "| route | own tenant | own client | a partner below | a client below |\n".to_owned();
    text += "| --- | --- | --- | --- | --- |\n";
    for Row { verb, path, needs, .. } in TABLE {
        let cells: Vec<String> = Position::ALL.into_iter().map(|position| words(needs.at(position))).collect();
        writeln!(text, "| `{} {path}` | {} |", verb.name(), cells.join(" | ")).unwrap();
    }
    text
}

#[test]
fn the_page_shows_the_table_of_permissions_as_it_is() {
    let page = std::fs::read_to_string(assets::root().join("docs/platform.md")).unwrap();
    let table = table();
    assert!(page.contains(&table), "docs/platform.md should have:\n{table}");
}

#[test]
fn the_page_names_every_permission() {
    let page = std::fs::read_to_string(assets::root().join("docs/platform.md")).unwrap();
    for permission in Permission::ALL {
        let row = format!(
            "| `{}` | {} | {} {} |",
            permission.name(),
            permission.category(),
            permission.kind(),
            permission.category()
        );
        assert!(page.contains(&row), "docs/platform.md should have: {row}");
    }
}
