//! The sequencer: gives every committed entry its place in the Merkle tree, in batches, and signs a checkpoint over each batch.
//!
//! One leads in a deployment: on SQLite by a lock on a file, on PostgreSQL by a lease in the database that every round renews, so that one
//! who lost it cannot write. The leader also writes down what entries are found by. Others look whether their entries were placed.

use crate::crypto::signing::{LogSigner, TreeHead, open_checkpoint};
use crate::crypto::tree::{Edge, IncompleteTree, is_consistent, leaf_hash};
use crate::domain::id::EntryId;
use crate::domain::time::{Clock, Timestamp};
use crate::services::error::ServiceError;
use crate::services::findable::{Indexer, Lookout};
use crate::services::proofs::prove_growth;
use crate::storage::audit::{self, Lease, Sequenced, StoredCheckpoint};
use crate::storage::audit_index;
use crate::storage::database::{Database, patience_left, waited};
use crate::storage::error::StorageError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Entries in one round: enough for 20,000 a second, few enough for a short transaction.
const BATCH: i64 = 1_000;
/// A round of so many is followed by the next one at once.
const FULL: usize = 400;
/// Others begin at least so far apart.
const SPACING: Duration = Duration::from_millis(25);
/// How long an answer waits for its checkpoint before it says that the outcome is unknown.
const PATIENCE: Duration = Duration::from_millis(900);
/// The leader looks for entries of other processes this often; others for the places of theirs.
const LOOK: Duration = Duration::from_millis(40);
/// How long a lease holds that nobody renews.
const LEASE: Duration = Duration::from_secs(2);
/// The leader renews its lease when this much of it is left.
const RENEW: Duration = Duration::from_secs(1);
/// One checkpoint stays for every so many entries.
const LASTING_ENTRIES: u64 = 1_024;
/// One stays for every so long.
const LASTING_TIME: Duration = Duration::from_hours(1);
/// After a failure.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

type Waiters = Arc<Mutex<HashMap<EntryId, oneshot::Sender<()>>>>;

/// A running sequencer.
pub struct Sequencer {
    waiters: Waiters,
    leading: Arc<AtomicBool>,
    progress: watch::Receiver<Progress>,
    holder: String,
    /// Someone waits for entries to become findable.
    hurry: Arc<Notify>,
    tasks: [JoinHandle<()>; 2],
}

