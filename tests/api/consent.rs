//! Consent: what is asked before the lobby, decisions and their signatures, recording with everyone's consent, withdrawal. What the server
//! does, whatever a page believes. Media itself is in `media.rs` and in the browser tests.

use crate::on_both_engines;
use crate::support::decisions::{self, CARE, RECORDING, answer, decide, send, signed, signed_es256, statement, withdraw};
use crate::support::people::{Browser, Socket, Visit};
use crate::support::server::{Engine, TestServer, policies, run_as};
use bedside::domain::access::Caller;
use bedside::domain::audit::{Entry, Event};
use bedside::domain::id::{EntryId, PartId, RecordingId};
use bedside::domain::time::Timestamp;
use bedside::storage::audit::NewEntry;
use bedside::storage::database::Database;
use bedside::storage::recordings::{self, StoredPart};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub struct Call {
    pub visit: Visit,
    pub patient: Browser,
    pub ana: Socket,
    pub guest: Socket,
}

/// A clinician and a patient in a call.
pub async fn call(server: &TestServer) -> Call {
    let visit = Visit::new(server).await;
    let patient = visit.patient(server).await;
    let ana = visit.clinician.join(&visit.id).await;
    let guest = enter(&visit, &patient).await;
    Call { visit, patient, ana, guest }
}

/// Brings someone through the lobby into the call.
async fn enter(visit: &Visit, who: &Browser) -> Socket {
    enter_seeing(visit, who).await.0
}

/// The same, with the first snapshot of the call.
async fn enter_seeing(visit: &Visit, who: &Browser) -> (Socket, Value) {
    let mut socket = who.join(&visit.id).await;
    let id = own_id(&mut socket).await;
    admit(visit, &id).await.expect(204);
    let seen = socket.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
    (socket, seen)
}

async fn own_id(socket: &mut Socket) -> String {
    socket.snapshot("a snapshot", |_| true).await["self"]["id"].as_str().expect("id").to_owned()
}

async fn admit(visit: &Visit, id: &str) -> crate::support::people::Reply {
    visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await
}

async fn ask(call: &Call) -> String {
    call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.expect(201).str("id")
}

/// Asks, and both permit.
pub async fn recorded(call: &mut Call) -> String {
    let recording = ask(call).await;
    for browser in [&call.visit.clinician, &call.patient] {
        decide(browser, &call.visit.id, &recording, "permit").await.expect(201);
    }
    call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
    recording
}

fn parts_on_disk(server: &TestServer) -> usize {
    let folders = std::fs::read_dir(server.folder.join("recordings")).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    folders.iter().map(|folder| std::fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum()
}

async fn recording_of(call: &Call, recording: &str) -> Value {
    let all = call.visit.clinician.get(&call.visit.path("/recordings")).await.expect(200).body;
    all["recordings"].as_array().expect("recordings").iter().find(|r| r["id"] == recording).expect("there").clone()
}

async fn state(call: &Call, recording: &str) -> String {
    recording_of(call, recording).await["state"].as_str().expect("state").to_owned()
}

pub async fn until_state(call: &Call, recording: &str, wanted: &str) {
    let found = async {
        while state(call, recording).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.unwrap_or_else(|_| panic!("never {wanted}"));
}

/// What the log says of these events about a consultation or recording.
async fn entries(server: &TestServer, text: &str, event: &str) -> Vec<Value> {
    let search = json!({"text": text, "event": event, "outcome": null, "from": null, "to": null, "before": null, "limit": 50});
    let found = Browser::signed_in(server, "aud").await.post("/audit/search", search).await.expect(200);
    found.body["entries"].as_array().expect("entries").clone()
}

/// Changes one line of the rules of consent.
fn rule(folder: &Path, from: &str, to: &str) {
    let path = policies(folder, false).join("consent.toml");
    let text = std::fs::read_to_string(&path).expect("rules");
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replace(from, to)).expect("rules");
}

fn under(from: &str, to: &str, test: &impl AsyncFn(&TestServer)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run_as(engine, |folder, _| rule(folder, from, to), async |server| test(server).await);
    }
}

