//! The conductor's recordings: taking media to recorders and away from them, closing and sealing what they wrote.
//!
//! What takes media away never waits. What waits for a disk happens on a blocking thread, while the recording is held as away.

use super::{Conductor, FAREWELL, Held, Input, LONGEST_WAIT, Next};
use crate::domain::consent::ConsentedRoom;
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::gateway::recording::Running;
use crate::gateway::room::Event;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recordings::RecordingGrant;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

impl Conductor {
    pub(super) fn record(&mut self, room: ConsentedRoom, grant: Box<RecordingGrant>) {
        let (consultation, recording) = (room.consultation(), room.recording());
        let result = match self.recordings.remove(&recording) {
            None => {
                let inputs = self.inputs.clone();
                let said = move |(recording, event)| {
                    let _ = inputs.send(Input::Recorder { consultation, recording, event });
                };
                Running::start(&self.services, &self.media, &room, *grant, said).map(|running| Held::Here(Box::new(running)))
            }
            Some(Held::Here(mut running)) => {
                let resumed = running.resume(&self.media, &room, &grant);
                // what was recorded before is kept, whatever came of it
                self.recordings.insert(recording, Held::Here(running));
                match resumed {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Some(Held::Away(_)) => Ok(Held::Away(Some(Next::Resume(room, grant)))),
        };
        match result {
            Ok(held) => {
                self.recordings.insert(recording, held);
            }
            Err(error) => {
                tracing::error!(%recording, %error, "the recorder could not be started");
                self.handle(consultation, Event::RecordingFailed(recording));
            }
        }
    }

    pub(super) fn pause(&mut self, consultation: ConsultationId, recording: RecordingId, newcomer: ParticipantId) {
        match self.recordings.remove(&recording) {
            None => {}
            Some(Held::Away(_)) => {
                self.recordings.insert(recording, Held::Away(None));
            }
            Some(Held::Here(mut running)) => {
                let at = Instant::now();
                running.cut(&self.media, at);
                self.recordings.insert(recording, Held::Away(None));
                let inputs = self.inputs.clone();
                tokio::task::spawn_blocking(move || {
                    let closed = running.close_stretch(at);
                    if let Err(error) = &closed {
                        tracing::error!(%recording, %error, "the recording could not be paused");
                    }
                    let _ = inputs.send(Input::StretchClosed { consultation, recording, running, failed: closed.is_err() });
                });
            }
        }
        let services = Arc::clone(&self.services);
        self.in_order(async move {
            if let Err(error) = services.pause_recording(recording, newcomer).await {
                tracing::error!(%recording, %error, "the pause could not be recorded");
            }
        });
    }

    pub(super) fn stretch_closed(&mut self, consultation: ConsultationId, recording: RecordingId, mut running: Box<Running>, failed: bool) {
        let next = match self.recordings.remove(&recording) {
            Some(Held::Away(next)) => next,
            _ => None,
        };
        if failed && !matches!(next, Some(Next::Finish(..))) {
            self.recordings.insert(recording, Held::Here(running));
            self.handle(consultation, Event::RecordingFailed(recording));
            return;
        }
        match next {
            None => {
                self.recordings.insert(recording, Held::Here(running));
            }
            Some(Next::Finish(at, reason)) => self.seal(recording, Some(running), at, reason),
            Some(Next::Resume(room, grant)) => {
                let resumed = running.resume(&self.media, &room, &grant);
                self.recordings.insert(recording, Held::Here(running));
                if let Err(error) = resumed {
                    tracing::error!(%recording, %error, "the recording could not go on");
                    self.handle(consultation, Event::RecordingFailed(recording));
                }
            }
        }
    }

    pub(super) fn finish(&mut self, recording: RecordingId, reason: &'static str) {
        let at = Instant::now();
        match self.recordings.remove(&recording) {
            Some(Held::Away(_)) => {
                self.recordings.insert(recording, Held::Away(Some(Next::Finish(at, reason))));
            }
            Some(Held::Here(mut running)) => {
                running.cut(&self.media, at);
                self.seal(recording, Some(running), at, reason);
            }
            None => self.seal(recording, None, at, reason),
        }
    }

    pub(super) fn seal(&mut self, recording: RecordingId, running: Option<Box<Running>>, at: Instant, reason: &'static str) {
        let services = Arc::clone(&self.services);
        self.seals.spawn(async move { seal_now(&services, recording, running, at, reason).await });
    }

    /// Closes and seals everything that is being recorded, waiting for what is away.
    pub(super) async fn finish_all(&mut self, inputs: &mut UnboundedReceiver<Input>) {
        let recordings: Vec<_> = self.recordings.keys().copied().collect();
        for recording in recordings {
            self.finish(recording, "the server stopped");
        }
        let away = |held: &Held| matches!(held, Held::Away(_));
        while self.recordings.values().any(away) {
            match tokio::time::timeout(FAREWELL, inputs.recv()).await {
                Ok(Some(input @ Input::StretchClosed { .. })) => {
                    self.input(input);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        // what the log does not take now is sealed at the next start
        let _ = tokio::time::timeout(FAREWELL, async { while self.seals.join_next().await.is_some() {} }).await;
    }
}

async fn seal_now(services: &Services, recording: RecordingId, running: Option<Box<Running>>, at: Instant, reason: &'static str) {
    let (parts, failure) = match running {
        None => (Vec::new(), None),
        Some(running) => tokio::task::spawn_blocking(move || running.finish(at)).await.unwrap_or_default(),
    };
    if let Some(error) = &failure {
        tracing::error!(%recording, %error, "the recorder failed");
    }
    let mut wait = Duration::from_millis(200);
    loop {
        match services.seal_recording(recording, &parts, reason, failure.is_some()).await {
            // where only its checkpoint is late, the log has it
            Ok(()) | Err(ServiceError::CheckpointLate) => return,
            Err(error) => tracing::error!(%recording, %error, "the recording could not be sealed; it is tried again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
