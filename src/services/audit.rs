//! Searching and verifying the audit log; each of these is itself an entry.

use crate::crypto::digest::hex;
use crate::crypto::tree::{Edge, HASH_LENGTH, TILE_WIDTH, leaf_hash};
use crate::domain::access::{Permit, ReadAudit};
use crate::domain::audit::{Entry, Event, NETWORK, Outcome};
use crate::services::Services;
use crate::services::entries::personal_values;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::accounts;
use crate::storage::audit::{self, StoredCheckpoint, StoredEntry};
use crate::storage::audit_index;
use crate::storage::audit_search::{self, Search};
use crate::storage::database::Tx;
use serde::Serialize;
use std::collections::HashMap;

/// Entries read at a time; a whole number of tiles.
const PAGE: u64 = 4 * TILE_WIDTH;

/// An entry that was found.
pub struct FoundEntry {
    /// Its leaf index.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Name of the acting account.
    pub agent_name: Option<String>,
    /// The network address it came from; `None` if it came from none, or its key was destroyed.
    pub network: Option<String>,
    /// Its leaf hash, lower-case hex.
    pub leaf_hash: String,
    /// As what the rules in force marked it, such as `off_hours`.
    pub unusual: Vec<String>,
}

/// A page of what was found.
pub struct Found {
    /// Newest first.
    pub entries: Vec<FoundEntry>,
    /// Where the next page begins, if there is one.
    pub next_before: Option<u64>,
    /// Entries in the log.
    pub size: u64,
    /// Whether all of them could be found; not while the index is made anew.
    pub complete: bool,
}

/// The first entry that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstBad {
    /// Its leaf index.
    pub index: u64,
    /// What is wrong.
    pub reason: String,
}

/// What verifying the whole log gave.
pub struct Verified {
    /// Entries that were checked.
    pub checked: u64,
    /// Size of the newest signed checkpoint.
    pub size: u64,
    /// Its root, lower-case hex.
    pub root_hash: String,
    /// Its signed note.
    pub checkpoint: String,
    /// The first bad entry, if any.
    pub first_bad: Option<FirstBad>,
}

impl Services {
    /// Searches the log. The network address of the search is given as it is; no other personal value can be searched for.
    ///
    /// # Errors
    /// If it cannot be read or the search not audited.
    pub async fn search_audit(&self, permit: &Permit<ReadAudit>, wanted: Search) -> Result<Recorded<Found>, ServiceError> {
        let limit = wanted.limit.clamp(1, 200);
        let network = wanted.network.as_deref().map(|address| self.network_term(address)).transpose()?;
        let narrowed = [
            wanted.text.is_some(),
            wanted.event.is_some(),
            wanted.action.is_some(),
            wanted.outcome.is_some(),
            wanted.agent.is_some(),
            network.is_some(),
            !wanted.about.is_empty(),
            wanted.request.is_some(),
            wanted.from.is_some(),
            wanted.to.is_some(),
        ];
        // first on the record: once a checkpoint covers it, everything that happened before has its place
        let mut entry = self.entry(Event::AuditSearched, permit.caller())?.with("narrowed_by", narrowed.iter().filter(|n| **n).count());
        for (kind, id) in &wanted.about {
            entry = if kind == "unusual" { entry.with("unusual", id.as_str()) } else { entry.about(kind, id) };
        }
        let recorded = self.recorded(entry, ()).await?;
        let size = self.checkpoint().await?.size;
        let complete = self.sequencer.findable(&self.database, size).await;
        let wanted = Search { network, limit, ..wanted };
        let mut read = self.database.read().await?;
        let mut found = audit_search::Found::of(read.tx(), &wanted).await?;
        let stored = found.next(read.tx()).await?;
        let entries = self.found(read.tx(), stored).await?;
        Ok(recorded.map(|()| Found { entries, next_before: found.rest(), size, complete }))
    }

    /// Waits until everything in the log can be found, for what must not leave anything out.
    ///
    /// # Errors
    /// [`ServiceError::AuditUnavailable`] while the index is made anew.
    pub(crate) async fn everything_findable(&self) -> Result<(), ServiceError> {
        let size = self.checkpoint().await?.size;
        let all = self.sequencer.findable(&self.database, size).await;
        if all { Ok(()) } else { Err(ServiceError::AuditUnavailable { nothing_happened: false }) }
    }

