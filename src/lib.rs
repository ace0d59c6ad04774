//! Bedside: a telehealth session server in one binary.
//!
//! The floors, each of which imports only from those below: [`domain`]; [`crypto`]; [`feeds`], [`identity`], [`media`], [`policy`] and [`storage`]; [`services`];
//! [`gateway`]; [`http`]; [`cli`] with [`config`], [`telemetry`] and [`startup`]. `tests/architecture.rs` holds them to it.

pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod feeds;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod media;
pub mod policy;
pub mod services;
pub mod startup;
pub mod storage;
pub mod telemetry;
