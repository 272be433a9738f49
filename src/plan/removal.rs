//! The end of an object: what may happen to its tenant, one step at a time.
//!
//! The operator asks after every step again, with everything read anew. Only this file makes a [`Permit`], and
//! `connect::terminate` takes nothing else.

mod confirm;

pub use confirm::{confirm_digest, how_to_confirm};

use jiff::{SignedDuration, Timestamp};

use super::{Observed, TenantLife};
use crate::api::{Confirmation, DeletionPolicy, Reason, TerminationStatus, TerminationStep};
use crate::wire::Mark;

/// Seconds of the grace period where the spec names none: one day.
const DEFAULT_GRACE: i64 = 86_400;

/// Leave to end one tenant, bound to its id and mark.
#[derive(Debug)]
pub struct Permit {
    id: String,
    mark: Mark,
}

impl Permit {
    /// Tenant that may be ended.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Owner that it was checked against.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// What the object says about its end.
#[derive(Clone, Copy, Debug)]
pub struct RemovalIntent<'a> {
    /// What is to happen to the tenant.
    pub policy: DeletionPolicy,
    /// Seconds between suspension and end.
    pub grace_seconds: Option<i64>,
    /// Consent.
    pub confirm: Option<&'a Confirmation>,
    /// UID of the object.
    pub uid: &'a str,
    /// Value of the annotation that lets go.
    pub abandon: Option<&'a str>,
    /// Id of the tenant, where one was ever recorded.
    pub unique_id: Option<&'a str>,
    /// Owner that the tenant must name.
    pub mark: &'a Mark,
    /// How far it has come.
    pub record: &'a TerminationStatus,
}

/// Whether more than the object is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Going {
    /// Only the object.
    No,
    /// Its namespace.
    Namespace,
    /// Its kind.
    Definition,
    /// It could not be learnt, and why.
    CannotTell(String),
}

/// The tenant behind the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Tenant {
    /// Not looked at, because the policy leaves it alone.
    NotAsked,
    /// None was ever recorded, and none is found.
    None,
    /// It was recorded and is no longer on the platform.
    Gone,
    /// More than one could be it.
    Ambiguous(Vec<String>),
    /// It carries the mark of another owner, or none.
    NotOurs(String),
    /// It is there and ours.
    Found(Box<Observed>),
    /// It could not be looked at: reason and message of the condition.
    Unreachable(Reason, String),
}

/// What stands under a Partner; empty for a Client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// Client objects that name it.
    pub objects: Vec<String>,
    /// Those of them that are being deleted with Suspend or Terminate and so need its connection.
    pub leaving: Vec<String>,
    /// Clients that live under it on the platform, by name; nothing where that is not known.
    pub live: Option<Vec<String>>,
}

/// What the object stands in, read just now.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whether more than the object is going.
    pub going: Going,
    /// Its tenant.
    pub tenant: Tenant,
    /// What stands under it.
    pub children: Children,
    /// Why the reference to the Partner does not hold any more, where that is so.
    pub reference_broken: Option<String>,
}

/// Why an object is let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Reason of the event.
    pub reason: Reason,
    /// Sentence of the event.
    pub message: String,
}

/// Why an object waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Reason of the condition.
    pub reason: Reason,
    /// Sentence of the condition: the exact change that moves it on.
    pub message: String,
}

/// The next step of an object's end.
#[derive(Debug)]
pub enum Removal {
    /// Remove the finalizer; the tenant stays as it is.
    Release(Release),
    /// Wait for a change.
    Hold(Hold),
    /// Write `status.termination`, then ask again.
    Record(Box<TerminationStatus>),
    /// Suspend the tenant, then ask again.
    Suspend,
    /// Activate the tenant because the termination was cancelled, then ask again.
    Activate,
    /// Ask again at this time.
    WaitUntil(Timestamp),
    /// End the tenant, then ask again.
    Terminate(Permit),
}

/// The next step, from everything that was just read.
pub fn removal(intent: &RemovalIntent<'_>, surroundings: &Surroundings, now: Timestamp) -> Removal {
    if let Some(release) = abandoned(intent) {
        return Removal::Release(release);
    }
    if let Some(early) = going(intent, &surroundings.going) {
        return early;
    }
    let is_retain = intent.policy == DeletionPolicy::Retain;
    if let Some(reason) = surroundings.reference_broken.as_ref().filter(|_| !is_retain) {
        return hold(Reason::NamespaceNotAllowed, format!("{reason}; or set `deletion.policy` to `Retain`"));
    }
    let observed = match tenant(intent, &surroundings.tenant) {
        Ok(observed) => observed,
        Err(early) => return *early,
    };
    match (intent.policy, is_cancelled(intent)) {
        (DeletionPolicy::Terminate, false) => terminate(intent, surroundings, observed, now),
        (DeletionPolicy::Retain | DeletionPolicy::Terminate, true) => cancel(observed),
        (DeletionPolicy::Retain, false) => leaving(&surroundings.children)
            .unwrap_or_else(|| release(Reason::Retained, "the tenant stays on the platform as it is".to_owned())),
        (DeletionPolicy::Suspend, _) => leaving(&surroundings.children).unwrap_or_else(|| suspend(observed)),
    }
}

