//! The values: one list in the schema, the page of defaults and the templates.

use std::collections::BTreeSet;
use std::fs;

use clap::Parser as _;
use serde_json::Value;
use tenantry::operator::Settings;

use super::{Helm, find, flags, objects};
use crate::assets;

fn read(file: &str) -> String {
    fs::read_to_string(assets::root().join("charts/tenantry").join(file)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

/// Holds the members of a value to those of its schema, and gathers the paths of what has no members of its own.
fn compare(schema: &Value, value: &Value, path: &str, leaves: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        leaves.insert(path.to_owned());
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "`{path}` takes what nobody knows");
    let known: BTreeSet<&String> = properties.keys().filter(|key| *key != "global").collect();
    let members = value.as_object().unwrap_or_else(|| panic!("`{path}` is not there"));
    assert_eq!(known, members.keys().collect(), "`{path}` in the schema and in values.yaml");
    for (key, value) in members {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        compare(&properties[key], value, &below, leaves);
    }
}

fn leaves() -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    compare(&schema(), &serde_yaml::from_str(&read("values.yaml")).unwrap(), "", &mut leaves);
    leaves
}

/// Paths that the templates name.
fn named() -> BTreeSet<String> {
    let folder = assets::root().join("charts/tenantry/templates");
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let texts: Vec<String> = files.collect();
    let tails = texts.iter().flat_map(|text| text.split(".Values.").skip(1));
    tails
        .map(|tail| {
            let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(tail.len());
            tail[..end].trim_end_matches('.').to_owned()
        })
        .collect()
}

#[test]
fn the_schema_the_defaults_and_the_templates_know_the_same_values() {
    let leaves = leaves();
    assert!(leaves.len() > 50, "{leaves:?}");
    // These are handed over whole.
    let (image, amounts) =
        (["repository", "tag", "digest", "pullPolicy"].as_slice(), ["requests", "limits"].as_slice());
    let mut named = named();
    for (whole, parts) in
        [("image", image), ("platform.image", image), ("resources", amounts), ("platform.resources", amounts)]
    {
        assert!(named.remove(whole), "no template names `{whole}`");
        named.extend(parts.iter().map(|key| format!("{whole}.{key}")));
    }
    for path in &named {
        assert!(leaves.contains(path), "a template names `{path}`, which is no value");
    }
    for leaf in &leaves {
        assert!(named.contains(leaf), "no template does anything with `{leaf}`");
    }
}

/// Keys of a text of values that no comment is above, with their lines.
fn uncommented(text: &str, leaves: &BTreeSet<String>) -> Vec<String> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let (mut missing, mut before) = (Vec::new(), "");
    for line in text.lines() {
        let key = line.trim_start();
        let depth = line.len() - key.len();
        if let Some((key, _)) = key.split_once(':').filter(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric())) {
            above.retain(|(other, _)| *other < depth);
            above.push((depth, key));
            let path = above.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
            if leaves.contains(&path) && !before.starts_with('#') {
                missing.push(path);
            }
        }
        before = line.trim();
    }
    missing
}

