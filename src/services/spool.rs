//! Where protective acts wait: one file that had its full size from the beginning, so that a disk that is full still takes them.
//!
//! A record is its length (32 bits, big-endian), its nonce and ciphertext; a length of nothing ends the list. What waits is also kept in
//! memory, so that it is in effect for everything this process decides.

use crate::crypto::entropy::Entropy;
use crate::crypto::envelope::{SecretKey, open_value, seal_value};
use crate::domain::access::Caller;
use crate::domain::id::{AccountId, InvitationId, ParticipantId, SignInSessionId};
use crate::domain::time::Timestamp;
use crate::services::protective::Act;
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Size of the file.
const SIZE: u64 = 1 << 20;
/// No record is longer.
const LARGEST: usize = 64 * 1024;
/// What the records are sealed for.
const CONTEXT: &[u8] = b"bedside/spool";

/// An act that took effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) caller: Caller,
    pub(super) act: Act,
}

/// What waits to be written down, on the disk and in memory.
pub struct Spool {
    file: File,
    key: SecretKey,
    state: Mutex<State>,
    /// Held while the file is written. Whoever only asks what is in effect never waits for a disk.
    writing: Mutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: VecDeque<Record>,
    used: u64,
    sessions: HashSet<SignInSessionId>,
    accounts: HashSet<AccountId>,
    participants: HashSet<ParticipantId>,
    invitations: HashSet<InvitationId>,
}

impl Spool {
    /// Opens the spool in a folder, making it if there is none, and reads what waits.
    ///
    /// # Errors
    /// If it cannot be had, or holds what this key does not open.
    pub fn open(folder: &Path, key: SecretKey) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("protective.spool");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() < SIZE {
            // every block is there from now on, whatever becomes of the disk
            file.write_all_at(&vec![0; usize::try_from(SIZE).unwrap_or(0)], 0)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
        }
        let spool = Self { file, key, state: Mutex::default(), writing: Mutex::default() };
        spool.read_back()?;
        Ok(spool)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_back(&self) -> io::Result<()> {
        let file = &self.file;
        let mut state = self.lock();
        loop {
            let mut length = [0; 4];
            file.read_exact_at(&mut length, state.used)?;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0);
            if length == 0 {
                return Ok(());
            }
            let mut sealed = vec![0; length.min(LARGEST)];
            file.read_exact_at(&mut sealed, state.used + 4)?;
            let open =
                open_value(&self.key, &sealed, CONTEXT).map_err(|_| io::Error::other("the spool of protective acts does not open"))?;
            let record: Record = serde_json::from_slice(&open).map_err(io::Error::other)?;
            state.used += 4 + u64::try_from(length).unwrap_or(0);
            state.remember(&record.act);
            state.waiting.push_back(record);
        }
    }

    /// Adds a record and waits until it is on the disk.
    pub(super) fn push(&self, record: Record, entropy: &dyn Entropy) -> io::Result<()> {
        let file = &self.file;
        let open = serde_json::to_vec(&record).map_err(io::Error::other)?;
        let sealed = seal_value(&self.key, &open, CONTEXT, entropy).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).ok().filter(|l| usize::try_from(*l).is_ok_and(|l| l <= LARGEST));
        let length = length.ok_or_else(|| io::Error::other("the act is too long for the spool"))?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.lock().used;
        let end = used + 4 + u64::from(length);
        if end + 4 > SIZE {
            return Err(io::Error::other("the spool is full"));
        }
        // the end first, then the record, then its length: a power cut leaves the list as it was or with the whole record
        file.write_all_at(&[0; 4], end)?;
        file.write_all_at(&sealed, used + 4)?;
        file.sync_data()?;
        file.write_all_at(&length.to_be_bytes(), used)?;
        file.sync_data()?;
        let mut state = self.lock();
        state.used = end;
        // once more: the spool may have been emptied since it took effect
        state.remember(&record.act);
        state.waiting.push_back(record);
        Ok(())
    }

    /// Empties the file once nothing waits any more.
    pub(super) fn clear(&self) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |state: &State| state.waiting.is_empty() && state.used > 0;
        if !idle(&self.lock()) {
            return Ok(());
        }
        self.file.write_all_at(&[0; 4], 0)?;
        self.file.sync_data()?;
        *self.lock() = State::default();
        Ok(())
    }

    /// Whether something waits to be written down.
    pub(crate) fn is_pending(&self) -> bool {
        self.lock().used > 0
    }

    /// Whether a session was ended, which the database may not know yet.
    pub(crate) fn ended(&self, session: SignInSessionId, account: AccountId) -> bool {
        let state = self.lock();
        state.sessions.contains(&session) || state.accounts.contains(&account)
    }

    /// Whether a participant was put out.
    pub(crate) fn is_out(&self, participant: ParticipantId) -> bool {
        self.lock().participants.contains(&participant)
    }

    /// Whether a link was taken back.
    pub(crate) fn is_cancelled(&self, invitation: InvitationId) -> bool {
        self.lock().invitations.contains(&invitation)
    }
}

