//! The promises of the media plane, kept or broken in front of real protocol stacks, without sockets.

#![expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use tokio::sync::oneshot;

use super::switch::Command;
use super::testing::{Client, DELTA, KEYFRAME, World, binding_request};
use super::{ConnectionState, MediaConfig, MediaEvent, MediaPlane, NegotiationError, Source, Tap};

/// Media SSRCs of the keyframe requests a client got.
fn keyframe_requests(world: &World, client: usize) -> Vec<u32> {
    let received = world.clients[client].received();
    let pli = |packet: &dyn std::any::Any| packet.downcast_ref::<PictureLossIndication>().map(|pli| pli.media_ssrc);
    received.rtcp.iter().filter_map(|packet| pli(packet.as_any())).collect()
}

fn quiet(world: &World) {
    world.clients.iter().for_each(|client| drop(client.received()));
}

#[test]
fn without_a_route_not_one_packet_is_forwarded() {
    let mut world = World::with(3);
    for source in Source::ALL {
        world.publish(0, source, KEYFRAME);
    }
    world.pass(100);
    assert_eq!((world.stats().published, world.stats().forwarded), (3, 0));
    assert!(world.clients.iter().all(|client| client.received().rtp.is_empty()));
}

#[test]
fn a_route_carries_every_source_to_its_slot_and_to_nobody_else() {
    let mut world = World::with(3);
    world.route(1, &[2, 0]);
    for source in Source::ALL {
        world.publish(0, source, KEYFRAME);
    }
    let got: Vec<u32> = world.clients[1].received().rtp.iter().map(|packet| packet.header.ssrc).collect();
    let expected: Vec<u32> = Source::ALL.iter().map(|source| world.clients[1].slot_ssrc(1, *source)).collect();
    assert_eq!(got, expected);
    assert!(world.clients[2].received().rtp.is_empty());
    assert!(world.clients[0].received().rtp.is_empty());
    world.route(1, &[2]);
    world.publish(0, Source::Microphone, b"x");
    assert!(world.clients[1].received().rtp.is_empty());
}

#[test]
fn four_people_see_the_three_others() {
    let mut world = World::with(4);
    for me in 0..4 {
        let others: Vec<usize> = (0..4).filter(|other| *other != me).collect();
        world.route(me, &others);
    }
    for me in 0..4 {
        for source in Source::ALL {
            world.publish(me, source, KEYFRAME);
        }
    }
    for client in &world.clients {
        let mut ssrcs: Vec<u32> = client.received().rtp.iter().map(|packet| packet.header.ssrc).collect();
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 9);
    }
}

#[test]
fn noise_forgeries_and_replays_from_elsewhere_reach_no_connection() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.publish(0, Source::Microphone, b"genuine");
    quiet(&world);
    let before = world.stats();
    let stranger = ([198, 51, 100, 9], 9).into();
    let ufrag = world.clients[0].answer.split("a=ice-ufrag:").nth(1).unwrap().lines().next().unwrap().to_owned();
    world.inject(stranger, &binding_request(&format!("{ufrag}:abcd"), "notTheRightPassword12345"));
    world.inject(stranger, &[]);
    for first in 0..=255 {
        world.inject(stranger, &[first; 200]);
    }
    for datagram in world.clients[0].sent.clone() {
        world.inject(stranger, &datagram);
        world.inject(stranger, &datagram[..datagram.len() / 2]);
    }
    let after = world.stats();
    assert_eq!((after.published, after.forwarded, after.connected), (before.published, before.forwarded, 2));
    assert!(after.unvalidated > before.unvalidated + 256 && after.forged > before.forged);
    world.publish(0, Source::Microphone, b"still");
    assert_eq!(world.clients[1].received().rtp.len(), 1);
}

#[test]
fn forged_media_from_a_spoofed_address_is_not_forwarded() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.publish(0, Source::Microphone, b"genuine");
    quiet(&world);
    let before = world.stats();
    let victim = world.clients[0].address;
    let genuine = world.clients[0].sent.iter().rev().find(|d| d[0] & 0xc0 == 0x80).cloned().unwrap();
    world.inject(victim, &genuine);
    for byte in 0..genuine.len() {
        let mut forged = genuine.clone();
        forged[byte] ^= 1;
        world.inject(victim, &forged);
    }
    world.pass(50);
    assert_eq!(world.stats().published, before.published);
    assert_eq!((world.stats().connected, world.stats().panics), (2, 0));
    world.publish(0, Source::Microphone, b"still");
    assert_eq!(world.clients[1].received().rtp.len(), 1);
}

