//! Reports: to whom a patient's information was disclosed, the patient's own report, what is kept and destroyed, how consents stand.

use crate::consent::{Call, call, recorded};
use crate::on_both_engines;
use crate::support::decisions::{self, CARE, signed, statement};
use crate::support::people::{Browser, Visit};
use crate::support::server::{Engine, PASSWORD, TestServer, policies, run_as};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside::crypto::signing::open_checkpoint;
use bedside::domain::access::AccountRole;
use bedside::domain::secret::Secret;
use bedside::domain::time::{Clock, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn disclosure(patient: &str, on: &str, recipient: &str) -> Value {
    json!({"patient": patient, "on": on, "recipient": recipient, "address": "1 Court Street", "description": "Letter about the visit", "purpose": "Court order 12/26"})
}

fn days_ago(server: &TestServer, days: u64) -> String {
    let micros = server.clock.now().as_micros() - i64::try_from(days).expect("small") * 86_400_000_000;
    Timestamp::from_micros(micros).to_string()[..10].to_owned()
}

/// A stretch around now.
fn around(server: &TestServer) -> (String, String) {
    let now = server.clock.now();
    (Timestamp::from_micros(now.as_micros() - 86_400_000_000).to_string(), now.plus(Duration::from_hours(1)).to_string())
}

/// The content of a report that checks itself.
fn content(page: &str) -> Value {
    let start = page.find("id=\"content\">").expect("content") + "id=\"content\">".len();
    let end = start + page[start..].find("</script>").expect("its end");
    serde_json::from_str(&page[start..end]).expect("JSON")
}

on_both_engines! {
    async fn disclosures_are_accounted_for_six_years_back(server) {
        let (auditor, visit) = (Browser::signed_in(server, "aud").await, Visit::new(server).await);
        let id = visit.patient_id.as_str();
        auditor.post("/audit/disclosures", disclosure(id, &days_ago(server, 400), "=Hall of Records")).await.expect(204);
        auditor.post("/audit/disclosures", disclosure(id, &days_ago(server, 7 * 365), "Too long ago")).await.expect(204);
        auditor.post("/audit/export", json!({"form": "bundle", "disclose": true})).await.expect(200);
        auditor.post("/audit/export", json!({"form": "csv", "disclose": false})).await.expect(200);
        // someone else who was there
        let interpreter = visit.another(server, "interpreter", "Noor Aziz").await;
        let mut joined = visit.clinician.join(&visit.id).await;
        let mut other = interpreter.join(&visit.id).await;
        let who = other.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{who}/admit")), json!({})).await;
        joined.snapshot("anything", |_| true).await;

        let wanted = json!({"patient": id});
        let report = auditor.post("/audit/reports/disclosures", wanted).await.expect(200).body;
        let lines = report["disclosures"].as_array().expect("lines");
        let ways: Vec<&str> = lines.iter().map(|line| line["way"].as_str().expect("way")).collect();
        assert_eq!(&ways[..2], ["recorded", "copied"], "{report}");
        assert_eq!((&lines[0]["recipient"], &lines[0]["address"], &lines[0]["purpose"]), (&json!("=Hall of Records"), &json!("1 Court Street"), &json!("Court order 12/26")));
        assert_eq!((&lines[1]["recipient"], &lines[1]["exempt"]), (&json!("Jonas Weber"), &json!(false)));
        assert!(lines.len() == 3 && lines[2..].iter().all(|line| line["way"] == "present" && line["exempt"] == true), "{report}");
        let years = |text: &str| Timestamp::parse(text).expect("a time").as_micros() / 1_000_000 / 86_400;
        let span = years(report["to"].as_str().expect("to")) - years(report["from"].as_str().expect("from"));
        assert!((2_191..=2_192).contains(&span), "six years are {span} days");

        let table = auditor.post("/audit/reports/disclosures", json!({"patient": id, "form": "csv"})).await.expect(200);
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
        assert!(table.text.contains("\"'=Hall of Records\"") && !table.text.contains("Too long ago"), "{}", table.text);
        // what was written down is sealed: nothing of it stands in the log itself
        let found = auditor.post("/audit/search", json!({"event": "disclosure.recorded"})).await.expect(200);
        assert!(!found.text.contains("Hall of Records") && found.body["entries"].as_array().map(Vec::len) == Some(2));
        let reports = auditor.post("/audit/search", json!({"event": "audit.report_made", "patient": id})).await.expect(200).body;
        assert_eq!(reports["entries"].as_array().map(Vec::len), Some(2), "each report is an entry");
    }

    async fn what_cannot_be_reported_is_refused_in_words(server) {
        let (auditor, visit) = (Browser::signed_in(server, "aud").await, Visit::new(server).await);
        let id = visit.patient_id.as_str();
        let nobody = "01890000-0000-7000-8000-000000000000";
        let tomorrow = server.clock.now().plus(Duration::from_hours(48)).to_string()[..10].to_owned();
        for (on, recipient) in [(tomorrow.as_str(), "x"), ("2026-02-30", "x"), ("yesterday", "x"), ("2026-01-02", ""), ("2026-01-02", &"x".repeat(201))] {
            auditor.post("/audit/disclosures", disclosure(id, on, recipient)).await.refused(422, "VALIDATION");
        }
        auditor.post("/audit/disclosures", disclosure(nobody, "2026-01-02", "x")).await.refused(404, "NOT_FOUND");
        for report in ["disclosures", "access"] {
            auditor.post(&format!("/audit/reports/{report}"), json!({"patient": nobody})).await.refused(404, "NOT_FOUND");
        }
        for report in ["retention", "consents"] {
            let backwards = json!({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
            auditor.post(&format!("/audit/reports/{report}"), backwards).await.refused(422, "VALIDATION");
        }
    }

    async fn a_patients_own_report_is_one_file_in_which_every_entry_is_proved(server) {
        let (auditor, visit) = (Browser::signed_in(server, "aud").await, Visit::new(server).await);
        visit.clinician.get(&visit.path("")).await.expect(200);
        let other = Visit::new(server).await;
        other.clinician.get(&other.path("")).await.expect(200);
        // someone looked for patients and found both: that is in the report, and the other one's id is not
        visit.clinician.post("/patients/search", json!({"text": ""})).await.expect(200);
        let answer = auditor.post("/audit/reports/access", json!({"patient": visit.patient_id, "language": "es"})).await.expect(200);
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
        let page = answer.text;
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}: the file needs nothing else");
        }
        assert!(page.contains("default-src 'none'") && page.starts_with("<!doctype html>\n<html lang=\"es\">"));
        let report = content(&page);
        let head = open_checkpoint(server.services.verifier_key(), report["checkpoint"].as_str().expect("checkpoint")).expect("signed");
        let entries = report["entries"].as_array().expect("entries");
        let withheld: Vec<&Value> = entries.iter().filter(|e| e["leaf_hash"].is_string()).collect();
        assert!(withheld.iter().any(|e| e["summary"]["event"] == "patients.searched" && e["body"].is_null()), "{entries:?}");
        let entries: Vec<&Value> = entries.iter().filter(|e| e["body"].is_string()).collect();
        let events: Vec<String> = entries
            .iter()
            .map(|e| serde_json::from_str::<Value>(e["body"].as_str().expect("body")).expect("JSON")["event"].as_str().expect("event").to_owned())
            .collect();
        for event in ["patient.created", "consultation.created", "consultation.read", "audit.report_made"] {
            assert!(events.iter().any(|e| e == event), "{event} in {events:?}");
        }
        assert!(!page.contains(&other.patient_id), "nobody else");
        for entry in &entries {
            for disclosure in entry["disclosures"].as_array().expect("disclosures") {
                let open = URL_SAFE_NO_PAD.decode(disclosure.as_str().expect("text")).expect("base64url");
                assert!(!String::from_utf8_lossy(&open).contains("\"network\""), "no address of anyone");
            }
        }
        assert_eq!(report["names"].as_object().expect("names").values().next(), Some(&json!("Dr. Ana Ruiz")));
        // each entry holds for a program that shares nothing with the server
        let folder = tempfile::tempdir().expect("folder");
        for entry in entries {
            let mut proved = (*entry).clone();
            proved["checkpoint"] = report["checkpoint"].clone();
            proved["verifier_key"] = report["verifier_key"].clone();
            let file = folder.path().join("entry.json");
            std::fs::write(&file, proved.to_string()).expect("written");
            let done = Command::new(env!("CARGO_BIN_EXE_bedside-verify"))
                .args([file.as_os_str(), "--key".as_ref(), server.services.verifier_key().as_ref()])
                .output()
                .expect("it runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
            assert!(entry["index"].as_u64() < Some(head.size));
        }
    }

    async fn what_is_kept_and_how_consents_stand_is_counted(server) {
        let mut at: Call = call(server).await;
        recorded(&mut at).await;
        let auditor = Browser::signed_in(server, "aud").await;
        let (from, to) = around(server);
        let wanted = json!({"from": from, "to": to});
        let kept = auditor.post("/audit/reports/retention", wanted.clone()).await.expect(200).body;
        let class = kept["kept"].as_array().expect("classes").iter().find(|c| c["class"] == "recording").expect("recordings").clone();
        assert_eq!((&class["recordings"], &class["held"], &class["due"]), (&json!(1), &json!(0), &json!(0)), "{kept}");
        assert!(class["next_due"].is_string() && kept["entries"].as_u64() > Some(20) && kept["since"].is_string());
        assert_eq!((&kept["destroyed"], &kept["erased_subjects"]), (&json!([]), &json!(0)));
        let consents = auditor.post("/audit/reports/consents", wanted.clone()).await.expect(200).body;
        assert_eq!((&consents["recordings"], &consents["without_consent"], &consents["withdrawn"]), (&json!(1), &json!(0), &json!(0)), "{consents}");
        let count = |decision: &str| -> u64 {
            consents["decisions"].as_array().expect("decisions").iter().filter(|d| d["decision"] == decision).map(|d| d["decisions"].as_u64().expect("a number")).sum()
        };
        assert!(count("permit") >= 2 && count("withdrawn") == 0, "{consents}");
        assert!(!consents["samples"].as_array().expect("samples").is_empty());

        let recordings = auditor.get("/recordings").await.expect(200).body;
        let id = recordings["recordings"][0]["id"].clone();
        at.patient.post(&at.visit.path("/consents/withdraw"), json!({"recording": id})).await.expect(201);
        let consents = auditor.post("/audit/reports/consents", wanted.clone()).await.expect(200).body;
        assert_eq!((&consents["withdrawn"], &consents["without_consent"]), (&json!(1), &json!(0)), "who withdrew had permitted: {consents}");
        for (report, first) in [("retention", "\"part\",\"class\""), ("consents", "\"part\",\"text\"")] {
            let table = auditor.post(&format!("/audit/reports/{report}"), json!({"from": from, "to": to, "form": "csv"})).await.expect(200);
            assert!(table.text.starts_with(first) && table.headers["content-type"] == "text/csv; charset=utf-8", "{}", table.text);
        }
    }
}

/// What a spreadsheet takes for the beginning of a formula and people can write. A tab they cannot: names and texts that have one at the
/// beginning are refused or lose it.
const BEGINNINGS: [&str; 4] = ["=", "+", "-", "@"];

/// A schedule with classes whose names and reasons begin so. In a file of the clinic a tab can stand as well.
fn odd_schedule(folder: &Path) {
    let path = policies(folder, false).join("retention.toml");
    let class =
        |begins: &str| format!("\n[[class]]\nclass = \"{begins}class\"\nkeep_days = 9\nbasis = \"{begins}basis\"\ndescription = \"odd\"\n");
    let mut text = vec![std::fs::read_to_string(&path).expect("schedule")];
    text.extend(BEGINNINGS.into_iter().chain(["\\t"]).map(class));
    std::fs::write(&path, text.concat()).expect("schedule");
}

/// Every cell of a table (RFC 4180), one after the other.
fn cells_of(table: &str) -> Vec<String> {
    let (mut all, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = table.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => all.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            other => cell.push(other),
        }
    }
    assert!(!quoted && cell.is_empty(), "the last line is whole: {table}");
    all
}

/// Values that begin like formulas, wherever people and the clinic's files can put one that a table shows.
async fn formulas(server: &TestServer) {
    let visit = Visit::new(server).await;
    // of someone else who was there
    let interpreter = visit.another(server, "interpreter", "=Noor").await;
    let _clinician = visit.clinician.join(&visit.id).await;
    let mut other = interpreter.join(&visit.id).await;
    let who = other.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
    visit.clinician.post(&visit.path(&format!("/participants/{who}/admit")), json!({})).await.expect(204);
    for (n, begins) in BEGINNINGS.into_iter().enumerate() {
        // of whoever looks into the log, and took a copy out
        let (username, name) = (format!("odd{n}"), format!("{begins}Auditor"));
        server.services.ensure_account(&username, &name, AccountRole::Auditor, Secret::new(PASSWORD.to_owned())).await.expect("account");
        let odd = Browser::signed_in(server, &username).await;
        odd.post("/audit/export", json!({"form": "ndjson", "disclose": true})).await.expect(200);
        let disclosed = json!({
            "patient": visit.patient_id,
            "on": days_ago(server, 3),
            "recipient": format!("{begins}Recipient"),
            "address": format!("{begins}Address"),
            "description": format!("{begins}Description"),
            "purpose": format!("{begins}Purpose"),
        });
        odd.post("/audit/disclosures", disclosed).await.expect(204);
        // of whoever decided, and of whom they say they are
        let guest = visit.another_undecided(server, "related_person", &format!("{begins}Rosa")).await;
        let mut stated = statement(&guest, &visit.id, CARE, "en", None, &["care_by_video"]).await;
        stated["capacity"] = json!("parent_or_guardian");
        stated["representative"] = json!({"name": format!("{begins}Guardian"), "relationship": "mother"});
        decisions::send(&guest, &visit.id, signed(&stated)).await.expect(201);
    }
    // no form takes a tab, but a table must not rest on that
    server.tamper("UPDATE accounts SET display_name = '\tJonas' WHERE username = 'aud'").await;

    let auditor = Browser::signed_in(server, "aud").await;
    let with = |ends: &[&str], more: &[&str]| -> Vec<String> {
        let all = BEGINNINGS.iter().flat_map(|begins| ends.iter().map(move |end| format!("{begins}{end}")));
        all.chain(more.iter().map(|one| (*one).to_owned())).collect()
    };
    let (from, to) = around(server);
    let period = json!({"from": from, "to": to, "form": "csv"});
    let tables = [
        ("/audit/export", json!({"form": "csv", "disclose": true}), with(&["Auditor"], &["\tJonas"])),
        (
            "/audit/reports/disclosures",
            json!({"patient": visit.patient_id, "form": "csv"}),
            with(&["Recipient", "Address", "Description", "Purpose", "Auditor"], &["\tJonas", "=Noor (interpreter)"]),
        ),
        ("/audit/reports/retention", period.clone(), with(&["class", "basis"], &["\tclass", "\tbasis"])),
        ("/audit/reports/consents", period, Vec::new()),
        ("/consents/export", json!({"form": "csv", "search": {}}), with(&["Rosa", "Guardian (mother)"], &[])),
    ];
    for (path, wanted, values) in tables {
        let table = auditor.post(path, wanted).await.expect(200);
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8", "{path}");
        let cells = cells_of(&table.text);
        assert!(cells.len() > 10, "{path}: {}", table.text);
        for cell in &cells {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{path}: {cell:?} is taken for a formula");
        }
        for value in values {
            assert!(cells.contains(&format!("'{value}")), "{path} has no {value:?}: {}", table.text);
        }
    }
}

#[test]
fn no_cell_of_an_export_is_taken_for_a_formula() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run_as(engine, |folder, _| odd_schedule(folder), async |server| formulas(server).await);
    }
}
