//! Exports: batches of a tenant's data to a folder or an S3 bucket, and streams of its events to a webhook. An
//! extension, absent under `--documented-only`.
//!
//! * `POST /api/v2/tenants/{tenant}/exports/batch` with `{"data":["tickets","usage"],"destination":"/var/exports"}`
//!   writes JSON lines at once and returns the names of the files. With
//!   `"schedule":{"everyHours":24,"start":"2026-12-01T02:00:00+0000"}` it writes them from that time on at that
//!   interval; `GET .../exports/batch` lists the schedules, `DELETE .../batch/{export}` removes one.
//! * `POST` and `GET /api/v2/tenants/{tenant}/exports/stream` create and list webhooks, `DELETE .../stream/{stream}`
//!   removes one. Each stored or changed record is posted to them, signed and at least once, for at most five attempts.
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

/// Destinations and clients of exports.
pub(super) struct Exports {
    allowlist: DestinationAllowlist,
    s3: Option<S3Key>,
    http: reqwest::Client,
    retry: Duration,
    /// Timeout of one scheduled run.
    run_timeout: Duration,
}

impl Exports {
    /// Builds the exports from the configuration. The error is a message for the person who starts the platform.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        // The first call sets the provider; all callers choose the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No redirect is followed, because it could lead to any address.
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
