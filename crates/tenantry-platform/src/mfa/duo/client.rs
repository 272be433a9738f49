//! Client for the three calls of Duo's API.

use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::api_host::{DuoHosts, DuoOrigin};
use super::error::DuoError;
use super::id_token::{self, ExpectedClaims, IdTokenError};
use super::{DuoSettings, jwt};
use crate::{Config, PublicUrl, credential};

/// Path that Duo redirects people back to.
pub(crate) const CALLBACK: &str = "/factor/duo/callback";
/// Maximum size of a response that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Lifetime of a signed assertion in seconds. Duo accepts at most five minutes, by its own clock.
const ASSERTION_LIFETIME: i64 = 240;
/// Type of the assertion in a token request.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A redirect to Duo's prompt.
pub(crate) struct DuoPrompt {
    /// URL of the prompt.
    pub(crate) prompt: String,
    /// Returned in the callback.
    pub(crate) state: String,
    /// Returned in the token that Duo signs.
    pub(crate) nonce: String,
}

/// HTTP client for Duo.
pub(crate) struct DuoClient {
    http: reqwest::Client,
    hosts: DuoHosts,
    callback: Option<String>,
}

#[derive(Deserialize)]
struct DuoHealthResponse {
    stat: String,
}

#[derive(Deserialize)]
struct DuoTokenResponse {
    id_token: String,
}

impl DuoClient {
    /// Creates the client from the configuration.
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        // The first call sets the provider; all callers use the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let duo = &config.duo;
        let http = reqwest::Client::builder()
            // A redirect could lead anywhere, and no proxy from the environment may be used.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(duo.stand_in.is_none())
            .connect_timeout(duo.connect_timeout)
            .timeout(duo.answer_timeout);
        Ok(Self {
            http: http.build()?,
            hosts: DuoHosts::new(duo.domains.clone(), duo.stand_in),
            callback: config.public_url.as_ref().map(|url: &PublicUrl| url.url_of(CALLBACK)),
        })
    }

    /// Returns what is wrong with host or callback, without a request to Duo.
    pub(crate) fn configuration_error(&self, duo: &DuoSettings) -> Option<DuoError> {
        self.endpoints(duo).err()
    }

    /// Returns the tenant's Duo origin and the callback URL.
    fn endpoints(&self, duo: &DuoSettings) -> Result<(DuoOrigin, &str), DuoError> {
        let callback = self.callback.as_deref().ok_or(DuoError::NoAddress)?;
        Ok((self.hosts.origin_of(&duo.host).ok_or(DuoError::Host)?, callback))
    }

    /// Checks that Duo is available, and prepares the redirect to its prompt. `now` is in milliseconds.
    pub(crate) async fn start_prompt(
        &self,
        duo: &DuoSettings,
        login_name: &str,
        now: i64,
    ) -> Result<DuoPrompt, DuoError> {
        let (origin, callback) = self.endpoints(duo)?;
        let (key, until) = (&duo.integration_key, now / 1000 + ASSERTION_LIFETIME);
        let call = origin.call_url("health_check");
        let assertion = client_assertion(duo, &call, until)?;
        let form = [("client_id", key.as_str()), ("client_assertion", &assertion)];
        // If Duo refuses this call, the person did nothing wrong.
        let health: DuoHealthResponse = self.post_form(&call, &form).await.map_err(|_| DuoError::Unreachable)?;
        if health.stat != "OK" {
            tracing::warn!(%origin, "Duo says that it cannot serve this integration");
            return Err(DuoError::Unreachable);
        }
        let (state, nonce) = (credential::random_token(), credential::random_token());
        let request = json!({
            "response_type": "code",
            "scope": "openid",
            "exp": until,
            "client_id": key,
            "iss": key,
            "aud": origin.to_string(),
            "redirect_uri": callback,
            "state": state,
            "nonce": nonce,
            "duo_uname": login_name,
            "use_duo_code_attribute": true,
        });
        let request = jwt::sign_claims(&request, &duo.secret_key)?;
        let query =
            [("response_type", "code"), ("client_id", key.as_str()), ("request", &request), ("nonce", nonce.as_str())];
        let prompt = Url::parse_with_params(&origin.call_url("authorize"), query).map_err(|_| DuoError::Host)?;
        Ok(DuoPrompt { prompt: prompt.into(), state, nonce })
    }

    /// Exchanges a code for a token and verifies it: `Ok` means that Duo authenticated this person for the prompt with
    /// this nonce.
    pub(crate) async fn exchange_code(
        &self,
        duo: &DuoSettings,
        code: &str,
        nonce: &str,
        login_name: &str,
        now: i64,
    ) -> Result<(), DuoError> {
        let (origin, callback) = self.endpoints(duo)?;
        let call = origin.call_url("token");
        let assertion = client_assertion(duo, &call, now / 1000 + ASSERTION_LIFETIME)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("client_id", &duo.integration_key),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", &assertion),
        ];
        let token: DuoTokenResponse = self.post_form(&call, &form).await?;
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of this era have less than 53 bits")]
        let now = now as f64 / 1000.0;
        let expected = ExpectedClaims { issuer: &call, audience: &duo.integration_key, login_name, nonce, now };
        Ok(id_token::verify_id_token(&token.id_token, &duo.secret_key, expected)?)
    }

    /// Posts a form and reads a bounded JSON response. Errors are written to the program's log, without the form.
    async fn post_form<T: for<'de> Deserialize<'de>>(&self, call: &str, form: &[(&str, &str)]) -> Result<T, DuoError> {
        let ill = |what: &dyn std::fmt::Display| {
            tracing::warn!(call, error = %what, "Duo cannot be reached");
            DuoError::Unreachable
        };
        let sent = self.http.post(call).form(form).send().await;
        let mut answer = sent.map_err(|error| ill(&error.without_url()))?;
        let status = answer.status();
        if status.is_client_error() && status != reqwest::StatusCode::TOO_MANY_REQUESTS {
            tracing::warn!(call, %status, "Duo refuses a request");
            return Err(DuoError::Code);
        }
        if status != reqwest::StatusCode::OK {
            return Err(ill(&status));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| ill(&error.without_url()))? {
            body.extend_from_slice(&part);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(ill(&"the answer is too long"));
            }
        }
        // The message of `serde_json` quotes nothing from invalid JSON, but may quote valid JSON.
        serde_json::from_slice(&body).map_err(|error| ill(&format!("no answer of Duo's: {:?}", error.classify())))
    }
}

/// Signs a client assertion for one call.
fn client_assertion(duo: &DuoSettings, call: &str, until: i64) -> Result<String, IdTokenError> {
    let key = &duo.integration_key;
    let claims = json!({ "iss": key, "sub": key, "aud": call, "exp": until, "jti": credential::random_uuid() });
    jwt::sign_claims(&claims, &duo.secret_key)
}
