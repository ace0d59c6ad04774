//! Consent: what is asked, what someone answered, and the only proof that lets a recording begin.
//!
//! Invariant: a [`ConsentedRoom`] exists only if every participant present has decided about the recording it names, and their decisions
//! let it take place, at the moment it was made. A recorder cannot be started without one, and takes of each person only the kinds it names.

use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What consent is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be cared for in a video call.
    CareByVideo,
    /// That one's sound is recorded.
    RecordingAudio,
    /// That one's picture and shared screen are recorded.
    RecordingVideo,
    /// That an interpreter is in the call.
    InterpreterPresence,
    /// That what was recorded is used in teaching.
    Teaching,
    /// That it is shared with a third party the text names.
    ThirdPartySharing,
}

/// When a consent text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the lobby.
    Joining,
    /// When a recording is asked for.
    Recording,
    /// Before an interpreter is let in.
    Interpreter,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] =
        [Self::CareByVideo, Self::RecordingAudio, Self::RecordingVideo, Self::InterpreterPresence, Self::Teaching, Self::ThirdPartySharing];

    /// The stable name, in storage, policies and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CareByVideo => "care_by_video",
            Self::RecordingAudio => "recording_audio",
            Self::RecordingVideo => "recording_video",
            Self::InterpreterPresence => "interpreter_presence",
            Self::Teaching => "teaching",
            Self::ThirdPartySharing => "third_party_sharing",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// When a text with this purpose is shown.
    #[must_use]
    pub const fn moment(self) -> Moment {
        match self {
            Self::RecordingAudio | Self::RecordingVideo => Moment::Recording,
            Self::InterpreterPresence => Moment::Interpreter,
            Self::CareByVideo | Self::Teaching | Self::ThirdPartySharing => Moment::Joining,
        }
    }

    /// Reads a list as stored: names with spaces between.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split_whitespace().map(Self::parse).collect()
    }

    /// A list as stored.
    #[must_use]
    pub fn list(all: &[Self]) -> String {
        all.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// What someone decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, to at least one of the purposes.
    Permit,
    /// No, to all of them.
    Deny,
    /// Yes before, no longer.
    Withdrawn,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::Permit, Self::Deny, Self::Withdrawn];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == text)
    }
}

/// For whom someone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// For themself.
    #[serde(rename = "self")]
    Oneself,
    /// As parent or guardian of the patient.
    ParentOrGuardian,
    /// As the patient's legal representative.
    LegalRepresentative,
}

impl Capacity {
    /// Every capacity.
    pub const ALL: [Self; 3] = [Self::Oneself, Self::ParentOrGuardian, Self::LegalRepresentative];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oneself => "self",
            Self::ParentOrGuardian => "parent_or_guardian",
            Self::LegalRepresentative => "legal_representative",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capacity| capacity.as_str() == text)
    }
}

/// How a decision reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In the pages of the consultation, signed by the browser's key.
    InPage,
    /// Through the private link to one's receipts.
    ReceiptLink,
    /// By an earlier version of this program, which took no signatures.
    Unsigned,
}

impl Method {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InPage => "in_page",
            Self::ReceiptLink => "receipt_link",
            Self::Unsigned => "unsigned",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::InPage, Self::ReceiptLink, Self::Unsigned].into_iter().find(|method| method.as_str() == text)
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
    /// SHA-256 of the file in the catalogue, in lower-case hex.
    pub digest: String,
    /// SHA-256 of title and body as they stood on the screen, in lower-case hex; made by the browser. Empty where none was made.
    pub shown: String,
}

/// Kinds of media that can be recorded, each decided about apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kinds {
    /// The microphone.
    pub audio: bool,
    /// Camera and shared screen.
    pub video: bool,
}

impl Kinds {
    /// Nothing.
    pub const NONE: Self = Self { audio: false, video: false };
    /// Sound and picture.
    pub const BOTH: Self = Self { audio: true, video: true };

    /// The kinds that these purposes permit.
    #[must_use]
    pub fn of(permitted: &[Purpose]) -> Self {
        Self { audio: permitted.contains(&Purpose::RecordingAudio), video: permitted.contains(&Purpose::RecordingVideo) }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.audio && !self.video
    }

    /// As one word, for digests and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.audio, self.video) {
            (false, false) => "none",
            (true, false) => "audio",
            (false, true) => "video",
            (true, true) => "audio+video",
        }
    }
}

