//! Sets of places in the log, one block of it at a time, as they are stored.
//!
//! A set with few members is stored as their numbers within the block (two bytes each, little-endian, ascending), one with many as one bit for
//! each place of the block. The length tells which.

const WORDS: usize = 128;
/// Places in a block. A bit for each of them makes a row that fits into a page of either engine with others.
pub(super) const BLOCK: u64 = 64 * WORDS as u64;
/// How many bytes these bits take.
const DENSE: usize = 8 * WORDS;

/// A set of places within one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places(Box<[u64; WORDS]>);

/// Which block a place is in, and where in it.
pub(super) const fn split(place: u64) -> (u64, u64) {
    (place / BLOCK, place % BLOCK)
}

impl Places {
    pub(super) fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// All that lie before this one.
    pub(super) fn before(end: u64) -> Self {
        let mut places = Self::none();
        for (nth, word) in (0_u64..).zip(places.0.iter_mut()) {
            let within = end.saturating_sub(nth * 64).min(64);
            *word = if within == 64 { u64::MAX } else { (1 << within) - 1 };
        }
        places
    }

    pub(super) fn insert(&mut self, place: u64) {
        if let Some(word) = usize::try_from(place / 64).ok().and_then(|nth| self.0.get_mut(nth)) {
            *word |= 1 << (place % 64);
        }
    }

    pub(super) fn contains(&self, place: u64) -> bool {
        usize::try_from(place / 64).ok().and_then(|nth| self.0.get(nth)).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Keeps those that are in the other one as well.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word &= other);
    }

    /// Takes those out that are in the other one; whether there were any.
    pub(super) fn take_out(&mut self, other: &Self) -> bool {
        self.0.iter_mut().zip(other.0.iter()).fold(false, |any, (word, other)| {
            let taken = *word & other;
            *word &= !other;
            any || taken != 0
        })
    }

    /// The last first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = u64> + '_ {
        let words = (0..BLOCK / 64).rev().zip(self.0.iter().rev());
        words.flat_map(|(nth, word)| (0..64).rev().filter(move |bit| word >> bit & 1 == 1).map(move |bit| nth * 64 + bit))
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word |= other);
    }

    /// Adds the members of a stored set; `None`, and nothing, where the bytes are no set.
    pub(super) fn add_stored(&mut self, stored: &[u8]) -> Option<()> {
        if stored.len() == DENSE {
            for (word, bytes) in self.0.iter_mut().zip(stored.as_chunks::<8>().0) {
                *word |= u64::from_le_bytes(*bytes);
            }
            return Some(());
        }
        let (members, rest) = stored.as_chunks::<2>();
        let good = rest.is_empty() && stored.len() < DENSE && members.iter().all(|place| u64::from(u16::from_le_bytes(*place)) < BLOCK);
        good.then(|| members.iter().for_each(|place| self.insert(u64::from(u16::from_le_bytes(*place)))))
    }

    /// As it is stored.
    pub(super) fn to_stored(&self) -> Vec<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        if count as usize * 2 >= DENSE {
            return self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        }
        let mut members: Vec<u16> = self.last_first().filter_map(|place| u16::try_from(place).ok()).collect();
        members.reverse();
        members.into_iter().flat_map(u16::to_le_bytes).collect()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test ends loudly")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn of(members: &BTreeSet<u64>) -> Places {
        let mut places = Places::none();
        for place in members {
            places.insert(*place);
        }
        places
    }

    fn members(places: &Places) -> BTreeSet<u64> {
        places.last_first().collect()
    }

    fn sets() -> impl Strategy<Value = BTreeSet<u64>> {
        // both sides of where bits become shorter than numbers
        prop_oneof![
            proptest::collection::btree_set(0..BLOCK, 0..40),
            proptest::collection::btree_set(0..BLOCK, 480..540),
            Just((0..BLOCK).collect()),
        ]
    }

    proptest! {
        #[test]
        fn sets_do_what_sets_do(a in sets(), b in sets(), end in 0..=BLOCK, place in 0..BLOCK) {
            let (x, y) = (of(&a), of(&b));
            let mut both = x.clone();
            both.keep(&y);
            prop_assert_eq!(members(&both), &a & &b);
            let mut without = x.clone();
            prop_assert_eq!(without.take_out(&y), !a.is_disjoint(&b));
            prop_assert_eq!(members(&without), &a - &b);
            prop_assert_eq!(without.is_empty(), a.is_subset(&b));
            let mut before = x.clone();
            before.keep(&Places::before(end));
            prop_assert_eq!(members(&before), a.range(..end).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(x.contains(place), a.contains(&place));
            let downward: Vec<u64> = x.last_first().collect();
            prop_assert!(downward.is_sorted_by(|one, next| one > next));
        }

        #[test]
        fn what_is_stored_is_read_again_and_joined(a in sets(), b in sets()) {
            let stored = of(&a).to_stored();
            prop_assert_eq!(stored.len(), (a.len() * 2).min(1_024));
            let mut read = Places::none();
            read.add_stored(&stored).expect("read again");
            prop_assert_eq!(members(&read), a.clone());
            read.add_stored(&of(&b).to_stored()).expect("joined");
            prop_assert_eq!(members(&read), &a | &b);
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for wrong in [&[0_u8; 3][..], &[0; 1_026], &[0, 0x20], &[0; 1_023]] {
            assert_eq!(Places::none().add_stored(wrong), None, "{wrong:?}");
        }
    }
}
