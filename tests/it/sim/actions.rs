//! Actions of a random run: what people do on both servers, in an arbitrary order.

mod neighbours;

use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use tenantry_api::ABANDON;

use super::cluster::{CLIENTS, PARTNERS, Resource, SECRETS, SimObjectKey};
use super::exchange::SimWorld;
use super::lasting_faults::{LastingFault, any_lasting_fault};
use super::newer_release::{newer_field, newer_value, without_newer_members};
use super::platform::SimTenant;
use super::user_actions::merge_spec;
pub(crate) use neighbours::{ClaimedOwner, NeighbourAction, TenantClaim};

/// The objects of a random run: two Partners in two namespaces, three Clients of them, and one of each kind that claims
/// the tenants of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimActor {
    Acme,
    Beta,
    Globex,
    Initech,
    Hooli,
    Upstart,
    Rival,
}

impl SimActor {
    pub(crate) const ALL: [Self; 7] =
        [Self::Acme, Self::Beta, Self::Globex, Self::Initech, Self::Hooli, Self::Upstart, Self::Rival];

    pub(crate) fn key(self) -> SimObjectKey {
        match self {
            Self::Acme => SimObjectKey::new(PARTNERS, "a", "acme"),
            Self::Beta => SimObjectKey::new(PARTNERS, "b", "beta"),
            Self::Globex => SimObjectKey::new(CLIENTS, "a", "globex"),
            Self::Initech => SimObjectKey::new(CLIENTS, "a", "initech"),
            Self::Hooli => SimObjectKey::new(CLIENTS, "b", "hooli"),
            Self::Upstart => SimObjectKey::new(PARTNERS, "a", "upstart"),
            Self::Rival => SimObjectKey::new(CLIENTS, "b", "rival"),
        }
    }

    fn spec(self) -> Value {
        // Clients subscribe to no more than their Partner has.
        let connection = json!({
            "connectionSecretRef": {"name": "platform"}, "addOns": ["SLAManagement"],
            "packages": ["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement"],
        });
        let reference = match self {
            Self::Acme => merge_spec(connection, &json!({"clients": {"allowedNamespaces": {"from": "All"}}})),
            Self::Beta | Self::Upstart => connection,
            Self::Globex | Self::Initech => json!({"partnerRef": {"name": "acme"}}),
            Self::Hooli => json!({"partnerRef": {"name": "beta"}}),
            Self::Rival => json!({"partnerRef": {"name": "acme", "namespace": "a"}}),
        };
        let details = json!({"name": format!("{self:?}"), "timezone": "Europe/Berlin", "country": "Germany"});
        merge_spec(reference, &json!({"details": details}))
    }
}

/// Returns the spec of an object.
pub(crate) fn object_spec(actor: SimActor) -> Value {
    actor.spec()
}

/// What is wrong with the consent to a termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentFlaw {
    None,
    Absent,
    Name,
    Id,
    Acknowledge,
    Past,
    TooFar,
    Retain,
    Suspend,
    Paused,
}

/// An action.
#[derive(Clone, Debug)]
pub(crate) enum SimAction {
    Create(SimActor),
    Edit(SimActor, Value),
    Drift(SimActor, Value),
    ChangeState(SimActor, &'static str),
    Delete(SimActor),
    Consent(SimActor, ConsentFlaw, i64),
    ConsentAndDelete(SimActor, ConsentFlaw, i64),
    ConsentAndDeleteNamespace(SimActor, i64),
    Revoke(SimActor, &'static str),
    RemoveFinalizer(SimActor),
    Abandon(SimActor),
    MarkAsForeign(SimActor),
    WriteNewerMember(SimActor, bool),
    RemoveNewerMembers(SimActor),
    Neighbour(NeighbourAction),
    BeginFault(LastingFault),
    /// A termination whose consent is withdrawn while the call waits for the rate limit, after so many seconds of
    /// waiting.
    ConsentAndWithdraw(SimActor, u64),
    CreateForeignTenant(SimActor),
    Adopt(SimActor),
    DeleteNamespace(&'static str),
    CreateNamespace(&'static str),
    DeleteSecret(&'static str),
    DeleteDefinition(Resource),
    CreateDefinition(Resource),
    Resume(SimActor),
    Crash,
}

fn any_actor() -> impl Strategy<Value = SimActor> {
    prop::sample::select(SimActor::ALL.to_vec())
}

/// Generates edits. Settings differ from object to object, so that a write shows which object declared it.
fn any_edit(actor: SimActor) -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["Bonn", "Ulm", "Trier"])
            .prop_map(move |city| json!({"details": {"city": format!("{city} of {actor:?}")}})),
        prop::sample::select(vec!["Active", "Suspended"]).prop_map(|state| json!({"tenantState": state})),
        any::<bool>().prop_map(move |other| {
            json!({"details": {"address": if other { format!("{actor:?}str. 1") } else { format!("Am {actor:?} 2") }}})
        }),
        Just(json!({"management": {"mode": "Paused"}})),
    ]
}

fn any_drift() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["Bonn", "Ulm", "Kiel"]).prop_map(|city| json!({"city": city})),
        Just(json!({"address": "elsewhere"})),
        Just(json!({"name": "Renamed"})),
    ]
}

