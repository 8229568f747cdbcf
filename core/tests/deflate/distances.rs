//! A second reader of DEFLATE (RFC 1951), independent of the engine. It reports the greatest distance
//! in what it reads.

/// What the blocks contain, behind `history`, and the greatest distance.
pub(crate) fn read(history: &[u8], compressed: &[u8]) -> (Vec<u8>, usize) {
    let mut bits = Bits { bytes: compressed, at: 0 };
    let (mut out, mut greatest) = (history.to_vec(), 0);
    loop {
        if bits.at + 3 > 8 * compressed.len() {
            break;
        }
        let is_final = bits.take(1) == 1;
        match bits.take(2) {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                if bits.at + 32 > 8 * compressed.len() {
                    break;
                }
                let len = bits.take(16);
                assert_eq!(bits.take(16), !len & 0xffff);
                for _ in 0..len {
                    out.push(bits.take(8) as u8);
                }
            }
            1 => {
                let lens: Vec<usize> = (0..288)
                    .map(|i| match i {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                block(&mut bits, &Code::new(&lens), &Code::new(&[5; 30]), &mut out, &mut greatest);
            }
            2 => {
                let (literals, distances) = dynamic(&mut bits);
                block(&mut bits, &literals, &distances, &mut out, &mut greatest);
            }
            _ => panic!("the reserved type of a block"),
        }
        if is_final {
            break;
        }
    }
    (out.split_off(history.len()), greatest)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |value, i| {
            let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
            self.at += 1;
            value | usize::from(bit) << i
        })
    }
}

/// A canonical Huffman code, §3.2.2.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lens: &[usize]) -> Self {
        let mut counts = [0; 16];
        lens.iter().for_each(|&len| counts[len] += 1);
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lens.len()).filter(|&symbol| lens[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| (lens[symbol], symbol));
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1);
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no code")
    }
}

fn dynamic(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, lens_len) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut lens = [0; 19];
    ORDER[..lens_len].iter().for_each(|&i| lens[i] = bits.take(3));
    let code = Code::new(&lens);
    let mut lens = Vec::new();
    while lens.len() < literals + distances {
        let (len, count) = match code.read(bits) {
            16 => (*lens.last().unwrap(), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            len => (len, 1),
        };
        lens.extend(std::iter::repeat_n(len, count));
    }
    (Code::new(&lens[..literals]), Code::new(&lens[literals..]))
}

fn block(bits: &mut Bits<'_>, literals: &Code, distances: &Code, out: &mut Vec<u8>, greatest: &mut usize) {
    loop {
        match literals.read(bits) {
            literal @ 0..256 => out.push(literal as u8),
            256 => return,
            symbol => {
                let len = match symbol - 257 {
                    short @ 0..8 => short + 3,
                    28 => 258,
                    code => {
                        let extra = code / 4 - 1;
                        ((4 + code % 4) << extra) + 3 + bits.take(extra)
                    }
                };
                let distance = match distances.read(bits) {
                    near @ 0..4 => near + 1,
                    code => {
                        let extra = code / 2 - 1;
                        ((2 + code % 2) << extra) + 1 + bits.take(extra)
                    }
                };
                *greatest = distance.max(*greatest);
                for _ in 0..len {
                    out.push(out[out.len() - distance]);
                }
            }
        }
    }
}
