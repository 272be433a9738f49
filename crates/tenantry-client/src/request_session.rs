//! One call to a platform: its requests, under one deadline.

mod list_reading;

pub(super) use list_reading::AllRows;
use tenantry_core::{LifecycleState, Place, TenantKind};
use tenantry_wire::Tenant;
use tokio::time::Instant;

use super::active_tenants::{LiveTenantCache, TenantListing};
use super::error::CallError;
use super::error_body::is_platform_error;
use super::http::HttpAnswer;
use super::mapping::{self, ObservedBranding, ParsedAnswer, TenantPage};
use super::rate_limit_budget::RequestPriority;
use super::route::route_segment;
use super::transport::{ReservedWrite, TenancyCall, Transport, validate_tenant_id};

/// Rows per page.
const PAGE_SIZE: i64 = 100;

/// What all clones of a platform share.
pub(super) struct PlatformState {
    pub(super) transport: Transport,
    pub(super) active_tenants: LiveTenantCache,
}

/// A call in progress.
pub(super) struct RequestSession<'a> {
    pub(super) shared: &'a PlatformState,
    priority: RequestPriority,
    pub(super) deadline: Instant,
    /// Whether the platform has the extensions.
    pub(super) has_extensions: bool,
}

impl<'a> RequestSession<'a> {
    /// Begins a call, whose deadline runs from now on. A token is acquired first, since it reports the extensions.
    pub(super) async fn begin(shared: &'a PlatformState, priority: RequestPriority) -> Result<Self, CallError> {
        let deadline = shared.transport.call_deadline();
        let extensions = shared.transport.acquire_token(deadline).await?.has_extensions;
        Ok(Self { shared, priority, deadline, has_extensions: extensions })
    }

    /// Refuses calls of the place that only the extensions offer, before anything is sent.
    pub(super) fn ensure_place_supported(self, place: &Place) -> Result<Self, CallError> {
        match place.kind() {
            TenantKind::Partner if !self.has_extensions => {
                let host = self.shared.transport.connection.host();
                Err(CallError::Unsupported { message: format!("{host} has none to list, create or change partners") })
            }
            TenantKind::Partner | TenantKind::Client => Ok(self),
        }
    }

    /// Returns the body of a successful answer.
    pub(super) async fn fetch_body(&self, call: &TenancyCall<'_>) -> Result<Vec<u8>, CallError> {
        let answer = self.shared.transport.send_with_retries(call, self.priority, self.deadline).await?;
        if answer.is_success() { Ok(answer.body) } else { Err(self.shared.transport.refusal_error(call, &answer)) }
    }

    /// Reads the tenant; returns `None` if this id does not exist.
    pub(super) async fn fetch_tenant(
        &self,
        place: &Place,
        id: &str,
    ) -> Result<Option<ParsedAnswer<Tenant>>, CallError> {
        let Some(body) = self.fetch_tenant_body(place, id).await? else { return Ok(None) };
        self.parse_tenant_of_id(id, &body).map(Some)
    }

    /// Reads a partner by its id, with the only documented call about a partner.
    pub(super) async fn fetch_partner(&self, id: &str) -> Result<ParsedAnswer<Tenant>, CallError> {
        self.parse_tenant_of_id(id, &self.fetch_body(&TenancyCall::get(&[validate_tenant_id(id)?])).await?)
    }

    /// Parses a tenant, which must be the one that was requested.
    pub(super) fn parse_tenant_of_id(&self, id: &str, body: &[u8]) -> Result<ParsedAnswer<Tenant>, CallError> {
        let tenant = mapping::read_tenant(body, self.has_extensions)?;
        match tenant.known.unique_id.as_deref() {
            Some(seen) if seen == id => Ok(tenant),
            Some(_) => Err(wrong_tenant_error(id)),
            None => {
                Err(CallError::malformed_answer(format!("it holds no `uniqueId`, and tenant `{id}` was asked for")))
            }
        }
    }

    /// Returns the unparsed body about a tenant.
    pub(super) async fn fetch_tenant_body(&self, place: &Place, id: &str) -> Result<Option<Vec<u8>>, CallError> {
        let path = match place {
            // The only documented call about a partner.
            Place::Partners { .. } if !self.has_extensions => vec![validate_tenant_id(id)?],
            Place::Partners { .. } | Place::Clients { .. } => route_segments(place, &[validate_tenant_id(id)?])?,
        };
        let call = TenancyCall::get(&path);
        let answer = self.shared.transport.send_with_retries(&call, self.priority, self.deadline).await?;
        if answer.is_success() {
            return Ok(Some(answer.body));
        }
        match self.shared.transport.refusal_error(&call, &answer) {
            CallError::NotFound { .. } if is_not_found_for(&answer, place, id) => Ok(None),
            error => Err(error),
        }
    }

    /// Reads the tenant's own branding, without values inherited from the Partner.
    pub(super) async fn fetch_branding(
        &self,
        id: &str,
        tenant: &ParsedAnswer<Tenant>,
    ) -> Result<ObservedBranding, CallError> {
        let is_active = mapping::tenant_life(tenant) == LifecycleState::Active;
        match self.fetch_body(&TenancyCall::get(&[validate_tenant_id(id)?, "customBranding"])).await {
            Ok(body) if is_empty_body(&body) => {
                Ok(ObservedBranding::Visible(Box::new(mapping::parse_branding(b"{}", self.has_extensions)?)))
            }
            Ok(body) => mapping::parse_branding(&body, self.has_extensions)
                .map(|branding| ObservedBranding::Visible(Box::new(branding))),
            // The public API documents only the write, and nothing for a suspended tenant.
            Err(CallError::NotFound { .. } | CallError::Unsupported { .. }) => Ok(ObservedBranding::Hidden),
            Err(CallError::ParentGone { .. }) if !is_active => Ok(ObservedBranding::Hidden),
            Err(error) => Err(error),
        }
    }

