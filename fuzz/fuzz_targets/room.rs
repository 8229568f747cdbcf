//! An output with so much room, that holds the connection to the contract of [`Output`], for `session`.

use sansws::{Output, OutputFull};

pub struct Room<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
    reserved: usize,
}

impl<'a> Room<'a> {
    pub fn new(bytes: &'a mut Vec<u8>, room: usize) -> Self {
        Self { bytes, room, reserved: 0 }
    }
}

impl Output for Room<'_> {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        assert_eq!(self.reserved, 0, "a frame was not finished");
        if len > self.room {
            return Err(OutputFull);
        }
        (self.room, self.reserved) = (self.room - len, len);
        Ok(())
    }

    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8] {
        self.reserved = self.reserved.checked_sub(bytes.len()).expect("no more than was reserved");
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        &mut self.bytes[start..]
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.reserved == 0, "a frame was not finished");
    }
}
