//! The signaling connection: who gets one, what it says, and what ends it.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn person<'a>(snapshot: &'a Value, place: &str) -> Option<&'a Value> {
    snapshot["participants"].as_array()?.iter().find(|p| p["place"] == place && p["role"] != "practitioner")
}

on_both_engines! {
    async fn the_upgrade_wants_a_cookie_and_the_right_origin(server) {
        let visit = Visit::new(server).await;
        assert_eq!(Browser::new(server).socket(&server.origin).await.err(), Some(401));
        assert_eq!(visit.clinician.socket("https://evil.example").await.err(), Some(403));
        visit.clinician.get("/signaling").await.refused(400, "MALFORMED");
    }

    async fn a_ticket_works_once_for_its_holder_and_not_for_long(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let ticket = async |browser: &Browser| browser.post(&visit.path("/join-tickets"), json!({})).await.expect(201).str("ticket");
        let refused = async |browser: &Browser, ticket: String| {
            let mut socket = browser.socket(&server.origin).await.expect("upgrade");
            socket.say(json!({"type": "hello", "ticket": ticket})).await;
            socket.close_code().await
        };
        assert_eq!(refused(&visit.clinician, "A".repeat(43)).await, 4401);
        assert_eq!(refused(&visit.clinician, "short".into()).await, 4401);
        let stolen = ticket(&patient).await;
        assert_eq!(refused(&visit.clinician, stolen).await, 4401, "someone else's");
        let once = ticket(&patient).await;
        let mut socket = patient.socket(&server.origin).await.expect("upgrade");
        socket.say(json!({"type": "hello", "ticket": once})).await;
        socket.snapshot("the first snapshot", |_| true).await;
        assert_eq!(refused(&patient, once).await, 4401, "used");
        let late = ticket(&patient).await;
        server.clock.forward(std::time::Duration::from_secs(31));
        assert_eq!(refused(&patient, late).await, 4401, "expired");
    }

    async fn whatever_is_not_the_protocol_ends_the_connection(server) {
        let visit = Visit::new(server).await;
        let cases = [
            Message::text("garbage"),
            Message::text("{\"type\":\"shout\"}"),
            Message::binary(vec![0_u8; 16]),
            Message::text(format!("{{\"type\":\"leave\",\"padding\":\"{}\"}}", "x".repeat(70_000))),
            Message::text("{\"type\":\"hello\",\"ticket\":\"again\"}"),
        ];
        for (n, case) in cases.into_iter().enumerate() {
            let mut socket = visit.clinician.join(&visit.id).await;
            socket.snapshot("a snapshot", |_| true).await;
            socket.send(case).await;
            let code = socket.close_code().await;
            assert!(code == 4400 || code == 1006, "case {n}: {code}");
        }
        let mut socket = visit.clinician.join(&visit.id).await;
        for _ in 0..200 {
            socket.send(Message::text("{\"type\":\"state\",\"microphone\":true,\"camera\":true,\"screen\":false}")).await;
        }
        assert_eq!(socket.close_code().await, 4429);
    }

    async fn someone_waits_is_admitted_and_stays_admitted_across_a_reload(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        let mut lobby = patient.join(&visit.id).await;
        let own = lobby.snapshot("the lobby", |s| s["self"]["place"] == "lobby").await;
        assert_eq!(own["participants"].as_array().map(Vec::len), Some(1), "nobody else is seen");
        let seen = ana.snapshot("someone waiting", |s| person(s, "lobby").is_some()).await;
        let waiting = person(&seen, "lobby").expect("there");
        assert_eq!((waiting["name"].as_str(), waiting["presence"].as_str()), (Some("Quillon"), Some("connected")));
        assert_eq!(visit.clinician.get("/consultations/waiting").await.expect(200).body["waiting"][0]["waiting"], 1);
        lobby.say(json!({"type": "offer", "sdp": "v=0\r\n", "key_epoch": 0})).await;
        assert_eq!(lobby.until("a refusal", |m| m["type"] == "error").await["code"], "NEGOTIATION");
        let id = own["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
        let inside = lobby.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
        assert_eq!(inside["participants"].as_array().map(Vec::len), Some(2));
        assert_eq!(inside["slots"].as_array().map(Vec::len), Some(1));
        let mut again = patient.join(&visit.id).await;
        again.snapshot("the call again", |s| s["self"]["place"] == "in_call").await;
        assert_eq!(lobby.close_code().await, 4409, "the older connection gives way");
        patient.post(&visit.path("/leave"), json!({})).await.expect(204);
        assert_eq!(again.close_code().await, 1000);
        ana.snapshot("an empty call", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
    }

    async fn whoever_is_turned_away_or_removed_cannot_come_back(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let friend = visit.another(server, "related_person", "Friend").await;
        let mut ana = visit.clinician.join(&visit.id).await;
        for (browser, acts) in [(&patient, vec!["turn-away"]), (&friend, vec!["admit", "remove"])] {
            let mut socket = browser.join(&visit.id).await;
            let id = socket.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
            for act in acts {
                visit.clinician.post(&visit.path(&format!("/participants/{id}/{act}")), json!({})).await.expect(204);
            }
            assert_eq!(socket.close_code().await, 4403);
            browser.post(&visit.path("/join-tickets"), json!({})).await.refused(401, "UNAUTHENTICATED");
        }
        Browser::new(server).post(&format!("/invitations/{}/redeem", visit.invitation), json!({"secret": visit.secret})).await.refused(409, "INVITATION_USED");
        let me = ana.snapshot("the clinician alone", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{me}/remove")), json!({})).await.refused(409, "CONFLICT");
    }

    async fn signing_out_ends_the_connection(server) {
        let visit = Visit::new(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        ana.snapshot("the room", |_| true).await;
        visit.clinician.post("/sign-out", json!({})).await.expect(200);
        let signed_out = std::time::Instant::now();
        assert_eq!(ana.close_code().await, 4401);
        assert!(signed_out.elapsed() < std::time::Duration::from_millis(200), "at once, not at the next ping");
    }

    async fn leaving_over_the_connection_is_written_down(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let mut lobby = patient.join(&visit.id).await;
        lobby.snapshot("the lobby", |_| true).await;
        lobby.say(json!({"type": "leave"})).await;
        assert_eq!(lobby.close_code().await, 1000);
        let aud = Browser::signed_in(server, "aud").await;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            let search = json!({"text": visit.id, "event": "participant.left", "outcome": null, "from": null, "to": null, "before": null, "limit": 5});
            if aud.post("/audit/search", search).await.expect(200).body["entries"].as_array().is_some_and(|e| e.len() == 1) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the departure is not in the log");
        }
    }

    async fn ending_the_consultation_ends_every_connection(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let (mut ana, mut lobby) = (visit.clinician.join(&visit.id).await, patient.join(&visit.id).await);
        lobby.snapshot("the lobby", |_| true).await;
        visit.clinician.post(&visit.path("/end"), json!({})).await.expect(200);
        assert_eq!((ana.close_code().await, lobby.close_code().await), (4410, 4410));
        patient.post(&visit.path("/join-tickets"), json!({})).await.refused(410, "CONSULTATION_ENDED");
    }

    async fn a_fifth_person_is_not_admitted(server) {
        let visit = Visit::new(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        ana.snapshot("the room", |_| true).await;
        let mut sockets = Vec::new();
        for n in 0..4 {
            let browser = visit.another(server, "related_person", &format!("Person {n}")).await;
            let mut socket = browser.join(&visit.id).await;
            let id = socket.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
            let reply = visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await;
            if n < 3 {
                reply.expect(204);
                let inside = socket.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
                assert_eq!(inside["slots"].as_array().map(Vec::len), Some(n + 1));
            } else {
                reply.refused(409, "CONFLICT");
            }
            sockets.push(socket);
        }
    }

    async fn media_of_a_wrong_shape_is_refused_and_the_connection_stays(server) {
        let visit = Visit::new(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        for sdp in ["", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", &"a".repeat(50_000)] {
            ana.say(json!({"type": "offer", "sdp": sdp, "key_epoch": 0})).await;
            assert_eq!(ana.until("a refusal", |m| m["type"] == "error").await["code"], "NEGOTIATION");
        }
        ana.say(json!({"type": "state", "microphone": true, "camera": false, "screen": false})).await;
        ana.snapshot("still there", |s| s["participants"][0]["microphone"] == true).await;
    }
}
