//! Receipts: what a person can keep of a decision, as a signed file that checks without us, and on paper; and the private link to them.
//!
//! The fields follow ISO/IEC TS 27560:2023 (consent record and receipt) and the Kantara consent receipt 1.1; `docs/consent.md` says which.

pub mod pdf;
pub mod verification;
pub mod words;

use crate::crypto::digest::hex;
use crate::crypto::signing::fingerprint;
use crate::crypto::token;
use crate::domain::access::{Actor, Caller, Permit, ReadOwnConsents};
use crate::domain::audit::{Event, Outcome};
use crate::domain::consent::{Decision, Purpose};
use crate::domain::consultation::Consultation;
use crate::domain::id::{ConsentId, ConsultationId, ParticipantId, ReceiptLinkId};
use crate::domain::secret::Secret;
use crate::domain::statement::Statement;
use crate::domain::time::Timestamp;
use crate::policy::catalogue::{ConsentText, Expiry, former_words};
use crate::services::Services;
use crate::services::consents::OpenConsent;
use crate::services::error::ServiceError;
use crate::services::proofs::prove_inclusion;
use crate::services::recorded::Recorded;
use crate::services::throttle::Tried;
use crate::storage::consents::{self, Consent, ReceiptLink};
use crate::storage::database::Tx;
use crate::storage::{audit, participants};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pdf::Block;
use serde_json::{Value, json};
use std::time::Duration;
use words::{Label, Words};

/// What a receipt says it is.
pub const FORMAT: &str = "bedside-consent-receipt/1";
/// What receipts are signed for.
pub const PURPOSE: &str = "consent-receipt";

/// A private link, told once.
pub struct NewReceiptLink {
    /// The link with its secret in the fragment.
    pub link: Secret,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What a private link opens.
pub struct Receipts {
    /// Whose they are.
    pub caller: Caller,
    /// Of which consultation.
    pub consultation: ConsultationId,
    /// Their participant.
    pub participant: ParticipantId,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// Every decision, oldest first, with the heading of its text.
    pub consents: Vec<(OpenConsent, String)>,
}

/// How a receipt is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A file that can be checked.
    Json,
    /// On paper.
    Pdf,
    /// To be read in a page.
    Page,
}

impl Form {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::Page => "page",
        }
    }
}

