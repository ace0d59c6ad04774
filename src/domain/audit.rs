//! What the audit log says of one event (after FHIR R4 `AuditEvent` and IHE BALP): who did what to what, when, from where, with which
//! outcome, under which policy. An entry holds ids and codes; of a personal value there is a salted hash alone.

use crate::domain::access::{Actor, Caller};
use crate::domain::id::{EntryId, RequestId};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Display;

/// FHIR AuditEvent.action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Create.
    C,
    /// Read.
    R,
    /// Update.
    U,
    /// Delete.
    D,
    /// Execute.
    E,
}

impl Action {
    /// The one-letter code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::R => "R",
            Self::U => "U",
            Self::D => "D",
            Self::E => "E",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Success,
    /// A rule said no.
    Denied,
    /// It was tried and did not work.
    Failure,
}

impl Outcome {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failure => "failure",
        }
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $action:ident, $critical:literal;)+) => {
        /// Everything that is audited. Codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name),+ }

        impl Event {
            /// Every event.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// Create, read, update, delete or execute.
            #[must_use]
            pub const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action),+ }
            }

            /// Whether the answer waits until a signed checkpoint covers the entry.
            #[must_use]
            pub const fn is_critical(self) -> bool {
                match self { $(Self::$name => $critical),+ }
            }
        }
    };
}

