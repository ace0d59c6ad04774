//! The rules of signing in, from `policies/sign-in.toml`: who needs a second factor, how long a sign-in session lasts, and which role an
//! identity provider's claims give.

use crate::domain::access::AccountRole;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a sign-in session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Without use.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

/// The rules of signing in.
pub struct SignInRules {
    second_factor: Vec<AccountRole>,
    lifetimes: Vec<(AccountRole, Lifetime)>,
    provider_roles: Vec<ProviderRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    second_factor: Vec<String>,
    lifetime: BTreeMap<String, FileLifetime>,
    #[serde(default)]
    provider_role: Vec<FileProviderRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLifetime {
    idle_minutes: u64,
    absolute_hours: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileProviderRole {
    provider: String,
    claim: String,
    value: String,
    role: String,
}

struct ProviderRole {
    provider: String,
    claim: String,
    value: String,
    role: AccountRole,
}

impl SignInRules {
    /// Reads the file; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let role = |name: &str| AccountRole::parse(name).ok_or_else(|| format!("{name} is not a role"));
        let mut lifetimes = Vec::new();
        for (name, lifetime) in &file.lifetime {
            let (idle, absolute) = (Duration::from_mins(lifetime.idle_minutes), Duration::from_hours(lifetime.absolute_hours));
            if idle.is_zero() || absolute < idle {
                return Err(format!("lifetime.{name}: idle_minutes must be at least 1 and absolute_hours no shorter"));
            }
            lifetimes.push((role(name)?, Lifetime { idle, absolute }));
        }
        if let Some(missing) = AccountRole::ALL.into_iter().find(|role| !lifetimes.iter().any(|(named, _)| named == role)) {
            return Err(format!("lifetime.{} is missing", missing.as_str()));
        }
        Ok(Self {
            second_factor: file.second_factor.iter().map(|name| role(name)).collect::<Result<_, _>>()?,
            lifetimes,
            provider_roles: file
                .provider_role
                .into_iter()
                .map(|rule| Ok(ProviderRole { role: role(&rule.role)?, provider: rule.provider, claim: rule.claim, value: rule.value }))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether someone of this role must show a second factor.
    #[must_use]
    pub fn needs_second_factor(&self, role: AccountRole) -> bool {
        self.second_factor.contains(&role)
    }

    /// How long a sign-in session of this role lasts.
    #[must_use]
    pub fn lifetime(&self, role: AccountRole) -> Lifetime {
        let found = self.lifetimes.iter().find(|(named, _)| *named == role).map(|(_, lifetime)| *lifetime);
        // parsing made sure that every role has one
        found.unwrap_or(Lifetime { idle: Duration::ZERO, absolute: Duration::ZERO })
    }

    /// The role that a provider's claims give, if any.
    #[must_use]
    pub fn role_of(&self, provider: &str, claims: &Map<String, Value>) -> Option<AccountRole> {
        let fits = |rule: &&ProviderRole| {
            (rule.provider == "*" || rule.provider == provider)
                && find(claims, &rule.claim).is_some_and(|found| match found {
                    Value::String(text) => *text == rule.value,
                    Value::Array(all) => all.iter().any(|one| one.as_str() == Some(&rule.value)),
                    _ => false,
                })
        };
        self.provider_roles.iter().find(fits).map(|rule| rule.role)
    }
}

/// A claim by its name, or by a path of names with dots between.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHIPPED: &str = include_str!("../../policies/sign-in.toml");

    #[test]
    fn the_shipped_rules_ask_everyone_for_a_second_factor() {
        let rules = SignInRules::parse(SHIPPED).expect("valid");
        for role in AccountRole::ALL {
            assert!(rules.needs_second_factor(role));
            assert_eq!(rules.lifetime(role), Lifetime { idle: Duration::from_mins(15), absolute: Duration::from_hours(12) });
        }
    }

    #[test]
    fn claims_give_a_role_only_where_a_rule_says_so() {
        let rules = SignInRules::parse(&format!(
            "{SHIPPED}\n[[provider_role]]\nprovider = \"kc\"\nclaim = \"realm_access.roles\"\nvalue = \"doctor\"\nrole = \"clinician\"\n"
        ))
        .expect("valid");
        let role = |provider: &str, claims: Value| rules.role_of(provider, claims.as_object().expect("an object"));
        assert_eq!(role("any", json!({"groups": ["staff", "bedside-auditors"]})), Some(AccountRole::Auditor));
        assert_eq!(role("any", json!({"groups": "bedside-clinicians"})), Some(AccountRole::Clinician));
        assert_eq!(role("kc", json!({"realm_access": {"roles": ["doctor"]}})), Some(AccountRole::Clinician));
        assert_eq!(role("other", json!({"realm_access": {"roles": ["doctor"]}})), None);
        for nothing in [json!({}), json!({"groups": []}), json!({"groups": 7}), json!({"groups": ["bedside-clinicians-not"]})] {
            assert_eq!(role("any", nothing), None);
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        for (from, to, says) in [
            ("\"clinician\",", "\"king\",", "king is not a role"),
            ("[lifetime.auditor]", "[lifetime.editor]", "editor is not a role"),
            ("idle_minutes = 15", "idle_minutes = 0", "idle_minutes must be"),
            ("second_factor =", "second_facter =", "second_fac"),
        ] {
            let refused = SignInRules::parse(&SHIPPED.replacen(from, to, 1)).err().expect(from);
            assert!(refused.contains(says), "{refused}");
        }
    }
}
