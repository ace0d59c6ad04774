//! Handing the log on to places outside as it grows: entries to collectors, checkpoints to those who keep them.
//!
//! The process that gives entries their place does it. A place is sent entries in their order, is waited for, and is sent again what it did
//! not take; how far it is, is noted after that. So it misses none, may see one twice (ids and places tell), and nobody else waits for it.

use crate::crypto::digest::{hex, sha256};
use crate::crypto::tree::leaf_hash;
use crate::domain::access::{Caller, Permit, ReadAudit};
use crate::domain::audit::{Event, Outcome};
use crate::domain::time::Timestamp;
use crate::feeds::FeedError;
use crate::feeds::checkpoints::{Copy, Keeper};
use crate::feeds::entries::{Delivered, Line, Outlet, Weight};
use crate::feeds::settings::{CopyConfig, FeedConfig, Format, check_names};
use crate::services::Services;
use crate::services::audit::FoundEntry;
use crate::services::audit_feeds::{as_line, cef};
use crate::services::error::ServiceError;
use crate::services::proofs::prove_growth;
use crate::storage::{audit, audit_feeds};
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Entries in one batch.
const BATCH: u64 = 256;
/// No batch is larger, unless one entry is.
const BATCH_BYTES: usize = 512 * 1024;
/// Entries are gathered for so long, so that a quiet log is not handed on one by one.
const GATHER: Duration = Duration::from_millis(200);
/// After a failure it is tried again, at first so soon and then ever later.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The latest.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// How often a process that does not lead looks whether it does.
const LOOK: Duration = Duration::from_secs(1);

/// The places outside, and how it goes with each.
#[derive(Default)]
pub struct Forwarding {
    feeds: Vec<FeedConfig>,
    copies: Vec<CopyConfig>,
    trouble: Mutex<HashMap<String, Trouble>>,
}

/// What is wrong with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub error: String,
    /// Whether the place saw another log than this one. That does not pass by itself.
    pub contradiction: bool,
}

/// How it goes with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// Host or folder it is at.
    pub to: String,
    /// Whether it is sent checkpoints, and not entries.
    pub keeps_checkpoints: bool,
    /// How many entries it has, or are covered by the newest checkpoint it has.
    pub position: u64,
    /// Since when.
    pub updated_at: Option<Timestamp>,
    /// What is wrong, if anything is.
    pub trouble: Option<Trouble>,
}

impl Forwarding {
    /// Checks what is set, as far as that can be done without a connection.
    ///
    /// # Errors
    /// [`FeedError::Settings`].
    pub fn new(feeds: Vec<FeedConfig>, copies: Vec<CopyConfig>) -> Result<Self, FeedError> {
        check_names(feeds.iter().map(|f| f.name.as_str()).chain(copies.iter().map(|c| c.name.as_str())))?;
        for feed in &feeds {
            Outlet::new(feed, "")?;
        }
        for copy in &copies {
            Keeper::new(copy)?;
        }
        Ok(Self { feeds, copies, trouble: Mutex::default() })
    }

    /// Notes what is wrong with a place; says whether that is new.
    fn failed(&self, name: &str, error: &FeedError, now: Timestamp) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let contradiction = error.contradicts();
        match trouble.get_mut(name) {
            Some(known) if known.contradiction => false,
            Some(known) => {
                known.error = error.to_string();
                let new = contradiction && !known.contradiction;
                known.contradiction = contradiction;
                new
            }
            None => {
                tracing::warn!(feed = name, %error, "the log cannot be handed on; it is tried again");
                trouble.insert(name.to_owned(), Trouble { since: now, error: error.to_string(), contradiction });
                true
            }
        }
    }

    fn works(&self, name: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.get(name).is_some_and(|known| !known.contradiction) {
            trouble.remove(name);
            tracing::info!(feed = name, "the log is handed on again");
        }
    }

    fn trouble(&self, name: &str) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Where a place is, without what could be a secret in its address.
fn host(to: &str) -> String {
    let (scheme, rest) = to.split_once("://").unwrap_or(("", to));
    if scheme == "file" {
        return rest.to_owned();
    }
    format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default())
}

