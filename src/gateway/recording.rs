//! One recording while it is being made: the recorder, and the taps that let media reach it.
//!
//! Invariant: taps are placed only with a [`ConsentedRoom`] and a grant in hand, on the participants that room names and no one else.

use crate::domain::consent::ConsentedRoom;
use crate::domain::id::{ParticipantId, RecordingId};
use crate::gateway::media::{MediaPlane, PeerId, Tap, TapPacket};
use crate::gateway::recorder::{
    ContentKeyIssuer, MediaPacket, Outcome, Recorder, RecorderError, RecorderEvent, RecorderInput, RecorderSetup, Stretch, recovery,
};
use crate::services::Services;
use crate::services::recordings::{ClosedPart, RecordingGrant};
use crate::storage::recording_files::PartStore;
use std::sync::Arc;
use std::time::Instant;

/// A recording that is being made.
pub struct Running {
    recorder: Recorder,
    input: RecorderInput,
    tapped: Vec<ParticipantId>,
    parts: Vec<ClosedPart>,
    cut_at: Option<Instant>,
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
        let mut running = Self { recorder, input, tapped: Vec::new(), parts: Vec::new(), cut_at: None };
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
    /// If the recorder is gone.
    pub fn close_stretch(&mut self, now: Instant) -> Result<(), RecorderError> {
        let outcome = self.recorder.pause(self.cut_at.unwrap_or(now))?;
        self.keep(outcome)
    }

    /// Closes the recording that was cut and gives all of its parts. Waits for the disk.
    pub fn finish(mut self, now: Instant) -> (Vec<ClosedPart>, Option<RecorderError>) {
        match self.recorder.stop(self.cut_at.unwrap_or(now)) {
            Err(error) => (self.parts, Some(error)),
            Ok(outcome) => {
                if outcome.dropped_packets > 0 {
                    tracing::warn!(dropped = outcome.dropped_packets, "the recorder was too slow for some packets");
                }
                self.parts.extend(outcome.parts.into_iter().map(|part| ClosedPart { header: part.header, manifest: part.manifest }));
                (self.parts, outcome.failure)
            }
        }
    }

    fn keep(&mut self, outcome: Outcome) -> Result<(), RecorderError> {
        self.parts.extend(outcome.parts.into_iter().map(|part| ClosedPart { header: part.header, manifest: part.manifest }));
        outcome.failure.map_or(Ok(()), Err)
    }

    fn tap(&mut self, media: &MediaPlane, room: &ConsentedRoom) {
        for who in room.participants() {
            let (input, who) = (self.input.clone(), *who);
            media.record(PeerId(who.as_uuid()), Tap::into(move |packet| input.offer(packet_of(who, packet))));
            self.tapped.push(who);
        }
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
    let unfinished = match services.unfinished_recordings().await {
        Ok(unfinished) => unfinished,
        Err(error) => {
            tracing::error!(%error, "unfinished recordings could not be listed");
            return;
        }
    };
    for recording in unfinished {
        let id = recording.id;
        let recovered = match services.recovery_key(&recording).await {
            Ok(key) => {
                let files = services.files.clone();
                tokio::task::spawn_blocking(move || {
                    let mut parts = Vec::new();
                    for part in files.parts(id).unwrap_or_default() {
                        match recovery::recover(&files, id, part, &key) {
                            Ok(found) => parts.push(ClosedPart { header: found.part.header, manifest: found.part.manifest }),
                            Err(error) => tracing::error!(recording = %id, %part, %error, "a part could not be recovered"),
                        }
                    }
                    parts
                })
                .await
                .unwrap_or_default()
            }
            Err(_) => Vec::new(),
        };
        if let Err(error) = services.seal_recording(id, &recovered, "the server stopped", false).await {
            tracing::error!(recording = %id, %error, "an unfinished recording could not be sealed");
        }
    }
}
