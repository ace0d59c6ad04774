//! Invitations: making links, telling what a link opens, redeeming it once from one browser.
//!
//! Looking at a link changes nothing. Redeeming is one conditional update: of many at once, exactly one succeeds.

use crate::crypto::envelope::{open_value, seal_value};
use crate::crypto::one_time_code::new_short_code;
use crate::crypto::token::{self, TokenHash};
use crate::domain::access::{Actor, Caller, JoinConsultation, ManageInvitations, Permit, ReadConsultation};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consultation::Consultation;
use crate::domain::id::{InvitationId, ParticipantId};
use crate::domain::invitation::{Invitation, MOST_CODE_TRIES, Refusal, State};
use crate::domain::participant::{Capabilities, Capability, Place, Role, is_valid_name};
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::policy::catalogue::Notice;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::events::Happened;
use crate::services::recorded::Recorded;
use crate::services::throttle::Tried;
use crate::storage::database::Tx;
use crate::storage::invitations::{self, StoredInvitation};
use crate::storage::participants::{self, Participant};
use crate::storage::{consultations, sign_in_sessions};
use std::time::Duration;

/// An unused link works until this long after the consultation's planned time, or after it was made if that is later.
const VALID_FOR: Duration = Duration::from_hours(24);
/// How long a code to move to another device is good.
const DEVICE_CODE: Duration = Duration::from_mins(5);

/// An invitation as the clinician sees it.
pub struct OpenInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Whom it is meant for.
    pub name_hint: Option<String>,
    /// The link, told only when it is made.
    pub link: Option<Secret>,
    /// The code that must be given as well, told only when it is made.
    pub code: Option<Secret>,
}

/// What of an invitation the clinician chooses.
pub struct Inviting {
    /// In which role they take part.
    pub role: Role,
    /// Whom it is meant for.
    pub name_hint: Option<String>,
    /// Whether they must give a code as well, told by another way than the link.
    pub with_code: bool,
    /// What they may do; everything that their role may, if not said.
    pub capabilities: Option<Vec<Capability>>,
}

/// What an invited person is told before they join.
pub struct Preview {
    /// Name of the clinician.
    pub practitioner_name: String,
    /// Their role.
    pub role: Role,
    /// The clinician's name for them.
    pub name_hint: Option<String>,
    /// The consultation.
    pub consultation: Consultation,
    /// Whether this browser holds the place already.
    pub bound_here: bool,
    /// Whether a code must be given as well.
    pub code_required: bool,
    /// What happens with their data.
    pub notice: Option<Notice>,
}

/// A place that was taken.
pub struct Redeemed {
    /// The participant.
    pub participant: ParticipantId,
    /// Of which consultation.
    pub consultation: Consultation,
    /// The new cookie; `None` if this browser has one already.
    pub token: Option<Secret>,
}

