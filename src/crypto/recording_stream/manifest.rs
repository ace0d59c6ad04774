//! What is known of a part besides its chunks: its identity, the header its file opens with, and the manifest that is signed when it
//! is finished.
//!
//! Invariant: each has exactly one encoding; decoding and encoding again gives the same bytes, so a signature over
//! [`Manifest::to_bytes`] covers all there is to know, above all how many chunks there are.

use thiserror::Error;

pub use super::fields::FieldError;
use super::fields::{FieldReader, FieldWriter};
use super::{ChunkDigest, PartBinding};
use crate::crypto::envelope::WrappedKey;
use crate::domain::id::{PartId, ParticipantId, RecordingId};

const IDENTITY: &str = "bedside/recording-part/v1";
const HEADER: &str = "bedside/recording-part-header/v1";
const MANIFEST: &str = "bedside/recording-manifest/v1";
const CHUNK: &str = "bedside/recording-manifest-chunk/v1";

/// What a part is of, fixed before its first chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartIdentity {
    /// What its chunks are bound to.
    pub binding: PartBinding,
    /// Whose track it is.
    pub participant: ParticipantId,
    /// Stable name of the track: `microphone`, `camera` or `screen`.
    pub track: String,
    /// Stable name of the codec: `opus` or `vp8`.
    pub codec: String,
    /// Width of the first frame in pixels; 0 for audio.
    pub width: u16,
    /// Height of the first frame in pixels; 0 for audio.
    pub height: u16,
    /// When the part begins, in milliseconds on the recording's clock.
    pub start_ms: u64,
}

impl PartIdentity {
    /// The canonical bytes; also the context under which the part's data key is wrapped, so that none of it can be changed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        FieldWriter::new(IDENTITY)
            .bytes(self.binding.recording.as_uuid().as_bytes())
            .bytes(self.binding.part.as_uuid().as_bytes())
            .bytes(&self.binding.consent_set)
            .bytes(&self.binding.policy)
            .u32(self.binding.key_version)
            .bytes(self.participant.as_uuid().as_bytes())
            .bytes(self.track.as_bytes())
            .bytes(self.codec.as_bytes())
            .u32(self.width.into())
            .u32(self.height.into())
            .u64(self.start_ms)
            .finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`FieldError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = FieldReader::new(bytes, IDENTITY)?;
        let malformed = fields.malformed();
        let identity = Self {
            binding: PartBinding {
                recording: RecordingId::from_uuid(fields.uuid()?),
                part: PartId::from_uuid(fields.uuid()?),
                consent_set: fields.array()?,
                policy: fields.array()?,
                key_version: fields.u32()?,
            },
            participant: ParticipantId::from_uuid(fields.uuid()?),
            track: fields.text()?,
            codec: fields.text()?,
            width: u16::try_from(fields.u32()?).map_err(|_| malformed)?,
            height: u16::try_from(fields.u32()?).map_err(|_| malformed)?,
            start_ms: fields.u64()?,
        };
        fields.end()?;
        Ok(identity)
    }
}

/// What a part's file opens with: enough to find and open the part after a crash, with the content key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHeader {
    /// What the part is of.
    pub identity: PartIdentity,
    /// Its data key, wrapped under the content key with the identity as context.
    pub wrapped_key: WrappedKey,
}

impl PartHeader {
    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        FieldWriter::new(HEADER).bytes(&self.identity.to_bytes()).bytes(self.wrapped_key.as_bytes()).finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`FieldError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = FieldReader::new(bytes, HEADER)?;
        let identity = PartIdentity::from_bytes(fields.bytes()?)?;
        let wrapped_key = WrappedKey::from_bytes(fields.bytes()?.to_vec());
        fields.end()?;
        Ok(Self { identity, wrapped_key })
    }
}

/// A stretch of the recording's clock that a chunk's frames cover without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where it begins, in milliseconds.
    pub start_ms: u64,
    /// Where it ends, in milliseconds.
    pub end_ms: u64,
}

/// What the manifest says of one chunk. Its number is its place in [`Manifest::chunks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestChunk {
    /// The second of the recording's clock it holds.
    pub second: u32,
    /// Bytes of the cluster inside.
    pub plaintext_length: u32,
    /// Where its ciphertext begins in the part's file.
    pub ciphertext_offset: u64,
    /// Bytes of ciphertext.
    pub ciphertext_length: u32,
    /// Digest of the ciphertext.
    pub digest: ChunkDigest,
    /// Time of the first video keyframe in it, in milliseconds.
    pub keyframe_ms: Option<u64>,
    /// What its frames cover, in order. Audio has a further run after each hole (lost packets, silence that was not sent).
    pub runs: Vec<Run>,
}

