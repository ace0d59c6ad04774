//! Floor 1: policies are files. One bundle, one digest; access rules, consent texts, retention schedule and notices are read from it.

pub mod access;
pub mod bundle;
pub mod catalogue;
pub mod consent_rules;
pub mod examples;
pub mod reading_level;
pub mod sign_in;
pub mod unusual;