impl Services {
    /// Makes a private link to the caller's receipts.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if they are not in the consultation.
    pub async fn make_receipt_link(
        &self,
        permit: &Permit<ReadOwnConsents>,
        consultation: &Consultation,
    ) -> Result<Recorded<NewReceiptLink>, ServiceError> {
        let (secret, hash) = self.new_token()?;
        let id = ReceiptLinkId::from_uuid(self.new_uuid()?);
        let days = self.policy().bundle.consent_rules().receipt_link_days;
        let now = self.now();
        let expires_at = now.plus(Duration::from_hours(24 * u64::from(days)));
        let mut tx = self.database.begin().await?;
        let own = self.own_participant(tx.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
        let link = ReceiptLink { participant: own.id, secret_hash: hash.as_str().to_owned(), expires_at };
        consents::insert_link(tx.tx(), id, &link, now).await?;
        let entry = self.entry(Event::ReceiptLinkMade, permit.caller())?.about("participant", own.id).about("receipt_link", id);
        let link = Secret::new(format!("{}/receipts/{id}#{}", self.settings.public_origin, secret.expose()));
        let entry = entry.about("consultation", consultation.id).with("days", days);
        self.committed_with(tx, entry, NewReceiptLink { link, expires_at }).await
    }

    /// Opens a private link. Whoever holds its secret is, for receipts and withdrawals alone, the participant it was made for.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for a link that is not one of ours or has run out, on the record; [`ServiceError::Throttled`].
    pub async fn open_receipt_link(
        &self,
        anonymous: &Caller,
        id: ReceiptLinkId,
        secret: &Secret,
    ) -> Result<Recorded<Receipts>, ServiceError> {
        let tried = self.throttle.attempt(Tried::ReceiptLink(&id.to_string()), anonymous.network(), self.now());
        tried.map_err(|refused| ServiceError::Throttled(refused.wait))?;
        let found = {
            let mut read = self.database.read().await?;
            let hash = token::hash(secret);
            let link = consents::link(read.tx(), id).await?;
            let link = link.filter(|l| hash.is_some_and(|h| h.as_str() == l.secret_hash) && self.now() < l.expires_at);
            match link {
                None => None,
                Some(link) => participants::lookup(read.tx(), link.participant).await?.map(|participant| (participant, link.expires_at)),
            }
        };
        let Some((participant, expires_at)) = found else {
            let entry = self.entry(Event::ReceiptLinkRefused, anonymous)?.ended(Outcome::Denied).about("receipt_link", id);
            self.record(entry).await?;
            return Err(ServiceError::NotFound("receipt link"));
        };
        self.throttle.succeeded(Tried::ReceiptLink(&id.to_string()), anonymous.network());
        let actor = Actor::Participant { id: participant.id, role: participant.role, consultation: participant.consultation };
        let caller = Caller { actor, ..anonymous.clone() };
        let consents = {
            let mut read = self.database.read().await?;
            let all = consents::of_participant(read.tx(), participant.id).await?;
            let open = self.open_consents(read.tx(), all).await?;
            let mut titled = Vec::with_capacity(open.len());
            for consent in open {
                let file = self.text_file(read.tx(), &consent.consent.shown).await?;
                let title = file.as_deref().and_then(former_words).map_or_else(|| consent.consent.shown.text.clone(), |(title, _)| title);
                titled.push((consent, title));
            }
            titled
        };
        let entry = self.entry(Event::ReceiptRead, &caller)?.about("participant", participant.id).about("receipt_link", id);
        let entry = entry.about("consultation", participant.consultation);
        let receipts = Receipts { caller, consultation: participant.consultation, participant: participant.id, expires_at, consents };
        self.recorded(entry, receipts).await
    }

    /// A receipt of one of the caller's own decisions.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if it is not theirs; [`ServiceError::NoticeRequired`].
    pub async fn own_receipt(
        &self,
        permit: &Permit<ReadOwnConsents>,
        consultation: &Consultation,
        id: ConsentId,
        form: Form,
    ) -> Result<Recorded<Vec<u8>>, ServiceError> {
        let receipt = {
            let mut read = self.database.read().await?;
            let own = self.own_participant(read.tx(), permit.caller(), consultation).await?.ok_or(ServiceError::NotFound("participant"))?;
            let consent =
                consents::lookup(read.tx(), id).await?.filter(|c| c.participant == own.id).ok_or(ServiceError::NotFound("consent"))?;
            self.receipt(read.tx(), &consent).await?
        };
        let entry = self.entry(Event::ReceiptRead, permit.caller())?.about("consent", id).about("consultation", consultation.id);
        let recorded = self.recorded(entry.with("form", form.as_str()), ()).await?;
        let file = match form {
            Form::Page => serde_json::to_vec(&as_page(&receipt)).map_err(|e| ServiceError::Internal(e.to_string()))?,
            Form::Json => serde_json::to_vec_pretty(&receipt).map_err(|e| ServiceError::Internal(e.to_string()))?,
            Form::Pdf => tokio::task::spawn_blocking(move || on_paper(&receipt))
                .await
                .map_err(|e| ServiceError::Internal(e.to_string()))?
                .map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        Ok(recorded.map(|()| file))
    }

    /// The receipt of a decision: signed, with its statement and its place in the log.
    pub(crate) async fn receipt(&self, tx: &mut Tx, consent: &Consent) -> Result<Value, ServiceError> {
        let file = self.text_file(tx, &consent.shown).await?;
        let shown = &consent.shown;
        let text = file.as_deref().and_then(|file| ConsentText::accepted(&shown.text, &shown.version, &shown.language, file));
        let statement = self.open_statement(tx, consent).await?;
        let said = statement.as_deref().and_then(|bytes| Statement::parse(bytes).ok());
        let participant = participants::lookup(tx, consent.participant).await?.ok_or(ServiceError::NotFound("participant"))?;
        let notice = self.notice_for(text.as_ref(), &shown.language)?;
        let signature = consent.signed().map(|signed| {
            json!({
                "bytes": statement,
                "algorithm": signed.algorithm,
                "public_key": URL_SAFE_NO_PAD.encode(&signed.public_key),
                "signature": URL_SAFE_NO_PAD.encode(&signed.signature),
            })
        });
        let controller = self.controller();
        let person = said.as_ref().map(|s| s.person.clone());
        let facts = Facts { consent, text: text.as_ref(), person: person.as_deref(), controller: &controller };
        let body = json!({
            "format": FORMAT,
            "receipt_id": consent.id.to_string(),
            "decision": consent.decision.as_str(),
            "permitted": consent.permitted,
            "denied": consent.denied,
            "decided_at": consent.decided_at,
            "consultation": consent.consultation.to_string(),
            "recording": consent.recording.map(|id| id.to_string()),
            "participant": consent.participant.to_string(),
            "person": person,
            "role": participant.role,
            "capacity": consent.capacity.as_str(),
            "representative": said.and_then(|s| s.representative),
            "method": consent.method.as_str(),
            "text": {
                "name": shown.text, "version": shown.version, "language": shown.language, "digest": shown.digest, "shown": shown.shown,
                "file": file,
            },
            "policy_digest": consent.policy_digest,
            "kept_days": text.as_ref().and_then(|t| self.policy().bundle.retention_class(&t.retention_class).map(|class| class.keep_days)),
            "statement": signature,
            "part2": text.as_ref().and_then(|t| t.part2.clone()),
            "redisclosure_notice": notice,
            "iso_27560": facts.iso_27560(),
            "kantara": facts.kantara(),
        });
        let bytes = serde_json_canonicalizer::to_vec(&body).map_err(|e| ServiceError::Internal(e.to_string()))?;
        let proof = self.place_in_log(tx, consent).await?;
        Ok(json!({
            "receipt": body,
            "signature": STANDARD.encode(self.signer.sign(PURPOSE, &bytes)),
            "verifier_key": self.verifier_key(),
            "key_fingerprint": fingerprint(self.verifier_key()),
            "log": proof,
        }))
    }

    /// The notice that 42 CFR 2.32 wants on records a text says part 2 protects.
    pub(crate) fn notice_for(&self, text: Option<&ConsentText>, language: &str) -> Result<Option<String>, ServiceError> {
        if text.is_none_or(|t| t.part2.is_none()) {
            return Ok(None);
        }
        let bundle = self.policy().bundle;
        let notice = bundle.consent_rules().redisclosure_notice(language).ok_or(ServiceError::NoticeRequired)?;
        Ok(Some(notice.to_owned()))
    }

    /// The entry of a decision, its inclusion proof, and the checkpoint it was made for.
    async fn place_in_log(&self, tx: &mut Tx, consent: &Consent) -> Result<Value, ServiceError> {
        let Some(id) = consent.entry else { return Ok(Value::Null) };
        let stored = audit::lookup(tx, id).await?.ok_or(ServiceError::Integrity)?;
        let (Some(index), Some(checkpoint)) = (stored.index, audit::latest_checkpoint(tx).await?) else { return Ok(Value::Null) };
        if checkpoint.size <= index {
            return Ok(Value::Null);
        }
        let proof = prove_inclusion(tx, checkpoint.size, index).await?;
        Ok(json!({
            "entry": stored.body,
            "index": index,
            "size": checkpoint.size,
            "inclusion_proof": proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            "checkpoint": checkpoint.note,
        }))
    }

    fn controller(&self) -> (String, String, String) {
        let bundle = self.policy().bundle;
        let stated = &bundle.consent_rules().controller;
        let name = if stated.name.is_empty() { self.settings.clinic_name.clone() } else { stated.name.clone() };
        (name, stated.address.clone(), stated.contact.clone())
    }
}

struct Facts<'a> {
    consent: &'a Consent,
    text: Option<&'a ConsentText>,
    person: Option<&'a str>,
    controller: &'a (String, String, String),
}

impl Facts<'_> {
    fn purposes(&self) -> impl Iterator<Item = Purpose> {
        self.consent.permitted.iter().chain(&self.consent.denied).copied()
    }

