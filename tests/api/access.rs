//! Every route there is, and who it answers: held to the OpenAPI document, so that a route cannot be added without saying here who may.

use crate::on_both_engines;
use crate::support::people::{Browser, Reply, Visit, send};
use crate::support::server::{Engine, TestServer, run_as};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// Who a route answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Anyone: it checks a secret, a password or a token of its own, or tells what is public.
    Anyone,
    /// Whoever is signed in, for themself.
    SignedIn,
    /// These staff roles, by policy. Others are refused with 403 and an entry in the log.
    Roles(&'static [&'static str]),
    /// Whoever has a place in the consultation: staff by policy, or the invited.
    Place(&'static [&'static str]),
}
use For::{Anyone, Place, Roles, SignedIn};

const STAFF: [(&str, &str); 5] =
    [("ana", "clinician"), ("sam", "scheduler"), ("aud", "auditor"), ("rec", "records_officer"), ("adm", "administrator")];
const CLINICIAN: &[&str] = &["clinician"];
const PLANNING: &[&str] = &["clinician", "scheduler"];
const AUDITOR: &[&str] = &["auditor"];
const ADMINISTRATOR: &[&str] = &["administrator"];
const OFFICER: &[&str] = &["records_officer"];
const OVERSEEING: &[&str] = &["auditor", "records_officer"];
const OVERSIGHT: &[&str] = &["auditor", "administrator"];
const KEEPING: &[&str] = &["auditor", "records_officer", "administrator"];

