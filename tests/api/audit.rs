//! The audit log from outside: complete, verifiable, and quick to name what was tampered with.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::server::{TestServer, run_on};
use bedside::services::audit::{ExportError, verify_export};
use serde_json::{Value, json};
use sqlx::Connection;

async fn search(aud: &Browser, event: &str) -> Vec<Value> {
    let body = json!({"text": null, "action": event, "outcome": null, "from": null, "to": null, "before": null, "limit": 200});
    aud.post("/audit/search", body).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

/// The log, once nothing new waits for its place.
async fn export(aud: &Browser) -> String {
    aud.post("/audit/export", json!({})).await.expect(200).text
}

async fn story(server: &TestServer) -> Visit {
    let visit = Visit::new(server).await;
    let _ = Browser::new(server).post("/sign-in", json!({"username": "ana", "password": "wrong"})).await;
    let patient = visit.patient(server).await;
    let mut lobby = patient.join(&visit.id).await;
    let id = lobby.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
    visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
    visit.clinician.post(&visit.path("/end"), json!({})).await.expect(200);
    visit
}

on_both_engines! {
    async fn every_step_is_written_down_with_agent_entity_and_policy(server) {
        let visit = story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        for event in ["server.started", "policy.accepted", "sign_in.succeeded", "sign_in.failed", "patient.created", "consultation.created", "consultation.started",
                      "invitation.created", "invitation.redeemed", "participant.waiting", "participant.ticket_issued", "participant.connected",
                      "participant.admitted", "consultation.ended"] {
            let found = search(&aud, event).await;
            assert!(!found.is_empty(), "{event} is missing");
            let entry = &found[0];
            assert_eq!(entry["policy_digest"].as_str().map(str::len), Some(64), "{event}");
            assert_eq!(entry["leaf_hash"].as_str().map(str::len), Some(64), "{event}");
        }
        let admitted = &search(&aud, "participant.admitted").await[0];
        assert_eq!((admitted["agent"]["name"].as_str(), admitted["agent"]["role"].as_str()), (Some("Dr. Ana Ruiz"), Some("clinician")));
        assert!(admitted["entities"].as_array().expect("entities").iter().any(|e| e["id"] == visit.id.as_str()));
        assert!(!search(&aud, "audit.searched").await.is_empty(), "the auditor's own searches too");
    }

    async fn searching_narrows_and_pages(server) {
        story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let page = async |before: Value| aud.post("/audit/search", json!({"text": null, "action": null, "outcome": null, "from": null, "to": null, "before": before, "limit": 5})).await.expect(200).body;
        let first = page(Value::Null).await;
        let second = page(first["next_before"].clone()).await;
        assert_eq!(first["entries"].as_array().map(Vec::len), Some(5));
        assert!(second["entries"][0]["index"].as_u64() < first["entries"][4]["index"].as_u64());
        let none = json!({"text": "100%_sure", "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 5});
        assert_eq!(aud.post("/audit/search", none).await.expect(200).body["entries"].as_array().map(Vec::len), Some(0), "wildcards are literal");
        let past = json!({"text": null, "action": null, "outcome": null, "from": null, "to": "2020-01-01T00:00:00Z", "before": null, "limit": 5});
        assert_eq!(aud.post("/audit/search", past).await.expect(200).body["entries"].as_array().map(Vec::len), Some(0));
    }

    async fn the_log_verifies_and_so_does_its_export_offline(server) {
        story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let verified = aud.post("/audit/verify", json!({})).await.expect(200).body;
        assert_eq!((verified["ok"].as_bool(), &verified["checked"]), (Some(true), &verified["size"]));
        let text = export(&aud).await;
        let (size, root) = verify_export(&text, Some(server.services.verifier_key())).expect("the export is good");
        assert!(size > 10 && root.len() == 64);
        let note = aud.get("/audit/checkpoint").await.expect(200).text;
        assert!(note.starts_with("localhost/audit\n") && note.contains("\u{2014} localhost/audit "), "{note}");
    }

    async fn whatever_is_changed_in_an_export_is_named(server) {
        story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let text = export(&aud).await;
        let lines: Vec<&str> = text.lines().collect();
        let joined = |lines: &[&str]| lines.join("\n");
        let bad = |text: &str| verify_export(text, None).expect_err("refused");
        let entry = |error: ExportError| match error { ExportError::Entry { index, .. } => index, other => panic!("{other}") };
        for n in [1, 4, lines.len() - 2] {
            let flipped = lines[n].replacen("success", "succesS", 1).replacen("denied", "denieD", 1);
            let mut changed = lines.clone();
            changed[n] = &flipped;
            assert_ne!(flipped, lines[n]);
            assert_eq!(entry(bad(&joined(&changed))), n as u64 - 1, "a flipped byte");
        }
        let mut gone = lines.clone();
        gone.remove(3);
        assert_eq!(entry(bad(&joined(&gone))), 2, "a deleted entry");
        let mut swapped = lines.clone();
        swapped.swap(3, 4);
        assert_eq!(entry(bad(&joined(&swapped))), 2, "swapped entries");
        assert!(matches!(bad(&joined(&lines[..lines.len() - 1])), ExportError::Checkpoint(_)), "a missing checkpoint");
        let shorter = lines[0].replace(&format!("\"size\":{}", lines.len() - 2), &format!("\"size\":{}", lines.len() - 3));
        let mut cut = lines.clone();
        cut[0] = &shorter;
        cut.remove(lines.len() - 2);
        assert!(matches!(bad(&joined(&cut)), ExportError::Checkpoint(_)), "a truncated log");
        assert!(verify_export(&text, Some("localhost/audit+00000000+AAAA")).is_err(), "another key");
        assert!(verify_export("", None).is_err() && verify_export("{}", None).is_err());
    }

    async fn entries_cannot_be_changed_or_removed_in_the_database(server) {
        story(server).await;
        let run = async |sql: &'static str| if server.database.starts_with("sqlite:") {
            sqlx::query(sql).execute(&mut sqlx::SqliteConnection::connect(&server.database).await.expect("database")).await.map(|_| ())
        } else {
            sqlx::query(sql).execute(&mut sqlx::PgConnection::connect(&server.database).await.expect("database")).await.map(|_| ())
        };
        for sql in ["DELETE FROM audit_entries", "UPDATE audit_entries SET body = '{}'", "UPDATE audit_entries SET leaf_index = leaf_index + 1000"] {
            let error = run(sql).await.expect_err(sql).to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    }
}

/// Someone with the database file in hand gets past the triggers, and not past the tree.
#[test]
fn a_tampered_database_is_named_by_the_first_bad_entry() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    run_on(folder.path(), &database, async |server| {
        story(server).await;
    });
    let tamper = |sql: &'static [&'static str]| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&database).await.expect("database");
            for sql in sql {
                sqlx::query(*sql).execute(&mut connection).await.expect("tampered");
            }
        });
    };
    tamper(&[
        "DROP TRIGGER audit_entries_never_change",
        "DROP TRIGGER audit_entries_never_go",
        "UPDATE audit_entries SET body = replace(body, 'success', 'failure') WHERE leaf_index = 5",
    ]);
    run_on(folder.path(), &database, async |server| {
        let aud = Browser::signed_in(server, "aud").await;
        let verified = aud.post("/audit/verify", json!({})).await.expect(200).body;
        assert_eq!((verified["ok"].as_bool(), verified["first_bad"]["index"].as_u64()), (Some(false), Some(5)));
    });
    tamper(&["DELETE FROM audit_entries WHERE leaf_index = 3"]);
    run_on(folder.path(), &database, async |server| {
        let aud = Browser::signed_in(server, "aud").await;
        let verified = aud.post("/audit/verify", json!({})).await.expect(200).body;
        assert_eq!((verified["ok"].as_bool(), verified["first_bad"]["index"].as_u64()), (Some(false), Some(3)));
    });
}
