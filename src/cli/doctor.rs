//! `bedside doctor`: looks at an installation and says what is not as it should be.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::startup::{Parts, open_services};
use clap::Args;
use std::io::{self, Write};

/// Look at this installation and say what is not as it should be. Ends with 1 if something is wrong, not if something is worth a thought.
#[derive(Args)]
pub struct Doctor {
    /// Look at it as at a demo, where sample texts are in their place.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), String> {
        let config = self.settings.over(Config::default())?;
        let demo = self.demo;
        let mut lines = Vec::new();
        let mut wrong = 0_usize;
        let keys = config.keys.join("master.key");
        #[cfg(unix)]
        if let Ok(found) = std::fs::metadata(&keys) {
            use std::os::unix::fs::PermissionsExt;
            if found.permissions().mode() & 0o077 != 0 {
                wrong += 1;
                lines.push(format!("WRONG  {} can be read by others: chmod 600", keys.display()));
            } else {
                lines.push(format!("ok     {} is readable by its owner alone", keys.display()));
            }
        }
        let database = config.database.split('@').next_back().unwrap_or_default().to_owned();
        let looked = block_on(async move {
            let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
            let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
            services.well().await.map_err(|e| e.to_string())?;
            let bundle = services.policy().bundle;
            Ok((bundle.digest().to_owned(), bundle.samples(), bundle.consent_rules().controller.name.is_empty()))
        });
        match looked {
            Err(error) => {
                wrong += 1;
                lines.push(format!("WRONG  {database}: {error}"));
            }
            Ok((digest, samples, nameless)) => {
                lines.push(format!("ok     {database} answers, and its log can be read"));
                lines.push(format!("ok     the policies in force are whole: {digest}"));
                if samples.is_empty() {
                    lines.push("ok     every consent text in force was adopted".to_owned());
                } else if demo {
                    lines.push(format!("ok     sample consent texts, as belongs to a demo: {}", samples.join(", ")));
                } else {
                    lines.push(format!(
                        "WARN   patients are shown sample consent texts: {}. Read them, change what your law asks for (as a new version), and name them in consent.toml under `adopted`",
                        samples.join(", ")
                    ));
                }
                if nameless && !demo {
                    lines.push(
                        "WARN   receipts name nobody but the clinic as responsible for the data: fill in [controller] in consent.toml"
                            .to_owned(),
                    );
                }
            }
        }
        writeln!(io::stdout(), "{}", lines.join("\n")).map_err(|e| e.to_string())?;
        if wrong > 0 { Err(format!("{wrong} wrong")) } else { Ok(()) }
    }
}
