//! Tests of many concurrent requests, and of failures of the database or the machine.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Connection as _;
use tenantry_catalog::DataCategory;
use tenantry_platform::{Credential, verify_audit};

use super::durability::{launch_command, spawn_platform, wait_until_ready};
use super::records::{EVENTS, create_subscriber, records_path};
use super::{ApiCaller, TestFolder, TestPlatform};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_equal_records_at_once_make_one_row() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let list = records_path(&partner, DataCategory::Alerts);
    let create = |_| {
        let (caller, list) = (platform.sp.clone(), list.clone());
        tokio::spawn(async move { caller.post(&list, json!({ "name": "A" })).await.status.as_u16() })
    };
    let mut answers: Vec<u16> =
        futures::future::join_all((0..50).map(create)).await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    assert_eq!((answers[0], &answers[1..]), (200, &[400; 49][..]));
    assert_eq!(platform.sp.get(&list).await.json()["totalResults"], 1);
    assert!(verify_audit(&platform.folder.database(), None).await.unwrap().findings.is_empty());
}

/// shows: faults/40
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stale_updates_lose_nothing() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let list = records_path(&partner, DataCategory::Alerts);
    let made = platform.sp.post(&list, json!({ "name": "A", "count": 0 })).await.json();
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    let add = |_| {
        let (caller, one) = (platform.sp.clone(), one.clone());
        tokio::spawn(async move {
            loop {
                let read = caller.get(&one).await.json();
                let next = json!({ "revision": read["revision"], "count": read["count"].as_i64().unwrap() + 1 });
                match caller.post(&one, next).await.status.as_u16() {
                    200 => return,
                    409 => {}
                    other => panic!("{other}"),
                }
            }
        })
    };
    for added in futures::future::join_all((0..12).map(add)).await {
        added.unwrap();
    }
    let read = platform.sp.get(&one).await.json();
    assert_eq!((&read["count"], &read["revision"]), (&json!(12), &json!(13)));
}