/// Relative frequencies of actions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActionWeights {
    /// Terminations, against 30 for other actions of people.
    pub(crate) terminations: u32,
    /// Faults, against the same 30.
    pub(crate) faults: u32,
    /// Claims on tenants of other objects, and lasting faults on the way to the servers.
    pub(crate) neighbours: u32,
    /// A consent without a flaw.
    pub(crate) flawless: u32,
    /// A consent with a flaw of the confirmation, against 3 for a flaw of policy or mode.
    pub(crate) unconfirmed: u32,
    /// A pause between a second and a minute and a half, against 4 for shorter and longer ones.
    pub(crate) medium_pause: u32,
}

fn any_flaw(weights: ActionWeights) -> impl Strategy<Value = ConsentFlaw> {
    use ConsentFlaw::{Absent, Acknowledge, Id, Name, None, Past, Paused, Retain, Suspend, TooFar};
    prop_oneof![
        weights.flawless => Just(None),
        weights.unconfirmed => prop::sample::select(vec![Absent, Name, Id, Acknowledge, Past, TooFar]),
        3 => prop::sample::select(vec![Retain, Suspend, Paused]),
    ]
}

fn any_grace_period() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0, 45, 400])
}

/// Generates an action and the pause after it.
pub(crate) fn any_action(weights: ActionWeights) -> impl Strategy<Value = (SimAction, Duration)> {
    let act = prop::sample::select(vec!["suspend", "activate", "suspend", "activate", "terminate"]);
    let place = || prop::sample::select(vec!["a", "b"]);
    let kind = || prop::sample::select(vec![PARTNERS, CLIENTS]);
    let people = prop_oneof![
        10 => prop::sample::select(SimActor::ALL[..5].to_vec()).prop_map(SimAction::Create),
        1 => any_actor().prop_map(SimAction::Create),
        5 => any_actor().prop_flat_map(|who| any_edit(who).prop_map(move |spec| SimAction::Edit(who, spec))),
        3 => (any_actor(), any_drift()).prop_map(|(who, change)| SimAction::Drift(who, change)),
        2 => (any_actor(), act).prop_map(|(who, act)| SimAction::ChangeState(who, act)),
        3 => any_actor().prop_map(SimAction::Delete),
        1 => any_actor().prop_map(SimAction::RemoveFinalizer),
        1 => any_actor().prop_map(SimAction::CreateForeignTenant),
        1 => any_actor().prop_map(SimAction::Adopt),
        1 => (any_actor(), any::<bool>()).prop_map(|(who, is_value)| SimAction::WriteNewerMember(who, is_value)),
        1 => any_actor().prop_map(SimAction::RemoveNewerMembers),
        2 => place().prop_map(SimAction::CreateNamespace),
        1 => kind().prop_map(SimAction::CreateDefinition),
        2 => any_actor().prop_map(SimAction::Resume),
        2 => Just(SimAction::Crash),
    ];
    let mishaps = prop_oneof![
        4 => any_actor().prop_map(SimAction::MarkAsForeign),
        3 => place().prop_map(SimAction::DeleteNamespace),
        2 => place().prop_map(SimAction::DeleteSecret),
        2 => kind().prop_map(SimAction::DeleteDefinition),
        2 => any_actor().prop_map(SimAction::Abandon),
    ];
    let end = prop_oneof![
        3 => (any_actor(), any_flaw(weights), any_grace_period()).prop_map(|(who, flaw, grace)| SimAction::Consent(who, flaw, grace)),
        8 => (any_actor(), any_flaw(weights), any_grace_period()).prop_map(|(who, flaw, grace)| SimAction::ConsentAndDelete(who, flaw, grace)),
        1 => (any_actor(), any_grace_period()).prop_map(|(who, grace)| SimAction::ConsentAndDeleteNamespace(who, grace)),
        2 => (any_actor(), prop::sample::select(vec!["Retain", "Suspend", "Terminate"])).prop_map(|(who, policy)| SimAction::Revoke(who, policy)),
        1 => (any_actor(), 0_u64..25).prop_map(|(who, waits)| SimAction::ConsentAndWithdraw(who, waits)),
    ];
    let wider = prop_oneof![
        4 => neighbours::any_neighbour_action().prop_map(SimAction::Neighbour),
        2 => any_lasting_fault().prop_map(SimAction::BeginFault),
        1 => any_actor().prop_flat_map(|who| neighbours::any_setting(who).prop_map(move |spec| SimAction::Edit(who, spec))),
    ];
    let deed =
        prop_oneof![30 => people, weights.faults => mishaps, weights.neighbours => wider, weights.terminations => end];
    let pause = prop_oneof![3 => 0_u64..1000, weights.medium_pause => 1000_u64..90_000, 1 => 90_000_u64..1_200_000];
    (deed, pause.prop_map(Duration::from_millis))
}

