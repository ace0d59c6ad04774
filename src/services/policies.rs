//! Bringing a policy bundle into force, and reading what is.
//!
//! Files propose. The first bundle is accepted when the server first starts; after that a changed one waits until it is accepted, except in
//! the demo. Every acceptance is audited.

use crate::crypto::digest::sha256_hex;
use crate::domain::access::{Caller, Permit, ReadPolicies};
use crate::domain::audit::{Entry, Event};
use crate::domain::id::{EntryId, uuid_v7};
use crate::domain::time::Clock;
use crate::policy::bundle::{Bundle, BundleError, Files};
use crate::services::error::ServiceError;
use crate::services::{PolicyInForce, Services};
use crate::storage::database::Database;
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
    tx.commit_with(&entry.with("replaces", accepted.map(|a| a.digest))).await?;
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
    let bundle = Bundle::check(files_of(accepted)?).map_err(|e| ServiceError::Internal(e.to_string()))?;
    Ok(PolicyInForce { bundle: Arc::new(bundle), accepted_at: accepted.accepted_at })
}

/// Follows what is accepted while the server runs, so that new words and rules hold without a restart.
pub fn follow_accepted(services: &Arc<Services>, every: Duration) {
    let services = Arc::downgrade(services);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Some(services) = services.upgrade() else { return };
            if let Err(error) = services.follow_accepted_policies().await {
                tracing::error!(%error, "the accepted policies could not be read; those in force stay");
            }
        }
    });
}

impl Services {
    /// Obeys the bundle that was accepted last, if it is not the one in force.
    async fn follow_accepted_policies(&self) -> Result<(), ServiceError> {
        let latest = policies::latest(self.database.read().await?.tx()).await?;
        let Some(latest) = latest.filter(|latest| latest.digest != self.policy().bundle.digest()) else { return Ok(()) };
        let loaded = in_force(&latest)?;
        tracing::info!(digest = latest.digest, "other policies were accepted and are in force now");
        match self.policy.write() {
            Ok(mut held) => *held = loaded,
            Err(poisoned) => *poisoned.into_inner() = loaded,
        }
        self.ask_about_new_words().await
    }

    /// The bundle in force, read on the record.
    ///
    /// # Errors
    /// If the read cannot be audited.
    pub async fn policies(&self, permit: &Permit<ReadPolicies>) -> Result<PolicyInForce, ServiceError> {
        let in_force = self.policy();
        self.record(self.entry(Event::PoliciesRead, permit.caller())?.with("digest", in_force.bundle.digest())).await?;
        Ok(in_force)
    }
}
