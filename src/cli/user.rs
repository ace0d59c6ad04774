//! `bedside user`: staff accounts, from the machine itself.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::domain::access::AccountRole;
use crate::domain::secret::Secret;
use crate::startup::{Parts, open_services};
use clap::Subcommand;
use std::io::{self, BufRead, IsTerminal, Write};

/// Where a password alone protects an account, it has at least this many characters (NIST SP 800-63B-4).
const SHORTEST_PASSWORD: usize = 15;

/// What can be done with accounts.
#[derive(Subcommand)]
pub enum User {
    /// Make an account, or give an existing one a new password. The password is read from standard input, one line.
    Add {
        /// The name to sign in with.
        username: String,
        /// The name others see.
        #[arg(long)]
        name: String,
        /// clinician, auditor or administrator.
        #[arg(long)]
        role: String,
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl User {
    pub(super) fn run(self) -> Result<(), String> {
        let Self::Add { username, name, role, settings } = self;
        let role = AccountRole::parse(&role).ok_or("the role must be clinician, auditor or administrator")?;
        let config = settings.over(Config::default())?;
        if io::stdin().is_terminal() {
            write!(io::stderr(), "Password (at least {SHORTEST_PASSWORD} characters, visible while you type): ")
                .map_err(|e| e.to_string())?;
        }
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(|e| e.to_string())?;
        let password = Secret::new(line.trim_end_matches(['\r', '\n']).to_owned());
        if password.expose().chars().count() < SHORTEST_PASSWORD {
            return Err(format!("the password must have at least {SHORTEST_PASSWORD} characters"));
        }
        block_on(async move {
            let origin = config.public_origin.clone().unwrap_or_else(|| "http://localhost".to_owned());
            let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
            services.ensure_account(&username, &name, role, password).await.map_err(|e| e.to_string())?;
            writeln!(io::stdout(), "{username} can sign in as {}.", role.as_str()).map_err(|e| e.to_string())
        })
    }
}
