//! Second factors: roles that must have one, authenticator apps, recovery codes. Passkeys are tried in a real browser (frontend/e2e).

use crate::support::people::{Browser, Reply};
use crate::support::server::{Engine, PASSWORD, TestServer, policies, run_as};
use bedside::domain::time::Clock;
use serde_json::json;
use std::time::Duration;
use totp_rs::{Algorithm, Builder, Secret};

/// Runs a test on both engines under the policies as they are shipped: every role must have a second factor.
macro_rules! under_the_shipped_rules {
    ($($(#[$attribute:meta])* async fn $name:ident($server:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn check($server: &TestServer) $body

            fn on(engine: Engine) {
                let shipped = |folder: &std::path::Path, config: &mut bedside::config::Config| {
                    let folder = folder.join("shipped");
                    config.policies = Some(policies(&folder, true));
                };
                run_as(engine, shipped, async |server| check(server).await);
            }

            #[test]
            fn on_sqlite() {
                on(Engine::Sqlite);
            }

            #[test]
            fn on_postgres() {
                on(Engine::Postgres);
            }
        }
    )+};
}

/// An authenticator app of someone's.
pub struct App(String);

impl App {
    /// Sets one up for whoever is signed in; gives the recovery codes as well.
    pub async fn set_up(browser: &Browser, server: &TestServer) -> (Self, Vec<String>) {
        let begun = browser.post("/me/authenticator-app/begin", json!({})).await.expect(200);
        let app = Self(begun.str("secret"));
        assert!(begun.str("address").contains(&begun.str("secret")));
        let added = browser.post("/me/authenticator-app", json!({"code": app.code(server)})).await.expect(201);
        (app, added.body["recovery_codes"].as_array().expect("codes").iter().map(|c| c.as_str().expect("text").to_owned()).collect())
    }

    /// The code it shows now.
    pub fn code(&self, server: &TestServer) -> String {
        let seconds = u64::try_from(server.clock.now().as_micros() / 1_000_000).expect("after 1970");
        let secret = Secret::try_from_base32(&self.0).expect("base32");
        let totp =
            Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30).with_secret(secret).build().expect("totp");
        totp.generate(seconds).to_string()
    }
}

async fn password(browser: &Browser, username: &str) -> Reply {
    browser.post("/sign-in", json!({"username": username, "password": PASSWORD})).await
}

