//! `wss:` and `https:` over real sockets, with certificates made on the spot.

mod announced;
mod certificates;
mod drained;
mod peers;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use certificates::{Authority, self_signed};
use peers::{
    BURST, EchoServer, Ended, LIMIT, answer_to, cramped_stream, dial, exchange, exchange_with, read_to_end,
    tls_server, trickle, trusting,
};
use sansws_mio::rustls::pki_types::pem::PemObject;
use sansws_mio::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sansws_mio::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use sansws_mio::sansws::{self, handshake};
use sansws_mio::{CloseCode, Config, Connect, Server, Settings, Timeouts, TlsClient, TlsServer};

fn hello() -> Vec<Vec<u8>> {
    vec![b"hello".to_vec()]
}

fn assert_echoed(ended: &Ended, messages: &[Vec<u8>]) {
    assert!(ended.heard == messages, "{} of {} messages came back", ended.heard.len(), messages.len());
    assert_eq!((ended.code, ended.was_clean, &*ended.cause), (1000, true, "None"));
}

fn assert_refused(ended: &Ended, why: &str) {
    assert!(!ended.opened && !ended.was_clean, "{ended:?}");
    assert!(ended.cause.contains("Tls(") && ended.cause.contains(why), "{ended:?}");
    assert_eq!(ended.code, 1006);
}

/// Rule R-10.6-a.
#[test]
fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let ended = exchange("wss://localhost/", server.addr, &trusting(&authority), &hello());
    assert_echoed(&ended, &hello());
    let end = server.end();
    assert_eq!((end.code, end.was_clean, &*end.cause), (1000, true, "None"));
    // The dot of a complete name is not in certificates.
    let ended = exchange("wss://localhost./", server.addr, &trusting(&authority), &hello());
    assert_echoed(&ended, &hello());
}

#[test]
fn certificates_are_for_ip_addresses_too() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["127.0.0.1", "::1"])));
    for url in ["wss://127.0.0.1/", "wss://[::1]/"] {
        assert_echoed(&exchange(url, server.addr, &trusting(&authority), &hello()), &hello());
    }
    assert_refused(
        &exchange("wss://127.0.0.2/", server.addr, &trusting(&authority), &hello()),
        "NotValidForName",
    );
}

/// Attack A-21.
#[test]
fn strangers_are_refused() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    for issued in [self_signed(&["localhost"]), theirs.issue(&["localhost"])] {
        let server = EchoServer::start(&tls_server(&issued));
        let connect = || Connect::new("wss://localhost/", server.addr, ()).unwrap();
        assert_refused(&dial(Settings::default(), connect(), &hello()), "UnknownIssuer");
        assert_refused(
            &dial(Settings::default(), connect().tls(&trusting(&ours)), &hello()),
            "UnknownIssuer",
        );
    }
}

/// Attack A-21.
#[test]
#[cfg(feature = "tls-platform-roots")]
fn the_system_does_not_trust_strangers_either() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    // A system without certificates trusts nobody: that is said, unless others are added.
    match TlsClient::builder().platform_roots().build() {
        Ok(tls) => {
            assert_refused(&exchange("wss://localhost/", server.addr, &tls, &hello()), "UnknownIssuer");
            let tls = TlsClient::builder().platform_roots().ca_pem(&*authority.pem).build().unwrap();
            assert_echoed(&exchange("wss://localhost/", server.addr, &tls, &hello()), &hello());
        }
        Err(error) => assert!(error.to_string().contains("system"), "{error}"),
    }
}

#[test]
fn a_self_signed_certificate_can_be_trusted_by_name() {
    let issued = self_signed(&["localhost"]);
    let server = EchoServer::start(&tls_server(&issued));
    let tls = TlsClient::builder().ca_pem(&*issued.chain).build().unwrap();
    assert_echoed(&exchange("wss://localhost/", server.addr, &tls, &hello()), &hello());
    assert_refused(&exchange("wss://other.example/", server.addr, &tls, &hello()), "NotValidForName");
}

/// Rule R-10.6-a. Attack A-21.
#[test]
fn expired_certificates_and_those_of_others_are_refused() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue_expired(&["localhost"])));
    assert_refused(&exchange("wss://localhost/", server.addr, &trusting(&authority), &hello()), "Expired");
    let server = EchoServer::start(&tls_server(&authority.issue(&["other.example"])));
    assert_refused(
        &exchange("wss://localhost/", server.addr, &trusting(&authority), &hello()),
        "NotValidForName",
    );
}

