//! Staff accounts: making, changing and suspending them, and the links with which their owners set a password.

use crate::crypto::token;
use crate::domain::access::{
    AccountRole, Caller, CreateAccount, ManageAccount, Operation, Permit, ReadAccess, ReadAccounts, Resource, SuspendAccount,
};
use crate::domain::audit::{Entry, Event, Outcome};
use crate::domain::id::{AccountId, AccountLinkId, SignInSessionId};
use crate::domain::participant::Place;
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::identity::password_rules::{SHORTEST_ALONE, SHORTEST_WITH_FACTOR};
use crate::services::Services;
use crate::services::error::{LinkRefusal, ServiceError};
use crate::services::events::Happened;
use crate::services::recorded::Recorded;
use crate::services::second_factors::Factors;
use crate::services::throttle::Tried;
use crate::storage::accounts::{self, Account, AccountLink};
use crate::storage::database::{Tx, WriteTx};
use crate::storage::{participants, second_factors, sign_in_sessions};
use std::collections::HashMap;
use std::time::Duration;

/// A link to set a password works this long.
const LINK_VALID_FOR: Duration = Duration::from_hours(72);

/// An account with how it signs in.
pub struct Overview {
    /// The account.
    pub account: Account,
    /// Whether it has a password.
    pub password: bool,
    /// Its second factors.
    pub factors: Factors,
    /// Whether it signs in through an identity provider.
    pub provider: bool,
}

/// What a link to set a password opens.
pub struct LinkPreview {
    /// The name to sign in with.
    pub username: String,
    /// The name others see.
    pub display_name: String,
    /// The least length of the password.
    pub least: usize,
}

impl Services {
    /// Every account, by username.
    ///
    /// # Errors
    /// If it cannot be read or the read not audited.
    pub async fn accounts(&self, permit: &Permit<ReadAccounts>) -> Result<Recorded<Vec<Overview>>, ServiceError> {
        let all = self.overviews().await?;
        self.recorded(self.entry(Event::AccountsListed, permit.caller())?.with("count", all.len()), all).await
    }

    /// Every account with what it may do: the access review.
    ///
    /// # Errors
    /// As [`Services::accounts`].
    pub async fn access_review(
        &self,
        permit: &Permit<ReadAccess>,
    ) -> Result<Recorded<Vec<(Overview, Vec<(&'static str, &'static str)>)>>, ServiceError> {
        let all = self.overviews().await?;
        let bundle = self.policy().bundle;
        let entry = self.entry(Event::AccessReviewed, permit.caller())?.with("count", all.len());
        let reach: HashMap<AccountRole, Vec<_>> = AccountRole::ALL.into_iter().map(|role| (role, bundle.access().reach_of(role))).collect();
        let reviewed: Vec<_> = all
            .into_iter()
            .map(|one| {
                let may = if one.account.active { reach.get(&one.account.role).cloned().unwrap_or_default() } else { Vec::new() };
                (one, may)
            })
            .collect();
        self.recorded(entry, reviewed).await
    }

    async fn overviews(&self) -> Result<Vec<Overview>, ServiceError> {
        let mut read = self.database.read().await?;
        let mut all = Vec::new();
        for account in accounts::all(read.tx()).await? {
            let password = accounts::password(read.tx(), account.id).await?.is_some();
            let factors = Factors {
                passkey: !second_factors::passkeys(read.tx(), account.id).await?.is_empty(),
                app: second_factors::app(read.tx(), account.id).await?.is_some(),
                recovery_codes: second_factors::recovery_codes_left(read.tx(), account.id).await?,
            };
            let provider = !accounts::provider_identities(read.tx(), account.id).await?.is_empty();
            all.push(Overview { account, password, factors, provider });
        }
        Ok(all)
    }

    /// Asks for a permit on one account.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Denied`], audited; [`ServiceError::Reauthenticate`].
    pub async fn permit_account<O: Operation>(&self, caller: &Caller, id: AccountId) -> Result<(Permit<O>, Account), ServiceError> {
        let account = accounts::by_id(self.database.read().await?.tx(), id).await?;
        let permit = self.permit_on(caller, Resource::Account(id)).await?;
        Ok((permit, account.ok_or(ServiceError::NotFound("account"))?))
    }

