//! Tunnels through HTTP proxies.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sansws_mio::Proxy;

use crate::refusing::refusing;
use crate::world::{World, accept, listen, read_head, relay, say, scripted};

fn through(address: SocketAddr) -> Proxy {
    Proxy::new(&format!("http://{address}")).expect("a proxy")
}

/// A proxy for one tunnel to `server`, whatever it is asked for. Returns the head of the request.
fn good_proxy(server: SocketAddr, answer: &'static [&'static str]) -> (SocketAddr, JoinHandle<String>) {
    scripted(move |listener| {
        let mut client = accept(listener);
        client.set_nodelay(true).expect("no delay");
        let head = read_head(&mut client);
        let server = TcpStream::connect(server).expect("the server");
        for part in answer {
            say(&mut client, part);
            std::thread::sleep(Duration::from_millis(5));
        }
        relay(client, server);
        head
    })
}

/// A proxy that answers the request with this and waits for the end.
fn bad_proxy(answer: String) -> (SocketAddr, JoinHandle<()>) {
    scripted(move |listener| {
        let mut client = accept(listener);
        read_head(&mut client);
        say(&mut client, &answer);
        // A reset, if the client did not read all of it, ends it as well.
        let _ = client.read(&mut [0; 1]);
    })
}

const ESTABLISHED: &[&str] = &["HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n"];

#[test]
fn a_tunnel_to_a_name_that_only_the_proxy_knows() {
    let mut world = World::resolving(|host, _| panic!("{host} is the proxy's business"));
    let (proxy, thread) = good_proxy(world.server, ESTABLISHED);
    world.reach_with("ws://inside.test/chat", |connect| connect.proxy(through(proxy))).assert_good();
    assert_eq!(world.event_loop.handler().seen[0].headers["host"], "inside.test");
    let head = thread.join().expect("as scripted");
    assert_eq!(head, "CONNECT inside.test:80 HTTP/1.1\r\nHost: inside.test:80\r\n\r\n");
}

#[test]
fn an_answer_in_pieces_and_credentials_for_the_proxy_alone() {
    let mut world = World::new();
    let answer: &[&str] =
        &["HTTP/1.1 100 Continue\r", "\n\r", "\nHTTP/1.1 20", "0 OK\r\nContent-Length: 3\r\n\r", "\n"];
    let (proxy, thread) = good_proxy(world.server, answer);
    let proxy = Proxy::new(&format!("http://me:p%3Aw@{proxy}")).expect("a proxy");
    world.reach_with("ws://[2001:db8::1]:81/", |connect| connect.proxy(proxy)).assert_good();
    let head = thread.join().expect("as scripted");
    assert_eq!(
        head,
        "CONNECT [2001:db8::1]:81 HTTP/1.1\r\nHost: [2001:db8::1]:81\r\nProxy-Authorization: Basic bWU6cDp3\r\n\r\n"
    );
    let seen = &world.event_loop.handler().seen[0];
    assert!(!seen.headers.keys().any(|name| name.contains("authorization")), "{seen:?}");
}

#[test]
fn a_proxy_has_a_name_and_several_addresses() {
    let world_server = listen("127.0.0.1:0");
    let (proxy, thread) = good_proxy(world_server.local_addr().expect("bound"), ESTABLISHED);
    let dead = refusing("[::1]:0");
    let mut world = World::resolving(move |host, port| {
        assert_eq!((host, port), ("proxy.test", 3128));
        vec![dead, proxy]
    });
    world.event_loop.listen(world_server).expect("a listener");
    let proxy = Proxy::new("proxy.test:3128").expect("a proxy");
    world.reach_with("ws://inside.test/", |connect| connect.proxy(proxy)).assert_good();
    thread.join().expect("as scripted");
}

#[test]
fn refusals_and_nonsense_are_told() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let table: &[(&str, &str)] = &[
        ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "credentials"),
        ("HTTP/1.1 503 Unavailable\r\nContent-Length: 2\r\n\r\nno", "the proxy refused with HTTP status 503"),
        (
            "HTTP/1.1 301 Moved\r\nLocation: http://evil.test/\r\n\r\n",
            "the proxy refused with HTTP status 301",
        ),
        ("SSH-2.0-x\r\n\r\n", "the proxy's answer"),
        ("\u{16}\u{3}\u{1}", "the proxy's answer"),
        ("HTTP/1.1 200 OK\n\n", "the proxy's answer"),
        (&long, "too long"),
        (&many, "too many headers"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n", "before the server could"),
    ];
    for (answer, expected) in table {
        let (proxy, thread) = bad_proxy((*answer).into());
        let mut world = World::new();
        world
            .reach_with("ws://inside.test/", |connect| connect.proxy(through(proxy)).redirects(5))
            .assert_failed(expected);
        drop(world);
        thread.join().expect("as scripted");
    }
}

#[test]
fn a_proxy_that_is_not_there_or_goes_away() {
    let mut world = World::new();
    let proxy = through(refusing("127.0.0.1:0"));
    world
        .reach_with("ws://inside.test/", |connect| connect.proxy(proxy))
        .assert_failed("the connection to the proxy:");
    let (proxy, thread) = scripted(|listener| read_head(&mut accept(listener)).len());
    world
        .reach_with("ws://inside.test/", |connect| connect.proxy(through(proxy)))
        .assert_failed("without an answer");
    thread.join().expect("as scripted");
    let mut world = World::resolving(|_, _| vec![]);
    let proxy = Proxy::new("proxy.test").expect("a proxy");
    world
        .reach_with("ws://inside.test/", |connect| connect.proxy(proxy))
        .assert_failed("the proxy's name was not resolved");
}

