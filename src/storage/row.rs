//! Reads typed values out of rows; a value that cannot be is named by table, column and row.

use crate::domain::time::Timestamp;
use crate::storage::error::StorageError;
use std::str::FromStr;

/// Which row is being read, for the error.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub table: &'static str,
    pub row: &'a str,
}

impl At<'_> {
    pub(super) fn wrong(self, column: &'static str) -> StorageError {
        StorageError::Inconsistent { table: self.table, column, row: self.row.to_owned() }
    }

    /// An id or other parsed text.
    pub(super) fn parse<T: FromStr>(self, column: &'static str, text: &str) -> Result<T, StorageError> {
        text.parse().map_err(|_| self.wrong(column))
    }

    /// A value that must be there in this state.
    pub(super) fn need<T>(self, column: &'static str, value: Option<T>) -> Result<T, StorageError> {
        value.ok_or_else(|| self.wrong(column))
    }
}

/// A stored time.
pub(super) const fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A stored time that may be missing.
pub(super) fn maybe_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}
