//! Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), by hand.

use crate::tree::{Hash, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// A key that signs checkpoints: `origin+id+base64(0x01 ‖ public key)`.
pub(crate) struct Key {
    text: String,
    name: String,
    id: [u8; 4],
    public: VerifyingKey,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// A witness: it signs checkpoints of logs that it saw grow, with the time (C2SP tlog-cosignature).
pub(crate) struct Witness(Key);

impl Witness {
    /// Reads a witness's verifier key: `name+id+base64(0x04 ‖ public key)`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Key::of_kind(text, 4).map(Self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// When it signed a note, in seconds since 1970; `None` if it did not.
    pub(crate) fn signed(&self, note: &str) -> Option<u64> {
        let (text, signatures) = note.split_once("\n\n")?;
        signatures.lines().find_map(|line| {
            let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let bytes = STANDARD.decode(encoded).ok()?;
            let time = u64::from_be_bytes(bytes.get(4..12)?.try_into().ok()?);
            let signature = Signature::from_slice(bytes.get(12..)?).ok()?;
            let message = format!("cosignature/v1\ntime {time}\n{text}\n");
            let good =
                name == self.0.name && bytes.get(..4)? == self.0.id && self.0.public.verify_strict(message.as_bytes(), &signature).is_ok();
            good.then_some(time)
        })
    }
}

impl Key {
    /// Reads a verifier key. The id in it must be the hash of the rest, so that no two keys go by one id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::of_kind(text, 1)
    }

    fn of_kind(text: &str, kind: u8) -> Option<Self> {
        let text = text.trim();
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(key).ok()?;
        let (algorithm, public) = bytes.split_first()?;
        let hash: Hash = Sha256::new().chain_update(name).chain_update("\n").chain_update(&bytes).finalize().into();
        let computed = [hash[0], hash[1], hash[2], hash[3]];
        if *algorithm != kind || name.is_empty() || id != hex(&computed) {
            return None;
        }
        let public = VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
        Some(Self { text: text.to_owned(), name: name.to_owned(), id: computed, public })
    }

    /// The key as text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The fingerprint that a clinic publishes: SHA-256 of the public key, in groups of four.
    pub(crate) fn fingerprint(&self) -> String {
        let hex = hex(&Sha256::digest(self.public.as_bytes()));
        hex.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// What a note says, if this key signed it.
    pub(crate) fn open(&self, note: &str) -> Result<Checkpoint, &'static str> {
        let (text, signatures) = note.split_once("\n\n").ok_or("it is not a signed note")?;
        let text = format!("{text}\n");
        let signed = signatures.lines().any(|line| self.signed(&text, line).unwrap_or(false));
        if !signed {
            return Err("it is not signed with the log's key");
        }
        let mut lines = text.lines();
        if lines.next() != Some(&self.name) {
            return Err("it is of another log");
        }
        let size = lines.next().filter(|size| *size == "0" || !size.starts_with('0')).and_then(|size| size.parse().ok());
        let root = lines.next().and_then(|root| STANDARD.decode(root).ok()).and_then(|root| root.try_into().ok());
        match (size, root) {
            (Some(size), Some(root)) => Ok(Checkpoint { size, root }),
            _ => Err("it says no size and root"),
        }
    }

    fn signed(&self, text: &str, line: &str) -> Option<bool> {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(signature).ok()?;
        let (id, signature) = bytes.split_at_checked(4)?;
        let signature = Signature::from_slice(signature).ok()?;
        Some(name == self.name && id == self.id && self.public.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example note of C2SP signed-note is signed with an Ed25519 key of this form.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_note_is_signed_with_the_published_key() {
        let key = Key::parse(KEY).expect("a key");
        let (text, signature) = NOTE.split_once("\n\n").expect("a note");
        assert_eq!(key.signed(&format!("{text}\n"), signature.trim_end()), Some(true));
        assert_eq!(key.signed(&format!("{text}!\n"), signature.trim_end()), Some(false));
        assert_eq!(key.open(NOTE), Err("it is of another log"), "it is signed, and no checkpoint");
    }

    #[test]
    fn a_key_whose_id_is_not_its_hash_is_none() {
        assert!(Key::parse(&KEY.replace("c74f20a3", "c74f20a4")).is_none());
        for wrong in ["", "a+b", "name+00000000+AAAA", "PeterNeumann+c74f20a3+!!"] {
            assert!(Key::parse(wrong).is_none(), "{wrong}");
        }
    }
}
