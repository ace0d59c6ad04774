//! Receipts that check offline, the private link to them, FHIR, 42 CFR part 2, registers and exports.

use crate::consent::{Call, call};
use crate::on_both_engines;
use crate::support::decisions::{CARE, RECORDING, answer, decide, send, signed, statement, withdraw};
use crate::support::people::{Browser, Visit, parts};
use crate::support::server::{Engine, TestServer, policies, run_as};
use bedside::services::receipts::verification::{ReceiptError, check_receipt};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The latest decision of someone about a text.
async fn latest(browser: &Browser, consultation: &str, text: &str) -> String {
    let own = browser.get(&format!("/consultations/{consultation}/consents/own")).await.expect(200).body;
    let all = own["consents"].as_array().expect("consents");
    all.iter().rfind(|c| c["text"] == text).expect("one")["id"].as_str().expect("id").to_owned()
}

async fn receipt(browser: &Browser, consultation: &str, consent: &str) -> Value {
    browser.get(&format!("/consultations/{consultation}/consents/{consent}/receipt")).await.expect(200).body
}

async fn asked(call: &Call) -> String {
    let recording = call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.expect(201).str("id");
    for browser in [&call.visit.clinician, &call.patient] {
        decide(browser, &call.visit.id, &recording, "permit").await.expect(201);
    }
    recording
}

/// Runs a program with this as its input.
pub fn feed(program: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}: `scripts/needs.sh test` installs it", program.display()));
    child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("fed");
    let output = child.wait_with_output().expect("output");
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

