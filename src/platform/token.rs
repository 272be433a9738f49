//! Both token endpoints: OAuth2 client credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;

use super::audit::{Action, Actor, Event, RequestId, append, denied};
use super::error::Error;
use super::store::insert_token;
use super::{App, body, credential, time};
use crate::wire::{TokenRequest, TokenResponse};

/// Seconds a token lasts; the answer says one less, as the documented samples do.
const LIFETIME: i64 = 7200;
/// Longest token request.
const REQUEST: usize = 16 << 10;

/// Answers a token for the tenant of the credential.
pub(super) async fn issue(State(app): State<Arc<App>>, request: Request) -> Result<Json<TokenResponse>, Error> {
    let id = request.extensions().get::<RequestId>().cloned();
    let request = read(request).await;
    if request.grant_type != "client_credentials" {
        return Err(Error::GrantType(request.grant_type));
    }
    let key = credential::hash(&request.client_id);
    let secret = credential::hash(&request.client_secret);
    let Some(tenant) = app.store.holds(&key, &secret).await? else {
        return Err(refused(&app, &key, id.as_ref()).await?);
    };
    let token = credential::random_token();
    let now = time::now();
    let mut tx = app.store.begin().await?;
    insert_token(&mut tx, &credential::hash(&token), (tenant, &key), (now, now + LIFETIME * 1000)).await?;
    append(&app.seal, &mut tx, (tenant, &Actor::key(&key, id.as_ref())), Event::done(Action::TokenIssue, "token"))
        .await?;
    tx.commit().await?;
    Ok(Json(TokenResponse {
        access_token: token,
        token_type: "bearer".to_owned(),
        expires_in: LIFETIME - 1,
        scope: "global:manage".to_owned(),
    }))
}

/// A wrong secret for a key that exists stands in the log of the key's tenant; of an unknown key there is no tenant.
async fn refused(app: &App, key: &str, id: Option<&RequestId>) -> Result<Error, Error> {
    if let Some(tenant) = app.store.owner(key).await? {
        denied(app, tenant, &Actor::key(key, id), Event::denied(Action::TokenIssue, "token")).await;
    }
    Ok(Error::BadCredentials)
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
