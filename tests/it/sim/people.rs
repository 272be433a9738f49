//! What people do: with `kubectl` on the cluster, and in the platform's console behind the operator's back.

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenantry::api::FINALIZER;

use super::ask::{Ask, Reply, Side};
use super::cluster::{CLIENTS, DEFINITIONS, Key, NAMESPACES, PARTNERS, SECRETS};
use super::platform::Tenant;
use super::seam::World;

/// Merges a spec into another.
pub(crate) fn with(mut spec: Value, more: &Value) -> Value {
    fn merge(target: &mut Value, more: &Value) {
        match (target, more) {
            (Value::Object(target), Value::Object(more)) => {
                for (key, value) in more {
                    merge(target.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (target, more) => *target = more.clone(),
        }
    }
    merge(&mut spec, more);
    spec
}

impl World {
    fn now(&self) -> Timestamp {
        tenantry::clock::now()
    }

    /// A request to the API server.
    pub(crate) fn kubectl(&self, method: Method, path: &str, body: &Value) -> Reply {
        let now = self.now();
        self.lock().carry_out(0, &Ask::person(Side::Cluster, method, path, body), now)
    }

    /// Creates an object.
    pub(crate) fn create(&self, key: &Key, spec: &Value) -> Reply {
        let path = key.resource.path(&key.namespace, "");
        let metadata = json!({"name": key.name, "namespace": key.namespace});
        let body =
            json!({"apiVersion": key.resource.api, "kind": key.resource.kind, "metadata": metadata, "spec": spec});
        self.kubectl(Method::POST, &path, &body)
    }

    /// A merge patch.
    pub(crate) fn patch(&self, key: &Key, patch: &Value) -> Reply {
        self.kubectl(Method::PATCH, &key.resource.path(&key.namespace, &key.name), patch)
    }

    /// A merge patch of the spec.
    pub(crate) fn edit(&self, key: &Key, spec: &Value) -> Reply {
        self.patch(key, &json!({"spec": spec}))
    }

    /// A status, as the operator writes it.
    pub(crate) fn apply_status(&self, key: &Key, body: &Value) -> Reply {
        let now = self.now();
        let path = format!("{}/status", key.resource.path(&key.namespace, &key.name));
        let mut ask = Ask::person(Side::Cluster, Method::PATCH, &path, body);
        "force=true&fieldManager=tenantry-operator".clone_into(&mut ask.query);
        ask.headers.insert("content-type".to_owned(), "application/apply-patch+yaml".to_owned());
        self.lock().carry_out(0, &ask, now)
    }

    pub(crate) fn delete(&self, key: &Key) -> Reply {
        self.kubectl(Method::DELETE, &key.resource.path(&key.namespace, &key.name), &Value::Null)
    }

    /// Strips our finalizer by hand.
    pub(crate) fn strip(&self, key: &Key) {
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

    /// The object as it is.
    pub(crate) fn object(&self, key: &Key) -> Option<Value> {
        self.lock().cluster.get(key).cloned()
    }

    /// The Secret `platform` of a namespace.
    pub(crate) fn secret(&self, namespace: &str) -> Reply {
        let credential = self.lock().platform.credential.clone();
        let host = self.lock().troubles.host(namespace);
        let data = json!({
            "url": STANDARD.encode(format!("https://{host}")), "tenantId": STANDARD.encode(&credential.tenant_id),
            "clientId": STANDARD.encode(&credential.client_id), "clientSecret": STANDARD.encode(&credential.client_secret),
        });
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "platform", "namespace": namespace}, "data": data});
        self.kubectl(Method::POST, &SECRETS.path(namespace, ""), &body)
    }

    /// Makes a namespace with its Secret.
    pub(crate) fn namespace(&self, name: &str) {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.kubectl(Method::POST, "/api/v1/namespaces", &body);
        self.secret(name);
    }

    /// `kubectl delete namespace`.
    pub(crate) fn delete_namespace(&self, name: &str) {
        self.delete(&Key::new(NAMESPACES, "", name));
    }

    /// `kubectl delete crd`.
    pub(crate) fn delete_definition(&self, resource: super::cluster::Resource) {
        self.delete(&Key::new(DEFINITIONS, "", &resource.definition()));
    }

    /// Puts a definition back.
    pub(crate) fn definition(&self, resource: super::cluster::Resource) {
        let metadata = json!({"name": resource.definition()});
        let body = json!({"apiVersion": DEFINITIONS.api, "kind": DEFINITIONS.kind, "metadata": metadata});
        self.kubectl(Method::POST, &DEFINITIONS.path("", ""), &body);
    }

    /// The controllers of Kubernetes do what is due.
    pub(crate) fn controllers(&self) {
        let now = self.now();
        self.lock().controllers(now);
    }

    /// The controllers work, and definitions, namespaces and Secrets that are not there are made.
    pub(crate) fn mend(&self) {
        self.controllers();
        for resource in [PARTNERS, CLIENTS] {
            self.definition(resource);
        }
        for name in ["a", "b"] {
            self.namespace(name);
        }
        if self.lock().troubles.is_wide {
            self.duo();
        }
    }

    /// The tenants as the database has them.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        let platform = std::sync::Arc::clone(&self.lock().platform);
        platform.tenants()
    }

    /// The tenant that status records.
    pub(crate) fn tenant(&self, key: &Key) -> Option<Tenant> {
        let id = self.object(key)?["status"]["uniqueId"].as_str()?.to_owned();
        self.tenants().into_iter().find(|tenant| tenant.id == id)
    }

    /// A request in the console, with a token of its own.
    pub(crate) fn console(&self, method: Method, path: &str, body: &Value) -> Reply {
        let now = self.now();
        let mut state = self.lock();
        let credential = state.platform.credential.clone();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credential.client_id, credential.client_secret
        );
        let mut ask = Ask::person(Side::Platform, Method::POST, "/tenancy/auth/oauth/token", &Value::Null);
        ask.body = Bytes::from(form);
        ask.headers.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        let token = state.platform.answer(&ask, now).value()["access_token"].as_str().unwrap().to_owned();
        let mut ask = Ask::person(Side::Platform, method, &format!("/api/v2/tenants/{path}"), body);
        ask.headers.insert("authorization".to_owned(), format!("Bearer {token}"));
        state.carry_out(0, &ask, now)
    }

    /// Path of a tenant in the console.
    pub(crate) fn path(tenant: &Tenant) -> String {
        let segment = if tenant.id.starts_with("msp") { "msps" } else { "clients" };
        format!("{}/{segment}/{}", tenant.parent, tenant.id)
    }

    /// Changes settings of a tenant in the console.
    pub(crate) fn drift(&self, tenant: &Tenant, change: &Value) -> Reply {
        self.console(Method::POST, &Self::path(tenant), change)
    }

    /// `activate`, `suspend` or `terminate` in the console.
    pub(crate) fn act(&self, tenant: &Tenant, action: &str) -> Reply {
        self.console(Method::POST, &format!("{}/{action}", Self::path(tenant)), &Value::Null)
    }
}
