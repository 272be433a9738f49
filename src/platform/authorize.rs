//! The doors before every API handler: token or session, reach, rate limit, permission.

use std::sync::Arc;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use tokio::sync::SemaphorePermit;

use super::audit::{self, Actor, AuditAction, AuditEvent, Denial, RequestId};
use super::error::ApiError;
use super::keyed_semaphore::KeyedPermit;
use super::login_policy::source::RequestSource;
use super::memory_budget::RequestMemory;
use super::mfa::{CODE_HEADER, ReauthProof, RequiredAction, proof_of_request, required_method};
use super::permission::{
    ApiRoute, CallerRelation, PermissionScope, ReauthPolicy, RouteOperation, find_route, missing_permission,
};
use super::principal::{Caller, ClientScope, LoggedInPerson};
use super::rate_limit::RateLimitCategory;
use super::store::{SessionCarrier, TenantLevel, TenantRecord, Tx, lock_tenant};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, credential, login_policy, session, time};

/// Who asks, and under which tenant.
#[derive(Clone, Debug)]
pub(super) struct RequestScope {
    /// Who asks.
    pub(super) caller: Caller,
    /// Tenant of the path, as it was when the request came; absent on routes without one.
    tenant: Option<Arc<TenantRecord>>,
    /// The clients that a list may show.
    reach: ClientScope,
    /// Where the request came from.
    source: RequestSource,
    /// What a save has to show where it asks for a fresh proof.
    proof: ReauthProof,
}

/// A write under a tenant that nobody else changes meanwhile.
pub(super) struct LockedTenant {
    pub(super) tx: Tx,
    pub(super) tenant: TenantRecord,
}

impl RequestScope {
    /// Of a person who asks under the own tenant, from a page.
    pub(super) fn for_own_tenant(
        caller: Caller,
        tenant: TenantRecord,
        source: RequestSource,
        proof: ReauthProof,
    ) -> Self {
        Self { caller, tenant: Some(Arc::new(tenant)), reach: ClientScope::All, source, proof }
    }

    /// The tenant of the path.
    pub(super) fn tenant(&self) -> Result<&TenantRecord, ApiError> {
        self.tenant.as_deref().ok_or(ApiError::Internal)
    }

    /// Begins a write under the tenant of the path, which stays as it is until the commit; 410 where it is out of service for
    /// such an act.
    pub(super) async fn lock_tenant(&self, app: &App, act: TenantOperation) -> Result<LockedTenant, ApiError> {
        let mut tx = app.store.begin_under(self.tenant()?.id).await?;
        let tenant = lock_tenant(&mut tx, self.tenant()?.id).await?;
        ensure_tenant_accepts(&tenant, act)?;
        Ok(LockedTenant { tx, tenant })
    }

    /// The clients that a list may show.
    pub(super) fn client_scope(&self) -> &ClientScope {
        &self.reach
    }

    /// What a save uses up where it asks for a fresh proof.
    pub(super) fn proof(&self) -> &ReauthProof {
        &self.proof
    }

    /// Where the request came from.
    pub(super) fn source(&self) -> RequestSource {
        self.source
    }
}

