//! `bedside serve`: runs the server until it is told to stop.

use crate::cli::settings::Settings;
use crate::config::Config;
use crate::startup::{Application, Parts};
use crate::telemetry;
use clap::Args;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What can be said at the start.
#[derive(Args)]
pub struct Serve {
    /// Try it out: data below --data, generated keys and accounts, reachable from this machine only.
    #[arg(long)]
    demo: bool,
    /// Where the demo keeps its data.
    #[arg(long, default_value = "data", requires = "demo")]
    data: PathBuf,
    /// Where pages are served.
    #[arg(long, env = "BEDSIDE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where media is received (one UDP port).
    #[arg(long, env = "BEDSIDE_MEDIA_LISTEN")]
    media_listen: Option<SocketAddr>,
    /// An address browsers can reach the media port at; may be given several times.
    #[arg(long, env = "BEDSIDE_MEDIA_ADVERTISE", value_delimiter = ',')]
    media_advertise: Vec<IpAddr>,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), String> {
        let config = self.config()?;
        telemetry::start(config.log_json);
        actix_web::rt::System::new().block_on(async move {
            let demo = config.demo;
            let application = Application::build(config, Parts::default()).await.map_err(|e| e.to_string())?;
            if demo {
                welcome(&application).map_err(|e| e.to_string())?;
            } else {
                tracing::info!(pages = %application.address(), media = %application.media_address(), log_key = application.verifier_key(), "serving");
            }
            application.run_until(stop_signal()).await.map_err(|e| e.to_string())
        })
    }

    fn config(self) -> Result<Config, String> {
        let base = if self.demo { Config::demo(&self.data) } else { Config::default() };
        let mut config = self.settings.over(base)?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.media_listen = self.media_listen.unwrap_or(config.media_listen);
        if !self.media_advertise.is_empty() {
            config.media_advertise = self.media_advertise;
        }
        config.demo = self.demo;
        Ok(config)
    }
}

fn welcome(application: &Application) -> io::Result<()> {
    let origin = &application.services.settings.public_origin;
    let mut out = io::stdout().lock();
    writeln!(out, "\n  Bedside is running at {origin}\n\n  Sign in as      username        password")?;
    for account in application.demo_accounts() {
        writeln!(out, "  {:<15} {:<15} {}", account.role, account.username, account.password)?;
    }
    writeln!(out, "\n  1. Open {origin} and sign in as the clinician.\n  2. Choose \"New consultation\", enter a patient, copy the link.")?;
    writeln!(
        out,
        "  3. Open the link in another browser profile (or a private window) and press Join.\n  4. Admit the patient, talk, ask to record."
    )?;
    writeln!(out, "  5. Sign in as the auditor to see what was written down.\n\n  Stop with Ctrl+C.\n")?;
    out.flush()
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}
