//! What is published reaches each subscriber in order, whole, and with few writes.

mod receivers;
#[cfg(feature = "__tls")]
mod secure;

use std::collections::HashMap;

use sansws::{Message, apply_mask};

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::ending::Closed;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::event_loop::tests::virtual_time::{Socket, ms, readable, writable};
use crate::settings::Settings;
use crate::settings::slow_consumer::SlowConsumer;

/// Publishes what it receives under the name of its first letter; `!` is for the others under `a`,
/// `>` goes to the first who connected, and `(` and `)` begin and end a fragmented message to itself.
#[derive(Default)]
struct App {
    first: Option<PeerId>,
    /// How often each was told that output may have been written.
    told: HashMap<PeerId, usize>,
    /// So often `a+` is published when one of them is.
    republish: usize,
    /// What `written` and `buffered_amount` were for those that have left.
    left: Vec<(PeerId, u64, usize)>,
}

impl Handler for App {
    type Session = ();

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        match request.path() {
            "/drop" => accept.slow_consumer(SlowConsumer::Drop),
            "/close" => accept.slow_consumer(SlowConsumer::Close(4000.into())),
            _ => accept,
        };
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        self.first.get_or_insert(peer.id());
        peer.subscribe("a").expect("open");
        peer.subscribe("b").expect("open");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        match &text[..1] {
            "!" => peer.publish_to_others("a", text).expect("there is one loop"),
            ">" => peer.send_to(self.first.expect("open"), text).expect("there is one loop"),
            "(" => peer.send_text_fragment("(", false).expect("there is room"),
            ")" => peer.send_text_fragment(")", true).expect("there is room"),
            topic => peer.publish(topic, text).expect("there is one loop"),
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, _: Closed<'_>) {
        self.left.push((peer.id(), peer.written(), peer.buffered_amount()));
        peer.publish_to_others("a", "left").expect("there is one loop");
    }

    fn written(&mut self, peer: &mut Peer<'_, ()>) {
        *self.told.entry(peer.id()).or_default() += 1;
        if self.republish > 0 {
            self.republish -= 1;
            peer.publish("a", "a+").expect("there is one loop");
        }
    }
}

struct Scene {
    event_loop: EventLoop<App>,
    peers: Vec<(PeerId, Socket)>,
}

impl Scene {
    /// With so many open connections that read all they are sent.
    fn new(count: usize, settings: Settings) -> Self {
        Self::of(&vec!["/"; count], settings)
    }

    /// With an open connection for each of these paths.
    fn of(paths: &[&str], settings: Settings) -> Self {
        let mut scene =
            Self { event_loop: EventLoop::new(App::default(), settings).expect("a loop"), peers: Vec::new() };
        for path in paths {
            let socket = Socket::with_room(usize::MAX);
            socket.buffers().arrived = request(path);
            let peer = scene.event_loop.accept_scripted(Box::new(socket.clone())).expect("a place");
            scene.peers.push((peer, socket));
            scene.turn(&[Edge { writable: true, ..readable(peer) }]);
        }
        scene.forget();
        scene
    }

    fn turn(&mut self, edges: &[Edge]) {
        self.event_loop.scripted_turn(ms(1), edges);
        while self.event_loop.is_busy() {
            self.event_loop.scripted_turn(ms(1), &[]);
        }
        assert!(self.event_loop.gauges_are_right());
    }

    fn forget(&mut self) {
        for (_, socket) in &self.peers {
            let mut buffers = socket.buffers();
            buffers.written.clear();
            buffers.writes = 0;
        }
        self.event_loop.driver.handler.told.clear();
    }

    /// These messages arrive from these peers, all before the next turn.
    fn say(&mut self, said: &[(usize, &[&str])]) {
        for (from, messages) in said {
            let frames = messages.iter().flat_map(|text| {
                let header = match text.len() {
                    len @ ..126 => vec![0x81, 0x80 | len as u8],
                    len => vec![0x81, 0xfe, (len >> 8) as u8, len as u8],
                };
                [&header, &[0; 4][..], text.as_bytes()].concat()
            });
            self.peers[*from].1.buffers().arrived.extend(frames);
        }
        let edges: Vec<_> = said.iter().map(|(from, _)| readable(self.peers[*from].0)).collect();
        self.turn(&edges);
    }

