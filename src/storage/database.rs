//! The database and its transactions.
//!
//! Invariant: a change leaves a [`WriteTx`] through [`WriteTx::commit_with`] only, together with its audit entry. There is no other way
//! out that keeps it. PostgreSQL refuses anything else by a trigger as well.

use crate::storage::audit::NewEntry;
use crate::storage::connections::{Connections, PgTx, Purpose};
use crate::storage::dialect::{SqliteFile, open_postgres, open_sqlite};
use crate::storage::error::StorageError;
use crate::storage::group::{GroupTx, Lost, Writer};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long one statement may take where someone waits for an answer that must come within a second.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long all of a request may wait for the database.
const REQUEST_PATIENCE: Duration = Duration::from_millis(900);
/// How long one may take of what extends the log: nobody waits for it, but it must notice that the engine is gone.
const STEADY_PATIENCE: Duration = Duration::from_secs(10);
/// How long one may take that is known to read much.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

tokio::task_local! {
    /// How many commits were tried for the request that is being answered.
    static COMMITS: Cell<u32>;
    /// How long that request has waited for the database.
    static WAITED: Cell<Duration>;
}

/// Runs a request so that [`nothing_committed`] can tell whether anything of it may have been kept, and so that all its waiting for the
/// database together stays below a second.
pub async fn answering<T>(request: impl Future<Output = T>) -> T {
    COMMITS.scope(Cell::new(0), WAITED.scope(Cell::new(Duration::ZERO), request)).await
}

/// How long the present request may still wait for the database, if it is one that someone waits for.
#[must_use]
pub(crate) fn patience_left(most: Duration) -> Duration {
    WAITED.try_with(|waited| most.min(REQUEST_PATIENCE.saturating_sub(waited.get()))).unwrap_or(most)
}

/// Takes down that the present request has waited for the database.
pub(crate) fn waited(since: Instant) {
    let _ = WAITED.try_with(|waited| waited.set(waited.get() + since.elapsed()));
}

/// Work of the present request that is carried through on a task of its own: it has what is left of the request's patience.
pub(crate) fn with_patience_left<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    WAITED.scope(Cell::new(WAITED.try_with(Cell::get).unwrap_or_default()), work)
}

/// Waits for the engine for as long as there is patience: that of the statement, and that of the whole request unless much is to be read.
pub(super) async fn patiently<T>(patience: Duration, run: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    if patience > PATIENCE {
        return tokio::time::timeout(patience, run).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    }
    let began = Instant::now();
    let done = tokio::time::timeout(patience_left(patience), run).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    waited(began);
    done
}

/// Whether it is known that nothing was committed for the present request.
#[must_use]
pub fn nothing_committed() -> bool {
    COMMITS.try_with(|commits| commits.get() == 0).unwrap_or(false)
}

/// Takes down that a commit is about to be tried, also where another task carries it out.
pub(crate) fn commit_is_tried() {
    let _ = COMMITS.try_with(|commits| commits.set(commits.get() + 1));
}

/// One of the two engines, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    entries_written: Arc<Notify>,
    halted: Arc<AtomicBool>,
    leading: Arc<OnceLock<std::fs::File>>,
}

#[derive(Clone)]
enum Pools {
    Sqlite { write: Writer, read: SqlitePool, file: Arc<SqliteFile> },
    Postgres(Connections),
}

/// An open transaction on either engine.
pub struct Tx {
    pub(super) engine: EngineTx,
    pub(super) patience: Duration,
}

pub(super) enum EngineTx {
    Sqlite(SqliteTx),
    Postgres(PgTx),
}

/// On SQLite those who write share a connection, and those who read do not.
pub(super) enum SqliteTx {
    Read(Transaction<'static, Sqlite>),
    Write(GroupTx),
}

impl SqliteTx {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        match self {
            Self::Read(tx) => Ok(tx),
            Self::Write(tx) => tx.connection(),
        }
    }
}

/// Runs the same statement on whichever engine the transaction is on, for as long as it has patience.
macro_rules! on {
    ($tx:expr, |$connection:ident| $run:expr) => {{
        let tx: &mut $crate::storage::database::Tx = $tx;
        let patience = tx.patience;
        match &mut tx.engine {
            $crate::storage::database::EngineTx::Sqlite(transaction) => match transaction.connection() {
                Ok($connection) => $crate::storage::database::patiently(patience, $run).await,
                Err(error) => Err(error),
            },
            $crate::storage::database::EngineTx::Postgres(transaction) => {
                let done = $crate::storage::database::patiently(patience, async {
                    let $connection = transaction.connection().await?;
                    $run.await
                })
                .await;
                done.inspect_err(|_| transaction.failed())
            }
        }
    }};
}

