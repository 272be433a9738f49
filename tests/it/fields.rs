//! Every field of both kinds, set, changed, cleared and changed behind our back, over real HTTP against our platform.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and print as tests do")]

mod normal;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Method;
use tenantry::connect::{Connection, Place, Platform};
use tenantry::plan::{
    Desired, Effective, Field, Form, Kind, Observed, Origin, Payload, Plan, RecordKey, Seen, Step, Value, Written, diff,
};
use tenantry::platform::Credential;
use tenantry::wire::Mark;

use crate::platform::{Caller, Platform as Server};
use rows::Row;

/// What is done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Set,
    Change,
    Clear,
    BehindOurBack,
}

/// A tenant, as the operator holds it: every field that was set so far stays declared, so that a field which
/// changes another one is found out.
struct Tenant {
    kind: Kind,
    place: Place,
    id: String,
    platform: Platform,
    /// Another client of the API.
    other: Caller,
    declared: BTreeMap<Field, Value>,
    payload: Payload,
    written: Written,
}

impl Tenant {
    fn mark(&self) -> Mark {
        format!("c1/{}/ns/x/u1", self.kind.name()).parse().unwrap()
    }

    fn desired(&self) -> Desired {
        let values = self.declared.iter().map(|(field, value)| (*field, (value.clone(), Origin::Spec))).collect();
        let effective = Effective { values, payload: self.payload.clone(), ..Effective::default() };
        Desired { kind: self.kind, effective, state: None, mark: self.mark() }
    }

    async fn read(&self) -> Observed {
        self.platform.read(&self.place, &self.id, true).await.unwrap().unwrap()
    }

    async fn plan(&self) -> Plan {
        diff(&self.desired(), Some(&self.read().await), &self.written)
    }

    /// Carries a plan out and remembers, as status does, what the platform will not show.
    async fn apply(&mut self, plan: &Plan) {
        for step in &plan.steps {
            match step {
                Step::Update(changes) => self.platform.update(&self.place, &self.id, changes, &self.payload).await,
                Step::Brand(changes) => self.platform.brand(&self.id, changes, &self.payload).await,
                Step::Mark => self.platform.mark(&self.place, &self.id, &self.mark()).await,
                Step::Create(_) | Step::Activate | Step::Suspend => panic!("{step:?} is no change of a setting"),
            }
            .unwrap_or_else(|error| panic!("{step:?}: {error}"));
        }
        for difference in &plan.differences {
            let record = self.written.record(difference.field, &difference.desired, &self.payload);
            self.written.records.insert(difference.field, record);
        }
    }

    fn declare(&mut self, field: Field, value: &Value, row: &Row) {
        self.declared.insert(field, value.clone());
        if let Some(file) = row.images.get(value.json().as_str()) {
            self.payload.images.insert(field, ("x.png".to_owned(), file.clone()));
        }
        if let Some(secret) = row.secrets.get(value.json().as_str()) {
            self.payload.secrets.insert(field, secret.as_str().into());
        }
    }

    /// The plan names this field alone; carried out, nothing is left to do.
    async fn converge(&mut self, field: Field, action: Action) {
        let told = || format!("{} of a {}, {action:?}", field.path(), self.kind.name());
        let plan = self.plan().await;
        let names: Vec<Field> = plan.differences.iter().map(|difference| difference.field).collect();
        assert_eq!(names, [field], "{}", told());
        assert_eq!((&plan.unsupported, &plan.waiting), (&Vec::new(), &Vec::new()), "{}", told());
        self.apply(&plan).await;
        let told = || format!("{} of a {}, {action:?}", field.path(), self.kind.name());
        let mut rest = self.plan().await;
        assert_eq!(rest.differences, [], "{}", told());
        if rest.steps == [Step::Mark] && field == Field::ExternalId {
            // The customer's number made room for the mark.
            self.apply(&rest).await;
            rest = self.plan().await;
        }
        assert!(rest.is_empty(), "{}: {rest:?}", self.kind.name());
    }

    /// Another client writes the row's second value.
    async fn meddle(&self, field: Field, row: &Row) {
        let (method, path) = match (field.is_branding(), self.place.kind()) {
            (true, _) => (Method::PUT, format!("/tenants/{}/customBranding", self.id)),
            (false, Kind::Partner) => (Method::POST, format!("/tenants/{}/msps/{}", self.place.parent(), self.id)),
            (false, Kind::Client) => (Method::POST, format!("/tenants/{}/clients/{}", self.place.parent(), self.id)),
        };
        self.other.raw(method, &format!("/api/v2{path}"), row.raw.to_string().into_bytes()).await.json();
    }

