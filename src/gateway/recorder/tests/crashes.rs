//! Crashes and mishaps: what is on disk can be recovered, whatever the network or the power did.

use std::fs;

use proptest::prelude::*;

use super::playback::{encoded_picture, encoded_voice, packets};
use super::*;
use crate::domain::id::PartId;
use crate::gateway::recorder::recovery::{Recovered, RecoveryError, recover};

#[test]
fn a_part_whose_recorder_vanished_recovers_to_the_very_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    let (voice, picture) = (encoded_voice(folder.path(), 4), encoded_picture(folder.path(), 4));
    for packet in packets(started, &voice, &picture).into_iter().filter(|packet| packet.sequence % 37 != 5) {
        session.take(packet);
    }
    let parts = session.close_stretch(0).parts;
    assert_eq!(parts.len(), 2);
    for part in parts {
        let id = part.header.identity.binding.part;
        let recovered = recover(store.as_ref(), recording(), id, &SecretKey::from_bytes(CONTENT_KEY)).unwrap();
        assert_eq!(recovered.torn_bytes, 0);
        assert_eq!(recovered.part, part);
        assert_eq!(recovered.part.manifest.to_bytes(), part.manifest.to_bytes());
    }
}

/// Five seconds of voice, finished; its store, its file and its manifest.
fn five_seconds(folder: &Path) -> (Arc<RecordingFiles>, std::path::PathBuf, FinishedPart) {
    let (mut session, store, started) = session(folder);
    for number in 0..250 {
        session.take(voice(started, number));
    }
    let part = session.close_stretch(0).parts.remove(0);
    let path = folder.join(recording().to_string()).join(format!("{}.part", part.header.identity.binding.part));
    (store, path, part)
}

fn recover_whole(store: &RecordingFiles, part: &FinishedPart) -> Result<Recovered, RecoveryError> {
    recover(store, recording(), part.header.identity.binding.part, &SecretKey::from_bytes(CONTENT_KEY))
}

/// Writes other bytes in place of a finished part.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_cut_short_recovers_every_complete_second() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path, part) = five_seconds(folder.path());
    let whole = fs::read(&path).unwrap();
    let ends: Vec<u64> = part.manifest.chunks.iter().map(|chunk| chunk.ciphertext_offset + u64::from(chunk.ciphertext_length)).collect();
    assert_eq!(ends.len(), 5);
    for cut in ends.iter().flat_map(|end| [end - 1, *end, end + 1, end + 4, end + 5]).filter(|cut| *cut <= whole.len() as u64) {
        replace(&path, &whole[..cut as usize]);
        let recovered = recover_whole(&store, &part).unwrap();
        let complete = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(recovered.part.manifest.chunks, part.manifest.chunks[..complete], "cut at {cut}");
    }
}

#[test]
fn a_last_chunk_whose_bytes_never_reached_the_disk_is_dropped_as_torn() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path, part) = five_seconds(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[length - 50..].fill(0);
    replace(&path, &bytes);
    let recovered = recover_whole(&store, &part).unwrap();
    assert_eq!(recovered.part.manifest.chunks.len(), 4);
    assert_eq!(recovered.torn_bytes, u64::from(part.manifest.chunks[4].ciphertext_length) + 4);
}

#[test]
fn a_damaged_chunk_in_the_middle_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path, part) = five_seconds(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[part.manifest.chunks[2].ciphertext_offset as usize + 100] ^= 1;
    replace(&path, &bytes);
    assert!(matches!(recover_whole(&store, &part), Err(RecoveryError::Integrity(refused)) if refused.number == 2));
}

#[test]
fn another_content_key_or_an_altered_header_recovers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path, part) = five_seconds(folder.path());
    let id = part.header.identity.binding.part;
    let stranger = recover(store.as_ref(), recording(), id, &SecretKey::from_bytes([8; 32]));
    assert!(matches!(stranger, Err(RecoveryError::Key(_))));
    let mut other = part.header.clone();
    other.identity.binding.consent_set = [66; 32];
    let bytes = fs::read(&path).unwrap();
    let altered = other.to_bytes();
    replace(&path, &[&bytes[..14], &altered, &bytes[14 + altered.len()..]].concat());
    assert!(matches!(recover_whole(&store, &part), Err(RecoveryError::Key(_))));
}

#[test]
fn a_part_under_the_name_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path, _) = five_seconds(folder.path());
    let other = PartId::from_uuid(Uuid::from_u128(5));
    fs::copy(&path, path.with_file_name(format!("{other}.part"))).unwrap();
    let refused = recover(store.as_ref(), recording(), other, &SecretKey::from_bytes(CONTENT_KEY));
    assert!(matches!(refused, Err(RecoveryError::Foreign)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_arrives_the_parts_are_whole_and_can_be_presented(
        seed in prop::collection::vec((0_u64..120, any::<bool>(), 0_u8..12), 1..300),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut session, store, started) = session(folder.path());
        let (mut now, mut sequence) = (0, 0_u16);
        for (number, (wait, is_voice, mishap)) in seed.into_iter().enumerate() {
            now += wait;
            let number = number as u64;
            let frame = if number.is_multiple_of(9) { keyframe() } else { interframe() };
            let mut packets = if is_voice {
                vec![MediaPacket { arrived: started + ms(now), timestamp: 48 * now as u32, ..voice(started, number) }]
            } else {
                picture(started, now, &mut sequence, Source::Camera, &frame)
            };
            match mishap {
                0 => packets.clear(),
                1 => packets.reverse(),
                2 => packets.extend(packets.clone()),
                3 => packets[0].timestamp = packets[0].timestamp.wrapping_add(1 << 30),
                4 => packets[0].payload = Bytes::new(),
                5 => packets[0].payload = Bytes::from_static(&[0xff, 0xff]),
                6 => session.tick(started + ms(now + 5_000)),
                7 => packets[0].sequence ^= 0x4000,
                _ => {}
            }
            for packet in packets {
                session.take(packet);
            }
        }
        let outcome = session.close_stretch(0);
        prop_assert!(outcome.failure.is_none());
        for part in &outcome.parts {
            prop_assert!(times(store.as_ref(), part).windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(&recover_whole(&store, part).unwrap().part, part);
        }
        let (voices, pictures) = (of(&outcome.parts, Source::Microphone), of(&outcome.parts, Source::Camera));
        if !outcome.parts.is_empty() {
            let file = presentation(&voices, &pictures, 0);
            let whole = read(&file, 0..file.len(), store.as_ref(), &voices, &pictures);
            prop_assert_eq!(whole.len() as u64, file.len());
        }
    }
}
