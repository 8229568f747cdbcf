//! SECURITY.md tells the defaults of all limits and deadlines: they are those of the code, and none is left out.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

use std::collections::BTreeMap;
use std::time::Duration;

use sansws::handshake::{DEFAULT_MAX_HEAD_LEN, MAX_SUBPROTOCOLS};
use sansws::{Config, Timeouts};
use sansws_mio::{Settings, TopicLimits};

const TEXT: &str = include_str!("../../SECURITY.md");

#[test]
fn security_md_tells_the_defaults() {
    let mut told = BTreeMap::new();
    for line in TEXT.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (name, default) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        // One setting may be two limits.
        let name = match name.strip_prefix('`').unwrap_or_default() {
            name if name.starts_with("WebSocketBuilder::max_events") => name,
            name => name.split('`').next().unwrap_or_default(),
        };
        assert_eq!(told.insert(name, default.to_owned()), None, "{name} twice");
    }
    let mut limits = defaults();
    limits.extend(fixed());
    assert_eq!(told, limits);
}

/// What the driver's source says of limits that cannot be seen from outside.
fn fixed() -> BTreeMap<&'static str, String> {
    let plan = include_str!("../src/client/plan.rs");
    let backoff = include_str!("../src/client/reliable/backoff.rs");
    let resolve = include_str!("../src/dial/resolve.rs");
    let poller = include_str!("../src/kernel/poller.rs");
    let admission = include_str!("../src/hub/admission.rs");
    let interim = said(include_str!("../src/dial/dialling.rs"), "const MAX_INTERIM: u32 = ");
    assert_eq!(said(include_str!("../src/dial/tunnel.rs"), "const MAX_INTERIM: u32 = "), interim);
    BTreeMap::from([
        ("WebSocketBuilder::max_buffered", size(said(plan, "max_buffered: "))),
        ("WebSocketBuilder::max_events`, count", said(plan, "max_events: ").to_string()),
        ("WebSocketBuilder::max_events`, bytes", size(said(plan, "max_event_bytes: "))),
        ("Backoff::max_retry_after", seconds(backoff, "max_retry_after: Duration::from_secs(")),
        (
            "ReliableBuilder::prepare_timeout",
            seconds(include_str!("../src/client/reliable/builder.rs"), "Some(Duration::from_secs("),
        ),
        ("MAX_INTERIM", interim.to_string()),
        (
            "Connector",
            said(include_str!("../../core/src/handshake/connector.rs"), "const MAX_INTERIM: u8 = ")
                .to_string(),
        ),
        (
            "MAX_CHUNK_LINE",
            size(said(include_str!("../src/dial/refusal.rs"), "const MAX_CHUNK_LINE: usize = ")),
        ),
        (
            "MAX_ADDRESSES",
            said(include_str!("../src/dial/eyeballs.rs"), "const MAX_ADDRESSES: usize = ").to_string(),
        ),
        ("MAX_THREADS", said(resolve, "const MAX_THREADS: usize = ").to_string()),
        ("MAX_SLOW", said(resolve, "const MAX_SLOW: usize = ").to_string()),
        ("MAX_HOPS", said(include_str!("../src/conn/forwarded.rs"), "const MAX_HOPS: usize = ").to_string()),
        (
            "MAX_PROXY_HEADER",
            said(include_str!("../src/conn/proxy_header.rs"), "const MAX_PROXY_HEADER: usize = ").to_string(),
        ),
        ("MAX_NAMES", said(resolve, "const MAX_NAMES: usize = ").to_string()),
        ("MAX_ASKERS", said(resolve, "const MAX_ASKERS: usize = ").to_string()),
        ("MAX_WAKES", said(include_str!("../src/state/timers.rs"), "const MAX_WAKES: usize = ").to_string()),
        ("MAX_LISTENERS", said(poller, "const MAX_LISTENERS: usize = ").to_string()),
        ("MAX_REFUSALS", said(admission, "const MAX_REFUSALS: usize = ").to_string()),
        ("MAX_LEN", size(said(include_str!("../src/tls/pem.rs"), "const MAX_LEN: u64 = "))),
    ])
}

