//! What happens to RTP and RTCP between the protocol core and the switch.
//!
//! An interceptor at the application's end of the core's chain: it takes every decrypted RTP packet out
//! for the switch, answers a subscriber's NACKs from a short history, asks publishers for what is missing,
//! and reports keyframe requests and sender reports. Losses asked for and packets kept are bounded: after
//! an outage a keyframe is cheaper than thousands of retransmissions.
//!
//! NACK, PLI are RFC 4585; FIR is RFC 5104. There is no RTX: retransmissions keep SSRC and sequence number.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

/// Shortest time before the same packet is asked for again: about one round trip on a good path.
const NACK_INTERVAL: Duration = Duration::from_millis(30);
/// Most sequence numbers in one request.
const NACK_BATCH: usize = 10;
/// How often one packet is asked for.
const NACK_TRIES: u8 = 10;
/// Most packets waited for; a larger gap is an outage, to be mended by a keyframe.
const MAX_MISSING: usize = 100;
/// Packets kept per video stream: about a second at 2 Mbit/s.
const HISTORY: usize = 256;
/// Most retransmissions one RTCP datagram can cause.
const MAX_RESENT: usize = 64;
/// Streams tracked per direction: six video slots out; two sources with some reconnections of tracks in.
const MAX_STREAMS: usize = 16;

/// A decrypted packet of a publisher.
pub(super) struct Arrived {
    pub at: Instant,
    pub packet: rtp::Packet,
}

/// What a peer's RTCP asks or tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Feedback {
    /// A subscriber cannot decode the stream it receives under this SSRC.
    KeyframeWanted { ssrc: u32 },
    /// Too much of a publisher's stream is lost to be asked for.
    Outage { ssrc: u32 },
    /// A publisher's clock relation (RFC 3550 section 6.4.1).
    Report { ssrc: u32, ntp_time: u64, rtp_time: u32 },
}

/// What the interceptor leaves for the switch.
#[derive(Default)]
pub(super) struct Inbox {
    pub packets: Vec<Arrived>,
    pub feedback: Vec<Feedback>,
    /// Something waits to be written out.
    pub pending: bool,
    pub retransmitted: u64,
    pub nacked: u64,
    /// When missing packets are to be asked for again.
    pub nack_due: Option<Instant>,
}

/// The inbox is shared with the core's chain only because the core owns the chain; both ends run on the
/// media thread and never hold it across a call, so it is never contended.
#[derive(Clone, Default)]
pub(super) struct SharedInbox(Arc<Mutex<Inbox>>);

impl SharedInbox {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Missing {
    sequence: u16,
    tries: u8,
    next: Instant,
}

/// The gaps of one received stream.
#[derive(Default)]
struct Losses {
    highest: Option<u16>,
    missing: Vec<Missing>,
}

impl Losses {
    /// Notes an arrival; whether the gap before it is too large to be asked for.
    fn arrived(&mut self, sequence: u16, now: Instant) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return false;
        };
        let ahead = sequence.wrapping_sub(highest);
        if ahead == 0 {
            return false;
        }
        if ahead >= 0x8000 {
            self.missing.retain(|missing| missing.sequence != sequence);
            return false;
        }
        self.highest = Some(sequence);
        if self.missing.len() + usize::from(ahead) > MAX_MISSING {
            self.missing.clear();
            return true;
        }
        for step in 1..ahead {
            self.missing.push(Missing { sequence: highest.wrapping_add(step), tries: 0, next: now });
        }
        false
    }

    fn due(&mut self, now: Instant) -> Vec<u16> {
        self.missing.retain(|missing| missing.tries < NACK_TRIES);
        let due = self.missing.iter_mut().filter(|missing| missing.next <= now).take(NACK_BATCH);
        due.map(|missing| {
            missing.tries += 1;
            missing.next = now + NACK_INTERVAL;
            missing.sequence
        })
        .collect()
    }

    fn next(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.next).min()
    }
}

/// The last packets sent on one stream, by sequence number.
struct History(Vec<Option<rtp::Packet>>);

impl History {
    fn new() -> History {
        History(vec![None; HISTORY])
    }

    fn keep(&mut self, packet: &rtp::Packet) {
        self.0[usize::from(packet.header.sequence_number) % HISTORY] = Some(packet.clone());
    }

    fn find(&self, sequence: u16) -> Option<&rtp::Packet> {
        self.0[usize::from(sequence) % HISTORY].as_ref().filter(|packet| packet.header.sequence_number == sequence)
    }
}

pub(super) struct FeedbackInterceptor {
    inbox: SharedInbox,
    vp8: u8,
    losses: HashMap<u32, Losses>,
    histories: HashMap<u32, History>,
    due: Option<Instant>,
    outgoing: VecDeque<TaggedPacket>,
}

