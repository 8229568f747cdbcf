//! What no codec can be faster than: one pass over a payload, alone.

use std::hint::black_box;

use super::floor::mask;
use super::place::Place;
use super::{Tally, Work};
use crate::{KEY, Payload};

/// The passes that bound the work on this payload, by name: copying, masking in place and, if it is text, validating with two validators.
/// A run does the pass `count` times.
pub fn all(payload: &Payload, count: usize) -> Vec<(&'static str, Box<dyn Work>)> {
    let (mut masked, mut masked_wide) = (payload.as_bytes().to_vec(), payload.as_bytes().to_vec());
    let copy = copy(payload.as_bytes());
    let mask = move || {
        sansws::apply_mask(black_box(KEY), black_box(&mut masked));
    };
    let mask_wide = move || mask::wide::unmask(black_box(KEY), black_box(&mut masked_wide));
    let mut all = vec![
        ("memcpy", limit(copy, payload, count)),
        ("XOR in place", limit(mask, payload, count)),
        ("XOR, AVX2", limit(mask_wide, payload, count)),
    ];
    if let Payload::Text(text) = payload {
        let (first, second) = (text.clone().into_bytes(), text.clone().into_bytes());
        let simd = move || {
            black_box(simdutf8::basic::from_utf8(black_box(&first)).is_ok());
        };
        let std = move || {
            black_box(std::str::from_utf8(black_box(&second)).is_ok());
        };
        all.extend([
            ("simdutf8", limit(simd, payload, count)),
            ("std's from_utf8", limit(std, payload, count)),
        ]);
    }
    all
}

/// From the beginning of a page to the middle of another.
fn copy(payload: &[u8]) -> impl FnMut() + 'static {
    let (mut from, mut to) = (Place::new(payload.len(), 0), Place::new(payload.len(), 2048));
    from.copy_from_slice(payload);
    move || black_box(&mut to[..]).copy_from_slice(black_box(&from[..]))
}

fn limit(pass: impl FnMut() + 'static, payload: &Payload, count: usize) -> Box<dyn Work> {
    Box::new(Limit { pass, len: payload.len(), count })
}

struct Limit<F> {
    pass: F,
    len: usize,
    count: usize,
}

impl<F: FnMut()> Work for Limit<F> {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.count {
            (self.pass)();
            tally.message(self.len);
        }
        tally
    }
}
