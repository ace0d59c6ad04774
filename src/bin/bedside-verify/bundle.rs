//! Checks an exported log from its first entry to its last.

use crate::note::{Checkpoint, Key, Witness};
use crate::source::Source;
use crate::tree::{Growing, Hash, hex, leaf};
use crate::{Failure, Holds, disclosure};
use std::collections::BTreeMap;
use std::io;

const WIDTH: u64 = 256;

/// Checks an export. Checkpoints that were kept elsewhere must fit as well.
pub(crate) fn check(mut source: Source, trusted: Option<&str>, kept: &[String], witnesses: &[String]) -> Result<Holds, Failure> {
    let io = |error: io::Error| Failure::Unreadable(error.to_string());
    let unreadable = |reason: &str| Failure::Unreadable(reason.to_owned());
    let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let stated = text(source.read("verifier-key").map_err(io)?).ok_or_else(|| unreadable("there is no verifier-key in it"))?;
    let key = Key::parse(trusted.unwrap_or(&stated)).ok_or_else(|| unreadable("the verifier key is not one"))?;
    if stated.trim() != key.text() {
        return Err(Failure::at(0, "the export names another key than the trusted one"));
    }
    let note = text(source.read("checkpoint").map_err(io)?).ok_or_else(|| Failure::at(0, "the checkpoint is missing"))?;
    let newest = key.open(&note).map_err(|reason| Failure::at(0, &format!("the checkpoint: {reason}")))?;
    let mut checkpoints = checkpoints(&mut source, &key, &newest, kept)?;
    let seen_by = cosigned(&mut source, &key, &newest, witnesses, &mut checkpoints)?;

    let mut tree = Growing::default();
    let mut disclosed = Disclosed::read(&mut source, newest.size)?;
    // up to here everything is under a signature that fits
    let mut good = 0;
    for tile in 0..newest.size.div_ceil(WIDTH) {
        let width = (newest.size - tile * WIDTH).min(WIDTH);
        let first = tile * WIDTH;
        let name = tile_name(tile, width);
        let missing = |what: &str| Failure::at(first, &format!("{what} are missing from here on"));
        let hashes = source.read(&format!("tile/0/{name}")).map_err(io)?.ok_or_else(|| missing("hashes"))?;
        let bundle = source.read(&format!("tile/entries/{name}")).map_err(io)?.ok_or_else(|| missing("entries"))?;
        let mut entries = Entries(&bundle);
        let mut hashes = hashes.chunks_exact(32);
        for index in first..first + width {
            let entry = entries.take().ok_or_else(|| Failure::at(index, "the entry is missing"))?;
            let hash = leaf(entry);
            if hashes.next() != Some(hash.as_slice()) {
                return Err(Failure::at(index, "the entry is not the one that was written here"));
            }
            disclosed.check(index, entry)?;
            tree.push(hash);
            if let Some(root) = checkpoints.get(&tree.size()) {
                if *root != tree.root() {
                    let reason = "the entries are not the ones that the signed checkpoint was made over";
                    return Err(Failure::Bad { index: good, before: Some(tree.size()), reason: reason.to_owned() });
                }
                good = tree.size();
            }
        }
        if !entries.0.is_empty() || hashes.next().is_some() {
            return Err(Failure::at(first + width, "there is more than the log had"));
        }
    }
    if newest.size == 0 && newest.root != tree.root() {
        return Err(Failure::at(0, "the checkpoint of an empty log has another root"));
    }
    upper_tiles(&mut source, newest.size)?;
    if let Some(name) = source.all().map_err(io)?.into_iter().find(|name| !belongs(name, newest.size)) {
        return Err(Failure::at(newest.size, &format!("there is more than the log had: {name}")));
    }
    let mut lines = vec![format!("{} entries, each in its place, none missing and none added.", newest.size)];
    lines.push(format!("{} signed checkpoints fit the entries before them.", checkpoints.len()));
    if !kept.is_empty() {
        lines.push(format!("The log has grown from {} checkpoints that were kept elsewhere.", kept.len()));
    }
    lines.extend(seen_by);
    if disclosed.count > 0 {
        lines.push(format!("{} disclosed personal values are the ones that were written down.", disclosed.count));
    }
    Ok(Holds { lines, entries: newest.size, root: hex(&newest.root), key: key.text().to_owned(), fingerprint: key.fingerprint() })
}