/// shows: faults/39, security/asvs/16.5.1
#[tokio::test]
async fn a_locked_database_is_an_honest_503_with_nothing_half_done() {
    let platform = TestPlatform::start_with(|config| config.database_wait = Duration::from_millis(100)).await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let list = records_path(&partner, DataCategory::Alerts);
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", platform.folder.path("t.db").display());
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    for (path, body) in [
        (list.clone(), json!({ "name": "A" })),
        (platform.partners_path(), json!({ "name": "B" })),
        (format!("{}/{partner}", platform.partners_path()), json!({ "city": "Bonn" })),
        (format!("/tenants/{partner}/credentials"), json!({})),
    ] {
        let answer = platform.sp.post(&path, body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(answer.text.contains("nothing was changed"), "{}", answer.text);
    }
    // Reads need not wait.
    assert_eq!(platform.sp.get(&list).await.json()["totalResults"], 0);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    platform.sp.post(&list, json!({ "name": "A" })).await.json();
    let log = super::audit::audit_rows(&platform, &partner).await;
    let told: Vec<&Value> = log.iter().map(|row| &row["action"]).collect();
    assert_eq!(told, ["tenant.create", "record.create"]);
}

/// Posts records until one is not stored. Returns the names of the stored ones, and the status of the failure if there
/// was an answer.
async fn create_records_until_full(caller: &ApiCaller, list: &str) -> (Vec<String>, Option<u16>) {
    let text = "x".repeat(20_000);
    let mut stored = Vec::new();
    for number in 0..2000 {
        let name = format!("R{number}");
        let body = json!({ "name": name, "text": text }).to_string();
        let request = caller.http.post(format!("{}/api/v2{list}", caller.url)).bearer_auth(&caller.token).body(body);
        match request.send().await.map(|answer| answer.status().as_u16()) {
            Ok(200) => stored.push(name),
            Ok(other) => return (stored, Some(other)),
            Err(_) => return (stored, None),
        }
    }
    panic!("everything was stored");
}

fn read_credential(folder: &TestFolder) -> Credential {
    let file: Value = serde_json::from_slice(&std::fs::read(folder.path("tenantry-credential.json")).unwrap()).unwrap();
    serde_json::from_value(file).unwrap()
}

/// Returns the names of all records.
async fn record_names(caller: &ApiCaller, list: &str) -> Vec<String> {
    let mut names = Vec::new();
    for page in 1.. {
        let page = caller.get(&format!("{list}?isDescendingOrder=false&pageSize=100&pageNo={page}")).await.json();
        names.extend(page["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        if page["nextPage"] == false {
            break;
        }
    }
    names
}

async fn create_partner_records_path(caller: &ApiCaller, sp: &str) -> String {
    let list = format!("/tenants/{sp}/msps");
    let partner = caller.create_tenant(list, json!({ "name": "Acme", "packages": [EVENTS] })).await;
    records_path(&partner, DataCategory::Alerts)
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_a_write_whole_and_keeps_what_was_acknowledged() {
    let folder = TestFolder::new();
    // No file grows beyond 3 MiB, including the log before the first checkpoint. The signal for this is ignored.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\"", crate::assets::platform_program()]);
    let mut program = launch_command(shell, &folder);
    let (url, _) = wait_until_ready(&mut program);
    let credential = read_credential(&folder);
    let caller = ApiCaller::new(&url, &credential).await;
    let list = create_partner_records_path(&caller, &credential.tenant_id).await;
    let (stored, refused) = create_records_until_full(&caller, &list).await;
    assert!(!stored.is_empty());
    assert_eq!(refused, Some(503));
    // Small writes still fit for a while. Then nothing is stored any more, and traffic should not come here.
    let probe = async || reqwest::get(format!("{url}/readyz")).await.unwrap().status().as_u16();
    let mut tries = 0;
    while probe().await != 503 && tries < 60 {
        tries += 1;
        tokio::time::sleep(Duration::from_millis(1_050)).await;
    }
    assert!(tries < 60, "`/readyz` says that all is well");
    assert_eq!(record_names(&caller, &list).await, stored, "what is there can be read, and nothing else is there");
    drop(program);

    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let caller = ApiCaller::new(&url, &credential).await;
    assert_eq!(record_names(&caller, &list).await, stored);
    caller.post(&list, json!({ "name": "again" })).await.json();
    drop(program);
    let verified = verify_audit(&folder.database(), Some(&folder.path("tenantry-audit.key"))).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified}");
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_were_acknowledged_and_their_log_outlive_sigkill() {
    let folder = TestFolder::new();
    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let credential = read_credential(&folder);
    let caller = ApiCaller::new(&url, &credential).await;
    let list = create_partner_records_path(&caller, &credential.tenant_id).await;
    let killer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(program);
    });
    let (stored, refused) = create_records_until_full(&caller, &list).await;
    killer.await.unwrap();
    assert!(!stored.is_empty() && refused.is_none(), "{refused:?}");

    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let caller = ApiCaller::new(&url, &credential).await;
    let there = record_names(&caller, &list).await;
    // The record whose answer was lost may exist or not. When it is requested again, it exists once.
    assert!(there.starts_with(&stored) && there.len() <= stored.len() + 1, "{} of {}", there.len(), stored.len());
    let unsure = format!("R{}", stored.len());
    let again = caller.post(&list, json!({ "name": unsure })).await.status;
    assert_eq!(again == 400, there.contains(&unsure));
    assert_eq!(record_names(&caller, &list).await.len(), stored.len() + 1);
    drop(program);
    let verified = verify_audit(&folder.database(), Some(&folder.path("tenantry-audit.key"))).await.unwrap();
    assert!(verified.findings.is_empty() && verified.rows > stored.len(), "{verified}");
}

#[tokio::test]
async fn an_answer_that_fails_behind_a_commit_says_that_the_change_was_made() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (users, roles) = (format!("/tenants/{partner}/users"), format!("/tenants/{partner}/roles"));
    let set = json!({ "name": "Reader", "permissions": [{ "name": "Clients", "type": "View" }] });
    let set = platform.sp.post(&format!("/tenants/{partner}/permissionSets"), set).await.json();
    let role = json!({ "name": "Reader", "permissions": [{ "id": set["id"] }] });
    platform.sp.post(&roles, role.clone()).await.json();
    let ada = platform.create_user(&partner, "ada", &["Reader"]).await;
    // The data that the answer reads becomes unreadable at the moment when the write is done.
    for (name, action) in [("a", "user.create"), ("b", "user.update"), ("c", "role.create")] {
        let text = format!(
            "CREATE TRIGGER garble_{name} AFTER INSERT ON audit WHEN NEW.action = '{action}' \
             BEGIN UPDATE role SET name = x'ff' WHERE tenant_id = 2; END"
        );
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(&platform.pool().await).await.unwrap();
    }
    let mut bob = super::people::user_body("bob", &["Reader"]);
    bob["roles"] = json!([{ "name": "Reader" }]);
    let other = json!({ "name": "Other", "permissions": [{ "id": set["id"] }] });
    for (path, body, made) in [
        (users.clone(), bob, "SELECT COUNT(*) FROM person WHERE login_name = 'bob'"),
        (
            format!("{users}/{ada}"),
            json!({ "city": "Bonn" }),
            "SELECT COUNT(*) FROM person WHERE profile LIKE '%Bonn%'",
        ),
        (roles, other, "SELECT COUNT(*) FROM role WHERE name_key = 'other'"),
    ] {
        platform.execute_sql("UPDATE role SET name = 'Reader' WHERE tenant_id = 2 AND name_key = 'reader'").await;
        let answer = platform.sp.post(&path, body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(answer.text.contains("The change was made") && !answer.text.contains("nothing was changed"), "{path}");
        let count: i64 = sqlx::query_scalar(made).fetch_one(&platform.pool().await).await.unwrap();
        assert_eq!(count, 1, "{path}");
    }
}
