//! The connection that keeps itself alive, against servers that do not. The delays themselves are tested in virtual time, beside the policy.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod keeping;
#[path = "reach/refusing.rs"]
#[allow(dead_code)]
mod refusing;
mod scripted;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use keeping::{disconnected, next, quick};
use refusing::refusing;
use sansws_mio::{
    Data, Disconnected, FailureCause, Heartbeat, MessageId, ReliableEvent, ReliableWebSocket, SendRefused,
};
use scripted::{DEADLINE, Got, Peer, serve, serve_listener};

fn opened(socket: &ReliableWebSocket) -> u32 {
    match next(socket) {
        ReliableEvent::Opened { attempt } => attempt,
        event => panic!("{event:?}"),
    }
}

fn retrying(socket: &ReliableWebSocket) -> (u32, Duration) {
    match next(socket) {
        ReliableEvent::Retrying { attempt, delay } => (attempt, delay),
        event => panic!("{event:?}"),
    }
}

/// Reads up to this, and answers no Ping before it.
fn skip_pings_to(peer: &mut Peer, wanted: &Got) {
    loop {
        match peer.next() {
            got if got == *wanted => return,
            Got::Ping(_) => {}
            got => panic!("{got:?}"),
        }
    }
}

/// Rule R-7.2.3-a.
#[test]
fn it_connects_again_and_the_count_begins_anew() {
    let script = serve_listener(|listener| {
        for n in 0..10 {
            let mut peer = Peer::accept(listener);
            peer.open().text(&n.to_string());
            if n < 9 {
                // No Close frame.
                peer.fin();
            } else {
                peer.close(1000, "enough");
                peer.next();
                peer.fin();
            }
        }
    });
    let socket = quick(&script.url("/")).max_retries(1).open().expect("a good URL");
    for n in 0..10_u32 {
        assert_eq!(opened(&socket), n.min(1));
        assert_eq!(next(&socket), ReliableEvent::Message(Data::Text(n.to_string())));
        let how = disconnected(&socket);
        assert!(how.was_open && how.unsent.is_empty());
        if n < 9 {
            assert_eq!((how.close.code, how.cause), (1006, Some(FailureCause::Eof)));
            let (attempt, delay) = retrying(&socket);
            assert_eq!(attempt, 1, "each opening sets the count back");
            assert!(delay <= Duration::from_millis(2), "{delay:?}");
        }
    }
    let ReliableEvent::Closed { close, unsent } = next(&socket) else { panic!("1000 is final") };
    assert_eq!((close.code, close.reason.as_str(), close.was_clean), (1000, "enough", true));
    assert!(unsent.is_empty());
    assert_eq!(socket.next_event(None), None);
    assert_eq!(socket.send("late"), Err(SendRefused::Closed));
    script.end();
}

#[test]
fn it_gives_up_after_so_many_retries() {
    let url = format!("ws://{}/", refusing("127.0.0.1:0"));
    let socket = quick(&url).max_retries(3).jitter(0.0).open().expect("a good URL");
    for attempt in 1..=3 {
        let how = disconnected(&socket);
        assert!(
            !how.was_open && how.uncertain.is_empty() && matches!(how.cause, Some(FailureCause::Io(..))),
            "{how:?}"
        );
        let (retry, delay) = retrying(&socket);
        assert_eq!(retry, attempt);
        if attempt > 1 {
            assert_eq!(delay, Duration::from_millis(1 << (attempt - 1)));
        }
    }
    disconnected(&socket);
    assert_eq!(next(&socket), ReliableEvent::GaveUp { attempts: 3, unsent: Vec::new() });
    assert_eq!(socket.next_event(None), None);
    assert!(!socket.is_connected());
}

#[test]
fn final_codes_are_the_program_s_choice() {
    let script = serve_listener(|listener| {
        for code in [1000, 4002, 4001] {
            let mut peer = Peer::accept(listener);
            peer.open().close(code, "");
            peer.next();
            peer.fin();
        }
    });
    let socket = quick(&script.url("/")).final_codes(&[4001]).open().expect("a good URL");
    for code in [1000, 4002, 4001] {
        opened(&socket);
        assert_eq!(disconnected(&socket).close.code, code);
        if code != 4001 {
            retrying(&socket);
        }
    }
    assert!(matches!(next(&socket), ReliableEvent::Closed { close, .. } if close.code == 4001));
    script.end();
}

