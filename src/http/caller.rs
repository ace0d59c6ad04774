//! Who is asking: from the cookies of a request to a [`Caller`].
//!
//! Staff have one cookie, participants one for each consultation. A page of the patient's journey says `Bedside-As: participant`, so that
//! someone who is signed in can try a link in the same browser.

use crate::domain::access::{Actor, Caller};
use crate::domain::id::{ConsultationId, RequestId};
use crate::domain::secret::Secret;
use crate::http::State;
use crate::http::problem::Problem;
use crate::services::error::ServiceError;
use crate::services::sign_in::SignedIn;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpMessage, HttpRequest};

const STAFF: &str = "bedside-staff";
const PARTICIPANT: &str = "bedside-participant-";
const AS: &str = "bedside-as";

/// A request by nobody in particular.
#[must_use]
pub fn anonymous(request: &HttpRequest) -> Caller {
    acting(request, Actor::Anonymous)
}

/// A member of staff.
///
/// # Errors
/// If nobody is signed in.
pub async fn staff(request: &HttpRequest, state: &State) -> Result<(Caller, SignedIn), Problem> {
    identify(request, state, false).await
}

/// A member of staff whose page asks by itself: that does not keep the sign-in session alive.
///
/// # Errors
/// If nobody is signed in.
pub async fn unattended(request: &HttpRequest, state: &State) -> Result<(Caller, SignedIn), Problem> {
    identify(request, state, true).await
}

async fn identify(request: &HttpRequest, state: &State, unattended: bool) -> Result<(Caller, SignedIn), Problem> {
    let secret = cookie(request, state, STAFF).ok_or(ServiceError::Unauthenticated)?;
    let signed_in = state.services.signed_in(&secret, unattended).await?;
    Ok((acting(request, signed_in.actor()), signed_in))
}

/// Staff or a participant, whoever fits the consultation.
///
/// # Errors
/// If the request comes from neither.
pub async fn anyone(request: &HttpRequest, state: &State, consultation: ConsultationId) -> Result<Caller, Problem> {
    let only_participant = request.headers().get(AS).is_some_and(|value| value == "participant");
    let mut refusal = Problem::from(ServiceError::Unauthenticated);
    if !only_participant && cookie(request, state, STAFF).is_some() {
        match staff(request, state).await {
            Ok((caller, _)) => return Ok(caller),
            Err(problem) => refusal = problem,
        }
    }
    if let Some(actor) = participant(request, state, consultation).await {
        return Ok(acting(request, actor));
    }
    // a place in another consultation: the operation will refuse it, on the record
    match participants(request, state).await.into_iter().next() {
        Some(actor) => Ok(acting(request, actor)),
        None => Err(refusal),
    }
}

/// The participant this browser is in a consultation, if it is one.
pub async fn participant(request: &HttpRequest, state: &State, consultation: ConsultationId) -> Option<Actor> {
    let secret = cookie(request, state, &format!("{PARTICIPANT}{consultation}"))?;
    state.services.participant_of(&secret).await.ok()
}

/// Everyone this browser may act as: for the signaling connection, whose ticket says who of them it is.
pub async fn everyone(request: &HttpRequest, state: &State) -> Vec<Caller> {
    let mut callers: Vec<Caller> = staff(request, state).await.map(|(caller, _)| caller).into_iter().collect();
    callers.extend(participants(request, state).await.into_iter().map(|actor| acting(request, actor)));
    callers
}

async fn participants(request: &HttpRequest, state: &State) -> Vec<Actor> {
    let prefix = name(state, PARTICIPANT);
    let secrets: Vec<Secret> = request
        .cookies()
        .map(|all| all.iter().filter(|c| c.name().starts_with(&prefix)).take(16).map(|c| Secret::new(c.value().to_owned())).collect())
        .unwrap_or_default();
    let mut actors = Vec::new();
    for secret in secrets {
        if let Ok(actor) = state.services.participant_of(&secret).await {
            actors.push(actor);
        }
    }
    actors
}

/// The staff cookie, or its removal.
#[must_use]
pub fn staff_cookie(state: &State, secret: Option<&Secret>) -> Cookie<'static> {
    make(state, name(state, STAFF), secret)
}

/// A participant's cookie.
#[must_use]
pub fn participant_cookie(state: &State, consultation: ConsultationId, secret: &Secret) -> Cookie<'static> {
    make(state, name(state, &format!("{PARTICIPANT}{consultation}")), Some(secret))
}

fn make(state: &State, name: String, secret: Option<&Secret>) -> Cookie<'static> {
    let mut cookie = Cookie::build(name, secret.map(|s| s.expose().to_owned()).unwrap_or_default())
        .path("/")
        .http_only(true)
        .secure(is_https(state))
        .same_site(SameSite::Strict)
        .finish();
    if secret.is_none() {
        cookie.make_removal();
    }
    cookie
}

fn is_https(state: &State) -> bool {
    state.services.settings.public_origin.starts_with("https://")
}

/// `__Host-` needs a secure connection; plain loopback does without.
fn name(state: &State, name: &str) -> String {
    if is_https(state) { format!("__Host-{name}") } else { name.to_owned() }
}

fn cookie(request: &HttpRequest, state: &State, plain: &str) -> Option<Secret> {
    request.cookie(&name(state, plain)).map(|cookie| Secret::new(cookie.value().to_owned()))
}

fn acting(request: &HttpRequest, actor: Actor) -> Caller {
    let network = request.peer_addr().map(|address| address.ip().to_string());
    let id = request.extensions().get::<RequestId>().copied();
    Caller { actor, network, request: id }
}
