//! Masking in plain loops over words, which the compiler makes vectors of.

/// What is shorter is masked without a call.
const LONG: usize = 256;

/// In place.
#[inline]
pub(super) fn unmask(key: [u8; 4], payload: &mut [u8]) {
    #[inline(never)]
    fn long(key: [u8; 4], payload: &mut [u8]) {
        in_lines(key, payload);
    }
    if payload.len() < LONG { in_words(key, payload) } else { long(key, payload) }
}

/// From one place to another of the same length.
#[inline]
pub(super) fn copy_masked(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    #[inline(never)]
    fn long(key: [u8; 4], from: &[u8], to: &mut [u8]) {
        copy_in_lines(key, from, to);
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
            super::in_lines(key, payload);
        }
        if payload.len() < super::LONG { super::in_words(key, payload) } else { long(key, payload) }
    }

    #[inline]
    pub(in crate::codec::floor) fn copy_masked(key: [u8; 4], from: &[u8], to: &mut [u8]) {
        #[multiversion(targets("x86_64+avx2"))]
        fn long(key: [u8; 4], from: &[u8], to: &mut [u8]) {
            super::copy_in_lines(key, from, to);
        }
        if to.len() < super::LONG { super::copy_in_words(key, from, to) } else { long(key, from, to) }
    }
}

/// From so many octets on it pays to begin at a line of the cache, so that no vector reaches into the next.
const WORTH_ALIGNING: usize = 4096;

#[inline(always)]
fn in_lines(key: [u8; 4], payload: &mut [u8]) {
    if payload.len() < WORTH_ALIGNING {
        return in_words(key, payload);
    }
    let lead = payload.as_ptr().addr().wrapping_neg() % 64;
    let (head, lines) = payload.split_at_mut(lead);
    in_words(key, head);
    in_words(rotated(key, lead), lines);
}

#[inline(always)]
fn copy_in_lines(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    if to.len() < WORTH_ALIGNING {
        return copy_in_words(key, from, to);
    }
    let lead = to.as_ptr().addr().wrapping_neg() % 64;
    let (head, lines) = to.split_at_mut(lead);
    let (from_head, from_lines) = from.split_at(lead);
    copy_in_words(key, from_head, head);
    copy_in_words(rotated(key, lead), from_lines, lines);
}

/// The key for what follows so many octets.
#[inline]
pub(super) fn rotated(key: [u8; 4], len: usize) -> [u8; 4] {
    u32::from_be_bytes(key).rotate_left(8 * (len as u32 % 4)).to_be_bytes()
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