impl SimWorld {
    /// Returns the tenant of an object: the one that it records, or the live one with its mark.
    pub(super) fn owned_tenant(&self, actor: SimActor) -> Option<SimTenant> {
        let key = actor.key();
        let place = format!("sim/{}/{}/{}", key.resource.kind, key.namespace, key.name);
        let lives = |tenant: &SimTenant| tenant.place.as_deref() == Some(&place) && tenant.state != "TERMINATED";
        self.tenant(&key)
            .filter(|tenant| tenant.state != "TERMINATED")
            .or_else(|| self.tenants().into_iter().find(lives))
    }

    /// Carries out an action as far as possible.
    pub(crate) fn perform_action(&self, deed: &SimAction) {
        match deed {
            SimAction::Create(who) => drop(self.create(&who.key(), &who.spec())),
            SimAction::Edit(who, spec) => drop(self.edit(&who.key(), spec)),
            SimAction::Drift(who, change) => {
                let _ = self.owned_tenant(*who).map(|tenant| self.change_in_console(&tenant, change));
            }
            SimAction::ChangeState(who, action) => {
                let _ = self.owned_tenant(*who).map(|tenant| self.act_in_console(&tenant, action));
            }
            SimAction::Delete(who) => drop(self.delete(&who.key())),
            // If there is nothing to terminate, the object is declared. Otherwise a run would be over with its first
            // terminations.
            SimAction::Consent(who, ..)
            | SimAction::ConsentAndDelete(who, ..)
            | SimAction::ConsentAndDeleteNamespace(who, _)
            | SimAction::ConsentAndWithdraw(who, _)
                if self.object(&who.key()).is_none() =>
            {
                self.create_namespace(&who.key().namespace);
                self.create(&who.key(), &who.spec());
            }
            SimAction::Consent(who, flaw, grace) => self.write_consent(*who, *flaw, *grace),
            SimAction::ConsentAndDelete(who, flaw, grace) => {
                self.write_consent(*who, *flaw, *grace);
                self.delete(&who.key());
            }
            SimAction::ConsentAndDeleteNamespace(who, grace) => {
                self.write_consent(*who, ConsentFlaw::None, *grace);
                self.delete_namespace(&who.key().namespace);
            }
            SimAction::Revoke(who, policy) => {
                let confirm = (*policy != "Terminate")
                    .then_some(())
                    .map_or(json!({"confirm": null}), |()| json!({"policy": policy}));
                self.edit(&who.key(), &json!({"deletion": confirm}));
            }
            SimAction::RemoveFinalizer(who) => self.remove_finalizer(&who.key()),
            SimAction::Abandon(who) => {
                let id =
                    self.object(&who.key()).and_then(|object| object["status"]["uniqueId"].as_str().map(str::to_owned));
                let annotations = json!({ABANDON: id.as_deref().unwrap_or("none")});
                self.patch(&who.key(), &json!({"metadata": {"annotations": annotations}}));
            }
            SimAction::MarkAsForeign(who) => {
                let _ = self.owned_tenant(*who).map(|tenant| {
                    let uid = format!("{}-{}", tenant.id, self.lock().request_count);
                    let kind = who.key().resource.kind;
                    let other = json!({"cluster": "other", "kind": kind, "namespace": "x", "name": "y", "uid": uid});
                    self.change_in_console(&tenant, &json!({"managedBy": other}))
                });
            }
            SimAction::WriteNewerMember(who, is_value) => {
                drop(self.edit(&who.key(), &if *is_value { newer_value() } else { newer_field() }));
            }
            SimAction::Neighbour(neighbour) => self.perform_neighbour_action(*neighbour),
            SimAction::BeginFault(trouble) => self.begin_lasting_fault(trouble),
            SimAction::RemoveNewerMembers(who) => drop(self.edit(&who.key(), &without_newer_members())),
            SimAction::CreateForeignTenant(who) => self.create_foreign_tenant(*who),
            SimAction::Adopt(who) => self.adopt_foreign_tenant(*who),
            SimAction::DeleteNamespace(name) => self.delete_namespace(name),
            SimAction::CreateNamespace(name) => self.create_namespace(name),
            SimAction::DeleteSecret(namespace) => drop(self.delete(&SimObjectKey::new(SECRETS, namespace, "platform"))),
            SimAction::DeleteDefinition(resource) => self.delete_definition(*resource),
            SimAction::CreateDefinition(resource) => self.create_definition(*resource),
            SimAction::Resume(who) => self.resume_management(*who),
            // Both take time and are run by the script.
            SimAction::ConsentAndWithdraw(..) | SimAction::Crash => {}
        }
    }

