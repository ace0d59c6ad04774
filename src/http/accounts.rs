//! Staff accounts: the administrator's pages, the access review, and the links with which one sets a password.

use crate::domain::access::{AccountRole, CreateAccount, ManageAccount, ReadAccess, ReadAccounts, SuspendAccount};
use crate::domain::id::{AccountId, AccountLinkId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::protective::{PendingView, pending, staff_asking};
use crate::http::{Answer, State, caller};
use crate::services::accounts::Overview;
use crate::services::protective::{Act, Protected};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/users").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/users/access-review").route(web::get().to(access_review)))
        .service(web::resource("/users/{id}").route(web::put().to(change)))
        .service(web::resource("/users/{id}/suspend").route(web::post().to(suspend)))
        .service(web::resource("/users/{id}/restore").route(web::post().to(restore)))
        .service(web::resource("/users/{id}/reset-password").route(web::post().to(reset_password)))
        .service(web::resource("/users/{id}/reset-factors").route(web::post().to(reset_factors)))
        .service(web::resource("/account-links/{id}/preview").route(web::post().to(preview_link)))
        .service(web::resource("/account-links/{id}/use").route(web::post().to(use_link)));
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
    /// `invited` until it can sign in, `active`, `suspended`.
    status: &'static str,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>)]
    last_sign_in_at: Option<Timestamp>,
    /// How it signs in: `password`, `passkey`, `authenticator_app`, `provider`.
    signs_in_with: Vec<&'static str>,
    recovery_codes_left: u64,
}

impl From<Overview> for User {
    fn from(one: Overview) -> Self {
        let Overview { account: a, password, factors, provider } = one;
        let ways = [(password, "password"), (factors.passkey, "passkey"), (factors.app, "authenticator_app"), (provider, "provider")];
        let signs_in_with: Vec<_> = ways.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        let status = match (a.active, password || factors.passkey || provider) {
            (false, _) => "suspended",
            (true, false) => "invited",
            (true, true) => "active",
        };
        Self {
            id: a.id,
            username: a.username,
            display_name: a.display_name,
            role: a.role,
            status,
            created_at: a.created_at,
            last_sign_in_at: a.last_sign_in_at,
            signs_in_with,
            recovery_codes_left: factors.recovery_codes,
        }
    }
}

/// Every staff account.
#[derive(Serialize, ToSchema)]
pub struct Users {
    users: Vec<User>,
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    username: String,
    display_name: String,
    /// `clinician`, `scheduler`, `auditor`, `records_officer` or `administrator`.
    role: String,
}

/// What of an account can be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    display_name: String,
    /// As in a new account.
    role: String,
}

/// A single-use link with which the account's owner sets a password; told only once.
#[derive(Serialize, ToSchema)]
pub struct PasswordLink {
    #[schema(value_type = String)]
    id: AccountId,
    username: String,
    link: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

/// An operation and how far it reaches.
#[derive(Serialize, ToSchema)]
pub struct Reach {
    operation: &'static str,
    /// `yes`, `own`, `own, or emergency` and the like: see docs/roles.md.
    reach: &'static str,
}

/// Who can do what.
#[derive(Serialize, ToSchema)]
pub struct ReviewedUser {
    #[serde(flatten)]
    user: User,
    may: Vec<Reach>,
}

/// The access review.
#[derive(Serialize, ToSchema)]
pub struct AccessReview {
    /// The policy bundle that says so.
    policy_digest: String,
    #[schema(value_type = String)]
    made_at: Timestamp,
    users: Vec<ReviewedUser>,
}

/// The secret of a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSecret {
    #[schema(value_type = String)]
    secret: Secret,
}

/// What a link opens.
#[derive(Serialize, ToSchema)]
pub struct LinkOpens {
    username: String,
    display_name: String,
    /// The least length of the password.
    least_length: usize,
}

/// A link's secret and the password to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schema(value_type = String)]
    secret: Secret,
    #[schema(value_type = String)]
    password: Secret,
}

fn role(name: &str) -> Result<AccountRole, Problem> {
    AccountRole::parse(name)
        .ok_or_else(|| Problem::field("role", "must be clinician, scheduler, auditor, records_officer or administrator"))
}

/// Every staff account.
#[utoipa::path(get, path = "/api/v1/users", tag = "Administration", responses((status = 200, body = Users), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAccounts>(&caller).await?;
    let users = state.services.accounts(&permit).await?.into_inner().into_iter().map(User::from).collect();
    Ok(HttpResponse::Ok().json(Users { users }))
}

