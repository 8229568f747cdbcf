//! What happens in a turn and what has to wait, with the kernel played.

use std::time::Duration;

use sansws::{CloseCode, Message};

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::event_loop::EventLoop;
use crate::event_loop::driver::DELIVERIES_PER_TURN;
use crate::event_loop::tests::virtual_time::{Socket, ms, readable, writable};
use crate::phases;
use crate::settings::Settings;
use crate::settings::slow_consumer::SlowConsumer;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[derive(Clone, Copy, PartialEq)]
enum On {
    Nothing,
    MessagePublish,
    MessageSendAndTellItself { closes: bool },
    MessageTellItselfAndSend,
    MessagePublishWithinAnother,
    MessageSendWithRoomForTwo,
    MessageAndDrainedSend,
    DrainedFail,
    WrittenFail,
}

struct App {
    does: On,
    drained: usize,
}

impl Handler for App {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        if self.does == On::MessageSendWithRoomForTwo {
            accept.high_water(170_000);
        }
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("topic").expect("open");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        match self.does {
            On::MessagePublish => peer.publish_to_others("topic", message).expect("there is one loop"),
            On::MessageAndDrainedSend | On::MessageSendWithRoomForTwo => send_much(peer),
            On::MessageSendAndTellItself { closes } => {
                peer.send("a").expect("there is room");
                let id = peer.id();
                if closes {
                    peer.close_peer(id, CloseCode::NORMAL, "").expect("there is one loop");
                } else {
                    peer.send_to(id, "bb").expect("there is one loop");
                }
            }
            On::MessageTellItselfAndSend => {
                peer.send_to(peer.id(), "a").expect("there is one loop");
                peer.publish("topic", "bb").expect("there is one loop");
                peer.send("ccc").expect("there is room");
                peer.close_peer(peer.id(), CloseCode::NORMAL, "").expect("there is one loop");
            }
            On::MessagePublishWithinAnother => {
                peer.send_binary_fragment(&[1], false).expect("there is room");
                for _ in 0..10 {
                    peer.publish("topic", &[2; 1000][..]).expect("there is one loop");
                }
                peer.send_binary_fragment(&[3; 4000], true).expect("there is room for the rest");
            }
            _ => {}
        }
    }

    fn drained(&mut self, peer: &mut Peer<'_, ()>) {
        self.drained += 1;
        match self.does {
            On::MessageAndDrainedSend => send_much(peer),
            On::DrainedFail => peer.fail(CloseCode::POLICY_VIOLATION),
            _ => {}
        }
    }

    fn written(&mut self, peer: &mut Peer<'_, ()>) {
        if self.does == On::WrittenFail && peer.is_open() {
            peer.fail(CloseCode::POLICY_VIOLATION);
        }
    }
}

fn send_much(peer: &mut Peer<'_, ()>) {
    // Refused while there is no room.
    let _ = peer.send(&[7; 80_000][..]);
}

fn event_loop(does: On, settings: Settings) -> EventLoop<App> {
    EventLoop::new(App { does, drained: 0 }, settings).expect("an event queue")
}

/// Turns until the loop would sleep; how many they were.
fn settle(event_loop: &mut EventLoop<App>, now: Duration) -> usize {
    let mut turns = 0;
    while event_loop.is_busy() {
        event_loop.scripted_turn(now, &[]);
        turns += 1;
        assert!(turns < 10_000, "busy for ever");
    }
    turns
}

