//! What protects people takes effect even when the log cannot be written: it is spooled, answered with `AUDIT_PENDING`, and written down as soon
//! as the log takes entries again. Until then nothing begins that the log should know of first.

use crate::crypto::token::{self, TokenHash};
use crate::domain::access::{
    AccountRole, Actor, Caller, DecideConsent, JoinConsultation, ManageInvitations, ManageParticipants, ReadOwnSignIn, RequestRecording,
    SuspendAccount,
};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consent::{Decision, Method};
use crate::domain::id::{AccountId, ConsultationId, InvitationId, ParticipantId, RecordingId, SignInSessionId};
use crate::domain::secret::Secret;
use crate::domain::statement::Statement;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::consents::{About, Presented};
use crate::services::error::ServiceError;
use crate::services::events::{Answer, Happened};
use crate::services::participants::Verdict;
use crate::services::spool::{Record, Spool};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an act may take to be written down before it takes effect without.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long it may take from then on before it is spooled.
const LAST: Duration = Duration::from_millis(250);
/// How long the spool's own disk may take.
const SPOOLED: Duration = Duration::from_millis(150);
/// A signature longer than this is not spooled: who withdraws needs none.
const LONGEST_SIGNATURE: usize = 16 * 1024;
/// How often the log is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// People whose latest request is remembered, for when the database cannot say who they are.
const REMEMBERED: usize = 10_000;

tokio::task_local! {
    /// When the act that is being written down took effect.
    static TOOK_EFFECT: Timestamp;
    /// Whether the act that is being carried out is committed, whatever becomes of its checkpoint.
    static COMMITTED: Arc<AtomicBool>;
}

/// What is being carried out was committed.
pub(crate) fn is_committed() {
    let _ = COMMITTED.try_with(|committed| committed.store(true, Ordering::SeqCst));
}

/// When the act that is being written down took effect, if that was before now.
pub(crate) fn took_effect() -> Option<Timestamp> {
    TOOK_EFFECT.try_with(|at| *at).ok()
}

/// Something that protects someone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Someone signs out.
    SignOut {
        /// Their session.
        session: SignInSessionId,
    },
    /// Someone ends one of their own sessions.
    EndSession {
        /// Which.
        session: SignInSessionId,
    },
    /// Someone leaves, or is gone.
    Leave {
        /// The consultation.
        consultation: ConsultationId,
        /// Who.
        participant: ParticipantId,
    },
    /// Someone is not let in or taken out.
    PutOut {
        /// The consultation.
        consultation: ConsultationId,
        /// Who.
        participant: ParticipantId,
        /// Whether they were in the lobby.
        turned_away: bool,
    },
    /// A recording is stopped.
    Stop {
        /// The consultation.
        consultation: ConsultationId,
        /// The recording.
        recording: RecordingId,
    },
    /// Someone withdraws from a recording or from a text.
    Withdraw {
        /// The consultation.
        consultation: ConsultationId,
        /// Who.
        participant: ParticipantId,
        /// From which recording.
        recording: Option<RecordingId>,
        /// From which text.
        text: Option<String>,
        /// What was signed, if it was.
        signed: Option<Presented>,
    },
    /// A link is taken back.
    CancelInvitation {
        /// The consultation.
        consultation: ConsultationId,
        /// Which.
        invitation: InvitationId,
        /// Who came in by it, as far as this server saw them come.
        participant: Option<ParticipantId>,
    },
    /// An account is suspended.
    Suspend {
        /// Which.
        account: AccountId,
    },
}

impl Act {
    /// A withdrawal without a signature.
    #[must_use]
    pub fn withdrawal(consultation: ConsultationId, participant: ParticipantId, about: &About) -> Self {
        let (recording, text) = match about {
            About::Recording(id) => (Some(*id), None),
            About::Text(text) => (None, Some(text.clone())),
        };
        Self::Withdraw { consultation, participant, recording, text, signed: None }
    }

    /// A signed withdrawal; `None` for a decision that is none.
    #[must_use]
    pub fn signed_withdrawal(presented: &Presented) -> Option<Self> {
        let statement = presented.statement.as_deref()?;
        let said = Statement::parse(statement).ok().filter(|s| s.decision == Decision::Withdrawn)?;
        let signed = (statement.len() <= LONGEST_SIGNATURE).then(|| presented.clone());
        Some(Self::Withdraw {
            consultation: said.consultation,
            participant: said.participant,
            recording: said.recording,
            text: Some(said.shown.text),
            signed,
        })
    }

