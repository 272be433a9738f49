//! Limits that the design names, written here once more: a schema that loosens one is found out.

use tenantry::catalog::{AddOn, Package};

use super::{Row, Server, try_rows};
use crate::support::schema;

const ACKNOWLEDGE: &str = "should have at least 3 items";
const UNKNOWN: &str = "Unsupported value";

const fn row(kind: &'static str, path: &'static str, says: &'static str) -> Row {
    Row { kind, path, says, accepted: &[], refused: &[] }
}

pub(super) const ROWS: &[Row] = &[
    Row {
        accepted: &["[DataErased, NotRecoverable, UsersDeactivated]"],
        refused: &["[]", "[DataErased, NotRecoverable]"],
        ..row("Client", "spec.deletion.confirm.acknowledge", ACKNOWLEDGE)
    },
    Row {
        accepted: &["[UsersDeactivated, DataErased, NotRecoverable]"],
        refused: &["[]", "[UsersDeactivated]"],
        ..row("Partner", "spec.deletion.confirm.acknowledge", ACKNOWLEDGE)
    },
    Row {
        accepted: &["0", "86400", "2592000"],
        refused: &["2592001"],
        ..row("Partner", "spec.deletion.gracePeriodSeconds", "less than or equal to 2592000")
    },
    Row { refused: &["-1"], ..row("Client", "spec.deletion.gracePeriodSeconds", "greater than or equal to 0") },
    Row {
        accepted: &["8", "128"],
        refused: &["7", "0"],
        ..row("Partner", "spec.security.passwordPolicy.custom.minLength", "greater than or equal to 8")
    },
    Row {
        refused: &["129"],
        ..row("Partner", "spec.security.passwordPolicy.custom.minLength", "less than or equal to 128")
    },
    Row {
        accepted: &["1", "3650"],
        refused: &["3651"],
        ..row("Partner", "spec.security.passwordPolicy.custom.validityDays", "less than or equal to 3650")
    },
    Row {
        accepted: &["1", "100"],
        refused: &["101"],
        ..row("Partner", "spec.security.passwordPolicy.custom.attemptsBeforeLockout", "less than or equal to 100")
    },
    Row {
        accepted: &["Retain", "Suspend", "Terminate"],
        refused: &["Delete", "retain", "''"],
        ..row("Client", "spec.deletion.policy", UNKNOWN)
    },
    Row {
        accepted: &["Active", "Suspended"],
        refused: &["Inactive", "Terminated"],
        ..row("Client", "spec.tenantState", UNKNOWN)
    },
    Row {
        accepted: &["Same", "All"],
        refused: &["None"],
        ..row("Partner", "spec.clients.allowedNamespaces.from", UNKNOWN)
    },
    Row {
        accepted: &["Monday", "Sunday"],
        refused: &["Mon", "1.5"],
        ..row("Client", "spec.details.businessHours.firstDay", "")
    },
    Row {
        accepted: &["'01067'"],
        refused: &["10117"],
        ..row("Partner", "spec.details.postalCode", "write it in quotes")
    },
    Row {
        accepted: &["'01067'"],
        refused: &["10117"],
        ..row("Client", "spec.details.postalCode", "write it in quotes")
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_design_hold() {
    let server = Server::new("limits").await;
    let tried = try_rows(&server, ROWS).await;
    println!("{} limits, {tried} objects", ROWS.len());
}

#[test]
fn packages_and_add_ons_are_those_of_the_catalog() {
    let add_ons = AddOn::ALL.map(AddOn::name).to_vec();
    let packages = Package::ALL.map(Package::name).to_vec();
    for node in schema::nodes() {
        let words = match node.path.rsplit('.').next() {
            Some("addOns") if node.path.starts_with("spec") => &add_ons,
            Some("packages") if node.path.starts_with("spec") => &packages,
            _ => continue,
        };
        assert_eq!(node.schema["items"]["enum"], serde_json::json!(words), "{}", node.place());
        assert_eq!(node.schema["maxItems"], words.len(), "{}", node.place());
    }
}
