//! The client that the Autobahn test suite tests, started by `conformance/client`: `autobahn_client ADDRESS AGENT`.
//!
//! The suite's server is asked how many cases there are, then for one after the other. Each is a connection on which
//! whatever comes is sent back until the server closes it, or breaks the protocol on purpose. Last, it is told to write its reports.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use sansws_mio::{Closed, Connect, ConnectError, EventLoop, Handler, Message, Peer, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, agent] = &arguments[..] else {
        eprintln!("usage: autobahn_client ADDRESS AGENT");
        return ExitCode::FAILURE;
    };
    match run(address, agent) {
        Ok(cases) => {
            println!("{cases} cases run");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str, agent: &str) -> Result<u32, Box<dyn Error>> {
    let tested = Tested { server: address.parse()?, agent: agent.into(), cases: None, finished: None };
    let first = tested.connect(Task::Count)?;
    let mut event_loop = EventLoop::new(tested, Settings::default())?;
    event_loop.connect(first);
    loop {
        event_loop.turn(None)?;
        if let Some(result) = event_loop.handler_mut().finished.take() {
            return result;
        }
    }
}

/// The client, from its first connection to its last.
struct Tested {
    server: SocketAddr,
    agent: String,
    cases: Option<u32>,
    finished: Option<Result<u32, Box<dyn Error>>>,
}

/// What one connection is for.
#[derive(Debug, Clone, Copy)]
enum Task {
    Count,
    Case(u32),
    Report,
}

/// One connection.
struct Session {
    task: Task,
    was_open: bool,
}

impl Tested {
    fn connect(&self, task: Task) -> Result<Connect<Session>, ConnectError> {
        let Self { server, agent, .. } = self;
        let url = match task {
            Task::Count => format!("ws://{server}/getCaseCount"),
            Task::Case(number) => format!("ws://{server}/runCase?case={number}&agent={agent}"),
            Task::Report => format!("ws://{server}/updateReports?agent={agent}"),
        };
        Connect::new(&url, *server, Session { task, was_open: false })
    }

    /// What comes after a connection, if something does.
    fn after(&self, session: &Session, closed: Closed<'_>) -> Result<Option<Task>, Box<dyn Error>> {
        if !session.was_open {
            let cause = closed.cause.map_or("closed".into(), ToString::to_string);
            return Err(format!("{:?} was not opened: {cause}", session.task).into());
        }
        let cases = self.cases.ok_or("the server did not say how many cases there are")?;
        Ok(match session.task {
            Task::Count if cases > 0 => Some(Task::Case(1)),
            Task::Case(number) if number < cases => Some(Task::Case(number + 1)),
            Task::Count | Task::Case(_) => Some(Task::Report),
            Task::Report => None,
        })
    }
}

impl Handler for Tested {
    type Session = Session;

    fn open(&mut self, peer: &mut Peer<'_, Session>) {
        peer.session_mut().was_open = true;
    }

    fn message(&mut self, peer: &mut Peer<'_, Session>, message: Message<'_>) {
        match (peer.session().task, message) {
            (Task::Count, Message::Text(count)) => self.cases = count.trim().parse().ok(),
            (Task::Case(number), message) => {
                if let Err(error) = peer.send(message) {
                    self.finished = Some(Err(format!("case {number}: no echo sent: {error}").into()));
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, Session>, closed: Closed<'_>) {
        let next = self.after(peer.session(), closed);
        match next.and_then(|task| Ok(task.map(|task| self.connect(task)).transpose()?)) {
            Ok(Some(connect)) => peer.connect(connect),
            Ok(None) => self.finished = Some(Ok(self.cases.unwrap_or(0))),
            Err(error) => self.finished = Some(Err(error)),
        }
    }
}
