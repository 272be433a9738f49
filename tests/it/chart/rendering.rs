//! Checks what the chart renders with Helm's lint and with a real API server that refuses unknown fields.

use std::fs;

use serde_json::{Value, json};

use super::{EXTRA_VALUES, Helm, parse_objects};
use crate::assets;
use crate::kubectl::Kubectl;
use crate::support::{admin_kubectl, create_namespace};

/// Sets of values that together render every line of the templates.
fn value_sets(own: &str, other: &str) -> Vec<Vec<String>> {
    let text = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let spaces = format!("namespaces={{{own},{other}}}");
    let peer = |list: &str| format!("{list}[0].podSelector.matchLabels.app=x");
    let mut all = text(&[
        "platformHosts={acme.example}",
        "imagePullSecrets[0].name=registry",
        "priorityClassName=system-cluster-critical",
        "podAnnotations.example\\.com/a=b",
        "podLabels.team=blue",
        "serviceAccount.annotations.example\\.com/a=b",
        "nodeSelector.disk=fast",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=disk",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=Exists",
        "metrics.dashboard.enabled=true",
        "platform.enabled=true",
        "platform.persistence.storageClassName=fast",
        "platform.ingress.enabled=true",
        "platform.ingress.host=platform.example",
        "platform.ingress.tlsSecretName=platform-tls",
        "platform.ingress.className=nginx",
        "platform.ingress.annotations.example\\.com/a=b",
        "platform.trustedProxies={10.0.0.0/8}",
        "platform.database.secretName=pg",
        "platform.auditKey.secretName=key",
        "platform.exports.destinations={s3+https://bucket.example/out}",
        "platform.exports.s3.keyId=id",
        "platform.exports.s3.secretName=s3",
        "platform.podAnnotations.example\\.com/a=b",
        "platform.podLabels.team=blue",
        "platform.nodeSelector.disk=fast",
        "platform.tolerations[0].operator=Exists",
        "platform.priorityClassName=system-cluster-critical",
        "platform.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
        "platform.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=disk",
        "platform.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=Exists",
        "platformProxy=http://proxy.example:3128",
    ]);
    all.extend(text(&EXTRA_VALUES));
    all.extend(
        [
            "networkPolicy.metricsFrom",
            "networkPolicy.apiServerTo",
            "networkPolicy.platformTo",
            "platform.allowFrom",
            "platform.httpsTo",
            "platform.database.to",
        ]
        .map(peer),
    );
    let scoped = text(&[&spaces, "clusterId=c1", "defaultConnection.secretName=platform", "crds.install=false"]);
    let bare = text(&[
        "crds.install=false",
        "policies.install=false",
        "roles.aggregate=false",
        "replicas=1",
        "networkPolicy.enabled=false",
        "networkPolicy.dnsTo=null",
        "serviceAccount.create=false",
        "serviceAccount.name=tenantry",
    ]);
    vec![Vec::new(), all, scoped, bare]
}

/// Creates a namespace with the strictest of the Pod Security Standards.
fn create_restricted_namespace(name: &str) -> String {
    let namespace = create_namespace(name);
    let labels = ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
    admin_kubectl().run(&["label", "namespace", &namespace, &labels[0], &labels[1]]).unwrap();
    namespace
}

/// Returns the API server's output of a server-side dry run.
fn apply_dry_run(kubectl: &Kubectl, text: &str) -> String {
    let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts"];
    let own = ["--field-manager=chart", "-o", "name", "-f", "-"];
    let output = kubectl.run_for_output(&[&args[..], &own[..]].concat(), text).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { stderr } else { format!("refused: {stderr}") }
}

#[test]
fn the_strict_lint_has_nothing_to_say() {
    let helm = Helm::without_cluster("lint");
    helm.run(&["lint", "--strict", "charts/tenantry"]).unwrap();
}

