//! Participants of consultations. Names are sealed under the patient's content key.

use crate::crypto::token::TokenHash;
use crate::domain::id::{AccountId, ConsultationId, ParticipantId};
use crate::domain::participant::{Capabilities, Place, Role};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO participants (id, consultation_id, account_id, role, place, sealed_name, language, joined_at, created_at,
    capabilities) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const SET_DEVICE_CODE: &str = "INSERT INTO device_codes (participant_id, code_hash, tries, expires_at) VALUES ($1, $2, 0, $3)
    ON CONFLICT (participant_id) DO UPDATE SET code_hash = excluded.code_hash, tries = 0, expires_at = excluded.expires_at";
const TRY_DEVICE_CODE: &str = "UPDATE device_codes SET tries = tries + 1 WHERE participant_id = $1 AND tries < $2 AND expires_at > $3";
const USE_DEVICE_CODE: &str = "DELETE FROM device_codes WHERE participant_id = $1 AND code_hash = $2 AND expires_at > $3";
const LOOKUP: &str = "SELECT * FROM participants WHERE id = $1";
const OF_CONSULTATION: &str = "SELECT * FROM participants WHERE consultation_id = $1 ORDER BY created_at, id";
const OF_ACCOUNT: &str = "SELECT * FROM participants WHERE consultation_id = $1 AND account_id = $2";
const IN_CALLS: &str = "SELECT p.* FROM participants p JOIN consultations c ON c.id = p.consultation_id
    WHERE p.account_id = $1 AND p.place = 'in_call' AND c.status = 'in_progress'";
const OF_TICKET: &str = "SELECT p.* FROM join_tickets t JOIN participants p ON p.id = t.participant_id WHERE t.token_hash = $1";
const SET_NAME: &str = "UPDATE participants SET sealed_name = $2, language = $3, place = $4 WHERE id = $1";
const SET_PLACE: &str = "UPDATE participants SET place = $2, joined_at = COALESCE(joined_at, $3) WHERE id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    LOOKUP,
    OF_CONSULTATION,
    OF_ACCOUNT,
    IN_CALLS,
    OF_TICKET,
    SET_NAME,
    SET_PLACE,
    SET_DEVICE_CODE,
    TRY_DEVICE_CODE,
    USE_DEVICE_CODE,
];

/// A participant as stored.
#[derive(Debug, Clone)]
pub struct Participant {
    /// Its id.
    pub id: ParticipantId,
    /// Of which consultation.
    pub consultation: ConsultationId,
    /// The staff account behind it, if any.
    pub account: Option<AccountId>,
    /// Role.
    pub role: Role,
    /// Where they are.
    pub place: Place,
    /// What they may do in the call.
    pub capabilities: Capabilities,
    /// Their name, sealed; `None` until they gave one.
    pub sealed_name: Option<Vec<u8>>,
    /// BCP 47 tag of the language they read.
    pub language: String,
    /// When they first came into the call.
    pub joined_at: Option<Timestamp>,
    /// When they came to be.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    consultation_id: String,
    account_id: Option<String>,
    role: String,
    place: String,
    sealed_name: Option<Vec<u8>>,
    language: String,
    joined_at: Option<i64>,
    created_at: i64,
    capabilities: String,
}

impl TryFrom<Row> for Participant {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "participants", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            consultation: at.parse("consultation_id", &row.consultation_id)?,
            account: row.account_id.as_deref().map(|id| at.parse("account_id", id)).transpose()?,
            role: at.need("role", Role::parse(&row.role))?,
            place: at.need("place", Place::parse(&row.place))?,
            capabilities: at.need("capabilities", Capabilities::parse(&row.capabilities))?,
            joined_at: maybe_time(row.joined_at),
            created_at: time(row.created_at),
            sealed_name: row.sealed_name,
            language: row.language,
        })
    }
}

/// Adds a participant.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, p: &Participant) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        p.id.to_string(),
        p.consultation.to_string(),
        p.account.map(|id| id.to_string()),
        p.role.as_str(),
        p.place.as_str(),
        p.sealed_name.clone(),
        &p.language,
        p.joined_at.map(Timestamp::as_micros),
        p.created_at.as_micros(),
        p.capabilities.to_text()
    )?;
    Ok(())
}

/// One participant.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: ParticipantId) -> Result<Option<Participant>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Everyone of a consultation, in the order they came.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_consultation(tx: &mut Tx, consultation: ConsultationId) -> Result<Vec<Participant>, StorageError> {
    fetch_all!(tx, Row, OF_CONSULTATION, consultation.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The participant a staff account is in a consultation.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_account(tx: &mut Tx, consultation: ConsultationId, account: AccountId) -> Result<Option<Participant>, StorageError> {
    fetch_optional!(tx, Row, OF_ACCOUNT, consultation.to_string(), account.to_string())?.map(TryInto::try_into).transpose()
}

/// The places of an account in calls that are going on.
///
/// # Errors
/// See [`StorageError`].
pub async fn in_calls(tx: &mut Tx, account: AccountId) -> Result<Vec<Participant>, StorageError> {
    fetch_all!(tx, Row, IN_CALLS, account.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The participant a join ticket was given to, whether or not it is still good.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_ticket(tx: &mut Tx, ticket: &TokenHash) -> Result<Option<Participant>, StorageError> {
    fetch_optional!(tx, Row, OF_TICKET, ticket.as_str())?.map(TryInto::try_into).transpose()
}

/// Sets name, language and place.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_name(tx: &mut Tx, id: ParticipantId, sealed_name: &[u8], language: &str, place: Place) -> Result<(), StorageError> {
    execute!(tx, SET_NAME, id.to_string(), sealed_name, language, place.as_str())?;
    Ok(())
}

/// Moves a participant; the first time in the call is kept.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_place(tx: &mut Tx, id: ParticipantId, place: Place, now: Timestamp) -> Result<(), StorageError> {
    let joined = (place == Place::InCall).then(|| now.as_micros());
    execute!(tx, SET_PLACE, id.to_string(), place.as_str(), joined)?;
    Ok(())
}

/// Keeps a code with which someone moves to another device, in the place of an earlier one.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_device_code(tx: &mut Tx, id: ParticipantId, hash: &str, expires_at: Timestamp) -> Result<(), StorageError> {
    execute!(tx, SET_DEVICE_CODE, id.to_string(), hash, expires_at.as_micros())?;
    Ok(())
}

/// Counts a try of the code; `false` if there is none, it has run out, or was tried too often.
///
/// # Errors
/// See [`StorageError`].
pub async fn try_device_code(tx: &mut Tx, id: ParticipantId, most: i64, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, TRY_DEVICE_CODE, id.to_string(), most, now.as_micros())? == 1)
}

/// Uses the code up; `false` if it is not this one.
///
/// # Errors
/// See [`StorageError`].
pub async fn use_device_code(tx: &mut Tx, id: ParticipantId, hash: &str, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_DEVICE_CODE, id.to_string(), hash, now.as_micros())? == 1)
}
