//! From objects to what their tenants should be: references, defaults and inheritance, as the operator takes them.

use std::collections::BTreeSet;

use crate::api::{Partner, TenantClient};
use crate::cli::failure::Failure;
use crate::cli::ground::{Ground, Subject, named};
use crate::cli::references::{Lack, References, is_labelled};
use crate::connect::Platform;
use crate::object::{
    Allows, Object, Parent, Sources, allows, edited, effective, is_connection_of, namespace, no_partner, not_allowed,
    not_allowed_by_id, of_id, partner_not_understood, pause, resolve, written,
};
use crate::plan::{Desired, Outcome, Written};

/// An object with everything that it refers to.
pub(super) struct Prepared {
    /// What its tenant should be.
    pub(super) desired: Desired,
    /// The platform.
    pub(super) platform: Platform,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// What status records of earlier writes.
    pub(super) written: Written,
    /// Paths whose declared value is not the one that was last applied.
    pub(super) edited: BTreeSet<String>,
}

/// What became of an object before the platform was asked.
pub(super) type Preparation = Result<Prepared, Lack>;

/// Prepares a Partner, and shows its Clients what it will have.
pub(super) async fn partner(
    subject: &mut Subject<Partner>,
    (ground, references): (&Ground, &mut References),
    cluster: &str,
) -> Preparation {
    let prepared = prepare(&subject.object, None, (ground, references), cluster).await?;
    let status = subject.object.status_mut().get_or_insert_default();
    status.effective = effective(&prepared.desired);
    Ok(prepared)
}

/// Prepares a Client.
pub(super) async fn client(
    subject: &Subject<TenantClient>,
    (ground, references): (&Ground, &mut References),
    cluster: &str,
) -> Preparation {
    let mut notes = Vec::new();
    if let Some(partner) = usable(&subject.object, ground, &mut notes).await? {
        return prepare(&subject.object, Some(partner), (ground, references), cluster).await.map(|mut prepared| {
            prepared.notes.append(&mut notes);
            prepared
        });
    }
    prepare(&subject.object, None, (ground, references), cluster).await
}

async fn prepare<K: Object>(
    object: &K,
    partner: Option<&Partner>,
    (ground, references): (&Ground, &mut References),
    cluster: &str,
) -> Preparation {
    if let Some(pause) = pause(object, crate::clock::now()) {
        return Err(Outcome::Paused(pause).into());
    }
    let there = ground.cluster.as_ref();
    let mut notes = Vec::new();
    let platform = references.platform(object, partner, there).await.map_err(|lack| about(lack, object))?;
    let partner = match object.parent() {
        Parent::Id(id) => {
            if !references.is_given() {
                is_connection_of(&id, platform.tenant_id())?;
            }
            usable_by_id(object, (&id, &platform), (ground, &mut notes)).await?
        }
        Parent::Provider | Parent::Object(..) => partner,
    };
    let material = references.material(object, there).await?;
    let defaults_material = references.defaults_material(object, partner, there).await?;
    let sources = Sources { partner, material: &material, defaults_material: &defaults_material };
    let desired = resolve(object, sources, cluster)?.refuse_to_come(crate::clock::now());
    // Now, since a Partner's status is soon shown to its Clients as it will be. The key of the records is the operator's.
    let (written, edited) = (written(object, None), edited(object, &effective(&desired)));
    Ok(Prepared { desired, platform, notes, written, edited })
}

fn about<K: Object>(lack: Lack, object: &K) -> Lack {
    match lack {
        Lack::Failure(failure) => Lack::Failure(failure.about(named(object))),
        Lack::Outcome(outcome) => Lack::Outcome(outcome),
    }
}

/// The Partner of a Client, if it may be used.
async fn usable<'a>(
    object: &TenantClient,
    ground: &'a Ground,
    notes: &mut Vec<String>,
) -> Result<Option<&'a Partner>, Lack> {
    let Parent::Object(partner_namespace, name) = object.parent() else { return Ok(None) };
    if let Some(other) = ground.other_partner(&partner_namespace, &name) {
        return Err(partner_not_understood(other).into());
    }
    let Some(partner) = ground.partner_of(object) else {
        return Err(no_partner(object, &partner_namespace, &name).into());
    };
    let own = namespace(object);
    if is_allowed(partner, &own, (ground, notes)).await? {
        Ok(Some(partner))
    } else {
        Err(not_allowed(&partner_namespace, (&name, &own)).into())
    }
}

/// The Partner object of the tenant that a Client names by its id, if it may be used.
async fn usable_by_id<'a, K: Object>(
    object: &K,
    (id, platform): (&str, &Platform),
    (ground, notes): (&'a Ground, &mut Vec<String>),
) -> Result<Option<&'a Partner>, Lack> {
    let own = namespace(object);
    let known = ground.partners.values().map(|subject| &subject.object).collect();
    let partners = of_id(known, (id, &platform.host()));
    for partner in &partners {
        if !is_allowed(partner, &own, (ground, notes)).await? {
            return Err(not_allowed_by_id(id, &own).into());
        }
    }
    Ok(partners.into_iter().next())
}

/// Whether a Partner takes Clients from a namespace.
async fn is_allowed(
    partner: &Partner,
    own: &str,
    (ground, notes): (&Ground, &mut Vec<String>),
) -> Result<bool, Failure> {
    match (allows(partner, own), &ground.cluster) {
        (Allows::Yes, _) => Ok(true),
        (Allows::No, _) => Ok(false),
        (Allows::Labelled(wanted), Some(cluster)) => is_labelled(cluster, own, &wanted).await,
        (Allows::Labelled(_), None) => {
            notes.push(format!(
                "whether namespace `{own}` has the labels that the Partner asks for is not known without a cluster"
            ));
            Ok(true)
        }
    }
}