impl FeedbackInterceptor {
    /// `vp8` is the payload type of the streams to protect; audio lives with its own concealment.
    pub(super) fn new(inbox: SharedInbox, vp8: u8) -> FeedbackInterceptor {
        FeedbackInterceptor { inbox, vp8, losses: HashMap::new(), histories: HashMap::new(), due: None, outgoing: VecDeque::new() }
    }

    fn queue(&mut self, now: Instant, packet: Packet) {
        let message = AttributedPacket::new(packet);
        self.outgoing.push_back(TaggedPacket { now, transport: TransportContext::default(), message });
    }

    fn on_rtp(&mut self, now: Instant, packet: rtp::Packet) {
        let ssrc = packet.header.ssrc;
        let mut outage = false;
        let mut gap = false;
        if packet.header.payload_type == self.vp8 && (self.losses.len() < MAX_STREAMS || self.losses.contains_key(&ssrc)) {
            let losses = self.losses.entry(ssrc).or_default();
            outage = losses.arrived(packet.header.sequence_number, now);
            gap = losses.next().is_some_and(|next| next <= now);
        }
        if gap {
            self.ask(now);
        }
        let mut inbox = self.inbox.lock();
        inbox.packets.push(Arrived { at: now, packet });
        if outage {
            inbox.feedback.push(Feedback::Outage { ssrc });
        }
    }

    /// Sends the NACKs that are due and notes when the next are.
    fn ask(&mut self, now: Instant) {
        let mut requests = Vec::new();
        for (ssrc, losses) in &mut self.losses {
            let due = losses.due(now);
            if !due.is_empty() {
                requests.push((*ssrc, due));
            }
        }
        self.due = self.losses.values().filter_map(Losses::next).min();
        let asked: usize = requests.iter().map(|(_, due)| due.len()).sum();
        for (ssrc, due) in requests {
            let nacks = nack_pairs_from_sequence_numbers(&due);
            let nack = TransportLayerNack { sender_ssrc: 0, media_ssrc: ssrc, nacks };
            self.queue(now, Packet::Rtcp(vec![Box::new(nack)]));
        }
        let mut inbox = self.inbox.lock();
        inbox.nack_due = self.due;
        inbox.nacked += asked as u64;
        inbox.pending |= asked > 0;
    }