/// Executes; gives the number of rows touched.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| async { sqlx::query($sql)$(.bind($bind))*.execute(connection).await.map(|done| done.rows_affected()) })
            .map_err($crate::storage::error::StorageError::from)
    };
}

/// Fetches at most one row.
macro_rules! fetch_optional {
    ($tx:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(connection))
            .map_err($crate::storage::error::StorageError::from)
    };
}

/// Fetches all rows.
macro_rules! fetch_all {
    ($tx:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(connection))
            .map_err($crate::storage::error::StorageError::from)
    };
}
pub(super) use {execute, fetch_all, fetch_optional, on};

/// A transaction that may change data, and must say what it did.
pub struct WriteTx {
    tx: Tx,
    database: Database,
}

/// A consistent view that cannot change anything.
pub struct ReadTx(Tx);

impl Database {
    /// Opens the database at a `sqlite:` or `postgres:` address and brings its tables to this version.
    ///
    /// # Errors
    /// [`StorageError::Address`] for another scheme; else what the engine says.
    pub async fn open(address: &str) -> Result<Self, StorageError> {
        Self::open_with(address, None).await
    }

    /// As [`Database::open`], with so many connections to PostgreSQL for requests.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_with(address: &str, connections: Option<NonZeroUsize>) -> Result<Self, StorageError> {
        let pools = if address.starts_with("sqlite:") {
            let (write, read, file) = open_sqlite(address).await?;
            Pools::Sqlite { write, read, file: Arc::new(file) }
        } else if address.starts_with("postgres:") || address.starts_with("postgresql:") {
            Pools::Postgres(open_postgres(address, connections).await?)
        } else {
            return Err(StorageError::Address);
        };
        Ok(Self { pools, entries_written: Arc::new(Notify::new()), halted: Arc::default(), leading: Arc::default() })
    }

    /// Stops for good: what is stored is not what this process wrote, and nothing may rest on it.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
    }

    fn trusted(&self) -> Result<(), StorageError> {
        if self.halted.load(Ordering::SeqCst) {
            return Err(StorageError::Replaced);
        }
        match &self.pools {
            Pools::Sqlite { file, .. } if !file.is_in_place() => Err(StorageError::Replaced),
            _ => Ok(()),
        }
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn begin(&self) -> Result<WriteTx, StorageError> {
        self.begin_for(Purpose::Request, PATIENCE).await
    }

    async fn begin_for(&self, purpose: Purpose, patience: Duration) -> Result<WriteTx, StorageError> {
        self.trusted()?;
        let engine = match &self.pools {
            Pools::Sqlite { write, .. } => EngineTx::Sqlite(SqliteTx::Write(patiently(PATIENCE, write.begin(PATIENCE)).await?)),
            Pools::Postgres(connections) => EngineTx::Postgres(patiently(PATIENCE, connections.write(purpose)).await?),
        };
        Ok(WriteTx { tx: Tx { engine, patience }, database: self.clone() })
    }

    /// Begins one that may write and may take its time. On SQLite nobody else writes meanwhile.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn begin_much(&self) -> Result<WriteTx, StorageError> {
        self.begin_for(Purpose::Long, LONG_PATIENCE).await
    }

    /// Begins the sequencer's transaction.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn begin_sequencing(&self) -> Result<SequencingTx, StorageError> {
        Ok(SequencingTx(self.begin_for(Purpose::Sequencing, LONG_PATIENCE).await?.tx))
    }

    /// Begins a transaction that can only read.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn read(&self) -> Result<ReadTx, StorageError> {
        self.read_for(Purpose::Request, PATIENCE).await
    }

    /// Begins one that may take its time, such as an export of the whole log.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn read_much(&self) -> Result<ReadTx, StorageError> {
        self.read_for(Purpose::Long, LONG_PATIENCE).await
    }

    /// Begins one that can only read, for what extends the log and hands it on: whoever else reads does not keep it waiting.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub(crate) async fn read_sequencing(&self) -> Result<ReadTx, StorageError> {
        self.read_for(Purpose::Sequencing, STEADY_PATIENCE).await
    }

    async fn read_for(&self, purpose: Purpose, patience: Duration) -> Result<ReadTx, StorageError> {
        self.trusted()?;
        let engine = match &self.pools {
            Pools::Sqlite { read, .. } => EngineTx::Sqlite(SqliteTx::Read(patiently(PATIENCE, read.begin()).await?)),
            Pools::Postgres(connections) => EngineTx::Postgres(patiently(PATIENCE, connections.read(purpose)).await?),
        };
        Ok(ReadTx(Tx { engine, patience }))
    }

    /// On SQLite: whether this process is the one that gives entries their place, which a lock on a file beside the database says. The lock
    /// goes with the process. `None` on PostgreSQL, where a row says it.
    pub(super) fn leads_by_file(&self) -> Option<bool> {
        let Pools::Sqlite { file, .. } = &self.pools else { return None };
        if self.leading.get().is_some() {
            return Some(true);
        }
        let Some(lock) = file.try_lock() else { return Some(false) };
        Some(self.leading.set(lock).is_ok())
    }

    /// Resolves when audit entries were committed by this process since the last call.
    pub async fn entries_written(&self) {
        self.entries_written.notified().await;
    }

    /// Which engine this is, for people.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        match self.pools {
            Pools::Sqlite { .. } => "SQLite",
            Pools::Postgres(_) => "PostgreSQL",
        }
    }

    /// Waits for open transactions, on PostgreSQL for some seconds at most, and closes every connection.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(connections) => connections.close().await,
        }
    }
}

