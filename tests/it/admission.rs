//! The admission policies on a real API server: who may confirm, who may take over, and what may be deleted without.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::controlplane::{ControlPlane, Options, User, install_kinds};
use crate::kubectl::Kubectl;

/// An API server with both policies, without an operator: what is refused here is refused by nobody else.
pub(crate) struct Server {
    pub(crate) admin: Kubectl,
    /// May do everything with Clients but `terminate`.
    editor: Kubectl,
    /// May `terminate` and `take-over` as well.
    owner: Kubectl,
    control_plane: ControlPlane,
}

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let users = ["editor", "owner"].map(|name| User { name: name.to_owned(), groups: Vec::new() }).to_vec();
        let options = Options { controllers: true, users, ..Options::default() };
        let folder = crate::support::folder("admission").unwrap();
        let control_plane = ControlPlane::start(&folder, &options).unwrap();
        let [admin, editor, owner] = ["admin", "editor", "owner"].map(|user| control_plane.kubectl(user).unwrap());
        install_kinds(&admin).unwrap();
        grant(&admin, "editor", &["get", "list", "create", "patch", "update", "delete"]);
        grant(&admin, "owner", &["get", "list", "create", "patch", "update", "delete", "terminate", "take-over"]);
        let said = admin.output(&["apply", "--server-side", "-f", "charts/tenantry/policies/"], "").unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
        let server = Server { admin, editor, owner, control_plane };
        server.wait();
        server
    })
}

