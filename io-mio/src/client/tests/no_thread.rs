//! The client thread cannot be started: every object ends and says so, and nobody waits for ever.

use std::io::Error;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::client::error::FailureCause;
use crate::client::event::{Event, EventKind, ReadyState};
use crate::client::reliable::event::ReliableEvent;
use crate::client::thread::clients::Clients;
use crate::client::websocket::WebSocket;

const DEADLINE: Duration = Duration::from_secs(20);

/// As without an open file: there is a thread to call back on. As without that too, if not
/// `has_threads`.
fn failed(has_threads: bool) -> Clients {
    let clients = Clients::failed(&Error::other("too many open files"));
    clients.thread().set_threads(has_threads);
    clients
}

#[test]
fn callbacks_are_called_with_an_error_and_then_a_close_event() {
    for has_threads in [true, false] {
        let clients = failed(has_threads);
        let (tell, told) = channel();
        let mut builder = clients.websocket("ws://localhost/");
        for kind in [EventKind::Open, EventKind::Error, EventKind::Close] {
            let tell = tell.clone();
            builder = builder.bind(kind, move |socket: &WebSocket, event| {
                tell.send((event, socket.ready_state(), socket.failure_cause())).expect("the test waits");
            });
        }
        let socket = builder.open().expect("a good URL");
        let cause = || Some(FailureCause::NoClientThread("too many open files".into()));
        let (event, state, why) = told.recv_timeout(DEADLINE).expect("an event");
        assert_eq!((event, state, why), (Event::Error, ReadyState::Closed, cause()));
        let (event, ..) = told.recv_timeout(DEADLINE).expect("an event");
        assert!(matches!(event, Event::Close(close) if close.code == 1006 && !close.was_clean));
        drop(socket);

        // Bound later, and taken.
        let socket = clients.websocket("ws://localhost/").open().expect("a good URL");
        let (tell, told) = channel();
        socket.bind(EventKind::Close, move |_, event| tell.send(event).expect("the test waits"));
        socket.listen();
        assert!(matches!(told.recv_timeout(DEADLINE), Ok(Event::Close(_))));
        let socket = clients.websocket("ws://localhost/").open().expect("a good URL");
        assert_eq!(socket.next_event(Some(DEADLINE)), Some(Event::Error));
        assert!(matches!(socket.next_event(Some(DEADLINE)), Some(Event::Close(_))));
        clients.shutdown(DEADLINE);
    }
}

#[test]
fn a_connection_that_keeps_itself_alive_ends_too() {
    let is_told = |event: &ReliableEvent| {
        matches!(event, ReliableEvent::Disconnected(how)
            if matches!(how.cause, Some(FailureCause::NoClientThread(_))))
    };
    for has_threads in [true, false] {
        let clients = failed(has_threads);
        let open = || {
            let builder = WebSocket::builder("ws://localhost/").on(&clients).reliable();
            builder.offline_queue(10, 1000).open().expect("a good URL")
        };
        let socket = open();
        let (tell, told) = channel();
        socket.bind(move |_, event| tell.send(event).expect("the test waits"));
        assert!(is_told(&told.recv_timeout(DEADLINE).expect("an event")));
        let last = told.recv_timeout(DEADLINE).expect("an event");
        assert!(matches!(last, ReliableEvent::Closed { .. }), "{last:?}");

        let socket = open();
        assert!(is_told(&socket.next_event(Some(DEADLINE)).expect("an event")));
        assert!(socket.next_event(Some(DEADLINE)).is_some_and(|event| event.is_last()));
        assert_eq!(socket.next_event(None), None);
    }
}

/// A callback that connects again, and one that panics, keep nobody else waiting.
#[test]
fn callbacks_may_do_anything() {
    for has_threads in [true, false] {
        let clients = failed(has_threads);
        let (tell, told) = channel();
        let again = clients.clone();
        let _panics = clients
            .websocket("ws://localhost/")
            .bind(EventKind::Error, |_, _| panic!("on purpose"))
            .bind(EventKind::Close, move |_, _| {
                let tell = tell.clone();
                let socket = again
                    .websocket("ws://localhost/")
                    .bind(EventKind::Close, move |_, event| tell.send(event).expect("the test waits"))
                    .open()
                    .expect("a good URL");
                std::mem::forget(socket);
            })
            .open()
            .expect("a good URL");
        assert!(matches!(told.recv_timeout(DEADLINE), Ok(Event::Close(_))));
    }
}