#[test]
fn without_a_queue_nothing_is_accepted_while_there_is_no_connection() {
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        let request = peer.request();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        peer.write(&Peer::response(&request, None));
        assert_eq!(peer.next(), Got::Text("now".into()));
        assert_eq!(peer.next(), Got::Close(Some((1000, "Client closing".into()))));
        peer.close_answer();
    });
    let socket = quick(&script.url("/")).open().expect("a good URL");
    assert_eq!(socket.send("too early"), Err(SendRefused::NotConnected));
    assert_eq!(SendRefused::NotConnected.to_string(), "Cannot send - not connected");
    go.send(()).expect("the script waits");
    opened(&socket);
    assert!(socket.is_connected());
    assert_eq!(socket.send("now"), Ok(MessageId(0)), "refused ones have no number");
    socket.close();
    assert_eq!(socket.send("too late"), Err(SendRefused::Closed));
    assert!(disconnected(&socket).close.was_clean);
    let ReliableEvent::Closed { close, unsent } = next(&socket) else { panic!("closed") };
    assert_eq!((close.code, unsent), (1000, Vec::new()));
    script.end();
}

#[test]
fn the_queue_is_bounded_and_goes_out_in_order() {
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        let request = peer.request();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        peer.write(&Peer::response(&request, None));
        for text in ["0", "1", "2", "3"] {
            assert_eq!(peer.next(), Got::Text(text.into()));
        }
        peer.next();
        peer.close_answer();
    });
    let socket = quick(&script.url("/")).offline_queue(3, 1000).open().expect("a good URL");
    for id in 0..3 {
        assert_eq!(socket.send(&*id.to_string()), Ok(MessageId(id)));
    }
    assert_eq!(socket.send("one too many"), Err(SendRefused::QueueFull));
    assert_eq!(socket.buffered_amount(), 3);
    go.send(()).expect("the script waits");
    opened(&socket);
    assert_eq!(socket.send("3"), Ok(MessageId(3)));
    socket.close();
    disconnected(&socket);
    assert!(matches!(next(&socket), ReliableEvent::Closed { .. }));
    script.end();

    // What is left in it at the end is given back.
    let (hold, held) = channel::<()>();
    let script = serve(move |peer| {
        peer.request();
        held.recv_timeout(DEADLINE).expect("the test goes on");
    });
    let socket = quick(&script.url("/")).offline_queue(1000, 1000).max_retries(0).open().expect("a good URL");
    while socket.send("0123456789").is_ok() {}
    hold.send(()).expect("the script waits");
    disconnected(&socket);
    let ReliableEvent::GaveUp { unsent, .. } = next(&socket) else { panic!("given up") };
    script.end();
    assert_eq!(unsent.len(), 1000 / (10 + 64), "64 bytes are counted for each");
    assert!(unsent.iter().zip(0..).all(|(message, id)| message.id == MessageId(id)));
}

#[test]
fn what_waits_in_the_queue_at_a_close_comes_with_the_last_event() {
    let ((hold, held), (tell, told)) = (channel::<()>(), channel());
    let script = serve(move |peer| {
        peer.request();
        tell.send(()).expect("the test waits");
        held.recv_timeout(DEADLINE).expect("the test goes on");
    });
    let socket = quick(&script.url("/")).offline_queue(10, 1000).open().expect("a good URL");
    told.recv_timeout(DEADLINE).expect("a request");
    for id in 0..3 {
        assert_eq!(socket.send("x"), Ok(MessageId(id)));
    }
    socket.close();
    let how = disconnected(&socket);
    assert_eq!((how.unsent, how.queued), (Vec::new(), 0..3));
    let ReliableEvent::Closed { unsent, .. } = next(&socket) else { panic!("closed") };
    assert!(unsent.iter().map(|message| message.id.0).eq(0..3), "{unsent:?}");
    hold.send(()).expect("the script waits");
    script.end();
}

#[test]
fn close_between_two_attempts_is_the_end() {
    let socket = quick("ws://127.0.0.1:9/")
        .first_delay(Duration::from_secs(3600))
        .max_delay(Duration::from_secs(3600))
        .open()
        .expect("a good URL");
    disconnected(&socket);
    retrying(&socket);
    socket.close();
    assert!(matches!(next(&socket), ReliableEvent::Closed { close, .. } if close.code == 1006));
    assert_eq!(socket.next_event(None), None);
}