    /// Makes an account without a password; gives the link with which its owner sets one.
    ///
    /// # Errors
    /// [`ServiceError::Validation`]; [`ServiceError::Conflict`] if the username is taken.
    pub async fn create_account(
        &self,
        permit: &Permit<CreateAccount>,
        username: &str,
        display_name: &str,
        role: AccountRole,
    ) -> Result<(Account, Secret, Timestamp), ServiceError> {
        let username = valid_username(username)?;
        let display_name = valid_name(display_name)?;
        let mut tx = self.database.begin().await?;
        if accounts::by_username(tx.tx(), &username).await?.is_some() {
            return Err(ServiceError::Conflict("There is an account of this user name already."));
        }
        let account = self.new_account(username, display_name, role)?;
        accounts::insert(tx.tx(), &account).await?;
        let (link, secret) = self.new_link(&mut tx, account.id).await?;
        let created = self.entry(Event::AccountCreated, permit.caller())?.about("account", account.id).with("role", role.as_str());
        let issued = self.entry(Event::AccountLinkIssued, permit.caller())?.about("account", account.id).about("account_link", link.id);
        self.commit_all(tx, &[created, issued]).await?;
        Ok((account, secret, link.expires_at))
    }

    /// Changes an account's name or role. A new role ends its sign-in sessions.
    ///
    /// # Errors
    /// [`ServiceError::Validation`]; [`ServiceError::Conflict`] if nobody would be left to administer.
    pub async fn change_account(
        &self,
        permit: &Permit<ManageAccount>,
        before: &Account,
        display_name: &str,
        role: AccountRole,
    ) -> Result<Account, ServiceError> {
        let display_name = valid_name(display_name)?;
        let mut tx = self.database.begin().await?;
        let mut entries = Vec::new();
        if display_name != before.display_name {
            accounts::set_name(tx.tx(), before.id, &display_name).await?;
            entries.push(self.entry(Event::AccountChanged, permit.caller())?.about("account", before.id));
        }
        if role != before.role {
            entries.push(self.give_role(&mut tx, before, role, self.entry(Event::AccountRoleChanged, permit.caller())?).await?);
        }
        if !entries.is_empty() {
            self.commit_all(tx, &entries).await?;
        }
        Ok(Account { display_name, role, ..before.clone() })
    }

    /// Gives an account a role within a transaction: its sessions end, with sockets and media. Gives the entry that must be committed.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if nobody would be left to administer.
    pub(crate) async fn give_role(
        &self,
        tx: &mut WriteTx,
        before: &Account,
        role: AccountRole,
        entry: Entry,
    ) -> Result<Entry, ServiceError> {
        accounts::set_role(tx.tx(), before.id, role).await?;
        self.keep_an_administrator(tx.tx()).await?;
        let ended = self.end_sessions(tx, before.id).await?;
        self.leave_calls(tx, before.id, &ended).await?;
        let entry = entry.about("account", before.id).with("from", before.role.as_str()).with("to", role.as_str());
        Ok(entry.with("sessions_ended", ended.len()))
    }

    /// Suspends an account: its sessions, sockets and media end at once.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if nobody would be left to administer.
    pub async fn suspend_account(&self, permit: &Permit<SuspendAccount>, before: &Account) -> Result<Account, ServiceError> {
        if !before.active {
            return Ok(before.clone());
        }
        self.suspend(before.id, Vec::new(), self.entry(Event::AccountSuspended, permit.caller())?).await?;
        Ok(Account { active: false, ..before.clone() })
    }

