//! What decides before the policy does: the annotation, what else is going, the tenant, its clients, a pause.

use jiff::Timestamp;

use super::{
    Children, Going, Observed, Removal, RemovalIntent, Surroundings, Tenant, TenantLife, hold, is_accepted,
    is_cancelled, is_terminating, release, whole_second,
};
use crate::api::{ABANDON, DeletionPolicy, Reason};

/// The tenant to act on, nothing where it was not asked for, or the step that comes before any policy.
pub(super) fn pass<'a>(
    intent: &RemovalIntent<'_>,
    surroundings: &'a Surroundings,
    now: Timestamp,
) -> Result<Option<&'a Observed>, Box<Removal>> {
    if let Some(early) = abandoned(intent).or_else(|| going(intent, &surroundings.going)) {
        return Err(Box::new(early));
    }
    let is_retain = intent.policy == DeletionPolicy::Retain;
    if let Some(reason) = surroundings.reference_broken.as_ref().filter(|_| !is_retain) {
        let message = format!("{reason}; or {}", ways_out(intent, true));
        return Err(Box::new(hold(Reason::NamespaceNotAllowed, message)));
    }
    let observed = tenant(intent, &surroundings.tenant, now)?;
    if intent.is_paused && !is_retain {
        let message =
            "the object is paused or only observed: set `management.mode` to `Manage` and remove `management.pausedUntil`, or set `deletion.policy` to `Retain`".to_owned();
        return Err(Box::new(hold(Reason::ManagementPaused, message)));
    }
    Ok(observed)
}

/// The annotation lets go: it must name the tenant, so that a copied manifest lets go of nothing.
fn abandoned(intent: &RemovalIntent<'_>) -> Option<Removal> {
    let named = intent.abandon?;
    (named == intent.unique_id.unwrap_or("none")).then(|| {
        release(Reason::Abandoned, format!("let go by the annotation `{ABANDON}`; the tenant was not touched"))
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
        // Nothing is ended here, whatever is going.
        Going::CannotTell(_) if intent.policy == DeletionPolicy::Retain => None,
        Going::CannotTell(why) => Some(hold(
            Reason::CannotTellWhy,
            format!(
                "whether the namespace or the resource definition is being deleted cannot be told ({why}): grant the operator `get` on both, or {}",
                ways_out(intent, true)
            ),
        )),
    }
}

/// How to let go of the tenant. Where we suspended it, `Retain` needs the platform to activate it again.
fn ways_out(intent: &RemovalIntent<'_>, may_retain: bool) -> String {
    let annotate = format!("annotate the object with `{ABANDON}: {}`", intent.unique_id.unwrap_or("none"));
    if may_retain { format!("set `deletion.policy` to `Retain`, or {annotate}") } else { annotate }
}

/// The tenant, or the step that follows without one.
fn tenant<'a>(
    intent: &RemovalIntent<'_>,
    tenant: &'a Tenant,
    now: Timestamp,
) -> Result<Option<&'a Observed>, Box<Removal>> {
    let early = match tenant {
        Tenant::NotAsked => return Ok(None),
        Tenant::Unmarked(observed) if observed.life == TenantLife::Terminated => gone(intent, now),
        Tenant::Found(observed) if observed.life == TenantLife::Terminated => gone(intent, now),
        Tenant::Unmarked(observed) if intent.has_adoption_id => return Ok(Some(observed)),
        Tenant::Found(observed) if intent.unique_id.is_none() => Removal::Identify(observed.unique_id.clone()),
        Tenant::Found(observed) => return Ok(Some(observed)),
        Tenant::Gone => gone(intent, now),
        Tenant::HandedOver(id) => {
            release(Reason::HandedOver, format!("tenant `{id}` was handed over to another object and stays as it is"))
        }
        Tenant::None => release(Reason::Retained, "no tenant of this object is on the platform".to_owned()),
        Tenant::NotOurs(id) if intent.unique_id.is_none() => {
            release(Reason::Retained, format!("tenant `{id}` is not this object's"))
        }
        Tenant::Unreachable(reason, message) => return unreachable(intent, *reason, message),
        Tenant::Ambiguous(_) | Tenant::NotOurs(_) | Tenant::Unmarked(_) if intent.policy == DeletionPolicy::Retain => {
            release(Reason::Retained, "the tenant stays on the platform as it is".to_owned())
        }
        Tenant::Ambiguous(message) => {
            hold(Reason::AmbiguousCreate, format!("{message}; or {}", ways_out(intent, true)))
        }
        Tenant::NotOurs(id) => hold(
            Reason::OwnedElsewhere,
            format!("tenant `{id}` does not carry this object's mark: {}", ways_out(intent, true)),
        ),
        Tenant::Unmarked(observed) => hold(
            Reason::NotAdopted,
            format!(
                "nothing on this platform shows that tenant `{0}` is this object's: set `adoption` to `{{policy: Adopt, uniqueId: {0}}}`, or {1}",
                observed.unique_id,
                ways_out(intent, true)
            ),
        ),
    };
    Err(Box::new(early))
}

