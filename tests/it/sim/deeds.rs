//! What may happen in a random run: what people do on both sides, in an order that nobody planned.

mod neighbours;

use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use tenantry::api::ABANDON;

use super::cluster::{CLIENTS, Key, PARTNERS, Resource, SECRETS};
use super::newer::{newer_field, newer_value, understood};
use super::people::with;
use super::platform::Tenant;
use super::seam::World;
use super::troubles::{Trouble, trouble};
pub(crate) use neighbours::{Claim, From, Neighbour};

/// The objects of a random run: two Partners in two namespaces, three Clients of them, and one of each kind that has its
/// eye on the tenants of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Acme,
    Beta,
    Globex,
    Initech,
    Hooli,
    Upstart,
    Rival,
}

impl Who {
    pub(crate) const ALL: [Self; 7] =
        [Self::Acme, Self::Beta, Self::Globex, Self::Initech, Self::Hooli, Self::Upstart, Self::Rival];

    pub(crate) fn key(self) -> Key {
        match self {
            Self::Acme => Key::new(PARTNERS, "a", "acme"),
            Self::Beta => Key::new(PARTNERS, "b", "beta"),
            Self::Globex => Key::new(CLIENTS, "a", "globex"),
            Self::Initech => Key::new(CLIENTS, "a", "initech"),
            Self::Hooli => Key::new(CLIENTS, "b", "hooli"),
            Self::Upstart => Key::new(PARTNERS, "a", "upstart"),
            Self::Rival => Key::new(CLIENTS, "b", "rival"),
        }
    }

    fn spec(self) -> Value {
        // Clients subscribe to no more than their Partner has.
        let connection = json!({
            "connectionSecretRef": {"name": "platform"}, "addOns": ["SLAManagement"],
            "packages": ["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement"],
        });
        let reference = match self {
            Self::Acme => with(connection, &json!({"clients": {"allowedNamespaces": {"from": "All"}}})),
            Self::Beta | Self::Upstart => connection,
            Self::Globex | Self::Initech => json!({"partnerRef": {"name": "acme"}}),
            Self::Hooli => json!({"partnerRef": {"name": "beta"}}),
            Self::Rival => json!({"partnerRef": {"name": "acme", "namespace": "a"}}),
        };
        let details = json!({"name": format!("{self:?}"), "timezone": "Europe/Berlin", "country": "Germany"});
        with(reference, &json!({"details": details}))
    }
}

/// The spec of an object.
pub(crate) fn spec(who: Who) -> Value {
    who.spec()
}

/// What is wrong with the consent to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
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

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Create(Who),
    Edit(Who, Value),
    Drift(Who, Value),
    Act(Who, &'static str),
    Delete(Who),
    Consent(Who, Flaw, i64),
    End(Who, Flaw, i64),
    EndWithNamespace(Who, i64),
    Revoke(Who, &'static str),
    Strip(Who),
    Abandon(Who),
    Estrange(Who),
    Newer(Who, bool),
    Understand(Who),
    Neighbour(Neighbour),
    Trouble(Trouble),
    /// The end of a tenant whose consent is withdrawn while the call waits for its turn: after so many seconds of waiting.
    Waver(Who, u64),
    Foreign(Who),
    Adopt(Who),
    DeleteNamespace(&'static str),
    MakeNamespace(&'static str),
    DropSecret(&'static str),
    DeleteDefinition(Resource),
    MakeDefinition(Resource),
    Resume(Who),
    Crash,
}

fn who() -> impl Strategy<Value = Who> {
    prop::sample::select(Who::ALL.to_vec())
}

/// Settings differ from object to object, so that a write shows by whom it was declared.
fn edit(who: Who) -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["Bonn", "Ulm", "Trier"])
            .prop_map(move |city| json!({"details": {"city": format!("{city} of {who:?}")}})),
        prop::sample::select(vec!["Active", "Suspended"]).prop_map(|state| json!({"tenantState": state})),
        any::<bool>().prop_map(move |other| {
            json!({"details": {"address": if other { format!("{who:?}str. 1") } else { format!("Am {who:?} 2") }}})
        }),
        Just(json!({"management": {"mode": "Paused"}})),
    ]
}

fn drift() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["Bonn", "Ulm", "Kiel"]).prop_map(|city| json!({"city": city})),
        Just(json!({"address": "elsewhere"})),
        Just(json!({"name": "Renamed"})),
    ]
}