/// Lets a request pass with its [`Scope`], or answers for the handler.
pub(super) async fn authorize_request(
    State(app): State<Arc<App>>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let id = request.extensions().get::<RequestId>().cloned();
    let caller = match authenticate_request(&app, request.method(), request.headers(), source, id.as_ref()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let asked = path_parameter(&params, "tenant");
    let tenant = match asked {
        None => None,
        Some(id) => match app.store.find_visible_tenant(caller.id, id).await {
            Ok(tenant) => tenant.filter(|tenant| can_reach_tenant(&caller, tenant)).map(Arc::new),
            Err(error) => return error.into_response(),
        },
    };
    let root = root_tenant(&caller, tenant.as_deref());
    if let Some(account) = request.extensions().get::<RequestMemory>() {
        account.add_owner(root);
    }
    let fits = |tenant: &Arc<TenantRecord>| expected_level(&route).is_none_or(|kind| kind == tenant.kind);
    let stranger = asked.filter(|_| !tenant.as_ref().is_some_and(fits));
    let row = find_route(request.method().as_str(), &route);
    let permitted = match stranger {
        Some(id) => Err(ApiError::not_found("Tenant", id)),
        None => check_permission(&app, row, &params, &caller, tenant.as_deref()).await,
    };
    // What a caller may not do is charged to nobody else: neither to the tenant's budget nor to that of the caller's own work.
    let (charged, category) = match &permitted {
        Ok(_) => (
            tenant.as_ref().map_or(caller.id, |tenant| tenant.id),
            RateLimitCategory::for_request(request.method(), &route),
        ),
        Err(_) => (caller.id, RateLimitCategory::Refusals),
    };
    let now = time::now();
    let budget =
        app.limiter.as_ref().map(|limiter| limiter.charge_request(caller.audit_name(), charged, category, now));
    let passed = match (budget.filter(|budget| !budget.granted), permitted) {
        (Some(budget), _) => Err(ApiError::Throttled(budget.seconds_to_reset(now))),
        (None, Ok(reach)) => {
            let place = RouteTarget { row, params: &params, tenant: tenant.as_deref() };
            obtain_reauth_proof(&app, place, &caller, request.headers(), id.as_ref()).await.map(|proof| (reach, proof))
        }
        (None, Err(error)) => Err(error),
    };
    let mut response = match passed {
        Err(error) => {
            let object = format!("{} {route} {}", request.method(), stranger.unwrap_or_default());
            // What is out of reach has no business in the log of whom it belongs to.
            // An ended tenant's log goes with its purge, and nobody begins it again.
            let lives = |tenant: &Arc<TenantRecord>| {
                stranger.is_none() && tenant.state != crate::wire::WireTenantState::Terminated
            };
            let place = tenant.filter(lives).map_or(caller.id, |tenant| tenant.id);
            audit_denied_request(
                &app,
                &error,
                place,
                &Actor::with_name(caller.audit_name(), id.as_ref()),
                object.trim_end(),
            )
            .await;
            error.into_response()
        }
        Ok((reach, proof)) => {
            request.extensions_mut().insert(RequestScope { caller, tenant, reach, source, proof });
            let _turn =
                if category == RateLimitCategory::Pages { Some(acquire_reader(&app, root).await) } else { None };
            next.run(request).await
        }
    };
    if let Some(budget) = budget {
        budget.write_headers(response.headers_mut());
    }
    response
}

/// A page is counted when it is there: until then few are made at the same time, and one partner does not make them all.
async fn acquire_reader(app: &App, root: i64) -> (KeyedPermit<i64>, Option<SemaphorePermit<'_>>) {
    let own = app.readers_per_partner.acquire(root).await;
    (own, app.readers.acquire().await.ok())
}

/// The partner of a caller of a client, and else the caller's own tenant: all below it share what may be held.
fn root_tenant(caller: &Caller, tenant: Option<&TenantRecord>) -> i64 {
    let own = tenant.filter(|tenant| tenant.id == caller.id && tenant.kind == TenantLevel::Client);
    own.and_then(|client| client.parent.as_ref()).map_or(caller.id, |partner| partner.id)
}

/// Whoever may not stands in the log; whoever asks too often or wrongly does not.
async fn audit_denied_request(app: &App, error: &ApiError, tenant: i64, actor: &Actor, object: &str) {
    let stands = matches!(
        error,
        ApiError::NotFound(_)
            | ApiError::MissingPermission(_)
            | ApiError::PasswordChangeRequired(_)
            | ApiError::SecondFactorRequired
            | ApiError::ConsentRequired
            | ApiError::FactorProofRequired
            | ApiError::PasswordProofRequired
    );
    if stands {
        audit::record_denial(app, tenant, actor, AuditEvent::denial(AuditAction::Request, object)).await;
    }
}

fn path_parameter<'p>(params: &'p RawPathParams, wanted: &str) -> Option<&'p str> {
    params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Whether a tenant below the caller's own is one that the caller's roles reach.
pub(super) fn can_reach_tenant(caller: &Caller, tenant: &TenantRecord) -> bool {
    let partners = caller.person().filter(|_| tenant.kind == TenantLevel::Client && tenant.id != caller.id);
    partners.is_none_or(|person| person.can_reach_client(tenant.id))
}

