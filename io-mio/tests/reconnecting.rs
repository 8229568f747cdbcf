//! When a connection that keeps itself alive is made again, when not, and by what. The delays
//! themselves are tested in virtual time, beside the policy.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod keeping;
#[path = "reach/refusing.rs"]
#[allow(dead_code)]
mod refusing;
mod scripted;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use keeping::{disconnected, next, quick};
use refusing::refusing;
use sansws_mio::{
    Attempt, Clients, Data, Event, FailureCause, ReadyState, ReliableBuilder, ReliableEvent,
    ReliableWebSocket, Settings, SyntaxError,
};
use scripted::{DEADLINE, Got, Peer, serve_listener};

/// Which retry comes next, and after how long.
fn retrying(socket: &ReliableWebSocket) -> (u32, Duration) {
    match next(socket) {
        ReliableEvent::Retrying { attempt, delay } => (attempt, delay),
        event => panic!("{event:?}"),
    }
}

fn gave_up(socket: &ReliableWebSocket) -> u32 {
    match next(socket) {
        ReliableEvent::GaveUp { attempts, .. } => attempts,
        event => panic!("{event:?}"),
    }
}

/// Nobody else has come. What the client has done by now is in the queue of the listener.
fn assert_no_more(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("a listener");
    assert_eq!(listener.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

fn refuse(listener: &TcpListener, status: &str) -> String {
    let mut peer = Peer::accept(listener);
    let request = peer.request();
    peer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    request
}

/// An overloaded server, or one that checks a token behind the handshake.
/// Rule R-7.2.3-a.
#[test]
fn a_server_that_accepts_and_closes_at_once_is_given_up() {
    for code in [1013, 1008] {
        let (done, may_end) = channel::<()>();
        let script = serve_listener(move |listener| {
            for _ in 0..=3 {
                let mut peer = Peer::accept(listener);
                peer.open().close(code, "");
                peer.next();
            }
            may_end.recv_timeout(DEADLINE).expect("the test goes on");
            assert_no_more(listener);
        });
        let socket = quick(&script.url("/")).max_retries(3).open().expect("a good URL");
        for n in 0..=3 {
            assert_eq!(next(&socket), ReliableEvent::Opened { attempt: n });
            let how = disconnected(&socket);
            assert!(how.was_open && !how.is_final && how.close.code == code, "{how:?}");
            if n < 3 {
                assert_eq!(retrying(&socket).0, n + 1, "an opening alone proves nothing");
            }
        }
        assert_eq!(gave_up(&socket), 3);
        done.send(()).expect("the script waits");
        script.end();
    }
}

#[test]
fn time_proves_a_connection_if_the_program_says_so() {
    let script = serve_listener(|listener| {
        for _ in 0..3 {
            Peer::accept(listener).open().fin();
        }
        let mut peer = Peer::accept(listener);
        peer.open().close(1000, "");
        peer.next();
    });
    let builder = quick(&script.url("/")).max_retries(1).proven_after(Duration::ZERO);
    let socket = builder.open().expect("a good URL");
    for n in 0..3_u32 {
        assert_eq!(next(&socket), ReliableEvent::Opened { attempt: n.min(1) });
        disconnected(&socket);
        assert_eq!(retrying(&socket).0, 1, "each opening sets the count back");
    }
    script.end();
}

#[test]
fn refusals_that_waiting_does_not_change_are_final() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "301 Moved"] {
        let (done, may_end) = channel::<()>();
        let script = serve_listener(move |listener| {
            refuse(listener, status);
            may_end.recv_timeout(DEADLINE).expect("the test goes on");
            assert_no_more(listener);
        });
        let socket = quick(&script.url("/")).max_retries(None).open().expect("a good URL");
        let how = disconnected(&socket);
        assert!(how.is_final && matches!(how.cause, Some(FailureCause::Refused { .. })), "{how:?}");
        assert_eq!(gave_up(&socket), 0);
        assert_eq!(socket.next_event(None), None);
        done.send(()).expect("the script waits");
        script.end();
    }
    // The program may know better.
    let script = serve_listener(|listener| {
        for _ in 0..2 {
            refuse(listener, "404 Not Found");
        }
    });
    let socket = quick(&script.url("/")).max_retries(1).final_statuses(&[503]).open().expect("a good URL");
    assert!(!disconnected(&socket).is_final);
    assert_eq!(retrying(&socket).0, 1);
    disconnected(&socket);
    assert_eq!(gave_up(&socket), 1);
    script.end();
}

#[test]
fn retry_after_is_obeyed_up_to_a_limit() {
    for (status, least) in [
        ("503 Busy\r\nRetry-After: 30", 30),
        ("429 Slow Down\r\nretry-after:  600 ", 300),
        ("503 Busy\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT", 300),
        // The server says that it is not for ever.
        ("404 Not Found\r\nRetry-After: 7", 7),
        ("503 Busy\r\nRetry-After: soon", 0),
    ] {
        let script = serve_listener(move |listener| drop(refuse(listener, status)));
        let socket = quick(&script.url("/")).open().expect("a good URL");
        assert!(!disconnected(&socket).is_final);
        let (_, delay) = retrying(&socket);
        let least = Duration::from_secs(least);
        assert!((least..=least + Duration::from_millis(2)).contains(&delay), "{status}: {delay:?}");
        socket.close();
        assert!(matches!(next(&socket), ReliableEvent::Closed { .. }));
        script.end();
    }
}

