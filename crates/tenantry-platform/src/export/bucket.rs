//! Upload of a file to an S3-compatible bucket with a PUT signed with `SigV4`.

use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use secrecy::ExposeSecret as _;
use url::Url;

use super::Exports;

/// Lifetime of a signature.
const SIGNATURE_LIFETIME: Duration = Duration::from_mins(1);

/// Writes an object. Returns its URL without the signature.
pub(super) async fn put_object(
    exports: &Exports,
    (endpoint, bucket): (&Url, &str),
    key: &str,
    content: Vec<u8>,
) -> Result<String, String> {
    let s3 =
        exports.s3.as_ref().ok_or("the platform has no S3 key; set `--export-s3-key-id` and `--export-s3-secret`")?;
    let bucket = Bucket::new(endpoint.clone(), UrlStyle::Path, bucket.to_owned(), s3.region.clone())
        .map_err(|error| error.to_string())?;
    let credentials = Credentials::new(s3.id.clone(), s3.secret.expose_secret().to_owned());
    let signed = bucket.put_object(Some(&credentials), key).sign(SIGNATURE_LIFETIME);
    let place = signed[..url::Position::AfterPath].to_owned();
    let answer = exports.http.put(signed).body(content).send().await;
    // Errors of `reqwest` contain the URL, and with it the signature.
    let status = answer.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() { Ok(place) } else { Err(format!("the bucket answered {status}")) }
}
