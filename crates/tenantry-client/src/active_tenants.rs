//! The live tenants of a place, suspended ones included, listed once for a burst of creates.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenantry_core::Place;
use tenantry_wire::{Mark, TenantSearchItem, WireTenantState};
use tokio::time::Instant;

use super::error::CallError;
use super::mapping::UnreadableRow;
use super::single_flight::{Completed, SingleFlight};

/// Maximum age of an answer that serves a burst.
const MAX_BURST_AGE: Duration = Duration::from_secs(5);
/// How long a created tenant is remembered and added to lists in flight; no call takes longer.
const CREATED_RETENTION: Duration = Duration::from_mins(2);
/// Above this number of places, expired answers are removed.
const MAX_PLACES: usize = 64;

/// How fresh a list must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFreshness {
    /// An answer up to five seconds old is accepted; a tenant that this process has created since is in it.
    Recent,
    /// The request for the answer began after the call.
    Current,
}

/// A tenant that is not terminated, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTenant {
    /// Unique id.
    pub unique_id: String,
    /// Name.
    pub name: String,
    /// The owner, where the list shows it; a platform without the extensions never does.
    pub mark: Option<Mark>,
}

impl ListedTenant {
    /// Converts the row of a search; returns `None` for a terminated tenant.
    pub(super) fn from_search_item(item: TenantSearchItem) -> Option<Self> {
        let TenantSearchItem { unique_id, name, status, managed_by, .. } = item;
        (status != Some(WireTenantState::Terminated)).then_some(Self { unique_id, name, mark: managed_by })
    }
}

/// The live tenants of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantListing {
    /// The tenants that a list shows with id and name.
    pub rows: Vec<ListedTenant>,
    /// Rows that do not identify their tenant.
    pub unreadable: Vec<UnreadableRow>,
}

impl TenantListing {
    /// Builds the listing from the rows of a search.
    pub(super) fn from_rows(rows: impl IntoIterator<Item = TenantSearchItem>, unreadable: Vec<UnreadableRow>) -> Self {
        let odd = unreadable.into_iter().filter(|row| !row.is_terminated).collect();
        Self { rows: rows.into_iter().filter_map(ListedTenant::from_search_item).collect(), unreadable: odd }
    }

    /// Adds the tenants of another list that are missing here.
    pub(super) fn merge(&mut self, other: Self) {
        let known: HashSet<String> = self.rows.iter().map(|row| row.unique_id.clone()).collect();
        self.rows.extend(other.rows.into_iter().filter(|row| !known.contains(&row.unique_id)));
        self.unreadable.extend(other.unreadable);
    }

    /// Returns the name of each tenant, or what is known of its row.
    pub fn display_names(&self) -> impl Iterator<Item = String> {
        let named = self.rows.iter().map(|row| row.name.clone());
        named.chain(self.unreadable.iter().map(ToString::to_string))
    }
}

/// The result of a search for tenants by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameSearchResult {
    /// All tenants of the names; with others among them where the platform cannot filter by name.
    Complete(Arc<TenantListing>),
    /// It is not known whether there are others, and why.
    Inconclusive(String),
}

type SharedListing = Arc<TenantListing>;

/// The lists of every place that was requested lately.
#[derive(Default)]
pub(super) struct LiveTenantCache(Mutex<HashMap<Place, Arc<CachedListing>>>);

/// The list of one place. `recent_changes` is only changed while the last list is locked.
#[derive(Default)]
struct CachedListing {
    single_flight: SingleFlight<SharedListing>,
    recent_changes: Mutex<RecentChanges>,
}

/// What happened since the requests for lists that may still be in flight.
#[derive(Default)]
struct RecentChanges {
    /// Tenants that this process created, oldest first.
    created: VecDeque<(Instant, ListedTenant)>,
    /// Lists requested before this time are invalid.
    invalidated_at: Option<Instant>,
}

/// A create in flight. Unless its result is confirmed, the lists of its place are invalidated when it is dropped.
pub(super) struct PendingCreate<'a> {
    cache: &'a LiveTenantCache,
    place: &'a Place,
    is_open: bool,
}

impl PendingCreate<'_> {
    /// Confirms that nothing was created.
    pub(super) fn confirm_none_created(mut self) {
        self.is_open = false;
    }

    /// Confirms that a tenant was created.
    pub(super) fn confirm_created(mut self, tenant: &ListedTenant) {
        self.is_open = false;
        self.cache.record_created(self.place, tenant);
    }
}

impl Drop for PendingCreate<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.cache.invalidate(self.place);
        }
    }
}

impl LiveTenantCache {
    /// Returns the list, from the cache where that is fresh enough.
    pub(super) async fn get_or_fetch(
        &self,
        place: &Place,
        freshness: ListFreshness,
        fetch: impl Future<Output = Result<TenantListing, CallError>>,
    ) -> Result<SharedListing, CallError> {
        let slot = self.entry_for(place);
        let arrived = Instant::now();
        let serves = |landed: &Completed<SharedListing>| {
            landed.outcome.is_ok()
                && slot.lock_recent_changes().invalidated_at.is_none_or(|forgotten| landed.started > forgotten)
                && match freshness {
                    ListFreshness::Recent => landed.started.elapsed() < MAX_BURST_AGE,
                    ListFreshness::Current => landed.started >= arrived,
                }
        };
        let ask = async { fetch.await.map(Arc::new) };
        slot.single_flight.run(serves, ask, |list, started| slot.add_recently_created(list, started)).await
    }

