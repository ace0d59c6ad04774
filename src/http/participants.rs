//! Participants: introducing oneself, tickets, admitting and removing, leaving.

use crate::domain::access::{JoinConsultation, ManageParticipants, ReadConsultation};
use crate::domain::id::{ConsultationId, ParticipantId};
use crate::domain::participant::{Capability, Place, Role};
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::protective::{PendingView, asking, pending};
use crate::http::{Answer, State, caller};
use crate::services::participants::{OpenParticipant, Verdict};
use crate::services::protective::{Act, Protected};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations/{id}/participants").route(web::get().to(list)))
        .service(web::resource("/consultations/{id}/participants/me").route(web::get().to(myself)).route(web::put().to(introduce)))
        .service(web::resource("/consultations/{id}/participants/me/device-code").route(web::post().to(device_code)))
        .service(web::resource("/consultations/{id}/participants/{participant}/admit").route(web::post().to(admit)))
        .service(web::resource("/consultations/{id}/participants/{participant}/turn-away").route(web::post().to(turn_away)))
        .service(web::resource("/consultations/{id}/participants/{participant}/remove").route(web::post().to(remove)))
        .service(web::resource("/consultations/{id}/join-tickets").route(web::post().to(ticket)))
        .service(web::resource("/consultations/{id}/leave").route(web::post().to(leave)));
}

/// A participant.
#[derive(Serialize, ToSchema)]
pub struct ParticipantView {
    #[schema(value_type = String)]
    id: ParticipantId,
    name: Option<String>,
    #[schema(value_type = String)]
    role: Role,
    #[schema(value_type = String)]
    place: Place,
    #[schema(value_type = Option<String>)]
    joined_at: Option<Timestamp>,
}

/// Everyone of a consultation.
#[derive(Serialize, ToSchema)]
pub struct Participants {
    participants: Vec<ParticipantView>,
}

/// Oneself in a consultation.
#[derive(Serialize, ToSchema)]
pub struct Myself {
    #[schema(value_type = String)]
    id: ParticipantId,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = String)]
    role: Role,
    name: Option<String>,
    #[schema(value_type = String)]
    place: Place,
    practitioner_name: String,
    clinic_name: String,
    /// What one may do in the call.
    capabilities: Vec<&'static str>,
}

/// A code with which one's place is moved to another device, where one's link is opened.
#[derive(Serialize, ToSchema)]
pub struct DeviceCode {
    code: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

/// One's name and language.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    name: String,
    language: String,
}

/// A single-use ticket for the signaling connection.
#[derive(Serialize, ToSchema)]
pub struct Ticket {
    ticket: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

/// Everyone of a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/participants", tag = "Participants", params(("id" = String, Path)), responses((status = 200, body = Participants), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    let all = state.services.participants(&permit, &consultation).await?.into_inner();
    let all = all.into_iter().map(|OpenParticipant { participant: p, name }| ParticipantView {
        id: p.id,
        name,
        role: p.role,
        place: p.place,
        joined_at: p.joined_at,
    });
    Ok(HttpResponse::Ok().json(Participants { participants: all.collect() }))
}

fn own_view(state: &State, (me, practitioner_name): (OpenParticipant, String)) -> Myself {
    let OpenParticipant { participant: p, name } = me;
    let clinic_name = state.services.settings.clinic_name.clone();
    let capabilities = p.capabilities.iter().map(Capability::as_str).collect();
    Myself { id: p.id, consultation_id: p.consultation, role: p.role, name, place: p.place, practitioner_name, clinic_name, capabilities }
}

/// Make a code with which one's place is moved to another device.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/participants/me/device-code", tag = "Participants", params(("id" = String, Path)), responses((status = 201, body = DeviceCode), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn device_code(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&caller, *id).await?;
    let (code, expires_at) = state.services.make_device_code(&permit, &consultation).await?;
    Ok(HttpResponse::Created().json(DeviceCode { code: code.expose().to_owned(), expires_at }))
}