    /// The sections of ISO/IEC TS 27560:2023: record header, PII processing, parties, events.
    fn iso_27560(&self) -> Value {
        let (consent, text) = (self.consent, self.text);
        let purposes: Vec<Value> = self
            .purposes()
            .map(|purpose| {
                json!({
                    "purpose": purpose.as_str(),
                    "purpose_type": "health",
                    "consent_type": "expressed",
                    "lawful_basis": text.map(|t| &t.legal_basis),
                    "pii_information": [{"pii_type": pii(purpose), "pii_attribute_id": purpose.as_str(), "sensitive_pii": true}],
                    "pii_controllers": ["controller"],
                    "collection_method": consent.method.as_str(),
                    "storage_locations": ["the clinic's own server"],
                    "retention_period": text.map(|t| &t.retention_class),
                    "recipient_third_parties": text.map(|t| t.recipients.clone()),
                    "jurisdiction": text.map(|t| &t.jurisdiction),
                    "withdrawal_method": "in the call, through the private link to receipts, or by asking the clinic",
                })
            })
            .collect();
        let event = match consent.decision {
            Decision::Permit => "explicit_consent_given",
            Decision::Deny => "consent_refused",
            Decision::Withdrawn => "consent_withdrawn",
        };
        json!({
            "record_metadata": {
                "schema_version": "ISO/IEC TS 27560:2023",
                "record_id": consent.id.to_string(),
                "pii_principal_id": consent.participant.to_string(),
            },
            "pii_processing": {
                "privacy_notice": format!("{}/{}/{}", consent.shown.text, consent.shown.version, consent.shown.language),
                "language": consent.shown.language,
                "purposes": purposes,
            },
            "party_identification": [
                {"party_id": "controller", "party_role": "pii_controller", "party_name": self.controller.0, "party_address": self.controller.1, "party_contact": self.controller.2},
                {"party_id": consent.participant.to_string(), "party_role": "pii_principal", "party_name": self.person},
            ],
            "events": [{
                "event_time": consent.decided_at,
                "event_type": event,
                "event_state": consent.decision.as_str(),
                "validity_duration": text.map(|t| t.expires.as_text()),
                "entity_id": consent.participant.to_string(),
            }],
        })
    }

