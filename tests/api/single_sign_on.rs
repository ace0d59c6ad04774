//! Single sign-on against a hostile provider: it plays the bad cases of the conformance suite, in ID tokens and in logout tokens, and now
//! and then a good one. A certified provider is met in the browser tests.

use crate::support::people::{Browser, Reply, send};
use crate::support::server::{Engine, TestServer, run_as};
use actix_web::{App, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside::domain::time::Clock;
use bedside::identity::provider::ProviderConfig;
use ed25519_dalek::{Signer, SigningKey};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CLIENT: &str = "bedside";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What the provider answers next.
#[derive(Clone)]
struct Plan {
    /// Claims that replace or (with null) take away those of a good token.
    claims: Value,
    /// Members of the token's head.
    head: Value,
    /// Which of its keys signs; an unknown one does not stand in the key set.
    key: u8,
    /// Keys in the key set.
    published: Vec<u8>,
    /// Members that the user information adds.
    userinfo: Value,
    /// The signature is spoilt.
    spoilt: bool,
}

impl Plan {
    fn good() -> Self {
        Self { claims: json!({}), head: json!({}), key: 1, published: vec![1], userinfo: json!({}), spoilt: false }
    }
}

struct Provider {
    origin: String,
    plan: Mutex<Plan>,
    nonce: Mutex<String>,
    /// How often the key set was read.
    keys_read: Mutex<u32>,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn merged(base: &Value, changes: &Value) -> Map<String, Value> {
    let mut all = base.as_object().expect("an object").clone();
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    all
}

/// A signed token (RFC 7515, compact).
fn token(head: &Map<String, Value>, claims: &Map<String, Value>, signer: u8, spoilt: bool) -> String {
    let encode = |value: &Map<String, Value>| URL_SAFE_NO_PAD.encode(serde_json::to_string(value).expect("JSON"));
    let message = format!("{}.{}", encode(head), encode(claims));
    if head.get("alg") == Some(&json!("none")) {
        return format!("{message}.");
    }
    let mut signature = key(signer).sign(message.as_bytes()).to_bytes();
    if spoilt {
        signature[5] ^= 1;
    }
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl Provider {
    fn now(server: &TestServer) -> i64 {
        server.clock.now().as_micros() / 1_000_000
    }

    fn id_token(&self, now: i64) -> String {
        let plan = self.plan.lock().expect("plan").clone();
        let head = merged(&json!({"alg": "EdDSA", "typ": "JWT", "kid": format!("k{}", plan.key)}), &plan.head);
        let claims = json!({
            "iss": self.origin, "sub": "subject-1", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": *self.nonce.lock().expect("nonce"),
            "sid": "their-session", "preferred_username": "greta", "name": "Greta Holm", "groups": ["bedside-clinicians"], "amr": ["mfa"],
        });
        token(&head, &merged(&claims, &plan.claims), plan.key, plan.spoilt)
    }

    fn logout_token(&self, server: &TestServer, changes: &Value, head: &Value) -> String {
        let now = Self::now(server);
        let claims = json!({
            "iss": self.origin, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": format!("jti-{}", unique()),
            "sub": "subject-1", "sid": "their-session",
            "events": {EVENT: {}},
        });
        let head = merged(&json!({"alg": "EdDSA", "typ": "logout+jwt", "kid": "k1"}), head);
        token(&head, &merged(&claims, changes), 1, false)
    }
}

/// A number that no other token has.
fn unique() -> u32 {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Starts the provider, and a server that trusts it.
fn with_provider(engine: Engine, test: impl AsyncFnOnce(&TestServer, &Provider)) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
    let provider =
        Arc::new(Provider { origin: origin.clone(), plan: Mutex::new(Plan::good()), nonce: Mutex::default(), keys_read: Mutex::default() });
    let change = |_: &std::path::Path, config: &mut bedside::config::Config| {
        let one = |id: &str, issuer: &str| {
            let lines =
                format!("id = \"{id}\"\nname = \"Clinic account\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\njust_in_time = true\n");
            toml::from_str::<ProviderConfig>(&lines).expect("a provider")
        };
        config.providers = vec![one("hostile", &origin), one("silent", "http://127.0.0.1:9")];
    };
    let of_test = Arc::clone(&provider);
    run_as(engine, change, async |server| {
        let shared = web::Data::from(Arc::clone(&of_test));
        let clock = Arc::clone(&server.clock);
        let make = move || {
            let clock = Arc::clone(&clock);
            App::new()
                .app_data(shared.clone())
                .route("/.well-known/openid-configuration", web::get().to(discovery))
                .route("/keys", web::get().to(keys))
                .route("/userinfo", web::get().to(userinfo))
                .route(
                    "/token",
                    web::post().to(move |provider: web::Data<Provider>| {
                        let now = clock.now().as_micros() / 1_000_000;
                        async move {
                            HttpResponse::Ok()
                                .json(json!({"access_token": "a", "token_type": "Bearer", "id_token": provider.id_token(now)}))
                        }
                    }),
                )
        };
        let running = HttpServer::new(make).workers(1).disable_signals().listen(listener).expect("listens").run();
        let handle = running.handle();
        let task = tokio::spawn(running);
        test(server, &of_test).await;
        handle.stop(false).await;
        let _ = task.await;
    });
}

async fn discovery(provider: web::Data<Provider>) -> HttpResponse {
    let at = |path: &str| format!("{}{path}", provider.origin);
    HttpResponse::Ok().json(json!({
        "issuer": provider.origin, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
        "userinfo_endpoint": at("/userinfo"), "end_session_endpoint": at("/logout"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(provider: web::Data<Provider>) -> HttpResponse {
    *provider.keys_read.lock().expect("count") += 1;
    let published = provider.plan.lock().expect("plan").published.clone();
    let keys: Vec<_> = published
        .into_iter()
        .map(|n| {
            let x = URL_SAFE_NO_PAD.encode(key(n).verifying_key().to_bytes());
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": format!("k{n}"), "x": x})
        })
        .collect();
    HttpResponse::Ok().json(json!({"keys": keys}))
}

async fn userinfo(provider: web::Data<Provider>) -> HttpResponse {
    let changes = provider.plan.lock().expect("plan").userinfo.clone();
    HttpResponse::Ok().json(merged(&json!({"sub": "subject-1"}), &changes))
}

/// What is wrong, the code it is refused with, and how it is made at an instant (seconds).
type Case<T> = (&'static str, &'static str, fn(i64) -> T);

/// The parameters of an address.
fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').expect("a query").1;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_else(|| panic!("{name} in {address}")).to_owned()
}

/// Goes to the provider and comes back with what it plans; gives the answer of the callback.
async fn there_and_back(provider: &Provider, browser: &Browser, plan: Plan, back: impl FnOnce(&str) -> String) -> Reply {
    *provider.plan.lock().expect("plan") = plan;
    let address = browser.post("/sign-in/providers/hostile", json!({"back": "/recordings"})).await.expect(200).str("address");
    assert!(address.starts_with(&format!("{}/authorize?", provider.origin)), "{address}");
    assert_eq!(parameter(&address, "code_challenge_method"), "S256");
    *provider.nonce.lock().expect("nonce") = parameter(&address, "nonce");
    let query = back(&parameter(&address, "state"));
    send(browser.request(Method::GET, &format!("/sign-in/callback?{query}"))).await
}

fn usual(provider: &Provider) -> impl Fn(&str) -> String + use<'_> {
    move |state| format!("code=c&state={state}&iss={}", provider.origin)
}

fn place(reply: &Reply) -> String {
    assert_eq!(reply.status.as_u16(), 303, "{}", reply.text);
    reply.headers["location"].to_str().expect("text").to_owned()
}

/// The newest entry of an event.
async fn newest(server: &TestServer, event: &str) -> Value {
    let wanted = json!({"text": event, "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 1});
    Browser::signed_in(server, "aud").await.post("/audit/search", wanted).await.expect(200).body["entries"][0].clone()
}

macro_rules! against_the_provider {
    ($($(#[$attribute:meta])* async fn $name:ident($server:ident, $provider:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn check($server: &TestServer, $provider: &Provider) $body

            #[test]
            fn on_sqlite() {
                with_provider(Engine::Sqlite, async |server, provider| check(server, provider).await);
            }

            #[test]
            fn on_postgres() {
                with_provider(Engine::Postgres, async |server, provider| check(server, provider).await);
            }
        }
    )+};
}

against_the_provider! {
    async fn whom_the_provider_vouches_for_gets_an_account_of_the_role_its_claims_give(server, provider) {
        let browser = Browser::new(server);
        let reply = there_and_back(provider, &browser, Plan::good(), usual(provider)).await;
        assert_eq!(place(&reply), "/recordings");
        let me = browser.get("/me").await.expect(200);
        assert_eq!((me.str("username").as_str(), me.str("role").as_str(), me.str("assurance").as_str()), ("greta", "clinician", "multiple"));
        let config = browser.get("/config").await.expect(200);
        assert_eq!(config.body["providers"][0], json!({"id": "hostile", "name": "Clinic account"}));
        // the next time it is the same account, and its role follows the provider's word
        let plan = Plan { claims: json!({"groups": "bedside-auditors"}), ..Plan::good() };
        let again = Browser::new(server);
        there_and_back(provider, &again, plan, usual(provider)).await;
        let later = again.get("/me").await.expect(200);
        assert_eq!((later.str("id"), later.str("role").as_str()), (me.str("id"), "auditor"));
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        // a name that is taken belongs to whoever has it: another subject gets another account
        let plan = Plan { claims: json!({"sub": "subject-2", "preferred_username": "ana"}), userinfo: json!({"sub": "subject-2"}), ..Plan::good() };
        let other = Browser::new(server);
        there_and_back(provider, &other, plan, usual(provider)).await;
        assert_eq!(other.get("/me").await.expect(200).str("username"), "ana.hostile");
    }

    async fn what_the_provider_gets_wrong_lets_nobody_in(server, provider) {
        let cases: [Case<Plan>; 17] = [
            ("another issuer", "issuer", |_| Plan { claims: json!({"iss": "https://evil.example"}), ..Plan::good() }),
            ("another audience", "audience", |_| Plan { claims: json!({"aud": "someone-else"}), ..Plan::good() }),
            ("an audience more", "audience", |_| Plan { claims: json!({"aud": ["bedside", "someone-else"]}), ..Plan::good() }),
            ("a spoilt signature", "signature", |_| Plan { spoilt: true, ..Plan::good() }),
            ("another's signature", "signature", |_| Plan { key: 9, head: json!({"kid": "k1"}), ..Plan::good() }),
            ("another nonce", "nonce", |_| Plan { claims: json!({"nonce": "another"}), ..Plan::good() }),
            ("no nonce", "nonce", |_| Plan { claims: json!({"nonce": null}), ..Plan::good() }),
            ("no subject", "", |_| Plan { claims: json!({"sub": null}), ..Plan::good() }),
            ("no time of issue", "", |_| Plan { claims: json!({"iat": null}), ..Plan::good() }),
            ("no audience", "", |_| Plan { claims: json!({"aud": null}), ..Plan::good() }),
            ("no algorithm", "", |_| Plan { head: json!({"alg": "none"}), ..Plan::good() }),
            ("an algorithm with a shared secret", "algorithm", |_| Plan { head: json!({"alg": "HS256"}), ..Plan::good() }),
            ("expired beyond the skew", "time", |now| Plan { claims: json!({"exp": now - 61, "iat": now - 300}), ..Plan::good() }),
            ("issued in the future", "time", |now| Plan { claims: json!({"iat": now + 120}), ..Plan::good() }),
            ("issued long ago", "time", |now| Plan { claims: json!({"iat": now - 3600}), ..Plan::good() }),
            ("a key nobody knows", "unknown_key", |_| Plan { key: 7, ..Plan::good() }),
            ("someone else in the user information", "userinfo_subject", |_| Plan { userinfo: json!({"sub": "another"}), ..Plan::good() }),
        ];
        for (what, code, plan) in cases {
            let browser = Browser::new(server);
            let reply = there_and_back(provider, &browser, plan(Provider::now(server)), usual(provider)).await;
            assert_eq!(place(&reply), "/sign-in?problem=PROVIDER_REFUSED", "{what}");
            browser.get("/me").await.refused(401, "UNAUTHENTICATED");
            let entry = newest(server, "sign_in.provider_refused").await;
            assert!(code.is_empty() || entry["detail"]["reason"] == code, "{what}: {entry}");
            assert_eq!(entry["outcome"], "denied");
            // so that none is throttled
            server.clock.forward(Duration::from_mins(16));
        }
    }

    async fn within_the_skew_and_under_every_allowed_form_a_token_is_good(server, provider) {
        let now = Provider::now(server);
        for claims in [json!({"exp": now - 30, "iat": now - 200}), json!({"iat": now + 30}), json!({"aud": ["bedside"]})] {
            let browser = Browser::new(server);
            let reply = there_and_back(provider, &browser, Plan { claims: claims.clone(), ..Plan::good() }, usual(provider)).await;
            assert_eq!(place(&reply), "/recordings", "{claims}");
        }
    }

    async fn what_comes_back_must_be_the_answer_to_what_was_asked(server, provider) {
        let refused = "/sign-in?problem=PROVIDER_REFUSED";
        let browser = Browser::new(server);
        let other_state = there_and_back(provider, &browser, Plan::good(), |_| format!("code=c&state=other&iss={}", provider.origin)).await;
        assert_eq!(place(&other_state), refused);
        let other_issuer = there_and_back(provider, &browser, Plan::good(), |state| format!("code=c&state={state}&iss=https://evil.example")).await;
        assert_eq!(place(&other_issuer), refused);
        assert_eq!(newest(server, "sign_in.provider_refused").await["detail"]["reason"], "response_issuer");
        let no_issuer = there_and_back(provider, &browser, Plan::good(), |state| format!("code=c&state={state}")).await;
        assert_eq!(place(&no_issuer), refused);
        assert_eq!(newest(server, "sign_in.provider_refused").await["detail"]["reason"], "response_issuer_missing");
        let said_no = there_and_back(provider, &browser, Plan::good(), |state| format!("error=access_denied&state={state}&iss={}", provider.origin)).await;
        assert_eq!(place(&said_no), refused);
        // an answer is taken once, and in the browser that asked
        let mut seen = String::new();
        let good = there_and_back(provider, &browser, Plan::good(), |state| { seen = usual(provider)(state); seen.clone() }).await;
        assert_eq!(place(&good), "/recordings");
        let replayed = send(browser.request(Method::GET, &format!("/sign-in/callback?{seen}"))).await;
        assert_eq!(place(&replayed), refused);
        let address = browser.post("/sign-in/providers/hostile", json!({})).await.expect(200).str("address");
        let elsewhere = send(Browser::new(server).request(Method::GET, &format!("/sign-in/callback?{}", usual(provider)(&parameter(&address, "state"))))).await;
        assert_eq!(place(&elsewhere), refused);
        Browser::new(server).post("/sign-in/providers/nobody", json!({})).await.refused(404, "NOT_FOUND");
        Browser::new(server).post("/sign-in/providers/silent", json!({})).await.refused(502, "PROVIDER_UNAVAILABLE");
        let away = Browser::new(server);
        away.post("/sign-in/providers/hostile", json!({"back": "//evil.example"})).await.expect(200);
    }

    async fn a_new_key_is_looked_for_once_and_not_all_the_time(server, provider) {
        let browser = Browser::new(server);
        assert_eq!(place(&there_and_back(provider, &browser, Plan::good(), usual(provider)).await), "/recordings");
        let rotated = Plan { key: 2, published: vec![2], ..Plan::good() };
        assert_eq!(place(&there_and_back(provider, &Browser::new(server), rotated.clone(), usual(provider)).await), "/recordings");
        let read = *provider.keys_read.lock().expect("count");
        for _ in 0..3 {
            let unknown = Plan { key: 7, ..rotated.clone() };
            let reply = there_and_back(provider, &Browser::new(server), unknown, usual(provider)).await;
            assert_eq!(place(&reply), "/sign-in?problem=PROVIDER_REFUSED");
        }
        assert_eq!(*provider.keys_read.lock().expect("count"), read, "garbage does not make the server knock");
        server.clock.forward(Duration::from_secs(31));
        let again = Plan { key: 3, published: vec![3], ..Plan::good() };
        assert_eq!(place(&there_and_back(provider, &Browser::new(server), again, usual(provider)).await), "/recordings");
    }

    async fn whom_no_rule_gives_a_role_stays_out_and_one_factor_there_needs_a_second_here(server, provider) {
        let browser = Browser::new(server);
        let nobody = Plan { claims: json!({"groups": ["staff"]}), ..Plan::good() };
        assert_eq!(place(&there_and_back(provider, &browser, nobody, usual(provider)).await), "/sign-in?problem=PROVIDER_NO_ROLE");
        let weak = Plan { claims: json!({"amr": ["pwd"]}), ..Plan::good() };
        assert_eq!(place(&there_and_back(provider, &browser, weak.clone(), usual(provider)).await), "/recordings");
        assert_eq!(browser.get("/me").await.expect(200).str("assurance"), "single");
        crate::second_factors::App::set_up(&browser, server).await;
        let again = Browser::new(server);
        let reply = there_and_back(provider, &again, weak, usual(provider)).await;
        assert_eq!(place(&reply), "/sign-in?second-factor=app.recovery");
        again.get("/me").await.refused(401, "UNAUTHENTICATED");
    }

    async fn whoever_loses_their_role_there_is_out_here(server, provider) {
        let browser = Browser::new(server);
        assert_eq!(place(&there_and_back(provider, &browser, Plan::good(), usual(provider)).await), "/recordings");
        let id = browser.get("/me").await.expect(200).str("id");
        let without = Plan { claims: json!({"groups": ["staff"]}), ..Plan::good() };
        assert_eq!(place(&there_and_back(provider, &Browser::new(server), without, usual(provider)).await), "/sign-in?problem=PROVIDER_NO_ROLE");
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        assert_eq!(place(&there_and_back(provider, &Browser::new(server), Plan::good(), usual(provider)).await), "/sign-in?problem=PROVIDER_REFUSED");
        let administrator = Browser::signed_in(server, "adm").await;
        administrator.post(&format!("/users/{id}/restore"), json!({})).await.expect(204);
        assert_eq!(place(&there_and_back(provider, &Browser::new(server), Plan::good(), usual(provider)).await), "/recordings");
    }

    async fn a_dangerous_act_is_proved_at_the_provider_by_who_is_signed_in(server, provider) {
        let browser = Browser::new(server);
        there_and_back(provider, &browser, Plan { claims: json!({"groups": "bedside-administrators"}), ..Plan::good() }, usual(provider)).await;
        server.clock.forward(Duration::from_mins(11));
        let new = json!({"username": "nora", "display_name": "Nora", "role": "auditor"});
        browser.post("/users", new.clone()).await.refused(403, "REAUTHENTICATE");
        let prove = async |plan: Plan| {
            *provider.plan.lock().expect("plan") = plan;
            let address = browser.post("/me/prove/provider", json!({"back": "/users"})).await.expect(200).str("address");
            assert_eq!((parameter(&address, "prompt").as_str(), parameter(&address, "max_age").as_str()), ("login", "0"));
            *provider.nonce.lock().expect("nonce") = parameter(&address, "nonce");
            let query = usual(provider)(&parameter(&address, "state"));
            place(&send(browser.request(Method::GET, &format!("/sign-in/callback?{query}"))).await)
        };
        let now = Provider::now(server);
        let groups = "bedside-administrators";
        let refused = "/sign-in?problem=PROVIDER_REFUSED";
        assert_eq!(prove(Plan { claims: json!({"groups": groups}), ..Plan::good() }).await, refused, "without auth_time");
        assert_eq!(prove(Plan { claims: json!({"groups": groups, "auth_time": now - 600}), ..Plan::good() }).await, refused, "proved long ago");
        let other = Plan { claims: json!({"groups": groups, "auth_time": now, "sub": "subject-9"}), userinfo: json!({"sub": "subject-9"}), ..Plan::good() };
        assert_eq!(prove(other).await, refused, "someone else");
        assert_eq!(prove(Plan { claims: json!({"groups": groups, "auth_time": now}), ..Plan::good() }).await, "/users");
        browser.post("/users", new).await.expect(201);
    }

    async fn signing_out_leads_to_the_provider_and_its_word_ends_sessions_at_once(server, provider) {
        let browser = Browser::new(server);
        there_and_back(provider, &browser, Plan::good(), usual(provider)).await;
        let patient = json!({"identifier": "MRN-1", "name": "Quillon Abernathy", "birth_date": "1971-02-03", "language": "en", "call_back_number": null});
        let patient = browser.post("/patients", patient).await.expect(201).str("id");
        let id = browser.post("/consultations", json!({"patient_id": patient, "starts_at": null})).await.expect(201).str("id");
        let mut socket = browser.join(&id).await;
        socket.snapshot("the room", |_| true).await;
        let tell = async |token: String| {
            let request = reqwest::Client::new().post(format!("http://localhost:{}/api/v1/sign-in/back-channel-logout/hostile", server.address.port()));
            request.header("Content-Type", "application/x-www-form-urlencoded").body(format!("logout_token={token}")).send().await.expect("answer").status().as_u16()
        };
        let good = provider.logout_token(server, &json!({}), &json!({}));
        let began = Instant::now();
        assert_eq!(tell(good.clone()).await, 200);
        assert_eq!(socket.close_code().await, 4401);
        assert!(began.elapsed() < Duration::from_millis(200), "it took {:?}", began.elapsed());
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        let entry = newest(server, "sign_in.provider_ended").await;
        assert_eq!(entry["detail"]["count"], 1);
        assert_eq!(tell(good).await, 400, "a token is obeyed once");
        // by the subject alone, all their sessions end; by the provider's session, that one
        let (one, other) = (Browser::new(server), Browser::new(server));
        there_and_back(provider, &one, Plan { claims: json!({"sid": "first"}), ..Plan::good() }, usual(provider)).await;
        there_and_back(provider, &other, Plan { claims: json!({"sid": "second"}), ..Plan::good() }, usual(provider)).await;
        assert_eq!(tell(provider.logout_token(server, &json!({"sub": null, "sid": "first"}), &json!({}))).await, 200);
        one.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        other.get("/me").await.expect(200);
        assert_eq!(tell(provider.logout_token(server, &json!({"sid": null}), &json!({}))).await, 200);
        other.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        // signing out here leads there
        let last = Browser::new(server);
        there_and_back(provider, &last, Plan::good(), usual(provider)).await;
        let address = last.post("/sign-out", json!({})).await.expect(200).str("address");
        assert!(address.starts_with(&format!("{}/logout?client_id=bedside&post_logout_redirect_uri=", provider.origin)), "{address}");
    }

    async fn a_bad_logout_token_ends_nothing(server, provider) {
        let browser = Browser::new(server);
        there_and_back(provider, &browser, Plan::good(), usual(provider)).await;
        let tell = async |body: String| {
            let request = reqwest::Client::new().post(format!("http://localhost:{}/api/v1/sign-in/back-channel-logout/hostile", server.address.port()));
            let answer = request.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await.expect("answer");
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap_or(Value::Null)["code"].as_str().unwrap_or_default().to_owned())
        };
        let cases: [(Case<Value>, Value); 16] = [
            (("another issuer", "issuer", |_| json!({"iss": "https://evil.example"})), json!({})),
            (("another audience", "audience", |_| json!({"aud": "someone-else"})), json!({})),
            (("no audience", "audience", |_| json!({"aud": null})), json!({})),
            (("no event", "event", |_| json!({"events": null})), json!({})),
            (("another event", "event", |_| json!({"events": {"http://example.com/other": {}}})), json!({})),
            (("an event that is no object", "event", |_| json!({"events": {EVENT: "yes"}})), json!({})),
            (("a nonce", "nonce", |_| json!({"nonce": "n"})), json!({})),
            (("nobody", "nobody", |_| json!({"sub": null, "sid": null})), json!({})),
            (("no token id", "token_id", |_| json!({"jti": null})), json!({})),
            (("no time of issue", "issued_at_missing", |_| json!({"iat": null})), json!({})),
            (("issued long ago", "issued_at", |now| json!({"iat": now - 3600})), json!({})),
            (("issued in the future", "issued_at", |now| json!({"iat": now + 600})), json!({})),
            (("expired", "expired", |now| json!({"exp": now - 61})), json!({})),
            (("no algorithm", "algorithm", |_| json!({})), json!({"alg": "none"})),
            (("an algorithm with a shared secret", "algorithm", |_| json!({})), json!({"alg": "HS256"})),
            (("another kind of token", "type", |_| json!({})), json!({"typ": "at+jwt"})),
        ];
        for ((what, reason, claims), head) in cases {
            let answer = tell(format!("logout_token={}", provider.logout_token(server, &claims(Provider::now(server)), &head))).await;
            assert_eq!(answer, (400, "LOGOUT_TOKEN".to_owned()), "{what}");
            let entry = newest(server, "sign_in.logout_token_refused").await;
            assert_eq!(entry["detail"]["reason"], reason, "{what}");
            server.clock.forward(Duration::from_millis(1));
            browser.get("/me").await.expect(200);
            // ten in a quarter of an hour would be throttled
            if reason == "token_id" {
                server.clock.forward(Duration::from_mins(14));
                browser.get("/me").await.expect(200);
                server.clock.forward(Duration::from_mins(2));
            }
        }
        // signed by another key, cut short, no token at all
        let good = provider.logout_token(server, &json!({}), &json!({}));
        let (message, _) = good.rsplit_once('.').expect("a signature");
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(key(9).sign(message.as_bytes()).to_bytes()));
        for bad in [forged, message.to_owned(), "x.y.z".to_owned()] {
            assert_eq!(tell(format!("logout_token={bad}")).await.0, 400, "{bad}");
        }
        assert_eq!(tell("nothing=1".to_owned()).await, (400, "MALFORMED".to_owned()));
        browser.get("/me").await.expect(200);
        // however many bad ones there were, a good one is obeyed
        assert_eq!(tell(format!("logout_token={good}")).await.0, 200);
        browser.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
    }
}
