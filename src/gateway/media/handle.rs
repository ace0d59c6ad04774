//! How the rest of the server speaks to the media thread.
//!
//! Every method but [`MediaPlane::connect`] only queues a command: commands of one caller are carried out
//! in order, and none waits for the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::demux::Demux;
use super::negotiate::Negotiator;
use super::sdp::NegotiationError;
use super::socket::{self, Socket};
use super::stats::{Counters, MediaStats};
use super::switch::{Command, Switch};
use super::tap::Tap;
use super::thread::{Gone, run};
use super::{PeerId, SLOTS};

/// Where media is received, and what browsers are told about it.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The UDP socket. Port 0 lets the system choose; `[::]` serves IPv4 as well.
    pub bind: SocketAddr,
    /// Addresses browsers can reach the port at, best first. Empty: the bound address, or for an
    /// unspecified one the address of the default route, or else loopback.
    pub advertise: Vec<IpAddr>,
}

/// What can go wrong when starting.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The socket or the thread could not be had.
    #[error("the media socket cannot be opened")]
    Io(#[from] std::io::Error),
    /// No certificate could be generated.
    #[error("no certificate for media could be generated")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The state of one connection.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    /// Answered; ICE and DTLS are under way, for at most 30 s.
    Connecting,
    /// Media flows along the routes.
    Connected,
    /// Nothing was heard for 5 s; it may come back by itself.
    Disconnected,
    /// Given up: nothing for another 25 s, or never connected. The connection is gone; routes and taps stay.
    Failed,
    /// Closed with [`MediaPlane::close`] or by shutdown. A replaced connection does not report it.
    Closed,
}

/// What the plane reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// A connection has changed its state.
    State {
        /// Whose connection.
        peer: PeerId,
        /// The state it is in now.
        state: ConnectionState,
    },
    /// A text came in on the data channel `chat`: UTF-8, at most [`super::MAX_CHAT_BYTES`], otherwise unchecked.
    Chat {
        /// Who sent it.
        peer: PeerId,
        /// What was sent.
        text: String,
    },
}

/// The media plane. Dropping it closes every connection and ends its thread.
pub struct MediaPlane {
    commands: mpsc::UnboundedSender<Command>,
    negotiator: Arc<Negotiator>,
    local: SocketAddr,
    counters: Arc<Counters>,
    serial: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl MediaPlane {
    /// Opens the socket and starts the thread `media`. Events come in on `events`.
    ///
    /// # Errors
    /// [`MediaError`] when socket, certificate or thread cannot be had.
    pub fn start(config: MediaConfig, events: mpsc::UnboundedSender<MediaEvent>) -> Result<MediaPlane, MediaError> {
        let socket = socket::bind(config.bind)?;
        let local = socket.local_addr()?;
        let advertise = if config.advertise.is_empty() { vec![reachable(local.ip())] } else { config.advertise };
        let negotiator = Negotiator::new(&advertise, local.port()).map_err(|error| MediaError::Certificate(Box::new(error)))?;
        let counters = Arc::new(Counters::default());
        let switch = Switch::new(Demux::new(negotiator.crypto()), events, Arc::clone(&counters));
        let (commands, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let socket = {
            let _inside = runtime.enter();
            Socket::new(socket)?
        };
        let seen = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("media".to_owned()).spawn(move || {
            let _gone = Gone(Arc::clone(&seen));
            runtime.block_on(run(socket, switch, receiver, seen));
        })?;
        Ok(MediaPlane {
            commands,
            negotiator: Arc::new(negotiator),
            local,
            counters,
            serial: AtomicU64::new(1),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The bound address, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers an offer. What the participant may not send, by the index of its source, goes no further than this plane. A connection `peer` already has is replaced; its routes and its tap go on with the
    /// new one. The answer carries all candidates; there is nothing to trickle.
    ///
    /// # Errors
    /// [`NegotiationError`] when the offer is refused; an existing connection then stays.
    pub async fn connect(&self, peer: PeerId, offer_sdp: String, allowed: [bool; 3]) -> Result<String, NegotiationError> {
        let serial = self.serial.fetch_add(1, Relaxed);
        let (mut connection, answer) = self.negotiator.negotiate(peer, serial, &offer_sdp, Instant::now())?;
        connection.allowed = allowed;
        let (done, ready) = oneshot::channel();
        self.tell(Command::Connect(Box::new(connection), done));
        ready.await.map_err(|_| NegotiationError::Stopped)?;
        Ok(answer)
    }

    /// Ends a participant's connection and forgets what it was to receive. Routes of others to it stay, as
    /// does its tap.
    pub fn close(&self, peer: PeerId) {
        self.tell(Command::Close(peer));
    }

    /// Says whose microphone, camera and screen fill each of the subscriber's slots, from now on and for
    /// its later connections. Replaces what was said before; a publisher that has not changed is not
    /// interrupted.
    pub fn route(&self, subscriber: PeerId, slots: [Option<PeerId>; SLOTS]) {
        self.tell(Command::Route(subscriber, slots));
    }

    /// Asks the publisher for keyframes of camera and screen, at most every 500 ms.
    pub fn request_keyframe(&self, publisher: PeerId) {
        self.tell(Command::RequestKeyframe(publisher));
    }

    /// Copies every packet of the publisher, of all its sources and across reconnections, to the tap. A tap
    /// already set is replaced. While it is set, keyframes are asked for every 4 s.
    pub fn record(&self, publisher: PeerId, tap: Tap) {
        self.tell(Command::Record(publisher, tap));
    }

    /// Removes the tap. When the returned receiver resolves, not one packet more goes into it and its queue
    /// has ended; if the plane has stopped it resolves to an error, which means the same.
    pub fn stop_recording(&self, publisher: PeerId) -> oneshot::Receiver<()> {
        let (done, stopped) = oneshot::channel();
        self.tell(Command::StopRecording(publisher, done));
        stopped
    }

    /// Sends a text on the participant's data channel; dropped and counted if there is none open.
    pub fn send_chat(&self, to: PeerId, text: String) {
        self.tell(Command::Chat(to, text));
    }

    /// Reads the counters.
    #[must_use]
    pub fn stats(&self) -> MediaStats {
        self.counters.read()
    }

    /// Closes every connection and waits for the thread to end. Further calls do nothing.
    pub fn shutdown(&self) {
        self.tell(Command::Shutdown);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ended either way; a panic has been printed by the hook.
            let _ = thread.join();
        }
    }

    fn tell(&self, command: Command) {
        // After shutdown there is nothing left to tell.
        let _ = self.commands.send(command);
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// The address under which others reach a socket bound to `ip`, as well as this machine can tell. Connecting
/// a UDP socket sends nothing; it only makes the system choose a source address.
fn reachable(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    let chosen = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr()));
    chosen.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}
