//! Forwarding without I/O: datagrams, commands and instants go in, datagrams and events come out.
//!
//! Everything the media thread knows is here, so that it can be tested without a socket or a clock. The
//! invariant: a packet is forwarded along a route set by the caller, to a connected subscriber, and nowhere
//! else; a route outlives the connections at both of its ends.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};

use super::demux::{self, Demux};
use super::feedback::{Arrived, Feedback};
use super::handle::{ConnectionState, MediaEvent};
use super::keyframe::starts_vp8_keyframe;
use super::peer::{Happened, Peer, TIMER_MAX, Waits};
use super::rewrite::Verdict;
use super::stats::{Counters, add};
use super::tap::{Tap, TapPacket};
use super::{PeerId, SLOTS, Source};

/// A recording can be entered at any of its keyframes, so there is one at least this often.
const RECORDED_KEYFRAMES: Duration = Duration::from_secs(4);

/// What the handle asks the media thread to do.
pub(super) enum Command {
    Connect(Box<Peer>, oneshot::Sender<()>),
    Close(PeerId),
    Route(PeerId, [Option<PeerId>; SLOTS]),
    RequestKeyframe(PeerId),
    Record(PeerId, Tap),
    StopRecording(PeerId, oneshot::Sender<()>),
    Chat(PeerId, String),
    Shutdown,
}

/// A datagram to send, from a given local address where that matters.
pub(super) struct Datagram {
    pub to: SocketAddr,
    pub from: Option<IpAddr>,
    pub bytes: BytesMut,
}

struct Recording {
    tap: Tap,
    next_keyframe: Instant,
}

pub(super) struct Switch {
    demux: Demux,
    peers: Vec<Option<Box<Peer>>>,
    by_id: HashMap<PeerId, usize>,
    routes: HashMap<PeerId, [Option<PeerId>; SLOTS]>,
    recordings: HashMap<PeerId, Recording>,
    timers: BTreeSet<(Instant, usize)>,
    listed: Vec<usize>,
    events: mpsc::UnboundedSender<MediaEvent>,
    counters: Arc<Counters>,
    /// Sent and emptied by the thread.
    pub outgoing: Vec<Datagram>,
    packets: Vec<Arrived>,
    feedback: Vec<Feedback>,
}

impl Switch {
    pub(super) fn new(demux: Demux, events: mpsc::UnboundedSender<MediaEvent>, counters: Arc<Counters>) -> Switch {
        Switch {
            demux,
            peers: Vec::new(),
            by_id: HashMap::new(),
            routes: HashMap::new(),
            recordings: HashMap::new(),
            timers: BTreeSet::new(),
            listed: Vec::new(),
            events,
            counters,
            outgoing: Vec::new(),
            packets: Vec::new(),
            feedback: Vec::new(),
        }
    }

    fn peer(&mut self, key: usize) -> Option<&mut Peer> {
        self.peers.get_mut(key)?.as_deref_mut()
    }

    fn tell(&self, event: MediaEvent) {
        // Nobody listens only while the server shuts down.
        let _ = self.events.send(event);
    }

