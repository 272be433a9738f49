//! A tenant as a whole, for those who write down what is there: with its images, and with what no setting stands for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::call::Call;
use super::error::Error;
use super::map::{self, Branded, Parsed};
use super::place::Place;
use super::platform::Platform;
use crate::plan::{Field, Observed};
use crate::wire::{Branding, ImagePaths, Tenant};

/// A tenant as a whole.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its settings.
    pub observed: Observed,
    /// Where its images are, for [`Platform::image`].
    pub images: BTreeMap<Field, String>,
    /// Members of the answers that hold something and that no setting stands for.
    pub unmapped: Vec<String>,
}

/// Members that tell how the tenant came about, or the same thing twice.
const TOLD: [&str; 5] = ["mspid", "mspDetails", "createdBy", "lastUpdatedBy", "showCopyClipboard"];

impl Platform {
    /// Reads a tenant with everything that the platform shows of it; nothing where this id does not exist.
    pub async fn inspect(&self, place: &Place, id: &str) -> Result<Option<Inspection>, Error> {
        let turn = self.turn().await?;
        let Some(body) = turn.tenant_body(place, id).await? else { return Ok(None) };
        let tenant = turn.of_id(id, &body)?;
        let mut unmapped = unknown(&body, &tenant);
        if tenant.known.rdp2swf_state == Some(true) {
            unmapped.push("rdp2swfState".to_owned());
        }
        let branding = turn.branding(id, &tenant).await?;
        let mut images = BTreeMap::new();
        if let Branded::Shown(branding) = &branding {
            unmapped.extend(unknown_branding(&branding.known));
            images = paths(&branding.known);
        }
        let observed = map::observed(place.kind(), tenant, branding, turn.extensions)?;
        Ok(Some(Inspection { observed, images, unmapped }))
    }

    /// Reads an image by its path, as [`Inspection::images`] names it.
    ///
    /// # Errors
    /// Among others a path that does not lead to this platform.
    pub async fn image(&self, path: &str) -> Result<Vec<u8>, Error> {
        let Some(segments) = segments(path) else {
            return Err(Error::malformed("the path of an image does not lead to this platform"));
        };
        self.turn().await?.body(&Call::file(&segments)).await
    }

    /// Whether a path leads to an image of this platform. One with a host of its own does not: the credential goes to no
    /// other host, and no other host is asked at all.
    pub fn has_image(path: &str) -> bool {
        segments(path).is_some()
    }
}

/// The segments of a path that stays on this platform.
fn segments(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let is_fit = |segment: &&str| {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(fit)
    };
    segments.iter().all(is_fit).then_some(segments)
}

/// Members that hold something and that are not of the documented form.
fn unknown(body: &[u8], tenant: &Parsed<Tenant>) -> Vec<String> {
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
        known.get(key).is_none() && tenant.odd_at(key).is_none() && !TOLD.contains(&key) && holds(value)
    };
    members.iter().filter(|(key, value)| is_unknown(key, value)).map(|(key, _)| key.clone()).collect()
}

fn unknown_branding(branding: &Branding<ImagePaths>) -> impl Iterator<Item = String> {
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

fn paths(branding: &Branding<ImagePaths>) -> BTreeMap<Field, String> {
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
    fn what_no_setting_stands_for_is_named() {
        let body = json!({
            "uniqueId": "client_1", "name": "A", "mspid": 4, "createdBy": {"loginName": "x"},
            "billing": {"plan": "gold"}, "empty": "", "none": null, "off": false, "list": [],
        });
        let body = body.to_string();
        let tenant = map::read_tenant(body.as_bytes(), true).unwrap();
        assert_eq!(unknown(body.as_bytes(), &tenant), ["billing"]);
    }
}
