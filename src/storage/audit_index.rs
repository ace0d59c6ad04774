//! What entries are found by. All of it follows from the entries, and is written after they have their place.
//!
//! Names (people, things, events, networks) have a number each. One narrow row per entry says what can be narrowed by; a list of mentions
//! says in which entries a name occurs. A search goes through the mentions of its rarest name, or through the rows from the newest on.

use crate::domain::time::Timestamp;
use crate::storage::audit::{EntryRow, StoredEntry, signed};
use crate::storage::audit_activity;
use crate::storage::database::{SequencingTx, Tx, execute, fetch_all, fetch_optional};
use crate::storage::dialect::Bulk;
use crate::storage::error::StorageError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SIZE: &str = "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS number FROM audit_index";
const SPAN: &str = "SELECT COALESCE((SELECT MIN(at) FROM audit_index), 0) AS first, COALESCE((SELECT MAX(at) FROM audit_index), 0) AS last";
const CLEAR: [&str; 4] = ["DELETE FROM audit_mentions", "DELETE FROM audit_index", "DELETE FROM audit_activity", "DELETE FROM audit_names"];
const NAME: &str = "SELECT id, uses FROM audit_names WHERE kind = $1 AND name = $2";
const FORGET_NETWORKS: &str =
    "UPDATE audit_index SET network = 0 WHERE leaf_index IN (SELECT leaf_index FROM audit_entries WHERE subject_id = $1)";
const FORGET_MENTIONS: &str = "DELETE FROM audit_mentions WHERE (name, leaf_index) IN (
    SELECT n.id, e.leaf_index FROM audit_entries e JOIN audit_names n ON n.kind = 'network' AND n.name = e.network_term WHERE e.subject_id = $1)";
const FORGET_NAMES: &str = "DELETE FROM audit_names WHERE kind = 'network'
    AND NOT EXISTS (SELECT 1 FROM audit_mentions m WHERE m.name = audit_names.id)";

/// Rows that fit: everything but the name that leads to them.
macro_rules! narrowed {
    ($from:literal) => {
        narrowed!($from, "i.leaf_index")
    };
    ($from:literal, $place:literal) => {
        // the plus keeps planners from going through the times where another way is shorter
        narrowed!($from, $place, "+i.at")
    };
    ($from:literal, $place:literal, $at:literal) => {
        concat!(
            "SELECT e.id, e.body, e.leaf_index, e.subject_id, e.disclosures, e.network_term FROM (SELECT ",
            $place,
            " AS leaf_index FROM ",
            $from,
            " AND ",
            $place,
            " < $2 AND ",
            $at,
            " >= $3 AND ",
            $at,
            " < $4
            AND ($5 = 0 OR i.event = $5) AND ($6 = 0 OR i.area = $6) AND ($7 = 0 OR i.action = $7) AND ($8 = 0 OR i.outcome = $8)
            AND ($9 = 0 OR i.agent = $9) AND ($10 = 0 OR i.network = $10)
            AND ($11 = 0 OR EXISTS (SELECT 1 FROM audit_mentions x WHERE x.name = $11 AND x.leaf_index = i.leaf_index))
            AND ($12 = 0 OR EXISTS (SELECT 1 FROM audit_mentions x WHERE x.name = $12 AND x.leaf_index = i.leaf_index))
            AND ($13 = 0 OR EXISTS (SELECT 1 FROM audit_mentions x WHERE x.name = $13 AND x.leaf_index = i.leaf_index))
            AND ($14 = 0 OR EXISTS (SELECT 1 FROM audit_mentions x WHERE x.name = $14 AND x.leaf_index = i.leaf_index))
            ORDER BY ",
            $place,
            " DESC LIMIT $15) AS f
            JOIN audit_entries e ON e.leaf_index = f.leaf_index ORDER BY e.leaf_index DESC"
        )
    };
}
const SCAN: &str = narrowed!("audit_index i WHERE $1 = 0");
const BY_TIME: &str = narrowed!("audit_index i WHERE $1 = 0", "i.leaf_index", "i.at");
// in the order of the mentions, so that the newest are found without looking at the others
const BY_NAME: &str = narrowed!("audit_mentions m JOIN audit_index i ON i.leaf_index = m.leaf_index WHERE m.name = $1", "m.leaf_index");
const BY_REQUEST: &str = narrowed!("audit_index i WHERE i.request <> 0 AND i.request = $1");
const BY_TEXT: &str = narrowed!(
    "(SELECT DISTINCT leaf_index FROM audit_mentions WHERE name IN (SELECT id FROM audit_names WHERE name LIKE $1 ESCAPE '!' AND kind <> 'network')) m
     JOIN audit_index i ON i.leaf_index = m.leaf_index WHERE 1 = 1"
);

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[
    SIZE,
    SPAN,
    NAME,
    CLEAR[0],
    CLEAR[1],
    CLEAR[2],
    CLEAR[3],
    FORGET_NETWORKS,
    FORGET_MENTIONS,
    FORGET_NAMES,
    SCAN,
    BY_TIME,
    BY_NAME,
    BY_REQUEST,
    BY_TEXT,
];

