//! ws-tool 0.11, its blocking `FrameCodec`: it merges fragments, validates text of one frame and reads as much at once as it is set to. It
//! does not validate what it merged; its `StringCodec` does that with std's validator, so that is done here.

use std::hint::black_box;

use ws_tool::codec::{FrameCodec, FrameConfig, ValidateUtf8Policy};
use ws_tool::frame::OpCode;

use crate::codec::wire::Wire;
use crate::codec::{Contender, Receive, Send, Tally, Work};

pub(super) struct WsTool;

impl Contender for WsTool {
    fn name(&self) -> &'static str {
        "ws-tool 0.11"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let config = FrameConfig {
            mask_send_frame: false,
            validate_utf8: ValidateUtf8Policy::On,
            resize_size: job.read,
            ..FrameConfig::default()
        };
        let codec = FrameCodec::new_with(Wire::of(job), config);
        Some(Box::new(Receiver { codec, fragmented: job.fragmented, count: job.count }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, false))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(job, true))
    }
}

struct Receiver {
    codec: FrameCodec<Wire>,
    fragmented: bool,
    count: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        while tally.messages < self.count {
            let (_, payload) = self.codec.receive().expect("well-formed");
            if self.fragmented {
                assert!(std::str::from_utf8(payload).is_ok());
            }
            tally.message(black_box(payload).len());
        }
        tally
    }
}

struct Sender {
    codec: FrameCodec<Wire>,
    job: Send,
}

impl Sender {
    fn boxed(job: &Send, is_client: bool) -> Box<dyn Work> {
        let wire = Wire::to(job, is_client);
        let config = FrameConfig { mask_send_frame: is_client, ..FrameConfig::default() };
        Box::new(Self { codec: FrameCodec::new_with(wire, config), job: job.clone() })
    }
}

impl Work for Sender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        let opcode = if self.job.payload.is_text() { OpCode::Text } else { OpCode::Binary };
        for _ in 0..self.job.count {
            let payload = black_box(&self.job.payload).as_bytes();
            self.codec.send(opcode, payload).expect("an open connection");
            tally.message(payload.len());
        }
        self.codec.flush().expect("memory");
        tally
    }
}
