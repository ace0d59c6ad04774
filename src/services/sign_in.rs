//! Signing in and out, and what a cookie stands for.
//!
//! A right password leads to a session at once only where the account has no second factor; else to a ceremony that the second factor
//! completes. A passkey alone completes it at once: it is two factors in one.

use crate::crypto::token::{self, TokenHash};
use crate::domain::access::{AccountRole, Actor, Assurance, Caller};
use crate::domain::audit::{Entry, Event, Outcome};
use crate::domain::id::{AccountId, ParticipantId, RequestId, SignInSessionId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::identity::password_rules::LONGEST;
use crate::policy::sign_in::Lifetime;
use crate::services::Services;
use crate::services::ceremonies::{Ceremony, HalfWay, MOST_TRIES, PATIENCE};
use crate::services::error::{Missing, ServiceError};
use crate::services::second_factors::Factors;
use crate::services::throttle::Tried;
use crate::storage::accounts::{self, Account};
use crate::storage::database::{Tx, WriteTx};
use crate::storage::sign_in_sessions::{self, Origin, ProviderOrigin};
use crate::storage::{consultations, participants};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When each sign-in session was last used, since this process started.
///
/// Kept in memory: noting each request in the database would be a change without an event. After a restart a session's idle time counts
/// from the restart; its absolute end stays.
pub struct Activity {
    started: Timestamp,
    seen: Mutex<HashMap<SignInSessionId, Timestamp>>,
}

/// No session is remembered longer than this.
const REMEMBERED: Duration = Duration::from_hours(48);

impl Activity {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, seen: Mutex::default() }
    }

    pub(crate) fn last(&self, id: SignInSessionId, stored: Timestamp) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&id).copied().unwrap_or(self.started).max(stored)
    }

    pub(crate) fn touch(&self, id: SignInSessionId, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| now.since(*at) < REMEMBERED);
        // whoever read the clock first may come last
        seen.entry(id).and_modify(|at| *at = now.max(*at)).or_insert(now);
    }
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub session: SignInSessionId,
    /// The account.
    pub account: AccountId,
    /// Its role.
    pub role: AccountRole,
    /// The name it signs in with.
    pub username: String,
    /// The name others see.
    pub display_name: String,
    /// When the session ends in any case.
    pub expires_at: Timestamp,
    /// How well they showed who they are.
    pub assurance: Assurance,
    /// When they last did.
    pub proved_at: Timestamp,
    /// What they must set up before they can do anything else.
    pub missing: Option<Missing>,
    /// `password`, `passkey` or `provider`.
    pub method: String,
}

/// Where a right first factor leads.
pub enum Step {
    /// Signed in: the cookie's secret, and who it is.
    Done(Secret, Box<SignedIn>),
    /// A second factor is asked for: the ceremony's secret, and what the account has.
    SecondFactor(Secret, Factors),
}

/// What someone shows as their second factor.
pub enum Proof {
    /// A code of their authenticator app.
    App(Secret),
    /// One of their recovery codes.
    Recovery(Secret),
    /// The browser's answer to the passkeys asked for.
    Passkey(Value),
}

impl Services {
    /// Takes a username and a password.
    ///
    /// # Errors
    /// [`ServiceError::SignInFailed`] without saying why, [`ServiceError::Throttled`] after too many; both audited.
    pub async fn sign_in(&self, caller: &Caller, username: &str, password: Secret) -> Result<Step, ServiceError> {
        let username = username.trim().to_lowercase();
        let tried = Tried::Password(&username);
        self.throttled(caller, tried).await?;
        let (account, stored) = {
            let mut read = self.database.read().await?;
            let account = if username.len() <= 64 { accounts::by_username(read.tx(), &username).await? } else { None };
            let stored = match &account {
                Some(account) => accounts::password(read.tx(), account.id).await?,
                None => None,
            };
            (account, stored)
        };
        let password = if password.expose().len() <= LONGEST { password } else { Secret::new(String::new()) };
        let checked = self.verified(caller, tried, password.clone(), stored.map(|s| s.stored)).await?;
        let (true, Some(account)) = (checked.fits, account.as_ref().filter(|a| a.active)) else {
            let mut entry = self.entry(Event::SignInFailed, caller)?.ended(Outcome::Denied);
            if let Some(account) = account {
                entry = entry.about("account", account.id);
            }
            self.record(entry).await?;
            return Err(ServiceError::SignInFailed);
        };
        if checked.outdated {
            self.rehash(caller, account.id, password).await?;
        }
        self.first_factor_shown(caller, account, "password", None).await
    }

