//! Second factors: adding and removing them, recovery codes, and checking what is shown.

use crate::crypto::envelope::{open_value, seal_value};
use crate::crypto::one_time_code::{app_address, app_secret_text, check_app_code, new_app_secret, new_recovery_code, qr_squares};
use crate::domain::access::{Actor, Assurance, Caller, ManageOwnSignIn, Permit};
use crate::domain::audit::{Event, Outcome};
use crate::domain::id::{AccountId, PasskeyId};
use crate::domain::patient::FieldError;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::identity::passkeys::{Discovering, PasskeyError, Passkeys, Showing};
use crate::services::Services;
use crate::services::ceremonies::Ceremony;
use crate::services::error::ServiceError;
use crate::services::sign_in::{Proof, SignedIn};
use crate::services::throttle::Tried;
use crate::storage::database::{Tx, WriteTx};
use crate::storage::second_factors::{self, StoredPasskey};
use crate::storage::{accounts, sign_in_sessions};
use serde_json::Value;

/// How many recovery codes are made at a time.
const RECOVERY_CODES: usize = 10;

/// Which second factors an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Factors {
    /// At least one passkey.
    pub passkey: bool,
    /// An authenticator app.
    pub app: bool,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
}

impl Factors {
    /// Whether it has any. Recovery codes alone are none.
    #[must_use]
    pub const fn any(self) -> bool {
        self.passkey || self.app
    }
}

/// A passkey as its owner sees it.
pub struct OwnPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Its owner's name for it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// Everything an account signs in with, as its owner sees it.
pub struct OwnFactors {
    /// When the password was set, if there is one.
    pub password_changed_at: Option<Timestamp>,
    /// Passkeys, oldest first.
    pub passkeys: Vec<OwnPasskey>,
    /// When the authenticator app was added, if there is one.
    pub app_added_at: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
    /// Whether the policies ask for a second factor.
    pub required: bool,
}

/// What is needed to set up an authenticator app.
pub struct NewApp {
    /// To type by hand.
    pub secret: Secret,
    /// To open on the same device.
    pub address: Secret,
    /// To scan: rows of dark and light squares.
    pub squares: Vec<String>,
}

impl Services {
    pub(crate) fn passkeys(&self) -> Result<&Passkeys, ServiceError> {
        self.passkeys.as_ref().ok_or(ServiceError::Conflict("This server is reached under an address for which browsers make no passkeys."))
    }

    /// Whether browsers make passkeys for this server.
    #[must_use]
    pub const fn has_passkeys(&self) -> bool {
        self.passkeys.is_some()
    }

    pub(crate) async fn factors(&self, account: AccountId) -> Result<Factors, ServiceError> {
        let mut read = self.database.read().await?;
        Ok(Factors {
            passkey: !second_factors::passkeys(read.tx(), account).await?.is_empty(),
            app: second_factors::app(read.tx(), account).await?.is_some(),
            recovery_codes: second_factors::recovery_codes_left(read.tx(), account).await?,
        })
    }

    /// Whether an account has a second factor now. Recovery codes alone are none.
    pub(crate) async fn has_factor(&self, tx: &mut Tx, account: AccountId) -> Result<bool, ServiceError> {
        Ok(!second_factors::passkeys(tx, account).await?.is_empty() || second_factors::app(tx, account).await?.is_some())
    }

