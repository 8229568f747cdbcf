//! Topics, handles from other threads, and several workers.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::collections::HashSet;

use sansws_mio::{CommandError, Server, Settings, TopicLimits};
use support::{Called, Client, Got, TestServer};

fn subscriber(server: &TestServer, topic: &str) -> Client {
    let mut client = server.connect("/commands");
    client.send(&*format!("subscribe {topic}"));
    client.expect_text("Ok(())");
    client
}

#[test]
fn published_messages_reach_the_subscribers_and_nobody_else() {
    let server = TestServer::start();
    let (mut a, mut b, mut c) =
        (subscriber(&server, "news"), subscriber(&server, "news"), subscriber(&server, "other"));
    a.send("publish news for all");
    a.expect_text("for all");
    b.expect_text("for all");
    a.send("others news not for me");
    b.expect_text("not for me");
    b.send("unsubscribe news");
    b.expect_text("true");
    b.send("unsubscribe news");
    b.expect_text("false");
    a.send("publish news without b");
    a.expect_text("without b");
    for client in [&mut a, &mut b, &mut c] {
        client.send("publish nobody listens");
        client.send("the end");
        client.expect_text("the end");
    }
    // Not a subscriber itself.
    b.send("publish other from outside");
    c.expect_text("from outside");
}

#[test]
fn long_messages_are_shared_and_short_ones_copied() {
    let server = TestServer::start();
    let (mut a, mut b) = (subscriber(&server, "news"), subscriber(&server, "news"));
    for len in [0, 1, 100, 125, 126, 300, 70_000] {
        let text = "é".repeat(len);
        a.send(&*format!("publish news {text}"));
        a.expect_text(&text);
        b.expect_text(&text);
    }
}

#[test]
fn what_is_published_and_what_is_sent_keep_their_order() {
    let server = TestServer::start();
    let mut a = subscriber(&server, "news");
    let mut b = subscriber(&server, "news");
    a.send("mixed news");
    for i in 0..100 {
        a.expect_text(&format!("published {i}"));
        a.expect_text(&format!("sent {i}"));
        b.expect_text(&format!("published {i}"));
    }
}

#[test]
fn nothing_comes_between_fragments() {
    let server = TestServer::start();
    let mut a = subscriber(&server, "news");
    a.send("fragments news");
    a.expect_text("one two");
    a.expect_text("published");
    a.expect_text("after");
}

#[test]
fn limits() {
    let topics = TopicLimits { max_per_connection: 2, max_name_len: 5, ..TopicLimits::default() };
    let server = TestServer::with(Settings { topics, ..Settings::default() });
    let mut client = server.connect("/commands");
    for (topic, answer) in [
        ("first", "Ok(())"),
        ("sixsix", "Err(NameTooLong)"),
        ("two", "Ok(())"),
        ("three", "Err(TooMany)"),
        ("two", "Ok(())"),
    ] {
        client.send(&*format!("subscribe {topic}"));
        client.expect_text(answer);
    }
}

#[test]
fn a_handle_reaches_the_loop_from_another_thread() {
    let server = TestServer::start();
    let mut a = server.connect("/commands");
    let id = server.wait_for_open();
    a.send("subscribe news");
    a.expect_text("Ok(())");
    let handle = server.handle.clone();
    let thread = std::thread::spawn(move || {
        for i in 0..1000 {
            handle.publish("news", &*format!("{i}")).expect("room");
        }
        handle.send(id, &[1, 2, 3][..]).expect("room");
        assert_eq!(handle.close(id, 1005.into(), ""), Err(CommandError::InvalidCloseCode));
        assert_eq!(handle.close(id, 1000.into(), &"x".repeat(124)), Err(CommandError::ReasonTooLong));
        handle.close(id, 1000.into(), "by handle").expect("room");
        // Nobody any more.
        handle.send(id, "late").expect("room");
    });
    for i in 0..1000 {
        a.expect_text(&format!("{i}"));
    }
    assert_eq!(a.next(), Got::Binary(vec![1, 2, 3]));
    assert_eq!(a.next(), Got::Close(Some((1000, "by handle".into()))));
    assert_eq!(a.next(), Got::Eof);
    thread.join().expect("no panic");
}

#[test]
fn commands_in_great_number_are_all_carried_out() {
    let server = TestServer::start();
    let mut client = server.connect("/commands");
    let id = server.wait_for_open();
    let handles: Vec<_> = (0..2).map(|_| server.handle.clone()).collect();
    let threads = handles.into_iter().map(|handle| {
        std::thread::spawn(move || {
            for i in 0..100_000 {
                while let Err(error) = handle.publish("nobody", "x") {
                    assert_eq!(error, CommandError::Full);
                    std::thread::yield_now();
                }
                if i % 1000 == 0 {
                    while handle.send(id, &*i.to_string()).is_err() {
                        std::thread::yield_now();
                    }
                }
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("no panic");
    }
    for _ in 0..200 {
        assert!(matches!(client.next(), Got::Text(_)));
    }
}

#[test]
fn wakes_come_through() {
    let server = TestServer::start();
    // The first is that of the start.
    server.wait_for(|called| *called == Called::Wake);
    server.handle.wake();
    server.wait_for(|called| *called == Called::Wake);
}

#[test]
fn workers_share_a_port_and_all_topics() {
    let server = TestServer::workers(2, Settings::default());
    // The kernel spreads them: with this many none of the two is left out, but for one time in 10¹².
    let mut clients: Vec<Client> = (0..40).map(|_| subscriber(&server, "news")).collect();
    let ids: Vec<String> = (0..40).map(|_| server.wait_for_open().to_string()).collect();
    let workers: HashSet<&str> = ids.iter().filter_map(|id| id.split('.').next()).collect();
    assert_eq!(workers, HashSet::from(["0", "1"]));

    clients[0].send("publish news from a client");
    for client in &mut clients {
        client.expect_text("from a client");
    }
    clients[1].send("others news from another");
    for (i, client) in clients.iter_mut().enumerate() {
        if i != 1 {
            client.expect_text("from another");
        }
    }
    server.handle.publish("news", "from outside").expect("room");
    for client in &mut clients {
        client.expect_text("from outside");
    }
    let wakes = server.stop().into_iter().filter(|called| *called == Called::Wake).count();
    assert!(wakes <= 2);
    for client in &mut clients {
        assert_eq!(client.next(), Got::Close(Some((1001, String::new()))));
    }
}

#[test]
fn a_handler_that_panics_ends_all_workers() {
    struct Fragile;
    impl sansws_mio::Handler for Fragile {
        type Session = ();
    }
    let server = Server::bind("127.0.0.1:0").expect("a free port");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        server.run_workers(2, |worker| {
            assert_eq!(worker, 0, "on purpose");
            Fragile
        })
    }));
    assert!(ended.is_err());
}
