//! The WebSocket object against the WHATWG standard. `docs/whatwg.md` says which rule is tested where.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod callbacks;
#[cfg(feature = "__tls")]
#[path = "../tls/certificates.rs"]
mod certificates;
mod limits;
mod members;
mod order;
#[path = "../reach/refusing.rs"]
#[allow(dead_code)]
mod refusing;
#[path = "../scripted/mod.rs"]
mod scripted;
#[cfg(feature = "__tls")]
mod secure;

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use refusing::refusing;
use sansws_mio::{
    BinaryType, Clients, CloseError, Data, Event, EventKind, FailureCause, InvalidStateError, ReadyState,
    Resolver, Settings, Timeouts, WebSocket,
};
use scripted::{DEADLINE, Got, Peer, serve, serve_listener};

/// An event, short.
#[derive(Debug, Clone, PartialEq, Eq)]
enum E {
    Open,
    Text(String),
    Binary(Vec<u8>),
    Error,
    Close(u16, String, bool),
}

fn short(event: Event) -> E {
    match event {
        Event::Open => E::Open,
        Event::Message(Data::Text(text)) => E::Text(text),
        Event::Message(Data::Binary(payload)) => E::Binary(payload.into()),
        Event::Error => E::Error,
        Event::Close(close) => E::Close(close.code, close.reason, close.was_clean),
        _ => unreachable!("no other event"),
    }
}

fn next(socket: &WebSocket) -> E {
    short(socket.next_event(Some(DEADLINE)).expect("an event in time"))
}

/// Everything up to the end, with the ready state at each event.
fn rest(socket: &WebSocket) -> Vec<(E, ReadyState)> {
    let mut events = Vec::new();
    while let Some(event) = socket.next_event(Some(DEADLINE)) {
        events.push((short(event), socket.ready_state()));
    }
    assert!(matches!(events.last(), Some((E::Close(..), _))), "no end in time: {events:?}");
    events
}

fn close(code: u16, reason: &str, was_clean: bool) -> (E, ReadyState) {
    (E::Close(code, reason.into(), was_clean), ReadyState::Closed)
}

fn failed() -> Vec<(E, ReadyState)> {
    vec![(E::Error, ReadyState::Closed), close(1006, "", false)]
}

fn opened_then_failed() -> Vec<(E, ReadyState)> {
    [vec![(E::Open, ReadyState::Open)], failed()].concat()
}

fn new(url: &str) -> WebSocket {
    WebSocket::new(url, &[]).expect("a good URL")
}

/// A connection that is open, and known to be.
fn open(url: &str) -> WebSocket {
    let socket = new(url);
    assert_eq!(next(&socket), E::Open);
    socket
}
