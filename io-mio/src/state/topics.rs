//! Who wants what is published under which name.

use std::collections::BTreeMap;
use std::fmt;

use crate::settings::topic_limits::TopicLimits;
use crate::state::names::Names;
use crate::state::small_set::SmallSet;

/// The subscriptions of one loop. A topic exists as long as it has a subscriber.
#[derive(Default)]
pub(crate) struct Topics {
    /// Slots, by the name of the topic.
    subscribers: Names<SmallSet<u32>>,
    /// Numbers of topics, by the slot that is subscribed to them.
    of_slots: BTreeMap<u32, SmallSet<u32>>,
    /// All subscriptions.
    total: usize,
}

impl Topics {
    pub(crate) fn subscribe(
        &mut self,
        topic: &str,
        slot: u32,
        limits: &TopicLimits,
    ) -> Result<(), TopicError> {
        if topic.len() > limits.max_name_len {
            return Err(TopicError::NameTooLong);
        }
        let known = self.subscribers.find(topic);
        if known.is_some_and(|topic| self.has(topic, slot)) {
            return Ok(());
        }
        if self.of_slots.get(&slot).map_or(0, SmallSet::len) >= limits.max_per_connection {
            return Err(TopicError::TooMany);
        }
        if self.total >= limits.max_per_loop {
            return Err(TopicError::TooManyInTotal);
        }
        let number = known.or_else(|| self.subscribers.insert(topic, SmallSet::default()));
        let number = number.ok_or(TopicError::TooManyInTotal)?;
        if let Some(slots) = self.subscribers.get_mut(number) {
            slots.insert(slot);
        }
        self.of_slots.entry(slot).or_default().insert(number);
        self.total += 1;
        Ok(())
    }

    /// Whether the slot was subscribed.
    pub(crate) fn unsubscribe(&mut self, topic: &str, slot: u32) -> bool {
        let Some(topic) = self.subscribers.find(topic) else { return false };
        let Some(own) = self.of_slots.get_mut(&slot) else { return false };
        let was_there = own.remove(&topic);
        if own.is_empty() {
            self.of_slots.remove(&slot);
        }
        if was_there {
            self.remove_subscriber(topic, slot);
        }
        was_there
    }

    pub(crate) fn unsubscribe_all(&mut self, slot: u32) {
        let Some(own) = self.of_slots.remove(&slot) else { return };
        for &topic in own.iter() {
            self.remove_subscriber(topic, slot);
        }
    }

    fn remove_subscriber(&mut self, topic: u32, slot: u32) {
        let Some(slots) = self.subscribers.get_mut(topic) else { return };
        self.total -= usize::from(slots.remove(&slot));
        if slots.is_empty() {
            self.subscribers.remove(topic);
        }
    }

    /// What the slot is subscribed to, in no particular order.
    pub(crate) fn of(&self, slot: u32) -> impl Iterator<Item = &str> {
        let own = self.of_slots.get(&slot).into_iter().flat_map(SmallSet::iter);
        own.map(|&topic| self.subscribers.name(topic))
    }

    fn has(&self, topic: u32, slot: u32) -> bool {
        self.subscribers.get(topic).is_some_and(|slots| slots.contains(&slot))
    }

    fn slots(&self, topic: &str) -> Option<&SmallSet<u32>> {
        self.subscribers.find(topic).and_then(|topic| self.subscribers.get(topic))
    }

    pub(crate) fn is_subscribed(&self, topic: &str, slot: u32) -> bool {
        self.slots(topic).is_some_and(|slots| slots.contains(&slot))
    }

    /// The slots subscribed to a topic, in no particular order.
    pub(crate) fn subscribers(&self, topic: &str) -> impl Iterator<Item = u32> + '_ {
        self.slots(topic).into_iter().flat_map(SmallSet::iter).copied()
    }

    pub(crate) fn count(&self, topic: &str) -> usize {
        self.slots(topic).map_or(0, SmallSet::len)
    }
}

/// Why a subscription was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The connection has [`TopicLimits::max_per_connection`] topics.
    TooMany,
    /// The connections of the loop have [`TopicLimits::max_per_loop`] subscriptions together.
    TooManyInTotal,
    /// The name is longer than [`TopicLimits::max_name_len`].
    NameTooLong,
    /// The connection is closing or closed.
    NotOpen,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many topics on one connection",
            Self::TooManyInTotal => "too many subscriptions on all connections of the loop together",
            Self::NameTooLong => "the name of the topic is too long",
            Self::NotOpen => "the connection is not open",
        })
    }
}

