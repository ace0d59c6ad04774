//! The audit log: searching, verifying, exporting.

use crate::crypto::digest::hex;
use crate::domain::access::{ExportAudit, ReadAudit, ReviewAudit};
use crate::domain::audit::{Action, Agent, Entry, Outcome};
use crate::domain::id::LogReviewId;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::{Answer, State, caller};
use crate::policy::unusual::Mark;
use crate::services::audit::{FirstBad, FoundEntry};
use crate::services::audit_feeds::Form;
use crate::services::bundle::{Chunks, Disclose, tile_place};
use crate::services::error::ServiceError;
use crate::storage::audit_search::Search;
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
        .service(web::resource("/audit/entries/{index}").route(web::get().to(entry)))
        .service(web::resource("/audit/checkpoint").route(web::get().to(checkpoint)))
        .service(web::resource("/audit/growth").route(web::get().to(growth)))
        .service(web::resource("/audit/contradictions").route(web::post().to(contradiction)))
        .service(web::resource("/audit/tile/{level}/{place:.*}").route(web::get().to(tile)));
}

/// Longest text to look for.
const LONGEST_TEXT: usize = 200;

/// What to look for; every member narrows.
#[derive(Deserialize, Serialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// Part of an id or of an event's code, of either case; at most 200 characters.
    text: Option<String>,
    /// An event's code, or its area with a dot, such as `recording.`.
    event: Option<String>,
    /// `C`, `R`, `U`, `D` or `E`.
    #[schema(value_type = Option<String>)]
    action: Option<Action>,
    /// `success`, `denied` or `failure`.
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// Account or participant that acted.
    person: Option<String>,
    /// Patient it was about.
    patient: Option<String>,
    /// Consultation it was about.
    consultation: Option<String>,
    /// Recording it was about.
    recording: Option<String>,
    /// What is unusual: `any`, `own_name`, `mass_reads`, `off_hours`, `emergency_access` or `repeated_denials`.
    unusual: Option<String>,
    /// Whole network address it came from.
    network: Option<String>,
    /// The request, as in `X-Request-Id`.
    request: Option<String>,
    #[schema(value_type = Option<String>)]
    from: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Only entries before this index.
    before: Option<u64>,
    limit: Option<u32>,
}

impl Wanted {
    /// The search it stands for.
    ///
    /// # Errors
    /// If something is not an id that must be one.
    pub(super) fn search(self) -> Result<Search, Problem> {
        let filled = |value: Option<String>| value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        // what is searched for stands in the entry of the search: nothing but ids may
        let id = |name: &'static str, value: Option<String>| {
            filled(value)
                .map(|text| text.parse::<uuid::Uuid>().map(|id| id.to_string()).map_err(|_| Problem::field(name, "must be an id")))
                .transpose()
        };
        let about = [
            ("patient", id("patient", self.patient)?),
            ("consultation", id("consultation", self.consultation)?),
            ("recording", id("recording", self.recording)?),
        ];
        let unusual = filled(self.unusual);
        if unusual.as_deref().is_some_and(|mark| mark != "any" && !Mark::ALL.iter().any(|one| one.as_str() == mark)) {
            return Err(Problem::field("unusual", "must be any, own_name, mass_reads, off_hours, emergency_access or repeated_denials"));
        }
        let about = about.into_iter().chain([("unusual", unusual)]);
        let text = filled(self.text);
        if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
            return Err(Problem::field("text", "must have at most 200 characters"));
        }
        let agent = id("person", self.person)?;
        let request = filled(self.request)
            .map(|text| text.parse::<uuid::Uuid>().map_err(|_| Problem::field("request", "must be the id of a request")))
            .transpose()?;
        Ok(Search {
            text,
            event: filled(self.event),
            action: self.action,
            outcome: self.outcome,
            agent,
            network: filled(self.network),
            about: about.filter_map(|(kind, id)| id.map(|id| (kind.to_owned(), id))).collect(),
            request,
            from: self.from,
            to: self.to,
            before: self.before,
            limit: self.limit.unwrap_or(50),
        })
    }
}

/// A page of entries, newest first.
#[derive(Serialize, ToSchema)]
pub struct Page {
    entries: Vec<EntryView>,
    next_before: Option<u64>,
    size: u64,
    /// Whether every entry of the log could be found; not while the index is made anew.
    complete: bool,
}

