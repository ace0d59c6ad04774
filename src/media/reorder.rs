//! Puts the packets of one track back in order (RTP sequence numbers, RFC 3550, section 5.1).
//!
//! A small ring: a missing packet is awaited until too many or too old packets wait behind it, then it is given up and the next one
//! released is marked. Invariant: released packets have rising sequence numbers, each at most once, and every hole before one is told.

use std::collections::VecDeque;

/// Packets that may wait behind a missing one. At 1.2 Mbit/s about one second of video arrives in so many.
const WINDOW: usize = 128;

/// Milliseconds to wait for a missing packet: two retransmissions over a slow link.
const PATIENCE_MS: u64 = 400;

/// A number further ahead than this is not loss but a new stream, unless the next packet says otherwise (RFC 3550, appendix A.1).
const MAX_DROPOUT: usize = 3_000;

/// A number further behind than this is not a late packet but a new stream, likewise.
const MAX_MISORDER: usize = 512;

struct Held<T> {
    item: T,
    arrived_ms: u64,
}

/// A packet in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released<T> {
    /// The packet.
    pub item: T,
    /// At least one packet before it is missing for good.
    pub after_gap: bool,
}

/// Reorders the packets of one track.
pub struct ReorderBuffer<T> {
    /// Sequence number that `slots[0]` is for; `None` before the first packet.
    next: Option<u16>,
    /// The last slot is never empty.
    slots: VecDeque<Option<Held<T>>>,
    /// A packet far from the others: the first of a new stream if its successor follows.
    stranger: Option<(u16, Held<T>)>,
    gap: bool,
}

impl<T> Default for ReorderBuffer<T> {
    fn default() -> Self {
        Self { next: None, slots: VecDeque::new(), stranger: None, gap: false }
    }
}

impl<T> ReorderBuffer<T> {
    /// Takes a packet that arrived at this time of the recording's clock. Duplicates and packets given up on are dropped.
    pub fn push(&mut self, sequence: u16, arrived_ms: u64, item: T) {
        let held = Held { item, arrived_ms };
        let next = *self.next.get_or_insert(sequence);
        let ahead = usize::from(sequence.wrapping_sub(next));
        let behind = usize::from(next.wrapping_sub(sequence));
        if ahead < MAX_DROPOUT {
            self.place(ahead, held);
        } else if behind > MAX_MISORDER {
            self.consider_new_stream(sequence, held);
        }
    }

    fn place(&mut self, at: usize, held: Held<T>) {
        self.stranger = None;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        if let Some(slot @ None) = self.slots.get_mut(at) {
            *slot = Some(held);
        }
    }

    fn consider_new_stream(&mut self, sequence: u16, held: Held<T>) {
        match self.stranger.take() {
            Some((first, earlier)) if first.wrapping_add(1) == sequence => {
                self.slots = VecDeque::from([Some(earlier), Some(held)]);
                self.next = Some(first);
                self.gap = true;
            }
            _ => self.stranger = Some((sequence, held)),
        }
    }

    /// The next packet in order, if there is one or if it is time to give up on it.
    pub fn pop(&mut self, now_ms: u64) -> Option<Released<T>> {
        let impatient =
            self.slots.len() > WINDOW || self.slots.iter().flatten().any(|held| now_ms.saturating_sub(held.arrived_ms) >= PATIENCE_MS);
        self.release(impatient)
    }

    /// The next packet in order whatever is missing: for the end of a recording.
    pub fn drain(&mut self) -> Option<Released<T>> {
        self.release(true)
    }

    fn release(&mut self, skip_missing: bool) -> Option<Released<T>> {
        loop {
            if self.slots.front()?.is_none() && !skip_missing {
                return None;
            }
            let slot = self.slots.pop_front()?;
            self.next = self.next.map(|next| next.wrapping_add(1));
            match slot {
                Some(held) => return Some(Released { item: held.item, after_gap: std::mem::take(&mut self.gap) }),
                None => self.gap = true,
            }
        }
    }

