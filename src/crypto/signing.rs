//! The log's signature: Ed25519 (RFC 8032) in the C2SP signed-note form over C2SP checkpoints.

use crate::crypto::digest::sha256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};
use zeroize::Zeroizing;

const ED25519: u8 = 1;

/// A checkpoint could not be made or is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The key is not a signing key for a valid origin.
    #[error("the signing key is not usable: {0}")]
    Key(String),
    /// The text is not a signed checkpoint.
    #[error("not a signed checkpoint: {0}")]
    Malformed(String),
    /// The signature is not by the expected key.
    #[error("the checkpoint's signature does not verify")]
    Signature,
    /// It speaks of another log.
    #[error("the checkpoint is of another log")]
    Origin,
}

/// Signs checkpoints and manifests on behalf of this installation.
pub struct LogSigner {
    origin: String,
    note_signer: StandardSigner,
    key: SigningKey,
    verifier_key: String,
}

/// A verified tree head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of entries.
    pub size: u64,
    /// Root hash (RFC 6962, section 2.1).
    pub root: [u8; 32],
}

impl LogSigner {
    /// From a 32-byte seed and the log's origin line.
    ///
    /// # Errors
    /// If the origin cannot name a key (it must have neither space nor plus).
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        let key = SigningKey::from_bytes(seed);
        let public = [&[ED25519], key.verifying_key().as_bytes().as_slice()].concat();
        let id = {
            let hash = sha256(&[origin.as_bytes(), b"\n", &public]);
            u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
        };
        let private = Zeroizing::new([&[ED25519], seed.as_slice()].concat());
        let encoded = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{id:08x}+{}", STANDARD.encode(private.as_slice())));
        let note_signer = StandardSigner::new(&encoded).map_err(|e| CheckpointError::Key(e.to_string()))?;
        let verifier_key = format!("{origin}+{id:08x}+{}", STANDARD.encode(&public));
        Ok(Self { origin: origin.to_owned(), note_signer, key, verifier_key })
    }

    /// The public half, in the C2SP verifier key form; safe to publish.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        &self.verifier_key
    }

    /// The log's origin line.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Signs a tree head into a note.
    ///
    /// # Errors
    /// If the note cannot be built.
    pub fn sign_checkpoint(&self, head: TreeHead) -> Result<String, CheckpointError> {
        let malformed = |e: String| CheckpointError::Malformed(e);
        let checkpoint = Checkpoint::new(&self.origin, head.size, Hash(head.root), "").map_err(|e| malformed(e.to_string()))?;
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).map_err(|e| malformed(e.to_string()))?;
        note.add_sigs(&[&self.note_signer]).map_err(|e| malformed(e.to_string()))?;
        String::from_utf8(note.to_bytes()).map_err(|e| malformed(e.to_string()))
    }

    /// Signs bytes of another kind (a recording's manifest), separated from checkpoints by `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: &str, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(&bound(purpose, bytes)).to_bytes().to_vec()
    }

    /// Whether [`LogSigner::sign`] made this signature.
    #[must_use]
    pub fn verify(&self, purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
        verify_with(&self.key.verifying_key(), purpose, bytes, signature)
    }
}

fn bound(purpose: &str, bytes: &[u8]) -> Vec<u8> {
    [b"bedside/", purpose.as_bytes(), b"\0", bytes].concat()
}

fn verify_with(key: &VerifyingKey, purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(&bound(purpose, bytes), &signature).is_ok())
}

/// Whether the holder of a verifier key made a signature of [`LogSigner::sign`].
#[must_use]
pub fn verify_by(verifier_key: &str, purpose: &str, bytes: &[u8], signature: &[u8]) -> bool {
    let Some(public) = public_key(verifier_key) else { return false };
    VerifyingKey::from_bytes(&public).is_ok_and(|key| verify_with(&key, purpose, bytes, signature))
}

/// SHA-256 of the public key in a verifier key, lower-case hex in groups of four: what people compare. Empty for what is not one.
#[must_use]
pub fn fingerprint(verifier_key: &str) -> String {
    let hash = public_key(verifier_key).map(|key| crate::crypto::digest::sha256_hex(&key)).unwrap_or_default();
    hash.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect::<Vec<_>>().join(" ")
}

fn public_key(verifier_key: &str) -> Option<[u8; 32]> {
    let bytes = STANDARD.decode(verifier_key.splitn(3, '+').nth(2)?).ok()?;
    bytes.strip_prefix(&[ED25519]).and_then(|key| key.try_into().ok())
}

/// Reads a signed checkpoint and checks origin and signature against a verifier key.
///
/// # Errors
/// See [`CheckpointError`].
pub fn open_checkpoint(verifier_key: &str, note: &str) -> Result<TreeHead, CheckpointError> {
    let malformed = |e: String| CheckpointError::Malformed(e);
    let origin = verifier_key.split('+').next().unwrap_or_default();
    let verifier = StandardVerifier::new(verifier_key).map_err(|e| CheckpointError::Key(e.to_string()))?;
    let note = Note::from_bytes(note.as_bytes()).map_err(|e| malformed(e.to_string()))?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|_| CheckpointError::Signature)?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|e| malformed(e.to_string()))?;
    if checkpoint.origin() != origin {
        return Err(CheckpointError::Origin);
    }
    Ok(TreeHead { size: checkpoint.size(), root: checkpoint.hash().0 })
}

/// A witness's Ed25519 cosignature (C2SP tlog-cosignature).
const COSIGNATURE: u8 = 4;

