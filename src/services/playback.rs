//! Watching a recording: a permitted, audited viewing, and the virtual files it is made of. Nothing opened here touches the disk.

use crate::crypto::envelope::{SecretKey, unwrap};
use crate::crypto::recording_stream::manifest::{Manifest, PartHeader};
use crate::crypto::recording_stream::{ChunkDigest, ChunkOpener};
use crate::domain::access::{Caller, Permit, PlayRecording};
use crate::domain::audit::{Event, Outcome};
use crate::domain::id::{ParticipantId, PlaybackId};
use crate::domain::participant::Role;
use crate::domain::recording::{AfterWithdrawal, Recording, State};
use crate::domain::time::Timestamp;
use crate::media::presentation::{ChunkLayout, ChunkRef, Medium, PartLayout, Presentation, ReadError, VideoLayout};
use crate::media::{Dimensions, Source};
use crate::services::Services;
use crate::services::consultations::account_of;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::services::recordings::{ListedRecording, MANIFEST_PURPOSE};
use crate::storage::recording_files::{ChunkLocation, PartStore};
use crate::storage::recordings::{self, Playback, StoredPart};
use crate::storage::{consultations, participants};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long one viewing lasts before it must be opened again.
const VIEWING: Duration = Duration::from_hours(2);

/// One participant's picture (or only sound) in a viewing.
pub struct Presented {
    /// Whose.
    pub participant: ParticipantId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Camera (with the microphone) or screen.
    pub source: Source,
    /// Whether there is a picture.
    pub has_video: bool,
    /// Whether there is sound.
    pub has_audio: bool,
}

/// A viewing that was permitted.
pub struct Viewing {
    /// Its id, part of the media's addresses.
    pub id: PlaybackId,
    /// Until when.
    pub expires_at: Timestamp,
    /// The recording.
    pub recording: ListedRecording,
    /// What there is to see, in the order of the addresses.
    pub presented: Vec<Presented>,
}

/// One virtual WebM file of a viewing, ready to be read by ranges. Cheap to clone.
#[derive(Clone)]
pub struct MediaFile(Arc<Laid>);

struct Laid {
    presentation: Presentation,
    audio: Vec<SealedPart>,
    video: Vec<SealedPart>,
}

struct SealedPart {
    manifest: Manifest,
    opener: ChunkOpener,
}

struct VerifiedPart {
    header: PartHeader,
    manifest: Manifest,
    source: Source,
}

impl Services {
    /// Opens a recording for viewing. The entry is covered by a signed checkpoint before anything can be seen.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] until it is sealed; [`ServiceError::KeyDestroyed`]; [`ServiceError::Integrity`], audited.
    pub async fn start_playback(&self, permit: &Permit<PlayRecording>, recording: Recording) -> Result<Recorded<Viewing>, ServiceError> {
        self.nothing_pending()?;
        watchable(&recording)?;
        if recording.state != State::Sealed {
            return Err(ServiceError::Conflict("The recording is not complete yet."));
        }
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let now = self.now();
        let (presented, listed) = {
            let mut read = self.database.read().await?;
            self.content_key(read.tx(), recording.patient).await?;
            let parts = self.verified_parts(permit.caller(), &recording, recordings::parts(read.tx(), recording.id).await?).await?;
            let consultation =
                consultations::lookup(read.tx(), recording.consultation).await?.ok_or(ServiceError::NotFound("consultation"))?;
            let mut presented = Vec::new();
            for (who, source) in arrangement(&parts) {
                let Some(participant) = participants::lookup(read.tx(), who).await? else { continue };
                let person = self.open_participant(read.tx(), &consultation, participant).await?;
                let has = |wanted| parts.iter().any(|p| p.manifest.identity.participant == who && p.source == wanted);
                presented.push(Presented {
                    participant: who,
                    role: person.participant.role,
                    name: person.name.unwrap_or_default(),
                    source,
                    has_video: has(source),
                    has_audio: source == Source::Camera && has(Source::Microphone),
                });
            }
            (presented, self.listed(read.tx(), recording.clone()).await?)
        };
        let id = PlaybackId::from_uuid(self.new_uuid()?);
        let expires_at = now.plus(VIEWING);
        let mut tx = self.database.begin().await?;
        recordings::insert_playback(tx.tx(), id, &Playback { recording: recording.id, account, expires_at }, now).await?;
        let entry = self
            .entry(Event::PlaybackStarted, permit.caller())?
            .about("recording", recording.id)
            .about("consultation", recording.consultation)
            .about("playback", id);
        self.committed_with(tx, entry, Viewing { id, expires_at, recording: listed, presented }).await
    }

