//! The life of tenants on our own platform, through the client.

use std::time::Duration;

use jiff::Timestamp;
use tenantry::api::{Acknowledgement, Confirmation, DeletionPolicy, TerminationStatus, TerminationStep};
use tenantry::connect::{Connection, Error, Freshness, Place, Platform};
use tenantry::plan::{
    Booked, Change, Children, Entry, Field, Going, Kept, Kind, Ledger, Limits, MarkSeen, Observed, Permit, Removal,
    RemovalIntent, Rules, Surroundings, TenantLife, Value, Walk, confirm_digest, removal,
};
use tenantry::wire::Mark;

use super::{city, mark, nothing};
use crate::platform::Platform as Server;

fn connect(server: &Server) -> Platform {
    let mut data = super::secret(server.url());
    for (key, value) in [
        ("tenantId", &server.credential.tenant_id),
        ("clientId", &server.credential.client_id),
        ("clientSecret", &server.credential.client_secret),
    ] {
        data.insert(key.to_owned(), value.as_bytes().to_vec());
    }
    Platform::new(Connection::from_secret(&data).unwrap(), Duration::from_secs(10)).unwrap()
}

fn named(name: &str) -> [Change; 1] {
    [Change { field: Field::Name, to: Value::text(name) }]
}

fn other(kind: &str, name: &str) -> Mark {
    Mark { kind: kind.to_owned(), name: name.to_owned(), uid: name.to_owned(), ..mark() }
}

