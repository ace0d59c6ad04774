//! Staff accounts: who they are, their passwords, the links to set one, and who they are at identity providers.

use crate::crypto::password::StoredPassword;
use crate::domain::access::AccountRole;
use crate::domain::id::{AccountId, AccountLinkId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO accounts (id, username, display_name, role, status, created_at) VALUES ($1, $2, $3, $4, 'active', $5)";
const BY_USERNAME: &str = "SELECT * FROM accounts WHERE username = $1";
const BY_ID: &str = "SELECT * FROM accounts WHERE id = $1";
const ALL: &str = "SELECT * FROM accounts ORDER BY username";
const SIGNED_IN: &str = "UPDATE accounts SET last_sign_in_at = $2 WHERE id = $1";
const SET_NAME: &str = "UPDATE accounts SET display_name = $2 WHERE id = $1";
const SET_ROLE: &str = "UPDATE accounts SET role = $2 WHERE id = $1";
const SET_STATUS: &str = "UPDATE accounts SET status = $2 WHERE id = $1";
const PASSWORD: &str = "SELECT * FROM account_passwords WHERE account_id = $1";
const SET_PASSWORD: &str =
    "INSERT INTO account_passwords (account_id, hash, pepper_version, stands_alone, changed_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, pepper_version = excluded.pepper_version,
    stands_alone = excluded.stands_alone, changed_at = excluded.changed_at";
const FORGET_PASSWORD: &str = "DELETE FROM account_passwords WHERE account_id = $1";
const INSERT_LINK: &str = "INSERT INTO account_links (id, account_id, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
const LINK: &str = "SELECT * FROM account_links WHERE id = $1";
const USE_LINK: &str = "UPDATE account_links SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2";
const END_LINKS: &str = "UPDATE account_links SET expires_at = $2 WHERE account_id = $1 AND used_at IS NULL AND expires_at > $2";
const IDENTITY: &str = "SELECT * FROM provider_identities WHERE issuer = $1 AND subject = $2";
const IDENTITIES: &str = "SELECT * FROM provider_identities WHERE account_id = $1 ORDER BY created_at";
const INSERT_IDENTITY: &str = "INSERT INTO provider_identities (issuer, subject, account_id, created_at) VALUES ($1, $2, $3, $4)";
const INSERT_LOGOUT: &str = "INSERT INTO logout_tokens (issuer, token_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const FORGET_LOGOUTS: &str = "DELETE FROM logout_tokens WHERE expires_at < $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    BY_USERNAME,
    BY_ID,
    ALL,
    SIGNED_IN,
    SET_NAME,
    SET_ROLE,
    SET_STATUS,
    PASSWORD,
    SET_PASSWORD,
    FORGET_PASSWORD,
    INSERT_LINK,
    LINK,
    USE_LINK,
    END_LINKS,
    IDENTITY,
    IDENTITIES,
    INSERT_IDENTITY,
    INSERT_LOGOUT,
    FORGET_LOGOUTS,
];

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

/// Changes the name that others see.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_name(tx: &mut Tx, id: AccountId, display_name: &str) -> Result<(), StorageError> {
    execute!(tx, SET_NAME, id.to_string(), display_name)?;
    Ok(())
}

/// Changes the role.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_role(tx: &mut Tx, id: AccountId, role: AccountRole) -> Result<(), StorageError> {
    execute!(tx, SET_ROLE, id.to_string(), role.as_str())?;
    Ok(())
}

/// Suspends or restores.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_active(tx: &mut Tx, id: AccountId, active: bool) -> Result<(), StorageError> {
    execute!(tx, SET_STATUS, id.to_string(), if active { "active" } else { "suspended" })?;
    Ok(())
}

/// An account's password.
pub struct AccountPassword {
    /// The hash and its pepper.
    pub stored: StoredPassword,
    /// Whether it is long enough to be the only factor.
    pub stands_alone: bool,
    /// When it was set.
    pub changed_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct PasswordRow {
    account_id: String,
    hash: String,
    pepper_version: i64,
    stands_alone: i64,
    changed_at: i64,
}

/// The password of an account, if it has one.
///
/// # Errors
/// See [`StorageError`].
pub async fn password(tx: &mut Tx, id: AccountId) -> Result<Option<AccountPassword>, StorageError> {
    let Some(row) = fetch_optional!(tx, PasswordRow, PASSWORD, id.to_string())? else { return Ok(None) };
    let at = At { table: "account_passwords", row: &row.account_id };
    let pepper = at.need("pepper_version", u32::try_from(row.pepper_version).ok())?;
    Ok(Some(AccountPassword {
        stored: StoredPassword { phc: row.hash, pepper },
        stands_alone: row.stands_alone != 0,
        changed_at: time(row.changed_at),
    }))
}

/// Sets or replaces the password.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_password(tx: &mut Tx, id: AccountId, password: &AccountPassword) -> Result<(), StorageError> {
    let AccountPassword { stored, stands_alone, changed_at } = password;
    execute!(tx, SET_PASSWORD, id.to_string(), &stored.phc, i64::from(stored.pepper), i64::from(*stands_alone), changed_at.as_micros())?;
    Ok(())
}

