//! From an entry to one that can be committed: its server, its patient, and its personal values sealed.
//!
//! Everything personal in an entry belongs to one subject: the patient it is about, else the account that acted, else the visitors of its
//! month. The entry has salted hashes; the values lie beside it under that subject's evidence key, and go with that key.

use crate::crypto::disclosure::{digest, disclose, read};
use crate::crypto::envelope::{SecretKey, open_value, seal_value};
use crate::domain::audit::{Entry, NETWORK, Outcome, Server};
use crate::domain::id::{ConsultationId, EntryId, PatientId, RecordingId};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::storage::audit::{self, NewEntry, SealedValues, StoredEntry};
use crate::storage::database::{Tx, WriteTx};
use crate::storage::subject_keys::{self, Evidence};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Subjects and consultations that are remembered.
const REMEMBERED: usize = 4_096;

tokio::task_local! {
    /// The key that the present request carries, until something of it is committed.
    static REQUEST_KEY: RefCell<Option<RequestKey>>;
}

/// The key with which a request may be repeated safely, and what was asked for under it; digests of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Of the key, with who asks and where.
    pub key: String,
    /// Of the body.
    pub body: String,
}

/// Runs a request that carries a key of its own: what it does is done once, however often it comes.
pub async fn once<T>(key: Option<RequestKey>, request: impl Future<Output = T>) -> T {
    REQUEST_KEY.scope(RefCell::new(key), request).await
}

fn request_key() -> Option<RequestKey> {
    REQUEST_KEY.try_with(|key| key.borrow().clone()).ok().flatten()
}

/// What the request asked for is committed: its later steps are not the ones that must not be repeated.
fn request_is_done() {
    let _ = REQUEST_KEY.try_with(|key| key.borrow_mut().take());
}

/// What sealing needs again and again.
#[derive(Default)]
pub struct Known {
    keys: Mutex<HashMap<String, SecretKey>>,
    /// By consultation or recording.
    patients: Mutex<HashMap<Uuid, PatientId>>,
}

fn remember<K: std::hash::Hash + Eq, V>(map: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(key, value);
}

impl Known {
    /// Forgets a subject's key, which is destroyed.
    pub(crate) fn forget(&self, subject: &str) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }
}

/// Entries that are ready, and the keys that were made for them: to be remembered once they are committed.
pub(crate) struct Ready {
    pub(crate) entries: Vec<NewEntry>,
    new_keys: Vec<(String, SecretKey)>,
    /// Whether the request's own key is noted with them.
    done_once: bool,
}

impl Services {
    /// Which server this is, for entries.
    pub(crate) fn server(&self) -> Server {
        Server::of(&self.settings.public_origin, &self.settings.node)
    }

    /// Makes entries ready to be committed in a transaction.
    pub(crate) async fn ready(&self, tx: &mut WriteTx, entries: &[Entry]) -> Result<Ready, ServiceError> {
        let mut ready = Ready { entries: Vec::with_capacity(entries.len()), new_keys: Vec::new(), done_once: false };
        for entry in entries {
            let mut entry = entry.clone();
            entry.server = self.server();
            if let Some(patient) = self.patient_of(tx.tx(), &entry).await? {
                entry = entry.about("patient", patient);
            }
            let new = if entry.open.is_empty() { NewEntry::plain(entry) } else { self.seal(tx.tx(), entry, &mut ready.new_keys).await? };
            ready.entries.push(new.ok_or_else(|| ServiceError::Internal("an entry holds a value that was not sealed".to_owned()))?);
        }
        if let Some(done) = entries.iter().find(|entry| entry.outcome == Outcome::Success)
            && let Some(RequestKey { key, body }) = request_key()
        {
            // bodies hold passwords and names: what is kept of them says nothing without this server's keys
            let body = self.keys.blind_index(&format!("request/{body}"))?;
            if !audit::note_request(tx.tx(), &key, &body, done.id, self.now()).await? {
                let same = audit::noted_body(tx.tx(), &key).await?.is_none_or(|noted| noted == body);
                return Err(if same { ServiceError::Repeated } else { ServiceError::KeyReused });
            }
            ready.done_once = true;
        }
        Ok(ready)
    }

    /// Remembers the keys of entries that were committed.
    pub(crate) fn committed(&self, ready: Ready) {
        if ready.done_once {
            request_is_done();
        }
        for (subject, key) in ready.new_keys {
            remember(&self.known.keys, subject, key);
        }
    }

    /// The patient of the consultation or recording that an entry is about, unless it names a patient itself.
    async fn patient_of(&self, tx: &mut Tx, entry: &Entry) -> Result<Option<PatientId>, ServiceError> {
        if entry.entity("patient").is_some() {
            return Ok(None);
        }
        // a list of many is about no patient in particular
        let only = |kind: &str| entry.entity(kind).filter(|_| entry.entities.iter().filter(|e| e.kind == kind).count() == 1);
        let consultation = only("consultation").and_then(|id| id.parse::<ConsultationId>().ok());
        let recording = only("recording").and_then(|id| id.parse::<RecordingId>().ok()).filter(|_| entry.entity("consultation").is_none());
        let Some(id) = consultation.map(ConsultationId::as_uuid).or(recording.map(RecordingId::as_uuid)) else { return Ok(None) };
        let known = self.known.patients.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
        if known.is_some() {
            return Ok(known);
        }
        let patient = match (consultation, recording) {
            (Some(consultation), _) => subject_keys::patient_of(tx, consultation).await?,
            (None, Some(recording)) => subject_keys::patient_of_recording(tx, recording).await?,
            (None, None) => None,
        };
        if let Some(patient) = patient {
            remember(&self.known.patients, id, patient);
        }
        Ok(patient)
    }

