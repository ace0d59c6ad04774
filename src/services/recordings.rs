//! Recordings: asking, starting, pausing, stopping, sealing, listing.
//!
//! Invariant: [`Services::start_recording`] is the only way to a recording's content key while it is made, and it asks the stored
//! decisions and the policies again, whatever the room believed.

use crate::crypto::digest::sha256;
use crate::crypto::envelope::SecretKey;
use crate::crypto::recording_stream::manifest::{Manifest, PartHeader};
use crate::domain::access::{
    AccountRole, Actor, Caller, ListRecordings, Permit, ReadConsultation, RequestRecording, Resource, ReviewWithdrawal, StartRecording,
};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consent::{ConsentedRoom, Decision, Kinds, Moment, OneRefusal};
use crate::domain::consultation::{Consultation, State as ConsultationState};
use crate::domain::id::{PartId, ParticipantId, RecordingId};
use crate::domain::participant::Place;
use crate::domain::recording::{AfterWithdrawal, Recording, State};
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::services::recorded::Recorded;
use crate::storage::recordings::{self, StoredPart};
use crate::storage::{consultations, participants};

/// The consent text of a recording with sound and picture.
pub const RECORDING_TEXT: &str = "recording-audio-video";
/// What manifests are signed for.
pub(crate) const MANIFEST_PURPOSE: &str = "recording-manifest";

/// A recording with what the retention schedule means for it.
pub struct ListedRecording {
    /// The recording.
    pub recording: Recording,
    /// Who was recorded, or is asked.
    pub participants: Vec<(ParticipantId, crate::domain::participant::Role)>,
    /// Days it is kept.
    pub keep_days: Option<u32>,
    /// When it is due for disposition, once it was made.
    pub due_at: Option<Timestamp>,
}

/// Leave to record, and what the recorder needs for it.
pub struct RecordingGrant {
    /// The patient's content key; wraps the data keys.
    pub content_key: SecretKey,
    /// Version of the key-encryption key above it.
    pub key_version: u32,
    /// Digest of the consents this stretch rests on.
    pub consent_set: [u8; 32],
    /// Digest of the policy bundle.
    pub policy: [u8; 32],
    /// When the recording began.
    pub started_at: Timestamp,
}

