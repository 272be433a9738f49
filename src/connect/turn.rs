//! One call of the operator: the requests it makes, under one deadline.

mod census;

pub(super) use census::Every;
use tokio::time::Instant;

use super::budget::Lane;
use super::call::{Call, Line, Reserved, checked};
use super::error::Error;
use super::http::Answer;
use super::living::{Listing, Lists};
use super::map::{self, Branded, Page, Parsed};
use super::place::Place;
use super::said::is_platforms;
use crate::plan::{Kind, TenantLife};
use crate::wire::Tenant;

/// Rows of a page.
const ROWS: i64 = 100;

/// What all clones of a platform share.
pub(super) struct Shared {
    pub(super) line: Line,
    pub(super) lists: Lists,
}

/// A call under way.
pub(super) struct Turn<'a> {
    pub(super) shared: &'a Shared,
    lane: Lane,
    pub(super) deadline: Instant,
    /// Whether the platform has the extensions.
    pub(super) extensions: bool,
}

impl<'a> Turn<'a> {
    /// Begins a call: from now on the clock runs. A token is had first, since only it tells of the extensions.
    pub(super) async fn begin(shared: &'a Shared, lane: Lane) -> Result<Self, Error> {
        let deadline = shared.line.deadline();
        let extensions = shared.line.token(deadline).await?.extensions;
        Ok(Self { shared, lane, deadline, extensions })
    }

    /// Refuses calls of the place that only the extensions offer, before anything is sent.
    pub(super) fn at(self, place: &Place) -> Result<Self, Error> {
        match place.kind() {
            Kind::Partner if !self.extensions => {
                let host = self.shared.line.connection.host();
                Err(Error::Unsupported { message: format!("{host} has none to list, create or change partners") })
            }
            Kind::Partner | Kind::Client => Ok(self),
        }
    }

    /// The body of a successful answer.
    pub(super) async fn body(&self, call: &Call<'_>) -> Result<Vec<u8>, Error> {
        let answer = self.shared.line.answer(call, self.lane, self.deadline).await?;
        if answer.is_success() { Ok(answer.body) } else { Err(self.shared.line.refusal(call, &answer)) }
    }

    /// The tenant; nothing where this id does not exist.
    pub(super) async fn tenant(&self, place: &Place, id: &str) -> Result<Option<Parsed<Tenant>>, Error> {
        let Some(body) = self.tenant_body(place, id).await? else { return Ok(None) };
        self.of_id(id, &body).map(Some)
    }

    /// The partner of an id, by the one call about a partner that is documented.
    pub(super) async fn partner(&self, id: &str) -> Result<Parsed<Tenant>, Error> {
        self.of_id(id, &self.body(&Call::get(&[checked(id)?])).await?)
    }

    /// The tenant of an answer, which must be the one that was asked for.
    pub(super) fn of_id(&self, id: &str, body: &[u8]) -> Result<Parsed<Tenant>, Error> {
        let tenant = map::read_tenant(body, self.extensions)?;
        match tenant.known.unique_id.as_deref() {
            Some(seen) if seen == id => Ok(tenant),
            Some(_) => Err(other_tenant(id)),
            None => Err(Error::malformed(format!("it holds no `uniqueId`, and tenant `{id}` was asked for"))),
        }
    }

    /// The tenant as it was answered.
    pub(super) async fn tenant_body(&self, place: &Place, id: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = match place {
            // The only documented call about a partner.
            Place::Partners { .. } if !self.extensions => vec![checked(id)?],
            Place::Partners { .. } | Place::Clients { .. } => route(place, &[checked(id)?])?,
        };
        let call = Call::get(&path);
        let answer = self.shared.line.answer(&call, self.lane, self.deadline).await?;
        if answer.is_success() {
            return Ok(Some(answer.body));
        }
        match self.shared.line.refusal(&call, &answer) {
            Error::NotFound { .. } if is_about(&answer, place, id) => Ok(None),
            error => Err(error),
        }
    }

    /// The tenant's own branding, which the Partner's never fills up.
    pub(super) async fn branding(&self, id: &str, tenant: &Parsed<Tenant>) -> Result<Branded, Error> {
        let is_active = map::life(tenant) == TenantLife::Active;
        match self.body(&Call::get(&[checked(id)?, "customBranding"])).await {
            Ok(body) if is_empty(&body) => Ok(Branded::Shown(Box::new(map::brand(b"{}", self.extensions)?))),
            Ok(body) => map::brand(&body, self.extensions).map(|branding| Branded::Shown(Box::new(branding))),
            // The public API documents the write alone, and of a suspended tenant nothing.
            Err(Error::NotFound { .. } | Error::Unsupported { .. }) => Ok(Branded::Hidden),
            Err(Error::ParentGone { .. }) if !is_active => Ok(Branded::Hidden),
            Err(error) => Err(error),
        }
    }

