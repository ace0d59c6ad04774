//! Consultations.

use crate::domain::access::{
    AccountRole, CancelConsultation, CreateConsultation, ListAllConsultations, ListConsultations, ManageConsultation, ReadConsultation,
    ScheduleConsultation,
};
use crate::domain::id::{AccountId, ConsultationId, PatientId};
use crate::domain::time::Timestamp;
use crate::http::patients::PatientView;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::{Answer, State, caller};
use crate::services::consultations::{OpenConsultation, Transition};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/clinicians").route(web::get().to(clinicians)))
        .service(web::resource("/consultations/waiting").route(web::get().to(waiting)))
        .service(web::resource("/consultations/{id}").route(web::get().to(read)))
        .service(web::resource("/consultations/{id}/start").route(web::post().to(start)))
        .service(web::resource("/consultations/{id}/end").route(web::post().to(end)))
        .service(web::resource("/consultations/{id}/cancel").route(web::post().to(cancel)));
}

/// A consultation.
#[derive(Serialize, ToSchema)]
pub struct ConsultationView {
    #[schema(value_type = String)]
    id: ConsultationId,
    status: &'static str,
    /// Whom it is about; null once their keys are destroyed.
    patient: Option<PatientView>,
    practitioner: Practitioner,
    #[schema(value_type = String)]
    starts_at: Timestamp,
    #[schema(value_type = Option<String>)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// How many wait in the lobby now.
    waiting: usize,
}

/// The clinician of a consultation.
#[derive(Serialize, ToSchema)]
pub struct Practitioner {
    #[schema(value_type = String)]
    id: AccountId,
    display_name: String,
}

/// A consultation to be entered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsultation {
    #[schema(value_type = String)]
    patient_id: PatientId,
    /// RFC 3339; null begins it now.
    #[schema(value_type = Option<String>)]
    starts_at: Option<Timestamp>,
    /// For whom a scheduler plans it; clinicians leave it out, theirs are their own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    practitioner_id: Option<AccountId>,
}

/// A clinician for whom a consultation can be planned.
#[derive(Serialize, ToSchema)]
pub struct Clinicians {
    clinicians: Vec<Practitioner>,
}

/// One's own consultations.
#[derive(Serialize, ToSchema)]
pub struct Consultations {
    consultations: Vec<ConsultationView>,
}

/// Who waits where.
#[derive(Serialize, ToSchema)]
pub struct Waiting {
    waiting: Vec<WaitingIn>,
}

/// How many wait in one consultation.
#[derive(Serialize, ToSchema)]
pub struct WaitingIn {
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    waiting: usize,
}

fn view(state: &State, open: OpenConsultation) -> ConsultationView {
    let c = open.consultation;
    ConsultationView {
        id: c.id,
        status: c.state.as_str(),
        patient: open.patient.map(PatientView::from),
        practitioner: Practitioner { id: c.practitioner, display_name: open.practitioner_name },
        starts_at: c.starts_at,
        started_at: c.state.started_at(),
        ended_at: c.state.ended_at(),
        created_at: c.created_at,
        waiting: state.gateway.presence(c.id).waiting,
    }
}

/// One's own consultations, newest first; a scheduler's are everyone's.
#[utoipa::path(get, path = "/api/v1/consultations", tag = "Consultations", responses((status = 200, body = Consultations), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, who) = caller::staff(&request, &state).await?;
    let consultations = if who.role == AccountRole::Scheduler {
        let permit = state.services.permit::<ListAllConsultations>(&caller).await?;
        state.services.all_consultations(&permit).await?.into_inner()
    } else {
        let permit = state.services.permit::<ListConsultations>(&caller).await?;
        state.services.consultations(&permit).await?.into_inner()
    };
    Ok(HttpResponse::Ok().json(Consultations { consultations: consultations.into_iter().map(|c| view(&state, c)).collect() }))
}

/// In which of one's own consultations someone waits. Tells nothing of a patient, so that a page may ask often.
#[utoipa::path(get, path = "/api/v1/consultations/waiting", tag = "Consultations", responses((status = 200, body = Waiting), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn waiting(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::unattended(&request, &state).await?;
    let permit = state.services.permit::<ListConsultations>(&caller).await?;
    let own = state.services.own_consultations(&permit).await?;
    let waiting =
        own.into_iter().map(|id| WaitingIn { consultation_id: id, waiting: state.gateway.presence(id).waiting }).filter(|w| w.waiting > 0);
    Ok(HttpResponse::Ok().json(Waiting { waiting: waiting.collect() }))
}

/// Enter a consultation.
#[utoipa::path(post, path = "/api/v1/consultations", tag = "Consultations", request_body = NewConsultation, responses((status = 201, body = ConsultationView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn create(request: HttpRequest, state: web::Data<State>, body: web::Json<NewConsultation>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let open = if let Some(practitioner) = body.practitioner_id {
        let permit = state.services.permit::<ScheduleConsultation>(&caller).await?;
        let starts_at = body.starts_at.ok_or_else(|| Problem::field("starts_at", "is needed to plan for someone else"))?;
        state.services.schedule_consultation(&permit, practitioner, body.patient_id, starts_at).await?
    } else {
        let permit = state.services.permit::<CreateConsultation>(&caller).await?;
        state.services.create_consultation(&permit, body.patient_id, body.starts_at).await?
    };
    Ok(HttpResponse::Created().json(view(&state, open)))
}

/// One consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}", tag = "Consultations", params(("id" = String, Path)), responses((status = 200, body = ConsultationView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn read(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    let open = state.services.consultation(&permit, consultation).await?.into_inner();
    Ok(HttpResponse::Ok().json(view(&state, open)))
}

async fn change(request: &HttpRequest, state: &State, id: ConsultationId, transition: Transition) -> Answer {
    let caller = caller::anyone(request, state, id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ManageConsultation>(&caller, id).await?;
    let open = state.services.change_consultation(&permit, consultation, transition).await?;
    Ok(HttpResponse::Ok().json(view(state, open)))
}

/// Begin a planned consultation.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/start", tag = "Consultations", params(("id" = String, Path)), responses((status = 200, body = ConsultationView), (status = 409, body = ProblemBody)))]
pub async fn start(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    change(&request, &state, *id, Transition::Start).await
}

/// End a consultation for all.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/end", tag = "Consultations", params(("id" = String, Path)), responses((status = 200, body = ConsultationView), (status = 409, body = ProblemBody)))]
pub async fn end(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    change(&request, &state, *id, Transition::End).await
}

/// Call a planned consultation off.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/cancel", tag = "Consultations", params(("id" = String, Path)), responses((status = 200, body = ConsultationView), (status = 409, body = ProblemBody)))]
pub async fn cancel(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<CancelConsultation>(&caller, *id).await?;
    let open = state.services.cancel_consultation(&permit, consultation).await?;
    Ok(HttpResponse::Ok().json(view(&state, open)))
}

/// The clinicians for whom a consultation can be planned.
#[utoipa::path(get, path = "/api/v1/clinicians", tag = "Consultations", responses((status = 200, body = Clinicians), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn clinicians(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ListAllConsultations>(&caller).await?;
    let clinicians = state.services.clinicians(&permit).await?.into_iter().map(|(id, display_name)| Practitioner { id, display_name });
    Ok(HttpResponse::Ok().json(Clinicians { clinicians: clinicians.collect() }))
}
