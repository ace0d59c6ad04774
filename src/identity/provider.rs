//! An identity provider (OpenID Connect Core 1.0): sending a browser there, checking what comes back, and obeying its word that someone
//! signed out (Back-Channel Logout 1.0).
//!
//! Code flow with PKCE S256, state and nonce; the issuer must be exactly the configured one, in the metadata, in the token and, where the
//! provider says it sends it, in the response (RFC 9207). Signature algorithms are allow-listed and asymmetric. A key that is not known is
//! looked for once, and not more often than every half minute.

use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreGrantType, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, AuthType, AuthenticationContextClass, AuthenticationFlow, AuthorizationCode,
    ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdTokenClaims, IdTokenFields, IssuerUrl, JsonWebKey, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, ProviderMetadata, RedirectUrl, Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse,
    TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::Mutex;

/// Clocks may differ by this much.
const SKEW: Duration = Duration::from_mins(1);
/// Keys are not looked for more often than this.
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// What a provider says of itself is read anew after this long.
const METADATA_GOOD_FOR: Duration = Duration::from_hours(12);
/// A token that was issued longer ago than this is not the answer to what was asked.
const TOKEN_AGE: Duration = Duration::from_mins(10);
/// No answer of a provider is longer, in bytes.
const LONGEST_ANSWER: usize = 512 * 1024;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Authentication methods (RFC 8176) that mean more than one factor.
const STRONG_METHOD: &str = "mfa";

/// An identity provider, as the operator sets it up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Short name in addresses and policies: lower-case letters, digits, dashes.
    pub id: String,
    /// What the button on the sign-in page says.
    pub name: String,
    /// The issuer identifier, exactly as the provider writes it.
    pub issuer: String,
    /// This server's client id there.
    pub client_id: String,
    /// File with the client secret; without it this is a public client.
    #[serde(default)]
    pub client_secret_file: Option<std::path::PathBuf>,
    /// Scopes to ask for besides `openid`.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
    /// Contexts (`acr`) that count as more than one factor; they are asked for.
    #[serde(default)]
    pub strong_acr: Vec<String>,
    /// Whether someone whom the provider vouches for gets an account at their first sign-in.
    #[serde(default)]
    pub just_in_time: bool,
}

fn usual_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

/// A provider's answer cannot be accepted, or there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached or does not speak the protocol.
    #[error("the provider cannot be used: {0}")]
    Unavailable(String),
    /// Something in its answer is not what it must be; a code for the log, never a value.
    #[error("{0}")]
    Refused(&'static str),
    /// What was set up cannot be.
    #[error("{0}")]
    Config(String),
}

/// Someone's visit at the provider: what the answer must fit.
pub struct Visit {
    /// Opaque value that comes back.
    pub state: Secret,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    began: Timestamp,
    fresh: bool,
}

/// What the browser brings back.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Returned {
    /// The authorization code.
    pub code: Option<String>,
    /// What was sent along.
    pub state: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Whom the provider vouches for.
#[derive(Debug, Clone)]
pub struct Vouched {
    /// The issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// The provider's own session, if it says.
    pub session: Option<String>,
    /// The name others see.
    pub name: Option<String>,
    /// The name they sign in with there.
    pub username: Option<String>,
    /// Every other claim, for the policies.
    pub claims: Map<String, Value>,
    /// Whether more than one factor was shown there.
    pub strong: bool,
}

/// A logout token that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose sessions end; empty for anyone's.
    pub subject: String,
    /// Which of the provider's sessions ended; empty for all.
    pub session: String,
    /// The token's id, so that it is obeyed once.
    pub id: String,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoreClaims {
    #[serde(flatten)]
    all: Map<String, Value>,
}
impl AdditionalClaims for MoreClaims {}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoreMetadata {
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}
impl AdditionalProviderMetadata for MoreMetadata {}

type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
type Tokens = StandardTokenResponse<
    IdTokenFields<MoreClaims, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    CoreTokenType,
>;
type Claims = IdTokenClaims<MoreClaims, CoreGenderClaim>;
type Client = openidconnect::Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

