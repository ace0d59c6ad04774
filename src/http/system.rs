//! What every page needs to know, and whether the server is well.

use crate::http::{Answer, State};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/config").route(web::get().to(public_config)));
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderView {
    id: String,
    /// What the button says.
    name: String,
}

/// What pages need to know.
#[derive(Serialize, ToSchema)]
pub struct PublicConfig {
    clinic_name: String,
    version: &'static str,
    demo: bool,
    languages: [&'static str; 2],
    /// Identity providers that staff may sign in through.
    providers: Vec<ProviderView>,
    /// Whether staff can use passkeys: browsers make them for names, not for addresses.
    passkeys: bool,
    /// STUN and TURN servers for the browser.
    #[schema(value_type = Vec<Object>)]
    ice_servers: Vec<serde_json::Value>,
}

/// What pages need to know.
#[utoipa::path(get, path = "/api/v1/config", tag = "System", responses((status = 200, body = PublicConfig)))]
pub async fn public_config(state: web::Data<State>) -> Answer {
    let settings = &state.services.settings;
    Ok(HttpResponse::Ok().json(PublicConfig {
        clinic_name: settings.clinic_name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        demo: settings.demo,
        languages: ["en", "es"],
        providers: state.services.provider_buttons().into_iter().map(|p| ProviderView { id: p.id, name: p.name }).collect(),
        passkeys: state.services.has_passkeys(),
        ice_servers: Vec::new(),
    }))
}

/// Whether the server can serve: it can if the audit log can be read.
pub async fn health(state: web::Data<State>) -> Answer {
    state.services.well().await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n"))
}
