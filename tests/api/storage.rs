//! One SQL text on two engines, and nothing readable at rest.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::postgres;
use crate::support::server::{PASSWORD, config, run_on};
use bedside::crypto::signing::LogSigner;
use bedside::domain::access::Caller;
use bedside::domain::audit::{Entry, Event};
use bedside::domain::id::{AccountId, EntryId, SavedSearchId, uuid_v7};
use bedside::domain::time::Clock;
use bedside::services::sequencer::Sequencer;
use bedside::startup::{Application, Parts, StartError, SystemClock};
use bedside::storage::audit::NewEntry;
use bedside::storage::error::StorageError;
use bedside::storage::policies::AcceptedBundle;
use bedside::storage::{
    accounts, audit, audit_activity, audit_feeds, audit_index, audit_search, consents, consultations, custody, database::Database,
    emergency_accesses, invitations, log_reviews, participants, patients, policies, recordings, saved_searches, second_factors,
    sign_in_sessions, subject_keys,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn statements() -> Vec<&'static str> {
    [
        accounts::STATEMENTS,
        audit::STATEMENTS,
        audit_activity::STATEMENTS,
        audit_feeds::STATEMENTS,
        audit_index::STATEMENTS,
        audit_search::STATEMENTS,
        consents::STATEMENTS,
        consultations::STATEMENTS,
        custody::STATEMENTS,
        emergency_accesses::STATEMENTS,
        invitations::STATEMENTS,
        log_reviews::STATEMENTS,
        saved_searches::STATEMENTS,
        participants::STATEMENTS,
        patients::STATEMENTS,
        policies::STATEMENTS,
        recordings::STATEMENTS,
        second_factors::STATEMENTS,
        sign_in_sessions::STATEMENTS,
        subject_keys::STATEMENTS,
    ]
    .concat()
}

#[tokio::test]
async fn every_statement_is_good_on_both_engines() {
    let folder = tempfile::tempdir().expect("folder");
    let sqlite = format!("sqlite:{}", folder.path().join("x.db").display());
    let postgres = postgres::fresh_database();
    for address in [&sqlite, &postgres] {
        Database::open(address).await.expect("migrated").close().await;
    }
    let mut lite = sqlx::SqliteConnection::connect(&sqlite).await.expect("sqlite");
    let mut pg = sqlx::PgConnection::connect(&postgres).await.expect("postgres");
    assert!(statements().len() > 50);
    for sql in statements() {
        lite.prepare(sqlx::SqlStr::from_static(sql)).await.unwrap_or_else(|e| panic!("SQLite: {sql}: {e}"));
        pg.prepare(sqlx::SqlStr::from_static(sql)).await.unwrap_or_else(|e| panic!("PostgreSQL: {sql}: {e}"));
    }
    for bulk in [audit::BULK, audit_activity::BULK, audit_index::BULK, audit_search::BULK].concat() {
        lite.prepare(sqlx::SqlStr::from_static(bulk.sqlite)).await.unwrap_or_else(|e| panic!("SQLite: {}: {e}", bulk.sqlite));
        pg.prepare(sqlx::SqlStr::from_static(bulk.postgres)).await.unwrap_or_else(|e| panic!("PostgreSQL: {}: {e}", bulk.postgres));
    }
}

#[tokio::test]
async fn both_engines_end_up_with_the_same_tables_and_columns() {
    let folder = tempfile::tempdir().expect("folder");
    let sqlite = format!("sqlite:{}", folder.path().join("x.db").display());
    let postgres = postgres::fresh_database();
    for address in [&sqlite, &postgres] {
        Database::open(address).await.expect("migrated").close().await;
    }
    let mut lite = sqlx::SqliteConnection::connect(&sqlite).await.expect("sqlite");
    let mut pg = sqlx::PgConnection::connect(&postgres).await.expect("postgres");
    let mut ours: BTreeMap<(String, String), (String, bool)> = BTreeMap::new();
    let tables =
        sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'")
            .fetch_all(&mut lite)
            .await
            .expect("tables");
    for table in tables {
        let table: String = table.get(0);
        for column in sqlx::query(AssertSqlSafe(format!("PRAGMA table_info({table})"))).fetch_all(&mut lite).await.expect("columns") {
            let kind = match column.get::<String, _>("type").as_str() {
                "INTEGER" => "bigint",
                "BLOB" => "bytea",
                _ => "text",
            };
            ours.insert((table.clone(), column.get("name")), (kind.to_owned(), column.get::<i64, _>("notnull") == 1));
        }
    }
    let columns = "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'";
    let theirs: BTreeMap<_, _> = sqlx::query(columns)
        .fetch_all(&mut pg)
        .await
        .expect("columns")
        .into_iter()
        .map(|row| ((row.get(0), row.get(1)), (row.get::<String, _>(2), row.get::<String, _>(3) == "NO")))
        .collect();
    assert!(ours.len() > 80);
    assert_eq!(ours, theirs);
}

