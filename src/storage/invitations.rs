//! Invitations. The link's secret is kept as its hash only.

use crate::crypto::token::TokenHash;
use crate::domain::id::{ConsultationId, InvitationId, ParticipantId};
use crate::domain::invitation::{Invitation, State};
use crate::domain::participant::{Capabilities, Role};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str =
    "INSERT INTO invitations (id, consultation_id, role, sealed_hint, secret_hash, status, created_at, expires_at, capabilities,
    code_hash) VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9)";
const LOOKUP: &str = "SELECT * FROM invitations WHERE id = $1";
const OF_CONSULTATION: &str = "SELECT * FROM invitations WHERE consultation_id = $1 ORDER BY created_at, id";
const REDEEM: &str = "UPDATE invitations SET status = 'redeemed', redeemed_at = $2, participant_id = $3 WHERE id = $1 AND status = 'open' AND secret_hash = $4";
const REISSUE: &str = "UPDATE invitations SET status = 'open', secret_hash = $2, expires_at = $3, code_hash = $4, code_tries = 0, redeemed_at = NULL, participant_id = NULL WHERE id = $1";
const COUNT_TRY: &str = "UPDATE invitations SET code_tries = code_tries + 1 WHERE id = $1 AND code_tries < $2";
const CANCEL: &str = "UPDATE invitations SET status = 'cancelled' WHERE id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, LOOKUP, OF_CONSULTATION, REDEEM, REISSUE, COUNT_TRY, CANCEL];

/// An invitation as stored.
pub struct StoredInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Hash of the link's secret, lower-case hex.
    pub secret_hash: String,
    /// Whom it is meant for, in the clinician's words, sealed.
    pub sealed_hint: Option<Vec<u8>>,
    /// Keyed hash of the code that must be given as well, if there is one.
    pub code_hash: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    consultation_id: String,
    role: String,
    sealed_hint: Option<Vec<u8>>,
    secret_hash: String,
    status: String,
    created_at: i64,
    expires_at: i64,
    redeemed_at: Option<i64>,
    participant_id: Option<String>,
    capabilities: String,
    code_hash: Option<String>,
    code_tries: i64,
}

impl TryFrom<Row> for StoredInvitation {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "invitations", row: &row.id };
        let state = match row.status.as_str() {
            "open" => State::Open,
            "cancelled" => State::Cancelled,
            "redeemed" => State::Redeemed {
                at: at.need("redeemed_at", maybe_time(row.redeemed_at))?,
                participant: at.parse("participant_id", row.participant_id.as_deref().unwrap_or_default())?,
            },
            _ => return Err(at.wrong("status")),
        };
        Ok(Self {
            invitation: Invitation {
                id: at.parse("id", &row.id)?,
                consultation: at.parse("consultation_id", &row.consultation_id)?,
                role: at.need("role", Role::parse(&row.role))?,
                state,
                created_at: time(row.created_at),
                expires_at: time(row.expires_at),
                capabilities: at.need("capabilities", Capabilities::parse(&row.capabilities))?,
                code_tries: row.code_hash.as_ref().map(|_| u8::try_from(row.code_tries).unwrap_or(u8::MAX)),
            },
            code_hash: row.code_hash,
            secret_hash: row.secret_hash,
            sealed_hint: row.sealed_hint,
        })
    }
}

/// Adds an open invitation.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, stored: &StoredInvitation) -> Result<(), StorageError> {
    let i = &stored.invitation;
    execute!(
        tx,
        INSERT,
        i.id.to_string(),
        i.consultation.to_string(),
        i.role.as_str(),
        stored.sealed_hint.clone(),
        &stored.secret_hash,
        i.created_at.as_micros(),
        i.expires_at.as_micros(),
        i.capabilities.to_text(),
        stored.code_hash.as_deref()
    )?;
    Ok(())
}

/// Counts a try of the code before its outcome is known; `false` if there were as many as there may be.
///
/// # Errors
/// See [`StorageError`].
pub async fn count_try(tx: &mut Tx, id: InvitationId, most: u8) -> Result<bool, StorageError> {
    Ok(execute!(tx, COUNT_TRY, id.to_string(), i64::from(most))? == 1)
}

/// One invitation.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: InvitationId) -> Result<Option<StoredInvitation>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// The invitations of a consultation, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_consultation(tx: &mut Tx, consultation: ConsultationId) -> Result<Vec<StoredInvitation>, StorageError> {
    fetch_all!(tx, Row, OF_CONSULTATION, consultation.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Redeems an open invitation; `false` if another was first.
///
/// # Errors
/// See [`StorageError`].
pub async fn redeem(
    tx: &mut Tx,
    id: InvitationId,
    secret: &TokenHash,
    now: Timestamp,
    participant: ParticipantId,
) -> Result<bool, StorageError> {
    Ok(execute!(tx, REDEEM, id.to_string(), now.as_micros(), participant.to_string(), secret.as_str())? == 1)
}

/// Gives an invitation a new secret and opens it again.
///
/// # Errors
/// See [`StorageError`].
pub async fn reissue(
    tx: &mut Tx,
    id: InvitationId,
    secret: &TokenHash,
    expires_at: Timestamp,
    code_hash: Option<&str>,
) -> Result<(), StorageError> {
    execute!(tx, REISSUE, id.to_string(), secret.as_str(), expires_at.as_micros(), code_hash)?;
    Ok(())
}

/// Takes an invitation back.
///
/// # Errors
/// See [`StorageError`].
pub async fn cancel(tx: &mut Tx, id: InvitationId) -> Result<(), StorageError> {
    execute!(tx, CANCEL, id.to_string())?;
    Ok(())
}
