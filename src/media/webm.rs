//! Writes and reads the parts of WebM that recordings are made of (EBML, RFC 8794; Matroska, RFC 9559).
//!
//! A cluster starts with a header of fixed length, [`CLUSTER_HEADER`], so that the size of everything assembled from clusters can be
//! told from their lengths alone. Invariant: [`Cluster::parse`] accepts what [`ClusterBuilder`] wrote and refuses what it could not
//! have written, without panicking on any bytes.

use std::ops::Range;

use thiserror::Error;
use zeroize::Zeroizing;

use super::Dimensions;
use super::vp8::extend_wiping;

/// Bytes of a cluster before its first block: ID, 4-byte size, timestamp element with 8 bytes of value.
pub const CLUSTER_HEADER: usize = 4 + 4 + TIMESTAMP_ELEMENT;

/// ID, size and value of the timestamp.
const TIMESTAMP_ELEMENT: usize = 2 + 8;

/// Largest value of a 4-byte EBML size; all ones are reserved for "unknown".
const MAX_SIZE_4: usize = (1 << 28) - 2;

const SIMPLE_BLOCK: u8 = 0xa3;
const TIMESTAMP: u8 = 0xe7;
const KEYFRAME: u8 = 0x80;

/// Track number of a stored part's only track.
pub const STORED_TRACK: u8 = 1;

mod id {
    pub const EBML: u32 = 0x1a45_dfa3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114d_9b74;
    pub const SEEK: u32 = 0x4dbb;
    pub const SEEK_ID: u32 = 0x53ab;
    pub const SEEK_POSITION: u32 = 0x53ac;
    pub const INFO: u32 = 0x1549_a966;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const CUES: u32 = 0x1c53_bb6b;
}

/// The bytes are no cluster of a recording, or one would not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WebmError {
    /// Not a cluster of the shape that is written here.
    #[error("malformed WebM cluster")]
    Malformed,
    /// More than a cluster can hold.
    #[error("WebM cluster too large")]
    TooLarge,
}

/// An EBML size in as few bytes as it takes (RFC 8794, section 4).
fn size(value: usize) -> Vec<u8> {
    let value = value as u64;
    let length = (1..8_u32).find(|length| value < (1 << (7 * length)) - 1).unwrap_or(8);
    size_of(value, length)
}

/// An EBML size in exactly `length` bytes.
fn size_of(value: u64, length: u32) -> Vec<u8> {
    let marked = value | 1 << (7 * length);
    marked.to_be_bytes().into_iter().skip(8 - length as usize).collect()
}

fn id_bytes(id: u32) -> impl Iterator<Item = u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0)
}

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    id_bytes(id).chain(size(body.len())).chain(body.iter().copied()).collect()
}

fn parent(id: u32, children: &[Vec<u8>]) -> Vec<u8> {
    element(id, &children.concat())
}

/// An unsigned integer in as few bytes as it takes.
fn uint(id: u32, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    element(id, &bytes[skip..])
}

/// An unsigned integer in eight bytes, so that its value does not change the layout.
fn uint8(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A track of the file a player sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// Opus, 48 kHz, stereo as negotiated (RFC 7587, section 7).
    Audio {
        /// Track number.
        number: u8,
    },
    /// VP8.
    Video {
        /// Track number.
        number: u8,
        /// Of the first frame.
        dimensions: Dimensions,
    },
}

impl Track {
    fn entry(self) -> Vec<u8> {
        let common = |number: u8, kind: u64, codec: &str| {
            [uint(0xd7, number.into()), uint(0x73c5, number.into()), uint(0x83, kind), uint(0x9c, 0), element(0x86, codec.as_bytes())]
                .concat()
        };
        match self {
            Self::Audio { number } => parent(
                0xae,
                &[
                    common(number, 2, "A_OPUS"),
                    // RFC 7845, section 5.1: version 1, two channels, no pre-skip (the stream begins in mid-air), 48 kHz, no gain.
                    element(0x63a2, b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"),
                    uint(0x56aa, 0),
                    // RFC 7845, section 4.2: decode 80 ms before a seek target, in nanoseconds.
                    uint(0x56bb, 80_000_000),
                    parent(0xe1, &[element(0xb5, &48_000_f32.to_be_bytes()), uint(0x9f, 2)]),
                ],
            ),
            Self::Video { number, dimensions } => parent(
                0xae,
                &[common(number, 1, "V_VP8"), parent(0xe0, &[uint(0xb0, dimensions.width.into()), uint(0xba, dimensions.height.into())])],
            ),
        }
    }
}

/// Where a player may start reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cue {
    /// In milliseconds.
    pub time_ms: u64,
    /// Track number.
    pub track: u8,
    /// Offset of the cluster from the first cluster.
    pub cluster_offset: u64,
}