struct Known {
    metadata: Metadata,
    read_at: Timestamp,
    keys_read_at: Timestamp,
}

/// An identity provider.
pub struct Provider {
    /// How it is set up.
    pub config: ProviderConfig,
    secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    http: reqwest::Client,
    known: Mutex<Option<Known>>,
}

fn allowed_algorithms() -> [CoreJwsSigningAlgorithm; 7] {
    use CoreJwsSigningAlgorithm as A;
    [
        A::RsaSsaPkcs1V15Sha256,
        A::RsaSsaPkcs1V15Sha384,
        A::RsaSsaPkcs1V15Sha512,
        A::RsaSsaPssSha256,
        A::EcdsaP256Sha256,
        A::EcdsaP384Sha384,
        A::EdDsa,
    ]
}

impl Provider {
    /// Prepares a provider; nothing is asked of it yet.
    ///
    /// # Errors
    /// [`ProviderError::Config`].
    pub fn new(config: ProviderConfig, public_origin: &str) -> Result<Self, ProviderError> {
        let wrong = |what: &str| ProviderError::Config(format!("provider {}: {what}", config.id));
        let id_fits = config.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !(1..=32).contains(&config.id.len()) || !id_fits {
            return Err(wrong("the id must be 1 to 32 lower-case letters, digits and dashes"));
        }
        let local = ["http://localhost:", "http://127.0.0.1:", "http://[::1]:"].iter().any(|start| config.issuer.starts_with(start));
        if !config.issuer.starts_with("https://") && !local {
            return Err(wrong("the issuer must be an https address"));
        }
        let secret = match &config.client_secret_file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| wrong(&format!("{}: {error}", path.display())))?;
                Some(ClientSecret::new(text.trim().to_owned()))
            }
        };
        let redirect = RedirectUrl::new(format!("{public_origin}/api/v1/sign-in/callback")).map_err(|e| wrong(&e.to_string()))?;
        // one TLS stack for everything; a second call finds it installed already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| wrong(&e.to_string()))?;
        Ok(Self { config, secret, redirect, http, known: Mutex::default() })
    }

    /// Where to send the browser. `fresh` asks that they show again who they are.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`].
    pub async fn visit(&self, fresh: bool, now: Timestamp) -> Result<(String, Visit), ProviderError> {
        let client = self.client(now).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random).set_pkce_challenge(challenge);
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for acr in &self.config.strong_acr {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        if fresh {
            request = request.set_max_age(Duration::ZERO).add_prompt(CoreAuthPrompt::Login);
        }
        let (address, state, nonce) = request.url();
        Ok((address.to_string(), Visit { state: Secret::new(state.secret().clone()), nonce, verifier, began: now, fresh }))
    }

    /// Checks what the browser brought back, asks for the tokens, and checks those.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn returned(&self, back: Returned, visit: Visit, now: Timestamp) -> Result<Vouched, ProviderError> {
        let refused = |code: &'static str| ProviderError::Refused(code);
        let client = self.client(now).await?;
        match &back.iss {
            Some(issuer) if *issuer != self.config.issuer => return Err(refused("response_issuer")),
            None if self.sends_issuer().await => return Err(refused("response_issuer_missing")),
            _ => {}
        }
        if back.error.is_some() {
            return Err(refused("provider_error"));
        }
        let code = back.code.ok_or(refused("no_code"))?;
        let http = |request| send(self.http.clone(), request);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| refused("no_token_endpoint"))?
            .set_pkce_verifier(visit.verifier)
            .request_async(&http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(_) => refused("code_not_accepted"),
                openidconnect::RequestTokenError::Parse(..) => refused("token_response"),
                other => ProviderError::Unavailable(other.to_string()),
            })?;
        let id_token = tokens.id_token().ok_or(refused("no_id_token"))?;
        let verified = match verify(&client, id_token, &visit.nonce, now) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                self.read_keys_again(now).await?;
                verify(&self.client(now).await?, id_token, &visit.nonce, now)
            }
            other => other,
        };
        let claims = verified.map_err(|error| refused(code_of(&error)))?;
        if visit.fresh {
            let shown_at = claims.auth_time().ok_or(refused("auth_time_missing"))?;
            if shown_at.timestamp_micros() < visit.began.as_micros() - micros(SKEW) {
                return Err(refused("auth_time"));
            }
        }
        let mut all = claims.additional_claims().all.clone();
        let (mut name, mut username) = (text(claims.name().and_then(|n| n.get(None))), text(claims.preferred_username()));
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())) {
            let told: UserInfoClaims<MoreClaims, CoreGenderClaim> = request.request_async(&http).await.map_err(|error| match error {
                openidconnect::UserInfoError::ClaimsVerification(_) => refused("userinfo_subject"),
                openidconnect::UserInfoError::Parse(_) => refused("userinfo"),
                other => ProviderError::Unavailable(other.to_string()),
            })?;
            all.extend(told.additional_claims().all.clone());
            name = name.or_else(|| text(told.name().and_then(|n| n.get(None))));
            username = username.or_else(|| text(told.preferred_username()));
        }
        let methods = claims.auth_method_refs().cloned().unwrap_or_default();
        let strong_context = claims.auth_context_ref().is_some_and(|acr| self.config.strong_acr.iter().any(|one| one == acr.as_str()));
        Ok(Vouched {
            issuer: claims.issuer().as_str().to_owned(),
            subject: claims.subject().as_str().to_owned(),
            session: all.get("sid").and_then(Value::as_str).map(ToOwned::to_owned),
            name,
            username,
            strong: strong_context || methods.iter().any(|method| method.as_str() == STRONG_METHOD),
            claims: all,
        })
    }

    /// Where a browser goes to be signed out at the provider as well (RP-Initiated Logout 1.0), if it offers that.
    pub async fn sign_out_address(&self, public_origin: &str) -> Option<String> {
        let known = self.known.lock().await;
        let endpoint = known.as_ref()?.metadata.additional_metadata().end_session_endpoint.clone()?;
        let mut address = openidconnect::url::Url::parse(&endpoint).ok()?;
        address
            .query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{public_origin}/sign-in"));
        Some(address.into())
    }

    /// Checks a logout token (Back-Channel Logout 1.0, section 2.6). Whether it was obeyed before is for the caller to know.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn logout_token(&self, token: &str, now: Timestamp) -> Result<LogoutToken, ProviderError> {
        let refused = |code: &'static str| ProviderError::Refused(code);
        let mut segments = token.split('.');
        let (Some(head), Some(body), Some(signature), None) = (segments.next(), segments.next(), segments.next(), segments.next()) else {
            return Err(refused("malformed"));
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| refused("malformed"));
        let object = |bytes: Vec<u8>| serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(|_| refused("malformed"));
        let (head_fields, claims, signature) = (object(decode(head)?)?, object(decode(body)?)?, decode(signature)?);
        let member = |from: &Map<String, Value>, name: &str| from.get(name).and_then(Value::as_str).map(ToOwned::to_owned);

        let algorithm = head_fields.get("alg").cloned().and_then(|alg| serde_json::from_value::<CoreJwsSigningAlgorithm>(alg).ok());
        let algorithm = algorithm.filter(|alg| allowed_algorithms().contains(alg)).ok_or(refused("algorithm"))?;
        if member(&head_fields, "typ").is_some_and(|kind| !kind.eq_ignore_ascii_case("logout+jwt") && !kind.eq_ignore_ascii_case("jwt")) {
            return Err(refused("type"));
        }
        let message = format!("{head}.{body}");
        let kid = member(&head_fields, "kid");
        self.client(now).await?;
        match self.signed(kid.as_deref(), &algorithm, message.as_bytes(), &signature).await {
            Some(true) => {}
            Some(false) => return Err(refused("signature")),
            None => {
                self.read_keys_again(now).await?;
                if self.signed(kid.as_deref(), &algorithm, message.as_bytes(), &signature).await != Some(true) {
                    return Err(refused("signature"));
                }
            }
        }

        if member(&claims, "iss").as_deref() != Some(&self.config.issuer) {
            return Err(refused("issuer"));
        }
        let audience = match claims.get("aud") {
            Some(Value::String(one)) => *one == self.config.client_id,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&self.config.client_id)),
            _ => false,
        };
        if !audience {
            return Err(refused("audience"));
        }
        let instant = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| Timestamp::from_micros(from_seconds(seconds)));
        let issued_at = instant("iat").ok_or(refused("issued_at_missing"))?;
        if issued_at > now.plus(SKEW) || now.since(issued_at) > TOKEN_AGE {
            return Err(refused("issued_at"));
        }
        let expires_at = match claims.get("exp") {
            // older providers send none: it is then good for as long as it may be old
            None => issued_at.plus(TOKEN_AGE),
            Some(_) => instant("exp").ok_or(refused("expires"))?,
        };
        if now >= expires_at.plus(SKEW) {
            return Err(refused("expired"));
        }
        if !claims.get("events").and_then(Value::as_object).is_some_and(|events| events.get(LOGOUT_EVENT).is_some_and(Value::is_object)) {
            return Err(refused("event"));
        }
        if claims.contains_key("nonce") {
            return Err(refused("nonce"));
        }
        let (subject, session) = (member(&claims, "sub").unwrap_or_default(), member(&claims, "sid").unwrap_or_default());
        if subject.is_empty() && session.is_empty() {
            return Err(refused("nobody"));
        }
        let id = member(&claims, "jti").filter(|id| !id.is_empty() && id.len() <= 512).ok_or(refused("token_id"))?;
        Ok(LogoutToken { subject, session, id, expires_at: expires_at.plus(SKEW) })
    }

    /// Whether a known key signed it; `None` if no known key could have.
    async fn signed(&self, kid: Option<&str>, algorithm: &CoreJwsSigningAlgorithm, message: &[u8], signature: &[u8]) -> Option<bool> {
        let known = self.known.lock().await;
        let keys = known.as_ref()?.metadata.jwks().keys();
        let mut fitting = keys.iter().filter(|key| kid.is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid))).peekable();
        fitting.peek()?;
        Some(fitting.any(|key| key.verify_signature(algorithm, message, signature).is_ok()))
    }

    async fn sends_issuer(&self) -> bool {
        let known = self.known.lock().await;
        known.as_ref().is_some_and(|known| known.metadata.additional_metadata().authorization_response_iss_parameter_supported)
    }

    /// A client from what the provider says of itself, which is read when it is first needed and now and then.
    async fn client(&self, now: Timestamp) -> Result<Client, ProviderError> {
        let mut known = self.known.lock().await;
        if known.as_ref().is_none_or(|known| now.since(known.read_at) >= METADATA_GOOD_FOR) {
            let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|e| ProviderError::Config(e.to_string()))?;
            let http = |request| send(self.http.clone(), request);
            let metadata = Metadata::discover_async(issuer, &http).await.map_err(|error| ProviderError::Unavailable(error.to_string()))?;
            *known = Some(Known { metadata, read_at: now, keys_read_at: now });
        }
        let Some(known) = known.as_ref() else { return Err(ProviderError::Unavailable("no metadata".to_owned())) };
        let methods = known.metadata.token_endpoint_auth_methods_supported();
        let by_post = methods.is_some_and(|all| {
            all.contains(&CoreClientAuthMethod::ClientSecretPost) && !all.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        let id = ClientId::new(self.config.client_id.clone());
        Ok(Client::from_provider_metadata(known.metadata.clone(), id, self.secret.clone())
            .set_redirect_uri(self.redirect.clone())
            .set_auth_type(if by_post { AuthType::RequestBody } else { AuthType::BasicAuth }))
    }

    /// Reads the provider's keys again, because one was not known; not more often than every half minute.
    async fn read_keys_again(&self, now: Timestamp) -> Result<(), ProviderError> {
        let mut known = self.known.lock().await;
        let Some(known) = known.as_mut() else { return Ok(()) };
        if now.since(known.keys_read_at) < KEYS_AGAIN && known.keys_read_at != known.read_at {
            return Err(ProviderError::Refused("unknown_key"));
        }
        let http = |request| send(self.http.clone(), request);
        let keys = CoreJsonWebKeySet::fetch_async(known.metadata.jwks_uri(), &http).await;
        // also a failed try counts, so that garbage does not make this server knock all the time
        known.keys_read_at = Timestamp::from_micros(now.as_micros().max(known.read_at.as_micros() + 1));
        let keys = keys.map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        known.metadata = known.metadata.clone().set_jwks(keys);
        Ok(())
    }
}

