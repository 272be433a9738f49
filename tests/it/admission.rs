//! Tests of the admission policies on a real API server: who may confirm, who may take over, and what may be deleted
//! without a confirmation.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::controlplane::{ControlPlane, ControlPlaneOptions, KubernetesUser, install_kinds};
use crate::kubectl::Kubectl;

/// An API server with both policies and without an operator: only the policies refuse requests here.
pub(crate) struct AdmissionServer {
    pub(crate) admin: Kubectl,
    /// May do everything with Clients except `terminate`.
    editor: Kubectl,
    /// May `terminate` and `take-over` as well.
    owner: Kubectl,
    control_plane: ControlPlane,
}

pub(crate) fn shared_server() -> &'static AdmissionServer {
    static SERVER: OnceLock<AdmissionServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let users =
            ["editor", "owner"].map(|name| KubernetesUser { name: name.to_owned(), groups: Vec::new() }).to_vec();
        let options = ControlPlaneOptions { controllers: true, users, ..ControlPlaneOptions::default() };
        let folder = crate::support::test_folder("admission").unwrap();
        let control_plane = ControlPlane::start(&folder, &options).unwrap();
        let [admin, editor, owner] = ["admin", "editor", "owner"].map(|user| control_plane.kubectl(user).unwrap());
        install_kinds(&admin).unwrap();
        grant_verbs(&admin, "editor", &["get", "list", "create", "patch", "update", "delete"]);
        grant_verbs(&admin, "owner", &["get", "list", "create", "patch", "update", "delete", "terminate", "take-over"]);
        let said = admin.run_for_output(&["apply", "--server-side", "-f", "charts/tenantry/policies/"], "").unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
        let server = AdmissionServer { admin, editor, owner, control_plane };
        server.wait_until_policies_enforced();
        server
    })
}

fn grant_verbs(admin: &Kubectl, user: &str, verbs: &[&str]) {
    let rules = json!([
        {"apiGroups": ["tenantry.dev"], "resources": ["clients", "partners"], "verbs": verbs},
    ]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
         "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]},
    ]});
    admin.run_with(&["create", "-f", "-"], &list.to_string()).unwrap();
}

impl AdmissionServer {
    /// Waits until the policies are enforced, which happens a moment after they are applied.
    fn wait_until_policies_enforced(&self) {
        let namespace = self.create_namespace("probe");
        namespace.create_client("probe", &json!({"policy": "Terminate"}));
        let confirm = json!({"spec": {"deletion": {"confirm": confirmation("probe")}}}).to_string();
        let end = Instant::now() + Duration::from_mins(1);
        let take = json!({"spec": {"adoption": takeover_adoption("probe")}}).to_string();
        let probes: [(&Kubectl, &[&str]); 3] = [
            (&self.editor, &["patch", "client/probe", "--type=merge", "--dry-run=server", "-p", &take]),
            (&self.admin, &["delete", "client/probe", "--dry-run=server"]),
            (&self.editor, &["patch", "client/probe", "--type=merge", "--dry-run=server", "-p", &confirm]),
        ];
        for (who, args) in probes {
            while namespace.run(who, args).is_ok() {
                assert!(Instant::now() < end, "the policies do not come into force");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Returns the administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> std::path::PathBuf {
        self.control_plane.kubeconfig("admin")
    }

    fn create_namespace(&self, name: &str) -> AdmissionNamespace<'_> {
        self.admin.run(&["create", "namespace", name]).unwrap();
        AdmissionNamespace { server: self, name: name.to_owned() }
    }
}

struct AdmissionNamespace<'a> {
    server: &'a AdmissionServer,
    name: String,
}

impl AdmissionNamespace<'_> {
    fn run(&self, kubectl: &Kubectl, args: &[&str]) -> Result<String, String> {
        let whole: Vec<&str> = ["-n", &self.name].into_iter().chain(args.iter().copied()).collect();
        kubectl.run(&whole).map_err(|error| error.to_string())
    }

