//! What a terminal is shown.

use std::borrow::Cow;

/// Text of somebody else's with nothing in it that a terminal obeys: each control character becomes `�`, and so do the invisible ones that
/// turn the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(is_unsafe) { text.replace(is_unsafe, "\u{fffd}").into() } else { text.into() }
}

fn is_unsafe(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && c != '\t' && c != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(printable("plain añ🦀\ttext"), "plain añ🦀\ttext");
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
        assert_eq!(
            printable("\u{1b}[2J\rx\u{9b}1m\u{202e}y\u{61c}"),
            "\u{fffd}[2J\u{fffd}x\u{fffd}1m\u{fffd}y\u{fffd}"
        );
    }
}
