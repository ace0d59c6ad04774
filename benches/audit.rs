//! What the audit log takes: how soon an entry is under a signed checkpoint, how fast it is found among a million, and how fast the second
//! program verifies ten million. Run: `make bench`; `BEDSIDE_BENCH_ENTRIES` makes the large log smaller, `BEDSIDE_BENCH_PART` (`transactions`,
//! `search`, `verify`) leaves the others out.

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

use bedside::config::Config;
use bedside::crypto::signing::LogSigner;
use bedside::crypto::tree::{Edge, TilePlace, leaf_hash};
use bedside::domain::access::Caller;
use bedside::domain::audit::{Entry, Event, Outcome};
use bedside::domain::id::{EntryId, uuid_v7};
use bedside::domain::time::{Clock, Timestamp};
use bedside::services::bundle::tile_name;
use bedside::services::sequencer::Sequencer;
use bedside::startup::{Application, Parts, SystemClock};
use bedside::storage::audit::NewEntry;
use bedside::storage::audit_index;
use bedside::storage::database::Database;
use bedside::storage::error::StorageError;
use bedside::storage::policies::{AcceptedBundle, accept};
use reqwest::header;
use serde_json::json;
use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const MEASURED: Duration = Duration::from_secs(8);
const CLIENTS: u64 = 16;
/// One commit in so many waits for its checkpoint and says how long that took.
const SAMPLED: u64 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let fsync = std::env::var("BEDSIDE_TEST_FSYNC").unwrap_or_else(|_| "off".to_owned());
    let part = std::env::var("BEDSIDE_BENCH_PART").ok();
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("transactions") {
        println!("audited transactions, {CLIENTS} clients, a change and its entry in each, sequenced and signed meanwhile:");
        let sqlite = format!("sqlite:{}", folder.path().join("bench.db").display());
        runtime.block_on(transactions("SQLite (WAL, synchronous=FULL)", &sqlite, 2_000.0))?;
        runtime.block_on(transactions(&format!("PostgreSQL (fsync={fsync})"), &postgres::fresh_database(), 5_000.0))?;
    }
    if wanted("search") {
        let many = std::env::var("BEDSIDE_BENCH_FOUND").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
        println!("search among {many} entries, each asked nine times over HTTP:");
        let sqlite = format!("sqlite:{}", folder.path().join("search.db").display());
        for (engine, address) in [("SQLite", sqlite), ("PostgreSQL", postgres::fresh_database())] {
            runtime.block_on(searches(engine, &folder.path().join(engine), &address, many))?;
        }
    }
    if wanted("verify") { verification(folder.path()) } else { Ok(()) }
}

fn nth_id(n: u64, client: u64, now: Timestamp) -> Uuid {
    let mut random = [0_u8; 10];
    random[..8].copy_from_slice(&(n << 8 | client).to_be_bytes());
    uuid_v7(now, random)
}

async fn transactions(engine: &str, address: &str, target: f64) -> Result<(), Box<dyn Error>> {
    let database = Database::open(address).await?;
    let signer = Arc::new(LogSigner::new("bench/audit", &[7; 32])?);
    let sequencer = Arc::new(Sequencer::start(database.clone(), signer, Arc::new(SystemClock), "bench".to_owned(), None));
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (database, done, sequencer) = (database.clone(), Arc::clone(&done), Arc::clone(&sequencer));
        clients.push(tokio::spawn(async move {
            let mut samples = Vec::new();
            for n in 0_u64.. {
                if began.elapsed() > MEASURED {
                    break;
                }
                let now = SystemClock.now();
                let entry = Entry::new(EntryId::from_uuid(nth_id(n, client, now)), now, Event::PolicyAccepted, &Caller::system(), "bench");
                let waiting = (n % SAMPLED == 0).then(|| sequencer.wait_for(entry.id));
                let entry = NewEntry::plain(entry).expect("nothing personal");
                let mut tx = database.begin().await?;
                accept(tx.tx(), &AcceptedBundle { digest: format!("{client}/{n}"), content: "{}".to_owned(), accepted_at: now }).await?;
                tx.commit_with(&entry).await?;
                done.fetch_add(1, Ordering::Relaxed);
                if let Some(waiting) = waiting {
                    // not in the client's way: it goes on with its next transaction
                    let (database, committed) = (database.clone(), Instant::now());
                    samples.push(tokio::spawn(async move {
                        waiting.covered(&database).await.expect("covered within a second");
                        committed.elapsed()
                    }));
                }
            }
            Ok::<_, bedside::storage::error::StorageError>(samples)
        }));
    }
    let mut late = Vec::new();
    for client in clients {
        for sample in client.await?? {
            late.push(sample.await?);
        }
    }
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    late.sort_unstable();
    println!(
        "  {engine:32} {rate:8.0} /s (target {target:.0})   under a checkpoint after: p50 {:?}, p99 {:?} (target 250 ms)",
        late[late.len() / 2],
        late[late.len() * 99 / 100]
    );
    sequencer.step_down(&database).await;
    database.close().await;
    Ok(())
}

