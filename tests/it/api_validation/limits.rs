//! Limits of the design, repeated here: the test fails if a schema loosens one.

use tenantry_catalog::{AddOn, Package};

use super::{DryRunServer, RuleRow, try_rows};
use crate::support::schema;

const ACKNOWLEDGE: &str = "should have at least 3 items";
const UNKNOWN: &str = "Unsupported value";

const fn limit_row(kind: &'static str, path: &'static str, says: &'static str) -> RuleRow {
    RuleRow { kind, path, message: says, accepted: &[], refused: &[] }
}

pub(super) const LIMIT_ROWS: &[RuleRow] = &[
    RuleRow {
        accepted: &["[DataErased, NotRecoverable, UsersDeactivated]"],
        refused: &["[]", "[DataErased, NotRecoverable]"],
        ..limit_row("Client", "spec.deletion.confirm.acknowledge", ACKNOWLEDGE)
    },
    RuleRow {
        accepted: &["[UsersDeactivated, DataErased, NotRecoverable]"],
        refused: &["[]", "[UsersDeactivated]"],
        ..limit_row("Partner", "spec.deletion.confirm.acknowledge", ACKNOWLEDGE)
    },
    RuleRow {
        accepted: &["0", "86400", "2592000"],
        refused: &["2592001"],
        ..limit_row("Partner", "spec.deletion.gracePeriodSeconds", "less than or equal to 2592000")
    },
    RuleRow {
        refused: &["-1"],
        ..limit_row("Client", "spec.deletion.gracePeriodSeconds", "greater than or equal to 0")
    },
    RuleRow {
        accepted: &["8", "128"],
        refused: &["7", "0"],
        ..limit_row("Partner", "spec.security.passwordPolicy.custom.minLength", "greater than or equal to 8")
    },
    RuleRow {
        refused: &["129"],
        ..limit_row("Partner", "spec.security.passwordPolicy.custom.minLength", "less than or equal to 128")
    },
    RuleRow {
        accepted: &["1", "3650"],
        refused: &["3651"],
        ..limit_row("Partner", "spec.security.passwordPolicy.custom.validityDays", "less than or equal to 3650")
    },
    RuleRow {
        accepted: &["1", "100"],
        refused: &["101"],
        ..limit_row("Partner", "spec.security.passwordPolicy.custom.attemptsBeforeLockout", "less than or equal to 100")
    },
    RuleRow {
        accepted: &["Retain", "Suspend", "Terminate"],
        refused: &["Delete", "retain", "''"],
        ..limit_row("Client", "spec.deletion.policy", UNKNOWN)
    },
    RuleRow {
        accepted: &["Active", "Suspended"],
        refused: &["Inactive", "Terminated"],
        ..limit_row("Client", "spec.tenantState", UNKNOWN)
    },
    RuleRow {
        accepted: &["Same", "All"],
        refused: &["None"],
        ..limit_row("Partner", "spec.clients.allowedNamespaces.from", UNKNOWN)
    },
    RuleRow {
        accepted: &["Monday", "Sunday"],
        refused: &["Mon", "1.5"],
        ..limit_row("Client", "spec.details.businessHours.firstDay", "")
    },
    RuleRow {
        accepted: &["'01067'"],
        refused: &["10117"],
        ..limit_row("Partner", "spec.details.postalCode", "write it in quotes")
    },
    RuleRow {
        accepted: &["'01067'"],
        refused: &["10117"],
        ..limit_row("Client", "spec.details.postalCode", "write it in quotes")
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_design_hold() {
    let server = DryRunServer::new("limits").await;
    let tried = try_rows(&server, LIMIT_ROWS).await;
    println!("{} limits, {tried} objects", LIMIT_ROWS.len());
}

#[test]
fn packages_and_add_ons_are_those_of_the_catalog() {
    let add_ons = AddOn::ALL.map(AddOn::name).to_vec();
    let packages = Package::ALL.map(Package::name).to_vec();
    for node in schema::schema_nodes() {
        let words = match node.path.rsplit('.').next() {
            Some("addOns") if node.path.starts_with("spec") => &add_ons,
            Some("packages") if node.path.starts_with("spec") => &packages,
            _ => continue,
        };
        assert_eq!(node.schema["items"]["enum"], serde_json::json!(words), "{}", node.kind_and_path());
        assert_eq!(node.schema["maxItems"], words.len(), "{}", node.kind_and_path());
    }
}