/// Takes `[[kind, name, uses], …]`.
const PUT_NAMES: Bulk = Bulk {
    sqlite: "INSERT INTO audit_names (kind, name, uses) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE 1 = 1
        ON CONFLICT (kind, name) DO UPDATE SET uses = audit_names.uses + excluded.uses RETURNING id, kind, name",
    postgres: "INSERT INTO audit_names (kind, name, uses)
        SELECT v ->> 0, v ->> 1, (v ->> 2)::bigint FROM jsonb_array_elements($1::jsonb) AS v
        ON CONFLICT (kind, name) DO UPDATE SET uses = audit_names.uses + excluded.uses RETURNING id, kind, name",
};
/// Takes `[[leaf index, at, event, area, action, outcome, agent, network, request], …]`.
const PUT_ROWS: Bulk = Bulk {
    sqlite: "INSERT INTO audit_index (leaf_index, at, event, area, action, outcome, agent, network, request)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
        FROM json_each($1)",
    postgres: "INSERT INTO audit_index (leaf_index, at, event, area, action, outcome, agent, network, request)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint, (v ->> 2)::bigint, (v ->> 3)::bigint, (v ->> 4)::bigint, (v ->> 5)::bigint,
        (v ->> 6)::bigint, (v ->> 7)::bigint, (v ->> 8)::bigint FROM jsonb_array_elements($1::jsonb) AS v",
};
/// Takes `[[name, leaf index], …]`.
const PUT_MENTIONS: Bulk = Bulk {
    sqlite: "INSERT INTO audit_mentions (name, leaf_index) SELECT value ->> 0, value ->> 1 FROM json_each($1)",
    postgres: "INSERT INTO audit_mentions (name, leaf_index)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint FROM jsonb_array_elements($1::jsonb) AS v",
};

/// The statements with a text for each engine.
pub const BULK: &[Bulk] = &[PUT_NAMES, PUT_ROWS, PUT_MENTIONS];

#[derive(sqlx::FromRow)]
struct Number {
    number: i64,
}

#[derive(sqlx::FromRow)]
struct SpanRow {
    first: i64,
    last: i64,
}

#[derive(sqlx::FromRow)]
struct NameRow {
    id: i64,
    kind: String,
    name: String,
}

#[derive(sqlx::FromRow)]
struct UsesRow {
    id: i64,
    uses: i64,
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
    /// `C`, `R`, `U`, `D` or `E`.
    pub action: char,
    /// `success`, `denied` or `failure`.
    pub outcome: String,
    /// Account or participant that acted; empty for the server and for strangers.
    pub agent: String,
    /// Blind term of the network address; empty if there is none.
    pub network: String,
    /// The request it came from, as a number.
    pub request: i64,
    /// Kind and id of everything it was done to.
    pub entities: Vec<(String, String)>,
}

/// The number of an outcome.
fn outcome_number(outcome: &str) -> i64 {
    match outcome {
        "success" => 1,
        "denied" => 2,
        _ => 3,
    }
}

