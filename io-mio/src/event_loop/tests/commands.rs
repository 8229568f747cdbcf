//! Commands of other threads.

use std::time::Duration;

use sansws::CloseCode;

use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::settings::Settings;

#[derive(Default)]
struct Wakes(usize);

impl Handler for Wakes {
    type Session = ();

    fn wake(&mut self, _: &mut Context<'_, ()>) {
        self.0 += 1;
    }
}

#[test]
fn what_comes_while_many_commands_wait_is_not_forgotten() {
    let mut event_loop = EventLoop::new(Wakes::default(), Settings::default()).expect("a loop");
    let handle = event_loop.handle();
    let nobody = PeerId { generation: 0, index: 0, worker: 0 };
    for _ in 0..10_000 {
        handle.close(nobody, CloseCode::NORMAL, "").expect("there is room");
    }
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    assert_eq!(event_loop.handler().0, 1, "the wake at the start");
    handle.wake();
    for _ in 0..10 {
        event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    }
    assert_eq!(event_loop.handler().0, 2);
}
