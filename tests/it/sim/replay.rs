//! Compares the model of the API server with the real one: requests of simulated lives are repeated there, and the
//! answers must be equal in all that the operator reads.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RecordedEvent, SimWorld};
use super::idle::new_recorded_world;
use super::operator_life::{OPERATOR_NAMESPACE, run_life, settings};
use super::request::{SimReply, SimRequest};
use crate::support;

/// The names of the model's namespaces, UIDs and versions on the real API server.
struct RealCluster {
    client: Client,
    namespaces: BTreeMap<String, String>,
    uids: BTreeMap<String, String>,
    versions: BTreeMap<String, String>,
}

/// Rewrites every text in a document.
fn rewrite_texts(value: &mut Value, with: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Array(all) => all.iter_mut().for_each(|one| rewrite_texts(one, with)),
        Value::Object(all) => all.values_mut().for_each(|one| rewrite_texts(one, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the fields of an object that the operator reads.
fn comparable_fields(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    let finalizers = if object["kind"] == "Namespace" || object["kind"] == "PartialObjectMetadata" {
        &Value::Null
    } else {
        &metadata["finalizers"]
    };
    let is_ours = object["apiVersion"].as_str().is_some_and(|api| api.starts_with("tenantry.dev/"));
    json!({
        "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"], "finalizers": finalizers,
        "annotations": annotations, "deleting": metadata["deletionTimestamp"].is_string(),
        "generation": if is_ours { &metadata["generation"] } else { &Value::Null },
        "spec": if is_ours { &object["spec"] } else { &Value::Null }, "status": if is_ours { &object["status"] } else { &Value::Null },
        "holder": object["spec"]["holderIdentity"], "data": object["data"],
    })
}

impl RealCluster {
    async fn new() -> Self {
        let namespaces = [OPERATOR_NAMESPACE, "a", "b"]
            .map(|name| (name.to_owned(), support::create_namespace(&format!("sim-{name}"))));
        Self {
            client: support::shared_cluster().client().await,
            namespaces: namespaces.into(),
            uids: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    fn path(&self, path: &str) -> String {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        if let Some(at) = parts.iter().position(|part| part == "namespaces")
            && let Some(name) = parts.get_mut(at + 1)
            && let Some(real) = self.namespaces.get(name)
        {
            real.clone_into(name);
        }
        let mut path = parts.join("/");
        for (model, real) in &self.uids {
            path = path.replace(model, real);
        }
        path
    }

    /// Translates a document of the model to the names of the real API server.
    fn translate_to_real(&self, mut value: Value) -> Value {
        rewrite_texts(&mut value, &|text| {
            let mut text = text.to_owned();
            for (model, real) in &self.uids {
                text = text.replace(model, real);
            }
            text
        });
        let field = if value["metadata"]["namespace"].is_null() { "name" } else { "namespace" };
        if let Some(real) = value["metadata"][field].as_str().and_then(|name| self.namespaces.get(name)) {
            value["metadata"][field] = json!(real);
        }
        if let Some(real) = value["metadata"]["resourceVersion"].as_str().and_then(|version| self.versions.get(version))
        {
            value["metadata"]["resourceVersion"] = json!(real);
        }
        for reference in ["regarding", "related"] {
            if let Some(real) = value[reference]["namespace"].as_str().and_then(|name| self.namespaces.get(name)) {
                value[reference]["namespace"] = json!(real);
            }
        }
        value
    }

    async fn send(&self, ask: &SimRequest) -> (u16, Value) {
        let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query) };
        let mut request = Request::builder().method(ask.method.clone()).uri(format!("{}{query}", self.path(&ask.path)));
        for (name, value) in ask.headers.iter().filter(|(name, _)| ["accept", "content-type"].contains(&name.as_str()))
        {
            request = request.header(name, value);
        }
        let body =
            if ask.body.is_empty() { Vec::new() } else { self.translate_to_real(ask.json()).to_string().into_bytes() };
        let response = self.client.send(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Records the real identifiers of an object in the model.
    fn record_identifiers(&mut self, model: &Value, real: &Value) {
        // A list has a version too, but is not an object.
        if model["metadata"]["uid"].is_null() {
            return;
        }
        for (field, known) in [("uid", &mut self.uids), ("resourceVersion", &mut self.versions)] {
            if let (Some(model), Some(real)) = (model["metadata"][field].as_str(), real["metadata"][field].as_str()) {
                known.insert(model.to_owned(), real.to_owned());
            }
        }
    }

    /// Returns the difference between the two answers, if any.
    fn difference(&self, (model, model_status): (&Value, u16), (real, real_status): (&Value, u16)) -> Option<String> {
        if model_status != real_status {
            return Some(format!("status {model_status} and really {real_status}: {real}"));
        }
        if model_status >= 400 {
            let same = model["reason"] == real["reason"];
            return (!same).then(|| format!("{} and really {}", model["reason"], real["reason"]));
        }
        let shown = |value: &Value| -> Value {
            if let Some(resources) = value["resources"].as_array() {
                let ours = resources.iter().filter(|one| !one["name"].as_str().is_some_and(|name| name.contains('/')));
                let creates = |one: &Value| one["verbs"].as_array().into_iter().flatten().any(|verb| verb == "create");
                let mut served: Vec<Value> = ours.map(|one| json!([one["name"], one["kind"], creates(one)])).collect();
                served.sort_by_key(ToString::to_string);
                return json!(served);
            }
            let none = Vec::new();
            let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
            match value["items"].as_array().or(is_list.then_some(&none)) {
                None => comparable_fields(value),
                Some(items) => {
                    let ours =
                        |item: &&Value| self.namespaces.values().any(|name| item["metadata"]["namespace"] == *name);
                    let mut items: Vec<Value> = items.iter().filter(ours).map(comparable_fields).collect();
                    items.sort_by_key(ToString::to_string);
                    json!(items)
                }
            }
        };
        let mut model = self.translate_to_real(model.clone());
        for item in model["items"].as_array_mut().into_iter().flatten() {
            *item = self.translate_to_real(item.clone());
        }
        let (model, real) = (shown(&model), shown(real));
        (model != real).then(|| format!("\n   {model}\nand really\n   {real}"))
    }

    async fn replay_request(&mut self, request: &SimRequest, reply: &SimReply) -> Option<String> {
        if request.path == "/api/v1/namespaces" {
            return None;
        }
        let model = reply.json_body();
        let (status, real) = self.send(request).await;
        self.record_identifiers(&model, &real);
        if request.is_event() {
            return (status != reply.status).then(|| format!("status {} and really {status}: {real}", reply.status));
        }
        // The answer about a removed object is only a status.
        if request.method == Method::DELETE && model["kind"] == "Status" {
            return (status != reply.status).then(|| format!("status {} and really {status}", reply.status));
        }
        self.difference((&model, reply.status), (&real, status))
    }

    /// Waits until the real controllers have done what those of the model did.
    async fn wait_for_controllers(&mut self, objects: &[(SimObjectKey, Value)]) {
        for (key, model) in objects.iter().filter(|(key, _)| [PARTNERS, CLIENTS].contains(&key.resource)) {
            let path = key.resource.path(&key.namespace, &key.name);
            let request = SimRequest::from_person(super::request::SimServer::Cluster, Method::GET, &path, &Value::Null);
            for _ in 0..600 {
                let (_, real) = self.send(&request).await;
                if real["metadata"]["deletionTimestamp"].is_string()
                    == model["metadata"]["deletionTimestamp"].is_string()
                {
                    self.record_identifiers(model, &real);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Records lives with every kind of request, and refused requests.
fn record_scenario(name: &str) -> Vec<RecordedEvent> {
    let world = new_recorded_world();
    let scenario = scenarios::scenario_named(name);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        for (what, act, is_so) in &scenario.steps {
            act(&world);
            world.wait_until(what, is_so).await;
        }
        tokio::time::sleep(Duration::from_mins(15)).await;
    });
    provoke_refusals(&world);
    let mut state = world.lock();
    assert!(state.oracle.violations.is_empty(), "{:?}", state.oracle.violations);
    state.record.take().unwrap()
}

/// Provokes conflicts with faster writers.
fn provoke_refusals(world: &SimWorld) {
    let key = SimObjectKey::new(CLIENTS, "b", "refused");
    let spec = json!({"partnerRef": {"name": "nobody"}, "details": {"name": "Refused"}});
    world.create(&key, &spec);
    world.create(&key, &spec);
    let object = world.object(&key).unwrap();
    let (uid, version) = (&object["metadata"]["uid"], &object["metadata"]["resourceVersion"]);
    let hold = |uid: &Value, version: &Value| json!({"metadata": {"uid": uid, "resourceVersion": version, "finalizers": ["tenantry.dev/tenant"]}});
    world.patch(&key, &hold(&json!("00000000-0000-4000-8000-ffffffffffff"), version));
    world.patch(&key, &hold(uid, version));
    world.patch(&key, &hold(uid, version));
    let status = |metadata: Value| json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": metadata, "status": {"phase": "Pending"}});
    for metadata in [
        json!({"name": "refused", "uid": uid}),
        json!({"name": "refused", "uid": uid}),
        json!({"name": "refused", "uid": uid, "resourceVersion": version}),
        json!({"name": "refused", "uid": "00000000-0000-4000-8000-ffffffffffff"}),
    ] {
        world.apply_status(&key, &status(metadata));
    }
    let mut other = status(json!({"name": "refused", "uid": "00000000-0000-4000-8000-ffffffffffff"}));
    other["status"]["phase"] = json!("Active");
    world.apply_status(&key, &other);
    let missing = SimObjectKey::new(CLIENTS, "b", "missing");
    world.patch(&missing, &hold(uid, version));
    world.apply_status(&missing, &status(json!({"name": "missing", "uid": uid})));
    world.delete(&missing);
    world.delete(&key);
    world.delete(&key);
    let more = json!({"metadata": {"finalizers": ["tenantry.dev/tenant", "example.com/other"]}});
    world.patch(&key, &more);
    world.delete_namespace("b");
    world.create(&missing, &spec);
    world.patch(&key, &json!({"metadata": {"finalizers": null}}));
    world.patch(&key, &json!({"metadata": {"finalizers": null}}));
}

#[tokio::test]
async fn the_model_of_the_api_server_answers_as_the_real_one() {
    let (mut asked, mut kinds) = (0, BTreeMap::new());
    let mut faults = Vec::new();
    for name in ["update", "family", "revoke", "namespace"] {
        let records = std::thread::spawn(move || record_scenario(name)).join().unwrap();
        let mut real = RealCluster::new().await;
        for record in &records {
            match record {
                RecordedEvent::Controllers(objects) => real.wait_for_controllers(objects).await,
                RecordedEvent::Request(ask, reply) => {
                    asked += 1;
                    *kinds
                        .entry(format!(
                            "{} {} {}",
                            ask.method,
                            ask.path.rsplit('/').nth(usize::from(ask.method != Method::POST)).unwrap_or_default(),
                            reply.status
                        ))
                        .or_insert(0) += 1;
                    if let Some(difference) = real.replay_request(ask, reply).await {
                        faults.push(format!("{name}: {}: {difference}", ask.log_line()));
                    }
                }
            }
        }
    }
    println!("{asked} requests: {kinds:#?}");
    assert!(faults.is_empty(), "{} answers differ:\n{}", faults.len(), faults.join("\n"));
}
