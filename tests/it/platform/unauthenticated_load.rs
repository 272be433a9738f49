//! Tests of unauthenticated callers: they take no memory, connection slot or disk space from others, and leave log
//! lines.

use std::io::Write as _;
use std::net::{IpAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::cpu_cost::{read_credential, start_with_full_partner};
use super::durability::{PlatformProgram, launch_with_log};
use super::people::{PASSWORD, user_body};
use super::{ApiCaller, TestFolder, TestPlatform};

/// Returns an HTTP client that connects from another loopback address.
fn client_from_address(address: &str) -> reqwest::Client {
    let address: IpAddr = address.parse().unwrap();
    reqwest::Client::builder().local_address(address).timeout(Duration::from_mins(1)).build().unwrap()
}

async fn log_in(client: &reqwest::Client, url: &str, (name, password): (&str, &str)) -> StatusCode {
    let form = [("grant_type", "password"), ("username", name), ("password", password)];
    client.post(format!("{url}/tenancy/auth/oauth/token")).form(&form).send().await.unwrap().status()
}

/// shows: security/asvs/6.3.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_made_up_logins_takes_no_memory_and_nobody_else_s_place() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let url = sp.url.clone();
    let flood = futures::future::join_all((0..200).map(|number| {
        let (client, url) = (client_from_address("127.0.0.1"), url.clone());
        async move {
            let mut seen = Vec::new();
            for attempt in 0..4 {
                let name = format!("nobody-{number}-{attempt}");
                seen.push(log_in(&client, &url, (&name, "Wrong-Passw0rd!")).await.as_u16());
            }
            seen
        }
    }));
    let other = async {
        let client = client_from_address("127.0.0.2");
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(log_in(&client, &url, ("ada", PASSWORD)).await.as_u16());
        }
        seen
    };
    let (flood, other) = tokio::join!(flood, other);
    let flood: Vec<u16> = flood.into_iter().flatten().collect();
    assert!(flood.iter().all(|status| matches!(status, 401 | 503)), "{flood:?}");
    assert!(flood.contains(&401) && flood.contains(&503), "some were compared, and most found no place");
    assert_eq!(other, [200; 5]);
    // None of them counts as a failure of the platform, which is what an alert counts.
    let scrape = sp.send(reqwest::Method::GET, "/metrics", Vec::new()).await.text;
    let of_status = |status: &str| -> Vec<&str> {
        let requests = scrape.lines().filter(|line| line.starts_with("tenantry_platform_requests_total{"));
        requests.filter(|line| line.contains(&format!("status=\"{status}\""))).collect()
    };
    let turned_away = of_status("503");
    assert!(
        !turned_away.is_empty() && turned_away.iter().all(|line| line.contains("turned_away=\"true\"")),
        "{scrape}"
    );
    assert!(of_status("401").iter().all(|line| line.contains("turned_away=\"false\"")), "{scrape}");
    assert!(program.peak_memory_mib() < 160, "{} MiB", program.peak_memory_mib());
}

#[tokio::test]
async fn connections_that_say_nothing_are_counted_and_leave_room_for_others() {
    let folder = TestFolder::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\"", crate::assets::platform_program()]);
    let mut program = super::durability::launch_command(shell, &folder);
    let (url, _) = super::durability::wait_until_ready(&mut program);
    let address = url.strip_prefix("http://").unwrap();
    let held: Vec<TcpStream> = (0..230)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ");
            stream
        })
        .collect();
    let answer = client_from_address("127.0.0.2").get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(held);
}

#[tokio::test]
async fn what_somebody_may_not_do_is_not_charged_to_those_who_may() {
    super::rate_limits::wait_away_from_minute_edge().await;
    let limits = tenantry_platform::RateLimits { writes: 6, pages: 9, reads: 9 };
    let platform = TestPlatform::start_with(|config| config.limits = Some(limits)).await;
    let acme = platform.create_partner("Acme").await;
    let list = format!("/tenants/{acme}/clients");
    let caller = platform.caller_for_tenant(&acme).await;
    platform.create_user(&acme, "viewer", &[]).await;
    let viewer = platform.sp.log_in_person("viewer", PASSWORD).await;
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(viewer.post(&list, json!({ "name": "X" })).await.status.as_u16());
    }
    assert_eq!(seen, [403, 403, 403, 403, 403, 403, 429, 429]);
    let throttled = viewer.post(&list, json!({ "name": "X" })).await;
    let wait: i64 = throttled.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // Each authorized caller still has its complete budget.
    for number in 0..5 {
        caller.post(&list, json!({ "name": format!("C{number}") })).await.json();
    }
    platform.sp.post(&list, json!({ "name": "D" })).await.json();
}

