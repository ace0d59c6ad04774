//! Invitations: the clinician's side of them, and the two things a link can do: be looked at, and be redeemed.

use crate::domain::access::{ManageInvitations, ReadConsultation};
use crate::domain::id::{ConsultationId, InvitationId, ParticipantId};
use crate::domain::invitation::State as Standing;
use crate::domain::participant::{Capability, Role};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::protective::{PendingView, pending, staff_asking};
use crate::http::{Answer, State, caller};
use crate::services::invitations::{Inviting, OpenInvitation, Redeemed};
use crate::services::protective::Protected;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/consultations/{id}/invitations").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/invitations/{id}/reissue").route(web::post().to(reissue)))
        .service(web::resource("/invitations/{id}/cancel").route(web::post().to(cancel)))
        .service(web::resource("/invitations/{id}/preview").route(web::post().to(preview)))
        .service(web::resource("/invitations/{id}/redeem").route(web::post().to(redeem)))
        .service(web::resource("/invitations/{id}/move").route(web::post().to(move_device)));
}

/// An invitation.
#[derive(Serialize, ToSchema)]
pub struct InvitationView {
    #[schema(value_type = String)]
    id: InvitationId,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = String)]
    role: Role,
    name_hint: Option<String>,
    status: &'static str,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>)]
    redeemed_at: Option<Timestamp>,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The code to tell by another way than the link; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Whether a code must be given as well.
    with_code: bool,
    /// What they may do in the call.
    capabilities: Vec<&'static str>,
}

/// The invitations of a consultation.
#[derive(Serialize, ToSchema)]
pub struct Invitations {
    invitations: Vec<InvitationView>,
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    #[schema(value_type = String)]
    role: Role,
    name_hint: Option<String>,
    /// Whether they must give a code as well, told by another way than the link.
    #[serde(default)]
    with_code: bool,
    /// What they may do in the call: `publish_audio`, `publish_video`, `share_screen`, `chat`, `send_files`. Everything their role may, if
    /// left out.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    capabilities: Option<Vec<Capability>>,
}

/// The secret of a link, from the fragment of its address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSecret {
    #[schema(value_type = String)]
    secret: Secret,
    /// The language to tell about the data in.
    #[serde(default)]
    language: Option<String>,
}

/// The secret of a link, and the code where one is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeeming {
    #[schema(value_type = String)]
    secret: Secret,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<Secret>,
}

/// The secret of a used link, and a code from the device that holds its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Moving {
    #[schema(value_type = String)]
    secret: Secret,
    #[schema(value_type = String)]
    code: Secret,
}

/// What an invited person is told before they join.
#[derive(Serialize, ToSchema)]
pub struct PreviewView {
    clinic_name: String,
    practitioner_name: String,
    #[schema(value_type = String)]
    role: Role,
    name_hint: Option<String>,
    #[schema(value_type = String)]
    starts_at: Timestamp,
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    consultation_status: &'static str,
    bound_here: bool,
    /// Whether a code must be given as well.
    code_required: bool,
    #[schema(value_type = Object)]
    data_notice: Option<crate::policy::catalogue::Notice>,
}

/// A place that was taken.
#[derive(Serialize, ToSchema)]
pub struct RedeemedView {
    #[schema(value_type = String)]
    consultation_id: ConsultationId,
    #[schema(value_type = String)]
    participant_id: ParticipantId,
}

fn view(state: &State, open: OpenInvitation) -> InvitationView {
    let i = open.invitation;
    InvitationView {
        id: i.id,
        consultation_id: i.consultation,
        role: i.role,
        name_hint: open.name_hint,
        status: i.status(state.services.now()),
        created_at: i.created_at,
        expires_at: i.expires_at,
        redeemed_at: match i.state {
            Standing::Redeemed { at, .. } => Some(at),
            Standing::Open | Standing::Cancelled => None,
        },
        link: open.link.map(|link| link.expose().to_owned()),
        code: open.code.map(|code| code.expose().to_owned()),
        with_code: i.code_tries.is_some(),
        capabilities: i.capabilities.iter().map(Capability::as_str).collect(),
    }
}

/// The invitations of a consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/invitations", tag = "Invitations", params(("id" = String, Path)), responses((status = 200, body = Invitations), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>, id: web::Path<ConsultationId>) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ReadConsultation>(&caller, *id).await?;
    let invitations = state.services.invitations(&permit, &consultation).await?.into_inner();
    Ok(HttpResponse::Ok().json(Invitations { invitations: invitations.into_iter().map(|i| view(&state, i)).collect() }))
}