pub const ROUTES: &[(&str, &str, For)] = &[
    ("GET", "/config", Anyone),
    ("POST", "/sign-in", Anyone),
    ("POST", "/sign-in/second-factor", Anyone),
    ("POST", "/sign-in/second-factor/passkey", Anyone),
    ("POST", "/sign-in/passkey", Anyone),
    ("POST", "/sign-in/passkey/answer", Anyone),
    ("POST", "/sign-in/providers/{id}", Anyone),
    ("GET", "/sign-in/callback", Anyone),
    ("POST", "/sign-in/back-channel-logout/{id}", Anyone),
    ("POST", "/account-links/{id}/preview", Anyone),
    ("POST", "/account-links/{id}/use", Anyone),
    ("POST", "/invitations/{id}/preview", Anyone),
    ("POST", "/invitations/{id}/redeem", Anyone),
    ("POST", "/invitations/{id}/move", Anyone),
    ("GET", "/audit/checkpoint", Anyone),
    ("GET", "/audit/growth", Anyone),
    ("POST", "/audit/contradictions", Anyone),
    ("GET", "/audit/tile/{level}/{place}", Anyone),
    ("GET", "/me", SignedIn),
    ("POST", "/me/prove", SignedIn),
    ("POST", "/me/prove/passkey", SignedIn),
    ("POST", "/me/prove/provider", SignedIn),
    ("GET", "/me/factors", SignedIn),
    ("PUT", "/me/password", SignedIn),
    ("POST", "/me/passkeys/begin", SignedIn),
    ("POST", "/me/passkeys", SignedIn),
    ("POST", "/me/passkeys/{id}/remove", SignedIn),
    ("POST", "/me/authenticator-app/begin", SignedIn),
    ("POST", "/me/authenticator-app", SignedIn),
    ("POST", "/me/authenticator-app/remove", SignedIn),
    ("POST", "/me/recovery-codes", SignedIn),
    ("GET", "/me/sign-in-sessions", SignedIn),
    ("POST", "/me/sign-in-sessions/end-others", SignedIn),
    ("POST", "/me/sign-in-sessions/{id}/end", SignedIn),
    ("POST", "/sign-out", SignedIn),
    ("GET", "/users", Roles(KEEPING)),
    ("POST", "/users", Roles(ADMINISTRATOR)),
    ("GET", "/users/access-review", Roles(OVERSIGHT)),
    ("PUT", "/users/{id}", Roles(ADMINISTRATOR)),
    ("POST", "/users/{id}/suspend", Roles(ADMINISTRATOR)),
    ("POST", "/users/{id}/restore", Roles(ADMINISTRATOR)),
    ("POST", "/users/{id}/reset-password", Roles(ADMINISTRATOR)),
    ("POST", "/users/{id}/reset-factors", Roles(ADMINISTRATOR)),
    ("POST", "/patients", Roles(PLANNING)),
    ("POST", "/patients/search", Roles(PLANNING)),
    ("GET", "/consultations", Roles(PLANNING)),
    ("GET", "/consultations/waiting", Roles(CLINICIAN)),
    ("POST", "/consultations", Roles(CLINICIAN)),
    ("GET", "/clinicians", Roles(&["scheduler"])),
    ("GET", "/consultations/{id}", Place(PLANNING)),
    ("POST", "/consultations/{id}/start", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/end", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/cancel", Place(PLANNING)),
    ("GET", "/consultations/{id}/emergency-access", Roles(PLANNING)),
    ("POST", "/consultations/{id}/emergency-access", Roles(&[])),
    ("POST", "/consultations/{id}/emergency-access/end", Roles(PLANNING)),
    ("GET", "/emergency-accesses", Roles(OVERSIGHT)),
    ("GET", "/emergency-accesses/unseen", Roles(OVERSIGHT)),
    ("POST", "/emergency-accesses/{id}/seen", Roles(ADMINISTRATOR)),
    ("GET", "/consultations/{id}/invitations", Place(PLANNING)),
    ("POST", "/consultations/{id}/invitations", Place(PLANNING)),
    ("POST", "/invitations/{id}/reissue", Place(PLANNING)),
    ("POST", "/invitations/{id}/cancel", Place(PLANNING)),
    ("GET", "/consultations/{id}/participants", Place(PLANNING)),
    ("GET", "/consultations/{id}/participants/me", Place(CLINICIAN)),
    ("PUT", "/consultations/{id}/participants/me", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/participants/me/device-code", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/participants/{participant}/admit", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/participants/{participant}/turn-away", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/participants/{participant}/remove", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/join-tickets", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/leave", Place(CLINICIAN)),
    ("GET", "/consent-texts/{text}", Anyone),
    ("GET", "/consultations/{id}/consents", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/consents", Place(CLINICIAN)),
    ("GET", "/consultations/{id}/consents/own", Place(CLINICIAN)),
    ("GET", "/consultations/{id}/consents/wanted", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/consents/withdraw", Place(CLINICIAN)),
    ("GET", "/consultations/{id}/consents/{consent}/receipt", Place(CLINICIAN)),
    ("POST", "/consultations/{id}/receipt-link", Place(CLINICIAN)),
    ("POST", "/receipt-links/{id}/open", Anyone),
    ("POST", "/receipt-links/{id}/receipt", Anyone),
    ("POST", "/receipt-links/{id}/withdraw", Anyone),
    ("POST", "/consents/search", Roles(OVERSEEING)),
    ("POST", "/consents/export", Roles(OVERSEEING)),
    ("GET", "/consents/coverage", Roles(OVERSEEING)),
    ("GET", "/consents/texts", Roles(OVERSEEING)),
    ("POST", "/recordings/{id}/ask-again", Place(CLINICIAN)),
    ("POST", "/recordings/{id}/review", Roles(OFFICER)),
    ("POST", "/consultations/{id}/recordings", Place(CLINICIAN)),
    ("GET", "/consultations/{id}/recordings", Place(PLANNING)),
    ("GET", "/recordings", Roles(&["clinician", "auditor", "records_officer"])),
    ("GET", "/recordings/{id}", Roles(&["clinician", "auditor", "records_officer"])),
    ("POST", "/recordings/{id}/stop", Place(CLINICIAN)),
    ("POST", "/recordings/{id}/playbacks", Roles(&[])),
    ("GET", "/playbacks/{id}/media/{index}", SignedIn),
    ("GET", "/recordings/{id}/custody", Roles(OFFICER)),
    ("POST", "/recordings/{id}/holds", Roles(OFFICER)),
    ("POST", "/recordings/{id}/holds/{hold}/release", Roles(OFFICER)),
    ("POST", "/recordings/{id}/playback-grants", Roles(OFFICER)),
    ("POST", "/recordings/{id}/playback-grants/{grant}/end", Roles(OFFICER)),
    ("POST", "/audit/search", Roles(AUDITOR)),
    ("POST", "/audit/verify", Roles(AUDITOR)),
    ("POST", "/audit/export", Roles(AUDITOR)),
    ("GET", "/audit/entries/{index}", Roles(AUDITOR)),
    ("GET", "/audit/reviews", Roles(AUDITOR)),
    ("POST", "/audit/reviews", Roles(AUDITOR)),
    ("POST", "/audit/activity", Roles(AUDITOR)),
    ("POST", "/audit/patients", Roles(AUDITOR)),
    ("POST", "/audit/disclosures", Roles(AUDITOR)),
    ("POST", "/audit/reports/disclosures", Roles(AUDITOR)),
    ("POST", "/audit/reports/access", Roles(AUDITOR)),
    ("POST", "/audit/reports/retention", Roles(AUDITOR)),
    ("POST", "/audit/reports/consents", Roles(AUDITOR)),
    ("GET", "/audit/places", Roles(AUDITOR)),
    ("GET", "/audit/searches", Roles(AUDITOR)),
    ("POST", "/audit/searches", Roles(AUDITOR)),
    ("POST", "/audit/searches/{id}/forget", Roles(AUDITOR)),
    ("GET", "/policies", Roles(KEEPING)),
    ("GET", "/retention", Roles(KEEPING)),
];

/// A body that gets past reading, so that it is the policies that answer.
pub fn body(path: &str) -> Value {
    match path {
        "/audit/search" => json!({"text": null, "action": null, "outcome": null, "from": null, "to": null, "before": null, "limit": 5}),
        "/audit/activity" => json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "person": null}),
        "/audit/disclosures" => {
            json!({"patient": "01890000-0000-7000-8000-000000000001", "on": "2026-01-02", "recipient": "Dr. Y", "description": "Letter", "purpose": "Court order"})
        }
        "/audit/reports/disclosures" => json!({"patient": "01890000-0000-7000-8000-000000000001"}),
        "/audit/reports/access" => json!({"patient": "01890000-0000-7000-8000-000000000001", "language": "en"}),
        "/audit/reports/retention" | "/audit/reports/consents" => json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}),
        "/audit/patients" => json!({"text": "canary"}),
        "/audit/searches" => json!({"name": "Denials", "search": {"outcome": "denied"}, "period": "week"}),
        "/audit/contradictions" => json!({"kind": "shorter", "seen": ""}),
        "/audit/reviews" => json!({"log_size": 1, "finding": "nothing_unusual", "note": ""}),
        "/patients/search" => json!({"text": ""}),
        "/patients" => {
            json!({"identifier": "MRN-7", "name": "Ode Larsen", "birth_date": "1990-01-02", "language": "en", "call_back_number": null})
        }
        "/consultations" => json!({"patient_id": "01890000-0000-7000-8000-000000000000", "starts_at": null}),
        "/users" => json!({"username": "newcomer", "display_name": "New", "role": "auditor"}),
        "/users/{id}" => json!({"display_name": "Dr. Ben Okafor", "role": "clinician"}),
        "/me/password" => json!({"current": "", "password": ""}),
        "/me/passkeys" => json!({"name": "", "passkey": {}}),
        "/me/authenticator-app" => json!({"code": "0"}),
        "/me/prove" => json!({"password": "wrong"}),
        "/consultations/{id}/invitations" => json!({"role": "patient", "name_hint": null}),
        "/consultations/{id}/participants/me" => json!({"name": "Q", "language": "en"}),
        "/consultations/{id}/emergency-access" => {
            json!({"reason": "patient_in_danger", "words": "the patient collapsed", "confirmed": true})
        }
        "/consultations/{id}/consents" => json!({"statement": "{}", "algorithm": "Ed25519", "public_key": "AA", "signature": "AA"}),
        "/consultations/{id}/consents/withdraw" => json!({"text": "care-by-video"}),
        "/receipt-links/{id}/open" => json!({"secret": "x"}),
        "/receipt-links/{id}/receipt" => json!({"secret": "x", "consent": "01890000-0000-7000-8000-000000000001"}),
        "/receipt-links/{id}/withdraw" => json!({"secret": "x", "about": {"text": "care-by-video"}}),
        "/consents/export" => json!({"form": "csv", "search": {}}),
        "/recordings/{id}/ask-again" => json!({"participant": "01890000-0000-7000-8000-000000000001"}),
        "/recordings/{id}/review" => json!({"outcome": "keep"}),
        "/recordings/{id}/holds" => json!({"reason": "a court asked for it"}),
        "/recordings/{id}/playback-grants" => json!({"username": "ben", "hours": 1, "reason": "second opinion"}),
        _ => json!({}),
    }
}

