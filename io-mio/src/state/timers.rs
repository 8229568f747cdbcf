//! When the loop has to look at a connection again, and the application's own timers.
//!
//! A connection's deadline moves with every byte received, so the heap holds only the moment at
//! which to *look*: a connection is pushed again when that moment comes and its deadline has moved
//! on. A message costs no work here; an idle connection costs 12 bytes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

/// Milliseconds since the loop began.
pub(crate) type Tick = u64;

/// Rounded up, so that nothing fires early.
pub(crate) fn tick_at(time: Duration) -> Tick {
    let ms = time.as_millis() + u128::from(time.subsec_nanos() % 1_000_000 != 0);
    Tick::try_from(ms).unwrap_or(Tick::MAX)
}

/// No entry of the connection's is in the heap.
pub(crate) const NOT_ARMED: Tick = Tick::MAX;

/// The application's timers: more than this many different milliseconds are not kept apart.
const MAX_WAKES: usize = 1024;

/// Room for so many entries is kept when their connections are gone.
const KEPT_LOOKS: usize = 1024;

/// Packed, as each connection has one.
#[repr(Rust, packed(4))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    due: Tick,
    slot: u32,
}

#[derive(Default)]
pub(crate) struct Timers {
    /// When to look at which slot. An entry that differs from the slot's `armed` is stale.
    looks: BinaryHeap<Reverse<Look>>,
    wakes: BTreeSet<Tick>,
}

impl Timers {
    /// Asks for a look at the slot at `due`; `armed` is the slot's field that says which entry
    /// counts.
    pub(crate) fn arm(&mut self, slot: u32, armed: &mut Tick, due: Tick) {
        // An earlier look is on its way: it will find the later deadline.
        if due < *armed {
            *armed = due;
            self.looks.push(Reverse(Look { due, slot }));
        }
    }

    /// The next slot to look at, if its time has come. `armed_of` tells the `armed` of a slot, so
    /// that stale entries are skipped.
    ///
    /// The caller sets the slot's `armed` to [`NOT_ARMED`] and arms it anew.
    pub(crate) fn pop_due(&mut self, now: Tick, armed_of: impl Fn(u32) -> Option<Tick>) -> Option<u32> {
        while let Some(&Reverse(Look { due, slot })) = self.looks.peek() {
            if due > now {
                return None;
            }
            self.looks.pop();
            if armed_of(slot) == Some(due) {
                return Some(slot);
            }
        }
        None
    }

    /// Drops stale entries when they outnumber the live ones, and gives memory back.
    pub(crate) fn compact(&mut self, slots: usize, armed_of: impl Fn(u32) -> Option<Tick>) {
        if self.looks.len() > 2 * slots + 64 {
            self.looks.retain(|&Reverse(Look { due, slot })| armed_of(slot) == Some(due));
            self.looks.shrink_to(2 * slots);
        } else if self.looks.capacity() > 16 * slots + KEPT_LOOKS {
            // There were many more connections once.
            self.looks.shrink_to(4 * slots);
        }
    }

    /// Asks for a call of the application's `wake` at `due`.
    ///
    /// Beyond [`MAX_WAKES`] pending moments a new one shares the call of a later one: late, never
    /// lost.
    pub(crate) fn add_wake(&mut self, due: Tick) {
        if self.wakes.len() >= MAX_WAKES {
            if self.wakes.range(due..).next().is_some() {
                return;
            }
            self.wakes.pop_last();
        }
        self.wakes.insert(due);
    }

    /// Whether a `wake` is due. All that are due are one call.
    pub(crate) fn take_due_wakes(&mut self, now: Tick) -> bool {
        let mut due = false;
        while self.wakes.first().is_some_and(|&wake| wake <= now) {
            self.wakes.pop_first();
            due = true;
        }
        due
    }

