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
    &["metrics", "random"],
    // What can be set.
    &["settings/network"],
    &["settings/trusted_proxies"],
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
    &["conn/forwarded", "conn/proxy_header"],
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
    &["state/small_set", "state/names"],
    &["state/engines", "state/timers", "state/topics", "state/warnings"],
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
    &["phases/announcing"],
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

// --- what ARCHITECTURE.md says

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

/// The part of ARCHITECTURE.md about this crate.
fn architecture() -> String {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let part = text.split("\n## ").find(|part| part.starts_with("io-mio, folder by folder"));
    part.expect("a part about io-mio").to_owned()
}

#[test]
fn architecture_lists_the_folders_in_the_order_of_the_layers() {
    let mut folders: Vec<&str> = Vec::new();
    for module in IO_MIO.iter().copied().flatten() {
        let folder = module.split('/').next().expect("a part");
        if !folders.contains(&folder) && !["lib", "random"].contains(&folder) {
            folders.push(folder);
        }
    }
    let text = architecture();
    let told: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|name| name.trim_end_matches('/').trim_end_matches(".rs"))
        .collect();
    assert_eq!(told, folders);
}

/// "`phases.rs`: `begin`, `go_on`" in a numbered line: these functions are in that file.
#[test]
fn the_functions_that_architecture_names_are_where_it_says() {
    let (mut checked, mut missing) = (0, Vec::new());
    for line in architecture().lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())) {
        let mut file = None;
        // Every second piece stands between backquotes.
        for name in line.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                let path = root().join("io-mio/src").join(name);
                file = Some((name, std::fs::read_to_string(&path).unwrap_or_default()));
                continue;
            }
            let (path, text) = file.as_ref().expect("a file before its functions");
            checked += 1;
            let is_there = |ending| text.contains(&format!("fn {name}{ending}"));
            if !is_there("(") && !is_there("<") {
                missing.push(format!("{path} has no {name}"));
            }
        }
    }
    assert!(checked > 40, "{checked} functions");
    assert_eq!(missing, [""; 0]);
}

/// `mio` is named where sockets are, and nowhere else.
#[test]
fn mio_is_named_in_kernel_alone() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                look(&path, found);
            } else if !path.starts_with(root().join("io-mio/src/kernel")) {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let names_mio = |line: &str| {
                    !line.trim_start().starts_with("//")
                        && line.split("sansws_mio").any(|part| {
                            part.match_indices("mio::").any(|(at, _)| {
                                !part[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                            })
                        })
                };
                if text.lines().any(names_mio) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    let mut found = Vec::new();
    look(&root().join("io-mio/src"), &mut found);
    assert_eq!(found, [""; 0]);
}
