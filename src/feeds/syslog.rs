//! Entries to a syslog server: RFC 5424 messages, octet-counted over TLS (RFC 5425).
//!
//! Syslog has no acknowledgement. A batch counts once the connection has lasted a while after it: the operating system ends one on which
//! what was sent is not acknowledged by the other machine, so what counts has reached that machine. If the connection breaks off before, the
//! batch is sent again. What that machine loses afterwards nobody here can know.

use super::FeedError;
use super::entries::{Delivered, Line, Weight};
use super::settings::{FeedConfig, PATIENCE, wrong};
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a connection lasts before what went over it is taken for delivered.
const LASTS: Duration = Duration::from_secs(8);
/// After so long without an acknowledgement of what was sent, the connection ends (RFC 5482).
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);
/// Facility 13: log audit (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;

/// A syslog server.
pub struct Syslog {
    address: String,
    server: ServerName<'static>,
    connector: TlsConnector,
    /// What this server is called in messages.
    host: String,
    connection: Option<TlsStream<TcpStream>>,
}

impl Syslog {
    pub(super) fn new(config: &FeedConfig, server: &str, host: &str) -> Result<Self, FeedError> {
        let server = server.trim_end_matches('/');
        let (name, port) = match server.rsplit_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().map_err(|_| wrong(&config.name, "the port is not one"))?),
            None => (server, 6514),
        };
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(plain.to_owned()).map_err(|_| wrong(&config.name, format!("{name} is no host")))?;
        let connector = TlsConnector::from(Arc::clone(&config.tls.client(&config.name)?));
        Ok(Self { address: format!("{name}:{port}"), server, connector, host: host.to_owned(), connection: None })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, FeedError> {
        let connected = async {
            let socket = TcpStream::connect(&self.address).await?;
            #[cfg(target_os = "linux")]
            socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            self.connector.connect(self.server.clone(), socket).await
        };
        match tokio::time::timeout(PATIENCE, connected).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(FeedError::Unreachable(error.to_string())),
            Err(_) => Err(FeedError::Unreachable("it does not answer".to_owned())),
        }
    }

    pub(super) async fn send(&mut self, batch: &[Line]) -> Result<Delivered, FeedError> {
        self.look().await?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let bytes: Vec<u8> = batch.iter().flat_map(|line| frame(&message(line, &self.host))).collect();
        let written = async {
            connection.write_all(&bytes).await?;
            connection.flush().await
        };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(())) => {
                self.connection = Some(connection);
                Ok(Delivered::IfItLasts(LASTS))
            }
            Ok(Err(error)) => Err(FeedError::Unreachable(error.to_string())),
            Err(_) => Err(FeedError::Unreachable("it takes nothing".to_owned())),
        }
    }

    /// A syslog server says nothing: whatever comes is the end of the connection.
    pub(super) async fn look(&mut self) -> Result<(), FeedError> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let mut space = [0; 64];
        let mut read = ReadBuf::new(&mut space);
        let ended = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut *connection).poll_read(context, &mut read) {
                Poll::Pending => false,
                Poll::Ready(Ok(())) => read.filled().is_empty(),
                Poll::Ready(Err(_)) => true,
            })
        });
        if ended.await {
            self.connection = None;
            return Err(FeedError::Unreachable("it broke the connection off".to_owned()));
        }
        Ok(())
    }
}

/// An RFC 5424 message. The event's code is the MSGID; the text is the MSG.
fn message(line: &Line, host: &str) -> String {
    let severity = match line.weight {
        Weight::Ordinary => 6,
        Weight::Denied => 4,
        Weight::Notable => 3,
    };
    let printable = |text: &str, most: usize| -> String {
        let plain: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if plain.is_empty() { "-".to_owned() } else { plain }
    };
    // text beyond ASCII is announced by a byte order mark (section 6.4)
    let mark = if line.text.is_ascii() { "" } else { "\u{feff}" };
    format!(
        "<{}>1 {} {} bedside - {} - {mark}{}",
        FACILITY * 8 + severity,
        line.at,
        printable(host, 255),
        printable(&line.event, 32),
        line.text
    )
}

/// Octet counting (RFC 5425, section 4.3).
fn frame(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, weight: Weight) -> Line {
        Line {
            index: 7,
            at: "2026-03-12T09:00:00.123456Z".to_owned(),
            event: "consultation.read".to_owned(),
            weight,
            text: text.to_owned(),
        }
    }

    #[test]
    fn messages_are_those_of_rfc_5424() {
        assert_eq!(
            message(&line("{\"index\":7}", Weight::Ordinary), "calls.example"),
            "<110>1 2026-03-12T09:00:00.123456Z calls.example bedside - consultation.read - {\"index\":7}"
        );
        assert!(message(&line("x", Weight::Denied), "h").starts_with("<108>1 "));
        assert!(message(&line("x", Weight::Notable), "h").starts_with("<107>1 "));
        assert!(message(&line("José", Weight::Ordinary), "").ends_with(" - bedside - consultation.read - \u{feff}José"));
    }

    #[test]
    fn frames_count_octets_and_not_letters() {
        assert_eq!(frame("aé"), "3 aé".as_bytes());
    }
}
