//! The life of tenants on our own platform, through the client.

use std::time::Duration;

use jiff::Timestamp;
use tenantry_api::{Acknowledgement, Confirmation, DeletionPolicy, TerminationStatus, TerminationStep};
use tenantry_client::{CallError, Connection, ListFreshness, PlatformClient};
use tenantry_core::{
    ContainerDeletion, DeletionContext, DeletionIntent, DeletionPass, DeletionRules, DeletionStep, EvidenceState,
    Field, LedgerEntry, LedgerState, LifecycleState, ObservedMark, ObservedTenant, PartnerClients, Place,
    SettingChange, TenantKind, TerminationLedger, TerminationLimits, TerminationPermit, Value, confirm_digest,
    next_deletion_step,
};
use tenantry_wire::Mark;

use super::{city_change, no_payload, test_mark};
use crate::platform::TestPlatform;

fn connect_client(server: &TestPlatform) -> PlatformClient {
    let mut data = super::connection_secret(server.url());
    for (key, value) in [
        ("tenantId", &server.credential.tenant_id),
        ("clientId", &server.credential.client_id),
        ("clientSecret", &server.credential.client_secret),
    ] {
        data.insert(key.to_owned(), value.as_bytes().to_vec());
    }
    PlatformClient::new(Connection::from_secret(&data).unwrap(), Duration::from_secs(10)).unwrap()
}

fn name_change(name: &str) -> [SettingChange; 1] {
    [SettingChange { field: Field::Name, to: Value::text(name) }]
}

fn other_mark(kind: &str, name: &str) -> Mark {
    Mark { kind: kind.to_owned(), name: name.to_owned(), uid: name.to_owned(), ..test_mark() }
}

