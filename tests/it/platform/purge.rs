//! Tests of what a termination counts, hides and erases.

use serde_json::json;
use sha2::Digest as _;
use tenantry_catalog::{AddOn, DataCategory};
use tenantry_platform::verify_audit;

use super::audit::execute_statements;
use super::people::{CHOSEN_PASSWORD, PASSWORD, change_password, user_body};
use super::records::{EVENTS, REMEDIATION, create_subscriber, records_path};
use super::{ApiCaller, TestFolder, TestPlatform};

const DAY: i64 = 24 * 3_600_000;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Returns the words that occur in the bytes of the database.
fn words_in_database(platform: &TestPlatform, words: &[&str]) -> Vec<String> {
    let bytes = platform.folder.database_bytes();
    let stands = |word: &&&str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    words.iter().filter(stands).map(|word| (*word).to_owned()).collect()
}

/// Creates three records of each category, each with the marker.
async fn create_records(platform: &TestPlatform, tenant: &str, marker: &str) {
    for category in DataCategory::ALL {
        for number in 0..3 {
            let body = json!({ "name": format!("{marker} {number}"), "text": marker.repeat(40) });
            platform.sp.post(&records_path(tenant, category), body).await.json();
        }
    }
}

/// Creates a user with a custom role and a custom permission set, and one failed login. Each contains the marker.
async fn create_marked_person(platform: &TestPlatform, tenant: &str, marker: &str) -> ApiCaller {
    let of = |what: &str| format!("/tenants/{tenant}/{what}");
    let member = json!([{ "name": "Users", "type": "View Users" }]);
    let set = json!({ "name": format!("{marker} Set"), "permissions": member });
    let set = platform.sp.post(&of("permissionSets"), set).await.json();
    let (login_name, role) = (format!("{marker}-login"), format!("{marker} Role"));
    let body = json!({ "name": role, "allClients": true, "permissions": [{ "id": set["id"] }] });
    platform.sp.post(&of("roles"), body).await.json();
    let mut body = user_body(&login_name, &[&role]);
    body["firstName"] = json!(format!("{marker} Given"));
    let id = platform.sp.post(&of("users"), body).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(platform.sp.login(&login_name, "wrong").await.status, 401);
    let first = platform.sp.log_in_person(&login_name, PASSWORD).await;
    change_password(&first, (tenant, &id), (PASSWORD, CHOSEN_PASSWORD)).await.json();
    assert_eq!(platform.sp.login(&login_name, "wrong").await.status, 401);
    platform.sp.log_in_person(&login_name, CHOSEN_PASSWORD).await
}

/// Returns the digest that failed logins use as the name of an account.
fn account_digest(login_name: &str) -> String {
    let digits: Vec<String> =
        sha2::Sha256::digest(login_name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// Returns triggers that make the erasure of tenant 3's records fail or, on PostgreSQL, take longer than any request
/// may.
fn blocking_triggers(folder: &TestFolder) -> Vec<&'static str> {
    if folder.database().contains("://") {
        return vec![
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(6); RETURN OLD; END'",
            "CREATE TRIGGER slow BEFORE DELETE ON record FOR EACH ROW WHEN (OLD.tenant_id = 3) EXECUTE FUNCTION slow()",
        ];
    }
    vec!["CREATE TRIGGER stuck BEFORE DELETE ON record WHEN OLD.tenant_id = 3 BEGIN SELECT RAISE(ABORT, 'stuck'); END"]
}

#[tokio::test]
async fn a_tenant_whose_purge_fails_or_takes_long_keeps_nothing_of_others() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let mut clients = Vec::new();
    for name in ["Slow", "Other"] {
        let body = json!({ "name": name, "packages": [EVENTS] });
        let client = platform.sp.create_tenant(format!("/tenants/{partner}/clients"), body).await;
        platform.sp.post(&records_path(&client, DataCategory::Alerts), json!({ "name": "A" })).await.json();
        platform.sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
        clients.push(client);
    }
    execute_statements(&platform, &blocking_triggers(&platform.folder)).await;
    let done = platform.running.as_ref().unwrap().run_maintenance(now() + 91 * DAY).await;
    if platform.folder.database().contains("://") {
        assert_eq!(done.unwrap(), clients, "no limit of a request holds for the housekeeping");
        return;
    }
    assert!(done.is_err(), "it is said, and tried again");
    assert!(words_in_database(&platform, &["Other"]).is_empty(), "the other is erased");
    execute_statements(&platform, &["DROP TRIGGER stuck"]).await;
    assert_eq!(platform.running.as_ref().unwrap().run_maintenance(now() + 91 * DAY).await.unwrap(), clients[..1]);
}

