//! Tests every field of both kinds: set, changed, cleared, and changed outside Tenantry, over real HTTP against our
//! platform.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and print as tests do")]

mod normalization;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Method;
use tenantry_client::{Connection, PlatformClient};
use tenantry_core::{
    DesiredTenant, EffectiveSettings, Field, ObservedTenant, ObservedValue, Place, Plan, PlanStep, RecordKey,
    SettingsPayload, TenantKind, Value, ValueOrigin, ValueType, WriteRecord, diff,
};
use tenantry_platform::Credential;
use tenantry_wire::Mark;

use crate::platform::{ApiCaller, TestPlatform};
use rows::FieldValues;

/// An action on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FieldAction {
    Set,
    Change,
    Clear,
    ByAnotherClient,
}

/// A tenant as the operator manages it. Every field that was set stays declared, so that a field which changes another
/// one is detected.
struct FieldTenant {
    kind: TenantKind,
    place: Place,
    id: String,
    platform: PlatformClient,
    /// Another client of the API.
    other: ApiCaller,
    declared: BTreeMap<Field, Value>,
    payload: SettingsPayload,
    written: WriteRecord,
}

impl FieldTenant {
    fn mark(&self) -> Mark {
        format!("c1/{}/ns/x/u1", self.kind.name()).parse().unwrap()
    }

    fn desired_state(&self) -> DesiredTenant {
        let values = self.declared.iter().map(|(field, value)| (*field, (value.clone(), ValueOrigin::Spec))).collect();
        let effective = EffectiveSettings { values, payload: self.payload.clone(), ..EffectiveSettings::default() };
        DesiredTenant { kind: self.kind, effective, state: None, mark: self.mark() }
    }

    async fn observe(&self) -> ObservedTenant {
        self.platform.read_tenant(&self.place, &self.id, true).await.unwrap().unwrap()
    }

    async fn plan_changes(&self) -> Plan {
        diff(&self.desired_state(), Some(&self.observe().await), &self.written)
    }

    /// Applies a plan and remembers, like status, what the platform will not show.
    async fn apply_plan(&mut self, plan: &Plan) {
        for step in &plan.steps {
            match step {
                PlanStep::Update(changes) => {
                    self.platform.update_tenant(&self.place, &self.id, changes, &self.payload).await
                }
                PlanStep::Brand(changes) => self.platform.write_branding(&self.id, changes, &self.payload).await,
                PlanStep::Mark => self.platform.write_mark(&self.place, &self.id, &self.mark()).await,
                PlanStep::Create(_) | PlanStep::Activate | PlanStep::Suspend => {
                    panic!("{step:?} is no change of a setting")
                }
            }
            .unwrap_or_else(|error| panic!("{step:?}: {error}"));
        }
        for difference in &plan.differences {
            let record = self.written.record_value(difference.field, &difference.desired, &self.payload);
            self.written.records.insert(difference.field, record);
        }
    }

    fn declare_value(&mut self, field: Field, value: &Value, row: &FieldValues) {
        self.declared.insert(field, value.clone());
        if let Some(file) = row.images.get(value.to_json().as_str()) {
            self.payload.images.insert(field, ("x.png".to_owned(), file.clone()));
        }
        if let Some(secret) = row.secrets.get(value.to_json().as_str()) {
            self.payload.secrets.insert(field, secret.as_str().into());
        }
    }

    /// Asserts that the plan names only this field, and that nothing is left to do after it is applied.
    async fn check_action(&mut self, field: Field, action: FieldAction) {
        let label = || format!("{} of a {}, {action:?}", field.path(), self.kind.name());
        let plan = self.plan_changes().await;
        let names: Vec<Field> = plan.differences.iter().map(|difference| difference.field).collect();
        assert_eq!(names, [field], "{}", label());
        assert_eq!((&plan.unsupported, &plan.deferred), (&Vec::new(), &Vec::new()), "{}", label());
        self.apply_plan(&plan).await;
        let label = || format!("{} of a {}, {action:?}", field.path(), self.kind.name());
        let mut rest = self.plan_changes().await;
        assert_eq!(rest.differences, [], "{}", label());
        if rest.steps == [PlanStep::Mark] && field == Field::ExternalId {
            // The customer's external id made room for the mark.
            self.apply_plan(&rest).await;
            rest = self.plan_changes().await;
        }
        assert!(rest.is_empty(), "{}: {rest:?}", self.kind.name());
    }

    /// Writes the row's second value with the other client.
    async fn write_second_value(&self, field: Field, row: &FieldValues) {
        let (method, path) = match (field.is_branding(), self.place.kind()) {
            (true, _) => (Method::PUT, format!("/tenants/{}/customBranding", self.id)),
            (false, TenantKind::Partner) => {
                (Method::POST, format!("/tenants/{}/msps/{}", self.place.parent_id(), self.id))
            }
            (false, TenantKind::Client) => {
                (Method::POST, format!("/tenants/{}/clients/{}", self.place.parent_id(), self.id))
            }
        };
        self.other.send(method, &format!("/api/v2{path}"), row.wire_value.to_string().into_bytes()).await.json();
    }

