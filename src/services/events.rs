//! What happened that floors above must learn. Every subscriber gets every event, in order; none is ever dropped.

use crate::domain::consent::Decision;
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use std::sync::{Mutex, PoisonError};

/// Something that happened in a consultation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Its status changed.
    Status(&'static str),
    /// It was ended for all.
    Ended,
    /// A participant was let in.
    Admitted(ParticipantId),
    /// A participant was not let in.
    TurnedAway(ParticipantId),
    /// A participant was taken out.
    Removed(ParticipantId),
    /// A participant left on their own.
    Left(ParticipantId),
    /// The clinician asked to record.
    RecordingRequested {
        /// The recording.
        recording: RecordingId,
        /// Who asked.
        by: ParticipantId,
        /// The consent text to show.
        text: String,
        /// Its version.
        version: String,
    },
    /// Someone is about to end a recording: media must not reach the recorder from now on. What follows is committed after this.
    RecordingCut {
        /// The recording.
        recording: RecordingId,
    },
    /// Someone decided about a recording, or withdrew.
    Decided {
        /// The recording.
        recording: RecordingId,
        /// Who.
        participant: ParticipantId,
        /// What.
        decision: Decision,
    },
    /// The clinician stopped a recording.
    RecordingStopped {
        /// The recording.
        recording: RecordingId,
        /// Who stopped it.
        by: Option<ParticipantId>,
    },
}

/// An event and the consultation it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsultationEvent {
    /// Where.
    pub consultation: ConsultationId,
    /// What.
    pub happened: Happened,
}

/// Takes events; must not block. Says whether it still listens.
type Listener = Box<dyn Fn(ConsultationEvent) -> bool + Send>;

/// The way events go out.
#[derive(Default)]
pub struct Events(Mutex<Vec<Listener>>);

impl Events {
    /// Begins to listen. What is published is handed over before `publish` returns, in order.
    pub fn subscribe(&self, listener: impl Fn(ConsultationEvent) -> bool + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    pub(crate) fn publish(&self, consultation: ConsultationId, happened: Happened) {
        let event = ConsultationEvent { consultation, happened };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| listener(event.clone()));
    }
}
