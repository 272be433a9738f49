//! Lasting faults: an account that hangs beside a healthy one, outdated reads, clocks that differ, an exhausted rate
//! limit, a leader that loses its lease, Secrets that rotate.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::actions::{ConsentFlaw, SimActor};
use super::cluster::{SECRETS, SimObjectKey};
use super::exchange::{ClockOffsets, RequestFate, SimWorld};
use super::platform::SimTenant;
use super::request::{SimReply, SimRequest, SimServer};

/// A second host name of the platform, for the account of namespace `b`.
pub(crate) const OTHER_HOST: &str = "other.example";

/// A fault that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LastingFault {
    /// The account of namespace `b` does not answer for so many seconds.
    Hang(i64),
    /// For so many seconds, reads of tenants show the state at the beginning of the fault.
    LateReads(i64),
    /// The clocks of the two servers are so many seconds ahead of the operator's.
    ClockOffsets { cluster: i64, platform: i64 },
    /// Writes to the platform are refused for so many seconds.
    RateLimited(i64),
    /// The leader can no longer renew its lease.
    LoseLease,
    /// The Secret that settings are read from has a new value.
    Rotate(u32),
    /// The Secret of the connection is written again: with the same credential, or with one that is refused.
    Reissue { namespace: &'static str, is_refused: bool },
}

pub(crate) fn any_lasting_fault() -> impl Strategy<Value = LastingFault> {
    let ahead = || prop::sample::select(vec![0_i64, 0, -3600, -90, 30, 90, 86_400]);
    let namespace = || prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        2 => (30_i64..900).prop_map(LastingFault::Hang),
        2 => (5_i64..90).prop_map(LastingFault::LateReads),
        3 => (ahead(), ahead()).prop_map(|(cluster, platform)| LastingFault::ClockOffsets { cluster, platform }),
        1 => (5_i64..60).prop_map(LastingFault::RateLimited),
        3 => Just(LastingFault::LoseLease),
        3 => (0_u32..1000).prop_map(LastingFault::Rotate),
        1 => (namespace(), any::<bool>())
            .prop_map(|(namespace, is_refused)| LastingFault::Reissue { namespace, is_refused }),
    ]
}

/// A read of a tenant, and its state at that time.
#[derive(Clone)]
pub(crate) struct DelayedRead {
    pub(crate) reply: SimReply,
    pub(crate) tenant: Option<SimTenant>,
}

/// The lasting faults of a world.
#[derive(Default)]
pub(crate) struct LastingFaults {
    /// Whether the platform normalises cities.
    pub(crate) normalises: bool,
    /// Whether the account of namespace `b` has a separate host, and settings are read from a Secret.
    pub(crate) has_second_host: bool,
    /// Counts of events.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    hangs_until: Option<Timestamp>,
    late: Option<(Timestamp, Timestamp)>,
    rate_limited_until: Option<Timestamp>,
    cut_off_life: Option<usize>,
    shown_reads: BTreeMap<String, DelayedRead>,
    created_at: BTreeMap<String, Timestamp>,
    rotated: u32,
}

fn is_before(time: Option<Timestamp>, now: Timestamp) -> bool {
    time.is_some_and(|until| now < until)
}

impl LastingFaults {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Returns the fate of a request that meets no other fault.
    pub(crate) fn fate(&mut self, life: usize, request: &SimRequest, now: Timestamp) -> RequestFate {
        if request.is_lease() && self.cut_off_life == Some(life) {
            return RequestFate::Lost;
        }
        if request.side == SimServer::Cluster {
            return RequestFate::Pass;
        }
        if is_before(self.hangs_until, now) {
            if request.header("host") == OTHER_HOST {
                self.count("requests that hung");
                return RequestFate::Silent(Duration::from_secs(295));
            }
            if request.is_write() {
                self.count("writes beside an account that hung");
            }
        }
        if request.is_write() && is_before(self.rate_limited_until, now) {
            self.count("writes that had to wait");
            let left = self.rate_limited_until.map_or(1, |until| until.duration_since(now).as_secs() + 1);
            let headers = vec![("retry-after".to_owned(), left.to_string())];
            return RequestFate::Replaced(Box::new((SimReply { status: 429, headers, body: Bytes::new() }, false)));
        }
        RequestFate::Pass
    }

