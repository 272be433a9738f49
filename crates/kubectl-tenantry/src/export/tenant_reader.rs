//! Reads all tenants of a platform.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use tenantry_client::{CallError, PlatformClient, TenantInspection};
use tenantry_core::{Digest, Field, ImageRule, ObservedValue, Place, TenantKind, UnknownAnswers, Value, judge_image};
use tenantry_wire::WireTenantState;

use crate::failure::Failure;
use crate::output::{ProgressLine, print_note};
use crate::tenant_rows;

/// Number of tenants that are read at the same time.
const CONCURRENT_READS: usize = 8;

/// A tenant that was read.
#[derive(Debug)]
pub(super) struct ReadTenant {
    /// What the platform shows of it.
    pub(super) inspection: TenantInspection,
    /// Its images.
    pub(super) images: BTreeMap<Field, Vec<u8>>,
}

/// A partner with its clients.
#[derive(Debug)]
pub(super) struct PartnerTenants {
    /// Unique id of the partner.
    pub(super) id: String,
    /// The partner itself; `None` if the platform does not offer partners.
    pub(super) partner: Option<ReadTenant>,
    /// Its live clients, in the order of their ids.
    pub(super) clients: Vec<ReadTenant>,
    /// Tenants whose answer cannot be parsed, and why.
    pub(super) left_out: Vec<String>,
}

/// The partners that were read, and those that could not be.
#[derive(Debug, Default)]
pub(super) struct PartnerReads {
    /// The partners with their clients.
    pub(super) partners: Vec<PartnerTenants>,
    /// Partners that the platform does not show completely.
    pub(super) failed: Vec<FailedPartner>,
}

/// A partner that the platform does not show completely.
#[derive(Debug)]
pub(super) struct FailedPartner {
    /// Its unique id.
    pub(super) id: String,
    /// The reason.
    pub(super) why: String,
}

impl From<FailedPartner> for Failure {
    fn from(FailedPartner { id, why }: FailedPartner) -> Self {
        Self::new(format!("partner {id} as a whole: {why}"))
    }
}

/// Number of consecutive failures after which no further partner is tried.
const MAX_FAILURES_IN_A_ROW: usize = 3;

/// The results of reading several tenants.
#[derive(Default)]
struct TenantReads {
    found: Vec<ReadTenant>,
    left_out: Vec<String>,
}

/// Reads every live partner, or one of them, with its clients.
pub(super) async fn read_all_partners(
    platform: &PlatformClient,
    wanted: Option<&str>,
) -> Result<PartnerReads, Failure> {
    let account = platform.tenant_id().to_owned();
    let place = Place::Partners { sp: account.clone() };
    let failed = |error: &CallError| Failure::new(format!("platform `{}`: {error}", platform.host()));
    let ids = match list_unterminated_ids(platform, &place).await {
        Ok(ids) => ids,
        Err(CallError::Unsupported { .. } | CallError::NotFound { .. }) => {
            print_note(
                "this platform does not offer partners through its API: the clients of the credential's own tenant are taken",
            );
            let id = wanted.unwrap_or(&account).to_owned();
            let TenantReads { found: clients, left_out } =
                read_clients(platform, &id).await.map_err(|error| failed(&error))?;
            return Ok(PartnerReads {
                partners: vec![PartnerTenants { id, partner: None, clients, left_out }],
                failed: Vec::new(),
            });
        }
        Err(error) => return Err(failed(&error)),
    };
    if let Some(wanted) = wanted
        && !ids.iter().any(|id| id == wanted)
    {
        let known = ids.iter().take(5).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("no living partner `{wanted}` stands under `{account}`: there are {known}")));
    }
    let (mut families, mut in_a_row) = (PartnerReads::default(), 0);
    for id in ids.into_iter().filter(|id| wanted.is_none_or(|wanted| wanted == id)) {
        if in_a_row == MAX_FAILURES_IN_A_ROW {
            families
                .failed
                .push(FailedPartner { id, why: "not tried, since those before could not be read".to_owned() });
            continue;
        }
        match read_partner_tenants(platform, &place, &id).await {
            Ok(family) => {
                in_a_row = 0;
                families.partners.extend(family);
            }
            Err(error) => {
                in_a_row += 1;
                families.failed.push(FailedPartner { id, why: format!("platform `{}`: {error}", platform.host()) });
            }
        }
    }
    Ok(families)
}

