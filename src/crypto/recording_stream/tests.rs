//! Attacks on a sealed part, and a second opinion on the FLOE messages.

#![expect(clippy::cast_possible_truncation, reason = "lengths here are small")]

use sha2::{Digest, Sha384};
use uuid::Uuid;

use super::manifest::{Manifest, ManifestChunk, PartHeader, PartIdentity, Run};
use super::*;
use crate::crypto::entropy::doubles::CountingEntropy;
use crate::crypto::envelope::{open_value, unwrap, wrap};
use crate::domain::id::ParticipantId;

fn binding() -> PartBinding {
    PartBinding {
        recording: RecordingId::from_uuid(Uuid::from_u128(1)),
        part: PartId::from_uuid(Uuid::from_u128(2)),
        consent_set: [3; 32],
        policy: [4; 32],
        key_version: 5,
    }
}

fn identity() -> PartIdentity {
    PartIdentity {
        binding: binding(),
        participant: ParticipantId::from_uuid(Uuid::from_u128(6)),
        track: "camera".into(),
        codec: "vp8".into(),
        width: 640,
        height: 360,
        start_ms: 1_234,
    }
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

/// Three chunks: one byte, exactly one full segment of plaintext and a bit, several segments.
fn sealed() -> (Vec<Vec<u8>>, Vec<SealedChunk>) {
    let plaintexts = vec![vec![1], vec![2; 65_536], vec![3; 200_000]];
    let mut sealer = ChunkSealer::new(&key(9), binding());
    let chunks = plaintexts.iter().map(|plaintext| sealer.seal(plaintext).unwrap()).collect();
    (plaintexts, chunks)
}

fn predecessor(chunks: &[SealedChunk], number: usize) -> ChunkDigest {
    if number == 0 { ChunkDigest::NONE } else { chunks[number - 1].digest }
}

#[test]
fn any_chunk_opens_by_itself_in_any_order() {
    let (plaintexts, chunks) = sealed();
    let opener = ChunkOpener::new(&key(9), binding());
    for number in [2_usize, 0, 1, 2] {
        let chunk = &chunks[number];
        assert_eq!(chunk.number, number as u64);
        let plaintext = opener.open(chunk.number, predecessor(&chunks, number), &chunk.ciphertext).unwrap();
        assert_eq!(*plaintext, plaintexts[number]);
        assert_eq!(plaintext_length(chunk.ciphertext.len() as u64), Some(plaintexts[number].len() as u64));
    }
}

#[test]
fn a_swapped_chunk_is_refused() {
    let (_, chunks) = sealed();
    let opener = ChunkOpener::new(&key(9), binding());
    for (place, other) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let refused = opener.open(place as u64, predecessor(&chunks, place), &chunks[other].ciphertext);
        assert_eq!(refused, Err(IntegrityError { number: place as u64 }));
    }
}

#[test]
fn a_removed_or_reordered_predecessor_is_noticed_by_the_next_chunk() {
    let (_, chunks) = sealed();
    let opener = ChunkOpener::new(&key(9), binding());
    assert!(opener.open(2, chunks[0].digest, &chunks[2].ciphertext).is_err());
    assert!(opener.open(2, ChunkDigest::NONE, &chunks[2].ciphertext).is_err());
    assert!(opener.open(1, chunks[0].digest, &chunks[2].ciphertext).is_err());
}

#[test]
fn a_truncated_or_extended_chunk_is_refused() {
    let (_, chunks) = sealed();
    let opener = ChunkOpener::new(&key(9), binding());
    let whole = &chunks[2].ciphertext;
    // Every cut of the header, every segment boundary with its neighbors, and the last byte.
    let cuts = (0..120).chain([65_535, 65_536, 65_610, 131_146, 196_682]).chain([whole.len() - 1]);
    for cut in cuts {
        assert!(opener.open(2, chunks[1].digest, &whole[..cut]).is_err(), "cut at {cut}");
    }
    let mut extended = whole.clone();
    extended.push(0);
    assert!(opener.open(2, chunks[1].digest, &extended).is_err());
    let mut doubled = whole.clone();
    doubled.extend_from_slice(whole);
    assert!(opener.open(2, chunks[1].digest, &doubled).is_err());
}

#[test]
fn a_bit_flipped_at_any_byte_is_refused() {
    let mut sealer = ChunkSealer::new(&key(9), binding());
    let chunk = sealer.seal(&[7; 300]).unwrap();
    let opener = ChunkOpener::new(&key(9), binding());
    for at in 0..chunk.ciphertext.len() {
        let mut altered = chunk.ciphertext.clone();
        altered[at] ^= 1 << (at % 8);
        assert_eq!(opener.open(0, ChunkDigest::NONE, &altered), Err(IntegrityError { number: 0 }), "byte {at}");
    }
}

