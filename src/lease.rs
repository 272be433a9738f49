//! Maintains the Lease that names the leader: reads it, decides, and replaces it under its resourceVersion, so that of
//! two contenders the API server lets one win.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use rand::RngExt;
use tenantry_core::leader_election::{LeaderElector, LeaseDecision, LeaseRecord, LeaseTerms};
use tenantry_core::object::LEASE_NAME;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::FIELD_MANAGER;
use super::leadership_claim::LeadershipClaim;
use super::pass_stop::api_error_message;

/// Attempts to release the lease; after that, the lease duration has to run out.
const RELEASE_ATTEMPTS: usize = 3;

/// Why this process is no longer the leader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeadershipLost {
    /// Another process holds the lease.
    #[error("`{0}` holds the lease")]
    HeldByOther(String),
    /// The lease could not be renewed in time.
    #[error("the lease could not be renewed for {0:?}: {1}")]
    NotRenewed(Duration, String),
}

/// Maintains the Lease for one process.
pub(crate) struct LeaseKeeper {
    api: Api<Lease>,
    contender: LeaderElector,
    terms: LeaseTerms,
    claim: LeadershipClaim,
    /// What was logged last, so that a state is logged once and not in each round.
    last_logged: String,
}

impl LeaseKeeper {
    /// Builds a keeper. It needs a client of its own.
    pub(crate) fn new(client: Client, namespace: &str, terms: LeaseTerms, claim: LeadershipClaim) -> Self {
        let contender = LeaderElector::new(process_identity(), terms);
        Self { api: Api::namespaced(client, namespace), contender, terms, claim, last_logged: String::new() }
    }

    /// Contends for the lease, renews it until `stop` resolves, and then releases it.
    ///
    /// # Errors
    /// If leadership is lost: all work must stop, since another process may lead already.
    pub(crate) async fn keep_lease(mut self, mut stop: oneshot::Receiver<()>) -> Result<(), LeadershipLost> {
        loop {
            let pause = tokio::select! {
                biased;
                _ = &mut stop => break,
                pause = self.run_round() => pause?,
            };
            tokio::select! {
                biased;
                _ = &mut stop => break,
                () = sleep(pause) => {}
            }
        }
        self.release_lease().await;
        Ok(())
    }

    /// Runs one round on the lease; returns the pause before the next.
    async fn run_round(&mut self) -> Result<Duration, LeadershipLost> {
        let most = self.terms.renew_deadline() / 2;
        let limit = self.remaining_claim().map_or(most, |left| left.min(most));
        let mut reason = "no answer in time".to_owned();
        let mut pause = self.terms.poll_interval();
        match timeout(limit, self.try_claim_and_log()).await {
            Ok(Ok(next)) => pause = next?,
            Ok(Err(error)) => reason = api_error_message(&error),
            Err(_elapsed) => {}
        }
        match self.remaining_claim() {
            Some(left) if left.is_zero() => Err(LeadershipLost::NotRenewed(self.terms.renew_deadline(), reason)),
            Some(left) => Ok(pause.min(left)),
            None => Ok(pause),
        }
    }

    /// Returns what is left of the claim; `None` if there never was one.
    fn remaining_claim(&self) -> Option<Duration> {
        self.contender.leads_until().map(|until| until.saturating_sub(self.claim.process_time()))
    }

    async fn try_claim_and_log(&mut self) -> Result<Result<Duration, LeadershipLost>, kube::Error> {
        let result = self.try_claim().await;
        if let Err(error) = &result {
            let reason = format!("the lease cannot be kept: {}", api_error_message(error));
            self.log_change(&reason, |text| tracing::warn!("{text}"));
        }
        result
    }

    async fn try_claim(&mut self) -> Result<Result<Duration, LeadershipLost>, kube::Error> {
        let lease = self.api.get_opt(LEASE_NAME).await?;
        let decision = self.contender.observe_record(lease.as_ref().map(lease_record), self.claim.process_time());
        if let LeaseDecision::Wait(pause) = decision {
            let holder = self.contender.holder().unwrap_or_default().to_owned();
            if self.contender.leads_until().is_some() {
                self.claim.revoke();
                return Ok(Err(LeadershipLost::HeldByOther(holder)));
            }
            self.log_change(&format!("standing by: `{holder}` leads"), |text| tracing::info!("{text}"));
            return Ok(Ok(pause));
        }
        let next = self.contender.claim_record(tenantry_runtime::clock::now());
        let sent = self.claim.process_time();
        self.write_record(lease, &next).await?;
        self.contender.confirm_claim(sent, self.claim.process_time());
        if let Some(until) = self.contender.leads_until() {
            self.claim.extend_until(until);
            self.log_change(&format!("leading as `{}`", self.contender.identity()), |text| tracing::info!("{text}"));
        }
        Ok(Ok(self.terms.retry_period()))
    }

