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

/// What the connection has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Idle,
    /// The group's transaction, between two of its members.
    Between,
    /// A member's savepoint too. Until its owner ends it well, whoever comes next undoes it.
    Inside,
    /// Nobody knows: a beginning was given up half-way.
    Unsure,
}

struct Inner {
    connection: Option<SqliteConnection>,
    standing: Standing,
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
        let inner = Inner { connection: Some(connection), standing: Standing::Idle, members: Vec::new(), committer_queued: false };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Waits for its turn and begins.
    pub(super) async fn begin(&self, patience: Duration) -> Result<GroupTx, Error> {
        let mut inner = tokio::time::timeout(patience, Arc::clone(&self.0).lock_owned()).await.map_err(|_| Error::PoolTimedOut)?;
        inner.settle().await;
        let before = std::mem::replace(&mut inner.standing, Standing::Unsure);
        if before == Standing::Idle {
            inner.run(SQLITE_BEGIN_WRITE).await?;
        }
        inner.run(SAVEPOINT).await?;
        inner.standing = Standing::Inside;
        Ok(GroupTx { inner: Some(inner), writer: self.clone() })
    }

    /// Waits for its turn, commits the group and tells its members.
    async fn commit_group(self) {
        let mut inner = self.0.lock().await;
        inner.committer_queued = false;
        inner.settle().await;
        if inner.standing != Standing::Between {
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
        inner.standing = Standing::Idle;
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
    async fn settle(&mut self) {
        let standing = self.standing;
        if matches!(standing, Standing::Idle | Standing::Between) {
            return;
        }
        if standing == Standing::Inside && self.run(UNDO).await.is_ok() && self.run(RELEASE).await.is_ok() {
            self.standing = Standing::Between;
            return;
        }
        let _ = self.run(ROLLBACK).await;
        self.standing = Standing::Idle;
        self.tell(Err(Lost::Undone));
    }
}

impl GroupTx {
    /// The connection, while the transaction runs.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.inner.as_mut().ok_or(Error::PoolClosed)?.connection()
    }

    /// Undoes everything and ends.
    pub(super) async fn rollback(mut self) {
        if let Some(inner) = self.inner.as_mut() {
            inner.settle().await;
        }
    }

    /// Ends well; resolves when the group is on the disk.
    pub(super) async fn commit(mut self) -> Result<Ending, Error> {
        let inner = self.inner.as_mut().ok_or(Error::PoolClosed)?;
        // given up half-way, the whole group is undone
        inner.standing = Standing::Unsure;
        if let Err(error) = inner.run(RELEASE).await {
            inner.standing = Standing::Inside;
            return Err(error);
        }
        let Some(mut inner) = self.inner.take() else { return Err(Error::PoolClosed) };
        inner.standing = Standing::Between;
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

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row;
    use sqlx::sqlite::SqliteJournalMode;
    use std::str::FromStr;

    async fn writer(folder: &tempfile::TempDir) -> (Writer, SqliteConnectOptions) {
        let address = format!("sqlite:{}", folder.path().join("x.db").display());
        let options =
            SqliteConnectOptions::from_str(&address).expect("address").create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let writer = Writer::open(&options).await.expect("writer");
        let mut tx = writer.begin(Duration::from_secs(1)).await.expect("begun");
        sqlx::query("CREATE TABLE t (n INTEGER PRIMARY KEY)").execute(tx.connection().expect("open")).await.expect("made");
        assert_eq!(tx.commit().await.expect("committed"), Ok(()));
        (writer, options)
    }

    async fn stored(options: &SqliteConnectOptions) -> Vec<i64> {
        let mut connection = SqliteConnection::connect_with(options).await.expect("connection");
        sqlx::query("SELECT n FROM t ORDER BY n").fetch_all(&mut connection).await.expect("rows").iter().map(|row| row.get(0)).collect()
    }

    async fn insert(tx: &mut GroupTx, n: i64) -> Result<(), Error> {
        sqlx::query("INSERT INTO t (n) VALUES ($1)").bind(n).execute(tx.connection()?).await.map(|_| ())
    }

    /// Of many at once, what commits is there when its owner is told, and what is rolled back or given up is not.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_commits_is_there_and_what_is_given_up_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let (writer, options) = writer(&folder).await;
        let tasks: Vec<_> = (0..90_i64)
            .map(|n| {
                let (writer, options) = (writer.clone(), options.clone());
                tokio::spawn(async move {
                    let mut tx = writer.begin(Duration::from_secs(10)).await.expect("its turn");
                    insert(&mut tx, n).await.expect("inserted");
                    match n % 3 {
                        0 => {
                            assert_eq!(tx.commit().await.expect("released"), Ok(()));
                            assert!(stored(&options).await.contains(&n), "on the disk once told");
                        }
                        1 => tx.rollback().await,
                        _ => drop(tx),
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends");
        }
        assert_eq!(stored(&options).await, (0..90).filter(|n| n % 3 == 0).collect::<Vec<i64>>());
    }

    /// A statement that fails takes its own transaction with it, and nobody else's.
    #[tokio::test]
    async fn a_refused_statement_harms_no_other_member() {
        let folder = tempfile::tempdir().expect("folder");
        let (writer, options) = writer(&folder).await;
        let mut one = writer.begin(Duration::from_secs(1)).await.expect("begun");
        insert(&mut one, 1).await.expect("inserted");
        let (first, second) = tokio::join!(one.commit(), async {
            let mut two = writer.begin(Duration::from_secs(1)).await.expect("begun");
            assert!(insert(&mut two, 1).await.is_err(), "it sees what the other one inserted");
            insert(&mut two, 2).await.expect("inserted");
            drop(two);
            let mut three = writer.begin(Duration::from_secs(1)).await.expect("begun");
            insert(&mut three, 3).await.expect("inserted");
            three.commit().await
        });
        assert_eq!((first.expect("released"), second.expect("released")), (Ok(()), Ok(())));
        assert_eq!(stored(&options).await, [1, 3]);
    }

    #[tokio::test]
    async fn whoever_waits_too_long_for_their_turn_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let (writer, _) = writer(&folder).await;
        let held = writer.begin(Duration::from_secs(1)).await.expect("begun");
        assert!(matches!(writer.begin(Duration::from_millis(20)).await, Err(Error::PoolTimedOut)));
        drop(held);
        assert!(writer.begin(Duration::from_secs(1)).await.is_ok());
    }
}
