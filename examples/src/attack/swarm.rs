//! Thousands of connections on one thread, each of which follows a script.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, SockRef, Socket, Type};

use super::wire::Heard;

/// Bytes that one connection reads, or writes, before others have their turn.
const BYTES_PER_TURN: usize = 1 << 20;

/// Single bytes that one connection writes before others have their turn.
const SINGLE_BYTES_PER_TURN: usize = 16;

/// What a connection does, one step after the other. After the last it waits for the end of the connection.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Sends these bytes so many times, as fast as they are taken.
    Send(Arc<[u8]>, u64),
    /// Sends these bytes one at a time, with so much time between them.
    Trickle(Arc<[u8]>, Duration),
    /// Sends these bytes one at a time, each with a write of its own.
    ByteByByte(Arc<[u8]>),
    /// Waits for the response to the opening handshake. If it is not a 101, the script ends here.
    AwaitOpen,
    /// Waits until so many messages have come.
    AwaitMessages(u64),
    /// Waits for the Pong with this payload.
    AwaitPong(Arc<[u8]>),
    /// Lets the others have their turn.
    Yield,
    /// Reads nothing from here on.
    StopReading,
    /// Reads again.
    Read,
    /// From here on reads only as much as [`Swarm::allow`] allows.
    ReadAsAllowed,
    /// Ends the connection with a RST.
    Reset,
    /// Does nothing more, whatever comes.
    FallSilent,
}

/// The steps of one connection.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) steps: Arc<[Step]>,
    /// With the smallest receive buffer, so that the server soon cannot write.
    pub(super) small_window: bool,
}

impl Script {
    pub(super) fn new(steps: impl Into<Arc<[Step]>>) -> Self {
        Self { steps: steps.into(), small_window: false }
    }

    pub(super) fn small_window(self) -> Self {
        Self { small_window: true, ..self }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The server's FIN.
    Eof,
    /// The server's RST, or a broken transport.
    Reset,
    /// The script's RST.
    ByScript,
    /// It has not.
    Open,
}

/// What became of a connection.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) heard: Heard,
    /// Bytes that the kernel took of the script's.
    pub(super) sent: u64,
    pub(super) end: End,
    /// From the first SYN to the end.
    pub(super) lasted: Duration,
}

impl Outcome {
    /// Whether it was let in and nothing has ended it.
    pub(super) fn is_kept(&self) -> bool {
        self.heard.is_open() && self.heard.nonsense.is_none() && self.end == End::Open
    }

    /// A word or two that say what the server did.
    pub(super) fn label(&self) -> String {
        if let Some(nonsense) = &self.heard.nonsense {
            return nonsense.clone();
        }
        match (self.heard.status, self.heard.close, self.end) {
            (Some(101), Some(Some(code)), End::Eof | End::Reset) => format!("Close {code}"),
            (Some(101), Some(None), End::Eof | End::Reset) => "Close without code".into(),
            (Some(101), _, End::Eof) => "101, then FIN without Close".into(),
            (Some(101), _, End::Reset) => "101, then reset".into(),
            (Some(101), _, End::Open) => "101, still open".into(),
            (Some(status), _, End::Open) => format!("{status}, still open"),
            (Some(status), ..) if status != 101 => format!("{status}"),
            (_, _, End::Eof) => "FIN without a word".into(),
            (_, _, End::Reset) => "reset without a word".into(),
            (_, _, End::ByScript) => "reset by us".into(),
            (_, _, End::Open) => "no answer, still open".into(),
        }
    }
}

/// Connections to one server.
pub(super) struct Swarm {
    poll: Poll,
    events: Events,
    server: SocketAddr,
    waiting: VecDeque<Script>,
    connections: Vec<Connection>,
    /// Those that have not ended.
    alive: usize,
    at_once: usize,
    /// Those that may have something to do without an event.
    busy: Vec<usize>,
    buffer: Box<[u8]>,
}

impl Swarm {
    /// At most `at_once` connections are there at a time.
    pub(super) fn new(server: SocketAddr, at_once: usize) -> Result<Self, String> {
        Ok(Self {
            poll: Poll::new().map_err(|error| format!("cannot watch sockets: {error}"))?,
            events: Events::with_capacity(1024),
            server,
            waiting: VecDeque::new(),
            connections: Vec::new(),
            alive: 0,
            at_once: at_once.max(1),
            busy: Vec::new(),
            buffer: vec![0; 64 << 10].into(),
        })
    }

    /// One more connection, which begins when there is room for it.
    pub(super) fn add(&mut self, script: Script) {
        self.waiting.push_back(script);
    }

    pub(super) fn add_many(&mut self, count: usize, script: &Script) {
        self.waiting.extend(std::iter::repeat_n(script.clone(), count));
    }

