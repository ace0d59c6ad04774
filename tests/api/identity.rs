//! Signing in with a password, staying signed in, and not telling who has an account.

use crate::on_both_engines;
use crate::support::people::{Browser, send};
use crate::support::server::{Engine, PASSWORD, run_as};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

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
        browser.post("/sign-out", json!({})).await.expect(200);
        let replayed = send(Browser::new(server).request(Method::GET, "/me").header("Cookie", stolen)).await;
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
}

/// Counts of hashes are equal, and the times cannot be told apart: over many samples, interleaved, the medians differ by less than the
/// spread of either.
#[test]
fn an_unknown_account_costs_the_same_work_as_a_known_one() {
    let dear = |_: &std::path::Path, _: &mut bedside::config::Config| ();
    run_as(Engine::Sqlite, dear, async |server| {
        let passwords = server.services.password_work();
        let mut times: [Vec<f64>; 3] = [Vec::new(), Vec::new(), Vec::new()];
        let mut hashes = [0_u64; 3];
        for _ in 0..120 {
            // known with a wrong password, unknown, and a name that cannot be
            for (kind, name) in ["ben", "nobody-of-this-name", "x".repeat(70).as_str()].into_iter().enumerate() {
                let browser = Browser::new(server);
                let before = passwords();
                let began = Instant::now();
                browser.post("/sign-in", json!({"username": name, "password": "wrong"})).await.refused(401, "SIGN_IN_FAILED");
                times[kind].push(began.elapsed().as_secs_f64() * 1e3);
                hashes[kind] += passwords() - before;
            }
            // so that none of them is throttled
            server.clock.forward(Duration::from_mins(16));
        }
        assert_eq!(hashes, [120, 120, 120]);
        let middle = |all: &mut Vec<f64>| {
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[all.len() * 3 / 4] - all[all.len() / 4])
        };
        let ((known, spread), (unknown, _), (impossible, _)) = (middle(&mut times[0]), middle(&mut times[1]), middle(&mut times[2]));
        println!("known {known:.2} ms (spread {spread:.2}), unknown {unknown:.2} ms, impossible {impossible:.2} ms");
        assert!((known - unknown).abs() < spread.max(0.3 * known), "known {known} ms, unknown {unknown} ms");
        assert!((known - impossible).abs() < spread.max(0.3 * known), "known {known} ms, impossible {impossible} ms");
    });
}
