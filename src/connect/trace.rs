//! What belongs to one pass: an id for its lines in the log, and numbers under it for its requests.

use std::cell::Cell;

tokio::task_local! {
    static TRACE: Trace;
}

/// A trace and what was sent under it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Id: 32 hexadecimal digits, as W3C trace contexts have them; empty outside of a trace.
    pub id: String,
    /// Requests to platforms.
    pub requests: Cell<u32>,
    /// Those of them that change something.
    pub changes: Cell<u32>,
}

/// Does something under a new trace.
pub async fn with_new_trace<F: Future>(work: F) -> F::Output {
    TRACE.scope(Trace { id: random_id(), ..Trace::default() }, work).await
}

/// The trace as it stands; an empty one outside.
pub fn current_trace() -> Trace {
    TRACE.try_with(Trace::clone).unwrap_or_default()
}

/// Id of the next request: the trace's with a number, so that one search finds both sides of it.
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