/// The caller of a bearer token, or of a browser's session where there is no token.
async fn authenticate_request(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    source: RequestSource,
    request: Option<&RequestId>,
) -> Result<Caller, ApiError> {
    let caller = find_caller(app, headers).await?;
    // The browser adds the cookie whoever causes the request.
    let sent = headers.contains_key(header::AUTHORIZATION)
        || !session::is_unsafe_method(method)
        || session::is_same_site(headers);
    if !sent {
        let actor = Actor::with_name(caller.audit_name(), request);
        let denial = Denial { tenant: caller.id, actor: &actor, action: AuditAction::Request, object: "another site" };
        audit::record_sampled_denial(app, denial).await;
        return Err(ApiError::CrossSiteRequest);
    }
    login_policy::ensure_source_ip_allowed(app, &caller, source, request).await?;
    Ok(caller)
}

async fn find_caller(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| credential::sha256_hex(token.trim()))
            .ok_or(ApiError::InvalidToken)?;
        let clock = session::session_clock(app);
        let credential = app.store.caller_of_token(&token, clock.now).await?;
        let caller = match credential {
            Some(caller) => Some(caller),
            None => app.store.find_session_caller(&token, SessionCarrier::Token, clock).await?,
        };
        return caller.ok_or(ApiError::InvalidToken);
    }
    let (_, caller) = session::find_session(app, headers).await?.ok_or(ApiError::InvalidToken)?;
    Ok(caller)
}

/// Whether the table lets the caller pass; for a list, which clients it may show.
async fn check_permission(
    app: &App,
    row: Option<&ApiRoute>,
    params: &RawPathParams,
    caller: &Caller,
    tenant: Option<&TenantRecord>,
) -> Result<ClientScope, ApiError> {
    // The path exists with other methods only.
    let row = row.ok_or(ApiError::MethodNotAllowed)?;
    let Some(person) = caller.person() else { return Ok(ClientScope::All) };
    ensure_no_required_action(person, &caller.unique_id, row.operation)?;
    let rule = row.requirements.rule_for(caller_relation(caller, person, tenant));
    let denied = |asked| {
        missing_permission(person, rule, asked).map_or(Ok(()), |missing| Err(ApiError::MissingPermission(missing)))
    };
    let below = tenant.filter(|tenant| tenant.kind == TenantLevel::Client && tenant.id != caller.id);
    let on_clients = row.path.contains("/clients");
    match (below, path_parameter(params, "client")) {
        (Some(client), _) => denied(PermissionScope::Client(client.id))?,
        (None, Some(id)) => {
            denied(PermissionScope::AnyClient)?;
            let parent = tenant.ok_or(ApiError::Internal)?;
            if let Some(child) = app.store.find_child(parent.id, id).await? {
                if !person.can_reach_client(child.id) {
                    return Err(ApiError::not_found(TenantLevel::Client.noun(), id));
                }
                denied(PermissionScope::Client(child.id))?;
            }
        }
        (None, None) if on_clients => denied(PermissionScope::AnyClient)?,
        (None, None) => denied(PermissionScope::Own)?,
    }
    Ok(if on_clients { person.clients_satisfying(rule) } else { ClientScope::All })
}

/// Whether a person may do under a tenant within reach what a route would: a page shows nothing that its route refuses.
pub(super) fn is_allowed(
    caller: &Caller,
    tenant: &TenantRecord,
    (method, path): (&str, &str),
) -> Result<bool, ApiError> {
    let row = find_route(method, path).ok_or(ApiError::Internal)?;
    let Some(person) = caller.person() else { return Ok(true) };
    let below = tenant.kind == TenantLevel::Client && tenant.id != caller.id;
    let asked = if below { PermissionScope::Client(tenant.id) } else { PermissionScope::Own };
    Ok(missing_permission(person, row.requirements.rule_for(caller_relation(caller, person, Some(tenant))), asked)
        .is_none())
}

/// Refuses everything but the call that serves what a session owes; pages serve the rest.
fn ensure_no_required_action(person: &LoggedInPerson, tenant: &str, call: RouteOperation) -> Result<(), ApiError> {
    match person.required_action {
        None => Ok(()),
        Some(RequiredAction::Factor) => Err(ApiError::SecondFactorRequired),
        Some(RequiredAction::Consent) => Err(ApiError::ConsentRequired),
        Some(RequiredAction::Password) if call == RouteOperation::ChangePassword => Ok(()),
        Some(RequiredAction::Password) => {
            let user = &person.unique_id;
            Err(ApiError::PasswordChangeRequired(format!("/api/v2/tenants/{tenant}/users/{user}/changePassword")))
        }
    }
}

