//! `wss:` URLs behind proxies and redirections.

use std::net::{SocketAddr, TcpStream};

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
