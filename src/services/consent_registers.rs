//! Registers of consents for those who oversee: who consented to what, what is covered, which words were in force; and their exports.
//!
//! Every look and every export is an entry of its own, covered by a signed checkpoint before anything is shown.

pub mod fhir;

use crate::domain::access::{ExportConsents, Permit, ReadConsents};
use crate::domain::audit::Event;
use crate::domain::consent::{Decision, Moment, Purpose};
use crate::domain::consultation::Consultation;
use crate::domain::id::{ConsultationId, RecordingId};
use crate::domain::participant::{Place, Role};
use crate::domain::recording::State;
use crate::domain::time::Timestamp;
use crate::policy::catalogue::ConsentText;
use crate::services::Services;
use crate::services::consents::OpenConsent;
use crate::services::csv;
use crate::services::error::ServiceError;
use crate::services::policies::AcceptedText;
use crate::services::recorded::Recorded;
use crate::storage::consents::{self, Search};
use crate::storage::database::Tx;
use crate::storage::{consultations, participants, recordings};
use serde_json::{Value, json};

/// Most decisions in one answer.
pub const MOST: u32 = 500;
/// Most decisions in one export.
const MOST_EXPORTED: u32 = 100_000;

/// How consents are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// A table for people.
    Csv,
    /// A FHIR R4 Bundle of Consent resources.
    Fhir,
}

impl ExportForm {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Fhir => "fhir",
        }
    }
}

/// How far the consents of one consultation go.
pub struct Coverage {
    /// Which.
    pub consultation: Consultation,
    /// Each who came, and how they stand.
    pub people: Vec<PersonCoverage>,
    /// Each recording, and how many of those asked have decided.
    pub recordings: Vec<RecordingCoverage>,
}

/// How one person stands.
pub struct PersonCoverage {
    /// Their role.
    pub role: Role,
    /// Required texts for that role, now in force.
    pub required: usize,
    /// How many of them they permitted, and that still holds.
    pub given: usize,
    /// Whether they declined or withdrew one.
    pub declined: bool,
}

/// How one recording stands.
pub struct RecordingCoverage {
    /// Which.
    pub id: RecordingId,
    /// Where it stands.
    pub state: State,
    /// People who decided about it.
    pub decided: usize,
    /// Of them, those who permit it.
    pub permitted: usize,
}

impl Services {
    /// Decisions that fit, newest first.
    ///
    /// # Errors
    /// If they cannot be read or the look not audited.
    pub async fn search_consents(&self, permit: &Permit<ReadConsents>, wanted: Search) -> Result<Recorded<Vec<OpenConsent>>, ServiceError> {
        let wanted = Search { limit: wanted.limit.clamp(1, MOST), ..wanted };
        let register = if wanted.decision == Some(Decision::Withdrawn) { "withdrawals" } else { "decisions" };
        let entry = self.entry(Event::ConsentsRead, permit.caller())?.with("register", register).with("narrowed_by", narrowed(&wanted));
        let recorded = self.recorded(entry, ()).await?;
        let mut read = self.database.read().await?;
        let found = consents::search(read.tx(), &wanted).await?;
        let open = self.with_standing(read.tx(), found).await?;
        Ok(recorded.map(|()| open))
    }