/// Reads a partner with its clients. Returns `None` if it was removed meanwhile.
async fn read_partner_tenants(
    platform: &PlatformClient,
    place: &Place,
    id: &str,
) -> Result<Option<PartnerTenants>, CallError> {
    let mut own = TenantReads::default();
    if !own.add_read(read_tenant(platform, place, id).await, place.kind(), id)? {
        return Ok(None);
    }
    let TenantReads { found: clients, left_out } = read_clients(platform, id).await?;
    own.left_out.extend(left_out);
    Ok(Some(PartnerTenants { id: id.to_owned(), partner: own.found.pop(), clients, left_out: own.left_out }))
}

async fn list_unterminated_ids(platform: &PlatformClient, place: &Place) -> Result<Vec<String>, CallError> {
    let rows = tenant_rows::list_tenant_rows(platform, place).await?;
    let mut living: Vec<_> = rows.values().filter(|row| row.status != Some(WireTenantState::Terminated)).collect();
    living.sort_by_key(|row| (row.id, row.unique_id.clone()));
    Ok(living.into_iter().map(|row| row.unique_id.clone()).collect())
}

impl TenantReads {
    /// Keeps a tenant, or the reason why its answer cannot be parsed. Returns false if it was removed meanwhile.
    fn add_read(
        &mut self,
        read: Result<Option<ReadTenant>, CallError>,
        kind: TenantKind,
        id: &str,
    ) -> Result<bool, CallError> {
        match read {
            Ok(None) => return Ok(false),
            Ok(Some(found)) => self.found.push(found),
            Err(error @ CallError::Malformed { .. }) => {
                self.left_out.push(format!("{} {id} as a whole: {error}", kind.name()));
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

async fn read_clients(platform: &PlatformClient, partner: &str) -> Result<TenantReads, CallError> {
    let place = Place::Clients { msp: partner.to_owned() };
    let ids = list_unterminated_ids(platform, &place).await?;
    let mut progress = ProgressLine::begin("clients read");
    let all = ids.len();
    let mut reads =
        futures::stream::iter(ids.iter().map(|id| read_tenant(platform, &place, id))).buffered(CONCURRENT_READS);
    let (mut clients, mut names) = (TenantReads::default(), ids.iter());
    while let Some(read) = reads.next().await {
        progress.count_one(all);
        let id = names.next().map_or("", String::as_str);
        // A client that was removed meanwhile is left out.
        clients.add_read(read, TenantKind::Client, id)?;
    }
    Ok(clients)
}

async fn read_tenant(platform: &PlatformClient, place: &Place, id: &str) -> Result<Option<ReadTenant>, CallError> {
    let Some(mut inspection) = platform.inspect_tenant(place, id).await? else { return Ok(None) };
    let mut images = BTreeMap::new();
    let TenantInspection { observed, images: paths, .. } = &mut inspection;
    for (field, path) in paths.iter() {
        if !observed.values.contains_key(field) || !PlatformClient::is_own_image_path(path) {
            continue;
        }
        match platform.read_image(path).await {
            Ok(bytes) => {
                observed.values.insert(*field, observe_image(*field, &bytes, &mut observed.unknown));
                images.insert(*field, bytes);
            }
            // The platform shows an address, but no image is there.
            Err(CallError::NotFound { .. } | CallError::ParentGone { .. } | CallError::Malformed { .. }) => {
                observed.values.insert(*field, ObservedValue::Unreadable);
            }
            // Nothing is known about the image, and the files of an earlier export have it.
            Err(error) if error.is_connection_error() => return Err(error),
            // One refused or broken file must not keep a partner out of the export.
            Err(error) => {
                observed.values.insert(*field, ObservedValue::Unreadable);
                observed.unknown.unreadable.insert(*field, format!("the file that it serves was not loaded: {error}"));
            }
        }
    }
    Ok(Some(ReadTenant { inspection, images }))
}

/// Observes an image by the bytes that everybody can load, since the manifest gets those.
fn observe_image(field: Field, bytes: &[u8], unknown: &mut UnknownAnswers) -> ObservedValue {
    let rule = ImageRule::for_field(field);
    match rule.map(|rule| judge_image(bytes, rule)) {
        Some(Err(why)) => {
            unknown.unreadable.insert(field, format!("the file that it serves {why}"));
            ObservedValue::Unreadable
        }
        Some(Ok(_)) | None => ObservedValue::Value(Value::Image(Digest::of_bytes(bytes))),
    }
}