    /// Entries as they are shown: with the names of accounts, and network addresses opened.
    pub(crate) async fn found(&self, tx: &mut Tx, stored: Vec<StoredEntry>) -> Result<Vec<FoundEntry>, ServiceError> {
        let names: HashMap<String, String> = accounts::all(tx).await?.into_iter().map(|a| (a.id.to_string(), a.display_name)).collect();
        let disclosures = self.disclosures(tx, &stored).await?;
        let places: Vec<u64> = stored.iter().filter_map(|entry| entry.index).collect();
        let mut marks = audit_index::marks(tx, &places).await?;
        let mut entries = Vec::with_capacity(stored.len());
        for (stored, disclosures) in stored.into_iter().zip(disclosures) {
            let entry: Entry = serde_json::from_str(&stored.body).map_err(|_| ServiceError::Integrity)?;
            let agent_name = entry.agent.id.as_ref().and_then(|id| names.get(id)).cloned();
            let values = personal_values(&entry, &disclosures)?;
            let network =
                values.into_iter().find(|(name, _)| name == NETWORK).map(|(_, value)| value).or_else(|| entry.agent.network.clone());
            entries.push(FoundEntry {
                index: stored.index.unwrap_or(0),
                unusual: stored.index.and_then(|index| marks.remove(&index)).unwrap_or_default(),
                leaf_hash: hex(&leaf_hash(stored.body.as_bytes())),
                entry,
                agent_name,
                network,
            });
        }
        Ok(entries)
    }

    /// Recomputes the whole tree from the entries and checks it against every signed checkpoint.
    ///
    /// # Errors
    /// If it cannot be read or the check not audited.
    pub async fn verify_audit(&self, permit: &Permit<ReadAudit>) -> Result<Recorded<Verified>, ServiceError> {
        let verified = {
            let mut read = self.database.read_much().await?;
            self.verify(read.tx()).await?
        };
        let outcome = if verified.first_bad.is_some() { Outcome::Failure } else { Outcome::Success };
        let mut entry = self
            .entry(Event::AuditVerified, permit.caller())?
            .ended(outcome)
            .with("size", verified.size)
            .with("root", verified.root_hash.as_str());
        if let Some(bad) = &verified.first_bad {
            entry = entry.with("first_bad", bad.index);
        }
        self.recorded(entry, verified).await
    }

    /// The newest signed checkpoint. A log that has just begun is waited for.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is none still.
    pub async fn checkpoint(&self) -> Result<StoredCheckpoint, ServiceError> {
        if let Some(newest) = audit::latest_checkpoint(self.database.read().await?.tx()).await? {
            return Ok(newest);
        }
        // the first entry of all is placed within moments
        self.sequencer.findable(&self.database, 1).await;
        audit::latest_checkpoint(self.database.read().await?.tx()).await?.ok_or(ServiceError::NotFound("checkpoint"))
    }

    /// Whether the log can be read.
    ///
    /// # Errors
    /// [`ServiceError::AuditUnavailable`] if it cannot.
    pub async fn well(&self) -> Result<(), ServiceError> {
        audit::latest_checkpoint(self.database.read().await?.tx()).await?;
        Ok(())
    }

    async fn verify(&self, tx: &mut Tx) -> Result<Verified, ServiceError> {
        let checkpoints = audit::checkpoints(tx).await?;
        let newest = checkpoints.last().cloned().ok_or(ServiceError::NotFound("checkpoint"))?;
        let mut tree = Edge::default();
        let mut pending = checkpoints.into_iter().peekable();
        let mut first_bad = None;
        let bad = |index: u64, reason: &str| Some(FirstBad { index, reason: reason.to_owned() });
        let mut from = 0;
        // up to here everything is under a signature that fits
        let mut good = 0;
        'pages: while from < newest.size {
            let to = (from + PAGE).min(newest.size);
            let mut expected = from;
            let mut hashes = Vec::new();
            for tile in from / TILE_WIDTH..to.div_ceil(TILE_WIDTH) {
                hashes.extend(audit::tile(tx, 0, tile).await?.unwrap_or_default());
            }
            let mut hashes = hashes.chunks_exact(HASH_LENGTH);
            for stored in audit::range(tx, from, to).await? {
                if stored.index != Some(expected) {
                    break;
                }
                let leaf = leaf_hash(stored.body.as_bytes());
                if hashes.next() != Some(leaf.as_slice()) {
                    first_bad = bad(expected, "the entry is not the one that was written");
                    break 'pages;
                }
                tree.append([leaf]);
                expected += 1;
                while let Some(checkpoint) = pending.next_if(|c| c.size == expected) {
                    if !self.fits(&checkpoint, &tree) {
                        first_bad = bad(good, "the entries from here to the next signed checkpoint are not the ones it was signed over");
                        break 'pages;
                    }
                    good = expected;
                }
            }
            if expected < to {
                first_bad = bad(expected, "the entry is missing");
                break;
            }
            from = to;
        }
        let root_hash = self.head(&newest).map(|head| hex(&head.root)).unwrap_or_default();
        Ok(Verified { checked: tree.size(), size: newest.size, root_hash, checkpoint: newest.note, first_bad })
    }

    fn fits(&self, checkpoint: &StoredCheckpoint, tree: &Edge) -> bool {
        match (self.head(checkpoint), tree.head()) {
            (Ok(signed), Ok(computed)) => signed == computed,
            _ => false,
        }
    }
}
