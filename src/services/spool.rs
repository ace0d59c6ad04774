//! Where protective acts wait: one file that had its full size from the beginning, so that a disk that is full still takes them.
//!
//! The file begins with eight bytes that say its form and the place where the list begins (64 bits, big-endian). A record is its length (32
//! bits), its nonce and ciphertext; a length of nothing ends the list. What waits is also kept in memory, so that it is in effect for
//! everything this process decides. One server has the spool, by a lock on the file; others may look into it.

use crate::crypto::entropy::Entropy;
use crate::crypto::envelope::{SecretKey, open_value, seal_value};
use crate::domain::access::{Actor, Caller};
use crate::domain::id::{AccountId, InvitationId, ParticipantId, SignInSessionId};
use crate::domain::time::Timestamp;
use crate::services::protective::Act;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Size of the file.
const SIZE: u64 = 1 << 20;
/// What the file begins with.
const FORM: [u8; 8] = *b"BSSPOOL2";
/// Where the place lies at which the list begins.
const BEGIN: u64 = 8;
/// Where the first record lies.
const FIRST: u64 = 16;
/// No record is longer.
const LARGEST: usize = 64 * 1024;
/// So many acts of one person wait at most.
const MOST_OF_ONE: usize = 64;
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
    path: PathBuf,
    /// Whether this process has the spool. Another one may look into it and must not write.
    ours: AtomicBool,
    key: SecretKey,
    state: Mutex<State>,
    /// Held while the file is written. Whoever only asks what is in effect never waits for a disk.
    writing: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// What waits to be written down, oldest first, each with the place where its record ends on the disk; none where no disk took it.
    waiting: VecDeque<(Record, Option<u64>)>,
    /// What took effect and is neither written down nor on the disk yet.
    underway: Vec<Act>,
    /// Where the next record goes.
    end: u64,
}

impl State {
    /// Everything that is in effect and that the database may not know yet.
    fn acts(&self) -> impl Iterator<Item = &Act> {
        self.waiting.iter().map(|(record, _)| &record.act).chain(&self.underway)
    }

    fn settle(&mut self, act: &Act) {
        if let Some(at) = self.underway.iter().position(|one| one == act) {
            self.underway.swap_remove(at);
        }
    }
}

