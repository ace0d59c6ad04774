//! Consent decisions: append-only, one row each; the latest of a participant about a thing counts.

use crate::domain::consent::{Capacity, Decision, Method, Purpose, TextShown};
use crate::domain::id::{ConsentId, ConsultationId, EntryId, ParticipantId, RecordingId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, time};

const INSERT: &str =
    "INSERT INTO consents (id, consultation_id, recording_id, participant_id, decision, permitted, denied, text, version, language, digest,
    shown, capacity, method, sealed_statement, algorithm, public_key, signature, policy_digest, entry_id, decided_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
const LOOKUP: &str = "SELECT * FROM consents WHERE id = $1";
const OF_RECORDING: &str = "SELECT * FROM consents WHERE recording_id = $1 ORDER BY decided_at, id";
const OF_CONSULTATION: &str = "SELECT * FROM consents WHERE consultation_id = $1 ORDER BY decided_at, id";
const OF_PARTICIPANT: &str = "SELECT * FROM consents WHERE participant_id = $1 ORDER BY decided_at, id";
const SEARCH: &str =
    "SELECT * FROM consents WHERE (consultation_id LIKE $1 OR participant_id LIKE $1 OR id LIKE $1 OR recording_id LIKE $1)
    AND text LIKE $2 AND decision LIKE $3 AND (permitted LIKE $4 OR denied LIKE $4) AND decided_at >= $5 AND decided_at < $6
    ORDER BY decided_at DESC, id DESC LIMIT $7";
const TALLY: &str = "SELECT text, version, decision, method, COUNT(*) AS decisions, COUNT(DISTINCT participant_id) AS people
    FROM consents WHERE decided_at >= $1 AND decided_at < $2 GROUP BY text, version, decision, method ORDER BY text, version, decision, method";
const INSERT_LINK: &str = "INSERT INTO receipt_links (id, participant_id, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
const LINK: &str = "SELECT participant_id, secret_hash, expires_at FROM receipt_links WHERE id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, LOOKUP, OF_RECORDING, OF_CONSULTATION, OF_PARTICIPANT, SEARCH, TALLY, INSERT_LINK, LINK];

/// What someone stated, and their browser's signature under it; withdrawing needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// The statement's bytes, sealed under the patient's evidence key.
    pub sealed: Vec<u8>,
    /// `Ed25519` or `ES256`; empty where nothing was signed.
    pub algorithm: String,
    /// The public key.
    pub public_key: Vec<u8>,
    /// The signature over the bytes; empty where nothing was signed.
    pub signature: Vec<u8>,
}

impl Consent {
    /// What was signed in the person's browser, if anything was.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedStatement> {
        self.statement.as_ref().filter(|statement| !statement.signature.is_empty())
    }
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// In which consultation.
    pub consultation: ConsultationId,
    /// About which recording, if it is about one.
    pub recording: Option<RecordingId>,
    /// Whose.
    pub participant: ParticipantId,
    /// What, in one word.
    pub decision: Decision,
    /// The purposes that were permitted.
    pub permitted: Vec<Purpose>,
    /// Those that were denied or withdrawn.
    pub denied: Vec<Purpose>,
    /// The words they were shown.
    pub shown: TextShown,
    /// For whom they decided.
    pub capacity: Capacity,
    /// How it came in.
    pub method: Method,
    /// What they signed; `None` for decisions of earlier versions of this program.
    pub statement: Option<SignedStatement>,
    /// The policy bundle in force.
    pub policy_digest: String,
    /// Its audit entry; `None` for decisions of earlier versions of this program.
    pub entry: Option<EntryId>,
    /// When.
    pub decided_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    consultation_id: String,
    recording_id: Option<String>,
    participant_id: String,
    decision: String,
    permitted: String,
    denied: String,
    text: String,
    version: String,
    language: String,
    digest: String,
    shown: String,
    capacity: String,
    method: String,
    sealed_statement: Option<Vec<u8>>,
    algorithm: Option<String>,
    public_key: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    policy_digest: String,
    entry_id: Option<String>,
    decided_at: i64,
}

impl TryFrom<Row> for Consent {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "consents", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            consultation: at.parse("consultation_id", &row.consultation_id)?,
            recording: row.recording_id.as_deref().map(|id| at.parse("recording_id", id)).transpose()?,
            participant: at.parse("participant_id", &row.participant_id)?,
            decision: at.need("decision", Decision::parse(&row.decision))?,
            permitted: at.need("permitted", Purpose::parse_list(&row.permitted))?,
            denied: at.need("denied", Purpose::parse_list(&row.denied))?,
            capacity: at.need("capacity", Capacity::parse(&row.capacity))?,
            method: at.need("method", Method::parse(&row.method))?,
            statement: row.sealed_statement.map(|sealed| SignedStatement {
                sealed,
                algorithm: row.algorithm.unwrap_or_default(),
                public_key: row.public_key.unwrap_or_default(),
                signature: row.signature.unwrap_or_default(),
            }),
            entry: row.entry_id.as_deref().map(|id| at.parse("entry_id", id)).transpose()?,
            decided_at: time(row.decided_at),
            shown: TextShown { text: row.text, version: row.version, language: row.language, digest: row.digest, shown: row.shown },
            policy_digest: row.policy_digest,
        })
    }
}

