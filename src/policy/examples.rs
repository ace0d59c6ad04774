//! Recorded example requests, from `policies/examples.toml`: what two bundles decide about them shows what a change newly allows or denies.

use crate::domain::access::{ACTIONS, AccountRole, Actor, Resource};
use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId, ParticipantId, RecordingId, SignInSessionId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::policy::access::AccessPolicies;
use serde::Deserialize;
use uuid::Uuid;

/// A request as it happens.
#[derive(Debug, Clone)]
pub struct Example {
    /// In words.
    pub says: String,
    actor: Actor,
    action: &'static str,
    resource: Resource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    example: Vec<FileExample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of the request, as the file names it")]
struct FileExample {
    says: String,
    who: String,
    does: String,
    to: String,
    #[serde(default)]
    own: bool,
    #[serde(default)]
    emergency: bool,
    #[serde(default)]
    consented: bool,
    #[serde(default)]
    held: bool,
    #[serde(default)]
    granted: bool,
}

/// What a change does to one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The example, in words.
    pub says: String,
    /// Whether it is newly allowed; newly denied otherwise.
    pub allowed: bool,
}

/// Reads the file; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<Example>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
    file.example.into_iter().map(example).collect()
}

fn example(file: FileExample) -> Result<Example, String> {
    let id = Uuid::from_u128;
    let (me, other) = (AccountId::from_uuid(id(1)), AccountId::from_uuid(id(2)));
    let owner = if file.own { me } else { other };
    let here = ConsultationId::from_uuid(id(3));
    let elsewhere = ConsultationId::from_uuid(id(4));
    let recording = RecordingId::from_uuid(id(5));
    let actor = match file.who.as_str() {
        "nobody" => Actor::Anonymous,
        "server" => Actor::System,
        "invited" => Actor::Participant {
            id: ParticipantId::from_uuid(id(6)),
            role: Role::Patient,
            consultation: if file.own { here } else { elsewhere },
        },
        role => Actor::Account {
            id: me,
            role: AccountRole::parse(role).ok_or_else(|| format!("{}: {role} is nobody who could ask", file.says))?,
            session: SignInSessionId::from_uuid(id(7)),
            proved_at: Timestamp::from_micros(0),
        },
    };
    let resource = match file.to.as_str() {
        "clinic" => Resource::Clinic,
        "account" => Resource::Account(owner),
        "consultation" => {
            Resource::Consultation { id: here, practitioner: owner, emergency: file.emergency.then(|| EmergencyAccessId::from_uuid(id(8))) }
        }
        "recording" => Resource::Recording {
            id: recording,
            consultation: here,
            practitioner: owner,
            all_consented: file.consented,
            held: file.held,
            granted: file.granted,
        },
        to => return Err(format!("{}: {to} is nothing that could be asked for", file.says)),
    };
    let action = ACTIONS.iter().copied().find(|action| *action == file.does);
    let action = action.ok_or_else(|| format!("{}: {} is no operation", file.says, file.does))?;
    Ok(Example { says: file.says, actor, action, resource })
}

/// What the second policies newly allow or deny.
#[must_use]
pub fn differences(examples: &[Example], before: &AccessPolicies, after: &AccessPolicies) -> Vec<Difference> {
    let decide = |policies: &AccessPolicies, e: &Example| policies.allows(&e.actor, e.action, &e.resource);
    examples
        .iter()
        .filter_map(|e| {
            let (was, is) = (decide(before, e), decide(after, e));
            (was != is).then(|| Difference { says: e.says.clone(), allowed: is })
        })
        .collect()
}