#[test]
fn the_heartbeat_is_text_with_a_ping() {
    let script = serve(|peer| {
        peer.open();
        for _ in 0..3 {
            assert_eq!(peer.next(), Got::Text("ping".into()));
            let Got::Ping(_) = peer.next() else { panic!("no Ping") };
            peer.pay();
        }
        peer.close(1000, "");
        loop {
            match peer.next() {
                Got::Text(_) | Got::Ping(_) => {}
                got => break assert_eq!(got, Got::Close(Some((1000, String::new())))),
            }
        }
        peer.fin();
    });
    let heartbeat = Heartbeat::text("ping", Duration::from_millis(10));
    let socket = quick(&script.url("/")).heartbeat(heartbeat).open().expect("a good URL");
    opened(&socket);
    let how = disconnected(&socket);
    assert_eq!(how.close.code, 1000);
    assert_eq!(how.uncertain, 0..0, "heartbeats are not the program's messages");
    script.end();
}

#[test]
fn a_server_that_says_nothing_is_dead() {
    let script = serve_listener(|listener| {
        let mut dead = Peer::accept(listener);
        dead.open();
        // It reads, and answers nothing: the process hangs.
        let Got::Ping(_) = dead.next() else { panic!("no Ping") };
        let mut peer = Peer::accept(listener);
        peer.open().close(1000, "");
        peer.next();
        peer.fin();
    });
    let heartbeat = Heartbeat::ping(Duration::from_millis(20)).deadline(Duration::from_millis(40));
    let socket = quick(&script.url("/")).heartbeat(heartbeat).open().expect("a good URL");
    opened(&socket);
    let how = disconnected(&socket);
    assert_eq!((how.close.code, how.cause), (1006, Some(FailureCause::HeartbeatMissed)));
    retrying(&socket);
    assert_eq!(opened(&socket), 1);
    script.end();
}

/// A Pong says that what came before its Ping has been received.
#[test]
fn pongs_confirm() {
    let script = serve(|peer| {
        peer.open();
        // The heart may beat before the program comes to send something; an answer to that confirms nothing.
        loop {
            match peer.next() {
                Got::Text(text) if text == "a" => break,
                Got::Ping(_) => peer.pay(),
                got => panic!("{got:?}"),
            };
        }
        loop {
            let Got::Ping(payload) = peer.next() else { panic!("no Ping") };
            peer.pay();
            if payload == 1_u64.to_be_bytes() {
                break;
            }
        }
        peer.text("ponged");
        for text in ["b", "c"] {
            // Pings are not answered any more.
            skip_pings_to(peer, &Got::Text(text.into()));
        }
        peer.fin();
    });
    let heartbeat = Heartbeat::ping(Duration::from_millis(10)).deadline(DEADLINE);
    let socket = quick(&script.url("/")).heartbeat(heartbeat).max_retries(0).open().expect("a good URL");
    opened(&socket);
    socket.send("a").expect("connected");
    assert_eq!(next(&socket), ReliableEvent::Message(Data::Text("ponged".into())));
    socket.send("b").expect("connected");
    socket.send("c").expect("connected");
    let how = disconnected(&socket);
    assert_eq!((how.uncertain, how.unsent), (1..3, Vec::new()), "a has been received");
    script.end();
}

/// To the message: what the kernel got whole is uncertain, the rest is not sent. The server does not read before the client has given it up; then it
/// finds what the kernel got.
#[test]
fn what_the_kernel_got_is_uncertain_and_the_rest_is_unsent() {
    const COUNT: u64 = 6000;
    let (go, wait) = channel::<()>();
    let (tell, told) = channel();
    let script = serve(move |peer| {
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the client gives up");
        let mut count = 0;
        while let Got::Binary(payload) = peer.next() {
            assert_eq!(payload, vec![count as u8; 4000]);
            count += 1;
        }
        tell.send(count).expect("the test waits");
    });
    let heartbeat = Heartbeat::ping(Duration::from_millis(50)).deadline(Duration::from_secs(3));
    let socket = quick(&script.url("/")).heartbeat(heartbeat).max_retries(0).open().expect("a good URL");
    opened(&socket);
    // A slow machine has until the heartbeat is missed.
    for id in 0..COUNT {
        assert_eq!(socket.send(&vec![id as u8; 4000][..]), Ok(MessageId(id)));
    }
    let how = disconnected(&socket);
    assert_eq!(how.cause, Some(FailureCause::HeartbeatMissed));
    go.send(()).expect("the script waits");
    let arrived = told.recv_timeout(DEADLINE).expect("the script ends");
    assert!(arrived > 0 && arrived < COUNT, "{arrived} of {COUNT}");
    assert_eq!(how.uncertain, 0..arrived);
    assert!(how.unsent.iter().map(|message| message.id.0).eq(arrived..COUNT));
    script.end();
}

