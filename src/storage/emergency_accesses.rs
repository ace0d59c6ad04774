//! Emergency accesses: who took which, why, until when, and who has seen it.

use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO emergency_accesses (id, account_id, consultation_id, reason, sealed_words, taken_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const HELD: &str =
    "SELECT * FROM emergency_accesses WHERE consultation_id = $1 AND account_id = $2 AND expires_at > $3 AND ended_at IS NULL
    ORDER BY expires_at DESC LIMIT 1";
const ALL: &str = "SELECT * FROM emergency_accesses ORDER BY taken_at DESC LIMIT 200";
const OF_ACCOUNT: &str =
    "SELECT * FROM emergency_accesses WHERE account_id = $1 AND expires_at > $2 AND ended_at IS NULL ORDER BY taken_at DESC";
const LOOKUP: &str = "SELECT * FROM emergency_accesses WHERE id = $1";
const END: &str = "UPDATE emergency_accesses SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL AND expires_at > $2";
const SEEN: &str = "UPDATE emergency_accesses SET seen_by = $2, seen_at = $3 WHERE id = $1 AND seen_at IS NULL";
const UNSEEN: &str = "SELECT * FROM emergency_accesses WHERE seen_at IS NULL ORDER BY taken_at DESC LIMIT 200";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, HELD, ALL, OF_ACCOUNT, LOOKUP, END, SEEN, UNSEEN];

/// An emergency access.
#[derive(Debug, Clone)]
pub struct EmergencyAccess {
    /// Its id, named by every entry that rests on it.
    pub id: EmergencyAccessId,
    /// Who took it.
    pub account: AccountId,
    /// To what.
    pub consultation: ConsultationId,
    /// A stable code.
    pub reason: String,
    /// The reason in their own words, sealed under the patient's content key.
    pub sealed_words: Vec<u8>,
    /// When.
    pub taken_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was given back before that.
    pub ended_at: Option<Timestamp>,
    /// Who confirmed having seen it.
    pub seen_by: Option<AccountId>,
    /// When.
    pub seen_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    account_id: String,
    consultation_id: String,
    reason: String,
    sealed_words: Vec<u8>,
    taken_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    seen_by: Option<String>,
    seen_at: Option<i64>,
}

impl TryFrom<Row> for EmergencyAccess {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "emergency_accesses", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            account: at.parse("account_id", &row.account_id)?,
            consultation: at.parse("consultation_id", &row.consultation_id)?,
            seen_by: row.seen_by.as_deref().map(|id| at.parse("seen_by", id)).transpose()?,
            reason: row.reason,
            sealed_words: row.sealed_words,
            taken_at: time(row.taken_at),
            expires_at: time(row.expires_at),
            ended_at: maybe_time(row.ended_at),
            seen_at: maybe_time(row.seen_at),
        })
    }
}

/// Adds one.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, access: &EmergencyAccess) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        access.id.to_string(),
        access.account.to_string(),
        access.consultation.to_string(),
        &access.reason,
        access.sealed_words.as_slice(),
        access.taken_at.as_micros(),
        access.expires_at.as_micros()
    )?;
    Ok(())
}

/// The one an account holds to a consultation now.
///
/// # Errors
/// See [`StorageError`].
pub async fn held(
    tx: &mut Tx,
    consultation: ConsultationId,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<EmergencyAccess>, StorageError> {
    fetch_optional!(tx, Row, HELD, consultation.to_string(), account.to_string(), now.as_micros())?.map(TryInto::try_into).transpose()
}

/// The newest of all.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<EmergencyAccess>, StorageError> {
    fetch_all!(tx, Row, ALL)?.into_iter().map(TryInto::try_into).collect()
}

/// Those nobody has confirmed having seen.
///
/// # Errors
/// See [`StorageError`].
pub async fn unseen(tx: &mut Tx) -> Result<Vec<EmergencyAccess>, StorageError> {
    fetch_all!(tx, Row, UNSEEN)?.into_iter().map(TryInto::try_into).collect()
}

/// Those an account holds now.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_account(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<Vec<EmergencyAccess>, StorageError> {
    fetch_all!(tx, Row, OF_ACCOUNT, account.to_string(), now.as_micros())?.into_iter().map(TryInto::try_into).collect()
}

/// One of them.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: EmergencyAccessId) -> Result<Option<EmergencyAccess>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Ends one before its time; `false` if it is over.
///
/// # Errors
/// See [`StorageError`].
pub async fn end(tx: &mut Tx, id: EmergencyAccessId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, END, id.to_string(), now.as_micros())? == 1)
}

/// Notes who has seen one; `false` if someone had before.
///
/// # Errors
/// See [`StorageError`].
pub async fn seen(tx: &mut Tx, id: EmergencyAccessId, by: AccountId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, SEEN, id.to_string(), by.to_string(), now.as_micros())? == 1)
}