// ---- Attempts that are prepared ----

fn token(request: &str) -> &str {
    let line = request.lines().find_map(|line| line.strip_prefix("Authorization: "));
    line.expect("a token")
}

#[test]
fn each_attempt_has_a_fresh_token_and_url() {
    let script = serve_listener(|listener| {
        // With fresh credentials 401 is not final.
        let request = refuse(listener, "401 Unauthorized");
        assert!(request.starts_with("GET /first HTTP/1.1\r\n"), "{request}");
        assert_eq!((token(&request), request.matches("Authorization:").count()), ("Bearer 0", 1));
        let mut peer = Peer::accept(listener);
        let request = peer.request();
        assert!(request.starts_with("GET /?n=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nCookie: a=b; n=1\r\n"), "{request}");
        assert_eq!(token(&request), "Bearer 1");
        peer.write(&Peer::response(&request, None)).text("hello").close(1000, "");
        peer.next();
    });
    let url = script.url("/");
    let mut n = 0;
    let socket = quick(&script.url("/first"))
        .websocket(|socket| socket.header("authorization", "Bearer old").cookie("a", "b"))
        .prepare(move |attempt| {
            assert_eq!(attempt.retry(), n);
            let attempt = attempt.header("Authorization", &format!("Bearer {n}"));
            match n {
                0 => assert_eq!(attempt.cause(), None),
                _ => assert!(matches!(attempt.cause(), Some(FailureCause::Refused { status: 401, .. }))),
            }
            n += 1;
            let attempt = if n == 1 { attempt } else { attempt.url(&format!("{url}?n=1")).cookie("n", "1") };
            attempt.start().expect("a good request");
        })
        .open()
        .expect("a good URL");
    assert!(!disconnected(&socket).is_final);
    assert_eq!(retrying(&socket).0, 1);
    assert_eq!(next(&socket), ReliableEvent::Opened { attempt: 1 });
    assert_eq!(next(&socket), ReliableEvent::Message(Data::Text("hello".into())));
    script.end();
}

/// A socket whose attempts come to the test.
fn with_attempts(builder: ReliableBuilder) -> (ReliableWebSocket, impl Fn() -> Attempt) {
    let (tell, told) = channel();
    let builder = builder.prepare(move |attempt| tell.send(attempt).expect("the test waits"));
    let socket = builder.open().expect("a good URL");
    (socket, move || told.recv_timeout(DEADLINE).expect("an attempt"))
}

#[test]
fn an_attempt_can_be_prepared_later_and_elsewhere() {
    let script = serve_listener(|listener| {
        let mut peer = Peer::accept(listener);
        let request = peer.request();
        assert_eq!(token(&request), "Bearer late");
        peer.write(&Peer::response(&request, None));
        assert_eq!(peer.next(), Got::Text("queued".into()));
        peer.close(1000, "");
        peer.next();
    });
    let (socket, attempt) = with_attempts(quick(&script.url("/")).offline_queue(10, 1000));
    let first = attempt();
    socket.send("queued").expect("there is a queue");
    assert_eq!(socket.try_next_event(), None);
    first.header("Authorization", "Bearer late").start().expect("a good request");
    assert_eq!(next(&socket), ReliableEvent::Opened { attempt: 0 });
    script.end();
}

#[test]
fn an_attempt_that_is_not_prepared_has_failed() {
    let url = format!("ws://{}/", refusing("127.0.0.1:0"));
    let (socket, attempt) = with_attempts(quick(&url).max_retries(4));
    let not_prepared = |socket: &ReliableWebSocket, why: &str, is_final: bool| {
        let how = disconnected(socket);
        let Some(FailureCause::NotPrepared(text)) = &how.cause else { panic!("{how:?}") };
        assert!(text.contains(why) && !how.was_open && how.is_final == is_final, "{how:?}");
    };
    drop(attempt());
    not_prepared(&socket, "dropped", false);
    assert_eq!(retrying(&socket).0, 1);
    assert!(matches!(attempt().header("X", "a\r\nY: b").start(), Err(SyntaxError::Request(_))));
    not_prepared(&socket, "", false);
    assert_eq!(retrying(&socket).0, 2);
    assert!(matches!(attempt().url("nonsense").start(), Err(SyntaxError::Url(_))));
    not_prepared(&socket, "not a URL", false);
    assert_eq!(retrying(&socket).0, 3);
    attempt().give_up("signed out");
    not_prepared(&socket, "signed out", true);
    assert_eq!(gave_up(&socket), 3);

    // Time is up; what comes later is not heard.
    let builder = quick(&url).max_retries(1).prepare_timeout(Duration::from_millis(1));
    let (socket, attempt) = with_attempts(builder);
    let late = attempt();
    not_prepared(&socket, "too long", false);
    assert_eq!(retrying(&socket).0, 1);
    late.start().expect("a good request");
    let _held = attempt();
    not_prepared(&socket, "too long", false);
    assert_eq!(gave_up(&socket), 1);
}

