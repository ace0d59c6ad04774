//! Floor 5: HTTP. The only place that knows `actix_web`; a handler extracts, asks a permit, calls one service and answers.

#![expect(clippy::missing_errors_doc, reason = "every handler answers with a Problem; which ones is in the OpenAPI document")]

pub mod accounts;
pub mod assets;
pub mod audit;
pub mod caller;
pub mod consent_registers;
pub mod consents;
pub mod consultations;
pub mod custody;
pub mod emergency;
pub mod guard;
pub mod invitations;
pub mod openapi;
pub mod oversight;
pub mod own_sign_in;
pub mod participants;
pub mod patients;
pub mod playback;
pub mod policies;
pub mod problem;
pub mod protective;
pub mod receipts;
pub mod recordings;
pub mod reports;
pub mod retention;
pub mod sign_in;
pub mod signaling;
pub mod system;

use crate::gateway::conductor::Gateway;
use crate::http::problem::Problem;
use crate::services::Services;
use actix_web::middleware::{NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, HttpServer, web};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// Longest request body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// What handlers share.
pub struct State {
    /// The operations.
    pub services: Arc<Services>,
    /// The gateway.
    pub gateway: Arc<Gateway>,
}

/// The answer of a handler.
pub type Answer = Result<actix_web::HttpResponse, Problem>;

/// Serves on a bound listener until stopped.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(state: State, listener: TcpListener, workers: usize) -> io::Result<actix_web::dev::Server> {
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .app_data(web::JsonConfig::default().limit(MAX_BODY).error_handler(|error, _| Problem::from(error).into()))
            .app_data(
                web::FormConfig::default().limit(MAX_BODY).error_handler(|_, _| Problem::malformed("The form cannot be read.").into()),
            )
            .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found().into()))
            .app_data(
                web::QueryConfig::default().error_handler(|_, _| Problem::malformed("The query of the address cannot be read.").into()),
            )
            .wrap(from_fn(guard::guard))
            .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
            .configure(routes)
    });
    Ok(server.workers(workers).disable_signals().shutdown_timeout(5).listen(listener)?.run())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/api/v1")
                .configure(system::routes)
                .configure(sign_in::routes)
                .configure(own_sign_in::routes)
                .configure(accounts::routes)
                .configure(patients::routes)
                .configure(consultations::routes)
                .configure(emergency::routes)
                .configure(participants::routes)
                .configure(invitations::routes)
                .configure(receipts::routes)
                .configure(consents::routes)
                .configure(consent_registers::routes)
                .configure(recordings::routes)
                .configure(playback::routes)
                .configure(custody::routes)
                .configure(audit::routes)
                .configure(oversight::routes)
                .configure(reports::routes)
                .configure(policies::routes)
                .configure(retention::routes)
                .configure(signaling::routes)
                .configure(openapi::routes)
                .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Problem::not_found()) })),
        )
        .service(web::resource("/healthz").route(web::get().to(system::health)))
        .default_service(web::to(assets::page_or_asset));
}
