//! Custody of recordings: legal holds on them, and grants to watch one.

use crate::domain::id::{AccountId, HoldId, PatientId, PlaybackGrantId, RecordingId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT_HOLD: &str = "INSERT INTO legal_holds (id, recording_id, reason, placed_by, placed_at) VALUES ($1, $2, $3, $4, $5)";
const RELEASE: &str =
    "UPDATE legal_holds SET released_by = $3, released_at = $4 WHERE id = $1 AND recording_id = $2 AND released_at IS NULL";
const HOLDS: &str = "SELECT * FROM legal_holds WHERE recording_id = $1 ORDER BY placed_at DESC";
const HELD_OF_PATIENT: &str =
    "SELECT h.id FROM legal_holds h JOIN recordings r ON r.id = h.recording_id WHERE r.patient_id = $1 AND h.released_at IS NULL LIMIT 1";
const IS_HELD: &str = "SELECT id FROM legal_holds WHERE recording_id = $1 AND released_at IS NULL LIMIT 1";
const INSERT_GRANT: &str = "INSERT INTO playback_grants (id, recording_id, account_id, reason, granted_by, granted_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const END_GRANT: &str =
    "UPDATE playback_grants SET ended_at = $3 WHERE id = $1 AND recording_id = $2 AND ended_at IS NULL AND expires_at > $3";
const GRANTS: &str = "SELECT * FROM playback_grants WHERE recording_id = $1 ORDER BY granted_at DESC";
const GRANTED_TO: &str =
    "SELECT * FROM playback_grants WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY granted_at DESC LIMIT 200";
const IS_GRANTED: &str =
    "SELECT id FROM playback_grants WHERE recording_id = $1 AND account_id = $2 AND ended_at IS NULL AND expires_at > $3 LIMIT 1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] =
    &[INSERT_HOLD, RELEASE, HOLDS, HELD_OF_PATIENT, IS_HELD, INSERT_GRANT, END_GRANT, GRANTS, GRANTED_TO, IS_GRANTED];

/// A legal hold: while one stands, a recording is not destroyed.
#[derive(Debug, Clone)]
pub struct LegalHold {
    /// Its id.
    pub id: HoldId,
    /// On what.
    pub recording: RecordingId,
    /// Why, in the officer's words.
    pub reason: String,
    /// Who placed it.
    pub placed_by: AccountId,
    /// When.
    pub placed_at: Timestamp,
    /// When it was released.
    pub released_at: Option<Timestamp>,
}

/// Leave for one person to watch one recording for a while.
#[derive(Debug, Clone)]
pub struct PlaybackGrant {
    /// Its id.
    pub id: PlaybackGrantId,
    /// Of what.
    pub recording: RecordingId,
    /// To whom.
    pub account: AccountId,
    /// Why, in the officer's words.
    pub reason: String,
    /// Who granted it.
    pub granted_by: AccountId,
    /// When.
    pub granted_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was ended before that.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct HoldRow {
    id: String,
    recording_id: String,
    reason: String,
    placed_by: String,
    placed_at: i64,
    released_at: Option<i64>,
}

impl TryFrom<HoldRow> for LegalHold {
    type Error = StorageError;
    fn try_from(row: HoldRow) -> Result<Self, StorageError> {
        let at = At { table: "legal_holds", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            recording: at.parse("recording_id", &row.recording_id)?,
            placed_by: at.parse("placed_by", &row.placed_by)?,
            reason: row.reason,
            placed_at: time(row.placed_at),
            released_at: maybe_time(row.released_at),
        })
    }
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    id: String,
    recording_id: String,
    account_id: String,
    reason: String,
    granted_by: String,
    granted_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<GrantRow> for PlaybackGrant {
    type Error = StorageError;
    fn try_from(row: GrantRow) -> Result<Self, StorageError> {
        let at = At { table: "playback_grants", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            recording: at.parse("recording_id", &row.recording_id)?,
            account: at.parse("account_id", &row.account_id)?,
            granted_by: at.parse("granted_by", &row.granted_by)?,
            reason: row.reason,
            granted_at: time(row.granted_at),
            expires_at: time(row.expires_at),
            ended_at: maybe_time(row.ended_at),
        })
    }
}

#[derive(sqlx::FromRow)]
struct IdRow {
    #[allow(dead_code, reason = "that there is a row is the answer")]
    id: String,
}

/// Places a hold.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_hold(tx: &mut Tx, hold: &LegalHold) -> Result<(), StorageError> {
    let LegalHold { id, recording, reason, placed_by, placed_at, .. } = hold;
    execute!(tx, INSERT_HOLD, id.to_string(), recording.to_string(), reason, placed_by.to_string(), placed_at.as_micros())?;
    Ok(())
}

/// Releases a hold; `false` if the recording has none such.
///
/// # Errors
/// See [`StorageError`].
pub async fn release(tx: &mut Tx, id: HoldId, recording: RecordingId, by: AccountId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, RELEASE, id.to_string(), recording.to_string(), by.to_string(), now.as_micros())? == 1)
}

/// Every hold there was on a recording, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn holds(tx: &mut Tx, recording: RecordingId) -> Result<Vec<LegalHold>, StorageError> {
    fetch_all!(tx, HoldRow, HOLDS, recording.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Whether a legal hold stands on any recording of a patient.
///
/// # Errors
/// See [`StorageError`].
pub async fn is_patient_held(tx: &mut Tx, patient: PatientId) -> Result<bool, StorageError> {
    Ok(fetch_optional!(tx, (String,), HELD_OF_PATIENT, patient.to_string())?.is_some())
}

/// Whether a hold stands on a recording.
///
/// # Errors
/// See [`StorageError`].
pub async fn is_held(tx: &mut Tx, recording: RecordingId) -> Result<bool, StorageError> {
    Ok(fetch_optional!(tx, IdRow, IS_HELD, recording.to_string())?.is_some())
}

/// Grants.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_grant(tx: &mut Tx, grant: &PlaybackGrant) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_GRANT,
        grant.id.to_string(),
        grant.recording.to_string(),
        grant.account.to_string(),
        &grant.reason,
        grant.granted_by.to_string(),
        grant.granted_at.as_micros(),
        grant.expires_at.as_micros()
    )?;
    Ok(())
}

/// Ends a grant before its time; `false` if the recording has none such.
///
/// # Errors
/// See [`StorageError`].
pub async fn end_grant(tx: &mut Tx, id: PlaybackGrantId, recording: RecordingId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, END_GRANT, id.to_string(), recording.to_string(), now.as_micros())? == 1)
}

/// Every grant there was of a recording, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn grants(tx: &mut Tx, recording: RecordingId) -> Result<Vec<PlaybackGrant>, StorageError> {
    fetch_all!(tx, GrantRow, GRANTS, recording.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The grants that an account holds now.
///
/// # Errors
/// See [`StorageError`].
pub async fn granted_to(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<Vec<PlaybackGrant>, StorageError> {
    fetch_all!(tx, GrantRow, GRANTED_TO, account.to_string(), now.as_micros())?.into_iter().map(TryInto::try_into).collect()
}

/// Whether an account may watch a recording by a grant now.
///
/// # Errors
/// See [`StorageError`].
pub async fn is_granted(tx: &mut Tx, recording: RecordingId, account: AccountId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(fetch_optional!(tx, IdRow, IS_GRANTED, recording.to_string(), account.to_string(), now.as_micros())?.is_some())
}
