//! Both token endpoints: OAuth2 client credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;

use super::error::Error;
use super::{App, body, credential, time};
use crate::wire::{TokenRequest, TokenResponse};

/// Seconds a token lasts; the answer says one less, as the documented samples do.
const LIFETIME: i64 = 7200;
/// Longest token request.
const REQUEST: usize = 16 << 10;

/// Answers a token for the tenant of the credential.
pub(super) async fn issue(State(app): State<Arc<App>>, request: Request) -> Result<Json<TokenResponse>, Error> {
    let request = read(request).await;
    if request.grant_type != "client_credentials" {
        return Err(Error::GrantType(request.grant_type));
    }
    let key = credential::hash(&request.client_id);
    let secret = credential::hash(&request.client_secret);
    let tenant = app.store.holds(&key, &secret).await?.ok_or(Error::BadCredentials)?;
    let token = credential::random_token();
    let now = time::now();
    app.store.add_token(&credential::hash(&token), tenant, (now, now + LIFETIME * 1000)).await?;
    Ok(Json(TokenResponse {
        access_token: token,
        token_type: "bearer".to_owned(),
        expires_in: LIFETIME - 1,
        scope: "global:manage".to_owned(),
    }))
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
            _ => {}
        }
    }
    read
}
