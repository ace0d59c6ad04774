//! What a forwarded packet and a connection cost the gateway.
//!
//! N two-party calls at 1.2 Mbit/s VP8 and Opus go through the real UDP socket. The load comes from a child
//! process, so CPU and memory of this one are the gateway's alone: CPU of the thread `media` from
//! `/proc/self/task`, memory from `/proc/self/statm`. Run: `cargo bench --bench gateway [-- N…]`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test or benchmark ends loudly, prints, and documents itself by its names"
)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::crypto::SignatureScheme;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
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
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use bedside::gateway::media;
use media::{MediaConfig, MediaPlane, PeerId};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);
/// A VP8 frame of five packets 30 times a second: 1.2 Mbit/s.
const FRAME_EVERY: Duration = Duration::from_micros(33_333);
const FRAME_PACKETS: u16 = 5;
const VIDEO_BYTES: usize = 1000;
const AUDIO_EVERY: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 80;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "clients") {
        return clients(arguments[1].parse()?);
    }
    let calls: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    println!("calls  packets/s  cpu us/packet  cpu %  KiB/connection  p50 us  p99 us  lost  drop gw  drop cl  unsent");
    for calls in if calls.is_empty() { vec![1, 10, 40] } else { calls } {
        measure(calls)?;
    }
    Ok(())
}

fn media_thread_time() -> Result<Duration> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == "media" {
            let nanos = std::fs::read_to_string(path.join("schedstat"))?;
            return Ok(Duration::from_nanos(nanos.split(' ').next().unwrap_or("0").parse()?));
        }
    }
    Err("no media thread".into())
}

fn resident_kib() -> Result<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4)
}

/// Datagrams the kernel dropped for want of buffer: at the gateway's socket, and at all others.
fn kernel_drops(gateway: u16) -> Result<(u64, u64)> {
    let (mut own, mut others) = (0, 0);
    for line in std::fs::read_to_string("/proc/net/udp")?.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = words.get(1).and_then(|address| address.split(':').nth(1)).unwrap_or("0");
        let drops: u64 = words.last().unwrap_or(&"0").parse()?;
        *(if u16::from_str_radix(port, 16)? == gateway { &mut own } else { &mut others }) += drops;
    }
    Ok((own, others))
}

