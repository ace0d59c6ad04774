//! `bedside audit`: checking the log in the database, and taking it away as a file that `bedside-verify` checks without this program.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::domain::access::{Caller, ExportAudit, ReadAudit};
use crate::services::bundle::Disclose;
use crate::startup::{Parts, open_services};
use clap::Subcommand;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// What can be done with the log.
#[derive(Subcommand)]
pub enum Audit {
    /// Recompute the whole tree from the stored entries and check it against every signed checkpoint, on the record.
    Verify {
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
    /// Write the whole log into one file that `bedside-verify` checks, on the record.
    Export {
        /// The file; it must not exist yet.
        #[arg(long)]
        out: PathBuf,
        /// Take personal values along, such as network addresses and the names that were given.
        #[arg(long)]
        disclose: bool,
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl Audit {
    pub(super) fn run(self) -> Result<(), String> {
        match self {
            Self::Verify { settings } => {
                let config = settings.over(Config::default())?;
                let (verified, key) = block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
                    let permit = services.permit::<ReadAudit>(&Caller::system()).await.map_err(|e| e.to_string())?;
                    let verified = services.verify_audit(&permit).await.map_err(|e| e.to_string())?;
                    let key = services.verifier_key().to_owned();
                    services.close().await;
                    Ok((verified, key))
                })?;
                if let Some(bad) = verified.first_bad {
                    return Err(format!("NOT AS IT WAS WRITTEN: entry {}: {}", bad.index, bad.reason));
                }
                let text = format!("{} entries, complete and unchanged.\nRoot hash {}\nSigned by {key}", verified.size, verified.root_hash);
                writeln!(io::stdout(), "{text}").map_err(|e| e.to_string())
            }
            Self::Export { out, disclose, settings } => {
                let config = settings.over(Config::default())?;
                let mut file = File::create_new(&out).map_err(|e| format!("{}: {e}", out.display()))?;
                let written = block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
                    let permit = services.permit::<ExportAudit>(&Caller::system()).await.map_err(|e| e.to_string())?;
                    let disclose = if disclose { Disclose::Everything } else { Disclose::Nothing };
                    let mut chunks = services.export_bundle(&permit, disclose).await.map_err(|e| e.to_string())?;
                    let mut written = 0;
                    while let Some(chunk) = chunks.recv().await {
                        let chunk = chunk.map_err(|e| e.to_string())?;
                        file.write_all(&chunk).map_err(|e| e.to_string())?;
                        written += chunk.len();
                    }
                    file.sync_all().map_err(|e| e.to_string())?;
                    services.close().await;
                    Ok(written)
                })?;
                writeln!(io::stdout(), "{}: {written} bytes. Check it with: bedside-verify {}", out.display(), out.display())
                    .map_err(|e| e.to_string())
            }
        }
    }
}
