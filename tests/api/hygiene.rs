//! Nothing personal and nothing secret in a log line, an entry, an error or an address: canaries go through every route, in every member of
//! every body, in names, notes and tokens, and the whole of what came out is searched for them.

use crate::access::{ROUTES, Scene, body};
use crate::media::{Caller, SESSION_NAME};
use crate::on_both_engines;
use crate::support::people::{Browser, Reply, Visit, send};
use crate::support::server::{PASSWORD, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use tracing_subscriber::EnvFilter;

/// Everything that this process logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens at the most talkative level of our own code, and above what operators are told of the libraries.
fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = EnvFilter::new("info,bedside=trace,sqlx=debug,actix_server=debug");
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || writer.clone()).try_init();
        lines
    })
}

/// One canary for each kind of thing that must not get out.
const KINDS: [&str; 8] = ["name", "note", "token", "key", "sdp", "payload", "header", "query"];

fn canary(kind: &str) -> String {
    format!("canary{kind}7Qx")
}

/// Puts a canary in the place of every text of a body.
fn poisoned(value: &Value, kind: &str) -> Value {
    match value {
        Value::String(_) => Value::String(canary(kind)),
        Value::Array(all) => Value::Array(all.iter().map(|one| poisoned(one, kind)).collect()),
        Value::Object(members) => Value::Object(members.iter().map(|(name, one)| (name.clone(), poisoned(one, kind))).collect()),
        other => other.clone(),
    }
}

fn holds(what: &str, text: &str) {
    let folded = text.to_lowercase();
    for kind in KINDS {
        if let Some(at) = folded.find(&canary(kind).to_lowercase()) {
            let around: String = text.chars().skip(text[..at].chars().count().saturating_sub(120)).take(300).collect();
            panic!("the canary {kind} stands in {what}: …{around}…");
        }
    }
}

/// A refusal never repeats what was sent, and no answer sends a browser to an address with it.
fn clean(route: &str, reply: &Reply) {
    if reply.status.as_u16() >= 400 {
        holds(&format!("the refusal of {route}"), &reply.text);
    }
    for (name, value) in &reply.headers {
        // an account's or participant's own cookie is told to its own browser
        if name != "set-cookie" {
            holds(&format!("{name} of {route}"), value.to_str().unwrap_or_default());
        }
    }
}

/// Every leaf of the log and everything that is found by, as text.
async fn stored(server: &TestServer) -> String {
    use sqlx::Connection;
    let mut text = String::new();
    for sql in ["SELECT body FROM audit_entries", "SELECT name FROM audit_names", "SELECT note FROM audit_checkpoints"] {
        let rows: Vec<String> = if server.database.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&server.database).await.expect("database");
            sqlx::query(sql).fetch_all(&mut connection).await.expect("rows").iter().map(|row| row.get(0)).collect()
        } else {
            let mut connection = sqlx::PgConnection::connect(&server.database).await.expect("database");
            sqlx::query(sql).fetch_all(&mut connection).await.expect("rows").iter().map(|row| row.get(0)).collect()
        };
        assert!(!rows.is_empty(), "{sql}");
        text.extend(rows);
    }
    text
}

