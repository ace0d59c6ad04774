//! `bedside-verify`: checks what a Bedside server exported of its audit log, without that server and without a line of its code.
//!
//! A second opinion: the tree and its proofs (RFC 6962, section 2.1) and the signed checkpoints (C2SP tlog-checkpoint, signed-note) are
//! implemented here once more, from their specifications. Of cryptography it uses the SHA-256 and Ed25519 of vetted crates.

mod bundle;
mod disclosure;
mod entry;
mod note;
mod source;
mod tree;

use clap::Parser;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks an exported audit log, or one exported entry, offline.
///
/// Ends with 0 if everything holds, with 1 if something does not (and names the first entry that is not proved), with 2 if the file cannot be read.
#[derive(Parser)]
#[command(name = "bedside-verify", version)]
struct Arguments {
    /// The export: a .tar file, a folder it was unpacked into, or the JSON of one entry with its proof.
    file: PathBuf,
    /// The log's verifier key, as the clinic told it or as it was kept. Without it the key in the file is believed.
    #[arg(long)]
    key: Option<String>,
    /// A checkpoint that was kept from an earlier occasion. The log must have grown from it. Can be given several times.
    #[arg(long = "checkpoint")]
    checkpoints: Vec<PathBuf>,
    /// Verifier key of a witness that must have signed a checkpoint in the export. Can be given several times.
    #[arg(long = "witness")]
    witnesses: Vec<String>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// What the check gave.
#[derive(Debug)]
pub(crate) struct Holds {
    /// What was checked, in words.
    pub(crate) lines: Vec<String>,
    /// Entries that are proved.
    pub(crate) entries: u64,
    /// Root of the tree, lower-case hex.
    pub(crate) root: String,
    /// The key that signed.
    pub(crate) key: String,
    /// Its fingerprint, as people compare it.
    pub(crate) fingerprint: String,
}

/// Why a file is not proved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The file is not what it should be, or cannot be read.
    Unreadable(String),
    /// From this entry on nothing is proved.
    Bad {
        /// The first bad entry.
        index: u64,
        /// Where it could not be told more exactly: the first entry after it that is good again, or the end.
        before: Option<u64>,
        /// What is wrong.
        reason: String,
    },
}

impl Failure {
    /// A bad entry that is known exactly.
    pub(crate) fn at(index: u64, reason: &str) -> Self {
        Self::Bad { index, before: None, reason: reason.to_owned() }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = check(&arguments);
    let file = arguments.file.display();
    let (text, code) = match &outcome {
        Ok(holds) if arguments.json => {
            let answer = json!({"ok": true, "entries": holds.entries, "root": holds.root, "key": holds.key, "checked": holds.lines});
            (answer.to_string(), 0)
        }
        Ok(holds) => {
            let mut lines = vec![format!("{file}: complete and unchanged.")];
            lines.extend(holds.lines.iter().map(|line| format!("  + {line}")));
            lines.push(format!("Root hash    {}", holds.root));
            lines.push(format!("Key          {}", holds.key));
            lines.push(format!("Fingerprint  {}", holds.fingerprint));
            if arguments.key.is_none() {
                lines.push("The key was taken from the file itself, which shows only that the file agrees with itself:".to_owned());
                lines.push("compare its fingerprint with the clinic's, or give --key.".to_owned());
            }
            (lines.join("\n"), 0)
        }
        Err(Failure::Bad { index, before, reason }) if arguments.json => {
            (json!({"ok": false, "first_bad": index, "before": before, "reason": reason}).to_string(), 1)
        }
        Err(Failure::Bad { index, before: Some(before), reason }) => {
            (format!("{file}: NOT PROVED from entry {index} on, somewhere before entry {before}: {reason}"), 1)
        }
        Err(Failure::Bad { index, before: None, reason }) => (format!("{file}: NOT PROVED, first bad entry {index}: {reason}"), 1),
        Err(Failure::Unreadable(reason)) if arguments.json => (json!({"ok": false, "unreadable": reason}).to_string(), 2),
        Err(Failure::Unreadable(reason)) => (format!("{file}: cannot be checked: {reason}"), 2),
    };
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::from(code)
}

fn check(arguments: &Arguments) -> Result<Holds, Failure> {
    let unreadable = |what: &PathBuf, error: io::Error| Failure::Unreadable(format!("{}: {error}", what.display()));
    let mut kept = Vec::new();
    for path in &arguments.checkpoints {
        kept.push(std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?);
    }
    let trusted = arguments.key.as_deref().map(str::trim);
    if arguments.file.extension().is_some_and(|extension| extension == "json") {
        if !kept.is_empty() {
            return Err(Failure::Unreadable("a kept checkpoint can be compared with a whole export, not with one entry".to_owned()));
        }
        let text = std::fs::read_to_string(&arguments.file).map_err(|error| unreadable(&arguments.file, error))?;
        return entry::check(&text, trusted);
    }
    let source = source::open(&arguments.file).map_err(|error| unreadable(&arguments.file, error))?;
    bundle::check(source, trusted, &kept, &arguments.witnesses)
}
