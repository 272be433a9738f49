//! The plugin's krew manifest, filled in as for a release.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::PluginRunner;
use crate::assets;

#[test]
fn a_release_fills_in_a_manifest_that_krew_takes() {
    let template = std::fs::read_to_string(assets::root().join("packaging/krew/tenantry.yaml")).unwrap();
    let mut text = template.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    for place in ["HOMEPAGE", "DOWNLOADS"] {
        text = text.replace(&format!("@{place}@"), "https://tenantry.example/v");
    }
    let digest = |place: (usize, &str)| {
        if place.0 == 0 {
            place.1.to_owned()
        } else {
            let (_, after) = place.1.split_once('@').unwrap();
            "0a".repeat(32) + after
        }
    };
    let filled: String = text.split("@SHA256_").enumerate().map(digest).collect();
    assert!(!filled.contains('@'), "a place is left: {filled}");
    let manifest: Value = serde_yaml::from_str(&filled).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    // The file has the plugin's name, and the program has the prefix `kubectl-`.
    assert_eq!(manifest["metadata"]["name"], "tenantry");
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], format!("v{}", env!("CARGO_PKG_VERSION")));
    let short = spec["shortDescription"].as_str().unwrap();
    assert!(short.len() < 50 && !short.ends_with('.'), "the index asks for a short one: {short}");
    let mut platforms = BTreeSet::new();
    for platform in spec["platforms"].as_array().unwrap() {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        let (end, bin) = if os == "windows" { ("zip", "kubectl-tenantry.exe") } else { ("tar.gz", "kubectl-tenantry") };
        let name = format!("kubectl-tenantry-{}-{os}-{arch}.{end}", env!("CARGO_PKG_VERSION"));
        assert_eq!(platform["uri"], json!(format!("https://tenantry.example/v/{name}")));
        assert_eq!(platform["bin"], json!(bin));
        assert_eq!(platform["sha256"].as_str().unwrap().len(), 64);
        platforms.insert(format!("{os}/{arch}"));
    }
    assert_eq!(platforms.len(), 5, "{platforms:?}");
}

#[test]
fn the_manifest_names_verbs_that_exist() {
    let help = PluginRunner::without_cluster().run(&["--help"]).out;
    for verb in ["version", "lint"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb}: {help}");
    }
}
