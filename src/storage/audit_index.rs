//! What entries are found by. All of it follows from the entries, and is written after they have their place.
//!
//! Names (people, things, events, outcomes, networks) have a number each. For each name and block of places, one row holds the set of places of
//! the entries that have it; what is searched for is an intersection of such sets. `audit_search` goes through them.

use crate::crypto::digest::hex;
use crate::domain::audit::{Action, Outcome};
use crate::domain::time::Timestamp;
use crate::storage::audit::signed;
use crate::storage::audit_activity;
use crate::storage::database::{Database, SequencingTx, Tx, execute, fetch_all, fetch_optional};
use crate::storage::dialect::Bulk;
use crate::storage::error::StorageError;
use crate::storage::places::{BLOCK, Places, split};
use crate::storage::row::At;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SIZE: &str = "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS number FROM audit_index";
// of everything that can be found, each block has its times and its set of all entries
const IS_WHOLE: &str =
    "SELECT CAST(CASE WHEN (SELECT COUNT(*) FROM audit_blocks) = $1 AND (SELECT COALESCE(MAX(block) + 1, 0) FROM audit_blocks) = $1
    AND (SELECT COUNT(*) FROM audit_places WHERE name IN (SELECT id FROM audit_names WHERE kind = 'entry' AND name = '')) = $1
    AND EXISTS (SELECT 1 FROM audit_activity) = ($1 > 0) THEN 1 ELSE 0 END AS BIGINT) AS number";
const FIRST: &str = "SELECT COALESCE(MIN(first_at), 0) AS number FROM audit_blocks";
const CLEAR: [&str; 5] = [
    "DELETE FROM audit_places",
    "DELETE FROM audit_blocks",
    "DELETE FROM audit_index",
    "DELETE FROM audit_activity",
    "DELETE FROM audit_names",
];
const NAME: &str = "SELECT id, uses FROM audit_names WHERE kind = $1 AND name = $2";
const OF_KIND: &str = "SELECT id, kind, name FROM audit_names WHERE kind = $1";
const BLOCKS_OF: &str = "SELECT p.block, b.last_at FROM audit_places p JOIN audit_blocks b ON b.block = p.block
    WHERE p.name = $1 ORDER BY b.last_at DESC";
const NETWORKS_OF: &str =
    "SELECT network_term AS name, COUNT(*) AS uses FROM audit_entries WHERE subject_id = $1 AND network_term IS NOT NULL
    GROUP BY network_term";
const PLACES_OF: &str = "SELECT leaf_index AS number FROM audit_entries WHERE subject_id = $1 AND leaf_index IS NOT NULL";
const WITH_NETWORK: &str =
    "SELECT leaf_index AS number FROM audit_entries WHERE leaf_index >= $1 AND leaf_index < $2 AND network_term IS NOT NULL";
const FORGET_NAMES: &str = "DELETE FROM audit_names WHERE kind = 'network'
    AND NOT EXISTS (SELECT 1 FROM audit_places p WHERE p.name = audit_names.id)";

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[
    SIZE,
    IS_WHOLE,
    FIRST,
    CLEAR[0],
    CLEAR[1],
    CLEAR[2],
    CLEAR[3],
    CLEAR[4],
    NAME,
    OF_KIND,
    BLOCKS_OF,
    NETWORKS_OF,
    PLACES_OF,
    WITH_NETWORK,
    FORGET_NAMES,
];

