//! An entry as a FHIR R4 `AuditEvent` (hl7.org/fhir/R4/auditevent.html), after the profiles of IHE BALP where one fits: those are of successful
//! creates, reads, updates, deletes and queries. Sign-ins, refusals and acts in a call have no profile there and claim none.

use crate::domain::audit::{Action, Entry, NETWORK, Outcome};
use crate::services::audit::FoundEntry;
use serde_json::{Value, json};

const TERMINOLOGY: &str = "http://terminology.hl7.org/CodeSystem";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP";

/// What kind of act BALP has a profile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Create,
    Read,
    Update,
    Delete,
    Query,
}

impl Pattern {
    /// The pattern of an entry; `None` where BALP has none.
    fn of(entry: &Entry) -> Option<Self> {
        // an export has a type of its own (DCM 110106)
        if entry.outcome != Outcome::Success || subject(entry).is_none() || entry.event.ends_with("exported") {
            return None;
        }
        Some(match entry.action {
            Action::C => Self::Create,
            Action::U => Self::Update,
            Action::D => Self::Delete,
            // a list, or what was found, is the answer to a query
            Action::R if thing(entry).is_none() => Self::Query,
            Action::R => Self::Read,
            Action::E => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Query => "Query",
        }
    }

    const fn interaction(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Query => "search",
        }
    }
}

/// Who asked; the server itself and strangers are no users of BALP.
fn subject(entry: &Entry) -> Option<&str> {
    entry.agent.id.as_deref()
}

/// The one thing it was done to, its patient aside.
fn thing(entry: &Entry) -> Option<(&str, &str)> {
    let mut things = entry.entities.iter().filter(|e| e.kind != "patient");
    match (things.next(), entry.entities.first()) {
        (Some(first), _) => Some((&first.kind, &first.id)),
        (None, Some(patient)) if entry.entities.len() == 1 => Some((&patient.kind, &patient.id)),
        _ => None,
    }
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn typed(kind: &str, id: &str) -> Value {
    let resource = match kind {
        "patient" => Some("Patient"),
        "consultation" => Some("Encounter"),
        "consent" => Some("Consent"),
        "account" => Some("Practitioner"),
        _ => None,
    };
    match resource {
        Some(resource) => json!({"reference": format!("{resource}/{id}")}),
        None => json!({"identifier": {"system": format!("urn:bedside:{kind}"), "value": id}}),
    }
}

/// The resource.
#[must_use]
pub fn audit_event(found: &FoundEntry, public_origin: &str) -> Value {
    let entry = &found.entry;
    let pattern = Pattern::of(entry);
    let patient = entry.entities.iter().filter(|e| e.kind == "patient").count() == 1;
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": entry.id.to_string(),
        "type": kind(entry, pattern),
        "subtype": subtypes(entry, pattern),
        "action": if pattern == Some(Pattern::Query) { "E" } else { entry.action.as_str() },
        "recorded": entry.at.to_string(),
        "outcome": match entry.outcome { Outcome::Success => "0", Outcome::Denied => "4", Outcome::Failure => "8" },
        "purposeOfEvent": [{"coding": [{"system": format!("{TERMINOLOGY}/v3-ActReason"), "code": entry.purpose_of_use}]}],
        "agent": agents(found, pattern, public_origin),
        "source": {
            "site": entry.server.node,
            "observer": {"display": if entry.server.name.is_empty() { public_origin } else { &entry.server.name }},
            "type": [coding(&format!("{TERMINOLOGY}/security-source-type"), "4", "Application Server")],
        },
        "entity": entities(found, pattern),
    });
    if let Some(pattern) = pattern {
        let of = if patient { "Patient" } else { "" };
        resource["meta"] = json!({"profile": [format!("{BALP}/StructureDefinition/IHE.BasicAudit.{of}{}", pattern.name())]});
    }
    resource
}

fn kind(entry: &Entry, pattern: Option<Pattern>) -> Value {
    let area = entry.event.split('.').next().unwrap_or_default();
    match (pattern, entry.event.as_str(), area) {
        (Some(_), ..) => coding(&format!("{TERMINOLOGY}/audit-event-type"), "rest", "Restful Operation"),
        (_, event, _) if event.ends_with("exported") => coding(DICOM, "110106", "Export"),
        (_, _, "sign_in") => coding(DICOM, "110114", "User Authentication"),
        (_, _, "access" | "consent" | "emergency") => coding(DICOM, "110113", "Security Alert"),
        (_, _, "server") => coding(DICOM, "110100", "Application Activity"),
        _ => coding("urn:bedside:audit-area", area, area),
    }
}

