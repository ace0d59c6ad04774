//! Consent texts, and decisions about them and about recordings.

use crate::domain::access::{DecideConsent, JoinConsultation, ReadGivenConsents, ReadOwnConsents, RequestRecording};
use crate::domain::consent::{Capacity, Decision, Method, Purpose};
use crate::domain::id::{ConsentId, ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::{Place, Role};
use crate::domain::recording::AfterWithdrawal;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::protective::{PendingView, asking, pending};
use crate::http::{Answer, State, caller};
use crate::policy::catalogue::ConsentText;
use crate::services::consents::{About, KeptDecision, OpenConsent, Presented, Wanted};
use crate::services::protective::{Act, Protected};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consent-texts/{text}").route(web::get().to(text)))
        .service(web::resource("/consultations/{id}/consents").route(web::get().to(list)).route(web::post().to(decide)))
        .service(web::resource("/consultations/{id}/consents/own").route(web::get().to(own)))
        .service(web::resource("/consultations/{id}/consents/wanted").route(web::get().to(wanted)))
        .service(web::resource("/consultations/{id}/consents/withdraw").route(web::post().to(withdraw)))
        .service(web::resource("/recordings/{id}/ask-again").route(web::post().to(ask_again)));
}

/// Which version, in which language.
#[derive(Deserialize)]
pub struct Which {
    version: Option<String>,
    language: Option<String>,
}

/// The exact words to be shown, and what belongs to them.
#[derive(Serialize, ToSchema)]
pub struct ConsentTextView {
    text: String,
    version: String,
    language: String,
    /// Languages this version is there in.
    languages: Vec<String>,
    title: String,
    /// Markdown: paragraphs, `##` headings, `-` lists, `**bold**`.
    body: String,
    /// SHA-256 of the file in the catalogue: a decision names it, beside the SHA-256 of title, an empty line and body as they were shown.
    digest: String,
    #[schema(value_type = Vec<String>)]
    purposes: Vec<Purpose>,
    legal_basis: String,
    jurisdiction: String,
    recipients: Vec<String>,
    retention_class: String,
    /// `end_of_consultation`, or a number of days such as `365 days`.
    expires: String,
    required: bool,
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
    /// `sample` or `adopted`.
    status: &'static str,
}

impl ConsentTextView {
    fn of(state: &State, found: ConsentText) -> Self {
        let bundle = state.services.policy().bundle;
        Self {
            languages: bundle.languages(&found.text, &found.version).into_iter().map(str::to_owned).collect(),
            status: bundle.status(&found),
            expires: found.expires.as_text(),
            text: found.text,
            version: found.version,
            language: found.language,
            title: found.title,
            body: found.body,
            digest: found.digest,
            purposes: found.purposes,
            legal_basis: found.legal_basis,
            jurisdiction: found.jurisdiction,
            recipients: found.recipients,
            retention_class: found.retention_class,
            required: found.required,
            roles: found.roles,
        }
    }
}

/// A text one is asked about before the lobby.
#[derive(Serialize, ToSchema)]
pub struct WantedView {
    text: ConsentTextView,
    /// How one decided so far; null while one has not.
    #[schema(value_type = Option<String>)]
    decision: Option<Decision>,
}

/// Texts one is asked about before the lobby.
#[derive(Serialize, ToSchema)]
pub struct WantedViews {
    wanted: Vec<WantedView>,
}

/// A signed decision. `docs/consent.md` says what the statement holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    /// The statement, JSON as text: the very bytes that were signed.
    statement: Option<String>,
    /// `Ed25519` or `ES256`.
    algorithm: Option<String>,
    /// The public key, raw (ES256: an uncompressed point), base64url.
    public_key: Option<String>,
    /// The signature over the statement's bytes (ES256: r and s), base64url.
    signature: Option<String>,
}

impl From<NewDecision> for Presented {
    fn from(body: NewDecision) -> Self {
        let NewDecision { statement, algorithm, public_key, signature } = body;
        Self { statement, algorithm, public_key, signature }
    }
}

