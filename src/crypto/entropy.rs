//! Where random bytes come from.
//!
//! Everything that needs randomness takes an [`Entropy`], so that tests can replay a run and can show what happens when the
//! operating system has none to give. Invariant: a failure is reported, never papered over with weaker bytes.

use thiserror::Error;

/// The source had no random bytes to give; nothing may be sealed or issued without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no random bytes are available")]
pub struct EntropyError;

/// A source of cryptographically secure random bytes.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// [`EntropyError`] when the source cannot deliver; `bytes` must then not be used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}

/// Doubles for tests: one that repeats itself from run to run, one that always fails.
#[cfg(test)]
pub mod doubles {
    use std::sync::atomic::{AtomicU64, Ordering};

    use sha2::{Digest, Sha256};

    use super::{Entropy, EntropyError};

    /// SHA-256 over a counter: distinct bytes on every call, the same ones in every run.
    #[derive(Debug, Default)]
    pub struct CountingEntropy(AtomicU64);

    impl Entropy for CountingEntropy {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            for block in bytes.chunks_mut(32) {
                let count = self.0.fetch_add(1, Ordering::Relaxed);
                let digest = Sha256::digest(count.to_be_bytes());
                block.copy_from_slice(&digest[..block.len()]);
            }
            Ok(())
        }
    }

    /// A machine without randomness.
    #[derive(Debug, Default)]
    pub struct BrokenEntropy;

    impl Entropy for BrokenEntropy {
        fn fill(&self, _bytes: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_source_does_not_repeat_itself() {
        let (mut first, mut second) = ([0_u8; 32], [0_u8; 32]);
        SystemEntropy.fill(&mut first).unwrap();
        SystemEntropy.fill(&mut second).unwrap();
        assert_ne!(first, [0; 32]);
        assert_ne!(first, second);
    }
}
