//! Proofs about the audit log, made from its tiles: that an entry is in it (RFC 6962, section 2.1.1), and that it only grew (2.1.2).

use crate::crypto::digest::sha256_hex;
use crate::crypto::signing::{TreeHead, open_checkpoint};
use crate::crypto::tree::{
    HASH_LENGTH, Hashes, TILE_WIDTH, consistency_needs, consistency_proof, hashes_from, inclusion_needs, inclusion_proof, tiles_of,
};
use crate::domain::access::{Caller, Permit, ReadAudit};
use crate::domain::audit::{Event, Outcome};
use crate::domain::patient::FieldError;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::services::throttle::Tried;
use crate::storage::audit::{self, StoredCheckpoint};
use crate::storage::database::Tx;
use std::collections::HashMap;

/// What a browser can find contradicts the log it saw before.
pub const CONTRADICTIONS: [&str; 4] = ["another_key", "shorter", "not_grown", "bad_signature"];
/// No checkpoint is longer.
const LONGEST_NOTE: usize = 4_096;

/// An entry, and what shows that it is in the log.
pub struct ProvedEntry {
    /// Its place.
    pub index: u64,
    /// Its canonical text.
    pub body: String,
    /// The proof that leads from it to the root.
    pub proof: Vec<[u8; 32]>,
    /// The signed checkpoint with that root.
    pub checkpoint: StoredCheckpoint,
    /// Its personal values, as disclosures.
    pub disclosures: Vec<String>,
}

/// The log has grown from one size to another and did nothing else.
pub struct Grown {
    /// The size before.
    pub from: u64,
    /// The proof.
    pub proof: Vec<[u8; 32]>,
    /// The newest checkpoint.
    pub checkpoint: StoredCheckpoint,
}

/// Stored hashes, out of the tiles they are in.
pub(crate) async fn stored_hashes(tx: &mut Tx, indexes: &[u64]) -> Result<Hashes, ServiceError> {
    let mut tiles = HashMap::new();
    for (level, index) in tiles_of(indexes) {
        let tile = audit::tile(tx, level, index).await?.ok_or(ServiceError::Integrity)?;
        tiles.insert((level, index), tile);
    }
    hashes_from(indexes, &tiles).map_err(|_| ServiceError::Integrity)
}

/// The inclusion proof of an entry in the tree of `size` entries.
pub(crate) async fn prove_inclusion(tx: &mut Tx, size: u64, index: u64) -> Result<Vec<[u8; 32]>, ServiceError> {
    let hashes = stored_hashes(tx, &inclusion_needs(size, index)).await?;
    inclusion_proof(size, index, &hashes).map_err(|_| ServiceError::Integrity)
}

/// The consistency proof from the tree of `old` entries to that of `new`.
pub(crate) async fn prove_growth(tx: &mut Tx, new: u64, old: u64) -> Result<Vec<[u8; 32]>, ServiceError> {
    let hashes = stored_hashes(tx, &consistency_needs(new, old)).await?;
    consistency_proof(new, old, &hashes).map_err(|_| ServiceError::Integrity)
}

impl Services {
    /// An entry with its inclusion proof, for whoever may read the log.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such entry, or not yet under a checkpoint.
    pub async fn proved_entry(&self, permit: &Permit<ReadAudit>, index: u64) -> Result<Recorded<ProvedEntry>, ServiceError> {
        let proved = {
            let mut read = self.database.read().await?;
            let checkpoint =
                audit::latest_checkpoint(read.tx()).await?.filter(|c| c.size > index).ok_or(ServiceError::NotFound("entry"))?;
            let stored = audit::range(read.tx(), index, index + 1).await?;
            let entry = stored.first().ok_or(ServiceError::Integrity)?;
            let proof = prove_inclusion(read.tx(), checkpoint.size, index).await?;
            let disclosures = self.disclosures(read.tx(), &stored).await?.into_iter().next().unwrap_or_default();
            ProvedEntry { index, body: entry.body.clone(), proof, checkpoint, disclosures }
        };
        let entry = self.entry(Event::AuditEntryRead, permit.caller())?.with("index", index).with("disclosed", proved.disclosures.len());
        self.recorded(entry, proved).await
    }

    /// What shows that the log of `from` entries, which someone saw before, is the beginning of the present one; without it, the present one
    /// alone. Tells sizes and hashes and nothing else.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for a size that the log does not have.
    pub async fn growth(&self, from: Option<u64>) -> Result<Grown, ServiceError> {
        let mut read = self.database.read().await?;
        let Some(from) = from else {
            let checkpoint = audit::latest_checkpoint(read.tx()).await?.ok_or(ServiceError::NotFound("checkpoint"))?;
            return Ok(Grown { from: 0, proof: Vec::new(), checkpoint });
        };
        let checkpoint =
            audit::latest_checkpoint(read.tx()).await?.filter(|c| 0 < from && from <= c.size).ok_or(ServiceError::NotFound("size"))?;
        let proof = if from == checkpoint.size { Vec::new() } else { prove_growth(read.tx(), checkpoint.size, from).await? };
        Ok(Grown { from, proof, checkpoint })
    }

    /// Takes down that a browser was shown a log that contradicts the one it saw before.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`]; [`ServiceError::Validation`] for what is no contradiction.
    pub async fn report_contradiction(&self, caller: &Caller, kind: &str, seen: &str) -> Result<(), ServiceError> {
        self.throttle.attempt(Tried::Report, caller.network(), self.now()).map_err(|refused| ServiceError::Throttled(refused.wait))?;
        if !CONTRADICTIONS.contains(&kind) || seen.len() > LONGEST_NOTE {
            return Err(ServiceError::Validation(vec![FieldError {
                name: "kind",
                message: "must be one of the contradictions that are documented",
            }]));
        }
        let ours = open_checkpoint(self.verifier_key(), seen).ok();
        tracing::error!(
            kind,
            signed_with_our_key = ours.is_some(),
            "a browser was shown an audit log that contradicts the one it saw before"
        );
        let mut entry = self.entry(Event::AuditContradicted, caller)?.ended(Outcome::Failure).with("kind", kind);
        entry = entry.with("seen_digest", sha256_hex(seen.as_bytes())).with("signed_with_our_key", ours.is_some());
        if let Some(head) = ours {
            entry = entry.with("seen_size", head.size);
        }
        self.record(entry).await
    }

    /// A tile of hashes (C2SP tlog-tiles): the first `width` of them.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the log has no such tile, or not so wide.
    pub async fn tile(&self, level: u8, index: u64, width: u64) -> Result<Vec<u8>, ServiceError> {
        let mut read = self.database.read().await?;
        let hashes = audit::tile(read.tx(), level, index).await?.ok_or(ServiceError::NotFound("tile"))?;
        let wanted = usize::try_from(width.min(TILE_WIDTH)).unwrap_or(0) * HASH_LENGTH;
        hashes.get(..wanted).map(<[u8]>::to_vec).ok_or(ServiceError::NotFound("tile"))
    }

    /// What a signed checkpoint says, if this server's log signed it.
    pub(crate) fn head(&self, checkpoint: &StoredCheckpoint) -> Result<TreeHead, ServiceError> {
        open_checkpoint(self.verifier_key(), &checkpoint.note).map_err(|_| ServiceError::Integrity)
    }
}
