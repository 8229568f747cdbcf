//! WebSockets over HTTP/2 (RFC 8441): the crate `h2` has the frames of HTTP/2, the engine gets and gives the headers one by one. No key
//! is invented and no 101 is written. Both ends talk over memory.

use std::error::Error;
use std::future::poll_fn;
use std::mem::take;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Ping, Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, Version};
use sansws::handshake::client::{self, Offer};
use sansws::handshake::server::{self, Accept};
use sansws::handshake::{Fault, Field, HandshakeError, HeaderStorage};
use sansws::{Assembler, CloseCode, Config, Connection, Event, MaskingKey, MaskingKeys, OwnedMessage};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The stream of one WebSocket: DATA frames of one end, and those of the other.
struct Stream(RecvStream, SendStream<Bytes>);

// --- the server

/// What became of a request.
#[derive(Debug, PartialEq)]
enum Ended {
    Refused(HandshakeError),
    Closed { code: u16, was_clean: bool },
}

async fn serve(pipe: DuplexStream, ended: mpsc::UnboundedSender<Ended>) -> Result<()> {
    let mut http = h2::server::Builder::new().enable_connect_protocol().handshake(pipe).await?;
    while let Some(accepted) = http.accept().await {
        let ((request, respond), ended) = (accepted?, ended.clone());
        tokio::spawn(async move { ended.send(answer(request, respond).await.unwrap()) });
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<Ended> {
    let mut response = Response::builder();
    match open(&request, |name, value| response = take(&mut response).header(name, value)) {
        Ok((status, ws)) => {
            let send = respond.send_response(response.status(status).body(())?, false)?;
            echo(ws, Stream(request.into_body(), send)).await
        }
        Err(error) => {
            // RFC 9113 §8.6: HTTP/2 has no Upgrade, which 426 requires.
            let status = if error.status() == 426 { 400 } else { error.status() };
            respond.send_response(response.status(status).body(())?, true)?;
            Ok(Ended::Refused(error))
        }
    }
}

fn open<B>(
    request: &Request<B>,
    header: impl FnMut(&str, &str),
) -> std::result::Result<(u16, Connection), HandshakeError> {
    let protocol = request.extensions().get::<Protocol>().map_or("", Protocol::as_str);
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let mut storage = HeaderStorage::new();
    let request = server::Request::from_extended_connect(
        protocol,
        authority,
        path,
        pairs(request.headers()),
        &mut storage,
    )?;
    let upgrade = request.upgrade()?;
    let accept = Accept::new().subprotocol(request.select_subprotocol(&["chat"]));
    Ok((upgrade.status(), upgrade.accept_parts(&accept, &Config::default(), header)?))
}

async fn echo(mut ws: Connection, mut stream: Stream) -> Result<Ended> {
    let (mut out, mut messages) = (Vec::new(), Assembler::new());
    ws.send("welcome", &mut out)?;
    while !ws.should_close_transport() {
        stream.write(take(&mut out), false).await?;
        let Some(mut data) = stream.read().await else {
            ws.receive_eof();
            break;
        };
        let mut input = &mut data[..];
        while let Some(message) = messages.receive(&mut ws, &mut input) {
            ws.send(message, &mut out)?;
        }
        ws.poll_transmit(&mut out)?;
    }
    // §5: "Orderly TCP-level closures are represented as END_STREAM flags". After a RST_STREAM nothing can be written.
    let _ = stream.write(out, true).await;
    while stream.read().await.is_some() {}
    Ok(Ended::Closed { code: ws.close_code().get(), was_clean: ws.was_clean() })
}

// --- the client

/// Asks for a WebSocket; `http` is the connection of HTTP/2, which may have other streams.
async fn dial<K: MaskingKeys>(
    http: &mut h2::client::SendRequest<Bytes>,
    offer: &Offer<'_>,
    keys: K,
) -> Result<(Connection<K>, Stream, HeaderMap)> {
    // §3: without SETTINGS_ENABLE_CONNECT_PROTOCOL of the server, `:protocol` must not be sent.
    assert!(http.is_extended_connect_protocol_enabled());
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://{}{}", offer.authority, offer.resource_name))
        .version(Version::HTTP_2)
        .extension(Protocol::from_static("websocket"));
    offer.to_extended_connect(|name, value| request = take(&mut request).header(name, value))?;
    let (response, send) = http.send_request(request.body(())?, false)?;
    let (response, body) = response.await?.into_parts();
    let mut storage = HeaderStorage::new();
    let answer = client::Response::from_extended_connect(
        response.status.into(),
        pairs(&response.headers),
        &mut storage,
    )?;
    let ws = answer.accept_with_masking_keys(offer, &[0; 16], &Config::default(), keys)?; // no nonce was sent
    Ok((ws, Stream(body, send), response.headers))
}

// --- both

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

impl Stream {
    /// The payload of a DATA frame; `None` after END_STREAM or RST_STREAM.
    async fn read(&mut self) -> Option<BytesMut> {
        let data = self.0.data().await?.ok()?;
        self.0.flow_control().release_capacity(data.len()).ok()?;
        Some(data.into()) // copies if h2 has more frames in the same buffer
    }

    /// Writes as the peer's windows allow.
    async fn write(&mut self, bytes: Vec<u8>, end: bool) -> Result<()> {
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            self.1.reserve_capacity(bytes.len());
            let room = poll_fn(|cx| self.1.poll_capacity(cx)).await.ok_or("the stream is closed")??;
            self.1.send_data(bytes.split_to(room.min(bytes.len())), false)?;
        }
        if end {
            self.1.send_data(bytes, true)?;
        }
        Ok(())
    }
}

// --- the tests

const DEADLINE: Duration = Duration::from_secs(20);

fn keys() -> MaskingKey {
    [1, 2, 3, 4]
}

/// A client and a server over memory.
struct Ends {
    http: h2::client::SendRequest<Bytes>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Ends {
    async fn new() -> Self {
        let (near, far) = duplex(16 << 10);
        let (send, ended) = mpsc::unbounded_channel();
        tokio::spawn(serve(far, send));
        Self { http: connect(near).await, ended }
    }

    async fn dial(&mut self) -> (Connection, Stream) {
        let offer = Offer::new("server.example.com", "/chat?room=7");
        let (ws, stream, _) = dial(&mut self.http, &offer, keys as fn() -> MaskingKey).await.unwrap();
        (ws, stream)
    }

    async fn ended(&mut self) -> Ended {
        self.ended.recv().await.unwrap()
    }
}

/// An HTTP/2 connection whose server's SETTINGS have arrived.
async fn connect(pipe: DuplexStream) -> h2::client::SendRequest<Bytes> {
    let (http, mut connection) = h2::client::handshake(pipe).await.unwrap();
    let mut ping_pong = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    ping_pong.ping(Ping::opaque()).await.unwrap();
    http.ready().await.unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it takes too long")
}

/// The next message, Pong or Close as the client sees it; `None` after the end of the stream.
async fn next(
    ws: &mut Connection,
    messages: &mut Assembler,
    rest: &mut BytesMut,
    stream: &mut Stream,
) -> Option<Seen> {
    loop {
        let mut input = &mut rest[..];
        let mut seen = None;
        while seen.is_none() {
            let Some(event) = ws.receive(&mut input) else { break };
            seen = match event {
                Event::Pong(payload) => Some(Seen::Pong(payload.into())),
                Event::Close(Some(close)) => Some(Seen::Close(close.code.get(), close.reason.into())),
                Event::Failed(error) => panic!("{error}"),
                event => messages.push(event).unwrap().map(|message| Seen::Message(message.into_owned())),
            };
        }
        let left = input.len();
        drop(rest.split_to(rest.len() - left));
        if seen.is_some() {
            return seen;
        }
        rest.unsplit(stream.read().await?);
    }
}

impl Stream {
    /// Whether END_STREAM is next; it may be on a DATA frame without payload.
    async fn ends(&mut self) -> bool {
        while let Some(data) = self.read().await {
            assert!(data.is_empty(), "{data:?}");
        }
        self.0.is_end_stream()
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Message(OwnedMessage),
    Pong(Vec<u8>),
    Close(u16, String),
}

#[tokio::test]
async fn messages_both_ways_then_close_then_end_stream() {
    in_time(async {
        let mut ends = Ends::new().await;
        let (mut ws, mut stream) = ends.dial().await;
        let (mut messages, mut rest) = (Assembler::new(), BytesMut::new());
        let welcome = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert_eq!(welcome, Some(Seen::Message(String::from("welcome").into())));
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
            let sent: [OwnedMessage; 2] = ["x".repeat(len).into(), vec![len as u8; len].into()];
            for message in sent {
                let mut out = Vec::new();
                ws.send(&message, &mut out).unwrap();
                stream.write(out, false).await.unwrap();
                let echo = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
                assert!(echo == Some(Seen::Message(message)));
            }
        }
        let mut out = Vec::new();
        ws.send_text_fragment("one ", false, &mut out).unwrap();
        ws.send_ping(b"between", &mut out).unwrap();
        stream.write(take(&mut out), false).await.unwrap();
        let pong = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert_eq!(pong, Some(Seen::Pong(b"between".into())));
        ws.send_text_fragment("two", true, &mut out).unwrap();
        ws.close(CloseCode::new(3000), "that is all", &mut out).unwrap();
        stream.write(out, false).await.unwrap();
        let echo = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert_eq!(echo, Some(Seen::Message(String::from("one two").into())));
        let close = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert_eq!(close, Some(Seen::Close(3000, "that is all".into())));
        // The server ends its half first, the client then its own.
        assert!(stream.ends().await);
        ws.receive_eof();
        assert!(ws.should_close_transport() && ws.was_clean());
        stream.write(Vec::new(), true).await.unwrap();
        assert_eq!(ends.ended().await, Ended::Closed { code: 3000, was_clean: true });
    })
    .await;
}

/// §5: Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Accept are those of HTTP/1.1; Sec-WebSocket-Version and
/// Sec-WebSocket-Protocol stay.
#[tokio::test]
async fn no_key_is_invented_and_no_101_is_written() {
    in_time(async {
        let (near, far) = duplex(16 << 10);
        let asked = tokio::spawn(async {
            let mut http = h2::server::Builder::new()
                .enable_connect_protocol()
                .handshake::<_, Bytes>(far)
                .await
                .unwrap();
            let (request, mut respond) = http.accept().await.unwrap().unwrap();
            let mut response = Response::builder();
            let header = |name: &str, value: &str| response = take(&mut response).header(name, value);
            let (status, _) = open(&request, header).unwrap();
            respond.send_response(response.status(status).body(()).unwrap(), true).unwrap();
            while http.accept().await.is_some() {}
            request
        });
        let mut http = connect(near).await;
        let offer = Offer::new("server.example.com", "/chat?room=7").subprotocols(&["superchat", "chat"]);
        let (_, stream, answered) = dial(&mut http, &offer, keys as fn() -> MaskingKey).await.unwrap();
        drop((http, stream));
        let asked = asked.await.unwrap();
        assert_eq!(asked.method(), Method::CONNECT);
        assert_eq!(asked.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
        assert_eq!(asked.uri(), "https://server.example.com/chat?room=7");
        let asked: Vec<_> = pairs(asked.headers()).collect();
        let expected: [(&str, &[u8]); 3] = [
            ("sec-websocket-protocol", b"superchat"),
            ("sec-websocket-protocol", b"chat"),
            ("sec-websocket-version", b"13"),
        ];
        assert_eq!(asked, expected);
        let answered: Vec<_> = pairs(&answered).collect();
        assert_eq!(answered, [("sec-websocket-protocol", &b"chat"[..])]);
    })
    .await;
}

/// §5: "RST exceptions are represented with the RST_STREAM frame"; without a Close either end of a stream is 1006.
#[tokio::test]
async fn the_end_of_a_stream_without_a_close_is_1006() {
    in_time(async {
        let mut ends = Ends::new().await;
        let (_, mut stream) = ends.dial().await;
        stream.write(Vec::new(), true).await.unwrap();
        assert_eq!(ends.ended().await, Ended::Closed { code: 1006, was_clean: false });

        let (_, mut stream) = ends.dial().await;
        stream.1.send_reset(Reason::CANCEL);
        assert_eq!(ends.ended().await, Ended::Closed { code: 1006, was_clean: false });
    })
    .await;
}

/// RFC 6455 §5.1, over HTTP/2 too.
#[tokio::test]
async fn an_unmasked_frame_is_answered_with_1002_and_end_stream() {
    in_time(async {
        let mut ends = Ends::new().await;
        let (mut ws, mut stream) = ends.dial().await;
        stream.write(b"\x81\x02hi".to_vec(), false).await.unwrap();
        let (mut messages, mut rest) = (Assembler::new(), BytesMut::new());
        let welcome = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert_eq!(welcome, Some(Seen::Message(String::from("welcome").into())));
        let close = next(&mut ws, &mut messages, &mut rest, &mut stream).await;
        assert!(matches!(close, Some(Seen::Close(1002, _))), "{close:?}");
        assert!(stream.ends().await);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_websocket_is_refused_without_426() {
    in_time(async {
        let mut ends = Ends::new().await;
        for (protocol, version, status, error) in [
            ("websocket", "12", 400, HandshakeError::Request(Field::Version, Fault::Invalid)),
            ("connect-ip", "13", 501, HandshakeError::Request(Field::Protocol, Fault::Invalid)),
        ] {
            let request = Request::builder()
                .method(Method::CONNECT)
                .uri("https://server.example.com/chat")
                .version(Version::HTTP_2)
                .extension(Protocol::from(protocol))
                .header("sec-websocket-version", version)
                .body(())
                .unwrap();
            let (response, _stream) = ends.http.send_request(request, false).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), status);
            assert!(response.headers().is_empty(), "{response:?}");
            assert_eq!(ends.ended().await, Ended::Refused(error));
        }
    })
    .await;
}

/// §5: a status that is not 2xx opens nothing.
#[tokio::test]
async fn a_client_that_is_refused_gets_the_status() {
    in_time(async {
        let (near, far) = duplex(16 << 10);
        tokio::spawn(async {
            let mut http = h2::server::Builder::new()
                .enable_connect_protocol()
                .handshake::<_, Bytes>(far)
                .await
                .unwrap();
            while let Some(Ok((_, mut respond))) = http.accept().await {
                respond.send_response(Response::builder().status(403).body(()).unwrap(), true).unwrap();
            }
        });
        let offer = Offer::new("server.example.com", "/");
        let error = dial(&mut connect(near).await, &offer, keys as fn() -> MaskingKey).await.err().unwrap();
        assert_eq!(*error.downcast::<HandshakeError>().unwrap(), HandshakeError::Status(403));
    })
    .await;
}
