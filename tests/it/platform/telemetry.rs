//! Tests of the program's own observability: log lines with the ids of requests, and metrics.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::cpu_cost::read_credential;
use super::durability::{PlatformProgram, launch_with_log};
use super::people::{PASSWORD, user_body};
use super::{ApiCaller, TestFolder};

/// Returns every line of a log that is written to a file.
fn log_lines(folder: &TestFolder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path("log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Starts the program with its log in a file. Returns it and a caller with all permissions.
async fn start_with_log_file(folder: &TestFolder) -> (PlatformProgram, ApiCaller) {
    let log = std::fs::File::create(folder.path("log")).unwrap();
    let program = launch_with_log(Command::new(crate::assets::platform_program()), folder, Stdio::from(log));
    let url = loop {
        let found = log_lines(folder).iter().find_map(|line| line["fields"]["url"].as_str().map(str::to_owned));
        if let Some(url) = found {
            break url;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let sp = ApiCaller::new(&url, &read_credential(folder)).await;
    (program, sp)
}

/// shows: security/asvs/16.5.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_one_line_and_a_failure_has_its_id() {
    let folder = TestFolder::new();
    let (mut program, sp) = start_with_log_file(&folder).await;
    let made = sp.post("/tenants/sp_1/msps", json!({ "name": "Zebra Ltd" })).await;
    let partner = made.json()["uniqueId"].as_str().unwrap().to_owned();
    sp.post(&format!("/tenants/{partner}/users"), user_body("ada", &[])).await.json();
    let login = sp.login("ada", PASSWORD).await;
    let missing = sp.get("/tenants/msp_99/clients/minimal").await;
    sqlx::query("ALTER TABLE branding RENAME TO elsewhere").execute(&folder.pool().await).await.unwrap();
    let failed = sp.get(&format!("/tenants/{partner}/customBranding")).await;
    assert_eq!((login.status.as_u16(), missing.status.as_u16(), failed.status.as_u16()), (200, 404, 500));
    let status = Command::new("kill").arg(program.id().to_string()).status().unwrap();
    assert!(status.success());
    let ended = tokio::task::spawn_blocking(move || program.0.wait().unwrap()).await.unwrap();
    assert!(ended.success());

    let lines = log_lines(&folder);
    let mut access: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["target"] == "access") {
        access.entry(line["fields"]["request"].as_str().unwrap()).or_default().push(&line["fields"]);
    }
    for (answer, method, route) in [
        (&made, "POST", "/api/v2/tenants/{tenant}/msps"),
        (&login, "POST", "/tenancy/auth/oauth/token"),
        (&missing, "GET", "/api/v2/tenants/{tenant}/clients/minimal"),
        (&failed, "GET", "/api/v2/tenants/{tenant}/customBranding"),
    ] {
        let told = &access[answer.headers["x-request-id"].to_str().unwrap()];
        assert_eq!(told.len(), 1, "{told:?}");
        let told = told[0];
        assert_eq!((&told["method"], &told["route"]), (&json!(method), &json!(route)));
        assert_eq!((&told["status"], &told["source"]), (&json!(answer.status.as_u16()), &json!("127.0.0.1")));
        assert!(told["milliseconds"].is_u64(), "{told}");
    }
    let id = failed.headers["x-request-id"].to_str().unwrap();
    let cause = lines.iter().find(|line| line["level"] == "ERROR" && line["span"]["request"] == id);
    assert!(cause.is_some_and(|line| line["fields"]["error"].as_str().unwrap().contains("branding")), "{lines:?}");
    let whole = std::fs::read_to_string(folder.path("log")).unwrap();
    for secret in [PASSWORD, &sp.token, "Zebra Ltd"] {
        assert!(!whole.contains(secret), "{secret} is in the log");
    }
    let last = lines.last().unwrap();
    assert!(last["fields"]["message"].as_str().unwrap().contains("has stopped"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_time_is_measured_and_every_metric_is_documented() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_log_file(&folder).await;
    let partner = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    sp.post(&format!("/tenants/{partner}/users"), user_body("ada", &[])).await.json();
    assert_eq!(sp.login("ada", PASSWORD).await.status, 200);
    let scrape = sp.send(reqwest::Method::GET, "/metrics", Vec::new()).await.text;
    let value = |series: &str| -> f64 {
        let line =
            scrape.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}: {scrape}"));
        line.trim().parse().unwrap()
    };
    let route = r#"{method="POST",route="/api/v2/tenants/{tenant}/users"}"#;
    let of = |name: &str| format!("tenantry_platform_{name}");
    assert!(value(&of(&format!("request_duration_seconds_count{route}"))) >= 1.0);
    assert!(value(&of("password_wait_seconds_count")) >= 2.0, "one was hashed, one compared");
    assert!(value(&of("database_wait_seconds_count")) >= 3.0);
    assert!(value(&of("database_connections{pool=\"readers\",state=\"idle\"}")) >= 1.0);
    assert!(value(&of("housekeeping_duration_seconds_count")) >= 1.0);
    assert!(value(&of("housekeeping_last_timestamp_seconds")) > 1e9);
    let page = include_str!("../../../docs/operations.md");
    let families: Vec<&str> =
        scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(families.len() >= 10, "{families:?}");
    for family in families {
        assert!(page.contains(family), "{family} is not in docs/operations.md");
    }
    crate::observability::check_against_scrape(&scrape, crate::observability::MonitoredProgram::Platform);
    for told in [&*partner, "ada", "Acme"] {
        assert!(!scrape.contains(told), "{told} is in the metrics");
    }
    drop(program);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_come_from_files_and_stand_in_no_list_of_processes() {
    let folder = TestFolder::new();
    std::fs::write(folder.path("url"), format!("{}\n", folder.database())).unwrap();
    std::fs::write(folder.path("s3"), "zebra-secret\n").unwrap();
    let mut shell = Command::new(crate::assets::platform_program());
    shell.current_dir(folder.path("")).stdin(Stdio::null()).stderr(Stdio::piped());
    shell.args(["--listen", "127.0.0.1:0", "--database-url-file", "url", "--export-s3-secret-file", "s3"]);
    shell.args(["--export-s3-key-id", "id"]);
    let mut program = PlatformProgram(shell.spawn().unwrap());
    let (url, _) = super::durability::wait_until_ready(&mut program);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    let shown = std::fs::read(format!("/proc/{}/cmdline", program.id())).unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(!shown.contains(&folder.database()) && !shown.contains("zebra-secret"), "{shown}");
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM tenant").fetch_all(&folder.pool().await).await.unwrap();
    assert!(names.contains(&"Acme".to_owned()), "{names:?}");
    drop(program);
    std::fs::write(folder.path("url"), "\n").unwrap();
    let refused = shell.output().unwrap();
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("must have one line"),
        "{refused:?}"
    );
}