/// How often what happens, as weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    /// The end of a tenant, against 30 for what people do otherwise.
    pub(crate) ends: u32,
    /// Mishaps, against the same 30.
    pub(crate) mishaps: u32,
    /// What objects want of each other's tenants, and troubles on the way to the servers.
    pub(crate) neighbours: u32,
    /// A consent without a flaw.
    pub(crate) flawless: u32,
    /// A consent with one of the flaws of the confirmation, against 3 for one of policy or mode.
    pub(crate) unconfirmed: u32,
    /// A pause between a second and a minute and a half, against 4 for shorter and longer ones.
    pub(crate) calm: u32,
}

fn flaw(odds: Odds) -> impl Strategy<Value = Flaw> {
    use Flaw::{Absent, Acknowledge, Id, Name, None, Past, Paused, Retain, Suspend, TooFar};
    prop_oneof![
        odds.flawless => Just(None),
        odds.unconfirmed => prop::sample::select(vec![Absent, Name, Id, Acknowledge, Past, TooFar]),
        3 => prop::sample::select(vec![Retain, Suspend, Paused]),
    ]
}

fn grace() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0, 45, 400])
}

/// A deed, and how long nothing else happens after it.
pub(crate) fn deed(odds: Odds) -> impl Strategy<Value = (Deed, Duration)> {
    let act = prop::sample::select(vec!["suspend", "activate", "suspend", "activate", "terminate"]);
    let place = || prop::sample::select(vec!["a", "b"]);
    let kind = || prop::sample::select(vec![PARTNERS, CLIENTS]);
    let people = prop_oneof![
        10 => prop::sample::select(Who::ALL[..5].to_vec()).prop_map(Deed::Create),
        1 => who().prop_map(Deed::Create),
        5 => who().prop_flat_map(|who| edit(who).prop_map(move |spec| Deed::Edit(who, spec))),
        3 => (who(), drift()).prop_map(|(who, change)| Deed::Drift(who, change)),
        2 => (who(), act).prop_map(|(who, act)| Deed::Act(who, act)),
        3 => who().prop_map(Deed::Delete),
        1 => who().prop_map(Deed::Strip),
        1 => who().prop_map(Deed::Foreign),
        1 => who().prop_map(Deed::Adopt),
        1 => (who(), any::<bool>()).prop_map(|(who, is_value)| Deed::Newer(who, is_value)),
        1 => who().prop_map(Deed::Understand),
        2 => place().prop_map(Deed::MakeNamespace),
        1 => kind().prop_map(Deed::MakeDefinition),
        2 => who().prop_map(Deed::Resume),
        2 => Just(Deed::Crash),
    ];
    let mishaps = prop_oneof![
        4 => who().prop_map(Deed::Estrange),
        3 => place().prop_map(Deed::DeleteNamespace),
        2 => place().prop_map(Deed::DropSecret),
        2 => kind().prop_map(Deed::DeleteDefinition),
        2 => who().prop_map(Deed::Abandon),
    ];
    let end = prop_oneof![
        3 => (who(), flaw(odds), grace()).prop_map(|(who, flaw, grace)| Deed::Consent(who, flaw, grace)),
        8 => (who(), flaw(odds), grace()).prop_map(|(who, flaw, grace)| Deed::End(who, flaw, grace)),
        1 => (who(), grace()).prop_map(|(who, grace)| Deed::EndWithNamespace(who, grace)),
        2 => (who(), prop::sample::select(vec!["Retain", "Suspend", "Terminate"])).prop_map(|(who, policy)| Deed::Revoke(who, policy)),
        1 => (who(), 0_u64..25).prop_map(|(who, waits)| Deed::Waver(who, waits)),
    ];
    let wider = prop_oneof![
        4 => neighbours::neighbour().prop_map(Deed::Neighbour),
        2 => trouble().prop_map(Deed::Trouble),
        1 => who().prop_flat_map(|who| neighbours::setting(who).prop_map(move |spec| Deed::Edit(who, spec))),
    ];
    let deed = prop_oneof![30 => people, odds.mishaps => mishaps, odds.neighbours => wider, odds.ends => end];
    let pause = prop_oneof![3 => 0_u64..1000, odds.calm => 1000_u64..90_000, 1 => 90_000_u64..1_200_000];
    (deed, pause.prop_map(Duration::from_millis))
}

