//! The policies in force.

use crate::crypto::digest::sha256_hex;
use crate::domain::access::ReadPolicies;
use crate::domain::consent::Purpose;
use crate::domain::time::Timestamp;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, State, caller};
use crate::policy::bundle::Bundle;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/policies").route(web::get().to(read)));
}

/// The bundle in force.
#[derive(Serialize, ToSchema)]
pub struct Policies {
    digest: String,
    #[schema(value_type = String)]
    loaded_at: Timestamp,
    files: Vec<PolicyFile>,
    consent_texts: Vec<ConsentTextSummary>,
}

/// One file of the bundle.
#[derive(Serialize, ToSchema)]
pub struct PolicyFile {
    path: String,
    /// `access`, `consent`, `retention`, `controls` or `notice`.
    kind: &'static str,
    digest: String,
    content: String,
}

/// One version of a consent text.
#[derive(Serialize, ToSchema)]
pub struct ConsentTextSummary {
    text: String,
    version: String,
    languages: Vec<String>,
    /// The English heading.
    title: String,
    #[schema(value_type = Vec<String>)]
    purposes: Vec<Purpose>,
    required: bool,
    /// `sample` or `adopted`.
    status: &'static str,
}

/// The policies in force, file by file.
#[utoipa::path(get, path = "/api/v1/policies", tag = "Policies", responses((status = 200, body = Policies), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn read(request: HttpRequest, state: web::Data<State>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let permit = state.services.permit::<ReadPolicies>(&caller).await?;
    let in_force = state.services.policies(&permit).await?.into_inner();
    let files = in_force.bundle.files().iter().map(|(path, content)| PolicyFile {
        path: path.to_owned(),
        kind: kind(path),
        digest: sha256_hex(content.as_bytes()),
        content: content.to_owned(),
    });
    Ok(HttpResponse::Ok().json(Policies {
        digest: in_force.bundle.digest().to_owned(),
        loaded_at: in_force.accepted_at,
        files: files.collect(),
        consent_texts: summaries(&in_force.bundle),
    }))
}

fn kind(path: &str) -> &'static str {
    match path.split(['/', '.']).next().unwrap_or_default() {
        "access" => "access",
        "consent" => "consent",
        "retention" => "retention",
        "notice" | "sign-in" => "other",
        _ => "controls",
    }
}

fn summaries(bundle: &Bundle) -> Vec<ConsentTextSummary> {
    let mut by_version: BTreeMap<(&str, &str), ConsentTextSummary> = BTreeMap::new();
    for text in bundle.consent_texts() {
        let summary = by_version.entry((&text.text, &text.version)).or_insert_with(|| ConsentTextSummary {
            text: text.text.clone(),
            version: text.version.clone(),
            languages: Vec::new(),
            title: text.title.clone(),
            purposes: text.purposes.clone(),
            required: text.required,
            status: bundle.status(text),
        });
        summary.languages.push(text.language.clone());
        if text.language == "en" {
            summary.title.clone_from(&text.title);
        }
    }
    by_version.into_values().collect()
}
