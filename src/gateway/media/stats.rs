//! Counters of the media plane: written by its thread, read by anyone, never holding either up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        #[derive(Default)]
        pub(super) struct Counters { $(pub $name: AtomicU64,)+ }

        /// A reading of the media plane's counters, each since start unless said otherwise.
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        pub struct MediaStats { $($(#[$doc])* pub $name: u64,)+ }

        impl Counters {
            pub(super) fn read(&self) -> MediaStats {
                MediaStats { $($name: self.$name.load(Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Live connections now.
    connections,
    /// Connections now in state connected.
    connected,
    /// Datagrams received.
    received,
    /// Datagrams dropped because their source address is not validated.
    unvalidated,
    /// STUN requests dropped because username or message integrity was wrong.
    forged,
    /// RTP packets of publishers, decrypted.
    published,
    /// RTP packets forwarded to subscribers.
    forwarded,
    /// RTP packets held back until the next keyframe of a new video source.
    awaiting_keyframe,
    /// Retransmissions sent to subscribers.
    retransmitted,
    /// Sequence numbers asked again from publishers.
    nacked,
    /// Keyframe requests sent to publishers.
    keyframe_requests,
    /// Packets handed to taps.
    tapped,
    /// Packets a full tap lost.
    tap_dropped,
    /// Chat messages dropped: too long, not text, too many, or no open channel.
    chat_dropped,
    /// Datagrams the operating system refused to send.
    send_failed,
    /// Connections closed because the protocol core panicked on them.
    panics,
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Relaxed);
}