    /// Whether it is a withdrawal of this participant.
    #[must_use]
    pub fn is_by(&self, of: ConsultationId, who: ParticipantId) -> bool {
        matches!(self, Self::Withdraw { consultation, participant, .. } if *consultation == of && *participant == who)
    }

    /// What it was done to, by kind and id.
    fn things(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::SignOut { session } | Self::EndSession { session } => vec![("sign_in_session", session.to_string())],
            Self::Leave { consultation, participant } | Self::PutOut { consultation, participant, .. } => {
                vec![("participant", participant.to_string()), ("consultation", consultation.to_string())]
            }
            Self::Stop { consultation, recording } => {
                vec![("recording", recording.to_string()), ("consultation", consultation.to_string())]
            }
            Self::Withdraw { consultation, participant, recording, .. } => {
                let mut things = vec![("participant", participant.to_string()), ("consultation", consultation.to_string())];
                things.extend(recording.map(|id| ("recording", id.to_string())));
                things
            }
            Self::CancelInvitation { consultation, invitation, .. } => {
                vec![("invitation", invitation.to_string()), ("consultation", consultation.to_string())]
            }
            Self::Suspend { account } => vec![("account", account.to_string())],
        }
    }

    /// A stable name.
    const fn code(&self) -> &'static str {
        match self {
            Self::SignOut { .. } => "sign_out",
            Self::EndSession { .. } => "end_session",
            Self::Leave { .. } => "leave",
            Self::PutOut { .. } => "put_out",
            Self::Stop { .. } => "stop",
            Self::Withdraw { .. } => "withdraw",
            Self::CancelInvitation { .. } => "cancel_invitation",
            Self::Suspend { .. } => "suspend",
        }
    }
}

/// How a protective act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected<T> {
    /// It took effect and is written down.
    Done(T),
    /// It took effect, and is written down as soon as that is possible.
    Pending,
}

/// A map that begins anew when it is full.
struct Bounded<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Copy> Bounded<K, V> {
    fn put(&self, key: K, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= REMEMBERED {
            map.clear();
        }
        map.insert(key, value);
    }

    fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, value| keep(key, value));
    }

    fn any(&self, fits: impl Fn(&V) -> bool) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().any(fits)
    }

    fn get(&self, key: &K) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }
}

/// Who someone was when the database could last say it, and who leads which consultation: what is believed, for protective acts alone,
/// while it cannot.
#[derive(Default)]
pub struct LastKnown {
    actors: Bounded<String, (Actor, Timestamp)>,
    leads: Bounded<ConsultationId, (AccountId, ParticipantId)>,
    places: Bounded<ParticipantId, ConsultationId>,
    recordings: Bounded<RecordingId, ConsultationId>,
    invitations: Bounded<InvitationId, (ConsultationId, Option<ParticipantId>)>,
}

impl LastKnown {
    /// Whom a token stood for, by its hash, and until when it would have.
    pub(crate) fn saw(&self, token: &TokenHash, actor: Actor, until: Timestamp) {
        self.actors.put(token.as_str().to_owned(), (actor, until));
    }

    /// Forgets a token that stands for nobody any more.
    pub(crate) fn gone(&self, token: &TokenHash) {
        self.actors.retain(|known, _| known != token.as_str());
    }

    /// Forgets everyone who acts through a sign-in session that ended.
    pub(crate) fn ended(&self, ended: SignInSessionId) {
        self.actors.retain(|_, (actor, _)| !matches!(actor, Actor::Account { session, .. } if *session == ended));
    }

    /// Forgets a participant who was put out.
    pub(crate) fn put_out(&self, out: ParticipantId) {
        self.actors.retain(|_, (actor, _)| !matches!(actor, Actor::Participant { id, .. } if *id == out));
    }

    /// Someone took their place in a consultation.
    pub(crate) fn came(&self, participant: ParticipantId, consultation: ConsultationId) {
        self.places.put(participant, consultation);
    }

    fn is_in(&self, participant: ParticipantId, consultation: ConsultationId) -> bool {
        self.places.get(&participant) == Some(consultation)
    }

    /// The sign-in sessions of an account that were used here.
    fn sessions(&self, account: AccountId) -> Vec<SignInSessionId> {
        let map = self.actors.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions: Vec<_> = map
            .values()
            .filter_map(|(actor, _)| match actor {
                Actor::Account { id, session, .. } if *id == account => Some(*session),
                _ => None,
            })
            .collect();
        sessions.dedup();
        sessions
    }

    /// Whether a sign-in session is this account's.
    fn owns(&self, account: AccountId, session: SignInSessionId) -> bool {
        let own =
            |(actor, _): &(Actor, Timestamp)| matches!(actor, Actor::Account { id, session: s, .. } if *id == account && *s == session);
        self.actors.any(own)
    }