    /// Adds or removes the add-ons of a client's switches. Removing them turns the switches off.
    async fn set_switch_add_ons(&self, is_on: bool) {
        let packages = ["Event and Incident Management", "Remediation and Automation"];
        let add_ons = ["SMS and Voice", "Remote Access Management"];
        let mut body = serde_json::json!({
            "packages": if is_on { &packages[..] } else { &[] }, "addOns": if is_on { &add_ons[..] } else { &[] },
        });
        if !is_on {
            body["clientDetails"] = serde_json::json!({ "smsVoiceNotification": false, "remoteAccess": false });
        }
        let path = format!("/tenants/{}/clients/{}", self.place.parent_id(), self.id);
        self.other.post(&path, body).await.json();
    }

    /// Runs every action that the field's form and the platform allow.
    async fn run_field_actions(&mut self, field: Field) -> Vec<FieldAction> {
        let before = self.observe().await;
        let row = rows::field_values(self.kind, field, before.value(field));
        self.declare_value(field, &row.first, &row);
        self.check_action(field, FieldAction::Set).await;
        let is_readable = match &self.observe().await.values[&field] {
            ObservedValue::Value(value) => {
                assert_eq!(*value, row.first, "{}", field.path());
                true
            }
            ObservedValue::Unreadable => false,
            ObservedValue::Unsupported => panic!("{} was set and is not supported", field.path()),
        };
        let mut ran = vec![FieldAction::Set, FieldAction::Change];
        self.declare_value(field, &row.second, &row);
        self.check_action(field, FieldAction::Change).await;
        if matches!(field.value_type(), ValueType::Text | ValueType::Set | ValueType::Image) {
            self.declare_value(field, &row.cleared, &row);
            self.check_action(field, FieldAction::Clear).await;
            ran.push(FieldAction::Clear);
        }
        self.declare_value(field, &row.first, &row);
        let plan = self.plan_changes().await;
        self.apply_plan(&plan).await;
        if is_readable {
            self.write_second_value(field, &row).await;
            assert_eq!(self.observe().await.value(field), Some(&row.second), "{} as others write it", field.path());
            self.check_action(field, FieldAction::ByAnotherClient).await;
            ran.push(FieldAction::ByAnotherClient);
        }
        ran
    }
}

/// Moments are not included: a moment never moves back, so it can be neither changed to any value nor corrected.
/// `sim::moment` tests it.
fn fields_of_kind(kind: TenantKind) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.is_available_for(kind) && *field != Field::PasswordsSetBefore)
}

/// Counts of the actions that ran, and of the fields that the platform cannot hold.
#[derive(Default)]
struct FieldActionCounts {
    ran: BTreeMap<FieldAction, usize>,
    unsupported: BTreeSet<&'static str>,
}

impl FieldActionCounts {
    async fn run_fields(&mut self, mut tenant: FieldTenant, fields: impl Fn(Field) -> bool) {
        let seen = tenant.observe().await.values;
        for field in fields_of_kind(tenant.kind).filter(|field| fields(*field)) {
            if seen[&field] == ObservedValue::Unsupported {
                self.unsupported.insert(field.path());
                continue;
            }
            let switched = matches!(field, Field::SmsVoiceNotification | Field::RemoteAccess);
            if switched {
                tenant.set_switch_add_ons(true).await;
            }
            let actions = tenant.run_field_actions(field).await;
            if switched {
                tenant.declared.remove(&field);
                tenant.set_switch_add_ons(false).await;
            }
            for action in actions {
                *self.ran.entry(action).or_default() += 1;
            }
        }
    }

    fn counts(&self) -> [usize; 4] {
        [FieldAction::Set, FieldAction::Change, FieldAction::Clear, FieldAction::ByAnotherClient]
            .map(|action| self.ran[&action])
    }

    fn print(&self, platform: &str) {
        let Self { ran, unsupported } = self;
        println!("{platform}: {} cells ran: {ran:?}; not supported: {unsupported:?}", ran.values().sum::<usize>());
    }
}

fn connect_client(url: &str, credential: &Credential) -> PlatformClient {
    let data = [
        ("url", url),
        ("tenantId", &credential.tenant_id),
        ("clientId", &credential.client_id),
        ("clientSecret", &credential.client_secret),
    ];
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect();
    PlatformClient::new(Connection::from_secret(&data).unwrap(), Duration::from_secs(20)).unwrap()
}

