//! One consultation's room: everything that decides who hears, sees or records whom.
//!
//! A pure state machine, `handle(event, now) -> Vec<Action>`: no I/O, no clock, no await. Invariants, held by property tests: a route leads
//! only between two people in the call; media reaches a recorder only while everyone in the call has decided and their decisions let it, and
//! only of those kinds that its owner permits; whoever withdraws, decides anew or newly arrives takes the recorder away in the same step.
//! Someone whose connection is lost is present until they are taken out.

use crate::domain::consent::{ConsentedRoom, Kinds, OneRefusal};
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::{Capabilities, Capability, Role};
use crate::domain::recording::AfterWithdrawal;
use crate::domain::time::Timestamp;
use crate::gateway::signaling::{
    Close, ConsultationState, DeclinedPerson, LastRecording, Own, Person, RecordingDecision, RecordingState, Sending, Slot, Snapshot,
    WantedText,
};
use crate::services::events::{Answer, Happened};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many others one person can receive.
pub const SLOTS: usize = 3;
/// How long someone without a connection keeps their place.
pub const GRACE: Duration = Duration::from_mins(1);

/// Where someone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Waits to be admitted.
    Lobby,
    /// In the call.
    Call,
}

impl At {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lobby => "lobby",
            Self::Call => "in_call",
        }
    }
}

/// What the room is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A participant's browser connected, with a good ticket.
    Arrived {
        /// Who.
        participant: ParticipantId,
        /// Their name.
        name: String,
        /// Their role.
        role: Role,
        /// What they may do.
        may: Capabilities,
        /// Where they may be.
        at: At,
    },
    /// Their connection was lost.
    Lost(ParticipantId),
    /// They said that they leave.
    Left(ParticipantId),
    /// They say what they send.
    Sending(ParticipantId, Sending),
    /// Something was committed.
    Happened(Happened),
    /// The recording that [`Action::StartRecording`] asked for may begin.
    RecordingGranted {
        /// The room it was granted for; it is good for no other.
        room: ConsentedRoom,
        /// When it first began.
        started_at: Timestamp,
    },
    /// It may not, with these people and their decisions.
    RecordingNotGranted(ConsentedRoom),
    /// The recorder failed.
    RecordingFailed(RecordingId),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell a browser what it may know.
    Tell(ParticipantId, Box<Snapshot>),
    /// End a browser's connection.
    Close(ParticipantId, Close),
    /// End someone's media.
    Disconnect(ParticipantId),
    /// Say whose media someone receives.
    Route(ParticipantId, [Option<ParticipantId>; SLOTS]),
    /// Ask whether the recording may begin or go on, on the strength of everyone's consent.
    StartRecording(ConsentedRoom),
    /// Let media reach the recorder.
    Record(ConsentedRoom),
    /// Someone left without saying so over HTTP: it must be written down.
    Gone(ParticipantId),
    /// Take media away from the recorder at once; it may go on later.
    PauseRecording(RecordingId, ParticipantId),
    /// Take media away from the recorder at once; how it goes on is about to be said.
    CutRecording(RecordingId),
    /// Take media away from the recorder at once, for good.
    FinishRecording(RecordingId, &'static str),
}

#[derive(Debug, Clone)]
struct Someone {
    name: String,
    role: Role,
    may: Capabilities,
    at: At,
    lost_at: Option<Timestamp>,
    sending: Sending,
    slots: [Option<ParticipantId>; SLOTS],
    told: Option<Box<Snapshot>>,
}

impl Someone {
    fn new(name: String, role: Role, may: Capabilities, at: At) -> Self {
        Self { name, role, may, at, lost_at: None, sending: Sending::default(), slots: [None; SLOTS], told: None }
    }

    /// Whether they let people in.
    const fn admits(&self) -> bool {
        self.may.has(Capability::Admit)
    }

