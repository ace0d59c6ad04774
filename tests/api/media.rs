//! Calls with media: clients of the asynchronous `webrtc` crate join through the real signaling connection and UDP port.

use crate::on_both_engines;
use crate::support::decisions;
use crate::support::people::{Browser, Socket, Visit};
use crate::support::server::TestServer;
use async_trait::async_trait;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, RTCDataChannelState};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState};

const PATIENCE: Duration = Duration::from_secs(20);
const OPUS_FRAME: [u8; 3] = [0xf8, 0xff, 0xfe];

fn codec(kind: RtpCodecKind) -> RTCRtpCodecParameters {
    let (mime, clock_rate, channels, fmtp, payload_type) = match kind {
        RtpCodecKind::Audio => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", 111),
        _ => (MIME_TYPE_VP8, 90_000, 0, "", 96),
    };
    let rtp_codec = RTCRtpCodec { mime_type: mime.into(), clock_rate, channels, sdp_fmtp_line: fmtp.into(), rtcp_feedback: vec![] };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}

struct Handler {
    connected: watch::Sender<bool>,
    packets: mpsc::UnboundedSender<Vec<u8>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.connected.send(state == RTCPeerConnectionState::Connected);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let packets = self.packets.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let _ = packets.send(packet.payload.to_vec());
                }
            }
        });
    }
}

/// What every offer here calls its session (RFC 8866, section 5.3): words of a browser's that nobody needs.
pub const SESSION_NAME: &str = "canarysdp7Qx";

/// Someone in a call, who can speak and listen.
pub struct Caller {
    pub socket: Socket,
    chat: Arc<dyn DataChannel>,
    connection: Arc<dyn PeerConnection>,
    microphone: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    packets: mpsc::UnboundedReceiver<Vec<u8>>,
    sequence: u16,
}

impl Caller {
    /// Joins with the thirteen m-lines of the protocol and waits until media can flow.
    pub async fn new(mut socket: Socket, ssrc: u32) -> Self {
        let mut engine = MediaEngine::default();
        engine.register_codec(codec(RtpCodecKind::Audio), RtpCodecKind::Audio).expect("Opus");
        engine.register_codec(codec(RtpCodecKind::Video), RtpCodecKind::Video).expect("VP8");
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(true)
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .build();
        let (connected, mut is_connected) = watch::channel(false);
        let (sender, packets) = mpsc::unbounded_channel();
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_media_engine(engine)
                .with_setting_engine(settings)
                .with_handler(Arc::new(Handler { connected, packets: sender }))
                .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
                .build()
                .await
                .expect("connection"),
        );
        let mut microphone = None;
        for (n, kind) in [RtpCodecKind::Audio, RtpCodecKind::Video, RtpCodecKind::Video].into_iter().enumerate() {
            let coding = RTCRtpCodingParameters { ssrc: Some(ssrc + n as u32), ..Default::default() };
            let encoding = RTCRtpEncodingParameters {
                rtp_coding_parameters: coding,
                active: true,
                codec: codec(kind).rtp_codec,
                ..Default::default()
            };
            let stream = MediaStreamTrack::new(format!("s{ssrc}"), format!("t{ssrc}-{n}"), "t".into(), kind, vec![encoding]);
            let track = Arc::new(TrackLocalStaticRTP::new(stream));
            let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, ..Default::default() };
            connection.add_transceiver_from_track(Arc::clone(&track) as Arc<dyn TrackLocal>, Some(init)).await.expect("transceiver");
            microphone.get_or_insert(track);
        }
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video, RtpCodecKind::Video].into_iter().cycle().take(9) {
            let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
            connection.add_transceiver_from_kind(kind, Some(init)).await.expect("transceiver");
        }
        let chat = connection.create_data_channel("chat", None).await.expect("channel");
        let offer = connection.create_offer(None).await.expect("offer");
        connection.set_local_description(offer.clone()).await.expect("local");
        let offered = offer.sdp.replacen("\r\ns=-\r\n", &format!("\r\ns={SESSION_NAME}\r\n"), 1);
        assert!(offered.contains(SESSION_NAME), "{offered}");
        socket.say(json!({"type": "offer", "sdp": offered, "key_epoch": 0})).await;
        let answer = socket.until("an answer", |m| m["type"] == "answer" || m["type"] == "error").await;
        let sdp = answer["sdp"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        connection.set_remote_description(RTCSessionDescription::answer(sdp).expect("SDP")).await.expect("remote");
        tokio::time::timeout(PATIENCE, is_connected.wait_for(|yes| *yes)).await.expect("connected in time").expect("alive");
        Self { socket, chat, connection, microphone: microphone.expect("there"), ssrc, packets, sequence: 0 }
    }

    /// Says something in the chat, once its channel is open.
    pub async fn write(&self, text: &str) {
        let open = async {
            while self.chat.ready_state().await.ok() != Some(RTCDataChannelState::Open) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, open).await.expect("the chat opens in time");
        self.chat.send_text(&json!({"id": "1", "text": text}).to_string()).await.expect("sent");
    }

    /// Sends one Opus packet that can be told from any other.
    async fn speak(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let header = rtc::rtp::Header {
            version: 2,
            payload_type: 111,
            sequence_number: self.sequence,
            timestamp: u32::from(self.sequence) * 960,
            ssrc: self.ssrc,
            ..Default::default()
        };
        let packet = rtc::rtp::Packet { header, payload: self.words() };
        let _ = self.microphone.write_rtp(packet).await;
    }

    fn words(&self) -> bytes::Bytes {
        [&OPUS_FRAME[..], &self.ssrc.to_be_bytes()].concat().into()
    }
}

