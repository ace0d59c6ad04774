//! Checks one exported entry: that it is in the log that a signed checkpoint covers, and that its disclosed values are its own.

use crate::note::Key;
use crate::tree::{Hash, hex, leaf, root_of_inclusion};
use crate::{Failure, Holds, disclosure};
use serde_json::Value;

/// Checks the JSON that `GET /api/v1/audit/entries/{index}` gives.
pub(crate) fn check(text: &str, trusted: Option<&str>) -> Result<Holds, Failure> {
    let unreadable = |reason: &str| Failure::Unreadable(reason.to_owned());
    let value: Value = serde_json::from_str(text).map_err(|_| unreadable("it is not JSON"))?;
    let member = |name: &str| value[name].as_str().ok_or_else(|| Failure::Unreadable(format!("{name} is missing")));
    let (body, note, stated) = (member("body")?, member("checkpoint")?, member("verifier_key")?);
    let index = value["index"].as_u64().ok_or_else(|| unreadable("index is missing"))?;
    let key = Key::parse(trusted.unwrap_or(stated)).ok_or_else(|| unreadable("the verifier key is not one"))?;
    if stated != key.text() {
        return Err(Failure::at(index, "the entry names another key than the trusted one"));
    }
    let checkpoint = key.open(note).map_err(|reason| Failure::at(index, &format!("the checkpoint: {reason}")))?;
    let proof: Option<Vec<Hash>> =
        value["inclusion_proof"].as_array().and_then(|all| all.iter().map(|hash| unhex(hash.as_str()?)).collect());
    let proof = proof.ok_or_else(|| unreadable("inclusion_proof is not one"))?;
    if root_of_inclusion(index, checkpoint.size, leaf(body.as_bytes()), &proof) != Some(checkpoint.root) {
        return Err(Failure::at(index, "the entry is not at its place in the log"));
    }
    let mut lines = vec![format!("Entry {index} of {} is in the log that the checkpoint was signed over.", checkpoint.size)];
    for disclosed in value["disclosures"].as_array().into_iter().flatten() {
        let disclosed = disclosed.as_str().ok_or_else(|| unreadable("a disclosure is not text"))?;
        let (name, _) = disclosure::check(body.as_bytes(), disclosed).map_err(|reason| Failure::at(index, reason))?;
        lines.push(format!("The disclosed {name} is the one that was written down."));
    }
    let root = hex(&checkpoint.root);
    Ok(Holds { lines, entries: checkpoint.size, root, key: key.text().to_owned(), fingerprint: key.fingerprint() })
}

fn unhex(text: &str) -> Option<Hash> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if text.len() == 64 { bytes.try_into().ok() } else { None }
}
