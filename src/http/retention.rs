//! The retention schedule and what it means.

use crate::domain::access::ReadRetention;
use crate::domain::id::{ConsultationId, RecordingId};
use crate::domain::recording::State as Standing;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/retention").route(web::get().to(read)));
}

/// The schedule in force and its meaning.
#[derive(Serialize, ToSchema)]
pub struct Retention {
    digest: String,
    #[schema(value_type = Vec<Object>)]
    classes: Vec<crate::domain::retention::Class>,
    recordings: Vec<RetainedRecording>,
}

/// What it means for one recording.
#[derive(Serialize, ToSchema)]
pub struct RetainedRecording {
    #[schema(value_type = String)]
    recording_id: RecordingId,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = Option<String>)]
    started_at: Option<Timestamp>,
    #[schema(value_type = String)]
    state: Standing,
    class: String,
    #[schema(value_type = Option<String>)]
    due_at: Option<Timestamp>,
}

/// The retention schedule in force, and what it means for each recording.
#[utoipa::path(get, path = "/api/v1/retention", tag = "Policies", responses((status = 200, body = Retention), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn read(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadRetention>(&caller).await?;
    let view = state.services.retention(&permit).await?.into_inner();
    let recordings = view.recordings.into_iter().map(|listed| RetainedRecording {
        recording_id: listed.recording.id,
        consultation_id: listed.recording.consultation,
        started_at: listed.recording.started_at,
        state: listed.recording.state,
        class: listed.recording.retention_class,
        due_at: listed.due_at,
    });
    Ok(HttpResponse::Ok().json(Retention { digest: view.digest, classes: view.classes, recordings: recordings.collect() }))
}
