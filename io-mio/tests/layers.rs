//! The files of io-mio import only what is below them. The rules are those of
//! `core/tests/support/layers.rs`.
#![allow(missing_docs)]

#[path = "../../core/tests/support/layers.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared by test binaries of two crates")]
mod layers;

use std::path::Path;

use layers::{Layers, check_folder};

/// The client objects, from the bottom to the top. Each file of `src/client` is listed here.
const CLIENT: Layers<'_> = &[
    // What is said and told.
    &["client/event", "client/panics"],
    &["client/error"],
    &["client/plan"],
    // The state of one WebSocket object, without I/O.
    &["client/socket"],
    // The client thread.
    &["client/thread/session", "client/thread/timers"],
    &["client/thread/worker"],
    &["client/thread/inbox"],
    &["client/thread"],
    &["client/thread/clients"],
    // The browser's object.
    &["client/websocket"],
    &["client/websocket/builder"],
    // The one that keeps itself alive.
    &[
        "client/reliable/attempt",
        "client/reliable/backoff",
        "client/reliable/event",
        "client/reliable/heartbeat",
    ],
    &["client/reliable/reconnect"],
    &["client/reliable/keeper"],
    &["client/reliable/keeper/attending"],
    &["client/reliable"],
    &["client/reliable/builder"],
    // What is public.
    &["client"],
];

/// Only `lib` and `server` may stand above the client objects: nothing else imports them.
const ABOVE: [&str; 2] = ["lib", "server"];

#[test]
fn imports_of_the_client_objects_only_go_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_client = |module: &str| module == "client" || module.starts_with("client/");
    let findings: Vec<String> = check_folder(&src, CLIENT)
        .into_iter()
        .filter(|finding| {
            let finding = finding.strip_prefix("a circle of imports: ").unwrap_or(finding);
            finding.split([' ', ':']).any(is_client)
        })
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn nothing_below_imports_the_client_objects() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let others: Vec<String> = check_folder(&src, &[])
        .iter()
        .filter_map(|finding| finding.strip_suffix(" is not in the table of layers"))
        .filter(|module| !ABOVE.contains(module) && *module != "client" && !module.starts_with("client/"))
        .map(str::to_owned)
        .collect();
    assert!(others.len() > 30, "{others:?}");
    // In one layer at the bottom, so that what is found is what runs up to the client objects.
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let table = [&[&others[..]], CLIENT, &[&ABOVE[..]]].concat();
    let findings: Vec<String> = check_folder(&src, &table)
        .into_iter()
        .filter(|finding| !finding.starts_with("a circle of imports: "))
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
