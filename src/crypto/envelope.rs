//! Wrapping of keys and sealing of small values with AES-256-GCM (NIST SP 800-38D).
//!
//! Two shapes share one construction: a key under another key (`wrap`, `unwrap`) and a database field under a key (`seal_value`,
//! `open_value`). Both are `version ‖ nonce ‖ ciphertext ‖ tag`, both authenticate the caller's context, and each has a label of its own
//! in the associated data, so that one can never be opened as the other. Invariant: either the very bytes that were sealed for this
//! context come out, or [`OpenError`] and nothing else.
//!
//! Nonces are 96 random bits. SP 800-38D, section 8.3, allows 2^32 of them under one key; a content key or key-encryption key of one
//! clinic stays many orders of magnitude below that.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::entropy::{Entropy, EntropyError};

/// Length of every key, in bytes.
pub const KEY_LENGTH: usize = 32;

const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const OVERHEAD: usize = 1 + NONCE_LENGTH + TAG_LENGTH;

/// First part of the associated data; ends in a zero byte so that no label is another one's prefix.
const WRAPPED_KEY: &[u8] = b"bedside/wrapped-key/v1\0";
const SEALED_VALUE: &[u8] = b"bedside/sealed-value/v1\0";

/// A value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// No random nonce was to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The plaintext is longer than AES-GCM can take (about 64 GiB).
    #[error("the value is too long to be sealed")]
    TooLong,
}

/// The bytes do not open: another key, another context, altered, cut short, or of an unknown version. Which of them is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sealed bytes do not open")]
pub struct OpenError;

/// A 256-bit secret key, wiped when dropped. No `Debug`, no `Clone`, no `Serialize`.
pub struct SecretKey(Zeroizing<[u8; KEY_LENGTH]>);

impl SecretKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_LENGTH]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Takes over key bytes. The caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key bytes, for the primitive that needs them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

/// A key sealed under another key: safe to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// Takes stored bytes; whether they are a wrapped key shows in [`unwrap`].
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store, by value.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Seals `key` under `wrapping`, bound to `context`.
///
/// # Errors
/// [`EntropyError`] when there is no randomness for the nonce.
pub fn wrap(wrapping: &SecretKey, key: &SecretKey, context: &[u8], entropy: &dyn Entropy) -> Result<WrappedKey, EntropyError> {
    match seal(wrapping, WRAPPED_KEY, key.as_bytes(), context, entropy) {
        Ok(bytes) => Ok(WrappedKey(bytes)),
        // Thirty-two bytes are never too long, so the source of randomness is the only thing that can fail here.
        Err(SealError::Entropy(_) | SealError::TooLong) => Err(EntropyError),
    }
}

/// Opens a wrapped key.
///
/// # Errors
/// [`OpenError`] unless `wrapped` was made by [`wrap`] with this key and this context.
pub fn unwrap(wrapping: &SecretKey, wrapped: &WrappedKey, context: &[u8]) -> Result<SecretKey, OpenError> {
    let plaintext = open(wrapping, WRAPPED_KEY, wrapped.as_bytes(), context)?;
    let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
    if plaintext.len() != KEY_LENGTH {
        return Err(OpenError);
    }
    key.copy_from_slice(&plaintext);
    Ok(SecretKey(key))
}

/// Seals a small value, such as a database field, bound to `context`.
///
/// # Errors
/// See [`SealError`].
pub fn seal_value(key: &SecretKey, plaintext: &[u8], context: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
    seal(key, SEALED_VALUE, plaintext, context, entropy)
}

/// Opens a sealed value.
///
/// # Errors
/// [`OpenError`] unless `sealed` was made by [`seal_value`] with this key and this context.
pub fn open_value(key: &SecretKey, sealed: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    open(key, SEALED_VALUE, sealed, context)
}

fn seal(key: &SecretKey, label: &[u8], plaintext: &[u8], context: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0_u8; NONCE_LENGTH];
    entropy.fill(&mut nonce)?;
    let ciphertext = encrypt(key, nonce, plaintext, &[label, context].concat()).ok_or(SealError::TooLong)?;
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

fn open(key: &SecretKey, label: &[u8], sealed: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (version, rest) = sealed.split_first().ok_or(OpenError)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(OpenError)?;
    if *version != VERSION {
        return Err(OpenError);
    }
    decrypt(key, *nonce, ciphertext, &[label, context].concat()).ok_or(OpenError)
}

/// AES-256-GCM as it stands: ciphertext followed by the tag.
fn encrypt(key: &SecretKey, nonce: [u8; NONCE_LENGTH], plaintext: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new(key.as_bytes().into());
    cipher.encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad }).ok()
}

