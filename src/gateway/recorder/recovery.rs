//! Makes the manifest of a part whose recorder never finished: after a crash, from the part's file and the subject's content key.
//!
//! Every chunk is opened and checked on the way, so the manifest says nothing that was not sealed. Invariant: a damaged chunk in the
//! middle fails the part and is named; only the very last one may be dropped, as torn by the crash.

use thiserror::Error;

use super::FinishedPart;
use super::part::extend_runs;
use crate::crypto::envelope::{OpenError, SecretKey, unwrap};
use crate::crypto::recording_stream::manifest::{FieldError, Manifest, ManifestChunk, PartHeader};
use crate::crypto::recording_stream::{ChunkDigest, ChunkOpener, IntegrityError};
use crate::domain::id::{PartId, RecordingId};
use crate::media::webm::{Cluster, WebmError};
use crate::media::{Source, opus};
use crate::storage::recording_files::{ChunkLocation, PartStore, PartStoreError};

/// A part could not be recovered.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The store failed, or the file is no part.
    #[error(transparent)]
    Store(#[from] PartStoreError),
    /// The header is not one.
    #[error(transparent)]
    Header(#[from] FieldError),
    /// The header names another part, or a track there is none of.
    #[error("the part's header belongs to something else")]
    Foreign,
    /// The data key does not open: wrong content key, or the header was altered.
    #[error(transparent)]
    Key(#[from] OpenError),
    /// A chunk fails its integrity check.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// A chunk opened but holds no cluster of this part.
    #[error("a chunk of the part is malformed")]
    Malformed,
}

impl From<WebmError> for RecoveryError {
    fn from(_: WebmError) -> Self {
        Self::Malformed
    }
}

/// A part as it was recovered.
#[derive(Debug)]
pub struct Recovered {
    /// The part; its manifest may have no chunk at all.
    pub part: FinishedPart,
    /// Bytes at the end of the file that are no complete chunk.
    pub torn_bytes: u64,
}

/// Recovers one part.
///
/// # Errors
/// See [`RecoveryError`].
pub fn recover(store: &dyn PartStore, recording: RecordingId, part: PartId, content_key: &SecretKey) -> Result<Recovered, RecoveryError> {
    let stored = store.recover(recording, part)?;
    let header = PartHeader::from_bytes(&stored.header)?;
    let binding = header.identity.binding;
    let source = Source::parse(&header.identity.track).ok_or(RecoveryError::Foreign)?;
    if (binding.recording, binding.part) != (recording, part) {
        return Err(RecoveryError::Foreign);
    }
    let key = unwrap(content_key, &header.wrapped_key, &header.identity.to_bytes())?;
    let opener = ChunkOpener::new(&key, binding);

    let mut chunks: Vec<ManifestChunk> = Vec::with_capacity(stored.chunks.len());
    let mut torn_bytes = stored.torn_bytes;
    for (at, location) in stored.chunks.iter().enumerate() {
        let predecessor = chunks.last().map_or(ChunkDigest::NONE, |chunk| chunk.digest);
        let sealed = store.read(recording, part, *location)?;
        match opener.open(at as u64, predecessor, &sealed) {
            Ok(cluster) => chunks.push(describe(&cluster, source, *location, ChunkDigest::of(&sealed))?),
            // Its length was written, its bytes were not.
            Err(_) if at + 1 == stored.chunks.len() => torn_bytes += u64::from(location.length) + 4,
            Err(refused) => return Err(refused.into()),
        }
    }
    let manifest = Manifest { identity: header.identity.clone(), chunks };
    Ok(Recovered { part: FinishedPart { header, source, manifest }, torn_bytes })
}

fn describe(plaintext: &[u8], source: Source, location: ChunkLocation, digest: ChunkDigest) -> Result<ManifestChunk, RecoveryError> {
    let cluster = Cluster::parse(plaintext)?;
    let mut runs = Vec::new();
    let mut keyframe_ms = None;
    for block in &cluster.blocks {
        let duration_ms = match source {
            Source::Microphone => opus::duration_ms(&plaintext[block.frame.clone()]).ok_or(RecoveryError::Malformed)?,
            Source::Camera | Source::Screen => 0,
        };
        if source != Source::Microphone && block.keyframe {
            keyframe_ms = keyframe_ms.or(Some(block.time_ms));
        }
        extend_runs(&mut runs, source, block.time_ms, duration_ms);
    }
    Ok(ManifestChunk {
        second: u32::try_from(cluster.time_ms / 1_000).map_err(|_| RecoveryError::Malformed)?,
        plaintext_length: u32::try_from(plaintext.len()).map_err(|_| RecoveryError::Malformed)?,
        ciphertext_offset: location.offset,
        ciphertext_length: location.length,
        digest,
        keyframe_ms,
        runs,
    })
}
