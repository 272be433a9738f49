//! Tests of isolation: with every caller and every route, a foreign tenant has no visible object and nothing changes.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use tenantry_platform::{ApiRoute, ROUTES};

use super::{ApiCaller, PASSWORD, TestPlatform};

/// A tenant with one object of each kind.
#[derive(Clone, Debug)]
struct TenantFixture {
    tenant: String,
    user: String,
    role: String,
    set: String,
    record: String,
    stream: String,
    credential: String,
}

/// What belongs to a tenant, as paths name it. A category does not.
const THINGS: [&str; 8] = ["{client}", "{msp}", "{user}", "{role}", "{set}", "{record}", "{stream}", "{credential}"];

/// A principal, its own tenant and the tenants that are foreign to it, as indexes into the fixture.
struct TestPrincipal {
    name: &'static str,
    caller: ApiCaller,
    own: usize,
    foreign: &'static [usize],
}

struct IsolationFixture {
    platform: TestPlatform,
    places: Vec<TenantFixture>,
    principals: Vec<TestPrincipal>,
}

const SP: usize = 0;
const ACME: usize = 1;
const GLOBEX: usize = 2;
const HOOLI: usize = 3;
const OTHER: usize = 4;
const NEIGHBOUR_OF_OTHER: usize = 5;

async fn create_tenant_fixture(platform: &TestPlatform, tenant: String, name: &str) -> TenantFixture {
    let sp = &platform.sp;
    let user = platform.create_user(&tenant, &format!("user-{name}"), &[]).await;
    let set = sp.post(&format!("/tenants/{tenant}/permissionSets"), json!({ "name": "Own" })).await.json();
    let role = sp.post(&format!("/tenants/{tenant}/roles"), json!({ "name": "Own" })).await.json();
    let record = sp.post(&format!("/tenants/{tenant}/records/resources"), json!({ "name": "Own" })).await.json();
    let record = record["id"].as_str().map_or_else(|| record["id"].to_string(), str::to_owned);
    let stream = 900 + tenant_number(&tenant);
    sqlx::query("INSERT INTO stream VALUES ($1, $2, 'Own', 'https://hooks.example/in', 0, 0, NULL)")
        .bind(stream)
        .bind(tenant_number(&tenant))
        .execute(&platform.pool().await)
        .await
        .unwrap();
    let credential = sp.post_empty(&format!("/tenants/{tenant}/credentials")).await.json();
    let credential = credential["id"].as_str().unwrap().to_owned();
    let text = |value: &Value| value["uniqueId"].as_str().unwrap().to_owned();
    TenantFixture { credential, user, role: text(&role), set: text(&set), tenant, record, stream: stream.to_string() }
}

/// Returns the number at the end of a tenant's unique id.
fn tenant_number(tenant: &str) -> i64 {
    tenant.rsplit('_').next().unwrap().parse().unwrap()
}