#[test]
fn the_api_server_knows_every_field_and_warns_of_nothing() {
    let (own, other) = (create_restricted_namespace("rendered"), create_namespace("rendered"));
    let helm = Helm::without_cluster("rendered");
    for values in value_sets(&own, &other) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let text = helm.render(&own, &values).unwrap();
        assert_eq!(apply_dry_run(admin_kubectl(), &text), "", "{values:?}");
    }
    let unknown = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": own},
        "spec": {"replica": 1}});
    let said = apply_dry_run(admin_kubectl(), &unknown.to_string());
    assert!(said.starts_with("refused") && said.contains(".spec.replica"), "{said}");
}

#[test]
fn alerts_and_dashboard_are_the_files_that_are_tested() {
    let values = ["metrics.prometheusRule.enabled=true", "metrics.prometheusRule.runbooks=https://wiki.example/ops/"];
    let rendered = parse_objects(&Helm::without_cluster("alerts").render("tenantry-system", &values).unwrap());
    let rule = rendered.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let read =
        |name: &str| fs::read_to_string(assets::root().join("charts/tenantry/observability").join(name)).unwrap();
    let plain: Value = serde_yaml::from_str(&read("alerts.yaml")).unwrap();
    let text = plain.to_string();
    assert!(text.contains("docs/runbook.md#"), "{text}");
    assert_eq!(rule["spec"].to_string(), text.replace("\"docs/runbook.md#", "\"https://wiki.example/ops/runbook.md#"));
    // Without a URL no alert has a broken link.
    let rendered = parse_objects(&Helm::without_cluster("alerts").render("tenantry-system", &values[..1]).unwrap());
    let rule = rendered.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    assert_eq!(rule["spec"].to_string(), text.replace("\"runbook_url\"", "\"runbook\""));
    let both: Vec<&str> = values.iter().copied().chain(["platform.enabled=true"]).collect();
    let rendered = parse_objects(&Helm::without_cluster("both").render("tenantry-system", &both).unwrap());
    let rules: Vec<&Value> = rendered.iter().filter(|object| object["kind"] == "PrometheusRule").collect();
    assert_eq!(rules.len(), 2);
    let plain: Value = serde_yaml::from_str(&read("platform.yaml")).unwrap();
    let wanted = plain.to_string().replace("\"docs/operations.md#", "\"https://wiki.example/ops/operations.md#");
    let wanted: Value = serde_json::from_str(&wanted).unwrap();
    assert!(rules.iter().any(|rule| rule["spec"] == wanted), "{rules:?}");
    let rendered =
        parse_objects(&Helm::without_cluster("dashboard").render("x", &["metrics.dashboard.enabled=true"]).unwrap());
    let map = rendered.iter().find(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1").unwrap();
    assert_eq!(map["data"]["tenantry.json"], read("dashboard.json"));
}

#[test]
fn prometheus_finds_the_platform_and_is_let_in() {
    let values = [
        "platform.enabled=true",
        "metrics.serviceMonitor.enabled=true",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
    ];
    let rendered = parse_objects(&Helm::without_cluster("scraped").render("tenantry-system", &values).unwrap());
    let named = |kind: &str| {
        let is_it = |object: &&Value| {
            object["kind"] == kind && object["metadata"]["name"].as_str().unwrap().ends_with("-platform")
        };
        rendered.iter().find(is_it).unwrap_or_else(|| panic!("no {kind}"))
    };
    let (monitor, service) = (named("ServiceMonitor"), named("Service"));
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&service["metadata"]["labels"][label], value, "{label}");
    }
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    let from = &named("NetworkPolicy")["spec"]["ingress"][0]["from"];
    assert_eq!(from, &json!([{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]));
}