events! {
    /// The server began to serve.
    ServerStarted = "server.started", E, false;
    /// A policy bundle came into force.
    PolicyAccepted = "policy.accepted", U, true;
    /// An account was made.
    AccountCreated = "account.created", C, false;
    /// An account's name was changed.
    AccountChanged = "account.changed", U, false;
    /// An account's role was changed, and its sign-in sessions ended.
    AccountRoleChanged = "account.role_changed", U, true;
    /// An account was suspended, and its sign-in sessions ended.
    AccountSuspended = "account.suspended", U, false;
    /// A suspended account may act again.
    AccountRestored = "account.restored", U, true;
    /// A link to set a password was made.
    AccountLinkIssued = "account.link_issued", C, false;
    /// It was used.
    AccountLinkUsed = "account.link_used", E, false;
    /// A link to set a password did not open.
    AccountLinkRefused = "account.link_refused", E, false;
    /// A password was set or changed.
    PasswordChanged = "account.password_changed", U, false;
    /// A stored password was hashed anew because the cost or the pepper changed.
    PasswordRehashed = "account.password_rehashed", U, false;
    /// A passkey or an authenticator app was added.
    FactorAdded = "account.factor_added", C, false;
    /// One was removed by its owner.
    FactorRemoved = "account.factor_removed", D, false;
    /// An administrator removed every second factor of an account.
    FactorsReset = "account.factors_reset", D, true;
    /// New recovery codes replaced the old.
    RecoveryCodesMade = "account.recovery_codes_made", C, false;
    /// A recovery code was used up.
    RecoveryCodeUsed = "account.recovery_code_used", U, false;
    /// An identity provider's subject was tied to an account.
    ProviderLinked = "account.provider_linked", C, false;
    /// Someone signed in.
    SignInSucceeded = "sign_in.succeeded", E, false;
    /// A factor was right; more may be asked for.
    SignInHalfWay = "sign_in.factor_accepted", E, false;
    /// The second factor was wrong.
    SecondFactorFailed = "sign_in.second_factor_failed", E, false;
    /// Someone signed in proved again who they are.
    Reauthenticated = "sign_in.reauthenticated", E, false;
    /// That failed.
    ReauthenticationFailed = "sign_in.reauthentication_failed", E, false;
    /// An identity provider's answer was not accepted.
    ProviderRefused = "sign_in.provider_refused", E, false;
    /// An identity provider ended sign-in sessions.
    ProviderSignedOut = "sign_in.provider_ended", E, false;
    /// A logout token was not accepted.
    LogoutTokenRefused = "sign_in.logout_token_refused", E, false;
    /// It was not, or the account is unknown or suspended.
    SignInFailed = "sign_in.failed", E, false;
    /// Too many tries.
    SignInThrottled = "sign_in.throttled", E, false;
    /// A sign-in session was ended by its owner.
    SignedOut = "sign_in.ended", E, false;
    /// A sign-in session was ended from another one of its owner.
    SignInSessionEnded = "sign_in.session_ended", E, false;
    /// A protective act that had taken effect without the log could not be written down as itself any more.
    ProtectiveActSettled = "protective.settled", E, false;
    /// The policies said no.
    AccessDenied = "access.denied", E, false;
    /// Patients were looked for.
    PatientsSearched = "patients.searched", R, false;
    /// A patient was entered.
    PatientCreated = "patient.created", C, false;
    /// Consultations were listed.
    ConsultationsListed = "consultations.listed", R, false;
    /// A consultation was entered.
    ConsultationCreated = "consultation.created", C, false;
    /// A consultation with its patient was read.
    ConsultationRead = "consultation.read", R, false;
    /// It began.
    ConsultationStarted = "consultation.started", U, false;
    /// It was ended for all.
    ConsultationEnded = "consultation.ended", U, false;
    /// It was called off.
    ConsultationCancelled = "consultation.cancelled", U, false;
    /// A link was made.
    InvitationCreated = "invitation.created", C, false;
    /// A new link replaced the old one.
    InvitationReissued = "invitation.reissued", U, false;
    /// A link was taken back.
    InvitationCancelled = "invitation.cancelled", U, false;
    /// A link was used, and a browser bound to it.
    InvitationRedeemed = "invitation.redeemed", E, false;
    /// The one-time code that belongs to a link was wrong.
    InvitationCodeFailed = "invitation.code_failed", E, false;
    /// A code to move to another device was made.
    DeviceCodeMade = "participant.device_code_made", C, false;
    /// A participant moved to another device.
    DeviceMoved = "participant.device_moved", E, false;
    /// A link did not open.
    InvitationRefused = "invitation.refused", E, false;
    /// A participant said who they are, and has yet to decide about what is required.
    ParticipantIntroduced = "participant.introduced", U, false;
    /// A participant said who they are and came to the lobby.
    LobbyEntered = "participant.waiting", U, false;
    /// A join ticket was given out.
    TicketIssued = "participant.ticket_issued", C, false;
    /// A participant's browser connected.
    ParticipantConnected = "participant.connected", E, false;
    /// A participant was let in.
    ParticipantAdmitted = "participant.admitted", U, false;
    /// A participant was not let in.
    ParticipantTurnedAway = "participant.turned_away", U, false;
    /// A participant was taken out.
    ParticipantRemoved = "participant.removed", U, false;
    /// A participant left.
    ParticipantLeft = "participant.left", U, false;
    /// The clinician asked to record.
    RecordingRequested = "recording.requested", C, true;
    /// Someone decided about it; the entry names text, version, language and digest.
    ConsentDecided = "consent.decided", C, true;
    /// Someone withdrew.
    ConsentWithdrawn = "consent.withdrawn", U, true;
    /// The clinician asked someone again who had declined.
    ConsentAskedAgain = "consent.asked_again", E, false;
    /// Someone read their own consents or took a receipt.
    ReceiptRead = "consent.receipt_read", R, false;
    /// A private link to someone's receipts was made.
    ReceiptLinkMade = "consent.receipt_link_made", C, false;
    /// A private link to receipts did not open.
    ReceiptLinkRefused = "consent.receipt_link_refused", E, false;
    /// A register of consents was read.
    ConsentsRead = "consents.read", R, true;
    /// Consents were exported.
    ConsentsExported = "consents.exported", R, true;
    /// Media began to reach the recorder.
    RecordingStarted = "recording.started", U, true;
    /// A newcomer paused it.
    RecordingPaused = "recording.paused", U, true;
    /// It goes on.
    RecordingResumed = "recording.resumed", U, true;
    /// It ended.
    RecordingStopped = "recording.stopped", U, true;
    /// Its parts were closed and signed.
    RecordingSealed = "recording.sealed", U, true;
    /// Its keys and its media were destroyed.
    RecordingDestroyed = "recording.destroyed", D, true;
    /// A records officer decided what becomes of a recording from which someone withdrew.
    RecordingReviewed = "recording.reviewed", U, true;
    /// It could not be written.
    RecordingFailed = "recording.failed", U, true;
    /// Recordings were listed.
    RecordingsListed = "recordings.listed", R, false;
    /// A recording was opened for viewing.
    PlaybackStarted = "playback.started", R, true;
    /// A recording's content did not verify.
    IntegrityFailed = "recording.integrity_failed", R, true;
    /// The key of someone's evidence was destroyed: their personal values in the log, and the statements they signed, open for nobody.
    EvidenceErased = "evidence.erased", D, true;
    /// The audit log was searched.
    AuditSearched = "audit.searched", R, true;
    /// An entry was read with its proof and its personal values.
    AuditEntryRead = "audit.entry_read", R, false;
    /// A browser was shown a log that contradicts the one it saw before.
    AuditContradicted = "audit.contradicted", E, true;
    /// A report was made: an accounting of disclosures, a patient's own, of what is kept, of consents.
    ReportMade = "audit.report_made", R, true;
    /// A disclosure that was made by other means was written down.
    DisclosureRecorded = "disclosure.recorded", C, true;
    /// An auditor keeps a search.
    SearchSaved = "audit.search_saved", C, false;
    /// They forgot one.
    SearchForgotten = "audit.search_forgotten", D, false;
    /// The audit log was verified.
    AuditVerified = "audit.verified", R, false;
    /// An auditor signed off a review of the log.
    AuditReviewed = "audit.reviewed", C, true;
    /// The audit log was exported.
    AuditExported = "audit.exported", R, true;
    /// The policies were read.
    PoliciesRead = "policies.read", R, false;
    /// The retention schedule was read.
    RetentionRead = "retention.read", R, false;
    /// The accounts were listed.
    AccountsListed = "accounts.listed", R, false;
    /// The list of who can do what was read.
    AccessReviewed = "access.reviewed", R, false;
    /// A clinician took emergency access.
    EmergencyTaken = "emergency.taken", E, true;
    /// They gave it back before it ran out.
    EmergencyEnded = "emergency.ended", U, false;
    /// Emergency accesses were listed.
    EmergenciesListed = "emergency.listed", R, false;
    /// An administrator confirmed having seen one.
    EmergencySeen = "emergency.seen", U, false;
    /// The holds and grants of a recording were read.
    CustodyRead = "recording.custody_read", R, false;
    /// A legal hold was placed.
    HoldPlaced = "hold.placed", C, true;
    /// It was released.
    HoldReleased = "hold.released", U, true;
    /// Someone was granted to watch a recording.
    PlaybackGranted = "recording.playback_granted", C, true;
    /// That was ended.
    PlaybackGrantEnded = "recording.playback_grant_ended", U, false;
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// `account`, `participant`, `system` or `anonymous`.
    pub kind: String,
    /// Account or participant id.
    pub id: Option<String>,
    /// Their role.
    pub role: Option<String>,
    /// Network address, in entries of format 1 alone. Since format 2 it is a personal value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

impl From<&Caller> for Agent {
    fn from(caller: &Caller) -> Self {
        let (kind, id, role) = match caller.actor {
            Actor::Anonymous => ("anonymous", None, None),
            Actor::System => ("system", None, None),
            Actor::Account { id, role, .. } => ("account", Some(id.to_string()), Some(role.as_str().to_owned())),
            Actor::Participant { id, role, .. } => ("participant", Some(id.to_string()), Some(role.as_str().to_owned())),
        };
        Self { kind: kind.to_owned(), id, role, network: None }
    }
}

/// The server that did it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Host under which browsers reach it.
    pub name: String,
    /// Which of several.
    pub node: String,
    /// Version of the program.
    pub version: String,
}

