//! Signing in and out: with a password, with a passkey, through an identity provider; and proving again who one is.

use crate::domain::access::{AccountRole, Actor, Assurance};
use crate::domain::id::AccountId;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::protective::{PendingView, asking, pending};
use crate::http::{Answer, State, caller};
use crate::identity::provider::Returned;
use crate::services::error::{Missing, ServiceError};
use crate::services::protective::{Act, Protected};
use crate::services::second_factors::Factors;
use crate::services::sign_in::{Proof, SignedIn, Step};
use crate::services::single_sign_on::Arrived;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Where identity providers tell that someone signed out there; the one address that takes a form instead of JSON.
pub const BACK_CHANNEL: &str = "/api/v1/sign-in/back-channel-logout/";

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sign-in").route(web::post().to(sign_in)))
        .service(web::resource("/sign-in/second-factor").route(web::post().to(second_factor)))
        .service(web::resource("/sign-in/second-factor/passkey").route(web::post().to(ask_second_passkey)))
        .service(web::resource("/sign-in/passkey").route(web::post().to(ask_passkey)))
        .service(web::resource("/sign-in/passkey/answer").route(web::post().to(passkey)))
        .service(web::resource("/sign-in/providers/{id}").route(web::post().to(visit)))
        .service(web::resource("/sign-in/callback").route(web::get().to(returned)))
        .service(web::resource("/sign-in/back-channel-logout/{id}").route(web::post().to(signed_out_there)))
        .service(web::resource("/sign-out").route(web::post().to(sign_out)))
        .service(web::resource("/me").route(web::get().to(me)))
        .service(web::resource("/me/prove").route(web::post().to(prove)))
        .service(web::resource("/me/prove/passkey").route(web::post().to(ask_proof)))
        .service(web::resource("/me/prove/provider").route(web::post().to(prove_there)));
}

/// A username and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    #[schema(value_type = String)]
    password: Secret,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(value_type = String)]
    id: AccountId,
    username: String,
    display_name: String,
    #[schema(value_type = String)]
    role: AccountRole,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// `single` or `multiple` factors were shown.
    #[schema(value_type = String)]
    assurance: Assurance,
    /// What must be set up before anything else can be done: `second_factor` or `longer_password`.
    missing: Option<&'static str>,
    /// `password`, `passkey` or `provider`.
    method: String,
}

impl From<SignedIn> for Me {
    fn from(s: SignedIn) -> Self {
        Self {
            id: s.account,
            username: s.username,
            display_name: s.display_name,
            role: s.role,
            expires_at: s.expires_at,
            assurance: s.assurance,
            missing: s.missing.map(|missing| match missing {
                Missing::SecondFactor => "second_factor",
                Missing::LongerPassword => "longer_password",
            }),
            method: s.method,
        }
    }
}

/// What is asked for next.
#[derive(Serialize, ToSchema)]
pub struct SecondFactorAsked {
    /// Whether a passkey can be shown.
    passkey: bool,
    /// Whether a code of an authenticator app can be given.
    authenticator_app: bool,
    /// Whether a recovery code can be given.
    recovery_code: bool,
}

/// A second factor: one of the members.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactor {
    /// Code of an authenticator app.
    #[schema(value_type = Option<String>)]
    code: Option<Secret>,
    /// Recovery code.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<Secret>,
    /// Answer of `navigator.credentials.get`, as JSON.
    #[schema(value_type = Option<Object>)]
    passkey: Option<Value>,
}

/// What `navigator.credentials.get` or `create` takes, as JSON.
#[derive(Serialize, ToSchema)]
pub struct PasskeyOptions {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    options: Value,
}

/// The answer of `navigator.credentials.get`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    #[schema(value_type = Object)]
    passkey: Value,
}

/// The page to come back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitRequest {
    /// A path of this server.
    #[serde(default)]
    back: Option<String>,
}

/// Where the browser goes.
#[derive(Serialize, ToSchema)]
pub struct Address {
    address: String,
}

/// What an identity provider posts.
#[derive(Deserialize, ToSchema)]
pub struct LogoutForm {
    logout_token: String,
}

/// One proof: the password or a passkey's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofAgain {
    #[schema(value_type = Option<String>)]
    password: Option<Secret>,
    #[schema(value_type = Option<Object>)]
    passkey: Option<Value>,
}

/// Where the browser should go to be signed out elsewhere too.
#[derive(Serialize, ToSchema)]
pub struct SignedOut {
    /// The identity provider's address for that, if it has one.
    address: Option<String>,
}

fn signed_in(state: &State, secret: &Secret, who: SignedIn) -> HttpResponse {
    HttpResponse::Ok()
        .cookie(caller::staff_cookie(state, Some(secret)))
        .cookie(caller::ceremony_cookie(state, caller::SIGN_IN, None))
        .json(Me::from(who))
}

fn asked(factors: Factors) -> SecondFactorAsked {
    SecondFactorAsked { passkey: factors.passkey, authenticator_app: factors.app, recovery_code: factors.recovery_codes > 0 }
}