type IdToken = openidconnect::IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

fn verify(client: &Client, token: &IdToken, nonce: &Nonce, now: Timestamp) -> Result<Claims, ClaimsVerificationError> {
    let (earliest, latest) = (now.as_micros() - micros(TOKEN_AGE), now.as_micros() + micros(SKEW));
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(allowed_algorithms())
        .set_time_fn(move || DateTime::<Utc>::from_timestamp_micros(now.as_micros() - micros(SKEW)).unwrap_or_default())
        .set_issue_time_verifier_fn(move |issued: DateTime<Utc>| {
            if (earliest..=latest).contains(&issued.timestamp_micros()) { Ok(()) } else { Err("issued at another time".to_owned()) }
        });
    token.claims(&verifier, nonce).cloned()
}

/// A code for the log. What the library says may hold values of the token, so it is not passed on.
const fn code_of(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "time",
        ClaimsVerificationError::InvalidAudience(_) => "audience",
        ClaimsVerificationError::InvalidAuthContext(_) => "auth_context",
        ClaimsVerificationError::InvalidAuthTime(_) => "auth_time",
        ClaimsVerificationError::InvalidIssuer(_) => "issuer",
        ClaimsVerificationError::InvalidNonce(_) => "nonce",
        ClaimsVerificationError::InvalidSubject(_) => "subject",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => "unknown_key",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => "algorithm",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoSignature) => "no_signature",
        ClaimsVerificationError::SignatureVerification(_) => "signature",
        ClaimsVerificationError::Unsupported(_) => "unsupported",
        _ => "claims",
    }
}

