//! What was begun and waits for an answer of the browser: a sign-in that is half-way, a passkey being added, a visit to a provider.
//!
//! Kept in memory and taken out when it is answered, so that no challenge is good twice. After a restart one begins again. Where several
//! servers stand behind one name, a browser must come back to the same one, as it must for a call.

use crate::domain::access::Assurance;
use crate::domain::id::{AccountId, SignInSessionId};
use crate::domain::time::Timestamp;
use crate::identity::passkeys::{Adding, Discovering, Showing};
use crate::identity::provider::Visit;
use crate::storage::sign_in_sessions::ProviderOrigin;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long something may take.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// Most of either sort that wait at once; beyond that the oldest of that sort is forgotten. What anybody can begin is one sort, what takes
/// a password or a session the other, so that strangers push nobody out who is half-way in.
const MOST: usize = 10_000;
/// Wrong second factors before the password must be given again.
pub const MOST_TRIES: u8 = 5;

/// Something that waits for an answer.
pub enum Ceremony {
    /// The first factor was right.
    HalfWay(HalfWay),
    /// Any passkey is asked for.
    Discovering(Discovering),
    /// A passkey is being added by an account.
    AddingPasskey(AccountId, Adding),
    /// An authenticator app is being added by an account.
    AddingApp(AccountId, Zeroizing<Vec<u8>>),
    /// Someone signed in shows a passkey to prove again who they are.
    Proving(AccountId, Showing),
    /// Someone is at an identity provider.
    Visiting(Box<Visiting>),
}

/// A sign-in whose first factor was right.
pub struct HalfWay {
    /// Whose.
    pub account: AccountId,
    /// What the throttle counts under.
    pub username: String,
    /// The first factor: `password` or `provider`.
    pub method: &'static str,
    /// The provider, if it was one.
    pub provider: Option<ProviderOrigin>,
    /// Wrong answers so far.
    pub tries: u8,
    /// The passkeys that were asked for, if they were.
    pub showing: Option<Showing>,
    /// When it is over, however often it is answered wrongly.
    pub until: Timestamp,
}

/// Someone at an identity provider.
pub struct Visiting {
    /// Which provider, by its id in the configuration.
    pub provider: String,
    /// What its answer must fit.
    pub visit: Visit,
    /// The sign-in session that is to be proved again, with its assurance; `None` for a sign-in.
    pub proving: Option<(SignInSessionId, AccountId, Assurance)>,
    /// The page to come back to.
    pub back: String,
}

/// Everything that waits.
#[derive(Default)]
pub struct Ceremonies(Mutex<HashMap<String, (Timestamp, Ceremony)>>);

impl Ceremony {
    /// Whether anybody can begin one.
    const fn is_strangers(&self) -> bool {
        match self {
            Self::Discovering(_) => true,
            Self::Visiting(visiting) => visiting.proving.is_none(),
            Self::HalfWay(_) | Self::AddingPasskey(..) | Self::AddingApp(..) | Self::Proving(..) => false,
        }
    }

    /// Whose it is, if that is known.
    fn account(&self) -> Option<AccountId> {
        match self {
            Self::HalfWay(half_way) => Some(half_way.account),
            Self::AddingPasskey(account, _) | Self::AddingApp(account, _) | Self::Proving(account, _) => Some(*account),
            Self::Visiting(visiting) => visiting.proving.as_ref().map(|(_, account, _)| *account),
            Self::Discovering(_) => None,
        }
    }
}

impl Ceremonies {
    /// Keeps something under a key for [`PATIENCE`]; what was there before is forgotten.
    pub fn keep(&self, key: &str, ceremony: Ceremony, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until, _)| *until > now);
        let alike = || all.iter().filter(|(_, (_, other))| other.is_strangers() == ceremony.is_strangers());
        if alike().count() >= MOST
            && let Some(oldest) = alike().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone())
        {
            all.remove(&oldest);
        }
        let until = if let Ceremony::HalfWay(half_way) = &ceremony { half_way.until } else { now.plus(PATIENCE) };
        all.insert(key.to_owned(), (until, ceremony));
    }

    /// Forgets everything that an account began: its password or factors changed, or it may not act any more.
    pub fn forget(&self, account: AccountId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, ceremony)| ceremony.account() != Some(account));
    }

    /// Takes something out, if it is there and not too old.
    pub fn take(&self, key: &str, now: Timestamp) -> Option<Ceremony> {
        let (until, ceremony) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        (until > now).then_some(ceremony)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(0);

    fn half_way(until: Timestamp) -> Ceremony {
        let account = AccountId::from_uuid(uuid::Uuid::nil());
        Ceremony::HalfWay(HalfWay { account, username: String::new(), method: "password", provider: None, tries: 0, showing: None, until })
    }

    fn strangers() -> Ceremony {
        let passkeys = crate::identity::passkeys::Passkeys::new("http://localhost:8080", "Clinic").expect("passkeys");
        Ceremony::Discovering(passkeys.discover().expect("challenge").1)
    }

    #[test]
    fn what_waits_is_taken_once_and_not_too_late() {
        let (all, end) = (Ceremonies::default(), START.plus(PATIENCE));
        all.keep("a", half_way(end), START);
        assert!(all.take("a", START).is_some());
        assert!(all.take("a", START).is_none());
        all.keep("a", half_way(end), START);
        assert!(all.take("a", end).is_none());
    }

    #[test]
    fn a_wrong_answer_gives_no_more_time() {
        let (all, end) = (Ceremonies::default(), START.plus(PATIENCE));
        all.keep("a", half_way(end), START.plus(PATIENCE / 2));
        assert!(all.take("a", end).is_none());
    }

    #[test]
    fn what_an_account_began_is_forgotten_with_its_sessions() {
        let all = Ceremonies::default();
        all.keep("a", half_way(START.plus(PATIENCE)), START);
        all.keep("b", strangers(), START);
        all.forget(AccountId::from_uuid(uuid::Uuid::nil()));
        assert!(all.take("a", START).is_none());
        assert!(all.take("b", START).is_some());
    }

    #[test]
    fn there_is_an_end_to_how_many_wait() {
        let all = Ceremonies::default();
        all.keep("mine", half_way(START.plus(PATIENCE)), START);
        {
            // filled without `keep`, which looks at all of them each time
            let mut filled = all.0.lock().expect("lock");
            for n in 0..MOST {
                filled.insert(n.to_string(), (START.plus(PATIENCE + Duration::from_micros(n as u64)), strangers()));
            }
        }
        all.keep("one more", strangers(), START);
        assert!(all.take("0", START).is_none(), "the oldest that anybody can begin is forgotten");
        assert!(all.take("one more", START).is_some());
        assert!(all.take("mine", START).is_some(), "and nobody who is half-way in");
    }
}
