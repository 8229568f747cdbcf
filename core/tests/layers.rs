//! Core's files import only what is below them. The rules are those of `support/layers.rs`, which
//! has its tests here.

// They read files.
#![cfg(not(miri))]

#[path = "support/layers.rs"]
#[allow(unreachable_pub, reason = "shared by test binaries of two crates")]
mod layers;

use std::path::Path;

use layers::{Layers, check, check_folder};

/// ARCHITECTURE.md, "core", from the bottom to the top. Each file of core/src stands here.
const CORE: Layers<'_> = &[
    // 1, the codec; and what needs nothing of it.
    &["authority", "close", "deflate_params", "keepalive", "mask", "utf8"],
    &["masking_keys", "output", "uri"],
    &["chacha"],
    &["error"],
    &["frame"],
    &["message"],
    // 2, the connection.
    &["connection/config", "connection/event", "connection/sender"],
    &["connection/receiver"],
    &["connection"],
    &["connection/receive", "connection/send", "connection/parked"],
    // 3, messages.
    &["deflate/window", "deflate/pool"],
    &["deflate/sent", "deflate/inflating"],
    &["deflate"],
    &["collector", "prepared"],
    &["assembler", "slice_assembler"],
    // The opening handshake.
    &["handshake/syntax", "handshake/number", "handshake/compact"],
    &["handshake/key", "handshake/error", "handshake/subprotocol"],
    &["handshake/head", "handshake/write"],
    &["handshake/extensions", "handshake/framing"],
    &["handshake/deflate"],
    &["handshake/request", "handshake/offer"],
    &["handshake/upgrade"],
    &["handshake/refusal", "handshake/response"],
    &["handshake/acceptor", "handshake/connector"],
    &["handshake/server", "handshake/client"],
    &["handshake"],
    // What is public.
    &["lib"],
];

#[test]
#[cfg_attr(miri, ignore = "it reads the source, and runs nothing of it")]
fn imports_of_core_only_go_down() {
    let findings = check_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), CORE);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

// --- the checker itself

/// What is found in these files.
fn found(sources: &[(&str, &str)], layers: Layers<'_>) -> Vec<String> {
    let sources: Vec<_> = sources.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    check(&sources, layers)
}

/// Whether `text`, as the file `a/b.rs`, imports `c/d`, and nothing else that is above it.
fn imports_c_d(text: &str) -> bool {
    let c = "mod d;\npub use d::Moved;\npub use self::d::{Other as Renamed};\npub struct InC;";
    let sources = [
        ("lib.rs", "mod a; mod c; mod d;"),
        ("a.rs", "mod b; mod d;"),
        ("a/b.rs", text),
        ("a/d.rs", ""),
        ("c.rs", c),
        ("c/d.rs", ""),
        ("d.rs", ""),
    ];
    let found = found(&sources, &[&["a/b"], &["a", "a/d", "c", "c/d", "d", "lib"]]);
    for finding in &found {
        assert!(finding.starts_with("a/b imports c/d, which is above it: line "), "{text}: {finding}");
    }
    !found.is_empty()
}

#[test]
fn imports_that_go_down_are_right() {
    let sources = [
        ("lib.rs", "mod high; mod low; pub use high::High; pub use low::Low;"),
        ("high.rs", "use crate::low::Low; use core::fmt;"),
        ("low.rs", "pub struct Low;"),
    ];
    assert_eq!(found(&sources, &[&["low"], &["high"], &["lib"]]), [""; 0]);
}

#[test]
fn an_import_that_goes_up_is_found() {
    let sources = [("lib.rs", "mod high; mod low;"), ("high.rs", ""), ("low.rs", "\nuse crate::high::High;")];
    assert_eq!(
        found(&sources, &[&["low"], &["high"], &["lib"]]),
        ["low imports high, which is above it: line 2, crate::high::High"]
    );
}

#[test]
fn a_circle_is_found_once_within_a_layer_too() {
    let sources = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; use crate::d::D;"),
        ("b.rs", "fn b() { crate::c::c() }"),
        ("c.rs", "use super::a::A;"),
        ("d.rs", ""),
    ];
    assert_eq!(
        found(&sources, &[&["a", "b", "c", "d"], &["lib"]]),
        ["a circle of imports: a -> b -> c -> a"]
    );
}