    /// The fields of the Kantara consent receipt, version 1.1.0.
    fn kantara(&self) -> Value {
        let (consent, text) = (self.consent, self.text);
        let purposes: Vec<Value> = self
            .purposes()
            .map(|purpose| {
                json!({
                    "purpose": purpose.as_str(),
                    "purposeCategory": ["Core Function"],
                    "consentType": "EXPLICIT",
                    "piiCategory": [pii(purpose)],
                    "primaryPurpose": purpose == Purpose::CareByVideo,
                    "termination": text.map(|t| t.expires.as_text()),
                    "thirdPartyDisclosure": purpose == Purpose::ThirdPartySharing,
                    "thirdPartyName": text.and_then(|t| t.third_party.clone()),
                })
            })
            .collect();
        json!({
            "version": "KI-CR-v1.1.0",
            "jurisdiction": text.map(|t| &t.jurisdiction),
            "consentTimestamp": consent.decided_at.as_micros() / 1_000_000,
            "collectionMethod": consent.method.as_str(),
            "consentReceiptID": consent.id.to_string(),
            "publicKey": consent.signed().map(|s| URL_SAFE_NO_PAD.encode(&s.public_key)),
            "language": consent.shown.language,
            "piiPrincipalId": consent.participant.to_string(),
            "piiControllers": [{"piiController": self.controller.0, "address": self.controller.1, "contact": self.controller.2}],
            "services": [{"service": "video consultation", "purposes": purposes}],
            "sensitive": true,
            "spiCat": ["Health"],
        })
    }
}

/// The category of personal information a purpose touches.
const fn pii(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::RecordingAudio => "voice",
        Purpose::RecordingVideo => "image",
        _ => "health",
    }
}

/// A receipt as a PDF.
pub(crate) fn on_paper(receipt: &Value) -> Result<Vec<u8>, pdf::PdfError> {
    let (language, words, blocks) = laid_out(receipt);
    pdf::set(words.title, &language, words.right_to_left, &blocks)
}

/// A receipt to be read in a page: the facts with their labels, and the rest in the small Markdown of consent texts.
fn as_page(receipt: &Value) -> Value {
    let (language, words, blocks) = laid_out(receipt);
    let (mut facts, mut text) = (Vec::new(), Vec::new());
    for block in blocks {
        match block {
            Block::Title(_) => {}
            Block::Fact(label, value) => facts.push(json!({"label": label, "value": value})),
            Block::Heading(line) => text.push(format!("\n## {line}\n")),
            Block::Paragraph(line) => text.push(format!("\n{line}\n")),
            Block::Item(line) => text.push(format!("- {line}")),
        }
    }
    json!({"title": words.title, "language": language, "facts": facts, "text": text.join("\n").trim()})
}