fn release(reason: Reason, message: String) -> Removal {
    Removal::Release(Release { reason, message })
}

fn hold(reason: Reason, message: String) -> Removal {
    Removal::Hold(Hold { reason, message })
}

/// The annotation lets go: it must name the tenant, so that a copied manifest lets go of nothing.
fn abandoned(intent: &RemovalIntent<'_>) -> Option<Release> {
    let named = intent.abandon?;
    (named == intent.unique_id.unwrap_or("none")).then(|| Release {
        reason: Reason::Abandoned,
        message: format!("let go by the annotation `{}`; the tenant was not touched", crate::api::ABANDON),
    })
}

fn going(intent: &RemovalIntent<'_>, going: &Going) -> Option<Removal> {
    match going {
        Going::No => None,
        Going::Namespace => {
            Some(release(Reason::Retained, "the namespace is being deleted, which never ends a tenant".to_owned()))
        }
        Going::Definition => Some(release(
            Reason::Retained,
            "the resource definition is being deleted, which never ends a tenant".to_owned(),
        )),
        Going::CannotTell(_) if intent.policy == DeletionPolicy::Retain && intent.record.confirm_digest.is_none() => {
            None
        }
        Going::CannotTell(why) => Some(hold(
            Reason::CannotTellWhy,
            format!(
                "whether the namespace or the resource definition is being deleted cannot be told ({why}): grant `get` on both, or set `deletion.policy` to `Retain`"
            ),
        )),
    }
}

/// The tenant, or the step that follows without one.
fn tenant<'a>(intent: &RemovalIntent<'_>, tenant: &'a Tenant) -> Result<Option<&'a Observed>, Box<Removal>> {
    let is_retain = intent.policy == DeletionPolicy::Retain;
    let abandon = intent.unique_id.unwrap_or("none");
    let way_out =
        format!("set `deletion.policy` to `Retain`, or annotate the object with `{}: {abandon}`", crate::api::ABANDON);
    let early = match tenant {
        Tenant::NotAsked => return Ok(None),
        Tenant::Found(observed) if observed.life != TenantLife::Terminated => return Ok(Some(observed)),
        Tenant::Found(_) | Tenant::Gone => {
            let (reason, message) = if intent.record.step == Some(TerminationStep::Terminating) {
                (Reason::Terminated, "the tenant was ended on the platform")
            } else {
                (Reason::AlreadyGone, "the tenant had already gone from the platform")
            };
            release(reason, message.to_owned())
        }
        Tenant::None => release(Reason::Retained, "no tenant of this object is on the platform".to_owned()),
        _ if is_retain => release(Reason::Retained, "the tenant stays on the platform as it is".to_owned()),
        Tenant::Ambiguous(ids) => hold(
            Reason::AmbiguousCreate,
            format!("any of the tenants {} could be this object's: {way_out}", ids.join(", ")),
        ),
        Tenant::NotOurs(id) if intent.unique_id.is_none() => {
            release(Reason::Retained, format!("tenant `{id}` is not this object's"))
        }
        Tenant::NotOurs(id) => {
            hold(Reason::OwnedElsewhere, format!("tenant `{id}` does not carry this object's mark: {way_out}"))
        }
        Tenant::Unreachable(reason, message) => hold(*reason, format!("{message}; to let go without it {way_out}")),
    };
    Err(Box::new(early))
}

/// Retain and Suspend of a Partner wait only for Clients that need its connection for their own end.
fn leaving(children: &Children) -> Option<Removal> {
    (!children.leaving.is_empty()).then(|| {
        hold(
            Reason::ClientsRemain,
            format!("{} being deleted and need this Partner's connection: wait for them, or set their `deletion.policy` to `Retain`", counted(&children.leaving, "client is", "clients are")),
        )
    })
}

fn suspend(observed: Option<&Observed>) -> Removal {
    match observed.map(|observed| observed.life) {
        Some(TenantLife::Active) => Removal::Suspend,
        Some(TenantLife::Suspended | TenantLife::Inactive | TenantLife::Terminated) | None => {
            release(Reason::Suspended, "the tenant is suspended and stays on the platform".to_owned())
        }
    }
}

