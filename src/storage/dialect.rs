//! Everything that differs between SQLite and PostgreSQL: how a connection is opened and a transaction begun.

use crate::storage::error::StorageError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};
use std::str::FromStr;
use std::time::Duration;

/// A request must know within a second whether the log can take its entry.
const ACQUIRE: Duration = Duration::from_millis(900);

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How SQLite begins a transaction that will write: taking the lock at once, so that it cannot fail half-way.
pub(super) const SQLITE_BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// How PostgreSQL begins one that may only read.
pub(super) const POSTGRES_BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// SQLite: one writer, several readers that cannot write.
pub(super) async fn open_sqlite(address: &str) -> Result<(SqlitePool, SqlitePool), StorageError> {
    let options = SqliteConnectOptions::from_str(address)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(ACQUIRE);
    let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).connect_with(options.clone()).await?;
    SQLITE.run(&write).await.map_err(StorageError::Migration)?;
    let read = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(ACQUIRE)
        .connect_with(options.read_only(true).create_if_missing(false))
        .await?;
    Ok((write, read))
}

/// PostgreSQL.
pub(super) async fn open_postgres(address: &str) -> Result<PgPool, StorageError> {
    let options = PgConnectOptions::from_str(address)?.application_name("bedside");
    let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(ACQUIRE).connect_with(options).await?;
    POSTGRES.run(&pool).await.map_err(StorageError::Migration)?;
    Ok(pool)
}
