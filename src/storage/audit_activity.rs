//! How much happened when, and what of it stands out: the numbers behind the auditor's charts. They follow from the entries.

use crate::domain::audit::Outcome;
use crate::domain::time::Timestamp;
use crate::storage::audit_index::Facts;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::dialect::Bulk;
use crate::storage::error::StorageError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR_MICROS: i64 = 3_600_000_000;

const AGENT: &str = "SELECT id FROM audit_names WHERE kind = 'agent' AND name = $1";
const BY_HOUR: &str = "SELECT hour, outcome, CAST(SUM(entries) AS BIGINT) AS entries FROM audit_activity
    WHERE hour >= $1 AND hour < $2 AND ($3 = 0 OR agent = $3) GROUP BY hour, outcome ORDER BY hour";
const BY_PERSON: &str = "SELECT n.name AS name, CAST(SUM(a.entries) AS BIGINT) AS entries,
    CAST(SUM(CASE WHEN a.outcome = 2 THEN a.entries ELSE 0 END) AS BIGINT) AS denied
    FROM audit_activity a JOIN audit_names n ON n.id = a.agent JOIN accounts c ON c.id = n.name
    WHERE a.hour >= $1 AND a.hour < $2 AND a.outcome < 9 GROUP BY n.name ORDER BY entries DESC, n.name LIMIT $3";
// what stands out is counted under its mark in place of an area
const MARKED: &str = "SELECT n.name AS mark, COALESCE(p.name, '') AS agent, a.entries AS entries FROM (
    SELECT area, agent, CAST(SUM(entries) AS BIGINT) AS entries FROM audit_activity
    WHERE hour >= $1 AND hour < $2 AND outcome = 9 AND ($3 = 0 OR agent = $3) GROUP BY area, agent) AS a
    JOIN audit_names n ON n.id = a.area LEFT JOIN audit_names p ON p.id = a.agent ORDER BY n.name, a.entries DESC, agent";

/// Every statement that both engines read, for the test that prepares them.
pub const STATEMENTS: &[&str] = &[AGENT, BY_HOUR, BY_PERSON, MARKED];

/// Stands for an outcome where marks are counted.
pub(super) const MARK: i64 = 9;

/// The number that stands for an outcome.
pub(super) const fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Success => 1,
        Outcome::Denied => 2,
        Outcome::Failure => 3,
    }
}

/// Takes `[[hour, agent, area, outcome, entries], …]`.
const COUNT: Bulk = Bulk {
    sqlite: "INSERT INTO audit_activity (hour, agent, area, outcome, entries)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1) WHERE 1 = 1
        ON CONFLICT (hour, agent, area, outcome) DO UPDATE SET entries = audit_activity.entries + excluded.entries",
    postgres: "INSERT INTO audit_activity (hour, agent, area, outcome, entries)
        SELECT (v ->> 0)::bigint, (v ->> 1)::bigint, (v ->> 2)::bigint, (v ->> 3)::bigint, (v ->> 4)::bigint
        FROM jsonb_array_elements($1::jsonb) AS v
        ON CONFLICT (hour, agent, area, outcome) DO UPDATE SET entries = audit_activity.entries + excluded.entries",
};

/// The statements with a text for each engine.
pub const BULK: &[Bulk] = &[COUNT];

#[derive(sqlx::FromRow)]
struct HourRow {
    hour: i64,
    outcome: i64,
    entries: i64,
}

#[derive(sqlx::FromRow)]
struct PersonRow {
    name: String,
    entries: i64,
    denied: i64,
}

#[derive(sqlx::FromRow)]
struct MarkedRow {
    mark: String,
    agent: String,
    entries: i64,
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: i64,
}

/// What happened in one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// Entries that say that it happened.
    pub success: u64,
    /// That a rule said no.
    pub denied: u64,
    /// That it did not work.
    pub failure: u64,
    /// Marks for what is unusual.
    pub unusual: u64,
}

