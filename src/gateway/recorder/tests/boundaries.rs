//! What is written and what is not: starts, stops, pauses, holes, failures.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::domain::id::PartId;
use crate::storage::recording_files::{PartFile, StoredPart};

#[test]
fn chunks_are_whole_seconds_and_a_second_without_frames_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    for number in (0..75).chain(200..260) {
        session.take(voice(started, number));
    }
    let parts = session.close_stretch(0).parts;
    let seconds: Vec<_> = parts[0].manifest.chunks.iter().map(|chunk| chunk.second).collect();
    assert_eq!(seconds, [0, 1, 4, 5]);
    for (number, second) in seconds.into_iter().enumerate() {
        let cluster = Cluster::parse(&open_chunk(store.as_ref(), &parts[0], number)).unwrap();
        assert_eq!(cluster.time_ms, u64::from(second) * 1_000);
        assert!(cluster.blocks.iter().all(|block| block.time_ms / 1_000 == u64::from(second)));
    }
}

#[test]
fn a_lost_packet_leaves_a_hole_that_the_manifest_tells() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, _, started) = session(folder.path());
    for number in (0..10).chain(13..49) {
        session.take(voice(started, number));
    }
    let parts = session.close_stretch(0).parts;
    let runs: Vec<_> = parts[0].manifest.chunks[0].runs.iter().map(|run| (run.start_ms, run.end_ms)).collect();
    assert_eq!(runs, [(0, 200), (260, 980)]);
}

#[test]
fn video_begins_with_a_keyframe_that_is_asked_for_and_again_for_seeking() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(RecordingFiles::new(folder.path()));
    let (events, seen) = channel();
    let setup = setup(Arc::clone(&store) as Arc<dyn PartStore>, move |event| events.send(event).unwrap());
    let started = setup.started;
    let mut session = Session::new(setup);
    let mut sequence = 0;
    let mut feed = |session: &mut Session, at_ms: u64, frame: &[u8]| {
        for packet in picture(started, at_ms, &mut sequence, Source::Screen, frame) {
            session.take(packet);
        }
    };
    let wanted = RecorderEvent::KeyframeWanted { participant: patient(), source: Source::Screen };
    feed(&mut session, 0, &interframe());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [wanted]);
    feed(&mut session, 100, &keyframe());
    for at_ms in (140..9_900).step_by(40) {
        feed(&mut session, at_ms, &interframe());
    }
    assert_eq!(seen.try_iter().count(), 0);
    feed(&mut session, 10_200, &interframe());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [wanted]);
    let parts = session.close_stretch(0).parts;
    assert_eq!(times(store.as_ref(), &parts[0])[..2], [100, 140]);
    assert_eq!(parts[0].manifest.chunks[0].keyframe_ms, Some(100));
}

#[test]
fn a_participant_who_connects_anew_goes_on_in_the_same_part_from_their_first_packet() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    for number in 0..50 {
        session.take(voice(started, number));
    }
    // The new stream's numbers happen to lie just behind the old one's; a straggler of the old one comes in between.
    for number in 100..150 {
        let sequence = voice(started, number - 80).sequence;
        session.take(MediaPacket { ssrc: 77, sequence, timestamp: 960 * number as u32, ..voice(started, number) });
        if number == 120 {
            session.take(voice(started, 50));
        }
    }
    let parts = session.close_stretch(0).parts;
    assert_eq!(parts.len(), 1);
    let expected: Vec<u64> = (0..50).chain(100..150).map(|number| number * 20).collect();
    assert_eq!(times(store.as_ref(), &parts[0]), expected);
}

#[test]
fn nothing_plain_is_ever_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    let mut sequence = 0;
    for number in 0..150 {
        session.take(voice(started, number));
        for packet in
            picture(started, number * 20, &mut sequence, Source::Camera, &if number % 50 == 0 { keyframe() } else { interframe() })
        {
            session.take(packet);
        }
    }
    let parts = session.close_stretch(0).parts;
    assert_eq!(parts.len(), 2);
    let mut looked_at = 0;
    for part in store.parts(recording()).unwrap() {
        let bytes = fs::read(folder.path().join(recording().to_string()).join(format!("{part}.part"))).unwrap();
        looked_at += bytes.len();
        for canary in [&b"canary"[..], b"\x1f\x43\xb6\x75", b"\x9d\x01\x2a"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{canary:?}");
        }
    }
    assert!(looked_at > 10_000);
    let found = open_chunk(store.as_ref(), &parts[0], 0);
    assert!(found.windows(6).any(|window| window == b"canary"), "the canary is where it belongs");
}

#[test]
fn packets_from_before_the_start_or_during_a_pause_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    session.take(MediaPacket { arrived: started.checked_sub(ms(1)).unwrap(), ..voice(started, 0) });
    assert!(session.close_stretch(0).parts.is_empty());
    session.take(voice(started, 10));
    session.open_stretch(started + ms(1_000), STRETCH);
    // Queued before the resume, handed in after it.
    session.take(voice(started, 49));
    for number in 50..60 {
        session.take(voice(started, number));
    }
    let parts = session.close_stretch(0).parts;
    assert_eq!(times(store.as_ref(), &parts[0]).first(), Some(&1_000));
    assert_eq!(store.parts(recording()).unwrap().len(), 1);
}

/// A store that waits for a word before it makes a part, and fails on demand.
struct Obstructed {
    inner: RecordingFiles,
    wait: Mutex<Receiver<()>>,
    chunks_until_full: Option<usize>,
}

struct ObstructedFile {
    inner: Box<dyn PartFile>,
    chunks_until_full: Option<usize>,
}

