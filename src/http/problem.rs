//! RFC 9457 problem details: the one place that knows status codes. The `detail` is safe to show; causes go to `tracing` only.

use crate::domain::invitation::Refusal;
use crate::domain::patient::FieldError;
use crate::services::error::{LinkRefusal, Missing, ServiceError};
use crate::storage::database::nothing_committed;
use actix_web::body::BoxBody;
use actix_web::error::JsonPayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// A refusal with its stable code.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    retry_after: Option<u64>,
    outcome: Option<&'static str>,
}

/// The body of every refusal, as `application/problem+json` (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProblemBody<'a> {
    /// `about:blank#CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: &'a str,
    /// The status code.
    pub status: u16,
    /// Stable code.
    pub code: &'a str,
    /// For a person.
    pub detail: &'a str,
    /// The request, as in `X-Request-Id`.
    pub request_id: String,
    /// Fields that cannot be accepted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub fields: &'a [FieldError],
    /// `none` if nothing happened, `unknown` if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'a str>,
}

impl Problem {
    /// A problem of this status, code and detail.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: Vec::new(), retry_after: None, outcome: None }
    }

    /// There is nothing at this address.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this address.")
    }

    /// The request cannot be read.
    #[must_use]
    pub fn malformed(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", detail)
    }

    /// One field cannot be accepted.
    #[must_use]
    pub fn field(name: &'static str, message: &'static str) -> Self {
        ServiceError::Validation(vec![FieldError { name, message }]).into()
    }

    /// Another site asked.
    #[must_use]
    pub fn origin() -> Self {
        Self::new(StatusCode::FORBIDDEN, "ORIGIN", "This request did not come from this server's own pages.")
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The body, once the request is known.
    pub(super) fn body(&self, request_id: String) -> Option<String> {
        serde_json::to_string(&ProblemBody {
            kind: format!("about:blank#{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id,
            fields: &self.fields,
            outcome: self.outcome,
        })
        .ok()
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Without a body yet: the guard adds it when it knows the request's id.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut answer = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        let mut answer = answer.finish();
        answer.extensions_mut().insert(self.clone());
        answer
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        use StatusCode as S;
        match error {
            ServiceError::Denied(_) => Self::new(S::FORBIDDEN, "FORBIDDEN", "You are not allowed to do this. The attempt was recorded."),
            ServiceError::Scope => Self::new(S::FORBIDDEN, "SCOPE", "Your place is in another consultation. The attempt was recorded."),
            ServiceError::Unauthenticated => Self::new(S::UNAUTHORIZED, "UNAUTHENTICATED", "Sign in, or open your invitation link, first."),
            ServiceError::SignInExpired => Self::new(S::UNAUTHORIZED, "SIGN_IN_EXPIRED", "Your sign-in has expired. Sign in again."),
            ServiceError::SignInFailed => Self::new(S::UNAUTHORIZED, "SIGN_IN_FAILED", "The username or the password is not right."),
            ServiceError::CodeRequired => Self::new(S::FORBIDDEN, "CODE_REQUIRED", "Enter the code that the clinic told you."),
            ServiceError::CodeFailed => Self::new(S::FORBIDDEN, "CODE_FAILED", "That is not the code. Ask the clinic if you are not sure."),
            ServiceError::Throttled(wait) => Self {
                retry_after: Some(wait.as_secs().max(1)),
                ..Self::new(S::TOO_MANY_REQUESTS, "THROTTLED", "There were too many tries. Wait a while and try again.")
            },
            ServiceError::NotFound(what) => Self::new(S::NOT_FOUND, "NOT_FOUND", format!("There is no such {what}.")),
            ServiceError::InvitationUnknown => Self::new(
                S::NOT_FOUND,
                "INVITATION_UNKNOWN",
                "This link is not one of ours, or it was replaced by a newer one. Ask the clinic for a new link.",
            ),
            ServiceError::Invitation(Refusal::Used) => Self::new(
                S::CONFLICT,
                "INVITATION_USED",
                "This link was used in another browser already. Go back to that browser, or ask the clinic for a new link.",
            ),
            ServiceError::Invitation(Refusal::Expired) => {
                Self::new(S::GONE, "INVITATION_EXPIRED", "This link has expired. Ask the clinic for a new one.")
            }
            ServiceError::Invitation(Refusal::Cancelled) => {
                Self::new(S::GONE, "INVITATION_CANCELLED", "This invitation was cancelled. Ask the clinic if that is a surprise.")
            }
            ServiceError::Invitation(Refusal::Locked) => {
                Self::new(S::GONE, "INVITATION_LOCKED", "The code was wrong five times. Ask the clinic for a new link.")
            }
            ServiceError::ConsultationEnded => Self::new(S::GONE, "CONSULTATION_ENDED", "This consultation is over."),
            ServiceError::Repeated => {
                Self::new(S::CONFLICT, "REPEATED", "This request was done already, under the same Idempotency-Key. Nothing was done again.")
            }
            ServiceError::KeyReused => Self::new(
                S::UNPROCESSABLE_ENTITY,
                "KEY_REUSED",
                "Something else was done under this Idempotency-Key. Nothing was done: give every request a key of its own.",
            ),
            ServiceError::Conflict(detail) => Self::new(S::CONFLICT, "CONFLICT", detail),
            ServiceError::ConsentIncomplete(name) => Self {
                fields: vec![FieldError { name, message: "is missing" }],
                ..Self::new(S::UNPROCESSABLE_ENTITY, "CONSENT_INCOMPLETE", format!("The consent is not complete: {name} is missing."))
            },
            ServiceError::ConsentSignature => Self::new(
                S::UNPROCESSABLE_ENTITY,
                "CONSENT_SIGNATURE",
                "The signature of this decision does not hold. Nothing was recorded.",
            ),
            ServiceError::ConsentRequired(detail) => Self::new(S::CONFLICT, "CONSENT_REQUIRED", detail),
            ServiceError::ConsentWithdrawn => Self::new(
                S::CONFLICT,
                "CONSENT_WITHDRAWN",
                "Consent to this recording was withdrawn. Nobody watches it until a records officer has decided what becomes of it.",
            ),
            ServiceError::LegalHold => {
                Self::new(S::CONFLICT, "LEGAL_HOLD", "A legal hold stands on this recording: it cannot be destroyed.")
            }
            ServiceError::KeptUntil(until) => Self::new(S::CONFLICT, "RETENTION", format!("It must be kept until {until}.")),
            ServiceError::NoticeRequired => Self::new(
                S::CONFLICT,
                "NOTICE_REQUIRED",
                "42 CFR part 2 protects this record. It cannot leave without the redisclosure notice, which the clinic's policies do not have.",
            ),
            ServiceError::ConsentMismatch => Self::new(
                S::CONFLICT,
                "CONSENT_MISMATCH",
                "The decision does not fit a recording that can still be decided about, or the words in force.",
            ),
            ServiceError::Validation(fields) => {
                Self { fields, ..Self::new(S::UNPROCESSABLE_ENTITY, "VALIDATION", "Some fields cannot be accepted.") }
            }
            ServiceError::KeyDestroyed => Self::new(S::GONE, "KEY_DESTROYED", "The keys were destroyed; nobody can read this any more."),
            ServiceError::Integrity => {
                Self::new(S::INTERNAL_SERVER_ERROR, "INTEGRITY", "What is stored is not what was written. Nothing of it was released.")
            }
            ServiceError::CheckpointLate => {
                Self { outcome: Some("unknown"), ..ServiceError::AuditUnavailable { nothing_happened: false }.into() }
            }
            ServiceError::AuditUnavailable { nothing_happened } => Self {
                outcome: Some(if nothing_happened || nothing_committed() { "none" } else { "unknown" }),
                ..Self::new(
                    S::SERVICE_UNAVAILABLE,
                    "AUDIT_UNAVAILABLE",
                    "The audit log cannot take an entry at present, so nothing is done without it. Try again.",
                )
            },
            other => Self::of_identity(other),
        }
    }
}

impl Problem {
    /// What has to do with who someone is, and what is nobody's fault but the program's.
    fn of_identity(error: ServiceError) -> Self {
        use StatusCode as S;
        match error {
            ServiceError::SecondFactorFailed => {
                Self::new(S::UNAUTHORIZED, "SECOND_FACTOR_FAILED", "The code or the passkey was not accepted. Try again.")
            }
            ServiceError::ReauthenticationFailed => {
                Self::new(S::FORBIDDEN, "REAUTHENTICATION_FAILED", "That is not your password or your passkey.")
            }
            ServiceError::Reauthenticate => Self::new(
                S::FORBIDDEN,
                "REAUTHENTICATE",
                "Show again that it is you: this needs a proof that is not older than ten minutes.",
            ),
            ServiceError::Missing(Missing::SecondFactor) => {
                Self::new(S::FORBIDDEN, "SECOND_FACTOR_REQUIRED", "Set up a second factor first: your role must have one.")
            }
            ServiceError::Missing(Missing::LongerPassword) => Self::new(
                S::FORBIDDEN,
                "LONGER_PASSWORD_REQUIRED",
                "Choose a password of at least 15 characters, or set up a second factor.",
            ),
            ServiceError::AccountLink(LinkRefusal::Unknown) => {
                Self::new(S::NOT_FOUND, "ACCOUNT_LINK_UNKNOWN", "This link is not one of ours. Ask your administrator for a new one.")
            }
            ServiceError::AccountLink(LinkRefusal::Used) => {
                Self::new(S::CONFLICT, "ACCOUNT_LINK_USED", "This link was used already. Sign in, or ask your administrator for a new one.")
            }
            ServiceError::AccountLink(LinkRefusal::Expired) => {
                Self::new(S::GONE, "ACCOUNT_LINK_EXPIRED", "This link no longer works. Ask your administrator for a new one.")
            }
            ServiceError::Provider(_) => Self::new(
                S::UNAUTHORIZED,
                "PROVIDER_REFUSED",
                "The identity provider's answer was not accepted. Try again, or ask your administrator.",
            ),
            ServiceError::ProviderNoRole => {
                Self::new(S::FORBIDDEN, "PROVIDER_NO_ROLE", "You have no role on this server. Ask your administrator to give you one.")
            }
            ServiceError::ProviderUnavailable => {
                Self::new(S::BAD_GATEWAY, "PROVIDER_UNAVAILABLE", "The identity provider cannot be reached at present. Try again.")
            }
            ServiceError::LogoutToken(_) => Self::new(S::BAD_REQUEST, "LOGOUT_TOKEN", "The logout token was not accepted."),
            ServiceError::Storage(cause) => {
                tracing::error!(%cause, "storage failed");
                Self::internal()
            }
            other => {
                tracing::error!(cause = %other, "the program failed");
                Self::internal()
            }
        }
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "Something went wrong on the server. The request's id helps to find out what.",
        )
    }
}

impl From<JsonPayloadError> for Problem {
    fn from(error: JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The request is larger than 64 KiB.")
            }
            JsonPayloadError::ContentType => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE", "Send application/json."),
            _ => Self::malformed("The body is not the JSON that belongs here."),
        }
    }
}