#[test]
fn segments_swapped_within_a_chunk_are_refused() {
    let (_, chunks) = sealed();
    let opener = ChunkOpener::new(&key(9), binding());
    let segment = SEGMENT_LENGTH as usize;
    let header = fast_floe::Header::LEN;
    let mut swapped = chunks[2].ciphertext.clone();
    let (first, rest) = swapped[header..].split_at_mut(segment);
    first.swap_with_slice(&mut rest[..segment]);
    assert!(opener.open(2, chunks[1].digest, &swapped).is_err());
}

#[test]
fn a_chunk_of_another_recording_part_consent_set_policy_or_key_is_refused() {
    let (_, chunks) = sealed();
    let other = Uuid::from_u128(77);
    let strangers = [
        PartBinding { recording: RecordingId::from_uuid(other), ..binding() },
        PartBinding { part: PartId::from_uuid(other), ..binding() },
        PartBinding { consent_set: [77; 32], ..binding() },
        PartBinding { policy: [77; 32], ..binding() },
        PartBinding { key_version: 77, ..binding() },
    ];
    for stranger in strangers {
        assert!(ChunkOpener::new(&key(9), stranger).open(0, ChunkDigest::NONE, &chunks[0].ciphertext).is_err());
    }
    assert!(ChunkOpener::new(&key(8), binding()).open(0, ChunkDigest::NONE, &chunks[0].ciphertext).is_err());
}

#[test]
fn a_message_with_another_segment_length_is_refused() {
    let associated = binding().associated_data(0, ChunkDigest::NONE);
    let foreign = encrypt(&floe_key(&key(9)), &associated, Parameters::SEGMENT_4_KIB, b"x").unwrap();
    assert!(ChunkOpener::new(&key(9), binding()).open(0, ChunkDigest::NONE, &foreign).is_err());
}

#[test]
fn a_sealed_chunk_shows_nothing_of_its_plaintext_and_an_overlong_one_is_not_sealed() {
    let mut sealer = ChunkSealer::new(&key(9), binding());
    let canary = b"canary-4d1f".repeat(1_000);
    let chunk = sealer.seal(&canary).unwrap();
    assert!(!chunk.ciphertext.windows(11).any(|window| window == b"canary-4d1f"));
    assert_eq!(sealer.seal(&vec![0; MAX_CHUNK_LENGTH + 1]), Err(ChunkSealError::TooLong));
    // The refusal left the chain where it was.
    let next = sealer.seal(b"next").unwrap();
    assert_eq!(next.number, 1);
    assert!(ChunkOpener::new(&key(9), binding()).open(1, chunk.digest, &next.ciphertext).is_ok());
}

#[test]
fn lengths_that_no_chunk_has_are_told() {
    for length in [0, 4, 73, 74, 100] {
        assert_eq!(plaintext_length(length), None, "{length}");
    }
}

fn manifest() -> Manifest {
    let (plaintexts, chunks) = sealed();
    manifest_of(&plaintexts, &chunks)
}

fn manifest_of(plaintexts: &[Vec<u8>], chunks: &[SealedChunk]) -> Manifest {
    let entries = chunks.iter().zip(plaintexts).enumerate().map(|(at, (chunk, plaintext))| ManifestChunk {
        second: 1 + at as u32 * 2,
        plaintext_length: plaintext.len() as u32,
        ciphertext_offset: 1_000 * at as u64,
        ciphertext_length: chunk.ciphertext.len() as u32,
        digest: chunk.digest,
        keyframe_ms: (at == 0).then_some(1_234),
        runs: (0..=at as u64).map(|run| Run { start_ms: run * 10, end_ms: run * 10 + 5 }).collect(),
    });
    Manifest { identity: identity(), chunks: entries.collect() }
}

