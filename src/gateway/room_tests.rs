//! The room's promises, by example and by property.

use crate::domain::consent::{ConsentedRoom, Kinds, OneRefusal};
use crate::domain::id::{ConsultationId, ParticipantId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::gateway::room::{Action, At, Event, GRACE, Room};
use crate::gateway::signaling::{Close, Sending};
use crate::services::events::{Answer, Happened};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn who(n: u128) -> ParticipantId {
    ParticipantId::from_uuid(Uuid::from_u128(n))
}

fn recording() -> RecordingId {
    RecordingId::from_uuid(Uuid::from_u128(99))
}

fn arrived(n: u128, at: At) -> Event {
    let role = if n == 1 { Role::Practitioner } else { Role::Patient };
    Event::Arrived { participant: who(n), name: format!("P{n}"), role, may: role.capabilities(), at }
}

fn requested() -> Event {
    requested_under(OneRefusal::StopsAll)
}

fn requested_under(rule: OneRefusal) -> Event {
    let (text, version) = ("t".into(), "1".into());
    Event::Happened(Happened::RecordingRequested { recording: recording(), by: who(1), text, version, kinds: Kinds::BOTH, rule })
}

const SOUND: Kinds = Kinds { audio: true, video: false };

fn decided(n: u128, answer: Answer) -> Event {
    Event::Happened(Happened::Decided { recording: recording(), participant: who(n), answer })
}

fn permits(n: u128) -> Event {
    decided(n, Answer::Kinds(Kinds::BOTH))
}

fn declines(n: u128) -> Event {
    decided(n, Answer::Kinds(Kinds::NONE))
}

fn withdraws(n: u128) -> Event {
    decided(n, Answer::Withdrawn(None))
}

/// A grant for a room of these people, who permit everything.
fn granted(people: &[u128]) -> Event {
    let all: Vec<_> = people.iter().map(|n| (*n, Kinds::BOTH)).collect();
    granted_for(&all)
}

fn granted_for(people: &[(u128, Kinds)]) -> Event {
    let present: Vec<_> = people.iter().map(|(n, _)| who(*n)).collect();
    let decided = people.iter().map(|(n, kinds)| (who(*n), *kinds)).collect();
    let consultation = ConsultationId::from_uuid(Uuid::from_u128(1000));
    let room = ConsentedRoom::check(consultation, recording(), &present, &decided, OneRefusal::LeavesOutThePerson).expect("all decided");
    Event::RecordingGranted { room, started_at: NOW }
}

fn room() -> Room {
    Room::new(ConsultationId::from_uuid(Uuid::from_u128(1000)), "in_progress")
}

/// A room with clinician 1 and patient 2 in the call.
fn call() -> Room {
    let mut room = room();
    room.handle(arrived(1, At::Call), NOW);
    room.handle(arrived(2, At::Lobby), NOW);
    room.handle(Event::Happened(Happened::Admitted(who(2))), NOW);
    room
}

fn recorded() -> Room {
    let mut room = call();
    for event in [requested(), permits(1), permits(2)] {
        room.handle(event, NOW);
    }
    assert!(room.handle(granted(&[1, 2]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
    room
}

fn told(actions: &[Action], to: ParticipantId) -> Option<serde_json::Value> {
    actions.iter().rev().find_map(|action| match action {
        Action::Tell(whom, snapshot) if *whom == to => serde_json::to_value(snapshot).ok(),
        _ => None,
    })
}

#[test]
fn someone_in_the_lobby_sees_only_themself_and_is_seen_by_the_clinician_alone() {
    let mut room = call();
    let actions = room.handle(arrived(3, At::Lobby), NOW);
    let lobby = told(&actions, who(3)).expect("told");
    assert_eq!(lobby["participants"].as_array().map(Vec::len), Some(1));
    assert_eq!(lobby["self"]["place"], "lobby");
    assert!(lobby["recording"].is_null());
    assert_eq!(told(&actions, who(1)).expect("the clinician is told")["participants"].as_array().map(Vec::len), Some(3));
    assert!(told(&actions, who(2)).is_none(), "the patient in the call learns nothing of it");
    assert!(!actions.iter().any(|a| matches!(a, Action::Route(..))), "and no media goes anywhere");
}

#[test]
fn admission_routes_both_ways_and_a_reload_needs_no_new_one() {
    let mut room = room();
    room.handle(arrived(1, At::Call), NOW);
    room.handle(arrived(2, At::Lobby), NOW);
    let actions = room.handle(Event::Happened(Happened::Admitted(who(2))), NOW);
    assert!(actions.contains(&Action::Route(who(1), [Some(who(2)), None, None])));
    assert!(actions.contains(&Action::Route(who(2), [Some(who(1)), None, None])));
    room.handle(Event::Lost(who(2)), NOW);
    let back = room.handle(arrived(2, At::Lobby), NOW.plus(GRACE / 2));
    assert_eq!(told(&back, who(2)).expect("told")["self"]["place"], "in_call");
}

#[test]
fn whoever_stays_away_too_long_is_taken_out() {
    let mut room = call();
    room.handle(Event::Lost(who(2)), NOW);
    assert!(room.handle(Event::Tick, NOW.plus(GRACE / 2)).is_empty());
    let actions = room.handle(Event::Tick, NOW.plus(GRACE));
    assert!(actions.contains(&Action::Disconnect(who(2))));
    assert!(actions.contains(&Action::Route(who(1), [None, None, None])));
}

#[test]
fn recording_begins_only_after_the_last_permit_and_the_grant() {
    let mut room = call();
    room.handle(requested(), NOW);
    assert!(!room.handle(permits(1), NOW).iter().any(|a| matches!(a, Action::StartRecording(_) | Action::Record(_))));
    let last = room.handle(permits(2), NOW);
    assert!(last.iter().any(|a| matches!(a, Action::StartRecording(_))));
    assert!(!last.iter().any(|a| matches!(a, Action::Record(_))), "not before the grant");
    assert!(room.handle(granted(&[1, 2]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
}

#[test]
fn a_withdrawal_takes_the_recorder_away_in_the_same_step() {
    let actions = recorded().handle(withdraws(2), NOW);
    assert_eq!(actions.first(), Some(&Action::FinishRecording(recording(), "withdrawn")));
    assert_eq!(told(&actions, who(1)).expect("told")["last_recording"]["outcome"], "withdrawn");
}

#[test]
fn a_recording_that_is_being_ended_gets_no_media_and_never_goes_on() {
    let mut room = recorded();
    let cut = room.handle(Event::Happened(Happened::RecordingCut { recording: recording() }), NOW);
    assert_eq!(cut.first(), Some(&Action::CutRecording(recording())));
    assert!(!room.handle(permits(1), NOW).iter().any(|a| matches!(a, Action::StartRecording(_))));
    assert!(!room.handle(granted(&[1, 2]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
}

#[test]
fn a_refusal_ends_the_request_and_not_the_call() {
    let mut room = call();
    room.handle(requested(), NOW);
    let actions = room.handle(declines(2), NOW);
    assert!(!actions.iter().any(|a| matches!(a, Action::Close(..) | Action::Disconnect(_) | Action::Route(..))));
    assert!(room.is_in_call(who(2)));
}

#[test]
fn a_newcomer_pauses_the_recording_until_they_permit() {
    let mut room = recorded();
    room.handle(arrived(3, At::Lobby), NOW);
    let entered = room.handle(Event::Happened(Happened::Admitted(who(3))), NOW);
    assert_eq!(entered.first(), Some(&Action::PauseRecording(recording(), who(3))), "before they can be heard");
    assert_eq!(told(&entered, who(3)).expect("told")["recording"]["state"], "paused");
    let permitted = room.handle(permits(3), NOW);
    assert!(permitted.iter().any(|a| matches!(a, Action::StartRecording(room) if room.size() == 3)));
    assert!(room.handle(granted(&[1, 2, 3]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
}

#[test]
fn a_newcomer_between_consent_and_grant_keeps_the_recorder_out() {
    let mut room = call();
    for event in [requested(), permits(1), permits(2), arrived(3, At::Lobby), Event::Happened(Happened::Admitted(who(3)))] {
        room.handle(event, NOW);
    }
    assert!(!room.handle(granted(&[1, 2]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
}

#[test]
fn a_grant_for_fewer_people_does_not_start_the_recorder_for_more() {
    let mut room = call();
    for event in [requested(), permits(1), permits(2)] {
        room.handle(event, NOW);
    }
    room.handle(arrived(3, At::Lobby), NOW);
    room.handle(Event::Happened(Happened::Admitted(who(3))), NOW);
    room.handle(permits(3), NOW);
    assert!(!room.handle(granted(&[1, 2]), NOW).iter().any(|a| matches!(a, Action::Record(_))));
    assert!(room.handle(granted(&[1, 2, 3]), NOW).iter().any(|a| matches!(a, Action::Record(room) if room.size() == 3)));
}

#[test]
fn someone_who_permitted_left_and_comes_back_begins_a_new_stretch() {
    let mut room = recorded();
    room.handle(Event::Left(who(2)), NOW);
    let back = room.handle(arrived(2, At::Call), NOW);
    assert_eq!(back.first(), Some(&Action::PauseRecording(recording(), who(2))));
    assert!(back.iter().any(|a| matches!(a, Action::StartRecording(room) if room.size() == 2)));
}

#[test]
fn whoever_was_admitted_before_their_browser_connected_is_in_the_call() {
    let mut room = call();
    room.handle(arrived(3, At::Lobby), NOW);
    room.handle(arrived(3, At::Call), NOW);
    assert!(room.is_in_call(who(3)));
}

#[test]
fn a_newcomer_who_leaves_again_lets_the_recording_go_on() {
    let mut room = recorded();
    room.handle(arrived(3, At::Lobby), NOW);
    room.handle(Event::Happened(Happened::Admitted(who(3))), NOW);
    assert!(room.handle(Event::Left(who(3)), NOW).iter().any(|a| matches!(a, Action::StartRecording(_))));
}

#[test]
fn the_recording_stops_when_its_clinician_leaves() {
    assert!(recorded().handle(Event::Left(who(1)), NOW).contains(&Action::FinishRecording(recording(), "the clinician left")));
}

#[test]
fn ending_closes_every_connection_and_the_recording() {
    let actions = recorded().handle(Event::Happened(Happened::Ended), NOW);
    assert!(actions.contains(&Action::FinishRecording(recording(), "the consultation ended")));
    for n in [1, 2] {
        assert!(actions.contains(&Action::Close(who(n), Close::Ended)) && actions.contains(&Action::Disconnect(who(n))));
    }
}

#[test]
fn each_is_recorded_in_the_kinds_they_permit() {
    let mut room = call();
    room.handle(requested(), NOW);
    room.handle(permits(1), NOW);
    let asked = room.handle(decided(2, Answer::Kinds(SOUND)), NOW);
    let Some(Action::StartRecording(consented)) = asked.iter().find(|a| matches!(a, Action::StartRecording(_))) else {
        panic!("both decided: {asked:?}")
    };
    assert_eq!(consented.participants().collect::<Vec<_>>(), [(who(1), Kinds::BOTH), (who(2), SOUND)]);
    let shown = told(&asked, who(1)).expect("told")["recording"].clone();
    assert_eq!(shown["kinds"], serde_json::json!(["audio", "video"]));
    assert_eq!((shown["decisions"][1]["audio"].as_bool(), shown["decisions"][1]["video"].as_bool()), (Some(true), Some(false)));
}

#[test]
fn a_newcomer_who_declines_keeps_it_paused_until_they_leave_or_agree() {
    let mut room = recorded();
    room.handle(arrived(3, At::Lobby), NOW);
    room.handle(Event::Happened(Happened::Admitted(who(3))), NOW);
    let declined = room.handle(declines(3), NOW);
    assert!(!declined.iter().any(|a| matches!(a, Action::StartRecording(_) | Action::FinishRecording(..))), "{declined:?}");
    assert_eq!(told(&declined, who(1)).expect("told")["recording"]["state"], "paused");
    let mut asked_again = room.clone();
    let again = asked_again.handle(Event::Happened(Happened::AskedAgain { recording: recording(), participant: who(3) }), NOW);
    assert_eq!(told(&again, who(3)).expect("told")["recording"]["decisions"][2]["decision"], "pending");
    assert!(asked_again.handle(permits(3), NOW).iter().any(|a| matches!(a, Action::StartRecording(room) if room.size() == 3)));
    assert!(room.handle(Event::Left(who(3)), NOW).iter().any(|a| matches!(a, Action::StartRecording(room) if room.size() == 2)));
}

#[test]
fn whoever_comes_back_after_the_text_changed_is_asked_about_the_new_one() {
    let mut room = recorded();
    room.handle(Event::Left(who(2)), NOW);
    let changed = Happened::TextChanged { recording: recording(), participant: who(2), version: "2".into() };
    let actions = room.handle(Event::Happened(changed), NOW);
    assert_eq!(actions.first(), Some(&Action::PauseRecording(recording(), who(2))));
    let back = room.handle(arrived(2, At::Call), NOW);
    let shown = told(&back, who(2)).expect("told")["recording"].clone();
    assert_eq!((shown["state"].as_str(), shown["version"].as_str()), (Some("paused"), Some("2")));
    assert_eq!(told(&back, who(1)).expect("told")["recording"]["version"], "1");
    assert!(!back.iter().any(|a| matches!(a, Action::StartRecording(_))), "they have not decided");
    assert!(room.handle(permits(2), NOW).iter().any(|a| matches!(a, Action::StartRecording(_))));
}

#[test]
fn whoever_answers_anew_is_not_recorded_until_the_new_answer_counts() {
    let mut room = recorded();
    let reconsidering = room.handle(Event::Happened(Happened::Reconsidering { recording: recording(), participant: who(2) }), NOW);
    assert_eq!(reconsidering.first(), Some(&Action::PauseRecording(recording(), who(2))));
    let answered = room.handle(decided(2, Answer::Kinds(SOUND)), NOW);
    assert!(answered.iter().any(|a| matches!(a, Action::StartRecording(_))));
    let resumed = room.handle(granted_for(&[(1, Kinds::BOTH), (2, SOUND)]), NOW);
    let kinds: Vec<_> =
        resumed.iter().filter_map(|a| if let Action::Record(room) = a { Some(room.participants().last()) } else { None }).collect();
    assert_eq!(kinds, [Some((who(2), SOUND))]);
}

#[test]
fn where_the_policy_leaves_people_out_a_refusal_does_not_stop_the_others() {
    let mut room = call();
    room.handle(requested_under(OneRefusal::LeavesOutThePerson), NOW);
    room.handle(permits(1), NOW);
    let declined = room.handle(declines(2), NOW);
    let asked = declined
        .iter()
        .find_map(|a| if let Action::StartRecording(room) = a { Some(room.participants().collect::<Vec<_>>()) } else { None });
    assert_eq!(asked, Some(vec![(who(1), Kinds::BOTH), (who(2), Kinds::NONE)]));
}

#[test]
fn the_clinician_is_told_who_declined_what_is_required_and_nobody_else() {
    let mut room = call();
    let declined = Happened::Declined { participant: who(3), name: "Kim".into(), role: Role::RelatedPerson, withdrawn: false };
    let actions = room.handle(Event::Happened(declined), NOW);
    assert_eq!(told(&actions, who(1)).expect("told")["declined"][0]["name"], "Kim");
    assert!(told(&actions, who(2)).is_none());
    let came = room.handle(arrived(3, At::Lobby), NOW);
    assert!(told(&came, who(1)).expect("told").get("declined").is_none(), "they agreed after all");
}

#[test]
fn someone_asked_about_a_text_sees_it_until_they_decide() {
    let mut room = call();
    let wanted = Happened::TextWanted { participant: who(2), text: "interpreter-presence".into(), version: "1".into() };
    let asked = room.handle(Event::Happened(wanted), NOW);
    assert_eq!(told(&asked, who(2)).expect("told")["wanted"][0]["text"], "interpreter-presence");
    assert!(told(&asked, who(1)).is_none());
    let decided = Happened::TextDecided { participant: who(2), text: "interpreter-presence".into() };
    assert!(told(&room.handle(Event::Happened(decided), NOW), who(2)).expect("told").get("wanted").is_none());
}

fn any_event() -> impl Strategy<Value = Event> {
    let person = 1_u128..6;
    prop_oneof![
        (person.clone(), any::<bool>()).prop_map(|(n, call)| arrived(n, if call && n == 1 { At::Call } else { At::Lobby })),
        person.clone().prop_map(|n| Event::Lost(who(n))),
        person.clone().prop_map(|n| Event::Left(who(n))),
        person.clone().prop_map(|n| Event::Sending(who(n), Sending { microphone: true, camera: true, screen: false })),
        person.clone().prop_map(|n| Event::Happened(Happened::Admitted(who(n)))),
        person.clone().prop_map(|n| Event::Happened(Happened::Removed(who(n)))),
        Just(requested()),
        person.clone().prop_map(permits),
        person.clone().prop_map(permits),
        person.clone().prop_map(declines),
        person.prop_map(withdraws),
        prop::sample::subsequence(vec![1_u128, 2, 3, 4, 5], 1..=5).prop_map(|people| granted(&people)),
        Just(Event::Happened(Happened::RecordingCut { recording: recording() })),
        Just(Event::RecordingFailed(recording())),
        Just(Event::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens in whatever order: a recorder that has media has it with the consent of everyone in the call, and routes lead
    /// only from and to people in the call.
    #[test]
    fn nobody_is_recorded_without_consent_and_nobody_outside_the_call_is_heard(events in prop::collection::vec(any_event(), 1..60)) {
        let mut room = room();
        let mut recording_now = false;
        let mut routes: BTreeMap<ParticipantId, BTreeSet<ParticipantId>> = BTreeMap::new();
        let mut permitted: BTreeSet<ParticipantId> = BTreeSet::new();
        for event in events {
            match &event {
                Event::Happened(Happened::RecordingRequested { .. }) => { permitted.clear(); }
                Event::Happened(Happened::Decided { participant, answer, .. }) => {
                    let yes = matches!(answer, Answer::Kinds(kinds) if !kinds.is_none());
                    if yes { permitted.insert(*participant); } else { permitted.remove(participant); }
                }
                _ => {}
            }
            for action in room.handle(event, NOW) {
                match action {
                    Action::Record(_) => recording_now = true,
                    Action::PauseRecording(..) | Action::CutRecording(_) | Action::FinishRecording(..) => recording_now = false,
                    Action::Route(to, from) => { routes.insert(to, from.into_iter().flatten().collect()); }
                    Action::Disconnect(gone) => { routes.remove(&gone); }
                    _ => {}
                }
            }
            let inside: BTreeSet<_> = room.in_call().into_iter().collect();
            prop_assert!(!recording_now || inside.iter().all(|p| permitted.contains(p)), "recorded without consent");
            for (to, from) in &routes {
                prop_assert!(inside.contains(to), "media goes to someone outside the call");
                prop_assert!(from.is_subset(&inside), "media comes from someone outside the call");
            }
        }
    }
}
