//! Audited transactions per second on both engines, sealing throughput, and the time of a policy decision. Run: `make bench`.

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

#[path = "../tests/api/support/postgres.rs"]
mod postgres;

use bedside::crypto::entropy::SystemEntropy;
use bedside::crypto::envelope::SecretKey;
use bedside::crypto::recording_stream::{ChunkSealer, PartBinding};
use bedside::crypto::signing::LogSigner;
use bedside::domain::access::{AccountRole, Actor, Caller, Resource};
use bedside::domain::audit::{Entry, Event};
use bedside::domain::id::{AccountId, ConsultationId, EntryId, PartId, RecordingId, SignInSessionId, uuid_v7};
use bedside::domain::time::Clock;
use bedside::domain::time::Timestamp;
use bedside::policy::bundle::{Bundle, Files};
use bedside::services::sequencer::Sequencer;
use bedside::startup::SystemClock;
use bedside::storage::audit::{self, NewEntry};
use bedside::storage::database::Database;
use bedside::storage::policies::{AcceptedBundle, accept};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const MEASURED: Duration = Duration::from_secs(5);
const CLIENTS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite:{}", folder.path().join("bench.db").display());
    let lite = runtime.block_on(transactions(&sqlite))?;
    let pg = runtime.block_on(transactions(&postgres::fresh_database()))?;
    println!("audited transactions, {CLIENTS} clients, change and entry in one, sequenced and signed meanwhile:");
    println!("  SQLite (WAL, synchronous=FULL)   {lite:8.0} /s");
    println!("  PostgreSQL (fsync=off)           {pg:8.0} /s   ratio {:.2}", pg / lite);
    sealing()?;
    decisions()
}

async fn transactions(address: &str) -> Result<f64, Box<dyn Error>> {
    let database = Database::open(address).await?;
    let signer = Arc::new(LogSigner::new("bench/audit", &[7; 32])?);
    let _sequencer = Sequencer::start(database.clone(), signer, Arc::new(SystemClock), "bench".to_owned());
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (database, done) = (database.clone(), Arc::clone(&done));
        clients.push(tokio::spawn(async move {
            for n in 0_u64.. {
                if began.elapsed() > MEASURED {
                    return Ok(());
                }
                let now = SystemClock.now();
                let mut random = [0_u8; 10];
                random[..8].copy_from_slice(&(n << 8 | client as u64).to_be_bytes());
                let entry = Entry::new(EntryId::from_uuid(uuid_v7(now, random)), now, Event::PolicyAccepted, &Caller::system(), "bench");
                let mut tx = database.begin().await?;
                accept(tx.tx(), &AcceptedBundle { digest: format!("{client}/{n}"), content: "{}".to_owned(), accepted_at: now }).await?;
                tx.commit_with(&NewEntry::plain(entry).expect("nothing personal")).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, bedside::storage::error::StorageError>(())
        }));
    }
    for client in clients {
        client.await??;
    }
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    let deadline = Instant::now() + Duration::from_mins(1);
    while !audit::unplaced(database.read().await?.tx(), 1).await?.is_empty() {
        assert!(Instant::now() < deadline, "the sequencer does not keep up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    database.close().await;
    Ok(rate)
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
