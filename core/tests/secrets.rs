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
