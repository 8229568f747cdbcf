//! wtx 0.46 with its feature `optimization`. `Adaptive` hands out payloads where they were read if they came in one frame. Each message is
//! one vectored write, and a client masks the payload where it is.

use std::hint::black_box;

use wtx::collection::Vector;
use wtx::rng::Rng;
use wtx::stream::{StreamReader, StreamWriter};
use wtx::web_socket::{Frame, OpCode, WebSocket, WebSocketBuffer, WebSocketPayloadOrigin};

use super::now;
use crate::KEY;
use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct Wtx;

impl Contender for Wtx {
    fn name(&self) -> &'static str {
        "wtx 0.46"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let buffer = WebSocketBuffer::with_capacity(job.read, job.read, 0).expect("memory");
        let wire = Wire::of(job);
        let socket = WebSocket::new((), false, Constant, wire, buffer);
        Some(Box::new(Receiver { socket, collected: Vector::new(), count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::<false>::boxed(job))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::<true>::boxed(job))
    }
}

type Socket<const IS_CLIENT: bool> = WebSocket<(), Constant, Wire, WebSocketBuffer, IS_CLIENT>;

struct Receiver {
    socket: Socket<false>,
    collected: Vector<u8>,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            while tally.messages < self.count {
                let frame =
                    self.socket.read_frame(&mut self.collected, WebSocketPayloadOrigin::Adaptive).await;
                tally.message(black_box(frame.expect("well-formed")).payload().len());
            }
            tally
        })
    }
}

struct Sender<const IS_CLIENT: bool> {
    socket: Socket<IS_CLIENT>,
    opcode: OpCode,
    payload: Vec<u8>,
    count: usize,
}

impl<const IS_CLIENT: bool> Sender<IS_CLIENT> {
    fn boxed(job: &Send) -> Box<dyn Work> {
        let wire = Wire::to(job, IS_CLIENT);
        Box::new(Self {
            socket: WebSocket::new((), false, Constant, wire, WebSocketBuffer::new()),
            opcode: if job.payload.is_text() { OpCode::Text } else { OpCode::Binary },
            payload: job.payload.as_bytes().to_vec(),
            count: job.count,
        })
    }
}

impl<const IS_CLIENT: bool> Work for Sender<IS_CLIENT> {
    fn run(&mut self) -> Tally {
        now(async {
            let mut tally = Tally::default();
            for _ in 0..self.count {
                let payload = black_box(&mut self.payload[..]);
                tally.message(payload.len());
                let mut frame = Frame::new_fin(self.opcode, payload);
                self.socket.write_frame(&mut frame).await.expect("an open connection");
            }
            tally
        })
    }
}

impl StreamReader for Wire {
    #[inline]
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.read_into(bytes, &mut []))
    }
}

impl StreamWriter for Wire {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.put(bytes);
        Ok(())
    }

    #[inline]
    async fn write_all_vectored(&mut self, all: &[&[u8]]) -> wtx::Result<()> {
        for bytes in all {
            self.put(bytes);
        }
        Ok(())
    }
}

/// The same key for each frame.
struct Constant;

impl Rng for Constant {
    #[inline]
    fn u8_4(&mut self) -> [u8; 4] {
        black_box(KEY)
    }

    fn u8_8(&mut self) -> [u8; 8] {
        unreachable!("keys have four octets")
    }

    fn u8_16(&mut self) -> [u8; 16] {
        unreachable!("keys have four octets")
    }

    fn u8_32(&mut self) -> [u8; 32] {
        unreachable!("keys have four octets")
    }
}