    /// One media file of a viewing.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] unless the viewing is the caller's and not over.
    pub async fn media_file(&self, caller: &Caller, id: PlaybackId, index: usize) -> Result<MediaFile, ServiceError> {
        let playback = recordings::playback(self.database.read().await?.tx(), id).await?.ok_or(ServiceError::NotFound("playback"))?;
        if account_of(caller) != Some(playback.account) || self.now() >= playback.expires_at {
            return Err(ServiceError::NotFound("playback"));
        }
        // what was permitted when it was opened may have ended meanwhile
        let (_, _) = self.permit_recording::<PlayRecording>(caller, playback.recording).await?;
        let mut read = self.database.read().await?;
        let recording = recordings::lookup(read.tx(), playback.recording).await?.ok_or(ServiceError::NotFound("recording"))?;
        watchable(&recording)?;
        let content = self.content_key(read.tx(), recording.patient).await?;
        let parts = self.verified_parts(caller, &recording, recordings::parts(read.tx(), recording.id).await?).await?;
        let (who, source) = arrangement(&parts).into_iter().nth(index).ok_or(ServiceError::NotFound("presentation"))?;
        let duration = u64::try_from(recording.duration_ms).unwrap_or(0);
        MediaFile::lay_out(parts, who, source, duration, &content).map_err(|_| ServiceError::Integrity)
    }

    /// Reads a range of a media file, opening only the chunks it touches.
    ///
    /// # Errors
    /// [`ServiceError::Integrity`] if a chunk does not verify, audited; nothing of the range is released then.
    pub async fn read_media(&self, caller: &Caller, file: MediaFile, range: Range<u64>) -> Result<Vec<u8>, ServiceError> {
        let files = self.files.clone();
        let recording = file.recording();
        let read =
            tokio::task::spawn_blocking(move || file.read(&files, range)).await.map_err(|e| ServiceError::Internal(e.to_string()))?;
        match read {
            Ok(bytes) => Ok(bytes),
            Err(reason) => {
                let mut entry = self.entry(Event::IntegrityFailed, caller)?.ended(Outcome::Failure).with("reason", reason);
                if let Some(recording) = recording {
                    entry = entry.about("recording", recording);
                }
                self.record(entry).await?;
                Err(ServiceError::Integrity)
            }
        }
    }

    async fn verified_parts(
        &self,
        caller: &Caller,
        recording: &Recording,
        stored: Vec<StoredPart>,
    ) -> Result<Vec<VerifiedPart>, ServiceError> {
        let mut verified = Vec::new();
        for part in stored {
            let signed = self.signer.verify(MANIFEST_PURPOSE, &part.manifest, &part.signature);
            let read = || {
                let manifest = Manifest::from_bytes(&part.manifest).ok()?;
                let header = PartHeader::from_bytes(&part.header).ok()?;
                let source = Source::parse(&manifest.identity.track)?;
                let same = header.identity == manifest.identity
                    && manifest.identity.binding.recording == recording.id
                    && manifest.identity.binding.part == part.id;
                same.then_some(VerifiedPart { header, manifest, source })
            };
            let Some(part) = read().filter(|_| signed) else {
                let entry = self.entry(Event::IntegrityFailed, caller)?.ended(Outcome::Failure).about("recording", recording.id);
                self.record(entry.about("part", part.id).with("reason", "manifest")).await?;
                return Err(ServiceError::Integrity);
            };
            verified.push(part);
        }
        Ok(verified)
    }
}

/// Nobody watches what was destroyed, or what waits for a review because someone withdrew.
fn watchable(recording: &Recording) -> Result<(), ServiceError> {
    match (recording.state, recording.withdrawn) {
        (State::Destroyed, _) => Err(ServiceError::KeyDestroyed),
        (_, Some(AfterWithdrawal::KeepUntilReview)) => Err(ServiceError::ConsentWithdrawn),
        _ => Ok(()),
    }
}

