//! The living tenants of a place, looked up once for a burst of creates.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::flight::{Flight, Landed};
use super::map::OddRow;
use super::place::Place;
use crate::wire::{Mark, SearchItem, State};

/// Age up to which an answer serves a burst.
const BURST: Duration = Duration::from_secs(5);
/// How long a created tenant is remembered for lists on their way; no call takes longer.
const KEPT: Duration = Duration::from_mins(2);
/// Places beyond which stale answers are forgotten.
const MANY: usize = 64;

/// How fresh a list must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// An answer up to five seconds old serves; a tenant that this process has created since is in it.
    Burst,
    /// The answer was asked for after the call began.
    Now,
}

/// A living tenant, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Unique id.
    pub unique_id: String,
    /// Name.
    pub name: String,
    /// Owner, where the list tells: a platform without the extensions never does.
    pub mark: Option<Mark>,
}

impl Listed {
    /// The row of a search, unless the tenant was ended.
    pub(super) fn found(item: SearchItem) -> Option<Self> {
        let SearchItem { unique_id, name, status, managed_by, .. } = item;
        (status != Some(State::Terminated)).then_some(Self { unique_id, name, mark: managed_by })
    }
}

/// The living tenants of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those that a list shows with id and name.
    pub rows: Vec<Listed>,
    /// Rows that do not say which tenant they are about.
    pub odd: Vec<OddRow>,
}

impl Listing {
    /// Of the rows of a search.
    pub(super) fn of(rows: impl IntoIterator<Item = SearchItem>, odd: Vec<OddRow>) -> Self {
        let odd = odd.into_iter().filter(|row| !row.is_ended).collect();
        Self { rows: rows.into_iter().filter_map(Listed::found).collect(), odd }
    }

    /// Adds what another list shows beside.
    pub(super) fn add(&mut self, other: Self) {
        let known: HashSet<String> = self.rows.iter().map(|row| row.unique_id.clone()).collect();
        self.rows.extend(other.rows.into_iter().filter(|row| !known.contains(&row.unique_id)));
        self.odd.extend(other.odd);
    }

    /// Each tenant in words: its name, or what is known of its row.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let named = self.rows.iter().map(|row| row.name.clone());
        named.chain(self.odd.iter().map(ToString::to_string))
    }
}

/// What a search for tenants of a name found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// All that there are, with others beside them where the platform cannot be asked by name.
    Known(Arc<Listing>),
    /// Whether there are others is not known, and why.
    Unsettled(String),
}

type List = Arc<Listing>;

/// The lists of every place asked for lately.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<Place, Arc<Slot>>>);

/// The list of one place. `since` is only changed while the last list is locked.
#[derive(Default)]
struct Slot {
    flight: Flight<List>,
    since: Mutex<Since>,
}

/// What happened since lists that may still be on their way were asked for.
#[derive(Default)]
struct Since {
    /// Tenants that this process created, oldest first.
    created: VecDeque<(Instant, Listed)>,
    /// No list that was asked for before this holds.
    forgotten: Option<Instant>,
}

/// A create under way: unless it is known to have changed nothing, or what it made, lists are forgotten.
pub(super) struct Creating<'a> {
    lists: &'a Lists,
    place: &'a Place,
    is_open: bool,
}

impl Creating<'_> {
    /// Nothing was created.
    pub(super) fn nothing(mut self) {
        self.is_open = false;
    }

    /// A tenant was created.
    pub(super) fn created(mut self, tenant: &Listed) {
        self.is_open = false;
        self.lists.created(self.place, tenant);
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.lists.forget(self.place);
        }
    }
}

