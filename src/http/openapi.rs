//! The OpenAPI 3.1 document of everything under `/api/v1`, served at `/api/v1/openapi.json`.

use crate::http::{
    Answer, accounts, audit, consents, consultations, invitations, participants, patients, playback, policies, recordings, retention,
    sign_in, system,
};
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

/// The document, built from the handlers' annotations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bedside",
        description = "Self-hosted telehealth session server. Every refusal is an RFC 9457 problem with a stable code."
    ),
    paths(
        system::public_config,
        sign_in::sign_in,
        sign_in::sign_out,
        sign_in::me,
        accounts::list,
        patients::create,
        patients::search,
        consultations::list,
        consultations::waiting,
        consultations::create,
        consultations::read,
        consultations::start,
        consultations::end,
        consultations::cancel,
        invitations::list,
        invitations::create,
        invitations::reissue,
        invitations::cancel,
        invitations::preview,
        invitations::redeem,
        participants::list,
        participants::myself,
        participants::introduce,
        participants::ticket,
        participants::admit,
        participants::turn_away,
        participants::remove,
        participants::leave,
        consents::text,
        consents::decide,
        consents::withdraw,
        recordings::ask,
        recordings::of_consultation,
        recordings::list,
        recordings::read,
        recordings::stop,
        playback::open,
        playback::media,
        audit::search,
        audit::verify,
        audit::export,
        audit::checkpoint,
        policies::read,
        retention::read,
    )
)]
pub struct Document;

/// Registers the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/openapi.json").route(web::get().to(serve)));
}

/// The document.
///
/// # Errors
/// Never.
pub async fn serve() -> Answer {
    Ok(HttpResponse::Ok().json(Document::openapi()))
}
