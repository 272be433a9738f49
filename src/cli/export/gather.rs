//! Reads every tenant.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use crate::cli::failure::Failure;
use crate::cli::output::{Progress, note};
use crate::cli::tenants;
use crate::connect::{Error, Inspection, Place, Platform};
use crate::plan::{Digest, Field, ImageRule, Kind, Seen, Unknown, Value, judge_image};
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
    /// Tenants whose answer cannot be read, and why.
    pub(super) left_out: Vec<String>,
}

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The partners with their clients.
    pub(super) read: Vec<Family>,
    /// Partners that the platform would not show as a whole.
    pub(super) failed: Vec<Failed>,
}

/// A partner that the platform would not show as a whole.
#[derive(Debug)]
pub(super) struct Failed {
    /// Its unique id.
    pub(super) id: String,
    /// Why.
    pub(super) why: String,
}

impl From<Failed> for Failure {
    fn from(Failed { id, why }: Failed) -> Self {
        Self::new(format!("partner {id} as a whole: {why}"))
    }
}

/// Partners in a row that cannot be read before the others are not tried any more.
const FAILED_IN_A_ROW: usize = 3;

/// What was read of several tenants.
#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    left_out: Vec<String>,
}

/// Every living partner, or one of them, with its clients.
pub(super) async fn families(platform: &Platform, wanted: Option<&str>) -> Result<Families, Failure> {
    let account = platform.tenant_id().to_owned();
    let place = Place::Partners { sp: account.clone() };
    let failed = |error: &Error| Failure::new(format!("platform `{}`: {error}", platform.host()));
    let ids = match living(platform, &place).await {
        Ok(ids) => ids,
        Err(Error::Unsupported { .. } | Error::NotFound { .. }) => {
            note(
                "this platform does not offer partners through its API: the clients of the credential's own tenant are taken",
            );
            let id = wanted.unwrap_or(&account).to_owned();
            let Gathered { found: clients, left_out } = clients(platform, &id).await.map_err(|error| failed(&error))?;
            return Ok(Families { read: vec![Family { id, partner: None, clients, left_out }], failed: Vec::new() });
        }
        Err(error) => return Err(failed(&error)),
    };
    if let Some(wanted) = wanted
        && !ids.iter().any(|id| id == wanted)
    {
        let known = ids.iter().take(5).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("no living partner `{wanted}` stands under `{account}`: there are {known}")));
    }
    let (mut families, mut in_a_row) = (Families::default(), 0);
    for id in ids.into_iter().filter(|id| wanted.is_none_or(|wanted| wanted == id)) {
        if in_a_row == FAILED_IN_A_ROW {
            families.failed.push(Failed { id, why: "not tried, since those before could not be read".to_owned() });
            continue;
        }
        match family(platform, &place, &id).await {
            Ok(family) => {
                in_a_row = 0;
                families.read.extend(family);
            }
            Err(error) => {
                in_a_row += 1;
                families.failed.push(Failed { id, why: format!("platform `{}`: {error}", platform.host()) });
            }
        }
    }
    Ok(families)
}

/// A partner with its clients; nothing for one that went meanwhile.
async fn family(platform: &Platform, place: &Place, id: &str) -> Result<Option<Family>, Error> {
    let mut own = Gathered::default();
    if !own.take(found(platform, place, id).await, (place.kind(), id))? {
        return Ok(None);
    }
    let Gathered { found: clients, left_out } = clients(platform, id).await?;
    own.left_out.extend(left_out);
    Ok(Some(Family { id: id.to_owned(), partner: own.found.pop(), clients, left_out: own.left_out }))
}

async fn living(platform: &Platform, place: &Place) -> Result<Vec<String>, Error> {
    let rows = tenants::rows(platform, place).await?;
    let mut living: Vec<_> = rows.values().filter(|row| row.status != Some(State::Terminated)).collect();
    living.sort_by_key(|row| (row.id, row.unique_id.clone()));
    Ok(living.into_iter().map(|row| row.unique_id.clone()).collect())
}

impl Gathered {
    /// Keeps a tenant, or why its answer cannot be read; false for one that went meanwhile.
    fn take(&mut self, read: Result<Option<Found>, Error>, (kind, id): (Kind, &str)) -> Result<bool, Error> {
        match read {
            Ok(None) => return Ok(false),
            Ok(Some(found)) => self.found.push(found),
            Err(error @ Error::Malformed { .. }) => {
                self.left_out.push(format!("{} {id} as a whole: {error}", kind.name()));
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

async fn clients(platform: &Platform, partner: &str) -> Result<Gathered, Error> {
    let place = Place::Clients { msp: partner.to_owned() };
    let ids = living(platform, &place).await?;
    let mut progress = Progress::begin("clients read");
    let all = ids.len();
    let mut reads = futures::stream::iter(ids.iter().map(|id| found(platform, &place, id))).buffered(AT_ONCE);
    let (mut clients, mut names) = (Gathered::default(), ids.iter());
    while let Some(read) = reads.next().await {
        progress.step(all);
        let id = names.next().map_or("", String::as_str);
        // One that went meanwhile is not there.
        clients.take(read, (Kind::Client, id))?;
    }
    Ok(clients)
}

async fn found(platform: &Platform, place: &Place, id: &str) -> Result<Option<Found>, Error> {
    let Some(mut inspection) = platform.inspect(place, id).await? else { return Ok(None) };
    let mut images = BTreeMap::new();
    let Inspection { observed, images: paths, .. } = &mut inspection;
    for (field, path) in paths.iter() {
        if !observed.seen.contains_key(field) || !Platform::has_image(path) {
            continue;
        }
        match platform.image(path).await {
            Ok(bytes) => {
                observed.seen.insert(*field, taken(*field, &bytes, &mut observed.unknown));
                images.insert(*field, bytes);
            }
            // Its address is shown, and there is nothing at it.
            Err(Error::NotFound { .. } | Error::ParentGone { .. } | Error::Malformed { .. }) => {
                observed.seen.insert(*field, Seen::Unreadable);
            }
            // Nothing is known of the image, and the files of an earlier export have it.
            Err(error) if error.is_of_connection() => return Err(error),
            // One file that is refused or broken must not keep a whole partner out of the export.
            Err(error) => {
                observed.seen.insert(*field, Seen::Unreadable);
                observed.unknown.unreadable.insert(*field, format!("the file that it serves was not loaded: {error}"));
            }
        }
    }
    Ok(Some(Found { inspection, images }))
}

/// An image as what everybody can load of it, since that is what the manifest gets.
fn taken(field: Field, bytes: &[u8], unknown: &mut Unknown) -> Seen {
    let rule = ImageRule::of(field);
    match rule.map(|rule| judge_image(bytes, rule)) {
        Some(Err(why)) => {
            unknown.unreadable.insert(field, format!("the file that it serves {why}"));
            Seen::Unreadable
        }
        Some(Ok(_)) | None => Seen::Value(Value::Image(Digest::of(bytes))),
    }
}
