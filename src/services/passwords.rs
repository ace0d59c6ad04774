//! Passwords: whether one may be set, changing one's own, and hashing anew what was hashed under an older cost or pepper.

use crate::crypto::password::{Checked, PasswordError, StoredPassword};
use crate::domain::access::{Assurance, Caller, ManageOwnSignIn, Permit};
use crate::domain::audit::{Event, Outcome};
use crate::domain::id::AccountId;
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::identity::password_rules::{LONGEST, judge, stands_alone};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::sign_in::SignedIn;
use crate::services::throttle::Tried;
use crate::storage::accounts::{self, Account, AccountPassword};
use crate::storage::database::Tx;
use crate::storage::sign_in_sessions;
use std::sync::Arc;

impl Services {
    /// Changes the caller's own password; their other sign-in sessions end, and this one gets a new token.
    ///
    /// # Errors
    /// [`ServiceError::ReauthenticationFailed`] for a wrong current password, audited; [`ServiceError::Validation`] for a new one that may
    /// not be.
    pub async fn change_password(
        &self,
        permit: &Permit<ManageOwnSignIn>,
        who: &SignedIn,
        current: Secret,
        new: Secret,
    ) -> Result<Secret, ServiceError> {
        let caller = permit.caller();
        let (account, has_password, short) = {
            let mut read = self.database.read().await?;
            let account = accounts::by_id(read.tx(), who.account).await?.ok_or(ServiceError::NotFound("account"))?;
            let has_password = accounts::password(read.tx(), who.account).await?.is_some();
            let short = self.may_be_short(read.tx(), &account).await?;
            (account, has_password, short)
        };
        // whoever signs in by passkey or provider alone has none to give
        if has_password {
            let tried = Tried::Password(&who.username);
            self.throttled(caller, tried).await?;
            if !self.is_password(caller, tried, who.account, current).await? {
                let entry = self.entry(Event::ReauthenticationFailed, caller)?.ended(Outcome::Denied);
                self.record(entry.about("sign_in_session", who.session)).await?;
                return Err(ServiceError::ReauthenticationFailed);
            }
            self.throttle.succeeded(tried, caller.network());
        }
        let password = self.new_password(&account, new, short).await?;
        let (secret, hash) = self.new_token()?;
        let now = self.now();
        let mut tx = self.database.begin().await?;
        accounts::set_password(tx.tx(), who.account, &password).await?;
        accounts::end_links(tx.tx(), who.account, now).await?;
        let mut ended = Vec::new();
        for session in sign_in_sessions::of_account(tx.tx(), who.account, now).await? {
            if session.id != who.session {
                sign_in_sessions::end(tx.tx(), session.id, now).await?;
                ended.push(session.id);
            }
        }
        let entry = self.entry(Event::PasswordChanged, caller)?.about("account", who.account).with("sessions_ended", ended.len());
        let tx = self.renewed(tx, who.session, &hash, who.assurance, &entry).await?;
        self.ceremonies.forget(who.account);
        self.tell_ended(&ended);
        self.commit(tx, entry).await?;
        Ok(secret)
    }

    /// Counts the password hashes computed since the start: what sign-ins cost, for the test that known and unknown accounts cost the same.
    pub fn password_work(&self) -> impl Fn() -> u64 + use<> {
        let passwords = self.passwords.clone();
        move || passwords.hashes_computed()
    }

    /// Checks and hashes a new password.
    pub(crate) async fn new_password(&self, account: &Account, password: Secret, short: bool) -> Result<AccountPassword, ServiceError> {
        let clinic = self.settings.clinic_name.clone();
        let context = [account.username.as_str(), account.display_name.as_str(), clinic.as_str()];
        judge(&password, short, &context)
            .map_err(|weakness| ServiceError::Validation(vec![FieldError { name: "password", message: weakness.message() }]))?;
        let alone = stands_alone(&password);
        let stored = self.passwords.hash(password, Arc::clone(&self.entropy)).await?;
        Ok(AccountPassword { stored, stands_alone: alone, changed_at: self.now() })
    }

    /// Whether an account's password may be short: it has a second factor, or cannot do anything before it has one.
    pub(crate) async fn may_be_short(&self, tx: &mut Tx, account: &Account) -> Result<bool, ServiceError> {
        Ok(self.has_factor(tx, account.id).await? || self.policy().bundle.sign_in().needs_second_factor(account.role))
    }

    /// Whether this is the account's password. Costs a hash also where there is none.
    pub(crate) async fn is_password(
        &self,
        caller: &Caller,
        tried: Tried<'_>,
        account: AccountId,
        password: Secret,
    ) -> Result<bool, ServiceError> {
        let stored = accounts::password(self.database.read().await?.tx(), account).await?.map(|p| p.stored);
        let password = if password.expose().len() <= LONGEST { password } else { Secret::new(String::new()) };
        Ok(self.verified(caller, tried, password, stored).await?.fits)
    }

    /// Looks at a password that was counted as tried; while the server is busy nothing is looked at, and nothing counts.
    pub(crate) async fn verified(
        &self,
        caller: &Caller,
        tried: Tried<'_>,
        password: Secret,
        stored: Option<StoredPassword>,
    ) -> Result<Checked, ServiceError> {
        let checked = self.passwords.verify(password, stored).await;
        if matches!(checked, Err(PasswordError::Busy)) {
            self.throttle.not_tried(tried, caller.network());
        }
        Ok(checked?)
    }

    /// Hashes a right password anew under today's cost and pepper.
    pub(crate) async fn rehash(&self, caller: &Caller, account: AccountId, password: Secret) -> Result<(), ServiceError> {
        let stored = self.passwords.hash(password, Arc::clone(&self.entropy)).await?;
        let mut tx = self.database.begin().await?;
        let Some(before) = accounts::password(tx.tx(), account).await? else { return Ok(()) };
        let pepper = stored.pepper;
        accounts::set_password(tx.tx(), account, &AccountPassword { stored, ..before }).await?;
        self.commit(tx, self.entry(Event::PasswordRehashed, caller)?.about("account", account).with("pepper", pepper)).await
    }
}

impl SignedIn {
    /// Whether more than one factor was shown.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.assurance == Assurance::Multiple
    }
}