impl WriteTx {
    /// The transaction, for the collections.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Commits the change together with its audit entry.
    ///
    /// # Errors
    /// Then neither is kept, or ([`StorageError::Unknown`]) it is not known.
    pub async fn commit_with(self, entry: &NewEntry) -> Result<(), StorageError> {
        self.commit_with_all(std::slice::from_ref(entry)).await
    }

    /// Commits the change together with several entries, of which there must be at least one.
    ///
    /// # Errors
    /// As [`WriteTx::commit_with`].
    pub async fn commit_with_all(mut self, entries: &[NewEntry]) -> Result<(), StorageError> {
        if entries.is_empty() {
            return Err(StorageError::Canonical);
        }
        for entry in entries {
            crate::storage::audit::insert(&mut self.tx, entry).await?;
        }
        commit(self.tx).await?;
        self.database.entries_written.notify_one();
        Ok(())
    }

    /// Drops the change.
    ///
    /// # Errors
    /// When the connection is broken; nothing is kept then either.
    pub async fn rollback(self) -> Result<(), StorageError> {
        match self.tx.engine {
            EngineTx::Sqlite(SqliteTx::Write(tx)) => tx.rollback().await,
            EngineTx::Sqlite(SqliteTx::Read(tx)) => tx.rollback().await?,
            EngineTx::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

/// The sequencer's transaction: giving entries their place is not itself an event. Only [`crate::storage::audit`] commits it.
pub struct SequencingTx(Tx);

impl SequencingTx {
    /// The transaction, for reading what is to be placed.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.0
    }

    pub(super) async fn commit(self) -> Result<(), StorageError> {
        commit(self.0).await
    }
}

impl ReadTx {
    /// The transaction, for the collections.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.0
    }
}

/// Takes down that what was tried is known not to have been kept.
pub(crate) fn commit_failed(error: &StorageError) {
    if !matches!(error, StorageError::Unknown) {
        let _ = COMMITS.try_with(|commits| commits.set(commits.get().saturating_sub(1)));
    }
}

async fn commit(tx: Tx) -> Result<(), StorageError> {
    commit_is_tried();
    let committed = async {
        match tx.engine {
            EngineTx::Sqlite(SqliteTx::Write(tx)) => match tx.commit().await? {
                Ok(()) => Ok(()),
                Err(Lost::Undone) => Err(StorageError::Engine(sqlx::Error::WorkerCrashed)),
                Err(Lost::Unknown) => Err(StorageError::Unknown),
            },
            EngineTx::Sqlite(SqliteTx::Read(tx)) => Ok(tx.commit().await?),
            EngineTx::Postgres(tx) => tx.commit().await.map_err(|error| match StorageError::from(error) {
                // refused by the engine itself: nothing was kept
                refused @ (StorageError::Duplicate | StorageError::Engine(sqlx::Error::Database(_) | sqlx::Error::BeginFailed)) => refused,
                _ => StorageError::Unknown,
            }),
        }
    };
    let began = Instant::now();
    let patience = if tx.patience > PATIENCE { tx.patience } else { patience_left(tx.patience) };
    let ending = tokio::time::timeout(patience, committed).await.unwrap_or(Err(StorageError::Unknown)).inspect_err(commit_failed);
    waited(began);
    ending
}
