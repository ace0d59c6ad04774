//! The recorder without its thread: packets and instants in, sealed parts out. Everything that decides what is written is here.
//!
//! Invariant: a packet is written only if a stretch was open when it arrived, and after a failure nothing is written at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::part::PartContext;
use super::track::TrackRecorder;
use super::{FinishedPart, MediaPacket, Outcome, RecorderError, RecorderEvent, RecorderSetup, Stretch};
use crate::domain::id::ParticipantId;
use crate::media::Source;

/// Everything a recorder knows.
pub(super) struct Session {
    context: PartContext,
    started: Instant,
    /// When the open stretch began; `None` while paused.
    open_since: Option<Instant>,
    tracks: BTreeMap<(ParticipantId, Source), TrackRecorder>,
    on_event: Box<dyn Fn(RecorderEvent) + Send>,
    /// Once set, it stays: nothing is written any more.
    failed: bool,
    failure: Option<RecorderError>,
}

impl Session {
    pub(super) fn new(setup: RecorderSetup) -> Self {
        Self {
            context: PartContext {
                recording: setup.recording,
                started_at: setup.started_at,
                stretch: setup.stretch,
                keys: setup.keys,
                store: Arc::clone(&setup.store),
                entropy: setup.entropy,
            },
            started: setup.started,
            open_since: Some(setup.started),
            tracks: BTreeMap::new(),
            on_event: setup.on_event,
            failed: false,
            failure: None,
        }
    }

    pub(super) fn take(&mut self, packet: MediaPacket) {
        if self.failed || self.open_since.is_none_or(|since| packet.arrived < since) {
            return;
        }
        let arrived_ms = self.millis(packet.arrived);
        let stretch_start = self.open_since.map_or(0, |since| self.millis(since));
        let key = (packet.participant, packet.source);
        let track = self.tracks.entry(key).or_insert_with(|| TrackRecorder::new(packet.participant, packet.source, stretch_start));
        let result = track.take(packet, arrived_ms, &mut self.context);
        if track.wants_keyframe(arrived_ms) {
            (self.on_event)(RecorderEvent::KeyframeWanted { participant: key.0, source: key.1 });
        }
        self.settle(result);
    }

    /// Lets time pass: gives up on missing packets, seals seconds that are over.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.failed || self.open_since.is_none() {
            return;
        }
        let now_ms = self.millis(now);
        let result = self.tracks.values_mut().try_for_each(|track| track.tick(now_ms, &mut self.context));
        self.settle(result);
    }

    pub(super) fn open_stretch(&mut self, at: Instant, stretch: Stretch) {
        self.context.stretch = stretch;
        self.open_since = Some(at);
        let at_ms = self.millis(at);
        for track in self.tracks.values_mut() {
            track.begin_stretch(at_ms);
        }
    }

    /// Finishes all parts. After a failure, too: what was stored before it is whole.
    pub(super) fn close_stretch(&mut self, dropped_packets: u64) -> Outcome {
        let mut parts: Vec<FinishedPart> = Vec::new();
        let open = self.open_since.take().is_some();
        for track in self.tracks.values_mut() {
            let flushed = if open && !self.failed { track.flush(&mut self.context) } else { Ok(()) };
            let (part, finished) = track.finish_part();
            parts.extend(part);
            // One part that fails must not keep the others from being finished.
            self.failure = self.failure.take().or(flushed.err()).or(finished.err());
        }
        self.failed |= self.failure.is_some();
        Outcome { parts, failure: self.failure.take(), dropped_packets }
    }

    #[cfg(test)]
    pub(super) fn is_paused(&self) -> bool {
        self.open_since.is_none()
    }

    fn settle(&mut self, result: Result<(), RecorderError>) {
        if let Err(error) = result {
            self.failure = Some(error);
            self.failed = true;
            (self.on_event)(RecorderEvent::Failed);
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).min(Duration::from_secs(1 << 40)).as_millis()).unwrap_or(u64::MAX)
    }
}
