//! Decisions as a browser makes them: a statement of what was shown and answered, signed by a key of its own.

use super::people::{Browser, Reply};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside::crypto::digest::sha256_hex;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use uuid::Uuid;

pub const RECORDING: &str = "recording-audio-video";
pub const CARE: &str = "care-by-video";

/// A statement that has everything, about a text in this language; permits these purposes and denies the others.
pub async fn statement(
    browser: &Browser,
    consultation: &str,
    text: &str,
    language: &str,
    recording: Option<&str>,
    permitted: &[&str],
) -> Value {
    let me = browser.get(&format!("/consultations/{consultation}/participants/me")).await.expect(200);
    let shown = browser.get(&format!("/consent-texts/{text}?language={language}")).await.expect(200);
    let all: Vec<String> = serde_json::from_value(shown.body["purposes"].clone()).expect("purposes");
    let denied: Vec<_> = all.iter().filter(|p| !permitted.contains(&p.as_str())).collect();
    json!({
        "kind": "bedside-consent-decision/1",
        "id": Uuid::from_u128(rand()),
        "consultation": consultation,
        "participant": me.str("id"),
        "recording": recording,
        "person": me.str("name"),
        "text": text,
        "version": shown.str("version"),
        "language": shown.str("language"),
        "digest": shown.str("digest"),
        "shown": sha256_hex(format!("{}\n\n{}", shown.str("title"), shown.str("body")).as_bytes()),
        "decision": if permitted.is_empty() { "deny" } else { "permit" },
        "permitted": permitted,
        "denied": denied,
        "capacity": "self",
        "representative": null,
        "at": "2026-01-01T10:00:00Z",
    })
}

fn rand() -> u128 {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("randomness");
    u128::from_be_bytes(bytes)
}

/// The body of a decision: the statement with an Ed25519 signature.
pub fn signed(statement: &Value) -> Value {
    let bytes = statement.to_string();
    let key = SigningKey::from_bytes(&[7; 32]);
    json!({
        "statement": bytes,
        "algorithm": "Ed25519",
        "public_key": URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        "signature": URL_SAFE_NO_PAD.encode(key.sign(bytes.as_bytes()).to_bytes()),
    })
}

/// The same with ECDSA over P-256, as browsers without Ed25519 sign.
pub fn signed_es256(statement: &Value) -> Value {
    use p256::ecdsa::signature::Signer as _;
    let bytes = statement.to_string();
    let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).expect("key");
    let signature: p256::ecdsa::Signature = key.sign(bytes.as_bytes());
    json!({
        "statement": bytes,
        "algorithm": "ES256",
        "public_key": URL_SAFE_NO_PAD.encode(key.verifying_key().to_sec1_point(false).as_bytes()),
        "signature": URL_SAFE_NO_PAD.encode(signature.to_bytes()),
    })
}

pub async fn send(browser: &Browser, consultation: &str, body: Value) -> Reply {
    browser.post(&format!("/consultations/{consultation}/consents"), body).await
}

/// Answers a text of the consultation.
pub async fn answer(browser: &Browser, consultation: &str, text: &str, permitted: &[&str]) -> Reply {
    send(browser, consultation, signed(&statement(browser, consultation, text, "en", None, permitted).await)).await
}

/// Answers a recording: with sound and picture, or with no.
pub async fn decide(browser: &Browser, consultation: &str, recording: &str, decision: &str) -> Reply {
    let permitted: &[&str] = match decision {
        "permit" => &["recording_audio", "recording_video"],
        "sound" => &["recording_audio"],
        "deny" => &[],
        other => panic!("{other}"),
    };
    send(browser, consultation, signed(&statement(browser, consultation, RECORDING, "en", Some(recording), permitted).await)).await
}

/// Withdraws from a recording, without a signature.
pub async fn withdraw(browser: &Browser, consultation: &str, recording: &str) -> Reply {
    browser.post(&format!("/consultations/{consultation}/consents/withdraw"), json!({"recording": recording})).await
}
