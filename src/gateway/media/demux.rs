//! Whose datagram is this? The gate in front of every connection.
//!
//! One UDP port serves all. A datagram belongs to a connection if its source address has been validated
//! for it; an address is validated by a STUN binding request that names the connection's ICE fragment and
//! carries a MESSAGE-INTEGRITY made with its password (RFC 8489 section 14.5). The protocol core is more
//! trusting: it hands any packet on to DTLS and SRTP, and looks at a request's role before its integrity.
//! So integrity is checked here for every request, also from addresses already validated.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::{ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_USERNAME};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::Message;

/// Addresses one connection may hold; browsers check from every interface they have. The oldest goes.
const MAX_ADDRESSES: usize = 16;
const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// Where a datagram goes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// To the connection with this key.
    To(usize),
    /// Nowhere: the address is not validated.
    Unvalidated,
    /// Nowhere: a STUN request that names a connection but cannot prove it may.
    Forged,
}

struct Credentials {
    key: usize,
    password: String,
    addresses: VecDeque<SocketAddr>,
}

#[derive(Copy, Clone)]
struct Binding {
    key: usize,
    local: Option<IpAddr>,
}

pub(super) struct Demux {
    crypto: Arc<dyn RTCCryptoProvider>,
    by_address: HashMap<SocketAddr, Binding>,
    by_fragment: HashMap<String, Credentials>,
}

fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == MAGIC_COOKIE
}

/// The local half of a request's USERNAME, if the message is complete, has the FINGERPRINT that ICE demands
/// (RFC 8445 section 7.1) and hides nothing behind its MESSAGE-INTEGRITY.
fn local_fragment(message: &mut Message) -> Option<String> {
    message.decode().ok()?;
    if message.raw.len() != HEADER + message.length as usize {
        return None;
    }
    FINGERPRINT.check(message).ok()?;
    let mut after = message.attributes.0.iter().skip_while(|a| a.typ != ATTR_MESSAGE_INTEGRITY);
    after.next()?;
    if after.any(|attribute| attribute.typ != ATTR_FINGERPRINT) {
        return None;
    }
    let name = message.get(ATTR_USERNAME).ok()?;
    let name = std::str::from_utf8(&name).ok()?;
    Some(name.split_once(':')?.0.to_owned())
}

impl Demux {
    pub(super) fn new(crypto: Arc<dyn RTCCryptoProvider>) -> Demux {
        Demux { crypto, by_address: HashMap::new(), by_fragment: HashMap::new() }
    }

    /// Makes a connection reachable by its local ICE credentials.
    pub(super) fn insert(&mut self, key: usize, fragment: String, password: String) {
        self.by_fragment.insert(fragment, Credentials { key, password, addresses: VecDeque::new() });
    }

    /// Forgets a connection with all its addresses.
    pub(super) fn remove(&mut self, fragment: &str) {
        let Some(credentials) = self.by_fragment.remove(fragment) else { return };
        for address in credentials.addresses {
            if self.by_address.get(&address).is_some_and(|binding| binding.key == credentials.key) {
                self.by_address.remove(&address);
            }
        }
    }

    /// The local address on which `remote` was last validated, to answer from it.
    pub(super) fn local_of(&self, remote: &SocketAddr) -> Option<IpAddr> {
        self.by_address.get(remote).and_then(|binding| binding.local)
    }

    /// Decides about one datagram; `local` is the address it was sent to, where the system tells.
    pub(super) fn route(&mut self, source: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) -> Verdict {
        let bound = self.by_address.get(&source).map(|binding| binding.key);
        if !is_stun(datagram) {
            // RFC 7983: below 20 is STUN or ZRTP, and neither may come malformed.
            return match bound {
                Some(key) if datagram.first().is_some_and(|first| *first >= 20) => Verdict::To(key),
                _ => Verdict::Unvalidated,
            };
        }
        match [datagram[0], datagram[1]] {
            BINDING_REQUEST => self.request(source, local, datagram),
            // The core checks a response's integrity and transaction itself.
            BINDING_SUCCESS => bound.map_or(Verdict::Unvalidated, Verdict::To),
            _ => Verdict::Unvalidated,
        }
    }

