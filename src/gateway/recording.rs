//! One recording while it is being made: the recorder, and the taps that let media reach it.
//!
//! Invariant: taps are placed only with a [`ConsentedRoom`] and a grant in hand, on the participants that room names and no one else, and
//! let through only the kinds that each of them permits.

use crate::domain::consent::ConsentedRoom;
use crate::domain::id::{ParticipantId, RecordingId};
use crate::domain::recording::Recording;
use crate::gateway::media::{MediaPlane, PeerId, Tap, TapPacket};
use crate::gateway::recorder::recovery::RecoveryError;
use crate::gateway::recorder::{
    ContentKeyIssuer, MediaPacket, Outcome, Recorder, RecorderError, RecorderEvent, RecorderInput, RecorderSetup, Stretch, recovery,
};
use crate::media::Source;
use crate::services::Services;
use crate::services::recordings::{ClosedPart, RecordingGrant};
use crate::storage::recording_files::{PartStore, PartStoreError};
use std::sync::Arc;
use std::time::Instant;

/// A recording that is being made.
pub struct Running {
    recorder: Recorder,
    input: RecorderInput,
    tapped: Vec<ParticipantId>,
    parts: Vec<ClosedPart>,
    cut_at: Option<Instant>,
    failure: Option<RecorderError>,
}

/// Something a recorder says about its recording.
pub type Said = (RecordingId, RecorderEvent);

impl Running {
    /// Starts a recorder for a room in which everyone has permitted, and lets its media reach it.
    ///
    /// # Errors
    /// If the recorder cannot be started.
    pub fn start(
        services: &Services,
        media: &MediaPlane,
        room: &ConsentedRoom,
        grant: RecordingGrant,
        said: impl Fn(Said) + Send + 'static,
    ) -> Result<Self, RecorderError> {
        let id = room.recording();
        let recorder = Recorder::start(RecorderSetup {
            recording: id,
            started: Instant::now(),
            started_at: grant.started_at,
            stretch: Stretch { consent_set: grant.consent_set, policy: grant.policy },
            keys: Box::new(ContentKeyIssuer::new(grant.content_key, grant.key_version, Arc::clone(&services.entropy))),
            store: Arc::new(services.files.clone()),
            entropy: Arc::clone(&services.entropy),
            on_event: Box::new(move |event| said((id, event))),
            clock: Instant::now,
        })?;
        let input = recorder.input().ok_or(RecorderError::Thread)?;
        let mut running = Self { recorder, input, tapped: Vec::new(), parts: Vec::new(), cut_at: None, failure: None };
        running.tap(media, room);
        Ok(running)
    }

    /// Lets media reach the recorder again, under a new stretch.
    ///
    /// # Errors
    /// If the recorder is gone.
    pub fn resume(&mut self, media: &MediaPlane, room: &ConsentedRoom, grant: &RecordingGrant) -> Result<(), RecorderError> {
        self.recorder.resume(Instant::now(), Stretch { consent_set: grant.consent_set, policy: grant.policy })?;
        self.cut_at = None;
        self.tap(media, room);
        Ok(())
    }

    /// Takes media away from the recorder, now. Packets that arrive later are not written, whatever is still queued.
    pub fn cut(&mut self, media: &MediaPlane, at: Instant) {
        self.input.cut(at);
        self.cut_at.get_or_insert(at);
        for who in self.tapped.drain(..) {
            // the gate has closed already: nobody needs to wait for the tap
            drop(media.stop_recording(PeerId(who.as_uuid())));
        }
    }

