//! The one offer a browser may make and the one answer it gets.
//!
//! The offer is untrusted text. It is parsed into [`Offer`], which holds only checked tokens; whatever is
//! handed on, to the protocol core and to the browser, is written anew from those. So a peculiar line in
//! an offer can be refused or ignored here but never travels further. The core sees a reduced offer of
//! four m-lines (three it receives, one for data): packets it sends need no m-line of its own, and the
//! browser's nine receiving m-lines are answered from here.
//!
//! JSEP is RFC 9429, SDP is RFC 8866, bundling is RFC 9143.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{MAX_CHAT_BYTES, SLOTS, Source};

/// Largest offer in bytes that is looked at.
pub(super) const MAX_OFFER_BYTES: usize = 64 * 1024;
const SENDING: usize = 3;
const MEDIA: usize = SENDING + SLOTS * 3;
const SECTIONS: usize = MEDIA + 1;

const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Feedback the gateway understands for video, in answer order.
const VIDEO_FEEDBACK: [&str; 4] = ["nack", "nack pli", "ccm fir", "transport-cc"];

/// Why an offer was refused. The text is safe to show to whoever sent the offer.
#[derive(Debug, thiserror::Error)]
pub enum NegotiationError {
    /// More than 64 KiB.
    #[error("the offer is larger than 65536 bytes")]
    TooLarge,
    /// Not the thirteen m-lines of the signaling protocol, or a line of them is malformed.
    #[error("the offer has another shape than the protocol asks for: {0}")]
    Shape(&'static str),
    /// Opus or VP8 is missing from an m-line.
    #[error("the offer lacks {0}")]
    Codec(&'static str),
    /// The protocol core refused what was made of the offer.
    #[error("the connection could not be set up")]
    Core(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The media plane is shutting down.
    #[error("the media plane has stopped")]
    Stopped,
}

/// Everything of an offer that is ever used.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    ufrag: String,
    password: String,
    fingerprint: String,
    mids: Vec<String>,
    /// Payload type of Opus, the same in every audio m-line.
    pub opus: u8,
    /// Payload type of VP8, the same in every video m-line.
    pub vp8: u8,
    opus_stereo: bool,
    /// Identifier of the MID header extension per sent m-line (RFC 9143 section 15).
    pub mid_extension: [Option<u8>; SENDING],
    transport_cc: [Option<u8>; SENDING],
    feedback: [Vec<&'static str>; SENDING],
    /// SSRC each sent m-line announces, if it does.
    pub announced: [Option<u32>; SENDING],
}

/// What the gateway puts into an answer.
pub(super) struct Local<'a> {
    pub ufrag: &'a str,
    pub password: &'a str,
    /// `algorithm value`, as in RFC 8122.
    pub fingerprint: &'a str,
    pub candidates: &'a [SocketAddr],
    /// SSRC per slot and source.
    pub slots: &'a [[u32; 3]; SLOTS],
}

struct Section<'a> {
    media: &'a str,
    protocol: &'a str,
    formats: Vec<&'a str>,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    fn value(&self, key: &str) -> Option<&'a str> {
        self.values(key).next()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|(name, _)| *name == key)
    }

    /// Payload type of the first codec whose `rtpmap` encoding is `encoding`, among the listed formats.
    fn payload_type(&self, encoding: &str) -> Option<u8> {
        self.values("rtpmap").find_map(|value| {
            let (number, name) = value.split_once(' ')?;
            if !name.trim().eq_ignore_ascii_case(encoding) || !self.formats.contains(&number) {
                return None;
            }
            // 64 to 95 would collide with RTCP when multiplexed (RFC 5761 section 4).
            number.parse().ok().filter(|pt| (35..64).contains(pt) || (96..128).contains(pt))
        })
    }

    fn extension(&self, uri: &str) -> Option<u8> {
        self.values("extmap").find_map(|value| {
            let mut words = value.split_ascii_whitespace();
            let id = words.next()?.split('/').next()?.parse().ok()?;
            (words.next()? == uri && (1..15).contains(&id)).then_some(id)
        })
    }

    fn feedback(&self, payload_type: u8) -> Vec<&'static str> {
        let offered = |wanted: &str| {
            self.values("rtcp-fb").any(|value| {
                value.split_once(' ').is_some_and(|(pt, what)| what.trim() == wanted && (pt == "*" || pt.parse() == Ok(payload_type)))
            })
        };
        VIDEO_FEEDBACK.into_iter().filter(|wanted| offered(wanted)).collect()
    }
}

