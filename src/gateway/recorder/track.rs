//! One track of one participant: packets in any order become frames on the recording's clock, and those go into the open part.
//!
//! Invariant: frames reach a part in rising time; none from before the stretch it belongs to, and of video none that could not be decoded.

use super::part::{OpenPart, PartContext, TimedFrame};
use super::{FinishedPart, MediaPacket, RecorderError};
use crate::domain::id::ParticipantId;
use crate::media::reorder::{Released, ReorderBuffer};
use crate::media::timeline::Timeline;
use crate::media::vp8::{FrameAssembler, Packet};
use crate::media::{Codec, Dimensions, Source, opus};

/// How long after its end a second is sealed if no later frame seals it first, in milliseconds. It holds at most one second of media
/// however long it waits; what a stalled network delivers within this time still finds its place.
const LINGER_MS: u64 = 2_000;

/// Milliseconds between keyframes that are asked for so that playback can seek. A keyframe costs about as much as half a second of video.
const SEEK_INTERVAL_MS: u64 = 10_000;

/// Milliseconds between requests while nothing can be recorded for want of a keyframe.
const RETRY_INTERVAL_MS: u64 = 500;

/// Audio that lags further than this behind what has been written is dropped: it would be heard late from then on.
const MAX_AUDIO_LAG_MS: u64 = 60;

/// Records one track.
pub(super) struct TrackRecorder {
    participant: ParticipantId,
    source: Source,
    /// The stream being recorded, and the one before it, whose stragglers are left out.
    ssrc: Option<u32>,
    previous_ssrc: Option<u32>,
    reorder: ReorderBuffer<Packet>,
    timeline: Timeline,
    assembler: FrameAssembler,
    part: Option<OpenPart>,
    /// Frames from before this time are not written: start of the stretch, then the end of what has been sealed.
    floor_ms: u64,
    /// End of the audio that has been written.
    covered_ms: u64,
    last_keyframe_ms: Option<u64>,
    last_request_ms: Option<u64>,
}

impl TrackRecorder {
    pub(super) fn new(participant: ParticipantId, source: Source, stretch_start_ms: u64) -> Self {
        Self {
            participant,
            source,
            ssrc: None,
            previous_ssrc: None,
            reorder: ReorderBuffer::default(),
            timeline: Timeline::new(source.codec().clock_rate()),
            assembler: FrameAssembler::default(),
            part: None,
            floor_ms: stretch_start_ms,
            covered_ms: 0,
            last_keyframe_ms: None,
            last_request_ms: None,
        }
    }

    /// A new stretch: nothing seen before it counts, except the clock.
    pub(super) fn begin_stretch(&mut self, at_ms: u64) {
        self.reorder.reset();
        self.assembler.require_keyframe();
        self.floor_ms = at_ms;
        self.last_request_ms = None;
    }

    pub(super) fn take(&mut self, packet: MediaPacket, arrived_ms: u64, context: &mut PartContext) -> Result<(), RecorderError> {
        let MediaPacket { ssrc, sequence, timestamp, marker, payload, .. } = packet;
        if self.previous_ssrc == Some(ssrc) {
            return Ok(());
        }
        if self.ssrc.is_some_and(|current| current != ssrc) {
            self.follow_new_stream(context)?;
        }
        self.ssrc = Some(ssrc);
        self.reorder.push(sequence, arrived_ms, Packet { timestamp, marker, arrived_ms, payload });
        self.release(arrived_ms, context)
    }

    /// The participant connected anew: the old stream is written to its end, the new one counts and times from its own beginning.
    fn follow_new_stream(&mut self, context: &mut PartContext) -> Result<(), RecorderError> {
        while let Some(released) = self.reorder.drain() {
            self.write(&released, context)?;
        }
        self.previous_ssrc = self.ssrc;
        self.reorder.reset();
        self.assembler.require_keyframe();
        self.timeline.restart();
        Ok(())
    }

    pub(super) fn tick(&mut self, now_ms: u64, context: &mut PartContext) -> Result<(), RecorderError> {
        self.release(now_ms, context)?;
        let Some(part) = &mut self.part else { return Ok(()) };
        if let Some(second) = part.open_second() {
            let end_ms = (u64::from(second) + 1) * 1_000;
            if now_ms >= end_ms + LINGER_MS {
                part.seal_open_second()?;
                self.floor_ms = self.floor_ms.max(end_ms);
            }
        }
        Ok(())
    }