impl World {
    /// The tenant of an object: the one that it records, or the living one with its mark.
    pub(super) fn owned(&self, who: Who) -> Option<Tenant> {
        let key = who.key();
        let place = format!("sim/{}/{}/{}", key.resource.kind, key.namespace, key.name);
        let lives = |tenant: &Tenant| tenant.place.as_deref() == Some(&place) && tenant.state != "TERMINATED";
        self.tenant(&key)
            .filter(|tenant| tenant.state != "TERMINATED")
            .or_else(|| self.tenants().into_iter().find(lives))
    }

    /// Does it, as far as it can be done.
    pub(crate) fn happen(&self, deed: &Deed) {
        match deed {
            Deed::Create(who) => drop(self.create(&who.key(), &who.spec())),
            Deed::Edit(who, spec) => drop(self.edit(&who.key(), spec)),
            Deed::Drift(who, change) => {
                let _ = self.owned(*who).map(|tenant| self.drift(&tenant, change));
            }
            Deed::Act(who, action) => {
                let _ = self.owned(*who).map(|tenant| self.act(&tenant, action));
            }
            Deed::Delete(who) => drop(self.delete(&who.key())),
            // Where there is nothing to end, it is declared: a run would else be over with its first ends.
            Deed::Consent(who, ..) | Deed::End(who, ..) | Deed::EndWithNamespace(who, _) | Deed::Waver(who, _)
                if self.object(&who.key()).is_none() =>
            {
                self.namespace(&who.key().namespace);
                self.create(&who.key(), &who.spec());
            }
            Deed::Consent(who, flaw, grace) => self.consent(*who, *flaw, *grace),
            Deed::End(who, flaw, grace) => {
                self.consent(*who, *flaw, *grace);
                self.delete(&who.key());
            }
            Deed::EndWithNamespace(who, grace) => {
                self.consent(*who, Flaw::None, *grace);
                self.delete_namespace(&who.key().namespace);
            }
            Deed::Revoke(who, policy) => {
                let confirm = (*policy != "Terminate")
                    .then_some(())
                    .map_or(json!({"confirm": null}), |()| json!({"policy": policy}));
                self.edit(&who.key(), &json!({"deletion": confirm}));
            }
            Deed::Strip(who) => self.strip(&who.key()),
            Deed::Abandon(who) => {
                let id =
                    self.object(&who.key()).and_then(|object| object["status"]["uniqueId"].as_str().map(str::to_owned));
                let annotations = json!({ABANDON: id.as_deref().unwrap_or("none")});
                self.patch(&who.key(), &json!({"metadata": {"annotations": annotations}}));
            }
            Deed::Estrange(who) => {
                let _ = self.owned(*who).map(|tenant| {
                    let uid = format!("{}-{}", tenant.id, self.lock().asked);
                    let kind = who.key().resource.kind;
                    let other = json!({"cluster": "other", "kind": kind, "namespace": "x", "name": "y", "uid": uid});
                    self.drift(&tenant, &json!({"managedBy": other}))
                });
            }
            Deed::Newer(who, is_value) => {
                drop(self.edit(&who.key(), &if *is_value { newer_value() } else { newer_field() }));
            }
            Deed::Neighbour(neighbour) => self.neighbour(*neighbour),
            Deed::Trouble(trouble) => self.trouble(trouble),
            Deed::Understand(who) => drop(self.edit(&who.key(), &understood())),
            Deed::Foreign(who) => self.foreign(*who),
            Deed::Adopt(who) => self.adopt(*who),
            Deed::DeleteNamespace(name) => self.delete_namespace(name),
            Deed::MakeNamespace(name) => self.namespace(name),
            Deed::DropSecret(namespace) => drop(self.delete(&Key::new(SECRETS, namespace, "platform"))),
            Deed::DeleteDefinition(resource) => self.delete_definition(*resource),
            Deed::MakeDefinition(resource) => self.definition(*resource),
            Deed::Resume(who) => self.resume(*who),
            // Both take their time: the script of a run plays them.
            Deed::Waver(..) | Deed::Crash => {}
        }
    }