    /// Ends the loss of the lease once another operator leads.
    pub(crate) fn update_leader(&mut self, life: usize) {
        if self.cut_off_life.is_some_and(|cut_off| cut_off != life) {
            self.cut_off_life = None;
        }
    }

    /// Returns the outdated answer to a read of a tenant, if reads are late.
    pub(crate) fn late_reply(&mut self, request: &SimRequest, now: Timestamp) -> Option<DelayedRead> {
        let (since, until) = self.late?;
        let id = read_tenant_id(request)?;
        if now >= until {
            return None;
        }
        self.count("reads that were late");
        if self.created_at.get(id).is_some_and(|born| *born >= since) {
            let gone = json!({"code": "0003", "message": format!("No resource found with UUID : {id}")});
            return Some(DelayedRead { reply: SimReply::json(404, &gone), tenant: None });
        }
        self.shown_reads.get(id).cloned()
    }

    /// Remembers what a read showed, and which tenants were created.
    pub(crate) fn remember_read(
        &mut self,
        request: &SimRequest,
        reply: &SimReply,
        tenants: &BTreeMap<String, SimTenant>,
        now: Timestamp,
    ) {
        if let Some(id) = read_tenant_id(request) {
            self.shown_reads
                .insert(id.to_owned(), DelayedRead { reply: reply.clone(), tenant: tenants.get(id).cloned() });
        }
        if request.method == Method::POST && (request.path.ends_with("/clients") || request.path.ends_with("/msps")) {
            let id = reply.json_body()["uniqueId"].as_str().map(str::to_owned);
            self.created_at.extend(id.map(|id| (id, now)));
        }
    }

    /// Normalises the city of an answer as this platform does.
    pub(crate) fn normalise_reply(&self, request: &SimRequest, reply: &mut SimReply) {
        if !self.normalises || !request.path.contains("/clients/client_") || !reply.is_success() {
            return;
        }
        let mut body = reply.json_body();
        if let Some(city) = body["city"].as_str() {
            body["city"] = json!(city.to_uppercase());
            *reply = SimReply::json(reply.status, &body);
        }
    }

    /// Returns the host of a namespace's account.
    pub(crate) fn platform_host_of(&self, namespace: &str) -> &'static str {
        if self.has_second_host && namespace == "b" { OTHER_HOST } else { super::operator_life::PLATFORM_HOST }
    }

    /// Returns the value of the Secret that settings are read from.
    pub(crate) fn secret_value(&self) -> String {
        format!("key-{}", self.rotated)
    }

    /// Ends all faults, but not the normalisation.
    pub(crate) fn end_all(&mut self) {
        (self.hangs_until, self.late, self.rate_limited_until, self.cut_off_life) = (None, None, None, None);
    }
}

/// Returns the tenant that a request reads.
fn read_tenant_id(request: &SimRequest) -> Option<&str> {
    let mut parts = request.path.rsplit('/');
    let (id, segment) = (parts.next()?, parts.next()?);
    let is_read = request.side == SimServer::Platform && request.method == Method::GET;
    (is_read && (segment == "clients" || segment == "msps") && id.contains('_')).then_some(id)
}

impl SimWorld {
    pub(crate) fn begin_lasting_fault(&self, fault: &LastingFault) {
        let now = tenantry_runtime::clock::now();
        let until = |seconds: i64| now + SignedDuration::from_secs(seconds);
        let mut state = self.lock();
        match *fault {
            LastingFault::Hang(seconds) => {
                state.lasting_faults.count("accounts that hung");
                state.lasting_faults.hangs_until = Some(until(seconds));
            }
            // A read may be outdated by up to two minutes, and two such periods must not overlap.
            LastingFault::LateReads(seconds) => {
                let rested = SignedDuration::from_mins(5);
                if state.lasting_faults.late.is_none_or(|(_, ended)| now.duration_since(ended) > rested) {
                    state.lasting_faults.late = Some((now, until(seconds)));
                }
            }
            LastingFault::ClockOffsets { cluster, platform } => {
                state.clock_offsets = ClockOffsets {
                    cluster: SignedDuration::from_secs(cluster),
                    platform: SignedDuration::from_secs(platform),
                };
                let are_apart = [cluster, platform].iter().any(|ahead| ahead.abs() > 62);
                if are_apart && state.oracle.clocks_differ_since.is_none() {
                    state.lasting_faults.count("clocks that were apart");
                }
                state.oracle.clocks_differ_since = are_apart.then(|| state.oracle.clocks_differ_since.unwrap_or(now));
            }
            LastingFault::RateLimited(seconds) => state.lasting_faults.rate_limited_until = Some(until(seconds)),
            LastingFault::LoseLease => state.lasting_faults.cut_off_life = state.oracle.leading_life(),
            LastingFault::Rotate(number) => {
                state.lasting_faults.rotated = number;
                drop(state);
                self.rotate_secret();
            }
            LastingFault::Reissue { namespace, is_refused } => {
                drop(state);
                self.rewrite_connection_secret(namespace, is_refused);
            }
        }
    }

