//! Exports: batches of a tenant's data to a folder or an S3 bucket, and streams of its events to a webhook. Ours, absent
//! under `--documented-only`.
//!
//! * `POST /api/v2/tenants/{tenant}/exports/batch` with `{"data":["tickets","usage"],"destination":"/var/exports"}` writes
//!   JSON lines at once and answers which files. With `"schedule":{"everyHours":24,"start":"2026-12-01T02:00:00+0000"}` they
//!   are written then, again and again; `GET .../exports/batch` lists the schedules, `DELETE .../batch/{export}` ends one.
//! * `POST` and `GET /api/v2/tenants/{tenant}/exports/stream` set up and list webhooks, `DELETE .../stream/{stream}` ends one.
//!   Each stored or changed record is posted to them, signed and at least once, and given up after five attempts.
//!
//! The platform writes and posts to configured destinations only: a tenant cannot make it reach anything else.

mod allowlist;
pub(super) mod batch;
mod bucket;
pub(super) mod schedule;
pub(super) mod stream;
mod webhook_signature;

use std::time::Duration;

use secrecy::SecretString;

use super::Config;

use allowlist::DestinationAllowlist;
pub(super) use stream::{publish_event, run_deliveries};

/// Longest wait for a destination's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The key with which exports write to S3.
#[derive(Clone, Debug)]
pub struct S3Key {
    /// Region of the buckets.
    pub region: String,
    /// Id of the key.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// Where exports may go, and how.
pub(super) struct Exports {
    allowlist: DestinationAllowlist,
    s3: Option<S3Key>,
    http: reqwest::Client,
    retry: Duration,
    /// After which time a scheduled run is given up.
    run_timeout: Duration,
}

impl Exports {
    /// What the configuration says.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        // Whoever is first wins; all want the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No redirect is followed: it could lead anywhere.
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ANSWER_TIMEOUT).no_proxy();
        Ok(Self {
            allowlist: DestinationAllowlist::new(&config.export_destinations)?,
            s3: config.export_s3.clone(),
            http: http.build().map_err(|error| error.to_string())?,
            retry: config.retry,
            run_timeout: config.export_timeout.min(schedule::RUN_TIMEOUT),
        })
    }
}
