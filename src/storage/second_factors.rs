//! Second factors of staff accounts: passkeys, authenticator apps, recovery codes.

use crate::domain::id::{AccountId, PasskeyId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT_PASSKEY: &str =
    "INSERT INTO passkeys (id, account_id, credential_id, name, credential, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
const PASSKEYS: &str = "SELECT * FROM passkeys WHERE account_id = $1 ORDER BY created_at";
const ALL_PASSKEYS: &str = "SELECT * FROM passkeys ORDER BY created_at";
const BY_CREDENTIAL: &str = "SELECT * FROM passkeys WHERE credential_id = $1";
const USED_PASSKEY: &str = "UPDATE passkeys SET credential = $2, last_used_at = $3 WHERE id = $1";
const FORGET_PASSKEY: &str = "DELETE FROM passkeys WHERE id = $1 AND account_id = $2";
const FORGET_PASSKEYS: &str = "DELETE FROM passkeys WHERE account_id = $1";
const SET_APP: &str = "INSERT INTO authenticator_apps (account_id, sealed_secret, last_step, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id) DO UPDATE SET sealed_secret = excluded.sealed_secret, last_step = excluded.last_step,
    created_at = excluded.created_at, last_used_at = NULL";
const APP: &str = "SELECT * FROM authenticator_apps WHERE account_id = $1";
const ALL_APPS: &str = "SELECT * FROM authenticator_apps";
const USED_APP: &str = "UPDATE authenticator_apps SET last_step = $2, last_used_at = $3 WHERE account_id = $1 AND last_step < $2";
const FORGET_APP: &str = "DELETE FROM authenticator_apps WHERE account_id = $1";
const INSERT_CODE: &str = "INSERT INTO recovery_codes (code_hash, account_id, created_at) VALUES ($1, $2, $3)";
const USE_CODE: &str = "UPDATE recovery_codes SET used_at = $3 WHERE code_hash = $1 AND account_id = $2 AND used_at IS NULL";
const FORGET_CODES: &str = "DELETE FROM recovery_codes WHERE account_id = $1";
const CODES_LEFT: &str = "SELECT COUNT(*) AS left_over FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[
    INSERT_PASSKEY,
    PASSKEYS,
    ALL_PASSKEYS,
    BY_CREDENTIAL,
    USED_PASSKEY,
    FORGET_PASSKEY,
    FORGET_PASSKEYS,
    SET_APP,
    APP,
    ALL_APPS,
    USED_APP,
    FORGET_APP,
    INSERT_CODE,
    USE_CODE,
    FORGET_CODES,
    CODES_LEFT,
];

/// A passkey (W3C Web Authentication): a public key of someone's device.
#[derive(Clone)]
pub struct StoredPasskey {
    /// Its id here.
    pub id: PasskeyId,
    /// Whose.
    pub account: AccountId,
    /// The device's name for it, base64url.
    pub credential_id: String,
    /// Its owner's name for it.
    pub name: String,
    /// Public key, counter and flags, as JSON.
    pub credential: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct PasskeyRow {
    id: String,
    account_id: String,
    credential_id: String,
    name: String,
    credential: String,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl TryFrom<PasskeyRow> for StoredPasskey {
    type Error = StorageError;
    fn try_from(row: PasskeyRow) -> Result<Self, StorageError> {
        let at = At { table: "passkeys", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            account: at.parse("account_id", &row.account_id)?,
            credential_id: row.credential_id,
            name: row.name,
            credential: row.credential,
            created_at: time(row.created_at),
            last_used_at: maybe_time(row.last_used_at),
        })
    }
}

/// An account's authenticator app.
pub struct AuthenticatorApp {
    /// Whose.
    pub account: AccountId,
    /// The shared secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// The newest step whose code was used.
    pub last_step: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct AppRow {
    account_id: String,
    sealed_secret: Vec<u8>,
    last_step: i64,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl TryFrom<AppRow> for AuthenticatorApp {
    type Error = StorageError;
    fn try_from(row: AppRow) -> Result<Self, StorageError> {
        Ok(Self {
            account: At { table: "authenticator_apps", row: &row.account_id }.parse("account_id", &row.account_id)?,
            sealed_secret: row.sealed_secret,
            last_step: row.last_step,
            created_at: time(row.created_at),
            last_used_at: maybe_time(row.last_used_at),
        })
    }
}

#[derive(sqlx::FromRow)]
struct LeftRow {
    left_over: i64,
}

/// Adds a passkey.
///
/// # Errors
/// [`StorageError::Duplicate`] if it is there already.
pub async fn insert_passkey(tx: &mut Tx, key: &StoredPasskey) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_PASSKEY,
        key.id.to_string(),
        key.account.to_string(),
        &key.credential_id,
        &key.name,
        &key.credential,
        key.created_at.as_micros()
    )?;
    Ok(())
}

/// The passkeys of an account, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn passkeys(tx: &mut Tx, account: AccountId) -> Result<Vec<StoredPasskey>, StorageError> {
    fetch_all!(tx, PasskeyRow, PASSKEYS, account.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// Every passkey of every account.
///
/// # Errors
/// See [`StorageError`].
pub async fn all_passkeys(tx: &mut Tx) -> Result<Vec<StoredPasskey>, StorageError> {
    fetch_all!(tx, PasskeyRow, ALL_PASSKEYS)?.into_iter().map(TryInto::try_into).collect()
}

/// The passkey of a credential id.
///
/// # Errors
/// See [`StorageError`].
pub async fn passkey_by_credential(tx: &mut Tx, credential_id: &str) -> Result<Option<StoredPasskey>, StorageError> {
    fetch_optional!(tx, PasskeyRow, BY_CREDENTIAL, credential_id)?.map(TryInto::try_into).transpose()
}

/// Notes a use, with the counter it left.
///
/// # Errors
/// See [`StorageError`].
pub async fn passkey_used(tx: &mut Tx, id: PasskeyId, credential: &str, now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, USED_PASSKEY, id.to_string(), credential, now.as_micros())?;
    Ok(())
}

/// Removes a passkey; `false` if the account has none of this id.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_passkey(tx: &mut Tx, id: PasskeyId, account: AccountId) -> Result<bool, StorageError> {
    Ok(execute!(tx, FORGET_PASSKEY, id.to_string(), account.to_string())? == 1)
}

