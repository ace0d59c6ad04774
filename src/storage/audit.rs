//! The audit log's tables: entries, the tree's hashes, signed checkpoints.
//!
//! Entries enter through [`insert`] inside the transaction of what they tell; the sequencer alone gives them their place.

use crate::domain::audit::Entry;
use crate::domain::id::EntryId;
use crate::domain::time::Timestamp;
use crate::storage::database::{SequencingTx, Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, time};

const INSERT: &str = "INSERT INTO audit_entries (id, at, event, action, outcome, search_text, body) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UNSEQUENCED: &str =
    "SELECT id, body, COALESCE(leaf_index, -1) AS leaf_index FROM audit_entries WHERE leaf_index IS NULL ORDER BY at, id LIMIT $1";
const SEQUENCE: &str = "UPDATE audit_entries SET leaf_index = $2 WHERE id = $1";
const INSERT_HASH: &str = "INSERT INTO audit_hashes (storage_index, hash) VALUES ($1, $2)";
const HASH: &str = "SELECT storage_index, hash FROM audit_hashes WHERE storage_index = $1";
const INSERT_CHECKPOINT: &str = "INSERT INTO audit_checkpoints (size, note, signed_at) VALUES ($1, $2, $3)";
const LATEST_CHECKPOINT: &str = "SELECT size, note, signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1";
const CHECKPOINTS: &str = "SELECT size, note, signed_at FROM audit_checkpoints ORDER BY size";
const PLACE: &str = "SELECT id, body, COALESCE(leaf_index, -1) AS leaf_index FROM audit_entries WHERE id = $1";
const RANGE: &str = "SELECT id, body, leaf_index FROM audit_entries WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index";
const SEARCH: &str = "SELECT id, body, leaf_index FROM audit_entries WHERE leaf_index IS NOT NULL AND leaf_index < $1
    AND search_text LIKE $2 ESCAPE '!' AND event LIKE $3 ESCAPE '!' AND outcome LIKE $4 ESCAPE '!' AND at >= $5 AND at < $6
    ORDER BY leaf_index DESC LIMIT $7";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] =
    &[INSERT, UNSEQUENCED, SEQUENCE, INSERT_HASH, HASH, INSERT_CHECKPOINT, LATEST_CHECKPOINT, CHECKPOINTS, PLACE, RANGE, SEARCH];

/// An entry's canonical text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its id.
    pub id: EntryId,
    /// RFC 8785 canonical JSON: the leaf.
    pub body: String,
    /// Its leaf index, once it has one.
    pub index: Option<u64>,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    id: String,
    body: String,
    leaf_index: i64,
}

impl TryFrom<EntryRow> for StoredEntry {
    type Error = StorageError;
    fn try_from(row: EntryRow) -> Result<Self, StorageError> {
        let at = At { table: "audit_entries", row: &row.id };
        Ok(Self { id: at.parse("id", &row.id)?, index: u64::try_from(row.leaf_index).ok(), body: row.body })
    }
}

#[derive(sqlx::FromRow)]
struct HashRow {
    storage_index: i64,
    hash: Vec<u8>,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Tree size.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct CheckpointRow {
    size: i64,
    note: String,
    signed_at: i64,
}

impl From<CheckpointRow> for StoredCheckpoint {
    fn from(row: CheckpointRow) -> Self {
        Self { size: u64::try_from(row.size).unwrap_or(0), note: row.note, signed_at: time(row.signed_at) }
    }
}

/// What to look for; every member narrows.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Part of an id, role, network address or code; folded.
    pub text: Option<String>,
    /// Event code or its beginning, such as `recording.`.
    pub event: Option<String>,
    /// Outcome.
    pub outcome: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Leaf indexes below this one.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Adds an entry in the transaction of what it tells.
pub(super) async fn insert(tx: &mut Tx, entry: &Entry) -> Result<(), StorageError> {
    let body = serde_json_canonicalizer::to_string(entry).map_err(|_| StorageError::Canonical)?;
    let folded = body.to_lowercase();
    execute!(
        tx,
        INSERT,
        entry.id.to_string(),
        entry.at.as_micros(),
        &entry.event,
        entry.action.as_str(),
        entry.outcome.as_str(),
        folded,
        body
    )?;
    Ok(())
}

/// Entries that have no place yet, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn unsequenced(tx: &mut Tx, most: i64) -> Result<Vec<StoredEntry>, StorageError> {
    fetch_all!(tx, EntryRow, UNSEQUENCED, most)?.into_iter().map(TryInto::try_into).collect()
}

