//! Stands between rooms, sockets, media plane, recorders and services: feeds what happens into the rooms and carries out what they say.
//!
//! One task owns everything, so that events of a room are handled one after the other. Nothing it does waits for a network or a disk.

mod recordings;

use crate::domain::access::Caller;
use crate::domain::consent::ConsentedRoom;
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::{Capabilities, Capability, Place};
use crate::domain::time::Timestamp;
use crate::gateway::media::{MediaEvent, MediaPlane, PeerId};
use crate::gateway::recorder::RecorderEvent;
use crate::gateway::recording::Running;
use crate::gateway::room::{Action, At, Event, Room};
use crate::gateway::signaling::{Close, FromBrowser, Sending, ToBrowser, relay_chat};
use crate::media::Source;
use crate::services::Services;
use crate::services::events::{ConsultationEvent, Happened};
use crate::services::participants::Admission;
use crate::services::protective::Act;
use crate::services::recordings::RecordingGrant;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

/// How often rooms are told that time has passed.
const TICK: Duration = Duration::from_secs(1);
/// A seal is tried again, each time after twice the wait, up to this long.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a stop of the server waits for a part that is being closed.
const FAREWELL: Duration = Duration::from_secs(5);

/// What goes out to a socket.
#[derive(Debug)]
pub enum Outgoing {
    /// A message.
    Message(ToBrowser),
    /// The end.
    Close(Close),
}

/// One browser's connection; a later one of the same participant has a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketId(u64);

/// Something to be written down in its turn.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Input {
    Arrived {
        admission: Box<Admission>,
        out: UnboundedSender<Outgoing>,
        socket: SocketId,
    },
    Message {
        participant: ParticipantId,
        socket: SocketId,
        message: FromBrowser,
    },
    Lost {
        participant: ParticipantId,
        socket: SocketId,
    },
    /// Something was committed. In the same queue as arrivals: neither can overtake the other.
    Happened(ConsultationEvent),
    /// Where someone who arrived may be, as read after their arrival was told.
    Standing {
        participant: ParticipantId,
        place: Place,
        over: bool,
    },
    /// An offer was answered.
    Negotiated(ParticipantId),
    Granted {
        room: ConsentedRoom,
        grant: Box<RecordingGrant>,
    },
    NotGranted(ConsentedRoom),
    StretchClosed {
        consultation: ConsultationId,
        recording: RecordingId,
        running: Box<Running>,
        failed: bool,
    },
    Recorder {
        consultation: ConsultationId,
        recording: RecordingId,
        event: RecorderEvent,
    },
    Shutdown(tokio::sync::oneshot::Sender<()>),
}

/// How many wait and talk in each room; read by floors above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    /// In the lobby with a live connection.
    pub waiting: usize,
    /// In the call.
    pub in_call: usize,
}