    fn entry_for(&self, place: &Place) -> Arc<CachedListing> {
        let mut slots = self.lock_entries();
        if let Some(slot) = slots.get(place) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_PLACES {
            slots.retain(has_unexpired_result);
        }
        Arc::clone(slots.entry(place.clone()).or_default())
    }

    fn lock_entries(&self) -> MutexGuard<'_, HashMap<Place, Arc<CachedListing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes expired lists to free their memory.
    pub(super) fn remove_expired(&self) {
        self.lock_entries().retain(has_unexpired_result);
    }

    /// Returns the tenants of these names that this process created a moment ago: a search may not find them yet.
    pub(super) fn recently_created(&self, place: &Place, names: &[&str]) -> Vec<ListedTenant> {
        let slot = self.lock_entries().get(place).cloned();
        let Some(slot) = slot else { return Vec::new() };
        let since = slot.lock_recent_changes();
        let is_named = |tenant: &&ListedTenant| names.contains(&tenant.name.as_str());
        since.created.iter().map(|(_, tenant)| tenant).filter(is_named).cloned().collect()
    }

    /// Registers a create in flight.
    pub(super) fn begin_create<'a>(&'a self, place: &'a Place) -> PendingCreate<'a> {
        PendingCreate { cache: self, place, is_open: true }
    }

    fn record_created(&self, place: &Place, tenant: &ListedTenant) {
        let slot = self.entry_for(place);
        let mut last = slot.single_flight.lock_last();
        slot.lock_recent_changes().push_created(tenant);
        update_completed(&mut last, |list| {
            if !list.rows.iter().any(|row| row.unique_id == tenant.unique_id) {
                Arc::make_mut(list).rows.push(tenant.clone());
            }
        });
    }

    /// Records that a tenant got a mark.
    pub(super) fn record_mark(&self, place: &Place, id: &str, mark: &Mark) {
        self.update_listing(place, |list| {
            for row in Arc::make_mut(list).rows.iter_mut().filter(|row| row.unique_id == id) {
                row.mark = Some(mark.clone());
            }
        });
    }

    /// Records that a tenant was terminated.
    pub(super) fn record_terminated(&self, place: &Place, id: &str) {
        self.update_listing(place, |list| Arc::make_mut(list).rows.retain(|row| row.unique_id != id));
    }

    /// Invalidates the list: a name was changed, or a create may have been carried out.
    pub(super) fn invalidate(&self, place: &Place) {
        let slot = self.entry_for(place);
        let mut last = slot.single_flight.lock_last();
        slot.lock_recent_changes().invalidated_at = Some(Instant::now());
        *last = None;
    }

    fn update_listing(&self, place: &Place, action: impl FnOnce(&mut SharedListing)) {
        let slot = self.lock_entries().get(place).cloned();
        if let Some(slot) = slot {
            update_completed(&mut slot.single_flight.lock_last(), action);
        }
    }
}

fn update_completed(completed: &mut Option<Completed<SharedListing>>, action: impl FnOnce(&mut SharedListing)) {
    if let Some(Completed { outcome: Ok(list), .. }) = completed {
        action(list);
    }
}

fn has_unexpired_result(_: &Place, slot: &mut Arc<CachedListing>) -> bool {
    Arc::strong_count(slot) > 1 || slot.is_fresh()
}

impl RecentChanges {
    fn push_created(&mut self, tenant: &ListedTenant) {
        let now = Instant::now();
        while self.created.front().is_some_and(|(at, _)| now.duration_since(*at) > CREATED_RETENTION) {
            self.created.pop_front();
        }
        self.created.push_back((now, tenant.clone()));
    }
}

impl CachedListing {
    fn lock_recent_changes(&self) -> MutexGuard<'_, RecentChanges> {
        self.recent_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the tenants that were created after the platform may have read its own list.
    fn add_recently_created(&self, list: &mut SharedListing, started: Instant) {
        let mut since = self.lock_recent_changes();
        since.created.retain(|(at, _)| *at >= started);
        if since.created.is_empty() {
            return;
        }
        let known: HashSet<String> = list.rows.iter().map(|row| row.unique_id.clone()).collect();
        let missing =
            since.created.iter().map(|(_, tenant)| tenant).filter(|tenant| !known.contains(&tenant.unique_id));
        Arc::make_mut(list).rows.extend(missing.cloned());
    }

    fn is_fresh(&self) -> bool {
        let last = self.single_flight.lock_last();
        let since = self.lock_recent_changes();
        let times =
            [last.as_ref().map(|landed| landed.started), since.created.back().map(|(at, _)| *at), since.invalidated_at];
        times.into_iter().flatten().any(|at| at.elapsed() < MAX_BURST_AGE)
    }
}
