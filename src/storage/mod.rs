//! Floor 1: the only place that knows `sqlx`, and the files that recordings are kept in.
//!
//! One SQL text serves both engines; what truly differs lives in [`dialect`].

pub mod accounts;
pub mod audit;
pub mod audit_activity;
pub mod audit_feeds;
pub mod audit_index;
pub mod audit_search;
mod connections;
pub mod consents;
pub mod consultations;
pub mod custody;
pub mod database;
pub mod dialect;
pub mod emergency_accesses;
pub mod error;
mod group;
pub mod invitations;
pub mod log_reviews;
pub mod participants;
pub mod patients;
mod places;
pub mod policies;
pub mod recording_files;
pub mod recordings;
pub mod row;
pub mod saved_searches;
pub mod second_factors;
pub mod sign_in_sessions;
pub mod subject_keys;