/// A clinic's log: many consultations, some people, few denials.
fn entry_of(n: u64) -> Entry {
    let at = Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(n).expect("small") * 30_000_000);
    let events =
        [Event::ConsultationRead, Event::ConsultationsListed, Event::SignInSucceeded, Event::ParticipantConnected, Event::ConsentDecided];
    let mut entry = Entry::new(EntryId::from_uuid(nth_id(n, 0, at)), at, events[(n % 5) as usize], &Caller::system(), &"0".repeat(64));
    "account".clone_into(&mut entry.agent.kind);
    entry.agent.role = Some("clinician".to_owned());
    entry.agent.id = Some(Uuid::from_u128(u128::from(n % 40)).to_string());
    if n.is_multiple_of(997) {
        entry = entry.ended(Outcome::Denied);
    }
    // at the far end, where whoever goes through everything comes last
    if n == 1 {
        entry = entry.ended(Outcome::Failure);
    }
    entry
        .about("consultation", Uuid::from_u128(1 << 64 | u128::from(n / 12)))
        .about("patient", Uuid::from_u128(2 << 64 | u128::from(n / 60)))
}

/// A running server with a large log, asked by an auditor over HTTP as the page does: with the entry about the search, its checkpoint, and marks.
async fn searches(engine: &str, folder: &Path, address: &str, many: u64) -> Result<(), Box<dyn Error>> {
    let config = Config {
        listen: "127.0.0.1:0".parse()?,
        media_listen: "127.0.0.1:0".parse()?,
        database: address.to_owned(),
        ..Config::demo(folder)
    };
    let application = Application::build(config, Parts::default()).await?;
    let origin = application.services.settings.public_origin.clone();
    let auditor = application.demo_accounts().iter().find(|a| a.username == "auditor").expect("a demo account");
    let credentials = json!({ "username": auditor.username, "password": auditor.password });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(application.run_until(async {
        let _ = stopped.await;
    }));
    let client =
        reqwest::Client::builder().cookie_store(true).default_headers([(header::ORIGIN, origin.parse()?)].into_iter().collect()).build()?;
    let ask = async |path: &str, body: &serde_json::Value| -> Result<serde_json::Value, Box<dyn Error>> {
        let answer = client.post(format!("{origin}/api/v1{path}")).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() {
            Ok(serde_json::from_str(&text).unwrap_or_default())
        } else {
            Err(format!("{path}: {status} {text}").into())
        }
    };
    ask("/sign-in", &credentials).await?;
    // written beside the server, as by another node of the deployment
    let database = Database::open(address).await?;
    let began = Instant::now();
    for from in (0..many).step_by(500) {
        let some: Vec<_> = (from..(from + 500).min(many)).map(|n| NewEntry::plain(entry_of(n)).expect("nothing personal")).collect();
        loop {
            match async { database.begin().await?.commit_with_all(&some).await }.await {
                // the server was writing for longer than anyone waits
                Err(StorageError::Engine(_) | StorageError::Unknown) => {}
                Ok(()) | Err(StorageError::Duplicate) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    while audit_index::size(database.read().await?.tx()).await? < many {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.close().await;
    println!("  {engine}: written, placed, judged and findable at {:.0} /s", many as f64 / began.elapsed().as_secs_f64());
    let person = Uuid::from_u128(7).to_string();
    let patient = Uuid::from_u128(2 << 64 | u128::from(many / 120)).to_string();
    let consultation = Uuid::from_u128(1 << 64 | u128::from(many / 24)).to_string();
    let middle = entry_of(many / 2).at;
    let asked = [
        ("everything, newest first", json!({})),
        ("one person", json!({ "person": person })),
        ("one patient", json!({ "patient": patient })),
        ("one consultation", json!({ "consultation": consultation })),
        ("denied", json!({ "outcome": "denied" })),
        ("failed, of which there is one", json!({ "outcome": "failure" })),
        ("one person, denied, before a time", json!({ "person": person, "outcome": "denied", "to": middle })),
        ("one person, failed", json!({ "person": person, "outcome": "failure" })),
        ("what stands out, of an area, denied", json!({ "unusual": "any", "event": "consent.", "outcome": "denied" })),
        ("part of an event's code", json!({ "text": "consent" })),
        ("part of every id, failed", json!({ "text": "0000-", "outcome": "failure" })),
        ("part of very many ids, an area, denied", json!({ "text": "1", "event": "consent.", "outcome": "denied" })),
        ("an area and an action that never meet", json!({ "event": "consent.", "action": "R" })),
        ("a patient and a person", json!({ "patient": patient, "consultation": consultation, "person": person })),
        ("part of an id", json!({ "text": &consultation[20..] })),
        ("an hour in the middle", json!({ "from": middle, "to": middle.plus(Duration::from_hours(1)) })),
        ("what stands out", json!({ "unusual": "any" })),
    ];
    for (what, wanted) in asked {
        let mut wanted = wanted;
        wanted["limit"] = json!(50);
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..9 {
            let began = Instant::now();
            let answer = ask("/audit/search", &wanted).await?;
            times.push(began.elapsed());
            assert_eq!(answer["complete"], true, "{what}");
            found = answer["entries"].as_array().map_or(0, Vec::len);
        }
        let first = times[0];
        times.sort_unstable();
        println!("    {what:40} {found:3} found   first {first:8.1?}   p50 {:8.1?}   slowest {:8.1?} (target 200 ms)", times[4], times[8]);
    }
    for days in [7, 90] {
        let to = entry_of(many).at;
        let from = Timestamp::from_micros(to.as_micros() - days * 86_400_000_000);
        let mut times = Vec::new();
        let mut hours = 0;
        for _ in 0..9 {
            let began = Instant::now();
            let answer = ask("/audit/activity", &json!({ "from": from, "to": to })).await?;
            times.push(began.elapsed());
            hours = answer["hours"].as_array().map_or(0, Vec::len);
        }
        times.sort_unstable();
        let what = format!("activity of {days} days");
        println!("    {what:40} {hours:3} hours   p50 {:8.1?}   slowest {:8.1?} (target 200 ms)", times[4], times[8]);
    }
    let _ = stop.send(());
    running.await??;
    Ok(())
}

/// Writes a large export and has the second program verify it.
fn verification(folder: &Path) -> Result<(), Box<dyn Error>> {
    let entries: u64 = std::env::var("BEDSIDE_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let path = folder.join("large.tar");
    let mut archive = tar::Builder::new(std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content)
    };
    let signer = LogSigner::new("bench/audit", &[7; 32])?;
    let mut tree = Edge::default();
    let mut tiles: HashMap<TilePlace, Vec<u8>> = HashMap::new();
    for tile in 0..entries.div_ceil(256) {
        let some =
            (tile * 256..((tile + 1) * 256).min(entries)).map(|n| serde_json_canonicalizer::to_vec(&entry_of(n)).expect("canonical"));
        let some: Vec<Vec<u8>> = some.collect();
        tiles.extend(tree.append(some.iter().map(|entry| leaf_hash(entry))));
        let bundle: Vec<u8> = some.iter().flat_map(|e| [&(e.len() as u16).to_be_bytes()[..], e].concat()).collect();
        add(&format!("tile/entries/{}", tile_name(tile, some.len() as u64)), &bundle)?;
    }
    for ((level, index), hashes) in tiles {
        add(&format!("tile/{level}/{}", tile_name(index, hashes.len() as u64 / 32)), &hashes)?;
    }
    add("verifier-key", signer.verifier_key().as_bytes())?;
    add("checkpoint", signer.sign_checkpoint(tree.head()?)?.as_bytes())?;
    archive.into_inner()?.flush()?;
    let size = std::fs::metadata(&path)?.len() as f64 / 1e9;
    let verifier = Path::new(env!("CARGO_BIN_EXE_bedside-verify"));
    let began = Instant::now();
    let checked = Command::new(verifier).arg(&path).args(["--key", signer.verifier_key()]).output()?;
    let took = began.elapsed();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    println!("bedside-verify: {entries} entries ({size:.1} GB) in {:.1} s (target 60 s for 10,000,000)", took.as_secs_f64());
    Ok(())
}
