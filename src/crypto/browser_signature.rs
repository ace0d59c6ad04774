//! Signatures that a browser made with a key of its own (WebCrypto): Ed25519 (RFC 8032) or ECDSA over P-256 with SHA-256 (FIPS 186-5).

use ed25519_dalek::{Signature as EdSignature, VerifyingKey as EdKey};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature as EcSignature, VerifyingKey as EcKey};

/// How a browser signed. Named as in JOSE and the Web Cryptography API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519: a key of 32 bytes.
    Ed25519,
    /// ECDSA with P-256 and SHA-256: a key of 65 bytes (SEC 1, uncompressed), a signature of r and s, 32 bytes each.
    Es256,
}

impl Algorithm {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ed25519, Self::Es256].into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    /// Whether the holder of this public key signed these bytes.
    #[must_use]
    pub fn verify(self, public_key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519 => {
                let key = <[u8; 32]>::try_from(public_key).ok().and_then(|key| EdKey::from_bytes(&key).ok());
                let signature = EdSignature::from_slice(signature).ok();
                key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(bytes, &signature).is_ok())
            }
            Self::Es256 => {
                let key = EcKey::from_sec1_bytes(public_key).ok().filter(|_| public_key.len() == 65);
                let signature = EcSignature::from_slice(signature).ok();
                key.zip(signature).is_some_and(|(key, signature)| key.verify(bytes, &signature).is_ok())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    /// RFC 8032, section 7.1, TEST 3.
    #[test]
    fn ed25519_agrees_with_rfc_8032() {
        let key = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        let signature = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert!(Algorithm::Ed25519.verify(&key, &[0xaf, 0x82], &signature));
        assert!(!Algorithm::Ed25519.verify(&key, &[0xaf, 0x83], &signature));
        assert!(!Algorithm::Es256.verify(&key, &[0xaf, 0x82], &signature));
    }

    /// RFC 6979, appendix A.2.5: P-256 with SHA-256, message "sample".
    #[test]
    fn ecdsa_agrees_with_rfc_6979() {
        let key = bytes(
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        );
        let signature = bytes(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        );
        assert!(Algorithm::Es256.verify(&key, b"sample", &signature));
        assert!(!Algorithm::Es256.verify(&key, b"test", &signature));
        assert!(!Algorithm::Es256.verify(&key[1..], b"sample", &signature) && !Algorithm::Es256.verify(&key, b"sample", &signature[1..]));
    }

    #[test]
    fn names_survive_their_text() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("RS256"), None);
    }
}