/// How far the leader of this process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries under a signed checkpoint.
    pub placed: u64,
    /// Entries that can be found.
    pub findable: u64,
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
    ///
    /// # Errors
    /// [`ServiceError::CheckpointLate`] if that takes too long.
    pub async fn covered(mut self, database: &Database) -> Result<(), ServiceError> {
        let deadline = Instant::now() + patience_left(PATIENCE);
        loop {
            if tokio::time::timeout(LOOK, &mut self.done).await.is_ok_and(|told| told.is_ok()) {
                return Ok(());
            }
            // another process may have given it its place
            let look = async { audit::lookup(database.read().await?.tx(), self.entry).await };
            match tokio::time::timeout(deadline.saturating_duration_since(Instant::now()), look).await {
                Ok(Ok(Some(entry))) if entry.index.is_some() => return Ok(()),
                Ok(Ok(_)) if Instant::now() < deadline => {}
                // it is committed, but nobody has signed for it: what it tells did happen
                _ => return Err(ServiceError::CheckpointLate),
            }
        }
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Sequencer {
    /// Starts it. The holder's name must differ between processes. `lookout` marks what is unusual, where anyone does.
    #[must_use]
    pub fn start(database: Database, signer: Arc<LogSigner>, clock: Arc<dyn Clock>, holder: String, lookout: Option<Lookout>) -> Self {
        let hurry = Arc::<Notify>::default();
        let (told, progress) = watch::channel(Progress::default());
        let told = Arc::new(told);
        let leading = Arc::<AtomicBool>::default();
        let waiters = Waiters::default();
        let leader = Leader {
            database: database.clone(),
            signer,
            clock,
            holder: holder.clone(),
            waiters: Arc::clone(&waiters),
            leading: Arc::clone(&leading),
            told: Arc::clone(&told),
            edge: None,
            newest: None,
            lasting: None,
            lease_until: None,
        };
        let indexer =
            Indexer { database, leading: Arc::clone(&leading), placed: progress.clone(), told, lookout, hurry: Arc::clone(&hurry) };
        let tasks = [tokio::spawn(leader.run()), tokio::spawn(indexer.run())];
        Self { waiters, leading, progress, holder, hurry, tasks }
    }

    /// Must be called before the entry is committed.
    #[must_use]
    pub fn wait_for(&self, entry: EntryId) -> Waiting {
        let (tell, done) = oneshot::channel();
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, tell);
        Waiting { entry, waiters: Arc::clone(&self.waiters), done }
    }

    /// Whether this process is the one that extends the log.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leading.load(Ordering::SeqCst)
    }

    /// How far the leader of this process is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until the first `size` entries can be found; says whether they can.
    pub async fn findable(&self, database: &Database, size: u64) -> bool {
        let began = Instant::now();
        let found = self.wait_findable(database, size).await;
        waited(began);
        found
    }

    async fn wait_findable(&self, database: &Database, size: u64) -> bool {
        let deadline = tokio::time::Instant::now() + patience_left(PATIENCE);
        let mut progress = self.progress.clone();
        if self.leads() {
            if progress.borrow().findable >= size {
                return true;
            }
            self.hurry.notify_one();
            return tokio::time::timeout_at(deadline, progress.wait_for(|p| p.findable >= size)).await.is_ok_and(|seen| seen.is_ok());
        }
        let look = async {
            while audit_index::size(database.read().await?.tx()).await? < size {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, StorageError>(())
        };
        tokio::time::timeout_at(deadline, look).await.is_ok_and(|looked| looked.is_ok())
    }

    /// Lets another process lead at once.
    pub async fn step_down(&self, database: &Database) {
        for task in &self.tasks {
            task.abort();
        }
        if self.leading.swap(false, Ordering::SeqCst)
            && let Err(error) = audit::step_down(database, &self.holder).await
        {
            tracing::warn!(%error, "the lease on the audit log could not be given back; it runs out by itself");
        }
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
    Tree(#[from] IncompleteTree),
    #[error("another process leads")]
    Lost,
    #[error("the growth of the log could not be read")]
    Unproved,
    #[error("the stored log is not the one that was signed")]
    Forked,
}

struct Leader {
    database: Database,
    signer: Arc<LogSigner>,
    clock: Arc<dyn Clock>,
    holder: String,
    waiters: Waiters,
    leading: Arc<AtomicBool>,
    told: Arc<watch::Sender<Progress>>,
    /// The tree, while this process leads.
    edge: Option<Edge>,
    /// The newest checkpoint this process signed or began from. What is stored must be this one.
    newest: Option<StoredCheckpoint>,
    /// Size and time of the newest checkpoint that stays.
    lasting: Option<(u64, Timestamp)>,
    lease_until: Option<Instant>,
}

impl Leader {
    async fn run(mut self) {
        let mut told = false;
        loop {
            let began = Instant::now();
            match self.turn(told).await {
                Ok(0) => told = tokio::time::timeout(LOOK, self.database.entries_written()).await.is_ok(),
                Ok(placed) => {
                    told = true;
                    // many small rounds would take more of the database than they save of waiting
                    if placed < FULL {
                        tokio::time::sleep(SPACING.saturating_sub(began.elapsed())).await;
                    }
                }
                Err(RoundError::Lost) => {
                    self.forget();
                    tokio::time::sleep(LOOK).await;
                }
                Err(RoundError::Forked) => {
                    tracing::error!("the stored audit log is not the one this server signed: nothing is done from now on");
                    self.database.halt();
                    self.forget();
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "the audit log could not be extended");
                    self.forget();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// What was read may be old by the time this process leads again. What it signed it remembers.
    fn forget(&mut self) {
        self.edge = None;
        self.lease_until = None;
        self.leading.store(false, Ordering::SeqCst);
    }

    fn lease(&self) -> Lease {
        Lease { holder: self.holder.clone(), lasts: LEASE }
    }

    /// Leads if it can, and places what waits, after a look whether anything does unless it was told so; gives how many entries were placed.
    async fn turn(&mut self, told: bool) -> Result<usize, RoundError> {
        if self.lease_until.is_none_or(|until| until.saturating_duration_since(Instant::now()) < RENEW) {
            let asked = Instant::now();
            if !audit::lead(&self.database, &self.lease()).await? {
                return Err(RoundError::Lost);
            }
            self.lease_until = Some(asked + LEASE);
        }
        if self.edge.is_none() {
            self.begin().await?;
        }
        if !told && audit::unplaced(self.database.read_sequencing().await?.tx(), 1).await?.is_empty() {
            return Ok(0);
        }
        self.round().await
    }

    /// Takes up the tree where the newest checkpoint left it.
    async fn begin(&mut self) -> Result<(), RoundError> {
        let (stored, lasting) = {
            let mut read = self.database.read_sequencing().await?;
            (audit::latest_checkpoint(read.tx()).await?, audit::lasting_checkpoint(read.tx()).await?)
        };
        let head = self.head(stored.as_ref())?;
        // a log that is shorter than one this process signed, or another of the same length, is not this log
        if let Some(known) = &self.newest {
            let ours = self.head(Some(known))?;
            if head.size < ours.size || (head.size == ours.size && head.root != ours.root) {
                return Err(RoundError::Forked);
            }
            if head.size > ours.size && ours.size > 0 {
                let mut read = self.database.read_sequencing().await?;
                let proof = match prove_growth(read.tx(), head.size, ours.size).await {
                    Ok(proof) => proof,
                    // tiles that do not make up the tree; anything else is a database that fails, and is tried again
                    Err(ServiceError::Integrity) => return Err(RoundError::Forked),
                    Err(_) => return Err(RoundError::Unproved),
                };
                if !is_consistent(&proof, head, ours) {
                    return Err(RoundError::Forked);
                }
            }
        }
        let edge = match self.stored_edge(head).await? {
            Some(edge) => edge,
            None => self.rebuilt_edge(head).await?,
        };
        self.lasting = lasting.map(|c| (c.size, c.signed_at));
        self.newest = stored;
        self.edge = Some(edge);
        self.leading.store(true, Ordering::SeqCst);
        let findable = audit_index::size_or_clear(&self.database).await?;
        self.told.send_modify(|p| *p = Progress { placed: head.size, findable });
        Ok(())
    }

    fn head(&self, stored: Option<&StoredCheckpoint>) -> Result<TreeHead, RoundError> {
        Ok(match stored {
            Some(stored) => open_checkpoint(self.signer.verifier_key(), &stored.note)?,
            None => Edge::default().head().unwrap_or(TreeHead { size: 0, root: [0; 32] }),
        })
    }

    /// The right edge of the stored tiles, if they make up the tree that was signed.
    async fn stored_edge(&self, head: TreeHead) -> Result<Option<Edge>, RoundError> {
        let mut read = self.database.read_sequencing().await?;
        let mut tiles = HashMap::new();
        for (level, index) in Edge::needs(head.size) {
            let Some(tile) = audit::tile(read.tx(), level, index).await? else { return Ok(None) };
            tiles.insert((level, index), tile);
        }
        let edge = Edge::new(head.size, &tiles)?;
        // never sign over a tree that was changed underneath
        if head.size > 0 && edge.head()? != head {
            return Err(RoundError::Forked);
        }
        Ok(Some(edge))
    }

    /// Makes the tiles anew from the entries.
    async fn rebuilt_edge(&self, head: TreeHead) -> Result<Edge, RoundError> {
        tracing::info!(entries = head.size, "the tree of the audit log is made anew from its entries");
        let mut edge = Edge::default();
        while edge.size() < head.size {
            let to = (edge.size() + 1_024).min(head.size);
            let entries = audit::range(self.database.read_sequencing().await?.tx(), edge.size(), to).await?;
            if u64::try_from(entries.len()).unwrap_or(0) != to - edge.size() {
                return Err(RoundError::Forked);
            }
            let tiles = edge.append(entries.iter().map(|entry| leaf_hash(entry.body.as_bytes())));
            let tiles: Vec<_> = tiles.into_iter().map(|((level, index), hashes)| (level, index, hashes)).collect();
            audit::restore_tiles(self.database.begin_sequencing().await?, &tiles).await?;
        }
        if edge.head()? == head { Ok(edge) } else { Err(RoundError::Forked) }
    }

    /// Places one batch; gives how many entries were placed.
    async fn round(&mut self) -> Result<usize, RoundError> {
        let lease = self.lease();
        let now = self.clock.now();
        let mut tx = self.database.begin_sequencing().await?;
        let entries = audit::unplaced(tx.tx(), BATCH).await?;
        if entries.is_empty() {
            return Ok(0);
        }
        let stored = audit::latest_checkpoint(tx.tx()).await?;
        if stored.as_ref().map(|c| (c.size, &c.note)) != self.newest.as_ref().map(|c| (c.size, &c.note)) {
            return Err(self.whose(stored.as_ref()));
        }
        // grown on a copy: what is not committed is not so
        let mut edge = self.edge.clone().ok_or(RoundError::Lost)?;
        let first = edge.size();
        let tiles = edge.append(entries.iter().map(|entry| leaf_hash(entry.body.as_bytes())));
        let note = self.signer.sign_checkpoint(edge.head()?)?;
        let lasting =
            self.lasting.is_none_or(|(size, at)| edge.size() / LASTING_ENTRIES > size / LASTING_ENTRIES || now.since(at) >= LASTING_TIME);
        let sequenced = Sequenced {
            first,
            entries: entries.iter().map(|entry| entry.id).collect(),
            tiles: tiles.into_iter().map(|((level, index), hashes)| (level, index, hashes)).collect(),
            checkpoint: StoredCheckpoint { size: edge.size(), note, signed_at: now },
            lasting,
        };
        match audit::sequence(&self.database, tx, &sequenced, &lease).await {
            Ok(()) => {}
            Err(StorageError::Duplicate) => return Err(RoundError::Lost),
            Err(error) => return Err(error.into()),
        }
        self.told.send_modify(|p| p.placed = edge.size());
        self.edge = Some(edge);
        if lasting {
            self.lasting = Some((sequenced.checkpoint.size, now));
        }
        self.newest = Some(sequenced.checkpoint);
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in &entries {
            if let Some(waiter) = waiters.remove(&entry.id) {
                let _ = waiter.send(());
            }
        }
        Ok(entries.len())
    }

    /// The stored checkpoint is not the newest one known here: another process led meanwhile, or the log was replaced.
    fn whose(&self, stored: Option<&StoredCheckpoint>) -> RoundError {
        match (self.head(stored), self.head(self.newest.as_ref())) {
            (Ok(stored), Ok(known)) if stored.size > known.size => RoundError::Lost,
            _ => RoundError::Forked,
        }
    }
}
