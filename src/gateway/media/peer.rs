//! One browser's connection: the protocol core with what the switch needs to know of it.
//!
//! The core is somebody else's code fed with somebody else's packets. A panic in it must not take every
//! call down with it, so every call into it is guarded; a connection that panicked is only ever closed.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::chat::Chat;
use super::feedback::{Inbox, SharedInbox};
use super::handle::ConnectionState;
use super::keyframe::KeyframeRequests;
use super::negotiate::{LocalAddresses, apply};
use super::rewrite::{Origin, Rewriter, Verdict, fresh_header};
use super::sdp::Offer;
use super::{PeerId, SLOTS, Source};

/// A connection that is not up by then never will be.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// The core's timers are looked at no more and no less often than this. Media arms timers without saying
/// so, hence the upper bound.
const TIMER_MIN: Duration = Duration::from_millis(5);
pub(super) const TIMER_MAX: Duration = Duration::from_millis(100);
/// Unannounced SSRCs one connection may introduce.
const MAX_LEARNED: u8 = 16;

/// What a connection is made of.
pub(super) struct Parts {
    pub id: PeerId,
    pub serial: u64,
    pub ufrag: String,
    pub password: String,
    pub local: LocalAddresses,
    pub core: RTCPeerConnection,
    pub inbox: SharedInbox,
    pub sources: [u32; 3],
    pub slots: [[u32; 3]; SLOTS],
    pub offer: Offer,
}

/// What a connection waits for in the switch's list.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waits {
    Nothing,
    /// It has something to write.
    Write,
    /// More than media happened: it has to be settled before.
    Settle,
}

/// A source this connection sends to us.
struct Inbound {
    ssrc: u32,
    keyframes: KeyframeRequests,
}

/// Calls the core, unless it is broken; a panic breaks it.
fn guard<T>(core: &mut RTCPeerConnection, broken: &mut bool, work: impl FnOnce(&mut RTCPeerConnection) -> T) -> Option<T> {
    if *broken {
        return None;
    }
    let result = catch_unwind(AssertUnwindSafe(|| work(core)));
    *broken = result.is_err();
    result.ok()
}

/// Something a connection has to say.
pub(super) enum Happened {
    State { from: ConnectionState, to: ConnectionState },
    Chat(String),
    ChatDropped,
}

pub(super) struct Peer {
    parts: Parts,
    inbound: [Inbound; 3],
    outbound: [[Rewriter; 3]; SLOTS],
    chat: Chat,
    state: ConnectionState,
    deadline: Option<Instant>,
    learned: u8,
    broken: bool,
    /// Which sources the participant may send, by index.
    pub allowed: [bool; 3],
    /// Who receives from this connection: key and slot. Kept by the switch.
    pub subscribers: Vec<(usize, usize)>,
    /// Whether a tap listens. Kept by the switch.
    pub recorded: bool,
    /// What it waits for. Kept by the switch.
    pub waits: Waits,
    /// When its timers run next. Kept by the switch.
    pub due: Option<Instant>,
}

impl Peer {
    pub(super) fn new(parts: Parts, now: Instant) -> Peer {
        Peer {
            inbound: parts.sources.map(|ssrc| Inbound { ssrc, keyframes: KeyframeRequests::default() }),
            outbound: std::array::from_fn(|_| Source::ALL.map(Rewriter::new)),
            chat: Chat::new(),
            state: ConnectionState::Connecting,
            deadline: Some(now + CONNECT_WITHIN),
            learned: 0,
            broken: false,
            allowed: [true; 3],
            subscribers: Vec::new(),
            recorded: false,
            waits: Waits::Nothing,
            due: None,
            parts,
        }
    }

    pub(super) fn id(&self) -> PeerId {
        self.parts.id
    }

    pub(super) fn credentials(&self) -> (&str, &str) {
        (&self.parts.ufrag, &self.parts.password)
    }

    pub(super) fn state(&self) -> ConnectionState {
        self.state
    }

    /// Whether the core panicked: the connection is to be closed.
    pub(super) fn broken(&self) -> bool {
        self.broken
    }