    /// How far the consents of the newest consultations go.
    ///
    /// # Errors
    /// If they cannot be read or the look not audited.
    pub async fn consent_coverage(&self, permit: &Permit<ReadConsents>) -> Result<Recorded<Vec<Coverage>>, ServiceError> {
        let recorded = self.recorded(self.entry(Event::ConsentsRead, permit.caller())?.with("register", "coverage"), ()).await?;
        let bundle = self.policy().bundle;
        let mut read = self.database.read().await?;
        let mut all = Vec::new();
        for consultation in consultations::all(read.tx()).await?.into_iter().take(MOST as usize) {
            let given = consents::of_consultation(read.tx(), consultation.id).await?;
            let given = self.open_consents(read.tx(), given).await?;
            let mut people = Vec::new();
            for person in participants::of_consultation(read.tx(), consultation.id).await? {
                if person.account.is_some() {
                    continue;
                }
                let texts: Vec<&ConsentText> =
                    bundle.texts_at(Moment::Joining).filter(|t| t.required && t.roles.contains(&person.role)).collect();
                let standing = |text: &&&ConsentText| {
                    given.iter().find(|c| c.stands && c.consent.participant == person.id && c.consent.shown.text == text.text)
                };
                let decided =
                    |wanted: fn(Decision) -> bool| texts.iter().filter(|t| standing(t).is_some_and(|c| wanted(c.consent.decision))).count();
                people.push(PersonCoverage {
                    role: person.role,
                    required: texts.len(),
                    given: decided(|d| d == Decision::Permit),
                    declined: decided(|d| d != Decision::Permit) > 0 || (person.place == Place::Invited && decided(|_| true) > 0),
                });
            }
            let mut made = Vec::new();
            for recording in recordings::of_consultation(read.tx(), consultation.id).await? {
                let about: Vec<_> = given.iter().filter(|c| c.stands && c.consent.recording == Some(recording.id)).collect();
                made.push(RecordingCoverage {
                    id: recording.id,
                    state: recording.state,
                    decided: about.len(),
                    permitted: about.iter().filter(|c| c.consent.decision == Decision::Permit).count(),
                });
            }
            all.push(Coverage { consultation, people, recordings: made });
        }
        Ok(recorded.map(|()| all))
    }

    /// Every consent text that was ever accepted, and when it was in force.
    ///
    /// # Errors
    /// If they cannot be read or the look not audited.
    pub async fn texts_in_force(&self, permit: &Permit<ReadConsents>) -> Result<Recorded<Vec<AcceptedText>>, ServiceError> {
        let recorded = self.recorded(self.entry(Event::ConsentsRead, permit.caller())?.with("register", "texts"), ()).await?;
        let mut read = self.database.read().await?;
        let texts = self.accepted_texts(read.tx()).await?;
        Ok(recorded.map(|()| texts))
    }

    /// Decisions that fit as a file.
    ///
    /// # Errors
    /// [`ServiceError::NoticeRequired`] if one of them is protected and the notice missing; if they cannot be read or the export not audited.
    pub async fn export_consents(
        &self,
        permit: &Permit<ExportConsents>,
        wanted: Search,
        form: ExportForm,
    ) -> Result<Recorded<String>, ServiceError> {
        self.nothing_pending()?;
        let wanted = Search { limit: MOST_EXPORTED, ..wanted };
        let (text, count) = {
            let mut read = self.database.read().await?;
            let found = consents::search(read.tx(), &wanted).await?;
            let open = self.with_standing(read.tx(), found).await?;
            let count = open.len();
            let text = match form {
                ExportForm::Csv => self.as_csv(read.tx(), &open).await?,
                ExportForm::Fhir => {
                    let bundle = self.as_fhir(read.tx(), &open).await?;
                    serde_json::to_string_pretty(&bundle).map_err(|e| ServiceError::Internal(e.to_string()))?
                }
            };
            (text, count)
        };
        let entry = self.entry(Event::ConsentsExported, permit.caller())?.with("form", form.as_str()).with("count", count);
        self.recorded(entry.with("narrowed_by", narrowed(&wanted)), text).await
    }