/// Sets or replaces an account's authenticator app.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_app(tx: &mut Tx, account: AccountId, sealed: &[u8], step: i64, now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, SET_APP, account.to_string(), sealed, step, now.as_micros())?;
    Ok(())
}

/// An account's authenticator app.
///
/// # Errors
/// See [`StorageError`].
pub async fn app(tx: &mut Tx, account: AccountId) -> Result<Option<AuthenticatorApp>, StorageError> {
    fetch_optional!(tx, AppRow, APP, account.to_string())?.map(TryInto::try_into).transpose()
}

/// Every authenticator app.
///
/// # Errors
/// See [`StorageError`].
pub async fn all_apps(tx: &mut Tx) -> Result<Vec<AuthenticatorApp>, StorageError> {
    fetch_all!(tx, AppRow, ALL_APPS)?.into_iter().map(TryInto::try_into).collect()
}

/// Notes that the code of a step was used; `false` if one as new or newer was used meanwhile.
///
/// # Errors
/// See [`StorageError`].
pub async fn app_used(tx: &mut Tx, account: AccountId, step: i64, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, USED_APP, account.to_string(), step, now.as_micros())? == 1)
}

/// Removes an account's authenticator app; `false` if it has none.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_app(tx: &mut Tx, account: AccountId) -> Result<bool, StorageError> {
    Ok(execute!(tx, FORGET_APP, account.to_string())? == 1)
}

/// Replaces an account's recovery codes.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_recovery_codes(tx: &mut Tx, account: AccountId, hashes: &[String], now: Timestamp) -> Result<(), StorageError> {
    execute!(tx, FORGET_CODES, account.to_string())?;
    for hash in hashes {
        execute!(tx, INSERT_CODE, hash, account.to_string(), now.as_micros())?;
    }
    Ok(())
}

/// Uses a recovery code up; `false` if there is none such left.
///
/// # Errors
/// See [`StorageError`].
pub async fn use_recovery_code(tx: &mut Tx, account: AccountId, hash: &str, now: Timestamp) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_CODE, hash, account.to_string(), now.as_micros())? == 1)
}

/// How many recovery codes an account has left.
///
/// # Errors
/// See [`StorageError`].
pub async fn recovery_codes_left(tx: &mut Tx, account: AccountId) -> Result<u64, StorageError> {
    let row = fetch_optional!(tx, LeftRow, CODES_LEFT, account.to_string())?;
    Ok(row.and_then(|row| u64::try_from(row.left_over).ok()).unwrap_or(0))
}

/// Removes everything of an account.
///
/// # Errors
/// See [`StorageError`].
pub async fn forget_all(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, FORGET_PASSKEYS, account.to_string())?;
    execute!(tx, FORGET_APP, account.to_string())?;
    execute!(tx, FORGET_CODES, account.to_string())?;
    Ok(())
}
