//! What holds the logs of all tenants together: one that is put back to an earlier day is seen, also after later events.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tenantry::platform::{self, Config, new_audit_key, verify_audit};

use super::audit::{findings, lines, sealed, tamper, verified};
use super::flood::logged;
use super::people::permissions::with;
use super::people::{PASSWORD, user};
use super::work::credential_of;
use super::{CHEAP, Caller, Folder, Platform};

const GONE: &str = "the row that was there is gone: the log was put back to an earlier day";

/// Copies tenant 2's log, and the anchor, as somebody does who can read the database.
async fn keep(platform: &Platform) {
    tamper(
        platform,
        &[
            "CREATE TABLE kept_audit AS SELECT * FROM audit WHERE tenant_id = 2",
            "CREATE TABLE kept_head AS SELECT * FROM audit_head WHERE tenant_id = 2",
            "CREATE TABLE kept_anchor AS SELECT * FROM audit_anchor",
        ],
    )
    .await;
}

const PUT_LOG_BACK: [&str; 4] = [
    "DELETE FROM audit WHERE tenant_id = 2",
    "INSERT INTO audit SELECT * FROM kept_audit",
    "DELETE FROM audit_head WHERE tenant_id = 2",
    "INSERT INTO audit_head SELECT * FROM kept_head",
];
const PUT_ANCHOR_BACK: [&str; 2] = ["DELETE FROM audit_anchor", "INSERT INTO audit_anchor SELECT * FROM kept_anchor"];

/// Two partners; what the first one does after its log was kept is to vanish.
struct World {
    platform: Platform,
    keys: Folder,
    acme: String,
    other: String,
}

