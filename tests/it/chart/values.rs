//! Verifies that the schema, the page of defaults and the templates have the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;
use tenantry_operator::OperatorFlags;
use tenantry_platform::PlatformFlags;

use super::{EXTRA_VALUES, Helm, find_object, operator_flags_and_env, parse_objects};
use crate::assets;

fn read_chart_file(file: &str) -> String {
    fs::read_to_string(assets::root().join("charts/tenantry").join(file)).unwrap()
}

fn values_schema() -> Value {
    serde_json::from_str(&read_chart_file("values.schema.json")).unwrap()
}

/// Compares the members of a value with its schema, and collects the paths of values without members.
fn collect_leaves(schema: &Value, value: &Value, path: &str, leaves: &mut BTreeSet<String>) {
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
        collect_leaves(&properties[key], value, &below, leaves);
    }
}

fn value_leaves() -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    collect_leaves(&values_schema(), &serde_yaml::from_str(&read_chart_file("values.yaml")).unwrap(), "", &mut leaves);
    leaves
}

/// Collects the paths that the templates name.
fn paths_in_templates() -> BTreeSet<String> {
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
    let leaves = value_leaves();
    assert!(leaves.len() > 50, "{leaves:?}");
    // These are passed on as complete blocks.
    let (image, amounts) =
        (["repository", "tag", "digest", "pullPolicy"].as_slice(), ["requests", "limits"].as_slice());
    let mut named = paths_in_templates();
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

/// Returns the keys of a values file without a comment above them, with their lines.
fn keys_without_comment(text: &str, leaves: &BTreeSet<String>) -> Vec<String> {
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
    let (text, mut leaves) = (read_chart_file("values.yaml"), value_leaves());
    // Two maps with free names, whose defaults have a comment each.
    for whole in ["resources.requests", "resources.limits", "platform.resources.requests", "platform.resources.limits"]
    {
        assert!(leaves.remove(whole), "{whole}");
        leaves.extend(["cpu", "memory"].map(|key| format!("{whole}.{key}")));
    }
    assert_eq!(keys_without_comment(&text, &leaves), [""; 0]);
    let without: String = text.lines().filter(|line| !line.trim().starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(keys_without_comment(&without, &leaves).len(), leaves.len());
}

/// Collects the descriptions of the schema, by the path of their value.
fn collect_descriptions(schema: &Value, path: &str, words: &mut BTreeMap<String, String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(said) = value["description"].as_str() {
            words.insert(below.clone(), said.to_owned());
        }
        collect_descriptions(value, &below, words);
    }
}

/// Collects the comments of a values file, by the path of the key below them.
fn comments_by_path(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut above, mut words) = (BTreeMap::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let key = line.trim_start();
        if let Some(said) = key.strip_prefix('#') {
            words.push(said.trim());
            continue;
        }
        let depth = line.len() - key.len();
        if let Some((key, _)) = key.split_once(':') {
            above.retain(|(other, _)| *other < depth);
            above.push((depth, key));
            let path = above.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
            if !words.is_empty() {
                found.insert(path, words.join(" "));
            }
        }
        words.clear();
    }
    found
}

#[test]
fn the_schema_says_of_each_value_what_the_page_of_defaults_says() {
    let (mut words, told) = (BTreeMap::new(), comments_by_path(&read_chart_file("values.yaml")));
    collect_descriptions(&values_schema(), "", &mut words);
    for leaf in value_leaves() {
        assert!(words.contains_key(&leaf), "the schema says nothing of `{leaf}`");
    }
    words.remove("global");
    for (path, said) in &words {
        assert_eq!(told.get(path), Some(said), "`{path}` in values.yaml and in the schema");
    }
}

/// An Ingress for the platform, without its prerequisites.
const INGRESS: &[&str] = &[
    "platform.enabled=true",
    "platform.ingress.enabled=true",
    "platform.ingress.host=p.example",
    "platform.ingress.tlsSecretName=platform-tls",
];

#[test]
fn what_no_value_is_or_does_not_fit_is_refused_with_words() {
    let helm = Helm::without_cluster("refusals");
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
        (&INGRESS[..3], "`platform.ingress.tlsSecretName` is needed"),
        (&INGRESS[..4], "`platform.trustedProxies` is needed with an Ingress"),
        (&[INGRESS, &["platform.trustedProxies={10.0.0.0/8}"]].concat(), "`platform.allowFrom` is empty"),
        (&["platform.trustedProxies={ingress}"], "/platform/trustedProxies/0"),
        (&["platform.publicUrl=http://p.example"], "/platform/publicUrl"),
        (&["platform.enabled=true", "platform.exports.s3.secretName=s3"], "`platform.exports.s3.keyId` is needed"),
        (&["platform.enabled=true", "platform.database.secretName=pg"], "`platform.database.to` is empty"),
        (
            &["platform.enabled=true", "platform.exports.destinations={/data/out,https://lake.example/in}"],
            "lets no export reach `https://lake.example/in`",
        ),
        (&["metrics.serviceMonitor.enabled=true"], "`networkPolicy.metricsFrom` is empty"),
        (&["metrics.prometheusRule.runbooks=docs/"], "/metrics/prometheusRule/runbooks"),
    ] {
        let said = helm.render("tenantry-system", values).expect_err(&format!("{values:?} is taken"));
        assert!(said.contains(words), "{values:?}: {said}");
    }
}

