//! The key ring: the versioned key-encryption key and everything derived from the master key.
//!
//! data key ← content key of a subject ← key-encryption key ← key provider. The provider here is a local key file; the trait leaves
//! room for a hardware module or a key service. Losing the file loses every recording: that is the point of it.

use crate::crypto::digest::hex;
use crate::crypto::entropy::{Entropy, EntropyError};
use crate::crypto::envelope::{OpenError, SecretKey, WrappedKey, unwrap, wrap};
use crate::crypto::one_time_code::normalised;
use crate::domain::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use zeroize::Zeroizing;

const FILE: &str = "master.key";
const HEADER: &str = "bedside-master-key-v1";

/// Keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file could not be read or made.
    #[error("key file: {0}")]
    File(#[from] io::Error),
    /// It is not a key file.
    #[error("the key file is malformed")]
    Malformed,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A wrapped key does not open: wrong key ring, or altered.
    #[error("a wrapped key does not open under this key ring")]
    Open,
    /// The subject's keys were destroyed.
    #[error("the keys of this subject were destroyed")]
    Destroyed,
}

impl From<OpenError> for KeyError {
    fn from(_: OpenError) -> Self {
        Self::Open
    }
}

/// Where key-encryption keys come from.
pub trait KeyProvider: Send + Sync {
    /// The version new keys are wrapped under.
    fn current_version(&self) -> u32;
    /// The master key of a version; `None` if this provider does not hold it.
    fn master(&self, version: u32) -> Option<&SecretKey>;
}

/// A key provider that keeps its master key in a file of the operator's.
pub struct LocalKeyFile(SecretKey);

impl LocalKeyFile {
    /// Opens `<folder>/master.key`, making folder and key if there is none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open_or_create(folder: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&Zeroizing::new(text)),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                let mut bytes = Zeroizing::new([0_u8; 32]);
                entropy.fill(bytes.as_mut_slice())?;
                let text = Zeroizing::new(format!("{HEADER} {}\n", STANDARD.encode(bytes.as_slice())));
                write_private(&path, text.as_bytes())?;
                Ok(Self(SecretKey::from_bytes(*bytes)))
            }
            Err(other) => Err(other.into()),
        }
    }

    fn parse(text: &str) -> Result<Self, KeyError> {
        let encoded = text.trim_end().strip_prefix(HEADER).ok_or(KeyError::Malformed)?.trim_start();
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Malformed)?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed)?;
        Ok(Self(SecretKey::from_bytes(bytes)))
    }
}

impl KeyProvider for LocalKeyFile {
    fn current_version(&self) -> u32 {
        1
    }

    fn master(&self, version: u32) -> Option<&SecretKey> {
        (version == 1).then_some(&self.0)
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The two keys of a subject, wrapped, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedSubjectKeys {
    /// Version of the key-encryption key.
    pub version: u32,
    /// Protects media, chat and names; goes at erasure.
    pub content: Vec<u8>,
    /// Protects consents and audit values; goes when its own legal period ends.
    pub evidence: Vec<u8>,
}

/// Wraps and unwraps subject keys and derives the installation's fixed keys.
pub struct KeyRing {
    provider: Box<dyn KeyProvider>,
    entropy: std::sync::Arc<dyn Entropy>,
}

impl KeyRing {
    /// A ring over a provider.
    #[must_use]
    pub fn new(provider: Box<dyn KeyProvider>, entropy: std::sync::Arc<dyn Entropy>) -> Self {
        Self { provider, entropy }
    }

    /// Fresh keys for a subject, wrapped under the current key-encryption key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new_subject(&self, subject: &str) -> Result<WrappedSubjectKeys, KeyError> {
        let version = self.provider.current_version();
        let kek = self.derive(version, "key-encryption")?;
        let make = |which: &str| -> Result<Vec<u8>, KeyError> {
            let key = SecretKey::generate(self.entropy.as_ref())?;
            Ok(wrap(&kek, &key, &context(subject, which, version), self.entropy.as_ref())?.into_bytes())
        };
        Ok(WrappedSubjectKeys { version, content: make("content")?, evidence: make("evidence")? })
    }

    /// A fresh evidence key for a subject that has no content of its own, such as an account, wrapped under the current key-encryption key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new_evidence(&self, subject: &str) -> Result<(u32, Vec<u8>), KeyError> {
        let version = self.provider.current_version();
        let key = SecretKey::generate(self.entropy.as_ref())?;
        let kek = self.derive(version, "key-encryption")?;
        Ok((version, wrap(&kek, &key, &context(subject, "evidence", version), self.entropy.as_ref())?.into_bytes()))
    }

    /// A subject's content key.
    ///
    /// # Errors
    /// [`KeyError::Open`] under another ring, or if the wrapped key was altered or belongs to another subject.
    pub fn content_key(&self, subject: &str, keys: &WrappedSubjectKeys) -> Result<SecretKey, KeyError> {
        let kek = self.derive(keys.version, "key-encryption")?;
        Ok(unwrap(&kek, &WrappedKey::from_bytes(keys.content.clone()), &context(subject, "content", keys.version))?)
    }