    /// Someone showed their first factor: on to the second, if they have one.
    pub(crate) async fn first_factor_shown(
        &self,
        caller: &Caller,
        account: &Account,
        method: &'static str,
        provider: Option<ProviderOrigin>,
    ) -> Result<Step, ServiceError> {
        let factors = self.factors(account.id).await?;
        if !factors.any() {
            self.throttle.succeeded(Tried::Password(&account.username), caller.network());
            let (secret, signed_in) = self.begin_session(caller, account, method, Assurance::Single, provider).await?;
            return Ok(Step::Done(secret, Box::new(signed_in)));
        }
        let (secret, hash) = self.new_token()?;
        let half_way = HalfWay {
            account: account.id,
            username: account.username.clone(),
            method,
            provider,
            tries: 0,
            showing: None,
            until: self.now().plus(PATIENCE),
        };
        self.record(self.entry(Event::SignInHalfWay, caller)?.about("account", account.id).with("method", method)).await?;
        self.ceremonies.keep(hash.as_str(), Ceremony::HalfWay(half_way), self.now());
        Ok(Step::SecondFactor(secret, factors))
    }

    /// Asks the browser for one of the passkeys of whoever is half-way signed in.
    ///
    /// # Errors
    /// [`ServiceError::SignInExpired`] if nobody is.
    pub async fn ask_second_passkey(&self, ceremony: &Secret) -> Result<Value, ServiceError> {
        let hash = token::hash(ceremony).ok_or(ServiceError::SignInExpired)?;
        let Some(Ceremony::HalfWay(mut half_way)) = self.ceremonies.take(hash.as_str(), self.now()) else {
            return Err(ServiceError::SignInExpired);
        };
        let asked = self.ask_passkeys_of(half_way.account).await;
        let options = asked.map(|(options, showing)| {
            half_way.showing = Some(showing);
            options
        });
        self.ceremonies.keep(hash.as_str(), Ceremony::HalfWay(half_way), self.now());
        options
    }

    /// Takes the second factor.
    ///
    /// # Errors
    /// [`ServiceError::SecondFactorFailed`], audited; after five of them the password must be given again ([`ServiceError::SignInExpired`]).
    pub async fn second_factor(&self, caller: &Caller, ceremony: &Secret, proof: Proof) -> Result<(Secret, SignedIn), ServiceError> {
        let hash = token::hash(ceremony).ok_or(ServiceError::SignInExpired)?;
        let now = self.now();
        let Some(Ceremony::HalfWay(mut half_way)) = self.ceremonies.take(hash.as_str(), now) else {
            return Err(ServiceError::SignInExpired);
        };
        let account = accounts::by_id(self.database.read().await?.tx(), half_way.account).await?;
        let account = account.filter(|a| a.active).ok_or(ServiceError::SignInFailed)?;
        match self.check_proof(caller, account.id, proof, half_way.showing.take()).await {
            Ok(()) => {}
            Err(ServiceError::SecondFactorFailed) => {
                half_way.tries += 1;
                if half_way.tries < MOST_TRIES {
                    self.ceremonies.keep(hash.as_str(), Ceremony::HalfWay(half_way), now);
                }
                return Err(ServiceError::SecondFactorFailed);
            }
            Err(other) => {
                self.ceremonies.keep(hash.as_str(), Ceremony::HalfWay(half_way), now);
                return Err(other);
            }
        }
        self.throttle.succeeded(Tried::Password(&half_way.username), caller.network());
        self.begin_session(caller, &account, half_way.method, Assurance::Multiple, half_way.provider).await
    }

