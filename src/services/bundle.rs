//! The whole log as one file that anyone can check without this server: entries, tiles, checkpoints, key, and what was disclosed.
//!
//! A tar archive with the layout of C2SP tlog-tiles, so that other tools for such logs can read it too; `bedside-verify` checks it.

use crate::crypto::tree::{HASH_LENGTH, TILE_WIDTH};
use crate::domain::access::{ExportAudit, Permit};
use crate::domain::audit::Event;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::audit::{self, StoredEntry};
use crate::storage::audit_feeds;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks that wait for a slow reader.
const AHEAD: usize = 8;
/// How long whoever asked for an export may take nothing of it.
const STALLED: Duration = Duration::from_mins(1);

const README: &str = "This is an export of the audit log of a Bedside server.

Check it with:  bedside-verify FILE --key 'KEY'

KEY is the log's verifier key. Take it from the clinic, or from where you kept it, not from this file: the one in this
file shows only that the file agrees with itself.

checkpoint         the signed size and root of the log (C2SP tlog-checkpoint)
checkpoints/SIZE   earlier ones
verifier-key       the key they are signed with (C2SP signed-note)
tile/0/...         hashes of the entries, 256 in a tile (C2SP tlog-tiles); tile/1/... hashes of those, and so on
tile/entries/...   the entries: two bytes of length and the entry, 256 in a file
cosigned/<size>-<n> checkpoints that a witness signed as well (C2SP tlog-cosignature)
disclosures        personal values that were disclosed with the export, a line of JSON for each
";

/// What an export takes along beside the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclose {
    /// Nothing: personal values stay hashes.
    Nothing,
    /// Every personal value whose key still exists.
    Everything,
}

/// An export as it is written, piece by piece.
pub type Chunks = Receiver<Result<Vec<u8>, ServiceError>>;

impl Services {
    /// Begins an export; what comes out of the channel is the file.
    ///
    /// # Errors
    /// If the log cannot be read or the export not audited.
    pub async fn export_bundle(
        self: &Arc<Self>,
        permit: &Permit<ExportAudit>,
        disclose: Disclose,
    ) -> Result<Recorded<Chunks>, ServiceError> {
        self.nothing_pending()?;
        let disclosed = disclose == Disclose::Everything;
        let entry = self.entry(Event::AuditExported, permit.caller())?.with("format", "bundle").with("disclosed", disclosed);
        let (out, chunks) = channel(AHEAD);
        let (disclose, chunks) = self.recorded(entry, (disclose, chunks)).await?.unzip();
        let services = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = services.write_bundle(disclose, &out).await {
                // what is missing at its end shows that it is not whole
                let _ = out.send(Err(error)).await;
            }
        });
        Ok(chunks)
    }

    /// Writes an export that is on the record.
    async fn write_bundle(&self, disclose: Recorded<Disclose>, out: &Sender<Result<Vec<u8>, ServiceError>>) -> Result<(), ServiceError> {
        let disclose = disclose.into_inner();
        let mut read = self.database.read_much().await?;
        let checkpoints = audit::checkpoints(read.tx()).await?;
        let newest = checkpoints.last().ok_or(ServiceError::NotFound("checkpoint"))?;
        let mut tar = Tar { out, chunk: Vec::new() };
        tar.file("README", README.as_bytes()).await?;
        tar.file("verifier-key", format!("{}\n", self.verifier_key()).as_bytes()).await?;
        tar.file("checkpoint", newest.note.as_bytes()).await?;
        for earlier in checkpoints.iter().filter(|c| c.size < newest.size) {
            tar.file(&format!("checkpoints/{}", earlier.size), earlier.note.as_bytes()).await?;
        }
        for (n, (size, note)) in
            audit_feeds::cosigned(read.tx()).await?.into_iter().enumerate().filter(|(_, (size, _))| *size <= newest.size)
        {
            tar.file(&format!("cosigned/{size}-{n}"), note.as_bytes()).await?;
        }
        let mut disclosed = Vec::new();
        for tile in 0..newest.size.div_ceil(TILE_WIDTH) {
            let (from, to) = (tile * TILE_WIDTH, ((tile + 1) * TILE_WIDTH).min(newest.size));
            let name = tile_name(tile, to - from);
            let hashes = self.exact_tile(read.tx(), 0, tile, to - from).await?;
            let entries = audit::range(read.tx(), from, to).await?;
            tar.file(&format!("tile/0/{name}"), &hashes).await?;
            tar.file(&format!("tile/entries/{name}"), &entry_bundle(&entries)?).await?;
            if disclose == Disclose::Everything {
                for (entry, all) in entries.iter().zip(self.disclosures(read.tx(), &entries).await?) {
                    for disclosure in all {
                        disclosed.extend(json!({"index": entry.index, "disclosure": disclosure}).to_string().into_bytes());
                        disclosed.push(b'\n');
                    }
                }
            }
        }
        for level in 1_u8.. {
            let count = newest.size >> (8 * u32::from(level));
            if count == 0 {
                break;
            }
            for tile in 0..count.div_ceil(TILE_WIDTH) {
                let width = (count - tile * TILE_WIDTH).min(TILE_WIDTH);
                let hashes = self.exact_tile(read.tx(), level, tile, width).await?;
                tar.file(&format!("tile/{level}/{}", tile_name(tile, width)), &hashes).await?;
            }
        }
        if disclose == Disclose::Everything {
            tar.file("disclosures", &disclosed).await?;
        }
        tar.end().await
    }

    async fn exact_tile(&self, tx: &mut crate::storage::database::Tx, level: u8, tile: u64, width: u64) -> Result<Vec<u8>, ServiceError> {
        let mut hashes = audit::tile(tx, level, tile).await?.ok_or(ServiceError::Integrity)?;
        hashes.truncate(usize::try_from(width).unwrap_or(0) * HASH_LENGTH);
        Ok(hashes)
    }
}

