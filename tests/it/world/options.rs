//! What worlds are made with.

use serde_json::Value;

use crate::process::{self, Result};
use crate::programs::OperatorOptions;

/// Proxies that may stand before the platform of one world: the operator learns at its start which hosts it may talk to.
const PROXY_PORT_COUNT: usize = 48;

/// Hosts that the operator may talk to and where nobody listens yet.
pub(super) fn reserve_proxy_hosts() -> Result<Vec<String>> {
    (0..PROXY_PORT_COUNT).map(|_| Ok(format!("127.0.0.1:{}", process::free_port()?))).collect()
}

/// Tests that share a world end more tenants within the hour than any business would.
pub(super) fn allow_many_terminations(options: &mut OperatorOptions) {
    for flag in ["--max-partner-terminations-per-hour", "--max-client-terminations-per-hour"] {
        options.flags.extend([flag.to_owned(), "1000".to_owned()]);
    }
}

/// Leadership that passes on quickly, for a test that kills: its operator must not wait long for its former self.
pub fn use_short_lease(options: &mut OperatorOptions) {
    let flags = ["--lease-duration", "6s", "--renew-deadline", "5s", "--retry-period", "250ms"];
    options.flags.extend(flags.map(str::to_owned));
}

/// Puts members of one object over another, deeply.
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
