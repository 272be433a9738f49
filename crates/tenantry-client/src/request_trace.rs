//! The trace of one pass: an id for its log lines, and numbered ids for its requests.

use std::cell::Cell;

tokio::task_local! {
    static TRACE: Trace;
}

/// A trace, and how many requests were sent in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Id: 32 hexadecimal digits, as in W3C trace contexts; empty outside a trace.
    pub id: String,
    /// Number of requests to platforms.
    pub requests: Cell<u32>,
    /// Number of those requests that change something.
    pub changes: Cell<u32>,
}

/// Runs a future in a new trace.
pub async fn with_new_trace<F: Future>(work: F) -> F::Output {
    TRACE.scope(Trace { id: random_id(), ..Trace::default() }, work).await
}

/// Returns the current trace; an empty one outside a trace.
pub fn current_trace() -> Trace {
    TRACE.try_with(Trace::clone).unwrap_or_default()
}

/// Returns the id of the next request: the trace's id with a number, so that one search finds both sides of it.
pub(super) fn next_request_id(is_change: bool) -> String {
    let numbered = |trace: &Trace| {
        trace.requests.set(trace.requests.get() + 1);
        trace.changes.set(trace.changes.get() + u32::from(is_change));
        format!("{}-{}", trace.id, trace.requests.get())
    };
    TRACE.try_with(numbered).unwrap_or_else(|_| random_id())
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