#[test]
fn the_table_has_each_file_once() {
    let sources = [("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b/mod.rs", "")];
    assert_eq!(
        found(&sources, &[&["a"], &["a", "c"], &["lib"]]),
        [
            "a is in the table twice",
            "c is in the table, but there is no such file",
            "b is not in the table of layers",
        ]
    );
}

#[test]
fn every_form_of_an_import_is_understood() {
    for text in [
        "use crate::c::d::X;",
        "use crate::c::d;",
        "use crate::c::d as e;",
        "use crate::c::d::*;",
        "use crate::{c::{d::{X, Y as Z}}};",
        "use {core::fmt, crate::{c::d::{self, X}}};",
        "pub(crate) use super::super::c::d::X;",
        "pub(in crate::a) use self::super::super::c::d::X;",
        "mod inline { mod deeper { use super::super::super::super::c::d::X; } }",
        "fn f() { let x: Vec<crate::c::d::X<'static>> = g(); }",
        "fn f() { use crate::c::d::X; }",
        "impl super::super::c::d::X for Y {}",
        // By way of a re-export.
        "use crate::c::Moved;",
        "use crate::c::{Renamed};",
        "const X: u8 = crate::c::Moved::MAX;",
        // Behind what looks like the beginning of something else.
        "const A: [char; 3] = ['\"', '\\'', '/']; use crate::c::d;",
        "const A: &str = r#\"\"//\"#; /* /* */ */ fn f<'a>(r#type: &'a u8) { crate::c::d::g() }",
        "#[cfg(not(test))] use crate::c::d;",
        "#[cfg(test)] mod tests { fn f() {} } use crate::c::d;",
        "#[cfg(test)] use crate::{c}; use crate::c::d;",
        "struct S { #[cfg(test)] a: u8, b: crate::c::d::X }",
    ] {
        assert!(imports_c_d(text), "not seen: {text}");
    }
}

#[test]
fn what_is_no_import_is_left_out() {
    for text in [
        "/// [`X`](crate::c::d::X)\nfn f() {}",
        "//! crate::c::d\n/* crate::c::d /* */ crate::c::d */",
        "const A: (&str, &[u8], char) = (\"\\\"crate::c::d\", br##\"\"# crate::c::d\"##, '\\'');",
        "#[cfg(test)] mod tests { use crate::c::d::X; mod m {} }",
        "#[cfg(all(test, unix))] #[allow(x)] pub(crate) mod tests { use crate::c::d::X; }",
        "#[cfg(test)] use crate::{c::d::X}; #[cfg(test)] fn f<A, B>() { crate::c::d::X }",
        "use core::c::d; use ::c::d::X; use other::crates::c::d;",
        "fn f() -> impl Iterator<Item = u8> + use<'_> {} pub(in crate::c::d) struct S;",
    ] {
        assert!(!imports_c_d(text), "taken for an import: {text}");
    }
}

#[test]
fn a_file_of_tests_alone_is_in_no_layer() {
    let sources = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        ("a.rs", "#![allow(x)]"),
        ("b.rs", "//! Tests.\n#![cfg(test)]\nuse crate::a;"),
        ("tests.rs", "mod more; use crate::a;"),
        ("tests/more.rs", ""),
    ];
    assert_eq!(found(&sources, &[&["a"], &["lib"]]), [""; 0]);
}

#[test]
fn a_child_is_below_its_parent_or_above_it_and_not_both() {
    let layers: Layers<'_> = &[&["a/part"], &["a"], &["a/more"], &["lib"]];
    let check = |a: &str, part: &str, more: &str| {
        let lib = ("lib.rs", "mod a; pub use a::A;");
        found(&[lib, ("a.rs", a), ("a/part.rs", part), ("a/more.rs", more)], layers)
    };
    // A re-export alone is no import of the parent's.
    let a = "mod part; mod more; pub use more::More; use part::Part; pub struct A(Part);";
    assert_eq!(check(a, "use core::fmt;", "use super::{A, Part}; impl A {}"), [""; 0]);
    assert_eq!(
        check(a, "use super::A;", ""),
        ["a/part imports a, which is above it: line 1, super::A", "a circle of imports: a -> a/part -> a"]
    );
    assert_eq!(
        check("mod part; mod more; pub use more::More; pub struct A(More);", "", "use super::A;"),
        ["a imports a/more, which is above it: line 1, more::More", "a circle of imports: a -> a/more -> a"]
    );
}