/// Takes `[[kind, name, uses], …]`, in order, so that two who change the same names do not wait for each other.
const PUT_NAMES: Bulk = Bulk {
    sqlite: "INSERT INTO audit_names (kind, name, uses) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE 1 = 1
        ON CONFLICT (kind, name) DO UPDATE SET uses = audit_names.uses + excluded.uses RETURNING id, kind, name",
    postgres: "INSERT INTO audit_names (kind, name, uses)
        SELECT v ->> 0, v ->> 1, (v ->> 2)::bigint FROM jsonb_array_elements($1::jsonb) AS v
        ON CONFLICT (kind, name) DO UPDATE SET uses = audit_names.uses + excluded.uses RETURNING id, kind, name",
};
/// Takes `[[leaf index, at, request], …]`.
const PUT_ROWS: Bulk = Bulk {
    sqlite: "INSERT INTO audit_index (leaf_index, at, request) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)",
    postgres: "INSERT INTO audit_index (leaf_index, at, request)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint, (v ->> 2)::bigint FROM jsonb_array_elements($1::jsonb) AS v",
};
/// Takes `[[block, first at, last at], …]`.
const PUT_BLOCKS: Bulk = Bulk {
    sqlite:
        "INSERT INTO audit_blocks (block, first_at, last_at) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE 1 = 1
        ON CONFLICT (block) DO UPDATE SET first_at = MIN(audit_blocks.first_at, excluded.first_at),
        last_at = MAX(audit_blocks.last_at, excluded.last_at)",
    postgres: "INSERT INTO audit_blocks (block, first_at, last_at)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint, (v ->> 2)::bigint FROM jsonb_array_elements($1::jsonb) AS v
        ON CONFLICT (block) DO UPDATE SET first_at = LEAST(audit_blocks.first_at, excluded.first_at),
        last_at = GREATEST(audit_blocks.last_at, excluded.last_at)",
};
/// Takes `[[name, block, places in hex], …]`.
const PUT_PLACES: Bulk = Bulk {
    sqlite:
        "INSERT INTO audit_places (name, block, places) SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each($1) WHERE 1 = 1
        ON CONFLICT (name, block) DO UPDATE SET places = excluded.places",
    postgres: "INSERT INTO audit_places (name, block, places)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint, decode(v ->> 2, 'hex') FROM jsonb_array_elements($1::jsonb) AS v
        ON CONFLICT (name, block) DO UPDATE SET places = excluded.places",
};
/// Takes `[[name, block], …]`.
const PLACES: Bulk = Bulk {
    sqlite: "SELECT p.name, p.block, p.places FROM json_each($1) AS w CROSS JOIN audit_places p
        WHERE p.name = w.value ->> 0 AND p.block = w.value ->> 1",
    // a fence: each is looked up by its key, whatever is known of the table
    postgres: "SELECT p.* FROM jsonb_array_elements($1::jsonb) AS w CROSS JOIN LATERAL (SELECT name, block, places FROM audit_places
        WHERE name = (w ->> 0)::bigint AND block = (w ->> 1)::bigint OFFSET 0) AS p",
};
/// Takes `[name, …]`.
const ALL_PLACES: Bulk = Bulk {
    sqlite: "SELECT p.name, p.block, p.places FROM json_each($1) AS w CROSS JOIN audit_places p WHERE p.name = w.value",
    postgres: "SELECT p.* FROM jsonb_array_elements_text($1::jsonb) AS w CROSS JOIN LATERAL (SELECT name, block, places FROM audit_places
        WHERE name = w::bigint OFFSET 0) AS p",
};
/// As [`PLACES`].
const FORGET_PLACES: Bulk = Bulk {
    sqlite: "DELETE FROM audit_places WHERE (name, block) IN (SELECT value ->> 0, value ->> 1 FROM json_each($1))",
    postgres: "DELETE FROM audit_places WHERE (name, block) IN (SELECT (w ->> 0)::bigint, (w ->> 1)::bigint FROM jsonb_array_elements($1::jsonb) AS w)",
};
/// Takes the subject and `[network, …]`.
const WIPE_NETWORKS: Bulk = Bulk {
    sqlite: "UPDATE audit_entries SET network_term = NULL WHERE subject_id = $1 AND network_term IN (SELECT value FROM json_each($2))",
    postgres: "UPDATE audit_entries SET network_term = NULL
        WHERE subject_id = $1 AND network_term IN (SELECT w FROM jsonb_array_elements_text($2::jsonb) AS w)",
};
/// Takes `[leaf index, …]`.
const LATEST: Bulk = Bulk {
    sqlite: "SELECT COALESCE(MAX(i.at), 0) AS number FROM json_each($1) AS w CROSS JOIN audit_index i WHERE i.leaf_index = w.value",
    postgres: "SELECT COALESCE(MAX(i.at), 0) AS number FROM jsonb_array_elements_text($1::jsonb) AS w CROSS JOIN LATERAL
        (SELECT at FROM audit_index WHERE leaf_index = w::bigint OFFSET 0) AS i",
};

/// The statements with a text for each engine.
pub const BULK: &[Bulk] = &[PUT_NAMES, PUT_ROWS, PUT_BLOCKS, PUT_PLACES, PLACES, ALL_PLACES, FORGET_PLACES, WIPE_NETWORKS, LATEST];

#[derive(sqlx::FromRow)]
pub(super) struct Number {
    pub number: i64,
}

#[derive(sqlx::FromRow)]
struct NameRow {
    id: i64,
    kind: String,
    name: String,
}

