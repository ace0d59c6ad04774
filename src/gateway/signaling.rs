//! The messages of `docs/signaling-protocol.md`, version 1.

use crate::domain::consent::Kinds;
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::recording::AfterWithdrawal;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "bedside.v1";
/// Longest message, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Most messages a browser may send in one second.
pub const MAX_PER_SECOND: u32 = 50;
/// Longest chat text, in characters.
const MAX_CHAT_TEXT: usize = 2_000;
/// Longest id a browser gives its chat message.
const MAX_CHAT_ID: usize = 64;

/// Why the server ends a connection: the WebSocket close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The participant left.
    Left,
    /// Something that is not a message.
    Malformed,
    /// Ticket or credential refused.
    Refused,
    /// Removed or turned away.
    Removed,
    /// The same participant connected anew.
    Replaced,
    /// The consultation is over.
    Ended,
    /// Too many messages.
    Flooded,
}

impl Close {
    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Left => 1000,
            Self::Malformed => 4400,
            Self::Refused => 4401,
            Self::Removed => 4403,
            Self::Replaced => 4409,
            Self::Ended => 4410,
            Self::Flooded => 4429,
        }
    }
}

/// What someone sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sending {
    /// Sound.
    pub microphone: bool,
    /// Picture.
    pub camera: bool,
    /// A screen.
    pub screen: bool,
}

/// From the browser.
#[derive(Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromBrowser {
    /// Must be first.
    Hello {
        /// A fresh join ticket.
        ticket: Secret,
    },
    /// Begin media, or begin it anew.
    Offer {
        /// SDP.
        sdp: String,
        /// 0 until end-to-end encryption.
        key_epoch: u32,
    },
    /// What is being sent.
    State(Sending),
    /// Leaving on purpose.
    Leave,
}

/// To the browser.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToBrowser {
    /// Everything it may know.
    Snapshot(Box<Snapshot>),
    /// The answer to its offer.
    Answer {
        /// SDP.
        sdp: String,
        /// As in the offer.
        key_epoch: u32,
    },
    /// Its offer was refused.
    Error {
        /// Stable code.
        code: &'static str,
        /// For a person.
        detail: &'static str,
    },
}

/// The whole state as one participant may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The consultation.
    pub consultation: ConsultationState,
    /// The receiver.
    #[serde(rename = "self")]
    pub own: Own,
    /// Those the receiver may know of.
    pub participants: Vec<Person>,
    /// Whose media comes in which slot.
    pub slots: Vec<Slot>,
    /// The recording that is asked for or running.
    pub recording: Option<RecordingState>,
    /// How the last one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_recording: Option<LastRecording>,
    /// Texts the receiver is asked to decide about now, apart from the recording.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<WantedText>,
    /// Those who may not come in because they declined or withdrew what is required; for those who admit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub declined: Vec<DeclinedPerson>,
}

/// A consent text someone is asked to decide about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WantedText {
    /// Its name.
    pub text: String,
    /// Its version.
    pub version: String,
}

/// Someone who declined what is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeclinedPerson {
    /// Their id.
    pub id: ParticipantId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Whether they had permitted it before.
    pub withdrawn: bool,
}

/// The consultation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsultationState {
    /// Its id.
    pub id: ConsultationId,
    /// Its status.
    pub status: &'static str,
}

/// The receiver of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Own {
    /// Their id.
    pub id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// `lobby` or `in_call`.
    pub place: &'static str,
    /// May admit and turn away.
    pub may_admit: bool,
    /// May ask for a recording.
    pub may_record: bool,
    /// May end it for all.
    pub may_end: bool,
}

/// Someone in the lobby or the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Their id.
    pub id: ParticipantId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// `lobby` or `in_call`.
    pub place: &'static str,
    /// `connected` or `reconnecting`.
    pub presence: &'static str,
    /// What they send.
    #[serde(flatten)]
    pub sending: Sending,
}

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Its number.
    pub slot: usize,
    /// Who is in it.
    pub participant: ParticipantId,
}

/// A recording that is asked for or running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingState {
    /// Its id.
    pub id: RecordingId,
    /// `requested`, `active` or `paused`.
    pub state: &'static str,
    /// Who asked.
    pub requested_by: ParticipantId,
    /// When it first became active.
    pub started_at: Option<Timestamp>,
    /// The consent text.
    pub text: String,
    /// The version of it the receiver is to decide about, or decided about.
    pub version: String,
    /// Whether the receiver is asked anew because the words they decided about were replaced.
    pub text_changed: bool,
    /// What it is asked for: `audio`, `video` or both.
    pub kinds: Vec<&'static str>,
    /// Everyone in the call.
    pub decisions: Vec<RecordingDecision>,
}

/// One person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordingDecision {
    /// Who.
    pub participant: ParticipantId,
    /// `pending`, `permit` or `deny`.
    pub decision: &'static str,
    /// Whether they permit that their sound is recorded.
    pub audio: bool,
    /// Whether they permit that their picture is.
    pub video: bool,
}

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LastRecording {
    /// Its id.
    pub id: RecordingId,
    /// `refused`, `withdrawn`, `stopped` or `failed`.
    pub outcome: &'static str,
    /// Whose doing it was.
    pub by: Option<ParticipantId>,
    /// What becomes of what was recorded, where someone withdrew: `keep`, `keep_until_review` or `destroy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<AfterWithdrawal>,
}

