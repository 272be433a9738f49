//! Troubles that last for a while: an account that hangs beside a healthy one, reads that are late, clocks apart, a budget
//! that is used up, a leader that loses its lease, Secrets that rotate.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::ask::{Ask, Reply, Side};
use super::cluster::{Key, SECRETS};
use super::deeds::{Flaw, Who};
use super::platform::Tenant;
use super::seam::{Ahead, Fate, World};

/// A second name of the platform: that of the account of namespace `b`.
pub(crate) const OTHER_HOST: &str = "other.example";

/// A trouble that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// The account of namespace `b` answers nothing for so many seconds.
    Hang(i64),
    /// Reads of tenants show for so many seconds what they showed at its beginning.
    LateReads(i64),
    /// The clocks of the two servers are so many seconds ahead of the operator's.
    Clocks { cluster: i64, platform: i64 },
    /// Writes to the platform are refused for so many seconds.
    UsedUp(i64),
    /// Who leads can no longer renew its lease.
    LoseLease,
    /// The Secret that settings are read from has a new value.
    Rotate(u32),
    /// The Secret of the connection is written anew: with what it was, or with a credential that is refused.
    Reissue { namespace: &'static str, is_refused: bool },
}

pub(crate) fn trouble() -> impl Strategy<Value = Trouble> {
    let ahead = || prop::sample::select(vec![0_i64, 0, -3600, -90, 30, 90, 86_400]);
    let namespace = || prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        2 => (30_i64..900).prop_map(Trouble::Hang),
        2 => (5_i64..90).prop_map(Trouble::LateReads),
        3 => (ahead(), ahead()).prop_map(|(cluster, platform)| Trouble::Clocks { cluster, platform }),
        1 => (5_i64..60).prop_map(Trouble::UsedUp),
        3 => Just(Trouble::LoseLease),
        3 => (0_u32..1000).prop_map(Trouble::Rotate),
        1 => (namespace(), any::<bool>())
            .prop_map(|(namespace, is_refused)| Trouble::Reissue { namespace, is_refused }),
    ]
}

/// A read of a tenant, and the tenant as it then was.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) reply: Reply,
    pub(crate) tenant: Option<Tenant>,
}

/// The troubles of a world.
#[derive(Default)]
pub(crate) struct Troubles {
    /// Whether the platform shows cities in a form of its own.
    pub(crate) normalises: bool,
    /// Whether the account of namespace `b` has a host of its own, and settings are read from a Secret.
    pub(crate) is_wide: bool,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    hangs_until: Option<Timestamp>,
    late: Option<(Timestamp, Timestamp)>,
    used_up_until: Option<Timestamp>,
    cut_off: Option<usize>,
    shown: BTreeMap<String, Shown>,
    born: BTreeMap<String, Timestamp>,
    rotated: u32,
}

fn is_before(time: Option<Timestamp>, now: Timestamp) -> bool {
    time.is_some_and(|until| now < until)
}

impl Troubles {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// What becomes of a request that meets no fault.
    pub(crate) fn fate(&mut self, life: usize, ask: &Ask, now: Timestamp) -> Fate {
        if ask.is_lease() && self.cut_off == Some(life) {
            return Fate::Lost;
        }
        if ask.side == Side::Cluster {
            return Fate::Pass;
        }
        if is_before(self.hangs_until, now) {
            if ask.header("host") == OTHER_HOST {
                self.count("requests that hung");
                return Fate::Silent(Duration::from_secs(295));
            }
            if ask.is_write() {
                self.count("writes beside an account that hung");
            }
        }
        if ask.is_write() && is_before(self.used_up_until, now) {
            self.count("writes that had to wait");
            let left = self.used_up_until.map_or(1, |until| until.duration_since(now).as_secs() + 1);
            let headers = vec![("retry-after".to_owned(), left.to_string())];
            return Fate::Instead(Box::new((Reply { status: 429, headers, body: Bytes::new() }, false)));
        }
        Fate::Pass
    }

    /// Who was cut off goes on once another leads.
    pub(crate) fn led_by(&mut self, life: usize) {
        if self.cut_off.is_some_and(|cut_off| cut_off != life) {
            self.cut_off = None;
        }
    }

    /// What a read of a tenant is answered with instead, where reads are late.
    pub(crate) fn late_read(&mut self, ask: &Ask, now: Timestamp) -> Option<Shown> {
        let (since, until) = self.late?;
        let id = tenant_of(ask)?;
        if now >= until {
            return None;
        }
        self.count("reads that were late");
        if self.born.get(id).is_some_and(|born| *born >= since) {
            let gone = json!({"code": "0003", "message": format!("No resource found with UUID : {id}")});
            return Some(Shown { reply: Reply::json(404, &gone), tenant: None });
        }
        self.shown.get(id).cloned()
    }

    /// Remembers what a read showed, and who was created.
    pub(crate) fn note(&mut self, ask: &Ask, (reply, tenants): (&Reply, &BTreeMap<String, Tenant>), now: Timestamp) {
        if let Some(id) = tenant_of(ask) {
            self.shown.insert(id.to_owned(), Shown { reply: reply.clone(), tenant: tenants.get(id).cloned() });
        }
        if ask.method == Method::POST && (ask.path.ends_with("/clients") || ask.path.ends_with("/msps")) {
            let id = reply.value()["uniqueId"].as_str().map(str::to_owned);
            self.born.extend(id.map(|id| (id, now)));
        }
    }

