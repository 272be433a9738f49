//! Passwords: Argon2id on a bounded pool, so that logins never starve other requests.
//!
//! As many hashes run at once as the machine has cores, at most four. A request whose expected wait exceeds the
//! configured time gets 503 at once instead of a slot in the queue; so does a source that already has its share of the
//! slots. The memory of a finished hash is kept for the next one, because the allocator would keep freed memory once
//! per thread. A stored hash has the usual text form, `$argon2id$v=19$m=..,t=..,p=1$salt$hash`, so the work can be
//! raised later without a migration.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prometheus_client::metrics::histogram::Histogram;
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::limits::{MAX_CONCURRENT_HASHES, SOURCE_QUEUE_SHARE};
use super::login_policy::request_source::RequestSource;
use super::name_normalization;

/// Bytes of a salt and of a hash.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Assumed duration of one hash before the first measurement.
const ASSUMED_COST: Duration = Duration::from_millis(40);

/// Bucket bounds of the wait histogram, in seconds.
const WAIT_BUCKETS: [f64; 8] = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// The work of one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHashCost {
    /// KiB of memory.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for PasswordHashCost {
    /// Returns the minimum that OWASP gives for Argon2id with two passes: 19 MiB.
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2 }
    }
}

/// The bounded pool of password hashes.
pub(super) struct PasswordHasher {
    work: PasswordHashCost,
    longest: Duration,
    cores: usize,
    running: Arc<Semaphore>,
    /// Hashes that wait or run.
    queue: Arc<Mutex<HashQueue>>,
    memory: Arc<HashMemoryPool>,
    /// Running mean of the duration of a hash, in microseconds.
    cost: Arc<AtomicU64>,
    /// How long each hash waited for a core, in seconds.
    waits: Histogram,
    /// Hash with which the password of an unknown person is compared.
    dummy_hash: String,
}

impl PasswordHasher {
    /// Returns a pool as wide as the machine, up to a bound. `longest` is the longest expected wait.
    pub(super) fn new(work: PasswordHashCost, longest: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_CONCURRENT_HASHES);
        let nobody = to_phc_string(work, &[0; SALT_BYTES], &[0; HASH_BYTES]);
        Self {
            work,
            longest,
            cores,
            running: Arc::new(Semaphore::new(cores)),
            queue: Arc::default(),
            memory: Arc::default(),
            cost: Arc::new(AtomicU64::new(to_micros(ASSUMED_COST))),
            waits: Histogram::new(WAIT_BUCKETS),
            dummy_hash: nobody,
        }
    }

    /// Hashes a password with a fresh salt.
    pub(super) async fn hash(&self, password: SecretString, source: RequestSource) -> Result<String, ApiError> {
        let place = self.reserve_slot(source)?;
        let work = self.work;
        self.run_blocking(place, move |memory| {
            let salt: [u8; SALT_BYTES] = rand::rng().random();
            derive_hash(memory, work, &salt, &password).map(|hash| to_phc_string(work, &salt, &hash))
        })
        .await?
    }

    /// Returns whether a password matches a hash. Without a hash it does the same work and returns false.
    pub(super) async fn verify(
        &self,
        slot: QueueSlot,
        password: impl Into<TypedPassword>,
        stored: Option<String>,
    ) -> Result<bool, ApiError> {
        let known = stored.is_some();
        let (password, stored) = (password.into(), stored.unwrap_or_else(|| self.dummy_hash.clone()));
        let same = self.run_blocking(slot, move |memory| password.matches_one_of(memory, &[stored])).await??;
        Ok(same && known)
    }

    /// Returns whether a password matches one of several hashes. They use one slot, because they belong to one request.
    pub(super) async fn matches_any(
        &self,
        password: impl Into<TypedPassword>,
        stored: Vec<String>,
        source: RequestSource,
    ) -> Result<bool, ApiError> {
        let (place, password) = (self.reserve_slot(source)?, password.into());
        self.run_blocking(place, move |memory| password.matches_one_of(memory, &stored)).await?
    }

    /// Returns the histogram of how long hashes waited for a core, in seconds.
    pub(super) fn wait_histogram(&self) -> Histogram {
        self.waits.clone()
    }

    /// Returns how many hashes wait or run.
    pub(super) fn queue_length(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    async fn run_blocking<T: Send + 'static>(
        &self,
        slot: QueueSlot,
        job: impl FnOnce(&HashMemoryPool) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let asked = Instant::now();
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| ApiError::Internal)?;
        self.waits.observe(asked.elapsed().as_secs_f64());
        let (cost, memory) = (Arc::clone(&self.cost), Arc::clone(&self.memory));
        let job = move || {
            let start = Instant::now();
            let done = job(&memory);
            let (before, took) = (cost.load(Ordering::Relaxed), to_micros(start.elapsed()));
            cost.store((before * 7 + took) / 8, Ordering::Relaxed);
            // The job releases the permit, not the request: a caller who disconnects does not make the pool wider.
            drop((permit, slot));
            done
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| ApiError::Internal)
    }

    /// Reserves a slot in the queue. Returns an error if the wait would be too long or the source has its share of
    /// slots. A login reserves its slot before it does anything else.
    pub(super) fn reserve_slot(&self, source: RequestSource) -> Result<QueueSlot, ApiError> {
        let network = source.network_key();
        let cost = Duration::from_micros(self.cost.load(Ordering::Relaxed));
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let own = queue.by_network.get(&network).copied().unwrap_or_default();
        if expected_wait(queue.all, self.cores, cost) > self.longest
            || expected_wait(own, self.cores, cost) > self.longest / SOURCE_QUEUE_SHARE
        {
            return Err(ApiError::TooManyLogins);
        }
        queue.all += 1;
        *queue.by_network.entry(network.clone()).or_default() += 1;
        drop(queue);
        Ok(QueueSlot { queue: Arc::clone(&self.queue), network })
    }
}