    /// Gives a client the add-ons of its switches, or takes them away: the switches go off with them.
    async fn switchable(&self, is_on: bool) {
        let packages = ["Event and Incident Management", "Remediation and Automation"];
        let add_ons = ["SMS and Voice", "Remote Access Management"];
        let mut body = serde_json::json!({
            "packages": if is_on { &packages[..] } else { &[] }, "addOns": if is_on { &add_ons[..] } else { &[] },
        });
        if !is_on {
            body["clientDetails"] = serde_json::json!({ "smsVoiceNotification": false, "remoteAccess": false });
        }
        let path = format!("/tenants/{}/clients/{}", self.place.parent(), self.id);
        self.other.post(&path, body).await.json();
    }

    /// Every action that the field's form and the platform allow.
    async fn exercise(&mut self, field: Field) -> Vec<Action> {
        let before = self.read().await;
        let row = rows::row(self.kind, field, before.value(field));
        self.declare(field, &row.first, &row);
        self.converge(field, Action::Set).await;
        let is_readable = match &self.read().await.seen[&field] {
            Seen::Value(value) => {
                assert_eq!(*value, row.first, "{}", field.path());
                true
            }
            Seen::Unreadable => false,
            Seen::Unsupported => panic!("{} was set and is not supported", field.path()),
        };
        let mut ran = vec![Action::Set, Action::Change];
        self.declare(field, &row.second, &row);
        self.converge(field, Action::Change).await;
        if matches!(field.form(), Form::Text | Form::Set | Form::Image) {
            self.declare(field, &row.cleared, &row);
            self.converge(field, Action::Clear).await;
            ran.push(Action::Clear);
        }
        self.declare(field, &row.first, &row);
        let plan = self.plan().await;
        self.apply(&plan).await;
        if is_readable {
            self.meddle(field, &row).await;
            assert_eq!(self.read().await.value(field), Some(&row.second), "{} as others write it", field.path());
            self.converge(field, Action::BehindOurBack).await;
            ran.push(Action::BehindOurBack);
        }
        ran
    }
}

/// A moment is not among them: it never moves back, so it can be neither changed to any value nor corrected. It has tests of
/// its own (`sim::moment`).
fn of(kind: Kind) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.is_of(kind) && *field != Field::PasswordsSetBefore)
}

/// Cells that ran, and fields that the platform cannot hold.
#[derive(Default)]
struct Tally {
    ran: BTreeMap<Action, usize>,
    unsupported: BTreeSet<&'static str>,
}

impl Tally {
    async fn run(&mut self, mut tenant: Tenant, fields: impl Fn(Field) -> bool) {
        let seen = tenant.read().await.seen;
        for field in of(tenant.kind).filter(|field| fields(*field)) {
            if seen[&field] == Seen::Unsupported {
                self.unsupported.insert(field.path());
                continue;
            }
            let switched = matches!(field, Field::SmsVoiceNotification | Field::RemoteAccess);
            if switched {
                tenant.switchable(true).await;
            }
            let actions = tenant.exercise(field).await;
            if switched {
                tenant.declared.remove(&field);
                tenant.switchable(false).await;
            }
            for action in actions {
                *self.ran.entry(action).or_default() += 1;
            }
        }
    }

    fn counts(&self) -> [usize; 4] {
        [Action::Set, Action::Change, Action::Clear, Action::BehindOurBack].map(|action| self.ran[&action])
    }

    fn print(&self, platform: &str) {
        let Self { ran, unsupported } = self;
        println!("{platform}: {} cells ran: {ran:?}; not supported: {unsupported:?}", ran.values().sum::<usize>());
    }
}

fn connect(url: &str, credential: &Credential) -> Platform {
    let data = [
        ("url", url),
        ("tenantId", &credential.tenant_id),
        ("clientId", &credential.client_id),
        ("clientSecret", &credential.client_secret),
    ];
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect();
    Platform::new(Connection::from_secret(&data).unwrap(), Duration::from_secs(20)).unwrap()
}