async fn world() -> World {
    let (platform, keys) = sealed().await;
    let (acme, other) = (platform.partner("Acme").await, platform.partner("Other").await);
    platform.sp.post(&format!("/tenants/{acme}/users"), user("ada", &[])).await.json();
    keep(&platform).await;
    World { platform, keys, acme, other }
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn one_tenants_log_put_back_is_named_and_no_event_of_anybody_heals_it() {
    let World { platform, keys, acme, other } = world().await;
    platform.sp.client(&acme, "Vanishing").await;
    assert!(findings(&platform, &keys).await.is_empty());
    tamper(&platform, &PUT_LOG_BACK).await;
    let gone = format!("tenant `{acme}`, row 3: {GONE}");
    assert_eq!(findings(&platform, &keys).await, std::slice::from_ref(&gone), "the anchor names it");
    // A stranger's failed login, the tenant's own work and somebody else's.
    for _ in 0..3 {
        assert_eq!(platform.sp.login("ada", "Wrong-Passw0rd!").await.status, 401);
        platform.sp.login("ada", PASSWORD).await.json();
        platform.sp.client(&other, &format!("C{}", lines(&platform, &other).await.len())).await;
        assert_eq!(findings(&platform, &keys).await, std::slice::from_ref(&gone));
    }
}

#[tokio::test]
async fn a_log_put_back_with_the_anchor_of_its_day_is_named_by_what_others_did_since() {
    let World { platform, keys, acme, other } = world().await;
    platform.sp.client(&acme, "Vanishing").await;
    platform.sp.client(&other, "Staying").await;
    tamper(&platform, &PUT_LOG_BACK).await;
    tamper(&platform, &PUT_ANCHOR_BACK).await;
    let gone = format!("tenant `{acme}`, row 3: {GONE}");
    assert_eq!(findings(&platform, &keys).await[0], gone);
    platform.sp.client(&acme, "Next").await;
    let found = findings(&platform, &keys).await;
    assert!(found.len() >= 2 && found.iter().any(|fault| fault.contains("its anchor was replaced")), "{found:?}");
}

#[tokio::test]
async fn a_log_put_back_stays_found_where_all_that_names_it_is_purged() {
    let World { platform, keys, acme, other } = world().await;
    platform.sp.post(&format!("{}/{acme}", platform.msps()), json!({ "city": "Vanishing" })).await.json();
    platform.sp.post(&format!("{}/{other}", platform.msps()), json!({ "city": "Bonn" })).await.json();
    tamper(&platform, &PUT_LOG_BACK).await;
    platform.sp.act(&format!("{}/{other}/terminate", platform.msps())).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    assert_eq!(platform.running.as_ref().unwrap().housekeep(later).await.unwrap(), [other]);
    platform.sp.post(&format!("{}/{acme}", platform.msps()), json!({ "city": "Bonn" })).await.json();
    let found = findings(&platform, &keys).await;
    assert!(found.len() == 1 && found[0].contains("do not add up to its anchor"), "{found:?}");
}

#[tokio::test]
async fn a_purged_log_leaves_a_sealed_statement_and_is_found_where_it_comes_back() {
    let World { platform, keys, acme, .. } = world().await;
    platform.sp.act(&format!("{}/{acme}/terminate", platform.msps())).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    assert_eq!(platform.running.as_ref().unwrap().housekeep(later).await.unwrap(), [acme]);
    assert!(findings(&platform, &keys).await.is_empty());
    platform.partner("Next").await;
    assert!(findings(&platform, &keys).await.is_empty(), "rows that name purged ones are explained");
    tamper(&platform, &PUT_LOG_BACK).await;
    let found = findings(&platform, &keys).await;
    assert!(found.iter().any(|fault| fault.contains("the log of a purged tenant is there again")), "{found:?}");
    tamper(&platform, &PUT_LOG_BACK[..1]).await;
    tamper(&platform, &["DELETE FROM audit_head WHERE tenant_id = 2", "DELETE FROM audit_purged"]).await;
    let found = findings(&platform, &keys).await;
    assert!(!found.is_empty() && found[0].contains(GONE), "{found:?}");
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn a_purge_seals_no_head_that_somebody_else_put_there() {
    for tampering in
        ["UPDATE audit_head SET seal = 'forged' WHERE tenant_id = 2", "DELETE FROM audit_head WHERE tenant_id = 2"]
    {
        let World { platform, keys, acme, other } = world().await;
        platform.sp.act(&format!("{}/{acme}/terminate", platform.msps())).await.json();
        tamper(&platform, &[tampering]).await;
        let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
        let purged = platform.running.as_ref().unwrap().housekeep(later).await.unwrap();
        assert_eq!(purged, std::slice::from_ref(&acme), "its data goes in any case");
        for name in ["A", "B"] {
            let found = findings(&platform, &keys).await;
            let named = |fault: &String| {
                fault.contains(&acme) && fault.contains("that the log was purged does not have our seal")
            };
            assert!(found.iter().any(named), "{tampering}: {found:?}");
            platform.sp.client(&other, name).await;
        }
    }
}

#[tokio::test]
async fn nobody_begins_the_log_of_a_purged_tenant_again() {
    let World { platform, keys, acme, .. } = world().await;
    let client = platform.sp.client(&acme, "Gone").await;
    let sees = [("Clients", "View")];
    let eve = with(&platform, (&acme, "eve"), &sees, json!({ "allClients": true })).await;
    platform.sp.act(&format!("/tenants/{acme}/clients/{client}/terminate")).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    platform.running.as_ref().unwrap().housekeep(later).await.unwrap();
    for path in ["users/search", "credentials", "audit"] {
        let answer = eve.get(&format!("/tenants/{client}/{path}")).await;
        assert!([403, 404, 410].contains(&answer.status.as_u16()), "{path}: {}", answer.text);
    }
    let found = findings(&platform, &keys).await;
    assert!(found.is_empty(), "{found:?}");
    let rows = lines(&platform, &acme).await;
    assert!(rows.iter().any(|row| row["outcome"] == "denied" && row["object"].to_string().contains("/users/search")));
}

#[tokio::test]
async fn an_anchor_that_is_gone_forged_or_put_back_is_named_and_stays_so() {
    for (tampering, named) in [
        (&["DELETE FROM audit_anchor"][..], "its anchor is missing"),
        (&["UPDATE audit_anchor SET state = 'forged'"][..], "its anchor does not have our seal"),
        (&PUT_ANCHOR_BACK[..], "do not add up to its anchor"),
    ] {
        let World { mut platform, keys, acme, .. } = world().await;
        platform.sp.client(&acme, "A").await;
        tamper(&platform, tampering).await;
        let found = findings(&platform, &keys).await;
        assert!(found.len() == 1 && found[0].contains(named), "{tampering:?}: {found:?}");
        let cured = |found: &[String]| !found.iter().any(|fault| fault.contains("its anchor was replaced"));
        if tampering.len() == 1 {
            platform.restart(|config| config.audit_key = Some(keys.path("audit.key"))).await;
        }
        platform.sp.client(&acme, "B").await;
        let found = findings(&platform, &keys).await;
        assert!(!cured(&found), "{tampering:?}: {found:?}");
        platform.sp.client(&acme, "C").await;
        assert!(!cured(&findings(&platform, &keys).await));
    }
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn a_key_that_was_swapped_is_named_and_replicas_with_two_keys_write_nothing() {
    let World { mut platform, keys, acme, .. } = world().await;
    std::fs::write(keys.path("other.key"), "y".repeat(40)).unwrap();
    let swapped = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(swapped.to_string().contains("its anchor is sealed with another key (`"), "{swapped}");
    assert!(swapped.to_string().contains("the row is sealed with another key (`"), "{swapped}");
    // One replica goes on with a new key while another one runs with the former.
    let (before, list) = (lines(&platform, &acme).await.len(), format!("/tenants/{acme}/clients"));
    assert_eq!(new_audit_key(&platform.folder.database(), &keys.path("other.key")).await.unwrap(), 3);
    assert_eq!(platform.sp.post(&list, json!({ "name": "Mixed" })).await.status, 500);
    assert_eq!(lines(&platform, &acme).await.len(), before + 1, "the row about the key, and none with the former one");
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert_eq!((verified.findings.len(), verified.notes.len()), (0, 3), "{verified}");
    platform.restart(|config| config.audit_key = Some(keys.path("other.key"))).await;
    platform.sp.client(&acme, "Mixed").await;
    // What the former key sealed is covered by the row of the new one.
    tamper(&platform, &["UPDATE audit SET outcome = 'denied' WHERE tenant_id = 2 AND number = 1"]).await;
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(verified.to_string().contains("row 1: the row was changed"), "{verified}");
}

#[tokio::test]
async fn of_two_platforms_that_begin_with_two_keys_one_does_not_start() {
    for _ in 0..4 {
        let (folder, keys) = (Folder::new(), Folder::new());
        let start = |key: &str| {
            let mut config = Config::new(folder.database());
            (config.limits, config.login.work) = (None, CHEAP);
            config.audit_key = Some(keys.path(key));
            platform::start(config)
        };
        let (one, other) = tokio::join!(start("one.key"), start("other.key"));
        let (key, running) = match (one, other) {
            (Ok(running), Err(_)) => ("one.key", running),
            (Err(_), Ok(running)) => ("other.key", running),
            (one, other) => panic!("{:?} {:?}", one.map(drop), other.map(drop)),
        };
        let verified = verify_audit(&folder.database(), Some(&keys.path(key))).await.unwrap();
        assert!(verified.findings.is_empty(), "{verified}");
        running.stop().await;
    }
}

#[tokio::test]
async fn many_tenants_write_at_the_same_time_and_each_row_is_there() {
    const TENANTS: usize = 8;
    const WRITES: usize = 12;
    let (platform, keys) = sealed().await;
    let mut clients = Vec::new();
    for number in 0..TENANTS {
        let partner = platform.partner(&format!("P{number}")).await;
        let client = platform.sp.client(&partner, "C").await;
        clients.push((format!("/tenants/{partner}/clients/{client}"), client));
    }
    // No two of these wait for the same row but for the anchor's.
    let writes = clients.iter().flat_map(|(path, _)| (0..WRITES).map(move |number| (path, number)));
    let made = futures::future::join_all(writes.map(|(path, number)| {
        let sp = platform.sp.clone();
        async move {
            let (body, denied) = (json!({ "city": format!("City {number}") }), format!("{path}{number}"));
            let (made, denied) = tokio::join!(sp.post(path, body), sp.get(&denied));
            assert_eq!(denied.status, 404);
            made.status.as_u16()
        }
    }))
    .await;
    assert_eq!(made.iter().filter(|status| **status == 200).count(), TENANTS * WRITES, "{made:?}");
    for (_, client) in &clients {
        let requests: BTreeSet<String> =
            lines(&platform, client).await.iter().map(|line| line["request"].to_string()).collect();
        assert_eq!(requests.len(), 1 + WRITES);
    }
    let seen = verified(&platform, &keys).await;
    assert_eq!((seen.chains, seen.findings.len()), (1 + 2 * TENANTS, 0), "{seen}");
    assert_eq!(deadlocks(&platform).await, 0);
}

/// Deadlocks that PostgreSQL has counted; SQLite has one writer and no deadlock.
pub(super) async fn deadlocks(platform: &Platform) -> i64 {
    if !platform.folder.database().contains("://") {
        return 0;
    }
    let text = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    sqlx::query_scalar(text).fetch_one(&platform.pool().await).await.unwrap()
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn housekeeping_says_by_itself_that_a_log_was_put_back() {
    let folder = Folder::new();
    let said = "do not add up to their anchor";
    let (program, url) = logged(&folder);
    let sp = Caller::new(&url, &credential_of(&folder)).await;
    let partner = sp.make("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    drop(program);
    let pool = folder.pool().await;
    for text in ["CREATE TABLE kept AS SELECT * FROM audit_head", "CREATE TABLE old AS SELECT * FROM audit"] {
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    let (program, url) = logged(&folder);
    let sp = Caller::new(&url, &credential_of(&folder)).await;
    sp.post(&format!("/tenants/sp_1/msps/{partner}"), json!({ "city": "Vanishing" })).await.json();
    drop(program);
    assert!(!std::fs::read_to_string(folder.path("log")).unwrap().contains(said));
    for text in [
        "DELETE FROM audit WHERE tenant_id = 2",
        "INSERT INTO audit SELECT * FROM old WHERE tenant_id = 2",
        "DELETE FROM audit_head WHERE tenant_id = 2",
        "INSERT INTO audit_head SELECT * FROM kept WHERE tenant_id = 2",
    ] {
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    let (_program, _) = logged(&folder);
    for _ in 0..600 {
        if std::fs::read_to_string(folder.path("log")).unwrap().contains(said) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the log of the program does not say it");
}

#[tokio::test]
async fn verify_is_right_while_the_platform_writes() {
    let (platform, keys) = sealed().await;
    let partner = platform.partner("Acme").await;
    let sp: Caller = platform.sp.clone();
    let path = format!("{}/{partner}", platform.msps());
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            let body = json!({ "city": format!("C{number}") }).to_string().into_bytes();
            sp.raw(Method::POST, &format!("/api/v2{path}"), body).await.json();
        }
    });
    let mut seen = 0;
    while !writing.is_finished() {
        let verified = verified(&platform, &keys).await;
        assert!(verified.findings.is_empty(), "{verified}");
        seen += 1;
    }
    writing.await.unwrap();
    assert!(seen > 1, "{seen}");
}

#[tokio::test]
async fn the_erasure_of_a_person_changes_no_row() {
    let World { platform, keys, acme, .. } = world().await;
    let id = platform.user(&acme, "okapi", &[]).await;
    let path = format!("/tenants/{acme}/users/{id}/TERMINATE");
    platform.sp.post(&path, json!({ "maskType": "FULL" })).await.json();
    assert!(findings(&platform, &keys).await.is_empty());
    let log = lines(&platform, &acme).await;
    assert!(log.iter().any(|line| line["object"] == id.as_str()) && !format!("{log:?}").contains("okapi"), "{log:?}");
}