/// Also if each read has drained the socket, so that no turn goes on.
#[test]
fn a_burst_of_much_work_makes_the_next_portion_smaller() {
    const SUBSCRIBERS: usize = 20;
    let mut event_loop = event_loop(On::MessagePublish, Settings::default());
    let publisher = Socket::with_room(1_000_000);
    let peer = event_loop.dialled_scripted(Box::new(publisher.clone()), ());
    for _ in 0..SUBSCRIBERS {
        event_loop.dialled_scripted(Box::new(Socket::with_room(10_000_000)), ());
    }
    settle(&mut event_loop, ms(1));
    let portion = |event_loop: &mut EventLoop<App>| {
        event_loop.driver.slots.get_peer(peer).expect("it is there").edges.portion.bytes()
    };
    let before = portion(&mut event_loop);
    // Less than a portion; no machine delivers so much in a millisecond.
    publisher.buffers().arrived = [0x82, 0].repeat(before / 2 - 10);
    event_loop.scripted_turn(ms(1), &[readable(peer)]);
    assert!(publisher.buffers().arrived.is_empty());
    let after = portion(&mut event_loop);
    assert!(after < before, "{after} after {before}");
}

#[test]
fn who_publishes_to_many_is_read_in_smaller_portions() {
    const SUBSCRIBERS: usize = 20;
    const MESSAGES: usize = 20_000;
    const FRAME: usize = 6;
    let mut event_loop = event_loop(On::MessagePublish, Settings::default());
    let publisher = Socket::with_room(1_000_000);
    let peer = event_loop.dialled_scripted(Box::new(publisher.clone()), ());
    let subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| Socket::with_room(1_000_000)).collect();
    for socket in &subscribers {
        event_loop.dialled_scripted(Box::new(socket.clone()), ());
    }
    publisher.buffers().arrived = [0x82, 0].repeat(MESSAGES);
    event_loop.scripted_turn(ms(1), &[readable(peer)]);
    let portion = event_loop.driver.slots.get_peer(peer).map(|slot| slot.edges.portion.bytes());
    // No machine delivers so much in a millisecond.
    assert!(portion.is_some_and(|bytes| bytes <= 8192), "{portion:?}");
    assert!(!publisher.buffers().arrived.is_empty(), "others have their turn");
    settle(&mut event_loop, ms(2));
    for socket in subscribers {
        assert_eq!(socket.buffers().written.len(), MESSAGES * FRAME);
    }
}

#[test]
fn what_a_connection_is_sent_in_its_turn_keeps_its_order() {
    for closes in [false, true] {
        let mut event_loop = event_loop(On::MessageSendAndTellItself { closes }, Settings::default());
        let socket = Socket::with_room(1000);
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        socket.buffers().arrived = vec![0x82, 0];
        event_loop.scripted_turn(ms(1), &[readable(peer)]);
        settle(&mut event_loop, ms(1));
        // A message of one byte, then one of two, or the Close, after which nothing comes.
        let (second, len) = if closes { (0x88, 8) } else { (0x81, 8) };
        let written = &socket.buffers().written;
        assert_eq!((written[0], written[1], written[7], written.len()), (0x81, 0x81, second, 7 + len));
    }
}

