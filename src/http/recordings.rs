//! Recordings: asking for one, stopping it, and what there is.

use crate::domain::access::{ListRecordings, ReadConsultation, RequestRecording, ReviewWithdrawal};
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::recording::{AfterWithdrawal, State as Standing};
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::protective::{PendingView, asking, pending};
use crate::http::{Answer, State, caller};
use crate::services::error::ServiceError;
use crate::services::protective::{Act, Protected};
use crate::services::recordings::ListedRecording;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations/{id}/recordings").route(web::get().to(of_consultation)).route(web::post().to(ask)))
        .service(web::resource("/recordings").route(web::get().to(list)))
        .service(web::resource("/recordings/{id}").route(web::get().to(read)))
        .service(web::resource("/recordings/{id}/stop").route(web::post().to(stop)))
        .service(web::resource("/recordings/{id}/review").route(web::post().to(review)));
}

/// A recording.
#[derive(Serialize, ToSchema)]
pub struct RecordingView {
    #[schema(value_type = String)]
    id: RecordingId,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = String)]
    state: Standing,
    #[schema(value_type = String)]
    requested_at: Timestamp,
    #[schema(value_type = Option<String>)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    stopped_at: Option<Timestamp>,
    duration_ms: i64,
    bytes: i64,
    participants: Vec<Recorded>,
    retention: Retained,
    policy_digest: String,
    /// The consent text it was asked with.
    text: String,
    /// Its version.
    version: String,
    /// Where someone withdrew: `keep`, `keep_until_review` or `destroy`.
    #[schema(value_type = Option<String>)]
    withdrawn: Option<AfterWithdrawal>,
}

/// What to ask with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecording {
    /// Name of the consent text: what is asked for stands in it. `recording-audio-video` if not said.
    text: Option<String>,
}

/// What becomes of a recording from which someone withdrew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// `keep` or `destroy`.
    outcome: ReviewOutcome,
}

/// The two ways a review can end.
#[derive(Deserialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It is kept and can be watched again.
    Keep,
    /// Its keys and media are destroyed.
    Destroy,
}

/// Someone who decided about a recording.
#[derive(Serialize, ToSchema)]
pub struct Recorded {
    #[schema(value_type = String)]
    id: ParticipantId,
    #[schema(value_type = String)]
    role: Role,
}

/// How long it is kept.
#[derive(Serialize, ToSchema)]
pub struct Retained {
    class: String,
    keep_days: Option<u32>,
    #[schema(value_type = Option<String>)]
    due_at: Option<Timestamp>,
}

/// Recordings.
#[derive(Serialize, ToSchema)]
pub struct Recordings {
    recordings: Vec<RecordingView>,
}

impl From<ListedRecording> for RecordingView {
    fn from(listed: ListedRecording) -> Self {
        let r = listed.recording;
        Self {
            id: r.id,
            consultation_id: r.consultation,
            state: r.state,
            requested_at: r.requested_at,
            started_at: r.started_at,
            stopped_at: r.stopped_at,
            duration_ms: r.duration_ms,
            bytes: r.bytes,
            participants: listed.participants.into_iter().map(|(id, role)| Recorded { id, role }).collect(),
            retention: Retained { class: r.retention_class, keep_days: listed.keep_days, due_at: listed.due_at },
            policy_digest: r.policy_digest,
            text: r.text,
            version: r.version,
            withdrawn: r.withdrawn,
        }
    }
}

/// Ask everyone in the call for a recording.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/recordings", tag = "Recordings", params(("id" = String, Path)), request_body = NewRecording, responses((status = 201, body = RecordingView), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn ask(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>, body: web::Json<NewRecording>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<RequestRecording>(&caller, *id).await?;
    if state.gateway.presence(*id).in_call == 0 {
        return Err(ServiceError::Conflict("Join the call before asking to record.").into());
    }
    let recording = state.services.request_recording(&permit, &consultation, body.text.as_deref()).await?;
    let listed = ListedRecording { recording, participants: Vec::new(), keep_days: None, due_at: None };
    Ok(HttpResponse::Created().json(RecordingView::from(listed)))
}

/// The recordings of one consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/recordings", tag = "Recordings", params(("id" = String, Path)), responses((status = 200, body = Recordings), (status = 403, body = ProblemBody)))]
pub async fn of_consultation(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    let recordings = state.services.recordings_of(&permit, &consultation).await?.into_inner();
    Ok(HttpResponse::Ok().json(Recordings { recordings: recordings.into_iter().map(RecordingView::from).collect() }))
}

/// The recordings one may know of.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "Recordings", responses((status = 200, body = Recordings), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ListRecordings>(&caller).await?;
    let recordings = state.services.recordings(&permit).await?.into_inner();
    Ok(HttpResponse::Ok().json(Recordings { recordings: recordings.into_iter().map(RecordingView::from).collect() }))
}

/// One of the recordings one may know of.
#[utoipa::path(get, path = "/api/v1/recordings/{id}", tag = "Recordings", params(("id" = String, Path)), responses((status = 200, body = RecordingView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn read(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ListRecordings>(&caller).await?;
    let found = state.services.recording(&permit, *id).await?.into_inner();
    Ok(HttpResponse::Ok().json(RecordingView::from(found)))
}

/// Stop a recording, or take the request back.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/stop", tag = "Recordings", params(("id" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn stop(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>) -> Answer {
    let of = match state.services.last_known().consultation(*id) {
        Some(known) => known,
        None => state.services.consultation_of_recording(*id).await?,
    };
    let asking = asking(&request, &state, Some(of)).await?;
    let written = Box::pin(async {
        let (permit, consultation) = state.services.permit_consultation::<RequestRecording>(&asking.caller, of).await?;
        state.services.stop_recording(&permit, &consultation, *id).await
    });
    Ok(match asking.protect(&state, Some(Act::Stop { consultation: of, recording: *id }), written).await? {
        Protected::Done(()) => HttpResponse::NoContent().finish(),
        Protected::Pending => pending(),
    })
}

/// Decide what becomes of a recording from which someone withdrew.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/review", tag = "Recordings", params(("id" = String, Path)), request_body = NewReview, responses((status = 204), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn review(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>, body: web::Json<NewReview>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, _) = state.services.permit_recording::<ReviewWithdrawal>(&caller, *id).await?;
    state.services.review_withdrawal(&permit, *id, body.outcome == ReviewOutcome::Destroy).await?;
    Ok(HttpResponse::NoContent().finish())
}