    fn assert_refused(&self, kubectl: &Kubectl, args: &[&str], words: &[&str]) {
        let message = self.run(kubectl, args).expect_err("it was not refused");
        for word in words {
            assert!(message.contains(word), "`{message}` does not say `{word}`");
        }
    }

    /// Creates a Client with a tenant `client_<name>`, as the operator would have recorded it.
    fn create_client(&self, name: &str, deletion: &Value) {
        let object = client_manifest(name, deletion).to_string();
        let who = &self.server.admin;
        who.run_with(&["-n", &self.name, "create", "-f", "-"], &object).unwrap();
        let status = json!({"status": {"uniqueId": format!("client_{name}")}}).to_string();
        let object = format!("client/{name}");
        self.run(who, &["patch", &object, "--subresource=status", "--type=merge", "-p", &status]).unwrap();
    }

    fn patch(&self, kubectl: &Kubectl, name: &str, patch: &Value) -> Result<String, String> {
        self.run(kubectl, &["patch", &format!("client/{name}"), "--type=merge", "-p", &patch.to_string()])
    }

    fn count_clients(&self) -> usize {
        self.run(&self.server.admin, &["get", "clients", "-o", "name"]).unwrap().lines().count()
    }
}

fn client_manifest(name: &str, deletion: &Value) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name},
        "spec": {
            "partnerRef": {"name": "acme"}, "details": {"name": format!("{name} GmbH")}, "deletion": deletion,
        },
    })
}

fn confirmation(name: &str) -> Value {
    json!({
        "name": format!("{name} GmbH"), "uniqueId": format!("client_{name}"),
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"], "notAfter": "2030-01-01T00:00:00Z",
    })
}

fn takeover_adoption(name: &str) -> Value {
    json!({"policy": "Adopt", "uniqueId": format!("client_{name}"), "takeFrom": "other/Client/n/globex"})
}

fn confirmed_deletion(name: &str) -> Value {
    json!({"policy": "Terminate", "confirm": confirmation(name)})
}

#[test]
fn a_delete_that_would_end_a_tenant_is_refused_without_a_confirmation_and_accepted_with_it() {
    let server = shared_server();
    let namespace = server.create_namespace("single");
    namespace.create_client("globex", &json!({"policy": "Terminate"}));
    namespace.assert_refused(
        &server.admin,
        &["delete", "client/globex"],
        &["howToConfirm", "`deletion.policy` to `Retain`"],
    );
    namespace
        .patch(&server.admin, "globex", &json!({"spec": {"deletion": {"confirm": confirmation("globex")}}}))
        .unwrap();
    namespace.run(&server.admin, &["delete", "client/globex"]).unwrap();
    namespace.create_client("kept", &json!({"policy": "Retain"}));
    namespace.create_client("stopped", &json!({"policy": "Suspend"}));
    namespace.create_client("unset", &json!({}));
    namespace.run(&server.admin, &["delete", "clients", "--all"]).unwrap();
}

#[test]
fn delete_all_ends_what_is_confirmed_and_no_other() {
    let server = shared_server();
    let namespace = server.create_namespace("many");
    for name in ["one", "two"] {
        namespace.create_client(name, &json!({"policy": "Terminate"}));
    }
    namespace.create_client("three", &confirmed_deletion("three"));
    namespace.assert_refused(&server.admin, &["delete", "clients", "--all"], &["one", "two", "howToConfirm"]);
    assert_eq!(namespace.count_clients(), 2);
    // The API server's own way to delete many objects.
    let path = format!("/apis/tenantry.dev/v1alpha1/namespaces/{}/clients", namespace.name);
    namespace.assert_refused(&server.admin, &["delete", "--raw", &path], &["howToConfirm"]);
    assert_eq!(namespace.count_clients(), 2);
}

