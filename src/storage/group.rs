//! Group commit for SQLite: one connection writes, and what several transactions changed is made durable by one sync of the disk.
//!
//! Each transaction is a savepoint. Once released, its changes are part of the group; its owner is told that it committed only when the
//! whole group did. Transactions still run one after the other, so each sees all of those before it. If the group cannot be committed,
//! everyone in it is told so and nothing of it is kept.

use crate::storage::dialect::SQLITE_BEGIN_WRITE;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Error};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

const SAVEPOINT: &str = "SAVEPOINT one";
const RELEASE: &str = "RELEASE one";
const UNDO: &str = "ROLLBACK TO one";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// How a group ended, for each of its members.
type Ending = Result<(), Lost>;

/// The group did not become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing of it was kept.
    Undone,
    /// The disk failed while it was written: it is not known.
    Unknown,
}

/// The one connection that writes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(Arc<Mutex<Inner>>);

struct Inner {
    connection: Option<SqliteConnection>,
    /// Whether the group's transaction was begun.
    open: bool,
    /// Whether a transaction was given up before it ended: its savepoint is still there.
    abandoned: bool,
    members: Vec<oneshot::Sender<Ending>>,
    /// Whether someone waits in the queue to commit the group.
    committer_queued: bool,
}

/// A transaction of a group. Given up when dropped.
pub(super) struct GroupTx {
    inner: Option<OwnedMutexGuard<Inner>>,
    writer: Writer,
}

impl Writer {
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, Error> {
        let connection = SqliteConnection::connect_with(options).await?;
        let inner = Inner { connection: Some(connection), open: false, abandoned: false, members: Vec::new(), committer_queued: false };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Waits for its turn and begins.
    pub(super) async fn begin(&self, patience: Duration) -> Result<GroupTx, Error> {
        let mut inner = tokio::time::timeout(patience, Arc::clone(&self.0).lock_owned()).await.map_err(|_| Error::PoolTimedOut)?;
        inner.settle().await?;
        if !inner.open {
            inner.run(SQLITE_BEGIN_WRITE).await?;
            inner.open = true;
        }
        inner.run(SAVEPOINT).await?;
        // until it ends well, whoever comes next has to undo it
        inner.abandoned = true;
        Ok(GroupTx { inner: Some(inner), writer: self.clone() })
    }

    /// Waits for its turn, commits the group and tells its members.
    async fn commit_group(self) {
        let mut inner = self.0.lock().await;
        inner.committer_queued = false;
        if inner.settle().await.is_err() || !inner.open {
            return;
        }
        let ending = match inner.run(COMMIT).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "the database could not commit");
                // where the engine has rolled back by itself, this finds nothing to do
                let _ = inner.run(ROLLBACK).await;
                Err(if may_be_on_disk(&error) { Lost::Unknown } else { Lost::Undone })
            }
        };
        inner.open = false;
        inner.tell(ending);
    }

    pub(super) async fn close(&self) {
        let mut inner = self.0.lock().await;
        if let Some(connection) = inner.connection.take() {
            let _ = connection.close().await;
        }
    }
}

/// Whether a restart could find what a failed commit wrote: everything was written, and the disk failed to say that it has it
/// (`SQLITE_IOERR_FSYNC`, `SQLITE_IOERR_DIR_FSYNC`). What was not written to its end is never read back.
fn may_be_on_disk(error: &Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|code| code.parse::<i32>().ok());
    code.is_none_or(|code| matches!(code, 1034 | 1290))
}

impl Inner {
    fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.connection.as_mut().ok_or(Error::PoolClosed)
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), Error> {
        sqlx::query(sql).execute(self.connection()?).await.map(|_| ())
    }

    fn tell(&mut self, ending: Ending) {
        for member in self.members.drain(..) {
            let _ = member.send(ending);
        }
    }

    /// Undoes what was given up. If the engine has rolled back the whole group by itself, its members are told.
    async fn settle(&mut self) -> Result<(), Error> {
        if !self.abandoned {
            return Ok(());
        }
        if self.run(UNDO).await.is_ok() && self.run(RELEASE).await.is_ok() {
            self.abandoned = false;
            return Ok(());
        }
        let _ = self.run(ROLLBACK).await;
        self.abandoned = false;
        self.open = false;
        self.tell(Err(Lost::Undone));
        Ok(())
    }
}

impl GroupTx {
    /// The connection, while the transaction runs.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.inner.as_mut().ok_or(Error::PoolClosed)?.connection()
    }

    /// Undoes everything and ends.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        match self.inner.as_mut() {
            Some(inner) => inner.settle().await,
            None => Ok(()),
        }
    }

    /// Ends well; resolves when the group is on the disk.
    pub(super) async fn commit(mut self) -> Result<Ending, Error> {
        let Some(mut inner) = self.inner.take() else { return Err(Error::PoolClosed) };
        if let Err(error) = inner.run(RELEASE).await {
            self.inner = Some(inner);
            return Err(error);
        }
        inner.abandoned = false;
        let (tell, told) = oneshot::channel();
        inner.members.push(tell);
        self.queue_committer(&mut inner);
        drop(inner);
        Ok(told.await.unwrap_or(Err(Lost::Unknown)))
    }

    fn queue_committer(&self, inner: &mut Inner) {
        if !inner.committer_queued {
            inner.committer_queued = true;
            tokio::spawn(self.writer.clone().commit_group());
        }
    }
}

impl Drop for GroupTx {
    fn drop(&mut self) {
        // a group that nobody else joins must still be undone and its lock on the file given back
        if let Some(mut inner) = self.inner.take()
            && !inner.committer_queued
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.queue_committer(&mut inner);
        }
    }
}