under_the_shipped_rules! {
    async fn whoever_must_have_a_second_factor_can_do_nothing_but_set_one_up(server) {
        let browser = Browser::new(server);
        let me = password(&browser, "ana").await.expect(200);
        assert_eq!(me.str("missing"), "second_factor");
        browser.get("/consultations").await.refused(403, "SECOND_FACTOR_REQUIRED");
        browser.post("/patients/search", json!({"text": ""})).await.refused(403, "SECOND_FACTOR_REQUIRED");
        browser.get("/me").await.expect(200);
        let (_, codes) = App::set_up(&browser, server).await;
        assert_eq!(codes.len(), 10);
        let me = browser.get("/me").await.expect(200);
        assert!(me.body["missing"].is_null() && me.str("assurance") == "multiple", "{}", me.text);
        browser.get("/consultations").await.expect(200);
        // and the last one stays
        browser.post("/me/authenticator-app/remove", json!({})).await.refused(409, "CONFLICT");
    }

    async fn the_first_factor_ends_the_sessions_that_showed_a_password_alone(server) {
        let (here, there) = (Browser::new(server), Browser::new(server));
        password(&here, "ana").await.expect(200);
        password(&there, "ana").await.expect(200);
        App::set_up(&here, server).await;
        there.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        here.get("/consultations").await.expect(200);
    }

    async fn a_code_lets_in_once_and_a_wrong_one_does_not(server) {
        let first = Browser::new(server);
        password(&first, "ana").await.expect(200);
        let (app, _) = App::set_up(&first, server).await;
        server.clock.forward(Duration::from_mins(1));
        let (one, other) = (Browser::new(server), Browser::new(server));
        for browser in [&one, &other] {
            let asked = password(browser, "ana").await.expect(202);
            assert!(asked.body["authenticator_app"] == true && asked.body["recovery_code"] == true && asked.body["passkey"] == false);
            browser.get("/me").await.refused(401, "UNAUTHENTICATED");
        }
        one.post("/sign-in/second-factor", json!({"code": "000000"})).await.refused(401, "SECOND_FACTOR_FAILED");
        one.post("/sign-in/second-factor", json!({})).await.refused(422, "VALIDATION");
        let code = app.code(server);
        one.post("/sign-in/second-factor", json!({"code": code})).await.expect(200);
        one.get("/consultations").await.expect(200);
        other.post("/sign-in/second-factor", json!({"code": code})).await.refused(401, "SECOND_FACTOR_FAILED");
        server.clock.forward(Duration::from_secs(30));
        other.post("/sign-in/second-factor", json!({"code": app.code(server)})).await.expect(200);
    }

    async fn after_five_wrong_codes_the_password_must_be_given_again(server) {
        let browser = Browser::new(server);
        password(&browser, "ana").await.expect(200);
        let (app, _) = App::set_up(&browser, server).await;
        server.clock.forward(Duration::from_mins(1));
        let guesser = Browser::new(server);
        password(&guesser, "ana").await.expect(202);
        for _ in 0..5 {
            guesser.post("/sign-in/second-factor", json!({"code": "123456"})).await.refused(401, "SECOND_FACTOR_FAILED");
        }
        guesser.post("/sign-in/second-factor", json!({"code": app.code(server)})).await.refused(401, "SIGN_IN_EXPIRED");
        // and however often they know the password, codes are counted
        password(&guesser, "ana").await.expect(202);
        for _ in 0..5 {
            guesser.post("/sign-in/second-factor", json!({"code": "123456"})).await.refused(401, "SECOND_FACTOR_FAILED");
        }
        password(&guesser, "ana").await.expect(202);
        guesser.post("/sign-in/second-factor", json!({"code": "123456"})).await.refused(429, "THROTTLED");
    }

    async fn a_half_way_sign_in_is_good_for_five_minutes_and_in_its_own_browser(server) {
        let browser = Browser::new(server);
        password(&browser, "ana").await.expect(200);
        let (app, _) = App::set_up(&browser, server).await;
        server.clock.forward(Duration::from_mins(1));
        let late = Browser::new(server);
        password(&late, "ana").await.expect(202);
        Browser::new(server).post("/sign-in/second-factor", json!({"code": app.code(server)})).await.refused(401, "SIGN_IN_EXPIRED");
        server.clock.forward(Duration::from_mins(6));
        late.post("/sign-in/second-factor", json!({"code": app.code(server)})).await.refused(401, "SIGN_IN_EXPIRED");
    }

    async fn a_recovery_code_lets_in_once_however_it_is_typed(server) {
        let browser = Browser::new(server);
        password(&browser, "ana").await.expect(200);
        let (_, codes) = App::set_up(&browser, server).await;
        let lost = Browser::new(server);
        password(&lost, "ana").await.expect(202);
        let typed = codes[0].to_uppercase().replace('-', " ");
        lost.post("/sign-in/second-factor", json!({"recovery_code": typed})).await.expect(200);
        assert_eq!(lost.get("/me/factors").await.expect(200).body["recovery_codes_left"], 9);
        let again = Browser::new(server);
        password(&again, "ana").await.expect(202);
        again.post("/sign-in/second-factor", json!({"recovery_code": codes[0]})).await.refused(401, "SECOND_FACTOR_FAILED");
        let fresh = lost.post("/me/recovery-codes", json!({})).await.expect(201);
        assert_eq!(fresh.body["recovery_codes"].as_array().map(Vec::len), Some(10));
        again.post("/sign-in/second-factor", json!({"recovery_code": codes[1]})).await.refused(401, "SECOND_FACTOR_FAILED");
    }

    async fn an_administrator_resets_the_factors_of_someone_who_lost_them(server) {
        let (ana, administrator) = (Browser::new(server), Browser::new(server));
        for (browser, username) in [(&ana, "ana"), (&administrator, "adm")] {
            password(browser, username).await.expect(200);
            App::set_up(browser, server).await;
        }
        let users = administrator.get("/users").await.expect(200);
        let user = users.body["users"].as_array().expect("users").iter().find(|u| u["username"] == "ana").cloned().expect("ana");
        assert_eq!(user["signs_in_with"], json!(["password", "authenticator_app"]));
        let id = user["id"].as_str().expect("id");
        administrator.post(&format!("/users/{id}/reset-factors"), json!({})).await.expect(204);
        ana.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        assert_eq!(password(&Browser::new(server), "ana").await.expect(200).str("missing"), "second_factor");
    }

    async fn eight_characters_do_beside_a_second_factor(server) {
        let browser = Browser::new(server);
        password(&browser, "ana").await.expect(200);
        browser.put("/me/password", json!({"current": PASSWORD, "password": "vk3 map"})).await.refused(422, "VALIDATION");
        browser.put("/me/password", json!({"current": PASSWORD, "password": "vk3 mapl"})).await.expect(204);
    }

    async fn no_secret_of_a_factor_is_readable_in_the_database(server) {
        let browser = Browser::new(server);
        password(&browser, "ana").await.expect(200);
        let (app, codes) = App::set_up(&browser, server).await;
        if !server.database.starts_with("sqlite:") {
            return;
        }
        let files = ["bedside.db", "bedside.db-wal"].map(|name| std::fs::read(server.folder.join("data").join(name)).unwrap_or_default());
        let secret = Secret::try_from_base32(&app.0).expect("base32");
        let raw: Vec<u8> = secret.as_ref().to_vec();
        for bytes in &files {
            for canary in [app.0.as_bytes(), raw.as_slice(), codes[0].as_bytes(), codes[0].replace('-', "").as_bytes()] {
                assert!(!bytes.windows(canary.len()).any(|window| window == canary));
            }
        }
        assert!(files.iter().any(|bytes| bytes.len() > 1000));
    }
}
