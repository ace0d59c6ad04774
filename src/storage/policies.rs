//! Policy bundles that were accepted.

use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::time;

const INSERT: &str = "INSERT INTO policy_bundles (digest, content, accepted_at) VALUES ($1, $2, $3)
    ON CONFLICT (digest) DO UPDATE SET accepted_at = excluded.accepted_at";
const LATEST: &str = "SELECT digest, content, accepted_at FROM policy_bundles ORDER BY accepted_at DESC LIMIT 1";
const ALL: &str = "SELECT digest, content, accepted_at FROM policy_bundles ORDER BY accepted_at";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, LATEST, ALL];

/// A bundle in force.
pub struct AcceptedBundle {
    /// Its digest.
    pub digest: String,
    /// Its files, as JSON.
    pub content: String,
    /// Since when.
    pub accepted_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    digest: String,
    content: String,
    accepted_at: i64,
}

/// Accepts a bundle.
///
/// # Errors
/// See [`StorageError`].
pub async fn accept(tx: &mut Tx, bundle: &AcceptedBundle) -> Result<(), StorageError> {
    execute!(tx, INSERT, &bundle.digest, &bundle.content, bundle.accepted_at.as_micros())?;
    Ok(())
}

/// The bundle in force, if one was ever accepted.
///
/// # Errors
/// See [`StorageError`].
pub async fn latest(tx: &mut Tx) -> Result<Option<AcceptedBundle>, StorageError> {
    Ok(fetch_optional!(tx, Row, LATEST)?.map(Into::into))
}

/// Every bundle that was ever accepted, by the time it last came into force.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<AcceptedBundle>, StorageError> {
    Ok(fetch_all!(tx, Row, ALL)?.into_iter().map(Into::into).collect())
}

impl From<Row> for AcceptedBundle {
    fn from(row: Row) -> Self {
        Self { digest: row.digest, content: row.content, accepted_at: time(row.accepted_at) }
    }
}
