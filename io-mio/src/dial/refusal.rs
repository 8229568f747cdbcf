//! The content of a response that is no 101. RFC 6455 §4.1 (1) has it handled "per HTTP
//! procedures": RFC 9112 says where it ends.

use std::time::{Duration, SystemTime};

use httparse::Status;
use sansws::handshake::client::Response;

use crate::conn::ending::Cause;

/// The longest line that tells the size of a chunk, extensions and line end included, in bytes.
const MAX_CHUNK_LINE: usize = 256;

/// No stream is that long.
const ENDLESS: u64 = u64::MAX;

/// A server's refusal, of whose content a part has arrived.
pub(crate) struct Refusal {
    status: u16,
    retry_after: Option<Duration>,
    content: Vec<u8>,
    max_len: usize,
    /// What is to come of the content, or of this chunk of it.
    left: u64,
    chunks: Option<Chunks>,
}

impl Refusal {
    /// At most `max_len` bytes of the content will be kept.
    pub(crate) fn new(response: &Response<'_, '_>, max_len: usize) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let last_coding = headers.elements("Transfer-Encoding").last();
        let (left, chunks) = match last_coding {
            // RFC 9112 §6.3 (1): "any response with a 1xx (Informational), 204 (No Content), or 304
            // (Not Modified) status code is always terminated by the first empty line after the
            // header fields, regardless of the header fields present".
            _ if matches!(status, 100..=199 | 204 | 304) => (0, None),
            // (3) "the Transfer-Encoding overrides the Content-Length"; (4) "If … the chunked
            // transfer coding … is the final encoding, the message body length is determined by
            // reading and decoding the chunked data", else "by reading the connection until it is
            // closed by the server".
            Some(last) if last.eq_ignore_ascii_case(b"chunked") => (0, Some(Chunks::default())),
            Some(_) => (ENDLESS, None),
            // (5) With a length that is none "the message framing is invalid".
            None if headers.get("Content-Length").is_some() => (response.content_length().unwrap_or(0), None),
            // (8) Without one the content is all that comes "prior to the server closing the
            // connection".
            None => (ENDLESS, None),
        };
        let retry_after = headers.get("Retry-After").and_then(|value| retry_after(value, SystemTime::now()));
        Self { status, retry_after, content: Vec::new(), max_len, left, chunks }
    }

    /// Adds what was read. Returns whether that is all: the content is whole, or as long as it may
    /// be, or it cannot be told what of the rest belongs to it.
    pub(crate) fn add(&mut self, mut input: &[u8]) -> bool {
        loop {
            let room = self.max_len.saturating_sub(self.content.len());
            let most = room.min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (part, rest) = input.split_at(most.min(input.len()));
            self.content.extend_from_slice(part);
            self.left -= part.len() as u64;
            input = rest;
            if self.content.len() >= self.max_len {
                return true;
            }
            if self.left > 0 {
                return false;
            }
            let Some(chunks) = &mut self.chunks else { return true };
            match chunks.next_size(&mut input) {
                None => return false,
                Some(0) => return true,
                Some(size) => self.left = size,
            }
        }
    }

    /// What came.
    pub(crate) fn into_cause(self) -> Cause {
        Cause::Refused { status: self.status, content: self.content.into(), retry_after: self.retry_after }
    }
}

/// RFC 9110 §10.2.3: `Retry-After = HTTP-date / delay-seconds`. A date that has passed is no time
/// at all.
fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        // More seconds than a number holds are a long time.
        let digits = value.iter().map(|digit| u64::from(digit - b'0'));
        let seconds = digits.fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(digit));
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What is between the chunks of a content, RFC 9112 §7.1.
#[derive(Default)]
struct Chunks {
    /// The line that has begun.
    line: Vec<u8>,
    /// A chunk was read, but not the end of its last line.
    in_chunk: bool,
}

impl Chunks {
    /// Reads up to the data of the next chunk. Returns its length, 0 if there is none or what comes
    /// is no chunk; `None` if more has to be read. Trailers are left alone.
    fn next_size(&mut self, input: &mut &[u8]) -> Option<u64> {
        loop {
            let end = input.iter().position(|&byte| byte == b'\n');
            let (part, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
            *input = rest;
            if self.line.len() + part.len() > MAX_CHUNK_LINE {
                return Some(0);
            }
            self.line.extend_from_slice(part);
            end?;
            // `chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF`
            let size =
                if self.in_chunk { (self.line != b"\r\n").then_some(0) } else { Some(size_in(&self.line)) };
            self.in_chunk = !self.in_chunk;
            self.line.clear();
            if size.is_some() {
                return size;
            }
        }
    }
}

/// The length of the chunk that this line is the first of; 0 if it is none.
fn size_in(line: &[u8]) -> u64 {
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) => size,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sansws::handshake::HeaderStorage;

    use super::*;

    /// What is read of a response that comes in pieces, and whether its end was seen.
    fn read(head: &str, pieces: &[&[u8]], max_len: usize) -> (Vec<u8>, bool) {
        let head = format!("HTTP/1.1 {head}\r\n\r\n");
        let mut storage = HeaderStorage::new();
        let (response, _) = Response::parse(head.as_bytes(), &mut storage).expect("legal").expect("whole");
        let mut refusal = Refusal::new(&response, max_len);
        // As the driver does it: what came with the head, perhaps nothing, then what comes.
        let is_all = refusal.add(&[]) || pieces.iter().any(|piece| refusal.add(piece));
        assert!(refusal.chunks.as_ref().is_none_or(|chunks| chunks.line.len() <= MAX_CHUNK_LINE));
        match refusal.into_cause() {
            Cause::Refused { content, .. } => (content.into(), is_all),
            other => panic!("{other}"),
        }
    }

