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
/// Most that wait at once; beyond that the oldest is forgotten.
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

impl Ceremonies {
    /// Keeps something under a key for [`PATIENCE`]; what was there before is forgotten.
    pub fn keep(&self, key: &str, ceremony: Ceremony, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until, _)| *until > now);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone())
        {
            all.remove(&oldest);
        }
        all.insert(key.to_owned(), (now.plus(PATIENCE), ceremony));
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

    fn half_way(tries: u8) -> Ceremony {
        let account = AccountId::from_uuid(uuid::Uuid::nil());
        Ceremony::HalfWay(HalfWay { account, username: String::new(), method: "password", provider: None, tries, showing: None })
    }

    #[test]
    fn what_waits_is_taken_once_and_not_too_late() {
        let (all, now) = (Ceremonies::default(), Timestamp::from_micros(0));
        all.keep("a", half_way(1), now);
        assert!(all.take("a", now).is_some());
        assert!(all.take("a", now).is_none());
        all.keep("a", half_way(1), now);
        assert!(all.take("a", now.plus(PATIENCE)).is_none());
    }

    #[test]
    fn there_is_an_end_to_how_many_wait() {
        let (all, now) = (Ceremonies::default(), Timestamp::from_micros(0));
        for n in 0..=MOST {
            all.keep(&n.to_string(), half_way(0), now.plus(Duration::from_micros(n as u64)));
        }
        assert!(all.take("0", now).is_none(), "the oldest is forgotten");
        assert!(all.take(&MOST.to_string(), now).is_some());
        assert_eq!(all.0.lock().expect("lock").len(), MOST - 1);
    }
}