/// What there is to see of a recording: each participant once (camera with microphone), and each shared screen.
fn arrangement(parts: &[VerifiedPart]) -> Vec<(ParticipantId, Source)> {
    let mut seen = BTreeSet::new();
    for part in parts {
        let source = if part.source == Source::Screen { Source::Screen } else { Source::Camera };
        seen.insert((source, part.manifest.identity.participant));
    }
    seen.into_iter().map(|(source, who)| (who, source)).collect()
}

impl MediaFile {
    fn lay_out(
        parts: Vec<VerifiedPart>,
        who: ParticipantId,
        source: Source,
        duration_ms: u64,
        content: &SecretKey,
    ) -> Result<Self, ServiceError> {
        let (mut audio, mut video) = (Vec::new(), Vec::new());
        let mut dimensions = None;
        for part in parts {
            let identity = &part.manifest.identity;
            let wanted = part.source == source || (source == Source::Camera && part.source == Source::Microphone);
            if identity.participant != who || !wanted {
                continue;
            }
            let key = unwrap(content, &part.header.wrapped_key, &identity.to_bytes())?;
            let sealed = SealedPart { opener: ChunkOpener::new(&key, identity.binding), manifest: part.manifest };
            if part.source == Source::Microphone {
                audio.push(sealed);
            } else {
                let identity = &sealed.manifest.identity;
                dimensions.get_or_insert(Dimensions { width: identity.width, height: identity.height });
                video.push(sealed);
            }
        }
        let layouts = |parts: &[SealedPart]| parts.iter().map(|part| layout(&part.manifest)).collect::<Vec<_>>();
        let pictures = dimensions.map(|dimensions| VideoLayout { dimensions, parts: layouts(&video) });
        let presentation = Presentation::new(&layouts(&audio), pictures.as_ref(), duration_ms).map_err(|_| ServiceError::Integrity)?;
        Ok(Self(Arc::new(Laid { presentation, audio, video })))
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.presentation.len()
    }

    /// Where a read from `offset` best ends: about `wanted` bytes on, at a boundary that opens no chunk twice.
    #[must_use]
    pub fn good_end(&self, offset: u64, wanted: u64) -> u64 {
        let target = offset.saturating_add(wanted).min(self.length());
        let mut end = self.0.presentation.boundary_after(offset);
        while end < target {
            end = self.0.presentation.boundary_after(end);
        }
        end
    }

    fn recording(&self) -> Option<crate::domain::id::RecordingId> {
        self.0.audio.iter().chain(&self.0.video).next().map(|part| part.manifest.identity.binding.recording)
    }

    fn read(&self, files: &dyn PartStore, range: Range<u64>) -> Result<Vec<u8>, String> {
        let mut opened: BTreeMap<ChunkRef, Zeroizing<Vec<u8>>> = BTreeMap::new();
        let read = self.0.presentation.read(range, |wanted: ChunkRef| -> Result<Zeroizing<Vec<u8>>, String> {
            if let Some(chunk) = opened.remove(&wanted) {
                return Ok(chunk);
            }
            let parts = match wanted.medium {
                Medium::Audio => &self.0.audio,
                Medium::Video => &self.0.video,
            };
            let part = parts.get(wanted.part).ok_or("no such part")?;
            let number = wanted.chunk as u64;
            let (chunk, predecessor) = part.manifest.chunk(number).map_err(|e| e.to_string())?;
            let binding = part.manifest.identity.binding;
            let location = ChunkLocation { offset: chunk.ciphertext_offset, length: chunk.ciphertext_length };
            let sealed = files
                .read(binding.recording, binding.part, location)
                .map_err(|e| format!("chunk {number} of part {}: {e}", binding.part))?;
            if ChunkDigest::of(&sealed) != chunk.digest {
                return Err(format!("chunk {number} of part {} was altered", binding.part));
            }
            part.opener.open(number, predecessor, &sealed).map_err(|e| format!("part {}: {e}", binding.part))
        });
        read.map_err(|error| match error {
            ReadError::Fetch(reason) => reason,
            other => other.to_string(),
        })
    }
}

fn layout(manifest: &Manifest) -> PartLayout {
    let chunks = manifest.chunks.iter().map(|chunk| ChunkLayout {
        second: chunk.second,
        plaintext_length: chunk.plaintext_length,
        keyframe_ms: chunk.keyframe_ms,
        runs: chunk.runs.iter().map(|run| run.start_ms..run.end_ms).collect(),
    });
    PartLayout { chunks: chunks.collect() }
}
