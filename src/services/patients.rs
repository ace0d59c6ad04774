//! Patients: entering and finding them. Details leave storage only through here, opened with the patient's content key.

use crate::crypto::envelope::{SecretKey, open_value, seal_value};
use crate::domain::access::{CreatePatient, Permit, SearchPatients};
use crate::domain::audit::Event;
use crate::domain::id::PatientId;
use crate::domain::patient::{PatientDetails, search_words};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::database::Tx;
use crate::storage::patients::{self, SealedPatient};

/// Most patients in one answer.
const MOST: i64 = 20;
/// Words are found by their beginnings of this length and more.
const SHORTEST_TERM: usize = 2;
const LONGEST_TERM: usize = 12;

/// A patient with open details.
#[derive(Clone)]
pub struct Patient {
    /// Its id.
    pub id: PatientId,
    /// The details.
    pub details: PatientDetails,
}

impl Services {
    /// Enters a patient, with keys of their own.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] naming every bad field.
    pub async fn create_patient(&self, permit: &Permit<CreatePatient>, details: PatientDetails) -> Result<Patient, ServiceError> {
        let problems = details.problems();
        if !problems.is_empty() {
            return Err(ServiceError::Validation(problems));
        }
        let id = PatientId::from_uuid(self.new_uuid()?);
        let keys = self.keys.new_subject(&id.to_string())?;
        let content = self.keys.content_key(&id.to_string(), &keys)?;
        let open = serde_json::to_vec(&details).map_err(|e| ServiceError::Internal(e.to_string()))?;
        let sealed = seal_value(&content, &open, context(id).as_bytes(), self.entropy.as_ref())?;
        let terms = self.terms(&details)?;
        let mut tx = self.database.begin().await?;
        patients::insert(tx.tx(), &SealedPatient { id, sealed, keys: Some(keys) }, &terms, self.now()).await?;
        let entry = self
            .entry(Event::PatientCreated, permit.caller())?
            .of_person("identifier", &details.identifier)
            .of_person("name", &details.name)
            .of_person("birth_date", &details.birth_date);
        self.commit(tx, entry.about("patient", id)).await?;
        Ok(Patient { id, details })
    }

    /// Finds patients by the beginnings of words in name and identifier; all words must fit. An empty text gives the newest.
    ///
    /// # Errors
    /// If it cannot be read or the read not audited.
    pub async fn search_patients(&self, permit: &Permit<SearchPatients>, text: &str) -> Result<Recorded<Vec<Patient>>, ServiceError> {
        let open = self.find_patients(text).await?;
        let mut entry = self.entry(Event::PatientsSearched, permit.caller())?.with("found", open.len());
        for patient in &open {
            entry = entry.about("patient", patient.id);
        }
        self.recorded(entry, open).await
    }

    /// Finds patients, for operations that audit it.
    pub(crate) async fn find_patients(&self, text: &str) -> Result<Vec<Patient>, ServiceError> {
        let words = search_words(text);
        let found = {
            let mut read = self.database.read().await?;
            match words.iter().max_by_key(|word| word.chars().count()) {
                None => patients::recent(read.tx(), MOST).await?,
                Some(longest) => patients::by_term(read.tx(), &self.keys.blind_index(&beginning(longest))?, MOST * 10).await?,
            }
        };
        let mut open = Vec::new();
        for sealed in found {
            let Ok(patient) = self.open_patient(sealed) else { continue };
            let own = patient.details.search_words();
            if words.iter().all(|word| own.iter().any(|have| have.starts_with(word.as_str()))) {
                open.push(patient);
            }
        }
        open.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
        Ok(open)
    }

    /// Opens a patient in a transaction that is already auditing the read.
    pub(crate) async fn patient(&self, tx: &mut Tx, id: PatientId) -> Result<Patient, ServiceError> {
        let sealed = patients::lookup(tx, id).await?.ok_or(ServiceError::NotFound("patient"))?;
        self.open_patient(sealed)
    }

    /// A patient's content key.
    pub(crate) async fn content_key(&self, tx: &mut Tx, id: PatientId) -> Result<SecretKey, ServiceError> {
        let sealed = patients::lookup(tx, id).await?.ok_or(ServiceError::NotFound("patient"))?;
        let keys = sealed.keys.ok_or(ServiceError::KeyDestroyed)?;
        Ok(self.keys.content_key(&id.to_string(), &keys)?)
    }

    fn open_patient(&self, sealed: SealedPatient) -> Result<Patient, ServiceError> {
        let keys = sealed.keys.ok_or(ServiceError::KeyDestroyed)?;
        let content = self.keys.content_key(&sealed.id.to_string(), &keys)?;
        let open = open_value(&content, &sealed.sealed, context(sealed.id).as_bytes())?;
        let details = serde_json::from_slice(&open).map_err(|e| ServiceError::Internal(e.to_string()))?;
        Ok(Patient { id: sealed.id, details })
    }

    fn terms(&self, details: &PatientDetails) -> Result<Vec<String>, ServiceError> {
        let mut terms = Vec::new();
        for word in details.search_words() {
            let letters: Vec<char> = word.chars().take(LONGEST_TERM).collect();
            for length in SHORTEST_TERM.min(letters.len())..=letters.len() {
                terms.push(self.keys.blind_index(&letters[..length].iter().collect::<String>())?);
            }
        }
        Ok(terms)
    }
}

fn beginning(word: &str) -> String {
    word.chars().take(LONGEST_TERM).collect()
}

fn context(id: PatientId) -> String {
    format!("bedside/patient/{id}")
}
