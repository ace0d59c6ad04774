//! Consent × membership × recording, held against a reference model over a million steps.
//!
//! The model is the rule in plain words: a frame of a kind may be captured of someone who is present only while a recording is asked for
//! and not ended, everyone present has decided, one refusal stops all (or leaves out whoever refused), and they permit that kind. It knows
//! nothing of phases, grants or slots. The room must never let a recorder have more, at any action on the way, and must let it have exactly
//! that once the leave it asked for is granted.

use crate::domain::consent::{ConsentedRoom, Kinds, OneRefusal};
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::gateway::room::{Action, At, Event, GRACE, Room};
use crate::services::events::{Answer, Happened};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use uuid::Uuid;

const PEOPLE: u64 = 5;
const STEPS_A_CALL: u32 = 250;

/// Xorshift: the same steps at every run, another seed for another life of a call.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn who(n: u64) -> ParticipantId {
    ParticipantId::from_uuid(Uuid::from_u128(u128::from(n) + 1))
}

fn kinds(n: u64) -> Kinds {
    Kinds { audio: n & 1 == 1, video: n & 2 == 2 }
}

#[derive(Default)]
struct Model {
    /// Who is present, and since when their connection is lost if it is.
    present: BTreeMap<ParticipantId, Option<Timestamp>>,
    waiting: BTreeMap<ParticipantId, Option<Timestamp>>,
    recording: Option<Asked>,
    /// The leave whose refusal ends the recording: the one that is asked for and neither granted nor overtaken.
    refusable: Option<ConsentedRoom>,
}

struct Asked {
    id: RecordingId,
    rule: OneRefusal,
    answers: BTreeMap<ParticipantId, Kinds>,
    begun: bool,
    cut: bool,
}

impl Model {
    /// The kinds that may be captured of everyone present; nothing, if nothing may.
    fn allowed(&self) -> BTreeMap<ParticipantId, Kinds> {
        let Some(asked) = self.recording.as_ref().filter(|asked| !asked.cut) else { return BTreeMap::new() };
        let decided = self.present.keys().all(|who| asked.answers.contains_key(who));
        let refused = self.present.keys().any(|who| asked.answers.get(who) == Some(&Kinds::NONE));
        if !decided || (refused && asked.rule == OneRefusal::StopsAll) {
            return BTreeMap::new();
        }
        let of = |who: &ParticipantId| asked.answers.get(who).copied().unwrap_or_default();
        self.present.keys().map(|who| (*who, of(who))).filter(|(_, kinds)| !kinds.is_none()).collect()
    }

    fn leave(&mut self, gone: ParticipantId) {
        self.waiting.remove(&gone);
        if self.present.remove(&gone).is_some() && (gone == who(0) || self.present.is_empty()) {
            self.recording = None;
        }
    }

    fn arrive(&mut self, came: ParticipantId, at: At) {
        if let Some(lost) = self.present.get_mut(&came) {
            *lost = None;
            return;
        }
        if at == At::Call {
            self.waiting.remove(&came);
            self.present.insert(came, None);
        } else {
            self.waiting.insert(came, None);
        }
    }

