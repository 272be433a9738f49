//! Tests of permissions inside the cluster: a ServiceAccount that may only write Clients of one namespace tries to
//! reach other tenants. No admission policy is installed here: only the operator refuses.

use serde_json::{Value, json};

use crate::tenancy::TenancyApi;
use crate::world::{TestNamespace, TestWorld, merge_json};

/// A ServiceAccount with a Role on Clients of its own namespace.
struct ForeignServiceAccount<'a> {
    namespace: TestNamespace<'a>,
    user: String,
}

impl ForeignServiceAccount<'_> {
    fn in_new_namespace(prefix: &str) -> ForeignServiceAccount<'static> {
        let namespace = TestWorld::shared_world().create_namespace(prefix);
        let name = "thief";
        let meta = json!({"name": name});
        let rule = json!({"apiGroups": ["tenantry.dev"], "resources": ["clients"], "verbs": ["get", "create", "patch", "update", "delete"]});
        namespace.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}));
        let rbac = "rbac.authorization.k8s.io/v1";
        namespace.apply(&json!({"apiVersion": rbac, "kind": "Role", "metadata": meta, "rules": [rule]}));
        namespace.apply(&json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace.name}],
        }));
        let user = format!("system:serviceaccount:{}:{name}", namespace.name);
        ForeignServiceAccount { namespace, user }
    }

    fn run(&self, namespace: &str, args: &[&str], input: &str) -> Result<String, String> {
        let whole: Vec<&str> = ["--as", &self.user, "-n", namespace].into_iter().chain(args.iter().copied()).collect();
        let kubectl = &self.namespace.world.kubectl;
        let said = if input.is_empty() { kubectl.run(&whole) } else { kubectl.run_with(&whole, input) };
        said.map_err(|error| error.to_string())
    }

    /// Creates a Client as this account.
    fn client(&self, name: &str, spec: &Value) {
        let mut whole = json!({"details": {"name": self.namespace.tenant_name(name)}});
        merge_json(&mut whole, spec);
        let object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name}, "spec": whole,
        });
        self.run(&self.namespace.name, &["create", "-f", "-"], &object.to_string()).unwrap();
    }

    fn patch(&self, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.run(&self.namespace.name, &["patch", "client", name, "--type=merge", "-p", &patch], "").unwrap();
    }

    /// Waits until the operator has evaluated the current generation of the Client. Returns the message of Ready.
    fn wait_until_refused(&self, name: &str, reason: &str) -> String {
        let object = format!("client/{name}");
        self.namespace.wait_until(&format!("{object} is refused as it is now"), || {
            let found = self.namespace.get(&object).unwrap_or_default();
            Ok(found["status"]["observedGeneration"] == found["metadata"]["generation"])
        });
        self.namespace.wait_until_not_ready(&object, reason)
    }
}

/// Creates a Partner that accepts Clients from every namespace, in a new namespace.
fn open_partner(prefix: &str, spec: &Value) -> (TestNamespace<'static>, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    let mut whole = json!({"clients": {"allowedNamespaces": {"from": "All"}}});
    merge_json(&mut whole, spec);
    namespace.apply_partner("acme", &whole);
    let id = namespace.wait_until_ready("partner/acme");
    (namespace, id)
}

fn partner_ref(namespace: &TestNamespace<'_>) -> Value {
    json!({"partnerRef": {"name": "acme", "namespace": namespace.name}})
}

fn merge_spec(mut spec: Value, more: &Value) -> Value {
    merge_json(&mut spec, more);
    spec
}

fn adoption_spec(id: &str) -> Value {
    json!({"adoption": {"policy": "Adopt", "uniqueId": id}})
}

fn count_clients(tenancy: &TenancyApi, partner: &str) -> usize {
    tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().len()
}

/// Returns a deletion confirmation written by hand.
fn confirmed_deletion(name: &str, id: &str) -> Value {
    let until = (tenantry_runtime::clock::now() + jiff::SignedDuration::from_hours(24)).to_string();
    json!({"policy": "Terminate", "gracePeriodSeconds": 0, "confirm": {
        "name": name, "uniqueId": id, "notAfter": until,
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"],
    }})
}

