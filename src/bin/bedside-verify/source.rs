//! The files of an export: inside a tar archive, or in a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where the files of an export are.
pub(crate) enum Source {
    Folder(PathBuf),
    Archive { file: File, places: HashMap<String, (u64, u64)> },
}

/// No file of an export is larger: 256 entries of 64 KiB.
const LARGEST: u64 = 256 * (65_535 + 2);

/// Opens an export.
pub(crate) fn open(path: &Path) -> io::Result<Source> {
    if path.is_dir() {
        return Ok(Source::Folder(path.to_owned()));
    }
    let mut archive = tar::Archive::new(File::open(path)?);
    let mut places = HashMap::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let place = (entry.raw_file_position(), entry.size());
        if places.insert(name.clone(), place).is_some() {
            return Err(io::Error::other(format!("{name} is there twice")));
        }
    }
    Ok(Source::Archive { file: File::open(path)?, places })
}

impl Source {
    /// A file's content; `None` if there is no such file.
    pub(crate) fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => match std::fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Self::Archive { file, places } => {
                let Some((position, size)) = places.get(name) else { return Ok(None) };
                if *size > LARGEST && name != "disclosures" {
                    return Err(io::Error::other(format!("{name} is too large")));
                }
                let mut bytes = vec![0; usize::try_from(*size).map_err(io::Error::other)?];
                file.seek(SeekFrom::Start(*position))?;
                file.read_exact(&mut bytes)?;
                Ok(Some(bytes))
            }
        }
    }

    /// The names of the files in one folder of the export.
    pub(crate) fn below(&self, folder: &str) -> io::Result<Vec<String>> {
        match self {
            Self::Folder(root) => match std::fs::read_dir(root.join(folder)) {
                Ok(items) => items.map(|item| Ok(format!("{folder}/{}", item?.file_name().to_string_lossy()))).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            },
            Self::Archive { places, .. } => {
                let start = format!("{folder}/");
                Ok(places.keys().filter(|name| name.starts_with(&start)).cloned().collect())
            }
        }
    }

    /// The names of all files.
    pub(crate) fn all(&self) -> io::Result<Vec<String>> {
        let root = match self {
            Self::Archive { places, .. } => return Ok(places.keys().filter(|name| !name.ends_with('/')).cloned().collect()),
            Self::Folder(root) => root,
        };
        let (mut names, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(&folder)? {
                let path = item?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(root) {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
        }
        Ok(names)
    }
}