    /// Suspends, with what led to it in the same transaction.
    pub(crate) async fn suspend(&self, id: AccountId, mut because: Vec<Entry>, entry: Entry) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        accounts::set_active(tx.tx(), id, false).await?;
        self.keep_an_administrator(tx.tx()).await?;
        accounts::end_links(tx.tx(), id, self.now()).await?;
        let ended = self.end_sessions(&mut tx, id).await?;
        // protective: they are out before the log has it
        self.leave_calls(&mut tx, id, &ended).await?;
        because.push(entry.about("account", id).with("sessions_ended", ended.len()));
        self.commit_all(tx, &because).await
    }

    /// Lets a suspended account act again.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn restore_account(&self, permit: &Permit<ManageAccount>, before: &Account) -> Result<Account, ServiceError> {
        let mut tx = self.database.begin().await?;
        accounts::set_active(tx.tx(), before.id, true).await?;
        self.commit(tx, self.entry(Event::AccountRestored, permit.caller())?.about("account", before.id)).await?;
        Ok(Account { active: true, ..before.clone() })
    }

    /// Takes an account's password away, ends its sessions, and gives the link with which its owner sets a new one.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn reset_password(&self, permit: &Permit<ManageAccount>, account: &Account) -> Result<(Secret, Timestamp), ServiceError> {
        let mut tx = self.database.begin().await?;
        accounts::forget_password(tx.tx(), account.id).await?;
        let ended = self.end_sessions(&mut tx, account.id).await?;
        let (link, secret) = self.new_link(&mut tx, account.id).await?;
        let entry = self.entry(Event::AccountLinkIssued, permit.caller())?.about("account", account.id).about("account_link", link.id);
        self.leave_calls(&mut tx, account.id, &ended).await?;
        self.commit(tx, entry.with("sessions_ended", ended.len())).await?;
        Ok((secret, link.expires_at))
    }

    /// Removes an account's second factors and ends its sessions, for someone who lost them.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn reset_factors(&self, permit: &Permit<ManageAccount>, account: &Account) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        second_factors::forget_all(tx.tx(), account.id).await?;
        let ended = self.end_sessions(&mut tx, account.id).await?;
        let entry = self.entry(Event::FactorsReset, permit.caller())?.about("account", account.id).with("sessions_ended", ended.len());
        self.leave_calls(&mut tx, account.id, &ended).await?;
        self.commit(tx, entry).await
    }

    /// Tells what a link opens, and changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::AccountLink`].
    pub async fn preview_link(&self, id: AccountLinkId, secret: &Secret) -> Result<LinkPreview, ServiceError> {
        let mut read = self.database.read().await?;
        let (_, account) = self.open_link(read.tx(), id, secret).await?;
        let least = if self.may_be_short(read.tx(), &account).await? { SHORTEST_WITH_FACTOR } else { SHORTEST_ALONE };
        Ok(LinkPreview { username: account.username, display_name: account.display_name, least })
    }

    /// Sets the password of a link's account, once.
    ///
    /// # Errors
    /// [`ServiceError::AccountLink`], audited; [`ServiceError::Validation`] for a password that may not be.
    pub async fn use_link(&self, caller: &Caller, id: AccountLinkId, secret: &Secret, password: Secret) -> Result<(), ServiceError> {
        let opened = {
            let mut read = self.database.read().await?;
            match self.open_link(read.tx(), id, secret).await {
                Ok((_, account)) => Ok((self.may_be_short(read.tx(), &account).await?, account)),
                Err(refused) => Err(refused),
            }
        };
        let (short, account) = match opened {
            Ok(opened) => opened,
            Err(refused) => {
                if !matches!(refused, ServiceError::AccountLink(_)) {
                    return Err(refused);
                }
                self.throttled(caller, Tried::AccountLink(&id.to_string())).await?;
                self.record(self.entry(Event::AccountLinkRefused, caller)?.ended(Outcome::Denied).about("account_link", id)).await?;
                return Err(refused);
            }
        };
        let password = self.new_password(&account, password, short).await?;
        let now = self.now();
        let mut tx = self.database.begin().await?;
        if !accounts::use_link(tx.tx(), id, now).await? {
            self.refuse(tx, self.entry(Event::AccountLinkRefused, caller)?.ended(Outcome::Denied).about("account_link", id)).await?;
            return Err(ServiceError::AccountLink(LinkRefusal::Used));
        }
        accounts::set_password(tx.tx(), account.id, &password).await?;
        let ended = self.end_sessions(&mut tx, account.id).await?;
        self.tell_ended(&ended);
        let used = self.entry(Event::AccountLinkUsed, caller)?.about("account", account.id).about("account_link", id);
        let changed = self.entry(Event::PasswordChanged, caller)?.about("account", account.id);
        self.commit_all(tx, &[used, changed]).await
    }

    async fn open_link(&self, tx: &mut Tx, id: AccountLinkId, secret: &Secret) -> Result<(AccountLink, Account), ServiceError> {
        let unknown = || ServiceError::AccountLink(LinkRefusal::Unknown);
        let hash = token::hash(secret).ok_or_else(unknown)?;
        let link = accounts::link(tx, id).await?.filter(|link| link.secret_hash == hash.as_str()).ok_or_else(unknown)?;
        if link.used_at.is_some() {
            return Err(ServiceError::AccountLink(LinkRefusal::Used));
        }
        if self.now() >= link.expires_at {
            return Err(ServiceError::AccountLink(LinkRefusal::Expired));
        }
        let account = accounts::by_id(tx, link.account).await?.filter(|a| a.active).ok_or_else(unknown)?;
        Ok((link, account))
    }

    async fn new_link(&self, tx: &mut WriteTx, account: AccountId) -> Result<(AccountLink, Secret), ServiceError> {
        let (secret, hash) = self.new_token()?;
        let id = AccountLinkId::from_uuid(self.new_uuid()?);
        let now = self.now();
        let expires_at = now.plus(LINK_VALID_FOR);
        let link = AccountLink { id, account, secret_hash: hash.as_str().to_owned(), created_at: now, expires_at, used_at: None };
        accounts::insert_link(tx.tx(), &link).await?;
        Ok((link, Secret::new(format!("{}/set-password/{id}#{}", self.settings.public_origin, secret.expose()))))
    }

    pub(crate) async fn end_sessions(&self, tx: &mut WriteTx, account: AccountId) -> Result<Vec<SignInSessionId>, ServiceError> {
        let now = self.now();
        let mut ended = Vec::new();
        for session in sign_in_sessions::of_account(tx.tx(), account, now).await? {
            sign_in_sessions::end(tx.tx(), session.id, now).await?;
            ended.push(session.id);
        }
        self.ceremonies.forget(account);
        Ok(ended)
    }

    /// Takes someone out of the calls they are in, and closes the connections of these sessions.
    async fn leave_calls(&self, tx: &mut WriteTx, account: AccountId, ended: &[SignInSessionId]) -> Result<(), ServiceError> {
        for participant in participants::in_calls(tx.tx(), account).await? {
            participants::set_place(tx.tx(), participant.id, Place::Left, self.now()).await?;
            self.events.publish(participant.consultation, Happened::Removed(participant.id));
        }
        self.tell_ended(ended);
        Ok(())
    }

    async fn keep_an_administrator(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        let left = accounts::all(tx).await?.into_iter().any(|a| a.active && a.role == AccountRole::Administrator);
        if left { Ok(()) } else { Err(ServiceError::Conflict("Nobody would be left who can administer this server.")) }
    }

    pub(crate) fn new_account(&self, username: String, display_name: String, role: AccountRole) -> Result<Account, ServiceError> {
        let id = AccountId::from_uuid(self.new_uuid()?);
        Ok(Account { id, username, display_name, role, active: true, created_at: self.now(), last_sign_in_at: None })
    }

    /// Makes an account if the username is free; gives it its password otherwise too. For the operator at the machine and the demo.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a username or password that cannot be.
    pub async fn ensure_account(
        &self,
        username: &str,
        display_name: &str,
        role: AccountRole,
        password: Secret,
    ) -> Result<AccountId, ServiceError> {
        let username = valid_username(username)?;
        let (existing, stored) = {
            let mut read = self.database.read().await?;
            let existing = accounts::by_username(read.tx(), &username).await?;
            let stored = match &existing {
                Some(account) => accounts::password(read.tx(), account.id).await?,
                None => None,
            };
            (existing, stored)
        };
        if let (Some(account), Some(stored)) = (&existing, stored)
            && self.passwords.verify(password.clone(), Some(stored.stored)).await?.fits
        {
            return Ok(account.id);
        }
        let mut entries: Vec<Entry> = Vec::new();
        let account = if let Some(account) = &existing {
            account.clone()
        } else {
            let account = self.new_account(username, valid_name(display_name)?, role)?;
            let entry = self.entry(Event::AccountCreated, &Caller::system())?.about("account", account.id);
            entries.push(entry.with("role", role.as_str()));
            account
        };
        let password = self.new_password(&account, password, false).await?;
        entries.push(self.entry(Event::PasswordChanged, &Caller::system())?.about("account", account.id));
        let mut tx = self.database.begin().await?;
        if existing.is_none() {
            accounts::insert(tx.tx(), &account).await?;
        }
        accounts::set_password(tx.tx(), account.id, &password).await?;
        self.commit_all(tx, &entries).await?;
        Ok(account.id)
    }

    /// The account of a username, for the operator at the machine.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn account_named(&self, username: &str) -> Result<Account, ServiceError> {
        let found = accounts::by_username(self.database.read().await?.tx(), &username.trim().to_lowercase()).await?;
        found.ok_or(ServiceError::NotFound("account"))
    }
}

fn valid_username(username: &str) -> Result<String, ServiceError> {
    let username = username.trim().to_lowercase();
    if (2..=64).contains(&username.len()) && username.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) {
        return Ok(username);
    }
    Err(ServiceError::Validation(vec![FieldError { name: "username", message: "must be 2 to 64 letters, digits, dots, dashes or @" }]))
}

fn valid_name(name: &str) -> Result<String, ServiceError> {
    let name = name.trim();
    if crate::domain::participant::is_valid_name(name) {
        return Ok(name.to_owned());
    }
    Err(ServiceError::Validation(vec![FieldError { name: "display_name", message: "must be 1 to 80 characters" }]))
}