/// Adds a decision.
///
/// # Errors
/// [`StorageError::Duplicate`] if there is one of this id; else see [`StorageError`].
pub async fn insert(tx: &mut Tx, c: &Consent) -> Result<(), StorageError> {
    let statement = c.statement.as_ref();
    execute!(
        tx,
        INSERT,
        c.id.to_string(),
        c.consultation.to_string(),
        c.recording.map(|id| id.to_string()),
        c.participant.to_string(),
        c.decision.as_str(),
        Purpose::list(&c.permitted),
        Purpose::list(&c.denied),
        &c.shown.text,
        &c.shown.version,
        &c.shown.language,
        &c.shown.digest,
        &c.shown.shown,
        c.capacity.as_str(),
        c.method.as_str(),
        statement.map(|s| s.sealed.clone()),
        statement.map(|s| s.algorithm.clone()),
        statement.map(|s| s.public_key.clone()),
        statement.map(|s| s.signature.clone()),
        &c.policy_digest,
        c.entry.map(|id| id.to_string()),
        c.decided_at.as_micros()
    )?;
    Ok(())
}

/// One decision.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: ConsentId) -> Result<Option<Consent>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Every decision about a recording, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_recording(tx: &mut Tx, recording: RecordingId) -> Result<Vec<Consent>, StorageError> {
    fetch_all!(tx, Row, OF_RECORDING, recording.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Every decision in a consultation, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_consultation(tx: &mut Tx, consultation: ConsultationId) -> Result<Vec<Consent>, StorageError> {
    fetch_all!(tx, Row, OF_CONSULTATION, consultation.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Every decision of one participant, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_participant(tx: &mut Tx, participant: ParticipantId) -> Result<Vec<Consent>, StorageError> {
    fetch_all!(tx, Row, OF_PARTICIPANT, participant.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// What a register is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The beginning of an id: of a consultation, a participant, a recording or a decision.
    pub id: Option<String>,
    /// Name of a consent text.
    pub text: Option<String>,
    /// What was decided.
    pub decision: Option<Decision>,
    /// A purpose that was permitted or denied.
    pub purpose: Option<Purpose>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

/// Decisions that fit, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn search(tx: &mut Tx, wanted: &Search) -> Result<Vec<Consent>, StorageError> {
    // ids and names of texts hold no wildcards: what could be one is taken out
    let literal = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_lowercase();
    let any = || "%".to_owned();
    let id = wanted.id.as_deref().map_or_else(any, |id| format!("{}%", literal(id)));
    let text = wanted.text.as_deref().map_or_else(any, literal);
    let decision = wanted.decision.map_or_else(any, |decision| decision.as_str().to_owned());
    let purpose = wanted.purpose.map_or_else(any, |purpose| format!("%{}%", purpose.as_str()));
    let from = wanted.from.map_or(i64::MIN, Timestamp::as_micros);
    let to = wanted.to.map_or(i64::MAX, Timestamp::as_micros);
    fetch_all!(tx, Row, SEARCH, id, text, decision, purpose, from, to, i64::from(wanted.limit))?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// How many decisions of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The text and its version.
    pub shown: String,
    /// `permit`, `deny` or `withdrawn`.
    pub decision: String,
    /// How it was given.
    pub method: String,
    /// Decisions.
    pub decisions: u64,
    /// By so many participants.
    pub people: u64,
}

#[derive(sqlx::FromRow)]
struct TallyRow {
    text: String,
    version: String,
    decision: String,
    method: String,
    decisions: i64,
    people: i64,
}

/// The decisions of a period, counted.
///
/// # Errors
/// See [`StorageError`].
pub async fn tally(tx: &mut Tx, from: Timestamp, to: Timestamp) -> Result<Vec<Tally>, StorageError> {
    let rows = fetch_all!(tx, TallyRow, TALLY, from.as_micros(), to.as_micros())?;
    let read = |row: TallyRow| Tally {
        shown: format!("{}/{}", row.text, row.version),
        decision: row.decision,
        method: row.method,
        decisions: u64::try_from(row.decisions).unwrap_or(0),
        people: u64::try_from(row.people).unwrap_or(0),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// A private link to a participant's receipts.
pub struct ReceiptLink {
    /// Whose receipts.
    pub participant: ParticipantId,
    /// Hash of the secret.
    pub secret_hash: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    participant_id: String,
    secret_hash: String,
    expires_at: i64,
}

/// Keeps a link.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_link(
    tx: &mut Tx,
    id: crate::domain::id::ReceiptLinkId,
    link: &ReceiptLink,
    now: Timestamp,
) -> Result<(), StorageError> {
    let ReceiptLink { participant, secret_hash, expires_at } = link;
    execute!(tx, INSERT_LINK, id.to_string(), participant.to_string(), secret_hash, now.as_micros(), expires_at.as_micros())?;
    Ok(())
}

/// A link.
///
/// # Errors
/// See [`StorageError`].
pub async fn link(tx: &mut Tx, id: crate::domain::id::ReceiptLinkId) -> Result<Option<ReceiptLink>, StorageError> {
    let Some(row) = fetch_optional!(tx, LinkRow, LINK, id.to_string())? else { return Ok(None) };
    let key = id.to_string();
    let at = At { table: "receipt_links", row: &key };
    Ok(Some(ReceiptLink {
        participant: at.parse("participant_id", &row.participant_id)?,
        secret_hash: row.secret_hash,
        expires_at: time(row.expires_at),
    }))
}