#[test]
fn a_confirmation_of_another_tenant_is_none() {
    let server = shared_server();
    let namespace = server.create_namespace("other");
    let mut wrong = confirmed_deletion("globex");
    wrong["confirm"]["uniqueId"] = json!("client_initech");
    namespace.create_client("globex", &wrong);
    namespace.assert_refused(
        &server.admin,
        &["delete", "client/globex"],
        &["client_initech", "client_globex", "uniqueId"],
    );
    let name = json!({"uniqueId": "client_globex", "name": "Initech"});
    namespace.patch(&server.admin, "globex", &json!({"spec": {"deletion": {"confirm": name}}})).unwrap();
    namespace.assert_refused(&server.admin, &["delete", "client/globex"], &["Initech", "globex GmbH", "confirm.name"]);
    // The tenant was renamed outside the cluster: the block to paste shows its current name.
    let status = json!({"status": {"termination": {"howToConfirm": "confirm:\n  name: \"Initech\"\n"}}}).to_string();
    let args = ["patch", "client/globex", "--subresource=status", "--type=merge", "-p", &status];
    namespace.run(&server.admin, &args).unwrap();
    namespace.run(&server.admin, &["delete", "client/globex"]).unwrap();
}

#[test]
fn what_ends_no_tenant_is_not_refused() {
    let server = shared_server();
    let namespace = server.create_namespace("harmless");
    namespace.create_client("abandoned", &json!({"policy": "Terminate"}));
    namespace.assert_refused(&server.admin, &["delete", "client/abandoned"], &["howToConfirm"]);
    let annotation = json!({"metadata": {"annotations": {"tenantry.dev/abandon": "client_abandoned"}}});
    namespace.patch(&server.admin, "abandoned", &annotation).unwrap();
    namespace.run(&server.admin, &["delete", "client/abandoned"]).unwrap();
    let mut object = client_manifest("fresh", &json!({"policy": "Terminate"})).to_string();
    namespace.server.admin.run_with(&["-n", &namespace.name, "create", "-f", "-"], &object).unwrap();
    namespace.run(&server.admin, &["delete", "client/fresh"]).unwrap();
    let mut observed = client_manifest("observed", &json!({"policy": "Terminate"}));
    observed["spec"]["management"] = json!({"mode": "Observe"});
    observed["spec"]["adoption"] = json!({"policy": "Never", "uniqueId": "client_7"});
    object = observed.to_string();
    namespace.server.admin.run_with(&["-n", &namespace.name, "create", "-f", "-"], &object).unwrap();
    let status = json!({"status": {"uniqueId": "client_7"}}).to_string();
    let args = ["patch", "client/observed", "--subresource=status", "--type=merge", "-p", &status];
    namespace.run(&server.admin, &args).unwrap();
    namespace.run(&server.admin, &["delete", "client/observed"]).unwrap();
}

#[test]
fn the_deletion_of_a_namespace_passes() {
    let server = shared_server();
    let namespace = server.create_namespace("going");
    namespace.create_client("globex", &json!({"policy": "Terminate"}));
    server.admin.run(&["delete", "namespace", &namespace.name, "--timeout=60s"]).unwrap();
}

