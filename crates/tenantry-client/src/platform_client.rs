//! The client of a platform, as operator and plugin use it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tenantry_core::{
    ClockReading, Field, LifecycleState, ObservedMark, ObservedTenant, Place, SettingChange, SettingsPayload,
    short_mark,
};
use tenantry_wire::{CreatedTenant, ImpactCounts, LifecycleAction, Mark, Tenant};
use tokio::time::Instant;

use super::active_tenants::{ListFreshness, ListedTenant, LiveTenantCache, NameSearchResult, TenantListing};
use super::change_guard::ChangeGuard;
use super::connection::{Connection, ConnectionError};
use super::error::CallError;
use super::http::{HttpService, build_https_service};
use super::mapping::{self, ObservedBranding, TenantPage};
use super::proxy::ProxyAddress;
use super::rate_limit_budget::RequestPriority;
use super::request_session::{AllRows, PlatformState, RequestSession, route_segments, wrong_tenant_error};
use super::transport::{TenancyCall, Transport, validate_tenant_id};
use super::write_reservation::WriteReservation;

/// How often a list is read that changes meanwhile.
const LIST_ATTEMPTS: usize = 3;

/// A platform behind one [`Connection`]: one token, one rate limiter and one cache of lists, shared by all clones.
#[derive(Clone)]
pub struct PlatformClient {
    shared: Arc<PlatformState>,
    priority: RequestPriority,
}

impl fmt::Debug for PlatformClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("connection", &self.shared.transport.connection).finish_non_exhaustive()
    }
}

impl PlatformClient {
    /// Builds a client; `timeout` bounds each call in total.
    ///
    /// # Errors
    /// If no HTTPS client can be built, for example because neither the system nor the Secret has a certificate.
    pub fn new(connection: Connection, timeout: Duration) -> Result<Self, ConnectionError> {
        Self::new_with_proxy(connection, timeout, None)
    }