/// The path of a tile below its level (C2SP tlog-tiles): groups of three digits, all but the last with an x before them.
#[must_use]
pub fn tile_name(index: u64, width: u64) -> String {
    let mut name = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1_000);
        rest /= 1_000;
    }
    if width < TILE_WIDTH { format!("{name}.p/{width}") } else { name }
}

/// Index and width of a tile, from its path below its level; `None` if it is not such a path.
#[must_use]
pub fn tile_place(name: &str) -> Option<(u64, u64)> {
    let (path, width) = match name.split_once(".p/") {
        Some((path, width)) => (path, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
        None => (name, TILE_WIDTH),
    };
    let mut index = 0_u64;
    for group in path.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
    }
    // every tile has one path
    (tile_name(index, width) == name).then_some((index, width))
}

/// Entries as C2SP entry bundles have them: each after its length in two bytes.
pub(crate) fn entry_bundle(entries: &[StoredEntry]) -> Result<Vec<u8>, ServiceError> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.body.len()).map_err(|_| ServiceError::Integrity)?.to_be_bytes());
        bytes.extend(entry.body.as_bytes());
    }
    Ok(bytes)
}

/// Hands a piece of an export to whoever asked for it. Who has gone away, or takes nothing for a minute, does not get the rest: a connection to
/// the database is held for them meanwhile.
pub(super) async fn hand_on(out: &Sender<Result<Vec<u8>, ServiceError>>, piece: Vec<u8>) -> Result<(), ServiceError> {
    out.send_timeout(Ok(piece), STALLED).await.map_err(|_| ServiceError::Internal("the export was given up".to_owned()))
}

/// Writes a tar archive (POSIX ustar) in chunks.
struct Tar<'a> {
    out: &'a Sender<Result<Vec<u8>, ServiceError>>,
    chunk: Vec<u8>,
}

impl Tar<'_> {
    async fn file(&mut self, name: &str, content: &[u8]) -> Result<(), ServiceError> {
        let internal = |e: std::io::Error| ServiceError::Internal(e.to_string());
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(internal)?;
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        header.set_mode(0o644);
        header.set_cksum();
        self.chunk.extend_from_slice(header.as_bytes());
        self.chunk.extend_from_slice(content);
        self.chunk.resize(self.chunk.len().next_multiple_of(512), 0);
        if self.chunk.len() >= 256 * 1024 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ServiceError> {
        hand_on(self.out, std::mem::take(&mut self.chunk)).await
    }

    async fn end(&mut self) -> Result<(), ServiceError> {
        self.chunk.resize(self.chunk.len() + 1_024, 0);
        self.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::{tile_name, tile_place};

    /// The examples of C2SP tlog-tiles.
    #[test]
    fn tiles_are_named_as_published() {
        assert_eq!(tile_name(1_234_067, 256), "x001/x234/067");
        assert_eq!(tile_name(1_234_067, 1), "x001/x234/067.p/1");
        assert_eq!(tile_name(0, 256), "000");
        assert_eq!(tile_place("x001/x234/067.p/1"), Some((1_234_067, 1)));
        assert_eq!((tile_place("000"), tile_place("x001/000")), (Some((0, 256)), Some((1_000, 256))));
        for wrong in ["", "0", "x000/001", "001/002", "x001", "000.p/0", "000.p/256", "000.p/", "../1", "000/"] {
            assert_eq!(tile_place(wrong), None, "{wrong}");
        }
    }
}