    /// Carries out a command.
    pub(super) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Connect(peer, done) => {
                self.connect(peer, now);
                // A caller that no longer waits has its connection all the same; it may close it.
                let _ = done.send(());
            }
            Command::Close(id) => {
                self.routes.remove(&id);
                if let Some(key) = self.by_id.get(&id).copied() {
                    self.remove(key, Some(ConnectionState::Closed));
                }
            }
            Command::Route(id, slots) => self.route(id, slots, now),
            Command::RequestKeyframe(id) => self.want_keyframes(id, now),
            Command::Record(id, tap) => {
                self.recordings.insert(id, Recording { tap, next_keyframe: now + RECORDED_KEYFRAMES });
                self.set_recorded(id, true);
                self.want_keyframes(id, now);
            }
            Command::StopRecording(id, done) => {
                self.recordings.remove(&id);
                self.set_recorded(id, false);
                // Dropping the tap has ended the recorder's queue; whoever asked may have gone.
                let _ = done.send(());
            }
            Command::Chat(id, text) => {
                let key = self.by_id.get(&id).copied();
                let sent = key.and_then(|key| self.peer(key)).is_some_and(|peer| peer.send_chat(text, now));
                if sent {
                    self.list(key.unwrap_or_default(), Waits::Settle);
                } else {
                    add(&self.counters.chat_dropped, 1);
                }
            }
            Command::Shutdown => {
                for key in 0..self.peers.len() {
                    self.remove(key, Some(ConnectionState::Closed));
                }
            }
        }
    }

    fn connect(&mut self, mut peer: Box<Peer>, now: Instant) {
        let id = peer.id();
        if let Some(old) = self.by_id.get(&id).copied() {
            self.remove(old, None);
        }
        let key = self.peers.iter().position(Option::is_none).unwrap_or(self.peers.len());
        let (fragment, password) = peer.credentials();
        self.demux.insert(key, fragment.to_owned(), password.to_owned());
        peer.recorded = self.recordings.contains_key(&id);
        if key == self.peers.len() {
            self.peers.push(None);
        }
        self.peers[key] = Some(peer);
        self.by_id.insert(id, key);
        add(&self.counters.connections, 1);
        self.rewire();
        self.arm(key, now);
        self.tell(MediaEvent::State { peer: id, state: ConnectionState::Connecting });
    }

    /// Ends a connection; routes to and from its participant stay.
    fn remove(&mut self, key: usize, tell: Option<ConnectionState>) {
        let Some(mut peer) = self.peers.get_mut(key).and_then(Option::take) else { return };
        let was_connected = peer.state() == ConnectionState::Connected;
        peer.close();
        while let Some((to, bytes)) = peer.transmit() {
            self.outgoing.push(Datagram { to, from: self.demux.local_of(&to), bytes });
        }
        self.demux.remove(peer.credentials().0);
        if let Some(due) = peer.due {
            self.timers.remove(&(due, key));
        }
        self.by_id.remove(&peer.id());
        self.counters.connections.fetch_sub(1, Relaxed);
        if was_connected {
            self.counters.connected.fetch_sub(1, Relaxed);
        }
        // What this participant received ends here; its slots start anew with its next connection.
        self.rewire();
        if let Some(state) = tell {
            self.tell(MediaEvent::State { peer: peer.id(), state });
        }
    }

    fn route(&mut self, id: PeerId, slots: [Option<PeerId>; SLOTS], now: Instant) {
        let before = self.routes.insert(id, slots).unwrap_or_default();
        let changed: Vec<usize> = (0..SLOTS).filter(|slot| before[*slot] != slots[*slot]).collect();
        if let Some(key) = self.by_id.get(&id).copied()
            && let Some(peer) = self.peer(key)
        {
            for slot in &changed {
                peer.interrupt(*slot);
            }
        }
        self.rewire();
        for publisher in changed.into_iter().filter_map(|slot| slots[slot]) {
            self.want_keyframes(publisher, now);
        }
    }

    /// Derives every publisher's list of subscribers from the routes.
    fn rewire(&mut self) {
        for peer in self.peers.iter_mut().flatten() {
            peer.subscribers.clear();
        }
        for (id, slots) in &self.routes {
            let Some(subscriber) = self.by_id.get(id) else { continue };
            for (slot, publisher) in slots.iter().enumerate() {
                let key = publisher.and_then(|publisher| self.by_id.get(&publisher));
                if let Some(peer) = key.and_then(|key| self.peers[*key].as_mut()) {
                    peer.subscribers.push((*subscriber, slot));
                }
            }
        }
    }

    fn set_recorded(&mut self, id: PeerId, recorded: bool) {
        if let Some(key) = self.by_id.get(&id).copied()
            && let Some(peer) = self.peer(key)
        {
            peer.recorded = recorded;
        }
    }

    fn want_keyframes(&mut self, id: PeerId, now: Instant) {
        let Some(key) = self.by_id.get(&id).copied() else { return };
        self.want_keyframe(key, Source::Camera, now);
        self.want_keyframe(key, Source::Screen, now);
    }

    fn want_keyframe(&mut self, key: usize, source: Source, now: Instant) {
        let Some(peer) = self.peer(key) else { return };
        peer.want_keyframe(source);
        self.send_keyframe_requests(key, now);
    }

    fn send_keyframe_requests(&mut self, key: usize, now: Instant) {
        let Some(peer) = self.peer(key) else { return };
        let sent = peer.request_keyframes(now);
        let next = peer.next_keyframe_request(now);
        if sent > 0 {
            add(&self.counters.keyframe_requests, sent);
            self.list(key, Waits::Write);
        }
        if let Some(next) = next {
            self.arm(key, next);
        }
    }

    /// Puts a connection on the list that [`Switch::drain`] works off.
    fn list(&mut self, key: usize, waits: Waits) {
        let Some(peer) = self.peers.get_mut(key).and_then(Option::as_mut) else { return };
        if peer.waits == Waits::Nothing {
            self.listed.push(key);
        }
        peer.waits = peer.waits.max(waits);
    }

    /// Makes sure that the connection's timers run at `at` or before.
    fn arm(&mut self, key: usize, at: Instant) {
        let Some(peer) = self.peers.get_mut(key).and_then(Option::as_mut) else { return };
        if peer.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(due) = peer.due.replace(at) {
            self.timers.remove(&(due, key));
        }
        self.timers.insert((at, key));
    }

    /// Takes one received datagram; `local` is the address it was sent to.
    pub(super) fn datagram(&mut self, source: SocketAddr, local: Option<IpAddr>, datagram: &[u8], now: Instant) {
        add(&self.counters.received, 1);
        let key = match self.demux.route(source, local, datagram) {
            demux::Verdict::To(key) => key,
            demux::Verdict::Unvalidated => return add(&self.counters.unvalidated, 1),
            demux::Verdict::Forged => return add(&self.counters.forged, 1),
        };
        let Some(peer) = self.peer(key) else { return };
        peer.receive(source, datagram, now);
        // RFC 7983: RTP and RTCP. They change nothing but the inbox.
        let media = datagram.first().is_some_and(|first| (128..192).contains(first));
        if !media || peer.broken() {
            self.list(key, Waits::Settle);
            return;
        }
        self.empty_inbox(key, now);
        self.arm(key, now + TIMER_MAX);
    }

    fn empty_inbox(&mut self, key: usize, now: Instant) {
        let mut packets = std::mem::take(&mut self.packets);
        let mut feedback = std::mem::take(&mut self.feedback);
        let Some(peer) = self.peer(key) else { return };
        let mut inbox = peer.inbox();
        std::mem::swap(&mut packets, &mut inbox.packets);
        std::mem::swap(&mut feedback, &mut inbox.feedback);
        let pending = std::mem::take(&mut inbox.pending);
        let (resent, nacked) = (std::mem::take(&mut inbox.retransmitted), std::mem::take(&mut inbox.nacked));
        let nack_due = inbox.nack_due;
        drop(inbox);
        if pending {
            self.list(key, Waits::Write);
            add(&self.counters.retransmitted, resent);
            add(&self.counters.nacked, nacked);
        }
        if let Some(due) = nack_due {
            self.arm(key, due);
        }
        for arrived in packets.drain(..) {
            self.publish(key, &arrived, now);
        }
        for feedback in feedback.drain(..) {
            self.feed_back(key, &feedback, now);
        }
        self.packets = packets;
        self.feedback = feedback;
    }

    fn publish(&mut self, key: usize, arrived: &Arrived, now: Instant) {
        let packet = &arrived.packet;
        let Some(peer) = self.peer(key) else { return };
        let Some(source) = peer.source_of(&packet.header, now) else { return };
        if !peer.allowed[source.index()] {
            return;
        }
        let (id, origin, recorded) = (peer.id(), peer.origin(packet.header.ssrc), peer.recorded);
        let subscribers = std::mem::take(&mut peer.subscribers);
        add(&self.counters.published, 1);
        let keyframe = source.is_video() && starts_vp8_keyframe(&packet.payload);
        if recorded && let Some(recording) = self.recordings.get(&id) {
            let taken = recording.tap.offer(TapPacket {
                peer: id,
                source,
                ssrc: packet.header.ssrc,
                sequence: packet.header.sequence_number,
                timestamp: packet.header.timestamp,
                marker: packet.header.marker,
                payload: packet.payload.clone(),
                arrived: arrived.at,
            });
            add(if taken { &self.counters.tapped } else { &self.counters.tap_dropped }, 1);
        }
        let mut wants_keyframe = false;
        for &(subscriber, slot) in &subscribers {
            let Some(peer) = self.peer(subscriber) else { continue };
            if peer.state() != ConnectionState::Connected {
                continue;
            }
            match peer.forward(slot, source, origin, packet, keyframe, now) {
                Verdict::Forward { .. } => {
                    add(&self.counters.forwarded, 1);
                    self.list(subscriber, Waits::Write);
                }
                Verdict::AwaitKeyframe => {
                    add(&self.counters.awaiting_keyframe, 1);
                    wants_keyframe = true;
                }
                Verdict::Stale => {}
            }
        }
        if let Some(peer) = self.peer(key) {
            peer.subscribers = subscribers;
        }
        if wants_keyframe {
            self.want_keyframe(key, source, now);
        }
    }

    fn feed_back(&mut self, key: usize, feedback: &Feedback, now: Instant) {
        match *feedback {
            Feedback::KeyframeWanted { ssrc } => {
                let Some(peer) = self.peer(key) else { return };
                let (id, wanted) = (peer.id(), peer.subscribed(ssrc));
                let Some((slot, source)) = wanted else { return };
                let publisher = self.routes.get(&id).and_then(|slots| slots[slot]);
                if let Some(publisher) = publisher.and_then(|publisher| self.by_id.get(&publisher).copied()) {
                    self.want_keyframe(publisher, source, now);
                }
            }
            Feedback::Outage { ssrc } => {
                if let Some(source) = self.peer(key).and_then(|peer| peer.published(ssrc)) {
                    self.want_keyframe(key, source, now);
                }
            }
            Feedback::Report { ssrc, ntp_time, rtp_time } => {
                let Some(peer) = self.peer(key) else { return };
                let Some(source) = peer.published(ssrc) else { return };
                let (origin, subscribers) = (peer.origin(ssrc), peer.subscribers.clone());
                for (subscriber, slot) in subscribers {
                    let Some(peer) = self.peer(subscriber) else { continue };
                    if peer.state() == ConnectionState::Connected && peer.report(slot, source, origin, (ntp_time, rtp_time), now) {
                        self.list(subscriber, Waits::Write);
                    }
                }
            }
        }
    }

    /// When [`Switch::tick`] is to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let recorded = self.recordings.values().map(|recording| recording.next_keyframe).min();
        [timer, recorded].into_iter().flatten().min()
    }

    /// Runs whatever is due.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((due, key)) = self.timers.first().copied() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            let Some(peer) = self.peer(key) else { continue };
            peer.due = None;
            if peer.timers(now) {
                self.remove(key, Some(ConnectionState::Failed));
                continue;
            }
            self.empty_inbox(key, now);
            self.send_keyframe_requests(key, now);
            self.list(key, Waits::Settle);
        }
        let mut recorded = Vec::new();
        for (id, recording) in &mut self.recordings {
            if recording.next_keyframe <= now {
                recording.next_keyframe = now + RECORDED_KEYFRAMES;
                recorded.push(*id);
            }
        }
        for id in recorded {
            self.want_keyframes(id, now);
        }
    }

    /// Lets every connection that was touched say and send what it has; fills [`Switch::outgoing`].
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(key) = self.listed.pop() {
            let Some(peer) = self.peer(key) else { continue };
            if std::mem::replace(&mut peer.waits, Waits::Nothing) == Waits::Settle {
                let happened = peer.settle(now);
                let next = peer.next_timer(now);
                self.arm(key, next);
                for event in happened {
                    self.happened(key, event, now);
                }
            }
            let Some(peer) = self.peers[key].as_mut() else { continue };
            while let Some((to, bytes)) = peer.transmit() {
                self.outgoing.push(Datagram { to, from: self.demux.local_of(&to), bytes });
            }
            if peer.broken() {
                add(&self.counters.panics, 1);
                self.remove(key, Some(ConnectionState::Failed));
            }
        }
    }

    fn happened(&mut self, key: usize, event: Happened, now: Instant) {
        let Some(id) = self.peer(key).map(|peer| peer.id()) else { return };
        match event {
            Happened::Chat(text) => self.tell(MediaEvent::Chat { peer: id, text }),
            Happened::ChatDropped => add(&self.counters.chat_dropped, 1),
            Happened::State { from, to } => {
                if to == ConnectionState::Connected {
                    add(&self.counters.connected, 1);
                    self.want_keyframes(id, now);
                    for publisher in self.routes.get(&id).copied().unwrap_or_default().into_iter().flatten() {
                        self.want_keyframes(publisher, now);
                    }
                } else if from == ConnectionState::Connected {
                    self.counters.connected.fetch_sub(1, Relaxed);
                }
                if matches!(to, ConnectionState::Failed | ConnectionState::Closed) {
                    self.remove(key, Some(to));
                } else {
                    self.tell(MediaEvent::State { peer: id, state: to });
                }
            }
        }
    }
}
