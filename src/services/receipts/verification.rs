//! Checking a receipt with nothing but the file and, better, a key that was kept elsewhere.

use crate::crypto::browser_signature::Algorithm;
use crate::crypto::digest::{hex, sha256, sha256_hex, unhex};
use crate::crypto::signing::{fingerprint, open_checkpoint, verify_by};
use crate::crypto::tree::{is_included, leaf_hash};
use crate::domain::statement::Statement;
use crate::policy::catalogue::former_words;
use crate::services::receipts::verification::ReceiptError::Altered;
use crate::services::receipts::{FORMAT, PURPOSE};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// What a receipt turned out to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Each thing that holds, in words.
    pub holds: Vec<String>,
    /// What the receipt does not carry, so that it proves less.
    pub lacks: Vec<String>,
    /// Fingerprint of the key it was checked with.
    pub fingerprint: String,
    /// Whether that key was given, rather than taken from the file.
    pub trusted: bool,
}

/// Why a receipt is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is not a receipt.
    #[error("this is not a consent receipt of a known format")]
    Format,
    /// It names another key than the trusted one.
    #[error("the receipt names another key than the trusted one")]
    Key,
    /// Something in it was altered.
    #[error("{0}")]
    Altered(&'static str),
}

/// What was found so far.
#[derive(Default)]
struct Found {
    holds: Vec<String>,
    lacks: Vec<String>,
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()
}

/// Checks everything a receipt carries against everything else in it.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_receipt(file: &str, trusted_key: Option<&str>) -> Result<Checked, ReceiptError> {
    let whole: Value = serde_json::from_str(file).map_err(|_| ReceiptError::Format)?;
    let body = &whole["receipt"];
    let key = whole["verifier_key"].as_str().ok_or(ReceiptError::Format)?;
    if body["format"] != FORMAT {
        return Err(ReceiptError::Format);
    }
    if trusted_key.is_some_and(|trusted| trusted != key) {
        return Err(ReceiptError::Key);
    }
    let canonical = serde_json_canonicalizer::to_vec(body).map_err(|_| ReceiptError::Format)?;
    let signature = whole["signature"].as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or(ReceiptError::Format)?;
    if !verify_by(key, PURPOSE, &canonical, &signature) {
        return Err(Altered("the clinic's signature does not hold: the receipt was altered, or another key made it"));
    }
    let mut found = Found::default();
    found.holds.push("The clinic signed this receipt, and nothing of it was changed since.".to_owned());
    check_words(body, &mut found)?;
    let signature_digest = check_statement(body, &mut found)?;
    check_log(&whole, key, signature_digest.as_deref(), &mut found)?;
    Ok(Checked { holds: found.holds, lacks: found.lacks, fingerprint: fingerprint(key), trusted: trusted_key.is_some() })
}

/// The words that were shown are those the decision names.
fn check_words(body: &Value, found: &mut Found) -> Result<(), ReceiptError> {
    match body["text"]["file"].as_str() {
        None => found.lacks.push("The words that were shown are not in the receipt.".to_owned()),
        Some(file) => {
            let (title, words) = former_words(file).ok_or(Altered("the words cannot be read"))?;
            let shown = body["text"]["shown"].as_str().unwrap_or_default();
            if body["text"]["digest"] != sha256_hex(file.as_bytes()) {
                return Err(Altered("the words are not the ones the decision names"));
            }
            if !shown.is_empty() && shown != hex(&sha256(&[title.as_bytes(), b"\n\n", words.as_bytes()])) {
                return Err(Altered("the words are not the ones that were on the screen"));
            }
            found.holds.push(format!("These are the words that were shown: “{title}”."));
        }
    }
    Ok(())
}