fn split(text: &str) -> (Section<'_>, Vec<Section<'_>>) {
    let empty = |media, protocol, formats| Section { media, protocol, formats, attributes: Vec::new() };
    let mut session = empty("", "", Vec::new());
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        let Some((kind, value)) = line.trim_end().split_once('=') else { continue };
        match kind {
            "m" => {
                let mut words = value.split_ascii_whitespace();
                let media = words.next().unwrap_or_default();
                let protocol = words.nth(1).unwrap_or_default();
                sections.push(empty(media, protocol, words.collect()));
            }
            "a" => {
                let attribute = value.split_once(':').unwrap_or((value, ""));
                sections.last_mut().unwrap_or(&mut session).attributes.push(attribute);
            }
            _ => {}
        }
        if sections.len() > SECTIONS {
            break;
        }
    }
    (session, sections)
}

fn expected(index: usize) -> (&'static str, &'static str) {
    if index == MEDIA {
        return ("application", "");
    }
    let media = if Source::ALL[index % 3].is_video() { "video" } else { "audio" };
    (media, if index < SENDING { "sendonly" } else { "recvonly" })
}

fn token(text: &str, length: std::ops::RangeInclusive<usize>, extra: &str) -> bool {
    length.contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// A codec must have one payload type wherever it appears: the m-lines share a transport.
fn same(known: &mut Option<u8>, found: Option<u8>, codec: &'static str) -> Result<(), NegotiationError> {
    let found = found.ok_or(NegotiationError::Codec(codec))?;
    if *known.get_or_insert(found) == found { Ok(()) } else { Err(NegotiationError::Shape("a codec with two payload types")) }
}

impl Offer {
    /// Parses and checks an offer.
    ///
    /// # Errors
    /// [`NegotiationError`] when it is too large, has another shape than the protocol's, or lacks a codec.
    pub(super) fn parse(text: &str) -> Result<Offer, NegotiationError> {
        use NegotiationError::Shape;
        if text.len() > MAX_OFFER_BYTES {
            return Err(NegotiationError::TooLarge);
        }
        let (session, sections) = split(text);
        if sections.len() != SECTIONS {
            return Err(Shape("thirteen m-lines are expected"));
        }
        let (mut opus, mut vp8) = (None, None);
        let mut mids = Vec::with_capacity(SECTIONS);
        for (index, section) in sections.iter().enumerate() {
            let (media, direction) = expected(index);
            if section.media != media {
                return Err(Shape("the m-lines are of other kinds or in another order"));
            }
            let mid = section.value("mid").filter(|mid| token(mid, 1..=16, "-_"));
            let mid = mid.ok_or(Shape("an m-line lacks a usable mid"))?;
            if mids.iter().any(|known| known == mid) {
                return Err(Shape("two m-lines share a mid"));
            }
            mids.push(mid.to_owned());
            if index == MEDIA {
                if section.protocol != "UDP/DTLS/SCTP" || !section.has("sctp-port") {
                    return Err(Shape("the application m-line is not a data channel's"));
                }
                continue;
            }
            if section.protocol != "UDP/TLS/RTP/SAVPF" || !section.has("rtcp-mux") {
                return Err(Shape("media must be multiplexed DTLS-SRTP"));
            }
            if !section.has(direction) {
                return Err(Shape("an m-line has another direction"));
            }
            if media == "audio" {
                same(&mut opus, section.payload_type("opus/48000/2"), "Opus")?;
            } else {
                same(&mut vp8, section.payload_type("VP8/90000"), "VP8")?;
            }
        }
        let bundled = session.values("group").any(|group| {
            let mut words = group.split_ascii_whitespace();
            words.next() == Some("BUNDLE") && mids.iter().all(|mid| words.clone().any(|word| word == mid))
        });
        if !bundled {
            return Err(Shape("all m-lines must be bundled"));
        }
        // Bundled, so the transport is the first m-line's; either level may carry its attributes.
        let transport = |key: &str| sections[0].value(key).or_else(|| session.value(key));
        let ufrag = transport("ice-ufrag").filter(|v| token(v, 4..=256, "+/")).ok_or(Shape("no ICE ufrag"))?;
        let password = transport("ice-pwd").filter(|v| token(v, 22..=256, "+/")).ok_or(Shape("no ICE password"))?;
        let fingerprint = transport("fingerprint")
            .filter(|value| {
                value.split_once(' ').is_some_and(|(hash, digest)| {
                    matches!(hash.to_ascii_lowercase().as_str(), "sha-256" | "sha-384" | "sha-512") && token(digest, 95..=191, ":")
                })
            })
            .ok_or(Shape("no usable certificate fingerprint"))?;
        if !matches!(transport("setup"), Some("actpass" | "active")) {
            return Err(Shape("the browser must be ready to start DTLS"));
        }
        let (opus, vp8) = (opus.unwrap_or_default(), vp8.unwrap_or_default());
        let sent = |index: usize| &sections[index];
        let payload = |index: usize| if index == 0 { opus } else { vp8 };
        Ok(Offer {
            ufrag: ufrag.to_owned(),
            password: password.to_owned(),
            fingerprint: fingerprint.to_owned(),
            opus,
            vp8,
            opus_stereo: sent(0).values("fmtp").any(|value| {
                value
                    .split_once(' ')
                    .is_some_and(|(pt, parameters)| pt.parse() == Ok(opus) && parameters.split(';').any(|p| p.trim() == "stereo=1"))
            }),
            mid_extension: std::array::from_fn(|i| sent(i).extension(MID_URI)),
            transport_cc: std::array::from_fn(|i| sent(i).extension(TRANSPORT_CC_URI)),
            feedback: std::array::from_fn(|i| sent(i).feedback(payload(i))),
            announced: std::array::from_fn(|i| {
                sent(i).value("ssrc").and_then(|v| v.split_ascii_whitespace().next()).and_then(|v| v.parse().ok())
            }),
            mids,
        })
    }

    /// The source whose m-line has this mid.
    pub(super) fn source_of_mid(&self, mid: &[u8]) -> Option<Source> {
        Source::ALL.into_iter().find(|source| self.mids[source.index()].as_bytes() == mid)
    }

    fn payload_type(&self, index: usize) -> u8 {
        if Source::ALL[index % 3].is_video() { self.vp8 } else { self.opus }
    }

    fn codec_lines(&self, out: &mut String, index: usize, feedback: &[&str]) {
        let pt = self.payload_type(index);
        if Source::ALL[index % 3].is_video() {
            line(out, format_args!("a=rtpmap:{pt} VP8/90000"));
        } else {
            let stereo = if self.opus_stereo { ";stereo=1" } else { "" };
            line(out, format_args!("a=rtpmap:{pt} opus/48000/2"));
            line(out, format_args!("a=fmtp:{pt} minptime=10;useinbandfec=1{stereo}"));
        }
        for what in feedback {
            line(out, format_args!("a=rtcp-fb:{pt} {what}"));
        }
    }

    fn extension_lines(&self, out: &mut String, index: usize) {
        if let Some(id) = self.mid_extension[index] {
            line(out, format_args!("a=extmap:{id} {MID_URI}"));
        }
        if let Some(id) = self.transport_cc[index] {
            line(out, format_args!("a=extmap:{id} {TRANSPORT_CC_URI}"));
        }
    }

    /// The reduced offer for the protocol core: what it receives, with the SSRC of each source.
    pub(super) fn for_core(&self, ssrcs: [u32; SENDING]) -> String {
        let mut out = String::with_capacity(4096);
        session_lines(&mut out, self.mids[..SENDING].iter().chain(&self.mids[MEDIA..]));
        for (index, ssrc) in ssrcs.into_iter().enumerate() {
            let (media, direction) = expected(index);
            line(&mut out, format_args!("m={media} 9 UDP/TLS/RTP/SAVPF {}", self.payload_type(index)));
            self.transport_lines(&mut out, index);
            line(&mut out, format_args!("a=rtcp-mux\r\na=rtcp-rsize\r\na={direction}"));
            self.codec_lines(&mut out, index, &self.feedback[index]);
            self.extension_lines(&mut out, index);
            line(&mut out, format_args!("a=msid:in-{index} in-{index}\r\na=ssrc:{ssrc} cname:in"));
        }
        line(&mut out, format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
        self.transport_lines(&mut out, MEDIA);
        line(&mut out, format_args!("a=sctp-port:5000\r\na=max-message-size:65536"));
        out
    }

    fn transport_lines(&self, out: &mut String, index: usize) {
        line(out, format_args!("c=IN IP4 0.0.0.0\r\na=mid:{}", self.mids[index]));
        line(out, format_args!("a=ice-ufrag:{}\r\na=ice-pwd:{}", self.ufrag, self.password));
        line(out, format_args!("a=fingerprint:{}\r\na=setup:actpass", self.fingerprint));
    }

    /// The answer for the browser.
    ///
    /// Microphone and camera of a slot share a stream, so the browser keeps them in lip-sync; the screen
    /// has its own.
    pub(super) fn answer(&self, local: &Local<'_>) -> String {
        let mut out = String::with_capacity(8192);
        session_lines(&mut out, self.mids.iter());
        line(&mut out, format_args!("a=ice-lite"));
        for (index, mid) in self.mids.iter().enumerate() {
            let (media, _) = expected(index);
            if index == MEDIA {
                line(&mut out, format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
            } else {
                line(&mut out, format_args!("m={media} 9 UDP/TLS/RTP/SAVPF {}", self.payload_type(index)));
            }
            line(&mut out, format_args!("c=IN IP4 0.0.0.0\r\na=mid:{mid}"));
            line(&mut out, format_args!("a=ice-ufrag:{}\r\na=ice-pwd:{}", local.ufrag, local.password));
            line(&mut out, format_args!("a=fingerprint:{}\r\na=setup:passive", local.fingerprint));
            if index == 0 {
                candidate_lines(&mut out, local.candidates);
            }
            if index == MEDIA {
                line(&mut out, format_args!("a=sctp-port:5000\r\na=max-message-size:{MAX_CHAT_BYTES}"));
                continue;
            }
            line(&mut out, format_args!("a=rtcp-mux\r\na=rtcp-rsize"));
            if index < SENDING {
                line(&mut out, format_args!("a=recvonly"));
                self.codec_lines(&mut out, index, &self.feedback[index]);
                self.extension_lines(&mut out, index);
                continue;
            }
            let (slot, source) = ((index - SENDING) / 3, Source::ALL[index % 3]);
            line(&mut out, format_args!("a=sendonly"));
            self.codec_lines(&mut out, index, if source.is_video() { &VIDEO_FEEDBACK[..3] } else { &[] });
            let (stream, track) = match source {
                Source::Microphone => (format!("slot-{slot}"), format!("slot-{slot}-microphone")),
                Source::Camera => (format!("slot-{slot}"), format!("slot-{slot}-camera")),
                Source::Screen => (format!("slot-{slot}-screen"), format!("slot-{slot}-screen")),
            };
            let ssrc = local.slots[slot][source.index()];
            line(&mut out, format_args!("a=msid:{stream} {track}"));
            line(&mut out, format_args!("a=ssrc:{ssrc} cname:{stream}\r\na=ssrc:{ssrc} msid:{stream} {track}"));
        }
        out
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
    out.push_str("\r\n");
}

fn session_lines<'a>(out: &mut String, mids: impl Iterator<Item = &'a String>) {
    line(out, format_args!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0"));
    let mids: Vec<&str> = mids.map(String::as_str).collect();
    line(out, format_args!("a=group:BUNDLE {}\r\na=msid-semantic: WMS *", mids.join(" ")));
}

fn candidate_lines(out: &mut String, candidates: &[SocketAddr]) {
    for (index, address) in candidates.iter().enumerate() {
        let (number, ip, port) = (index + 1, address.ip(), address.port());
        // Host candidate priority of RFC 8445 section 5.1.2.1, in the configured order.
        let priority = (126_u32 << 24) | ((65_535 - u32::try_from(index).unwrap_or(65_535).min(65_535)) << 8) | 255;
        line(out, format_args!("a=candidate:{number} 1 udp {priority} {ip} {port} typ host"));
    }
    line(out, format_args!("a=end-of-candidates"));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Client, GATEWAY};
    use super::*;
    use std::time::Instant;

    fn offer() -> String {
        Client::new(1, Instant::now()).offer
    }

    fn answer(text: &str) -> String {
        let slots = [[11, 12, 13], [21, 22, 23], [31, 32, 33]];
        let candidates = [GATEWAY.parse().unwrap(), "[2001:db8::1]:4000".parse().unwrap()];
        let local = Local { ufrag: "lUfrag", password: "lPassword", fingerprint: "sha-256 AA:BB", candidates: &candidates, slots: &slots };
        Offer::parse(text).unwrap().answer(&local)
    }

    fn sections(text: &str) -> Vec<String> {
        text.split("\r\nm=").skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn the_answer_mirrors_every_m_line() {
        let (offer, answer) = (offer(), answer(&offer()));
        let (asked, answered) = (sections(&offer), sections(&answer));
        assert_eq!(answered.len(), SECTIONS);
        for (index, (ask, got)) in asked.iter().zip(&answered).enumerate() {
            let mid = |text: &str| text.lines().find(|line| line.starts_with("a=mid:")).unwrap().to_owned();
            assert_eq!(mid(ask), mid(got));
            assert_eq!(ask.split(' ').next(), got.split(' ').next());
            assert_eq!(got.contains("a=recvonly"), index < SENDING);
            assert_eq!(got.contains("a=sendonly"), (SENDING..MEDIA).contains(&index));
            assert!(got.contains("a=setup:passive") && got.contains("a=ice-ufrag:lUfrag"));
        }
        assert!(answer.contains("a=ice-lite"));
    }

    #[test]
    fn every_slot_has_streams_of_its_own() {
        let answered = sections(&answer(&offer()));
        let mut ssrcs = Vec::new();
        let mut tracks = Vec::new();
        for section in &answered[SENDING..MEDIA] {
            let value = |key: &str| section.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
            ssrcs.push(value("a=ssrc:").split(' ').next().unwrap().to_owned());
            tracks.push(value("a=msid:"));
        }
        assert_eq!(ssrcs, ["11", "12", "13", "21", "22", "23", "31", "32", "33"]);
        tracks.sort();
        tracks.dedup();
        assert_eq!(tracks.len(), 9);
    }

    #[test]
    fn the_answer_offers_only_opus_and_vp8_and_no_retransmission_stream() {
        let answer = answer(&offer());
        for line in answer.lines().filter(|line| line.starts_with("a=rtpmap:")) {
            assert!(line.ends_with("opus/48000/2") || line.ends_with("VP8/90000"), "{line}");
        }
        assert!(answer.contains("useinbandfec=1"));
    }

    #[test]
    fn candidates_are_listed_once_best_first() {
        let answer = answer(&offer());
        let found: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].contains(" 2130706431 192.0.2.250 4000 typ host"));
        assert!(found[1].contains(" 2130706175 2001:db8::1 4000 typ host"));
    }

    #[test]
    fn offers_of_another_shape_are_refused() {
        let good = offer();
        assert!(Offer::parse(&good).is_ok());
        let broken = [
            String::new(),
            "v=0\r\n".to_owned(),
            good.replacen("a=sendonly", "a=sendrecv", 1),
            good.replacen("a=recvonly", "a=inactive", 1),
            good.replacen("m=video", "m=audio", 1),
            good.replace("a=group:BUNDLE 0", "a=group:BUNDLE"),
            good.replace("a=mid:3", "a=mid:4"),
            good.replace("a=mid:3", "a=mid:3 x"),
            good.replace("a=setup:actpass", "a=setup:passive"),
            good.replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
            good.replace("a=ice-pwd:", "a=ice-pwd:\t"),
            good.replace("a=rtcp-mux\r\n", ""),
            good.replacen("UDP/TLS/RTP/SAVPF", "RTP/AVP", 1),
            good.replace("UDP/DTLS/SCTP", "UDP/TLS/RTP/SAVPF"),
            format!("{good}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"),
        ];
        for text in broken {
            assert!(matches!(Offer::parse(&text), Err(NegotiationError::Shape(_))), "{text}");
        }
    }

    #[test]
    fn offers_without_the_codecs_are_refused() {
        let good = offer();
        assert!(matches!(Offer::parse(&good.replace("VP8", "AV1")), Err(NegotiationError::Codec("VP8"))));
        assert!(matches!(Offer::parse(&good.replace("opus", "PCMU")), Err(NegotiationError::Codec("Opus"))));
    }

    #[test]
    fn an_oversized_offer_is_refused_unread() {
        let large = format!("{}{}", offer(), "a".repeat(MAX_OFFER_BYTES));
        assert!(matches!(Offer::parse(&large), Err(NegotiationError::TooLarge)));
    }

    #[test]
    fn nothing_of_the_offer_is_copied_but_checked_tokens() {
        let poisoned = offer().replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\na=x:evil\r\n");
        let parsed = Offer::parse(&poisoned).unwrap();
        let reduced = parsed.for_core([1, 2, 3]);
        assert_eq!(sections(&reduced).len(), 4);
        assert!(!reduced.contains("evil") && !reduced.contains("candidate") && !reduced.contains("recvonly"));
        assert!(!answer(&poisoned).contains("evil"));
    }

    #[test]
    fn any_truncation_is_refused_or_parsed_without_panic() {
        let good = offer();
        for length in 0..good.len() {
            let _ = Offer::parse(&good[..length]);
        }
    }
}