/// shows: seeds/termination/cleaned-up, seeds/termination/not-retrieved, seeds/termination/resources
/// shows: seeds/termination/metrics, seeds/termination/alerts, seeds/termination/tickets, seeds/termination/users
/// shows: seeds/termination/audit-data, seeds/termination/device-policies, seeds/termination/maintenance-windows
/// shows: seeds/termination/correlation-policies, seeds/termination/snmp, seeds/termination/details
/// shows: seeds/termination/profiles, seeds/termination/integrations, seeds/termination/sso, seeds/termination/erased
#[tokio::test]
async fn three_records_of_each_category_are_counted_then_hidden_then_erased_from_the_file() {
    let keys = TestFolder::new();
    let mut platform = TestPlatform::start_with(|config| config.audit_key = Some(keys.path("k"))).await;
    let add_on = [AddOn::StreamExports.wire_name()];
    let partner = create_subscriber(&platform, "ZEBRA Managed", &[EVENTS, REMEDIATION], &add_on).await;
    let packages = json!([EVENTS, REMEDIATION]);
    let list = format!("/tenants/{partner}/clients");
    let mark = json!({ "cluster": "c", "kind": "Client", "namespace": "ZEBRA-ns", "name": "m", "uid": "u-1" });
    let body = json!({ "name": "ZEBRA Client", "packages": packages, "city": "ZEBRA City", "managedBy": mark });
    let client = platform.sp.create_tenant(list.clone(), body).await;
    let other = platform
        .sp
        .create_tenant(list.clone(), json!({ "name": "Other", "packages": packages, "city": "GIRAFFE" }))
        .await;
    create_records(&platform, &client, "ZEBRA").await;
    create_records(&platform, &other, "GIRAFFE").await;
    let title = json!({ "applicationTitle": "ZEBRA Title" });
    platform.sp.put(&format!("/tenants/{client}/customBranding"), title).await.json();
    let key = platform.caller_for_tenant(&client).await;
    key.get(&records_path(&client, DataCategory::Alerts)).await.json();

    let person = create_marked_person(&platform, &client, "ZEBRA").await;
    // This follows the login, so that the failures are still counted.
    assert_eq!(platform.sp.login("ZEBRA-login", "wrong").await.status, 401);
    create_marked_person(&platform, &partner, "OKAPI").await;
    let account = account_digest("zebra-login");
    assert!(
        !words_in_database(&platform, &["zebra-login"]).is_empty()
            && !words_in_database(&platform, &[&account]).is_empty()
    );

    let impact = platform.sp.get(&format!("/tenants/{client}/impact")).await.json();
    for category in DataCategory::ALL {
        assert_eq!(impact["counts"][category.segment()], 3, "{impact}");
    }
    assert_eq!((&impact["counts"]["clients"], &impact["counts"]["people"]), (&json!(0), &json!(1)));
    assert_eq!(impact["counts"].as_object().unwrap().len(), 16);

    platform.sp.post_empty(&format!("{list}/{client}/terminate")).await.json();
    assert_eq!(key.get(&records_path(&client, DataCategory::Alerts)).await.status, 401);
    assert_eq!(person.get("/cfg/countries").await.status, 401);
    for category in DataCategory::ALL {
        platform.sp.get(&records_path(&client, category)).await.assert_error(410, "terminated");
        platform.sp.get(&format!("{}/1", records_path(&client, category))).await.assert_error(410, "terminated");
        platform
            .sp
            .post(&records_path(&client, category), json!({ "name": "x" }))
            .await
            .assert_error(410, "terminated");
    }
    platform.sp.get(&format!("/tenants/{client}/impact")).await.assert_error(410, "terminated");

    // The maintenance job does not purge before the time has come.
    let running = platform.running.as_ref().unwrap();
    assert!(running.run_maintenance(now() + 89 * DAY).await.unwrap().is_empty());
    assert!(!words_in_database(&platform, &["ZEBRA City"]).is_empty());
    assert_eq!(running.run_maintenance(now() + 90 * DAY + 1).await.unwrap(), std::slice::from_ref(&client));
    assert!(running.run_maintenance(now() + 91 * DAY).await.unwrap().is_empty(), "it is purged once");
    let words = ["ZEBRA City", "ZEBRA Client", "ZEBRAZEBRA", "ZEBRA 0", "ZEBRA-ns", "ZEBRA Title"];
    assert_eq!(words_in_database(&platform, &words), [""; 0]);
    let words = ["ZEBRA-login", "zebra-login", "ZEBRA Given", "ZEBRA Role", "ZEBRA Set", account.as_str()];
    assert_eq!(words_in_database(&platform, &words), [""; 0]);
    assert!(!words_in_database(&platform, &["OKAPI Given"]).is_empty());
    assert!(
        !words_in_database(&platform, &["GIRAFFEGIRAFFE"]).is_empty()
            && !words_in_database(&platform, &["ZEBRA Managed"]).is_empty()
    );

    // The tombstone has only the id and dates.
    let search = format!("{list}/search?queryString=uniqueId:{client}");
    let row = platform.sp.get(&search).await.json()["results"][0].clone();
    assert_eq!((&row["name"], &row["status"]), (&json!(client), &json!("TERMINATED")));
    assert!(row["createdTime"].is_string() && row.get("managedBy").is_none());
    // Termination is irreversible, and a late create of the object that owned the tenant is still refused.
    platform.sp.post_empty(&format!("{list}/{client}/activate")).await.assert_error(404, "not found");
    let mark = json!({ "cluster": "c", "kind": "Client", "namespace": "n", "name": "m", "uid": "u-1" });
    platform.sp.post(&list, json!({ "name": "New", "managedBy": mark })).await.assert_field_refused("managedBy");
    assert_eq!(platform.sp.get(&records_path(&other, DataCategory::Metrics)).await.json()["totalResults"], 3);

    // Then the test terminates the partner with all its data.
    platform.sp.post_empty(&format!("{list}/{other}/terminate")).await.json();
    platform.sp.post_empty(&format!("{}/{partner}/terminate", platform.partners_path())).await.json();
    let running = platform.running.as_ref().unwrap();
    assert_eq!(running.run_maintenance(now() + 91 * DAY).await.unwrap().len(), 2);
    assert_eq!(words_in_database(&platform, &["ZEBRA", "zebra", "GIRAFFE", "OKAPI", "okapi"]), [""; 0]);
    platform.restart(|config| config.audit_key = Some(keys.path("k"))).await;
    assert_eq!(words_in_database(&platform, &["ZEBRA", "zebra", "GIRAFFE", "OKAPI", "okapi"]), [""; 0]);
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("k"))).await.unwrap();
    assert_eq!((verified.chains, &verified.findings[..]), (1, &[][..]), "{verified}");
    let log = super::audit::audit_rows(&platform, "sp_1").await;
    assert!(log.iter().any(|row| row["action"] == "tenant.purge" && row["object"] == partner), "{log:?}");
}

