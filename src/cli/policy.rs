//! `bedside policy`: checking policy files, and bringing them into force.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::policy::bundle::{Bundle, Files};
use crate::startup::{Parts, open_services};
use clap::Subcommand;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What can be done with policies.
#[derive(Subcommand)]
pub enum Policy {
    /// Check a folder of policy files as a whole, print its digest, and show what it newly allows or denies.
    Check {
        /// The folder.
        folder: PathBuf,
        /// The folder to compare with; without it the policies the program was built with.
        #[arg(long)]
        against: Option<PathBuf>,
    },
    /// Print operation × role of the policies as a page in Markdown.
    Roles {
        /// The folder; without it the policies the program was built with.
        folder: Option<PathBuf>,
    },
    /// Bring the policy files into force, on the record. A running server obeys them within seconds.
    Accept {
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl Policy {
    pub(super) fn run(self) -> Result<(), String> {
        match self {
            Self::Check { folder, against } => {
                let bundle = read(Some(&folder))?;
                let before = read(against.as_deref())?;
                let mut lines = vec![format!("{}: complete.\nDigest {}", folder.display(), bundle.digest())];
                let name = against.map_or_else(|| "the policies the program was built with".to_owned(), |path| path.display().to_string());
                let differences = bundle.differences_to(&before);
                if differences.is_empty() {
                    lines.push(format!("None of the example requests is decided otherwise than by {name}."));
                } else {
                    lines.push(format!("Beside {name}:"));
                }
                lines.extend(differences.iter().map(|d| format!("  newly {}: {}", if d.allowed { "allowed" } else { "denied " }, d.says)));
                writeln!(io::stdout(), "{}", lines.join("\n")).map_err(|e| e.to_string())
            }
            Self::Roles { folder } => {
                let bundle = read(folder.as_deref())?;
                write!(io::stdout(), "{}", bundle.access().roles_page()).map_err(|e| e.to_string())
            }
            Self::Accept { settings } => {
                let config = settings.over(Config::default())?;
                block_on(async move {
                    let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
                    let parts = Parts { accept_policies: true, ..Parts::default() };
                    let (services, _) = open_services(&config, origin, parts).await.map_err(|e| e.to_string())?;
                    writeln!(io::stdout(), "In force: {}", services.policy().bundle.digest()).map_err(|e| e.to_string())
                })
            }
        }
    }
}

/// The bundle in a folder, or the one the program was built with.
fn read(folder: Option<&Path>) -> Result<Bundle, String> {
    let files = folder.map_or_else(Files::shipped, Files::read).map_err(|e| e.to_string())?;
    Bundle::check(files).map_err(|e| e.to_string())
}
