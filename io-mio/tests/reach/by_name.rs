//! Names, and the addresses they lead to.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use sansws_mio::{Resolver, Settings};

use crate::refusing::{has_ipv6, refusing};
use crate::world::{Blackhole, PATIENCE, World, accept, listen, read_head, say, scripted};

/// A world whose names lead to `addresses`, and then to its own server.
fn world_behind(addresses: Vec<SocketAddr>) -> World {
    world_of(move |_, server| addresses.iter().copied().chain([server]).collect())
}

/// A world whose resolver knows where its own server is.
fn world_of(resolve: impl Fn(&str, SocketAddr) -> Vec<SocketAddr> + Send + Sync + 'static) -> World {
    let server: Arc<OnceLock<SocketAddr>> = Arc::default();
    let known = Arc::clone(&server);
    let world = World::resolving(move |host, _| resolve(host, *known.get().expect("set below")));
    server.set(world.server).expect("set once");
    world
}

/// Runs the loop until somebody has connected there.
fn turn_until_accepted(world: &mut World, listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("non-blocking");
    let deadline = Instant::now() + PATIENCE;
    loop {
        world.event_loop.turn(Some(Duration::from_millis(10))).expect("a turn");
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(_) => assert!(Instant::now() < deadline, "nobody connects"),
        }
    }
}

/// Rule R-4.1-b.
#[test]
fn a_name_is_resolved_and_the_host_header_has_it() {
    let mut world = world_behind(vec![]);
    world.reach("ws://server.test:8123/chat?x").assert_good();
    assert_eq!(world.event_loop.handler().seen[0].headers["host"], "server.test:8123");
    assert_eq!(world.paths(), ["/chat"]);
}

#[test]
fn the_system_resolves_localhost() {
    let mut world = World::new();
    let port = world.server.port();
    world.reach(&format!("ws://localhost:{port}/")).assert_good();
}

#[test]
fn an_address_needs_no_resolver() {
    let mut world = World::resolving(|host, _| panic!("{host} is an address"));
    let port = world.server.port();
    world.reach(&format!("ws://127.0.0.1:{port}/")).assert_good();
}

#[test]
fn an_ipv6_that_refuses_is_passed_over() {
    let mut world = world_behind(vec![refusing("[::1]:0")]);
    world.reach("ws://server.test/").assert_good();
}

#[test]
fn an_ipv6_that_is_silent_has_a_quarter_of_a_second() {
    if !has_ipv6() {
        println!("SKIPPED: this machine has no IPv6");
        return;
    }
    let hole = Blackhole::new("[::1]:0");
    let mut world = world_behind(vec![hole.address]);
    let since = Instant::now();
    world.reach("ws://server.test/").assert_good();
    assert!(since.elapsed() >= Duration::from_millis(250), "it was given no time: {:?}", since.elapsed());
}

#[test]
fn several_dead_addresses_are_passed_over() {
    let hole = Blackhole::new("127.0.0.1:0");
    let mut world = world_behind(vec![
        refusing("127.0.0.1:0"),
        hole.address,
        refusing("[::1]:0"),
        refusing("127.0.0.1:0"),
    ]);
    world.reach("ws://server.test/").assert_good();
}

#[test]
fn if_all_refuse_it_is_said_so() {
    let (one, other) = (refusing("[::1]:0"), refusing("127.0.0.1:0"));
    let mut world = World::resolving(move |_, _| vec![one, other]);
    world.reach("ws://server.test/").assert_failed("refused");
}

#[test]
fn a_name_that_is_not_there_is_said_so() {
    let resolver = Resolver::new(|host, _| Err(io::Error::other(format!("no such host as {host}"))));
    let mut world = World::with(Settings { resolver, ..Settings::default() });
    world.reach("ws://server.test/").assert_failed("not resolved: no such host as server.test");
    let mut world = World::resolving(|_, _| vec![]);
    world.reach("ws://server.test/").assert_failed("no addresses");
}

