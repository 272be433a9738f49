//! The roles for people, by impersonation: which role may do what with which field.

use std::collections::BTreeMap;

use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};

use super::{Helm, find_object, parse_objects};
use crate::admission::shared_server;

/// An action of a user on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RoleAction {
    /// Lists all objects of a namespace.
    List,
    /// Reads one object.
    Get,
    /// Creates an object.
    Create,
    /// Creates an object with a confirmed termination.
    CreateConfirmed,
    /// Changes `details`.
    Edit,
    /// Changes `tenantState`.
    Suspend,
    /// Sets `deletion.policy` to `Terminate`.
    RequestTermination,
    /// Sets `deletion.confirm`.
    ConfirmTermination,
    /// Changes the `deletion.confirm` of another user.
    ChangeConsent,
    /// Removes `deletion.confirm`.
    WithdrawConsent,
    /// Deletes an object whose tenant is retained.
    Delete,
    /// Deletes an object whose tenant will be terminated, with consent.
    DeleteConfirmed,
    /// Deletes an object whose tenant would be terminated, without consent.
    DeleteUnconfirmed,
    /// Names an owner in another cluster to take a tenant from.
    TakeOver,
    /// Writes status, which the operator trusts.
    Status,
}

use RoleAction::{
    ChangeConsent, ConfirmTermination, Create, CreateConfirmed, Delete, DeleteConfirmed, DeleteUnconfirmed, Edit, Get,
    List, RequestTermination, Status, Suspend, TakeOver, WithdrawConsent,
};

const ALL: [RoleAction; 15] = [
    List,
    Get,
    Create,
    CreateConfirmed,
    Edit,
    Suspend,
    RequestTermination,
    ConfirmTermination,
    ChangeConsent,
    WithdrawConsent,
    Delete,
    DeleteConfirmed,
    DeleteUnconfirmed,
    TakeOver,
    Status,
];
const NOTHING: &[RoleAction] = &[];
const LOOK: &[RoleAction] = &[List, Get];
const ADD: &[RoleAction] = &[List, Get, Create];
const KEEP: &[RoleAction] = &[List, Get, Edit, Suspend, RequestTermination, WithdrawConsent, Delete, DeleteConfirmed];
const ADD_AND_KEEP: &[RoleAction] =
    &[List, Get, Create, Edit, Suspend, RequestTermination, WithdrawConsent, Delete, DeleteConfirmed];
const END: &[RoleAction] = &[
    List,
    Get,
    Edit,
    Suspend,
    RequestTermination,
    ConfirmTermination,
    ChangeConsent,
    WithdrawConsent,
    Delete,
    DeleteConfirmed,
];

/// Role, the permission of the platform's console that it corresponds to, and the actions that it allows on Partners
/// and on Clients. No role may delete without a confirmed consent, take a tenant from another owner, or write status.
type RoleRow = (&'static str, &'static str, &'static [RoleAction], &'static [RoleAction]);
const TABLE: [RoleRow; 11] = [
    ("tenantry-partner-viewer", "MSP_View", LOOK, NOTHING),
    ("tenantry-partner-manager", "MSP_Manage", ADD_AND_KEEP, NOTHING),
    ("tenantry-partner-terminator", "Partners_Manage", END, NOTHING),
    ("tenantry-client-viewer", "Clients, View", NOTHING, LOOK),
    ("tenantry-client-creator", "Clients, Create and Access to All Clients", NOTHING, ADD),
    ("tenantry-client-manager", "Clients, Manage", NOTHING, KEEP),
    ("tenantry-client-terminator", "", NOTHING, END),
    ("view", "", LOOK, LOOK),
    ("edit", "", LOOK, ADD_AND_KEEP),
    ("admin", "", ADD_AND_KEEP, ADD_AND_KEEP),
    ("", "", NOTHING, NOTHING),
];

const NAMESPACE: &str = "people";

/// An object for the actions. Each action is a dry run.
fn test_object(kind: &str, name: &str, deletion: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"details": {"name": "Acme"}, "deletion": deletion},
    });
    if kind == "Client" {
        object["spec"]["partnerRef"] = json!({"name": "acme"});
    }
    object
}

fn confirmation(until: &str) -> Value {
    json!({
        "name": "Acme", "uniqueId": "tenant_1",
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"], "notAfter": until,
    })
}

fn confirmed_deletion() -> Value {
    json!({"policy": "Terminate", "confirm": confirmation("2030-01-01T00:00:00Z")})
}

/// Creates objects, users and the roles of the chart.
fn create_objects_and_users() {
    let server = shared_server();
    server.admin.run(&["create", "namespace", NAMESPACE]).unwrap();
    for (kind, plural) in [("Partner", "partners"), ("Client", "clients")] {
        for (name, deletion) in
            [("kept", json!({})), ("consented", confirmed_deletion()), ("doomed", json!({"policy": "Terminate"}))]
        {
            server.admin.run_with(&["create", "-f", "-"], &test_object(kind, name, &deletion).to_string()).unwrap();
            let status = json!({"status": {"uniqueId": "tenant_1"}}).to_string();
            let args = ["-n", NAMESPACE, "patch", plural, name, "--subresource=status", "--type=merge", "-p", &status];
            server.admin.run(&args).unwrap();
        }
    }
    let rendered = Helm::without_cluster("people").render("tenantry-system", &[]).unwrap();
    let roles: Vec<Value> = parse_objects(&rendered).into_iter().filter(|one| one["kind"] == "ClusterRole").collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": roles});
    server.admin.run_with(&["apply", "--server-side", "-f", "-"], &list.to_string()).unwrap();
    for (role, ..) in TABLE.iter().filter(|(role, ..)| !role.is_empty()) {
        let args = ["-n", NAMESPACE, "create", "rolebinding", role, "--clusterrole", role, "--user", role];
        server.admin.run(&args).unwrap();
    }
}