#[test]
fn a_manifest_survives_its_bytes_and_every_change_shows_in_them() {
    let manifest = manifest();
    let bytes = manifest.to_bytes();
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
    for cut in 0..bytes.len() {
        assert!(Manifest::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let mut fewer = manifest.clone();
    fewer.chunks.pop();
    let mut swapped = manifest.clone();
    swapped.chunks.swap(0, 1);
    let mut moved = manifest.clone();
    moved.identity.start_ms += 1;
    let mut without_keyframe = manifest.clone();
    without_keyframe.chunks[0].keyframe_ms = None;
    for changed in [fewer, swapped, moved, without_keyframe] {
        assert_ne!(changed.to_bytes(), bytes);
    }
}

#[test]
fn whatever_decodes_as_a_manifest_encodes_to_the_same_bytes() {
    let bytes = manifest().to_bytes();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        if let Ok(other) = Manifest::from_bytes(&altered) {
            assert_eq!(other.to_bytes(), altered, "byte {at}");
        }
    }
}

#[test]
fn the_manifest_gives_what_opening_needs() {
    let (plaintexts, chunks) = sealed();
    let manifest = manifest_of(&plaintexts, &chunks);
    let opener = ChunkOpener::new(&key(9), manifest.identity.binding);
    for number in [1_usize, 0, 2] {
        let (_, predecessor) = manifest.chunk(number as u64).unwrap();
        assert_eq!(*opener.open(number as u64, predecessor, &chunks[number].ciphertext).unwrap(), plaintexts[number]);
    }
    assert!(manifest.chunk(3).is_err());
    assert_eq!(manifest.last_digest(), chunks[2].digest);
    assert_eq!(manifest.end_ms(), 25);
}

#[test]
fn a_header_with_any_changed_byte_yields_no_key() {
    let content = key(1);
    let identity = identity();
    let wrapped_key = wrap(&content, &key(2), &identity.to_bytes(), &CountingEntropy::default()).unwrap();
    let header = PartHeader { identity, wrapped_key };
    let bytes = header.to_bytes();
    assert_eq!(PartHeader::from_bytes(&bytes).unwrap(), header);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        if let Ok(other) = PartHeader::from_bytes(&altered) {
            assert!(unwrap(&content, &other.wrapped_key, &other.identity.to_bytes()).is_err(), "byte {at}");
        }
    }
    assert!(open_value(&content, header.wrapped_key.as_bytes(), &header.identity.to_bytes()).is_err());
}

/// HMAC (RFC 2104) with SHA-384.
fn hmac_sha384(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 128];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha384::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha384::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

/// `FLOE_KDF` of the specification. HKDF-Expand (RFC 5869, section 2.3) of at most 48 bytes is a single HMAC.
fn floe_kdf(key: &[u8], prefix: &[u8], purpose: &[u8], aad: &[u8], length: usize) -> Vec<u8> {
    let info = [prefix, purpose, aad, &[1]].concat();
    hmac_sha384(key, &info)[..length].to_vec()
}

/// Decrypts a FLOE message by the letter of c2sp.org/FLOE, sharing nothing with the crate but AES-GCM.
fn floe_by_the_letter(key: &[u8], aad: &[u8], segment_length: u32, message: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::{Aead, KeyInit, Payload};

    let parameters = [&[0, 0][..], &segment_length.to_be_bytes(), &32_u32.to_be_bytes()].concat();
    let (prefix, rest) = message.split_at(10 + 32);
    let (tag, body) = rest.split_at(32);
    assert_eq!(prefix[..10], parameters[..]);
    assert_eq!(tag, floe_kdf(key, prefix, b"HEADER_TAG:", aad, 32));
    let message_key = floe_kdf(key, prefix, b"MESSAGE_KEY:", aad, 48);
    let segments: Vec<&[u8]> = body.chunks(segment_length as usize).collect();
    let mut plaintext = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let last = position + 1 == segments.len();
        let length = if last { segment.len() as u32 } else { u32::MAX };
        assert_eq!(segment[..4], length.to_be_bytes());
        // All positions here are below 2^20, so the masked position of the key is 0.
        let purpose = [&b"DEK:"[..], &0_u64.to_be_bytes()].concat();
        let segment_key: [u8; 32] = floe_kdf(&message_key, prefix, &purpose, aad, 32).try_into().unwrap();
        let associated = [&(position as u64).to_be_bytes()[..], &[u8::from(last)]].concat();
        let nonce: [u8; 12] = segment[4..16].try_into().unwrap();
        let payload = Payload { msg: &segment[16..], aad: &associated };
        plaintext.extend(aes_gcm::Aes256Gcm::new(&segment_key.into()).decrypt(&nonce.into(), payload).unwrap());
    }
    plaintext
}

#[test]
fn sealed_chunks_are_floe_messages_by_the_letter_of_the_specification() {
    let (plaintexts, chunks) = sealed();
    for (number, chunk) in chunks.iter().enumerate() {
        let associated = binding().associated_data(chunk.number, predecessor(&chunks, number));
        assert_eq!(floe_by_the_letter(&[9; 32], &associated, SEGMENT_LENGTH, &chunk.ciphertext), plaintexts[number]);
    }
}

#[test]
fn the_associated_data_is_pinned() {
    let expected = [
        &[0, 0, 0, 26][..],
        b"bedside/recording-chunk/v1",
        &[0, 0, 0, 8],
        &7_u64.to_be_bytes(),
        &[0, 0, 0, 32],
        &[0; 32],
        &[0, 0, 0, 16],
        &1_u128.to_be_bytes(),
        &[0, 0, 0, 16],
        &2_u128.to_be_bytes(),
        &[0, 0, 0, 32],
        &[3; 32],
        &[0, 0, 0, 32],
        &[4; 32],
        &[0, 0, 0, 4],
        &5_u32.to_be_bytes(),
    ]
    .concat();
    assert_eq!(binding().associated_data(7, ChunkDigest::NONE), expected);
}
