//! Tests of concurrency and of durability after a kill.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_platform::{Config, Credential};

use super::{ApiCaller, TestFolder, TestPlatform};

/// shows: faults/40
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_equal_creates_at_once_make_one_tenant() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/clients");
    let create = |number: usize| {
        let (caller, list) = (platform.sp.clone(), list.clone());
        // Half of them differ in name and have the same mark.
        let name = if number.is_multiple_of(2) { "Globex".to_owned() } else { format!("Globex {number}") };
        let mark = json!({ "cluster": "c", "kind": "Client", "namespace": "n", "name": "globex", "uid": "u" });
        tokio::spawn(async move { caller.post(&list, json!({ "name": name, "managedBy": mark })).await })
    };
    let mut made = Vec::new();
    let mut refused = Vec::new();
    for answer in futures::future::join_all((0..50).map(create)).await {
        let answer = answer.unwrap();
        match answer.status.as_u16() {
            200 => made.push(answer.json()["uniqueId"].as_str().unwrap().to_owned()),
            400 => refused.push(serde_json::from_str::<Value>(&answer.text).unwrap()),
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert_eq!((made.len(), refused.len()), (1, 49));
    assert!(refused.iter().all(|body| body[0]["holder"] == made[0].as_str()), "{refused:?}");
    assert_eq!(platform.sp.get(&format!("{list}/minimal")).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_creates_at_once_all_succeed_with_different_numbers() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let create = |number| {
        let (caller, partner) = (platform.sp.clone(), partner.clone());
        tokio::spawn(async move { caller.create_client(&partner, &format!("C{number}")).await })
    };
    let ids = futures::future::join_all((0..40).map(create)).await;
    let ids: std::collections::BTreeSet<_> = ids.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 40);
}

/// shows: faults/40
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_on_one_database_make_one_tenant_too() {
    let platform = TestPlatform::start().await;
    let mut config = Config::new(platform.folder.database());
    config.limits = None;
    let second = tenantry_platform::start(config).await.unwrap();
    let callers = [platform.sp.clone(), ApiCaller::new(&second.url, &platform.credential).await];
    for round in 0..5 {
        let partner = platform.create_partner(&format!("Acme {round}")).await;
        let create = |number: usize| {
            let (caller, list) = (callers[number % 2].clone(), format!("/tenants/{partner}/clients"));
            tokio::spawn(async move { caller.post(&list, json!({ "name": "Globex" })).await.status.as_u16() })
        };
        let answers = futures::future::join_all((0..30).map(create)).await;
        let mut answers: Vec<u16> = answers.into_iter().map(Result::unwrap).collect();
        answers.sort_unstable();
        assert_eq!((answers[0], &answers[1..]), (200, &[400; 29][..]));
    }
    second.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_tenants_tokens_and_credentials() {
    let mut platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let before = platform.sp.get(&format!("/tenants/client/{client}")).await.json();
    let old = platform.sp.clone();
    platform.restart(|_| ()).await;
    let old = ApiCaller { url: platform.url().to_owned(), ..old };
    assert_eq!(old.get(&format!("/tenants/client/{client}")).await.json(), before);
    assert_eq!(platform.sp.create_client(&partner, "Next").await, "client_4");
}

/// The platform program as a child process. It ends with the test, also when the test fails.
pub(super) struct PlatformProgram(pub(super) Child);

impl PlatformProgram {
    /// Wraps a process that already runs.
    pub(super) fn from_child(child: Child) -> Self {
        Self(child)
    }

    /// Returns the process id.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for PlatformProgram {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program on a free port.
pub(super) fn spawn_platform(folder: &TestFolder) -> PlatformProgram {
    launch_command(Command::new(crate::assets::platform_program()), folder)
}

/// Starts a command that executes the program.
pub(super) fn launch_command(command: Command, folder: &TestFolder) -> PlatformProgram {
    launch_with_log(command, folder, Stdio::piped())
}

/// Does the same as `launch_command`, with the log written to `log`.
pub(super) fn launch_with_log(mut command: Command, folder: &TestFolder, log: Stdio) -> PlatformProgram {
    command.current_dir(folder.path("")).args(["--listen", "127.0.0.1:0", "--no-rate-limits"]);
    command.args(["--database", &folder.database()]);
    PlatformProgram(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// Waits until the program is ready. Returns the URL from its log and everything that it logged before.
pub(super) fn wait_until_ready(program: &mut PlatformProgram) -> (String, String) {
    use std::io::{BufRead as _, BufReader};
    let mut log = String::new();
    for line in BufReader::new(program.0.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        log += &line;
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Some(url) = value["fields"]["url"].as_str() {
            return (url.to_owned(), log);
        }
    }
    panic!("the program ended: {log}");
}

/// shows: faults/39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_sigkill() {
    let folder = TestFolder::new();
    let mut program = spawn_platform(&folder);
    let (url, log) = wait_until_ready(&mut program);
    let file: Value = serde_json::from_slice(&std::fs::read(folder.path("tenantry-credential.json")).unwrap()).unwrap();
    let credential: Credential = serde_json::from_value(file).unwrap();
    assert!(!log.contains(&credential.client_secret) && !log.contains(&credential.client_id), "{log}");
    let caller = ApiCaller::new(&url, &credential).await;
    let partner =
        caller.create_tenant(format!("/tenants/{}/msps", credential.tenant_id), json!({ "name": "Acme" })).await;
    let mut acknowledged = Vec::new();
    let killer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(program);
    });
    for number in 0.. {
        let body = json!({ "name": format!("C{number}") }).to_string();
        let request = caller.http.post(format!("{url}/api/v2/tenants/{partner}/clients")).bearer_auth(&caller.token);
        let Ok(response) = request.body(body).send().await else { break };
        let Ok(created) = response.json::<Value>().await else { break };
        acknowledged.push(created["uniqueId"].as_str().unwrap().to_owned());
    }
    killer.await.unwrap();
    assert!(!acknowledged.is_empty());

    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let caller = ApiCaller::new(&url, &credential).await;
    let living = caller.get(&format!("/tenants/{partner}/clients/minimal")).await.text;
    for id in &acknowledged {
        assert!(living.contains(&format!("\"{id}\"")), "{id} was acknowledged and is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_the_program_cleanly() {
    let folder = TestFolder::new();
    let mut program = spawn_platform(&folder);
    let _ready = wait_until_ready(&mut program);
    let killed = Command::new("kill").arg(program.0.id().to_string()).status().unwrap();
    assert!(killed.success());
    let status = tokio::task::spawn_blocking(move || program.0.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
}

/// shows: faults/42
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let folder = TestFolder::new();
    for millis in (5..).step_by(15).take(24) {
        let program = spawn_platform(&folder);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        drop(program);
    }
    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let file: Value = serde_json::from_slice(&std::fs::read(folder.path("tenantry-credential.json")).unwrap()).unwrap();
    let credential: Credential = serde_json::from_value(file).unwrap();
    let caller = ApiCaller::new(&url, &credential).await;
    caller.create_tenant(format!("/tenants/{}/msps", credential.tenant_id), json!({ "name": "Acme" })).await;
    let pool = folder.pool().await;
    let one = async |text: &'static str| sqlx::query_scalar::<_, i64>(text).fetch_one(&pool).await.unwrap();
    assert_eq!(one("SELECT COUNT(*) FROM credential").await, 1);
    // Each migration is recorded once, and all of them succeeded.
    let migrations =
        std::fs::read_dir(crate::assets::root().join("crates/tenantry-platform/migrations")).unwrap().count();
    assert_eq!(one("SELECT COUNT(*) FROM _sqlx_migrations").await, i64::try_from(migrations).unwrap());
    let broken = one("SELECT COUNT(*) FROM _sqlx_migrations WHERE NOT success").await;
    assert_eq!(broken, 0);
    pool.close().await;
}

/// shows: faults/42
#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_and_not_changed() {
    let folder = TestFolder::new();
    let config = || tenantry_platform::Config::new(folder.database());
    tenantry_platform::start(config()).await.unwrap().stop().await;
    let pool = folder.pool().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 SELECT 9999, 'newer', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let refused = tenantry_platform::start(config()).await.err().unwrap().to_string();
    assert!(refused.contains("of a newer release") && refused.contains("9999"), "{refused}");
    let versions = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations WHERE version = 9999");
    let versions: i64 = versions.fetch_one(&pool).await.unwrap();
    assert_eq!(versions, 1);
    pool.close().await;
}