    /// What a peer has been written, frame by frame, and with how many writes.
    fn heard(&self, peer: usize) -> (String, usize) {
        let buffers = self.peers[peer].1.buffers();
        (frames(&buffers.written), buffers.writes)
    }
}

fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// The payload of each frame; a Close is its status code, and a masked frame begins with a `~`. Of a
/// long one the beginning, and how much follows.
fn frames(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while let [first, second, behind @ ..] = bytes {
        let (len, behind) = match second & 0x7f {
            126 => (usize::from(behind[0]) << 8 | usize::from(behind[1]), &behind[2..]),
            len => (usize::from(len), behind),
        };
        let is_masked = second & 0x80 != 0;
        let (key, behind) = behind.split_at(if is_masked { 4 } else { 0 });
        let (payload, behind) = behind.split_at(len);
        let mut payload = payload.to_vec();
        if is_masked {
            apply_mask(key.try_into().expect("four bytes"), &mut payload);
            text.push('~');
        }
        match (first, &payload[..]) {
            (0x88, [high, low, ..]) => text += &u16::from_be_bytes([*high, *low]).to_string(),
            (_, payload) => text += &shortened(&String::from_utf8_lossy(payload)),
        }
        text.push(' ');
        bytes = behind;
    }
    text
}

fn shortened(text: &str) -> String {
    match text.split_at_checked(8) {
        Some((beginning, rest)) if !rest.is_empty() => format!("{beginning}+{}", rest.len()),
        _ => text.to_owned(),
    }
}

#[test]
fn what_one_publishes_in_a_turn_reaches_each_subscriber_with_one_write() {
    let mut scene = Scene::new(3, Settings::default());
    scene.say(&[(0, &["a1"])]);
    for peer in 0..3 {
        assert_eq!(scene.heard(peer), ("a1 ".into(), 1));
    }
    scene.forget();
    scene.say(&[(0, &["a1", "a2", "a3"])]);
    for peer in 0..3 {
        assert_eq!(scene.heard(peer), ("a1 a2 a3 ".into(), 1));
    }
    scene.forget();
    // To the others and under other names: one write all the same.
    scene.say(&[(0, &["a1", "!2", "!3", "b4"])]);
    assert_eq!(scene.heard(0), ("a1 b4 ".into(), 1));
    assert_eq!(scene.heard(1), ("a1 !2 !3 b4 ".into(), 1));
    scene.forget();
    // And what the others publish in the same turn, beside the write of each one's own turn.
    scene.say(&[(0, &["a1", "!2"]), (1, &["!3", ">4"]), (2, &["a5"])]);
    assert_eq!(scene.heard(0), ("a1 !3 >4 a5 ".into(), 2));
    assert_eq!(scene.heard(1), ("a1 !2 a5 ".into(), 2));
    assert_eq!(scene.heard(2), ("a1 !2 !3 a5 ".into(), 2));
    assert_eq!(scene.event_loop.driver.shared.metrics().messages_sent, 3 + 9 + 10 + 11);
}

/// [`Handler::written`] is called for connections whose turn it is not.
#[test]
fn each_subscriber_is_told_that_output_was_written() {
    let mut scene = Scene::new(3, Settings::default());
    for messages in [&["a1"][..], &["a1", "b2"]] {
        scene.forget();
        scene.say(&[(0, messages)]);
        for (peer, _) in &scene.peers[1..] {
            assert_eq!(scene.event_loop.driver.handler.told.get(peer), Some(&1), "{messages:?}");
        }
    }
}