#[test]
fn the_platform_knows_the_host_of_its_ingress_as_its_own_address() {
    let address = |values: &[&str]| {
        let rendered = parse_objects(&Helm::without_cluster("address").render("tenantry-system", values).unwrap());
        let container = |object: &Value| object["spec"]["template"]["spec"]["containers"][0].clone();
        let found = rendered.iter().map(container).find(|container| container["name"] == "platform").unwrap();
        let variables = found["env"].as_array().unwrap().clone();
        variables
            .into_iter()
            .find(|variable| variable["name"] == "TENANTRY_PUBLIC_URL")
            .map(|found| found["value"].clone())
    };
    let ingress = [
        "platform.enabled=true",
        "platform.ingress.enabled=true",
        "platform.ingress.host=platform.example",
        "platform.ingress.tlsSecretName=platform-tls",
        "platform.trustedProxies={10.0.0.0/8}",
        "platform.allowFrom[0].podSelector.matchLabels.app=ingress",
    ];
    assert_eq!(address(&ingress), Some(json!("https://platform.example")));
    let own = [&ingress[..], &["platform.publicUrl=https://tenants.example:8443"]].concat();
    assert_eq!(address(&own), Some(json!("https://tenants.example:8443")));
    assert_eq!(address(&ingress[..1]), None);
}

#[test]
fn the_platform_asks_nobody_but_whom_it_is_let_out_to() {
    let rule = |values: &[&str]| {
        let rendered = parse_objects(&Helm::without_cluster("egress").render("tenantry-system", values).unwrap());
        let of_platform = |object: &&Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            object["kind"] == "NetworkPolicy" && name.ends_with("-platform")
        };
        rendered.iter().find(of_platform).unwrap()["spec"].clone()
    };
    let shut = rule(&["platform.enabled=true"]);
    assert_eq!((&shut["policyTypes"], &shut["egress"]), (&json!(["Ingress", "Egress"]), &Value::Null));
    let open = rule(&["platform.enabled=true", "platform.httpsTo[0].ipBlock.cidr=198.51.100.0/24"]);
    assert_eq!(open["egress"][0]["ports"][0]["port"], 53);
    let https =
        json!({ "ports": [{ "port": 443, "protocol": "TCP" }], "to": [{ "ipBlock": { "cidr": "198.51.100.0/24" } }] });
    assert_eq!((open["egress"].as_array().unwrap().len(), &open["egress"][1]), (2, &https));
    let database = rule(&["platform.enabled=true", "platform.database.to[0].ipBlock.cidr=198.51.100.7/32"]);
    let postgres =
        json!({ "ports": [{ "port": 5432, "protocol": "TCP" }], "to": [{ "ipBlock": { "cidr": "198.51.100.7/32" } }] });
    assert_eq!((database["egress"].as_array().unwrap().len(), &database["egress"][1]), (2, &postgres));
}

#[test]
fn a_start_is_waited_for_and_gives_the_group_no_access_to_keys_again() {
    let rendered =
        parse_objects(&Helm::without_cluster("starts").render("tenantry-system", &["platform.enabled=true"]).unwrap());
    let pod = |name: &str| super::find_object(&rendered, "Deployment", name)["spec"]["template"]["spec"].clone();
    let security = &pod("tenantry-platform")["securityContext"];
    assert_eq!((&security["fsGroup"], &security["fsGroupChangePolicy"]), (&json!(65532), &json!("OnRootMismatch")));
    for name in ["tenantry", "tenantry-platform"] {
        let container = &pod(name)["containers"][0];
        let probe = &container["startupProbe"];
        // A probe before the program listens would cause a Warning event at each start.
        assert!(probe["initialDelaySeconds"].as_u64().unwrap() > 0, "{probe}");
        // A program that waits for its kinds, its permissions or its database must not be restarted for that.
        assert_eq!(probe["httpGet"], container["livenessProbe"]["httpGet"], "{name}");
    }
}