impl ManifestChunk {
    fn to_bytes(&self) -> Vec<u8> {
        let keyframe: &[u8] = &self.keyframe_ms.map_or_else(Vec::new, |at| at.to_be_bytes().to_vec());
        let runs: Vec<u8> = self.runs.iter().flat_map(|run| [run.start_ms.to_be_bytes(), run.end_ms.to_be_bytes()]).flatten().collect();
        FieldWriter::new(CHUNK)
            .u32(self.second)
            .u32(self.plaintext_length)
            .u64(self.ciphertext_offset)
            .u32(self.ciphertext_length)
            .bytes(self.digest.as_bytes())
            .bytes(keyframe)
            .bytes(&runs)
            .finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = FieldReader::new(bytes, CHUNK)?;
        let malformed = fields.malformed();
        let second = fields.u32()?;
        let plaintext_length = fields.u32()?;
        let ciphertext_offset = fields.u64()?;
        let ciphertext_length = fields.u32()?;
        let digest = ChunkDigest::from_bytes(fields.array()?);
        let keyframe_ms = match fields.bytes()? {
            [] => None,
            at => Some(u64::from_be_bytes(at.try_into().map_err(|_| malformed)?)),
        };
        let (pairs, rest) = fields.bytes()?.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(malformed);
        }
        let runs = pairs
            .iter()
            .map(|pair| {
                let word = |at: usize| pair[at..at + 8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
                Run { start_ms: word(0), end_ms: word(8) }
            })
            .collect();
        fields.end()?;
        Ok(Self { second, plaintext_length, ciphertext_offset, ciphertext_length, digest, keyframe_ms, runs })
    }
}

/// A chunk number that the manifest does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the part has no chunk {0}")]
pub struct NoSuchChunk(pub u64);

/// The finished part: what it is of and every chunk of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What the part is of.
    pub identity: PartIdentity,
    /// Its chunks, in order; number 0 first.
    pub chunks: Vec<ManifestChunk>,
}

impl Manifest {
    /// Digest of the last chunk; [`ChunkDigest::NONE`] if there is none.
    #[must_use]
    pub fn last_digest(&self) -> ChunkDigest {
        self.chunks.last().map_or(ChunkDigest::NONE, |chunk| chunk.digest)
    }

    /// A chunk and its predecessor's digest: what opening it needs.
    ///
    /// # Errors
    /// [`NoSuchChunk`] beyond the last one.
    pub fn chunk(&self, number: u64) -> Result<(&ManifestChunk, ChunkDigest), NoSuchChunk> {
        let at = usize::try_from(number).map_err(|_| NoSuchChunk(number))?;
        let chunk = self.chunks.get(at).ok_or(NoSuchChunk(number))?;
        let predecessor = at.checked_sub(1).and_then(|before| self.chunks.get(before)).map_or(ChunkDigest::NONE, |before| before.digest);
        Ok((chunk, predecessor))
    }

    /// Where the last frame ends, in milliseconds on the recording's clock; the start if the part is empty.
    #[must_use]
    pub fn end_ms(&self) -> u64 {
        self.chunks.iter().flat_map(|chunk| &chunk.runs).map(|run| run.end_ms).max().unwrap_or(self.identity.start_ms)
    }

    /// Sealed bytes of all chunks.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.ciphertext_length)).sum()
    }

    /// The canonical bytes: what is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u64::try_from(self.chunks.len()).unwrap_or(u64::MAX);
        let writer = FieldWriter::new(MANIFEST).bytes(&self.identity.to_bytes()).u64(count).bytes(self.last_digest().as_bytes());
        self.chunks.iter().fold(writer, |writer, chunk| writer.bytes(&chunk.to_bytes())).finish()
    }

    /// Reads the canonical bytes. Check the signature first.
    ///
    /// # Errors
    /// [`FieldError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut fields = FieldReader::new(bytes, MANIFEST)?;
        let malformed = fields.malformed();
        let identity = PartIdentity::from_bytes(fields.bytes()?)?;
        let count = fields.u64()?;
        let last = ChunkDigest::from_bytes(fields.array()?);
        let chunks = (0..count).map(|_| ManifestChunk::from_bytes(fields.bytes()?)).collect::<Result<Vec<_>, _>>()?;
        fields.end()?;
        let manifest = Self { identity, chunks };
        if manifest.last_digest() == last { Ok(manifest) } else { Err(malformed) }
    }
}
