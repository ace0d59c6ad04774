//! Reports for those who oversee: to whom a patient's information was disclosed, a patient's own report of who looked at their record, what is
//! kept and what was destroyed, and how consents stand. Each report is an entry of its own, under a signed checkpoint before it leaves.

pub mod access;

use crate::domain::access::{ExportAudit, Permit, RecordDisclosure};
use crate::domain::audit::Event;
use crate::domain::consent::Decision;
use crate::domain::id::PatientId;
use crate::domain::patient::{FieldError, PatientDetails, is_date};
use crate::domain::recording::State;
use crate::domain::retention::Class;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::audit::FoundEntry;
use crate::services::entries::personal_values;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::audit_index;
use crate::storage::audit_search::{Found, Search};
use crate::storage::consents::{self, Tally};
use crate::storage::database::Tx;
use crate::storage::subject_keys::{self, Evidence};
use crate::storage::{custody, participants, patients, recordings};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// How far back an accounting of disclosures goes: six years (45 CFR 164.528(a)).
const SIX_YEARS: Duration = Duration::from_hours(24 * 2_192);
/// A day begins that much earlier in the easternmost time zone than in UTC.
const FARTHEST_EAST: Duration = Duration::from_hours(14);
/// Entries read at a time.
const PAGE: u32 = 500;

/// A disclosure that someone made by other means than this server, and writes down.
#[derive(Debug, Clone)]
pub struct NewDisclosure {
    /// The day it was made, `YYYY-MM-DD`.
    pub on: String,
    /// Who received it.
    pub recipient: String,
    /// Their address, if it is known.
    pub address: String,
    /// What was disclosed, in a few words.
    pub description: String,
    /// For what, in a few words.
    pub purpose: String,
}

/// How something was disclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Someone wrote it down.
    Recorded,
    /// A copy with personal values was taken out of this server.
    Copied,
    /// Someone else was present in a consultation.
    Present,
}

/// One line of an accounting of disclosures (45 CFR 164.528(b)(2)).
#[derive(Debug, Clone, Serialize)]
pub struct Disclosure {
    /// The entry it stands in.
    pub index: u64,
    /// When it was made: a day, or an instant.
    pub on: String,
    /// Who received it.
    pub recipient: String,
    /// Their address, if it is known.
    pub address: String,
    /// What was disclosed.
    pub description: String,
    /// For what.
    pub purpose: String,
    /// How.
    pub way: Way,
    /// Whether it need not be accounted for (45 CFR 164.528(a)(1)): people involved in the care, with the patient's agreement.
    pub exempt: bool,
}

/// An accounting of disclosures.
pub struct Accounting {
    /// Whose; `None` once their content was destroyed.
    pub patient: Option<PatientDetails>,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Oldest first.
    pub disclosures: Vec<Disclosure>,
}

/// What is kept of one class of the schedule.
pub struct Kept {
    /// The class.
    pub class: Class,
    /// Recordings of that class that are kept.
    pub recordings: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Of these, under a legal hold.
    pub held: u64,
    /// Of these, due for disposition and not held.
    pub due: u64,
    /// When the next one is due.
    pub next_due: Option<Timestamp>,
}

