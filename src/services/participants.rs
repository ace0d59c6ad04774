//! Participants: coming to the lobby, being admitted or not, leaving; and the tickets that open the signaling connection.

use crate::crypto::envelope::{open_value, seal_value};
use crate::crypto::token;
use crate::domain::access::{Actor, Caller, JoinConsultation, ManageParticipants, Permit, ReadConsultation};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consultation::{Consultation, State};
use crate::domain::id::{ConsultationId, ParticipantId};
use crate::domain::participant::{Capability, Place, Role, is_valid_name};
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::consultations::account_of;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::services::recorded::Recorded;
use crate::storage::database::Tx;
use crate::storage::participants::{self, Participant};
use crate::storage::{consents, consultations, emergency_accesses, sign_in_sessions};
use std::time::Duration;

/// Most people in one call: one and those in the three slots of everyone else.
pub const MOST_IN_CALL: usize = 4;
/// A ticket is good for this long.
const TICKET: Duration = Duration::from_secs(30);

/// A participant with their name opened.
#[derive(Debug, Clone)]
pub struct OpenParticipant {
    /// The participant.
    pub participant: Participant,
    /// Their name; `None` until they gave one.
    pub name: Option<String>,
}

/// What the gateway must know of someone whose ticket it took.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The participant.
    pub participant: OpenParticipant,
    /// The consultation's status.
    pub status: State,
    /// For those who admit: who declined or withdrew what is required, and whether they had permitted it.
    pub declined: Vec<(OpenParticipant, bool)>,
}

/// What the clinician decides about someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Admit,
    /// Not let in.
    TurnAway,
    /// Taken out.
    Remove,
}