/// A password as a person typed it.
pub(super) struct TypedPassword(Vec<SecretString>);

impl TypedPassword {
    /// Returns the normal form of a password, in which passwords are hashed, and its original bytes, in which earlier
    /// versions hashed them.
    pub(super) fn new(password: SecretString) -> Self {
        let typed = password.expose_secret();
        match name_normalization::normalize_password(typed) {
            Some(normal) if normal != *typed => Self(vec![normal.into(), password]),
            _ => Self(vec![password]),
        }
    }

    /// Returns whether the password matches one of several hashes. All are compared, so the time does not reveal which
    /// one.
    fn matches_one_of(&self, memory: &HashMemoryPool, stored: &[String]) -> Result<bool, ApiError> {
        let pairs = self.0.iter().flat_map(|form| stored.iter().map(move |stored| (form, stored)));
        pairs.into_iter().try_fold(false, |found, (form, stored)| Ok(matches_hash(memory, stored, form)? || found))
    }
}

impl From<SecretString> for TypedPassword {
    fn from(password: SecretString) -> Self {
        Self::new(password)
    }
}

/// Number of hashes that wait or run: in all, and for each network.
#[derive(Default)]
struct HashQueue {
    all: usize,
    by_network: HashMap<String, usize>,
}

/// A slot of a hash that waits or runs.
pub(super) struct QueueSlot {
    queue: Arc<Mutex<HashQueue>>,
    network: String,
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.all = queue.all.saturating_sub(1);
        if let Some(own) = queue.by_network.get_mut(&self.network) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                queue.by_network.remove(&self.network);
            }
        }
    }
}

/// Memory of finished hashes for reuse: never more than run at once.
#[derive(Default)]
struct HashMemoryPool(Mutex<Vec<Vec<Block>>>);

impl HashMemoryPool {
    /// Runs a hash in memory of `blocks` blocks.
    fn with_blocks<T>(&self, blocks: usize, job: impl FnOnce(&mut [Block]) -> T) -> T {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = kept.unwrap_or_default();
        // An old hash with more work is no reason to keep that much memory for ever.
        let keeps = memory.is_empty() || memory.len() >= blocks;
        memory.resize(blocks.max(memory.len()), Block::new());
        let done = job(&mut memory);
        if keeps {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        }
        done
    }
}

/// Returns how long the next hash waits for a core if `ahead` hashes wait or run and each takes `cost`.
fn expected_wait(ahead: usize, cores: usize, cost: Duration) -> Duration {
    let rounds = (ahead + 1).saturating_sub(cores).div_ceil(cores);
    cost.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
}

fn to_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 16)
}

fn derive_hash(
    memory: &HashMemoryPool,
    work: PasswordHashCost,
    salt: &[u8],
    password: &SecretString,
) -> Result<[u8; HASH_BYTES], ApiError> {
    let mut hash = [0; HASH_BYTES];
    Params::new(work.memory, work.passes, 1, Some(HASH_BYTES))
        .and_then(|params| {
            let blocks = params.block_count();
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let password = password.expose_secret().as_bytes();
            memory.with_blocks(blocks, |blocks| argon.hash_password_into_with_memory(password, salt, &mut hash, blocks))
        })
        .map_err(|error| {
            tracing::error!(%error, "a password cannot be hashed");
            ApiError::Internal
        })?;
    Ok(hash)
}

fn to_phc_string(PasswordHashCost { memory, passes }: PasswordHashCost, salt: &[u8], hash: &[u8]) -> String {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    format!("$argon2id$v=19$m={memory},t={passes},p=1${salt}${hash}")
}

fn parse_phc_string(text: &str) -> Option<(PasswordHashCost, Vec<u8>, Vec<u8>)> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let mut work = parts.next()?.split(',');
    let memory = work.next()?.strip_prefix("m=")?.parse().ok()?;
    let passes = work.next()?.strip_prefix("t=")?.parse().ok()?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    Some((PasswordHashCost { memory, passes }, salt, hash))
}