/// Whether an accepted confirmation is there that no longer stands.
fn is_cancelled(intent: &RemovalIntent<'_>) -> bool {
    let Some(accepted) = intent.record.confirm_digest.as_deref() else { return false };
    let stands = intent.policy == DeletionPolicy::Terminate
        && intent.confirm.is_some_and(|confirm| confirm_digest(intent.uid, confirm) == accepted);
    !stands && intent.policy != DeletionPolicy::Suspend
}

fn cancel(observed: Option<&Observed>) -> Removal {
    match observed {
        Some(observed) if observed.life != TenantLife::Active => Removal::Activate,
        _ => {
            release(Reason::Cancelled, "the termination was cancelled and the tenant stays on the platform".to_owned())
        }
    }
}

fn terminate(
    intent: &RemovalIntent<'_>,
    surroundings: &Surroundings,
    observed: Option<&Observed>,
    now: Timestamp,
) -> Removal {
    let Some(observed) = observed else {
        return hold(Reason::PlatformUnavailable, "the tenant was not read: trying again".to_owned());
    };
    if let Some(waiting) = children(&surroundings.children) {
        return waiting;
    }
    let record = intent.record;
    if record.confirm_digest.is_none() {
        return match confirm::judge(intent.confirm, observed, now) {
            Err((reason, message)) => hold(reason, message),
            Ok(confirm) => Removal::Record(Box::new(TerminationStatus {
                step: Some(TerminationStep::Confirmed),
                confirmed_at: Some(whole_second(now).to_string()),
                confirm_digest: Some(confirm_digest(intent.uid, confirm)),
                suspended_by_us: Some(observed.life == TenantLife::Active),
                purge_after: None,
                ..record.clone()
            })),
        };
    }
    if observed.life == TenantLife::Active {
        return suspend_again(record);
    }
    wait_then_end(intent, observed, now)
}

/// A tenant found active during the wait is suspended again, and the grace period starts anew.
fn suspend_again(record: &TerminationStatus) -> Removal {
    if record.purge_after.is_none() {
        return Removal::Suspend;
    }
    Removal::Record(Box::new(TerminationStatus {
        step: Some(TerminationStep::Confirmed),
        purge_after: None,
        ..record.clone()
    }))
}

fn wait_then_end(intent: &RemovalIntent<'_>, observed: &Observed, now: Timestamp) -> Removal {
    let record = intent.record;
    let grace = SignedDuration::from_secs(intent.grace_seconds.unwrap_or(DEFAULT_GRACE).max(0));
    let Some(recorded) = record.purge_after.as_deref().and_then(|text| text.parse::<Timestamp>().ok()) else {
        // A lost record restarts the grace period.
        return Removal::Record(Box::new(TerminationStatus {
            step: Some(TerminationStep::Suspended),
            purge_after: Some(whole_second(now.saturating_add(grace).unwrap_or(Timestamp::MAX)).to_string()),
            ..record.clone()
        }));
    };
    // Editing the grace period later can only lengthen it.
    let edited = record.confirmed_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let edited = edited.and_then(|at| at.saturating_add(grace).ok());
    let purge_after = edited.map_or(recorded, |edited| edited.max(recorded));
    if now < purge_after {
        return Removal::WaitUntil(purge_after);
    }
    if record.step != Some(TerminationStep::Terminating) {
        return Removal::Record(Box::new(TerminationStatus {
            step: Some(TerminationStep::Terminating),
            ..record.clone()
        }));
    }
    Removal::Terminate(Permit { id: observed.unique_id.clone(), mark: intent.mark.clone() })
}

/// The next whole second: never earlier than the time itself, and short enough to read.
fn whole_second(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

fn children(children: &Children) -> Option<Removal> {
    let Children { objects, leaving: _, live } = children;
    if !objects.is_empty() {
        let message = format!(
            "{} this Partner: delete them first",
            counted(objects, "Client object names", "Client objects name")
        );
        return Some(hold(Reason::ClientsRemain, message));
    }
    match live {
        None => Some(hold(
            Reason::ClientsRemain,
            "whether clients live under the partner could not be read: trying again".to_owned(),
        )),
        Some(live) if !live.is_empty() => Some(hold(
            Reason::ClientsRemain,
            format!(
                "{} under the partner on the platform: terminate them first, declared as Client objects or in the console",
                counted(live, "client lives", "clients live")
            ),
        )),
        Some(_) => None,
    }
}

/// A count with up to five names.
fn counted(names: &[String], one: &str, more: &str) -> String {
    let listed = names.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let and_more = if names.len() > 5 { ", ..." } else { "" };
    format!("{} {} ({listed}{and_more})", names.len(), if names.len() == 1 { one } else { more })
}

#[cfg(test)]
mod tests;
