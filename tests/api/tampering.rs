//! Whatever is done to an exported log, the second program notices it and names the first bad entry.
//!
//! Every mutation is made at places that a fixed seed chooses; each kind is made many times.

use crate::support::verifier::verify;
use bedside::crypto::disclosure::{digest, disclose};
use bedside::crypto::entropy::SystemEntropy;
use bedside::crypto::signing::LogSigner;
use bedside::crypto::tree::{Edge, TilePlace, leaf_hash};
use bedside::services::bundle::tile_name;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const ENTRIES: u64 = 900;
/// Sizes at which a checkpoint was signed, the newest last.
const SIGNED: [u64; 6] = [1, 100, 256, 511, 700, ENTRIES];
const ORIGIN: &str = "clinic.example/audit";

/// An export as its files.
#[derive(Clone)]
struct Export(BTreeMap<String, Vec<u8>>);

fn entries() -> (Vec<Vec<u8>>, Vec<(u64, String)>) {
    let mut disclosed = Vec::new();
    let entries = (0..ENTRIES)
        .map(|n| {
            let network = disclose("network", &format!("192.0.2.{}", n % 250), &SystemEntropy).expect("salt");
            let body = json!({"id": format!("{n:08}"), "event": "consultation.read", "outcome": "success", "personal": {"network": digest(&network)}});
            disclosed.push((n, network));
            body.to_string().into_bytes()
        })
        .collect();
    (entries, disclosed)
}

/// An export as the server writes it, signed by whoever has the key.
fn export(entries: &[Vec<u8>], sizes: &[u64], signer: &LogSigner, disclosed: &[(u64, String)]) -> Export {
    let mut files = BTreeMap::from([("verifier-key".to_owned(), signer.verifier_key().as_bytes().to_vec())]);
    let mut tree = Edge::default();
    let mut tiles: HashMap<TilePlace, Vec<u8>> = HashMap::new();
    for (n, entry) in (1..).zip(entries) {
        tiles.extend(tree.append([leaf_hash(entry)]));
        if sizes.contains(&n) {
            let note = signer.sign_checkpoint(tree.head().expect("head")).expect("signed");
            let name = if n == entries.len() as u64 { "checkpoint".to_owned() } else { format!("checkpoints/{n}") };
            files.insert(name, note.into_bytes());
        }
    }
    for ((level, index), hashes) in tiles {
        files.insert(format!("tile/{level}/{}", tile_name(index, hashes.len() as u64 / 32)), hashes);
    }
    for (tile, some) in (0..).zip(entries.chunks(256)) {
        files.insert(format!("tile/entries/{}", tile_name(tile, some.len() as u64)), bundle(some));
    }
    let lines: Vec<String> =
        disclosed.iter().map(|(index, disclosure)| json!({"index": index, "disclosure": disclosure}).to_string()).collect();
    files.insert("disclosures".to_owned(), lines.join("\n").into_bytes());
    Export(files)
}

fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [&u16::try_from(entry.len()).expect("short").to_be_bytes()[..], entry].concat()).collect()
}

impl Export {
    fn entries_file(&mut self, tile: u64) -> &mut Vec<u8> {
        let start = format!("tile/entries/{tile:03}");
        let name = self.0.keys().find(|name| name.starts_with(&start)).expect("the tile").clone();
        self.0.get_mut(&name).expect("the file")
    }

    /// Puts other entries into one file, and leaves everything else.
    fn with_entries(&self, tile: u64, entries: &[Vec<u8>]) -> Self {
        let mut changed = self.clone();
        *changed.entries_file(tile) = bundle(entries);
        changed
    }

    fn check(&self, folder: &Path, arguments: &[&str]) -> (i32, Value) {
        let file = folder.join("export.tar");
        let mut archive = tar::Builder::new(std::fs::File::create(&file).expect("file"));
        for (name, content) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content.as_slice()).expect("written");
        }
        archive.finish().expect("written");
        let mut all = vec![file.to_str().expect("path")];
        all.extend(arguments);
        verify(&all)
    }
}

/// Numbers that are the same in every run (a linear congruential generator of 64 bits).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What is expected of a mutation: the first bad entry exactly, or somewhere between two places, this one among them.
enum Named {
    Exactly(u64),
    Around(u64),
}

