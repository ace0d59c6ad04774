//! Consent texts and notices: the exact words people are shown, by version and language.

use crate::crypto::digest::sha256_hex;
use serde::{Deserialize, Serialize};

/// One consent text in one version and one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentText {
    /// Where it stands in the bundle.
    pub path: String,
    /// Its name.
    pub text: String,
    /// Its version.
    pub version: String,
    /// BCP 47 tag.
    pub language: String,
    /// SHA-256 of the file, lower-case hex: what a decision names.
    pub digest: String,
    /// Heading.
    pub title: String,
    /// What consent is asked for.
    pub purpose: String,
    /// The legal basis.
    pub legal_basis: String,
    /// Class in the retention schedule of what is made under it.
    pub retention_class: String,
    /// Whether care depends on it.
    pub required: bool,
    /// `sample` until an operator adopts it, then `adopted`.
    pub status: String,
    /// The words, in the small Markdown subset the pages render.
    pub body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    title: String,
    purpose: String,
    legal_basis: String,
    retention_class: String,
    required: bool,
    status: String,
}

impl ConsentText {
    /// Reads `consent/<text>/<version>/<language>.md`.
    pub(super) fn parse(path: &str, content: &str) -> Result<Self, String> {
        let mut parts = path.split('/').skip(1);
        let (Some(text), Some(version), Some(file), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("must lie at consent/<text>/<version>/<language>.md".to_owned());
        };
        let language = file.strip_suffix(".md").ok_or("must end in .md")?;
        let rest = content.strip_prefix("+++\n").ok_or("must begin with a head between +++ lines")?;
        let (head, body) = rest.split_once("\n+++\n").ok_or("must begin with a head between +++ lines")?;
        let head: Head = toml::from_str(head).map_err(|e| e.message().to_owned())?;
        if body.trim().is_empty() {
            return Err("has no words".to_owned());
        }
        if !matches!(head.status.as_str(), "sample" | "adopted") {
            return Err("status must be sample or adopted".to_owned());
        }
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            version: version.to_owned(),
            language: language.to_owned(),
            digest: sha256_hex(content.as_bytes()),
            title: head.title,
            purpose: head.purpose,
            legal_basis: head.legal_basis,
            retention_class: head.retention_class,
            required: head.required,
            status: head.status,
            body: body.to_owned(),
        })
    }
}

/// What someone who was invited is told before joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Heading.
    pub title: String,
    /// In order.
    pub paragraphs: Vec<String>,
    /// What is kept.
    pub stored: Vec<String>,
    /// What is not.
    pub not_stored: Vec<String>,
}
