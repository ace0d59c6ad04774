//! Sign-offs: an auditor's word that the log was looked through up to a place in it (45 CFR 164.308(a)(1)(ii)(D)).

use crate::domain::access::{Permit, ReadAudit, ReviewAudit};
use crate::domain::audit::Event;
use crate::domain::id::LogReviewId;
use crate::domain::patient::FieldError;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::log_reviews::{self, LogReview};

/// What a review found.
pub const FINDINGS: [&str; 2] = ["nothing_unusual", "follow_up"];

impl Services {
    /// Signs off the log up to `log_size` entries.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for more entries than there are, an unknown finding, or a follow-up without a note.
    pub async fn review_log(
        &self,
        permit: &Permit<ReviewAudit>,
        log_size: u64,
        finding: &str,
        note: &str,
    ) -> Result<Recorded<LogReview>, ServiceError> {
        let note = note.trim();
        let mut wrong = Vec::new();
        if !FINDINGS.contains(&finding) {
            wrong.push(FieldError { name: "finding", message: "must be nothing_unusual or follow_up" });
        }
        if note.chars().count() > 500 || note.chars().any(|c| c.is_control() && c != '\n') || (finding == "follow_up" && note.is_empty()) {
            wrong.push(FieldError { name: "note", message: "must be at most 500 characters, and say what is to be followed up" });
        }
        if log_size == 0 || log_size > self.checkpoint().await?.size {
            wrong.push(FieldError { name: "log_size", message: "must be the size of a log that was signed" });
        }
        if !wrong.is_empty() {
            return Err(ServiceError::Validation(wrong));
        }
        let review = LogReview {
            id: LogReviewId::from_uuid(self.new_uuid()?),
            account: permit.account().ok_or(ServiceError::Unauthenticated)?,
            log_size,
            finding: finding.to_owned(),
            note: note.to_owned(),
            reviewed_at: self.now(),
        };
        let mut tx = self.database.begin().await?;
        log_reviews::insert(tx.tx(), &review).await?;
        let entry = self.entry(Event::AuditReviewed, permit.caller())?.about("log_review", review.id);
        self.committed_with(tx, entry.with("log_size", log_size).with("finding", finding), review).await
    }

    /// The newest sign-offs with the names of who made them.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn log_reviews(&self, _permit: &Permit<ReadAudit>) -> Result<Vec<(LogReview, String)>, ServiceError> {
        let mut read = self.database.read().await?;
        let mut all = Vec::new();
        for review in log_reviews::all(read.tx()).await? {
            let name = self.display_name(read.tx(), review.account).await?;
            all.push((review, name));
        }
        Ok(all)
    }
}
