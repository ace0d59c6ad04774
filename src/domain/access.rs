//! Who may do what. A [`Permit`] for an operation can be made here only, out of a policy decision; services ask for it in their signature,
//! so an operation that nobody decided about does not compile.

use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId, ParticipantId, RecordingId, RequestId, SignInSessionId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::time::Duration;

/// A dangerous operation needs a proof of identity that is at most this old.
pub const FRESH_FOR: Duration = Duration::from_mins(10);

/// The role of a staff account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    /// Holds consultations.
    Clinician,
    /// Plans consultations for clinicians and invites patients; sees no media.
    Scheduler,
    /// Reads everything about access and policy, nothing clinical.
    Auditor,
    /// Answers for how long recordings are kept, and for who else may watch one.
    RecordsOfficer,
    /// Manages accounts and policy; sees no media.
    Administrator,
}

impl AccountRole {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Clinician, Self::Scheduler, Self::Auditor, Self::RecordsOfficer, Self::Administrator];

    /// The stable name, in storage, policies and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
            Self::Scheduler => "scheduler",
            Self::RecordsOfficer => "records_officer",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// How well someone showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// One factor: a password.
    Single,
    /// Two: a password and something they have, a passkey that asked for finger, face or PIN, or what a provider vouches for.
    Multiple,
}

impl Assurance {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multiple => "multiple",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Single, Self::Multiple].into_iter().find(|a| a.as_str() == text)
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Someone who has not shown who they are.
    Anonymous,
    /// Staff with a live sign-in session.
    Account {
        /// The account.
        id: AccountId,
        /// Its role.
        role: AccountRole,
        /// The sign-in session it acts through.
        session: SignInSessionId,
        /// When its owner last proved who they are.
        proved_at: Timestamp,
    },
    /// Someone who redeemed an invitation.
    Participant {
        /// The participant.
        id: ParticipantId,
        /// Their role.
        role: Role,
        /// The one consultation their token is good for.
        consultation: ConsultationId,
    },
    /// The server itself.
    System,
}

/// Who acts, from where, in which request: what every audit entry says of its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The network address the request came from.
    pub network: Option<String>,
    /// The browser, in a few words.
    pub client: Option<String>,
    /// The request.
    pub request: Option<RequestId>,
    /// The emergency access that what follows rests on, if it rests on one: every entry says so.
    pub emergency: Option<EmergencyAccessId>,
}

impl Caller {
    /// The network address as text; empty for the server itself.
    #[must_use]
    pub fn network(&self) -> &str {
        self.network.as_deref().unwrap_or_default()
    }

    /// The server acting on its own.
    #[must_use]
    pub const fn system() -> Self {
        Self { actor: Actor::System, network: None, client: None, request: None, emergency: None }
    }
}

/// What an operation is about, with the facts that policies decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The installation as a whole: lists, log, policies, accounts.
    Clinic,
    /// One staff account.
    Account(AccountId),
    /// One consultation.
    Consultation {
        /// Which.
        id: ConsultationId,
        /// Who holds it.
        practitioner: AccountId,
        /// The emergency access the caller holds to it now, if any.
        emergency: Option<EmergencyAccessId>,
    },
    /// One recording.
    Recording {
        /// Which.
        id: RecordingId,
        /// The consultation it was made in.
        consultation: ConsultationId,
        /// Who holds that consultation.
        practitioner: AccountId,
        /// Whether everyone who was recorded permitted it.
        all_consented: bool,
        /// Whether a legal hold stands on it.
        held: bool,
        /// Whether the caller was granted to watch it, and the grant has not run out.
        granted: bool,
    },
}