/// Whether a file belongs to an export of a log of this size. Nothing is taken along that nobody checked.
fn belongs(name: &str, size: u64) -> bool {
    let Some(tile) = name.strip_prefix("tile/") else {
        return matches!(name, "checkpoint" | "verifier-key" | "disclosures" | "README")
            || name.starts_with("checkpoints/")
            || name.starts_with("cosigned/");
    };
    let Some((level, place)) = tile.split_once('/') else { return false };
    let level = if level == "entries" { Some(0) } else { level.parse::<u32>().ok().filter(|l| *l < 8 && l.to_string() == level) };
    let Some(count) = level.map(|level| size >> (8 * level)) else { return false };
    let index =
        place.split(".p/").next().unwrap_or_default().split('/').try_fold(0_u64, |sum, part| {
            part.trim_start_matches('x').parse::<u64>().ok().and_then(|n| sum.checked_mul(1_000)?.checked_add(n))
        });
    index.is_some_and(|tile| tile < count.div_ceil(WIDTH) && place == tile_name(tile, (count - tile * WIDTH).min(WIDTH)))
}

/// Every signed checkpoint by size. Two of one size that differ show that the log was forked.
fn checkpoints(source: &mut Source, key: &Key, newest: &Checkpoint, kept: &[String]) -> Result<BTreeMap<u64, Hash>, Failure> {
    let io = |error: io::Error| Failure::Unreadable(error.to_string());
    let mut all = BTreeMap::from([(newest.size, newest.root)]);
    let mut add = |checkpoint: Checkpoint, whence: &str| {
        if checkpoint.size > newest.size {
            let reason = format!("{whence} covers {} entries: the log was cut short", checkpoint.size);
            return Err(Failure::at(newest.size, &reason));
        }
        match all.insert(checkpoint.size, checkpoint.root) {
            Some(other) if other != checkpoint.root => {
                let reason = format!("two signed checkpoints of {} entries differ: the log was forked", checkpoint.size);
                Err(Failure::Bad { index: 0, before: Some(checkpoint.size), reason })
            }
            _ => Ok(()),
        }
    };
    for name in source.below("checkpoints").map_err(io)? {
        let stated = name.rsplit('/').next().and_then(|size| size.parse::<u64>().ok());
        let note = source.read(&name).map_err(io)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let index = stated.unwrap_or(0).saturating_sub(1);
        let checkpoint = key.open(&note).map_err(|reason| Failure::at(index, &format!("{name}: {reason}")))?;
        if stated != Some(checkpoint.size) {
            return Err(Failure::at(index, &format!("{name} is of another size")));
        }
        add(checkpoint, &name)?;
    }
    for note in kept {
        let checkpoint = key.open(note).map_err(|reason| Failure::Unreadable(format!("a kept checkpoint: {reason}")))?;
        add(checkpoint, "a checkpoint that was kept elsewhere")?;
    }
    Ok(all)
}

