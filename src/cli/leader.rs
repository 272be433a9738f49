//! Which operator leads, as its Lease tells.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::cluster::{Cluster, sentence};
use super::colour::{Tone, painted};
use super::failure::Failure;
use super::output;
use crate::object::LEASE;

/// Label of the operator's Deployment and Pods, as the chart sets it.
pub(crate) const OPERATOR: &str = "app.kubernetes.io/component=operator";

/// What the Leases of a cluster say.
pub(crate) enum Leaders {
    /// One for each installation.
    Known(Vec<Leader>),
    /// They cannot be read, and why.
    Unknown(String),
}

/// What one Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    namespace: String,
    /// Who leads or led last; nothing where the Lease was given back.
    holder: Option<String>,
    /// Until when it leads.
    until: Option<Timestamp>,
}

/// Reads the Leases of all installations.
pub(crate) async fn leaders(cluster: &Cluster) -> Leaders {
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    match Api::<Lease>::all(cluster.client.clone()).list(&named).await {
        Ok(leases) => Leaders::Known(leases.iter().map(Leader::of).collect()),
        Err(error) => Leaders::Unknown(sentence(&error)),
    }
}

impl Leader {
    fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let duration = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
        Self {
            namespace: lease.namespace().unwrap_or_default(),
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            until: spec.renew_time.and_then(|renewed| renewed.0.saturating_add(duration).ok()),
        }
    }

    fn leads(&self, now: Timestamp) -> bool {
        self.holder.is_some() && self.until.is_some_and(|until| until > now)
    }

    fn sentence(&self, now: Timestamp) -> String {
        let Self { namespace, holder, until } = self;
        match (holder, until) {
            (Some(holder), _) if self.leads(now) => format!("operator `{holder}` leads in namespace `{namespace}`"),
            (Some(holder), Some(until)) => format!(
                "NO OPERATOR LEADS in namespace `{namespace}`: the lease of `{holder}` ended {} ago",
                age(*until, now)
            ),
            (Some(_) | None, _) => format!("NO OPERATOR LEADS in namespace `{namespace}`: the lease was given back"),
        }
    }
}

impl Leaders {
    /// The operators that lead, as `the operator X runs in namespace Y`.
    pub(crate) fn running(&self, now: Timestamp) -> Vec<String> {
        let Self::Known(leaders) = self else { return Vec::new() };
        let running = leaders.iter().filter(|leader| leader.leads(now));
        let sentence = |leader: &Leader| {
            let holder = leader.holder.as_deref().unwrap_or_default();
            format!("the operator `{holder}` runs in namespace `{}`", leader.namespace)
        };
        running.map(sentence).collect()
    }

    /// Namespaces of all installations.
    ///
    /// # Errors
    /// They are not known.
    pub(crate) fn namespaces(&self) -> Result<Vec<String>, Failure> {
        let advice = "name it with `--operator-namespace`";
        match self {
            Self::Unknown(why) => {
                Err(Failure::new(format!("the namespace of the operator cannot be found ({why}): {advice}")))
            }
            Self::Known(leaders) if leaders.is_empty() => {
                Err(Failure::new(format!("no operator ever ran in this cluster; where one is about to, {advice}")))
            }
            Self::Known(leaders) => Ok(leaders.iter().map(|leader| leader.namespace.clone()).collect()),
        }
    }

    /// Whether it is known that nobody leads.
    pub(crate) fn is_headless(&self, now: Timestamp) -> bool {
        matches!(self, Self::Known(leaders) if !leaders.iter().any(|leader| leader.leads(now)))
    }

    /// Who leads, a line for each installation.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let line = |(text, leads): (String, bool)| painted(&text, if leads { Tone::Plain } else { Tone::Bad }) + "\n";
        self.lines(now).into_iter().map(line).collect()
    }

    /// A sentence for each installation, and whether it is none to worry about.
    fn lines(&self, now: Timestamp) -> Vec<(String, bool)> {
        match self {
            Self::Unknown(why) => vec![(format!("who leads cannot be seen ({why})"), true)],
            Self::Known(leaders) if leaders.is_empty() => {
                vec![("NO OPERATOR LEADS: there is no Lease, so none ever ran in this cluster".to_owned(), false)]
            }
            Self::Known(leaders) => leaders.iter().map(|one| (one.sentence(now), one.leads(now))).collect(),
        }
    }

    /// The same in one line without colours.
    pub(crate) fn plain_text(&self, now: Timestamp) -> String {
        let lines: Vec<String> = self.lines(now).into_iter().map(|(text, _)| text).collect();
        lines.join("; ")
    }

    /// Says on stderr that what is shown is of before, where that is so.
    pub(crate) fn warn(&self, now: Timestamp) {
        if self.is_headless(now) {
            let next = "what is shown is what an operator saw last; see with `kubectl tenantry check` what is missing";
            output::warning(&format!("no operator leads, so nothing is done: {next}"));
        }
    }
}

/// How long ago a time is, as kubectl shows ages.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str) -> Leaders {
        let lease: Lease = serde_json::from_value(serde_json::json!({
            "metadata": {"name": LEASE, "namespace": "tenantry-system"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-22T09:30:00.000000Z"},
        }))
        .unwrap();
        Leaders::Known(vec![Leader::of(&lease)])
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_operator_leads_while_its_lease_is_fresh() {
        let fresh = at("2026-11-22T09:30:14Z");
        assert_eq!(lease("one").running(fresh), ["the operator `one` runs in namespace `tenantry-system`"]);
        assert!(!lease("one").is_headless(fresh));
        for (leaders, now) in [(lease("one"), "2026-11-22T09:30:15Z"), (lease(""), "2026-11-22T09:30:01Z")] {
            assert!(leaders.running(at(now)).is_empty() && leaders.is_headless(at(now)), "{now}");
            assert!(leaders.text(at(now)).starts_with("NO OPERATOR LEADS in namespace `tenantry-system`"), "{now}");
        }
        assert!(lease("one").text(at("2026-11-22T12:30:15Z")).ends_with("the lease of `one` ended 3h ago\n"));
        assert!(Leaders::Known(Vec::new()).is_headless(fresh));
        assert!(!Leaders::Unknown("forbidden".to_owned()).is_headless(fresh), "what is not known is no alarm");
    }

    #[test]
    fn ages_are_short() {
        let now = at("2026-11-22T12:00:00Z");
        for (then, text) in [
            ("2026-11-22T11:59:01Z", "59s"),
            ("2026-11-22T11:00:00Z", "60m"),
            ("2026-11-21T12:00:00Z", "24h"),
            ("2026-11-12T12:00:00Z", "10d"),
            ("2026-11-22T12:00:01Z", "0s"),
        ] {
            assert_eq!(age(at(then), now), text);
        }
    }
}