    /// Sends an update; if the answer is about a tenant, it must be this one.
    pub(super) async fn send_update(&self, id: &str, call: &TenancyCall<'_>) -> Result<(), CallError> {
        let body = self.fetch_body(call).await?;
        if is_empty_body(&body) {
            return Ok(());
        }
        match mapping::read_tenant(&body, self.has_extensions)?.known.unique_id {
            Some(seen) if seen != id => Err(wrong_tenant_error(id)),
            Some(_) | None => Ok(()),
        }
    }

    /// Sends an action. The answer may be empty, `null` or what it changed; anything that is not JSON comes from
    /// elsewhere.
    pub(super) async fn send_action(&self, call: &TenancyCall<'_>) -> Result<(), CallError> {
        check_action_answer(&self.fetch_body(call).await?)
    }

    /// Sends an action with a reserved token and slot.
    pub(super) async fn send_reserved_action(
        &self,
        call: &TenancyCall<'_>,
        reserved: ReservedWrite<'_>,
    ) -> Result<(), CallError> {
        let answer = self.shared.transport.send_reserved(call, reserved).await?;
        if answer.is_success() {
            check_action_answer(&answer.body)
        } else {
            Err(self.shared.transport.refusal_error(call, &answer))
        }
    }

    /// Lists every tenant of the place that is not terminated.
    pub(super) async fn list_live_tenants(&self, place: &Place) -> Result<TenantListing, CallError> {
        if self.has_extensions {
            return self.list_minimal(place).await;
        }
        // The documentation does not say whether `minimal` has the inactive tenants. A tenant that changes its state
        // between two lists is in one of the three, or makes the first differ from the last.
        let before = self.read_list(place, Some(INACTIVE_FILTER)).await?;
        let mut listing = self.list_minimal(place).await?;
        let after = self.read_list(place, Some(INACTIVE_FILTER)).await?;
        if let Err(why) = before.check_agreement(&after) {
            return Err(CallError::malformed_answer(format!(
                "the list of inactive tenants does not hold: {why}; ask again"
            )));
        }
        listing.merge(after.into_listing());
        Ok(listing)
    }

    /// Returns whether the list of inactive tenants contains a tenant.
    pub(super) async fn is_listed_inactive(&self, place: &Place, id: &str) -> Result<bool, CallError> {
        Ok(self.read_list(place, Some(INACTIVE_FILTER)).await?.has_tenant(id))
    }

    async fn list_minimal(&self, place: &Place) -> Result<TenantListing, CallError> {
        let body = self.fetch_body(&TenancyCall::list(&route_segments(place, &["minimal"])?)).await?;
        let mapping::ParsedRows { rows, unreadable: odd } = mapping::parse_minimal(&body, self.has_extensions)?;
        Ok(TenantListing::from_rows(rows, odd))
    }

    /// Reads a page of a search.
    pub(super) async fn fetch_page(
        &self,
        place: &Place,
        page_no: i64,
        filter: Option<&str>,
    ) -> Result<TenantPage, CallError> {
        let mut query = vec![
            ("pageNo", page_no.to_string()),
            ("pageSize", PAGE_SIZE.to_string()),
            // Ascending, so that a tenant created meanwhile does not shift the rows of the next pages.
            ("isDescendingOrder", "false".to_owned()),
        ];
        query.extend(filter.map(|filter| ("queryString", filter.to_owned())));
        let body = self.fetch_body(&TenancyCall::page(&route_segments(place, &["search"])?, query)).await?;
        mapping::parse_page(&body, self.has_extensions)
    }
}

/// Filters for tenants that are not in service.
const INACTIVE_FILTER: &str = "activeStatus:false";

/// Builds the path segments of a place's calls.
pub(super) fn route_segments<'a>(place: &'a Place, rest: &[&'a str]) -> Result<Vec<&'a str>, CallError> {
    let mut path = vec![validate_tenant_id(place.parent_id())?, route_segment(place)];
    path.extend(rest);
    Ok(path)
}

/// Builds the error of an answer about another tenant than the requested one.
pub(super) fn wrong_tenant_error(id: &str) -> CallError {
    CallError::malformed_answer(format!("it is not about tenant `{id}`"))
}

/// Checks the answer to an action.
fn check_action_answer(body: &[u8]) -> Result<(), CallError> {
    if is_empty_body(body) { Ok(()) } else { mapping::parse_json(body).map(drop) }
}

fn is_empty_body(body: &[u8]) -> bool {
    matches!(body.trim_ascii(), b"" | b"null" | b"\"\"")
}

/// Returns whether "not found" is about this id, so that the tenant counts as gone. It must not be about the parent or
/// the path, or come from something in front of the platform.
fn is_not_found_for(answer: &HttpAnswer, place: &Place, id: &str) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    is_platform_error(&answer.body)
        && !text.contains("/tenants/")
        && (text.contains(id) || !text.contains(place.parent_id()))
}
