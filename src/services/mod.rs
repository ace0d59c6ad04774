//! Floor 2: the operations. Each takes a permit, does one thing, and commits it with its audit entry.

pub mod access;
pub mod accounts;
pub mod audit;
pub mod audit_feeds;
pub mod bundle;
pub mod ceremonies;
pub mod consent_registers;
pub mod consents;
pub mod consultations;
pub mod csv;
pub mod custody;
pub mod emergency;
pub mod entries;
pub mod erasure;
pub mod error;
pub mod events;
pub mod findable;
pub mod forwarding;
pub mod invitations;
pub mod log_reviews;
pub mod oversight;
pub mod participants;
pub mod passwords;
pub mod patients;
pub mod playback;
pub mod policies;
pub mod proofs;
pub mod protective;
pub mod receipts;
pub mod recorded;
pub mod recordings;
pub mod reports;
pub mod retention;
pub mod second_factors;
pub mod sequencer;
pub mod sign_in;
pub mod sign_in_sessions;
pub mod single_sign_on;
pub mod spool;
pub mod throttle;

use crate::crypto::entropy::{Entropy, EntropyError};
use crate::crypto::key_ring::KeyRing;
use crate::crypto::password::Passwords;
use crate::crypto::signing::LogSigner;
use crate::domain::access::Caller;
use crate::domain::audit::{Entry, Event};
use crate::domain::id::{ConsultationId, EntryId, SignInSessionId, uuid_v7};
use crate::domain::time::{Clock, Timestamp};
use crate::identity::passkeys::Passkeys;
use crate::identity::provider::Provider;
use crate::policy::bundle::Bundle;
use crate::services::ceremonies::Ceremonies;
use crate::services::error::ServiceError;
use crate::services::events::{Events, Happened};
use crate::services::sequencer::{Sequencer, Waiting};
use crate::services::throttle::Throttle;
use crate::storage::database::{Database, WriteTx, commit_failed, commit_is_tried, waited, with_patience_left};
use crate::storage::error::StorageError;
use crate::storage::recording_files::RecordingFiles;
use std::sync::{Arc, RwLock};
use std::time::Instant;
use tokio::sync::broadcast;
use uuid::Uuid;

/// What an installation is called and how long things last in it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The clinic's name, shown to patients.
    pub clinic_name: String,
    /// Scheme, host and port under which browsers reach this server, without a final slash.
    pub public_origin: String,
    /// Whether this is a demo.
    pub demo: bool,
    /// Which of several servers this is.
    pub node: String,
}

/// The policy bundle that is obeyed, and since when.
#[derive(Clone)]
pub struct PolicyInForce {
    /// The bundle.
    pub bundle: Arc<Bundle>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// Everything an operation needs. One for the whole server.
pub struct Services {
    /// The database.
    pub(crate) database: Database,
    /// Sealed recordings.
    pub(crate) files: RecordingFiles,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The key ring.
    pub(crate) keys: KeyRing,
    /// The log's signing key.
    pub(crate) signer: Arc<LogSigner>,
    /// The password hasher.
    pub(crate) passwords: Passwords,
    /// Makes and checks passkeys, where the server has a name that browsers make them for.
    pub(crate) passkeys: Option<Passkeys>,
    /// Identity providers.
    pub(crate) providers: Vec<Provider>,
    /// What waits for a browser's answer.
    pub(crate) ceremonies: Ceremonies,
    /// Who tried too often.
    pub(crate) throttle: Throttle,
    /// The bundle in force.
    pub(crate) policy: RwLock<PolicyInForce>,
    /// Gives entries their place.
    pub(crate) sequencer: Sequencer,
    /// Protective acts that wait to be written down.
    pub(crate) spool: Arc<spool::Spool>,
    /// The places outside that the log is handed on to.
    pub(crate) forwarding: forwarding::Forwarding,
    /// What is believed while the database says nothing.
    pub(crate) last_known: protective::LastKnown,
    /// What sealing entries needs again and again.
    pub(crate) known: entries::Known,
    /// What floors above must learn.
    pub events: Arc<Events>,
    /// Names and durations.
    pub settings: Settings,
    /// Sign-in sessions as they end, for the connections that live on them.
    pub ended_sessions: broadcast::Sender<SignInSessionId>,
    /// When staff were last active, by sign-in session.
    pub(crate) activity: sign_in::Activity,
}

impl Services {
    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets another process extend the log, and closes the database.
    pub async fn close(&self) {
        self.sequencer.step_down(&self.database).await;
        self.spool.release();
        self.database.close().await;
    }

