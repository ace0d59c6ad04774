//! The auditor's overview: activity and what stands out of it, saved searches, and patients by name.

use crate::domain::access::ReadAudit;
use crate::domain::id::SavedSearchId;
use crate::domain::patient::PatientDetails;
use crate::domain::time::Timestamp;
use crate::http::audit::Wanted;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::forwarding::Place;
use crate::services::oversight::SavedSearch;
use crate::services::patients::Patient;
use crate::storage::audit_activity::Hour;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/audit/activity").route(web::post().to(activity)))
        .service(web::resource("/audit/patients").route(web::post().to(patients)))
        .service(web::resource("/audit/places").route(web::get().to(places)))
        .service(web::resource("/audit/searches").route(web::get().to(searches)).route(web::post().to(save)))
        .service(web::resource("/audit/searches/{id}/forget").route(web::post().to(forget)));
}

/// Which stretch of time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityWanted {
    #[schema(value_type = String)]
    from: Timestamp,
    #[schema(value_type = String)]
    to: Timestamp,
    /// One account or participant alone.
    person: Option<uuid::Uuid>,
}

/// One hour in which something happened.
#[derive(Serialize, ToSchema)]
pub struct HourView {
    #[schema(value_type = String)]
    at: Timestamp,
    success: u64,
    denied: u64,
    failure: u64,
    /// Marks for what is unusual.
    unusual: u64,
}

/// As what someone's entries stood out.
#[derive(Serialize, ToSchema)]
pub struct MarkedView {
    /// `own_name`, `mass_reads`, `off_hours`, `emergency_access` or `repeated_denials`.
    mark: String,
    /// Account or participant.
    person: Option<String>,
    name: Option<String>,
    entries: u64,
}

/// What one account did.
#[derive(Serialize, ToSchema)]
pub struct PersonActivityView {
    id: String,
    name: Option<String>,
    entries: u64,
    denied: u64,
}

/// What happened in a stretch of time.
#[derive(Serialize, ToSchema)]
pub struct ActivityView {
    hours: Vec<HourView>,
    unusual: Vec<MarkedView>,
    people: Vec<PersonActivityView>,
}

/// How much happened when, by whom, and what stands out of it by the rules of `policies/unusual.toml`.
#[utoipa::path(post, path = "/api/v1/audit/activity", tag = "Audit", request_body = ActivityWanted, responses((status = 200, body = ActivityView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn activity(request: HttpRequest, state: web::Data<State>, body: web::Json<ActivityWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let person = body.person.map(|id| id.to_string());
    let activity = state.services.audit_activity(&permit, body.from, body.to, person.as_deref()).await?.into_inner();
    let marked = activity.marked.into_iter().map(|m| MarkedView {
        mark: m.mark,
        name: activity.names.get(&m.agent).cloned(),
        person: (!m.agent.is_empty()).then_some(m.agent),
        entries: m.entries,
    });
    Ok(HttpResponse::Ok().json(ActivityView {
        unusual: marked.collect(),
        hours: activity
            .hours
            .into_iter()
            .map(|(at, Hour { success, denied, failure, unusual })| HourView { at, success, denied, failure, unusual })
            .collect(),
        people: activity
            .people
            .into_iter()
            .map(|(p, name)| PersonActivityView { id: p.id, name, entries: p.entries, denied: p.denied })
            .collect(),
    }))
}

/// What to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientText {
    /// Beginnings of words of a name or a number.
    text: String,
}

/// As much of a patient as it takes to tell them from another one.
#[derive(Serialize, ToSchema)]
pub struct PatientSeen {
    id: String,
    identifier: String,
    name: String,
    birth_date: String,
}

impl From<Patient> for PatientSeen {
    fn from(patient: Patient) -> Self {
        let PatientDetails { identifier, name, birth_date, .. } = patient.details;
        Self { id: patient.id.to_string(), identifier, name, birth_date }
    }
}

/// Patients that were found.
#[derive(Serialize, ToSchema)]
pub struct FoundPatients {
    patients: Vec<PatientSeen>,
}

