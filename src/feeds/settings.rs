//! What a configuration says of feeds, and the TLS clients that follow from it.

use super::FeedError;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::ConfigVerifierExt;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a place may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How entries are written for another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The entry as JSON, with its place and leaf hash.
    #[default]
    Json,
    /// Common Event Format (CEF), version 0.
    Cef,
}

/// Certificates for speaking to a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
    /// PEM file of a certificate to show, with `key`.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
}

/// Where entries are forwarded to as they come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// What it is called in the pages and the operator's log: `a` to `z`, digits and `-`.
    pub name: String,
    /// `https://…`, or `syslog+tls://host:port` (RFC 5425; 6514 if none is given).
    pub to: String,
    /// How entries are written.
    #[serde(default)]
    pub format: Format,
    /// Whether network addresses go along.
    #[serde(default)]
    pub disclose: bool,
    /// File with a token for the `Authorization: Bearer` header.
    pub token_file: Option<PathBuf>,
    /// Certificates.
    #[serde(default)]
    pub tls: Tls,
}

/// Where signed checkpoints are copied to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyConfig {
    /// What it is called in the pages and the operator's log: `a` to `z`, digits and `-`.
    pub name: String,
    /// `file:///folder`, `s3+https://endpoint/bucket[/prefix]`, or `https://…`: with `witness`, the submission prefix of a C2SP
    /// tlog-witness, else an address that checkpoints are posted to.
    pub to: String,
    /// Verifier key of a C2SP tlog-witness.
    pub witness: Option<String>,
    /// File with a token for the `Authorization: Bearer` header; for an object store, with the access key's id and the key, a line each.
    pub token_file: Option<PathBuf>,
    /// Region of an object store.
    #[serde(default = "default_region")]
    pub region: String,
    /// For how many days an object store locks each copy (compliance mode).
    #[serde(default = "default_days")]
    pub lock_days: u32,
    /// How often, as long as the log grows.
    #[serde(default = "default_seconds")]
    pub every_seconds: u32,
    /// Certificates.
    #[serde(default)]
    pub tls: Tls,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

const fn default_days() -> u32 {
    2_190
}

const fn default_seconds() -> u32 {
    3_600
}

/// Refuses a name that is none, or one that is there twice.
///
/// # Errors
/// [`FeedError::Settings`].
pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), FeedError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !(1..=32).contains(&name.len()) || !plain || !seen.insert(name) {
            return Err(FeedError::Settings(format!("feed {name:?}: names are a to z, digits and -, up to 32 of them, each name once")));
        }
    }
    Ok(())
}

pub(super) fn wrong(name: &str, reason: impl std::fmt::Display) -> FeedError {
    FeedError::Settings(format!("feed {name}: {reason}"))
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, FeedError> {
    fs::read(path).map_err(|error| wrong(name, format!("{}: {error}", path.display())))
}

/// The content of a file that holds a secret, without what surrounds it.
pub(super) fn secret(name: &str, path: Option<&Path>) -> Result<Option<String>, FeedError> {
    path.map(|path| read(name, path).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())).transpose()
}

impl Tls {
    /// For a connection of our own.
    pub(super) fn client(&self, name: &str) -> Result<Arc<ClientConfig>, FeedError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = |path: &Path| {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(name, path)?).collect();
            all.ok().filter(|all| !all.is_empty()).ok_or_else(|| wrong(name, format!("{}: no certificate in it", path.display())))
        };
        let own = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(&read(name, key)?).map_err(|e| wrong(name, format!("{}: {e}", key.display())))?;
                Some((certificates(certificate)?, key))
            }
            (None, None) => None,
            _ => return Err(wrong(name, "tls.certificate and tls.key belong together")),
        };
        let config = match &self.authorities {
            None if own.is_none() => return Ok(Arc::new(ClientConfig::with_platform_verifier().map_err(|e| wrong(name, e))?)),
            None => return Err(wrong(name, "tls.certificate needs tls.authorities")),
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|e| wrong(name, e))?;
                }
                ClientConfig::builder().with_root_certificates(roots)
            }
        };
        Ok(Arc::new(match own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config.with_client_auth_cert(certificate, key).map_err(|e| wrong(name, e))?,
        }))
    }

    /// For HTTP.
    pub(super) fn http(&self, name: &str) -> Result<reqwest::Client, FeedError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        if let Some(path) = &self.authorities {
            let all = reqwest::Certificate::from_pem_bundle(&read(name, path)?).map_err(|e| wrong(name, e))?;
            client = client.tls_certs_only(all);
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            let pem = [read(name, certificate)?, read(name, key)?].concat();
            client = client.identity(reqwest::Identity::from_pem(&pem).map_err(|e| wrong(name, e))?);
        }
        client.build().map_err(|e| wrong(name, e))
    }
}

/// An HTTP address that secrets and entries may go to: `https`, or `http` on this machine.
pub(super) fn address(name: &str, text: &str) -> Result<reqwest::Url, FeedError> {
    let url: reqwest::Url = text.parse().map_err(|_| wrong(name, format!("{text} is no address")))?;
    let local = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    let plain = url.scheme() == "http" && local;
    if (url.scheme() != "https" && !plain) || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(name, "the address must begin with https:// and hold no password"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_each_is_there_once() {
        assert!(check_names(["siem", "worm-1"].into_iter()).is_ok());
        for bad in [["siem", "siem"], ["", "x"], ["SIEM", "x"], ["a b", "x"]] {
            assert!(check_names(bad.into_iter()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_leaves_in_the_clear() {
        for good in ["https://siem.example/in", "http://127.0.0.1:8088/in", "http://localhost/in"] {
            assert!(address("x", good).is_ok(), "{good}");
        }
        for bad in ["http://siem.example/in", "ftp://siem.example", "https://user:password@siem.example", "siem.example"] {
            assert!(address("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let tls = Tls { authorities: Some("/no/such/file.pem".into()), ..Tls::default() };
        for error in [tls.client("siem").expect_err("refused"), tls.http("siem").expect_err("refused")] {
            assert!(error.to_string().contains("/no/such/file.pem"), "{error}");
        }
        let half = Tls { certificate: Some("x".into()), ..Tls::default() };
        assert!(half.client("siem").expect_err("refused").to_string().contains("belong together"));
    }
}