impl RecordingDecision {
    /// What someone permits, or `None` while they have not decided.
    #[must_use]
    pub const fn of(participant: ParticipantId, decided: Option<Kinds>) -> Self {
        match decided {
            None => Self { participant, decision: "pending", audio: false, video: false },
            Some(Kinds::NONE) => Self { participant, decision: "deny", audio: false, video: false },
            Some(Kinds { audio, video }) => Self { participant, decision: "permit", audio, video },
        }
    }
}

/// Reads a text frame; `None` if it is not a message.
#[must_use]
pub fn parse(text: &str) -> Option<FromBrowser> {
    if text.len() > MAX_MESSAGE {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// A chat message as it comes in on the data channel.
#[derive(Deserialize)]
struct ChatIn {
    id: String,
    text: String,
}

#[derive(Serialize)]
struct ChatOut<'a> {
    id: &'a str,
    from: ParticipantId,
    text: &'a str,
}

/// Checks a chat message and says who it is from; `None` if it is malformed.
#[must_use]
pub fn relay_chat(from: ParticipantId, frame: &str) -> Option<String> {
    let chat: ChatIn = serde_json::from_str(frame).ok()?;
    let length = chat.text.chars().count();
    if !(1..=MAX_CHAT_TEXT).contains(&length) || chat.id.is_empty() || chat.id.len() > MAX_CHAT_ID {
        return None;
    }
    serde_json::to_string(&ChatOut { id: &chat.id, from, text: &chat.text }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::fs;
    use uuid::Uuid;

    #[derive(Deserialize)]
    struct Fixture {
        name: String,
        direction: String,
        message: Value,
    }

    fn fixtures() -> Vec<Fixture> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/signaling");
        let files = fs::read_dir(folder)
            .expect("fixtures")
            .map(|file| file.expect("file").path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"));
        files.flat_map(|path| serde_json::from_str::<Vec<Fixture>>(&fs::read_to_string(&path).expect("text")).expect("fixtures")).collect()
    }

    #[test]
    fn every_message_of_a_browser_in_the_shared_fixtures_is_understood() {
        let from_browsers: Vec<_> = fixtures().into_iter().filter(|f| f.direction == "client").collect();
        assert!(from_browsers.len() >= 6);
        for fixture in from_browsers {
            assert!(parse(&fixture.message.to_string()).is_some(), "{}", fixture.name);
        }
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"type":"shout"}"#,
            r#"{"type":"offer"}"#,
            r#"{"type":"state","microphone":1}"#,
            "{\"type\":\"leave\"",
            &format!("{{\"type\":\"leave\",\"x\":\"{}\"}}", "a".repeat(MAX_MESSAGE)),
        ] {
            assert!(parse(bad).is_none(), "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn a_snapshot_has_the_members_the_fixtures_show() {
        let id = Uuid::from_u128(1);
        let snapshot = ToBrowser::Snapshot(Box::new(Snapshot {
            consultation: ConsultationState { id: ConsultationId::from_uuid(id), status: "in_progress" },
            own: Own {
                id: ParticipantId::from_uuid(id),
                role: Role::Patient,
                place: "lobby",
                may_admit: false,
                may_record: false,
                may_end: false,
            },
            participants: vec![Person {
                id: ParticipantId::from_uuid(id),
                name: "Sam".into(),
                role: Role::Patient,
                place: "lobby",
                presence: "connected",
                sending: Sending::default(),
            }],
            slots: vec![],
            recording: None,
            last_recording: None,
            wanted: Vec::new(),
            declined: Vec::new(),
        }));
        let shown = fixtures().into_iter().find(|f| f.message["type"] == "snapshot").expect("a snapshot").message;
        let ours = serde_json::to_value(&snapshot).expect("json");
        let names = |value: &Value| value.as_object().expect("object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&shown));
        assert_eq!(names(&ours["self"]), names(&shown["self"]));
        assert_eq!(names(&ours["participants"][0]), names(&shown["participants"][0]));
    }

    #[test]
    fn chat_says_who_it_is_from_whatever_the_sender_claims() {
        let from = ParticipantId::from_uuid(Uuid::from_u128(7));
        let relayed: Value =
            serde_json::from_str(&relay_chat(from, r#"{"id":"a","text":"hello","from":"someone else"}"#).expect("good")).expect("json");
        assert_eq!(relayed, serde_json::json!({"id": "a", "from": from.to_string(), "text": "hello"}));
        for bad in [
            r#"{"id":"a"}"#,
            r#"{"id":"a","text":""}"#,
            r#"{"id":"","text":"x"}"#,
            "hello",
            &format!(r#"{{"id":"a","text":"{}"}}"#, "x".repeat(2001)),
        ] {
            assert!(relay_chat(from, bad).is_none());
        }
    }
}
