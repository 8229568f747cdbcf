//! Status codes of a Close, in words for people.

/// What the server says with a status code, in our own words; nothing where the number is enough.
///
/// RFC 6455 §5.5.1, about the reason that comes with a code: "As the data is not guaranteed to be human readable, clients MUST NOT show it to
/// end users." This is shown in its place.
pub fn in_words(code: u16) -> &'static str {
    match code {
        1001 => "the server is going away",
        1002 => "the server found a mistake in the protocol",
        1003 => "the server does not take this kind of message",
        1005 => "the server did not say why",
        1006 => "the connection broke",
        1007 => "the server got a message that it cannot read",
        1008 => "against the rules of the server",
        1009 => "a message was too big for the server",
        1010 => "the server lacks something that is needed",
        1011 => "the server had a problem",
        1012 => "the server is being restarted",
        1013 => "the server has too much to do just now",
        1014 => "another server, behind this one, had a problem",
        1015 => "no secure connection",
        3000..=4999 => "a decision of the server",
        _ => "",
    }
}