impl Services {
    /// The invitations of a consultation.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn invitations(
        &self,
        permit: &Permit<ReadConsultation>,
        consultation: &Consultation,
    ) -> Result<Recorded<Vec<OpenInvitation>>, ServiceError> {
        debug_assert_eq!(permit.consultation(), Some(consultation.id));
        let mut read = self.database.read().await?;
        let mut open = Vec::new();
        for stored in invitations::of_consultation(read.tx(), consultation.id).await? {
            let name_hint = self.open_hint(read.tx(), consultation, &stored).await?;
            self.last_known.invited(stored.invitation.id, consultation.id, stored.invitation.participant());
            open.push(OpenInvitation { invitation: stored.invitation, name_hint, link: None, code: None });
        }
        drop(read);
        let entry =
            self.entry(Event::ConsultationRead, permit.caller())?.about("consultation", consultation.id).with("part", "invitations");
        self.recorded(entry, open).await
    }

    /// Makes a link for someone.
    ///
    /// # Errors
    /// [`ServiceError::ConsultationEnded`]; [`ServiceError::Validation`] for a role that cannot be invited.
    pub async fn invite(
        &self,
        permit: &Permit<ManageInvitations>,
        consultation: &Consultation,
        inviting: Inviting,
    ) -> Result<OpenInvitation, ServiceError> {
        let Inviting { role, name_hint, with_code, capabilities } = inviting;
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        if !role.is_invitable() {
            return Err(ServiceError::Validation(vec![FieldError { name: "role", message: "cannot be invited by link" }]));
        }
        let name_hint = name_hint.map(|hint| hint.trim().to_owned()).filter(|hint| !hint.is_empty());
        if name_hint.as_deref().is_some_and(|hint| !is_valid_name(hint)) {
            return Err(ServiceError::Validation(vec![FieldError { name: "name_hint", message: "must be at most 80 characters" }]));
        }
        let most = role.capabilities();
        let capabilities = capabilities.map_or(most, |chosen| Capabilities::of(&chosen));
        if !capabilities.within(most) {
            return Err(ServiceError::Validation(vec![FieldError {
                name: "capabilities",
                message: "hold something that this role may not do",
            }]));
        }
        let (secret, hash) = self.new_token()?;
        let id = InvitationId::from_uuid(self.new_uuid()?);
        let (code, code_hash) = self.new_code(id, with_code)?;
        let now = self.now();
        let invitation = Invitation {
            capabilities,
            code_tries: with_code.then_some(0),
            id,
            consultation: consultation.id,
            role,
            state: State::Open,
            created_at: now,
            expires_at: expiry(consultation, now),
        };
        let mut tx = self.database.begin().await?;
        let sealed_hint = match &name_hint {
            None => None,
            Some(hint) => {
                let key = self.content_key(tx.tx(), consultation.patient).await?;
                Some(seal_value(&key, hint.as_bytes(), hint_context(id).as_bytes(), self.entropy.as_ref())?)
            }
        };
        let stored = StoredInvitation { invitation, secret_hash: hash.as_str().to_owned(), sealed_hint, code_hash };
        invitations::insert(tx.tx(), &stored).await?;
        let entry = self
            .entry(Event::InvitationCreated, permit.caller())?
            .about("invitation", id)
            .about("consultation", consultation.id)
            .with("role", role.as_str())
            .with("capabilities", capabilities.to_text())
            .with("code", with_code);
        self.commit(tx, entry).await?;
        self.last_known.invited(id, consultation.id, None);
        Ok(OpenInvitation { link: Some(self.link(id, &secret)), invitation: stored.invitation, name_hint, code })
    }

    /// Replaces a link: the old one and the browser bound to it stop working.
    ///
    /// # Errors
    /// [`ServiceError::ConsultationEnded`].
    pub async fn reissue(
        &self,
        permit: &Permit<ManageInvitations>,
        consultation: &Consultation,
        id: InvitationId,
    ) -> Result<OpenInvitation, ServiceError> {
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        let (secret, hash) = self.new_token()?;
        let mut tx = self.database.begin().await?;
        let stored = self.own(tx.tx(), consultation, id).await?;
        let put_out = self.end_bound(tx.tx(), &stored.invitation).await?;
        let expires_at = expiry(consultation, self.now());
        let (code, code_hash) = self.new_code(id, stored.code_hash.is_some())?;
        invitations::reissue(tx.tx(), id, &hash, expires_at, code_hash.as_deref()).await?;
        let name_hint = self.open_hint(tx.tx(), consultation, &stored).await?;
        let mut entry =
            self.entry(Event::InvitationReissued, permit.caller())?.about("invitation", id).about("consultation", consultation.id);
        match put_out {
            None => self.commit(tx, entry).await?,
            Some(participant) => {
                entry = entry.about("participant", participant);
                // protective: they are out before the log has it
                self.events.publish(consultation.id, Happened::Removed(participant));
                self.commit_telling(tx, vec![entry], consultation.id, Happened::Removed(participant)).await?;
            }
        }
        let code_tries = code.is_some().then_some(0);
        let invitation = Invitation { state: State::Open, expires_at, code_tries, ..stored.invitation };
        Ok(OpenInvitation { link: Some(self.link(id, &secret)), invitation, name_hint, code })
    }

    /// Takes a link back, and whoever came in by it out.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn cancel_invitation(
        &self,
        permit: &Permit<ManageInvitations>,
        consultation: &Consultation,
        id: InvitationId,
    ) -> Result<OpenInvitation, ServiceError> {
        let mut tx = self.database.begin().await?;
        let stored = self.own(tx.tx(), consultation, id).await?;
        let name_hint = self.open_hint(tx.tx(), consultation, &stored).await?;
        if stored.invitation.state == State::Cancelled {
            return Ok(OpenInvitation { invitation: stored.invitation, name_hint, link: None, code: None });
        }
        let put_out = self.end_bound(tx.tx(), &stored.invitation).await?;
        invitations::cancel(tx.tx(), id).await?;
        let mut entry =
            self.entry(Event::InvitationCancelled, permit.caller())?.about("invitation", id).about("consultation", consultation.id);
        match put_out {
            None => self.commit(tx, entry).await?,
            Some(participant) => {
                entry = entry.about("participant", participant);
                // protective: they are out before the log has it
                self.events.publish(consultation.id, Happened::Removed(participant));
                self.commit_telling(tx, vec![entry], consultation.id, Happened::Removed(participant)).await?;
            }
        }
        Ok(OpenInvitation { invitation: Invitation { state: State::Cancelled, ..stored.invitation }, name_hint, link: None, code: None })
    }

    /// The consultation an invitation belongs to, for asking the permit to manage it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn consultation_of_invitation(&self, id: InvitationId) -> Result<crate::domain::id::ConsultationId, ServiceError> {
        let stored = invitations::lookup(self.database.read().await?.tx(), id).await?.ok_or(ServiceError::NotFound("invitation"))?;
        Ok(stored.invitation.consultation)
    }

    /// Tells what a link opens, and changes nothing.
    ///
    /// # Errors
    /// Why the link does not open.
    pub async fn preview(&self, id: InvitationId, secret: &Secret, bound: Option<Actor>, language: &str) -> Result<Preview, ServiceError> {
        let mut read = self.database.read().await?;
        let stored = known(read.tx(), id, secret).await?;
        let consultation =
            consultations::lookup(read.tx(), stored.invitation.consultation).await?.ok_or(ServiceError::InvitationUnknown)?;
        let bound_here = holder(&stored.invitation, bound).is_some();
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        if !bound_here {
            stored.invitation.open(self.now())?;
        }
        let practitioner_name = self.display_name(read.tx(), consultation.practitioner).await?;
        let name_hint = self.open_hint(read.tx(), &consultation, &stored).await?;
        let notice = self.policy().bundle.notice(language).cloned();
        let code_required = stored.code_hash.is_some() && !bound_here;
        Ok(Preview { practitioner_name, role: stored.invitation.role, name_hint, consultation, bound_here, code_required, notice })
    }

    /// Uses a link: gives its place to this browser. The browser that holds it may repeat this.
    ///
    /// # Errors
    /// Why the link does not open; audited.
    pub async fn redeem(
        &self,
        caller: &Caller,
        id: InvitationId,
        secret: &Secret,
        code: Option<&Secret>,
        bound: Option<Actor>,
    ) -> Result<Redeemed, ServiceError> {
        let hash = token::hash(secret).ok_or(ServiceError::InvitationUnknown)?;
        let mut tx = self.database.begin().await?;
        let refused = |reason: &'static str| {
            Ok::<_, ServiceError>(
                self.entry(Event::InvitationRefused, caller)?.ended(Outcome::Denied).about("invitation", id).with("reason", reason),
            )
        };
        if self.spool.is_cancelled(id) {
            return Err(ServiceError::Invitation(crate::domain::invitation::Refusal::Cancelled));
        }
        let stored = match known(tx.tx(), id, secret).await {
            Ok(stored) => stored,
            Err(ServiceError::InvitationUnknown) => {
                // guessing is hopeless against 256 bits; this keeps it from filling the log
                let tried = self.throttle.attempt(Tried::Invitation(&id.to_string()), caller.network(), self.now());
                tried.map_err(|refused| ServiceError::Throttled(refused.wait))?;
                self.refuse(tx, refused("unknown")?).await?;
                return Err(ServiceError::InvitationUnknown);
            }
            Err(other) => return Err(other),
        };
        let consultation = consultations::lookup(tx.tx(), stored.invitation.consultation).await?.ok_or(ServiceError::InvitationUnknown)?;
        if consultation.state.is_over() {
            self.refuse(tx, refused("ended")?).await?;
            return Err(ServiceError::ConsultationEnded);
        }
        if let Some(participant) = holder(&stored.invitation, bound) {
            return Ok(Redeemed { participant, consultation, token: None });
        }
        let now = self.now();
        if let Err(refusal) = stored.invitation.open(now) {
            let reason = match refusal {
                Refusal::Used => "used",
                Refusal::Expired => "expired",
                Refusal::Cancelled => "cancelled",
                Refusal::Locked => "locked",
            };
            self.refuse(tx, refused(reason)?).await?;
            return Err(refusal.into());
        }
        if let Some(expected) = &stored.code_hash {
            let Some(code) = code else { return Err(ServiceError::CodeRequired) };
            // the try is counted and kept before the code is looked at, so that many at once count too
            if !invitations::count_try(tx.tx(), id, MOST_CODE_TRIES).await? {
                self.refuse(tx, refused("locked")?).await?;
                return Err(Refusal::Locked.into());
            }
            if self.keys.code_hash(&id.to_string(), code)? != *expected {
                self.commit(tx, self.entry(Event::InvitationCodeFailed, caller)?.ended(Outcome::Denied).about("invitation", id)).await?;
                return Err(ServiceError::CodeFailed);
            }
        }
        let participant = Participant {
            id: ParticipantId::from_uuid(self.new_uuid()?),
            consultation: consultation.id,
            account: None,
            role: stored.invitation.role,
            capabilities: stored.invitation.capabilities,
            place: Place::Invited,
            sealed_name: None,
            language: "en".to_owned(),
            joined_at: None,
            created_at: now,
        };
        let (token, token_hash) = self.new_token()?;
        participants::insert(tx.tx(), &participant).await?;
        sign_in_sessions::insert_token(tx.tx(), &token_hash, participant.id, now, expiry(&consultation, now)).await?;
        if !invitations::redeem(tx.tx(), id, &hash, now, participant.id).await? {
            self.refuse(tx, refused("used")?).await?;
            return Err(Refusal::Used.into());
        }
        let acting = Caller {
            actor: Actor::Participant { id: participant.id, role: participant.role, consultation: consultation.id },
            ..caller.clone()
        };
        let entry = self.entry(Event::InvitationRedeemed, &acting)?.about("invitation", id).about("consultation", consultation.id);
        self.commit(tx, entry).await?;
        self.last_known.invited(id, consultation.id, Some(participant.id));
        Ok(Redeemed { participant: participant.id, consultation, token: Some(token) })
    }

    /// Gives a code with which the caller's place can be moved to another device, where their link is opened. It is good for five minutes.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] for staff, who just sign in there.
    pub async fn make_device_code(
        &self,
        permit: &Permit<JoinConsultation>,
        consultation: &Consultation,
    ) -> Result<(Secret, Timestamp), ServiceError> {
        let Actor::Participant { id, .. } = permit.caller().actor else {
            return Err(ServiceError::Conflict("Staff sign in on the other device."));
        };
        let code = new_short_code(self.entropy.as_ref())?;
        let expires_at = self.now().plus(DEVICE_CODE);
        let mut tx = self.database.begin().await?;
        participants::set_device_code(tx.tx(), id, &self.keys.code_hash(&format!("device/{id}"), &code)?, expires_at).await?;
        let entry = self.entry(Event::DeviceCodeMade, permit.caller())?.about("participant", id).about("consultation", consultation.id);
        self.commit(tx, entry).await?;
        Ok((code, expires_at))
    }

    /// Moves the place of a used link to this browser, with a code from the one that holds it. That one's token ends.
    ///
    /// # Errors
    /// [`ServiceError::CodeFailed`], audited; why the link does not open.
    pub async fn move_device(&self, caller: &Caller, id: InvitationId, secret: &Secret, code: &Secret) -> Result<Redeemed, ServiceError> {
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let stored = known(tx.tx(), id, secret).await?;
        let consultation = consultations::lookup(tx.tx(), stored.invitation.consultation).await?.ok_or(ServiceError::InvitationUnknown)?;
        if consultation.state.is_over() {
            return Err(ServiceError::ConsultationEnded);
        }
        let State::Redeemed { participant, .. } = stored.invitation.state else {
            stored.invitation.open(now)?;
            return Err(ServiceError::Conflict("This link was not used yet. Join with it as it is."));
        };
        let place = participants::lookup(tx.tx(), participant).await?.map(|p| (p.place, p.role));
        let Some((_, role)) = place.filter(|(place, _)| !place.is_barred()) else { return Err(Refusal::Used.into()) };
        let tried = participants::try_device_code(tx.tx(), participant, i64::from(MOST_CODE_TRIES), now).await?;
        let hash = self.keys.code_hash(&format!("device/{participant}"), code)?;
        if !tried || !participants::use_device_code(tx.tx(), participant, &hash, now).await? {
            let entry = self.entry(Event::InvitationCodeFailed, caller)?.ended(Outcome::Denied).about("invitation", id);
            self.commit(tx, entry.about("participant", participant)).await?;
            return Err(ServiceError::CodeFailed);
        }
        let (token, token_hash) = self.new_token()?;
        sign_in_sessions::end_tokens(tx.tx(), participant, now).await?;
        sign_in_sessions::insert_token(tx.tx(), &token_hash, participant, now, expiry(&consultation, now)).await?;
        let acting = Caller { actor: Actor::Participant { id: participant, role, consultation: consultation.id }, ..caller.clone() };
        let entry = self.entry(Event::DeviceMoved, &acting)?.about("participant", participant).about("consultation", consultation.id);
        // the other device is out before this one is in
        self.commit_telling(tx, vec![entry], consultation.id, Happened::Left(participant)).await?;
        Ok(Redeemed { participant, consultation, token: Some(token) })
    }

    fn new_code(&self, id: InvitationId, wanted: bool) -> Result<(Option<Secret>, Option<String>), ServiceError> {
        if !wanted {
            return Ok((None, None));
        }
        let code = new_short_code(self.entropy.as_ref())?;
        let hash = self.keys.code_hash(&id.to_string(), &code)?;
        Ok((Some(code), Some(hash)))
    }

    pub(crate) fn new_token(&self) -> Result<(Secret, TokenHash), ServiceError> {
        let secret = token::generate(self.entropy.as_ref())?;
        let hash = token::hash(&secret).ok_or_else(|| ServiceError::Internal("a fresh token must have a hash".to_owned()))?;
        Ok((secret, hash))
    }

    fn link(&self, id: InvitationId, secret: &Secret) -> Secret {
        Secret::new(format!("{}/join/{id}#{}", self.settings.public_origin, secret.expose()))
    }

    async fn own(&self, tx: &mut Tx, consultation: &Consultation, id: InvitationId) -> Result<StoredInvitation, ServiceError> {
        invitations::lookup(tx, id)
            .await?
            .filter(|stored| stored.invitation.consultation == consultation.id)
            .ok_or(ServiceError::NotFound("invitation"))
    }

    async fn end_bound(&self, tx: &mut Tx, invitation: &Invitation) -> Result<Option<ParticipantId>, ServiceError> {
        let State::Redeemed { participant, .. } = invitation.state else { return Ok(None) };
        let now = self.now();
        sign_in_sessions::end_tokens(tx, participant, now).await?;
        participants::set_place(tx, participant, Place::Removed, now).await?;
        Ok(Some(participant))
    }

    async fn open_hint(&self, tx: &mut Tx, consultation: &Consultation, stored: &StoredInvitation) -> Result<Option<String>, ServiceError> {
        let Some(sealed) = &stored.sealed_hint else { return Ok(None) };
        let key = match self.content_key(tx, consultation.patient).await {
            Err(ServiceError::KeyDestroyed) => return Ok(None),
            other => other?,
        };
        let open = open_value(&key, sealed, hint_context(stored.invitation.id).as_bytes())?;
        Ok(Some(String::from_utf8_lossy(&open).into_owned()))
    }
}

/// The invitation of this id, if the secret is its own.
async fn known(tx: &mut Tx, id: InvitationId, secret: &Secret) -> Result<StoredInvitation, ServiceError> {
    let hash = token::hash(secret).ok_or(ServiceError::InvitationUnknown)?;
    invitations::lookup(tx, id).await?.filter(|stored| stored.secret_hash == hash.as_str()).ok_or(ServiceError::InvitationUnknown)
}

/// The participant of a redeemed invitation, if this browser holds their place.
fn holder(invitation: &Invitation, bound: Option<Actor>) -> Option<ParticipantId> {
    match (invitation.state, bound) {
        (State::Redeemed { participant, .. }, Some(Actor::Participant { id, .. })) if id == participant => Some(participant),
        _ => None,
    }
}

fn expiry(consultation: &Consultation, now: Timestamp) -> Timestamp {
    consultation.starts_at.max(now).plus(VALID_FOR)
}

fn hint_context(id: InvitationId) -> String {
    format!("bedside/invitation-hint/{id}")
}
