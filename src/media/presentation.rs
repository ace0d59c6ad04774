//! The file a player sees: one standard WebM of one participant, made of sealed parts and never stored.
//!
//! Its layout follows from the manifests alone, so that its length and every offset are known before anything is decrypted, and reading
//! a range decrypts only the seconds it touches. One cluster holds one second of both tracks. Where audio is missing, silence is
//! presented: players run on the audio's clock, and with holes in it the picture would drift away from the voice. Invariant: any range
//! read equals the same range of the whole file.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;
use zeroize::Zeroizing;

use super::Dimensions;
use super::opus::{SILENCE, SILENCE_MS};
use super::webm::{CLUSTER_HEADER, Cluster, Cue, Track, WebmError, block_length, cluster_header, file_header};

const AUDIO_TRACK: u8 = 1;
const VIDEO_TRACK: u8 = 2;

/// Longest presentation in milliseconds: two days. Bounds what a manifest can make the server lay out.
const MAX_DURATION_MS: u64 = 48 * 3_600 * 1_000;

/// What a manifest says of one chunk, as far as the layout needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkLayout {
    /// The second of the recording's clock it holds.
    pub second: u32,
    /// Bytes of the cluster inside.
    pub plaintext_length: u32,
    /// Time of the first video keyframe in it, in milliseconds.
    pub keyframe_ms: Option<u64>,
    /// What its frames cover, as start and end in milliseconds.
    pub runs: Vec<Range<u64>>,
}

/// One part: its chunks in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartLayout {
    /// Chunk 0 first.
    pub chunks: Vec<ChunkLayout>,
}

/// The video parts of a presentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoLayout {
    /// Of the first frame of the first part.
    pub dimensions: Dimensions,
    /// In the order of time.
    pub parts: Vec<PartLayout>,
}

/// Which list of parts a chunk belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// The audio parts.
    Audio,
    /// The video parts.
    Video,
}

/// A chunk to be opened: its place in the lists that the presentation was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRef {
    /// Which list of parts.
    pub medium: Medium,
    /// Index of the part in its list.
    pub part: usize,
    /// Number of the chunk in the part.
    pub chunk: usize,
}

/// No file can be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// There is no chunk at all.
    #[error("nothing was recorded")]
    Empty,
    /// A manifest contradicts itself or the limits of a recording.
    #[error("the manifests describe no recording")]
    Inconsistent,
}

/// A range could not be read.
#[derive(Debug, Error)]
pub enum ReadError<E> {
    /// The range does not lie within the file.
    #[error("the range is outside of the file")]
    Range,
    /// A chunk is not as its manifest describes it.
    #[error("a chunk differs from its manifest")]
    Inconsistent,
    /// A chunk could not be had or opened.
    #[error(transparent)]
    Fetch(E),
}

impl<E> From<WebmError> for ReadError<E> {
    fn from(_: WebmError) -> Self {
        Self::Inconsistent
    }
}

#[derive(Debug, Default)]
struct ClusterLayout {
    /// With the bytes of blocks each contributes.
    chunks: Vec<(ChunkRef, usize)>,
    /// Times at which silence is presented.
    silences: Vec<u64>,
    keyframe_ms: Option<u64>,
}

impl ClusterLayout {
    fn blocks_length(&self) -> usize {
        self.chunks.iter().map(|(_, length)| length).sum::<usize>() + self.silences.len() * block_length(SILENCE.len())
    }
}

struct PlacedCluster {
    second: u32,
    start: u64,
    layout: ClusterLayout,
}

/// The layout of the virtual file.
pub struct Presentation {
    header: Vec<u8>,
    clusters: Vec<PlacedCluster>,
    length: u64,
    duration_ms: u64,
}

impl Presentation {
    /// Lays out the file of one participant. `duration_ms` is the length of the whole recording, so that all its presentations share
    /// one timeline; it is extended if the parts go beyond it.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn new(audio: &[PartLayout], video: Option<&VideoLayout>, duration_ms: u64) -> Result<Self, LayoutError> {
        let video_parts = video.map_or(&[][..], |video| &video.parts);
        let mut seconds = BTreeMap::new();
        let audio_end = place_chunks(&mut seconds, Medium::Audio, audio)?;
        let video_end = place_chunks(&mut seconds, Medium::Video, video_parts)?;
        if seconds.is_empty() {
            return Err(LayoutError::Empty);
        }
        let duration_ms = duration_ms.max(audio_end.unwrap_or(0)).max(video_end.unwrap_or(0));
        if duration_ms > MAX_DURATION_MS {
            return Err(LayoutError::Inconsistent);
        }
        if audio_end.is_some() {
            place_silence(&mut seconds, audio, duration_ms)?;
        }

