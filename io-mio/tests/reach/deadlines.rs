//! Nothing takes for ever.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use sansws_mio::{Connect, Proxy};

use crate::world::{Blackhole, PATIENCE, World, accept, listen, read_head, say, scripted};

const SHORT: Duration = Duration::from_millis(150);

#[test]
fn a_silent_address() {
    let hole = Blackhole::new("127.0.0.1:0");
    let mut world = World::new();
    let since = Instant::now();
    let fate = world.reach_with(&format!("ws://{}/", hole.address), |connect| connect.connect_timeout(SHORT));
    fate.assert_failed("not reached in time");
    assert!(since.elapsed() >= SHORT);
}

#[test]
fn a_silent_resolver() {
    let (_hold, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let mut world = World::resolving(move |_, _| {
        let _ = never.lock().expect("not poisoned").recv();
        vec![]
    });
    let fate = world.reach_with("ws://slow.test/", |connect| connect.connect_timeout(SHORT));
    fate.assert_failed("the server's name was not resolved: no answer in time");
    let proxy = Proxy::new("http://proxy.test").expect("a proxy");
    let fate = world.reach_with("ws://slow.test/", |connect| connect.connect_timeout(SHORT).proxy(proxy));
    fate.assert_failed("the proxy's name was not resolved: no answer in time");
}

#[test]
fn a_server_that_does_not_answer() {
    let (address, server) = scripted(|listener| {
        let mut stream = accept(listener);
        read_head(&mut stream);
        // A byte now and then is no answer.
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until && std::io::Write::write_all(&mut stream, b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Instant::now() < until, "the client did not give up");
    });
    let mut world = World::new();
    let since = Instant::now();
    let fate = world.reach_with(&format!("ws://{address}/"), |connect| connect.handshake_timeout(SHORT));
    fate.assert_failed("no opening handshake in time");
    assert!(since.elapsed() >= SHORT);
    server.join().expect("as scripted");
}

#[test]
fn the_wait_for_another_connection_does_not_count() {
    // Enough for all but the wait, even on a busy machine.
    const LIMIT: Duration = Duration::from_millis(1500);
    let server = || {
        scripted(|listener| {
            let mut first = accept(listener);
            read_head(&mut first);
            std::thread::sleep(LIMIT + SHORT);
            say(&mut first, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
            let mut second = accept(listener);
            read_head(&mut second);
            say(&mut second, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
        })
    };
    let ((address, server), (proxy, proxying)) = (server(), server());
    // By name, so that its time has begun before it waits.
    let mut world = World::resolving(move |_, _| vec![address]);
    let first = world.start(&format!("ws://{address}/"), |connect| connect);
    let second = world.start("ws://server.test/", |connect| connect.connect_timeout(LIMIT));
    let proxy = Proxy::new(&format!("http://{proxy}")).expect("a proxy");
    let [first_through, second_through] = [PATIENCE, LIMIT].map(|limit| {
        let set = |connect: Connect<_>| connect.proxy(proxy.clone()).connect_timeout(limit);
        world.start("ws://server.test/", set)
    });
    for busy in [first, first_through] {
        world.wait(busy).assert_failed("503");
    }
    for told in [second, second_through] {
        world.wait(told).assert_failed("418");
    }
    server.join().expect("as scripted");
    proxying.join().expect("as scripted");
}

#[test]
fn the_time_goes_on_after_the_wait_for_another_connection() {
    const LONG: Duration = Duration::from_millis(400);
    let hole = Blackhole::new("127.0.0.1:0");
    let url = format!("ws://{}/", hole.address);
    let mut world = World::new();
    let since = Instant::now();
    let first = world.start(&url, |connect| connect.connect_timeout(LONG));
    let second = world.start(&url, |connect| connect.connect_timeout(SHORT));
    world.wait(first).assert_failed("not reached in time");
    world.wait(second).assert_failed("not reached in time");
    assert!(since.elapsed() >= LONG + SHORT);
}

#[test]
fn what_the_resolver_took_is_gone_after_the_wait_for_another_connection() {
    const LIMIT: Duration = Duration::from_millis(1600);
    let hole = Blackhole::new("127.0.0.1:0");
    let address = hole.address;
    let mut world = World::resolving(move |_, _| {
        std::thread::sleep(LIMIT / 2);
        vec![address]
    });
    let first = world.start(&format!("ws://{address}/"), |connect| connect.connect_timeout(LIMIT));
    let second = world.start("ws://slow.test/", |connect| connect.connect_timeout(LIMIT));
    world.wait(first).assert_failed("not reached in time");
    let since = Instant::now();
    world.wait(second).assert_failed("not reached in time");
    // Half of it is left.
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
}

#[test]
fn a_name_that_claims_the_address_of_another_server_does_not_keep_it_from_being_dialled() {
    let mut listeners = [(); 2].map(|()| listen("127.0.0.1:0"));
    // Addresses that are taken in their order would be taken the victim's first.
    listeners.sort_by_key(|listener| listener.local_addr().expect("bound"));
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().expect("bound"));
    let [victim, claimant] = listeners;
    let [at_victim, at_claimant] = addresses;
    let mut world = World::new();
    world.event_loop.listen(victim).expect("a listener");
    let mut clients = World::resolving(move |host, _| match host {
        "claims.test" => vec![at_claimant, at_victim],
        _ => vec![at_victim],
    });
    let claims: Vec<u32> = (0..5)
        .map(|_| {
            clients.start("ws://claims.test/", |connect| connect.handshake_timeout(Duration::from_secs(60)))
        })
        .collect();
    // One has reached the claimant, which never answers. The others wait for it, but not for it alone.
    claimant.set_nonblocking(true).expect("non-blocking");
    let silent = loop {
        clients.event_loop.turn(Some(Duration::from_millis(10))).expect("a turn");
        if let Ok((stream, _)) = claimant.accept() {
            break stream;
        }
    };
    let good = clients.start("ws://good.test/", |connect| connect);
    let since = Instant::now();
    let has_ended = |clients: &World, number: u32| {
        clients.event_loop.handler().fates.get(&number).is_some_and(|fate| fate.cause.is_some())
    };
    while !(has_ended(&clients, good) && claims[1..].iter().all(|number| has_ended(&clients, *number))) {
        world.event_loop.turn(Some(Duration::from_millis(1))).expect("a turn");
        clients.event_loop.turn(Some(Duration::from_millis(1))).expect("a turn");
        assert!(since.elapsed() < PATIENCE, "it still waits for its place");
    }
    for number in claims[1..].iter().chain([&good]) {
        clients.wait(*number).assert_good();
    }
    assert!(!has_ended(&clients, claims[0]));
    drop(silent);
}