/// Everything before the first cluster: EBML header, segment header of known size, seek head, info, tracks and cues.
///
/// `clusters_length` is the total length of the clusters that follow.
#[must_use]
pub fn file_header(duration_ms: u64, tracks: &[Track], cues: &[Cue], clusters_length: u64) -> Vec<u8> {
    let ebml = parent(
        id::EBML,
        &[uint(0x4286, 1), uint(0x42f7, 1), uint(0x42f2, 4), uint(0x42f3, 8), element(0x4282, b"webm"), uint(0x4287, 4), uint(0x4285, 2)],
    );
    // A double holds every whole number of milliseconds below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
    let duration = duration_ms as f64;
    let info = parent(
        id::INFO,
        &[uint(0x2a_d7b1, 1_000_000), element(0x4489, &duration.to_be_bytes()), element(0x4d80, b"Bedside"), element(0x5741, b"Bedside")],
    );
    let tracks = parent(id::TRACKS, &tracks.iter().map(|track| track.entry()).collect::<Vec<_>>());

    let seek = |target: u32, position: usize| {
        parent(id::SEEK, &[element(id::SEEK_ID, &id_bytes(target).collect::<Vec<_>>()), uint8(id::SEEK_POSITION, position as u64)])
    };
    let seek_head = |info: usize, tracks: usize, cues: usize| {
        parent(id::SEEK_HEAD, &[seek(id::INFO, info), seek(id::TRACKS, tracks), seek(id::CUES, cues)])
    };
    // Positions are counted from the first byte after the segment's header (RFC 9559, section 16).
    let info_at = seek_head(0, 0, 0).len();
    let tracks_at = info_at + info.len();
    let cues_at = tracks_at + tracks.len();
    let cues_element = |first_cluster: u64| {
        let points: Vec<_> = cues
            .iter()
            .map(|cue| {
                let positions = parent(0xb7, &[uint(0xf7, cue.track.into()), uint8(0xf1, first_cluster + cue.cluster_offset)]);
                parent(0xbb, &[uint8(0xb3, cue.time_ms), positions])
            })
            .collect();
        if points.is_empty() { Vec::new() } else { parent(id::CUES, &points) }
    };
    // The length does not depend on the positions, which are of fixed width.
    let first_cluster = (cues_at + cues_element(0).len()) as u64;
    let segment_header: Vec<u8> = id_bytes(id::SEGMENT).chain(size_of(first_cluster + clusters_length, 8)).collect();
    [ebml, segment_header, seek_head(info_at, tracks_at, cues_at), info, tracks, cues_element(first_cluster)].concat()
}

/// The header of a cluster with so many bytes of blocks.
///
/// # Errors
/// [`WebmError::TooLarge`] beyond 256 MiB.
pub fn cluster_header(time_ms: u64, blocks_length: usize) -> Result<[u8; CLUSTER_HEADER], WebmError> {
    let body = blocks_length.checked_add(TIMESTAMP_ELEMENT).filter(|body| *body <= MAX_SIZE_4).ok_or(WebmError::TooLarge)?;
    let bytes: Vec<u8> = id_bytes(id::CLUSTER).chain(size_of(body as u64, 4)).chain(uint8(TIMESTAMP.into(), time_ms)).collect();
    bytes.try_into().map_err(|_| WebmError::TooLarge)
}

