//! Diagnostics for the operator. Never personal data, secrets or media: the protocol crates' own output is silenced in code, not by configuration.

use crate::gateway::media::LOG_DIRECTIVES;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error: lines for people, or JSON.
pub fn start(json: bool) {
    let wanted = EnvFilter::try_from_env("BEDSIDE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,actix_server=warn"));
    let filter = LOG_DIRECTIVES.iter().filter_map(|d| d.parse().ok()).fold(wanted, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // a second start, as in tests, keeps the first
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
