//! Masking-keys and nonces: ChaCha20 seeded by the operating system, one generator per thread, so
//! that a key costs no syscall.

use std::cell::RefCell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sansws::MaskingKey;

/// What the operating system gave, once per process. Each thread draws from a stream of its own
/// under this seed.
static SEED: OnceLock<[u8; 32]> = OnceLock::new();
static NEXT_STREAM: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static GENERATOR: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// Takes the seed from the operating system. Every event loop calls this before it has a
/// connection.
pub(crate) fn seed() -> io::Result<()> {
    if SEED.get().is_none() {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        // Another thread may have been first; its seed is as good.
        let _ = SEED.set(seed);
    }
    Ok(())
}

/// RFC 6455 §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived
/// from a strong source of entropy".
pub(crate) fn masking_key() -> MaskingKey {
    with_generator(|generator| generator.next_u32().to_ne_bytes())
}

/// RFC 6455 §4.1: "a nonce consisting of a randomly selected 16-byte value", "selected randomly for
/// each connection".
pub(crate) fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    with_generator(|generator| generator.fill_bytes(&mut nonce));
    nonce
}

/// Uniform in 0..1.
pub(crate) fn fraction() -> f64 {
    // 53 bits, all that the type holds.
    with_generator(|generator| (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
}

fn with_generator<T>(draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
    GENERATOR.with_borrow_mut(|generator| draw(generator.get_or_insert_with(new_generator)))
}

fn new_generator() -> ChaCha20Rng {
    if let Err(error) = seed() {
        // Cannot be reached: no event loop is built without a seed. Predictable keys would be worse
        // than stopping.
        log::error!("no random numbers from the operating system: {error}");
        std::process::abort();
    }
    let mut generator = ChaCha20Rng::from_seed(SEED.get().copied().unwrap_or_default());
    generator.set_stream(NEXT_STREAM.fetch_add(1, Ordering::Relaxed));
    generator
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Rules R-4.1-d and R-5.3-a. Attack A-12.
    #[test]
    fn keys_and_nonces_differ_within_and_between_threads() {
        let draw = || (0..1000).map(|_| nonce()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for nonce in thread.join().expect("no panic") {
                assert!(seen.insert(nonce), "a nonce came twice");
            }
        }
        // 1 000 draws of 32 bits: a few may coincide, most may not.
        let keys: HashSet<_> = (0..1000).map(|_| masking_key()).collect();
        assert!(keys.len() > 990, "{} different keys", keys.len());
    }

    /// Rule R-5.3-a. Attack A-12.
    #[test]
    fn every_bit_of_a_key_is_set_about_half_the_time() {
        let mut ones = [0_u32; 32];
        for _ in 0..4096 {
            let key = u32::from_ne_bytes(masking_key());
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += (key >> bit) & 1;
            }
        }
        for count in ones {
            // Nine standard deviations either way.
            assert!((1760..=2336).contains(&count), "{count} of 4096");
        }
    }
}
