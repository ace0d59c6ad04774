//! Consent decisions about recordings: each one a new record, of the exact words that were shown.

use crate::domain::access::{Caller, DecideConsent, Permit};
use crate::domain::audit::{Entry, Event};
use crate::domain::consent::{Decision, TextShown};
use crate::domain::id::{ConsentId, ParticipantId, RecordingId};
use crate::domain::participant::Place;
use crate::domain::recording::{Recording, State};
use crate::policy::catalogue::ConsentText;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::storage::consents::{self, Consent};
use crate::storage::database::Tx;
use crate::storage::participants::Participant;
use crate::storage::{consultations, recordings};
use std::collections::BTreeMap;

/// The consent text of a recording with sound and picture.
pub const RECORDING_TEXT: &str = "recording-audio-video";

impl Services {
    /// A consent text in force, in the wanted language or in English.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn consent_text(&self, text: &str, version: Option<&str>, language: &str) -> Result<ConsentText, ServiceError> {
        let bundle = self.policy().bundle;
        let version = version.or_else(|| bundle.newest_version(text)).ok_or(ServiceError::NotFound("consent text"))?;
        bundle.consent_text(text, version, language).cloned().ok_or(ServiceError::NotFound("consent text"))
    }

    /// Records the caller's decision about a recording.
    ///
    /// # Errors
    /// [`ServiceError::ConsentMismatch`] if the recording is closed or these are not the words in force; [`ServiceError::NotFound`] if the
    /// caller is not in the call.
    pub async fn decide(
        &self,
        permit: &Permit<DecideConsent>,
        recording: Recording,
        decision: Decision,
        shown: TextShown,
    ) -> Result<(), ServiceError> {
        let bundle = self.policy().bundle;
        let in_force =
            bundle.newest_version(RECORDING_TEXT).and_then(|version| bundle.consent_text(RECORDING_TEXT, version, &shown.language));
        let words_fit = in_force.is_some_and(|t| {
            t.text == shown.text && t.version == shown.version && t.language == shown.language && t.digest == shown.digest
        });
        if !words_fit || !recording.state.is_open() || decision == Decision::Withdrawn {
            return Err(ServiceError::ConsentMismatch);
        }
        self.write_decision(permit, recording, decision, shown).await
    }

    /// Withdraws the caller's consent. The recording is cut before anything is written.
    ///
    /// # Errors
    /// [`ServiceError::ConsentMismatch`] if the caller had not permitted it.
    pub async fn withdraw(&self, permit: &Permit<DecideConsent>, recording: Recording) -> Result<(), ServiceError> {
        let shown = {
            let mut read = self.database.read().await?;
            let who = self.decider(read.tx(), permit.caller(), &recording).await?.id;
            let latest = consents::of_recording(read.tx(), recording.id).await?.into_iter().rev().find(|c| c.participant == who);
            latest.filter(|c| c.decision == Decision::Permit).ok_or(ServiceError::ConsentMismatch)?.shown
        };
        if !recording.state.is_open() {
            return Err(ServiceError::ConsentMismatch);
        }
        self.write_decision(permit, recording, Decision::Withdrawn, shown).await
    }

    async fn write_decision(
        &self,
        permit: &Permit<DecideConsent>,
        recording: Recording,
        decision: Decision,
        shown: TextShown,
    ) -> Result<(), ServiceError> {
        let participant = self.decider(self.database.read().await?.tx(), permit.caller(), &recording).await?;
        let who = participant.id;
        // whoever permitted may withdraw from anywhere; a first word is for those who are in the call
        if decision != Decision::Withdrawn && participant.place != Place::InCall {
            return Err(ServiceError::Conflict("Only someone in the call decides about its recording."));
        }
        let happened = Happened::Decided { recording: recording.id, participant: who, decision };
        let stops = decision != Decision::Permit;
        if stops {
            // protective: the recorder is cut before the log has it
            self.events.publish(recording.consultation, Happened::RecordingCut { recording: recording.id });
        }
        let mut tx = self.database.begin().await?;
        let current = recordings::lookup(tx.tx(), recording.id).await?.ok_or(ServiceError::NotFound("recording"))?;
        if !current.state.is_open() {
            return Err(ServiceError::ConsentMismatch);
        }
        let consent = Consent {
            id: ConsentId::from_uuid(self.new_uuid()?),
            consultation: recording.consultation,
            recording: recording.id,
            participant: who,
            decision,
            shown,
            policy_digest: permit.policy_digest().to_owned(),
            decided_at: self.now(),
        };
        consents::insert(tx.tx(), &consent).await?;
        let event = if decision == Decision::Withdrawn { Event::ConsentWithdrawn } else { Event::ConsentDecided };
        let mut entries = vec![self.about_consent(permit.caller(), event, &consent)?];
        if stops {
            let was = current.state;
            let now = self.now();
            let state = if was == State::Requested { State::Refused } else { State::Stopped };
            recordings::update(tx.tx(), &Recording { state, stopped_at: Some(now), ..current }).await?;
            if was != State::Requested {
                let entry = self
                    .entry(Event::RecordingStopped, permit.caller())?
                    .about("recording", recording.id)
                    .about("consultation", recording.consultation);
                entries.push(entry.with("reason", decision.as_str()));
            }
        }
        self.commit_telling(tx, entries, recording.consultation, happened).await
    }

    /// The latest decision of everyone who decided about a recording.
    pub(crate) async fn decisions(&self, tx: &mut Tx, recording: RecordingId) -> Result<BTreeMap<ParticipantId, Consent>, ServiceError> {
        Ok(consents::of_recording(tx, recording).await?.into_iter().map(|consent| (consent.participant, consent)).collect())
    }

    async fn decider(&self, tx: &mut Tx, caller: &Caller, recording: &Recording) -> Result<Participant, ServiceError> {
        let consultation = consultations::lookup(tx, recording.consultation).await?.ok_or(ServiceError::NotFound("consultation"))?;
        self.own_participant(tx, caller, &consultation).await?.ok_or(ServiceError::NotFound("participant"))
    }

    fn about_consent(&self, caller: &Caller, event: Event, consent: &Consent) -> Result<Entry, ServiceError> {
        Ok(self
            .entry(event, caller)?
            .about("consent", consent.id)
            .about("recording", consent.recording)
            .about("participant", consent.participant)
            .about("consultation", consent.consultation)
            .with("decision", consent.decision.as_str())
            .with("text", consent.shown.text.as_str())
            .with("version", consent.shown.version.as_str())
            .with("language", consent.shown.language.as_str())
            .with("digest", consent.shown.digest.as_str()))
    }
}
