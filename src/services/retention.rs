//! The retention schedule, and what it means for each recording.

use crate::domain::access::{Permit, ReadRetention};
use crate::domain::audit::Event;
use crate::domain::retention::Class;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::services::recordings::ListedRecording;
use crate::storage::recordings;

/// The schedule in force and its meaning.
pub struct RetentionView {
    /// Digest of the policy bundle it is part of.
    pub digest: String,
    /// The schedule.
    pub classes: Vec<Class>,
    /// Every recording that was made.
    pub recordings: Vec<ListedRecording>,
}

impl Services {
    /// The schedule and what it means for each recording.
    ///
    /// # Errors
    /// If it cannot be read or the read not audited.
    pub async fn retention(&self, permit: &Permit<ReadRetention>) -> Result<Recorded<RetentionView>, ServiceError> {
        let bundle = self.policy().bundle;
        let mut listed = Vec::new();
        {
            let mut read = self.database.read().await?;
            for recording in recordings::all(read.tx()).await? {
                if recording.started_at.is_some() {
                    listed.push(self.listed(read.tx(), recording).await?);
                }
            }
        }
        let entry = self.entry(Event::RetentionRead, permit.caller())?.with("recordings", listed.len());
        let view = RetentionView { digest: bundle.digest().to_owned(), classes: bundle.retention().to_vec(), recordings: listed };
        self.recorded(entry, view).await
    }
}