/// What one withdraws from: a recording, or a text of the consultation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWithdrawal {
    #[schema(value_type = Option<String>)]
    recording: Option<RecordingId>,
    text: Option<String>,
}

impl NewWithdrawal {
    pub(super) fn about(self) -> Result<About, Problem> {
        match (self.recording, self.text) {
            (Some(id), None) => Ok(About::Recording(id)),
            (None, Some(text)) => Ok(About::Text(text)),
            _ => Err(Problem::malformed("Name either the recording or the text.")),
        }
    }
}

/// A decision that was recorded.
#[derive(Serialize, ToSchema)]
pub struct RecordedView {
    #[schema(value_type = String)]
    id: ConsentId,
    /// `keep`, `keep_until_review` or `destroy`, where someone withdrew from a recording that had begun.
    #[schema(value_type = Option<String>)]
    what_was_recorded: Option<AfterWithdrawal>,
    /// Where the person is now.
    #[schema(value_type = String)]
    place: Place,
}

impl From<KeptDecision> for RecordedView {
    fn from(recorded: KeptDecision) -> Self {
        Self { id: recorded.id, what_was_recorded: recorded.what_was_recorded, place: recorded.place }
    }
}

/// A decision.
#[derive(Serialize, ToSchema)]
pub struct ConsentView {
    #[schema(value_type = String)]
    id: ConsentId,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = Option<String>)]
    recording_id: Option<RecordingId>,
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    /// Null once the evidence key was destroyed.
    person: Option<String>,
    #[schema(value_type = String)]
    role: Role,
    #[schema(value_type = String)]
    capacity: Capacity,
    representative_name: Option<String>,
    representative_relationship: Option<String>,
    #[schema(value_type = String)]
    decision: Decision,
    #[schema(value_type = Vec<String>)]
    permitted: Vec<Purpose>,
    #[schema(value_type = Vec<String>)]
    denied: Vec<Purpose>,
    text: String,
    version: String,
    language: String,
    digest: String,
    #[schema(value_type = String)]
    method: Method,
    signed: bool,
    /// Whether it counts still: no later decision and no newer text that asks again took its place.
    stands: bool,
    policy_digest: String,
    /// SHA-256 of title and body as they were shown.
    shown: String,
    #[schema(value_type = String)]
    decided_at: Timestamp,
}

impl From<OpenConsent> for ConsentView {
    fn from(open: OpenConsent) -> Self {
        let OpenConsent { consent, person, representative, role, stands } = open;
        let signed = consent.signed().is_some();
        let (representative_name, representative_relationship) = representative.map(|r| (r.name, r.relationship)).unzip();
        Self {
            id: consent.id,
            consultation_id: consent.consultation,
            recording_id: consent.recording,
            participant_id: consent.participant,
            person,
            role,
            capacity: consent.capacity,
            representative_name,
            representative_relationship,
            decision: consent.decision,
            permitted: consent.permitted,
            denied: consent.denied,
            text: consent.shown.text,
            version: consent.shown.version,
            language: consent.shown.language,
            digest: consent.shown.digest,
            shown: consent.shown.shown,
            method: consent.method,
            signed,
            stands,
            policy_digest: consent.policy_digest,
            decided_at: consent.decided_at,
        }
    }
}

/// Decisions.
#[derive(Serialize, ToSchema)]
pub struct ConsentViews {
    pub(super) consents: Vec<ConsentView>,
}

/// Whom to ask again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskAgain {
    #[schema(value_type = String)]
    participant: ParticipantId,
}

/// A consent text in force.
#[utoipa::path(get, path = "/api/v1/consent-texts/{text}", tag = "Consent", params(("text" = String, Path), ("version" = Option<String>, Query), ("language" = Option<String>, Query)), responses((status = 200, body = ConsentTextView), (status = 404, body = ProblemBody)))]
pub async fn text(state: web::Data<State>, name: web::Path<String>, which: web::Query<Which>) -> Answer {
    let found = state.services.consent_text(&name, which.version.as_deref(), which.language.as_deref().unwrap_or("en"))?;
    Ok(HttpResponse::Ok().json(ConsentTextView::of(&state, found)))
}