    pub(crate) fn leads(&self, consultation: ConsultationId, account: AccountId, participant: ParticipantId) {
        self.leads.put(consultation, (account, participant));
    }

    pub(crate) fn records(&self, recording: RecordingId, consultation: ConsultationId) {
        self.recordings.put(recording, consultation);
    }

    /// A link, its consultation, and who came in by it.
    pub(crate) fn invited(&self, invitation: InvitationId, consultation: ConsultationId, participant: Option<ParticipantId>) {
        self.invitations.put(invitation, (consultation, participant));
    }

    /// The act of taking a link back, if this server knows the link.
    #[must_use]
    pub fn cancellation(&self, invitation: InvitationId) -> Option<Act> {
        let (consultation, participant) = self.invitations.get(&invitation)?;
        Some(Act::CancelInvitation { consultation, invitation, participant })
    }

    /// The consultation of a recording.
    #[must_use]
    pub fn consultation(&self, recording: RecordingId) -> Option<ConsultationId> {
        self.recordings.get(&recording)
    }

    /// The participant that the one who leads a consultation is in it.
    #[must_use]
    pub fn participant(&self, consultation: ConsultationId, account: AccountId) -> Option<ParticipantId> {
        self.leads.get(&consultation).filter(|(leader, _)| *leader == account).map(|(_, participant)| participant)
    }
}

/// Keeps an act that took effect if the request it came with is given up half-way.
struct Stranding<'a> {
    spool: &'a Spool,
    record: Option<Record>,
}

impl Drop for Stranding<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.spool.strand(record);
        }
    }
}

impl Services {
    /// Refuses to begin what the log should know of first, while protective acts wait to be written down.
    ///
    /// # Errors
    /// [`ServiceError::AuditUnavailable`].
    pub(crate) fn nothing_pending(&self) -> Result<(), ServiceError> {
        if self.spool.is_pending() { Err(ServiceError::AuditUnavailable { nothing_happened: true }) } else { Ok(()) }
    }

    /// Carries a protective act out: written down at once if that can be done, else in effect at once and spooled.
    ///
    /// # Errors
    /// What the act itself is refused with. [`ServiceError::AuditUnavailable`] if it could not even be spooled, or if nothing but the database
    /// could say whether the caller may do it.
    pub async fn protect<T>(
        &self,
        caller: &Caller,
        act: Act,
        written: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Protected<T>, ServiceError> {
        let committed = Arc::<AtomicBool>::default();
        let written = COMMITTED.scope(Arc::clone(&committed), written);
        tokio::pin!(written);
        // asked now: an act that is refused half-way may have forgotten by then what it rests on
        let may = self.may(caller, &act);
        let mut in_effect = false;
        // whoever asked may go away: what took effect is written down all the same
        let mut unless_gone = Stranding { spool: &self.spool, record: None };
        let outcome = if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut written).await {
            outcome
        } else {
            if may {
                self.take_effect(&act);
                in_effect = true;
            }
            unless_gone.record = in_effect.then(|| Record { at: self.now(), caller: caller.clone(), act: act.clone() });
            tokio::time::timeout(LAST, &mut written).await.unwrap_or(Err(ServiceError::AuditUnavailable { nothing_happened: false }))
        };
        unless_gone.record = None;
        match outcome {
            Ok(done) => {
                self.spool.settle(&act);
                Ok(Protected::Done(done))
            }
            // it is in the log, and only its checkpoint is late: nothing is to be written down again
            Err(ServiceError::AuditUnavailable { .. } | ServiceError::CheckpointLate) if committed.load(Ordering::SeqCst) => {
                self.spool.settle(&act);
                Ok(Protected::Pending)
            }
            Err(ServiceError::AuditUnavailable { .. }) if may => {
                if !in_effect {
                    self.take_effect(&act);
                }
                self.put_by(caller, act).await?;
                Ok(Protected::Pending)
            }
            Err(refused) => {
                // it took effect before it was refused: that ends with the refusal
                if in_effect {
                    self.spool.settle(&act);
                }
                Err(refused)
            }
        }
    }

    /// As [`Services::protect`], where it is known already that the log takes nothing.
    ///
    /// # Errors
    /// [`ServiceError::AuditUnavailable`] if it could not be spooled, or nothing but the database could say whether the caller may do it.
    pub async fn protect_unwritten(&self, caller: &Caller, act: Act) -> Result<(), ServiceError> {
        if !self.may(caller, &act) {
            return Err(ServiceError::AuditUnavailable { nothing_happened: true });
        }
        self.take_effect(&act);
        self.put_by(caller, act).await
    }

