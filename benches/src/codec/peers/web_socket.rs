//! web-socket 0.7, behind tokio's `BufReader` as it reads two bytes at a time. It validates no text and hands out fragments, not messages:
//! its cells of text are empty. Each message that a server sends is a vectored write.

use std::hint::black_box;

use tokio::io::BufReader;
use web_socket::{DataType, Event, WebSocket as Socket};

use super::now;
use crate::Payload;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct WebSocket;

impl Contender for WebSocket {
    fn name(&self) -> &'static str {
        "web-socket 0.7"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        if job.text {
            return None;
        }
        let wire = BufReader::with_capacity(job.read, Wire::of(job));
        Some(Box::new(Receiver { socket: Socket::server(wire), count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let wire = Wire::to(job, false);
        Some(Box::new(Sender { socket: Socket::server(wire), job: job.clone() }))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let wire = Wire::to(job, true);
        Some(Box::new(Sender { socket: Socket::client(wire), job: job.clone() }))
    }
}

struct Receiver {
    socket: Socket<BufReader<Wire>>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            while tally.messages < self.count {
                match black_box(self.socket.recv().await.expect("memory")) {
                    Event::Data { ty: DataType::Complete(_), data } => tally.message(data.len()),
                    other => panic!("unexpected {other:?}"),
                }
            }
            tally
        })
    }
}

struct Sender {
    socket: Socket<Wire>,
    job: Send,
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            for _ in 0..self.job.count {
                let sent = match black_box(&self.job.payload) {
                    Payload::Text(text) => self.socket.send(&text[..]).await,
                    Payload::Binary(payload) => self.socket.send(&payload[..]).await,
                };
                sent.expect("memory");
                tally.message(self.job.payload.len());
            }
            tally
        })
    }
}