    /// Everything the caller signs in with.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn own_factors(&self, who: &SignedIn) -> Result<OwnFactors, ServiceError> {
        let mut read = self.database.read().await?;
        let passkeys = second_factors::passkeys(read.tx(), who.account).await?.into_iter();
        Ok(OwnFactors {
            password_changed_at: accounts::password(read.tx(), who.account).await?.map(|p| p.changed_at),
            passkeys: passkeys
                .map(|key| OwnPasskey { id: key.id, name: key.name, created_at: key.created_at, last_used_at: key.last_used_at })
                .collect(),
            app_added_at: second_factors::app(read.tx(), who.account).await?.map(|app| app.created_at),
            recovery_codes: second_factors::recovery_codes_left(read.tx(), who.account).await?,
            required: self.policy().bundle.sign_in().needs_second_factor(who.role),
        })
    }

    /// Begins to add a passkey; gives what the browser needs.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] where there are no passkeys.
    pub async fn begin_passkey(&self, permit: &Permit<ManageOwnSignIn>, who: &SignedIn) -> Result<Value, ServiceError> {
        debug_assert_eq!(permit.account(), Some(who.account));
        let existing = second_factors::passkeys(self.database.read().await?.tx(), who.account).await?;
        let existing: Vec<String> = existing.into_iter().map(|key| key.credential).collect();
        let (options, state) = self.passkeys()?.add(who.account.as_uuid(), &who.username, &who.display_name, &existing)?;
        self.ceremonies.keep(&key_of(who, "passkey"), Ceremony::AddingPasskey(who.account, state), self.now());
        Ok(options)
    }

    /// Adds the passkey that the browser made. The first second factor of an account comes with recovery codes, and with a session of full
    /// assurance under a new token.
    ///
    /// # Errors
    /// [`ServiceError::SecondFactorFailed`] if it proves nothing.
    pub async fn finish_passkey(
        &self,
        permit: &Permit<ManageOwnSignIn>,
        who: &SignedIn,
        name: &str,
        answer: Value,
    ) -> Result<(Secret, Vec<Secret>), ServiceError> {
        let name = named(name)?;
        let Some(Ceremony::AddingPasskey(account, state)) = self.ceremonies.take(&key_of(who, "passkey"), self.now()) else {
            return Err(ServiceError::Conflict("It took too long. Begin again."));
        };
        let credential = self.passkeys()?.added(answer, &state)?;
        let id = PasskeyId::from_uuid(self.new_uuid()?);
        let first = !self.factors(account).await?.any();
        let mut tx = self.database.begin().await?;
        let key = StoredPasskey {
            id,
            account,
            credential_id: credential.id,
            name,
            credential: credential.credential,
            created_at: self.now(),
            last_used_at: None,
        };
        second_factors::insert_passkey(tx.tx(), &key).await?;
        let entry =
            self.entry(Event::FactorAdded, permit.caller())?.about("account", account).about("passkey", id).with("factor", "passkey");
        self.factor_added(tx, who, entry, first).await
    }

    /// Begins to add an authenticator app, in the place of an earlier one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn begin_app(&self, permit: &Permit<ManageOwnSignIn>, who: &SignedIn) -> Result<NewApp, ServiceError> {
        debug_assert_eq!(permit.account(), Some(who.account));
        let secret = new_app_secret(self.entropy.as_ref())?;
        let failed = || ServiceError::Internal("an authenticator app's address must have a picture".to_owned());
        let address = app_address(&secret, &self.settings.clinic_name, &who.username).map_err(|_| failed())?;
        let new = NewApp { secret: app_secret_text(&secret), squares: qr_squares(&address).ok_or_else(failed)?, address };
        self.ceremonies.keep(&key_of(who, "app"), Ceremony::AddingApp(who.account, secret), self.now());
        Ok(new)
    }

    /// Adds the authenticator app, once it has shown that it computes the right code.
    ///
    /// # Errors
    /// [`ServiceError::SecondFactorFailed`] for a wrong code; it may be tried again.
    pub async fn finish_app(
        &self,
        permit: &Permit<ManageOwnSignIn>,
        who: &SignedIn,
        code: &Secret,
    ) -> Result<(Secret, Vec<Secret>), ServiceError> {
        let now = self.now();
        let Some(Ceremony::AddingApp(account, secret)) = self.ceremonies.take(&key_of(who, "app"), now) else {
            return Err(ServiceError::Conflict("It took too long. Begin again."));
        };
        let Some(step) = check_app_code(&secret, code.expose(), now, 0).map_err(|e| ServiceError::Internal(e.to_string()))? else {
            self.ceremonies.keep(&key_of(who, "app"), Ceremony::AddingApp(account, secret), now);
            return Err(ServiceError::SecondFactorFailed);
        };
        let sealed = seal_value(&self.keys.staff_key()?, &secret, app_context(account).as_bytes(), self.entropy.as_ref())?;
        let first = !self.factors(account).await?.any();
        let mut tx = self.database.begin().await?;
        second_factors::set_app(tx.tx(), account, &sealed, step, now).await?;
        let entry = self.entry(Event::FactorAdded, permit.caller())?.about("account", account).with("factor", "authenticator_app");
        self.factor_added(tx, who, entry, first).await
    }

    /// Commits an added factor: the session gets a new token, and the account's first factor recovery codes.
    async fn factor_added(
        &self,
        mut tx: WriteTx,
        who: &SignedIn,
        entry: crate::domain::audit::Entry,
        first: bool,
    ) -> Result<(Secret, Vec<Secret>), ServiceError> {
        let (secret, hash) = self.new_token()?;
        let now = self.now();
        tx = self.renewed(tx, who.session, &hash, Assurance::Multiple, &entry).await?;
        let codes = if first { self.make_recovery_codes(&mut tx, who.account).await? } else { Vec::new() };
        let mut ended = Vec::new();
        if first {
            // whoever is signed in elsewhere showed a password alone: from now on that is not enough
            for session in sign_in_sessions::of_account(tx.tx(), who.account, now).await?.into_iter().filter(|s| s.id != who.session) {
                sign_in_sessions::end(tx.tx(), session.id, now).await?;
                ended.push(session.id);
            }
            self.ceremonies.forget(who.account);
            self.tell_ended(&ended);
        }
        self.commit(tx, entry.with("recovery_codes", codes.len()).with("sessions_ended", ended.len())).await?;
        Ok((secret, codes))
    }

    async fn make_recovery_codes(&self, tx: &mut WriteTx, account: AccountId) -> Result<Vec<Secret>, ServiceError> {
        let mut codes = Vec::new();
        let mut hashes = Vec::new();
        for _ in 0..RECOVERY_CODES {
            let code = new_recovery_code(self.entropy.as_ref())?;
            hashes.push(self.keys.code_hash(&account.to_string(), &code)?);
            codes.push(code);
        }
        second_factors::set_recovery_codes(tx.tx(), account, &hashes, self.now()).await?;
        Ok(codes)
    }

    /// Replaces the caller's recovery codes.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] without a second factor.
    pub async fn new_recovery_codes(&self, permit: &Permit<ManageOwnSignIn>, who: &SignedIn) -> Result<Vec<Secret>, ServiceError> {
        if !self.factors(who.account).await?.any() {
            return Err(ServiceError::Conflict("Set up a second factor first."));
        }
        let mut tx = self.database.begin().await?;
        let codes = self.make_recovery_codes(&mut tx, who.account).await?;
        self.commit(tx, self.entry(Event::RecoveryCodesMade, permit.caller())?.about("account", who.account)).await?;
        Ok(codes)
    }

    /// Removes a passkey, or without one the authenticator app. The last factor stays where the policies or a short password need one.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for one that is needed.
    pub async fn remove_factor(
        &self,
        permit: &Permit<ManageOwnSignIn>,
        who: &SignedIn,
        passkey: Option<PasskeyId>,
    ) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        let removed = match passkey {
            Some(id) => second_factors::forget_passkey(tx.tx(), id, who.account).await?,
            None => second_factors::forget_app(tx.tx(), who.account).await?,
        };
        if !removed {
            return Err(ServiceError::NotFound(if passkey.is_some() { "passkey" } else { "authenticator app" }));
        }
        if !self.has_factor(tx.tx(), who.account).await? {
            let alone = accounts::password(tx.tx(), who.account).await?.is_some_and(|password| password.stands_alone);
            if self.policy().bundle.sign_in().needs_second_factor(who.role) {
                return Err(ServiceError::Conflict("Your role must have a second factor. Add another one before you remove this one."));
            }
            if !alone {
                return Err(ServiceError::Conflict("Your password is too short to protect the account alone. Choose a longer one first."));
            }
            second_factors::set_recovery_codes(tx.tx(), who.account, &[], self.now()).await?;
        }
        let mut entry = self.entry(Event::FactorRemoved, permit.caller())?.about("account", who.account);
        entry = match passkey {
            Some(id) => entry.about("passkey", id).with("factor", "passkey"),
            None => entry.with("factor", "authenticator_app"),
        };
        self.commit(tx, entry).await
    }

    pub(crate) async fn ask_passkeys_of(&self, account: AccountId) -> Result<(Value, Showing), ServiceError> {
        let keys = second_factors::passkeys(self.database.read().await?.tx(), account).await?;
        if keys.is_empty() {
            return Err(ServiceError::NotFound("passkey"));
        }
        Ok(self.passkeys()?.ask(&keys.into_iter().map(|key| key.credential).collect::<Vec<_>>())?)
    }

    /// Checks what is shown as a second factor, and uses it up.
    pub(crate) async fn check_proof(
        &self,
        caller: &Caller,
        account: AccountId,
        proof: Proof,
        showing: Option<Showing>,
    ) -> Result<(), ServiceError> {
        let now = self.now();
        let (factor, right) = match proof {
            Proof::App(code) => {
                self.throttled(caller, Tried::Code(account)).await?;
                let mut tx = self.database.begin().await?;
                let right = match second_factors::app(tx.tx(), account).await? {
                    None => false,
                    Some(app) => {
                        let secret = open_value(&self.keys.staff_key()?, &app.sealed_secret, app_context(account).as_bytes())?;
                        let step = check_app_code(&secret, code.expose(), now, app.last_step);
                        match step.map_err(|e| ServiceError::Internal(e.to_string()))? {
                            Some(step) => second_factors::app_used(tx.tx(), account, step, now).await?,
                            None => false,
                        }
                    }
                };
                if right {
                    self.throttle.succeeded(Tried::Code(account), caller.network());
                    // the step is used up before anyone is let in, so that of two at once only one is
                    self.commit(
                        tx,
                        self.entry(Event::SignInHalfWay, caller)?.about("account", account).with("factor", "authenticator_app"),
                    )
                    .await?;
                }
                ("authenticator_app", right)
            }
            Proof::Recovery(code) => {
                self.throttled(caller, Tried::Code(account)).await?;
                let hash = self.keys.code_hash(&account.to_string(), &code)?;
                let mut tx = self.database.begin().await?;
                let right = second_factors::use_recovery_code(tx.tx(), account, &hash, now).await?;
                if right {
                    self.throttle.succeeded(Tried::Code(account), caller.network());
                    let left = second_factors::recovery_codes_left(tx.tx(), account).await?;
                    self.commit(tx, self.entry(Event::RecoveryCodeUsed, caller)?.about("account", account).with("left", left)).await?;
                }
                ("recovery_code", right)
            }
            Proof::Passkey(answer) => {
                let shown = match showing {
                    Some(state) => self.passkeys()?.shown(answer, &state).ok(),
                    None => None,
                };
                let owner = match &shown {
                    Some(credential) => self.passkey_used(caller, &credential.id, &credential.credential).await?,
                    None => None,
                };
                ("passkey", owner == Some(account))
            }
        };
        if right {
            return Ok(());
        }
        let entry = self.entry(Event::SecondFactorFailed, caller)?.ended(Outcome::Denied).about("account", account).with("factor", factor);
        self.record(entry).await?;
        Err(ServiceError::SecondFactorFailed)
    }

    async fn passkey_used(&self, caller: &Caller, id: &str, credential: &str) -> Result<Option<AccountId>, ServiceError> {
        let mut tx = self.database.begin().await?;
        let Some(key) = second_factors::passkey_by_credential(tx.tx(), id).await? else { return Ok(None) };
        second_factors::passkey_used(tx.tx(), key.id, credential, self.now()).await?;
        let entry = self.entry(Event::SignInHalfWay, caller)?.about("account", key.account).about("passkey", key.id);
        self.commit(tx, entry.with("factor", "passkey")).await?;
        Ok(Some(key.account))
    }

    /// The account whose passkey was shown, if the answer proves one.
    pub(crate) async fn discovered_passkey(
        &self,
        caller: &Caller,
        answer: Value,
        state: Discovering,
    ) -> Result<Option<AccountId>, ServiceError> {
        let passkeys = self.passkeys()?;
        let Ok((account, id)) = passkeys.claimed(&answer) else { return Ok(None) };
        let key = second_factors::passkey_by_credential(self.database.read().await?.tx(), &id).await?;
        let Some(key) = key.filter(|key| key.account.as_uuid() == account) else { return Ok(None) };
        match passkeys.discovered(answer, state, &key.credential) {
            Ok(credential) => self.passkey_used(caller, &credential.id, &credential.credential).await,
            Err(_) => Ok(None),
        }
    }

    /// Asks the browser of someone signed in for one of their passkeys, to prove again who they are.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] without a passkey.
    pub async fn ask_own_passkey(&self, who: &SignedIn) -> Result<Value, ServiceError> {
        let (options, showing) = self.ask_passkeys_of(who.account).await?;
        self.ceremonies.keep(&key_of(who, "prove"), Ceremony::Proving(who.account, showing), self.now());
        Ok(options)
    }

    /// Someone signed in proves again who they are, with their password or a second factor; the session gets a new token.
    ///
    /// # Errors
    /// [`ServiceError::SecondFactorFailed`] or [`ServiceError::SignInFailed`], audited; [`ServiceError::Throttled`].
    pub async fn reauthenticate(
        &self,
        caller: &Caller,
        who: &SignedIn,
        password: Option<Secret>,
        passkey: Option<Value>,
    ) -> Result<Secret, ServiceError> {
        debug_assert!(matches!(caller.actor, Actor::Account { id, .. } if id == who.account));
        let shown = match (password, passkey) {
            (Some(password), None) => {
                let tried = Tried::Password(&who.username);
                self.throttled(caller, tried).await?;
                let right = self.is_password(caller, tried, who.account, password).await?;
                if right {
                    self.throttle.succeeded(tried, caller.network());
                }
                right
            }
            (None, Some(answer)) => match self.ceremonies.take(&key_of(who, "prove"), self.now()) {
                Some(Ceremony::Proving(account, showing)) if account == who.account => {
                    match self.check_proof(caller, account, Proof::Passkey(answer), Some(showing)).await {
                        Ok(()) => true,
                        Err(ServiceError::SecondFactorFailed) => false,
                        Err(other) => return Err(other),
                    }
                }
                _ => return Err(ServiceError::Conflict("It took too long. Begin again.")),
            },
            _ => {
                return Err(ServiceError::Validation(vec![FieldError {
                    name: "password",
                    message: "give either the password or a passkey's answer",
                }]));
            }
        };
        if !shown {
            let entry = self.entry(Event::ReauthenticationFailed, caller)?.ended(Outcome::Denied).about("sign_in_session", who.session);
            self.record(entry).await?;
            return Err(ServiceError::ReauthenticationFailed);
        }
        self.proved(caller, who, "local").await
    }

    /// Notes that someone signed in proved again who they are, and gives their session a new token.
    pub(crate) async fn proved(&self, caller: &Caller, who: &SignedIn, by: &str) -> Result<Secret, ServiceError> {
        let (secret, hash) = self.new_token()?;
        let entry = self.entry(Event::Reauthenticated, caller)?.about("sign_in_session", who.session).with("by", by);
        let tx = self.renewed(self.database.begin().await?, who.session, &hash, who.assurance, &entry).await?;
        self.commit(tx, entry).await?;
        Ok(secret)
    }
}

impl From<PasskeyError> for ServiceError {
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Domain(_) => Self::Conflict("This server is reached under an address for which browsers make no passkeys."),
            refused => {
                tracing::info!(%refused, "a passkey was not accepted");
                Self::SecondFactorFailed
            }
        }
    }
}

fn named(name: &str) -> Result<String, ServiceError> {
    let name = name.trim();
    if (1..=60).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(ServiceError::Validation(vec![FieldError { name: "name", message: "must be 1 to 60 characters" }]))
}

fn key_of(who: &SignedIn, what: &str) -> String {
    format!("{}/{what}", who.session)
}

fn app_context(account: AccountId) -> String {
    format!("bedside/authenticator-app/{account}")
}