    /// What is believed for protective acts while the database says nothing.
    #[must_use]
    pub fn last_known(&self) -> &LastKnown {
        &self.last_known
    }

    /// Whom a token stood for when the database could last say it.
    #[must_use]
    pub fn last_known_actor(&self, secret: &Secret) -> Option<Actor> {
        let (actor, until) = self.last_known.actors.get(&token::hash(secret)?.as_str().to_owned())?;
        let out = match actor {
            Actor::Account { id, session, .. } => self.spool.ended(session, id),
            Actor::Participant { id, .. } => self.spool.is_out(id),
            Actor::Anonymous | Actor::System => true,
        };
        (self.now() < until && !out).then_some(actor)
    }

    /// Spools an act that has taken effect.
    async fn put_by(&self, caller: &Caller, act: Act) -> Result<(), ServiceError> {
        let record = Record { at: self.now(), caller: caller.clone(), act };
        let (spool, entropy, kept) = (Arc::clone(&self.spool), Arc::clone(&self.entropy), record.clone());
        let pushed = tokio::task::spawn_blocking(move || spool.push(record, entropy.as_ref()));
        match tokio::time::timeout(SPOOLED, pushed).await {
            Ok(Ok(Ok(()))) => Ok(()),
            other => {
                // it stays in effect, and is written down by this process if it lives that long
                self.spool.strand(kept);
                tracing::error!(error = ?other, "a protective act took effect and could not be spooled");
                Err(ServiceError::AuditUnavailable { nothing_happened: false })
            }
        }
    }

    /// Whether what is known without the database says that the caller may do it.
    fn may(&self, caller: &Caller, act: &Act) -> bool {
        let themself = |participant: ParticipantId| match caller.actor {
            Actor::Participant { id, .. } => id == participant,
            Actor::System => true,
            _ => false,
        };
        let leads = |consultation| match caller.actor {
            Actor::Account { id, .. } => self.last_known.participant(consultation, id).is_some(),
            _ => false,
        };
        match act {
            Act::SignOut { session } | Act::EndSession { session } => match caller.actor {
                Actor::Account { id, session: own, .. } => own == *session || self.last_known.owns(id, *session),
                _ => false,
            },
            Act::Leave { consultation, participant } | Act::Withdraw { consultation, participant, .. } => {
                themself(*participant) || leads(*consultation)
            }
            Act::PutOut { consultation, participant, .. } => {
                let leader = match caller.actor {
                    Actor::Account { id, .. } => self.last_known.participant(*consultation, id),
                    _ => None,
                };
                leader.is_some_and(|leader| leader != *participant) && self.last_known.is_in(*participant, *consultation)
            }
            Act::Stop { consultation, recording } => {
                leads(*consultation) && self.last_known.consultation(*recording) == Some(*consultation)
            }
            Act::CancelInvitation { consultation, .. } => leads(*consultation),
            // as the policies have it: an administrator, and nobody themself
            Act::Suspend { account } => match caller.actor {
                Actor::Account { id, role, .. } => role == AccountRole::Administrator && id != *account,
                Actor::System => true,
                _ => false,
            },
        }
    }

    /// Lets an act take effect in this process.
    fn take_effect(&self, act: &Act) {
        self.spool.begin(act);
        match act {
            Act::SignOut { session } | Act::EndSession { session } => self.tell_ended(&[*session]),
            Act::PutOut { consultation, participant, turned_away } => {
                let happened = if *turned_away { Happened::TurnedAway(*participant) } else { Happened::Removed(*participant) };
                self.events.publish(*consultation, happened);
            }
            Act::Stop { consultation, recording } => {
                self.events.publish(*consultation, Happened::RecordingCut { recording: *recording });
                self.events.publish(*consultation, Happened::RecordingStopped { recording: *recording, by: None });
            }
            Act::Withdraw { consultation, participant, recording: Some(recording), .. } => {
                self.events.publish(*consultation, Happened::RecordingCut { recording: *recording });
                let answer = Answer::Withdrawn(None);
                self.events.publish(*consultation, Happened::Decided { recording: *recording, participant: *participant, answer });
            }
            // without care by video, or with an interpreter who may not be there, nobody stays
            Act::Leave { consultation, participant } | Act::Withdraw { consultation, participant, .. } => {
                self.events.publish(*consultation, Happened::Left(*participant));
            }
            Act::CancelInvitation { consultation, participant: Some(participant), .. } => {
                self.events.publish(*consultation, Happened::Removed(*participant));
            }
            Act::Suspend { account } => self.tell_ended(&self.last_known.sessions(*account)),
            Act::CancelInvitation { participant: None, .. } => {}
        }
    }

