//! Links: looked at freely, redeemed once, kept by one browser.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit, parts};
use serde_json::json;
use std::time::Duration;

on_both_engines! {
    async fn looking_at_a_link_uses_nothing_up(server) {
        let visit = Visit::new(server).await;
        let preview = format!("/invitations/{}/preview", visit.invitation);
        for _ in 0..20 {
            let seen = Browser::new(server).post(&preview, json!({"secret": visit.secret})).await.expect(200);
            assert_eq!((seen.str("practitioner_name"), seen.str("clinic_name"), seen.str("role")), ("Dr. Ana Ruiz".into(), "Test Clinic".into(), "patient".into()));
            assert!(seen.headers.get("set-cookie").is_none());
            assert!(seen.body["data_notice"]["stored"].as_array().is_some_and(|s| !s.is_empty()));
        }
        let spanish = Browser::new(server).post(&preview, json!({"secret": visit.secret, "language": "es"})).await.expect(200);
        assert_eq!(spanish.body["data_notice"]["title"], "Qué ocurre con sus datos");
        visit.patient(server).await;
    }

    async fn fifty_at_once_redeem_a_link_exactly_once(server) {
        let visit = Visit::new(server).await;
        let path = format!("/invitations/{}/redeem", visit.invitation);
        let tries = (0..50).map(|_| {
            let (browser, path, secret) = (Browser::new(server), path.clone(), visit.secret.clone());
            tokio::spawn(async move { browser.post(&path, json!({"secret": secret})).await })
        });
        let mut won = 0;
        for attempt in tries.collect::<Vec<_>>() {
            let reply = attempt.await.expect("answered");
            if reply.status == 200 { won += 1; } else { reply.refused(409, "INVITATION_USED"); }
        }
        assert_eq!(won, 1);
    }

    async fn the_same_browser_may_come_again_and_another_may_not(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let body = json!({"secret": visit.secret});
        let again = patient.post(&format!("/invitations/{}/redeem", visit.invitation), body.clone()).await.expect(200);
        assert!(again.headers.get("set-cookie").is_none());
        assert_eq!(patient.post(&format!("/invitations/{}/preview", visit.invitation), body.clone()).await.expect(200).body["bound_here"], true);
        let other = Browser::new(server);
        other.post(&format!("/invitations/{}/preview", visit.invitation), body.clone()).await.refused(409, "INVITATION_USED");
        let refused = other.post(&format!("/invitations/{}/redeem", visit.invitation), body).await.refused(409, "INVITATION_USED");
        assert!(refused.str("detail").contains("ask the clinic"));
    }

    async fn unknown_and_malformed_links_are_told_alike(server) {
        let visit = Visit::new(server).await;
        let browser = Browser::new(server);
        let other = Visit::of(server, "ben").await;
        let cases = [
            (visit.invitation.as_str(), "A".repeat(43)),
            (visit.invitation.as_str(), other.secret.clone()),
            (visit.invitation.as_str(), String::new()),
            (visit.invitation.as_str(), "<script>".to_owned()),
            ("01890000-0000-7000-8000-000000000000", visit.secret.clone()),
        ];
        for (id, secret) in cases {
            for act in ["preview", "redeem"] {
                let reply = browser.post(&format!("/invitations/{id}/{act}"), json!({"secret": secret})).await.refused(404, "INVITATION_UNKNOWN");
                assert!(secret.is_empty() || !reply.text.contains(&secret));
            }
        }
        browser.post("/invitations/nonsense/redeem", json!({"secret": visit.secret})).await.refused(404, "NOT_FOUND");
        visit.patient(server).await;
    }

    async fn an_expired_link_says_so_and_its_holder_stays(server) {
        let visit = Visit::new(server).await;
        server.clock.forward(Duration::from_hours(25));
        Browser::new(server).post(&format!("/invitations/{}/redeem", visit.invitation), json!({"secret": visit.secret})).await.refused(410, "INVITATION_EXPIRED");
    }

    async fn reissuing_ends_the_old_link_and_the_browser_bound_to_it(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let made = visit.clinician.post(&format!("/invitations/{}/reissue", visit.invitation), json!({})).await.expect(200);
        let (id, secret) = parts(&made.str("link"));
        assert!(id == visit.invitation && secret != visit.secret);
        patient.get(&visit.path("/participants/me")).await.refused(401, "UNAUTHENTICATED");
        Browser::new(server).post(&format!("/invitations/{id}/redeem"), json!({"secret": visit.secret})).await.refused(404, "INVITATION_UNKNOWN");
        Browser::new(server).post(&format!("/invitations/{id}/redeem"), json!({"secret": secret})).await.expect(200);
    }

    async fn a_cancelled_link_and_a_link_to_a_consultation_that_is_over_are_told_apart(server) {
        let visit = Visit::new(server).await;
        visit.clinician.post(&format!("/invitations/{}/cancel", visit.invitation), json!({})).await.expect(200);
        Browser::new(server).post(&format!("/invitations/{}/redeem", visit.invitation), json!({"secret": visit.secret})).await.refused(410, "INVITATION_CANCELLED");
        let over = Visit::of(server, "ben").await;
        over.clinician.post(&over.path("/end"), json!({})).await.expect(200);
        Browser::new(server).post(&format!("/invitations/{}/preview", over.invitation), json!({"secret": over.secret})).await.refused(410, "CONSULTATION_ENDED");
        over.clinician.post(&over.path("/invitations"), json!({"role": "patient", "name_hint": null})).await.refused(410, "CONSULTATION_ENDED");
    }

    async fn a_practitioner_cannot_be_invited_by_link(server) {
        let visit = Visit::new(server).await;
        visit.clinician.post(&visit.path("/invitations"), json!({"role": "practitioner", "name_hint": null})).await.refused(422, "VALIDATION");
        visit.clinician.post(&visit.path("/invitations"), json!({"role": "king", "name_hint": null})).await.refused(400, "MALFORMED");
    }

    async fn a_link_with_a_code_opens_only_with_it_and_five_tries_are_all(server) {
        let visit = Visit::new(server).await;
        let make = async || {
            let made = visit.clinician.post(&visit.path("/invitations"), json!({"role": "patient", "name_hint": null, "with_code": true})).await.expect(201);
            assert_eq!(made.body["with_code"], true);
            let (id, secret) = parts(&made.str("link"));
            (id, secret, made.str("code"))
        };
        let (id, secret, code) = make().await;
        let patient = Browser::new(server);
        assert_eq!(patient.post(&format!("/invitations/{id}/preview"), json!({"secret": secret})).await.expect(200).body["code_required"], true);
        let redeem = format!("/invitations/{id}/redeem");
        patient.post(&redeem, json!({"secret": secret})).await.refused(403, "CODE_REQUIRED");
        let wrong = if code == "000000" { "000001" } else { "000000" };
        patient.post(&redeem, json!({"secret": secret, "code": wrong})).await.refused(403, "CODE_FAILED");
        patient.post(&redeem, json!({"secret": secret, "code": format!(" {} {}", &code[..3], &code[3..])})).await.expect(200);
        let (id, secret, code) = make().await;
        let redeem = format!("/invitations/{id}/redeem");
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let stranger = Browser::new(server);
        for _ in 0..5 {
            stranger.post(&redeem, json!({"secret": secret, "code": wrong})).await.refused(403, "CODE_FAILED");
        }
        stranger.post(&redeem, json!({"secret": secret, "code": code})).await.refused(410, "INVITATION_LOCKED");
        let again = visit.clinician.post(&format!("/invitations/{id}/reissue"), json!({})).await.expect(200);
        let (id, secret) = parts(&again.str("link"));
        Browser::new(server).post(&format!("/invitations/{id}/redeem"), json!({"secret": secret, "code": again.str("code")})).await.expect(200);
        // told once, and then never again
        let listed = visit.clinician.get(&visit.path("/invitations")).await.expect(200);
        assert!(!listed.text.contains(&again.str("code")), "{}", listed.text);
    }

    async fn of_many_codes_tried_at_once_five_count(server) {
        let visit = Visit::new(server).await;
        let made = visit.clinician.post(&visit.path("/invitations"), json!({"role": "patient", "name_hint": null, "with_code": true})).await.expect(201);
        let (id, secret) = parts(&made.str("link"));
        let right = made.str("code");
        let tries = (0..12).map(|n| {
            let (browser, secret) = (Browser::new(server), secret.clone());
            let path = format!("/invitations/{id}/redeem");
            let code = if right == format!("{n:06}") { "999999".to_owned() } else { format!("{n:06}") };
            tokio::spawn(async move { browser.post(&path, json!({"secret": secret, "code": code})).await.code().to_owned() })
        });
        let mut failed = 0;
        for one in tries.collect::<Vec<_>>() {
            failed += usize::from(one.await.expect("answered") == "CODE_FAILED");
        }
        assert_eq!(failed, 5);
    }

    async fn a_place_moves_to_another_device_by_a_code_and_the_first_one_is_out(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let mut socket = patient.join(&visit.id).await;
        let me = socket.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{me}/admit")), json!({})).await.expect(204);
        let phone = Browser::new(server);
        let (redeem, moves) = (format!("/invitations/{}/redeem", visit.invitation), format!("/invitations/{}/move", visit.invitation));
        phone.post(&redeem, json!({"secret": visit.secret})).await.refused(409, "INVITATION_USED");
        phone.post(&moves, json!({"secret": visit.secret, "code": "123456"})).await.refused(403, "CODE_FAILED");
        let code = patient.post(&visit.path("/participants/me/device-code"), json!({})).await.expect(201).str("code");
        phone.post(&moves, json!({"secret": "A".repeat(43), "code": code})).await.refused(404, "INVITATION_UNKNOWN");
        phone.post(&moves, json!({"secret": visit.secret, "code": code})).await.expect(200);
        socket.close_code().await;
        patient.get(&visit.path("/participants/me")).await.refused(401, "UNAUTHENTICATED");
        let mut there = phone.join(&visit.id).await;
        there.snapshot("still in the call", |s| s["self"]["id"] == me.as_str() && s["participants"].as_array().is_some_and(|all| all.iter().any(|p| p["id"] == me.as_str()))).await;
        phone.post(&moves, json!({"secret": visit.secret, "code": code})).await.refused(403, "CODE_FAILED");
        visit.clinician.post(&visit.path("/participants/me/device-code"), json!({})).await.refused(409, "CONFLICT");
        let code = phone.post(&visit.path("/participants/me/device-code"), json!({})).await.expect(201).str("code");
        server.clock.forward(std::time::Duration::from_mins(6));
        Browser::new(server).post(&moves, json!({"secret": visit.secret, "code": code})).await.refused(403, "CODE_FAILED");
    }

    async fn capabilities_are_those_of_the_role_or_fewer(server) {
        let visit = Visit::new(server).await;
        let invite = async |role: &str, capabilities: serde_json::Value| {
            visit.clinician.post(&visit.path("/invitations"), json!({"role": role, "name_hint": null, "capabilities": capabilities})).await
        };
        assert_eq!(invite("observer", json!(null)).await.expect(201).body["capabilities"], json!(["chat"]));
        invite("observer", json!(["publish_audio"])).await.refused(422, "VALIDATION");
        invite("patient", json!(["admit"])).await.refused(422, "VALIDATION");
        invite("patient", json!(["record"])).await.refused(422, "VALIDATION");
        invite("patient", json!(["fly"])).await.refused(400, "MALFORMED");
        let made = invite("interpreter", json!(["publish_audio", "chat"])).await.expect(201);
        let (id, secret) = parts(&made.str("link"));
        let interpreter = Browser::new(server);
        interpreter.post(&format!("/invitations/{id}/redeem"), json!({"secret": secret})).await.expect(200);
        interpreter.put(&visit.path("/participants/me"), json!({"name": "Ida", "language": "en"})).await.expect(200);
        assert_eq!(interpreter.get(&visit.path("/participants/me")).await.expect(200).body["capabilities"], json!(["publish_audio", "chat"]));
        // what they say they send does not make it so
        let mut socket = interpreter.join(&visit.id).await;
        let me = socket.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{me}/admit")), json!({})).await.expect(204);
        socket.snapshot("admitted", |s| s["participants"].as_array().is_some_and(|all| all.iter().any(|p| p["id"] == me.as_str()))).await;
        socket.say(json!({"type": "state", "microphone": true, "camera": true, "screen": true})).await;
        let seen = socket.snapshot("the state", |s| s["participants"].as_array().is_some_and(|all| all.iter().any(|p| p["id"] == me.as_str() && p["microphone"] == true))).await;
        let own = seen["participants"].as_array().expect("people").iter().find(|p| p["id"] == me.as_str()).expect("me").clone();
        assert!(own["camera"] == false && own["screen"] == false, "{own}");
    }
}