        let tracks: Vec<Track> = audio_end
            .map(|_| Track::Audio { number: AUDIO_TRACK })
            .into_iter()
            .chain(video.filter(|_| video_end.is_some()).map(|video| Track::Video { number: VIDEO_TRACK, dimensions: video.dimensions }))
            .collect();
        let (offsets, clusters_length) = offsets(&seconds);
        let cues = cues(&seconds, &offsets, video_end.is_some());
        let header = file_header(duration_ms, &tracks, &cues, clusters_length);
        let header_length = header.len() as u64;
        let clusters = seconds
            .into_iter()
            .zip(offsets)
            .map(|((second, layout), offset)| PlacedCluster { second, start: header_length + offset, layout })
            .collect();
        Ok(Self { header, clusters, length: header_length + clusters_length, duration_ms })
    }

    /// Bytes of the whole file.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a presentation always has a header")]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Its duration in milliseconds.
    #[must_use]
    pub const fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// End of the header or cluster that the offset lies in: whoever reads on in such steps opens no chunk twice.
    #[must_use]
    pub fn boundary_after(&self, offset: u64) -> u64 {
        let next = self.clusters.partition_point(|cluster| cluster.start <= offset);
        self.clusters.get(next).map_or(self.length, |cluster| cluster.start)
    }

    /// Bytes of the file, opening only the chunks that the range touches, each once, through `fetch`.
    ///
    /// # Errors
    /// See [`ReadError`]; nothing is released then.
    pub fn read<E, F>(&self, range: Range<u64>, mut fetch: F) -> Result<Vec<u8>, ReadError<E>>
    where
        F: FnMut(ChunkRef) -> Result<Zeroizing<Vec<u8>>, E>,
    {
        if range.start > range.end || range.end > self.length {
            return Err(ReadError::Range);
        }
        let wanted = usize::try_from(range.end - range.start).map_err(|_| ReadError::Range)?;
        let mut out = Zeroizing::new(Vec::with_capacity(wanted));
        out.extend_from_slice(overlap(&self.header, 0, &range));
        let first = self.clusters.partition_point(|cluster| cluster.start <= range.start).saturating_sub(1);
        for cluster in self.clusters[first..].iter().take_while(|cluster| cluster.start < range.end) {
            let end = cluster.start + (CLUSTER_HEADER + cluster.layout.blocks_length()) as u64;
            if range.start < end && range.start < range.end {
                let bytes = cluster.assemble(&mut fetch)?;
                out.extend_from_slice(overlap(&bytes, cluster.start, &range));
            }
        }
        Ok(std::mem::take(&mut *out))
    }
}

impl PlacedCluster {
    fn assemble<E>(&self, fetch: &mut impl FnMut(ChunkRef) -> Result<Zeroizing<Vec<u8>>, E>) -> Result<Zeroizing<Vec<u8>>, ReadError<E>> {
        let time_ms = u64::from(self.second) * 1_000;
        let mut sources = Vec::with_capacity(self.layout.chunks.len());
        for (chunk, blocks_length) in &self.layout.chunks {
            let plaintext = fetch(*chunk).map_err(ReadError::Fetch)?;
            let cluster = Cluster::parse(&plaintext)?;
            if plaintext.len() != CLUSTER_HEADER + blocks_length || cluster.time_ms != time_ms {
                return Err(ReadError::Inconsistent);
            }
            sources.push((chunk.medium, plaintext, cluster));
        }
        // Sorting is stable: at equal times audio comes first, and blocks of a track keep their order.
        let mut order: Vec<(u64, Option<(usize, usize)>)> = self.layout.silences.iter().map(|at| (*at, None)).collect();
        for (source, (_, _, cluster)) in sources.iter().enumerate() {
            order.extend(cluster.blocks.iter().enumerate().map(|(block, content)| (content.time_ms, Some((source, block)))));
        }
        order.sort_by_key(|(at, _)| *at);

        let blocks_length = self.layout.blocks_length();
        let mut out = Zeroizing::new(Vec::with_capacity(CLUSTER_HEADER + blocks_length));
        out.extend_from_slice(&cluster_header(time_ms, blocks_length)?);
        for (at, content) in order {
            if let Some((source, block)) = content {
                let (medium, plaintext, cluster) = &sources[source];
                let block = &cluster.blocks[block];
                let start = out.len();
                out.extend_from_slice(&plaintext[block.element.clone()]);
                let number = if *medium == Medium::Audio { AUDIO_TRACK } else { VIDEO_TRACK };
                out[start + block.track_at - block.element.start] = 0x80 | number;
            } else {
                let relative = i16::try_from(at.saturating_sub(time_ms)).map_err(|_| ReadError::Inconsistent)?;
                out.extend_from_slice(&silence_block(relative));
            }
        }
        Ok(out)
    }
}