    /// A subject's evidence key: for consents and for personal values of the audit log, which outlive the content.
    ///
    /// # Errors
    /// As [`KeyRing::content_key`].
    pub fn evidence_key(&self, subject: &str, version: u32, wrapped: &[u8]) -> Result<SecretKey, KeyError> {
        let kek = self.derive(version, "key-encryption")?;
        Ok(unwrap(&kek, &WrappedKey::from_bytes(wrapped.to_vec()), &context(subject, "evidence", version))?)
    }

    /// Seed of the log's signing key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn signing_seed(&self) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        self.expand(1, "log-signing")
    }

    /// The blind index term of a search word: a keyed hash, so that the index tells nothing without the ring.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn blind_index(&self, word: &str) -> Result<String, KeyError> {
        let key = self.expand(1, "blind-index")?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice()).map_err(|_| KeyError::Malformed)?;
        mac.update(word.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()[..16]))
    }

    /// The stored form of a one-time code that belongs to `owner`: a keyed hash, because a short code could be guessed from a plain one.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn code_hash(&self, owner: &str, code: &Secret) -> Result<String, KeyError> {
        let key = self.expand(1, "one-time-code")?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice()).map_err(|_| KeyError::Malformed)?;
        mac.update(format!("{owner}/").as_bytes());
        mac.update(normalised(code).expose().as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    }

    /// The peppers of passwords, version 1 up to `versions`.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn peppers(&self, versions: u32) -> Result<Vec<Zeroizing<[u8; 32]>>, KeyError> {
        (1..=versions.max(1)).map(|version| self.expand(1, &format!("password-pepper/{version}"))).collect()
    }

    /// The key that seals what belongs to staff accounts, such as the secrets of authenticator apps.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn staff_key(&self) -> Result<SecretKey, KeyError> {
        self.derive(1, "staff")
    }

    /// The key that seals protective acts while they wait for the log.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn spool_key(&self) -> Result<SecretKey, KeyError> {
        self.derive(1, "spool")
    }

    /// A demo password: derived, stable across restarts, stored nowhere.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn demo_password(&self, username: &str) -> Result<String, KeyError> {
        let bytes = self.expand(1, &format!("demo-password/{username}"))?;
        let text = URL_SAFE_NO_PAD.encode(&bytes[..15]);
        Ok(text.as_bytes().chunks(5).map(|c| String::from_utf8_lossy(c).replace(['-', '_'], "x")).collect::<Vec<_>>().join("-"))
    }

    fn derive(&self, version: u32, purpose: &str) -> Result<SecretKey, KeyError> {
        Ok(SecretKey::from_bytes(*self.expand(version, purpose)?))
    }

    fn expand(&self, version: u32, purpose: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let master = self.provider.master(version).ok_or(KeyError::Open)?;
        let mut out = Zeroizing::new([0_u8; 32]);
        Hkdf::<Sha256>::new(None, master.as_bytes())
            .expand(format!("bedside/{purpose}").as_bytes(), out.as_mut_slice())
            .map_err(|_| KeyError::Malformed)?;
        Ok(out)
    }
}

fn context(subject: &str, which: &str, version: u32) -> Vec<u8> {
    format!("bedside/subject-key/{which}/{version}/{subject}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;
    use std::sync::Arc;

    fn ring(folder: &Path) -> KeyRing {
        KeyRing::new(Box::new(LocalKeyFile::open_or_create(folder, &SystemEntropy).expect("key file")), Arc::new(SystemEntropy))
    }

    /// RFC 5869, appendix A.1.
    #[test]
    fn hkdf_agrees_with_rfc_5869() {
        let mut okm = [0_u8; 42];
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22]).expand(&info, &mut okm).expect("length");
        assert_eq!(hex(&okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    }

    #[test]
    fn another_ring_or_another_subject_opens_nothing() {
        let (a, b) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        let (ours, theirs) = (ring(a.path()), ring(b.path()));
        let keys = ours.new_subject("p1").expect("keys");
        assert_eq!(
            ours.content_key("p1", &keys).expect("opens").as_bytes(),
            ring(a.path()).content_key("p1", &keys).expect("opens after restart").as_bytes()
        );
        assert!(matches!(theirs.content_key("p1", &keys), Err(KeyError::Open)));
        assert!(matches!(ours.content_key("p2", &keys), Err(KeyError::Open)));
    }

    #[test]
    fn demo_passwords_are_stable_long_and_different() {
        let dir = tempfile::tempdir().expect("dir");
        let (one, again) = (ring(dir.path()).demo_password("a").expect("derives"), ring(dir.path()).demo_password("a").expect("derives"));
        assert_eq!(one, again);
        assert!(one.len() >= 20 && one != ring(dir.path()).demo_password("b").expect("derives"));
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let _ = ring(dir.path());
        assert_eq!(fs::metadata(dir.path().join(FILE)).expect("file").permissions().mode() & 0o777, 0o600);
    }
}
