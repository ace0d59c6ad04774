//! Signing in, staying signed in, and what each role may ask for.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use crate::support::server::PASSWORD;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

on_both_engines! {
    async fn a_wrong_password_and_an_unknown_account_get_the_same_answer(server) {
        let browser = Browser::new(server);
        let wrong = browser.post("/sign-in", json!({"username": "ana", "password": "wrong"})).await.refused(401, "SIGN_IN_FAILED");
        let unknown = browser.post("/sign-in", json!({"username": "nobody", "password": "wrong"})).await.refused(401, "SIGN_IN_FAILED");
        assert_eq!(wrong.body["detail"], unknown.body["detail"]);
        assert!(browser.cookies().is_empty());
        browser.get("/me").await.refused(401, "UNAUTHENTICATED");
    }

    async fn signing_in_gives_a_strict_cookie_and_signing_out_ends_it(server) {
        let browser = Browser::new(server);
        let reply = browser.post("/sign-in", json!({"username": " ANA ", "password": PASSWORD})).await.expect(200);
        let cookie = reply.headers["set-cookie"].to_str().expect("text").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
        assert_eq!(browser.get("/me").await.expect(200).str("display_name"), "Dr. Ana Ruiz");
        let stolen = browser.cookies();
        browser.post("/sign-out", json!({})).await.expect(204);
        let replayed = crate::support::people::send(Browser::new(server).request(Method::GET, "/me").header("Cookie", stolen)).await;
        replayed.refused(401, "SIGN_IN_EXPIRED");
    }

    async fn an_idle_sign_in_session_expires_and_so_does_a_busy_one_in_the_end(server) {
        let browser = Browser::signed_in(server, "ana").await;
        server.clock.forward(Duration::from_mins(14));
        browser.get("/me").await.expect(200);
        server.clock.forward(Duration::from_mins(16));
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        let busy = Browser::signed_in(server, "ana").await;
        for _ in 0..71 {
            server.clock.forward(Duration::from_mins(10));
            busy.get("/me").await.expect(200);
        }
        server.clock.forward(Duration::from_mins(11));
        busy.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
    }

    async fn guessing_is_throttled_with_a_time_to_wait(server) {
        let browser = Browser::new(server);
        for _ in 0..10 {
            browser.post("/sign-in", json!({"username": "ana", "password": "wrong"})).await.refused(401, "SIGN_IN_FAILED");
        }
        let reply = browser.post("/sign-in", json!({"username": "ana", "password": PASSWORD})).await.refused(429, "THROTTLED");
        assert!(reply.headers["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds") > 0);
        browser.post("/sign-in", json!({"username": "ben", "password": PASSWORD})).await.expect(200);
        server.clock.forward(Duration::from_mins(16));
        browser.post("/sign-in", json!({"username": "ana", "password": PASSWORD})).await.expect(200);
    }

    async fn many_guesses_at_once_are_throttled_too(server) {
        let tries = (0..60).map(|_| {
            let browser = Browser::new(server);
            tokio::spawn(async move { browser.post("/sign-in", json!({"username": "ana", "password": "wrong"})).await.status.as_u16() })
        });
        let mut refused = 0;
        for attempt in tries.collect::<Vec<_>>() {
            refused += usize::from(attempt.await.expect("answered") == 429);
        }
        assert_eq!(refused, 50);
    }

    async fn each_role_reaches_its_own_and_nothing_else(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let (ana, aud, adm) = (&visit.clinician, Browser::signed_in(server, "aud").await, Browser::signed_in(server, "adm").await);
        let search = json!({"text": null, "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 5});
        let consultation = visit.path("");
        // method, path, body, then who may: clinician, auditor, administrator
        let matrix = [
            ("GET", "/consultations", json!({}), [true, false, false]),
            ("GET", consultation.as_str(), json!({}), [true, false, false]),
            ("POST", "/patients/search", json!({"text": ""}), [true, false, false]),
            ("POST", "/audit/search", search, [false, true, false]),
            ("POST", "/audit/verify", json!({}), [false, true, false]),
            ("POST", "/audit/export", json!({}), [false, true, false]),
            ("GET", "/policies", json!({}), [false, true, true]),
            ("GET", "/retention", json!({}), [false, true, true]),
            ("GET", "/recordings", json!({}), [true, true, false]),
            ("GET", "/users", json!({}), [false, false, true]),
        ];
        for (method, path, body, may) in matrix {
            for (browser, may) in [ana, &aud, &adm].into_iter().zip(may) {
                let reply = if method == "GET" { browser.get(path).await } else { browser.post(path, body.clone()).await };
                if may { reply.expect(200); } else { reply.refused(403, "FORBIDDEN"); }
            }
            let reply = if method == "GET" { patient.get(path).await } else { patient.post(path, body.clone()).await };
            assert!(matches!(reply.status.as_u16(), 401 | 403), "{path} answers a patient with {}", reply.text);
            let stranger = Browser::new(server);
            let reply = if method == "GET" { stranger.get(path).await } else { stranger.post(path, body).await };
            reply.refused(401, "UNAUTHENTICATED");
        }
    }
}
