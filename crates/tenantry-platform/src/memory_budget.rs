//! Limits the bytes of bodies and answers that the platform holds at once.
//!
//! A connection costs little, but what it carries may be megabytes, for as long as a client sends or reads slowly. So
//! each body is counted before it is read, and each large answer until its last byte has left. One partner with all its
//! clients, people and credentials has a share of the limit, and so has one source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::error::ApiError;
use super::limits::{MAX_BUFFERED_BYTES, MAX_BUFFERED_BYTES_PER_OWNER, UNTRACKED_ANSWER_BYTES};
use super::login_policy::request_source::RequestSource;
use super::metrics::PROBES;

/// Owner of a share of the limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum MemoryOwner {
    /// The service provider, or a partner with all below it.
    Root(i64),
    /// An IPv4 address, or 64 bits of IPv6.
    Network(String),
}

/// Bytes that are held now.
#[derive(Default)]
pub(super) struct MemoryBudget {
    usage: Mutex<MemoryUsage>,
}

#[derive(Default)]
struct MemoryUsage {
    all: usize,
    by: HashMap<MemoryOwner, usize>,
    /// Requests refused since the start.
    refused: u64,
}

/// Counts bytes until it is dropped.
pub(super) struct MemoryReservation {
    budget: Arc<MemoryBudget>,
    owners: Vec<MemoryOwner>,
    bytes: usize,
}

impl MemoryBudget {
    /// Reserves bytes. Returns `None` if one of the owners, or all together, would exceed the limit. A reservation
    /// larger than a share is granted if its owner holds nothing else, because otherwise it could never be granted.
    fn reserve(self: &Arc<Self>, owners: &[MemoryOwner], bytes: usize) -> Option<MemoryReservation> {
        let mut sums = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |own: usize| own == 0 || own + bytes <= MAX_BUFFERED_BYTES_PER_OWNER;
        let each = owners.iter().all(|holder| has_room(sums.by.get(holder).copied().unwrap_or_default()));
        if !each || sums.all > 0 && sums.all + bytes > MAX_BUFFERED_BYTES {
            sums.refused += 1;
            if sums.refused.checked_ilog10().is_some_and(|power| 10_u64.pow(power) == sums.refused) {
                tracing::warn!(?owners, bytes, held = sums.all, refused = sums.refused, "no memory for a request");
            }
            return None;
        }
        Some(self.add_reservation(&mut sums, owners, bytes))
    }

    /// Counts bytes that are already in memory and can no longer be refused.
    fn reserve_unconditionally(self: &Arc<Self>, owners: &[MemoryOwner], bytes: usize) -> MemoryReservation {
        let mut sums = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        self.add_reservation(&mut sums, owners, bytes)
    }

    fn add_reservation(
        self: &Arc<Self>,
        sums: &mut MemoryUsage,
        owners: &[MemoryOwner],
        bytes: usize,
    ) -> MemoryReservation {
        sums.all += bytes;
        for holder in owners {
            *sums.by.entry(holder.clone()).or_default() += bytes;
        }
        MemoryReservation { budget: Arc::clone(self), owners: owners.to_vec(), bytes }
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        let mut sums = self.budget.usage.lock().unwrap_or_else(PoisonError::into_inner);
        sums.all = sums.all.saturating_sub(self.bytes);
        for holder in &self.owners {
            let Some(own) = sums.by.get_mut(holder) else { continue };
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                sums.by.remove(holder);
            }
        }
    }
}

/// Memory that a request holds, from its head to its answer.
#[derive(Clone)]
pub(super) struct RequestMemory {
    budget: Arc<MemoryBudget>,
    /// Owners known at this point.
    state: Arc<Mutex<RequestMemoryState>>,
}

struct RequestMemoryState {
    holders: Vec<MemoryOwner>,
    bodies: Vec<MemoryReservation>,
}

impl RequestMemory {
    fn new(budget: &Arc<MemoryBudget>, source: RequestSource) -> Self {
        let open = RequestMemoryState { holders: vec![MemoryOwner::Network(source.network_key())], bodies: Vec::new() };
        Self { budget: Arc::clone(budget), state: Arc::new(Mutex::new(open)) }
    }