/// What one round of the sequencer adds.
pub struct Sequenced {
    /// Entries with the leaf indexes they get.
    pub places: Vec<(EntryId, u64)>,
    /// New stored hashes.
    pub hashes: Vec<(u64, [u8; 32])>,
    /// The checkpoint that covers them.
    pub checkpoint: StoredCheckpoint,
}

/// Writes one round of the sequencer and commits it.
///
/// # Errors
/// [`StorageError::Duplicate`] if another sequencer was first; nothing is kept then.
pub async fn sequence(mut tx: SequencingTx, round: &Sequenced) -> Result<(), StorageError> {
    for (id, index) in &round.places {
        execute!(tx.tx(), SEQUENCE, id.to_string(), signed(*index))?;
    }
    for (index, hash) in &round.hashes {
        execute!(tx.tx(), INSERT_HASH, signed(*index), hash.as_slice())?;
    }
    let c = &round.checkpoint;
    execute!(tx.tx(), INSERT_CHECKPOINT, signed(c.size), &c.note, c.signed_at.as_micros())?;
    tx.commit().await
}

/// A stored hash of the tree.
///
/// # Errors
/// See [`StorageError`].
pub async fn hash(tx: &mut Tx, index: u64) -> Result<Option<[u8; 32]>, StorageError> {
    let Some(row) = fetch_optional!(tx, HashRow, HASH, signed(index))? else { return Ok(None) };
    let key = row.storage_index.to_string();
    let at = At { table: "audit_hashes", row: &key };
    Ok(Some(row.hash.as_slice().try_into().map_err(|_| at.wrong("hash"))?))
}

/// The newest checkpoint.
///
/// # Errors
/// See [`StorageError`].
pub async fn latest_checkpoint(tx: &mut Tx) -> Result<Option<StoredCheckpoint>, StorageError> {
    Ok(fetch_optional!(tx, CheckpointRow, LATEST_CHECKPOINT)?.map(Into::into))
}

/// Every checkpoint, by size.
///
/// # Errors
/// See [`StorageError`].
pub async fn checkpoints(tx: &mut Tx) -> Result<Vec<StoredCheckpoint>, StorageError> {
    Ok(fetch_all!(tx, CheckpointRow, CHECKPOINTS)?.into_iter().map(Into::into).collect())
}

/// One entry.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: EntryId) -> Result<Option<StoredEntry>, StorageError> {
    fetch_optional!(tx, EntryRow, PLACE, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Entries with leaf indexes in `from..to`, in order.
///
/// # Errors
/// See [`StorageError`].
pub async fn range(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<StoredEntry>, StorageError> {
    fetch_all!(tx, EntryRow, RANGE, signed(from), signed(to))?.into_iter().map(TryInto::try_into).collect()
}

/// Entries that fit, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn search(tx: &mut Tx, wanted: &Search) -> Result<Vec<StoredEntry>, StorageError> {
    let literal = |text: &str| text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let text = wanted.text.as_deref().map_or_else(|| "%".to_owned(), |text| format!("%{}%", literal(&text.to_lowercase())));
    let event = wanted.event.as_deref().map_or_else(|| "%".to_owned(), |event| format!("{}%", literal(event)));
    let outcome = wanted.outcome.as_deref().map_or_else(|| "%".to_owned(), literal);
    let from = wanted.from.map_or(i64::MIN, Timestamp::as_micros);
    let to = wanted.to.map_or(i64::MAX, Timestamp::as_micros);
    let before = wanted.before.map_or(i64::MAX, signed);
    fetch_all!(tx, EntryRow, SEARCH, before, text, event, outcome, from, to, i64::from(wanted.limit))?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}
