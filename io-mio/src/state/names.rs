//! A table with names for keys, in few large pieces of memory: allocators give these back to the
//! operating system, and keep small ones.

use std::hash::{BuildHasher, RandomState};

use slab::Slab;

/// Less memory than so many entries take is kept.
const KEPT: usize = 64;

/// No entry.
const EMPTY: u32 = u32::MAX;

/// Values by name, which have numbers as well. All operations take constant time, amortized.
pub(crate) struct Names<T> {
    entries: Slab<Entry<T>>,
    /// All names one behind the other, and in between those that are gone.
    text: String,
    /// Bytes of `text` that are in use.
    used_text: usize,
    /// Numbers of entries, each at the place of its hash or behind it, with no empty place in
    /// between. The length is a power of two, at least half of it empty.
    places: Vec<u32>,
    hasher: RandomState,
    /// Since memory was last given back.
    removed: usize,
}

struct Entry<T> {
    hash: u32,
    start: u32,
    len: u32,
    value: T,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            text: String::new(),
            used_text: 0,
            places: Vec::new(),
            hasher: RandomState::new(),
            removed: 0,
        }
    }
}

impl<T> Names<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of a name.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let hash = self.hash(name);
        let mut place = self.place_of(hash);
        loop {
            let number = self.places.get(place).copied().filter(|&number| number != EMPTY)?;
            let entry = self.entries.get(number as usize)?;
            if entry.hash == hash && self.text_of(entry) == name {
                return Some(number);
            }
            place = self.after(place);
        }
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.entries.get(number as usize).map_or("", |entry| self.text_of(entry))
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(number as usize).map(|entry| &mut entry.value)
    }

    /// Adds a name that is not there. `None`: there is no room for it among four billion bytes of
    /// names.
    pub(crate) fn insert(&mut self, name: &str, value: T) -> Option<u32> {
        let is_full = |text: &str| u32::try_from(text.len() + name.len()).is_err();
        if is_full(&self.text) {
            self.close_gaps();
        }
        if is_full(&self.text) || self.entries.len() >= EMPTY as usize / 4 {
            return None;
        }
        let hash = self.hash(name);
        let start = self.text.len() as u32;
        self.text.push_str(name);
        self.used_text += name.len();
        let number = self.entries.insert(Entry { hash, start, len: name.len() as u32, value }) as u32;
        if self.entries.len() * 2 > self.places.len() {
            self.fill_places((self.entries.len() * 2).next_power_of_two().max(8));
        } else {
            self.take_place(hash, number);
        }
        Some(number)
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let Some(entry) = self.entries.get(number as usize) else { return };
        let mut place = self.place_of(entry.hash);
        while self.places.get(place).is_some_and(|&there| there != number && there != EMPTY) {
            place = self.after(place);
        }
        self.free_place(place);
        let Some(entry) = self.entries.try_remove(number as usize) else { return };
        self.used_text -= entry.len as usize;
        self.removed += 1;
        if self.entries.is_empty() {
            return *self = Self { hasher: self.hasher.clone(), ..Self::default() };
        }
        if self.text.len() > 2 * self.used_text + 32 * KEPT {
            self.close_gaps();
        }
        // What this costs is paid for by the removals.
        if self.removed > self.entries.capacity() / 8 + KEPT && self.entries.capacity() > 4 * self.len() {
            self.removed = 0;
            self.entries.shrink_to_fit();
            self.fill_places((self.entries.len() * 2).next_power_of_two());
        }
    }

    fn hash(&self, name: &str) -> u32 {
        self.hasher.hash_one(name) as u32
    }

    fn text_of(&self, entry: &Entry<T>) -> &str {
        let start = entry.start as usize;
        self.text.get(start..start + entry.len as usize).unwrap_or_default()
    }

    fn place_of(&self, hash: u32) -> usize {
        hash as usize & self.places.len().wrapping_sub(1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & self.places.len().wrapping_sub(1)
    }

    fn take_place(&mut self, hash: u32, number: u32) {
        let mut place = self.place_of(hash);
        while self.places.get(place).is_some_and(|&there| there != EMPTY) {
            place = self.after(place);
        }
        if let Some(there) = self.places.get_mut(place) {
            *there = number;
        }
    }

    /// Empties a place. Those behind it that would not be found any more move up.
    fn free_place(&mut self, mut free: usize) {
        let mut place = free;
        loop {
            place = self.after(place);
            let Some(&number) = self.places.get(place).filter(|&&number| number != EMPTY) else { break };
            let Some(entry) = self.entries.get(number as usize) else { break };
            // Whether its search comes past the free place.
            let distance = |from: usize| place.wrapping_sub(from) & (self.places.len() - 1);
            if distance(self.place_of(entry.hash)) >= distance(free) {
                self.places.swap(free, place);
                free = place;
            }
        }
        if let Some(there) = self.places.get_mut(free) {
            *there = EMPTY;
        }
    }

    /// Makes the places anew, in the same piece of memory, which grows or shrinks.
    fn fill_places(&mut self, len: usize) {
        self.places.clear();
        self.places.shrink_to(len);
        self.places.resize(len, EMPTY);
        for number in 0..self.entries.capacity() {
            if let Some(hash) = self.entries.get(number).map(|entry| entry.hash) {
                self.take_place(hash, number as u32);
            }
        }
    }

    /// Moves the names together.
    fn close_gaps(&mut self) {
        let mut order: Vec<(u32, usize)> =
            self.entries.iter().map(|(number, entry)| (entry.start, number)).collect();
        order.sort_unstable();
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        let mut end = 0;
        for (_, number) in order {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            let start = entry.start as usize;
            bytes.copy_within(start..start + entry.len as usize, end);
            entry.start = end as u32;
            end += entry.len as usize;
        }
        bytes.truncate(end);
        bytes.shrink_to(end * 2);
        // Whole names stand behind one another: this is text.
        self.text = String::from_utf8(bytes).unwrap_or_default();
    }

    /// Bytes of memory, without what is behind the values.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.entries.capacity() * (size_of::<Entry<T>>() + 8)
            + self.text.capacity()
            + self.places.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// It is a map, whatever is added and removed; numbers stay.
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((any::<bool>(), "[aé]{0,3}|[a-c]{0,40}"), 0..300),
            bits in 0..32_u32,
        ) {
            let (mut names, mut model) = (Names::default(), HashMap::new());
            for (at, (inserts, name)) in steps.into_iter().enumerate() {
                prop_assert_eq!(names.find(&name), model.get(&name).map(|&(number, _)| number));
                match (inserts, names.find(&name)) {
                    (true, None) => {
                        let number = names.insert(&name, at).expect("room");
                        model.insert(name, (number, at));
                    }
                    (false, Some(number)) => {
                        names.remove(number);
                        model.remove(&name);
                    }
                    _ => {}
                }
                if bits == 0 {
                    names.close_gaps();
                }
                prop_assert_eq!(names.len(), model.len());
                for (name, &(number, value)) in &model {
                    prop_assert_eq!(names.find(name), Some(number));
                    prop_assert_eq!(names.name(number), name);
                    prop_assert_eq!(names.get(number), Some(&value));
                }
                prop_assert!(names.places.is_empty() || names.places.contains(&EMPTY));
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut names = Names::default();
        assert_eq!(names.memory(), 0);
        let numbers: Vec<u32> = (0..100_000).filter_map(|n| names.insert(&format!("{n:030}"), ())).collect();
        let full = names.memory();
        // The last one was added first, and last: entries do not move.
        for (left, &number) in numbers.iter().enumerate().rev() {
            names.remove(number);
            assert!(names.memory() <= 1000 * left + 100_000, "{} bytes for {left} names", names.memory());
        }
        assert_eq!(names.memory(), 0);
        let numbers: Vec<u32> = (0..100_000).filter_map(|n| names.insert(&format!("{n:030}"), ())).collect();
        for &number in &numbers[..99_999] {
            names.remove(number);
        }
        assert!(names.text.capacity() < 10_000 && names.places.len() < 40_000);
        assert!(names.memory() < full);
        assert_eq!(names.name(numbers[99_999]), format!("{:030}", 99_999));
    }
}