#[derive(sqlx::FromRow)]
pub(super) struct UsesRow {
    pub id: i64,
    pub uses: i64,
}

#[derive(sqlx::FromRow)]
struct PlacesRow {
    name: i64,
    block: i64,
    places: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct NetworkRow {
    name: String,
    uses: i64,
}

#[derive(sqlx::FromRow)]
struct BlockRow {
    block: i64,
    last_at: i64,
}

/// What an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its place.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// The event's code.
    pub event: String,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Account or participant that acted; empty for the server and for strangers.
    pub agent: String,
    /// Blind term of the network address; empty if there is none.
    pub network: String,
    /// The request it came from, as a number.
    pub request: i64,
    /// Kind and id of everything it was done to.
    pub entities: Vec<(String, String)>,
}

/// The name that every entry has.
pub(super) const EVERY_ENTRY: (&str, &str) = ("entry", "");

/// The area of an event's code: what stands before the dot.
pub(super) fn area(event: &str) -> &str {
    event.split('.').next().unwrap_or_default()
}

/// A request's number: its id is too long for a narrow row. Two requests of one number are told apart by the entry.
#[must_use]
pub fn request_number(id: Option<uuid::Uuid>) -> i64 {
    // the random half of a version 7 UUID
    id.map_or(0, |id| i64::from_be_bytes(*id.as_bytes().last_chunk().unwrap_or(&[0; 8])))
}

/// How many entries can be found.
///
/// # Errors
/// See [`StorageError`].
pub async fn size(tx: &mut Tx) -> Result<u64, StorageError> {
    Ok(fetch_optional!(tx, Number, SIZE)?.and_then(|row| u64::try_from(row.number).ok()).unwrap_or(0))
}

/// How many entries can be found, where all that they are found by is there. Where some of it is gone, takes the rest of it away as well, so that
/// it is made anew as a whole: a part of it would be counted twice.
///
/// # Errors
/// See [`StorageError`].
pub async fn size_or_clear(database: &Database) -> Result<u64, StorageError> {
    let mut read = database.read_sequencing().await?;
    let size = size(read.tx()).await?;
    if fetch_optional!(read.tx(), Number, IS_WHOLE, signed(size.div_ceil(BLOCK)))?.is_some_and(|row| row.number == 1) {
        return Ok(size);
    }
    drop(read);
    let mut tx = database.begin_sequencing().await?;
    for sql in CLEAR {
        execute!(tx.tx(), sql)?;
    }
    tx.commit().await?;
    Ok(0)
}

/// When the first entry was made that can be found.
///
/// # Errors
/// See [`StorageError`].
pub async fn first(tx: &mut Tx) -> Result<Option<Timestamp>, StorageError> {
    Ok(fetch_optional!(tx, Number, FIRST)?.map(|row| Timestamp::from_micros(row.number)).filter(|at| at.as_micros() > 0))
}

/// Sets of places by name and block.
pub(super) type Sets = BTreeMap<(i64, u64), Places>;

