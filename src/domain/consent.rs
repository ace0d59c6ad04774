//! Consent to a recording, and the only proof that lets one begin.
//!
//! Invariant: a [`ConsentedRoom`] exists only if every participant present has permitted, at the moment it was made, the recording it
//! names. A recorder cannot be started without one.

use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use std::collections::BTreeMap;

/// What someone decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Permit,
    /// No.
    Deny,
    /// Yes before, no longer.
    Withdrawn,
}

impl Decision {
    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The exact words someone was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextShown {
    /// Name of the consent text.
    pub text: String,
    /// Its version.
    pub version: String,
    /// The language it was shown in.
    pub language: String,
    /// SHA-256 of the file that was rendered, in lower-case hex.
    pub digest: String,
}

/// Proof that everyone present permits one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentedRoom {
    consultation: ConsultationId,
    recording: RecordingId,
    participants: Vec<ParticipantId>,
}

impl ConsentedRoom {
    /// Checks the decisions of everyone present; `None` while anyone has not permitted or nobody is there.
    #[must_use]
    pub fn check(
        consultation: ConsultationId,
        recording: RecordingId,
        present: &[ParticipantId],
        decisions: &BTreeMap<ParticipantId, Decision>,
    ) -> Option<Self> {
        let all = !present.is_empty() && present.iter().all(|who| decisions.get(who) == Some(&Decision::Permit));
        all.then(|| {
            let mut participants = present.to_vec();
            participants.sort_unstable();
            Self { consultation, recording, participants }
        })
    }

    /// The consultation.
    #[must_use]
    pub const fn consultation(&self) -> ConsultationId {
        self.consultation
    }

    /// The recording.
    #[must_use]
    pub const fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Everyone who was present and permitted, in order.
    #[must_use]
    pub fn participants(&self) -> &[ParticipantId] {
        &self.participants
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn one_missing_denied_or_withdrawn_consent_is_enough_to_have_none() {
        let consultation = ConsultationId::from_uuid(Uuid::from_u128(1));
        let recording = RecordingId::from_uuid(Uuid::from_u128(2));
        let (a, b) = (ParticipantId::from_uuid(Uuid::from_u128(3)), ParticipantId::from_uuid(Uuid::from_u128(4)));
        let mut decisions = BTreeMap::from([(a, Decision::Permit)]);
        let check =
            |present: &[ParticipantId], decisions: &BTreeMap<_, _>| ConsentedRoom::check(consultation, recording, present, decisions);
        assert!(check(&[a, b], &decisions).is_none(), "b has not decided");
        for no in [Decision::Deny, Decision::Withdrawn] {
            decisions.insert(b, no);
            assert!(check(&[a, b], &decisions).is_none());
        }
        decisions.insert(b, Decision::Permit);
        assert_eq!(check(&[b, a], &decisions).map(|room| room.participants().to_vec()), Some(vec![a, b]));
        assert!(check(&[], &decisions).is_none(), "an empty room consents to nothing");
    }
}
