//! Judges every request by what the two servers hold and by the requests before it, and by nothing else.

mod counts;
mod ends;
pub(super) mod rules;
mod siblings;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tenantry::api::FINALIZER;

use super::ask::{Ask, Reply, Side};
use super::cluster::{CLIENTS, Cluster, Key, LEASES, PARTNERS, Resource};
use super::life::HOME;
use super::newer::{UNDER_WAY, newer_since};
use super::platform::Tenant;
use super::troubles::Shown;
pub(crate) use ends::Accepted;

/// Whom an operator's life has looked at, and how that stood then.
type Looks<T> = BTreeMap<(usize, String), T>;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Oracle {
    /// The tenants as they are.
    pub(crate) tenants: BTreeMap<String, Tenant>,
    /// What was broken.
    pub(crate) violations: Vec<String>,
    /// Ids by the UID of the object for which an operator made them.
    pub(crate) created: BTreeMap<String, Vec<String>>,
    /// Tenants that an operator ended.
    pub(crate) ended: BTreeSet<String>,
    /// Changes that an operator asked for, the lease and events apart, with their time.
    pub(crate) writes: usize,
    /// Last of them.
    pub(crate) last_write: Option<Timestamp>,
    /// Ends that were refused: why, and which objects with which consent.
    pub(crate) refused: BTreeMap<&'static str, BTreeSet<String>>,
    /// Reasons of events.
    pub(crate) events: BTreeMap<String, usize>,
    /// Whether a list of the platform left a tenant out: then its refusal of a second create is the look.
    pub(crate) has_left_out: bool,
    /// Requests of each life.
    pub(crate) asked: BTreeMap<usize, usize>,
    /// Lives that go on.
    pub(crate) alive: BTreeSet<usize>,
    /// Since when the clocks of the servers and the operator's have been more than a minute apart.
    pub(crate) apart_since: Option<Timestamp>,
    /// What the next answer showed of its tenant, where it was not the present.
    pub(crate) shown_late: Option<Shown>,
    /// What happened, and to whom.
    pub(crate) occurred: BTreeMap<&'static str, BTreeSet<String>>,
    /// Value of the Secret that a tenant was last given.
    pub(crate) keys: BTreeMap<String, String>,
    /// When the mark of a tenant last moved.
    moved: BTreeMap<String, Timestamp>,
    holders: BTreeMap<usize, String>,
    /// Where the lease of a life is, for one of another installation.
    homes: BTreeMap<usize, String>,
    /// Who leads, and since when.
    leader: Option<(String, Timestamp)>,
    /// The life that last began to lead.
    led: Option<usize>,
    suspended_since: BTreeMap<String, Timestamp>,
    accepted: BTreeMap<String, Accepted>,
    /// Version of the cluster when a life last read an object.
    read: Looks<u64>,
    /// A tenant as a life last read it.
    seen: Looks<Tenant>,
}

/// A request to the platform about one tenant.
enum About<'a> {
    Create,
    Read(&'a str),
    Update(&'a str),
    Act(&'a str, &'a str),
    Nothing,
}

fn about(ask: &Ask) -> About<'_> {
    let parts: Vec<&str> = ask.path.trim_start_matches("/api/v2/tenants/").split('/').collect();
    match (&ask.method, parts.as_slice()) {
        (&Method::GET, [_, "msps" | "clients", id]) => About::Read(id),
        (&Method::POST, [_, "msps" | "clients"]) => About::Create,
        (&Method::POST, [_, "msps" | "clients", id]) => About::Update(id),
        (&Method::POST, [_, "msps" | "clients", id, action]) => About::Act(id, action),
        (&Method::PUT, [id, "customBranding"]) => About::Update(id),
        _ => About::Nothing,
    }
}

/// The object of a mark's place.
pub(crate) fn key_of(place: &str) -> Option<Key> {
    let parts: Vec<&str> = place.split('/').collect();
    let ["sim", kind, namespace, name] = parts[..] else { return None };
    let resource = if kind == "Partner" { PARTNERS } else { CLIENTS };
    Some(Key::new(resource, namespace, name))
}

/// The object that a path of the cluster is about.
fn object_of(path: &str) -> Option<(Key, bool)> {
    let parts: Vec<&str> = path.strip_prefix("/apis/tenantry.dev/v1alpha1/namespaces/")?.split('/').collect();
    let resource =
        |plural: &str| -> Option<Resource> { [PARTNERS, CLIENTS].into_iter().find(|one| one.plural == plural) };
    match parts[..] {
        [namespace, plural, name] => Some((Key::new(resource(plural)?, namespace, name), false)),
        [namespace, plural, name, "status"] => Some((Key::new(resource(plural)?, namespace, name), true)),
        _ => None,
    }
}

