//! Memory at a certain place of a page.

use std::ops::{Deref, DerefMut};

const PAGE: usize = 4096;

/// Zeros at first, and the same length for ever.
///
/// A copy between the same places of two pages is several times slower than another on some processors, by which an allocator would decide
/// a contender's figure.
#[derive(Debug)]
pub struct Place {
    memory: Vec<u8>,
    start: usize,
}

impl Place {
    /// Creates one of `len` bytes, `at` bytes from the beginning of a page.
    pub fn new(len: usize, at: usize) -> Self {
        let mut memory = vec![0; len + PAGE];
        let start = at.wrapping_sub(memory.as_ptr().addr()) % PAGE;
        memory.truncate(start + len);
        Self { memory, start }
    }

    /// As [`new`](Self::new), another place in each round.
    pub fn of_round(len: usize, round: usize) -> Self {
        Self::new(len, (PAGE / 2 + round * 17 * 64) % PAGE)
    }
}

impl Deref for Place {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl DerefMut for Place {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_a_place_of_its_own() {
        for (round, at) in [(0, 2048), (1, 3136), (2, 128)] {
            let place = Place::of_round(100, round);
            assert_eq!((place.len(), place.as_ptr().addr() % PAGE), (100, at));
        }
    }
}
