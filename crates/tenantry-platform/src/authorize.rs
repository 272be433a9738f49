//! Middleware before every API handler: authentication, tenant lookup, rate limit, permission.

use std::sync::Arc;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use tokio::sync::SemaphorePermit;

use super::audit::{self, Actor, AuditAction, AuditEvent, Denial, RequestId};
use super::error::ApiError;
use super::keyed_semaphore::KeyedPermit;
use super::login_policy::request_source::RequestSource;
use super::memory_budget::RequestMemory;
use super::mfa::{CODE_HEADER, ReauthProof, RequiredAction, reauth_proof_of_request, required_method};
use super::permission::{
    ApiRoute, CallerRelation, PermissionScope, ReauthPolicy, RouteOperation, find_route, missing_permission,
};
use super::principal::{Caller, ClientScope, LoggedInPerson};
use super::rate_limit::RateLimitCategory;
use super::store::{SessionCarrier, TenantLevel, TenantRecord, Tx, lock_tenant};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, credential, login_policy, session, time};

/// Caller and tenant of an authorized request.
#[derive(Clone, Debug)]
pub(super) struct RequestScope {
    /// The authenticated caller.
    pub(super) caller: Caller,
    /// Tenant of the path as it was when the request arrived; `None` on routes without a tenant.
    tenant: Option<Arc<TenantRecord>>,
    /// The clients that a list may show.
    reach: ClientScope,
    /// Where the request came from.
    source: RequestSource,
    /// Proof that a save needs if it requires a fresh confirmation.
    proof: ReauthProof,
}

/// A write under a tenant that is locked until the commit.
pub(super) struct LockedTenant {
    pub(super) tx: Tx,
    pub(super) tenant: TenantRecord,
}

impl RequestScope {
    /// Returns the scope of a person who acts on the own tenant from a page.
    pub(super) fn for_own_tenant(
        caller: Caller,
        tenant: TenantRecord,
        source: RequestSource,
        proof: ReauthProof,
    ) -> Self {
        Self { caller, tenant: Some(Arc::new(tenant)), reach: ClientScope::All, source, proof }
    }

    /// Returns the tenant of the path.
    pub(super) fn tenant(&self) -> Result<&TenantRecord, ApiError> {
        self.tenant.as_deref().ok_or(ApiError::Internal)
    }

    /// Begins a write under the tenant of the path and locks that tenant until the commit. Returns 410 if the tenant's
    /// state does not allow the operation.
    pub(super) async fn lock_tenant(&self, app: &App, operation: TenantOperation) -> Result<LockedTenant, ApiError> {
        let mut tx = app.store.begin_for_tenant(self.tenant()?.id).await?;
        let tenant = lock_tenant(&mut tx, self.tenant()?.id).await?;
        ensure_tenant_accepts(&tenant, operation)?;
        Ok(LockedTenant { tx, tenant })
    }

    /// Returns the clients that a list may show.
    pub(super) fn client_scope(&self) -> &ClientScope {
        &self.reach
    }

    /// Returns the proof that a save consumes if it requires a fresh confirmation.
    pub(super) fn proof(&self) -> &ReauthProof {
        &self.proof
    }

    /// Returns the source of the request.
    pub(super) fn source(&self) -> RequestSource {
        self.source
    }
}

/// Passes a request to its handler with its [`RequestScope`], or answers with the refusal.
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
    // A refused request is charged only to the caller's budget for refusals: neither to the tenant's budget nor to the
    // caller's budget for permitted requests.
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
    let passed = match (budget.filter(|budget| !budget.is_granted), permitted) {
        (Some(budget), _) => Err(ApiError::Throttled(budget.seconds_to_reset(now))),
        (None, Ok(reach)) => {
            let place = RouteContext { row, params: &params, tenant: tenant.as_deref() };
            verify_reauth(&app, place, &caller, request.headers(), id.as_ref()).await.map(|proof| (reach, proof))
        }
        (None, Err(error)) => Err(error),
    };
    let mut response = match passed {
        Err(error) => {
            let object = format!("{} {route} {}", request.method(), stranger.unwrap_or_default());
            // A tenant out of the caller's reach gets no row: the attempt is logged under the caller's own tenant. The
            // log of a terminated tenant goes with its purge and must not start again.
            let lives = |tenant: &Arc<TenantRecord>| {
                stranger.is_none() && tenant.state != tenantry_wire::WireTenantState::Terminated
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
            let _permit =
                if category == RateLimitCategory::Pages { Some(acquire_reader(&app, root).await) } else { None };
            next.run(request).await
        }
    };
    if let Some(budget) = budget {
        budget.write_headers(response.headers_mut());
    }
    response
}