/// What a receipt says, the words that were shown, and how to check it; with the words of the language that the text was shown in.
fn laid_out(receipt: &Value) -> (String, &'static Words, Vec<Block>) {
    let body = &receipt["receipt"];
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let language = text_of(&body["text"]["language"]);
    let words = Words::of(&language);
    let purposes = |list: &Value| {
        let all = list.as_array().into_iter().flatten().filter_map(|p| Purpose::parse(p.as_str()?));
        all.map(|p| words.purpose(p)).collect::<Vec<_>>().join(", ")
    };
    let parsed = body["text"]["file"].as_str().and_then(|file| {
        let named = |name: &str| body["text"][name].as_str().unwrap_or_default();
        ConsentText::accepted(named("name"), named("version"), &language, file)
    });
    let mut blocks = vec![Block::Title(words.title.to_owned())];
    let mut fact = |label: Label, value: String| {
        if !value.is_empty() {
            blocks.push(Block::Fact(words.label(label).to_owned(), value));
        }
    };
    fact(Label::Person, text_of(&body["person"]));
    if let Some(capacity) = body["capacity"].as_str().and_then(crate::domain::consent::Capacity::parse) {
        fact(Label::Capacity, words.capacity(capacity).to_owned());
    }
    if let Some(name) = body["representative"]["name"].as_str() {
        fact(Label::Representative, format!("{name} ({})", text_of(&body["representative"]["relationship"])));
    }
    if let Some(decision) = body["decision"].as_str().and_then(Decision::parse) {
        fact(Label::Decision, words.decision(decision).to_owned());
    }
    fact(Label::Permitted, purposes(&body["permitted"]));
    fact(Label::Denied, purposes(&body["denied"]));
    fact(Label::When, text_of(&body["decided_at"]));
    fact(Label::Text, format!("{} / {} / {}", text_of(&body["text"]["name"]), text_of(&body["text"]["version"]), language));
    let controller = &body["kantara"]["piiControllers"][0];
    let stated = ["piiController", "address", "contact"].map(|name| text_of(&controller[name]));
    fact(Label::Controller, stated.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", "));
    if let Some(text) = &parsed {
        fact(Label::LegalBasis, text.legal_basis.clone());
        fact(Label::Jurisdiction, text.jurisdiction.clone());
        fact(Label::Recipients, text.recipients.join("; "));
        let holds = match text.expires {
            Expiry::Consultation => words.until_the_end.to_owned(),
            Expiry::Days(days) => words.days.replace("{n}", &days.to_string()),
        };
        fact(Label::Holds, holds);
    }
    if let Some(days) = body["kept_days"].as_u64() {
        fact(Label::Kept, words.days.replace("{n}", &days.to_string()));
    }
    if let Some(method) = body["method"].as_str().and_then(crate::domain::consent::Method::parse) {
        fact(Label::Method, words.method(method).to_owned());
    }
    fact(Label::Receipt, text_of(&body["receipt_id"]));
    if let (Some(index), Some(size)) = (receipt["log"]["index"].as_u64(), receipt["log"]["size"].as_u64()) {
        fact(Label::Entry, format!("{index} / {size}"));
    }
    fact(Label::Fingerprint, text_of(&receipt["key_fingerprint"]));
    fact(Label::Withdrawal, words.withdraw.to_owned());
    if let Some(part2) = body["part2"].as_object() {
        blocks.push(Block::Heading("42 CFR 2.31".to_owned()));
        blocks.extend(part2.values().filter_map(Value::as_str).map(|line| Block::Item(line.to_owned())));
    }
    if let Some(notice) = body["redisclosure_notice"].as_str() {
        blocks.push(Block::Heading("42 CFR 2.32".to_owned()));
        blocks.push(Block::Paragraph(notice.to_owned()));
    }
    blocks.push(Block::Heading(words.proof.to_owned()));
    blocks.push(Block::Paragraph(words.proof_text.to_owned()));
    if let Some((title, body)) = body["text"]["file"].as_str().and_then(former_words) {
        blocks.push(Block::Heading(format!("{}: {title}", words.shown)));
        blocks.extend(markdown(&body));
    }
    (language, words, blocks)
}

/// The small Markdown of consent texts as blocks.
fn markdown(body: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let flush = |paragraph: &mut Vec<&str>, blocks: &mut Vec<Block>| {
        if !paragraph.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(paragraph).join(" ")));
        }
    };
    for line in body.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("## ") {
            flush(&mut paragraph, &mut blocks);
            blocks.push(Block::Heading(heading.to_owned()));
        } else if let Some(item) = line.strip_prefix("- ") {
            flush(&mut paragraph, &mut blocks);
            blocks.push(Block::Item(item.to_owned()));
        } else if line.is_empty() {
            flush(&mut paragraph, &mut blocks);
        } else {
            paragraph.push(line);
        }
    }
    flush(&mut paragraph, &mut blocks);
    blocks
}
