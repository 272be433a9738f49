//! The living tenants of a place, looked up once for a burst of creates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::flight::{Flight, Landed};
use super::place::Place;
use crate::wire::{Mark, Minimal, SearchItem, State};

/// Age up to which an answer serves a burst.
const BURST: Duration = Duration::from_secs(5);
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

impl From<Minimal> for Listed {
    fn from(Minimal { unique_id, name, managed_by }: Minimal) -> Self {
        Self { unique_id, name, mark: managed_by }
    }
}

impl Listed {
    /// The row of a search, unless the tenant was ended.
    pub(super) fn found(item: SearchItem) -> Option<Self> {
        let SearchItem { unique_id, name, status, managed_by, .. } = item;
        (status != Some(State::Terminated)).then_some(Self { unique_id, name, mark: managed_by })
    }
}

type List = Arc<Vec<Listed>>;

/// The lists of every place asked for lately.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<Place, Arc<Slot>>>);

/// The list of one place. `created` is only locked while the last list is.
#[derive(Default)]
struct Slot {
    flight: Flight<List>,
    created: Mutex<Vec<(Instant, Listed)>>,
}

impl Lists {
    /// The list, from memory where that is fresh enough.
    pub(super) async fn get(
        &self,
        place: &Place,
        freshness: Freshness,
        ask: impl Future<Output = Result<Vec<Listed>, Error>>,
    ) -> Result<List, Error> {
        let slot = self.slot(place);
        let arrived = Instant::now();
        let serves = |landed: &Landed<List>| {
            landed.outcome.is_ok()
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
            slots.retain(|_, slot| slot.is_needed());
        }
        Arc::clone(slots.entry(place.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists whose time is over take no memory.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, slot| slot.is_needed());
    }

    /// A tenant was created by this process.
    pub(super) fn created(&self, place: &Place, tenant: &Listed) {
        let slot = self.slot(place);
        let mut last = slot.flight.last();
        let now = Instant::now();
        {
            let mut created = slot.created();
            created.retain(|(at, _)| at.elapsed() < 12 * BURST);
            created.push((now, tenant.clone()));
        }
        edit(&mut last, |list| add(list, tenant));
    }

    /// A tenant got a mark.
    pub(super) fn marked(&self, place: &Place, id: &str, mark: &Mark) {
        self.edit(place, |list| {
            for row in Arc::make_mut(list).iter_mut().filter(|row| row.unique_id == id) {
                row.mark = Some(mark.clone());
            }
        });
    }

    /// A tenant was ended.
    pub(super) fn ended(&self, place: &Place, id: &str) {
        self.edit(place, |list| Arc::make_mut(list).retain(|row| row.unique_id != id));
    }

    /// The list does not hold any more: a name was changed, or a create may have been carried out.
    pub(super) fn forget(&self, place: &Place) {
        if let Some(slot) = self.lock().get(place) {
            *slot.flight.last() = None;
        }
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

fn add(list: &mut List, tenant: &Listed) {
    if !list.iter().any(|row| row.unique_id == tenant.unique_id) {
        Arc::make_mut(list).push(tenant.clone());
    }
}

impl Slot {
    fn created(&self) -> MutexGuard<'_, Vec<(Instant, Listed)>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was created after the platform may have read its own list.
    fn complete(&self, list: &mut List, started: Instant) {
        let mut created = self.created();
        created.retain(|(at, _)| *at >= started);
        for (_, tenant) in created.iter() {
            add(list, tenant);
        }
    }

    fn is_needed(&self) -> bool {
        let last = self.flight.last();
        let is_fresh = last.as_ref().is_some_and(|landed| landed.started.elapsed() < BURST);
        is_fresh || self.created().iter().any(|(at, _)| at.elapsed() < BURST)
    }
}