/// Patients by name or number, so that their entries can be asked for.
#[utoipa::path(post, path = "/api/v1/audit/patients", tag = "Audit", request_body = PatientText, responses((status = 200, body = FoundPatients), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn patients(request: HttpRequest, state: web::Data<State>, body: web::Json<PatientText>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let found = state.services.patients_for_audit(&permit, &body.text).await?.into_inner();
    Ok(HttpResponse::Ok().json(FoundPatients { patients: found.into_iter().map(PatientSeen::from).collect() }))
}

/// A place outside that the log is handed on to.
#[derive(Serialize, ToSchema)]
pub struct PlaceView {
    name: String,
    /// Host or folder.
    to: String,
    /// Whether it is sent checkpoints, and not entries.
    keeps_checkpoints: bool,
    /// How many entries it has, or are covered by the newest checkpoint it has.
    position: u64,
    #[schema(value_type = Option<String>)]
    updated_at: Option<Timestamp>,
    /// Since when something is wrong with it.
    #[schema(value_type = Option<String>)]
    failing_since: Option<Timestamp>,
    error: Option<String>,
}

impl From<Place> for PlaceView {
    fn from(place: Place) -> Self {
        let Place { name, to, keeps_checkpoints, position, updated_at, trouble } = place;
        let failing_since = trouble.as_ref().map(|t| t.since);
        Self { name, to, keeps_checkpoints, position, updated_at, failing_since, error: trouble.map(|t| t.error) }
    }
}

/// The places outside that the log is handed on to.
#[derive(Serialize, ToSchema)]
pub struct Places {
    places: Vec<PlaceView>,
    /// Entries in the log.
    size: u64,
}

/// The places outside that entries and checkpoints are handed on to, and how it goes with each.
#[utoipa::path(get, path = "/api/v1/audit/places", tag = "Audit", responses((status = 200, body = Places), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn places(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let (places, size) = state.services.places(&permit).await?;
    Ok(HttpResponse::Ok().json(Places { places: places.into_iter().map(PlaceView::from).collect(), size }))
}

/// A search to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchToSave {
    name: String,
    search: Wanted,
    /// How far back, as the page says it: `day`, `week`, `month`; without it the times of `search` are meant.
    period: Option<Period>,
}

/// A stretch of time that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

/// A search that is kept.
#[derive(Serialize, ToSchema)]
pub struct SavedSearchView {
    id: String,
    name: String,
    #[schema(value_type = Wanted)]
    search: serde_json::Value,
    #[schema(value_type = Option<Period>)]
    period: serde_json::Value,
}

impl From<SavedSearch> for SavedSearchView {
    fn from(mut saved: SavedSearch) -> Self {
        Self { id: saved.id.to_string(), name: saved.name, search: saved.search["search"].take(), period: saved.search["period"].take() }
    }
}

/// The caller's saved searches.
#[derive(Serialize, ToSchema)]
pub struct SavedSearches {
    searches: Vec<SavedSearchView>,
}

/// The searches that the caller keeps.
#[utoipa::path(get, path = "/api/v1/audit/searches", tag = "Audit", responses((status = 200, body = SavedSearches), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn searches(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let searches = state.services.saved_searches(&permit).await?.into_iter().map(SavedSearchView::from).collect();
    Ok(HttpResponse::Ok().json(SavedSearches { searches }))
}

/// Keep a search. Name and search are sealed; nobody else sees them.
#[utoipa::path(post, path = "/api/v1/audit/searches", tag = "Audit", request_body = SearchToSave, responses((status = 201, body = SavedSearchView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn save(request: HttpRequest, state: web::Data<State>, body: web::Json<SearchToSave>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let SearchToSave { name, search, period } = body.into_inner();
    let kept = serde_json::json!({"search": search, "period": period});
    search.search()?;
    let saved = state.services.save_search(&permit, &name, kept).await?.into_inner();
    Ok(HttpResponse::Created().json(SavedSearchView::from(saved)))
}

/// Forget a saved search.
#[utoipa::path(post, path = "/api/v1/audit/searches/{id}/forget", tag = "Audit", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn forget(request: HttpRequest, state: web::Data<State>, id: web::Path<SavedSearchId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    state.services.forget_search(&permit, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