    /// Everything about the consents of one consultation, file by file: receipts with their proofs, on paper too, the words, FHIR, and a
    /// page that says what happened in order.
    ///
    /// # Errors
    /// As [`Services::export_consents`]; [`ServiceError::NotFound`].
    pub async fn consent_dossier(
        &self,
        permit: &Permit<ExportConsents>,
        id: ConsultationId,
    ) -> Result<Recorded<Vec<(String, Vec<u8>)>>, ServiceError> {
        self.nothing_pending()?;
        let entry = self.entry(Event::ConsentsExported, permit.caller())?.with("form", "dossier").about("consultation", id);
        let recorded = self.recorded(entry, ()).await?;
        let mut read = self.database.read().await?;
        let consultation = consultations::lookup(read.tx(), id).await?.ok_or(ServiceError::NotFound("consultation"))?;
        let all = consents::of_consultation(read.tx(), id).await?;
        let open = self.open_consents(read.tx(), all).await?;
        let mut files = Vec::new();
        let mut page = vec![
            "# Consent dossier".to_owned(),
            format!("Consultation `{id}`, {}. Made by `bedside consent dossier`.", consultation.state.as_str()),
            "Each receipt checks by itself: `bedside consent verify receipts/NAME.json`.".to_owned(),
            format!("Key fingerprint: `{}`", crate::crypto::signing::fingerprint(self.verifier_key())),
            "## Decisions, in order\n\n| When | Who | Role | For | Decision | Agreed to | Not agreed to | Text | Counts | Receipt |\n|---|---|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        let mut lines = Vec::new();
        let mut words = std::collections::BTreeSet::new();
        for (n, one) in open.iter().enumerate() {
            // a name of a file is made of harmless letters alone, whatever a text is called
            let harmless: String = one.consent.shown.text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let name = format!("{:02}-{harmless}", n + 1);
            let receipt = self.receipt(read.tx(), &one.consent).await?;
            let text = serde_json::to_vec_pretty(&receipt).map_err(|e| ServiceError::Internal(e.to_string()))?;
            files.push((format!("receipts/{name}.json"), text));
            let paper = crate::services::receipts::on_paper(&receipt).map_err(|e| ServiceError::Internal(e.to_string()))?;
            files.push((format!("receipts/{name}.pdf"), paper));
            let shown = &one.consent.shown;
            if let Some(file) = self.text_file(read.tx(), shown).await?
                && words.insert((shown.text.clone(), shown.version.clone(), shown.language.clone()))
            {
                files.push((format!("texts/{harmless}-{}-{}.md", shown.version, shown.language), file.into_bytes()));
            }
            let list = |purposes: &[Purpose]| purposes.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
            lines.push(format!(
                "| {} | {} | {} | {} | {} | {} | {} | {}/{} in {} | {} | [{name}](receipts/{name}.json) |",
                one.consent.decided_at,
                one.person.as_deref().unwrap_or("unsigned"),
                one.role.as_str(),
                one.representative.as_ref().map_or_else(
                    || one.consent.capacity.as_str().to_owned(),
                    |r| format!("{}: {} ({})", one.consent.capacity.as_str(), r.name, r.relationship)
                ),
                one.consent.decision.as_str(),
                list(&one.consent.permitted),
                list(&one.consent.denied),
                shown.text,
                shown.version,
                shown.language,
                if one.stands { "yes" } else { "no" },
            ));
        }
        if let Some(last) = page.last_mut() {
            last.push('\n');
            last.push_str(&lines.join("\n"));
        }
        page.push(
            "## Recordings\n\n| Recording | State | Asked with | Started | Stopped | After a withdrawal |\n|---|---|---|---|---|---|"
                .to_owned(),
        );
        let made = recordings::of_consultation(read.tx(), id).await?;
        let lines: Vec<_> = made
            .iter()
            .map(|r| {
                let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
                format!(
                    "| `{}` | {} | {}/{} | {} | {} | {} |",
                    r.id,
                    r.state.as_str(),
                    r.text,
                    r.version,
                    time(r.started_at),
                    time(r.stopped_at),
                    r.withdrawn.map_or("nobody withdrew", |w| w.as_str())
                )
            })
            .collect();
        if let Some(last) = page.last_mut() {
            last.push('\n');
            last.push_str(&lines.join("\n"));
        }
        let fhir = self.as_fhir(read.tx(), &open).await?;
        files.push(("consents.fhir.json".to_owned(), serde_json::to_vec_pretty(&fhir).map_err(|e| ServiceError::Internal(e.to_string()))?));
        page.push("## Files\n\n- `receipts/`: each decision as a signed receipt with its inclusion proof, and on paper\n- `texts/`: the exact words that were shown\n- `consents.fhir.json`: the decisions as FHIR R4 Consent resources\n".to_owned());
        files.insert(0, ("README.md".to_owned(), page.join("\n\n").into_bytes()));
        Ok(recorded.map(|()| files))
    }

    /// Opens decisions of a register. Whether one stands hangs on all of its person's, also on those that do not fit.
    async fn with_standing(&self, tx: &mut Tx, found: Vec<consents::Consent>) -> Result<Vec<OpenConsent>, ServiceError> {
        let mut open = self.open_consents(tx, found).await?;
        for one in &mut open {
            let later = consents::of_participant(tx, one.consent.participant).await?;
            let same = |c: &&consents::Consent| {
                c.recording == one.consent.recording && (c.recording.is_some() || c.shown.text == one.consent.shown.text)
            };
            one.stands = one.stands && later.iter().rev().find(same).is_some_and(|latest| latest.id == one.consent.id);
        }
        Ok(open)
    }

    async fn as_csv(&self, tx: &mut Tx, open: &[OpenConsent]) -> Result<String, ServiceError> {
        let mut lines = COLUMNS.join(",") + "\r\n";
        for one in open {
            let consent = &one.consent;
            let notice = self.protected(tx, one).await?.unwrap_or_default();
            let purposes = |all: &[Purpose]| all.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" ");
            let representative = one.representative.as_ref().map(|r| format!("{} ({})", r.name, r.relationship)).unwrap_or_default();
            let cells = [
                consent.decided_at.to_string(),
                consent.id.to_string(),
                consent.consultation.to_string(),
                consent.recording.map(|id| id.to_string()).unwrap_or_default(),
                consent.participant.to_string(),
                one.person.clone().unwrap_or_default(),
                one.role.as_str().to_owned(),
                consent.capacity.as_str().to_owned(),
                representative,
                consent.decision.as_str().to_owned(),
                purposes(&consent.permitted),
                purposes(&consent.denied),
                consent.shown.text.clone(),
                consent.shown.version.clone(),
                consent.shown.language.clone(),
                consent.shown.digest.clone(),
                consent.method.as_str().to_owned(),
                consent.signed().is_some().to_string(),
                one.stands.to_string(),
                consent.policy_digest.clone(),
                notice,
            ];
            lines.push_str(&csv::line(cells.iter().map(String::as_str)));
        }
        Ok(lines)
    }

