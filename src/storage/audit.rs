//! The audit log's tables: entries, the tiles of the tree, signed checkpoints, and who may extend them.
//!
//! Entries enter through [`insert`] inside the transaction of what they tell; the sequencer alone gives them their place.

use crate::domain::audit::Entry;
use crate::domain::id::EntryId;
use crate::domain::time::Timestamp;
use crate::storage::database::{Database, SequencingTx, Tx, execute, fetch_all, fetch_optional};
use crate::storage::dialect::Bulk;
use crate::storage::error::StorageError;
use crate::storage::row::{At, time};
use std::time::Duration;

const INSERT: &str = "INSERT INTO audit_entries (id, at, event, action, outcome, body) VALUES ($1, $2, $3, $4, $5, $6)";
// what belongs to a subject whose key was destroyed is not kept, whatever the one who seals still believes
const INSERT_SEALED: &str = "INSERT INTO audit_entries (id, at, event, action, outcome, body, subject_id, disclosures, network_term)
    SELECT $1, $2, $3, $4, $5, $6, $7, CASE WHEN gone.subject_id IS NULL THEN $8 ELSE gone.evidence_key END,
        CASE WHEN gone.subject_id IS NULL THEN $9 END
    FROM (SELECT 1 AS n) AS one LEFT JOIN subject_keys gone ON gone.subject_id = $7 AND gone.evidence_key IS NULL";
const UNPLACED: &str = "SELECT id, at, body FROM audit_entries WHERE leaf_index IS NULL ORDER BY at, id LIMIT $1";
const PUT_TILE: &str = "INSERT INTO audit_tiles (level, tile_index, hashes) VALUES ($1, $2, $3)
    ON CONFLICT (level, tile_index) DO UPDATE SET hashes = excluded.hashes";
const TILE: &str = "SELECT hashes FROM audit_tiles WHERE level = $1 AND tile_index = $2";
const INSERT_CHECKPOINT: &str = "INSERT INTO audit_checkpoints (size, note, signed_at, lasting) VALUES ($1, $2, $3, $4)";
const FORGET_CHECKPOINT: &str = "DELETE FROM audit_checkpoints WHERE size < $1 AND lasting = 0";
const LATEST_CHECKPOINT: &str = "SELECT size, note, signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1";
const CHECKPOINTS: &str = "SELECT size, note, signed_at FROM audit_checkpoints ORDER BY size";
const LASTING: &str = "SELECT size, note, signed_at FROM audit_checkpoints WHERE lasting = 1 ORDER BY size DESC LIMIT 1";
const ENTRY: &str =
    "SELECT id, body, COALESCE(leaf_index, -1) AS leaf_index, subject_id, disclosures, network_term FROM audit_entries WHERE id = $1";
const RANGE: &str = "SELECT id, body, leaf_index, subject_id, disclosures, network_term FROM audit_entries
    WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index";
const LAST_OF_SUBJECT: &str = "SELECT COALESCE(MAX(at), 0) AS number FROM audit_entries WHERE subject_id = $1";
const WIPE: &str = "UPDATE audit_entries SET disclosures = NULL WHERE subject_id = $1 AND disclosures IS NOT NULL";
const NOTE_REQUEST: &str = "INSERT INTO audit_requests (key_hash, body_hash, entry_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const NOTED_BODY: &str = "SELECT body_hash AS text FROM audit_requests WHERE key_hash = $1";
const FORGET_REQUESTS: &str = "DELETE FROM audit_requests WHERE at < $1";
const END_LEASE: &str = "UPDATE audit_lease SET expires_at = 0 WHERE name = 'sequencer' AND holder = $1";

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    INSERT_SEALED,
    UNPLACED,
    PUT_TILE,
    TILE,
    INSERT_CHECKPOINT,
    FORGET_CHECKPOINT,
    LATEST_CHECKPOINT,
    CHECKPOINTS,
    LASTING,
    ENTRY,
    RANGE,
    LAST_OF_SUBJECT,
    WIPE,
    NOTE_REQUEST,
    NOTED_BODY,
    FORGET_REQUESTS,
    END_LEASE,
];

/// Takes `[id, …]` in the order of their places, and the place before the first.
const PLACE: Bulk = Bulk {
    sqlite: "UPDATE audit_entries SET leaf_index = $2 + 1 + p.key FROM json_each($1) AS p WHERE audit_entries.id = p.value",
    postgres: "UPDATE audit_entries SET leaf_index = $2 + p.nth FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS p (id, nth)
        WHERE audit_entries.id = p.id",
};

