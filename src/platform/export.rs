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

mod allowed;
pub(super) mod batch;
mod bucket;
pub(super) mod schedule;
mod signature;
pub(super) mod stream;

use std::time::Duration;

use secrecy::SecretString;

use super::Config;

use allowed::Allowed;
pub(super) use stream::{publish, run};

/// Longest wait for a destination's answer.
const PATIENCE: Duration = Duration::from_secs(10);

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
    allowed: Allowed,
    s3: Option<S3Key>,
    http: reqwest::Client,
    retry: Duration,
    /// After which time a scheduled run is given up.
    longest: Duration,
}

impl Exports {
    /// What the configuration says.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        // Whoever is first wins; all want the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No redirect is followed: it could lead anywhere.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).no_proxy();
        Ok(Self {
            allowed: Allowed::new(&config.export_destinations)?,
            s3: config.export_s3.clone(),
            http: http.build().map_err(|error| error.to_string())?,
            retry: config.retry,
            longest: config.export_time.min(schedule::LONGEST),
        })
    }
}
