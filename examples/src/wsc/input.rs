//! What is to be sent, read on a thread of its own: files first, then stdin.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sansws_mio::{MessageKind, Peer, SendError};

use super::options::{Options, Stdin};
use crate::clients::lines::{Line, MAX_LINE, next_line};

/// How many items are read before they can be sent.
const READ_AHEAD: usize = 16;
/// Stdin as one message is read in pieces of this size.
const PIECE: usize = 64 << 10;
/// Longest file that is sent in a single frame.
const MAX_WHOLE: u64 = 256 << 20;

/// Something to be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A fragment of a text message.
    TextFragment {
        /// Its text.
        text: String,
        /// Whether the message ends.
        last: bool,
    },
    /// A fragment of a binary message.
    BinaryFragment {
        /// Its payload.
        payload: Vec<u8>,
        /// Whether the message ends.
        last: bool,
    },
    /// Something that cannot be sent, and why.
    Unsendable(String),
    /// There is no more.
    End,
}

impl Item {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// As [`Peer::send`]: nothing was sent then.
    pub fn send<S>(&self, peer: &mut Peer<'_, S>) -> Result<(), SendError> {
        match self {
            Self::Text(text) => peer.send_text(text),
            Self::Binary(payload) => peer.send_binary(payload),
            Self::TextFragment { text, last } => peer.send_text_fragment(text, *last),
            Self::BinaryFragment { payload, last } => peer.send_binary_fragment(payload, *last),
            Self::Unsendable(_) | Self::End => Ok(()),
        }
    }

    /// Bytes of payload.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Text(text) | Self::TextFragment { text, .. } => text.len(),
            Self::Binary(payload) | Self::BinaryFragment { payload, .. } => payload.len(),
            Self::Unsendable(_) | Self::End => 0,
        }
    }

    /// Text or binary.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Binary(_) | Self::BinaryFragment { .. } => MessageKind::Binary,
            _ => MessageKind::Text,
        }
    }

    /// Whether a message ends with it.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Text(_) | Self::Binary(_) => true,
            Self::TextFragment { last, .. } | Self::BinaryFragment { last, .. } => *last,
            Self::Unsendable(_) | Self::End => false,
        }
    }
}

/// Files and stdin, read once [started](Input::start).
pub struct Input {
    files: Vec<(PathBuf, File)>,
    stdin: Stdin,
    chunk: Option<usize>,
    items: Option<Receiver<Item>>,
    /// Taken and given back.
    returned: VecDeque<Item>,
    ended: bool,
}

impl Input {
    /// Opens the files.
    ///
    /// # Errors
    ///
    /// A file that cannot be sent.
    pub fn open(options: &Options) -> Result<Self, String> {
        let mut files = Vec::new();
        for path in &options.files {
            files.push((path.clone(), open(path, options.chunk)?));
        }
        Ok(Self {
            files,
            stdin: options.stdin,
            chunk: options.chunk,
            items: None,
            returned: VecDeque::new(),
            ended: false,
        })
    }

    /// Starts to read, unless that was done before. `wake` is called on the reading thread whenever there is something.
    pub fn start(&mut self, wake: impl Fn() + Send + 'static) {
        if self.items.is_some() {
            return;
        }
        let files = std::mem::take(&mut self.files);
        let reads_stdin = files.is_empty() || io::stdin().is_terminal();
        let (sender, items) = sync_channel(READ_AHEAD);
        self.items = Some(items);
        let reader = Reader { sender, wake, stdin: self.stdin, chunk: self.chunk };
        let thread = thread::Builder::new().name("input".into());
        if let Err(error) = thread.spawn(move || reader.read(files, reads_stdin)) {
            self.give_back(Item::Unsendable(format!("everything: there is no thread for it: {error}")));
        }
    }

    /// The next item, if there is one by now. Nothing comes after [`Item::End`].
    pub fn take(&mut self) -> Option<Item> {
        if let Some(item) = self.returned.pop_front() {
            return Some(item);
        }
        if self.ended {
            return None;
        }
        let item = self.items.as_ref()?.try_recv().ok()?;
        self.ended = item == Item::End;
        Some(item)
    }

    /// Gives an item back that could not be sent; it is the next one again.
    pub fn give_back(&mut self, item: Item) {
        self.returned.push_front(item);
    }

