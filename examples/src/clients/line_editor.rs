//! One line that is typed at the bottom of a terminal while others are printed above it.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Most lines that are remembered.
const HISTORY: usize = 200;
/// Longest line, in characters.
const MAX_LEN: usize = 100_000;
/// Of a terminal that does not say.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// A terminal that hands over each key, until this is dropped.
pub struct KeyMode {
    original: Original,
}

/// How the terminal was before [`KeyMode`].
#[derive(Clone)]
pub struct Original(Termios);

impl KeyMode {
    /// Sets stdin so.
    ///
    /// # Errors
    ///
    /// It is no terminal.
    pub fn enter() -> io::Result<Self> {
        let original = tcgetattr(io::stdin())?;
        let mut keys = original.clone();
        // Ctrl-C stays a signal.
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        tcsetattr(io::stdin(), OptionalActions::Now, &keys)?;
        Ok(Self { original: Original(original) })
    }

    /// For whoever has to set it back earlier, or cannot be sure that this is dropped.
    pub fn original(&self) -> Original {
        self.original.clone()
    }
}

impl Drop for KeyMode {
    fn drop(&mut self) {
        self.original.restore();
    }
}

impl Original {
    /// Sets stdin so again; twice does no harm.
    pub fn restore(&self) {
        // There is nothing that could be done about it.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Columns of the terminal.
pub fn width() -> usize {
    size().0
}

/// Columns and rows of the terminal.
pub fn size() -> (usize, usize) {
    let (columns, rows) = tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let known = |number: u16, default| if number == 0 { default } else { number.into() };
    (known(columns, DEFAULT_SIZE.0), known(rows, DEFAULT_SIZE.1))
}

/// A line that takes no more than so many columns; its colours remain, and switch off again.
pub fn cut(line: &str, columns: usize) -> String {
    let visible = |is_escape: &mut bool, c: char| {
        let is_visible = !*is_escape && c != '\x1b';
        // Ours end in a letter.
        *is_escape = !is_visible && !c.is_ascii_alphabetic();
        is_visible
    };
    let mut is_escape = false;
    let total: usize = line.chars().filter(|c| visible(&mut is_escape, *c)).map(column).sum();
    if total <= columns {
        return line.into();
    }
    let (mut out, mut used, mut is_cut) = (String::new(), 1, false);
    for c in line.chars() {
        if !visible(&mut is_escape, c) {
            out.push(c);
        } else if !is_cut {
            used += column(c);
            is_cut = used > columns;
            out.push(if is_cut { '…' } else { c });
        }
    }
    out
}

/// The line and where in it the next character goes.
#[derive(Debug, Default)]
pub struct LineEditor {
    line: Vec<char>,
    cursor: usize,
    history: Vec<Vec<char>>,
    /// How far back in it.
    back: usize,
    /// What was being typed before going back.
    draft: Vec<char>,
    /// Bytes of an escape sequence, or of a code point, that is not whole yet.
    partial: Vec<u8>,
}

/// What came of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Enter.
    Line(String),
    /// Ctrl-D in an empty line.
    End,
}

impl LineEditor {
    /// Takes what was typed.
    pub fn keys(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        for &byte in bytes {
            self.partial.push(byte);
            let Some(key) = key(&self.partial) else { continue };
            self.partial.clear();
            typed.extend(self.key(key));
        }
        typed
    }

    fn key(&mut self, key: Key) -> Option<Typed> {
        match key {
            Key::Char(c) if self.line.len() < MAX_LEN => {
                self.line.insert(self.cursor, c);
                self.cursor += 1;
            }
            Key::Enter => {
                let line = std::mem::take(&mut self.line);
                self.cursor = 0;
                self.back = 0;
                if !line.is_empty() && self.history.last() != Some(&line) {
                    self.history.push(line.clone());
                    if self.history.len() > HISTORY {
                        self.history.remove(0);
                    }
                }
                return Some(Typed::Line(line.into_iter().collect()));
            }
            Key::Control('D') if self.line.is_empty() => return Some(Typed::End),
            Key::Backspace | Key::Control('H') if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            Key::Delete | Key::Control('D') if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
            }
            Key::Left | Key::Control('B') => self.cursor = self.cursor.saturating_sub(1),
            Key::Right | Key::Control('F') => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::Home | Key::Control('A') => self.cursor = 0,
            Key::End | Key::Control('E') => self.cursor = self.line.len(),
            Key::Control('U') => {
                self.line.drain(..self.cursor);
                self.cursor = 0;
            }
            Key::Control('K') => self.line.truncate(self.cursor),
            Key::Control('W') => self.delete_word(),
            Key::Up => self.recall(self.back + 1),
            Key::Down if self.back > 0 => self.recall(self.back - 1),
            _ => {}
        }
        None
    }

