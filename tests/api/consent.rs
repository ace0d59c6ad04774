//! Recording only with everyone's consent: what the server does, whatever a page believes. Media itself is in the browser tests.

use crate::on_both_engines;
use crate::support::people::{Browser, Reply, Socket, Visit};
use crate::support::server::TestServer;
use serde_json::{Value, json};

struct Call {
    visit: Visit,
    patient: Browser,
    ana: Socket,
    guest: Socket,
}

async fn call(server: &TestServer) -> Call {
    let visit = Visit::new(server).await;
    let patient = visit.patient(server).await;
    let (ana, mut guest) = (visit.clinician.join(&visit.id).await, patient.join(&visit.id).await);
    let id = guest.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
    visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
    guest.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
    Call { visit, patient, ana, guest }
}

async fn ask(call: &Call) -> String {
    call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.expect(201).str("id")
}

async fn words(browser: &Browser, language: &str) -> Value {
    let text = browser.get(&format!("/consent-texts/recording-audio-video?language={language}")).await.expect(200);
    json!({"text": text.str("text"), "version": text.str("version"), "language": text.str("language"), "digest": text.str("digest")})
}

async fn decide(browser: &Browser, recording: &str, decision: &str) -> Reply {
    let mut body = words(browser, "en").await;
    body["decision"] = decision.into();
    browser.post(&format!("/recordings/{recording}/decision"), body).await
}

