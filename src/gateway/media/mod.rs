//! The media plane: every browser's WebRTC connection ends here, on one thread and one UDP port.
//!
//! It exists apart from the rest of the gateway so that what decides (who hears, sees or records whom)
//! and what carries (packets) never mix. The plane knows connections, routes and taps; it knows no
//! consultation, no consent and no role. Its invariants:
//!
//! - **No route, no packet.** A packet leaves only along a [`MediaPlane::route`] the caller has set, to a
//!   connection that is connected. Nothing is forwarded by default.
//! - **No validated address, no packet.** A datagram reaches a connection only from an address that has
//!   proved knowledge of that connection's ICE password (RFC 8445 section 7.3, RFC 8489 section 14.5).
//! - **The plane never blocks.** A slow recorder or a silent caller loses packets, counted; the thread goes on.
//! - **Nothing is renegotiated.** Every connection has the same thirteen m-lines (`sdp`); media starts
//!   and stops by routes and by `replaceTrack`.
//!
//! Layout: `handle` is what callers use; `thread` is the I/O loop around `switch`, which forwards
//! without doing any I/O; `peer` is one connection; `demux`, `sdp`, `rewrite`, `keyframe`, `feedback`
//! and `chat` are its parts.

mod chat;
mod demux;
mod feedback;
mod handle;
mod keyframe;
mod negotiate;
mod peer;
mod rewrite;
mod sdp;
mod socket;
mod stats;
mod switch;
mod tap;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thread;

pub use crate::media::Source;
pub use handle::{ConnectionState, MediaConfig, MediaError, MediaEvent, MediaPlane};
pub use sdp::NegotiationError;
pub use stats::MediaStats;
pub use tap::{Tap, TapPacket};

/// How many other participants one connection can receive.
pub const SLOTS: usize = 3;

/// Longest chat message in bytes, in either direction.
pub const MAX_CHAT_BYTES: usize = 4096;

/// Directives for the logging filter that keep the protocol crates below it quiet: they warn once per
/// forged packet, and at finer levels they print decrypted contents. Append them to whatever the
/// operator configured, so that they win.
pub const LOG_DIRECTIVES: &[&str] = &[
    "rtc=error",
    "rtc_datachannel=error",
    "rtc_dtls=error",
    "rtc_ice=error",
    "rtc_interceptor=error",
    "rtc_rtcp=error",
    "rtc_rtp=error",
    "rtc_sctp=error",
    "rtc_srtp=error",
    "rtc_stun=error",
    "webrtc=off",
];

/// Whose connection it is: chosen by the caller, unique per live connection.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct PeerId(pub uuid::Uuid);