#[test]
fn attempts_that_fail_wait_for_their_events_to_be_taken() {
    let builder =
        quick("ws://127.0.0.1:9/").max_retries(None).websocket(|socket| socket.max_events(4, 1 << 20));
    let (tell, told) = channel();
    let socket = builder
        .prepare(move |attempt| {
            tell.send(()).expect("the test waits");
            drop(attempt);
        })
        .open()
        .expect("a good URL");
    // Two events each.
    for _ in 0..2 {
        told.recv_timeout(DEADLINE).expect("an attempt");
    }
    // A second socket's life on the same thread, in which another attempt would have been due.
    for _ in 0..20 {
        let other = quick(&format!("ws://{}/", refusing("127.0.0.1:0"))).max_retries(1).open();
        while other.as_ref().expect("a good URL").next_event(Some(DEADLINE)).is_some() {}
    }
    assert!(told.try_recv().is_err(), "there is no room for its events");
    for _ in 0..2 {
        disconnected(&socket);
        retrying(&socket);
    }
    told.recv_timeout(DEADLINE).expect("another attempt");
}

#[test]
fn a_provider_that_panics_closes_its_object_only() {
    let socket = quick("ws://127.0.0.1:9/").prepare(|_| panic!("on purpose")).open().expect("a good URL");
    let how = disconnected(&socket);
    assert!(matches!(how.cause, Some(FailureCause::NotPrepared(_))), "{how:?}");
    loop {
        match next(&socket) {
            ReliableEvent::Retrying { .. } => {}
            event => break assert!(matches!(event, ReliableEvent::Closed { .. }), "{event:?}"),
        }
    }
}

#[test]
fn close_and_shutdown_do_not_wait_for_an_attempt_that_is_being_prepared() {
    let (socket, attempt) = with_attempts(quick("ws://127.0.0.1:9/").prepare_timeout(None));
    let held = attempt();
    socket.close();
    assert!(matches!(next(&socket), ReliableEvent::Closed { .. }));
    held.start().expect("a good request");

    let clients = Clients::start(Settings::default()).expect("a thread");
    let builder = quick("ws://127.0.0.1:9/").prepare_timeout(None).websocket(|socket| socket.on(&clients));
    let (socket, attempt) = with_attempts(builder);
    let _held = attempt();
    clients.shutdown(Duration::ZERO);
    assert!(matches!(next(&socket), ReliableEvent::Closed { .. }));
}

/// The thread goes on with its other objects.
#[test]
fn an_attempt_that_is_started_after_a_close_is_not_made() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let (give, given) = channel::<Arc<ReliableWebSocket>>();
    let socket = quick("ws://127.0.0.1:9/")
        .websocket(|socket| socket.on(&clients))
        .prepare(move |attempt| {
            given.recv_timeout(DEADLINE).expect("the test goes on").close();
            attempt.start().expect("a good request");
        })
        .open()
        .expect("a good URL");
    let socket = Arc::new(socket);
    give.send(Arc::clone(&socket)).expect("the provider waits");
    assert!(matches!(next(&socket), ReliableEvent::Closed { .. }));
    let other = clients.websocket(&format!("ws://{}/", refusing("127.0.0.1:0"))).open();
    assert_eq!(other.expect("a good URL").next_event(Some(DEADLINE)), Some(Event::Error));
    clients.shutdown(Duration::ZERO);
}

// ---- One handshake per address ----

/// RFC 6455 §4.1: "There MUST be no more than one connection in a CONNECTING state."
#[test]
fn a_program_may_connect_although_another_handshake_hangs() {
    let (done, may_end) = channel::<()>();
    let script = serve_listener(move |listener| {
        let mut hung = Peer::accept(listener);
        hung.request();
        Peer::accept(listener).open().close(1000, "");
        let mut reliable = Peer::accept(listener);
        reliable.open().close(1000, "");
        may_end.recv_timeout(DEADLINE).expect("the test goes on");
    });
    let clients = Clients::start(Settings::default()).expect("a thread");
    let _hangs = clients.websocket(&script.url("/")).open().expect("a good URL");
    let waits = clients.websocket(&script.url("/")).open().expect("a good URL");
    let passes = clients.websocket(&script.url("/")).concurrent(true).open().expect("a good URL");
    assert_eq!(passes.next_event(Some(DEADLINE)), Some(Event::Open));
    let reliable = quick(&script.url("/"))
        .websocket(|socket| socket.on(&clients).concurrent(true))
        .open()
        .expect("a good URL");
    assert_eq!(next(&reliable), ReliableEvent::Opened { attempt: 0 });
    assert_eq!(waits.try_next_event(), None);
    assert_eq!(waits.ready_state(), ReadyState::Connecting);
    done.send(()).expect("the script waits");
    script.end();
    clients.shutdown(Duration::ZERO);
}
