//! What an operator can set: a TOML file, over which environment and command line go. An unknown key is an error.

use crate::crypto::password::Cost;
use crate::feeds::settings::{CopyConfig, FeedConfig};
use crate::identity::provider::ProviderConfig;
use serde::Deserialize;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It says something that cannot be.
    #[error("{path}: {reason}")]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Cookies and media permissions need a secure origin.
    #[error("public_origin must be https://host[:port], or http:// on localhost; {0} is neither")]
    Origin(String),
    /// Hashes that are too cheap protect nothing.
    #[error("passwords: memory_kib must be at least 19456 (with passes at least 2) or 47104, and pepper_version 1 to 100")]
    Passwords,
    /// Two providers of one name.
    #[error("provider {0} is there twice")]
    ProviderTwice(String),
    /// The demo must not be reachable from elsewhere.
    #[error("--demo listens on loopback only; {0} can be reached from elsewhere")]
    DemoReachable(IpAddr),
}

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The clinic's name, as patients see it.
    pub clinic_name: String,
    /// Where pages are served.
    pub listen: SocketAddr,
    /// Scheme, host and port under which browsers reach the server.
    pub public_origin: Option<String>,
    /// Where media is received.
    pub media_listen: SocketAddr,
    /// Addresses browsers can reach the media port at, best first.
    pub media_advertise: Vec<IpAddr>,
    /// `sqlite:…` or `postgres:…`.
    pub database: String,
    /// How many connections to PostgreSQL serve requests, in place of four for each core; twelve more are for long work and for the log.
    pub database_connections: Option<NonZeroUsize>,
    /// Folder of sealed recordings.
    pub recordings: PathBuf,
    /// Folder in which what protects people waits while the log cannot be written; best on another disk than the database.
    pub spool: PathBuf,
    /// Folder of the key file.
    pub keys: PathBuf,
    /// Folder of policy files; without it the ones the program was built with.
    pub policies: Option<PathBuf>,
    /// How passwords are hashed.
    pub passwords: PasswordConfig,
    /// Identity providers that staff may sign in through.
    #[serde(rename = "provider")]
    pub providers: Vec<ProviderConfig>,
    /// Where entries of the audit log are forwarded to.
    #[serde(rename = "feed")]
    pub feeds: Vec<FeedConfig>,
    /// Where its signed checkpoints are copied to.
    #[serde(rename = "checkpoint_copy")]
    pub checkpoint_copies: Vec<CopyConfig>,
    /// What this server is called in the audit log, where several share a database.
    pub node: String,
    /// Log as JSON.
    pub log_json: bool,
    /// Threads for pages.
    pub workers: usize,
    /// Demo accounts with derived passwords.
    #[serde(skip)]
    pub demo: bool,
}

/// How passwords are hashed. A change takes effect for each account when its owner next signs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordConfig {
    /// Memory of argon2id in KiB; at least 19456.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// The newest pepper. Count it up to have new hashes made under a new one; never down.
    pub pepper_version: u32,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self { memory_kib: Cost::STANDARD.memory_kib, passes: Cost::STANDARD.passes, pepper_version: 1 }
    }
}

/// OWASP's least memory for argon2id, which then wants two passes.
const LEAST_MEMORY_KIB: u32 = 19 * 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            clinic_name: "Clinic".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            public_origin: None,
            media_listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8081)),
            media_advertise: Vec::new(),
            database: "sqlite:data/bedside.db".to_owned(),
            database_connections: None,
            recordings: PathBuf::from("data/recordings"),
            spool: PathBuf::from("data/spool"),
            keys: PathBuf::from("data/keys"),
            policies: None,
            passwords: PasswordConfig::default(),
            providers: Vec::new(),
            feeds: Vec::new(),
            checkpoint_copies: Vec::new(),
            node: "1".to_owned(),
            log_json: false,
            workers: 2,
            demo: false,
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Invalid { path: path.to_owned(), reason: error.to_string() })
    }

    /// The demo: everything below `folder`, reachable from this machine only.
    #[must_use]
    pub fn demo(folder: &Path) -> Self {
        Self {
            clinic_name: "Riverside Clinic (demo)".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            media_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            database: format!("sqlite:{}", folder.join("demo/bedside.db").display()),
            recordings: folder.join("demo/recordings"),
            spool: folder.join("demo/spool"),
            keys: folder.join("demo-keys"),
            demo: true,
            ..Self::default()
        }
    }

    /// Refuses what must not be.
    ///
    /// # Errors
    /// [`ConfigError::DemoReachable`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(origin) = &self.public_origin {
            let plain_local = ["http://localhost", "http://127.0.0.1", "http://[::1]"].iter().any(|local| {
                origin
                    .strip_prefix(local)
                    .is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
            });
            let secure = origin.strip_prefix("https://").is_some_and(|host| !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']));
            if !plain_local && !secure {
                return Err(ConfigError::Origin(origin.clone()));
            }
        }
        let PasswordConfig { memory_kib, passes, pepper_version } = self.passwords;
        let dear = memory_kib >= LEAST_MEMORY_KIB && (passes >= 2 || memory_kib >= Cost::STANDARD.memory_kib) && passes >= 1;
        if !dear || !(1..=100).contains(&pepper_version) {
            return Err(ConfigError::Passwords);
        }
        for (n, provider) in self.providers.iter().enumerate() {
            if self.providers[..n].iter().any(|other| other.id == provider.id || other.issuer == provider.issuer) {
                return Err(ConfigError::ProviderTwice(provider.id.clone()));
            }
        }
        let reachable = [self.listen.ip(), self.media_listen.ip()].into_iter().find(|ip| !ip.is_loopback());
        match reachable.filter(|_| self.demo) {
            Some(ip) => Err(ConfigError::DemoReachable(ip)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().expect("file");
        fs::write(file.path(), "clinic_nmae = \"x\"\n").expect("write");
        assert!(Config::read(file.path()).expect_err("refused").to_string().contains("clinic_nmae"));
        fs::write(file.path(), "clinic_name = \"x\"\nlisten = \"127.0.0.1:1\"\n").expect("write");
        assert_eq!(Config::read(file.path()).expect("good").clinic_name, "x");
    }

    #[test]
    fn an_origin_that_is_neither_secure_nor_local_is_refused() {
        let with = |origin: &str| Config { public_origin: Some(origin.to_owned()), ..Config::default() }.check();
        for good in ["https://calls.example", "https://calls.example:8443", "http://localhost:8080", "http://127.0.0.1:8080"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in [
            "http://calls.example",
            "https://calls.example/",
            "https://",
            "calls.example",
            "http://localhost.evil.example",
            "http://localhost:8080/x",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_demo_refuses_to_be_reachable() {
        let mut demo = Config::demo(Path::new("data"));
        assert!(demo.check().is_ok());
        demo.media_listen = "192.0.2.1:8081".parse().expect("address");
        assert!(matches!(demo.check(), Err(ConfigError::DemoReachable(_))));
        demo.media_listen = "127.0.0.1:8081".parse().expect("address");
        demo.listen = "0.0.0.0:8080".parse().expect("address");
        assert!(matches!(demo.check(), Err(ConfigError::DemoReachable(_))));
    }
}