impl State {
    /// The act was written down after all, and the database says it from now on.
    pub(super) fn forget(&mut self, act: &Act) {
        match act {
            Act::SignOut { session } | Act::EndSession { session } => drop(self.sessions.remove(session)),
            Act::PutOut { participant, .. } => drop(self.participants.remove(participant)),
            Act::CancelInvitation { invitation, .. } => drop(self.invitations.remove(invitation)),
            Act::Suspend { account } => drop(self.accounts.remove(account)),
            Act::Leave { .. } | Act::Stop { .. } | Act::Withdraw { .. } => {}
        }
    }

    pub(super) fn remember(&mut self, act: &Act) {
        match act {
            Act::SignOut { session } | Act::EndSession { session } => drop(self.sessions.insert(*session)),
            Act::PutOut { participant, .. } => drop(self.participants.insert(*participant)),
            Act::CancelInvitation { invitation, .. } => drop(self.invitations.insert(*invitation)),
            Act::Suspend { account } => drop(self.accounts.insert(*account)),
            Act::Leave { .. } | Act::Stop { .. } | Act::Withdraw { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;
    use uuid::Uuid;

    fn session(n: u128) -> SignInSessionId {
        SignInSessionId::from_uuid(Uuid::from_u128(n))
    }

    fn record(n: u128) -> Record {
        Record { at: Timestamp::from_micros(0), caller: Caller::system(), act: Act::SignOut { session: session(n) } }
    }

    fn open(folder: &Path) -> io::Result<Spool> {
        Spool::open(folder, SecretKey::from_bytes([3; 32]))
    }

    fn waiting(spool: &Spool) -> Vec<Act> {
        spool.lock().waiting.iter().map(|record| record.act.clone()).collect()
    }

    #[test]
    fn what_was_pushed_is_there_after_a_restart_and_gone_once_cleared() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        assert!(!spool.is_pending());
        for n in 1..=3 {
            spool.push(record(n), &SystemEntropy).expect("spooled");
        }
        let again = open(folder.path()).expect("spool");
        assert_eq!(waiting(&again), (1..=3).map(|n| Act::SignOut { session: session(n) }).collect::<Vec<_>>());
        let nobody = AccountId::from_uuid(Uuid::from_u128(9));
        assert!(again.is_pending() && again.ended(session(2), nobody) && !again.ended(session(4), nobody));
        again.clear().expect("nothing to do");
        assert!(again.is_pending(), "what waits is not cleared");
        again.lock().waiting.clear();
        again.clear().expect("cleared");
        assert!(!again.is_pending() && !again.ended(session(2), nobody));
        assert!(!open(folder.path()).expect("spool").is_pending());
    }

    /// A power cut in the middle of a record: the bytes are there, their length is not.
    #[test]
    fn a_record_that_was_not_finished_is_none() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        let end = spool.lock().used;
        spool.file.write_all_at(&[7; 100], end + 4).expect("written");
        assert_eq!(waiting(&open(folder.path()).expect("spool")).len(), 1);
    }

    #[test]
    fn another_key_opens_nothing_and_a_full_spool_says_so() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        assert!(Spool::open(folder.path(), SecretKey::from_bytes([4; 32])).is_err());
        spool.lock().used = SIZE - 10;
        assert!(spool.push(record(2), &SystemEntropy).is_err());
        assert_eq!(waiting(&spool).len(), 1);
    }
}