/// What a place is known by: its name and where it is, so that another place of the same name begins anew.
fn key(name: &str, to: &str) -> String {
    let digest = hex(&sha256(&[to.as_bytes()]));
    format!("{name}/{}", &digest[..12])
}

/// How long until the next try.
struct Patience(Duration);

impl Patience {
    const fn new() -> Self {
        Self(FIRST_WAIT)
    }

    fn after(&mut self, error: &FeedError) -> Duration {
        let asked = match error {
            FeedError::Refused { wait: Some(wait), .. } => *wait,
            _ => Duration::ZERO,
        };
        let wait = self.0.max(asked);
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
        wait
    }
}

/// Begins handing on, for as long as there are services.
pub fn hand_on(services: &Arc<Services>) {
    for config in services.forwarding.feeds.clone() {
        let services = Arc::downgrade(services);
        tokio::spawn(async move {
            let mut feed = None;
            loop {
                let wait = match services.upgrade() {
                    None => return,
                    Some(services) if services.sequencer.leads() => {
                        feed.get_or_insert_with(|| Feed::new(config.clone())).step(&services).await
                    }
                    Some(_) => {
                        feed = None;
                        LOOK
                    }
                };
                tokio::time::sleep(wait).await;
            }
        });
    }
    for config in services.forwarding.copies.clone() {
        let services = Arc::downgrade(services);
        tokio::spawn(async move {
            let mut patience = Patience::new();
            loop {
                let wait = match services.upgrade() {
                    None => return,
                    Some(services) if services.sequencer.leads() => services.copy_step(&config, &mut patience).await,
                    Some(_) => LOOK,
                };
                tokio::time::sleep(wait).await;
            }
        });
    }
}

/// One place that entries go to.
struct Feed {
    key: String,
    config: FeedConfig,
    outlet: Option<Outlet>,
    /// What was sent, and from where it is sent again if the connection breaks off.
    sent: Option<u64>,
    /// Entries in a batch: fewer after one that was not taken, for a place that takes only small ones.
    most: u64,
    /// Batches that count once the connection has lasted until then.
    lasting: VecDeque<(Instant, u64)>,
    patience: Patience,
}

impl Feed {
    fn new(config: FeedConfig) -> Self {
        let key = key(&config.name, &config.to);
        Self { key, config, outlet: None, sent: None, most: BATCH, lasting: VecDeque::new(), patience: Patience::new() }
    }

    /// Hands the next batch on; gives how long until the next step.
    async fn step(&mut self, services: &Arc<Services>) -> Duration {
        match self.try_step(services).await {
            Ok(taken) => {
                // nothing waits, or it was taken
                services.forwarding.works(&self.config.name);
                self.patience = Patience::new();
                let full = taken == self.most;
                if taken > 0 {
                    self.most = (self.most * 2).min(BATCH);
                }
                if full { Duration::ZERO } else { GATHER }
            }
            Err(error) => {
                services.forwarding.failed(&self.config.name, &error, services.now());
                (self.outlet, self.sent) = (None, None);
                self.lasting.clear();
                self.most = (self.most / 2).max(1);
                self.patience.after(&error)
            }
        }
    }

    /// Gives how many entries were handed on.
    async fn try_step(&mut self, services: &Arc<Services>) -> Result<u64, FeedError> {
        let database = |error: ServiceError| FeedError::Unreachable(format!("the log: {error}"));
        let from = match self.sent {
            Some(sent) => sent,
            None => services.position(&self.key).await.map_err(database)?.map_or(0, |(position, _)| position),
        };
        self.sent = Some(from);
        let outlet = match &mut self.outlet {
            Some(outlet) => outlet,
            none => none.insert(Outlet::new(&self.config, &services.server().name)?),
        };
        if let Err(ended) = outlet.look().await {
            // a connection that ends while nothing is underway is no trouble
            if !self.lasting.is_empty() {
                return Err(ended);
            }
        }
        let now = Instant::now();
        let mut lasted = None;
        while self.lasting.front().is_some_and(|(at, _)| *at <= now) {
            lasted = self.lasting.pop_front().map(|(_, to)| to);
        }
        if let Some(to) = lasted {
            services.advance(&self.key, to, None).await.map_err(database)?;
        }
        let batch = services.lines(&self.config, from, self.most).await.map_err(database)?;
        let Some(last) = batch.last() else { return Ok(0) };
        let to = last.index + 1;
        match outlet.send(&batch).await? {
            Delivered::Confirmed => services.advance(&self.key, to, None).await.map_err(database)?,
            Delivered::IfItLasts(long) => self.lasting.push_back((Instant::now() + long, to)),
        }
        self.sent = Some(to);
        Ok(u64::try_from(batch.len()).unwrap_or(0))
    }
}

