//! Sealing throughput and the time of a policy decision. Run: `make bench`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test or benchmark ends loudly, prints, and documents itself by its names"
)]

use bedside::crypto::entropy::SystemEntropy;
use bedside::crypto::envelope::SecretKey;
use bedside::crypto::recording_stream::{ChunkSealer, PartBinding};
use bedside::domain::access::{AccountRole, Actor, Resource};
use bedside::domain::id::{AccountId, ConsultationId, PartId, RecordingId, SignInSessionId};
use bedside::domain::time::Timestamp;
use bedside::policy::bundle::{Bundle, Files};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn Error>> {
    sealing()?;
    decisions()
}

fn sealing() -> Result<(), Box<dyn Error>> {
    println!("sealing (FLOE over AES-256-GCM), one core:");
    for (what, size) in [("1 s of Opus", 8_000), ("1 s of video at 1.2 Mbit/s", 150_000), ("1 MB", 1_000_000)] {
        let id = Uuid::from_u128(1);
        let binding = PartBinding {
            recording: RecordingId::from_uuid(id),
            part: PartId::from_uuid(id),
            consent_set: [1; 32],
            policy: [2; 32],
            key_version: 1,
        };
        let mut sealer = ChunkSealer::new(&SecretKey::generate(&SystemEntropy)?, binding);
        let chunk = vec![7_u8; size];
        let began = Instant::now();
        let mut bytes = 0;
        while began.elapsed() < Duration::from_secs(1) {
            bytes += sealer.seal(black_box(&chunk))?.ciphertext.len();
        }
        let rate = bytes as f64 / began.elapsed().as_secs_f64();
        println!("  {what:28} {:8.0} MB/s   {:6.0} times real time at 1.2 Mbit/s", rate / 1e6, rate / 150_000.0);
    }
    Ok(())
}

fn decisions() -> Result<(), Box<dyn Error>> {
    let bundle = Bundle::check(Files::shipped()?)?;
    let id = Uuid::from_u128(1);
    let actor = Actor::Account {
        id: AccountId::from_uuid(id),
        role: AccountRole::Clinician,
        session: SignInSessionId::from_uuid(id),
        proved_at: Timestamp::from_micros(0),
    };
    let resource = Resource::Consultation { id: ConsultationId::from_uuid(id), practitioner: AccountId::from_uuid(id), emergency: None };
    let mut times: Vec<Duration> = (0..20_000)
        .map(|_| {
            let began = Instant::now();
            assert!(black_box(bundle.access().allows(&actor, "read_consultation", &resource)));
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("policy decision: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    Ok(())
}