/// Rule R-10.6-a.
#[test]
fn the_name_asked_for_selects_the_certificate() {
    let authority = Authority::new("Tests");
    let mut tls = TlsServer::builder();
    for names in [&["a.example"][..], &["b.example", "c.example"], &["*.wild.example"]] {
        let issued = authority.issue(names);
        tls = tls.certificate_pem(issued.chain, issued.key);
    }
    let server = EchoServer::start(&tls.build().unwrap());
    let ask = |name: &str| exchange(&format!("wss://{name}/"), server.addr, &trusting(&authority), &hello());
    for name in ["a.example", "b.example", "C.EXAMPLE", "x.wild.example", "b.example."] {
        assert_echoed(&ask(name), &hello());
    }
    // These get the first certificate, which is not for them.
    for name in ["other.example", "wild.example", "x.y.wild.example"] {
        assert_refused(&ask(name), "a.example");
    }
}

#[test]
fn certificates_are_reloaded_without_a_restart() {
    let dir = std::env::temp_dir().join(format!("sansws-tls-reload-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    let (before, after) = (Authority::new("Before"), Authority::new("After"));
    let write = |authority: &Authority| {
        let issued = authority.issue(&["localhost"]);
        std::fs::write(&chain, issued.chain).unwrap();
        std::fs::write(&key, issued.key).unwrap();
    };
    write(&before);
    let tls = TlsServer::from_files(&chain, &key).unwrap();
    let server = EchoServer::start(&tls);
    let mut old = raw_client(&server, &before);

    write(&after);
    let dialled = |authority| exchange("wss://localhost/", server.addr, &trusting(authority), &hello());
    assert_echoed(&dialled(&before), &hello());
    tls.reload().unwrap();
    assert_echoed(&dialled(&after), &hello());
    assert_refused(&dialled(&before), "UnknownIssuer");

    std::fs::write(&key, self_signed(&["localhost"]).key).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("chain.pem") && error.contains("key.pem"), "{error}");
    std::fs::remove_file(&key).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("key.pem"));
    assert_echoed(&dialled(&after), &hello());

    old.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(read_to_end(&mut old).starts_with(b"HTTP/1.1 200 "), "a connection from before goes on");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_cannot_be_used_is_said() {
    let authority = Authority::new("Tests");
    let issued = authority.issue(&["localhost"]);
    let build = |chain: &str, key: &str| {
        TlsServer::builder().certificate_pem(chain, key).build().unwrap_err().to_string()
    };
    assert!(build("", &issued.key).contains("no certificate"));
    assert!(build(&issued.chain, "").contains("no private key"));
    assert!(build(&issued.chain, &self_signed(&["localhost"]).key).contains("PEM text with PEM text"));
    assert_eq!(TlsServer::builder().build().unwrap_err().to_string(), "no certificate");
    let error = TlsServer::from_files("/nowhere/chain.pem", "/nowhere/key.pem").unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/chain.pem: "), "{error}");
    let nobody = TlsClient::builder().no_default_roots().build().unwrap_err().to_string();
    assert!(nobody.contains("no authority"), "{nobody}");
    assert!(
        TlsClient::builder()
            .ca_file("/nowhere/ca.pem")
            .build()
            .unwrap_err()
            .to_string()
            .contains("/nowhere/ca.pem")
    );
}

#[test]
fn thousands_of_small_messages_come_back_in_order() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let messages: Vec<Vec<u8>> =
        (0..20_000_u32).map(|i| i.to_be_bytes().repeat(1 + i as usize % 40)).collect();
    assert_echoed(&exchange("wss://localhost/", server.addr, &trusting(&authority), &messages), &messages);
}

#[test]
fn plaintext_that_waits_is_served_without_an_event() {
    let authority = Authority::new("Tests");
    let settings = || Settings { receive_buffer: 1024, reads_per_turn: 1, ..Settings::default() };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings());
    // Each record holds many buffers full.
    let messages: Vec<Vec<u8>> = (0..5_u8).map(|i| vec![i; 60_000]).collect();
    let ended = exchange_with(settings(), "wss://localhost/", server.addr, &trusting(&authority), &messages);
    assert_echoed(&ended, &messages);
}

