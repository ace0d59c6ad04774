//! Passwords: argon2id (RFC 9106) with a keyed pepper and a bounded number of hashes at a time, on threads of their own.
//!
//! Known and unknown accounts cost the same: an unknown one is checked against a dummy hash made with the same parameters. The pepper is
//! argon2's own secret input, derived from the key ring, so a stolen database alone cannot be guessed against. It has a version: a hash
//! under an older one, or with another cost, is known as outdated and made anew when its owner next signs in.

use crate::crypto::entropy::{Entropy, EntropyError};
use crate::domain::secret::Secret;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// OWASP's first choice: 46 MiB, one pass; about 40 ms of one core.
    pub const STANDARD: Self = Self { memory_kib: 46 * 1024, passes: 1 };
    /// The least the algorithm allows; for tests only.
    pub const CHEAPEST: Self = Self { memory_kib: 8, passes: 1 };
}

/// At most this many wait for their turn; more are turned away at once.
const LONGEST_QUEUE: usize = 64;

/// A password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// No randomness for the salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The parameters or the stored text are not acceptable to argon2.
    #[error("argon2 refused: {0}")]
    Argon2(String),
    /// A hash names a pepper that the key ring does not give.
    #[error("there is no pepper of version {0}")]
    Pepper(u32),
    /// Too many wait already.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The hashing thread did not finish.
    #[error("the hashing thread was lost")]
    Lost,
}

/// The keyed peppers, by version; the last one is used for new hashes. Version 0 is none: hashes made before there were peppers.
pub struct Peppers(Vec<Zeroizing<[u8; 32]>>);

impl Peppers {
    /// Peppers of version 1 and up, oldest first; at least one.
    #[must_use]
    pub const fn new(keys: Vec<Zeroizing<[u8; 32]>>) -> Self {
        Self(keys)
    }

    fn current(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn of(&self, version: u32) -> Result<&[u8], PasswordError> {
        if version == 0 {
            return Ok(&[]);
        }
        self.0.get(version as usize - 1).map(|key| key.as_slice()).ok_or(PasswordError::Pepper(version))
    }
}

/// A password as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPassword {
    /// PHC string: algorithm, parameters, salt, hash.
    pub phc: String,
    /// Which pepper it was made with.
    pub pepper: u32,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether the password is right.
    pub fits: bool,
    /// Whether it should be hashed anew, because cost or pepper changed since.
    pub outdated: bool,
}

struct Inner {
    params: Params,
    peppers: Peppers,
    dummy: StoredPassword,
    threads: mpsc::Sender<Job>,
    waiting: AtomicUsize,
    hashed: AtomicU64,
}

type Job = Box<dyn FnOnce() + Send>;

/// How far below everything else hashing is scheduled: it fills a core for a tenth of a second, and calls and pages must not wait for it.
const NICENESS: i32 = 15;

/// Starts the threads that hash; they end with the sender.
fn hashing_threads(count: usize) -> Result<mpsc::Sender<Job>, PasswordError> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..count {
        let jobs = Arc::clone(&jobs);
        let hashing = move || {
            // Linux counts niceness by thread; where it cannot be had, hashing goes on as it is
            if let Err(cause) = rustix::process::setpriority_process(None, NICENESS) {
                tracing::warn!(%cause, "password hashing has the priority of everything else");
            }
            loop {
                let Ok(job) = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
                // a hash that panics answers nobody, and the next ones are computed all the same
                let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
            }
        };
        std::thread::Builder::new().name("hashing".to_owned()).spawn(hashing).map_err(|_| PasswordError::Lost)?;
    }
    Ok(sender)
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

impl Passwords {
    /// Prepares the hasher. At most `parallel` hashes run at a time; some more wait their turn.
    ///
    /// # Errors
    /// If the cost is not one argon2 accepts.
    pub fn new(cost: Cost, parallel: usize, peppers: Peppers, entropy: &dyn Entropy) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|e| PasswordError::Argon2(e.to_string()))?;
        let mut unguessable = [0_u8; 32];
        entropy.fill(&mut unguessable)?;
        let dummy = hash_now(&params, &peppers, &unguessable, entropy)?;
        let threads = hashing_threads(parallel.max(1))?;
        Ok(Self(Arc::new(Inner { params, peppers, dummy, threads, waiting: AtomicUsize::new(0), hashed: AtomicU64::new(0) })))
    }

    /// Hashes a password with a fresh salt.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn hash(&self, password: Secret, entropy: Arc<dyn Entropy>) -> Result<StoredPassword, PasswordError> {
        self.off_thread(move |own| hash_now(&own.params, &own.peppers, password.expose().as_bytes(), entropy.as_ref())).await?
    }

    /// Whether the password fits the stored one. Without one, the same work is done and the answer is no.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn verify(&self, password: Secret, stored: Option<StoredPassword>) -> Result<Checked, PasswordError> {
        self.off_thread(move |own| {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| own.dummy.clone());
            let parsed = PasswordHash::new(&stored.phc).map_err(|e| PasswordError::Argon2(e.to_string()))?;
            let argon2 = argon2(&own.params, own.peppers.of(stored.pepper)?)?;
            let fits = argon2.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            let cost = Params::try_from(&parsed).map_err(|e| PasswordError::Argon2(e.to_string()))?;
            let same_cost = (cost.m_cost(), cost.t_cost()) == (own.params.m_cost(), own.params.t_cost());
            Ok(Checked { fits: fits && known, outdated: !same_cost || stored.pepper != own.peppers.current() })
        })
        .await?
    }

    /// How many hashes were computed since the start: what a sign-in costs, for the test that known and unknown accounts cost the same.
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.0.hashed.load(Ordering::Relaxed)
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, PasswordError> {
        let own = Arc::clone(&self.0);
        if own.waiting.fetch_add(1, Ordering::AcqRel) >= LONGEST_QUEUE {
            own.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(PasswordError::Busy);
        }
        let left = Leaves(Arc::clone(&own));
        let (answer, answered) = oneshot::channel();
        let job = {
            let own = Arc::clone(&own);
            move || {
                // whoever went away meanwhile costs nothing more
                if !answer.is_closed() {
                    own.hashed.fetch_add(1, Ordering::Relaxed);
                    let result = work(&own);
                    drop(left);
                    let _ = answer.send(result);
                }
            }
        };
        own.threads.send(Box::new(job)).map_err(|_| PasswordError::Lost)?;
        answered.await.map_err(|_| PasswordError::Lost)
    }
}

