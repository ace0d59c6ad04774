//! Signing in and out, and what a cookie stands for.

use crate::crypto::token;
use crate::domain::access::{AccountRole, Actor, Caller};
use crate::domain::audit::{Event, Outcome};
use crate::domain::id::{AccountId, RequestId, SignInSessionId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::{accounts, sign_in_sessions};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A sign-in session ends after this long without use.
pub const IDLE: Duration = Duration::from_mins(15);
/// And after this long in any case.
pub const ABSOLUTE: Duration = Duration::from_hours(12);
/// Nobody's password is longer; hashing more would be a way to keep the server busy.
const LONGEST_PASSWORD: usize = 256;

/// When each sign-in session was last used, since this process started.
///
/// Kept in memory: noting each request in the database would be a change without an event. After a restart a session's idle time counts
/// from the restart; its absolute end stays.
pub struct Activity {
    started: Timestamp,
    seen: Mutex<HashMap<SignInSessionId, Timestamp>>,
}

impl Activity {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, seen: Mutex::default() }
    }

    fn last(&self, id: SignInSessionId, stored: Timestamp) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&id).copied().unwrap_or(self.started).max(stored)
    }

    fn touch(&self, id: SignInSessionId, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| now.since(*at) < ABSOLUTE);
        seen.insert(id, now);
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
}

impl Services {
    /// Signs in with a password; gives the cookie's secret and who it is.
    ///
    /// # Errors
    /// [`ServiceError::SignInFailed`] without saying why, [`ServiceError::Throttled`] after too many; both audited.
    pub async fn sign_in(&self, caller: &Caller, username: &str, password: Secret) -> Result<(Secret, SignedIn), ServiceError> {
        let username = username.trim().to_lowercase();
        let network = caller.network.clone().unwrap_or_default();
        if let Some(wait) = self.throttle.attempt(&username, &network, self.now()) {
            self.record(self.entry(Event::SignInThrottled, caller)?.ended(Outcome::Denied)).await?;
            return Err(ServiceError::Throttled(wait));
        }
        let account = if username.len() <= 64 { accounts::by_username(self.database.read().await?.tx(), &username).await? } else { None };
        let password = if password.expose().len() <= LONGEST_PASSWORD { password } else { Secret::new(String::new()) };
        let fits = self.passwords.verify(password, account.as_ref().map(|a| a.password_hash.clone())).await?;
        let now = self.now();
        let (true, Some(account)) = (fits, account.as_ref().filter(|a| a.active)) else {
            let mut entry = self.entry(Event::SignInFailed, caller)?.ended(Outcome::Denied);
            if let Some(account) = account {
                entry = entry.about("account", account.id);
            }
            self.record(entry).await?;
            return Err(ServiceError::SignInFailed);
        };
        self.throttle.succeeded(&username, &network);
        let secret = token::generate(self.entropy.as_ref())?;
        let hash = token::hash(&secret).ok_or_else(|| ServiceError::Internal("a fresh token must have a hash".to_owned()))?;
        let signed_in = SignedIn {
            session: SignInSessionId::from_uuid(self.new_uuid()?),
            account: account.id,
            role: account.role,
            username: account.username.clone(),
            display_name: account.display_name.clone(),
            expires_at: now.plus(ABSOLUTE),
        };
        let mut tx = self.database.begin().await?;
        sign_in_sessions::insert(tx.tx(), signed_in.session, &hash, account.id, now, signed_in.expires_at).await?;
        accounts::signed_in(tx.tx(), account.id, now).await?;
        let acting = Caller { actor: signed_in.actor(), ..caller.clone() };
        let entry = self.entry(Event::SignInSucceeded, &acting)?.about("sign_in_session", signed_in.session);
        self.commit(tx, entry).await?;
        self.activity.touch(signed_in.session, now);
        Ok((secret, signed_in))
    }

    /// Ends the caller's sign-in session.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn sign_out(&self, caller: &Caller, session: SignInSessionId) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        sign_in_sessions::end(tx.tx(), session, self.now()).await?;
        let entry = self.entry(Event::SignedOut, caller)?.about("sign_in_session", session);
        self.commit(tx, entry).await?;
        // nobody may be listening: most sessions have no open connection
        let _ = self.ended_sessions.send(session);
        Ok(())
    }

    /// Who a staff cookie stands for. A request that a page makes by itself (`unattended`) does not keep the session alive.
    ///
    /// # Errors
    /// [`ServiceError::SignInExpired`] if it once stood for someone, [`ServiceError::Unauthenticated`] if it never did.
    pub async fn signed_in(&self, secret: &Secret, unattended: bool) -> Result<SignedIn, ServiceError> {
        let hash = token::hash(secret).ok_or(ServiceError::Unauthenticated)?;
        let found = sign_in_sessions::lookup(self.database.read().await?.tx(), &hash).await?.ok_or(ServiceError::Unauthenticated)?;
        let now = self.now();
        let idle = now.since(self.activity.last(found.id, found.last_seen_at)) >= IDLE;
        if found.ended_at.is_some() || now >= found.expires_at || idle || !found.active {
            return Err(ServiceError::SignInExpired);
        }
        if !unattended {
            self.activity.touch(found.id, now);
        }
        Ok(SignedIn {
            session: found.id,
            account: found.account,
            role: found.role,
            username: found.username,
            display_name: found.display_name,
            expires_at: found.expires_at,
        })
    }

    /// Whether the credential behind an open connection still stands. Someone in a call is not idle, however little they click.
    pub async fn still_good(&self, caller: &Caller) -> bool {
        let Ok(mut read) = self.database.read().await else { return true };
        let now = self.now();
        match caller.actor {
            Actor::Account { session, .. } => {
                let alive = sign_in_sessions::is_alive(read.tx(), session, now).await.unwrap_or(true);
                if alive {
                    self.activity.touch(session, now);
                }
                alive
            }
            Actor::Participant { id, .. } => sign_in_sessions::has_token(read.tx(), id, now).await.unwrap_or(true),
            Actor::Anonymous | Actor::System => false,
        }
    }

    /// Who a participant's cookie stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if it stands for no one any more.
    pub async fn participant_of(&self, secret: &Secret) -> Result<Actor, ServiceError> {
        let hash = token::hash(secret).ok_or(ServiceError::Unauthenticated)?;
        let found = sign_in_sessions::lookup_token(self.database.read().await?.tx(), &hash).await?.ok_or(ServiceError::Unauthenticated)?;
        if found.ended_at.is_some() || self.now() >= found.expires_at {
            return Err(ServiceError::Unauthenticated);
        }
        Ok(Actor::Participant { id: found.participant, role: found.role, consultation: found.consultation })
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
        Actor::Account { id: self.account, role: self.role, session: self.session }
    }
}
