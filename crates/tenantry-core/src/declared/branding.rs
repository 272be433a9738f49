//! Branding: texts, colours, and images that are checked by their bytes.

use base64::Engine as _;
use tenantry_api::{BrandingSpec, ConfigMapKeyRef, ImageSource, LoginPage, Reason};

use super::{ConfigMapEntry, SettingsReader};
use crate::image::{self, ImageFormat, ImageRule, ImageShape};
use crate::{Digest, Field, Value};

impl SettingsReader<'_> {
    pub(super) fn read_branding(&mut self, branding: &BrandingSpec) {
        let BrandingSpec { website_title, documentation_url, logo, favicon, login_page } = branding;
        self.set_text(Field::WebsiteTitle, website_title.as_deref());
        self.set_text(Field::DocumentationUrl, documentation_url.as_deref());
        self.read_image(Field::Logo, logo.as_ref(), ImageRule::LOGO);
        self.read_image(Field::Favicon, favicon.as_ref(), ImageRule::FAVICON);
        if let Some(LoginPage { header, subheader, text_color, background_color, background_image }) = login_page {
            self.set_text(Field::LoginHeader, header.as_deref());
            self.set_text(Field::LoginSubheader, subheader.as_deref());
            self.set_text(Field::LoginTextColor, text_color.as_deref());
            self.set_text(Field::LoginBackgroundColor, background_color.as_deref());
            self.read_image(Field::LoginBackgroundImage, background_image.as_ref(), ImageRule::BACKGROUND);
        }
    }

    fn read_image(&mut self, field: Field, image: Option<&ImageSource>, rule: ImageRule) {
        let Some(ImageSource { config_map_key_ref, inline }) = image else { return };
        let bytes = match (config_map_key_ref, inline) {
            (Some(reference), _) => self.find_config_map_file(field, reference),
            (None, Some(text)) if text.trim().is_empty() => return self.set_value(field, Value::Cleared),
            (None, Some(text)) => self.decode_inline_image(field, text),
            (None, None) => None,
        };
        let Some(bytes) = bytes else { return };
        match self.check_field_image(field, &bytes, rule) {
            Err(message) => self.add_invalid(field, Reason::ImageInvalid, message),
            Ok((kind, advice)) => {
                self.settings.advice.extend(advice.map(|advice| format!("`{}` {advice}", field.path())));
                self.set_value(field, Value::Image(Digest::of_bytes(&bytes)));
                self.settings.payload.images.insert(field, (image_file_name(field, kind), bytes));
            }
        }
    }

    /// Checks an image. An image that was applied before the rule for its shape existed is accepted, because it is not
    /// written again.
    fn check_field_image(
        &self,
        field: Field,
        bytes: &[u8],
        rule: ImageRule,
    ) -> Result<(ImageFormat, Option<String>), String> {
        let judged = image::check_image(bytes, rule);
        let is_applied = || self.references.applied_images.get(&field) == Some(&Digest::of_bytes(bytes));
        let Some(message) = judged.as_ref().err().filter(|_| is_applied()) else { return judged };
        let (kind, _) = image::check_image(bytes, ImageRule { shape: ImageShape::Any, ..rule })?;
        Ok((kind, Some(format!("{message}; it was applied before and stays, and another one like it is refused"))))
    }

    fn find_config_map_file(&mut self, field: Field, reference: &ConfigMapKeyRef) -> Option<Vec<u8>> {
        let read = self.references.images.get(reference);
        if let Some(ConfigMapEntry::File(bytes)) = read {
            return Some(bytes.clone());
        }
        self.add_invalid(
            field,
            Reason::ImageNotFound,
            missing_file_message(reference, &self.references.namespace, read),
        );
        None
    }

    fn decode_inline_image(&mut self, field: Field, text: &str) -> Option<Vec<u8>> {
        let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(compact).ok();
        if bytes.is_none() {
            self.add_invalid(
                field,
                Reason::ImageInvalid,
                "is not base64: encode the file with `base64 -w0`".to_owned(),
            );
        }
        bytes
    }
}

/// Returns why the file is missing, and the command that adds it. An existing ConfigMap cannot be created again, so the
/// command patches it, which keeps its labels.
fn missing_file_message(
    ConfigMapKeyRef { name, key }: &ConfigMapKeyRef,
    namespace: &str,
    read: Option<&ConfigMapEntry>,
) -> String {
    // A check that only has manifests may not know the namespace.
    let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
    let make = format!("kubectl create configmap {name} --from-file={key}");
    let patch = format!("kubectl patch configmap {name}{place} --type=merge --patch-file=/dev/stdin");
    match read {
        None => format!(
            "names key `{key}` of ConfigMap `{name}`, which does not exist: create it in this namespace, for example with `{make}`"
        ),
        Some(ConfigMapEntry::Text) => format!(
            "names key `{key}` of ConfigMap `{name}`, which holds a text under it in `data` and not a file in `binaryData`: take the text away with `kubectl patch configmap {name}{place} --type=merge -p '{{\"data\":{{\"{key}\":null}}}}'`, and add the file, for example with `{make} --dry-run=client -o yaml | {patch}`"
        ),
        Some(ConfigMapEntry::File(_) | ConfigMapEntry::NoKey) => format!(
            "names key `{key}` of ConfigMap `{name}`, which exists and does not have it: correct `key`, or add the file, for example with `{make} --dry-run=client -o yaml | {patch}`"
        ),
    }
}

fn image_file_name(field: Field, kind: ImageFormat) -> String {
    let stem = field.path().rsplit('.').next().unwrap_or("image");
    format!("{stem}.{}", kind.extension())
}
