//! Consultations and their patients.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit};
use serde_json::json;

on_both_engines! {
    async fn a_consultation_of_somebody_else_is_refused_and_the_attempt_recorded(server) {
        let visit = Visit::new(server).await;
        let ben = Browser::signed_in(server, "ben").await;
        let reply = ben.get(&visit.path("")).await.refused(403, "FORBIDDEN");
        assert!(!reply.text.contains("Quillon"));
        ben.post(&visit.path("/end"), json!({})).await.refused(403, "FORBIDDEN");
        ben.get(&visit.path("/invitations")).await.refused(403, "FORBIDDEN");
        ben.post(&visit.path("/join-tickets"), json!({})).await.refused(403, "FORBIDDEN");
        ben.post(&format!("/invitations/{}/reissue", visit.invitation), json!({})).await.refused(403, "FORBIDDEN");
        let aud = Browser::signed_in(server, "aud").await;
        let search = json!({"text": visit.id, "event": "access.denied", "outcome": "denied", "from": null, "to": null, "before": null, "limit": 50});
        let found = aud.post("/audit/search", search).await.expect(200).body["entries"].as_array().expect("entries").len();
        assert_eq!(found, 5);
    }

    async fn a_place_in_one_consultation_is_none_in_another(server) {
        let (one, other) = (Visit::new(server).await, Visit::new(server).await);
        let patient = one.patient(server).await;
        for path in ["/participants/me", ""] {
            patient.get(&other.path(path)).await.refused(403, "SCOPE");
        }
        patient.post(&other.path("/join-tickets"), json!({})).await.refused(403, "SCOPE");
        patient.get(&one.path("")).await.refused(403, "FORBIDDEN");
    }

    async fn only_the_lawful_transitions_are_made(server) {
        let visit = Visit::new(server).await;
        let ana = &visit.clinician;
        ana.post(&visit.path("/start"), json!({})).await.refused(409, "CONFLICT");
        ana.post(&visit.path("/cancel"), json!({})).await.refused(409, "CONFLICT");
        ana.post(&visit.path("/end"), json!({})).await.expect(200);
        ana.post(&visit.path("/end"), json!({})).await.refused(409, "CONFLICT");
        ana.post(&visit.path("/join-tickets"), json!({})).await.refused(410, "CONSULTATION_ENDED");
        let planned = ana.post("/consultations", json!({"patient_id": visit.patient_id, "starts_at": "2031-01-01T09:00:00Z"})).await.expect(201);
        assert_eq!((planned.str("status"), planned.str("starts_at")), ("planned".into(), "2031-01-01T09:00:00Z".into()));
        let cancelled = ana.post(&format!("/consultations/{}/cancel", planned.str("id")), json!({})).await.expect(200);
        assert_eq!(cancelled.str("status"), "cancelled");
        ana.post("/consultations", json!({"patient_id": visit.patient_id, "starts_at": "tomorrow"})).await.refused(400, "MALFORMED");
    }

    async fn joining_starts_a_planned_consultation(server) {
        let visit = Visit::new(server).await;
        let planned = visit.clinician.post("/consultations", json!({"patient_id": visit.patient_id, "starts_at": "2031-01-01T09:00:00Z"})).await.expect(201).str("id");
        visit.clinician.post(&format!("/consultations/{planned}/join-tickets"), json!({})).await.expect(201);
        assert_eq!(visit.clinician.get(&format!("/consultations/{planned}")).await.expect(200).str("status"), "in_progress");
    }

    async fn patients_are_found_by_beginnings_of_words_in_any_case(server) {
        let visit = Visit::new(server).await;
        let ana = &visit.clinician;
        let other = json!({"identifier": "MRN-2002", "name": "Ábel Quill-Smith", "birth_date": "1990-12-31", "language": "es", "call_back_number": "+34 555 0100"});
        ana.post("/patients", other).await.expect(201);
        for (text, found) in [("quil", 2), ("QUILLON ab", 1), ("abernathy quillon", 1), ("mrn-2002", 1), ("ábel", 1), ("", 2), ("zzz", 0), ("' OR 1=1 --", 0), ("%", 2)] {
            let reply = ana.post("/patients/search", json!({"text": text})).await.expect(200);
            assert_eq!(reply.body["patients"].as_array().map(Vec::len), Some(found), "{text}: {}", reply.text);
        }
    }
}