    fn request(&mut self, source: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) -> Verdict {
        let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
        let Some(fragment) = local_fragment(&mut message) else { return Verdict::Forged };
        let Some(credentials) = self.by_fragment.get_mut(&fragment) else { return Verdict::Unvalidated };
        if MessageIntegrity::check(&mut message, credentials.password.as_bytes(), self.crypto.crypto()).is_err() {
            return Verdict::Forged;
        }
        let key = credentials.key;
        let known = self.by_address.insert(source, Binding { key, local });
        if known.is_none_or(|binding| binding.key != key) || !credentials.addresses.contains(&source) {
            credentials.addresses.push_back(source);
            if credentials.addresses.len() > MAX_ADDRESSES
                && let Some(oldest) = credentials.addresses.pop_front()
            {
                self.by_address.remove(&oldest);
            }
        }
        Verdict::To(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::binding_request;
    use super::*;
    use rtc::stun::message::Setter;

    const PASSWORD: &str = "aVeryLongLocalPassword12";

    fn demux() -> Demux {
        let mut demux = Demux::new(rtc::crypto::default_provider().unwrap());
        demux.insert(4, "local".into(), PASSWORD.into());
        demux
    }

    fn at(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn an_address_is_validated_by_a_request_with_the_right_password() {
        let mut demux = demux();
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::Unvalidated);
        assert_eq!(demux.route(at(1), None, &binding_request("local:remote", PASSWORD)), Verdict::To(4));
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::To(4));
        assert_eq!(demux.route(at(2), None, &[0x80, 0, 0]), Verdict::Unvalidated);
    }

    #[test]
    fn a_request_with_a_wrong_password_validates_nothing() {
        let mut demux = demux();
        let forged = binding_request("local:remote", "anotherPasswordEntirely1");
        assert_eq!(demux.route(at(1), None, &forged), Verdict::Forged);
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::Unvalidated);
    }

    #[test]
    fn a_validated_address_does_not_excuse_a_forged_request() {
        let mut demux = demux();
        demux.route(at(1), None, &binding_request("local:remote", PASSWORD));
        let forged = binding_request("local:remote", "anotherPasswordEntirely1");
        assert_eq!(demux.route(at(1), None, &forged), Verdict::Forged);
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::To(4));
    }

    #[test]
    fn any_flipped_bit_of_a_request_is_noticed() {
        let request = binding_request("local:remote", PASSWORD);
        let mut demux = demux();
        for bit in 0..request.len() * 8 {
            let mut flipped = request.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(demux.route(at(9), None, &flipped), Verdict::To(4), "bit {bit}");
        }
    }

    #[test]
    fn a_truncated_or_extended_request_validates_nothing() {
        let request = binding_request("local:remote", PASSWORD);
        let mut demux = demux();
        for length in 0..request.len() {
            assert_ne!(demux.route(at(9), None, &request[..length]), Verdict::To(4));
        }
        let mut longer = request.clone();
        longer.extend_from_slice(&[0; 4]);
        assert_eq!(demux.route(at(9), None, &longer), Verdict::Forged);
        // USE-CANDIDATE behind the integrity, with the length corrected: not covered by the MAC.
        let mut behind = request;
        behind.extend_from_slice(&[0x00, 0x25, 0, 0]);
        let length = u16::try_from(behind.len() - HEADER).unwrap().to_be_bytes();
        behind[2..4].copy_from_slice(&length);
        let mut message = Message { raw: behind, ..Message::default() };
        message.decode().unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        let behind = message.raw;
        assert_eq!(demux.route(at(9), None, &behind), Verdict::Forged);
    }

    #[test]
    fn other_stun_messages_are_dropped_unless_answers_to_a_bound_address() {
        let mut demux = demux();
        let mut response = binding_request("local:remote", PASSWORD);
        response[0] = 1;
        assert_eq!(demux.route(at(1), None, &response), Verdict::Unvalidated);
        demux.route(at(1), None, &binding_request("local:remote", PASSWORD));
        assert_eq!(demux.route(at(1), None, &response), Verdict::To(4));
        response[1] = 0x11;
        assert_eq!(demux.route(at(1), None, &response), Verdict::Unvalidated);
    }

    #[test]
    fn a_removed_connection_keeps_no_address_and_no_fragment() {
        let mut demux = demux();
        let request = binding_request("local:remote", PASSWORD);
        demux.route(at(1), None, &request);
        demux.remove("local");
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::Unvalidated);
        assert_eq!(demux.route(at(1), None, &request), Verdict::Unvalidated);
        assert!(demux.by_address.is_empty());
    }

    #[test]
    fn an_address_moves_to_the_connection_that_proves_itself_last() {
        let mut demux = demux();
        demux.insert(5, "other".into(), PASSWORD.into());
        demux.route(at(1), None, &binding_request("local:remote", PASSWORD));
        assert_eq!(demux.route(at(1), None, &binding_request("other:remote", PASSWORD)), Verdict::To(5));
        demux.remove("local");
        assert_eq!(demux.route(at(1), None, &[0x80, 0, 0]), Verdict::To(5));
    }

    #[test]
    fn a_connection_holds_a_bounded_number_of_addresses() {
        let mut demux = demux();
        let request = binding_request("local:remote", PASSWORD);
        for port in 1..=100 {
            demux.route(at(port), None, &request);
        }
        assert_eq!(demux.by_address.len(), MAX_ADDRESSES);
        assert_eq!(demux.route(at(100), None, &[0x80]), Verdict::To(4));
        assert_eq!(demux.route(at(1), None, &[0x80]), Verdict::Unvalidated);
    }

    #[test]
    fn noise_is_never_taken_for_anything() {
        let mut demux = demux();
        let mut state = 1_u32;
        for length in 0..400 {
            let noise: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            assert_eq!(demux.route(at(3), None, &noise), Verdict::Unvalidated);
        }
    }
}