fn measure(calls: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let config = MediaConfig { bind: "127.0.0.1:0".parse()?, advertise: Vec::new() };
    let plane = MediaPlane::start(config, events)?;
    let idle = resident_kib()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["clients", &calls.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = child.stdin.take().ok_or("no stdin")?;
    let mut from = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
    let mut next = || from.next().ok_or("the clients ended")?.map_err(Box::<dyn Error>::from);
    let id = |index: usize| PeerId(uuid::Uuid::from_u128(index as u128 + 1));
    for index in 0..calls * 2 {
        let offer: String = serde_json::from_str(&next()?)?;
        let answer = runtime.block_on(plane.connect(id(index), offer, [true; 3]))?;
        plane.route(id(index), [Some(id(index ^ 1)), None, None]);
        writeln!(to, "{}", serde_json::to_string(&answer)?)?;
    }
    if next()? != "connected" {
        return Err("not all clients connected".into());
    }
    std::thread::sleep(WARM_UP);
    let (time, stats, start) = (media_thread_time()?, plane.stats(), Instant::now());
    std::thread::sleep(MEASURED);
    let (time, after) = (media_thread_time()?.saturating_sub(time), plane.stats());
    let seconds = start.elapsed().as_secs_f64();
    let forwarded = (after.forwarded - stats.forwarded) as f64;
    let memory = resident_kib()?.saturating_sub(idle) / (calls * 2);
    let drops = kernel_drops(plane.local_addr().port())?;
    writeln!(to, "stop")?;
    let delays = next()?;
    child.wait()?;
    while heard.try_recv().is_ok() {}
    println!(
        "{calls:>5}  {:>9.0}  {:>13.1}  {:>5.1}  {memory:>14}  {delays}  {:>7}  {:>7}  {:>6}",
        forwarded / seconds,
        time.as_secs_f64() * 1e6 / forwarded,
        time.as_secs_f64() / seconds * 100.0,
        drops.0,
        drops.1,
        after.send_failed,
    );
    Ok(())
}

/// Takes received packets out before the client's own endpoint looks for tracks.
#[derive(Default)]
struct Sink(std::sync::Arc<std::sync::Mutex<Vec<(u32, u16, Bytes)>>>, std::collections::VecDeque<TaggedPacket>);

impl Protocol<TaggedPacket, TaggedPacket, ()> for Sink {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;
    fn handle_read(&mut self, message: TaggedPacket) -> std::result::Result<(), Self::Error> {
        if let (Packet::Rtp(packet), Ok(mut sink)) = (message.message.packet, self.0.lock()) {
            sink.push((packet.header.ssrc, packet.header.sequence_number, packet.payload));
        }
        Ok(())
    }
    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }
    fn handle_write(&mut self, message: TaggedPacket) -> std::result::Result<(), Self::Error> {
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

struct Client {
    core: RTCPeerConnection,
    socket: UdpSocket,
    local: SocketAddr,
    received: std::sync::Arc<std::sync::Mutex<Vec<(u32, u16, Bytes)>>>,
    connected: bool,
    base: u32,
    sequences: [u16; 2],
    due: [Instant; 2],
    timers: Instant,
    highest: std::collections::HashMap<u32, (u16, u64, u64)>,
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

impl Client {
    /// A client and its offer: three m-lines to send, nine to receive, one for data.
    fn new(base: u32, certificate: &RTCCertificate) -> Result<(Client, String)> {
        let now = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let mut engine = MediaEngine::default();
        engine.register_codec(codec(false), RtpCodecKind::Audio)?;
        engine.register_codec(codec(true), RtpCodecKind::Video)?;
        let sink = Sink::default();
        let received = sink.0.clone();
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(true)
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm]);
        let mut core = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(vec![certificate.clone()]).build())
            .with_media_engine(engine)
            .with_interceptor_registry(Registry::new().with(Slot::from(14_000), sink))
            .with_setting_engine(settings.build())
            .build(now)?;
        let kind = |video| if video { RtpCodecKind::Video } else { RtpCodecKind::Audio };
        for (index, video) in [(0, false), (1, true), (2, true)] {
            let coding = RTCRtpCodingParameters { ssrc: Some(base + index), ..RTCRtpCodingParameters::default() };
            let encoding = RTCRtpEncodingParameters {
                rtp_coding_parameters: coding,
                active: true,
                codec: codec(video).rtp_codec,
                ..RTCRtpEncodingParameters::default()
            };
            let name = format!("t{index}");
            let track = MediaStreamTrack::new("s".into(), name.clone(), name, kind(video), vec![encoding]);
            let init =
                RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, streams: Vec::new(), send_encodings: Vec::new() };
            core.add_transceiver_from_track(track, Some(init))?;
        }
        for video in [false, true, true, false, true, true, false, true, true] {
            core.add_transceiver_from_kind(kind(video), None)?;
        }
        core.create_data_channel("chat", None)?;
        let base_config = CandidateConfig {
            network: "udp".into(),
            address: local.ip().to_string(),
            port: local.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let host = CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host()?;
        core.add_local_candidate(RTCIceCandidate::from(&host).to_json()?)?;
        let offer = core.create_offer(None)?;
        core.set_local_description(now, offer.clone())?;
        let client = Client {
            core,
            socket,
            local,
            received,
            connected: false,
            base,
            sequences: [0; 2],
            due: [now; 2],
            timers: now,
            highest: std::collections::HashMap::new(),
        };
        Ok((client, offer.sdp))
    }

    fn send(&mut self, video: bool, marker: bool, start: Instant, now: Instant) -> Result<()> {
        let index = usize::from(video);
        self.sequences[index] = self.sequences[index].wrapping_add(1);
        let mut payload = vec![0_u8; if video { VIDEO_BYTES } else { AUDIO_BYTES }];
        payload[0] = 0x10;
        payload[8..16].copy_from_slice(&u64::try_from(start.elapsed().as_nanos())?.to_be_bytes());
        let header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type: if video { 96 } else { 111 },
            sequence_number: self.sequences[index],
            timestamp: u32::try_from(now.duration_since(start).as_millis())?.wrapping_mul(if video { 90 } else { 48 }),
            ssrc: self.base + u32::from(video),
            ..rtc::rtp::Header::default()
        };
        let packet = rtc::rtp::Packet { header, payload: payload.into() };
        let message = RTCMessage::RtpPacket(String::new(), packet);
        self.core.handle_write(TaggedRTCMessage { now, message })?;
        Ok(())
    }

    fn turn(&mut self, start: Instant, flowing: bool, delays: &mut Vec<u32>) -> Result<()> {
        let mut buffer = [0; 2048];
        let now = Instant::now();
        while let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            let transport =
                TransportContext { local_addr: self.local, peer_addr: source, ecn: None, transport_protocol: TransportProtocol::UDP };
            let message = TaggedBytesMut { now, transport, message: BytesMut::from(&buffer[..length]) };
            self.core.handle_read(message)?;
        }
        let received = self.received.lock().map(|mut received| std::mem::take(&mut *received)).unwrap_or_default();
        for (ssrc, sequence, payload) in received {
            let (highest, count, span) = self.highest.entry(ssrc).or_insert((sequence, 0, 1));
            *count += 1;
            let ahead = sequence.wrapping_sub(*highest);
            if ahead < 0x8000 {
                *span += u64::from(ahead);
                *highest = sequence;
            }
            if let Some(Ok(sent)) = payload.get(8..16).map(<[u8; 8]>::try_from) {
                let delay = start.elapsed().as_nanos().saturating_sub(u128::from(u64::from_be_bytes(sent)));
                delays.push(u32::try_from(delay / 1000).unwrap_or(u32::MAX));
            }
        }
        if flowing && now >= self.due[0] {
            self.due[0] += AUDIO_EVERY;
            self.send(false, false, start, now)?;
        }
        if flowing && now >= self.due[1] {
            self.due[1] += FRAME_EVERY;
            for packet in 1..=FRAME_PACKETS {
                self.send(true, packet == FRAME_PACKETS, start, now)?;
            }
        }
        if now >= self.timers {
            self.timers = now + Duration::from_millis(if self.connected { 50 } else { 5 });
            self.core.handle_timeout(now)?;
            while let Some(event) = self.core.poll_event() {
                if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                    self.connected = state == RTCPeerConnectionState::Connected;
                }
            }
        }
        while let Some(out) = self.core.poll_write() {
            // A full socket buffer is loss, which the figures show.
            let _ = self.socket.send_to(&out.message, out.transport.peer_addr);
        }
        Ok(())
    }
}