    /// Creates a tenant of another owner under the name that an object declares.
    fn create_foreign_tenant(&self, actor: SimActor) {
        let parent = match actor {
            SimActor::Acme | SimActor::Beta | SimActor::Upstart => Some("sp_1/msps".to_owned()),
            SimActor::Globex | SimActor::Initech | SimActor::Rival => {
                self.owned_tenant(SimActor::Acme).map(|tenant| format!("{}/clients", tenant.id))
            }
            SimActor::Hooli => self.owned_tenant(SimActor::Beta).map(|tenant| format!("{}/clients", tenant.id)),
        };
        if let Some(path) = parent {
            let body = json!({"name": format!("{actor:?}"), "city": "Ulm", "timeZone": "Europe/Berlin", "country": "Germany", "address": "x"});
            self.console(Method::POST, &path, &body);
        }
    }

    /// Adopts a tenant of another owner under the name, which is created if it does not exist.
    fn adopt_foreign_tenant(&self, actor: SimActor) {
        let under_name = || {
            let name = format!("{actor:?}");
            let is_it =
                |tenant: &SimTenant| tenant.name == name && tenant.place.is_none() && tenant.state != "TERMINATED";
            self.tenants().into_iter().find(is_it)
        };
        if under_name().is_none() && self.owned_tenant(actor).is_none() {
            self.create_foreign_tenant(actor);
        }
        let Some(tenant) = under_name() else { return };
        self.claim_tenant(actor, &tenant.id, &json!({"takeFrom": null}));
    }

    /// Sets policy, grace period and a confirmation with or without a flaw.
    pub(super) fn write_consent(&self, actor: SimActor, flaw: ConsentFlaw, grace: i64) {
        let Some(tenant) = self.owned_tenant(actor) else { return };
        let now = tenantry_runtime::clock::now();
        let (mut name, mut id, mut until) = (tenant.name, tenant.id, now + SignedDuration::from_hours(48));
        let mut acknowledge = vec!["DataErased", "NotRecoverable", "UsersDeactivated"];
        let mut policy = "Terminate";
        match flaw {
            ConsentFlaw::None | ConsentFlaw::Absent | ConsentFlaw::Paused => {}
            ConsentFlaw::Name => name.push('x'),
            ConsentFlaw::Id => id.push('9'),
            ConsentFlaw::Acknowledge => drop(acknowledge.pop()),
            ConsentFlaw::Past => until = now - SignedDuration::from_secs(60),
            ConsentFlaw::TooFar => until = now + SignedDuration::from_hours(24 * 8),
            ConsentFlaw::Retain => policy = "Retain",
            ConsentFlaw::Suspend => policy = "Suspend",
        }
        let confirm = json!({"name": name, "uniqueId": id, "notAfter": until.to_string(), "acknowledge": acknowledge});
        let confirm = if flaw == ConsentFlaw::Absent { Value::Null } else { confirm };
        let mut spec = json!({"deletion": {"policy": policy, "gracePeriodSeconds": grace, "confirm": confirm}});
        if flaw == ConsentFlaw::Paused {
            spec["management"] = json!({"mode": "Paused"});
        }
        self.edit(&actor.key(), &spec);
    }
}
