//! Making entries findable: what they are found by, how much happened when, and marks for what is unusual. All of it follows from the entries;
//! the process that gives them their place writes it down after them, in batches.

use crate::domain::access::AccountRole;
use crate::domain::audit::Entry;
use crate::domain::id::RequestId;
use crate::policy::unusual::{Judge, Mark, Seen};
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::sequencer::{PAUSE, Progress};
use crate::storage::audit_index::{self, Facts, request_number};
use crate::storage::database::{Database, Tx};
use crate::storage::error::StorageError;
use crate::storage::{accounts, audit};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long entries may wait to become findable, so that many do in one transaction, unless someone waits for them.
const GATHER: Duration = Duration::from_millis(400);
/// Entries that become findable in one transaction.
const BATCH: u64 = 2_000;
/// So many entries before the next one are looked at again after a start, for the rules that count.
const LOOK_BACK: u64 = 50_000;

/// Marks entries by the rules in force as they become findable.
pub struct Lookout {
    /// Who knows the rules, and the names that one of them compares.
    services: watch::Receiver<Option<Weak<Services>>>,
    judge: Judge,
    /// The entry that follows those it has seen.
    next: Option<u64>,
}

impl Lookout {
    /// One that begins once it is told of the services.
    #[must_use]
    pub fn new(services: watch::Receiver<Option<Weak<Services>>>) -> Self {
        Self { services, judge: Judge::default(), next: None }
    }

    /// Forgets what it counted: nothing of it was kept.
    fn start_over(&mut self) {
        (self.judge, self.next) = (Judge::default(), None);
    }

    /// The marks of the next entries; `None` once the services are gone.
    async fn marks(&mut self, database: &Database, entries: &[Read]) -> Result<Option<Vec<Vec<Mark>>>, StorageError> {
        let Ok(services) = self.services.wait_for(Option::is_some).await.map(|held| held.clone()) else { return Ok(None) };
        let Some(services) = services.and_then(|weak| weak.upgrade()) else { return Ok(None) };
        let mut read = database.read_sequencing().await?;
        let first = entries.first().map_or(0, |one| one.index);
        if self.next != Some(first) {
            // after a start, or where another process went on meanwhile
            self.judge = Judge::default();
            for from in (first.saturating_sub(LOOK_BACK)..first).step_by(1_000) {
                for one in self::read(read.tx(), from, (from + 1_000).min(first)).await? {
                    self.judge.judge(services.policy().bundle.unusual(), &seen(&one, false));
                }
            }
        }
        self.next = entries.last().map(|one| one.index + 1);
        let bundle = services.policy().bundle;
        let rules = bundle.unusual();
        let mut staff = None;
        // names are kept for no longer than this batch
        let mut names = HashMap::new();
        let mut marks = Vec::with_capacity(entries.len());
        for one in entries {
            let mut own_name = false;
            if let (true, Some(account), [patient]) = (rules.compares_names(), account_of(&one.entry), patients_of(&one.entry).as_slice()) {
                if staff.is_none() {
                    let all = accounts::all(read.tx()).await?;
                    staff = Some(all.into_iter().map(|a| (a.id.to_string(), a.display_name)).collect::<HashMap<_, _>>());
                }
                if !names.contains_key(*patient) {
                    names.insert((*patient).to_owned(), name_of(read.tx(), &services, patient).await?);
                }
                let name = staff.as_ref().and_then(|all| all.get(account));
                let of_patient = names.get(*patient).and_then(Option::as_ref);
                own_name = name.zip(of_patient).is_some_and(|(name, of_patient)| rules.share_family_name(name, of_patient));
            }
            marks.push(self.judge.judge(rules, &seen(one, own_name)));
        }
        Ok(Some(marks))
    }
}

/// A patient's name; none once it cannot be opened any more.
async fn name_of(tx: &mut Tx, services: &Services, id: &str) -> Result<Option<String>, StorageError> {
    let Ok(patient) = id.parse() else { return Ok(None) };
    match services.patient(tx, patient).await {
        Ok(patient) => Ok(Some(patient.details.name)),
        Err(ServiceError::KeyDestroyed | ServiceError::NotFound(_) | ServiceError::Integrity | ServiceError::Internal(_)) => Ok(None),
        Err(_) => Err(StorageError::Unknown),
    }
}

fn account_of(entry: &Entry) -> Option<&str> {
    entry.agent.id.as_deref().filter(|_| entry.agent.kind == "account")
}

/// The patients an entry is about. Looking into the log is about nobody's record.
fn patients_of(entry: &Entry) -> Vec<&str> {
    if entry.event.starts_with("audit.") {
        return Vec::new();
    }
    entry.entities.iter().filter(|e| e.kind == "patient").map(|e| e.id.as_str()).collect()
}

/// An entry with its place.
struct Read {
    index: u64,
    entry: Entry,
    /// The blind term of the network it came from.
    network: Option<String>,
}

