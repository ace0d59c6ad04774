//! The sequencer: gives every committed entry its place in the Merkle tree, in batches, and signs a checkpoint over each batch.
//!
//! One runs per process; with several on one database the second to commit a round loses it whole and starts from the new tree.

use crate::crypto::signing::{LogSigner, open_checkpoint};
use crate::crypto::tree::{Frontier, Hashes, leaf_hash};
use crate::domain::id::EntryId;
use crate::domain::time::Clock;
use crate::services::error::ServiceError;
use crate::storage::audit::{self, Sequenced, StoredCheckpoint};
use crate::storage::database::Database;
use crate::storage::error::StorageError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Entries in one round; large enough for 20,000 a second, small enough for a short transaction.
const BATCH: i64 = 500;
/// How long an answer waits for its checkpoint before it says that the outcome is unknown.
const PATIENCE: Duration = Duration::from_millis(950);
/// Looks for entries of other processes this often.
const IDLE: Duration = Duration::from_secs(1);

type Waiters = Arc<Mutex<HashMap<EntryId, oneshot::Sender<()>>>>;

/// A running sequencer.
pub struct Sequencer {
    waiters: Waiters,
    task: JoinHandle<()>,
}

/// Someone who waits for a checkpoint that covers one entry.
pub struct Waiting {
    entry: EntryId,
    waiters: Waiters,
    done: oneshot::Receiver<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry);
    }
}

impl Waiting {
    /// Resolves once a signed checkpoint covers the entry.
    pub(crate) async fn covered(mut self, database: &Database) -> Result<(), ServiceError> {
        if tokio::time::timeout(PATIENCE, &mut self.done).await.is_ok_and(|told| told.is_ok()) {
            return Ok(());
        }
        // another process may have given it its place
        let placed = audit::lookup(database.read().await?.tx(), self.entry).await?.is_some_and(|entry| entry.index.is_some());
        if placed { Ok(()) } else { Err(ServiceError::AuditUnavailable { nothing_happened: false }) }
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sequencer {
    /// Starts it.
    #[must_use]
    pub fn start(database: Database, signer: Arc<LogSigner>, clock: Arc<dyn Clock>) -> Self {
        let waiters = Waiters::default();
        let told = Arc::clone(&waiters);
        let task = tokio::spawn(async move {
            loop {
                match round(&database, &signer, clock.as_ref()).await {
                    Ok(placed) if placed.is_empty() => {
                        let _ = tokio::time::timeout(IDLE, database.entries_written()).await;
                    }
                    Ok(placed) => {
                        let mut waiters = told.lock().unwrap_or_else(PoisonError::into_inner);
                        for id in placed {
                            if let Some(waiter) = waiters.remove(&id) {
                                let _ = waiter.send(());
                            }
                        }
                    }
                    // the other's tree is there now: begin from it
                    Err(RoundError::Lost) => {}
                    Err(error) => {
                        tracing::error!(%error, "the audit log could not be sequenced");
                        tokio::time::sleep(IDLE).await;
                    }
                }
            }
        });
        Self { waiters, task }
    }

    /// Must be called before the entry is committed.
    pub(crate) fn wait_for(&self, entry: EntryId) -> Waiting {
        let (tell, done) = oneshot::channel();
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, tell);
        Waiting { entry, waiters: Arc::clone(&self.waiters), done }
    }
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Checkpoint(#[from] crate::crypto::signing::CheckpointError),
    #[error(transparent)]
    Tree(#[from] crate::crypto::tree::IncompleteTree),
    #[error("another process was first")]
    Lost,
    #[error("the newest checkpoint does not fit the stored tree")]
    Forked,
}

/// Places one batch; gives the ids that were placed, none when there was nothing to do.
async fn round(database: &Database, signer: &LogSigner, clock: &dyn Clock) -> Result<Vec<EntryId>, RoundError> {
    if audit::unsequenced(database.read().await?.tx(), 1).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = database.begin_sequencing().await?;
    let entries = audit::unsequenced(tx.tx(), BATCH).await?;
    let mut tree = match audit::latest_checkpoint(tx.tx()).await? {
        None => Frontier::new(0, Hashes::default()),
        Some(stored) => {
            let head = open_checkpoint(signer.verifier_key(), &stored.note)?;
            let mut hashes = Hashes::default();
            for index in Frontier::needs(head.size) {
                let hash = audit::hash(tx.tx(), index).await?.ok_or(RoundError::Forked)?;
                hashes.insert(index, hash);
            }
            let tree = Frontier::new(head.size, hashes);
            // never sign over a tree that was changed underneath
            if tree.head()? != head {
                return Err(RoundError::Forked);
            }
            tree
        }
    };
    let mut sequenced = Sequenced {
        places: Vec::new(),
        hashes: Vec::new(),
        checkpoint: StoredCheckpoint { size: 0, note: String::new(), signed_at: clock.now() },
    };
    for entry in &entries {
        sequenced.places.push((entry.id, tree.size()));
        sequenced.hashes.extend(tree.append(leaf_hash(entry.body.as_bytes()))?);
    }
    sequenced.checkpoint.size = tree.size();
    sequenced.checkpoint.note = signer.sign_checkpoint(tree.head()?)?;
    match audit::sequence(tx, &sequenced).await {
        Ok(()) => Ok(entries.into_iter().map(|entry| entry.id).collect()),
        Err(StorageError::Duplicate) => Err(RoundError::Lost),
        Err(error) => Err(error.into()),
    }
}