/// Appends one `SimpleBlock` (RFC 9559, section 10.2).
fn push_block(out: &mut Zeroizing<Vec<u8>>, track: u8, relative_ms: i16, keyframe: bool, frame: &[u8]) {
    extend_wiping(out, &[SIMPLE_BLOCK]);
    extend_wiping(out, &size(frame.len() + 4));
    let [high, low] = relative_ms.to_be_bytes();
    extend_wiping(out, &[0x80 | track, high, low, if keyframe { KEYFRAME } else { 0 }]);
    extend_wiping(out, frame);
}

/// Bytes that a block with a frame of this length takes.
#[must_use]
pub fn block_length(frame_length: usize) -> usize {
    1 + size(frame_length + 4).len() + 4 + frame_length
}

/// Writes the cluster of one second of one track.
pub struct ClusterBuilder {
    time_ms: u64,
    blocks: Zeroizing<Vec<u8>>,
}

impl ClusterBuilder {
    /// A cluster that begins at this time.
    #[must_use]
    pub fn new(time_ms: u64) -> Self {
        Self { time_ms, blocks: Zeroizing::default() }
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// [`WebmError::TooLarge`] if the time is not within 32 s of the cluster's, or the cluster would outgrow its size field.
    pub fn push(&mut self, track: u8, time_ms: u64, keyframe: bool, frame: &[u8]) -> Result<(), WebmError> {
        let relative = time_ms.checked_sub(self.time_ms).and_then(|relative| i16::try_from(relative).ok()).ok_or(WebmError::TooLarge)?;
        if self.blocks.len() + block_length(frame.len()) + TIMESTAMP_ELEMENT > MAX_SIZE_4 {
            return Err(WebmError::TooLarge);
        }
        push_block(&mut self.blocks, track, relative, keyframe, frame);
        Ok(())
    }

    /// Bytes of blocks so far.
    #[must_use]
    pub fn blocks_length(&self) -> usize {
        self.blocks.len()
    }

    /// The complete cluster.
    ///
    /// # Errors
    /// See [`cluster_header`].
    pub fn finish(self) -> Result<Zeroizing<Vec<u8>>, WebmError> {
        let header = cluster_header(self.time_ms, self.blocks.len())?;
        let mut cluster = Zeroizing::new(Vec::with_capacity(header.len() + self.blocks.len()));
        cluster.extend_from_slice(&header);
        cluster.extend_from_slice(&self.blocks);
        Ok(cluster)
    }
}

/// A block of a parsed cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Absolute, in milliseconds.
    pub time_ms: u64,
    /// Decodes by itself.
    pub keyframe: bool,
    /// Where the whole element is.
    pub element: Range<usize>,
    /// Where its track number is, as one byte with the top bit set.
    pub track_at: usize,
    /// Where the frame is.
    pub frame: Range<usize>,
}

/// A parsed cluster of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// When it begins, in milliseconds.
    pub time_ms: u64,
    /// Its blocks, as they are stored.
    pub blocks: Vec<Block>,
}

impl Cluster {
    /// Reads a cluster as [`ClusterBuilder`] writes it.
    ///
    /// # Errors
    /// [`WebmError::Malformed`] for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, WebmError> {
        let malformed = WebmError::Malformed;
        let (header, body) = bytes.split_first_chunk::<CLUSTER_HEADER>().ok_or(malformed)?;
        let time_ms = header[10..].iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        if *header != cluster_header(time_ms, body.len())? {
            return Err(malformed);
        }
        let mut blocks = Vec::new();
        let mut at = CLUSTER_HEADER;
        while at < bytes.len() {
            let (size_length, length) = bytes.get(at + 1..).and_then(read_size).ok_or(malformed)?;
            let track_at = at + 1 + size_length;
            let end = track_at.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(malformed)?;
            let prefix = bytes[track_at..end].first_chunk::<4>().ok_or(malformed)?;
            if bytes[at] != SIMPLE_BLOCK || prefix[0] & 0x80 == 0 {
                return Err(malformed);
            }
            let relative = u16::from_be_bytes([prefix[1], prefix[2]]);
            let time_ms = i16::try_from(relative).ok().and_then(|_| time_ms.checked_add(relative.into())).ok_or(malformed)?;
            blocks.push(Block { time_ms, keyframe: prefix[3] & KEYFRAME != 0, element: at..end, track_at, frame: track_at + 4..end });
            at = end;
        }
        Ok(Self { time_ms, blocks })
    }
}

