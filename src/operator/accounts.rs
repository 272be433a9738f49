//! Bulkheads: what one account on a platform may cost the others. Each has a number of passes of its own and a circuit
//! breaker, so that a platform that answers slowly or not at all takes no worker of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::lock;
use super::reads::Place;
use crate::connect::{Breaker, Platform};

/// A tenant's account on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    host: String,
    tenant_id: String,
}

impl Account {
    pub(crate) fn new(host: String, tenant_id: &str) -> Self {
        Self { host, tenant_id: tenant_id.to_owned() }
    }

    pub(crate) fn of(platform: &Platform) -> Self {
        Self::new(platform.host(), platform.tenant_id())
    }
}

/// Where a pass waits: together with all that ask the same account, and before that with all under the same parent, whose
/// list and rate limit they share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub(crate) lane: Lane,
    /// What tells the parent from the others of the lane.
    pub(crate) parent: String,
}

/// What passes share that ask one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// The account that it will ask.
    Account(Account),
    /// A Secret of which nobody knows yet where it leads.
    Secret(Place),
    /// Nothing: the object names no connection, so its pass asks no platform.
    Alone,
}

/// Most passes at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) all: u16,
    /// For each account.
    pub(crate) account: u16,
}

/// The accounts that are in use.
pub(crate) struct Accounts {
    all: Arc<Semaphore>,
    each: usize,
    lanes: Mutex<HashMap<Lane, Bulkhead>>,
}

struct Bulkhead {
    passes: Arc<Semaphore>,
    parents: HashMap<String, Arc<Semaphore>>,
    breaker: Breaker,
}

impl Bulkhead {
    fn new(passes: usize) -> Self {
        Self { passes: Arc::new(Semaphore::new(passes)), parents: HashMap::new(), breaker: Breaker::default() }
    }

    /// Half of an account's passes are for one parent, so that the others are never without.
    fn parent(&mut self, parent: &str, each: usize) -> Arc<Semaphore> {
        self.parents.retain(|_, passes| Arc::strong_count(passes) > 1);
        let new = || Arc::new(Semaphore::new(each.div_ceil(2)));
        Arc::clone(self.parents.entry(parent.to_owned()).or_insert_with(new))
    }

    fn is_used(&self) -> bool {
        Arc::strong_count(&self.passes) > 1 || self.parents.values().any(|passes| Arc::strong_count(passes) > 1)
    }
}

/// Leave to make a pass, of each of those whose passes are numbered.
pub(crate) struct Leave(#[expect(dead_code, reason = "it counts until it is dropped")] Vec<OwnedSemaphorePermit>);

impl Accounts {
    pub(crate) fn new(Limits { all, account }: Limits) -> Self {
        Self { all: Arc::new(Semaphore::new(all.into())), each: account.into(), lanes: Mutex::default() }
    }

    /// Waits for leave to make a pass, from the narrowest to the widest: who waits for its parent or its account takes no
    /// worker of another.
    pub(crate) async fn enter(&self, queue: &Queue) -> Leave {
        let Queue { lane, parent } = queue;
        let mut wanted = match lane {
            Lane::Alone => Vec::new(),
            Lane::Account(_) | Lane::Secret(_) => {
                self.with(lane, |bulkhead| vec![bulkhead.parent(parent, self.each), Arc::clone(&bulkhead.passes)])
            }
        };
        wanted.push(Arc::clone(&self.all));
        let mut permits = Vec::with_capacity(wanted.len());
        for passes in wanted {
            // A semaphore is never closed; without it a pass would be one too many, and no harm.
            permits.extend(passes.acquire_owned().await.ok());
        }
        Leave(permits)
    }

    /// The circuit breaker of an account.
    pub(crate) fn breaker(&self, account: &Account) -> Breaker {
        self.with(&Lane::Account(account.clone()), |bulkhead| bulkhead.breaker.clone())
    }

    /// How many accounts hang.
    pub(crate) fn hanging(&self) -> usize {
        lock(&self.lanes).values().filter(|bulkhead| bulkhead.breaker.is_open()).count()
    }

    /// Forgets the lanes that no pass uses, apart from the accounts that are still connected.
    pub(crate) fn sweep(&self, is_connected: impl Fn(&Account) -> bool) {
        lock(&self.lanes).retain(|lane, bulkhead| {
            bulkhead.is_used() || matches!(lane, Lane::Account(account) if is_connected(account))
        });
    }

    fn with<T>(&self, lane: &Lane, act: impl FnOnce(&mut Bulkhead) -> T) -> T {
        let mut lanes = lock(&self.lanes);
        act(lanes.entry(lane.clone()).or_insert_with(|| Bulkhead::new(self.each)))
    }

    /// How many lanes are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.lanes).len()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// The queue under a parent of an account.
    fn queue(id: &str, parent: &str) -> Queue {
        Queue { lane: Lane::Account(Account::new("acme.example".to_owned(), id)), parent: parent.to_owned() }
    }

    /// Enters at once, or not.
    fn enters(accounts: &Accounts, queue: &Queue) -> Option<Leave> {
        accounts.enter(queue).now_or_never()
    }

    #[tokio::test]
    async fn an_account_whose_passes_are_used_up_takes_no_worker_of_another() {
        let accounts = Accounts::new(Limits { all: 6, account: 2 });
        let hanging = [enters(&accounts, &queue("a", "one")), enters(&accounts, &queue("a", "two"))];
        // Forty more wait for their account, and hold nothing meanwhile.
        let lane = queue("a", "three");
        let mut waiting: Vec<_> = (0..40).map(|_| Box::pin(accounts.enter(&lane))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let alone = Queue { lane: Lane::Alone, parent: String::new() };
        let others = [queue("b", "one"), queue("c", "one"), alone];
        let entered: Vec<_> = others.iter().map(|queue| enters(&accounts, queue)).collect();
        assert!(entered.iter().all(Option::is_some));
        assert_eq!(accounts.all.available_permits(), 1);
        drop(hanging);
        assert!(waiting.swap_remove(0).now_or_never().is_some(), "in the order in which they came");
    }

    #[tokio::test]
    async fn the_objects_of_one_parent_leave_half_of_the_account_to_the_others() {
        let accounts = Accounts::new(Limits { all: 100, account: 5 });
        let mut entered: Vec<Leave> = Vec::new();
        entered.extend((0..10).filter_map(|_| enters(&accounts, &queue("a", "slow"))));
        assert_eq!(entered.len(), 3);
        entered.extend((0..10).filter_map(|_| enters(&accounts, &queue("a", "other"))));
        assert_eq!(entered.len(), 5);
    }

    #[tokio::test]
    async fn lanes_that_nobody_uses_are_forgotten() {
        let accounts = Accounts::new(Limits { all: 4, account: 2 });
        let used = accounts.enter(&queue("used", "one")).await;
        for number in 0..100 {
            drop(accounts.enter(&queue(&number.to_string(), "one")).await);
        }
        let connected = Account::new("acme.example".to_owned(), "7");
        accounts.sweep(|account| *account == connected);
        assert_eq!(accounts.len(), 2);
        drop(used);
        accounts.sweep(|_| false);
        assert_eq!(accounts.len(), 0);
    }
}