/// What one account did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub id: String,
    /// Entries.
    pub entries: u64,
    /// Of these, refusals.
    pub denied: u64,
}

/// As what someone's entries stood out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// As what.
    pub mark: String,
    /// Account or participant; empty for strangers.
    pub agent: String,
    /// How many entries.
    pub entries: u64,
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn hour(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(HOUR_MICROS)
}

fn began(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour.saturating_mul(HOUR_MICROS))
}

/// Counts entries that were made findable; `narrow` gives the numbers of agent, area and outcome of each.
/// For a mark, its number stands for the area and [`MARK`] for the outcome.
pub(super) async fn count(tx: &mut Tx, entries: &[Facts], narrow: impl Fn(&Facts) -> Vec<(i64, i64, i64)>) -> Result<(), StorageError> {
    let mut counts: BTreeMap<(i64, (i64, i64, i64)), i64> = BTreeMap::new();
    for entry in entries {
        for one in narrow(entry) {
            *counts.entry((hour(entry.at), one)).or_default() += 1;
        }
    }
    let rows: Vec<Value> = counts.into_iter().map(|((hour, (agent, area, outcome)), n)| json!([hour, agent, area, outcome, n])).collect();
    let text = COUNT.of(tx);
    execute!(tx, text, Value::from(rows).to_string())?;
    Ok(())
}

/// A stretch of time, in whole hours, and whom alone to look at.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// From the hour of this instant.
    pub from: Timestamp,
    /// Up to and with the hour before this instant's end.
    pub to: Timestamp,
    /// An account or participant.
    pub agent: Option<&'a str>,
}

impl Stretch<'_> {
    fn hours(&self) -> (i64, i64) {
        (hour(self.from), hour(Timestamp::from_micros(self.to.as_micros().saturating_sub(1))) + 1)
    }

    /// The agent's number: 0 for everyone, -1 for someone who never did anything.
    async fn agent(&self, tx: &mut Tx) -> Result<i64, StorageError> {
        let Some(agent) = self.agent else { return Ok(0) };
        Ok(fetch_optional!(tx, IdRow, AGENT, agent)?.map_or(-1, |row| row.id))
    }
}

/// The hours in which something happened.
///
/// # Errors
/// See [`StorageError`].
pub async fn by_hour(tx: &mut Tx, stretch: Stretch<'_>) -> Result<BTreeMap<Timestamp, Hour>, StorageError> {
    let agent = stretch.agent(tx).await?;
    let (from, to) = stretch.hours();
    let mut hours: BTreeMap<Timestamp, Hour> = BTreeMap::new();
    for row in fetch_all!(tx, HourRow, BY_HOUR, from, to, agent)? {
        let hour = hours.entry(began(row.hour)).or_default();
        *match row.outcome {
            1 => &mut hour.success,
            2 => &mut hour.denied,
            MARK => &mut hour.unusual,
            _ => &mut hour.failure,
        } += number(row.entries);
    }
    Ok(hours)
}

/// Those accounts that did most.
///
/// # Errors
/// See [`StorageError`].
pub async fn by_person(tx: &mut Tx, stretch: Stretch<'_>, most: i64) -> Result<Vec<Person>, StorageError> {
    let (from, to) = stretch.hours();
    let read = |row: PersonRow| Person { id: row.name, entries: number(row.entries), denied: number(row.denied) };
    Ok(fetch_all!(tx, PersonRow, BY_PERSON, from, to, most)?.into_iter().map(read).collect())
}

/// What stood out, by mark and agent.
///
/// # Errors
/// See [`StorageError`].
pub async fn marked(tx: &mut Tx, stretch: Stretch<'_>) -> Result<Vec<Marked>, StorageError> {
    let agent = stretch.agent(tx).await?;
    let (from, to) = stretch.hours();
    let rows = fetch_all!(tx, MarkedRow, MARKED, from, to, agent)?;
    let read = |row: MarkedRow| Marked { mark: row.mark, agent: row.agent, entries: number(row.entries) };
    Ok(rows.into_iter().map(read).collect())
}
