//! The record of a termination: an immutable ConfigMap, written before the termination and never deleted by the
//! operator.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{Api, PostParams};
use tenantry_api::GROUP;
use tenantry_core::{
    ConfirmationAuthor, DeletionIntent, Digest, EVIDENCE_KEY, EvidenceState, EvidenceStatement, build_evidence,
    evidence_names, is_evidence,
};

use super::{ReachedPlatform, operator_namespace};
use crate::FIELD_MANAGER;
use crate::apply_plan::stop_for_error;
use crate::context::Context;
use crate::pass_stop::{PassStop, api_error_message};
use crate::tenant_object::{TenantObject, uid, unique_id};

/// Key of the digest over the record.
const DIGEST_KEY: &str = "digest";

/// Finds the record of this termination.
pub(super) async fn find_evidence<K: TenantObject>(
    object: &K,
    confirm_digest: &str,
    context: &Context,
) -> EvidenceState {
    let home = operator_namespace(context);
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), home);
    let uid = uid(object);
    let names = evidence_names(&uid, confirm_digest);
    for name in &names {
        match maps.get_opt(name).await {
            Ok(None) => return EvidenceState::Missing(name.clone()),
            Ok(Some(map)) if is_this_evidence(&map, (&uid, confirm_digest)) => {
                return EvidenceState::Present(format!("{home}/{name}"));
            }
            // It belongs to an earlier termination or to somebody else.
            Ok(Some(_)) => {}
            Err(error) => return EvidenceState::Unusable(access_remedy(home, &error)),
        }
    }
    EvidenceState::Unusable(format!("ConfigMap `{home}/{}` holds something else: delete it", names[1]))
}

fn is_this_evidence(map: &ConfigMap, wanted: (&str, &str)) -> bool {
    let text = |key: &str| map.data.as_ref().and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default();
    map.immutable == Some(true) && is_evidence(text(EVIDENCE_KEY), text(DIGEST_KEY), wanted)
}

fn access_remedy(home: &str, error: &kube::Error) -> String {
    format!(
        "in namespace `{home}` {}: make sure that the namespace is there and that the operator may `get` and `create` `configmaps` in it",
        api_error_message(error)
    )
}

/// Writes the record, or returns why it cannot be written.
pub(super) async fn write_evidence<K: TenantObject>(
    name: &str,
    object: &K,
    intent: &DeletionIntent<'_>,
    ReachedPlatform { platform, place }: &ReachedPlatform,
    context: &Context,
) -> Result<Result<(), String>, PassStop> {
    let id = unique_id(object).unwrap_or_default();
    let read = platform
        .read_tenant(place, id, true)
        .await
        .map_err(|error| stop_for_error(K::KIND, &error, platform, context))?;
    // The tenant disappeared since the last read. The next step sees that.
    let Some(observed) = read else { return Ok(Ok(())) };
    let host = platform.host();
    let statement = EvidenceStatement {
        intent,
        observed: &observed,
        host: &host,
        parent_id: place.parent_id(),
        deletion_requested_at: object.meta().deletion_timestamp.as_ref().map(|time| time.0.to_string()),
        confirmed_by: confirmation_authors(object.meta().managed_fields.as_deref().unwrap_or_default()),
    };
    let (text, digest) = match build_evidence(&statement, tenantry_runtime::clock::now()) {
        Ok(made) => made,
        Err(why) => return Ok(Err(why)),
    };
    let home = operator_namespace(context);
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(format!("{GROUP}/unique-id"), label_value(id))])),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(BTreeMap::from([(EVIDENCE_KEY.to_owned(), text), (DIGEST_KEY.to_owned(), digest)])),
        ..ConfigMap::default()
    };
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match Api::<ConfigMap>::namespaced(context.client.clone(), home).create(&params, &map).await {
        Ok(_) => Ok(Ok(())),
        // It exists by now. The next step checks whether it is this record.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Ok(())),
        Err(error) => Ok(Err(access_remedy(home, &error))),
    }
}

/// Returns the value of a label. An id that is not a valid label value is replaced by its digest.
fn label_value(id: &str) -> String {
    let fits = id.len() <= 63
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.ends_with(|c: char| c.is_ascii_alphanumeric());
    if fits { id.to_owned() } else { Digest::of_bytes(id.as_bytes()).hex()[..63].to_owned() }
}

/// Returns the field managers that own the confirmation, from managedFields.
fn confirmation_authors(fields: &[ManagedFieldsEntry]) -> Vec<ConfirmationAuthor> {
    let owns = |entry: &&ManagedFieldsEntry| {
        let owned = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.subresource.as_deref().is_none_or(str::is_empty)
            && owned.is_some_and(|owned| owned.pointer("/f:spec/f:deletion/f:confirm").is_some())
    };
    fields
        .iter()
        .filter(owns)
        .map(|entry| ConfirmationAuthor {
            manager: entry.manager.clone().unwrap_or_default(),
            operation: entry.operation.clone().unwrap_or_default(),
            time: entry.time.as_ref().map(|time| time.0.to_string()),
        })
        .collect()
}
