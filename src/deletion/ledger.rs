//! The ledger of terminations: a ConfigMap that is updated before each termination, and only if it is unchanged since
//! it was read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use tenantry_api::{FINALIZER, Partner};
use tenantry_core::{LedgerEntry, LedgerState, TenantKind, TerminationLedger};

use super::operator_namespace;
use crate::FIELD_MANAGER;
use crate::context::Context;
use crate::pass_stop::api_error_message;
use crate::tenant_object::{TenantObject, uid};

/// Name of the ConfigMap.
pub(crate) const LEDGER_NAME: &str = "tenantry-terminations";
/// Key of its entries.
const ENTRIES_KEY: &str = "terminations.json";

/// Reads the ledger, and the ConfigMap that it came from.
pub(super) async fn read_ledger<K: TenantObject>(object: &K, context: &Context) -> (LedgerState, Option<ConfigMap>) {
    let home = operator_namespace(context);
    let map = match Api::<ConfigMap>::namespaced(context.client.clone(), home).get_opt(LEDGER_NAME).await {
        Ok(map) => map,
        Err(error) => return (LedgerState::Unusable(access_remedy(home, &error)), None),
    };
    let Some(map) = map else {
        return (LedgerState::Read { ledger: TerminationLedger::default(), open: Vec::new() }, None);
    };
    let text = map.data.as_ref().and_then(|data| data.get(ENTRIES_KEY)).map(String::as_str).unwrap_or_default();
    match TerminationLedger::from_text(text) {
        Ok(ledger) => {
            let open = if K::KIND == TenantKind::Partner {
                find_open_partners(&ledger, &uid(object), context).await
            } else {
                Vec::new()
            };
            (LedgerState::Read { ledger, open }, Some(map))
        }
        Err(why) => {
            let why = format!(
                "`{ENTRIES_KEY}` of ConfigMap `{home}/{LEDGER_NAME}` is not understood ({why}): correct it, or delete the ConfigMap to start an empty one"
            );
            (LedgerState::Unusable(why), None)
        }
    }
}

fn access_remedy(home: &str, error: &kube::Error) -> String {
    format!(
        "ConfigMap `{home}/{LEDGER_NAME}`: {}: make sure that the namespace is there and that the operator may `get`, `create` and `update` `configmaps` in it",
        api_error_message(error)
    )
}

/// Returns the UIDs of the other Partners in the ledger whose termination is open, because their object still exists. A
/// Partner that cannot be read counts as open.
async fn find_open_partners(ledger: &TerminationLedger, own: &str, context: &Context) -> Vec<String> {
    let mut open = Vec::new();
    for LedgerEntry { uid, object, .. } in ledger.other_partners(own) {
        let Some((namespace, name)) = object.split_once('/') else { continue };
        // The metadata is enough, and it can be read even if a newer release has changed the spec.
        let found = Api::<Partner>::namespaced(context.client.clone(), namespace).get_metadata_opt(name).await;
        let stands = match &found {
            Ok(Some(partner)) => {
                let is_held = partner.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
                partner.uid().as_ref() == Some(uid) && is_held
            }
            Ok(None) => false,
            Err(_) => true,
        };
        if stands {
            open.push(uid.clone());
        }
    }
    open
}

/// Writes the ledger if it is unchanged since it was read. If another process wrote it meanwhile, it is read again.
pub(super) async fn write_ledger(
    read: Option<ConfigMap>,
    ledger: &TerminationLedger,
    context: &Context,
) -> Result<(), String> {
    let home = operator_namespace(context);
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), home);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let data = Some(BTreeMap::from([(ENTRIES_KEY.to_owned(), ledger.to_text())]));
    let written = if let Some(map) = read {
        maps.replace(LEDGER_NAME, &params, &ConfigMap { data, ..map }).await
    } else {
        let metadata = ObjectMeta { name: Some(LEDGER_NAME.to_owned()), ..ObjectMeta::default() };
        maps.create(&params, &ConfigMap { metadata, data, ..ConfigMap::default() }).await
    };
    match written {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
        Err(error) => Err(access_remedy(home, &error)),
    }
}