impl Services {
    /// The places outside, and how it goes with each.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn places(&self, _permit: &Permit<ReadAudit>) -> Result<(Vec<Place>, u64), ServiceError> {
        let feeds = self.forwarding.feeds.iter().map(|f| (&f.name, &f.to, false));
        let copies = self.forwarding.copies.iter().map(|c| (&c.name, &c.to, true));
        let mut places = Vec::new();
        for (name, to, keeps_checkpoints) in feeds.chain(copies) {
            let position = self.position(&key(name, to)).await?;
            places.push(Place {
                name: name.clone(),
                to: host(to),
                keeps_checkpoints,
                position: position.map_or(0, |(position, _)| position),
                updated_at: position.map(|(_, at)| at),
                trouble: self.forwarding.trouble(name),
            });
        }
        Ok((places, self.checkpoint().await?.size))
    }

    async fn position(&self, name: &str) -> Result<Option<(u64, Timestamp)>, ServiceError> {
        Ok(audit_feeds::position(self.database.read_sequencing().await?.tx(), name).await?)
    }

    async fn advance(&self, name: &str, to: u64, cosigned: Option<(&str, &str)>) -> Result<(), ServiceError> {
        let tx = self.database.begin_sequencing().await?;
        Ok(audit_feeds::advance(tx, name, to, self.now(), cosigned).await?)
    }

    /// The next entries for a place; only what is under a signed checkpoint, and marked.
    async fn lines(&self, config: &FeedConfig, from: u64, most: u64) -> Result<Vec<Line>, ServiceError> {
        let to = self.sequencer.progress().findable.min(from + most);
        if to <= from {
            return Ok(Vec::new());
        }
        let mut read = self.database.read_sequencing().await?;
        let stored = audit::range(read.tx(), from, to).await?;
        let mut all: Vec<Line> = match self.found(read.tx(), stored.clone()).await {
            Ok(found) => found.into_iter().map(|found| line(found, config)).collect(),
            Err(ServiceError::Integrity) => {
                // an entry that does not read any more is what such a system must hear of
                let mut lines = Vec::with_capacity(stored.len());
                for one in stored {
                    let (index, leaf) = (one.index.unwrap_or(0), hex(&leaf_hash(one.body.as_bytes())));
                    match self.found(read.tx(), vec![one]).await {
                        Ok(found) => lines.extend(found.into_iter().map(|found| line(found, config))),
                        Err(ServiceError::Integrity) => lines.push(unreadable(index, &leaf, self.now(), config.format)),
                        Err(other) => return Err(other),
                    }
                }
                lines
            }
            Err(other) => return Err(other),
        };
        let mut bytes = 0;
        let fits = all.iter().take_while(|line| {
            bytes += line.text.len();
            bytes <= BATCH_BYTES
        });
        let fitting = fits.count().max(1);
        all.truncate(fitting);
        Ok(all)
    }

    /// Copies a checkpoint if there is a newer one; gives how long until the next look. What contradicts the log is put on the record.
    async fn copy_step(&self, config: &CopyConfig, patience: &mut Patience) -> Duration {
        let Err(error) = self.copy_checkpoint(config).await else {
            self.forwarding.works(&config.name);
            *patience = Patience::new();
            return Duration::from_secs(u64::from(config.every_seconds));
        };
        let new = self.forwarding.failed(&config.name, &error, self.now());
        if new && error.contradicts() {
            tracing::error!(place = config.name, %error, "a place outside has another log than this one");
            let entry = self
                .entry(Event::AuditContradicted, &Caller::system())
                .map(|entry| entry.ended(Outcome::Failure).with("place", config.name.as_str()));
            match entry {
                Ok(entry) => drop(self.record(entry).await.inspect_err(|error| tracing::error!(%error, "that could not be recorded"))),
                Err(error) => tracing::error!(%error, "that could not be recorded"),
            }
        }
        patience.after(&error)
    }

    /// Copies the newest checkpoint to a place, if the log has grown since.
    async fn copy_checkpoint(&self, config: &CopyConfig) -> Result<(), FeedError> {
        let log = |error: ServiceError| FeedError::Unreachable(format!("the log: {error}"));
        let keeper = Keeper::new(config)?;
        let key = key(&config.name, &config.to);
        let mut seen = self.position(&key).await.map_err(log)?.map_or(0, |(position, _)| position);
        let newest = self.checkpoint().await.map_err(log)?;
        if newest.size <= seen {
            return Ok(());
        }
        // a witness may have seen more of the log than is noted here, after a copy that was not noted; it says so once
        for second in [false, true] {
            let grown = if keeper.is_witness() {
                let mut read = self.database.read_sequencing().await.map_err(|e| log(e.into()))?;
                let proof = if seen == 0 { Vec::new() } else { prove_growth(read.tx(), newest.size, seen).await.map_err(log)? };
                Some((seen, proof))
            } else {
                None
            };
            match keeper.keep(&Copy { size: newest.size, note: newest.note.clone(), at: self.now(), grown }).await {
                Err(FeedError::OtherSize(size)) if !second && size <= newest.size => seen = size,
                // it signed for more of this log than there is
                Err(FeedError::OtherSize(size)) if size > newest.size => {
                    return Err(FeedError::Occupied(format!("the witness saw {size} entries, and the log has {}", newest.size)));
                }
                Err(error) => return Err(error),
                Ok(cosigned) => {
                    let noted = cosigned.map(|(witness, line)| (witness, format!("{}{line}\n", newest.note)));
                    let noted = noted.as_ref().map(|(witness, note)| (witness.as_str(), note.as_str()));
                    return self.advance(&key, newest.size, noted).await.map_err(log);
                }
            }
        }
        Ok(())
    }
}

