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
}
