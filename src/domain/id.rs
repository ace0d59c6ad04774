//! Typed identifiers. An id of one noun cannot be passed where another is meant.
//!
//! Every id is a UUID version 7 (RFC 9562, section 5.7): ordered by creation, meaningless to a reader, safe in URLs and logs.

use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

/// Builds a version 7 UUID from a time and ten random bytes.
#[must_use]
pub fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.as_micros() / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes the id from a UUID that is already known to name this noun.
            #[must_use]
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The UUID itself.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )+};
}

ids! {
    /// A staff account.
    AccountId,
    /// A sign-in session of a staff account.
    SignInSessionId,
    /// A single-use link with which someone sets their account's password.
    AccountLinkId,
    /// A passkey of a staff account.
    PasskeyId,
    /// A clinician's emergency access to one consultation.
    EmergencyAccessId,
    /// A search of the log that an auditor keeps.
    SavedSearchId,
    /// An auditor's sign-off of a log review.
    LogReviewId,
    /// A legal hold on a recording.
    HoldId,
    /// Leave to watch one recording for a while.
    PlaybackGrantId,
    /// A patient.
    PatientId,
    /// A consultation.
    ConsultationId,
    /// A participant of one consultation.
    ParticipantId,
    /// An invitation to one consultation.
    InvitationId,
    /// A consent decision.
    ConsentId,
    /// A private link to someone's consent receipts.
    ReceiptLinkId,
    /// A recording.
    RecordingId,
    /// One part of a recording: a track and a stretch of unchanged consent and keys.
    PartId,
    /// An authorised viewing of one recording by one person.
    PlaybackId,
    /// An audit entry.
    EntryId,
    /// One HTTP request, as told in its answer and in the audit log.
    RequestId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_id_is_refused_and_a_good_one_survives_its_text() {
        assert_eq!("not-an-id".parse::<PatientId>(), Err(InvalidId));
        let id = PatientId::from_uuid(uuid_v7(Timestamp::from_micros(1_700_000_000_000_000), [7; 10]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.as_uuid().get_version_num(), 7);
    }
}
