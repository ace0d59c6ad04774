//! Patients, sealed, with the wrapped keys of each and the blind index they are found by.

use crate::crypto::key_ring::WrappedSubjectKeys;
use crate::domain::id::PatientId;
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::At;

const INSERT_KEYS: &str = "INSERT INTO subject_keys (subject_id, version, content_key, evidence_key) VALUES ($1, $2, $3, $4)";
const INSERT: &str = "INSERT INTO patients (id, sealed, created_at) VALUES ($1, $2, $3)";
const INSERT_TERM: &str = "INSERT INTO patient_terms (term, patient_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const LOOKUP: &str = "SELECT p.id, p.sealed, k.version, k.content_key, k.evidence_key FROM patients p JOIN subject_keys k ON k.subject_id = p.id WHERE p.id = $1";
const RECENT: &str =
    "SELECT p.id, p.sealed, k.version, k.content_key, k.evidence_key FROM patients p JOIN subject_keys k ON k.subject_id = p.id
    ORDER BY p.created_at DESC, p.id DESC LIMIT $1";
const BY_TERM: &str =
    "SELECT p.id, p.sealed, k.version, k.content_key, k.evidence_key FROM patient_terms t JOIN patients p ON p.id = t.patient_id
    JOIN subject_keys k ON k.subject_id = p.id WHERE t.term = $1 ORDER BY p.created_at DESC, p.id DESC LIMIT $2";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT_KEYS, INSERT, INSERT_TERM, LOOKUP, RECENT, BY_TERM];

/// A patient as stored: sealed details and wrapped keys.
#[derive(Clone)]
pub struct SealedPatient {
    /// Its id.
    pub id: PatientId,
    /// The details, sealed under the content key.
    pub sealed: Vec<u8>,
    /// The keys; `None` once destroyed.
    pub keys: Option<WrappedSubjectKeys>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    sealed: Vec<u8>,
    version: i64,
    content_key: Option<Vec<u8>>,
    evidence_key: Option<Vec<u8>>,
}

impl TryFrom<Row> for SealedPatient {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "patients", row: &row.id };
        let version = u32::try_from(row.version).map_err(|_| at.wrong("version"))?;
        let keys = match (row.content_key, row.evidence_key) {
            (Some(content), evidence) => Some(WrappedSubjectKeys { version, content, evidence: evidence.unwrap_or_default() }),
            (None, _) => None,
        };
        Ok(Self { id: at.parse("id", &row.id)?, sealed: row.sealed, keys })
    }
}

/// Adds a patient with the terms it can be found by.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, patient: &SealedPatient, terms: &[String], now: Timestamp) -> Result<(), StorageError> {
    let id = patient.id.to_string();
    let keys = patient.keys.as_ref();
    execute!(
        tx,
        INSERT_KEYS,
        &id,
        keys.map_or(0, |k| i64::from(k.version)),
        keys.map(|k| k.content.clone()),
        keys.map(|k| k.evidence.clone())
    )?;
    execute!(tx, INSERT, &id, &patient.sealed, now.as_micros())?;
    for term in terms {
        execute!(tx, INSERT_TERM, term, &id)?;
    }
    Ok(())
}

/// One patient.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: PatientId) -> Result<Option<SealedPatient>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// The newest patients.
///
/// # Errors
/// See [`StorageError`].
pub async fn recent(tx: &mut Tx, most: i64) -> Result<Vec<SealedPatient>, StorageError> {
    fetch_all!(tx, Row, RECENT, most)?.into_iter().map(TryInto::try_into).collect()
}

/// The newest patients that carry a blind index term.
///
/// # Errors
/// See [`StorageError`].
pub async fn by_term(tx: &mut Tx, term: &str, most: i64) -> Result<Vec<SealedPatient>, StorageError> {
    fetch_all!(tx, Row, BY_TERM, term, most)?.into_iter().map(TryInto::try_into).collect()
}
