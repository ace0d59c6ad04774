//! What the tests of this module share: a browser's stand-in, and a world without sockets, where time
//! passes only when a test says so.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::crypto::SignatureScheme;
use rtc::data_channel::RTCDataChannelId;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{Interceptor, Packet, Registry, Slot, StreamInfo, TaggedPacket};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtcp;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, Message, Setter};
use tokio::sync::{mpsc, oneshot};

use super::demux::Demux;
use super::handle::MediaEvent;
use super::negotiate::Negotiator;
use super::rewrite::fresh_header;
use super::stats::{Counters, MediaStats};
use super::switch::{Command, Switch};
use super::{PeerId, SLOTS, Source};

pub(super) const GATEWAY: &str = "192.0.2.250:4000";
pub(super) const KEYFRAME: &[u8] = &[0x10, 0x00, 1, 2, 3];
pub(super) const DELTA: &[u8] = &[0x10, 0x01, 1, 2, 3];

/// A STUN binding request with username, MESSAGE-INTEGRITY and FINGERPRINT.
pub(super) fn binding_request(username: &str, password: &str) -> Vec<u8> {
    let provider = rtc::crypto::default_provider().unwrap();
    let mut message = Message::new();
    message.set_type(BINDING_REQUEST);
    message.new_transaction_id().unwrap();
    message.write_header();
    message.add(ATTR_USERNAME, username.as_bytes());
    MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto()).add_to(&mut message).unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

/// What a client got, decrypted.
#[derive(Default)]
pub(super) struct Received {
    pub rtp: Vec<rtp::Packet>,
    pub rtcp: Vec<Box<dyn rtcp::Packet>>,
}

#[derive(Default)]
struct Sink(Arc<Mutex<Received>>, VecDeque<TaggedPacket>);

impl Protocol<TaggedPacket, TaggedPacket, ()> for Sink {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        let mut received = self.0.lock().unwrap();
        match message.message.packet {
            Packet::Rtp(packet) => received.rtp.push(packet),
            Packet::Rtcp(packets) => received.rtcp.extend(packets),
            _ => {}
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        self.1.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.1.pop_front()
    }
}

