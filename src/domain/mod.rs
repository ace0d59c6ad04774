//! Floor 0: the nouns of a consultation and the rules between them.
//!
//! Pure by construction: no I/O, no ambient clock, no randomness, no async. What is illegal here does not compile anywhere above.

pub mod access;
pub mod audit;
pub mod consent;
pub mod consultation;
pub mod id;
pub mod invitation;
pub mod participant;
pub mod patient;
pub mod recording;
pub mod retention;
pub mod secret;
pub mod statement;
pub mod time;