    fn on_rtcp(&mut self, now: Instant, packets: &[Box<dyn rtc::rtcp::Packet>]) {
        let mut feedback = Vec::new();
        let mut again = Vec::new();
        for packet in packets {
            let packet = packet.as_any();
            if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                if let Some(history) = self.histories.get(&nack.media_ssrc) {
                    let wanted = nack.nacks.iter().flat_map(|pair| (*pair).into_iter());
                    let found = wanted.filter_map(|sequence| history.find(sequence).cloned());
                    again.extend(found.take(MAX_RESENT.saturating_sub(again.len())));
                }
            } else if let Some(pli) = packet.downcast_ref::<PictureLossIndication>() {
                feedback.push(Feedback::KeyframeWanted { ssrc: pli.media_ssrc });
            } else if let Some(fir) = packet.downcast_ref::<FullIntraRequest>() {
                feedback.extend(fir.fir.iter().map(|entry| Feedback::KeyframeWanted { ssrc: entry.ssrc }));
            } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
                let (ssrc, ntp_time, rtp_time) = (report.ssrc, report.ntp_time, report.rtp_time);
                feedback.push(Feedback::Report { ssrc, ntp_time, rtp_time });
            }
        }
        let resent = again.len();
        for packet in again {
            self.queue(now, Packet::Rtp(packet));
        }
        let mut inbox = self.inbox.lock();
        inbox.feedback.append(&mut feedback);
        inbox.retransmitted += resent as u64;
        inbox.pending |= resent > 0;
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FeedbackInterceptor {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    /// Nothing read goes on to the core's own endpoint: its track lookup is not needed.
    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        match message.message.packet {
            Packet::Rtp(packet) => self.on_rtp(message.now, packet),
            Packet::Rtcp(packets) => self.on_rtcp(message.now, &packets),
            _ => {}
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &message.message.packet
            && packet.header.payload_type == self.vp8
            && (self.histories.len() < MAX_STREAMS || self.histories.contains_key(&packet.header.ssrc))
        {
            self.histories.entry(packet.header.ssrc).or_insert_with(History::new).keep(packet);
        }
        self.outgoing.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.due.is_some_and(|due| due <= now) {
            self.ask(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.due
    }
}

impl Interceptor for FeedbackInterceptor {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::fresh_header;
    use super::*;
    use bytes::Bytes;

    fn packet(ssrc: u32, sequence: u16) -> rtp::Packet {
        rtp::Packet { header: fresh_header(ssrc, 96, false, sequence, 0), payload: Bytes::from_static(&[0x10, 1]) }
    }

    fn tagged(now: Instant, packet: Packet) -> TaggedPacket {
        TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(packet) }
    }

    fn asked(interceptor: &mut FeedbackInterceptor) -> Vec<u16> {
        let mut sequences = Vec::new();
        while let Some(message) = interceptor.poll_write() {
            if let Packet::Rtcp(packets) = message.message.packet {
                for packet in packets {
                    let nack = packet.as_any().downcast_ref::<TransportLayerNack>().unwrap();
                    sequences.extend(nack.nacks.iter().flat_map(|pair| (*pair).into_iter()));
                }
            }
        }
        sequences
    }

    fn interceptor() -> (FeedbackInterceptor, SharedInbox) {
        let inbox = SharedInbox::default();
        (FeedbackInterceptor::new(inbox.clone(), 96), inbox)
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_again_until_it_is_filled() {
        let start = Instant::now();
        let (mut interceptor, inbox) = interceptor();
        for sequence in [1, 2, 5] {
            interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, sequence)))).unwrap();
        }
        assert_eq!(asked(&mut interceptor), [3, 4]);
        assert_eq!(inbox.lock().nack_due, Some(start + NACK_INTERVAL));
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 3)))).unwrap();
        interceptor.handle_timeout(start + NACK_INTERVAL).unwrap();
        assert_eq!(asked(&mut interceptor), [4]);
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 4)))).unwrap();
        interceptor.handle_timeout(start + NACK_INTERVAL * 2).unwrap();
        assert_eq!(asked(&mut interceptor), [0_u16; 0]);
        assert_eq!(interceptor.poll_timeout(), None);
    }

    #[test]
    fn one_request_names_at_most_ten_packets_and_one_packet_ten_times() {
        let start = Instant::now();
        let (mut interceptor, _inbox) = interceptor();
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 0)))).unwrap();
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 50)))).unwrap();
        assert_eq!(asked(&mut interceptor).len(), NACK_BATCH);
        let mut total = NACK_BATCH;
        for step in 1..2000_u32 {
            interceptor.handle_timeout(start + Duration::from_millis(10) * step).unwrap();
            let now = asked(&mut interceptor).len();
            assert!(now <= NACK_BATCH);
            total += now;
        }
        assert_eq!(total, 49 * usize::from(NACK_TRIES));
    }

    #[test]
    fn after_an_outage_a_keyframe_is_wanted_and_no_packet() {
        let start = Instant::now();
        let (mut interceptor, inbox) = interceptor();
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 0)))).unwrap();
        interceptor.handle_read(tagged(start, Packet::Rtp(packet(7, 19_000)))).unwrap();
        assert_eq!(asked(&mut interceptor), [0_u16; 0]);
        assert_eq!(inbox.lock().feedback, [Feedback::Outage { ssrc: 7 }]);
    }

    #[test]
    fn a_nack_is_answered_from_the_history_and_only_from_it() {
        let start = Instant::now();
        let (mut interceptor, inbox) = interceptor();
        for sequence in 0..300 {
            interceptor.handle_write(tagged(start, Packet::Rtp(packet(7, sequence)))).unwrap();
        }
        while interceptor.poll_write().is_some() {}
        let nacks = nack_pairs_from_sequence_numbers(&[5, 298, 299, 300]);
        let nack = TransportLayerNack { sender_ssrc: 1, media_ssrc: 7, nacks };
        interceptor.handle_read(tagged(start, Packet::Rtcp(vec![Box::new(nack)]))).unwrap();
        let mut resent = Vec::new();
        while let Some(message) = interceptor.poll_write() {
            if let Packet::Rtp(packet) = message.message.packet {
                resent.push(packet.header.sequence_number);
            }
        }
        assert_eq!(resent, [298, 299]);
        assert_eq!(inbox.lock().retransmitted, 2);
    }

    #[test]
    fn a_nack_for_everything_costs_a_bounded_number_of_packets() {
        let start = Instant::now();
        let (mut interceptor, _inbox) = interceptor();
        for sequence in 0..256 {
            interceptor.handle_write(tagged(start, Packet::Rtp(packet(7, sequence)))).unwrap();
        }
        while interceptor.poll_write().is_some() {}
        let all: Vec<u16> = (0..256).collect();
        let nack = || TransportLayerNack { sender_ssrc: 1, media_ssrc: 7, nacks: nack_pairs_from_sequence_numbers(&all) };
        interceptor.handle_read(tagged(start, Packet::Rtcp(vec![Box::new(nack()), Box::new(nack())]))).unwrap();
        assert_eq!(std::iter::from_fn(|| interceptor.poll_write()).count(), MAX_RESENT);
    }

    #[test]
    fn keyframe_requests_of_both_kinds_are_reported() {
        let (mut interceptor, inbox) = interceptor();
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: 7 };
        interceptor.handle_read(tagged(Instant::now(), Packet::Rtcp(vec![Box::new(pli)]))).unwrap();
        assert_eq!(inbox.lock().feedback, [Feedback::KeyframeWanted { ssrc: 7 }]);
    }
}