async fn field_tenant(server: &TestPlatform, credential: &Credential, place: Place, id: &str) -> FieldTenant {
    FieldTenant {
        kind: place.kind(),
        place,
        id: id.to_owned(),
        platform: connect_client(server.url(), credential),
        other: ApiCaller::new(server.url(), credential).await,
        declared: BTreeMap::new(),
        payload: SettingsPayload::default(),
        written: WriteRecord { uid: "u1".to_owned(), key: RecordKey::from_bytes(&[1; 32]), ..WriteRecord::default() },
    }
}

/// Creates a tenant with only a name, through the client.
async fn create_field_tenant(server: &TestPlatform, credential: &Credential, place: Place) -> FieldTenant {
    let mut tenant = field_tenant(server, credential, place, "").await;
    let name = [tenantry_core::SettingChange { field: Field::Name, to: Value::text("Before") }];
    tenant.id = tenant.platform.create_tenant(&tenant.place, &name, &tenant.payload, &tenant.mark()).await.unwrap();
    tenant
}

fn first_credential(server: &TestPlatform) -> &Credential {
    &server.credential
}

/// Creates a partner that has everything that its clients may use.
async fn create_full_partner(server: &TestPlatform) -> String {
    let id = server.create_partner("Above").await;
    let add_ons = [
        "SLA Management",
        "Offline Alerts",
        "Knowledgebase Management",
        "Process Automation",
        "SMS and Voice",
        "Remote Access Management",
    ];
    let path = format!("{}/{id}", server.partners_path());
    server.sp.post(&path, serde_json::json!({ "addOns": add_ons })).await.json();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_can_be_set_changed_cleared_and_corrected() {
    let server = TestPlatform::start().await;
    let mut tally = FieldActionCounts::default();
    let msp = create_full_partner(&server).await;
    tally
        .run_fields(create_field_tenant(&server, first_credential(&server), Place::Clients { msp }).await, |_| true)
        .await;
    tally
        .run_fields(
            create_field_tenant(&server, first_credential(&server), Place::Partners { sp: server.sp_id.clone() }).await,
            |_| true,
        )
        .await;
    tally.print("our platform");
    assert_eq!(tally.unsupported, BTreeSet::new());
    // 75 fields of both kinds; 36 of them are switches, numbers and texts that must not be empty, which cannot be
    // cleared, and keys of Duo, which are never shown.
    assert_eq!(tally.counts(), [75, 75, 39, 71]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_public_api_documents_can_be_set_changed_cleared_and_corrected_without_the_extensions() {
    let mut server = TestPlatform::start().await;
    // No documented call creates a partner or gives it packages.
    let msp = create_full_partner(&server).await;
    let shown = server.sp.post_empty(&format!("/tenants/{msp}/credentials")).await.json();
    let text = |key: &str| shown[key].as_str().unwrap().to_owned();
    let credential =
        Credential { tenant_id: msp.clone(), client_id: text("clientId"), client_secret: text("clientSecret") };
    server.restart(|config| config.documented_only = true).await;
    let mut tally = FieldActionCounts::default();
    tally
        .run_fields(create_field_tenant(&server, &credential, Place::Clients { msp: msp.clone() }).await, |_| true)
        .await;
    // Only the branding of a partner can be written.
    let place = Place::Partners { sp: "sp_1".to_owned() };
    tally.run_fields(field_tenant(&server, &credential, place, &msp).await, Field::is_branding).await;
    tally.print("documented API");
    assert_eq!(tally.unsupported.len(), 4, "{:?}", tally.unsupported);
    // 35 fields of a client and 8 of a partner's branding; images are answered without their digest.
    assert_eq!(tally.counts(), [43, 43, 27, 37]);
}

/// A tenant that is created with all fields at once, as the operator creates it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_made_with_every_field_has_every_field() {
    let server = TestPlatform::start().await;
    let msp = create_full_partner(&server).await;
    for place in [Place::Clients { msp }, Place::Partners { sp: server.sp_id.clone() }] {
        let mut tenant = field_tenant(&server, first_credential(&server), place, "").await;
        for field in fields_of_kind(tenant.kind) {
            let row = rows::field_values(tenant.kind, field, None);
            tenant.declare_value(field, &row.first, &row);
        }
        let plan = diff(&tenant.desired_state(), None, &tenant.written);
        let [PlanStep::Create(create), brand @ PlanStep::Brand(_)] = &plan.steps[..] else {
            panic!("{:?}", plan.steps)
        };
        tenant.id =
            tenant.platform.create_tenant(&tenant.place, create, &tenant.payload, &tenant.mark()).await.unwrap();
        tenant.apply_plan(&Plan { steps: vec![brand.clone()], ..plan.clone() }).await;
        assert_eq!(tenant.plan_changes().await, Plan::default(), "{}", tenant.kind.name());
    }
}