async fn isolation_fixture() -> IsolationFixture {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let mut tenants = vec![platform.sp_id.clone(), acme.clone()];
    for (partner, name) in [(&acme, "Globex"), (&acme, "Hooli")] {
        tenants.push(platform.sp.create_client(partner, name).await);
    }
    tenants.push(other.clone());
    tenants.push(platform.sp.create_client(&other, "Theirs").await);
    let mut places = Vec::new();
    for (tenant, name) in tenants.into_iter().zip(["sp", "acme", "globex", "hooli", "other", "theirs"]) {
        places.push(create_tenant_fixture(&platform, tenant, name).await);
    }
    let body =
        json!({ "name": "Bound", "clients": [{ "uniqueId": places[GLOBEX].tenant }], "permissions": [{ "id": 11 }] });
    platform.sp.post(&format!("/tenants/{acme}/roles"), body).await.json();
    let person = |own: usize, login: &'static str, roles: &'static [&'static str]| {
        let (platform, tenant) = (&platform, places[own].tenant.clone());
        async move { platform.create_logged_in_user(&tenant, login, roles).await.0 }
    };
    let principals = vec![
        test_principal(
            "a partner's administrator",
            person(ACME, "ada", &["Partner Administrator"]).await,
            ACME,
            &[SP, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a partner's person of one client",
            person(ACME, "bob", &["Bound"]).await,
            ACME,
            &[SP, HOOLI, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a partner's person without a role",
            person(ACME, "nil", &[]).await,
            ACME,
            &[SP, GLOBEX, HOOLI, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a client's administrator",
            person(GLOBEX, "ann", &["Client Administrator"]).await,
            GLOBEX,
            &[SP, ACME, HOOLI, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a client's person",
            person(GLOBEX, "ben", &["Client user"]).await,
            GLOBEX,
            &[SP, ACME, HOOLI, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a partner's credential",
            platform.caller_for_tenant(&acme).await,
            ACME,
            &[SP, OTHER, NEIGHBOUR_OF_OTHER],
        ),
        test_principal(
            "a client's credential",
            platform.caller_for_tenant(&places[GLOBEX].tenant).await,
            GLOBEX,
            &[SP, ACME, HOOLI, OTHER, NEIGHBOUR_OF_OTHER],
        ),
    ];
    IsolationFixture { platform, places, principals }
}

fn test_principal(name: &'static str, caller: ApiCaller, own: usize, foreign: &'static [usize]) -> TestPrincipal {
    TestPrincipal { name, caller, own, foreign }
}

/// Returns every row of every table, except what a read changes: the last use of sessions, the caller's own audit log
/// and the anchor that counts its rows.
async fn dump_foreign_data(world: &IsolationFixture, asker: &TenantFixture) -> String {
    let pool = world.platform.pool().await;
    let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'session' ORDER BY name");
    let mut text = String::new();
    for table in tables.fetch_all(&pool).await.unwrap() {
        let table: String = table.get("name");
        let columns = sqlx::query(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")));
        let columns: Vec<String> = columns
            .fetch_all(&pool)
            .await
            .unwrap()
            .iter()
            .map(|row| format!("quote({})", row.get::<String, _>("name")))
            .collect();
        let others = match &*table {
            "audit" | "audit_head" => format!("WHERE tenant_id <> {}", tenant_number(&asker.tenant)),
            "audit_anchor" => "WHERE id < 0".to_owned(),
            _ => String::new(),
        };
        let rows = format!("SELECT {} AS line FROM {table} {others} ORDER BY 1", columns.join(" || ',' || "));
        for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap() {
            writeln!(text, "{table}: {}", row.get::<String, _>("line")).unwrap();
        }
    }
    text
}

/// Returns a body that would be accepted if the tenant were not foreign.
fn body_for_path(path: &str, name: &str) -> Value {
    if path.ends_with("/changePassword") {
        return json!({ "currentPassword": PASSWORD, "newPassword": "Stolen-Passw0rd!", "confirmPassword": "Stolen-Passw0rd!" });
    }
    json!({
        "name": name, "loginName": name, "firstName": name, "lastName": name, "city": name,
        "email": "stranger@example.org", "password": "Stolen-Passw0rd!", "applicationTitle": name, "permissions": [],
    })
}

/// Calls every route with the foreign tenant in the path, and with the caller's own tenant and a foreign object below
/// it.
async fn call_with_foreign_tenant(
    world: &IsolationFixture,
    principal: &TestPrincipal,
    foreign: &TenantFixture,
    name: &str,
) -> Result<usize, TestCaseError> {
    let own = &world.places[principal.own];
    let mut asked = 0;
    for ApiRoute { method: verb, path, .. } in ROUTES.iter().filter(|row| row.path.contains("{tenant}")) {
        let below = THINGS.iter().any(|thing| path.contains(thing));
        let tenants = if below { vec![&foreign.tenant, &own.tenant] } else { vec![&foreign.tenant] };
        for tenant in tenants {
            let mut path = path.replace("{tenant}", tenant);
            for (part, value) in [
                ("{client}", &foreign.tenant),
                ("{msp}", &foreign.tenant),
                ("{user}", &foreign.user),
                ("{role}", &foreign.role),
                ("{set}", &foreign.set),
                ("{record}", &foreign.record),
                ("{stream}", &foreign.stream),
                ("{credential}", &foreign.credential),
            ] {
                path = path.replace(part, value);
            }
            path = path.replace("{category}", "resources");
            let sent = body_for_path(&path, name).to_string().into_bytes();
            let answer = principal.caller.send(verb.name().parse().unwrap(), &path, sent).await;
            let status = answer.status.as_u16();
            prop_assert!(
                matches!(status, 403 | 404),
                "{} asked {} {path}: {status} {}",
                principal.name,
                verb.name(),
                answer.text
            );
            asked += 1;
        }
    }
    Ok(asked)
}

/// shows: security/asvs/8.2.1
#[test]
fn under_a_foreign_tenant_every_route_answers_403_or_404_and_nothing_changes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(isolation_fixture());
    let mut runner = TestRunner::new(crate::support::random_cases("strangers", 7, 24));
    let input = (0..world.principals.len(), any::<prop::sample::Index>(), "[a-z]{8}");
    let ran = runner.run(&input, |(who, whom, name)| {
        runtime.block_on(async {
            let principal = &world.principals[who];
            let foreign = &world.places[*whom.get(principal.foreign)];
            let own = &world.places[principal.own];
            let before = dump_foreign_data(&world, own).await;
            let asked = call_with_foreign_tenant(&world, principal, foreign, &name).await?;
            prop_assert!(asked > 60, "{asked} requests");
            let after = dump_foreign_data(&world, own).await;
            prop_assert!(before == after, "{} changed something of {foreign:?}", principal.name);
            Ok(())
        })
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
