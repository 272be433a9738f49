//! The doors before every API handler: token or session, reach, rate limit, permission.

use std::sync::Arc;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use tokio::sync::SemaphorePermit;

use super::audit::{self, Action, Actor, Denial, Event, RequestId};
use super::error::Error;
use super::factor::{HEADER, Owed, Proof, proof, wanted};
use super::held::Account;
use super::keyed_semaphore::KeyedPermit;
use super::limits::Category;
use super::login::source::Source;
use super::permission::{Again, Asked, Call, Position, Row, missing, row};
use super::principal::{Caller, Person, Reach};
use super::standing::{Act, admit};
use super::store::{Carrier, Kind, Record, Tx, lock};
use super::{App, credential, login, session, time};

/// Who asks, and under which tenant.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Who asks.
    pub(super) caller: Caller,
    /// Tenant of the path, as it was when the request came; absent on routes without one.
    tenant: Option<Arc<Record>>,
    /// The clients that a list may show.
    reach: Reach,
    /// Where the request came from.
    source: Source,
    /// What a save has to show where it asks for a fresh proof.
    proof: Proof,
}

/// A write under a tenant that nobody else changes meanwhile.
pub(super) struct Locked {
    pub(super) tx: Tx,
    pub(super) tenant: Record,
}

impl Scope {
    /// Of a person who asks under the own tenant, from a page.
    pub(super) fn own(caller: Caller, tenant: Record, source: Source, proof: Proof) -> Self {
        Self { caller, tenant: Some(Arc::new(tenant)), reach: Reach::All, source, proof }
    }

    /// The tenant of the path.
    pub(super) fn tenant(&self) -> Result<&Record, Error> {
        self.tenant.as_deref().ok_or(Error::Internal)
    }

    /// Begins a write under the tenant of the path, which stays as it is until the commit; 410 where it is out of service for
    /// such an act.
    pub(super) async fn locked(&self, app: &App, act: Act) -> Result<Locked, Error> {
        let mut tx = app.store.begin_under(self.tenant()?.id).await?;
        let tenant = lock(&mut tx, self.tenant()?.id).await?;
        admit(&tenant, act)?;
        Ok(Locked { tx, tenant })
    }

    /// The clients that a list may show.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What a save uses up where it asks for a fresh proof.
    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Where the request came from.
    pub(super) fn source(&self) -> Source {
        self.source
    }
}

/// Lets a request pass with its [`Scope`], or answers for the handler.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let source = Source::of(request.extensions(), request.headers(), &app.proxies);
    let id = request.extensions().get::<RequestId>().cloned();
    let caller = match caller(&app, (request.method(), request.headers()), (source, id.as_ref())).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let asked = parameter(&params, "tenant");
    let tenant = match asked {
        None => None,
        Some(id) => match app.store.visible(caller.id, id).await {
            Ok(tenant) => tenant.filter(|tenant| reaches(&caller, tenant)).map(Arc::new),
            Err(error) => return error.into_response(),
        },
    };
    let root = root(&caller, tenant.as_deref());
    if let Some(account) = request.extensions().get::<Account>() {
        account.belongs_to(root);
    }
    let fits = |tenant: &Arc<Record>| expected(&route).is_none_or(|kind| kind == tenant.kind);
    let stranger = asked.filter(|_| !tenant.as_ref().is_some_and(fits));
    let row = row(request.method().as_str(), &route);
    let permitted = match stranger {
        Some(id) => Err(Error::not_found("Tenant", id)),
        None => permitted(&app, row, &params, (&caller, tenant.as_deref())).await,
    };
    // What a caller may not do is charged to nobody else: neither to the tenant's budget nor to that of the caller's own work.
    let (charged, category) = match &permitted {
        Ok(_) => (tenant.as_ref().map_or(caller.id, |tenant| tenant.id), Category::of(request.method(), &route)),
        Err(_) => (caller.id, Category::Refusals),
    };
    let now = time::now();
    let budget = app.limiter.as_ref().map(|limiter| limiter.charge((caller.actor(), charged), category, now));
    let passed = match (budget.filter(|budget| !budget.granted), permitted) {
        (Some(budget), _) => Err(Error::Throttled(budget.wait(now))),
        (None, Ok(reach)) => {
            let place = Place { row, params: &params, tenant: tenant.as_deref() };
            proven(&app, place, &caller, (request.headers(), id.as_ref())).await.map(|proof| (reach, proof))
        }
        (None, Err(error)) => Err(error),
    };
    let mut response = match passed {
        Err(error) => {
            let object = format!("{} {route} {}", request.method(), stranger.unwrap_or_default());
            // What is out of reach has no business in the log of whom it belongs to.
            // An ended tenant's log goes with its purge, and nobody begins it again.
            let lives = |tenant: &Arc<Record>| stranger.is_none() && tenant.state != crate::wire::State::Terminated;
            let place = tenant.filter(lives).map_or(caller.id, |tenant| tenant.id);
            turned_away(&app, &error, (place, &Actor::named(caller.actor(), id.as_ref())), object.trim_end()).await;
            error.into_response()
        }
        Ok((reach, proof)) => {
            request.extensions_mut().insert(Scope { caller, tenant, reach, source, proof });
            let _turn = if category == Category::Pages { Some(reading(&app, root).await) } else { None };
            next.run(request).await
        }
    };
    if let Some(budget) = budget {
        budget.announce(response.headers_mut());
    }
    response
}