on_both_engines! {
    async fn a_receipt_checks_with_nothing_but_the_file(server) {
        let call = call(server).await;
        asked(&call).await;
        for (browser, text) in [(&call.patient, CARE), (&call.patient, RECORDING), (&call.visit.clinician, RECORDING)] {
            let id = latest(browser, &call.visit.id, text).await;
            let made = receipt(browser, &call.visit.id, &id).await;
            let checked = check_receipt(&made.to_string(), None).expect("it holds");
            assert_eq!((checked.holds.len(), checked.lacks.len(), checked.trusted), (4, 0, false), "{checked:?}");
            let key = made["verifier_key"].as_str().expect("key");
            assert!(check_receipt(&made.to_string(), Some(key)).expect("it holds").trusted);
            assert_eq!(check_receipt(&made.to_string(), Some("another+00000000+AA")), Err(ReceiptError::Key));
            let folder = tempfile::tempdir().expect("folder");
            let file = folder.path().join("receipt.json");
            std::fs::write(&file, made.to_string()).expect("written");
            let program = Path::new(env!("CARGO_BIN_EXE_bedside"));
            let (good, said) = feed(program, &["consent", "verify", file.to_str().expect("path"), "--key", key], "");
            assert!(good && said.contains("valid.") && said.contains("Key fingerprint:"), "{said}");
            std::fs::write(&file, made.to_string().replace("\"permit\"", "\"deny\"")).expect("written");
            let (good, said) = feed(program, &["consent", "verify", file.to_str().expect("path")], "");
            assert!(!good && said.contains("NOT VALID"), "{said}");
        }
    }

    async fn an_altered_receipt_is_not_believed_whatever_was_altered(server) {
        let call = call(server).await;
        asked(&call).await;
        let good = receipt(&call.patient, &call.visit.id, &latest(&call.patient, &call.visit.id, RECORDING).await).await;
        let other = receipt(&call.patient, &call.visit.id, &latest(&call.patient, &call.visit.id, CARE).await).await;
        let refused = |made: &Value| match check_receipt(&made.to_string(), None) {
            Err(error) => error,
            Ok(checked) => panic!("{checked:?}"),
        };
        let mut tried = 0;
        for (name, value) in good["receipt"].as_object().expect("receipt") {
            let mut altered = good.clone();
            altered["receipt"][name] = if value.is_null() { json!("x") } else { Value::Null };
            refused(&altered);
            tried += 1;
        }
        for part in ["signature", "verifier_key"] {
            let mut altered = good.clone();
            altered[part] = json!("AAAA");
            refused(&altered);
        }
        // pieces of another receipt of the same person, each good in itself
        let mut swapped = good.clone();
        swapped["log"] = other["log"].clone();
        assert_eq!(refused(&swapped).to_string(), "the entry in the log is not about this decision");
        for (member, value) in [("index", json!(0)), ("size", json!(1)), ("inclusion_proof", json!([])), ("checkpoint", json!("x\n1\nAA\n")), ("entry", json!("{}"))] {
            let mut altered = good.clone();
            altered["log"][member] = value;
            refused(&altered);
        }
        assert!(tried > 20, "{tried}");
        assert_eq!(check_receipt("{}", None), Err(ReceiptError::Format));
        assert_eq!(check_receipt("not json", None), Err(ReceiptError::Format));
        let mut less = good.clone();
        less["log"] = Value::Null;
        assert_eq!(check_receipt(&less.to_string(), None).expect("still signed").lacks.len(), 1, "what is not there is said to be missing");
    }

    async fn a_receipt_has_the_fields_of_27560_and_kantara(server) {
        let call = call(server).await;
        asked(&call).await;
        let made = receipt(&call.patient, &call.visit.id, &latest(&call.patient, &call.visit.id, RECORDING).await).await["receipt"].clone();
        let kantara = &made["kantara"];
        for field in ["version", "jurisdiction", "consentTimestamp", "collectionMethod", "consentReceiptID", "publicKey", "language", "piiPrincipalId", "piiControllers", "services", "sensitive", "spiCat"] {
            assert!(!kantara[field].is_null(), "{field}");
        }
        assert_eq!(kantara["services"][0]["purposes"].as_array().map(Vec::len), Some(2));
        for field in ["purpose", "purposeCategory", "consentType", "piiCategory", "primaryPurpose", "termination", "thirdPartyDisclosure"] {
            assert!(!kantara["services"][0]["purposes"][0][field].is_null(), "{field}");
        }
        let iso = &made["iso_27560"];
        for (section, field) in [("record_metadata", "schema_version"), ("record_metadata", "record_id"), ("record_metadata", "pii_principal_id"), ("pii_processing", "privacy_notice"), ("pii_processing", "language"), ("pii_processing", "purposes")] {
            assert!(!iso[section][field].is_null(), "{section}.{field}");
        }
        for field in ["purpose", "purpose_type", "lawful_basis", "pii_information", "pii_controllers", "collection_method", "retention_period", "recipient_third_parties", "jurisdiction", "withdrawal_method"] {
            assert!(!iso["pii_processing"]["purposes"][0][field].is_null(), "{field}");
        }
        for field in ["event_time", "event_type", "event_state", "validity_duration", "entity_id"] {
            assert!(!iso["events"][0][field].is_null(), "{field}");
        }
        assert_eq!(iso["party_identification"].as_array().map(Vec::len), Some(2));
    }

    async fn a_receipt_is_there_on_paper_and_as_a_page_in_the_language_of_its_text(server) {
        let visit = Visit::new(server).await;
        let patient = visit.undecided(server).await;
        for (language, labels) in [("en", ["Decision", "Entry in the clinic's log"]), ("ar", ["القرار", "القيد في السجل"])] {
            let words = statement(&patient, &visit.id, CARE, language, None, &["care_by_video"]).await;
            send(&patient, &visit.id, signed(&words)).await.expect(201);
            let id = latest(&patient, &visit.id, CARE).await;
            let paper = patient.request(reqwest::Method::GET, &visit.path(&format!("/consents/{id}/receipt?form=pdf"))).send().await.expect("answer");
            assert_eq!(paper.headers()["content-type"], "application/pdf");
            let bytes = paper.bytes().await.expect("bytes");
            assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 5_000);
            if let Ok(folder) = std::env::var("PICTURES") {
                std::fs::write(Path::new(&folder).join(format!("receipt-{language}.pdf")), &bytes).expect("written");
            }
            let page = patient.get(&visit.path(&format!("/consents/{id}/receipt?form=page"))).await.expect(200).body;
            let facts = page["facts"].as_array().expect("facts");
            for label in labels {
                assert!(facts.iter().any(|f| f["label"] == label && f["value"] != ""), "{label}: {facts:?}");
            }
            assert!(facts.len() >= 15 && facts.iter().any(|f| f["value"] == id.as_str()) && facts.iter().any(|f| f["value"] == "Quillon"));
            let shown = patient.get(&format!("/consent-texts/{CARE}?language={language}")).await.expect(200).str("title");
            assert!(page["language"] == language && page["text"].as_str().is_some_and(|t| t.contains(&shown)), "{page}");
        }
        let id = latest(&patient, &visit.id, CARE).await;
        patient.get(&visit.path(&format!("/consents/{id}/receipt?form=doc"))).await.refused(422, "VALIDATION");
        patient.get(&visit.path("/consents/01890000-0000-7000-8000-000000000000/receipt")).await.refused(404, "NOT_FOUND");
        visit.clinician.post(&visit.path("/join-tickets"), json!({})).await.expect(201);
        visit.clinician.get(&visit.path(&format!("/consents/{id}/receipt"))).await.refused(404, "NOT_FOUND");
    }

    async fn a_private_link_opens_ones_receipts_until_it_expires_and_nothing_else(server) {
        let call = call(server).await;
        let recording = asked(&call).await;
        let made = call.patient.post(&call.visit.path("/receipt-link"), json!({})).await.expect(201);
        let (id, secret) = parts(&made.str("link"));
        assert!(made.str("link").contains("/receipts/"));
        let stranger = Browser::new(server);
        let opened = stranger.post(&format!("/receipt-links/{id}/open"), json!({"secret": secret})).await.expect(200);
        let all = opened.body["consents"].as_array().expect("consents").clone();
        assert_eq!(all.len(), 2, "the patient's own two, not the clinician's");
        assert!(all.iter().all(|c| c["consent"]["person"] == "Quillon" && c["title"].is_string()));
        let consent = all[0]["consent"]["id"].clone();
        let taken = stranger.post(&format!("/receipt-links/{id}/receipt"), json!({"secret": secret, "consent": consent})).await.expect(200);
        check_receipt(&taken.body.to_string(), None).expect("it holds");
        stranger.post(&format!("/receipt-links/{id}/receipt"), json!({"secret": secret, "consent": "01890000-0000-7000-8000-000000000000"})).await.refused(404, "NOT_FOUND");
        // the link is no way into the call
        stranger.get(&call.visit.path("/participants/me")).await.refused(401, "UNAUTHENTICATED");
        stranger.post(&format!("/receipt-links/{id}/open"), json!({"secret": "A".repeat(43)})).await.refused(404, "NOT_FOUND");
        stranger.post("/receipt-links/01890000-0000-7000-8000-000000000000/open", json!({"secret": secret})).await.refused(404, "NOT_FOUND");

        let body = json!({"secret": secret, "about": {"recording": recording}});
        let done = stranger.post(&format!("/receipt-links/{id}/withdraw"), body.clone()).await.expect(201);
        assert_eq!(done.str("what_was_recorded"), "keep_until_review");
        stranger.post(&format!("/receipt-links/{id}/withdraw"), body).await.refused(409, "CONSENT_MISMATCH");
        let after = stranger.post(&format!("/receipt-links/{id}/open"), json!({"secret": secret})).await.expect(200);
        let last = after.body["consents"].as_array().expect("consents").last().expect("one")["consent"].clone();
        assert_eq!((last["decision"].as_str(), last["method"].as_str()), (Some("withdrawn"), Some("receipt_link")));

        server.clock.forward(Duration::from_hours(24 * 31));
        stranger.post(&format!("/receipt-links/{id}/open"), json!({"secret": secret})).await.refused(404, "NOT_FOUND");
    }

    async fn a_private_link_takes_signed_withdrawals_and_no_other_decision(server) {
        let call = call(server).await;
        let recording = asked(&call).await;
        let (id, secret) = parts(&call.patient.post(&call.visit.path("/receipt-link"), json!({})).await.expect(201).str("link"));
        let path = format!("/receipt-links/{id}/withdraw");
        let mut words = statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &["recording_audio"]).await;
        let about = json!({"recording": recording});
        let stranger = Browser::new(server);
        stranger.post(&path, json!({"secret": secret, "about": about, "decision": signed(&words)})).await.refused(409, "CONSENT_MISMATCH");
        words["decision"] = "withdrawn".into();
        words["denied"] = json!(["recording_audio", "recording_video"]);
        words["permitted"] = json!([]);
        stranger.post(&path, json!({"secret": secret, "about": about, "decision": signed(&words)})).await.expect(201);
        let made = receipt(&call.patient, &call.visit.id, &latest(&call.patient, &call.visit.id, RECORDING).await).await;
        assert_eq!(check_receipt(&made.to_string(), None).expect("it holds").holds.len(), 4, "the withdrawal is signed as well");
        assert_eq!(made["receipt"]["iso_27560"]["events"][0]["event_type"], "consent_withdrawn");
    }

    async fn every_decision_is_a_valid_fhir_consent_with_its_words(server) {
        let mut call = call(server).await;
        let recording = asked(&call).await;
        call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        withdraw(&call.patient, &call.visit.id, &recording).await.expect(201);
        let second = call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.expect(201).str("id");
        decide(&call.patient, &call.visit.id, &second, "sound").await.expect(201);
        decide(&call.visit.clinician, &call.visit.id, &second, "deny").await.expect(201);
        let aud = Browser::signed_in(server, "aud").await;
        let exported = aud.post("/consents/export", json!({"form": "fhir", "search": {}})).await.expect(200);
        assert_eq!(exported.headers["content-type"], "application/fhir+json");
        let entries = exported.body["entry"].as_array().expect("entries").clone();
        assert_eq!(entries.len(), 6);
        let status = |decision: &str| entries.iter().filter(|e| e["resource"]["status"] == decision).count();
        assert_eq!((status("active"), status("inactive"), status("rejected")), (3, 2, 1), "care, the clinician's, sound; replaced, withdrawn; denied");
        for entry in &entries {
            let resource = &entry["resource"];
            // what FHIR R4 wants (status, scope, category, and by invariant a policy or rule), and what we promise beside
            for element in ["id", "identifier", "status", "scope", "category", "patient", "dateTime", "performer", "organization", "sourceAttachment", "policy", "policyRule", "verification", "provision"] {
                assert!(!resource[element].is_null(), "{element} in {resource}");
            }
            assert_eq!(resource["scope"]["coding"][0]["system"], "http://terminology.hl7.org/CodeSystem/consentscope");
            assert_eq!(resource["category"][0]["coding"][0]["code"], "59284-0");
            assert!(matches!(resource["policyRule"]["coding"][0]["code"].as_str(), Some("OPTIN" | "OPTOUT")));
            assert!(matches!(resource["provision"]["type"].as_str(), Some("permit" | "deny")));
            assert!(resource["performer"][0]["display"].is_string());
            assert_eq!(resource["sourceAttachment"]["contentType"], "text/markdown");
            assert!(resource["provision"]["actor"][0]["reference"]["display"].is_string());
        }
        let sound = entries.iter().find(|e| e["resource"]["provision"]["provision"].is_array()).expect("sound only")["resource"].clone();
        assert_eq!(sound["provision"]["code"][0]["coding"][0]["code"], "recording_audio");
        assert_eq!(sound["provision"]["provision"][0]["code"][0]["coding"][0]["code"], "recording_video");
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/python");
        let program = "import json,sys\nfrom fhir.resources.R4B.bundle import Bundle\nfrom fhir.resources.R4B.consent import Consent\nb=json.load(sys.stdin)\nBundle.model_validate(b)\nfor e in b['entry']: Consent.model_validate(e['resource'])\nprint(len(b['entry']),'valid')";
        let (valid, said) = feed(&python, &["-c", program], &exported.text);
        assert!(valid && said.contains("6 valid"), "{said}");
        let broken = exported.text.replacen("\"scope\"", "\"scoop\"", 1);
        assert!(!feed(&python, &["-c", program], &broken).0, "the validator finds what is wrong");

        // what holds until the consultation ends holds no longer, and says since when
        assert!(entries.iter().all(|e| e["resource"]["provision"]["period"]["end"].is_null()));
        call.visit.clinician.post(&call.visit.path("/end"), json!({})).await.expect(200);
        let over = aud.post("/consents/export", json!({"form": "fhir", "search": {}})).await.expect(200);
        let ended = over.body["entry"].as_array().expect("entries");
        assert!(ended.iter().all(|e| e["resource"]["status"] != "active" && e["resource"]["provision"]["period"]["end"].is_string()));
        assert!(feed(&python, &["-c", program], &over.text).0);
    }

    async fn registers_show_who_consented_to_what_and_every_look_is_on_record(server) {
        let mut call = call(server).await;
        let recording = asked(&call).await;
        call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        withdraw(&call.patient, &call.visit.id, &recording).await.expect(201);
        let declining = Visit::of(server, "ben").await;
        answer(&declining.undecided(server).await, &declining.id, CARE, &[]).await.expect(201);
        let aud = Browser::signed_in(server, "aud").await;
        let search = async |body: Value| aud.post("/consents/search", body).await.expect(200).body["consents"].as_array().expect("consents").clone();
        assert_eq!(search(json!({})).await.len(), 5);
        assert_eq!(search(json!({"decision": "withdrawn"})).await.len(), 1);
        assert_eq!(search(json!({"decision": "deny"})).await.len(), 1);
        assert_eq!(search(json!({"text": CARE})).await.len(), 2);
        assert_eq!(search(json!({"purpose": "recording_video"})).await.len(), 3);
        assert_eq!(search(json!({"id": call.visit.id})).await.len(), 4);
        assert_eq!(search(json!({"id": recording})).await.len(), 3);
        assert_eq!(search(json!({"id": "%"})).await.len(), 5, "a wildcard is no wildcard here");
        assert_eq!(search(json!({"to": "2020-01-01T00:00:00Z"})).await.len(), 0);
        let replaced = search(json!({"decision": "permit", "id": recording})).await;
        let stands: Vec<_> = replaced.iter().map(|c| (c["person"].as_str().expect("person"), c["stands"].as_bool().expect("stands"))).collect();
        assert!(stands.contains(&("Quillon", false)) && stands.contains(&("Dr. Ana Ruiz", true)), "{stands:?}");

        let coverage = aud.get("/consents/coverage").await.expect(200).body["consultations"].as_array().expect("all").clone();
        let of = |id: &str| coverage.iter().find(|c| c["consultation_id"] == id).expect("there").clone();
        assert_eq!(of(&call.visit.id)["people"][0], json!({"role": "patient", "required": 1, "given": 1, "declined": false}));
        assert_eq!(of(&declining.id)["people"][0], json!({"role": "patient", "required": 1, "given": 0, "declined": true}));
        assert_eq!((of(&call.visit.id)["recordings"][0]["decided"].as_u64(), of(&call.visit.id)["recordings"][0]["permitted"].as_u64()), (Some(2), Some(1)));

        let texts = aud.get("/consents/texts").await.expect(200).body["texts"].as_array().expect("texts").clone();
        assert_eq!(texts.len(), 20);
        assert!(texts.iter().all(|t| t["until"].is_null() && t["from"].is_string() && t["digest"].as_str().is_some_and(|d| d.len() == 64)));

        let csv = aud.post("/consents/export", json!({"form": "csv", "search": {"decision": "withdrawn"}})).await.expect(200);
        assert_eq!(csv.text.lines().count(), 2);
        assert!(csv.text.starts_with("decided_at,id,") && csv.text.contains("\"Quillon\""));
        let looks = json!({"text": null, "event": "consents.", "outcome": null, "from": null, "to": null, "before": null, "limit": 50});
        let logged = aud.post("/audit/search", looks).await.expect(200).body["entries"].as_array().expect("entries").clone();
        assert_eq!(logged.iter().filter(|e| e["event"] == "consents.read").count(), 12);
        assert_eq!(logged.iter().filter(|e| e["event"] == "consents.exported").count(), 1);
    }

    async fn a_dossier_holds_everything_and_each_of_its_receipts_checks(server) {
        let call = call(server).await;
        asked(&call).await;
        let out = server.folder.join("dossier");
        let run = |out: &Path| {
            let output = Command::new(env!("CARGO_BIN_EXE_bedside"))
                .args(["consent", "dossier", &call.visit.id, "--out"])
                .arg(out)
                .env("BEDSIDE_DATABASE", &server.database)
                .env("BEDSIDE_POLICIES", server.folder.join("policies"))
                .env("BEDSIDE_KEYS", server.folder.join("keys"))
                .env("BEDSIDE_RECORDINGS", server.folder.join("recordings"))
                .env("BEDSIDE_PUBLIC_ORIGIN", &server.origin)
                .output()
                .expect("the command runs");
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (good, said) = run(&out);
        assert!(good, "{said}");
        let page = std::fs::read_to_string(out.join("README.md")).expect("page");
        assert!(page.contains("Quillon") && page.contains(&call.visit.id) && page.contains("recording-audio-video/2 in en"), "{page}");
        let receipts: Vec<_> = std::fs::read_dir(out.join("receipts")).expect("receipts").map(|f| f.expect("file").path()).collect();
        let json: Vec<_> = receipts.iter().filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
        assert_eq!((json.len(), receipts.len()), (3, 6));
        for path in json {
            let checked = check_receipt(&std::fs::read_to_string(path).expect("receipt"), Some(server.services.verifier_key())).expect("it holds");
            assert_eq!(checked.holds.len(), 4);
        }
        assert!(out.join("texts/care-by-video-1-en.md").exists() && out.join("consents.fhir.json").exists());
        assert!(!run(&out).0, "what is there is not overwritten");
    }
}

