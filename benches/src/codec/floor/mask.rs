//! Masking in plain loops over words, which the compiler makes vectors of.

/// What is shorter is masked without a call.
const LONG: usize = 256;

/// In place.
#[inline]
pub(super) fn unmask(key: [u8; 4], payload: &mut [u8]) {
    #[inline(never)]
    fn long(key: [u8; 4], payload: &mut [u8]) {
        in_words(key, payload);
    }
    if payload.len() < LONG { in_words(key, payload) } else { long(key, payload) }
}

/// From one place to another of the same length.
#[inline]
pub(super) fn copy_masked(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    #[inline(never)]
    fn long(key: [u8; 4], from: &[u8], to: &mut [u8]) {
        copy_in_words(key, from, to);
    }
    if to.len() < LONG { copy_in_words(key, from, to) } else { long(key, from, to) }
}

/// The same with AVX2 if the processor has it, which is found at run time.
pub(in crate::codec) mod wide {
    use multiversion::multiversion;

    #[inline]
    pub(in crate::codec) fn unmask(key: [u8; 4], payload: &mut [u8]) {
        #[multiversion(targets("x86_64+avx2"))]
        fn long(key: [u8; 4], payload: &mut [u8]) {
            super::in_words(key, payload);
        }
        if payload.len() < super::LONG { super::in_words(key, payload) } else { long(key, payload) }
    }

    #[inline]
    pub(in crate::codec::floor) fn copy_masked(key: [u8; 4], from: &[u8], to: &mut [u8]) {
        #[multiversion(targets("x86_64+avx2"))]
        fn long(key: [u8; 4], from: &[u8], to: &mut [u8]) {
            super::copy_in_words(key, from, to);
        }
        if to.len() < super::LONG { super::copy_in_words(key, from, to) } else { long(key, from, to) }
    }
}

#[inline(always)]
fn in_words(key: [u8; 4], payload: &mut [u8]) {
    let half = u32::from_ne_bytes(key);
    let word = u64::from(half) << 32 | u64::from(half);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for octets in words {
        *octets = (u64::from_ne_bytes(*octets) ^ word).to_ne_bytes();
    }
    let (halves, tail) = tail.as_chunks_mut::<4>();
    for octets in halves {
        *octets = (u32::from_ne_bytes(*octets) ^ half).to_ne_bytes();
    }
    for (octet, key) in tail.iter_mut().zip(key) {
        *octet ^= key;
    }
}

#[inline(always)]
fn copy_in_words(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    let half = u32::from_ne_bytes(key);
    let word = u64::from(half) << 32 | u64::from(half);
    let (words, tail) = to.as_chunks_mut::<8>();
    let (from_words, from_tail) = from.as_chunks::<8>();
    for (octets, from) in words.iter_mut().zip(from_words) {
        *octets = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    let (halves, tail) = tail.as_chunks_mut::<4>();
    let (from_halves, from_tail) = from_tail.as_chunks::<4>();
    for (octets, from) in halves.iter_mut().zip(from_halves) {
        *octets = (u32::from_ne_bytes(*from) ^ half).to_ne_bytes();
    }
    for ((octet, from), key) in tail.iter_mut().zip(from_tail).zip(key) {
        *octet = from ^ key;
    }
}
