//! Who may do what to whom inside the cluster, tried by a ServiceAccount that may write Clients of one namespace and nothing
//! else. No admission policy stands in its way here: the operator alone refuses.

use serde_json::{Value, json};

use crate::tenancy::Tenancy;
use crate::world::{Space, World, merge};

/// A ServiceAccount with a Role on Clients of its own namespace.
struct Stranger<'a> {
    space: Space<'a>,
    user: String,
}

impl Stranger<'_> {
    fn of(prefix: &str) -> Stranger<'static> {
        let space = World::shared().namespace(prefix);
        let name = "thief";
        let meta = json!({"name": name});
        let rule = json!({"apiGroups": ["tenantry.dev"], "resources": ["clients"], "verbs": ["get", "create", "patch", "update", "delete"]});
        space.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}));
        let rbac = "rbac.authorization.k8s.io/v1";
        space.apply(&json!({"apiVersion": rbac, "kind": "Role", "metadata": meta, "rules": [rule]}));
        space.apply(&json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space.name}],
        }));
        let user = format!("system:serviceaccount:{}:{name}", space.name);
        Stranger { space, user }
    }

    fn run(&self, namespace: &str, args: &[&str], input: &str) -> Result<String, String> {
        let whole: Vec<&str> = ["--as", &self.user, "-n", namespace].into_iter().chain(args.iter().copied()).collect();
        let kubectl = &self.space.world.kubectl;
        let said = if input.is_empty() { kubectl.run(&whole) } else { kubectl.run_with(&whole, input) };
        said.map_err(|error| error.to_string())
    }

    /// Creates a Client of its own.
    fn client(&self, name: &str, spec: &Value) {
        let mut whole = json!({"details": {"name": self.space.tenant_name(name)}});
        merge(&mut whole, spec);
        let object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name}, "spec": whole,
        });
        self.run(&self.space.name, &["create", "-f", "-"], &object.to_string()).unwrap();
    }

    fn patch(&self, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.run(&self.space.name, &["patch", "client", name, "--type=merge", "-p", &patch], "").unwrap();
    }

    /// Waits until the operator has judged the Client as it is now; returns the message of Ready.
    fn refused(&self, name: &str, reason: &str) -> String {
        let object = format!("client/{name}");
        self.space.until(&format!("{object} is refused as it is now"), || {
            let found = self.space.get(&object).unwrap_or_default();
            Ok(found["status"]["observedGeneration"] == found["metadata"]["generation"])
        });
        self.space.not_ready(&object, reason)
    }
}

/// A Partner that takes Clients from everywhere, in a namespace of its own.
fn open_partner(prefix: &str, spec: &Value) -> (Space<'static>, String) {
    let space = World::shared().namespace(prefix);
    let mut whole = json!({"clients": {"allowedNamespaces": {"from": "All"}}});
    merge(&mut whole, spec);
    space.partner("acme", &whole);
    let id = space.ready("partner/acme");
    (space, id)
}

fn under(space: &Space<'_>) -> Value {
    json!({"partnerRef": {"name": "acme", "namespace": space.name}})
}

fn with(mut spec: Value, more: &Value) -> Value {
    merge(&mut spec, more);
    spec
}

fn adopts(id: &str) -> Value {
    json!({"adoption": {"policy": "Adopt", "uniqueId": id}})
}

fn count(tenancy: &Tenancy, partner: &str) -> usize {
    tenancy.get(&format!("{partner}/clients/minimal")).unwrap().as_array().unwrap().len()
}

/// A confirmation written by hand.
fn confirmed(name: &str, id: &str) -> Value {
    let until = (tenantry::clock::now() + jiff::SignedDuration::from_hours(24)).to_string();
    json!({"policy": "Terminate", "gracePeriodSeconds": 0, "confirm": {
        "name": name, "uniqueId": id, "notAfter": until,
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"],
    }})
}

