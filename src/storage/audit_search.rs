//! Searching the log: block by block from the newest on, what is asked for is an intersection of sets of places.
//!
//! Invariant: how long that takes follows from how many blocks there are, and neither from how many entries have a name nor from what an engine
//! supposes about it. A text is looked for among the names first, which takes as long as there are names.

use crate::crypto::digest::unhex;
use crate::domain::audit::{Action, Outcome};
use crate::domain::time::Timestamp;
use crate::storage::audit::{self, StoredEntry, signed};
use crate::storage::audit_index::{self, EVERY_ENTRY, Number, UsesRow, area, request_number};
use crate::storage::database::{Tx, fetch_all};
use crate::storage::dialect::Bulk;
use crate::storage::error::StorageError;
use crate::storage::places::{BLOCK, Places, split};
use crate::storage::row::At;
use serde_json::json;
use std::collections::BTreeMap;

const BLOCKS: &str = "SELECT block, first_at, last_at FROM audit_blocks
    WHERE last_at >= $1 AND first_at < $2 AND block <= $3 ORDER BY block DESC";
const WITHIN: &str = "SELECT leaf_index AS number FROM audit_index WHERE leaf_index >= $1 AND leaf_index < $2 AND at >= $3 AND at < $4";
const OF_REQUEST: &str = "SELECT leaf_index AS number FROM audit_index WHERE request <> 0 AND request = $1";
// networks stand there as blind terms, and every entry has an action, an outcome and an area
macro_rules! has_text {
    ($text:literal) => {
        concat!("lower(n.name) LIKE ", $text, " ESCAPE '!' AND n.kind NOT IN ('network', 'action', 'outcome', 'area')")
    };
}
const NAMES_WITH: &str = concat!("SELECT n.id, n.uses FROM audit_names n WHERE ", has_text!("$1"), " LIMIT $2");

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[BLOCKS, WITHIN, OF_REQUEST, NAMES_WITH];

/// Takes `[block, …]` and a pattern; gives all sets of a block in one row, in hex between commas: there are very many.
const PLACES_WITH: Bulk = Bulk {
    sqlite: concat!(
        "SELECT p.block AS block, group_concat(hex(p.places)) AS sets FROM json_each($1) AS w CROSS JOIN audit_places p CROSS JOIN audit_names n
        WHERE p.block = w.value AND n.id = p.name AND ",
        has_text!("$2"),
        " GROUP BY p.block"
    ),
    // fences: names are looked up by their numbers, and those by their block, whatever is known of the tables
    postgres: concat!(
        "SELECT p.block AS block, string_agg(encode(p.places, 'hex'), ',') AS sets FROM jsonb_array_elements_text($1::jsonb) AS w CROSS JOIN LATERAL (SELECT name, block, places FROM audit_places
        WHERE block = w::bigint OFFSET 0) AS p WHERE EXISTS (SELECT 1 FROM audit_names n WHERE n.id = p.name AND ",
        has_text!("$2"),
        " OFFSET 0) GROUP BY p.block"
    ),
};

/// The statements with a text for each engine.
pub const BULK: &[Bulk] = &[PLACES_WITH];

/// The newest block is looked at first, and then more of them at a time.
const FIRST_BLOCKS: usize = 1;
const MOST_BLOCKS: usize = 256;
/// Where no more names than this have a text in them, their places are looked up; where more have, it is in so many entries that those of the
/// newest blocks are likely to be enough.
const FEW_NAMES: i64 = 2_000;
/// As [`MOST_BLOCKS`], where all places of a block are looked at.
const MOST_BLOCKS_OF_TEXT: usize = 16;

#[derive(sqlx::FromRow)]
struct BlockRow {
    block: i64,
    first_at: i64,
    last_at: i64,
}

#[derive(sqlx::FromRow)]
struct SetsRow {
    block: i64,
    sets: String,
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
    /// At most so many on a page.
    pub limit: u32,
}

/// Places of the whole log, by block. A block that is missing has none.
type ByBlock = BTreeMap<u64, Places>;