/// Adds entries, which must follow the ones that can be found already, and commits.
///
/// # Errors
/// [`StorageError::Duplicate`] if another process added them.
pub async fn append(mut tx: SequencingTx, entries: &[Facts]) -> Result<(), StorageError> {
    let mut uses: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for entry in entries {
        for name in names(entry) {
            *uses.entry(name).or_default() += 1;
        }
    }
    let rows = count_uses(tx.tx(), &uses).await?;
    let numbers: BTreeMap<(&str, &str), i64> = rows.iter().map(|row| ((row.kind.as_str(), row.name.as_str()), row.id)).collect();
    let number = |kind: &str, name: &str| numbers.get(&(kind, name)).copied().unwrap_or(0);
    let rows: Vec<Value> = entries.iter().map(|entry| json!([entry.index, entry.at.as_micros(), entry.request])).collect();
    let text = PUT_ROWS.of(tx.tx());
    execute!(tx.tx(), text, Value::from(rows).to_string())?;
    // asked for after the names were taken: what was forgotten meanwhile is not written down again
    let (first, end) = (entries.first().map_or(0, |entry| entry.index), entries.last().map_or(0, |entry| entry.index + 1));
    let kept = fetch_all!(tx.tx(), Number, WITH_NETWORK, signed(first), signed(end))?;
    let kept: BTreeSet<i64> = kept.into_iter().map(|row| row.number).collect();
    let is_forgotten = |entry: &Facts| !entry.network.is_empty() && !kept.contains(&signed(entry.index));
    let mut added = Sets::new();
    let mut blocks: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for entry in entries {
        let ((block, place), at) = (split(entry.index), entry.at.as_micros());
        let (first, last) = blocks.entry(block).or_insert((at, at));
        (*first, *last) = (at.min(*first), at.max(*last));
        for (kind, name) in names(entry).into_iter().filter(|(kind, _)| *kind != "network" || !is_forgotten(entry)) {
            added.entry((number(kind, name), block)).or_insert_with(Places::none).insert(place);
        }
    }
    let blocks: Vec<Value> = blocks.into_iter().map(|(block, (first, last))| json!([block, first, last])).collect();
    let text = PUT_BLOCKS.of(tx.tx());
    execute!(tx.tx(), text, Value::from(blocks).to_string())?;
    let keys: Vec<Value> = added.keys().map(|(name, block)| json!([name, block])).collect();
    read_into(tx.tx(), PLACES, keys, &mut added).await?;
    put(tx.tx(), &added).await?;
    if entries.iter().any(is_forgotten) {
        execute!(tx.tx(), FORGET_NAMES)?;
    }
    audit_activity::count(tx.tx(), entries, |entry| {
        let agent = number("agent", &entry.agent);
        let marks = entry.entities.iter().filter(|(kind, name)| kind == "unusual" && name != "any");
        let marks = marks.map(|(kind, name)| (agent, number(kind, name), audit_activity::MARK));
        [(agent, number("area", area(&entry.event)), audit_activity::outcome_number(entry.outcome))].into_iter().chain(marks).collect()
    })
    .await?;
    tx.commit().await
}

/// The names an entry is found by, each once.
fn names(entry: &Facts) -> BTreeSet<(&str, &str)> {
    let mut names: BTreeSet<(&str, &str)> = entry.entities.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
    names.extend([("event", entry.event.as_str()), ("area", area(&entry.event)), ("action", entry.action.as_str())]);
    // the last one stands for all that can be found
    names.extend([("outcome", entry.outcome.as_str()), EVERY_ENTRY]);
    names.extend([("agent", entry.agent.as_str()), ("network", entry.network.as_str())].into_iter().filter(|(_, name)| !name.is_empty()));
    names
}

async fn count_uses(tx: &mut Tx, uses: &BTreeMap<(&str, &str), i64>) -> Result<Vec<NameRow>, StorageError> {
    let wanted: Vec<Value> = uses.iter().map(|((kind, name), uses)| json!([kind, name, uses])).collect();
    let text = PUT_NAMES.of(tx);
    fetch_all!(tx, NameRow, text, Value::from(wanted).to_string())
}

async fn put(tx: &mut Tx, sets: &Sets) -> Result<(), StorageError> {
    let rows: Vec<Value> = sets.iter().map(|((name, block), places)| json!([name, block, hex(&places.to_stored())])).collect();
    let text = PUT_PLACES.of(tx);
    execute!(tx, text, Value::from(rows).to_string())?;
    Ok(())
}

/// Joins what a statement gives to the sets.
async fn read_into(tx: &mut Tx, bulk: Bulk, wanted: Vec<Value>, sets: &mut Sets) -> Result<(), StorageError> {
    let text = bulk.of(tx);
    for row in fetch_all!(tx, PlacesRow, text, Value::from(wanted).to_string())? {
        let Ok(block) = u64::try_from(row.block) else { continue };
        let wrong = || At { table: "audit_places", row: &format!("{}, {block}", row.name) }.wrong("places");
        sets.entry((row.name, block)).or_insert_with(Places::none).add_stored(&row.places).ok_or_else(wrong)?;
    }
    Ok(())
}

/// In which places of these blocks each of these names occurs; where it does in none, there is no set.
pub(super) async fn places(tx: &mut Tx, names: &[i64], blocks: impl IntoIterator<Item = u64>) -> Result<Sets, StorageError> {
    let mut sets = Sets::new();
    let wanted = blocks.into_iter().flat_map(|block| names.iter().map(move |name| json!([name, block]))).collect();
    read_into(tx, PLACES, wanted, &mut sets).await?;
    Ok(sets)
}

/// In which places each of these names occurs.
pub(super) async fn all_places(tx: &mut Tx, names: &[i64]) -> Result<Sets, StorageError> {
    let mut sets = Sets::new();
    read_into(tx, ALL_PLACES, names.iter().map(|name| json!(name)).collect(), &mut sets).await?;
    Ok(sets)
}