fn grant(admin: &Kubectl, user: &str, verbs: &[&str]) {
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

impl Server {
    /// Policies are in force a moment after they were applied.
    fn wait(&self) {
        let room = self.room("probe");
        room.client("probe", &json!({"policy": "Terminate"}));
        let confirm = json!({"spec": {"deletion": {"confirm": confirmation("probe")}}}).to_string();
        let end = Instant::now() + Duration::from_mins(1);
        let take = json!({"spec": {"adoption": taking("probe")}}).to_string();
        let probes: [(&Kubectl, &[&str]); 3] = [
            (&self.editor, &["patch", "client/probe", "--type=merge", "--dry-run=server", "-p", &take]),
            (&self.admin, &["delete", "client/probe", "--dry-run=server"]),
            (&self.editor, &["patch", "client/probe", "--type=merge", "--dry-run=server", "-p", &confirm]),
        ];
        for (who, args) in probes {
            while room.run(who, args).is_ok() {
                assert!(Instant::now() < end, "the policies do not come into force");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> std::path::PathBuf {
        self.control_plane.kubeconfig("admin")
    }

    fn room(&self, name: &str) -> Room<'_> {
        self.admin.run(&["create", "namespace", name]).unwrap();
        Room { server: self, name: name.to_owned() }
    }
}

struct Room<'a> {
    server: &'a Server,
    name: String,
}

impl Room<'_> {
    fn run(&self, who: &Kubectl, args: &[&str]) -> Result<String, String> {
        let whole: Vec<&str> = ["-n", &self.name].into_iter().chain(args.iter().copied()).collect();
        who.run(&whole).map_err(|error| error.to_string())
    }

    fn refused(&self, who: &Kubectl, args: &[&str], words: &[&str]) {
        let said = self.run(who, args).expect_err("it was not refused");
        for word in words {
            assert!(said.contains(word), "`{said}` does not say `{word}`");
        }
    }

    /// A Client with a tenant `client_<name>`, as the operator would have recorded it.
    fn client(&self, name: &str, deletion: &Value) {
        let object = client(name, deletion).to_string();
        let who = &self.server.admin;
        who.run_with(&["-n", &self.name, "create", "-f", "-"], &object).unwrap();
        let status = json!({"status": {"uniqueId": format!("client_{name}")}}).to_string();
        let object = format!("client/{name}");
        self.run(who, &["patch", &object, "--subresource=status", "--type=merge", "-p", &status]).unwrap();
    }

    fn patch(&self, who: &Kubectl, name: &str, patch: &Value) -> Result<String, String> {
        self.run(who, &["patch", &format!("client/{name}"), "--type=merge", "-p", &patch.to_string()])
    }

    fn count(&self) -> usize {
        self.run(&self.server.admin, &["get", "clients", "-o", "name"]).unwrap().lines().count()
    }
}

fn client(name: &str, deletion: &Value) -> Value {
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

fn taking(name: &str) -> Value {
    json!({"policy": "Adopt", "uniqueId": format!("client_{name}"), "takeFrom": "other/Client/n/globex"})
}

fn confirmed(name: &str) -> Value {
    json!({"policy": "Terminate", "confirm": confirmation(name)})
}

#[test]
fn a_delete_that_would_end_a_tenant_is_refused_without_a_confirmation_and_accepted_with_it() {
    let server = server();
    let room = server.room("single");
    room.client("globex", &json!({"policy": "Terminate"}));
    room.refused(&server.admin, &["delete", "client/globex"], &["howToConfirm", "`deletion.policy` to `Retain`"]);
    room.patch(&server.admin, "globex", &json!({"spec": {"deletion": {"confirm": confirmation("globex")}}})).unwrap();
    room.run(&server.admin, &["delete", "client/globex"]).unwrap();
    room.client("kept", &json!({"policy": "Retain"}));
    room.client("stopped", &json!({"policy": "Suspend"}));
    room.client("unset", &json!({}));
    room.run(&server.admin, &["delete", "clients", "--all"]).unwrap();
}

#[test]
fn delete_all_ends_what_is_confirmed_and_no_other() {
    let server = server();
    let room = server.room("many");
    for name in ["one", "two"] {
        room.client(name, &json!({"policy": "Terminate"}));
    }
    room.client("three", &confirmed("three"));
    room.refused(&server.admin, &["delete", "clients", "--all"], &["one", "two", "howToConfirm"]);
    assert_eq!(room.count(), 2);
    // The API server's own way to delete many.
    let path = format!("/apis/tenantry.dev/v1alpha1/namespaces/{}/clients", room.name);
    room.refused(&server.admin, &["delete", "--raw", &path], &["howToConfirm"]);
    assert_eq!(room.count(), 2);
}

#[test]
fn a_confirmation_of_another_tenant_is_none() {
    let server = server();
    let room = server.room("other");
    let mut wrong = confirmed("globex");
    wrong["confirm"]["uniqueId"] = json!("client_initech");
    room.client("globex", &wrong);
    room.refused(&server.admin, &["delete", "client/globex"], &["client_initech", "client_globex", "uniqueId"]);
    let name = json!({"uniqueId": "client_globex", "name": "Initech"});
    room.patch(&server.admin, "globex", &json!({"spec": {"deletion": {"confirm": name}}})).unwrap();
    room.refused(&server.admin, &["delete", "client/globex"], &["Initech", "globex GmbH", "confirm.name"]);
    // Renamed elsewhere: the block to paste shows the name that the tenant has.
    let status = json!({"status": {"termination": {"howToConfirm": "confirm:\n  name: \"Initech\"\n"}}}).to_string();
    let args = ["patch", "client/globex", "--subresource=status", "--type=merge", "-p", &status];
    room.run(&server.admin, &args).unwrap();
    room.run(&server.admin, &["delete", "client/globex"]).unwrap();
}

#[test]
fn what_ends_no_tenant_is_not_refused() {
    let server = server();
    let room = server.room("harmless");
    room.client("abandoned", &json!({"policy": "Terminate"}));
    room.refused(&server.admin, &["delete", "client/abandoned"], &["howToConfirm"]);
    let annotation = json!({"metadata": {"annotations": {"tenantry.dev/abandon": "client_abandoned"}}});
    room.patch(&server.admin, "abandoned", &annotation).unwrap();
    room.run(&server.admin, &["delete", "client/abandoned"]).unwrap();
    let mut object = client("fresh", &json!({"policy": "Terminate"})).to_string();
    room.server.admin.run_with(&["-n", &room.name, "create", "-f", "-"], &object).unwrap();
    room.run(&server.admin, &["delete", "client/fresh"]).unwrap();
    let mut observed = client("observed", &json!({"policy": "Terminate"}));
    observed["spec"]["management"] = json!({"mode": "Observe"});
    observed["spec"]["adoption"] = json!({"policy": "Never", "uniqueId": "client_7"});
    object = observed.to_string();
    room.server.admin.run_with(&["-n", &room.name, "create", "-f", "-"], &object).unwrap();
    let status = json!({"status": {"uniqueId": "client_7"}}).to_string();
    let args = ["patch", "client/observed", "--subresource=status", "--type=merge", "-p", &status];
    room.run(&server.admin, &args).unwrap();
    room.run(&server.admin, &["delete", "client/observed"]).unwrap();
}

#[test]
fn the_deletion_of_a_namespace_passes() {
    let server = server();
    let room = server.room("going");
    room.client("globex", &json!({"policy": "Terminate"}));
    server.admin.run(&["delete", "namespace", &room.name, "--timeout=60s"]).unwrap();
}

#[test]
fn the_garbage_collector_passes() {
    let server = server();
    let room = server.room("collected");
    let map = room.run(&server.admin, &["create", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]).unwrap();
    room.client("globex", &json!({"policy": "Terminate"}));
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": map}]);
    room.patch(&server.admin, "globex", &json!({"metadata": {"ownerReferences": owner}})).unwrap();
    room.run(&server.admin, &["delete", "configmap", "owner"]).unwrap();
    let end = Instant::now() + Duration::from_mins(1);
    while room.count() > 0 {
        assert!(Instant::now() < end, "the collector is refused");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// shows: security/credential/writer-with-policies
#[test]
fn only_who_holds_the_verb_confirms() {
    let server = server();
    let room = server.room("verb");
    room.client("globex", &json!({"policy": "Terminate"}));
    let confirm = json!({"spec": {"deletion": {"confirm": confirmation("globex")}}});
    let said = room.patch(&server.editor, "globex", &confirm).unwrap_err();
    for word in ["editor", "`terminate`", "`clients`", "`verb`", "leave `deletion.confirm`"] {
        assert!(said.contains(word), "`{said}` does not say `{word}`");
    }
    room.patch(&server.owner, "globex", &confirm).unwrap();
    let other = json!({"spec": {"deletion": {"confirm": {"notAfter": "2031-01-01T00:00:00Z"}}}});
    assert!(room.patch(&server.editor, "globex", &other).is_err(), "an editor changes a confirmation");
    room.patch(&server.editor, "globex", &json!({"spec": {"details": {"city": "Berlin"}}})).unwrap();
    room.patch(&server.editor, "globex", &json!({"metadata": {"labels": {"team": "blue"}}})).unwrap();
    // Taking it back is always allowed: it can only keep a tenant alive.
    room.patch(&server.editor, "globex", &json!({"spec": {"deletion": {"confirm": null}}})).unwrap();
}

#[test]
fn only_who_holds_the_verb_creates_what_is_confirmed() {
    let server = server();
    let room = server.room("born");
    let create = |who: &Kubectl, name: &str, deletion: &Value| {
        who.run_with(&["-n", "born", "create", "-f", "-"], &client(name, deletion).to_string())
    };
    let said = create(&server.editor, "globex", &confirmed("globex")).unwrap_err().to_string();
    assert!(said.contains("`terminate`"), "{said}");
    create(&server.editor, "plain", &json!({"policy": "Terminate"})).unwrap();
    create(&server.owner, "globex", &confirmed("globex")).unwrap();
    assert_eq!(room.count(), 2);
}

/// shows: security/credential/writer-with-policies
#[test]
fn only_who_holds_the_verb_names_an_owner_to_take_a_tenant_from() {
    let server = server();
    let room = server.room("taking");
    room.client("globex", &json!({}));
    let take = json!({"spec": {"adoption": taking("globex")}});
    let said = room.patch(&server.editor, "globex", &take).unwrap_err();
    for word in ["editor", "`take-over`", "`clients`", "`taking`", "leave `adoption.takeFrom`"] {
        assert!(said.contains(word), "`{said}` does not say `{word}`");
    }
    // To adopt what nobody else owns needs no right of its own.
    let plain = json!({"spec": {"adoption": {"policy": "Adopt", "uniqueId": "client_globex"}}});
    room.patch(&server.editor, "globex", &plain).unwrap();
    room.patch(&server.owner, "globex", &take).unwrap();
    room.patch(&server.editor, "globex", &json!({"spec": {"details": {"city": "Berlin"}}})).unwrap();
    for more in [json!({"takeFrom": "other/Client/n/initech"}), json!({"takeFrom": "other/Client/n/globex/u1"})] {
        assert!(room.patch(&server.editor, "globex", &json!({"spec": {"adoption": more}})).is_err(), "{more}");
    }
    room.patch(&server.editor, "globex", &json!({"spec": {"adoption": {"takeFrom": null}}})).unwrap();
    let mut object = client("born", &json!({}));
    object["spec"]["adoption"] = taking("born");
    let create = |who: &Kubectl| who.run_with(&["-n", "taking", "create", "-f", "-"], &object.to_string());
    assert!(create(&server.editor).unwrap_err().to_string().contains("`take-over`"));
    create(&server.owner).unwrap();
    // A right that was used for one tenant is none for another.
    let other = json!({"spec": {"adoption": {"uniqueId": "client_globex"}}});
    assert!(room.patch(&server.editor, "born", &other).is_err());
}
