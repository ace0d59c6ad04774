//! Where sealed parts lie: the trait the recorder writes through, and its implementation over plain files.
//!
//! One file per part, `<folder>/<recording>/<part>.part`: magic and format version, the length and bytes of a header, then for each chunk
//! its length and its ciphertext; all lengths are 32-bit big-endian. A file is made once, only ever appended to, and synced after each
//! chunk. Invariant: only sealed bytes get here, and what was synced stays readable whatever happens afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::id::{PartId, RecordingId};

const MAGIC: &[u8; 8] = b"BEDSPART";
const VERSION: u16 = 1;

/// Magic, version and length of the header.
const PREAMBLE: usize = 8 + 2 + 4;

/// No header is longer; bounds what a damaged file can make the server read.
const MAX_HEADER: usize = 16 * 1024;

/// No chunk is longer, likewise.
const MAX_CHUNK: u64 = 64 * 1024 * 1024;

const EXTENSION: &str = "part";

/// A part could not be written or read.
#[derive(Debug, Error)]
pub enum PartStoreError {
    /// The store failed or is full.
    #[error("recording storage: {0}")]
    Io(#[from] io::Error),
    /// There already is such a part; parts are never written anew.
    #[error("the part exists already")]
    Exists,
    /// There is no such part.
    #[error("there is no such part")]
    Missing,
    /// Not a part, or its header is damaged.
    #[error("the part's file is damaged")]
    Damaged,
    /// Longer than a part can hold.
    #[error("too long for a part's file")]
    TooLong,
}

/// Where a chunk's ciphertext lies in its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLocation {
    /// Bytes before it.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// What a part's file turns out to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// The header it was made with.
    pub header: Vec<u8>,
    /// Its complete chunks, in order.
    pub chunks: Vec<ChunkLocation>,
    /// Bytes of a last chunk that was never finished.
    pub torn_bytes: u64,
}

/// A part that is being written.
pub trait PartFile: Send {
    /// Appends one sealed chunk and makes it durable before returning.
    ///
    /// # Errors
    /// See [`PartStoreError`]. Nothing may be appended after an error: the file's end is unknown then.
    fn append(&mut self, sealed: &[u8]) -> Result<ChunkLocation, PartStoreError>;

    /// Closes the part for good.
    ///
    /// # Errors
    /// See [`PartStoreError`]; the chunks appended so far are durable all the same.
    fn finish(self: Box<Self>) -> Result<(), PartStoreError>;
}

/// A store of sealed parts.
pub trait PartStore: Send + Sync {
    /// Makes a part; when this returns, part and header are durable.
    ///
    /// # Errors
    /// [`PartStoreError::Exists`] if there is such a part already; else see [`PartStoreError`].
    fn create(&self, recording: RecordingId, part: PartId, header: &[u8]) -> Result<Box<dyn PartFile>, PartStoreError>;

    /// Reads what a part's file holds, by the file alone: for parts whose manifest was never made.
    ///
    /// # Errors
    /// See [`PartStoreError`].
    fn recover(&self, recording: RecordingId, part: PartId) -> Result<StoredPart, PartStoreError>;

    /// Reads one sealed chunk.
    ///
    /// # Errors
    /// [`PartStoreError::Damaged`] if the part is shorter; else see [`PartStoreError`].
    fn read(&self, recording: RecordingId, part: PartId, chunk: ChunkLocation) -> Result<Vec<u8>, PartStoreError>;

    /// The parts of a recording, by id; none if the recording is unknown.
    ///
    /// # Errors
    /// See [`PartStoreError`].
    fn parts(&self, recording: RecordingId) -> Result<Vec<PartId>, PartStoreError>;

    /// Removes every part of a recording. What cannot be opened any more because its keys are gone is not worth its space.
    ///
    /// # Errors
    /// See [`PartStoreError`].
    fn remove(&self, recording: RecordingId) -> Result<(), PartStoreError>;
}

/// Parts as files under one folder.
#[derive(Debug, Clone)]
pub struct RecordingFiles {
    folder: PathBuf,
}

impl RecordingFiles {
    /// A store under this folder, which is made when the first part is.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn recording_folder(&self, recording: RecordingId) -> PathBuf {
        self.folder.join(recording.to_string())
    }

    fn path(&self, recording: RecordingId, part: PartId) -> PathBuf {
        self.recording_folder(recording).join(part.to_string()).with_extension(EXTENSION)
    }

    fn open(&self, recording: RecordingId, part: PartId) -> Result<File, PartStoreError> {
        File::open(self.path(recording, part)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PartStoreError::Missing,
            _ => error.into(),
        })
    }
}