#[test]
fn a_proxy_that_trickles_has_its_time() {
    let (proxy, thread) = scripted(|listener| {
        let mut client = accept(listener);
        read_head(&mut client);
        let trickle = |client: &mut TcpStream| std::io::Write::write_all(client, b"x").is_ok();
        say(&mut client, "HTTP/1.1 200 ");
        // Ends when the client hangs up, long before the time-out of the head's length.
        (0..2000)
            .take_while(|_| {
                std::thread::sleep(Duration::from_millis(10));
                trickle(&mut client)
            })
            .count()
    });
    let mut world = World::new();
    let timeout = Duration::from_millis(200);
    world
        .reach_with("ws://inside.test/", |connect| connect.proxy(through(proxy)).connect_timeout(timeout))
        .assert_failed("not reached in time");
    assert!(thread.join().expect("no panic") < 2000);
}

#[test]
fn exceptions_are_reached_directly() {
    let dead = through(refusing("127.0.0.1:0"));
    let mut world = World::new();
    let url = format!("ws://{}/", world.server);
    for rules in ["*", "127.0.0.0/8", "127.0.0.1", "other.test, 127.0.0.1"] {
        let proxy = dead.clone().no_proxy(rules);
        world.reach_with(&url, |connect| connect.proxy(proxy)).assert_good();
    }
    let proxy = dead.no_proxy("10.0.0.0/8");
    world.reach_with(&url, |connect| connect.proxy(proxy)).assert_failed("proxy");
}

#[test]
fn a_redirection_goes_through_the_proxy_too() {
    let mut world = World::new();
    world.redirect("/a", 302, "ws://elsewhere.test:81/b");
    let server = world.server;
    let (proxy, thread) = scripted(move |listener| {
        [(); 2].map(|()| {
            let mut client = accept(listener);
            let head = read_head(&mut client);
            say(&mut client, "HTTP/1.1 200 OK\r\n\r\n");
            relay(client, TcpStream::connect(server).expect("the server"));
            head.lines().next().unwrap_or_default().to_owned()
        })
    });
    world
        .reach_with("ws://inside.test/a", |connect| connect.proxy(through(proxy)).redirects(1))
        .assert_good();
    drop(world);
    let heads = thread.join().expect("as scripted");
    assert_eq!(heads, ["CONNECT inside.test:80 HTTP/1.1", "CONNECT elsewhere.test:81 HTTP/1.1"]);
}

/// RFC 6455 §4.1: one opening handshake at a time per server, which behind a proxy is told by its name.
#[test]
fn through_a_proxy_each_name_is_a_server_of_its_own() {
    let (proxy, thread) = scripted(|listener| {
        let [mut first, _second] = [(); 2].map(|()| {
            let mut client = accept(listener);
            read_head(&mut client);
            client
        });
        listener.set_nonblocking(true).expect("non-blocking");
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            assert!(listener.accept().is_err(), "a third connection");
            std::thread::yield_now();
        }
        listener.set_nonblocking(false).expect("blocking");
        say(&mut first, "HTTP/1.1 503 Busy\r\n\r\n");
        let head = read_head(&mut accept(listener));
        assert!(head.starts_with("CONNECT A.test.:80 "), "{head}");
    });
    let mut world = World::new();
    let mut start = |url: &str| world.start(url, |connect| connect.proxy(through(proxy)));
    let [a, b, again] = ["ws://a.test/", "ws://b.test/", "ws://A.test./"].map(&mut start);
    world.wait(a).assert_failed("503");
    world.wait(b).assert_failed("proxy");
    world.wait(again).assert_failed("without an answer");
    thread.join().expect("as scripted");
}

/// Debian's tinyproxy, with and without credentials, if it is installed.
#[test]
fn tinyproxy() {
    use std::process::{Child, Command, Stdio};

    struct Running(Child);
    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    if Command::new("tinyproxy").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("SKIPPED: tinyproxy is not installed");
        return;
    }
    // Free a moment ago; tinyproxy cannot be told to choose.
    let address = listen("127.0.0.1:0").local_addr().expect("bound");
    let config = std::env::temp_dir().join(format!("sansws-tinyproxy-{}.conf", std::process::id()));
    let text = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 30\nMaxClients 10\nAllow 127.0.0.1\nBasicAuth me secret\nLogLevel Critical\n",
        address.port()
    );
    std::fs::write(&config, text).expect("a file");
    let child = Command::new("tinyproxy").arg("-d").arg("-c").arg(&config).stdout(Stdio::null()).spawn();
    let _running = Running(child.expect("tinyproxy"));
    let deadline = Instant::now() + crate::world::PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "tinyproxy does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }

    let mut world = World::new();
    let url = format!("ws://localhost:{}/chat", world.server.port());
    world.reach_with(&url, |connect| connect.proxy(through(address))).assert_failed("407");
    let proxy = || through(address).basic_auth("me", "secret").expect("credentials");
    world.reach_with(&url, |connect| connect.proxy(proxy())).assert_good();
    let dead = format!("ws://{}/", refusing("127.0.0.1:0"));
    world
        .reach_with(&dead, |connect| connect.proxy(proxy()))
        .assert_failed("the proxy refused with HTTP status 5");
    std::fs::remove_file(&config).expect("it was there");
}