fn decrypt(key: &SecretKey, nonce: [u8; NONCE_LENGTH], ciphertext: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Aes256Gcm::new(key.as_bytes().into());
    cipher.decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad }).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::{hex, unhex};
    use crate::crypto::entropy::doubles::{BrokenEntropy, CountingEntropy};

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes([byte; 32])
    }

    /// "The Galois/Counter Mode of Operation (GCM)", as submitted to NIST, appendix B: (key, nonce, plaintext,
    /// associated data, ciphertext ‖ tag) of the 256-bit test cases 13 to 16.
    const GCM_TEST_CASES: [[&str; 5]; 4] = [
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ],
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "00000000000000000000000000000000",
            "",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
            "",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        ],
    ];

    #[test]
    fn the_cipher_agrees_with_the_published_gcm_test_cases() {
        for [key, nonce, plaintext, aad, expected] in GCM_TEST_CASES {
            let key = SecretKey::from_bytes(unhex(key).unwrap().try_into().unwrap());
            let nonce: [u8; 12] = unhex(nonce).unwrap().try_into().unwrap();
            let sealed = encrypt(&key, nonce, &unhex(plaintext).unwrap(), &unhex(aad).unwrap()).unwrap();
            assert_eq!(hex(&sealed), expected);
            assert_eq!(hex(&decrypt(&key, nonce, &sealed, &unhex(aad).unwrap()).unwrap()), plaintext);
        }
    }

    #[test]
    fn a_wrapped_key_comes_back_and_shows_nothing_of_itself() {
        let (wrapping, data) = (key(1), key(2));
        let wrapped = wrap(&wrapping, &data, b"part 7", &CountingEntropy::default()).unwrap();
        assert_eq!(wrapped.as_bytes().len(), 32 + OVERHEAD);
        assert!(!wrapped.as_bytes().windows(4).any(|window| window == [2; 4]));
        let stored = WrappedKey::from_bytes(wrapped.clone().into_bytes());
        assert_eq!(unwrap(&wrapping, &stored, b"part 7").ok().unwrap().as_bytes(), data.as_bytes());
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let entropy = CountingEntropy::default();
        assert_ne!(seal_value(&key(1), b"name", b"c", &entropy).unwrap(), seal_value(&key(1), b"name", b"c", &entropy).unwrap());
    }

    #[test]
    fn another_key_or_another_context_opens_nothing() {
        let entropy = CountingEntropy::default();
        let wrapped = wrap(&key(1), &key(2), b"part 7", &entropy).unwrap();
        assert!(unwrap(&key(3), &wrapped, b"part 7").is_err());
        assert!(unwrap(&key(1), &wrapped, b"part 8").is_err());
        assert!(unwrap(&key(1), &wrapped, b"").is_err());
        let sealed = seal_value(&key(1), b"name", b"patient 1", &entropy).unwrap();
        assert_eq!(open_value(&key(1), &sealed, b"patient 1").unwrap().as_slice(), b"name");
        assert_eq!(open_value(&key(2), &sealed, b"patient 1"), Err(OpenError));
        assert_eq!(open_value(&key(1), &sealed, b"patient 2"), Err(OpenError));
    }

    #[test]
    fn a_bit_flipped_at_any_byte_or_a_byte_missing_opens_nothing() {
        let entropy = CountingEntropy::default();
        let wrapped = wrap(&key(1), &key(2), b"c", &entropy).unwrap().into_bytes();
        let sealed = seal_value(&key(1), b"some value", b"c", &entropy).unwrap();
        for at in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert!(unwrap(&key(1), &WrappedKey::from_bytes(altered), b"c").is_err(), "byte {at}");
            assert!(unwrap(&key(1), &WrappedKey::from_bytes(wrapped[..at].to_vec()), b"c").is_err(), "cut at {at}");
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 0x80;
            assert_eq!(open_value(&key(1), &altered, b"c"), Err(OpenError), "byte {at}");
            assert_eq!(open_value(&key(1), &sealed[..at], b"c"), Err(OpenError), "cut at {at}");
        }
    }

    #[test]
    fn a_wrapped_key_is_no_sealed_value_and_the_other_way_round() {
        let entropy = CountingEntropy::default();
        let wrapped = wrap(&key(1), &key(2), b"c", &entropy).unwrap();
        assert_eq!(open_value(&key(1), wrapped.as_bytes(), b"c"), Err(OpenError));
        let sealed = seal_value(&key(1), &[2; 32], b"c", &entropy).unwrap();
        assert!(unwrap(&key(1), &WrappedKey::from_bytes(sealed), b"c").is_err());
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        assert!(SecretKey::generate(&BrokenEntropy).is_err());
        assert_eq!(wrap(&key(1), &key(2), b"c", &BrokenEntropy), Err(EntropyError));
        assert_eq!(seal_value(&key(1), b"v", b"c", &BrokenEntropy), Err(SealError::Entropy(EntropyError)));
    }
}
