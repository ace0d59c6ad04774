//! The virtual file over synthetic clusters; with real media it is tested where the recorder is.

#![expect(clippy::cast_possible_truncation, reason = "times and lengths here are small")]

use std::cell::RefCell;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::media::webm::{ClusterBuilder, STORED_TRACK};

type Stored = BTreeMap<ChunkRef, Zeroizing<Vec<u8>>>;

/// Frames as (time, duration, length), cut into the chunks of one part as the recorder does it.
fn part(stored: &mut Stored, medium: Medium, index: usize, frames: &[(u64, u64, usize)]) -> PartLayout {
    let mut layout = PartLayout::default();
    for frames in frames.chunk_by(|a, b| a.0 / 1_000 == b.0 / 1_000) {
        let second = frames[0].0 / 1_000;
        let mut builder = ClusterBuilder::new(second * 1_000);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (at, lasts, length) in frames {
            builder.push(STORED_TRACK, *at, true, &vec![*at as u8; *length]).unwrap();
            match runs.last_mut() {
                Some(run) if *at < run.end + SILENCE_MS => run.end = at + lasts,
                _ => runs.push(*at..at + lasts),
            }
        }
        let cluster = builder.finish().unwrap();
        let chunk = layout.chunks.len();
        layout.chunks.push(ChunkLayout {
            second: second as u32,
            plaintext_length: cluster.len() as u32,
            keyframe_ms: (medium == Medium::Video).then_some(frames[0].0),
            runs,
        });
        stored.insert(ChunkRef { medium, part: index, chunk }, cluster);
    }
    layout
}

fn fetch(stored: &Stored) -> impl FnMut(ChunkRef) -> Result<Zeroizing<Vec<u8>>, Infallible> {
    |chunk| Ok(stored[&chunk].clone())
}

fn whole(presentation: &Presentation, stored: &Stored) -> Vec<u8> {
    presentation.read(0..presentation.len(), fetch(stored)).unwrap()
}

const SIZE: Dimensions = Dimensions { width: 320, height: 240 };

/// Audio with a hole of 100 ms, one of 2.5 s and a late start; video in two parts that share second 3.
fn example() -> (Stored, Vec<PartLayout>, VideoLayout) {
    let mut stored = Stored::new();
    let voice: Vec<_> = (15..150).chain(155..200).chain(325..400).map(|frame| (frame * 20, 20, 80)).collect();
    let audio = vec![part(&mut stored, Medium::Audio, 0, &voice)];
    let before: Vec<_> = (40..330).step_by(4).map(|at| (at * 10, 0, 900)).collect();
    let after: Vec<_> = (370..790).step_by(4).map(|at| (at * 10, 0, 300)).collect();
    let parts = vec![part(&mut stored, Medium::Video, 0, &before), part(&mut stored, Medium::Video, 1, &after)];
    (stored, audio, VideoLayout { dimensions: SIZE, parts })
}

/// All blocks of a file as (track, time, length of frame), read without the code under test.
fn blocks(file: &[u8]) -> Vec<(u8, u64, usize)> {
    fn number(bytes: &[u8], at: &mut usize, keep_marker: bool) -> u64 {
        let length = bytes[*at].leading_zeros() as usize + 1;
        let mut value = u64::from(bytes[*at]);
        if !keep_marker {
            value &= (1 << (8 - length)) - 1;
        }
        for byte in &bytes[*at + 1..*at + length] {
            value = value << 8 | u64::from(*byte);
        }
        *at += length;
        value
    }
    let (mut at, mut time, mut found) = (0, 0, Vec::new());
    while at < file.len() {
        let id = number(file, &mut at, true);
        let length = number(file, &mut at, false) as usize;
        match id {
            0x1853_8067 => assert_eq!(at + length, file.len(), "the segment ends with the file"),
            0x1f43_b675 => {}
            0xe7 => {
                time = file[at..at + length].iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
                at += length;
            }
            0xa3 => {
                found.push((file[at] & 0x7f, time + u64::from(u16::from_be_bytes([file[at + 1], file[at + 2]])), length - 4));
                at += length;
            }
            _ => at += length,
        }
    }
    found
}

