//! A ready-made source of masking-keys.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::mask::MaskingKey;
use crate::masking_keys::MaskingKeys;

/// Masking-keys from ChaCha20, as unpredictable as the seed: for a client that has a generator of
/// its own, and for simulations, where each connection has its own seed.
///
/// Take the seed from the operating system, or a hardware generator, once for each connection. The
/// generator has about 350 bytes; many connections of a thread are better served by one generator
/// behind a plain `fn`.
///
/// ```
/// use sansws::{ChaChaKeys, Config, Connection};
///
/// # let seed = [7; 32];
/// let keys = ChaChaKeys::new(seed); // 32 bytes from a strong source of entropy
/// let client = Connection::with_masking_keys(&Config::default(), Some(keys));
/// # let _ = client;
/// ```
#[derive(Clone)]
pub struct ChaChaKeys {
    generator: ChaCha20Rng,
}

impl ChaChaKeys {
    /// Creates the source with this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { generator: ChaCha20Rng::from_seed(seed) }
    }
}

impl MaskingKeys for ChaChaKeys {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        Some(self.generator.next_u32().to_le_bytes())
    }
}

/// The state of the generator is not shown: it reveals the keys to come.
impl fmt::Debug for ChaChaKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaChaKeys").finish_non_exhaustive()
    }
}
