//! The audit log from outside: complete, verifiable, and quick to name what was tampered with.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::server::{TestServer, run_on};
use crate::support::verifier::verify;
use bedside::crypto::signing::open_checkpoint;
use bedside::crypto::tree::is_consistent;
use serde_json::{Value, json};
use sqlx::Connection;

async fn search(aud: &Browser, event: &str) -> Vec<Value> {
    let body = json!({"text": null, "event": event, "outcome": null, "from": null, "to": null, "before": null, "limit": 200});
    aud.post("/audit/search", body).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

/// Whether an entry belongs to what was asked for.
type Fits<'a> = &'a dyn Fn(&Value) -> bool;

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
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("audit.tar");
        std::fs::write(&file, aud.post("/audit/export", json!({"disclose": true})).await.expect(200).bytes).expect("written");
        let checked = verify(&[file.to_str().expect("path"), "--key", server.services.verifier_key()]);
        assert_eq!((checked.0, checked.1["ok"].as_bool()), (0, Some(true)), "{}", checked.1);
        assert!(checked.1["entries"].as_u64() > Some(10) && checked.1.to_string().contains("disclosed personal values"), "{}", checked.1);
        let note = aud.get("/audit/checkpoint").await.expect(200).text;
        assert!(note.starts_with("localhost/audit\n") && note.contains("\u{2014} localhost/audit "), "{note}");
    }

    async fn an_entry_is_proved_by_itself_with_its_personal_values(server) {
        story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let index = search(&aud, "sign_in.succeeded").await[0]["index"].as_u64().expect("index");
        let proved = aud.get(&format!("/audit/entries/{index}")).await.expect(200);
        let body = proved.body["body"].as_str().expect("entry");
        assert!(!body.contains("127.0.0.1"), "a network address stands in no entry: {body}");
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("entry.json");
        let check = |text: &str| {
            std::fs::write(&file, text).expect("written");
            verify(&[file.to_str().expect("path"), "--key", server.services.verifier_key()])
        };
        let (code, answer) = check(&proved.text);
        assert_eq!(code, 0, "{answer}");
        assert!(answer.to_string().contains("The disclosed network is the one that was written down."), "{answer}");
        for (from, to) in [("success", "failure"), ("\"index\":", "\"index\":1"), ("\"disclosures\":[\"W", "\"disclosures\":[\"X")] {
            assert!(proved.text.contains(from), "{from}");
            let (code, answer) = check(&proved.text.replacen(from, to, 1));
            assert_ne!(code, 0, "{from} for {to}: {answer}");
        }
        aud.get("/audit/entries/9999999").await.refused(404, "NOT_FOUND");
        assert!(!search(&aud, "audit.entry_read").await.is_empty());
    }

    async fn anyone_can_ask_how_the_log_grew(server) {
        story(server).await;
        let stranger = Browser::new(server);
        let then = stranger.get("/audit/checkpoint").await.expect(200).text;
        let before = open_checkpoint(server.services.verifier_key(), &then).expect("signed");
        story(server).await;
        let grown = stranger.get(&format!("/audit/growth?from={}", before.size)).await.expect(200).body;
        let now = open_checkpoint(server.services.verifier_key(), grown["checkpoint"].as_str().expect("note")).expect("signed");
        let proof: Vec<[u8; 32]> = grown["consistency_proof"].as_array().expect("proof").iter()
            .map(|hash| (0..32).map(|at| u8::from_str_radix(&hash.as_str().expect("hex")[at * 2..at * 2 + 2], 16).expect("hex")).collect::<Vec<_>>().try_into().expect("32 bytes"))
            .collect();
        assert!(now.size > before.size && is_consistent(&proof, now, before));
        let width = before.size.min(255);
        let tile = stranger.get(&format!("/audit/tile/0/000.p/{width}")).await.expect(200).bytes;
        assert_eq!(tile.len() as u64, 32 * width);
        for (path, status, code) in [("/audit/growth?from=0", 404, "NOT_FOUND"), ("/audit/growth?from=99999999", 404, "NOT_FOUND"),
                                     ("/audit/tile/0/x001/000", 404, "NOT_FOUND"), ("/audit/tile/0/entries", 404, "NOT_FOUND"), ("/audit/tile/200/000", 404, "NOT_FOUND")] {
            stranger.get(path).await.refused(status, code);
        }
        // entries are for auditors
        stranger.get("/audit/entries/0").await.refused(401, "UNAUTHENTICATED");
    }

    async fn a_browser_that_was_shown_another_log_reports_it(server) {
        let stranger = Browser::new(server);
        let seen = stranger.get("/audit/growth").await.expect(200).body["checkpoint"].as_str().expect("note").to_owned();
        stranger.post("/audit/contradictions", json!({"kind": "not_grown", "seen": seen})).await.expect(204);
        stranger.post("/audit/contradictions", json!({"kind": "shorter", "seen": "of another log"})).await.expect(204);
        for wrong in [json!({"kind": "else", "seen": ""}), json!({"kind": "shorter", "seen": "x".repeat(5_000)})] {
            stranger.post("/audit/contradictions", wrong).await.refused(422, "VALIDATION");
        }
        let aud = Browser::signed_in(server, "aud").await;
        let noted: Vec<_> = search(&aud, "audit.contradicted").await.into_iter().map(|e| (e["outcome"].clone(), e["detail"]["signed_with_our_key"].clone())).collect();
        assert_eq!(noted, [(json!("failure"), json!(false)), (json!("failure"), json!(true))]);
    }

    async fn each_way_of_narrowing_finds_what_fits_and_nothing_else(server) {
        let visit = story(server).await;
        let other = story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let find = async |narrow: Value| aud.post("/audit/search", narrow).await.expect(200).body["entries"].as_array().expect("entries").clone();
        let all = find(json!({"limit": 200})).await;
        let ana = all.iter().find(|e| e["agent"]["name"] == "Dr. Ana Ruiz").expect("she acted")["agent"]["id"].clone();
        let about = |entry: &Value, kind: &str, id: &str| entry["entities"].as_array().expect("entities").iter().any(|e| e["kind"] == kind && e["id"] == id);
        let patient = all.iter().find(|e| about(e, "consultation", &visit.id)).expect("an entry")["entities"].as_array().expect("entities").iter()
            .find(|e| e["kind"] == "patient").expect("every entry of a consultation names its patient")["id"].clone();
        let request = all[3]["request_id"].clone();
        let fits: [(Value, Fits<'_>); 9] = [
            (json!({"person": ana}), &|e| e["agent"]["id"] == ana),
            (json!({"consultation": visit.id}), &|e| about(e, "consultation", &visit.id)),
            (json!({"patient": patient}), &|e| about(e, "patient", patient.as_str().expect("id"))),
            (json!({"action": "R"}), &|e| e["action"] == "R"),
            (json!({"outcome": "denied"}), &|e| e["outcome"] == "denied"),
            (json!({"event": "participant."}), &|e| e["event"].as_str().is_some_and(|event| event.starts_with("participant."))),
            (json!({"event": "sign_in.succeeded", "person": ana}), &|e| e["event"] == "sign_in.succeeded" && e["agent"]["id"] == ana),
            (json!({"text": visit.id[..13].to_uppercase()}), &|e| about(e, "consultation", &visit.id)),
            (json!({"request": request}), &|e| e["request_id"] == request),
        ];
        // nothing but searches is written meanwhile
        for (narrow, fits) in fits {
            let expected: Vec<u64> = all.iter().filter(|e| fits(e)).map(|e| e["index"].as_u64().expect("index")).collect();
            let mut asked = narrow.clone();
            asked["limit"] = json!(200);
            asked["before"] = json!(all[0]["index"].as_u64().expect("index") + 1);
            let found: Vec<u64> = find(asked).await.iter().map(|e| e["index"].as_u64().expect("index")).collect();
            assert!(!expected.is_empty() && found == expected, "{narrow}: {found:?} and not {expected:?}");
        }
        assert!(!find(json!({"network": "127.0.0.1"})).await.is_empty());
        for nothing in [json!({"network": "203.0.113.7"}), json!({"person": other.id}), json!({"patient": patient, "consultation": other.id}), json!({"event": "no.such"})] {
            // the search itself is an entry about what was searched for
            let mut asked = nothing.clone();
            asked["before"] = json!(all[0]["index"]);
            assert_eq!(find(asked).await.len(), 0, "{nothing}");
        }
        aud.post("/audit/search", json!({"action": "X"})).await.refused(400, "MALFORMED");
        aud.post("/audit/search", json!({"request": "x"})).await.refused(422, "VALIDATION");
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
