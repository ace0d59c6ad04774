//! Floor 1: every use of cryptography, composed from vetted crates and nothing else.
//!
//! Kept behind this small boundary so that a validated provider can take the place of the primitives (FIPS 140-3).

pub mod browser_signature;
pub mod digest;
pub mod disclosure;
pub mod entropy;
pub mod envelope;
pub mod key_ring;
pub mod one_time_code;
pub mod password;
pub mod recording_stream;
pub mod signing;
pub mod token;
pub mod tree;
