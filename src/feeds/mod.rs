//! Floor 2: places outside that entries and checkpoints of the log are handed on to. Each knows how to speak to one kind of place, and nothing
//! of where what it hands on comes from.

pub mod checkpoints;
pub mod entries;
pub mod settings;
mod syslog;
mod web;

use std::time::Duration;

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What was set cannot be.
    #[error("{0}")]
    Settings(String),
    /// The place cannot be reached, or broke off.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It answered, and did not take it.
    #[error("it answered {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long it wants to be left alone.
        wait: Option<Duration>,
    },
    /// A witness saw another log, or another size of this one.
    #[error("the witness saw {0} entries")]
    OtherSize(u64),
    /// A witness answered with a signature that is not its own.
    #[error("the witness's signature does not hold")]
    Cosignature,
    /// The place has another log than this one.
    #[error("{0}")]
    Occupied(String),
}

impl FeedError {
    /// Whether it shows that the log is not the one it was.
    #[must_use]
    pub const fn contradicts(&self) -> bool {
        matches!(self, Self::Occupied(_))
    }
}