    /// Returns the memory of a request whose source holds its complete share.
    #[cfg(test)]
    pub(super) fn new_exhausted() -> Self {
        let source = RequestSource::from_request(&axum::http::Extensions::new(), &axum::http::HeaderMap::new(), &[]);
        let account = Self::new(&Arc::default(), source);
        assert!(account.reserve_body(MAX_BUFFERED_BYTES_PER_OWNER) && !account.reserve_body(1));
        account
    }

    /// Adds the owner once the caller is known: a partner, or the service provider.
    pub(super) fn add_owner(&self, root: i64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).holders.push(MemoryOwner::Root(root));
    }

    /// Reserves a body for as long as the request lasts, because the handler keeps what was read. Returns whether it
    /// fits.
    pub(super) fn reserve_body(&self, bytes: usize) -> bool {
        let mut open = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let hold = self.budget.reserve(&open.holders, bytes);
        let has_room = hold.is_some();
        open.bodies.extend(hold);
        has_room
    }

    /// Reserves the bytes of data that is loaded for an answer.
    pub(super) fn reserve_bytes(&self, bytes: usize) -> Result<MemoryReservation, ApiError> {
        let open = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.budget.reserve(&open.holders, bytes).ok_or(ApiError::MemoryLimitReached)
    }

    fn reserve_answer(&self, bytes: usize, is_read: bool) -> Result<MemoryReservation, ApiError> {
        if is_read {
            return self.reserve_bytes(bytes);
        }
        let open = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.budget.reserve_unconditionally(&open.holders, bytes))
    }
}

/// Marks an answer whose bytes are already counted.
#[derive(Clone, Copy)]
pub(super) struct AlreadyCounted;

/// Bytes of an answer with their reservation.
pub(super) struct TrackedBytes {
    pub(super) bytes: Bytes,
    pub(super) _hold: MemoryReservation,
}

impl AsRef<[u8]> for TrackedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Gives each request its memory account and counts its answer until the last byte has left. If the memory is
/// exhausted, the answer of a read is discarded; the answer of a write is sent, because the change was made.
pub(super) async fn track_memory(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let account = RequestMemory::new(&app.memory_budget, source);
    request.extensions_mut().insert(account.clone());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_probe = PROBES.contains(&request.uri().path());
    let response = next.run(request).await;
    let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let is_counted = response.extensions().get::<AlreadyCounted>().is_some() || is_probe;
    let Some(length) = length.filter(|length| *length > UNTRACKED_ANSWER_BYTES && !is_counted) else { return response };
    match account.reserve_answer(length, is_read) {
        Ok(hold) => track_response(response, length, hold).await,
        Err(error) => error.into_response(),
    }
}

async fn track_response(response: Response, length: usize, hold: MemoryReservation) -> Response {
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, length).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(Bytes::from_owner(TrackedBytes { bytes, _hold: hold }))),
        Err(_) => ApiError::Internal.into_response(),
    }
}

/// Returns the body length that a request declares, at most `limit`; `limit` if it declares none.
pub(super) fn declared_length(request: &Request, limit: usize) -> usize {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    declared.unwrap_or(limit).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_has_a_part_and_what_is_dropped_is_free_again() {
        let ledger = Arc::new(MemoryBudget::default());
        let mebibyte = 1 << 20;
        let many = |holders: &[MemoryOwner]| {
            std::iter::from_fn(|| ledger.reserve(holders, mebibyte)).take(99).collect::<Vec<_>>()
        };
        let network = |last: u8| MemoryOwner::Network(format!("203.0.113.{last}"));
        let one = many(&[network(1), MemoryOwner::Root(2)]);
        assert_eq!(one.len(), 16);
        assert!(
            ledger.reserve(&[network(2), MemoryOwner::Root(2)], mebibyte).is_none(),
            "another source, the same partner"
        );
        assert!(
            ledger.reserve(&[network(1), MemoryOwner::Root(3)], mebibyte).is_none(),
            "another partner, the same source"
        );
        let others: Vec<_> = (3..9).map(|last| many(&[network(last)])).collect();
        assert_eq!(others.iter().map(Vec::len).sum::<usize>(), 48, "all together have a bound");
        drop((one, others));
        let large = ledger.reserve(&[network(1)], 20 * mebibyte).unwrap();
        assert!(ledger.reserve(&[network(1)], 1).is_none());
        drop(large);
        let sums = ledger.usage.lock().unwrap();
        assert!(sums.all == 0 && sums.by.is_empty());
    }
}
