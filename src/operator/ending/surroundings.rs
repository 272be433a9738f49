//! What a deletion stands in, read anew for each step and never from a cache.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio::time::Instant;

use super::{Reached, evidence, ledger};
use crate::api::{DeletionPolicy, GROUP, Reason, TenantClient, VERSION};
use crate::connect::{Error, Freshness, Place};
use crate::object::{Found, Object as _, Reading, look, refuse_hidden_extensions};
use crate::operator::apply::stop;
use crate::operator::context::Context;
use crate::operator::dereference::tenancy_anew;
use crate::operator::error::{Stop, sentence};
use crate::operator::manage::is_taken_unmarked;
use crate::operator::object::{
    Parent, TenantObject, deletion_policy, intent, is_deleting, mark, namespace, place, unique_id,
};
use crate::operator::watch::apis;
use crate::plan::{Children, Clocks, Going, Kind, MarkSeen, Outcome, Surroundings, Tenant};

/// Pause between two looks for a tenant whose id was never recorded, so that each has a list of its own.
const AGAIN: Duration = Duration::from_secs(1);

/// Everything that the end of an object depends on.
pub(super) struct Gathered {
    /// What is decided on.
    pub(super) surroundings: Surroundings,
    /// The platform, where it was reached.
    pub(super) reached: Option<Reached>,
    /// The ledger as it was read, to be written only so.
    pub(super) book: Option<ConfigMap>,
}

/// What the reads of a step may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// For the platform's rate limit.
    RateLimit,
    /// For nothing: a write slot is held meanwhile.
    None,
}

/// Reads everything that the end of an object depends on, and the clocks with it.
pub(super) async fn gather<K: TenantObject>(
    object: &K,
    patience: Patience,
    context: &Context,
) -> Result<Gathered, Stop> {
    let begun = Instant::now();
    let mut gathered = Box::pin(gather_all(object, patience, context)).await?;
    gathered.surroundings.clocks = Clocks {
        cluster: context.clock.since(begun),
        platform: gathered.reached.as_ref().and_then(|reached| reached.platform.clock(begun)),
    };
    Ok(gathered)
}

async fn gather_all<K: TenantObject>(object: &K, patience: Patience, context: &Context) -> Result<Gathered, Stop> {
    let mut surroundings = Surroundings::new(going(object, context).await);
    let record = object.status().and_then(|status| status.termination.as_ref());
    let accepted = record.and_then(|record| record.confirm_digest.as_deref());
    let policy = deletion_policy(object);
    let nothing = |surroundings| Ok(Gathered { surroundings, reached: None, book: None });
    if matches!(surroundings.going, Going::Namespace | Going::Definition) {
        return nothing(surroundings);
    }
    surroundings.children = match K::KIND {
        Kind::Partner => match declared_children(object, context).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                let why =
                    "the kind `Client` is not served, so that its objects cannot be seen: put its definition back";
                surroundings.going = Going::CannotTell(why.to_owned());
                Children::default()
            }
            found => found?,
        },
        // Nothing stands under a client.
        Kind::Client => Children { live: Some(Vec::new()), ..Children::default() },
    };
    if policy == DeletionPolicy::Retain && accepted.is_none() {
        return nothing(surroundings);
    }
    if !super::was_ever_sent(object) {
        surroundings.tenant = Tenant::None;
        return nothing(surroundings);
    }
    let mut book = None;
    if let (DeletionPolicy::Terminate, Some(accepted)) = (policy, accepted)
        && record.is_some_and(|record| record.purge_after.is_some())
    {
        surroundings.evidence = evidence::look(object, accepted, context).await;
        (surroundings.ledger, book) = ledger::read(object, context).await;
    }
    let reached = match tenancy_anew(object, context).await {
        Err(Stop::Stale) => return Err(Stop::Stale),
        Err(Stop::Outcome(outcome)) => {
            unreached(&mut surroundings, outcome);
            None
        }
        Ok((platform, place, partner)) => {
            let says = platform.has_extensions().await;
            let hidden =
                |extensions| refuse_hidden_extensions(object, partner.as_deref(), (&platform.host(), extensions)).err();
            if let Some(outcome) = says.ok().and_then(hidden) {
                unreached(&mut surroundings, outcome);
                return Ok(Gathered { surroundings, reached: None, book });
            }
            let platform = if patience == Patience::None { platform.at_once() } else { platform };
            Some(Box::pin(look_at(object, &mut surroundings, Reached { platform, place }, context)).await?)
        }
    };
    Ok(Gathered { surroundings, reached, book })
}

