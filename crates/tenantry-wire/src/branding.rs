//! Custom branding of a tenant.

use serde::{Deserialize, Serialize};

/// Branding in requests and answers. Colours are six hex digits without `#`. In a request, an absent member is
/// unchanged, an empty text clears, and an image with an empty `file` is removed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Branding<I = ImageFile> {
    /// First label of the tenant's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_domain: Option<String>,
    /// Rest of the tenant's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Website title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_title: Option<String>,
    /// URL of the documentation site; extension.
    #[serde(skip_serializing_if = "Option::is_none", rename = "documentationURL")]
    pub documentation_url: Option<String>,
    /// Colour of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_background_color: Option<String>,
    /// Colour of the tabs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tab_background_color: Option<String>,
    /// First line of the login page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_page_header_text: Option<String>,
    /// Second line of the login page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_page_sub_header_text: Option<String>,
    /// Colour of the layer around the logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_page_background_color: Option<String>,
    /// Colour of both lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_page_text_color: Option<String>,
    /// Logo of navigation bar and login page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<I>,
    /// Image of the browser tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fav_icon: Option<I>,
    /// Background of the login page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_page_image: Option<I>,
    /// Address of the console; answers only.
    #[serde(skip_serializing_if = "Option::is_none", rename = "appURL")]
    pub app_url: Option<String>,
    /// Address of the API; answers only.
    #[serde(skip_serializing_if = "Option::is_none", rename = "apiURL")]
    pub api_url: Option<String>,
}

/// An image in a request.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageFile {
    /// File name, for example `logo.png`.
    pub name: String,
    /// Base64 of the file.
    pub file: String,
}

/// An image in an answer.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ImagePaths {
    /// Path of the image.
    pub logo_path: String,
    /// Path of the small image.
    pub thumb_path: String,
    /// Path of the smallest image.
    pub tiny_thumb_path: String,
    /// `image/png` or `image/jpeg`.
    pub image_type: String,
    /// Lower-case hex SHA-256 of the bytes that were uploaded; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Lower-case hex SHA-256 of the bytes that are served, which the platform encodes itself; extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_sha256: Option<String>,
}
