//! Both token endpoints: OAuth2 client credentials, and as an extension the password of a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::audit::{Action, Actor, Denial, Event, RequestId, append, sampled};
use super::bounds::FORM;
use super::credential::Hashes;
use super::error::Error;
use super::login::source::Source;
use super::people::login::{self, Via};
use super::store::{Carrier, EndedToken, Held, NewToken, end_token, insert_token};
use super::{App, body, credential, time};
use crate::wire::{Hidden, TokenRequest, TokenResponse};

/// Seconds a token lasts; the answer says one less, as the documented samples do.
const LIFETIME: i64 = 7200;

/// Answers a token for the tenant of the credential.
pub(super) async fn issue(State(app): State<Arc<App>>, request: Request) -> Result<Json<TokenResponse>, Error> {
    let id = request.extensions().get::<RequestId>().cloned();
    let source = Source::of(request.extensions(), request.headers(), &app.proxies);
    let request = read(request).await?;
    match request.grant_type.as_str() {
        "client_credentials" => of_credential(&app, &request, (source, id.as_ref())).await,
        "password" if app.extensions => {
            of_person(&app, request, Via { carrier: Carrier::Token, source, request: id.as_ref() }).await
        }
        _ => Err(Error::GrantType(request.grant_type)),
    }
}

/// `POST /tenancy/auth/oauth/revoke` with the form member `token`, as RFC 7009 has it: a person logs out, or the token of a
/// credential ends. The answer is the same whether there was such a token.
pub(super) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Result<(), Error> {
    let id = request.extensions().get::<RequestId>().cloned();
    let bytes = body::collect(request, FORM).await?;
    let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "token");
    if let Some((_, token)) = token {
        login::log_out(&app, &token, id.as_ref()).await?;
        ended(&app, &token, id.as_ref()).await?;
    }
    Ok(())
}

/// Ends the token of a credential, if it is one.
async fn ended(app: &App, token: &str, id: Option<&RequestId>) -> Result<(), Error> {
    let mut tx = app.store.begin().await?;
    if let Some(EndedToken { key_hash, tenant }) = end_token(&mut tx, &credential::hash(token)).await? {
        let event = Event::done(Action::TokenRevoke, "token");
        append(&app.seal, &mut tx, (tenant, &Actor::key(&key_hash, id)), event).await?;
    }
    Ok(tx.commit().await?)
}

/// A person's token. Whoever must change the password first gets one that is good for that only.
async fn of_person(app: &App, request: TokenRequest, via: Via<'_>) -> Result<Json<TokenResponse>, Error> {
    let proved = login::prove(app, (&request.username, request.password.0.into()), via).await?;
    let proved = login::second(app, proved, &request.otp.0, via).await?;
    let token = login::start(app, &proved, via, LIFETIME * 1000).await?;
    let scope = if proved.limited { "password:change" } else { "global:manage" };
    Ok(Json(answer(token, scope, LIFETIME)))
}

async fn of_credential(
    app: &App,
    request: &TokenRequest,
    (source, id): (Source, Option<&RequestId>),
) -> Result<Json<TokenResponse>, Error> {
    let claimed = Hashes::of(&request.client_id, &request.client_secret);
    let key = &claimed.key;
    let now = time::now();
    let Some(Held { tenant, expires_at }) = app.store.holds(&claimed, now).await? else {
        return Err(refused(app, key, (source, id)).await?);
    };
    let token = credential::random_token();
    let latest = now + LIFETIME * 1000;
    let expires = expires_at.map_or(latest, |expires_at| latest.min(expires_at));
    let mut tx = app.store.begin().await?;
    let new = NewToken { hash: &credential::hash(&token), of: &claimed, now, expires };
    if !insert_token(&mut tx, &new).await? {
        drop(tx);
        return Err(refused(app, key, (source, id)).await?);
    }
    append(&app.seal, &mut tx, (tenant, &Actor::key(key, id)), Event::done(Action::TokenIssue, "token")).await?;
    tx.commit().await?;
    Ok(Json(answer(token, "global:manage", (expires - now) / 1000)))
}

fn answer(access_token: String, scope: &str, seconds: i64) -> TokenResponse {
    let expires_in = u64::try_from(seconds - 1).unwrap_or_default();
    TokenResponse {
        access_token,
        token_type: "bearer".to_owned(),
        expires_in: Some(expires_in),
        scope: scope.to_owned(),
    }
}

/// A wrong secret for a key that exists stands in the log of the key's tenant; of an unknown key there is no tenant.
async fn refused(app: &App, key: &str, (source, id): (Source, Option<&RequestId>)) -> Result<Error, Error> {
    if let Some(left_out) = app.logins.note((source, key), time::now()) {
        let (name, request) = (key.get(..12).unwrap_or_default(), id.map_or("", |id| &id.0));
        tracing::info!(target: "refused", key = name, %source, request, left_out, "an API key or its secret is wrong");
    }
    if let Some(tenant) = app.store.owner(key).await? {
        let actor = Actor::key(key, id);
        sampled(app, Denial { tenant, actor: &actor, action: Action::TokenIssue, object: "token" }).await;
    }
    Ok(Error::BadCredentials)
}

/// The request as a form, or as JSON where it says so. What cannot be read is empty, and refused as such.
async fn read(request: Request) -> Result<TokenRequest, Error> {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let basic = basic(request.headers());
    let bytes = body::collect(request, FORM).await?;
    let read = if json { serde_json::from_slice(&bytes).unwrap_or_default() } else { form(&bytes) };
    Ok(match basic {
        Some(Basic { client_id, client_secret }) => TokenRequest { client_id, client_secret, ..read },
        None => read,
    })
}

/// A credential in a header.
struct Basic {
    client_id: String,
    client_secret: String,
}

/// The credential of `Authorization: Basic`, which RFC 6749 section 2.3.1 wants each server to take: both halves are
/// encoded as in a form first.
fn basic(headers: &HeaderMap) -> Option<Basic> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(pair).ok()?;
    let (client_id, client_secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        let pair = format!("x={text}").replace('&', "%26");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Some(Basic { client_id: decoded(client_id), client_secret: decoded(client_secret) })
}

fn form(bytes: &[u8]) -> TokenRequest {
    let mut read = TokenRequest::default();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        match &*name {
            "grant_type" => read.grant_type = value.into_owned(),
            "client_id" => read.client_id = value.into_owned(),
            "client_secret" => read.client_secret = value.into_owned(),
            "username" => read.username = value.into_owned(),
            "otp" => read.otp = Hidden(value.into_owned()),
            "password" => read.password = Hidden(value.into_owned()),
            _ => {}
        }
    }
    read
}
