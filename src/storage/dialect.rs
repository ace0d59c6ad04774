//! Everything that differs between SQLite and PostgreSQL: how a database is opened, and the few statements that have a text for each. How a
//! transaction runs stands in `group` for SQLite and in `connections` for PostgreSQL.

use crate::storage::connections::{Connections, connect_within};
use crate::storage::database::{EngineTx, Tx};
use crate::storage::error::StorageError;
use crate::storage::group::Writer;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A request must know within a second whether the log can take its entry.
const ACQUIRE: Duration = Duration::from_millis(900);

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How SQLite begins a transaction that will write: taking the lock at once, so that it cannot fail half-way.
pub(super) const SQLITE_BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// A statement that takes many rows at once, as JSON: the one thing that has no text that both engines read.
#[derive(Clone, Copy)]
pub struct Bulk {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Bulk {
    /// The text for the engine of a transaction.
    pub(super) const fn of(self, tx: &Tx) -> &'static str {
        match tx.engine {
            EngineTx::Sqlite(_) => self.sqlite,
            EngineTx::Postgres(_) => self.postgres,
        }
    }
}

/// The file an SQLite database was opened from.
pub(super) struct SqliteFile {
    path: PathBuf,
    #[cfg(unix)]
    identity: (u64, u64),
}

impl SqliteFile {
    fn of(path: &Path) -> Result<Self, StorageError> {
        let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
        #[cfg(unix)]
        let identity = identity(&path).map_err(sqlx::Error::Io)?;
        Ok(Self {
            path,
            #[cfg(unix)]
            identity,
        })
    }

    /// Whether the file that is open is still the one at its path. A removed file would take entries that nobody can ever read.
    pub(super) fn is_in_place(&self) -> bool {
        #[cfg(unix)]
        return identity(&self.path).is_ok_and(|now| now == self.identity);
        #[cfg(not(unix))]
        self.path.exists()
    }

    /// A lock that one process can have.
    pub(super) fn try_lock(&self) -> Option<File> {
        let mut name = self.path.clone().into_os_string();
        name.push("-sequencer");
        let file = File::options().create(true).truncate(false).write(true).open(name).ok()?;
        file.try_lock().ok()?;
        Some(file)
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// SQLite: one writer, several readers that cannot write.
pub(super) async fn open_sqlite(address: &str) -> Result<(Writer, SqlitePool, SqliteFile), StorageError> {
    let options = SqliteConnectOptions::from_str(address)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(ACQUIRE);
    let migrating = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE).connect_with(options.clone()).await?;
    SQLITE.run(&migrating).await.map_err(StorageError::Migration)?;
    let write = Writer::open(&options).await?;
    migrating.close().await;
    let file = SqliteFile::of(options.get_filename())?;
    let read = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(ACQUIRE)
        // a search in a large log comes back to the same pages
        .connect_with(options.read_only(true).create_if_missing(false).pragma("cache_size", "-32768"))
        .await?;
    Ok((write, read, file))
}

/// PostgreSQL.
pub(super) async fn open_postgres(address: &str, connections: Option<NonZeroUsize>) -> Result<Connections, StorageError> {
    let options = PgConnectOptions::from_str(address)?.application_name("bedside");
    let mut migrating = connect_within(&options, ACQUIRE).await?;
    POSTGRES.run(&mut migrating).await.map_err(StorageError::Migration)?;
    migrating.close().await?;
    Ok(Connections::new(&options, connections, ACQUIRE)?)
}
