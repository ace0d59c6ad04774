//! Floor 1: media formats as pure functions. RTP payloads in, frames on a clock, WebM clusters out, and the file a player sees.
//!
//! No I/O, no clock, no randomness: times come in with the packets. Invariant: nothing here panics on what the network sends.

pub mod opus;
pub mod presentation;
pub mod reorder;
pub mod timeline;
pub mod vp8;
pub mod webm;

use std::fmt;

/// What a participant sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Their voice.
    Microphone,
    /// Their picture.
    Camera,
    /// A shared screen.
    Screen,
}

impl Source {
    /// All sources in the order of their m-lines.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Screen => "screen",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// Its place in [`Source::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Microphone => 0,
            Self::Camera => 1,
            Self::Screen => 2,
        }
    }

    /// Whether it is a picture.
    #[must_use]
    pub const fn is_video(self) -> bool {
        !matches!(self, Self::Microphone)
    }

    /// The codec it is negotiated with.
    #[must_use]
    pub const fn codec(self) -> Codec {
        match self {
            Self::Microphone => Codec::Opus,
            Self::Camera | Self::Screen => Codec::Vp8,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A codec of recorded tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, RTP payload RFC 7587.
    Opus,
    /// RFC 6386, RTP payload RFC 7741.
    Vp8,
}

impl Codec {
    /// The stable name, in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "vp8",
        }
    }

    /// Ticks of the RTP clock in a second (RFC 7587, section 4.1; RFC 7741, section 4.1).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 => 90_000,
        }
    }
}

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_survive_being_read_back() {
        for source in Source::ALL {
            assert_eq!(Source::parse(&source.to_string()), Some(source));
        }
        assert_eq!(Source::parse("keyboard"), None);
    }
}
