//! Searches of the log that auditors keep for themselves. Name and search are sealed.

use crate::domain::id::{AccountId, SavedSearchId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all};
use crate::storage::error::StorageError;
use crate::storage::row::At;

const INSERT: &str = "INSERT INTO saved_searches (id, account_id, sealed, created_at) VALUES ($1, $2, $3, $4)";
const OF_ACCOUNT: &str = "SELECT id, sealed FROM saved_searches WHERE account_id = $1 ORDER BY created_at, id";
const DELETE: &str = "DELETE FROM saved_searches WHERE id = $1 AND account_id = $2";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, OF_ACCOUNT, DELETE];

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    sealed: Vec<u8>,
}

/// Keeps one.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, id: SavedSearchId, account: AccountId, sealed: &[u8], now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, INSERT, id.to_string(), account.to_string(), sealed, now.as_micros())?;
    Ok(())
}

/// Someone's, oldest first, sealed.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_account(tx: &mut Tx, account: AccountId) -> Result<Vec<(SavedSearchId, Vec<u8>)>, StorageError> {
    let read = |row: Row| Ok((At { table: "saved_searches", row: &row.id }.parse("id", &row.id)?, row.sealed));
    fetch_all!(tx, Row, OF_ACCOUNT, account.to_string())?.into_iter().map(read).collect()
}

/// Forgets one of someone's; says whether there was one.
///
/// # Errors
/// See [`StorageError`].
pub async fn delete(tx: &mut Tx, id: SavedSearchId, account: AccountId) -> Result<bool, StorageError> {
    Ok(execute!(tx, DELETE, id.to_string(), account.to_string())? > 0)
}