#[test]
fn big_messages_pass_through_small_socket_buffers() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let addr = trickle(server.addr, &[4096, 1, 333, 2048]);
    let messages: Vec<Vec<u8>> = [3_000_000, 1, 70_000, 0, 1_000_000]
        .map(|len: u32| (0..len).map(|i| (i % 251) as u8).collect())
        .into();
    assert_echoed(&exchange("wss://localhost/", addr, &trusting(&authority), &messages), &messages);
    assert_eq!(server.end().code, 1000);
}

#[test]
fn records_may_come_byte_by_byte() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let messages = [b"one".to_vec(), vec![2; 3000]];
    let addr = trickle(server.addr, &[1]);
    assert_echoed(&exchange("wss://localhost/", addr, &trusting(&authority), &messages), &messages);
}

#[test]
fn what_was_sent_before_close_arrives_although_the_peer_is_slow() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let addr = trickle(server.addr, &[1000]);
    let ended = exchange("wss://localhost/burst", addr, &trusting(&authority), &[]);
    assert_eq!((ended.code, ended.was_clean), (1000, true), "{}", ended.cause);
    assert!(ended.heard == [vec![7; BURST]]);
    let end = server.end();
    assert_eq!((end.was_clean, &*end.cause), (true, "None"));
}

#[test]
fn records_that_the_kernel_refuses_are_written_later() {
    let authority = Authority::new("Tests");
    let server = EchoServer::cramped(&tls_server(&authority.issue(&["localhost"])));
    // Sizes that fill a record, that end in the middle of one, and that leave rustls with all of it while nothing else is queued.
    for len in [10_000, 16_384, 40_000, 65_000, 200_000, 3_000_000] {
        let messages = [vec![3; len], b"and then".to_vec()];
        let ended = exchange("wss://localhost/", server.addr, &trusting(&authority), &messages);
        assert_echoed(&ended, &messages);
        let end = server.end();
        assert_eq!((end.was_clean, end.unwritten), (true, 0));
    }
}

#[test]
fn the_end_is_told_when_everything_is_written() {
    let authority = Authority::new("Tests");
    let server = EchoServer::cramped(&tls_server(&authority.issue(&["localhost"])));
    let mut client = raw_client_on(cramped_stream(server.addr, 8192), &authority);
    open_websocket(&mut client);
    let mut conn = sansws::Connection::client(&Config::default(), || [0; 4]);
    let mut frames = Vec::new();
    conn.send_binary(&[9; 30_000], &mut frames).unwrap();
    conn.send_binary(&[9; 30_000], &mut frames).unwrap();
    conn.close(CloseCode::NORMAL, "", &mut frames).unwrap();
    client.write_all(&frames).unwrap();
    // The answers do not fit into the buffers before they are read here.
    let echoed = read_to_end(&mut client);
    assert_eq!(echoed.len(), 2 * (4 + 30_000) + 4);
    let end = server.end();
    assert_eq!((end.was_clean, end.unwritten), (true, 0));
}

#[test]
fn pages_are_served_and_end_with_close_notify() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let mut client = raw_client(&server, &authority);
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // Without close_notify this would be an error.
    let page = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("hello over TLS\n"), "{page}");
    assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_server_that_is_full_says_so_over_tls() {
    let authority = Authority::new("Tests");
    let settings = Settings { max_connections: 1, ..Settings::default() };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings);
    let _first = raw_client(&server, &authority);
    // It is told without having asked: no event follows the handshake.
    let answer = read_to_end(&mut raw_client(&server, &authority));
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{answer:?}");
    let ended = exchange("wss://localhost/", server.addr, &trusting(&authority), &hello());
    assert!(ended.cause.contains("Refused { status: 503, content: [116, 111, 111, "), "{ended:?}");
}

/// Rule R-10.6-a.
#[test]
fn other_versions_and_protocols() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let tls12 = TlsClient::from_config(Arc::new(client_config(&authority, &[&rustls::version::TLS12], &[])));
    assert_echoed(&exchange("wss://localhost/", server.addr, &tls12, &hello()), &hello());
    let h2 = client_config(&authority, rustls::ALL_VERSIONS, &[b"h2"]);
    let ended = exchange("wss://localhost/", server.addr, &TlsClient::from_config(Arc::new(h2)), &hello());
    assert_refused(&ended, "NoApplicationProtocol");
}