/// shows: faults/61, security/credential/writer, security/credential/take-over
#[test]
fn a_stranger_with_rights_on_clients_alone_takes_no_tenant_of_a_living_neighbour() {
    let (home, partner) = open_partner("landlord", &json!({}));
    let owner = World::shared().namespace("neighbour");
    owner.client("globex", &with(under(&home), &json!({"details": {"city": "Berlin"}})));
    let id = owner.ready("client/globex");
    let thief = Stranger::of("stranger");
    assert!(thief.run(&owner.name, &["get", "client", "globex"], "").unwrap_err().contains("forbidden"));
    assert!(thief.run(&thief.space.name, &["get", "secrets"], "").unwrap_err().contains("forbidden"));
    let before = owner.platform_client(&partner, &id);
    let uid = owner.get("client/globex").unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let status = owner.get("client/globex").unwrap()["status"].clone();

    let stolen = json!({
        "tenantState": "Suspended", "details": {"name": "Stolen"},
        "security": {"access": {"allowedIPs": ["203.0.113.66"]}},
    });
    thief.client("mine", &with(with(under(&home), &stolen), &adopts(&id)));
    let message = thief.refused("mine", "OwnedElsewhere");
    assert!(message.contains(&id) && message.contains("its owner must set `handOver:"), "{message}");
    let cluster = before["managedBy"]["cluster"].as_str().unwrap();
    for secret in [uid.as_str(), owner.name.as_str(), "globex", cluster] {
        assert!(!message.contains(secret), "`{message}` says `{secret}`");
    }
    // Whatever it names as the owner to take from: without the UID, with it, and as it would be after a lucky guess.
    let place = format!("{cluster}/Client/{}/globex", owner.name);
    for from in [place.clone(), format!("{place}/{uid}"), format!("elsewhere/Client/{}/globex", owner.name)] {
        thief.patch("mine", &json!({"adoption": {"takeFrom": from}}));
        thief.refused("mine", "OwnedElsewhere");
    }
    thief.patch("mine", &json!({"adoption": {"policy": "IfIdentical"}}));
    thief.refused("mine", "OwnedElsewhere");

    assert_eq!(owner.platform_client(&partner, &id), before, "something was written to the neighbour's tenant");
    assert_eq!(owner.ready("client/globex"), id);
    assert_eq!(owner.get("client/globex").unwrap()["status"], status);
    assert_eq!(count(&home.world.tenancy, &partner), 1);
}

/// shows: faults/62, security/credential/handed-over
#[test]
fn a_tenant_is_handed_over_by_its_owner_who_lets_go_without_ending_it() {
    let (home, partner) = open_partner("movers", &json!({}));
    let (from, to) = (World::shared().namespace("from"), World::shared().namespace("to"));
    let details = json!({"details": {"name": from.tenant_name("globex"), "city": "Berlin"}});
    from.client("globex", &with(under(&home), &details));
    let id = from.ready("client/globex");
    to.client("globex", &with(with(under(&home), &details), &adopts(&id)));
    to.not_ready("client/globex", "OwnedElsewhere");
    // Another object than the one that asks.
    from.patch("client/globex", &json!({"spec": {"handOver": {"namespace": to.name, "name": "other"}}}));
    assert_eq!(from.ready("client/globex"), id);
    to.not_ready("client/globex", "OwnedElsewhere");

    from.patch("client/globex", &json!({"spec": {"handOver": {"namespace": to.name, "name": "globex"}}}));
    assert_eq!(to.ready("client/globex"), id);
    let tenant = to.platform_client(&partner, &id);
    assert_eq!((&tenant["managedBy"]["namespace"], &tenant["city"]), (&json!(to.name), &json!("Berlin")));
    let message = from.not_ready("client/globex", "HandedOver");
    assert!(message.contains(&format!("{}/globex", to.name)) && message.contains("delete this object"), "{message}");
    assert_eq!(from.condition("client/globex", "Stalled").unwrap().1, "HandedOver");
    assert_eq!(count(&home.world.tenancy, &partner), 1, "nothing was created");

    // The giver writes nothing any more, and its end is not the tenant's.
    from.patch(
        "client/globex",
        &json!({"spec": {"details": {"city": "Bonn"}, "deletion": confirmed(&from.tenant_name("globex"), &id)}}),
    );
    from.until("the edit was looked at", || {
        let found = from.get("client/globex").unwrap();
        Ok(found["status"]["observedGeneration"] == found["metadata"]["generation"])
    });
    from.delete("client/globex");
    from.gone("client/globex");
    assert!(!from.events("globex").contains(&"Terminated".to_owned()));
    assert_eq!(to.platform_client(&partner, &id), tenant, "something was written to the tenant");
    assert_eq!(to.ready("client/globex"), id);
    // The same manifest once more makes no second tenant.
    let again =
        json!({"details": {"name": from.tenant_name("another")}, "handOver": {"namespace": to.name, "name": "globex"}});
    from.client("globex", &with(under(&home), &again));
    from.not_ready("client/globex", "HandedOver");
    assert_eq!(from.get("client/globex").unwrap()["metadata"]["finalizers"], Value::Null);
    assert_eq!(count(&home.world.tenancy, &partner), 1);
}