impl Spool {
    /// Opens the spool in a folder, making it if there is none, and reads what waits.
    ///
    /// # Errors
    /// If it cannot be had, or holds what this key does not open.
    pub fn open(folder: &Path, key: SecretKey) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("protective.spool");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let mut form = [0; 8];
        let made = file.metadata()?.len() >= SIZE && file.read_exact_at(&mut form, 0).is_ok() && form == FORM;
        if !made && file.try_lock().is_ok() {
            // every block is there from now on, whatever becomes of the disk
            let mut whole = vec![0; usize::try_from(SIZE).unwrap_or(0)];
            whole.splice(..16, FORM.into_iter().chain(FIRST.to_be_bytes()));
            file.write_all_at(&whole, 0)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            file.unlock()?;
        }
        let spool = Self { file, path, ours: AtomicBool::new(false), key, state: Mutex::default(), writing: Mutex::default() };
        spool.read_back()?;
        Ok(spool)
    }

    /// Makes this process the one that writes to the spool; says whether it is.
    ///
    /// # Errors
    /// If it cannot be read any more.
    pub fn acquire(&self) -> io::Result<bool> {
        if self.file.try_lock().is_err() {
            return Ok(false);
        }
        // another process may have written since it was read
        self.read_back()?;
        self.ours.store(true, Ordering::SeqCst);
        Ok(true)
    }

    /// Lets another process have it.
    pub(crate) fn release(&self) {
        self.ours.store(false, Ordering::SeqCst);
        let _ = self.file.unlock();
    }

    /// Whether this process, and no other, writes to the spool.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.ours.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_back(&self) -> io::Result<()> {
        let file = &self.file;
        let mut state = self.lock();
        state.waiting.clear();
        let mut begin = [0; 8];
        if file.read_exact_at(&mut begin, BEGIN).is_err() {
            // another process is just making it
            state.end = FIRST;
            return Ok(());
        }
        state.end = u64::from_be_bytes(begin).clamp(FIRST, SIZE - 4);
        loop {
            let mut length = [0; 4];
            file.read_exact_at(&mut length, state.end)?;
            let length = u64::from(u32::from_be_bytes(length));
            if length == 0 {
                return Ok(());
            }
            match self.record_at(state.end + 4, length) {
                Ok(record) => {
                    state.end += 4 + length;
                    let end = state.end;
                    state.waiting.push_back((record, Some(end)));
                }
                // the first one that does not open means another key; a later one was damaged, and must not keep the server from starting
                Err(error) if state.waiting.is_empty() => return Err(error),
                Err(error) => {
                    let aside = self.path.with_extension("damaged");
                    std::fs::copy(&self.path, &aside)?;
                    tracing::error!(%error, aside = %aside.display(), "the spool is damaged; what can be read is written down, the file is kept aside");
                    return Ok(());
                }
            }
        }
    }

    fn record_at(&self, place: u64, length: u64) -> io::Result<Record> {
        let wrong = || io::Error::other("the spool of protective acts does not open");
        let size = usize::try_from(length).ok().filter(|size| *size <= LARGEST && place + length <= SIZE).ok_or_else(wrong)?;
        let mut sealed = vec![0; size];
        self.file.read_exact_at(&mut sealed, place)?;
        let open = open_value(&self.key, &sealed, CONTEXT).map_err(|_| wrong())?;
        serde_json::from_slice(&open).map_err(io::Error::other)
    }

    /// An act takes effect: from now on it is so for everything this process decides.
    pub(super) fn begin(&self, act: &Act) {
        self.lock().underway.push(act.clone());
    }

    /// The act was written down after all, and the database says it from now on; or it was refused.
    pub(super) fn settle(&self, act: &Act) {
        self.lock().settle(act);
    }

    /// Adds a record of an act that took effect, and waits until it is on the disk. What waits already is not added again.
    pub(super) fn push(&self, record: Record, entropy: &dyn Entropy) -> io::Result<()> {
        let file = &self.file;
        if !self.is_ours() {
            return Err(io::Error::other("another process has the spool"));
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let end = {
            let mut state = self.lock();
            if state.waiting.iter().any(|(one, _)| one.act == record.act && one.caller.actor == record.caller.actor) {
                state.settle(&record.act);
                return Ok(());
            }
            let of_same = state.waiting.iter().filter(|(one, _)| one.caller.actor == record.caller.actor).count();
            if of_same >= MOST_OF_ONE && record.caller.actor != Actor::System {
                return Err(io::Error::other("one person fills the spool"));
            }
            state.end
        };
        let open = serde_json::to_vec(&record).map_err(io::Error::other)?;
        let sealed = seal_value(&self.key, &open, CONTEXT, entropy).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).ok().filter(|l| usize::try_from(*l).is_ok_and(|l| l <= LARGEST));
        let length = length.ok_or_else(|| io::Error::other("the act is too long for the spool"))?;
        let next = end + 4 + u64::from(length);
        if next + 4 > SIZE {
            return Err(io::Error::other("the spool is full"));
        }
        // the end first, then the record, then its length: a power cut leaves the list as it was or with the whole record
        file.write_all_at(&[0; 4], next)?;
        file.write_all_at(&sealed, end + 4)?;
        file.sync_data()?;
        if let Err(error) = file.write_all_at(&length.to_be_bytes(), end).and_then(|()| file.sync_data()) {
            // what may have come half-way must not be read with the next record's bytes
            let _ = file.write_all_at(&[0; 4], end);
            return Err(error);
        }
        let mut state = self.lock();
        state.end = next;
        state.settle(&record.act);
        state.waiting.push_back((record, Some(next)));
        Ok(())
    }

    /// Keeps a record that no disk took, for as long as this process lives: it is written down with the others.
    pub(super) fn strand(&self, record: Record) {
        let mut state = self.lock();
        state.settle(&record.act);
        if !state.waiting.iter().any(|(one, _)| one.act == record.act && one.caller.actor == record.caller.actor) {
            state.waiting.push_back((record, None));
        }
    }

    /// The oldest record that waits.
    pub(super) fn oldest(&self) -> Option<Record> {
        self.lock().waiting.front().map(|(record, _)| record.clone())
    }

    /// The oldest record is written down: it does not come again, also not after a crash. The last one leaves the file empty.
    pub(super) fn done(&self) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, last) = {
            let state = self.lock();
            let Some((_, end)) = state.waiting.front() else { return Ok(()) };
            (*end, !state.waiting.iter().skip(1).any(|(_, end)| end.is_some()))
        };
        if let Some(begin) = end {
            self.file.write_all_at(&begin.to_be_bytes(), BEGIN)?;
            self.file.sync_data()?;
            if last {
                // nothing is at the beginning before the list begins there again
                self.file.write_all_at(&[0; 4], FIRST)?;
                self.file.sync_data()?;
                self.file.write_all_at(&FIRST.to_be_bytes(), BEGIN)?;
                self.file.sync_data()?;
            }
        }
        let mut state = self.lock();
        state.waiting.pop_front();
        if end.is_some() && last {
            state.end = FIRST;
        }
        Ok(())
    }

    /// Whether something waits to be written down.
    pub(crate) fn is_pending(&self) -> bool {
        self.lock().acts().next().is_some()
    }

    /// Whether something can be written down now.
    pub(crate) fn has_records(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Whether a session was ended, which the database may not know yet.
    pub(crate) fn ended(&self, session: SignInSessionId, account: AccountId) -> bool {
        self.lock().acts().any(|act| match act {
            Act::SignOut { session: one } | Act::EndSession { session: one } => *one == session,
            Act::Suspend { account: one } => *one == account,
            _ => false,
        })
    }

    /// Whether a participant was put out.
    pub(crate) fn is_out(&self, participant: ParticipantId) -> bool {
        self.lock().acts().any(|act| match act {
            Act::PutOut { participant: one, .. } => *one == participant,
            Act::CancelInvitation { participant: one, .. } => *one == Some(participant),
            _ => false,
        })
    }

    /// Whether a link was taken back.
    pub(crate) fn is_cancelled(&self, invitation: InvitationId) -> bool {
        self.lock().acts().any(|act| matches!(act, Act::CancelInvitation { invitation: one, .. } if *one == invitation))
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
        let spool = Spool::open(folder, SecretKey::from_bytes([3; 32]))?;
        spool.acquire()?;
        Ok(spool)
    }

    fn waiting(spool: &Spool) -> Vec<Act> {
        spool.lock().waiting.iter().map(|(record, _)| record.act.clone()).collect()
    }

    fn signed_out(n: impl IntoIterator<Item = u128>) -> Vec<Act> {
        n.into_iter().map(|n| Act::SignOut { session: session(n) }).collect()
    }

    #[test]
    fn what_was_pushed_is_there_after_a_restart_and_gone_once_it_is_done() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        assert!(!spool.is_pending());
        for n in 1..=3 {
            spool.begin(&record(n).act);
            spool.push(record(n), &SystemEntropy).expect("spooled");
            spool.push(record(n), &SystemEntropy).expect("the same again is there already");
        }
        drop(spool);
        let again = open(folder.path()).expect("spool");
        assert_eq!(waiting(&again), signed_out(1..=3));
        let nobody = AccountId::from_uuid(Uuid::from_u128(9));
        assert!(again.is_pending() && again.ended(session(2), nobody) && !again.ended(session(4), nobody));
        assert_eq!(again.oldest().expect("one").act, record(1).act);
        again.done().expect("noted");
        assert!(!again.ended(session(1), nobody), "the database says it from now on");
        drop(again);
        // a crash in the middle: what was done does not come again
        let third = open(folder.path()).expect("spool");
        assert_eq!(waiting(&third), signed_out(2..=3));
        third.done().expect("noted");
        third.done().expect("noted");
        assert!(!third.is_pending());
        third.push(record(7), &SystemEntropy).expect("spooled");
        drop(third);
        assert_eq!(waiting(&open(folder.path()).expect("spool")), signed_out([7]));
    }

    #[test]
    fn what_is_in_effect_counts_before_it_is_on_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        let nobody = AccountId::from_uuid(Uuid::from_u128(9));
        spool.begin(&record(1).act);
        assert!(spool.is_pending() && spool.ended(session(1), nobody) && !spool.has_records());
        spool.settle(&record(1).act);
        assert!(!spool.is_pending() && !spool.ended(session(1), nobody));
    }

    /// A power cut in the middle of a record: the bytes are there, their length is not.
    #[test]
    fn a_record_that_was_not_finished_is_none() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        let end = spool.lock().end;
        spool.file.write_all_at(&[7; 100], end + 4).expect("written");
        drop(spool);
        assert_eq!(waiting(&open(folder.path()).expect("spool")).len(), 1);
    }

    #[test]
    fn another_key_opens_nothing_and_a_full_spool_says_so() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        assert!(Spool::open(folder.path(), SecretKey::from_bytes([4; 32])).is_err());
        spool.lock().end = SIZE - 10;
        assert!(spool.push(record(2), &SystemEntropy).is_err());
        assert_eq!(waiting(&spool).len(), 1);
    }

    /// What no disk takes is written down all the same, by the process in which it took effect.
    #[test]
    fn what_no_disk_takes_waits_in_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        spool.begin(&record(2).act);
        spool.strand(record(2));
        spool.push(record(3), &SystemEntropy).expect("spooled");
        assert_eq!(waiting(&spool), signed_out(1..=3));
        for n in 1..=3 {
            assert_eq!(spool.oldest().expect("one").act, record(n).act);
            spool.done().expect("noted");
        }
        assert!(!spool.is_pending());
        drop(spool);
        assert!(!open(folder.path()).expect("spool").is_pending());
    }

    /// A record that was damaged on the disk does not keep the server from starting, nor the ones before it from being written down.
    #[test]
    fn a_damaged_record_is_kept_aside() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        spool.push(record(1), &SystemEntropy).expect("spooled");
        let damaged = spool.lock().end + 20;
        spool.push(record(2), &SystemEntropy).expect("spooled");
        spool.file.write_all_at(&[0xff; 8], damaged).expect("written");
        drop(spool);
        assert_eq!(waiting(&open(folder.path()).expect("spool")), signed_out([1]));
        assert!(folder.path().join("protective.damaged").exists());
    }

    /// A file of an older form holds nothing that this program could read.
    #[test]
    fn a_file_of_another_form_is_made_anew() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("protective.spool"), vec![9; 1 << 20]).expect("written");
        let spool = open(folder.path()).expect("spool");
        assert!(!spool.is_pending());
        spool.push(record(1), &SystemEntropy).expect("spooled");
    }

    #[test]
    fn one_process_has_it_and_one_person_does_not_fill_it() {
        let folder = tempfile::tempdir().expect("folder");
        let spool = open(folder.path()).expect("spool");
        let second = open(folder.path()).expect("it can be looked into");
        assert!(spool.is_ours() && !second.is_ours());
        assert!(second.push(record(1), &SystemEntropy).is_err());
        let account = AccountId::from_uuid(Uuid::from_u128(9));
        let actor = Actor::Account {
            id: account,
            role: crate::domain::access::AccountRole::Clinician,
            session: session(0),
            proved_at: Timestamp::from_micros(0),
        };
        let by_one = |n| Record { caller: Caller { actor, ..Caller::system() }, ..record(n) };
        for n in 0..u128::try_from(MOST_OF_ONE).expect("small") {
            spool.push(by_one(n), &SystemEntropy).expect("spooled");
        }
        assert!(spool.push(by_one(1_000), &SystemEntropy).is_err());
        spool.push(record(1_001), &SystemEntropy).expect("others still can");
        spool.release();
        assert!(open(folder.path()).expect("spool").is_ours());
    }
}
