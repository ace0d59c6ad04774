//! The media thread's loop: sleep until something is to be done, do all of it, send, sleep.
//!
//! The clock is read here and nowhere below.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::mpsc;

use super::socket::Socket;
use super::stats::{Counters, add};
use super::switch::{Command, Switch};

/// Batches read before what they caused is sent: bounds the delay a flood can add.
const READS_PER_TURN: usize = 4;

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Runs until [`Command::Shutdown`], or until every handle is gone.
pub(super) async fn run(mut socket: Socket, mut switch: Switch, mut commands: mpsc::UnboundedReceiver<Command>, counters: Arc<Counters>) {
    let mut running = true;
    while running {
        let mut readable = false;
        let mut command = None;
        tokio::select! {
            received = commands.recv() => command = Some(received.unwrap_or(Command::Shutdown)),
            // An error shows again when reading, and is the datagram's, not the socket's.
            _ = socket.readable() => readable = true,
            () = sleep_until(switch.deadline()) => {}
        }
        let now = Instant::now();
        while let Some(next) = command {
            running &= !matches!(next, Command::Shutdown);
            switch.command(next, now);
            command = commands.try_recv().ok();
        }
        if readable {
            for _ in 0..READS_PER_TURN {
                if !socket.receive(|source, local, datagram| switch.datagram(source, local, datagram, now)) {
                    break;
                }
            }
        }
        switch.tick(now);
        switch.drain(now);
        flush(&mut socket, &mut switch, &counters.send_failed);
    }
}

fn flush(socket: &mut Socket, switch: &mut Switch, failed: &AtomicU64) {
    if !switch.outgoing.is_empty() {
        let lost = socket.send(&mut switch.outgoing);
        if lost > 0 {
            add(failed, lost);
        }
    }
}

/// Marks all connections as gone once the thread has ended, however it ended.
pub(super) struct Gone(pub Arc<Counters>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.connections.store(0, Relaxed);
        self.0.connected.store(0, Relaxed);
    }
}