/// A consultation with a recording that was asked for, and everyone's browsers.
pub struct Scene {
    pub visit: Visit,
    recording: String,
    ben: String,
}

impl Scene {
    pub async fn new(server: &TestServer) -> Self {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        let mut other = patient.join(&visit.id).await;
        let who = other.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{who}/admit")), json!({})).await.expect(204);
        ana.snapshot("both", |s| s["participants"].as_array().map(Vec::len) == Some(2)).await;
        let recording = visit.clinician.post(&visit.path("/recordings"), json!({})).await.expect(201).str("id");
        let users = Browser::signed_in(server, "adm").await.get("/users").await.expect(200);
        let ben = users.body["users"].as_array().expect("users").iter().find(|u| u["username"] == "ben").expect("ben")["id"].clone();
        Self { visit, recording, ben: ben.as_str().expect("id").to_owned() }
    }

    pub fn path(&self, template: &str) -> String {
        let id = if template.starts_with("/consultations") {
            &self.visit.id
        } else if template.starts_with("/recordings") {
            &self.recording
        } else if template.starts_with("/users") {
            &self.ben
        } else if template.starts_with("/invitations") {
            &self.visit.invitation
        } else {
            "01890000-0000-7000-8000-000000000000"
        };
        let none = "01890000-0000-7000-8000-000000000001";
        template
            .replace("{id}", id)
            .replace("{participant}", none)
            .replace("{consent}", none)
            .replace("{hold}", none)
            .replace("{grant}", none)
            .replace("{index}", "0")
            .replace("{level}", "0")
            .replace("{place}", "000.p/1")
            .replace("{text}", "recording-audio-video?version=2&language=en")
    }

