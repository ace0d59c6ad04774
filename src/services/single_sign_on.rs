//! Single sign-on: sending a browser to an identity provider, taking in whom it vouches for, and obeying it when it signs someone out.

use crate::domain::access::{Assurance, Caller};
use crate::domain::audit::{Event, Outcome};
use crate::domain::secret::Secret;
use crate::identity::provider::{Provider, ProviderError, Returned, Vouched};
use crate::services::Services;
use crate::services::ceremonies::{Ceremony, Visiting};
use crate::services::error::ServiceError;
use crate::services::sign_in::{SignedIn, Step};
use crate::services::throttle::Tried;
use crate::storage::accounts::{self, Account, ProviderIdentity};
use crate::storage::sign_in_sessions::{self, ProviderOrigin};
use subtle::ConstantTimeEq;

/// A provider as the sign-in page shows it.
pub struct ProviderButton {
    /// Its id, part of addresses.
    pub id: String,
    /// What the button says.
    pub name: String,
}

/// Where a browser that comes back goes on.
pub enum Arrived {
    /// Signed in, or half-way.
    SignIn(Step),
    /// It proved again who it is: the session's new secret.
    Proved(Secret),
}

impl Services {
    /// Every provider, in the operator's order.
    #[must_use]
    pub fn provider_buttons(&self) -> Vec<ProviderButton> {
        self.providers.iter().map(|p| ProviderButton { id: p.config.id.clone(), name: p.config.name.clone() }).collect()
    }

    fn provider(&self, id: &str) -> Result<&Provider, ServiceError> {
        self.providers.iter().find(|p| p.config.id == id).ok_or(ServiceError::NotFound("identity provider"))
    }

    /// Sends a browser to a provider: gives the address, and the secret that the browser must bring back. With `proving`, someone signed in
    /// is to show there again who they are.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::ProviderUnavailable`].
    pub async fn visit_provider(&self, id: &str, proving: Option<&SignedIn>, back: &str) -> Result<(String, Secret), ServiceError> {
        let (address, visit) = self.provider(id)?.visit(proving.is_some(), self.now()).await?;
        let (secret, hash) = self.new_token()?;
        let visiting = Visiting {
            provider: id.to_owned(),
            visit,
            proving: proving.map(|who| (who.session, who.account, who.assurance)),
            back: if is_own_page(back) { back.to_owned() } else { "/".to_owned() },
        };
        self.ceremonies.keep(hash.as_str(), Ceremony::Visiting(Box::new(visiting)), self.now());
        Ok((address, secret))
    }