/// A part whose media is closed and whose manifest waits to be signed.
pub struct ClosedPart {
    /// Its header with the wrapped data key.
    pub header: PartHeader,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Services {
    /// Asks everyone in the call for a recording.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] unless the consultation is in progress, the clinician in it, and no other recording open.
    pub async fn request_recording(
        &self,
        permit: &Permit<RequestRecording>,
        consultation: &Consultation,
        text: Option<&str>,
    ) -> Result<Recording, ServiceError> {
        self.nothing_pending()?;
        let text = self.consent_text(text.unwrap_or(RECORDING_TEXT), None, "en")?;
        if text.moment() != Moment::Recording {
            return Err(ServiceError::NotFound("consent text"));
        }
        let rule = self.policy().bundle.consent_rules().one_refusal;
        let mut tx = self.database.begin().await?;
        let current = consultations::lookup(tx.tx(), consultation.id).await?.ok_or(ServiceError::NotFound("consultation"))?;
        if !matches!(current.state, ConsultationState::InProgress { .. }) {
            return Err(ServiceError::Conflict("Only a consultation in progress can be recorded."));
        }
        let by = self.own_participant(tx.tx(), permit.caller(), consultation).await?.filter(|own| own.place == Place::InCall);
        let by = by.ok_or(ServiceError::Conflict("Join the call before asking to record."))?;
        if recordings::open_of_consultation(tx.tx(), consultation.id).await?.is_some() {
            return Err(ServiceError::Conflict("A recording was already asked for."));
        }
        let most = self.policy().bundle.consent_rules().ask_again_at_most;
        for person in participants::of_consultation(tx.tx(), consultation.id).await? {
            if person.place == Place::InCall && self.refusals(tx.tx(), person.id).await? > most {
                return Err(ServiceError::Conflict(
                    "Someone in the call has declined as often as the clinic's policy lets them be asked. Their answer stands.",
                ));
            }
        }
        let recording = Recording {
            id: RecordingId::from_uuid(self.new_uuid()?),
            consultation: consultation.id,
            patient: consultation.patient,
            requested_by: permit.account().ok_or(ServiceError::Unauthenticated)?,
            state: State::Requested,
            requested_at: self.now(),
            started_at: None,
            stopped_at: None,
            duration_ms: 0,
            bytes: 0,
            policy_digest: permit.policy_digest().to_owned(),
            retention_class: text.retention_class,
            text: text.text.clone(),
            version: text.version.clone(),
            withdrawn: None,
        };
        recordings::insert(tx.tx(), &recording).await?;
        let entry =
            self.entry(Event::RecordingRequested, permit.caller())?.about("recording", recording.id).about("consultation", consultation.id);
        let entry = entry.with("text", text.text.as_str()).with("version", text.version.as_str());
        let happened = Happened::RecordingRequested {
            recording: recording.id,
            by: by.id,
            kinds: Kinds::of(&text.purposes),
            rule,
            text: text.text,
            version: text.version,
        };
        self.commit_telling(tx, vec![entry], consultation.id, happened).await?;
        Ok(recording)
    }

    /// The clinician stops a recording, or takes the request back. It is cut before anything is written.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if it is over already.
    pub async fn stop_recording(
        &self,
        permit: &Permit<RequestRecording>,
        consultation: &Consultation,
        id: RecordingId,
    ) -> Result<(), ServiceError> {
        let by = self.own_participant(self.database.read().await?.tx(), permit.caller(), consultation).await?;
        self.events.publish(consultation.id, Happened::RecordingCut { recording: id });
        let mut tx = self.database.begin().await?;
        let recording = recordings::lookup_to_change(tx.tx(), id)
            .await?
            .filter(|r| r.consultation == consultation.id)
            .ok_or(ServiceError::NotFound("recording"))?;
        if !recording.state.is_open() {
            return Err(ServiceError::Conflict("The recording is over already."));
        }
        let state = if recording.state == State::Requested { State::Refused } else { State::Stopped };
        recordings::update(tx.tx(), &Recording { state, stopped_at: Some(self.now()), ..recording }).await?;
        let entry = self.entry(Event::RecordingStopped, permit.caller())?.about("recording", id).about("consultation", consultation.id);
        let happened = Happened::RecordingStopped { recording: id, by: by.map(|p| p.id) };
        self.commit_telling(tx, vec![entry.with("reason", "stopped by the clinician")], consultation.id, happened).await
    }

    /// Lets media reach the recorder: everyone present has permitted, as the room proves and the stored decisions confirm.
    ///
    /// # Errors
    /// [`ServiceError::ConsentMismatch`] if a stored decision disagrees or the recording is over; [`ServiceError::Denied`].
    pub async fn start_recording(&self, room: &ConsentedRoom) -> Result<RecordingGrant, ServiceError> {
        self.nothing_pending()?;
        self.last_known.records(room.recording(), room.consultation());
        let consultation = self.consultation_of(room.consultation()).await?;
        let mut tx = self.database.begin().await?;
        let recording = recordings::lookup_to_change(tx.tx(), room.recording()).await?.ok_or(ServiceError::NotFound("recording"))?;
        let decisions = self.decisions(tx.tx(), room.recording()).await?;
        let bundle = self.policy().bundle;
        // what the room believes of everyone is what they signed last, to words that still hold
        let fits = |(who, kinds): (ParticipantId, Kinds)| {
            decisions.get(&who).is_some_and(|c| match c.decision {
                Decision::Permit => Kinds::of(&c.permitted) == kinds && self.is_valid(&bundle, c),
                Decision::Deny => kinds.is_none() && bundle.consent_rules().one_refusal == OneRefusal::LeavesOutThePerson,
                Decision::Withdrawn => false,
            })
        };
        let all_consented = room.participants().all(fits) && recording.consultation == room.consultation();
        let caller = Caller::system();
        let resource = Resource::Recording {
            id: recording.id,
            consultation: consultation.id,
            practitioner: consultation.practitioner,
            all_consented,
            held: false,
            granted: false,
        };
        if !all_consented || !recording.state.is_open() {
            let refused = self.entry(Event::AccessDenied, &caller)?.ended(Outcome::Denied).about("recording", recording.id);
            self.refuse(tx, refused.with("operation", "start_recording").with("reason", "consent")).await?;
            return Err(ServiceError::ConsentMismatch);
        }
        let permit = crate::domain::access::authorize::<StartRecording>(self.policy().bundle.as_ref(), &caller, resource)?;
        let consents: Vec<String> = room
            .participants()
            .filter_map(|(who, kinds)| decisions.get(&who).map(|c| (c, kinds)))
            .map(|(c, kinds)| format!("{} {} {} {}\n", c.participant, c.id, c.shown.digest, kinds.as_str()))
            .collect();
        let consent_set = sha256(&consents.iter().map(String::as_bytes).collect::<Vec<_>>());
        let sealed =
            crate::storage::patients::lookup(tx.tx(), recording.patient).await?.and_then(|p| p.keys).ok_or(ServiceError::KeyDestroyed)?;
        let content_key = self.keys.content_key(&recording.patient.to_string(), &sealed)?;
        let now = self.now();
        let started_at = recording.started_at.unwrap_or(now);
        let event = if recording.started_at.is_some() { Event::RecordingResumed } else { Event::RecordingStarted };
        recordings::update(tx.tx(), &Recording { state: State::Active, started_at: Some(started_at), ..recording.clone() }).await?;
        let mut entry = self.entry(event, &caller)?.about("recording", recording.id).about("consultation", consultation.id);
        let mut kinds = serde_json::Map::new();
        for (who, permitted) in room.participants() {
            entry = entry.about("participant", who);
            kinds.insert(who.to_string(), permitted.as_str().into());
        }
        self.commit(tx, entry.with("kinds", kinds).with("consent_set", crate::crypto::digest::hex(&consent_set))).await?;
        let policy = sha256(&[permit.policy_digest().as_bytes()]);
        Ok(RecordingGrant { content_key, key_version: sealed.version, consent_set, policy, started_at })
    }

    /// Notes that a newcomer paused a recording.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn pause_recording(&self, id: RecordingId, newcomer: ParticipantId) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let recording = recordings::lookup_to_change(tx.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
        if recording.state != State::Active {
            return Ok(());
        }
        let entry = self
            .entry(Event::RecordingPaused, &Caller::system())?
            .about("recording", id)
            .about("consultation", recording.consultation)
            .about("participant", newcomer);
        recordings::update(tx.tx(), &Recording { state: State::Paused, ..recording }).await?;
        self.commit(tx, entry).await
    }