    async fn seal(&self, tx: &mut Tx, mut entry: Entry, new_keys: &mut Vec<(String, SecretKey)>) -> Result<Option<NewEntry>, ServiceError> {
        let subject = subject_of(&entry);
        let Some(key) = self.evidence_key_of(tx, &subject, new_keys).await? else {
            // the subject is gone: what would be personal is not written down any more
            entry.open.clear();
            return Ok(NewEntry::plain(entry));
        };
        let mut disclosures = Vec::new();
        let mut network_term = None;
        for value in std::mem::take(&mut entry.open) {
            if value.name == NETWORK {
                network_term = Some(self.network_term(&value.value)?);
            }
            let disclosure = disclose(value.name, &value.value, self.entropy.as_ref())?;
            entry.personal.insert(value.name.to_owned(), digest(&disclosure));
            disclosures.push(disclosure);
        }
        let sealed = seal_value(&key, disclosures.join("~").as_bytes(), context(entry.id).as_bytes(), self.entropy.as_ref())?;
        Ok(NewEntry::sealed(entry, SealedValues { subject, disclosures: sealed, network_term }))
    }

    /// The blind term by which entries from a network address are found.
    pub(crate) fn network_term(&self, address: &str) -> Result<String, ServiceError> {
        Ok(self.keys.blind_index(&format!("network/{address}"))?)
    }

    /// A subject's evidence key, made if it never had one; `None` once it was destroyed.
    async fn evidence_key_of(
        &self,
        tx: &mut Tx,
        subject: &str,
        new_keys: &mut Vec<(String, SecretKey)>,
    ) -> Result<Option<SecretKey>, ServiceError> {
        let copy = |key: &SecretKey| SecretKey::from_bytes(*key.as_bytes());
        if let Some(key) = self.known.keys.lock().unwrap_or_else(PoisonError::into_inner).get(subject) {
            return Ok(Some(copy(key)));
        }
        if subject_keys::evidence(tx, subject).await? == Evidence::Missing {
            let (version, wrapped) = self.keys.new_evidence(subject)?;
            subject_keys::insert_evidence(tx, subject, version, &wrapped).await?;
        }
        // whoever was first, if two made one at the same time
        let Evidence::Wrapped(version, wrapped) = subject_keys::evidence(tx, subject).await? else { return Ok(None) };
        let key = self.keys.evidence_key(subject, version, &wrapped)?;
        new_keys.push((subject.to_owned(), copy(&key)));
        Ok(Some(key))
    }

    /// The disclosures of entries, opened: by place in the list, name to value. Those whose key was destroyed are missing.
    pub(crate) async fn disclosures(&self, tx: &mut Tx, stored: &[StoredEntry]) -> Result<Vec<Vec<String>>, ServiceError> {
        let mut keys: HashMap<&str, Option<SecretKey>> = HashMap::new();
        let mut all = Vec::with_capacity(stored.len());
        for entry in stored {
            let (Some(subject), Some(sealed)) = (entry.subject.as_deref(), entry.disclosures.as_deref()) else {
                all.push(Vec::new());
                continue;
            };
            if !keys.contains_key(subject) {
                let key = match subject_keys::evidence(tx, subject).await? {
                    Evidence::Wrapped(version, wrapped) => Some(self.keys.evidence_key(subject, version, &wrapped)?),
                    Evidence::Missing | Evidence::Destroyed => None,
                };
                keys.insert(subject, key);
            }
            let open = match keys.get(subject) {
                Some(Some(key)) => {
                    let open = open_value(key, sealed, context(entry.id).as_bytes())?;
                    let text = std::str::from_utf8(&open).map_err(|_| ServiceError::Integrity)?;
                    text.split('~').map(str::to_owned).collect()
                }
                _ => Vec::new(),
            };
            all.push(open);
        }
        Ok(all)
    }
}

/// Name and value of disclosures that belong to an entry. One that its digest is not of does not belong to it.
pub(crate) fn personal_values(entry: &Entry, disclosures: &[String]) -> Result<Vec<(String, String)>, ServiceError> {
    disclosures
        .iter()
        .map(|disclosure| {
            let (name, value) = read(disclosure).ok_or(ServiceError::Integrity)?;
            let fits = entry.personal.get(&name).is_some_and(|noted| *noted == digest(disclosure));
            fits.then_some((name, value)).ok_or(ServiceError::Integrity)
        })
        .collect()
}

/// Under whose evidence key the personal values of an entry are.
fn subject_of(entry: &Entry) -> String {
    let patients = entry.entities.iter().filter(|e| e.kind == "patient").count();
    // looking into the log is about who looks: it does not make the evidence of a patient last longer
    let looked = entry.event.starts_with("audit.");
    match (entry.entity("patient"), &entry.agent.id) {
        // a list of many belongs to who asked for it
        (Some(patient), _) if patients == 1 && !looked => patient.to_owned(),
        (_, Some(account)) if entry.agent.kind == "account" => format!("account/{account}"),
        _ => format!("visitors/{}", entry.at.month()),
    }
}

fn context(entry: EntryId) -> String {
    format!("bedside/audit/{entry}")
}
