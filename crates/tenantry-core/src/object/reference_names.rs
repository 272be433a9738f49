//! Names in references. An older CRD may have accepted an invalid name; no request is made for it.

use tenantry_api::{Partner, Reason, is_data_key, is_namespace_name, is_object_name};

use super::{ParentRef, TenantResource, image_references, secret_references};
use crate::PassOutcome;

/// A name in a reference.
struct ReferenceName<'a> {
    path: &'static str,
    text: &'a str,
    is_valid: fn(&str) -> bool,
}

/// Refuses an object that refers to a name that is invalid in Kubernetes.
///
/// # Errors
///
/// Returns the first invalid name and its path.
pub fn ensure_valid_reference_names<K: TenantResource>(
    object: &K,
    partner: Option<&Partner>,
) -> Result<(), PassOutcome> {
    let parent = object.parent();
    let (images, secrets) = (image_references(object.branding()), secret_references(object.access()));
    let defaults = partner.and_then(|partner| partner.spec.clients.as_ref()?.defaults.as_ref()?.access.as_ref());
    let defaults = secret_references(defaults);
    let name = |path, text| ReferenceName { path, text, is_valid: is_object_name };
    let key = |path, text| ReferenceName { path, text, is_valid: is_data_key };
    let mut names = Vec::new();
    names.extend(object.connection_secret().map(|text| name("connectionSecretRef.name", text)));
    names
        .extend(partner.and_then(TenantResource::connection_secret).map(|text| name("connectionSecretRef.name", text)));
    if let ParentRef::Object(namespace, own) = &parent {
        names.push(ReferenceName { path: "partnerRef.namespace", text: namespace, is_valid: is_namespace_name });
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
    match names.into_iter().find(|name| !(name.is_valid)(name.text)) {
        None => Ok(()),
        Some(ReferenceName { path, text, is_valid: _ }) => Err(PassOutcome::Refused(
            Reason::InvalidValue,
            format!("`{path}` refers to `{}`, which Kubernetes takes for no name: correct it", text.escape_debug()),
        )),
    }
}
