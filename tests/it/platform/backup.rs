//! Tests of backup and restore: the database is copied while the platform runs, and is restored.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tenantry_platform::{Config, verify_audit};

use super::{ApiCaller, CHEAP_HASH, TestFolder, TestPlatform};
use crate::page_commands::external_commands::{
    BACKUP_OF_SQLITE, DUMP, ExternalCommand, LOAD, RESTORE_OF_POSTGRES, RESTORE_OF_SQLITE, strs,
};

fn run_platform_program(arguments: &[&str]) -> Output {
    Command::new(crate::assets::platform_program()).args(arguments).output().unwrap()
}

fn file_mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// Runs a command of the documentation page, with some words replaced and further arguments appended.
#[track_caller]
fn run_page_command(command: &ExternalCommand, name: &str, others: &[(&str, &str)], more: &[&str]) -> String {
    let words = command.words(name, others);
    let of_ours = crate::assets::platform_program();
    let ran = Command::new(if name == "tenantry-platform" { of_ours } else { name }).args(&words).args(more).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Copies the database of one folder and restores it in another, each in the documented way.
fn copy_database(from: &TestFolder, to: &TestFolder, key: &str) {
    let copy = from.path("copy");
    let (database, back) = (from.database(), to.database());
    let copy = copy.to_str().unwrap();
    if database.starts_with("postgres") {
        let copied = ("/backup/tenantry-2026-11-29.dump", copy);
        run_page_command(&DUMP, "pg_dump", &[copied, ("\"$URL\"", &database)], &[]);
        run_page_command(&LOAD, "pg_restore", &[copied, ("\"$URL\"", &back)], &[]);
        let refused = run_platform_program(&["backup", "--to", copy, "--database", &database]);
        assert!(
            !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("pg_dump"),
            "{refused:?}"
        );
        return;
    }
    let places = [("/data/tenantry.db", database.as_str()), ("/backup/tenantry-2026-11-29.db", copy)];
    let said = run_page_command(&BACKUP_OF_SQLITE, "tenantry-platform", &places, &["--audit-key", key]);
    assert!(said.contains(key), "it says what else is needed");
    assert_eq!((file_mode(Path::new(copy)), file_mode(&from.path("t.db"))), (0o600, 0o600));
    let again = run_platform_program(&["backup", "--to", copy, "--database", &database]);
    assert!(!again.status.success(), "no copy is written over");
}

async fn start_with_key(folder: &TestFolder, key: &str) -> (tenantry_platform::RunningPlatform, ApiCaller) {
    let mut config = Config::new(folder.database());
    config.limits = None;
    config.login.password_hash_cost = CHEAP_HASH;
    config.audit_key = Some(key.into());
    config.credential_file = Some(Path::new(key).with_file_name("credential"));
    let running = tenantry_platform::start(config).await.unwrap();
    let sp = ApiCaller::new(&running.url, running.credential.as_ref().unwrap()).await;
    (running, sp)
}

/// The counters of ids, listed here a second time by hand.
const ID_COUNTERS: [&str; 6] = [
    "SELECT value FROM counter WHERE name = 'tenant'",
    "SELECT value FROM counter WHERE name = 'person'",
    "SELECT value FROM counter WHERE name = 'login'",
    "SELECT value FROM counter WHERE name = 'permission_set'",
    "SELECT value FROM counter WHERE name = 'role'",
    "SELECT value FROM counter WHERE name = 'record'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_comes_back_and_no_id_is_given_a_second_time() {
    let (before, after, keys) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let key = keys.path("key");
    let key = key.to_str().unwrap();
    let (running, sp) = start_with_key(&before, key).await;
    let msps = "/tenants/sp_1/msps".to_owned();
    let kept = sp.create_tenant(msps.clone(), json!({ "name": "Kept" })).await;
    copy_database(&before, &after, key);
    let lost = sp.create_tenant(msps.clone(), json!({ "name": "Lost" })).await;
    running.stop().await;

    let copy = before.path("copy");
    let database = after.database();
    let is_sqlite = !database.starts_with("postgres");
    let apart = if is_sqlite { &RESTORE_OF_SQLITE } else { &RESTORE_OF_POSTGRES };
    let places = [
        ("/data/tenantry.db", database.as_str()),
        ("\"$URL\"", &database),
        ("/backup/tenantry-2026-11-29.db", copy.to_str().unwrap()),
        ("/keys/audit.key", key),
    ];
    run_page_command(apart, "tenantry-platform", &places, &[]);
    if is_sqlite {
        assert_eq!(file_mode(&after.path("t.db")), 0o600);
        let again = run_platform_program(&strs(&apart.words("tenantry-platform", &places)));
        assert!(
            !again.status.success() && String::from_utf8_lossy(&again.stderr).contains("there already"),
            "{again:?}"
        );
    }

    // Each id counter is ahead of every id that was issued in the lost days.
    for text in ID_COUNTERS {
        let ahead = async |folder: &TestFolder| {
            let pool = folder.pool().await;
            let value: i64 = sqlx::query_scalar(text).fetch_one(&pool).await.unwrap();
            pool.close().await;
            value
        };
        assert_eq!(
            ahead(&after).await - ahead(&before).await,
            1_000_000 - i64::from(text.contains("'tenant'")),
            "{text}"
        );
    }
    let others = "SELECT COUNT(*) FROM counter WHERE name NOT IN ('tenant', 'person', 'login', 'permission_set', 'role', \
                  'record', 'scrub', 'login_keys', 'name_claims')";
    let pool = after.pool().await;
    let others: i64 = sqlx::query_scalar(others).fetch_one(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(others, 0, "a counter of ids that is new belongs into the restore, too");
    let (running, new) = start_with_key(&after, key).await;
    let number = |id: &str| id.trim_start_matches("msp_").parse::<i64>().unwrap();
    let names = new.get("/tenants/sp_1/msps/minimal").await.text;
    assert!(names.contains("Kept") && names.contains(&kept) && !names.contains("Lost"), "{names}");
    let next = new.create_tenant(msps, json!({ "name": "Next" })).await;
    assert!(number(&next) > number(&lost), "{next} after {lost}");
    // Sessions from before the restore are invalid.
    let old = ApiCaller { url: running.url.clone(), ..sp };
    assert_eq!(old.get("/cfg/countries").await.status, 401);
    running.stop().await;
    let verified = verify_audit(&database, Some(Path::new(key))).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_copied_or_brought_back_leaves_nothing_behind() {
    let folder = TestFolder::new();
    let file = |name: &str| folder.path(name).display().to_string();
    std::fs::write(folder.path("broken"), vec![7; 9000]).unwrap();
    // A backup that was killed leaves this file. SQLite accepts an empty file as valid.
    std::fs::write(folder.path("empty"), "").unwrap();
    std::fs::write(folder.path("key"), "k".repeat(40)).unwrap();
    let (back, key, to) = (file("back.db"), file("key"), file("to"));
    for arguments in [
        ["backup", "--to", &to, "--database", &file("none.db"), "--audit-key", &key].to_vec(),
        ["restore", "--from", &file("broken"), "--database", &back, "--audit-key", &key].to_vec(),
        ["restore", "--from", &file("empty"), "--database", &back, "--audit-key", &key].to_vec(),
        ["restore", "--database", &back, "--audit-key", &key].to_vec(),
        ["restore", "--from", &file("none"), "--database", &back, "--audit-key", &key].to_vec(),
        ["restore", "--from", &file("broken"), "--database", &back, "--audit-key", &file("no-key")].to_vec(),
    ] {
        let ran = run_platform_program(&arguments);
        assert!(!ran.status.success(), "{arguments:?}");
        let mut left: Vec<String> = std::fs::read_dir(folder.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["broken", "empty", "key"], "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_platforms_on_one_database_one_purges_each_tenant() {
    let platform = TestPlatform::start().await;
    let mut config = Config::new(platform.folder.database());
    config.limits = None;
    let second = tenantry_platform::start(config).await.unwrap();
    let partner = platform.create_partner("Acme").await;
    let mut clients = Vec::new();
    for number in 0..12 {
        let client = platform.sp.create_client(&partner, &format!("C{number}")).await;
        platform.sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
        clients.push(client);
    }
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    let first = platform.running.as_ref().unwrap();
    let (one, other) = tokio::join!(first.run_maintenance(later), second.run_maintenance(later));
    let mut purged = [one.unwrap(), other.unwrap()].concat();
    purged.sort();
    clients.sort();
    assert_eq!(purged, clients);
    let log = super::audit::audit_rows(&platform, &partner).await;
    let mut rows: Vec<&str> =
        log.iter().filter(|row| row["action"] == "tenant.purge").map(|row| row["object"].as_str().unwrap()).collect();
    rows.sort_unstable();
    assert_eq!(rows, clients);
    second.stop().await;
}
