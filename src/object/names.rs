//! Names in references. An older definition may have let one through that is none: no request is made of it.

use super::{Object, Parent, image_keys, secret_keys};
use crate::api::{Partner, Reason, is_data_key, is_namespace_name, is_object_name};
use crate::plan::Outcome;

/// A name in a reference.
struct Name<'a> {
    path: &'static str,
    text: &'a str,
    is_fit: fn(&str) -> bool,
}

/// Refuses an object that refers to a name which nothing in Kubernetes can have.
///
/// # Errors
/// The first of them, and where it stands.
pub(crate) fn refuse_names<K: Object>(object: &K, partner: Option<&Partner>) -> Result<(), Outcome> {
    let parent = object.parent();
    let (images, secrets) = (image_keys(object.branding()), secret_keys(object.access()));
    let defaults = partner.and_then(|partner| partner.spec.clients.as_ref()?.defaults.as_ref()?.access.as_ref());
    let defaults = secret_keys(defaults);
    let name = |path, text| Name { path, text, is_fit: is_object_name };
    let key = |path, text| Name { path, text, is_fit: is_data_key };
    let mut names = Vec::new();
    names.extend(object.connection_secret().map(|text| name("connectionSecretRef.name", text)));
    names.extend(partner.and_then(Object::connection_secret).map(|text| name("connectionSecretRef.name", text)));
    if let Parent::Object(namespace, own) = &parent {
        names.push(Name { path: "partnerRef.namespace", text: namespace, is_fit: is_namespace_name });
        names.push(name("partnerRef.name", own));
    }
    for image in &images {
        names.extend([name("branding", &image.name), key("branding", &image.key)]);
    }
    for secret in &secrets {
        names.extend([name("security.access.duo", &secret.name), key("security.access.duo", &secret.key)]);
    }
    for secret in &defaults {
        let path = "clients.defaults.access.duo";
        names.extend([name(path, &secret.name), key(path, &secret.key)]);
    }
    match names.into_iter().find(|name| !(name.is_fit)(name.text)) {
        None => Ok(()),
        Some(Name { path, text, is_fit: _ }) => Err(Outcome::Refused(
            Reason::InvalidValue,
            format!("`{path}` refers to `{}`, which Kubernetes takes for no name: correct it", text.escape_debug()),
        )),
    }
}
