//! Registers of consents for those who oversee, and their exports.

use crate::domain::access::{ExportConsents, ReadConsents};
use crate::domain::consent::{Decision, Purpose};
use crate::domain::id::{ConsultationId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::recording::State as Standing;
use crate::domain::time::Timestamp;
use crate::http::consents::{ConsentView, ConsentViews};
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::consent_registers::{Coverage, ExportForm, MOST};
use crate::storage::consents::Search;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consents/search").route(web::post().to(search)))
        .service(web::resource("/consents/export").route(web::post().to(export)))
        .service(web::resource("/consents/coverage").route(web::get().to(coverage)))
        .service(web::resource("/consents/texts").route(web::get().to(texts)));
}

/// What a register is narrowed to. Everything may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentSearch {
    /// The beginning of an id: of a consultation, a participant, a recording or a decision.
    id: Option<String>,
    /// Name of a consent text.
    text: Option<String>,
    /// `permit`, `deny` or `withdrawn`.
    #[schema(value_type = Option<String>)]
    decision: Option<Decision>,
    #[schema(value_type = Option<String>)]
    purpose: Option<Purpose>,
    #[schema(value_type = Option<String>)]
    from: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    to: Option<Timestamp>,
}

impl From<ConsentSearch> for Search {
    fn from(wanted: ConsentSearch) -> Self {
        let ConsentSearch { id, text, decision, purpose, from, to } = wanted;
        let said = |value: Option<String>| value.filter(|text| !text.trim().is_empty());
        Self { id: said(id), text: said(text), decision, purpose, from, to, limit: MOST }
    }
}

/// What to take away, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentExport {
    form: FormName,
    search: ConsentSearch,
}

/// The forms of an export.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormName {
    /// A table.
    Csv,
    /// A FHIR R4 Bundle.
    Fhir,
}

/// How far the consents of one consultation go.
#[derive(Serialize, ToSchema)]
pub struct CoverageView {
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    status: &'static str,
    #[schema(value_type = String)]
    starts_at: Timestamp,
    /// People without an account who came or were let in.
    people: Vec<PersonView>,
    recordings: Vec<RecordedCoverage>,
}

/// How one person stands.
#[derive(Serialize, ToSchema)]
pub struct PersonView {
    #[schema(value_type = String)]
    role: Role,
    required: usize,
    given: usize,
    declined: bool,
}

/// How one recording stands.
#[derive(Serialize, ToSchema)]
pub struct RecordedCoverage {
    #[schema(value_type = String)]
    id: RecordingId,
    #[schema(value_type = String)]
    state: Standing,
    decided: usize,
    permitted: usize,
}

impl From<Coverage> for CoverageView {
    fn from(coverage: Coverage) -> Self {
        let people = coverage.people.into_iter();
        let recordings = coverage.recordings.into_iter();
        Self {
            consultation_id: coverage.consultation.id,
            status: coverage.consultation.state.as_str(),
            starts_at: coverage.consultation.starts_at,
            people: people.map(|p| PersonView { role: p.role, required: p.required, given: p.given, declined: p.declined }).collect(),
            recordings: recordings
                .map(|r| RecordedCoverage { id: r.id, state: r.state, decided: r.decided, permitted: r.permitted })
                .collect(),
        }
    }
}

/// Coverage of the newest consultations.
#[derive(Serialize, ToSchema)]
pub struct CoverageViews {
    consultations: Vec<CoverageView>,
}

/// A consent text and when it was in force.
#[derive(Serialize, ToSchema)]
pub struct TextInForce {
    text: String,
    version: String,
    language: String,
    title: String,
    digest: String,
    policy_digest: String,
    #[schema(value_type = String)]
    from: Timestamp,
    /// Null while it is in force.
    #[schema(value_type = Option<String>)]
    until: Option<Timestamp>,
    body: String,
}

/// Every text that was ever accepted.
#[derive(Serialize, ToSchema)]
pub struct TextsInForce {
    texts: Vec<TextInForce>,
}

/// Decisions that fit, newest first.
#[utoipa::path(post, path = "/api/v1/consents/search", tag = "Consent registers", request_body = ConsentSearch, responses((status = 200, body = ConsentViews), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn search(request: HttpRequest, state: web::Data<State>, body: web::Json<ConsentSearch>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadConsents>(&caller).await?;
    let found = state.services.search_consents(&permit, body.into_inner().into()).await?.into_inner();
    Ok(HttpResponse::Ok().json(ConsentViews { consents: found.into_iter().map(ConsentView::from).collect() }))
}

/// Decisions that fit, as a file.
#[utoipa::path(post, path = "/api/v1/consents/export", tag = "Consent registers", request_body = ConsentExport, responses((status = 200), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn export(request: HttpRequest, state: web::Data<State>, body: web::Json<ConsentExport>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportConsents>(&caller).await?;
    let ConsentExport { form, search } = body.into_inner();
    let (form, kind, name) = match form {
        FormName::Csv => (ExportForm::Csv, "text/csv; charset=utf-8", "consents.csv"),
        FormName::Fhir => (ExportForm::Fhir, "application/fhir+json", "consents.fhir.json"),
    };
    let text = state.services.export_consents(&permit, search.into(), form).await?.into_inner();
    let disposition = (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    Ok(HttpResponse::Ok().content_type(kind).insert_header(disposition).body(text))
}

/// How far the consents of the newest consultations go.
#[utoipa::path(get, path = "/api/v1/consents/coverage", tag = "Consent registers", responses((status = 200, body = CoverageViews), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn coverage(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadConsents>(&caller).await?;
    let all = state.services.consent_coverage(&permit).await?.into_inner();
    Ok(HttpResponse::Ok().json(CoverageViews { consultations: all.into_iter().map(CoverageView::from).collect() }))
}

/// Which words were in force, and when.
#[utoipa::path(get, path = "/api/v1/consents/texts", tag = "Consent registers", responses((status = 200, body = TextsInForce), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn texts(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadConsents>(&caller).await?;
    let texts = state.services.texts_in_force(&permit).await?.into_inner().into_iter().map(|t| TextInForce {
        text: t.text,
        version: t.version,
        language: t.language,
        title: t.title,
        digest: t.digest,
        policy_digest: t.policy_digest,
        from: t.from,
        until: t.until,
        body: t.body,
    });
    Ok(HttpResponse::Ok().json(TextsInForce { texts: texts.collect() }))
}
