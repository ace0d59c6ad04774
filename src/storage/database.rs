//! The database and its transactions.
//!
//! Invariant: a change leaves a [`WriteTx`] through [`WriteTx::commit_with`] only, together with its audit entry. There is no other way
//! out that keeps it.

use crate::domain::audit::Entry;
use crate::storage::dialect::{POSTGRES_BEGIN_READ, SQLITE_BEGIN_WRITE, open_postgres, open_sqlite};
use crate::storage::error::StorageError;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use std::sync::Arc;
use tokio::sync::Notify;

/// One of the two engines, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    entries_written: Arc<Notify>,
}

#[derive(Clone)]
enum Pools {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

/// An open transaction on either engine.
pub enum Tx {
    /// SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs the same statement on whichever engine the transaction is on.
macro_rules! on {
    ($tx:expr, |$connection:ident| $run:expr) => {
        match $tx {
            $crate::storage::database::Tx::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $run
            }
            $crate::storage::database::Tx::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $run
            }
        }
    };
}

/// Executes; gives the number of rows touched.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| sqlx::query($sql)$(.bind($bind))*.execute(connection).await.map(|done| done.rows_affected()))
            .map_err($crate::storage::error::StorageError::from)
    };
}

/// Fetches at most one row.
macro_rules! fetch_optional {
    ($tx:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(connection).await)
            .map_err($crate::storage::error::StorageError::from)
    };
}

/// Fetches all rows.
macro_rules! fetch_all {
    ($tx:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::database::on!($tx, |connection| sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(connection).await)
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
        let pools = if address.starts_with("sqlite:") {
            let (write, read) = open_sqlite(address).await?;
            Pools::Sqlite { write, read }
        } else if address.starts_with("postgres:") || address.starts_with("postgresql:") {
            Pools::Postgres(open_postgres(address).await?)
        } else {
            return Err(StorageError::Address);
        };
        Ok(Self { pools, entries_written: Arc::new(Notify::new()) })
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn begin(&self) -> Result<WriteTx, StorageError> {
        let tx = match &self.pools {
            Pools::Sqlite { write, .. } => Tx::Sqlite(write.begin_with(SQLITE_BEGIN_WRITE).await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        };
        Ok(WriteTx { tx, database: self.clone() })
    }

    /// Begins the sequencer's transaction.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn begin_sequencing(&self) -> Result<SequencingTx, StorageError> {
        Ok(SequencingTx(self.begin().await?.tx))
    }

    /// Begins a transaction that can only read.
    ///
    /// # Errors
    /// When none can be had within a second.
    pub async fn read(&self) -> Result<ReadTx, StorageError> {
        Ok(ReadTx(match &self.pools {
            Pools::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin_with(POSTGRES_BEGIN_READ).await?),
        }))
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

    /// Waits for open transactions and closes every connection.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
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
    /// Then neither is kept, or (when the connection broke during the commit) it is not known.
    pub async fn commit_with(self, entry: &Entry) -> Result<(), StorageError> {
        self.commit_with_all(std::slice::from_ref(entry)).await
    }

    /// Commits the change together with several entries, of which there must be at least one.
    ///
    /// # Errors
    /// As [`WriteTx::commit_with`].
    pub async fn commit_with_all(mut self, entries: &[Entry]) -> Result<(), StorageError> {
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

    /// Drops the change and keeps only the entry that says why.
    ///
    /// # Errors
    /// When the entry cannot be kept.
    pub async fn rollback_with(self, entry: &Entry) -> Result<(), StorageError> {
        match self.tx {
            Tx::Sqlite(tx) => tx.rollback().await?,
            Tx::Postgres(tx) => tx.rollback().await?,
        }
        self.database.begin().await?.commit_with(entry).await
    }
}

/// The sequencer's transaction: giving entries their place is not itself an event. Only [`crate::storage::audit::sequence`] commits it.
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

async fn commit(tx: Tx) -> Result<(), StorageError> {
    match tx {
        Tx::Sqlite(tx) => tx.commit().await?,
        Tx::Postgres(tx) => tx.commit().await?,
    }
    Ok(())
}