/// The tenant and what lives under it.
async fn look_at<K: TenantObject>(
    object: &K,
    surroundings: &mut Surroundings,
    reached: Reached,
    context: &Context,
) -> Result<Reached, Stop> {
    surroundings.tenant = Box::pin(tenant(object, &reached, context)).await?;
    if let (Kind::Partner, Tenant::Found(observed) | Tenant::Unmarked(observed)) = (K::KIND, &surroundings.tenant) {
        let under = Place::Clients { msp: observed.unique_id.clone() };
        let living = reached.platform.children(&under).await;
        surroundings.children.live = living.ok().map(|living| living.names().collect());
    }
    Ok(reached)
}

fn unreached(surroundings: &mut Surroundings, outcome: Outcome) {
    match outcome {
        Outcome::Unresolved(Reason::NamespaceNotAllowed, message) => surroundings.reference_broken = Some(message),
        outcome => surroundings.tenant = unreachable(outcome),
    }
}

fn unreachable(outcome: Outcome) -> Tenant {
    match outcome {
        Outcome::Unresolved(reason, message)
        | Outcome::Unauthorised(reason, message)
        | Outcome::Refused(reason, message)
        | Outcome::Failed(reason, message) => Tenant::Unreachable(reason, message),
        _ => Tenant::Unreachable(Reason::PlatformUnavailable, "the platform was not reached".to_owned()),
    }
}

/// The tenant by its id; without one, as before a create.
async fn tenant<K: TenantObject>(object: &K, reached: &Reached, context: &Context) -> Result<Tenant, Stop> {
    let Some(id) = unique_id(object) else { return unrecorded(object, reached, context).await };
    let Reached { platform, place } = reached;
    let record = object.status().and_then(|status| status.termination.as_ref());
    let read = match record.and_then(|record| record.accepted_at.as_ref()) {
        None => platform.read(place, id, false).await,
        Some(_) => platform.read_after_end(place, id).await,
    };
    let observed = match read {
        Err(error) => return unread::<K>(&error, reached, context),
        Ok(Some(observed)) => observed,
        Ok(None) if object.status().is_some_and(|status| status.connection.is_some()) => return Ok(Tenant::Gone),
        Ok(None) => {
            let message = format!(
                "tenant `{id}` is not found, and status does not say with which account it was made, so it may live in another"
            );
            return Ok(Tenant::Unreachable(Reason::TenantMissing, message));
        }
    };
    if observed.mark.is(&mark(object, &context.cluster)) {
        return Ok(Tenant::Found(Box::new(observed)));
    }
    let is_foreign = observed.mark.is_foreign(&mark(object, &context.cluster));
    if is_foreign && object.hand_over().is_some() || is_taken_unmarked(object, &observed, context).await? {
        return Ok(Tenant::HandedOver(observed.unique_id));
    }
    let shows_nobody = matches!(observed.mark, MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable);
    match platform.has_extensions().await {
        Err(error) => unread::<K>(&error, reached, context),
        Ok(false) if shows_nobody => Ok(Tenant::Unmarked(Box::new(observed))),
        Ok(_) => Ok(Tenant::NotOurs(observed.unique_id)),
    }
}

/// The tenant of an object that may have created one and never learnt its id.
async fn unrecorded<K: TenantObject>(object: &K, reached: &Reached, context: &Context) -> Result<Tenant, Stop> {
    let Reached { platform, place } = reached;
    let under_way = create_under_way(object, context);
    let mut found = look(object, platform, place, (Freshness::Now, &context.cluster)).await;
    // One answer may leave a tenant out, and what is let go now is never looked for again.
    if matches!(found, Ok(Found::Free)) {
        tokio::time::sleep(AGAIN).await;
        found = look(object, platform, place, (Freshness::Now, &context.cluster)).await;
    }
    match found {
        Ok(Found::Ours(id)) => match platform.read(place, &id, false).await {
            Ok(Some(observed)) => Ok(Tenant::Found(Box::new(observed))),
            Ok(None) => Ok(Tenant::None),
            Err(error) => unread::<K>(&error, reached, context),
        },
        Ok(Found::Free | Found::Reattach(_)) if under_way => Ok(Tenant::Unreachable(
            Reason::InProgress,
            "an earlier create may still be on its way: waiting for it before looking again".to_owned(),
        )),
        Ok(Found::Free | Found::Reattach(_)) | Err(Outcome::Refused(Reason::NameTaken, _)) => Ok(Tenant::None),
        Err(Outcome::Refused(Reason::AmbiguousCreate, message)) => Ok(Tenant::Ambiguous(message)),
        Err(outcome) => Ok(unreachable(outcome)),
    }
}