    /// Makes a tenant of somebody else under the name that an object wants.
    fn foreign(&self, who: Who) {
        let parent = match who {
            Who::Acme | Who::Beta | Who::Upstart => Some("sp_1/msps".to_owned()),
            Who::Globex | Who::Initech | Who::Rival => {
                self.owned(Who::Acme).map(|tenant| format!("{}/clients", tenant.id))
            }
            Who::Hooli => self.owned(Who::Beta).map(|tenant| format!("{}/clients", tenant.id)),
        };
        if let Some(path) = parent {
            let body = json!({"name": format!("{who:?}"), "city": "Ulm", "timeZone": "Europe/Berlin", "country": "Germany", "address": "x"});
            self.console(Method::POST, &path, &body);
        }
    }

    /// Takes over what somebody else made, or makes now, under the name.
    fn adopt(&self, who: Who) {
        let under_name = || {
            let name = format!("{who:?}");
            let is_it = |tenant: &Tenant| tenant.name == name && tenant.place.is_none() && tenant.state != "TERMINATED";
            self.tenants().into_iter().find(is_it)
        };
        if under_name().is_none() && self.owned(who).is_none() {
            self.foreign(who);
        }
        let Some(tenant) = under_name() else { return };
        self.ask_for(who, &tenant.id, &json!({"takeFrom": null}));
    }

    /// Sets policy, grace period and a confirmation that has a flaw or none.
    pub(super) fn consent(&self, who: Who, flaw: Flaw, grace: i64) {
        let Some(tenant) = self.owned(who) else { return };
        let now = tenantry::clock::now();
        let (mut name, mut id, mut until) = (tenant.name, tenant.id, now + SignedDuration::from_hours(48));
        let mut acknowledge = vec!["DataErased", "NotRecoverable", "UsersDeactivated"];
        let mut policy = "Terminate";
        match flaw {
            Flaw::None | Flaw::Absent | Flaw::Paused => {}
            Flaw::Name => name.push('x'),
            Flaw::Id => id.push('9'),
            Flaw::Acknowledge => drop(acknowledge.pop()),
            Flaw::Past => until = now - SignedDuration::from_secs(60),
            Flaw::TooFar => until = now + SignedDuration::from_hours(24 * 8),
            Flaw::Retain => policy = "Retain",
            Flaw::Suspend => policy = "Suspend",
        }
        let confirm = json!({"name": name, "uniqueId": id, "notAfter": until.to_string(), "acknowledge": acknowledge});
        let confirm = if flaw == Flaw::Absent { Value::Null } else { confirm };
        let mut spec = json!({"deletion": {"policy": policy, "gracePeriodSeconds": grace, "confirm": confirm}});
        if flaw == Flaw::Paused {
            spec["management"] = json!({"mode": "Paused"});
        }
        self.edit(&who.key(), &spec);
    }
}