    fn take_in(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Arrived { participant, at, .. } => self.arrive(*participant, *at),
            Event::Lost(gone) => {
                for place in [&mut self.present, &mut self.waiting] {
                    if let Some(lost) = place.get_mut(gone) {
                        *lost = Some(now);
                    }
                }
            }
            Event::Left(gone) => self.leave(*gone),
            Event::Tick => {
                let over = |lost: &Option<Timestamp>| lost.is_some_and(|at| now.since(at) >= GRACE);
                let gone: Vec<_> = self.present.iter().chain(&self.waiting).filter(|(_, lost)| over(lost)).map(|(who, _)| *who).collect();
                for who in gone {
                    self.leave(who);
                }
            }
            Event::RecordingFailed(id) => self.recording = self.recording.take().filter(|asked| asked.id != *id),
            Event::RecordingGranted { room, .. } => {
                if let Some(asked) = self.recording.as_mut().filter(|asked| asked.id == room.recording()) {
                    asked.begun = true;
                }
            }
            Event::Happened(happened) => self.learn(happened),
            Event::RecordingNotGranted(room) => {
                // the last that was asked for, and nothing else
                if self.refusable.as_ref() == Some(room) {
                    self.recording = None;
                }
            }
            Event::Sending(..) => {}
        }
    }

    fn learn(&mut self, happened: &Happened) {
        let same = |asked: &Option<Asked>, id: &RecordingId| asked.as_ref().is_some_and(|asked| asked.id == *id);
        match happened {
            Happened::Admitted(came) => {
                if let Some(lost) = self.waiting.remove(came) {
                    self.present.insert(*came, lost);
                }
            }
            Happened::Removed(gone) | Happened::Left(gone) => self.leave(*gone),
            Happened::Declined { participant, .. } => self.leave(*participant),
            Happened::RecordingRequested { recording, rule, .. } => {
                self.recording = Some(Asked { id: *recording, rule: *rule, answers: BTreeMap::new(), begun: false, cut: false });
            }
            Happened::RecordingCut { recording } if same(&self.recording, recording) => {
                if let Some(asked) = &mut self.recording {
                    asked.cut = true;
                }
            }
            Happened::RecordingStopped { recording, .. } if same(&self.recording, recording) => self.recording = None,
            Happened::Reconsidering { recording, participant }
            | Happened::AskedAgain { recording, participant }
            | Happened::TextChanged { recording, participant, .. }
                if same(&self.recording, recording) =>
            {
                if let Some(asked) = &mut self.recording {
                    asked.answers.remove(participant);
                }
            }
            Happened::Decided { recording, participant, answer } if same(&self.recording, recording) => {
                let Some(asked) = &mut self.recording else { return };
                match answer {
                    Answer::Withdrawn(_) => self.recording = None,
                    Answer::Kinds(Kinds::NONE) if !asked.begun && asked.rule == OneRefusal::StopsAll => self.recording = None,
                    Answer::Kinds(kinds) => {
                        asked.answers.insert(*participant, *kinds);
                    }
                }
            }
            _ => {}
        }
    }
}

