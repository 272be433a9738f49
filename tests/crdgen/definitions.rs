//! The definitions as files.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Returns a definition as YAML. The same definition has the same text in every run.
///
/// # Errors
///
/// Fails if the serializer fails, which a definition gives no reason for.
pub(crate) fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::ser::Error> {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(crd, options)
}
