//! One part while it is being written: frames into clusters of one second, clusters into sealed chunks, chunks into the store.
//!
//! Invariant: the manifest lists exactly the chunks that are durable, in order, at most one per second; and no plaintext outlives its
//! chunk.

use std::sync::Arc;

use super::{FinishedPart, PartKeys, RecorderError, Stretch};
use crate::crypto::entropy::Entropy;
use crate::crypto::recording_stream::manifest::{Manifest, ManifestChunk, PartHeader, PartIdentity, Run};
use crate::crypto::recording_stream::{ChunkSealer, PartBinding};
use crate::domain::id::{PartId, ParticipantId, RecordingId, uuid_v7};
use crate::domain::time::Timestamp;
use crate::media::opus::SILENCE_MS;
use crate::media::webm::{ClusterBuilder, STORED_TRACK, WebmError};
use crate::media::{Dimensions, Source};
use crate::storage::recording_files::{PartFile, PartStore};

/// What all parts of a recording are made with.
pub(super) struct PartContext {
    pub(super) recording: RecordingId,
    pub(super) started_at: Timestamp,
    pub(super) stretch: Stretch,
    pub(super) keys: Box<dyn PartKeys>,
    pub(super) store: Arc<dyn PartStore>,
    pub(super) entropy: Arc<dyn Entropy>,
}

/// A frame on the recording's clock.
pub(super) struct TimedFrame<'a> {
    pub(super) start_ms: u64,
    /// Zero where it is not known: a picture stays until the next one.
    pub(super) duration_ms: u64,
    pub(super) video_keyframe: bool,
    pub(super) data: &'a [u8],
}

struct OpenSecond {
    second: u32,
    cluster: ClusterBuilder,
    keyframe_ms: Option<u64>,
    runs: Vec<Run>,
}

/// A part that is being written. Dropping it wipes its data key.
pub(super) struct OpenPart {
    header: PartHeader,
    source: Source,
    sealer: ChunkSealer,
    file: Box<dyn PartFile>,
    chunks: Vec<ManifestChunk>,
    open: Option<OpenSecond>,
}

impl OpenPart {
    /// Makes the part; its header is durable when this returns.
    pub(super) fn create(
        context: &mut PartContext,
        participant: ParticipantId,
        source: Source,
        dimensions: Option<Dimensions>,
        start_ms: u64,
    ) -> Result<Self, RecorderError> {
        let mut random = [0; 10];
        context.entropy.fill(&mut random)?;
        let made_at = context.started_at.plus(std::time::Duration::from_millis(start_ms));
        let binding = PartBinding {
            recording: context.recording,
            part: PartId::from_uuid(uuid_v7(made_at, random)),
            consent_set: context.stretch.consent_set,
            policy: context.stretch.policy,
            key_version: context.keys.version(),
        };
        let identity = PartIdentity {
            binding,
            participant,
            track: source.as_str().to_owned(),
            codec: source.codec().as_str().to_owned(),
            width: dimensions.map_or(0, |dimensions| dimensions.width),
            height: dimensions.map_or(0, |dimensions| dimensions.height),
            start_ms,
        };
        let (key, wrapped_key) = context.keys.issue(&identity.to_bytes())?;
        let header = PartHeader { identity, wrapped_key };
        let file = context.store.create(binding.recording, binding.part, &header.to_bytes())?;
        Ok(Self { header, source, sealer: ChunkSealer::new(&key, binding), file, chunks: Vec::new(), open: None })
    }

    /// Takes the next frame; seals the open second if the frame is beyond it.
    pub(super) fn push(&mut self, frame: &TimedFrame<'_>) -> Result<(), RecorderError> {
        let second = u32::try_from(frame.start_ms / 1_000).map_err(|_| WebmError::TooLarge)?;
        if self.open.as_ref().is_some_and(|open| open.second != second) {
            self.seal_open_second()?;
        }
        let open = self.open.get_or_insert_with(|| OpenSecond {
            second,
            cluster: ClusterBuilder::new(u64::from(second) * 1_000),
            keyframe_ms: None,
            runs: Vec::new(),
        });
        // Every Opus frame decodes by itself; of video frames, keyframes only.
        let independent = frame.video_keyframe || self.source == Source::Microphone;
        open.cluster.push(STORED_TRACK, frame.start_ms, independent, frame.data)?;
        open.keyframe_ms = open.keyframe_ms.or(frame.video_keyframe.then_some(frame.start_ms));
        extend_runs(&mut open.runs, self.source, frame.start_ms, frame.duration_ms);
        Ok(())
    }

    /// The second that is being filled, if one is.
    pub(super) fn open_second(&self) -> Option<u32> {
        self.open.as_ref().map(|open| open.second)
    }

    /// Seals the open second and makes it durable.
    pub(super) fn seal_open_second(&mut self) -> Result<(), RecorderError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let cluster = open.cluster.finish()?;
        let plaintext_length = u32::try_from(cluster.len()).map_err(|_| WebmError::TooLarge)?;
        let sealed = self.sealer.seal(&cluster)?;
        let location = self.file.append(&sealed.ciphertext)?;
        self.chunks.push(ManifestChunk {
            second: open.second,
            plaintext_length,
            ciphertext_offset: location.offset,
            ciphertext_length: location.length,
            digest: sealed.digest,
            keyframe_ms: open.keyframe_ms,
            runs: open.runs,
        });
        Ok(())
    }

    /// Closes the part over what has been sealed. The part comes back even if the store fails to close it: its chunks are durable.
    pub(super) fn finish(self) -> (FinishedPart, Result<(), RecorderError>) {
        let manifest = Manifest { identity: self.header.identity.clone(), chunks: self.chunks };
        let finished = FinishedPart { header: self.header, source: self.source, manifest };
        (finished, self.file.finish().map_err(RecorderError::from))
    }
}

/// Notes what a frame covers. A hole in the audio that a silence packet would fit into begins a new run; video is one run.
pub(super) fn extend_runs(runs: &mut Vec<Run>, source: Source, start_ms: u64, duration_ms: u64) {
    let end_ms = start_ms + duration_ms;
    match runs.last_mut() {
        Some(run) if source != Source::Microphone || start_ms < run.end_ms + SILENCE_MS => run.end_ms = run.end_ms.max(end_ms),
        _ => runs.push(Run { start_ms, end_ms }),
    }
}
