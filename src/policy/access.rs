//! Access decisions by Cedar policies, validated strictly against their schema at load.
//!
//! Cedar skips a policy whose evaluation fails; here any evaluation error is a denial.

use crate::domain::access::{ACTIONS, Actor, DecisionPoint, Resource, Verdict};
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
            Resource::Consultation { id, practitioner } => {
                let practitioner = self.uid("Account", &practitioner.to_string())?;
                (
                    self.uid("Consultation", &id.to_string())?,
                    HashMap::from([("practitioner".to_owned(), RestrictedExpression::new_entity_uid(practitioner))]),
                )
            }
            Resource::Recording { id, consultation, practitioner, all_consented } => {
                let attributes = HashMap::from([
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

impl DecisionPoint for Bundle {
    fn decide(&self, actor: &Actor, action: &'static str, resource: &Resource) -> Verdict {
        Verdict { allowed: self.access().allows(actor, action, resource), policy_digest: self.digest().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::AccountRole;
    use crate::domain::id::{AccountId, ConsultationId, ParticipantId, RecordingId, SignInSessionId};
    use crate::domain::participant::Role;
    use crate::policy::bundle::Files;
    use uuid::Uuid;

    fn shipped() -> Bundle {
        Bundle::check(Files::shipped().expect("text")).expect("valid")
    }

    fn account(n: u128, role: AccountRole) -> Actor {
        Actor::Account { id: AccountId::from_uuid(Uuid::from_u128(n)), role, session: SignInSessionId::from_uuid(Uuid::from_u128(n)) }
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
        }
    }

    fn recording(of: u128, practitioner: u128, all_consented: bool) -> Resource {
        Resource::Recording {
            id: RecordingId::from_uuid(Uuid::from_u128(60)),
            consultation: ConsultationId::from_uuid(Uuid::from_u128(of)),
            practitioner: AccountId::from_uuid(Uuid::from_u128(practitioner)),
            all_consented,
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
    fn what_cannot_be_evaluated_is_denied() {
        let policies = shipped();
        assert!(!policies.access().allows(&account(1, AccountRole::Clinician), "no_such_action", &Resource::Clinic));
    }

    #[test]
    fn every_operation_is_allowed_to_someone_and_an_anonymous_caller_may_do_none() {
        let policies = shipped();
        let actors = [
            account(1, AccountRole::Clinician),
            account(1, AccountRole::Auditor),
            account(1, AccountRole::Administrator),
            participant(9),
            Actor::System,
        ];
        let resources = [Resource::Clinic, consultation(9, 1), recording(9, 1, true)];
        for action in ACTIONS {
            assert!(
                actors.iter().any(|a| resources.iter().any(|r| policies.access().allows(a, action, r))),
                "{action} is a dead operation"
            );
            assert!(resources.iter().all(|r| !policies.access().allows(&Actor::Anonymous, action, r)), "{action} is open to anyone");
        }
    }
}