/// An operation that needs a permit; its action is its name in the access policies.
pub trait Operation {
    /// The Cedar action id.
    const ACTION: &'static str;
    /// Whether staff must have proved who they are within [`FRESH_FOR`].
    const DANGEROUS: bool;
}

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $name:ident = $action:literal $($danger:ident)?),+ $(,)?) => {
        $($(#[doc = $doc])* #[derive(Debug)] pub enum $name {}
        impl Operation for $name { const ACTION: &'static str = $action; const DANGEROUS: bool = operations!(@ $($danger)?); })+

        /// The action of every operation, for the tests that hold policies and code together.
        pub const ACTIONS: &[&str] = &[$($action),+];

        /// What every operation does, in words.
        pub const MEANINGS: &[(&str, &str)] = &[$(($action, concat!($($doc),*))),+];
    };
    (@ dangerous) => { true };
    (@) => { false };
}

operations! {
    /// Look for patients.
    SearchPatients = "search_patients",
    /// Enter a patient.
    CreatePatient = "create_patient",
    /// List one's own consultations.
    ListConsultations = "list_consultations",
    /// List every clinician's consultations, to plan them.
    ListAllConsultations = "list_all_consultations",
    /// Enter a consultation of one's own.
    CreateConsultation = "create_consultation",
    /// Enter a consultation for a clinician.
    ScheduleConsultation = "schedule_consultation",
    /// Read one consultation, its people and invitations.
    ReadConsultation = "read_consultation",
    /// Start or end a consultation.
    ManageConsultation = "manage_consultation",
    /// Cancel a consultation.
    CancelConsultation = "cancel_consultation",
    /// Take emergency access to a consultation that is someone else's.
    TakeEmergencyAccess = "take_emergency_access" dangerous,
    /// Invite someone, take back or renew an invitation.
    ManageInvitations = "manage_invitations",
    /// Enter the lobby or the call.
    JoinConsultation = "join_consultation",
    /// Admit, turn away or remove a participant.
    ManageParticipants = "manage_participants",
    /// Ask to record, stop a recording.
    RequestRecording = "request_recording",
    /// Decide about a consent text or a recording, or withdraw.
    DecideConsent = "decide_consent",
    /// Read everyone's decisions in one consultation.
    ReadGivenConsents = "read_given_consents",
    /// Read one's own decisions and take receipts of them.
    ReadOwnConsents = "read_own_consents",
    /// Read the registers of consents.
    ReadConsents = "read_consents",
    /// Take consents away as files.
    ExportConsents = "export_consents",
    /// Decide what becomes of a recording from which someone withdrew.
    ReviewWithdrawal = "review_withdrawal" dangerous,
    /// Let media reach the recorder.
    StartRecording = "start_recording",
    /// See that recordings exist.
    ListRecordings = "list_recordings",
    /// Watch a recording.
    PlayRecording = "play_recording",
    /// Read, search and verify the audit log.
    ReadAudit = "read_audit",
    /// Take the audit log away as a file.
    ExportAudit = "export_audit",
    /// Read the policies in force.
    ReadPolicies = "read_policies",
    /// Read the retention schedule and what it means.
    ReadRetention = "read_retention",
    /// Sign off a review of the audit log.
    ReviewAudit = "review_audit",
    /// Write down a disclosure of a patient's information that was made by other means.
    RecordDisclosure = "record_disclosure",
    /// Read the list of accounts.
    ReadAccounts = "read_accounts",
    /// Make an account.
    CreateAccount = "create_account" dangerous,
    /// Change an account's name or role, restore it, reset its password or second factors.
    ManageAccount = "manage_account" dangerous,
    /// Suspend an account and end its sign-in sessions.
    SuspendAccount = "suspend_account",
    /// Read and export who can do what.
    ReadAccess = "read_access",
    /// See which emergency accesses were taken.
    ReadEmergencies = "read_emergencies",
    /// Confirm having seen an emergency access that a colleague took.
    ConfirmEmergency = "confirm_emergency",
    /// Look at one's own sign-in sessions and factors, and end sessions.
    ReadOwnSignIn = "read_own_sign_in",
    /// Change one's own password and second factors.
    ManageOwnSignIn = "manage_own_sign_in" dangerous,
    /// See the holds on a recording, and who was granted to watch it.
    ReadCustody = "read_custody",
    /// Place or release a legal hold.
    ManageHolds = "manage_holds" dangerous,
    /// Grant someone to watch a recording for a while, or end that.
    GrantPlayback = "grant_playback" dangerous,
    /// Destroy a recording; nothing offers this yet.
    EraseRecording = "erase_recording" dangerous,
    /// Destroy the key of someone's evidence, once its legal period is over; at the machine alone.
    EraseEvidence = "erase_evidence" dangerous,
}

/// What the policies said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they allow it. An evaluation error is a denial.
    pub allowed: bool,
    /// SHA-256 of the policy bundle that was asked, lower-case hex.
    pub policy_digest: String,
}

/// Where policies are asked.
pub trait DecisionPoint {
    /// Decides whether `actor` may do `action` on `resource`.
    fn decide(&self, actor: &Actor, action: &'static str, resource: &Resource) -> Verdict;
}

/// Leave to do one operation on one resource, once, for one caller.
#[derive(Debug)]
pub struct Permit<O> {
    caller: Caller,
    resource: Resource,
    policy_digest: String,
    operation: PhantomData<O>,
}

/// The policies do not allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} is not allowed")]
pub struct Denial {
    /// What was asked.
    pub action: &'static str,
    /// The bundle that said no.
    pub policy_digest: String,
}

/// Asks the policies, and makes the permit if they allow.
///
/// # Errors
/// [`Denial`] if they do not.
pub fn authorize<O: Operation>(policies: &dyn DecisionPoint, caller: &Caller, resource: Resource) -> Result<Permit<O>, Denial> {
    let verdict = policies.decide(&caller.actor, O::ACTION, &resource);
    if verdict.allowed {
        Ok(Permit {
            caller: Caller { emergency: relied_on(&caller.actor, &resource), ..caller.clone() },
            resource,
            policy_digest: verdict.policy_digest,
            operation: PhantomData,
        })
    } else {
        Err(Denial { action: O::ACTION, policy_digest: verdict.policy_digest })
    }
}

/// The emergency access a permit rests on: the one held to a consultation that is someone else's.
fn relied_on(actor: &Actor, resource: &Resource) -> Option<EmergencyAccessId> {
    match (actor, resource) {
        (Actor::Account { id, .. }, Resource::Consultation { practitioner, emergency, .. }) if id != practitioner => *emergency,
        _ => None,
    }
}

impl Actor {
    /// Whether this actor proved who they are recently enough for a dangerous operation at `now`.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Account { proved_at, .. } => now.since(*proved_at) < FRESH_FOR,
            _ => true,
        }
    }
}

impl<O> Permit<O> {
    /// Who was permitted.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// On what.
    #[must_use]
    pub const fn resource(&self) -> Resource {
        self.resource
    }

    /// The bundle that decided.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        &self.policy_digest
    }

    /// The consultation it is about, if it is about one.
    #[must_use]
    pub const fn consultation(&self) -> Option<ConsultationId> {
        match self.resource {
            Resource::Clinic | Resource::Account(_) => None,
            Resource::Consultation { id, .. } => Some(id),
            Resource::Recording { consultation, .. } => Some(consultation),
        }
    }

    /// The staff account that was permitted, if it is one.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self.caller.actor {
            Actor::Account { id, .. } => Some(id),
            _ => None,
        }
    }
}
