//! Branding: texts, colours, and images judged by their bytes.

use base64::Engine as _;

use super::{ImageRead, Reader};
use crate::api::{Branding, ConfigMapKeyRef, Image, LoginPage, Reason};
use crate::plan::image::{self, ImageKind, ImageRule, Shape};
use crate::plan::{Digest, Field, Value};

impl Reader<'_> {
    pub(super) fn branding(&mut self, branding: &Branding) {
        let Branding { website_title, documentation_url, logo, favicon, login_page } = branding;
        self.text(Field::WebsiteTitle, website_title.as_deref());
        self.text(Field::DocumentationUrl, documentation_url.as_deref());
        self.image(Field::Logo, logo.as_ref(), ImageRule::LOGO);
        self.image(Field::Favicon, favicon.as_ref(), ImageRule::FAVICON);
        if let Some(LoginPage { header, subheader, text_color, background_color, background_image }) = login_page {
            self.text(Field::LoginHeader, header.as_deref());
            self.text(Field::LoginSubheader, subheader.as_deref());
            self.text(Field::LoginTextColor, text_color.as_deref());
            self.text(Field::LoginBackgroundColor, background_color.as_deref());
            self.image(Field::LoginBackgroundImage, background_image.as_ref(), ImageRule::BACKGROUND);
        }
    }

    fn image(&mut self, field: Field, image: Option<&Image>, rule: ImageRule) {
        let Some(Image { config_map_key_ref, inline }) = image else { return };
        let bytes = match (config_map_key_ref, inline) {
            (Some(reference), _) => self.file(field, reference),
            (None, Some(text)) if text.trim().is_empty() => return self.put(field, Value::Cleared),
            (None, Some(text)) => self.inline(field, text),
            (None, None) => None,
        };
        let Some(bytes) = bytes else { return };
        match self.judge(field, &bytes, rule) {
            Err(message) => self.refuse(field, Reason::ImageInvalid, message),
            Ok((kind, advice)) => {
                self.settings.advice.extend(advice.map(|advice| format!("`{}` {advice}", field.path())));
                self.put(field, Value::Image(Digest::of(&bytes)));
                self.settings.payload.images.insert(field, (file_name(field, kind), bytes));
            }
        }
    }

    /// A rule that is newer than the image lets it stay, since nothing is written.
    fn judge(&self, field: Field, bytes: &[u8], rule: ImageRule) -> Result<(ImageKind, Option<String>), String> {
        let judged = image::judge(bytes, rule);
        let is_applied = || self.material.applied_images.get(&field) == Some(&Digest::of(bytes));
        let Some(message) = judged.as_ref().err().filter(|_| is_applied()) else { return judged };
        let (kind, _) = image::judge(bytes, ImageRule { shape: Shape::Any, ..rule })?;
        Ok((kind, Some(format!("{message}; it was applied before and stays, and another one like it is refused"))))
    }

    fn file(&mut self, field: Field, reference: &ConfigMapKeyRef) -> Option<Vec<u8>> {
        let read = self.material.images.get(reference);
        if let Some(ImageRead::File(bytes)) = read {
            return Some(bytes.clone());
        }
        self.refuse(field, Reason::ImageNotFound, no_file(reference, (&self.material.namespace, read)));
        None
    }

    fn inline(&mut self, field: Field, text: &str) -> Option<Vec<u8>> {
        let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(compact).ok();
        if bytes.is_none() {
            self.refuse(field, Reason::ImageInvalid, "is not base64: encode the file with `base64 -w0`".to_owned());
        }
        bytes
    }
}

/// Why there is no file, and the command that puts one there: a name that is taken is not created again, and a patch keeps
/// the labels of what is there.
fn no_file(ConfigMapKeyRef { name, key }: &ConfigMapKeyRef, (namespace, read): (&str, Option<&ImageRead>)) -> String {
    // A check of manifests alone may not know it.
    let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
    let make = format!("kubectl create configmap {name} --from-file={key}");
    let patch = format!("kubectl patch configmap {name}{place} --type=merge --patch-file=/dev/stdin");
    match read {
        None => format!(
            "names key `{key}` of ConfigMap `{name}`, which does not exist: create it in this namespace, for example with `{make}`"
        ),
        Some(ImageRead::Text) => format!(
            "names key `{key}` of ConfigMap `{name}`, which holds a text under it in `data` and not a file in `binaryData`: take the text away with `kubectl patch configmap {name}{place} --type=merge -p '{{\"data\":{{\"{key}\":null}}}}'`, and add the file, for example with `{make} --dry-run=client -o yaml | {patch}`"
        ),
        Some(ImageRead::File(_) | ImageRead::NoKey) => format!(
            "names key `{key}` of ConfigMap `{name}`, which exists and does not have it: correct `key`, or add the file, for example with `{make} --dry-run=client -o yaml | {patch}`"
        ),
    }
}

fn file_name(field: Field, kind: ImageKind) -> String {
    let stem = field.path().rsplit('.').next().unwrap_or("image");
    format!("{stem}.{}", kind.extension())
}
