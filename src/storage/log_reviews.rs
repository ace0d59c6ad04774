//! Auditors' sign-offs of log reviews.

use crate::domain::id::{AccountId, LogReviewId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all};
use crate::storage::error::StorageError;
use crate::storage::row::{At, time};

const INSERT: &str = "INSERT INTO log_reviews (id, account_id, log_size, finding, note, reviewed_at) VALUES ($1, $2, $3, $4, $5, $6)";
const ALL: &str = "SELECT * FROM log_reviews ORDER BY reviewed_at DESC LIMIT 100";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, ALL];

/// A sign-off.
#[derive(Debug, Clone)]
pub struct LogReview {
    /// Its id.
    pub id: LogReviewId,
    /// Who looked.
    pub account: AccountId,
    /// How many entries the log had: all of these are covered.
    pub log_size: u64,
    /// `nothing_unusual` or `follow_up`.
    pub finding: String,
    /// In their own words.
    pub note: String,
    /// When.
    pub reviewed_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    account_id: String,
    log_size: i64,
    finding: String,
    note: String,
    reviewed_at: i64,
}

/// Adds one.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, review: &LogReview) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        review.id.to_string(),
        review.account.to_string(),
        i64::try_from(review.log_size).unwrap_or(i64::MAX),
        &review.finding,
        &review.note,
        review.reviewed_at.as_micros()
    )?;
    Ok(())
}

/// The newest, newest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<LogReview>, StorageError> {
    let read = |row: Row| {
        let at = At { table: "log_reviews", row: &row.id };
        Ok(LogReview {
            id: at.parse("id", &row.id)?,
            account: at.parse("account_id", &row.account_id)?,
            log_size: at.need("log_size", u64::try_from(row.log_size).ok())?,
            finding: row.finding,
            note: row.note,
            reviewed_at: time(row.reviewed_at),
        })
    };
    fetch_all!(tx, Row, ALL)?.into_iter().map(read).collect()
}
