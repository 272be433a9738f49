//! What people do: with `kubectl` on the cluster, and in the platform's console without the operator's knowledge.

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenantry_api::FINALIZER;

use super::cluster::{CLIENTS, DEFINITIONS, NAMESPACES, PARTNERS, SECRETS, SimObjectKey};
use super::exchange::SimWorld;
use super::platform::SimTenant;
use super::request::{SimReply, SimRequest, SimServer};

/// Merges a spec into another.
pub(crate) fn merge_spec(mut spec: Value, more: &Value) -> Value {
    fn merge_values(target: &mut Value, more: &Value) {
        match (target, more) {
            (Value::Object(target), Value::Object(more)) => {
                for (key, value) in more {
                    merge_values(target.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (target, more) => *target = more.clone(),
        }
    }
    merge_values(&mut spec, more);
    spec
}

impl SimWorld {
    fn now(&self) -> Timestamp {
        tenantry_runtime::clock::now()
    }

    /// Sends a request to the API server.
    pub(crate) fn kubectl(&self, method: Method, path: &str, body: &Value) -> SimReply {
        let now = self.now();
        self.lock().execute(0, &SimRequest::from_person(SimServer::Cluster, method, path, body), now)
    }

    /// Creates an object.
    pub(crate) fn create(&self, key: &SimObjectKey, spec: &Value) -> SimReply {
        let path = key.resource.path(&key.namespace, "");
        let metadata = json!({"name": key.name, "namespace": key.namespace});
        let body =
            json!({"apiVersion": key.resource.api, "kind": key.resource.kind, "metadata": metadata, "spec": spec});
        self.kubectl(Method::POST, &path, &body)
    }

    /// Sends a merge patch.
    pub(crate) fn patch(&self, key: &SimObjectKey, patch: &Value) -> SimReply {
        self.kubectl(Method::PATCH, &key.resource.path(&key.namespace, &key.name), patch)
    }

    /// Sends a merge patch of the spec.
    pub(crate) fn edit(&self, key: &SimObjectKey, spec: &Value) -> SimReply {
        self.patch(key, &json!({"spec": spec}))
    }

    /// Applies a status as the operator does.
    pub(crate) fn apply_status(&self, key: &SimObjectKey, body: &Value) -> SimReply {
        let now = self.now();
        let path = format!("{}/status", key.resource.path(&key.namespace, &key.name));
        let mut request = SimRequest::from_person(SimServer::Cluster, Method::PATCH, &path, body);
        "force=true&fieldManager=tenantry-operator".clone_into(&mut request.query);
        request.headers.insert("content-type".to_owned(), "application/apply-patch+yaml".to_owned());
        self.lock().execute(0, &request, now)
    }

    pub(crate) fn delete(&self, key: &SimObjectKey) -> SimReply {
        self.kubectl(Method::DELETE, &key.resource.path(&key.namespace, &key.name), &Value::Null)
    }

    /// Removes our finalizer as a person.
    pub(crate) fn remove_finalizer(&self, key: &SimObjectKey) {
        if let Some(object) = self.object(key) {
            let kept: Vec<Value> = object["metadata"]["finalizers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|one| **one != *FINALIZER)
                .cloned()
                .collect();
            self.patch(key, &json!({"metadata": {"finalizers": kept}}));
        }
    }

    /// Returns the current object.
    pub(crate) fn object(&self, key: &SimObjectKey) -> Option<Value> {
        self.lock().cluster.get(key).cloned()
    }

    /// Creates the Secret `platform` in a namespace.
    pub(crate) fn create_connection_secret(&self, namespace: &str) -> SimReply {
        let credential = self.lock().platform.credential.clone();
        let host = self.lock().lasting_faults.platform_host_of(namespace);
        let data = json!({
            "url": STANDARD.encode(format!("https://{host}")), "tenantId": STANDARD.encode(&credential.tenant_id),
            "clientId": STANDARD.encode(&credential.client_id), "clientSecret": STANDARD.encode(&credential.client_secret),
        });
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "platform", "namespace": namespace}, "data": data});
        self.kubectl(Method::POST, &SECRETS.path(namespace, ""), &body)
    }

    /// Creates a namespace with its Secret.
    pub(crate) fn create_namespace(&self, name: &str) {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.kubectl(Method::POST, "/api/v1/namespaces", &body);
        self.create_connection_secret(name);
    }

    /// Runs `kubectl delete namespace`.
    pub(crate) fn delete_namespace(&self, name: &str) {
        self.delete(&SimObjectKey::new(NAMESPACES, "", name));
    }

    /// Runs `kubectl delete crd`.
    pub(crate) fn delete_definition(&self, resource: super::cluster::Resource) {
        self.delete(&SimObjectKey::new(DEFINITIONS, "", &resource.definition()));
    }

    /// Creates a definition again.
    pub(crate) fn create_definition(&self, resource: super::cluster::Resource) {
        let metadata = json!({"name": resource.definition()});
        let body = json!({"apiVersion": DEFINITIONS.api, "kind": DEFINITIONS.kind, "metadata": metadata});
        self.kubectl(Method::POST, &DEFINITIONS.path("", ""), &body);
    }

    /// Runs the controllers of Kubernetes.
    pub(crate) fn run_controllers(&self) {
        let now = self.now();
        self.lock().run_controllers(now);
    }

    /// Runs the controllers, and creates missing definitions, namespaces and Secrets.
    pub(crate) fn restore_prerequisites(&self) {
        self.run_controllers();
        for resource in [PARTNERS, CLIENTS] {
            self.create_definition(resource);
        }
        for name in ["a", "b"] {
            self.create_namespace(name);
        }
        if self.lock().lasting_faults.has_second_host {
            self.create_default_duo_secret();
        }
    }

    /// Returns the tenants in the database.
    pub(crate) fn tenants(&self) -> Vec<SimTenant> {
        let platform = std::sync::Arc::clone(&self.lock().platform);
        platform.tenants()
    }

    /// Returns the tenant that status records.
    pub(crate) fn tenant(&self, key: &SimObjectKey) -> Option<SimTenant> {
        let id = self.object(key)?["status"]["uniqueId"].as_str()?.to_owned();
        self.tenants().into_iter().find(|tenant| tenant.id == id)
    }

    /// Sends a request as the console, with a separate token.
    pub(crate) fn console(&self, method: Method, path: &str, body: &Value) -> SimReply {
        let now = self.now();
        let mut state = self.lock();
        let credential = state.platform.credential.clone();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credential.client_id, credential.client_secret
        );
        let mut ask =
            SimRequest::from_person(SimServer::Platform, Method::POST, "/tenancy/auth/oauth/token", &Value::Null);
        ask.body = Bytes::from(form);
        ask.headers.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        let token = state.platform.carry_out(&ask, now).json_body()["access_token"].as_str().unwrap().to_owned();
        let mut ask = SimRequest::from_person(SimServer::Platform, method, &format!("/api/v2/tenants/{path}"), body);
        ask.headers.insert("authorization".to_owned(), format!("Bearer {token}"));
        state.execute(0, &ask, now)
    }

    /// Returns the path of a tenant in the console.
    pub(crate) fn tenant_path(tenant: &SimTenant) -> String {
        let segment = if tenant.id.starts_with("msp") { "msps" } else { "clients" };
        format!("{}/{segment}/{}", tenant.parent, tenant.id)
    }

    /// Changes settings of a tenant in the console.
    pub(crate) fn change_in_console(&self, tenant: &SimTenant, change: &Value) -> SimReply {
        self.console(Method::POST, &Self::tenant_path(tenant), change)
    }

    /// Runs `activate`, `suspend` or `terminate` in the console.
    pub(crate) fn act_in_console(&self, tenant: &SimTenant, action: &str) -> SimReply {
        self.console(Method::POST, &format!("{}/{action}", Self::tenant_path(tenant)), &Value::Null)
    }
}