    /// The provider through which someone signed in, if it was one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn provider_of(&self, who: &SignedIn) -> Result<Option<String>, ServiceError> {
        let sessions = sign_in_sessions::of_account(self.database.read().await?.tx(), who.account, self.now()).await?;
        let issuer = sessions.into_iter().find(|s| s.id == who.session).and_then(|s| s.origin.provider).map(|p| p.issuer);
        Ok(issuer.and_then(|issuer| self.providers.iter().find(|p| p.config.issuer == issuer).map(|p| p.config.id.clone())))
    }

    /// Takes a browser in that comes back from a provider. Gives the page to go on to as well.
    ///
    /// # Errors
    /// [`ServiceError::Provider`], audited with a code that says what was wrong.
    pub async fn returned(&self, caller: &Caller, secret: Option<&Secret>, back: Returned) -> Result<(Arrived, String), ServiceError> {
        let hash = secret.and_then(crate::crypto::token::hash);
        let visiting = match hash.and_then(|hash| self.ceremonies.take(hash.as_str(), self.now())) {
            Some(Ceremony::Visiting(visiting)) => *visiting,
            _ => return self.not_vouched(caller, None, "no_visit").await,
        };
        let state = back.state.clone().unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(visiting.visit.state.expose().as_bytes())) {
            return self.not_vouched(caller, Some(&visiting.provider), "state").await;
        }
        let provider = self.provider(&visiting.provider)?;
        let vouched = match provider.returned(back, visiting.visit, self.now()).await {
            Ok(vouched) => vouched,
            Err(ProviderError::Refused(code)) => return self.not_vouched(caller, Some(&visiting.provider), code).await,
            Err(other) => return Err(other.into()),
        };
        let origin = ProviderOrigin { issuer: vouched.issuer.clone(), subject: vouched.subject.clone(), session: vouched.session.clone() };
        if let Some((session, account, assurance)) = visiting.proving {
            let known = accounts::provider_identity(self.database.read().await?.tx(), &vouched.issuer, &vouched.subject).await?;
            if known.is_none_or(|known| known.account != account) {
                return self.not_vouched(caller, Some(&visiting.provider), "someone_else").await;
            }
            let (secret, token) = self.new_token()?;
            let entry = self.entry(Event::Reauthenticated, caller)?.about("sign_in_session", session).about("account", account);
            let tx = self.renewed(self.database.begin().await?, session, &token, assurance, &entry).await?;
            self.commit(tx, entry.with("by", "provider").with("provider", provider.config.id.as_str())).await?;
            return Ok((Arrived::Proved(secret), visiting.back));
        }
        let Some(role) = self.policy().bundle.sign_in().role_of(&provider.config.id, &vouched.claims) else {
            self.no_role_any_more(caller, &provider.config.id, &vouched).await?;
            return Err(ServiceError::ProviderNoRole);
        };
        let account = self.vouched_account(caller, provider, &vouched, role).await?;
        if !account.active {
            return self.not_vouched(caller, Some(&provider.config.id), "suspended").await;
        }
        let step = if vouched.strong {
            let (secret, signed_in) = self.begin_session(caller, &account, "provider", Assurance::Multiple, Some(origin)).await?;
            Step::Done(secret, Box::new(signed_in))
        } else {
            self.first_factor_shown(caller, &account, "provider", Some(origin)).await?
        };
        Ok((Arrived::SignIn(step), visiting.back))
    }

    /// A provider vouches for someone without a role here. Whoever had one through it is out at once, however they signed in; an
    /// administrator may restore the account, for a role given here.
    async fn no_role_any_more(&self, caller: &Caller, provider: &str, vouched: &Vouched) -> Result<(), ServiceError> {
        let known = {
            let mut read = self.database.read().await?;
            match accounts::provider_identity(read.tx(), &vouched.issuer, &vouched.subject).await? {
                Some(known) => accounts::by_id(read.tx(), known.account).await?.filter(|account| account.active),
                None => None,
            }
        };
        let Some(known) = known else { return self.refuse_provider(caller, Some(provider), "no_role").await };
        let refusal = self.entry(Event::ProviderRefused, caller)?.ended(Outcome::Denied).about("account", known.id);
        let refusal = refusal.with("reason", "no_role").with("provider", provider);
        match self.suspend(known.id, vec![refusal], self.entry(Event::AccountSuspended, caller)?).await {
            // the last one who can administer this server is refused and not suspended
            Err(ServiceError::Conflict(_)) => self.refuse_provider(caller, Some(provider), "no_role").await,
            done => done,
        }
    }

    async fn not_vouched<T>(&self, caller: &Caller, provider: Option<&str>, code: &'static str) -> Result<T, ServiceError> {
        self.refuse_provider(caller, provider, code).await?;
        Err(ServiceError::Provider(code))
    }

    /// Writes a refusal down; beyond a number of them from one network it only refuses, so that nobody can fill the log from there.
    async fn refuse_provider(&self, caller: &Caller, provider: Option<&str>, code: &'static str) -> Result<(), ServiceError> {
        self.throttled(caller, Tried::Provider).await?;
        let entry = self.entry(Event::ProviderRefused, caller)?.ended(Outcome::Denied).with("reason", code);
        self.record(entry.with("provider", provider.map(ToOwned::to_owned))).await
    }

    /// The account of whom a provider vouches for; made now where the operator allows that. Its role follows the provider's word.
    async fn vouched_account(
        &self,
        caller: &Caller,
        provider: &Provider,
        vouched: &Vouched,
        role: crate::domain::access::AccountRole,
    ) -> Result<Account, ServiceError> {
        let mut tx = self.database.begin().await?;
        if let Some(known) = accounts::provider_identity(tx.tx(), &vouched.issuer, &vouched.subject).await? {
            let before = accounts::by_id(tx.tx(), known.account).await?.ok_or(ServiceError::NotFound("account"))?;
            if before.role == role {
                return Ok(before);
            }
            let entry = self.give_role(&mut tx, &before, role, self.entry(Event::AccountRoleChanged, caller)?).await?;
            self.commit(tx, entry.with("provider", provider.config.id.as_str())).await?;
            return Ok(Account { role, ..before });
        }
        if !provider.config.just_in_time {
            drop(tx);
            return self.not_vouched(caller, Some(&provider.config.id), "no_account").await;
        }
        // never an account that exists: a name at a provider is no proof of being its owner
        let wanted = plain_username(vouched.username.as_deref().unwrap_or("user"));
        let mut username = wanted.clone();
        let mut count = 1;
        while accounts::by_username(tx.tx(), &username).await?.is_some() {
            count += 1;
            username = format!(
                "{}.{}{}",
                wanted.chars().take(28).collect::<String>(),
                provider.config.id,
                if count > 2 { format!(".{count}") } else { String::new() }
            );
        }
        let name =
            vouched.name.clone().unwrap_or_else(|| username.clone()).chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        let account = self.new_account(username, name.trim().to_owned(), role)?;
        accounts::insert(tx.tx(), &account).await?;
        let identity = ProviderIdentity {
            issuer: vouched.issuer.clone(),
            subject: vouched.subject.clone(),
            account: account.id,
            created_at: account.created_at,
        };
        accounts::insert_provider_identity(tx.tx(), &identity).await?;
        let created = self.entry(Event::AccountCreated, caller)?.about("account", account.id).with("role", role.as_str());
        let linked = self.entry(Event::ProviderLinked, caller)?.about("account", account.id).with("provider", provider.config.id.as_str());
        self.commit_all(tx, &[created.with("provider", provider.config.id.as_str()), linked]).await?;
        Ok(account)
    }

    /// Where a browser goes to be signed out at the provider as well.
    pub(crate) async fn provider_sign_out(&self, issuer: &str) -> Option<String> {
        let provider = self.providers.iter().find(|p| p.config.issuer == issuer)?;
        provider.sign_out_address(&self.settings.public_origin).await
    }

    /// Obeys a provider's word that someone signed out there: their sessions that came about through it end, with sockets and media.
    ///
    /// # Errors
    /// [`ServiceError::LogoutToken`], audited.
    pub async fn provider_signed_out(&self, caller: &Caller, id: &str, token: &str) -> Result<usize, ServiceError> {
        let provider = self.provider(id)?;
        let refuse = async |code: &'static str| {
            // a good token is never held up by bad ones
            self.throttled(caller, Tried::LogoutToken(id)).await?;
            let entry = self.entry(Event::LogoutTokenRefused, caller)?.ended(Outcome::Denied);
            self.record(entry.with("provider", id).with("reason", code)).await?;
            Err(ServiceError::LogoutToken(code))
        };
        let good = match provider.logout_token(token, self.now()).await {
            Ok(good) => good,
            Err(ProviderError::Refused(code)) => return refuse(code).await,
            Err(other) => return Err(other.into()),
        };
        let issuer = provider.config.issuer.as_str();
        let now = self.now();
        let mut tx = self.database.begin().await?;
        if !accounts::note_logout_token(tx.tx(), issuer, &good.id, now, good.expires_at).await? {
            drop(tx);
            return refuse("repeated").await;
        }
        let mut ended = Vec::new();
        let mut entry = self.entry(Event::ProviderSignedOut, caller)?.with("provider", id);
        for session in sign_in_sessions::of_provider(tx.tx(), issuer, &good.subject, &good.session).await? {
            sign_in_sessions::end(tx.tx(), session.id, now).await?;
            entry = entry.about("sign_in_session", session.id).about("account", session.account);
            ended.push(session.id);
        }
        self.tell_ended(&ended);
        self.commit(tx, entry.with("count", ended.len())).await?;
        Ok(ended.len())
    }
}

impl From<ProviderError> for ServiceError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Refused(code) => Self::Provider(code),
            ProviderError::Unavailable(cause) | ProviderError::Config(cause) => {
                tracing::warn!(%cause, "the identity provider cannot be used");
                Self::ProviderUnavailable
            }
        }
    }
}

/// A page of ours, and nothing that a browser could take for another place.
fn is_own_page(path: &str) -> bool {
    path.len() <= 256
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_".contains(&b))
}

/// A username of the characters that one may have here.
fn plain_username(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || "._-@".contains(*c)).take(48).collect();
    if plain.len() < 2 { "user".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_a_page_of_this_server_only() {
        for good in ["/", "/users", "/consultations/0190-a/call"] {
            assert!(is_own_page(good), "{good}");
        }
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a?b", "/a#b", "users", "/\r\nx"] {
            assert!(!is_own_page(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_at_a_provider_becomes_a_user_name_here() {
        assert_eq!(plain_username("Ana Ruiz"), "anaruiz");
        assert_eq!(plain_username("ana@clinic.example"), "ana@clinic.example");
        assert_eq!(plain_username("é"), "user");
    }
}