/// One call's life: random events, grants that come late, out of order, or not at all.
struct Life {
    dice: Dice,
    room: Room,
    model: Model,
    now: Timestamp,
    captured: BTreeMap<ParticipantId, Kinds>,
    asked_for: VecDeque<ConsentedRoom>,
    requests: u64,
    /// The last leave that was asked for and is not granted yet.
    outstanding: Option<ConsentedRoom>,
    frames: u64,
    /// An overtaken leave was refused: what is under way may be another one that is equal to it.
    refused: bool,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            room: Room::new(ConsultationId::from_uuid(Uuid::from_u128(1000)), "in_progress"),
            model: Model::default(),
            now: Timestamp::from_micros(1_000_000),
            captured: BTreeMap::new(),
            asked_for: VecDeque::new(),
            requests: 0,
            outstanding: None,
            frames: 0,
            refused: false,
        }
    }

    fn recording(&self) -> RecordingId {
        RecordingId::from_uuid(Uuid::from_u128(5000 + u128::from(self.requests)))
    }

    fn event(&mut self) -> Event {
        let person = who(self.dice.roll(PEOPLE));
        let recording = self.recording();
        let happened = match self.dice.roll(100) {
            0..=2 => return self.arrival(person),
            3 => return Event::Lost(person),
            4 => return Event::Left(person),
            5 => return Event::Tick,
            6..=9 => Happened::Admitted(person),
            10 => Happened::Removed(person),
            11 => Happened::Left(person),
            12 => Happened::Declined { participant: person, name: String::new(), role: Role::Patient, withdrawn: true },
            13 => Happened::RecordingCut { recording },
            14 => Happened::RecordingStopped { recording, by: None },
            15 => Happened::Reconsidering { recording, participant: person },
            16 => Happened::AskedAgain { recording, participant: person },
            17 => Happened::Decided { recording, participant: person, answer: Answer::Withdrawn(None) },
            18 => Happened::Decided { recording, participant: person, answer: Answer::Kinds(Kinds::NONE) },
            19..=26 | 40..=94 => {
                let answer = Answer::Kinds(kinds(1 + self.dice.roll(3)));
                Happened::Decided { recording, participant: person, answer }
            }
            28 => Happened::TextChanged { recording, participant: person, version: "2".to_owned() },
            27 => return Event::RecordingFailed(recording),
            29..=39 if self.model.present.len() < 2 => return self.arrival(person),
            _ if self.model.recording.is_some() => return Event::Tick,
            _ => {
                self.requests += 1;
                let rule = if self.dice.roll(3) == 0 { OneRefusal::LeavesOutThePerson } else { OneRefusal::StopsAll };
                let (recording, text, version) = (self.recording(), String::new(), String::new());
                Happened::RecordingRequested { recording, by: who(0), text, version, kinds: Kinds::BOTH, rule }
            }
        };
        Event::Happened(happened)
    }

    fn arrival(&mut self, participant: ParticipantId) -> Event {
        let role = if participant == who(0) { Role::Practitioner } else { Role::Patient };
        let at = if participant == who(0) || self.dice.roll(4) == 0 { At::Call } else { At::Lobby };
        Event::Arrived { participant, name: String::new(), role, may: role.capabilities(), at }
    }

    fn step(&mut self) {
        self.now = self.now.plus(Duration::from_secs(self.dice.roll(20)));
        self.refused = false;
        let grant = match self.dice.roll(4) {
            0 => None,
            1 => self.asked_for.pop_front(),
            _ => self.asked_for.pop_back(),
        };
        let event = match grant {
            Some(room) => {
                let of = |room: &ConsentedRoom| room.participants().filter(|(_, kinds)| !kinds.is_none()).collect::<BTreeMap<_, _>>();
                let live = self.outstanding.as_ref() == Some(&room) && self.model.allowed() == of(&room);
                if self.outstanding.as_ref() == Some(&room) {
                    self.outstanding = None;
                }
                if self.dice.roll(12) == 0 {
                    self.model.refusable = live.then(|| room.clone());
                    self.refused = !live && self.model.recording.is_some();
                    Event::RecordingNotGranted(room)
                } else {
                    Event::RecordingGranted { room, started_at: self.now }
                }
            }
            None => self.event(),
        };
        let shown = format!("{event:?}");
        self.model.take_in(&event, self.now);
        for action in self.room.handle(event, self.now) {
            match action {
                Action::StartRecording(room) => {
                    self.outstanding = Some(room.clone());
                    self.asked_for.push_back(room);
                }
                Action::Record(room) => self.captured = room.participants().filter(|(_, kinds)| !kinds.is_none()).collect(),
                Action::PauseRecording(..) | Action::CutRecording(_) | Action::FinishRecording(..) => self.captured.clear(),
                // nobody who has come in is heard or seen by the others before the recorder was taken away
                Action::Route(..) => self.check(&shown),
                _ => {}
            }
        }
        self.check(&shown);
        if self.outstanding.is_none() && !self.refused {
            // every leave the room asked for has been given: what the rule allows is what is recorded
            assert_eq!(self.captured_now(), self.model.allowed(), "after {shown}");
        }
    }

    /// What frames of those present reach the recorder as.
    fn captured_now(&self) -> BTreeMap<ParticipantId, Kinds> {
        self.captured.iter().filter(|(who, _)| self.model.present.contains_key(who)).map(|(who, kinds)| (*who, *kinds)).collect()
    }

    fn check(&mut self, after: &str) {
        let allowed = self.model.allowed();
        for (who, kinds) in self.captured_now() {
            self.frames += 1;
            let may = allowed.get(&who).copied().unwrap_or_default();
            assert!((!kinds.audio || may.audio) && (!kinds.video || may.video), "{who} captured as {} after {after}", kinds.as_str());
        }
    }
}

/// Steps of the test; `BEDSIDE_CONSENT_STEPS` asks for more.
fn steps() -> u64 {
    std::env::var("BEDSIDE_CONSENT_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(1_000_000)
}

#[test]
fn no_frame_of_an_undecided_person_is_captured_in_a_million_steps() {
    let (mut done, mut frames, mut seed) = (0, 0, 0);
    while done < steps() {
        seed += 1;
        let mut life = Life::new(seed);
        for _ in 0..STEPS_A_CALL {
            life.step();
        }
        done += u64::from(STEPS_A_CALL);
        frames += life.frames;
    }
    assert!(frames > steps() / 20, "the recorder ran in too few steps to say anything: {frames}");
}
