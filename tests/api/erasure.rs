//! Evidence goes when its legal period is over, and not before; the log stays as it was.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::server::TestServer;
use crate::support::verifier::verify;
use bedside::domain::access::{Caller, EraseEvidence};
use bedside::services::erasure::Subject;
use bedside::services::error::ServiceError;
use serde_json::{Value, json};
use std::time::Duration;

const YEAR: Duration = Duration::from_hours(24 * 366);

async fn found(aud: &Browser, narrow: Value) -> Vec<Value> {
    aud.post("/audit/search", narrow).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

async fn erase(server: &TestServer, subject: &Subject) -> Result<u64, ServiceError> {
    let permit = server.services.permit::<EraseEvidence>(&Caller::system()).await.expect("the machine may");
    server.services.erase_evidence(&permit, subject).await
}

/// The personal values of an entry, as the auditor is shown them.
async fn values(aud: &Browser, index: &Value) -> usize {
    aud.get(&format!("/audit/entries/{index}")).await.expect(200).body["disclosures"].as_array().expect("disclosures").len()
}

fn checks(folder: &std::path::Path, export: &[u8], key: &str) -> Value {
    let file = folder.join("audit.tar");
    std::fs::write(&file, export).expect("written");
    let (code, answer) = verify(&[file.to_str().expect("path"), "--key", key]);
    assert_eq!(code, 0, "{answer}");
    answer
}

on_both_engines! {
    async fn evidence_goes_after_its_period_and_every_proof_stays(server) {
        let visit = Visit::new(server).await;
        visit.patient(server).await;
        let subject = Subject::Patient(visit.patient_id.parse().expect("id"));
        let aud = Browser::signed_in(server, "aud").await;
        let created = found(&aud, json!({"event": "patient.created"})).await[0].clone();
        let (index, leaf) = (created["index"].clone(), created["leaf_hash"].clone());
        assert_eq!(values(&aud, &index).await, 4, "name, number, birth date and network");
        let folder = tempfile::tempdir().expect("folder");
        let export = async |aud: &Browser| aud.post("/audit/export", json!({"disclose": true})).await.expect(200).bytes;
        let before = export(&aud).await;
        checks(folder.path(), &before, server.services.verifier_key());

        // before its time, and not while anyone wants it kept
        assert!(matches!(erase(server, &subject).await, Err(ServiceError::KeptUntil(_))));
        assert!(matches!(erase(server, &Subject::Visitors("1999-01".to_owned())).await, Err(ServiceError::NotFound(_))));
        assert_eq!(values(&aud, &index).await, 4);

        server.clock.forward(YEAR * 11);
        // what the auditor looks at is about the patient as well, and counts from then
        let erased = erase(server, &subject).await.expect("its time is over");
        assert!(erased >= 5, "{erased}");
        assert!(matches!(erase(server, &subject).await, Err(ServiceError::KeyDestroyed)));

        let aud = Browser::signed_in(server, "aud").await;
        let now = found(&aud, json!({"event": "patient.created"})).await[0].clone();
        assert_eq!((&now["index"], &now["leaf_hash"]), (&index, &leaf), "the entry is where and what it was");
        assert_eq!((values(&aud, &index).await, now["agent"]["network"].clone()), (0, Value::Null));
        let by_network = found(&aud, json!({"network": "127.0.0.1", "patient": visit.patient_id})).await;
        assert!(by_network.iter().all(|e| e["index"].as_u64() > index.as_u64() && e["at"].as_str() > created["at"].as_str() && e["event"] != "patient.created"), "{by_network:?}");
        assert_eq!(aud.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
        let after = export(&aud).await;
        let answer = checks(folder.path(), &after, server.services.verifier_key());
        assert!(answer["entries"].as_u64() > Some(10));
        // an old export, and the checkpoint that was kept with it, still fit
        let held = folder.path().join("kept");
        std::fs::write(&held, tar_member(&before, "checkpoint")).expect("written");
        let file = folder.path().join("audit.tar");
        let (code, answer) = verify(&[file.to_str().expect("path"), "--key", server.services.verifier_key(), "--checkpoint", held.to_str().expect("path")]);
        assert_eq!(code, 0, "{answer}");

        // the statements that were signed are gone with it; that they were signed is not
        let consents = aud.post("/consents/search", json!({})).await;
        if consents.status == 200 {
            assert!(!consents.text.contains("Quillon"), "{}", consents.text);
        }
        let erased = found(&aud, json!({"event": "evidence.erased"})).await;
        assert!(erased.len() == 1 && erased[0]["personal"] == json!({}), "{erased:?}");
        // what happens to them afterwards is written down without personal values
        Browser::signed_in(server, "ana").await.get(&visit.path("")).await.expect(200);
        let read = found(&aud, json!({"patient": visit.patient_id, "event": "consultation.read"})).await;
        assert_eq!((read[0]["personal"].clone(), read[0]["agent"]["network"].clone()), (json!({}), Value::Null));
    }

    async fn a_patients_content_can_go_while_the_evidence_stays(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let aud = Browser::signed_in(server, "aud").await;
        let index = found(&aud, json!({"event": "patient.created"})).await[0]["index"].clone();
        let own = async || patient.get(&visit.path("/consents/own")).await.expect(200).text;
        assert!(own().await.contains("Quillon"));
        server.tamper("UPDATE subject_keys SET content_key = NULL").await;
        assert!(!visit.clinician.get(&visit.path("")).await.expect(200).text.contains("Abernathy"), "the content is gone");
        assert_eq!(values(&aud, &index).await, 4, "the evidence is not");
        assert!(own().await.contains("Quillon"), "nor what they signed");
    }

    async fn evidence_of_staff_and_of_visitors_goes_by_itself(server) {
        let aud = Browser::signed_in(server, "aud").await;
        let _ = Browser::new(server).post("/sign-in", json!({"username": "nobody", "password": "x"})).await;
        let failed = found(&aud, json!({"event": "sign_in.failed"})).await[0].clone();
        assert_eq!(failed["agent"]["network"], "127.0.0.1");
        let month = Subject::Visitors(failed["at"].as_str().expect("a time")[..7].to_owned());
        assert!(matches!(erase(server, &month).await, Err(ServiceError::KeptUntil(_))));
        server.clock.forward(YEAR * 11);
        erase(server, &month).await.expect("its time is over");
        let aud = Browser::signed_in(server, "aud").await;
        let failed = found(&aud, json!({"event": "sign_in.failed"})).await[0].clone();
        assert!(failed["agent"]["network"].is_null() && failed["personal"]["network"].is_string());
        let succeeded = found(&aud, json!({"event": "sign_in.succeeded"})).await[0].clone();
        assert_eq!(succeeded["agent"]["network"], "127.0.0.1", "others keep theirs");
    }
}

/// The content of one file of a tar archive.
fn tar_member(archive: &[u8], name: &str) -> Vec<u8> {
    use std::io::Read;
    let mut content = Vec::new();
    for entry in tar::Archive::new(archive).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").to_str() == Some(name) {
            entry.read_to_end(&mut content).expect("read");
        }
    }
    assert!(!content.is_empty(), "{name} is there");
    content
}