/// Sign in with a password. 202 asks for a second factor.
#[utoipa::path(post, path = "/api/v1/sign-in", tag = "Sign-in", request_body = Credentials, responses((status = 200, body = Me), (status = 202, body = SecondFactorAsked), (status = 401, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn sign_in(request: HttpRequest, state: web::Data<State>, body: web::Json<Credentials>) -> Answer {
    let Credentials { username, password } = body.into_inner();
    Ok(match state.services.sign_in(&caller::anonymous(&request), &username, password).await? {
        Step::Done(secret, who) => signed_in(&state, &secret, *who),
        Step::SecondFactor(secret, factors) => {
            HttpResponse::Accepted().cookie(caller::ceremony_cookie(&state, caller::SIGN_IN, Some(&secret))).json(asked(factors))
        }
    })
}

fn begun(request: &HttpRequest, state: &State) -> Result<Secret, Problem> {
    caller::ceremony(request, state, caller::SIGN_IN).ok_or_else(|| ServiceError::SignInExpired.into())
}

/// Show the second factor.
#[utoipa::path(post, path = "/api/v1/sign-in/second-factor", tag = "Sign-in", request_body = SecondFactor, responses((status = 200, body = Me), (status = 401, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn second_factor(request: HttpRequest, state: web::Data<State>, body: web::Json<SecondFactor>) -> Answer {
    let ceremony = begun(&request, &state)?;
    let proof = match body.into_inner() {
        SecondFactor { code: Some(code), recovery_code: None, passkey: None } => Proof::App(code),
        SecondFactor { code: None, recovery_code: Some(code), passkey: None } => Proof::Recovery(code),
        SecondFactor { code: None, recovery_code: None, passkey: Some(answer) } => Proof::Passkey(answer),
        _ => return Err(Problem::field("code", "give exactly one of code, recovery_code and passkey")),
    };
    let (secret, who) = state.services.second_factor(&caller::anonymous(&request), &ceremony, proof).await?;
    Ok(signed_in(&state, &secret, who))
}

/// Ask for a passkey as the second factor.
#[utoipa::path(post, path = "/api/v1/sign-in/second-factor/passkey", tag = "Sign-in", responses((status = 200, body = PasskeyOptions), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn ask_second_passkey(request: HttpRequest, state: web::Data<State>) -> Answer {
    let options = state.services.ask_second_passkey(&begun(&request, &state)?).await?;
    Ok(HttpResponse::Ok().json(PasskeyOptions { options }))
}

/// Ask for any passkey, to sign in with it alone.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey", tag = "Sign-in", responses((status = 200, body = PasskeyOptions), (status = 409, body = ProblemBody)))]
pub async fn ask_passkey(state: web::Data<State>) -> Answer {
    let (secret, options) = state.services.ask_any_passkey()?;
    Ok(HttpResponse::Ok().cookie(caller::ceremony_cookie(&state, caller::SIGN_IN, Some(&secret))).json(PasskeyOptions { options }))
}

/// Sign in with a passkey alone.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey/answer", tag = "Sign-in", request_body = PasskeyAnswer, responses((status = 200, body = Me), (status = 401, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn passkey(request: HttpRequest, state: web::Data<State>, body: web::Json<PasskeyAnswer>) -> Answer {
    let ceremony = begun(&request, &state)?;
    let (secret, who) = state.services.sign_in_with_passkey(&caller::anonymous(&request), &ceremony, body.into_inner().passkey).await?;
    Ok(signed_in(&state, &secret, who))
}

/// Go to an identity provider.
#[utoipa::path(post, path = "/api/v1/sign-in/providers/{id}", tag = "Sign-in", params(("id" = String, Path)), request_body = VisitRequest, responses((status = 200, body = Address), (status = 404, body = ProblemBody), (status = 502, body = ProblemBody)))]
pub async fn visit(state: web::Data<State>, id: web::Path<String>, body: web::Json<VisitRequest>) -> Answer {
    let (address, secret) = state.services.visit_provider(&id, None, body.back.as_deref().unwrap_or("/")).await?;
    Ok(HttpResponse::Ok().cookie(caller::ceremony_cookie(&state, caller::VISIT, Some(&secret))).json(Address { address }))
}

fn go_to(page: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((LOCATION, page));
    answer
}

