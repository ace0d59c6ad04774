//! Patients: entering and finding them.

use crate::domain::access::{CreatePatient, SearchPatients};
use crate::domain::id::PatientId;
use crate::domain::patient::PatientDetails;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::patients::Patient;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/patients").route(web::post().to(create)))
        .service(web::resource("/patients/search").route(web::post().to(search)));
}

/// A patient.
#[derive(Serialize, ToSchema)]
pub struct PatientView {
    #[schema(value_type = String)]
    id: PatientId,
    identifier: String,
    name: String,
    birth_date: String,
    language: String,
    call_back_number: Option<String>,
}

impl From<Patient> for PatientView {
    fn from(patient: Patient) -> Self {
        let PatientDetails { identifier, name, birth_date, language, call_back_number } = patient.details;
        Self { id: patient.id, identifier, name, birth_date, language, call_back_number }
    }
}

/// A patient to be entered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPatient {
    identifier: String,
    name: String,
    birth_date: String,
    language: String,
    call_back_number: Option<String>,
}

/// What to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientSearch {
    text: String,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct Patients {
    patients: Vec<PatientView>,
}

/// Enter a patient.
#[utoipa::path(post, path = "/api/v1/patients", tag = "Patients", request_body = NewPatient, responses((status = 201, body = PatientView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(request: HttpRequest, state: web::Data<State>, body: web::Json<NewPatient>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<CreatePatient>(&caller).await?;
    let NewPatient { identifier, name, birth_date, language, call_back_number } = body.into_inner();
    let call_back_number = call_back_number.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    let details =
        PatientDetails { identifier: identifier.trim().to_owned(), name: name.trim().to_owned(), birth_date, language, call_back_number };
    let patient = state.services.create_patient(&permit, details).await?;
    Ok(HttpResponse::Created().json(PatientView::from(patient)))
}

/// Find patients by the beginnings of words in name and identifier.
#[utoipa::path(post, path = "/api/v1/patients/search", tag = "Patients", request_body = PatientSearch, responses((status = 200, body = Patients), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn search(request: HttpRequest, state: web::Data<State>, body: web::Json<PatientSearch>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<SearchPatients>(&caller).await?;
    let patients = state.services.search_patients(&permit, &body.text).await?.into_inner();
    Ok(HttpResponse::Ok().json(Patients { patients: patients.into_iter().map(PatientView::from).collect() }))
}
