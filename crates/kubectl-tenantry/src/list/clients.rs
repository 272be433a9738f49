//! Lists the clients of all partners, or of the one that was requested.

use futures::StreamExt as _;
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::Place;
use tenantry_wire::{TenantSearchItem, WireTenantState};

use super::{ListRow, partners_place};
use crate::failure::Failure;
use crate::output::{self, ProgressLine};
use crate::tenant_rows;

/// Number of partners whose clients are listed at the same time.
const CONCURRENT_LISTS: usize = 4;

/// The partner that was requested, if any, and whether a platform has it.
pub(super) struct PartnerFilter<'a> {
    wanted: Option<&'a str>,
    is_found: bool,
}

impl<'a> PartnerFilter<'a> {
    pub(super) const fn new(wanted: Option<&'a str>) -> Self {
        Self { wanted, is_found: false }
    }

    /// Returns the failure for a partner that no platform has.
    pub(super) fn missing_partner_failure(&self) -> Option<Failure> {
        let wanted = self.wanted.filter(|_| !self.is_found)?;
        let message = format!(
            "there is no partner `{wanted}`: correct `--partner`, `kubectl tenantry list partners --status all` shows their names and ids"
        );
        Some(Failure::new(message))
    }

    fn matches_item(&self, item: &TenantSearchItem) -> bool {
        let is_named = |wanted: &str| item.unique_id == wanted || item.name.to_lowercase() == wanted.to_lowercase();
        self.wanted.is_none_or(is_named)
    }
}

/// A partner whose clients are listed.
struct ListedPartner {
    id: String,
    /// Whether it is known to be in service. Some platforms show nothing of a partner that is not.
    is_active: bool,
}

/// Lists the clients of a platform's partners. A partner that does not answer is reported, and none of its clients are
/// listed.
pub(super) async fn list_clients(
    platform: &PlatformClient,
    filter: &mut PartnerFilter<'_>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<ListRow>, CallError> {
    let asked = select_partners(platform, filter, failures).await?;
    let mut progress = ProgressLine::begin("partners looked through");
    let mut rows = Vec::new();
    let answers = asked.iter().map(|asked| async move {
        let place = Place::Clients { msp: asked.id.clone() };
        (asked, tenant_rows::list_tenant_rows(platform, &place).await)
    });
    let mut answers = futures::stream::iter(answers).buffer_unordered(CONCURRENT_LISTS);
    while let Some((ListedPartner { id, is_active }, answer)) = answers.next().await {
        match answer {
            Ok(found) => rows.extend(found.values().map(|item| ListRow::from_item(item, Some(id)))),
            Err(CallError::NotFound { .. } | CallError::ParentGone { .. }) if !is_active => {
                output::print_note(&format!(
                    "partner `{id}` is not in service, and the platform does not list its clients: they are left out"
                ));
            }
            Err(error) => {
                failures.push(Failure::new(format!("the clients of partner `{id}` cannot be listed: {error}")));
            }
        }
        progress.count_one(asked.len());
    }
    Ok(rows)
}

/// Returns the partners to query: all that are not terminated, or the requested one.
async fn select_partners(
    platform: &PlatformClient,
    filter: &mut PartnerFilter<'_>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<ListedPartner>, CallError> {
    let found = match tenant_rows::list_tenant_rows(platform, &partners_place(platform)).await {
        Ok(found) => found,
        // If the API has no partners, the credential's own tenant is the only one, and another one is queried by its
        // id.
        Err(CallError::Unsupported { .. } | CallError::NotFound { .. }) => {
            filter.is_found = true;
            let id = filter.wanted.unwrap_or(platform.tenant_id()).to_owned();
            return Ok(vec![ListedPartner { id, is_active: true }]);
        }
        Err(error) => return Err(error),
    };
    let mut asked = Vec::new();
    let wanted: Vec<&TenantSearchItem> = found.values().filter(|item| filter.matches_item(item)).collect();
    filter.is_found |= !wanted.is_empty();
    for item in wanted {
        let TenantSearchItem { unique_id: id, status, activated, .. } = item;
        if *status != Some(WireTenantState::Terminated) {
            asked.push(ListedPartner { id: id.clone(), is_active: *activated });
        } else if filter.wanted.is_some() {
            let message = format!("partner `{id}` was terminated, and its clients with it: name another `--partner`");
            failures.push(Failure::new(message));
        }
    }
    Ok(asked)
}
