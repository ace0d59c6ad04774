//! An invitation: how someone without an account gets into one consultation, once, from one browser.

use crate::domain::id::{ConsultationId, InvitationId, ParticipantId};
use crate::domain::participant::{Capabilities, Role};
use crate::domain::time::Timestamp;

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its link has not been used.
    Open,
    /// Its link was used; the browser that did so holds the participant's place.
    Redeemed {
        /// When.
        at: Timestamp,
        /// Who came of it.
        participant: ParticipantId,
    },
    /// Taken back by the clinician.
    Cancelled,
}

/// Why a link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another browser used it.
    #[error("the invitation was used in another browser")]
    Used,
    /// Its time is over.
    #[error("the invitation has expired")]
    Expired,
    /// It was taken back.
    #[error("the invitation was cancelled")]
    Cancelled,
    /// Its code was wrong too often.
    #[error("the invitation's code was wrong too often")]
    Locked,
}

/// Wrong codes before a link stops working.
pub const MOST_CODE_TRIES: u8 = 5;

/// An invitation without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id, part of the link's path.
    pub id: InvitationId,
    /// The consultation it opens.
    pub consultation: ConsultationId,
    /// The role it gives.
    pub role: Role,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an unused link stops working.
    pub expires_at: Timestamp,
    /// What whoever redeems it may do in the call.
    pub capabilities: Capabilities,
    /// Wrong codes so far, where a code must be given as well.
    pub code_tries: Option<u8>,
}

impl Invitation {
    /// Who came in by it.
    #[must_use]
    pub const fn participant(&self) -> Option<ParticipantId> {
        match self.state {
            State::Redeemed { participant, .. } => Some(participant),
            _ => None,
        }
    }

    /// Whether the link may be redeemed now by a browser that holds no place yet.
    ///
    /// # Errors
    /// The [`Refusal`] to show.
    pub fn open(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.state {
            State::Cancelled => Err(Refusal::Cancelled),
            State::Redeemed { .. } => Err(Refusal::Used),
            State::Open if now >= self.expires_at => Err(Refusal::Expired),
            State::Open if self.code_tries.is_some_and(|tries| tries >= MOST_CODE_TRIES) => Err(Refusal::Locked),
            State::Open => Ok(()),
        }
    }

    /// The stable name of the state as a person sees it at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Cancelled => "cancelled",
            State::Redeemed { .. } => "redeemed",
            State::Open if now >= self.expires_at => "expired",
            State::Open if self.code_tries.is_some_and(|tries| tries >= MOST_CODE_TRIES) => "locked",
            State::Open => "open",
        }
    }
}
