//! Administration of accounts: links to set a password, roles, suspension; one's own password and sign-in sessions.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit, parts, send};
use crate::support::server::{PASSWORD, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn id_of(administrator: &Browser, username: &str) -> String {
    let users = administrator.get("/users").await.expect(200);
    let user = users.body["users"].as_array().expect("users").iter().find(|u| u["username"] == username).cloned();
    user.unwrap_or_else(|| panic!("no {username}"))["id"].as_str().expect("id").to_owned()
}

async fn state_of(administrator: &Browser, username: &str) -> Value {
    let users = administrator.get("/users").await.expect(200);
    users.body["users"].as_array().expect("users").iter().find(|u| u["username"] == username).cloned().expect("there")
}

/// The newest entries whose text contains something.
async fn entries(server: &TestServer, text: &str) -> Vec<Value> {
    let wanted = json!({"text": text, "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 20});
    let found = Browser::signed_in(server, "aud").await.post("/audit/search", wanted).await.expect(200);
    found.body["entries"].as_array().expect("entries").clone()
}

const NEW_PASSWORD: &str = "copper lantern drifts sideways";

on_both_engines! {
    async fn an_invited_colleague_sets_a_password_by_a_link_that_works_once(server) {
        let administrator = Browser::signed_in(server, "adm").await;
        let made = administrator.post("/users", json!({"username": "Nora", "display_name": "Dr. Nora Berg", "role": "clinician"})).await.expect(201);
        let (link, secret) = parts(&made.str("link"));
        assert_eq!(state_of(&administrator, "nora").await["status"], "invited");
        let nora = Browser::new(server);
        let opens = nora.post(&format!("/account-links/{link}/preview"), json!({"secret": secret})).await.expect(200);
        assert_eq!((opens.str("username").as_str(), opens.body["least_length"].as_u64()), ("nora", Some(15)));
        let use_link = format!("/account-links/{link}/use");
        for (password, why) in [("short", "at least 15"), ("passwordpassword", "guessed early"), ("nora berg nora berg", "guessed early")] {
            let refused = nora.post(&use_link, json!({"secret": secret, "password": password})).await.refused(422, "VALIDATION");
            assert!(refused.text.contains(why), "{password}: {}", refused.text);
        }
        let wrong = "A".repeat(43);
        nora.post(&use_link, json!({"secret": wrong, "password": NEW_PASSWORD})).await.refused(404, "ACCOUNT_LINK_UNKNOWN");
        nora.post(&use_link, json!({"secret": secret, "password": NEW_PASSWORD})).await.expect(204);
        nora.post(&use_link, json!({"secret": secret, "password": NEW_PASSWORD})).await.refused(409, "ACCOUNT_LINK_USED");
        nora.post("/sign-in", json!({"username": "nora", "password": NEW_PASSWORD})).await.expect(200);
        assert_eq!(state_of(&administrator, "nora").await["status"], "active");
        administrator.post("/users", json!({"username": "nora", "display_name": "Other", "role": "auditor"})).await.refused(409, "CONFLICT");
        administrator.post("/users", json!({"username": "x", "display_name": "Other", "role": "auditor"})).await.refused(422, "VALIDATION");
        administrator.post("/users", json!({"username": "xyz", "display_name": "Other", "role": "king"})).await.refused(422, "VALIDATION");
    }

    async fn of_many_who_use_a_link_at_once_one_sets_the_password(server) {
        let administrator = Browser::signed_in(server, "adm").await;
        let made = administrator.post("/users", json!({"username": "nora", "display_name": "Nora", "role": "auditor"})).await.expect(201);
        let (link, secret) = parts(&made.str("link"));
        let tries = (0..8).map(|_| {
            let (browser, link, secret) = (Browser::new(server), link.clone(), secret.clone());
            tokio::spawn(async move { browser.post(&format!("/account-links/{link}/use"), json!({"secret": secret, "password": NEW_PASSWORD})).await.status.as_u16() })
        });
        let mut set = 0;
        for one in tries.collect::<Vec<_>>() {
            set += usize::from(one.await.expect("answered") == 204);
        }
        assert_eq!(set, 1);
    }

    async fn a_link_runs_out_and_a_newer_one_replaces_it(server) {
        let administrator = Browser::signed_in(server, "adm").await;
        let ben = id_of(&administrator, "ben").await;
        let (first, first_secret) = parts(&administrator.post(&format!("/users/{ben}/reset-password"), json!({})).await.expect(201).str("link"));
        let (second, secret) = parts(&administrator.post(&format!("/users/{ben}/reset-password"), json!({})).await.expect(201).str("link"));
        let browser = Browser::new(server);
        browser.post(&format!("/account-links/{first}/preview"), json!({"secret": first_secret})).await.refused(410, "ACCOUNT_LINK_EXPIRED");
        browser.post("/sign-in", json!({"username": "ben", "password": PASSWORD})).await.refused(401, "SIGN_IN_FAILED");
        server.clock.forward(Duration::from_hours(73));
        browser.post(&format!("/account-links/{second}/use"), json!({"secret": secret, "password": NEW_PASSWORD})).await.refused(410, "ACCOUNT_LINK_EXPIRED");
    }

    async fn suspension_ends_requests_and_the_connection_within_200_ms(server) {
        let visit = Visit::of(server, "ben").await;
        let mut socket = visit.clinician.join(&visit.id).await;
        socket.snapshot("the room", |_| true).await;
        let administrator = Browser::signed_in(server, "adm").await;
        let ben = id_of(&administrator, "ben").await;
        let began = Instant::now();
        administrator.post(&format!("/users/{ben}/suspend"), json!({})).await.expect(204);
        let code = socket.close_code().await;
        assert!(began.elapsed() < Duration::from_millis(200), "it took {:?}", began.elapsed());
        assert!(matches!(code, 4401 | 4403), "{code}");
        visit.clinician.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        Browser::new(server).post("/sign-in", json!({"username": "ben", "password": PASSWORD})).await.refused(401, "SIGN_IN_FAILED");
        administrator.post(&format!("/users/{ben}/restore"), json!({})).await.expect(204);
        Browser::signed_in(server, "ben").await;
        assert!(entries(server, "account.suspended").await.iter().any(|e| e["detail"]["sessions_ended"] == 1));
    }

    async fn a_new_role_ends_the_old_sessions_and_nobody_changes_their_own(server) {
        let administrator = Browser::signed_in(server, "adm").await;
        let browser = Browser::signed_in(server, "ben").await;
        let ben = id_of(&administrator, "ben").await;
        administrator.request(Method::PUT, "").build().expect("a request");
        administrator.put(&format!("/users/{ben}"), json!({"display_name": "Ben Okafor", "role": "scheduler"})).await.expect(204);
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        let again = Browser::signed_in(server, "ben").await;
        assert_eq!(again.get("/me").await.expect(200).str("role"), "scheduler");
        let own = id_of(&administrator, "adm").await;
        administrator.put(&format!("/users/{own}"), json!({"display_name": "Mira", "role": "auditor"})).await.refused(403, "FORBIDDEN");
        administrator.post(&format!("/users/{own}/suspend"), json!({})).await.refused(403, "FORBIDDEN");
    }

    async fn what_is_dangerous_needs_a_fresh_proof(server) {
        let administrator = Browser::signed_in(server, "adm").await;
        let ben = id_of(&administrator, "ben").await;
        server.clock.forward(Duration::from_mins(11));
        let before = administrator.cookies();
        let new = json!({"username": "nora", "display_name": "Nora", "role": "auditor"});
        administrator.post("/users", new.clone()).await.refused(403, "REAUTHENTICATE");
        administrator.post(&format!("/users/{ben}/reset-factors"), json!({})).await.refused(403, "REAUTHENTICATE");
        // to suspend protects, and must not wait
        administrator.post(&format!("/users/{ben}/suspend"), json!({})).await.expect(204);
        administrator.post("/me/prove", json!({"password": "wrong"})).await.refused(403, "REAUTHENTICATION_FAILED");
        administrator.post("/me/prove", json!({})).await.refused(422, "VALIDATION");
        administrator.post("/me/prove", json!({"password": PASSWORD})).await.expect(204);
        assert_ne!(administrator.cookies(), before, "the token was rotated");
        send(Browser::new(server).request(Method::GET, "/me").header("Cookie", before)).await.refused(401, "UNAUTHENTICATED");
        administrator.post("/users", new).await.expect(201);
    }

    async fn one_changes_the_own_password_and_is_signed_out_elsewhere(server) {
        let (here, there) = (Browser::signed_in(server, "ben").await, Browser::signed_in(server, "ben").await);
        let before = here.cookies();
        here.put("/me/password", json!({"current": "wrong", "password": NEW_PASSWORD})).await.refused(403, "REAUTHENTICATION_FAILED");
        here.put("/me/password", json!({"current": PASSWORD, "password": "ben okafor"})).await.refused(422, "VALIDATION");
        here.put("/me/password", json!({"current": PASSWORD, "password": NEW_PASSWORD})).await.expect(204);
        there.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        here.get("/me").await.expect(200);
        assert_ne!(here.cookies(), before);
        let again = Browser::new(server);
        again.post("/sign-in", json!({"username": "ben", "password": PASSWORD})).await.refused(401, "SIGN_IN_FAILED");
        again.post("/sign-in", json!({"username": "ben", "password": NEW_PASSWORD})).await.expect(200);
    }

    async fn one_sees_where_one_is_signed_in_and_ends_what_one_does_not_know(server) {
        let (here, there) = (Browser::signed_in(server, "ben").await, Browser::signed_in(server, "ben").await);
        let ana = Browser::signed_in(server, "ana").await;
        let all = here.get("/me/sign-in-sessions").await.expect(200);
        let sessions = all.body["sessions"].as_array().expect("sessions");
        assert_eq!(sessions.len(), 2);
        assert_eq!(sessions.iter().filter(|s| s["current"] == true).count(), 1);
        assert!(sessions.iter().all(|s| s["network"] == "127.0.0.1" && s["client"].is_string()), "{}", all.text);
        let other = sessions.iter().find(|s| s["current"] == false).expect("the other")["id"].as_str().expect("id").to_owned();
        ana.post(&format!("/me/sign-in-sessions/{other}/end"), json!({})).await.refused(404, "NOT_FOUND");
        there.get("/me").await.expect(200);
        here.post(&format!("/me/sign-in-sessions/{other}/end"), json!({})).await.expect(204);
        there.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        let third = Browser::signed_in(server, "ben").await;
        here.post("/me/sign-in-sessions/end-others", json!({})).await.expect(204);
        third.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        here.get("/me").await.expect(200);
    }

    async fn the_access_review_says_who_can_do_what(server) {
        let auditor = Browser::signed_in(server, "aud").await;
        let review = auditor.get("/users/access-review").await.expect(200);
        assert_eq!(review.str("policy_digest"), auditor.get("/policies").await.expect(200).str("digest"));
        let may = |username: &str, operation: &str| {
            let user = review.body["users"].as_array().expect("users").iter().find(|u| u["username"] == username).cloned().expect("there");
            user["may"].as_array().expect("may").iter().find(|m| m["operation"] == operation).map(|m| m["reach"].as_str().expect("text").to_owned())
        };
        assert_eq!(may("ana", "play_recording").as_deref(), Some("own, or granted"));
        assert_eq!(may("adm", "play_recording"), None);
        assert_eq!(may("adm", "manage_account").as_deref(), Some("others'"));
        assert_eq!(may("sam", "join_consultation"), None);
    }

    async fn an_auditor_signs_off_what_was_looked_through(server) {
        let auditor = Browser::signed_in(server, "aud").await;
        let size = auditor.get("/audit/checkpoint").await.expect(200).text.lines().nth(1).expect("a size").parse::<u64>().expect("a number");
        auditor.post("/audit/reviews", json!({"log_size": size + 10_000, "finding": "nothing_unusual", "note": ""})).await.refused(422, "VALIDATION");
        auditor.post("/audit/reviews", json!({"log_size": size, "finding": "follow_up", "note": " "})).await.refused(422, "VALIDATION");
        auditor.post("/audit/reviews", json!({"log_size": size, "finding": "fine", "note": ""})).await.refused(422, "VALIDATION");
        auditor.post("/audit/reviews", json!({"log_size": size, "finding": "nothing_unusual", "note": ""})).await.expect(201);
        let reviews = auditor.get("/audit/reviews").await.expect(200);
        assert_eq!((reviews.body["reviews"][0]["log_size"].as_u64(), reviews.body["reviews"][0]["reviewed_by"].as_str()), (Some(size), Some("Jonas Weber")));
        assert!(entries(server, "audit.reviewed").await.iter().any(|e| e["detail"]["log_size"] == size));
    }
}
