//! `bedside audit`: checking an export offline, with nothing but the file.

use crate::services::audit::verify_export;
use clap::Subcommand;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// What can be done with exports.
#[derive(Subcommand)]
pub enum Audit {
    /// Check that an exported audit log is complete and unchanged.
    Verify {
        /// The exported file.
        file: PathBuf,
        /// The log's verifier key, as kept from an earlier occasion. Without it the key in the file is believed.
        #[arg(long)]
        key: Option<String>,
    },
}

impl Audit {
    pub(super) fn run(self) -> Result<(), String> {
        let Self::Verify { file, key } = self;
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let (size, root) = verify_export(&text, key.as_deref()).map_err(|e| format!("{}: {e}", file.display()))?;
        let believed =
            if key.is_some() { "" } else { "\nThe signing key was taken from the file itself: compare it with one you kept (--key)." };
        writeln!(
            io::stdout(),
            "{}: {size} entries, complete and unchanged.\nRoot hash {root}, signed by the log's key.{believed}",
            file.display()
        )
        .map_err(|e| e.to_string())
    }
}
