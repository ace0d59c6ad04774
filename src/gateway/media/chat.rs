//! The one data channel a connection may use: ordered, reliable, labelled `chat`, opened by the browser.
//!
//! Text of at most [`MAX_CHAT_BYTES`] goes through, at a bounded rate; everything else is dropped and
//! counted. What a text says is not this plane's business.

use std::time::Instant;

use rtc::data_channel::{RTCDataChannelId, RTCDataChannelMessage};
use rtc::peer_connection::RTCPeerConnection;

use super::MAX_CHAT_BYTES;

const LABEL: &str = "chat";
/// Messages a participant may send at once, and per second: far above typing, far below a flood.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 10.0;
/// Bytes that may wait for a slow browser before further messages to it are dropped.
const MAX_WAITING: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Chat {
    channel: Option<RTCDataChannelId>,
    allowance: f64,
    refilled: Option<Instant>,
}

impl Chat {
    pub(super) fn new() -> Chat {
        Chat { channel: None, allowance: BURST, refilled: None }
    }

    /// Takes the channel if it is the chat's and the first of its kind; closes any other.
    pub(super) fn opened(&mut self, core: &mut RTCPeerConnection, id: RTCDataChannelId) {
        let Some(mut channel) = core.data_channel(id) else { return };
        let reliable = channel.max_retransmits().is_none() && channel.max_packet_life_time().is_none();
        if self.channel.is_none() && channel.label() == LABEL && channel.ordered() && reliable {
            self.channel = Some(id);
        } else {
            // A channel that cannot be closed is ignored all the same.
            let _ = channel.close();
        }
    }

    pub(super) fn closed(&mut self, id: RTCDataChannelId) {
        if self.channel == Some(id) {
            self.channel = None;
        }
    }

    /// The text of a message, if it may pass.
    pub(super) fn accept(&mut self, id: RTCDataChannelId, message: &RTCDataChannelMessage, now: Instant) -> Option<String> {
        if self.channel != Some(id) || !message.is_string || message.data.len() > MAX_CHAT_BYTES {
            return None;
        }
        let text = std::str::from_utf8(&message.data).ok()?;
        let elapsed = self.refilled.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.refilled = Some(now);
        self.allowance = (self.allowance + elapsed * PER_SECOND).min(BURST);
        if self.allowance < 1.0 {
            return None;
        }
        self.allowance -= 1.0;
        Some(text.to_owned())
    }

    /// Queues a text for the browser; whether it was taken.
    pub(super) fn send(&self, core: &mut RTCPeerConnection, text: String, now: Instant) -> bool {
        if text.len() > MAX_CHAT_BYTES {
            return false;
        }
        let Some(mut channel) = self.channel.and_then(|id| core.data_channel(id)) else { return false };
        channel.outstanding_bytes() + text.len() <= MAX_WAITING && channel.send_text(now, text).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn open() -> Chat {
        Chat { channel: Some(1), ..Chat::new() }
    }

    fn text(length: usize) -> RTCDataChannelMessage {
        RTCDataChannelMessage { is_string: true, data: bytes::BytesMut::from("x".repeat(length).as_str()) }
    }

    #[test]
    fn text_up_to_the_limit_passes() {
        let now = Instant::now();
        assert_eq!(open().accept(1, &text(MAX_CHAT_BYTES), now).map(|t| t.len()), Some(MAX_CHAT_BYTES));
        assert_eq!(open().accept(1, &text(MAX_CHAT_BYTES + 1), now), None);
    }

    #[test]
    fn binary_broken_text_and_other_channels_are_dropped() {
        let now = Instant::now();
        let binary = RTCDataChannelMessage { is_string: false, ..text(3) };
        let broken = RTCDataChannelMessage { is_string: true, data: bytes::BytesMut::from(&[0xff, 0xfe][..]) };
        assert_eq!(open().accept(1, &binary, now), None);
        assert_eq!(open().accept(1, &broken, now), None);
        assert_eq!(open().accept(2, &text(3), now), None);
    }

    #[test]
    fn a_flood_is_cut_to_the_allowed_rate() {
        let start = Instant::now();
        let mut chat = open();
        let passed = (0..10_000_u64).filter(|ms| chat.accept(1, &text(1), start + Duration::from_millis(*ms)).is_some());
        assert!((115..=121).contains(&passed.count()));
    }
}