impl Services {
    /// Everyone of a consultation.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn participants(
        &self,
        permit: &Permit<ReadConsultation>,
        consultation: &Consultation,
    ) -> Result<Recorded<Vec<OpenParticipant>>, ServiceError> {
        debug_assert_eq!(permit.consultation(), Some(consultation.id));
        let mut read = self.database.read().await?;
        let mut open = Vec::new();
        for participant in participants::of_consultation(read.tx(), consultation.id).await? {
            open.push(self.open_participant(read.tx(), consultation, participant).await?);
        }
        drop(read);
        let entry =
            self.entry(Event::ConsultationRead, permit.caller())?.about("consultation", consultation.id).with("part", "participants");
        self.recorded(entry, open).await
    }

    /// The caller themself, in this consultation.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if they are not in it yet.
    pub async fn myself(
        &self,
        permit: &Permit<JoinConsultation>,
        consultation: &Consultation,
    ) -> Result<(OpenParticipant, String), ServiceError> {
        let mut read = self.database.read().await?;
        let participant =
            self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
        let practitioner = self.display_name(read.tx(), consultation.practitioner).await?;
        Ok((self.open_participant(read.tx(), consultation, participant).await?, practitioner))
    }

    /// Takes the caller's name and brings them to the lobby, unless they are in the call already.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a name that cannot be; [`ServiceError::ConsultationEnded`].
    pub async fn introduce(
        &self,
        permit: &Permit<JoinConsultation>,
        consultation: &Consultation,
        name: &str,
        language: &str,
    ) -> Result<(OpenParticipant, String), ServiceError> {
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        let name = name.trim();
        if !is_valid_name(name) {
            return Err(ServiceError::Validation(vec![FieldError { name: "name", message: "must be 1 to 80 characters" }]));
        }
        if !(2..=12).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(ServiceError::Validation(vec![FieldError {
                name: "language",
                message: "must be a language tag such as en or es",
            }]));
        }
        let mut tx = self.database.begin().await?;
        let participant =
            self.own_participant(tx.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
        if participant.account.is_some() {
            return Err(ServiceError::Conflict("Staff join under the name of their account."));
        }
        let known = self.open_participant(tx.tx(), consultation, participant.clone()).await?.name;
        if known.is_some_and(|known| known != name) && !consents::of_participant(tx.tx(), participant.id).await?.is_empty() {
            return Err(ServiceError::Conflict("You have decided about consents under another name, which stays."));
        }
        let place = match participant.place {
            Place::InCall => Place::InCall,
            _ if self.may_enter(tx.tx(), &participant).await? => Place::Lobby,
            _ => Place::Invited,
        };
        let key = self.content_key(tx.tx(), consultation.patient).await?;
        let sealed = seal_value(&key, name.as_bytes(), name_context(participant.id).as_bytes(), self.entropy.as_ref())?;
        participants::set_name(tx.tx(), participant.id, &sealed, language, place).await?;
        let practitioner = self.display_name(tx.tx(), consultation.practitioner).await?;
        let event = if place == Place::Invited { Event::ParticipantIntroduced } else { Event::LobbyEntered };
        let entry = self.entry(event, permit.caller())?.about("participant", participant.id).about("consultation", consultation.id);
        self.commit(tx, entry.of_person("name", name)).await?;
        let participant = Participant { place, sealed_name: Some(sealed), language: language.to_owned(), ..participant };
        Ok((OpenParticipant { participant, name: Some(name.to_owned()) }, practitioner))
    }

    /// Gives the caller a single-use ticket for the signaling connection. The clinician's first ticket starts a planned consultation.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] without a name; [`ServiceError::ConsultationEnded`].
    pub async fn issue_ticket(
        &self,
        permit: &Permit<JoinConsultation>,
        consultation: Consultation,
    ) -> Result<(Secret, Timestamp), ServiceError> {
        let caller = permit.caller();
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        let consultation = match (account_of(caller), consultation.state) {
            (Some(_), State::Planned) => self.start_by_joining(caller, consultation).await?,
            _ => consultation,
        };
        let now = self.now();
        let (secret, hash) = self.new_token()?;
        let expires_at = now.plus(TICKET);
        let mut tx = self.database.begin().await?;
        let participant = match (self.own_participant(tx.tx(), caller, &consultation).await?, account_of(caller)) {
            (Some(participant), _) => participant,
            (None, Some(account)) => {
                let participant = Participant {
                    id: ParticipantId::from_uuid(self.new_uuid()?),
                    consultation: consultation.id,
                    account: Some(account),
                    role: Role::Practitioner,
                    // whose consultation it is records; a colleague who came by emergency access never does
                    capabilities: if account == consultation.practitioner {
                        Role::Practitioner.capabilities()
                    } else {
                        Role::Practitioner.capabilities().without(Capability::Record)
                    },
                    place: Place::InCall,
                    sealed_name: None,
                    language: "en".to_owned(),
                    joined_at: Some(now),
                    created_at: now,
                };
                participants::insert(tx.tx(), &participant).await?;
                participant
            }
            (None, None) => return Err(ServiceError::NotFound("participant")),
        };
        if participant.account.is_none() && participant.sealed_name.is_none() {
            return Err(ServiceError::Conflict("Give a name before joining."));
        }
        if !self.may_enter(tx.tx(), &participant).await? {
            return Err(ServiceError::ConsentRequired("Decide about care by video first: without it there is no video call."));
        }
        // someone who left comes back to where they were allowed to be
        match (participant.place, participant.account) {
            (Place::Left, Some(_)) => participants::set_place(tx.tx(), participant.id, Place::InCall, now).await?,
            (Place::Left | Place::Invited, None) => participants::set_place(tx.tx(), participant.id, Place::Lobby, now).await?,
            _ => {}
        }
        sign_in_sessions::insert_ticket(tx.tx(), &hash, participant.id, now, expires_at).await?;
        let entry = self.entry(Event::TicketIssued, caller)?.about("participant", participant.id).about("consultation", consultation.id);
        self.commit(tx, entry).await?;
        Ok((secret, expires_at))
    }

    /// Uses a ticket up on behalf of one of the callers that the connection's cookies stand for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] unless the ticket is fresh and belongs to one of them.
    pub async fn use_ticket(&self, callers: &[Caller], presented: &Secret) -> Result<Admission, ServiceError> {
        let hash = token::hash(presented).ok_or(ServiceError::Unauthenticated)?;
        let now = self.now();
        for caller in callers {
            let mut tx = self.database.begin().await?;
            let holder = self.ticket_holder(tx.tx(), caller, &hash, now).await?;
            let Some(participant) = holder.filter(|holder| !self.spool.is_out(holder.id)) else { continue };
            let consultation = consultations::lookup(tx.tx(), participant.consultation).await?.ok_or(ServiceError::Unauthenticated)?;
            if consultation.state.is_over() {
                return Err(ServiceError::ConsultationEnded);
            }
            let Some(caller) = self.at_home(tx.tx(), caller, &consultation).await? else { continue };
            let participant = self.open_participant(tx.tx(), &consultation, participant).await?;
            let declined = if participant.participant.capabilities.has(Capability::Admit) {
                self.declined(tx.tx(), &consultation).await?
            } else {
                Vec::new()
            };
            let entry = self
                .entry(Event::ParticipantConnected, &caller)?
                .about("participant", participant.participant.id)
                .about("consultation", consultation.id);
            self.commit(tx, entry).await?;
            self.last_known.came(participant.participant.id, consultation.id);
            if let Some(account) = participant.participant.account.filter(|account| *account == consultation.practitioner) {
                self.last_known.leads(consultation.id, account, participant.participant.id);
            }
            return Ok(Admission { participant, status: consultation.state, declined });
        }
        if let Some(caller) = callers.first() {
            self.record(self.entry(Event::AccessDenied, caller)?.ended(Outcome::Denied).with("operation", "use_ticket")).await?;
        }
        Err(ServiceError::Unauthenticated)
    }

    /// Admits, turns away or removes a participant.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] if they are not where that makes sense.
    pub async fn decide_about(
        &self,
        permit: &Permit<ManageParticipants>,
        consultation: &Consultation,
        id: ParticipantId,
        verdict: Verdict,
    ) -> Result<(), ServiceError> {
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let participant = participants::lookup(tx.tx(), id)
            .await?
            .filter(|p| p.consultation == consultation.id)
            .ok_or(ServiceError::NotFound("participant"))?;
        // a colleague who came by emergency access can be taken out; whose consultation it is cannot
        if participant.account == Some(consultation.practitioner) {
            return Err(ServiceError::Conflict("The clinician cannot be moved."));
        }
        let (event, place, happened) = match (verdict, participant.place) {
            (Verdict::Admit, Place::InCall) => {
                self.events.publish(consultation.id, Happened::Admitted(id));
                return Ok(());
            }
            (Verdict::Admit, Place::Lobby) => (Event::ParticipantAdmitted, Place::InCall, Happened::Admitted(id)),
            (Verdict::TurnAway, Place::Lobby | Place::Invited) => {
                (Event::ParticipantTurnedAway, Place::TurnedAway, Happened::TurnedAway(id))
            }
            (Verdict::Remove, Place::InCall | Place::Left | Place::Lobby) => {
                (Event::ParticipantRemoved, Place::Removed, Happened::Removed(id))
            }
            _ => return Err(ServiceError::Conflict("The participant is not where this can be done.")),
        };
        if verdict == Verdict::Admit {
            if !self.may_enter(tx.tx(), &participant).await? {
                return Err(ServiceError::ConsentRequired("They have to decide about a text that was replaced before they can come in."));
            }
            self.check_interpreter(tx.tx(), consultation, &participant).await?;
        }
        if verdict == Verdict::Admit {
            let all = participants::of_consultation(tx.tx(), consultation.id).await?;
            if all.iter().filter(|p| p.place == Place::InCall).count() >= MOST_IN_CALL {
                return Err(ServiceError::Conflict("The call is full: four people are in it."));
            }
        }
        participants::set_place(tx.tx(), id, place, now).await?;
        if place.is_barred() {
            // protective: take effect before the log has it
            sign_in_sessions::end_tokens(tx.tx(), id, now).await?;
            self.last_known.put_out(id);
            self.events.publish(consultation.id, happened.clone());
        }
        let entry = self.entry(event, permit.caller())?.about("participant", id).about("consultation", consultation.id);
        self.commit_telling(tx, vec![entry], consultation.id, happened).await
    }

    /// An interpreter and those whose consent to one is asked come together only with that consent; whoever has yet to give it is asked.
    async fn check_interpreter(&self, tx: &mut Tx, consultation: &Consultation, coming: &Participant) -> Result<(), ServiceError> {
        let interpreter = coming.role == Role::Interpreter;
        let here = participants::of_consultation(tx, consultation.id).await?;
        if !interpreter && !here.iter().any(|p| p.role == Role::Interpreter && p.place == Place::InCall) {
            return Ok(());
        }
        let asked = self.ask_before_interpreter(tx, consultation, (!interpreter).then_some(coming.id)).await?;
        let most = usize::try_from(self.policy().bundle.consent_rules().ask_again_at_most).unwrap_or(usize::MAX);
        let mut refusal = None;
        for (who, text, refused) in asked {
            if refused <= most {
                self.events.publish(consultation.id, Happened::TextWanted { participant: who, text: text.text, version: text.version });
            }
            refusal = Some(match refused {
                0 => "The patient is being asked whether an interpreter may join. Let them in once the patient has agreed.",
                n if n <= most => "The patient has said no to an interpreter, and is being asked once more.",
                _ => "The patient has said no to an interpreter.",
            });
        }
        refusal.map_or(Ok(()), |detail| Err(ServiceError::ConsentRequired(detail)))
    }

    /// Notes that someone is gone without having said so over HTTP: they said it on the connection, or stayed away too long.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn gone(&self, id: ParticipantId) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let Some(participant) = participants::lookup(tx.tx(), id).await? else { return Ok(()) };
        if !matches!(participant.place, Place::InCall | Place::Lobby) {
            return Ok(());
        }
        participants::set_place(tx.tx(), id, Place::Left, self.now()).await?;
        let entry =
            self.entry(Event::ParticipantLeft, &Caller::system())?.about("participant", id).about("consultation", participant.consultation);
        self.commit(tx, entry).await
    }

    /// Where a participant may be now, and whether their consultation is over.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn standing(&self, id: ParticipantId) -> Result<(Place, bool), ServiceError> {
        let mut read = self.database.read().await?;
        let participant = participants::lookup(read.tx(), id).await?.ok_or(ServiceError::NotFound("participant"))?;
        let over = consultations::lookup(read.tx(), participant.consultation).await?.is_none_or(|c| c.state.is_over());
        Ok((participant.place, over))
    }

    /// The caller leaves.
    ///
    /// # Errors
    /// If it cannot be kept; they are out of the call all the same.
    pub async fn leave(&self, permit: &Permit<JoinConsultation>, consultation: &Consultation) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let Some(participant) = self.own_participant(tx.tx(), permit.caller(), consultation).await? else { return Ok(()) };
        self.events.publish(consultation.id, Happened::Left(participant.id));
        if matches!(participant.place, Place::Left | Place::TurnedAway | Place::Removed) {
            return Ok(());
        }
        participants::set_place(tx.tx(), participant.id, Place::Left, self.now()).await?;
        let entry = self
            .entry(Event::ParticipantLeft, permit.caller())?
            .about("participant", participant.id)
            .about("consultation", consultation.id);
        self.commit(tx, entry).await
    }

    pub(crate) async fn own_participant(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        consultation: &Consultation,
    ) -> Result<Option<Participant>, ServiceError> {
        Ok(match caller.actor {
            Actor::Participant { id, consultation: own, .. } if own == consultation.id => participants::lookup(tx, id).await?,
            Actor::Account { id, .. } => participants::of_account(tx, consultation.id, id).await?,
            _ => None,
        })
    }

    pub(crate) async fn open_participant(
        &self,
        tx: &mut Tx,
        consultation: &Consultation,
        participant: Participant,
    ) -> Result<OpenParticipant, ServiceError> {
        let name = match (participant.account, &participant.sealed_name) {
            (Some(account), _) => Some(self.display_name(tx, account).await?),
            (None, None) => None,
            (None, Some(sealed)) => match self.content_key(tx, consultation.patient).await {
                Ok(key) => Some(String::from_utf8_lossy(&open_value(&key, sealed, name_context(participant.id).as_bytes())?).into_owned()),
                Err(ServiceError::KeyDestroyed) => None,
                Err(other) => return Err(other),
            },
        };
        Ok(OpenParticipant { participant, name })
    }

    /// The caller with the emergency access they rest on; `None` for a member of staff in a consultation that is not theirs without one.
    pub(crate) async fn at_home(&self, tx: &mut Tx, caller: &Caller, consultation: &Consultation) -> Result<Option<Caller>, ServiceError> {
        match caller.actor {
            Actor::Account { id, .. } if id != consultation.practitioner => {
                let held = emergency_accesses::held(tx, consultation.id, id, self.now()).await?;
                Ok(held.map(|held| Caller { emergency: Some(held.id), ..caller.clone() }))
            }
            _ => Ok(Some(caller.clone())),
        }
    }

    async fn ticket_holder(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        ticket: &token::TokenHash,
        now: Timestamp,
    ) -> Result<Option<Participant>, ServiceError> {
        let Some(participant) = participants::of_ticket(tx, ticket).await? else { return Ok(None) };
        let own = match caller.actor {
            Actor::Participant { id, .. } => id == participant.id,
            Actor::Account { id, .. } => participant.account == Some(id),
            _ => false,
        };
        let good = own && !participant.place.is_barred() && sign_in_sessions::use_ticket(tx, ticket, participant.id, now).await?;
        Ok(good.then_some(participant))
    }

    /// The consultation of a recording, for those who decide about it.
    pub(crate) async fn consultation_of(&self, id: ConsultationId) -> Result<Consultation, ServiceError> {
        consultations::lookup(self.database.read().await?.tx(), id).await?.ok_or(ServiceError::NotFound("consultation"))
    }
}

fn name_context(id: ParticipantId) -> String {
    format!("bedside/participant-name/{id}")
}
