//! The facts that a deletion is decided on, read again for each step and never from a cache.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tenantry_api::{DeletionPolicy, GROUP, Reason, TenantClient, VERSION};
use tenantry_client::{CallError, ListFreshness, Lookup, lookup_tenant};
use tenantry_core::object::{ParsedObject, TenantResource as _, ensure_extensions_not_hidden};
use tenantry_core::{
    ContainerDeletion, DeletionContext, DeletionTarget, ObservedMark, PartnerClients, PassOutcome, Place, ServerClocks,
    TenantKind,
};
use tokio::time::Instant;

use super::{ReachedPlatform, evidence, ledger};
use crate::apply_plan::stop_for_error;
use crate::context::Context;
use crate::pass_stop::{PassStop, api_error_message};
use crate::reconcile_tenant::is_taken_without_mark;
use crate::resolve_references::locate_tenant_uncached;
use crate::tenant_object::{
    ParentRef, TenantObject, deletion_policy, intent, is_deleting, mark_of, namespace, namespaced_name, unique_id,
};
use crate::watch::namespaced_apis;

/// Pause between two lookups of a tenant whose id was never recorded, so that each gets a list of its own.
const RELIST_PAUSE: Duration = Duration::from_secs(1);

/// Everything that a deletion depends on.
pub(super) struct DeletionReads {
    /// The input of the decision.
    pub(super) deletion_context: DeletionContext,
    /// The platform, where it was reached.
    pub(super) platform: Option<ReachedPlatform>,
    /// The ledger's ConfigMap as it was read. The ledger is written only if this is still current.
    pub(super) ledger_map: Option<ConfigMap>,
}

/// What the reads of a step may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitPolicy {
    /// The platform's rate limit.
    RateLimit,
    /// Nothing: a write slot is held meanwhile.
    NoWait,
}

/// Reads everything that a deletion depends on, and the clocks with it.
pub(super) async fn gather_facts<K: TenantObject>(
    object: &K,
    wait_policy: WaitPolicy,
    context: &Context,
) -> Result<DeletionReads, PassStop> {
    let begun = Instant::now();
    let mut gathered = Box::pin(gather_without_clocks(object, wait_policy, context)).await?;
    gathered.deletion_context.clocks = ServerClocks {
        cluster: context.clock.reading_since(begun),
        platform: gathered.platform.as_ref().and_then(|reached| reached.platform.clock_reading_since(begun)),
    };
    Ok(gathered)
}

async fn gather_without_clocks<K: TenantObject>(
    object: &K,
    wait_policy: WaitPolicy,
    context: &Context,
) -> Result<DeletionReads, PassStop> {
    let mut deletion_context = DeletionContext::new(container_deletion(object, context).await);
    let record = object.status().and_then(|status| status.termination.as_ref());
    let accepted = record.and_then(|record| record.confirm_digest.as_deref());
    let policy = deletion_policy(object);
    let nothing = |surroundings| Ok(DeletionReads { deletion_context: surroundings, platform: None, ledger_map: None });
    if matches!(deletion_context.container, ContainerDeletion::Namespace | ContainerDeletion::Definition) {
        return nothing(deletion_context);
    }
    deletion_context.children = match K::KIND {
        TenantKind::Partner => match list_declared_children(object, context).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                let why =
                    "the kind `Client` is not served, so that its objects cannot be seen: put its definition back";
                deletion_context.container = ContainerDeletion::Unknown(why.to_owned());
                PartnerClients::default()
            }
            found => found?,
        },
        // A Client has no tenants under it.
        TenantKind::Client => PartnerClients { active_tenants: Some(Vec::new()), ..PartnerClients::default() },
    };
    if policy == DeletionPolicy::Retain && accepted.is_none() {
        return nothing(deletion_context);
    }
    if !super::may_have_been_created(object) {
        deletion_context.tenant = DeletionTarget::None;
        return nothing(deletion_context);
    }
    let mut ledger_map = None;
    if let (DeletionPolicy::Terminate, Some(accepted)) = (policy, accepted)
        && record.is_some_and(|record| record.purge_after.is_some())
    {
        deletion_context.evidence = evidence::find_evidence(object, accepted, context).await;
        (deletion_context.ledger, ledger_map) = ledger::read_ledger(object, context).await;
    }
    let reached = match locate_tenant_uncached(object, context).await {
        Err(PassStop::Stale) => return Err(PassStop::Stale),
        Err(PassStop::Outcome(outcome)) => {
            record_unreached(&mut deletion_context, outcome);
            None
        }
        Ok((platform, place, partner)) => {
            let says = platform.has_extensions().await;
            let hidden = |extensions| {
                ensure_extensions_not_hidden(object, partner.as_deref(), (&platform.host(), extensions)).err()
            };
            if let Some(outcome) = says.ok().and_then(hidden) {
                record_unreached(&mut deletion_context, outcome);
                return Ok(DeletionReads { deletion_context, platform: None, ledger_map });
            }
            let platform = if wait_policy == WaitPolicy::NoWait { platform.without_waiting() } else { platform };
            Some(
                Box::pin(read_tenant_and_children(
                    object,
                    &mut deletion_context,
                    ReachedPlatform { platform, place },
                    context,
                ))
                .await?,
            )
        }
    };
    Ok(DeletionReads { deletion_context, platform: reached, ledger_map })
}

