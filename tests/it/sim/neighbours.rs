//! Existing neighbours in one cluster, with every answer of the API server under control.

use std::time::Duration;

use axum::http::Method;
use clap::Parser;
use serde_json::{Value, json};
use tenantry_operator::OperatorFlags;

use super::actions::{SimAction, SimActor};
use super::cluster::responses::error_status;
use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{OPERATOR_NAMESPACE, PLATFORM_HOST, run_life, settings};
use super::request::SimServer;
use super::user_actions::merge_spec;

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn rival() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "b", "rival")
}

/// Returns a Client of the Partner `acme` in another namespace, which claims a tenant.
fn claiming_client_spec(id: &str, more: &Value) -> Value {
    let spec = json!({
        "partnerRef": {"name": "acme", "namespace": "a"}, "adoption": {"policy": "Adopt", "uniqueId": id},
        "details": {"name": "Globex", "timezone": "Europe/Berlin", "country": "Germany", "city": "Ulm"},
    });
    merge_spec(spec, more)
}

fn has_reason(world: &SimWorld, key: &SimObjectKey, reason: &str) -> bool {
    world.object(key).and_then(|object| condition(&object, "Ready")).is_some_and(|(_, found)| found == reason)
}

fn is_object_ready(world: &SimWorld, key: &SimObjectKey) -> bool {
    world.object(key).is_some_and(|object| is_ready(&object))
}

fn assert_no_violations(world: &SimWorld) {
    let state = world.lock();
    let violations = &state.oracle.violations;
    assert!(violations.is_empty(), "{violations:#?}\n{}", state.log.join("\n"));
}

/// Creates a Partner that accepts Clients from everywhere, with the Client `globex`. Returns the id of its tenant.
async fn create_neighbour(world: &SimWorld) -> String {
    world.perform_action(&SimAction::Create(SimActor::Acme));
    world.perform_action(&SimAction::Edit(SimActor::Acme, json!({"clients": {"allowedNamespaces": {"from": "All"}}})));
    world.perform_action(&SimAction::Create(SimActor::Globex));
    world.wait_until("the neighbour is Ready", |world| is_object_ready(world, &globex())).await;
    world.tenant(&globex()).unwrap().id
}

/// Returns the number of writes to the platform that the oracle saw.
fn platform_writes(world: &SimWorld) -> usize {
    let state = world.lock();
    state.log.iter().filter(|line| line.contains(" Platform POST ") && line.contains("/clients/client_")).count()
}

/// shows: faults/61, faults/62, security/credential/writer
#[test]
fn a_sibling_takes_nothing_from_a_living_owner_and_gets_what_that_one_hands_over() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let id = create_neighbour(&world).await;
        let (before, writes) = (world.tenant(&globex()).unwrap(), platform_writes(&world));
        world.create(&rival(), &claiming_client_spec(&id, &json!({})));
        for from in [None, Some("sim/Client/a/globex"), Some("sim/Client/a/globex/x"), Some("other/Client/a/globex")] {
            world.edit(&rival(), &json!({"adoption": {"takeFrom": from}, "tenantState": "Suspended"}));
            tokio::time::sleep(Duration::from_mins(20)).await;
            assert_no_violations(&world);
            assert!(has_reason(&world, &rival(), "OwnedElsewhere"), "{from:?}");
        }
        assert_eq!(world.tenant(&globex()).unwrap(), before);
        assert_eq!(platform_writes(&world), writes, "the neighbour's tenant was written to");
        world.edit(&rival(), &json!({"adoption": {"takeFrom": null}, "tenantState": null}));
        world.edit(&globex(), &json!({"handOver": {"namespace": "b", "name": "rival"}}));
        world.wait_until("it is handed over", |world| is_object_ready(world, &rival())).await;
        world.wait_until("the giver says so", |world| has_reason(world, &globex(), "HandedOver")).await;
        let (after, writes) = (world.tenant(&rival()).unwrap(), platform_writes(&world));
        assert_eq!((&after.id, after.place.as_deref()), (&id, Some("sim/Client/b/rival")));
        world.edit(&globex(), &json!({"details": {"city": "Kiel"}, "tenantState": "Suspended"}));
        tokio::time::sleep(Duration::from_mins(40)).await;
        assert_eq!(platform_writes(&world), writes, "the giver wrote to what it has handed over");
        world.edit(&globex(), &json!({"deletion": {"policy": "Suspend"}}));
        world.delete(&globex());
        world.wait_until("the giver goes", |world| world.object(&globex()).is_none()).await;
        assert_eq!(world.tenant(&rival()).unwrap(), after);
        wait_until_idle(&world, 1).await;
    });
    assert!(done.is_some());
    assert_no_violations(&world);
    assert_eq!(world.tenants().len(), 2);
}

