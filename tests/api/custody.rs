//! Legal holds and grants to watch, by the records officer; and the scheduler's consultations.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use serde_json::json;
use std::time::Duration;

async fn recording(visit: &Visit) -> String {
    let mut ana = visit.clinician.join(&visit.id).await;
    ana.snapshot("the room", |_| true).await;
    visit.clinician.post(&visit.path("/recordings"), json!({})).await.expect(201).str("id")
}

on_both_engines! {
    async fn a_hold_is_placed_and_released_with_a_reason(server) {
        let visit = Visit::new(server).await;
        let id = recording(&visit).await;
        let officer = Browser::signed_in(server, "rec").await;
        officer.post(&format!("/recordings/{id}/holds"), json!({"reason": " "})).await.refused(422, "VALIDATION");
        let hold = officer.post(&format!("/recordings/{id}/holds"), json!({"reason": "Subpoena of 12 May"})).await.expect(201).str("id");
        let custody = officer.get(&format!("/recordings/{id}/custody")).await.expect(200);
        assert_eq!((custody.body["holds"][0]["placed_by"].as_str(), custody.body["holds"][0]["released_at"].is_null()), (Some("Ines Moreau"), true));
        officer.post(&format!("/recordings/{id}/holds/{hold}/release"), json!({})).await.expect(204);
        officer.post(&format!("/recordings/{id}/holds/{hold}/release"), json!({})).await.refused(404, "NOT_FOUND");
    }

    async fn a_grant_lets_one_more_person_watch_for_a_while(server) {
        let visit = Visit::new(server).await;
        let id = recording(&visit).await;
        let (officer, ben) = (Browser::signed_in(server, "rec").await, Browser::signed_in(server, "ben").await);
        let play = format!("/recordings/{id}/playbacks");
        ben.post(&play, json!({})).await.refused(403, "FORBIDDEN");
        ben.get(&format!("/recordings/{id}")).await.refused(404, "NOT_FOUND");
        let grants = format!("/recordings/{id}/playback-grants");
        officer.post(&grants, json!({"username": "ben", "hours": 0, "reason": "second opinion"})).await.refused(422, "VALIDATION");
        officer.post(&grants, json!({"username": "rec", "hours": 2, "reason": "to see for myself"})).await.refused(409, "CONFLICT");
        officer.post(&grants, json!({"username": "aud", "hours": 2, "reason": "second opinion"})).await.refused(404, "NOT_FOUND");
        let grant = officer.post(&grants, json!({"username": "ben", "hours": 2, "reason": "second opinion"})).await.expect(201).str("id");
        ben.get(&format!("/recordings/{id}")).await.expect(200);
        assert_eq!(ben.get("/recordings").await.expect(200).body["recordings"].as_array().map(Vec::len), Some(1));
        // nobody consented to this one, so a grant opens nothing
        ben.post(&play, json!({})).await.refused(403, "FORBIDDEN");
        officer.post(&format!("{grants}/{grant}/end"), json!({})).await.expect(204);
        ben.get(&format!("/recordings/{id}")).await.refused(404, "NOT_FOUND");
        let officer_again = officer.post(&grants, json!({"username": "ben", "hours": 1, "reason": "second opinion"})).await;
        officer_again.expect(201);
        server.clock.forward(Duration::from_mins(61));
        Browser::signed_in(server, "ben").await.get(&format!("/recordings/{id}")).await.refused(404, "NOT_FOUND");
    }

    async fn a_scheduler_plans_for_a_clinician_and_never_joins(server) {
        let scheduler = Browser::signed_in(server, "sam").await;
        let patient = json!({"identifier": "MRN-2", "name": "Quillon Abernathy", "birth_date": "1971-02-03", "language": "en", "call_back_number": null});
        let patient = scheduler.post("/patients", patient).await.expect(201).str("id");
        let clinicians = scheduler.get("/clinicians").await.expect(200);
        let ana = clinicians.body["clinicians"].as_array().expect("list").iter().find(|c| c["display_name"] == "Dr. Ana Ruiz").expect("ana")["id"].clone();
        let plan = |starts_at: serde_json::Value| json!({"patient_id": patient, "starts_at": starts_at, "practitioner_id": ana});
        scheduler.post("/consultations", plan(json!(null))).await.refused(422, "VALIDATION");
        let planned = scheduler.post("/consultations", plan(json!("2031-05-06T09:00:00Z"))).await.expect(201);
        assert_eq!(planned.body["practitioner"]["display_name"], "Dr. Ana Ruiz");
        let id = planned.str("id");
        scheduler.post(&format!("/consultations/{id}/invitations"), json!({"role": "patient", "name_hint": null})).await.expect(201);
        scheduler.post(&format!("/consultations/{id}/join-tickets"), json!({})).await.refused(403, "FORBIDDEN");
        assert_eq!(scheduler.get("/consultations").await.expect(200).body["consultations"].as_array().map(Vec::len), Some(1));
        Browser::signed_in(server, "ana").await.get(&format!("/consultations/{id}")).await.expect(200);
        let other = json!({"patient_id": patient, "starts_at": "2031-05-06T09:00:00Z", "practitioner_id": ana});
        Browser::signed_in(server, "ben").await.post("/consultations", other).await.refused(403, "FORBIDDEN");
        scheduler.post(&format!("/consultations/{id}/cancel"), json!({})).await.expect(200);
    }
}
