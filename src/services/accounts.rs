//! Staff accounts: making and listing them.

use crate::domain::access::{AccountRole, Caller, Permit, ReadAccounts};
use crate::domain::audit::Event;
use crate::domain::id::AccountId;
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::accounts::{self, Account};
use std::sync::Arc;

impl Services {
    /// Every account, by username.
    ///
    /// # Errors
    /// If it cannot be read or the read not audited.
    pub async fn accounts(&self, permit: &Permit<ReadAccounts>) -> Result<Vec<Account>, ServiceError> {
        let all = accounts::all(self.database.read().await?.tx()).await?;
        self.record(self.entry(Event::AccountsListed, permit.caller())?.with("count", all.len())).await?;
        Ok(all)
    }

    /// Makes an account if the username is free; gives it its password otherwise too. For the operator at the machine and the demo.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a username that cannot be.
    pub async fn ensure_account(
        &self,
        username: &str,
        display_name: &str,
        role: AccountRole,
        password: Secret,
    ) -> Result<AccountId, ServiceError> {
        let username = username.trim().to_lowercase();
        if !(2..=64).contains(&username.len()) || !username.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) {
            return Err(ServiceError::Validation(vec![FieldError {
                name: "username",
                message: "must be 2 to 64 letters, digits, dots, dashes or @",
            }]));
        }
        let existing = accounts::by_username(self.database.read().await?.tx(), &username).await?;
        if let Some(account) = &existing
            && self.passwords.verify(password.clone(), Some(account.password_hash.clone())).await?
        {
            return Ok(account.id);
        }
        let password_hash = self.passwords.hash(password, Arc::clone(&self.entropy)).await?;
        let mut tx = self.database.begin().await?;
        let id = if let Some(account) = existing {
            accounts::set_password(tx.tx(), account.id, &password_hash).await?;
            account.id
        } else {
            let id = AccountId::from_uuid(self.new_uuid()?);
            let account = Account {
                id,
                username,
                display_name: display_name.to_owned(),
                role,
                active: true,
                password_hash,
                created_at: self.now(),
                last_sign_in_at: None,
            };
            accounts::insert(tx.tx(), &account).await?;
            id
        };
        let entry = self.entry(Event::AccountCreated, &Caller::system())?.about("account", id).with("role", role.as_str());
        self.commit(tx, entry).await?;
        Ok(id)
    }
}
