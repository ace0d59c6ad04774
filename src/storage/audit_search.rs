//! Searching the log: block by block from the newest on, what is asked for is an intersection of sets of places.
//!
//! Invariant: how long a search takes follows from how many blocks there are, and neither from how many entries have a name nor from what an
//! engine supposes about that.

use crate::domain::audit::{Action, Outcome};
use crate::domain::time::Timestamp;
use crate::storage::audit::{self, StoredEntry, signed};
use crate::storage::audit_index::{self, Number, UsesRow, area, request_number};
use crate::storage::database::{Tx, fetch_all};
use crate::storage::error::StorageError;
use crate::storage::places::{BLOCK, Places, split};
use crate::storage::row::At;
use std::collections::BTreeMap;

const BLOCKS: &str = "SELECT block, first_at, last_at FROM audit_blocks
    WHERE last_at >= $1 AND first_at < $2 AND block <= $3 ORDER BY block DESC";
const WITHIN: &str = "SELECT leaf_index AS number FROM audit_index WHERE leaf_index >= $1 AND leaf_index < $2 AND at >= $3 AND at < $4";
const OF_REQUEST: &str = "SELECT leaf_index AS number FROM audit_index WHERE request <> 0 AND request = $1";
macro_rules! has_text {
    ($before:literal, $text:literal, $after:literal) => {
        // networks stand there as blind terms, and every entry has an action, an outcome and an area
        concat!($before, " lower(n.name) LIKE ", $text, " ESCAPE '!' AND n.kind NOT IN ('network', 'action', 'outcome', 'area')", $after)
    };
}
const NAMES_WITH: &str = has_text!("SELECT n.id, n.uses FROM audit_names n WHERE", "$1", " LIMIT $2");
const PLACES_WITH: &str = has_text!(
    "SELECT p.block, p.places FROM audit_places p CROSS JOIN audit_names n WHERE n.id = p.name AND p.block >= $2 AND p.block <= $3 AND",
    "$1",
    ""
);

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[BLOCKS, WITHIN, OF_REQUEST, NAMES_WITH, PLACES_WITH];

/// The newest blocks are looked at first, and then more of them at a time.
const FIRST_BLOCKS: usize = 4;
const MOST_BLOCKS: usize = 256;
/// Where no more names than this have a text in them, their places are looked up; where more have, all places of a block.
const FEW_NAMES: usize = 16;

#[derive(sqlx::FromRow)]
struct BlockRow {
    block: i64,
    first_at: i64,
    last_at: i64,
}

#[derive(sqlx::FromRow)]
struct SetRow {
    block: i64,
    places: Vec<u8>,
}

/// What to look for; every member narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Part of an id or of an event's code; folded.
    pub text: Option<String>,
    /// Event code, or its area followed by a dot, such as `recording.`.
    pub event: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Account or participant that acted.
    pub agent: Option<String>,
    /// Blind term of the network address.
    pub network: Option<String>,
    /// Kind and id of things it was done to, and as what it is marked (kind `unusual`).
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

/// Sets by block. One that is missing is empty.
type Sets = BTreeMap<u64, Places>;

/// One thing that an entry must have to be found.
enum Condition {
    /// One of these names, which so many entries have.
    Named(Vec<i64>, i64),
    /// A name with this in it.
    Text(String),
    /// One of these places.
    At(Sets),
}

impl Condition {
    fn name(row: &UsesRow) -> Self {
        Self::Named(vec![row.id], row.uses)
    }

    /// A name that has this text in it.
    async fn text(tx: &mut Tx, text: &str) -> Result<Self, StorageError> {
        let literal = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let literal = format!("%{literal}%");
        let some = fetch_all!(tx, UsesRow, NAMES_WITH, literal.as_str(), i64::try_from(FEW_NAMES + 1).unwrap_or(i64::MAX))?;
        if some.len() > FEW_NAMES {
            return Ok(Self::Text(literal));
        }
        Ok(Self::Named(some.iter().map(|row| row.id).collect(), some.iter().map(|row| row.uses).sum()))
    }

    /// An entry from the request with this number.
    async fn request(tx: &mut Tx, number: i64) -> Result<Self, StorageError> {
        Ok(Self::At(by_block(fetch_all!(tx, Number, OF_REQUEST, number)?)))
    }

    /// The fewer entries have it, the lower: the others are asked about what it leaves.
    fn weight(&self) -> i64 {
        match self {
            Self::At(_) => 0,
            Self::Named(_, uses) => *uses,
            Self::Text(_) => i64::MAX,
        }
    }