async fn tenant(server: &Server, credential: &Credential, place: Place, id: &str) -> Tenant {
    Tenant {
        kind: place.kind(),
        place,
        id: id.to_owned(),
        platform: connect(server.url(), credential),
        other: Caller::new(server.url(), credential).await,
        declared: BTreeMap::new(),
        payload: Payload::default(),
        written: Written { uid: "u1".to_owned(), key: RecordKey::from_bytes(&[1; 32]), ..Written::default() },
    }
}

/// A tenant with nothing but a name, made through the client.
async fn made(server: &Server, credential: &Credential, place: Place) -> Tenant {
    let mut tenant = tenant(server, credential, place, "").await;
    let name = [tenantry::plan::Change { field: Field::Name, to: Value::text("Before") }];
    tenant.id = tenant.platform.create(&tenant.place, &name, &tenant.payload, &tenant.mark()).await.unwrap();
    tenant
}

fn first(server: &Server) -> &Credential {
    &server.credential
}

/// A partner that has what its clients may want.
async fn partner(server: &Server) -> String {
    let id = server.partner("Above").await;
    let add_ons = [
        "SLA Management",
        "Offline Alerts",
        "Knowledgebase Management",
        "Process Automation",
        "SMS and Voice",
        "Remote Access Management",
    ];
    let path = format!("{}/{id}", server.msps());
    server.sp.post(&path, serde_json::json!({ "addOns": add_ons })).await.json();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_can_be_set_changed_cleared_and_corrected() {
    let server = Server::start().await;
    let mut tally = Tally::default();
    let msp = partner(&server).await;
    tally.run(made(&server, first(&server), Place::Clients { msp }).await, |_| true).await;
    tally.run(made(&server, first(&server), Place::Partners { sp: server.sp_id.clone() }).await, |_| true).await;
    tally.print("our platform");
    assert_eq!(tally.unsupported, BTreeSet::new());
    // 75 fields of both kinds; 36 of them are switches, numbers and texts that must not be empty, which cannot be
    // cleared, and keys of Duo, which are never shown.
    assert_eq!(tally.counts(), [75, 75, 39, 71]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_public_api_documents_can_be_set_changed_cleared_and_corrected_without_the_extensions() {
    let mut server = Server::start().await;
    // No documented call makes a partner or gives it packages.
    let msp = partner(&server).await;
    let shown = server.sp.act(&format!("/tenants/{msp}/credentials")).await.json();
    let text = |key: &str| shown[key].as_str().unwrap().to_owned();
    let credential =
        Credential { tenant_id: msp.clone(), client_id: text("clientId"), client_secret: text("clientSecret") };
    server.restart(|config| config.documented_only = true).await;
    let mut tally = Tally::default();
    tally.run(made(&server, &credential, Place::Clients { msp: msp.clone() }).await, |_| true).await;
    // Of a partner only the branding can be written.
    let place = Place::Partners { sp: "sp_1".to_owned() };
    tally.run(tenant(&server, &credential, place, &msp).await, Field::is_branding).await;
    tally.print("documented API");
    assert_eq!(tally.unsupported.len(), 4, "{:?}", tally.unsupported);
    // 35 fields of a client and 8 of a partner's branding; images are answered without their digest.
    assert_eq!(tally.counts(), [43, 43, 27, 37]);
}

/// A tenant made with everything at once, as the operator makes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_made_with_every_field_has_every_field() {
    let server = Server::start().await;
    let msp = partner(&server).await;
    for place in [Place::Clients { msp }, Place::Partners { sp: server.sp_id.clone() }] {
        let mut tenant = tenant(&server, first(&server), place, "").await;
        for field in of(tenant.kind) {
            let row = rows::row(tenant.kind, field, None);
            tenant.declare(field, &row.first, &row);
        }
        let plan = diff(&tenant.desired(), None, &tenant.written);
        let [Step::Create(create), brand @ Step::Brand(_)] = &plan.steps[..] else { panic!("{:?}", plan.steps) };
        tenant.id = tenant.platform.create(&tenant.place, create, &tenant.payload, &tenant.mark()).await.unwrap();
        tenant.apply(&Plan { steps: vec![brand.clone()], ..plan.clone() }).await;
        assert_eq!(tenant.plan().await, Plan::default(), "{}", tenant.kind.name());
    }
}
