//! Floor 6: the command line, one file per subcommand.

pub mod audit;
pub mod consent;
pub mod doctor;
pub mod policy;
pub mod serve;
pub mod settings;
pub mod user;

use clap::{Parser, Subcommand};

/// Self-hosted telehealth session server.
#[derive(Parser)]
#[command(name = "bedside", version, about, long_about = "Bedside: consented, encrypted, auditable video consultations from one binary.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve pages, calls and recordings.
    Serve(Box<serve::Serve>),
    /// Staff accounts.
    #[command(subcommand)]
    User(user::User),
    /// Policy files.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Check consent receipts, take a dossier away.
    #[command(subcommand)]
    Consent(consent::Consent),
    /// Look at this installation and say what is not as it should be.
    Doctor(doctor::Doctor),
    /// Check the audit log, take it away as a file.
    #[command(subcommand)]
    Audit(audit::Audit),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, in words for the operator.
    pub fn run(self) -> Result<(), String> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::User(user) => user.run(),
            Command::Policy(policy) => policy.run(),
            Command::Consent(consent) => consent.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Audit(audit) => audit.run(),
        }
    }
}