    fn delete_word(&mut self) {
        let before = &self.line[..self.cursor];
        let word_end = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |at| at + 1);
        let start = before[..word_end].iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1);
        self.line.drain(start..self.cursor);
        self.cursor = start;
    }

    fn recall(&mut self, back: usize) {
        if back > self.history.len() {
            return;
        }
        if self.back == 0 {
            self.draft = std::mem::take(&mut self.line);
        }
        self.back = back;
        self.line = match back {
            0 => std::mem::take(&mut self.draft),
            back => self.history[self.history.len() - back].clone(),
        };
        self.cursor = self.line.len();
    }

    /// What draws the line anew, in place of what is on the terminal's line; a long one is shown around the cursor.
    pub fn draw(&self, prompt: &str, width: usize) -> String {
        let room = width.saturating_sub(columns(prompt.chars()) + 1).max(8);
        let mut start = self.cursor;
        let mut used = 0;
        while start > 0 && used + column(self.line[start - 1]) <= room {
            start -= 1;
            used += column(self.line[start]);
        }
        let mut end = self.cursor;
        while end < self.line.len() && used + column(self.line[end]) <= room {
            used += column(self.line[end]);
            end += 1;
        }
        let shown: String = self.line[start..end].iter().collect();
        let behind = columns(self.line[self.cursor..end].iter().copied());
        let to_cursor = if behind > 0 { format!("\x1b[{behind}D") } else { String::new() };
        format!("{CLEAR}{prompt}{shown}{to_cursor}")
    }
}

/// Empties the terminal's line.
pub const CLEAR: &str = "\r\x1b[K";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Char(char),
    Control(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// One that does nothing here.
    Other,
}

/// The key that these bytes are, if they are all of one.
fn key(bytes: &[u8]) -> Option<Key> {
    Some(match bytes {
        [b'\r' | b'\n'] => Key::Enter,
        [0x7f] => Key::Backspace,
        [b'\t'] => Key::Char(' '),
        [0x1b] | [0x1b, b'[' | b'O'] => return None,
        [0x1b, b'[' | b'O', middle @ .., last] => match last {
            b'0'..=b'9' | b';' if middle.len() < 16 => return None,
            b'A' => Key::Up,
            b'B' => Key::Down,
            b'C' => Key::Right,
            b'D' => Key::Left,
            b'H' => Key::Home,
            b'F' => Key::End,
            b'~' => match middle {
                b"1" | b"7" => Key::Home,
                b"4" | b"8" => Key::End,
                b"3" => Key::Delete,
                _ => Key::Other,
            },
            _ => Key::Other,
        },
        [0x1b, ..] => Key::Other,
        [control @ 1..=0x1a] => Key::Control(char::from(control + b'@')),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().filter(|c| !c.is_control()).map_or(Key::Other, Key::Char),
            Err(error) if error.error_len().is_none() && bytes.len() < 4 => return None,
            Err(_) => Key::Other,
        },
    })
}

fn columns(text: impl Iterator<Item = char>) -> usize {
    text.map(column).sum()
}

/// How many columns a character takes, near enough: none for marks, two for East Asian ones and pictures.
fn column(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Vec<Typed> {
        LineEditor::default().keys(bytes)
    }

    fn line(text: &str) -> Vec<Typed> {
        vec![Typed::Line(text.into())]
    }

    #[test]
    fn lines_are_typed_and_corrected() {
        assert_eq!(typed("hé🦀llo\r".as_bytes()), line("hé🦀llo"));
        assert_eq!(typed(b"abc\x7f\x7fx\n"), line("ax"));
        assert_eq!(typed(b"ac\x1b[Db\x1b[C!\r"), line("abc!"));
        assert_eq!(typed(b"bc\x01a\x05d\r"), line("abcd"));
        assert_eq!(typed(b"one two  \x17x\r"), line("one x"));
        assert_eq!(typed(b"abc\x1b[D\x15\r"), line("c"));
        assert_eq!(typed(b"abc\x1b[D\x1b[3~\r"), line("ab"));
        assert_eq!(typed(b"a\x1b[1;5Cb\x1bxc\r"), line("abc"), "keys that do nothing");
        assert_eq!(typed(b"\x04"), [Typed::End]);
        assert_eq!(typed(b"a\x04\r"), line("a"), "Ctrl-D in a line is Delete");
    }

    #[test]
    fn lines_are_recalled() {
        let mut editor = LineEditor::default();
        assert_eq!(editor.keys(b"one\rtwo\r").len(), 2);
        assert_eq!(editor.keys(b"dra\x1b[A\x1b[A\x1b[A\r"), line("one"));
        assert_eq!(editor.keys(b"draft\x1b[A\x1b[B\r"), line("draft"));
    }

    #[test]
    fn any_bytes_in_any_pieces_do_no_harm() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut whole = LineEditor::default();
        let mut pieces = LineEditor::default();
        let all = whole.keys(&bytes);
        let one_by_one: Vec<Typed> = bytes.iter().flat_map(|byte| pieces.keys(&[*byte])).collect();
        assert_eq!(all, one_by_one);
        assert!(!all.is_empty());
        whole.draw("> ", 20);
    }

    #[test]
    fn lines_are_cut_to_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語日", 6), "日本…");
        assert_eq!(cut("a\x1b[31mbcdefg\x1b[0m!", 6), "a\x1b[31mbcde…\x1b[0m");
        assert_eq!(cut("a\x1b[31mbcdef\x1b[0m", 6), "a\x1b[31mbcdef\x1b[0m");
    }

    #[test]
    fn a_long_line_is_shown_around_the_cursor() {
        let mut editor = LineEditor::default();
        editor.keys(b"0123456789abcdefghij");
        assert_eq!(editor.draw("> ", 13), "\r\x1b[K> abcdefghij");
        editor.keys(b"\x01");
        assert_eq!(editor.draw("> ", 13), "\r\x1b[K> 0123456789\x1b[10D");
        let mut wide = LineEditor::default();
        wide.keys("日本語日本語".as_bytes());
        assert_eq!(wide.draw("> ", 13), "\r\x1b[K> 本語日本語");
    }
}
