//! Where data, keys and policies lie: the options that every command but `audit verify` takes.

use crate::config::Config;
use clap::Args;
use std::path::PathBuf;

/// Where things are. The command line goes over the environment, that over the configuration file.
#[derive(Args)]
pub struct Settings {
    /// Configuration file (TOML).
    #[arg(long, env = "BEDSIDE_CONFIG")]
    config: Option<PathBuf>,
    /// Scheme, host and port under which browsers reach the server.
    #[arg(long, env = "BEDSIDE_PUBLIC_ORIGIN")]
    public_origin: Option<String>,
    /// Database address: sqlite:… or postgres:….
    #[arg(long, env = "BEDSIDE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Folder of sealed recordings.
    #[arg(long, env = "BEDSIDE_RECORDINGS")]
    recordings: Option<PathBuf>,
    /// Folder in which what protects people waits while the log cannot be written.
    #[arg(long, env = "BEDSIDE_SPOOL")]
    spool: Option<PathBuf>,
    /// Folder of the key file.
    #[arg(long, env = "BEDSIDE_KEYS")]
    keys: Option<PathBuf>,
    /// Folder of policy files; without it the ones the program was built with.
    #[arg(long, env = "BEDSIDE_POLICIES")]
    policies: Option<PathBuf>,
}

impl Settings {
    /// The configuration with these on top; `base` is what holds where nothing is said.
    pub(super) fn over(self, base: Config) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => Config::read(path).map_err(|e| e.to_string())?,
            None => base,
        };
        config.public_origin = self.public_origin.or(config.public_origin);
        config.database = self.database.unwrap_or(config.database);
        config.recordings = self.recordings.unwrap_or(config.recordings);
        config.spool = self.spool.unwrap_or(config.spool);
        config.keys = self.keys.unwrap_or(config.keys);
        config.policies = self.policies.or(config.policies);
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }
}

/// Runs one command's work.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|e| e.to_string())?.block_on(work)
}
