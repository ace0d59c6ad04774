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
    /// How long this network must wait before it may try this account again; `None` if it need not.
    pub fn wait(&self, account: &str, network: &str, now: Timestamp) -> Option<Duration> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |key: &str, most: u32| {
            let failures = seen.get(key)?;
            let age = now.since(failures.since);
            (failures.count >= most && age < WINDOW).then(|| WINDOW.saturating_sub(age))
        };
        over(&both(account, network), PER_ACCOUNT_AND_NETWORK).max(over(network, PER_NETWORK))
    }

    /// Notes a failure.
    pub fn failed(&self, account: &str, network: &str, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, failures| now.since(failures.since) < WINDOW);
        for key in [both(account, network), network.to_owned()] {
            seen.entry(key).or_insert(Failures { since: now, count: 0 }).count += 1;
        }
    }

    /// A success forgives this account on this network.
    pub fn succeeded(&self, account: &str, network: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&both(account, network));
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
            assert!(throttle.wait("ana", "10.0.0.1", now).is_none());
            throttle.failed("ana", "10.0.0.1", now);
        }
        assert_eq!(throttle.wait("ana", "10.0.0.1", now), Some(WINDOW));
        assert!(throttle.wait("ana", "10.0.0.2", now).is_none(), "the owner elsewhere is not locked out");
        assert!(throttle.wait("ben", "10.0.0.1", now).is_none(), "nor is a colleague");
        assert!(throttle.wait("ana", "10.0.0.1", now.plus(WINDOW)).is_none(), "and it passes");
    }

    #[test]
    fn trying_many_names_from_one_network_is_slowed_too() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_micros(0));
        for n in 0..PER_NETWORK {
            throttle.failed(&format!("name{n}"), "10.0.0.1", now);
        }
        assert!(throttle.wait("another", "10.0.0.1", now).is_some());
        throttle.succeeded("another", "10.0.0.1");
        assert!(throttle.wait("another", "10.0.0.1", now).is_some(), "one success does not open the gate for a scan");
    }
}