    /// Closes the parts of the stretch that was cut. Waits for the disk.
    ///
    /// # Errors
    /// What ended the recorder, in words; [`Running::finish`] says it again.
    pub fn close_stretch(&mut self, now: Instant) -> Result<(), String> {
        match self.recorder.pause(self.cut_at.unwrap_or(now)) {
            Ok(outcome) => self.keep(outcome),
            Err(error) => self.failure = Some(error),
        }
        self.failure.as_ref().map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// Closes the recording that was cut and gives all of its parts. Waits for the disk.
    pub fn finish(mut self, now: Instant) -> (Vec<ClosedPart>, Option<RecorderError>) {
        let stopped = self.recorder.stop(self.cut_at.unwrap_or(now));
        match stopped {
            Ok(outcome) => {
                if outcome.dropped_packets > 0 {
                    tracing::warn!(dropped = outcome.dropped_packets, "the recorder was too slow for some packets");
                }
                keep(&mut self.parts, &mut self.failure, outcome);
            }
            Err(error) => self.failure = self.failure.or(Some(error)),
        }
        (self.parts, self.failure)
    }

    fn keep(&mut self, outcome: Outcome) {
        keep(&mut self.parts, &mut self.failure, outcome);
    }

    fn tap(&mut self, media: &MediaPlane, room: &ConsentedRoom) {
        for (who, kinds) in room.participants().filter(|(_, kinds)| !kinds.is_none()) {
            let input = self.input.clone();
            let permitted = move |source| match source {
                Source::Microphone => kinds.audio,
                Source::Camera | Source::Screen => kinds.video,
            };
            media.record(PeerId(who.as_uuid()), Tap::into(move |packet| permitted(packet.source) && input.offer(packet_of(who, packet))));
            self.tapped.push(who);
        }
    }
}

fn keep(parts: &mut Vec<ClosedPart>, failure: &mut Option<RecorderError>, outcome: Outcome) {
    parts.extend(outcome.parts.into_iter().map(|part| ClosedPart { header: part.header, manifest: part.manifest }));
    if failure.is_none() {
        *failure = outcome.failure;
    }
}

fn packet_of(participant: ParticipantId, packet: TapPacket) -> MediaPacket {
    MediaPacket {
        participant,
        source: packet.source,
        ssrc: packet.ssrc,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        marker: packet.marker,
        payload: packet.payload,
        arrived: packet.arrived,
    }
}

/// Closes what a stop of the server left open: every complete chunk is kept, and the end of each recording written to the log.
pub async fn recover_unfinished(services: &Arc<Services>) {
    if let Err(error) = services.remove_destroyed_media().await {
        tracing::error!(%error, "destroyed recordings could not be listed");
    }
    let unfinished = match services.unfinished_recordings().await {
        Ok(unfinished) => unfinished,
        Err(error) => {
            tracing::error!(%error, "unfinished recordings could not be listed");
            return;
        }
    };
    for recording in unfinished {
        if let Err(reason) = recover(services, &recording).await {
            tracing::error!(recording = %recording.id, %reason, "an unfinished recording stays as it is until the next start");
        }
    }
}

/// Seals one recording from what is on disk. What cannot be read now leaves it as it is; what is damaged is written down.
async fn recover(services: &Arc<Services>, recording: &Recording) -> Result<(), String> {
    let id = recording.id;
    let key = services.recovery_key(recording).await.map_err(|e| e.to_string())?;
    let files = services.files.clone();
    let found = tokio::task::spawn_blocking(move || {
        let parts = files.parts(id).map_err(|e| e.to_string())?;
        let (mut closed, mut damaged) = (Vec::new(), Vec::new());
        for part in parts {
            match recovery::recover(&files, id, part, &key) {
                Ok(found) => closed.push(ClosedPart { header: found.part.header, manifest: found.part.manifest }),
                Err(RecoveryError::Store(PartStoreError::Io(error))) => return Err(error.to_string()),
                Err(error) => damaged.push((part, error.to_string())),
            }
        }
        Ok((closed, damaged))
    });
    let (closed, damaged) = found.await.map_err(|e| e.to_string())??;
    for (part, reason) in &damaged {
        services.part_is_damaged(id, *part, reason).await.map_err(|e| e.to_string())?;
    }
    services.seal_recording(id, &closed, "the server stopped", !damaged.is_empty()).await.map_err(|e| e.to_string())
}