/// Something that was destroyed.
pub struct Destroyed {
    /// The entry it stands in.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// `recording` or `evidence`.
    pub what: &'static str,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What is kept and what was destroyed.
pub struct RetentionReport {
    /// By class of the schedule.
    pub kept: Vec<Kept>,
    /// Entries in the log.
    pub entries: u64,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Subjects whose evidence can be read.
    pub readable_subjects: u64,
    /// Subjects whose evidence was destroyed.
    pub erased_subjects: u64,
    /// In the period, newest first.
    pub destroyed: Vec<Destroyed>,
}

/// How consents stand in a period.
pub struct ConsentReport {
    /// By text, version, decision and method.
    pub tallies: Vec<Tally>,
    /// Recordings that were made in it.
    pub recordings: u64,
    /// Of these, those to which not everyone's permission is on record. Always none, unless something is wrong.
    pub without_consent: u64,
    /// Of these, those from which someone withdrew.
    pub withdrawn: u64,
    /// Words in force that are still samples, as `text/version`.
    pub samples: Vec<String>,
}

impl Services {
    /// Writes down a disclosure that was made by other means. It stands in the log and nowhere else, sealed under the patient's evidence key.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] naming every bad field; [`ServiceError::NotFound`] for an unknown patient.
    pub async fn record_disclosure(
        &self,
        permit: &Permit<RecordDisclosure>,
        patient: PatientId,
        new: NewDisclosure,
    ) -> Result<(), ServiceError> {
        let NewDisclosure { on, recipient, address, description, purpose } = new;
        let mut wrong = Vec::new();
        // wherever the clinic is, its day may have begun
        let today = self.now().plus(FARTHEST_EAST).to_string();
        if !is_date(&on) || on.as_str() > today.get(..10).unwrap_or_default() {
            wrong.push(FieldError { name: "on", message: "must be a day that is not in the future, such as 2026-03-12" });
        }
        let texts = [
            ("recipient", recipient, 1, 200),
            ("address", address, 0, 300),
            ("description", description, 1, 500),
            ("purpose", purpose, 1, 500),
        ];
        let mut values = vec![("on", on)];
        for (name, text, least, most) in texts {
            let text = text.trim().to_owned();
            let length = text.chars().count();
            if length < least || length > most || text.chars().any(|c| c.is_control() && c != '\n') {
                let message = if least == 0 { "must be at most 300 characters" } else { "must be said in up to 200 or 500 characters" };
                wrong.push(FieldError { name, message });
            }
            values.push((name, text));
        }
        if !wrong.is_empty() {
            return Err(ServiceError::Validation(wrong));
        }
        let mut tx = self.database.begin().await?;
        patients::lookup(tx.tx(), patient).await?.ok_or(ServiceError::NotFound("patient"))?;
        if subject_keys::evidence(tx.tx(), &patient.to_string()).await? == Evidence::Destroyed {
            return Err(ServiceError::KeyDestroyed);
        }
        let mut entry = self.entry(Event::DisclosureRecorded, permit.caller())?.about("patient", patient);
        for (name, value) in values.into_iter().filter(|(_, value)| !value.is_empty()) {
            entry = entry.of_person(name, value);
        }
        self.commit(tx, entry).await
    }