/// Takes `[leaf index, …]`.
const AT: Bulk = Bulk {
    sqlite: "SELECT e.id, e.body, e.leaf_index, e.subject_id, e.disclosures, e.network_term
        FROM json_each($1) AS w CROSS JOIN audit_entries e WHERE e.leaf_index = w.value ORDER BY e.leaf_index DESC",
    // a fence: each is looked up by its place, whatever is known of the table
    postgres: "SELECT e.* FROM jsonb_array_elements_text($1::jsonb) AS w CROSS JOIN LATERAL
        (SELECT id, body, leaf_index, subject_id, disclosures, network_term FROM audit_entries WHERE leaf_index = w::bigint OFFSET 0) AS e
        ORDER BY e.leaf_index DESC",
};

// a lease is timed by the one clock that everyone who could lead shares: the database's
macro_rules! take_lease {
    ($now:literal) => {
        concat!(
            "INSERT INTO audit_lease (name, holder, term, expires_at) VALUES ('sequencer', $1, 1, ",
            $now,
            " + $2)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = audit_lease.term + 1, expires_at = excluded.expires_at
            WHERE audit_lease.holder = excluded.holder OR audit_lease.expires_at < ",
            $now
        )
    };
}
macro_rules! keep_lease {
    ($now:literal) => {
        concat!("UPDATE audit_lease SET expires_at = ", $now, " + $2 WHERE name = 'sequencer' AND holder = $1")
    };
}
/// Takes the holder and how long it lasts, in microseconds.
const TAKE_LEASE: Bulk = Bulk {
    sqlite: take_lease!("CAST(unixepoch('subsec') * 1000000 AS INTEGER)"),
    postgres: take_lease!("(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"),
};
/// As [`TAKE_LEASE`].
const KEEP_LEASE: Bulk = Bulk {
    sqlite: keep_lease!("CAST(unixepoch('subsec') * 1000000 AS INTEGER)"),
    postgres: keep_lease!("(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"),
};

/// The statements with a text for each engine.
pub const BULK: &[Bulk] = &[PLACE, AT, TAKE_LEASE, KEEP_LEASE];

/// An entry that can be committed: what was personal in it is sealed.
#[derive(Debug, Clone)]
pub struct NewEntry {
    entry: Entry,
    sealed: Option<SealedValues>,
}

/// The personal values of an entry.
#[derive(Debug, Clone)]
pub struct SealedValues {
    /// Under whose evidence key they are.
    pub subject: String,
    /// Their disclosures, sealed.
    pub disclosures: Vec<u8>,
    /// The blind term of the network address, if that is one of them.
    pub network_term: Option<String>,
}

impl NewEntry {
    /// An entry with nothing personal in it; `None` if there is something.
    #[must_use]
    pub fn plain(entry: Entry) -> Option<Self> {
        (entry.open.is_empty() && entry.personal.is_empty()).then_some(Self { entry, sealed: None })
    }

    /// An entry whose personal values were sealed; `None` if some were not.
    #[must_use]
    pub fn sealed(entry: Entry, sealed: SealedValues) -> Option<Self> {
        entry.open.is_empty().then_some(Self { entry, sealed: Some(sealed) })
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// The largest entry: C2SP entry bundles give its length in two bytes.
pub const LARGEST_ENTRY: usize = 65_535;

/// An entry's canonical text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its id.
    pub id: EntryId,
    /// RFC 8785 canonical JSON: the leaf.
    pub body: String,
    /// Its leaf index, once it has one.
    pub index: Option<u64>,
    /// Under whose evidence key its personal values are.
    pub subject: Option<String>,
    /// Their disclosures, sealed; `None` if there are none or they were wiped.
    pub disclosures: Option<Vec<u8>>,
    /// The blind term of the network address.
    pub network_term: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    id: String,
    body: String,
    leaf_index: i64,
    subject_id: Option<String>,
    disclosures: Option<Vec<u8>>,
    network_term: Option<String>,
}

impl TryFrom<EntryRow> for StoredEntry {
    type Error = StorageError;
    fn try_from(row: EntryRow) -> Result<Self, StorageError> {
        let at = At { table: "audit_entries", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            index: u64::try_from(row.leaf_index).ok(),
            body: row.body,
            subject: row.subject_id,
            disclosures: row.disclosures,
            network_term: row.network_term,
        })
    }
}

/// An entry that waits for its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// Its id.
    pub id: EntryId,
    /// When it was made.
    pub at: Timestamp,
    /// Its canonical text.
    pub body: String,
}