    /// Whether all connections have begun and ended.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.alive == 0
    }

    /// Runs until all connections have ended, but not for longer than `within`.
    pub(super) fn run(&mut self, within: Duration) -> Result<(), String> {
        self.run_until(within, |swarm| swarm.is_over()).map(|_| ())
    }

    /// Runs until `done`, but not for longer than `within`. Returns whether it is done.
    pub(super) fn run_until(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, String> {
        let deadline = Instant::now() + within;
        loop {
            if done(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.turn(Duration::from_millis(20))?;
        }
    }

    /// Runs the scripts for about so long.
    pub(super) fn turn(&mut self, max_wait: Duration) -> Result<(), String> {
        while self.alive < self.at_once {
            let Some(script) = self.waiting.pop_front() else { break };
            self.begin(script).map_err(|error| {
                format!("cannot open connection {} to the server: {error}", self.connections.len() + 1)
            })?;
        }
        let wait = if self.busy.is_empty() { max_wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(format!("cannot watch sockets: {error}"));
            }
            _ => {}
        }
        for event in &self.events {
            let Some(connection) = self.connections.get_mut(event.token().0) else { continue };
            let gone = event.is_error() || (event.is_read_closed() && event.is_write_closed());
            connection.gone |= gone;
            connection.readable |= event.is_readable() || event.is_read_closed() || gone;
            connection.writable |= event.is_writable();
            self.busy.push(event.token().0);
        }
        let now = Instant::now();
        let due = |connection: &Connection| connection.timer.is_some_and(|timer| timer <= now);
        let due = self.connections.iter().enumerate().filter(|(_, connection)| due(connection));
        self.busy.extend(due.map(|(index, _)| index));
        for index in std::mem::take(&mut self.busy) {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let was_alive = connection.socket.is_some();
            if connection.serve(&mut self.buffer, now) {
                self.busy.push(index);
            }
            if was_alive && connection.socket.is_none() {
                self.alive -= 1;
            }
        }
        self.busy.sort_unstable();
        self.busy.dedup();
        Ok(())
    }

    /// Has all connections go on with these steps.
    pub(super) fn go_on(&mut self, steps: impl Into<Arc<[Step]>>) {
        let steps = steps.into();
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.steps = steps.clone();
            (connection.step, connection.times, connection.offset) = (0, 0, 0);
            self.busy.push(index);
        }
    }

    /// What is known of each connection now, in the order in which they were added.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.connections.iter().map(|connection| &connection.heard)
    }

    /// How many bytes the kernel has taken of each connection, in the order in which they were added.
    pub(super) fn sent(&self) -> impl Iterator<Item = u64> {
        self.connections.iter().map(|connection| connection.sent)
    }

    /// Has all connections read, whatever their scripts say.
    pub(super) fn read_all(&mut self) {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.reading = Reading::All;
            connection.readable = true;
            self.busy.push(index);
        }
    }

    /// Lets those that read [as allowed](Step::ReadAsAllowed) read so many bytes more.
    pub(super) fn allow(&mut self, bytes: usize) {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            if let Reading::Allowed(room) = &mut connection.reading {
                *room += bytes;
                connection.readable = true;
                self.busy.push(index);
            }
        }
    }

    /// How many have done all that their scripts say and wait for the end.
    pub(super) fn through(&self) -> usize {
        self.connections.iter().filter(|connection| connection.is_through()).count()
    }

    /// Whether all connections but the first so many have ended.
    pub(super) fn have_ended(&self, but: usize) -> bool {
        self.waiting.is_empty()
            && self.connections.iter().skip(but).all(|connection| connection.socket.is_none())
    }

    /// Ends all connections that are left and says what became of each.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        let outcome = |connection: Connection| Outcome {
            end: connection.end,
            sent: connection.sent,
            lasted: connection.ended.unwrap_or_else(Instant::now) - connection.began,
            heard: connection.heard,
        };
        // One whose turn never came has no answer either.
        let never = self.waiting.iter().map(|_| Outcome {
            heard: Heard::default(),
            sent: 0,
            end: End::Open,
            lasted: Duration::ZERO,
        });
        self.connections.into_iter().map(outcome).chain(never).collect()
    }

    fn begin(&mut self, script: Script) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM, None)?;
        if script.small_window {
            socket.set_recv_buffer_size(4096)?;
        }
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // In progress is not an error here: the socket becomes writable, or it fails.
        let in_progress = |error: &io::Error| {
            error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(EINPROGRESS)
        };
        socket.connect(&self.server.into()).or_else(|e| if in_progress(&e) { Ok(()) } else { Err(e) })?;
        let mut socket = TcpStream::from_std(socket.into());
        let token = Token(self.connections.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        self.connections.push(Connection::new(socket, script.steps));
        self.alive += 1;
        Ok(())
    }
}

const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

struct Connection {
    socket: Option<TcpStream>,
    steps: Arc<[Step]>,
    step: usize,
    /// Of the current step.
    times: u64,
    offset: usize,
    trickle_began: Option<Instant>,
    /// When to look again, event or not.
    timer: Option<Instant>,
    reading: Reading,
    readable: bool,
    writable: bool,
    /// Both directions are closed.
    gone: bool,
    heard: Heard,
    sent: u64,
    end: End,
    began: Instant,
    ended: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Reading {
    No,
    All,
    /// So many bytes more.
    Allowed(usize),
}

impl Connection {
    fn new(socket: TcpStream, steps: Arc<[Step]>) -> Self {
        Self {
            socket: Some(socket),
            steps,
            step: 0,
            times: 0,
            offset: 0,
            trickle_began: None,
            timer: None,
            reading: Reading::All,
            readable: false,
            writable: false,
            gone: false,
            heard: Heard::default(),
            sent: 0,
            end: End::Open,
            began: Instant::now(),
            ended: None,
        }
    }

