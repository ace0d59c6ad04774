//! How long a thing is kept: classes with a number of days, counted from the day it came to be.

use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One line of the retention schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Stable name.
    pub class: String,
    /// Days to keep; at least one.
    pub keep_days: u32,
    /// The law or rule it rests on.
    pub basis: String,
    /// In words for a person.
    pub description: String,
}

impl Class {
    /// When something of this class that came to be at `since` is due for disposition.
    #[must_use]
    pub fn due(&self, since: Timestamp) -> Timestamp {
        since.plus(Duration::from_secs(u64::from(self.keep_days) * 86_400))
    }
}