#[derive(sqlx::FromRow)]
struct UnplacedRow {
    id: String,
    at: i64,
    body: String,
}

#[derive(sqlx::FromRow)]
struct NumberRow {
    number: i64,
}

#[derive(sqlx::FromRow)]
struct TextRow {
    text: Option<String>,
}

#[derive(sqlx::FromRow)]
struct TileRow {
    hashes: Vec<u8>,
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

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Adds an entry in the transaction of what it tells.
pub(super) async fn insert(tx: &mut Tx, new: &NewEntry) -> Result<(), StorageError> {
    let NewEntry { entry, sealed } = new;
    let body = serde_json_canonicalizer::to_string(entry).map_err(|_| StorageError::Canonical)?;
    if body.len() > LARGEST_ENTRY {
        return Err(StorageError::Canonical);
    }
    let (id, at, event) = (entry.id.to_string(), entry.at.as_micros(), &entry.event);
    let (action, outcome) = (entry.action.as_str(), entry.outcome.as_str());
    match sealed {
        None => execute!(tx, INSERT, id, at, event, action, outcome, body)?,
        Some(SealedValues { subject, disclosures, network_term }) => execute!(
            tx,
            INSERT_SEALED,
            id,
            at,
            event,
            action,
            outcome,
            body,
            subject.as_str(),
            disclosures.as_slice(),
            network_term.as_deref()
        )?,
    };
    Ok(())
}

/// Entries that have no place yet, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn unplaced(tx: &mut Tx, most: i64) -> Result<Vec<Unplaced>, StorageError> {
    let rows = fetch_all!(tx, UnplacedRow, UNPLACED, most)?;
    rows.into_iter()
        .map(|row| {
            let id = At { table: "audit_entries", row: &row.id }.parse("id", &row.id)?;
            Ok(Unplaced { id, at: time(row.at), body: row.body })
        })
        .collect()
}

/// Notes that a request which carried a key of its own is being done; `false` if it was done before.
///
/// # Errors
/// See [`StorageError`].
pub async fn note_request(tx: &mut Tx, key_hash: &str, body_hash: &str, entry: EntryId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, NOTE_REQUEST, key_hash, body_hash, entry.to_string(), now.as_micros())? > 0)
}

/// What was asked for with a key that was noted.
///
/// # Errors
/// See [`StorageError`].
pub async fn noted_body(tx: &mut Tx, key_hash: &str) -> Result<Option<String>, StorageError> {
    Ok(fetch_optional!(tx, TextRow, NOTED_BODY, key_hash)?.and_then(|row| row.text))
}

/// What one round of the sequencer adds.
pub struct Sequenced {
    /// The leaf index of the first of the entries that get one.
    pub first: u64,
    /// These entries, in the order of their leaf indexes.
    pub entries: Vec<EntryId>,
    /// Tiles that are new or have grown: level, index, hashes one after the other.
    pub tiles: Vec<(u8, u64, Vec<u8>)>,
    /// The checkpoint that covers them.
    pub checkpoint: StoredCheckpoint,
    /// Whether the checkpoint stays when a newer one is signed.
    pub lasting: bool,
}

/// How long a repeated request is known: a day.
const REMEMBERED_REQUEST_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Who gives entries their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The process.
    pub holder: String,
    /// How long nobody else may, unless it is renewed.
    pub lasts: Duration,
}

impl Lease {
    fn micros(&self) -> i64 {
        i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX)
    }
}

/// Tries to become the one that gives entries their place; says whether it is.
///
/// # Errors
/// See [`StorageError`].
pub async fn lead(database: &Database, lease: &Lease) -> Result<bool, StorageError> {
    if let Some(leads) = database.leads_by_file() {
        return Ok(leads);
    }
    let mut tx = database.begin_sequencing().await?;
    let text = TAKE_LEASE.of(tx.tx());
    let taken = execute!(tx.tx(), text, &lease.holder, lease.micros())?;
    tx.commit().await?;
    Ok(taken > 0)
}

/// Lets others lead.
///
/// # Errors
/// See [`StorageError`].
pub async fn step_down(database: &Database, holder: &str) -> Result<(), StorageError> {
    if database.leads_by_file().is_some() {
        return Ok(());
    }
    let mut tx = database.begin_sequencing().await?;
    execute!(tx.tx(), END_LEASE, holder)?;
    tx.commit().await
}

