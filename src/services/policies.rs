//! Bringing a policy bundle into force, and reading what is.
//!
//! Files propose. The first bundle is accepted when the server first starts; after that a changed one waits until it is accepted, except in
//! the demo. Every acceptance is audited.

use crate::crypto::digest::sha256_hex;
use crate::domain::access::{Caller, Permit, ReadPolicies};
use crate::domain::audit::{Entry, Event, Server};
use crate::domain::consent::TextShown;
use crate::domain::id::{EntryId, uuid_v7};
use crate::domain::time::Clock;
use crate::domain::time::Timestamp;
use crate::policy::bundle::{Bundle, BundleError, Files};
use crate::policy::catalogue::former_words;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::services::{PolicyInForce, Services};
use crate::storage::audit::NewEntry;
use crate::storage::database::{Database, Tx};
use crate::storage::policies::{self, AcceptedBundle};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Decides which bundle is obeyed from now on: the proposed one if it is new and may be accepted, else the one accepted before.
///
/// # Errors
/// If a stored bundle cannot be used any more, or the acceptance not be kept.
pub async fn bring_into_force(
    database: &Database,
    proposed: Result<Bundle, BundleError>,
    accept_changes: bool,
    clock: &dyn Clock,
    entropy: &dyn crate::crypto::entropy::Entropy,
    server: Server,
) -> Result<PolicyInForce, ServiceError> {
    let (accepted, known) = {
        let mut read = database.read().await?;
        (policies::latest(read.tx()).await?, known_texts(&policies::all(read.tx()).await?)?)
    };
    let proposed = proposed.and_then(|bundle| bundle.check_unedited(&known).map(|()| bundle));
    let proposed = match (proposed, &accepted) {
        // whoever asked for it to be accepted must learn that it was not
        (Err(error), _) if accept_changes => return Err(ServiceError::Internal(format!("the policies cannot be used: {error}"))),
        (Ok(proposed), _) => proposed,
        (Err(error), None) => return Err(ServiceError::Internal(format!("the policies cannot be used: {error}"))),
        (Err(error), Some(accepted)) => {
            tracing::error!(%error, in_force = accepted.digest, "the policy files cannot be used; the accepted bundle stays in force");
            return in_force(accepted);
        }
    };
    if let Some(accepted) = &accepted {
        if accepted.digest == proposed.digest() {
            return Ok(PolicyInForce { bundle: Arc::new(proposed), accepted_at: accepted.accepted_at });
        }
        if !accept_changes {
            tracing::warn!(
                proposed = proposed.digest(),
                in_force = accepted.digest,
                "the policy files differ from the accepted bundle, which stays in force until `bedside policy accept`"
            );
            return in_force(accepted);
        }
    }
    let accepted_at = clock.now();
    let content = serde_json::to_string(proposed.files()).map_err(|e| ServiceError::Internal(e.to_string()))?;
    let mut random = [0_u8; 10];
    entropy.fill(&mut random)?;
    let entry = Entry::new(
        EntryId::from_uuid(uuid_v7(accepted_at, random)),
        accepted_at,
        Event::PolicyAccepted,
        &Caller::system(),
        proposed.digest(),
    );
    let new_texts: serde_json::Map<String, serde_json::Value> = proposed
        .consent_texts()
        .iter()
        .filter(|text| !known.contains_key(&text.path))
        .map(|text| (text.path.clone(), text.digest.clone().into()))
        .collect();
    let entry = entry.with("consent_texts", new_texts);
    let mut tx = database.begin().await?;
    policies::accept(tx.tx(), &AcceptedBundle { digest: proposed.digest().to_owned(), content, accepted_at }).await?;
    let mut entry = entry.with("replaces", accepted.map(|a| a.digest));
    entry.server = server;
    let entry = NewEntry::plain(entry).ok_or_else(|| ServiceError::Internal("the server has no address of its own".to_owned()))?;
    tx.commit_with(&entry).await?;
    Ok(PolicyInForce { bundle: Arc::new(proposed), accepted_at })
}

/// The digest of every consent text that was ever accepted, by its path. A bundle that is not the one its digest names is not believed.
fn known_texts(accepted: &[AcceptedBundle]) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut known = BTreeMap::new();
    for bundle in accepted {
        for (path, content) in files_of(bundle)?.iter().filter(|(path, _)| path.starts_with("consent/")) {
            known.insert(path.to_owned(), sha256_hex(content.as_bytes()));
        }
    }
    Ok(known)
}

fn files_of(accepted: &AcceptedBundle) -> Result<Files, ServiceError> {
    let files: Files = serde_json::from_str(&accepted.content).map_err(|e| ServiceError::Internal(e.to_string()))?;
    if files.digest() == accepted.digest { Ok(files) } else { Err(ServiceError::Integrity) }
}

fn in_force(accepted: &AcceptedBundle) -> Result<PolicyInForce, ServiceError> {
    let bundle = Bundle::check(files_of(accepted)?).map_err(|e| {
        ServiceError::Internal(format!(
            "the policies that were accepted cannot be used by this version of the program ({e}): run `bedside policy accept` once to bring the present files into force"
        ))
    })?;
    Ok(PolicyInForce { bundle: Arc::new(bundle), accepted_at: accepted.accepted_at })
}

