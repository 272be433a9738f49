//! Judges every request by the state of the two servers and by the requests before it, and by nothing else.

mod counts;
pub(super) mod owner_spec;
mod siblings;
mod terminations;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tenantry_api::FINALIZER;

use super::cluster::{CLIENTS, LEASES, PARTNERS, Resource, SimCluster, SimObjectKey};
use super::lasting_faults::DelayedRead;
use super::newer_release::{MAX_PASS_TIME, newer_since};
use super::operator_life::OPERATOR_NAMESPACE;
use super::platform::SimTenant;
use super::request::{SimReply, SimRequest, SimServer};
pub(crate) use terminations::AcceptedConfirmation;

/// The last read of each object or tenant by a life, and the state that it showed.
type LastReads<T> = BTreeMap<(usize, String), T>;

/// The oracle's record of a run.
#[derive(Default)]
pub(crate) struct Oracle {
    /// The current tenants.
    pub(crate) tenants: BTreeMap<String, SimTenant>,
    /// Violated invariants.
    pub(crate) violations: Vec<String>,
    /// Tenant ids that an operator created, by the UID of the object.
    pub(crate) created: BTreeMap<String, Vec<String>>,
    /// Tenants that an operator terminated.
    pub(crate) terminated: BTreeSet<String>,
    /// Number of changes that an operator requested, except the lease and events.
    pub(crate) writes: usize,
    /// Time of the last one.
    pub(crate) last_write: Option<Timestamp>,
    /// Refused terminations: the reason, and which objects with which consent.
    pub(crate) refused: BTreeMap<&'static str, BTreeSet<String>>,
    /// Counts of event reasons.
    pub(crate) events: BTreeMap<String, usize>,
    /// Whether a list of the platform lacked a tenant. Then its refusal of a second create replaces the lookup.
    pub(crate) has_omitted_tenant: bool,
    /// Number of requests of each life.
    pub(crate) request_counts: BTreeMap<usize, usize>,
    /// Lives that are running.
    pub(crate) running_lives: BTreeSet<usize>,
    /// Since when the clocks of the servers and the operator's differ by more than a minute.
    pub(crate) clocks_differ_since: Option<Timestamp>,
    /// What the next answer showed of its tenant, if it was outdated.
    pub(crate) shown_late: Option<DelayedRead>,
    /// Events of the run, and the objects concerned.
    pub(crate) occurred: BTreeMap<&'static str, BTreeSet<String>>,
    /// Value of the Secret that each tenant was last given.
    pub(crate) keys: BTreeMap<String, String>,
    /// When the mark of each tenant last moved.
    mark_moved_at: BTreeMap<String, Timestamp>,
    holders: BTreeMap<usize, String>,
    /// Namespace of the Lease of each life.
    lease_namespaces: BTreeMap<usize, String>,
    /// The leader, and since when it leads.
    leader: Option<(String, Timestamp)>,
    /// The life that last became the leader.
    leading_life_number: Option<usize>,
    suspended_since: BTreeMap<String, Timestamp>,
    accepted: BTreeMap<String, AcceptedConfirmation>,
    /// Version of the cluster when a life last read each object.
    read: LastReads<u64>,
    /// Each tenant as a life last read it.
    seen: LastReads<SimTenant>,
}

/// A request to the platform about one tenant.
enum RequestSubject<'a> {
    Create,
    Read(&'a str),
    Update(&'a str),
    Act(&'a str, &'a str),
    Nothing,
}

fn subject_of_request(request: &SimRequest) -> RequestSubject<'_> {
    let parts: Vec<&str> = request.path.trim_start_matches("/api/v2/tenants/").split('/').collect();
    match (&request.method, parts.as_slice()) {
        (&Method::GET, [_, "msps" | "clients", id]) => RequestSubject::Read(id),
        (&Method::POST, [_, "msps" | "clients"]) => RequestSubject::Create,
        (&Method::POST, [_, "msps" | "clients", id]) => RequestSubject::Update(id),
        (&Method::POST, [_, "msps" | "clients", id, action]) => RequestSubject::Act(id, action),
        (&Method::PUT, [id, "customBranding"]) => RequestSubject::Update(id),
        _ => RequestSubject::Nothing,
    }
}

/// Returns the object that a mark's place names.
pub(crate) fn key_of_place(place: &str) -> Option<SimObjectKey> {
    let parts: Vec<&str> = place.split('/').collect();
    let ["sim", kind, namespace, name] = parts[..] else { return None };
    let resource = if kind == "Partner" { PARTNERS } else { CLIENTS };
    Some(SimObjectKey::new(resource, namespace, name))
}

