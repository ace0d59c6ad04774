//! The statement someone signs in their own browser when they decide: what was shown, what they answered, for whom.
//!
//! The browser composes it and signs its bytes; the server reads it, holds every element against what it knows itself, and keeps the bytes
//! as they are. Invariant: a [`Statement`] has every element a consent must have.

use crate::domain::consent::{Capacity, Decision, Purpose, TextShown};
use crate::domain::id::{ConsentId, ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::is_valid_name;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What every statement says it is.
pub const KIND: &str = "bedside-consent-decision/1";
/// Longest statement in bytes.
pub const LONGEST: usize = 8 * 1024;

/// Who decides for the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Representative {
    /// Their name.
    pub name: String,
    /// What they are to the patient, in their own words.
    pub relationship: String,
}

/// A signed statement, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Chosen by the browser, so that a statement serves once.
    pub id: ConsentId,
    /// In which consultation.
    pub consultation: ConsultationId,
    /// About which recording.
    pub recording: Option<RecordingId>,
    /// Whose decision.
    pub participant: ParticipantId,
    /// Their name.
    pub person: String,
    /// The words on the screen.
    pub shown: TextShown,
    /// What they decided.
    pub decision: Decision,
    /// The purposes they permit.
    pub permitted: Vec<Purpose>,
    /// Those they do not.
    pub denied: Vec<Purpose>,
    /// For whom.
    pub capacity: Capacity,
    /// Who they are, where it is not themself.
    pub representative: Option<Representative>,
}

/// Why a statement cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// An element is missing or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An element is there and cannot be.
    #[error("{0} cannot be read")]
    Malformed(&'static str),
}

fn text<'a>(from: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, StatementError> {
    match from.get(name) {
        None | Some(Value::Null) => Err(StatementError::Missing(name)),
        Some(Value::String(text)) if text.trim().is_empty() => Err(StatementError::Missing(name)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(StatementError::Malformed(name)),
    }
}

fn parsed<T: std::str::FromStr>(from: &Map<String, Value>, name: &'static str) -> Result<T, StatementError> {
    text(from, name)?.parse().map_err(|_| StatementError::Malformed(name))
}

fn purposes(from: &Map<String, Value>, name: &'static str) -> Result<Vec<Purpose>, StatementError> {
    match from.get(name) {
        None | Some(Value::Null) => Err(StatementError::Missing(name)),
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| StatementError::Malformed(name)),
    }
}

fn digest(from: &Map<String, Value>, name: &'static str) -> Result<String, StatementError> {
    let hex = text(from, name)?;
    let good = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    good.then(|| hex.to_owned()).ok_or(StatementError::Malformed(name))
}

