//! Runs HPE's own client library and tool against the platform: an oracle that this repository did not write.

use std::path::PathBuf;

use tokio::process::Command;

use super::TestPlatform;
use crate::assets;

/// Runs the lifecycle of a client with a credential of a partner.
async fn run_client_lifecycle(url: &str, partner: &str, key: &str, secret: &str) {
    let python: PathBuf = assets::target().unwrap().join("oracle/bin/python");
    assert!(python.is_file(), "HPE's client library is missing: run `make oracle`");
    let script = assets::root().join("tests/oracle/life.py");
    let ran = Command::new(python).arg(script).args([url, partner, key, secret]).output().await.unwrap();
    let stderr = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stderr}");
    assert!(stderr.contains("a client lived and was ended"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hpes_own_library_and_tool_play_the_life_of_a_client() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Oracle Partner").await;
    let made = platform.sp.post_empty(&format!("/tenants/{partner}/credentials")).await.json();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    run_client_lifecycle(platform.url(), &partner, &text("clientId"), &text("clientSecret")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hpes_own_library_and_tool_do_so_without_the_extensions() {
    let platform = TestPlatform::start_with(|config| config.documented_only = true).await;
    let running = platform.running.as_ref().unwrap();
    let credential = running.credential.as_ref().unwrap();
    let (partner, key) = (credential.tenant_id.as_str(), credential.client_id.as_str());
    run_client_lifecycle(platform.url(), partner, key, &credential.client_secret).await;
}
