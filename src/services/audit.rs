//! Reading, verifying and exporting the audit log; each of these is itself an entry.

use crate::crypto::digest::hex;
use crate::crypto::signing::open_checkpoint;
use crate::crypto::tree::{Frontier, Hashes, leaf_hash, leaf_storage_index};
use crate::domain::access::{ExportAudit, Permit, ReadAudit};
use crate::domain::audit::{Entry, Event, Outcome};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::accounts;
use crate::storage::audit::{self, Search, StoredCheckpoint};
use crate::storage::database::Tx;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Entries read at a time.
const PAGE: u64 = 1_000;
/// First line of an export says this.
pub const EXPORT_FORMAT: &str = "bedside-audit-export-v1";

/// An entry that was found.
pub struct FoundEntry {
    /// Its leaf index.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Name of the acting account.
    pub agent_name: Option<String>,
    /// Its leaf hash, lower-case hex.
    pub leaf_hash: String,
}

/// A page of what was found.
pub struct Found {
    /// Newest first.
    pub entries: Vec<FoundEntry>,
    /// Where the next page begins, if there is one.
    pub next_before: Option<u64>,
    /// Entries in the log.
    pub size: u64,
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

/// First line of an export.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportHead {
    /// [`EXPORT_FORMAT`].
    pub format: String,
    /// Verifier key of the log.
    pub verifier_key: String,
    /// Entries that follow.
    pub size: u64,
}

/// One entry of an export. The body is the leaf, byte for byte.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportLine {
    /// Leaf index.
    pub index: u64,
    /// Leaf hash, lower-case hex.
    pub leaf_hash: String,
    /// RFC 8785 canonical JSON of the entry, as text.
    pub body: String,
}

/// Last line of an export.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportFoot {
    /// The signed checkpoint over every line before.
    pub checkpoint: String,
}

impl Services {
    /// Searches the log.
    ///
    /// # Errors
    /// If it cannot be read or the search not audited.
    pub async fn search_audit(&self, permit: &Permit<ReadAudit>, wanted: Search) -> Result<Found, ServiceError> {
        let limit = wanted.limit.clamp(1, 200);
        let narrowed =
            [wanted.text.is_some(), wanted.event.is_some(), wanted.outcome.is_some(), wanted.from.is_some(), wanted.to.is_some()];
        let page = Search { limit: limit + 1, ..wanted };
        // first on the record: once a checkpoint covers it, everything that happened before has its place and can be found
        self.record(self.entry(Event::AuditSearched, permit.caller())?.with("narrowed_by", narrowed.iter().filter(|n| **n).count()))
            .await?;
        let (mut entries, size) = {
            let mut read = self.database.read().await?;
            let names: HashMap<String, String> =
                accounts::all(read.tx()).await?.into_iter().map(|a| (a.id.to_string(), a.display_name)).collect();
            let mut entries = Vec::new();
            for stored in audit::search(read.tx(), &page).await? {
                let entry: Entry = serde_json::from_str(&stored.body).map_err(|_| ServiceError::Integrity)?;
                let agent_name = entry.agent.id.as_ref().and_then(|id| names.get(id)).cloned();
                entries.push(FoundEntry {
                    index: stored.index.unwrap_or(0),
                    leaf_hash: hex(&leaf_hash(stored.body.as_bytes())),
                    entry,
                    agent_name,
                });
            }
            (entries, audit::latest_checkpoint(read.tx()).await?.map_or(0, |c| c.size))
        };
        let more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let next_before = entries.last().filter(|_| more).map(|entry| entry.index);
        Ok(Found { entries, next_before, size })
    }

