//! The platform, as the operator uses it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::budget::Lane;
use super::call::{Call, Line, checked};
use super::connection::{Connection, ConnectionError};
use super::error::{Error, is_platforms};
use super::http::{Answer, client};
use super::living::{Freshness, Listed, Lists};
use super::map;
use super::place::Place;
use crate::plan::{Change, Field, Kind, MarkSeen, Observed, Payload, Permit, TenantLife, short_mark};
use crate::wire::{Branding, Created, Envelope, ImagePaths, Impact, Lifecycle, Mark, Minimal, SearchItem, Tenant};

/// Rows of a page.
const ROWS: i64 = 100;
/// Pages beyond which a list is taken to have no end.
const PAGES: i64 = 1000;

/// A platform behind one [`Connection`]: one token, one pacer, one memory of lists, shared by all clones.
#[derive(Clone)]
pub struct Platform {
    shared: Arc<Shared>,
    lane: Lane,
}

struct Shared {
    line: Line,
    lists: Lists,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("connection", &self.shared.line.connection).finish_non_exhaustive()
    }
}

/// What stands at an id.
enum Found {
    Tenant(Box<Tenant>),
    Nothing,
}

impl Platform {
    /// A platform; `timeout` bounds each call as a whole.
    ///
    /// # Errors
    /// No HTTPS client can be made, for example because neither the system nor the Secret has a certificate.
    pub fn new(connection: Connection, timeout: Duration) -> Result<Self, ConnectionError> {
        let client = client(&connection, timeout)?;
        let shared = Shared { line: Line::new(connection, client, timeout), lists: Lists::default() };
        Ok(Self { shared: Arc::new(shared), lane: Lane::Change })
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

    /// Whether a token can be had.
    pub async fn check(&self) -> Result<(), Error> {
        self.has_extensions().await.map(drop)
    }

    /// Whether the platform has what the public API does not document, as it says with each token.
    pub async fn has_extensions(&self) -> Result<bool, Error> {
        self.extensions(self.line().deadline()).await
    }

    async fn extensions(&self, deadline: Instant) -> Result<bool, Error> {
        Ok(self.line().token(deadline).await?.extensions)
    }

    fn line(&self) -> &Line {
        &self.shared.line
    }

    async fn body(&self, call: &Call<'_>, deadline: Instant) -> Result<Vec<u8>, Error> {
        self.line().body(call, self.lane, deadline).await
    }

    /// Reads a tenant; nothing where this id does not exist. Without `with_branding` no branding field is in the answer.
    pub async fn read(&self, place: &Place, id: &str, with_branding: bool) -> Result<Option<Observed>, Error> {
        let deadline = self.line().deadline();
        let extensions = self.extensions(deadline).await?;
        let Found::Tenant(tenant) = self.tenant(place, id, extensions, deadline).await? else { return Ok(None) };
        let branding = if with_branding { Some(self.branding(id, &tenant, deadline).await?) } else { None };
        map::observed(place.kind(), *tenant, branding, extensions).map(Some)
    }

    async fn tenant(&self, place: &Place, id: &str, extensions: bool, deadline: Instant) -> Result<Found, Error> {
        let path = match place {
            // The only documented call about a partner.
            Place::Partners { .. } if !extensions => vec![checked(id)?],
            Place::Partners { .. } | Place::Clients { .. } => route(place, &[checked(id)?])?,
        };
        let call = Call::get(&path);
        let answer = self.line().answer(&call, self.lane, deadline).await?;
        if answer.is_success() {
            let tenant: Tenant = map::lenient(&answer.body)?;
            return match tenant.unique_id.as_deref() {
                Some(seen) if seen == id => Ok(Found::Tenant(Box::new(tenant))),
                _ => Err(other_tenant(id)),
            };
        }
        match self.line().refusal(&call, &answer) {
            Error::NotFound { .. } if is_about(&answer, place, id) => Ok(Found::Nothing),
            error => Err(error),
        }
    }

    /// The tenant's own branding; nothing where the platform does not show it just now.
    async fn branding(
        &self,
        id: &str,
        tenant: &Tenant,
        deadline: Instant,
    ) -> Result<Option<Branding<ImagePaths>>, Error> {
        let call = Call::get(&[checked(id)?, "customBranding"]);
        let is_active = map::life(tenant) == TenantLife::Active;
        match self.body(&call, deadline).await {
            Ok(body) => map::lenient(&body).map(Some),
            // The public API documents the write alone, and of a suspended tenant nothing.
            Err(Error::NotFound { .. } | Error::Unsupported { .. }) => Ok(None),
            Err(Error::ParentGone { .. }) if !is_active => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a tenant with its settings and mark, and returns its unique id. Branding is a call of its own.
    pub async fn create(
        &self,
        place: &Place,
        changes: &[Change],
        payload: &Payload,
        mark: &Mark,
    ) -> Result<String, Error> {
        let deadline = self.line().deadline();
        let extensions = self.extended(place, deadline).await?;
        let mut tenant = map::tenant(changes, payload)?;
        if extensions {
            tenant.managed_by = Some(mark.clone());
        } else if tenant.ext_org_id.as_deref().is_none_or(str::is_empty) {
            tenant.ext_org_id = Some(short_mark(mark));
        }
        let call = Call::post(&route(place, &[])?).with(&tenant, payload.secrets.values().collect())?;
        let created = self.body(&call, deadline).await.and_then(|body| json::<Created>(&body));
        match created {
            Ok(Created { unique_id, name, .. }) => {
                let listed = Listed { unique_id: unique_id.clone(), name, mark: extensions.then(|| mark.clone()) };
                self.shared.lists.created(place, &listed);
                Ok(unique_id)
            }
            Err(error) => {
                if error.maybe_applied() {
                    self.shared.lists.forget(place);
                }
                Err(error)
            }
        }
    }

    /// Writes settings of a tenant in one request.
    pub async fn update(&self, place: &Place, id: &str, changes: &[Change], payload: &Payload) -> Result<(), Error> {
        let deadline = self.line().deadline();
        self.extended(place, deadline).await?;
        let tenant = map::tenant(changes, payload)?;
        let written = self.write(place, id, &tenant, payload, deadline).await;
        if changes.iter().any(|change| change.field == Field::Name) {
            self.shared.lists.forget(place);
        }
        written
    }

    async fn write(
        &self,
        place: &Place,
        id: &str,
        tenant: &Tenant,
        payload: &Payload,
        deadline: Instant,
    ) -> Result<(), Error> {
        let path = route(place, &[checked(id)?])?;
        let call = Call::post(&path).with(tenant, payload.secrets.values().collect())?;
        let body = self.body(&call, deadline).await?;
        if is_empty(&body) {
            return Ok(());
        }
        match map::lenient::<Tenant>(&body)?.unique_id {
            Some(seen) if seen != id => Err(other_tenant(id)),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes branding of a tenant in one request.
    pub async fn brand(&self, id: &str, changes: &[Change], payload: &Payload) -> Result<(), Error> {
        let deadline = self.line().deadline();
        let branding = map::branding(changes, payload)?;
        let path = [checked(id)?, "customBranding"];
        let call = Call::post(&path).put().with(&branding, payload.secrets.values().collect())?;
        self.body(&call, deadline).await.and_then(|body| done(&body))
    }

    /// Writes who owns a tenant, and nothing else.
    ///
    /// # Errors
    /// Without the extensions also where the external id holds the customer's own number.
    pub async fn mark(&self, place: &Place, id: &str, mark: &Mark) -> Result<(), Error> {
        let deadline = self.line().deadline();
        let tenant = if self.extended(place, deadline).await? {
            Tenant { managed_by: Some(mark.clone()), ..Tenant::default() }
        } else {
            let Found::Tenant(seen) = self.tenant(place, id, false, deadline).await? else {
                return Err(Error::NotFound { message: format!("tenant `{id}`") });
            };
            if !MarkSeen::from_external_id(seen.ext_org_id.as_deref()).may_be_written() {
                return Err(Error::invalid("extOrgId", "it holds the customer's own number, so no mark can be kept"));
            }
            Tenant { ext_org_id: Some(short_mark(mark)), ..Tenant::default() }
        };
        self.write(place, id, &tenant, &Payload::default(), deadline).await?;
        self.shared.lists.marked(place, id, mark);
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

    /// Ends a tenant for ever; only `plan::removal` makes the permit.
    pub async fn terminate(&self, place: &Place, permit: Permit) -> Result<(), Error> {
        self.act(place, permit.id(), Lifecycle::Terminate).await?;
        self.shared.lists.ended(place, permit.id());
        Ok(())
    }

    async fn act(&self, place: &Place, id: &str, action: Lifecycle) -> Result<(), Error> {
        let deadline = self.line().deadline();
        self.extended(place, deadline).await?;
        let call = Call::post(&route(place, &[checked(id)?, action.segment()])?);
        self.body(&call, deadline).await.and_then(|body| done(&body))
    }

    /// All living tenants of a place, suspended ones included.
    pub async fn living(&self, place: &Place, freshness: Freshness) -> Result<Arc<Vec<Listed>>, Error> {
        let deadline = self.line().deadline();
        let ask = self.shared.lists.get(place, freshness, self.list(place, deadline));
        tokio::time::timeout_at(deadline, ask)
            .await
            .unwrap_or_else(|_| Err(Error::unsent("another call for the same list did not end in time")))
    }

    async fn list(&self, place: &Place, deadline: Instant) -> Result<Vec<Listed>, Error> {
        let extensions = self.extended(place, deadline).await?;
        let call = Call::list(&route(place, &["minimal"])?);
        let rows: Vec<Minimal> = json(&self.body(&call, deadline).await?)?;
        let mut listed: Vec<Listed> = rows.into_iter().map(Listed::from).collect();
        if !extensions {
            // Whether `minimal` has the inactive ones is not documented.
            let known: std::collections::HashSet<String> = listed.iter().map(|row| row.unique_id.clone()).collect();
            let inactive = self.inactive(place, deadline).await?;
            listed.extend(inactive.into_iter().filter(|row| !known.contains(&row.unique_id)));
        }
        Ok(listed)
    }

    async fn inactive(&self, place: &Place, deadline: Instant) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        for page_no in 1..=PAGES {
            let Envelope { results, next_page, .. } =
                self.search(place, page_no, Some("activeStatus:false"), deadline).await?;
            let is_last = !next_page || results.is_empty();
            listed.extend(results.into_iter().filter_map(Listed::found));
            if is_last {
                return Ok(listed);
            }
        }
        Err(Error::malformed(format!("the list of inactive tenants has more than {PAGES} pages")))
    }

    /// A page of all tenants of a place, 100 rows, the terminated ones included.
    pub async fn page(&self, place: &Place, page_no: i64) -> Result<Envelope<SearchItem>, Error> {
        let deadline = self.line().deadline();
        self.shared.lists.sweep();
        self.extended(place, deadline).await?;
        self.search(place, page_no, None, deadline).await
    }

    async fn search(
        &self,
        place: &Place,
        page_no: i64,
        filter: Option<&str>,
        deadline: Instant,
    ) -> Result<Envelope<SearchItem>, Error> {
        let mut query = vec![
            ("pageNo", page_no.to_string()),
            ("pageSize", ROWS.to_string()),
            // Ascending, so that a tenant created meanwhile does not move the rows of the pages to come.
            ("isDescendingOrder", "false".to_owned()),
        ];
        query.extend(filter.map(|filter| ("queryString", filter.to_owned())));
        let call = Call::page(&route(place, &["search"])?, query);
        json(&self.body(&call, deadline).await?)
    }

    /// What ending a tenant would erase, by category; nothing where the platform cannot tell.
    pub async fn impact(&self, id: &str) -> Result<Option<BTreeMap<String, i64>>, Error> {
        let deadline = self.line().deadline();
        if !self.extensions(deadline).await? {
            return Ok(None);
        }
        let impact: Impact = json(&self.body(&Call::get(&[checked(id)?, "impact"]), deadline).await?)?;
        if impact.unique_id == id { Ok(Some(impact.counts)) } else { Err(other_tenant(id)) }
    }

    /// Whether the platform has the extensions; an error where the place's calls are one of them and it has not.
    async fn extended(&self, place: &Place, deadline: Instant) -> Result<bool, Error> {
        match (self.extensions(deadline).await?, place.kind()) {
            (false, Kind::Partner) => Err(Error::Unsupported {
                message: format!("{} offers no calls that list, create or change partners", self.host()),
            }),
            (extensions, Kind::Partner | Kind::Client) => Ok(extensions),
        }
    }
}

fn route<'a>(place: &'a Place, rest: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let mut path = vec![checked(place.parent())?, place.segment()];
    path.extend(rest);
    Ok(path)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| map::unreadable(&error))
}

fn is_empty(body: &[u8]) -> bool {
    matches!(body.trim_ascii(), b"" | b"null" | b"\"\"")
}

/// Actions answer with nothing, `null` or what they changed; something that is no JSON comes from elsewhere.
fn done(body: &[u8]) -> Result<(), Error> {
    if is_empty(body) { Ok(()) } else { json::<serde::de::IgnoredAny>(body).map(drop) }
}

fn other_tenant(id: &str) -> Error {
    Error::malformed(format!("it is not about tenant `{id}`"))
}

/// Whether "not found" is about this id, and neither about its parent nor from something before the platform: on this
/// a tenant is taken to be gone.
fn is_about(answer: &Answer, place: &Place, id: &str) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    is_platforms(&answer.body) && (text.contains(id) || !text.contains(place.parent()))
}
