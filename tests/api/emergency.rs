//! Break-glass: a clinician takes emergency access to a colleague's consultation.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use serde_json::json;
use std::time::Duration;

fn taking() -> serde_json::Value {
    json!({"reason": "patient_in_danger", "words": "The patient collapsed in the lobby", "confirmed": true})
}

on_both_engines! {
    async fn it_opens_a_colleagues_consultation_for_an_hour_and_marks_everything(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        ben.get(&visit.path("")).await.refused(403, "FORBIDDEN");
        let take = visit.path("/emergency-access");
        ben.post(&take, json!({"reason": "curious", "words": "short", "confirmed": false})).await.refused(422, "VALIDATION");
        let refused = ben.post(&take, json!({"reason": "patient_in_danger", "words": "The patient collapsed", "confirmed": false})).await.refused(422, "VALIDATION");
        assert_eq!(refused.body["fields"][0]["name"], "confirmed");
        let taken = ben.post(&take, taking()).await.expect(201).str("id");
        assert_eq!(ben.get(&visit.path("")).await.expect(200).body["patient"]["name"], "Quillon Abernathy");
        let patient = visit.patient(server).await;
        let mut lobby = patient.join(&visit.id).await;
        let who = lobby.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        let mut call = ben.join(&visit.id).await;
        call.snapshot("the room", |s| s["participants"].as_array().map(Vec::len) == Some(2)).await;
        ben.post(&visit.path(&format!("/participants/{who}/admit")), json!({})).await.expect(204);
        // no recording under it, no ending, no inviting
        for rest in ["/recordings", "/end", "/cancel", "/start"] {
            ben.post(&visit.path(rest), json!({})).await.refused(403, "FORBIDDEN");
        }
        ben.post(&visit.path("/invitations"), json!({"role": "patient", "name_hint": null})).await.refused(403, "FORBIDDEN");
        let auditor = Browser::signed_in(server, "aud").await;
        let wanted = json!({"text": taken, "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 50});
        let entries = auditor.post("/audit/search", wanted).await.expect(200);
        let marked = |event: &str| entries.body["entries"].as_array().expect("entries").iter().any(|e| e["event"] == event && (e["purpose_of_use"] == "BTG" || event == "emergency.taken"));
        for event in ["emergency.taken", "consultation.read", "participant.ticket_issued", "participant.admitted"] {
            assert!(marked(event), "{event}: {}", entries.text);
        }
        assert!(!entries.text.contains("collapsed"), "the words are not in the log");
        server.clock.forward(Duration::from_mins(61));
        let ben = Browser::signed_in(server, "ben").await;
        ben.get(&visit.path("")).await.refused(403, "FORBIDDEN");
    }

    async fn administrators_are_told_until_one_has_seen_it(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        let id = ben.post(&visit.path("/emergency-access"), taking()).await.expect(201).str("id");
        let (administrator, auditor) = (Browser::signed_in(server, "adm").await, Browser::signed_in(server, "aud").await);
        for browser in [&administrator, &auditor] {
            assert_eq!(browser.get("/emergency-accesses/unseen").await.expect(200).body["unseen"], 1);
        }
        let seen = administrator.get("/emergency-accesses").await.expect(200);
        assert_eq!(seen.body["emergencies"][0]["words"], "The patient collapsed in the lobby");
        assert!(auditor.get("/emergency-accesses").await.expect(200).body["emergencies"][0]["words"].is_null(), "an auditor reads nothing clinical");
        auditor.post(&format!("/emergency-accesses/{id}/seen"), json!({})).await.refused(403, "FORBIDDEN");
        administrator.post(&format!("/emergency-accesses/{id}/seen"), json!({})).await.expect(204);
        administrator.post(&format!("/emergency-accesses/{id}/seen"), json!({})).await.refused(409, "CONFLICT");
        assert_eq!(auditor.get("/emergency-accesses/unseen").await.expect(200).body["unseen"], 0);
    }

    async fn it_ends_by_itself_also_for_whoever_is_in_the_call(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        ben.post(&visit.path("/emergency-access"), taking()).await.expect(201);
        let mut call = ben.join(&visit.id).await;
        call.snapshot("the room", |_| true).await;
        // the call keeps the sign-in alive, and the emergency access runs out
        for _ in 0..6 {
            server.clock.forward(Duration::from_mins(11));
            ben.get("/me").await.expect(200);
        }
        assert_eq!(call.close_code().await, 4401);
        let mut anas = visit.clinician.clone();
        if anas.get("/me").await.status.as_u16() != 200 {
            anas = Browser::signed_in(server, "ana").await;
        }
        let mut own = anas.join(&visit.id).await;
        own.snapshot("the room without them", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
    }

    async fn it_is_given_back_and_ends_the_call_for_who_held_it(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        ben.post(&visit.path("/emergency-access"), taking()).await.expect(201);
        assert!(ben.get(&visit.path("/emergency-access")).await.expect(200).body["expires_at"].is_string());
        let mut call = ben.join(&visit.id).await;
        let room = call.snapshot("the room", |_| true).await;
        let own = &room["self"];
        assert_eq!((&own["may_admit"], &own["may_record"], &own["may_end"]), (&json!(true), &json!(false), &json!(false)));
        ben.post(&visit.path("/emergency-access/end"), json!({})).await.expect(204);
        assert_eq!(call.close_code().await, 4403);
        ben.get(&visit.path("")).await.refused(403, "FORBIDDEN");
    }

    async fn whose_consultation_it_is_takes_the_colleague_out(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        ben.post(&visit.path("/emergency-access"), taking()).await.expect(201);
        let mut call = ben.join(&visit.id).await;
        let room = call.snapshot("the room", |_| true).await;
        let ben_there = room["self"]["id"].as_str().expect("id").to_owned();
        let mut anas = visit.clinician.join(&visit.id).await;
        let room = anas.snapshot("the room", |s| s["participants"].as_array().map(Vec::len) == Some(2)).await;
        let ana_there = room["self"]["id"].as_str().expect("id").to_owned();
        ben.post(&visit.path(&format!("/participants/{ana_there}/remove")), json!({})).await.refused(409, "CONFLICT");
        visit.clinician.post(&visit.path(&format!("/participants/{ben_there}/remove")), json!({})).await.expect(204);
        assert_eq!(call.close_code().await, 4403);
    }

    async fn nobody_but_a_clinician_takes_it_and_not_to_their_own(server) {
        let visit = Visit::new(server).await;
        for username in ["sam", "aud", "rec", "adm"] {
            Browser::signed_in(server, username).await.post(&visit.path("/emergency-access"), taking()).await.refused(403, "FORBIDDEN");
        }
        visit.clinician.post(&visit.path("/emergency-access"), taking()).await.refused(403, "FORBIDDEN");
        let ben = Browser::signed_in(server, "ben").await;
        server.clock.forward(Duration::from_mins(11));
        ben.post(&visit.path("/emergency-access"), taking()).await.refused(403, "REAUTHENTICATE");
    }
}
