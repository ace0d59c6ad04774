//! Where a recorder listens: the media thread hands packets over and never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use bytes::Bytes;

use super::{PeerId, Source};

/// One decrypted RTP packet of a recorded publisher.
///
/// Sequence number and timestamp are the publisher's own. `payload` is empty for padding: such a packet
/// carries nothing, but its sequence number counts.
#[derive(Clone)]
pub struct TapPacket {
    /// Whose packet.
    pub peer: PeerId,
    /// Of what.
    pub source: Source,
    /// RTP SSRC: another value means another stream (the publisher reconnected), with unrelated
    /// sequence numbers and timestamps.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp in the source's clock rate.
    pub timestamp: u32,
    /// RTP marker: last packet of a video frame.
    pub marker: bool,
    /// RTP payload without header, extensions and padding.
    pub payload: Bytes,
    /// When it came in from the network.
    pub arrived: Instant,
}

/// Where the packets of a recorded publisher go. What takes them must never block.
pub struct Tap {
    take: Box<dyn Fn(TapPacket) -> bool + Send>,
    dropped: Arc<AtomicU64>,
}

impl Tap {
    /// A tap holding at most `capacity` packets; the receiver ends when recording has stopped.
    #[must_use]
    pub fn new(capacity: usize) -> (Tap, Receiver<TapPacket>) {
        let (sender, receiver) = sync_channel(capacity);
        (Tap::into(move |packet| sender.try_send(packet).is_ok()), receiver)
    }

    /// A tap into whatever takes packets without blocking, and says whether it took one.
    #[must_use]
    pub fn into(take: impl Fn(TapPacket) -> bool + Send + 'static) -> Tap {
        Tap { take: Box::new(take), dropped: Arc::default() }
    }

    /// The counter of packets that were not taken.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Whether the packet was taken.
    pub(super) fn offer(&self, packet: TapPacket) -> bool {
        let taken = (self.take)(packet);
        if !taken {
            self.dropped.fetch_add(1, Relaxed);
        }
        taken
    }
}