    /// Signs and keeps what was recorded. If nobody stopped it on the record, that is recorded first, with the reason.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn seal_recording(&self, id: RecordingId, parts: &[ClosedPart], reason: &str, failed: bool) -> Result<(), ServiceError> {
        // what ended it comes first
        self.nothing_pending()?;
        let caller = Caller::system();
        let mut tx = self.database.begin().await?;
        let recording = recordings::lookup_to_change(tx.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
        let now = self.now();
        let about =
            |event| Ok::<_, ServiceError>(self.entry(event, &caller)?.about("recording", id).about("consultation", recording.consultation));
        let mut entries = Vec::new();
        if recording.state.is_open() {
            entries.push(about(Event::RecordingStopped)?.with("reason", reason));
        }
        if failed {
            entries.push(about(Event::RecordingFailed)?.ended(Outcome::Failure).with("reason", reason));
        }
        let held = crate::storage::custody::is_held(tx.tx(), id).await?;
        let withdrawn = recording.withdrawn.map(|after| if held { after.min(AfterWithdrawal::KeepUntilReview) } else { after });
        let destroys = withdrawn == Some(AfterWithdrawal::Destroy);
        let (mut bytes, mut end_ms, mut sealed) = (0_u64, 0_u64, 0_usize);
        for part in parts.iter().filter(|_| !destroys).filter(|part| !part.manifest.chunks.is_empty()) {
            let manifest = part.manifest.to_bytes();
            let signature = self.signer.sign(MANIFEST_PURPOSE, &manifest);
            let identity = &part.manifest.identity;
            bytes += part.manifest.sealed_bytes();
            end_ms = end_ms.max(part.manifest.end_ms());
            sealed += 1;
            let stored = StoredPart {
                id: identity.binding.part,
                participant: identity.participant,
                source: identity.track.clone(),
                header: part.header.to_bytes(),
                manifest,
                signature,
            };
            recordings::insert_part(tx.tx(), id, &stored).await?;
        }
        let state = match recording.started_at {
            None => State::Refused,
            Some(_) if destroys => State::Destroyed,
            Some(_) => State::Sealed,
        };
        let done = Recording {
            state,
            stopped_at: recording.stopped_at.or(Some(now)),
            duration_ms: i64::try_from(end_ms).unwrap_or(i64::MAX),
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            withdrawn,
            ..recording.clone()
        };
        recordings::update(tx.tx(), &done).await?;
        if state == State::Sealed {
            entries
                .push(about(Event::RecordingSealed)?.with("parts", sealed).with("duration_ms", done.duration_ms).with("bytes", done.bytes));
        }
        if state == State::Destroyed {
            entries.push(self.destroyed(&caller, &recording, "consent was withdrawn")?);
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.commit_all(tx, &entries).await?;
        if state == State::Destroyed {
            self.remove_media(id).await;
        }
        Ok(())
    }

    /// A records officer decides what becomes of a recording from which someone withdrew: it is kept, or it is destroyed.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if nothing waits for a review; [`ServiceError::LegalHold`].
    pub async fn review_withdrawal(&self, permit: &Permit<ReviewWithdrawal>, id: RecordingId, destroy: bool) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let recording = recordings::lookup_to_change(tx.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
        if recording.withdrawn != Some(AfterWithdrawal::KeepUntilReview) || recording.state != State::Sealed {
            return Err(ServiceError::Conflict("Nothing of this recording waits for a review."));
        }
        let outcome = if destroy { AfterWithdrawal::Destroy } else { AfterWithdrawal::Keep };
        let mut changed = Recording { withdrawn: Some(outcome), ..recording.clone() };
        let reviewed = self.entry(Event::RecordingReviewed, permit.caller())?.about("recording", id);
        let mut entries = vec![reviewed.about("consultation", recording.consultation).with("outcome", outcome.as_str())];
        if destroy {
            if crate::storage::custody::is_held(tx.tx(), id).await? {
                return Err(ServiceError::LegalHold);
            }
            changed.state = State::Destroyed;
            changed.bytes = 0;
            recordings::shred_parts(tx.tx(), id).await?;
            entries.push(self.destroyed(permit.caller(), &recording, "a review after a withdrawal")?);
        }
        recordings::update(tx.tx(), &changed).await?;
        let told = self.commit_all(tx, &entries).await;
        if destroy && recordings::lookup(self.database.read().await?.tx(), id).await?.is_some_and(|r| r.state == State::Destroyed) {
            self.remove_media(id).await;
        }
        told
    }

    /// The consultation a recording belongs to, for asking the permit to decide about it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn consultation_of_recording(&self, id: RecordingId) -> Result<crate::domain::id::ConsultationId, ServiceError> {
        let recording = recordings::lookup(self.database.read().await?.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
        Ok(recording.consultation)
    }

    /// Recordings a stop of the server left unfinished.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn unfinished_recordings(&self) -> Result<Vec<Recording>, ServiceError> {
        Ok(recordings::unfinished(self.database.read().await?.tx()).await?)
    }