#[test]
fn every_mutation_of_an_export_is_found_and_the_first_bad_entry_named() {
    let folder = tempfile::tempdir().expect("folder");
    let signer = LogSigner::new(ORIGIN, &[1; 32]).expect("key");
    let thief = LogSigner::new(ORIGIN, &[2; 32]).expect("key");
    let (log, disclosed) = entries();
    let good = export(&log, &SIGNED, &signer, &disclosed);
    let kept = folder.path().join("kept");
    std::fs::write(&kept, &good.0["checkpoint"]).expect("written");
    let key = ["--key", signer.verifier_key()];
    let with_kept = ["--key", signer.verifier_key(), "--checkpoint", kept.to_str().expect("path")];
    let (code, answer) = good.check(folder.path(), &with_kept);
    assert_eq!((code, answer["entries"].as_u64()), (0, Some(ENTRIES)), "{answer}");

    let mut chance = Chance(7);
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    let mut expect = |kind: &'static str, export: &Export, arguments: &[&str], named: Named| {
        let (code, answer) = export.check(folder.path(), arguments);
        assert_eq!(code, 1, "{kind}: {answer}");
        let first = answer["first_bad"].as_u64().unwrap_or_else(|| panic!("{kind}: {answer}"));
        match named {
            Named::Exactly(index) => assert_eq!(first, index, "{kind}: {answer}"),
            Named::Around(index) => {
                let before = answer["before"].as_u64().unwrap_or(first + 256);
                assert!((first..before).contains(&index), "{kind} of {index}: {answer}");
            }
        }
        *found.entry(kind).or_default() += 1;
    };
    let tile_of = |index: u64| {
        let from = index / 256 * 256;
        log[usize::try_from(from).expect("small")..usize::try_from((from + 256).min(ENTRIES)).expect("small")].to_vec()
    };
    let at = |index: u64| usize::try_from(index % 256).expect("small");

    for _ in 0..60 {
        // a bit flip anywhere in the entries, the lengths included
        let tile = chance.below(4);
        let mut changed = good.clone();
        let file = changed.entries_file(tile);
        let byte = usize::try_from(chance.below(file.len() as u64)).expect("small");
        file[byte] ^= 1 << chance.below(8);
        let mut index = tile * 256;
        let mut end = 0;
        for entry in tile_of(index) {
            end += 2 + entry.len();
            if byte < end {
                break;
            }
            index += 1;
        }
        expect("bit flip", &changed, &key, Named::Exactly(index));
    }
    for _ in 0..30 {
        let index = chance.below(ENTRIES);
        let mut entries = tile_of(index);
        entries.remove(at(index));
        expect("deletion", &good.with_entries(index / 256, &entries), &key, Named::Exactly(index));

        let index = chance.below(ENTRIES);
        let mut entries = tile_of(index);
        entries.insert(at(index), br#"{"event":"nothing.happened"}"#.to_vec());
        expect("insertion", &good.with_entries(index / 256, &entries), &key, Named::Exactly(index));

        let tile = chance.below(4);
        let mut entries = tile_of(tile * 256);
        let (one, two) = (chance.below(entries.len() as u64 - 1), 0);
        let two = one + 1 + chance.below(entries.len() as u64 - one - 1) + two;
        entries.swap(usize::try_from(one).expect("small"), usize::try_from(two).expect("small"));
        expect("reorder", &good.with_entries(tile, &entries), &key, Named::Exactly(tile * 256 + one));

        let index = chance.below(ENTRIES);
        let mut changed = good.clone();
        let text = String::from_utf8(changed.0["disclosures"].clone()).expect("text");
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).expect("a line");
                if line["index"] == index {
                    line["disclosure"] = json!(disclose("network", "198.51.100.1", &SystemEntropy).expect("salt"));
                }
                line.to_string()
            })
            .collect();
        changed.0.insert("disclosures".to_owned(), lines.join("\n").into_bytes());
        expect("altered disclosure", &changed, &key, Named::Exactly(index));
    }
    for _ in 0..15 {
        // cut at the end of a file, the rest of the export as it was
        let index = 1 + chance.below(ENTRIES - 1);
        let entries = tile_of(index)[..at(index)].to_vec();
        expect("truncation", &good.with_entries(index / 256, &entries), &key, Named::Exactly(index));

        // cut by someone who gives an older, properly signed checkpoint with it: only who kept a newer one can tell
        let size = SIGNED[usize::try_from(1 + chance.below(4)).expect("small")];
        let shorter = usize::try_from(size).expect("small");
        let cut = export(&log[..shorter], &SIGNED, &signer, &[]);
        assert_eq!(cut.check(folder.path(), &key).0, 0, "it is a good log by itself");
        expect("truncation with an older checkpoint", &cut, &with_kept, Named::Exactly(size));

        // an entry altered, with every hash made anew, by someone without the key
        let index = chance.below(ENTRIES);
        let mut other = log.clone();
        other[usize::try_from(index).expect("small")] = br#"{"event":"something.else"}"#.to_vec();
        let mut forged = export(&other, &[], &signer, &[]);
        for (name, note) in good.0.iter().filter(|(name, _)| name.starts_with("checkpoint")) {
            forged.0.insert(name.clone(), note.clone());
        }
        expect("alteration with new hashes", &forged, &key, Named::Around(index));

        // and by someone with the key: the log was split
        let mut split = export(&other, &SIGNED, &signer, &[]);
        assert_eq!(split.check(folder.path(), &key).0, 0, "it is a good log by itself");
        expect("fork", &split, &with_kept, Named::Around(index));
        let honest = SIGNED.iter().rev().find(|size| **size <= index);
        for size in SIGNED.iter().filter(|size| Some(*size) > honest && **size < ENTRIES) {
            split.0.insert(format!("checkpoints/{size}"), good.0[&format!("checkpoints/{size}")].clone());
        }
        if SIGNED.iter().any(|size| *size > index && *size < ENTRIES) {
            expect("fork beside an older checkpoint", &split, &key, Named::Around(index));
        }

        // signed with another key that goes by the same name
        let stolen = export(&log, &SIGNED, &thief, &disclosed);
        expect("wrong key", &stolen, &key, Named::Exactly(0));
        let mut hidden = stolen.clone();
        hidden.0.insert("verifier-key".to_owned(), signer.verifier_key().as_bytes().to_vec());
        expect("wrong key behind the right name", &hidden, &key, Named::Exactly(0));

        // a hash of an upper level, on which other tools rely
        let mut changed = good.clone();
        let name = changed.0.keys().find(|name| name.starts_with("tile/1/")).expect("a level").clone();
        let hashes = changed.0.get_mut(&name).expect("the file");
        let byte = usize::try_from(chance.below(hashes.len() as u64)).expect("small");
        hashes[byte] ^= 1 << chance.below(8);
        expect("hash of an upper level", &changed, &key, Named::Exactly(byte as u64 / 32 * 256));

        // files that nobody would look at
        let mut more = good.clone();
        let place = ["tile/entries/009", "tile/0/x001/000", "tile/3/000.p/1", "notes", "tile/entries/003"]
            [usize::try_from(chance.below(5)).expect("small")];
        more.0.insert(place.to_owned(), bundle(&tile_of(0)));
        expect("a file more", &more, &key, Named::Exactly(ENTRIES));

        // the checkpoint itself
        let mut changed = good.clone();
        let note = changed.0.get_mut("checkpoint").expect("a checkpoint");
        let text = note.windows(2).position(|pair| pair == b"\n\n").expect("a note") as u64;
        let byte = usize::try_from(chance.below(text)).expect("small");
        note[byte] ^= 1;
        expect("checkpoint", &changed, &key, Named::Exactly(0));
    }
    let total: u32 = found.values().sum();
    println!("{total} mutations, all found: {found:?}");
    assert!(total >= 200 && found.len() >= 8, "{found:?}");
}

#[test]
fn what_is_no_export_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("text.tar"), "not an archive").expect("written");
    std::fs::write(path("x.json"), "{}").expect("written");
    std::fs::create_dir(path("empty")).expect("folder");
    for name in ["text.tar", "x.json", "empty", "missing.tar"] {
        let (code, answer) = verify(&[&path(name)]);
        assert_eq!((code, answer["ok"].as_bool()), (2, Some(false)), "{name}: {answer}");
        assert!(answer["unreadable"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
    }
}
