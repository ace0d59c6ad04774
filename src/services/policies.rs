//! Bringing a policy bundle into force, and reading what is.
//!
//! Files propose. The first bundle is accepted when the server first starts; after that a changed one waits until it is accepted, except in
//! the demo. Every acceptance is audited.

use crate::domain::access::{Caller, Permit, ReadPolicies};
use crate::domain::audit::{Entry, Event};
use crate::domain::id::{EntryId, uuid_v7};
use crate::domain::time::Clock;
use crate::policy::bundle::{Bundle, BundleError, Files};
use crate::services::error::ServiceError;
use crate::services::{PolicyInForce, Services};
use crate::storage::database::Database;
use crate::storage::policies::{self, AcceptedBundle};
use std::sync::Arc;

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
    let accepted = policies::latest(database.read().await?.tx()).await?;
    let proposed = match (proposed, &accepted) {
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
    let mut tx = database.begin().await?;
    policies::accept(tx.tx(), &AcceptedBundle { digest: proposed.digest().to_owned(), content, accepted_at }).await?;
    tx.commit_with(&entry.with("replaces", accepted.map(|a| a.digest))).await?;
    Ok(PolicyInForce { bundle: Arc::new(proposed), accepted_at })
}

fn in_force(accepted: &AcceptedBundle) -> Result<PolicyInForce, ServiceError> {
    let files: Files = serde_json::from_str(&accepted.content).map_err(|e| ServiceError::Internal(e.to_string()))?;
    let bundle = Bundle::check(files).map_err(|e| ServiceError::Internal(e.to_string()))?;
    Ok(PolicyInForce { bundle: Arc::new(bundle), accepted_at: accepted.accepted_at })
}

impl Services {
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
