//! Both token endpoints: OAuth2 client credentials and, as an extension, the password of a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenantry_wire::{HiddenText, TokenRequest, TokenResponse};

use super::audit::{Actor, AuditAction, AuditEvent, Denial, RequestId, append_event, record_sampled_denial};
use super::credential::CredentialHashes;
use super::error::ApiError;
use super::limits::MAX_FORM_BYTES;
use super::login_policy::request_source::RequestSource;
use super::people::authentication::{self, LoginContext};
use super::store::{EndedToken, NewToken, SessionCarrier, ValidCredential, end_token, insert_token};
use super::{App, credential, json_body, time};

/// Lifetime of a token in seconds; the answer says one less, as the documented samples do.
const TOKEN_LIFETIME: i64 = 7200;

/// Issues a token for the tenant of the credential.
pub(super) async fn issue_token(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<TokenResponse>, ApiError> {
    let id = request.extensions().get::<RequestId>().cloned();
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let request = read_token_request(request).await?;
    match request.grant_type.as_str() {
        "client_credentials" => token_for_credential(&app, &request, source, id.as_ref()).await,
        "password" if app.has_extensions => {
            token_for_person(
                &app,
                request,
                LoginContext { carrier: SessionCarrier::Token, source, request: id.as_ref() },
            )
            .await
        }
        _ => Err(ApiError::UnsupportedGrantType(request.grant_type)),
    }
}

/// `POST /tenancy/auth/oauth/revoke` with the form member `token`, as in RFC 7009: logs a person out, or revokes a
/// credential's token. The answer is the same whether or not the token existed.
pub(super) async fn revoke_token(State(app): State<Arc<App>>, request: Request) -> Result<(), ApiError> {
    let id = request.extensions().get::<RequestId>().cloned();
    let bytes = json_body::collect_body(request, MAX_FORM_BYTES).await?;
    let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "token");
    if let Some((_, token)) = token {
        authentication::log_out(&app, &token, id.as_ref()).await?;
        end_credential_token(&app, &token, id.as_ref()).await?;
    }
    Ok(())
}

/// Revokes the token of a credential, if it is one.
async fn end_credential_token(app: &App, token: &str, id: Option<&RequestId>) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    if let Some(EndedToken { key_hash, tenant }) = end_token(&mut tx, &credential::sha256_hex(token)).await? {
        let event = AuditEvent::success(AuditAction::TokenRevoke, "token");
        append_event(&app.seal, &mut tx, tenant, &Actor::for_credential_key(&key_hash, id), event).await?;
    }
    Ok(tx.commit().await?)
}

/// Issues a person's token. A person who must change the password first gets a token for that call only.
async fn token_for_person(
    app: &App,
    request: TokenRequest,
    login: LoginContext<'_>,
) -> Result<Json<TokenResponse>, ApiError> {
    let proved = authentication::authenticate(app, &request.username, request.password.0.into(), login).await?;
    let proved = authentication::verify_second_factor(app, proved, &request.otp.0, login).await?;
    let token = authentication::start_user_session(app, &proved, login, TOKEN_LIFETIME * 1000).await?;
    let scope = if proved.password_change_only { "password:change" } else { "global:manage" };
    Ok(Json(token_response(token, scope, TOKEN_LIFETIME)))
}

async fn token_for_credential(
    app: &App,
    request: &TokenRequest,
    source: RequestSource,
    id: Option<&RequestId>,
) -> Result<Json<TokenResponse>, ApiError> {
    let claimed = CredentialHashes::from_key_and_secret(&request.client_id, &request.client_secret);
    let key = &claimed.key;
    let now = time::now();
    let Some(ValidCredential { tenant, expires_at }) = app.store.find_valid_credential(&claimed, now).await? else {
        return Err(record_refused_credential(app, key, source, id).await?);
    };
    let token = credential::random_token();
    let latest = now + TOKEN_LIFETIME * 1000;
    let expires = expires_at.map_or(latest, |expires_at| latest.min(expires_at));
    let mut tx = app.store.begin().await?;
    let new = NewToken { hash: &credential::sha256_hex(&token), credential: &claimed, now, expires };
    if !insert_token(&mut tx, &new).await? {
        drop(tx);
        return Err(record_refused_credential(app, key, source, id).await?);
    }
    append_event(
        &app.seal,
        &mut tx,
        tenant,
        &Actor::for_credential_key(key, id),
        AuditEvent::success(AuditAction::TokenIssue, "token"),
    )
    .await?;
    tx.commit().await?;
    Ok(Json(token_response(token, "global:manage", (expires - now) / 1000)))
}

fn token_response(access_token: String, scope: &str, seconds: i64) -> TokenResponse {
    let expires_in = u64::try_from(seconds - 1).unwrap_or_default();
    TokenResponse {
        access_token,
        token_type: "bearer".to_owned(),
        expires_in: Some(expires_in),
        scope: scope.to_owned(),
    }
}

/// Records a refused credential. A wrong secret for an existing key appears in the audit log of the key's tenant; an
/// unknown key has no tenant.
async fn record_refused_credential(
    app: &App,
    key: &str,
    source: RequestSource,
    id: Option<&RequestId>,
) -> Result<ApiError, ApiError> {
    if let Some(left_out) = app.failed_logins.count_refusal((source, key), time::now()) {
        let (name, request) = (key.get(..12).unwrap_or_default(), id.map_or("", |id| &id.0));
        tracing::info!(target: "refused", key = name, %source, request, left_out, "an API key or its secret is wrong");
    }
    if let Some(tenant) = app.store.tenant_of_key(key).await? {
        let actor = Actor::for_credential_key(key, id);
        record_sampled_denial(app, Denial { tenant, actor: &actor, action: AuditAction::TokenIssue, object: "token" })
            .await;
    }
    Ok(ApiError::BadCredentials)
}

/// Reads the request as a form, or as JSON if its content type says so. An unreadable request is empty and refused as
/// such.
async fn read_token_request(request: Request) -> Result<TokenRequest, ApiError> {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let basic = parse_basic_header(request.headers());
    let bytes = json_body::collect_body(request, MAX_FORM_BYTES).await?;
    let read = if json { serde_json::from_slice(&bytes).unwrap_or_default() } else { parse_form(&bytes) };
    Ok(match basic {
        Some(BasicCredential { client_id, client_secret }) => TokenRequest { client_id, client_secret, ..read },
        None => read,
    })
}

/// A credential in the `Authorization` header.
struct BasicCredential {
    client_id: String,
    client_secret: String,
}

/// Parses the credential of `Authorization: Basic`, which each server must accept according to RFC 6749 section 2.3.1.
/// Both halves are form-encoded first.
fn parse_basic_header(headers: &HeaderMap) -> Option<BasicCredential> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(pair).ok()?;
    let (client_id, client_secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        let pair = format!("x={text}").replace('&', "%26");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Some(BasicCredential { client_id: decoded(client_id), client_secret: decoded(client_secret) })
}

fn parse_form(bytes: &[u8]) -> TokenRequest {
    let mut read = TokenRequest::default();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        match &*name {
            "grant_type" => read.grant_type = value.into_owned(),
            "client_id" => read.client_id = value.into_owned(),
            "client_secret" => read.client_secret = value.into_owned(),
            "username" => read.username = value.into_owned(),
            "otp" => read.otp = HiddenText(value.into_owned()),
            "password" => read.password = HiddenText(value.into_owned()),
            _ => {}
        }
    }
    read
}