    /// Forgets everything, as if no packet had come yet.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn released(buffer: &mut ReorderBuffer<u16>, now_ms: u64) -> Vec<(u16, bool)> {
        std::iter::from_fn(|| buffer.pop(now_ms)).map(|packet| (packet.item, packet.after_gap)).collect()
    }

    fn feed(buffer: &mut ReorderBuffer<u16>, now_ms: u64, sequences: &[u16]) -> Vec<(u16, bool)> {
        let mut all = Vec::new();
        for sequence in sequences {
            buffer.push(*sequence, now_ms, *sequence);
            all.extend(released(buffer, now_ms));
        }
        all
    }

    #[test]
    fn packets_out_of_order_across_the_wrap_come_out_in_order() {
        let mut buffer = ReorderBuffer::default();
        let order = feed(&mut buffer, 0, &[65_533, 65_535, 65_534, 1, 0, 0, 65_534, 2]);
        assert_eq!(order, [65_533, 65_534, 65_535, 0, 1, 2].map(|sequence| (sequence, false)));
    }

    #[test]
    fn a_missing_packet_is_awaited_and_then_given_up_and_told() {
        let mut buffer = ReorderBuffer::default();
        assert_eq!(feed(&mut buffer, 0, &[10, 12, 13]), [(10, false)]);
        assert_eq!(released(&mut buffer, PATIENCE_MS - 1), []);
        assert_eq!(released(&mut buffer, PATIENCE_MS), [(12, true), (13, false)]);
        assert_eq!(feed(&mut buffer, PATIENCE_MS, &[11, 14]), [(14, false)], "late packet is dropped");
    }

    #[test]
    fn a_full_window_gives_up_without_waiting() {
        let mut buffer = ReorderBuffer::default();
        let sequences: Vec<u16> = [0].into_iter().chain(2..200).collect();
        let order = feed(&mut buffer, 0, &sequences);
        assert_eq!(order.len(), sequences.len());
        assert_eq!(order.iter().filter(|(_, after_gap)| *after_gap).collect::<Vec<_>>(), [&(2, true)]);
    }

    #[test]
    fn one_stray_packet_changes_nothing_and_a_new_stream_is_followed_from_its_first_packet() {
        let mut buffer = ReorderBuffer::default();
        assert_eq!(feed(&mut buffer, 0, &[100, 101, 40_000, 102]), [(100, false), (101, false), (102, false)]);
        assert_eq!(feed(&mut buffer, 0, &[40_001, 40_002, 40_003]), [(40_001, true), (40_002, false), (40_003, false)]);
    }

    #[test]
    fn draining_releases_what_waits() {
        let mut buffer = ReorderBuffer::default();
        feed(&mut buffer, 0, &[1, 3, 6]);
        let rest: Vec<_> = std::iter::from_fn(|| buffer.drain()).map(|packet| (packet.item, packet.after_gap)).collect();
        assert_eq!(rest, [(3, true), (6, true)]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_released_in_rising_order_and_at_most_once(start: u16, steps in prop::collection::vec((-5_i16..20, 0_u64..50), 1..400)) {
            let mut buffer = ReorderBuffer::default();
            let (mut now, mut at, mut out) = (0, 0_i64, Vec::new());
            for (step, wait) in steps {
                at += i64::from(step);
                now += wait;
                let sequence = start.wrapping_add(u16::try_from(at.rem_euclid(65_536)).unwrap());
                buffer.push(sequence, now, at);
                out.extend(std::iter::from_fn(|| buffer.pop(now)).map(|packet| packet.item));
            }
            out.extend(std::iter::from_fn(|| buffer.drain()).map(|packet| packet.item));
            prop_assert!(out.windows(2).all(|pair| pair[0] < pair[1]), "{out:?}");
        }
    }
}
