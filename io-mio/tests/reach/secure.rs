//! `wss:` URLs behind proxies and redirections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use sansws_mio::rustls::crypto::CryptoProvider;
use sansws_mio::rustls::pki_types::pem::PemObject;
use sansws_mio::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sansws_mio::rustls::server::WebPkiClientVerifier;
use sansws_mio::rustls::{self, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sansws_mio::{Proxy, TlsClient, TlsServer};

use crate::world::{World, accept, listen, read_head, relay, say, scripted};

/// The world's server, on one more address, which speaks TLS; and a client that trusts it.
fn secured(world: &mut World, names: &[&str]) -> (SocketAddr, TlsClient) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let server = TlsServer::builder().certificate_pem(own.cert.pem(), own.signing_key.serialize_pem());
    let listener = listen("127.0.0.1:0");
    let address = listener.local_addr().expect("bound");
    world.event_loop.listen_tls(listener, &server.build().expect("a server")).expect("a listener");
    let client = TlsClient::builder().no_default_roots().ca_pem(own.cert.pem()).build().expect("a client");
    (address, client)
}

#[test]
fn tls_goes_through_the_tunnel_to_the_server() {
    let mut world = World::resolving(|host, _| panic!("{host} is the proxy's business"));
    let (server, tls) = secured(&mut world, &["inside.test"]);
    let (proxy, thread) = scripted(move |listener| {
        [(); 2].map(|()| {
            let mut client = accept(listener);
            let head = read_head(&mut client);
            say(&mut client, "HTTP/1.1 200 OK\r\n\r\n");
            relay(client, TcpStream::connect(server).expect("the server"));
            head.lines().next().unwrap_or_default().to_owned()
        })
    });
    let proxy = Proxy::new(&format!("http://{proxy}")).expect("a proxy");
    world.reach_with("wss://inside.test/", |connect| connect.tls(&tls).proxy(proxy.clone())).assert_good();
    // The tunnel leads where the proxy wants; the certificate tells.
    world
        .reach_with("wss://other.test/", |connect| connect.tls(&tls).proxy(proxy))
        .assert_failed("certificate");
    drop(world);
    let heads = thread.join().expect("as scripted");
    assert_eq!(heads, ["CONNECT inside.test:443 HTTP/1.1", "CONNECT other.test:443 HTTP/1.1"]);
}

#[test]
fn a_redirection_may_enter_tls_but_not_leave_it() {
    let mut world = World::new();
    let (secure, tls) = secured(&mut world, &["127.0.0.1"]);
    let plain = world.server;
    world.redirect("/in", 302, format!("https://{secure}/there"));
    world.redirect("/out", 302, format!("http://{plain}/there"));
    world
        .reach_with(&format!("ws://me:pw@{plain}/in"), |connect| connect.tls(&tls).redirects(1))
        .assert_good();
    let seen = &world.event_loop.handler().seen;
    assert!(seen[0].headers.contains_key("authorization") && !seen[1].headers.contains_key("authorization"));
    world
        .reach_with(&format!("wss://{secure}/out"), |connect| connect.tls(&tls).redirects(1))
        .assert_failed("away from TLS");
    assert_eq!(world.paths(), ["/in", "/there", "/out"]);
}

/// Two servers on one host, which would even know each other's sessions, and ask who the client is without insisting.
#[test]
fn an_identity_is_not_shown_to_another_origin() {
    let [own, mine] = ["127.0.0.1", "me.test"]
        .map(|name| rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate"));
    let config = asking(&own.cert.pem(), &own.signing_key.serialize_pem(), &mine.cert.pem());
    let serve = |answers: Vec<String>| {
        let config = Arc::clone(&config);
        scripted(move |listener| -> Vec<bool> {
            answers.iter().map(|answer| is_shown_an_identity(listener, &config, answer)).collect()
        })
    };
    let (other, there) = serve(vec!["418 Teapot\r\n".into()]);
    let away = format!("302 Found\r\nLocation: https://{other}/c\r\n");
    let (server, here) = serve(vec!["302 Found\r\nLocation: /b\r\n".into(), away]);

    let files = ["crt", "key"]
        .map(|kind| std::env::temp_dir().join(format!("sansws-identity-{}.{kind}", std::process::id())));
    std::fs::write(&files[0], mine.cert.pem()).expect("a file");
    std::fs::write(&files[1], mine.signing_key.serialize_pem()).expect("a file");
    let tls = TlsClient::builder().no_default_roots().ca_pem(own.cert.pem());
    let tls = tls.identity_files(&files[0], &files[1]).build().expect("a client");
    for file in files {
        std::fs::remove_file(file).expect("it was there");
    }

    let fate =
        World::new().reach_with(&format!("wss://{server}/a"), |connect| connect.tls(&tls).redirects(2));
    fate.assert_failed("418");
    assert_eq!(here.join().expect("as scripted"), [true, true]);
    assert_eq!(there.join().expect("as scripted"), [false]);
}

/// A server that has `certificate` and asks for one that `authority` has signed.
fn asking(certificate: &str, key: &str, authority: &str) -> Arc<ServerConfig> {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(der(authority)).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![der(certificate)],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"),
        )
        .expect("they belong together");
    Arc::new(config)
}

fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "tls-aws-lc")]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(feature = "tls-aws-lc"))]
    return Arc::new(rustls::crypto::ring::default_provider());
}

/// Answers the next request with this; whether the client has said who it is.
fn is_shown_an_identity(listener: &TcpListener, config: &Arc<ServerConfig>, answer: &str) -> bool {
    let connection = ServerConnection::new(Arc::clone(config)).expect("a connection");
    let mut stream = StreamOwned::new(connection, accept(listener));
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        head.extend(byte);
    }
    write!(stream, "HTTP/1.1 {answer}Content-Length: 0\r\n\r\n").expect("the client reads");
    stream.conn.peer_certificates().is_some()
}
