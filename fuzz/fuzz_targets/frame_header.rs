//! A frame header of any bytes: `decode` does not panic, reads what the reference reads, undoes `encode`, is undone by it, and needs no byte
//! more than the header has.

#![no_main]

mod reference;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sansws::{FrameHeader, MAX_CONTROL_LEN, MAX_PAYLOAD_LEN, Opcode, Rsv};

const RESERVED: [(u8, Rsv); 3] = [(0x40, Rsv::RSV1), (0x20, Rsv::RSV2), (0x10, Rsv::RSV3)];

fuzz_target!(|bytes: &[u8]| {
    match (FrameHeader::decode(bytes), reference::header(bytes)) {
        (Ok(None), Ok(None)) => {}
        (Err(error), Err(expected)) => assert_eq!(error, expected),
        (Ok(Some((header, len))), Ok(Some(expected))) => {
            assert_eq!((header.fin, header.opcode as u8), (expected.fin, expected.opcode));
            for (bit, rsv) in RESERVED {
                assert_eq!(header.rsv.contains(rsv), expected.rsv & bit != 0);
            }
            assert_eq!((header.masking_key, header.payload_len), (expected.key, expected.payload_len));
            assert_eq!(len, expected.len);
        }
        (ours, expected) => panic!("{ours:?}, not {expected:?}"),
    }
    if let Ok(Some((header, len))) = FrameHeader::decode(bytes) {
        let encoded = header.encode().expect("a decoded header is legal");
        assert_eq!(encoded.as_bytes(), &bytes[..len]);
        check(header);
    }
    if let Ok(header) = any_header(bytes) {
        check(header);
    }
});

/// A legal header comes back from its own bytes, and only from all of them; an illegal one is not written.
fn check(header: FrameHeader) {
    let legal = if header.opcode.is_control() {
        header.fin && header.payload_len <= MAX_CONTROL_LEN as u64
    } else {
        header.payload_len <= MAX_PAYLOAD_LEN
    };
    let Ok(encoded) = header.encode() else {
        assert!(!legal, "{header:?} is legal");
        return;
    };
    assert!(legal, "{header:?} is not legal");
    let bytes = encoded.as_bytes();
    assert_eq!(encoded.masking_key(), header.masking_key);
    assert_eq!(FrameHeader::decode(bytes), Ok(Some((header, bytes.len()))));
    for cut in 0..bytes.len() {
        assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
    }
}

fn any_header(bytes: &[u8]) -> Result<FrameHeader> {
    let mut input = Unstructured::new(bytes);
    let bits = u8::arbitrary(&mut input)?;
    let rsv =
        RESERVED.into_iter().filter(|(bit, _)| bits & bit != 0).fold(Rsv::NONE, |all, (_, rsv)| all | rsv);
    Ok(FrameHeader {
        fin: bits & 0x80 != 0,
        rsv,
        opcode: Opcode::from_bits(bits & 0x0f).ok_or(arbitrary::Error::IncorrectFormat)?,
        masking_key: Option::arbitrary(&mut input)?,
        // Lengths of every magnitude are equally likely.
        payload_len: u64::arbitrary(&mut input)? >> (u8::arbitrary(&mut input)? % 64),
    })
}
