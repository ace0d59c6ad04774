//! Custody of recordings: the records officer's legal holds and grants to watch.

use crate::domain::access::{GrantPlayback, ManageHolds, ReadCustody};
use crate::domain::id::{HoldId, PlaybackGrantId, RecordingId};
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/recordings/{id}/custody").route(web::get().to(read)))
        .service(web::resource("/recordings/{id}/holds").route(web::post().to(place)))
        .service(web::resource("/recordings/{id}/holds/{hold}/release").route(web::post().to(release)))
        .service(web::resource("/recordings/{id}/playback-grants").route(web::post().to(grant)))
        .service(web::resource("/recordings/{id}/playback-grants/{grant}/end").route(web::post().to(end)));
}

/// A legal hold.
#[derive(Serialize, ToSchema)]
pub struct HoldView {
    #[schema(value_type = String)]
    id: HoldId,
    reason: String,
    placed_by: String,
    #[schema(value_type = String)]
    placed_at: Timestamp,
    #[schema(value_type = Option<String>)]
    released_at: Option<Timestamp>,
}

/// Leave to watch.
#[derive(Serialize, ToSchema)]
pub struct GrantView {
    #[schema(value_type = String)]
    id: PlaybackGrantId,
    account_name: String,
    reason: String,
    #[schema(value_type = String)]
    granted_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>)]
    ended_at: Option<Timestamp>,
}

/// Holds and grants of a recording, newest first.
#[derive(Serialize, ToSchema)]
pub struct CustodyView {
    holds: Vec<HoldView>,
    grants: Vec<GrantView>,
}

/// Why a hold is placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    reason: String,
}

/// Who may watch, for how long, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    username: String,
    /// 1 to 720.
    hours: u32,
    reason: String,
}

/// What was made.
#[derive(Serialize, ToSchema)]
pub struct Made {
    id: String,
}

/// Holds and grants of a recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/custody", tag = "Recordings", params(("id" = String, Path)), responses((status = 200, body = CustodyView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn read(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, _) = state.services.permit_recording::<ReadCustody>(&caller, *id).await?;
    let all = state.services.custody(&permit, *id).await?.into_inner();
    let holds = all.holds.into_iter().map(|(hold, placed_by)| HoldView {
        id: hold.id,
        reason: hold.reason,
        placed_by,
        placed_at: hold.placed_at,
        released_at: hold.released_at,
    });
    let grants = all.grants.into_iter().map(|(grant, account_name)| GrantView {
        id: grant.id,
        account_name,
        reason: grant.reason,
        granted_at: grant.granted_at,
        expires_at: grant.expires_at,
        ended_at: grant.ended_at,
    });
    Ok(HttpResponse::Ok().json(CustodyView { holds: holds.collect(), grants: grants.collect() }))
}

/// Place a legal hold.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/holds", tag = "Recordings", params(("id" = String, Path)), request_body = NewHold, responses((status = 201, body = Made), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn place(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>, body: web::Json<NewHold>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, recording) = state.services.permit_recording::<ManageHolds>(&caller, *id).await?;
    let hold = state.services.place_hold(&permit, &recording, &body.reason).await?;
    Ok(HttpResponse::Created().json(Made { id: hold.id.to_string() }))
}

/// Release a legal hold.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/holds/{hold}/release", tag = "Recordings", params(("id" = String, Path), ("hold" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn release(request: HttpRequest, state: web::Data<State>, path: web::Path<(RecordingId, HoldId)>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (id, hold) = *path;
    let (permit, _) = state.services.permit_recording::<ManageHolds>(&caller, id).await?;
    state.services.release_hold(&permit, id, hold).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Grant someone to watch a recording for a while.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/playback-grants", tag = "Recordings", params(("id" = String, Path)), request_body = NewGrant, responses((status = 201, body = Made), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn grant(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>, body: web::Json<NewGrant>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, recording) = state.services.permit_recording::<GrantPlayback>(&caller, *id).await?;
    let grant = state.services.grant_playback(&permit, &recording, &body.username, body.hours, &body.reason).await?;
    Ok(HttpResponse::Created().json(Made { id: grant.id.to_string() }))
}

/// End a grant before its time.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/playback-grants/{grant}/end", tag = "Recordings", params(("id" = String, Path), ("grant" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn end(request: HttpRequest, state: web::Data<State>, path: web::Path<(RecordingId, PlaybackGrantId)>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (id, grant) = *path;
    let (permit, _) = state.services.permit_recording::<GrantPlayback>(&caller, id).await?;
    state.services.end_grant(&permit, id, grant).await?;
    Ok(HttpResponse::NoContent().finish())
}
