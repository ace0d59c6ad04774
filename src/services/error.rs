//! Why an operation was not done. Lower floors know no HTTP; `http/problem.rs` gives each of these its status and stable code.

use crate::crypto::entropy::EntropyError;
use crate::crypto::envelope::{OpenError, SealError};
use crate::crypto::key_ring::KeyError;
use crate::crypto::password::PasswordError;
use crate::domain::access::Denial;
use crate::domain::invitation::Refusal;
use crate::domain::patient::FieldError;
use crate::domain::time::Timestamp;
use crate::storage::error::StorageError;
use std::time::Duration;

/// What someone must set up before they can do anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A second factor, which the policies ask of their role.
    SecondFactor,
    /// A password that is long enough to be the only factor.
    LongerPassword,
}

/// Why a link to set a password does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRefusal {
    /// It is not one of ours.
    Unknown,
    /// It was used.
    Used,
    /// Its time is over, or a newer one replaced it.
    Expired,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The policies do not allow it.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The token is good for another consultation.
    #[error("the token is good for another consultation")]
    Scope,
    /// Nobody is signed in.
    #[error("not signed in")]
    Unauthenticated,
    /// The sign-in session ran out.
    #[error("the sign-in session has expired")]
    SignInExpired,
    /// Unknown account, wrong password or suspended: never said which.
    #[error("sign-in failed")]
    SignInFailed,
    /// The second factor is wrong.
    #[error("the second factor was not accepted")]
    SecondFactorFailed,
    /// Someone signed in could not prove again who they are.
    #[error("re-authentication failed")]
    ReauthenticationFailed,
    /// The operation is dangerous, and the last proof of identity too old.
    #[error("a fresh proof of identity is needed")]
    Reauthenticate,
    /// Something must be set up first.
    #[error("something must be set up first")]
    Missing(Missing),
    /// A link to set a password does not open.
    #[error("the link to set a password does not open")]
    AccountLink(LinkRefusal),
    /// The identity provider's answer was not accepted.
    #[error("the identity provider's answer was not accepted: {0}")]
    Provider(&'static str),
    /// The identity provider vouches for someone who has no role here.
    #[error("no rule gives them a role")]
    ProviderNoRole,
    /// The identity provider cannot be reached.
    #[error("the identity provider cannot be reached")]
    ProviderUnavailable,
    /// A logout token was not accepted.
    #[error("the logout token was not accepted: {0}")]
    LogoutToken(&'static str),
    /// A one-time code is asked for.
    #[error("a one-time code is asked for")]
    CodeRequired,
    /// The one-time code is wrong.
    #[error("the one-time code is wrong")]
    CodeFailed,
    /// Too many tries; try again after.
    #[error("too many tries")]
    Throttled(Duration),
    /// There is no such thing.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The link is not one of ours.
    #[error("unknown invitation")]
    InvitationUnknown,
    /// The link does not open.
    #[error(transparent)]
    Invitation(#[from] Refusal),
    /// The consultation is over.
    #[error("the consultation is over")]
    ConsultationEnded,
    /// The state of things does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// A consent lacks this element.
    #[error("the consent lacks {0}")]
    ConsentIncomplete(&'static str),
    /// The signature of a consent does not hold.
    #[error("the consent's signature does not hold")]
    ConsentSignature,
    /// Something that must be permitted first was not.
    #[error("a consent is required: {0}")]
    ConsentRequired(&'static str),
    /// Consent to the recording was withdrawn, and nobody has reviewed it yet.
    #[error("consent to the recording was withdrawn")]
    ConsentWithdrawn,
    /// A legal hold stands on it.
    #[error("a legal hold stands on it")]
    LegalHold,
    /// It must be kept until then.
    #[error("it must be kept until {0}")]
    KeptUntil(Timestamp),
    /// The record needs a redisclosure notice, and the policies have none.
    #[error("the redisclosure notice is missing")]
    NoticeRequired,
    /// The consent does not fit the recording, or not the words in force.
    #[error("the consent does not fit")]
    ConsentMismatch,
    /// Fields that cannot be accepted.
    #[error("some fields cannot be accepted")]
    Validation(Vec<FieldError>),
    /// The keys were destroyed.
    #[error("the keys were destroyed")]
    KeyDestroyed,
    /// The request carries a key with which it was done before.
    #[error("the request was done before")]
    Repeated,
    /// The request carries a key with which something else was done.
    #[error("another request was done with the same key")]
    KeyReused,
    /// Stored content does not verify.
    #[error("stored content does not verify")]
    Integrity,
    /// The log could not take the entry. The flag says whether it is known that nothing happened.
    #[error("the audit log is unavailable")]
    AuditUnavailable {
        /// `true` if nothing happened; `false` if it is not known.
        nothing_happened: bool,
    },
    /// It is committed, and no signed checkpoint covers it yet.
    #[error("it is done, and its checkpoint is late")]
    CheckpointLate,
    /// Storage failed in another way.
    #[error(transparent)]
    Storage(StorageError),
    /// The program failed.
    #[error("{0}")]
    Internal(String),
}

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        match error {
            // whether an earlier step of the same request was kept is for those to say who know the request
            StorageError::Engine(cause) => {
                tracing::error!(%cause, "the database failed");
                Self::AuditUnavailable { nothing_happened: false }
            }
            StorageError::Unknown | StorageError::Replaced => {
                tracing::error!(cause = %error, "the database failed");
                Self::AuditUnavailable { nothing_happened: false }
            }
            StorageError::Duplicate => Self::Conflict("Someone else did the same at the same time."),
            other => Self::Storage(other),
        }
    }
}

impl From<EntropyError> for ServiceError {
    fn from(error: EntropyError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<PasswordError> for ServiceError {
    fn from(error: PasswordError) -> Self {
        if matches!(error, PasswordError::Busy) {
            return Self::Throttled(Duration::from_secs(2));
        }
        Self::Internal(error.to_string())
    }
}

impl From<KeyError> for ServiceError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Destroyed => Self::KeyDestroyed,
            KeyError::Open => Self::Integrity,
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<OpenError> for ServiceError {
    fn from(_: OpenError) -> Self {
        Self::Integrity
    }
}

impl From<SealError> for ServiceError {
    fn from(error: SealError) -> Self {
        Self::Internal(error.to_string())
    }
}