    pub(super) fn inbox(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.parts.inbox.lock()
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut RTCPeerConnection) -> T) -> Option<T> {
        guard(&mut self.parts.core, &mut self.broken, work)
    }

    /// Hands a datagram from a validated address to the core. What it refuses, it refuses.
    pub(super) fn receive(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(local_addr) = self.parts.local.facing(source) else { return };
        let transport = TransportContext { local_addr, peer_addr: source, ecn: None, transport_protocol: TransportProtocol::UDP };
        let message = TaggedBytesMut { now, transport, message: BytesMut::from(datagram) };
        self.guarded(|core| core.handle_read(message));
    }

    /// Which source a received packet is of. An SSRC nobody announced is learned from the MID extension
    /// (RFC 9143 section 9.2); the packet is authenticated by then.
    pub(super) fn source_of(&mut self, header: &rtp::Header, now: Instant) -> Option<Source> {
        let known = Source::ALL.into_iter().find(|source| self.inbound[source.index()].ssrc == header.ssrc);
        if let Some(source) = known {
            let expected = if source.is_video() { self.parts.offer.vp8 } else { self.parts.offer.opus };
            return (header.payload_type == expected).then_some(source);
        }
        if self.learned >= MAX_LEARNED || !header.extension {
            return None;
        }
        let mut ids = self.parts.offer.mid_extension.into_iter().flatten();
        let mid = ids.find_map(|id| header.get_extension(id))?;
        let source = self.parts.offer.source_of_mid(&mid)?;
        self.learned += 1;
        self.inbound[source.index()].ssrc = header.ssrc;
        let sources = std::array::from_fn(|index| self.inbound[index].ssrc);
        let offer = self.parts.offer.clone();
        // Without it the stream still flows, only unreported: no reason to drop it.
        self.guarded(|core| apply(core, &offer, sources, now).is_ok());
        Some(source)
    }

    pub(super) fn origin(&self, ssrc: u32) -> Origin {
        Origin { connection: self.parts.serial, ssrc }
    }

    /// Source of a stream this connection publishes, by its SSRC.
    pub(super) fn published(&self, ssrc: u32) -> Option<Source> {
        Source::ALL.into_iter().find(|source| self.inbound[source.index()].ssrc == ssrc)
    }

    /// Slot and source of a stream this connection receives, by its SSRC.
    pub(super) fn subscribed(&self, ssrc: u32) -> Option<(usize, Source)> {
        let slots = self.parts.slots.iter().enumerate();
        slots
            .flat_map(|(slot, ssrcs)| Source::ALL.into_iter().map(move |source| (slot, source, ssrcs[source.index()])))
            .find(|(_, _, known)| *known == ssrc)
            .map(|(slot, source, _)| (slot, source))
    }

    /// Sends a publisher's packet on as slot `slot`'s `source`.
    pub(super) fn forward(
        &mut self,
        slot: usize,
        source: Source,
        origin: Origin,
        packet: &rtp::Packet,
        keyframe: bool,
        now: Instant,
    ) -> Verdict {
        let rewriter = &mut self.outbound[slot][source.index()];
        let verdict = rewriter.place(origin, &packet.header, keyframe, now);
        if let Verdict::Forward { sequence, timestamp } = verdict {
            rewriter.packets = rewriter.packets.wrapping_add(1);
            rewriter.octets = rewriter.octets.wrapping_add(u32::try_from(packet.payload.len()).unwrap_or(0));
            let payload_type = if source.is_video() { self.parts.offer.vp8 } else { self.parts.offer.opus };
            let ssrc = self.parts.slots[slot][source.index()];
            let header = fresh_header(ssrc, payload_type, packet.header.marker, sequence, timestamp);
            let packet = rtp::Packet { header, payload: packet.payload.clone() };
            self.write(RTCMessage::RtpPacket(String::new(), packet), now);
        }
        verdict
    }

    /// Passes a publisher's sender report on: its wall clock, this stream's RTP clock and counts. So the
    /// browser can align microphone and camera although neither timeline is the publisher's own.
    pub(super) fn report(&mut self, slot: usize, source: Source, origin: Origin, clock: (u64, u32), now: Instant) -> bool {
        let rewriter = &self.outbound[slot][source.index()];
        let Some(rtp_time) = rewriter.timestamp_of(origin, clock.1) else { return false };
        let report = SenderReport {
            ssrc: self.parts.slots[slot][source.index()],
            ntp_time: clock.0,
            rtp_time,
            packet_count: rewriter.packets,
            octet_count: rewriter.octets,
            ..SenderReport::default()
        };
        self.write(RTCMessage::RtcpPacket(String::new(), vec![Box::new(report)]), now);
        true
    }

    fn write(&mut self, message: RTCMessage, now: Instant) {
        self.guarded(|core| core.handle_write(TaggedRTCMessage { now, message }));
    }

    /// The slot gets another publisher, or none.
    pub(super) fn interrupt(&mut self, slot: usize) {
        self.outbound[slot].iter_mut().for_each(Rewriter::interrupt);
    }

    pub(super) fn want_keyframe(&mut self, source: Source) {
        if source.is_video() {
            self.inbound[source.index()].keyframes.want();
        }
    }

    /// Sends the keyframe requests that are due; how many.
    pub(super) fn request_keyframes(&mut self, now: Instant) -> u64 {
        if self.state != ConnectionState::Connected {
            return 0;
        }
        let mut sent = 0;
        for source in [Source::Camera, Source::Screen] {
            let inbound = &mut self.inbound[source.index()];
            if inbound.keyframes.take(now) {
                let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: inbound.ssrc };
                self.write(RTCMessage::RtcpPacket(String::new(), vec![Box::new(request)]), now);
                sent += 1;
            }
        }
        sent
    }

    pub(super) fn send_chat(&mut self, text: String, now: Instant) -> bool {
        if self.state != ConnectionState::Connected {
            return false;
        }
        let chat = &self.chat;
        guard(&mut self.parts.core, &mut self.broken, |core| chat.send(core, text, now)).unwrap_or(false)
    }

    /// Lets the core work through what it was given; returns what came of it.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<Happened> {
        let mut happened = Vec::new();
        while let Some(event) = self.guarded(Protocol::poll_event).flatten() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    happened.extend(self.changed(state));
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    let chat = &mut self.chat;
                    guard(&mut self.parts.core, &mut self.broken, |core| chat.opened(core, id));
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnClose(id)) => self.chat.closed(id),
                _ => {}
            }
        }
        while let Some(message) = self.guarded(RTCPeerConnection::poll_data_read).flatten() {
            if let RTCMessage::DataChannelMessage(id, message) = message.message {
                let text = self.chat.accept(id, &message, now);
                happened.push(text.map_or(Happened::ChatDropped, Happened::Chat));
            }
        }
        happened
    }

    fn changed(&mut self, state: RTCPeerConnectionState) -> Option<Happened> {
        let to = match state {
            RTCPeerConnectionState::Connected => ConnectionState::Connected,
            RTCPeerConnectionState::Disconnected => ConnectionState::Disconnected,
            RTCPeerConnectionState::Failed => ConnectionState::Failed,
            RTCPeerConnectionState::Closed => ConnectionState::Closed,
            _ => return None,
        };
        let from = std::mem::replace(&mut self.state, to);
        self.deadline = None;
        (from != to).then_some(Happened::State { from, to })
    }

    /// The next datagram to send, and where to.
    pub(super) fn transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let out = self.guarded(Protocol::poll_write).flatten()?;
        Some((out.transport.peer_addr, out.message))
    }

    /// Runs the core's timers; whether the connection has failed to come up in time.
    pub(super) fn timers(&mut self, now: Instant) -> bool {
        self.guarded(|core| core.handle_timeout(now).is_ok());
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// When a deferred keyframe request is due.
    pub(super) fn next_keyframe_request(&self, now: Instant) -> Option<Instant> {
        self.inbound.iter().filter_map(|inbound| inbound.keyframes.due(now)).filter(|due| *due > now).min()
    }

    /// When to run the timers next.
    pub(super) fn next_timer(&mut self, now: Instant) -> Instant {
        let core = self.guarded(Protocol::poll_timeout).flatten().unwrap_or(now + TIMER_MAX);
        let next = self.next_keyframe_request(now).map_or(core, |request| request.min(core));
        next.clamp(now + TIMER_MIN, now + TIMER_MAX)
    }

    pub(super) fn close(&mut self) {
        self.state = ConnectionState::Closed;
        self.guarded(|core| core.close().is_ok());
    }
}