/// Reads the tenant and the tenants under it.
async fn read_tenant_and_children<K: TenantObject>(
    object: &K,
    deletion_context: &mut DeletionContext,
    reached: ReachedPlatform,
    context: &Context,
) -> Result<ReachedPlatform, PassStop> {
    deletion_context.tenant = Box::pin(read_tenant(object, &reached, context)).await?;
    if let (TenantKind::Partner, DeletionTarget::Found(observed) | DeletionTarget::Unmarked(observed)) =
        (K::KIND, &deletion_context.tenant)
    {
        let under = Place::Clients { msp: observed.unique_id.clone() };
        let children = reached.platform.list_children(&under).await;
        deletion_context.children.active_tenants = children.ok().map(|living| living.display_names().collect());
    }
    Ok(reached)
}

fn record_unreached(deletion_context: &mut DeletionContext, outcome: PassOutcome) {
    match outcome {
        PassOutcome::Unresolved(Reason::NamespaceNotAllowed, message) => {
            deletion_context.reference_broken = Some(message);
        }
        outcome => deletion_context.tenant = unreachable_target(outcome),
    }
}

fn unreachable_target(outcome: PassOutcome) -> DeletionTarget {
    match outcome {
        PassOutcome::Unresolved(reason, message)
        | PassOutcome::Unauthorised(reason, message)
        | PassOutcome::Refused(reason, message)
        | PassOutcome::Failed(reason, message) => DeletionTarget::Unreachable(reason, message),
        _ => DeletionTarget::Unreachable(Reason::PlatformUnavailable, "the platform was not reached".to_owned()),
    }
}

/// Reads the tenant by its id, or without an id as before a create.
async fn read_tenant<K: TenantObject>(
    object: &K,
    reached: &ReachedPlatform,
    context: &Context,
) -> Result<DeletionTarget, PassStop> {
    let Some(id) = unique_id(object) else { return find_unrecorded_tenant(object, reached, context).await };
    let ReachedPlatform { platform, place } = reached;
    let record = object.status().and_then(|status| status.termination.as_ref());
    let read = match record.and_then(|record| record.accepted_at.as_ref()) {
        None => platform.read_tenant(place, id, false).await,
        Some(_) => platform.read_after_terminate(place, id).await,
    };
    let observed = match read {
        Err(error) => return read_error_target::<K>(&error, reached, context),
        Ok(Some(observed)) => observed,
        Ok(None) if object.status().is_some_and(|status| status.connection.is_some()) => {
            return Ok(DeletionTarget::Gone);
        }
        Ok(None) => {
            let message = format!(
                "tenant `{id}` is not found, and status does not say with which account it was made, so it may live in another"
            );
            return Ok(DeletionTarget::Unreachable(Reason::TenantMissing, message));
        }
    };
    if observed.mark.is_exactly(&mark_of(object, &context.cluster)) {
        return Ok(DeletionTarget::Found(Box::new(observed)));
    }
    let is_foreign = observed.mark.is_foreign(&mark_of(object, &context.cluster));
    if is_foreign && object.hand_over().is_some() || is_taken_without_mark(object, &observed, context).await? {
        return Ok(DeletionTarget::HandedOver(observed.unique_id));
    }
    let shows_nobody = matches!(observed.mark, ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable);
    match platform.has_extensions().await {
        Err(error) => read_error_target::<K>(&error, reached, context),
        Ok(false) if shows_nobody => Ok(DeletionTarget::Unmarked(Box::new(observed))),
        Ok(_) => Ok(DeletionTarget::NotOurs(observed.unique_id)),
    }
}

/// Searches for the tenant of an object that may have created one and never learnt its id.
async fn find_unrecorded_tenant<K: TenantObject>(
    object: &K,
    reached: &ReachedPlatform,
    context: &Context,
) -> Result<DeletionTarget, PassStop> {
    let ReachedPlatform { platform, place } = reached;
    let under_way = is_create_under_way(object, context);
    let mut found = lookup_tenant(object, platform, place, ListFreshness::Current, &context.cluster).await;
    // A single answer may omit a tenant, and an object that is released now is never checked again.
    if matches!(found, Ok(Lookup::NotFound)) {
        tokio::time::sleep(RELIST_PAUSE).await;
        found = lookup_tenant(object, platform, place, ListFreshness::Current, &context.cluster).await;
    }
    match found {
        Ok(Lookup::Owned(id)) => match platform.read_tenant(place, &id, false).await {
            Ok(Some(observed)) => Ok(DeletionTarget::Found(Box::new(observed))),
            Ok(None) => Ok(DeletionTarget::None),
            Err(error) => read_error_target::<K>(&error, reached, context),
        },
        Ok(Lookup::NotFound | Lookup::Reattach(_)) if under_way => Ok(DeletionTarget::Unreachable(
            Reason::InProgress,
            "an earlier create may still be on its way: waiting for it before looking again".to_owned(),
        )),
        Ok(Lookup::NotFound | Lookup::Reattach(_)) | Err(PassOutcome::Refused(Reason::NameTaken, _)) => {
            Ok(DeletionTarget::None)
        }
        Err(PassOutcome::Refused(Reason::AmbiguousCreate, message)) => Ok(DeletionTarget::Ambiguous(message)),
        Err(outcome) => Ok(unreachable_target(outcome)),
    }
}

