//! The recorder over a real store on disk, with real media from ffmpeg where players are to judge, and with made-up packets elsewhere.

#![expect(clippy::cast_possible_truncation, reason = "RTP counters wrap; everything else here is small")]

mod boundaries;
mod crashes;
mod playback;

use std::convert::Infallible;
use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::crypto::entropy::doubles::CountingEntropy;
use crate::crypto::envelope::unwrap;
use crate::crypto::recording_stream::ChunkOpener;
use crate::media::Dimensions;
use crate::media::presentation::{ChunkLayout, ChunkRef, Medium, PartLayout, Presentation, ReadError, VideoLayout};
use crate::media::webm::Cluster;
use crate::storage::recording_files::{ChunkLocation, RecordingFiles};

const CONTENT_KEY: [u8; 32] = [7; 32];
const STRETCH: Stretch = Stretch { consent_set: [1; 32], policy: [2; 32] };

/// 1,200 bytes a packet as on the wire.
const MTU: usize = 1_200;

fn recording() -> RecordingId {
    RecordingId::from_uuid(Uuid::from_u128(0xbed))
}

fn patient() -> ParticipantId {
    ParticipantId::from_uuid(Uuid::from_u128(0xa))
}

fn setup(store: Arc<dyn PartStore>, on_event: impl Fn(RecorderEvent) + Send + 'static) -> RecorderSetup {
    let entropy: Arc<dyn Entropy> = Arc::new(CountingEntropy::default());
    RecorderSetup {
        recording: recording(),
        started: Instant::now(),
        started_at: Timestamp::from_micros(1_700_000_000_000_000),
        stretch: STRETCH,
        keys: Box::new(ContentKeyIssuer::new(SecretKey::from_bytes(CONTENT_KEY), 3, Arc::clone(&entropy))),
        store,
        entropy,
        on_event: Box::new(on_event),
        clock: Instant::now,
    }
}

/// A session without a thread, its store and the zero of its clock.
fn session(folder: &Path) -> (Session, Arc<RecordingFiles>, Instant) {
    let store = Arc::new(RecordingFiles::new(folder));
    let setup = setup(Arc::clone(&store) as Arc<dyn PartStore>, |_| {});
    let started = setup.started;
    (Session::new(setup), store, started)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The n-th Opus packet of 20 ms, with its number in its payload.
fn voice(started: Instant, number: u64) -> MediaPacket {
    MediaPacket {
        participant: patient(),
        source: Source::Microphone,
        ssrc: 1,
        sequence: 65_000_u16.wrapping_add(number as u16),
        timestamp: (u32::MAX - 50_000).wrapping_add(960 * number as u32),
        marker: number == 0,
        payload: [&[0xf8][..], b"voice-canary", &number.to_be_bytes()].concat().into(),
        arrived: started + ms(number * 20),
    }
}

/// A VP8 frame at this time, cut into packets.
fn picture(started: Instant, at_ms: u64, sequence: &mut u16, source: Source, frame: &[u8]) -> Vec<MediaPacket> {
    let count = frame.chunks(MTU).count();
    let packets = frame.chunks(MTU).enumerate().map(|(index, data)| {
        *sequence = sequence.wrapping_add(1);
        let first = if index == 0 { 0x90 } else { 0x80 };
        MediaPacket {
            participant: patient(),
            source,
            ssrc: 2,
            sequence: *sequence,
            timestamp: (u32::MAX - 100_000).wrapping_add(90 * at_ms as u32),
            marker: index + 1 == count,
            payload: [&[first, 0x80, 0x80, 1][..], data].concat().into(),
            arrived: started + ms(at_ms),
        }
    });
    packets.collect()
}

fn keyframe() -> Vec<u8> {
    [&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00][..], &b"picture-canary".repeat(200)].concat()
}

fn interframe() -> Vec<u8> {
    [&[0x11, 2, 0][..], b"picture-canary"].concat()
}

fn opener(part: &FinishedPart) -> ChunkOpener {
    let identity = &part.header.identity;
    let key = unwrap(&SecretKey::from_bytes(CONTENT_KEY), &part.header.wrapped_key, &identity.to_bytes()).unwrap();
    ChunkOpener::new(&key, identity.binding)
}

fn open_chunk(store: &dyn PartStore, part: &FinishedPart, number: usize) -> Zeroizing<Vec<u8>> {
    let (chunk, predecessor) = part.manifest.chunk(number as u64).unwrap();
    let location = ChunkLocation { offset: chunk.ciphertext_offset, length: chunk.ciphertext_length };
    let sealed = store.read(recording(), part.header.identity.binding.part, location).unwrap();
    opener(part).open(number as u64, predecessor, &sealed).unwrap()
}

/// Times of all frames of a part, read back from disk.
fn times(store: &dyn PartStore, part: &FinishedPart) -> Vec<u64> {
    let clusters = (0..part.manifest.chunks.len()).map(|number| Cluster::parse(&open_chunk(store, part, number)).unwrap());
    clusters.flat_map(|cluster| cluster.blocks.into_iter().map(|block| block.time_ms)).collect()
}

fn layout(part: &FinishedPart) -> PartLayout {
    let chunks = part.manifest.chunks.iter().map(|chunk| ChunkLayout {
        second: chunk.second,
        plaintext_length: chunk.plaintext_length,
        keyframe_ms: chunk.keyframe_ms,
        runs: chunk.runs.iter().map(|run| run.start_ms..run.end_ms).collect(),
    });
    PartLayout { chunks: chunks.collect() }
}

fn of(parts: &[FinishedPart], source: Source) -> Vec<FinishedPart> {
    parts.iter().filter(|part| part.source == source).cloned().collect()
}

fn presentation(voice: &[FinishedPart], picture: &[FinishedPart], duration_ms: u64) -> Presentation {
    let audio: Vec<_> = voice.iter().map(layout).collect();
    let video = picture.first().map(|first| VideoLayout {
        dimensions: Dimensions { width: first.header.identity.width, height: first.header.identity.height },
        parts: picture.iter().map(layout).collect(),
    });
    Presentation::new(&audio, video.as_ref(), duration_ms).unwrap()
}

fn read(
    file: &Presentation,
    range: std::ops::Range<u64>,
    store: &dyn PartStore,
    voice: &[FinishedPart],
    picture: &[FinishedPart],
) -> Vec<u8> {
    let fetch = |chunk: ChunkRef| {
        let parts = if chunk.medium == Medium::Audio { voice } else { picture };
        Ok::<_, Infallible>(open_chunk(store, &parts[chunk.part], chunk.chunk))
    };
    let read: Result<Vec<u8>, ReadError<Infallible>> = file.read(range, fetch);
    read.unwrap()
}