#[test]
fn an_end_without_close_notify_is_told_apart() {
    let authority = Authority::new("Tests");
    for (notify, cause) in [(true, "Some(Eof)"), (false, "Some(TlsTruncated)")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let config = server_config(&authority);
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            accept_websocket(&mut tls);
            if notify {
                tls.conn.send_close_notify();
                tls.conn.write_tls(&mut tls.sock).unwrap();
            }
        });
        let ended = exchange("wss://localhost/", addr, &trusting(&authority), &[]);
        assert!(ended.opened);
        assert_eq!((ended.code, ended.was_clean, &*ended.cause), (1006, false, cause));
        server.join().unwrap();

        let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
        let mut client = raw_client(&server, &authority);
        open_websocket(&mut client);
        if notify {
            client.conn.send_close_notify();
            client.conn.write_tls(&mut client.sock).unwrap();
        }
        drop(client);
        let end = server.end();
        assert_eq!((end.code, end.was_clean, &*end.cause), (1006, false, cause));
    }
}

/// Rule R-4.1-n.
#[test]
fn the_content_of_a_refusal_is_told_however_it_ends() {
    let authority = Authority::new("Tests");
    for notify in [true, false] {
        // More than one turn reads.
        let content = vec![b'x'; 300_000];
        let response = [&b"HTTP/1.1 401 No\r\n\r\n"[..], &content].concat();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let config = server_config(&authority);
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                tls.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            tls.write_all(&response).unwrap();
            if notify {
                tls.conn.send_close_notify();
                tls.conn.write_tls(&mut tls.sock).unwrap();
            }
        });
        let settings = Settings { max_refusal_content: usize::MAX, ..Settings::default() };
        let ended = exchange_with(settings, "wss://localhost/", addr, &trusting(&authority), &[]);
        assert!(
            ended.cause
                == format!("Some(Refused {{ status: 401, content: {content:?}, retry_after: None }})"),
            "{notify}"
        );
        server.join().unwrap();
    }
}

#[test]
fn a_close_notify_that_comes_with_the_last_message_is_seen() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let mut client = raw_client(&server, &authority);
    open_websocket(&mut client);
    let mut conn = sansws::Connection::client(&Config::default(), || [0; 4]);
    let mut frame = Vec::new();
    conn.send_text("last words", &mut frame).unwrap();
    client.conn.writer().write_all(&frame).unwrap();
    client.conn.send_close_notify();
    client.conn.write_tls(&mut client.sock).unwrap();
    // No FIN, so no other event.
    assert_eq!(server.end().cause, "Some(Eof)");
    drop(client);
}

#[test]
fn a_forged_record_ends_the_connection() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let mut client = raw_client(&server, &authority);
    open_websocket(&mut client);
    client.sock.write_all(&[23, 3, 3, 0, 20]).unwrap();
    client.sock.write_all(&[0; 20]).unwrap();
    let end = server.end();
    assert_eq!((end.code, end.was_clean, &*end.cause), (1006, false, "Some(Tls(DecryptError))"));
}

#[test]
fn peers_that_do_not_speak_tls_get_an_alert_at_most() {
    let authority = Authority::new("Tests");
    // Nothing here ends because of a deadline.
    let never = Duration::from_secs(3600);
    let timeouts = Timeouts::new().handshake(never).close(never);
    let settings = Settings { timeouts, ..Settings::default() };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings);
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let garbage: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [&request[..], &garbage, &[0x16, 3, 1, 0xff, 0xff], &[0x16], &[0; 70_000], b""] {
        let answer = answer_to(server.addr, bytes);
        // A record of type 21, alert; two bytes.
        assert!(answer.is_empty() || (answer.len() == 7 && answer[0] == 21), "{answer:?}");
    }
    assert_eq!(answer_to(server.addr, request).first(), Some(&21));
    assert_echoed(&exchange("wss://localhost/", server.addr, &trusting(&authority), &hello()), &hello());
}

#[test]
fn a_server_that_does_not_speak_tls_is_refused() {
    let authority = Authority::new("Tests");
    let server = EchoServer::run(Server::bind("127.0.0.1:0").unwrap());
    let ended = exchange("wss://localhost/", server.addr, &trusting(&authority), &hello());
    assert_refused(&ended, "InvalidMessage");
}