/// What one is asked before the lobby.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/consents/wanted", tag = "Consent", params(("id" = String, Path), ("language" = Option<String>, Query)), responses((status = 200, body = WantedViews), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn wanted(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>, which: web::Query<Which>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<JoinConsultation>(&caller, *id).await?;
    let wanted = state.services.wanted_consents(&permit, &consultation, which.language.as_deref().unwrap_or("en")).await?;
    let view = |one: Wanted| WantedView { decision: one.decision, text: ConsentTextView::of(&state, one.text) };
    Ok(HttpResponse::Ok().json(WantedViews { wanted: wanted.into_iter().map(view).collect() }))
}

/// Every decision of a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/consents", tag = "Consent", params(("id" = String, Path)), responses((status = 200, body = ConsentViews), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadGivenConsents>(&caller, *id).await?;
    let all = state.services.consents_of_consultation(&permit, &consultation).await?.into_inner();
    Ok(HttpResponse::Ok().json(ConsentViews { consents: all.into_iter().map(ConsentView::from).collect() }))
}

/// One's own decisions in a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/consents/own", tag = "Consent", params(("id" = String, Path)), responses((status = 200, body = ConsentViews), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn own(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadOwnConsents>(&caller, *id).await?;
    let all = state.services.own_consents(&permit, &consultation).await?.into_inner();
    Ok(HttpResponse::Ok().json(ConsentViews { consents: all.into_iter().map(ConsentView::from).collect() }))
}

/// Decide, with a statement signed in this browser.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/consents", tag = "Consent", params(("id" = String, Path)), request_body = NewDecision, responses((status = 201, body = RecordedView), (status = 202, body = PendingView), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn decide(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>, body: web::Json<NewDecision>) -> Answer {
    let presented: Presented = body.into_inner().into();
    let asking = asking(&request, &state, Some(*id)).await?;
    let own = asking.participant(&state, *id);
    let act = Act::signed_withdrawal(&presented).filter(|act| own.is_some_and(|own| act.is_by(*id, own)));
    let written = Box::pin(async {
        let (permit, consultation) = state.services.permit_consultation::<DecideConsent>(&asking.caller, *id).await?;
        state.services.decide(&permit, &consultation, presented, Method::InPage).await
    });
    Ok(match asking.protect(&state, act, written).await? {
        Protected::Done(recorded) => HttpResponse::Created().json(RecordedView::from(recorded)),
        Protected::Pending => pending(),
    })
}

/// Withdraw, signed or not; a recording stops at once.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/consents/withdraw", tag = "Consent", params(("id" = String, Path)), request_body = NewWithdrawal, responses((status = 201, body = RecordedView), (status = 202, body = PendingView), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn withdraw(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<ConsultationId>,
    body: web::Json<NewWithdrawal>,
) -> Answer {
    let asking = asking(&request, &state, Some(*id)).await?;
    let about = body.into_inner().about()?;
    let act = asking.participant(&state, *id).map(|participant| Act::withdrawal(*id, participant, &about));
    let written = Box::pin(async {
        let (permit, consultation) = state.services.permit_consultation::<DecideConsent>(&asking.caller, *id).await?;
        state.services.withdraw(&permit, &consultation, about, Method::InPage).await
    });
    Ok(match asking.protect(&state, act, written).await? {
        Protected::Done(recorded) => HttpResponse::Created().json(RecordedView::from(recorded)),
        Protected::Pending => pending(),
    })
}

/// Ask someone again who declined a recording.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/ask-again", tag = "Consent", params(("id" = String, Path)), request_body = AskAgain, responses((status = 204), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn ask_again(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>, body: web::Json<AskAgain>) -> Answer {
    let of = state.services.consultation_of_recording(*id).await?;
    let caller = caller::anyone(&request, &state, of).await?;
    let (permit, consultation) = state.services.permit_consultation::<RequestRecording>(&caller, of).await?;
    state.services.ask_again(&permit, &consultation, *id, body.participant).await?;
    Ok(HttpResponse::NoContent().finish())
}