    /// Creates the Secret that settings are read from, if it does not exist.
    pub(crate) fn create_default_duo_secret(&self) {
        let metadata = json!({"name": "duo", "namespace": "a", "labels": {"tenantry.dev/allow-reference": "true"}});
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": self.duo_data()});
        self.kubectl(Method::POST, &SECRETS.path("a", ""), &body);
    }

    fn duo_data(&self) -> Value {
        let key = self.lock().lasting_faults.secret_value();
        json!({"ikey": STANDARD.encode("DIXXXXXXXXXXXXXXXXXX"), "skey": STANDARD.encode(key)})
    }

    /// Rotates the Secret, whose value the Clients of `acme` inherit.
    fn rotate_secret(&self) {
        let reference = |key: &str| json!({"name": "duo", "key": key});
        let access = json!({"duo": {
            "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
            "apiHostname": "api-1.duosecurity.com",
        }});
        self.edit(&SimActor::Acme.key(), &json!({"clients": {"defaults": {"access": access}}}));
        self.patch(&SimObjectKey::new(SECRETS, "a", "duo"), &json!({"data": self.duo_data()}));
    }

    /// Writes the Secret of a connection again.
    pub(crate) fn rewrite_connection_secret(&self, namespace: &str, is_refused: bool) {
        let secret = self.lock().platform.credential.client_secret.clone();
        let secret = if is_refused { "wrong".to_owned() } else { secret };
        let annotations = json!({"reissued-at": tenantry_runtime::clock::now().to_string()});
        let patch =
            json!({"metadata": {"annotations": annotations}, "data": {"clientSecret": STANDARD.encode(secret)}});
        self.patch(&SimObjectKey::new(SECRETS, namespace, "platform"), &patch);
    }

    /// Terminates a tenant, and withdraws the consent after the call has waited so many seconds.
    pub(crate) async fn consent_and_withdraw(&self, actor: SimActor, waits: u64) {
        let key = actor.key();
        let step = |world: &Self| world.object(&key).unwrap_or_default()["status"]["termination"].clone();
        self.write_consent(actor, ConsentFlaw::None, 45);
        self.delete(&key);
        for _ in 0..90 {
            let termination = step(self);
            let due: Option<Timestamp> = termination["purgeAfter"].as_str().and_then(|text| text.parse().ok());
            let left = due.map(|due| due.duration_since(tenantry_runtime::clock::now()).as_secs());
            if left.is_some_and(|left| left < 6) {
                self.begin_lasting_fault(&LastingFault::RateLimited(50));
            }
            if termination["step"] == "Terminating" || self.object(&key).is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(waits)).await;
        let termination = step(self);
        let mut state = self.lock();
        if termination["step"] == "Terminating"
            && termination["acceptedAt"].is_null()
            && state.oracle.terminated.iter().all(|id| recorded_tenant_id(&state.cluster, &key) != Some(id.clone()))
        {
            state.lasting_faults.count("consents withdrawn while the call waited");
        }
        drop(state);
        self.edit(&key, &json!({"deletion": {"confirm": null}}));
    }
}

fn recorded_tenant_id(cluster: &super::cluster::SimCluster, key: &SimObjectKey) -> Option<String> {
    cluster.get(key)?["status"]["uniqueId"].as_str().map(str::to_owned)
}