    /// The next moment at which there may be something to do. It may be for a stale entry.
    pub(crate) fn next(&self) -> Option<Tick> {
        let look = self.looks.peek().map(|&Reverse(Look { due, .. })| due);
        let wake = self.wakes.first().copied();
        match (look, wake) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn ticks_round_up() {
        assert_eq!(tick_at(Duration::ZERO), 0);
        assert_eq!(tick_at(Duration::from_millis(7)), 7);
        assert_eq!(tick_at(Duration::from_micros(7001)), 8);
        assert_eq!(tick_at(Duration::MAX), Tick::MAX);
    }

    #[test]
    fn memory_is_given_back() {
        let mut timers = Timers::default();
        for slot in 0..50_000 {
            timers.arm(slot, &mut NOT_ARMED.clone(), 1);
        }
        timers.compact(50_000, |_| Some(1));
        assert!(timers.looks.capacity() >= 50_000);
        while timers.pop_due(1, |_| Some(1)).is_some() {}
        timers.compact(3, |_| None);
        assert!(timers.looks.capacity() < 100, "{}", timers.looks.capacity());
    }

    #[test]
    fn wakes_are_late_rather_than_lost() {
        let mut timers = Timers::default();
        for due in 0..MAX_WAKES as Tick {
            timers.add_wake(due * 10 + 10);
        }
        timers.add_wake(15);
        assert!(!timers.take_due_wakes(9));
        assert!(timers.take_due_wakes(10));
        assert!(!timers.take_due_wakes(19));
        assert!(timers.take_due_wakes(20), "the wake asked for at 15 comes with the one at 20");
        for extra in 0..3 {
            timers.add_wake(1_000_000 + extra);
        }
        assert!(timers.wakes.len() <= MAX_WAKES);
        assert_eq!(timers.wakes.last(), Some(&1_000_002));
    }

    /// What a test does to one of eight slots, or to the clock.
    #[derive(Debug, Clone)]
    enum Step {
        /// The deadline of a slot becomes this (as after traffic, or when a closing deadline
        /// begins).
        Deadline(u32, Tick),
        /// The slot is freed.
        Free(u32),
        /// Time goes on.
        Advance(Tick),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..8_u32, 1..200_u64).prop_map(|(slot, after)| Step::Deadline(slot, after)),
            (0..8_u32).prop_map(Step::Free),
            (0..100_u64).prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// The heap with lazy looks fires the same deadlines as a sorted map that is kept exact.
        #[test]
        fn fires_what_a_sorted_map_fires(steps in steps()) {
            let mut timers = Timers::default();
            let mut now: Tick = 0;
            let mut deadlines: BTreeMap<u32, Tick> = BTreeMap::new();
            let mut armed = [NOT_ARMED; 8];
            for step in steps {
                match step {
                    Step::Deadline(slot, after) => {
                        deadlines.insert(slot, now + after);
                        timers.arm(slot, &mut armed[slot as usize], now + after);
                    }
                    Step::Free(slot) => {
                        deadlines.remove(&slot);
                        armed[slot as usize] = NOT_ARMED;
                    }
                    Step::Advance(by) => now += by,
                }
                let mut expected: Vec<u32> = deadlines.iter().filter(|&(_, &due)| due <= now).map(|(&slot, _)| slot).collect();
                let mut fired = Vec::new();
                while let Some(slot) = timers.pop_due(now, |slot| Some(armed[slot as usize])) {
                    armed[slot as usize] = NOT_ARMED;
                    match deadlines.get(&slot) {
                        Some(&due) if due <= now => {
                            deadlines.remove(&slot);
                            fired.push(slot);
                        }
                        Some(&due) => timers.arm(slot, &mut armed[slot as usize], due),
                        None => {}
                    }
                }
                fired.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
                // Never asleep past a deadline.
                if let Some(&first) = deadlines.values().min() {
                    prop_assert!(timers.next().is_some_and(|next| next <= first));
                }
                timers.compact(8, |slot| Some(armed[slot as usize]));
                prop_assert!(timers.looks.len() <= 80);
            }
        }
    }
}