impl std::error::Error for TopicError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn sorted(topics: &Topics, topic: &str) -> Vec<u32> {
        let mut slots: Vec<_> = topics.subscribers(topic).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn a_subscription_counts_once_and_leaves_nothing_behind() {
        let limits = TopicLimits::default();
        let mut topics = Topics::default();
        for _ in 0..2 {
            assert_eq!(topics.subscribe("a", 1, &limits), Ok(()));
        }
        assert_eq!((topics.of(1).count(), topics.total), (1, 1));
        assert_eq!(topics.subscribe("", 1, &limits), Ok(()));
        assert_eq!(topics.subscribe("a", 2, &limits), Ok(()));
        assert_eq!(sorted(&topics, "a"), [1, 2]);
        assert_eq!(topics.count("a"), 2);
        assert!(topics.unsubscribe("a", 1));
        assert!(!topics.unsubscribe("a", 1) && !topics.unsubscribe("b", 1));
        assert_eq!(sorted(&topics, "a"), [2]);
        assert!(!topics.is_subscribed("a", 1) && topics.is_subscribed("", 1));
        assert_eq!(topics.of(1).collect::<Vec<_>>(), [""]);
        assert!(topics.unsubscribe("", 1) && !topics.of_slots.contains_key(&1));
        topics.unsubscribe_all(1);
        topics.unsubscribe_all(2);
        assert!(topics.subscribers.len() == 0 && topics.of_slots.is_empty() && topics.total == 0);
    }

    #[test]
    fn limits_hold() {
        let limits = TopicLimits { max_per_connection: 2, max_name_len: 3, max_per_loop: 3 };
        let mut topics = Topics::default();
        assert_eq!(topics.subscribe("long", 0, &limits), Err(TopicError::NameTooLong));
        assert_eq!(topics.subscribe("a", 0, &limits), Ok(()));
        assert_eq!(topics.subscribe("b", 0, &limits), Ok(()));
        assert_eq!(topics.subscribe("c", 0, &limits), Err(TopicError::TooMany));
        assert_eq!(topics.subscribe("a", 0, &limits), Ok(()), "already subscribed");
        assert_eq!(topics.count("c"), 0);
        assert_eq!(topics.subscribe("a", 1, &limits), Ok(()));
        assert_eq!(topics.subscribe("b", 1, &limits), Err(TopicError::TooManyInTotal));
        assert_eq!(topics.subscribe("a", 1, &limits), Ok(()), "already subscribed");
        assert!(topics.unsubscribe("a", 0));
        assert_eq!(topics.subscribe("b", 1, &limits), Ok(()), "there is room again");
        assert_eq!(topics.subscribe("c", 2, &limits), Err(TopicError::TooManyInTotal));
        topics.unsubscribe_all(1);
        assert_eq!(topics.subscribe("c", 2, &limits), Ok(()));
    }

    #[test]
    fn a_subscription_is_small_and_its_memory_comes_back() {
        let limits = TopicLimits { max_per_connection: usize::MAX, ..TopicLimits::default() };
        let mut topics = Topics::default();
        for n in 0..100_000 {
            assert_eq!(topics.subscribe(&format!("symbol/{n:07}"), n / 1000, &limits), Ok(()));
        }
        assert!(topics.subscribers.memory() <= 120 * topics.total, "{}", topics.subscribers.memory());
        for slot in 0..100 {
            topics.unsubscribe_all(slot);
        }
        assert_eq!((topics.total, topics.subscribers.memory()), (0, 0));
    }

    /// Where the limit on the topics of a connection is raised.
    #[test]
    fn to_end_a_subscription_takes_no_longer_the_more_there_are() {
        let limits = TopicLimits { max_per_connection: usize::MAX, ..TopicLimits::default() };
        let mut topics = Topics::default();
        let names: Vec<String> = (0..20_000).map(|n| format!("symbol/{n}")).collect();
        let began = Instant::now();
        for name in &names {
            assert_eq!(topics.subscribe(name, 0, &limits), Ok(()));
        }
        let subscribed = began.elapsed();
        let began = Instant::now();
        for name in names.iter().rev() {
            assert!(topics.unsubscribe(name, 0));
        }
        // With a search through all of them it is a hundred times as long.
        assert!(began.elapsed() < subscribed * 10, "{:?} after {subscribed:?}", began.elapsed());
    }
}