/// What a numbered piece of work changes, and its entry.
fn work(n: u64) -> (AcceptedBundle, NewEntry) {
    let now = SystemClock.now();
    let mut random = [7; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let entry = Entry::new(EntryId::from_uuid(uuid_v7(now, random)), now, Event::PolicyAccepted, &Caller::system(), "test");
    (
        AcceptedBundle { digest: format!("{n:04}"), content: "{}".to_owned(), accepted_at: now },
        NewEntry::plain(entry).expect("nothing personal"),
    )
}

async fn kept(database: &Database) -> Vec<String> {
    let mut read = database.read().await.expect("read");
    let mut digests: Vec<_> = policies::all(read.tx()).await.expect("bundles").into_iter().map(|bundle| bundle.digest).collect();
    digests.sort();
    digests
}

/// Far more transactions at once than there are connections, of which some commit, some are undone, some are given up, also in the middle of a
/// statement, some are refused by the engine, and some only read: a connection passes on to the next with nothing of the one before.
#[test]
fn what_commits_is_kept_and_what_is_given_up_is_not_however_many_wait_for_a_connection() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let database = Database::open(&postgres::fresh_database()).await.expect("opened");
        let tasks: Vec<_> = (0..180_u64)
            .map(|n| {
                let database = database.clone();
                tokio::spawn(async move {
                    let (bundle, entry) = work(n);
                    if n % 6 == 4 {
                        let mut read = database.read().await.expect("its turn");
                        assert!(policies::all(read.tx()).await.expect("bundles").len() <= 30, "only what was committed is seen");
                        assert!(policies::accept(read.tx(), &bundle).await.is_err(), "who reads cannot write");
                        return;
                    }
                    let mut tx = database.begin().await.expect("its turn");
                    if n % 6 == 5 {
                        // polled once or twice and then dropped
                        let _ = tokio::time::timeout(Duration::from_micros(n * 10), policies::accept(tx.tx(), &bundle)).await;
                        return;
                    }
                    policies::accept(tx.tx(), &bundle).await.expect("written");
                    match n % 6 {
                        0 => tx.commit_with(&entry).await.expect("committed"),
                        1 => tx.rollback().await.expect("undone"),
                        2 => drop(tx),
                        // the same entry twice: the engine refuses the second
                        _ => assert!(matches!(tx.commit_with_all(&[entry.clone(), entry]).await, Err(StorageError::Duplicate))),
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends well");
        }
        assert_eq!(kept(&database).await, (0..180).step_by(6).map(|n| format!("{n:04}")).collect::<Vec<_>>());
        database.close().await;
        assert!(matches!(database.begin().await, Err(StorageError::Engine(_))), "nothing is lent after the end");
    });
}

/// What failed inside a transaction cannot be committed, whatever its owner believes.
#[tokio::test]
async fn after_a_statement_that_failed_nothing_is_committed() {
    let database = Database::open(&postgres::fresh_database()).await.expect("opened");
    let ((bundle, entry), (other, second)) = (work(1), work(2));
    let mut tx = database.begin().await.expect("begun");
    policies::accept(tx.tx(), &bundle).await.expect("written");
    tx.commit_with(&entry).await.expect("committed");
    let mut tx = database.begin().await.expect("begun");
    policies::accept(tx.tx(), &other).await.expect("written");
    let nobodys = saved_searches::insert(
        tx.tx(),
        SavedSearchId::from_uuid(uuid_v7(SystemClock.now(), [1; 10])),
        AccountId::from_uuid(uuid_v7(SystemClock.now(), [2; 10])),
        b"sealed",
        SystemClock.now(),
    );
    assert!(nobodys.await.is_err(), "it belongs to no account");
    assert!(matches!(tx.commit_with(&second).await, Err(StorageError::Engine(_))), "known not to be kept");
    assert_eq!(kept(&database).await, ["0001"]);
    database.close().await;
}

/// A view keeps its state while others commit.
#[tokio::test]
async fn a_read_sees_one_state_of_everything() {
    let database = Database::open(&postgres::fresh_database()).await.expect("opened");
    let mut read = database.read().await.expect("read");
    assert!(policies::all(read.tx()).await.expect("bundles").is_empty());
    let (bundle, entry) = work(1);
    let mut tx = database.begin().await.expect("begun");
    policies::accept(tx.tx(), &bundle).await.expect("written");
    tx.commit_with(&entry).await.expect("committed");
    assert!(policies::all(read.tx()).await.expect("bundles").is_empty(), "what was committed meanwhile is not seen");
    assert_eq!(kept(&database).await, ["0001"]);
    database.close().await;
}

/// Connections that the server cut while nobody used them are replaced without anyone noticing, and none stays in a transaction at rest.
#[tokio::test]
async fn connections_that_were_cut_are_replaced_and_none_rests_in_a_transaction() {
    const CUT: &str =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    const RESTING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'";
    let address = postgres::fresh_database();
    let database = Database::open(&address).await.expect("opened");
    let mut other = sqlx::PgConnection::connect(&address).await.expect("postgres");
    for n in 0..3 {
        let tasks: Vec<_> = (0..40_u64)
            .map(|k| {
                let database = database.clone();
                tokio::spawn(async move {
                    let (bundle, entry) = work(n * 40 + k);
                    let mut tx = database.begin().await.expect("its turn");
                    policies::accept(tx.tx(), &bundle).await.expect("written");
                    tx.commit_with(&entry).await.expect("committed");
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no connection was a cut one");
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while sqlx::query(RESTING).fetch_one(&mut other).await.expect("activity").get::<i64, _>(0) > 0 {
            assert!(Instant::now() < deadline, "a connection rests inside a transaction");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(sqlx::query(CUT).fetch_one(&mut other).await.expect("cut").get::<i64, _>(0) > 0);
    }
    assert_eq!(kept(&database).await.len(), 120);
    database.close().await;
}

/// What nobody waits for any more, the engine gives up as well: it would hold connections and locks for as long as it lasts.
#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_given_up_by_the_engine() {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let address = postgres::fresh_database();
    let database = Database::open(&address).await.expect("opened");
    let mut other = sqlx::PgConnection::connect(&address).await.expect("postgres");
    sqlx::raw_sql("BEGIN; LOCK TABLE policy_bundles IN ACCESS EXCLUSIVE MODE").execute(&mut other).await.expect("locked");
    let (bundle, _) = work(1);
    let mut tx = database.begin().await.expect("begun");
    let began = Instant::now();
    assert!(matches!(policies::accept(tx.tx(), &bundle).await, Err(StorageError::Engine(_))));
    assert!(began.elapsed() < Duration::from_secs(1), "whoever asked is answered in time");
    drop(tx);
    let deadline = Instant::now() + Duration::from_secs(10);
    while sqlx::query(WAITING).fetch_one(&mut other).await.expect("activity").get::<i64, _>(0) > 0 {
        assert!(Instant::now() < deadline, "it still waits for the lock");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("unlocked");
    assert!(kept(&database).await.is_empty());
    database.close().await;
}

/// Rounds of the sequencer must not become slower as the log grows: no plan of theirs reads a whole table, also while the engine knows nothing
/// of the tables yet. (A plan that did was kept by the engine for as long as the tables grew.)
#[test]
fn placing_entries_never_reads_the_whole_log() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let address = postgres::fresh_database();
        let database = Database::open(&address).await.expect("opened");
        let signer = std::sync::Arc::new(LogSigner::new("test/audit", &[7; 32]).expect("signer"));
        let sequencer = Sequencer::start(database.clone(), signer, std::sync::Arc::new(SystemClock), "test".to_owned(), None);
        for round in 0..30_u64 {
            let entries: Vec<_> = (0..100).map(|n| work(round * 100 + n).1).collect();
            let waiting = sequencer.wait_for(entries[99].entry().id);
            database.begin().await.expect("begun").commit_with_all(&entries).await.expect("committed");
            waiting.covered(&database).await.expect("under a checkpoint");
        }
        sequencer.step_down(&database).await;
        database.close().await;
        let mut connection = sqlx::PgConnection::connect(&address).await.expect("postgres");
        let deadline = Instant::now() + Duration::from_secs(20);
        // connections tell what they did when they end
        let (read_whole, by_key) = loop {
            let row = sqlx::query("SELECT seq_tup_read, idx_scan FROM pg_stat_user_tables WHERE relname = 'audit_entries'")
                .fetch_one(&mut connection)
                .await
                .expect("statistics");
            let (read_whole, by_key): (i64, i64) = (row.get(0), row.get(1));
            if by_key >= 3_000 {
                break (read_whole, by_key);
            }
            assert!(Instant::now() < deadline, "{by_key} look-ups by key were counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(read_whole < 3_000, "{read_whole} rows were read by going through the table, {by_key} by their key");
    });
}

/// Every byte of every file below a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        if item.path().is_dir() {
            found.extend(contents(&item.path()));
        } else {
            found.push((item.path().display().to_string(), fs::read(item.path()).expect("file")));
        }
    }
    found
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()))
}

#[test]
fn no_name_password_token_or_link_secret_is_readable_at_rest() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    let mut canaries =
        vec!["Quillon".to_owned(), "Abernathy".to_owned(), "1971-02-03".to_owned(), "MRN-1001".to_owned(), PASSWORD.to_owned()];
    run_on(folder.path(), &database, async |server| {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        visit.clinician.post("/patients/search", json!({"text": "quillon"})).await.expect(200);
        let ticket = patient.post(&visit.path("/join-tickets"), json!({})).await.expect(201).str("ticket");
        canaries.extend([visit.secret.clone(), ticket]);
        for browser in [&visit.clinician, &patient] {
            canaries.extend(browser.cookies().split("; ").filter_map(|c| c.split_once('=').map(|(_, v)| v.to_owned())));
        }
    });
    assert!(canaries.len() >= 9);
    let files = contents(folder.path());
    assert!(files.iter().any(|(name, _)| name.ends_with("bedside.db")));
    for (name, bytes) in files {
        for canary in &canaries {
            assert!(!holds(&bytes, canary), "{canary} stands in {name}");
        }
    }
}

