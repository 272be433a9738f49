//! HPE's own client library and tool against the platform: an oracle that this repository did not write.

use std::path::PathBuf;

use tokio::process::Command;

use super::Platform;
use crate::assets;

/// Plays a client's life with a credential of a partner.
async fn lives(url: &str, (partner, key, secret): (&str, &str, &str)) {
    let python: PathBuf = assets::target().unwrap().join("oracle/bin/python");
    assert!(python.is_file(), "HPE's client library is missing: run `make oracle`");
    let script = assets::root().join("tests/oracle/life.py");
    let ran = Command::new(python).arg(script).args([url, partner, key, secret]).output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("a client lived and was ended"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hpes_own_library_and_tool_play_the_life_of_a_client() {
    let platform = Platform::start().await;
    let partner = platform.partner("Oracle Partner").await;
    let made = platform.sp.act(&format!("/tenants/{partner}/credentials")).await.json();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    lives(platform.url(), (&partner, &text("clientId"), &text("clientSecret"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hpes_own_library_and_tool_do_so_without_the_extensions() {
    let platform = Platform::with(|config| config.documented_only = true).await;
    let running = platform.running.as_ref().unwrap();
    let credential = running.credential.as_ref().unwrap();
    let (partner, key) = (credential.tenant_id.as_str(), credential.client_id.as_str());
    lives(platform.url(), (partner, key, &credential.client_secret)).await;
}
