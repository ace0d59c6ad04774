//! One continuous RTP stream per slot and source, whoever fills it.
//!
//! A browser decodes a slot's stream as if one sender had sent it all. So when the publisher behind it
//! changes, reconnects or is routed again, sequence numbers go on without a gap and timestamps without a
//! jump back; SSRC and payload type are the subscriber's own. Video begins with a keyframe, because
//! anything before it cannot be decoded.

use std::time::{Duration, Instant};

use rtc::rtp;

use super::Source;

/// A publisher's stream: SSRCs are only unique within one connection.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    pub connection: u64,
    pub ssrc: u32,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Forward under this header.
    Forward { sequence: u16, timestamp: u32 },
    /// A new video stream that has not shown a keyframe yet.
    AwaitKeyframe,
    /// From before the stream's first forwarded packet.
    Stale,
}

#[derive(Debug)]
struct Current {
    origin: Origin,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Highest sequence number seen of this origin, and how far it is from the first.
    highest: u16,
    span: u64,
}

/// The outgoing side of one slot's source.
#[derive(Debug)]
pub(super) struct Rewriter {
    source: Source,
    current: Option<Current>,
    last_sequence: u16,
    last_timestamp: u32,
    last_sent: Option<Instant>,
    /// Sent so far, for sender reports; both wrap (RFC 3550 section 6.4.1).
    pub packets: u32,
    pub octets: u32,
}

impl Rewriter {
    pub(super) fn new(source: Source) -> Rewriter {
        Rewriter { source, current: None, last_sequence: 0, last_timestamp: 0, last_sent: None, packets: 0, octets: 0 }
    }

    /// Forgets the publisher: what comes next starts anew, even if it is the same one.
    pub(super) fn interrupt(&mut self) {
        self.current = None;
    }

    fn start(&mut self, origin: Origin, header: &rtp::Header, now: Instant) -> Verdict {
        // The pause lasts as long on the subscriber's clock as it did on the wall's, and at least a tick.
        let pause = self.last_sent.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        // A pause of days would overflow; nobody compares timestamps across it.
        let ticks = pause.as_micros() * u128::from(self.source.codec().clock_rate()) / 1_000_000;
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX / 4).max(1);
        let timestamp = self.last_timestamp.wrapping_add(ticks);
        let sequence = self.last_sequence.wrapping_add(1);
        self.current = Some(Current {
            origin,
            sequence_offset: sequence.wrapping_sub(header.sequence_number),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            highest: header.sequence_number,
            span: 0,
        });
        self.sent(sequence, timestamp, now)
    }

    fn sent(&mut self, sequence: u16, timestamp: u32, now: Instant) -> Verdict {
        self.last_sequence = sequence;
        self.last_timestamp = timestamp;
        self.last_sent = Some(now);
        Verdict::Forward { sequence, timestamp }
    }

    /// Places a packet of `origin` in the outgoing stream. `keyframe` says whether it starts a keyframe.
    pub(super) fn place(&mut self, origin: Origin, header: &rtp::Header, keyframe: bool, now: Instant) -> Verdict {
        let Some(current) = self.current.as_mut().filter(|current| current.origin == origin) else {
            if self.source.is_video() && !keyframe {
                return Verdict::AwaitKeyframe;
            }
            return self.start(origin, header, now);
        };
        let sequence = header.sequence_number.wrapping_add(current.sequence_offset);
        let timestamp = header.timestamp.wrapping_add(current.timestamp_offset);
        let ahead = header.sequence_number.wrapping_sub(current.highest);
        if ahead != 0 && ahead < 0x8000 {
            current.highest = header.sequence_number;
            current.span += u64::from(ahead);
            return self.sent(sequence, timestamp, now);
        }
        if u64::from(ahead.wrapping_neg()) > current.span {
            return Verdict::Stale;
        }
        Verdict::Forward { sequence, timestamp }
    }

    /// What the publisher's RTP time is on the outgoing stream's clock, while `origin` fills it.
    pub(super) fn timestamp_of(&self, origin: Origin, rtp_time: u32) -> Option<u32> {
        let current = self.current.as_ref().filter(|current| current.origin == origin)?;
        Some(rtp_time.wrapping_add(current.timestamp_offset))
    }
}