/// Whatever the kernel takes at a time, and however far the peer lags behind.
#[test]
fn what_the_kernel_does_not_take_follows_in_order() {
    for room in 0..14 {
        let mut scene = Scene::new(2, Settings::default());
        scene.peers[1].1.buffers().room = room;
        scene.say(&[(0, &["a1", "a2"])]);
        assert_eq!(scene.heard(0), ("a1 a2 ".into(), 1));
        assert_eq!(scene.peers[1].1.buffers().written.len(), room.min(8));
        scene.say(&[(0, &["a3"])]);
        scene.peers[1].1.buffers().room = usize::MAX;
        let again = writable(scene.peers[1].0);
        scene.turn(&[again]);
        assert_eq!(scene.heard(1).0, "a1 a2 a3 ", "{room}");
    }
}

/// §5.4: nothing may come between the fragments of a message but control frames.
#[test]
fn what_is_published_within_a_fragmented_message_waits_for_its_end() {
    let mut scene = Scene::new(2, Settings::default());
    scene.say(&[(1, &["("])]);
    scene.say(&[(0, &["a1", "a2"])]);
    assert_eq!(scene.heard(1).0, "( ");
    assert_eq!(scene.heard(0).0, "a1 a2 ");
    scene.say(&[(1, &[")"])]);
    assert_eq!(scene.heard(1).0, "( ) a1 a2 ");
}

#[test]
fn what_waits_comes_before_what_is_published() {
    let mut scene = Scene::new(2, Settings::default());
    scene.peers[1].1.buffers().room = 0;
    scene.say(&[(1, &["b0"])]);
    scene.peers[1].1.buffers().room = usize::MAX;
    // The kernel has room again, and the loop has not heard of it yet.
    scene.say(&[(0, &["a1"])]);
    let again = writable(scene.peers[1].0);
    scene.turn(&[again]);
    assert_eq!(scene.heard(1).0, "b0 a1 ");
}

#[test]
fn more_than_a_queue_holds_is_refused_message_by_message() {
    let settings = Settings { max_buffered: 4096, high_water: 2048, low_water: 1024, ..Settings::default() };
    let mut scene = Scene::new(2, settings);
    scene.peers[1].1.buffers().room = 0;
    let long = format!("a{}", "x".repeat(99));
    scene.say(&[(0, &[&*long; 100])]);
    scene.peers[1].1.buffers().room = usize::MAX;
    let again = writable(scene.peers[1].0);
    scene.turn(&[again]);
    assert_eq!(scene.heard(0).0.matches('a').count(), 100);
    let some = scene.heard(1).0.matches('a').count();
    assert!((10..100).contains(&some), "{some}");
}

/// Deadlines come many at a time.
#[test]
fn what_many_publish_as_they_end_is_written_together() {
    const SILENT: usize = 20;
    let mut scene = Scene::new(SILENT + 1, Settings::default());
    let (live, socket) = scene.peers[SILENT].clone();
    // It answers each Ping; the others do not.
    let mut now = 0;
    while !socket.buffers().written.windows(4).any(|four| four == b"left") {
        now += 1000;
        assert!(now < 1_000_000, "nobody has left");
        scene.forget();
        socket.buffers().arrived.extend([0x8a, 0x80, 0, 0, 0, 0]);
        scene.event_loop.scripted_turn(ms(now), &[readable(live)]);
        while scene.event_loop.is_busy() {
            scene.event_loop.scripted_turn(ms(now), &[]);
        }
    }
    let (heard, writes) = scene.heard(SILENT);
    assert_eq!((heard.matches("left").count(), writes), (SILENT, 1));
}

/// What cannot be delivered as a batch is work for each message.
#[test]
fn who_publishes_to_many_who_are_slow_is_read_in_smaller_portions() {
    const RECEIVERS: usize = 200;
    const MESSAGES: usize = 1000;
    let mut scene = Scene::new(RECEIVERS + 1, Settings::default());
    for peer in 1..=RECEIVERS {
        scene.say(&[(peer, &["("])]);
    }
    let publisher = scene.peers[0].0;
    let portion = |scene: &Scene| {
        scene.event_loop.driver.slots.get(publisher.index).expect("open").edges.portion.bytes()
    };
    let before = portion(&scene);
    // No machine delivers so much in a millisecond.
    scene.say(&[(0, &["a"; MESSAGES])]);
    assert!(portion(&scene) < before, "{} after {before}", portion(&scene));
}
