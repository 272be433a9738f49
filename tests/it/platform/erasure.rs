//! Tests that erased data leaves no byte in SQLite's file, and that erasing costs neither much memory nor the writes of
//! others.

use serde_json::json;
use tenantry_catalog::DataCategory;

use super::cpu_cost::read_credential;
use super::durability::{spawn_platform, wait_until_ready};
use super::records::{EVENTS, create_subscriber, records_path};
use super::{ApiCaller, TestFolder, TestPlatform};

const DAY: i64 = 24 * 3_600_000;

/// Executes statements on a separate connection to a SQLite file, with the platform's connection settings.
async fn execute_statements(folder: &TestFolder, statements: impl IntoIterator<Item = String>) {
    let url = format!("sqlite://{}", folder.path("t.db").display());
    sqlx::any::install_default_drivers();
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let settings = ["PRAGMA busy_timeout = 10000", "PRAGMA secure_delete = ON", "PRAGMA synchronous = OFF"];
    for statement in settings.map(str::to_owned).into_iter().chain(statements) {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
}

/// Returns how often a word occurs in the file and its log.
fn count_word(folder: &TestFolder, word: &str) -> usize {
    let files = ["t.db", "t.db-wal", "t.db-shm"].map(|file| std::fs::read(folder.path(file)).unwrap_or_default());
    assert!(!files[0].is_empty());
    files.iter().map(|bytes| bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count()).sum()
}

/// Returns statements that write rows of two tenants in turn. Their sizes make SQLite move rows between pages.
fn row_statements(rounds: u32, one: u32, other: u32) -> Vec<String> {
    let mut state = 7_u32;
    let mut draw = move |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % most
    };
    let mut statements = vec!["BEGIN".to_owned()];
    for id in 1..=rounds {
        let (tenant, marker) = if draw(2) == 0 { (one, "ZEBRA") } else { (other, "OKAPI") };
        let text = format!("{marker}|").repeat([3, 9, 30, 130, 500][draw(5) as usize]);
        let name = format!("{marker}|{}", "x".repeat(draw(60) as usize));
        statements.push(format!(
            "INSERT INTO record (id, tenant_id, category, name, at, revision, document) \
             VALUES ({}, {tenant}, 'tickets', '{name}{id}', 0, 1, '{{\"name\":\"n\",\"text\":\"{text}\"}}')",
            1_000_000 + id
        ));
        let elder = 1_000_001 + draw(id);
        match draw(4) {
            0 => statements.push(format!("DELETE FROM record WHERE id = {elder}")),
            1 => statements.push(format!(
                "UPDATE record SET document = document || document WHERE id = {elder} AND length(document) < 3000"
            )),
            _ => {}
        }
    }
    statements.push("COMMIT".to_owned());
    statements
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_sqlite_moved_about_leave_no_copy_in_the_file() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let gone = platform.sp.create_client(&partner, "Gone").await;
    platform.sp.create_client(&partner, "Stays").await;
    execute_statements(&platform.folder, row_statements(4000, 3, 4)).await;
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{gone}/terminate")).await.json();
    assert!(count_word(&platform.folder, "ZEBRA|") > 1000);
    let later = jiff::Timestamp::now().as_millisecond() + 91 * DAY;
    assert_eq!(platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap(), [gone]);
    assert_eq!(count_word(&platform.folder, "ZEBRA|"), 0);
    assert!(count_word(&platform.folder, "OKAPI|") > 1000);
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&platform.pool().await).await.unwrap();
    assert_eq!(sound, "ok");
    platform.sp.post(&records_path(&partner, DataCategory::Tickets), json!({ "name": "goes on" })).await.json();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_out_of_a_large_file_takes_no_memory_and_lets_others_write() {
    let folder = TestFolder::new();
    drop(start_program(&folder).await);
    let text = "x".repeat(20_000);
    let rows = (0..7000).map(|id| {
        format!(
            "INSERT INTO record (id, tenant_id, category, name, at, revision, document) \
             VALUES ({}, 1, 'tickets', 'n{id}', 0, 1, '{text}')",
            1_000_000 + id
        )
    });
    let begin = ["BEGIN".to_owned()];
    let end = ["UPDATE counter SET value = 1 WHERE name = 'scrub'".to_owned(), "COMMIT".to_owned()];
    execute_statements(&folder, begin.into_iter().chain(rows).chain(end)).await;
    let size = std::fs::metadata(folder.path("t.db")).unwrap().len()
        + std::fs::metadata(folder.path("t.db-wal")).map_or(0, |log| log.len());
    assert!(size > 130 << 20, "{size}");

    let (program, sp) = start_program(&folder).await;
    let pool = folder.pool().await;
    let mut written = 0;
    loop {
        let wants: i64 =
            sqlx::query_scalar("SELECT value FROM counter WHERE name = 'scrub'").fetch_one(&pool).await.unwrap();
        if wants == 0 {
            break;
        }
        sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": format!("P{written}") })).await;
        written += 1;
    }
    assert!(program.peak_memory_mib() < 100, "{} MiB", program.peak_memory_mib());
    assert!(written >= 3, "{written} writes while the file was scrubbed");
}

/// Starts the program on a folder's database.
async fn start_program(folder: &TestFolder) -> (super::durability::PlatformProgram, ApiCaller) {
    let mut program = spawn_platform(folder);
    let (url, _) = wait_until_ready(&mut program);
    let sp = ApiCaller::new(&url, &read_credential(folder)).await;
    (program, sp)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compact_writes_a_file_again_without_its_free_space() {
    let folder = TestFolder::new();
    drop(start_program(&folder).await);
    execute_statements(&folder, row_statements(500, 1, 1).into_iter().chain(["DELETE FROM record".to_owned()])).await;
    let size = || std::fs::metadata(folder.path("t.db")).unwrap().len();
    let before = size();
    let ran = std::process::Command::new(crate::assets::platform_program())
        .args(["compact", "--database", &folder.database()])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{ran:?}");
    assert!(size() * 2 < before, "{before} {}", size());
    assert!(stdout.contains(&format!("had {before} bytes and has {}", size())), "{stdout}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_cannot_overwrite_what_is_erased_does_not_start() {
    let mut platform = TestPlatform::start().await;
    platform.running.take().unwrap().stop().await;
    // A table of this name hides SQLite's own table, as in a program that was built without it.
    execute_statements(
        &platform.folder,
        [
            "CREATE TABLE pages_gone (x)",
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET name = 'sqlite_dbpage', tbl_name = 'sqlite_dbpage', \
             sql = 'CREATE TABLE sqlite_dbpage (x)' WHERE name = 'pages_gone'",
        ]
        .map(str::to_owned),
    )
    .await;
    let mut config = tenantry_platform::Config::new(platform.folder.database());
    config.login.password_hash_cost = super::CHEAP_HASH;
    let error = tenantry_platform::start(config).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("cannot overwrite what is erased") && error.contains("LIBSQLITE3_FLAGS"), "{error}");
}
