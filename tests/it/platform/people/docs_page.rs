//! Verifies `docs/platform.md` against the code.

use std::fmt::Write as _;

use tenantry_platform::{ApiRoute, CallerRelation, Permission, PermissionRule, ROUTES};

use crate::assets;

fn format_groups(groups: &[&[Permission]]) -> String {
    let names = |group: &&[Permission]| {
        group.iter().map(|permission| format!("`{}`", permission.name())).collect::<Vec<_>>().join(" or ")
    };
    let whole = groups.len() > 1;
    let bound =
        |group: &&[Permission]| if whole && group.len() > 1 { format!("({})", names(group)) } else { names(group) };
    groups.iter().map(bound).collect::<Vec<_>>().join(" and ")
}

fn format_rule(rule: PermissionRule) -> String {
    match rule {
        PermissionRule::Anybody => "anybody".to_owned(),
        PermissionRule::Each(each) => format_groups(each),
        PermissionRule::AllClients(each) => format!("{}, all clients", format_groups(each)),
        PermissionRule::AllPermissions => "everything, all clients".to_owned(),
    }
}

/// Renders the table as the page has it.
fn render_table() -> String {
    let mut text = "| route | own tenant | own client | a partner below | a client below |\n".to_owned();
    text += "| --- | --- | --- | --- | --- |\n";
    for ApiRoute { method: verb, path, requirements: needs, .. } in ROUTES {
        let cells: Vec<String> =
            CallerRelation::ALL.into_iter().map(|position| format_rule(needs.rule_for(position))).collect();
        writeln!(text, "| `{} {path}` | {} |", verb.name(), cells.join(" | ")).unwrap();
    }
    text
}

#[test]
fn the_page_shows_the_table_of_permissions_as_it_is() {
    let page = std::fs::read_to_string(assets::root().join("docs/platform.md")).unwrap();
    let table = render_table();
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