#[test]
fn nothing_is_forwarded_to_a_connection_that_is_not_up() {
    let mut world = World::with(1);
    let place = world.join(2);
    world.route(place, &[0]);
    world.publish(0, Source::Microphone, b"early");
    assert_eq!((world.stats().published, world.stats().forwarded), (1, 0));
    assert!(world.until(|world| world.clients[1].connected));
    world.pass(50);
    world.publish(0, Source::Microphone, b"now");
    assert_eq!(world.stats().forwarded, 1);
}

#[test]
fn a_reconnection_resumes_both_directions() {
    let mut world = World::with(2);
    world.route(0, &[1]);
    world.route(1, &[0]);
    world.publish(0, Source::Camera, KEYFRAME);
    let first = world.clients[1].received().rtp[0].header.clone();
    world.join(1);
    assert!(world.until(|world| world.clients[0].connected));
    world.pass(100);
    quiet(&world);
    world.publish(0, Source::Camera, DELTA);
    assert!(world.clients[1].received().rtp.is_empty(), "a new stream begins with a keyframe");
    world.publish(0, Source::Camera, KEYFRAME);
    let again = world.clients[1].received().rtp[0].header.clone();
    assert_eq!((again.ssrc, again.sequence_number), (first.ssrc, first.sequence_number + 1));
    assert!(again.timestamp.wrapping_sub(first.timestamp) < 90_000 * 10);
    world.publish(1, Source::Camera, KEYFRAME);
    assert_eq!(world.clients[0].received().rtp.len(), 1);
    assert_eq!(world.stats().connections, 2);
    let closed = world
        .events()
        .into_iter()
        .any(|event| matches!(event, MediaEvent::State { state: ConnectionState::Closed | ConnectionState::Failed, .. }));
    assert!(!closed, "a replaced connection reports nothing");
}

#[test]
fn a_route_a_reconnection_and_a_recording_ask_for_keyframes() {
    let mut world = World::with(2);
    quiet(&world);
    world.pass(600);
    drop(keyframe_requests(&world, 0));
    let both = |client: &Client| [client.ssrc(Source::Camera), client.ssrc(Source::Screen)];
    world.route(1, &[0]);
    assert_eq!(keyframe_requests(&world, 0), both(&world.clients[0]));
    world.pass(600);
    let (tap, _receiver) = Tap::new(4);
    world.command(Command::Record(world.clients[0].id, tap));
    assert_eq!(keyframe_requests(&world, 0), both(&world.clients[0]));
    world.pass(3900);
    assert_eq!(keyframe_requests(&world, 0), [0_u32; 0]);
    world.pass(200);
    assert_eq!(keyframe_requests(&world, 0), both(&world.clients[0]), "every 4 s while recorded");
    world.join(2);
    assert!(world.until(|world| world.clients[1].connected));
    world.pass(600);
    assert_eq!(keyframe_requests(&world, 0), both(&world.clients[0]), "for the subscriber that came back");
}

#[test]
fn a_subscribers_request_reaches_the_right_source_deferred_and_not_dropped() {
    let mut world = World::with(3);
    world.route(2, &[1, 0]);
    world.pass(1000);
    quiet(&world);
    let ssrc = world.clients[2].slot_ssrc(1, Source::Screen);
    let now = world.now;
    for _ in 0..5 {
        world.clients[2].write_rtcp(Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: ssrc }), now);
    }
    let fir = FullIntraRequest { sender_ssrc: 1, media_ssrc: 0, fir: vec![FirEntry { ssrc, sequence_number: 1 }] };
    world.clients[2].write_rtcp(Box::new(fir), now);
    world.exchange();
    assert_eq!(keyframe_requests(&world, 0), [world.clients[0].ssrc(Source::Screen)]);
    world.pass(490);
    assert_eq!(keyframe_requests(&world, 0), [0_u32; 0]);
    world.pass(30);
    assert_eq!(keyframe_requests(&world, 0), [world.clients[0].ssrc(Source::Screen)]);
    assert_eq!(keyframe_requests(&world, 1), [0_u32; 0]);
}

