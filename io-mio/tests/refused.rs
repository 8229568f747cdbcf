//! Responses that are no 101: what a client is told of their content, whatever the server does about it.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod scripted;

use std::io::Write;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use sansws_mio::{
    By, Cause, Closed, Connect, Event, EventLoop, FailureCause, Handler, Peer, ReliableEvent,
    ReliableWebSocket, Settings, Timeouts, WebSocket,
};
use scripted::{DEADLINE, Got, Peer as Server, Script, serve, serve_listener};

/// A deadline that passes while a server goes on.
const SHORT: Duration = Duration::from_secs(2);

const CHUNKED: &str = "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n";

/// How a connection that was dialled ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Refused(u16, String),
    /// For this cause.
    Otherwise(String),
}

fn refused(status: u16, content: &str) -> End {
    End::Refused(status, content.into())
}

#[derive(Default)]
struct Client {
    heads: Vec<String>,
    /// Is told of each head that came.
    head_came: Option<Sender<()>>,
    end: Option<End>,
}

impl Handler for Client {
    type Session = ();

    fn head(&mut self, (): &mut (), by: By, head: &[u8]) {
        if by == By::Remote {
            self.heads.push(String::from_utf8_lossy(head).into());
            let _ = self.head_came.as_ref().map(|told| told.send(()));
        }
    }

    fn open(&mut self, _: &mut Peer<'_, ()>) {
        panic!("nothing was to open");
    }

    fn close(&mut self, _: &mut Peer<'_, ()>, closed: Closed<'_>) {
        assert_eq!((closed.code.get(), closed.was_clean, &self.end), (1006, false, &None));
        self.end = Some(match closed.cause {
            Some(Cause::Refused { status, content, .. }) => {
                assert_eq!(closed.by, By::Remote);
                End::Refused(*status, String::from_utf8(content.to_vec()).expect("text"))
            }
            cause => End::Otherwise(cause.map(Cause::to_string).unwrap_or_default()),
        });
    }
}

/// No deadline: it ends as soon as it can, or the test fails.
fn patient() -> Settings {
    with_deadline(Duration::ZERO)
}

fn with_deadline(handshake: Duration) -> Settings {
    Settings { timeouts: Timeouts::new().handshake(handshake), ..Settings::default() }
}

fn event_loop(settings: Settings) -> EventLoop<Client> {
    EventLoop::new(Client::default(), settings).expect("an event queue")
}

fn turn_until(event_loop: &mut EventLoop<Client>, done: impl Fn(&Client) -> bool) {
    let start = Instant::now();
    while !done(event_loop.handler()) {
        assert!(start.elapsed() < DEADLINE, "not in time");
        event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on");
    }
}

fn dial(settings: Settings, connect: Connect<()>) -> End {
    let mut event_loop = event_loop(settings);
    event_loop.connect(connect);
    turn_until(&mut event_loop, |client| client.end.is_some());
    let end = event_loop.handler_mut().end.take().expect("just seen");
    // Another call of `close` would fail.
    event_loop.turn(Some(Duration::ZERO)).expect("it goes on");
    end
}

fn connect(script: &Script) -> Connect<()> {
    Connect::new(&script.url("/"), script.addr, ()).expect("a URL")
}

/// What becomes of a dial that is answered so, in these pieces, by a server that then waits until the client goes away.
fn answered(settings: Settings, pieces: Vec<Vec<u8>>) -> End {
    let script = serve(move |peer| {
        peer.request();
        for piece in pieces {
            // The client may have read enough.
            if peer.stream.write_all(&piece).is_err() {
                return;
            }
        }
        while peer.next() != Got::Eof {}
    });
    let end = dial(settings, connect(&script));
    script.end();
    end
}

fn whole(head: &str, content: &str) -> Vec<Vec<u8>> {
    vec![[head, content].concat().into_bytes()]
}

fn byte_by_byte(head: &str, content: &str) -> Vec<Vec<u8>> {
    [head, content].concat().bytes().map(|byte| vec![byte]).collect()
}

