//! Disclosures of personal values (RFC 9901, section 4.2), by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Whether an entry has the digest of a disclosure, under the name that the disclosure gives. Gives name and value.
pub(crate) fn check(entry: &[u8], disclosure: &str) -> Result<(String, String), &'static str> {
    let array = URL_SAFE_NO_PAD.decode(disclosure).map_err(|_| "a disclosure is not base64url")?;
    let (salt, name, value): (String, String, String) = serde_json::from_slice(&array).map_err(|_| "a disclosure is not a salted value")?;
    if salt.is_empty() {
        return Err("a disclosure has no salt");
    }
    let entry: serde_json::Value = serde_json::from_slice(entry).map_err(|_| "the entry is not JSON")?;
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(disclosure));
    if entry["personal"][&name] != digest {
        return Err("a disclosed value is not the one that was written down");
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9901, sections 4.2.1 and 4.2.3.
    #[test]
    fn the_published_disclosure_has_the_published_digest() {
        let disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
        let entry = br#"{"personal":{"family_name":"X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"}}"#;
        assert_eq!(check(entry, disclosure), Ok(("family_name".to_owned(), "M\u{f6}bius".to_owned())));
        let other = br#"{"personal":{"family_name":"X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC1"}}"#;
        assert!(check(other, disclosure).is_err() && check(b"{}", disclosure).is_err() && check(entry, "x").is_err());
    }
}
