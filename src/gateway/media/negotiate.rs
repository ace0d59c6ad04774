//! From an offer to a connection and its answer.
//!
//! Runs on the caller's thread: making keys and descriptions takes a millisecond, which the media thread
//! does not have. One certificate serves the whole process; browsers pin it per answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::crypto::{RTCCryptoProvider, SignatureScheme};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{ReceiverReportBuilder, Registry, Slot, TwccReceiverBuilder};
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::{SctpMaxMessageSize, SettingEngineBuilder};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate, RTCIceCandidateInit};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind};
use rtc::shared::error::Error;

use super::feedback::{FeedbackInterceptor, SharedInbox};
use super::peer::{Parts, Peer};
use super::sdp::{Local, NegotiationError, Offer};
use super::{PeerId, SLOTS};

/// Wide enough for retransmissions of everything in a publisher's history, at high packet rates.
const SRTP_REPLAY_WINDOW: usize = 1024;
const SRTCP_REPLAY_WINDOW: usize = 64;
/// Silence after which a connection counts as disconnected, and after that as failed.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
const FAILED_AFTER: Duration = Duration::from_secs(25);
const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What all connections of a media plane have in common.
pub(super) struct Negotiator {
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate: RTCCertificate,
    fingerprint: String,
    candidates: Vec<SocketAddr>,
}

/// The local address the core is told for a datagram: one per address family, because an advertised
/// address need not be one of the machine's own.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct LocalAddresses {
    v4: Option<SocketAddr>,
    v6: Option<SocketAddr>,
}

impl LocalAddresses {
    fn of(candidates: &[SocketAddr]) -> LocalAddresses {
        LocalAddresses {
            v4: candidates.iter().copied().find(SocketAddr::is_ipv4),
            v6: candidates.iter().copied().find(SocketAddr::is_ipv6),
        }
    }

    pub(super) fn facing(&self, remote: SocketAddr) -> Option<SocketAddr> {
        if remote.is_ipv4() { self.v4 } else { self.v6 }
    }
}

fn core_error(error: impl std::error::Error + Send + Sync + 'static) -> NegotiationError {
    NegotiationError::Core(Box::new(error))
}

fn random_ssrc() -> Result<u32, NegotiationError> {
    getrandom::u32().map_err(core_error)
}

impl Negotiator {
    /// Generates the process's certificate (ECDSA P-256).
    ///
    /// # Errors
    /// When the crypto provider cannot generate a key or a certificate.
    pub(super) fn new(advertise: &[IpAddr], port: u16) -> Result<Negotiator, Error> {
        let crypto = rtc::crypto::default_provider().map_err(|error| Error::Crypto(error.to_string()))?;
        let parameters = CertificateParams::new(vec!["gateway".to_owned()]).map_err(|error| Error::Crypto(error.to_string()))?;
        let certificate = RTCCertificate::generate(crypto.crypto(), SignatureScheme::EcdsaP256Sha256, parameters)?;
        let fingerprints = certificate.get_fingerprints(crypto.crypto())?;
        let fingerprint = fingerprints.first().ok_or(Error::ErrNonCertificate)?;
        let fingerprint = format!("{} {}", fingerprint.algorithm, fingerprint.value.to_uppercase());
        let candidates = advertise.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Ok(Negotiator { crypto, certificate, fingerprint, candidates })
    }

    pub(super) fn crypto(&self) -> Arc<dyn RTCCryptoProvider> {
        Arc::clone(&self.crypto)
    }