    /// Removes media that a stop of the server left behind although its keys are gone.
    ///
    /// # Errors
    /// If the recordings cannot be listed.
    pub async fn remove_destroyed_media(&self) -> Result<(), ServiceError> {
        let destroyed = recordings::destroyed(self.database.read().await?.tx()).await?;
        for recording in destroyed {
            self.remove_media(recording.id).await;
        }
        Ok(())
    }

    /// Notes that a part's file is not what was written.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn part_is_damaged(&self, id: RecordingId, part: PartId, reason: &str) -> Result<(), ServiceError> {
        let entry =
            self.entry(Event::IntegrityFailed, &Caller::system())?.ended(Outcome::Failure).about("recording", id).about("part", part);
        self.record(entry.with("reason", reason)).await
    }

    /// The content key of an unfinished recording, to recover its parts.
    ///
    /// # Errors
    /// [`ServiceError::KeyDestroyed`].
    pub async fn recovery_key(&self, recording: &Recording) -> Result<SecretKey, ServiceError> {
        self.content_key(self.database.read().await?.tx(), recording.patient).await
    }

    /// The recordings the caller may know of: a clinician's own consultations', everyone's for oversight.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn recordings(&self, permit: &Permit<ListRecordings>) -> Result<Recorded<Vec<ListedRecording>>, ServiceError> {
        let own = match permit.caller().actor {
            Actor::Account { id, role: AccountRole::Clinician, .. } => Some(id),
            _ => None,
        };
        let mut listed = Vec::new();
        {
            let mut read = self.database.read().await?;
            let found = match own {
                Some(id) => {
                    let mut own = recordings::of_practitioner(read.tx(), id).await?;
                    for granted in self.granted_recordings(read.tx(), id).await? {
                        own.extend(recordings::lookup(read.tx(), granted).await?);
                    }
                    own
                }
                None => recordings::all(read.tx()).await?,
            };
            for recording in found {
                listed.push(self.listed(read.tx(), recording).await?);
            }
        }
        self.recorded(self.entry(Event::RecordingsListed, permit.caller())?.with("count", listed.len()), listed).await
    }

    /// One of the recordings the caller may know of.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for one they may not know of, too.
    pub async fn recording(&self, permit: &Permit<ListRecordings>, id: RecordingId) -> Result<Recorded<ListedRecording>, ServiceError> {
        let listed = {
            let mut read = self.database.read().await?;
            let recording = recordings::lookup(read.tx(), id).await?.ok_or(ServiceError::NotFound("recording"))?;
            let of = consultations::lookup(read.tx(), recording.consultation).await?.ok_or(ServiceError::NotFound("recording"))?;
            if let Actor::Account { id: account, role: AccountRole::Clinician, .. } = permit.caller().actor
                && of.practitioner != account
                && !self.granted_recordings(read.tx(), account).await?.contains(&id)
            {
                return Err(ServiceError::NotFound("recording"));
            }
            self.listed(read.tx(), recording).await?
        };
        self.recorded(self.entry(Event::RecordingsListed, permit.caller())?.about("recording", id), listed).await
    }

    /// The recordings of one consultation.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn recordings_of(
        &self,
        permit: &Permit<ReadConsultation>,
        consultation: &Consultation,
    ) -> Result<Recorded<Vec<ListedRecording>>, ServiceError> {
        debug_assert_eq!(permit.consultation(), Some(consultation.id));
        let mut read = self.database.read().await?;
        let mut listed = Vec::new();
        for recording in recordings::of_consultation(read.tx(), consultation.id).await? {
            listed.push(self.listed(read.tx(), recording).await?);
        }
        drop(read);
        let entry =
            self.entry(Event::RecordingsListed, permit.caller())?.about("consultation", consultation.id).with("count", listed.len());
        self.recorded(entry, listed).await
    }

    pub(crate) async fn listed(
        &self,
        tx: &mut crate::storage::database::Tx,
        recording: Recording,
    ) -> Result<ListedRecording, ServiceError> {
        let decided = self.decisions(tx, recording.id).await?;
        let people = participants::of_consultation(tx, recording.consultation).await?;
        let participants = people.into_iter().filter(|p| decided.contains_key(&p.id)).map(|p| (p.id, p.role)).collect();
        let bundle = self.policy().bundle;
        let class = bundle.retention_class(&recording.retention_class);
        let due_at = recording.started_at.and_then(|since| class.map(|class| class.due(since)));
        Ok(ListedRecording { keep_days: class.map(|class| class.keep_days), due_at, participants, recording })
    }
}
