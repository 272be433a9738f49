//! Checks that come before the deletion policy: the annotation, deleted containers, the tenant, its Clients and a
//! pause.

use jiff::Timestamp;
use tenantry_api::{ABANDON, DeletionPolicy, Reason};

use super::{
    ContainerDeletion, DeletionContext, DeletionIntent, DeletionStep, DeletionTarget, LifecycleState, ObservedTenant,
    PartnerClients, has_accepted_confirmation, hold_step, is_cancelled, is_terminating, release_step,
    round_up_to_second,
};

/// Returns the tenant to act on, `None` if the policy did not ask for it, or the step that precedes any policy.
pub(super) fn check_preconditions<'a>(
    intent: &DeletionIntent<'_>,
    deletion_context: &'a DeletionContext,
    now: Timestamp,
) -> Result<Option<&'a ObservedTenant>, Box<DeletionStep>> {
    if let Some(early) =
        check_abandon_annotation(intent).or_else(|| check_container(intent, &deletion_context.container))
    {
        return Err(Box::new(early));
    }
    let is_retain = intent.policy == DeletionPolicy::Retain;
    if let Some(reason) = deletion_context.reference_broken.as_ref().filter(|_| !is_retain) {
        let message = format!("{reason}; or {}", describe_alternatives(intent, true));
        return Err(Box::new(hold_step(Reason::NamespaceNotAllowed, message)));
    }
    let observed = check_target(intent, &deletion_context.tenant, now)?;
    if intent.is_paused && !is_retain {
        let message =
            "the object is paused or only observed: set `management.mode` to `Manage` and remove `management.pausedUntil`, or set `deletion.policy` to `Retain`".to_owned();
        return Err(Box::new(hold_step(Reason::ManagementPaused, message)));
    }
    Ok(observed)
}

/// Releases the object if its annotation abandons the tenant. The annotation must name the tenant, so that a copied
/// manifest abandons nothing.
fn check_abandon_annotation(intent: &DeletionIntent<'_>) -> Option<DeletionStep> {
    let named = intent.abandon?;
    (named == intent.unique_id.unwrap_or("none")).then(|| {
        release_step(Reason::Abandoned, format!("let go by the annotation `{ABANDON}`; the tenant was not touched"))
    })
}

fn check_container(intent: &DeletionIntent<'_>, container: &ContainerDeletion) -> Option<DeletionStep> {
    match container {
        ContainerDeletion::NotDeleting => None,
        ContainerDeletion::Namespace => {
            Some(release_step(Reason::Retained, "the namespace is being deleted, which never ends a tenant".to_owned()))
        }
        ContainerDeletion::Definition => Some(release_step(
            Reason::Retained,
            "the resource definition is being deleted, which never ends a tenant".to_owned(),
        )),
        // `Retain` terminates nothing, so it does not matter what is being deleted.
        ContainerDeletion::Unknown(_) if intent.policy == DeletionPolicy::Retain => None,
        ContainerDeletion::Unknown(why) => Some(hold_step(
            Reason::CannotTellWhy,
            format!(
                "whether the namespace or the resource definition is being deleted cannot be told ({why}): grant the operator `get` on both, or {}",
                describe_alternatives(intent, true)
            ),
        )),
    }
}

/// Describes how to release the tenant. If the operator suspended it, `Retain` needs the platform to activate it again.
fn describe_alternatives(intent: &DeletionIntent<'_>, may_retain: bool) -> String {
    let annotate = format!("annotate the object with `{ABANDON}: {}`", intent.unique_id.unwrap_or("none"));
    if may_retain { format!("set `deletion.policy` to `Retain`, or {annotate}") } else { annotate }
}

