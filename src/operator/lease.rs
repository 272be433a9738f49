//! Keeps the Lease that says which operator leads: reads it, decides, and replaces it under its resourceVersion, so that
//! of two that want it the API server lets one have it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use rand::RngExt;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::FIELD_MANAGER;
use super::claim::Claim;
use super::error::sentence;
use crate::object::LEASE as NAME;
use crate::plan::lease::{Contender, Decision, Record, Terms};

/// Tries to let go before the rest is left to the lease duration.
const RELEASES: usize = 3;

/// Why this process leads no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// Another is in the record.
    #[error("`{0}` holds the lease")]
    To(String),
    /// The lease could not be renewed in time.
    #[error("the lease could not be renewed for {0:?}: {1}")]
    Unrenewed(Duration, String),
}

/// Keeps the Lease for one process.
pub(crate) struct Keeper {
    api: Api<Lease>,
    contender: Contender,
    terms: Terms,
    claim: Claim,
    /// What was logged last, so that a state is logged once and not at each look.
    said: String,
}

impl Keeper {
    /// A keeper with a client of its own.
    pub(crate) fn new(client: Client, namespace: &str, terms: Terms, claim: Claim) -> Self {
        let contender = Contender::new(identity(), terms);
        Self { api: Api::namespaced(client, namespace), contender, terms, claim, said: String::new() }
    }

    /// Contends for the lease and keeps it until `let_go` says something, and then gives it back.
    ///
    /// # Errors
    /// When it led and does so no more: whatever is under way must end, since another may lead already.
    pub(crate) async fn keep(mut self, mut let_go: oneshot::Receiver<()>) -> Result<(), Lost> {
        loop {
            let pause = tokio::select! {
                biased;
                _ = &mut let_go => break,
                pause = self.round() => pause?,
            };
            tokio::select! {
                biased;
                _ = &mut let_go => break,
                () = sleep(pause) => {}
            }
        }
        self.release().await;
        Ok(())
    }

    /// One look at the lease with what follows from it; returns the pause before the next.
    async fn round(&mut self) -> Result<Duration, Lost> {
        let most = self.terms.renew_deadline() / 2;
        let limit = self.left().map_or(most, |left| left.min(most));
        let mut trouble = "no answer in time".to_owned();
        let mut pause = self.terms.look();
        match timeout(limit, self.attempt()).await {
            Ok(Ok(next)) => pause = next?,
            Ok(Err(error)) => trouble = sentence(&error),
            Err(_elapsed) => {}
        }
        match self.left() {
            Some(left) if left.is_zero() => Err(Lost::Unrenewed(self.terms.renew_deadline(), trouble)),
            Some(left) => Ok(pause.min(left)),
            None => Ok(pause),
        }
    }

    /// What is left of the claim; nothing where there never was one.
    fn left(&self) -> Option<Duration> {
        self.contender.until().map(|until| until.saturating_sub(self.claim.now()))
    }

    async fn attempt(&mut self) -> Result<Result<Duration, Lost>, kube::Error> {
        let result = self.look().await;
        if let Err(error) = &result {
            let trouble = format!("the lease cannot be kept: {}", sentence(error));
            self.say(&trouble, |text| tracing::warn!("{text}"));
        }
        result
    }

    async fn look(&mut self) -> Result<Result<Duration, Lost>, kube::Error> {
        let lease = self.api.get_opt(NAME).await?;
        let decision = self.contender.see(lease.as_ref().map(record), self.claim.now());
        if let Decision::Wait(pause) = decision {
            let holder = self.contender.holder().unwrap_or_default().to_owned();
            if self.contender.until().is_some() {
                self.claim.end();
                return Ok(Err(Lost::To(holder)));
            }
            self.say(&format!("standing by: `{holder}` leads"), |text| tracing::info!("{text}"));
            return Ok(Ok(pause));
        }
        let next = self.contender.claiming(crate::clock::now());
        let sent = self.claim.now();
        self.write(lease, &next).await?;
        self.contender.granted(sent, self.claim.now());
        if let Some(until) = self.contender.until() {
            self.claim.extend(until);
            self.say(&format!("leading as `{}`", self.contender.name()), |text| tracing::info!("{text}"));
        }
        Ok(Ok(self.terms.retry_period()))
    }