/// Counts a waiting one out, also when it goes away before its turn.
struct Leaves(Arc<Inner>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

fn argon2<'a>(params: &Params, pepper: &'a [u8]) -> Result<Argon2<'a>, PasswordError> {
    if pepper.is_empty() {
        return Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()));
    }
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params.clone()).map_err(|e| PasswordError::Argon2(e.to_string()))
}

fn hash_now(params: &Params, peppers: &Peppers, password: &[u8], entropy: &dyn Entropy) -> Result<StoredPassword, PasswordError> {
    let mut salt = [0_u8; 16];
    entropy.fill(&mut salt)?;
    let pepper = peppers.current();
    let hash: PasswordHash =
        argon2(params, peppers.of(pepper)?)?.hash_password_with_salt(password, &salt).map_err(|e| PasswordError::Argon2(e.to_string()))?;
    Ok(StoredPassword { phc: hash.to_string(), pepper })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    fn peppers(versions: u8) -> Peppers {
        Peppers::new((1..=versions).map(|v| Zeroizing::new([v; 32])).collect())
    }

    fn passwords(cost: Cost, versions: u8) -> Passwords {
        Passwords::new(cost, 1, peppers(versions), &SystemEntropy).expect("cost")
    }

    async fn hash(passwords: &Passwords, text: &str) -> StoredPassword {
        passwords.hash(Secret::new(text.into()), Arc::new(SystemEntropy)).await.expect("hash")
    }

    async fn check(passwords: &Passwords, text: &str, stored: Option<&StoredPassword>) -> Checked {
        passwords.verify(Secret::new(text.into()), stored.cloned()).await.expect("verify")
    }

    /// The reference implementation's own vector.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let params = Params::new(65_536, 2, 1, Some(32)).expect("params");
        let mut out = [0_u8; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(b"password", b"somesalt", &mut out).expect("hash");
        assert_eq!(crate::crypto::digest::hex(&out), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_an_unknown_account_never_does() {
        let passwords = passwords(Cost::CHEAPEST, 1);
        let stored = hash(&passwords, "correct horse").await;
        assert!(stored.phc.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", stored.phc);
        assert_eq!(check(&passwords, "correct horse", Some(&stored)).await, Checked { fits: true, outdated: false });
        assert!(!check(&passwords, "wrong", Some(&stored)).await.fits);
        let before = passwords.hashes_computed();
        assert!(!check(&passwords, "correct horse", None).await.fits);
        assert_eq!(passwords.hashes_computed() - before, 1, "an unknown account costs a hash as well");
    }

    #[tokio::test]
    async fn a_hash_is_good_under_its_own_pepper_only_and_an_older_cost_or_pepper_is_outdated() {
        let old = passwords(Cost::CHEAPEST, 1);
        let stored = hash(&old, "correct horse").await;
        let newer = passwords(Cost::CHEAPEST, 2);
        assert_eq!(check(&newer, "correct horse", Some(&stored)).await, Checked { fits: true, outdated: true });
        assert_eq!(hash(&newer, "x").await.pepper, 2);
        let dearer = passwords(Cost { memory_kib: 16, passes: 1 }, 1);
        assert_eq!(check(&dearer, "correct horse", Some(&stored)).await, Checked { fits: true, outdated: true });
        let claimed = StoredPassword { pepper: 2, ..stored.clone() };
        assert!(!check(&newer, "correct horse", Some(&claimed)).await.fits);
        assert!(!check(&newer, "correct horse", Some(&StoredPassword { pepper: 0, ..stored.clone() })).await.fits);
        let gone = old.verify(Secret::new("correct horse".into()), Some(claimed)).await;
        assert!(matches!(gone, Err(PasswordError::Pepper(2))));
    }

    #[tokio::test]
    async fn more_than_can_wait_are_turned_away_at_once() {
        let passwords = passwords(Cost { memory_kib: 64, passes: 1 }, 1);
        let all = futures_util::future::join_all((0..LONGEST_QUEUE * 3).map(|_| passwords.verify(Secret::new("x".into()), None))).await;
        assert!(all.iter().any(|one| matches!(one, Err(PasswordError::Busy))));
        assert!(check(&passwords, "x", None).await == Checked { fits: false, outdated: false }, "and afterwards there is room again");
    }
}