/// Takes the password away.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_password(tx: &mut Tx, id: AccountId) -> Result<(), StorageError> {
    execute!(tx, FORGET_PASSWORD, id.to_string())?;
    Ok(())
}

/// A link to set a password.
pub struct AccountLink {
    /// Its id, part of the address.
    pub id: AccountLinkId,
    /// Whose password.
    pub account: AccountId,
    /// SHA-256 of its secret.
    pub secret_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    id: String,
    account_id: String,
    secret_hash: String,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
}

/// Keeps a link; the account's earlier ones stop working.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_link(tx: &mut Tx, link: &AccountLink) -> Result<(), StorageError> {
    end_links(tx, link.account, link.created_at).await?;
    execute!(
        tx,
        INSERT_LINK,
        link.id.to_string(),
        link.account.to_string(),
        &link.secret_hash,
        link.created_at.as_micros(),
        link.expires_at.as_micros()
    )?;
    Ok(())
}

/// A link, used or not.
///
/// # Errors
/// See [`StorageError`].
pub async fn link(tx: &mut Tx, id: AccountLinkId) -> Result<Option<AccountLink>, StorageError> {
    let Some(row) = fetch_optional!(tx, LinkRow, LINK, id.to_string())? else { return Ok(None) };
    let at = At { table: "account_links", row: &row.id };
    Ok(Some(AccountLink {
        id,
        account: at.parse("account_id", &row.account_id)?,
        created_at: time(row.created_at),
        expires_at: time(row.expires_at),
        used_at: maybe_time(row.used_at),
        secret_hash: row.secret_hash,
    }))
}

/// Uses a link up; `false` if it was used or has expired.
///
/// # Errors
/// See [`StorageError`].
pub async fn use_link(tx: &mut Tx, id: AccountLinkId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_LINK, id.to_string(), now.as_micros())? == 1)
}

/// Ends every unused link of an account.
///
/// # Errors
/// See [`StorageError`].
pub async fn end_links(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, END_LINKS, account.to_string(), now.as_micros())?;
    Ok(())
}

/// Who a provider's subject is here.
#[derive(Debug, Clone)]
pub struct ProviderIdentity {
    /// The provider's issuer identifier.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// The account here.
    pub account: AccountId,
    /// Since when.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct IdentityRow {
    issuer: String,
    subject: String,
    account_id: String,
    created_at: i64,
}

impl TryFrom<IdentityRow> for ProviderIdentity {
    type Error = StorageError;
    fn try_from(row: IdentityRow) -> Result<Self, StorageError> {
        let account = At { table: "provider_identities", row: &row.subject }.parse("account_id", &row.account_id)?;
        Ok(Self { issuer: row.issuer, subject: row.subject, account, created_at: time(row.created_at) })
    }
}

/// The account of a provider's subject.
///
/// # Errors
/// See [`StorageError`].
pub async fn provider_identity(tx: &mut Tx, issuer: &str, subject: &str) -> Result<Option<ProviderIdentity>, StorageError> {
    fetch_optional!(tx, IdentityRow, IDENTITY, issuer, subject)?.map(TryInto::try_into).transpose()
}

/// Everyone an account is at providers.
///
/// # Errors
/// See [`StorageError`].
pub async fn provider_identities(tx: &mut Tx, account: AccountId) -> Result<Vec<ProviderIdentity>, StorageError> {
    fetch_all!(tx, IdentityRow, IDENTITIES, account.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Ties a provider's subject to an account.
///
/// # Errors
/// [`StorageError::Duplicate`] if it is tied already.
pub async fn insert_provider_identity(tx: &mut Tx, identity: &ProviderIdentity) -> Result<(), StorageError> {
    let ProviderIdentity { issuer, subject, account, created_at } = identity;
    execute!(tx, INSERT_IDENTITY, issuer, subject, account.to_string(), created_at.as_micros())?;
    Ok(())
}

/// Notes a logout token; `false` if it was seen before.
///
/// # Errors
/// See [`StorageError`].
pub async fn note_logout_token(
    tx: &mut Tx,
    issuer: &str,
    token_id: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, StorageError> {
    execute!(tx, FORGET_LOGOUTS, now.as_micros())?;
    Ok(execute!(tx, INSERT_LOGOUT, issuer, token_id, expires_at.as_micros())? == 1)
}
