//! One SQL text on two engines, and nothing readable at rest.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::postgres;
use crate::support::server::{PASSWORD, config, run_on};
use bedside::startup::{Application, Parts, StartError};
use bedside::storage::{
    accounts, audit, audit_activity, audit_feeds, audit_index, consents, consultations, custody, database::Database, emergency_accesses,
    invitations, log_reviews, participants, patients, policies, recordings, saved_searches, second_factors, sign_in_sessions, subject_keys,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn statements() -> Vec<&'static str> {
    [
        accounts::STATEMENTS,
        audit::STATEMENTS,
        audit_activity::STATEMENTS,
        audit_feeds::STATEMENTS,
        audit_index::STATEMENTS,
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
    for bulk in [audit::BULK, audit_activity::BULK, audit_index::BULK].concat() {
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
