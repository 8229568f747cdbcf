//! Nothing takes for ever.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::world::{Blackhole, World, accept, read_head, say, scripted};

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
    let (address, server) = scripted(|listener| {
        let mut first = accept(listener);
        read_head(&mut first);
        std::thread::sleep(2 * SHORT);
        say(&mut first, "HTTP/1.1 503 Busy\r\n\r\n");
        let mut second = accept(listener);
        read_head(&mut second);
        say(&mut second, "HTTP/1.1 418 Teapot\r\n\r\n");
    });
    // By name, so that its time has begun before it waits.
    let mut world = World::resolving(move |_, _| vec![address]);
    let first = world.start(&format!("ws://{address}/"), |connect| connect);
    let second = world.start("ws://server.test/", |connect| connect.connect_timeout(SHORT));
    world.wait(first).assert_failed("503");
    world.wait(second).assert_failed("418");
    server.join().expect("as scripted");
}