on_both_engines! {
    async fn canaries_go_through_every_route_and_come_out_nowhere(server) {
        let logged = lines();
        let scene = Scene::new(server).await;
        let patient = scene.visit.another(server, "related_person", "Rosa").await;
        let mut browsers = vec![Browser::new(server), patient];
        for username in ["ana", "sam", "aud", "rec", "adm"] {
            browsers.push(Browser::signed_in(server, username).await);
        }
        let mut asked = 0;
        for (method, template, _) in ROUTES {
            // what would end the others' sessions or the scene's consultation is asked of strangers below
            let ends = ["/sign-out", "/end-others", "/suspend", "/end", "/cancel", "/leave"].iter().any(|end| template.ends_with(end));
            for (n, browser) in browsers.iter().enumerate() {
                if ends && n > 0 {
                    continue;
                }
                for kind in ["name", "token", "sdp"] {
                    let path = scene.path(template);
                    let path = if *method == "GET" && !path.contains('?') { format!("{path}?unknown={}", canary("query")) } else { path };
                    let request = browser.request(method.parse::<Method>().expect("method"), &path).header("X-Canary", canary("header"));
                    let poisoned = if *method == "GET" { request } else { request.json(&poisoned(&body(template), kind)) };
                    let reply = send(poisoned).await;
                    assert!(reply.status.as_u16() < 500, "{method} {template}: {}", reply.text);
                    clean(&format!("{method} {template}"), &reply);
                    asked += 1;
                }
                let junk = browser.request(method.parse::<Method>().expect("method"), &scene.path(template)).header("Content-Type", "application/json");
                let reply = send(junk.body(format!("{{\"{}\": \"{}\"", canary("payload"), canary("payload")))).await;
                clean(&format!("{method} {template}"), &reply);
            }
        }
        assert!(asked > 1_000, "{asked}");

        // names and notes that are good, where they belong
        let ana = Browser::signed_in(server, "ana").await;
        let details = json!({"identifier": canary("key"), "name": canary("name"), "birth_date": "1971-02-03", "language": "en", "call_back_number": null});
        let id = ana.post("/patients", details).await.expect(201).str("id");
        ana.post("/patients/search", json!({"text": canary("name")})).await.expect(200);
        ana.post("/sign-in", json!({"username": canary("name"), "password": canary("token")})).await.refused(401, "SIGN_IN_FAILED");
        let consultation = ana.post("/consultations", json!({"patient_id": id, "starts_at": null})).await.expect(201).str("id");
        let hint = json!({"role": "patient", "name_hint": canary("name")});
        let link = ana.post(&format!("/consultations/{consultation}/invitations"), hint).await.expect(201).str("link");
        let (invitation, secret) = crate::support::people::parts(&link);
        let guest = Browser::new(server);
        guest.post(&format!("/invitations/{invitation}/redeem"), json!({"secret": secret})).await.expect(200);
        guest.put(&format!("/consultations/{consultation}/participants/me"), json!({"name": canary("name"), "language": "en"})).await.expect(200);
        let aud = Browser::signed_in(server, "aud").await;
        let size = aud.post("/audit/search", json!({})).await.expect(200).body["size"].as_u64().expect("size");
        aud.post("/audit/reviews", json!({"log_size": size, "finding": "follow_up", "note": canary("note")})).await.expect(201);
        let disclosed = json!({"patient": id, "on": "2026-01-02", "recipient": canary("name"), "address": canary("payload"), "description": canary("note"), "purpose": canary("note")});
        aud.post("/audit/disclosures", disclosed).await.expect(204);
        aud.post("/audit/searches", json!({"name": canary("name"), "search": {"text": canary("token")}})).await.expect(201);
        aud.post("/audit/patients", json!({"text": canary("name")})).await.expect(200);
        for report in ["disclosures", "access"] {
            aud.post(&format!("/audit/reports/{report}"), json!({"patient": id})).await.expect(200);
        }
        let visit = Visit::new(server).await;
        // an offer that is accepted, and what is written in the chat of the call
        let in_call = Caller::new(visit.clinician.join(&visit.id).await, 1_000).await;
        assert_eq!(SESSION_NAME, canary("sdp"));
        in_call.write(&canary("payload")).await;
        drop(in_call);
        let mut socket = visit.clinician.join(&visit.id).await;
        socket.snapshot("the room", |_| true).await;
        socket.say(json!({"type": "offer", "sdp": canary("sdp"), "key_epoch": 0})).await;
        socket.until("a refusal", |m| m["type"] == "error").await;
        socket.say(json!({"type": canary("payload")})).await;
        let _ = socket.close_code().await;

        let log = String::from_utf8_lossy(&logged.0.lock().expect("lines")).into_owned();
        assert!(!log.is_empty(), "something was logged");
        holds("the log", &log);
        for secret in [&secret, PASSWORD] {
            assert!(!log.contains(secret), "a secret stands in the log");
        }
        let entries = stored(server).await;
        holds("the audit log", &entries);
        for word in ["1971-02-03", "Rosa", "Abernathy", "127.0.0.1", secret.as_str(), PASSWORD] {
            assert!(!entries.contains(word), "{word} stands in the audit log");
        }
    }
}
