//! Passkeys (W3C Web Authentication Level 3): adding one, using one as a second factor, and signing in with one alone.
//!
//! User verification (finger, face or PIN) is always asked for: a passkey is two factors in one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder, WebauthnError,
};

/// A passkey could not be made or did not prove anything.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The server is reached under a name that browsers make no passkeys for.
    #[error("passkeys need a domain name; this server is reached under {0}")]
    Domain(String),
    /// What the browser sent is not what it should be.
    #[error("the browser's answer cannot be read")]
    Malformed,
    /// It proves nothing.
    #[error("the passkey was not accepted: {0}")]
    Refused(#[from] WebauthnError),
}

/// The challenge of adding a passkey, until the browser answers.
pub struct Adding(PasskeyRegistration);
/// The challenge of showing one of known passkeys.
pub struct Showing(PasskeyAuthentication, Vec<Passkey>);
/// The challenge of showing any passkey.
pub struct Discovering(DiscoverableAuthentication);

/// A passkey as it is kept: `id` is how a browser names it (base64url), `credential` everything needed to check it, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The device's name for it.
    pub id: String,
    /// Public key, counter and flags.
    pub credential: String,
}

/// Makes and checks passkeys for one server.
pub struct Passkeys(Webauthn);

/// How long a browser may take.
pub const PATIENCE: Duration = Duration::from_mins(5);

impl Passkeys {
    /// For the server at this origin.
    ///
    /// # Errors
    /// [`PasskeyError::Domain`] for an address without a name.
    pub fn new(public_origin: &str, clinic_name: &str) -> Result<Self, PasskeyError> {
        let unusable = || PasskeyError::Domain(public_origin.to_owned());
        let origin = Url::parse(public_origin).map_err(|_| unusable())?;
        let domain = origin.domain().ok_or_else(unusable)?;
        Ok(Self(WebauthnBuilder::new(domain, &origin)?.rp_name(clinic_name).timeout(PATIENCE).build()?))
    }

    /// Begins to add a passkey; gives what `navigator.credentials.create` takes.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn add(&self, account: Uuid, username: &str, name: &str, existing: &[String]) -> Result<(Value, Adding), PasskeyError> {
        let exclude = existing.iter().map(|text| passkey(text).map(|key| key.cred_id().clone())).collect::<Result<Vec<_>, _>>()?;
        let (options, state) = self.0.start_passkey_registration(account, username, name, Some(exclude))?;
        let mut options = serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?;
        // so that it can be found without a user name
        options["publicKey"]["authenticatorSelection"]["residentKey"] = Value::from("preferred");
        Ok((options, Adding(state)))
    }

    /// Takes what `navigator.credentials.create` gave.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn added(&self, answer: Value, state: &Adding) -> Result<Credential, PasskeyError> {
        let answer: RegisterPublicKeyCredential = serde_json::from_value(answer).map_err(|_| PasskeyError::Malformed)?;
        kept(&self.0.finish_passkey_registration(&answer, &state.0)?)
    }

    /// Begins to ask for one of these passkeys; gives what `navigator.credentials.get` takes.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn ask(&self, credentials: &[String]) -> Result<(Value, Showing), PasskeyError> {
        let keys = credentials.iter().map(|text| passkey(text)).collect::<Result<Vec<_>, _>>()?;
        let (options, state) = self.0.start_passkey_authentication(&keys)?;
        Ok((serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?, Showing(state, keys)))
    }

    /// Takes what `navigator.credentials.get` gave; gives the passkey that was shown, with its new counter.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn shown(&self, answer: Value, state: &Showing) -> Result<Credential, PasskeyError> {
        let answer: PublicKeyCredential = serde_json::from_value(answer).map_err(|_| PasskeyError::Malformed)?;
        let result = self.0.finish_passkey_authentication(&answer, &state.0)?;
        let mut key = state.1.iter().find(|key| key.cred_id() == result.cred_id()).cloned().ok_or(PasskeyError::Malformed)?;
        key.update_credential(&result);
        kept(&key)
    }

    /// Begins to ask for any passkey of this server.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn discover(&self) -> Result<(Value, Discovering), PasskeyError> {
        let (mut options, state) = self.0.start_discoverable_authentication()?;
        // asked for by a button, not offered in a field
        options.mediation = None;
        Ok((serde_json::to_value(options).map_err(|_| PasskeyError::Malformed)?, Discovering(state)))
    }

    /// Which account and passkey an answer claims to be. Proves nothing yet.
    ///
    /// # Errors
    /// [`PasskeyError::Malformed`].
    pub fn claimed(&self, answer: &Value) -> Result<(Uuid, String), PasskeyError> {
        let answer: PublicKeyCredential = serde_json::from_value(answer.clone()).map_err(|_| PasskeyError::Malformed)?;
        let (account, _) = self.0.identify_discoverable_authentication(&answer)?;
        Ok((account, answer.id))
    }

    /// Checks an answer against the passkey it claims to be; gives it with its new counter.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub fn discovered(&self, answer: Value, state: Discovering, credential: &str) -> Result<Credential, PasskeyError> {
        let answer: PublicKeyCredential = serde_json::from_value(answer).map_err(|_| PasskeyError::Malformed)?;
        let mut key = passkey(credential)?;
        let result = self.0.finish_discoverable_authentication_v2(&answer, state.0, DiscoverableKey::from(&key))?;
        key.update_credential(&result);
        kept(&key)
    }
}

fn passkey(text: &str) -> Result<Passkey, PasskeyError> {
    serde_json::from_str(text).map_err(|_| PasskeyError::Malformed)
}

fn kept(key: &Passkey) -> Result<Credential, PasskeyError> {
    let credential = serde_json::to_string(key).map_err(|_| PasskeyError::Malformed)?;
    Ok(Credential { id: URL_SAFE_NO_PAD.encode(key.cred_id()), credential })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_domain_name() {
        assert!(Passkeys::new("https://calls.example", "Clinic").is_ok());
        assert!(Passkeys::new("http://localhost:8080", "Clinic").is_ok());
        assert!(matches!(Passkeys::new("https://192.0.2.1", "Clinic"), Err(PasskeyError::Domain(_))));
    }

    #[test]
    fn finger_face_or_pin_is_asked_for_and_garbage_is_refused() {
        let passkeys = Passkeys::new("https://calls.example", "Clinic").expect("a domain");
        let (options, state) = passkeys.add(Uuid::from_u128(7), "ana", "Dr. Ana", &[]).expect("options");
        assert_eq!(options["publicKey"]["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["publicKey"]["authenticatorSelection"]["residentKey"], "preferred");
        assert_eq!(options["publicKey"]["rp"]["id"], "calls.example");
        assert!(matches!(passkeys.added(serde_json::json!({"id": 1}), &state), Err(PasskeyError::Malformed)));
        let (options, state) = passkeys.discover().expect("options");
        assert_eq!(options["publicKey"]["userVerification"], "required");
        assert!(matches!(passkeys.discovered(Value::Null, state, "{}"), Err(PasskeyError::Malformed)));
        assert!(matches!(passkeys.ask(&["{}".to_owned()]), Err(PasskeyError::Malformed)));
    }
}