    /// Asks the browser for any passkey of this server.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] where there are no passkeys.
    pub fn ask_any_passkey(&self) -> Result<(Secret, Value), ServiceError> {
        let (options, state) = self.passkeys()?.discover()?;
        let (secret, hash) = self.new_token()?;
        self.ceremonies.keep(hash.as_str(), Ceremony::Discovering(state), self.now());
        Ok((secret, options))
    }

    /// Signs in with a passkey alone.
    ///
    /// # Errors
    /// [`ServiceError::SignInFailed`] without saying why, audited; [`ServiceError::Throttled`].
    pub async fn sign_in_with_passkey(
        &self,
        caller: &Caller,
        ceremony: &Secret,
        answer: Value,
    ) -> Result<(Secret, SignedIn), ServiceError> {
        let hash = token::hash(ceremony).ok_or(ServiceError::SignInExpired)?;
        let Some(Ceremony::Discovering(state)) = self.ceremonies.take(hash.as_str(), self.now()) else {
            return Err(ServiceError::SignInExpired);
        };
        let tried = Tried::Passkey(self.passkeys()?.claimed(&answer).ok().map(|(account, _)| AccountId::from_uuid(account)));
        self.throttled(caller, tried).await?;
        let found = self.discovered_passkey(caller, answer, state).await?;
        let account = match found {
            Some(id) => accounts::by_id(self.database.read().await?.tx(), id).await?.filter(|a| a.active),
            None => None,
        };
        let Some(account) = account else {
            self.record(self.entry(Event::SignInFailed, caller)?.ended(Outcome::Denied).with("method", "passkey")).await?;
            return Err(ServiceError::SignInFailed);
        };
        self.throttle.succeeded(tried, caller.network());
        self.begin_session(caller, &account, "passkey", Assurance::Multiple, None).await
    }

    /// Refuses whoever tried too often. On the record when it begins, so that nobody fills the log by going on.
    pub(crate) async fn throttled(&self, caller: &Caller, tried: Tried<'_>) -> Result<(), ServiceError> {
        let Err(refused) = self.throttle.attempt(tried, caller.network(), self.now()) else { return Ok(()) };
        if refused.first {
            self.record(self.entry(Event::SignInThrottled, caller)?.ended(Outcome::Denied)).await?;
        }
        Err(ServiceError::Throttled(refused.wait))
    }

    /// Begins a sign-in session.
    pub(crate) async fn begin_session(
        &self,
        caller: &Caller,
        account: &Account,
        method: &str,
        assurance: Assurance,
        provider: Option<ProviderOrigin>,
    ) -> Result<(Secret, SignedIn), ServiceError> {
        let (secret, hash) = self.new_token()?;
        let now = self.now();
        let mut signed_in = SignedIn {
            session: SignInSessionId::from_uuid(self.new_uuid()?),
            account: account.id,
            role: account.role,
            username: account.username.clone(),
            display_name: account.display_name.clone(),
            expires_at: now.plus(self.lifetime(account.role).absolute),
            assurance,
            proved_at: now,
            missing: None,
            method: method.to_owned(),
        };
        let origin = Origin {
            method: method.to_owned(),
            assurance,
            client: caller.client.clone().unwrap_or_default(),
            network: caller.network.clone().unwrap_or_default(),
            provider,
        };
        let mut tx = self.database.begin().await?;
        // suspended, of another role or with a first second factor while they showed who they are: they begin again
        let same = accounts::by_id(tx.tx(), account.id).await?.is_some_and(|now| now.active && now.role == account.role);
        let enough = assurance == Assurance::Multiple || !self.has_factor(tx.tx(), account.id).await?;
        if !same || !enough {
            self.refuse(tx, self.entry(Event::SignInFailed, caller)?.ended(Outcome::Denied).about("account", account.id)).await?;
            return Err(ServiceError::SignInFailed);
        }
        sign_in_sessions::insert(tx.tx(), signed_in.session, &hash, account.id, &origin, now, signed_in.expires_at).await?;
        accounts::signed_in(tx.tx(), account.id, now).await?;
        signed_in.missing = self.missing(tx.tx(), &signed_in).await?;
        let acting = Caller { actor: signed_in.actor(), ..caller.clone() };
        let entry = self
            .entry(Event::SignInSucceeded, &acting)?
            .about("sign_in_session", signed_in.session)
            .with("method", method)
            .with("assurance", assurance.as_str());
        self.commit(tx, entry).await?;
        self.activity.touch(signed_in.session, now);
        Ok((secret, signed_in))
    }

