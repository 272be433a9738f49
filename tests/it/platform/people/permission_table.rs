//! Tests the complete table of permissions: calls every route with each permission alone and with all but one.

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_platform::{ApiRoute, CallerRelation, Permission, PermissionRule, ROUTES};

use super::{ApiCaller, TestPlatform};

/// A user of a level, whose only role has one permission set that the test rewrites.
struct PermissionTester {
    caller: ApiCaller,
    /// `SP`, `MSP` or `CLIENT`.
    level: &'static str,
    home: String,
    set: String,
    role: String,
}

struct PermissionFixture {
    platform: TestPlatform,
    partner: String,
    client: String,
    other: String,
}

impl PermissionFixture {
    async fn new() -> Self {
        let platform = TestPlatform::start().await;
        let partner = platform.create_partner("Acme").await;
        let client = platform.sp.create_client(&partner, "Globex").await;
        let other = platform.sp.create_client(&partner, "Hooli").await;
        Self { platform, partner, client, other }
    }

    async fn create_tester(&self, level: &'static str) -> PermissionTester {
        let home = match level {
            "SP" => self.platform.sp_id.clone(),
            "MSP" => self.partner.clone(),
            _ => self.client.clone(),
        };
        let sp = &self.platform.sp;
        let body = json!({ "name": "Walk", "permissions": [] });
        let set = sp.post(&format!("/tenants/{home}/permissionSets"), body).await.json();
        let body = json!({ "name": "Walk", "allClients": true, "permissions": [{ "id": set["id"] }] });
        let role = sp.post(&format!("/tenants/{home}/roles"), body).await.json();
        let (caller, _) = self.platform.create_logged_in_user(&home, &format!("walker-{level}"), &["Walk"]).await;
        let text = |value: &Value| value["uniqueId"].as_str().unwrap().to_owned();
        PermissionTester { caller, level, set: text(&set), role: text(&role), home }
    }

    /// Replaces the tester's permissions with exactly these.
    async fn give_permissions(&self, tester: &PermissionTester, permissions: &[Permission]) {
        let named = |permission: &Permission| json!({ "name": permission.category(), "type": format!("{} {}", permission.kind(), permission.category()) });
        let body = json!({ "permissions": permissions.iter().map(named).collect::<Vec<_>>() });
        let path = format!("/tenants/{}/permissionSets/{}", tester.home, tester.set);
        self.platform.sp.put(&path, body).await.json();
    }

    /// Returns the tenants under which users of a level can call a route.
    fn tenants(&self, level: &str, path: &str) -> Vec<&String> {
        let all = [&self.platform.sp_id, &self.partner, &self.client];
        let under = |tenants: &[usize]| tenants.iter().map(|index| all[*index]).collect::<Vec<_>>();
        let fits = if path.contains("/msps") {
            under(&[0])
        } else if path.contains("/clients")
            || path.trim_end_matches('/').ends_with("{tenant}") && !path.contains("client/")
        {
            under(&[1])
        } else if path.contains("client/") {
            under(&[2])
        } else {
            under(&[0, 1, 2])
        };
        let seen = match level {
            "SP" => 0,
            "MSP" => 1,
            _ => 2,
        };
        fits.into_iter().filter(|tenant| all[seen..].contains(tenant)).collect()
    }
}

fn caller_position(tester: &PermissionTester, fixture: &PermissionFixture, tenant: Option<&String>) -> CallerRelation {
    match tenant.filter(|tenant| **tenant != tester.home) {
        Some(tenant) if *tenant == fixture.client => CallerRelation::ParentOfClient,
        Some(_) => CallerRelation::Provider,
        None if tester.level == "CLIENT" => CallerRelation::OwnClient,
        None => CallerRelation::Own,
    }
}

fn permission_scope(level: &str) -> tenantry_platform::PermissionScope {
    tenantry_platform::PermissionScope::from_wire(level).unwrap()
}

/// Returns whether the table allows a call. This evaluates the table independently of the authorization code.
fn is_allowed_by_table(
    rule: PermissionRule,
    permissions: &[Permission],
    level: &str,
    reaches_all_clients: bool,
) -> bool {
    let each = |groups: &[&[Permission]]| groups.iter().all(|group| group.iter().any(|one| permissions.contains(one)));
    match rule {
        PermissionRule::Anybody => true,
        PermissionRule::Each(groups) => each(groups),
        PermissionRule::AllClients(groups) => reaches_all_clients && each(groups),
        PermissionRule::AllPermissions => {
            reaches_all_clients
                && Permission::ALL.iter().all(|one| !one.is_for(permission_scope(level)) || permissions.contains(one))
        }
    }
}

