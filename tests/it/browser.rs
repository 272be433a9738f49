//! Tests of the pages in a real browser: headless Chromium, driven through `WebDriver`.
//!
//! The `WebDriver` client is our own and small. Of the available libraries, one changes how the tested programs write
//! JSON (it turns on `serde_json/preserve_order` for the complete build), and the other has a dependency under the MPL.

mod driver;
mod full_stack;
mod login_theme;
mod screenshots;
mod session;
mod user_pages;

use crate::platform::TestPlatform;

/// The message for a partner without a package.
const DENIED: &str = "Access Denied! The partner is not subscribed to this product package.";

/// Sets the branding of a tenant.
async fn set_branding(platform: &TestPlatform, tenant: &str, body: serde_json::Value) -> serde_json::Value {
    platform.sp.put(&format!("/tenants/{tenant}/customBranding"), body).await.json()
}