/// The number after these words, such as `65_536` or `32 << 20`.
fn said(source: &str, words: &str) -> usize {
    let after = source.split(words).find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let number =
        after.and_then(|rest| rest.split([',', ';', ')']).next()).unwrap_or_else(|| panic!("{words}"));
    let mut parts = number.split(" << ").map(|part| part.replace('_', "").parse::<usize>());
    match (parts.next(), parts.next()) {
        (Some(Ok(number)), None) => number,
        (Some(Ok(number)), Some(Ok(shift))) => number << shift,
        _ => panic!("{words}{number}"),
    }
}

/// Taken apart without `..`, so that a new field has to be told, or said here not to be a limit.
fn defaults() -> BTreeMap<&'static str, String> {
    let Settings {
        origin: _,
        message,
        timeouts,
        max_head_len,
        max_headers,
        max_refusal_content,
        max_control_frames,
        max_connections,
        max_connections_per_address,
        trusted_proxies: _,
        max_buffered,
        high_water,
        low_water,
        receive_buffer,
        reads_per_turn,
        topics,
        max_commands,
        max_command_bytes,
        max_incomplete_bytes,
        resolver: _,
    } = Settings::default();
    // These two are non-exhaustive: their printed form, below, shows a field that is new.
    let Config { max_frame_len, max_message_len, max_fragments, compression: _, .. } = message;
    let Timeouts { handshake, ping_interval, write, pong, idle, close, .. } = timeouts;
    let fields = |printed: String| printed.matches(": ").count();
    assert_eq!((fields(format!("{message:?}")), fields(format!("{timeouts:?}"))), (4, 6), "a field is new");
    let TopicLimits { max_per_connection, max_name_len, max_per_loop } = topics;
    BTreeMap::from([
        ("Config::max_frame_len", size(max_frame_len as usize)),
        ("Config::max_message_len", size(max_message_len as usize)),
        ("Config::max_fragments", max_fragments.to_string()),
        ("DEFAULT_MAX_HEAD_LEN", size(DEFAULT_MAX_HEAD_LEN)),
        ("MAX_SUBPROTOCOLS", MAX_SUBPROTOCOLS.to_string()),
        ("Settings::max_head_len", size(max_head_len)),
        ("Settings::max_headers", max_headers.to_string()),
        ("Settings::max_refusal_content", size(max_refusal_content)),
        ("Settings::max_control_frames", max_control_frames.to_string()),
        ("Settings::max_connections", max_connections.to_string()),
        (
            "Settings::max_connections_per_address",
            max_connections_per_address.map_or("off".into(), |max| max.to_string()),
        ),
        ("Settings::max_buffered", size(max_buffered)),
        ("Settings::high_water", size(high_water)),
        ("Settings::low_water", size(low_water)),
        ("Settings::receive_buffer", size(receive_buffer)),
        ("Settings::reads_per_turn", reads_per_turn.to_string()),
        ("Settings::max_commands", max_commands.to_string()),
        ("Settings::max_command_bytes", size(max_command_bytes)),
        ("Settings::max_incomplete_bytes", size(max_incomplete_bytes)),
        ("TopicLimits::max_per_connection", max_per_connection.to_string()),
        ("TopicLimits::max_name_len", size(max_name_len)),
        ("TopicLimits::max_per_loop", max_per_loop.to_string()),
        ("Timeouts::handshake", time(Some(handshake))),
        ("Timeouts::ping_interval", time(ping_interval)),
        ("Timeouts::write", time(Some(write))),
        ("Timeouts::pong", time(Some(pong))),
        ("Timeouts::idle", time(idle)),
        ("Timeouts::close", time(Some(close))),
    ])
}

fn seconds(source: &str, words: &str) -> String {
    format!("{} s", said(source, words))
}

fn size(bytes: usize) -> String {
    match (bytes >> 30, bytes >> 20, bytes >> 10) {
        (gib, ..) if gib << 30 == bytes => format!("{gib} GiB"),
        (_, mib, _) if mib << 20 == bytes => format!("{mib} MiB"),
        (.., kib) if kib << 10 == bytes => format!("{kib} KiB"),
        _ => format!("{bytes} bytes"),
    }
}

fn time(time: Option<Duration>) -> String {
    time.map_or("off".into(), |time| format!("{} s", time.as_secs_f32()))
}
