//! The pages in a real browser: headless Chromium, driven through `WebDriver`.
//!
//! The client is ours, and small: of the libraries one changes how the tested programs write JSON (it turns on
//! `serde_json/preserve_order` for all that is built with it), and the other brings a crate under the MPL.

mod driver;
mod looks;
mod people;
mod pictures;
mod session;
mod whole;

use crate::platform::TestPlatform;

/// What a partner without a package reads.
const DENIED: &str = "Access Denied! The partner is not subscribed to this product package.";

/// Gives a tenant a branding.
async fn set_branding(platform: &TestPlatform, tenant: &str, body: serde_json::Value) -> serde_json::Value {
    platform.sp.put(&format!("/tenants/{tenant}/customBranding"), body).await.json()
}
