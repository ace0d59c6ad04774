//! The evidence keys of subjects, wrapped: patients, accounts, and the visitors of each month.

use crate::domain::id::{ConsultationId, PatientId, RecordingId};
use crate::storage::database::{Tx, execute, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::At;

const EVIDENCE: &str = "SELECT version, evidence_key FROM subject_keys WHERE subject_id = $1";
const INSERT: &str = "INSERT INTO subject_keys (subject_id, version, evidence_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const DESTROY: &str = "UPDATE subject_keys SET evidence_key = NULL WHERE subject_id = $1 AND evidence_key IS NOT NULL";
const COUNT: &str = "SELECT COUNT(*) AS subjects, COUNT(evidence_key) AS readable FROM subject_keys";
const PATIENT_OF: &str = "SELECT patient_id FROM consultations WHERE id = $1";

const PATIENT_OF_RECORDING: &str = "SELECT c.patient_id FROM recordings r JOIN consultations c ON c.id = r.consultation_id WHERE r.id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[EVIDENCE, INSERT, DESTROY, COUNT, PATIENT_OF, PATIENT_OF_RECORDING];

#[derive(sqlx::FromRow)]
struct Row {
    version: i64,
    evidence_key: Option<Vec<u8>>,
}

/// A wrapped evidence key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The subject has none yet.
    Missing,
    /// It was destroyed.
    Destroyed,
    /// Version of the key-encryption key, and the key wrapped under it.
    Wrapped(u32, Vec<u8>),
}

/// A subject's evidence key.
///
/// # Errors
/// See [`StorageError`].
pub async fn evidence(tx: &mut Tx, subject: &str) -> Result<Evidence, StorageError> {
    let Some(row) = fetch_optional!(tx, Row, EVIDENCE, subject)? else { return Ok(Evidence::Missing) };
    let at = At { table: "subject_keys", row: subject };
    let version = u32::try_from(row.version).map_err(|_| at.wrong("version"))?;
    Ok(row.evidence_key.map_or(Evidence::Destroyed, |key| Evidence::Wrapped(version, key)))
}

/// Gives a subject an evidence key, unless it has or had one.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_evidence(tx: &mut Tx, subject: &str, version: u32, wrapped: &[u8]) -> Result<(), StorageError> {
    execute!(tx, INSERT, subject, i64::from(version), wrapped)?;
    Ok(())
}

/// Destroys a subject's evidence key; says whether there was one.
///
/// # Errors
/// See [`StorageError`].
pub async fn destroy_evidence(tx: &mut Tx, subject: &str) -> Result<bool, StorageError> {
    Ok(execute!(tx, DESTROY, subject)? > 0)
}

/// How many subjects have or had an evidence key, and how many have it still.
///
/// # Errors
/// See [`StorageError`].
pub async fn count(tx: &mut Tx) -> Result<(u64, u64), StorageError> {
    let (subjects, readable) = fetch_optional!(tx, (i64, i64), COUNT)?.unwrap_or_default();
    Ok((u64::try_from(subjects).unwrap_or(0), u64::try_from(readable).unwrap_or(0)))
}

/// The patient of a consultation.
///
/// # Errors
/// See [`StorageError`].
pub async fn patient_of(tx: &mut Tx, consultation: ConsultationId) -> Result<Option<PatientId>, StorageError> {
    let key = consultation.to_string();
    let row = fetch_optional!(tx, (String,), PATIENT_OF, &key)?;
    row.map(|(id,)| At { table: "consultations", row: &key }.parse("patient_id", &id)).transpose()
}

/// The patient of a recording.
///
/// # Errors
/// See [`StorageError`].
pub async fn patient_of_recording(tx: &mut Tx, recording: RecordingId) -> Result<Option<PatientId>, StorageError> {
    let key = recording.to_string();
    let row = fetch_optional!(tx, (String,), PATIENT_OF_RECORDING, &key)?;
    row.map(|(id,)| At { table: "recordings", row: &key }.parse("patient_id", &id)).transpose()
}
