//! What auditors look at beside single entries: marks for what is unusual, activity, saved searches, patients by name.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::server::{PASSWORD, TestServer};
use bedside::domain::access::AccountRole;
use bedside::domain::secret::Secret;
use bedside::domain::time::Clock;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: i64 = 24 * 3600;

/// Moves the clock to this hour (UTC) of the next day.
fn tomorrow_at(server: &TestServer, hour: i64) {
    let now = server.clock.now().as_micros() / 1_000_000;
    let then = (now / DAY + 1) * DAY + hour * 3600;
    server.clock.forward(Duration::from_secs(u64::try_from(then - now).expect("ahead")));
}

async fn patient(by: &Browser, number: usize, name: &str) -> String {
    let details =
        json!({"identifier": format!("U-{number}"), "name": name, "birth_date": "1970-02-03", "language": "en", "call_back_number": null});
    by.post("/patients", details).await.expect(201).str("id")
}

/// The events that carry a mark, oldest first.
async fn marked(auditor: &Browser, mark: &str) -> Vec<Value> {
    let found = auditor.post("/audit/search", json!({"unusual": mark, "limit": 200})).await.expect(200).body;
    let mut entries = found["entries"].as_array().expect("entries").clone();
    entries.reverse();
    for entry in &entries {
        let marks = entry["unusual"].as_array().expect("marks");
        assert!(if mark == "any" { !marks.is_empty() } else { marks.iter().any(|m| m == mark) }, "{entry}");
    }
    entries
}

fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["event"].as_str().expect("event")).collect()
}

