//! A decision as a FHIR R4 Consent resource (hl7.org/fhir/R4/consent.html), with the words as its attachment.

use crate::domain::consent::{Capacity, Decision, Purpose};
use crate::domain::id::PatientId;
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::policy::catalogue::ConsentText;
use crate::services::consents::OpenConsent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What a resource is made of beside the decision.
pub struct Source<'a> {
    /// The file of the words.
    pub file: Option<&'a str>,
    /// The words, read.
    pub text: Option<&'a ConsentText>,
    /// The notice of 42 CFR 2.32, where it must go with it.
    pub notice: Option<&'a str>,
    /// Whom the consultation is about.
    pub patient: PatientId,
    /// The clinic.
    pub clinic: &'a str,
    /// When it ends to hold, where that is known.
    pub until: Option<Timestamp>,
    /// The present moment.
    pub now: Timestamp,
}

const TERMINOLOGY: &str = "http://terminology.hl7.org/CodeSystem";

fn coded(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": format!("{TERMINOLOGY}/{system}"), "code": code, "display": display}]})
}

/// What we call a purpose, as a code of ours.
fn purpose(of: Purpose) -> Value {
    json!({"coding": [{"system": "urn:bedside:consent-purpose", "code": of.as_str()}], "text": of.as_str()})
}

/// The resource.
#[must_use]
pub fn consent(one: &OpenConsent, source: &Source<'_>) -> Value {
    let consent = &one.consent;
    let status = match consent.decision {
        Decision::Permit if one.stands && source.until.is_none_or(|until| source.now < until) => "active",
        Decision::Deny => "rejected",
        Decision::Permit | Decision::Withdrawn => "inactive",
    };
    let care = consent.permitted.iter().chain(&consent.denied).any(|p| matches!(p, Purpose::CareByVideo | Purpose::InterpreterPresence));
    let scope =
        if care { coded("consentscope", "treatment", "Treatment") } else { coded("consentscope", "patient-privacy", "Privacy Consent") };
    let who = one.representative.as_ref().map_or(one.person.as_deref(), |r| Some(r.name.as_str()));
    let kind = match (consent.capacity, one.role) {
        (Capacity::Oneself, Role::Patient) => format!("Patient/{}", source.patient),
        (Capacity::Oneself, Role::Practitioner) => format!("Practitioner/{}", consent.participant),
        _ => format!("RelatedPerson/{}", consent.participant),
    };
    let mut performer = json!({"reference": kind});
    if let Some(name) = who {
        performer["display"] = name.into();
    }
    let rule = match consent.decision {
        Decision::Permit => coded("v3-ActCode", "OPTIN", "opt-in"),
        Decision::Deny | Decision::Withdrawn => coded("v3-ActCode", "OPTOUT", "opt-out"),
    };
    let mut policies = vec![json!({"uri": format!("urn:bedside:policy:{}", consent.policy_digest)})];
    if let Some(text) = source.text {
        policies
            .push(json!({"authority": "urn:bedside:jurisdiction", "uri": format!("urn:bedside:legal-basis:{}", hex(&text.legal_basis))}));
    }
    let mut period = json!({"start": consent.decided_at});
    if let Some(until) = source.until {
        period["end"] = json!(until);
    }
    let purpose_of_use = if care { ("TREAT", "treatment") } else { ("HOPERAT", "healthcare operations") };
    let part = |kind: &str, purposes: &[Purpose]| {
        json!({
            "type": kind,
            "period": period,
            "action": [coded("consentaction", "collect", "Collect")],
            "purpose": [{"system": format!("{TERMINOLOGY}/v3-ActReason"), "code": purpose_of_use.0, "display": purpose_of_use.1}],
            "code": purposes.iter().copied().map(purpose).collect::<Vec<_>>(),
        })
    };
    let mut provision = if consent.permitted.is_empty() { part("deny", &consent.denied) } else { part("permit", &consent.permitted) };
    if let Some(text) = source.text {
        let actor =
            |name: &String| json!({"role": coded("v3-ParticipationType", "IRCP", "information recipient"), "reference": {"display": name}});
        provision["actor"] = text.recipients.iter().map(actor).collect::<Vec<_>>().into();
    }
    if !consent.permitted.is_empty() && !consent.denied.is_empty() {
        provision["provision"] = json!([part("deny", &consent.denied)]);
    }
    let mut resource = json!({
        "resourceType": "Consent",
        "id": consent.id.to_string(),
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", consent.id)}],
        "status": status,
        "scope": scope,
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}],
        "patient": {"reference": format!("Patient/{}", source.patient)},
        "dateTime": consent.decided_at,
        "performer": [performer],
        "organization": [{"display": source.clinic}],
        "policy": policies,
        "policyRule": rule,
        "verification": [{
            "verified": consent.signed().is_some(),
            "verifiedWith": {"reference": format!("Patient/{}", source.patient)},
            "verificationDate": consent.decided_at,
        }],
        "provision": provision,
    });
    if let Some(file) = source.file {
        resource["sourceAttachment"] = json!({
            "contentType": "text/markdown",
            "language": consent.shown.language,
            "data": STANDARD.encode(file),
            "title": format!("{} {} ({})", consent.shown.text, consent.shown.version, consent.shown.digest),
            "creation": consent.decided_at,
        });
    }
    if let Some(notice) = source.notice {
        resource["meta"] =
            json!({"security": [{"system": format!("{TERMINOLOGY}/v3-ActCode"), "code": "42CFRPart2", "display": "42 CFR Part2"}]});
        let words = notice.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        resource["text"] =
            json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{words}</p></div>")});
    }
    resource
}

/// A text as part of a URN (RFC 8141): letters and digits of its SHA-256.
fn hex(text: &str) -> String {
    crate::crypto::digest::sha256_hex(text.as_bytes())
}