/// A header with nothing of the publisher's but the marker. Editing the received one would leave stale
/// extension padding behind, and its extension identifiers mean nothing to the subscriber.
pub(super) fn fresh_header(ssrc: u32, payload_type: u8, marker: bool, sequence: u16, timestamp: u32) -> rtp::Header {
    rtp::Header { version: 2, marker, payload_type, sequence_number: sequence, timestamp, ssrc, ..rtp::Header::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Origin = Origin { connection: 1, ssrc: 10 };
    const SECOND: Origin = Origin { connection: 2, ssrc: 10 };

    fn header(sequence: u16, timestamp: u32) -> rtp::Header {
        fresh_header(10, 96, false, sequence, timestamp)
    }

    fn forwarded(verdict: Verdict) -> (u16, u32) {
        match verdict {
            Verdict::Forward { sequence, timestamp } => (sequence, timestamp),
            other => panic!("not forwarded: {other:?}"),
        }
    }

    #[test]
    fn a_stream_keeps_its_own_spacing() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Microphone);
        let (s0, t0) = forwarded(rewriter.place(FIRST, &header(65_535, u32::MAX), false, now));
        let (s1, t1) = forwarded(rewriter.place(FIRST, &header(0, 959), false, now));
        assert_eq!((s1.wrapping_sub(s0), t1.wrapping_sub(t0)), (1, 960));
    }

    #[test]
    fn a_new_publisher_continues_sequence_and_clock() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Microphone);
        let (s0, t0) = forwarded(rewriter.place(FIRST, &header(7, 1_000), false, now));
        let later = now + Duration::from_millis(500);
        let (s1, t1) = forwarded(rewriter.place(SECOND, &header(40_000, 9), false, later));
        assert_eq!((s1.wrapping_sub(s0), t1.wrapping_sub(t0)), (1, 24_000));
    }

    #[test]
    fn the_same_publisher_routed_again_leaves_no_gap_in_the_sequence() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Microphone);
        let (s0, _) = forwarded(rewriter.place(FIRST, &header(7, 1_000), false, now));
        rewriter.interrupt();
        let (s1, _) = forwarded(rewriter.place(FIRST, &header(500, 90_000), false, now));
        assert_eq!(s1.wrapping_sub(s0), 1);
    }

    #[test]
    fn video_of_a_new_publisher_waits_for_its_keyframe() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Camera);
        assert_eq!(rewriter.place(FIRST, &header(1, 1), false, now), Verdict::AwaitKeyframe);
        forwarded(rewriter.place(FIRST, &header(2, 1), true, now));
        forwarded(rewriter.place(FIRST, &header(3, 1), false, now));
        assert_eq!(rewriter.place(SECOND, &header(9, 1), false, now), Verdict::AwaitKeyframe);
        // Until the new one takes over, the old one may still finish.
        forwarded(rewriter.place(FIRST, &header(4, 1), false, now));
    }

    #[test]
    fn late_packets_fill_their_place_and_stale_ones_are_dropped() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Microphone);
        let (s10, _) = forwarded(rewriter.place(FIRST, &header(10, 0), false, now));
        let (s13, _) = forwarded(rewriter.place(FIRST, &header(13, 0), false, now));
        let (s11, _) = forwarded(rewriter.place(FIRST, &header(11, 0), false, now));
        assert_eq!((s13 - s10, s11 - s10), (3, 1));
        assert_eq!(rewriter.place(FIRST, &header(9, 0), false, now), Verdict::Stale);
        let (s14, _) = forwarded(rewriter.place(FIRST, &header(14, 0), false, now));
        assert_eq!(s14 - s13, 1);
    }

    #[test]
    fn report_times_follow_the_stream_and_only_its_origin() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(Source::Camera);
        let (_, t0) = forwarded(rewriter.place(FIRST, &header(1, 5_000), true, now));
        assert_eq!(rewriter.timestamp_of(FIRST, 5_000 + 90_000), Some(t0.wrapping_add(90_000)));
        assert_eq!(rewriter.timestamp_of(SECOND, 5_000), None);
    }

    #[test]
    fn a_header_carries_nothing_of_the_publisher_but_the_marker() {
        let made = fresh_header(7, 96, true, 1, 2);
        assert!(made.marker && !made.padding && !made.extension);
        assert!(made.extensions.is_empty() && made.csrc.is_empty() && made.extensions_padding == 0);
    }
}