    /// Everything that was read and will not be sent, and whether that is all there was.
    pub fn rest(&mut self) -> (Vec<Item>, bool) {
        let mut rest = Vec::new();
        // The reading thread goes on meanwhile: without a limit this could go on as long as stdin does.
        let most = self.returned.len() + 2 * READ_AHEAD;
        while rest.len() <= most {
            match self.take() {
                Some(Item::End) => return (rest, true),
                Some(item) => rest.push(item),
                None => break,
            }
        }
        (rest, self.ended)
    }
}

fn open(path: &Path, chunk: Option<usize>) -> Result<File, String> {
    let fail = |error: io::Error| format!("cannot send {}: {error}", path.display());
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(format!("cannot send {}: it is a directory", path.display()));
    }
    if chunk.is_none() && metadata.len() > MAX_WHOLE {
        return Err(format!(
            "cannot send {}: with more than {} MiB it needs --chunk",
            path.display(),
            MAX_WHOLE >> 20
        ));
    }
    Ok(file)
}

struct Reader<W> {
    sender: SyncSender<Item>,
    wake: W,
    stdin: Stdin,
    chunk: Option<usize>,
}

/// Nobody wants any more of it.
struct Gone;

impl<W: Fn()> Reader<W> {
    fn read(self, files: Vec<(PathBuf, File)>, reads_stdin: bool) {
        let result = files.into_iter().try_for_each(|(path, file)| self.file(&path, file));
        let result = result.and_then(|()| if reads_stdin { self.stdin() } else { Ok(()) });
        let _ = result.and_then(|()| self.push(Item::End));
    }

    fn push(&self, item: Item) -> Result<(), Gone> {
        self.sender.send(item).map_err(|_| Gone)?;
        (self.wake)();
        Ok(())
    }

    fn file(&self, path: &Path, mut file: File) -> Result<(), Gone> {
        let name = path.display().to_string();
        if let Some(chunk) = self.chunk {
            return self.fragments(&name, file, chunk);
        }
        let mut payload = Vec::new();
        // What is no ordinary file has no length beforehand.
        let read = (&mut file).take(MAX_WHOLE + 1).read_to_end(&mut payload);
        self.push(match read {
            Err(error) => Item::Unsendable(format!("{name}: {error}")),
            Ok(len) if len as u64 > MAX_WHOLE => {
                Item::Unsendable(format!("{name}: with more than {} MiB it needs --chunk", MAX_WHOLE >> 20))
            }
            Ok(_) if self.stdin == Stdin::Text => match String::from_utf8(payload) {
                Ok(text) => Item::Text(text),
                Err(_) => Item::Unsendable(format!("{name}: it is not UTF-8, as a text message has to be")),
            },
            Ok(_) => Item::Binary(payload),
        })
    }

    fn stdin(&self) -> Result<(), Gone> {
        match self.stdin {
            Stdin::Lines => self.lines(BufReader::new(io::stdin())),
            Stdin::Text | Stdin::Binary => self.fragments("stdin", io::stdin(), PIECE),
        }
    }

    fn lines(&self, mut input: impl BufRead) -> Result<(), Gone> {
        for number in 1_u64.. {
            match next_line(&mut input) {
                Ok(None) => break,
                Ok(Some(Line::Text(text))) => self.push(Item::Text(text))?,
                Ok(Some(Line::NotUtf8 { len })) => {
                    self.push(Item::Unsendable(format!("line {number} ({len} bytes): it is not UTF-8")))?;
                }
                Ok(Some(Line::TooLong)) => {
                    let why = format!("line {number} and the rest: it is longer than {} MiB", MAX_LINE >> 20);
                    return self.push(Item::Unsendable(why));
                }
                Err(error) => return self.push(Item::Unsendable(format!("stdin: {error}"))),
            }
        }
        Ok(())
    }