/// Length of an EBML size and its value; at most eight bytes, "unknown" refused.
fn read_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let rest = bytes.get(1..length)?;
    let marker = 0x80_u64.checked_shr(first.leading_zeros()).filter(|marker| *marker > 0)?;
    let value = rest.iter().fold(u64::from(first) ^ marker, |value, byte| value << 8 | u64::from(*byte));
    let unknown = (1_u64 << (7 * length)) - 1;
    if value == unknown { None } else { Some((length, usize::try_from(value).ok()?)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_follow_rfc_8794_and_avoid_the_reserved_value() {
        assert_eq!(size(0), [0x80]);
        assert_eq!(size(126), [0xfe]);
        assert_eq!(size(127), [0x40, 0x7f]);
        assert_eq!(size(16_382), [0x7f, 0xfe]);
        assert_eq!(size(16_383), [0x20, 0x3f, 0xff]);
        assert_eq!(size_of(5, 4), [0x10, 0, 0, 5]);
        assert_eq!(size_of(5, 8), [1, 0, 0, 0, 0, 0, 0, 5]);
        for value in [0, 1, 126, 127, 16_382, 16_383, 2_097_150, 2_097_151, 1 << 40] {
            assert_eq!(read_size(&size(value)), Some((size(value).len(), value)));
        }
        for bad in [&[][..], &[0], &[0xff], &[0x40], &[0x7f, 0xff]] {
            assert_eq!(read_size(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn a_cluster_survives_being_read_back() {
        let mut builder = ClusterBuilder::new(7_000);
        builder.push(1, 7_000, true, &[1; 3]).unwrap();
        builder.push(1, 7_999, false, &[2; 200]).unwrap();
        let blocks_length = builder.blocks_length();
        assert_eq!(blocks_length, block_length(3) + block_length(200));
        let bytes = builder.finish().unwrap();
        assert_eq!(bytes.len(), CLUSTER_HEADER + blocks_length);
        let cluster = Cluster::parse(&bytes).unwrap();
        assert_eq!(cluster.time_ms, 7_000);
        let seen: Vec<_> = cluster.blocks.iter().map(|block| (block.time_ms, block.keyframe, &bytes[block.frame.clone()])).collect();
        assert_eq!(seen, [(7_000, true, &[1_u8; 3][..]), (7_999, false, &[2; 200][..])]);
        assert!(cluster.blocks.iter().all(|block| bytes[block.track_at] == 0x81));
    }

    #[test]
    fn a_frame_from_before_or_long_after_the_cluster_is_refused() {
        let mut builder = ClusterBuilder::new(7_000);
        assert_eq!(builder.push(1, 6_999, false, &[]), Err(WebmError::TooLarge));
        assert_eq!(builder.push(1, 7_000 + 32_768, false, &[]), Err(WebmError::TooLarge));
    }

    #[test]
    fn a_cluster_cut_anywhere_is_refused() {
        let mut builder = ClusterBuilder::new(7_000);
        builder.push(1, 7_001, true, &[1; 130]).unwrap();
        let bytes = builder.finish().unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(Cluster::parse(&bytes[..cut]), Err(WebmError::Malformed), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn altered_clusters_are_survived(at in 0_usize..600, value: u8, length in 0_usize..500) {
            let mut builder = ClusterBuilder::new(1);
            builder.push(1, 2, true, &vec![1; length]).unwrap();
            builder.push(1, 3, true, &[9; 40]).unwrap();
            let mut bytes = builder.finish().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            if let Ok(cluster) = Cluster::parse(&bytes) {
                prop_assert!(cluster.blocks.iter().all(|block| block.element.end <= bytes.len() && block.frame.start <= block.frame.end));
            }
        }

        #[test]
        fn garbage_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Cluster::parse(&bytes);
        }
    }
}