on_both_engines! {
    async fn the_lobby_is_shut_until_care_by_video_is_permitted(server) {
        let visit = Visit::new(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        let patient = visit.undecided(server).await;
        assert_eq!(patient.get(&visit.path("/participants/me")).await.expect(200).str("place"), "invited");
        patient.post(&visit.path("/join-tickets"), json!({})).await.refused(409, "CONSENT_REQUIRED");
        let wanted = patient.get(&visit.path("/consents/wanted?language=ar")).await.expect(200).body["wanted"].clone();
        assert_eq!(wanted.as_array().map(Vec::len), Some(1));
        assert_eq!((wanted[0]["text"]["text"].as_str(), wanted[0]["text"]["language"].as_str()), (Some(CARE), Some("ar")));
        assert_eq!((wanted[0]["text"]["required"].as_bool(), wanted[0]["decision"].is_null()), (Some(true), true));

        assert_eq!(answer(&patient, &visit.id, CARE, &[]).await.expect(201).str("place"), "invited");
        patient.post(&visit.path("/join-tickets"), json!({})).await.refused(409, "CONSENT_REQUIRED");
        let told = ana.snapshot("the decline", |s| s["declined"][0]["name"] == "Quillon").await;
        assert_eq!((told["declined"][0]["role"].as_str(), told["declined"][0]["withdrawn"].as_bool()), (Some("patient"), Some(false)));

        let allowed = answer(&patient, &visit.id, CARE, &["care_by_video"]).await.expect(201);
        assert_eq!(allowed.str("place"), "lobby");
        let mut socket = patient.join(&visit.id).await;
        socket.snapshot("the lobby", |s| s["self"]["place"] == "lobby").await;
        ana.snapshot("the decline is gone", |s| s["declined"].is_null()).await;
    }

    async fn whoever_withdraws_care_by_video_is_out_of_the_call_and_the_clinician_told(server) {
        let mut call = call(server).await;
        let body = json!({"text": CARE});
        let done = call.patient.post(&call.visit.path("/consents/withdraw"), body.clone()).await.expect(201);
        assert_eq!(done.str("place"), "invited");
        assert_eq!(call.guest.close_code().await, 1000);
        call.ana.snapshot("told", |s| s["declined"][0]["withdrawn"] == true && s["participants"].as_array().map(Vec::len) == Some(1)).await;
        call.patient.post(&call.visit.path("/join-tickets"), json!({})).await.refused(409, "CONSENT_REQUIRED");
        call.patient.post(&call.visit.path("/consents/withdraw"), body).await.refused(409, "CONSENT_MISMATCH");
        assert_eq!(answer(&call.patient, &call.visit.id, CARE, &["care_by_video"]).await.expect(201).str("place"), "lobby");
        enter(&call.visit, &call.patient).await;
        call.patient.post(&call.visit.path("/consents/withdraw"), json!({})).await.refused(400, "MALFORMED");
    }

    async fn an_interpreter_and_a_related_person_decide_for_themselves(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let mother = call.visit.another_undecided(server, "related_person", "Rosa").await;
        mother.post(&call.visit.path("/join-tickets"), json!({})).await.refused(409, "CONSENT_REQUIRED");
        answer(&mother, &call.visit.id, CARE, &["care_by_video"]).await.expect(201);
        let (mut hers, seen) = enter_seeing(&call.visit, &mother).await;
        assert_eq!(seen["recording"]["state"], "paused");
        decide(&mother, &call.visit.id, &recording, "sound").await.expect(201);
        let going = hers.snapshot("going on", |s| s["recording"]["state"] == "active").await;
        let sound_only = going["recording"]["decisions"].as_array().expect("decisions").iter().filter(|d| d["audio"] == true && d["video"] == false);
        assert_eq!(sound_only.count(), 1);

        let ida = call.visit.another(server, "interpreter", "Ida").await;
        let mut waiting = ida.join(&call.visit.id).await;
        let id = own_id(&mut waiting).await;
        admit(&call.visit, &id).await.refused(409, "CONSENT_REQUIRED");
        let asked = call.guest.snapshot("asked about the interpreter", |s| s["wanted"][0]["text"] == "interpreter-presence").await;
        assert_eq!(asked["wanted"][0]["version"], "1");
        answer(&ida, &call.visit.id, "interpreter-presence", &["interpreter_presence"]).await.refused(409, "CONFLICT");
        answer(&call.patient, &call.visit.id, "interpreter-presence", &["interpreter_presence"]).await.expect(201);
        call.guest.snapshot("asked no more", |s| s["wanted"].is_null()).await;
        admit(&call.visit, &id).await.expect(204);
        waiting.snapshot("the pause", |s| s["recording"]["state"] == "paused").await;
        decide(&ida, &call.visit.id, &recording, "deny").await.expect(201);
        waiting.snapshot("paused still", |s| s["recording"]["decisions"].as_array().is_some_and(|d| d.iter().any(|d| d["decision"] == "deny"))).await;
        assert_eq!(state(&call, &recording).await, "paused");

        // withdrawn, the interpreter is out
        call.patient.post(&call.visit.path("/consents/withdraw"), json!({"text": "interpreter-presence"})).await.expect(201);
        assert_eq!(waiting.close_code().await, 1000);
        hers.snapshot("it goes on", |s| s["recording"]["state"] == "active").await;
    }

    async fn it_becomes_active_only_when_the_last_has_permitted(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        let seen = call.guest.snapshot("the request", |s| s["recording"]["state"] == "requested").await;
        assert_eq!((seen["recording"]["text"].as_str(), seen["recording"]["decisions"].as_array().map(Vec::len)), (Some(RECORDING), Some(2)));
        assert_eq!(seen["recording"]["kinds"], json!(["audio", "video"]));
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
        call.guest.snapshot("one decision", |s| s["recording"]["decisions"].as_array().is_some_and(|d| d.iter().filter(|d| d["decision"] == "permit").count() == 1)).await;
        assert_eq!(state(&call, &recording).await, "requested");
        assert_eq!(parts_on_disk(server), 0);
        decide(&call.patient, &call.visit.id, &recording, "permit").await.expect(201);
        call.guest.snapshot("active", |s| s["recording"]["state"] == "active" && s["recording"]["started_at"].is_string()).await;
        assert_eq!(state(&call, &recording).await, "active");
        let started = entries(server, &recording, "recording.started").await;
        let kinds = started[0]["detail"]["kinds"].as_object().expect("kinds");
        assert!(kinds.len() == 2 && kinds.values().all(|k| k == "audio+video"), "{kinds:?}");
    }

    async fn a_withdrawal_stops_capture_within_500_ms_and_says_what_becomes_of_it(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let pressed = Instant::now();
        let done = withdraw(&call.patient, &call.visit.id, &recording).await.expect(201);
        let after = call.ana.snapshot("the end", |s| s["recording"].is_null() && s["last_recording"]["outcome"] == "withdrawn").await;
        assert!(pressed.elapsed() < Duration::from_millis(500), "{:?}", pressed.elapsed());
        assert_eq!(done.str("what_was_recorded"), "keep_until_review");
        assert_eq!((after["last_recording"]["id"].as_str(), after["last_recording"]["kept"].as_str()), (Some(recording.as_str()), Some("keep_until_review")));
        decide(&call.patient, &call.visit.id, &recording, "permit").await.refused(409, "CONSENT_MISMATCH");
        withdraw(&call.patient, &call.visit.id, &recording).await.refused(409, "CONSENT_MISMATCH");
        until_state(&call, &recording, "sealed").await;
        let logged = entries(server, &recording, "consent.withdrawn").await;
        assert_eq!(logged[0]["detail"]["what_was_recorded"], "keep_until_review");
        let stopped = entries(server, &recording, "recording.stopped").await;
        assert_eq!((stopped.len(), stopped[0]["detail"]["reason"].as_str()), (1, Some("withdrawn")));

        let path = format!("/recordings/{recording}/playbacks");
        call.visit.clinician.post(&path, json!({})).await.refused(409, "CONSENT_WITHDRAWN");
        let officer = Browser::signed_in(server, "rec").await;
        call.visit.clinician.post(&format!("/recordings/{recording}/review"), json!({"outcome": "keep"})).await.refused(403, "FORBIDDEN");
        officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "burn"})).await.refused(400, "MALFORMED");
        officer.post(&format!("/recordings/{recording}/holds"), json!({"reason": "a court asked for it"})).await.expect(201);
        officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "destroy"})).await.refused(409, "LEGAL_HOLD");
        let hold = officer.get(&format!("/recordings/{recording}/custody")).await.expect(200).body["holds"][0]["id"].as_str().expect("id").to_owned();
        officer.post(&format!("/recordings/{recording}/holds/{hold}/release"), json!({})).await.expect(204);
        officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "destroy"})).await.expect(204);
        assert_eq!(state(&call, &recording).await, "destroyed");
        call.visit.clinician.post(&path, json!({})).await.refused(410, "KEY_DESTROYED");
        officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "keep"})).await.refused(409, "CONFLICT");
        assert_eq!(entries(server, &recording, "recording.destroyed").await.len(), 1);
    }

    async fn a_signed_withdrawal_takes_back_exactly_what_was_permitted(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let mut right = statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &[]).await;
        right["decision"] = json!("withdrawn");
        let spanish = statement(&call.patient, &call.visit.id, RECORDING, "es", Some(&recording), &[]).await;
        let other = json!({"name": "Rosa", "relationship": "mother"});
        for (name, value) in [
            ("denied", json!(["recording_audio"])),
            ("permitted", json!(["recording_audio"])),
            ("digest", spanish["digest"].clone()),
            ("shown", spanish["shown"].clone()),
            ("language", json!("es")),
            ("version", json!("9")),
            ("capacity", json!("parent_or_guardian")),
        ] {
            let mut bad = right.clone();
            bad[name] = value;
            if name == "capacity" {
                bad["representative"] = other.clone();
            }
            let refused = send(&call.patient, &call.visit.id, signed(&bad)).await;
            assert!(refused.status == 409 && refused.code() == "CONSENT_MISMATCH", "{name}: {} {}", refused.status, refused.body);
        }
        assert_eq!(state(&call, &recording).await, "active", "nothing was taken back");
        send(&call.patient, &call.visit.id, signed(&right)).await.expect(201);
        call.ana.snapshot("the end", |s| s["recording"].is_null() && s["last_recording"]["outcome"] == "withdrawn").await;
    }

    async fn whoever_comes_later_is_told_who_declined_before(server) {
        let visit = Visit::new(server).await;
        let patient = visit.undecided(server).await;
        answer(&patient, &visit.id, CARE, &[]).await.expect(201);
        let mut ana = visit.clinician.join(&visit.id).await;
        ana.snapshot("the decline", |s| s["declined"][0]["name"] == "Quillon" && s["declined"][0]["withdrawn"] == false).await;
        answer(&patient, &visit.id, CARE, &["care_by_video"]).await.expect(201);
        ana.snapshot("the decline is gone", |s| s["declined"].is_null()).await;
    }

    async fn a_name_stays_once_something_was_signed_under_it(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        patient.put(&visit.path("/participants/me"), json!({"name": "Somebody Else", "language": "en"})).await.refused(409, "CONFLICT");
        patient.put(&visit.path("/participants/me"), json!({"name": "Quillon", "language": "en"})).await.expect(200);
    }

    async fn only_staff_of_the_consultation_see_everyones_decisions(server) {
        let visit = Visit::new(server).await;
        visit.patient(server).await;
        let path = visit.path("/consents");
        assert_eq!(visit.clinician.get(&path).await.expect(200).body["consents"].as_array().map(Vec::len), Some(1));
        for other in ["ben", "sam"] {
            Browser::signed_in(server, other).await.get(&path).await.refused(403, "FORBIDDEN");
        }
    }

    async fn a_refusal_leaves_the_call_alone_and_nothing_on_disk(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
        decide(&call.patient, &call.visit.id, &recording, "deny").await.expect(201);
        let after = call.guest.snapshot("the refusal", |s| s["last_recording"]["outcome"] == "refused").await;
        assert_eq!((after["self"]["place"].as_str(), after["participants"].as_array().map(Vec::len)), (Some("in_call"), Some(2)));
        assert_eq!(state(&call, &recording).await, "refused");
        assert_eq!(parts_on_disk(server), 0);
        ask(&call).await;
    }

    async fn what_a_decision_lacks_is_named(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let whole = statement(&call.patient, &call.visit.id, RECORDING, "es", Some(&recording), &["recording_audio"]).await;
        let incomplete = async |body: Value, element: &str| {
            let refused = send(&call.patient, &call.visit.id, body).await.refused(422, "CONSENT_INCOMPLETE");
            assert_eq!(refused.body["fields"][0]["name"], element, "{}", refused.text);
        };
        for element in ["id", "participant", "person", "text", "version", "language", "digest", "shown", "decision", "permitted", "denied", "capacity", "at"] {
            let mut lacking = whole.clone();
            lacking.as_object_mut().expect("object").remove(element);
            incomplete(signed(&lacking), element).await;
        }
        for element in ["statement", "algorithm", "public_key", "signature"] {
            let mut body = signed(&whole);
            body[element] = Value::Null;
            incomplete(body, element).await;
        }
        let mut one_open = whole.clone();
        one_open["denied"] = json!([]);
        incomplete(signed(&one_open), "recording_video").await;
        for (representative, element) in [(json!(null), "representative.name"), (json!({"name": "Rosa"}), "representative.relationship")] {
            let mut guardian = whole.clone();
            guardian["capacity"] = "parent_or_guardian".into();
            guardian["representative"] = representative;
            incomplete(signed(&guardian), element).await;
        }
        assert_eq!(entries(server, &recording, "consent.decided").await.len(), 0, "nothing of it was recorded");
        let mut guardian = whole.clone();
        guardian["capacity"] = "parent_or_guardian".into();
        guardian["representative"] = json!({"name": "Rosa Abernathy", "relationship": "mother"});
        send(&call.patient, &call.visit.id, signed(&guardian)).await.expect(201);
        let listed = call.visit.clinician.get(&call.visit.path("/consents")).await.expect(200).body;
        let hers = listed["consents"].as_array().expect("consents").iter().find(|c| c["capacity"] == "parent_or_guardian").expect("hers").clone();
        assert_eq!((hers["representative_name"].as_str(), hers["representative_relationship"].as_str()), (Some("Rosa Abernathy"), Some("mother")));
        assert_eq!((hers["permitted"].clone(), hers["denied"].clone()), (json!(["recording_audio"]), json!(["recording_video"])));
    }

    async fn a_signature_that_does_not_hold_is_refused(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let whole = statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &["recording_audio"]).await;
        let good = signed(&whole);
        let mut other_words = good.clone();
        other_words["statement"] = whole.to_string().replace("recording_audio\"]", "recording_audio\" ]").into();
        let mut other_key = good.clone();
        other_key["public_key"] = signed_es256(&whole)["public_key"].clone();
        let mut other_algorithm = good.clone();
        other_algorithm["algorithm"] = "ES256".into();
        let mut unknown = good.clone();
        unknown["algorithm"] = "none".into();
        let mut not_base64 = good.clone();
        not_base64["signature"] = "%%".into();
        for bad in [other_words, other_key, other_algorithm, unknown, not_base64] {
            send(&call.patient, &call.visit.id, bad).await.refused(422, "CONSENT_SIGNATURE");
        }
        send(&call.patient, &call.visit.id, signed_es256(&whole)).await.expect(201);
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
    }

    async fn a_statement_serves_once_and_a_repeated_one_changes_nothing(server) {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        let body = signed(&statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &["recording_audio"]).await);
        let first = send(&call.patient, &call.visit.id, body.clone()).await.expect(201).str("id");
        assert_eq!(send(&call.patient, &call.visit.id, body.clone()).await.expect(201).str("id"), first, "sent again after a lost answer");
        assert_eq!(entries(server, &recording, "consent.decided").await.len(), 1);
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
        call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        call.visit.clinician.post(&format!("/recordings/{recording}/stop"), json!({})).await.expect(204);
        until_state(&call, &recording, "sealed").await;
        ask(&call).await;
        // what was said of one recording says nothing of another, however it is sent
        assert_eq!(send(&call.patient, &call.visit.id, body.clone()).await.expect(201).str("id"), first);
        let seen = call.guest.snapshot("undecided", |s| s["recording"]["state"] == "requested").await;
        assert!(seen["recording"]["decisions"].as_array().expect("decisions").iter().all(|d| d["decision"] == "pending"));
        let mut another = statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &["recording_audio"]).await;
        send(&call.patient, &call.visit.id, signed(&another)).await.refused(409, "CONSENT_MISMATCH");
        another["id"] = first.into();
        another["capacity"] = "legal_representative".into();
        another["representative"] = json!({"name": "Rosa", "relationship": "guardian"});
        send(&call.patient, &call.visit.id, signed(&another)).await.refused(409, "CONSENT_MISMATCH");
    }

    async fn consent_must_be_to_the_words_in_force_and_to_this_recording(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let good = statement(&call.patient, &call.visit.id, RECORDING, "es", Some(&recording), &["recording_audio"]).await;
        let someone_else = own_id(&mut call.visit.clinician.join(&call.visit.id).await).await;
        for (member, wrong) in [
            ("digest", json!("0".repeat(64))),
            ("shown", json!("0".repeat(64))),
            ("version", json!("1")),
            ("text", json!("recording-audio")),
            ("language", json!("en")),
            ("person", json!("Someone Else")),
            ("participant", json!(someone_else)),
            ("consultation", json!("01890000-0000-7000-8000-000000000000")),
            ("recording", json!(null)),
            ("recording", json!("01890000-0000-7000-8000-000000000000")),
            ("decision", json!("deny")),
            ("decision", json!("withdrawn")),
            ("permitted", json!(["recording_audio", "recording_video"])),
        ] {
            let mut bad = good.clone();
            bad[member] = wrong;
            send(&call.patient, &call.visit.id, signed(&bad)).await.refused(409, "CONSENT_MISMATCH");
        }
        withdraw(&call.patient, &call.visit.id, &recording).await.refused(409, "CONSENT_MISMATCH");
        send(&call.patient, &call.visit.id, signed(&good)).await.expect(201);
    }

    async fn nobody_decides_for_a_room_they_are_not_in(server) {
        let call = call(server).await;
        let recording = ask(&call).await;
        let elsewhere = Visit::of(server, "ben").await;
        let stranger = elsewhere.patient(server).await;
        let theirs = signed(&statement(&stranger, &elsewhere.id, RECORDING, "en", Some(&recording), &["recording_audio"]).await);
        send(&stranger, &call.visit.id, theirs.clone()).await.refused(403, "SCOPE");
        send(&stranger, &elsewhere.id, theirs).await.refused(409, "CONSENT_MISMATCH");
        let waiting = call.visit.another(server, "related_person", "Friend").await;
        decide(&waiting, &call.visit.id, &recording, "permit").await.refused(409, "CONFLICT");
        call.patient.post(&call.visit.path("/recordings"), json!({})).await.refused(403, "FORBIDDEN");
        call.patient.post(&format!("/recordings/{recording}/stop"), json!({})).await.refused(403, "FORBIDDEN");
        call.visit.clinician.post(&call.visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
        call.visit.clinician.post(&call.visit.path("/recordings"), json!({"text": CARE})).await.refused(404, "NOT_FOUND");
    }

    async fn a_newcomer_pauses_it_until_they_permit(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let friend = call.visit.another(server, "related_person", "Friend").await;
        let (mut socket, seen) = enter_seeing(&call.visit, &friend).await;
        assert_eq!(seen["recording"]["state"], "paused");
        decide(&friend, &call.visit.id, &recording, "permit").await.expect(201);
        socket.snapshot("going on", |s| s["recording"]["state"] == "active").await;
        call.visit.clinician.post(&format!("/recordings/{recording}/stop"), json!({})).await.expect(204);
        socket.snapshot("the end", |s| s["last_recording"]["outcome"] == "stopped").await;
    }

    async fn a_newcomer_who_declines_keeps_it_paused_and_can_be_asked_again_a_few_times(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let friend = call.visit.another(server, "related_person", "Friend").await;
        let (_socket, seen) = enter_seeing(&call.visit, &friend).await;
        assert_eq!(seen["recording"]["state"], "paused");
        let id = seen["self"]["id"].as_str().expect("id").to_owned();
        let path = format!("/recordings/{recording}/ask-again");
        call.visit.clinician.post(&path, json!({"participant": id})).await.refused(409, "CONFLICT");
        for _ in 0..3 {
            decide(&friend, &call.visit.id, &recording, "deny").await.expect(201);
            let declined = |s: &Value| s["recording"]["decisions"].as_array().is_some_and(|d| d.iter().any(|d| d["decision"] == "deny"));
            call.ana.snapshot("declined", declined).await;
            assert_eq!(state(&call, &recording).await, "paused");
            friend.post(&path, json!({"participant": id})).await.refused(403, "FORBIDDEN");
            call.visit.clinician.post(&path, json!({"participant": id})).await.expect(204);
            call.ana.snapshot("asked again", |s| !declined(s)).await;
        }
        decide(&friend, &call.visit.id, &recording, "deny").await.expect(201);
        call.visit.clinician.post(&path, json!({"participant": id})).await.refused(409, "CONFLICT");
        assert_eq!(entries(server, &recording, "consent.asked_again").await.len(), 3);
        friend.post(&call.visit.path("/leave"), json!({})).await.expect(204);
        call.ana.snapshot("it goes on without them", |s| s["recording"]["state"] == "active").await;
    }

    async fn whoever_answers_anew_is_recorded_as_they_say_now(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        decide(&call.patient, &call.visit.id, &recording, "sound").await.expect(201);
        let sound_only = |s: &Value| s["recording"]["state"] == "active" && s["recording"]["decisions"].as_array().is_some_and(|d| d.iter().any(|d| d["audio"] == true && d["video"] == false));
        call.ana.snapshot("sound only", sound_only).await;
        decide(&call.patient, &call.visit.id, &recording, "deny").await.refused(409, "CONFLICT");
        let resumed = entries(server, &recording, "recording.resumed").await;
        assert!(resumed[0]["detail"]["kinds"].as_object().expect("kinds").values().any(|k| k == "audio"), "{resumed:?}");
    }

    async fn whoever_left_may_still_withdraw(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        call.patient.post(&call.visit.path("/leave"), json!({})).await.expect(204);
        call.ana.snapshot("alone", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
        withdraw(&call.patient, &call.visit.id, &recording).await.expect(201);
        call.ana.snapshot("the end", |s| s["last_recording"]["outcome"] == "withdrawn").await;
    }

    async fn a_signed_withdrawal_is_kept_with_its_signature(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let mut words = statement(&call.patient, &call.visit.id, RECORDING, "en", Some(&recording), &[]).await;
        words["decision"] = "withdrawn".into();
        send(&call.patient, &call.visit.id, signed(&words)).await.expect(201);
        call.ana.snapshot("the end", |s| s["last_recording"]["outcome"] == "withdrawn").await;
        let listed = call.visit.clinician.get(&call.visit.path("/consents")).await.expect(200).body;
        let all = listed["consents"].as_array().expect("consents");
        let last = all.last().expect("one");
        assert_eq!((last["decision"].as_str(), last["signed"].as_bool(), last["stands"].as_bool()), (Some("withdrawn"), Some(true), Some(true)));
        assert!(all.iter().filter(|c| c["recording_id"] == recording.as_str() && c["person"] == "Quillon").any(|c| c["stands"] == false), "{all:?}");
    }

    async fn only_the_sound_is_asked_for_with_the_text_that_says_so(server) {
        let mut call = call(server).await;
        let made = call.visit.clinician.post(&call.visit.path("/recordings"), json!({"text": "recording-audio"})).await.expect(201);
        let recording = made.str("id");
        let seen = call.guest.snapshot("the request", |s| s["recording"]["state"] == "requested").await;
        assert_eq!((seen["recording"]["text"].as_str(), seen["recording"]["kinds"].clone()), (Some("recording-audio"), json!(["audio"])));
        for browser in [&call.visit.clinician, &call.patient] {
            let words = statement(browser, &call.visit.id, "recording-audio", "en", Some(&recording), &["recording_audio"]).await;
            send(browser, &call.visit.id, signed(&words)).await.expect(201);
        }
        let active = call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        assert!(active["recording"]["decisions"].as_array().expect("decisions").iter().all(|d| d["video"] == false));
    }

    async fn nothing_is_asked_of_a_room_nobody_is_in(server) {
        let visit = Visit::new(server).await;
        visit.clinician.post(&visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
        visit.clinician.post(&visit.path("/join-tickets"), json!({})).await.expect(201);
        visit.clinician.post(&visit.path("/recordings"), json!({})).await.refused(409, "CONFLICT");
    }

    async fn an_auditor_sees_that_it_happened_and_is_refused_playback(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let aud = Browser::signed_in(server, "aud").await;
        let listed = aud.get("/recordings").await.expect(200).body["recordings"][0].clone();
        assert_eq!((listed["id"].as_str(), listed["retention"]["keep_days"].as_u64()), (Some(recording.as_str()), Some(3650)));
        aud.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(403, "FORBIDDEN");
        Browser::signed_in(server, "adm").await.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(403, "FORBIDDEN");
        call.patient.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(401, "UNAUTHENTICATED");
        let search = json!({"text": recording, "event": "access.denied", "outcome": "denied", "from": null, "to": null, "before": null, "limit": 50});
        assert_eq!(aud.post("/audit/search", search).await.expect(200).body["entries"].as_array().map(Vec::len), Some(2));
    }

    async fn every_decision_names_its_words_and_policies_and_no_name_stands_in_the_log(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let logged = entries(server, &call.visit.id, "consent.decided").await;
        assert_eq!(logged.len(), 3, "care by video, and two about the recording");
        let in_force = Browser::signed_in(server, "aud").await.get("/policies").await.expect(200).str("digest");
        for entry in &logged {
            assert_eq!(entry["policy_digest"], in_force.as_str());
            for member in ["text", "version", "language", "digest", "shown", "permitted", "capacity", "method", "signature"] {
                assert!(entry["detail"][member].as_str().is_some_and(|v| !v.is_empty()), "{member} in {entry}");
            }
            assert!(!entry.to_string().contains("Quillon"), "{entry}");
        }
        let about: Vec<_> = logged[0]["entities"].as_array().expect("entities").iter().map(|e| e["id"].clone()).collect();
        assert!(about.contains(&json!(recording)));
    }
}

#[test]
fn where_the_policy_destroys_what_was_recorded_is_gone_at_once() {
    under("after_withdrawal = \"keep_until_review\"", "after_withdrawal = \"destroy\"", &async |server| {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        assert_eq!(withdraw(&call.patient, &call.visit.id, &recording).await.expect(201).str("what_was_recorded"), "destroy");
        call.ana.snapshot("told", |s| s["last_recording"]["kept"] == "destroy").await;
        until_state(&call, &recording, "destroyed").await;
        assert_eq!(parts_on_disk(server), 0);
        let path = format!("/recordings/{recording}/playbacks");
        call.visit.clinician.post(&path, json!({})).await.refused(410, "KEY_DESTROYED");

        // a recording that was sealed long ago goes the same way; one under a legal hold does not
        let held = recorded(&mut call).await;
        call.visit.clinician.post(&format!("/recordings/{held}/stop"), json!({})).await.expect(204);
        until_state(&call, &held, "sealed").await;
        let officer = Browser::signed_in(server, "rec").await;
        officer.post(&format!("/recordings/{held}/holds"), json!({"reason": "a court asked for it"})).await.expect(201);
        assert_eq!(withdraw(&call.patient, &call.visit.id, &held).await.expect(201).str("what_was_recorded"), "keep_until_review");
        assert_eq!(state(&call, &held).await, "sealed");
        assert_eq!(withdraw(&call.visit.clinician, &call.visit.id, &held).await.expect(201).str("what_was_recorded"), "keep_until_review");

        // once the hold is over nothing of it is left, not even a key that is wrapped by another
        let database = Database::open(&server.database).await.expect("database");
        let id: RecordingId = held.parse().expect("id");
        with_part(&database, id, &own_id(&mut call.ana).await).await;
        assert!(!wrapped_keys(&database, id).await.is_empty());
        let case =
            officer.get(&format!("/recordings/{held}/custody")).await.expect(200).body["holds"][0]["id"].as_str().expect("id").to_owned();
        officer.post(&format!("/recordings/{held}/holds/{case}/release"), json!({})).await.expect(204);
        officer.post(&format!("/recordings/{held}/review"), json!({"outcome": "destroy"})).await.expect(204);
        assert_eq!(state(&call, &held).await, "destroyed");
        assert!(wrapped_keys(&database, id).await.is_empty());
        database.close().await;
    });
}

/// A part beside those of a recording, as the recorder stores it.
async fn with_part(database: &Database, recording: RecordingId, participant: &str) {
    let part = StoredPart {
        id: PartId::from_uuid(Uuid::from_u128(7)),
        participant: participant.parse().expect("id"),
        source: "microphone".to_owned(),
        header: b"a wrapped key".to_vec(),
        manifest: Vec::new(),
        signature: Vec::new(),
    };
    let mut tx = database.begin().await.expect("transaction");
    recordings::insert_part(tx.tx(), recording, &part).await.expect("stored");
    let id = EntryId::from_uuid(Uuid::from_u128(8));
    let entry = Entry::new(id, Timestamp::from_micros(0), Event::RecordingStarted, &Caller::system(), "");
    tx.commit_with(&NewEntry::plain(entry).expect("nothing personal")).await.expect("committed");
}

async fn wrapped_keys(database: &Database, recording: RecordingId) -> Vec<u8> {
    let mut read = database.read().await.expect("read");
    recordings::parts(read.tx(), recording).await.expect("parts").into_iter().flat_map(|part| part.header).collect()
}

#[test]
fn where_the_policy_keeps_it_can_still_be_watched() {
    under("after_withdrawal = \"keep_until_review\"", "after_withdrawal = \"keep\"", &async |server| {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        assert_eq!(withdraw(&call.patient, &call.visit.id, &recording).await.expect(201).str("what_was_recorded"), "keep");
        until_state(&call, &recording, "sealed").await;
        call.visit.clinician.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.expect(201);
    });
}

#[test]
fn where_the_policy_leaves_people_out_the_others_are_recorded_without_them() {
    under("one_refusal = \"stops_all\"", "one_refusal = \"leaves_out_the_person\"", &async |server| {
        let mut call = call(server).await;
        let recording = ask(&call).await;
        decide(&call.patient, &call.visit.id, &recording, "deny").await.expect(201);
        assert_eq!(state(&call, &recording).await, "requested", "everyone has still to decide");
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
        let active = call.ana.snapshot("active", |s| s["recording"]["state"] == "active").await;
        assert!(active["recording"]["decisions"].as_array().expect("decisions").iter().any(|d| d["decision"] == "deny"));
        let started = entries(server, &recording, "recording.started").await;
        let kinds: Vec<_> = started[0]["detail"]["kinds"].as_object().expect("kinds").values().cloned().collect();
        assert!(kinds.contains(&json!("none")) && kinds.contains(&json!("audio+video")), "{kinds:?}");
    });
}

/// Puts another version of a text into the policy folder and brings it into force from the command line, as an operator does.
fn accept(server: &TestServer, change: impl FnOnce(&Path)) -> (bool, String) {
    let folder = server.folder.join("policies");
    change(&folder);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bedside"))
        .args(["policy", "accept"])
        .env("BEDSIDE_DATABASE", &server.database)
        .env("BEDSIDE_POLICIES", &folder)
        .env("BEDSIDE_KEYS", server.folder.join("keys"))
        .env("BEDSIDE_RECORDINGS", server.folder.join("recordings"))
        .output()
        .expect("the command runs");
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// A next version of a text in every language it is there in.
fn next_version(policies: &Path, text: &str, from: &str, to: &str, change: impl Fn(&str) -> String) {
    let (old, new) = (policies.join("consent").join(text).join(from), policies.join("consent").join(text).join(to));
    std::fs::create_dir_all(&new).expect("folder");
    for file in std::fs::read_dir(old).expect("folder") {
        let path = file.expect("file").path();
        let words = std::fs::read_to_string(&path).expect("text");
        std::fs::write(new.join(path.file_name().expect("name")), change(&words)).expect("written");
    }
}

async fn in_force(browser: &Browser, text: &str, version: &str) {
    let follows = async {
        while browser.get(&format!("/consent-texts/{text}")).await.expect(200).str("version") != version {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), follows).await.expect("the running server obeys it");
}

fn asks_again(words: &str) -> String {
    words.replace("status = \"sample\"", "status = \"sample\"\nask_again = true")
}

on_both_engines! {
    async fn who_consented_to_an_old_version_is_asked_again_only_if_the_new_one_says_so(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let (accepted, said) = accept(server, |folder| next_version(folder, CARE, "1", "2", ToOwned::to_owned));
        assert!(accepted, "{said}");
        in_force(&patient, CARE, "2").await;
        patient.post(&visit.path("/join-tickets"), json!({})).await.expect(201);
        let wanted = patient.get(&visit.path("/consents/wanted")).await.expect(200).body["wanted"][0].clone();
        assert_eq!((wanted["text"]["version"].as_str(), wanted["decision"].as_str()), (Some("2"), Some("permit")));

        let (accepted, said) = accept(server, |folder| next_version(folder, CARE, "2", "3", asks_again));
        assert!(accepted, "{said}");
        in_force(&patient, CARE, "3").await;
        patient.post(&visit.path("/join-tickets"), json!({})).await.refused(409, "CONSENT_REQUIRED");
        let wanted = patient.get(&visit.path("/consents/wanted")).await.expect(200).body["wanted"][0].clone();
        assert!(wanted["decision"].is_null(), "{wanted}");
        let old = patient.get(&format!("/consent-texts/{CARE}?version=1")).await.expect(200);
        assert_eq!(old.str("version"), "1", "versions live side by side");
        decisions::answer(&patient, &visit.id, CARE, &["care_by_video"]).await.expect(201);
        patient.post(&visit.path("/join-tickets"), json!({})).await.expect(201);
    }

    async fn whoever_comes_back_after_the_text_changed_pauses_the_recording_until_they_decide(server) {
        let mut call = call(server).await;
        let recording = recorded(&mut call).await;
        let (accepted, said) = accept(server, |folder| next_version(folder, RECORDING, "2", "3", asks_again));
        assert!(accepted, "{said}");
        in_force(&call.patient, RECORDING, "3").await;
        let mut again = call.patient.join(&call.visit.id).await;
        let seen = again.snapshot("the pause", |s| s["recording"]["state"] == "paused").await;
        assert_eq!(seen["recording"]["version"], "3");
        decide(&call.patient, &call.visit.id, &recording, "permit").await.expect(201);
        // the clinician's own yes is to words that ask again too: nothing goes on until both have decided anew
        let mut ana = call.visit.clinician.join(&call.visit.id).await;
        ana.snapshot("asked", |s| s["recording"]["version"] == "3" && s["recording"]["state"] == "paused").await;
        decide(&call.visit.clinician, &call.visit.id, &recording, "permit").await.expect(201);
        ana.snapshot("it goes on", |s| s["recording"]["state"] == "active").await;
    }

    async fn an_accepted_text_cannot_be_edited_in_place(server) {
        let words = |folder: &Path| folder.join("consent").join(CARE).join("1/en.md");
        let before = std::fs::read_to_string(words(&server.folder.join("policies"))).expect("text");
        let (accepted, said) = accept(server, |folder| std::fs::write(words(folder), before.replace("no video call", "no call")).expect("written"));
        assert!(!accepted && said.contains("CONSENT_TEXT_IMMUTABLE") && said.contains("consent/care-by-video/1/en.md"), "{said}");
        let aud = Browser::signed_in(server, "aud").await;
        let shown = aud.get(&format!("/consent-texts/{CARE}")).await.expect(200);
        assert!(shown.str("body").contains("no video call"), "the accepted words stay");
        let log = json!({"text": null, "event": "policy.accepted", "outcome": null, "from": null, "to": null, "before": null, "limit": 5});
        let logged = aud.post("/audit/search", log).await.expect(200).body["entries"][0]["detail"]["consent_texts"].clone();
        assert_eq!(logged["consent/care-by-video/1/en.md"], shown.str("digest").as_str(), "its hash is in the log");
    }
}