    fn is_through(&self) -> bool {
        self.step >= self.steps.len()
    }

    /// Reads, and does what the script says. Returns whether there is more to do at once.
    fn serve(&mut self, buffer: &mut [u8], now: Instant) -> bool {
        if self.socket.is_none() {
            return false;
        }
        self.timer = None;
        let more_to_read = self.read(buffer);
        let more_to_do = self.socket.is_some() && self.follow_script(now);
        // One that does not read would not learn otherwise that all is over.
        if self.gone && matches!(self.reading, Reading::No) {
            self.finish(End::Reset);
        }
        self.socket.is_some() && (more_to_read || more_to_do)
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        let mut room = match &mut self.reading {
            Reading::No => return false,
            Reading::All => BYTES_PER_TURN,
            Reading::Allowed(room) => std::mem::take(room),
        };
        while self.readable && room > 0 {
            let Some(socket) = &mut self.socket else { return false };
            let len = room.min(buffer.len());
            match socket.read(&mut buffer[..len]) {
                Ok(0) => self.finish(End::Eof),
                Ok(len) => {
                    self.heard.add(&buffer[..len]);
                    room = room.saturating_sub(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.finish(End::Reset),
            }
        }
        if let Reading::Allowed(left) = &mut self.reading {
            *left = room;
        }
        self.readable && matches!(self.reading, Reading::All)
    }

    /// Returns whether there is more to do without an event.
    fn follow_script(&mut self, now: Instant) -> bool {
        let steps = self.steps.clone();
        let mut room = BYTES_PER_TURN;
        while let Some(step) = steps.get(self.step) {
            match step {
                Step::Send(bytes, times) => {
                    while self.times < *times {
                        if room == 0 {
                            return true;
                        }
                        match self.write(bytes, usize::MAX) {
                            Some(len) => room = room.saturating_sub(len),
                            None => return false,
                        }
                        if self.offset == bytes.len() {
                            (self.offset, self.times) = (0, self.times + 1);
                        }
                    }
                }
                Step::ByteByByte(bytes) => {
                    for _ in 0..SINGLE_BYTES_PER_TURN {
                        if self.offset < bytes.len() && self.write(bytes, 1).is_none() {
                            return false;
                        }
                    }
                    if self.offset < bytes.len() {
                        return true;
                    }
                }
                Step::Trickle(bytes, pause) => {
                    // A byte may come late, never early.
                    let due = *self.trickle_began.get_or_insert(now) + *pause * (self.offset as u32);
                    if self.offset < bytes.len() {
                        if due > now {
                            self.timer = Some(due);
                            return false;
                        }
                        if self.write(bytes, 1).is_none() {
                            return false;
                        }
                        continue;
                    }
                    self.trickle_began = None;
                }
                Step::AwaitOpen => match self.heard.status {
                    None => return false,
                    Some(101) => {}
                    Some(_) => {
                        self.step = steps.len();
                        return false;
                    }
                },
                Step::AwaitMessages(count) => {
                    if self.heard.messages < *count {
                        return false;
                    }
                }
                Step::AwaitPong(payload) => {
                    if self.heard.last_pong != **payload {
                        return false;
                    }
                }
                Step::Yield => {
                    (self.step, self.times, self.offset) = (self.step + 1, 0, 0);
                    return true;
                }
                Step::StopReading => self.reading = Reading::No,
                Step::Read => {
                    self.reading = Reading::All;
                    (self.step, self.times, self.offset) = (self.step + 1, 0, 0);
                    // What came meanwhile made its event then.
                    self.readable = true;
                    return true;
                }
                Step::ReadAsAllowed => self.reading = Reading::Allowed(0),
                Step::Reset => {
                    if let Some(socket) = &self.socket {
                        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
                    }
                    self.finish(End::ByScript);
                }
                Step::FallSilent => return false,
            }
            (self.step, self.times, self.offset) = (self.step + 1, 0, 0);
        }
        false
    }

    /// Writes what comes next. `None`: nothing more can be written for now.
    fn write(&mut self, bytes: &[u8], at_most: usize) -> Option<usize> {
        let rest = bytes.get(self.offset..)?;
        let rest = &rest[..rest.len().min(at_most)];
        loop {
            if !self.writable {
                return None;
            }
            match self.socket.as_mut()?.write(rest) {
                Ok(len) => {
                    self.offset += len;
                    self.sent += len as u64;
                    return Some(len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // What the server said before can still be read; the end of it ends the connection.
                    self.writable = false;
                    self.gone = true;
                    self.readable = true;
                }
            }
        }
    }

    fn finish(&mut self, end: End) {
        self.socket = None;
        self.readable = false;
        self.timer = None;
        self.end = end;
        self.ended = Some(Instant::now());
    }
}