    /// Writes what is still waiting for missing packets, and seals the open second.
    pub(super) fn flush(&mut self, context: &mut PartContext) -> Result<(), RecorderError> {
        while let Some(released) = self.reorder.drain() {
            self.write(&released, context)?;
        }
        self.part.as_mut().map_or(Ok(()), OpenPart::seal_open_second)
    }

    /// Closes the part, if one is open.
    pub(super) fn finish_part(&mut self) -> (Option<FinishedPart>, Result<(), RecorderError>) {
        match self.part.take().map(OpenPart::finish) {
            // A part without a chunk holds nothing; only its header is on disk, and recovery says the same of it.
            Some((part, finished)) => (Some(part).filter(|part| !part.manifest.chunks.is_empty()), finished),
            None => (None, Ok(())),
        }
    }

    /// Whether to ask the sender for a keyframe now.
    pub(super) fn wants_keyframe(&mut self, now_ms: u64) -> bool {
        if self.source.codec() != Codec::Vp8 {
            return false;
        }
        let stuck = self.assembler.waits_for_keyframe();
        let stale = self.last_keyframe_ms.is_none_or(|last| now_ms.saturating_sub(last) >= SEEK_INTERVAL_MS);
        let patient = self.last_request_ms.is_some_and(|last| now_ms.saturating_sub(last) < RETRY_INTERVAL_MS);
        let wanted = (stuck || stale) && !patient;
        if wanted {
            self.last_request_ms = Some(now_ms);
        }
        wanted
    }

    fn release(&mut self, now_ms: u64, context: &mut PartContext) -> Result<(), RecorderError> {
        while let Some(released) = self.reorder.pop(now_ms) {
            self.write(&released, context)?;
        }
        Ok(())
    }

    fn write(&mut self, released: &Released<Packet>, context: &mut PartContext) -> Result<(), RecorderError> {
        match self.source.codec() {
            Codec::Opus => self.write_audio(&released.item, context),
            Codec::Vp8 => self.write_video(released, context),
        }
    }

    fn write_audio(&mut self, packet: &Packet, context: &mut PartContext) -> Result<(), RecorderError> {
        let Some(duration_ms) = opus::duration_ms(&packet.payload) else { return Ok(()) };
        let start_ms = self.timeline.place(packet.timestamp, packet.arrived_ms);
        if start_ms < self.floor_ms || start_ms + MAX_AUDIO_LAG_MS < self.covered_ms {
            return Ok(());
        }
        self.covered_ms = self.covered_ms.max(start_ms) + duration_ms;
        let frame = TimedFrame { start_ms, duration_ms, video_keyframe: false, data: &packet.payload };
        self.part(context, None, start_ms)?.push(&frame)
    }

    fn write_video(&mut self, released: &Released<Packet>, context: &mut PartContext) -> Result<(), RecorderError> {
        let Some(frame) = self.assembler.push(&released.item, released.after_gap) else { return Ok(()) };
        let start_ms = self.timeline.place(frame.timestamp, frame.arrived_ms);
        // The first frame of a part must be a keyframe, and after a frame that was left out so must the next one.
        if start_ms < self.floor_ms || (self.part.is_none() && frame.keyframe.is_none()) {
            self.assembler.require_keyframe();
            return Ok(());
        }
        if frame.keyframe.is_some() {
            self.last_keyframe_ms = Some(start_ms);
        }
        let timed = TimedFrame { start_ms, duration_ms: 0, video_keyframe: frame.keyframe.is_some(), data: &frame.data };
        self.part(context, frame.keyframe, start_ms)?.push(&timed)
    }

    fn part(&mut self, context: &mut PartContext, dimensions: Option<Dimensions>, start_ms: u64) -> Result<&mut OpenPart, RecorderError> {
        let part = match self.part.take() {
            Some(part) => part,
            None => OpenPart::create(context, self.participant, self.source, dimensions, start_ms)?,
        };
        Ok(self.part.insert(part))
    }
}
