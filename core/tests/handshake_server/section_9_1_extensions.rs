//! RFC 6455 §9.1: Sec-WebSocket-Extensions.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sansws::handshake::{Extensions, ParamValue};

use super::*;

fn offer(lines: &[&str]) -> Vec<u8> {
    let lines: Vec<String> = lines.iter().map(|line| format!("Sec-WebSocket-Extensions:{line}")).collect();
    request_with("", &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// As `name; param=value; param`, one per line.
fn listed(lines: &[&str]) -> String {
    parsed(&offer(lines), |request| {
        let mut text = String::new();
        for extension in request.extensions() {
            text += extension.name;
            for param in extension.params() {
                text += &format!("; {}", param.name);
                text += &param.value.map(|value| format!("={value}")).unwrap_or_default();
            }
            text += "\n";
        }
        text
    })
}

/// Rules R-9.1-a and R-9.1-b.
#[test]
fn the_abnf_in_all_its_forms() {
    let table: [(&[&str], &str); 12] = [
        (&["foo"], "foo\n"),
        (&[" foo \t"], "foo\n"),
        (&["foo,bar"], "foo\nbar\n"),
        (&["foo; baz=2", "bar"], "foo; baz=2\nbar\n"),
        (&["foo ; a ;\tb = 1 , bar ; c"], "foo; a; b=1\nbar; c\n"),
        (&["p; a=\"x\""], "p; a=x\n"),
        (&["p; a = \"x\" ; b"], "p; a=x; b\n"),
        (&["p;a=\"\\x\\1y\""], "p; a=x1y\n"),
        (&[",, foo,\t,bar,"], "foo\nbar\n"),
        (&["", "foo", " , "], "foo\n"),
        (
            &["permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate"],
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10\npermessage-deflate\n",
        ),
        (&["p; a=1; a=2"], "p; a=1; a=2\n"),
    ];
    for (lines, expected) in table {
        assert_eq!(listed(lines), expected, "{lines:?}");
        assert_accepted(&offer(lines));
    }
}

/// Rule R-9.1-a.
#[test]
fn values_are_compared_unescaped() {
    parsed(&offer(&["p; a=\"1\\2\"; b=12"]), |request| {
        let params: Vec<_> = request.extensions().flat_map(|e| e.params()).collect();
        let (a, b) = (params[0].value.unwrap(), params[1].value.unwrap());
        assert!(a == "12" && b == "12" && a != "1\\2");
        assert_eq!((a.as_str(), b.as_str()), (None, Some("12")));
        assert_eq!(format!("{a} {a:?}"), "12 \"12\"");
    });
}

/// Rule R-9.1-a. Values that equal the same text are equal, and have the same hash.
#[test]
fn equality_of_values_is_transitive() {
    use std::collections::HashSet;

    let input = offer(&["p; a=10; a=\"10\"; a=\"1\\0\"; a=\"\\1\\0\"; a=11; a=1"]);
    parsed(&input, |request| {
        let extension = request.extensions().next().unwrap();
        let values: Vec<_> = extension.params().map(|param| param.value.unwrap()).collect();
        for a in &values {
            for b in &values {
                assert_eq!(a == b, a.to_string() == b.to_string(), "{a} and {b}");
                assert_eq!(*a == *b.to_string(), a == b);
            }
        }
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), 3);
    });
    let first = |line: &'static str| Extensions::parse(line).unwrap().next().unwrap();
    assert_eq!(first("p; a=10;b"), first("p ; a = \"1\\0\" ; b"));
    assert_ne!(first("p; a=10"), first("p; a=10; b"));
    assert_ne!(first("p; a=10"), first("q; a=10"));
}

/// Rules R-9.1-a and R-9.1-c.
#[test]
fn a_value_is_read_without_a_head() {
    let names: Vec<_> = Extensions::parse("foo; a=1, bar,").unwrap().map(|e| e.name).collect();
    assert_eq!(names, ["foo", "bar"]);
    for value in ["", ",", "a;;b", "foo, a b", "\u{e4}"] {
        assert_eq!(
            Extensions::parse(value).err(),
            Some(HandshakeError::Argument(Argument::Extensions)),
            "{value}"
        );
    }
}

