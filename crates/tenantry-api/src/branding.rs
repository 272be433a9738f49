//! Theme of the console and its login page.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Theme of the console and its login page. A Client that leaves something out shows its Partner's.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BrandingSpec {
    /// Title in the browser tab, for example `Acme Console`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub website_title: Option<String>,
    /// Address of your documentation site, `https` only, for example `https://docs.acme.example`; empty clears it.
    #[serde(default, rename = "documentationURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = ("self == '' || (isURL(self) && url(self).getScheme() == 'https')", "write an address that starts with `https://`, or leave it empty to clear it"))]
    pub documentation_url: Option<String>,
    /// Logo of navigation bar and login page: PNG or JPEG up to 64 KiB; recommended: less than 10 KB, 512 px high and
    /// at most 512 px wide. For example `{configMapKeyRef: {name: brand, key: logo.png}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<ImageSource>,
    /// Image of the browser tab: PNG or JPEG up to 64 KiB; recommended: less than 10 KB, 128 x 128 px. For example
    /// `{configMapKeyRef: {name: brand, key: favicon.png}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub favicon: Option<ImageSource>,
    /// Texts, colours and background of the login page, for example `{header: Welcome}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_page: Option<LoginPage>,
}

/// Login page.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LoginPage {
    /// First line of the login page, for example `Acme Operations`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub header: Option<String>,
    /// Second line of the login page, for example `Sign in with your work account`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub subheader: Option<String>,
    /// Colour of header and subheader as six hex digits in quotes, for example `"1F2937"`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(validation = ("self == string(self) && self.matches('^(#?[0-9A-Fa-f]{6})?$')", "write six hex digits in quotes, such as \"1F2937\""))]
    pub text_color: Option<String>,
    /// Colour of the layer around the logo as six hex digits in quotes, for example `"F9FAFB"`; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(validation = ("self == string(self) && self.matches('^(#?[0-9A-Fa-f]{6})?$')", "write six hex digits in quotes, such as \"F9FAFB\""))]
    pub background_color: Option<String>,
    /// Image behind the login page, darkened by an overlay: PNG or JPEG up to 512 KiB; recommended: 1440 x 900 px,
    /// smaller ones are tiled. For example `{configMapKeyRef: {name: brand, key: background.png}}`; a ConfigMap with a file
    /// over 190 KB is made by `kubectl create` or `kubectl apply --server-side`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_image: Option<ImageSource>,
}

/// An image: exactly one of a ConfigMap's key and inline base64. No URL is ever fetched.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("has(self.configMapKeyRef) != has(self.inline)", "set exactly one of `configMapKeyRef` and `inline`"))]
#[serde(rename_all = "camelCase")]
pub struct ImageSource {
    /// Key of a ConfigMap's `binaryData` that holds the file, for example `{name: brand, key: logo.png}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// The file itself in base64, up to 16 KiB of text, for example `iVBORw0KGgo...`; empty removes the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub inline: Option<String>,
}

/// A key of a ConfigMap of the same namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap in the object's own namespace, for example `brand`. With the label
    /// `tenantry.dev/watch: "true"` a change of it is applied at once, without at the next drift interval.
    #[schemars(schema_with = "super::names::object_name")]
    pub name: String,
    /// Key in the ConfigMap's `binaryData`, for example `logo.png`.
    #[schemars(schema_with = "super::names::data_key")]
    pub key: String,
}