/// Returns a client that impersonates a user.
async fn client_impersonating(user: &str) -> kube::Client {
    let path = shared_server().kubeconfig();
    let config = kube::config::Kubeconfig::read_from(path).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let user = if user.is_empty() { "nobody" } else { user };
    config.headers.push((http::HeaderName::from_static("impersonate-user"), user.parse().unwrap()));
    kube::Client::try_from(config).unwrap()
}

/// Tries an action as a dry run.
async fn try_action(api: &Api<DynamicObject>, kind: &str, action: RoleAction) -> Result<(), kube::Error> {
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = async |name: &str, spec: Value| {
        let patch = Patch::Merge(json!({"spec": spec}));
        api.patch(name, &dry, &patch).await.map(drop)
    };
    let create = async |deletion: &Value| {
        let made = serde_json::from_value(test_object(kind, "new", deletion)).map_err(kube::Error::SerdeError)?;
        api.create(&PostParams { dry_run: true, ..PostParams::default() }, &made).await.map(drop)
    };
    let delete = async |name: &str| {
        let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
        api.delete(name, &dry).await.map(drop)
    };
    let other = json!({"deletion": {"confirm": {"notAfter": "2031-01-01T00:00:00Z"}}});
    match action {
        List => api.list(&ListParams::default()).await.map(drop),
        Get => api.get("kept").await.map(drop),
        Create => create(&json!({"policy": "Terminate"})).await,
        CreateConfirmed => create(&confirmed_deletion()).await,
        Edit => patch("kept", json!({"details": {"city": "Berlin"}})).await,
        Suspend => patch("kept", json!({"tenantState": "Suspended"})).await,
        RequestTermination => patch("kept", json!({"deletion": {"policy": "Terminate"}})).await,
        ConfirmTermination => patch("doomed", json!({"deletion": confirmed_deletion()})).await,
        ChangeConsent => patch("consented", other).await,
        WithdrawConsent => patch("consented", json!({"deletion": {"confirm": null}})).await,
        Delete => delete("kept").await,
        DeleteConfirmed => delete("consented").await,
        DeleteUnconfirmed => delete("doomed").await,
        TakeOver => {
            let from = json!({"policy": "Adopt", "uniqueId": "tenant_1", "takeFrom": "other/Client/n/a"});
            patch("kept", json!({"adoption": from})).await
        }
        Status => {
            let patch = Patch::Merge(json!({"status": {"uniqueId": "tenant_2"}}));
            api.patch_status("kept", &dry, &patch).await.map(drop)
        }
    }
}

/// Returns the actions that a role allows on a kind.
async fn allowed_actions(client: &kube::Client, kind: &str) -> Vec<RoleAction> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tenantry.dev", "v1alpha1", kind));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let mut allowed = Vec::new();
    for deed in ALL {
        match try_action(&api, kind, deed).await {
            Ok(()) => allowed.push(deed),
            Err(kube::Error::Api(status)) if status.code == 403 => {}
            Err(error) => panic!("{kind} {deed:?}: {error}"),
        }
    }
    allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_lets_do_what_the_permission_of_the_console_lets_do_and_no_more() {
    tokio::task::spawn_blocking(create_objects_and_users).await.unwrap();
    wait_for_role_aggregation().await;
    for (role, permission, partners, clients) in TABLE {
        let client = client_impersonating(role).await;
        for (kind, meant) in [("Partner", partners), ("Client", clients)] {
            assert_eq!(allowed_actions(&client, kind).await, meant, "{kind} as `{role}` ({permission})");
        }
    }
}

/// Waits until the controller has aggregated the chart's roles into the default roles of the cluster.
async fn wait_for_role_aggregation() {
    let client = client_impersonating("admin").await;
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !allowed_actions(&client, "Partner").await.contains(&Create) {
        assert!(std::time::Instant::now() < end, "`admin` is never aggregated");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Returns the default roles into which each role is aggregated, by the labels of the chart.
fn aggregation_targets(values: &[&str]) -> BTreeMap<String, Vec<String>> {
    let rendered = parse_objects(&Helm::without_cluster("into").render("tenantry-system", values).unwrap());
    let of = |role: &str| {
        let labels = find_object(&rendered, "ClusterRole", role)["metadata"]["labels"].as_object().unwrap().clone();
        let added = labels.keys().filter_map(|key| key.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"));
        (role.to_owned(), added.map(str::to_owned).collect::<Vec<_>>())
    };
    TABLE.iter().map(|row| row.0).filter(|role| role.starts_with("tenantry-")).map(of).collect()
}

#[test]
fn whoever_may_end_a_tenant_is_named_for_it_and_without_the_policies_nobody_writes_unasked() {
    let usual = aggregation_targets(&[]);
    let bare = aggregation_targets(&["policies.install=false"]);
    for kind in ["partner", "client"] {
        assert_eq!(usual[&format!("tenantry-{kind}-terminator")], [""; 0]);
        assert_eq!(usual[&format!("tenantry-{kind}-viewer")], ["admin", "edit", "view"]);
        assert_eq!(bare[&format!("tenantry-{kind}-viewer")], ["admin", "edit", "view"]);
        assert_eq!(bare[&format!("tenantry-{kind}-manager")], [""; 0]);
    }
    assert_eq!(bare["tenantry-client-creator"], [""; 0]);
    assert!(aggregation_targets(&["roles.aggregate=false"]).values().all(Vec::is_empty));
}