/// Rule R-4.1-n.
#[test]
fn with_content_length() {
    let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 14\r\n\r\n";
    let told = refused(401, "{\"why\":\"who?\"}");
    assert_eq!(answered(patient(), whole(head, "{\"why\":\"who?\"}")), told);
    assert_eq!(answered(patient(), byte_by_byte(head, "{\"why\":\"who?\"}")), told);
    assert_eq!(answered(patient(), whole(head, "{\"why\":\"who?\"}HTTP/1.1 200 OK\r\n\r\n")), told);
    assert_eq!(
        answered(patient(), whole("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "")),
        refused(503, "")
    );
}

/// Rule R-4.1-n.
#[test]
fn who_is_refused_keeps_the_server_from_nobody() {
    let script = serve_listener(|listener| {
        let mut first = Server::accept(listener);
        first.request();
        first.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\n");
        let mut second = Server::accept(listener);
        second.request();
        second.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(second.next(), Got::Eof);
        first.write(b"hello");
        assert_eq!(first.next(), Got::Eof);
    });
    let mut event_loop = event_loop(patient());
    event_loop.connect(connect(&script));
    event_loop.connect(connect(&script));
    for expected in [refused(403, ""), refused(401, "hello")] {
        turn_until(&mut event_loop, |client| client.end.is_some());
        assert_eq!(event_loop.handler_mut().end.take(), Some(expected));
    }
    script.end();
}

/// Rule R-4.1-n.
#[test]
fn in_chunks() {
    let told = refused(401, "who are you?");
    let content = "4;name=\"value\"\r\nwho \r\n08\r\nare you?\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(answered(patient(), whole(CHUNKED, content)), told);
    assert_eq!(answered(patient(), byte_by_byte(CHUNKED, content)), told);
    assert_eq!(answered(patient(), whole(CHUNKED, "0\r\n\r\n")), refused(401, ""));
    // RFC 9112 §6.3: it "overrides the Content-Length".
    let both = "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\nTransfer-Encoding: Chunked\r\n\r\n";
    assert_eq!(answered(patient(), whole(both, content)), refused(400, "who are you?"));
}

/// Rule R-4.1-n.
#[test]
fn up_to_the_end_of_the_stream() {
    for (head, content) in [
        ("HTTP/1.0 200 OK\r\n\r\n", "<p>hello</p>"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n", "<p>hello</p>"),
        ("HTTP/1.1 200 OK\r\n\r\n", ""),
    ] {
        let script = serve(move |peer| {
            peer.request();
            peer.write(head.as_bytes());
            for byte in content.bytes() {
                peer.write(&[byte]);
            }
            peer.fin();
        });
        assert_eq!(dial(patient(), connect(&script)), refused(200, content), "{head}");
        script.end();
    }
}

/// Rule R-4.1-n.
#[test]
fn what_is_cut_off_is_told_as_far_as_it_came() {
    for (head, content, told) in [
        ("HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\n", "not f", "not f"),
        ("HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\n", "", ""),
        ("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", "64\r\nnot f", "not f"),
        ("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nnot f\r\n6", "not f"),
        ("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", "", ""),
    ] {
        let bytes = [head, content].concat();
        let by_fin = bytes.clone();
        let script = serve(move |peer| {
            peer.request();
            peer.write(by_fin.as_bytes()).fin();
        });
        assert_eq!(dial(patient(), connect(&script)), refused(404, told), "{bytes}");
        script.end();

        // A reset takes away what was not read, so it waits for that.
        let (head_came, wait) = channel();
        let script = serve(move |peer| {
            peer.request();
            peer.write(bytes.as_bytes());
            wait.recv_timeout(DEADLINE).expect("the client reads");
            socket2::SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).expect("an option");
        });
        let mut event_loop = event_loop(patient());
        event_loop.handler_mut().head_came = Some(head_came);
        event_loop.connect(connect(&script));
        turn_until(&mut event_loop, |client| client.end.is_some());
        assert_eq!(event_loop.handler().end, Some(refused(404, told)));
        script.end();
    }
}

/// Rule R-4.1-n.
#[test]
fn what_is_too_long_is_cut() {
    let limited = |max_refusal_content| Settings { max_refusal_content, ..patient() };
    for head in ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "X: until the end of the stream"]
    {
        let head = format!("HTTP/1.1 500 Oops\r\n{head}\r\n\r\n");
        for limit in [0, 1, 10, Settings::default().max_refusal_content, 3_000_000] {
            let is_chunked = head.contains("chunked");
            let line = if is_chunked { "10\r\n0123456789abcdef\r\n" } else { "0123456789abcdef" };
            let head = head.clone();
            let script = serve(move |peer| {
                peer.request();
                let mut bytes = head.into_bytes();
                // Until the client has had enough.
                while peer.stream.write_all(&bytes).is_ok() {
                    bytes = line.repeat(1000).into_bytes();
                }
            });
            let content: String = "0123456789abcdef".repeat(limit / 16 + 1).chars().take(limit).collect();
            assert_eq!(dial(limited(limit), connect(&script)), refused(500, &content), "{limit}");
            script.end();
        }
    }
    // A whole content that is just as long, and more than one turn reads.
    let long = "y".repeat(4 << 20);
    let head = format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n", long.len());
    assert_eq!(answered(limited(long.len()), whole(&head, &long)), refused(500, &long));
}

/// Rule R-4.1-n.
#[test]
fn dripping_does_not_put_off_the_deadline() {
    let endless = "HTTP/1.1 403 No\r\nContent-Length: 1000000\r\n\r\n";
    let until_eof = "HTTP/1.1 403 No\r\n\r\n";
    let in_chunks = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n";
    let in_one_line = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nff";
    std::thread::scope(|scope| {
        scope.spawn(|| drips(endless, "x", true));
        scope.spawn(|| drips(until_eof, "x", true));
        scope.spawn(|| drips(in_chunks, "1\r\nx\r\n", true));
        scope.spawn(|| drips(in_one_line, ";", false));
        scope.spawn(|| drips(endless, "", false));
    });
}

/// A server that says `head`, and then again and again `drop`. Whether something is told of that.
fn drips(head: &'static str, drop: &'static str, tells: bool) {
    let script = serve(move |peer| {
        peer.request();
        peer.write(head.as_bytes());
        while !drop.is_empty() && peer.stream.write_all(drop.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
        while peer.next() != Got::Eof {}
    });
    let start = Instant::now();
    let end = dial(with_deadline(SHORT), connect(&script));
    let took = start.elapsed();
    assert!(took >= SHORT - Duration::from_millis(10) && took < 5 * SHORT, "{took:?}");
    let End::Refused(403, told) = end else { panic!("{end:?}") };
    assert!(told.chars().all(|c| c == 'x'), "{told}");
    assert_eq!(!told.is_empty(), tells, "{head} {drop}");
    script.end();
}

/// Rule R-4.1-n.
#[test]
fn what_is_no_chunk_ends_it() {
    let too_long = format!("1;{}", "x".repeat(300));
    for bad in ["x\r\n", "\r\n", "-1\r\n", "1\n", " 1\r\n", "11111111111111111\r\n", "\0\u{1}\r\n", &too_long]
    {
        for pieces in [whole, byte_by_byte] {
            let content = format!("5\r\nhello\r\n{bad}");
            assert_eq!(answered(patient(), pieces(CHUNKED, &content)), refused(401, "hello"), "{bad:?}");
        }
    }
    // Behind a chunk comes the end of its line. The length is not believed before the bytes are there.
    assert_eq!(answered(patient(), whole(CHUNKED, "5\r\nhello, you\r\n")), refused(401, "hello"));
    let huge = answered(with_deadline(SHORT), whole(CHUNKED, "ffffffffffffffff\r\nhello"));
    assert_eq!(huge, refused(401, "hello"));
    // Nor is a length that is none.
    for length in ["-1", "+5", "5 5", "0x5", "18446744073709551616", "5\r\nContent-Length: 6"] {
        let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(answered(patient(), whole(&head, "hello")), refused(401, ""), "{length}");
    }
}

/// Rule R-4.1-n.
#[test]
fn some_responses_have_no_content() {
    for status in [204, 304] {
        for header in ["Content-Length: 5", "Transfer-Encoding: chunked", "X: none"] {
            let head = format!("HTTP/1.1 {status} x\r\n{header}\r\n\r\n");
            assert_eq!(answered(patient(), whole(&head, "hello")), refused(status, ""), "{head}");
            assert_eq!(answered(patient(), whole(&head, "")), refused(status, ""), "{head}");
        }
    }
    // What comes before the response has none either, whatever it says.
    let head =
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\n";
    for pieces in [whole, byte_by_byte] {
        assert_eq!(answered(patient(), pieces(head, "hello")), refused(401, "hello"));
    }
}

/// Rule R-4.1-n.
#[test]
fn a_redirection_has_a_content_if_it_is_not_followed() {
    let head = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(answered(patient(), whole(head, "there")), refused(302, "there"));
    // Nothing waits for that of one that is followed, which here never comes.
    let script = serve_listener(move |listener| {
        let mut first = Server::accept(listener);
        first.request();
        first.write(head.as_bytes());
        let mut second = Server::accept(listener);
        assert!(second.request().starts_with("GET /there HTTP/1.1\r\n"));
        second.write(b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nyou");
        while second.next() != Got::Eof {}
    });
    assert_eq!(dial(patient(), connect(&script).redirects(1)), refused(401, "you"));
    script.end();
}

/// Rule R-4.1-n. The head is told once, as it came, and a dial that is given up while the content is read was refused all the same.
#[test]
fn giving_up_does_not_change_what_happened() {
    let ends: [fn(&mut EventLoop<Client>, sansws_mio::PeerId); 2] = [
        |event_loop, peer| event_loop.abort(peer),
        |event_loop, _| event_loop.handle().shutdown(Duration::ZERO),
    ];
    for end in ends {
        let head = "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\n";
        let script = serve(move |peer| {
            peer.request();
            peer.write(&[head.as_bytes(), b"half"].concat());
            while peer.next() != Got::Eof {}
        });
        let mut event_loop = event_loop(patient());
        let peer = event_loop.connect(connect(&script));
        turn_until(&mut event_loop, |client| !client.heads.is_empty());
        assert_eq!(event_loop.handler().end, None);
        end(&mut event_loop, peer);
        turn_until(&mut event_loop, |client| client.end.is_some());
        assert_eq!(event_loop.handler().end, Some(refused(401, "half")));
        assert_eq!(event_loop.handler().heads, [head]);
        drop(event_loop);
        script.end();
    }
}

/// A server that says half of what it announced, and waits.
fn half_said() -> Script {
    serve(move |peer| {
        peer.request();
        peer.write(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf");
        while peer.next() != Got::Eof {}
    })
}

fn half_told() -> Option<FailureCause> {
    Some(FailureCause::Refused { status: 401, content: b"half"[..].into(), retry_after: None })
}

/// Rule R-4.1-n.
#[test]
fn the_client_objects_tell_it_too() {
    // Their one deadline for the whole way is not the driver's.
    let script = half_said();
    let socket = WebSocket::builder(&script.url("/")).connect_timeout(SHORT).open();
    let socket = socket.expect("a good URL");
    assert!(matches!(socket.next_event(Some(DEADLINE)), Some(Event::Error)));
    match socket.next_event(Some(DEADLINE)) {
        Some(Event::Close(close)) => assert_eq!((close.code, close.was_clean), (1006, false)),
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.next_event(None), None);
    assert_eq!(socket.failure_cause(), half_told());
    assert_eq!(
        half_told().map(|cause| cause.to_string()),
        Some("the server refused with HTTP status 401".into())
    );
    script.end();

    let script = half_said();
    let socket = ReliableWebSocket::builder(&script.url("/"))
        .websocket(|socket| socket.connect_timeout(SHORT))
        .max_retries(0)
        .open()
        .expect("a good URL");
    loop {
        match socket.next_event(Some(DEADLINE)) {
            Some(ReliableEvent::Disconnected(how)) => break assert_eq!(how.cause, half_told()),
            Some(_) => {}
            None => panic!("it does not end"),
        }
    }
    script.end();
}
