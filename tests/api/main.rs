//! The server from outside: a real one on port 0, on SQLite and on a private PostgreSQL cluster, asked over HTTP and WebSocket.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::large_futures,
    missing_docs,
    reason = "a test or benchmark ends loudly, prints, and documents itself by its names"
)]

mod access;
mod accounts;
mod audit;
mod bad_input;
mod cli;
mod consent;
mod consultations;
mod custody;
mod emergency;
mod erasure;
mod feeds;
mod hygiene;
mod identity;
mod invitations;
mod leadership;
mod media;
mod outage;
mod oversight;
mod receipts;
mod reports;
mod search;
mod second_factors;
mod signaling;
mod single_sign_on;
mod storage;
mod support;
mod tampering;
