//! Opaque tokens: 256 random bits, told once, kept as SHA-256 only.

use crate::crypto::digest::sha256_hex;
use crate::crypto::entropy::{Entropy, EntropyError};
use crate::domain::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The form in which a token is stored: SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHash(String);

impl TokenHash {
    /// The text to store and look up.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Makes a token of 256 random bits in unpadded base64url (43 characters).
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate(entropy: &dyn Entropy) -> Result<Secret, EntropyError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    entropy.fill(bytes.as_mut_slice())?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The stored form of a presented token; `None` if it does not even look like one.
///
/// A lookup by hash leaks no timing about the token: whoever can choose the input cannot choose its hash.
#[must_use]
pub fn hash(presented: &Secret) -> Option<TokenHash> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(presented.expose()).ok()?);
    (bytes.len() == 32).then(|| TokenHash(sha256_hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    #[test]
    fn a_token_is_found_by_its_hash_and_malformed_ones_are_not_looked_up() {
        let token = generate(&SystemEntropy).expect("entropy");
        assert_eq!(token.expose().len(), 43);
        assert_eq!(hash(&token), hash(&token.clone()));
        assert_ne!(hash(&token), hash(&generate(&SystemEntropy).expect("entropy")));
        for bad in ["", "abc", "not base64 at all !!", &"A".repeat(44), &"A".repeat(4000)] {
            assert!(hash(&Secret::new(bad.to_owned())).is_none(), "{bad}");
        }
    }
}
