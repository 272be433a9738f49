//! The doors before every API handler: token, reach, rate limit.

use std::sync::Arc;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::audit::{self, Action, Actor, Event};
use super::error::Error;
use super::limits::Category;
use super::store::{Caller, Kind, Record};
use super::{App, credential, time};

/// Who asks, and under which tenant.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Who asks.
    pub(super) caller: Caller,
    /// Tenant of the path, as it was when the request came; absent on routes without one.
    tenant: Option<Arc<Record>>,
}

impl Scope {
    /// The tenant of the path.
    pub(super) fn tenant(&self) -> Result<&Record, Error> {
        self.tenant.as_deref().ok_or(Error::Internal)
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
    let caller = match caller(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let asked = params.iter().find(|(name, _)| *name == "tenant").map(|(_, id)| id);
    let tenant = match asked {
        None => None,
        Some(id) => match app.store.visible(caller.id, id).await {
            Ok(tenant) => tenant.map(Arc::new),
            Err(error) => return error.into_response(),
        },
    };
    // A tenant out of reach is not charged: its budget is not a stranger's to use up.
    let charged = tenant.as_ref().map_or(caller.id, |tenant| tenant.id);
    let category = Category::of(request.method(), &route);
    let budget = app.limiter.as_ref().map(|limiter| limiter.charge(charged, category, time::now()));
    let fits = |tenant: &Arc<Record>| expected(&route).is_none_or(|kind| kind == tenant.kind);
    let mut response = if budget.is_some_and(|budget| !budget.granted) {
        Error::Throttled.into_response()
    } else if let Some(id) = asked.filter(|_| !tenant.as_ref().is_some_and(fits)) {
        let actor = Actor::named(caller.actor(), request.extensions().get());
        let object = format!("{} {route} {id}", request.method());
        audit::denied(&app, caller.id, &actor, Event::denied(Action::Request, &object)).await;
        Error::not_found("Tenant", id).into_response()
    } else {
        request.extensions_mut().insert(Scope { caller, tenant });
        next.run(request).await
    };
    if let Some(budget) = budget {
        budget.announce(response.headers_mut());
    }
    response
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Error> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(Error::InvalidToken)?;
    app.store.caller(&credential::hash(token), time::now()).await?.ok_or(Error::InvalidToken)
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