/// The gateway as floors above see it.
pub struct Gateway {
    inputs: UnboundedSender<Input>,
    presence: Arc<RwLock<HashMap<ConsultationId, Presence>>>,
    sockets: std::sync::atomic::AtomicU64,
    media: Arc<MediaPlane>,
    task: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    /// Starts it.
    #[must_use]
    pub fn start(services: Arc<Services>, media: MediaPlane, media_events: UnboundedReceiver<MediaEvent>) -> Self {
        let (inputs, receiver) = unbounded_channel();
        let media = Arc::new(media);
        let presence = Arc::<RwLock<HashMap<ConsultationId, Presence>>>::default();
        let heard = inputs.clone();
        services.events.subscribe(move |event| heard.send(Input::Happened(event)).is_ok());
        let (ledger, mut jobs) = unbounded_channel::<Job>();
        tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                job.await;
            }
        });
        let conductor = Conductor {
            services,
            media: Arc::clone(&media),
            inputs: inputs.clone(),
            ledger,
            rooms: HashMap::new(),
            whereabouts: HashMap::new(),
            may: HashMap::new(),
            sockets: HashMap::new(),
            recordings: HashMap::new(),
            presence: Arc::clone(&presence),
            seals: JoinSet::new(),
        };
        let task = tokio::spawn(conductor.run(receiver, media_events));
        Self { inputs, presence, sockets: 0.into(), media, task }
    }

    /// A number for a new socket.
    pub fn new_socket(&self) -> SocketId {
        SocketId(self.sockets.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// A browser connected and showed a good ticket.
    pub fn arrived(&self, socket: SocketId, admission: Admission, out: UnboundedSender<Outgoing>) {
        let _ = self.inputs.send(Input::Arrived { admission: Box::new(admission), out, socket });
    }

    /// It said something.
    pub fn message(&self, socket: SocketId, participant: ParticipantId, message: FromBrowser) {
        let _ = self.inputs.send(Input::Message { participant, socket, message });
    }

    /// It is gone.
    pub fn lost(&self, socket: SocketId, participant: ParticipantId) {
        let _ = self.inputs.send(Input::Lost { participant, socket });
    }

    /// Who waits and talks in a room.
    pub fn presence(&self, consultation: ConsultationId) -> Presence {
        self.presence.read().unwrap_or_else(PoisonError::into_inner).get(&consultation).copied().unwrap_or_default()
    }

    /// The media plane's counters and address.
    #[must_use]
    pub fn media(&self) -> &MediaPlane {
        &self.media
    }

    /// Ends every recording properly and every connection.
    pub async fn shutdown(&self) {
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.inputs.send(Input::Shutdown(done)).is_ok() {
            let _ = finished.await;
        }
        let media = Arc::clone(&self.media);
        let _ = tokio::task::spawn_blocking(move || media.shutdown()).await;
    }
}

struct Socket {
    id: SocketId,
    out: UnboundedSender<Outgoing>,
}

/// A recording is with the conductor, or away on a blocking thread.
enum Held {
    Here(Box<Running>),
    /// Its stretch is being closed; what to do when it comes back.
    Away(Option<Next>),
}

enum Next {
    Resume(ConsentedRoom, Box<RecordingGrant>),
    Finish(Instant, &'static str),
}

struct Conductor {
    services: Arc<Services>,
    media: Arc<MediaPlane>,
    inputs: UnboundedSender<Input>,
    ledger: UnboundedSender<Job>,
    rooms: HashMap<ConsultationId, Room>,
    whereabouts: HashMap<ParticipantId, ConsultationId>,
    may: HashMap<ParticipantId, Capabilities>,
    sockets: HashMap<ParticipantId, Socket>,
    recordings: HashMap<RecordingId, Held>,
    presence: Arc<RwLock<HashMap<ConsultationId, Presence>>>,
    seals: JoinSet<()>,
}

impl Conductor {
    async fn run(mut self, mut inputs: UnboundedReceiver<Input>, mut media: UnboundedReceiver<MediaEvent>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                Some(input) = inputs.recv() => if let Some(done) = self.input(input) {
                    self.finish_all(&mut inputs).await;
                    let _ = done.send(());
                    return;
                },
                Some(event) = media.recv() => self.media_event(event),
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.services.now()
    }

    fn input(&mut self, input: Input) -> Option<tokio::sync::oneshot::Sender<()>> {
        match input {
            Input::Arrived { admission, out, socket } => self.arrived(*admission, out, socket),
            Input::Message { participant, socket, message } => {
                if self.sockets.get(&participant).is_some_and(|s| s.id == socket) {
                    self.message(participant, message);
                }
            }
            Input::Lost { participant, socket } => {
                if self.sockets.get(&participant).is_some_and(|s| s.id == socket) {
                    self.sockets.remove(&participant);
                    if let Some(consultation) = self.whereabouts.get(&participant).copied() {
                        self.handle(consultation, Event::Lost(participant));
                    }
                }
            }
            Input::Happened(event) => self.handle(event.consultation, Event::Happened(event.happened)),
            Input::Standing { participant, place, over } => self.standing(participant, place, over),
            Input::Negotiated(participant) => {
                let in_call =
                    self.whereabouts.get(&participant).and_then(|c| self.rooms.get(c)).is_some_and(|room| room.is_in_call(participant));
                if !in_call {
                    self.media.close(PeerId(participant.as_uuid()));
                }
            }
            Input::Granted { room, grant } => {
                let (consultation, started_at, now) = (room.consultation(), grant.started_at, self.now());
                let granted = Event::RecordingGranted { room, started_at };
                let actions = self.rooms.get_mut(&consultation).map(|r| r.handle(granted, now)).unwrap_or_default();
                self.carry_out(consultation, actions, Some(grant));
            }
            Input::NotGranted(room) => self.handle(room.consultation(), Event::RecordingNotGranted(room)),
            Input::StretchClosed { consultation, recording, running, failed } => {
                self.stretch_closed(consultation, recording, running, failed);
            }
            Input::Recorder { consultation, recording, event } => match event {
                RecorderEvent::KeyframeWanted { participant, .. } => self.media.request_keyframe(PeerId(participant.as_uuid())),
                RecorderEvent::Failed => self.handle(consultation, Event::RecordingFailed(recording)),
            },
            Input::Shutdown(done) => return Some(done),
        }
        None
    }

    fn arrived(&mut self, admission: Admission, out: UnboundedSender<Outgoing>, socket: SocketId) {
        let participant = admission.participant.participant;
        if let Some(old) = self.sockets.insert(participant.id, Socket { id: socket, out }) {
            let _ = old.out.send(Outgoing::Close(Close::Replaced));
        }
        let consultation = participant.consultation;
        self.may.insert(participant.id, participant.capabilities);
        self.whereabouts.insert(participant.id, consultation);
        let status = admission.status.as_str();
        self.rooms.entry(consultation).or_insert_with(|| Room::new(consultation, status));
        let at = if participant.place == Place::InCall { At::Call } else { At::Lobby };
        let name = admission.participant.name.unwrap_or_default();
        self.handle(
            consultation,
            Event::Arrived { participant: participant.id, name, role: participant.role, may: participant.capabilities, at },
        );
        for (person, withdrawn) in admission.declined {
            let (id, role, name) = (person.participant.id, person.participant.role, person.name.unwrap_or_default());
            self.handle(consultation, Event::Happened(Happened::Declined { participant: id, name, role, withdrawn }));
        }
        let (services, inputs, who) = (Arc::clone(&self.services), self.inputs.clone(), participant.id);
        tokio::spawn(async move {
            if let Ok((place, over)) = services.standing(who).await {
                let _ = inputs.send(Input::Standing { participant: who, place, over });
            }
        });
    }

    /// Catches up with what was decided about someone while their browser was connecting.
    fn standing(&mut self, participant: ParticipantId, place: Place, over: bool) {
        let Some(consultation) = self.whereabouts.get(&participant).copied() else { return };
        if over {
            self.handle(consultation, Event::Happened(Happened::Ended));
        } else if place.is_barred() {
            self.handle(consultation, Event::Happened(Happened::Removed(participant)));
        } else if place == Place::InCall {
            self.handle(consultation, Event::Happened(Happened::Admitted(participant)));
        }
    }

    fn message(&mut self, participant: ParticipantId, message: FromBrowser) {
        let Some(consultation) = self.whereabouts.get(&participant).copied() else { return };
        match message {
            FromBrowser::Hello { .. } => self.close(participant, Close::Malformed),
            FromBrowser::State(said) => {
                let may = self.capabilities(participant);
                let sending = Sending {
                    microphone: said.microphone && may.has(Capability::PublishAudio),
                    camera: said.camera && may.has(Capability::PublishVideo),
                    screen: said.screen && may.has(Capability::ShareScreen),
                };
                self.handle(consultation, Event::Sending(participant, sending));
            }
            FromBrowser::Leave => self.handle(consultation, Event::Left(participant)),
            FromBrowser::Offer { sdp, key_epoch } => {
                if !self.rooms.get(&consultation).is_some_and(|room| room.is_in_call(participant)) {
                    let detail = "Media can begin only after admission to the call.";
                    self.tell(participant, ToBrowser::Error { code: "NEGOTIATION", detail });
                    return;
                }
                self.negotiate(consultation, participant, sdp, key_epoch);
            }
        }
    }

    /// What someone may do; nothing, for whom it is not known.
    fn capabilities(&self, participant: ParticipantId) -> Capabilities {
        self.may.get(&participant).copied().unwrap_or_default()
    }

    fn negotiate(&mut self, consultation: ConsultationId, participant: ParticipantId, sdp: String, key_epoch: u32) {
        let Some(socket) = self.sockets.get(&participant) else { return };
        let (media, out, inputs, peer) = (Arc::clone(&self.media), socket.out.clone(), self.inputs.clone(), PeerId(participant.as_uuid()));
        let may = self.capabilities(participant);
        let mut allowed = [false; 3];
        for (source, needed) in [
            (Source::Microphone, Capability::PublishAudio),
            (Source::Camera, Capability::PublishVideo),
            (Source::Screen, Capability::ShareScreen),
        ] {
            allowed[source.index()] = may.has(needed);
        }
        self.handle(consultation, Event::Sending(participant, Sending::default()));
        tokio::spawn(async move {
            let reply = match media.connect(peer, sdp, allowed).await {
                Ok(sdp) => ToBrowser::Answer { sdp, key_epoch },
                Err(error) => {
                    tracing::info!(%error, "an offer was refused");
                    ToBrowser::Error { code: "NEGOTIATION", detail: "The offer does not have the expected media lines." }
                }
            };
            let _ = out.send(Outgoing::Message(reply));
            let _ = inputs.send(Input::Negotiated(participant));
        });
    }

    fn media_event(&mut self, event: MediaEvent) {
        let MediaEvent::Chat { peer, text } = event else { return };
        let from = ParticipantId::from_uuid(peer.0);
        if !self.capabilities(from).has(Capability::Chat) {
            return;
        }
        let Some(room) =
            self.whereabouts.get(&from).and_then(|consultation| self.rooms.get(consultation)).filter(|room| room.is_in_call(from))
        else {
            return;
        };
        let Some(message) = relay_chat(from, &text) else { return };
        for to in room.in_call() {
            self.media.send_chat(PeerId(to.as_uuid()), message.clone());
        }
    }

    fn tick(&mut self) {
        while self.seals.try_join_next().is_some() {}
        let consultations: Vec<_> = self.rooms.keys().copied().collect();
        for consultation in consultations {
            self.handle(consultation, Event::Tick);
        }
    }

    fn handle(&mut self, consultation: ConsultationId, event: Event) {
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&consultation) else { return };
        let actions = room.handle(event, now);
        self.carry_out(consultation, actions, None);
    }

    fn carry_out(&mut self, consultation: ConsultationId, actions: Vec<Action>, mut grant: Option<Box<RecordingGrant>>) {
        for action in actions {
            match action {
                Action::Tell(who, snapshot) => self.tell(who, ToBrowser::Snapshot(snapshot)),
                Action::Close(who, close) => self.close(who, close),
                Action::Disconnect(who) => self.media.close(PeerId(who.as_uuid())),
                Action::Route(to, from) => self.media.route(PeerId(to.as_uuid()), from.map(|slot| slot.map(|p| PeerId(p.as_uuid())))),
                Action::StartRecording(room) => self.ask_to_start(room),
                Action::Record(room) => {
                    if let Some(grant) = grant.take() {
                        self.record(room, grant);
                    }
                }
                Action::Gone(who) => {
                    let services = Arc::clone(&self.services);
                    self.in_order(async move {
                        let act = Act::Leave { consultation, participant: who };
                        if let Err(error) = services.protect(&Caller::system(), act, Box::pin(services.gone(who))).await {
                            tracing::error!(%error, "a departure could not be written down");
                        }
                    });
                }
                Action::PauseRecording(recording, newcomer) => self.pause(consultation, recording, newcomer),
                Action::CutRecording(recording) => match self.recordings.get_mut(&recording) {
                    Some(Held::Here(running)) => running.cut(&self.media, Instant::now()),
                    // it was to go on when its stretch is closed: not any more
                    Some(away) => *away = Held::Away(None),
                    None => {}
                },
                Action::FinishRecording(recording, reason) => self.finish(recording, reason),
            }
        }
        let presence = self.rooms.get(&consultation).map(|room| Presence { waiting: room.waiting(), in_call: room.in_call().len() });
        let mut shared = self.presence.write().unwrap_or_else(PoisonError::into_inner);
        match presence {
            Some(presence) if presence != Presence::default() => {
                shared.insert(consultation, presence);
            }
            _ => {
                shared.remove(&consultation);
            }
        }
        drop(shared);
        if self.rooms.get(&consultation).is_some_and(Room::is_empty) {
            self.rooms.remove(&consultation);
        }
    }

    fn tell(&self, who: ParticipantId, message: ToBrowser) {
        if let Some(socket) = self.sockets.get(&who) {
            let _ = socket.out.send(Outgoing::Message(message));
        }
    }

    fn close(&mut self, who: ParticipantId, close: Close) {
        self.whereabouts.remove(&who);
        self.may.remove(&who);
        if let Some(socket) = self.sockets.remove(&who) {
            let _ = socket.out.send(Outgoing::Close(close));
        }
    }

    fn ask_to_start(&self, room: ConsentedRoom) {
        let (services, inputs) = (Arc::clone(&self.services), self.inputs.clone());
        self.in_order(async move {
            let recording = room.recording();
            let input = match services.start_recording(&room).await {
                Ok(grant) => Input::Granted { room, grant: Box::new(grant) },
                Err(error) => {
                    tracing::error!(%recording, %error, "the recording may not start");
                    Input::NotGranted(room)
                }
            };
            let _ = inputs.send(input);
        });
    }

    /// Starts and pauses are written down one after the other, as they happened.
    fn in_order(&self, job: impl Future<Output = ()> + Send + 'static) {
        let _ = self.ledger.send(Box::pin(job));
    }
}
