//! Records what consent allows: takes the packets of a room, seals them second by second, and stops at the very instant it is told to.
//!
//! A thread of its own does the work, fed through a bounded queue that never blocks the media path. Invariant: only packets that arrived
//! within a stretch (from start or resume, until pause or stop) are ever written, whatever is still queued; and nothing reaches the store
//! that is not sealed.

mod part;
pub mod recovery;
mod session;
mod track;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

use crate::crypto::entropy::{Entropy, EntropyError};
use crate::crypto::envelope::{SecretKey, WrappedKey, wrap};
use crate::crypto::recording_stream::ChunkSealError;
use crate::crypto::recording_stream::manifest::{Manifest, PartHeader};
use crate::domain::id::{ParticipantId, RecordingId};
use crate::domain::time::Timestamp;
use crate::media::Source;
use crate::media::webm::WebmError;
use crate::storage::recording_files::{PartStore, PartStoreError};

use session::Session;

/// Packets the queue holds: about three seconds of four people, enough for a slow disk to catch up.
const QUEUE_PACKETS: usize = 4_096;

/// How often the thread looks at the clock when no packet comes.
const TICK: Duration = Duration::from_millis(100);

/// One decrypted RTP packet.
#[derive(Clone)]
pub struct MediaPacket {
    /// Whose.
    pub participant: ParticipantId,
    /// Of which of their tracks.
    pub source: Source,
    /// RTP SSRC: another value means the participant connected anew, with unrelated sequence numbers and timestamps.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// RTP payload without padding. Empty ones must be handed in too, or they look lost.
    pub payload: Bytes,
    /// When it arrived.
    pub arrived: Instant,
}

/// What is in force during a stretch of recording; a change of either begins a new stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Digest of the set of consents.
    pub consent_set: [u8; 32],
    /// Digest of the policy bundle.
    pub policy: [u8; 32],
}

/// Issues the data keys of parts.
pub trait PartKeys: Send {
    /// Version of the key that data keys are wrapped under.
    fn version(&self) -> u32;

    /// A fresh data key, and the same wrapped with this context.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    fn issue(&mut self, context: &[u8]) -> Result<(SecretKey, WrappedKey), EntropyError>;
}

/// Issues data keys wrapped under a subject's content key. Dropping it wipes the content key.
pub struct ContentKeyIssuer {
    content_key: SecretKey,
    version: u32,
    entropy: Arc<dyn Entropy>,
}

impl ContentKeyIssuer {
    /// An issuer for this content key of this version.
    #[must_use]
    pub fn new(content_key: SecretKey, version: u32, entropy: Arc<dyn Entropy>) -> Self {
        Self { content_key, version, entropy }
    }
}

impl PartKeys for ContentKeyIssuer {
    fn version(&self) -> u32 {
        self.version
    }

    fn issue(&mut self, context: &[u8]) -> Result<(SecretKey, WrappedKey), EntropyError> {
        let key = SecretKey::generate(self.entropy.as_ref())?;
        let wrapped = wrap(&self.content_key, &key, context, self.entropy.as_ref())?;
        Ok((key, wrapped))
    }
}

/// What the recorder asks of, or tells, the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecorderEvent {
    /// Ask the sender of this track for a keyframe (PLI).
    KeyframeWanted {
        /// Whose track.
        participant: ParticipantId,
        /// Which of them.
        source: Source,
    },
    /// Nothing more is being recorded; stopping gives the parts and the reason.
    Failed,
}

/// Recording failed.
#[derive(Debug, Error)]
pub enum RecorderError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] PartStoreError),
    /// A chunk could not be sealed.
    #[error(transparent)]
    Seal(#[from] ChunkSealError),
    /// A chunk could not be written as WebM.
    #[error(transparent)]
    Container(#[from] WebmError),
    /// There was no randomness for a key or an id.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The thread could not be started, or it ended before its time.
    #[error("the recorder's thread is gone")]
    Thread,
}

/// A part that is complete and durable, ready to have its manifest signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedPart {
    /// Identity (part, participant, codec, dimensions, start) and the wrapped data key.
    pub header: PartHeader,
    /// Which track it is of.
    pub source: Source,
    /// All of its chunks.
    pub manifest: Manifest,
}

/// What came of a stretch, or of the whole recording.
#[derive(Debug)]
pub struct Outcome {
    /// The parts that were finished now.
    pub parts: Vec<FinishedPart>,
    /// Why recording ended before it was told to, if it did.
    pub failure: Option<RecorderError>,
    /// Packets lost so far because the queue was full.
    pub dropped_packets: u64,
}

/// What a recorder works with.
pub struct RecorderSetup {
    /// The recording.
    pub recording: RecordingId,
    /// Zero of the recording's clock.
    pub started: Instant,
    /// The same instant as the calendar has it; goes into the ids of parts.
    pub started_at: Timestamp,
    /// What is in force at first.
    pub stretch: Stretch,
    /// Issues data keys.
    pub keys: Box<dyn PartKeys>,
    /// Takes the sealed parts.
    pub store: Arc<dyn PartStore>,
    /// For ids of parts.
    pub entropy: Arc<dyn Entropy>,
    /// Called on the recorder's thread; must not block.
    pub on_event: Box<dyn Fn(RecorderEvent) + Send>,
    /// The monotonic clock; `Instant::now` in the server.
    pub clock: fn() -> Instant,
}

enum Message {
    Packet(MediaPacket),
    Pause { reply: SyncSender<Outcome> },
    Resume { at: Instant, stretch: Stretch },
    Stop { reply: SyncSender<Outcome> },
    Abandon,
}

/// When recording ends, as nanoseconds of the recording's clock; shared, so that it holds before the queue gets there.
struct Gate {
    started: Instant,
    closes_at: AtomicU64,
    dropped: AtomicU64,
}

