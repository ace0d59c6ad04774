//! Break-glass: taking and giving back emergency access, and seeing which were taken.

use crate::domain::access::{ConfirmEmergency, ReadConsultation, ReadEmergencies, TakeEmergencyAccess};
use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId};
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations/{id}/emergency-access").route(web::get().to(own)).route(web::post().to(take)))
        .service(web::resource("/consultations/{id}/emergency-access/end").route(web::post().to(end)))
        .service(web::resource("/emergency-accesses").route(web::get().to(list)))
        .service(web::resource("/emergency-accesses/unseen").route(web::get().to(unseen)))
        .service(web::resource("/emergency-accesses/{id}/seen").route(web::post().to(seen)));
}

/// Why, and that it is meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Taking {
    /// `patient_in_danger`, `clinician_unavailable` or `public_health`.
    reason: String,
    /// In one's own words.
    words: String,
    /// That the page asked a second time.
    confirmed: bool,
}

/// An emergency access that is held.
#[derive(Serialize, ToSchema)]
pub struct Held {
    #[schema(value_type = Option<String>)]
    id: Option<EmergencyAccessId>,
    /// Until when; `null` if none is held.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
}

/// An emergency access.
#[derive(Serialize, ToSchema)]
pub struct EmergencyView {
    #[schema(value_type = String)]
    id: EmergencyAccessId,
    #[schema(value_type = String)]
    account_id: AccountId,
    account_name: String,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    reason: String,
    /// In their own words; `null` once the patient's keys are destroyed.
    words: Option<String>,
    #[schema(value_type = String)]
    taken_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>)]
    ended_at: Option<Timestamp>,
    seen_by: Option<String>,
    #[schema(value_type = Option<String>)]
    seen_at: Option<Timestamp>,
}

/// Every emergency access, newest first.
#[derive(Serialize, ToSchema)]
pub struct Emergencies {
    emergencies: Vec<EmergencyView>,
}

/// How many nobody has confirmed having seen.
#[derive(Serialize, ToSchema)]
pub struct Unseen {
    unseen: usize,
}

/// Take emergency access to a colleague's consultation.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/emergency-access", tag = "Emergency access", params(("id" = String, Path)), request_body = Taking, responses((status = 201, body = Held), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 410, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn take(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>, body: web::Json<Taking>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, consultation) = state.services.permit_consultation::<TakeEmergencyAccess>(&caller, *id).await?;
    let Taking { reason, words, confirmed } = body.into_inner();
    let access = state.services.take_emergency_access(&permit, &consultation, &reason, &words, confirmed).await?;
    Ok(HttpResponse::Created().json(Held { id: Some(access.id), expires_at: Some(access.expires_at) }))
}

/// The emergency access one holds to a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/emergency-access", tag = "Emergency access", params(("id" = String, Path)), responses((status = 200, body = Held), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn own(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, _) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    let held = state.services.own_emergency(&permit, *id).await?;
    Ok(HttpResponse::Ok().json(Held { id: held.as_ref().map(|h| h.id), expires_at: held.map(|h| h.expires_at) }))
}

/// Give emergency access back.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/emergency-access/end", tag = "Emergency access", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn end(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    state.services.end_emergency_access(&permit, &consultation).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Every emergency access.
#[utoipa::path(get, path = "/api/v1/emergency-accesses", tag = "Emergency access", responses((status = 200, body = Emergencies), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadEmergencies>(&caller).await?;
    // the reason in words may speak of the patient: administrators see it, who answer for it; auditors see nothing clinical
    let with_words =
        matches!(caller.actor, crate::domain::access::Actor::Account { role: crate::domain::access::AccountRole::Administrator, .. });
    let emergencies = state.services.emergencies(&permit).await?.into_inner().into_iter().map(|open| EmergencyView {
        id: open.access.id,
        account_id: open.access.account,
        account_name: open.account_name,
        consultation_id: open.access.consultation,
        reason: open.access.reason,
        words: open.words.filter(|_| with_words),
        taken_at: open.access.taken_at,
        expires_at: open.access.expires_at,
        ended_at: open.access.ended_at,
        seen_by: open.seen_by_name,
        seen_at: open.access.seen_at,
    });
    Ok(HttpResponse::Ok().json(Emergencies { emergencies: emergencies.collect() }))
}

/// How many emergency accesses nobody has confirmed having seen. A page may ask this often.
#[utoipa::path(get, path = "/api/v1/emergency-accesses/unseen", tag = "Emergency access", responses((status = 200, body = Unseen), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn unseen(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::unattended(&request, &state).await?;
    let permit = state.services.permit::<ReadEmergencies>(&caller).await?;
    Ok(HttpResponse::Ok().json(Unseen { unseen: state.services.unseen_emergencies(&permit).await? }))
}

/// Confirm having seen one.
#[utoipa::path(post, path = "/api/v1/emergency-accesses/{id}/seen", tag = "Emergency access", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn seen(request: HttpRequest, state: web::Data<State>, id: web::Path<EmergencyAccessId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ConfirmEmergency>(&caller).await?;
    state.services.confirm_emergency(&permit, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
