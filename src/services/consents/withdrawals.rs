//! Withdrawing: what is protective takes effect before it is written down, and nobody needs a signature for it.

use super::{About, KeptDecision, Presented, Signed, context, incomplete};
use crate::crypto::envelope::seal_value;
use crate::domain::access::{Caller, DecideConsent, Permit};
use crate::domain::audit::{Entry, Event};
use crate::domain::consent::{Decision, Method, Moment, Purpose};
use crate::domain::consultation::Consultation;
use crate::domain::id::{ConsentId, EntryId, PatientId, RecordingId};
use crate::domain::participant::{Place, Role};
use crate::domain::recording::{AfterWithdrawal, Recording, State};
use crate::domain::statement::{KIND, Statement};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::{Answer, Happened};
use crate::services::participants::OpenParticipant;
use crate::storage::consents::{self, Consent, SignedStatement};
use crate::storage::database::Tx;
use crate::storage::participants::{self, Participant};
use crate::storage::recording_files::PartStore;
use crate::storage::{custody, recordings};
use serde_json::json;
use std::collections::BTreeSet;

struct Withdrawal {
    latest: Consent,
    signed: Option<Signed>,
    method: Method,
}

impl Services {
    /// Withdraws with a signed statement, and does nothing else.
    ///
    /// # Errors
    /// As [`Services::decide`]; [`ServiceError::ConsentMismatch`] for a statement that is no withdrawal.
    pub async fn withdraw_signed(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        presented: Presented,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        let statement = presented.statement.as_deref().ok_or(ServiceError::ConsentIncomplete("statement"))?;
        if Statement::parse(statement).map_err(incomplete)?.decision != Decision::Withdrawn {
            return Err(ServiceError::ConsentMismatch);
        }
        self.decide(permit, consultation, presented, method).await
    }

    /// Withdraws without a signature: nobody is held to a consent because their browser cannot sign.
    ///
    /// # Errors
    /// [`ServiceError::ConsentMismatch`] if the caller had not permitted it.
    pub async fn withdraw(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        about: About,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        let own = {
            let mut read = self.database.read().await?;
            let own = self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
            self.open_participant(read.tx(), consultation, own).await?
        };
        self.withdraw_as(permit, consultation, &own, about, None, method).await
    }

    pub(super) async fn withdraw_as(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        own: &OpenParticipant,
        about: About,
        signed: Option<Signed>,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        let fits = |c: &&Consent| match &about {
            About::Recording(id) => c.recording == Some(*id),
            About::Text(text) => c.recording.is_none() && c.shown.text == *text,
        };
        let given = consents::of_participant(self.database.read().await?.tx(), own.participant.id).await?;
        let latest = given.iter().rev().find(fits).filter(|c| c.decision == Decision::Permit).ok_or(ServiceError::ConsentMismatch)?.clone();
        if let Some(signed) = &signed {
            // exactly what was permitted is taken back, by whoever gave it
            let before = self.open_statement(self.database.read().await?.tx(), &latest).await?;
            let before = before.and_then(|bytes| Statement::parse(&bytes).ok()).ok_or(ServiceError::ConsentMismatch)?;
            let stated = &signed.statement;
            let all = |consent: &Consent| consent.permitted.iter().chain(&consent.denied).copied().collect::<BTreeSet<_>>();
            let same = stated.shown == latest.shown
                && stated.permitted.is_empty()
                && stated.denied.iter().copied().collect::<BTreeSet<_>>() == all(&latest)
                && stated.denied.len() == all(&latest).len()
                && stated.capacity == latest.capacity
                && stated.representative == before.representative;
            if !same {
                return Err(ServiceError::ConsentMismatch);
            }
        }
        let record = Withdrawal { latest, signed, method };
        match about {
            About::Recording(id) => self.withdraw_from_recording(permit, &own.participant, id, record).await,
            About::Text(_) => self.withdraw_from_text(permit, consultation, own, record).await,
        }
    }

