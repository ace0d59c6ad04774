//! Who may do what. A [`Permit`] for an operation can be made here only, out of a policy decision; services ask for it in their signature,
//! so an operation that nobody decided about does not compile.

use crate::domain::id::{AccountId, ConsultationId, ParticipantId, RecordingId, RequestId, SignInSessionId};
use crate::domain::participant::Role;
use serde::Serialize;
use std::marker::PhantomData;

/// The role of a staff account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    /// Holds consultations.
    Clinician,
    /// Reads everything about access and policy, nothing clinical.
    Auditor,
    /// Manages accounts and policy; sees no media.
    Administrator,
}

impl AccountRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Clinician, Self::Auditor, Self::Administrator];

    /// The stable name, in storage, policies and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
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

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The network address the request came from.
    pub network: Option<String>,
    /// The request.
    pub request: Option<RequestId>,
}

impl Caller {
    /// The server acting on its own.
    #[must_use]
    pub const fn system() -> Self {
        Self { actor: Actor::System, network: None, request: None }
    }
}

/// What an operation is about, with the facts that policies decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The installation as a whole: lists, log, policies, accounts.
    Clinic,
    /// One consultation.
    Consultation {
        /// Which.
        id: ConsultationId,
        /// Who holds it.
        practitioner: AccountId,
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
    },
}

/// An operation that needs a permit; its action is its name in the access policies.
pub trait Operation {
    /// The Cedar action id.
    const ACTION: &'static str;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $action:literal),+ $(,)?) => {
        $($(#[$doc])* #[derive(Debug)] pub enum $name {}
        impl Operation for $name { const ACTION: &'static str = $action; })+

        /// The action of every operation, for the tests that hold policies and code together.
        pub const ACTIONS: &[&str] = &[$($action),+];
    };
}

operations! {
    /// Look for patients.
    SearchPatients = "search_patients",
    /// Enter a patient.
    CreatePatient = "create_patient",
    /// List one's own consultations.
    ListConsultations = "list_consultations",
    /// Enter a consultation.
    CreateConsultation = "create_consultation",
    /// Read one consultation, its people and invitations.
    ReadConsultation = "read_consultation",
    /// Start, end or cancel a consultation.
    ManageConsultation = "manage_consultation",
    /// Invite someone, take back or renew an invitation.
    ManageInvitations = "manage_invitations",
    /// Enter the lobby or the call.
    JoinConsultation = "join_consultation",
    /// Admit, turn away or remove a participant.
    ManageParticipants = "manage_participants",
    /// Ask to record, stop a recording.
    RequestRecording = "request_recording",
    /// Decide about a recording, or withdraw.
    DecideConsent = "decide_consent",
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
    /// Read the list of accounts.
    ReadAccounts = "read_accounts",
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
        Ok(Permit { caller: caller.clone(), resource, policy_digest: verdict.policy_digest, operation: PhantomData })
    } else {
        Err(Denial { action: O::ACTION, policy_digest: verdict.policy_digest })
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
            Resource::Clinic => None,
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