    /// Puts a record into the Lease as it was read; one that changed meanwhile stays as it is.
    async fn write(&self, lease: Option<Lease>, record: &Record) -> Result<(), kube::Error> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let Some(mut lease) = lease else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let mut lease = Lease { metadata, spec: Some(LeaseSpec::default()) };
            fill(lease.spec.get_or_insert_default(), record);
            return self.api.create(&params, &lease).await.map(drop);
        };
        fill(lease.spec.get_or_insert_default(), record);
        self.api.replace(NAME, &params, &lease).await.map(drop)
    }

    /// Gives the lease back, so that a successor need not wait: whatever this process still sends is refused from now.
    /// It looks even if it never led, since a claim may have been granted whose answer was not waited for.
    async fn release(&mut self) {
        self.claim.end();
        for _ in 0..RELEASES {
            match timeout(self.terms.renew_deadline() / 2, self.try_release()).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::warn!("the lease could not be given back: {}", sentence(&error)),
                Err(_elapsed) => tracing::warn!("the lease could not be given back: no answer in time"),
            }
        }
    }

    async fn try_release(&mut self) -> Result<(), kube::Error> {
        let lease = self.api.get_opt(NAME).await?;
        self.contender.see(lease.as_ref().map(record), self.claim.now());
        if lease.is_none() || self.contender.holder() != Some(self.contender.name()) {
            return Ok(());
        }
        let next = self.contender.releasing(crate::clock::now());
        self.write(lease, &next).await?;
        tracing::info!("the lease is given back");
        Ok(())
    }

    fn say(&mut self, text: &str, log: impl FnOnce(&str)) {
        if self.said != text {
            text.clone_into(&mut self.said);
            log(text);
        }
    }
}

/// A name that no other process has, not even the one that is started next in the same Pod: that one cannot know what
/// this one had under way, so it waits like any other.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    let host = if host.trim().is_empty() { NAME } else { host.trim() };
    format!("{host}_{:08x}", rand::rng().random::<u32>())
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(spec.lease_duration_seconds.and_then(|all| u64::try_from(all).ok()).unwrap_or(0)),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

/// Writes the record into what may hold more than this program knows of.
fn fill(spec: &mut LeaseSpec, record: &Record) {
    let Record { holder, duration, acquired, renewed, transitions } = record;
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    spec.holder_identity.clone_from(holder);
    spec.lease_duration_seconds = Some(i32::try_from(seconds).unwrap_or(i32::MAX));
    spec.acquire_time = acquired.map(MicroTime);
    spec.renew_time = renewed.map(MicroTime);
    spec.lease_transitions = Some(*transitions);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_record_survives_the_lease_and_its_duration_is_rounded_up() {
        let time = Timestamp::from_microsecond(1_700_000_000_123_456).ok();
        let record = Record {
            holder: Some("one".to_owned()),
            duration: Duration::from_millis(2500),
            acquired: time,
            renewed: time,
            transitions: 7,
        };
        let mut spec = LeaseSpec { preferred_holder: Some("kept".to_owned()), ..LeaseSpec::default() };
        fill(&mut spec, &record);
        assert_eq!(spec.preferred_holder.as_deref(), Some("kept"));
        let text = serde_json::to_string(&spec).unwrap();
        let lease = Lease { spec: serde_json::from_str(&text).ok(), ..Lease::default() };
        assert_eq!(super::record(&lease), Record { duration: Duration::from_secs(3), ..record });
        let free =
            Lease { spec: Some(LeaseSpec { holder_identity: Some(String::new()), ..LeaseSpec::default() }), ..lease };
        assert_eq!(super::record(&free).holder, None);
    }

    #[test]
    fn no_two_processes_have_the_same_name() {
        assert_ne!(identity(), identity());
    }
}
