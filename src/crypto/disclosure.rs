//! Salted disclosures: a log has the digest of a value, and whoever is given the disclosure can check that it was this value.
//!
//! The form of RFC 9901 (selective disclosure), section 4.2: a disclosure is `base64url([salt, name, value])`, its digest
//! `base64url(SHA-256(disclosure))`. The salt of 128 bits keeps short values from being guessed from the digest.

use crate::crypto::digest::sha256;
use crate::crypto::entropy::{Entropy, EntropyError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A disclosure for a value.
///
/// # Errors
/// When there is no randomness for the salt.
pub fn disclose(name: &str, value: &str, entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let mut salt = [0_u8; 16];
    entropy.fill(&mut salt)?;
    let array = serde_json::json!([URL_SAFE_NO_PAD.encode(salt), name, value]);
    Ok(URL_SAFE_NO_PAD.encode(array.to_string()))
}

/// What stands in the log for a disclosure.
#[must_use]
pub fn digest(disclosure: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[disclosure.as_bytes()]))
}

/// Name and value of a disclosure; `None` if it is not one.
#[must_use]
pub fn read(disclosure: &str) -> Option<(String, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(disclosure).ok()?;
    let (_salt, name, value): (String, String, String) = serde_json::from_slice(&bytes).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;
    use crate::crypto::entropy::doubles::BrokenEntropy;

    /// RFC 9901, sections 4.2.1 and 4.2.3: the example of a disclosure and its digest.
    #[test]
    fn the_published_example_has_the_published_digest() {
        let published = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
        assert_eq!(digest(published), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
        assert_eq!(read(published), Some(("family_name".to_owned(), "M\u{f6}bius".to_owned())));
    }

    #[test]
    fn a_value_cannot_be_told_from_its_digest_and_reads_back() {
        let (one, two) = (disclose("name", "Ada", &SystemEntropy).expect("salt"), disclose("name", "Ada", &SystemEntropy).expect("salt"));
        assert_ne!(digest(&one), digest(&two), "every value has a salt of its own");
        assert_eq!(read(&one), Some(("name".to_owned(), "Ada".to_owned())));
        assert!(read("nonsense").is_none() && read("").is_none());
        assert!(disclose("name", "Ada", &BrokenEntropy).is_err());
    }
}
