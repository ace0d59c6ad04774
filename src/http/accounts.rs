//! The list of staff accounts.

use crate::domain::access::{AccountRole, ReadAccounts};
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/users").route(web::get().to(list)));
}

/// A staff account.
#[derive(Serialize, ToSchema)]
pub struct User {
    #[schema(value_type = String)]
    id: AccountId,
    username: String,
    display_name: String,
    #[schema(value_type = String)]
    role: AccountRole,
    status: &'static str,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>)]
    last_sign_in_at: Option<Timestamp>,
}

/// Every staff account.
#[derive(Serialize, ToSchema)]
pub struct Users {
    users: Vec<User>,
}

/// Every staff account.
#[utoipa::path(get, path = "/api/v1/users", tag = "Administration", responses((status = 200, body = Users), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAccounts>(&caller).await?;
    let users = state.services.accounts(&permit).await?.into_iter().map(|a| User {
        id: a.id,
        username: a.username,
        display_name: a.display_name,
        role: a.role,
        status: if a.active { "active" } else { "suspended" },
        created_at: a.created_at,
        last_sign_in_at: a.last_sign_in_at,
    });
    Ok(HttpResponse::Ok().json(Users { users: users.collect() }))
}