    async fn withdraw_from_recording(
        &self,
        permit: &Permit<DecideConsent>,
        own: &Participant,
        id: RecordingId,
        record: Withdrawal,
    ) -> Result<KeptDecision, ServiceError> {
        // protective: the recorder is cut before the log has it
        self.events.publish(own.consultation, Happened::RecordingCut { recording: id });
        let mut tx = self.database.begin().await?;
        let current = recordings::lookup_to_change(tx.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
        let (consent, mut entry) = self.prepare_withdrawal(tx.tx(), permit, own, record, current.patient).await?;
        consents::insert(tx.tx(), &consent).await?;
        let outcome = self.after_withdrawal(tx.tx(), &current).await?;
        if let Some(outcome) = outcome {
            entry = entry.with("what_was_recorded", outcome.as_str());
        }
        let mut entries = vec![entry];
        // a later withdrawal never makes it less strict
        let mut changed = Recording { withdrawn: outcome.max(current.withdrawn), ..current.clone() };
        if current.state.is_open() {
            let now = self.now();
            changed.state = if current.state == State::Requested { State::Refused } else { State::Stopped };
            changed.stopped_at = Some(now);
            if current.state != State::Requested {
                let stopped = self.entry(Event::RecordingStopped, permit.caller())?.about("recording", id);
                entries.push(stopped.about("consultation", own.consultation).with("reason", Decision::Withdrawn.as_str()));
            }
        }
        let destroyed = current.state == State::Sealed && outcome == Some(AfterWithdrawal::Destroy);
        if destroyed {
            changed.state = State::Destroyed;
            changed.bytes = 0;
            recordings::shred_parts(tx.tx(), id).await?;
            entries.push(self.destroyed(permit.caller(), &current, "consent was withdrawn")?);
        }
        recordings::update(tx.tx(), &changed).await?;
        let answer = Answer::Withdrawn(outcome);
        let told =
            self.commit_telling(tx, entries, own.consultation, Happened::Decided { recording: id, participant: own.id, answer }).await;
        if destroyed && recordings::lookup(self.database.read().await?.tx(), id).await?.is_some_and(|r| r.state == State::Destroyed) {
            // whatever became of the answer: the keys are gone, so the media goes
            self.remove_media(id).await;
        }
        told?;

        Ok(KeptDecision { id: consent.id, what_was_recorded: outcome, place: own.place })
    }

    async fn withdraw_from_text(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        own: &OpenParticipant,
        record: Withdrawal,
    ) -> Result<KeptDecision, ServiceError> {
        let (participant, name) = (&own.participant, own.name.clone().unwrap_or_default());
        let bundle = self.policy().bundle;
        let named = record.latest.shown.text.clone();
        let text = bundle.texts_at(Moment::Joining).chain(bundle.texts_at(Moment::Interpreter)).find(|t| t.text == named);
        let (required, interpreters) =
            (text.is_some_and(|t| t.required), text.is_some_and(|t| t.purposes.contains(&Purpose::InterpreterPresence)));
        let mut leaving = Vec::new();
        let everyone = participants::of_consultation(self.database.read().await?.tx(), consultation.id).await?;
        for one in &everyone {
            let goes = (required && one.id == participant.id) || (interpreters && one.role == Role::Interpreter);
            if goes && matches!(one.place, Place::InCall | Place::Lobby) {
                leaving.push(one.id);
            }
        }
        // protective: they are out before the log has it
        for who in &leaving {
            self.events.publish(consultation.id, Happened::Left(*who));
        }
        let mut tx = self.database.begin().await?;
        let (consent, entry) = self.prepare_withdrawal(tx.tx(), permit, participant, record, consultation.patient).await?;
        consents::insert(tx.tx(), &consent).await?;
        let mut entries = vec![entry];
        let mut place = participant.place;
        for who in leaving {
            let to = if who == participant.id { Place::Invited } else { Place::Left };
            if who == participant.id {
                place = to;
            }
            participants::set_place(tx.tx(), who, to, self.now()).await?;
            entries.push(
                self.entry(Event::ParticipantLeft, permit.caller())?.about("participant", who).about("consultation", consultation.id),
            );
        }
        let happened = if required {
            Happened::Declined { participant: participant.id, name, role: participant.role, withdrawn: true }
        } else {
            Happened::TextDecided { participant: participant.id, text: named }
        };
        self.commit_telling(tx, entries, consultation.id, happened).await?;
        Ok(KeptDecision { id: consent.id, what_was_recorded: None, place })
    }

    /// What becomes of what a recording holds: what the policy says, but a legal hold lets nothing be destroyed.
    async fn after_withdrawal(&self, tx: &mut Tx, recording: &Recording) -> Result<Option<AfterWithdrawal>, ServiceError> {
        let holds_something = recording.started_at.is_some() && recording.state != State::Destroyed;
        if !holds_something {
            return Ok(None);
        }
        let wanted = self.policy().bundle.consent_rules().after_withdrawal;
        let held = wanted == AfterWithdrawal::Destroy && custody::is_held(tx, recording.id).await?;
        Ok(Some(if held { AfterWithdrawal::KeepUntilReview } else { wanted }))
    }

    pub(crate) fn destroyed(&self, caller: &Caller, recording: &Recording, reason: &str) -> Result<Entry, ServiceError> {
        let entry = self.entry(Event::RecordingDestroyed, caller)?.about("recording", recording.id);
        Ok(entry.about("consultation", recording.consultation).with("reason", reason).with("bytes", recording.bytes))
    }

    /// Removes sealed media whose keys are gone. What cannot be removed now stays sealed for good; it is told to the operator.
    pub(crate) async fn remove_media(&self, id: RecordingId) {
        let files = self.files.clone();
        let removed = tokio::task::spawn_blocking(move || PartStore::remove(&files, id)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::error!(recording = %id, "the media of a destroyed recording could not be removed");
        }
    }

    async fn prepare_withdrawal(
        &self,
        tx: &mut Tx,
        permit: &Permit<DecideConsent>,
        own: &Participant,
        record: Withdrawal,
        patient: PatientId,
    ) -> Result<(Consent, Entry), ServiceError> {
        let Withdrawal { latest, signed, method } = record;
        if let Some(signed) = signed {
            return self.prepare(tx, permit, own, signed, method, patient).await;
        }
        let key = self.evidence_key(tx, patient).await?;
        let id = ConsentId::from_uuid(self.new_uuid()?);
        let mut denied = latest.permitted.clone();
        denied.extend(latest.denied.iter().copied());
        // nobody signed it: it says what is known of who withdrew, in the form that a browser would have signed
        let before = self.open_statement(tx, &latest).await?.and_then(|bytes| Statement::parse(&bytes).ok());
        let stated = json!({
            "kind": KIND, "id": id, "consultation": own.consultation, "participant": own.id, "recording": latest.recording,
            "person": before.as_ref().map(|s| &s.person), "text": latest.shown.text, "version": latest.shown.version,
            "language": latest.shown.language, "digest": latest.shown.digest, "shown": latest.shown.shown,
            "decision": Decision::Withdrawn, "permitted": [], "denied": denied, "capacity": latest.capacity,
            "representative": before.as_ref().and_then(|s| s.representative.as_ref()), "at": self.now(),
        });
        let sealed = seal_value(&key, stated.to_string().as_bytes(), context(id).as_bytes(), self.entropy.as_ref())?;
        let consent = Consent {
            id,
            decision: Decision::Withdrawn,
            permitted: Vec::new(),
            denied,
            method,
            statement: Some(SignedStatement { sealed, algorithm: String::new(), public_key: Vec::new(), signature: Vec::new() }),
            policy_digest: permit.policy_digest().to_owned(),
            entry: Some(EntryId::from_uuid(self.new_uuid()?)),
            decided_at: self.now(),
            ..latest
        };
        let entry = self.about_consent(permit.caller(), &consent)?;
        Ok((consent, entry))
    }
}
