//! Who wants what is published under which name.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::settings::topic_limits::TopicLimits;

/// The subscribers of one loop, by topic. A topic exists as long as it has one.
#[derive(Default)]
pub(crate) struct Topics {
    /// Slots, by the name of the topic.
    subscribers: HashMap<Arc<str>, HashSet<u32>>,
}

impl Topics {
    /// `own` are the topics of the slot, kept beside its connection.
    pub(crate) fn subscribe(
        &mut self,
        topic: &str,
        slot: u32,
        own: &mut Vec<Arc<str>>,
        limits: &TopicLimits,
    ) -> Result<(), TopicError> {
        if topic.len() > limits.max_name_len {
            return Err(TopicError::NameTooLong);
        }
        if let Some((name, slots)) = self.subscribers.get_key_value(topic) {
            if slots.contains(&slot) {
                return Ok(());
            }
            if own.len() >= limits.max_per_connection {
                return Err(TopicError::TooMany);
            }
            let name = Arc::clone(name);
            own.push(Arc::clone(&name));
            self.subscribers.entry(name).or_default().insert(slot);
            return Ok(());
        }
        if own.len() >= limits.max_per_connection {
            return Err(TopicError::TooMany);
        }
        let name: Arc<str> = topic.into();
        own.push(Arc::clone(&name));
        self.subscribers.insert(name, HashSet::from([slot]));
        Ok(())
    }

    /// Whether the slot was subscribed.
    pub(crate) fn unsubscribe(&mut self, topic: &str, slot: u32, own: &mut Vec<Arc<str>>) -> bool {
        own.retain(|name| **name != *topic);
        self.remove(topic, slot)
    }

    pub(crate) fn unsubscribe_all(&mut self, slot: u32, own: &mut Vec<Arc<str>>) {
        for topic in core::mem::take(own) {
            self.remove(&topic, slot);
        }
    }

    fn remove(&mut self, topic: &str, slot: u32) -> bool {
        let Some(slots) = self.subscribers.get_mut(topic) else { return false };
        let was_there = slots.remove(&slot);
        if slots.is_empty() {
            self.subscribers.remove(topic);
        }
        was_there
    }

    pub(crate) fn is_subscribed(&self, topic: &str, slot: u32) -> bool {
        self.subscribers.get(topic).is_some_and(|slots| slots.contains(&slot))
    }

    /// The slots subscribed to a topic, in no particular order.
    pub(crate) fn subscribers(&self, topic: &str) -> impl Iterator<Item = u32> + '_ {
        self.subscribers.get(topic).into_iter().flatten().copied()
    }

    pub(crate) fn count(&self, topic: &str) -> usize {
        self.subscribers.get(topic).map_or(0, HashSet::len)
    }
}

/// Why a subscription was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The connection has [`TopicLimits::max_per_connection`] topics.
    TooMany,
    /// The name is longer than [`TopicLimits::max_name_len`].
    NameTooLong,
    /// The connection is closing or closed.
    NotOpen,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many topics on one connection",
            Self::NameTooLong => "the name of the topic is too long",
            Self::NotOpen => "the connection is not open",
        })
    }
}

impl std::error::Error for TopicError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(topics: &Topics, topic: &str) -> Vec<u32> {
        let mut slots: Vec<_> = topics.subscribers(topic).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn a_subscription_counts_once_and_leaves_nothing_behind() {
        let limits = TopicLimits::default();
        let (mut topics, mut one, mut two) = (Topics::default(), Vec::new(), Vec::new());
        for _ in 0..2 {
            assert_eq!(topics.subscribe("a", 1, &mut one, &limits), Ok(()));
        }
        assert_eq!(one.len(), 1);
        assert_eq!(topics.subscribe("", 1, &mut one, &limits), Ok(()));
        assert_eq!(topics.subscribe("a", 2, &mut two, &limits), Ok(()));
        assert_eq!(sorted(&topics, "a"), [1, 2]);
        assert_eq!(topics.count("a"), 2);
        assert!(topics.unsubscribe("a", 1, &mut one));
        assert!(!topics.unsubscribe("a", 1, &mut one));
        assert_eq!(sorted(&topics, "a"), [2]);
        assert!(!topics.is_subscribed("a", 1) && topics.is_subscribed("", 1));
        topics.unsubscribe_all(1, &mut one);
        topics.unsubscribe_all(2, &mut two);
        assert!(one.is_empty() && two.is_empty() && topics.subscribers.is_empty());
    }

    #[test]
    fn limits_hold() {
        let limits = TopicLimits { max_per_connection: 2, max_name_len: 3 };
        let (mut topics, mut own) = (Topics::default(), Vec::new());
        assert_eq!(topics.subscribe("long", 0, &mut own, &limits), Err(TopicError::NameTooLong));
        assert_eq!(topics.subscribe("a", 0, &mut own, &limits), Ok(()));
        assert_eq!(topics.subscribe("b", 0, &mut own, &limits), Ok(()));
        assert_eq!(topics.subscribe("c", 0, &mut own, &limits), Err(TopicError::TooMany));
        assert_eq!(topics.subscribe("a", 0, &mut own, &limits), Ok(()), "already subscribed");
        assert_eq!(topics.count("c"), 0);
    }
}
