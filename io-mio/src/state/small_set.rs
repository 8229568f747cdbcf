//! A set that takes little memory while it has few elements.

use std::collections::BTreeSet;
use std::{mem, slice};

/// Up to this many elements are searched one after the other.
const FEW: usize = 16;

/// A set. One element takes no heap of its own. With many it is a tree, which gives memory back
/// with each element that leaves, and whose growth is never the work of one insertion.
#[derive(Debug)]
pub(crate) enum SmallSet<T> {
    One(T),
    /// Also the empty set, without heap.
    Few(Vec<T>),
    /// More than half of [`FEW`].
    Many(BTreeSet<T>),
}

impl<T> Default for SmallSet<T> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<T: Ord> SmallSet<T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Few(elements) => elements.len(),
            Self::Many(elements) => elements.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, element: &T) -> bool {
        match self {
            Self::One(own) => own == element,
            Self::Few(elements) => elements.contains(element),
            Self::Many(elements) => elements.contains(element),
        }
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, element: T) -> bool {
        if let Self::Many(elements) = self {
            return elements.insert(element);
        }
        if self.contains(&element) {
            return false;
        }
        match self {
            Self::One(_) => {
                let mut elements = Vec::with_capacity(4);
                if let Self::One(first) = mem::take(self) {
                    elements.push(first);
                }
                elements.push(element);
                *self = Self::Few(elements);
            }
            Self::Few(elements) if elements.is_empty() => *self = Self::One(element),
            Self::Few(elements) if elements.len() < FEW => elements.push(element),
            Self::Few(elements) => *self = Self::Many(elements.drain(..).chain([element]).collect()),
            Self::Many(_) => {}
        }
        true
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, element: &T) -> bool {
        match self {
            Self::One(own) if own == element => *self = Self::default(),
            Self::One(_) => return false,
            Self::Few(elements) => {
                let Some(at) = elements.iter().position(|own| own == element) else { return false };
                elements.swap_remove(at);
                if elements.len() == 1 {
                    *self = elements.pop().map_or_else(Self::default, Self::One);
                }
            }
            Self::Many(elements) => {
                if !elements.remove(element) {
                    return false;
                }
                // Not at once below the limit: a set must not change its form with every element.
                if elements.len() <= FEW / 2 {
                    *self = Self::Few(mem::take(elements).into_iter().collect());
                }
            }
        }
        true
    }

    /// In no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::One(own) => (slice::from_ref(own), None),
            Self::Few(elements) => (&elements[..], None),
            Self::Many(elements) => (&[][..], Some(elements)),
        };
        few.iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// It is a set, in each of its forms and from form to form, and takes the form for its
        /// size.
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..40_u32), 0..300)) {
            let (mut set, mut model) = (SmallSet::default(), BTreeSet::new());
            for (inserts, element) in steps {
                if inserts {
                    prop_assert_eq!(set.insert(element), model.insert(element));
                } else {
                    prop_assert_eq!(set.remove(&element), model.remove(&element));
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert_eq!(set.contains(&element), model.contains(&element));
                prop_assert_eq!(&set.iter().copied().collect::<BTreeSet<_>>(), &model);
                let fits = match &set {
                    SmallSet::One(_) => true,
                    SmallSet::Few(few) => few.len() <= FEW && few.len() != 1 && few.capacity() <= 2 * FEW,
                    SmallSet::Many(many) => many.len() > FEW / 2,
                };
                prop_assert!(fits, "{set:?}");
                if model.is_empty() {
                    let is_bare = matches!(&set, SmallSet::Few(few) if few.capacity() == 0);
                    prop_assert!(is_bare, "{set:?}");
                }
            }
        }
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<SmallSet<u32>>() <= 32 && size_of::<SmallSet<std::sync::Arc<str>>>() <= 32);
    }
}
