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
/// A sign-in that is half-way.
pub const SIGN_IN: &str = "bedside-sign-in";
/// A visit at an identity provider.
pub const VISIT: &str = "bedside-visit";
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

/// A member of staff who may still have to set up a second factor: good for that alone.
///
/// # Errors
/// If nobody is signed in.
pub async fn half_way(request: &HttpRequest, state: &State) -> Result<(Caller, SignedIn), Problem> {
    let secret = cookie(request, state, STAFF).ok_or(ServiceError::Unauthenticated)?;
    let signed_in = state.services.signed_in(&secret, false).await?;
    Ok((acting(request, signed_in.actor()), signed_in))
}

async fn identify(request: &HttpRequest, state: &State, unattended: bool) -> Result<(Caller, SignedIn), Problem> {
    let secret = cookie(request, state, STAFF).ok_or(ServiceError::Unauthenticated)?;
    let signed_in = state.services.signed_in(&secret, unattended).await?;
    match signed_in.missing {
        Some(missing) => Err(ServiceError::Missing(missing).into()),
        None => Ok((acting(request, signed_in.actor()), signed_in)),
    }
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
    if let Some(actor) = participant(request, state, consultation).await? {
        return Ok(acting(request, actor));
    }
    // a place in another consultation: the operation will refuse it, on the record
    match participants(request, state).await.into_iter().next() {
        Some(actor) => Ok(acting(request, actor)),
        None => Err(refusal),
    }
}

/// The participant this browser is in a consultation, if it is one.
///
/// # Errors
/// If the database cannot say it.
pub async fn participant(request: &HttpRequest, state: &State, consultation: ConsultationId) -> Result<Option<Actor>, Problem> {
    let Some(secret) = cookie(request, state, &format!("{PARTICIPANT}{consultation}")) else { return Ok(None) };
    match state.services.participant_of(&secret).await {
        Ok(actor) => Ok(Some(actor)),
        Err(unavailable @ ServiceError::AuditUnavailable { .. }) => Err(unavailable.into()),
        Err(_) => Ok(None),
    }
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

/// A cookie for something that was begun, or its removal. That of a visit must come along when another site sends the browser back.
#[must_use]
pub fn ceremony_cookie(state: &State, plain: &str, secret: Option<&Secret>) -> Cookie<'static> {
    let mut cookie = make(state, name(state, plain), secret);
    if plain == VISIT {
        cookie.set_same_site(SameSite::Lax);
    }
    cookie
}

/// The secret of something that was begun in this browser.
#[must_use]
pub fn ceremony(request: &HttpRequest, state: &State, plain: &str) -> Option<Secret> {
    cookie(request, state, plain)
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

/// Who a request came from when the database could last say it: for acts that protect someone, while it cannot.
#[must_use]
pub fn last_known(request: &HttpRequest, state: &State, consultation: Option<ConsultationId>) -> Option<Caller> {
    let staff = cookie(request, state, STAFF);
    let participant = consultation.and_then(|id| cookie(request, state, &format!("{PARTICIPANT}{id}")));
    let only_participant = request.headers().get(AS).is_some_and(|value| value == "participant");
    let actor =
        staff.filter(|_| !only_participant).into_iter().chain(participant).find_map(|secret| state.services.last_known_actor(&secret))?;
    Some(acting(request, actor))
}

fn acting(request: &HttpRequest, actor: Actor) -> Caller {
    let network = request.peer_addr().map(|address| address.ip().to_string());
    let id = request.extensions().get::<RequestId>().copied();
    let client = request.headers().get(actix_web::http::header::USER_AGENT).and_then(|value| value.to_str().ok()).map(browser);
    Caller { actor, network, client, request: id, emergency: None }
}

/// A browser in a few words, such as `Firefox on Windows`. The rest of what it says of itself is nobody's business.
fn browser(agent: &str) -> String {
    let first =
        |all: &[(&'static str, &'static str)], other| all.iter().find(|(mark, _)| agent.contains(mark)).map_or(other, |(_, name)| *name);
    let browser = first(
        &[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("FxiOS", "Firefox"),
            ("Chrom", "Chrome"),
            ("CriOS", "Chrome"),
            ("Safari/", "Safari"),
        ],
        "a program",
    );
    let system = first(
        &[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ],
        "an unknown system",
    );
    format!("{browser} on {system}")
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_told_in_a_few_words() {
        for (agent, words) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.5", "a program on an unknown system"),
        ] {
            assert_eq!(browser(agent), words);
        }
    }
}