fn action_number(action: char) -> i64 {
    i64::from(u32::from(action))
}

/// The area of an event's code: what stands before the dot.
fn area(event: &str) -> &str {
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

/// Adds entries, which must follow the ones that can be found already, and commits.
///
/// # Errors
/// [`StorageError::Duplicate`] if another process added them.
pub async fn append(mut tx: SequencingTx, entries: &[Facts]) -> Result<(), StorageError> {
    if entries.first().is_some_and(|entry| entry.index == 0) && size(tx.tx()).await? == 0 {
        // made anew as a whole: what is left of an older one would be counted twice
        for sql in CLEAR {
            execute!(tx.tx(), sql)?;
        }
    }
    let mut uses: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for entry in entries {
        for name in names(entry) {
            *uses.entry(name).or_default() += 1;
        }
    }
    let wanted: Vec<Value> = uses.iter().map(|((kind, name), uses)| json!([kind, name, uses])).collect();
    let text = PUT_NAMES.of(tx.tx());
    let rows = fetch_all!(tx.tx(), NameRow, text, Value::from(wanted).to_string())?;
    let numbers: BTreeMap<(&str, &str), i64> = rows.iter().map(|row| ((row.kind.as_str(), row.name.as_str()), row.id)).collect();
    let number = |kind: &str, name: &str| numbers.get(&(kind, name)).copied().unwrap_or(0);
    let mut narrow = Vec::with_capacity(entries.len());
    let mut mentions = Vec::with_capacity(entries.len() * 6);
    for entry in entries {
        narrow.push(json!([
            entry.index,
            entry.at.as_micros(),
            number("event", &entry.event),
            number("area", area(&entry.event)),
            action_number(entry.action),
            outcome_number(&entry.outcome),
            number("agent", &entry.agent),
            number("network", &entry.network),
            entry.request
        ]));
        mentions.extend(
            names(entry).into_iter().filter(|(kind, _)| *kind != "area").map(|(kind, name)| json!([number(kind, name), entry.index])),
        );
    }
    let text = PUT_ROWS.of(tx.tx());
    execute!(tx.tx(), text, Value::from(narrow).to_string())?;
    let text = PUT_MENTIONS.of(tx.tx());
    execute!(tx.tx(), text, Value::from(mentions).to_string())?;
    audit_activity::count(tx.tx(), entries, |entry| {
        let agent = number("agent", &entry.agent);
        let marks = entry.entities.iter().filter(|(kind, name)| kind == "unusual" && name != "any");
        let marks = marks.map(|(kind, name)| (agent, number(kind, name), audit_activity::MARK));
        [(agent, number("area", area(&entry.event)), outcome_number(&entry.outcome))].into_iter().chain(marks).collect()
    })
    .await?;
    tx.commit().await
}

/// The names an entry is found by, each once.
fn names(entry: &Facts) -> BTreeSet<(&str, &str)> {
    let mut names: BTreeSet<(&str, &str)> = entry.entities.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
    names.insert(("event", &entry.event));
    names.insert(("area", area(&entry.event)));
    if !entry.agent.is_empty() {
        names.insert(("agent", &entry.agent));
    }
    if !entry.network.is_empty() {
        names.insert(("network", &entry.network));
    }
    names
}

/// Forgets from which networks the entries of a subject came, so that nobody can find them by that any more.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_networks(tx: &mut Tx, subject: &str) -> Result<(), StorageError> {
    execute!(tx, FORGET_NETWORKS, subject)?;
    execute!(tx, FORGET_MENTIONS, subject)?;
    execute!(tx, FORGET_NAMES)?;
    Ok(())
}

/// What to look for; every member narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Part of an id or of an event's code; folded.
    pub text: Option<String>,
    /// Event code, or its area followed by a dot, such as `recording.`.
    pub event: Option<String>,
    /// `C`, `R`, `U`, `D` or `E`.
    pub action: Option<char>,
    /// Outcome.
    pub outcome: Option<String>,
    /// Account or participant that acted.
    pub agent: Option<String>,
    /// Blind term of the network address.
    pub network: Option<String>,
    /// Kind and id of things it was done to, and as what it is marked (kind `unusual`); at most four.
    pub about: Vec<(String, String)>,
    /// The request.
    pub request: Option<uuid::Uuid>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Leaf indexes below this one.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// When the first entry was made that can be found.