impl Oracle {
    fn broken(&mut self, at: Timestamp, ask: &Ask, what: impl AsRef<str>) {
        self.violations.push(format!("{at}: {}: {}", ask.line(), what.as_ref()));
    }

    /// A request of an operator is on its way.
    pub(crate) fn sent(&mut self, (life, ask): (usize, &Ask), cluster: &Cluster, at: Timestamp) {
        *self.asked.entry(life).or_default() += 1;
        if !ask.is_write() {
            return;
        }
        if ask.is_lease() {
            if let Some(holder) = ask.json()["spec"]["holderIdentity"].as_str() {
                self.holders.insert(life, holder.to_owned());
                let home = ask.path.split('/').skip_while(|part| *part != "namespaces").nth(1);
                self.homes.insert(life, home.unwrap_or_default().to_owned());
            }
            return;
        }
        if !ask.is_event() {
            self.writes += 1;
            self.last_write = Some(at);
        }
        let home = self.homes.get(&life).map_or(HOME, String::as_str);
        let lease = cluster.get(&Key::new(LEASES, home, "tenantry-operator"));
        let holder = lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str());
        if holder.is_none() || holder != self.holders.get(&life).map(String::as_str) {
            self.broken(at, ask, format!("sent by life {life} while `{holder:?}` leads"));
        }
        if ask.side == Side::Platform {
            self.change_sent((life, ask), cluster, at);
        }
    }

    fn change_sent(&mut self, (life, ask): (usize, &Ask), cluster: &Cluster, at: Timestamp) {
        let (About::Update(id) | About::Act(id, _)) = about(ask) else { return };
        let key = (life, id.to_owned());
        let seen = self.seen.get(&key).or_else(|| self.tenants.get(id)).cloned();
        let Some(tenant) = seen else {
            return self.broken(at, ask, "a change of a tenant that never was");
        };
        let owner = tenant.place.as_deref().and_then(key_of);
        let was_there = owner.as_ref().is_some_and(|owner| cluster.was_ever(owner));
        if !was_there && !cluster.was_ever_adopted(id) {
            self.broken(at, ask, format!("a change of a tenant of somebody else: {tenant:?}"));
        }
        if let Some(fault) = self.meddles((life, ask), &tenant, (cluster, at)) {
            self.broken(at, ask, fault);
        }
        if let Some(fault) = self.forbidden(ask, &tenant, (cluster, at)) {
            self.broken(at, ask, fault);
        }
        let newer = owner.as_ref().and_then(|owner| newer_since(cluster, owner));
        if newer.is_some_and(|since| at.duration_since(since) > UNDER_WAY) {
            self.broken(at, ask, "a change of a tenant whose object is not understood");
        }
        if matches!(about(ask), About::Act(_, "terminate")) {
            for fault in self.unlawful((life, &tenant), cluster, at) {
                self.broken(at, ask, fault);
            }
        }
    }

    /// A request was carried out; with the tenants as they are now where it may have changed one.
    pub(crate) fn answered(
        &mut self,
        (life, ask, reply): (usize, &Ask, &Reply),
        (cluster, tenants): (&Cluster, Option<Vec<Tenant>>),
        at: Timestamp,
    ) {
        let shown = self.shown_late.take();
        if let Some(tenants) = tenants {
            self.moved(&tenants, cluster, at);
            self.learn(tenants, at);
        }
        if life == 0 {
            return;
        }
        match ask.side {
            Side::Platform => self.platform_answered((life, ask, reply), shown, at),
            Side::Cluster => self.cluster_answered((life, ask, reply), cluster, at),
        }
    }

    fn learn(&mut self, tenants: Vec<Tenant>, at: Timestamp) {
        self.tenants = tenants.into_iter().map(|tenant| (tenant.id.clone(), tenant)).collect();
        for tenant in self.tenants.values() {
            if tenant.state == "SUSPENDED" {
                self.suspended_since.entry(tenant.id.clone()).or_insert(at);
            } else {
                self.suspended_since.remove(&tenant.id);
            }
        }
    }

    fn platform_answered(&mut self, (life, ask, reply): (usize, &Ask, &Reply), shown: Option<Shown>, at: Timestamp) {
        self.given(ask, reply, at);
        match about(ask) {
            About::Read(id) => {
                let now = shown.map_or_else(|| self.tenants.get(id).cloned(), |shown| shown.tenant);
                match now.filter(|_| reply.is_success()) {
                    Some(tenant) => self.seen.insert((life, id.to_owned()), tenant),
                    None => self.seen.remove(&(life, id.to_owned())),
                };
            }
            About::Create => self.create_answered(ask, reply, at),
            About::Act(id, "terminate") if reply.is_success() => {
                self.ended.insert(id.to_owned());
            }
            About::Update(_) | About::Act(..) | About::Nothing => {}
        }
    }

    fn create_answered(&mut self, ask: &Ask, reply: &Reply, at: Timestamp) {
        let uid = ask.json()["managedBy"]["uid"].as_str().unwrap_or_default().to_owned();
        let value = reply.value();
        if reply.is_success() {
            let id = value["uniqueId"].as_str().unwrap_or_default().to_owned();
            let made = self.created.entry(uid).or_default();
            made.push(id);
            if made.len() > 1 {
                let made = made.clone();
                self.broken(at, ask, format!("more than one tenant was made for one object: {made:?}"));
            }
            return;
        }
        let holder = value[0]["holder"].as_str().and_then(|holder| self.tenants.get(holder));
        if self.has_left_out {
            return;
        }
        if let Some(holder) = holder.filter(|holder| holder.state != "TERMINATED" && holder.uid.as_ref() == Some(&uid))
        {
            let holder = holder.id.clone();
            self.broken(at, ask, format!("a second create for an object whose tenant `{holder}` lives"));
        }
    }

    fn cluster_answered(&mut self, (life, ask, reply): (usize, &Ask, &Reply), cluster: &Cluster, at: Timestamp) {
        if ask.method == Method::GET {
            self.read.insert((life, ask.path.clone()), cluster.version());
            return;
        }
        if ask.is_lease() && reply.is_success() {
            let holder = ask.json()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
            if self.leader.as_ref().is_none_or(|(leader, _)| *leader != holder) {
                if self.led.is_some_and(|before| before != life && self.alive.contains(&before)) {
                    self.occurred.entry("changes of the leader").or_default().insert(holder.clone());
                }
                self.led = Some(life);
                self.leader = Some((holder, at));
            }
        }
        if ask.is_event() && reply.is_success() {
            *self.events.entry(ask.json()["reason"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let Some((key, is_status)) = object_of(&ask.path).filter(|_| reply.is_success()) else { return };
        let after = reply.value();
        if is_status {
            self.told(&after, cluster);
            self.status_written((life, &key, &after), ask, at);
        } else if ask.json()["metadata"]["finalizers"].is_array() && !holds(&after) {
            let version = cluster.version().saturating_sub(1);
            if let Some(before) = cluster.at(&key, version).filter(|before| holds(before)) {
                self.released((life, &key, before.as_ref()), (ask, cluster), at);
            }
        }
    }

    /// Since when nothing was written; nothing where no operator leads that lives.
    pub(crate) fn quiet_since(&self) -> Option<Timestamp> {
        let (_, since) = self.leader.as_ref()?;
        self.leading().filter(|life| self.alive.contains(life))?;
        Some(self.last_write.map_or(*since, |last| last.max(*since)))
    }

    /// An operator ended by itself; the one that is started for it leads when it has asked for that.
    pub(crate) fn left(&mut self, life: usize) {
        self.holders.remove(&life);
    }

    /// The life that leads.
    pub(crate) fn leading(&self) -> Option<usize> {
        let (leader, _) = self.leader.as_ref()?;
        self.holders.iter().find(|(_, holder)| *holder == leader).map(|(life, _)| *life)
    }

    /// What still stands between the tests and the truth at the end of a run.
    pub(crate) fn doubles(&self) -> Vec<String> {
        let mut living: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for tenant in self.tenants.values().filter(|tenant| tenant.state != "TERMINATED") {
            if let Some(uid) = &tenant.uid {
                living.entry(uid).or_default().push(&tenant.id);
            }
        }
        living.into_iter().filter(|(_, ids)| ids.len() > 1).map(|(uid, ids)| format!("{uid} has {ids:?}")).collect()
    }
}

/// Whether our finalizer is on an object.
pub(crate) fn holds(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().any(|one| one == FINALIZER)
}
