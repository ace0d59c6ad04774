//! Asking a publisher for keyframes without drowning it, and recognising one.
//!
//! A request that comes too early is deferred, never dropped: whoever asked sees nothing until it is sent.

use std::time::{Duration, Instant};

/// Closest two requests to one video source may follow each other. A keyframe is five to ten times as
/// large as other frames; twice a second bounds what one subscriber can cost the publisher.
pub(super) const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// Requests towards one video source.
#[derive(Default, Debug)]
pub(super) struct KeyframeRequests {
    wanted: bool,
    sent: Option<Instant>,
}

impl KeyframeRequests {
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// When the next request is to be sent, if one is wanted.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.sent.map_or(now, |sent| sent + MIN_INTERVAL))
    }

    /// Whether to send a request now; taking it counts as having sent it.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let take = self.due(now).is_some_and(|due| due <= now);
        if take {
            self.wanted = false;
            self.sent = Some(now);
        }
        take
    }
}

/// Whether this RTP payload starts a VP8 keyframe (RFC 7741 sections 4.2 and 4.3).
pub(super) fn starts_vp8_keyframe(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    // S set and partition index 0: the frame's first packet.
    if first & 0x17 != 0x10 {
        return false;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let Some(&extension) = payload.get(1) else { return false };
        at = 2;
        if extension & 0x80 != 0 {
            let Some(&picture) = payload.get(at) else { return false };
            at += if picture & 0x80 != 0 { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            at += 1;
        }
        if extension & 0x30 != 0 {
            at += 1;
        }
    }
    // The P bit of the VP8 frame header is zero on keyframes.
    payload.get(at).is_some_and(|byte| byte & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_is_sent_at_once() {
        let now = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(!requests.take(now));
        requests.want();
        assert!(requests.take(now));
        assert!(!requests.take(now));
    }

    #[test]
    fn an_early_request_is_deferred_and_not_dropped() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want();
        assert!(requests.take(start));
        requests.want();
        assert!(!requests.take(start + Duration::from_millis(10)));
        assert_eq!(requests.due(start), Some(start + MIN_INTERVAL));
        assert!(requests.take(start + MIN_INTERVAL));
    }

    #[test]
    fn a_storm_of_requests_becomes_two_a_second() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let sent = (0..5000_u64)
            .filter(|ms| {
                requests.want();
                requests.take(start + Duration::from_millis(*ms))
            })
            .count();
        assert_eq!(sent, 10);
    }

    #[test]
    fn keyframes_are_recognised_with_and_without_descriptor_extensions() {
        assert!(starts_vp8_keyframe(&[0x10, 0x10, 0, 0]));
        assert!(!starts_vp8_keyframe(&[0x10, 0x11, 0, 0]));
        assert!(!starts_vp8_keyframe(&[0x00, 0x10, 0, 0]));
        assert!(!starts_vp8_keyframe(&[0x11, 0x10, 0, 0]));
        assert!(starts_vp8_keyframe(&[0x90, 0x80, 0x81, 0x02, 0x10]));
        assert!(!starts_vp8_keyframe(&[0x90, 0x80, 0x81, 0x02, 0x11]));
        assert!(starts_vp8_keyframe(&[0x90, 0xf0, 0x01, 0x02, 0x03, 0x10]));
    }

    #[test]
    fn truncated_descriptors_are_not_keyframes() {
        for cut in [&[][..], &[0x10], &[0x90], &[0x90, 0x80], &[0x90, 0xf0, 0x81, 0x02]] {
            assert!(!starts_vp8_keyframe(cut));
        }
    }
}
