//! How far the log was handed on to each place outside, and what witnesses signed.

use crate::domain::time::Timestamp;
use crate::storage::audit::signed;
use crate::storage::database::{SequencingTx, Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::time;

const POSITION: &str = "SELECT position, updated_at FROM audit_feeds WHERE name = $1";
const MOVE: &str = "INSERT INTO audit_feeds (name, position, updated_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at
    WHERE audit_feeds.position <= excluded.position";
const COSIGNED: &str = "INSERT INTO audit_cosignatures (size, witness, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const COSIGNATURES: &str = "SELECT size, note FROM audit_cosignatures ORDER BY size, witness";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[POSITION, MOVE, COSIGNED, COSIGNATURES];

#[derive(sqlx::FromRow)]
struct PositionRow {
    position: i64,
    updated_at: i64,
}

#[derive(sqlx::FromRow)]
struct NoteRow {
    size: i64,
    note: String,
}

/// How far a place is, and since when.
///
/// # Errors
/// See [`StorageError`].
pub async fn position(tx: &mut Tx, name: &str) -> Result<Option<(u64, Timestamp)>, StorageError> {
    Ok(fetch_optional!(tx, PositionRow, POSITION, name)?.map(|row| (u64::try_from(row.position).unwrap_or(0), time(row.updated_at))))
}

/// Notes how far a place is, with what a witness signed there.
///
/// # Errors
/// See [`StorageError`].
pub async fn advance(
    mut tx: SequencingTx,
    name: &str,
    position: u64,
    now: Timestamp,
    cosigned: Option<(&str, &str)>,
) -> Result<(), StorageError> {
    execute!(tx.tx(), MOVE, name, signed(position), now.as_micros())?;
    if let Some((witness, note)) = cosigned {
        execute!(tx.tx(), COSIGNED, signed(position), witness, note)?;
    }
    tx.commit().await
}

/// Checkpoints with a witness's signature, by size.
///
/// # Errors
/// See [`StorageError`].
pub async fn cosigned(tx: &mut Tx) -> Result<Vec<(u64, String)>, StorageError> {
    Ok(fetch_all!(tx, NoteRow, COSIGNATURES)?.into_iter().map(|row| (u64::try_from(row.size).unwrap_or(0), row.note)).collect())
}
