//! Forwarding entries: to a collector over HTTP, or to a syslog server over TLS.

use super::FeedError;
use super::settings::{FeedConfig, wrong};
use super::syslog::Syslog;
use super::web::Collector;
use std::time::Duration;

/// How much an entry asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It happened as it should.
    Ordinary,
    /// A rule said no.
    Denied,
    /// It did not work, or it stands out.
    Notable,
}

/// An entry as it leaves.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its place in the log.
    pub index: u64,
    /// When it was made, RFC 3339.
    pub at: String,
    /// The event's code.
    pub event: String,
    /// How much attention it asks for.
    pub weight: Weight,
    /// The entry in the format that was asked for, on one line.
    pub text: String,
}

/// When a batch can be taken for delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The place said so.
    Confirmed,
    /// The place does not say; if the connection lasts so long, it has it.
    IfItLasts(Duration),
}

/// A place that entries are forwarded to.
pub enum Outlet {
    /// A collector over HTTP.
    Web(Collector),
    /// A syslog server over TLS.
    Syslog(Box<Syslog>),
}

impl Outlet {
    /// What the configuration says. Nothing is connected yet.
    ///
    /// # Errors
    /// [`FeedError::Settings`].
    pub fn new(config: &FeedConfig, host: &str) -> Result<Self, FeedError> {
        if let Some(server) = config.to.strip_prefix("syslog+tls://") {
            if config.token_file.is_some() {
                return Err(wrong(&config.name, "syslog knows no token: use tls.certificate and tls.key"));
            }
            return Ok(Self::Syslog(Box::new(Syslog::new(config, server, host)?)));
        }
        Ok(Self::Web(Collector::new(config)?))
    }

    /// Hands a batch on. What fails is handed on again, so a place may see an entry more than once; its id and place tell.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&mut self, batch: &[Line]) -> Result<Delivered, FeedError> {
        match self {
            Self::Web(collector) => collector.send(batch).await,
            Self::Syslog(syslog) => syslog.send(batch).await,
        }
    }

    /// Notices a connection that broke off while nothing was sent.
    ///
    /// # Errors
    /// If it did.
    pub async fn look(&mut self) -> Result<(), FeedError> {
        match self {
            Self::Web(_) => Ok(()),
            Self::Syslog(syslog) => syslog.look().await,
        }
    }
}
