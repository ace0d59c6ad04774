//! Handing the log on to places outside as it grows: entries to collectors, checkpoints to those who keep them.
//!
//! The process that gives entries their place does it. A place is sent entries in their order, is waited for, and is sent again what it did
//! not take; how far it is, is noted after that. So it misses none, may see one twice (ids and places tell), and nobody else waits for it.

use crate::domain::access::{Permit, ReadAudit};
use crate::domain::audit::Outcome;
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
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Entries in one batch.
const BATCH: u64 = 256;
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

    fn failed(&self, name: &str, error: &FeedError, now: Timestamp) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let known = trouble.get(name).map(|t| t.since);
        if known.is_none() {
            tracing::warn!(feed = name, %error, "the log cannot be handed on; it is tried again");
        }
        trouble.insert(name.to_owned(), Trouble { since: known.unwrap_or(now), error: error.to_string() });
    }

    fn works(&self, name: &str) {
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).remove(name).is_some() {
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

/// How long until the next try.
struct Patience(Duration);

impl Patience {
    const fn new() -> Self {
        Self(FIRST_WAIT)
    }

    async fn wait(&mut self, error: &FeedError) {
        let asked = match error {
            FeedError::Refused { wait: Some(wait), .. } => *wait,
            _ => Duration::ZERO,
        };
        tokio::time::sleep(self.0.max(asked)).await;
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
    }
}

/// Begins handing on, for as long as there are services.
pub fn hand_on(services: &Arc<Services>) {
    for config in services.forwarding.feeds.clone() {
        let services = Arc::downgrade(services);
        tokio::spawn(async move {
            let mut feed = None;
            loop {
                let Some(services) = services.upgrade() else { return };
                if services.sequencer.leads() {
                    let feed = feed.get_or_insert_with(|| Feed::new(config.clone()));
                    feed.step(&services).await;
                } else {
                    feed = None;
                    drop(services);
                    tokio::time::sleep(LOOK).await;
                }
            }
        });
    }
    for config in services.forwarding.copies.clone() {
        let services = Arc::downgrade(services);
        tokio::spawn(async move {
            let every = Duration::from_secs(u64::from(config.every_seconds));
            let mut patience = Patience::new();
            loop {
                let Some(services) = services.upgrade() else { return };
                let copied = if services.sequencer.leads() { services.copy_checkpoint(&config).await } else { Ok(()) };
                match copied {
                    Ok(()) => {
                        services.forwarding.works(&config.name);
                        drop(services);
                        patience = Patience::new();
                        tokio::time::sleep(every).await;
                    }
                    Err(error) => {
                        services.forwarding.failed(&config.name, &error, services.now());
                        drop(services);
                        patience.wait(&error).await;
                    }
                }
            }
        });
    }
}

/// One place that entries go to.
struct Feed {
    config: FeedConfig,
    outlet: Option<Outlet>,
    /// What was sent, and from where it is sent again if the connection breaks off.
    sent: Option<u64>,
    /// Batches that count once the connection has lasted until then.
    lasting: VecDeque<(Instant, u64)>,
    patience: Patience,
}

impl Feed {
    const fn new(config: FeedConfig) -> Self {
        Self { config, outlet: None, sent: None, lasting: VecDeque::new(), patience: Patience::new() }
    }

    /// Hands the next batch on, or waits for one.
    async fn step(&mut self, services: &Arc<Services>) {
        match self.try_step(services).await {
            Ok(true) => {
                services.forwarding.works(&self.config.name);
                self.patience = Patience::new();
            }
            Ok(false) => tokio::time::sleep(GATHER).await,
            Err(error) => {
                services.forwarding.failed(&self.config.name, &error, services.now());
                (self.outlet, self.sent) = (None, None);
                self.lasting.clear();
                self.patience.wait(&error).await;
            }
        }
    }

    /// Gives whether there was something to do.
    async fn try_step(&mut self, services: &Arc<Services>) -> Result<bool, FeedError> {
        let database = |error: ServiceError| FeedError::Unreachable(format!("the log: {error}"));
        let from = if let Some(sent) = self.sent {
            sent
        } else {
            services.position(&self.config.name).await.map_err(database)?.map_or(0, |(position, _)| position)
        };
        self.sent = Some(from);
        let outlet = match &mut self.outlet {
            Some(outlet) => outlet,
            none => none.insert(Outlet::new(&self.config, &services.server().name)?),
        };
        outlet.look().await?;
        let now = Instant::now();
        let mut lasted = None;
        while self.lasting.front().is_some_and(|(at, _)| *at <= now) {
            lasted = self.lasting.pop_front().map(|(_, to)| to);
        }
        if let Some(to) = lasted {
            services.advance(&self.config.name, to, None).await.map_err(database)?;
        }
        let batch = services.lines(&self.config, from).await.map_err(database)?;
        let Some(last) = batch.last() else { return Ok(false) };
        let to = last.index + 1;
        match outlet.send(&batch).await? {
            Delivered::Confirmed => services.advance(&self.config.name, to, None).await.map_err(database)?,
            Delivered::IfItLasts(long) => self.lasting.push_back((Instant::now() + long, to)),
        }
        self.sent = Some(to);
        Ok(true)
    }
}

impl Services {
    /// The places outside, and how it goes with each.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn places(&self, _permit: &Permit<ReadAudit>) -> Result<Vec<Place>, ServiceError> {
        let feeds = self.forwarding.feeds.iter().map(|f| (&f.name, &f.to, false));
        let copies = self.forwarding.copies.iter().map(|c| (&c.name, &c.to, true));
        let mut places = Vec::new();
        for (name, to, keeps_checkpoints) in feeds.chain(copies) {
            let position = self.position(name).await?;
            places.push(Place {
                name: name.clone(),
                to: host(to),
                keeps_checkpoints,
                position: position.map_or(0, |(position, _)| position),
                updated_at: position.map(|(_, at)| at),
                trouble: self.forwarding.trouble(name),
            });
        }
        Ok(places)
    }

    async fn position(&self, name: &str) -> Result<Option<(u64, Timestamp)>, ServiceError> {
        Ok(audit_feeds::position(self.database.read().await?.tx(), name).await?)
    }

    async fn advance(&self, name: &str, to: u64, cosigned: Option<(&str, &str)>) -> Result<(), ServiceError> {
        let tx = self.database.begin_sequencing().await?;
        Ok(audit_feeds::advance(tx, name, to, self.now(), cosigned).await?)
    }

    /// The next entries for a place; only what is under a signed checkpoint, and marked.
    async fn lines(&self, config: &FeedConfig, from: u64) -> Result<Vec<Line>, ServiceError> {
        let to = self.sequencer.progress().findable.min(from + BATCH);
        if to <= from {
            return Ok(Vec::new());
        }
        let mut read = self.database.read_much().await?;
        let stored = audit::range(read.tx(), from, to).await?;
        let found = self.found(read.tx(), stored).await?;
        Ok(found.into_iter().map(|found| line(found, config)).collect())
    }

    /// Copies the newest checkpoint to a place, if the log has grown since.
    async fn copy_checkpoint(&self, config: &CopyConfig) -> Result<(), FeedError> {
        let log = |error: ServiceError| FeedError::Unreachable(format!("the log: {error}"));
        let keeper = Keeper::new(config)?;
        let mut seen = self.position(&config.name).await.map_err(log)?.map_or(0, |(position, _)| position);
        let newest = self.checkpoint().await.map_err(log)?;
        if newest.size <= seen {
            return Ok(());
        }
        // a witness may have seen more of the log than is noted here, after a copy that was not noted; it says so once
        for second in [false, true] {
            let grown = if keeper.is_witness() {
                let mut read = self.database.read().await.map_err(|e| log(e.into()))?;
                let proof = if seen == 0 { Vec::new() } else { prove_growth(read.tx(), newest.size, seen).await.map_err(log)? };
                Some((seen, proof))
            } else {
                None
            };
            match keeper.keep(&Copy { size: newest.size, note: newest.note.clone(), at: self.now(), grown }).await {
                Err(FeedError::OtherSize(size)) if !second && size <= newest.size => seen = size,
                Err(error) => return Err(error),
                Ok(cosigned) => {
                    let noted = cosigned.map(|(witness, line)| (witness, format!("{}{line}\n", newest.note)));
                    let noted = noted.as_ref().map(|(witness, note)| (witness.as_str(), note.as_str()));
                    return self.advance(&config.name, newest.size, noted).await.map_err(log);
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