impl PartStore for RecordingFiles {
    fn create(&self, recording: RecordingId, part: PartId, header: &[u8]) -> Result<Box<dyn PartFile>, PartStoreError> {
        let length = u32::try_from(header.len()).ok().filter(|_| header.len() <= MAX_HEADER).ok_or(PartStoreError::TooLong)?;
        let folder = self.recording_folder(recording);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let opened = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(recording, part));
        let mut file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PartStoreError::Exists,
            _ => error.into(),
        })?;
        let preamble = [&MAGIC[..], &VERSION.to_be_bytes(), &length.to_be_bytes(), header].concat();
        file.write_all(&preamble)?;
        file.sync_all()?;
        // A file is durable only once its name is: in its folder, and the folder in the one above.
        sync_folder(&folder)?;
        sync_folder(&self.folder)?;
        Ok(Box::new(OpenFile { file, end: preamble.len() as u64, failed: false }))
    }

    fn recover(&self, recording: RecordingId, part: PartId) -> Result<StoredPart, PartStoreError> {
        let file = self.open(recording, part)?;
        let size = file.metadata()?.len();
        let mut preamble = [0; PREAMBLE];
        read_exact(&file, &mut preamble, 0)?;
        let length = u32::from_be_bytes([preamble[10], preamble[11], preamble[12], preamble[13]]);
        let header_length = usize::try_from(length).map_err(|_| PartStoreError::Damaged)?;
        if preamble[..8] != MAGIC[..] || preamble[8..10] != VERSION.to_be_bytes() || header_length > MAX_HEADER {
            return Err(PartStoreError::Damaged);
        }
        let mut header = vec![0; header_length];
        read_exact(&file, &mut header, PREAMBLE as u64)?;

        let mut chunks = Vec::new();
        let mut end = PREAMBLE as u64 + u64::from(length);
        while let Some(chunk) = next_chunk(&file, end, size)? {
            end = chunk.offset + u64::from(chunk.length);
            chunks.push(chunk);
        }
        Ok(StoredPart { header, chunks, torn_bytes: size - end })
    }

    fn read(&self, recording: RecordingId, part: PartId, chunk: ChunkLocation) -> Result<Vec<u8>, PartStoreError> {
        let length = usize::try_from(chunk.length).ok().filter(|_| u64::from(chunk.length) <= MAX_CHUNK).ok_or(PartStoreError::TooLong)?;
        let mut sealed = vec![0; length];
        read_exact(&self.open(recording, part)?, &mut sealed, chunk.offset)?;
        Ok(sealed)
    }

    fn parts(&self, recording: RecordingId) -> Result<Vec<PartId>, PartStoreError> {
        let entries = match fs::read_dir(self.recording_folder(recording)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut parts = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let stem = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION));
            parts.extend(stem.and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<PartId>().ok()));
        }
        parts.sort();
        Ok(parts)
    }

    fn remove(&self, recording: RecordingId) -> Result<(), PartStoreError> {
        for part in self.parts(recording)? {
            // the wrapped key first, which is in the header: what may be left of the file on the disk does not hold it
            let file = OpenOptions::new().write(true).open(self.path(recording, part))?;
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(PREAMBLE + MAX_HEADER);
            file.write_all_at(&vec![0; length], 0)?;
            file.sync_all()?;
        }
        match fs::remove_dir_all(self.recording_folder(recording)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The chunk that begins with its length at `at`, unless the file ends before the chunk does.
fn next_chunk(file: &File, at: u64, size: u64) -> Result<Option<ChunkLocation>, PartStoreError> {
    let offset = at + 4;
    if offset > size {
        return Ok(None);
    }
    let mut length = [0; 4];
    read_exact(file, &mut length, at)?;
    let length = u32::from_be_bytes(length);
    // Zero is what a file system leaves where a write was cut short by a power failure.
    let complete = length > 0 && u64::from(length) <= MAX_CHUNK && u64::from(length) <= size - offset;
    Ok(complete.then_some(ChunkLocation { offset, length }))
}

fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), PartStoreError> {
    file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => PartStoreError::Damaged,
        _ => error.into(),
    })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

struct OpenFile {
    file: File,
    end: u64,
    failed: bool,
}

impl PartFile for OpenFile {
    fn append(&mut self, sealed: &[u8]) -> Result<ChunkLocation, PartStoreError> {
        if self.failed {
            return Err(PartStoreError::Damaged);
        }
        let length = u32::try_from(sealed.len()).ok().filter(|length| (1..=MAX_CHUNK).contains(&u64::from(*length)));
        let length = length.ok_or(PartStoreError::TooLong)?;
        self.failed = true;
        self.file.write_all(&[&length.to_be_bytes()[..], sealed].concat())?;
        self.file.sync_data()?;
        self.failed = false;
        let chunk = ChunkLocation { offset: self.end + 4, length };
        self.end = chunk.offset + u64::from(length);
        Ok(chunk)
    }

