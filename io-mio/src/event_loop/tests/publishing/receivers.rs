//! Receivers that a batch cannot simply be written to: slow, dialled and broken ones, and those
//! that publish when they are written to. And how long a batch may be.

use super::*;

/// A queue of little more than one batch of thirty messages.
fn small() -> Settings {
    Settings { max_buffered: 4096, high_water: 2048, low_water: 1024, ..Settings::default() }
}

/// So many messages, each of which is a frame of so many bytes.
fn numbered(count: usize, frame_len: usize) -> Vec<String> {
    let len = frame_len - if frame_len < 128 { 2 } else { 4 };
    (0..count).map(|number| format!("{:x<len$}", format!("a{number:03}"))).collect()
}

/// These messages as [`Scene::heard`] returns them.
fn said(messages: &[String]) -> String {
    messages.iter().map(|message| shortened(message) + " ").collect()
}

/// At once, or queued, since another connection waits for its turn.
const WAYS: [&[(usize, &[&str])]; 2] = [&[], &[(1, &[])]];

impl Scene {
    /// The first publishes a batch. Without the time that its input takes: all of it is one batch on
    /// any machine.
    fn publish(&mut self, messages: &[String], others: &[(usize, &[&str])]) {
        self.event_loop.untimed();
        let messages: Vec<&str> = messages.iter().map(|message| &**message).collect();
        self.say(&[&[(0, &messages[..])], others].concat());
    }

    /// From now on the receive buffer is filled at each read, as it is for those that are quick.
    fn read_all_at_once(&mut self, peer: usize) {
        let driver = &mut self.event_loop.driver;
        let slot = driver.slots.get_mut(self.peers[peer].0.index).expect("open");
        (0..10).for_each(|_| slot.edges.portion.double(driver.shared.settings.receive_buffer));
    }

    /// The kernel takes all that there is.
    fn make_room(&mut self, peer: usize) {
        let (id, socket) = &self.peers[peer];
        socket.buffers().room = usize::MAX;
        let edge = writable(*id);
        self.turn(&[edge]);
    }
}

/// What happens to a slow reader depends on its policy and on each message, as if it had been
/// published alone.
#[test]
fn a_batch_that_a_queue_has_no_room_for_is_delivered_by_the_message() {
    for others in WAYS {
        let mut scene = Scene::of(&["/", "/", "/drop", "/close"], small());
        let messages = numbered(100, 102);
        (1..4).for_each(|peer| scene.peers[peer].1.buffers().room = 0);
        scene.publish(&messages, others);
        (1..4).for_each(|peer| scene.make_room(peer));

        assert_eq!(scene.heard(0).0, said(&messages));
        // As many as the queue holds; of the next one it is said that there is a gap.
        assert_eq!(scene.heard(1).0, said(&messages[..40]) + "1013 ");
        // As many as it takes to be over the mark of 2048 bytes.
        assert_eq!(scene.heard(2).0, said(&messages[..21]));
        assert_eq!(scene.heard(3).0, said(&messages[..21]) + "4000 ");
        let metrics = scene.event_loop.driver.shared.metrics();
        assert_eq!((metrics.messages_dropped, metrics.slow_consumers), (79, 2));
        assert_eq!(metrics.messages_sent, 100 + 40 + 21 + 21);

        scene.forget();
        scene.say(&[(0, &["a"])]);
        assert_eq!([1, 2, 3].map(|peer| scene.heard(peer).0), ["", "a ", ""]);
    }
}

/// The mark is looked at behind a batch, wherever in it the kernel stops.
#[test]
fn a_batch_that_makes_a_reader_slow_is_queued_whole() {
    for others in WAYS {
        for room in [0, 1, 102, 150] {
            let mut scene = Scene::of(&["/", "/", "/drop", "/close"], small());
            let messages = numbered(32, 102);
            (1..4).for_each(|peer| scene.peers[peer].1.buffers().room = room);
            scene.publish(&messages[..30], others);
            assert_eq!(scene.heard(0), (said(&messages[..30]), 1));
            let metrics = scene.event_loop.driver.shared.metrics();
            assert_eq!((metrics.messages_sent, metrics.slow_consumers), (4 * 30, 1));

            scene.publish(&messages[30..], others);
            assert_eq!(scene.event_loop.driver.shared.metrics().messages_dropped, 2);
            (1..4).for_each(|peer| scene.make_room(peer));
            assert_eq!(scene.heard(1).0, said(&messages));
            assert_eq!(scene.heard(2).0, said(&messages[..30]));
            assert_eq!(scene.heard(3).0, said(&messages[..30]) + "4000 ", "{room} bytes");
        }
    }
}

