//! The audit log from outside: complete, verifiable, and quick to name what was tampered with.

use crate::consent::{Call, call, recorded, until_state};
use crate::on_both_engines;
use crate::receipts::feed;
use crate::support::decisions::withdraw;
use crate::support::people::{Browser, Visit};
use crate::support::server::{TestServer, run_on};
use crate::support::verifier::verify;
use bedside::crypto::signing::open_checkpoint;
use bedside::crypto::tree::is_consistent;
use serde_json::{Value, json};
use sqlx::Connection;
use std::path::Path;

async fn search(aud: &Browser, event: &str) -> Vec<Value> {
    let body = json!({"text": null, "event": event, "outcome": null, "from": null, "to": null, "before": null, "limit": 200});
    aud.post("/audit/search", body).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

/// Whether an entry belongs to what was asked for.
type Fits<'a> = &'a dyn Fn(&Value) -> bool;

async fn search_by(aud: &Browser, narrow: Value) -> Vec<Value> {
    aud.post("/audit/search", narrow).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

/// The profiles that `docs/audit.md` claims. No `PatientQuery`: whoever searches and finds one patient has read that patient's data, and what
/// finds several concerns no one patient. No plain `Read`: what is read one by one is a patient's.
const CLAIMED: [&str; 8] = ["Create", "Update", "Delete", "Query", "PatientCreate", "PatientRead", "PatientUpdate", "PatientDelete"];

/// People do something of each kind that has a profile, to patients' records and to other things.
async fn acts_of_every_kind(server: &TestServer) {
    // a recording is made and destroyed
    let mut at: Call = call(server).await;
    let recording = recorded(&mut at).await;
    withdraw(&at.patient, &at.visit.id, &recording).await.expect(201);
    until_state(&at, &recording, "sealed").await;
    let officer = Browser::signed_in(server, "rec").await;
    officer.get(&format!("/recordings/{recording}/custody")).await.expect(200);
    officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "destroy"})).await.expect(204);
    // an account is made, changed and listed
    let administrator = Browser::signed_in(server, "adm").await;
    let new = json!({"username": "nora", "display_name": "Nora Berg", "role": "auditor"});
    administrator.post("/users", new).await.expect(201);
    let users = administrator.get("/users").await.expect(200).body["users"].as_array().expect("users").clone();
    let id = users.iter().find(|user| user["username"] == "nora").expect("there")["id"].as_str().expect("id").to_owned();
    administrator.put(&format!("/users/{id}"), json!({"display_name": "Dr. Nora Berg", "role": "auditor"})).await.expect(204);
    // a search is kept and forgotten
    let aud = Browser::signed_in(server, "aud").await;
    let kept = aud.post("/audit/searches", json!({"name": "Refused", "search": {"outcome": "denied"}})).await.expect(201).str("id");
    aud.post(&format!("/audit/searches/{kept}/forget"), json!({})).await.expect(204);
}