    /// Builds a client that uses a proxy, where one is given.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn new_with_proxy(
        connection: Connection,
        timeout: Duration,
        proxy: Option<&ProxyAddress>,
    ) -> Result<Self, ConnectionError> {
        let wire = build_https_service(&connection, timeout, proxy)?;
        Ok(Self::from_service(connection, timeout, wire, ChangeGuard::default()))
    }

    /// Builds a client on a service. A change is sent only while the guard permits it.
    pub fn from_service(connection: Connection, timeout: Duration, wire: HttpService, guard: ChangeGuard) -> Self {
        let shared = PlatformState {
            transport: Transport::new(connection, (wire, guard), timeout),
            active_tenants: LiveTenantCache::default(),
        };
        Self { shared: Arc::new(shared), priority: RequestPriority::Change }
    }

    /// Returns the id of the tenant that the credential belongs to.
    pub fn tenant_id(&self) -> &str {
        self.shared.transport.connection.tenant_id()
    }

    /// Returns the digest of the connection: equal means the same account through the same credential.
    pub fn fingerprint(&self) -> tenantry_core::Digest {
        self.shared.transport.connection.fingerprint()
    }

    /// Returns the host of the platform.
    pub fn host(&self) -> String {
        self.shared.transport.connection.host()
    }

    /// Returns a client for the drift check: its reads give way to those of changes.
    #[must_use]
    pub fn for_polling(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), priority: RequestPriority::Polling }
    }

    /// Returns a client whose reads do not wait for a rate limit, for reads while a write slot is held.
    #[must_use]
    pub fn without_waiting(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), priority: RequestPriority::NoWait }
    }

    /// Returns the platform's time from an answer since then; `None` if there was none, or none with a time.
    pub fn clock_reading_since(&self, since: Instant) -> Option<ClockReading> {
        self.shared.transport.server_clock.reading_since(since)
    }

    /// Waits until a change under the parent of a place may be sent, and reserves token and slot for it.
    ///
    /// # Errors
    /// If no token is available, or no slot within the deadline.
    pub async fn reserve_write<'a>(&'a self, place: &'a Place) -> Result<WriteReservation<'a>, CallError> {
        WriteReservation::acquire(self.begin_session().await?.ensure_place_supported(place)?, place).await
    }

    /// Checks whether a token can be obtained.
    pub async fn check_credential(&self) -> Result<(), CallError> {
        self.begin_session().await.map(drop)
    }

    /// Returns whether the platform has the extensions to the public API, which it reports with each token.
    pub async fn has_extensions(&self) -> Result<bool, CallError> {
        Ok(self.begin_session().await?.has_extensions)
    }

    pub(super) async fn begin_session(&self) -> Result<RequestSession<'_>, CallError> {
        RequestSession::begin(&self.shared, self.priority).await
    }

    /// Reads a tenant; returns `None` if this id does not exist. Without `with_branding` the result has no branding
    /// fields, so it is for tenants that declare none.
    pub async fn read_tenant(
        &self,
        place: &Place,
        id: &str,
        with_branding: bool,
    ) -> Result<Option<ObservedTenant>, CallError> {
        let session = self.begin_session().await?;
        let Some(tenant) = session.fetch_tenant(place, id).await? else { return Ok(None) };
        let branding =
            if with_branding { session.fetch_branding(id, &tenant).await? } else { ObservedBranding::NotRequested };
        mapping::to_observed(place.kind(), tenant, branding, session.has_extensions).map(Some)
    }

    /// Reads a tenant whose termination the platform accepted; returns `None` if it is terminated. After that call each
    /// form of absence counts: "not found" in any form, "gone", and, where a platform reports no more, out of service
    /// under an id in the list of inactive tenants.
    pub async fn read_after_terminate(&self, place: &Place, id: &str) -> Result<Option<ObservedTenant>, CallError> {
        let session = self.begin_session().await?;
        let tenant = match session.fetch_tenant(place, id).await {
            Ok(Some(tenant)) => tenant,
            Ok(None) | Err(CallError::NotFound { .. } | CallError::ParentGone { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let observed =
            mapping::to_observed(place.kind(), tenant, ObservedBranding::NotRequested, session.has_extensions)?;
        let is_ended = observed.lifecycle == LifecycleState::Inactive && session.is_listed_inactive(place, id).await?;
        Ok((!is_ended).then_some(observed))
    }

    /// Returns whether a partner is in service, so that the platform accepts changes under it.
    pub async fn is_partner_in_service(&self, partner: &str) -> Result<bool, CallError> {
        let tenant = self.begin_session().await?.fetch_partner(partner).await?;
        Ok(mapping::tenant_life(&tenant) == LifecycleState::Active)
    }

    /// Creates a tenant with its settings and mark, and returns its unique id. Branding needs a separate call.
    pub async fn create_tenant(
        &self,
        place: &Place,
        changes: &[SettingChange],
        payload: &SettingsPayload,
        mark: &Mark,
    ) -> Result<String, CallError> {
        let session = self.begin_session().await?.ensure_place_supported(place)?;
        let documented = mapping::documented_changes(changes, place.kind());
        let mut tenant = mapping::tenant_body(if session.has_extensions { changes } else { &documented }, payload)?;
        if session.has_extensions {
            tenant.managed_by = Some(mark.clone());
        } else if tenant.ext_org_id.as_deref().is_none_or(str::is_empty) {
            tenant.ext_org_id = Some(short_mark(mark));
        }
        let call = TenancyCall::post(&route_segments(place, &[])?).with_body(&tenant, payload)?;
        let creating = self.shared.active_tenants.begin_create(place);
        let created = session.fetch_body(&call).await.and_then(|body| mapping::parse_created(&body));
        match created {
            Ok(CreatedTenant { unique_id, name, .. }) => {
                let mark = session.has_extensions.then(|| mark.clone());
                creating.confirm_created(&ListedTenant { unique_id: unique_id.clone(), name, mark });
                Ok(unique_id)
            }
            Err(error) => {
                if !error.may_have_been_applied() {
                    creating.confirm_none_created();
                }
                Err(error)
            }
        }
    }

    /// Writes settings of a tenant in one request.
    pub async fn update_tenant(
        &self,
        place: &Place,
        id: &str,
        changes: &[SettingChange],
        payload: &SettingsPayload,
    ) -> Result<(), CallError> {
        let session = self.begin_session().await?.ensure_place_supported(place)?;
        let tenant = mapping::tenant_body(changes, payload)?;
        let call =
            TenancyCall::post(&route_segments(place, &[validate_tenant_id(id)?])?).with_body(&tenant, payload)?;
        let written = session.send_update(id, &call).await;
        if changes.iter().any(|change| change.field == Field::Name) {
            self.shared.active_tenants.invalidate(place);
        }
        written
    }

    /// Writes branding of a tenant in one request.
    pub async fn write_branding(
        &self,
        id: &str,
        changes: &[SettingChange],
        payload: &SettingsPayload,
    ) -> Result<(), CallError> {
        let session = self.begin_session().await?;
        let branding = mapping::branding_body(changes, payload)?;
        session
            .send_action(
                &TenancyCall::post(&[validate_tenant_id(id)?, "customBranding"])
                    .with_put()
                    .with_body(&branding, payload)?,
            )
            .await
    }

    /// Writes the mark of a tenant, and nothing else.
    ///
    /// # Errors
    /// Without the extensions also if the external id holds the customer's own number.
    pub async fn write_mark(&self, place: &Place, id: &str, mark: &Mark) -> Result<(), CallError> {
        let session = self.begin_session().await?.ensure_place_supported(place)?;
        let tenant = if session.has_extensions {
            Tenant { managed_by: Some(mark.clone()), ..Tenant::default() }
        } else {
            let Some(seen) = session.fetch_tenant(place, id).await? else {
                return Err(CallError::NotFound { message: format!("tenant `{id}`") });
            };
            if let Some(odd) = seen.unreadable_at("extOrgId") {
                return Err(CallError::invalid_field("extOrgId", format!("{odd}, so no mark can be kept")));
            }
            if !ObservedMark::from_external_id(seen.known.ext_org_id.as_deref()).can_be_written() {
                return Err(CallError::invalid_field(
                    "extOrgId",
                    "it holds the customer's own number, so no mark can be kept",
                ));
            }
            Tenant { ext_org_id: Some(short_mark(mark)), ..Tenant::default() }
        };
        let nothing = SettingsPayload::default();
        let call =
            TenancyCall::post(&route_segments(place, &[validate_tenant_id(id)?])?).with_body(&tenant, &nothing)?;
        session.send_update(id, &call).await?;
        if session.has_extensions {
            self.shared.active_tenants.record_mark(place, id, mark);
        }
        Ok(())
    }

    /// Puts a tenant back in service.
    pub async fn activate_tenant(&self, place: &Place, id: &str) -> Result<(), CallError> {
        self.change_state(place, id, LifecycleAction::Activate).await
    }

    /// Suspends a tenant.
    pub async fn suspend_tenant(&self, place: &Place, id: &str) -> Result<(), CallError> {
        self.change_state(place, id, LifecycleAction::Suspend).await
    }

    async fn change_state(&self, place: &Place, id: &str, action: LifecycleAction) -> Result<(), CallError> {
        let session = self.begin_session().await?.ensure_place_supported(place)?;
        session
            .send_action(&TenancyCall::post(&route_segments(place, &[validate_tenant_id(id)?, action.segment()])?))
            .await
    }

    /// Lists all tenants of a place that are not terminated, suspended ones included. Release the list before a create: a
    /// list that is still held then is copied for the other callers.
    pub async fn list_live_tenants(
        &self,
        place: &Place,
        freshness: ListFreshness,
    ) -> Result<Arc<TenantListing>, CallError> {
        let deadline = self.shared.transport.call_deadline();
        let ask = async { self.begin_session().await?.ensure_place_supported(place)?.list_live_tenants(place).await };
        tokio::time::timeout_at(deadline, self.shared.active_tenants.get_or_fetch(place, freshness, ask))
            .await
            .unwrap_or_else(|_| Err(CallError::not_sent("another call for the same list did not end in time")))
    }

    /// Lists the live tenants of a place that may have one of these names.
    ///
    /// A platform with the extensions refuses a second tenant of a name, so its list is sufficient. Other platforms are
    /// searched for each name, and an empty result counts only if nothing moved meanwhile.
    pub async fn find_tenants_by_name(
        &self,
        place: &Place,
        names: &[&str],
        freshness: ListFreshness,
    ) -> Result<NameSearchResult, CallError> {
        if self.begin_session().await?.ensure_place_supported(place)?.has_extensions {
            return self.list_live_tenants(place, freshness).await.map(NameSearchResult::Complete);
        }
        let session = self.begin_session().await?;
        let mut found = self.shared.active_tenants.recently_created(place, names);
        for name in names {
            match session.find_tenants_named(place, name).await? {
                Ok(rows) => found.extend(rows),
                Err(why) => return Ok(NameSearchResult::Inconclusive(format!("`{name}`: {why}"))),
            }
        }
        found.sort_by(|one, other| one.unique_id.cmp(&other.unique_id));
        found.dedup_by(|one, other| one.unique_id == other.unique_id);
        Ok(NameSearchResult::Complete(Arc::new(TenantListing { rows: found, unreadable: Vec::new() })))
    }

    /// Lists the live tenants of a place before a change that none of them may outlive. It uses two lists, since one
    /// alone may omit a tenant.
    ///
    /// # Errors
    /// Also if a list changes while it is read.
    pub async fn list_children(&self, place: &Place) -> Result<TenantListing, CallError> {
        let mut listing = TenantListing::clone(&*self.list_live_tenants(place, ListFreshness::Current).await?);
        let (rows, odd) = self.list_all_rows(place).await?;
        listing.merge(TenantListing::from_rows(rows.into_values(), odd));
        Ok(listing)
    }

    /// Returns every row of a place by its id, the terminated ones included, and the rows that do not identify their
    /// tenant.
    ///
    /// # Errors
    /// Also if the list changes in each attempt while it is read, since tenants may then be missing from it.
    pub async fn list_all_rows(&self, place: &Place) -> Result<AllRows, CallError> {
        self.shared.active_tenants.remove_expired();
        let mut why = String::new();
        for _ in 0..LIST_ATTEMPTS {
            match self
                .begin_session()
                .await?
                .ensure_place_supported(place)?
                .read_list(place, None)
                .await?
                .into_all_rows()
            {
                Ok(every) => return Ok(every),
                Err(fault) => why = fault,
            }
        }
        Err(CallError::malformed_answer(format!("the list of tenants does not hold: {why}; ask again")))
    }

    /// Returns a page of all tenants of a place: 100 rows, the terminated ones included.
    pub async fn list_page(&self, place: &Place, page_no: i64) -> Result<TenantPage, CallError> {
        self.shared.active_tenants.remove_expired();
        self.begin_session().await?.ensure_place_supported(place)?.fetch_page(place, page_no, None).await
    }

    /// Returns what the termination of a tenant would erase, by category; `None` if the platform cannot report it.
    pub async fn read_impact(&self, id: &str) -> Result<Option<BTreeMap<String, i64>>, CallError> {
        let session = self.begin_session().await?;
        if !session.has_extensions {
            return Ok(None);
        }
        let body =
            mapping::parse_json(&session.fetch_body(&TenancyCall::get(&[validate_tenant_id(id)?, "impact"])).await?)?;
        let impact: ImpactCounts = serde_json::from_value(body)
            .map_err(|_| CallError::malformed_answer("`counts` is not a number for each category"))?;
        if impact.unique_id == id { Ok(Some(impact.counts)) } else { Err(wrong_tenant_error(id)) }
    }
}