#[test]
fn under_a_suspended_partner_nothing_is_taken_over_and_nothing_is_written_again_and_again() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let id = create_neighbour(&world).await;
        world.perform_action(&SimAction::ChangeState(SimActor::Acme, "suspend"));
        tokio::time::sleep(Duration::from_mins(15)).await;
        world.edit(&globex(), &json!({"handOver": {"namespace": "b", "name": "rival"}}));
        world.create(&rival(), &claiming_client_spec(&id, &json!({})));
        tokio::time::sleep(Duration::from_mins(15)).await;
        assert!(has_reason(&world, &rival(), "PartnerSuspended"), "{:?}", world.object(&rival()));
        let writes = world.lock().oracle.writes;
        tokio::time::sleep(Duration::from_mins(45)).await;
        assert_eq!(world.lock().oracle.writes, writes, "{}", world.lock().log.join("\n"));
        assert_eq!(world.lock().oracle.events.get("Adopted"), None, "it was not adopted yet");
        world.perform_action(&SimAction::ChangeState(SimActor::Acme, "activate"));
        world.wait_until("it is handed over", |world| is_object_ready(world, &rival())).await;
        assert_eq!(world.tenant(&rival()).unwrap().id, id);
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

/// Counts the requests to the platform.
fn count_platform_requests(world: &SimWorld) -> usize {
    world.lock().log.iter().filter(|line| line.contains(" Platform ")).count()
}

#[test]
fn a_hand_over_wakes_the_object_that_it_is_for() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let id = create_neighbour(&world).await;
        world.create(&rival(), &claiming_client_spec(&id, &json!({})));
        tokio::time::sleep(Duration::from_mins(20)).await;
        assert!(has_reason(&world, &rival(), "OwnedElsewhere"));
        world.edit(&globex(), &json!({"handOver": {"namespace": "b", "name": "rival"}}));
        // Long before its next drift check.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(is_object_ready(&world, &rival()), "{:?}", world.object(&rival()));
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

#[test]
fn two_that_hand_over_to_each_other_do_not_wake_each_other_for_ever() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_neighbour(&world).await;
        world.perform_action(&SimAction::Create(SimActor::Initech));
        let initech = SimActor::Initech.key();
        world.wait_until("both are Ready", |world| is_object_ready(world, &initech)).await;
        world.edit(&initech, &json!({"handOver": {"name": "globex"}}));
        world.edit(&globex(), &json!({"handOver": {"name": "initech"}}));
        let before = count_platform_requests(&world);
        tokio::time::sleep(Duration::from_mins(5)).await;
        let more = count_platform_requests(&world) - before;
        assert!(more < 20, "{more} requests");
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

#[test]
fn an_object_that_goes_before_its_tenant_is_recorded_is_held_although_one_list_leaves_the_tenant_out() {
    let world = new_default_world();
    let initech = SimActor::Initech.key();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_neighbour(&world).await;
        let (mut lists, mut is_first) = (0, true);
        world.lock().fates = Box::new(move |_, ask| {
            let is_read =
                ask.side == SimServer::Platform && ask.method == Method::GET && ask.path.ends_with("/client_4");
            if is_read && std::mem::take(&mut is_first) {
                return RequestFate::SlowReply(Duration::from_secs(40));
            }
            // The lookup before the create, and then the one of the deletion.
            lists += usize::from(ask.is_list() && ask.path.contains("/clients/minimal"));
            if ask.is_list() && lists == 2 { RequestFate::RowMissing(1) } else { RequestFate::Pass }
        });
        world.perform_action(&SimAction::Create(SimActor::Initech));
        let is_made = |world: &SimWorld| world.tenants().iter().any(|tenant| tenant.name == "Initech");
        world.wait_until("it is made", is_made).await;
        world.edit(&initech, &json!({"deletion": {"policy": "Suspend"}}));
        world.delete(&initech);
        world.wait_until("it goes", |world| world.object(&initech).is_none()).await;
    });
    assert!(done.is_some());
    assert_no_violations(&world);
    let state = world.tenants().into_iter().find(|tenant| tenant.name == "Initech").unwrap().state;
    assert_eq!(state, "SUSPENDED", "{}", world.lock().log.join("\n"));
}

