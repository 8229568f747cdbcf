//! When the client thread is to look at what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::client::keeper::Keeper;
use crate::client::socket::Socket;

/// So few are not worth looking through.
const FEW: usize = 64;

/// Those that were set. What they are for may be over long before they fire.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// How many were needed still when that was last looked at.
    needed: usize,
}

struct Timer {
    at: Instant,
    due: Due,
}

pub(crate) enum Due {
    /// The time to connect is up.
    Connect(Weak<Socket>),
    /// With the moment for which it was set, in the keeper's time.
    Keeper(Weak<Keeper>, Duration),
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse(Timer { at, due }));
    }

    /// When the first of them fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    /// Takes those that fire by now, in their order.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            due.extend(self.heap.pop().map(|Reverse(timer)| timer.due));
        }
        due
    }

    /// Forgets those that are needed no more, once they may be more than the others.
    pub(crate) fn compact(&mut self) {
        if self.heap.len() > (2 * self.needed).max(FEW) {
            self.heap.retain(|Reverse(timer)| timer.due.is_needed());
            self.needed = self.heap.len();
        }
    }

    /// The keepers that wait for something.
    pub(crate) fn drain_keepers(&mut self) -> impl Iterator<Item = Arc<Keeper>> {
        self.heap.drain().filter_map(|Reverse(timer)| match timer.due {
            Due::Keeper(keeper, _) => keeper.upgrade(),
            Due::Connect(_) => None,
        })
    }
}

impl Due {
    fn is_needed(&self) -> bool {
        match self {
            Self::Connect(socket) => socket.upgrade().is_some_and(|socket| socket.lock().is_connecting()),
            Self::Keeper(keeper, at) => keeper.upgrade().is_some_and(|keeper| keeper.waits_for_timer(*at)),
        }
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::event::CloseEvent;
    use crate::client::plan::{Options, Plan};
    use crate::client::socket::Sink;
    use crate::client::thread::Thread;

    fn socket() -> Arc<Socket> {
        let plan = Arc::new(Plan::new(Options::new("ws://h")).expect("a URL"));
        Socket::new(plan, Thread::stopped(), Sink::Polling)
    }

    #[test]
    fn timers_of_connections_that_are_not_being_made_any_more_do_not_pile_up() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let at = now + Duration::from_secs(3600);
        let waiting: Vec<_> = (0..100).map(|_| socket()).collect();
        for socket in &waiting {
            timers.set(at, Due::Connect(Arc::downgrade(socket)));
        }
        for n in 0..10_000 {
            let ended = socket();
            timers.set(at, Due::Connect(Arc::downgrade(&ended)));
            if n % 2 == 0 {
                ended.ended(CloseEvent::abnormal(), true, None, Vec::new());
            }
            drop(ended);
            timers.compact();
            assert!(timers.heap.len() <= 2 * waiting.len(), "{} timers", timers.heap.len());
        }
        assert_eq!(timers.take_due(now).len(), 0);
        timers.heap.retain(|Reverse(timer)| timer.due.is_needed());
        assert_eq!(timers.take_due(at).len(), waiting.len(), "those that wait are there still");
        assert_eq!(timers.next(), None);
    }
}