on_both_engines! {
    async fn what_is_unusual_is_marked_found_and_counted(server) {
        tomorrow_at(server, 11);
        let (ana, auditor) = (Browser::signed_in(server, "ana").await, Browser::signed_in(server, "aud").await);
        let visit = Visit::of(server, "ana").await;
        ana.get(&visit.path("")).await.expect(200);
        assert_eq!(events(&marked(&auditor, "any").await), [""; 0], "an ordinary morning");

        let kin = patient(&ana, 0, "Rosa Ruiz Ortega").await;
        let same = marked(&auditor, "own_name").await;
        assert_eq!(events(&same), ["patient.created"]);
        assert!(same[0]["entities"].as_array().expect("entities").iter().any(|e| e["id"] == kin.as_str()));

        let sam = Browser::signed_in(server, "sam").await;
        for _ in 0..6 {
            sam.get("/recordings").await.refused(403, "FORBIDDEN");
        }
        assert_eq!(events(&marked(&auditor, "repeated_denials").await), ["access.denied"; 2], "from the fifth on");

        let mut consultations = Vec::new();
        for number in 1..=20 {
            let id = patient(&ana, number, "Otto Berg").await;
            consultations.push(ana.post("/consultations", json!({"patient_id": id, "starts_at": null})).await.expect(201).str("id"));
        }
        ana.post("/patients/search", json!({"text": "berg"})).await.expect(200);
        assert_eq!(marked(&auditor, "mass_reads").await.len(), 0, "whoever enters and finds patients reads no record");
        for id in &consultations {
            ana.get(&format!("/consultations/{id}")).await.expect(200);
        }
        let many = marked(&auditor, "mass_reads").await;
        assert!(!many.is_empty() && many.iter().all(|e| e["event"] == "consultation.read" && e["agent"]["name"] == "Dr. Ana Ruiz"));

        let ben = Browser::signed_in(server, "ben").await;
        let taken = json!({"reason": "patient_in_danger", "words": "The patient collapsed in the lobby", "confirmed": true});
        ben.post(&visit.path("/emergency-access"), taken).await.expect(201);
        assert_eq!(events(&marked(&auditor, "emergency_access").await)[0], "emergency.taken");

        tomorrow_at(server, 3);
        let (ana, auditor) = (Browser::signed_in(server, "ana").await, Browser::signed_in(server, "aud").await);
        ana.get(&visit.path("")).await.expect(200);
        assert_eq!(events(&marked(&auditor, "off_hours").await), ["consultation.read"]);

        let to = server.clock.now().plus(Duration::from_hours(1));
        let from = bedside::domain::time::Timestamp::from_micros(to.as_micros() - 3 * DAY * 1_000_000);
        let activity = auditor.post("/audit/activity", json!({"from": from, "to": to})).await.expect(200).body;
        let total: u64 = activity["hours"].as_array().expect("hours").iter().flat_map(|h| ["success", "denied", "failure"].map(|o| h[o].as_u64().expect("a number"))).sum();
        let size = auditor.post("/audit/search", json!({})).await.expect(200).body["size"].as_u64().expect("size");
        assert!((size - 2..=size).contains(&total), "every entry counts once: {total} of {size}");
        let denied: u64 = activity["hours"].as_array().expect("hours").iter().map(|h| h["denied"].as_u64().expect("a number")).sum();
        assert_eq!(denied, 6);
        let people = activity["people"].as_array().expect("people");
        let of = |name: &str| people.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} in {people:?}")).clone();
        assert!(of("Dr. Ana Ruiz")["entries"].as_u64() > Some(20) && of("Tom Lindqvist")["denied"] == 6);
        let marks = activity["unusual"].as_array().expect("unusual");
        let count = |mark: &str| marks.iter().filter(|m| m["mark"] == mark).map(|m| m["entries"].as_u64().expect("a number")).sum::<u64>();
        assert_eq!((count("own_name"), count("repeated_denials"), count("off_hours")), (1, 2, 1), "{marks:?}");
        assert!((1..=2).contains(&count("mass_reads")), "{marks:?}");
        let by_hour: u64 = activity["hours"].as_array().expect("hours").iter().map(|h| h["unusual"].as_u64().expect("a number")).sum();
        assert_eq!(by_hour, marks.iter().map(|m| m["entries"].as_u64().expect("a number")).sum::<u64>());
        // of one person alone
        let id = of("Tom Lindqvist")["id"].clone();
        let of_sam = auditor.post("/audit/activity", json!({"from": from, "to": to, "person": id})).await.expect(200).body;
        assert!(of_sam["unusual"].as_array().expect("unusual").iter().all(|m| m["mark"] == "repeated_denials" && m["name"] == "Tom Lindqvist"));
        let nobody = json!({"from": from, "to": to, "person": "01890000-0000-7000-8000-000000000000"});
        assert_eq!(auditor.post("/audit/activity", nobody).await.expect(200).body["hours"], json!([]));
        // narrowed together with other things
        let both = json!({"unusual": "off_hours", "consultation": visit.id, "outcome": "success"});
        assert_eq!(auditor.post("/audit/search", both).await.expect(200).body["entries"].as_array().map(Vec::len), Some(1));
    }

    async fn a_patient_is_found_by_name_and_with_them_their_entries(server) {
        let (ana, auditor) = (Browser::signed_in(server, "ana").await, Browser::signed_in(server, "aud").await);
        let id = patient(&ana, 1, "Nadia Haddad").await;
        patient(&ana, 2, "Nadia Silva").await;
        let found = auditor.post("/audit/patients", json!({"text": "nad had"})).await.expect(200).body["patients"].clone();
        assert_eq!(found, json!([{"id": id, "identifier": "U-1", "name": "Nadia Haddad", "birth_date": "1970-02-03"}]));
        let entries = auditor.post("/audit/search", json!({"patient": id})).await.expect(200).body["entries"].clone();
        assert!(entries.as_array().expect("entries").iter().any(|e| e["event"] == "patient.created"));
        // that an auditor looked for them is in the log as well
        assert!(entries.as_array().expect("entries").iter().any(|e| e["event"] == "audit.searched" && e["detail"]["view"] == "patients"));
        for text in ["", "  ", "-", &"x".repeat(201)] {
            auditor.post("/audit/patients", json!({"text": text})).await.refused(422, "VALIDATION");
        }
    }

    async fn searches_are_kept_for_their_owner_alone(server) {
        let auditor = Browser::signed_in(server, "aud").await;
        let wanted = json!({"name": "Refused at night", "search": {"outcome": "denied", "network": "198.51.100.77", "unusual": "off_hours"}, "period": "week"});
        let saved = auditor.post("/audit/searches", wanted).await.expect(201).body;
        let list = async |browser: &Browser| browser.get("/audit/searches").await.expect(200).body["searches"].clone();
        let kept = list(&auditor).await;
        assert_eq!(kept.as_array().map(Vec::len), Some(1));
        assert_eq!((&kept[0]["name"], &kept[0]["search"]["network"], &kept[0]["period"]), (&json!("Refused at night"), &json!("198.51.100.77"), &json!("week")));
        auditor.post("/audit/search", kept[0]["search"].clone()).await.expect(200);

        server.services.ensure_account("aud2", "Eva Klein", AccountRole::Auditor, Secret::new(PASSWORD.to_owned())).await.expect("account");
        let other = Browser::signed_in(server, "aud2").await;
        assert_eq!(list(&other).await, json!([]));
        let forget = async |browser: &Browser| browser.post(&format!("/audit/searches/{}/forget", saved["id"].as_str().expect("id")), json!({})).await;
        forget(&other).await.refused(404, "NOT_FOUND");
        forget(&auditor).await.expect(204);
        forget(&auditor).await.refused(404, "NOT_FOUND");
        assert_eq!(list(&auditor).await, json!([]));
    }

    async fn what_cannot_be_asked_is_refused_in_words(server) {
        let auditor = Browser::signed_in(server, "aud").await;
        let activity = |from: &str, to: &str| json!({"from": from, "to": to});
        auditor.post("/audit/activity", activity("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z")).await.refused(422, "VALIDATION");
        auditor.post("/audit/activity", activity("2024-01-01T00:00:00Z", "2026-02-01T00:00:00Z")).await.refused(422, "VALIDATION");
        auditor.post("/audit/search", json!({"unusual": "strange"})).await.refused(422, "VALIDATION");
        auditor.post("/audit/search", json!({"text": "é".repeat(201)})).await.refused(422, "VALIDATION");
        auditor.post("/audit/search", json!({"text": "é".repeat(200)})).await.expect(200);
        for (name, search) in [("", json!({})), (" ", json!({})), ("x", json!({"patient": "Maria"})), ("x", json!({"text": "y".repeat(5_000)}))] {
            auditor.post("/audit/searches", json!({"name": name, "search": search})).await.refused(422, "VALIDATION");
        }
        for n in 0..50 {
            auditor.post("/audit/searches", json!({"name": format!("no. {n}"), "search": {}})).await.expect(201);
        }
        auditor.post("/audit/searches", json!({"name": "one more", "search": {}})).await.refused(409, "CONFLICT");
    }
}
