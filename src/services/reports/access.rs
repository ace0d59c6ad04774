//! A patient's own report: one HTML file with every entry about them, which checks itself in any browser, without this server.
//!
//! What it shows is read from the entries themselves after each was proved; what is not part of the proof (names of staff) says so. The checking
//! is done by the same code as in the pages, built into a script of its own.

use crate::crypto::digest::{hex, sha256};
use crate::crypto::tree::leaf_hash;
use crate::domain::access::{ExportAudit, Permit};
use crate::domain::audit::{Entry, Event, NETWORK};
use crate::domain::id::PatientId;
use crate::services::Services;
use crate::services::entries::personal_values;
use crate::services::error::ServiceError;
use crate::services::proofs::prove_inclusion;
use crate::services::recorded::Recorded;
use crate::storage::audit_search::{Found, Search};
use crate::storage::{accounts, audit, patients};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_embed::RustEmbed;
use serde_json::{Map, Value, json};

/// Most entries in one report.
const MOST: u32 = 20_000;
/// Languages that reports are there in.
pub const LANGUAGES: [&str; 2] = ["en", "es"];

#[derive(RustEmbed)]
#[folder = "frontend/dist/"]
#[include = "report.*"]
struct Built;

fn built(name: &str) -> Result<String, ServiceError> {
    let file = Built::get(name).ok_or_else(|| ServiceError::Internal(format!("{name} was not built")))?;
    String::from_utf8(file.data.into_owned()).map_err(|e| ServiceError::Internal(e.to_string()))
}

impl Services {
    /// Every entry about a patient in one file that checks itself.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for more entries than a file should have.
    pub async fn patient_report(
        &self,
        permit: &Permit<ExportAudit>,
        patient: PatientId,
        language: &str,
    ) -> Result<Recorded<String>, ServiceError> {
        let known = {
            let mut read = self.database.read().await?;
            patients::lookup(read.tx(), patient).await?.ok_or(ServiceError::NotFound("patient"))?;
            self.patient(read.tx(), patient).await.ok().map(|p| p.details)
        };
        let entry = self.entry(Event::ReportMade, permit.caller())?.about("patient", patient);
        let recorded = self.report_made(entry.with("report", "access")).await?;
        let mut read = self.database.read_much().await?;
        let checkpoint = audit::latest_checkpoint(read.tx()).await?.ok_or(ServiceError::NotFound("checkpoint"))?;
        let wanted = Search {
            about: vec![("patient".to_owned(), patient.to_string())],
            before: Some(checkpoint.size),
            limit: MOST,
            ..Search::default()
        };
        let mut found = Found::of(read.tx(), &wanted).await?;
        let stored = found.next(read.tx()).await?;
        if found.rest().is_some() {
            return Err(ServiceError::Conflict("There are more entries about this patient than one file should have: export the log."));
        }
        let all = accounts::all(read.tx()).await?;
        let disclosures = self.disclosures(read.tx(), &stored).await?;
        let (mut entries, mut names) = (Vec::with_capacity(stored.len()), Map::new());
        for (stored, disclosures) in stored.iter().zip(disclosures).rev() {
            let index = stored.index.unwrap_or(0);
            let entry: Entry = serde_json::from_str(&stored.body).map_err(|_| ServiceError::Integrity)?;
            let proof = prove_inclusion(read.tx(), checkpoint.size, index).await?;
            let proof: Vec<String> = proof.iter().map(|hash| hex(hash)).collect();
            let names_others = entry.entities.iter().any(|e| e.kind == "patient" && e.id != patient.to_string());
            // where staff were is theirs, and not the patient's to be told
            let own: Vec<String> = personal_values(&entry, &disclosures)?
                .into_iter()
                .zip(disclosures)
                .filter(|((name, _), _)| name != NETWORK)
                .map(|(_, disclosure)| disclosure)
                .collect();
            if let Some(account) = entry.agent.id.as_ref().and_then(|id| all.iter().find(|a| a.id.to_string() == *id)) {
                names.insert(account.id.to_string(), Value::from(account.display_name.clone()));
            }
            if names_others || entry.agent.network.is_some() {
                // its bytes are not this patient's to be told: that it is in the log is proved, what it says is the clinic's word
                let summary = json!({"at": entry.at, "event": entry.event, "outcome": entry.outcome,
                    "agent": {"kind": entry.agent.kind, "id": entry.agent.id, "role": entry.agent.role}});
                let leaf = hex(&leaf_hash(stored.body.as_bytes()));
                entries.push(json!({"index": index, "leaf_hash": leaf, "summary": summary, "inclusion_proof": proof}));
                continue;
            }
            entries.push(json!({"index": index, "body": stored.body, "inclusion_proof": proof, "disclosures": own}));
        }
        let language = LANGUAGES.into_iter().find(|known| *known == language).unwrap_or("en");
        let page = page(
            language,
            &json!({
                "clinic": self.settings.clinic_name,
                "server": self.settings.public_origin,
                "made_at": self.now(),
                "language": language,
                "patient": {"id": patient, "name": known.as_ref().map(|p| &p.name), "identifier": known.as_ref().map(|p| &p.identifier),
                            "birth_date": known.as_ref().map(|p| &p.birth_date)},
                "checkpoint": checkpoint.note,
                "verifier_key": self.verifier_key(),
                "names": names,
                "entries": entries,
            }),
        )?;
        Ok(recorded.map(|()| page))
    }
}

/// One file: style, content and script inside, and a policy that lets it reach nothing else.
fn page(language: &str, content: &Value) -> Result<String, ServiceError> {
    let (style, script) = (built("report.css")?, built("report.js")?);
    let source = |text: &str| format!("'sha256-{}'", STANDARD.encode(sha256(&[text.as_bytes()])));
    if style.contains("</style") || script.contains("</script") {
        return Err(ServiceError::Internal("the report's parts would end early".to_owned()));
    }
    // nothing in the content can end the element it stands in
    let content = content.to_string().replace('<', "\\u003c");
    Ok(format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'\">\
         <title>Bedside</title><style>{style}</style></head><body><main id=\"report\"><p>{}</p></main>\
         <script type=\"application/json\" id=\"content\">{content}</script><script>{script}</script></body></html>\n",
        source(&style),
        source(&script),
        match language {
            "es" =>
                "Este archivo se comprueba a sí mismo. Si este texto permanece, el archivo se cambió o el navegador no ejecuta su programa: no se fíe de él.",
            _ =>
                "This file checks itself. If this text stays, the file was changed or the browser does not run its script: do not rely on it.",
        }
    ))
}
