//! The head of a request or a response, as it arrives.

use sansws::handshake::{HandshakeError, HeadReader, server};

/// A whole head, and the bytes after it.
pub(crate) type HeadAndRest<'b> = (&'b mut [u8], &'b mut [u8]);

/// A head of which a part has arrived. The part is empty, without heap, until a read brings less
/// than a whole head.
pub(crate) struct Head {
    bytes: Vec<u8>,
    reader: HeadReader,
}

impl Head {
    pub(crate) fn new(max_len: usize) -> Self {
        Self { bytes: Vec::new(), reader: HeadReader::new(max_len) }
    }

    /// Whether it is that of a HEAD request, as far as it has come.
    pub(crate) fn is_head(&self) -> bool {
        server::method_of(&self.bytes) == "HEAD"
    }

    /// Adds what was read. Once the head is whole, returns it and what follows it: parts of
    /// `input`, if that has all of it, else of `collected`.
    pub(crate) fn add<'b>(
        &mut self,
        input: &'b mut [u8],
        collected: &'b mut Vec<u8>,
    ) -> Result<Option<HeadAndRest<'b>>, HandshakeError> {
        if self.bytes.is_empty() {
            return self.begin(input);
        }
        self.bytes.extend_from_slice(input);
        match self.reader.find_end(&self.bytes)? {
            None => Ok(None),
            Some(end) => {
                *collected = std::mem::take(&mut self.bytes);
                Ok(collected.split_at_mut_checked(end))
            }
        }
    }

    /// Adds what was read first.
    pub(crate) fn begin<'b>(
        &mut self,
        input: &'b mut [u8],
    ) -> Result<Option<HeadAndRest<'b>>, HandshakeError> {
        let end = self.reader.find_end(input);
        if let Ok(Some(end)) = end {
            return Ok(input.split_at_mut_checked(end));
        }
        // Also of a head that is refused: its method matters.
        self.bytes.extend_from_slice(input);
        end.map(|_| None)
    }
}
