//! What should never be sent: each gets its stable code, and nothing else happens.

use crate::on_both_engines;
use crate::support::people::{Browser, Visit, send};
use reqwest::Method;
use serde_json::json;

on_both_engines! {
    async fn another_site_cannot_act_through_a_browser(server) {
        let visit = Visit::new(server).await;
        let to = |browser: &Browser| browser.client.post(format!("{}/api/v1/consultations/{}/end", server.origin, visit.id)).json(&json!({}));
        send(to(&visit.clinician).header("Origin", "https://evil.example")).await.refused(403, "ORIGIN");
        send(to(&visit.clinician).header("Origin", "null")).await.refused(403, "ORIGIN");
        send(to(&visit.clinician).header("Sec-Fetch-Site", "cross-site")).await.refused(403, "ORIGIN");
        send(to(&visit.clinician).header("Host", "evil.example")).await.refused(421, "ORIGIN");
        assert_eq!(visit.clinician.get(&visit.path("")).await.expect(200).str("status"), "in_progress");
    }

    async fn a_path_spelled_otherwise_is_checked_all_the_same(server) {
        let browser = Browser::new(server);
        for path in ["/%61pi/v1/sign-in", "/api/%761/sign-in", "/api/v1/sign%2Din", "//api/v1/sign-in"] {
            let to = browser.client.post(format!("{}{path}", server.origin)).header("Origin", "https://evil.example");
            let reply = send(to.json(&json!({"username": "ana", "password": crate::support::server::PASSWORD}))).await;
            assert!(reply.status.as_u16() >= 400 && reply.headers.get("set-cookie").is_none(), "{path}: {}", reply.text);
        }
    }

    async fn a_method_that_does_not_belong_is_told_so(server) {
        let browser = Browser::new(server);
        browser.get("/sign-in").await.refused(405, "METHOD");
        send(browser.request(Method::DELETE, "/consultations").json(&json!({}))).await.refused(405, "METHOD");
    }

    async fn what_is_not_json_is_refused_by_its_type_size_and_shape(server) {
        let ana = Browser::signed_in(server, "ana").await;
        let to = || ana.request(Method::POST, "/patients/search");
        send(to().header("Content-Type", "text/plain").body("{\"text\":\"\"}")).await.refused(415, "CONTENT_TYPE");
        send(to().body("{\"text\":\"\"}")).await.refused(415, "CONTENT_TYPE");
        send(to().header("Content-Type", "application/json").body("{\"text\":")).await.refused(400, "MALFORMED");
        send(to().json(&json!({"text": 5}))).await.refused(400, "MALFORMED");
        send(to().json(&json!({"text": "", "more": 1}))).await.refused(400, "MALFORMED");
        send(to().json(&json!({"text": "x".repeat(70_000)}))).await.refused(413, "BODY_TOO_LARGE");
        send(to().header("Content-Type", "application/json").body(vec![0xff_u8; 100])).await.refused(400, "MALFORMED");
    }

    async fn unknown_addresses_and_ids_are_told_as_such(server) {
        let ana = Browser::signed_in(server, "ana").await;
        ana.get("/nothing").await.refused(404, "NOT_FOUND");
        ana.get("/consultations/not-an-id").await.refused(404, "NOT_FOUND");
        ana.get("/consultations/01890000-0000-7000-8000-000000000000").await.refused(404, "NOT_FOUND");
        ana.get("/playbacks/01890000-0000-7000-8000-000000000000/media/0").await.refused(404, "NOT_FOUND");
        ana.get("/consent-texts/no-such-text").await.refused(404, "NOT_FOUND");
        ana.post("/consultations", json!({"patient_id": "01890000-0000-7000-8000-000000000000", "starts_at": null})).await.refused(404, "NOT_FOUND");
    }

    async fn every_bad_field_of_a_patient_is_named_at_once(server) {
        let ana = Browser::signed_in(server, "ana").await;
        let reply = ana.post("/patients", json!({"identifier": "", "name": " ", "birth_date": "yesterday", "language": "e", "call_back_number": "call me"})).await;
        let fields = reply.refused(422, "VALIDATION").body["fields"].clone();
        let names: Vec<_> = fields.as_array().expect("fields").iter().map(|f| f["name"].as_str().expect("name")).collect();
        assert_eq!(names, ["identifier", "name", "birth_date", "language", "call_back_number"]);
    }

    async fn pages_come_with_the_strictest_policy_and_only_under_the_right_name(server) {
        let browser = Browser::new(server);
        let reply = browser.client.get(format!("http://127.0.0.1:{}/sign-in", server.address.port())).send().await.expect("answer");
        assert_eq!((reply.status().as_u16(), reply.headers()["location"].to_str().expect("text")), (308, format!("{}/sign-in", server.origin).as_str()));
        let reply = browser.get("/config").await.expect(200);
        let csp = reply.headers["content-security-policy"].to_str().expect("text");
        assert!(csp.starts_with("default-src 'none'") && !csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"), "{csp}");
        for (name, value) in [("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
            assert_eq!(reply.headers[name], value);
        }
        assert!(reply.headers.contains_key("x-request-id"));
    }

    async fn garbage_on_the_media_port_harms_nothing(server) {
        let visit = Visit::new(server).await;
        let mut ana = visit.clinician.join(&visit.id).await;
        ana.snapshot("the room", |_| true).await;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        for n in 0..2_000_u32 {
            // every first byte there is: STUN, DTLS, RTP, RTCP and nothing at all
            let mut datagram = vec![(n % 256) as u8; (n % 1_400) as usize + 1];
            if n % 3 == 0 {
                datagram.splice(0..datagram.len().min(8), [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
            }
            let _ = socket.send_to(&datagram, server.media_address).await;
        }
        ana.say(json!({"type": "state", "microphone": true, "camera": false, "screen": false})).await;
        ana.snapshot("still there", |s| s["participants"][0]["microphone"] == true).await;
    }

    async fn the_openapi_document_describes_addresses_that_exist(server) {
        let browser = Browser::signed_in(server, "ana").await;
        let document = browser.get("/openapi.json").await.expect(200).body;
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() >= 75, "{} paths", paths.len());
        for (path, operations) in paths {
            let path = path.trim_start_matches("/api/v1").replace("{id}", "01890000-0000-7000-8000-000000000000").replace("{participant}", "01890000-0000-7000-8000-000000000001").replace("{hold}", "01890000-0000-7000-8000-000000000002").replace("{grant}", "01890000-0000-7000-8000-000000000003").replace("{index}", "0").replace("{consent}", "01890000-0000-7000-8000-000000000004").replace("{text}", "x").replace("{level}", "0").replace("{place}", "000.p/1");
            for method in operations.as_object().expect("operations").keys().filter(|m| *m != "parameters") {
                let method: Method = method.to_uppercase().parse().expect("method");
                let reply = send(browser.request(method.clone(), &path).json(&json!({}))).await;
                // signing out on the way would make the rest unauthenticated, which is an answer as well
                assert_ne!(reply.body["detail"], "There is nothing at this address.", "{method} {path}");
                assert!(reply.status.as_u16() < 500, "{method} {path}: {}", reply.text);
            }
        }
    }
}
