//! Consultations: entering, reading, starting, ending, calling off.

use crate::domain::access::{
    AccountRole, Actor, Caller, CancelConsultation, CreateConsultation, ListAllConsultations, ListConsultations, ManageConsultation,
    Permit, ReadConsultation, ScheduleConsultation,
};
use crate::domain::audit::Event;
use crate::domain::consultation::{Consultation, State};
use crate::domain::id::{AccountId, ConsultationId, PatientId};
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::services::patients::Patient;
use crate::services::recorded::Recorded;
use crate::storage::database::Tx;
use crate::storage::{accounts, consultations, patients};

/// A consultation with its people opened.
pub struct OpenConsultation {
    /// The consultation.
    pub consultation: Consultation,
    /// Whom it is about; `None` once their keys are destroyed.
    pub patient: Option<Patient>,
    /// Name of the clinician.
    pub practitioner_name: String,
}

/// What may be done to a consultation's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Begin it.
    Start,
    /// End it for all.
    End,
    /// Call it off.
    Cancel,
}

impl Services {
    /// Enters a consultation; without a time it begins at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for an unknown patient.
    pub async fn create_consultation(
        &self,
        permit: &Permit<CreateConsultation>,
        patient: PatientId,
        starts_at: Option<Timestamp>,
    ) -> Result<OpenConsultation, ServiceError> {
        let practitioner = permit.account().ok_or(ServiceError::Unauthenticated)?;
        self.enter_consultation(permit.caller(), practitioner, patient, starts_at).await
    }

    /// Plans a consultation for a clinician.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for an unknown patient or clinician.
    pub async fn schedule_consultation(
        &self,
        permit: &Permit<ScheduleConsultation>,
        practitioner: AccountId,
        patient: PatientId,
        starts_at: Timestamp,
    ) -> Result<OpenConsultation, ServiceError> {
        let account = accounts::by_id(self.database.read().await?.tx(), practitioner).await?;
        if !account.is_some_and(|a| a.active && a.role == AccountRole::Clinician) {
            return Err(ServiceError::NotFound("clinician"));
        }
        self.enter_consultation(permit.caller(), practitioner, patient, Some(starts_at)).await
    }