/// Checkpoints that witnesses signed as well: they are checkpoints like the others, and each witness that was named must have signed one.
fn cosigned(
    source: &mut Source,
    key: &Key,
    newest: &Checkpoint,
    witnesses: &[String],
    all: &mut BTreeMap<u64, Hash>,
) -> Result<Vec<String>, Failure> {
    let unreadable = |reason: String| Failure::Unreadable(reason);
    let witnesses = witnesses
        .iter()
        .map(|text| Witness::parse(text).ok_or_else(|| unreadable(format!("{text} is not the verifier key of a witness"))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut newest_by = vec![None::<(u64, u64)>; witnesses.len()];
    for name in source.below("cosigned").map_err(|e| unreadable(e.to_string()))? {
        let note = source.read(&name).map_err(|e| unreadable(e.to_string()))?.and_then(|bytes| String::from_utf8(bytes).ok());
        let note = note.unwrap_or_default();
        let checkpoint = key.open(&note).map_err(|reason| Failure::at(0, &format!("{name}: {reason}")))?;
        let index = checkpoint.size.saturating_sub(1);
        if checkpoint.size > newest.size || all.insert(checkpoint.size, checkpoint.root).is_some_and(|other| other != checkpoint.root) {
            return Err(Failure::at(index, &format!("{name} is of another log than the newest checkpoint")));
        }
        for (witness, latest) in witnesses.iter().zip(&mut newest_by) {
            let signed = witness.signed(&note).map(|time| (checkpoint.size, time));
            *latest = (*latest).max(signed);
        }
    }
    witnesses
        .iter()
        .zip(newest_by)
        .map(|(witness, latest)| {
            let (size, time) = latest.ok_or_else(|| Failure::at(0, &format!("no checkpoint in it was signed by {}", witness.name())))?;
            Ok(format!("{} saw the first {size} entries and signed for them at {time} (seconds since 1970).", witness.name()))
        })
        .collect()
}

/// The tiles above the first level follow from those below; other tools rely on them.
fn upper_tiles(source: &mut Source, size: u64) -> Result<(), Failure> {
    let io = |error: io::Error| Failure::Unreadable(error.to_string());
    let mut covered = 1_u64;
    for level in 1_u32.. {
        let count = size >> (8 * level);
        if count == 0 {
            return Ok(());
        }
        covered *= WIDTH;
        for tile in 0..count.div_ceil(WIDTH) {
            let width = (count - tile * WIDTH).min(WIDTH);
            let first = tile * WIDTH;
            let hashes = source.read(&format!("tile/{level}/{}", tile_name(tile, width))).map_err(io)?;
            let hashes = hashes.filter(|hashes| u64::try_from(hashes.len()).is_ok_and(|length| length == width * 32));
            let hashes = hashes.ok_or_else(|| Failure::at(first * covered, &format!("a tile of level {level} is missing")))?;
            for (below, hash) in (first..).zip(hashes.chunks_exact(32)) {
                let lower = source.read(&format!("tile/{}/{}", level - 1, tile_name(below, WIDTH))).map_err(io)?.unwrap_or_default();
                let mut tree = Growing::default();
                lower.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).for_each(|hash| tree.push(hash));
                if tree.root() != hash {
                    return Err(Failure::at(below * covered, &format!("a hash of level {level} does not fit the entries below it")));
                }
            }
        }
    }
    Ok(())
}

/// Entries as C2SP entry bundles have them: each after its length in two bytes.
struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    fn take(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(entry)
    }
}

/// The disclosures of an export, by entry.
struct Disclosed {
    by_entry: BTreeMap<u64, Vec<String>>,
    count: usize,
}

impl Disclosed {
    fn read(source: &mut Source, size: u64) -> Result<Self, Failure> {
        let bytes = source.read("disclosures").map_err(|error| Failure::Unreadable(error.to_string()))?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| Failure::Unreadable("the disclosures are not text".to_owned()))?;
        let mut by_entry: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut count = 0;
        for line in text.lines() {
            let value: serde_json::Value =
                serde_json::from_str(line).map_err(|_| Failure::Unreadable("a line of the disclosures is not JSON".to_owned()))?;
            let (Some(index), Some(disclosure)) = (value["index"].as_u64(), value["disclosure"].as_str()) else {
                return Err(Failure::Unreadable("a line of the disclosures is not one".to_owned()));
            };
            if index >= size {
                return Err(Failure::at(size, "a value is disclosed of an entry that the log does not have"));
            }
            by_entry.entry(index).or_default().push(disclosure.to_owned());
            count += 1;
        }
        Ok(Self { by_entry, count })
    }

    fn check(&mut self, index: u64, entry: &[u8]) -> Result<(), Failure> {
        for disclosure in self.by_entry.remove(&index).unwrap_or_default() {
            disclosure::check(entry, &disclosure).map_err(|reason| Failure::at(index, reason))?;
        }
        Ok(())
    }
}

fn tile_name(index: u64, width: u64) -> String {
    let mut groups = vec![format!("{:03}", index % 1_000)];
    let mut rest = index / 1_000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1_000));
        rest /= 1_000;
    }
    groups.reverse();
    let path = groups.join("/");
    if width < WIDTH { format!("{path}.p/{width}") } else { path }
}