/// A page is counted when it is there: until then few are made at the same time, and one partner does not make them all.
async fn reading(app: &App, root: i64) -> (KeyedPermit<i64>, Option<SemaphorePermit<'_>>) {
    let own = app.readers_of.acquire(root).await;
    (own, app.readers.acquire().await.ok())
}

/// The partner of a caller of a client, and else the caller's own tenant: all below it share what may be held.
fn root(caller: &Caller, tenant: Option<&Record>) -> i64 {
    let own = tenant.filter(|tenant| tenant.id == caller.id && tenant.kind == Kind::Client);
    own.and_then(|client| client.parent.as_ref()).map_or(caller.id, |partner| partner.id)
}

/// Whoever may not stands in the log; whoever asks too often or wrongly does not.
async fn turned_away(app: &App, error: &Error, (tenant, actor): (i64, &Actor), object: &str) {
    let stands = matches!(
        error,
        Error::NotFound(_)
            | Error::Forbidden(_)
            | Error::ChangeFirst(_)
            | Error::FactorFirst
            | Error::ConsentFirst
            | Error::ProveAgain
            | Error::PasswordAgain
    );
    if stands {
        audit::denied(app, tenant, actor, Event::denied(Action::Request, object)).await;
    }
}

fn parameter<'p>(params: &'p RawPathParams, wanted: &str) -> Option<&'p str> {
    params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Whether a tenant below the caller's own is one that the caller's roles reach.
pub(super) fn reaches(caller: &Caller, tenant: &Record) -> bool {
    let partners = caller.person().filter(|_| tenant.kind == Kind::Client && tenant.id != caller.id);
    partners.is_none_or(|person| person.reaches(tenant.id))
}

/// The caller of a bearer token, or of a browser's session where there is no token.
async fn caller(
    app: &App,
    (method, headers): (&Method, &HeaderMap),
    (source, request): (Source, Option<&RequestId>),
) -> Result<Caller, Error> {
    let caller = bearer(app, headers).await?;
    // The browser adds the cookie whoever causes the request.
    let sent = headers.contains_key(header::AUTHORIZATION) || !session::changes(method) || session::same_site(headers);
    if !sent {
        let actor = Actor::named(caller.actor(), request);
        let denial = Denial { tenant: caller.id, actor: &actor, action: Action::Request, object: "another site" };
        audit::sampled(app, denial).await;
        return Err(Error::OtherSite);
    }
    login::admit(app, &caller, (source, request)).await?;
    Ok(caller)
}

async fn bearer(app: &App, headers: &HeaderMap) -> Result<Caller, Error> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| credential::hash(token.trim()))
            .ok_or(Error::InvalidToken)?;
        let clock = session::clock(app);
        let credential = app.store.caller(&token, clock.now).await?;
        let caller = match credential {
            Some(caller) => Some(caller),
            None => app.store.person(&token, Carrier::Token, clock).await?,
        };
        return caller.ok_or(Error::InvalidToken);
    }
    let (_, caller) = session::holder(app, headers).await?.ok_or(Error::InvalidToken)?;
    Ok(caller)
}

/// Whether the table lets the caller pass; for a list, which clients it may show.
async fn permitted(
    app: &App,
    row: Option<&Row>,
    params: &RawPathParams,
    (caller, tenant): (&Caller, Option<&Record>),
) -> Result<Reach, Error> {
    // The path exists with other methods only.
    let row = row.ok_or(Error::Method)?;
    let Some(person) = caller.person() else { return Ok(Reach::All) };
    nothing_owed(person, &caller.unique_id, row.call)?;
    let rule = row.needs.at(position(caller, person, tenant));
    let denied = |asked| missing(person, rule, asked).map_or(Ok(()), |missing| Err(Error::Forbidden(missing)));
    let below = tenant.filter(|tenant| tenant.kind == Kind::Client && tenant.id != caller.id);
    let on_clients = row.path.contains("/clients");
    match (below, parameter(params, "client")) {
        (Some(client), _) => denied(Asked::Client(client.id))?,
        (None, Some(id)) => {
            denied(Asked::AnyClient)?;
            let parent = tenant.ok_or(Error::Internal)?;
            if let Some(child) = app.store.child(parent.id, id).await? {
                if !person.reaches(child.id) {
                    return Err(Error::not_found(Kind::Client.noun(), id));
                }
                denied(Asked::Client(child.id))?;
            }
        }
        (None, None) if on_clients => denied(Asked::AnyClient)?,
        (None, None) => denied(Asked::Own)?,
    }
    Ok(if on_clients { person.reach(rule) } else { Reach::All })
}

