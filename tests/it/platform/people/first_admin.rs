//! Tests of the first administrator.

use std::path::Path;
use std::process::{Command, Output};

use tenantry_platform::{Config, verify_audit};

use super::super::{ApiCaller, CHEAP_HASH, TestFolder};
use super::{CHOSEN_PASSWORD, TestPlatform, change_password};

fn create_administrator(folder: &TestFolder, key: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::assets::platform_program());
    command.args(["admin", "create", "--database", &folder.database()]).args(arguments);
    command.arg("--audit-key").arg(key);
    command.env_remove("RUST_LOG").env_remove("TENANTRY_LOG").output().unwrap()
}

/// Returns the value that the program printed under a label. Only the password is on stdout; everything else is on
/// stderr.
fn printed_value(output: &Output, word: &str) -> String {
    let stream = if word == "password" { &output.stdout } else { &output.stderr };
    let text = String::from_utf8(stream.clone()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{word}:")).map(str::trim));
    line.unwrap_or_else(|| panic!("no {word} in {text}")).to_owned()
}

/// shows: security/asvs/6.3.2, security/asvs/6.4.1, security/pci/8.3.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator_changes_the_printed_password_and_may_do_everything() {
    let keys = TestFolder::new();
    let key = keys.path("k");
    let platform = TestPlatform::start_with(|config| config.audit_key = Some(key.clone())).await;
    let partner = platform.create_partner("Acme").await;
    // The platform runs at the same time.
    let made = create_administrator(&platform.folder, &key, &["--login", "root"]);
    assert!(made.status.success(), "{made:?}");
    let password = printed_value(&made, "password");
    let (tenant, id) = (printed_value(&made, "tenant"), printed_value(&made, "user"));
    assert_eq!(tenant, platform.sp_id);
    assert!(!String::from_utf8_lossy(&made.stderr).contains(&password));
    assert_eq!(String::from_utf8_lossy(&made.stdout), format!("password: {password}\n"), "a script reads this");

    let first = platform.sp.log_in_person("root", &password).await;
    assert_eq!(first.get(&format!("{}/minimal", platform.partners_path())).await.status, 403);
    change_password(&first, (&tenant, &id), (&password, CHOSEN_PASSWORD)).await.json();
    assert_eq!(platform.sp.login("root", &password).await.status, 401, "it was good for the choice of this one");
    let root = platform.sp.log_in_person("root", CHOSEN_PASSWORD).await;
    assert_eq!(root.get(&format!("{}/{partner}", platform.partners_path())).await.json()["name"], "Acme");
    let user = root.get(&format!("/tenants/{tenant}/users/{id}")).await.json();
    assert_eq!(user["roles"][0]["name"], "Service Provider Administrator");
    let renamed = root.post(&format!("/tenants/{tenant}/users/{id}"), serde_json::json!({ "firstName": "Ada" })).await;
    assert_eq!(renamed.json()["firstName"], "Ada");

    let again = create_administrator(&platform.folder, &key, &["--login", "ROOT"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("taken"), "{again:?}");
    let nowhere = create_administrator(&platform.folder, &key, &["--login", "x", "--tenant", "msp_900"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("msp_900"), "{nowhere:?}");
    let made = create_administrator(&platform.folder, &key, &["--login", "acme", "--tenant", &partner, "--hours", "1"]);
    let acme = platform.sp.login("acme", &printed_value(&made, "password")).await.json();
    assert_eq!(acme["scope"], "password:change");
    // The remaining hour passes except for one minute, then that minute passes.
    platform.execute_sql("UPDATE person SET password_until = password_until - 3540000 WHERE login_name = 'acme'").await;
    platform.sp.login("acme", &printed_value(&made, "password")).await.json();
    platform.execute_sql("UPDATE person SET password_until = password_until - 60000 WHERE login_name = 'acme'").await;
    assert_eq!(platform.sp.login("acme", &printed_value(&made, "password")).await.status, 401, "its time is over");

    let elsewhere = create_administrator(&platform.folder, &keys.path("none"), &["--login", "second"]);
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("--audit-key"), "{elsewhere:?}");
    assert!(!keys.path("none").exists(), "a second key would break the seals");
    let log = super::super::audit::audit_rows(&platform, &tenant).await;
    let row = log.iter().find(|row| row["action"] == "user.create").unwrap();
    assert_eq!((&row["actor"], &row["object"]), (&"console".into(), &id.clone().into()));
    let verified = verify_audit(&platform.folder.database(), Some(&key)).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_can_be_made_before_the_platform_ever_ran() {
    let folder = TestFolder::new();
    let key = folder.path("k");
    let made = create_administrator(&folder, &key, &["--login", "root"]);
    assert!(made.status.success(), "{made:?}");
    let mut config = Config::new(folder.database());
    (config.limits, config.login.password_hash_cost, config.audit_key) = (None, CHEAP_HASH, Some(key.clone()));
    let running = tenantry_platform::start(config).await.unwrap();
    assert_eq!(running.credential.as_ref().unwrap().tenant_id, printed_value(&made, "tenant"));
    let caller = ApiCaller::new(&running.url, running.credential.as_ref().unwrap()).await;
    caller.login("root", &printed_value(&made, "password")).await.json();
    let verified = verify_audit(&folder.database(), Some(&key)).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified}");
}
