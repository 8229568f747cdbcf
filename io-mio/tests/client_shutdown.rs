//! The end of a client thread, with sockets on it.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod scripted;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansws_mio::{
    Clients, Event, EventKind, FailureCause, ReliableEvent, ReliableWebSocket, Settings, WebSocket,
};
use scripted::DEADLINE;

/// Nobody listens there.
const NOWHERE: &str = "ws://127.0.0.1:9/";

/// Where a program keeps its connection.
type Place<S> = Arc<Mutex<Option<S>>>;

/// Its callback, which does the same, has to wait until it is kept.
fn keep<S>(place: &Place<S>, make: impl FnOnce() -> S) {
    let mut kept = place.lock().expect("no panic while it is locked");
    let before = kept.replace(make());
    drop(kept);
    drop(before);
}

/// What pages do: `socket.onclose = connect`. Tells of each socket.
fn connect(clients: Option<&Clients>, place: &Place<WebSocket>, made: &Sender<()>) {
    // The test may be over.
    let _ = made.send(());
    let (own, kept, tell) = (clients.cloned(), Arc::clone(place), made.clone());
    let mut builder = WebSocket::builder(NOWHERE);
    if let Some(clients) = clients {
        builder = builder.on(clients);
    }
    let builder = builder.bind(EventKind::Close, move |_, _| connect(own.as_ref(), &kept, &tell));
    keep(place, || builder.open().expect("a good URL"));
}

/// The same with a connection that is kept alive, as far as that goes.
fn connect_reliably(clients: &Clients, place: &Place<ReliableWebSocket>, made: &Sender<()>) {
    let _ = made.send(());
    let (own, kept, tell) = (clients.clone(), Arc::clone(place), made.clone());
    let builder = ReliableWebSocket::builder(NOWHERE).max_retries(0).websocket(|socket| socket.on(clients));
    keep(place, || {
        let socket = builder.open().expect("a good URL");
        socket.bind(move |_, event| {
            if event.is_last() {
                connect_reliably(&own, &kept, &tell);
            }
        });
        socket
    });
}

/// Once some sockets were made; and then there are no more.
fn assert_shuts_down(clients: Clients, made: &Receiver<()>) {
    for _ in 0..5 {
        made.recv_timeout(DEADLINE).expect("the program connects again");
    }
    let (tell, told) = channel();
    std::thread::spawn(move || {
        clients.shutdown(Duration::from_millis(100));
        tell.send(()).expect("the test waits");
    });
    told.recv_timeout(DEADLINE).expect("the shutdown ends");
    made.try_iter().for_each(drop);
}

#[test]
fn a_program_that_connects_again_can_shut_down() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let (place, (tell, made)) = (Place::default(), channel());
    connect(Some(&clients), &place, &tell);
    assert_shuts_down(clients, &made);
    assert_eq!(made.try_iter().count(), 0);
    let last = place.lock().expect("no panic while it is locked").take().expect("the last socket");
    assert_eq!(last.failure_cause(), Some(FailureCause::Stopped));
    assert!(matches!(last.try_next_event(), Some(Event::Error)), "nobody was there to call back");
}

#[test]
fn a_program_that_keeps_alive_what_gave_up_can_shut_down() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let (place, (tell, made)) = (Place::default(), channel());
    connect_reliably(&clients, &place, &tell);
    assert_shuts_down(clients, &made);
    assert_eq!(made.try_iter().count(), 0);
    let last = place.lock().expect("no panic while it is locked").take().expect("the last socket");
    assert!(matches!(last.try_next_event(), Some(ReliableEvent::Closed { .. })));
}

/// The only test here that uses it. It is started anew after a shutdown, but not by those who are told of that one.
#[test]
fn the_shared_thread_shuts_down_and_is_started_again() {
    let (place, (tell, made)) = (Place::default(), channel());
    connect(None, &place, &tell);
    assert_shuts_down(Clients::shared(), &made);
    // As many turns would do for the program to connect again.
    for _ in 0..20 {
        let later = WebSocket::new(NOWHERE, &[]).expect("a good URL");
        assert!(matches!(later.next_event(Some(DEADLINE)), Some(Event::Error)));
        assert!(matches!(later.failure_cause(), Some(FailureCause::Io(..))), "{:?}", later.failure_cause());
    }
    assert_eq!(made.try_iter().count(), 0);
    Clients::shared().shutdown(DEADLINE);
}