    /// To whom a patient's information was disclosed, six years back unless another stretch is asked for.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Validation`] for a stretch that is none.
    pub async fn accounting(
        &self,
        permit: &Permit<ExportAudit>,
        patient: PatientId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Recorded<Accounting>, ServiceError> {
        let to = to.unwrap_or_else(|| self.now());
        let from = from.unwrap_or_else(|| Timestamp::from_micros(to.as_micros() - i64::try_from(SIX_YEARS.as_micros()).unwrap_or(0)));
        stretch(from, to)?;
        let known = {
            let mut read = self.database.read().await?;
            patients::lookup(read.tx(), patient).await?.ok_or(ServiceError::NotFound("patient"))?;
            self.patient(read.tx(), patient).await.ok().map(|p| p.details)
        };
        let entry = self.entry(Event::ReportMade, permit.caller())?.about("patient", patient);
        let recorded = self.report_made(entry.with("report", "disclosures")).await?;
        let mut read = self.database.read_much().await?;
        let about = |event: &str, of_patient: bool| Search {
            event: Some(event.to_owned()),
            about: if of_patient { vec![("patient".to_owned(), patient.to_string())] } else { Vec::new() },
            from: Some(from),
            to: Some(to),
            ..Search::default()
        };
        let mut disclosures = Vec::new();
        // what was written down before the stretch can have happened in it, and the other way round: the day counts
        let written = Search { from: None, to: None, ..about(Event::DisclosureRecorded.code(), true) };
        for (found, values) in self.all_found(read.tx(), written).await? {
            let value = |name: &str| values.get(name).cloned().unwrap_or_default();
            let on = value("on");
            let within = on.is_empty() || (on.as_str() >= &from.to_string()[..10] && on.as_str() <= &to.to_string()[..10]);
            if within {
                disclosures.push(Disclosure {
                    index: found.index,
                    on: if on.is_empty() { found.entry.at.to_string() } else { on },
                    recipient: value("recipient"),
                    address: value("address"),
                    description: value("description"),
                    purpose: value("purpose"),
                    way: Way::Recorded,
                    exempt: false,
                });
            }
        }
        for event in [Event::AuditExported, Event::ConsentsExported] {
            for (found, _) in self.all_found(read.tx(), about(event.code(), false)).await? {
                let of_another = found.entry.entity("patient").is_some_and(|id| id != patient.to_string());
                let disclosed = event == Event::ConsentsExported || found.entry.detail.get("disclosed").is_some_and(|d| d == true);
                if of_another || !disclosed {
                    continue;
                }
                let what = if event == Event::AuditExported { "the audit log with personal values" } else { "decisions about consent" };
                disclosures.push(Disclosure {
                    index: found.index,
                    on: found.entry.at.to_string(),
                    recipient: found.agent_name.clone().unwrap_or_else(|| found.entry.agent.kind.clone()),
                    address: String::new(),
                    description: format!("A copy of {what}, which may name the patient, was taken out of this server"),
                    purpose: found.entry.purpose_of_use.clone(),
                    way: Way::Copied,
                    exempt: false,
                });
            }
        }
        for (found, _) in self.all_found(read.tx(), about(Event::ParticipantAdmitted.code(), true)).await? {
            let Some(id) = found.entry.entity("participant").and_then(|id| id.parse().ok()) else { continue };
            let Some(present) = participants::lookup(read.tx(), id).await? else { continue };
            if present.account.is_some() || present.role == crate::domain::participant::Role::Patient {
                continue;
            }
            let role = present.role.as_str().replace('_', " ");
            let consultation = self.consultation_of(present.consultation).await?;
            let name = self.open_participant(read.tx(), &consultation, present).await.ok().and_then(|open| open.name);
            disclosures.push(Disclosure {
                index: found.index,
                on: found.entry.at.to_string(),
                recipient: name.map_or_else(|| role.clone(), |name| format!("{name} ({role})")),
                address: String::new(),
                description: "Was present in a consultation by video".to_owned(),
                purpose: found.entry.purpose_of_use.clone(),
                way: Way::Present,
                exempt: true,
            });
        }
        disclosures.sort_by(|a, b| (&a.on, a.index).cmp(&(&b.on, b.index)));
        Ok(recorded.map(|()| Accounting { patient: known, from, to, disclosures }))
    }

    /// What is kept by the schedule, and what was destroyed in a period.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a stretch that is none.
    pub async fn retention_report(
        &self,
        permit: &Permit<ExportAudit>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Recorded<RetentionReport>, ServiceError> {
        stretch(from, to)?;
        let recorded = self.report_made(self.entry(Event::ReportMade, permit.caller())?.with("report", "retention")).await?;
        let bundle = self.policy().bundle;
        let now = self.now();
        let mut read = self.database.read_much().await?;
        let mut kept: Vec<Kept> = bundle
            .retention()
            .iter()
            .map(|class| Kept { class: class.clone(), recordings: 0, bytes: 0, held: 0, due: 0, next_due: None })
            .collect();
        for recording in recordings::all(read.tx()).await? {
            if recording.started_at.is_none() || recording.state == State::Destroyed {
                continue;
            }
            let held = custody::is_held(read.tx(), recording.id).await?;
            let Some(line) = kept.iter_mut().find(|line| line.class.class == recording.retention_class) else { continue };
            let due = recording.started_at.map(|since| line.class.due(since));
            line.recordings += 1;
            line.bytes += u64::try_from(recording.bytes).unwrap_or(0);
            line.held += u64::from(held);
            line.due += u64::from(!held && due.is_some_and(|due| due <= now));
            line.next_due = [line.next_due, due].into_iter().flatten().min();
        }
        let (subjects, readable) = subject_keys::count(read.tx()).await?;
        let since = audit_index::first(read.tx()).await?;
        let mut destroyed = Vec::new();
        for (event, what) in [(Event::RecordingDestroyed, "recording"), (Event::EvidenceErased, "evidence")] {
            let wanted = Search { event: Some(event.code().to_owned()), from: Some(from), to: Some(to), ..Search::default() };
            for (found, _) in self.all_found(read.tx(), wanted).await? {
                let text = |name: &str| found.entry.detail.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
                let id = found.entry.entity(if what == "recording" { what } else { "patient" }).or_else(|| found.entry.entity("account"));
                destroyed.push(Destroyed {
                    index: found.index,
                    at: found.entry.at,
                    what,
                    id: id.map_or_else(|| text("visitors"), ToOwned::to_owned),
                    reason: if what == "evidence" { "its legal period is over".to_owned() } else { text("reason") },
                });
            }
        }
        destroyed.sort_by_key(|one| std::cmp::Reverse(one.index));
        let entries = self.checkpoint().await?.size;
        let report = RetentionReport { kept, entries, since, readable_subjects: readable, erased_subjects: subjects - readable, destroyed };
        Ok(recorded.map(|()| report))
    }

    /// How consents stand in a period.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a stretch that is none.
    pub async fn consent_report(
        &self,
        permit: &Permit<ExportAudit>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Recorded<ConsentReport>, ServiceError> {
        stretch(from, to)?;
        let recorded = self.report_made(self.entry(Event::ReportMade, permit.caller())?.with("report", "consents")).await?;
        let mut read = self.database.read_much().await?;
        let tallies = consents::tally(read.tx(), from, to).await?;
        let (mut made, mut without, mut withdrawn) = (0, 0, 0);
        for recording in recordings::all(read.tx()).await? {
            if recording.started_at.is_none_or(|at| at < from || at >= to) {
                continue;
            }
            made += 1;
            withdrawn += u64::from(recording.withdrawn.is_some());
            // whoever is in a part of it permitted it before the recording ended, whatever they decided since
            let given = consents::of_recording(read.tx(), recording.id).await?;
            let ended = recording.stopped_at.unwrap_or(to);
            let permitted = |who| given.iter().any(|c| c.participant == who && c.decision == Decision::Permit && c.decided_at <= ended);
            let in_it = recordings::parts(read.tx(), recording.id).await?;
            without +=
                u64::from(!in_it.iter().all(|part| permitted(part.participant)) || !given.iter().any(|c| c.decision == Decision::Permit));
        }
        let samples = self.policy().bundle.samples();
        Ok(recorded.map(|()| ConsentReport { tallies, recordings: made, without_consent: without, withdrawn, samples }))
    }

    /// Puts a report on the record, and waits until everything before it can be found.
    async fn report_made(&self, entry: crate::domain::audit::Entry) -> Result<Recorded<()>, ServiceError> {
        self.nothing_pending()?;
        self.everything_findable().await?;
        let recorded = self.recorded(entry, ()).await?;
        self.everything_findable().await?;
        Ok(recorded)
    }

    /// Everything that fits, newest first, with its personal values.
    async fn all_found(&self, tx: &mut Tx, wanted: Search) -> Result<Vec<(FoundEntry, HashMap<String, String>)>, ServiceError> {
        let mut all = Vec::new();
        let mut pages = Found::of(tx, &Search { limit: PAGE, ..wanted }).await?;
        loop {
            let stored = pages.next(tx).await?;
            let disclosures = self.disclosures(tx, &stored).await?;
            for (found, disclosures) in self.found(tx, stored).await?.into_iter().zip(disclosures) {
                let values = personal_values(&found.entry, &disclosures)?.into_iter().collect();
                all.push((found, values));
            }
            if pages.rest().is_none() {
                return Ok(all);
            }
        }
    }
}

fn stretch(from: Timestamp, to: Timestamp) -> Result<(), ServiceError> {
    if from < to { Ok(()) } else { Err(ServiceError::Validation(vec![FieldError { name: "to", message: "must be later than from" }])) }
}