fn silence_block(relative_ms: i16) -> Vec<u8> {
    let [high, low] = relative_ms.to_be_bytes();
    // A SimpleBlock of 4 + 3 bytes; every Opus frame decodes by itself.
    [&[0xa3, 0x87, 0x80 | AUDIO_TRACK, high, low, 0x80][..], &SILENCE].concat()
}

/// Puts the chunks where they belong; tells where the last frame ends, or `None` if there is no chunk.
fn place_chunks(seconds: &mut BTreeMap<u32, ClusterLayout>, medium: Medium, parts: &[PartLayout]) -> Result<Option<u64>, LayoutError> {
    let mut end = None;
    let mut covered = 0;
    for (part, layout) in parts.iter().enumerate() {
        for (chunk, entry) in layout.chunks.iter().enumerate() {
            let length = usize::try_from(entry.plaintext_length).ok().and_then(|length| length.checked_sub(CLUSTER_HEADER));
            let length = length.ok_or(LayoutError::Inconsistent)?;
            let begins = u64::from(entry.second) * 1_000;
            for run in &entry.runs {
                if run.start < begins || run.start >= begins + 1_000 || run.start < covered || run.end < run.start {
                    return Err(LayoutError::Inconsistent);
                }
                covered = run.start;
                end = end.max(Some(run.end));
            }
            if entry.runs.is_empty() || end > Some(MAX_DURATION_MS) {
                return Err(LayoutError::Inconsistent);
            }
            let second = seconds.entry(entry.second).or_default();
            second.chunks.push((ChunkRef { medium, part, chunk }, length));
            second.keyframe_ms = second.keyframe_ms.or(entry.keyframe_ms.filter(|_| medium == Medium::Video));
        }
    }
    Ok(end)
}

/// Fills every hole of at least one silence packet between the runs of audio, from zero to the end.
fn place_silence(seconds: &mut BTreeMap<u32, ClusterLayout>, audio: &[PartLayout], duration_ms: u64) -> Result<(), LayoutError> {
    let end = duration_ms..duration_ms;
    let runs = audio.iter().flat_map(|part| &part.chunks).flat_map(|chunk| &chunk.runs).chain([&end]);
    let mut covered = 0;
    for run in runs {
        while covered + SILENCE_MS <= run.start {
            let second = u32::try_from(covered / 1_000).map_err(|_| LayoutError::Inconsistent)?;
            seconds.entry(second).or_default().silences.push(covered);
            covered += SILENCE_MS;
        }
        covered = covered.max(run.end);
    }
    Ok(())
}

/// Offset of each cluster from the first one, and their total length.
fn offsets(seconds: &BTreeMap<u32, ClusterLayout>) -> (Vec<u64>, u64) {
    let mut total = 0;
    let offsets = seconds
        .values()
        .map(|cluster| {
            let offset = total;
            total += (CLUSTER_HEADER + cluster.blocks_length()) as u64;
            offset
        })
        .collect();
    (offsets, total)
}

/// A cue at every cluster with a keyframe, and one at the beginning; at every cluster if there is only audio.
fn cues(seconds: &BTreeMap<u32, ClusterLayout>, offsets: &[u64], has_video: bool) -> Vec<Cue> {
    seconds
        .iter()
        .zip(offsets)
        .enumerate()
        .filter_map(|(index, ((second, cluster), offset))| match cluster.keyframe_ms {
            Some(time_ms) => Some(Cue { time_ms, track: VIDEO_TRACK, cluster_offset: *offset }),
            None if index > 0 && has_video => None,
            None => Some(Cue { time_ms: u64::from(*second) * 1_000, track: AUDIO_TRACK, cluster_offset: *offset }),
        })
        .collect()
}

/// The part of `bytes`, which stand at `start` of the file, that lies within `range`.
fn overlap<'a>(bytes: &'a [u8], start: u64, range: &Range<u64>) -> &'a [u8] {
    let within = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[within(range.start)..within(range.end.max(range.start))]
}

#[cfg(test)]
#[path = "presentation_tests.rs"]
mod tests;