/// Speaks until the other hears it.
async fn heard(speaker: &mut Caller, listener: &mut Caller) {
    let words = speaker.words();
    let attempt = async {
        loop {
            speaker.speak().await;
            while let Ok(payload) = listener.packets.try_recv() {
                if payload == words {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, attempt).await.expect("heard in time");
}

/// Speaks for a second and a half: long enough for a second to be complete.
async fn talk(speakers: &mut [&mut Caller]) {
    for _ in 0..75 {
        for speaker in &mut *speakers {
            speaker.speak().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn recorded_bytes(server: &TestServer) -> u64 {
    let folders = std::fs::read_dir(server.folder.join("recordings")).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.map(|file| file.metadata().map_or(0, |m| m.len())).sum()
}

async fn permit(browser: &Browser, consultation: &str, recording: &str) {
    decisions::decide(browser, consultation, recording, "permit").await.expect(201);
}

on_both_engines! {
    async fn both_hear_each_other_and_are_recorded_only_between_consent_and_withdrawal(server) {
        let visit = Visit::new(server).await;
        let patient = visit.patient(server).await;
        let mut ana = Caller::new(visit.clinician.join(&visit.id).await, 1_000).await;
        let mut lobby = patient.join(&visit.id).await;
        let id = lobby.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
        lobby.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
        let mut guest = Caller::new(lobby, 2_000).await;
        heard(&mut ana, &mut guest).await;
        heard(&mut guest, &mut ana).await;

        let recording = visit.clinician.post(&visit.path("/recordings"), json!({})).await.expect(201).str("id");
        permit(&visit.clinician, &visit.id, &recording).await;
        talk(&mut [&mut ana, &mut guest]).await;
        assert_eq!(recorded_bytes(server), 0, "one consent of two");
        permit(&patient, &visit.id, &recording).await;
        guest.socket.snapshot("active", |s| s["recording"]["state"] == "active").await;
        talk(&mut [&mut ana, &mut guest]).await;
        talk(&mut [&mut ana, &mut guest]).await;
        decisions::withdraw(&patient, &visit.id, &recording).await.expect(201);
        let sealed = async {
            loop {
                let all = visit.clinician.get(&visit.path("/recordings")).await.expect(200).body;
                if all["recordings"][0]["state"] == "sealed" {
                    return all["recordings"][0].clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let made = tokio::time::timeout(PATIENCE, sealed).await.expect("sealed in time");
        let bytes = recorded_bytes(server);
        assert!(bytes > 0 && made["duration_ms"].as_u64().is_some_and(|ms| (2_000..6_000).contains(&ms)), "{made}");
        heard(&mut ana, &mut guest).await;
        talk(&mut [&mut ana, &mut guest]).await;
        assert_eq!(recorded_bytes(server), bytes, "not one byte after the withdrawal");

        // the shipped policy: what was recorded before a withdrawal is kept until a records officer has decided
        visit.clinician.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.refused(409, "CONSENT_WITHDRAWN");
        let officer = Browser::signed_in(server, "rec").await;
        officer.post(&format!("/recordings/{recording}/review"), json!({"outcome": "keep"})).await.expect(204);
        let viewing = visit.clinician.post(&format!("/recordings/{recording}/playbacks"), json!({})).await.expect(201);
        let shown = viewing.body["presentations"].as_array().expect("presentations").clone();
        assert_eq!(shown.len(), 2);
        for one in shown {
            let url = format!("{}{}", server.origin, one["url"].as_str().expect("url"));
            let answer = visit.clinician.client.get(url).header("Range", "bytes=0-3").send().await.expect("answer");
            assert_eq!(answer.status().as_u16(), 206);
            assert_eq!(answer.bytes().await.expect("bytes").as_ref(), [0x1a, 0x45, 0xdf, 0xa3], "a WebM file begins");
        }
        let url = format!("{}{}", server.origin, viewing.body["presentations"][0]["url"].as_str().expect("url"));
        let whole = visit.clinician.client.get(&url).send().await.expect("answer");
        assert_eq!(whole.status().as_u16(), 200);
        let length = whole.content_length().expect("a length");
        assert_eq!(whole.bytes().await.expect("bytes").len() as u64, length);
        let tail = visit.clinician.client.get(&url).header("Range", "bytes=-10").send().await.expect("answer");
        assert_eq!(tail.headers()["content-range"], format!("bytes {}-{}/{length}", length - 10, length - 1));
        let beyond = visit.clinician.client.get(&url).header("Range", format!("bytes={length}-")).send().await.expect("answer");
        assert_eq!(beyond.status().as_u16(), 416);
        let ben = Browser::signed_in(server, "ben").await.client.get(&url).send().await.expect("answer");
        assert_eq!(ben.status().as_u16(), 404, "a viewing is its viewer's alone");

        // another patient's key in its place opens nothing
        let other = Visit::of(server, "ben").await;
        server.tamper("UPDATE subject_keys SET content_key = (SELECT o.content_key FROM subject_keys o
            WHERE o.subject_id <> subject_keys.subject_id AND o.content_key IS NOT NULL LIMIT 1) WHERE content_key IS NOT NULL").await;
        let refused = crate::support::people::send(visit.clinician.client.get(&url)).await;
        refused.refused(500, "INTEGRITY");
        drop(other);
        for caller in [ana, guest] {
            let _ = caller.connection.close().await;
        }
    }

    /// Suspension, a session ended elsewhere, and a participant who is removed: in each case no packet is passed on 200 ms later, in
    /// neither direction, though the peers go on sending.
    async fn a_revocation_stops_media_within_200_ms(server) {
        for how in ["suspended", "session ended", "removed"] {
            let visit = Visit::of(server, "ben").await;
            let patient = visit.patient(server).await;
            let mut ben = Caller::new(visit.clinician.join(&visit.id).await, 3_000).await;
            let mut lobby = patient.join(&visit.id).await;
            let id = lobby.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
            visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
            lobby.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
            let mut guest = Caller::new(lobby, 4_000).await;
            heard(&mut ben, &mut guest).await;
            heard(&mut guest, &mut ben).await;
            let administrator = Browser::signed_in(server, "adm").await;
            let users = administrator.get("/users").await.expect(200);
            let account = users.body["users"].as_array().expect("users").iter().find(|u| u["username"] == "ben").expect("ben")["id"].as_str().expect("id").to_owned();
            let act = async {
                match how {
                    "suspended" => administrator.post(&format!("/users/{account}/suspend"), json!({})).await.expect(204),
                    "session ended" => Browser::signed_in(server, "ben").await.post("/me/sign-in-sessions/end-others", json!({})).await.expect(204),
                    _ => visit.clinician.post(&visit.path(&format!("/participants/{id}/remove")), json!({})).await.expect(204),
                }
            };
            let speak = async {
                loop {
                    ben.speak().await;
                    guest.speak().await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            // both go on sending while it is done, and for 200 ms after it
            tokio::select! {
                () = async { act.await; tokio::time::sleep(Duration::from_millis(200)).await } => {}
                () = speak => {}
            }
            while ben.packets.try_recv().is_ok() || guest.packets.try_recv().is_ok() {}
            for _ in 0..30 {
                ben.speak().await;
                guest.speak().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(guest.packets.try_recv().is_err() && ben.packets.try_recv().is_err(), "{how}: media went on");
            if how == "suspended" {
                administrator.post(&format!("/users/{account}/restore"), json!({})).await.expect(204);
            }
            for caller in [ben, guest] {
                let _ = caller.connection.close().await;
            }
        }
    }

    async fn whoever_may_not_publish_is_not_heard_whatever_they_send(server) {
        let visit = Visit::new(server).await;
        let observer = visit.another(server, "observer", "Olga").await;
        let mut ana = Caller::new(visit.clinician.join(&visit.id).await, 5_000).await;
        let mut lobby = observer.join(&visit.id).await;
        let id = lobby.snapshot("the lobby", |_| true).await["self"]["id"].as_str().expect("id").to_owned();
        visit.clinician.post(&visit.path(&format!("/participants/{id}/admit")), json!({})).await.expect(204);
        lobby.snapshot("the call", |s| s["self"]["place"] == "in_call").await;
        let mut olga = Caller::new(lobby, 6_000).await;
        heard(&mut ana, &mut olga).await;
        talk(&mut [&mut olga]).await;
        assert!(ana.packets.try_recv().is_err(), "an observer was heard");
        for caller in [ana, olga] {
            let _ = caller.connection.close().await;
        }
    }
}
