//! The PROXY protocol in front of TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use sansws_mio::rustls::pki_types::ServerName;
use sansws_mio::rustls::pki_types::pem::PemObject;
use sansws_mio::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sansws_mio::{ProxyHeader, Settings, TrustedProxies};

use crate::certificates::Authority;
use crate::peers::{EchoServer, LIMIT, tls_server};

#[test]
fn tls_begins_behind_the_header() {
    let authority = Authority::new("Tests");
    let proxies = TrustedProxies::new("127.0.0.1", ProxyHeader::ProxyProtocol).expect("an address");
    let settings = Settings {
        trusted_proxies: Some(proxies),
        max_connections_per_address: Some(1),
        ..Settings::default()
    };
    let server = EchoServer::with(&tls_server(&authority.issue(&["localhost"])), settings);
    let mut roots = RootCertStore::empty();
    roots.add(PemObject::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = Arc::new(
        ClientConfig::builder_with_provider(crate::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    );
    let connect = |line: &str| {
        let tls =
            ClientConnection::new(Arc::clone(&config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // With the first bytes of TLS in one segment.
        let mut tls = tls;
        let mut first = line.as_bytes().to_vec();
        tls.write_tls(&mut first).unwrap();
        stream.write_all(&first).unwrap();
        StreamOwned::new(tls, stream)
    };
    let page = |stream: &mut StreamOwned<ClientConnection, TcpStream>| {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let line = "PROXY TCP4 192.0.2.1 198.51.100.1 1 443\r\n";
    let mut first = connect(line);
    // One of this address is there: the next one is told so, through TLS.
    first.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert!(page(&mut connect("PROXY UNKNOWN\r\n")).ends_with("hello over TLS\n"));
    assert!(page(&mut connect("PROXY TCP4 192.0.2.2 198.51.100.1 1 443\r\n")).ends_with("hello over TLS\n"));
    let refused = page(&mut connect(line));
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    first.write_all(b"Host: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello over TLS\n"), "{answer}");
}
