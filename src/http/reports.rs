//! Reports, as JSON for the pages and as files to take away.

use crate::domain::access::{ExportAudit, RecordDisclosure};
use crate::domain::id::PatientId;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::csv;
use crate::services::reports::{Accounting, ConsentReport, Disclosure, NewDisclosure, RetentionReport};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/audit/disclosures").route(web::post().to(record)))
        .service(web::resource("/audit/reports/disclosures").route(web::post().to(disclosures)))
        .service(web::resource("/audit/reports/access").route(web::post().to(access)))
        .service(web::resource("/audit/reports/retention").route(web::post().to(retention)))
        .service(web::resource("/audit/reports/consents").route(web::post().to(consents)));
}

/// How a report is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportForm {
    /// For the pages.
    #[default]
    Json,
    /// A table.
    Csv,
}

fn table(name: &str, lines: &[String]) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .body(lines.concat())
}

fn row<const N: usize>(cells: [&str; N]) -> String {
    csv::line(cells)
}

fn text(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// A disclosure that was made by other means.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisclosureMade {
    #[schema(value_type = String)]
    patient: PatientId,
    /// The day, `YYYY-MM-DD`.
    on: String,
    recipient: String,
    #[serde(default)]
    address: String,
    description: String,
    purpose: String,
}

/// Write down a disclosure of a patient's information that was made by other means (45 CFR 164.528).
#[utoipa::path(post, path = "/api/v1/audit/disclosures", tag = "Reports", request_body = DisclosureMade, responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn record(request: HttpRequest, state: web::Data<State>, body: web::Json<DisclosureMade>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<RecordDisclosure>(&caller).await?;
    let DisclosureMade { patient, on, recipient, address, description, purpose } = body.into_inner();
    state.services.record_disclosure(&permit, patient, NewDisclosure { on, recipient, address, description, purpose }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose disclosures.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountingWanted {
    #[schema(value_type = String)]
    patient: PatientId,
    /// Six years before `to`, if it is not said.
    #[schema(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Now, if it is not said.
    #[schema(value_type = Option<String>)]
    to: Option<Timestamp>,
    #[serde(default)]
    form: ReportForm,
}

/// An accounting of disclosures (45 CFR 164.528(b)(2)).
#[derive(Serialize, ToSchema)]
pub struct AccountingView {
    clinic: String,
    name: Option<String>,
    identifier: Option<String>,
    birth_date: Option<String>,
    #[schema(value_type = String)]
    from: Timestamp,
    #[schema(value_type = String)]
    to: Timestamp,
    #[schema(value_type = Vec<Object>)]
    disclosures: Vec<Disclosure>,
}

/// To whom a patient's information was disclosed, six years back.
#[utoipa::path(post, path = "/api/v1/audit/reports/disclosures", tag = "Reports", request_body = AccountingWanted, responses((status = 200, body = AccountingView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn disclosures(request: HttpRequest, state: web::Data<State>, body: web::Json<AccountingWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let Accounting { patient, from, to, disclosures } =
        state.services.accounting(&permit, body.patient, body.from, body.to).await?.into_inner();
    if body.form == ReportForm::Csv {
        let mut lines = vec![row(["date", "recipient", "address", "description", "purpose", "way", "exempt", "entry"])];
        for d in &disclosures {
            let way = serde_json::to_value(d.way).ok().and_then(|way| way.as_str().map(ToOwned::to_owned)).unwrap_or_default();
            let cells = [&d.on, &d.recipient, &d.address, &d.description, &d.purpose, &way, &d.exempt.to_string(), &d.index.to_string()];
            lines.push(row(cells.map(String::as_str)));
        }
        return Ok(table("bedside-disclosures", &lines));
    }
    Ok(HttpResponse::Ok().json(AccountingView {
        clinic: state.services.settings.clinic_name.clone(),
        name: patient.as_ref().map(|p| p.name.clone()),
        identifier: patient.as_ref().map(|p| p.identifier.clone()),
        birth_date: patient.map(|p| p.birth_date),
        from,
        to,
        disclosures,
    }))
}

/// Whose report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientReportWanted {
    #[schema(value_type = String)]
    patient: PatientId,
    /// `en` or `es`.
    #[serde(default)]
    language: String,
}

/// Every entry about a patient as one HTML file that checks itself, for the patient.
#[utoipa::path(post, path = "/api/v1/audit/reports/access", tag = "Reports", request_body = PatientReportWanted, responses((status = 200, description = "One HTML file", content_type = "text/html"), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn access(request: HttpRequest, state: web::Data<State>, body: web::Json<PatientReportWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let page = state.services.patient_report(&permit, body.patient, &body.language).await?.into_inner();
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"access-report.html\""))
        .body(page))
}

/// Which period.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodWanted {
    #[schema(value_type = String)]
    from: Timestamp,
    #[schema(value_type = String)]
    to: Timestamp,
    #[serde(default)]
    form: ReportForm,
}

/// What is kept of one class.
#[derive(Serialize, ToSchema)]
pub struct KeptView {
    class: String,
    keep_days: u32,
    basis: String,
    recordings: u64,
    bytes: u64,
    held: u64,
    due: u64,
    #[schema(value_type = Option<String>)]
    next_due: Option<Timestamp>,
}