#[test]
fn the_example_dossier_in_the_documentation_checks() {
    let receipts = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example-dossier/receipts");
    let mut checked = 0;
    for file in std::fs::read_dir(receipts).expect("the example").map(|f| f.expect("file").path()) {
        if file.extension().is_some_and(|e| e == "json") {
            let held = check_receipt(&std::fs::read_to_string(&file).expect("receipt"), None).expect("it holds");
            assert_eq!((held.holds.len(), held.lacks.len()), (4, 0), "{}: {held:?}", file.display());
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
}

const PART2: &str = "status = \"sample\"\n\n[part2]\ndiscloser = \"This clinic\"\ninformation = \"What is said and shown in the call\"\npurpose = \"Treatment\"\nright_to_revoke = \"At any time, in the call or through the link to the receipts\"";

/// Says in every language of a text that 42 CFR part 2 applies.
fn protect(policies: &Path) {
    let new = policies.join("consent").join(CARE).join("1");
    for file in std::fs::read_dir(&new).expect("folder") {
        let path = file.expect("file").path();
        let words = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, words.replace("status = \"sample\"", PART2)).expect("written");
    }
}

#[test]
fn what_part_2_protects_leaves_with_its_notice() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run_as(
            engine,
            |folder, _| protect(&policies(folder, false)),
            async |server| {
                let visit = Visit::new(server).await;
                let patient = visit.patient(server).await;
                let notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";
                let made = receipt(&patient, &visit.id, &latest(&patient, &visit.id, CARE).await).await["receipt"].clone();
                assert_eq!(made["redisclosure_notice"], notice);
                for element in ["discloser", "information", "purpose", "right_to_revoke"] {
                    assert!(made["part2"][element].is_string(), "{element}");
                }
                // the other elements of 2.31(a): patient, recipients, expiry, signature, date
                assert!(made["person"] == "Quillon" && made["kantara"]["services"][0]["purposes"][0]["termination"].is_string());
                assert!(
                    made["iso_27560"]["pii_processing"]["purposes"][0]["recipient_third_parties"]
                        .as_array()
                        .is_some_and(|all| !all.is_empty())
                );
                assert!(made["statement"]["signature"].is_string() && made["decided_at"].is_string());
                let aud = Browser::signed_in(server, "aud").await;
                let csv = aud.post("/consents/export", json!({"form": "csv", "search": {}})).await.expect(200);
                assert!(csv.text.contains(notice), "{}", csv.text);
                let fhir =
                    aud.post("/consents/export", json!({"form": "fhir", "search": {}})).await.expect(200).body["entry"][0]["resource"]
                        .clone();
                assert_eq!(fhir["meta"]["security"][0]["code"], "42CFRPart2");
                assert!(fhir["text"]["div"].as_str().is_some_and(|div| div.contains(notice)));
            },
        );
    }
}

#[test]
fn what_part_2_protects_does_not_leave_without_a_notice() {
    let without = |folder: &Path| {
        let policies = policies(folder, false);
        protect(&policies);
        let path = policies.join("consent.toml");
        let rules = std::fs::read_to_string(&path).expect("rules");
        let kept: Vec<_> = rules.lines().filter(|line| !line.starts_with("en = ")).collect();
        std::fs::write(&path, kept.join("\n")).expect("written");
    };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run_as(
            engine,
            |folder, _| without(folder),
            async |server: &TestServer| {
                let visit = Visit::new(server).await;
                let patient = visit.patient(server).await;
                let id = latest(&patient, &visit.id, CARE).await;
                for form in ["json", "pdf", "page"] {
                    patient.get(&visit.path(&format!("/consents/{id}/receipt?form={form}"))).await.refused(409, "NOTICE_REQUIRED");
                }
                let aud = Browser::signed_in(server, "aud").await;
                for form in ["csv", "fhir"] {
                    aud.post("/consents/export", json!({"form": form, "search": {}})).await.refused(409, "NOTICE_REQUIRED");
                }
            },
        );
    }
}