    /// Writes the city of an answer as this platform does.
    pub(crate) fn normalise(&self, ask: &Ask, reply: &mut Reply) {
        if !self.normalises || !ask.path.contains("/clients/client_") || !reply.is_success() {
            return;
        }
        let mut body = reply.value();
        if let Some(city) = body["city"].as_str() {
            body["city"] = json!(city.to_uppercase());
            *reply = Reply::json(reply.status, &body);
        }
    }

    /// Whether the account of a namespace has the second host.
    pub(crate) fn host(&self, namespace: &str) -> &'static str {
        if self.is_wide && namespace == "b" { OTHER_HOST } else { super::life::HOST }
    }

    /// The value of the Secret that settings are read from.
    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.rotated)
    }

    /// All of them end, but not how the platform writes.
    pub(crate) fn end(&mut self) {
        (self.hangs_until, self.late, self.used_up_until, self.cut_off) = (None, None, None, None);
    }
}

/// The tenant that a request reads.
fn tenant_of(ask: &Ask) -> Option<&str> {
    let mut parts = ask.path.rsplit('/');
    let (id, segment) = (parts.next()?, parts.next()?);
    let is_read = ask.side == Side::Platform && ask.method == Method::GET;
    (is_read && (segment == "clients" || segment == "msps") && id.contains('_')).then_some(id)
}

impl World {
    pub(crate) fn trouble(&self, trouble: &Trouble) {
        let now = tenantry::clock::now();
        let until = |seconds: i64| now + SignedDuration::from_secs(seconds);
        let mut state = self.lock();
        match *trouble {
            Trouble::Hang(seconds) => {
                state.troubles.count("accounts that hung");
                state.troubles.hangs_until = Some(until(seconds));
            }
            // Two minutes are what a read may be late; one such time does not run into the next.
            Trouble::LateReads(seconds) => {
                let rested = SignedDuration::from_mins(5);
                if state.troubles.late.is_none_or(|(_, ended)| now.duration_since(ended) > rested) {
                    state.troubles.late = Some((now, until(seconds)));
                }
            }
            Trouble::Clocks { cluster, platform } => {
                state.ahead = Ahead {
                    cluster: SignedDuration::from_secs(cluster),
                    platform: SignedDuration::from_secs(platform),
                };
                let are_apart = [cluster, platform].iter().any(|ahead| ahead.abs() > 62);
                if are_apart && state.oracle.apart_since.is_none() {
                    state.troubles.count("clocks that were apart");
                }
                state.oracle.apart_since = are_apart.then(|| state.oracle.apart_since.unwrap_or(now));
            }
            Trouble::UsedUp(seconds) => state.troubles.used_up_until = Some(until(seconds)),
            Trouble::LoseLease => state.troubles.cut_off = state.oracle.leading(),
            Trouble::Rotate(number) => {
                state.troubles.rotated = number;
                drop(state);
                self.rotate();
            }
            Trouble::Reissue { namespace, is_refused } => {
                drop(state);
                self.reissue(namespace, is_refused);
            }
        }
    }

    /// Makes the Secret that settings are read from, where it is not there.
    pub(crate) fn duo(&self) {
        let metadata = json!({"name": "duo", "namespace": "a", "labels": {"tenantry.dev/allow-reference": "true"}});
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": self.duo_data()});
        self.kubectl(Method::POST, &SECRETS.path("a", ""), &body);
    }

    fn duo_data(&self) -> Value {
        let key = self.lock().troubles.key();
        json!({"ikey": STANDARD.encode("DIXXXXXXXXXXXXXXXXXX"), "skey": STANDARD.encode(key)})
    }

    /// The Secret has a new value, and the Clients of `acme` inherit it.
    fn rotate(&self) {
        let reference = |key: &str| json!({"name": "duo", "key": key});
        let access = json!({"duo": {
            "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
            "apiHostname": "api-1.duosecurity.com",
        }});
        self.edit(&Who::Acme.key(), &json!({"clients": {"defaults": {"access": access}}}));
        self.patch(&Key::new(SECRETS, "a", "duo"), &json!({"data": self.duo_data()}));
    }

    /// Writes the Secret of a connection anew.
    pub(crate) fn reissue(&self, namespace: &str, is_refused: bool) {
        let secret = self.lock().platform.credential.client_secret.clone();
        let secret = if is_refused { "wrong".to_owned() } else { secret };
        let annotations = json!({"reissued-at": tenantry::clock::now().to_string()});
        let patch =
            json!({"metadata": {"annotations": annotations}, "data": {"clientSecret": STANDARD.encode(secret)}});
        self.patch(&Key::new(SECRETS, namespace, "platform"), &patch);
    }

    /// Ends a tenant, and withdraws the consent when the call has waited so many seconds for its turn.
    pub(crate) async fn waver(&self, who: Who, waits: u64) {
        let key = who.key();
        let step = |world: &Self| world.object(&key).unwrap_or_default()["status"]["termination"].clone();
        self.consent(who, Flaw::None, 45);
        self.delete(&key);
        for _ in 0..90 {
            let termination = step(self);
            let due: Option<Timestamp> = termination["purgeAfter"].as_str().and_then(|text| text.parse().ok());
            let left = due.map(|due| due.duration_since(tenantry::clock::now()).as_secs());
            if left.is_some_and(|left| left < 6) {
                self.trouble(&Trouble::UsedUp(50));
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
            && state.oracle.ended.iter().all(|id| termination_of(&state.cluster, &key) != Some(id.clone()))
        {
            state.troubles.count("consents withdrawn while the call waited");
        }
        drop(state);
        self.edit(&key, &json!({"deletion": {"confirm": null}}));
    }
}

fn termination_of(cluster: &super::cluster::Cluster, key: &Key) -> Option<String> {
    cluster.get(key)?["status"]["uniqueId"].as_str().map(str::to_owned)
}
