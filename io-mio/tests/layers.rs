//! io-mio's files import only what is below them. The rules are those of core's
//! `tests/support/layers.rs`.

#[path = "../../core/tests/support/layers.rs"]
#[allow(unreachable_pub, reason = "shared by test binaries of two crates")]
mod layers;

use std::path::Path;

use layers::{Layers, check_folder};

/// ARCHITECTURE.md, "io-mio", from the bottom to the top. Each file of io-mio/src stands here.
const IO_MIO: Layers<'_> = &[
    // What everything may use.
    &["random"],
    // What can be set.
    &["settings/origin", "settings/resolver", "settings/slow_consumer", "settings/topic_limits"],
    &["settings"],
    // Certificates, and TLS over any stream.
    &["tls/config"],
    &["tls/pem"],
    &["tls/client", "tls/server", "tls/stream"],
    &["tls"],
    // Whom to dial, and through what.
    &["target/connect_error", "target/credentials", "target/proxy/bypass"],
    &["target/url", "target/proxy"],
    &["target/redirect"],
    &["target/connect"],
    &["target"],
    // One connection, and how it sends.
    &["conn/ending", "conn/out_queue", "conn/pace", "conn/peer_addr", "conn/peer_id", "conn/wire"],
    &["conn/head", "conn/gathering", "conn/shared_frame"],
    &["conn/link"],
    &["conn/sending"],
    &["conn"],
    // What loops and threads share.
    &["hub/admission", "hub/command"],
    &["hub/inbox"],
    &["hub"],
    &["hub/handle"],
    // mio.
    &["kernel/script"],
    &["kernel/socket"],
    &["kernel/transport"],
    &["kernel/edges", "kernel/listener"],
    &["kernel/poller"],
    &["kernel"],
    // From a URL to an open connection, without sockets.
    &["dial/eyeballs", "dial/resolve", "dial/serializer", "dial/refusal", "dial/tunnel"],
    &["dial/answers", "dial/race"],
    &["dial/dialling"],
    &["dial"],
    // What one loop keeps.
    &["state/timers", "state/topics"],
    &["state/slots"],
    &["state/assembly"],
    &["state/shared"],
    &["state/deliver"],
    &["state"],
    // What applications see.
    &["app/request", "app/response"],
    &["app/accept", "app/peer"],
    &["app/context"],
    &["app/handler"],
    &["app"],
    // What a connection does now.
    &["phases/turn"],
    &["phases/closing"],
    &["phases/settling"],
    &["phases/receiving"],
    &["phases/dialling", "phases/opening"],
    &["phases"],
    // One thread's turn.
    &["event_loop/accepting"],
    &["event_loop/driver"],
    &["event_loop"],
    &["event_loop/scripted"],
    // What people start with: the client objects, and the server.
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
    &["server"],
    &["lib"],
];

#[test]
fn imports_of_io_mio_only_go_down() {
    let findings = check_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), IO_MIO);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