    /// The redisclosure notice that must go with a decision, if its text says so.
    async fn protected(&self, tx: &mut Tx, one: &OpenConsent) -> Result<Option<String>, ServiceError> {
        let shown = &one.consent.shown;
        let file = self.text_file(tx, shown).await?;
        let text = file.as_deref().and_then(|file| ConsentText::accepted(&shown.text, &shown.version, &shown.language, file));
        self.notice_for(text.as_ref(), &shown.language)
    }

    async fn as_fhir(&self, tx: &mut Tx, open: &[OpenConsent]) -> Result<Value, ServiceError> {
        let mut entries = Vec::with_capacity(open.len());
        for one in open {
            let shown = &one.consent.shown;
            let file = self.text_file(tx, shown).await?;
            let text = file.as_deref().and_then(|file| ConsentText::accepted(&shown.text, &shown.version, &shown.language, file));
            let notice = self.notice_for(text.as_ref(), &shown.language)?;
            let consultation = consultations::lookup(tx, one.consent.consultation).await?.ok_or(ServiceError::NotFound("consultation"))?;
            let until = text.as_ref().and_then(|text| match text.expires.duration() {
                Some(lasts) => Some(one.consent.decided_at.plus(lasts)),
                None => consultation.state.ended_at(),
            });
            let source = fhir::Source {
                file: file.as_deref(),
                text: text.as_ref(),
                notice: notice.as_deref(),
                patient: consultation.patient,
                clinic: &self.settings.clinic_name,
                until,
                now: self.now(),
            };
            entries.push(json!({"fullUrl": format!("urn:uuid:{}", one.consent.id), "resource": fhir::consent(one, &source)}));
        }
        Ok(json!({"resourceType": "Bundle", "type": "collection", "timestamp": self.now(), "entry": entries}))
    }
}

const COLUMNS: [&str; 21] = [
    "decided_at",
    "id",
    "consultation",
    "recording",
    "participant",
    "person",
    "role",
    "capacity",
    "representative",
    "decision",
    "permitted",
    "denied",
    "text",
    "version",
    "language",
    "digest",
    "method",
    "signed",
    "stands",
    "policy_digest",
    "redisclosure_notice",
];

fn narrowed(wanted: &Search) -> usize {
    let by = [
        wanted.id.is_some(),
        wanted.text.is_some(),
        wanted.decision.is_some(),
        wanted.purpose.is_some(),
        wanted.from.is_some(),
        wanted.to.is_some(),
    ];
    by.into_iter().filter(|narrowed| *narrowed).count()
}