/// The number of a name, and how many entries have it.
pub(super) async fn name(tx: &mut Tx, kind: &str, name: &str) -> Result<Option<UsesRow>, StorageError> {
    fetch_optional!(tx, UsesRow, NAME, kind, name)
}

/// The marks of the entries at these places.
///
/// # Errors
/// See [`StorageError`].
pub async fn marks(tx: &mut Tx, places: &[u64]) -> Result<BTreeMap<u64, Vec<String>>, StorageError> {
    let blocks: BTreeSet<u64> = places.iter().map(|place| split(*place).0).collect();
    let mut names = fetch_all!(tx, NameRow, OF_KIND, "unusual")?;
    names.retain(|row| row.name != "any");
    names.sort_by(|one, other| one.name.cmp(&other.name));
    let ids: Vec<i64> = names.iter().map(|row| row.id).collect();
    let sets = self::places(tx, &ids, blocks).await?;
    let mut marks: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for at in places {
        let (block, place) = split(*at);
        let here = names.iter().filter(|row| sets.get(&(row.id, block)).is_some_and(|set| set.contains(place)));
        marks.insert(*at, here.map(|row| row.name.clone()).collect());
    }
    Ok(marks)
}

/// When the newest entry was made that has this name (kind and id) and is not about looking into the log; `None` if there is none.
///
/// # Errors
/// See [`StorageError`].
pub async fn last_about(tx: &mut Tx, (kind, id): (&str, &str)) -> Result<Option<Timestamp>, StorageError> {
    let Some(subject) = name(tx, kind, id).await? else { return Ok(None) };
    let log = name(tx, "area", "audit").await?.map_or(0, |row| row.id);
    let mut last = 0;
    for row in fetch_all!(tx, BlockRow, BLOCKS_OF, subject.id)? {
        let Ok(block) = u64::try_from(row.block) else { continue };
        if row.last_at <= last {
            break;
        }
        let mut sets = places(tx, &[subject.id, log], [block]).await?;
        let Some(mut about) = sets.remove(&(subject.id, block)) else { continue };
        if let Some(looking) = sets.get(&(log, block)) {
            about.take_out(looking);
        }
        let about: Vec<u64> = about.last_first().map(|place| block * BLOCK + place).collect();
        let text = LATEST.of(tx);
        last = fetch_optional!(tx, Number, text, json!(about).to_string())?.map_or(0, |row| row.number).max(last);
    }
    Ok(Some(Timestamp::from_micros(last)).filter(|at| at.as_micros() > 0))
}

/// Forgets from which networks the entries of a subject came, so that nobody can find them by that any more.
///
/// Invariant: whoever writes the places of a name has changed its row first, and so waits for everyone else who does. An indexer looks after that
/// whether an entry still has a network; this looks after that where the subject's entries are. One of the two sees what the other did.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_networks(tx: &mut Tx, subject: &str) -> Result<(), StorageError> {
    let mut uses: BTreeMap<String, i64> = BTreeMap::new();
    // again for what was committed meanwhile
    loop {
        let found = fetch_all!(tx, NetworkRow, NETWORKS_OF, subject)?;
        if found.is_empty() {
            break;
        }
        let terms: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        let text = WIPE_NETWORKS.of(tx);
        execute!(tx, text, subject, json!(terms).to_string())?;
        for row in found {
            *uses.entry(row.name).or_default() -= row.uses;
        }
    }
    let names = count_uses(tx, &uses.iter().map(|(name, uses)| (("network", name.as_str()), *uses)).collect()).await?;
    let names: Vec<i64> = names.iter().map(|row| row.id).collect();
    let mut theirs: BTreeMap<u64, Places> = BTreeMap::new();
    for place in fetch_all!(tx, Number, PLACES_OF, subject)?.into_iter().filter_map(|row| u64::try_from(row.number).ok()) {
        let (block, place) = split(place);
        theirs.entry(block).or_insert_with(Places::none).insert(place);
    }
    let mut sets = all_places(tx, &names).await?;
    sets.retain(|(_, block), set| theirs.get(block).is_some_and(|theirs| set.take_out(theirs)));
    let (gone, left): (Sets, Sets) = sets.into_iter().partition(|(_, set)| set.is_empty());
    put(tx, &left).await?;
    let gone: Vec<Value> = gone.keys().map(|(name, block)| json!([name, block])).collect();
    let text = FORGET_PLACES.of(tx);
    execute!(tx, text, Value::from(gone).to_string())?;
    execute!(tx, FORGET_NAMES)?;
    Ok(())
}