/// What was signed in the person's browser is this decision. Answers the digest of that signature.
fn check_statement(body: &Value, found: &mut Found) -> Result<Option<String>, ReceiptError> {
    let signed = &body["statement"];
    let mut signature_digest = None;
    match signed["bytes"].as_str() {
        None => found.lacks.push("The statement that was signed in the person's browser is not in the receipt.".to_owned()),
        Some(bytes) => {
            let algorithm = signed["algorithm"].as_str().and_then(Algorithm::parse);
            let (public, made) = (bytes_of(&signed["public_key"]), bytes_of(&signed["signature"]));
            let made_it = match (algorithm, public, &made) {
                (Some(algorithm), Some(public), Some(made)) => algorithm.verify(&public, bytes.as_bytes(), made),
                _ => false,
            };
            if !made_it {
                return Err(Altered("the signature of the person's browser does not hold"));
            }
            signature_digest = made.map(|made| sha256_hex(&made));
            let statement = Statement::parse(bytes).map_err(|_| Altered("the signed statement cannot be read"))?;
            let says = [
                (body["receipt_id"] == statement.id.to_string(), "the signed statement is another decision's"),
                (body["consultation"] == statement.consultation.to_string(), "the signed statement is of another consultation"),
                (body["participant"] == statement.participant.to_string(), "the signed statement is another person's"),
                (
                    body["recording"].as_str() == statement.recording.map(|id| id.to_string()).as_deref(),
                    "the signed statement is about another recording",
                ),
                (body["person"] == statement.person.as_str(), "the signed statement names another person"),
                (body["decision"] == statement.decision.as_str(), "the signed statement says otherwise"),
                (body["permitted"] == serde_json::json!(statement.permitted), "the signed statement permits otherwise"),
                (body["denied"] == serde_json::json!(statement.denied), "the signed statement denies otherwise"),
                (body["capacity"] == statement.capacity.as_str(), "the signed statement was made in another capacity"),
                (
                    body["representative"] == serde_json::json!(statement.representative),
                    "the signed statement names another representative",
                ),
                (body["text"]["name"] == statement.shown.text.as_str(), "the signed statement is to another text"),
                (body["text"]["version"] == statement.shown.version.as_str(), "the signed statement is to another version"),
                (body["text"]["language"] == statement.shown.language.as_str(), "the signed statement is in another language"),
                (body["text"]["digest"] == statement.shown.digest.as_str(), "the signed statement is to other words"),
                (body["text"]["shown"] == statement.shown.shown.as_str(), "the signed statement is to other words"),
            ];
            if let Some((_, reason)) = says.into_iter().find(|(same, _)| !same) {
                return Err(Altered(reason));
            }
            found.holds.push(format!("A key made in the person's browser signed the decision: {}.", statement.decision.as_str()));
        }
    }
    Ok(signature_digest)
}

/// The decision is an entry of the log under a checkpoint signed by this key.
fn check_log(whole: &Value, key: &str, signature_digest: Option<&str>, found: &mut Found) -> Result<(), ReceiptError> {
    let (body, log) = (&whole["receipt"], &whole["log"]);
    match (log["entry"].as_str(), log["checkpoint"].as_str()) {
        (Some(entry), Some(note)) => {
            let head = open_checkpoint(key, note).map_err(|_| Altered("the log's checkpoint is not signed by the clinic's key"))?;
            let index = log["index"].as_u64().ok_or(Altered("the place in the log is missing"))?;
            let proof: Option<Vec<[u8; 32]>> =
                log["inclusion_proof"].as_array().and_then(|all| all.iter().map(|hash| unhex(hash.as_str()?)?.try_into().ok()).collect());
            let proof = proof.ok_or(Altered("the proof cannot be read"))?;
            if log["size"] != head.size || !is_included(&proof, head, index, leaf_hash(entry.as_bytes())) {
                return Err(Altered("the entry is not at its place in the log"));
            }
            let said: Value = serde_json::from_str(entry).map_err(|_| Altered("the entry cannot be read"))?;
            let names = |kind: &str, id: &Value| {
                said["entities"].as_array().is_some_and(|all| all.iter().any(|e| e["kind"] == kind && e["id"] == *id))
            };
            let detail = &said["detail"];
            let listed = |purposes: &Value| {
                let all = purposes.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
                Value::from(all.join(" "))
            };
            let same = names("consent", &body["receipt_id"])
                && names("participant", &body["participant"])
                && names("consultation", &body["consultation"])
                && (body["recording"].is_null() || names("recording", &body["recording"]))
                && said["at"] == body["decided_at"]
                && said["policy_digest"] == body["policy_digest"]
                && detail["decision"] == body["decision"]
                && detail["permitted"] == listed(&body["permitted"])
                && detail["denied"] == listed(&body["denied"])
                && detail["capacity"] == body["capacity"]
                && detail["method"] == body["method"]
                && detail["text"] == body["text"]["name"]
                && ["version", "language", "digest", "shown"].iter().all(|name| detail[name] == body["text"][name])
                && signature_digest.is_none_or(|digest| detail["signature"] == digest);
            if !same {
                return Err(Altered("the entry in the log is not about this decision"));
            }
            found.holds.push(format!("The decision is entry {index} of the clinic's log, under a checkpoint of {} entries.", head.size));
        }
        _ => found.lacks.push("The place of the decision in the log is not in the receipt.".to_owned()),
    }
    Ok(())
}