/// Returns the object that a path of the cluster is about.
fn object_of_path(path: &str) -> Option<(SimObjectKey, bool)> {
    let parts: Vec<&str> = path.strip_prefix("/apis/tenantry.dev/v1alpha1/namespaces/")?.split('/').collect();
    let resource =
        |plural: &str| -> Option<Resource> { [PARTNERS, CLIENTS].into_iter().find(|one| one.plural == plural) };
    match parts[..] {
        [namespace, plural, name] => Some((SimObjectKey::new(resource(plural)?, namespace, name), false)),
        [namespace, plural, name, "status"] => Some((SimObjectKey::new(resource(plural)?, namespace, name), true)),
        _ => None,
    }
}

impl Oracle {
    fn add_violation(&mut self, at: Timestamp, request: &SimRequest, what: impl AsRef<str>) {
        self.violations.push(format!("{at}: {}: {}", request.log_line(), what.as_ref()));
    }

    /// Checks a request of an operator before it is carried out.
    pub(crate) fn check_request(&mut self, (life, ask): (usize, &SimRequest), cluster: &SimCluster, at: Timestamp) {
        *self.request_counts.entry(life).or_default() += 1;
        if !ask.is_write() {
            return;
        }
        if ask.is_lease() {
            if let Some(holder) = ask.json()["spec"]["holderIdentity"].as_str() {
                self.holders.insert(life, holder.to_owned());
                let home = ask.path.split('/').skip_while(|part| *part != "namespaces").nth(1);
                self.lease_namespaces.insert(life, home.unwrap_or_default().to_owned());
            }
            return;
        }
        if !ask.is_event() {
            self.writes += 1;
            self.last_write = Some(at);
        }
        let home = self.lease_namespaces.get(&life).map_or(OPERATOR_NAMESPACE, String::as_str);
        let lease = cluster.get(&SimObjectKey::new(LEASES, home, "tenantry-operator"));
        let holder = lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str());
        if holder.is_none() || holder != self.holders.get(&life).map(String::as_str) {
            self.add_violation(at, ask, format!("sent by life {life} while `{holder:?}` leads"));
        }
        if ask.side == SimServer::Platform {
            self.check_change_request(life, ask, cluster, at);
        }
    }

    fn check_change_request(&mut self, life: usize, request: &SimRequest, cluster: &SimCluster, at: Timestamp) {
        let (RequestSubject::Update(id) | RequestSubject::Act(id, _)) = subject_of_request(request) else { return };
        let key = (life, id.to_owned());
        let seen = self.seen.get(&key).or_else(|| self.tenants.get(id)).cloned();
        let Some(tenant) = seen else {
            return self.add_violation(at, request, "a change of a tenant that never was");
        };
        let owner = tenant.place.as_deref().and_then(key_of_place);
        let was_there = owner.as_ref().is_some_and(|owner| cluster.has_existed(owner));
        if !was_there && !cluster.was_adopted(id) {
            self.add_violation(at, request, format!("a change of a tenant of somebody else: {tenant:?}"));
        }
        if let Some(fault) = self.foreign_change(life, request, &tenant, cluster, at) {
            self.add_violation(at, request, fault);
        }
        if let Some(fault) = self.forbidden_change(request, &tenant, cluster, at) {
            self.add_violation(at, request, fault);
        }
        let newer = owner.as_ref().and_then(|owner| newer_since(cluster, owner));
        if newer.is_some_and(|since| at.duration_since(since) > MAX_PASS_TIME) {
            self.add_violation(at, request, "a change of a tenant whose object is not understood");
        }
        if matches!(subject_of_request(request), RequestSubject::Act(_, "terminate")) {
            for fault in self.termination_faults(life, &tenant, cluster, at) {
                self.add_violation(at, request, fault);
            }
        }
    }

    /// Records a reply, with the current tenants if the request may have changed one.
    pub(crate) fn record_reply(
        &mut self,
        life: usize,
        request: &SimRequest,
        reply: &SimReply,
        cluster: &SimCluster,
        tenants: Option<Vec<SimTenant>>,
        at: Timestamp,
    ) {
        let shown = self.shown_late.take();
        if let Some(tenants) = tenants {
            self.record_moved_marks(&tenants, cluster, at);
            self.update_tenants(tenants, at);
        }
        if life == 0 {
            return;
        }
        match request.side {
            SimServer::Platform => self.record_platform_reply(life, request, reply, shown, at),
            SimServer::Cluster => self.record_cluster_reply(life, request, reply, cluster, at),
        }
    }

    fn update_tenants(&mut self, tenants: Vec<SimTenant>, at: Timestamp) {
        self.tenants = tenants.into_iter().map(|tenant| (tenant.id.clone(), tenant)).collect();
        for tenant in self.tenants.values() {
            if tenant.state == "SUSPENDED" {
                self.suspended_since.entry(tenant.id.clone()).or_insert(at);
            } else {
                self.suspended_since.remove(&tenant.id);
            }
        }
    }

    fn record_platform_reply(
        &mut self,
        life: usize,
        request: &SimRequest,
        reply: &SimReply,
        shown: Option<DelayedRead>,
        at: Timestamp,
    ) {
        self.record_written_settings(request, reply, at);
        match subject_of_request(request) {
            RequestSubject::Read(id) => {
                let now = shown.map_or_else(|| self.tenants.get(id).cloned(), |shown| shown.tenant);
                match now.filter(|_| reply.is_success()) {
                    Some(tenant) => self.seen.insert((life, id.to_owned()), tenant),
                    None => self.seen.remove(&(life, id.to_owned())),
                };
            }
            RequestSubject::Create => self.record_create_reply(request, reply, at),
            RequestSubject::Act(id, "terminate") if reply.is_success() => {
                self.terminated.insert(id.to_owned());
            }
            RequestSubject::Update(_) | RequestSubject::Act(..) | RequestSubject::Nothing => {}
        }
    }

    fn record_create_reply(&mut self, request: &SimRequest, reply: &SimReply, at: Timestamp) {
        let uid = request.json()["managedBy"]["uid"].as_str().unwrap_or_default().to_owned();
        let value = reply.json_body();
        if reply.is_success() {
            let id = value["uniqueId"].as_str().unwrap_or_default().to_owned();
            let made = self.created.entry(uid).or_default();
            made.push(id);
            if made.len() > 1 {
                let made = made.clone();
                self.add_violation(at, request, format!("more than one tenant was made for one object: {made:?}"));
            }
            return;
        }
        let holder = value[0]["holder"].as_str().and_then(|holder| self.tenants.get(holder));
        if self.has_omitted_tenant {
            return;
        }
        if let Some(holder) = holder.filter(|holder| holder.state != "TERMINATED" && holder.uid.as_ref() == Some(&uid))
        {
            let holder = holder.id.clone();
            self.add_violation(at, request, format!("a second create for an object whose tenant `{holder}` lives"));
        }
    }

    fn record_cluster_reply(
        &mut self,
        life: usize,
        request: &SimRequest,
        reply: &SimReply,
        cluster: &SimCluster,
        at: Timestamp,
    ) {
        if request.method == Method::GET {
            self.read.insert((life, request.path.clone()), cluster.version());
            return;
        }
        if request.is_lease() && reply.is_success() {
            let holder = request.json()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
            if self.leader.as_ref().is_none_or(|(leader, _)| *leader != holder) {
                if self.leading_life_number.is_some_and(|before| before != life && self.running_lives.contains(&before))
                {
                    self.occurred.entry("changes of the leader").or_default().insert(holder.clone());
                }
                self.leading_life_number = Some(life);
                self.leader = Some((holder, at));
            }
        }
        if request.is_event() && reply.is_success() {
            *self.events.entry(request.json()["reason"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let Some((key, is_status)) = object_of_path(&request.path).filter(|_| reply.is_success()) else { return };
        let after = reply.json_body();
        if is_status {
            self.record_status(&after, cluster);
            self.check_status_write(life, &key, &after, request, at);
        } else if request.json()["metadata"]["finalizers"].is_array() && !has_finalizer(&after) {
            let version = cluster.version().saturating_sub(1);
            if let Some(before) = cluster.object_at_version(&key, version).filter(|before| has_finalizer(before)) {
                self.check_finalizer_removal(life, &key, before.as_ref(), request, cluster, at);
            }
        }
    }

    /// Returns since when nothing was written, or `None` if no running operator leads.
    pub(crate) fn quiet_since(&self) -> Option<Timestamp> {
        let (_, since) = self.leader.as_ref()?;
        self.leading_life().filter(|life| self.running_lives.contains(life))?;
        Some(self.last_write.map_or(*since, |last| last.max(*since)))
    }

    /// Forgets an operator that ended by itself. Its successor leads once it has acquired the lease.
    pub(crate) fn clear_lease_holder(&mut self, life: usize) {
        self.holders.remove(&life);
    }

    /// Returns the life that leads.
    pub(crate) fn leading_life(&self) -> Option<usize> {
        let (leader, _) = self.leader.as_ref()?;
        self.holders.iter().find(|(_, holder)| *holder == leader).map(|(life, _)| *life)
    }

    /// Returns the objects that have more than one live tenant at the end of a run.
    pub(crate) fn duplicate_tenants(&self) -> Vec<String> {
        let mut living: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for tenant in self.tenants.values().filter(|tenant| tenant.state != "TERMINATED") {
            if let Some(uid) = &tenant.uid {
                living.entry(uid).or_default().push(&tenant.id);
            }
        }
        living.into_iter().filter(|(_, ids)| ids.len() > 1).map(|(uid, ids)| format!("{uid} has {ids:?}")).collect()
    }
}

/// Returns whether an object has our finalizer.
pub(crate) fn has_finalizer(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().any(|one| one == FINALIZER)
}