/// Returns whether a create of another process, or one of ours whose reply was lost, may still be carried out: for one
/// request timeout after this process first saw it. Releasing the object earlier would leave a tenant that nobody
/// knows.
fn is_create_under_way<K: TenantObject>(object: &K, context: &Context) -> bool {
    let Some(there) = intent(object) else { return false };
    let now = context.claim.process_time();
    K::kind_state(context).with_memory(object, |memory| {
        memory.create_guard.observe_intent(&there, now, context.settings.request_timeout);
        memory.create_guard.is_create_in_flight(now)
    })
}

fn read_error_target<K: TenantObject>(
    error: &CallError,
    reached: &ReachedPlatform,
    context: &Context,
) -> Result<DeletionTarget, PassStop> {
    match stop_for_error(K::KIND, error, &reached.platform, context) {
        PassStop::Outcome(outcome) => Ok(unreachable_target(outcome)),
        PassStop::Stale => Err(PassStop::Stale),
    }
}

/// Lists the Client objects that name the Partner, from the API server itself.
async fn list_declared_children<K: TenantObject>(object: &K, context: &Context) -> Result<PartnerClients, kube::Error> {
    let params = ListParams::default().fields(&format!("spec.partnerRef.name={}", object.name_any()));
    let mut clients = Vec::new();
    for (_, api) in namespaced_apis::<ParsedObject<TenantClient>>(&context.client, &context.settings.namespaces) {
        clients.extend(api.list(&params).await?.items);
    }
    let wanted = ParentRef::Object(namespace(object), object.name_any());
    let mut children = PartnerClients::default();
    for client in clients {
        match client {
            ParsedObject::Understood(understood) if understood.object.parent() != wanted => {}
            ParsedObject::Understood(understood) => {
                let client = &understood.object;
                children.objects.push(namespaced_name(client));
                if is_deleting(client) && deletion_policy(client) != DeletionPolicy::Retain {
                    children.deleting.push(namespaced_name(client));
                }
            }
            // What cannot be read of a Client counts against a termination.
            ParsedObject::NotUnderstood(client) => {
                if client.parent(TenantKind::Client).is_none_or(|parent| parent == wanted) {
                    children.objects.push(client.namespaced_name());
                    if client.is_deleting() && !client.is_certainly_retained() {
                        children.deleting.push(client.namespaced_name());
                    }
                }
            }
        }
    }
    Ok(children)
}

/// Returns whether more than the object is being deleted: its namespace, or its definition.
async fn container_deletion<K: TenantObject>(object: &K, context: &Context) -> ContainerDeletion {
    let namespace = namespace(object);
    match Api::<Namespace>::all(context.client.clone()).get_metadata(&namespace).await {
        Ok(found) if found.metadata.deletion_timestamp.is_some() => return ContainerDeletion::Namespace,
        Ok(_) => {}
        Err(error) => {
            return ContainerDeletion::Unknown(format!("namespace `{namespace}`: {}", api_error_message(&error)));
        }
    }
    let version = format!("{GROUP}/{VERSION}");
    let resource = K::plural(&()).into_owned();
    match context.client.list_api_group_resources(&version).await {
        Ok(served) => {
            let verbs = served.resources.iter().find(|one| one.name == resource).map(|one| one.verbs.as_slice());
            if !verbs.unwrap_or_default().iter().any(|verb| verb == "create") {
                return ContainerDeletion::Definition;
            }
        }
        Err(error) => {
            return ContainerDeletion::Unknown(format!("discovery of `{version}`: {}", api_error_message(&error)));
        }
    }
    let definition = format!("{resource}.{GROUP}");
    match Api::<CustomResourceDefinition>::all(context.client.clone()).get_metadata(&definition).await {
        Ok(found) if found.metadata.deletion_timestamp.is_some() => ContainerDeletion::Definition,
        Ok(_) => ContainerDeletion::NotDeleting,
        Err(kube::Error::Api(status)) if status.is_not_found() => ContainerDeletion::Definition,
        // Discovery answered; reading the definition itself may be forbidden.
        Err(kube::Error::Api(status)) if status.is_forbidden() => ContainerDeletion::NotDeleting,
        Err(error) => ContainerDeletion::Unknown(format!("definition `{definition}`: {}", api_error_message(&error))),
    }
}
