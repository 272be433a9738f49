//! The platform, as the operator uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Lane;
use super::call::{Call, Line, checked};
use super::connection::{Connection, ConnectionError};
use super::error::Error;
use super::guard::Guard;
use super::http::{Wire, network};
use super::living::{Freshness, Listed, Listing, Lists, Sought};
use super::map::{self, Branded, Page};
use super::place::Place;
use super::proxy::Proxy;
use super::reservation::Reservation;
use super::turn::{Every, Shared, Turn, other_tenant, route};
use crate::plan::{Change, ClockReading, Field, MarkSeen, Observed, Payload, TenantLife, short_mark};
use crate::wire::{Created, Impact, Lifecycle, Mark, Tenant};

/// How often a list is read that changes meanwhile.
const TRIES: usize = 3;

/// A platform behind one [`Connection`]: one token, one pacer, one memory of lists, shared by all clones.
#[derive(Clone)]
pub struct Platform {
    shared: Arc<Shared>,
    lane: Lane,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("connection", &self.shared.line.connection).finish_non_exhaustive()
    }
}

impl Platform {
    /// A platform; `timeout` bounds each call as a whole.
    ///
    /// # Errors
    /// No HTTPS client can be made, for example because neither the system nor the Secret has a certificate.
    pub fn new(connection: Connection, timeout: Duration) -> Result<Self, ConnectionError> {
        Self::through(connection, timeout, None)
    }

