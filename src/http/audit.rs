//! The audit log: searching, verifying, exporting.

use crate::domain::access::{ExportAudit, ReadAudit, ReviewAudit};
use crate::domain::audit::{Agent, Entry};
use crate::domain::id::LogReviewId;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::audit::{FirstBad, FoundEntry};
use crate::storage::audit::Search;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/audit/search").route(web::post().to(search)))
        .service(web::resource("/audit/verify").route(web::post().to(verify)))
        .service(web::resource("/audit/reviews").route(web::get().to(reviews)).route(web::post().to(review)))
        .service(web::resource("/audit/export").route(web::post().to(export)))
        .service(web::resource("/audit/checkpoint").route(web::get().to(checkpoint)));
}

/// What to look for; every member narrows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Part of an id, role, address or code.
    text: Option<String>,
    /// An event's code or its beginning.
    action: Option<String>,
    /// `success`, `denied` or `failure`.
    outcome: Option<String>,
    #[schema(value_type = Option<String>)]
    from: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Only entries before this index.
    before: Option<u64>,
    limit: Option<u32>,
}

/// A page of entries, newest first.
#[derive(Serialize, ToSchema)]
pub struct Page {
    entries: Vec<EntryView>,
    next_before: Option<u64>,
    size: u64,
}

/// One entry.
#[derive(Serialize, ToSchema)]
pub struct EntryView {
    index: u64,
    leaf_hash: String,
    agent: AgentView,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: EntryWithoutAgent,
}

/// Who acted, with the name of an account.
#[derive(Serialize, ToSchema)]
pub struct AgentView {
    kind: String,
    id: Option<String>,
    name: Option<String>,
    role: Option<String>,
    network: Option<String>,
}

/// The rest of an entry.
#[derive(Serialize)]
pub struct EntryWithoutAgent(serde_json::Map<String, serde_json::Value>);

impl From<FoundEntry> for EntryView {
    fn from(found: FoundEntry) -> Self {
        let Agent { kind, id, role, network } = found.entry.agent.clone();
        Self {
            index: found.index,
            leaf_hash: found.leaf_hash,
            agent: AgentView { kind, id, name: found.agent_name, role, network },
            entry: rest(&found.entry),
        }
    }
}

fn rest(entry: &Entry) -> EntryWithoutAgent {
    let mut members = match serde_json::to_value(entry) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    members.remove("agent");
    EntryWithoutAgent(members)
}

/// What verifying gave.
#[derive(Serialize, ToSchema)]
pub struct Verification {
    ok: bool,
    size: u64,
    root_hash: String,
    checked: u64,
    #[schema(value_type = Option<Object>)]
    first_bad: Option<FirstBad>,
    checkpoint: String,
    elapsed_ms: u64,
}

/// Search the log.
#[utoipa::path(post, path = "/api/v1/audit/search", tag = "Audit", request_body = Wanted, responses((status = 200, body = Page), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn search(request: HttpRequest, state: web::Data<State>, body: web::Json<Wanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let Wanted { text, action, outcome, from, to, before, limit } = body.into_inner();
    let filled = |value: Option<String>| value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let wanted =
        Search { text: filled(text), event: filled(action), outcome: filled(outcome), from, to, before, limit: limit.unwrap_or(50) };
    let found = state.services.search_audit(&permit, wanted).await?;
    Ok(HttpResponse::Ok().json(Page {
        entries: found.entries.into_iter().map(EntryView::from).collect(),
        next_before: found.next_before,
        size: found.size,
    }))
}

/// Recompute the tree from every entry and check it against every signed checkpoint.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "Audit", responses((status = 200, body = Verification), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn verify(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let began = Instant::now();
    let v = state.services.verify_audit(&permit).await?;
    Ok(HttpResponse::Ok().json(Verification {
        ok: v.first_bad.is_none(),
        size: v.size,
        root_hash: v.root_hash,
        checked: v.checked,
        first_bad: v.first_bad,
        checkpoint: v.checkpoint,
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

/// The whole log as a file that `bedside audit verify` checks offline.
#[utoipa::path(post, path = "/api/v1/audit/export", tag = "Audit", responses((status = 200, description = "Lines of JSON", content_type = "application/x-ndjson"), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn export(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let lines = state.services.export_audit(&permit).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"bedside-audit.ndjson\""))
        .body(lines))
}

/// The newest signed checkpoint: a C2SP signed note. Tells nothing but size and root, so anyone may keep it as a witness.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "Audit", responses((status = 200, description = "A signed note", content_type = "text/plain")))]
pub async fn checkpoint(state: web::Data<State>) -> Answer {
    let newest = state.services.checkpoint().await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(newest.note))
}

/// A sign-off of a log review.
#[derive(Serialize, ToSchema)]
pub struct ReviewView {
    #[schema(value_type = String)]
    id: LogReviewId,
    reviewed_by: String,
    /// How many entries it covers, from the first.
    log_size: u64,
    finding: String,
    note: String,
    #[schema(value_type = String)]
    reviewed_at: Timestamp,
}

/// The newest sign-offs, newest first.
#[derive(Serialize, ToSchema)]
pub struct Reviews {
    reviews: Vec<ReviewView>,
}

/// What was looked through, and what was found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    log_size: u64,
    /// `nothing_unusual` or `follow_up`.
    finding: String,
    /// What is to be followed up. No patient's data belongs here.
    note: String,
}

/// The newest sign-offs of log reviews.
#[utoipa::path(get, path = "/api/v1/audit/reviews", tag = "Audit", responses((status = 200, body = Reviews), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn reviews(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let reviews = state.services.log_reviews(&permit).await?.into_iter().map(|(review, reviewed_by)| ReviewView {
        id: review.id,
        reviewed_by,
        log_size: review.log_size,
        finding: review.finding,
        note: review.note,
        reviewed_at: review.reviewed_at,
    });
    Ok(HttpResponse::Ok().json(Reviews { reviews: reviews.collect() }))
}

/// Sign off a review of the log.
#[utoipa::path(post, path = "/api/v1/audit/reviews", tag = "Audit", request_body = NewReview, responses((status = 201, body = ReviewView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn review(request: HttpRequest, state: web::Data<State>, body: web::Json<NewReview>) -> Answer {
    let (caller, who) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReviewAudit>(&caller).await?;
    let review = state.services.review_log(&permit, body.log_size, &body.finding, &body.note).await?;
    Ok(HttpResponse::Created().json(ReviewView {
        id: review.id,
        reviewed_by: who.display_name,
        log_size: review.log_size,
        finding: review.finding,
        note: review.note,
        reviewed_at: review.reviewed_at,
    }))
}
