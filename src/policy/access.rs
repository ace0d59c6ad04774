//! Access decisions by Cedar policies, validated strictly against their schema at load.
//!
//! Cedar skips a policy whose evaluation fails; here any evaluation error is a denial.

use crate::domain::access::{ACTIONS, AccountRole, Actor, DecisionPoint, MEANINGS, Resource, Verdict};
use crate::domain::id::{AccountId, ConsultationId, EmergencyAccessId, ParticipantId, RecordingId, SignInSessionId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::policy::bundle::Bundle;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// The access policies of a bundle.
pub struct AccessPolicies {
    authorizer: Authorizer,
    policies: PolicySet,
    types: HashMap<&'static str, EntityTypeName>,
    actions: HashMap<&'static str, EntityUid>,
}

const TYPES: [&str; 8] = ["Clinic", "System", "Anonymous", "Account", "Consultation", "Participant", "Recording", "Action"];

impl AccessPolicies {
    /// Parses and validates policy files against the one schema among them; the error names the file.
    pub(super) fn parse<'a>(files: &(impl Iterator<Item = (&'a str, &'a str)> + Clone)) -> Result<Self, (String, String)> {
        let ended = |ending: &'static str| files.clone().filter(move |(path, _)| path.ends_with(ending));
        let (schema_path, schema_text) =
            ended(".cedarschema").next().ok_or_else(|| ("access/".to_owned(), "there is no schema".to_owned()))?;
        let (schema, _) = Schema::from_cedarschema_str(schema_text).map_err(|e| (schema_path.to_owned(), e.to_string()))?;
        let validator = Validator::new(schema);
        let mut policies = PolicySet::new();
        for (path, text) in ended(".cedar") {
            let wrong = |reason: String| (path.to_owned(), reason);
            let parsed = PolicySet::from_str(text).map_err(|e| wrong(e.to_string()))?;
            let result = validator.validate(&parsed, ValidationMode::Strict);
            if !result.validation_passed() {
                return Err(wrong(result.validation_errors().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
            }
            for policy in parsed.policies() {
                let id = PolicyId::new(format!("{path}#{}", policy.id()));
                policies.add(policy.new_id(id)).map_err(|e| wrong(e.to_string()))?;
            }
        }
        let named = |name: &str| EntityTypeName::from_str(&format!("Bedside::{name}")).map_err(|e| (schema_path.to_owned(), e.to_string()));
        let types = TYPES.iter().map(|name| Ok((*name, named(name)?))).collect::<Result<HashMap<_, _>, (String, String)>>()?;
        let action = named("Action")?;
        let actions = ACTIONS.iter().map(|id| (*id, EntityUid::from_type_name_and_id(action.clone(), EntityId::new(*id)))).collect();
        Ok(Self { authorizer: Authorizer::new(), policies, types, actions })
    }

    /// Whether the policies allow it. Anything that cannot be evaluated is a denial.
    #[must_use]
    pub fn allows(&self, actor: &Actor, action: &'static str, resource: &Resource) -> bool {
        self.evaluate(actor, action, resource).unwrap_or(false)
    }

    fn evaluate(&self, actor: &Actor, action: &'static str, resource: &Resource) -> Option<bool> {
        let mut entities = Vec::with_capacity(4);
        let principal = self.principal(actor, &mut entities)?;
        let about = self.resource(resource, &mut entities)?;
        let entities = Entities::from_entities(entities, None).ok()?;
        let request = Request::new(principal, self.actions.get(action)?.clone(), about, Context::empty(), None).ok()?;
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        if response.diagnostics().errors().next().is_some() {
            return None;
        }
        Some(response.decision() == Decision::Allow)
    }

    fn uid(&self, kind: &str, id: &str) -> Option<EntityUid> {
        Some(EntityUid::from_type_name_and_id(self.types.get(kind)?.clone(), EntityId::new(id)))
    }

    fn principal(&self, actor: &Actor, entities: &mut Vec<Entity>) -> Option<EntityUid> {
        let (uid, attributes) = match actor {
            Actor::Anonymous => (self.uid("Anonymous", "anonymous")?, HashMap::new()),
            Actor::System => (self.uid("System", "bedside")?, HashMap::new()),
            Actor::Account { id, role, .. } => (
                self.uid("Account", &id.to_string())?,
                HashMap::from([("role".to_owned(), RestrictedExpression::new_string(role.as_str().to_owned()))]),
            ),
            Actor::Participant { id, role, consultation } => {
                let consultation = self.uid("Consultation", &consultation.to_string())?;
                let attributes = HashMap::from([
                    ("role".to_owned(), RestrictedExpression::new_string(role.as_str().to_owned())),
                    ("consultation".to_owned(), RestrictedExpression::new_entity_uid(consultation)),
                ]);
                (self.uid("Participant", &id.to_string())?, attributes)
            }
        };
        entities.push(Entity::new(uid.clone(), attributes, HashSet::new()).ok()?);
        Some(uid)
    }

    fn resource(&self, resource: &Resource, entities: &mut Vec<Entity>) -> Option<EntityUid> {
        let (uid, attributes) = match resource {
            Resource::Clinic => (self.uid("Clinic", "clinic")?, HashMap::new()),
            Resource::Account(id) => {
                let uid = self.uid("Account", &id.to_string())?;
                // one's own account is there already, as the principal
                if entities.iter().any(|entity| entity.uid() == uid) {
                    return Some(uid);
                }
                (uid, HashMap::from([("role".to_owned(), RestrictedExpression::new_string(String::new()))]))
            }
            Resource::Consultation { id, practitioner, emergency } => {
                let practitioner = self.uid("Account", &practitioner.to_string())?;
                let attributes = HashMap::from([
                    ("practitioner".to_owned(), RestrictedExpression::new_entity_uid(practitioner)),
                    ("emergency".to_owned(), RestrictedExpression::new_bool(emergency.is_some())),
                ]);
                (self.uid("Consultation", &id.to_string())?, attributes)
            }
            Resource::Recording { id, consultation, practitioner, all_consented, held, granted } => {
                let attributes = HashMap::from([
                    ("held".to_owned(), RestrictedExpression::new_bool(*held)),
                    ("granted".to_owned(), RestrictedExpression::new_bool(*granted)),
                    ("consultation".to_owned(), RestrictedExpression::new_entity_uid(self.uid("Consultation", &consultation.to_string())?)),
                    ("practitioner".to_owned(), RestrictedExpression::new_entity_uid(self.uid("Account", &practitioner.to_string())?)),
                    ("all_consented".to_owned(), RestrictedExpression::new_bool(*all_consented)),
                ]);
                (self.uid("Recording", &id.to_string())?, attributes)
            }
        };
        entities.push(Entity::new(uid.clone(), attributes, HashSet::new()).ok()?);
        Some(uid)
    }
}

impl AccessPolicies {
    /// What a role may do, and on what: `yes`, or the kinds of thing it is limited to.
    #[must_use]
    pub fn reach_of(&self, role: AccountRole) -> Vec<(&'static str, &'static str)> {
        ACTIONS.iter().filter_map(|action| self.reach(role, action).map(|reach| (*action, reach))).collect()
    }

    fn reach(&self, role: AccountRole, action: &'static str) -> Option<&'static str> {
        let nil = |n: u128| uuid::Uuid::from_u128(n);
        let (own, other) = (AccountId::from_uuid(nil(1)), AccountId::from_uuid(nil(2)));
        let actor = Actor::Account { id: own, role, session: SignInSessionId::from_uuid(nil(3)), proved_at: Timestamp::from_micros(0) };
        let consultation = |practitioner, emergency: bool| Resource::Consultation {
            id: ConsultationId::from_uuid(nil(4)),
            practitioner,
            emergency: emergency.then(|| EmergencyAccessId::from_uuid(nil(5))),
        };
        let recording = |practitioner, held, granted| Resource::Recording {
            id: RecordingId::from_uuid(nil(6)),
            consultation: ConsultationId::from_uuid(nil(4)),
            practitioner,
            all_consented: true,
            held,
            granted,
        };
        let may = |resource: Resource| self.allows(&actor, action, &resource);
        if may(Resource::Clinic) {
            return Some("yes");
        }
        let own_one = may(Resource::Account(own)) || may(consultation(own, false)) || may(recording(own, false, false));
        let others = may(Resource::Account(other)) || may(consultation(other, false)) || may(recording(other, false, false));
        let even_held = may(recording(other, true, false));
        match (own_one, others) {
            (true, true) if may(recording(other, false, false)) && !even_held => Some("unless held"),
            (true, true) => Some("yes"),
            (false, true) => Some("others'"),
            (true, false) if may(consultation(other, true)) => Some("own, or emergency"),
            (true, false) if may(recording(other, false, true)) => Some("own, or granted"),
            (true, false) => Some("own"),
            (false, false) if may(consultation(other, true)) => Some("emergency"),
            (false, false) if may(recording(other, false, true)) => Some("granted"),
            (false, false) => None,
        }
    }

    /// Operation × role as a page in Markdown: `docs/roles.md`.
    #[must_use]
    pub fn roles_page(&self) -> String {
        let mut page = String::from(ROLES_HEAD);
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        page += &row([&["operation"][..], &AccountRole::ALL.map(AccountRole::as_str)[..], &["someone invited"][..]].concat());
        page += &row(vec!["---"; AccountRole::ALL.len() + 2]);
        for (action, meaning) in MEANINGS {
            let invited = if self.invited_may(action) { "own" } else { "" };
            let cells: Vec<&str> = AccountRole::ALL.into_iter().map(|role| self.reach(role, action).unwrap_or("")).collect();
            let what = format!("{} (`{action}`)", meaning.trim().trim_end_matches('.'));
            page += &row([&[what.as_str()][..], &cells[..], &[invited][..]].concat());
        }
        page
    }

    fn invited_may(&self, action: &'static str) -> bool {
        let nil = |n: u128| uuid::Uuid::from_u128(n);
        let (id, practitioner) = (ConsultationId::from_uuid(nil(4)), AccountId::from_uuid(nil(1)));
        let actor = Actor::Participant { id: ParticipantId::from_uuid(nil(7)), role: Role::Patient, consultation: id };
        let recording = RecordingId::from_uuid(nil(6));
        [
            Resource::Clinic,
            Resource::Consultation { id, practitioner, emergency: None },
            Resource::Recording { id: recording, consultation: id, practitioner, all_consented: true, held: false, granted: false },
        ]
        .iter()
        .any(|resource| self.allows(&actor, action, resource))
    }
}

const ROLES_HEAD: &str = "# Roles\n\n\
Who may do what, as the shipped policies in `policies/access/` say. This page is made by `bedside policy roles`; a test holds it to them.\n\n\
- *own*: on one's own account, the consultations one holds, and their recordings. For someone invited: the one consultation they were invited to.\n\
- *others'*: on everyone's but one's own.\n\
- *emergency*: on a colleague's consultation while an emergency access lasts, which is loudly recorded.\n\
- *granted*: on a recording that a records officer granted one to watch, while the grant lasts.\n\
- *unless held*: not on a recording under a legal hold.\n\n\
Only the server itself lets media reach the recorder (`start_recording`), and only with everyone's consent.\n\n";

impl DecisionPoint for Bundle {
    fn decide(&self, actor: &Actor, action: &'static str, resource: &Resource) -> Verdict {
        Verdict { allowed: self.access().allows(actor, action, resource), policy_digest: self.digest().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bundle::Files;
    use uuid::Uuid;

    fn shipped() -> Bundle {
        Bundle::check(Files::shipped().expect("text")).expect("valid")
    }

    fn account(n: u128, role: AccountRole) -> Actor {
        Actor::Account {
            id: AccountId::from_uuid(Uuid::from_u128(n)),
            role,
            session: SignInSessionId::from_uuid(Uuid::from_u128(n)),
            proved_at: Timestamp::from_micros(0),
        }
    }

    fn participant(of: u128) -> Actor {
        Actor::Participant {
            id: ParticipantId::from_uuid(Uuid::from_u128(50)),
            role: Role::Patient,
            consultation: ConsultationId::from_uuid(Uuid::from_u128(of)),
        }
    }

    fn consultation(n: u128, practitioner: u128) -> Resource {
        Resource::Consultation {
            id: ConsultationId::from_uuid(Uuid::from_u128(n)),
            practitioner: AccountId::from_uuid(Uuid::from_u128(practitioner)),
            emergency: None,
        }
    }

    fn recording(of: u128, practitioner: u128, all_consented: bool) -> Resource {
        Resource::Recording {
            id: RecordingId::from_uuid(Uuid::from_u128(60)),
            consultation: ConsultationId::from_uuid(Uuid::from_u128(of)),
            practitioner: AccountId::from_uuid(Uuid::from_u128(practitioner)),
            all_consented,
            held: false,
            granted: false,
        }
    }

    #[test]
    fn only_the_consultations_own_clinician_plays_a_recording() {
        let policies = shipped();
        let plays = |actor: &Actor| policies.access().allows(actor, "play_recording", &recording(9, 1, true));
        assert!(plays(&account(1, AccountRole::Clinician)));
        for other in [
            account(2, AccountRole::Clinician),
            account(1, AccountRole::Auditor),
            account(1, AccountRole::Administrator),
            participant(9),
            Actor::System,
            Actor::Anonymous,
        ] {
            assert!(!plays(&other), "{other:?}");
        }
    }

    #[test]
    fn no_recording_starts_without_everyones_consent_and_nobody_but_the_server_starts_one() {
        let policies = shipped();
        assert!(policies.access().allows(&Actor::System, "start_recording", &recording(9, 1, true)));
        assert!(!policies.access().allows(&Actor::System, "start_recording", &recording(9, 1, false)));
        assert!(!policies.access().allows(&account(1, AccountRole::Clinician), "start_recording", &recording(9, 1, true)));
    }

    #[test]
    fn a_participant_reaches_their_own_consultation_only() {
        let policies = shipped();
        assert!(policies.access().allows(&participant(9), "join_consultation", &consultation(9, 1)));
        assert!(!policies.access().allows(&participant(9), "join_consultation", &consultation(8, 1)));
        assert!(!policies.access().allows(&participant(9), "manage_consultation", &consultation(9, 1)));
    }

    #[test]
    fn emergency_access_reads_joins_and_admits_and_nothing_more() {
        let policies = shipped();
        let other = |emergency: bool| Resource::Consultation {
            id: ConsultationId::from_uuid(Uuid::from_u128(9)),
            practitioner: AccountId::from_uuid(Uuid::from_u128(2)),
            emergency: emergency.then(|| EmergencyAccessId::from_uuid(Uuid::from_u128(3))),
        };
        let may = |role, action, emergency| policies.access().allows(&account(1, role), action, &other(emergency));
        for action in ["read_consultation", "join_consultation", "manage_participants"] {
            assert!(may(AccountRole::Clinician, action, true) && !may(AccountRole::Clinician, action, false), "{action}");
        }
        for action in ["request_recording", "manage_consultation", "cancel_consultation", "manage_invitations"] {
            assert!(!may(AccountRole::Clinician, action, true), "{action}");
        }
        for role in AccountRole::ALL {
            assert_eq!(may(role, "take_emergency_access", false), role == AccountRole::Clinician);
            assert!(role == AccountRole::Clinician || !may(role, "join_consultation", true));
        }
    }

    #[test]
    fn nobody_manages_their_own_account_and_everyone_looks_after_their_own_sign_in() {
        let policies = shipped();
        let of = |n: u128| Resource::Account(AccountId::from_uuid(Uuid::from_u128(n)));
        for role in AccountRole::ALL {
            let may = |action, resource: Resource| policies.access().allows(&account(1, role), action, &resource);
            assert!(may("manage_own_sign_in", of(1)) && !may("manage_own_sign_in", of(2)));
            assert!(!may("manage_account", of(1)) && !may("suspend_account", of(1)));
            assert_eq!(may("manage_account", of(2)), role == AccountRole::Administrator);
        }
    }

    /// `docs/roles.md` is what the shipped policies say; `bedside policy roles > docs/roles.md` makes it anew.
    #[test]
    fn the_page_of_roles_says_what_the_policies_say() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/roles.md")).expect("docs/roles.md");
        assert_eq!(page, shipped().access().roles_page());
    }

    #[test]
    fn what_cannot_be_evaluated_is_denied() {
        let policies = shipped();
        assert!(!policies.access().allows(&account(1, AccountRole::Clinician), "no_such_action", &Resource::Clinic));
    }

    #[test]
    fn every_operation_is_allowed_to_someone_and_an_anonymous_caller_may_do_none() {
        let policies = shipped();
        let actors: Vec<Actor> = AccountRole::ALL.into_iter().map(|role| account(1, role)).chain([participant(9), Actor::System]).collect();
        let resources = [
            Resource::Clinic,
            Resource::Account(AccountId::from_uuid(Uuid::from_u128(1))),
            Resource::Account(AccountId::from_uuid(Uuid::from_u128(2))),
            consultation(9, 1),
            consultation(9, 2),
            recording(9, 1, true),
        ];
        for action in ACTIONS {
            assert!(
                actors.iter().any(|a| resources.iter().any(|r| policies.access().allows(a, action, r))),
                "{action} is a dead operation"
            );
            assert!(resources.iter().all(|r| !policies.access().allows(&Actor::Anonymous, action, r)), "{action} is open to anyone");
        }
    }
}