    /// Gives a session a new token, within what `entry` tells of. If it ended meanwhile, nothing of it happens.
    ///
    /// # Errors
    /// [`ServiceError::SignInExpired`], audited.
    pub(crate) async fn renewed(
        &self,
        mut tx: WriteTx,
        session: SignInSessionId,
        hash: &TokenHash,
        assurance: Assurance,
        entry: &Entry,
    ) -> Result<WriteTx, ServiceError> {
        if sign_in_sessions::rotate(tx.tx(), session, hash, self.now(), assurance).await? {
            return Ok(tx);
        }
        self.refuse(tx, entry.clone().ended(Outcome::Denied)).await?;
        Err(ServiceError::SignInExpired)
    }

    /// Ends the caller's sign-in session. Gives where the browser must go to be signed out at the identity provider as well, if it came
    /// from one that offers that.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn sign_out(&self, caller: &Caller, session: SignInSessionId) -> Result<Option<String>, ServiceError> {
        let mut tx = self.database.begin().await?;
        let provider = match caller.actor {
            Actor::Account { id, .. } => sign_in_sessions::of_account(tx.tx(), id, self.now())
                .await?
                .into_iter()
                .find(|s| s.id == session)
                .and_then(|s| s.origin.provider),
            _ => None,
        };
        let ended = sign_in_sessions::end(tx.tx(), session, self.now()).await?;
        self.tell_ended(&[session]);
        if ended {
            let entry = self.entry(Event::SignedOut, caller)?.about("sign_in_session", session);
            self.commit(tx, entry).await?;
        }
        Ok(match provider {
            Some(provider) => self.provider_sign_out(&provider.issuer).await,
            None => None,
        })
    }

    /// Tells the connections that live on these sessions: they close at once, and the media with them.
    pub(crate) fn tell_ended(&self, sessions: &[SignInSessionId]) {
        for session in sessions {
            self.last_known.ended(*session);
            // nobody may be listening: most sessions have no open connection
            let _ = self.ended_sessions.send(*session);
        }
    }

    /// Who a staff cookie stands for. A request that a page makes by itself (`unattended`) does not keep the session alive.
    ///
    /// # Errors
    /// [`ServiceError::SignInExpired`] if it once stood for someone, [`ServiceError::Unauthenticated`] if it never did.
    pub async fn signed_in(&self, secret: &Secret, unattended: bool) -> Result<SignedIn, ServiceError> {
        let hash = token::hash(secret).ok_or(ServiceError::Unauthenticated)?;
        let mut read = self.database.read().await?;
        let found = sign_in_sessions::lookup(read.tx(), &hash).await?.ok_or(ServiceError::Unauthenticated)?;
        let now = self.now();
        let idle = now.since(self.activity.last(found.id, found.last_seen_at)) >= self.lifetime(found.role).idle;
        if found.ended_at.is_some() || now >= found.expires_at || idle || !found.active || self.spool.ended(found.id, found.account) {
            self.last_known.gone(&hash);
            return Err(ServiceError::SignInExpired);
        }
        if !unattended {
            self.activity.touch(found.id, now);
        }
        let mut signed_in = SignedIn {
            session: found.id,
            account: found.account,
            role: found.role,
            username: found.username,
            display_name: found.display_name,
            expires_at: found.expires_at,
            assurance: found.origin.assurance,
            proved_at: found.proved_at,
            missing: None,
            method: found.origin.method,
        };
        signed_in.missing = self.missing(read.tx(), &signed_in).await?;
        if signed_in.missing.is_none() {
            self.last_known.saw(&hash, signed_in.actor(), signed_in.expires_at);
        }
        Ok(signed_in)
    }

    /// What someone who showed one factor only must set up first.
    async fn missing(&self, tx: &mut Tx, who: &SignedIn) -> Result<Option<Missing>, ServiceError> {
        if who.assurance == Assurance::Multiple {
            return Ok(None);
        }
        if self.policy().bundle.sign_in().needs_second_factor(who.role) {
            return Ok(Some(Missing::SecondFactor));
        }
        let short = who.method == "password" && accounts::password(tx, who.account).await?.is_some_and(|p| !p.stands_alone);
        Ok(short.then_some(Missing::LongerPassword))
    }

    pub(crate) fn lifetime(&self, role: AccountRole) -> Lifetime {
        self.policy().bundle.sign_in().lifetime(role)
    }

    /// Whether what an open connection rests on still stands: the credential, and in a colleague's consultation the emergency access.
    /// Someone in a call is not idle, however little they click.
    pub async fn still_good(&self, caller: &Caller, place: ParticipantId) -> bool {
        let ended = match caller.actor {
            Actor::Account { id, session, .. } => self.spool.ended(session, id),
            Actor::Participant { id, .. } => self.spool.is_out(id),
            Actor::Anonymous | Actor::System => true,
        };
        if ended {
            return false;
        }
        let Ok(mut read) = self.database.read().await else { return true };
        let now = self.now();
        match caller.actor {
            Actor::Account { session, .. } => {
                let alive = sign_in_sessions::is_alive(read.tx(), session, now).await.unwrap_or(true);
                if alive {
                    self.activity.touch(session, now);
                }
                alive && self.is_at_home(read.tx(), caller, place).await.unwrap_or(true)
            }
            Actor::Participant { id, .. } => sign_in_sessions::has_token(read.tx(), id, now).await.unwrap_or(true),
            Actor::Anonymous | Actor::System => false,
        }
    }

    /// Whether a member of staff holds the consultation they are in, or emergency access to it.
    async fn is_at_home(&self, tx: &mut Tx, caller: &Caller, place: ParticipantId) -> Result<bool, ServiceError> {
        let Some(participant) = participants::lookup(tx, place).await? else { return Ok(false) };
        let Some(consultation) = consultations::lookup(tx, participant.consultation).await? else { return Ok(false) };
        Ok(self.at_home(tx, caller, &consultation).await?.is_some())
    }

    /// Who a participant's cookie stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if it stands for no one any more.
    pub async fn participant_of(&self, secret: &Secret) -> Result<Actor, ServiceError> {
        let hash = token::hash(secret).ok_or(ServiceError::Unauthenticated)?;
        let found = sign_in_sessions::lookup_token(self.database.read().await?.tx(), &hash).await?.ok_or(ServiceError::Unauthenticated)?;
        if found.ended_at.is_some() || self.now() >= found.expires_at || self.spool.is_out(found.participant) {
            self.last_known.gone(&hash);
            return Err(ServiceError::Unauthenticated);
        }
        let actor = Actor::Participant { id: found.participant, role: found.role, consultation: found.consultation };
        self.last_known.saw(&hash, actor, found.expires_at);
        Ok(actor)
    }

    /// A fresh id for an HTTP request.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new_request_id(&self) -> Result<RequestId, ServiceError> {
        Ok(RequestId::from_uuid(self.new_uuid()?))
    }
}

impl SignedIn {
    /// As the actor of what follows.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::Account { id: self.account, role: self.role, session: self.session, proved_at: self.proved_at }
    }
}