#[test]
fn events_by_callback() {
    let script = serve_listener(|listener| {
        for n in 0..2 {
            let mut peer = Peer::accept(listener);
            peer.open();
            assert_eq!(peer.next(), Got::Text("hello".into()));
            peer.close(if n == 0 { 1001 } else { 1000 }, "");
            peer.next();
            peer.fin();
        }
    });
    let (tell, told) = channel();
    let socket = quick(&script.url("/")).open().expect("a good URL");
    socket.bind(move |socket, event| {
        if let ReliableEvent::Opened { .. } = event {
            socket.send("hello").expect("connected");
        }
        tell.send(event).expect("the test waits");
    });
    let told: Vec<_> = std::iter::from_fn(|| told.recv_timeout(DEADLINE).ok()).collect();
    assert!(
        matches!(
            &told[..],
            [
                ReliableEvent::Opened { attempt: 0 },
                ReliableEvent::Disconnected(_),
                ReliableEvent::Retrying { attempt: 1, .. },
                ReliableEvent::Opened { attempt: 1 },
                ReliableEvent::Disconnected(_),
                ReliableEvent::Closed { .. },
            ]
        ),
        "{told:?}"
    );
    script.end();
}

#[test]
fn dropping_it_closes() {
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Text("last".into()));
        assert_eq!(peer.next(), Got::Close(Some((1000, "Client closing".into()))));
        peer.close_answer();
    });
    let socket = quick(&script.url("/")).open().expect("a good URL");
    opened(&socket);
    socket.send("last").expect("connected");
    drop(socket);
    script.end();
}

// ---- A hundred kills ----

const KILLS: usize = 100;

/// A fixed sequence that looks random, so that a failure can be seen again.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// Accepts, reads for a while and dies, over and over: in the handshake, between frames and within one, with and without a reset, while the client
/// floods it or waits. Tells what it has received. The last connection lives until the client closes.
fn mortal(listener: &TcpListener, told: &Sender<u64>) {
    use std::io::Read;
    let mut random = Lcg(2026);
    let mut kills = 0;
    while kills < KILLS {
        let mut peer = Peer::accept(listener);
        match random.next(10) {
            0 => {
                // Before the response, or within it.
                let request = peer.request();
                let response = Peer::response(&request, None);
                let len = random.next(response.len());
                peer.write(&response[..len]);
            }
            1 => {
                // Open, and it never reads: most of what is sent stays with the client.
                peer.open();
                let _ = peer.stream.peek(&mut [0]);
            }
            2 => {
                // In the middle of a frame.
                peer.open();
                let mut some = vec![0; 1 + random.next(5000)];
                let _ = peer.stream.read(&mut some);
            }
            _ => {
                peer.open();
                for _ in 0..random.next(40) {
                    match peer.next() {
                        Got::Text(text) => told.send(number(&text)).expect("the test waits"),
                        Got::Ping(_) => {
                            peer.pay();
                        }
                        got => panic!("{got:?}"),
                    }
                }
                // What it has read and not looked at counts as received by nobody.
            }
        }
        kills += 1;
        // Dropped with bytes unread: a reset. Else a FIN.
    }
    let mut peer = Peer::accept(listener);
    peer.open();
    loop {
        match peer.next() {
            Got::Text(text) => told.send(number(&text)).expect("the test waits"),
            Got::Ping(_) => {
                peer.pay();
            }
            Got::Close(_) => return peer.close_answer(),
            got => panic!("{got:?}"),
        }
    }
}

/// Messages of 20 bytes to 20 kB that begin with their number.
fn message(id: u64) -> String {
    let len = if id % 50 == 0 { 20_000 } else { 20 + (id as usize * 37) % 300 };
    format!("{id:<len$}")
}

fn number(text: &str) -> u64 {
    text.trim_end().parse().expect("a number")
}

/// What the program learned about its messages.
#[derive(Default)]
struct Ledger {
    accepted: u64,
    unsent: BTreeSet<u64>,
    uncertain: BTreeSet<u64>,
    breaks: usize,
}

impl Ledger {
    fn note(&mut self, how: &Disconnected) {
        self.breaks += 1;
        self.uncertain.extend(how.uncertain.clone());
        self.unsent.extend(how.unsent.iter().map(|message| message.id.0));
        for lost in &how.unsent {
            assert_eq!(lost.data, Data::Text(message(lost.id.0)), "it is given back as it was");
        }
    }
}

