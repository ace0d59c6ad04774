//! Slows down guessing: by what is tried and network together, and by network alone. A stranger elsewhere can never lock an account.
//!
//! A code of six digits can be guessed from many networks at once by whoever knows the password, so those are counted over all of them too.

use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures are forgotten after this long.
const WINDOW: Duration = Duration::from_mins(15);
/// Failures of one thing tried from one network before it has to wait.
const PER_TRIED_AND_NETWORK: u32 = 10;
/// Failures from one network before it has to wait; a clinic behind one address shares it.
const PER_NETWORK: u32 = 100;
/// Wrong codes of one account from anywhere before its codes have to wait. Only who showed the password gets to try one; passkeys go on.
const CODES_EVERYWHERE: u32 = 30;

/// What someone tries.
#[derive(Debug, Clone, Copy)]
pub enum Tried<'a> {
    /// A password, under a user name that may not exist.
    Password(&'a str),
    /// A code of an authenticator app, or a recovery code.
    Code(AccountId),
    /// A passkey, which may claim an account.
    Passkey(Option<AccountId>),
    /// A link to set a password.
    AccountLink(&'a str),
    /// An invitation to a consultation.
    Invitation(&'a str),
    /// A private link to receipts.
    ReceiptLink(&'a str),
    /// Coming back from an identity provider.
    Provider,
    /// A provider's word that someone signed out.
    LogoutToken(&'a str),
    /// A browser's report of a log that contradicts itself.
    Report,
}

impl Tried<'_> {
    /// A key that no other thing tried shares, whatever text someone chose.
    fn key(self) -> String {
        match self {
            Self::Password(name) => format!("password/{name}"),
            Self::Code(account) => format!("code/{account}"),
            Self::Passkey(account) => format!("passkey/{}", account.map_or_else(String::new, |id| id.to_string())),
            Self::AccountLink(id) => format!("link/{id}"),
            Self::Invitation(id) => format!("invitation/{id}"),
            Self::ReceiptLink(id) => format!("receipts/{id}"),
            Self::Provider => "provider".to_owned(),
            Self::LogoutToken(provider) => format!("logout/{provider}"),
            Self::Report => "report".to_owned(),
        }
    }

    /// What is counted for it, with how many failures there may be.
    fn counted(self, network: &str) -> Vec<(String, u32)> {
        let (key, network) = (self.key(), network_of(network));
        // a hospital's patients share its network with those who sign in
        let kind = if matches!(self, Self::Invitation(_) | Self::ReceiptLink(_)) { "links" } else { "all" };
        let mut counted = vec![(format!("{key}\n{network}"), PER_TRIED_AND_NETWORK), (format!("{kind}\n{network}"), PER_NETWORK)];
        if matches!(self, Self::Code(_)) {
            counted.push((key, CODES_EVERYWHERE));
        }
        counted
    }
}

/// Failures of late.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
    refused: bool,
}

/// A try that must not be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// How long until it may.
    pub wait: Duration,
    /// Whether it is the first refused since these failures are counted: the others need not be written down.
    pub first: bool,
}

impl Throttle {
    /// Counts one try before its outcome is known, so that many at once count too.
    ///
    /// # Errors
    /// [`Refused`] if there were too many failures.
    pub fn attempt(&self, tried: Tried, network: &str, now: Timestamp) -> Result<(), Refused> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, failures| now.since(failures.since) < WINDOW);
        let counted = tried.counted(network);
        let mut refused: Option<Refused> = None;
        for (key, most) in &counted {
            if let Some(failures) = seen.get_mut(key).filter(|failures| failures.count >= *most) {
                let wait = WINDOW.saturating_sub(now.since(failures.since)).max(refused.as_ref().map_or(Duration::ZERO, |r| r.wait));
                let first = !failures.refused || refused.is_some_and(|r| r.first);
                failures.refused = true;
                refused = Some(Refused { wait, first });
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for (key, _) in counted {
            seen.entry(key).or_insert(Failures { since: now, count: 0, refused: false }).count += 1;
        }
        Ok(())
    }

    /// The try succeeded: it was no failure, and what was tried is forgiven on this network and, for a code, everywhere.
    pub fn succeeded(&self, tried: Tried, network: &str) {
        self.not_tried(tried, network);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, most) in tried.counted(network) {
            if most != PER_NETWORK {
                seen.remove(&key);
            }
        }
    }

    /// The try was counted and then not made: nothing was learned from it. Earlier failures stay.
    pub fn not_tried(&self, tried: Tried, network: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in tried.counted(network) {
            if let Some(failures) = seen.get_mut(&key) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }
}

/// Someone with an IPv6 address has a whole network of them: 64 bits of it are one place.
fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).to_string(),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Tried = Tried::Password("ana");
    const START: Timestamp = Timestamp::from_micros(0);

    fn refused(throttle: &Throttle, tried: Tried, network: &str) -> bool {
        throttle.attempt(tried, network, START).is_err()
    }

    #[test]
    fn guessing_is_slowed_where_it_comes_from_and_nowhere_else() {
        let throttle = Throttle::default();
        for _ in 0..PER_TRIED_AND_NETWORK {
            assert!(!refused(&throttle, ANA, "10.0.0.1"));
        }
        assert_eq!(throttle.attempt(ANA, "10.0.0.1", START), Err(Refused { wait: WINDOW, first: true }));
        assert_eq!(throttle.attempt(ANA, "10.0.0.1", START), Err(Refused { wait: WINDOW, first: false }), "written down once");
        assert!(!refused(&throttle, ANA, "10.0.0.2"), "the owner elsewhere is not locked out");
        assert!(!refused(&throttle, Tried::Password("ben"), "10.0.0.1"), "nor is a colleague");
        assert!(throttle.attempt(ANA, "10.0.0.1", START.plus(WINDOW)).is_ok(), "and it passes");
    }

    #[test]
    fn trying_many_names_from_one_network_is_slowed_too() {
        let throttle = Throttle::default();
        for n in 0..PER_NETWORK {
            assert!(!refused(&throttle, Tried::Password(&format!("name{n}")), "10.0.0.1"));
        }
        assert!(refused(&throttle, Tried::Password("another"), "10.0.0.1"));
        assert!(!refused(&throttle, Tried::Invitation("one"), "10.0.0.1"), "patients of the same network still come in");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_place() {
        let throttle = Throttle::default();
        for n in 0..PER_TRIED_AND_NETWORK {
            assert!(!refused(&throttle, ANA, &format!("2001:db8:1:2::{n:x}")));
        }
        assert!(refused(&throttle, ANA, "2001:db8:1:2:ffff::1"));
        assert!(!refused(&throttle, ANA, "2001:db8:1:3::1"));
        assert_eq!(network_of("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn codes_are_counted_over_all_networks() {
        let throttle = Throttle::default();
        let code = Tried::Code(AccountId::from_uuid(uuid::Uuid::nil()));
        for n in 0..CODES_EVERYWHERE {
            assert!(!refused(&throttle, code, &format!("10.0.{n}.1")));
        }
        assert!(refused(&throttle, code, "10.1.0.1"));
        assert!(!refused(&throttle, ANA, "10.1.0.1"), "another way in stays open");
    }

    #[test]
    fn success_is_no_failure() {
        let throttle = Throttle::default();
        for _ in 0..PER_NETWORK * 3 {
            assert!(!refused(&throttle, ANA, "10.0.0.1"));
            throttle.succeeded(ANA, "10.0.0.1");
        }
    }

    #[test]
    fn what_was_not_tried_forgives_nothing() {
        let throttle = Throttle::default();
        for _ in 1..PER_TRIED_AND_NETWORK {
            assert!(!refused(&throttle, ANA, "10.0.0.1"));
        }
        for _ in 0..20 {
            assert!(!refused(&throttle, ANA, "10.0.0.1"));
            throttle.not_tried(ANA, "10.0.0.1");
        }
        assert!(!refused(&throttle, ANA, "10.0.0.1"));
        assert!(refused(&throttle, ANA, "10.0.0.1"), "nine failures before, and this one");
    }

    #[test]
    fn a_chosen_user_name_meets_no_other_count() {
        let (throttle, account) = (Throttle::default(), AccountId::from_uuid(uuid::Uuid::nil()));
        for name in [format!("code/{account}"), "10.0.0.1".to_owned(), "all".to_owned()] {
            for _ in 0..PER_TRIED_AND_NETWORK {
                assert!(!refused(&throttle, Tried::Password(&name), "10.0.0.9"));
            }
        }
        assert!(!refused(&throttle, Tried::Code(account), "10.0.0.9"));
        assert!(!refused(&throttle, ANA, "10.0.0.1"));
    }
}