/// Each element that the profiles of IHE BALP make mandatory, in a bundle in which each profile that is claimed occurs.
fn conforms_to_balp(bundle: &Value) {
    const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
    let mut seen = std::collections::BTreeSet::new();
    let mut exports = 0;
    for entry in bundle["entry"].as_array().expect("entries") {
        let event = &entry["resource"];
        let say = |what: &str| format!("{what} of {event}");
        let all = |member: &str| event[member].as_array().cloned().unwrap_or_default();
        let has_agent = |code: &str| all("agent").into_iter().filter(|a| a["type"]["coding"][0]["code"] == code).collect::<Vec<_>>();
        let entities = |code: &str| all("entity").into_iter().filter(|e| e["type"]["code"] == code).collect::<Vec<_>>();
        assert!(
            event["recorded"].is_string() && !all("subtype").is_empty() && event["source"]["observer"]["display"].is_string(),
            "{}",
            say("basics")
        );
        for role in ["110152", "110153"] {
            let agent = has_agent(role);
            assert_eq!(agent.len(), 1, "{}", say(role));
            assert!(
                agent[0]["who"].is_object() && agent[0]["network"]["address"].is_string() && agent[0]["requestor"] == false,
                "{}",
                say(role)
            );
            for forbidden in ["role", "altId", "name", "location", "policy", "media", "purposeOfUse"] {
                assert!(agent[0][forbidden].is_null(), "{}", say(forbidden));
            }
        }
        let user = has_agent("IRCP");
        assert!(
            user.len() == 1 && user[0]["who"].is_object() && user[0]["requestor"] == true && user[0]["network"].is_null(),
            "{}",
            say("user")
        );
        exports += usize::from(event["type"]["code"] == "110106");
        assert!(event["type"]["code"] != "110106" || event["meta"].is_null(), "{}", say("no profile for an export"));
        let is = |code: &str| all("subtype").iter().any(|subtype| subtype["code"] == code);
        assert!(!is("recording.custody_read") || event["meta"]["profile"][0] == format!("{PROFILE}PatientRead"), "{}", say("the patient"));
        let Some(profile) = event["meta"]["profile"][0].as_str() else { continue };
        let name = profile.strip_prefix(PROFILE).unwrap_or_else(|| panic!("{}", say("profile")));
        seen.insert(name.to_owned());
        let (of_patient, kind) = name.strip_prefix("Patient").map_or((false, name), |kind| (true, kind));
        let (action, interaction, client) = match kind {
            "Create" => ("C", "create", "110153"),
            "Read" => ("R", "read", "110152"),
            "Update" => ("U", "update", "110153"),
            "Delete" => ("D", "delete", "110153"),
            "Query" => ("E", "search", "110153"),
            other => panic!("{other}"),
        };
        assert_eq!(
            (event["type"]["code"].as_str(), event["action"].as_str(), event["outcome"].as_str()),
            (Some("rest"), Some(action), Some("0")),
            "{}",
            say("type")
        );
        assert!(
            all("subtype").iter().any(|s| s["system"] == "http://hl7.org/fhir/restful-interaction" && s["code"] == interaction),
            "{}",
            say("subtype")
        );
        let (asked, answered) = (has_agent(client), has_agent(if client == "110152" { "110153" } else { "110152" }));
        assert!(asked[0]["who"]["display"] != answered[0]["who"]["display"] && answered[0]["network"]["type"] == "5", "{}", say("client"));
        let data = entities("2");
        assert_eq!(data.len(), 1, "{}", say("data"));
        if kind == "Query" {
            assert!(data[0]["role"]["code"] == "24" && data[0]["query"].is_string(), "{}", say("query"));
        } else {
            assert!(
                data[0]["role"]["code"] == "4" && data[0]["what"].is_object() && data[0]["detail"].is_null() && data[0]["name"].is_null(),
                "{}",
                say("data")
            );
        }
        let patients = entities("1");
        assert_eq!(patients.len() == 1, of_patient, "{}", say("patient"));
        for patient in patients {
            assert!(
                patient["role"]["code"] == "1" && patient["what"]["reference"].as_str().is_some_and(|r| r.starts_with("Patient/")),
                "{}",
                say("patient")
            );
        }
        for request in entities("XrequestId") {
            assert!(request["what"]["identifier"]["value"].is_string() && request["detail"].is_null(), "{}", say("transaction"));
        }
    }
    assert!(exports > 0, "an export is among them");
    for name in CLAIMED {
        assert!(seen.contains(name), "{name} is not among {seen:?}");
    }
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

    async fn what_was_found_leaves_as_ndjson_csv_and_fhir(server) {
        let visit = story(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let export = async |form: &str, disclose: bool| {
            aud.post("/audit/export", json!({"form": form, "disclose": disclose, "search": {"consultation": visit.id}})).await.expect(200)
        };
        let found = search_by(&aud, json!({"consultation": visit.id, "limit": 200})).await;

        let lines: Vec<Value> = export("ndjson", false).await.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(lines.len() >= found.len() && lines.iter().all(|line| line["network"].is_null() && line["leaf_hash"].as_str().map(str::len) == Some(64)));
        assert!(found.iter().all(|entry| lines.iter().any(|line| line["index"] == entry["index"] && line["entry"]["event"] == entry["event"])));
        assert!(export("ndjson", true).await.text.contains("127.0.0.1"));

        let table = export("csv", false).await;
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
        let rows: Vec<&str> = table.text.trim_end().split("\r\n").collect();
        assert!(rows[0].starts_with("\"index\",\"at\",\"event\"") && rows.len() > found.len() && !table.text.contains("127.0.0.1"));

        let bundle = export("fhir", false).await;
        assert_eq!(bundle.headers["content-type"], "application/fhir+json");
        acts_of_every_kind(server).await;
        let whole = aud.post("/audit/export", json!({"form": "fhir", "search": {}})).await.expect(200);
        conforms_to_balp(&whole.body);
        let program = "import json,sys\nfrom fhir.resources.R4B.bundle import Bundle\nfrom fhir.resources.R4B.auditevent import AuditEvent\nb=json.load(sys.stdin)\nBundle.model_validate(b)\nfor e in b['entry']: AuditEvent.model_validate(e['resource'])\nprint(len(b['entry']),'valid')";
        let (valid, said) = feed(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/python"), &["-c", program], &whole.text);
        assert!(valid && said.trim().ends_with("valid") && !said.starts_with("0 "), "{said}");
        assert!(!bundle.text.contains("127.0.0.1") && export("fhir", true).await.text.contains("127.0.0.1"));

        // nothing that fits is an answer too
        let none = aud.post("/audit/export", json!({"form": "fhir", "search": {"event": "no.such"}})).await.expect(200);
        assert_eq!(none.body["entry"], json!([]));
        let exported = search(&aud, "audit.exported").await;
        assert!(exported.iter().any(|e| e["detail"]["format"] == "fhir" && e["detail"]["disclosed"] == true));
        aud.post("/audit/export", json!({"form": "xml"})).await.refused(400, "MALFORMED");
        aud.post("/audit/export", json!({"form": "csv", "search": {"request": "x"}})).await.refused(422, "VALIDATION");
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
