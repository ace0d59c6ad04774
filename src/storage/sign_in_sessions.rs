//! Sign-in sessions of staff and tokens of participants: what a cookie stands for.

use crate::crypto::token::TokenHash;
use crate::domain::access::{AccountRole, Assurance};
use crate::domain::id::{AccountId, ConsultationId, ParticipantId, SignInSessionId};
use crate::domain::participant::{Place, Role};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO sign_in_sessions (id, token_hash, account_id, created_at, last_seen_at, expires_at, method, assurance,
    proved_at, client, network, provider, provider_subject, provider_session)
    VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $4, $8, $9, $10, $11, $12)";
const LOOKUP: &str = "SELECT s.*, a.role, a.status, a.username, a.display_name
    FROM sign_in_sessions s JOIN accounts a ON a.id = s.account_id WHERE s.token_hash = $1";
const OF_ACCOUNT: &str =
    "SELECT s.*, a.role, a.status, a.username, a.display_name FROM sign_in_sessions s JOIN accounts a ON a.id = s.account_id
    WHERE s.account_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 ORDER BY s.created_at DESC";
const OF_PROVIDER: &str =
    "SELECT s.*, a.role, a.status, a.username, a.display_name FROM sign_in_sessions s JOIN accounts a ON a.id = s.account_id
    WHERE s.provider = $1 AND s.ended_at IS NULL AND (s.provider_subject = $2 OR $2 = '') AND (s.provider_session = $3 OR $3 = '')";
const ENDED_SINCE: &str = "SELECT id FROM sign_in_sessions WHERE ended_at > $1";
const ROTATE: &str = "UPDATE sign_in_sessions SET token_hash = $2, proved_at = $3, assurance = $4 WHERE id = $1 AND ended_at IS NULL";
const END: &str = "UPDATE sign_in_sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
const ALIVE: &str = "SELECT s.id FROM sign_in_sessions s JOIN accounts a ON a.id = s.account_id
    WHERE s.id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND a.status = 'active'";
const HAS_TOKEN: &str =
    "SELECT participant_id AS id FROM participant_tokens WHERE participant_id = $1 AND ended_at IS NULL AND expires_at > $2 LIMIT 1";
const INSERT_TOKEN: &str = "INSERT INTO participant_tokens (token_hash, participant_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
const LOOKUP_TOKEN: &str = "SELECT t.participant_id, t.expires_at, t.ended_at, p.consultation_id, p.role, p.place
    FROM participant_tokens t JOIN participants p ON p.id = t.participant_id WHERE t.token_hash = $1";
const END_TOKENS: &str = "UPDATE participant_tokens SET ended_at = $2 WHERE participant_id = $1 AND ended_at IS NULL";
const INSERT_TICKET: &str = "INSERT INTO join_tickets (token_hash, participant_id, expires_at) VALUES ($1, $2, $3)";
const USE_TICKET: &str =
    "UPDATE join_tickets SET used_at = $3 WHERE token_hash = $1 AND participant_id = $2 AND used_at IS NULL AND expires_at > $3";
const FORGET_TICKETS: &str = "DELETE FROM join_tickets WHERE expires_at <= $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    LOOKUP,
    OF_ACCOUNT,
    OF_PROVIDER,
    ENDED_SINCE,
    ROTATE,
    END,
    ALIVE,
    HAS_TOKEN,
    INSERT_TOKEN,
    LOOKUP_TOKEN,
    END_TOKENS,
    INSERT_TICKET,
    USE_TICKET,
    FORGET_TICKETS,
];

/// How a sign-in session came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `password`, `passkey` or `provider`.
    pub method: String,
    /// Whether one factor was shown or more.
    pub assurance: Assurance,
    /// The browser, in a few words.
    pub client: String,
    /// The network address it began from.
    pub network: String,
    /// Where the identity provider was asked, if it was.
    pub provider: Option<ProviderOrigin>,
}

/// What an identity provider calls a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderOrigin {
    /// Its issuer identifier.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// Its own session (`sid`), if it said.
    pub session: Option<String>,
}

/// A sign-in session with its account.
pub struct SignInSession {
    /// Its id.
    pub id: SignInSessionId,
    /// Whose.
    pub account: AccountId,
    /// Their role.
    pub role: AccountRole,
    /// Whether the account may act.
    pub active: bool,
    /// The name it signs in with.
    pub username: String,
    /// The name others see.
    pub display_name: String,
    /// How it came about.
    pub origin: Origin,
    /// When it began.
    pub created_at: Timestamp,
    /// When its owner last proved who they are.
    pub proved_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    account_id: String,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    method: String,
    assurance: String,
    proved_at: i64,
    client: String,
    network: String,
    provider: Option<String>,
    provider_subject: Option<String>,
    provider_session: Option<String>,
    role: String,
    status: String,
    username: String,
    display_name: String,
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: String,
}

/// A participant's token with what it opens.
pub struct ParticipantToken {
    /// Whose.
    pub participant: ParticipantId,
    /// The one consultation it is good for.
    pub consultation: ConsultationId,
    /// Their role.
    pub role: Role,
    /// Where they are.
    pub place: Place,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    participant_id: String,
    expires_at: i64,
    ended_at: Option<i64>,
    consultation_id: String,
    role: String,
    place: String,
}

impl TryFrom<Row> for SignInSession {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "sign_in_sessions", row: &row.id };
        let provider = match (row.provider, row.provider_subject) {
            (Some(issuer), Some(subject)) => Some(ProviderOrigin { issuer, subject, session: row.provider_session }),
            _ => None,
        };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            account: at.parse("account_id", &row.account_id)?,
            role: at.need("role", AccountRole::parse(&row.role))?,
            active: row.status == "active",
            origin: Origin {
                assurance: at.need("assurance", Assurance::parse(&row.assurance))?,
                method: row.method,
                client: row.client,
                network: row.network,
                provider,
            },
            created_at: time(row.created_at),
            proved_at: time(row.proved_at),
            last_seen_at: time(row.last_seen_at),
            expires_at: time(row.expires_at),
            ended_at: maybe_time(row.ended_at),
            username: row.username,
            display_name: row.display_name,
        })
    }
}

