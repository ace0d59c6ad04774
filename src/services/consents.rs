//! Consent decisions: each one a new record, of the exact words that were shown, signed by a key of the browser that showed them.
//!
//! Invariants: whatever makes consent less takes effect before it is written down; nothing that makes it more does.

mod withdrawals;

use crate::crypto::browser_signature::Algorithm;
use crate::crypto::envelope::{SecretKey, open_value, seal_value};
use crate::domain::access::{Caller, DecideConsent, JoinConsultation, Permit, ReadGivenConsents, ReadOwnConsents, RequestRecording};
use crate::domain::audit::{Entry, Event};
use crate::domain::consent::{Capacity, Decision, Kinds, Method, Moment, OneRefusal, Purpose, TextShown};
use crate::domain::consultation::Consultation;
use crate::domain::id::{ConsentId, EntryId, ParticipantId, PatientId, RecordingId};
use crate::domain::participant::{Place, Role};
use crate::domain::recording::{AfterWithdrawal, Recording, State};
use crate::domain::statement::{LONGEST, Representative, Statement, StatementError};
use crate::policy::bundle::Bundle;
use crate::policy::catalogue::ConsentText;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::{Answer, Happened};
use crate::services::participants::OpenParticipant;
use crate::services::recorded::Recorded;
use crate::storage::consents::{self, Consent, SignedStatement};
use crate::storage::database::Tx;
use crate::storage::participants::{self, Participant};
use crate::storage::recordings;
use crate::storage::subject_keys::{self, Evidence};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A statement as a browser presents it. What is missing is named in the refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presented {
    /// The statement's bytes.
    pub statement: Option<String>,
    /// `Ed25519` or `ES256`.
    pub algorithm: Option<String>,
    /// The public key, base64url.
    pub public_key: Option<String>,
    /// The signature over the statement's bytes, base64url.
    pub signature: Option<String>,
}

/// A statement whose signature holds.
struct Signed {
    statement: Statement,
    bytes: String,
    algorithm: Algorithm,
    public_key: Vec<u8>,
    signature: Vec<u8>,
}

/// A decision as it was kept, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptDecision {
    /// The record.
    pub id: ConsentId,
    /// What becomes of what was recorded so far, where someone withdrew from a recording that had begun.
    pub what_was_recorded: Option<AfterWithdrawal>,
    /// Where its participant is now.
    pub place: Place,
}

/// A text someone is to decide about, and how they did so far.
pub struct Wanted {
    /// The text, in the language that was asked for.
    pub text: ConsentText,
    /// Languages it is there in.
    pub languages: Vec<String>,
    /// Their standing decision about it.
    pub decision: Option<Decision>,
}

/// A decision as it is shown to those who may read it.
pub struct OpenConsent {
    /// The record.
    pub consent: Consent,
    /// The person's name, from what they signed; `None` once the evidence key is gone.
    pub person: Option<String>,
    /// Who decided for the patient.
    pub representative: Option<Representative>,
    /// Their role.
    pub role: Role,
    /// Whether it counts: it is the latest about its thing, and the words have not been replaced by others that ask again.
    pub stands: bool,
}

/// What someone withdraws from.
#[derive(Debug, Clone)]
pub enum About {
    /// A recording.
    Recording(RecordingId),
    /// A text of the consultation as a whole.
    Text(String),
}

fn incomplete(error: StatementError) -> ServiceError {
    match error {
        StatementError::Missing(name) => ServiceError::ConsentIncomplete(name),
        StatementError::Malformed(_) => ServiceError::ConsentMismatch,
    }
}