fn line(mut found: FoundEntry, config: &FeedConfig) -> Line {
    if !config.disclose {
        found.network = None;
        found.entry.agent.network = None;
    }
    let weight = match found.entry.outcome {
        Outcome::Failure => Weight::Notable,
        _ if !found.unusual.is_empty() => Weight::Notable,
        Outcome::Denied => Weight::Denied,
        Outcome::Success => Weight::Ordinary,
    };
    Line {
        index: found.index,
        at: found.entry.at.to_string(),
        event: found.entry.event.clone(),
        weight,
        text: match config.format {
            Format::Json => as_line(&found),
            Format::Cef => cef::line(&found, env!("CARGO_PKG_VERSION")),
        },
    }
}

/// An entry whose content does not read: its place and what it is now.
fn unreadable(index: u64, leaf_hash: &str, now: Timestamp, format: Format) -> Line {
    let text = match format {
        Format::Json => json!({"index": index, "leaf_hash": leaf_hash, "unreadable": true}).to_string(),
        Format::Cef => format!(
            "CEF:0|Bedside|Bedside|{}|audit.unreadable|entry unreadable|10|cn1={index} cn1Label=logIndex cs4={leaf_hash} cs4Label=leafHash",
            env!("CARGO_PKG_VERSION")
        ),
    };
    Line { index, at: now.to_string(), event: "audit.unreadable".to_owned(), weight: Weight::Notable, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_could_be_a_secret() {
        assert_eq!(host("https://siem.example:8088/ingest?token=secret"), "https://siem.example:8088");
        assert_eq!(host("syslog+tls://siem.example"), "syslog+tls://siem.example");
        assert_eq!(host("file:///mnt/worm"), "/mnt/worm");
    }
}