impl PartFile for ObstructedFile {
    fn append(&mut self, sealed: &[u8]) -> Result<ChunkLocation, PartStoreError> {
        match &mut self.chunks_until_full {
            Some(0) => return Err(PartStoreError::Io(std::io::ErrorKind::StorageFull.into())),
            Some(left) => *left -= 1,
            None => {}
        }
        self.inner.append(sealed)
    }

    fn finish(self: Box<Self>) -> Result<(), PartStoreError> {
        self.inner.finish()
    }
}

impl PartStore for Obstructed {
    fn create(&self, recording: RecordingId, part: PartId, header: &[u8]) -> Result<Box<dyn PartFile>, PartStoreError> {
        let _ = self.wait.lock().unwrap().recv();
        let inner = self.inner.create(recording, part, header)?;
        Ok(Box::new(ObstructedFile { inner, chunks_until_full: self.chunks_until_full }))
    }

    fn recover(&self, recording: RecordingId, part: PartId) -> Result<StoredPart, PartStoreError> {
        self.inner.recover(recording, part)
    }

    fn read(&self, recording: RecordingId, part: PartId, chunk: ChunkLocation) -> Result<Vec<u8>, PartStoreError> {
        self.inner.read(recording, part, chunk)
    }

    fn parts(&self, recording: RecordingId) -> Result<Vec<PartId>, PartStoreError> {
        self.inner.parts(recording)
    }

    fn remove(&self, recording: RecordingId) -> Result<(), PartStoreError> {
        self.inner.remove(recording)
    }
}

fn obstructed(folder: &Path, chunks_until_full: Option<usize>) -> (Arc<Obstructed>, Sender<()>) {
    let (go, wait) = channel();
    (Arc::new(Obstructed { inner: RecordingFiles::new(folder), wait: Mutex::new(wait), chunks_until_full }), go)
}

#[test]
fn what_is_still_queued_at_the_stop_but_arrived_after_it_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (store, go) = obstructed(folder.path(), None);
    let setup = setup(Arc::clone(&store) as Arc<dyn PartStore>, |_| {});
    let started = setup.started;
    let recorder = Recorder::start(setup).unwrap();
    let input = recorder.input().unwrap();
    // The recorder hangs on its first part while three seconds of packets queue up.
    for number in 0..150 {
        assert!(input.offer(voice(started, number)));
    }
    let stop = started + ms(1_510);
    input.cut(stop);
    assert!(!input.offer(voice(started, 150)), "the door is shut at once");
    drop(go);
    let outcome = recorder.stop(stop).unwrap();
    assert_eq!(times(store.as_ref(), &outcome.parts[0]).last(), Some(&1_500));
    assert!(!input.offer(voice(started, 1)), "and stays shut");
}

#[test]
fn a_later_cut_does_not_reopen_what_an_earlier_one_closed() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(Arc::new(RecordingFiles::new(folder.path())), |_| {});
    let started = setup.started;
    let recorder = Recorder::start(setup).unwrap();
    let input = recorder.input().unwrap();
    input.cut(started + ms(100));
    input.cut(started + ms(900));
    assert!(!input.offer(voice(started, 30)));
    recorder.stop(started + ms(900)).unwrap();
}

#[test]
fn the_thread_pauses_resumes_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(RecordingFiles::new(folder.path()));
    let setup = setup(Arc::clone(&store) as Arc<dyn PartStore>, |_| {});
    let started = setup.started;
    let recorder = Recorder::start(setup).unwrap();
    let input = recorder.input().unwrap();
    let feed = |numbers: std::ops::Range<u64>| numbers.filter(|number| input.offer(voice(started, *number))).count();
    assert_eq!(feed(0..50), 50);
    let first = recorder.pause(started + ms(999)).unwrap();
    assert_eq!(feed(50..100), 0);
    recorder.resume(started + ms(2_000), STRETCH).unwrap();
    assert_eq!(feed(100..150), 50);
    let second = recorder.stop(started + ms(2_999)).unwrap();
    assert_eq!((first.parts.len(), second.parts.len()), (1, 1));
    assert_ne!(first.parts[0].header.identity.binding.part, second.parts[0].header.identity.binding.part);
    assert_ne!(first.parts[0].header.wrapped_key, second.parts[0].header.wrapped_key);
    assert_eq!(second.parts[0].header.identity.start_ms, 2_000);
    assert_eq!(times(store.as_ref(), &second.parts[0]).len(), 50);
}

#[test]
fn a_full_disk_ends_the_recording_loudly_and_keeps_what_was_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, go) = obstructed(folder.path(), Some(2));
    drop(go);
    let (events, seen) = channel();
    let setup = setup(Arc::clone(&store) as Arc<dyn PartStore>, move |event| events.send(event).unwrap());
    let started = setup.started;
    let mut session = Session::new(setup);
    for number in 0..250 {
        session.take(voice(started, number));
    }
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [RecorderEvent::Failed]);
    let outcome = session.close_stretch(0);
    assert!(matches!(outcome.failure, Some(RecorderError::Store(PartStoreError::Io(_)))));
    assert_eq!(outcome.parts[0].manifest.chunks.len(), 2);
    assert_eq!(times(store.as_ref(), &outcome.parts[0]).len(), 100);
    session.open_stretch(started + ms(6_000), STRETCH);
    session.take(voice(started, 400));
    assert!(session.close_stretch(0).parts.is_empty(), "after a failure nothing more is written");
}

#[test]
fn a_track_that_falls_silent_is_sealed_by_time_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(folder.path());
    for number in 0..30 {
        session.take(voice(started, number));
    }
    let part = store.parts(recording()).unwrap()[0];
    session.tick(started + ms(2_900));
    assert_eq!(store.recover(recording(), part).unwrap().chunks.len(), 0);
    session.tick(started + ms(3_000));
    assert_eq!(store.recover(recording(), part).unwrap().chunks.len(), 1);
}
