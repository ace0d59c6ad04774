//! Receipts of one's own decisions, and the private link to them.

use crate::domain::access::{DecideConsent, ReadOwnConsents};
use crate::domain::consent::Method;
use crate::domain::id::{ConsentId, ConsultationId, ParticipantId, ReceiptLinkId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::consents::{ConsentView, NewDecision, NewWithdrawal, RecordedView};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::{Answer, State, caller};
use crate::services::receipts::{Form, Receipts};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations/{id}/consents/{consent}/receipt").route(web::get().to(own)))
        .service(web::resource("/consultations/{id}/receipt-link").route(web::post().to(make_link)))
        .service(web::resource("/receipt-links/{id}/open").route(web::post().to(open)))
        .service(web::resource("/receipt-links/{id}/receipt").route(web::post().to(take)))
        .service(web::resource("/receipt-links/{id}/withdraw").route(web::post().to(withdraw)));
}

/// In which form.
#[derive(Deserialize)]
pub struct Wanted {
    form: Option<String>,
}

fn form(named: Option<&str>) -> Result<Form, Problem> {
    match named.unwrap_or("json") {
        "json" => Ok(Form::Json),
        "pdf" => Ok(Form::Pdf),
        "page" => Ok(Form::Page),
        _ => Err(Problem::field("form", "must be json, pdf or page")),
    }
}

fn file(form: Form, consent: ConsentId, bytes: Vec<u8>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.content_type(if form == Form::Pdf { "application/pdf" } else { "application/json" });
    if form != Form::Page {
        let name = format!("attachment; filename=\"consent-{consent}.{}\"", form.as_str());
        answer.insert_header((header::CONTENT_DISPOSITION, name));
    }
    answer.body(bytes)
}

/// A private link to one's receipts.
#[derive(Serialize, ToSchema)]
pub struct ReceiptLinkView {
    /// The link, told once.
    link: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

/// What opens a private link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSecret {
    /// The part of the link after `#`.
    #[schema(value_type = String)]
    secret: Secret,
}

/// Which receipt, in which form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkReceipt {
    #[schema(value_type = String)]
    secret: Secret,
    #[schema(value_type = String)]
    consent: ConsentId,
    /// `json`, `pdf`, or `page` for what a page shows of it.
    form: Option<String>,
}

/// What is withdrawn through a private link: signed if the browser can.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkWithdrawal {
    #[schema(value_type = String)]
    secret: Secret,
    about: NewWithdrawal,
    decision: Option<NewDecision>,
}

/// What a private link opens.
#[derive(Serialize, ToSchema)]
pub struct ReceiptsView {
    clinic_name: String,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    consents: Vec<TitledConsent>,
}

/// A decision with the heading of its text.
#[derive(Serialize, ToSchema)]
pub struct TitledConsent {
    title: String,
    consent: ConsentView,
}

impl ReceiptsView {
    fn of(state: &State, receipts: Receipts) -> Self {
        let titled = receipts.consents.into_iter().map(|(open, title)| TitledConsent { title, consent: open.into() });
        Self {
            clinic_name: state.services.settings.clinic_name.clone(),
            consultation_id: receipts.consultation,
            participant_id: receipts.participant,
            expires_at: receipts.expires_at,
            consents: titled.collect(),
        }
    }
}

/// A receipt of one's own decision, as `json`, `pdf`, or `page` for what a page shows of it.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/consents/{consent}/receipt", tag = "Receipts", params(("id" = String, Path), ("consent" = String, Path), ("form" = Option<String>, Query)), responses((status = 200), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn own(
    request: HttpRequest,
    state: web::Data<State>,
    path: web::Path<(ConsultationId, ConsentId)>,
    wanted: web::Query<Wanted>,
) -> Answer {
    let (id, consent) = path.into_inner();
    let form = form(wanted.form.as_deref())?;
    let caller = caller::anyone(&request, &state, id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadOwnConsents>(&caller, id).await?;
    Ok(file(form, consent, state.services.own_receipt(&permit, &consultation, consent, form).await?.into_inner()))
}

/// Make a private link to one's receipts.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/receipt-link", tag = "Receipts", params(("id" = String, Path)), responses((status = 201, body = ReceiptLinkView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn make_link(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadOwnConsents>(&caller, *id).await?;
    let made = state.services.make_receipt_link(&permit, &consultation).await?.into_inner();
    Ok(HttpResponse::Created().json(ReceiptLinkView { link: made.link.expose().to_owned(), expires_at: made.expires_at }))
}

/// What a private link opens.
#[utoipa::path(post, path = "/api/v1/receipt-links/{id}/open", tag = "Receipts", params(("id" = String, Path)), request_body = LinkSecret, responses((status = 200, body = ReceiptsView), (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn open(request: HttpRequest, state: web::Data<State>, id: web::Path<ReceiptLinkId>, body: web::Json<LinkSecret>) -> Answer {
    let receipts = state.services.open_receipt_link(&caller::anonymous(&request), *id, &body.secret).await?.into_inner();
    Ok(HttpResponse::Ok().json(ReceiptsView::of(&state, receipts)))
}

/// Take a receipt through a private link.
#[utoipa::path(post, path = "/api/v1/receipt-links/{id}/receipt", tag = "Receipts", params(("id" = String, Path)), request_body = LinkReceipt, responses((status = 200), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn take(request: HttpRequest, state: web::Data<State>, id: web::Path<ReceiptLinkId>, body: web::Json<LinkReceipt>) -> Answer {
    let form = form(body.form.as_deref())?;
    let receipts = state.services.open_receipt_link(&caller::anonymous(&request), *id, &body.secret).await?.into_inner();
    let (permit, consultation) = state.services.permit_consultation::<ReadOwnConsents>(&receipts.caller, receipts.consultation).await?;
    Ok(file(form, body.consent, state.services.own_receipt(&permit, &consultation, body.consent, form).await?.into_inner()))
}

/// Withdraw through a private link.
#[utoipa::path(post, path = "/api/v1/receipt-links/{id}/withdraw", tag = "Receipts", params(("id" = String, Path)), request_body = LinkWithdrawal, responses((status = 201, body = RecordedView), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn withdraw(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<ReceiptLinkId>,
    body: web::Json<LinkWithdrawal>,
) -> Answer {
    let LinkWithdrawal { secret, about, decision } = body.into_inner();
    let receipts = state.services.open_receipt_link(&caller::anonymous(&request), *id, &secret).await?.into_inner();
    let (permit, consultation) = state.services.permit_consultation::<DecideConsent>(&receipts.caller, receipts.consultation).await?;
    let recorded = match decision {
        Some(decision) => state.services.withdraw_signed(&permit, &consultation, decision.into(), Method::ReceiptLink).await?,
        None => state.services.withdraw(&permit, &consultation, about.about()?, Method::ReceiptLink).await?,
    };
    Ok(HttpResponse::Created().json(RecordedView::from(recorded)))
}