/// One thing that an entry must have to be found.
enum Condition {
    /// A name, which so many entries have.
    Named(i64, i64),
    /// A name with this in it.
    Text(String),
    /// One of these places.
    At(ByBlock),
}

impl Condition {
    async fn name(tx: &mut Tx, (kind, name): (&str, &str)) -> Result<Option<Self>, StorageError> {
        Ok(audit_index::name(tx, kind, name).await?.map(|row| Self::Named(row.id, row.uses)))
    }

    /// A name that has this text in it.
    async fn text(tx: &mut Tx, text: &str) -> Result<Option<Self>, StorageError> {
        let literal = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let literal = format!("%{literal}%");
        let some = fetch_all!(tx, UsesRow, NAMES_WITH, literal.as_str(), FEW_NAMES + 1)?;
        if signed(u64::try_from(some.len()).unwrap_or(u64::MAX)) > FEW_NAMES {
            return Ok(Some(Self::Text(literal)));
        }
        let names: Vec<i64> = some.iter().map(|row| row.id).collect();
        let mut places = ByBlock::new();
        for ((_, block), set) in audit_index::all_places(tx, &names).await? {
            places.entry(block).or_insert_with(Places::none).add(&set);
        }
        Ok(Some(Self::At(places)).filter(|_| !names.is_empty()))
    }

    /// An entry from the request with this number.
    async fn request(tx: &mut Tx, number: i64) -> Result<Self, StorageError> {
        Ok(Self::At(by_block(fetch_all!(tx, Number, OF_REQUEST, number)?)))
    }

    /// The fewer entries have it and the cheaper it is, the lower: the others are asked about what it leaves.
    fn weight(&self) -> i64 {
        match self {
            Self::At(_) => 0,
            Self::Named(_, uses) => *uses,
            Self::Text(_) => i64::MAX,
        }
    }

    /// Keeps where it holds.
    async fn narrow(&self, tx: &mut Tx, left: &mut ByBlock) -> Result<(), StorageError> {
        match self {
            Self::Named(name, _) => {
                let there = audit_index::places(tx, &[*name], left.keys().copied()).await?;
                keep(left, |block| there.get(&(*name, block)));
            }
            Self::Text(literal) => {
                let mut there = ByBlock::new();
                let blocks: Vec<u64> = left.keys().copied().collect();
                let text = PLACES_WITH.of(tx);
                for row in fetch_all!(tx, SetsRow, text, json!(blocks).to_string(), literal.as_str())? {
                    let Ok(block) = u64::try_from(row.block) else { continue };
                    let wrong = || At { table: "audit_places", row: &block.to_string() }.wrong("places");
                    let all = there.entry(block).or_insert_with(Places::none);
                    for set in row.sets.split(',') {
                        unhex(set).and_then(|set| all.add_stored(&set)).ok_or_else(wrong)?;
                    }
                }
                keep(left, |block| there.get(&block));
            }
            Self::At(there) => keep(left, |block| there.get(&block)),
        }
        Ok(())
    }
}

fn by_block(places: Vec<Number>) -> ByBlock {
    let mut sets = ByBlock::new();
    for (block, place) in places.into_iter().filter_map(|row| u64::try_from(row.number).ok()).map(split) {
        sets.entry(block).or_insert_with(Places::none).insert(place);
    }
    sets
}

