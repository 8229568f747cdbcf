//! The echo without its opening handshake, as if another program had answered it.

#![cfg_attr(target_os = "none", no_std, no_main)]

use sansws::{CloseCode, Config, Connection, Event, SliceOutput};
use sansws_example_no_alloc::Stream;

fn serve(stream: &mut impl Stream) {
    let (mut rx, mut tx) = ([0; 1024], [0; 1160]);
    let mut out = SliceOutput::new(&mut tx);
    let mut ws = Connection::server(&Config::default());
    while let len @ 1.. = stream.read(&mut rx) {
        out.clear();
        let mut input = &mut rx[..len];
        while let Some(event) = ws.receive(&mut input) {
            match event {
                Event::Binary(chunk) => {
                    let _ = ws.send_binary_fragment(chunk.payload, chunk.last, &mut out);
                }
                Event::Text(_) => drop(ws.fail(CloseCode::UNSUPPORTED_DATA)),
                _ => {}
            }
        }
        let _ = ws.poll_transmit(&mut out);
        stream.write(out.filled());
        if ws.should_close_transport() {
            return;
        }
    }
}

sansws_example_flash::image!(serve);
