//! A peer whose messages are much work for the application does not keep the other peers waiting.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sansws_mio::{Accept, EventLoop, Handler, Message, Peer, Request, Response, Settings};
use support::{DEADLINE, dial, request};

/// What a message costs of the one who sends too many of them.
const WORK: Duration = Duration::from_micros(20);

/// A frame without payload.
const MESSAGE: [u8; 6] = [0x82, 0x80, 0, 0, 0, 0];

struct Work {
    costly: Arc<AtomicUsize>,
    cheap: Arc<AtomicUsize>,
}

impl Handler for Work {
    type Session = bool;

    fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<bool, Response> {
        Ok(request.path() == "/costly")
    }

    fn message(&mut self, peer: &mut Peer<'_, bool>, _: Message<'_>) {
        if *peer.session() {
            let began = Instant::now();
            while began.elapsed() < WORK {
                std::hint::spin_loop();
            }
            self.costly.fetch_add(1, Ordering::Relaxed);
        } else {
            self.cheap.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn connect(event_loop: &mut EventLoop<Work>, listener: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut stream = dial(listener);
    stream.write_all(request(path, "").as_bytes()).expect("the kernel takes it");
    stream.set_nonblocking(true).expect("an option");
    let (start, mut response) = (Instant::now(), Vec::new());
    while !response.ends_with(b"\r\n\r\n") {
        assert!(start.elapsed() < DEADLINE, "no response");
        event_loop.turn(Some(Duration::from_millis(1))).expect("it goes on");
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer) {
            Ok(len) => response.extend_from_slice(&buffer[..len]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    stream
}

/// As much as the kernel takes.
fn fill(stream: &mut TcpStream) {
    let bytes = MESSAGE.repeat(10_000);
    let mut sent = 0;
    // A frame that was cut must be continued where it was cut.
    while let Ok(len) = stream.write(&bytes[sent % MESSAGE.len()..]) {
        sent += len;
    }
    assert!(sent > 500_000, "{sent} bytes");
}

#[test]
fn a_peer_with_costly_messages_is_read_in_small_portions() {
    let (costly, cheap) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = Work { costly: costly.clone(), cheap: cheap.clone() };
    let mut event_loop = EventLoop::new(work, Settings::default()).expect("an event queue");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    event_loop.listen(listener).expect("registered");
    let mut flooders: Vec<TcpStream> = (0..4).map(|_| connect(&mut event_loop, addr, "/costly")).collect();
    let mut other = connect(&mut event_loop, addr, "/cheap");
    flooders.iter_mut().for_each(fill);

    let mut waited = Vec::new();
    for heard in 1..=10 {
        let before = costly.load(Ordering::Relaxed);
        other.write_all(&MESSAGE).expect("the kernel takes it");
        let start = Instant::now();
        while cheap.load(Ordering::Relaxed) < heard {
            assert!(start.elapsed() < DEADLINE, "not heard");
            event_loop.turn(Some(Duration::from_millis(10))).expect("it goes on");
        }
        waited.push(costly.load(Ordering::Relaxed) - before);
    }
    // Two turns at most: the others' in which its message came too late, and its own. It takes a few turns to find out how costly they are.
    let per_turn = |portion: usize| flooders.len() * (portion / MESSAGE.len() + 1);
    assert!(waited[0] <= 2 * per_turn(16 << 10), "{waited:?}");
    assert!(waited[5..].iter().all(|&waited| waited <= 2 * per_turn(4 << 10)), "{waited:?}");
    assert!(waited[5..].iter().any(|&waited| waited > 0), "the flood was over too early: {waited:?}");
}