    /// Recomputes the whole tree from the entries and checks it against every signed checkpoint.
    ///
    /// # Errors
    /// If it cannot be read or the check not audited.
    pub async fn verify_audit(&self, permit: &Permit<ReadAudit>) -> Result<Verified, ServiceError> {
        let verified = {
            let mut read = self.database.read().await?;
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
        self.record(entry).await?;
        Ok(verified)
    }

    /// The whole log as lines of JSON that can be checked offline.
    ///
    /// # Errors
    /// If it cannot be read or the export not audited.
    pub async fn export_audit(&self, permit: &Permit<ExportAudit>) -> Result<String, ServiceError> {
        self.record(self.entry(Event::AuditExported, permit.caller())?).await?;
        let mut read = self.database.read().await?;
        let checkpoint = audit::latest_checkpoint(read.tx()).await?.ok_or(ServiceError::Integrity)?;
        let mut lines = String::new();
        let mut push = |value: serde_json::Result<String>| {
            lines.push_str(&value.map_err(|e| ServiceError::Internal(e.to_string()))?);
            lines.push('\n');
            Ok::<_, ServiceError>(())
        };
        let head = ExportHead { format: EXPORT_FORMAT.to_owned(), verifier_key: self.verifier_key().to_owned(), size: checkpoint.size };
        push(serde_json::to_string(&head))?;
        let mut from = 0;
        while from < checkpoint.size {
            let to = (from + PAGE).min(checkpoint.size);
            for stored in audit::range(read.tx(), from, to).await? {
                let line =
                    ExportLine { index: stored.index.unwrap_or(0), leaf_hash: hex(&leaf_hash(stored.body.as_bytes())), body: stored.body };
                push(serde_json::to_string(&line))?;
            }
            from = to;
        }
        push(serde_json::to_string(&ExportFoot { checkpoint: checkpoint.note }))?;
        Ok(lines)
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] before the first.
    pub async fn checkpoint(&self) -> Result<StoredCheckpoint, ServiceError> {
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
        let mut tree = Frontier::new(0, Hashes::default());
        let mut pending = checkpoints.into_iter().peekable();
        let mut first_bad = None;
        let bad = |index: u64, reason: &str| Some(FirstBad { index, reason: reason.to_owned() });
        let mut from = 0;
        'pages: while from < newest.size {
            let to = (from + PAGE).min(newest.size);
            let mut expected = from;
            for stored in audit::range(tx, from, to).await? {
                if stored.index != Some(expected) {
                    break;
                }
                let leaf = leaf_hash(stored.body.as_bytes());
                if audit::hash(tx, leaf_storage_index(expected)).await? != Some(leaf) {
                    first_bad = bad(expected, "the entry is not the one that was written");
                    break 'pages;
                }
                tree.append(leaf).map_err(|_| ServiceError::Integrity)?;
                expected += 1;
                while pending.peek().is_some_and(|c| c.size == expected) {
                    let Some(checkpoint) = pending.next() else { break };
                    if !self.fits(&checkpoint, &tree) {
                        first_bad = bad(expected - 1, "the signed checkpoint that ends here does not fit the entries before it");
                        break 'pages;
                    }
                }
            }
            if expected < to {
                first_bad = bad(expected, "the entry is missing");
                break;
            }
            from = to;
        }
        let root_hash = open_checkpoint(self.verifier_key(), &newest.note).map(|head| hex(&head.root)).unwrap_or_default();
        Ok(Verified { checked: tree.size(), size: newest.size, root_hash, checkpoint: newest.note, first_bad })
    }

    fn fits(&self, checkpoint: &StoredCheckpoint, tree: &Frontier) -> bool {
        match (open_checkpoint(self.verifier_key(), &checkpoint.note), tree.head()) {
            (Ok(signed), Ok(computed)) => signed == computed,
            _ => false,
        }
    }
}

/// Why an export cannot be trusted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExportError {
    /// A line is not what it should be.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// An entry is not the one that was written.
    #[error("entry {index}: {reason}")]
    Entry {
        /// Its leaf index.
        index: u64,
        /// What is wrong.
        reason: String,
    },
    /// The whole does not fit its checkpoint.
    #[error("{0}")]
    Checkpoint(String),
}

/// Checks an export by itself; gives size and root. With a key that was kept elsewhere, the export's own claim is not believed.
///
/// # Errors
/// The first thing that is wrong, named.
pub fn verify_export(text: &str, trusted_key: Option<&str>) -> Result<(u64, String), ExportError> {
    let at = |line: usize, reason: &str| ExportError::Line { line, reason: reason.to_owned() };
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    let (_, first) = lines.next().ok_or_else(|| at(1, "the file is empty"))?;
    let head: ExportHead = serde_json::from_str(first).map_err(|_| at(1, "this is not an audit export"))?;
    if head.format != EXPORT_FORMAT {
        return Err(at(1, "this is not an audit export of a known format"));
    }
    if trusted_key.is_some_and(|key| key != head.verifier_key) {
        return Err(at(1, "the export names another verifier key than the trusted one"));
    }
    let mut tree = Frontier::new(0, Hashes::default());
    for index in 0..head.size {
        let (number, text) = lines.next().ok_or_else(|| ExportError::Entry { index, reason: "the entry is missing".to_owned() })?;
        let line: ExportLine =
            serde_json::from_str(text).map_err(|_| ExportError::Entry { index, reason: format!("line {number} is not an entry") })?;
        if line.index != index {
            return Err(ExportError::Entry { index, reason: "the entry is missing or out of order".to_owned() });
        }
        let leaf = leaf_hash(line.body.as_bytes());
        if hex(&leaf) != line.leaf_hash {
            return Err(ExportError::Entry { index, reason: "the entry was altered".to_owned() });
        }
        tree.append(leaf).map_err(|e| ExportError::Checkpoint(e.to_string()))?;
    }
    let (number, last) = lines.next().ok_or_else(|| ExportError::Checkpoint("the checkpoint is missing".to_owned()))?;
    let foot: ExportFoot = serde_json::from_str(last).map_err(|_| at(number, "this is not the checkpoint"))?;
    if let Some((number, _)) = lines.next() {
        return Err(at(number, "there is more after the checkpoint"));
    }
    let signed = open_checkpoint(&head.verifier_key, &foot.checkpoint).map_err(|e| ExportError::Checkpoint(e.to_string()))?;
    let computed = tree.head().map_err(|e| ExportError::Checkpoint(e.to_string()))?;
    if signed != computed {
        return Err(ExportError::Checkpoint("the entries are not the ones the signed checkpoint covers".to_owned()));
    }
    Ok((computed.size, hex(&computed.root)))
}