/// One entry.
#[derive(Serialize, ToSchema)]
pub struct EntryView {
    index: u64,
    leaf_hash: String,
    /// As what it stands out, by the rules of `policies/unusual.toml`.
    unusual: Vec<String>,
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
        let Agent { kind, id, role, .. } = found.entry.agent.clone();
        Self {
            index: found.index,
            leaf_hash: found.leaf_hash,
            unusual: found.unusual,
            agent: AgentView { kind, id, name: found.agent_name, role, network: found.network },
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
#[utoipa::path(post, path = "/api/v1/audit/search", tag = "Audit", request_body = Wanted, responses((status = 200, body = Page), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn search(request: HttpRequest, state: web::Data<State>, body: web::Json<Wanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let wanted = body.into_inner().search()?;
    let found = state.services.search_audit(&permit, wanted).await?.into_inner();
    Ok(HttpResponse::Ok().json(Page {
        entries: found.entries.into_iter().map(EntryView::from).collect(),
        next_before: found.next_before,
        size: found.size,
        complete: found.complete,
    }))
}

/// Recompute the tree from every entry and check it against every signed checkpoint.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "Audit", responses((status = 200, body = Verification), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn verify(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let began = Instant::now();
    let v = state.services.verify_audit(&permit).await?.into_inner();
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

/// What an export takes along.
#[derive(Deserialize, Serialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportWanted {
    /// `bundle`: the whole log with its proofs. `ndjson`, `csv`, `fhir`, `cef`: the entries that fit `search`, newest first.
    #[schema(value_type = String)]
    form: ExportForm,
    /// Which entries; a bundle always has all.
    search: Wanted,
    /// Whether personal values are disclosed beside the entries; in the other forms, network addresses.
    disclose: bool,
}

/// How the log leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportForm {
    /// The whole log with its proofs.
    #[default]
    Bundle,
    /// A JSON object a line.
    Ndjson,
    /// A table.
    Csv,
    /// FHIR R4 `AuditEvent`.
    Fhir,
    /// Common Event Format (CEF).
    Cef,
}

/// The log as a file: the whole of it, which `bedside-verify` checks offline, or what fits a search.
#[utoipa::path(post, path = "/api/v1/audit/export", tag = "Audit", request_body = ExportWanted, responses((status = 200, description = "A tar archive with the layout of C2SP tlog-tiles", content_type = "application/x-tar"), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn export(request: HttpRequest, state: web::Data<State>, body: web::Json<ExportWanted>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ExportAudit>(&caller).await?;
    let ExportWanted { form, search, disclose } = body.into_inner();
    let (form, kind, name) = match form {
        ExportForm::Bundle => {
            let disclose = if disclose { Disclose::Everything } else { Disclose::Nothing };
            let chunks = state.services.export_bundle(&permit, disclose).await?.into_inner();
            return Ok(download(chunks, "application/x-tar", "bedside-audit.tar"));
        }
        ExportForm::Ndjson => (Form::Ndjson, "application/x-ndjson", "bedside-audit.ndjson"),
        ExportForm::Csv => (Form::Csv, "text/csv; charset=utf-8", "bedside-audit.csv"),
        ExportForm::Cef => (Form::Cef, "text/plain; charset=utf-8", "bedside-audit.cef"),
        ExportForm::Fhir => (Form::Fhir, "application/fhir+json", "bedside-audit.fhir.json"),
    };
    let chunks = state.services.export_entries(&permit, search.search()?, form, disclose).await?.into_inner();
    Ok(download(chunks, kind, name))
}