impl Interceptor for Sink {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

/// A stand-in for a browser.
pub(super) struct Client {
    core: RTCPeerConnection,
    pub id: PeerId,
    pub address: SocketAddr,
    pub connected: bool,
    pub offer: String,
    pub answer: String,
    pub texts: Vec<String>,
    chat: RTCDataChannelId,
    ssrc: u32,
    sequences: [u16; 3],
    received: Arc<Mutex<Received>>,
    /// The last datagrams it sent, as an eavesdropper has them.
    pub sent: Vec<BytesMut>,
}

fn codec(video: bool) -> RTCRtpCodecParameters {
    let rtp_codec = RTCRtpCodec {
        mime_type: if video { MIME_TYPE_VP8 } else { MIME_TYPE_OPUS }.to_owned(),
        clock_rate: if video { 90_000 } else { 48_000 },
        channels: if video { 0 } else { 2 },
        sdp_fmtp_line: String::new(),
        rtcp_feedback: Vec::new(),
    };
    RTCRtpCodecParameters { rtp_codec, payload_type: if video { 96 } else { 111 } }
}

fn kind(video: bool) -> RtpCodecKind {
    if video { RtpCodecKind::Video } else { RtpCodecKind::Audio }
}

impl Client {
    pub(super) fn new(number: u8, now: Instant) -> Client {
        let mut engine = MediaEngine::default();
        engine.register_codec(codec(false), RtpCodecKind::Audio).unwrap();
        engine.register_codec(codec(true), RtpCodecKind::Video).unwrap();
        let mid = || RTCRtpHeaderExtensionCapability { uri: "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned() };
        engine.register_header_extension(mid(), RtpCodecKind::Audio, None).unwrap();
        engine.register_header_extension(mid(), RtpCodecKind::Video, None).unwrap();
        let sink = Sink::default();
        let received = Arc::clone(&sink.0);
        let provider = rtc::crypto::default_provider().unwrap();
        let parameters = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let certificate = RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, parameters).unwrap();
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_srtp_protection_profiles(vec![rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm]);
        let mut core = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(vec![certificate]).build())
            .with_media_engine(engine)
            .with_interceptor_registry(Registry::new().with(Slot::from(14_000), sink))
            .with_setting_engine(settings.build())
            .build(now)
            .unwrap();
        let ssrc = 1000 * u32::from(number);
        for source in Source::ALL {
            let encoding = RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(ssrc + source.index() as u32),
                    ..RTCRtpCodingParameters::default()
                },
                active: true,
                codec: codec(source.is_video()).rtp_codec,
                ..RTCRtpEncodingParameters::default()
            };
            let name = format!("{source:?}");
            let track = MediaStreamTrack::new("s".into(), name.clone(), name, kind(source.is_video()), vec![encoding]);
            let init =
                RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, streams: Vec::new(), send_encodings: Vec::new() };
            core.add_transceiver_from_track(track, Some(init)).unwrap();
        }
        for source in (0..SLOTS).flat_map(|_| Source::ALL) {
            core.add_transceiver_from_kind(kind(source.is_video()), None).unwrap();
        }
        let chat = core.create_data_channel("chat", None).unwrap().id();
        let address: SocketAddr = ([192, 0, 2, number], 5000).into();
        let base_config = CandidateConfig {
            network: "udp".into(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let host = CandidateHostConfig { base_config, ..CandidateHostConfig::default() };
        let host = RTCIceCandidate::from(&host.new_candidate_host().unwrap());
        core.add_local_candidate(host.to_json().unwrap()).unwrap();
        let offer = core.create_offer(None).unwrap();
        core.set_local_description(now, offer.clone()).unwrap();
        Client {
            core,
            id: PeerId(uuid::Uuid::from_u128(u128::from(number))),
            address,
            connected: false,
            offer: offer.sdp,
            answer: String::new(),
            texts: Vec::new(),
            chat,
            ssrc,
            sequences: [100; 3],
            received,
            sent: Vec::new(),
        }
    }

    pub(super) fn accept(&mut self, answer: &str, now: Instant) {
        answer.clone_into(&mut self.answer);
        // A browser would refuse to send a longer message; this one is not so polite.
        let answer = answer.replace("max-message-size:4096", "max-message-size:65536");
        self.core.set_remote_description(now, RTCSessionDescription::answer(answer).unwrap()).unwrap();
    }

    pub(super) fn ssrc(&self, source: Source) -> u32 {
        self.ssrc + source.index() as u32
    }

    /// The SSRC its answer announces for a slot's source.
    pub(super) fn slot_ssrc(&self, slot: usize, source: Source) -> u32 {
        let section = self.answer.split("\r\nm=").nth(4 + slot * 3 + source.index()).unwrap();
        let ssrc = section.lines().find_map(|line| line.strip_prefix("a=ssrc:")).unwrap();
        ssrc.split(' ').next().unwrap().parse().unwrap()
    }

    pub(super) fn write_rtp(&mut self, source: Source, ssrc: u32, payload: &[u8], mid: Option<&str>, now: Instant) {
        let sequence = &mut self.sequences[source.index()];
        *sequence += 1;
        let payload_type = if source.is_video() { 96 } else { 111 };
        let mut header = fresh_header(ssrc, payload_type, true, *sequence, u32::from(*sequence) * 3000);
        if let Some(mid) = mid {
            let id = self.offer.lines().find(|line| line.ends_with("sdes:mid")).unwrap();
            let id = id.trim_start_matches("a=extmap:").split(' ').next().unwrap().parse().unwrap();
            header.set_extension(id, Bytes::copy_from_slice(mid.as_bytes())).unwrap();
        }
        let packet = rtp::Packet { header, payload: Bytes::copy_from_slice(payload) };
        let message = RTCMessage::RtpPacket(String::new(), packet);
        self.core.handle_write(TaggedRTCMessage { now, message }).unwrap();
    }

    pub(super) fn publish(&mut self, source: Source, payload: &[u8], now: Instant) {
        self.write_rtp(source, self.ssrc(source), payload, None, now);
    }

    pub(super) fn write_rtcp(&mut self, packet: Box<dyn rtcp::Packet>, now: Instant) {
        let message = RTCMessage::RtcpPacket(String::new(), vec![packet]);
        self.core.handle_write(TaggedRTCMessage { now, message }).unwrap();
    }

    pub(super) fn say(&mut self, text: &str, now: Instant) {
        self.core.data_channel(self.chat).unwrap().send_text(now, text).unwrap();
    }

    /// What came in since last asked.
    pub(super) fn received(&self) -> Received {
        std::mem::take(&mut *self.received.lock().unwrap())
    }

    fn read(&mut self, datagram: BytesMut, now: Instant) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: GATEWAY.parse().unwrap(),
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        self.core.handle_read(TaggedBytesMut { now, transport, message: datagram }).unwrap();
    }

    fn turn(&mut self, now: Instant) -> Vec<BytesMut> {
        self.core.handle_timeout(now).unwrap();
        while let Some(event) = self.core.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
            }
        }
        while let Some(message) = self.core.poll_data_read() {
            if let RTCMessage::DataChannelMessage(_, message) = message.message {
                self.texts.push(String::from_utf8(message.data.to_vec()).unwrap());
            }
        }
        let out: Vec<BytesMut> = std::iter::from_fn(|| self.core.poll_write()).map(|out| out.message).collect();
        self.sent.extend(out.iter().cloned());
        out
    }
}