fn matches_hash(memory: &HashMemoryPool, stored: &str, password: &SecretString) -> Result<bool, ApiError> {
    let (work, salt, hash) = parse_phc_string(stored).ok_or(ApiError::Internal)?;
    Ok(derive_hash(memory, work, &salt, password)?.as_slice().ct_eq(&hash).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordHashCost = PasswordHashCost { memory: 8, passes: 1 };
    const NOBODY: RequestSource = RequestSource::UNKNOWN;

    fn source_at(address: &str) -> RequestSource {
        RequestSource::from_address(address.parse().unwrap())
    }

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    /// shows: security/asvs/6.2.8
    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_no_two_hashes_are_alike() {
        let hasher = PasswordHasher::new(CHEAP, Duration::from_secs(9));
        let hash = hasher.hash(secret("zebra"), NOBODY).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hasher.hash(secret("zebra"), NOBODY).await.unwrap(), hash);
        assert!(
            hasher.verify(hasher.reserve_slot(NOBODY).unwrap(), secret("zebra"), Some(hash.clone())).await.unwrap()
        );
        assert!(
            !hasher.verify(hasher.reserve_slot(NOBODY).unwrap(), secret("Zebra"), Some(hash.clone())).await.unwrap()
        );
        assert!(!hasher.verify(hasher.reserve_slot(NOBODY).unwrap(), secret(""), None).await.unwrap());
        assert!(hasher.matches_any(secret("zebra"), vec![hasher.dummy_hash.clone(), hash], NOBODY).await.unwrap());
    }

    /// The vector was made with the `argon2` program of the algorithm's authors.
    /// shows: security/asvs/11.4.2
    #[test]
    fn the_text_form_is_the_usual_one() {
        let usual = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E";
        assert!(matches_hash(&HashMemoryPool::default(), usual, &secret("password")).unwrap());
        assert!(!matches_hash(&HashMemoryPool::default(), usual, &secret("passwore")).unwrap());
        assert!(matches_hash(&HashMemoryPool::default(), "$argon2id$v=19$m=64", &secret("x")).is_err());
    }

    /// shows: security/asvs/11.4.2
    #[test]
    fn the_default_work_is_no_less_than_the_minimum() {
        assert_eq!(PasswordHashCost::default(), PasswordHashCost { memory: 19_456, passes: 2 });
    }

    #[test]
    fn the_expected_wait_counts_those_ahead_by_the_cores() {
        let cost = Duration::from_millis(40);
        let wait = |ahead| expected_wait(ahead, 2, cost).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(wait), [0, 0, 40, 40, 80, 80, 120]);
        assert_eq!(expected_wait(7, 1, cost).as_millis(), 280);
    }

    #[test]
    fn a_queue_that_is_too_long_takes_nobody_more() {
        let mut hasher = PasswordHasher::new(CHEAP, Duration::from_millis(400));
        hasher.cores = 1;
        let places: Vec<_> = (0..11)
            .map_while(|number: u8| hasher.reserve_slot(source_at(&format!("198.51.100.{number}"))).ok())
            .collect();
        assert_eq!(places.len(), 11);
        assert!(
            matches!(hasher.reserve_slot(source_at("203.0.113.1")), Err(ApiError::TooManyLogins)),
            "440 ms are more than 400"
        );
        drop(places);
        assert!(hasher.reserve_slot(source_at("203.0.113.1")).is_ok());
    }

    #[test]
    fn one_source_has_a_share_of_the_queue_and_others_still_find_a_place() {
        let mut hasher = PasswordHasher::new(CHEAP, Duration::from_millis(400));
        hasher.cores = 1;
        let flood: Vec<_> =
            std::iter::from_fn(|| hasher.reserve_slot(source_at("2001:db8::1")).ok()).take(100).collect();
        assert_eq!(flood.len(), 3, "a quarter of the wait");
        assert!(
            matches!(hasher.reserve_slot(source_at("2001:db8::2")), Err(ApiError::TooManyLogins)),
            "the same customer"
        );
        let other = hasher.reserve_slot(source_at("2001:db8:0:1::1"));
        assert!(other.is_ok());
        drop((flood, other));
        assert!(hasher.queue.lock().unwrap().by_network.is_empty());
    }

    #[test]
    fn the_memory_of_a_hash_is_used_again_and_not_kept_where_it_was_larger_than_usual() {
        let memory = HashMemoryPool::default();
        let kept = || memory.0.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
        for _ in 0..3 {
            memory.with_blocks(8, |_| ());
        }
        assert_eq!(kept(), [8]);
        memory.with_blocks(8, |_| memory.with_blocks(8, |_| ()));
        assert_eq!(kept(), [8, 8]);
        memory.with_blocks(64, |blocks| assert_eq!(blocks.len(), 64));
        assert_eq!(kept(), [8]);
    }
}