impl Statement {
    /// Reads a statement and names the first element that is missing or cannot be.
    ///
    /// # Errors
    /// See [`StatementError`].
    pub fn parse(bytes: &str) -> Result<Self, StatementError> {
        let whole = StatementError::Malformed("statement");
        if bytes.len() > LONGEST {
            return Err(whole);
        }
        let Ok(Value::Object(from)) = serde_json::from_str(bytes) else { return Err(whole) };
        if text(&from, "kind")? != KIND {
            return Err(StatementError::Malformed("kind"));
        }
        let decision = Decision::parse(text(&from, "decision")?).ok_or(StatementError::Malformed("decision"))?;
        let capacity = Capacity::parse(text(&from, "capacity")?).ok_or(StatementError::Malformed("capacity"))?;
        let representative = match (capacity, from.get("representative")) {
            (Capacity::Oneself, None | Some(Value::Null)) => None,
            (Capacity::Oneself, Some(_)) => return Err(StatementError::Malformed("representative")),
            (_, Some(Value::Object(of))) => {
                let name = text(of, "name").map_err(|_| StatementError::Missing("representative.name"))?;
                let relationship = text(of, "relationship").map_err(|_| StatementError::Missing("representative.relationship"))?;
                if !is_valid_name(name) || !is_valid_name(relationship) {
                    return Err(StatementError::Malformed("representative"));
                }
                Some(Representative { name: name.to_owned(), relationship: relationship.to_owned() })
            }
            (_, _) => return Err(StatementError::Missing("representative.name")),
        };
        let recording = match from.get("recording") {
            None | Some(Value::Null) => None,
            Some(_) => Some(parsed(&from, "recording")?),
        };
        // when, by the browser's own clock: kept, not believed
        let at = text(&from, "at")?;
        if at.len() > 40 {
            return Err(StatementError::Malformed("at"));
        }
        Ok(Self {
            id: parsed(&from, "id")?,
            consultation: parsed(&from, "consultation")?,
            recording,
            participant: parsed(&from, "participant")?,
            person: text(&from, "person")?.to_owned(),
            shown: TextShown {
                text: text(&from, "text")?.to_owned(),
                version: text(&from, "version")?.to_owned(),
                language: text(&from, "language")?.to_owned(),
                digest: digest(&from, "digest")?,
                shown: digest(&from, "shown")?,
            },
            decision,
            permitted: purposes(&from, "permitted")?,
            denied: purposes(&from, "denied")?,
            capacity,
            representative,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "kind": KIND, "id": "0190a000-0000-7000-8000-000000000001", "consultation": "0190a000-0000-7000-8000-000000000002",
            "participant": "0190a000-0000-7000-8000-000000000003", "recording": null, "person": "Sam Field",
            "text": "care-by-video", "version": "1", "language": "en", "digest": "a".repeat(64), "shown": "b".repeat(64),
            "decision": "permit", "permitted": ["care_by_video"], "denied": [], "capacity": "self", "representative": null,
            "at": "2026-01-01T10:00:00Z",
        })
    }

    #[test]
    fn every_element_is_needed_and_the_missing_one_is_named() {
        assert!(Statement::parse(&good().to_string()).is_ok());
        for element in [
            "kind",
            "id",
            "consultation",
            "participant",
            "person",
            "text",
            "version",
            "language",
            "digest",
            "shown",
            "decision",
            "permitted",
            "denied",
            "capacity",
            "at",
        ] {
            for gone in [None, Some(Value::Null)] {
                let mut statement = good();
                let members = statement.as_object_mut().expect("object");
                match gone {
                    None => members.remove(element),
                    Some(null) => members.insert(element.to_owned(), null),
                };
                assert_eq!(Statement::parse(&statement.to_string()), Err(StatementError::Missing(element)));
            }
        }
    }

    #[test]
    fn whoever_decides_for_another_says_who_they_are() {
        let with = |representative: Value| {
            let mut statement = good();
            statement["capacity"] = "parent_or_guardian".into();
            statement["representative"] = representative;
            Statement::parse(&statement.to_string())
        };
        assert_eq!(with(Value::Null), Err(StatementError::Missing("representative.name")));
        assert_eq!(with(json!({"name": "", "relationship": "mother"})), Err(StatementError::Missing("representative.name")));
        assert_eq!(with(json!({"name": "Rosa Field"})), Err(StatementError::Missing("representative.relationship")));
        let named = with(json!({"name": "Rosa Field", "relationship": "mother"})).expect("whole");
        assert_eq!(named.representative.map(|r| r.relationship).as_deref(), Some("mother"));
        let mut own = good();
        own["representative"] = json!({"name": "Rosa Field", "relationship": "mother"});
        assert_eq!(Statement::parse(&own.to_string()), Err(StatementError::Malformed("representative")));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (element, value) in [
            ("kind", json!("another/1")),
            ("id", json!("x")),
            ("digest", json!("short")),
            ("shown", json!("A".repeat(64))),
            ("decision", json!("maybe")),
            ("capacity", json!("king")),
            ("permitted", json!(["surgery"])),
            ("recording", json!(7)),
            ("at", json!("x".repeat(41))),
        ] {
            let mut statement = good();
            statement[element] = value;
            assert_eq!(Statement::parse(&statement.to_string()), Err(StatementError::Malformed(element)));
        }
        assert!(Statement::parse("[]").is_err() && Statement::parse(&"x".repeat(LONGEST + 1)).is_err());
    }
}
