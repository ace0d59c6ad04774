//! What happened that floors above must learn. Every subscriber gets every event, in order; none is ever dropped.

use crate::domain::consent::{Kinds, OneRefusal};
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::recording::AfterWithdrawal;
use std::sync::{Mutex, PoisonError};

/// What someone answered when asked about a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The kinds of media they permit of themself; none, if they said no.
    Kinds(Kinds),
    /// They permitted it before and no longer do; what becomes of what was recorded, if anything was.
    Withdrawn(Option<AfterWithdrawal>),
}

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
        /// The kinds of media it is asked for.
        kinds: Kinds,
        /// What one refusal means for it.
        rule: OneRefusal,
    },
    /// Someone is about to answer anew about a recording they had permitted: their former answer counts no more.
    Reconsidering {
        /// The recording.
        recording: RecordingId,
        /// Who.
        participant: ParticipantId,
    },
    /// The words someone permitted a recording by were replaced by others that ask again: their answer counts no more.
    TextChanged {
        /// The recording.
        recording: RecordingId,
        /// Who.
        participant: ParticipantId,
        /// The version they are to decide about.
        version: String,
    },
    /// The clinician asks someone again about a recording they declined.
    AskedAgain {
        /// The recording.
        recording: RecordingId,
        /// Whom.
        participant: ParticipantId,
    },
    /// Someone may not come in, because they declined or withdrew what is required.
    Declined {
        /// Who.
        participant: ParticipantId,
        /// Their name.
        name: String,
        /// Their role.
        role: Role,
        /// Whether they had permitted it before.
        withdrawn: bool,
    },
    /// Someone in the call is to decide about a text that is not about a recording.
    TextWanted {
        /// Who.
        participant: ParticipantId,
        /// The text.
        text: String,
        /// Its version.
        version: String,
    },
    /// They did, or someone decided about one before the lobby.
    TextDecided {
        /// Who.
        participant: ParticipantId,
        /// The text.
        text: String,
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
        answer: Answer,
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