impl Gate {
    const OPEN: u64 = u64::MAX;

    fn close(&self, at: Instant) {
        let nanos = at.saturating_duration_since(self.started).as_nanos();
        self.closes_at.fetch_min(u64::try_from(nanos).unwrap_or(Self::OPEN - 1), Ordering::SeqCst);
    }

    fn open(&self) {
        self.closes_at.store(Self::OPEN, Ordering::SeqCst);
    }

    fn admits(&self, arrived: Instant) -> bool {
        let closes_at = self.closes_at.load(Ordering::SeqCst);
        closes_at == Self::OPEN || arrived.saturating_duration_since(self.started).as_nanos() <= u128::from(closes_at)
    }
}

/// The way in for the media path: cheap to clone, never blocks.
#[derive(Clone)]
pub struct RecorderInput {
    sender: SyncSender<Message>,
    gate: Arc<Gate>,
}

impl RecorderInput {
    /// Hands in a packet. False if it was not taken: recording is paused, over, or too slow.
    #[must_use]
    pub fn offer(&self, packet: MediaPacket) -> bool {
        if !self.gate.admits(packet.arrived) {
            return false;
        }
        match self.sender.try_send(Message::Packet(packet)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.gate.dropped.fetch_add(1, Ordering::Relaxed);
                false
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Ends the stretch at this instant without waiting: nothing that arrived later is written. Follow with [`Recorder::pause`] or
    /// [`Recorder::stop`], with the same instant, where waiting is allowed.
    pub fn cut(&self, at: Instant) {
        self.gate.close(at);
    }
}

/// A running recorder. Dropping it finishes the parts without telling anyone of them; recovery finds them.
pub struct Recorder {
    input: Option<RecorderInput>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts recording.
    ///
    /// # Errors
    /// [`RecorderError::Thread`] if the system has no thread to give.
    pub fn start(setup: RecorderSetup) -> Result<Self, RecorderError> {
        let gate = Arc::new(Gate { started: setup.started, closes_at: AtomicU64::new(Gate::OPEN), dropped: AtomicU64::new(0) });
        let (sender, receiver) = sync_channel(QUEUE_PACKETS);
        let clock = setup.clock;
        let inside = Arc::clone(&gate);
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || run(Session::new(setup), &receiver, &inside, clock))
            .map_err(|_| RecorderError::Thread)?;
        Ok(Self { input: Some(RecorderInput { sender, gate }), thread: Some(thread) })
    }

    /// The way in for packets.
    #[must_use]
    pub fn input(&self) -> Option<RecorderInput> {
        self.input.clone()
    }

    /// Ends the stretch at this instant, finishes its parts and waits for that.
    ///
    /// # Errors
    /// [`RecorderError::Thread`] if the recorder is gone.
    pub fn pause(&self, at: Instant) -> Result<Outcome, RecorderError> {
        self.close(at, |reply| Message::Pause { reply })
    }

    /// Begins a new stretch at this instant; its parts have keys of their own. The recording's clock has gone on. It undoes every cut so
    /// far, so whoever decides on consent must be the one to call it, after having looked at the withdrawals.
    ///
    /// # Errors
    /// [`RecorderError::Thread`] if the recorder is gone.
    pub fn resume(&self, at: Instant, stretch: Stretch) -> Result<(), RecorderError> {
        let input = self.input.as_ref().ok_or(RecorderError::Thread)?;
        input.sender.send(Message::Resume { at, stretch }).map_err(|_| RecorderError::Thread)?;
        input.gate.open();
        Ok(())
    }

    /// Ends the recording at this instant, finishes its parts, waits for that and wipes all keys.
    ///
    /// # Errors
    /// [`RecorderError::Thread`] if the recorder is gone; what is on disk can be recovered.
    pub fn stop(mut self, at: Instant) -> Result<Outcome, RecorderError> {
        let outcome = self.close(at, |reply| Message::Stop { reply });
        self.end();
        outcome
    }

    fn close(&self, at: Instant, message: fn(SyncSender<Outcome>) -> Message) -> Result<Outcome, RecorderError> {
        let input = self.input.as_ref().ok_or(RecorderError::Thread)?;
        input.gate.close(at);
        let (reply, answer) = sync_channel(1);
        input.sender.send(message(reply)).map_err(|_| RecorderError::Thread)?;
        answer.recv().map_err(|_| RecorderError::Thread)
    }

    fn end(&mut self) {
        self.input = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already shown as a missing answer.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A clone of the input may outlive the recorder, so hanging up is not enough to end the thread.
        if let Some(input) = self.input.take() {
            let _ = input.sender.send(Message::Abandon);
        }
        self.end();
    }
}

fn run(mut session: Session, receiver: &Receiver<Message>, gate: &Gate, clock: fn() -> Instant) {
    let mut next_tick = clock() + TICK;
    loop {
        let dropped = || gate.dropped.load(Ordering::Relaxed);
        match receiver.recv_timeout(TICK) {
            Ok(Message::Packet(packet)) => {
                if gate.admits(packet.arrived) {
                    session.take(packet);
                }
            }
            Ok(Message::Pause { reply }) => {
                let _ = reply.send(session.close_stretch(dropped()));
            }
            Ok(Message::Resume { at, stretch }) => session.open_stretch(at, stretch),
            Ok(Message::Stop { reply }) => {
                let _ = reply.send(session.close_stretch(dropped()));
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Abandon) | Err(RecvTimeoutError::Disconnected) => {
                session.close_stretch(dropped());
                return;
            }
        }
        let now = clock();
        if now >= next_tick {
            session.tick(now);
            next_tick = now + TICK;
        }
    }
}

#[cfg(test)]
mod tests;