/// Begins a sign-in session.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(
    tx: &mut Tx,
    id: SignInSessionId,
    token: &TokenHash,
    account: AccountId,
    origin: &Origin,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StorageError> {
    let provider = origin.provider.as_ref();
    execute!(
        tx,
        INSERT,
        id.to_string(),
        token.as_str(),
        account.to_string(),
        now.as_micros(),
        expires_at.as_micros(),
        &origin.method,
        origin.assurance.as_str(),
        &origin.client,
        &origin.network,
        provider.map(|p| p.issuer.as_str()),
        provider.map(|p| p.subject.as_str()),
        provider.and_then(|p| p.session.as_deref())
    )?;
    Ok(())
}

/// The session of a token, alive or not.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, token: &TokenHash) -> Result<Option<SignInSession>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, token.as_str())?.map(TryInto::try_into).transpose()
}

/// The sessions of an account that have neither ended nor expired, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_account(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<Vec<SignInSession>, StorageError> {
    fetch_all!(tx, Row, OF_ACCOUNT, account.to_string(), now.as_micros())?.into_iter().map(TryInto::try_into).collect()
}

/// The sessions that came about through a provider, of a subject, of one of its own sessions, or both. An empty text means any.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_provider(tx: &mut Tx, issuer: &str, subject: &str, session: &str) -> Result<Vec<SignInSession>, StorageError> {
    fetch_all!(tx, Row, OF_PROVIDER, issuer, subject, session)?.into_iter().map(TryInto::try_into).collect()
}

/// The sessions that were ended after an instant, by whichever process.
///
/// # Errors
/// See [`StorageError`].
pub async fn ended_since(tx: &mut Tx, since: Timestamp) -> Result<Vec<SignInSessionId>, StorageError> {
    let read = |row: IdRow| At { table: "sign_in_sessions", row: &row.id }.parse("id", &row.id);
    fetch_all!(tx, IdRow, ENDED_SINCE, since.as_micros())?.into_iter().map(read).collect()
}

/// Gives a session a new token: its owner proved again who they are, or showed one more factor.
///
/// # Errors
/// See [`StorageError`].
pub async fn rotate(
    tx: &mut Tx,
    id: SignInSessionId,
    token: &TokenHash,
    now: Timestamp,
    assurance: Assurance,
) -> Result<bool, StorageError> {
    Ok(execute!(tx, ROTATE, id.to_string(), token.as_str(), now.as_micros(), assurance.as_str())? == 1)
}

/// Ends a session; says whether it had not ended before.
///
/// # Errors
/// See [`StorageError`].
pub async fn end(tx: &mut Tx, id: SignInSessionId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, END, id.to_string(), now.as_micros())? > 0)
}

/// Whether a session has neither ended nor expired, and its account may act.
///
/// # Errors
/// See [`StorageError`].
pub async fn is_alive(tx: &mut Tx, id: SignInSessionId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(fetch_optional!(tx, IdRow, ALIVE, id.to_string(), now.as_micros())?.is_some())
}

/// Whether a participant has a token that stands.
///
/// # Errors
/// See [`StorageError`].
pub async fn has_token(tx: &mut Tx, participant: ParticipantId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(fetch_optional!(tx, IdRow, HAS_TOKEN, participant.to_string(), now.as_micros())?.is_some())
}

/// Gives a participant a token.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_token(
    tx: &mut Tx,
    token: &TokenHash,
    participant: ParticipantId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StorageError> {
    execute!(tx, INSERT_TOKEN, token.as_str(), participant.to_string(), now.as_micros(), expires_at.as_micros())?;
    Ok(())
}

/// The participant of a token, alive or not.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup_token(tx: &mut Tx, token: &TokenHash) -> Result<Option<ParticipantToken>, StorageError> {
    let Some(row) = fetch_optional!(tx, TokenRow, LOOKUP_TOKEN, token.as_str())? else { return Ok(None) };
    let at = At { table: "participant_tokens", row: &row.participant_id };
    Ok(Some(ParticipantToken {
        participant: at.parse("participant_id", &row.participant_id)?,
        consultation: at.parse("consultation_id", &row.consultation_id)?,
        role: at.need("role", Role::parse(&row.role))?,
        place: at.need("place", Place::parse(&row.place))?,
        expires_at: time(row.expires_at),
        ended_at: maybe_time(row.ended_at),
    }))
}

/// Ends every token of a participant.
///
/// # Errors
/// See [`StorageError`].
pub async fn end_tokens(tx: &mut Tx, participant: ParticipantId, now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, END_TOKENS, participant.to_string(), now.as_micros())?;
    Ok(())
}

/// Keeps a join ticket, and forgets those that have run out.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_ticket(
    tx: &mut Tx,
    token: &TokenHash,
    participant: ParticipantId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StorageError> {
    execute!(tx, FORGET_TICKETS, now.as_micros())?;
    execute!(tx, INSERT_TICKET, token.as_str(), participant.to_string(), expires_at.as_micros())?;
    Ok(())
}

/// Uses a ticket up; `false` if it is unknown, someone else's, used or expired.
///
/// # Errors
/// See [`StorageError`].
pub async fn use_ticket(tx: &mut Tx, token: &TokenHash, participant: ParticipantId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_TICKET, token.as_str(), participant.to_string(), now.as_micros())? == 1)
}
