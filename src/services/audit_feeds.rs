//! Entries in the forms that other systems read: NDJSON, CSV, and FHIR R4 `AuditEvent` after IHE BALP.

pub mod cef;
pub mod fhir;

use crate::domain::access::{ExportAudit, Permit};
use crate::domain::audit::Event;
use crate::services::Services;
use crate::services::audit::FoundEntry;
use crate::services::bundle::{Chunks, hand_on};
use crate::services::csv;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::audit_search::{Found, Search};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc::{Sender, channel};

/// Entries read at a time.
const PAGE: u32 = 500;
/// Chunks that wait for a slow reader.
const AHEAD: usize = 8;

/// How entries leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Ndjson,
    /// A table.
    Csv,
    /// A FHIR R4 bundle of `AuditEvent`.
    Fhir,
    /// Common Event Format (CEF), a line each.
    Cef,
}

impl Form {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Fhir => "fhir",
            Self::Cef => "cef",
        }
    }

    fn head(self) -> String {
        match self {
            Self::Ndjson | Self::Cef => String::new(),
            Self::Csv => csv::line(COLUMNS),
            Self::Fhir => r#"{"resourceType":"Bundle","type":"collection","entry":["#.to_owned(),
        }
    }

    fn foot(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Csv | Self::Cef => "",
            Self::Fhir => "]}\n",
        }
    }
}

const COLUMNS: [&str; 16] = [
    "index",
    "at",
    "event",
    "action",
    "outcome",
    "agent_kind",
    "agent_id",
    "agent_name",
    "agent_role",
    "network",
    "entities",
    "purpose_of_use",
    "request_id",
    "policy_digest",
    "detail",
    "leaf_hash",
];

impl Services {
    /// Begins an export of the entries that fit, newest first; what comes out of the channel is the file. Network addresses go along only if
    /// they are to be disclosed.
    ///
    /// # Errors
    /// If the log cannot be read or the export not audited.
    pub async fn export_entries(
        self: &Arc<Self>,
        permit: &Permit<ExportAudit>,
        wanted: Search,
        form: Form,
        disclose: bool,
    ) -> Result<Recorded<Chunks>, ServiceError> {
        self.nothing_pending()?;
        let network = wanted.network.as_deref().map(|address| self.network_term(address)).transpose()?;
        let mut entry = self.entry(Event::AuditExported, permit.caller())?.with("format", form.as_str()).with("disclosed", disclose);
        for (kind, id) in &wanted.about {
            entry = if kind == "unusual" { entry.with("unusual", id.as_str()) } else { entry.about(kind, id) };
        }
        self.everything_findable().await?;
        let (out, chunks) = channel(AHEAD);
        let (wanted, chunks) = self.recorded(entry, (Search { network, ..wanted }, chunks)).await?.unzip();
        self.everything_findable().await?;
        let services = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = services.write_entries(wanted, form, disclose, &out).await {
                // the connection breaks off: what came is not taken for the whole
                let _ = out.send(Err(error)).await;
            }
        });
        Ok(chunks)
    }

    /// Writes an export that is on the record.
    async fn write_entries(
        &self,
        wanted: Recorded<Search>,
        form: Form,
        disclose: bool,
        out: &Sender<Result<Vec<u8>, ServiceError>>,
    ) -> Result<(), ServiceError> {
        let mut read = self.database.read_much().await?;
        let mut wanted = wanted.into_inner();
        wanted.limit = PAGE;
        let mut text = form.head();
        let mut first = true;
        let mut pages = Found::of(read.tx(), &wanted).await?;
        loop {
            let stored = pages.next(read.tx()).await?;
            for mut found in self.found(read.tx(), stored).await? {
                if !disclose {
                    found.network = None;
                    // entries of format 1 have it in the clear
                    found.entry.agent.network = None;
                }
                match form {
                    Form::Ndjson => {
                        text.push_str(&as_line(&found));
                        text.push('\n');
                    }
                    Form::Cef => {
                        text.push_str(&cef::line(&found, env!("CARGO_PKG_VERSION")));
                        text.push('\n');
                    }
                    Form::Csv => text.push_str(&as_row(&found)),
                    Form::Fhir => {
                        if !first {
                            text.push(',');
                        }
                        let resource = fhir::audit_event(&found, &self.settings.public_origin);
                        text.push_str(&json!({"fullUrl": format!("urn:uuid:{}", found.entry.id), "resource": resource}).to_string());
                    }
                }
                first = false;
            }
            if pages.rest().is_none() {
                text.push_str(form.foot());
                return hand_on(out, text.into_bytes()).await;
            }
            hand_on(out, std::mem::take(&mut text).into_bytes()).await?;
        }
    }
}

/// An entry as JSON on one line, without its end.
pub(crate) fn as_line(found: &FoundEntry) -> String {
    json!({
        "index": found.index,
        "leaf_hash": found.leaf_hash,
        "agent_name": found.agent_name,
        "network": found.network,
        "unusual": found.unusual,
        "entry": found.entry,
    })
    .to_string()
}

fn as_row(found: &FoundEntry) -> String {
    let entry = &found.entry;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let entities: Vec<String> = entry.entities.iter().map(|e| format!("{}/{}", e.kind, e.id)).collect();
    let detail = if entry.detail.is_empty() { String::new() } else { serde_json::Value::Object(entry.detail.clone()).to_string() };
    let cells = [
        found.index.to_string(),
        entry.at.to_string(),
        entry.event.clone(),
        entry.action.as_str().to_owned(),
        entry.outcome.as_str().to_owned(),
        entry.agent.kind.clone(),
        text(&entry.agent.id),
        text(&found.agent_name),
        text(&entry.agent.role),
        text(&found.network),
        entities.join(" "),
        entry.purpose_of_use.clone(),
        entry.request_id.map(|id| id.to_string()).unwrap_or_default(),
        entry.policy_digest.clone(),
        detail,
        found.leaf_hash.clone(),
    ];
    csv::line(cells.iter().map(String::as_str))
}
