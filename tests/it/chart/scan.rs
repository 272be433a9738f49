//! Checks the manifests with a third-party scanner.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::Helm;
use crate::page_commands::external_commands::SCAN;
use crate::{assets, support};

/// Returns the checks that fail for the manifests, and how many passed.
fn scan_manifests(name: &str, text: &str) -> (BTreeSet<String>, u64) {
    let program = assets::target().unwrap().join("checkov/bin/checkov");
    assert!(program.is_file(), "`checkov` is missing: run `make checkov`");
    let folder = support::test_folder(name).unwrap();
    let file = folder.join("rendered.yaml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.args(["--framework", "kubernetes", "--output", "json", "--skip-download", "--soft-fail", "-f"]).arg(&file);
    let output = command.env("HOME", &folder).env("LOG_LEVEL", "ERROR").current_dir(&folder).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: Value = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("{error}: {stdout} {}", String::from_utf8_lossy(&output.stderr)));
    let failed = found["results"]["failed_checks"].as_array().unwrap();
    let ids = failed.iter().map(|check| check["check_id"].as_str().unwrap().to_owned()).collect();
    (ids, found["summary"]["passed"].as_u64().unwrap())
}

#[test]
fn a_scanner_finds_what_is_suppressed_with_a_reason_and_nothing_else() {
    let text = fs::read_to_string(assets::root().join("charts/tenantry/.checkov.yaml")).unwrap();
    let config: Value = serde_yaml::from_str(&text).unwrap();
    let skipped = config["skip-check"].as_array().unwrap();
    assert!(skipped.len() <= 3, "{skipped:?}");
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with("- ")) {
        assert!(pair[0].starts_with("# "), "`{}` has no reason", pair[1]);
    }
    let skipped: BTreeSet<String> = skipped.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let values = [
        "platform.enabled=true",
        "platform.ingress.enabled=true",
        "platform.ingress.host=platform.example",
        "platform.ingress.tlsSecretName=platform-tls",
        "platform.trustedProxies={10.0.0.0/8}",
        "platform.allowFrom[0].podSelector.matchLabels.app=ingress",
        "platform.database.secretName=pg",
        "platform.database.to[0].podSelector.matchLabels.app=pg",
    ];
    let rendered = Helm::without_cluster("scan").render("tenantry-system", &values).unwrap();
    let file = support::test_folder("scan-of-the-page").unwrap().join("rendered.yaml");
    fs::write(&file, &rendered).unwrap();
    let page = SCAN.words("checkov", &[("rendered.yaml", file.to_str().unwrap())]);
    let mut command = Command::new(assets::target().unwrap().join("checkov/bin/checkov"));
    command.args(&page).env("HOME", file.with_file_name("home")).current_dir(assets::root());
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{page:?}: {}", String::from_utf8_lossy(&ran.stdout));
    let (failed, passed) = scan_manifests("scan", &rendered);
    assert_eq!(failed, skipped);
    assert!(passed > 150, "{passed}");
}
