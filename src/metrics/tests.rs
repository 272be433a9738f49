use kube::client::{Body, ClientBuilder};
use kube::runtime::watcher::Event;
use serde_json::json;
use tenantry_api::TenantClient;
use tower::service_fn;

use crate::{ClusterService, Operator, OperatorFlags, Servers};
use clap::Parser;

async fn new_operator() -> Operator {
    let settings = OperatorFlags::parse_from(["tenantry-operator", "--namespace", "home", "--cluster-id", "c"]);
    let servers = Servers {
        cluster_client: Box::new(|| {
            let nobody = service_fn(|_: http::Request<Body>| std::future::pending());
            Ok(ClientBuilder::new(ClusterService::new(nobody), "default"))
        }),
        namespace: "home".to_owned(),
        connector: tenantry_client::network_connector(None),
    };
    Operator::new(settings, servers).await.unwrap()
}

fn ready_client(name: &str) -> TenantClient {
    let condition = json!({"type": "Ready", "status": "True", "reason": "AsDeclared", "message": "", "lastTransitionTime": "2030-01-01T00:00:00Z"});
    serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name, "namespace": "a"},
        "spec": {"details": {"name": name}}, "status": {"conditions": [condition], "drift": [
            {"path": "details.city", "desired": "\"a\"", "observed": "\"b\"", "since": "2030-01-01T00:00:00Z"}]},
    }))
    .unwrap()
}

#[tokio::test]
async fn scrapes_at_the_same_time_all_see_the_true_numbers() {
    let mut operator = new_operator().await;
    for number in 0..3 {
        operator.clients.writer.apply_watcher_event(&Event::Apply(ready_client(&format!("c{number}"))));
    }
    let context = &operator.context;
    let wanted = [
        r#"tenantry_operator_objects{kind="Client",condition="Ready",status="True",reason="AsDeclared"} 3"#,
        r#"tenantry_operator_drifted_settings{kind="Client",setting="details.city"} 3"#,
    ];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..250 {
                    let text = context.metrics.render(context);
                    for line in wanted {
                        assert!(text.lines().any(|one| one == line), "{line}:\n{text}");
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn counters_that_alerts_compare_and_the_queues_are_exported_from_the_start() {
    let operator = new_operator().await;
    let text = operator.context.metrics.render(&operator.context);
    for line in [
        r#"watch_failures_total{kind="ConfigMap"} 0"#,
        r#"finalizer_releases_total{kind="Partner",outcome="Terminated"} 0"#,
        r#"drift_checks_total{kind="Client",outcome="failed"} 0"#,
        r#"queue_length{kind="Client"} 0"#,
        r#"queue_oldest_seconds{kind="Partner"} 0.0"#,
    ] {
        let line = format!("tenantry_operator_{line}");
        assert!(text.lines().any(|one| one == line), "{line}:\n{text}");
    }
}
