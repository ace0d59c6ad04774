//! Break-glass: a clinician's emergency access to a colleague's consultation. With a reason, for an hour, loudly: everything done under it
//! names it, administrators and auditors are shown it until an administrator confirms having seen it.

use crate::crypto::envelope::{open_value, seal_value};
use crate::domain::access::{ConfirmEmergency, Permit, ReadConsultation, ReadEmergencies, TakeEmergencyAccess};
use crate::domain::audit::Event;
use crate::domain::consultation::Consultation;
use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId};
use crate::domain::participant::Place;
use crate::domain::patient::FieldError;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::services::recorded::Recorded;
use crate::storage::emergency_accesses::{self, EmergencyAccess};
use crate::storage::participants;
use std::time::Duration;

/// How long an emergency access lasts.
pub const LASTS: Duration = Duration::from_hours(1);
/// Why one may be taken.
pub const REASONS: [&str; 3] = ["patient_in_danger", "clinician_unavailable", "public_health"];

/// An emergency access with names.
pub struct OpenEmergency {
    /// The access.
    pub access: EmergencyAccess,
    /// Who took it.
    pub account_name: String,
    /// The reason in their own words, for whom it is shown to; `None` once the patient's keys are destroyed.
    pub words: Option<String>,
    /// Who confirmed having seen it.
    pub seen_by_name: Option<String>,
}

impl Services {
    /// Takes emergency access, after a second confirmation.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] without a reason or the confirmation.
    pub async fn take_emergency_access(
        &self,
        permit: &Permit<TakeEmergencyAccess>,
        consultation: &Consultation,
        reason: &str,
        words: &str,
        confirmed: bool,
    ) -> Result<EmergencyAccess, ServiceError> {
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let words = words.trim();
        let mut wrong = Vec::new();
        if !REASONS.contains(&reason) {
            wrong.push(FieldError { name: "reason", message: "must be patient_in_danger, clinician_unavailable or public_health" });
        }
        if !(10..=500).contains(&words.chars().count()) || words.chars().any(|c| c.is_control() && c != '\n') {
            wrong.push(FieldError { name: "words", message: "must be 10 to 500 characters" });
        }
        if !confirmed {
            wrong.push(FieldError { name: "confirmed", message: "must be confirmed" });
        }
        if !wrong.is_empty() {
            return Err(ServiceError::Validation(wrong));
        }
        let id = EmergencyAccessId::from_uuid(self.new_uuid()?);
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let key = self.content_key(tx.tx(), consultation.patient).await?;
        let access = EmergencyAccess {
            id,
            account,
            consultation: consultation.id,
            reason: reason.to_owned(),
            sealed_words: seal_value(&key, words.as_bytes(), context(id).as_bytes(), self.entropy.as_ref())?,
            taken_at: now,
            expires_at: now.plus(LASTS),
            ended_at: None,
            seen_by: None,
            seen_at: None,
        };
        emergency_accesses::insert(tx.tx(), &access).await?;
        let entry = self
            .entry(Event::EmergencyTaken, permit.caller())?
            .about("emergency_access", id)
            .about("consultation", consultation.id)
            .about("patient", consultation.patient)
            .with("reason", reason)
            .with("expires_at", serde_json::to_value(access.expires_at).unwrap_or_default());
        self.commit(tx, entry).await?;
        tracing::warn!(%id, consultation = %consultation.id, "emergency access was taken");
        Ok(access)
    }

    /// Gives emergency access back before it runs out. Whoever holds it is out of the call at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if none is held.
    pub async fn end_emergency_access(&self, permit: &Permit<ReadConsultation>, consultation: &Consultation) -> Result<(), ServiceError> {
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let held = emergency_accesses::held(tx.tx(), consultation.id, account, now).await?;
        let held = held.ok_or(ServiceError::NotFound("emergency access"))?;
        emergency_accesses::end(tx.tx(), held.id, now).await?;
        if let Some(participant) = participants::of_account(tx.tx(), consultation.id, account).await? {
            participants::set_place(tx.tx(), participant.id, Place::Left, now).await?;
            self.events.publish(consultation.id, Happened::Removed(participant.id));
        }
        let entry = self.entry(Event::EmergencyEnded, permit.caller())?;
        self.commit(tx, entry.about("emergency_access", held.id).about("consultation", consultation.id)).await
    }

    /// The emergency access that the caller holds to a consultation now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn own_emergency(
        &self,
        permit: &Permit<ReadConsultation>,
        id: ConsultationId,
    ) -> Result<Option<EmergencyAccess>, ServiceError> {
        let Some(account) = permit.account() else { return Ok(None) };
        Ok(emergency_accesses::held(self.database.read().await?.tx(), id, account, self.now()).await?)
    }

    /// Every emergency access, newest first.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn emergencies(&self, permit: &Permit<ReadEmergencies>) -> Result<Recorded<Vec<OpenEmergency>>, ServiceError> {
        let mut open = Vec::new();
        {
            let mut read = self.database.read().await?;
            for access in emergency_accesses::all(read.tx()).await? {
                let account_name = self.display_name(read.tx(), access.account).await?;
                let seen_by_name = match access.seen_by {
                    Some(by) => Some(self.display_name(read.tx(), by).await?),
                    None => None,
                };
                let consultation = crate::storage::consultations::lookup(read.tx(), access.consultation).await?;
                let words = match consultation {
                    None => None,
                    Some(consultation) => match self.content_key(read.tx(), consultation.patient).await {
                        Ok(key) => {
                            let words = open_value(&key, &access.sealed_words, context(access.id).as_bytes())?;
                            Some(String::from_utf8_lossy(&words).into_owned())
                        }
                        Err(ServiceError::KeyDestroyed) => None,
                        Err(other) => return Err(other),
                    },
                };
                open.push(OpenEmergency { access, account_name, words, seen_by_name });
            }
        }
        self.recorded(self.entry(Event::EmergenciesListed, permit.caller())?.with("count", open.len()), open).await
    }

    /// How many emergency accesses nobody has confirmed having seen. A number only, so the read is no event.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn unseen_emergencies(&self, _permit: &Permit<ReadEmergencies>) -> Result<usize, ServiceError> {
        Ok(emergency_accesses::unseen(self.database.read().await?.tx()).await?.len())
    }

    /// Notes that an administrator has seen an emergency access.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for one's own, or if someone did before.
    pub async fn confirm_emergency(&self, permit: &Permit<ConfirmEmergency>, id: EmergencyAccessId) -> Result<(), ServiceError> {
        let by: AccountId = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let mut tx = self.database.begin().await?;
        let access = emergency_accesses::lookup(tx.tx(), id).await?.ok_or(ServiceError::NotFound("emergency access"))?;
        if access.account == by {
            return Err(ServiceError::Conflict("Someone else must confirm an emergency access of yours."));
        }
        let now: Timestamp = self.now();
        if !emergency_accesses::seen(tx.tx(), id, by, now).await? {
            return Err(ServiceError::Conflict("Someone confirmed having seen it before."));
        }
        let entry = self.entry(Event::EmergencySeen, permit.caller())?.about("emergency_access", id);
        self.commit(tx, entry.about("consultation", access.consultation)).await
    }
}

fn context(id: EmergencyAccessId) -> String {
    format!("bedside/emergency-access/{id}")
}
