//! `bedside policy`: checking policy files, and bringing them into force.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::policy::bundle::{Bundle, Files};
use crate::startup::{Parts, open_services};
use clap::Subcommand;
use std::io::{self, Write};
use std::path::PathBuf;

/// What can be done with policies.
#[derive(Subcommand)]
pub enum Policy {
    /// Check a folder of policy files as a whole and print its digest.
    Check {
        /// The folder.
        folder: PathBuf,
    },
    /// Print operation × role of the policies as a page in Markdown.
    Roles {
        /// The folder; without it the policies the program was built with.
        folder: Option<PathBuf>,
    },
    /// Bring the policy files into force, on the record. A running server obeys them from its next start.
    Accept {
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl Policy {
    pub(super) fn run(self) -> Result<(), String> {
        match self {
            Self::Check { folder } => {
                let bundle = Bundle::check(Files::read(&folder).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
                writeln!(io::stdout(), "{}: complete.\nDigest {}", folder.display(), bundle.digest()).map_err(|e| e.to_string())
            }
            Self::Roles { folder } => {
                let files = folder.map_or_else(Files::shipped, |folder| Files::read(&folder)).map_err(|e| e.to_string())?;
                let bundle = Bundle::check(files).map_err(|e| e.to_string())?;
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