    fn finish(self: Box<Self>) -> Result<(), PartStoreError> {
        self.file.sync_all()?;
        self.file.set_permissions(Permissions::from_mode(0o400))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ids() -> (RecordingId, PartId) {
        (RecordingId::from_uuid(Uuid::from_u128(1)), PartId::from_uuid(Uuid::from_u128(2)))
    }

    #[test]
    fn chunks_come_back_by_their_location_and_by_recovery() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path().join("recordings"));
        let (recording, part) = ids();
        let mut file = store.create(recording, part, b"header").unwrap();
        let chunks: Vec<_> = [&b"one"[..], b"second", b"3"].iter().map(|sealed| file.append(sealed).unwrap()).collect();
        file.finish().unwrap();
        assert_eq!(store.read(recording, part, chunks[1]).unwrap(), b"second");
        let stored = store.recover(recording, part).unwrap();
        assert_eq!(stored, StoredPart { header: b"header".to_vec(), chunks, torn_bytes: 0 });
        assert_eq!(store.parts(recording).unwrap(), [part]);
    }

    #[test]
    fn a_file_cut_anywhere_gives_all_complete_chunks_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path());
        let (recording, part) = ids();
        let mut file = store.create(recording, part, b"header").unwrap();
        let chunks: Vec<_> = [30, 7, 50].iter().map(|length| file.append(&vec![9; *length]).unwrap()).collect();
        drop(file);
        let path = store.path(recording, part);
        let whole = fs::read(&path).unwrap();
        for cut in (0..whole.len()).rev() {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
            let complete = chunks.iter().filter(|chunk| chunk.offset + u64::from(chunk.length) <= cut as u64).count();
            match store.recover(recording, part) {
                Ok(stored) => assert_eq!(stored.chunks, chunks[..complete], "cut at {cut}"),
                Err(error) => assert!(matches!(error, PartStoreError::Damaged) && cut < PREAMBLE + 6, "cut at {cut}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_removed_leaves_no_wrapped_key_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path().join("recordings"));
        let (recording, part) = ids();
        store.create(recording, part, b"the wrapped key").unwrap().append(&[7; 100]).unwrap();
        // another name for the same bytes, as a disk keeps them
        let kept = folder.path().join("kept");
        fs::hard_link(store.path(recording, part), &kept).unwrap();
        store.remove(recording).unwrap();
        assert!(store.parts(recording).unwrap().is_empty());
        let left = fs::read(kept).unwrap();
        assert!(left.iter().all(|byte| *byte == 0) && left.len() > 100);
        store.remove(recording).expect("removing what is gone is no error");
    }

    #[test]
    fn zeros_after_the_last_chunk_are_torn_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path());
        let (recording, part) = ids();
        let mut file = store.create(recording, part, b"header").unwrap();
        file.append(b"one").unwrap();
        drop(file);
        OpenOptions::new().append(true).open(store.path(recording, part)).unwrap().write_all(&[0; 100]).unwrap();
        let stored = store.recover(recording, part).unwrap();
        assert_eq!((stored.chunks.len(), stored.torn_bytes), (1, 100));
    }

    #[test]
    fn a_part_is_never_made_twice_and_its_owner_alone_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path().join("recordings"));
        let (recording, part) = ids();
        let file = store.create(recording, part, b"header").unwrap();
        assert!(matches!(store.create(recording, part, b"other"), Err(PartStoreError::Exists)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&store.path(recording, part)), 0o600);
        assert_eq!(mode(&store.recording_folder(recording)), 0o700);
        file.finish().unwrap();
        assert_eq!(mode(&store.path(recording, part)), 0o400);
    }

    #[test]
    fn what_is_missing_damaged_or_out_of_bounds_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordingFiles::new(folder.path());
        let (recording, part) = ids();
        assert!(matches!(store.recover(recording, part), Err(PartStoreError::Missing)));
        assert_eq!(store.parts(recording).unwrap(), []);
        let mut file = store.create(recording, part, b"header").unwrap();
        assert!(matches!(file.append(&[]), Err(PartStoreError::TooLong)));
        let chunk = file.append(b"one").unwrap();
        let beyond = ChunkLocation { offset: chunk.offset + 1, ..chunk };
        assert!(matches!(store.read(recording, part, beyond), Err(PartStoreError::Damaged)));
        let huge = ChunkLocation { length: u32::MAX, ..chunk };
        assert!(matches!(store.read(recording, part, huge), Err(PartStoreError::TooLong)));
        fs::write(store.path(recording, part), b"something else entirely").unwrap();
        assert!(matches!(store.recover(recording, part), Err(PartStoreError::Damaged)));
        assert!(matches!(store.create(recording, part, &vec![0; MAX_HEADER + 1]), Err(PartStoreError::TooLong)));
    }
}
