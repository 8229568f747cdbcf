//! Events by callback.

use super::*;

#[test]
fn callbacks_on_the_client_thread() {
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Text("hello".into()));
        peer.text("welcome").close(1000, "bye");
        peer.next();
        peer.fin();
    });
    let (tell, told) = channel();
    let socket = new(&script.url("/"));
    // However late they are bound, nothing is missed: it does not listen yet.
    for kind in [EventKind::Open, EventKind::Message, EventKind::Error, EventKind::Close] {
        let tell = tell.clone();
        socket.bind(kind, move |socket, event| {
            if event == Event::Open {
                socket.send("hello").expect("open");
            }
            assert_eq!(event.kind(), kind);
            tell.send((short(event), socket.ready_state())).expect("the test waits");
        });
    }
    drop(tell);
    socket.listen();
    let told: Vec<_> = std::iter::from_fn(|| told.recv_timeout(DEADLINE).ok()).collect();
    assert_eq!(
        told,
        [
            (E::Open, ReadyState::Open),
            (E::Text("welcome".into()), ReadyState::Open),
            close(1000, "bye", true),
        ]
    );
    script.end();
}

#[test]
fn callbacks_on_this_thread() {
    let script = serve(|peer| {
        peer.open().text("1").text("2").close(1000, "");
        peer.next();
        peer.fin();
    });
    let (tell, told) = channel();
    let socket = new(&script.url("/"));
    let here = std::thread::current().id();
    socket.bind(EventKind::Message, move |socket, event| {
        assert_eq!(std::thread::current().id(), here);
        tell.send(short(event)).expect("the test waits");
        let tell = tell.clone();
        // A callback may be replaced, by itself too.
        socket.bind(EventKind::Message, move |_, _| {
            tell.send(E::Text("replaced".into())).expect("the test waits");
        });
    });
    socket.run();
    assert_eq!(socket.ready_state(), ReadyState::Closed);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [E::Text("1".into()), E::Text("replaced".into())]);
    script.end();
}

#[test]
fn a_callback_that_panics_fails_its_own_connection_only() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let bystander = Bystander::open(&clients);
    let script = serve(|peer| {
        peer.open().text("boo");
        while peer.next() != Got::Eof {}
    });
    let (tell, told) = channel();
    let victim = clients
        .websocket(&script.url("/"))
        .bind(EventKind::Message, |_, _| panic!("as the test wants it"))
        .bind(EventKind::Close, move |_, event| tell.send(short(event)).expect("the test waits"))
        .open()
        .expect("a good URL");
    assert_eq!(told.recv_timeout(DEADLINE), Ok(E::Close(1006, String::new(), false)));
    assert_eq!(victim.failure_cause(), Some(FailureCause::CallbackPanicked));
    script.end();
    bystander.close();
    clients.shutdown(DEADLINE);
}

#[test]
fn a_callback_that_owns_its_socket_can_replace_itself() {
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        peer.text("replace yourself");
        // With the old callback went the last handle: the object was dropped, which closes.
        assert_eq!(peer.next(), Got::Close(None));
        peer.close_answer();
    });
    let clients = Clients::start(Settings::default()).expect("a thread");
    let socket = std::sync::Arc::new(clients.websocket(&script.url("/")).open().expect("a good URL"));
    let owner = std::sync::Arc::clone(&socket);
    socket.bind(EventKind::Message, move |socket, _| {
        let _owner = &owner;
        socket.bind(EventKind::Message, |_, _| {});
    });
    socket.listen();
    drop(socket);
    go.send(()).expect("the script waits");
    script.end();
    clients.shutdown(DEADLINE);
}

/// What a callback owns is dropped on the client thread, which has other sockets.
#[test]
fn callbacks_that_panic_as_they_are_dropped_end_nothing_else() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }
    let clients = Clients::start(Settings::default()).expect("a thread");
    let bystander = Bystander::open(&clients);
    let script = serve(|peer| peer.open().fin());
    let (tell, told) = channel();
    let (bombs, mut builder) = ([Bomb, Bomb], clients.websocket(&script.url("/")));
    for (kind, bomb) in [EventKind::Message, EventKind::Close].into_iter().zip(bombs) {
        let tell = tell.clone();
        builder = builder.bind(kind, move |_, event| {
            let _owned = &bomb;
            tell.send(short(event)).expect("the test waits");
        });
    }
    let victim = builder.open().expect("a good URL");
    assert_eq!(told.recv_timeout(DEADLINE), Ok(E::Close(1006, String::new(), false)));
    script.end();
    bystander.close();
    drop(victim);
    clients.shutdown(DEADLINE);
}

/// Another socket of the same client thread, which has to live through what happens to its neighbour.
struct Bystander {
    socket: WebSocket,
    script: scripted::Script,
}

impl Bystander {
    fn open(clients: &Clients) -> Self {
        let script = serve(|peer| {
            peer.open();
            assert_eq!(peer.next(), Got::Close(None));
            peer.close_answer();
        });
        let socket = clients.websocket(&script.url("/")).open().expect("a good URL");
        assert_eq!(next(&socket), E::Open);
        Self { socket, script }
    }

    fn close(self) {
        self.socket.close();
        assert_eq!(rest(&self.socket), [close(1005, "", true)]);
        self.script.end();
    }
}