impl Presented {
    fn read(self) -> Result<Signed, ServiceError> {
        let need = |value: Option<String>, name: &'static str| {
            value.filter(|text| !text.trim().is_empty()).ok_or(ServiceError::ConsentIncomplete(name))
        };
        let bytes = need(self.statement, "statement")?;
        let algorithm = need(self.algorithm, "algorithm")?;
        let public_key = need(self.public_key, "public_key")?;
        let signature = need(self.signature, "signature")?;
        if bytes.len() > LONGEST {
            return Err(ServiceError::ConsentMismatch);
        }
        let statement = Statement::parse(&bytes).map_err(incomplete)?;
        let algorithm = Algorithm::parse(&algorithm).ok_or(ServiceError::ConsentSignature)?;
        let decode = |text: String| URL_SAFE_NO_PAD.decode(text).map_err(|_| ServiceError::ConsentSignature);
        let (public_key, signature) = (decode(public_key)?, decode(signature)?);
        if !algorithm.verify(&public_key, bytes.as_bytes(), &signature) {
            return Err(ServiceError::ConsentSignature);
        }
        Ok(Signed { statement, bytes, algorithm, public_key, signature })
    }
}

/// The words are those in force for this thing.
fn words_in_force<'a>(bundle: &'a Bundle, shown: &TextShown, recording: Option<&Recording>) -> Option<&'a ConsentText> {
    let text = bundle.consent_text(&shown.text, &shown.version, &shown.language)?;
    let same = text.language == shown.language && text.digest == shown.digest && text.shown_digest() == shown.shown;
    let in_force = match recording {
        // asked with these words, or with what came after them
        Some(recording) => {
            recording.text == shown.text
                && recording.version.parse::<u32>().is_ok_and(|asked| text.number() >= asked)
                && bundle.still_holds(&shown.text, &shown.version)
        }
        None => bundle.newest_version(&shown.text) == Some(shown.version.as_str()),
    };
    (same && in_force).then_some(text)
}

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

    /// What the caller is to decide about before they may enter the lobby, and what else they are asked there.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if they are not in the consultation.
    pub async fn wanted_consents(
        &self,
        permit: &Permit<JoinConsultation>,
        consultation: &Consultation,
        language: &str,
    ) -> Result<Vec<Wanted>, ServiceError> {
        let mut read = self.database.read().await?;
        let own = self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
        let bundle = self.policy().bundle;
        let given = consents::of_participant(read.tx(), own.id).await?;
        let mut wanted = Vec::new();
        for text in bundle.texts_at(Moment::Joining).filter(|t| t.roles.contains(&own.role) && own.account.is_none()) {
            let shown = bundle.consent_text(&text.text, &text.version, language).unwrap_or(text).clone();
            wanted.push(Wanted {
                languages: bundle.languages(&text.text, &text.version).into_iter().map(str::to_owned).collect(),
                decision: self.standing_decision(&bundle, &given, &text.text),
                text: shown,
            });
        }
        Ok(wanted)
    }

    /// Records the caller's signed decision.
    ///
    /// # Errors
    /// [`ServiceError::ConsentIncomplete`] naming the element that is missing; [`ServiceError::ConsentSignature`];
    /// [`ServiceError::ConsentMismatch`] if it is not about these words, this person or this thing.
    pub async fn decide(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        presented: Presented,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        let signed = presented.read()?;
        let statement = &signed.statement;
        let own = {
            let mut read = self.database.read().await?;
            let own = self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
            self.open_participant(read.tx(), consultation, own).await?
        };
        if statement.consultation != consultation.id
            || statement.participant != own.participant.id
            || own.name.as_deref() != Some(&statement.person)
        {
            return Err(ServiceError::ConsentMismatch);
        }
        if let Some(done) = self.recorded_before(&signed, &own.participant).await? {
            return Ok(done);
        }
        if statement.decision == Decision::Withdrawn {
            let about = statement.recording.map_or_else(|| About::Text(statement.shown.text.clone()), About::Recording);
            return self.withdraw_as(permit, consultation, &own, about, Some(signed), method).await;
        }
        let recording = match statement.recording {
            None => None,
            Some(id) => {
                let found = recordings::lookup(self.database.read().await?.tx(), id).await?;
                Some(found.filter(|r| r.consultation == consultation.id && r.state.is_open()).ok_or(ServiceError::ConsentMismatch)?)
            }
        };
        let bundle = self.policy().bundle;
        let text = words_in_force(&bundle, &statement.shown, recording.as_ref()).ok_or(ServiceError::ConsentMismatch)?;
        answers_fit(text, statement, own.participant.role)?;
        match (text.moment(), recording) {
            (Moment::Recording, Some(recording)) => self.decide_about_recording(permit, &own.participant, recording, signed, method).await,
            (Moment::Joining | Moment::Interpreter, None) => {
                let moment = text.moment();
                self.decide_about_text(permit, consultation, &own, moment, signed, method).await
            }
            _ => Err(ServiceError::ConsentMismatch),
        }
    }

    /// Asks someone in the call once more about the recording they declined.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if they have not declined it, or were asked as often as the policy allows.
    pub async fn ask_again(
        &self,
        permit: &Permit<RequestRecording>,
        consultation: &Consultation,
        recording: RecordingId,
        participant: ParticipantId,
    ) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let current = recordings::lookup_to_change(tx.tx(), recording).await?.filter(|r| r.consultation == consultation.id);
        if !current.ok_or(ServiceError::NotFound("recording"))?.state.is_open() {
            return Err(ServiceError::Conflict("The recording is over already."));
        }
        let latest = self.decisions(tx.tx(), recording).await?.remove(&participant);
        if latest.is_none_or(|latest| latest.decision != Decision::Deny) {
            return Err(ServiceError::Conflict("They have not declined this recording."));
        }
        let times = self.refusals(tx.tx(), participant).await?;
        if times > self.policy().bundle.consent_rules().ask_again_at_most {
            return Err(ServiceError::Conflict("They were asked as often as the clinic's policy allows. Their answer stands."));
        }
        let entry = self
            .entry(Event::ConsentAskedAgain, permit.caller())?
            .about("recording", recording)
            .about("participant", participant)
            .about("consultation", consultation.id)
            .with("times", times);
        self.commit_telling(tx, vec![entry], consultation.id, Happened::AskedAgain { recording, participant }).await
    }

    /// Every decision in a consultation, for those who may read it.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn consents_of_consultation(
        &self,
        permit: &Permit<ReadGivenConsents>,
        consultation: &Consultation,
    ) -> Result<Recorded<Vec<OpenConsent>>, ServiceError> {
        let open = {
            let mut read = self.database.read().await?;
            let all = consents::of_consultation(read.tx(), consultation.id).await?;
            self.open_consents(read.tx(), all).await?
        };
        let entry =
            self.entry(Event::ConsentsRead, permit.caller())?.about("consultation", consultation.id).with("register", "consultation");
        self.recorded(entry, open).await
    }

    /// The caller's own decisions in a consultation.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if they are not in it.
    pub async fn own_consents(
        &self,
        permit: &Permit<ReadOwnConsents>,
        consultation: &Consultation,
    ) -> Result<Recorded<Vec<OpenConsent>>, ServiceError> {
        let (own, open) = {
            let mut read = self.database.read().await?;
            let own = self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
            let all = consents::of_participant(read.tx(), own.id).await?;
            (own.id, self.open_consents(read.tx(), all).await?)
        };
        let entry = self.entry(Event::ReceiptRead, permit.caller())?.about("participant", own).about("consultation", consultation.id);
        self.recorded(entry, open).await
    }

    /// Opens decisions; the ones that stand are told from those that a later one replaced.
    pub(crate) async fn open_consents(&self, tx: &mut Tx, all: Vec<Consent>) -> Result<Vec<OpenConsent>, ServiceError> {
        let bundle = self.policy().bundle;
        // what a recording was asked with is one thing, whatever its text is called
        let thing = |c: &Consent| (c.participant, c.recording, c.recording.is_none().then(|| c.shown.text.clone()));
        let mut latest = BTreeMap::new();
        let mut oldest_first: Vec<&Consent> = all.iter().collect();
        oldest_first.sort_by_key(|c| (c.decided_at, c.id));
        for c in oldest_first {
            latest.insert(thing(c), c.id);
        }
        let mut open = Vec::with_capacity(all.len());
        for consent in all {
            let newest = latest.get(&thing(&consent)) == Some(&consent.id);
            let stands = newest && (consent.decision != Decision::Permit || self.is_valid(&bundle, &consent));
            let participant = participants::lookup(tx, consent.participant).await?.ok_or(ServiceError::NotFound("participant"))?;
            let statement = self.open_statement(tx, &consent).await?.and_then(|bytes| Statement::parse(&bytes).ok());
            open.push(OpenConsent {
                role: participant.role,
                person: statement.as_ref().map(|s| s.person.clone()),
                representative: statement.and_then(|s| s.representative),
                stands,
                consent,
            });
        }
        Ok(open)
    }

    /// The bytes that were signed; `None` where nothing was, or the evidence key is gone.
    pub(crate) async fn open_statement(&self, tx: &mut Tx, consent: &Consent) -> Result<Option<String>, ServiceError> {
        let Some(statement) = &consent.statement else { return Ok(None) };
        let consultation = crate::storage::consultations::lookup(tx, consent.consultation).await?;
        let patient = consultation.ok_or(ServiceError::NotFound("consultation"))?.patient;
        match self.evidence_key(tx, patient).await {
            Ok(key) => {
                let open = open_value(&key, &statement.sealed, context(consent.id).as_bytes())?;
                Ok(Some(String::from_utf8_lossy(&open).into_owned()))
            }
            Err(ServiceError::KeyDestroyed) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// How often someone has declined recordings in their consultation.
    pub(crate) async fn refusals(&self, tx: &mut Tx, participant: ParticipantId) -> Result<u32, ServiceError> {
        let given = consents::of_participant(tx, participant).await?;
        let refused = given.iter().filter(|c| c.recording.is_some() && c.decision == Decision::Deny).count();
        Ok(u32::try_from(refused).unwrap_or(u32::MAX))
    }

    /// The latest decision of everyone who decided about a recording.
    pub(crate) async fn decisions(&self, tx: &mut Tx, recording: RecordingId) -> Result<BTreeMap<ParticipantId, Consent>, ServiceError> {
        Ok(consents::of_recording(tx, recording).await?.into_iter().map(|consent| (consent.participant, consent)).collect())
    }

    /// Whether a permit still holds: its words were not replaced by others that ask again, and its time is not over.
    pub(crate) fn is_valid(&self, bundle: &Bundle, consent: &Consent) -> bool {
        let shown = &consent.shown;
        let lasts = bundle.consent_text(&shown.text, &shown.version, &shown.language).and_then(|text| text.expires.duration());
        bundle.still_holds(&shown.text, &shown.version) && lasts.is_none_or(|lasts| self.now() < consent.decided_at.plus(lasts))
    }

    /// What someone last decided about a text of the consultation as a whole, if it still holds.
    fn standing_decision(&self, bundle: &Bundle, given: &[Consent], text: &str) -> Option<Decision> {
        let latest = given.iter().rev().find(|c| c.recording.is_none() && c.shown.text == text)?;
        (latest.decision != Decision::Permit || self.is_valid(bundle, latest)).then_some(latest.decision)
    }

    /// Whether someone who was invited has permitted everything that the lobby asks of their role.
    pub(crate) async fn may_enter(&self, tx: &mut Tx, participant: &Participant) -> Result<bool, ServiceError> {
        if participant.account.is_some() {
            return Ok(true);
        }
        let bundle = self.policy().bundle;
        let given = consents::of_participant(tx, participant.id).await?;
        let mut required = bundle.texts_at(Moment::Joining).filter(|t| t.required && t.roles.contains(&participant.role));
        Ok(required.all(|text| self.standing_decision(&bundle, &given, &text.text) == Some(Decision::Permit)))
    }

    /// Those who may not come in because they declined or withdrew what is required, and whether they had permitted it.
    pub(crate) async fn declined(&self, tx: &mut Tx, consultation: &Consultation) -> Result<Vec<(OpenParticipant, bool)>, ServiceError> {
        let bundle = self.policy().bundle;
        let mut all = Vec::new();
        for participant in participants::of_consultation(tx, consultation.id).await? {
            if participant.place != Place::Invited {
                continue;
            }
            let given = consents::of_participant(tx, participant.id).await?;
            let required = bundle.texts_at(Moment::Joining).filter(|t| t.required && t.roles.contains(&participant.role));
            let refused = required.filter_map(|t| self.standing_decision(&bundle, &given, &t.text)).find(|d| *d != Decision::Permit);
            if let Some(decision) = refused {
                all.push((self.open_participant(tx, consultation, participant).await?, decision == Decision::Withdrawn));
            }
        }
        Ok(all)
    }

    /// Those who have yet to permit that an interpreter is there, with the text to show them and how often they said no: everyone in the
    /// call who has not decided, and whoever said no wherever they are. Of one person alone, if asked so: they are about to come in.
    pub(crate) async fn ask_before_interpreter(
        &self,
        tx: &mut Tx,
        consultation: &Consultation,
        coming: Option<ParticipantId>,
    ) -> Result<Vec<(ParticipantId, ConsentText, usize)>, ServiceError> {
        let bundle = self.policy().bundle;
        let mut asked = Vec::new();
        for text in bundle.texts_at(Moment::Interpreter) {
            for participant in participants::of_consultation(tx, consultation.id).await? {
                let concerned = coming.is_none_or(|one| one == participant.id) && !participant.place.is_barred();
                if !text.roles.contains(&participant.role) || !concerned || participant.account.is_some() {
                    continue;
                }
                let given = consents::of_participant(tx, participant.id).await?;
                let decision = self.standing_decision(&bundle, &given, &text.text);
                let here = coming.is_some() || participant.place == Place::InCall;
                if decision.is_some_and(|d| d != Decision::Permit) || (decision.is_none() && here) {
                    let refused = given.iter().filter(|c| c.shown.text == text.text && c.decision != Decision::Permit).count();
                    asked.push((participant.id, text.clone(), refused));
                }
            }
        }
        Ok(asked)
    }

    /// Asks everyone anew whose permit of an open recording no longer holds because the words were replaced by others that ask again.
    pub(crate) async fn ask_about_new_words(&self) -> Result<(), ServiceError> {
        let bundle = self.policy().bundle;
        let mut read = self.database.read().await?;
        for recording in recordings::unfinished(read.tx()).await?.into_iter().filter(|r| r.state.is_open()) {
            let Some(version) = bundle.newest_version(&recording.text) else { continue };
            for (participant, latest) in self.decisions(read.tx(), recording.id).await? {
                if latest.decision == Decision::Permit && !self.is_valid(&bundle, &latest) {
                    let happened = Happened::TextChanged { recording: recording.id, participant, version: version.to_owned() };
                    self.events.publish(recording.consultation, happened);
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn evidence_key(&self, tx: &mut Tx, id: PatientId) -> Result<SecretKey, ServiceError> {
        // it outlives the content key
        let Evidence::Wrapped(version, wrapped) = subject_keys::evidence(tx, &id.to_string()).await? else {
            return Err(ServiceError::KeyDestroyed);
        };
        Ok(self.keys.evidence_key(&id.to_string(), version, &wrapped)?)
    }

    /// A statement that was recorded already is answered as it was then; one whose id was used for another is refused.
    async fn recorded_before(&self, signed: &Signed, own: &Participant) -> Result<Option<KeptDecision>, ServiceError> {
        let Some(before) = consents::lookup(self.database.read().await?.tx(), signed.statement.id).await? else { return Ok(None) };
        let same = before.participant == own.id && before.statement.as_ref().is_some_and(|s| s.signature == signed.signature);
        if !same {
            return Err(ServiceError::ConsentMismatch);
        }
        Ok(Some(KeptDecision { id: before.id, what_was_recorded: None, place: own.place }))
    }

    async fn decide_about_recording(
        &self,
        permit: &Permit<DecideConsent>,
        own: &Participant,
        recording: Recording,
        signed: Signed,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        // a first word is for those who are in the call
        if own.place != Place::InCall {
            return Err(ServiceError::Conflict("Only someone in the call decides about its recording."));
        }
        let kinds = Kinds::of(&signed.statement.permitted);
        let before = self.decisions(self.database.read().await?.tx(), recording.id).await?.remove(&own.id);
        let permitted_before = before.is_some_and(|c| c.decision == Decision::Permit);
        if kinds.is_none() && permitted_before {
            return Err(ServiceError::Conflict("You have permitted this recording: withdraw instead."));
        }
        if permitted_before {
            // protective: what was permitted before counts no more, until the new answer does
            self.events.publish(recording.consultation, Happened::Reconsidering { recording: recording.id, participant: own.id });
        }
        let stops_all = self.policy().bundle.consent_rules().one_refusal == OneRefusal::StopsAll;
        let mut tx = self.database.begin().await?;
        let current = recordings::lookup_to_change(tx.tx(), recording.id).await?.ok_or(ServiceError::NotFound("recording"))?;
        if !current.state.is_open() {
            return Err(ServiceError::ConsentMismatch);
        }
        let (consent, entry) = self.prepare(tx.tx(), permit, own, signed, method, recording.patient).await?;
        consents::insert(tx.tx(), &consent).await?;
        if kinds.is_none() && stops_all && current.started_at.is_none() {
            let now = self.now();
            recordings::update(tx.tx(), &Recording { state: State::Refused, stopped_at: Some(now), ..current }).await?;
        }
        let happened = Happened::Decided { recording: recording.id, participant: own.id, answer: Answer::Kinds(kinds) };
        self.commit_telling(tx, vec![entry], recording.consultation, happened).await?;
        Ok(KeptDecision { id: consent.id, what_was_recorded: None, place: own.place })
    }

    async fn decide_about_text(
        &self,
        permit: &Permit<DecideConsent>,
        consultation: &Consultation,
        own: &OpenParticipant,
        moment: Moment,
        signed: Signed,
        method: Method,
    ) -> Result<KeptDecision, ServiceError> {
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        let (participant, name) = (&own.participant, own.name.clone().unwrap_or_default());
        let (declined, text) = (signed.statement.decision == Decision::Deny, signed.statement.shown.text.clone());
        let required = self.policy().bundle.texts_at(Moment::Joining).any(|t| t.text == text && t.required);
        let barred = declined && required;
        let mut tx = self.database.begin().await?;
        let (consent, entry) = self.prepare(tx.tx(), permit, participant, signed, method, consultation.patient).await?;
        consents::insert(tx.tx(), &consent).await?;
        let mut entries = vec![entry];
        let may_enter = self.may_enter(tx.tx(), participant).await?;
        let place = match participant.place {
            Place::Invited if may_enter => Place::Lobby,
            Place::Lobby | Place::InCall if barred => Place::Invited,
            same => same,
        };
        if place != participant.place {
            participants::set_place(tx.tx(), participant.id, place, self.now()).await?;
            let event = if place == Place::Lobby { Event::LobbyEntered } else { Event::ParticipantLeft };
            entries.push(self.entry(event, permit.caller())?.about("participant", participant.id).about("consultation", consultation.id));
        }
        if declined && moment == Moment::Interpreter {
            // nobody interprets for someone who says no
            for one in participants::of_consultation(tx.tx(), consultation.id).await? {
                if one.role == Role::Interpreter && one.place == Place::InCall {
                    self.events.publish(consultation.id, Happened::Left(one.id));
                    participants::set_place(tx.tx(), one.id, Place::Left, self.now()).await?;
                    let entry = self.entry(Event::ParticipantLeft, permit.caller())?.about("participant", one.id);
                    entries.push(entry.about("consultation", consultation.id));
                }
            }
        }
        let happened = match moment {
            _ if barred => Happened::Declined { participant: participant.id, name, role: participant.role, withdrawn: false },
            _ => Happened::TextDecided { participant: participant.id, text },
        };
        self.commit_telling(tx, entries, consultation.id, happened).await?;
        Ok(KeptDecision { id: consent.id, what_was_recorded: None, place })
    }

    /// The record of a signed decision, with its entry.
    async fn prepare(
        &self,
        tx: &mut Tx,
        permit: &Permit<DecideConsent>,
        own: &Participant,
        signed: Signed,
        method: Method,
        patient: PatientId,
    ) -> Result<(Consent, Entry), ServiceError> {
        let key = self.evidence_key(tx, patient).await?;
        let Signed { statement, bytes, algorithm, public_key, signature } = signed;
        let sealed = seal_value(&key, bytes.as_bytes(), context(statement.id).as_bytes(), self.entropy.as_ref())?;
        let consent = Consent {
            id: statement.id,
            consultation: own.consultation,
            recording: statement.recording,
            participant: own.id,
            decision: statement.decision,
            permitted: statement.permitted,
            denied: statement.denied,
            shown: statement.shown,
            capacity: statement.capacity,
            method,
            statement: Some(SignedStatement { sealed, algorithm: algorithm.as_str().to_owned(), public_key, signature }),
            policy_digest: permit.policy_digest().to_owned(),
            entry: Some(EntryId::from_uuid(self.new_uuid()?)),
            decided_at: self.now(),
        };
        let entry = self.about_consent(permit.caller(), &consent)?;
        Ok((consent, entry))
    }

    fn about_consent(&self, caller: &Caller, consent: &Consent) -> Result<Entry, ServiceError> {
        let event = if consent.decision == Decision::Withdrawn { Event::ConsentWithdrawn } else { Event::ConsentDecided };
        let mut entry = self.entry(event, caller)?;
        if let Some(id) = consent.entry {
            entry.id = id;
        }
        // one instant for the record and its entry
        entry.at = consent.decided_at;
        entry = entry.about("consent", consent.id);
        if let Some(recording) = consent.recording {
            entry = entry.about("recording", recording);
        }
        entry = entry
            .about("participant", consent.participant)
            .about("consultation", consent.consultation)
            .with("decision", consent.decision.as_str())
            .with("permitted", Purpose::list(&consent.permitted))
            .with("denied", Purpose::list(&consent.denied))
            .with("capacity", consent.capacity.as_str())
            .with("method", consent.method.as_str())
            .with("text", consent.shown.text.as_str())
            .with("version", consent.shown.version.as_str())
            .with("language", consent.shown.language.as_str())
            .with("digest", consent.shown.digest.as_str())
            .with("shown", consent.shown.shown.as_str());
        if let Some(signed) = consent.signed() {
            // which statement, without what it says: the signature is over bytes only the statement's holder has
            entry = entry.with("signature", crate::crypto::digest::sha256_hex(&signed.signature));
        }
        Ok(entry)
    }
}

/// The answers are to this text, each purpose once, by someone it is for.
fn answers_fit(text: &ConsentText, statement: &Statement, role: Role) -> Result<(), ServiceError> {
    if !text.roles.contains(&role) {
        return Err(ServiceError::Conflict("This text is not for you to decide about."));
    }
    let answered: BTreeSet<_> = statement.permitted.iter().chain(&statement.denied).copied().collect();
    if let Some(open) = text.purposes.iter().find(|purpose| !answered.contains(purpose)) {
        return Err(ServiceError::ConsentIncomplete(open.as_str()));
    }
    let once = answered.len() == statement.permitted.len() + statement.denied.len() && answered.len() == text.purposes.len();
    let says = if statement.permitted.is_empty() { Decision::Deny } else { Decision::Permit };
    // only whoever speaks for the patient decides in another's place
    let may_represent = matches!(role, Role::Patient | Role::RelatedPerson) || statement.capacity == Capacity::Oneself;
    if once && says == statement.decision && may_represent { Ok(()) } else { Err(ServiceError::ConsentMismatch) }
}

fn context(id: ConsentId) -> String {
    format!("bedside/consent-statement/{id}")
}