    async fn ask(&self, browser: &Browser, method: &str, template: &str) -> Reply {
        let request = browser.request(method.parse::<Method>().expect("method"), &self.path(template));
        send(if method == "GET" { request } else { request.json(&body(template)) }).await
    }
}

/// A request that holds a connection while it asks for another waits for ever where many do so at once. With one connection, one is enough.
#[test]
fn no_request_needs_two_connections_to_the_database() {
    run_as(
        Engine::Postgres,
        |_, config| config.database_connections = NonZeroUsize::new(1),
        async |server| {
            let scene = Scene::new(server).await;
            for (username, _) in STAFF {
                let browser = Browser::signed_in(server, username).await;
                for (method, path, _) in ROUTES {
                    let ends = ["/sign-out", "/end-others", "/suspend", "/end", "/cancel", "/leave", "/reset-password", "/reset-factors"];
                    if ends.iter().any(|end| path.ends_with(end)) {
                        continue;
                    }
                    let reply = scene.ask(&browser, method, path).await;
                    assert!(reply.status.as_u16() < 500, "{username}: {method} {path}: {}", reply.text);
                }
            }
        },
    );
}

on_both_engines! {
    async fn every_route_says_whom_it_answers(server) {
        let document = Browser::new(server).get("/openapi.json").await.expect(200).body;
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys().filter(|m| *m != "parameters") {
                described.insert((method.to_uppercase(), path.trim_start_matches("/api/v1").to_owned()));
            }
        }
        let known: BTreeSet<_> = ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(described, known, "each route of the document stands in ROUTES, and each of ROUTES in the document");
    }

    async fn nobody_reaches_anything_without_signing_in(server) {
        let scene = Scene::new(server).await;
        let stranger = Browser::new(server);
        for (method, path, who) in ROUTES.iter().filter(|(_, _, who)| *who != Anyone) {
            let reply = scene.ask(&stranger, method, path).await;
            assert!(*who != Anyone && reply.status.as_u16() == 401 && reply.code() == "UNAUTHENTICATED", "{method} {path}: {}", reply.text);
        }
    }

    async fn each_role_reaches_its_own_and_nothing_else(server) {
        let scene = Scene::new(server).await;
        for (username, role) in STAFF {
            let browser = Browser::signed_in(server, username).await;
            for (method, path, who) in ROUTES {
                let (Roles(roles) | Place(roles)) = *who else { continue };
                // what they would do for good is asked of nobody who may
                if roles.contains(&role) && matches!(*path, "/consultations/{id}/end" | "/consultations/{id}/leave" | "/invitations/{id}/reissue" | "/invitations/{id}/cancel" | "/users/{id}/suspend" | "/users/{id}/reset-password" | "/users/{id}/reset-factors") {
                    continue;
                }
                let reply = scene.ask(&browser, method, path).await;
                let refused = reply.status.as_u16() == 403 && reply.code() == "FORBIDDEN";
                assert_eq!(refused, !roles.contains(&role), "{role}: {method} {path}: {} {}", reply.status, reply.text);
                assert!(reply.status.as_u16() < 500, "{role}: {method} {path}: {}", reply.text);
            }
        }
    }

    async fn someone_invited_reaches_their_consultation_and_nothing_of_the_staff(server) {
        let scene = Scene::new(server).await;
        let patient = scene.visit.another(server, "related_person", "Rosa").await;
        for (method, path, who) in ROUTES {
            match who {
                Roles(_) | SignedIn => {
                    let reply = scene.ask(&patient, method, path).await;
                    assert_eq!((reply.status.as_u16(), reply.code()), (401, "UNAUTHENTICATED"), "{method} {path}: {}", reply.text);
                }
                Place(_) if path.starts_with("/invitations") => {
                    scene.ask(&patient, method, path).await.refused(401, "UNAUTHENTICATED");
                }
                Place(_) if path.contains("/participants/{participant}/") || path.contains("{id}/invitations") || path.ends_with("/end") || path.ends_with("/cancel") || path.ends_with("/start") => {
                    scene.ask(&patient, method, path).await.refused(403, "FORBIDDEN");
                }
                Place(_) | Anyone => {}
            }
        }
    }

    async fn a_denial_is_in_the_log_with_the_operation_and_the_policies_that_said_no(server) {
        let scene = Scene::new(server).await;
        let auditor = Browser::signed_in(server, "aud").await;
        scene.ask(&auditor, "POST", "/recordings/{id}/playbacks").await.refused(403, "FORBIDDEN");
        let wanted = json!({"text": "access.denied", "action": null, "outcome": "denied", "from": null, "to": null, "before": null, "limit": 5});
        let found = auditor.post("/audit/search", wanted).await.expect(200);
        let entry = &found.body["entries"][0];
        assert_eq!(entry["detail"]["operation"], "play_recording");
        let digest = auditor.get("/policies").await.expect(200).str("digest");
        assert_eq!(entry["policy_digest"], digest.as_str());
    }
}
