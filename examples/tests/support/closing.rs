//! A server that closes every connection with a reason that nobody should read.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use sansws_mio::{Accept, CloseCode, Handle, Handler, Message, Peer, Request, Response, Server};

/// The first line of the reason; there is a second one, which must not look like a line of ours.
pub const REASON: &str = "call 0900-1234 to win";

/// Ended when it is dropped.
pub struct Closing {
    pub addr: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Closing {
    /// Closes with this code.
    pub fn with(code: u16) -> Self {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addrs()[0];
        let handle = server.handle();
        let thread = std::thread::spawn(move || server.run(Closer(code)).unwrap());
        Self { addr, handle, thread: Some(thread) }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Closer(u16);

impl Handler for Closer {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.close(CloseCode::new(self.0), &format!("{REASON}\n* {REASON}\x1b[2J")).unwrap();
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}
}