    /// Whether the consultation is theirs, to record and to end: not a colleague's who came by emergency access.
    const fn leads(&self) -> bool {
        self.may.has(Capability::Record)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Not everyone has decided.
    Asking,
    /// Everyone permits; the stored decisions and the policies are being asked.
    Starting(ConsentedRoom),
    /// Media reaches the recorder.
    Running,
    /// Someone is ending it: it never goes on.
    Cut,
}

#[derive(Debug, Clone)]
struct Recording {
    id: RecordingId,
    by: ParticipantId,
    text: String,
    version: String,
    /// Where it is not `version`: what those are asked whose words were replaced.
    versions: BTreeMap<ParticipantId, String>,
    kinds: Kinds,
    rule: OneRefusal,
    decided: BTreeMap<ParticipantId, Kinds>,
    started_at: Option<Timestamp>,
    phase: Phase,
}

/// The room.
#[derive(Debug, Clone)]
pub struct Room {
    id: ConsultationId,
    status: &'static str,
    people: BTreeMap<ParticipantId, Someone>,
    recording: Option<Recording>,
    last_recording: Option<LastRecording>,
    wanted: BTreeMap<ParticipantId, BTreeSet<WantedText>>,
    declined: BTreeMap<ParticipantId, DeclinedPerson>,
    over: bool,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub const fn new(id: ConsultationId, status: &'static str) -> Self {
        Self {
            id,
            status,
            people: BTreeMap::new(),
            recording: None,
            last_recording: None,
            wanted: BTreeMap::new(),
            declined: BTreeMap::new(),
            over: false,
        }
    }

    /// Whether nobody is in it any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.recording.is_none()
    }

    /// Whether this participant is in the call.
    #[must_use]
    pub fn is_in_call(&self, who: ParticipantId) -> bool {
        self.people.get(&who).is_some_and(|p| p.at == At::Call)
    }

    /// Everyone in the call.
    #[must_use]
    pub fn in_call(&self) -> Vec<ParticipantId> {
        self.people.iter().filter(|(_, p)| p.at == At::Call).map(|(id, _)| *id).collect()
    }