#[test]
fn the_operator_is_let_out_to_the_proxy_that_its_flag_names() {
    let ports = |proxy: &str| {
        let value = format!("platformProxy={proxy}");
        let rendered = parse_objects(&Helm::without_cluster("proxy").render("tenantry-system", &[&value]).unwrap());
        let policy = super::find_object(&rendered, "NetworkPolicy", "tenantry").clone();
        let ports = policy["spec"]["egress"].as_array().unwrap().last().unwrap()["ports"].clone();
        let mut ports: Vec<i64> = ports.as_array().unwrap().iter().map(|one| one["port"].as_i64().unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports("http://proxy.example:3128"), [443, 3128]);
    assert_eq!(ports("http://[2001:db8::1]:3128/"), [443, 3128]);
    assert_eq!(ports("http://proxy.example"), [80, 443]);
    assert_eq!(ports("https://proxy.example"), [443]);
    assert_eq!(ports(""), [443]);
}

#[test]
fn every_pod_is_admitted_where_only_the_restricted_are() {
    let own = create_restricted_namespace("pods");
    let helm = Helm::without_cluster("pods");
    admin_kubectl().run(&["-n", &own, "create", "serviceaccount", "tenantry"]).unwrap();
    admin_kubectl().run(&["-n", &own, "wait", "--for=create", "serviceaccount/default", "--timeout=60s"]).unwrap();
    let rendered = parse_objects(&helm.render(&own, &["platform.enabled=true"]).unwrap());
    let mut pods = 0;
    for deployment in rendered.iter().filter(|object| object["kind"] == "Deployment") {
        let mut pod = deployment["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = deployment["metadata"]["name"].clone();
        pod["metadata"]["namespace"] = json!(own);
        assert_eq!(apply_dry_run(admin_kubectl(), &pod.to_string()), "");
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let said = apply_dry_run(admin_kubectl(), &pod.to_string());
        assert!(said.contains("violates PodSecurity"), "{said}");
        pods += 1;
    }
    assert_eq!(pods, 2);
}

/// Returns the rules of all roles of the operator.
fn operator_rules(values: &[&str]) -> Vec<(String, Value)> {
    let rendered = parse_objects(&Helm::without_cluster("rules").render("tenantry-system", values).unwrap());
    let is_own = |role: &&Value| {
        ["Role", "ClusterRole"].iter().any(|kind| role["kind"] == *kind)
            && !role["metadata"]["name"].as_str().unwrap().starts_with("tenantry-partner-")
            && !role["metadata"]["name"].as_str().unwrap().starts_with("tenantry-client-")
    };
    let of = |role: &Value| {
        let kind = role["kind"].as_str().unwrap().to_owned();
        role["rules"].as_array().unwrap().iter().map(|rule| (kind.clone(), rule.clone())).collect::<Vec<_>>()
    };
    rendered.iter().filter(is_own).flat_map(of).collect()
}

#[test]
fn secrets_are_read_by_name_alone_and_with_a_list_of_namespaces_only_in_these() {
    // The operator creates the key of the records in its own namespace.
    let makes_its_key = |kind: &str, rule: &Value| {
        kind == "Role" && rule == &json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]})
    };
    let scoped = ["namespaces={acme}", "clusterId=c1", "defaultConnection.secretName=platform"];
    for values in [&[][..], &scoped[..]] {
        let rules = operator_rules(values);
        assert!(rules.len() > 5, "{rules:?}");
        let mut secrets = 0;
        for (kind, rule) in &rules {
            let text = rule.to_string();
            assert!(!text.contains("\"*\""), "{text}");
            if text.contains("secrets") && !makes_its_key(kind, rule) {
                assert_eq!((&rule["verbs"], &rule["resources"]), (&json!(["get"]), &json!(["secrets"])), "{text}");
                assert!(values.is_empty() || kind == "Role", "{text}");
                secrets += 1;
            }
        }
        assert!(secrets > 0);
    }
    let cluster =
        |values: &[&str]| operator_rules(values).into_iter().filter(|(kind, _)| kind == "ClusterRole").count();
    assert_eq!(cluster(&scoped), 1, "the two definitions");
    assert_eq!(cluster(&["namespaces={acme}", "clusterId=c1", "readDefinitions=false"]), 0);
}
