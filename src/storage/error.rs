//! What can go wrong with stored data.

/// Storage failed, or contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The engine could not do it: down, full, locked, unreachable.
    #[error("the database failed")]
    Engine(#[source] sqlx::Error),
    /// The connection or the disk failed during a commit: whether it was kept is not known.
    #[error("the database failed during a commit")]
    Unknown,
    /// The database is not the one that was opened: its file was removed or replaced, or its log is another one.
    #[error("the database was replaced while it was in use")]
    Replaced,
    /// A unique value is taken already.
    #[error("the value exists already")]
    Duplicate,
    /// The tables could not be brought to this version.
    #[error("the database could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A row says something that cannot be.
    #[error("{table}.{column} of row {row} holds a value that cannot be")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// An entry could not be turned into its canonical form.
    #[error("an audit entry has no canonical form")]
    Canonical,
    /// The address names no engine that is known.
    #[error("the database address must begin with sqlite: or postgres:")]
    Address,
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Duplicate,
            _ => Self::Engine(error),
        }
    }
}