/// The child: offers on stdout, answers on stdin, then media until told to stop.
fn clients(calls: usize) -> Result<()> {
    let provider = rtc::crypto::default_provider()?;
    let parameters = CertificateParams::new(vec!["client".to_owned()])?;
    let certificate = RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, parameters)?;
    let mut clients = Vec::new();
    let mut input = BufReader::new(std::io::stdin()).lines();
    for index in 0..calls * 2 {
        let (mut client, offer) = Client::new(1000 + 10 * u32::try_from(index)?, &certificate)?;
        println!("{}", serde_json::to_string(&offer)?);
        let answer: String = serde_json::from_str(&input.next().ok_or("no answer")??)?;
        client.core.set_remote_description(Instant::now(), RTCSessionDescription::answer(answer)?)?;
        clients.push(client);
    }
    let (stop, stopped) = std::sync::mpsc::channel();
    std::thread::spawn(move || stop.send(input.next().is_some()));
    let (start, mut flowing, mut delays) = (Instant::now(), false, Vec::new());
    while stopped.try_recv().is_err() {
        let turn = Instant::now();
        for client in &mut clients {
            client.turn(start, flowing, &mut delays)?;
        }
        if !flowing && clients.iter().all(|client| client.connected) {
            flowing = true;
            let count = u32::try_from(clients.len())?;
            for (index, client) in (0_u32..).zip(&mut clients) {
                client.due = [turn + AUDIO_EVERY * index / count, turn + FRAME_EVERY * index / count];
            }
            println!("connected");
        }
        if start.elapsed() > Duration::from_secs(20) && !flowing {
            return Err("the clients do not connect".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    delays.sort_unstable();
    let at = |part: usize| delays.get(delays.len() * part / 100).copied().unwrap_or(0);
    let lost: u64 = clients.iter().flat_map(|client| client.highest.values()).map(|(_, count, span)| span.saturating_sub(*count)).sum();
    println!("{:>6}  {:>6}  {lost:>4}", at(50), at(99));
    Ok(())
}
