//! Consent texts, and decisions about recordings.

use crate::domain::access::DecideConsent;
use crate::domain::consent::{Decision, TextShown};
use crate::domain::id::{ConsultationId, RecordingId};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::{Answer, State, caller};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consent-texts/{text}").route(web::get().to(text)))
        .service(web::resource("/recordings/{id}/decision").route(web::post().to(decide)))
        .service(web::resource("/recordings/{id}/withdraw").route(web::post().to(withdraw)));
}

/// Which version, in which language.
#[derive(Deserialize)]
pub struct Wanted {
    version: Option<String>,
    language: Option<String>,
}

/// The exact words to be shown.
#[derive(Serialize, ToSchema)]
pub struct ConsentTextView {
    text: String,
    version: String,
    language: String,
    title: String,
    /// Markdown: paragraphs, `##` headings, `-` lists, `**bold**`.
    body: String,
    /// SHA-256 of the file: a decision names it.
    digest: String,
    purpose: String,
    legal_basis: String,
    required: bool,
    status: String,
}

/// A decision about a recording, naming the words that were shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    /// `permit` or `deny`.
    #[schema(value_type = String)]
    decision: Decision,
    text: String,
    version: String,
    language: String,
    digest: String,
}

/// A consent text in force.
#[utoipa::path(get, path = "/api/v1/consent-texts/{text}", tag = "Consent", params(("text" = String, Path), ("version" = Option<String>, Query), ("language" = Option<String>, Query)), responses((status = 200, body = ConsentTextView), (status = 404, body = ProblemBody)))]
pub async fn text(state: web::Data<State>, name: web::Path<String>, wanted: web::Query<Wanted>) -> Answer {
    let found = state.services.consent_text(&name, wanted.version.as_deref(), wanted.language.as_deref().unwrap_or("en"))?;
    Ok(HttpResponse::Ok().json(ConsentTextView {
        text: found.text,
        version: found.version,
        language: found.language,
        title: found.title,
        body: found.body,
        digest: found.digest,
        purpose: found.purpose,
        legal_basis: found.legal_basis,
        required: found.required,
        status: found.status,
    }))
}

async fn of(state: &State, id: RecordingId) -> Result<ConsultationId, Problem> {
    Ok(state.services.consultation_of_recording(id).await?)
}

/// Decide about a recording.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/decision", tag = "Consent", params(("id" = String, Path)), request_body = NewDecision, responses((status = 204), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn decide(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>, body: web::Json<NewDecision>) -> Answer {
    let caller = caller::anyone(&request, &state, of(&state, *id).await?).await?;
    let (permit, recording) = state.services.permit_recording::<DecideConsent>(&caller, *id).await?;
    let NewDecision { decision, text, version, language, digest } = body.into_inner();
    state.services.decide(&permit, recording, decision, TextShown { text, version, language, digest }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Withdraw one's consent; the recording stops at once.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/withdraw", tag = "Consent", params(("id" = String, Path)), responses((status = 204), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn withdraw(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>) -> Answer {
    let caller = caller::anyone(&request, &state, of(&state, *id).await?).await?;
    let (permit, recording) = state.services.permit_recording::<DecideConsent>(&caller, *id).await?;
    state.services.withdraw(&permit, recording).await?;
    Ok(HttpResponse::NoContent().finish())
}