#[test]
fn a_request_for_a_stream_not_received_asks_nobody() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.pass(1000);
    quiet(&world);
    let now = world.now;
    let foreign = world.clients[0].ssrc(Source::Camera);
    world.clients[1].write_rtcp(Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: foreign }), now);
    let empty_slot = world.clients[1].slot_ssrc(2, Source::Camera);
    world.clients[1].write_rtcp(Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: empty_slot }), now);
    world.pass(1000);
    assert_eq!(keyframe_requests(&world, 0), [0_u32; 0]);
}

#[test]
fn sender_reports_keep_the_wall_clock_and_follow_the_streams_clock() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.publish(0, Source::Camera, KEYFRAME);
    let sent = world.clients[1].received().rtp[0].header.clone();
    let (ssrc, now) = (world.clients[0].ssrc(Source::Camera), world.now);
    let rtp_time = 101 * 3000 + 900;
    let report = SenderReport { ssrc, ntp_time: 77 << 32, rtp_time, ..SenderReport::default() };
    world.clients[0].write_rtcp(Box::new(report), now);
    world.exchange();
    let received = world.clients[1].received();
    let report = received.rtcp.iter().find_map(|packet| packet.as_any().downcast_ref::<SenderReport>()).unwrap();
    assert_eq!((report.ssrc, report.ntp_time), (sent.ssrc, 77 << 32));
    assert_eq!(report.rtp_time, sent.timestamp.wrapping_add(900));
    assert_eq!((report.packet_count, report.octet_count), (1, KEYFRAME.len() as u32));
}

#[test]
fn a_stream_nobody_announced_is_known_by_its_mid() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    let now = world.now;
    let mid = |place: usize| {
        let section = world.clients[0].offer.split("\r\nm=").nth(place + 1).unwrap();
        section.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap().to_owned()
    };
    let (screen, elsewhere) = (mid(2), mid(5));
    world.clients[0].write_rtp(Source::Screen, 77_777, KEYFRAME, Some(&screen), now);
    world.clients[0].write_rtp(Source::Screen, 77_777, DELTA, None, now);
    world.clients[0].write_rtp(Source::Screen, 88_888, KEYFRAME, Some(&elsewhere), now);
    world.clients[0].write_rtp(Source::Screen, 99_999, KEYFRAME, None, now);
    world.exchange();
    let ssrcs: Vec<u32> = world.clients[1].received().rtp.iter().map(|packet| packet.header.ssrc).collect();
    assert_eq!(ssrcs, [world.clients[1].slot_ssrc(0, Source::Screen); 2]);
    assert_eq!(world.stats().panics, 0);
    world.pass(100);
    world.publish(0, Source::Microphone, b"others go on");
    assert_eq!(world.clients[1].received().rtp.len(), 1);
}

#[test]
fn a_tap_gets_every_source_and_nothing_after_it_is_stopped() {
    let mut world = World::with(1);
    let (tap, receiver) = Tap::new(16);
    let id = world.clients[0].id;
    world.command(Command::Record(id, tap));
    for source in Source::ALL {
        world.publish(0, source, KEYFRAME);
    }
    world.join(1);
    assert!(world.until(|world| world.clients[0].connected));
    world.pass(50);
    world.publish(0, Source::Camera, KEYFRAME);
    let (done, mut stopped) = oneshot::channel();
    world.command(Command::StopRecording(id, done));
    assert!(stopped.try_recv().is_ok());
    world.publish(0, Source::Camera, KEYFRAME);
    let sources: Vec<Source> = receiver.iter().map(|packet| packet.source).collect();
    assert_eq!(sources, [Source::Microphone, Source::Camera, Source::Screen, Source::Camera]);
}

#[test]
fn a_full_or_abandoned_tap_loses_packets_and_holds_nothing_up() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    let (tap, receiver) = Tap::new(1);
    let dropped = tap.dropped();
    world.command(Command::Record(world.clients[0].id, tap));
    for _ in 0..3 {
        world.publish(0, Source::Microphone, b"x");
    }
    drop(receiver);
    world.publish(0, Source::Microphone, b"x");
    assert_eq!((dropped.load(Relaxed), world.stats().tap_dropped, world.stats().tapped), (3, 3, 1));
    assert_eq!(world.stats().forwarded, 4);
    assert_eq!(Arc::strong_count(&dropped), 2);
}

