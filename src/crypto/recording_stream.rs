//! The sealed stream of a recording part: a chain of chunks, each one complete FLOE message (c2sp.org/FLOE, AES-256-GCM with
//! HKDF-SHA-384, over the part's own data key).
//!
//! The associated data of a chunk names its number, the SHA-256 of its predecessor's ciphertext, its recording, part, consent set,
//! policy and key version. So a chunk opens at its own place in its own part and nowhere else, and any chunk opens by itself, given
//! the digest of the one before. Invariant: [`ChunkOpener::open`] releases the whole chunk as it was sealed, or nothing.
//!
//! How many chunks there are is not in the chunks; the signed [`manifest::Manifest`] binds that.

mod fields;
pub mod manifest;

use fast_floe::{Key, Parameters, SEGMENT_PREFIX_LENGTH, decrypt_with_parameters, encrypt};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::envelope::SecretKey;
use crate::domain::id::{PartId, RecordingId};
use fields::FieldWriter;

/// FLOE segment length in bytes. One second of 1.2 Mbit/s video is about 150 KiB, three segments; larger ones gain nothing measurable.
const SEGMENT_LENGTH: u32 = 64 * 1024;

/// Longest plaintext of a chunk in bytes: far above one second of any track, and a bound for whoever reads one into memory.
pub const MAX_CHUNK_LENGTH: usize = 32 * 1024 * 1024;

const DOMAIN: &str = "bedside/recording-chunk/v1";

/// A chunk is not what was sealed at this place: swapped, altered, cut short, of another part, or under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("chunk {number} of the part fails its integrity check")]
pub struct IntegrityError {
    /// Number of the chunk within its part, from zero.
    pub number: u64,
}

/// A chunk could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChunkSealError {
    /// Longer than [`MAX_CHUNK_LENGTH`].
    #[error("the chunk is longer than {MAX_CHUNK_LENGTH} bytes")]
    TooLong,
    /// The cipher failed, in practice for want of randomness.
    #[error("the cipher refused to seal the chunk")]
    Cipher,
}

/// SHA-256 of a chunk's ciphertext; the link of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDigest([u8; 32]);

impl ChunkDigest {
    /// Stands where the first chunk names its predecessor.
    pub const NONE: Self = Self([0; 32]);

    /// The digest of a ciphertext.
    #[must_use]
    pub fn of(ciphertext: &[u8]) -> Self {
        Self(Sha256::digest(ciphertext).into())
    }

    /// Takes stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What every chunk of a part is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartBinding {
    /// The recording.
    pub recording: RecordingId,
    /// The part of it.
    pub part: PartId,
    /// Digest of the set of consents in force during this stretch.
    pub consent_set: [u8; 32],
    /// Digest of the policy bundle in force.
    pub policy: [u8; 32],
    /// Version of the key the data key is wrapped under.
    pub key_version: u32,
}

impl PartBinding {
    fn associated_data(&self, number: u64, predecessor: ChunkDigest) -> Vec<u8> {
        FieldWriter::new(DOMAIN)
            .u64(number)
            .bytes(predecessor.as_bytes())
            .bytes(self.recording.as_uuid().as_bytes())
            .bytes(self.part.as_uuid().as_bytes())
            .bytes(&self.consent_set)
            .bytes(&self.policy)
            .u32(self.key_version)
            .finish()
    }
}

/// A chunk ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedChunk {
    /// Number within the part, from zero.
    pub number: u64,
    /// The complete FLOE message.
    pub ciphertext: Vec<u8>,
    /// Its SHA-256, which the next chunk will name.
    pub digest: ChunkDigest,
}

/// Seals the chunks of one part, in order. Dropping it wipes the data key.
pub struct ChunkSealer {
    key: Key,
    binding: PartBinding,
    next: u64,
    predecessor: ChunkDigest,
}

impl ChunkSealer {
    /// A sealer for a new part. The key must be fresh: two parts never share one.
    #[must_use]
    pub fn new(key: &SecretKey, binding: PartBinding) -> Self {
        Self { key: floe_key(key), binding, next: 0, predecessor: ChunkDigest::NONE }
    }

    /// Seals the next chunk and moves the chain on.
    ///
    /// # Errors
    /// See [`ChunkSealError`]; the chain then stays where it is.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<SealedChunk, ChunkSealError> {
        if plaintext.len() > MAX_CHUNK_LENGTH {
            return Err(ChunkSealError::TooLong);
        }
        let parameters = Parameters::with_segment_length(SEGMENT_LENGTH).map_err(|_| ChunkSealError::Cipher)?;
        let associated = self.binding.associated_data(self.next, self.predecessor);
        let ciphertext = encrypt(&self.key, &associated, parameters, plaintext).map_err(|_| ChunkSealError::Cipher)?;
        let chunk = SealedChunk { number: self.next, digest: ChunkDigest::of(&ciphertext), ciphertext };
        self.next += 1;
        self.predecessor = chunk.digest;
        Ok(chunk)
    }
}

/// Opens chunks of one part, in any order. Dropping it wipes the data key.
pub struct ChunkOpener {
    key: Key,
    binding: PartBinding,
}

impl ChunkOpener {
    /// An opener for a part.
    #[must_use]
    pub fn new(key: &SecretKey, binding: PartBinding) -> Self {
        Self { key: floe_key(key), binding }
    }

    /// Opens chunk `number`, whose predecessor's ciphertext has this digest ([`ChunkDigest::NONE`] for chunk 0).
    ///
    /// # Errors
    /// [`IntegrityError`] unless these are the bytes that were sealed at this place; no plaintext is released then.
    pub fn open(&self, number: u64, predecessor: ChunkDigest, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, IntegrityError> {
        let refuse = IntegrityError { number };
        let parameters = Parameters::with_segment_length(SEGMENT_LENGTH).map_err(|_| refuse)?;
        let associated = self.binding.associated_data(number, predecessor);
        decrypt_with_parameters(&self.key, &associated, parameters, ciphertext).map(Zeroizing::new).map_err(|_| refuse)
    }
}

/// Length of the plaintext inside a sealed chunk, told from its length alone; `None` if no chunk has that length.
#[must_use]
pub fn plaintext_length(ciphertext_length: u64) -> Option<u64> {
    let parameters = Parameters::with_segment_length(SEGMENT_LENGTH).ok()?;
    // A message is a header and at least one segment; the crate takes that for granted of what it lays out.
    let least = u64::try_from(fast_floe::Header::LEN + SEGMENT_PREFIX_LENGTH).ok()?;
    if ciphertext_length < least {
        return None;
    }
    parameters.ciphertext_layout(ciphertext_length).ok().map(fast_floe::low_level::MessageLayout::plaintext_length)
}

fn floe_key(key: &SecretKey) -> Key {
    Key::from_bytes(*key.as_bytes())
}

#[cfg(test)]
mod tests;
