//! embedded-websocket 0.9.5 on the caller's buffers, without its `Framer`: that one fails if a read ends within a header. Payloads are
//! unmasked from the read buffer into the message; text is validated with std's validator, as the `Framer` does. It does not get past a
//! fragment that a read has cut (`continuation_read` stays where no byte is missing, and each later read finds nothing): its cell of
//! fragments is empty.

use std::hint::black_box;

use embedded_websocket::{
    Client, Error, Server, WebSocket, WebSocketClient, WebSocketReceiveMessageType, WebSocketSendMessageType,
    WebSocketServer, WebSocketState, WebSocketType,
};
use rand_core::RngCore;

use crate::codec::wire::{WORTH_A_WRITE, Wire};
use crate::codec::{Contender, Receive, Send, Tally, Work};
use crate::{KEY, frame_len};

pub(super) struct EmbeddedWebsocket;

impl Contender for EmbeddedWebsocket {
    fn name(&self) -> &'static str {
        "embedded-websocket 0.9"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        if job.fragmented {
            return None;
        }
        let mut socket = WebSocketServer::new_server();
        socket.state = WebSocketState::Open;
        Some(Box::new(Receiver {
            socket,
            wire: Wire::of(job),
            buffer: vec![0; job.read + 14],
            unread: 0,
            message: vec![0; job.longest],
            message_len: 0,
            count: job.count,
        }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::<_, Server>::boxed(job, WebSocketServer::new_server(), false))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::<_, Client>::boxed(job, WebSocketClient::new_client(Constant), true))
    }
}

struct Receiver {
    socket: WebSocketServer,
    wire: Wire,
    buffer: Vec<u8>,
    /// The bytes of a header that was cut, at the buffer's beginning.
    unread: usize,
    message: Vec<u8>,
    message_len: usize,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        while tally.messages < self.count {
            let end = self.unread + self.wire.read_into(&mut self.buffer[self.unread..], &mut []);
            let mut at = 0;
            while at < end {
                let found =
                    match self.socket.read(&self.buffer[at..end], &mut self.message[self.message_len..]) {
                        Err(Error::ReadFrameIncomplete) => break,
                        found => found.expect("well-formed"),
                    };
                at += found.len_from;
                self.message_len += found.len_to;
                if found.end_of_message {
                    let message = &self.message[..std::mem::take(&mut self.message_len)];
                    if found.message_type == WebSocketReceiveMessageType::Text {
                        assert!(std::str::from_utf8(message).is_ok());
                    }
                    tally.message(black_box(message).len());
                }
            }
            self.buffer.copy_within(at..end, 0);
            self.unread = end - at;
        }
        tally
    }
}

struct Sender<R: RngCore, T: WebSocketType> {
    socket: WebSocket<R, T>,
    job: Send,
    out: Vec<u8>,
    wire: Wire,
}

impl<R: RngCore + 'static, T: WebSocketType + 'static> Sender<R, T> {
    fn boxed(job: &Send, mut socket: WebSocket<R, T>, is_client: bool) -> Box<dyn Work> {
        socket.state = WebSocketState::Open;
        let frame_len = frame_len(job.payload.len(), is_client);
        Box::new(Self {
            socket,
            job: job.clone(),
            out: vec![0; WORTH_A_WRITE + frame_len],
            wire: Wire::to(job, is_client),
        })
    }
}

impl<R: RngCore, T: WebSocketType> Work for Sender<R, T> {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        let is_text = self.job.payload.is_text();
        let kind = if is_text { WebSocketSendMessageType::Text } else { WebSocketSendMessageType::Binary };
        let mut at = 0;
        for _ in 0..self.job.count {
            let payload = black_box(&self.job.payload).as_bytes();
            at += self.socket.write(kind, true, payload, &mut self.out[at..]).expect("an open connection");
            tally.message(payload.len());
            if at >= WORTH_A_WRITE {
                self.wire.put(&self.out[..at]);
                at = 0;
            }
        }
        self.wire.put(&self.out[..at]);
        tally
    }
}

/// The same key for each frame.
struct Constant;

impl RngCore for Constant {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(black_box(KEY))
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("keys have four octets")
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        octets.copy_from_slice(&black_box(KEY));
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(octets);
        Ok(())
    }
}