#[test]
fn chat_goes_both_ways_and_stops_at_its_limit() {
    let mut world = World::with(1);
    let (id, now) = (world.clients[0].id, world.now);
    world.events();
    world.clients[0].say("hello", now);
    world.clients[0].say(&"x".repeat(4096), now);
    world.clients[0].say(&"x".repeat(4097), now);
    world.pass(100);
    let lengths: Vec<usize> = world
        .events()
        .into_iter()
        .map(|event| match event {
            MediaEvent::Chat { peer, text } if peer == id => text.len(),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(lengths, [5, 4096]);
    world.command(Command::Chat(id, "to you".to_owned()));
    world.command(Command::Chat(id, "x".repeat(4097)));
    world.pass(100);
    assert_eq!(world.clients[0].texts, ["to you"]);
    assert_eq!(world.stats().chat_dropped, 2);
}

#[test]
fn a_connection_nobody_takes_up_fails_and_is_freed() {
    let mut world = World::new();
    world.join(1);
    world.clients.clear();
    world.now += Duration::from_secs(31);
    world.exchange();
    let states: Vec<ConnectionState> = world
        .events()
        .into_iter()
        .filter_map(|event| if let MediaEvent::State { state, .. } = event { Some(state) } else { None })
        .collect();
    assert_eq!(states, [ConnectionState::Connecting, ConnectionState::Failed]);
    assert_eq!(world.stats().connections, 0);
    assert_eq!(world.switch.deadline(), None, "nothing left to wake up for");
}

#[test]
fn a_silent_browser_is_disconnected_then_failed_and_its_route_survives() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.route(0, &[1]);
    world.events();
    let id = world.clients[1].id;
    let silent = world.clients.pop().unwrap();
    drop(silent);
    world.pass(40_000);
    let states: Vec<MediaEvent> = world.events();
    let state = |state| MediaEvent::State { peer: id, state };
    assert_eq!(states, [state(ConnectionState::Disconnected), state(ConnectionState::Failed)]);
    assert_eq!(world.stats().connected, 1);
    world.join(2);
    assert!(world.until(|world| world.clients[1].connected));
    world.pass(100);
    quiet(&world);
    world.publish(0, Source::Microphone, b"back");
    assert_eq!(world.clients[1].received().rtp.len(), 1);
}

#[test]
fn closing_forgets_what_the_participant_was_to_receive() {
    let mut world = World::with(2);
    world.route(1, &[0]);
    world.command(Command::Close(world.clients[1].id));
    world.join(2);
    assert!(world.until(|world| world.clients[1].connected));
    world.pass(100);
    world.publish(0, Source::Microphone, b"not for you");
    assert!(world.clients[1].received().rtp.is_empty());
}

#[test]
fn a_plane_on_a_real_socket_answers_drops_strangers_and_stops() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let config = MediaConfig { bind: "127.0.0.1:0".parse().unwrap(), advertise: Vec::new() };
    let plane = MediaPlane::start(config, events).unwrap();
    let client = Client::new(1, Instant::now());
    let answer = runtime.block_on(plane.connect(client.id, client.offer.clone(), [true; 3])).unwrap();
    assert!(answer.contains(&format!(" 127.0.0.1 {} typ host", plane.local_addr().port())));
    assert!(matches!(runtime.block_on(plane.connect(client.id, String::new(), [true; 3])), Err(NegotiationError::Shape(_))));
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[0x80; 100], plane.local_addr()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while plane.stats().unvalidated == 0 {
        assert!(Instant::now() < deadline, "the datagram was not seen");
        std::thread::yield_now();
    }
    assert_eq!(plane.stats().connections, 1, "a refused offer leaves the connection alone");
    plane.shutdown();
    assert_eq!(plane.stats().connections, 0);
    assert!(matches!(runtime.block_on(plane.connect(client.id, client.offer, [true; 3])), Err(NegotiationError::Stopped)));
    let last = std::iter::from_fn(|| heard.try_recv().ok()).last();
    assert_eq!(last, Some(MediaEvent::State { peer: client.id, state: ConnectionState::Closed }));
}
