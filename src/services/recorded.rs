//! What was read of protected data, with the entry that says so.
//!
//! Invariant: a [`Recorded`] is made in this file alone, after its entry was committed. So a read without its entry gives nothing to return.

use crate::domain::audit::Entry;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::database::WriteTx;

/// What was read of protected data. It can be had only once the entry that says so is committed, and a critical one only under a signed
/// checkpoint.
#[derive(Debug)]
#[must_use = "that this was read is on the record already"]
pub struct Recorded<T>(T);

impl<T> Recorded<T> {
    /// What was read.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }

    /// What follows from it. Reads that must come after their entry hold on to a `Recorded<()>` and end with this.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Recorded<U> {
        Recorded(f(self.0))
    }
}

impl<A, B> Recorded<(A, B)> {
    /// Two things that one entry tells of, apart.
    pub(crate) fn unzip(self) -> (Recorded<A>, Recorded<B>) {
        let (a, b) = self.0;
        (Recorded(a), Recorded(b))
    }
}

impl Services {
    /// Puts a read on the record, and gives what was read once its entry is committed.
    pub(crate) async fn recorded<T>(&self, entry: Entry, value: T) -> Result<Recorded<T>, ServiceError> {
        self.record(entry).await?;
        Ok(Recorded(value))
    }

    /// As [`Services::recorded`], for a read that changes something as well: the entry is committed with the change.
    pub(crate) async fn committed_with<T>(&self, tx: WriteTx, entry: Entry, value: T) -> Result<Recorded<T>, ServiceError> {
        self.commit(tx, entry).await?;
        Ok(Recorded(value))
    }
}
