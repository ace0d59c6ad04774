//! A recording and its life: requested → active ⇄ paused → stopped → sealed → destroyed; or refused before it ever ran.

use crate::domain::id::{AccountId, ConsultationId, PatientId, RecordingId};
use crate::domain::time::Timestamp;

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Asked for; nothing is recorded.
    Requested,
    /// Everyone present permits; media reaches the recorder.
    Active,
    /// A newcomer has not decided; nothing is recorded.
    Paused,
    /// Over; its parts are being closed.
    Stopped,
    /// Every part is closed and its manifest signed.
    Sealed,
    /// Its keys are gone.
    Destroyed,
    /// Someone said no before it ran.
    Refused,
}

impl State {
    const ALL: [Self; 7] = [Self::Requested, Self::Active, Self::Paused, Self::Stopped, Self::Sealed, Self::Destroyed, Self::Refused];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Sealed => "sealed",
            Self::Destroyed => "destroyed",
            Self::Refused => "refused",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether consent to it can still be given or withdrawn.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Active | Self::Paused)
    }
}

/// What happens to what was recorded when someone withdraws who had permitted it.
///
/// The later one is the stricter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterWithdrawal {
    /// It is kept and can be watched.
    Keep,
    /// Nobody watches it until a records officer has decided.
    KeepUntilReview,
    /// Its keys and its media are destroyed at once.
    Destroy,
}

impl AfterWithdrawal {
    /// The stable name, in storage, policies and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::KeepUntilReview => "keep_until_review",
            Self::Destroy => "destroy",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::KeepUntilReview, Self::Destroy].into_iter().find(|one| one.as_str() == text)
    }
}

/// A recording's facts; what it holds is in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// The consultation it was made in.
    pub consultation: ConsultationId,
    /// Whose content key protects it.
    pub patient: PatientId,
    /// The clinician who asked.
    pub requested_by: AccountId,
    /// Where it stands.
    pub state: State,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the first stretch began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// Length on its own timeline, in milliseconds.
    pub duration_ms: i64,
    /// Sealed bytes on disk.
    pub bytes: i64,
    /// The policy bundle it was made under.
    pub policy_digest: String,
    /// Its class in the retention schedule.
    pub retention_class: String,
    /// Name of the consent text that was asked.
    pub text: String,
    /// Its version when it was asked.
    pub version: String,
    /// What became of what was recorded, once someone has withdrawn.
    pub withdrawn: Option<AfterWithdrawal>,
}