/// Returns the tenant, or the step that follows if there is none.
fn check_target<'a>(
    intent: &DeletionIntent<'_>,
    tenant: &'a DeletionTarget,
    now: Timestamp,
) -> Result<Option<&'a ObservedTenant>, Box<DeletionStep>> {
    let early = match tenant {
        DeletionTarget::NotRead => return Ok(None),
        DeletionTarget::Unmarked(observed) if observed.lifecycle == LifecycleState::Terminated => {
            release_of_gone_tenant(intent, now)
        }
        DeletionTarget::Found(observed) if observed.lifecycle == LifecycleState::Terminated => {
            release_of_gone_tenant(intent, now)
        }
        DeletionTarget::Unmarked(observed) if intent.has_adoption_id => return Ok(Some(observed)),
        DeletionTarget::Found(observed) if intent.unique_id.is_none() => {
            DeletionStep::RecordTenantId(observed.unique_id.clone())
        }
        DeletionTarget::Found(observed) => return Ok(Some(observed)),
        DeletionTarget::Gone => release_of_gone_tenant(intent, now),
        DeletionTarget::HandedOver(id) => release_step(
            Reason::HandedOver,
            format!("tenant `{id}` was handed over to another object and stays as it is"),
        ),
        DeletionTarget::None => {
            release_step(Reason::Retained, "no tenant of this object is on the platform".to_owned())
        }
        DeletionTarget::NotOurs(id) if intent.unique_id.is_none() => {
            release_step(Reason::Retained, format!("tenant `{id}` is not this object's"))
        }
        DeletionTarget::Unreachable(reason, message) => return check_unreachable_tenant(intent, *reason, message),
        DeletionTarget::Ambiguous(_) | DeletionTarget::NotOurs(_) | DeletionTarget::Unmarked(_)
            if intent.policy == DeletionPolicy::Retain =>
        {
            release_step(Reason::Retained, "the tenant stays on the platform as it is".to_owned())
        }
        DeletionTarget::Ambiguous(message) => {
            hold_step(Reason::AmbiguousCreate, format!("{message}; or {}", describe_alternatives(intent, true)))
        }
        DeletionTarget::NotOurs(id) => hold_step(
            Reason::OwnedElsewhere,
            format!("tenant `{id}` does not carry this object's mark: {}", describe_alternatives(intent, true)),
        ),
        DeletionTarget::Unmarked(observed) => hold_step(
            Reason::NotAdopted,
            format!(
                "nothing on this platform shows that tenant `{0}` is this object's: set `adoption` to `{{policy: Adopt, uniqueId: {0}}}`, or {1}",
                observed.unique_id,
                describe_alternatives(intent, true)
            ),
        ),
    };
    Err(Box::new(early))
}

/// Releases an object whose tenant is gone, and reports what is known about the call that may have terminated it.
fn release_of_gone_tenant(intent: &DeletionIntent<'_>, now: Timestamp) -> DeletionStep {
    let record = intent.record;
    let seen = || record.cancelled_at.clone().unwrap_or_else(|| round_up_to_second(now).to_string());
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
    release_step(reason, message)
}

/// Handles an unreachable tenant. `Retain` releases the object without the platform, unless a tenant that the operator
/// suspended would stay suspended without a reason.
fn check_unreachable_tenant<'a>(
    intent: &DeletionIntent<'_>,
    reason: Reason,
    message: &str,
) -> Result<Option<&'a ObservedTenant>, Box<DeletionStep>> {
    let owes_activation = has_accepted_confirmation(intent) && intent.record.suspended_by_us == Some(true);
    // Without its Partner there is no connection to wait for.
    let may_retain = !owes_activation || matches!(reason, Reason::PartnerNotReady | Reason::PartnerNotFound);
    Err(Box::new(match intent.policy {
        DeletionPolicy::Retain if may_retain && owes_activation => release_step(
            Reason::Retained,
            "the tenant stays on the platform, suspended for a termination that was cancelled: activate it there"
                .to_owned(),
        ),
        DeletionPolicy::Retain if may_retain => {
            release_step(Reason::Retained, "the tenant stays on the platform as it is".to_owned())
        }
        DeletionPolicy::Retain | DeletionPolicy::Suspend | DeletionPolicy::Terminate => {
            hold_step(reason, format!("{message}; to let go without it {}", describe_alternatives(intent, may_retain)))
        }
    }))
}

/// Holds a Partner with policy Retain or Suspend only for Clients that need its connection for their own deletion.
pub(super) fn hold_for_deleting_clients(children: &PartnerClients) -> Option<DeletionStep> {
    (!children.deleting.is_empty()).then(|| {
        hold_step(
            Reason::ClientsRemain,
            format!("{} being deleted and need this Partner's connection: wait for them, or set their `deletion.policy` to `Retain`", count_and_name(&children.deleting, "client is", "clients are")),
        )
    })
}

/// Holds a Partner until it has no Clients: a Partner is terminated last.
pub(super) fn hold_for_remaining_clients(children: &PartnerClients) -> Option<DeletionStep> {
    let PartnerClients { objects, deleting: _, active_tenants: live } = children;
    if !objects.is_empty() {
        let (verb, them) = if objects.len() == 1 { ("names", "it") } else { ("name", "them") };
        let counted = count_and_name(objects, "Client object", "Client objects");
        let message = format!("{counted} {verb} this Partner: delete {them} first");
        return Some(hold_step(Reason::ClientsRemain, message));
    }
    match live {
        None => Some(hold_step(
            Reason::ClientsRemain,
            "whether clients live under the partner could not be read: trying again".to_owned(),
        )),
        Some(live) if !live.is_empty() => Some(hold_step(
            Reason::ClientsRemain,
            format!(
                "{} under the partner on the platform: terminate them first, declared as Client objects or in the console",
                count_and_name(live, "client lives", "clients live")
            ),
        )),
        Some(_) => None,
    }
}

/// Formats a count with up to five names.
fn count_and_name(names: &[String], one: &str, more: &str) -> String {
    let listed = names.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let and_more = if names.len() > 5 { ", ..." } else { "" };
    format!("{} {} ({listed}{and_more})", names.len(), if names.len() == 1 { one } else { more })
}
