//! Getting a permit: the policies are asked about the thing itself, and every denial is audited.

use crate::domain::access::{AccountRole, Actor, Caller, Operation, Permit, Resource, authorize};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consultation::Consultation;
use crate::domain::id::{ConsultationId, EmergencyAccessId, RecordingId};
use crate::domain::recording::Recording;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::{consultations, custody, emergency_accesses, recordings};

impl Services {
    /// Asks for a permit on the installation as a whole.
    ///
    /// # Errors
    /// [`ServiceError::Denied`], audited.
    pub async fn permit<O: Operation>(&self, caller: &Caller) -> Result<Permit<O>, ServiceError> {
        self.permit_on(caller, Resource::Clinic).await
    }

    /// Asks for a permit on one consultation.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] for a participant of another one; [`ServiceError::NotFound`]; [`ServiceError::Denied`]. All audited but the second.
    pub async fn permit_consultation<O: Operation>(
        &self,
        caller: &Caller,
        id: ConsultationId,
    ) -> Result<(Permit<O>, Consultation), ServiceError> {
        self.in_scope(caller, id, O::ACTION).await?;
        let consultation =
            consultations::lookup(self.database.read().await?.tx(), id).await?.ok_or(ServiceError::NotFound("consultation"))?;
        let emergency = self.held_emergency(caller, &consultation).await?;
        let permit = self.permit_on(caller, Resource::Consultation { id, practitioner: consultation.practitioner, emergency }).await?;
        Ok((permit, consultation))
    }

    /// Asks for a permit on one recording.
    ///
    /// # Errors
    /// As [`Services::permit_consultation`].
    pub async fn permit_recording<O: Operation>(&self, caller: &Caller, id: RecordingId) -> Result<(Permit<O>, Recording), ServiceError> {
        let (recording, practitioner) = {
            let mut read = self.database.read().await?;
            let recording = recordings::lookup(read.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
            let consultation =
                consultations::lookup(read.tx(), recording.consultation).await?.ok_or(ServiceError::NotFound("consultation"))?;
            (recording, consultation.practitioner)
        };
        self.in_scope(caller, recording.consultation, O::ACTION).await?;
        // a recording that ever started did so with everyone's consent: nothing else can start one
        let all_consented = recording.started_at.is_some();
        let (held, granted) = self.kept_and_granted(caller, id).await?;
        let resource = Resource::Recording { id, consultation: recording.consultation, practitioner, all_consented, held, granted };
        Ok((self.permit_on(caller, resource).await?, recording))
    }

    pub(crate) async fn permit_on<O: Operation>(&self, caller: &Caller, resource: Resource) -> Result<Permit<O>, ServiceError> {
        match authorize::<O>(self.policy().bundle.as_ref(), caller, resource) {
            Ok(_) if O::DANGEROUS && !caller.actor.is_fresh(self.now()) => Err(ServiceError::Reauthenticate),
            Ok(permit) => Ok(permit),
            Err(denial) => {
                let mut entry = self.entry(Event::AccessDenied, caller)?.ended(Outcome::Denied).with("operation", denial.action);
                match resource {
                    Resource::Clinic => {}
                    Resource::Account(id) => entry = entry.about("account", id),
                    Resource::Consultation { id, .. } => entry = entry.about("consultation", id),
                    Resource::Recording { id, consultation, .. } => {
                        entry = entry.about("recording", id).about("consultation", consultation);
                    }
                }
                self.record(entry).await?;
                Err(denial.into())
            }
        }
    }

    /// The emergency access a caller holds to a colleague's consultation.
    async fn held_emergency(&self, caller: &Caller, consultation: &Consultation) -> Result<Option<EmergencyAccessId>, ServiceError> {
        let Actor::Account { id, role: AccountRole::Clinician, .. } = caller.actor else { return Ok(None) };
        if id == consultation.practitioner {
            return Ok(None);
        }
        let held = emergency_accesses::held(self.database.read().await?.tx(), consultation.id, id, self.now()).await?;
        Ok(held.map(|access| access.id))
    }

    /// Whether a legal hold stands on a recording, and whether the caller was granted to watch it.
    async fn kept_and_granted(&self, caller: &Caller, id: RecordingId) -> Result<(bool, bool), ServiceError> {
        let mut read = self.database.read().await?;
        let held = custody::is_held(read.tx(), id).await?;
        let granted = match caller.actor {
            Actor::Account { id: account, .. } => custody::is_granted(read.tx(), id, account, self.now()).await?,
            _ => false,
        };
        Ok((held, granted))
    }

    async fn in_scope(&self, caller: &Caller, id: ConsultationId, operation: &'static str) -> Result<(), ServiceError> {
        match caller.actor {
            Actor::Participant { consultation, .. } if consultation != id => {
                let entry = self
                    .entry(Event::AccessDenied, caller)?
                    .ended(Outcome::Denied)
                    .with("operation", operation)
                    .with("reason", "scope")
                    .about("consultation", id);
                self.record(entry).await?;
                Err(ServiceError::Scope)
            }
            _ => Ok(()),
        }
    }
}