/// Writes one round of the sequencer and commits it.
///
/// # Errors
/// [`StorageError::Duplicate`] if another sequencer was first or took over the lease; nothing is kept then.
pub async fn sequence(database: &Database, mut tx: SequencingTx, round: &Sequenced, lease: &Lease) -> Result<(), StorageError> {
    let by_row = database.leads_by_file().is_none();
    let text = KEEP_LEASE.of(tx.tx());
    if by_row && execute!(tx.tx(), text, &lease.holder, lease.micros())? == 0 {
        return Err(StorageError::Duplicate);
    }
    let entries = serde_json::to_string(&round.entries).map_err(|_| StorageError::Canonical)?;
    let text = PLACE.of(tx.tx());
    let placed = execute!(tx.tx(), text, entries, signed(round.first) - 1)?;
    if usize::try_from(placed) != Ok(round.entries.len()) {
        return Err(StorageError::Inconsistent { table: "audit_entries", column: "leaf_index", row: format!("{} and after", round.first) });
    }
    for (level, index, hashes) in &round.tiles {
        execute!(tx.tx(), PUT_TILE, i64::from(*level), signed(*index), hashes.as_slice())?;
    }
    let c = &round.checkpoint;
    execute!(tx.tx(), INSERT_CHECKPOINT, signed(c.size), &c.note, c.signed_at.as_micros(), i64::from(round.lasting))?;
    execute!(tx.tx(), FORGET_CHECKPOINT, signed(c.size))?;
    if round.lasting {
        execute!(tx.tx(), FORGET_REQUESTS, c.signed_at.as_micros() - REMEMBERED_REQUEST_MICROS)?;
    }
    tx.commit().await
}

/// Writes tiles that were made anew from the entries.
///
/// # Errors
/// See [`StorageError`].
pub async fn restore_tiles(mut tx: SequencingTx, tiles: &[(u8, u64, Vec<u8>)]) -> Result<(), StorageError> {
    for (level, index, hashes) in tiles {
        execute!(tx.tx(), PUT_TILE, i64::from(*level), signed(*index), hashes.as_slice())?;
    }
    tx.commit().await
}

/// The hashes of a tile, one after the other.
///
/// # Errors
/// See [`StorageError`].
pub async fn tile(tx: &mut Tx, level: u8, index: u64) -> Result<Option<Vec<u8>>, StorageError> {
    Ok(fetch_optional!(tx, TileRow, TILE, i64::from(level), signed(index))?.map(|row| row.hashes))
}

/// The newest checkpoint.
///
/// # Errors
/// See [`StorageError`].
pub async fn latest_checkpoint(tx: &mut Tx) -> Result<Option<StoredCheckpoint>, StorageError> {
    Ok(fetch_optional!(tx, CheckpointRow, LATEST_CHECKPOINT)?.map(Into::into))
}

/// The newest of those that stay.
///
/// # Errors
/// See [`StorageError`].
pub async fn lasting_checkpoint(tx: &mut Tx) -> Result<Option<StoredCheckpoint>, StorageError> {
    Ok(fetch_optional!(tx, CheckpointRow, LASTING)?.map(Into::into))
}

/// Every checkpoint that was kept, by size.
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
    fetch_optional!(tx, EntryRow, ENTRY, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Entries with leaf indexes in `from..to`, in order.
///
/// # Errors
/// See [`StorageError`].
pub async fn range(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<StoredEntry>, StorageError> {
    fetch_all!(tx, EntryRow, RANGE, signed(from), signed(to))?.into_iter().map(TryInto::try_into).collect()
}

/// Entries with these leaf indexes, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn at(tx: &mut Tx, places: &[u64]) -> Result<Vec<StoredEntry>, StorageError> {
    let text = AT.of(tx);
    fetch_all!(tx, EntryRow, text, serde_json::json!(places).to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// When the newest entry was made whose personal values are a subject's; `None` if there is none.
///
/// # Errors
/// See [`StorageError`].
pub async fn last_of_subject(tx: &mut Tx, subject: &str) -> Result<Option<Timestamp>, StorageError> {
    Ok(fetch_optional!(tx, NumberRow, LAST_OF_SUBJECT, subject)?.map(|row| row.number).filter(|at| *at > 0).map(time))
}

/// Wipes the sealed personal values of a subject; gives how many entries had some. The entries stay as they are.
///
/// # Errors
/// See [`StorageError`].
pub async fn wipe(tx: &mut Tx, subject: &str) -> Result<u64, StorageError> {
    execute!(tx, WIPE, subject)
}