impl Server {
    /// The server that browsers reach under an origin, such as `https://calls.example:8443`.
    #[must_use]
    pub fn of(public_origin: &str, node: &str) -> Self {
        let host = public_origin.split_once("://").map_or(public_origin, |(_, host)| host);
        Self { name: host.to_owned(), node: node.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// A value that names or locates a person. The entry has its salted hash; the value is sealed beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalValue {
    /// What it is, such as `network` or `name`.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

/// The network address an act came from, as a personal value is called.
pub const NETWORK: &str = "network";

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRef {
    /// The noun.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// The format that entries are written in; 1 where an entry does not say.
pub const FORMAT: u8 = 2;

const fn first_format() -> u8 {
    1
}

/// One audit entry. Its canonical JSON (RFC 8785) is a leaf of the Merkle tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// See [`FORMAT`].
    #[serde(default = "first_format")]
    pub format: u8,
    /// Its id.
    pub id: EntryId,
    /// When.
    pub at: Timestamp,
    /// What kind of act.
    pub action: Action,
    /// What happened; see [`Event::code`].
    pub event: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Who.
    pub agent: Agent,
    /// Through which program, in a few words, such as `Firefox on Windows`.
    #[serde(default)]
    pub client: Option<String>,
    /// On which server.
    #[serde(default)]
    pub server: Server,
    /// Of each personal value that belongs to it, by name, the digest of its disclosure (RFC 9901, section 4.2.3).
    #[serde(default)]
    pub personal: BTreeMap<String, String>,
    /// To what.
    pub entities: Vec<EntityRef>,
    /// HL7 v3 `PurposeOfUse`.
    pub purpose_of_use: String,
    /// The policy bundle in force.
    pub policy_digest: String,
    /// The HTTP request.
    pub request_id: Option<RequestId>,
    /// Codes, digests and counts that belong to the event.
    pub detail: Map<String, Value>,
    /// Whether the answer waits for a checkpoint. Follows from the event; not part of the leaf.
    #[serde(skip)]
    pub critical: bool,
    /// The personal values themselves, until they are sealed.
    #[serde(skip)]
    pub open: Vec<PersonalValue>,
}

impl Entry {
    /// Begins an entry that says `event` succeeded.
    #[must_use]
    pub fn new(id: EntryId, at: Timestamp, event: Event, caller: &Caller, policy_digest: &str) -> Self {
        let purpose = match caller.actor {
            _ if caller.emergency.is_some() => "BTG",
            Actor::Account { role: crate::domain::access::AccountRole::Clinician, .. } | Actor::Participant { .. } => "TREAT",
            Actor::Account { .. } => "HOPERAT",
            Actor::Anonymous | Actor::System => "SYSADMIN",
        };
        let mut detail = Map::new();
        if let Some(emergency) = caller.emergency {
            detail.insert("emergency_access".to_owned(), Value::from(emergency.to_string()));
        }
        let network = caller.network.clone().map(|value| PersonalValue { name: NETWORK, value });
        Self {
            format: FORMAT,
            id,
            at,
            action: event.action(),
            event: event.code().to_owned(),
            outcome: Outcome::Success,
            agent: Agent::from(caller),
            client: caller.client.clone(),
            server: Server::default(),
            personal: BTreeMap::new(),
            entities: Vec::new(),
            purpose_of_use: purpose.to_owned(),
            policy_digest: policy_digest.to_owned(),
            request_id: caller.request,
            detail,
            critical: event.is_critical(),
            open: network.into_iter().collect(),
        }
    }

    /// The id of the first thing of a kind that it was done to.
    #[must_use]
    pub fn entity(&self, kind: &str) -> Option<&str> {
        self.entities.iter().find(|e| e.kind == kind).map(|e| e.id.as_str())
    }

    /// Adds a personal value, of which the entry will have a salted hash.
    #[must_use]
    pub fn of_person(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.open.push(PersonalValue { name, value: value.into() });
        self
    }

    /// Names something it was done to.
    #[must_use]
    pub fn about(mut self, kind: &str, id: impl Display) -> Self {
        self.entities.push(EntityRef { kind: kind.to_owned(), id: id.to_string() });
        self
    }

    /// Adds a code, digest or count. Never a personal value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Says how it ended.
    #[must_use]
    pub const fn ended(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}
