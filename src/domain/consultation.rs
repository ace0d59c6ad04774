//! A consultation (FHIR Encounter, class VR) and its life: planned → in progress → completed, or cancelled before it began.

use crate::domain::id::{AccountId, ConsultationId, PatientId};
use crate::domain::time::Timestamp;

/// Where a consultation stands. Each state carries exactly the times that exist in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Agreed for a time to come.
    Planned,
    /// Being held.
    InProgress {
        /// When the clinician started it.
        started_at: Timestamp,
    },
    /// Held and over.
    Completed {
        /// When the clinician started it.
        started_at: Timestamp,
        /// When it was ended for all.
        ended_at: Timestamp,
    },
    /// Called off before it began.
    Cancelled {
        /// When it was called off.
        ended_at: Timestamp,
    },
}

/// The state does not allow what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the consultation is {}", .0.as_str())]
pub struct WrongState(pub State);

impl State {
    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::InProgress { .. } => "in_progress",
            Self::Completed { .. } => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Begins a planned consultation.
    ///
    /// # Errors
    /// [`WrongState`] unless it is planned.
    pub const fn start(self, now: Timestamp) -> Result<Self, WrongState> {
        match self {
            Self::Planned => Ok(Self::InProgress { started_at: now }),
            other => Err(WrongState(other)),
        }
    }

    /// Ends a consultation in progress, for all.
    ///
    /// # Errors
    /// [`WrongState`] unless it is in progress.
    pub const fn end(self, now: Timestamp) -> Result<Self, WrongState> {
        match self {
            Self::InProgress { started_at } => Ok(Self::Completed { started_at, ended_at: now }),
            other => Err(WrongState(other)),
        }
    }

    /// Calls off a planned consultation.
    ///
    /// # Errors
    /// [`WrongState`] unless it is planned.
    pub const fn cancel(self, now: Timestamp) -> Result<Self, WrongState> {
        match self {
            Self::Planned => Ok(Self::Cancelled { ended_at: now }),
            other => Err(WrongState(other)),
        }
    }

    /// Whether nobody can join any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Cancelled { .. })
    }

    /// When it started, if it has.
    #[must_use]
    pub const fn started_at(self) -> Option<Timestamp> {
        match self {
            Self::InProgress { started_at } | Self::Completed { started_at, .. } => Some(started_at),
            Self::Planned | Self::Cancelled { .. } => None,
        }
    }

    /// When it was ended or called off, if it was.
    #[must_use]
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Completed { ended_at, .. } | Self::Cancelled { ended_at } => Some(ended_at),
            Self::Planned | Self::InProgress { .. } => None,
        }
    }
}

/// A consultation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consultation {
    /// Its id.
    pub id: ConsultationId,
    /// Whom it is about.
    pub patient: PatientId,
    /// The clinician who holds it.
    pub practitioner: AccountId,
    /// When it is, or was, to begin.
    pub starts_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// When it was entered.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lawful_transitions_exist() {
        let now = Timestamp::from_micros(5);
        let running = State::Planned.start(now).expect("planned starts");
        assert_eq!(running.start(now), Err(WrongState(running)));
        assert_eq!(running.cancel(now), Err(WrongState(running)));
        let done = running.end(now).expect("running ends");
        assert!(done.is_over() && done.end(now).is_err() && done.start(now).is_err());
        let off = State::Planned.cancel(now).expect("planned cancels");
        assert!(off.is_over() && off.start(now).is_err() && off.started_at().is_none());
    }
}
