//! User name and password as HTTP sends them, RFC 7617.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Something that must not get into a log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The value of an `Authorization` header. `None`: not a user name and password that the Basic
/// scheme can carry.
pub(crate) fn basic(user: &[u8], password: &[u8]) -> Option<Secret> {
    // RFC 7617 §2: "a user-id containing a colon character is invalid … The user-id and password
    // MUST NOT contain any control characters".
    let bad = |byte: &u8| byte.is_ascii_control();
    if user.contains(&b':') || user.iter().chain(password).any(bad) {
        return None;
    }
    Some(Secret(format!("Basic {}", STANDARD.encode([user, b":", password].concat()))))
}

/// As [`basic`], from the `user:password` of a URL, percent-encoded as it is there.
pub(crate) fn basic_of_userinfo(userinfo: &str) -> Option<Secret> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    basic(&percent_decode(user)?, &percent_decode(password)?)
}

/// RFC 3986 §2.1. `None`: a `%` without two hexadecimal digits.
pub(crate) fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            (b'%', _) => return None,
            _ => byte,
        });
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| digit.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let secret = basic(b"Aladdin", b"open sesame").expect("fit to be sent");
        assert_eq!(secret.0, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic_of_userinfo("Aladdin:open%20sesame"), Some(secret));
    }

    /// Attack A-05.
    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert_eq!(basic(b"a:b", b"c"), None);
        assert_eq!(basic_of_userinfo("a%3Ab:c"), None);
        assert_eq!(basic_of_userinfo("a:b%0d%0aX: y"), None);
        assert_eq!(basic_of_userinfo("a:%0"), None);
        assert_eq!(basic_of_userinfo("a:%zz"), None);
        assert_eq!(basic_of_userinfo("a:%+1"), None);
    }

    #[test]
    fn a_password_may_be_missing_or_have_colons() {
        assert_eq!(basic_of_userinfo("me"), basic(b"me", b""));
        assert_eq!(basic_of_userinfo("me:a:b"), basic(b"me", b"a:b"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", basic(b"me", b"hidden")), "Some(…)");
    }
}
