//! The OpenAPI 3.1 document of everything under `/api/v1`, served at `/api/v1/openapi.json`.

use crate::http::{
    Answer, accounts, audit, consent_registers, consents, consultations, custody, emergency, invitations, oversight, own_sign_in,
    participants, patients, playback, policies, receipts, recordings, reports, retention, sign_in, system,
};
use actix_web::{HttpResponse, web};
use serde_json::json;
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
        sign_in::second_factor,
        sign_in::ask_second_passkey,
        sign_in::ask_passkey,
        sign_in::passkey,
        sign_in::visit,
        sign_in::returned,
        sign_in::signed_out_there,
        sign_in::sign_out,
        sign_in::me,
        sign_in::prove,
        sign_in::ask_proof,
        sign_in::prove_there,
        own_sign_in::factors,
        own_sign_in::change_password,
        own_sign_in::begin_passkey,
        own_sign_in::add_passkey,
        own_sign_in::remove_passkey,
        own_sign_in::begin_app,
        own_sign_in::add_app,
        own_sign_in::remove_app,
        own_sign_in::recovery_codes,
        own_sign_in::sessions,
        own_sign_in::end_others,
        own_sign_in::end_session,
        accounts::list,
        accounts::create,
        accounts::change,
        accounts::suspend,
        accounts::restore,
        accounts::reset_password,
        accounts::reset_factors,
        accounts::access_review,
        accounts::preview_link,
        accounts::use_link,
        patients::create,
        patients::search,
        consultations::list,
        consultations::waiting,
        consultations::create,
        consultations::read,
        consultations::start,
        consultations::end,
        consultations::cancel,
        consultations::clinicians,
        emergency::take,
        emergency::own,
        emergency::end,
        emergency::list,
        emergency::unseen,
        emergency::seen,
        invitations::list,
        invitations::create,
        invitations::reissue,
        invitations::cancel,
        invitations::preview,
        invitations::redeem,
        invitations::move_device,
        participants::list,
        participants::myself,
        participants::introduce,
        participants::device_code,
        participants::ticket,
        participants::admit,
        participants::turn_away,
        participants::remove,
        participants::leave,
        consents::text,
        consents::wanted,
        consents::list,
        consents::own,
        consents::decide,
        consents::withdraw,
        consents::ask_again,
        receipts::own,
        receipts::make_link,
        receipts::open,
        receipts::take,
        receipts::withdraw,
        consent_registers::search,
        consent_registers::export,
        consent_registers::coverage,
        consent_registers::texts,
        recordings::ask,
        recordings::of_consultation,
        recordings::list,
        recordings::read,
        recordings::stop,
        recordings::review,
        playback::open,
        playback::media,
        custody::read,
        custody::place,
        custody::release,
        custody::grant,
        custody::end,
        audit::search,
        audit::verify,
        audit::export,
        audit::entry,
        audit::checkpoint,
        audit::growth,
        audit::contradiction,
        audit::tile,
        audit::reviews,
        audit::review,
        oversight::activity,
        oversight::patients,
        oversight::places,
        oversight::searches,
        oversight::save,
        oversight::forget,
        reports::record,
        reports::disclosures,
        reports::access,
        reports::retention,
        reports::consents,
        policies::read,
        retention::read,
    )
)]
pub struct Document;

/// Registers the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/openapi.json").route(web::get().to(serve)));
}

/// Refusals that any operation may give before it is reached, or when the log cannot take its entry.
const EVERYWHERE: [(&str, &str); 7] = [
    ("400", "`MALFORMED`: the request cannot be read"),
    ("403", "`ORIGIN`, `FORBIDDEN`, `SCOPE` and the like: it is not for whoever asks"),
    ("404", "`NOT_FOUND`: there is no such thing, or it is not theirs to know of"),
    ("413", "`BODY_TOO_LARGE`"),
    ("415", "`CONTENT_TYPE`: not JSON"),
    ("421", "`ORIGIN`: this server is not known under that name"),
    ("503", "`AUDIT_UNAVAILABLE`: nothing is done without its entry in the log"),
];

/// The document, with the refusals that any operation may give.
///
/// # Errors
/// Never.
pub async fn serve() -> Answer {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let problem = json!({"$ref": "#/components/schemas/ProblemBody"});
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(|path| path.as_object_mut()).flat_map(|path| path.values_mut()) {
        let Some(responses) = operation.get_mut("responses").and_then(|r| r.as_object_mut()) else { continue };
        for (status, description) in EVERYWHERE {
            let response = json!({"description": description, "content": {"application/problem+json": {"schema": problem}}});
            responses.entry(status).or_insert(response);
        }
        // a refusal is a problem document wherever it stands
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('4') || status.starts_with('5')) {
            if let Some(content) = response.get_mut("content").and_then(|c| c.as_object_mut())
                && let Some(body) = content.remove("application/json")
            {
                content.insert("application/problem+json".to_owned(), body);
            }
        }
    }
    Ok(HttpResponse::Ok().json(document))
}
