//! Passwords: argon2id (RFC 9106) with a bounded number of hashes at a time, off the async threads.
//!
//! Known and unknown accounts cost the same: an unknown one is checked against a dummy hash made with the same parameters.

use crate::crypto::entropy::{Entropy, EntropyError};
use crate::domain::secret::Secret;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a hash costs.
#[derive(Debug, Clone, Copy)]
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

/// A password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// No randomness for the salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The parameters or the stored text are not acceptable to argon2.
    #[error("argon2 refused: {0}")]
    Argon2(String),
    /// The hashing thread did not finish.
    #[error("the hashing thread was lost")]
    Lost,
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// Prepares the hasher. At most `parallel` hashes run at a time; the rest wait their turn.
    ///
    /// # Errors
    /// If the cost is not one argon2 accepts.
    pub fn new(cost: Cost, parallel: usize, entropy: &dyn Entropy) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|e| PasswordError::Argon2(e.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut unguessable = [0_u8; 32];
        entropy.fill(&mut unguessable)?;
        let dummy = hash_now(&argon2, &unguessable, entropy)?;
        Ok(Self { argon2, dummy: dummy.into(), turns: Arc::new(Semaphore::new(parallel.max(1))) })
    }

    /// Hashes a password into a PHC string with a fresh salt.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn hash(&self, password: Secret, entropy: Arc<dyn Entropy>) -> Result<String, PasswordError> {
        let argon2 = self.argon2.clone();
        self.off_thread(move || hash_now(&argon2, password.expose().as_bytes(), entropy.as_ref())).await?
    }

    /// Whether the password fits the stored PHC string. Without one, the same work is done and the answer is no.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn verify(&self, password: Secret, stored: Option<String>) -> Result<bool, PasswordError> {
        let argon2 = self.argon2.clone();
        let known = stored.is_some();
        let phc = stored.unwrap_or_else(|| self.dummy.to_string());
        self.off_thread(move || {
            let parsed = PasswordHash::new(&phc).map_err(|e| PasswordError::Argon2(e.to_string()))?;
            let fits = argon2.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(fits && known)
        })
        .await?
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Lost)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|_| PasswordError::Lost)
    }
}

fn hash_now(argon2: &Argon2<'static>, password: &[u8], entropy: &dyn Entropy) -> Result<String, PasswordError> {
    let mut salt = [0_u8; 16];
    entropy.fill(&mut salt)?;
    let hash: PasswordHash = argon2.hash_password_with_salt(password, &salt).map_err(|e| PasswordError::Argon2(e.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    /// RFC 9106, section 5.3, without secret and associated data is not published; the reference implementation's own vector is.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let params = Params::new(65_536, 2, 1, Some(32)).expect("params");
        let mut out = [0_u8; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(b"password", b"somesalt", &mut out).expect("hash");
        assert_eq!(crate::crypto::digest::hex(&out), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_an_unknown_account_never_does() {
        let passwords = Passwords::new(Cost::CHEAPEST, 1, &SystemEntropy).expect("cost");
        let stored = passwords.hash(Secret::new("correct horse".into()), Arc::new(SystemEntropy)).await.expect("hash");
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        assert!(passwords.verify(Secret::new("correct horse".into()), Some(stored.clone())).await.expect("verify"));
        assert!(!passwords.verify(Secret::new("wrong".into()), Some(stored)).await.expect("verify"));
        assert!(!passwords.verify(Secret::new("correct horse".into()), None).await.expect("verify"));
    }
}