#[test]
fn the_tls_handshake_has_a_deadline() {
    let authority = Authority::new("Tests");
    let timeouts = Timeouts::new().handshake(Duration::from_millis(200));
    let settings = || Settings { timeouts, ..Settings::default() };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings());
    let mut silent = TcpStream::connect(server.addr).unwrap();
    silent.set_read_timeout(Some(LIMIT)).unwrap();
    let began = Instant::now();
    assert_eq!(read_to_end(&mut silent), b"", "nothing is said in plain text");
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let ended = exchange_with(settings(), "wss://localhost/", addr, &trusting(&authority), &hello());
    assert_eq!((ended.opened, &*ended.cause), (false, "Some(TimedOut(Handshake))"));
}

#[test]
fn bytes_of_a_handshake_do_not_keep_a_refusal_waiting() {
    let authority = Authority::new("Tests");
    let timeouts = Timeouts::new().close(Duration::from_millis(200));
    let settings = Settings { max_connections: 0, timeouts, ..Settings::default() };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings);
    let mut slow = TcpStream::connect(server.addr).unwrap();
    // The beginning of a long record: a ClientHello in which there is always more to come.
    let mut hello = vec![0x16, 3, 1, 0x3f, 0, 1, 0, 0x3e, 0xfc, 3, 3];
    hello.resize(0x3f00, 7);
    let began = Instant::now();
    for byte in hello {
        if slow.write_all(&[byte]).is_err() {
            return;
        }
        assert!(began.elapsed() < LIMIT, "still there");
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it took all of it");
}

#[test]
fn a_reset_is_told_though_records_wait() {
    let authority = Authority::new("Tests");
    let server = EchoServer::start(&tls_server(&authority.issue(&["localhost"])));
    let mut client = raw_client(&server, &authority);
    client.write_all(b"GET /burst HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").unwrap();
    let mut first = [0; 1];
    client.read_exact(&mut first).unwrap();
    socket2::SockRef::from(&client.sock).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let end = server.end();
    assert!(!end.was_clean && !end.cause.contains("TimedOut"), "{end:?}");
}

#[test]
fn a_server_that_ends_during_the_handshake_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
    });
    let ended = exchange("wss://localhost/", addr, &trusting(&Authority::new("Tests")), &hello());
    assert_eq!((ended.opened, &*ended.cause), (false, "Some(TlsTruncated)"));
    server.join().unwrap();
}

/// A client that does what the test wants, over blocking I/O. Its TLS handshake is done.
fn raw_client(server: &EchoServer, authority: &Authority) -> StreamOwned<ClientConnection, TcpStream> {
    raw_client_on(TcpStream::connect(server.addr).unwrap(), authority)
}

fn raw_client_on(mut stream: TcpStream, authority: &Authority) -> StreamOwned<ClientConnection, TcpStream> {
    let config = Arc::new(client_config(authority, rustls::ALL_VERSIONS, &[b"http/1.1"]));
    let name = ServerName::try_from("localhost").unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut conn = ClientConnection::new(config, name).unwrap();
    conn.complete_io(&mut stream).unwrap();
    StreamOwned::new(conn, stream)
}

fn client_config(
    authority: &Authority,
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let issued = authority.issue(&["localhost"]);
    let chain = vec![CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    #[cfg(feature = "tls-aws-lc")]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(feature = "tls-aws-lc"))]
    return Arc::new(rustls::crypto::ring::default_provider());
}

fn open_websocket(client: &mut StreamOwned<ClientConnection, TcpStream>) {
    let mut request = Vec::new();
    handshake::client::Offer::new("localhost", "/").write(&[1; 16], &mut request).unwrap();
    client.write_all(&request).unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        response.extend(byte);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
}

fn accept_websocket(server: &mut StreamOwned<ServerConnection, TcpStream>) {
    let (mut request, mut response) = (Vec::new(), Vec::new());
    let mut buffer = [0; 1024];
    while handshake::server::accept(&request, &Config::default(), &mut response).unwrap().is_none() {
        match server.read(&mut buffer) {
            Ok(len) => request.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    server.write_all(&response).unwrap();
}
