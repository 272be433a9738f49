//! Bulkheads limit what one account on a platform costs the others. Each account has its own number of passes and a
//! circuit breaker, so that a slow or silent platform takes no worker from another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tenantry_client::{CircuitBreaker, PlatformClient};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cached_reads::NamespacedName;
use super::context::lock;

/// A tenant's account on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlatformAccount {
    host: String,
    tenant_id: String,
}

impl PlatformAccount {
    pub(crate) fn new(host: String, tenant_id: &str) -> Self {
        Self { host, tenant_id: tenant_id.to_owned() }
    }

    pub(crate) fn of_platform(platform: &PlatformClient) -> Self {
        Self::new(platform.host(), platform.tenant_id())
    }
}

/// Where a pass waits: first with all objects under the same parent, whose list and rate limit they share, then with
/// all of the same account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PassQueueKey {
    pub(crate) bulkhead_key: BulkheadKey,
    /// The parent, unique within the bulkhead.
    pub(crate) parent: String,
}

/// What passes share that use one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BulkheadKey {
    /// The account that the pass uses.
    Account(PlatformAccount),
    /// A Secret that has not been read yet, so that its account is unknown.
    Secret(NamespacedName),
    /// Nothing: the object names no connection, so its pass contacts no platform.
    NoPlatform,
}

/// Limits of concurrent passes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConcurrencyLimits {
    /// Over all accounts.
    pub(crate) total: u16,
    /// For each account.
    pub(crate) per_account: u16,
}

/// The accounts that are in use.
pub(crate) struct AccountBulkheads {
    total_passes: Arc<Semaphore>,
    passes_per_account: usize,
    bulkheads: Mutex<HashMap<BulkheadKey, Bulkhead>>,
}

struct Bulkhead {
    passes: Arc<Semaphore>,
    parents: HashMap<String, Arc<Semaphore>>,
    breaker: CircuitBreaker,
}

impl Bulkhead {
    fn new(passes: usize) -> Self {
        Self { passes: Arc::new(Semaphore::new(passes)), parents: HashMap::new(), breaker: CircuitBreaker::default() }
    }

    /// Returns the semaphore of a parent. One parent gets at most half of an account's passes, so that others are never
    /// starved.
    fn parent_semaphore(&mut self, parent: &str, each: usize) -> Arc<Semaphore> {
        self.parents.retain(|_, passes| Arc::strong_count(passes) > 1);
        let new = || Arc::new(Semaphore::new(each.div_ceil(2)));
        Arc::clone(self.parents.entry(parent.to_owned()).or_insert_with(new))
    }

    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.passes) > 1 || self.parents.values().any(|passes| Arc::strong_count(passes) > 1)
    }
}