/// shows: faults/61, security/credential/writer, security/credential/take-over
#[test]
fn a_stranger_with_rights_on_clients_alone_takes_no_tenant_of_a_living_neighbour() {
    let (home, partner) = open_partner("landlord", &json!({}));
    let owner = TestWorld::shared_world().create_namespace("neighbour");
    owner.apply_client("globex", &merge_spec(partner_ref(&home), &json!({"details": {"city": "Berlin"}})));
    let id = owner.wait_until_ready("client/globex");
    let stranger = ForeignServiceAccount::in_new_namespace("stranger");
    assert!(stranger.run(&owner.name, &["get", "client", "globex"], "").unwrap_err().contains("forbidden"));
    assert!(stranger.run(&stranger.namespace.name, &["get", "secrets"], "").unwrap_err().contains("forbidden"));
    let before = owner.read_client_tenant(&partner, &id);
    let uid = owner.get("client/globex").unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let status = owner.get("client/globex").unwrap()["status"].clone();

    let stolen = json!({
        "tenantState": "Suspended", "details": {"name": "Stolen"},
        "security": {"access": {"allowedIPs": ["203.0.113.66"]}},
    });
    stranger.client("mine", &merge_spec(merge_spec(partner_ref(&home), &stolen), &adoption_spec(&id)));
    let message = stranger.wait_until_refused("mine", "OwnedElsewhere");
    assert!(message.contains(&id) && message.contains("its owner must set `handOver:"), "{message}");
    let cluster = before["managedBy"]["cluster"].as_str().unwrap();
    for secret in [uid.as_str(), owner.name.as_str(), "globex", cluster] {
        assert!(!message.contains(secret), "`{message}` says `{secret}`");
    }
    // `takeFrom` is wrong in each form: without the UID, with a correctly guessed UID, and with another cluster.
    let place = format!("{cluster}/Client/{}/globex", owner.name);
    for from in [place.clone(), format!("{place}/{uid}"), format!("elsewhere/Client/{}/globex", owner.name)] {
        stranger.patch("mine", &json!({"adoption": {"takeFrom": from}}));
        stranger.wait_until_refused("mine", "OwnedElsewhere");
    }
    stranger.patch("mine", &json!({"adoption": {"policy": "IfIdentical"}}));
    stranger.wait_until_refused("mine", "OwnedElsewhere");

    assert_eq!(owner.read_client_tenant(&partner, &id), before, "something was written to the neighbour's tenant");
    assert_eq!(owner.wait_until_ready("client/globex"), id);
    assert_eq!(owner.get("client/globex").unwrap()["status"], status);
    assert_eq!(count_clients(&home.world.tenancy, &partner), 1);
}

/// shows: faults/62, security/credential/handed-over
#[test]
fn a_tenant_is_handed_over_by_its_owner_who_lets_go_without_ending_it() {
    let (home, partner) = open_partner("movers", &json!({}));
    let (from, to) =
        (TestWorld::shared_world().create_namespace("from"), TestWorld::shared_world().create_namespace("to"));
    let details = json!({"details": {"name": from.tenant_name("globex"), "city": "Berlin"}});
    from.apply_client("globex", &merge_spec(partner_ref(&home), &details));
    let id = from.wait_until_ready("client/globex");
    to.apply_client("globex", &merge_spec(merge_spec(partner_ref(&home), &details), &adoption_spec(&id)));
    to.wait_until_not_ready("client/globex", "OwnedElsewhere");
    // The hand-over names another object than the one that requests the tenant.
    from.merge_patch("client/globex", &json!({"spec": {"handOver": {"namespace": to.name, "name": "other"}}}));
    assert_eq!(from.wait_until_ready("client/globex"), id);
    to.wait_until_not_ready("client/globex", "OwnedElsewhere");

    from.merge_patch("client/globex", &json!({"spec": {"handOver": {"namespace": to.name, "name": "globex"}}}));
    assert_eq!(to.wait_until_ready("client/globex"), id);
    let tenant = to.read_client_tenant(&partner, &id);
    assert_eq!((&tenant["managedBy"]["namespace"], &tenant["city"]), (&json!(to.name), &json!("Berlin")));
    let message = from.wait_until_not_ready("client/globex", "HandedOver");
    assert!(message.contains(&format!("{}/globex", to.name)) && message.contains("delete this object"), "{message}");
    assert_eq!(from.condition("client/globex", "Stalled").unwrap().1, "HandedOver");
    assert_eq!(count_clients(&home.world.tenancy, &partner), 1, "nothing was created");

    // The giver no longer writes to the tenant, and deleting it does not end the tenant.
    from.merge_patch(
        "client/globex",
        &json!({"spec": {"details": {"city": "Bonn"}, "deletion": confirmed_deletion(&from.tenant_name("globex"), &id)}}),
    );
    from.wait_until("the edit was looked at", || {
        let found = from.get("client/globex").unwrap();
        Ok(found["status"]["observedGeneration"] == found["metadata"]["generation"])
    });
    from.delete("client/globex");
    from.wait_until_gone("client/globex");
    assert!(!from.event_reasons("globex").contains(&"Terminated".to_owned()));
    assert_eq!(to.read_client_tenant(&partner, &id), tenant, "something was written to the tenant");
    assert_eq!(to.wait_until_ready("client/globex"), id);
    // Applying the same manifest again creates no second tenant.
    let again =
        json!({"details": {"name": from.tenant_name("another")}, "handOver": {"namespace": to.name, "name": "globex"}});
    from.apply_client("globex", &merge_spec(partner_ref(&home), &again));
    from.wait_until_not_ready("client/globex", "HandedOver");
    assert_eq!(from.get("client/globex").unwrap()["metadata"]["finalizers"], Value::Null);
    assert_eq!(count_clients(&home.world.tenancy, &partner), 1);
}