impl Lists {
    /// The list, from memory where that is fresh enough.
    pub(super) async fn get(
        &self,
        place: &Place,
        freshness: Freshness,
        ask: impl Future<Output = Result<Listing, Error>>,
    ) -> Result<List, Error> {
        let slot = self.slot(place);
        let arrived = Instant::now();
        let serves = |landed: &Landed<List>| {
            landed.outcome.is_ok()
                && slot.since().forgotten.is_none_or(|forgotten| landed.started > forgotten)
                && match freshness {
                    Freshness::Burst => landed.started.elapsed() < BURST,
                    Freshness::Now => landed.started >= arrived,
                }
        };
        let ask = async { ask.await.map(Arc::new) };
        slot.flight.fly(serves, ask, |list, started| slot.complete(list, started)).await
    }

    fn slot(&self, place: &Place) -> Arc<Slot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(place) {
            return Arc::clone(slot);
        }
        if slots.len() >= MANY {
            slots.retain(is_needed);
        }
        Arc::clone(slots.entry(place.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists whose time is over take no memory.
    pub(super) fn sweep(&self) {
        self.lock().retain(is_needed);
    }

    /// Tenants of one of these names that this process created a moment ago: a search may not find them yet.
    pub(super) fn recent(&self, place: &Place, names: &[&str]) -> Vec<Listed> {
        let slot = self.lock().get(place).cloned();
        let Some(slot) = slot else { return Vec::new() };
        let since = slot.since();
        let is_named = |tenant: &&Listed| names.contains(&tenant.name.as_str());
        since.created.iter().map(|(_, tenant)| tenant).filter(is_named).cloned().collect()
    }

    /// A create begins.
    pub(super) fn creating<'a>(&'a self, place: &'a Place) -> Creating<'a> {
        Creating { lists: self, place, is_open: true }
    }

    fn created(&self, place: &Place, tenant: &Listed) {
        let slot = self.slot(place);
        let mut last = slot.flight.last();
        slot.since().push(tenant);
        edit(&mut last, |list| {
            if !list.rows.iter().any(|row| row.unique_id == tenant.unique_id) {
                Arc::make_mut(list).rows.push(tenant.clone());
            }
        });
    }

    /// A tenant got a mark.
    pub(super) fn marked(&self, place: &Place, id: &str, mark: &Mark) {
        self.edit(place, |list| {
            for row in Arc::make_mut(list).rows.iter_mut().filter(|row| row.unique_id == id) {
                row.mark = Some(mark.clone());
            }
        });
    }

    /// A tenant was ended.
    pub(super) fn ended(&self, place: &Place, id: &str) {
        self.edit(place, |list| Arc::make_mut(list).rows.retain(|row| row.unique_id != id));
    }

    /// The list does not hold any more: a name was changed, or a create may have been carried out.
    pub(super) fn forget(&self, place: &Place) {
        let slot = self.slot(place);
        let mut last = slot.flight.last();
        slot.since().forgotten = Some(Instant::now());
        *last = None;
    }

    fn edit(&self, place: &Place, act: impl FnOnce(&mut List)) {
        let slot = self.lock().get(place).cloned();
        if let Some(slot) = slot {
            edit(&mut slot.flight.last(), act);
        }
    }
}

fn edit(landed: &mut Option<Landed<List>>, act: impl FnOnce(&mut List)) {
    if let Some(Landed { outcome: Ok(list), .. }) = landed {
        act(list);
    }
}

fn is_needed(_: &Place, slot: &mut Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 1 || slot.is_fresh()
}

impl Since {
    fn push(&mut self, tenant: &Listed) {
        let now = Instant::now();
        while self.created.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
            self.created.pop_front();
        }
        self.created.push_back((now, tenant.clone()));
    }
}

impl Slot {
    fn since(&self) -> MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was created after the platform may have read its own list.
    fn complete(&self, list: &mut List, started: Instant) {
        let mut since = self.since();
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
        let last = self.flight.last();
        let since = self.since();
        let times =
            [last.as_ref().map(|landed| landed.started), since.created.back().map(|(at, _)| *at), since.forgotten];
        times.into_iter().flatten().any(|at| at.elapsed() < BURST)
    }
}