#[test]
fn the_length_is_known_before_anything_is_opened() {
    let (stored, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    assert_eq!(whole(&presentation, &stored).len() as u64, presentation.len());
    assert_eq!(presentation.duration_ms(), 9_000);
}

#[test]
fn every_frame_is_there_in_the_order_of_time_and_audio_has_no_hole() {
    let (stored, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    let blocks = blocks(&whole(&presentation, &stored));
    assert!(blocks.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    let voice: Vec<u64> = blocks.iter().filter(|block| block.0 == AUDIO_TRACK).map(|block| block.1).collect();
    assert_eq!(voice, (0..450).map(|frame| frame * 20).collect::<Vec<_>>());
    assert_eq!(blocks.iter().filter(|block| block.0 == AUDIO_TRACK && block.2 == 80).count(), 135 + 45 + 75);
    assert_eq!(blocks.iter().filter(|block| block.0 == VIDEO_TRACK).count(), 73 + 105);
}

#[test]
fn reading_a_range_opens_only_what_it_touches_and_nothing_twice() {
    let (stored, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    let opened = RefCell::new(Vec::new());
    let mut record = |chunk: ChunkRef| {
        opened.borrow_mut().push(chunk);
        fetch(&stored)(chunk)
    };
    let header = presentation.boundary_after(0);
    presentation.read(0..header, &mut record).unwrap();
    assert!(opened.borrow().is_empty(), "the header opens nothing");
    let second_3 = (0..3).fold(header, |at, _| presentation.boundary_after(at));
    presentation.read(second_3..second_3 + 1, &mut record).unwrap();
    let chunk = |medium, part, chunk| ChunkRef { medium, part, chunk };
    assert_eq!(*opened.borrow(), [chunk(Medium::Audio, 0, 3), chunk(Medium::Video, 0, 3), chunk(Medium::Video, 1, 0)]);
    opened.borrow_mut().clear();
    presentation.read(5..5, &mut record).unwrap();
    presentation.read(presentation.len()..presentation.len(), &mut record).unwrap();
    assert!(opened.borrow().is_empty(), "an empty range opens nothing");
}

#[test]
fn ranges_outside_of_the_file_are_refused() {
    let (stored, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    let length = presentation.len();
    assert!(matches!(presentation.read(0..length + 1, fetch(&stored)), Err(ReadError::Range)));
    #[expect(clippy::reversed_empty_ranges, reason = "this is the attack")]
    let reversed = 9..8;
    assert!(matches!(presentation.read(reversed, fetch(&stored)), Err(ReadError::Range)));
}

#[test]
fn a_chunk_that_is_not_what_the_manifest_says_releases_nothing() {
    let (mut stored, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    let (victim, other) = (ChunkRef { medium: Medium::Video, part: 0, chunk: 1 }, ChunkRef { medium: Medium::Video, part: 0, chunk: 2 });
    let foreign = stored[&other].clone();
    stored.insert(victim, foreign);
    assert!(matches!(presentation.read(0..presentation.len(), fetch(&stored)), Err(ReadError::Inconsistent)));
    stored.insert(victim, Zeroizing::new(vec![0; 50]));
    assert!(matches!(presentation.read(0..presentation.len(), fetch(&stored)), Err(ReadError::Inconsistent)));
}

#[test]
fn a_failed_fetch_is_handed_on() {
    let (_, audio, video) = example();
    let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
    assert!(matches!(presentation.read(0..presentation.len(), |_| Err("no key")), Err(ReadError::Fetch("no key"))));
}

#[test]
fn one_track_alone_makes_a_file() {
    let (stored, audio, video) = example();
    let voice = whole(&Presentation::new(&audio, None, 0).unwrap(), &stored);
    assert!(blocks(&voice).iter().all(|block| block.0 == AUDIO_TRACK));
    let picture = Presentation::new(&[], Some(&video), 0).unwrap();
    assert_eq!(picture.duration_ms(), 7_860);
    assert!(blocks(&whole(&picture, &stored)).iter().all(|block| block.0 == VIDEO_TRACK));
    assert!(matches!(Presentation::new(&[], None, 1_000), Err(LayoutError::Empty)));
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    let chunk = |second, runs: &[(u64, u64)]| ChunkLayout {
        second,
        plaintext_length: 100,
        keyframe_ms: None,
        runs: runs.iter().map(|(start, end)| *start..*end).collect(),
    };
    for chunks in [
        vec![chunk(1, &[])],
        vec![chunk(1, &[(900, 1_000)])],
        vec![chunk(1, &[(2_000, 2_020)])],
        vec![chunk(1, &[(1_500, 1_520), (1_400, 1_420)])],
        vec![chunk(2, &[(2_000, 2_020)]), chunk(1, &[(1_000, 1_020)])],
        vec![chunk(u32::MAX, &[(u64::from(u32::MAX) * 1_000, u64::MAX)])],
        vec![ChunkLayout { plaintext_length: 3, ..chunk(1, &[(1_000, 1_020)]) }],
    ] {
        assert!(matches!(Presentation::new(&[PartLayout { chunks }], None, 0), Err(LayoutError::Inconsistent)));
    }
    assert!(matches!(
        Presentation::new(&[PartLayout { chunks: vec![chunk(1, &[(1_000, 1_020)])] }], None, u64::MAX),
        Err(LayoutError::Inconsistent)
    ));
}

proptest! {
    #[test]
    fn any_range_equals_the_slice_of_the_whole(ranges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8)) {
        let (stored, audio, video) = example();
        let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
        let file = whole(&presentation, &stored);
        for (a, b) in ranges {
            let at = |place: prop::sample::Index| place.index(file.len() + 1);
            let (start, end) = (at(a).min(at(b)), at(a).max(at(b)));
            let read = presentation.read(start as u64..end as u64, fetch(&stored)).unwrap();
            prop_assert_eq!(&read[..], &file[start..end]);
        }
    }

    #[test]
    fn stepping_from_boundary_to_boundary_gives_the_whole(offset in 0_u64..2_000) {
        let (stored, audio, video) = example();
        let presentation = Presentation::new(&audio, Some(&video), 9_000).unwrap();
        let mut at = offset;
        let mut read = Vec::new();
        while at < presentation.len() {
            let next = presentation.boundary_after(at);
            prop_assert!(next > at);
            read.extend(presentation.read(at..next, fetch(&stored)).unwrap());
            at = next;
        }
        prop_assert_eq!(&read[..], &whole(&presentation, &stored)[offset as usize..]);
    }
}