/// shows: faults/62, security/credential/handed-over
#[test]
fn a_partner_is_handed_over_only_without_clients_and_gets_none_afterwards() {
    let (from, to) =
        (TestWorld::shared_world().create_namespace("from"), TestWorld::shared_world().create_namespace("to"));
    from.apply_partner("acme", &json!({}));
    let id = from.wait_until_ready("partner/acme");
    from.apply_client("globex", &json!({}));
    let client = from.wait_until_ready("client/globex");
    to.apply_partner("acme", &merge_spec(adoption_spec(&id), &json!({"details": {"name": from.tenant_name("acme")}})));
    from.merge_patch("partner/acme", &json!({"spec": {"handOver": {"namespace": to.name, "name": "acme"}}}));
    let ask = |to: &TestNamespace<'_>, n: usize| {
        let n = n.to_string();
        to.kubectl(&["annotate", "--overwrite", "partner/acme", &format!("tenantry.dev/reconcile-requested-at={n}")]);
        to.wait_until("it was asked again", || {
            Ok(to.get("partner/acme").unwrap()["status"]["lastHandledReconcileAt"] == n.as_str())
        });
    };
    ask(&to, 1);
    assert!(to.wait_until_not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    // No object declares the tenant any more, but it still exists.
    from.delete("client/globex");
    from.wait_until_gone("client/globex");
    ask(&to, 2);
    assert!(to.wait_until_not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    // This Client is declared and has no tenant yet. The test waits for its condition before the last tenant ends:
    // after that nothing blocks the receiver, which may check again at any moment.
    from.apply_client("planned", &json!({"management": {"mode": "Paused"}}));
    from.wait_until("the planned one is known", || {
        Ok(from.get("client/planned").unwrap()["status"]["conditions"].is_array())
    });
    from.world.tenancy.change_tenant(&format!("{}/terminate", from.client_path(&id, &client)), &json!({})).unwrap();
    ask(&to, 3);
    assert!(to.wait_until_not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    from.delete("client/planned");
    from.wait_until_gone("client/planned");
    ask(&to, 4);
    assert_eq!(to.wait_until_ready("partner/acme"), id);
    from.wait_until_not_ready("partner/acme", "HandedOver");
    from.apply_client("late", &json!({}));
    assert!(from.wait_until_not_ready("client/late", "PartnerNotReady").contains("has handed its tenant over"));
    assert_eq!(count_clients(&from.world.tenancy, &id), 0);
}

/// shows: faults/63
#[test]
fn a_tenant_whose_owner_is_gone_is_taken_by_its_id() {
    let (home, partner) = open_partner("estate", &json!({}));
    let (first, second) =
        (TestWorld::shared_world().create_namespace("first"), TestWorld::shared_world().create_namespace("second"));
    let details = json!({"details": {"name": first.tenant_name("globex"), "city": "Berlin"}});
    first.apply_client("globex", &merge_spec(partner_ref(&home), &details));
    let id = first.wait_until_ready("client/globex");
    second.apply_client("heir", &merge_spec(merge_spec(partner_ref(&home), &details), &adoption_spec(&id)));
    second.wait_until_not_ready("client/heir", "OwnedElsewhere");
    first.delete("client/globex");
    first.wait_until_gone("client/globex");
    second.kubectl(&["annotate", "client/heir", "tenantry.dev/reconcile-requested-at=now"]);
    assert_eq!(second.wait_until_ready("client/heir"), id);
    assert_eq!(second.read_client_tenant(&partner, &id)["managedBy"]["name"], "heir");
    assert_eq!(count_clients(&home.world.tenancy, &partner), 1);
}

/// Returns the data of a Secret with a partner's own credential.
fn partner_credential(namespace: &TestNamespace<'_>, partner: &str) -> Value {
    let answer = namespace.world.tenancy.call("POST", &format!("{partner}/credentials"), None).unwrap();
    let made = answer.json().unwrap();
    let url = namespace.credential()["url"].clone();
    json!({"url": url, "tenantId": partner, "clientId": made["clientId"], "clientSecret": made["clientSecret"]})
}

/// shows: faults/64, security/credential/writer-by-id
#[test]
fn a_parent_named_by_its_id_needs_a_connection_of_exactly_that_tenant_and_the_partner_objects_leave() {
    let home = TestWorld::shared_world().create_namespace("landlord");
    let locks = json!({"defaults": {"country": "Germany"}, "locked": ["country"]});
    home.apply_partner("acme", &json!({"packages": [], "clients": locks}));
    let id = home.wait_until_ready("partner/acme");
    let stranger = ForeignServiceAccount::in_new_namespace("bypass");
    let by_id =
        |more: &Value| merge_spec(json!({"partnerUniqueId": id, "connectionSecretRef": {"name": "platform"}}), more);
    // The provider's connection is in the namespace for another purpose.
    stranger.client("provider", &by_id(&json!({})));
    let message = stranger.wait_until_refused("provider", "ConnectionMismatch");
    assert!(message.contains(&id) && message.contains("credential of"), "{message}");
    assert_eq!(count_clients(&home.world.tenancy, &id), 0);

    // With the right connection, the Partner object still decides which Clients it accepts. The message does not name
    // it.
    stranger.namespace.apply_secret("own", &partner_credential(&home, &id));
    let own = |more: &Value| merge_spec(by_id(&json!({"connectionSecretRef": {"name": "own"}})), more);
    stranger.client("guest", &own(&json!({})));
    let message = stranger.wait_until_refused("guest", "NamespaceNotAllowed");
    assert!(message.contains(&id) && !message.contains(&home.name) && !message.contains("acme"), "{message}");
    assert_eq!(count_clients(&home.world.tenancy, &id), 0);

    stranger.run(&stranger.namespace.name, &["delete", "client", "guest"], "").unwrap();
    let expressions =
        json!([{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [stranger.namespace.name]}]);
    let allowed = json!({"from": "Selector", "selector": {"matchExpressions": expressions}});
    home.merge_patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": allowed}}}));
    home.wait_until_ready("partner/acme");
    stranger.client("france", &own(&json!({"details": {"country": "France"}})));
    stranger.wait_until_refused("france", "PolicyViolation");
    stranger.client("greedy", &own(&json!({"packages": ["RemediationAndAutomation"]})));
    stranger.wait_until_refused("greedy", "PackageNotAvailable");
    assert_eq!(count_clients(&home.world.tenancy, &id), 0);
    // A Client that satisfies all rules is created with the Partner's defaults.
    stranger.client("fits", &own(&json!({})));
    let client = stranger.namespace.wait_until_ready("client/fits");
    assert_eq!(home.read_client_tenant(&id, &client)["country"], "Germany");
}

/// shows: faults/64, security/credential/writer
#[test]
fn a_connection_of_a_client_s_own_is_one_of_exactly_its_partner() {
    let (home, partner) = open_partner("landlord", &json!({}));
    let stranger = ForeignServiceAccount::in_new_namespace("lender");
    let own = |secret: &str| merge_spec(partner_ref(&home), &json!({"connectionSecretRef": {"name": secret}}));
    // The provider's connection has far more permissions than the Partner's own.
    stranger.client("globex", &own("platform"));
    let message = stranger.wait_until_refused("globex", "ConnectionMismatch");
    assert!(message.contains(&partner) && message.contains("or remove `connectionSecretRef`"), "{message}");
    assert_eq!(count_clients(&home.world.tenancy, &partner), 0);

    stranger.namespace.apply_secret("own", &partner_credential(&home, &partner));
    stranger.patch("globex", &json!({"connectionSecretRef": {"name": "own"}}));
    let id = stranger.namespace.wait_until_ready("client/globex");
    assert_eq!(count_clients(&home.world.tenancy, &partner), 1);
    // A Client that was created with the Partner's connection switches to its own, and keeps its tenant.
    stranger.client("initech", &partner_ref(&home));
    let other = stranger.namespace.wait_until_ready("client/initech");
    stranger.patch("initech", &json!({"connectionSecretRef": {"name": "platform"}}));
    stranger.wait_until_refused("initech", "ConnectionMismatch");
    stranger.patch("initech", &json!({"connectionSecretRef": {"name": "own"}, "details": {"city": "Bonn"}}));
    assert_eq!(stranger.namespace.wait_until_ready("client/initech"), other);
    assert_eq!(home.read_client_tenant(&partner, &other)["city"], "Bonn");
    assert_eq!(stranger.namespace.wait_until_ready("client/globex"), id);
    assert_eq!(count_clients(&home.world.tenancy, &partner), 2);
}

/// shows: security/credential/writer
#[test]
fn a_stranger_who_only_observes_is_shown_nothing_of_a_neighbour_s_tenant() {
    let (home, _) = open_partner("landlord", &json!({}));
    let owner = TestWorld::shared_world().create_namespace("neighbour");
    let settings = json!({"details": {"city": "Berlin"}, "security": {"access": {"allowedIPs": ["198.51.100.7"]}}});
    owner.apply_client("globex", &merge_spec(partner_ref(&home), &settings));
    let id = owner.wait_until_ready("client/globex");
    let observes = |mine: &Value| {
        merge_spec(
            merge_spec(partner_ref(&home), mine),
            &json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": id}}),
        )
    };
    let guess = json!({"details": {"city": "Bonn"}, "security": {"access": {"allowedIPs": ["203.0.113.66"]}}});
    let stranger = ForeignServiceAccount::in_new_namespace("spy");
    stranger.client("mine", &observes(&guess));
    let message = stranger.wait_until_refused("mine", "OwnedElsewhere");
    assert!(message.contains("another namespace") && !message.contains(&owner.name), "{message}");
    let status = stranger.namespace.get("client/mine").unwrap()["status"].to_string();
    for secret in ["Berlin", "198.51.100.7", "drift"] {
        assert!(!status.contains(secret), "`{secret}` in {status}");
    }
    // In the owner's namespace the difference is shown, because its readers may read the owner itself.
    owner.apply_client("watcher", &observes(&guess));
    owner.wait_until_ready("client/watcher");
    assert!(owner.get("client/watcher").unwrap()["status"]["drift"].to_string().contains("198.51.100.7"));
    // A tenant without an owner in this cluster may be observed before it is adopted.
    owner.delete("client/globex");
    owner.wait_until_gone("client/globex");
    stranger
        .run(&stranger.namespace.name, &["annotate", "client/mine", "tenantry.dev/reconcile-requested-at=now"], "")
        .unwrap();
    stranger.namespace.wait_until_ready("client/mine");
    assert!(stranger.namespace.get("client/mine").unwrap()["status"]["drift"].to_string().contains("198.51.100.7"));
    // Once it has an owner again, the shown difference is removed.
    owner.apply_client("heir", &merge_spec(merge_spec(partner_ref(&home), &settings), &adoption_spec(&id)));
    owner.wait_until_ready("client/heir");
    stranger.patch("mine", &json!({"details": {"city": "Kiel"}}));
    stranger.wait_until_refused("mine", "OwnedElsewhere");
    let status = stranger.namespace.get("client/mine").unwrap()["status"].to_string();
    assert!(!status.contains("Berlin") && !status.contains("198.51.100.7"), "{status}");
}
