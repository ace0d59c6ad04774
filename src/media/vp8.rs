//! VP8 out of RTP: the payload descriptor (RFC 7741, section 4.2), the clear header of a frame (RFC 6386, section 9.1) and whole frames.
//!
//! Nothing of a frame is read beyond those bytes. Invariant: an assembled frame is complete, and after a hole none comes out before
//! the next keyframe, because what would be decoded from the rest is not what was sent.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Dimensions;

/// A frame larger than this is dropped: no camera sends one, and it bounds what a sender can make the recorder hold.
const MAX_FRAME: usize = 8 * 1024 * 1024;

/// What the descriptor says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The payload begins a frame: first packet of partition 0.
    pub starts_frame: bool,
    /// Bytes of the descriptor.
    pub length: usize,
}

/// Reads the payload descriptor; `None` if it is cut short.
#[must_use]
pub fn descriptor(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let mut length = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(length)?;
        length += 1;
        if extension & 0x80 != 0 {
            length += if *payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            length += 1;
        }
        // One byte holds both the layer index and the key index.
        if extension & 0x30 != 0 {
            length += 1;
        }
    }
    let partition = first & 0x07;
    (payload.len() >= length).then_some(Descriptor { starts_frame: first & 0x10 != 0 && partition == 0, length })
}

