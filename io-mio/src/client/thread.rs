//! The client thread: an event loop, and the sockets on it.

pub(crate) mod clients;
pub(crate) mod inbox;
pub(crate) mod session;
mod timers;
pub(crate) mod worker;

use std::sync::Arc;

use crate::client::thread::inbox::Thread;
use crate::client::thread::session::Driver;
use crate::client::thread::worker::Worker;
use crate::event_loop::EventLoop;

/// Runs the loop until it is shut down.
pub(crate) fn run(event_loop: EventLoop<Driver>, thread: &Arc<Thread>) {
    // No callback has been called yet.
    thread.started();
    // However this ends, nobody may wait for ever. Dropped after the worker, the first one last.
    let _over = Over(Arc::clone(thread));
    let _end = End(Arc::clone(thread));
    let mut worker = Worker::new(event_loop);
    loop {
        match worker.turn() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return log::error!("the client thread ends: {error}"),
        }
        for item in thread.take() {
            worker.look_at(item);
        }
        if let Some(deadline) = thread.take_shutdown() {
            worker.close_all();
            thread.handle.shutdown(deadline);
        }
        worker.run_timers();
    }
}

/// The end of the thread: tells everybody who is still there.
struct End(Arc<Thread>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Behind all that: tells who waits for it.
struct Over(Arc<Thread>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end();
    }
}