    /// Rule R-4.1-n.
    #[test]
    fn where_a_content_ends() {
        let length = "401 No\r\nContent-Length: 5";
        let chunked = "401 No\r\nTransfer-Encoding: chunked";
        for (head, bytes, content, is_all) in [
            (length, "hello", "hello", true),
            (length, "hell", "hell", false),
            (length, "hello, you", "hello", true),
            ("401 No\r\nContent-Length: 0", "", "", true),
            ("401 No", "hello", "hello", false),
            (chunked, "5\r\nhello\r\n0\r\n\r\n", "hello", true),
            (chunked, "2\r\nhe\r\n00003 ;a=\"\r\nllo\r\n0;last\r\nTrailer: x\r\n\r\n", "hello", true),
            (chunked, "5\r\nhello\r\n", "hello", false),
            (chunked, "00000000000000Aa\r\nhello", "hello", false),
            (chunked, "ffffffffffffffff\r\nhello", "hello", false),
            // Many lines of the same name are one list; names of codings have no case.
            (
                "401 No\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: , CHUNKED",
                "2\r\nhi\r\n0\r\n",
                "hi",
                true,
            ),
            ("401 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 1", "2\r\nhi\r\n0\r\n", "hi", true),
            ("401 No\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 1", "gz", "gz", false),
            // There is no content.
            ("204 No\r\nContent-Length: 5", "hello", "", true),
            ("304 No\r\nTransfer-Encoding: chunked", "2\r\nhi\r\n", "", true),
            // There is no telling.
            ("401 No\r\nContent-Length: -5", "hello", "", true),
            ("401 No\r\nContent-Length: 99999999999999999999", "hello", "", true),
            ("401 No\r\nContent-Length: 5\r\nContent-Length: 6", "hello", "", true),
        ] {
            let whole = (content.as_bytes().to_vec(), is_all);
            assert_eq!(read(head, &[bytes.as_bytes()], 100), whole, "{head} {bytes}");
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
            assert_eq!(read(head, &pieces, 100), whole, "{head} {bytes}");
        }
    }

    #[test]
    fn when_to_ask_again() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (value, seconds) in [
            ("0", Some(0)),
            (" 30 ", Some(30)),
            ("0000000000000000000000120", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("+3", None),
            ("soon", None),
            ("\u{661}", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(retry_after(value.as_bytes(), now), seconds.map(Duration::from_secs), "{value:?}");
        }
        assert_eq!(retry_after(b"\xff", now), None);
    }

    #[test]
    fn what_is_no_chunk_ends_the_content() {
        let long = format!("2;{}\r\n", "x".repeat(MAX_CHUNK_LINE));
        for bad in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1\n",
            "1\r\r\n",
            "1 1\r\n",
            " 1\r\n",
            "1;a\rb\r\n",
            "10000000000000000\r\n",
            "00000000000000002\r\n",
            "\0\r\n",
            &long,
        ] {
            let bytes = format!("2\r\nhi\r\n{bad}{}", "y".repeat(300));
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
            for pieces in [&[bytes.as_bytes()][..], &pieces] {
                let read = read("500 No\r\nTransfer-Encoding: chunked", pieces, 1000);
                assert_eq!(read, (b"hi".to_vec(), true), "{bad:?}");
            }
        }
        // No line end behind the data.
        for bytes in ["2\r\nhihi\r\n", "2\r\nhi\n2\r\nhi", "2\r\nhi2\r\nhi\r\n"] {
            let read = read("500 No\r\nTransfer-Encoding: chunked", &[bytes.as_bytes()], 1000);
            assert_eq!(read, (b"hi".to_vec(), true), "{bytes:?}");
        }
    }

    fn in_pieces<'b>(mut bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }

    proptest! {
        /// However it is cut up, and in whatever chunks it comes, the content is the same, up to
        /// the limit.
        #[test]
        fn chunks_are_undone(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..20),
            cuts in prop::collection::vec(1..50_usize, 1..30),
            max_len in 0..1000_usize,
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                coded.extend_from_slice(chunk);
                coded.extend(b"\r\n");
            }
            coded.extend(b"0\r\n\r\n");
            let content: Vec<u8> = chunks.concat().into_iter().take(max_len).collect();
            let read = read("401 No\r\nTransfer-Encoding: chunked", &in_pieces(&coded, &cuts), max_len);
            prop_assert_eq!(read, (content, true));
        }

        /// No bytes panic, none make the content longer than it may be, and cuts change nothing.
        #[test]
        fn any_bytes(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                "([0-9a-fA-F]{0,18}(;[a-z]{0,9})?\r?\n[a-z]{0,16}(\r\n)?){0,9}".prop_map(String::into_bytes),
            ],
            cuts in prop::collection::vec(1..50_usize, 1..30),
            head in prop::sample::select(vec!["", "\r\nTransfer-Encoding: chunked", "\r\nContent-Length: 40"]),
            max_len in 0..100_usize,
        ) {
            let head = format!("401 No{head}");
            let at_once = read(&head, &[&bytes], max_len);
            prop_assert!(at_once.0.len() <= max_len);
            prop_assert_eq!(read(&head, &in_pieces(&bytes, &cuts), max_len), at_once);
        }
    }
}
