//! Places the RTP timestamps of one track on the recording's clock, so that all tracks of a recording share one.
//!
//! The first packet's arrival anchors the RTP clock; from then on the sender's clock rules, not the network's jitter. Two things move
//! the anchor: a jump of more than a second against arrival (a new stream, a restarted clock), and, after the first packet or a pause in
//! arrivals, what one second of observation shows (the first packet was late, or the sender's clock stood still while it was muted).
//! Invariant: times handed out rise strictly.

/// A deviation beyond this many milliseconds is never jitter.
const JUMP_MS: i64 = 1_000;

/// A pause in arrivals from which on a clock may have stood still, in milliseconds.
const PAUSE_MS: u64 = 250;

/// How long to look before believing a smaller deviation, in milliseconds.
const OBSERVE_MS: u64 = 1_000;

/// Packets cannot arrive before they are sent: this much earlier than predicted, in milliseconds, and the anchor was late.
const EARLY_MS: i64 = 40;

struct Anchor {
    /// RTP timestamp seen last.
    rtp: u32,
    /// Ticks from the first timestamp to the last.
    ticks: i64,
    /// Where tick 0 lies on the recording's clock, in milliseconds.
    base_ms: i64,
    arrived_ms: u64,
}

struct Observation {
    since_ms: u64,
    least_skew_ms: i64,
}

/// Times of one track.
pub struct Timeline {
    clock_rate: i64,
    anchor: Option<Anchor>,
    observation: Option<Observation>,
    last_ms: Option<u64>,
}

impl Timeline {
    /// A timeline for an RTP clock of so many ticks a second.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate: i64::from(clock_rate.max(1)), anchor: None, observation: None, last_ms: None }
    }

    /// Forgets the sender's clock: the next packet anchors a new one. Times go on rising.
    pub fn restart(&mut self) {
        self.anchor = None;
        self.observation = None;
    }

    /// The time, in milliseconds of the recording's clock, of a frame with this RTP timestamp whose first packet arrived then.
    pub fn place(&mut self, rtp: u32, arrived_ms: u64) -> u64 {
        let arrived = i64::try_from(arrived_ms).unwrap_or(i64::MAX);
        let anchor = self.anchor.get_or_insert_with(|| {
            self.observation = Some(Observation { since_ms: arrived_ms, least_skew_ms: 0 });
            Anchor { rtp, ticks: 0, base_ms: arrived, arrived_ms }
        });
        // The difference of two timestamps wraps at 2^32; read as signed it is right up to half of that, either way.
        anchor.ticks += i64::from(rtp.wrapping_sub(anchor.rtp).cast_signed());
        anchor.rtp = rtp;
        if arrived_ms.saturating_sub(anchor.arrived_ms) > PAUSE_MS {
            self.observation = Some(Observation { since_ms: arrived_ms, least_skew_ms: i64::MAX });
        }
        anchor.arrived_ms = anchor.arrived_ms.max(arrived_ms);

        let offset = anchor.ticks * 1_000 / self.clock_rate;
        let skew = arrived - (anchor.base_ms + offset);
        if skew.abs() > JUMP_MS {
            anchor.base_ms = arrived - offset;
            self.observation = Some(Observation { since_ms: arrived_ms, least_skew_ms: 0 });
        } else if let Some(observation) = &mut self.observation {
            observation.least_skew_ms = observation.least_skew_ms.min(skew);
            if arrived_ms.saturating_sub(observation.since_ms) >= OBSERVE_MS {
                let least = observation.least_skew_ms;
                if least < -EARLY_MS || least > i64::try_from(PAUSE_MS).unwrap_or(i64::MAX) {
                    anchor.base_ms += least;
                }
                self.observation = None;
            }
        }

        let candidate = u64::try_from(anchor.base_ms + offset).unwrap_or(0);
        let placed = self.last_ms.map_or(candidate, |last| candidate.max(last + 1));
        self.last_ms = Some(placed);
        placed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jitter_does_not_show_and_the_wrap_is_not_seen() {
        let mut timeline = Timeline::new(48_000);
        let start = u32::MAX - 48 * 30;
        for (frame, jitter) in [0, 15, 3, 30, 0, 18, 2].into_iter().enumerate() {
            let frame = u32::try_from(frame).unwrap();
            let (rtp, sent_ms) = (start.wrapping_add(960 * frame), 5_000 + u64::from(frame) * 20);
            assert_eq!(timeline.place(rtp, sent_ms + jitter), sent_ms);
        }
    }

    #[test]
    fn a_jump_of_the_senders_clock_is_anchored_anew() {
        let mut timeline = Timeline::new(90_000);
        assert_eq!(timeline.place(1_000, 100), 100);
        assert_eq!(timeline.place(1_000 + 9_000, 205), 200);
        assert_eq!(timeline.place(3_000_000_000, 300), 300);
        assert_eq!(timeline.place(3_000_000_000 + 9_000, 399), 400);
        assert_eq!(timeline.place(5, 10_000), 10_000);
    }

    #[test]
    fn a_late_first_packet_is_found_out() {
        let mut timeline = Timeline::new(48_000);
        timeline.place(0, 200);
        let last = (1..=100).map(|frame| timeline.place(frame * 960, u64::from(frame) * 20)).last();
        assert_eq!(last, Some(2_000));
    }

    #[test]
    fn a_clock_that_stood_still_while_muted_is_caught_up_with() {
        let mut timeline = Timeline::new(48_000);
        for frame in 0..100 {
            timeline.place(frame * 960, u64::from(frame) * 20);
        }
        // Silent for 600 ms; the RTP clock goes on as if it had not been.
        let last = (100..200).map(|frame| timeline.place(frame * 960, u64::from(frame) * 20 + 600)).last();
        assert_eq!(last, Some(199 * 20 + 600));
    }

    #[test]
    fn an_outage_with_everything_delivered_late_moves_nothing() {
        let mut timeline = Timeline::new(48_000);
        for frame in 0..100 {
            timeline.place(frame * 960, u64::from(frame) * 20);
        }
        // 600 ms of packets arrive together, then the network is as before.
        for frame in 100..130 {
            timeline.place(frame * 960, 2_600);
        }
        for frame in 130..300 {
            assert_eq!(timeline.place(frame * 960, u64::from(frame) * 20), u64::from(frame) * 20);
        }
    }

    proptest! {
        #[test]
        fn times_always_rise(steps in prop::collection::vec((any::<u32>(), 0_u64..3_000), 1..100), rate in prop::sample::select(vec![48_000_u32, 90_000])) {
            let mut timeline = Timeline::new(rate);
            let (mut now, mut last) = (0, None);
            for (rtp, wait) in steps {
                now += wait;
                let placed = timeline.place(rtp, now);
                prop_assert!(last.is_none_or(|last| placed > last));
                last = Some(placed);
            }
        }
    }
}
