//! The leading operator of each installation, read from its Lease.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tenantry_core::object::LEASE_NAME;

use super::cluster::{Cluster, api_error_message};
use super::colour::{Tone, paint_text};
use super::failure::Failure;
use super::output;

/// Label of the operator's Deployment and Pods, as the chart sets it.
pub(crate) const OPERATOR_LABEL: &str = "app.kubernetes.io/component=operator";

/// The leaders in a cluster.
pub(crate) enum Leaders {
    /// One for each installation.
    Known(Vec<Leader>),
    /// The Leases cannot be read, with the reason.
    Unknown(String),
}

/// The leader that one Lease names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    namespace: String,
    /// The current or last leader; `None` if the Lease was released.
    holder: Option<String>,
    /// When the Lease expires.
    until: Option<Timestamp>,
}

/// Reads the Leases of all installations.
pub(crate) async fn read_leaders(cluster: &Cluster) -> Leaders {
    let named = ListParams::default().fields(&format!("metadata.name={LEASE_NAME}"));
    match Api::<Lease>::all(cluster.client.clone()).list(&named).await {
        Ok(leases) => Leaders::Known(leases.iter().map(Leader::from_lease).collect()),
        Err(error) => Leaders::Unknown(api_error_message(&error)),
    }
}

impl Leader {
    fn from_lease(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let duration = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
        Self {
            namespace: lease.namespace().unwrap_or_default(),
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            until: spec.renew_time.and_then(|renewed| renewed.0.saturating_add(duration).ok()),
        }
    }

    fn is_leading(&self, now: Timestamp) -> bool {
        self.holder.is_some() && self.until.is_some_and(|until| until > now)
    }

    fn sentence(&self, now: Timestamp) -> String {
        let Self { namespace, holder, until } = self;
        match (holder, until) {
            (Some(holder), _) if self.is_leading(now) => {
                format!("operator `{holder}` leads in namespace `{namespace}`")
            }
            (Some(holder), Some(until)) => format!(
                "NO OPERATOR LEADS in namespace `{namespace}`: the lease of `{holder}` ended {} ago",
                format_age(*until, now)
            ),
            (Some(_) | None, _) => format!("NO OPERATOR LEADS in namespace `{namespace}`: the lease was given back"),
        }
    }
}

impl Leaders {
    /// Describes the operators that lead, as `the operator X runs in namespace Y`.
    pub(crate) fn running_operators(&self, now: Timestamp) -> Vec<String> {
        let Self::Known(leaders) = self else { return Vec::new() };
        let running = leaders.iter().filter(|leader| leader.is_leading(now));
        let sentence = |leader: &Leader| {
            let holder = leader.holder.as_deref().unwrap_or_default();
            format!("the operator `{holder}` runs in namespace `{}`", leader.namespace)
        };
        running.map(sentence).collect()
    }

    /// Returns the namespaces of all installations.
    ///
    /// # Errors
    /// Fails if the Leases could not be read.
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

    /// Returns whether it is certain that no operator leads.
    pub(crate) fn has_no_leader(&self, now: Timestamp) -> bool {
        matches!(self, Self::Known(leaders) if !leaders.iter().any(|leader| leader.is_leading(now)))
    }

    /// Describes the leaders, one line for each installation.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let line =
            |(text, leads): (String, bool)| paint_text(&text, if leads { Tone::Plain } else { Tone::Bad }) + "\n";
        self.lines(now).into_iter().map(line).collect()
    }

    /// Returns a sentence for each installation, and false if it needs attention.
    fn lines(&self, now: Timestamp) -> Vec<(String, bool)> {
        match self {
            Self::Unknown(why) => vec![(format!("who leads cannot be seen ({why})"), true)],
            Self::Known(leaders) if leaders.is_empty() => {
                vec![("NO OPERATOR LEADS: there is no Lease, so none ever ran in this cluster".to_owned(), false)]
            }
            Self::Known(leaders) => leaders.iter().map(|one| (one.sentence(now), one.is_leading(now))).collect(),
        }
    }

    /// Describes the leaders in one line without colours.
    pub(crate) fn plain_text(&self, now: Timestamp) -> String {
        let lines: Vec<String> = self.lines(now).into_iter().map(|(text, _)| text).collect();
        lines.join("; ")
    }

    /// Warns on stderr that what is shown may be outdated, if no operator leads.
    pub(crate) fn warn_without_leader(&self, now: Timestamp) {
        if self.has_no_leader(now) {
            let next = "what is shown is what an operator saw last; see with `kubectl tenantry check` what is missing";
            output::print_warning(&format!("no operator leads, so nothing is done: {next}"));
        }
    }
}

/// Formats the age of a time as kubectl does.
pub(crate) fn format_age(then: Timestamp, now: Timestamp) -> String {
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

    fn leaders_with_lease(holder: &str) -> Leaders {
        let lease: Lease = serde_json::from_value(serde_json::json!({
            "metadata": {"name": LEASE_NAME, "namespace": "tenantry-system"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-22T09:30:00.000000Z"},
        }))
        .unwrap();
        Leaders::Known(vec![Leader::from_lease(&lease)])
    }

    fn parse_timestamp(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_operator_leads_while_its_lease_is_fresh() {
        let fresh = parse_timestamp("2026-11-22T09:30:14Z");
        assert_eq!(
            leaders_with_lease("one").running_operators(fresh),
            ["the operator `one` runs in namespace `tenantry-system`"]
        );
        assert!(!leaders_with_lease("one").has_no_leader(fresh));
        for (leaders, now) in
            [(leaders_with_lease("one"), "2026-11-22T09:30:15Z"), (leaders_with_lease(""), "2026-11-22T09:30:01Z")]
        {
            assert!(
                leaders.running_operators(parse_timestamp(now)).is_empty()
                    && leaders.has_no_leader(parse_timestamp(now)),
                "{now}"
            );
            assert!(
                leaders.text(parse_timestamp(now)).starts_with("NO OPERATOR LEADS in namespace `tenantry-system`"),
                "{now}"
            );
        }
        assert!(
            leaders_with_lease("one")
                .text(parse_timestamp("2026-11-22T12:30:15Z"))
                .ends_with("the lease of `one` ended 3h ago\n")
        );
        assert!(Leaders::Known(Vec::new()).has_no_leader(fresh));
        assert!(!Leaders::Unknown("forbidden".to_owned()).has_no_leader(fresh), "what is not known is no alarm");
    }

    #[test]
    fn ages_are_short() {
        let now = parse_timestamp("2026-11-22T12:00:00Z");
        for (then, text) in [
            ("2026-11-22T11:59:01Z", "59s"),
            ("2026-11-22T11:00:00Z", "60m"),
            ("2026-11-21T12:00:00Z", "24h"),
            ("2026-11-12T12:00:00Z", "10d"),
            ("2026-11-22T12:00:01Z", "0s"),
        ] {
            assert_eq!(format_age(parse_timestamp(then), now), text);
        }
    }
}
