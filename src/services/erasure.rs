//! Destroying evidence when its legal period is over: the key goes, and with it every personal value of a subject in the log and every
//! statement they signed. The entries stay, with their places and all proofs.

use crate::domain::access::{EraseEvidence, Permit};
use crate::domain::audit::Event;
use crate::domain::id::{AccountId, PatientId};
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::database::Tx;
use crate::storage::subject_keys::{self, Evidence};
use crate::storage::{audit, audit_index, custody};
use std::fmt;

/// Whose evidence there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A patient.
    Patient(PatientId),
    /// A member of staff.
    Account(AccountId),
    /// Those who were nobody in particular, in one month, such as `2026-03`.
    Visitors(String),
}

impl Subject {
    /// By which entries name them, those aside that have their personal values.
    fn named(&self) -> (&'static str, String) {
        match self {
            Self::Patient(id) => ("patient", id.to_string()),
            Self::Account(id) => ("agent", id.to_string()),
            Self::Visitors(_) => ("visitors", String::new()),
        }
    }
}

/// As evidence is kept under it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patient(id) => write!(f, "{id}"),
            Self::Account(id) => write!(f, "account/{id}"),
            Self::Visitors(month) => write!(f, "visitors/{month}"),
        }
    }
}

/// Classes of the retention schedule that evidence belongs to: it is kept for the longest of them.
const CLASSES: [&str; 2] = ["audit", "consent"];

impl Services {
    /// Destroys a subject's evidence key and wipes what was sealed under it; gives how many entries had personal values.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::KeyDestroyed`] if it was done before; [`ServiceError::KeptUntil`] before its time, counted
    /// from the newest entry about them; [`ServiceError::LegalHold`] while one stands on a recording of theirs.
    pub async fn erase_evidence(&self, permit: &Permit<EraseEvidence>, subject: &Subject) -> Result<u64, ServiceError> {
        let key = subject.to_string();
        // until when it is kept is read from the index
        self.everything_findable().await?;
        let mut tx = self.database.begin_much().await?;
        match subject_keys::evidence(tx.tx(), &key).await? {
            Evidence::Missing => return Err(ServiceError::NotFound("subject")),
            Evidence::Destroyed => return Err(ServiceError::KeyDestroyed),
            Evidence::Wrapped(..) => {}
        }
        if let Some(until) = self.evidence_kept_until(tx.tx(), subject).await?.filter(|until| self.now() < *until) {
            return Err(ServiceError::KeptUntil(until));
        }
        if let Subject::Patient(patient) = subject
            && custody::is_patient_held(tx.tx(), *patient).await?
        {
            return Err(ServiceError::LegalHold);
        }
        subject_keys::destroy_evidence(tx.tx(), &key).await?;
        let entries = audit::wipe(tx.tx(), &key).await?;
        audit_index::forget_networks(tx.tx(), &key).await?;
        // nothing more is sealed under it
        self.known.forget(&key);
        let entry = self.entry(Event::EvidenceErased, permit.caller())?.with("entries", entries);
        let entry = match subject {
            Subject::Patient(id) => entry.about("patient", id),
            Subject::Account(id) => entry.about("account", id),
            Subject::Visitors(month) => entry.with("visitors", month.as_str()),
        };
        self.commit(tx, entry).await?;
        Ok(entries)
    }

    /// Until when a subject's evidence must be kept; `None` if there is no entry about them.
    async fn evidence_kept_until(&self, tx: &mut Tx, subject: &Subject) -> Result<Option<Timestamp>, ServiceError> {
        let bundle = self.policy().bundle;
        let (kind, id) = subject.named();
        let last = audit::last_of_subject(tx, &subject.to_string()).await?.max(audit_index::last_about(tx, (kind, &id)).await?);
        Ok(last.and_then(|last| CLASSES.iter().filter_map(|class| bundle.retention_class(class)).map(|class| class.due(last)).max()))
    }
}