/// A file that is made while it is sent.
fn download(chunks: Chunks, kind: &'static str, name: &str) -> HttpResponse {
    let body = futures_util::stream::unfold(chunks, |mut chunks| async {
        let chunk = chunks.recv().await?.map(web::Bytes::from).map_err(Problem::from);
        Some((chunk, chunks))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(body)
}

/// An entry with what shows that it is in the log.
#[derive(Serialize, ToSchema)]
pub struct ProvedView {
    index: u64,
    /// The leaf, byte for byte: RFC 8785 canonical JSON.
    body: String,
    /// Inclusion proof (RFC 6962, section 2.1.1), each hash in lower-case hex.
    inclusion_proof: Vec<String>,
    checkpoint: String,
    verifier_key: String,
    /// Personal values (RFC 9901, section 4.2): the digest of each stands in the entry.
    disclosures: Vec<String>,
}

/// One entry with its inclusion proof and its personal values.
#[utoipa::path(get, path = "/api/v1/audit/entries/{index}", tag = "Audit", params(("index" = u64, Path)), responses((status = 200, body = ProvedView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn entry(request: HttpRequest, state: web::Data<State>, index: web::Path<u64>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAudit>(&caller).await?;
    let proved = state.services.proved_entry(&permit, *index).await?.into_inner();
    Ok(HttpResponse::Ok().json(ProvedView {
        index: proved.index,
        body: proved.body,
        inclusion_proof: proved.proof.iter().map(|hash| hex(hash)).collect(),
        checkpoint: proved.checkpoint.note,
        verifier_key: state.services.verifier_key().to_owned(),
        disclosures: proved.disclosures,
    }))
}

/// The newest signed checkpoint: a C2SP signed note. Tells nothing but size and root, so anyone may keep it as a witness.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "Audit", responses((status = 200, description = "A signed note", content_type = "text/plain")))]
pub async fn checkpoint(state: web::Data<State>) -> Answer {
    let newest = state.services.checkpoint().await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(newest.note))
}

/// From which size on the log is to be shown to have grown.
#[derive(Deserialize, utoipa::IntoParams)]
pub struct Since {
    /// Size of a checkpoint that was seen before.
    from: Option<u64>,
}

/// What shows that the log only grew.
#[derive(Serialize, ToSchema)]
pub struct GrowthView {
    from: u64,
    /// Consistency proof (RFC 6962, section 2.1.2), each hash in lower-case hex.
    consistency_proof: Vec<String>,
    checkpoint: String,
    verifier_key: String,
}

/// That the log someone saw before is the beginning of the present one. Tells nothing but sizes and hashes, so anyone may ask.
#[utoipa::path(get, path = "/api/v1/audit/growth", tag = "Audit", params(Since), responses((status = 200, body = GrowthView), (status = 404, body = ProblemBody)))]
pub async fn growth(state: web::Data<State>, since: web::Query<Since>) -> Answer {
    let grown = state.services.growth(since.from).await?;
    Ok(HttpResponse::Ok().json(GrowthView {
        from: grown.from,
        consistency_proof: grown.proof.iter().map(|hash| hex(hash)).collect(),
        checkpoint: grown.checkpoint.note,
        verifier_key: state.services.verifier_key().to_owned(),
    }))
}

/// What contradicts what was seen before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContradictionSeen {
    /// `another_key`, `shorter`, `not_grown` or `bad_signature`.
    kind: String,
    /// The checkpoint that was seen before.
    seen: String,
}

/// Report that the log shown contradicts the one that was seen before. Anyone may, because every browser is a witness.
#[utoipa::path(post, path = "/api/v1/audit/contradictions", tag = "Audit", request_body = ContradictionSeen, responses((status = 204), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn contradiction(request: HttpRequest, state: web::Data<State>, body: web::Json<ContradictionSeen>) -> Answer {
    state.services.report_contradiction(&caller::anonymous(&request), &body.kind, &body.seen).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A tile of hashes (C2SP tlog-tiles). Entries are not to be had here.
#[utoipa::path(get, path = "/api/v1/audit/tile/{level}/{place}", tag = "Audit", params(("level" = u8, Path), ("place" = String, Path)), responses((status = 200, description = "Hashes, one after the other", content_type = "application/octet-stream"), (status = 404, body = ProblemBody)))]
pub async fn tile(state: web::Data<State>, path: web::Path<(u8, String)>) -> Answer {
    let (level, place) = path.into_inner();
    let (index, width) = tile_place(&place).filter(|_| level < 64).ok_or(ServiceError::NotFound("tile"))?;
    let hashes = state.services.tile(level, index, width).await?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(hashes))
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
    let review = state.services.review_log(&permit, body.log_size, &body.finding, &body.note).await?.into_inner();
    Ok(HttpResponse::Created().json(ReviewView {
        id: review.id,
        reviewed_by: who.display_name,
        log_size: review.log_size,
        finding: review.finding,
        note: review.note,
        reviewed_at: review.reviewed_at,
    }))
}