///
/// # Errors
/// See [`StorageError`].
pub async fn first(tx: &mut Tx) -> Result<Option<Timestamp>, StorageError> {
    Ok(fetch_optional!(tx, SpanRow, SPAN)?.map(|span| Timestamp::from_micros(span.first)).filter(|at| at.as_micros() > 0))
}

/// Whether a stretch of time is a small part of the whole.
async fn is_short(tx: &mut Tx, from: i64, to: i64) -> Result<bool, StorageError> {
    if (from, to) == (i64::MIN, i64::MAX) {
        return Ok(false);
    }
    let span = fetch_optional!(tx, SpanRow, SPAN)?.unwrap_or(SpanRow { first: 0, last: 0 });
    let part = to.min(span.last).saturating_sub(from.max(span.first));
    Ok(part.saturating_mul(20) < span.last.saturating_sub(span.first))
}

/// Entries that fit, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn search(tx: &mut Tx, wanted: &Search) -> Result<Vec<StoredEntry>, StorageError> {
    let event = wanted.event.as_deref();
    let (event, area) = match event {
        Some(event) if event.ends_with('.') => (None, Some(area(event))),
        other => (other, None),
    };
    let mut led_by: Vec<(i64, i64)> = Vec::new();
    let mut numbers = [0_i64; 8];
    let asked = [
        event.map(|name| ("event", name)),
        area.map(|name| ("area", name)),
        wanted.agent.as_deref().map(|name| ("agent", name)),
        wanted.network.as_deref().map(|name| ("network", name)),
    ];
    let about = wanted.about.iter().take(4).map(|(kind, id)| Some((kind.as_str(), id.as_str())));
    for (at, name) in asked.into_iter().chain(about).enumerate() {
        let Some((kind, name)) = name else { continue };
        // a name that nobody uses: nothing fits
        let Some(row) = fetch_optional!(tx, UsesRow, NAME, kind, name)? else { return Ok(Vec::new()) };
        numbers[at] = row.id;
        if kind != "area" {
            led_by.push((row.uses, row.id));
        }
    }
    let size = size(tx).await?;
    let rarest = led_by.into_iter().min().filter(|(uses, _)| uses.saturating_mul(20) < signed(size).max(2_000));
    let outcome = wanted.outcome.as_deref().map_or(0, outcome_number);
    let action = wanted.action.map_or(0, action_number);
    let from = wanted.from.map_or(i64::MIN, Timestamp::as_micros);
    let to = wanted.to.map_or(i64::MAX, Timestamp::as_micros);
    let before = wanted.before.map_or(i64::MAX, signed);
    let limit = i64::from(wanted.limit);
    let [event, area, agent, network, first, second, third, fourth] = numbers;
    macro_rules! find {
        ($sql:expr, $lead:expr) => {
            fetch_all!(
                tx, EntryRow, $sql, $lead, before, from, to, event, area, action, outcome, agent, network, first, second, third, fourth,
                limit
            )?
        };
    }
    let rows = if let Some(text) = wanted.text.as_deref() {
        let literal = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        find!(BY_TEXT, format!("%{literal}%"))
    } else if let Some(request) = wanted.request {
        find!(BY_REQUEST, request_number(Some(request)))
    } else if let Some((_, name)) = rarest {
        find!(BY_NAME, name)
    } else if is_short(tx, from, to).await? {
        find!(BY_TIME, 0_i64)
    } else {
        find!(SCAN, 0_i64)
    };
    let mut found: Vec<StoredEntry> = rows.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
    if let Some(request) = wanted.request {
        // the number stands for many requests, the entry for one
        let named = format!("\"request_id\":\"{request}\"");
        found.retain(|entry| entry.body.contains(&named));
    }
    Ok(found)
}
