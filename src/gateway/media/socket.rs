//! The one UDP socket, read and written in batches.
//!
//! `recvmmsg`, generic receive and segmentation offload are what `quinn-udp` wraps; a batch costs one
//! system call per run instead of one per packet. Addresses are always canonical here: an IPv4 peer of a
//! dual-stack socket looks like an IPv4 peer.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

use super::switch::Datagram;

/// Largest datagram, also when the system merges several.
const BUFFER: usize = 65_535;
/// A fifth of a second of 100 Mbit/s; the system may grant less.
const KERNEL_BUFFER: usize = 4 << 20;
/// The kernel refuses larger segmented sends.
const MAX_RUN_BYTES: usize = 60_000;

pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    storage: Vec<u8>,
    run: Vec<u8>,
    dual_stack: bool,
}

/// Binds, before the thread exists, so that a failure is the caller's to see.
///
/// # Errors
/// Those of the operating system.
pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // Smaller buffers only lose packets sooner under load.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Socket {
    /// Must be called within the runtime that will drive it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Socket> {
        let dual_stack = socket.local_addr()?.is_ipv6();
        let state = UdpSocketState::new((&socket).into())?;
        let io = tokio::net::UdpSocket::from_std(socket)?;
        Ok(Socket { io, state, storage: vec![0; BUFFER * BATCH_SIZE], run: Vec::with_capacity(MAX_RUN_BYTES), dual_stack })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Reads one batch; whether more may be waiting.
    pub(super) fn receive(&mut self, mut sink: impl FnMut(SocketAddr, Option<IpAddr>, &[u8])) -> bool {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut buffers = self.storage.chunks_exact_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        let (io, state) = (&self.io, &self.state);
        let mut count = 0;
        let read = io.try_io(Interest::READABLE, || {
            count = state.recv(io.into(), &mut slices, &mut metas)?;
            // A short batch has emptied the socket: saying so now saves the system call that finds out.
            if count < BATCH_SIZE { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        for (slice, meta) in slices.iter().zip(&metas).take(count) {
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let local = meta.dst_ip.map(|ip| ip.to_canonical());
            for datagram in slice[..meta.len.min(slice.len())].chunks(meta.stride.max(1)) {
                sink(source, local, datagram);
            }
        }
        // Errors concern single datagrams (ICMP), and the next may be well.
        read.is_ok() || read.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
    }

    fn wire(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.dual_stack => SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port()),
            _ => address,
        }
    }

    /// Sends and clears a batch; how many datagrams could not be sent. Runs to one peer of equal size,
    /// but for the last, leave as one segmented message.
    pub(super) fn send(&mut self, batch: &mut Vec<Datagram>) -> u64 {
        let mut failed = 0;
        let mut rest = batch.as_slice();
        while let Some(first) = rest.first() {
            let size = first.bytes.len();
            let count = run_length(rest, self.state.max_gso_segments());
            let (run, others) = rest.split_at(count);
            rest = others;
            self.run.clear();
            for datagram in run {
                self.run.extend_from_slice(&datagram.bytes);
            }
            let source = first.from.map(|ip| self.wire(SocketAddr::new(ip, 0)).ip());
            let transmit = Transmit {
                destination: self.wire(first.to),
                ecn: None,
                contents: &self.run,
                segment_size: (count > 1).then_some(size),
                src_ip: source,
            };
            if self.state.try_send((&self.io).into(), &transmit).is_err() {
                failed += count as u64;
            }
        }
        batch.clear();
        failed
    }
}

/// How many datagrams at the front can leave as one segmented message.
fn run_length(batch: &[Datagram], max: usize) -> usize {
    let Some(first) = batch.first() else { return 0 };
    let (size, mut count, mut total) = (first.bytes.len(), 1, first.bytes.len());
    for datagram in batch.iter().skip(1) {
        let length = datagram.bytes.len();
        let fits = datagram.to == first.to && datagram.from == first.from && length <= size && length > 0;
        if !fits || count >= max || total + length > MAX_RUN_BYTES {
            break;
        }
        count += 1;
        total += length;
        if length < size {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sizes: &[(u16, usize)]) -> Vec<Datagram> {
        let datagram = |(port, size): &(u16, usize)| Datagram {
            to: ([192, 0, 2, 1], *port).into(),
            from: None,
            bytes: bytes::BytesMut::zeroed(*size),
        };
        sizes.iter().map(datagram).collect()
    }

    #[test]
    fn a_run_ends_with_its_first_shorter_datagram() {
        assert_eq!(run_length(&batch(&[(1, 1200), (1, 1200), (1, 300), (1, 300)]), 64), 3);
    }

    #[test]
    fn a_run_has_one_destination_and_no_longer_datagram() {
        assert_eq!(run_length(&batch(&[(1, 100), (2, 100)]), 64), 1);
        assert_eq!(run_length(&batch(&[(1, 100), (1, 101)]), 64), 1);
    }

    #[test]
    fn a_run_respects_the_systems_limits() {
        assert_eq!(run_length(&batch(&[(1, 100); 90]), 64), 64);
        assert_eq!(run_length(&batch(&[(1, 1200); 64]), 64), MAX_RUN_BYTES / 1200);
        assert_eq!(run_length(&batch(&[(1, 100); 9]), 1), 1);
    }
}