/// Returns the operator's settings as a Deployment sets them.
fn rendered_settings(values: &[&str]) -> (OperatorFlags, Vec<(String, String)>) {
    let rendered = parse_objects(&Helm::without_cluster("settings").render("tenantry-system", values).unwrap());
    let (flags, env) = operator_flags_and_env(find_object(&rendered, "Deployment", "tenantry"));
    let args = std::iter::once("tenantry-operator".to_owned()).chain(flags);
    (OperatorFlags::try_parse_from(args).unwrap(), env)
}

#[test]
fn the_operator_takes_every_flag_and_its_defaults_are_those_of_the_chart() {
    let (mut chart, env) = rendered_settings(&[]);
    let own = OperatorFlags::try_parse_from(["tenantry-operator"]).unwrap();
    assert_eq!(chart.listen.to_string(), "0.0.0.0:8081");
    chart.listen = own.listen;
    assert_eq!(format!("{chart:?}"), format!("{own:?}"));
    assert_eq!(env, [("TENANTRY_LOG".to_owned(), "info".to_owned())]);

    let (told, env) = rendered_settings(&[
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
        "accountConcurrency=2",
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
        --drift-interval 1h --request-timeout 30s --pass-timeout 1m --concurrency 4 --account-concurrency 2 \
        --max-partner-terminations-per-hour 0 --max-client-terminations-per-hour 1 --lease-duration 30s \
        --renew-deadline 20s --retry-period 5s";
    let meant = OperatorFlags::try_parse_from(args.split_whitespace()).unwrap();
    assert_eq!(format!("{told:?}"), format!("{meant:?}"));
    assert_eq!(env, [("TENANTRY_LOG".to_owned(), "debug".to_owned())]);
}

/// Returns the environment of the platform's container.
fn platform_env(values: &[&str]) -> BTreeMap<String, String> {
    let values = [&["platform.enabled=true"], values].concat();
    let rendered = parse_objects(&Helm::without_cluster("platform").render("tenantry-system", &values).unwrap());
    let container =
        find_object(&rendered, "Deployment", "tenantry-platform")["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["args"], Value::Null, "`kubectl exec` runs a command without the arguments");
    let variables = container["env"].as_array().unwrap().iter();
    variables.map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Returns the environment variables of the program's flags, with their defaults.
fn platform_flags() -> BTreeMap<String, Option<String>> {
    let command = PlatformFlags::command();
    let own = ["help", "version"];
    let flags = command.get_arguments().filter(|flag| !own.contains(&flag.get_id().as_str()));
    flags
        .map(|flag| {
            let default = flag.get_default_values().iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
            let name = flag.get_env().unwrap().to_str().unwrap().to_owned();
            (name, (!default.is_empty()).then(|| default.join(",")))
        })
        .collect()
}

#[test]
fn each_flag_of_the_platform_has_a_value_and_its_default_is_that_of_the_chart() {
    let flags = platform_flags();
    let chart = platform_env(&[]);
    assert_eq!(chart["TENANTRY_LOG"], "info");
    // Paths and ports of the Pod belong to the chart, and the log level is not a flag.
    let others =
        ["TENANTRY_LISTEN", "TENANTRY_DATABASE", "TENANTRY_CREDENTIAL_FILE", "TENANTRY_AUDIT_KEY", "TENANTRY_LOG"];
    for (name, value) in chart.iter().filter(|(name, _)| name.starts_with("TENANTRY_") && !others.contains(&&***name)) {
        // A switch has no explicit default.
        let default = flags[name].clone().unwrap_or_else(|| "false".to_owned());
        assert_eq!((name, value), (name, &default));
    }
    let all = [
        ("platform.productName=Zebra", "TENANTRY_PRODUCT_NAME", "Zebra"),
        ("platform.publicUrl=https://p.example", "TENANTRY_PUBLIC_URL", "https://p.example"),
        ("platform.trustedProxies={10.0.0.0/8,2001:db8::/32}", "TENANTRY_TRUSTED_PROXIES", "10.0.0.0/8,2001:db8::/32"),
        ("platform.database.secretName=pg", "TENANTRY_DATABASE_URL_FILE", "/secrets/database/url"),
        ("platform.database.connections=3", "TENANTRY_DATABASE_CONNECTIONS", "3"),
        ("platform.database.waitSeconds=4", "TENANTRY_DATABASE_WAIT_SECONDS", "4"),
        ("platform.auditKey.secretName=key", "TENANTRY_AUDIT_KEY", "/secrets/audit-key/tenantry-audit.key"),
        ("platform.duoHosts={duo.example}", "TENANTRY_DUO_HOSTS", "duo.example"),
        ("platform.documentedOnly=true", "TENANTRY_DOCUMENTED_ONLY", "true"),
        ("platform.rateLimits.enabled=false", "TENANTRY_NO_RATE_LIMITS", "true"),
        ("platform.rateLimits.writesPerMinute=1000000", "TENANTRY_WRITES_PER_MINUTE", "1000000"),
        ("platform.rateLimits.pagesPerMinute=32", "TENANTRY_PAGES_PER_MINUTE", "32"),
        ("platform.rateLimits.readsPerMinute=33", "TENANTRY_READS_PER_MINUTE", "33"),
        ("platform.purgeAfterDays=5", "TENANTRY_PURGE_AFTER_DAYS", "5"),
        ("platform.logRetentionDays=6", "TENANTRY_LOG_RETENTION_DAYS", "6"),
        ("platform.exports.destinations={/data/out}", "TENANTRY_EXPORT_DESTINATION", "/data/out"),
        ("platform.exports.s3.region=eu-zebra-7", "TENANTRY_EXPORT_S3_REGION", "eu-zebra-7"),
        ("platform.exports.s3.keyId=ID", "TENANTRY_EXPORT_S3_KEY_ID", "ID"),
        ("platform.exports.s3.secretName=s3", "TENANTRY_EXPORT_S3_SECRET_FILE", "/secrets/export-s3/secret"),
    ];
    let mut values: Vec<&str> = all.iter().map(|(value, ..)| *value).collect();
    values.push("platform.database.to[0].podSelector.matchLabels.app=pg");
    let told = platform_env(&values);
    for (value, name, wanted) in all {
        assert_eq!(told.get(name).map(String::as_str), Some(wanted), "{value}");
    }
    // The secret is in a file and not in the environment. The other variables are above, or paths of the Pod.
    let set: BTreeSet<&String> = chart.keys().chain(told.keys()).filter(|name| name.starts_with("TENANTRY_")).collect();
    let mut known: BTreeSet<&String> = flags.keys().collect();
    assert!(known.remove(&"TENANTRY_EXPORT_S3_SECRET".to_owned()));
    let level = "TENANTRY_LOG".to_owned();
    assert!(known.insert(&level));
    assert_eq!(known, set, "flags of the program, and what the chart sets");
    assert!(!told.contains_key("TENANTRY_DATABASE"), "the URL's file and a database exclude each other");
}

#[test]
fn the_program_starts_with_the_environment_that_the_chart_gives_it() {
    let folder = crate::support::test_folder("chart-env").unwrap();
    for values in [&[][..], &["platform.trustedProxies={10.0.0.0/8}", "platform.publicUrl=https://p.example"]] {
        let mut command = std::process::Command::new(crate::assets::platform_program());
        let place = |value: String| value.replace("/data/", &format!("{}/", folder.display()));
        let env = platform_env(values).into_iter().map(|(name, value)| (name, place(value)));
        // It creates the database and reports what is missing.
        let ran = command.args(["credential", "create"]).env_clear().envs(env).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    assert!(folder.join("tenantry.db").exists() && folder.join("tenantry-audit.key").exists());
}

#[test]
fn what_no_value_says_is_said_by_further_arguments_and_variables() {
    let values = [&["platform.enabled=true"], &EXTRA_VALUES[..]].concat();
    let rendered = parse_objects(&Helm::without_cluster("extra").render("tenantry-system", &values).unwrap());
    let (args, env) = operator_flags_and_env(find_object(&rendered, "Deployment", "tenantry"));
    assert_eq!(args.last().map(String::as_str), Some("--concurrency=3"));
    assert!(env.contains(&("A".to_owned(), "b".to_owned())), "{env:?}");
    let (args, env) = operator_flags_and_env(find_object(&rendered, "Deployment", "tenantry-platform"));
    assert_eq!(args, ["--purge-after-days=3"]);
    assert!(env.contains(&("SSL_CERT_FILE".to_owned(), "/ca/ca.pem".to_owned())), "{env:?}");
    let pod = &find_object(&rendered, "Deployment", "tenantry-platform")["spec"]["template"]["spec"];
    let named = |list: &Value| list.as_array().unwrap().iter().any(|one| one["name"] == "ca");
    assert!(named(&pod["volumes"]) && named(&pod["containers"][0]["volumeMounts"]), "{pod}");
}
