//! Commands of other threads.

use std::time::Duration;

use sansws::CloseCode;

use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::driver::DELIVERIES_PER_TURN;
use crate::hub::command::Command;
use crate::settings::Settings;
use crate::target::connect::Connect;

#[derive(Default)]
struct Wakes(usize);

impl Handler for Wakes {
    type Session = ();

    fn wake(&mut self, _: &mut Context<'_, ()>) {
        self.0 += 1;
    }
}

const NOBODY: PeerId = PeerId { generation: 0, index: 0, worker: 0 };

/// A queue that was long once does not keep its memory.
#[test]
fn queues_give_their_memory_back() {
    let mut event_loop = EventLoop::new(Wakes::default(), Settings::default()).expect("a loop");
    let handle = event_loop.handle();
    for _ in 0..2 {
        for _ in 0..50_000 {
            handle.close(NOBODY, CloseCode::NORMAL, "").expect("there is room");
            let close = Command::close(NOBODY, CloseCode::NORMAL, "").expect("a command");
            event_loop.driver.shared.command(NOBODY, close).expect("of this loop");
            event_loop.driver.shared.dials.push_back(connect());
        }
        event_loop.driver.shared.shutdown_at = Some(Duration::MAX);
        for _ in 0..50_000 / DELIVERIES_PER_TURN + 2 {
            event_loop.turn(Some(Duration::ZERO)).expect("a turn");
        }
        let driver = &event_loop.driver;
        assert!(driver.received.commands.is_empty() && driver.shared.dials.is_empty());
        assert_eq!(
            (driver.received.commands.capacity(), driver.shared.dials.capacity()),
            (0, 0),
            "slots of commands and dials"
        );
        assert_eq!(driver.shared.deferred.capacity(), 0);
    }
}

/// A short queue does, so that not every turn asks for memory.
#[test]
fn short_queues_keep_their_memory() {
    let mut event_loop = EventLoop::new(Wakes::default(), Settings::default()).expect("a loop");
    let close = Command::close(NOBODY, CloseCode::NORMAL, "").expect("a command");
    event_loop.driver.shared.command(NOBODY, close).expect("of this loop");
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    let deferred = &event_loop.driver.shared.deferred;
    assert!(deferred.is_empty() && deferred.capacity() > 0);
}

fn connect() -> Connect<()> {
    let address = "127.0.0.1:1".parse().expect("an address");
    Connect::new("ws://localhost:1/", address, ()).expect("a URL")
}

/// Slots of connections that are gone do not keep their memory.
#[test]
fn slots_give_their_memory_back() {
    let mut event_loop = EventLoop::new(Wakes::default(), Settings::default()).expect("a loop");
    event_loop.driver.shared.shutdown_at = Some(Duration::MAX);
    for _ in 0..5_000 {
        // Fails at once, in a shutdown; the slot is freed when the turn ends.
        event_loop.driver.dial(connect());
    }
    assert!(event_loop.driver.slots.capacity() >= 5_000);
    event_loop.driver.rest_of_turn();
    assert!(event_loop.driver.slots.capacity() < 2_000, "{}", event_loop.driver.slots.capacity());
}

#[test]
fn what_comes_while_many_commands_wait_is_not_forgotten() {
    let mut event_loop = EventLoop::new(Wakes::default(), Settings::default()).expect("a loop");
    let handle = event_loop.handle();
    for _ in 0..10_000 {
        handle.close(NOBODY, CloseCode::NORMAL, "").expect("there is room");
    }
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    assert_eq!(event_loop.handler().0, 1, "the wake at the start");
    handle.wake();
    for _ in 0..10 {
        event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    }
    assert_eq!(event_loop.handler().0, 2);
}