/// Rule R-9.1-c.
#[test]
fn malformed_lists_are_refused_whole() {
    for lines in [
        &[""][..],
        &[" , "],
        &["a;;b"],
        &["a;"],
        &["a; ,b"],
        &[";a"],
        &["a=b"],
        &["a b"],
        &["a; b c"],
        &["a; b="],
        &["a; b=,c"],
        &["a; =c"],
        &["a; b=c d"],
        &["a; b==c"],
        &["a; b=\""],
        &["a; b=\"\""],
        &["a; b=\"x"],
        &["a; b=\"x\\"],
        &["a; b=\"x\\\""],
        &["a; b=\"x\\\\\""],
        &["a; b=\"x\\\"y\""],
        &["a; b=\"x y\""],
        &["a; b=\"x,y\""],
        &["a; b=\"x;y\""],
        &["a; b=\"x\"y"],
        &["a; b=\"x\" y"],
        // An extension does not go on in the next line.
        &["a; b=\"x", "y\""],
        &["a;", "b"],
        &["ok", "a/b"],
        &["\u{e4}"],
        &["a; b=\u{e4}"],
    ] {
        let error = HandshakeError::Request(Field::Extensions, Fault::Invalid);
        assert_refused(&offer(lines), error, 400);
        assert_eq!(error.section(), "9.1");
    }
}

/// With or without quotes (RFC 9110 §5.6.4: they are no part of the value).
#[test]
fn equal_values_are_one_in_a_set_and_others_are_not() {
    parsed(&offer(&["a; x=10; x=\"1\\0\"; x=\"10\"; x=1; x=01; x"]), |request| {
        let params: Vec<_> = request.extensions().flat_map(|extension| extension.params()).collect();
        assert_eq!(params.len(), 6);
        let hash = |value: &ParamValue<'_>| {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        };
        let hashes: Vec<_> = params.iter().filter_map(|param| param.value.as_ref()).map(hash).collect();
        assert_eq!(hashes[0], hashes[1]);
        assert_eq!(hashes[0], hashes[2]);
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 3);
    });
}

#[test]
fn the_iterator_ends_where_the_list_is_malformed() {
    assert_eq!(listed(&["a, b, c d, e", "f"]), "a\nb\n");
    parsed(&offer(&["a b, c", "d"]), |request| {
        let mut extensions = request.extensions();
        assert_eq!(extensions.next(), None);
        assert_eq!(extensions.next(), None, "it stays at its end");
    });
    let mut not_utf8 = offer(&["a, b?, c", "d"]);
    *not_utf8.iter_mut().find(|b| **b == b'?').unwrap() = 0xff;
    parsed(&not_utf8, |request| {
        assert_eq!(request.extensions().map(|extension| extension.name).collect::<Vec<_>>(), ["a"]);
    });
    assert_refused(&not_utf8, HandshakeError::Request(Field::Extensions, Fault::Invalid), 400);
}

/// Attack A-04.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn long_lists_take_linear_time() {
    // With anything worse than linear, 1 MiB of each would not end in a day.
    const LEN: usize = 1 << 20;
    for line in [
        format!("a; b=\"{}", "\\c".repeat(LEN / 2)),
        format!("a; b=\"{}\"", "\\c".repeat(LEN / 2)),
        format!("b{}x", " ".repeat(LEN)),
        format!("b{}", "\t ;".repeat(LEN / 3)),
        ",".repeat(LEN),
        "a,".repeat(LEN / 2),
        "a;a".repeat(LEN / 3),
        "\"".repeat(LEN),
        format!("a; b={}", "\"c\";".repeat(LEN / 4)),
    ] {
        let input = offer(&[&line]);
        parsed(&input, |request| {
            let _ = request.upgrade();
            let _ = request.extensions().map(|e| e.params().count()).sum::<usize>();
        });
        let input = request_with("", &[&format!("Sec-WebSocket-Protocol: {line}")]);
        parsed(&input, |request| {
            let _ = request.upgrade();
            let _ = request.subprotocols().count();
        });
    }
}