/// shows: seeds/termination/erased
#[tokio::test]
async fn every_table_that_has_rows_of_a_tenant_is_emptied() {
    let platform = TestPlatform::start().await;
    let add_on = [AddOn::StreamExports.wire_name()];
    let partner = create_subscriber(&platform, "Acme", &[EVENTS, REMEDIATION], &add_on).await;
    platform.sp.post(&records_path(&partner, DataCategory::Alerts), json!({ "name": "a" })).await.json();
    create_marked_person(&platform, &partner, "okapi").await;
    assert_eq!(platform.sp.login("okapi-login", "wrong").await.status, 401);
    platform.sp.post_empty(&format!("{}/{partner}/terminate", platform.partners_path())).await.json();
    let pool = platform.pool().await;
    let owned = if platform.folder.database().contains("://") {
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' \
         AND column_name = 'tenant_id' AND table_name <> 'mark' ORDER BY 1"
    } else {
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
         AND c.name = 'tenant_id' AND m.name <> 'mark' ORDER BY m.name"
    };
    let tables: Vec<String> = sqlx::query_scalar(owned).fetch_all(&pool).await.unwrap();
    assert!(tables.len() >= 13, "{tables:?}");
    // Each of these tables must have a row, so that the purge has something to erase.
    for table in ["login_history", "password_history", "role_person", "login_attempt"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&pool).await.unwrap();
        assert!(count > 0, "{table} has nothing to erase");
    }
    pool.close().await;
    execute_statements(
        &platform,
        &[
            "INSERT INTO factor SELECT id, 'sealed', 0, 0, 0, 0 FROM person",
            "INSERT INTO recovery_code SELECT id, 'hash' FROM person",
            "INSERT INTO stream VALUES (901, 2, 's', 'd', 0, 0, NULL)",
            "INSERT INTO delivery VALUES (902, 901, 2, '{}', 0, 0)",
            "INSERT INTO image VALUES (2, 'logo', 'f', 'image/png', '')",
            "INSERT INTO branding VALUES (2, '{}')",
            "INSERT INTO role_client SELECT id, 2 FROM role WHERE tenant_id = 2",
            "INSERT INTO credential (key_hash, secret_hash, tenant_id, created_at) VALUES ('k', 's', 2, 0)",
            "INSERT INTO token (hash, tenant_id, expires_at) VALUES ('h', 2, 9999999999999)",
        ],
    )
    .await;
    platform.running.as_ref().unwrap().run_maintenance(now() + 91 * DAY).await.unwrap();
    let pool = platform.pool().await;
    // No other tenant has users.
    let of_people =
        ["session", "login_history", "password_history", "role_person", "login_attempt", "factor", "recovery_code"];
    for table in of_people {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&pool).await.unwrap();
        assert_eq!(count, 0, "{table} keeps rows of a purged tenant's people");
    }
    for table in tables {
        let count = format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = 2");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&pool).await.unwrap();
        assert_eq!(count, 0, "{table} keeps rows of a purged tenant");
    }
}