#[test]
fn what_a_connection_tells_itself_keeps_its_order_too() {
    let mut event_loop = event_loop(On::MessageTellItselfAndSend, Settings::default());
    let socket = Socket::with_room(1000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    // The second message comes after the close, and is not heard.
    socket.buffers().arrived = vec![0x82, 0, 0x82, 0];
    event_loop.scripted_turn(ms(1), &[readable(peer)]);
    settle(&mut event_loop, ms(1));
    let written = socket.buffers().written.clone();
    let heads = [0, 7, 15, 24].map(|at| (written[at], written[at + 1]));
    assert_eq!(heads, [(0x81, 0x81), (0x81, 0x82), (0x81, 0x83), (0x88, 0x82)]);
    assert_eq!(written.len(), 24 + 8);
}

#[test]
fn what_waits_for_the_end_of_a_message_leaves_room_for_it() {
    let settings = Settings { max_buffered: 10_000, ..Settings::default() };
    let mut event_loop = event_loop(On::MessagePublishWithinAnother, settings);
    let socket = Socket::with_room(100_000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    let slot = event_loop.driver.slots.get_peer(peer).expect("it is there");
    slot.link.slow_consumer = SlowConsumer::Drop;
    socket.buffers().arrived = vec![0x82, 0];
    event_loop.scripted_turn(ms(1), &[readable(peer)]);
    settle(&mut event_loop, ms(1));
    // Two fragments, and as many messages as half of the queue can hold, each of them reckoned with
    // the longest header.
    assert_eq!(socket.buffers().written.len(), 7 + 4008 + 4 * 1008);
    let slot = event_loop.driver.slots.get_peer(peer).expect("it is there");
    assert_eq!(slot.link.rare().dropped, 6);
}

#[test]
fn a_connection_may_have_a_high_water_mark_of_its_own() {
    let settings = || Settings { high_water: 50_000, low_water: 10_000, ..Settings::default() };
    for (does, expected) in
        [(On::MessageAndDrainedSend, [true; 3]), (On::MessageSendWithRoomForTwo, [false, false, true])]
    {
        let mut event_loop = event_loop(does, settings());
        let socket = Socket::with_room(1000);
        let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
        socket.buffers().arrived = REQUEST.to_vec();
        event_loop.scripted_turn(ms(1), &[readable(peer)]);
        settle(&mut event_loop, ms(1));
        socket.buffers().room = 0;
        let congested = expected.map(|_| {
            socket.buffers().arrived = vec![0x82, 0x80, 0, 0, 0, 0];
            event_loop.scripted_turn(ms(1), &[readable(peer)]);
            settle(&mut event_loop, ms(1));
            event_loop.driver.slots.get_peer(peer).expect("it is there").link.congested
        });
        assert_eq!(congested, expected);
    }
}

/// A dialled connection is read without an event, too, if TLS has read more than the response.
#[test]
fn reading_outside_of_a_turn_leaves_none_behind() {
    let mut event_loop = event_loop(On::Nothing, Settings::default());
    let (first, second) = (Socket::with_room(1000), Socket::with_room(1000));
    let reader = event_loop.dialled_scripted(Box::new(first.clone()), ());
    let other = event_loop.dialled_scripted(Box::new(second.clone()), ());
    settle(&mut event_loop, ms(1));
    first.buffers().arrived = vec![0x82, 0];
    event_loop.driver.slots.get_peer(reader).expect("it is there").edges.readable = true;
    event_loop.driver.turn_of(reader, phases::go_on);
    event_loop.handle().send(reader, "for the reader").expect("there is room");
    event_loop.handle().send(other, "x").expect("there is room");
    event_loop.scripted_turn(ms(1), &[]);
    settle(&mut event_loop, ms(1));
    assert_eq!(second.buffers().written.len(), 7, "nothing of the other one's");
    assert_eq!(first.buffers().written.len(), 6 + "for the reader".len());
}

/// Over TLS a read writes the records that wait: the queue may be empty before any event says that
/// there is room.
#[test]
fn drained_is_called_if_the_queue_was_written_by_a_read() {
    let mut event_loop = event_loop(On::Nothing, Settings::default());
    let peer = event_loop.dialled_scripted(Box::new(Socket::with_room(1000)), ());
    settle(&mut event_loop, ms(1));
    event_loop.driver.slots.get_peer(peer).expect("it is there").link.congested = true;
    event_loop.scripted_turn(ms(1), &[writable(peer)]);
    assert_eq!(event_loop.handler().drained, 1);
}

#[test]
fn a_ping_that_cannot_be_written_ends_the_connection() {
    let mut event_loop = event_loop(On::Nothing, Settings::default());
    let socket = Socket::with_room(1000);
    event_loop.dialled_scripted(Box::new(socket.clone()), ());
    settle(&mut event_loop, ms(1));
    socket.buffers().is_broken = true;
    let ping_due = event_loop.next_deadline().expect("a Ping is due");
    event_loop.scripted_turn(ping_due, &[]);
    settle(&mut event_loop, ping_due);
    assert_eq!(event_loop.handle().connections(), 0, "no event comes, and it is not asked for again");
}

#[test]
fn what_was_asked_for_before_a_shutdown_is_done_before_it() {
    const MESSAGES: usize = DELIVERIES_PER_TURN + 1000;
    let mut event_loop = event_loop(On::Nothing, Settings::default());
    let socket = Socket::with_room(10_000_000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    event_loop.scripted_turn(ms(1), &[]);
    for _ in 0..MESSAGES {
        event_loop.handle().send(peer, "x").expect("there is room");
    }
    event_loop.handle().shutdown(Duration::from_secs(5));
    event_loop.scripted_turn(ms(2), &[]);
    settle(&mut event_loop, ms(2));
    // A masked frame with one byte, and a Close with a code.
    assert_eq!(socket.buffers().written.len(), MESSAGES * 7 + 8);
}

#[test]
fn a_connection_that_is_failed_when_output_has_gone_out_says_so() {
    for does in [On::DrainedFail, On::WrittenFail] {
        let mut event_loop = event_loop(On::Nothing, Settings::default());
        let socket = Socket::with_room(0);
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        event_loop.context().peer(peer).expect("open").send(&[7; 300_000][..]).expect("queued");
        event_loop.scripted_turn(ms(1), &[]);
        event_loop.handler_mut().does = does;
        socket.buffers().room = 1_000_000;
        event_loop.scripted_turn(ms(2), &[writable(peer)]);
        settle(&mut event_loop, ms(2));
        assert_eq!(socket.buffers().written.len(), 14 + 300_000 + 8, "the message and the Close");
    }
}

#[test]
fn a_peer_that_sends_and_does_not_read_does_not_keep_the_loop_busy() {
    let settings = Settings { max_buffered: 100_000, ..Settings::default() };
    let mut event_loop = event_loop(On::MessageAndDrainedSend, settings);
    let socket = Socket::with_room(0);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    event_loop.context().peer(peer).expect("open").send(&[7; 40_000][..]).expect("queued");
    event_loop.scripted_turn(ms(1), &[]);
    socket.buffers().arrived = [0x82, 0].repeat(40_000);
    event_loop.scripted_turn(ms(2), &[readable(peer)]);
    assert!(settle(&mut event_loop, ms(2)) < 10);
    assert_eq!(event_loop.handler().drained, 0);

    // It reads a little, which is not enough, and then enough.
    for (room, drained) in [(1000, 1), (39_000, 2)] {
        socket.buffers().room = room;
        event_loop.scripted_turn(ms(3), &[writable(peer)]);
        assert!(settle(&mut event_loop, ms(3)) < 10);
        assert_eq!(event_loop.handler().drained, drained);
    }
}

#[test]
fn who_has_the_largest_message_in_progress_makes_room_for_the_others() {
    let settings = Settings { max_incomplete_bytes: 400_000, ..Settings::default() };
    let mut event_loop = event_loop(On::Nothing, settings);
    let mut begin = |len: u16, part: usize| {
        let socket = Socket::with_room(1000);
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        let header = [&[0x82, 126][..], &len.to_be_bytes()].concat();
        socket.buffers().arrived.extend_from_slice(&[&header[..], &vec![1; part]].concat());
        event_loop.scripted_turn(ms(1), &[readable(peer)]);
        settle(&mut event_loop, ms(1));
        socket
    };
    let large: Vec<_> = (0..20).map(|_| begin(60_001, 60_000)).collect();
    let failed =
        |sockets: &[Socket]| sockets.iter().filter(|socket| !socket.buffers().written.is_empty()).count();
    assert!(failed(&large) < 20, "some of them have room");
    let small: Vec<_> = (0..100).map(|_| begin(200, 2)).collect();
    assert_eq!(failed(&small), 0, "two bytes of two hundred");
    let middle: Vec<_> = (0..10).map(|_| begin(10_001, 10_000)).collect();
    assert_eq!((failed(&middle), failed(&small)), (0, 0));
}