    /// Sends an update; an answer that is about a tenant must be about this one.
    pub(super) async fn write(&self, id: &str, call: &Call<'_>) -> Result<(), Error> {
        let body = self.body(call).await?;
        if is_empty(&body) {
            return Ok(());
        }
        match map::read_tenant(&body, self.extensions)?.known.unique_id {
            Some(seen) if seen != id => Err(other_tenant(id)),
            Some(_) | None => Ok(()),
        }
    }

    /// Sends what answers nothing, `null` or what it changed; something that is no JSON comes from elsewhere.
    pub(super) async fn act(&self, call: &Call<'_>) -> Result<(), Error> {
        acted(&self.body(call).await?)
    }

    /// The same for a call that was reserved.
    pub(super) async fn act_reserved(&self, call: &Call<'_>, reserved: Reserved<'_>) -> Result<(), Error> {
        let answer = self.shared.line.send_reserved(call, reserved).await?;
        if answer.is_success() { acted(&answer.body) } else { Err(self.shared.line.refusal(call, &answer)) }
    }

    /// Every living tenant of the place.
    pub(super) async fn list(&self, place: &Place) -> Result<Listing, Error> {
        if self.extensions {
            return self.minimal(place).await;
        }
        // Whether `minimal` has the inactive ones is not documented. A tenant that changes its state between two lists
        // is in one of the three, or makes the first differ from the last.
        let before = self.census(place, Some(INACTIVE)).await?;
        let mut listing = self.minimal(place).await?;
        let after = self.census(place, Some(INACTIVE)).await?;
        if let Err(why) = before.agrees(&after) {
            return Err(Error::malformed(format!("the list of inactive tenants does not hold: {why}; ask again")));
        }
        listing.add(after.into_listing());
        Ok(listing)
    }

    /// Whether the list of inactive tenants names a tenant.
    pub(super) async fn is_inactive(&self, place: &Place, id: &str) -> Result<bool, Error> {
        Ok(self.census(place, Some(INACTIVE)).await?.names(id))
    }

    async fn minimal(&self, place: &Place) -> Result<Listing, Error> {
        let body = self.body(&Call::list(&route(place, &["minimal"])?)).await?;
        let map::Rows { rows, odd } = map::minimal(&body, self.extensions)?;
        Ok(Listing::of(rows, odd))
    }

    /// A page of a search.
    pub(super) async fn page(&self, place: &Place, page_no: i64, filter: Option<&str>) -> Result<Page, Error> {
        let mut query = vec![
            ("pageNo", page_no.to_string()),
            ("pageSize", ROWS.to_string()),
            // Ascending, so that a tenant created meanwhile does not move the rows of the pages to come.
            ("isDescendingOrder", "false".to_owned()),
        ];
        query.extend(filter.map(|filter| ("queryString", filter.to_owned())));
        let body = self.body(&Call::page(&route(place, &["search"])?, query)).await?;
        map::page(&body, self.extensions)
    }
}

/// Filter for tenants that are not in service.
const INACTIVE: &str = "activeStatus:false";

/// The segments of a place's calls.
pub(super) fn route<'a>(place: &'a Place, rest: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let mut path = vec![checked(place.parent())?, place.segment()];
    path.extend(rest);
    Ok(path)
}

/// An answer about another tenant than the one asked for.
pub(super) fn other_tenant(id: &str) -> Error {
    Error::malformed(format!("it is not about tenant `{id}`"))
}

/// An answer to an action.
fn acted(body: &[u8]) -> Result<(), Error> {
    if is_empty(body) { Ok(()) } else { map::json(body).map(drop) }
}

fn is_empty(body: &[u8]) -> bool {
    matches!(body.trim_ascii(), b"" | b"null" | b"\"\"")
}

/// Whether "not found" is about this id: on this a tenant is taken to be gone. It must not be about the parent, about
/// the path, or from something before the platform.
fn is_about(answer: &Answer, place: &Place, id: &str) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    is_platforms(&answer.body) && !text.contains("/tenants/") && (text.contains(id) || !text.contains(place.parent()))
}