/// Oneself in a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/participants/me", tag = "Participants", params(("id" = String, Path)), responses((status = 200, body = Myself), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn myself(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&caller, *id).await?;
    let me = state.services.myself(&permit, &consultation).await?;
    Ok(HttpResponse::Ok().json(own_view(&state, me)))
}

/// Say one's name and come to the lobby.
#[utoipa::path(put, path = "/api/v1/consultations/{id}/participants/me", tag = "Participants", params(("id" = String, Path)), request_body = Introduction, responses((status = 200, body = Myself), (status = 410, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn introduce(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<ConsultationId>,
    body: web::Json<Introduction>,
) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&caller, *id).await?;
    let me = state.services.introduce(&permit, &consultation, &body.name, &body.language).await?;
    Ok(HttpResponse::Ok().json(own_view(&state, me)))
}

/// A single-use ticket for the signaling connection.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/join-tickets", tag = "Participants", params(("id" = String, Path)), responses((status = 201, body = Ticket), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody)))]
pub async fn ticket(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&caller, *id).await?;
    let (ticket, expires_at) = state.services.issue_ticket(&permit, consultation).await?;
    Ok(HttpResponse::Created().json(Ticket { ticket: ticket.expose().to_owned(), expires_at }))
}

async fn decide(request: &HttpRequest, state: &State, (id, who): (ConsultationId, ParticipantId), verdict: Verdict) -> Answer {
    let asking = asking(request, state, Some(id)).await?;
    let act = match verdict {
        Verdict::Admit => None,
        Verdict::TurnAway => Some(Act::PutOut { consultation: id, participant: who, turned_away: true }),
        Verdict::Remove => Some(Act::PutOut { consultation: id, participant: who, turned_away: false }),
    };
    let written = Box::pin(async {
        let (permit, consultation) = state.services.permit_consultation::<ManageParticipants>(&asking.caller, id).await?;
        state.services.decide_about(&permit, &consultation, who, verdict).await
    });
    Ok(match asking.protect(state, act, written).await? {
        Protected::Done(()) => HttpResponse::NoContent().finish(),
        Protected::Pending => pending(),
    })
}

/// Let someone in from the lobby.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/participants/{participant}/admit", tag = "Participants", params(("id" = String, Path), ("participant" = String, Path)), responses((status = 204), (status = 409, body = ProblemBody)))]
pub async fn admit(request: HttpRequest, state: web::Data<State>, path: web::Path<(ConsultationId, ParticipantId)>) -> Answer {
    decide(&request, &state, *path, Verdict::Admit).await
}

/// Do not let someone in.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/participants/{participant}/turn-away", tag = "Participants", params(("id" = String, Path), ("participant" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 409, body = ProblemBody)))]
pub async fn turn_away(request: HttpRequest, state: web::Data<State>, path: web::Path<(ConsultationId, ParticipantId)>) -> Answer {
    decide(&request, &state, *path, Verdict::TurnAway).await
}

/// Take someone out of the call.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/participants/{participant}/remove", tag = "Participants", params(("id" = String, Path), ("participant" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 409, body = ProblemBody)))]
pub async fn remove(request: HttpRequest, state: web::Data<State>, path: web::Path<(ConsultationId, ParticipantId)>) -> Answer {
    decide(&request, &state, *path, Verdict::Remove).await
}

/// Leave.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/leave", tag = "Participants", params(("id" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 401, body = ProblemBody)))]
pub async fn leave(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let asking = asking(&request, &state, Some(*id)).await?;
    let act = asking.participant(&state, *id).map(|participant| Act::Leave { consultation: *id, participant });
    let written = Box::pin(async {
        let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&asking.caller, *id).await?;
        state.services.leave(&permit, &consultation).await
    });
    Ok(match asking.protect(&state, act, written).await? {
        Protected::Done(()) => HttpResponse::NoContent().finish(),
        Protected::Pending => pending(),
    })
}