/// The release of an object whose tenant is gone, with what is known of the call that may have ended it.
fn gone(intent: &RemovalIntent<'_>, now: Timestamp) -> Removal {
    let record = intent.record;
    let seen = || record.cancelled_at.clone().unwrap_or_else(|| whole_second(now).to_string());
    let (reason, message) = match (is_terminating(intent), is_cancelled(intent), record.called_at.as_deref()) {
        (true, true, Some(called)) => (
            Reason::TooLateToCancel,
            format!("the call that ended the tenant was sent at {called}, before the cancel was seen at {}", seen()),
        ),
        (true, true, None) => (
            Reason::AlreadyGone,
            format!(
                "the tenant has gone from the platform; the cancel was seen at {}, and no call of the operator that could have ended the tenant is on record",
                seen()
            ),
        ),
        (true, false, Some(called)) => {
            (Reason::Terminated, format!("the tenant was ended on the platform by the call that was sent at {called}"))
        }
        (true, false, None) => (Reason::Terminated, "the tenant was ended on the platform".to_owned()),
        (false, ..) => (Reason::AlreadyGone, "the tenant had already gone from the platform".to_owned()),
    };
    release(reason, message)
}

/// Retain lets go without the platform, unless a tenant that we suspended would stay so for no reason.
fn unreachable<'a>(
    intent: &RemovalIntent<'_>,
    reason: Reason,
    message: &str,
) -> Result<Option<&'a Observed>, Box<Removal>> {
    let owes_activation = is_accepted(intent) && intent.record.suspended_by_us == Some(true);
    // Without its Partner there is no connection to wait for.
    let may_retain = !owes_activation || matches!(reason, Reason::PartnerNotReady | Reason::PartnerNotFound);
    Err(Box::new(match intent.policy {
        DeletionPolicy::Retain if may_retain && owes_activation => release(
            Reason::Retained,
            "the tenant stays on the platform, suspended for a termination that was cancelled: activate it there"
                .to_owned(),
        ),
        DeletionPolicy::Retain if may_retain => {
            release(Reason::Retained, "the tenant stays on the platform as it is".to_owned())
        }
        DeletionPolicy::Retain | DeletionPolicy::Suspend | DeletionPolicy::Terminate => {
            hold(reason, format!("{message}; to let go without it {}", ways_out(intent, may_retain)))
        }
    }))
}

/// Retain and Suspend of a Partner wait only for Clients that need its connection for their own end.
pub(super) fn leaving(children: &Children) -> Option<Removal> {
    (!children.leaving.is_empty()).then(|| {
        hold(
            Reason::ClientsRemain,
            format!("{} being deleted and need this Partner's connection: wait for them, or set their `deletion.policy` to `Retain`", counted(&children.leaving, "client is", "clients are")),
        )
    })
}

/// A Partner is ended last.
pub(super) fn children(children: &Children) -> Option<Removal> {
    let Children { objects, leaving: _, live } = children;
    if !objects.is_empty() {
        let (verb, them) = if objects.len() == 1 { ("names", "it") } else { ("name", "them") };
        let counted = counted(objects, "Client object", "Client objects");
        let message = format!("{counted} {verb} this Partner: delete {them} first");
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
