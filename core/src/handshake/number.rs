//! Decimal numbers, without the formatting code of `core::fmt`, which is large.

/// A decimal number as text.
pub(super) struct Decimal {
    digits: [u8; Self::MAX_DIGITS],
    start: usize,
}

impl Decimal {
    /// Enough for `usize::MAX` where addresses have 64 bits.
    const MAX_DIGITS: usize = 20;

    pub(super) fn new(mut value: usize) -> Self {
        let mut digits = [0; Self::MAX_DIGITS];
        let mut start = Self::MAX_DIGITS;
        loop {
            start -= 1;
            // A remainder of a division by ten fits.
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return Self { digits, start };
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_it_is_written() {
        for (value, text) in [(0, "0"), (9, "9"), (10, "10"), (99, "99"), (100, "100"), (65_535, "65535")] {
            assert_eq!(Decimal::new(value).as_bytes(), text.as_bytes());
        }
        assert_eq!(Decimal::new(u32::MAX as usize).as_bytes(), b"4294967295");
    }
}
