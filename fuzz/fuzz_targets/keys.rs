//! A source of masking-keys with a state and a seed, that refuses by a pattern, for `session`.

use std::cell::Cell;
use std::rc::Rc;

use sansws::{MaskingKey, MaskingKeys};

/// Two with the same seed and pattern return the same, call by call.
#[derive(Clone)]
pub struct Keys {
    state: u32,
    calls: u32,
    /// Which of eight calls are refused, bit by bit. It is the same for all clones.
    refusals: Rc<Cell<u8>>,
}

impl Keys {
    pub fn new(seed: u32, refusals: Rc<Cell<u8>>) -> Self {
        Self { state: seed, calls: 0, refusals }
    }
}

impl MaskingKeys for Keys {
    fn next_key(&mut self) -> Option<MaskingKey> {
        let is_refused = self.refusals.get() >> (self.calls % 8) & 1 == 1;
        self.calls += 1;
        if is_refused {
            return None;
        }
        self.state = self.state.wrapping_mul(0x9e37_79b1).wrapping_add(0x37fa_213d).rotate_left(7);
        Some(self.state.to_be_bytes())
    }
}