/// §5.1: "a client MUST mask all frames that it sends to the server".
#[test]
fn a_dialled_receiver_masks_what_servers_send_as_it_is() {
    for others in WAYS {
        // Short ones are copied to a queue, long ones shared with others.
        for len in [12, 600] {
            let mut scene = Scene::new(2, Settings::default());
            let socket = Socket::with_room(usize::MAX);
            let dialled = scene.event_loop.dialled_scripted(Box::new(socket.clone()), ());
            scene.peers.push((dialled, socket));
            scene.turn(&[writable(dialled)]);
            scene.forget();
            let messages = numbered(3, len);
            scene.publish(&messages, others);
            assert_eq!(scene.heard(0), (said(&messages), 1));
            assert_eq!(scene.heard(1), (said(&messages), 1));
            let masked: String = messages.iter().map(|message| format!("~{} ", shortened(message))).collect();
            assert_eq!(scene.heard(2), (masked, 1), "{len} bytes");
            assert_eq!(scene.event_loop.driver.shared.metrics().messages_sent, 9);
        }
    }
}

/// Wherever in the batch that is: nobody else is concerned, and what was not written is accounted
/// for.
#[test]
fn a_socket_that_breaks_in_a_batch_ends_its_connection_only() {
    const LEN: usize = 3 * 4;
    for others in WAYS {
        for room in 0..=LEN {
            // The one that breaks is the first, the next or the last that the batch is written to.
            for broken in 0..3 {
                let mut scene = Scene::new(3, Settings::default());
                let handshake =
                    scene.event_loop.context().peer(scene.peers[broken].0).expect("open").written();
                let (id, socket) = scene.peers[broken].clone();
                (socket.buffers().room, socket.buffers().breaks_when_full) = (room, true);
                scene.publish(&["a1".into(), "a2".into(), "a3".into()], others);

                assert_eq!(socket.buffers().written.len(), room);
                let left = &scene.event_loop.driver.handler.left[..];
                let what = format!("{room} bytes to {broken}, {others:?}");
                if room == LEN {
                    assert_eq!(left, [], "{what}");
                    continue;
                }
                assert_eq!(left, [(id, handshake + room as u64, LEN - room)], "{what}");
                for peer in (0..3).filter(|peer| *peer != broken) {
                    assert_eq!(scene.heard(peer).0, "a1 a2 a3 left ", "{what}");
                }
            }
        }
    }
}

/// All hear the same in the same order, and of what is published then nothing is lost.
#[test]
fn what_is_published_when_a_batch_was_written_comes_behind_it() {
    for others in WAYS {
        for again in [1, 2, 5] {
            let mut scene = Scene::new(3, Settings::default());
            scene.event_loop.driver.handler.republish = again;
            scene.publish(&["a1".into(), "a2".into()], others);
            for peer in 0..3 {
                assert_eq!(scene.heard(peer).0, format!("a1 a2 {}", "a+ ".repeat(again)), "{peer}");
            }
        }
    }
}

/// One that always has something to say when it was written to does not keep the loop from others.
#[test]
fn what_is_published_when_a_batch_was_written_waits_for_the_next_turn() {
    const MANY: usize = 10_000;
    for others in WAYS {
        let mut scene = Scene::new(3, Settings::default());
        scene.event_loop.driver.handler.republish = MANY;
        scene.peers[0].1.buffers().arrived.extend(b"\x81\x81\0\0\0\0a");
        let edges: Vec<_> = [0].into_iter().chain(others.iter().map(|(from, _)| *from)).collect();
        let edges: Vec<_> = edges.iter().map(|from| readable(scene.peers[*from].0)).collect();
        for _ in 0..3 {
            let before = scene.event_loop.driver.handler.republish;
            scene.event_loop.scripted_turn(ms(1), &edges);
            let published = before - scene.event_loop.driver.handler.republish;
            // Each is told after its own turn, after the batch, and at the end of the loop's turn.
            assert!((1..=9).contains(&published), "{published} in one turn");
        }
    }
}

/// A batch is queued whole or not at all, so a reader that drops what it has no time for has
/// exactly the first one.
#[test]
fn a_batch_has_64_kib_at_most() {
    const BATCH: usize = 64 << 10;
    for others in WAYS {
        for frame_len in [1024, 1023, 1025, BATCH / 2, BATCH / 2 + 1] {
            let settings =
                Settings { max_buffered: 1 << 20, high_water: 1, low_water: 0, ..Settings::default() };
            let mut scene = Scene::of(&["/", "/drop", "/"], settings);
            scene.peers[1].1.buffers().room = 0;
            let in_one_read = (100 << 10) / frame_len;
            let messages = numbered(in_one_read, frame_len);
            scene.read_all_at_once(0);
            scene.publish(&messages, others);
            scene.make_room(1);
            assert_eq!(scene.heard(1).0, said(&messages[..BATCH / frame_len]), "{frame_len} bytes");
            // However many batches they are, others have all.
            assert_eq!(scene.heard(0).0, said(&messages));
            assert_eq!(scene.heard(2).0, said(&messages));
            let dropped = (in_one_read - BATCH / frame_len) as u64;
            assert_eq!(scene.event_loop.driver.shared.metrics().messages_dropped, dropped);
        }
    }
}