/// Dimensions if this is the start of a keyframe; `None` for any other frame.
#[must_use]
pub fn keyframe_dimensions(frame: &[u8]) -> Option<Dimensions> {
    let header = frame.first_chunk::<10>()?;
    if header[0] & 1 != 0 || header[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // The upper two bits of each are a scaling hint for the display.
    let pixels = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3fff;
    let dimensions = Dimensions { width: pixels(header[6], header[7]), height: pixels(header[8], header[9]) };
    (dimensions.width > 0 && dimensions.height > 0).then_some(dimensions)
}

/// A complete frame.
pub struct Frame {
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Arrival of its first packet, in milliseconds of the recording's clock.
    pub arrived_ms: u64,
    /// Dimensions, for a keyframe.
    pub keyframe: Option<Dimensions>,
    /// The encoded frame, wiped when dropped.
    pub data: Zeroizing<Vec<u8>>,
}

/// One RTP payload, in order.
pub struct Packet {
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker: last packet of the frame.
    pub marker: bool,
    /// Arrival in milliseconds of the recording's clock.
    pub arrived_ms: u64,
    /// Descriptor and data.
    pub payload: Bytes,
}

struct Partial {
    timestamp: u32,
    arrived_ms: u64,
    data: Zeroizing<Vec<u8>>,
}

/// Assembles frames from packets in order.
pub struct FrameAssembler {
    partial: Option<Partial>,
    waits_for_keyframe: bool,
}

impl Default for FrameAssembler {
    fn default() -> Self {
        Self { partial: None, waits_for_keyframe: true }
    }
}

impl FrameAssembler {
    /// Whether frames are being held back until a keyframe comes.
    #[must_use]
    pub const fn waits_for_keyframe(&self) -> bool {
        self.waits_for_keyframe
    }

    /// Holds everything back until the next keyframe.
    pub fn require_keyframe(&mut self) {
        self.partial = None;
        self.waits_for_keyframe = true;
    }

    /// Takes the next packet; gives the frame it completes.
    pub fn push(&mut self, packet: &Packet, after_gap: bool) -> Option<Frame> {
        if after_gap {
            self.require_keyframe();
        }
        // Padding sent to probe the network has no payload and belongs to no frame.
        if packet.payload.is_empty() {
            return None;
        }
        let Some(descriptor) = descriptor(&packet.payload) else {
            self.require_keyframe();
            return None;
        };
        let data = &packet.payload[descriptor.length..];
        if descriptor.starts_frame && self.partial.as_ref().is_none_or(|partial| partial.timestamp != packet.timestamp) {
            if self.partial.take().is_some() {
                // The frame before never got its last packet although none is missing: the sender gave it up.
                self.waits_for_keyframe = true;
            }
            self.partial = Some(Partial { timestamp: packet.timestamp, arrived_ms: packet.arrived_ms, data: Zeroizing::default() });
        }
        let partial = self.partial.as_mut().filter(|partial| partial.timestamp == packet.timestamp);
        let Some(partial) = partial.filter(|partial| partial.data.len() + data.len() <= MAX_FRAME) else {
            self.require_keyframe();
            return None;
        };
        extend_wiping(&mut partial.data, data);
        if packet.marker { self.complete() } else { None }
    }

    fn complete(&mut self) -> Option<Frame> {
        let Partial { timestamp, arrived_ms, data } = self.partial.take()?;
        if data.is_empty() {
            return None;
        }
        let keyframe = keyframe_dimensions(&data);
        if self.waits_for_keyframe && keyframe.is_none() {
            return None;
        }
        self.waits_for_keyframe = false;
        Some(Frame { timestamp, arrived_ms, keyframe, data })
    }
}

/// Appends, and wipes the old buffer when a larger one is needed.
pub(super) fn extend_wiping(buffer: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    let needed = buffer.len() + data.len();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(4_096)));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYFRAME: [u8; 12] = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xf0, 0x00, 7, 7];
    const INTERFRAME: [u8; 4] = [0x11, 2, 0, 9];

    fn packet(timestamp: u32, start: bool, marker: bool, data: &[u8]) -> Packet {
        let payload = [&[if start { 0x10 } else { 0 }], data].concat().into();
        Packet { timestamp, marker, arrived_ms: u64::from(timestamp), payload }
    }

    #[test]
    fn descriptors_of_every_shape_are_measured() {
        for (payload, length, starts_frame) in [
            (&[0x10, 1][..], 1, true),
            (&[0x00, 1], 1, false),
            (&[0x11, 1], 1, false),
            (&[0x90, 0x80, 0x12, 1], 3, true),
            (&[0x90, 0x80, 0x92, 0x34, 1], 4, true),
            (&[0x90, 0xc0, 0x92, 0x34, 5, 1], 5, true),
            (&[0x90, 0xf0, 0x92, 0x34, 5, 6, 1], 6, true),
            (&[0x90, 0x20, 5, 1], 3, true),
            (&[0x90, 0x10, 5, 1], 3, true),
        ] {
            assert_eq!(descriptor(payload), Some(Descriptor { starts_frame, length }), "{payload:x?}");
        }
        for cut in [&[][..], &[0x80], &[0x80, 0x80], &[0x80, 0x80, 0x80], &[0x80, 0x40], &[0x80, 0x20]] {
            assert_eq!(descriptor(cut), None, "{cut:x?}");
        }
    }

    #[test]
    fn a_keyframe_tells_its_dimensions_without_the_scaling_bits() {
        assert_eq!(keyframe_dimensions(&KEYFRAME), Some(Dimensions { width: 320, height: 240 }));
        assert_eq!(keyframe_dimensions(&INTERFRAME), None);
        assert_eq!(keyframe_dimensions(&KEYFRAME[..9]), None);
        let mut without_start_code = KEYFRAME;
        without_start_code[3] = 0;
        assert_eq!(keyframe_dimensions(&without_start_code), None);
    }

    #[test]
    fn a_frame_in_several_packets_comes_out_whole() {
        let mut assembler = FrameAssembler::default();
        assert!(assembler.push(&packet(1, true, false, &KEYFRAME[..6]), false).is_none());
        assert!(assembler.push(&packet(1, false, false, &[]), false).is_none());
        let frame = assembler.push(&packet(1, false, true, &KEYFRAME[6..]), false).unwrap();
        assert_eq!((*frame.data).as_slice(), KEYFRAME);
        assert_eq!(frame.keyframe, Some(Dimensions { width: 320, height: 240 }));
        let next = assembler.push(&packet(2, true, true, &INTERFRAME), false).unwrap();
        assert_eq!(next.keyframe, None);
    }

    #[test]
    fn nothing_comes_out_before_the_first_keyframe_or_between_a_hole_and_the_next_one() {
        let mut assembler = FrameAssembler::default();
        assert!(assembler.push(&packet(1, true, true, &INTERFRAME), false).is_none());
        assert!(assembler.push(&packet(2, true, true, &KEYFRAME), false).is_some());
        assert!(assembler.push(&packet(3, true, true, &INTERFRAME), true).is_none());
        assert!(assembler.waits_for_keyframe());
        assert!(assembler.push(&packet(4, true, true, &INTERFRAME), false).is_none());
        assert!(assembler.push(&packet(5, true, true, &KEYFRAME), false).is_some());
        assert!(!assembler.waits_for_keyframe());
    }

    #[test]
    fn a_frame_that_lost_its_middle_or_its_end_is_dropped() {
        let mut assembler = FrameAssembler::default();
        assembler.push(&packet(1, true, false, &KEYFRAME), false);
        assert!(assembler.push(&packet(1, false, true, &[1]), true).is_none());
        assembler.push(&packet(2, true, false, &KEYFRAME), false);
        assert!(assembler.push(&packet(3, true, true, &INTERFRAME), false).is_none());
        assert!(assembler.waits_for_keyframe());
    }

    #[test]
    fn padding_between_frames_harms_nothing() {
        let mut assembler = FrameAssembler::default();
        assembler.push(&packet(1, true, true, &KEYFRAME), false);
        let padding = Packet { timestamp: 1, marker: false, arrived_ms: 1, payload: Bytes::new() };
        assert!(assembler.push(&padding, false).is_none());
        assert!(assembler.push(&packet(2, true, true, &INTERFRAME), false).is_some());
    }

    #[test]
    fn an_endless_frame_is_given_up() {
        let mut assembler = FrameAssembler::default();
        assembler.push(&packet(1, true, false, &KEYFRAME), false);
        let filler = vec![0; 1024 * 1024];
        for _ in 0..8 {
            assembler.push(&packet(1, false, false, &filler), false);
        }
        assert!(assembler.push(&packet(1, false, true, &[1]), false).is_none());
        assert!(assembler.waits_for_keyframe());
    }

    proptest! {
        #[test]
        fn garbage_is_survived(packets in prop::collection::vec((any::<bool>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..60)) {
            let mut assembler = FrameAssembler::default();
            for (marker, after_gap, payload) in packets {
                let timestamp = u32::try_from(payload.len()).unwrap() / 8;
                assembler.push(&Packet { timestamp, marker, arrived_ms: 0, payload: payload.into() }, after_gap);
            }
        }
    }
}