    /// The bundle in force.
    #[must_use]
    pub fn policy(&self) -> PolicyInForce {
        match self.policy.read() {
            Ok(held) => held.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// The log's verifier key, to be published.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        self.signer.verifier_key()
    }

    /// A fresh version 7 UUID.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new_uuid(&self) -> Result<Uuid, EntropyError> {
        let mut random = [0_u8; 10];
        self.entropy.fill(&mut random)?;
        Ok(uuid_v7(self.now(), random))
    }

    /// Begins the entry for `event`.
    pub(crate) fn entry(&self, event: Event, caller: &Caller) -> Result<Entry, ServiceError> {
        let id = EntryId::from_uuid(self.new_uuid()?);
        let entry = Entry::new(id, self.now(), event, caller, self.policy().bundle.digest());
        Ok(match protective::took_effect() {
            Some(at) => entry.with("took_effect_at", at.to_string()),
            None => entry,
        })
    }

    /// Commits a change with its entry; a critical one waits until a signed checkpoint covers it.
    pub(crate) async fn commit(&self, tx: WriteTx, entry: Entry) -> Result<(), ServiceError> {
        self.commit_all(tx, std::slice::from_ref(&entry)).await
    }

    /// As [`Services::commit`], for a change that is several events.
    pub(crate) async fn commit_all(&self, mut tx: WriteTx, entries: &[Entry]) -> Result<(), ServiceError> {
        let ready = self.ready(&mut tx, entries).await?;
        let covered = self.awaited(entries);
        tx.commit_with_all(&ready.entries).await?;
        protective::is_committed();
        self.committed(ready);
        self.all_covered(covered).await
    }

    /// As [`Services::commit_all`], and tells the floors above as soon as it is committed. Once begun, this is carried through even if the
    /// one who asked goes away; and it is told even if the checkpoint is late.
    pub(crate) async fn commit_telling(
        &self,
        mut tx: WriteTx,
        entries: Vec<Entry>,
        consultation: ConsultationId,
        happened: Happened,
    ) -> Result<(), ServiceError> {
        let ready = self.ready(&mut tx, &entries).await?;
        let covered = self.awaited(&entries);
        let events = Arc::clone(&self.events);
        commit_is_tried();
        let began = Instant::now();
        let carried = tokio::spawn(with_patience_left(async move {
            tx.commit_with_all(&ready.entries).await?;
            events.publish(consultation, happened);
            Ok::<_, StorageError>(ready)
        }));
        let carried = carried.await;
        waited(began);
        let ready = carried.map_err(|e| ServiceError::Internal(e.to_string()))?.inspect_err(commit_failed)?;
        protective::is_committed();
        self.committed(ready);
        self.all_covered(covered).await
    }

    /// Those of the entries whose checkpoint is waited for. Must be asked before they are committed.
    fn awaited(&self, entries: &[Entry]) -> Vec<Waiting> {
        entries.iter().filter(|entry| entry.critical).map(|entry| self.sequencer.wait_for(entry.id)).collect()
    }

    async fn all_covered(&self, covered: Vec<Waiting>) -> Result<(), ServiceError> {
        for waiting in covered {
            waiting.covered(&self.database).await?;
        }
        Ok(())
    }

    /// Drops a change and keeps only the entry that says why.
    pub(crate) async fn refuse(&self, tx: WriteTx, entry: Entry) -> Result<(), ServiceError> {
        tx.rollback().await?;
        self.record(entry).await
    }

    /// Records something that changed nothing else. A read that gives something back goes through [`Services::recorded`].
    pub(crate) async fn record(&self, entry: Entry) -> Result<(), ServiceError> {
        let tx = self.database.begin().await?;
        self.commit(tx, entry).await
    }
}