/// Something that was destroyed.
#[derive(Serialize, ToSchema)]
pub struct DestroyedView {
    index: u64,
    #[schema(value_type = String)]
    at: Timestamp,
    /// `recording` or `evidence`.
    what: &'static str,
    id: String,
    reason: String,
}

/// What is kept and what was destroyed.
#[derive(Serialize, ToSchema)]
pub struct RetentionReportView {
    kept: Vec<KeptView>,
    entries: u64,
    #[schema(value_type = Option<String>)]
    since: Option<Timestamp>,
    readable_subjects: u64,
    erased_subjects: u64,
    destroyed: Vec<DestroyedView>,
}

/// What is kept by the schedule, and what was destroyed in a period.
#[utoipa::path(post, path = "/api/v1/audit/reports/retention", tag = "Reports", request_body = PeriodWanted, responses((status = 200, body = RetentionReportView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn retention(request: HttpRequest, state: web::Data<State>, body: web::Json<PeriodWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let report = state.services.retention_report(&permit, body.from, body.to).await?.into_inner();
    if body.form == ReportForm::Csv {
        return Ok(table("bedside-retention", &retention_lines(&report)));
    }
    let RetentionReport { kept, entries, since, readable_subjects, erased_subjects, destroyed } = report;
    let kept = kept.into_iter().map(|line| KeptView {
        class: line.class.class,
        keep_days: line.class.keep_days,
        basis: line.class.basis,
        recordings: line.recordings,
        bytes: line.bytes,
        held: line.held,
        due: line.due,
        next_due: line.next_due,
    });
    let destroyed = destroyed.into_iter().map(|d| DestroyedView { index: d.index, at: d.at, what: d.what, id: d.id, reason: d.reason });
    let (kept, destroyed) = (kept.collect(), destroyed.collect());
    Ok(HttpResponse::Ok().json(RetentionReportView { kept, entries, since, readable_subjects, erased_subjects, destroyed }))
}

fn retention_lines(report: &RetentionReport) -> Vec<String> {
    let mut lines = vec![row(["part", "class", "keep_days", "basis", "recordings", "bytes", "held", "due", "next_due"])];
    for line in &report.kept {
        let (days, count, bytes) = (line.class.keep_days.to_string(), line.recordings.to_string(), line.bytes.to_string());
        let (held, due, next) = (line.held.to_string(), line.due.to_string(), text(line.next_due));
        lines.push(row(["kept", &line.class.class, &days, &line.class.basis, &count, &bytes, &held, &due, &next]));
    }
    lines.push(row(["part", "entries", "since", "readable_subjects", "erased_subjects", "", "", "", ""]));
    let (entries, since) = (report.entries.to_string(), text(report.since));
    lines.push(row(["log", &entries, &since, &report.readable_subjects.to_string(), &report.erased_subjects.to_string(), "", "", "", ""]));
    lines.push(row(["part", "what", "at", "id", "reason", "entry", "", "", ""]));
    for d in &report.destroyed {
        lines.push(row(["destroyed", d.what, &d.at.to_string(), &d.id, &d.reason, &d.index.to_string(), "", "", ""]));
    }
    lines
}

/// Decisions of one kind.
#[derive(Serialize, ToSchema)]
pub struct TallyView {
    /// Text and version.
    text: String,
    decision: String,
    method: String,
    decisions: u64,
    people: u64,
}

/// How consents stand in a period.
#[derive(Serialize, ToSchema)]
pub struct ConsentReportView {
    decisions: Vec<TallyView>,
    recordings: u64,
    without_consent: u64,
    withdrawn: u64,
    samples: Vec<String>,
}

/// How consents stand in a period.
#[utoipa::path(post, path = "/api/v1/audit/reports/consents", tag = "Reports", request_body = PeriodWanted, responses((status = 200, body = ConsentReportView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn consents(request: HttpRequest, state: web::Data<State>, body: web::Json<PeriodWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let report = state.services.consent_report(&permit, body.from, body.to).await?.into_inner();
    let ConsentReport { tallies, recordings, without_consent, withdrawn, samples } = report;
    if body.form == ReportForm::Csv {
        let mut lines = vec![row(["part", "text", "decision", "method", "decisions", "people"])];
        for t in &tallies {
            lines.push(row(["decisions", &t.shown, &t.decision, &t.method, &t.decisions.to_string(), &t.people.to_string()]));
        }
        lines.push(row(["part", "recordings", "without_consent", "withdrawn", "samples_in_force", ""]));
        let counts = [recordings.to_string(), without_consent.to_string(), withdrawn.to_string()];
        lines.push(row(["recordings", &counts[0], &counts[1], &counts[2], &samples.join(" "), ""]));
        return Ok(table("bedside-consents", &lines));
    }
    let decisions = tallies.into_iter().map(|t| TallyView {
        text: t.shown,
        decision: t.decision,
        method: t.method,
        decisions: t.decisions,
        people: t.people,
    });
    Ok(HttpResponse::Ok().json(ConsentReportView { decisions: decisions.collect(), recordings, without_consent, withdrawn, samples }))
}
