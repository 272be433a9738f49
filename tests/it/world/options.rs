//! Options of worlds.

use serde_json::Value;

use crate::process::{self, Result};
use crate::programs::OperatorOptions;

/// Number of proxies in front of the platform of one world: the operator receives its allowed hosts at the start.
const PROXY_PORT_COUNT: usize = 48;

/// Reserves hosts that the operator may use and that are not in use yet.
pub(super) fn reserve_proxy_hosts() -> Result<Vec<String>> {
    (0..PROXY_PORT_COUNT).map(|_| Ok(format!("127.0.0.1:{}", process::free_port()?))).collect()
}

/// Allows more terminations per hour than the default, since tests share a world.
pub(super) fn allow_many_terminations(options: &mut OperatorOptions) {
    for flag in ["--max-partner-terminations-per-hour", "--max-client-terminations-per-hour"] {
        options.flags.extend([flag.to_owned(), "1000".to_owned()]);
    }
}

/// Shortens the lease, so that after a kill the operator does not wait long for its predecessor's lease.
pub fn use_short_lease(options: &mut OperatorOptions) {
    let flags = ["--lease-duration", "6s", "--renew-deadline", "5s", "--retry-period", "250ms"];
    options.flags.extend(flags.map(str::to_owned));
}

/// Merges members of one object into another, recursively.
pub fn merge_json(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge_json(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
