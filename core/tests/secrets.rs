//! What is printed ends up in logs: credentials do not.

use sansws::Uri;
use sansws::handshake::{client, server};

#[test]
fn debug_shows_no_credentials() {
    let uri = Uri::parse("ws://me:sesame@example.com/chat").expect("a URI");
    let secrets = [
        ("Authorization", "Bearer sesame"),
        ("Cookie", "id=sesame"),
        ("SET-COOKIE", "id=sesame"),
        ("X-Seen", "yes"),
    ];
    let printed = [
        format!("{uri:?}"),
        format!("{:?}", client::Offer::to(&uri).headers(&secrets)),
        format!("{:?}", server::Accept::new().headers(&secrets)),
        format!("{:?}", server::Reject::new(401).headers(&secrets).body(b"who?")),
    ];
    for text in &printed {
        assert!(!text.contains("sesame"), "{text}");
    }
    #[cfg(feature = "alloc")]
    {
        let (mut acceptor, mut out) = (server::Acceptor::default(), Vec::new());
        let mut bytes = *b"GET / HTTP/1.1\r\nCookie: id=sesame\r\n";
        let opened = acceptor.receive(&mut &mut bytes[..], &sansws::Config::default(), &mut out);
        assert!(opened.is_ok_and(|connection| connection.is_none()));
        assert_eq!(format!("{acceptor:?}"), "Acceptor { head_len: 35, refused: None, .. }");
    }
    // What is no secret is there.
    assert!(printed[0].contains("example.com") && printed[0].contains("/chat"), "{}", printed[0]);
    for text in &printed[1..] {
        assert!(text.contains("Authorization") && text.contains("X-Seen") && text.contains("yes"), "{text}");
    }
    assert!(printed[3].contains("401") && printed[3].contains("who?"), "{}", printed[3]);
}

/// Messages, the state of a generator and the room of a buffer stay out of logs.
#[cfg(feature = "alloc")]
#[test]
fn debug_shows_what_a_thing_is_and_not_what_it_holds() {
    use sansws::{Assembler, Config, Connection, FnKeys, SliceAssembler};

    let mut messages = Assembler::new();
    let mut server = Connection::server(&Config::default());
    let mut bytes = *b"\x01\x86\0\0\0\0sesame";
    assert_eq!(messages.receive(&mut server, &mut &mut bytes[..]), None);
    assert_eq!(format!("{messages:?}"), "Assembler { collected: 6, .. }");
    assert_eq!(format!("{:?}", SliceAssembler::new(&mut [])), "SliceAssembler { collected: 0, .. }");
    assert_eq!(format!("{server:?}"), "Connection { role: Server, state: Open, .. }");
    let parked = Connection::client(&Config::default(), || [0; 4]).park().expect("idle");
    assert_eq!(format!("{parked:?}"), "Parked { role: Client, .. }");
    assert_eq!(format!("{:?}", FnKeys(|| [0; 4])), "FnKeys { .. }");
    #[cfg(feature = "chacha")]
    assert_eq!(format!("{:?}", sansws::ChaChaKeys::new([7; 32])), "ChaChaKeys { .. }");
}
