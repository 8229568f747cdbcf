//! A client as it should be, on a blocking socket: it keeps to the protocol and expects the server to do so too.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sansws::handshake::{HeaderStorage, client};
use sansws::{Assembler, CloseCode, Config, Connection, MaskingKey, Message};

/// How long the server may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// One open connection.
pub(super) struct Client {
    tcp: TcpStream,
    ws: Connection,
    messages: Assembler,
    buffer: Vec<u8>,
    /// The part of `buffer` that has not been looked at.
    unread: std::ops::Range<usize>,
    out: Vec<u8>,
}

impl Client {
    pub(super) fn connect(server: SocketAddr, path: &str) -> Result<Self, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut tcp =
            TcpStream::connect_timeout(&server, PATIENCE).map_err(|e| format!("connecting: {e}"))?;
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        tcp.set_write_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let (authority, nonce, mut out) = (server.to_string(), [7; 16], Vec::new());
        let request = client::Offer::new(&authority, path);
        request.write(&nonce, &mut out).map_err(|error| error.to_string())?;
        tcp.write_all(&out).map_err(|error| format!("sending the request: {error}"))?;
        out.clear();
        let (mut buffer, mut len) = (vec![0; 64 << 10], 0);
        loop {
            len += read(&mut tcp, &mut buffer[len..], deadline)?;
            let mut storage = HeaderStorage::new();
            let parsed = client::Response::parse(&buffer[..len], &mut storage).map_err(|e| e.to_string())?;
            if let Some((response, used)) = parsed {
                let ws = response
                    .accept(&request, &nonce, &Config::default(), masking_key)
                    .map_err(|error| error.to_string())?;
                return Ok(Self { tcp, ws, messages: Assembler::new(), buffer, unread: used..len, out });
            }
        }
    }

    pub(super) fn send(&mut self, message: Message<'_>) -> Result<(), String> {
        self.ws.send(message, &mut self.out).map_err(|error| error.to_string())?;
        self.write()
    }

    /// Waits for the next message and looks at it. `Ok(None)`: the server has closed the connection.
    pub(super) fn receive<T>(&mut self, look: impl FnOnce(Message<'_>) -> T) -> Result<Option<T>, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Self { ws, messages, buffer, unread, .. } = self;
            let end = unread.end;
            let mut input = &mut buffer[unread.clone()];
            if let Some(message) = messages.receive(ws, &mut input) {
                let seen = look(message);
                self.unread.start = end - input.len();
                return Ok(Some(seen));
            }
            self.unread = 0..0;
            let _ = self.ws.poll_transmit(&mut self.out);
            self.write()?;
            if self.ws.should_close_transport() || !self.ws.can_send() && self.ws.was_clean() {
                return Ok(None);
            }
            self.unread = 0..read(&mut self.tcp, &mut self.buffer, deadline)?;
        }
    }

    /// Has a message come back.
    pub(super) fn echo(&mut self, text: &str) -> Result<(), String> {
        self.send(Message::Text(text))?;
        match self.receive(|message| message == Message::Text(text))? {
            Some(true) => Ok(()),
            Some(false) => Err("another message came back".into()),
            None => Err(format!("the server closed the connection with {}", self.ws.close_code())),
        }
    }

    /// The closing handshake, which has to be a clean one.
    pub(super) fn close(mut self) -> Result<(), String> {
        self.ws.close(CloseCode::NORMAL, "", &mut self.out).map_err(|error| error.to_string())?;
        self.write()?;
        while self.receive(|_| ())?.is_some() {}
        match self.ws.close_code() {
            CloseCode::NORMAL => Ok(()),
            code => Err(format!("Close 1000 was answered with {code}")),
        }
    }

    fn write(&mut self) -> Result<(), String> {
        let written = self.tcp.write_all(&self.out).map_err(|error| format!("writing: {error}"));
        self.out.clear();
        written
    }
}

fn read(tcp: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> Result<usize, String> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer within {} s", PATIENCE.as_secs()));
        }
        tcp.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match tcp.read(buffer) {
            Ok(0) => return Err("the server hung up".into()),
            Ok(len) => return Ok(len),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(format!("reading: {error}")),
        }
    }
}

/// No proxy is between this program and the server, so that the key need not be hard to guess (RFC 6455 §10.3).
fn masking_key() -> MaskingKey {
    [0x5a, 0xc3, 0x0f, 0x96]
}