/// Calls every route. Counts the allowed answers.
async fn call_every_route(
    fixture: &PermissionFixture,
    tester: &PermissionTester,
    permissions: &[Permission],
    reaches_all_clients: bool,
) -> (usize, usize) {
    let (mut passed, mut refused) = (0, 0);
    for ApiRoute { method: verb, path, requirements: needs, .. } in ROUTES {
        let tenants = fixture.tenants(tester.level, path);
        let tenants: Vec<Option<&String>> =
            if path.contains("{tenant}") { tenants.into_iter().map(Some).collect() } else { vec![None] };
        for tenant in tenants {
            let rule = needs.rule_for(caller_position(tester, fixture, tenant));
            let path = path.replace("{tenant}", tenant.map_or("", String::as_str));
            // The other objects do not exist, so an allowed call changes nothing.
            let path = [
                "{client}",
                "{msp}",
                "{user}",
                "{role}",
                "{set}",
                "{category}",
                "{record}",
                "{stream}",
                "{credential}",
                "{export}",
            ]
            .iter()
            .fold(path, |path, name| path.replace(name, "none_900"));
            let method: Method = verb.name().parse().unwrap();
            let answer = tester.caller.send(method, &path, b"{}".to_vec()).await;
            let what = format!("{} {path} with {permissions:?} at {}: {}", verb.name(), tester.level, answer.text);
            assert!(!matches!(answer.status.as_u16(), 401 | 405 | 500), "{}: {what}", answer.status);
            // If a role grants nothing, clients below are not visible.
            if permissions.is_empty() && caller_position(tester, fixture, tenant) == CallerRelation::ParentOfClient {
                assert_eq!(answer.status, 404, "{what}");
                continue;
            }
            if is_allowed_by_table(rule, permissions, tester.level, reaches_all_clients) {
                assert_ne!(answer.status, 403, "{what}");
                passed += 1;
            } else {
                assert_eq!(answer.status, 403, "{what}");
                assert_names_permission(rule, permissions, &answer.text);
                refused += 1;
            }
        }
    }
    (passed, refused)
}

/// Asserts that a denial names the first missing permission.
fn assert_names_permission(rule: PermissionRule, permissions: &[Permission], text: &str) {
    let (PermissionRule::Each(groups) | PermissionRule::AllClients(groups)) = rule else { return };
    let group =
        groups.iter().find(|group| !group.iter().any(|one| permissions.contains(one))).or(groups.first()).unwrap();
    for permission in *group {
        assert!(text.contains(permission.name()), "{text} does not name {}", permission.name());
    }
}

/// shows: seeds/client-permissions/all-clients
/// shows: security/asvs/8.2.1
#[tokio::test]
async fn every_route_is_allowed_exactly_where_the_table_says() {
    let world = PermissionFixture::new().await;
    let (mut passed, mut refused) = (0, 0);
    for level in ["SP", "MSP", "CLIENT"] {
        let walker = world.create_tester(level).await;
        let every: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|permission| permission.is_for(permission_scope(level))).collect();
        let mut variants = vec![Vec::new(), every.clone()];
        for one in &every {
            variants.push(vec![*one]);
            variants.push(every.iter().copied().filter(|other| other != one).collect());
        }
        for held in variants {
            world.give_permissions(&walker, &held).await;
            let (more, fewer) = call_every_route(&world, &walker, &held, true).await;
            (passed, refused) = (passed + more, refused + fewer);
        }
        if level == "MSP" {
            restrict_to_one_client(&world, &walker, &every).await;
        }
    }
    println!("{passed} allowed, {refused} refused");
    assert!(passed > 500 && refused > 500, "{passed} allowed, {refused} refused");
}

/// Gives the same person a role that reaches one client only.
async fn restrict_to_one_client(fixture: &PermissionFixture, tester: &PermissionTester, every: &[Permission]) {
    fixture.give_permissions(tester, every).await;
    let role = format!("/tenants/{}/roles/{}", tester.home, tester.role);
    let body = json!({ "allClients": false, "clients": [{ "uniqueId": fixture.client }] });
    fixture.platform.sp.post(&role, body).await.json();
    let (passed, refused) = call_every_route(fixture, tester, every, false).await;
    assert!(passed > 20, "{passed} allowed");
    assert_eq!(
        refused, 10,
        "creates of clients, the partner's own account, and the four routes of credentials of the partner and of the client"
    );
    let other = &fixture.other;
    tester.caller.get(&format!("/tenants/{other}/users/minimal")).await.assert_error(404, "not found");
    tester.caller.get(&format!("/tenants/client/{other}")).await.assert_error(404, "not found");
}