/// Whether a create of another process, or one of ours whose reply was lost, may still be carried out: one request
/// timeout from when this process first saw it. An object let go before would leave a tenant that nobody knows.
fn create_under_way<K: TenantObject>(object: &K, context: &Context) -> bool {
    let Some(there) = intent(object) else { return false };
    let now = context.claim.now();
    K::room(context).remember(object, |memory| {
        memory.creates.see(&there, now, context.settings.request_timeout);
        memory.creates.is_under_way(now)
    })
}

fn unread<K: TenantObject>(error: &Error, reached: &Reached, context: &Context) -> Result<Tenant, Stop> {
    match stop(K::KIND, error, &reached.platform, context) {
        Stop::Outcome(outcome) => Ok(unreachable(outcome)),
        Stop::Stale => Err(Stop::Stale),
    }
}

/// Client objects that name the Partner, asked of the API server itself.
async fn declared_children<K: TenantObject>(object: &K, context: &Context) -> Result<Children, kube::Error> {
    let params = ListParams::default().fields(&format!("spec.partnerRef.name={}", object.name_any()));
    let mut clients = Vec::new();
    for (_, api) in apis::<Reading<TenantClient>>(&context.client, &context.settings.namespaces) {
        clients.extend(api.list(&params).await?.items);
    }
    let wanted = Parent::Object(namespace(object), object.name_any());
    let mut children = Children::default();
    for client in clients {
        match client {
            Reading::Understood(understood) if understood.object.parent() != wanted => {}
            Reading::Understood(understood) => {
                let client = &understood.object;
                children.objects.push(place(client));
                if is_deleting(client) && deletion_policy(client) != DeletionPolicy::Retain {
                    children.leaving.push(place(client));
                }
            }
            // What cannot be read of it counts against an end.
            Reading::NotUnderstood(client) => {
                if client.parent(Kind::Client).is_none_or(|parent| parent == wanted) {
                    children.objects.push(client.place());
                    if client.is_deleting() && !client.certainly_retains() {
                        children.leaving.push(client.place());
                    }
                }
            }
        }
    }
    Ok(children)
}

/// Whether more than the object is going: its namespace, or its kind.
async fn going<K: TenantObject>(object: &K, context: &Context) -> Going {
    let namespace = namespace(object);
    match Api::<Namespace>::all(context.client.clone()).get_metadata(&namespace).await {
        Ok(found) if found.metadata.deletion_timestamp.is_some() => return Going::Namespace,
        Ok(_) => {}
        Err(error) => return Going::CannotTell(format!("namespace `{namespace}`: {}", sentence(&error))),
    }
    let version = format!("{GROUP}/{VERSION}");
    let resource = K::plural(&()).into_owned();
    match context.client.list_api_group_resources(&version).await {
        Ok(served) => {
            let verbs = served.resources.iter().find(|one| one.name == resource).map(|one| one.verbs.as_slice());
            if !verbs.unwrap_or_default().iter().any(|verb| verb == "create") {
                return Going::Definition;
            }
        }
        Err(error) => return Going::CannotTell(format!("discovery of `{version}`: {}", sentence(&error))),
    }
    let definition = format!("{resource}.{GROUP}");
    match Api::<CustomResourceDefinition>::all(context.client.clone()).get_metadata(&definition).await {
        Ok(found) if found.metadata.deletion_timestamp.is_some() => Going::Definition,
        Ok(_) => Going::No,
        Err(kube::Error::Api(status)) if status.is_not_found() => Going::Definition,
        // Discovery has answered, and the definition itself may be off limits.
        Err(kube::Error::Api(status)) if status.is_forbidden() => Going::No,
        Err(error) => Going::CannotTell(format!("definition `{definition}`: {}", sentence(&error))),
    }
}