/// Limits the readers until a page is built: the bytes of a page are counted only then. The limit holds in all and per
/// partner.
async fn acquire_reader(app: &App, root: i64) -> (KeyedPermit<i64>, Option<SemaphorePermit<'_>>) {
    let own = app.readers_per_partner.acquire(root).await;
    (own, app.readers.acquire().await.ok())
}

/// Returns the tenant whose share of memory a request uses: for a caller of a client its partner, otherwise the
/// caller's own tenant.
fn root_tenant(caller: &Caller, tenant: Option<&TenantRecord>) -> i64 {
    let own = tenant.filter(|tenant| tenant.id == caller.id && tenant.kind == TenantLevel::Client);
    own.and_then(|client| client.parent.as_ref()).map_or(caller.id, |partner| partner.id)
}

/// Audits a denied request. Denied requests are audited; throttled and malformed ones are not.
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

/// Returns whether the caller's roles reach a tenant below the caller's own.
pub(super) fn can_reach_tenant(caller: &Caller, tenant: &TenantRecord) -> bool {
    let partners = caller.person().filter(|_| tenant.kind == TenantLevel::Client && tenant.id != caller.id);
    partners.is_none_or(|person| person.can_reach_client(tenant.id))
}

/// Authenticates the caller by the bearer token, or by the browser session if there is no token.
async fn authenticate_request(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    source: RequestSource,
    request: Option<&RequestId>,
) -> Result<Caller, ApiError> {
    let caller = find_caller(app, headers).await?;
    // A browser adds the cookie no matter which site causes the request.
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

/// Checks the caller against the permission table. Returns the clients that a list may show.
async fn check_permission(
    app: &App,
    row: Option<&ApiRoute>,
    params: &RawPathParams,
    caller: &Caller,
    tenant: Option<&TenantRecord>,
) -> Result<ClientScope, ApiError> {
    // The path exists, but not with this method.
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

/// Returns whether a person may do under a reachable tenant what a route does. A page shows nothing that its route
/// refuses.
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

/// Refuses every call but the one that completes the session's required action. Pages complete the others.
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

/// Route, path parameters and tenant of a request.
#[derive(Clone, Copy)]
struct RouteContext<'a> {
    row: Option<&'a ApiRoute>,
    params: &'a RawPathParams,
    tenant: Option<&'a TenantRecord>,
}

impl RouteContext<'_> {
    /// Returns whether the edited tenant requires a second factor of its people; false if the tenant does not exist.
    async fn requires_second_factor(&self, app: &App) -> Result<bool, ApiError> {
        let asks = |tenant: &TenantRecord| required_method(&tenant.settings, false).is_some();
        let child = path_parameter(self.params, "client").or_else(|| path_parameter(self.params, "msp"));
        match (child, self.tenant) {
            (Some(id), Some(parent)) => Ok(app.store.find_child(parent.id, id).await?.as_ref().is_some_and(asks)),
            (_, tenant) => Ok(tenant.is_some_and(asks)),
        }
    }
}

/// Obtains the fresh proof of a request if its route needs one. A save without any proof is refused before its body is
/// read.
async fn verify_reauth(
    app: &App,
    target: RouteContext<'_>,
    caller: &Caller,
    headers: &HeaderMap,
    request: Option<&RequestId>,
) -> Result<ReauthProof, ApiError> {
    let asks = target.row.map_or(ReauthPolicy::Never, |row| row.operation.reauth_policy());
    let asked = match asks {
        ReauthPolicy::Never => false,
        ReauthPolicy::IfTenantRequiresFactor => caller.person().is_some() && target.requires_second_factor(app).await?,
        ReauthPolicy::IfGrantingPower | ReauthPolicy::Always => true,
    };
    if !asked {
        return Ok(ReauthProof::NotRequired);
    }
    let code = headers.get(CODE_HEADER).map(|code| code.to_str().unwrap_or_default());
    let proof = reauth_proof_of_request(app, caller, code, request).await?;
    if asks != ReauthPolicy::IfGrantingPower {
        // For [`ReauthPolicy::IfGrantingPower`] the handler decides after it has read the body.
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

/// Returns the level that the tenant of a route must have; `None` if any level will do.
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