/// What one refusal means for a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OneRefusal {
    /// Nothing is recorded of anyone.
    #[default]
    StopsAll,
    /// Whoever refuses is not recorded; the others are.
    LeavesOutThePerson,
}

/// Proof that everyone present has decided, and that their decisions let one recording take place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentedRoom {
    consultation: ConsultationId,
    recording: RecordingId,
    participants: BTreeMap<ParticipantId, Kinds>,
}

impl ConsentedRoom {
    /// Checks the decisions of everyone present; `None` while anyone has not decided, has refused where one refusal stops all, or nobody
    /// permits anything.
    #[must_use]
    pub fn check(
        consultation: ConsultationId,
        recording: RecordingId,
        present: &[ParticipantId],
        decided: &BTreeMap<ParticipantId, Kinds>,
        rule: OneRefusal,
    ) -> Option<Self> {
        let participants: BTreeMap<_, _> = present.iter().filter_map(|who| decided.get(who).map(|kinds| (*who, *kinds))).collect();
        let everyone = participants.len() == present.len();
        let enough = match rule {
            OneRefusal::StopsAll => participants.values().all(|kinds| !kinds.is_none()),
            OneRefusal::LeavesOutThePerson => true,
        };
        let any = participants.values().any(|kinds| !kinds.is_none());
        (everyone && enough && any).then_some(Self { consultation, recording, participants })
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

    /// Everyone who was present, in order, with the kinds they permit of themselves.
    pub fn participants(&self) -> impl Iterator<Item = (ParticipantId, Kinds)> {
        self.participants.iter().map(|(who, kinds)| (*who, *kinds))
    }

    /// How many were present.
    #[must_use]
    pub fn size(&self) -> usize {
        self.participants.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const A: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(3));
    const B: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(4));
    const SOUND: Kinds = Kinds { audio: true, video: false };

    fn check(present: &[ParticipantId], decided: &[(ParticipantId, Kinds)], rule: OneRefusal) -> Option<ConsentedRoom> {
        let consultation = ConsultationId::from_uuid(Uuid::from_u128(1));
        let recording = RecordingId::from_uuid(Uuid::from_u128(2));
        ConsentedRoom::check(consultation, recording, present, &decided.iter().copied().collect(), rule)
    }

    #[test]
    fn one_missing_denied_or_withdrawn_consent_is_enough_to_have_none() {
        assert!(check(&[A, B], &[(A, Kinds::BOTH)], OneRefusal::StopsAll).is_none(), "b has not decided");
        assert!(check(&[A, B], &[(A, Kinds::BOTH), (B, Kinds::NONE)], OneRefusal::StopsAll).is_none(), "b refused or withdrew");
        let room = check(&[B, A], &[(A, Kinds::BOTH), (B, SOUND)], OneRefusal::StopsAll).expect("both permit");
        assert_eq!(room.participants().collect::<Vec<_>>(), [(A, Kinds::BOTH), (B, SOUND)]);
        assert!(check(&[], &[], OneRefusal::StopsAll).is_none(), "an empty room consents to nothing");
    }

    #[test]
    fn where_the_policy_leaves_people_out_everyone_has_still_to_decide() {
        let rule = OneRefusal::LeavesOutThePerson;
        assert!(check(&[A, B], &[(A, Kinds::BOTH)], rule).is_none(), "b has not decided");
        let room = check(&[A, B], &[(A, Kinds::BOTH), (B, Kinds::NONE)], rule).expect("a permits, b is left out");
        assert_eq!(room.participants().collect::<Vec<_>>(), [(A, Kinds::BOTH), (B, Kinds::NONE)]);
        assert!(check(&[A, B], &[(A, Kinds::NONE), (B, Kinds::NONE)], rule).is_none(), "nobody permits anything");
    }

    #[test]
    fn names_survive_their_text() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse_list(&Purpose::list(&Purpose::ALL)), Some(Purpose::ALL.to_vec()));
        assert_eq!(Purpose::parse_list("care_by_video fly"), None);
        for capacity in Capacity::ALL {
            assert_eq!(Capacity::parse(capacity.as_str()), Some(capacity));
            assert_eq!(serde_json::to_value(capacity).expect("json"), capacity.as_str());
        }
        for decision in Decision::ALL {
            assert_eq!(Decision::parse(decision.as_str()), Some(decision));
        }
    }
}