fn subtypes(entry: &Entry, pattern: Option<Pattern>) -> Value {
    let mut all = Vec::new();
    if let Some(pattern) = pattern {
        all.push(coding("http://hl7.org/fhir/restful-interaction", pattern.interaction(), pattern.interaction()));
    }
    match entry.event.as_str() {
        "sign_in.succeeded" => all.push(coding(DICOM, "110122", "Login")),
        "sign_in.ended" => all.push(coding(DICOM, "110123", "Logout")),
        _ => {}
    }
    all.push(coding("urn:bedside:audit-event", &entry.event, &entry.event));
    Value::from(all)
}

/// Client, server and person. The data of a read flows from the server to the client, and otherwise the other way; of a query BALP says the
/// client is the source.
fn agents(found: &FoundEntry, pattern: Option<Pattern>, public_origin: &str) -> Value {
    let entry = &found.entry;
    let (source, destination) = (coding(DICOM, "110153", "Source Role ID"), coding(DICOM, "110152", "Destination Role ID"));
    let (client, server) = if pattern == Some(Pattern::Read) { (destination, source) } else { (source, destination) };
    let address = match (&found.network, entry.personal.get(NETWORK)) {
        (Some(address), _) => json!({"address": address, "type": "2"}),
        // withheld: whoever is given the disclosure can check it against this
        (None, Some(digest)) => json!({"address": format!("urn:bedside:disclosure:{digest}"), "type": "5"}),
        (None, None) => json!({"address": public_origin, "type": "5"}),
    };
    let mut all = vec![
        json!({
            "type": {"coding": [client]},
            "who": {"display": entry.client.as_deref().unwrap_or("unknown client")},
            "requestor": false,
            "network": address,
        }),
        json!({
            "type": {"coding": [server]},
            "who": {"display": if entry.server.name.is_empty() { public_origin } else { &entry.server.name }},
            "requestor": false,
            "network": {"address": public_origin, "type": "5"},
        }),
    ];
    let mut person = json!({
        "type": {"coding": [coding(&format!("{TERMINOLOGY}/v3-ParticipationType"), "IRCP", "information recipient")]},
        "requestor": true,
    });
    person["who"] = match subject(entry) {
        Some(id) => json!({"identifier": {"system": format!("urn:bedside:{}", entry.agent.kind), "value": id}}),
        None => json!({"display": entry.agent.kind}),
    };
    if let Some(name) = &found.agent_name {
        person["name"] = json!(name);
    }
    if let Some(role) = &entry.agent.role {
        person["role"] = json!([{"coding": [coding("urn:bedside:role", role, role)]}]);
    }
    person["purposeOfUse"] = json!([{"coding": [{"system": format!("{TERMINOLOGY}/v3-ActReason"), "code": entry.purpose_of_use}]}]);
    all.push(person);
    Value::from(all)
}

fn entities(found: &FoundEntry, pattern: Option<Pattern>) -> Value {
    let entry = &found.entry;
    let types = format!("{TERMINOLOGY}/audit-entity-type");
    let roles = format!("{TERMINOLOGY}/object-role");
    let mut all = Vec::new();
    if pattern == Some(Pattern::Query) {
        all.push(json!({
            "type": coding(&types, "2", "System Object"),
            "role": coding(&roles, "24", "Query"),
            // what was asked for is personal and not kept; what was done is
            "query": base64_of(&entry.event),
        }));
    }
    let main = thing(entry);
    if let Some((kind, id)) = main.filter(|_| pattern != Some(Pattern::Query)) {
        all.push(
            json!({"what": typed(kind, id), "type": coding(&types, "2", "System Object"), "role": coding(&roles, "4", "Domain Resource")}),
        );
    }
    for one in &entry.entities {
        if one.kind == "patient" {
            all.push(
                json!({"what": typed("patient", &one.id), "type": coding(&types, "1", "Person"), "role": coding(&roles, "1", "Patient")}),
            );
        } else if main != Some((&one.kind, &one.id)) {
            // open slicing: further things are of no type that a profile counts
            all.push(json!({"what": typed(&one.kind, &one.id), "type": coding("urn:bedside:entity", &one.kind, &one.kind)}));
        }
    }
    if let Some(request) = entry.request_id {
        all.push(json!({
            "what": {"identifier": {"value": request.to_string()}},
            "type": coding(&format!("{BALP}/CodeSystem/BasicAuditEntityType"), "XrequestId", "X-Request-Id"),
        }));
    }
    let told = entry.detail.iter().map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    // FHIR has no empty strings
    let detail: Vec<Value> =
        told.filter(|(_, value)| !value.is_empty()).map(|(name, value)| json!({"type": name, "valueString": value})).collect();
    let mut log = json!({
        "what": {"identifier": {"system": "urn:bedside:audit-index", "value": found.index.to_string()}},
        "type": coding("urn:bedside:entity", "audit_entry", "Audit entry"),
        "name": found.leaf_hash,
    });
    if !detail.is_empty() {
        log["detail"] = Value::from(detail);
    }
    all.push(log);
    Value::from(all)
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
