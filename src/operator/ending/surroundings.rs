//! What a deletion stands in, read anew for each step and never from a cache.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::Reached;
use crate::api::{DeletionPolicy, GROUP, Reason, TenantClient, VERSION};
use crate::connect::{Error, Freshness, Place};
use crate::operator::apply::stop;
use crate::operator::context::Context;
use crate::operator::dereference::tenancy;
use crate::operator::error::{Stop, sentence};
use crate::operator::identity::{Found, look};
use crate::operator::object::{Parent, TenantObject, deletion_policy, is_deleting, mark, namespace, place, unique_id};
use crate::plan::{Children, Going, Kind, MarkSeen, Outcome, Surroundings, Tenant};

/// Everything that the end of an object depends on, and the platform where it was reached.
pub(super) async fn gather<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<(Surroundings, Option<Reached>), Stop> {
    let going = going(object, context).await;
    let record = object.status().and_then(|status| status.termination.as_ref());
    let is_accepted = record.is_some_and(|record| record.confirm_digest.is_some());
    let leaves_alone = deletion_policy(object) == DeletionPolicy::Retain && !is_accepted;
    let mut surroundings =
        Surroundings { going, tenant: Tenant::NotAsked, children: Children::default(), reference_broken: None };
    if matches!(surroundings.going, Going::Namespace | Going::Definition) {
        return Ok((surroundings, None));
    }
    surroundings.children = match K::KIND {
        Kind::Partner => declared_children(object, context).await?,
        // Nothing stands under a client.
        Kind::Client => Children { live: Some(Vec::new()), ..Children::default() },
    };
    if leaves_alone {
        return Ok((surroundings, None));
    }
    if !super::was_ever_sent(object) {
        surroundings.tenant = Tenant::None;
        return Ok((surroundings, None));
    }
    match tenancy(object, context).await {
        Err(Stop::Stale) => Err(Stop::Stale),
        Err(Stop::Outcome(outcome)) => {
            unreached(&mut surroundings, outcome);
            Ok((surroundings, None))
        }
        Ok((platform, place, _)) => {
            let reached = Reached { platform, place };
            surroundings.tenant = tenant(object, &reached, context).await?;
            if let (Kind::Partner, Tenant::Found(observed)) = (K::KIND, &surroundings.tenant) {
                let under = Place::Clients { msp: observed.unique_id.clone() };
                let living = reached.platform.living(&under, Freshness::Now).await;
                surroundings.children.live =
                    living.ok().map(|living| living.iter().map(|listed| listed.name.clone()).collect());
            }
            Ok((surroundings, Some(reached)))
        }
    }
}

fn unreached(surroundings: &mut Surroundings, outcome: Outcome) {
    match outcome {
        Outcome::Unresolved(Reason::NamespaceNotAllowed, message) => surroundings.reference_broken = Some(message),
        Outcome::Unresolved(reason, message)
        | Outcome::Unauthorised(reason, message)
        | Outcome::Refused(reason, message)
        | Outcome::Failed(reason, message)
        | Outcome::Held(reason, message)
        | Outcome::Ending(reason, message) => surroundings.tenant = Tenant::Unreachable(reason, message),
        Outcome::Settled(_) | Outcome::Paused | Outcome::Awaiting(_) => {}
    }
}

/// The tenant by its id; without one, as before a create.
async fn tenant<K: TenantObject>(object: &K, reached: &Reached, context: &Context) -> Result<Tenant, Stop> {
    let Reached { platform, place } = reached;
    let id = match unique_id(object) {
        Some(id) => id.to_owned(),
        None => match look(object, platform, place, (Freshness::Now, context)).await {
            Ok(Found::Ours(id)) => id,
            Ok(Found::Free | Found::Reattach(_)) | Err(Stop::Outcome(Outcome::Refused(Reason::NameTaken, _))) => {
                return Ok(Tenant::None);
            }
            Err(Stop::Outcome(Outcome::Refused(Reason::AmbiguousCreate, message))) => {
                return Ok(Tenant::Ambiguous(vec![message]));
            }
            Err(Stop::Outcome(outcome)) => {
                let mut surroundings = Surroundings {
                    going: Going::No,
                    tenant: Tenant::NotAsked,
                    children: Children::default(),
                    reference_broken: None,
                };
                unreached(&mut surroundings, outcome);
                return Ok(surroundings.tenant);
            }
            Err(Stop::Stale) => return Err(Stop::Stale),
        },
    };
    match platform.read(place, &id, false).await {
        Ok(None) => Ok(Tenant::Gone),
        Ok(Some(observed)) if observed.mark.is(&mark(object, &context.cluster)) => {
            Ok(Tenant::Found(Box::new(observed)))
        }
        Ok(Some(observed)) => {
            let _: &MarkSeen = &observed.mark;
            Ok(Tenant::NotOurs(observed.unique_id))
        }
        Err(error) => Ok(unreachable::<K>(&error, reached, context)),
    }
}

fn unreachable<K: TenantObject>(error: &Error, reached: &Reached, context: &Context) -> Tenant {
    match stop(K::KIND, error, &reached.platform, context) {
        Stop::Outcome(
            Outcome::Unresolved(reason, message)
            | Outcome::Unauthorised(reason, message)
            | Outcome::Refused(reason, message)
            | Outcome::Failed(reason, message),
        ) => Tenant::Unreachable(reason, message),
        Stop::Outcome(
            Outcome::Settled(_) | Outcome::Paused | Outcome::Awaiting(_) | Outcome::Held(..) | Outcome::Ending(..),
        )
        | Stop::Stale => Tenant::Unreachable(Reason::PlatformUnavailable, "the platform was not reached".to_owned()),
    }
}

/// Client objects that name the Partner, asked of the API server itself.
async fn declared_children<K: TenantObject>(object: &K, context: &Context) -> Result<Children, Stop> {
    let params = ListParams::default().fields(&format!("spec.partnerRef.name={}", object.name_any()));
    let clients = Api::<TenantClient>::all(context.client.clone()).list(&params).await?;
    let wanted = Parent::Object(namespace(object), object.name_any());
    let mut children = Children::default();
    for client in clients.items.iter().filter(|client| client.parent() == wanted) {
        children.objects.push(place(client));
        if is_deleting(client) && deletion_policy(client) != DeletionPolicy::Retain {
            children.leaving.push(place(client));
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
