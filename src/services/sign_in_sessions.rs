//! One's own sign-in sessions: where one is signed in, and ending what one does not know.

use crate::domain::access::{Permit, ReadOwnSignIn};
use crate::domain::audit::Event;
use crate::domain::id::{AccountId, SignInSessionId};
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::sign_in::SignedIn;
use crate::storage::sign_in_sessions::{self, SignInSession};
use std::sync::Arc;
use std::time::Duration;

/// A sign-in session as its owner sees it.
pub struct OwnSession {
    /// The session.
    pub session: SignInSession,
    /// When it was last used.
    pub last_used_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// How often sessions are looked for that another process ended: a revocation reaches every connection within twice this.
const LOOK: Duration = Duration::from_millis(80);
/// Clocks of several servers may differ by this much.
const OVERLAP: Duration = Duration::from_secs(2);

/// Tells the connections of this process about sessions that another one ended: the command line, or another server on the same database.
/// Looks only while there are connections. Ends with the services.
pub fn watch_ended_sessions(services: &Arc<Services>) {
    let services = Arc::downgrade(services);
    tokio::spawn(async move {
        let mut told: Vec<SignInSessionId> = Vec::new();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(services) = services.upgrade() else { return };
            if services.ended_sessions.receiver_count() == 0 {
                continue;
            }
            let since = Timestamp::from_micros(services.now().as_micros() - i64::try_from(OVERLAP.as_micros()).unwrap_or(0));
            let Ok(mut read) = services.database.read().await else { continue };
            let Ok(ended) = sign_in_sessions::ended_since(read.tx(), since).await else { continue };
            services.tell_ended(&ended.iter().copied().filter(|id| !told.contains(id)).collect::<Vec<_>>());
            told = ended;
        }
    });
}

impl Services {
    /// Where the caller is signed in, newest first.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn own_sessions(&self, permit: &Permit<ReadOwnSignIn>, who: &SignedIn) -> Result<Vec<OwnSession>, ServiceError> {
        debug_assert_eq!(permit.account(), Some(who.account));
        let now = self.now();
        let idle = self.lifetime(who.role).idle;
        let all = sign_in_sessions::of_account(self.database.read().await?.tx(), who.account, now).await?;
        Ok(all
            .into_iter()
            .map(|session| {
                let last_used_at = self.activity.last(session.id, session.last_seen_at).min(now);
                OwnSession { last_used_at, current: session.id == who.session, session }
            })
            .filter(|one| one.current || now.since(one.last_used_at) < idle)
            .collect())
    }

    /// Ends all of someone's sessions but the one they use; gives how many.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn end_other_sessions(&self, permit: &Permit<ReadOwnSignIn>, who: &SignedIn) -> Result<usize, ServiceError> {
        self.end_sessions_of(permit, who.account, |one| one != who.session).await
    }

    /// Ends one of someone's sessions.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for one that is not theirs or has ended.
    pub async fn end_own_session(
        &self,
        permit: &Permit<ReadOwnSignIn>,
        own: AccountId,
        session: SignInSessionId,
    ) -> Result<(), ServiceError> {
        match self.end_sessions_of(permit, own, |one| one == session).await? {
            0 => Err(ServiceError::NotFound("sign-in session")),
            _ => Ok(()),
        }
    }

    pub(crate) async fn end_sessions_of(
        &self,
        permit: &Permit<ReadOwnSignIn>,
        account: AccountId,
        which: impl Fn(SignInSessionId) -> bool,
    ) -> Result<usize, ServiceError> {
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let mut ended = Vec::new();
        for session in sign_in_sessions::of_account(tx.tx(), account, now).await?.into_iter().filter(|one| which(one.id)) {
            sign_in_sessions::end(tx.tx(), session.id, now).await?;
            ended.push(session.id);
        }
        if ended.is_empty() {
            return Ok(0);
        }
        // protective: their connections close before the log has it
        self.tell_ended(&ended);
        let mut entry = self.entry(Event::SignInSessionEnded, permit.caller())?.with("count", ended.len());
        for session in &ended {
            entry = entry.about("sign_in_session", session);
        }
        self.commit(tx, entry).await?;
        Ok(ended.len())
    }
}