fn text<T: std::ops::Deref<Target = String>>(value: Option<&T>) -> Option<String> {
    value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a float outside the range becomes its end, which no check accepts")]
fn from_seconds(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

/// A provider could not be asked.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer is too long")]
    TooLong,
    #[error("the answer cannot be read")]
    Unreadable,
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SendError> {
    let mut answer = http.execute(reqwest::Request::try_from(request)?).await.map_err(reqwest::Error::without_url)?;
    let mut built = openidconnect::http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        built = built.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(SendError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    built.body(body).map_err(|_| SendError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(issuer: &str, id: &str) -> ProviderConfig {
        ProviderConfig {
            id: id.to_owned(),
            name: "Clinic account".to_owned(),
            issuer: issuer.to_owned(),
            client_id: "bedside".to_owned(),
            client_secret_file: None,
            scopes: usual_scopes(),
            strong_acr: Vec::new(),
            just_in_time: false,
        }
    }

    #[test]
    fn a_provider_is_reached_over_tls_or_on_this_machine_and_has_a_plain_id() {
        assert!(Provider::new(config("https://id.example", "clinic"), "https://calls.example").is_ok());
        assert!(Provider::new(config("http://localhost:9000", "clinic-2"), "https://calls.example").is_ok());
        for (issuer, id) in
            [("http://id.example", "clinic"), ("https://id.example", "Clinic/1"), ("https://id.example", ""), ("ftp://x", "a")]
        {
            assert!(matches!(Provider::new(config(issuer, id), "https://calls.example"), Err(ProviderError::Config(_))), "{issuer} {id}");
        }
        let mut missing = config("https://id.example", "clinic");
        missing.client_secret_file = Some("/nonexistent/secret".into());
        assert!(matches!(Provider::new(missing, "https://calls.example"), Err(ProviderError::Config(_))));
    }
}
