//! `terminate`: records the informed consent to terminate a tenant. Terminates and deletes nothing.

mod consent;
mod impact;
mod write;

use clap_complete::ArgValueCompleter;
use jiff::{Span, SpanRelativeTo, Timestamp};
use tenantry_api::{Acknowledgement, Confirmation, Deletion, DeletionPolicy, ManagementMode};
use tenantry_core::confirmation_offered_until;
use tenantry_core::object::{TenantResource, is_deleting, management_mode};

use super::cluster::ClusterFlags;
use super::completion_candidates;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::inventory::object_label;
use super::object_arg::{AnyObject, ObjectArg, connect_required, object_argument};
use super::optimistic_patch::{DryRun, WriteFlags};
use super::prompt;
use super::{CommandResult, ExitKind, output};
use crate::cluster::Cluster;
use impact::{TerminationImpact, read_impact};

/// Longest grace period in seconds, as in the definitions: 30 days.
const MAX_GRACE_SECONDS: i64 = 2_592_000;

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
pub(crate) struct TerminateFlags {
    /// The object, as `partner NAME` or `client NAME`.
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// How long the tenant stays suspended before it is erased, up to 30 days: `30m`, `24h`, `7d`, or seconds. Default:
    /// what the object says, else one day.
    #[arg(long, value_name = "TIME", value_parser = parse_grace_seconds)]
    grace: Option<i64>,
    /// Name of the tenant, typed as it is on the platform.
    #[arg(long, value_name = "NAME", requires = "accept")]
    yes_i_typed: Option<String>,
    /// Consequences that are accepted; all three are needed.
    #[arg(long, value_name = "CONSEQUENCE", value_delimiter = ',', value_parser = parse_acknowledgement, requires = "yes_i_typed")]
    accept: Vec<Acknowledgement>,
    /// Print the YAML for Git instead of writing it.
    #[arg(long)]
    print: bool,
    /// Take `spec.deletion` from any other owner of it.
    #[arg(long, conflicts_with = "print")]
    force_conflicts: bool,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
}

fn parse_grace_seconds(text: &str) -> Result<i64, String> {
    let seconds = text.parse::<i64>().ok().or_else(|| {
        let span = text.parse::<Span>().ok()?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().map(|time| time.as_secs())
    });
    let fits = seconds.filter(|seconds| (0..=MAX_GRACE_SECONDS).contains(seconds));
    fits.ok_or_else(|| "write a time from 0 to 30 days, such as `24h`, `7d` or seconds".to_owned())
}

fn parse_acknowledgement(text: &str) -> Result<Acknowledgement, String> {
    let known = Acknowledgement::ALL.into_iter().find(|one| one.name() == text);
    known.ok_or_else(|| format!("the consequences are {}", Acknowledgement::ALL.map(Acknowledgement::name).join(", ")))
}

pub(crate) async fn run(flags: &TerminateFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = ObjectArg::parse_with_kind(&flags.object)?;
    let cluster = connect_required(cluster).await?;
    match named.find_object(&cluster).await? {
        AnyObject::Partner(partner) => Box::pin(consent_to_termination(partner.as_ref(), flags, &cluster)).await,
        AnyObject::Client(client) => Box::pin(consent_to_termination(client.as_ref(), flags, &cluster)).await,
    }
}

async fn consent_to_termination<K: TenantResource>(
    object: &K,
    flags: &TerminateFlags,
    cluster: &Cluster,
) -> CommandResult {
    ensure_confirmable(object).map_err(|failure| failure.about(object_label(object)))?;
    let seen = read_impact(object, &flags.connection, cluster).await?;
    output::print_to_stderr(&seen.text(object, flags.grace));
    let given = consent::ConsentFlags { name: flags.yes_i_typed.as_deref(), accepted: &flags.accept };
    consent::obtain_consent(&seen.observed.name, &given, prompt::terminal_prompt())
        .map_err(|failure| failure.about(object_label(object)))?;
    let deletion = build_deletion(object, &seen, flags.grace, tenantry_runtime::clock::now());
    if flags.print {
        output::print(&write::consent_manifest(object, &deletion)?)?;
        output::print_note(&format!("nothing is written: put this into Git; {}", next_step_message(object, &deletion)));
        return Ok(ExitKind::Success);
    }
    for warning in write::other_writer_warnings(object) {
        output::print_note(&warning);
    }
    let target = flags.write.target(cluster);
    write::apply_consent(object, &deletion, flags.force_conflicts, target).await?;
    output::print(&format!("the consent stands on {}{}\n", object_label(object), target.dry_run.suffix()))?;
    if target.dry_run == DryRun::None {
        output::print_note(&format!("nothing has ended yet: {}", next_step_message(object, &deletion)));
    }
    Ok(ExitKind::Success)
}

/// Verifies that a confirmation on the object would have an effect.
fn ensure_confirmable<K: TenantResource>(object: &K) -> Result<(), Failure> {
    let record = object.status().and_then(|status| status.termination.as_ref());
    if let Some(at) =
        record.and_then(|record| record.confirmed_at.as_deref().filter(|_| record.confirm_digest.is_some()))
    {
        return Err(Failure::new(format!(
            "the consent was accepted at {at}, and another one would cancel it: `kubectl tenantry status {0}` shows how far it is, `kubectl tenantry cancel {0}` takes it back",
            object_argument(object)
        )));
    }
    if management_mode(object) == ManagementMode::Observe {
        let message = "the tenant is only observed, and nothing the object says can end it: set `management.mode` to `Manage` first";
        return Err(Failure::new(message));
    }
    Ok(())
}

fn build_deletion<K: TenantResource>(
    object: &K,
    impact: &TerminationImpact,
    grace: Option<i64>,
    now: Timestamp,
) -> Deletion {
    Deletion {
        policy: Some(DeletionPolicy::Terminate),
        grace_period_seconds: grace.or_else(|| object.deletion()?.grace_period_seconds),
        confirm: Some(Confirmation {
            name: impact.observed.name.clone(),
            unique_id: impact.observed.unique_id.clone(),
            acknowledge: Acknowledgement::ALL.to_vec(),
            not_after: confirmation_offered_until(now).to_string(),
        }),
    }
}

/// Describes what happens after the consent.
fn next_step_message<K: TenantResource>(object: &K, deletion: &Deletion) -> String {
    let until = deletion.confirm.as_ref().map(|confirm| confirm.not_after.as_str()).unwrap_or_default();
    let named = object_argument(object);
    let next = if is_deleting(object) {
        "the object is deleted already, so the operator suspends the tenant now".to_owned()
    } else {
        format!("`kubectl delete {named}` until {until} suspends the tenant")
    };
    let grace = impact::grace_period_text(deletion.grace_period_seconds);
    format!("{next}, and {grace} it is erased for ever; `kubectl tenantry cancel {named}` takes it back until then")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_is_a_time_of_up_to_thirty_days() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(parse_grace_seconds(text), Ok(seconds), "{text}");
        }
        assert_eq!(parse_grace_seconds("30d"), Ok(MAX_GRACE_SECONDS));
        for text in ["-1", "31d", "2592001", "soon", "", "1mo"] {
            assert!(parse_grace_seconds(text).is_err(), "{text}");
        }
    }
}
