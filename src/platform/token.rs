//! Both token endpoints: OAuth2 client credentials, and as an extension the password of a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;

use super::error::Error;
use super::login::source::Source;
use super::people::login;
use super::store::Carrier;
use super::{App, body, credential, time};
use crate::wire::{Hidden, TokenRequest, TokenResponse};

/// Seconds a token lasts; the answer says one less, as the documented samples do.
const LIFETIME: i64 = 7200;
/// Longest token request.
const REQUEST: usize = 16 << 10;

/// Answers a token for the tenant of the credential.
pub(super) async fn issue(State(app): State<Arc<App>>, request: Request) -> Result<Json<TokenResponse>, Error> {
    let source = Source::of(request.extensions(), request.headers(), &app.proxies);
    let request = read(request).await;
    match request.grant_type.as_str() {
        "client_credentials" => of_credential(&app, &request).await,
        "password" if app.extensions => of_person(&app, request, source).await,
        _ => Err(Error::GrantType(request.grant_type)),
    }
}

/// `POST /tenancy/auth/oauth/revoke` with the form member `token`, as RFC 7009 has it: a person logs out. The answer is the
/// same whether there was such a token.
pub(super) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Result<(), Error> {
    let bytes = body::collect(request, REQUEST).await.unwrap_or_default();
    let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "token");
    if let Some((_, token)) = token {
        app.store.end_session(&credential::hash(&token), time::now()).await?;
    }
    Ok(())
}

/// A person's token. Whoever must change the password first gets one that is good for that only.
async fn of_person(app: &App, request: TokenRequest, source: Source) -> Result<Json<TokenResponse>, Error> {
    let via = (Carrier::Token, source);
    let proved = login::prove(app, (&request.username, request.password.0.into()), via).await?;
    let token = login::start(app, &proved, via, LIFETIME * 1000).await?;
    let scope = if proved.limited { "password:change" } else { "global:manage" };
    Ok(Json(answer(token, scope)))
}

async fn of_credential(app: &App, request: &TokenRequest) -> Result<Json<TokenResponse>, Error> {
    let key = credential::hash(&request.client_id);
    let secret = credential::hash(&request.client_secret);
    let tenant = app.store.holds(&key, &secret).await?.ok_or(Error::BadCredentials)?;
    let token = credential::random_token();
    let now = time::now();
    app.store.add_token(&credential::hash(&token), tenant, (now, now + LIFETIME * 1000)).await?;
    Ok(Json(answer(token, "global:manage")))
}

fn answer(access_token: String, scope: &str) -> TokenResponse {
    TokenResponse { access_token, token_type: "bearer".to_owned(), expires_in: LIFETIME - 1, scope: scope.to_owned() }
}

/// The request as a form, or as JSON where it says so. What cannot be read is empty, and refused as such.
async fn read(request: Request) -> TokenRequest {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let bytes = body::collect(request, REQUEST).await.unwrap_or_default();
    if json {
        return serde_json::from_slice(&bytes).unwrap_or_default();
    }
    let mut read = TokenRequest::default();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        match &*name {
            "grant_type" => read.grant_type = value.into_owned(),
            "client_id" => read.client_id = value.into_owned(),
            "client_secret" => read.client_secret = value.into_owned(),
            "username" => read.username = value.into_owned(),
            "password" => read.password = Hidden(value.into_owned()),
            _ => {}
        }
    }
    read
}