/// Make an account. Its owner sets the password by the link.
#[utoipa::path(post, path = "/api/v1/users", tag = "Administration", request_body = NewUser, responses((status = 201, body = PasswordLink), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(request: HttpRequest, state: web::Data<State>, body: web::Json<NewUser>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<CreateAccount>(&caller).await?;
    let (account, link, expires_at) = state.services.create_account(&permit, &body.username, &body.display_name, role(&body.role)?).await?;
    let link = link.expose().to_owned();
    Ok(HttpResponse::Created().json(PasswordLink { id: account.id, username: account.username, link, expires_at }))
}

/// Change an account's name or role. A new role ends its sign-in sessions.
#[utoipa::path(put, path = "/api/v1/users/{id}", tag = "Administration", params(("id" = String, Path)), request_body = UserChange, responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn change(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountId>, body: web::Json<UserChange>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, account) = state.services.permit_account::<ManageAccount>(&caller, *id).await?;
    state.services.change_account(&permit, &account, &body.display_name, role(&body.role)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Suspend an account: its sessions, connections and media end at once.
#[utoipa::path(post, path = "/api/v1/users/{id}/suspend", tag = "Administration", params(("id" = String, Path)), responses((status = 202, body = PendingView), (status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn suspend(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountId>) -> Answer {
    let asking = staff_asking(&request, &state).await?;
    let written = Box::pin(async {
        let (permit, account) = state.services.permit_account::<SuspendAccount>(&asking.caller, *id).await?;
        state.services.suspend_account(&permit, &account).await
    });
    Ok(match asking.protect(&state, Some(Act::Suspend { account: *id }), written).await? {
        Protected::Done(_) => HttpResponse::NoContent().finish(),
        Protected::Pending => pending(),
    })
}

/// Let a suspended account act again.
#[utoipa::path(post, path = "/api/v1/users/{id}/restore", tag = "Administration", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn restore(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, account) = state.services.permit_account::<ManageAccount>(&caller, *id).await?;
    state.services.restore_account(&permit, &account).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Take an account's password away; its owner sets a new one by the link.
#[utoipa::path(post, path = "/api/v1/users/{id}/reset-password", tag = "Administration", params(("id" = String, Path)), responses((status = 201, body = PasswordLink), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn reset_password(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, account) = state.services.permit_account::<ManageAccount>(&caller, *id).await?;
    let (link, expires_at) = state.services.reset_password(&permit, &account).await?;
    let link = link.expose().to_owned();
    Ok(HttpResponse::Created().json(PasswordLink { id: account.id, username: account.username, link, expires_at }))
}

/// Remove an account's second factors, for someone who lost them.
#[utoipa::path(post, path = "/api/v1/users/{id}/reset-factors", tag = "Administration", params(("id" = String, Path)), responses((status = 204), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn reset_factors(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, account) = state.services.permit_account::<ManageAccount>(&caller, *id).await?;
    state.services.reset_factors(&permit, &account).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who can do what.
#[utoipa::path(get, path = "/api/v1/users/access-review", tag = "Administration", responses((status = 200, body = AccessReview), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn access_review(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadAccess>(&caller).await?;
    let users = state.services.access_review(&permit).await?.into_inner().into_iter().map(|(one, may)| ReviewedUser {
        user: User::from(one),
        may: may.into_iter().map(|(operation, reach)| Reach { operation, reach }).collect(),
    });
    let users = users.collect();
    let policy_digest = permit.policy_digest().to_owned();
    Ok(HttpResponse::Ok().json(AccessReview { policy_digest, made_at: state.services.now(), users }))
}

/// What a link to set a password opens. Changes nothing.
#[utoipa::path(post, path = "/api/v1/account-links/{id}/preview", tag = "Sign-in", params(("id" = String, Path)), request_body = LinkSecret, responses((status = 200, body = LinkOpens), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody)))]
pub async fn preview_link(state: web::Data<State>, id: web::Path<AccountLinkId>, body: web::Json<LinkSecret>) -> Answer {
    let opens = state.services.preview_link(*id, &body.secret).await?;
    Ok(HttpResponse::Ok().json(LinkOpens { username: opens.username, display_name: opens.display_name, least_length: opens.least }))
}

/// Set the password of a link's account, once.
#[utoipa::path(post, path = "/api/v1/account-links/{id}/use", tag = "Sign-in", params(("id" = String, Path)), request_body = NewPassword, responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn use_link(request: HttpRequest, state: web::Data<State>, id: web::Path<AccountLinkId>, body: web::Json<NewPassword>) -> Answer {
    let NewPassword { secret, password } = body.into_inner();
    state.services.use_link(&caller::anonymous(&request), *id, &secret, password).await?;
    Ok(HttpResponse::NoContent().finish())
}
