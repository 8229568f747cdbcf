//! Upgrades that are decided later.

use std::time::Duration;

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::event_loop::tests::virtual_time::{Socket, ms};
use crate::kernel::edges::Readiness;
use crate::settings::Settings;

const REQUEST: &[u8] = b"GET /?token=7 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// "hi", masked with zeros.
const HI: [u8; 8] = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];

/// The user who was found.
struct Found(Option<&'static str>);

#[derive(Default)]
struct App {
    asked: usize,
    opened: Vec<(PeerId, &'static str)>,
    messages: usize,
}

impl Handler for App {
    type Session = &'static str;

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<&'static str, Response> {
        self.asked += 1;
        assert_eq!(request.query(), Some("token=7"), "the same request each time");
        match accept.decision::<Found>() {
            Some(Found(user)) => user.ok_or_else(|| Response::forbidden("who are you\n")),
            None => Err(accept.later()),
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, &'static str>) {
        self.opened.push((peer.id(), *peer.session()));
    }

    fn message(&mut self, _: &mut Peer<'_, &'static str>, _: sansws::Message<'_>) {
        self.messages += 1;
    }
}

struct Scene {
    event_loop: EventLoop<App>,
    socket: Socket,
    peer: PeerId,
}

impl Scene {
    /// A request has come, with a message behind it, at 10 ms; more is in the kernel.
    fn new() -> Self {
        let mut event_loop = EventLoop::new(App::default(), Settings::default()).expect("an event queue");
        let socket = Socket::with_room(10_000);
        let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
        let mut scene = Self { event_loop, socket, peer };
        scene.arrive(10, &[REQUEST, &HI].concat());
        scene.arrive(20, &HI.repeat(1000));
        assert_eq!(scene.event_loop.handler().asked, 1);
        scene
    }

    fn arrive(&mut self, at: u64, bytes: &[u8]) {
        self.socket.buffers().arrived.extend_from_slice(bytes);
        let edge = Edge { peer: self.peer, readable: true, writable: true, ended: false };
        self.turn(at, &[edge]);
    }

    fn turn(&mut self, at: u64, edges: &[Edge]) {
        self.event_loop.scripted_turn(ms(at), edges);
        for _ in 0..100 {
            if !self.event_loop.is_busy() {
                return;
            }
            self.event_loop.scripted_turn(ms(at), &[]);
        }
        panic!("the loop does not come to rest");
    }

    fn decide(&mut self, found: Option<&'static str>) {
        self.event_loop.handle().decide(self.peer, Found(found)).expect("there is room");
        self.turn(30, &[]);
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.socket.buffers().written).into_owned()
    }
}

#[test]
fn what_was_decided_opens_the_connection() {
    let mut scene = Scene::new();
    assert_eq!(scene.written(), "");
    assert_eq!(scene.socket.buffers().arrived.len(), 8000, "it stays in the kernel");
    scene.decide(Some("alice"));
    assert!(scene.written().starts_with("HTTP/1.1 101 "), "{}", scene.written());
    let app = scene.event_loop.handler();
    assert_eq!((app.asked, &app.opened[..], app.messages), (2, &[(scene.peer, "alice")][..], 1001));
}

#[test]
fn what_was_decided_refuses_it() {
    let mut scene = Scene::new();
    scene.decide(None);
    assert!(scene.written().starts_with("HTTP/1.1 403 "), "{}", scene.written());
    assert!(scene.written().ends_with("who are you\n"));
    assert_eq!(scene.event_loop.handler().opened, []);
    // It is over: another decision changes nothing.
    scene.decide(Some("alice"));
    assert_eq!(scene.event_loop.handler().asked, 2);
}

#[test]
fn a_decision_may_be_put_off_again() {
    let mut scene = Scene::new();
    scene.event_loop.handle().decide(scene.peer, "not what is asked for").expect("there is room");
    scene.turn(25, &[]);
    assert_eq!((scene.event_loop.handler().asked, scene.written()), (2, String::new()));
    scene.decide(Some("alice"));
    assert_eq!(scene.event_loop.handler().opened, [(scene.peer, "alice")]);
}

#[test]
fn a_decision_that_does_not_come_is_a_503() {
    let mut scene = Scene::new();
    let deadline = scene.event_loop.next_deadline().expect("one");
    assert_eq!(deadline, Duration::from_secs(10), "that of the opening handshake");
    scene.turn(9_999, &[]);
    assert_eq!(scene.written(), "");
    scene.turn(10_000, &[]);
    assert!(scene.written().starts_with("HTTP/1.1 503 "), "{}", scene.written());
    assert!(scene.written().ends_with("no decision in time\n"));
}

#[test]
fn a_shutdown_or_an_abort_ends_the_wait() {
    let mut scene = Scene::new();
    scene.event_loop.shut_down_scripted(ms(1000));
    scene.turn(40, &[]);
    assert!(scene.written().starts_with("HTTP/1.1 503 "), "{}", scene.written());

    let mut scene = Scene::new();
    scene.event_loop.abort(scene.peer);
    scene.turn(40, &[]);
    assert_eq!((scene.event_loop.handle().connections(), scene.written()), (0, String::new()));
    scene.decide(Some("alice"));
    assert_eq!(scene.event_loop.handler().asked, 1);
}

#[test]
fn a_client_that_resets_waits_for_no_decision() {
    let mut scene = Scene::new();
    let fin = Readiness { readable: true, writable: true, ended: true, broken: false };
    scene.event_loop.driver.socket_ready(scene.peer.index, fin);
    scene.turn(25, &[]);
    assert_eq!(scene.event_loop.handle().connections(), 1, "it may wait for the answer");
    scene.event_loop.driver.socket_ready(scene.peer.index, Readiness { broken: true, ..fin });
    scene.turn(26, &[]);
    assert_eq!(scene.event_loop.handle().connections(), 0);
    scene.decide(Some("alice"));
    assert_eq!(scene.event_loop.handler().asked, 1);
}