/// A permit to run a pass: one permit of each semaphore that limits it.
pub(crate) struct PassPermit(#[expect(dead_code, reason = "it counts until it is dropped")] Vec<OwnedSemaphorePermit>);

impl AccountBulkheads {
    pub(crate) fn new(ConcurrencyLimits { total: all, per_account: account }: ConcurrencyLimits) -> Self {
        Self {
            total_passes: Arc::new(Semaphore::new(all.into())),
            passes_per_account: account.into(),
            bulkheads: Mutex::default(),
        }
    }

    /// Waits for a permit, from the narrowest limit to the widest: a pass that waits for its parent or its account
    /// takes no worker from another.
    pub(crate) async fn acquire_permit(&self, queue: &PassQueueKey) -> PassPermit {
        let PassQueueKey { bulkhead_key: lane, parent } = queue;
        let mut wanted = match lane {
            BulkheadKey::NoPlatform => Vec::new(),
            BulkheadKey::Account(_) | BulkheadKey::Secret(_) => self.with_bulkhead(lane, |bulkhead| {
                vec![bulkhead.parent_semaphore(parent, self.passes_per_account), Arc::clone(&bulkhead.passes)]
            }),
        };
        wanted.push(Arc::clone(&self.total_passes));
        let mut permits = Vec::with_capacity(wanted.len());
        for passes in wanted {
            // A semaphore is never closed. If it were, the only harm would be one pass too many.
            permits.extend(passes.acquire_owned().await.ok());
        }
        PassPermit(permits)
    }

    /// Returns the circuit breaker of an account.
    pub(crate) fn breaker_for(&self, account: &PlatformAccount) -> CircuitBreaker {
        self.with_bulkhead(&BulkheadKey::Account(account.clone()), |bulkhead| bulkhead.breaker.clone())
    }

    /// Returns how many accounts have an open circuit breaker.
    pub(crate) fn count_hanging(&self) -> usize {
        lock(&self.bulkheads).values().filter(|bulkhead| bulkhead.breaker.is_open()).count()
    }

    /// Removes the bulkheads that no pass uses, except those of accounts that are still connected.
    pub(crate) fn remove_unused(&self, is_connected: impl Fn(&PlatformAccount) -> bool) {
        lock(&self.bulkheads).retain(|lane, bulkhead| {
            bulkhead.is_in_use() || matches!(lane, BulkheadKey::Account(account) if is_connected(account))
        });
    }

    fn with_bulkhead<T>(&self, key: &BulkheadKey, action: impl FnOnce(&mut Bulkhead) -> T) -> T {
        let mut bulkheads_by_key = lock(&self.bulkheads);
        action(bulkheads_by_key.entry(key.clone()).or_insert_with(|| Bulkhead::new(self.passes_per_account)))
    }

    /// Returns how many bulkheads are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.bulkheads).len()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Returns the queue under a parent of an account.
    fn queue_for(id: &str, parent: &str) -> PassQueueKey {
        PassQueueKey {
            bulkhead_key: BulkheadKey::Account(PlatformAccount::new("acme.example".to_owned(), id)),
            parent: parent.to_owned(),
        }
    }

    /// Acquires a permit if one is free at once.
    fn try_enter(accounts: &AccountBulkheads, queue: &PassQueueKey) -> Option<PassPermit> {
        accounts.acquire_permit(queue).now_or_never()
    }

    #[tokio::test]
    async fn an_account_whose_passes_are_used_up_takes_no_worker_of_another() {
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 6, per_account: 2 });
        let hanging = [try_enter(&accounts, &queue_for("a", "one")), try_enter(&accounts, &queue_for("a", "two"))];
        // Forty more wait for their account, and hold no permit meanwhile.
        let lane = queue_for("a", "three");
        let mut waiting: Vec<_> = (0..40).map(|_| Box::pin(accounts.acquire_permit(&lane))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let alone = PassQueueKey { bulkhead_key: BulkheadKey::NoPlatform, parent: String::new() };
        let others = [queue_for("b", "one"), queue_for("c", "one"), alone];
        let entered: Vec<_> = others.iter().map(|queue| try_enter(&accounts, queue)).collect();
        assert!(entered.iter().all(Option::is_some));
        assert_eq!(accounts.total_passes.available_permits(), 1);
        drop(hanging);
        assert!(waiting.swap_remove(0).now_or_never().is_some(), "in the order in which they came");
    }

    #[tokio::test]
    async fn the_objects_of_one_parent_leave_half_of_the_account_to_the_others() {
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 100, per_account: 5 });
        let mut entered: Vec<PassPermit> = Vec::new();
        entered.extend((0..10).filter_map(|_| try_enter(&accounts, &queue_for("a", "slow"))));
        assert_eq!(entered.len(), 3);
        entered.extend((0..10).filter_map(|_| try_enter(&accounts, &queue_for("a", "other"))));
        assert_eq!(entered.len(), 5);
    }

    #[tokio::test]
    async fn lanes_that_nobody_uses_are_forgotten() {
        let accounts = AccountBulkheads::new(ConcurrencyLimits { total: 4, per_account: 2 });
        let used = accounts.acquire_permit(&queue_for("used", "one")).await;
        for number in 0..100 {
            drop(accounts.acquire_permit(&queue_for(&number.to_string(), "one")).await);
        }
        let connected = PlatformAccount::new("acme.example".to_owned(), "7");
        accounts.remove_unused(|account| *account == connected);
        assert_eq!(accounts.len(), 2);
        drop(used);
        accounts.remove_unused(|_| false);
        assert_eq!(accounts.len(), 0);
    }
}