    /// One message, a fragment for each `len` bytes.
    fn fragments(&self, name: &str, mut input: impl Read, len: usize) -> Result<(), Gone> {
        let is_text = self.stdin == Stdin::Text;
        // So that each fragment has a code point.
        let len = if is_text { len.max(4) } else { len };
        let mut started = false;
        // A code point may be cut by the end of a piece: what there is of it begins the next one.
        let mut carried = Vec::new();
        loop {
            let mut piece = std::mem::take(&mut carried);
            let wanted = (len - piece.len()) as u64;
            let read = (&mut input).take(wanted).read_to_end(&mut piece);
            let at_end = match read {
                Ok(read) => (read as u64) < wanted,
                Err(error) => return self.give_up(format!("{name}: {error}"), started),
            };
            if at_end && piece.is_empty() && !started {
                return Ok(());
            }
            let mut text = String::new();
            if is_text {
                match take_text(&mut piece, at_end) {
                    Ok((whole, cut)) => (text, carried) = (whole, cut),
                    Err(()) => return self.give_up(format!("{name}: it is not UTF-8"), started),
                }
            }
            self.push(self.fragment(text, piece, at_end))?;
            if at_end {
                return Ok(());
            }
            started = true;
        }
    }

    /// A message that was begun and cannot go on must not look whole: it stays without end, and nothing can follow it.
    fn give_up(&self, why: String, started: bool) -> Result<(), Gone> {
        self.push(Item::Unsendable(why))?;
        if !started {
            return Ok(());
        }
        self.push(Item::End)?;
        Err(Gone)
    }

    fn fragment(&self, text: String, payload: Vec<u8>, last: bool) -> Item {
        match self.stdin {
            Stdin::Text => Item::TextFragment { text, last },
            Stdin::Lines | Stdin::Binary => Item::BinaryFragment { payload, last },
        }
    }
}

/// The text of a piece, and the beginning of a code point at its end.
fn take_text(piece: &mut Vec<u8>, at_end: bool) -> Result<(String, Vec<u8>), ()> {
    let bytes = std::mem::take(piece);
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, Vec::new())),
        Err(error) if error.utf8_error().error_len().is_none() && !at_end => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            let cut = bytes.split_off(valid);
            String::from_utf8(bytes).map(|text| (text, cut)).map_err(|_| ())
        }
        Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the reader makes of this input. The channel is larger here: nobody takes anything out meanwhile.
    fn items(stdin: Stdin, read: impl FnOnce(&Reader<fn()>) -> Result<(), Gone>) -> Vec<Item> {
        let (sender, receiver) = sync_channel(1000);
        let reader = Reader { sender, wake: (|| ()) as fn(), stdin, chunk: None };
        assert!(read(&reader).is_ok());
        drop(reader);
        receiver.iter().collect()
    }

    #[test]
    fn lines_are_text_messages_and_what_is_none_is_told() {
        let items = items(Stdin::Lines, |reader| reader.lines(&b"one\n\xff\n\ntwo"[..]));
        assert_eq!(
            items,
            [
                Item::Text("one".into()),
                Item::Unsendable("line 2 (1 bytes): it is not UTF-8".into()),
                Item::Text(String::new()),
                Item::Text("two".into()),
            ]
        );
    }

    #[test]
    fn fragments_make_one_message() {
        let fragment = |payload: &[u8], last| Item::BinaryFragment { payload: payload.into(), last };
        let binary = |input: &[u8]| items(Stdin::Binary, |reader| reader.fragments("f", input, 4));
        assert_eq!(binary(b"12345"), [fragment(b"1234", false), fragment(b"5", true)]);
        assert_eq!(binary(b"1234"), [fragment(b"1234", false), fragment(b"", true)]);
        assert_eq!(binary(b""), []);
        let bytes = items(Stdin::Binary, |reader| reader.fragments("f", &b"12"[..], 1));
        assert_eq!(bytes, [fragment(b"1", false), fragment(b"2", false), fragment(b"", true)]);
    }

    #[test]
    fn fragments_of_a_text_do_not_cut_code_points() {
        let text = "añ🦀€ x";
        let items = items(Stdin::Text, |reader| reader.fragments("f", text.as_bytes(), 1));
        let mut whole = String::new();
        for (i, item) in items.iter().enumerate() {
            let Item::TextFragment { text, last } = item else { panic!("{item:?}") };
            assert_eq!(*last, i == items.len() - 1);
            whole += text;
        }
        assert_eq!(whole, text);
    }

    #[test]
    fn a_text_that_is_not_utf8_stays_without_end_and_is_told() {
        let items = items(Stdin::Text, |reader| {
            assert!(reader.fragments("f", &b"1234\xff6"[..], 4).is_err(), "nothing can follow");
            Ok(())
        });
        assert_eq!(
            items,
            [
                Item::TextFragment { text: "1234".into(), last: false },
                Item::Unsendable("f: it is not UTF-8".into()),
                Item::End,
            ]
        );
    }
}