/// Whether a person may do under a tenant within reach what a route would: a page shows nothing that its route refuses.
pub(super) fn may(caller: &Caller, tenant: &Record, (method, path): (&str, &str)) -> Result<bool, Error> {
    let row = row(method, path).ok_or(Error::Internal)?;
    let Some(person) = caller.person() else { return Ok(true) };
    let below = tenant.kind == Kind::Client && tenant.id != caller.id;
    let asked = if below { Asked::Client(tenant.id) } else { Asked::Own };
    Ok(missing(person, row.needs.at(position(caller, person, Some(tenant))), asked).is_none())
}

/// Refuses everything but the call that serves what a session owes; pages serve the rest.
fn nothing_owed(person: &Person, tenant: &str, call: Call) -> Result<(), Error> {
    match person.owes {
        None => Ok(()),
        Some(Owed::Factor) => Err(Error::FactorFirst),
        Some(Owed::Consent) => Err(Error::ConsentFirst),
        Some(Owed::Password) if call == Call::ChangePassword => Ok(()),
        Some(Owed::Password) => {
            let user = &person.unique_id;
            Err(Error::ChangeFirst(format!("/api/v2/tenants/{tenant}/users/{user}/changePassword")))
        }
    }
}

/// Where a request wants to do what.
#[derive(Clone, Copy)]
struct Place<'a> {
    row: Option<&'a Row>,
    params: &'a RawPathParams,
    tenant: Option<&'a Record>,
}

impl Place<'_> {
    /// Whether the tenant that is edited asks its people for a second factor; of one that is not there, no.
    async fn asks_for_factor(&self, app: &App) -> Result<bool, Error> {
        let asks = |tenant: &Record| wanted(&tenant.settings, false).is_some();
        let child = parameter(self.params, "client").or_else(|| parameter(self.params, "msp"));
        match (child, self.tenant) {
            (Some(id), Some(parent)) => Ok(app.store.child(parent.id, id).await?.as_ref().is_some_and(asks)),
            (_, tenant) => Ok(tenant.is_some_and(asks)),
        }
    }
}

/// The fresh proof of a request, where its row asks for one. A save without any is refused before anything of it is read.
async fn proven(
    app: &App,
    place: Place<'_>,
    caller: &Caller,
    (headers, request): (&HeaderMap, Option<&RequestId>),
) -> Result<Proof, Error> {
    let asks = place.row.map_or(Again::Never, |row| row.call.asks_again());
    let asked = match asks {
        Again::Never => false,
        Again::OfTenant => caller.person().is_some() && place.asks_for_factor(app).await?,
        Again::GivingPower | Again::Always => true,
    };
    if !asked {
        return Ok(Proof::NotAsked);
    }
    let code = headers.get(HEADER).map(|code| code.to_str().unwrap_or_default());
    let proof = proof(app, caller, (code, request)).await?;
    if asks != Again::GivingPower {
        // What may be needed is judged by the handler, once it has read the request.
        proof.is_there(app).await?;
    }
    Ok(proof)
}

fn position(caller: &Caller, person: &Person, tenant: Option<&Record>) -> Position {
    match tenant.filter(|tenant| tenant.id != caller.id).map(|tenant| tenant.kind) {
        Some(Kind::Client) => Position::AboveClient,
        Some(Kind::Partner | Kind::ServiceProvider) => Position::AbovePartner,
        None if person.scope == super::permission::Scope::Client => Position::OwnClient,
        None => Position::Own,
    }
}

/// The level that a route's tenant must have; `None` where any will do.
fn expected(route: &str) -> Option<Kind> {
    let rest = route.strip_prefix("/api/v2/tenants/")?;
    if rest.starts_with("client/") {
        return Some(Kind::Client);
    }
    match rest.trim_end_matches('/').split('/').nth(1) {
        None | Some("clients") => Some(Kind::Partner),
        Some("msps") => Some(Kind::ServiceProvider),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_the_level_of_its_tenant() {
        assert_eq!(expected("/api/v2/tenants/{tenant}/clients/{client}"), Some(Kind::Partner));
        assert_eq!(expected("/api/v2/tenants/{tenant}/msps"), Some(Kind::ServiceProvider));
        assert_eq!(expected("/api/v2/tenants/{tenant}"), Some(Kind::Partner));
        assert_eq!(expected("/api/v2/tenants/{tenant}/"), Some(Kind::Partner));
        assert_eq!(expected("/api/v2/tenants/client/{tenant}"), Some(Kind::Client));
        assert_eq!(expected("/api/v2/tenants/{tenant}/customBranding"), None);
        assert_eq!(expected("/api/v2/cfg/countries"), None);
    }
}