    /// Writes down what waits, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::AuditUnavailable`] while the log still takes nothing.
    pub(crate) async fn write_down_pending(&self) -> Result<(), ServiceError> {
        while let Some(record) = self.spool.oldest() {
            let written = TOOK_EFFECT.scope(record.at, Box::pin(self.write_down(&record))).await;
            match written {
                // late is not lost: it is in the log
                Ok(()) | Err(ServiceError::CheckpointLate) => {}
                Err(unavailable @ ServiceError::AuditUnavailable { .. }) => return Err(unavailable),
                // a program or a disk that fails is tried again, and shows in the operator's log
                Err(failed @ (ServiceError::Internal(_) | ServiceError::Integrity | ServiceError::Storage(_))) => return Err(failed),
                Err(refused) => {
                    // it is so already, or cannot be any more: that it was done stays on the record
                    tracing::warn!(act = record.act.code(), %refused, "a protective act was written down by itself");
                    let entry = self.entry(Event::ProtectiveActSettled, &record.caller)?.ended(Outcome::Failure);
                    let entry = record.act.things().into_iter().fold(entry, |entry, (kind, id)| entry.about(kind, id));
                    self.record(entry.with("act", record.act.code())).await?;
                }
            }
            self.spool.done().map_err(|error| ServiceError::Internal(format!("what was written down could not be noted: {error}")))?;
        }
        Ok(())
    }

    async fn write_down(&self, record: &Record) -> Result<(), ServiceError> {
        let Record { caller, act, .. } = record;
        match act.clone() {
            Act::SignOut { session } => self.sign_out(caller, session).await.map(|_| ()),
            Act::EndSession { session } => {
                let Actor::Account { id, .. } = caller.actor else { return Err(ServiceError::Unauthenticated) };
                let (permit, _) = self.permit_account::<ReadOwnSignIn>(caller, id).await?;
                self.end_sessions_of(&permit, id, |one| one == session).await.map(|_| ())
            }
            Act::Leave { participant, .. } if caller.actor == Actor::System => self.gone(participant).await,
            Act::Leave { consultation, .. } => {
                let (permit, consultation) = self.permit_consultation::<JoinConsultation>(caller, consultation).await?;
                self.leave(&permit, &consultation).await
            }
            Act::PutOut { consultation, participant, turned_away } => {
                let (permit, consultation) = self.permit_consultation::<ManageParticipants>(caller, consultation).await?;
                let verdict = if turned_away { Verdict::TurnAway } else { Verdict::Remove };
                self.decide_about(&permit, &consultation, participant, verdict).await
            }
            Act::Stop { consultation, recording } => {
                let (permit, consultation) = self.permit_consultation::<RequestRecording>(caller, consultation).await?;
                self.stop_recording(&permit, &consultation, recording).await
            }
            Act::Withdraw { consultation, recording, text, signed, .. } => {
                let (permit, consultation) = self.permit_consultation::<DecideConsent>(caller, consultation).await?;
                match (signed, recording, text) {
                    (Some(signed), ..) => self.withdraw_signed(&permit, &consultation, signed, Method::InPage).await.map(|_| ()),
                    (None, Some(recording), _) => {
                        self.withdraw(&permit, &consultation, About::Recording(recording), Method::InPage).await.map(|_| ())
                    }
                    (None, None, Some(text)) => self.withdraw(&permit, &consultation, About::Text(text), Method::InPage).await.map(|_| ()),
                    (None, None, None) => Err(ServiceError::ConsentMismatch),
                }
            }
            Act::CancelInvitation { consultation, invitation, .. } => {
                let (permit, consultation) = self.permit_consultation::<ManageInvitations>(caller, consultation).await?;
                self.cancel_invitation(&permit, &consultation, invitation).await.map(|_| ())
            }
            Act::Suspend { account } => {
                let (permit, account) = self.permit_account::<SuspendAccount>(caller, account).await?;
                self.suspend_account(&permit, &account).await.map(|_| ())
            }
        }
    }
}

/// Tries to write down what waits, for as long as there are services.
pub fn write_down_when_possible(services: &Arc<Services>) {
    let services = Arc::downgrade(services);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(RETRY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Some(services) = services.upgrade() else { return };
            if services.spool.has_records() {
                match Box::pin(services.write_down_pending()).await {
                    Ok(()) => tracing::info!("the log takes entries again: everything that had taken effect before is written down"),
                    Err(ServiceError::AuditUnavailable { .. }) => {}
                    Err(error) => tracing::error!(%error, "protective acts could not be written down"),
                }
            }
        }
    });
}