#[test]
fn a_resolver_that_panics_takes_nobody_along() {
    let mut world = World::resolving(|_, _| panic!("on purpose"));
    for _ in 0..20 {
        world.reach("ws://server.test/").assert_failed("the resolver panicked");
    }
}

#[test]
fn the_loop_goes_on_while_a_name_is_resolved_and_one_answer_serves_all() {
    let (go, wait) = mpsc::channel::<SocketAddr>();
    let (wait, calls) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let mut world = World::resolving(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        vec![wait.lock().expect("not poisoned").recv().expect("an answer")]
    });
    let slow: Vec<u32> = (0..50).map(|_| world.start("ws://slow.test/", |connect| connect)).collect();
    let direct = format!("ws://{}/", world.server);
    world.reach(&direct).assert_good();
    go.send(world.server).expect("somebody waits");
    for number in slow {
        world.wait(number).assert_good();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Also those that somebody waits for.
#[test]
fn names_that_have_no_answer_do_not_hold_up_others() {
    let (hold, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let mut world = world_of(move |host, server| {
        if host != "server.test" {
            let _ = never.lock().expect("not poisoned").recv();
        }
        vec![server]
    });
    let no_limit = |connect: sansws_mio::Connect<_>| connect.connect_timeout(Duration::ZERO);
    let waiting: Vec<u32> =
        (0..20).map(|n| world.start(&format!("ws://silent{n}.test/"), no_limit)).collect();
    world.reach("ws://server.test/").assert_good();
    drop(hold);
    for number in waiting {
        world.wait(number).assert_good();
    }
}

#[test]
fn names_that_nobody_waits_for_any_more_do_not_hold_up_others() {
    const LIMIT: Duration = Duration::from_millis(50);
    let (_hold, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let mut world = world_of(move |host, server| {
        if host != "server.test" {
            let _ = never.lock().expect("not poisoned").recv();
        }
        vec![server]
    });
    // More than there are threads.
    let given_up: Vec<u32> = (0..80)
        .map(|n| world.start(&format!("ws://silent{n}.test/"), |connect| connect.connect_timeout(LIMIT)))
        .collect();
    for number in given_up {
        world.wait(number).assert_failed("not resolved: no answer in time");
    }
    world.reach("ws://server.test/").assert_good();
}

/// Rule R-4.1-a.
#[test]
fn one_opening_handshake_at_a_time_whatever_the_server_is_called() {
    let (tell, told) = mpsc::channel();
    let (address, server) = scripted(move |listener| {
        let mut first = accept(listener);
        read_head(&mut first);
        // The other one must not come while the first is in its opening handshake, from when it knows where to.
        for _ in 0..2 {
            told.recv_timeout(PATIENCE).expect("an answer of the resolver");
        }
        listener.set_nonblocking(true).expect("non-blocking");
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            assert!(listener.accept().is_err(), "a second connection");
            std::thread::yield_now();
        }
        listener.set_nonblocking(false).expect("blocking");
        say(&mut first, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        let mut second = accept(listener);
        read_head(&mut second);
        say(&mut second, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
    });
    let hole = refusing("[::1]:0");
    let mut world = World::resolving(move |host, _| {
        tell.send(()).expect("the server waits");
        // One address more must not make it another server.
        if host == "a.test" { vec![address] } else { vec![hole, address] }
    });
    let first = world.start("ws://a.test/", |connect| connect);
    let second = world.start("ws://b.test/", |connect| connect);
    let fates = [world.wait(first), world.wait(second)];
    let mut causes: Vec<_> = fates.iter().filter_map(|fate| fate.cause.as_deref()).collect();
    causes.sort_unstable();
    assert!(causes[0].contains("418") && causes[1].contains("503"), "{causes:?}");
    server.join().expect("as scripted");
}

#[test]
fn an_attempt_that_failed_no_longer_keeps_its_address_from_others() {
    let (refuses, hole) = (refusing("127.0.0.1:0"), Blackhole::new("127.0.0.1:0"));
    let silent = hole.address;
    let mut world = World::resolving(move |_, _| vec![refuses, silent]);
    let racing = world.start("ws://server.test/", |connect| connect.connect_timeout(PATIENCE * 2));
    // At some time in this it has come to the second address.
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        world.event_loop.turn(Some(Duration::from_millis(10))).expect("a turn");
        world.reach(&format!("ws://{refuses}/")).assert_failed("refused");
    }
    assert!(!world.event_loop.handler().fates.contains_key(&racing));
}

#[test]
fn one_that_has_reached_an_address_keeps_no_other_from_others() {
    let (hole, silent) = (Blackhole::new("127.0.0.1:0"), listen("127.0.0.1:0"));
    let addresses = vec![hole.address, silent.local_addr().expect("bound")];
    let mut world = World::resolving(move |_, _| addresses.clone());
    let reached = world.start("ws://server.test/", |connect| connect.handshake_timeout(PATIENCE * 2));
    let _accepted = turn_until_accepted(&mut world, &silent);
    let limit = Duration::from_millis(50);
    let fate = world.reach_with(&format!("ws://{}/", hole.address), |connect| connect.connect_timeout(limit));
    fate.assert_failed("not reached in time");
    assert!(!world.event_loop.handler().fates.contains_key(&reached));
}

#[test]
fn one_that_has_reached_an_address_waits_for_no_other() {
    let (go, wait) = mpsc::channel();
    let (address, server) = scripted(move |listener| {
        let mut first = accept(listener);
        read_head(&mut first);
        wait.recv().expect("the test goes on");
        say(&mut first, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        let mut second = accept(listener);
        read_head(&mut second);
        say(&mut second, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
    });
    let silent = listen("127.0.0.1:0");
    let addresses = vec![address, silent.local_addr().expect("bound")];
    let mut world = World::resolving(move |_, _| addresses.clone());
    let direct = format!("ws://{address}/");
    let first = world.start(&direct, |connect| connect);
    let other = world.start("ws://server.test/", |connect| connect.handshake_timeout(PATIENCE * 2));
    let _accepted = turn_until_accepted(&mut world, &silent);
    let second = world.start(&direct, |connect| connect);
    go.send(()).expect("as scripted");
    world.wait(first).assert_failed("503");
    world.wait(second).assert_failed("418");
    assert!(!world.event_loop.handler().fates.contains_key(&other));
    server.join().expect("as scripted");
}

#[test]
fn what_came_before_the_race_was_won_is_read() {
    // The first SYN is dropped, so that the connection is not there at once; the next one comes after a second.
    let hole = Blackhole::new("127.0.0.1:0");
    let mut world = World::new();
    let number = world.start(&format!("ws://{}/", hole.address), |connect| connect);
    let (told, written) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let listener = hole.open();
        let mut stream = accept(&listener);
        say(&mut stream, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
        told.send(()).expect("somebody waits");
        // Up to the client's end.
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    // One event tells of all of it.
    written.recv().expect("as scripted");
    world.wait(number).assert_failed("418");
    drop(world);
    server.join().expect("as scripted");
}

#[cfg(unix)]
#[test]
fn a_unix_domain_socket_has_a_url() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    let path = std::env::temp_dir().join(format!("sansws reach {}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len == 1) {
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n").expect("it listens");
        String::from_utf8(head).expect("ASCII")
    });
    let mut world = World::new();
    let url = format!("ws+unix:{}:/chat?room=7", path.display().to_string().replace(' ', "%20"));
    world.reach(&url).assert_failed("418");
    let head = server.join().expect("no panic");
    assert!(head.starts_with("GET /chat?room=7 HTTP/1.1\r\nHost: localhost\r\n"), "{head}");
    std::fs::remove_file(&path).expect("it was there");
    world.reach(&url).assert_failed("No such file");
}