    /// Writes a record into the Lease as it was read. If the Lease changed meanwhile, the write fails.
    async fn write_record(&self, lease: Option<Lease>, record: &LeaseRecord) -> Result<(), kube::Error> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let Some(mut lease) = lease else {
            let metadata = ObjectMeta { name: Some(LEASE_NAME.to_owned()), ..ObjectMeta::default() };
            let mut lease = Lease { metadata, spec: Some(LeaseSpec::default()) };
            fill_spec(lease.spec.get_or_insert_default(), record);
            return self.api.create(&params, &lease).await.map(drop);
        };
        fill_spec(lease.spec.get_or_insert_default(), record);
        self.api.replace(LEASE_NAME, &params, &lease).await.map(drop)
    }

    /// Releases the lease, so that a successor need not wait. From now on everything that this process sends is
    /// refused. The lease is read even if this process never led, since a claim may have been granted whose answer did
    /// not arrive.
    async fn release_lease(&mut self) {
        self.claim.revoke();
        for _ in 0..RELEASE_ATTEMPTS {
            match timeout(self.terms.renew_deadline() / 2, self.try_release()).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::warn!("the lease could not be given back: {}", api_error_message(&error)),
                Err(_elapsed) => tracing::warn!("the lease could not be given back: no answer in time"),
            }
        }
    }

    async fn try_release(&mut self) -> Result<(), kube::Error> {
        let lease = self.api.get_opt(LEASE_NAME).await?;
        self.contender.observe_record(lease.as_ref().map(lease_record), self.claim.process_time());
        if lease.is_none() || self.contender.holder() != Some(self.contender.identity()) {
            return Ok(());
        }
        let next = self.contender.release_record(tenantry_runtime::clock::now());
        self.write_record(lease, &next).await?;
        tracing::info!("the lease is given back");
        Ok(())
    }

    fn log_change(&mut self, text: &str, log: impl FnOnce(&str)) {
        if self.last_logged != text {
            text.clone_into(&mut self.last_logged);
            log(text);
        }
    }
}

/// Returns an identity that no other process has, not even the next one in the same Pod. That process cannot know what
/// this one had in flight, so it waits like any other.
fn process_identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    let host = if host.trim().is_empty() { LEASE_NAME } else { host.trim() };
    format!("{host}_{:08x}", rand::rng().random::<u32>())
}

fn lease_record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseRecord {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(spec.lease_duration_seconds.and_then(|all| u64::try_from(all).ok()).unwrap_or(0)),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

/// Writes the record into a spec that may hold fields unknown to this program.
fn fill_spec(spec: &mut LeaseSpec, record: &LeaseRecord) {
    let LeaseRecord { holder, duration, acquired, renewed, transitions } = record;
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
        let record = LeaseRecord {
            holder: Some("one".to_owned()),
            duration: Duration::from_millis(2500),
            acquired: time,
            renewed: time,
            transitions: 7,
        };
        let mut spec = LeaseSpec { preferred_holder: Some("kept".to_owned()), ..LeaseSpec::default() };
        fill_spec(&mut spec, &record);
        assert_eq!(spec.preferred_holder.as_deref(), Some("kept"));
        let text = serde_json::to_string(&spec).unwrap();
        let lease = Lease { spec: serde_json::from_str(&text).ok(), ..Lease::default() };
        assert_eq!(super::lease_record(&lease), LeaseRecord { duration: Duration::from_secs(3), ..record });
        let free =
            Lease { spec: Some(LeaseSpec { holder_identity: Some(String::new()), ..LeaseSpec::default() }), ..lease };
        assert_eq!(super::lease_record(&free).holder, None);
    }

    #[test]
    fn no_two_processes_have_the_same_name() {
        assert_ne!(process_identity(), process_identity());
    }
}