/// Entries from one place to another.
async fn read(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<Read>, StorageError> {
    let stored = audit::range(tx, from, to).await?;
    let mut entries = Vec::with_capacity(stored.len());
    for one in stored {
        let index = one.index.unwrap_or(0);
        // one that cannot be read, or is gone, is not found: verifying the log names it
        if let Ok(entry) = serde_json::from_str(&one.body) {
            entries.push(Read { index, entry, network: one.network_term });
        } else {
            tracing::error!(index, "an audit entry cannot be read");
        }
    }
    Ok(entries)
}

fn seen(one: &Read, own_name: bool) -> Seen<'_> {
    let Entry { at, agent, event, purpose_of_use, action, outcome, .. } = &one.entry;
    let staff = agent.role.as_deref().filter(|_| agent.kind == "account").and_then(AccountRole::parse);
    Seen {
        at: *at,
        who: agent.id.as_deref().or(one.network.as_deref()).unwrap_or_default(),
        staff,
        event,
        purpose: purpose_of_use,
        action: *action,
        outcome: *outcome,
        patients: patients_of(&one.entry),
        own_name,
    }
}

/// Writes down what entries are found by.
pub(super) struct Indexer {
    pub(super) database: Database,
    pub(super) leading: Arc<AtomicBool>,
    pub(super) placed: watch::Receiver<Progress>,
    pub(super) told: Arc<watch::Sender<Progress>>,
    pub(super) lookout: Option<Lookout>,
    /// Told when someone waits.
    pub(super) hurry: Arc<Notify>,
}

impl Indexer {
    pub(super) async fn run(mut self) {
        let mut refused = 0_u32;
        loop {
            let progress = *self.placed.borrow_and_update();
            if !self.leading.load(Ordering::SeqCst) || progress.findable >= progress.placed {
                if self.placed.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if progress.placed - progress.findable < BATCH / 2 {
                let _ = tokio::time::timeout(GATHER, self.hurry.notified()).await;
            }
            match self.step(progress).await {
                Ok(None) => return,
                Ok(Some(findable)) => {
                    refused = 0;
                    self.told.send_if_modified(|p| {
                        let more = findable > p.findable;
                        p.findable = p.findable.max(findable);
                        more
                    });
                }
                Err(error) => {
                    if let Some(lookout) = &mut self.lookout {
                        lookout.start_over();
                    }
                    // once: another process was first. Again and again: something is wrong with what is stored
                    refused += 1;
                    if refused > 3 || !matches!(error, StorageError::Duplicate) {
                        tracing::error!(%error, "entries could not be made findable");
                    }
                    tokio::time::sleep(PAUSE).await;
                    if let Ok(mut read) = self.database.read_sequencing().await
                        && let Ok(findable) = audit_index::size(read.tx()).await
                    {
                        self.told.send_modify(|p| p.findable = findable);
                    }
                }
            }
        }
    }

    /// Makes the next entries findable; gives up to where, `None` once nobody needs it.
    async fn step(&mut self, Progress { findable: from, placed }: Progress) -> Result<Option<u64>, StorageError> {
        let to = (from + BATCH).min(placed);
        let entries = read(self.database.read_sequencing().await?.tx(), from, to).await?;
        let marks = match &mut self.lookout {
            None => vec![Vec::new(); entries.len()],
            Some(lookout) => match lookout.marks(&self.database, &entries).await? {
                Some(marks) => marks,
                None => return Ok(None),
            },
        };
        let facts: Vec<Facts> = entries.iter().zip(&marks).map(|(one, marks)| facts_of(one, marks)).collect();
        audit_index::append(self.database.begin_sequencing().await?, &facts).await?;
        Ok(Some(to))
    }
}

fn facts_of(one: &Read, marks: &[Mark]) -> Facts {
    let Read { index, entry, network } = one;
    let any = (!marks.is_empty()).then_some("any");
    let marks = marks.iter().map(|mark| mark.as_str()).chain(any).map(|mark| ("unusual".to_owned(), mark.to_owned()));
    Facts {
        index: *index,
        at: entry.at,
        event: entry.event.clone(),
        action: entry.action,
        outcome: entry.outcome,
        agent: entry.agent.id.clone().unwrap_or_default(),
        network: network.clone().unwrap_or_default(),
        request: request_number(entry.request_id.map(RequestId::as_uuid)),
        entities: entry.entities.iter().map(|e| (e.kind.clone(), e.id.clone())).chain(details(entry)).chain(marks).collect(),
    }
}

/// Ids and codes that stand in the details.
fn details(entry: &Entry) -> impl Iterator<Item = (String, String)> {
    entry.detail.iter().filter_map(|(name, value)| {
        let value = value.as_str()?;
        let is_id = value.parse::<uuid::Uuid>().is_ok();
        (is_id || matches!(name.as_str(), "reason" | "operation")).then(|| (name.clone(), value.to_owned()))
    })
}