/// shows: faults/62, security/credential/handed-over
#[test]
fn a_partner_is_handed_over_only_without_clients_and_gets_none_afterwards() {
    let (from, to) = (World::shared().namespace("from"), World::shared().namespace("to"));
    from.partner("acme", &json!({}));
    let id = from.ready("partner/acme");
    from.client("globex", &json!({}));
    let client = from.ready("client/globex");
    to.partner("acme", &with(adopts(&id), &json!({"details": {"name": from.tenant_name("acme")}})));
    from.patch("partner/acme", &json!({"spec": {"handOver": {"namespace": to.name, "name": "acme"}}}));
    let ask = |to: &Space<'_>, n: usize| {
        let n = n.to_string();
        to.kubectl(&["annotate", "--overwrite", "partner/acme", &format!("tenantry.dev/reconcile-requested-at={n}")]);
        to.until("it was asked again", || {
            Ok(to.get("partner/acme").unwrap()["status"]["lastHandledReconcileAt"] == n.as_str())
        });
    };
    ask(&to, 1);
    assert!(to.not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    // No object declares it any more, and it lives on.
    from.delete("client/globex");
    from.gone("client/globex");
    ask(&to, 2);
    assert!(to.not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    // One that is declared and has no tenant yet. It is known before the last tenant ends: nothing is left to wait for then, and
    // the receiver may look again at any moment.
    from.client("planned", &json!({"management": {"mode": "Paused"}}));
    from.until("the planned one is known", || {
        Ok(from.get("client/planned").unwrap()["status"]["conditions"].is_array())
    });
    from.world.tenancy.change(&format!("{}/terminate", from.client_path(&id, &client)), &json!({})).unwrap();
    ask(&to, 3);
    assert!(to.not_ready("partner/acme", "OwnedElsewhere").contains("without Clients"));
    from.delete("client/planned");
    from.gone("client/planned");
    ask(&to, 4);
    assert_eq!(to.ready("partner/acme"), id);
    from.not_ready("partner/acme", "HandedOver");
    from.client("late", &json!({}));
    assert!(from.not_ready("client/late", "PartnerNotReady").contains("has handed its tenant over"));
    assert_eq!(count(&from.world.tenancy, &id), 0);
}

/// shows: faults/63
#[test]
fn a_tenant_whose_owner_is_gone_is_taken_by_its_id() {
    let (home, partner) = open_partner("estate", &json!({}));
    let (first, second) = (World::shared().namespace("first"), World::shared().namespace("second"));
    let details = json!({"details": {"name": first.tenant_name("globex"), "city": "Berlin"}});
    first.client("globex", &with(under(&home), &details));
    let id = first.ready("client/globex");
    second.client("heir", &with(with(under(&home), &details), &adopts(&id)));
    second.not_ready("client/heir", "OwnedElsewhere");
    first.delete("client/globex");
    first.gone("client/globex");
    second.kubectl(&["annotate", "client/heir", "tenantry.dev/reconcile-requested-at=now"]);
    assert_eq!(second.ready("client/heir"), id);
    assert_eq!(second.platform_client(&partner, &id)["managedBy"]["name"], "heir");
    assert_eq!(count(&home.world.tenancy, &partner), 1);
}

/// Data of a Secret with a credential of a partner's own.
fn credential_of(space: &Space<'_>, partner: &str) -> Value {
    let answer = space.world.tenancy.call("POST", &format!("{partner}/credentials"), None).unwrap();
    let made = answer.json().unwrap();
    let url = space.credential()["url"].clone();
    json!({"url": url, "tenantId": partner, "clientId": made["clientId"], "clientSecret": made["clientSecret"]})
}

/// shows: faults/64, security/credential/writer-by-id
#[test]
fn a_parent_named_by_its_id_needs_a_connection_of_exactly_that_tenant_and_the_partner_objects_leave() {
    let home = World::shared().namespace("landlord");
    let locks = json!({"defaults": {"country": "Germany"}, "locked": ["country"]});
    home.partner("acme", &json!({"packages": [], "clients": locks}));
    let id = home.ready("partner/acme");
    let thief = Stranger::of("bypass");
    let by_id = |more: &Value| with(json!({"partnerUniqueId": id, "connectionSecretRef": {"name": "platform"}}), more);
    // The provider's connection lies in the namespace for another purpose.
    thief.client("provider", &by_id(&json!({})));
    let message = thief.refused("provider", "ConnectionMismatch");
    assert!(message.contains(&id) && message.contains("credential of"), "{message}");
    assert_eq!(count(&home.world.tenancy, &id), 0);

    // With the right connection the Partner object still says who may stand under it, without being named.
    thief.space.secret("own", &credential_of(&home, &id));
    let own = |more: &Value| with(by_id(&json!({"connectionSecretRef": {"name": "own"}})), more);
    thief.client("guest", &own(&json!({})));
    let message = thief.refused("guest", "NamespaceNotAllowed");
    assert!(message.contains(&id) && !message.contains(&home.name) && !message.contains("acme"), "{message}");
    assert_eq!(count(&home.world.tenancy, &id), 0);

    thief.run(&thief.space.name, &["delete", "client", "guest"], "").unwrap();
    let expressions = json!([{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [thief.space.name]}]);
    let allowed = json!({"from": "Selector", "selector": {"matchExpressions": expressions}});
    home.patch("partner/acme", &json!({"spec": {"clients": {"allowedNamespaces": allowed}}}));
    home.ready("partner/acme");
    thief.client("france", &own(&json!({"details": {"country": "France"}})));
    thief.refused("france", "PolicyViolation");
    thief.client("greedy", &own(&json!({"packages": ["RemediationAndAutomation"]})));
    thief.refused("greedy", "PackageNotAvailable");
    assert_eq!(count(&home.world.tenancy, &id), 0);
    // What fits is made, with the Partner's defaults.
    thief.client("fits", &own(&json!({})));
    let client = thief.space.ready("client/fits");
    assert_eq!(home.platform_client(&id, &client)["country"], "Germany");
}

/// shows: faults/64, security/credential/writer
#[test]
fn a_connection_of_a_client_s_own_is_one_of_exactly_its_partner() {
    let (home, partner) = open_partner("landlord", &json!({}));
    let thief = Stranger::of("lender");
    let own = |secret: &str| with(under(&home), &json!({"connectionSecretRef": {"name": secret}}));
    // The provider's connection may do far more than the Partner's own.
    thief.client("globex", &own("platform"));
    let message = thief.refused("globex", "ConnectionMismatch");
    assert!(message.contains(&partner) && message.contains("or remove `connectionSecretRef`"), "{message}");
    assert_eq!(count(&home.world.tenancy, &partner), 0);

    thief.space.secret("own", &credential_of(&home, &partner));
    thief.patch("globex", &json!({"connectionSecretRef": {"name": "own"}}));
    let id = thief.space.ready("client/globex");
    assert_eq!(count(&home.world.tenancy, &partner), 1);
    // One that was made with the Partner's connection takes up its own, and keeps its tenant.
    thief.client("initech", &under(&home));
    let other = thief.space.ready("client/initech");
    thief.patch("initech", &json!({"connectionSecretRef": {"name": "platform"}}));
    thief.refused("initech", "ConnectionMismatch");
    thief.patch("initech", &json!({"connectionSecretRef": {"name": "own"}, "details": {"city": "Bonn"}}));
    assert_eq!(thief.space.ready("client/initech"), other);
    assert_eq!(home.platform_client(&partner, &other)["city"], "Bonn");
    assert_eq!(thief.space.ready("client/globex"), id);
    assert_eq!(count(&home.world.tenancy, &partner), 2);
}

/// shows: security/credential/writer
#[test]
fn a_stranger_who_only_observes_is_shown_nothing_of_a_neighbour_s_tenant() {
    let (home, _) = open_partner("landlord", &json!({}));
    let owner = World::shared().namespace("neighbour");
    let settings = json!({"details": {"city": "Berlin"}, "security": {"access": {"allowedIPs": ["198.51.100.7"]}}});
    owner.client("globex", &with(under(&home), &settings));
    let id = owner.ready("client/globex");
    let observes = |mine: &Value| {
        with(with(under(&home), mine), &json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": id}}))
    };
    let guess = json!({"details": {"city": "Bonn"}, "security": {"access": {"allowedIPs": ["203.0.113.66"]}}});
    let thief = Stranger::of("spy");
    thief.client("mine", &observes(&guess));
    let message = thief.refused("mine", "OwnedElsewhere");
    assert!(message.contains("another namespace") && !message.contains(&owner.name), "{message}");
    let status = thief.space.get("client/mine").unwrap()["status"].to_string();
    for secret in ["Berlin", "198.51.100.7", "drift"] {
        assert!(!status.contains(secret), "`{secret}` in {status}");
    }
    // In the namespace of its owner the difference is shown, as it is to who may read the owner itself.
    owner.client("watcher", &observes(&guess));
    owner.ready("client/watcher");
    assert!(owner.get("client/watcher").unwrap()["status"]["drift"].to_string().contains("198.51.100.7"));
    // A tenant that nobody of this cluster owns any more may be looked at before it is taken over.
    owner.delete("client/globex");
    owner.gone("client/globex");
    thief.run(&thief.space.name, &["annotate", "client/mine", "tenantry.dev/reconcile-requested-at=now"], "").unwrap();
    thief.space.ready("client/mine");
    assert!(thief.space.get("client/mine").unwrap()["status"]["drift"].to_string().contains("198.51.100.7"));
    // Once it has an owner again, what was shown goes.
    owner.client("heir", &with(with(under(&home), &settings), &adopts(&id)));
    owner.ready("client/heir");
    thief.patch("mine", &json!({"details": {"city": "Kiel"}}));
    thief.refused("mine", "OwnedElsewhere");
    let status = thief.space.get("client/mine").unwrap()["status"].to_string();
    assert!(!status.contains("Berlin") && !status.contains("198.51.100.7"), "{status}");
}