    /// Makes the connection an offer asks for, and the answer to it. `serial` tells it from every other.
    ///
    /// # Errors
    /// [`NegotiationError`] when the offer is refused.
    pub(super) fn negotiate(&self, id: PeerId, serial: u64, offer: &str, now: Instant) -> Result<(Peer, String), NegotiationError> {
        let offer = Offer::parse(offer)?;
        let mut slots = [[0; 3]; SLOTS];
        for ssrc in slots.iter_mut().flatten() {
            *ssrc = random_ssrc()?;
        }
        let mut sources = [0; 3];
        for (ssrc, announced) in sources.iter_mut().zip(offer.announced) {
            // The core insists on an SSRC; where none is announced it gets one that never comes.
            *ssrc = announced.map_or_else(random_ssrc, Ok)?;
        }
        let inbox = SharedInbox::default();
        let mut core = self.core(&offer, inbox.clone(), now).map_err(core_error)?;
        for candidate in self.local_candidates().map_err(core_error)? {
            core.add_local_candidate(candidate).map_err(core_error)?;
        }
        let description = apply(&mut core, &offer, sources, now).map_err(core_error)?;
        let value = |key: &str| description.lines().find_map(|line| line.trim_end().strip_prefix(key));
        let (Some(ufrag), Some(password)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else {
            return Err(core_error(Error::ErrSessionDescriptionMissingIceUfrag));
        };
        let local = Local { ufrag, password, fingerprint: &self.fingerprint, candidates: &self.candidates, slots: &slots };
        let answer = offer.answer(&local);
        let parts = Parts {
            id,
            serial,
            ufrag: ufrag.to_owned(),
            password: password.to_owned(),
            local: LocalAddresses::of(&self.candidates),
            core,
            inbox,
            sources,
            slots,
            offer,
        };
        Ok((Peer::new(parts, now), answer))
    }

    fn local_candidates(&self) -> Result<Vec<RTCIceCandidateInit>, Error> {
        let local = LocalAddresses::of(&self.candidates);
        let addresses = [local.v4, local.v6].into_iter().flatten();
        let candidate = |address: SocketAddr| {
            let base_config = CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..CandidateConfig::default()
            };
            let host = CandidateHostConfig { base_config, ..CandidateHostConfig::default() };
            RTCIceCandidate::from(&host.new_candidate_host()?).to_json()
        };
        addresses.map(candidate).collect()
    }

    fn core(&self, offer: &Offer, inbox: SharedInbox, now: Instant) -> Result<RTCPeerConnection, Error> {
        let interceptors = Registry::new()
            .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
            .with(Slot::from(14_000), FeedbackInterceptor::new(inbox, offer.vp8));
        let settings = SettingEngineBuilder::new()
            .with_lite(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(true)
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), None)
            // Only these two: browsers list AES-CM first, and the core follows their order.
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_srtp_replay_protection_window(SRTP_REPLAY_WINDOW)
            .with_srtcp_replay_protection_window(SRTCP_REPLAY_WINDOW)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(65_536))
            .with_sctp_max_receive_buffer_size(131_072)
            .with_crypto_provider(self.crypto())
            .build();
        RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_certificates(vec![self.certificate.clone()]).build())
            .with_media_engine(media_engine(offer)?)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .build(now)
    }
}

fn media_engine(offer: &Offer) -> Result<MediaEngine, Error> {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    let mut engine = MediaEngine::default();
    let opus = RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![feedback("transport-cc", "")],
    };
    let vp8 = RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![feedback("transport-cc", ""), feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
    };
    let opus = RTCRtpCodecParameters { rtp_codec: opus, payload_type: offer.opus };
    let vp8 = RTCRtpCodecParameters { rtp_codec: vp8, payload_type: offer.vp8 };
    engine.register_codec(opus, RtpCodecKind::Audio)?;
    engine.register_codec(vp8, RtpCodecKind::Video)?;
    for uri in [TRANSPORT_CC_URI, MID_URI] {
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            engine.register_header_extension(RTCRtpHeaderExtensionCapability { uri: uri.to_owned() }, kind, None)?;
        }
    }
    Ok(engine)
}

/// Runs one offer and answer inside the core; returns the core's own answer.
///
/// Also used to tell it an SSRC that the browser had not announced: nothing of that reaches the browser.
pub(super) fn apply(core: &mut RTCPeerConnection, offer: &Offer, sources: [u32; 3], now: Instant) -> Result<String, Error> {
    core.set_remote_description(now, RTCSessionDescription::offer(offer.for_core(sources))?)?;
    let answer = core.create_answer(None)?;
    let text = answer.sdp.clone();
    core.set_local_description(now, answer)?;
    Ok(text)
}
