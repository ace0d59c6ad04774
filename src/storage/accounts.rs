//! Staff accounts.

use crate::domain::access::AccountRole;
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str =
    "INSERT INTO accounts (id, username, display_name, role, status, password_hash, created_at) VALUES ($1, $2, $3, $4, 'active', $5, $6)";
const BY_USERNAME: &str = "SELECT * FROM accounts WHERE username = $1";
const BY_ID: &str = "SELECT * FROM accounts WHERE id = $1";
const ALL: &str = "SELECT * FROM accounts ORDER BY username";
const SIGNED_IN: &str = "UPDATE accounts SET last_sign_in_at = $2 WHERE id = $1";
const SET_PASSWORD: &str = "UPDATE accounts SET password_hash = $2 WHERE id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, BY_USERNAME, BY_ID, ALL, SIGNED_IN, SET_PASSWORD];

/// A staff account as stored.
#[derive(Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name it signs in with, lower case.
    pub username: String,
    /// The name others see.
    pub display_name: String,
    /// What it may do.
    pub role: AccountRole,
    /// Whether it may sign in.
    pub active: bool,
    /// PHC string.
    pub password_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    username: String,
    display_name: String,
    role: String,
    status: String,
    password_hash: String,
    created_at: i64,
    last_sign_in_at: Option<i64>,
}

impl TryFrom<Row> for Account {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "accounts", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            role: at.need("role", AccountRole::parse(&row.role))?,
            active: match row.status.as_str() {
                "active" => true,
                "suspended" => false,
                _ => return Err(at.wrong("status")),
            },
            username: row.username,
            display_name: row.display_name,
            password_hash: row.password_hash,
            created_at: time(row.created_at),
            last_sign_in_at: maybe_time(row.last_sign_in_at),
        })
    }
}

/// Adds an account.
///
/// # Errors
/// [`StorageError::Duplicate`] if the username is taken.
pub async fn insert(tx: &mut Tx, account: &Account) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        account.id.to_string(),
        &account.username,
        &account.display_name,
        account.role.as_str(),
        &account.password_hash,
        account.created_at.as_micros()
    )?;
    Ok(())
}

/// The account of a username.
///
/// # Errors
/// See [`StorageError`].
pub async fn by_username(tx: &mut Tx, username: &str) -> Result<Option<Account>, StorageError> {
    fetch_optional!(tx, Row, BY_USERNAME, username)?.map(TryInto::try_into).transpose()
}

/// The account of an id.
///
/// # Errors
/// See [`StorageError`].
pub async fn by_id(tx: &mut Tx, id: AccountId) -> Result<Option<Account>, StorageError> {
    fetch_optional!(tx, Row, BY_ID, id.to_string())?.map(TryInto::try_into).transpose()
}

/// Every account, by username.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<Account>, StorageError> {
    fetch_all!(tx, Row, ALL)?.into_iter().map(TryInto::try_into).collect()
}

/// Notes a sign-in.
///
/// # Errors
/// See [`StorageError`].
pub async fn signed_in(tx: &mut Tx, id: AccountId, now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, SIGNED_IN, id.to_string(), now.as_micros())?;
    Ok(())
}

/// Replaces the password.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_password(tx: &mut Tx, id: AccountId, hash: &str) -> Result<(), StorageError> {
    execute!(tx, SET_PASSWORD, id.to_string(), hash)?;
    Ok(())
}