    /// The clinicians for whom a consultation can be planned.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn clinicians(&self, _permit: &Permit<ListAllConsultations>) -> Result<Vec<(AccountId, String)>, ServiceError> {
        let all = accounts::all(self.database.read().await?.tx()).await?.into_iter();
        Ok(all.filter(|a| a.active && a.role == AccountRole::Clinician).map(|a| (a.id, a.display_name)).collect())
    }

    async fn enter_consultation(
        &self,
        caller: &Caller,
        practitioner: AccountId,
        patient: PatientId,
        starts_at: Option<Timestamp>,
    ) -> Result<OpenConsultation, ServiceError> {
        let now = self.now();
        let consultation = Consultation {
            id: ConsultationId::from_uuid(self.new_uuid()?),
            patient,
            practitioner,
            starts_at: starts_at.unwrap_or(now),
            state: if starts_at.is_some() { State::Planned } else { State::InProgress { started_at: now } },
            created_at: now,
        };
        let mut tx = self.database.begin().await?;
        if patients::lookup(tx.tx(), patient).await?.is_none() {
            return Err(ServiceError::NotFound("patient"));
        }
        consultations::insert(tx.tx(), &consultation).await?;
        let open = self.open_consultation(tx.tx(), consultation).await?;
        let about =
            |event| Ok::<_, ServiceError>(self.entry(event, caller)?.about("consultation", open.consultation.id).about("patient", patient));
        let mut entries = vec![about(Event::ConsultationCreated)?];
        if starts_at.is_none() {
            entries.push(about(Event::ConsultationStarted)?);
        }
        self.commit_all(tx, &entries).await?;
        Ok(open)
    }

    /// The caller's own consultations, newest first.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn consultations(&self, permit: &Permit<ListConsultations>) -> Result<Recorded<Vec<OpenConsultation>>, ServiceError> {
        let practitioner = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let mut open = Vec::new();
        {
            let mut read = self.database.read().await?;
            for consultation in consultations::of_practitioner(read.tx(), practitioner).await? {
                open.push(self.open_consultation(read.tx(), consultation).await?);
            }
        }
        self.recorded(self.entry(Event::ConsultationsListed, permit.caller())?.with("count", open.len()), open).await
    }

    /// Every clinician's consultations, newest first.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn all_consultations(&self, permit: &Permit<ListAllConsultations>) -> Result<Recorded<Vec<OpenConsultation>>, ServiceError> {
        let mut open = Vec::new();
        {
            let mut read = self.database.read().await?;
            for consultation in consultations::all(read.tx()).await? {
                open.push(self.open_consultation(read.tx(), consultation).await?);
            }
        }
        self.recorded(self.entry(Event::ConsultationsListed, permit.caller())?.with("count", open.len()), open).await
    }

    /// The ids of the caller's own consultations that are not over. Tells nothing of a patient, so the read is no event.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn own_consultations(&self, permit: &Permit<ListConsultations>) -> Result<Vec<ConsultationId>, ServiceError> {
        let practitioner = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let own = consultations::of_practitioner(self.database.read().await?.tx(), practitioner).await?;
        Ok(own.into_iter().filter(|c| !c.state.is_over()).map(|c| c.id).collect())
    }

    /// One consultation with its patient.
    ///
    /// # Errors
    /// If it cannot be read or the read not audited.
    pub async fn consultation(
        &self,
        permit: &Permit<ReadConsultation>,
        consultation: Consultation,
    ) -> Result<Recorded<OpenConsultation>, ServiceError> {
        let id = consultation.id;
        let open = {
            let mut read = self.database.read().await?;
            self.open_consultation(read.tx(), consultation).await?
        };
        let entry =
            self.entry(Event::ConsultationRead, permit.caller())?.about("consultation", id).about("patient", open.consultation.patient);
        self.recorded(entry, open).await
    }

    /// Calls a planned consultation off.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if its state does not allow it.
    pub async fn cancel_consultation(
        &self,
        permit: &Permit<CancelConsultation>,
        consultation: Consultation,
    ) -> Result<OpenConsultation, ServiceError> {
        let changed = self.transition(permit.caller(), consultation, Transition::Cancel).await?;
        let mut read = self.database.read().await?;
        self.open_consultation(read.tx(), changed).await
    }

    /// Starts or ends a consultation.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if its state does not allow it.
    pub async fn change_consultation(
        &self,
        permit: &Permit<ManageConsultation>,
        consultation: Consultation,
        transition: Transition,
    ) -> Result<OpenConsultation, ServiceError> {
        let changed = self.transition(permit.caller(), consultation, transition).await?;
        let mut read = self.database.read().await?;
        self.open_consultation(read.tx(), changed).await
    }

    /// Begins a planned consultation because its clinician joins it.
    pub(crate) async fn start_by_joining(&self, caller: &Caller, consultation: Consultation) -> Result<Consultation, ServiceError> {
        self.transition(caller, consultation, Transition::Start).await
    }

    async fn transition(&self, caller: &Caller, consultation: Consultation, transition: Transition) -> Result<Consultation, ServiceError> {
        let (now, from) = (self.now(), consultation.state);
        let (result, event) = match transition {
            Transition::Start => (from.start(now), Event::ConsultationStarted),
            Transition::End => (from.end(now), Event::ConsultationEnded),
            Transition::Cancel => (from.cancel(now), Event::ConsultationCancelled),
        };
        let to = result.map_err(|_| ServiceError::Conflict("The consultation's state does not allow this."))?;
        let id = consultation.id;
        let mut tx = self.database.begin().await?;
        if !consultations::set_state(tx.tx(), id, from, to).await? {
            return Err(ServiceError::Conflict("The consultation was changed by someone else at the same time."));
        }
        let happened = if to.is_over() { Happened::Ended } else { Happened::Status(to.as_str()) };
        self.commit_telling(tx, vec![self.entry(event, caller)?.about("consultation", id)], id, happened).await?;
        Ok(Consultation { state: to, ..consultation })
    }

    pub(crate) async fn open_consultation(&self, tx: &mut Tx, consultation: Consultation) -> Result<OpenConsultation, ServiceError> {
        let patient = match self.patient(tx, consultation.patient).await {
            Ok(patient) => Some(patient),
            Err(ServiceError::KeyDestroyed) => None,
            Err(other) => return Err(other),
        };
        let practitioner_name = self.display_name(tx, consultation.practitioner).await?;
        Ok(OpenConsultation { consultation, patient, practitioner_name })
    }

    pub(crate) async fn display_name(&self, tx: &mut Tx, account: AccountId) -> Result<String, ServiceError> {
        Ok(accounts::by_id(tx, account).await?.map(|a| a.display_name).unwrap_or_default())
    }
}

/// The staff account of a caller, if it is staff.
pub(crate) const fn account_of(caller: &Caller) -> Option<AccountId> {
    match caller.actor {
        Actor::Account { id, .. } => Some(id),
        _ => None,
    }
}