/// Returns the permit that `tenantry_core::deletion` grants after confirmation, suspension and grace period.
fn termination_permit(observed: ObservedTenant) -> TerminationPermit {
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
    let intent = DeletionIntent {
        kind: TenantKind::Client,
        object: "ns/globex",
        policy: DeletionPolicy::Terminate,
        grace_seconds: Some(0),
        confirm: Some(&confirm),
        uid: "u1",
        abandon: None,
        unique_id: Some(&id),
        mark: &test_mark(),
        record: &record,
        has_adoption_id: false,
        is_paused: false,
        rules: DeletionRules { request_timeout: Duration::ZERO, limits: TerminationLimits { partners: 1, clients: 1 } },
        pass: DeletionPass { started_at: now, has_recorded: true },
    };
    let entry = LedgerEntry {
        uid: "u1".to_owned(),
        kind: "Client".to_owned(),
        object: "ns/globex".to_owned(),
        id: id.clone(),
        time: now,
    };
    let deletion_context = DeletionContext {
        tenant: tenantry_core::DeletionTarget::Found(Box::new(observed)),
        children: PartnerClients { active_tenants: Some(Vec::new()), ..PartnerClients::default() },
        evidence: EvidenceState::Present("here".to_owned()),
        ledger: LedgerState::Read { ledger: TerminationLedger { entries: vec![entry] }, open: Vec::new() },
        ..DeletionContext::new(ContainerDeletion::NotDeleting)
    };
    match next_deletion_step(&intent, &deletion_context, now) {
        DeletionStep::Terminate(permit) => permit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_partner_and_its_client_live_and_end() {
    let server = TestPlatform::start().await;
    let platform = connect_client(&server);
    let partners = Place::Partners { sp: platform.tenant_id().to_owned() };
    let msp = platform
        .create_tenant(&partners, &name_change("Acme"), &no_payload(), &other_mark("Partner", "acme"))
        .await
        .unwrap();
    let clients = Place::Clients { msp: msp.clone() };
    let id = platform.create_tenant(&clients, &name_change("Globex"), &no_payload(), &test_mark()).await.unwrap();
    let read = async || platform.read_tenant(&clients, &id, true).await.unwrap().unwrap();
    let seen = read().await;
    assert_eq!(
        (seen.name.as_str(), seen.lifecycle, &seen.mark),
        ("Globex", LifecycleState::Active, &ObservedMark::Full(test_mark()))
    );
    assert!(seen.created.is_some() && seen.account_id.is_some() && seen.updated >= seen.created);
    platform.suspend_tenant(&clients, &id).await.unwrap();
    assert_eq!(read().await.lifecycle, LifecycleState::Suspended);
    let listed = platform.list_live_tenants(&clients, ListFreshness::Current).await.unwrap();
    assert_eq!((listed.rows.len(), listed.rows[0].mark.as_ref()), (1, Some(&test_mark())), "suspended ones live");
    platform.update_tenant(&clients, &id, &city_change(), &no_payload()).await.unwrap();
    platform.activate_tenant(&clients, &id).await.unwrap();
    assert_eq!(read().await.value(Field::City), Some(&Value::text("Berlin")));
    assert_eq!(platform.read_impact(&msp).await.unwrap().unwrap()["clients"], 1);
    platform.suspend_tenant(&clients, &id).await.unwrap();
    let permit_of_client = termination_permit(read().await);
    platform.reserve_write(&clients).await.unwrap().terminate(permit_of_client).await.unwrap();
    assert_eq!(platform.read_tenant(&clients, &id, true).await, Ok(None));
    assert!(platform.list_live_tenants(&clients, ListFreshness::Recent).await.unwrap().rows.is_empty());
    let page = platform.list_page(&clients, 1).await.unwrap();
    assert_eq!((page.total_results, page.results[0].activated), (Some(1), false));
    platform.suspend_tenant(&partners, &msp).await.unwrap();
    let partner = platform.read_tenant(&partners, &msp, false).await.unwrap().unwrap();
    platform.reserve_write(&partners).await.unwrap().terminate(termination_permit(partner)).await.unwrap();
    let error = platform.read_tenant(&clients, &id, false).await.unwrap_err();
    assert!(
        matches!(error, CallError::ParentGone { .. }),
        "a tenant under an ended partner is not known to be gone: {error}"
    );
}

#[tokio::test]
async fn a_taken_name_and_mark_name_their_holder() {
    let server = TestPlatform::start().await;
    let platform = connect_client(&server);
    let clients = Place::Clients { msp: server.create_partner("Acme").await };
    let id = platform.create_tenant(&clients, &name_change("Globex"), &no_payload(), &test_mark()).await.unwrap();
    for (name, mark) in [("Globex", other_mark("Client", "second")), ("Second", test_mark())] {
        let Err(CallError::Invalid { errors }) =
            platform.create_tenant(&clients, &name_change(name), &no_payload(), &mark).await
        else {
            panic!("{name} was made twice")
        };
        assert_eq!(errors[0].holder.as_deref(), Some(id.as_str()), "{errors:?}");
    }
}

#[tokio::test]
async fn writes_under_a_suspended_partner_are_refused_as_such_and_reads_go_on() {
    let server = TestPlatform::start().await;
    let platform = connect_client(&server);
    let partners = Place::Partners { sp: platform.tenant_id().to_owned() };
    let msp = server.create_partner("Acme").await;
    let clients = Place::Clients { msp: msp.clone() };
    let id = platform.create_tenant(&clients, &name_change("Globex"), &no_payload(), &test_mark()).await.unwrap();
    platform.suspend_tenant(&partners, &msp).await.unwrap();
    let error = platform.update_tenant(&clients, &id, &city_change(), &no_payload()).await.unwrap_err();
    assert!(matches!(error, CallError::ParentGone { .. }), "{error}");
    assert!(platform.read_tenant(&clients, &id, true).await.unwrap().is_some());
}

#[tokio::test]
async fn a_parent_out_of_reach_does_not_make_its_tenants_gone() {
    let server = TestPlatform::start().await;
    let platform = connect_client(&server);
    let id = server.sp.create_client(&server.create_partner("Acme").await, "Globex").await;
    let elsewhere = Place::Clients { msp: "msp_999".to_owned() };
    let error = platform.read_tenant(&elsewhere, &id, false).await.unwrap_err();
    assert!(matches!(error, CallError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn without_the_extensions_the_mark_lives_in_the_external_id() {
    let server = TestPlatform::start_with(|config| config.documented_only = true).await;
    let platform = connect_client(&server);
    let clients = Place::Clients { msp: platform.tenant_id().to_owned() };
    let id = platform.create_tenant(&clients, &name_change("Globex"), &no_payload(), &test_mark()).await.unwrap();
    let seen = platform.read_tenant(&clients, &id, true).await.unwrap().unwrap();
    assert!(seen.mark.is_exactly(&test_mark()) && matches!(seen.mark, ObservedMark::Short(_)));
    platform.suspend_tenant(&clients, &id).await.unwrap();
    let seen = platform.read_tenant(&clients, &id, true).await.unwrap().unwrap();
    assert_eq!(seen.lifecycle, LifecycleState::Inactive);
    assert_eq!(platform.list_live_tenants(&clients, ListFreshness::Current).await.unwrap().rows.len(), 1);
    let partner = Place::Partners { sp: "sp_1".to_owned() };
    let seen = platform.read_tenant(&partner, platform.tenant_id(), true).await.unwrap().unwrap();
    assert_eq!(seen.mark, ObservedMark::Unreadable);
}
