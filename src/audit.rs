//! One audit line for each change on a platform: what, for which object, who declared it, and how it ended.
//!
//! The lines go to the log with the target `audit`, so that they can be kept longer than the rest.

use std::cell::RefCell;

use tenantry_client::{CallError, Exchange, current_trace};
use tenantry_core::{Digest, Field};

use super::tenant_object::{TenantObject, namespaced_name, uid};

tokio::task_local! {
    /// The exchanges of the change in progress.
    static EXCHANGES: RefCell<Vec<Exchange>>;
}

/// Records an exchange for the audit line of its change.
pub(super) fn record_exchange(exchange: &Exchange) {
    // Reads outside a change appear in no line.
    let _ = EXCHANGES.try_with(|exchanges| exchanges.borrow_mut().push(exchange.clone()));
}

/// A change to audit.
pub(super) struct AuditedChange<'a> {
    /// The step, for example `create`.
    pub(super) operation: &'static str,
    /// The id or name of the tenant, where it is known.
    pub(super) tenant: &'a str,
    /// The settings to write.
    pub(super) fields: Vec<Field>,
    /// Digest of the platform's previous values, and of the declared values.
    pub(super) digests: Option<(Digest, Digest)>,
}

/// Runs a change and writes its audit line.
pub(super) async fn run_and_log_change<K: TenantObject, T>(
    object: &K,
    change: AuditedChange<'_>,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let (result, exchanges) = EXCHANGES
        .scope(RefCell::default(), async {
            let result = call.await;
            (result, EXCHANGES.with(RefCell::take))
        })
        .await;
    let AuditedChange { operation, tenant, fields, digests } = change;
    let paths: Vec<&str> = fields.iter().map(|field| field.path()).collect();
    let (before, after) =
        digests.map_or((String::new(), String::new()), |(before, after)| (before.to_string(), after.to_string()));
    let requests: Vec<&str> = exchanges.iter().map(|one| one.request_id.as_str()).collect();
    let last = exchanges.last();
    tracing::info!(
        target: "audit",
        trace = current_trace().id,
        kind = K::KIND.name(),
        object = namespaced_name(object),
        uid = uid(object),
        generation = object.meta().generation.unwrap_or_default(),
        declared_by = last_declarer(object),
        operation,
        tenant,
        settings = paths.join(","),
        before,
        after,
        requests = requests.join(","),
        code = last.and_then(|one| one.code).unwrap_or_default(),
        outcome = outcome_label(&result),
        "change"
    );
    result
}

fn outcome_label<T>(result: &Result<T, CallError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(error) if error.may_have_been_applied() => "unknown",
        Err(_) => "refused",
    }
}

/// Returns who last wrote the object apart from its status, from managedFields: the field manager and the time.
fn last_declarer<K: TenantObject>(object: &K) -> String {
    let entries = object.meta().managed_fields.as_deref().unwrap_or_default();
    let last = entries
        .iter()
        .filter(|entry| entry.subresource.as_deref().is_none_or(str::is_empty))
        .filter(|entry| entry.manager.as_deref() != Some(super::FIELD_MANAGER))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    last.map_or_else(String::new, |entry| {
        let time = entry.time.as_ref().map(|time| time.0.to_string()).unwrap_or_default();
        format!("{} {time}", entry.manager.clone().unwrap_or_default())
    })
}
