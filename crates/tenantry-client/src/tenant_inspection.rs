//! A complete tenant for `export`: with its images, and with the members that no setting represents.

use std::collections::BTreeMap;

use serde_json::Value;
use tenantry_core::{Field, ObservedTenant, Place};
use tenantry_wire::{Branding, ImagePaths, Tenant};

use super::error::CallError;
use super::mapping::{self, ObservedBranding, ParsedAnswer};
use super::platform_client::PlatformClient;
use super::transport::TenancyCall;

/// A complete tenant.
#[derive(Clone, Debug)]
pub struct TenantInspection {
    /// Its settings.
    pub observed: ObservedTenant,
    /// Paths of its images, for [`PlatformClient::read_image`].
    pub images: BTreeMap<Field, String>,
    /// Members of the answers that hold a value and that no setting represents.
    pub unmapped: Vec<String>,
}

/// Members that describe how the tenant was created, or that repeat another member.
const PROVENANCE_MEMBERS: [&str; 5] = ["mspid", "mspDetails", "createdBy", "lastUpdatedBy", "showCopyClipboard"];

impl PlatformClient {
    /// Reads a tenant with everything that the platform shows of it; returns `None` if this id does not exist.
    pub async fn inspect_tenant(&self, place: &Place, id: &str) -> Result<Option<TenantInspection>, CallError> {
        let session = self.begin_session().await?;
        let Some(body) = session.fetch_tenant_body(place, id).await? else { return Ok(None) };
        let tenant = session.parse_tenant_of_id(id, &body)?;
        let mut unmapped = unknown_members(&body, &tenant);
        if tenant.known.rdp2swf_state == Some(true) {
            unmapped.push("rdp2swfState".to_owned());
        }
        let branding = session.fetch_branding(id, &tenant).await?;
        let mut images = BTreeMap::new();
        if let ObservedBranding::Visible(branding) = &branding {
            unmapped.extend(unknown_branding_members(&branding.known));
            images = image_paths(&branding.known);
        }
        let observed = mapping::to_observed(place.kind(), tenant, branding, session.has_extensions)?;
        Ok(Some(TenantInspection { observed, images, unmapped }))
    }

    /// Reads an image by its path, from [`TenantInspection::images`].
    ///
    /// # Errors
    /// Also if the path does not lead to this platform.
    pub async fn read_image(&self, path: &str) -> Result<Vec<u8>, CallError> {
        let Some(segments) = image_path_segments(path) else {
            return Err(CallError::malformed_answer("the path of an image does not lead to this platform"));
        };
        self.begin_session().await?.fetch_body(&TenancyCall::file(&segments)).await
    }

    /// Returns whether a path leads to an image on this platform. A URL with a host does not: the credential is sent to
    /// no other host, and no other host is contacted.
    pub fn is_own_image_path(path: &str) -> bool {
        image_path_segments(path).is_some()
    }
}

/// Returns the segments of a path that stays on this platform.
fn image_path_segments(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let is_fit = |segment: &&str| {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(fit)
    };
    segments.iter().all(is_fit).then_some(segments)
}

/// Returns the members that hold a value and that the documented form does not have.
fn unknown_members(body: &[u8], tenant: &ParsedAnswer<Tenant>) -> Vec<String> {
    let (Ok(Value::Object(members)), Ok(known)) = (serde_json::from_slice(body), serde_json::to_value(&tenant.known))
    else {
        return Vec::new();
    };
    let holds = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    };
    let is_unknown = |key: &str, value: &Value| {
        known.get(key).is_none()
            && tenant.unreadable_at(key).is_none()
            && !PROVENANCE_MEMBERS.contains(&key)
            && holds(value)
    };
    members.iter().filter(|(key, value)| is_unknown(key, value)).map(|(key, _)| key.clone()).collect()
}

fn unknown_branding_members(branding: &Branding<ImagePaths>) -> impl Iterator<Item = String> {
    let Branding { sub_domain, domain, header_background_color, tab_background_color, .. } = branding;
    let members = [
        ("subDomain", sub_domain),
        ("domain", domain),
        ("headerBackgroundColor", header_background_color),
        ("tabBackgroundColor", tab_background_color),
    ];
    let holds = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    members.into_iter().filter(move |(_, text)| holds(text)).map(|(name, _)| format!("customBranding.{name}"))
}

fn image_paths(branding: &Branding<ImagePaths>) -> BTreeMap<Field, String> {
    let Branding { logo, fav_icon, login_page_image, .. } = branding;
    let images = [(Field::Logo, logo), (Field::Favicon, fav_icon), (Field::LoginBackgroundImage, login_page_image)];
    let path = |image: &Option<ImagePaths>| image.as_ref().map(|image| image.logo_path.clone());
    images
        .into_iter()
        .filter_map(|(field, image)| Some((field, path(image).filter(|path| !path.is_empty())?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_is_asked_for_only_where_its_path_stays_on_the_platform() {
        assert!(PlatformClient::is_own_image_path("/images/org/92/logo.png"));
        for path in [
            "https://cdn.example/images/org/92/164.png?1600",
            "//cdn.example/a.png",
            "/images//a.png",
            "/../a.png",
            "/a.png?1600",
            "a.png",
            "",
        ] {
            assert!(!PlatformClient::is_own_image_path(path), "{path}");
        }
    }

    #[test]
    fn what_no_setting_stands_for_is_named() {
        let body = json!({
            "uniqueId": "client_1", "name": "A", "mspid": 4, "createdBy": {"loginName": "x"},
            "billing": {"plan": "gold"}, "empty": "", "none": null, "off": false, "list": [],
        });
        let body = body.to_string();
        let tenant = mapping::read_tenant(body.as_bytes(), true).unwrap();
        assert_eq!(unknown_members(body.as_bytes(), &tenant), ["billing"]);
    }
}
