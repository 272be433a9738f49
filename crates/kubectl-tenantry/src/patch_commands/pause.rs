//! `pause`: stops the operator from changing a tenant for some time.

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::{Value, json};
use tenantry_api::ManagementMode;
use tenantry_core::object::{TenantResource, management_mode};

use super::{ObjectPatch, patch_objects};
use crate::CommandResult;
use crate::cluster::ClusterFlags;
use crate::failure::Failure;
use crate::object_arg::{connect_required, object_argument};
use crate::optimistic_patch::WriteFlags;
use crate::selection::ObjectSelection;

/// Pause objects: nothing is read, written or ended for them.
///
/// With --until the pause ends by itself, by `spec.management.pausedUntil`; without it `spec.management.mode` becomes
/// `Paused`, and `kubectl tenantry resume` ends it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry pause client/globex --until 2h\n  kubectl tenantry pause partner acme\n  kubectl tenantry pause --all -n acme --until 2026-12-01T06:00:00Z"
)]
pub(crate) struct PauseFlags {
    #[command(flatten)]
    targets: ObjectSelection,
    /// When the pause ends: a time such as `2026-12-01T06:00:00Z`, or how long from now, such as `45m`, `2h` or `3d`.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &PauseFlags, cluster: &ClusterFlags) -> CommandResult {
    let until = flags.until.as_deref().map(|text| parse_pause_end(text, tenantry_runtime::clock::now())).transpose()?;
    let cluster = connect_required(cluster).await?;
    let objects = flags.targets.find_objects(&cluster).await?;
    patch_objects(&PausePatch { until }, &objects, flags.write.target(&cluster)).await
}

/// Parses the end of a pause, in whole seconds.
fn parse_pause_end(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let wrong = || {
        let message = format!(
            "`--until {text}` is no time ahead: write a time such as `2026-12-01T06:00:00Z`, or how long from now, such as `45m`, `2h` or `3d`"
        );
        Failure::new(message)
    };
    let length = |text: &str| {
        let span: Span = text.parse().ok()?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.checked_add(length).ok()
    };
    let end = text.parse::<Timestamp>().ok().or_else(|| length(text)).ok_or_else(wrong)?;
    let end = Timestamp::from_second(end.as_second()).map_err(|_| wrong())?;
    if end > now { Ok(end) } else { Err(wrong()) }
}

struct PausePatch {
    until: Option<Timestamp>,
}

impl ObjectPatch for PausePatch {
    fn written_fields(&self) -> &'static [&'static str] {
        &["spec.management.mode", "spec.management.pausedUntil"]
    }

    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure> {
        let (now, is_open) = (management_mode(object), management_mode(object) == ManagementMode::Paused);
        let known = object.management().and_then(|management| management.paused_until.clone());
        let Some(until) = self.until else {
            if now == ManagementMode::Observe {
                let message = "the tenant is only observed, so nothing is written anyway: with `--until TIME` it is not read either, and goes on being observed after it";
                return Err(Failure::new(message));
            }
            let patch = json!({"spec": {"management": {"mode": "Paused", "pausedUntil": null}}});
            return Ok((!is_open || known.is_some()).then_some(patch));
        };
        let is_same = known.and_then(|known| known.parse::<Timestamp>().ok()) == Some(until);
        let mut patch = json!({"spec": {"management": {"pausedUntil": until.to_string()}}});
        if is_open {
            patch["spec"]["management"]["mode"] = Value::Null;
        }
        Ok((is_open || !is_same).then_some(patch))
    }

    fn done_message(&self, named: &str) -> String {
        let until = self.until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("paused {named}{until}")
    }

    fn unchanged_message(&self) -> String {
        "it is paused so already".to_owned()
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        let resume = format!("`kubectl tenantry resume {}`", object_argument(object));
        match self.until {
            Some(_) => {
                format!(
                    "nothing is read, written or ended until then, and then it goes on by itself; {resume} ends it now"
                )
            }
            None => format!("nothing is read, written or ended until {resume}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_at_a_time_or_after_a_length_and_never_in_the_past() {
        let now: Timestamp = "2026-12-01T12:00:00.5Z".parse().unwrap();
        for (text, time) in [
            ("2026-12-01T12:00:01Z", "2026-12-01T12:00:01Z"),
            ("2026-12-01T14:00:00+01:00", "2026-12-01T13:00:00Z"),
            ("45m", "2026-12-01T12:45:00Z"),
            ("3d", "2026-12-04T12:00:00Z"),
            ("1d12h", "2026-12-03T00:00:00Z"),
        ] {
            assert_eq!(parse_pause_end(text, now).map(|end| end.to_string()), Ok(time.to_owned()), "{text}");
        }
        for text in ["2026-12-01T12:00:00Z", "2026-12-01", "-2h", "0s", "soon", "", "1000000y"] {
            assert!(parse_pause_end(text, now).is_err(), "{text}");
        }
    }
}
