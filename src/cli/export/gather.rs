//! Reads every tenant.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use crate::cli::failure::Failure;
use crate::cli::output::{Progress, note};
use crate::cli::tenants;
use crate::connect::{Error, Inspection, Place, Platform};
use crate::plan::{Field, Seen};
use crate::wire::State;

/// Tenants that are read at the same time.
const AT_ONCE: usize = 8;

/// A tenant that was read.
#[derive(Debug)]
pub(super) struct Found {
    /// What the platform shows.
    pub(super) inspection: Inspection,
    /// Its images.
    pub(super) images: BTreeMap<Field, Vec<u8>>,
}

/// A partner with its clients.
#[derive(Debug)]
pub(super) struct Family {
    /// Unique id of the partner.
    pub(super) id: String,
    /// The partner itself; nothing where the platform does not offer partners.
    pub(super) partner: Option<Found>,
    /// Its living clients, in the order of their ids.
    pub(super) clients: Vec<Found>,
}

/// Every living partner, or one of them, with its clients.
pub(super) async fn families(platform: &Platform, wanted: Option<&str>) -> Result<Vec<Family>, Failure> {
    let account = platform.tenant_id().to_owned();
    let place = Place::Partners { sp: account.clone() };
    let failed = |error: &Error| Failure::new(format!("platform `{}`: {error}", platform.host()));
    let ids = match living(platform, &place).await {
        Ok(ids) => ids,
        Err(Error::Unsupported { .. } | Error::NotFound { .. }) => {
            note(
                "this platform does not offer partners through its API: the clients of the credential's own tenant are taken",
            );
            let clients = clients(platform, wanted.unwrap_or(&account)).await.map_err(|error| failed(&error))?;
            return Ok(vec![Family { id: wanted.unwrap_or(&account).to_owned(), partner: None, clients }]);
        }
        Err(error) => return Err(failed(&error)),
    };
    if let Some(wanted) = wanted
        && !ids.iter().any(|id| id == wanted)
    {
        let known = ids.iter().take(5).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("no living partner `{wanted}` stands under `{account}`: there are {known}")));
    }
    let mut families = Vec::new();
    for id in ids.into_iter().filter(|id| wanted.is_none_or(|wanted| wanted == id)) {
        let Some(partner) = found(platform, &place, &id).await.map_err(|error| failed(&error))? else { continue };
        let clients = clients(platform, &id).await.map_err(|error| failed(&error))?;
        families.push(Family { id, partner: Some(partner), clients });
    }
    Ok(families)
}

async fn living(platform: &Platform, place: &Place) -> Result<Vec<String>, Error> {
    let rows = tenants::rows(platform, place).await?;
    let mut living: Vec<_> = rows.values().filter(|row| row.status != Some(State::Terminated)).collect();
    living.sort_by_key(|row| (row.id, row.unique_id.clone()));
    Ok(living.into_iter().map(|row| row.unique_id.clone()).collect())
}

async fn clients(platform: &Platform, partner: &str) -> Result<Vec<Found>, Error> {
    let place = Place::Clients { msp: partner.to_owned() };
    let ids = living(platform, &place).await?;
    let mut progress = Progress::begin("clients read");
    let all = ids.len();
    let mut reads = futures::stream::iter(ids.iter().map(|id| found(platform, &place, id))).buffered(AT_ONCE);
    let mut clients = Vec::new();
    while let Some(read) = reads.next().await {
        progress.step(all);
        // One that went meanwhile is not there.
        clients.extend(read?);
    }
    Ok(clients)
}

async fn found(platform: &Platform, place: &Place, id: &str) -> Result<Option<Found>, Error> {
    let Some(inspection) = platform.inspect(place, id).await? else { return Ok(None) };
    let mut images = BTreeMap::new();
    for (field, path) in &inspection.images {
        if matches!(inspection.observed.seen.get(field), Some(Seen::Value(_))) && Platform::has_image(path) {
            images.insert(*field, platform.image(path).await?);
        }
    }
    Ok(Some(Found { inspection, images }))
}
