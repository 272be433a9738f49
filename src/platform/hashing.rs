//! Passwords: Argon2id on a bounded pool, so that logins never starve other requests.
//!
//! As many hashes run at once as the machine has cores. Whoever would wait longer than the configured time gets 503 at once
//! instead of a place in the queue. A hash of a password is its usual text, `$argon2id$v=19$m=..,t=..,p=1$salt$hash`, so
//! that the work may be raised later without a migration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::error::Error;

/// Bytes of a salt and of a hash.
const SALT: usize = 16;
const HASH: usize = 32;

/// What one hash is assumed to take before any was measured.
const FIRST_GUESS: Duration = Duration::from_millis(40);

/// The work of one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// KiB of memory.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Work {
    /// The minimum that OWASP gives for Argon2id with two passes: 19 MiB.
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2 }
    }
}

/// The pool.
pub(super) struct Hasher {
    work: Work,
    longest: Duration,
    cores: usize,
    running: Arc<Semaphore>,
    /// Asked for and not yet done.
    pending: Arc<AtomicUsize>,
    /// Running mean of what a hash took, in microseconds.
    cost: Arc<AtomicU64>,
    /// What an unknown person's password is compared with.
    nobody: String,
}

impl Hasher {
    /// A pool as wide as the machine; `longest` is the longest expected wait.
    pub(super) fn new(work: Work, longest: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let nobody = text(work, &[0; SALT], &[0; HASH]);
        Self {
            work,
            longest,
            cores,
            running: Arc::new(Semaphore::new(cores)),
            pending: Arc::default(),
            cost: Arc::new(AtomicU64::new(micros(FIRST_GUESS))),
            nobody,
        }
    }

    /// The hash of a password under a fresh salt.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let work = self.work;
        self.run(move || {
            let salt: [u8; SALT] = rand::rng().random();
            derive(work, &salt, &password).map(|hash| text(work, &salt, &hash))
        })
        .await?
    }

    /// Whether a password is the one of a hash. Without a hash the same work is done, and the answer is no.
    pub(super) async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<bool, Error> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let same = self.run(move || matches(&stored, &password)).await??;
        Ok(same && known)
    }

    /// Which of several hashes a password has, if any: one place in the queue, since they belong to one request.
    pub(super) async fn any(&self, password: SecretString, stored: Vec<String>) -> Result<bool, Error> {
        self.run(move || {
            stored.iter().try_fold(false, |found, stored| Ok::<_, Error>(matches(stored, &password)? || found))
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = self.place()?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Error::Internal)?;
        let cost = Arc::clone(&self.cost);
        let job = move || {
            let start = Instant::now();
            let done = job();
            let (before, took) = (cost.load(Ordering::Relaxed), micros(start.elapsed()));
            cost.store((before * 7 + took) / 8, Ordering::Relaxed);
            // Given back by the work and not by the request: a caller who hangs up does not make the pool wider.
            drop((permit, place));
            done
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| Error::Internal)
    }

    /// A place in the queue, unless the wait would be too long.
    fn place(&self) -> Result<Place, Error> {
        let ahead = self.pending.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.pending));
        let wait = wait(ahead, self.cores, Duration::from_micros(self.cost.load(Ordering::Relaxed)));
        if wait > self.longest { Err(Error::Busy) } else { Ok(place) }
    }
}

/// One who waits or is served.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long the next one waits for a core when so many are ahead, each of which takes so long.
fn wait(ahead: usize, cores: usize, cost: Duration) -> Duration {
    let rounds = (ahead + 1).saturating_sub(cores).div_ceil(cores);
    cost.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 16)
}

fn derive(work: Work, salt: &[u8], password: &SecretString) -> Result<[u8; HASH], Error> {
    let mut hash = [0; HASH];
    Params::new(work.memory, work.passes, 1, Some(HASH))
        .and_then(|params| {
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon.hash_password_into(password.expose_secret().as_bytes(), salt, &mut hash)
        })
        .map_err(|error| {
            tracing::error!(%error, "a password cannot be hashed");
            Error::Internal
        })?;
    Ok(hash)
}

fn text(Work { memory, passes }: Work, salt: &[u8], hash: &[u8]) -> String {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    format!("$argon2id$v=19$m={memory},t={passes},p=1${salt}${hash}")
}

fn read(text: &str) -> Option<(Work, Vec<u8>, Vec<u8>)> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let mut work = parts.next()?.split(',');
    let memory = work.next()?.strip_prefix("m=")?.parse().ok()?;
    let passes = work.next()?.strip_prefix("t=")?.parse().ok()?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    Some((Work { memory, passes }, salt, hash))
}

fn matches(stored: &str, password: &SecretString) -> Result<bool, Error> {
    let (work, salt, hash) = read(stored).ok_or(Error::Internal)?;
    Ok(derive(work, &salt, password)?.as_slice().ct_eq(&hash).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Work = Work { memory: 8, passes: 1 };

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_no_two_hashes_are_alike() {
        let hasher = Hasher::new(CHEAP, Duration::from_secs(9));
        let hash = hasher.hash(secret("zebra")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hasher.hash(secret("zebra")).await.unwrap(), hash);
        assert!(hasher.verify(secret("zebra"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(secret("Zebra"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(secret(""), None).await.unwrap());
        assert!(hasher.any(secret("zebra"), vec![hasher.nobody.clone(), hash]).await.unwrap());
    }

    /// The vector was made with the `argon2` program of the algorithm's authors.
    #[test]
    fn the_text_form_is_the_usual_one() {
        let usual = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E";
        assert!(matches(usual, &secret("password")).unwrap());
        assert!(!matches(usual, &secret("passwore")).unwrap());
        assert!(matches("$argon2id$v=19$m=64", &secret("x")).is_err());
    }

    #[test]
    fn the_default_work_is_no_less_than_the_minimum() {
        assert_eq!(Work::default(), Work { memory: 19_456, passes: 2 });
    }

    #[test]
    fn the_expected_wait_counts_those_ahead_by_the_cores() {
        let cost = Duration::from_millis(40);
        let wait = |ahead| wait(ahead, 2, cost).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(wait), [0, 0, 40, 40, 80, 80, 120]);
        assert_eq!(super::wait(7, 1, cost).as_millis(), 280);
    }

    #[tokio::test]
    async fn a_queue_that_is_too_long_takes_nobody_more() {
        let mut hasher = Hasher::new(CHEAP, Duration::from_millis(100));
        hasher.cores = 1;
        let places: Vec<_> = (0..3).map(|_| hasher.place().unwrap()).collect();
        assert!(matches!(hasher.place(), Err(Error::Busy)), "120 ms are more than 100");
        drop(places);
        assert!(hasher.place().is_ok());
    }
}
