//! `terminate`: consent to the end of a tenant, given with open eyes. Ends nothing and deletes nothing.

mod consent;
mod show;
mod write;

use clap_complete::ArgValueCompleter;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::ask;
use super::cluster::ClusterFlags;
use super::complete;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::ground::named;
use super::guarded::{DryRun, WriteFlags};
use super::one::{Named, One, argument, required};
use super::{Ended, Exit, output};
use crate::api::{Acknowledgement, Confirmation, Deletion, DeletionPolicy, ManagementMode};
use crate::cli::cluster::Cluster;
use crate::object::{Object, is_deleting, mode};
use crate::plan::offered_until;
use show::{Seen, see};

/// Longest grace period in seconds, as the definitions say: 30 days.
const LONGEST_GRACE: i64 = 2_592_000;

/// Consent to the end of a tenant: all its data is erased for ever.
///
/// Shows what the end would erase and what is kept as evidence, asks for the tenant's name and for each consequence to
/// be accepted, and then writes `spec.deletion` with `policy: Terminate` and a confirmation that holds for six days.
/// With --print it writes nothing and prints what belongs into Git.
///
/// Nothing ends by this alone: `kubectl delete` comes next, then the tenant is suspended, and after the grace period it
/// is erased. `kubectl tenantry cancel` takes it all back until then.
///
/// Without a terminal, name and consequences are flags; there is no flag that says yes to everything.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry terminate client globex\n  kubectl tenantry terminate partner/acme --grace 7d --print\n  kubectl tenantry terminate client/globex --yes-i-typed 'Globex GmbH' \\\n    --accept DataErased,NotRecoverable,UsersDeactivated"
)]
pub(crate) struct Flags {
    /// The object, as `partner NAME` or `client NAME`.
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(complete::objects))]
    object: Vec<String>,
    /// How long the tenant stays suspended before it is erased, up to 30 days: `30m`, `24h`, `7d`, or seconds. Default:
    /// what the object says, else one day.
    #[arg(long, value_name = "TIME", value_parser = grace)]
    grace: Option<i64>,
    /// Name of the tenant, typed as it stands on the platform.
    #[arg(long, value_name = "NAME", requires = "accept")]
    yes_i_typed: Option<String>,
    /// Consequences that are accepted; all three are needed.
    #[arg(long, value_name = "CONSEQUENCE", value_delimiter = ',', value_parser = acknowledgement, requires = "yes_i_typed")]
    accept: Vec<Acknowledgement>,
    /// Print the YAML for Git instead of writing it.
    #[arg(long)]
    print: bool,
    /// Take `spec.deletion` from whoever else owns it.
    #[arg(long, conflicts_with = "print")]
    force_conflicts: bool,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
}

fn grace(text: &str) -> Result<i64, String> {
    let seconds = text.parse::<i64>().ok().or_else(|| {
        let span = text.parse::<Span>().ok()?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().map(|time| time.as_secs())
    });
    let fits = seconds.filter(|seconds| (0..=LONGEST_GRACE).contains(seconds));
    fits.ok_or_else(|| "write a time from 0 to 30 days, such as `24h`, `7d` or seconds".to_owned())
}

fn acknowledgement(text: &str) -> Result<Acknowledgement, String> {
    let known = Acknowledgement::ALL.into_iter().find(|one| one.name() == text);
    known.ok_or_else(|| format!("the consequences are {}", Acknowledgement::ALL.map(Acknowledgement::name).join(", ")))
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let named = Named::read_with_kind(&flags.object)?;
    let cluster = required(cluster).await?;
    match named.find(&cluster).await? {
        One::Partner(partner) => Box::pin(terminate(partner.as_ref(), flags, &cluster)).await,
        One::Client(client) => Box::pin(terminate(client.as_ref(), flags, &cluster)).await,
    }
}

async fn terminate<K: Object>(object: &K, flags: &Flags, cluster: &Cluster) -> Ended {
    may_be_confirmed(object).map_err(|failure| failure.about(named(object)))?;
    let seen = see(object, &flags.connection, cluster).await?;
    output::tell(&seen.text(object, flags.grace));
    let given = consent::Given { name: flags.yes_i_typed.as_deref(), accepted: &flags.accept };
    consent::ask(&seen.observed.name, &given, ask::at_the_terminal())
        .map_err(|failure| failure.about(named(object)))?;
    let deletion = deletion(object, &seen, (flags.grace, crate::clock::now()));
    if flags.print {
        output::print(&write::hunk(object, &deletion)?)?;
        output::note(&format!("nothing is written: put this into Git; {}", follows(object, &deletion)));
        return Ok(Exit::Nothing);
    }
    for warning in write::warnings(object) {
        output::note(&warning);
    }
    let target = flags.write.target(cluster);
    write::apply(object, &deletion, flags.force_conflicts, target).await?;
    output::print(&format!("the consent stands on {}{}\n", named(object), target.dry_run.suffix()))?;
    if target.dry_run == DryRun::None {
        output::note(&format!("nothing has ended yet: {}", follows(object, &deletion)));
    }
    Ok(Exit::Nothing)
}

/// Whether a confirmation on the object would mean anything.
fn may_be_confirmed<K: Object>(object: &K) -> Result<(), Failure> {
    let record = object.status().and_then(|status| status.termination.as_ref());
    if let Some(at) =
        record.and_then(|record| record.confirmed_at.as_deref().filter(|_| record.confirm_digest.is_some()))
    {
        return Err(Failure::new(format!(
            "the consent was accepted at {at}, and another one would cancel it: `kubectl tenantry status {0}` shows how far it is, `kubectl tenantry cancel {0}` takes it back",
            argument(object)
        )));
    }
    if mode(object) == ManagementMode::Observe {
        let message = "the tenant is only observed, and nothing the object says can end it: set `management.mode` to `Manage` first";
        return Err(Failure::new(message));
    }
    Ok(())
}

fn deletion<K: Object>(object: &K, seen: &Seen, (grace, now): (Option<i64>, Timestamp)) -> Deletion {
    Deletion {
        policy: Some(DeletionPolicy::Terminate),
        grace_period_seconds: grace.or_else(|| object.deletion()?.grace_period_seconds),
        confirm: Some(Confirmation {
            name: seen.observed.name.clone(),
            unique_id: seen.observed.unique_id.clone(),
            acknowledge: Acknowledgement::ALL.to_vec(),
            not_after: offered_until(now).to_string(),
        }),
    }
}

/// What comes after the consent.
fn follows<K: Object>(object: &K, deletion: &Deletion) -> String {
    let until = deletion.confirm.as_ref().map(|confirm| confirm.not_after.as_str()).unwrap_or_default();
    let named = argument(object);
    let next = if is_deleting(object) {
        "the object is deleted already, so the operator suspends the tenant now".to_owned()
    } else {
        format!("`kubectl delete {named}` until {until} suspends the tenant")
    };
    let grace = show::grace(deletion.grace_period_seconds);
    format!("{next}, and {grace} it is erased for ever; `kubectl tenantry cancel {named}` takes it back until then")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_is_a_time_of_up_to_thirty_days() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(grace(text), Ok(seconds), "{text}");
        }
        assert_eq!(grace("30d"), Ok(LONGEST_GRACE));
        for text in ["-1", "31d", "2592001", "soon", "", "1mo"] {
            assert!(grace(text).is_err(), "{text}");
        }
    }
}