/// The public key in a witness's verifier key.
fn witness_key(verifier_key: &str) -> Option<(&str, [u8; 4], VerifyingKey)> {
    let mut parts = verifier_key.splitn(3, '+');
    let (name, id, encoded) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
    let public: [u8; 32] = encoded.strip_prefix(&[COSIGNATURE])?.try_into().ok()?;
    let hash = sha256(&[name.as_bytes(), b"\n", &encoded]);
    let stated = u32::from_str_radix(id, 16).ok()?.to_be_bytes();
    (hash[..4] == stated).then_some((name, stated, VerifyingKey::from_bytes(&public).ok()?))
}

/// Whether a text is the verifier key of a witness that cosigns with Ed25519.
#[must_use]
pub fn is_witness_key(verifier_key: &str) -> bool {
    witness_key(verifier_key).is_some()
}

/// Checks a line of a witness under a checkpoint (C2SP tlog-cosignature, format of a timestamped signature); gives when it was signed, in
/// seconds since 1970. `None` if the witness did not sign this checkpoint so.
#[must_use]
pub fn open_cosignature(verifier_key: &str, note: &str, line: &str) -> Option<u64> {
    let (name, id, key) = witness_key(verifier_key)?;
    let encoded = line.strip_prefix("\u{2014} ")?.strip_prefix(name)?.strip_prefix(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let signed_at = u64::from_be_bytes(bytes.strip_prefix(&id)?.first_chunk::<8>().copied()?);
    let signature = Signature::from_slice(bytes.get(12..)?).ok()?;
    let (text, _) = note.split_once("\n\n")?;
    let message = format!("cosignature/v1\ntime {signed_at}\n{text}\n");
    key.verify_strict(message.as_bytes(), &signature).is_ok().then_some(signed_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: TreeHead = TreeHead { size: 3, root: [7; 32] };

    /// RFC 8032, section 7.1, TEST 1: the key pair of the published seed.
    #[test]
    fn the_public_key_agrees_with_rfc_8032() {
        let seed: [u8; 32] = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b,
            0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let signer = LogSigner::new("clinic.example/audit", &seed).expect("key");
        assert_eq!(
            crate::crypto::digest::hex(signer.key.verifying_key().as_bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn a_checkpoint_verifies_only_under_its_own_key_and_unchanged() {
        let signer = LogSigner::new("clinic.example/audit", &[1; 32]).expect("key");
        let other = LogSigner::new("clinic.example/audit", &[2; 32]).expect("key");
        let note = signer.sign_checkpoint(HEAD).expect("sign");
        assert_eq!(open_checkpoint(signer.verifier_key(), &note).expect("verify"), HEAD);
        assert!(open_checkpoint(other.verifier_key(), &note).is_err());
        assert!(open_checkpoint(signer.verifier_key(), &note.replacen("\n3\n", "\n4\n", 1)).is_err());
        assert!(LogSigner::new("has space", &[1; 32]).is_err());
    }

    /// A witness as C2SP tlog-cosignature describes one: its key, and its line under a checkpoint.
    fn witness(seed: u8, note: &str, time: u64) -> (String, String) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let encoded = [&[COSIGNATURE], key.verifying_key().as_bytes().as_slice()].concat();
        let id = &sha256(&[b"witness.example/w", b"\n", &encoded])[..4];
        let text = note.split("\n\n").next().expect("text");
        let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}\n").as_bytes());
        let line = [id, &time.to_be_bytes(), &signature.to_bytes()].concat();
        let verifier_key = format!("witness.example/w+{}+{}", crate::crypto::digest::hex(id), STANDARD.encode(&encoded));
        (verifier_key, format!("\u{2014} witness.example/w {}", STANDARD.encode(line)))
    }

    #[test]
    fn a_cosignature_holds_for_its_checkpoint_witness_and_time_alone() {
        let note = LogSigner::new("clinic.example/audit", &[1; 32]).expect("key").sign_checkpoint(HEAD).expect("sign");
        let (key, line) = witness(5, &note, 1_770_000_000);
        assert_eq!(open_cosignature(&key, &note, &line), Some(1_770_000_000));
        assert!(is_witness_key(&key));
        assert_eq!(open_cosignature(&key, &note.replacen("\n3\n", "\n4\n", 1), &line), None);
        let (other_key, other_line) = witness(6, &note, 1_770_000_000);
        assert!(open_cosignature(&other_key, &note, &line).is_none() && open_cosignature(&key, &note, &other_line).is_none());
        let log = LogSigner::new("clinic.example/audit", &[1; 32]).expect("key");
        assert!(!is_witness_key(log.verifier_key()), "a log's own key is none");
        for broken in ["", "\u{2014} witness.example/w", "\u{2014} witness.example/w AAAA", "witness.example/w x"] {
            assert_eq!(open_cosignature(&key, &note, broken), None);
        }
    }

    #[test]
    fn a_signature_for_one_purpose_serves_no_other() {
        let signer = LogSigner::new("clinic.example/audit", &[1; 32]).expect("key");
        let signature = signer.sign("manifest", b"x");
        assert!(signer.verify("manifest", b"x", &signature));
        assert!(!signer.verify("receipt", b"x", &signature) && !signer.verify("manifest", b"y", &signature));
        assert!(verify_by(signer.verifier_key(), "manifest", b"x", &signature));
        let other = LogSigner::new("clinic.example/audit", &[2; 32]).expect("key");
        assert!(!verify_by(other.verifier_key(), "manifest", b"x", &signature) && !verify_by("nonsense", "manifest", b"x", &signature));
        assert_ne!(fingerprint(signer.verifier_key()), fingerprint(other.verifier_key()));
        assert_eq!(fingerprint(signer.verifier_key()).len(), 79);
    }
}