#[test]
fn of_two_that_ask_at_once_for_the_tenant_of_an_owner_that_is_gone_one_gets_it() {
    let world = new_default_world();
    let heir = SimObjectKey::new(CLIENTS, "b", "heir");
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let id = create_neighbour(&world).await;
        world.delete(&globex());
        world.wait_until("the owner is gone", |world| world.object(&globex()).is_none()).await;
        let path = format!("/clients/{id}");
        // Each has its answer before the other one writes.
        world.lock().fates = Box::new(move |_, ask| {
            let is_read = ask.side == SimServer::Platform && ask.method == Method::GET && ask.path.ends_with(&path);
            if is_read { RequestFate::SlowReply(Duration::from_secs(5)) } else { RequestFate::Pass }
        });
        world.create(&rival(), &claiming_client_spec(&id, &json!({})));
        world.create(&heir, &claiming_client_spec(&id, &json!({"details": {"name": "Heir"}})));
        tokio::time::sleep(Duration::from_mins(10)).await;
        let keys = [rival(), heir.clone()];
        let (up, refused): (Vec<&SimObjectKey>, Vec<&SimObjectKey>) =
            keys.iter().partition(|key| is_object_ready(&world, key));
        assert_eq!((up.len(), refused.len()), (1, 1), "{}", world.lock().log.join("\n"));
        assert!(has_reason(&world, refused[0], "OwnedElsewhere"));
        assert_eq!(world.tenant(up[0]).unwrap().place, Some(format!("sim/Client/b/{}", up[0].name)));
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

/// shows: faults/63, security/credential/writer
#[test]
fn an_owner_that_cannot_be_read_counts_as_there() {
    for (code, reason) in [(403, "Forbidden"), (500, "InternalError"), (429, "TooManyRequests")] {
        let world = new_default_world();
        let done = run_life(&world, &OperatorLife::new(1), settings(), async {
            let id = create_neighbour(&world).await;
            world.delete(&globex());
            world.wait_until("the owner is gone", |world| world.object(&globex()).is_none()).await;
            let writes = platform_writes(&world);
            world.lock().fates = Box::new(move |_, ask| {
                let is_look = ask.side == SimServer::Cluster && ask.path.ends_with("/namespaces/a/clients/globex");
                if is_look {
                    RequestFate::Replaced(Box::new((error_status(code, reason, "no"), false)))
                } else {
                    RequestFate::Pass
                }
            });
            world.create(&rival(), &claiming_client_spec(&id, &json!({})));
            tokio::time::sleep(Duration::from_mins(30)).await;
            assert!(has_reason(&world, &rival(), "OwnedElsewhere"), "{code}");
            assert_eq!(
                platform_writes(&world),
                writes,
                "{code}: a tenant was taken from an owner that nobody could see"
            );
            world.lock().fates = Box::new(|_, _| RequestFate::Pass);
            world.wait_until("it is taken from the owner that is gone", |world| is_object_ready(world, &rival())).await;
            assert_eq!(world.tenant(&rival()).unwrap().id, id);
        });
        assert!(done.is_some());
        assert_no_violations(&world);
    }
}

/// shows: security/credential/default-connection
#[test]
fn the_default_connection_serves_the_named_namespaces_and_no_other() {
    let flags = [
        "tenantry-operator",
        "--platform-hosts",
        PLATFORM_HOST,
        "--namespace",
        OPERATOR_NAMESPACE,
        "--cluster-id",
        "sim",
        "--lease-duration",
        "30m",
        "--renew-deadline",
        "25m",
        "--retry-period",
        "12m",
        "--default-connection",
        "tenantry-system/platform",
        "--default-connection-namespaces",
        "a",
    ];
    let world = new_default_world();
    world.create_connection_secret(OPERATOR_NAMESPACE);
    let bare = |name: &str| json!({"details": {"name": name, "timezone": "Europe/Berlin", "country": "Germany"}});
    let [served, other] = ["a", "b"].map(|namespace| SimObjectKey::new(PARTNERS, namespace, "bare"));
    let done = run_life(&world, &OperatorLife::new(1), OperatorFlags::parse_from(flags), async {
        world.create(&other, &bare("Other"));
        world.create(&served, &bare("Served"));
        world.wait_until("the named namespace is served", |world| is_object_ready(world, &served)).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert!(has_reason(&world, &other, "NoConnection"));
    });
    assert!(done.is_some());
    assert_no_violations(&world);
    let names: Vec<String> = world.tenants().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["Served"], "the operator's own credential was used for a namespace that is not named");
}