/// Come back from an identity provider. Always answers with a page to go on to; what went wrong is told there.
#[utoipa::path(get, path = "/api/v1/sign-in/callback", tag = "Sign-in", params(("code" = Option<String>, Query), ("state" = Option<String>, Query), ("iss" = Option<String>, Query), ("error" = Option<String>, Query)), responses((status = 303)))]
pub async fn returned(request: HttpRequest, state: web::Data<State>, query: web::Query<Returned>) -> Answer {
    let visit = caller::ceremony(&request, &state, caller::VISIT);
    let arrived = state.services.returned(&caller::anonymous(&request), visit.as_ref(), query.into_inner()).await;
    let over = caller::ceremony_cookie(&state, caller::VISIT, None);
    Ok(match arrived {
        Ok((Arrived::SignIn(Step::Done(secret, _)) | Arrived::Proved(secret), back)) => {
            go_to(&back).cookie(over).cookie(caller::staff_cookie(&state, Some(&secret))).finish()
        }
        Ok((Arrived::SignIn(Step::SecondFactor(secret, factors)), _)) => {
            let asked = asked(factors);
            let ways = [(asked.passkey, "passkey"), (asked.authenticator_app, "app"), (asked.recovery_code, "recovery")];
            let ways: Vec<&str> = ways.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
            let half = caller::ceremony_cookie(&state, caller::SIGN_IN, Some(&secret));
            go_to(&format!("/sign-in?second-factor={}", ways.join("."))).cookie(over).cookie(half).finish()
        }
        Err(error) => go_to(&format!("/sign-in?problem={}", Problem::from(error).code())).cookie(over).finish(),
    })
}

/// An identity provider tells that someone signed out there (OpenID Connect Back-Channel Logout 1.0).
#[utoipa::path(post, path = "/api/v1/sign-in/back-channel-logout/{id}", tag = "Sign-in", params(("id" = String, Path)), request_body(content = LogoutForm, content_type = "application/x-www-form-urlencoded"), responses((status = 200), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 429, body = ProblemBody), (status = 502, body = ProblemBody)))]
pub async fn signed_out_there(request: HttpRequest, state: web::Data<State>, id: web::Path<String>, form: web::Form<LogoutForm>) -> Answer {
    state.services.provider_signed_out(&caller::anonymous(&request), &id, &form.logout_token).await?;
    Ok(HttpResponse::Ok().finish())
}

/// End one's own sign-in session.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "Sign-in", responses((status = 200, body = SignedOut), (status = 202, body = PendingView), (status = 401, body = ProblemBody)))]
pub async fn sign_out(request: HttpRequest, state: web::Data<State>) -> Answer {
    let asking = asking(&request, &state, None).await?;
    let Actor::Account { session, .. } = asking.caller.actor else { return Err(ServiceError::Unauthenticated.into()) };
    let written = Box::pin(state.services.sign_out(&asking.caller, session));
    let mut answer = match asking.protect(&state, Some(Act::SignOut { session }), written).await? {
        Protected::Done(address) => HttpResponse::Ok().json(SignedOut { address }),
        Protected::Pending => pending(),
    };
    answer.add_cookie(&caller::staff_cookie(&state, None)).map_err(|_| ServiceError::Internal("a cookie".to_owned()))?;
    Ok(answer)
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/me", tag = "Sign-in", responses((status = 200, body = Me), (status = 401, body = ProblemBody)))]
pub async fn me(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (_, signed_in) = caller::half_way(&request, &state).await?;
    Ok(HttpResponse::Ok().json(Me::from(signed_in)))
}

/// Prove again who one is, for a dangerous operation.
#[utoipa::path(post, path = "/api/v1/me/prove", tag = "Sign-in", request_body = ProofAgain, responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn prove(request: HttpRequest, state: web::Data<State>, body: web::Json<ProofAgain>) -> Answer {
    let (caller, who) = caller::half_way(&request, &state).await?;
    let ProofAgain { password, passkey } = body.into_inner();
    let secret = state.services.reauthenticate(&caller, &who, password, passkey).await?;
    Ok(HttpResponse::NoContent().cookie(caller::staff_cookie(&state, Some(&secret))).finish())
}

/// Ask for one of one's own passkeys, to prove again who one is.
#[utoipa::path(post, path = "/api/v1/me/prove/passkey", tag = "Sign-in", responses((status = 200, body = PasskeyOptions), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn ask_proof(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (_, who) = caller::half_way(&request, &state).await?;
    Ok(HttpResponse::Ok().json(PasskeyOptions { options: state.services.ask_own_passkey(&who).await? }))
}

/// Go to one's identity provider, to prove there again who one is.
#[utoipa::path(post, path = "/api/v1/me/prove/provider", tag = "Sign-in", request_body = VisitRequest, responses((status = 200, body = Address), (status = 401, body = ProblemBody), (status = 409, body = ProblemBody), (status = 502, body = ProblemBody)))]
pub async fn prove_there(request: HttpRequest, state: web::Data<State>, body: web::Json<VisitRequest>) -> Answer {
    let (_, who) = caller::half_way(&request, &state).await?;
    let provider = state.services.provider_of(&who).await?;
    let provider = provider.ok_or(ServiceError::Conflict("You did not sign in through an identity provider."))?;
    let (address, secret) = state.services.visit_provider(&provider, Some(&who), body.back.as_deref().unwrap_or("/")).await?;
    Ok(HttpResponse::Ok().cookie(caller::ceremony_cookie(&state, caller::VISIT, Some(&secret))).json(Address { address }))
}