#[test]
fn the_garbage_collector_passes() {
    let server = shared_server();
    let namespace = server.create_namespace("collected");
    let map =
        namespace.run(&server.admin, &["create", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]).unwrap();
    namespace.create_client("globex", &json!({"policy": "Terminate"}));
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": map}]);
    namespace.patch(&server.admin, "globex", &json!({"metadata": {"ownerReferences": owner}})).unwrap();
    namespace.run(&server.admin, &["delete", "configmap", "owner"]).unwrap();
    let end = Instant::now() + Duration::from_mins(1);
    while namespace.count_clients() > 0 {
        assert!(Instant::now() < end, "the collector is refused");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// shows: security/credential/writer-with-policies
#[test]
fn only_who_holds_the_verb_confirms() {
    let server = shared_server();
    let namespace = server.create_namespace("verb");
    namespace.create_client("globex", &json!({"policy": "Terminate"}));
    let confirm = json!({"spec": {"deletion": {"confirm": confirmation("globex")}}});
    let message = namespace.patch(&server.editor, "globex", &confirm).unwrap_err();
    for word in ["editor", "`terminate`", "`clients`", "`verb`", "leave `deletion.confirm`"] {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
    namespace.patch(&server.owner, "globex", &confirm).unwrap();
    let other = json!({"spec": {"deletion": {"confirm": {"notAfter": "2031-01-01T00:00:00Z"}}}});
    assert!(namespace.patch(&server.editor, "globex", &other).is_err(), "an editor changes a confirmation");
    namespace.patch(&server.editor, "globex", &json!({"spec": {"details": {"city": "Berlin"}}})).unwrap();
    namespace.patch(&server.editor, "globex", &json!({"metadata": {"labels": {"team": "blue"}}})).unwrap();
    // Withdrawing a confirmation is always allowed: it can only keep a tenant alive.
    namespace.patch(&server.editor, "globex", &json!({"spec": {"deletion": {"confirm": null}}})).unwrap();
}

#[test]
fn only_who_holds_the_verb_creates_what_is_confirmed() {
    let server = shared_server();
    let namespace = server.create_namespace("born");
    let create = |who: &Kubectl, name: &str, deletion: &Value| {
        who.run_with(&["-n", "born", "create", "-f", "-"], &client_manifest(name, deletion).to_string())
    };
    let message = create(&server.editor, "globex", &confirmed_deletion("globex")).unwrap_err().to_string();
    assert!(message.contains("`terminate`"), "{message}");
    create(&server.editor, "plain", &json!({"policy": "Terminate"})).unwrap();
    create(&server.owner, "globex", &confirmed_deletion("globex")).unwrap();
    assert_eq!(namespace.count_clients(), 2);
}

/// shows: security/credential/writer-with-policies
#[test]
fn only_who_holds_the_verb_names_an_owner_to_take_a_tenant_from() {
    let server = shared_server();
    let namespace = server.create_namespace("taking");
    namespace.create_client("globex", &json!({}));
    let take = json!({"spec": {"adoption": takeover_adoption("globex")}});
    let message = namespace.patch(&server.editor, "globex", &take).unwrap_err();
    for word in ["editor", "`take-over`", "`clients`", "`taking`", "leave `adoption.takeFrom`"] {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
    // Adopting a tenant without another owner needs no extra permission.
    let plain = json!({"spec": {"adoption": {"policy": "Adopt", "uniqueId": "client_globex"}}});
    namespace.patch(&server.editor, "globex", &plain).unwrap();
    namespace.patch(&server.owner, "globex", &take).unwrap();
    namespace.patch(&server.editor, "globex", &json!({"spec": {"details": {"city": "Berlin"}}})).unwrap();
    for more in [json!({"takeFrom": "other/Client/n/initech"}), json!({"takeFrom": "other/Client/n/globex/u1"})] {
        assert!(namespace.patch(&server.editor, "globex", &json!({"spec": {"adoption": more}})).is_err(), "{more}");
    }
    namespace.patch(&server.editor, "globex", &json!({"spec": {"adoption": {"takeFrom": null}}})).unwrap();
    let mut object = client_manifest("born", &json!({}));
    object["spec"]["adoption"] = takeover_adoption("born");
    let create = |who: &Kubectl| who.run_with(&["-n", "taking", "create", "-f", "-"], &object.to_string());
    assert!(create(&server.editor).unwrap_err().to_string().contains("`take-over`"));
    create(&server.owner).unwrap();
    // A permission that was used for one tenant does not apply to another.
    let other = json!({"spec": {"adoption": {"uniqueId": "client_globex"}}});
    assert!(namespace.patch(&server.editor, "born", &other).is_err());
}
