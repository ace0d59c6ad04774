//! `bedside audit`: checking the log in the database, and taking it away as a file that `bedside-verify` checks without this program.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::domain::access::{Caller, EraseEvidence, ExportAudit, ReadAudit};
use crate::domain::id::{AccountId, PatientId};
use crate::services::bundle::Disclose;
use crate::services::erasure::Subject;
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
    /// Destroy the key of someone's evidence once its legal period is over. Their personal values in the log, and the statements they signed,
    /// open for nobody from then on; the entries and all proofs stay. It cannot be undone.
    Erase {
        /// A patient's id.
        #[arg(long, conflicts_with_all = ["account", "visitors"])]
        patient: Option<PatientId>,
        /// An account's id.
        #[arg(long, conflicts_with = "visitors")]
        account: Option<AccountId>,
        /// A month, such as 2026-03, of those who were nobody in particular.
        #[arg(long)]
        visitors: Option<String>,
        /// Do it. Without this the command only says what it would do.
        #[arg(long)]
        confirm: bool,
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
                    let verified = services.verify_audit(&permit).await.map_err(|e| e.to_string())?.into_inner();
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
            Self::Erase { patient, account, visitors, confirm, settings } => {
                let subject = match (patient, account, visitors) {
                    (Some(id), ..) => Subject::Patient(id),
                    (_, Some(id), _) => Subject::Account(id),
                    (.., Some(month)) => Subject::Visitors(month),
                    _ => return Err("name a --patient, an --account or the --visitors of a month".to_owned()),
                };
                if !confirm {
                    return Err(format!("this destroys the evidence of {subject} for good. Say --confirm to do it."));
                }
                let config = settings.over(Config::default())?;
                let said = format!("The evidence key of {subject} is destroyed");
                let entries = block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
                    let permit = services.permit::<EraseEvidence>(&Caller::system()).await.map_err(|e| e.to_string())?;
                    let erased = services.erase_evidence(&permit, &subject).await.map_err(|e| e.to_string());
                    services.close().await;
                    erased
                })?;
                writeln!(io::stdout(), "{said}: {entries} entries had personal values.").map_err(|e| e.to_string())
            }
            Self::Export { out, disclose, settings } => {
                let config = settings.over(Config::default())?;
                let mut file = File::create_new(&out).map_err(|e| format!("{}: {e}", out.display()))?;
                let written = block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
                    let permit = services.permit::<ExportAudit>(&Caller::system()).await.map_err(|e| e.to_string())?;
                    let disclose = if disclose { Disclose::Everything } else { Disclose::Nothing };
                    let mut chunks = services.export_bundle(&permit, disclose).await.map_err(|e| e.to_string())?.into_inner();
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