    /// The same through a proxy, where there is one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn through(connection: Connection, timeout: Duration, proxy: Option<&Proxy>) -> Result<Self, ConnectionError> {
        let wire = network(&connection, timeout, proxy)?;
        Ok(Self::guarded(connection, timeout, (wire, Guard::default())))
    }

    /// A platform on which a change is sent only while the guard gives leave.
    pub fn guarded(connection: Connection, timeout: Duration, (wire, guard): (Wire, Guard)) -> Self {
        let shared = Shared { line: Line::new(connection, (wire, guard), timeout), lists: Lists::default() };
        Self { shared: Arc::new(shared), lane: Lane::Change }
    }

    /// Tenant that the credential belongs to.
    pub fn tenant_id(&self) -> &str {
        self.shared.line.connection.tenant_id()
    }

    /// Digest of the connection: equal means the same account through the same credential.
    pub fn fingerprint(&self) -> crate::plan::Digest {
        self.shared.line.connection.fingerprint()
    }

    /// Host of the platform.
    pub fn host(&self) -> String {
        self.shared.line.connection.host()
    }

    /// The same platform for the look for drift: its reads step back for those of changes.
    #[must_use]
    pub fn polling(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), lane: Lane::Polling }
    }

    /// The same platform for reads that do not wait for a rate limit: they are made while a write slot is held.
    #[must_use]
    pub fn at_once(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), lane: Lane::AtOnce }
    }

    /// The platform's time by an answer that came since then; nothing where none did, or none gave a time.
    pub fn clock(&self, since: Instant) -> Option<ClockReading> {
        self.shared.line.clock.since(since)
    }

    /// Waits until a change under the tenant of a place may be sent, and keeps token and slot for it.
    ///
    /// # Errors
    /// No token can be had, or no slot within the deadline.
    pub async fn reserve_write<'a>(&'a self, place: &'a Place) -> Result<Reservation<'a>, Error> {
        Reservation::wait(self.turn().await?.at(place)?, place).await
    }

    /// Whether a token can be had.
    pub async fn check(&self) -> Result<(), Error> {
        self.turn().await.map(drop)
    }

    /// Whether the platform has what the public API does not document, as it says with each token.
    pub async fn has_extensions(&self) -> Result<bool, Error> {
        Ok(self.turn().await?.extensions)
    }

    pub(super) async fn turn(&self) -> Result<Turn<'_>, Error> {
        Turn::begin(&self.shared, self.lane).await
    }

    /// Reads a tenant; nothing where this id does not exist. Without `with_branding` no branding field is in the
    /// answer, so it is for tenants that declare none.
    pub async fn read(&self, place: &Place, id: &str, with_branding: bool) -> Result<Option<Observed>, Error> {
        let turn = self.turn().await?;
        let Some(tenant) = turn.tenant(place, id).await? else { return Ok(None) };
        let branding = if with_branding { turn.branding(id, &tenant).await? } else { Branded::NotAsked };
        map::observed(place.kind(), tenant, branding, turn.extensions).map(Some)
    }

    /// Reads a tenant for which the platform took the call that ends it; nothing where it is ended. After that call each
    /// form of not being there says so: "not found" in whichever shape, "gone", and out of service under an id that the list
    /// of inactive tenants names where a platform tells no more.
    pub async fn read_after_end(&self, place: &Place, id: &str) -> Result<Option<Observed>, Error> {
        let turn = self.turn().await?;
        let tenant = match turn.tenant(place, id).await {
            Ok(Some(tenant)) => tenant,
            Ok(None) | Err(Error::NotFound { .. } | Error::ParentGone { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let observed = map::observed(place.kind(), tenant, Branded::NotAsked, turn.extensions)?;
        let is_ended = observed.life == TenantLife::Inactive && turn.is_inactive(place, id).await?;
        Ok((!is_ended).then_some(observed))
    }

    /// Whether a partner is in service, so that the platform takes changes under it.
    pub async fn is_in_service(&self, partner: &str) -> Result<bool, Error> {
        let tenant = self.turn().await?.partner(partner).await?;
        Ok(map::life(&tenant) == TenantLife::Active)
    }

    /// Makes a tenant with its settings and mark, and returns its unique id. Branding is a call of its own.
    #[expect(clippy::too_many_arguments, reason = "a step of the plan with its payload and mark, and no state between")]
    pub async fn create(
        &self,
        place: &Place,
        changes: &[Change],
        payload: &Payload,
        mark: &Mark,
    ) -> Result<String, Error> {
        let turn = self.turn().await?.at(place)?;
        let documented = map::documented(changes, place.kind());
        let mut tenant = map::tenant(if turn.extensions { changes } else { &documented }, payload)?;
        if turn.extensions {
            tenant.managed_by = Some(mark.clone());
        } else if tenant.ext_org_id.as_deref().is_none_or(str::is_empty) {
            tenant.ext_org_id = Some(short_mark(mark));
        }
        let call = Call::post(&route(place, &[])?).with(&tenant, payload)?;
        let creating = self.shared.lists.creating(place);
        let created = turn.body(&call).await.and_then(|body| map::created(&body));
        match created {
            Ok(Created { unique_id, name, .. }) => {
                let mark = turn.extensions.then(|| mark.clone());
                creating.created(&Listed { unique_id: unique_id.clone(), name, mark });
                Ok(unique_id)
            }
            Err(error) => {
                if !error.maybe_applied() {
                    creating.nothing();
                }
                Err(error)
            }
        }
    }

    /// Writes settings of a tenant in one request.
    #[expect(clippy::too_many_arguments, reason = "a step of the plan with its payload, and no state between")]
    pub async fn update(&self, place: &Place, id: &str, changes: &[Change], payload: &Payload) -> Result<(), Error> {
        let turn = self.turn().await?.at(place)?;
        let tenant = map::tenant(changes, payload)?;
        let call = Call::post(&route(place, &[checked(id)?])?).with(&tenant, payload)?;
        let written = turn.write(id, &call).await;
        if changes.iter().any(|change| change.field == Field::Name) {
            self.shared.lists.forget(place);
        }
        written
    }

    /// Writes branding of a tenant in one request.
    pub async fn brand(&self, id: &str, changes: &[Change], payload: &Payload) -> Result<(), Error> {
        let turn = self.turn().await?;
        let branding = map::branding(changes, payload)?;
        turn.act(&Call::post(&[checked(id)?, "customBranding"]).put().with(&branding, payload)?).await
    }

    /// Writes who owns a tenant, and nothing else.
    ///
    /// # Errors
    /// Without the extensions also where the external id holds the customer's own number.
    pub async fn mark(&self, place: &Place, id: &str, mark: &Mark) -> Result<(), Error> {
        let turn = self.turn().await?.at(place)?;
        let tenant = if turn.extensions {
            Tenant { managed_by: Some(mark.clone()), ..Tenant::default() }
        } else {
            let Some(seen) = turn.tenant(place, id).await? else {
                return Err(Error::NotFound { message: format!("tenant `{id}`") });
            };
            if let Some(odd) = seen.odd_at("extOrgId") {
                return Err(Error::invalid("extOrgId", format!("{odd}, so no mark can be kept")));
            }
            if !MarkSeen::from_external_id(seen.known.ext_org_id.as_deref()).may_be_written() {
                return Err(Error::invalid("extOrgId", "it holds the customer's own number, so no mark can be kept"));
            }
            Tenant { ext_org_id: Some(short_mark(mark)), ..Tenant::default() }
        };
        let nothing = Payload::default();
        let call = Call::post(&route(place, &[checked(id)?])?).with(&tenant, &nothing)?;
        turn.write(id, &call).await?;
        if turn.extensions {
            self.shared.lists.marked(place, id, mark);
        }
        Ok(())
    }

    /// Puts a tenant back in service.
    pub async fn activate(&self, place: &Place, id: &str) -> Result<(), Error> {
        self.act(place, id, Lifecycle::Activate).await
    }

    /// Stops a tenant.
    pub async fn suspend(&self, place: &Place, id: &str) -> Result<(), Error> {
        self.act(place, id, Lifecycle::Suspend).await
    }

    async fn act(&self, place: &Place, id: &str, action: Lifecycle) -> Result<(), Error> {
        let turn = self.turn().await?.at(place)?;
        turn.act(&Call::post(&route(place, &[checked(id)?, action.segment()])?)).await
    }

    /// All living tenants of a place, suspended ones included. A list that is held while a tenant is created is copied
    /// for the others, so it should be let go of before.
    pub async fn living(&self, place: &Place, freshness: Freshness) -> Result<Arc<Listing>, Error> {
        let deadline = self.shared.line.deadline();
        let ask = async { self.turn().await?.at(place)?.list(place).await };
        tokio::time::timeout_at(deadline, self.shared.lists.get(place, freshness, ask))
            .await
            .unwrap_or_else(|_| Err(Error::unsent("another call for the same list did not end in time")))
    }

    /// The living tenants of a place that may have one of these names.
    ///
    /// A platform with the extensions refuses a second tenant of a name, so there its list serves. Elsewhere it is asked
    /// by each name, and that there is none counts only where nothing moved meanwhile.
    pub async fn sought(&self, place: &Place, (names, freshness): (&[&str], Freshness)) -> Result<Sought, Error> {
        if self.turn().await?.at(place)?.extensions {
            return self.living(place, freshness).await.map(Sought::Known);
        }
        let turn = self.turn().await?;
        let mut found = self.shared.lists.recent(place, names);
        for name in names {
            match turn.named(place, name).await? {
                Ok(rows) => found.extend(rows),
                Err(why) => return Ok(Sought::Unsettled(format!("`{name}`: {why}"))),
            }
        }
        found.sort_by(|one, other| one.unique_id.cmp(&other.unique_id));
        found.dedup_by(|one, other| one.unique_id == other.unique_id);
        Ok(Sought::Known(Arc::new(Listing { rows: found, odd: Vec::new() })))
    }

    /// The living tenants of a place, before something is done that none of them may outlive: by two lists, since one alone
    /// may leave a tenant out.
    ///
    /// # Errors
    /// Among others where a list changes while it is read.
    pub async fn children(&self, place: &Place) -> Result<Listing, Error> {
        let mut listing = Listing::clone(&*self.living(place, Freshness::Now).await?);
        let (rows, odd) = self.every(place).await?;
        listing.add(Listing::of(rows.into_values(), odd));
        Ok(listing)
    }

    /// Every row of a place by its id, the terminated ones included, and those that do not say which tenant they are about.
    ///
    /// # Errors
    /// Among others where the list changes each time while it is read, since then tenants may be missing from it.
    pub async fn every(&self, place: &Place) -> Result<Every, Error> {
        self.shared.lists.sweep();
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.turn().await?.at(place)?.census(place, None).await?.whole() {
                Ok(every) => return Ok(every),
                Err(fault) => why = fault,
            }
        }
        Err(Error::malformed(format!("the list of tenants does not hold: {why}; ask again")))
    }

    /// A page of all tenants of a place, 100 rows, the terminated ones included.
    pub async fn page(&self, place: &Place, page_no: i64) -> Result<Page, Error> {
        self.shared.lists.sweep();
        self.turn().await?.at(place)?.page(place, page_no, None).await
    }

    /// What ending a tenant would erase, by category; nothing where the platform cannot tell.
    pub async fn impact(&self, id: &str) -> Result<Option<BTreeMap<String, i64>>, Error> {
        let turn = self.turn().await?;
        if !turn.extensions {
            return Ok(None);
        }
        let body = map::json(&turn.body(&Call::get(&[checked(id)?, "impact"])).await?)?;
        let impact: Impact =
            serde_json::from_value(body).map_err(|_| Error::malformed("`counts` is not a number for each category"))?;
        if impact.unique_id == id { Ok(Some(impact.counts)) } else { Err(other_tenant(id)) }
    }
}