#[test]
fn every_value_has_its_words() {
    let (text, mut leaves) = (read("values.yaml"), leaves());
    // Two maps of any names, whose defaults have a comment each.
    for whole in ["resources.requests", "resources.limits", "platform.resources.requests", "platform.resources.limits"]
    {
        assert!(leaves.remove(whole), "{whole}");
        leaves.extend(["cpu", "memory"].map(|key| format!("{whole}.{key}")));
    }
    assert_eq!(uncommented(&text, &leaves), [""; 0]);
    let without: String = text.lines().filter(|line| !line.trim().starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(uncommented(&without, &leaves).len(), leaves.len());
}

#[test]
fn what_no_value_is_or_does_not_fit_is_refused_with_words() {
    let helm = Helm::alone("refusals");
    for (values, words) in [
        (&["platformHost=acme.example"][..], "'platformHost' not allowed"),
        (&["lease.durations=1s"], "'durations' not allowed"),
        (&["driftInterval=10"], "/driftInterval"),
        (&["replicas=two"], "/replicas"),
        (&["platformHosts={https://acme.example}"], "/platformHosts/0"),
        (&["platformMoved={old.example}"], "/platformMoved/0"),
        (&["platformProxy=proxy.example:3128"], "/platformProxy"),
        (&["platformProxy=http://key:secret@proxy.example:3128"], "/platformProxy"),
        (&["namespaces={acme}"], "set `clusterId`"),
        (&["requestTimeout=71s"], "`terminationGracePeriodSeconds` must be at least 20 s more than `requestTimeout`"),
        (&["defaultConnection.namespaces={acme}"], "name the Secret"),
        (&["serviceAccount.create=false"], "`serviceAccount.name` is needed"),
        (&["platform.enabled=true", "platform.ingress.enabled=true"], "`platform.ingress.host` is needed"),
        (
            &["platform.enabled=true", "platform.ingress.enabled=true", "platform.ingress.host=p.example"],
            "`platform.ingress.tlsSecretName` is needed",
        ),
    ] {
        let said = helm.render("tenantry-system", values).expect_err(&format!("{values:?} is taken"));
        assert!(said.contains(words), "{values:?}: {said}");
    }
}

/// The operator's settings that a Deployment gives it.
fn settings(values: &[&str]) -> (Settings, Vec<(String, String)>) {
    let rendered = objects(&Helm::alone("settings").render("tenantry-system", values).unwrap());
    let (flags, env) = flags(find(&rendered, "Deployment", "tenantry"));
    let args = std::iter::once("tenantry-operator".to_owned()).chain(flags);
    (Settings::try_parse_from(args).unwrap(), env)
}

#[test]
fn the_operator_takes_every_flag_and_its_defaults_are_those_of_the_chart() {
    let (mut chart, env) = settings(&[]);
    let own = Settings::try_parse_from(["tenantry-operator"]).unwrap();
    assert_eq!(chart.listen.to_string(), "0.0.0.0:8081");
    chart.listen = own.listen;
    assert_eq!(format!("{chart:?}"), format!("{own:?}"));
    assert_eq!(env, [("TENANTRY_LOG".to_owned(), "info".to_owned())]);

    let (told, env) = settings(&[
        "platformHosts={acme.example,other.example:8443}",
        "platformMoved={old.example=acme.example}",
        "platformProxy=http://proxy.example:3128",
        "clusterId=c1",
        "namespaces={acme,globex}",
        "defaultConnection.secretName=platform",
        "defaultConnection.namespaces={acme}",
        "driftInterval=1h",
        "requestTimeout=30s",
        "passTimeout=1m",
        "concurrency=4",
        "terminationsPerHour.partners=0",
        "terminationsPerHour.clients=1",
        "lease.duration=30s",
        "lease.renewDeadline=20s",
        "lease.retryPeriod=5s",
        "metrics.port=9000",
        "log=debug",
    ]);
    let args = "tenantry-operator --listen 0.0.0.0:9000 --platform-hosts acme.example,other.example:8443 \
        --platform-moved old.example=acme.example --platform-proxy http://proxy.example:3128 --cluster-id c1 \
        --namespaces acme,globex --default-connection tenantry-system/platform --default-connection-namespaces acme \
        --drift-interval 1h --request-timeout 30s --pass-timeout 1m --concurrency 4 \
        --most-partner-terminations-per-hour 0 --most-client-terminations-per-hour 1 --lease-duration 30s \
        --renew-deadline 20s --retry-period 5s";
    let meant = Settings::try_parse_from(args.split_whitespace()).unwrap();
    assert_eq!(format!("{told:?}"), format!("{meant:?}"));
    assert_eq!(env, [("TENANTRY_LOG".to_owned(), "debug".to_owned())]);
}
