//! Nothing takes for ever.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use sansws_mio::{Resolver, Settings};

use crate::world::{Blackhole, PATIENCE, World, accept, read_head, say, scripted};

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
    fate.assert_failed("not reached in time");
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
    let (address, server) = scripted(|listener| {
        let mut first = accept(listener);
        read_head(&mut first);
        std::thread::sleep(LIMIT + SHORT);
        say(&mut first, "HTTP/1.1 503 Busy\r\n\r\n");
        let mut second = accept(listener);
        read_head(&mut second);
        say(&mut second, "HTTP/1.1 418 Teapot\r\n\r\n");
    });
    // By name, so that its time has begun before it waits.
    let mut world = World::resolving(move |_, _| vec![address]);
    let first = world.start(&format!("ws://{address}/"), |connect| connect);
    let second = world.start("ws://server.test/", |connect| connect.connect_timeout(LIMIT));
    world.wait(first).assert_failed("503");
    world.wait(second).assert_failed("418");
    server.join().expect("as scripted");
}

#[test]
fn a_name_that_claims_the_address_of_another_server_does_not_keep_it_from_being_dialled() {
    let (tell, told) = mpsc::channel();
    let (claimant, server) = scripted(move |listener| {
        let mut stream = accept(listener);
        read_head(&mut stream);
        tell.send(()).expect("the test waits");
        // There is no answer, as long as the client waits for one.
        let _ = std::io::Read::read(&mut stream, &mut [0]);
    });
    let mut servers = vec![claimant];
    let mut world = World::new();
    servers.push(world.server);
    let resolve = move |host: &str, _| Ok(servers[usize::from(host == "good.test")..].to_vec());
    let settings = Settings { resolver: Resolver::new(resolve), ..Settings::default() };
    let mut clients = World::with(settings);
    clients.start("ws://claims.test/", |connect| connect.handshake_timeout(Duration::from_secs(60)));
    while told.try_recv().is_err() {
        clients.event_loop.turn(Some(Duration::from_millis(10))).expect("a turn");
    }
    let good = clients.start("ws://good.test/", |connect| connect);
    let since = Instant::now();
    let fate = loop {
        world.event_loop.turn(Some(Duration::from_millis(1))).expect("a turn");
        clients.event_loop.turn(Some(Duration::from_millis(1))).expect("a turn");
        let fate = clients.event_loop.handler().fates.get(&good);
        if let Some(fate) = fate.filter(|fate| fate.cause.is_some()) {
            break fate.clone();
        }
        assert!(since.elapsed() < PATIENCE, "it still waits for its place");
    };
    fate.assert_good();
    drop(clients);
    server.join().expect("as scripted");
}