/// A restart finds everything as it was, under the same keys; another key opens nothing.
#[test]
fn data_opens_after_a_restart_and_not_under_another_key() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    let mut consultation = String::new();
    run_on(folder.path(), &database, async |server| consultation = Visit::new(server).await.id);
    run_on(folder.path(), &database, async |server| {
        let seen = Browser::signed_in(server, "ana").await.get(&format!("/consultations/{consultation}")).await.expect(200);
        assert_eq!(seen.body["patient"]["name"], "Quillon Abernathy");
    });
    fs::remove_file(folder.path().join("keys/master.key")).expect("the key is gone");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let refused = runtime.block_on(Application::build(config(folder.path(), &database), Parts::default()));
    assert!(matches!(refused, Err(StartError::OtherKeys)), "nothing is served with the keys of another installation");
}

on_both_engines! {
    async fn after_its_key_is_destroyed_a_patients_data_opens_for_nobody(server) {
        let visit = Visit::new(server).await;
        server.tamper("UPDATE subject_keys SET content_key = NULL").await;
        let seen = visit.clinician.get(&visit.path("")).await.expect(200);
        assert!(seen.body["patient"].is_null() && !seen.text.contains("Quillon"));
        assert_eq!(visit.clinician.post("/patients/search", json!({"text": "quillon"})).await.expect(200).body["patients"].as_array().map(Vec::len), Some(0));
        let hint = json!({"role": "patient", "name_hint": "Quillon"});
        visit.clinician.post(&visit.path("/invitations"), hint).await.refused(410, "KEY_DESTROYED");
        let patient = Browser::new(server);
        patient.post(&format!("/invitations/{}/redeem", visit.invitation), json!({"secret": visit.secret})).await.expect(200);
        patient.put(&visit.path("/participants/me"), json!({"name": "Quillon", "language": "en"})).await.refused(410, "KEY_DESTROYED");
    }

    async fn the_server_is_well_once_it_has_started(server) {
        let answer = reqwest::get(format!("http://127.0.0.1:{}/healthz", server.address.port())).await.expect("answer");
        assert_eq!((answer.status().as_u16(), answer.text().await.expect("text")), (200, "ok\n".to_owned()));
    }
}