/// A switch with its clients.
pub(super) struct World {
    pub switch: Switch,
    pub clients: Vec<Client>,
    pub now: Instant,
    pub negotiator: Negotiator,
    events: mpsc::UnboundedReceiver<MediaEvent>,
    counters: Arc<Counters>,
    serial: u64,
}

impl World {
    pub(super) fn new() -> World {
        let gateway: SocketAddr = GATEWAY.parse().unwrap();
        let negotiator = Negotiator::new(&[gateway.ip()], gateway.port()).unwrap();
        let counters = Arc::new(Counters::default());
        let (sender, events) = mpsc::unbounded_channel();
        let switch = Switch::new(Demux::new(negotiator.crypto()), sender, Arc::clone(&counters));
        World { switch, clients: Vec::new(), now: Instant::now(), negotiator, events, counters, serial: 0 }
    }

    /// A world with this many connected clients and no routes.
    pub(super) fn with(clients: u8) -> World {
        let mut world = World::new();
        for number in 1..=clients {
            world.join(number);
        }
        assert!(world.until(|world| world.clients.iter().all(|client| client.connected)), "not connected");
        world.pass(100);
        world
    }

    /// Connects client `number`, anew if it is there already; its place in `clients` stays.
    pub(super) fn join(&mut self, number: u8) -> usize {
        let mut client = Client::new(number, self.now);
        self.serial += 1;
        let (peer, answer) = self.negotiator.negotiate(client.id, self.serial, &client.offer, self.now).unwrap();
        client.accept(&answer, self.now);
        self.command(Command::Connect(Box::new(peer), oneshot::channel().0));
        if let Some(place) = self.clients.iter().position(|known| known.id == client.id) {
            self.clients[place] = client;
            return place;
        }
        self.clients.push(client);
        self.clients.len() - 1
    }

    pub(super) fn command(&mut self, command: Command) {
        self.switch.command(command, self.now);
        self.deliver();
    }

    /// Subscribes one client to others, by their places.
    pub(super) fn route(&mut self, subscriber: usize, publishers: &[usize]) {
        let slots = std::array::from_fn(|slot| publishers.get(slot).map(|place| self.clients[*place].id));
        self.command(Command::Route(self.clients[subscriber].id, slots));
    }

    pub(super) fn publish(&mut self, client: usize, source: Source, payload: &[u8]) {
        let now = self.now;
        self.clients[client].publish(source, payload, now);
        self.exchange();
    }

    pub(super) fn inject(&mut self, source: SocketAddr, datagram: &[u8]) {
        self.switch.datagram(source, None, datagram, self.now);
        self.deliver();
    }

    fn deliver(&mut self) {
        self.switch.tick(self.now);
        self.switch.drain(self.now);
        for datagram in std::mem::take(&mut self.switch.outgoing) {
            if let Some(client) = self.clients.iter_mut().find(|client| client.address == datagram.to) {
                client.read(datagram.bytes, self.now);
            }
        }
    }

    /// Lets everybody say what they have to, at this instant.
    pub(super) fn exchange(&mut self) {
        for client in 0..self.clients.len() {
            let address = self.clients[client].address;
            for datagram in self.clients[client].turn(self.now) {
                self.switch.datagram(address, None, &datagram, self.now);
            }
        }
        self.deliver();
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds.div_ceil(5) {
            self.now += Duration::from_millis(5);
            self.exchange();
        }
    }

    /// Lets at most ten seconds pass until something is so.
    pub(super) fn until(&mut self, condition: impl Fn(&World) -> bool) -> bool {
        for _ in 0..2000 {
            if condition(self) {
                return true;
            }
            self.pass(5);
        }
        false
    }

    pub(super) fn stats(&self) -> MediaStats {
        self.counters.read()
    }

    pub(super) fn events(&mut self) -> Vec<MediaEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}
