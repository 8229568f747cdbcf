//! When the client thread is to look at what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// So few are not worth looking through.
const FEW: usize = 64;

/// Those that were set, each for a `Due`. What they are for may be over long before they fire.
pub(crate) struct Timers<D> {
    heap: BinaryHeap<Reverse<Timer<D>>>,
    /// How many were needed still when that was last looked at.
    needed: usize,
}

struct Timer<D> {
    at: Instant,
    due: D,
}

impl<D> Timers<D> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), needed: 0 }
    }

    pub(crate) fn set(&mut self, at: Instant, due: D) {
        self.heap.push(Reverse(Timer { at, due }));
    }

    /// When the first of them fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    /// Takes those that fire by now, in their order.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<D> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            due.extend(self.heap.pop().map(|Reverse(timer)| timer.due));
        }
        due
    }

    /// Forgets those that are needed no more, once they may be more than the others.
    pub(crate) fn compact(&mut self, is_needed: impl Fn(&D) -> bool) {
        if self.heap.len() > (2 * self.needed).max(FEW) {
            self.heap.retain(|Reverse(timer)| is_needed(&timer.due));
            self.needed = self.heap.len();
        }
    }

    /// Takes all.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = D> {
        self.heap.drain().map(|Reverse(timer)| timer.due)
    }
}

impl<D> PartialEq for Timer<D> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<D> Eq for Timer<D> {}

impl<D> PartialOrd for Timer<D> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<D> Ord for Timer<D> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::{Rc, Weak};
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_of_what_is_over_do_not_pile_up() {
        let (mut timers, now) = (Timers::new(), Instant::now());
        let at = now + Duration::from_secs(3600);
        let is_needed = |due: &Weak<()>| due.upgrade().is_some();
        let waiting: Vec<_> = (0..100).map(|_| Rc::new(())).collect();
        for it in &waiting {
            timers.set(at, Rc::downgrade(it));
        }
        for _ in 0..10_000 {
            timers.set(at, Rc::downgrade(&Rc::new(())));
            timers.compact(is_needed);
            assert!(timers.heap.len() <= 2 * waiting.len(), "{} timers", timers.heap.len());
        }
        assert_eq!(timers.take_due(now).len(), 0);
        let due = timers.take_due(at);
        assert_eq!(
            due.iter().filter(|due| is_needed(due)).count(),
            waiting.len(),
            "those that wait are there still"
        );
        assert_eq!(timers.next(), None);
    }
}