/// Follows what is accepted while the server runs, so that new words and rules hold without a restart.
pub fn follow_accepted(services: &Arc<Services>, every: Duration) {
    let services = Arc::downgrade(services);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut unasked = false;
        loop {
            ticks.tick().await;
            let Some(services) = services.upgrade() else { return };
            match services.follow_accepted_policies().await {
                Ok(changed) => unasked |= changed,
                Err(error) => tracing::error!(%error, "the accepted policies could not be read; those in force stay"),
            }
            // until everyone was asked whose words were replaced
            if unasked {
                match services.ask_about_new_words().await {
                    Ok(()) => unasked = false,
                    Err(error) => tracing::error!(%error, "those whose consent text was replaced could not be asked yet"),
                }
            }
        }
    });
}

/// A consent text and the time since which it was accepted.
pub struct AcceptedText {
    /// Name.
    pub text: String,
    /// Version.
    pub version: String,
    /// Language.
    pub language: String,
    /// SHA-256 of its file, lower-case hex.
    pub digest: String,
    /// Heading.
    pub title: String,
    /// The words.
    pub body: String,
    /// The bundle it first came with.
    pub policy_digest: String,
    /// When that was accepted.
    pub from: Timestamp,
    /// When a bundle without it, or with a newer version of it, was accepted.
    pub until: Option<Timestamp>,
}

impl Services {
    /// Obeys the bundle that was accepted last, if it is not the one in force.
    async fn follow_accepted_policies(&self) -> Result<bool, ServiceError> {
        let latest = policies::latest(self.database.read().await?.tx()).await?;
        let Some(latest) = latest.filter(|latest| latest.digest != self.policy().bundle.digest()) else { return Ok(false) };
        let loaded = in_force(&latest)?;
        tracing::info!(digest = latest.digest, "other policies were accepted and are in force now");
        match self.policy.write() {
            Ok(mut held) => *held = loaded,
            Err(poisoned) => *poisoned.into_inner() = loaded,
        }
        Ok(true)
    }

    /// Every consent text that was ever accepted, with the time it was in force; oldest first.
    pub(crate) async fn accepted_texts(&self, tx: &mut Tx) -> Result<Vec<AcceptedText>, ServiceError> {
        let mut texts: Vec<AcceptedText> = Vec::new();
        for bundle in policies::all(tx).await? {
            let files = files_of(&bundle)?;
            let here: BTreeMap<&str, &str> = files.iter().filter(|(path, _)| path.starts_with("consent/")).collect();
            let newest = |name: &str| {
                let versions =
                    here.keys().filter_map(|path| path.strip_prefix("consent/")?.split_once('/').filter(|(text, _)| *text == name));
                versions.filter_map(|(_, rest)| rest.split('/').next()?.parse::<u32>().ok()).max()
            };
            for text in texts.iter_mut().filter(|t| t.until.is_none()) {
                if text.version.parse().ok() != newest(&text.text) || !here.contains_key(path_of(text).as_str()) {
                    text.until = Some(bundle.accepted_at);
                }
            }
            for (path, content) in &here {
                let parts: Vec<&str> = path.split('/').collect();
                let [_, name, version, file] = parts[..] else { continue };
                let language = file.trim_end_matches(".md");
                let known = texts.iter().any(|t| t.text == name && t.version == version && t.language == language && t.until.is_none());
                if known || newest(name) != version.parse().ok() {
                    continue;
                }
                let (title, body) = former_words(content).ok_or(ServiceError::Integrity)?;
                texts.push(AcceptedText {
                    text: name.to_owned(),
                    version: version.to_owned(),
                    language: language.to_owned(),
                    digest: sha256_hex(content.as_bytes()),
                    title,
                    body,
                    policy_digest: bundle.digest.clone(),
                    from: bundle.accepted_at,
                    until: None,
                });
            }
        }
        Ok(texts)
    }

    /// The file of a consent text as it was accepted, whenever that was.
    pub(crate) async fn text_file(&self, tx: &mut Tx, shown: &TextShown) -> Result<Option<String>, ServiceError> {
        let path = format!("consent/{}/{}/{}.md", shown.text, shown.version, shown.language);
        let same = |content: &&str| sha256_hex(content.as_bytes()) == shown.digest;
        let bundle = self.policy().bundle;
        if let Some((_, content)) = bundle.files().iter().find(|(at, content)| *at == path && same(content)) {
            return Ok(Some(content.to_owned()));
        }
        for accepted in policies::all(tx).await?.iter().rev() {
            if let Some((_, content)) = files_of(accepted)?.iter().find(|(at, content)| *at == path && same(content)) {
                return Ok(Some(content.to_owned()));
            }
        }
        Ok(None)
    }

    /// The bundle in force, read on the record.
    ///
    /// # Errors
    /// If the read cannot be audited.
    pub async fn policies(&self, permit: &Permit<ReadPolicies>) -> Result<Recorded<PolicyInForce>, ServiceError> {
        let in_force = self.policy();
        let entry = self.entry(Event::PoliciesRead, permit.caller())?.with("digest", in_force.bundle.digest());
        self.recorded(entry, in_force).await
    }
}

fn path_of(text: &AcceptedText) -> String {
    format!("consent/{}/{}/{}.md", text.text, text.version, text.language)
}