/// Make a link for someone.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/invitations", tag = "Invitations", params(("id" = String, Path)), request_body = NewInvitation, responses((status = 201, body = InvitationView), (status = 410, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<ConsultationId>,
    body: web::Json<NewInvitation>,
) -> Answer {
    let caller = caller::anyone(&request, &state, *id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ManageInvitations>(&caller, *id).await?;
    let NewInvitation { role, name_hint, with_code, capabilities } = body.into_inner();
    let made = state.services.invite(&permit, &consultation, Inviting { role, name_hint, with_code, capabilities }).await?;
    Ok(HttpResponse::Created().json(view(&state, made)))
}

/// Replace a link; the old one and the browser bound to it stop working.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/reissue", tag = "Invitations", params(("id" = String, Path)), responses((status = 200, body = InvitationView), (status = 410, body = ProblemBody)))]
pub async fn reissue(request: HttpRequest, state: web::Data<State>, id: web::Path<InvitationId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let of = state.services.consultation_of_invitation(*id).await?;
    let (permit, consultation) = state.services.permit_consultation::<ManageInvitations>(&caller, of).await?;
    let made = state.services.reissue(&permit, &consultation, *id).await?;
    Ok(HttpResponse::Ok().json(view(&state, made)))
}

/// Take a link back.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/cancel", tag = "Invitations", params(("id" = String, Path)), responses((status = 200, body = InvitationView), (status = 202, body = PendingView), (status = 404, body = ProblemBody)))]
pub async fn cancel(request: HttpRequest, state: web::Data<State>, id: web::Path<InvitationId>) -> Answer {
    let asking = staff_asking(&request, &state).await?;
    let act = state.services.last_known().cancellation(*id);
    let written = Box::pin(async {
        let of = state.services.consultation_of_invitation(*id).await?;
        let (permit, consultation) = state.services.permit_consultation::<ManageInvitations>(&asking.caller, of).await?;
        state.services.cancel_invitation(&permit, &consultation, *id).await
    });
    Ok(match asking.protect(&state, act, written).await? {
        Protected::Done(taken) => HttpResponse::Ok().json(view(&state, taken)),
        Protected::Pending => pending(),
    })
}

/// Who this browser is in the consultation of an invitation, if anyone.
async fn bound(request: &HttpRequest, state: &State, id: InvitationId) -> Option<crate::domain::access::Actor> {
    let consultation = state.services.consultation_of_invitation(id).await.ok()?;
    caller::participant(request, state, consultation).await.ok().flatten()
}

/// What a link opens. Changes nothing, however often it is asked.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/preview", tag = "Invitations", params(("id" = String, Path)), request_body = LinkSecret, responses((status = 200, body = PreviewView), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody)))]
pub async fn preview(request: HttpRequest, state: web::Data<State>, id: web::Path<InvitationId>, body: web::Json<LinkSecret>) -> Answer {
    let bound = bound(&request, &state, *id).await;
    let language = body.language.as_deref().unwrap_or("en");
    let shown = state.services.preview(*id, &body.secret, bound, language).await?;
    Ok(HttpResponse::Ok().json(PreviewView {
        clinic_name: state.services.settings.clinic_name.clone(),
        practitioner_name: shown.practitioner_name,
        role: shown.role,
        name_hint: shown.name_hint,
        starts_at: shown.consultation.starts_at,
        consultation_id: shown.consultation.id,
        consultation_status: shown.consultation.state.as_str(),
        bound_here: shown.bound_here,
        code_required: shown.code_required,
        data_notice: shown.notice,
    }))
}

fn taken(state: &State, taken: &Redeemed) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if let Some(token) = &taken.token {
        answer.cookie(caller::participant_cookie(state, taken.consultation.id, token));
    }
    answer.json(RedeemedView { consultation_id: taken.consultation.id, participant_id: taken.participant })
}

/// Use a link: its place goes to this browser.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/redeem", tag = "Invitations", params(("id" = String, Path)), request_body = Redeeming, responses((status = 200, body = RedeemedView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn redeem(request: HttpRequest, state: web::Data<State>, id: web::Path<InvitationId>, body: web::Json<Redeeming>) -> Answer {
    let bound = bound(&request, &state, *id).await;
    let caller = caller::anonymous(&request);
    Ok(taken(&state, &state.services.redeem(&caller, *id, &body.secret, body.code.as_ref(), bound).await?))
}

/// Move the place of a used link to this browser, with a code from the device that holds it.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/move", tag = "Invitations", params(("id" = String, Path)), request_body = Moving, responses((status = 200, body = RedeemedView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody)))]
pub async fn move_device(request: HttpRequest, state: web::Data<State>, id: web::Path<InvitationId>, body: web::Json<Moving>) -> Answer {
    Ok(taken(&state, &state.services.move_device(&caller::anonymous(&request), *id, &body.secret, &body.code).await?))
}
