//! Floor 4: calls. The room decides who hears, sees or records whom; the media plane carries it out; the conductor stands between them.

pub mod conductor;
#[cfg(test)]
mod consent_model_tests;
pub mod media;
pub mod recorder;
pub mod recording;
pub mod room;
#[cfg(test)]
mod room_tests;
pub mod signaling;
