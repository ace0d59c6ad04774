//! Slows down guessing: by account and network together, and by network alone. A stranger elsewhere can never lock an account.

use crate::domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures are forgotten after this long.
const WINDOW: Duration = Duration::from_mins(15);
/// Failures of one account from one network before it has to wait.
const PER_ACCOUNT_AND_NETWORK: u32 = 10;
/// Failures from one network before it has to wait; a clinic behind one address shares it.
const PER_NETWORK: u32 = 100;

/// Failures of late.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl Throttle {
    /// Counts one attempt before its outcome is known, so that many at once count too. Gives how long to wait if there were too many
    /// failures; then the attempt must not be made.
    pub fn attempt(&self, account: &str, network: &str, now: Timestamp) -> Option<Duration> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, failures| now.since(failures.since) < WINDOW);
        let over = |key: &str, most: u32| {
            let failures = seen.get(key)?;
            (failures.count >= most).then(|| WINDOW.saturating_sub(now.since(failures.since)))
        };
        let wait = over(&both(account, network), PER_ACCOUNT_AND_NETWORK).max(over(network, PER_NETWORK));
        if wait.is_none() {
            for key in [both(account, network), network.to_owned()] {
                seen.entry(key).or_insert(Failures { since: now, count: 0 }).count += 1;
            }
        }
        wait
    }

    /// The attempt succeeded: it was no failure, and this account on this network is forgiven.
    pub fn succeeded(&self, account: &str, network: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&both(account, network));
        if let Some(failures) = seen.get_mut(network) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

fn both(account: &str, network: &str) -> String {
    format!("{network}\n{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_where_it_comes_from_and_nowhere_else() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_micros(0));
        for _ in 0..PER_ACCOUNT_AND_NETWORK {
            assert!(throttle.attempt("ana", "10.0.0.1", now).is_none());
        }
        assert_eq!(throttle.attempt("ana", "10.0.0.1", now), Some(WINDOW));
        assert!(throttle.attempt("ana", "10.0.0.2", now).is_none(), "the owner elsewhere is not locked out");
        assert!(throttle.attempt("ben", "10.0.0.1", now).is_none(), "nor is a colleague");
        assert!(throttle.attempt("ana", "10.0.0.1", now.plus(WINDOW)).is_none(), "and it passes");
    }

    #[test]
    fn trying_many_names_from_one_network_is_slowed_too() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_micros(0));
        for n in 0..PER_NETWORK {
            assert!(throttle.attempt(&format!("name{n}"), "10.0.0.1", now).is_none());
        }
        assert!(throttle.attempt("another", "10.0.0.1", now).is_some());
    }

    #[test]
    fn success_is_no_failure() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_micros(0));
        for _ in 0..PER_NETWORK * 3 {
            assert!(throttle.attempt("ana", "10.0.0.1", now).is_none());
            throttle.succeeded("ana", "10.0.0.1");
        }
    }
}
