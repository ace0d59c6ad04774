//! What one signs in with, and where one is signed in: everybody's own page.

use crate::domain::access::{Actor, Assurance, ManageOwnSignIn, ReadOwnSignIn};
use crate::domain::id::{PasskeyId, SignInSessionId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::protective::{PendingView, asking, pending};
use crate::http::sign_in::PasskeyOptions;
use crate::http::{Answer, State, caller};
use crate::services::error::ServiceError;
use crate::services::protective::{Act, Protected};
use crate::services::sign_in::SignedIn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/me/factors").route(web::get().to(factors)))
        .service(web::resource("/me/password").route(web::put().to(change_password)))
        .service(web::resource("/me/passkeys/begin").route(web::post().to(begin_passkey)))
        .service(web::resource("/me/passkeys").route(web::post().to(add_passkey)))
        .service(web::resource("/me/passkeys/{id}/remove").route(web::post().to(remove_passkey)))
        .service(web::resource("/me/authenticator-app/begin").route(web::post().to(begin_app)))
        .service(web::resource("/me/authenticator-app").route(web::post().to(add_app)))
        .service(web::resource("/me/authenticator-app/remove").route(web::post().to(remove_app)))
        .service(web::resource("/me/recovery-codes").route(web::post().to(recovery_codes)))
        .service(web::resource("/me/sign-in-sessions").route(web::get().to(sessions)))
        .service(web::resource("/me/sign-in-sessions/end-others").route(web::post().to(end_others)))
        .service(web::resource("/me/sign-in-sessions/{id}/end").route(web::post().to(end_session)));
}

/// A passkey.
#[derive(Serialize, ToSchema)]
pub struct PasskeyView {
    #[schema(value_type = String)]
    id: PasskeyId,
    name: String,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>)]
    last_used_at: Option<Timestamp>,
}

/// What one signs in with.
#[derive(Serialize, ToSchema)]
pub struct FactorsView {
    /// When the password was set; `null` without one.
    #[schema(value_type = Option<String>)]
    password_changed_at: Option<Timestamp>,
    passkeys: Vec<PasskeyView>,
    /// When the authenticator app was added; `null` without one.
    #[schema(value_type = Option<String>)]
    authenticator_app_added_at: Option<Timestamp>,
    recovery_codes_left: u64,
    /// Whether one's role must have a second factor.
    required: bool,
}

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// Empty if there is none.
    #[schema(value_type = String)]
    current: Secret,
    #[schema(value_type = String)]
    password: Secret,
}

/// A passkey that the browser made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    name: String,
    /// Answer of `navigator.credentials.create`, as JSON.
    #[schema(value_type = Object)]
    passkey: Value,
}

/// What an authenticator app needs.
#[derive(Serialize, ToSchema)]
pub struct NewAppView {
    /// To type by hand.
    secret: String,
    /// To open on the same device.
    address: String,
    /// QR code to scan: rows of `1` (dark) and `0`.
    squares: Vec<String>,
}

/// A code of the authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppCode {
    #[schema(value_type = String)]
    code: Secret,
}

/// Recovery codes, told once. Empty where there were some already.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// A sign-in session.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    #[schema(value_type = String)]
    id: SignInSessionId,
    /// The browser, in a few words.
    client: String,
    /// The network address it began from.
    network: String,
    method: String,
    #[schema(value_type = String)]
    assurance: Assurance,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    last_used_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where one is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionsView {
    sessions: Vec<SessionView>,
}

type Manages = (crate::domain::access::Permit<ManageOwnSignIn>, SignedIn);

async fn manages(request: &HttpRequest, state: &State) -> Result<Manages, Problem> {
    let (caller, who) = caller::half_way(request, state).await?;
    let (permit, _) = state.services.permit_account(&caller, who.account).await?;
    Ok((permit, who))
}

async fn reads(request: &HttpRequest, state: &State) -> Result<(crate::domain::access::Permit<ReadOwnSignIn>, SignedIn), Problem> {
    let (caller, who) = caller::half_way(request, state).await?;
    let (permit, _) = state.services.permit_account(&caller, who.account).await?;
    Ok((permit, who))
}

fn told(state: &State, (secret, codes): (Secret, Vec<Secret>)) -> HttpResponse {
    let recovery_codes = codes.iter().map(|code| code.expose().to_owned()).collect();
    HttpResponse::Created().cookie(caller::staff_cookie(state, Some(&secret))).json(RecoveryCodes { recovery_codes })
}

/// What one signs in with.
#[utoipa::path(get, path = "/api/v1/me/factors", tag = "Own sign-in", responses((status = 200, body = FactorsView), (status = 401, body = ProblemBody)))]
pub async fn factors(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (_, who) = reads(&request, &state).await?;
    let own = state.services.own_factors(&who).await?;
    let passkeys = own.passkeys.into_iter().map(|key| PasskeyView {
        id: key.id,
        name: key.name,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
    });
    Ok(HttpResponse::Ok().json(FactorsView {
        password_changed_at: own.password_changed_at,
        passkeys: passkeys.collect(),
        authenticator_app_added_at: own.app_added_at,
        recovery_codes_left: own.recovery_codes,
        required: own.required,
    }))
}