    /// Where it holds among some blocks.
    async fn places(&self, tx: &mut Tx, left: &Sets) -> Result<Sets, StorageError> {
        let mut found = Sets::new();
        match self {
            Self::Named(names, _) => {
                for ((_, block), set) in audit_index::places(tx, names.iter().copied(), left.keys().copied()).await? {
                    found.entry(block).or_insert_with(Places::none).add(&set);
                }
            }
            Self::Text(literal) => {
                let (Some((first, _)), Some((last, _))) = (left.first_key_value(), left.last_key_value()) else { return Ok(found) };
                for row in fetch_all!(tx, SetRow, PLACES_WITH, literal.as_str(), signed(*first), signed(*last))? {
                    let Ok(block) = u64::try_from(row.block) else { continue };
                    let wrong = || At { table: "audit_places", row: "" }.wrong("places");
                    found.entry(block).or_insert_with(Places::none).add_stored(&row.places).ok_or_else(wrong)?;
                }
            }
            Self::At(places) => found.clone_from(places),
        }
        Ok(found)
    }
}

fn by_block(places: Vec<Number>) -> Sets {
    let mut sets = Sets::new();
    for (block, place) in places.into_iter().filter_map(|row| u64::try_from(row.number).ok()).map(split) {
        sets.entry(block).or_insert_with(Places::none).insert(place);
    }
    sets
}

/// Keeps what is in both, and no block without anything.
fn keep(left: &mut Sets, other: &Sets) {
    left.retain(|block, set| {
        other.get(block).is_some_and(|other| {
            set.keep(other);
            !set.is_empty()
        })
    });
}

/// What must hold, the rarest first; `None` if a name is asked for that nobody has.
async fn conditions(tx: &mut Tx, wanted: &Search) -> Result<Option<Vec<Condition>>, StorageError> {
    let event = wanted.event.as_deref().map(|event| if event.ends_with('.') { ("area", area(event)) } else { ("event", event) });
    let asked = [
        event,
        wanted.action.map(|action| ("action", action.as_str())),
        wanted.outcome.map(|outcome| ("outcome", outcome.as_str())),
        wanted.agent.as_deref().map(|name| ("agent", name)),
        wanted.network.as_deref().map(|name| ("network", name)),
    ];
    let about = wanted.about.iter().map(|(kind, id)| (kind.as_str(), id.as_str()));
    let mut conditions = Vec::new();
    for (kind, name) in asked.into_iter().flatten().chain(about) {
        let Some(row) = audit_index::name(tx, kind, name).await? else { return Ok(None) };
        conditions.push(Condition::name(&row));
    }
    if let Some(text) = &wanted.text {
        conditions.push(Condition::text(tx, text).await?);
    }
    if let Some(request) = wanted.request {
        conditions.push(Condition::request(tx, request_number(Some(request))).await?);
    }
    conditions.sort_by_key(Condition::weight);
    Ok(Some(conditions))
}

/// Entries that fit, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn search(tx: &mut Tx, wanted: &Search) -> Result<Vec<StoredEntry>, StorageError> {
    let Some(conditions) = conditions(tx, wanted).await? else { return Ok(Vec::new()) };
    let end = audit_index::size(tx).await?.min(wanted.before.unwrap_or(u64::MAX));
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let from = wanted.from.map_or(i64::MIN, Timestamp::as_micros);
    let to = wanted.to.map_or(i64::MAX, Timestamp::as_micros);
    let blocks = fetch_all!(tx, BlockRow, BLOCKS, from, to, signed(end / BLOCK))?;
    let mut rest = blocks.as_slice();
    let mut several = FIRST_BLOCKS;
    let mut places = Vec::new();
    while places.len() < limit && !rest.is_empty() {
        let (these, others) = rest.split_at(several.min(rest.len()));
        (rest, several) = (others, (several * 4).min(MOST_BLOCKS));
        let numbers = these.iter().filter_map(|row| u64::try_from(row.block).ok());
        let mut left: Sets = numbers.map(|block| (block, Places::before(end.saturating_sub(block * BLOCK)))).collect();
        for condition in &conditions {
            if !left.is_empty() {
                let there = condition.places(tx, &left).await?;
                keep(&mut left, &there);
            }
        }
        for row in these {
            let Ok(block) = u64::try_from(row.block) else { continue };
            let Some(set) = left.get_mut(&block) else { continue };
            if row.first_at < from || row.last_at >= to {
                // only a part of the block is in the stretch of time
                let within = fetch_all!(tx, Number, WITHIN, signed(block * BLOCK), signed((block + 1) * BLOCK), from, to)?;
                set.keep(by_block(within).get(&block).unwrap_or(&Places::none()));
            }
            let more = limit - places.len();
            places.extend(set.last_first().map(|place| block * BLOCK + place).take(more));
        }
    }
    let mut found = audit::at(tx, &places).await?;
    if let Some(request) = wanted.request {
        // the number stands for many requests, the entry for one
        let named = format!("\"request_id\":\"{request}\"");
        found.retain(|entry| entry.body.contains(&named));
    }
    Ok(found)
}