/// What `plan::removal` grants once everything is confirmed, suspended and waited for.
fn permit(observed: Observed) -> Permit {
    let now = Timestamp::now();
    let confirm = Confirmation {
        name: observed.name.clone(),
        unique_id: observed.unique_id.clone(),
        acknowledge: Acknowledgement::ALL.to_vec(),
        not_after: now.to_string(),
    };
    let record = TerminationStatus {
        step: Some(TerminationStep::Terminating),
        confirmed_at: Some(now.to_string()),
        confirm_digest: Some(confirm_digest("u1", &confirm)),
        purge_after: Some(now.to_string()),
        evidence: Some("here".to_owned()),
        ..TerminationStatus::default()
    };
    let id = observed.unique_id.clone();
    let intent = RemovalIntent {
        kind: Kind::Client,
        object: "ns/globex",
        policy: DeletionPolicy::Terminate,
        grace_seconds: Some(0),
        confirm: Some(&confirm),
        uid: "u1",
        abandon: None,
        unique_id: Some(&id),
        mark: &mark(),
        record: &record,
        has_adoption_id: false,
        is_paused: false,
        rules: Rules { request_timeout: Duration::ZERO, limits: Limits { partners: 1, clients: 1 } },
        walk: Walk { begun: now, has_recorded: true },
    };
    let entry = Entry {
        uid: "u1".to_owned(),
        kind: "Client".to_owned(),
        object: "ns/globex".to_owned(),
        id: id.clone(),
        time: now,
    };
    let surroundings = Surroundings {
        tenant: tenantry::plan::Tenant::Found(Box::new(observed)),
        children: Children { live: Some(Vec::new()), ..Children::default() },
        evidence: Kept::There("here".to_owned()),
        ledger: Booked::Read { ledger: Ledger { entries: vec![entry] }, open: Vec::new() },
        ..Surroundings::new(Going::No)
    };
    match removal(&intent, &surroundings, now) {
        Removal::Terminate(permit) => permit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_partner_and_its_client_live_and_end() {
    let server = Server::start().await;
    let platform = connect(&server);
    let partners = Place::Partners { sp: platform.tenant_id().to_owned() };
    let msp = platform.create(&partners, &named("Acme"), &nothing(), &other("Partner", "acme")).await.unwrap();
    let clients = Place::Clients { msp: msp.clone() };
    let id = platform.create(&clients, &named("Globex"), &nothing(), &mark()).await.unwrap();
    let read = async || platform.read(&clients, &id, true).await.unwrap().unwrap();
    let seen = read().await;
    assert_eq!((seen.name.as_str(), seen.life, &seen.mark), ("Globex", TenantLife::Active, &MarkSeen::Whole(mark())));
    assert!(seen.created.is_some() && seen.account_id.is_some() && seen.updated >= seen.created);
    platform.suspend(&clients, &id).await.unwrap();
    assert_eq!(read().await.life, TenantLife::Suspended);
    let listed = platform.living(&clients, Freshness::Now).await.unwrap();
    assert_eq!((listed.rows.len(), listed.rows[0].mark.as_ref()), (1, Some(&mark())), "suspended ones live");
    platform.update(&clients, &id, &city(), &nothing()).await.unwrap();
    platform.activate(&clients, &id).await.unwrap();
    assert_eq!(read().await.value(Field::City), Some(&Value::text("Berlin")));
    assert_eq!(platform.impact(&msp).await.unwrap().unwrap()["clients"], 1);
    platform.suspend(&clients, &id).await.unwrap();
    let permit_of_client = permit(read().await);
    platform.reserve_write(&clients).await.unwrap().terminate(permit_of_client).await.unwrap();
    assert_eq!(platform.read(&clients, &id, true).await, Ok(None));
    assert!(platform.living(&clients, Freshness::Burst).await.unwrap().rows.is_empty());
    let page = platform.page(&clients, 1).await.unwrap();
    assert_eq!((page.total_results, page.results[0].activated), (Some(1), false));
    platform.suspend(&partners, &msp).await.unwrap();
    let partner = platform.read(&partners, &msp, false).await.unwrap().unwrap();
    platform.reserve_write(&partners).await.unwrap().terminate(permit(partner)).await.unwrap();
    let error = platform.read(&clients, &id, false).await.unwrap_err();
    assert!(
        matches!(error, Error::ParentGone { .. }),
        "a tenant under an ended partner is not known to be gone: {error}"
    );
}

#[tokio::test]
async fn a_taken_name_and_mark_name_their_holder() {
    let server = Server::start().await;
    let platform = connect(&server);
    let clients = Place::Clients { msp: server.partner("Acme").await };
    let id = platform.create(&clients, &named("Globex"), &nothing(), &mark()).await.unwrap();
    for (name, mark) in [("Globex", other("Client", "second")), ("Second", mark())] {
        let Err(Error::Invalid { errors }) = platform.create(&clients, &named(name), &nothing(), &mark).await else {
            panic!("{name} was made twice")
        };
        assert_eq!(errors[0].holder.as_deref(), Some(id.as_str()), "{errors:?}");
    }
}

#[tokio::test]
async fn writes_under_a_suspended_partner_are_refused_as_such_and_reads_go_on() {
    let server = Server::start().await;
    let platform = connect(&server);
    let partners = Place::Partners { sp: platform.tenant_id().to_owned() };
    let msp = server.partner("Acme").await;
    let clients = Place::Clients { msp: msp.clone() };
    let id = platform.create(&clients, &named("Globex"), &nothing(), &mark()).await.unwrap();
    platform.suspend(&partners, &msp).await.unwrap();
    let error = platform.update(&clients, &id, &city(), &nothing()).await.unwrap_err();
    assert!(matches!(error, Error::ParentGone { .. }), "{error}");
    assert!(platform.read(&clients, &id, true).await.unwrap().is_some());
}

#[tokio::test]
async fn a_parent_out_of_reach_does_not_make_its_tenants_gone() {
    let server = Server::start().await;
    let platform = connect(&server);
    let id = server.sp.client(&server.partner("Acme").await, "Globex").await;
    let elsewhere = Place::Clients { msp: "msp_999".to_owned() };
    let error = platform.read(&elsewhere, &id, false).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn without_the_extensions_the_mark_lives_in_the_external_id() {
    let server = Server::with(|config| config.documented_only = true).await;
    let platform = connect(&server);
    let clients = Place::Clients { msp: platform.tenant_id().to_owned() };
    let id = platform.create(&clients, &named("Globex"), &nothing(), &mark()).await.unwrap();
    let seen = platform.read(&clients, &id, true).await.unwrap().unwrap();
    assert!(seen.mark.is(&mark()) && matches!(seen.mark, MarkSeen::Short(_)));
    platform.suspend(&clients, &id).await.unwrap();
    let seen = platform.read(&clients, &id, true).await.unwrap().unwrap();
    assert_eq!(seen.life, TenantLife::Inactive);
    assert_eq!(platform.living(&clients, Freshness::Now).await.unwrap().rows.len(), 1);
    let partner = Place::Partners { sp: "sp_1".to_owned() };
    let seen = platform.read(&partner, platform.tenant_id(), true).await.unwrap().unwrap();
    assert_eq!(seen.mark, MarkSeen::Unreadable);
}