/// Where a request wants to do what.
#[derive(Clone, Copy)]
struct RouteTarget<'a> {
    row: Option<&'a ApiRoute>,
    params: &'a RawPathParams,
    tenant: Option<&'a TenantRecord>,
}

impl RouteTarget<'_> {
    /// Whether the tenant that is edited asks its people for a second factor; of one that is not there, no.
    async fn requires_second_factor(&self, app: &App) -> Result<bool, ApiError> {
        let asks = |tenant: &TenantRecord| required_method(&tenant.settings, false).is_some();
        let child = path_parameter(self.params, "client").or_else(|| path_parameter(self.params, "msp"));
        match (child, self.tenant) {
            (Some(id), Some(parent)) => Ok(app.store.find_child(parent.id, id).await?.as_ref().is_some_and(asks)),
            (_, tenant) => Ok(tenant.is_some_and(asks)),
        }
    }
}

/// The fresh proof of a request, where its row asks for one. A save without any is refused before anything of it is read.
async fn obtain_reauth_proof(
    app: &App,
    place: RouteTarget<'_>,
    caller: &Caller,
    headers: &HeaderMap,
    request: Option<&RequestId>,
) -> Result<ReauthProof, ApiError> {
    let asks = place.row.map_or(ReauthPolicy::Never, |row| row.operation.reauth_policy());
    let asked = match asks {
        ReauthPolicy::Never => false,
        ReauthPolicy::IfTenantRequiresFactor => caller.person().is_some() && place.requires_second_factor(app).await?,
        ReauthPolicy::IfGrantingPower | ReauthPolicy::Always => true,
    };
    if !asked {
        return Ok(ReauthProof::NotRequired);
    }
    let code = headers.get(CODE_HEADER).map(|code| code.to_str().unwrap_or_default());
    let proof = proof_of_request(app, caller, code, request).await?;
    if asks != ReauthPolicy::IfGrantingPower {
        // What may be needed is judged by the handler, once it has read the request.
        proof.ensure_present(app).await?;
    }
    Ok(proof)
}

fn caller_relation(caller: &Caller, person: &LoggedInPerson, tenant: Option<&TenantRecord>) -> CallerRelation {
    match tenant.filter(|tenant| tenant.id != caller.id).map(|tenant| tenant.kind) {
        Some(TenantLevel::Client) => CallerRelation::ParentOfClient,
        Some(TenantLevel::Partner | TenantLevel::ServiceProvider) => CallerRelation::Provider,
        None if person.scope == super::permission::RoleScope::Client => CallerRelation::OwnClient,
        None => CallerRelation::Own,
    }
}

/// The level that a route's tenant must have; `None` where any will do.
fn expected_level(route: &str) -> Option<TenantLevel> {
    let rest = route.strip_prefix("/api/v2/tenants/")?;
    if rest.starts_with("client/") {
        return Some(TenantLevel::Client);
    }
    match rest.trim_end_matches('/').split('/').nth(1) {
        None | Some("clients") => Some(TenantLevel::Partner),
        Some("msps") => Some(TenantLevel::ServiceProvider),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_the_level_of_its_tenant() {
        assert_eq!(expected_level("/api/v2/tenants/{tenant}/clients/{client}"), Some(TenantLevel::Partner));
        assert_eq!(expected_level("/api/v2/tenants/{tenant}/msps"), Some(TenantLevel::ServiceProvider));
        assert_eq!(expected_level("/api/v2/tenants/{tenant}"), Some(TenantLevel::Partner));
        assert_eq!(expected_level("/api/v2/tenants/{tenant}/"), Some(TenantLevel::Partner));
        assert_eq!(expected_level("/api/v2/tenants/client/{tenant}"), Some(TenantLevel::Client));
        assert_eq!(expected_level("/api/v2/tenants/{tenant}/customBranding"), None);
        assert_eq!(expected_level("/api/v2/cfg/countries"), None);
    }
}