/// Change one's own password. One's other sign-in sessions end.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "Own sign-in", request_body = PasswordChange, responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn change_password(request: HttpRequest, state: web::Data<State>, body: web::Json<PasswordChange>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    let PasswordChange { current, password } = body.into_inner();
    let secret = state.services.change_password(&permit, &who, current, password).await?;
    Ok(HttpResponse::NoContent().cookie(caller::staff_cookie(&state, Some(&secret))).finish())
}

/// Begin to add a passkey.
#[utoipa::path(post, path = "/api/v1/me/passkeys/begin", tag = "Own sign-in", responses((status = 200, body = PasskeyOptions), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn begin_passkey(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    Ok(HttpResponse::Ok().json(state.services.begin_passkey(&permit, &who).await?))
}

/// Add the passkey that the browser made.
#[utoipa::path(post, path = "/api/v1/me/passkeys", tag = "Own sign-in", request_body = NewPasskey, responses((status = 201, body = RecoveryCodes), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn add_passkey(request: HttpRequest, state: web::Data<State>, body: web::Json<NewPasskey>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    let NewPasskey { name, passkey } = body.into_inner();
    Ok(told(&state, state.services.finish_passkey(&permit, &who, &name, passkey).await?))
}

/// Remove a passkey.
#[utoipa::path(post, path = "/api/v1/me/passkeys/{id}/remove", tag = "Own sign-in", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn remove_passkey(request: HttpRequest, state: web::Data<State>, id: web::Path<PasskeyId>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    state.services.remove_factor(&permit, &who, Some(*id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Begin to add an authenticator app.
#[utoipa::path(post, path = "/api/v1/me/authenticator-app/begin", tag = "Own sign-in", responses((status = 200, body = NewAppView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn begin_app(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    let new = state.services.begin_app(&permit, &who)?;
    let (secret, address) = (new.secret.expose().to_owned(), new.address.expose().to_owned());
    Ok(HttpResponse::Ok().json(NewAppView { secret, address, squares: new.squares }))
}

/// Add the authenticator app, with a code that it shows.
#[utoipa::path(post, path = "/api/v1/me/authenticator-app", tag = "Own sign-in", request_body = AppCode, responses((status = 201, body = RecoveryCodes), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn add_app(request: HttpRequest, state: web::Data<State>, body: web::Json<AppCode>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    Ok(told(&state, state.services.finish_app(&permit, &who, &body.code).await?))
}

/// Remove the authenticator app.
#[utoipa::path(post, path = "/api/v1/me/authenticator-app/remove", tag = "Own sign-in", responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn remove_app(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    state.services.remove_factor(&permit, &who, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replace one's recovery codes.
#[utoipa::path(post, path = "/api/v1/me/recovery-codes", tag = "Own sign-in", responses((status = 201, body = RecoveryCodes), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn recovery_codes(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = manages(&request, &state).await?;
    let codes = state.services.new_recovery_codes(&permit, &who).await?;
    Ok(HttpResponse::Created().json(RecoveryCodes { recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect() }))
}

/// Where one is signed in.
#[utoipa::path(get, path = "/api/v1/me/sign-in-sessions", tag = "Own sign-in", responses((status = 200, body = SessionsView), (status = 401, body = ProblemBody)))]
pub async fn sessions(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = reads(&request, &state).await?;
    let sessions = state.services.own_sessions(&permit, &who).await?.into_iter().map(|one| SessionView {
        id: one.session.id,
        client: one.session.origin.client,
        network: one.session.origin.network,
        method: one.session.origin.method,
        assurance: one.session.origin.assurance,
        created_at: one.session.created_at,
        last_used_at: one.last_used_at,
        expires_at: one.session.expires_at,
        current: one.current,
    });
    Ok(HttpResponse::Ok().json(SessionsView { sessions: sessions.collect() }))
}

/// End one of one's own sign-in sessions.
#[utoipa::path(post, path = "/api/v1/me/sign-in-sessions/{id}/end", tag = "Own sign-in", params(("id" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn end_session(request: HttpRequest, state: web::Data<State>, id: web::Path<SignInSessionId>) -> Answer {
    let asking = asking(&request, &state, None).await?;
    let written = Box::pin(async {
        let Actor::Account { id: account, .. } = asking.caller.actor else { return Err(ServiceError::Unauthenticated) };
        let (permit, _) = state.services.permit_account::<ReadOwnSignIn>(&asking.caller, account).await?;
        state.services.end_own_session(&permit, account, *id).await
    });
    Ok(match asking.protect(&state, Some(Act::EndSession { session: *id }), written).await? {
        Protected::Done(()) => HttpResponse::NoContent().finish(),
        Protected::Pending => pending(),
    })
}

/// End all of one's sign-in sessions but this one.
#[utoipa::path(post, path = "/api/v1/me/sign-in-sessions/end-others", tag = "Own sign-in", responses((status = 204), (status = 401, body = ProblemBody)))]
pub async fn end_others(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (permit, who) = reads(&request, &state).await?;
    state.services.end_other_sessions(&permit, &who).await?;
    Ok(HttpResponse::NoContent().finish())
}