    /// How many wait in the lobby with a live connection.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.people.values().filter(|p| p.at == At::Lobby && p.lost_at.is_none()).count()
    }

    /// Takes an event in and says what is to be done about it, in order.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived { participant, name, role, may, at } => {
                self.arrived(participant, Someone::new(name, role, may, at), &mut actions);
            }
            Event::Lost(who) => {
                if let Some(person) = self.people.get_mut(&who) {
                    person.lost_at = Some(now);
                    person.told = None;
                }
            }
            Event::Left(who) => {
                actions.push(Action::Gone(who));
                self.take_out(who, Close::Left, &mut actions);
            }
            Event::Sending(who, sending) => {
                if let Some(person) = self.people.get_mut(&who).filter(|p| p.at == At::Call) {
                    person.sending = sending;
                }
            }
            Event::Happened(happened) => self.happened(happened, &mut actions),
            Event::RecordingGranted { room, started_at } => self.granted(&room, started_at, &mut actions),
            Event::RecordingNotGranted(room) => {
                // a refusal for people or decisions of before is overtaken: what was asked for since is under way
                let here = self.recording.as_ref().and_then(|recording| self.consented(recording));
                if let Some(recording) = self.recording.as_mut().filter(|r| r.phase == Phase::Starting(room.clone())) {
                    if here.as_ref() == Some(&room) {
                        self.finish("failed", None, "the recording may not start", None, &mut actions);
                    } else {
                        recording.phase = Phase::Asking;
                    }
                }
            }
            Event::RecordingFailed(id) => {
                if self.recording.as_ref().is_some_and(|r| r.id == id) {
                    self.finish("failed", None, "the recorder failed", None, &mut actions);
                }
            }
            Event::Tick => {
                let gone: Vec<_> =
                    self.people.iter().filter(|(_, p)| p.lost_at.is_some_and(|at| now.since(at) >= GRACE)).map(|(id, _)| *id).collect();
                for who in gone {
                    actions.push(Action::Gone(who));
                    self.take_out(who, Close::Left, &mut actions);
                }
            }
        }
        if !self.over {
            self.reconsider(&mut actions);
            self.tell(&mut actions);
        }
        actions
    }

    fn arrived(&mut self, who: ParticipantId, someone: Someone, actions: &mut Vec<Action>) {
        let at = someone.at;
        self.declined.remove(&who);
        if let Some(person) = self.people.get_mut(&who) {
            person.lost_at = None;
            person.told = None;
            person.name = someone.name;
            person.may = someone.may;
            if person.at == At::Lobby && at == At::Call {
                self.entered(who, actions);
            }
            return;
        }
        self.people.insert(who, someone);
        if at == At::Call {
            self.entered(who, actions);
        }
    }

    /// Someone came into the call: the others can hear them, and a recording waits for their decision.
    fn entered(&mut self, who: ParticipantId, actions: &mut Vec<Action>) {
        if let Some(person) = self.people.get_mut(&who) {
            person.at = At::Call;
        }
        // even someone who permitted before: a stretch is of the people it began with
        self.pause(who, actions);
        let everyone = self.in_call();
        for other in &everyone {
            self.seat(*other, &everyone, actions);
        }
    }

    /// Takes media away from the recorder because of someone; it goes on when everyone's decision lets it.
    fn pause(&mut self, because_of: ParticipantId, actions: &mut Vec<Action>) {
        let Some(recording) = &mut self.recording else { return };
        if recording.phase == Phase::Running {
            actions.push(Action::PauseRecording(recording.id, because_of));
        }
        if matches!(recording.phase, Phase::Starting(_) | Phase::Running) {
            recording.phase = Phase::Asking;
        }
    }

    /// What someone decided about the recording counts no more; they are asked, about another version of the text if there is one.
    fn ask_anew(&mut self, who: ParticipantId, version: Option<String>, actions: &mut Vec<Action>) {
        let Some(recording) = &mut self.recording else { return };
        recording.decided.remove(&who);
        if let Some(version) = version {
            recording.versions.insert(who, version);
        }
        self.pause(who, actions);
    }

    /// Gives each of the others a slot, leaving everyone where they were.
    fn seat(&mut self, who: ParticipantId, everyone: &[ParticipantId], actions: &mut Vec<Action>) {
        let Some(person) = self.people.get_mut(&who) else { return };
        let before = person.slots;
        for slot in &mut person.slots {
            if slot.is_some_and(|other| !everyone.contains(&other)) {
                *slot = None;
            }
        }
        for other in everyone.iter().filter(|other| **other != who) {
            if !person.slots.contains(&Some(*other))
                && let Some(free) = person.slots.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(*other);
            }
        }
        if person.slots != before {
            actions.push(Action::Route(who, person.slots));
        }
    }

    fn take_out(&mut self, who: ParticipantId, close: Close, actions: &mut Vec<Action>) {
        let Some(person) = self.people.remove(&who) else { return };
        self.wanted.remove(&who);
        let everyone = self.in_call();
        if person.at == At::Call && (person.leads() || everyone.is_empty()) {
            self.finish("stopped", Some(who), "the clinician left", None, actions);
        }
        actions.push(Action::Close(who, close));
        if person.at == At::Call {
            actions.push(Action::Disconnect(who));
            for other in &everyone {
                self.seat(*other, &everyone, actions);
            }
        }
    }

    fn happened(&mut self, happened: Happened, actions: &mut Vec<Action>) {
        match happened {
            Happened::Status(status) => self.status = status,
            Happened::Ended => {
                self.over = true;
                self.finish("stopped", None, "the consultation ended", None, actions);
                for who in std::mem::take(&mut self.people).into_keys() {
                    actions.push(Action::Close(who, Close::Ended));
                    actions.push(Action::Disconnect(who));
                }
            }
            Happened::Admitted(who) => {
                if self.people.get(&who).is_some_and(|p| p.at == At::Lobby) {
                    self.entered(who, actions);
                }
            }
            Happened::TurnedAway(who) | Happened::Removed(who) => self.take_out(who, Close::Removed, actions),
            Happened::Left(who) => self.take_out(who, Close::Left, actions),
            Happened::RecordingRequested { recording, by, text, version, kinds, rule } => {
                self.finish("stopped", None, "another recording was asked for", None, actions);
                self.last_recording = None;
                self.recording = Some(Recording {
                    id: recording,
                    by,
                    text,
                    version,
                    versions: BTreeMap::new(),
                    kinds,
                    rule,
                    decided: BTreeMap::new(),
                    started_at: None,
                    phase: Phase::Asking,
                });
            }
            Happened::RecordingCut { recording } => {
                if let Some(held) = self.recording.as_mut().filter(|r| r.id == recording) {
                    held.phase = Phase::Cut;
                    actions.push(Action::CutRecording(recording));
                }
            }
            Happened::Decided { recording, participant, answer } => self.decided(recording, participant, answer, actions),
            Happened::Reconsidering { recording, participant } | Happened::AskedAgain { recording, participant } => {
                if self.recording.as_ref().is_some_and(|r| r.id == recording) {
                    self.ask_anew(participant, None, actions);
                }
            }
            Happened::TextChanged { recording, participant, version } => {
                if self.recording.as_ref().is_some_and(|r| r.id == recording) {
                    self.ask_anew(participant, Some(version), actions);
                }
            }
            Happened::TextWanted { participant, text, version } => {
                if self.people.contains_key(&participant) {
                    self.wanted.entry(participant).or_default().insert(WantedText { text, version });
                }
            }
            Happened::TextDecided { participant, text } => {
                if let Some(wanted) = self.wanted.get_mut(&participant) {
                    wanted.retain(|one| one.text != text);
                }
                self.declined.remove(&participant);
            }
            Happened::Declined { participant, name, role, withdrawn } => {
                self.take_out(participant, Close::Left, actions);
                self.declined.insert(participant, DeclinedPerson { id: participant, name, role, withdrawn });
            }
            Happened::RecordingStopped { recording, by } => {
                if self.recording.as_ref().is_some_and(|r| r.id == recording) {
                    self.finish("stopped", by, "stopped by the clinician", None, actions);
                }
            }
        }
    }

    fn decided(&mut self, id: RecordingId, who: ParticipantId, answer: Answer, actions: &mut Vec<Action>) {
        let Some(recording) = self.recording.as_mut().filter(|r| r.id == id) else { return };
        match answer {
            Answer::Withdrawn(kept) => self.finish("withdrawn", Some(who), "withdrawn", kept, actions),
            Answer::Kinds(Kinds::NONE) if recording.rule == OneRefusal::StopsAll && recording.started_at.is_none() => {
                self.finish("refused", Some(who), "refused", None, actions);
            }
            Answer::Kinds(kinds) => {
                // one who is recorded and answers otherwise is recorded anew, as they say now
                if recording.decided.insert(who, kinds) != Some(kinds) {
                    self.pause(who, actions);
                }
            }
        }
    }

    /// Ends the recording, whatever phase it is in.
    fn finish(
        &mut self,
        outcome: &'static str,
        by: Option<ParticipantId>,
        reason: &'static str,
        kept: Option<AfterWithdrawal>,
        actions: &mut Vec<Action>,
    ) {
        let Some(recording) = self.recording.take() else { return };
        actions.push(Action::FinishRecording(recording.id, reason));
        self.last_recording = Some(LastRecording { id: recording.id, outcome, by, kept });
    }

    fn consented(&self, recording: &Recording) -> Option<ConsentedRoom> {
        ConsentedRoom::check(self.id, recording.id, &self.in_call(), &recording.decided, recording.rule)
    }

    /// Asks to start as soon as the decisions of everyone in the call let it.
    fn reconsider(&mut self, actions: &mut Vec<Action>) {
        let Some(recording) = self.recording.as_ref().filter(|r| r.phase == Phase::Asking) else { return };
        let Some(room) = self.consented(recording) else { return };
        if let Some(recording) = &mut self.recording {
            recording.phase = Phase::Starting(room.clone());
            actions.push(Action::StartRecording(room));
        }
    }

    fn granted(&mut self, granted: &ConsentedRoom, started_at: Timestamp, actions: &mut Vec<Action>) {
        let Some(recording) = self.recording.as_mut().filter(|r| r.id == granted.recording()) else { return };
        recording.started_at.get_or_insert(started_at);
        let Phase::Starting(asked) = &recording.phase else {
            if recording.phase == Phase::Asking {
                // it was written down as started and is not: somebody came in or answered anew meanwhile
                actions.push(Action::PauseRecording(recording.id, recording.by));
            }
            return;
        };
        if asked != granted {
            // a grant for people who were here before: the one that was asked for since is under way
            return;
        }
        // people may have gone meanwhile: what counts is who is here now
        let here = self.recording.as_ref().and_then(|recording| self.consented(recording));
        let Some(recording) = &mut self.recording else { return };
        match here {
            Some(room) if room == *granted => {
                recording.phase = Phase::Running;
                actions.push(Action::Record(room));
            }
            _ => recording.phase = Phase::Asking,
        }
    }

    fn tell(&mut self, actions: &mut Vec<Action>) {
        let connected: Vec<_> = self.people.iter().filter(|(_, p)| p.lost_at.is_none()).map(|(id, _)| *id).collect();
        for who in connected {
            let Some(snapshot) = self.snapshot(who).map(Box::new) else { continue };
            if let Some(person) = self.people.get_mut(&who)
                && person.told.as_ref() != Some(&snapshot)
            {
                person.told = Some(snapshot.clone());
                actions.push(Action::Tell(who, snapshot));
            }
        }
    }

    fn snapshot(&self, who: ParticipantId) -> Option<Snapshot> {
        let own = self.people.get(&who)?;
        let inside = own.at == At::Call;
        let may_see = |id: &ParticipantId, person: &Someone| *id == who || (inside && (person.at == At::Call || own.admits()));
        let shown = self.people.iter().filter(|(id, person)| may_see(id, person));
        let participants = shown
            .map(|(id, person)| Person {
                id: *id,
                name: person.name.clone(),
                role: person.role,
                place: person.at.as_str(),
                presence: if person.lost_at.is_some() { "reconnecting" } else { "connected" },
                sending: person.sending,
            })
            .collect();
        let slots = own.slots.iter().enumerate().filter_map(|(slot, other)| other.map(|participant| Slot { slot, participant })).collect();
        Some(Snapshot {
            consultation: ConsultationState { id: self.id, status: self.status },
            own: Own {
                id: who,
                role: own.role,
                place: own.at.as_str(),
                may_admit: inside && own.admits(),
                may_record: inside && own.leads(),
                may_end: inside && own.leads(),
            },
            participants,
            slots: if inside { slots } else { Vec::new() },
            recording: self.recording.as_ref().filter(|_| inside).map(|recording| self.recording_state(who, recording)),
            last_recording: self.last_recording.filter(|_| inside),
            wanted: self.wanted.get(&who).into_iter().flatten().cloned().collect(),
            declined: if inside && own.admits() { self.declined.values().cloned().collect() } else { Vec::new() },
        })
    }

    fn recording_state(&self, to: ParticipantId, recording: &Recording) -> RecordingState {
        RecordingState {
            id: recording.id,
            state: match (&recording.phase, recording.started_at) {
                (Phase::Running, _) => "active",
                (_, Some(_)) => "paused",
                (_, None) => "requested",
            },
            requested_by: recording.by,
            started_at: recording.started_at,
            text: recording.text.clone(),
            text_changed: recording.versions.contains_key(&to),
            version: recording.versions.get(&to).unwrap_or(&recording.version).clone(),
            kinds: [("audio", recording.kinds.audio), ("video", recording.kinds.video)].iter().filter(|k| k.1).map(|k| k.0).collect(),
            decisions: self
                .in_call()
                .into_iter()
                .map(|participant| RecordingDecision::of(participant, recording.decided.get(&participant).copied()))
                .collect(),
        }
    }
}