/// Keeps what is in the others as well, and no block without anything.
fn keep<'a>(left: &mut ByBlock, other: impl Fn(u64) -> Option<&'a Places>) {
    left.retain(|block, set| {
        other(*block).is_some_and(|other| {
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
    let mut names: Vec<_> = asked.into_iter().flatten().chain(about).collect();
    if names.is_empty() && wanted.request.is_none() && wanted.text.is_none() {
        // not simply every place: one whose entry cannot be read is not findable
        names.push(EVERY_ENTRY);
    }
    let mut conditions = Vec::new();
    for name in names {
        let Some(condition) = Condition::name(tx, name).await? else { return Ok(None) };
        conditions.push(condition);
    }
    if let Some(request) = wanted.request {
        conditions.push(Condition::request(tx, request_number(Some(request))).await?);
    }
    if let Some(text) = &wanted.text {
        let Some(condition) = Condition::text(tx, text).await? else { return Ok(None) };
        conditions.push(condition);
    }
    conditions.sort_by_key(Condition::weight);
    Ok(Some(conditions))
}

/// Entries that fit, newest first, a page at a time. It stays with the transaction it began in.
pub struct Found {
    conditions: Vec<Condition>,
    /// Those that the stretch of time touches, newest first.
    blocks: Vec<BlockRow>,
    from: i64,
    to: i64,
    /// Everything from here on was looked at.
    end: u64,
    request: Option<uuid::Uuid>,
    limit: usize,
}

impl Found {
    /// Begins a search.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn of(tx: &mut Tx, wanted: &Search) -> Result<Self, StorageError> {
        let from = wanted.from.map_or(i64::MIN, Timestamp::as_micros);
        let to = wanted.to.map_or(i64::MAX, Timestamp::as_micros);
        let end = audit_index::size(tx).await?.min(wanted.before.unwrap_or(u64::MAX));
        let (conditions, blocks) = match conditions(tx, wanted).await? {
            None => Default::default(),
            Some(conditions) => (conditions, fetch_all!(tx, BlockRow, BLOCKS, from, to, signed(end / BLOCK))?),
        };
        let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
        Ok(Self { conditions, blocks, from, to, end, request: wanted.request, limit })
    }

    /// The next page.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn next(&mut self, tx: &mut Tx) -> Result<Vec<StoredEntry>, StorageError> {
        let mut places = self.places(tx, self.limit.saturating_add(1)).await?;
        let more = places.len() > self.limit;
        places.truncate(self.limit);
        self.end = places.last().copied().filter(|_| more).unwrap_or(0);
        // one that is not there any more is missed here and no reason to stop
        let mut entries = audit::at(tx, &places).await?;
        if let Some(request) = self.request {
            // the number stands for many requests, the entry for one
            let named = format!("\"request_id\":\"{request}\"");
            entries.retain(|entry| entry.body.contains(&named));
        }
        Ok(entries)
    }

    /// Before which place the next page begins, if there is one.
    #[must_use]
    pub fn rest(&self) -> Option<u64> {
        Some(self.end).filter(|end| *end > 0)
    }

    /// The places of the next that fit.
    async fn places(&self, tx: &mut Tx, limit: usize) -> Result<Vec<u64>, StorageError> {
        let mut rest = self.blocks.as_slice();
        let text = self.conditions.iter().any(|condition| matches!(condition, Condition::Text(_)));
        let (mut several, most) = (FIRST_BLOCKS, if text { MOST_BLOCKS_OF_TEXT } else { MOST_BLOCKS });
        let mut places = Vec::new();
        while places.len() < limit && !rest.is_empty() {
            let (these, others) = rest.split_at(several.min(rest.len()));
            (rest, several) = (others, (several * 4).min(most));
            let numbers = these.iter().filter_map(|row| u64::try_from(row.block).ok());
            let mut left: ByBlock = numbers.map(|block| (block, Places::before(self.end.saturating_sub(block * BLOCK)))).collect();
            left.retain(|_, set| !set.is_empty());
            for condition in &self.conditions {
                if !left.is_empty() {
                    condition.narrow(tx, &mut left).await?;
                }
            }
            for row in these {
                let more = limit - places.len();
                let Ok(block) = u64::try_from(row.block) else { continue };
                let Some(set) = left.get_mut(&block).filter(|_| more > 0) else { continue };
                if row.first_at < self.from || row.last_at >= self.to {
                    // only a part of the block is in the stretch of time
                    let (first, end) = (signed(block * BLOCK), signed((block + 1) * BLOCK));
                    let within = by_block(fetch_all!(tx, Number, WITHIN, first, end, self.from, self.to)?);
                    set.keep(within.get(&block).unwrap_or(&Places::none()));
                }
                places.extend(set.last_first().map(|place| block * BLOCK + place).take(more));
            }
        }
        Ok(places)
    }
}
