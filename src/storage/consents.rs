//! Consent decisions: append-only, one row each; the latest of a participant counts.

use crate::domain::consent::{Decision, TextShown};
use crate::domain::id::{ConsentId, ConsultationId, ParticipantId, RecordingId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all};
use crate::storage::error::StorageError;
use crate::storage::row::{At, time};

const INSERT: &str = "INSERT INTO consents (id, consultation_id, recording_id, participant_id, decision, text, version, language, digest, policy_digest, decided_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const OF_RECORDING: &str = "SELECT * FROM consents WHERE recording_id = $1 ORDER BY decided_at, id";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, OF_RECORDING];

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// In which consultation.
    pub consultation: ConsultationId,
    /// About which recording.
    pub recording: RecordingId,
    /// Whose.
    pub participant: ParticipantId,
    /// What.
    pub decision: Decision,
    /// The words they were shown.
    pub shown: TextShown,
    /// The policy bundle in force.
    pub policy_digest: String,
    /// When.
    pub decided_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    consultation_id: String,
    recording_id: String,
    participant_id: String,
    decision: String,
    text: String,
    version: String,
    language: String,
    digest: String,
    policy_digest: String,
    decided_at: i64,
}

impl TryFrom<Row> for Consent {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "consents", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            consultation: at.parse("consultation_id", &row.consultation_id)?,
            recording: at.parse("recording_id", &row.recording_id)?,
            participant: at.parse("participant_id", &row.participant_id)?,
            decision: match row.decision.as_str() {
                "permit" => Decision::Permit,
                "deny" => Decision::Deny,
                "withdrawn" => Decision::Withdrawn,
                _ => return Err(at.wrong("decision")),
            },
            shown: TextShown { text: row.text, version: row.version, language: row.language, digest: row.digest },
            policy_digest: row.policy_digest,
            decided_at: time(row.decided_at),
        })
    }
}

/// Adds a decision.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, c: &Consent) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        c.id.to_string(),
        c.consultation.to_string(),
        c.recording.to_string(),
        c.participant.to_string(),
        c.decision.as_str(),
        &c.shown.text,
        &c.shown.version,
        &c.shown.language,
        &c.shown.digest,
        &c.policy_digest,
        c.decided_at.as_micros()
    )?;
    Ok(())
}

/// Every decision about a recording, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_recording(tx: &mut Tx, recording: RecordingId) -> Result<Vec<Consent>, StorageError> {
    fetch_all!(tx, Row, OF_RECORDING, recording.to_string())?.into_iter().map(TryInto::try_into).collect()
}