/// Sends, and takes events, until the server has been killed often enough and the last connection is open; then closes.
fn survive(socket: &ReliableWebSocket, limit: u64) -> Ledger {
    let mut ledger = Ledger::default();
    let mut random = Lcg(1);
    loop {
        // A burst, or nothing; then whatever has happened, and if there is no connection, what will.
        for _ in 0..random.next(60) {
            match socket.send(&*message(ledger.accepted)) {
                Ok(id) => {
                    assert_eq!(id.0, ledger.accepted);
                    ledger.accepted += 1;
                }
                Err(refused) => {
                    assert!(matches!(refused, SendRefused::NotConnected | SendRefused::QueueFull));
                    break;
                }
            }
        }
        assert!(socket.buffered_amount() <= limit, "{} bytes wait", socket.buffered_amount());
        let wait = if socket.is_connected() { Duration::from_micros(200) } else { DEADLINE };
        let mut event = socket.next_event(Some(wait));
        while let Some(now) = event {
            match now {
                ReliableEvent::Disconnected(how) => ledger.note(&how),
                ReliableEvent::Opened { .. } if ledger.breaks >= KILLS => {
                    socket.close();
                    return ledger;
                }
                ReliableEvent::Opened { .. } | ReliableEvent::Retrying { .. } => {}
                event => panic!("{event:?}"),
            }
            event = socket.try_next_event();
        }
    }
}

fn received(told: &Receiver<u64>) -> Vec<u64> {
    told.try_iter().collect()
}

#[test]
fn a_hundred_kills_and_every_message_is_accounted_for() {
    let (tell, told) = channel();
    let script = serve_listener(move |listener| mortal(listener, &tell));
    let limit = 1 << 20;
    let socket = quick(&script.url("/"))
        .max_retries(None)
        .heartbeat(Heartbeat::ping(Duration::from_millis(5)).deadline(DEADLINE))
        .websocket(|socket| socket.max_buffered(limit as usize).max_events(64, 1 << 16))
        .open()
        .expect("a good URL");
    let mut ledger = survive(&socket, limit);
    // The last connection is closed by the client, after everything is written.
    let how = disconnected(&socket);
    ledger.note(&how);
    assert!(how.close.was_clean && how.unsent.is_empty());
    assert!(matches!(next(&socket), ReliableEvent::Closed { unsent, .. } if unsent.is_empty()));
    script.end();

    let received = received(&told);
    let once: BTreeSet<u64> = received.iter().copied().collect();
    assert_eq!(once.len(), received.len(), "nothing comes twice");
    assert!(received.is_sorted(), "the order is kept");
    assert!(ledger.unsent.is_disjoint(&once), "what is said not to be sent has not arrived");
    assert!(ledger.unsent.is_disjoint(&ledger.uncertain));
    for id in 0..ledger.accepted {
        let is_told = ledger.unsent.contains(&id) || ledger.uncertain.contains(&id);
        assert!(once.contains(&id) || is_told, "{id} has vanished in silence");
    }
    assert!(
        ledger.breaks > KILLS && ledger.accepted > 500 && !ledger.unsent.is_empty(),
        "the script has done its work"
    );
}

#[test]
fn a_hundred_kills_with_a_queue_lose_only_what_is_uncertain() {
    let (tell, told) = channel();
    let script = serve_listener(move |listener| mortal(listener, &tell));
    let (messages, bytes) = (200, 1 << 20);
    let limit = 1 << 20;
    let socket = quick(&script.url("/"))
        .max_retries(None)
        .offline_queue(messages, bytes)
        .websocket(|socket| socket.max_buffered(limit).max_events(64, 1 << 16))
        .open()
        .expect("a good URL");
    let mut ledger = survive(&socket, (limit + bytes) as u64);
    let how = disconnected(&socket);
    ledger.note(&how);
    assert!(matches!(next(&socket), ReliableEvent::Closed { unsent, .. } if unsent.is_empty()));
    script.end();
    let received = received(&told);
    let once: BTreeSet<u64> = received.iter().copied().collect();
    assert_eq!(once.len(), received.len(), "nothing comes twice");
    assert!(received.is_sorted(), "the order is kept");
    assert!(ledger.unsent.is_empty(), "it was kept and sent later");
    for id in 0..ledger.accepted {
        assert!(once.contains(&id) || ledger.uncertain.contains(&id), "{id} has vanished in silence");
    }
}
