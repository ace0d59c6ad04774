//! `bedside consent`: checking a receipt offline, and taking the dossier of one consultation away.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::domain::access::{Caller, ExportConsents};
use crate::domain::id::ConsultationId;
use crate::services::receipts::verification::check_receipt;
use crate::services::recorded::Recorded;
use crate::startup::{Parts, open_services};
use clap::Subcommand;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// What can be done with consents.
#[derive(Subcommand)]
pub enum Consent {
    /// Check a consent receipt with nothing but the file: words, signatures, and its place in the clinic's log.
    Verify {
        /// The receipt (JSON).
        file: PathBuf,
        /// The clinic's verifier key, as kept from an earlier occasion. Without it the key in the file is believed.
        #[arg(long)]
        key: Option<String>,
    },
    /// Write everything about the consents of one consultation into a folder, on the record.
    Dossier {
        /// The consultation's id.
        consultation: ConsultationId,
        /// The folder; it must not exist yet.
        #[arg(long)]
        out: PathBuf,
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl Consent {
    pub(super) fn run(self) -> Result<(), String> {
        match self {
            Self::Verify { file, key } => {
                let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
                let checked = check_receipt(&text, key.as_deref()).map_err(|e| format!("{}: NOT VALID: {e}", file.display()))?;
                let mut lines = vec![format!("{}: valid.", file.display())];
                lines.extend(checked.holds.iter().map(|line| format!("  + {line}")));
                lines.extend(checked.lacks.iter().map(|line| format!("  - {line}")));
                lines.push(format!("Key fingerprint: {}", checked.fingerprint));
                if !checked.trusted {
                    lines.push(
                        "The key was taken from the file itself: compare its fingerprint with the clinic's, or give --key.".to_owned(),
                    );
                }
                writeln!(io::stdout(), "{}", lines.join("\n")).map_err(|e| e.to_string())
            }
            Self::Dossier { consultation, out, settings } => {
                if out.exists() {
                    return Err(format!("{} exists already", out.display()));
                }
                let config = settings.over(Config::default())?;
                let files = block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
                    let permit = services.permit::<ExportConsents>(&Caller::system()).await.map_err(|e| e.to_string())?;
                    services.consent_dossier(&permit, consultation).await.map(Recorded::into_inner).map_err(|e| e.to_string())
                })?;
                for (name, bytes) in &files {
                    let path = out.join(name);
                    let parent = path.parent().unwrap_or(&out);
                    fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
                    fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
                }
                writeln!(io::stdout(), "{}: {} files.", out.display(), files.len()).map_err(|e| e.to_string())
            }
        }
    }
}
