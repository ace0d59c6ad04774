//! Signing in and out.

use crate::domain::access::AccountRole;
use crate::domain::id::AccountId;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::services::sign_in::SignedIn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sign-in").route(web::post().to(sign_in)))
        .service(web::resource("/sign-out").route(web::post().to(sign_out)))
        .service(web::resource("/me").route(web::get().to(me)));
}

/// A username and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    #[schema(value_type = String)]
    password: Secret,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(value_type = String)]
    id: AccountId,
    username: String,
    display_name: String,
    #[schema(value_type = String)]
    role: AccountRole,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

impl From<SignedIn> for Me {
    fn from(s: SignedIn) -> Self {
        Self { id: s.account, username: s.username, display_name: s.display_name, role: s.role, expires_at: s.expires_at }
    }
}

/// Sign in with a password.
#[utoipa::path(post, path = "/api/v1/sign-in", tag = "Sign-in", request_body = Credentials, responses((status = 200, body = Me), (status = 401, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn sign_in(request: HttpRequest, state: web::Data<State>, body: web::Json<Credentials>) -> Answer {
    let Credentials { username, password } = body.into_inner();
    let (secret, signed_in) = state.services.sign_in(&caller::anonymous(&request), &username, password).await?;
    Ok(HttpResponse::Ok().cookie(caller::staff_cookie(&state, Some(&secret))).json(Me::from(signed_in)))
}

/// End one's own sign-in session.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "Sign-in", responses((status = 204), (status = 401, body = ProblemBody)))]
pub async fn sign_out(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, signed_in) = caller::staff(&request, &state).await?;
    state.services.sign_out(&caller, signed_in.session).await?;
    Ok(HttpResponse::NoContent().cookie(caller::staff_cookie(&state, None)).finish())
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/me", tag = "Sign-in", responses((status = 200, body = Me), (status = 401, body = ProblemBody)))]
pub async fn me(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (_, signed_in) = caller::staff(&request, &state).await?;
    Ok(HttpResponse::Ok().json(Me::from(signed_in)))
}
