//! Tests of the default permission sets and roles. The expected values are typed from their descriptions, not taken
//! from the program.

use serde_json::Value;

use super::TestPlatform;

/// The permissions in the order of the columns below, as `name` and `type` of a set's member.
const COLUMNS: [(&str, &str); 14] = [
    ("MSP", "View MSP"),
    ("MSP", "Manage MSP"),
    ("Partners", "Manage Partners"),
    ("Clients", "View Clients"),
    ("Clients", "Create Clients"),
    ("Clients", "Manage Clients"),
    ("Clients", "Edit Clients"),
    ("Administration", "Manage Administration"),
    ("Users", "View Users"),
    ("Users", "Manage Users"),
    ("Roles", "View Roles"),
    ("Roles", "Manage Roles"),
    ("Devices", "View Devices"),
    ("Devices", "Manage Devices"),
];

/// Level, number, name and permissions of a set: three of MSPs, four of clients, then administration, users, roles,
/// devices.
const PERMISSION_MATRIX: [(&str, i64, &str, &str); 14] = [
    ("SP", 1, "Service Provider Administrator", "xxx xxxx x xx xx xx"),
    ("SP", 2, "Service Provider View", "x.. x... . x. x. x."),
    ("MSP", 11, "Partner Administrator", "... xxxx x xx xx xx"),
    ("MSP", 12, "Var Administrator", "... xxxx . xx xx xx"),
    ("MSP", 13, "VAR User", "... x... . .. .. x."),
    ("MSP", 14, "Auditor Manage", "... x..x . x. x. x."),
    ("MSP", 15, "Auditor View", "... x... . x. x. x."),
    ("MSP", 16, "Technician", "... x... . .. .. xx"),
    ("MSP", 17, "Dispatcher", "... x... . x. .. x."),
    ("CLIENT", 31, "Client Administrator", "... .... x xx xx xx"),
    ("CLIENT", 32, "Client User", "... .... . .. .. xx"),
    ("CLIENT", 33, "Customer", "... .... . x. .. x."),
    ("CLIENT", 34, "End User View", "... .... . .. .. x."),
    ("CLIENT", 35, "Full Client Permissions", "... .... x xx xx xx"),
];

/// The sets that a package brings, and whether they allow changing devices or only viewing them.
const OF_PACKAGES: [(&str, bool); 13] = [
    ("OpsQ", false),
    ("Incident", false),
    ("Change Request", false),
    ("Task Request", false),
    ("Service Request", false),
    ("Problem", false),
    ("Time-bound request", false),
    ("Jobs", true),
    ("Consoles", true),
    ("Patch Approvals", true),
    ("Recording Audits", false),
    ("Scripts", true),
    ("Commands", true),
];

/// The roles of each level with their sets.
const ROLES: [(&str, &str, &[i64]); 5] = [
    ("SP", "Service Provider Administrator", &[1]),
    ("MSP", "Partner Administrator", &[11]),
    ("CLIENT", "Client Administrator", &[31]),
    ("CLIENT", "Client user", &[32]),
    ("CLIENT", "Client Dashboard Default Share Role", &[34]),
];

/// Returns a set's permissions as a line of the matrix, without blanks.
fn matrix_line(set: &Value) -> String {
    let members = set["permissions"].as_array().unwrap();
    let has = |(name, kind): &(&str, &str)| members.iter().any(|one| one["name"] == *name && one["type"] == *kind);
    let line: String = COLUMNS.iter().map(|column| if has(column) { 'x' } else { '.' }).collect();
    assert_eq!(line.matches('x').count(), members.len(), "a permission without a column: {set}");
    line
}

/// shows: security/asvs/8.2.1
#[tokio::test]
async fn each_default_permission_set_and_role_holds_what_its_description_says_and_no_more() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let packages = serde_json::json!({ "packages": [
        "Hybrid Discovery and Monitoring", "Event and Incident Management", "Remediation and Automation" ] });
    platform.sp.post(&format!("/tenants/{partner}/clients/{client}"), packages).await.json();
    for (level, tenant) in [("SP", platform.sp_id.clone()), ("MSP", partner), ("CLIENT", client)] {
        let page =
            platform.sp.get(&format!("/tenants/{tenant}/permissionSets?pageSize=100&isDescendingOrder=false")).await;
        let page = page.json();
        let (basic, brought): (Vec<&Value>, Vec<&Value>) =
            page["results"].as_array().unwrap().iter().partition(|set| set["id"].as_i64().unwrap() < 100);
        let seen: Vec<(i64, &str, String)> = basic
            .iter()
            .map(|set| (set["id"].as_i64().unwrap(), set["name"].as_str().unwrap(), matrix_line(set)))
            .collect();
        let typed = PERMISSION_MATRIX.iter().filter(|row| row.0 == level);
        let typed: Vec<(i64, &str, String)> =
            typed.map(|(_, id, name, has)| (*id, *name, has.replace(' ', ""))).collect();
        assert_eq!(seen, typed, "{level}");

        let seen: Vec<(&str, String)> =
            brought.iter().map(|set| (set["name"].as_str().unwrap(), matrix_line(set))).collect();
        let devices = |work: bool| format!("............x{}", if work { 'x' } else { '.' });
        let expected = OF_PACKAGES.iter().map(|(name, work)| (*name, devices(*work)));
        let expected: Vec<(&str, String)> = expected.filter(|_| level != "SP").collect();
        assert_eq!(seen, expected, "{level}");

        let mut roles = Vec::new();
        let found = platform.sp.get(&format!("/tenants/{tenant}/roles/search?isDescendingOrder=false")).await.json();
        for role in found["results"].as_array().unwrap() {
            let path = format!("/tenants/{tenant}/roles/{}", role["uniqueId"].as_str().unwrap());
            let role = platform.sp.get(&path).await.json();
            let sets = role["permissions"].as_array().unwrap().iter().map(|set| set["id"].as_i64().unwrap());
            roles.push((role["name"].as_str().unwrap().to_owned(), sets.collect::<Vec<i64>>()));
        }
        let typed = ROLES.iter().filter(|row| row.0 == level);
        let typed: Vec<(String, Vec<i64>)> = typed.map(|(_, name, sets)| ((*name).to_owned(), sets.to_vec())).collect();
        assert_eq!(roles, typed, "{level}");
    }
}
