//! Acts that protect someone: they take effect even when the database cannot say who asks, and are answered with 202 `AUDIT_PENDING` while
//! the log cannot take them.

use crate::domain::access::{Actor, Caller};
use crate::domain::id::ConsultationId;
use crate::http::problem::Problem;
use crate::http::{State, caller};
use crate::services::error::ServiceError;
use crate::services::protective::{Act, Protected};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the database may take to say who asks.
const PATIENCE: Duration = Duration::from_millis(250);

/// Who asks for a protective act.
pub struct Asking {
    /// Who.
    pub caller: Caller,
    /// Whether the database could not say it, so that this is who they were when it last could.
    from_memory: bool,
}

/// It took effect, and is written down as soon as that is possible.
#[derive(Serialize, ToSchema)]
pub struct PendingView {
    /// `AUDIT_PENDING`.
    code: &'static str,
    /// For a person.
    detail: &'static str,
}

/// Who asks: staff, or the participant of a consultation.
///
/// # Errors
/// If nobody does.
pub async fn asking(request: &HttpRequest, state: &State, consultation: Option<ConsultationId>) -> Result<Asking, Problem> {
    let known = async {
        match consultation {
            Some(id) => caller::anyone(request, state, id).await,
            None => caller::half_way(request, state).await.map(|(caller, _)| caller),
        }
    };
    within_patience(request, state, consultation, Box::pin(known)).await
}

/// Who asks, where it must be staff who have nothing left to set up.
///
/// # Errors
/// If they are not.
pub async fn staff_asking(request: &HttpRequest, state: &State) -> Result<Asking, Problem> {
    let known = async { caller::staff(request, state).await.map(|(caller, _)| caller) };
    within_patience(request, state, None, Box::pin(known)).await
}

async fn within_patience(
    request: &HttpRequest,
    state: &State,
    consultation: Option<ConsultationId>,
    known: impl Future<Output = Result<Caller, Problem>>,
) -> Result<Asking, Problem> {
    let unavailable = match tokio::time::timeout(PATIENCE, known).await {
        Ok(Ok(caller)) => return Ok(Asking { caller, from_memory: false }),
        Ok(Err(problem)) if problem.code() == "AUDIT_UNAVAILABLE" => problem,
        Ok(Err(refused)) => return Err(refused),
        Err(_) => ServiceError::AuditUnavailable { nothing_happened: true }.into(),
    };
    let caller = caller::last_known(request, state, consultation).ok_or(unavailable)?;
    Ok(Asking { caller, from_memory: true })
}

impl Asking {
    /// Carries the act out, written down by `written` if that can be done. Without an act nothing takes effect unwritten.
    ///
    /// # Errors
    /// What it is refused with.
    pub async fn protect<T>(
        &self,
        state: &State,
        act: Option<Act>,
        written: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Protected<T>, Problem> {
        Ok(match act {
            None => Protected::Done(written.await?),
            Some(act) if self.from_memory => {
                state.services.protect_unwritten(&self.caller, act).await?;
                Protected::Pending
            }
            Some(act) => state.services.protect(&self.caller, act, written).await?,
        })
    }

    /// The participant that the caller is in a consultation, as far as that is known without the database.
    #[must_use]
    pub fn participant(&self, state: &State, consultation: ConsultationId) -> Option<crate::domain::id::ParticipantId> {
        match self.caller.actor {
            Actor::Participant { id, .. } => Some(id),
            Actor::Account { id, .. } => state.services.last_known().participant(consultation, id),
            _ => None,
        }
    }
}

/// The answer to what took effect and is not written down yet.
#[must_use]
pub fn pending() -> HttpResponse {
    HttpResponse::Accepted().json(PendingView {
        code: "AUDIT_PENDING",
        detail: "It took effect. The audit log cannot take it at present; it is kept, and written down as soon as that is possible.",
    })
}