fn parts_on_disk(server: &TestServer) -> usize {
    let folders = std::fs::read_dir(server.folder.join("recordings")).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    folders.iter().map(|folder| std::fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum()
}

async fn state(call: &Call, recording: &str) -> String {
    let all = call.visit.clinician.get(&call.visit.path("/recordings")).await.expect(200).body;
    let found = all["recordings"].as_array().expect("recordings").iter().find(|r| r["id"] == recording).expect("there").clone();
    found["state"].as_str().expect("state").to_owned()
}

on_both_engines! {
    async fn it_becomes_active_only_when_the_last_has_permitted(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        let seen = call.guest.snapshot("the request", |s| s["recording"]["state"] == "requested").await;
        assert_eq!((seen["recording"]["text"].as_str(), seen["recording"]["decisions"].as_array().map(Vec::len)), (Some("recording-audio-video"), Some(2)));
        decide(&call.visit.clinician, &recording, "permit").await.expect(204);
        call.guest.snapshot("one decision", |s| s["recording"]["decisions"].as_array().is_some_and(|d| d.iter().filter(|d| d["decision"] == "permit").count() == 1)).await;
        assert_eq!(state(&call, &recording).await, "requested");
        assert_eq!(parts_on_disk(server), 0);
        decide(&call.patient, &recording, "permit").await.expect(204);
        call.guest.snapshot("active", |s| s["recording"]["state"] == "active" && s["recording"]["started_at"].is_string()).await;
        assert_eq!(state(&call, &recording).await, "active");
        call.patient.post(&format!("/recordings/{recording}/withdraw"), json!({})).await.expect(204);
        let after = call.ana.snapshot("the end", |s| s["recording"].is_null() && s["last_recording"]["outcome"] == "withdrawn").await;
        assert_eq!(after["last_recording"]["id"], recording.as_str());
        decide(&call.patient, &recording, "permit").await.refused(409, "CONSENT_MISMATCH");
    }

    async fn a_refusal_leaves_the_call_alone_and_nothing_on_disk(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        decide(&call.visit.clinician, &recording, "permit").await.expect(204);
        decide(&call.patient, &recording, "deny").await.expect(204);
        let after = call.guest.snapshot("the refusal", |s| s["last_recording"]["outcome"] == "refused").await;
        assert_eq!((after["self"]["place"].as_str(), after["participants"].as_array().map(Vec::len)), (Some("in_call"), Some(2)));
        assert_eq!(state(&call, &recording).await, "refused");
        assert_eq!(parts_on_disk(server), 0);
        ask(&call).await;
    }

    async fn consent_must_be_to_the_words_in_force_and_to_this_recording(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let good = words(&call.patient, "es").await;
        for (member, wrong) in [("digest", "0".repeat(64)), ("version", "9".into()), ("text", "another".into()), ("language", "en".into())] {
            let mut body = good.clone();
            body["decision"] = "permit".into();
            body[member] = wrong.into();
            call.patient.post(&format!("/recordings/{recording}/decision"), body).await.refused(409, "CONSENT_MISMATCH");
        }
        let mut body = good.clone();
        body["decision"] = "withdrawn".into();
        call.patient.post(&format!("/recordings/{recording}/decision"), body.clone()).await.refused(409, "CONSENT_MISMATCH");
        body["decision"] = "maybe".into();
        call.patient.post(&format!("/recordings/{recording}/decision"), body).await.refused(400, "MALFORMED");
        call.patient.post(&format!("/recordings/{recording}/withdraw"), json!({})).await.refused(409, "CONSENT_MISMATCH");
        decide(&call.patient, "01890000-0000-7000-8000-000000000000", "permit").await.refused(404, "NOT_FOUND");
    }

    async fn nobody_decides_for_a_room_they_are_not_in(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let elsewhere = Visit::of(server, "ben").await;
        decide(&elsewhere.patient(server).await, &recording, "permit").await.refused(403, "SCOPE");
        decide(&elsewhere.clinician, &recording, "permit").await.refused(403, "FORBIDDEN");
        let waiting = call.visit.another(server, "related_person", "Friend").await;
        decide(&waiting, &recording, "permit").await.refused(409, "CONFLICT");
        call.patient.post(&call.visit.path("/recordings"), json!({})).await.refused(403, "FORBIDDEN");
        call.patient.post(&format!("/recordings/{recording}/stop"), json!({})).await.refused(403, "FORBIDDEN");
        call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
    }

    async fn a_newcomer_pauses_it_until_they_permit(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        for browser in [&call.visit.clinician, &call.patient] {
            decide(browser, &recording, "permit").await.expect(204);
        }
        call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        let friend = call.visit.another(server, "interpreter", "Friend").await;
        let mut socket = friend.join(&call.visit.id).await;
        let id = socket.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        call.visit.clinician.post(&call.visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
        socket.snapshot("the pause", |s| s["recording"]["state"] == "paused").await;
        decide(&friend, &recording, "permit").await.expect(204);
        socket.snapshot("going on", |s| s["recording"]["state"] == "active").await;
        call.visit.clinician.post(&format!("/recordings/{recording}/stop"), json!({})).await.expect(204);
        socket.snapshot("the end", |s| s["last_recording"]["outcome"] == "stopped").await;
    }

    async fn whoever_left_may_still_withdraw(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        for browser in [&call.visit.clinician, &call.patient] {
            decide(browser, &recording, "permit").await.expect(204);
        }
        call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        call.patient.post(&call.visit.path("/leave"), json!({})).await.expect(204);
        call.ana.snapshot("alone", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
        call.patient.post(&format!("/recordings/{recording}/withdraw"), json!({})).await.expect(204);
        call.ana.snapshot("the end", |s| s["last_recording"]["outcome"] == "withdrawn").await;
    }

    async fn nothing_is_asked_of_a_room_nobody_is_in(server) {
        let visit = Visit::new(server).await;
        visit.clinician.post(&visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
        visit.clinician.post(&visit.path("/join-tickets"), json!({})).await.expect(201);
        visit.clinician.post(&visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
    }

    async fn an_auditor_sees_that_it_happened_and_is_refused_playback(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        for browser in [&call.visit.clinician, &call.patient] {
            decide(browser, &recording, "permit").await.expect(204);
        }
        let aud = Browser::signed_in(server, "aud").await;
        let listed = aud.get("/recordings").await.expect(200).body["recordings"][0].clone();
        assert_eq!((listed["id"].as_str(), listed["retention"]["keep_days"].as_u64()), (Some(recording.as_str()), Some(3650)));
        aud.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(403, "FORBIDDEN");
        Browser::signed_in(server, "adm").await.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(403, "FORBIDDEN");
        call.patient.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(401, "UNAUTHENTICATED");
        let search = json!({"text": recording, "action": "access.denied", "outcome": "denied", "from": null, "to": null, "before": null, "limit": 50});
        assert_eq!(aud.post("/audit/search", search).await.expect(200).body["entries"].as_array().map(Vec::len), Some(2));
    }
}
