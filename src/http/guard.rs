//! Around every request: its id, the origin and content-type rules, the security headers, and the body of refusals.

use crate::crypto::digest::{hex, sha256};
use crate::domain::id::RequestId;
use crate::http::State;
use crate::http::problem::Problem;
use crate::http::sign_in::BACK_CHANNEL;
use crate::services::entries::{RequestKey, once};
use crate::storage::database::answering;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError, web};

/// The strictest policy under which the pages work: nothing inline, nothing from elsewhere.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; font-src 'self'; \
                   connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CSP),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), geolocation=(), payment=(), usb=()",
    ),
];

/// The middleware.
///
/// # Errors
/// Never: every refusal becomes an answer.
pub async fn guard(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let id = state.services.new_request_id().ok();
    if let Some(id) = id {
        request.extensions_mut().insert(id);
    }
    let api = request.path().starts_with("/api/");
    let origin = &state.services.settings.public_origin;
    let (checked, key) = match check(&request, origin, api) {
        Ok(None) => match request_key(&mut request).await {
            Ok(key) => (Ok(None), key),
            Err(problem) => (Err(problem), None),
        },
        other => (other, None),
    };
    let mut answer = match checked {
        Ok(None) => match answering(once(key, next.call(request))).await {
            Ok(answer) => answer.map_into_boxed_body(),
            Err(error) => return Err(error),
        },
        Ok(Some(elsewhere)) => request.into_response(elsewhere),
        Err(problem) => request.into_response(problem.error_response()),
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        let refused = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD", "This address does not take that method.");
        answer.response_mut().extensions_mut().insert(refused);
    }
    dress(&mut answer, origin, id);
    let problem = answer.response().extensions().get::<Problem>().cloned();
    let Some(problem) = problem else { return Ok(answer) };
    let body = problem.body(id.map(|id| id.to_string()).unwrap_or_default()).unwrap_or_default();
    Ok(answer.map_body(|head, _| {
        head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        BoxBody::new(body)
    }))
}

/// The `Idempotency-Key` of a request, hashed with what it asks for and who asks, so that it serves this request alone.
async fn request_key(request: &mut ServiceRequest) -> Result<Option<RequestKey>, Problem> {
    let Some(key) = request.headers().get("idempotency-key").cloned() else { return Ok(None) };
    if key.is_empty() || key.len() > 255 {
        return Err(Problem::malformed("An Idempotency-Key has 1 to 255 characters."));
    }
    let body = request.extract::<web::Bytes>().await.map_err(|_| Problem::malformed("The body could not be read."))?;
    let asked = hex(&sha256(&[body.as_ref()]));
    request.set_payload(Payload::from(body));
    let cookies = request.headers().get(header::COOKIE).map(HeaderValue::as_bytes).unwrap_or_default();
    let parts: [&[u8]; 4] = [request.method().as_str().as_bytes(), request.path().as_bytes(), cookies, key.as_bytes()];
    let hashed: Vec<u8> = parts.iter().flat_map(|part| sha256(&[part])).collect();
    Ok(Some(RequestKey { key: hex(&sha256(&[&hashed])), body: asked }))
}

/// Refuses what another site sent and what is not JSON; sends browsers that came under another name to the right one.
fn check(request: &ServiceRequest, origin: &str, api: bool) -> Result<Option<HttpResponse>, Problem> {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    if request.path() == "/healthz" {
        return Ok(None);
    }
    if request.headers().get(header::HOST).is_some_and(|seen| seen.as_bytes() != host.as_bytes()) {
        if api || !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "ORIGIN", "This server is not known under that name."));
        }
        let there = format!("{origin}{}", request.uri().path_and_query().map_or("/", |p| p.as_str()));
        return Ok(Some(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, there)).finish()));
    }
    // by method alone: however a path is spelled, whatever changes something is checked
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(None);
    }
    let foreign_origin = request.headers().contains_key(header::ORIGIN) && text(header::ORIGIN) != Some(origin);
    let foreign_site = request.headers().get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    if foreign_origin || foreign_site {
        return Err(Problem::origin());
    }
    let json = text(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")));
    // an identity provider posts a form, from its own server and without cookies
    if !json && !request.path().starts_with(BACK_CHANNEL) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE", "Send application/json."));
    }
    Ok(None)
}

fn dress(answer: &mut ServiceResponse<BoxBody>, origin: &str, id: Option<RequestId>) {
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if origin.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}
