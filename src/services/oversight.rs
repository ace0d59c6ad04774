//! What auditors look at beside single entries: how much happened when and what stands out of it, the searches they keep, and patients by
//! their names.

use crate::crypto::envelope::{open_value, seal_value};
use crate::domain::access::{Permit, ReadAudit};
use crate::domain::audit::Event;
use crate::domain::id::{AccountId, SavedSearchId};
use crate::domain::patient::FieldError;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::patients::Patient;
use crate::services::recorded::Recorded;
use crate::storage::audit_activity::{self, Hour, Marked, Person, Stretch};
use crate::storage::{accounts, saved_searches};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Longest stretch of a chart.
const LONGEST: Duration = Duration::from_hours(24 * 400);
/// People in a chart.
const MOST_PEOPLE: i64 = 10;
/// Searches one person keeps.
const MOST_SAVED: usize = 50;
/// Length of a kept search.
const LONGEST_SEARCH: usize = 4_096;

/// What happened in a stretch of time.
pub struct Activity {
    /// Hours in which something happened, by when they began.
    pub hours: BTreeMap<Timestamp, Hour>,
    /// What stood out.
    pub marked: Vec<Marked>,
    /// Accounts that did most, with their names.
    pub people: Vec<(Person, Option<String>)>,
    /// Names of all accounts that something stood out of.
    pub names: HashMap<String, String>,
}

/// A search someone keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSearch {
    /// Its id.
    pub id: SavedSearchId,
    /// What they call it.
    pub name: String,
    /// The form as it was filled in.
    pub search: Value,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    search: Value,
}

impl Services {
    /// How much happened when, by whom, and what stands out; of everyone or of one person.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a stretch that is none or longer than 400 days.
    pub async fn audit_activity(
        &self,
        permit: &Permit<ReadAudit>,
        from: Timestamp,
        to: Timestamp,
        agent: Option<&str>,
    ) -> Result<Recorded<Activity>, ServiceError> {
        if from >= to || to.since(from) > LONGEST {
            return Err(ServiceError::Validation(vec![FieldError { name: "to", message: "must be later than from, by 400 days at most" }]));
        }
        self.everything_findable().await?;
        let recorded = self.recorded(self.entry(Event::AuditSearched, permit.caller())?.with("view", "activity"), ()).await?;
        self.everything_findable().await?;
        let stretch = Stretch { from, to, agent };
        let mut read = self.database.read().await?;
        let names: HashMap<String, String> =
            accounts::all(read.tx()).await?.into_iter().map(|a| (a.id.to_string(), a.display_name)).collect();
        let hours = audit_activity::by_hour(read.tx(), stretch).await?;
        let marked = audit_activity::marked(read.tx(), stretch).await?;
        let people = match agent {
            None => audit_activity::by_person(read.tx(), stretch, MOST_PEOPLE).await?,
            Some(_) => Vec::new(),
        };
        let people = people.into_iter().map(|person| (names.get(&person.id).cloned(), person)).map(|(name, p)| (p, name)).collect();
        let names = marked.iter().filter_map(|m| names.get_key_value(&m.agent)).map(|(id, name)| (id.clone(), name.clone())).collect();
        Ok(recorded.map(|()| Activity { hours, marked, people, names }))
    }

    /// Patients by the beginnings of words of their name or number, so that their entries can be asked for.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] without a word to look for.
    pub async fn patients_for_audit(&self, permit: &Permit<ReadAudit>, text: &str) -> Result<Recorded<Vec<Patient>>, ServiceError> {
        if !text.chars().any(char::is_alphanumeric) || text.chars().count() > 200 {
            return Err(ServiceError::Validation(vec![FieldError {
                name: "text",
                message: "must have 1 to 200 characters, one of them a letter or digit",
            }]));
        }
        let found = self.find_patients(text).await?;
        let mut entry = self.entry(Event::AuditSearched, permit.caller())?.with("view", "patients").with("found", found.len());
        for patient in &found {
            entry = entry.about("patient", patient.id);
        }
        self.recorded(entry, found).await
    }

    /// The searches that the caller keeps, oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn saved_searches(&self, permit: &Permit<ReadAudit>) -> Result<Vec<SavedSearch>, ServiceError> {
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let all = saved_searches::of_account(self.database.read().await?.tx(), account).await?;
        let key = self.keys.staff_key()?;
        all.into_iter()
            .map(|(id, sealed)| {
                let open = open_value(&key, &sealed, context(id, account).as_bytes())?;
                let Kept { name, search } = serde_json::from_slice(&open).map_err(|_| ServiceError::Integrity)?;
                Ok(SavedSearch { id, name, search })
            })
            .collect()
    }

    /// Keeps a search for the caller.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] for a name that is none; [`ServiceError::Conflict`] when there are too many.
    pub async fn save_search(&self, permit: &Permit<ReadAudit>, name: &str, search: Value) -> Result<Recorded<SavedSearch>, ServiceError> {
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let name = name.trim();
        if !(1..=80).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(ServiceError::Validation(vec![FieldError { name: "name", message: "must be 1 to 80 characters" }]));
        }
        let kept = Kept { name: name.to_owned(), search };
        let open = serde_json::to_vec(&kept).map_err(|e| ServiceError::Internal(e.to_string()))?;
        if open.len() > LONGEST_SEARCH {
            return Err(ServiceError::Validation(vec![FieldError { name: "search", message: "is too long" }]));
        }
        let id = SavedSearchId::from_uuid(self.new_uuid()?);
        let sealed = seal_value(&self.keys.staff_key()?, &open, context(id, account).as_bytes(), self.entropy.as_ref())?;
        let mut tx = self.database.begin().await?;
        if saved_searches::of_account(tx.tx(), account).await?.len() >= MOST_SAVED {
            return Err(ServiceError::Conflict("There are 50 saved searches already. Remove one first."));
        }
        saved_searches::insert(tx.tx(), id, account, &sealed, self.now()).await?;
        let entry = self.entry(Event::SearchSaved, permit.caller())?.about("saved_search", id);
        self.committed_with(tx, entry, SavedSearch { id, name: kept.name, search: kept.search }).await
    }

    /// Forgets a search of the caller.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn forget_search(&self, permit: &Permit<ReadAudit>, id: SavedSearchId) -> Result<(), ServiceError> {
        let account = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let mut tx = self.database.begin().await?;
        if !saved_searches::delete(tx.tx(), id, account).await? {
            return Err(ServiceError::NotFound("saved search"));
        }
        self.commit(tx, self.entry(Event::SearchForgotten, permit.caller())?.about("saved_search", id)).await
    }
}

fn context(id: SavedSearchId, account: AccountId) -> String {
    format!("bedside/saved-search/{account}/{id}")
}