/// Returns the lines about refusals in a program's log.
fn refusal_log_lines(folder: &TestFolder) -> Vec<Value> {
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "refused").map(|line| line["fields"].clone()).collect()
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn each_refusal_of_a_stranger_leaves_a_line_with_its_source_and_a_flood_few_rows() {
    let folder = TestFolder::new();
    let (program, url) = start_with_log_file(&folder);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    sp.post("/tenants/sp_1/users", user_body("ada", &[])).await.json();
    let client = client_from_address("127.0.0.3");
    assert_eq!(log_in(&client, &url, ("nobody", "Wrong-Passw0rd!")).await, 401);
    let key = [("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "y")];
    let token = format!("{url}/tenancy/auth/oauth/token");
    assert_eq!(client.post(&token).form(&key).send().await.unwrap().status(), 401);
    let form = client.post(format!("{url}/login")).header("sec-fetch-site", "cross-site").body("x=y");
    assert_eq!(form.send().await.unwrap().status(), 403);
    let api = format!("{url}/api/v2/tenants/sp_1/msps/minimal");
    let stranger = client.get(&api).bearer_auth("made-up").send().await.unwrap();
    let id = stranger.headers()["x-request-id"].to_str().unwrap().to_owned();
    for _ in 0..60 {
        assert_eq!(log_in(&client, &url, ("ada", "Wrong-Passw0rd!")).await, 401);
    }
    let lines = refusal_log_lines(&folder);
    assert!(lines.iter().all(|line| line["source"] == "127.0.0.3"), "{lines:?}");
    let said = |text: &str| lines.iter().filter(|line| line["message"] == text).count();
    let named = |member: &str| lines.iter().filter(|line| line.get(member).is_some()).count();
    assert_eq!((said("an API key or its secret is wrong"), said("not allowed")), (1, 1), "{lines:?}");
    assert!(named("person") >= 2 && lines.iter().any(|line| line["person"] == "unknown"), "{lines:?}");
    assert!(lines.iter().any(|line| line["request"] == id.as_str() && line["status"] == 401), "{lines:?}");
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    for secret in ["nobody", "Wrong-Passw0rd!", "made-up"] {
        assert!(!log.contains(secret), "{secret}");
    }
    // Sixty wrong passwords make ten rows, and those for the locked account twenty a minute, in the history and in the
    // audit log.
    let pool = folder.pool().await;
    for text in ["SELECT COUNT(*) FROM audit WHERE action LIKE 'login%'", "SELECT COUNT(*) FROM login_history"] {
        let rows: i64 = sqlx::query_scalar(text).fetch_one(&pool).await.unwrap();
        assert!((30..=51).contains(&rows), "{text}: {rows}");
    }
    drop(program);
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn a_throttled_caller_leaves_a_line_with_source_and_request() {
    let folder = TestFolder::new();
    let mut command = Command::new(crate::assets::platform_program());
    command.current_dir(folder.path("")).args(["--listen", "127.0.0.1:0", "--writes-per-minute", "1", "--database"]);
    let log = std::fs::File::create(folder.path("log")).unwrap();
    command.arg(folder.database()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
    let program = PlatformProgram::from_child(command.spawn().unwrap());
    let sp = ApiCaller::new(&wait_for_url(&folder), &read_credential(&folder)).await;
    let mut throttled = Vec::new();
    for name in ["A", "B", "C", "D"] {
        let answer = sp.post("/tenants/sp_1/msps", json!({ "name": name })).await;
        if answer.status == 429 {
            throttled.push(answer.headers["x-request-id"].to_str().unwrap().to_owned());
        }
    }
    assert!(throttled.len() >= 2, "{throttled:?}");
    let lines = refusal_log_lines(&folder);
    for id in throttled {
        let line = lines.iter().find(|line| line["request"] == id.as_str()).expect("the request has a line");
        let said = ["message", "source", "method"].map(|member| line[member].as_str().unwrap());
        assert_eq!((said, &line["status"]), (["too often", "127.0.0.1", "POST"], &json!(429)));
    }
    drop(program);
}

/// Starts the program with its log in a file.
pub(super) fn start_with_log_file(folder: &TestFolder) -> (PlatformProgram, String) {
    let log = std::fs::File::create(folder.path("log")).unwrap();
    let program = launch_with_log(Command::new(crate::assets::platform_program()), folder, Stdio::from(log));
    (program, wait_for_url(folder))
}

/// Reads the URL of the program from its log.
fn wait_for_url(folder: &TestFolder) -> String {
    for _ in 0..600 {
        let text = std::fs::read_to_string(folder.path("log")).unwrap();
        let url = text.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"]["url"].as_str().map(str::to_owned)
        });
        if let Some(url) = url {
            return url;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the program did not start");
}
