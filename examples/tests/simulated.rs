//! A simulated network on one thread: the same seed gives the same bytes for each connection, whatever the others send.

use std::cell::RefCell;
use std::mem::take;
use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sansws::handshake::client::{Connector, Offer};
use sansws::handshake::server::Acceptor;
use sansws::{Assembler, CloseCode, Config, Connection, MaskingKey, MaskingKeys, Message, State};

const SEEDS: u64 = 200;

/// A source of masking-keys, of one connection or of several.
#[derive(Clone)]
struct Seeded(Rc<RefCell<ChaCha20Rng>>);

impl Seeded {
    fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(ChaCha20Rng::seed_from_u64(seed))))
    }
}

impl MaskingKeys for Seeded {
    fn next_key(&mut self) -> Option<MaskingKey> {
        Some(self.0.borrow_mut().next_u32().to_ne_bytes())
    }
}

/// A client, a server that echoes, and the bytes between them.
struct Link {
    connector: Connector<Seeded>,
    client: Option<Connection<Seeded>>,
    acceptor: Acceptor,
    server: Option<Connection>,
    messages: [Assembler; 2],
    /// What the client sends next; it closes after the last one.
    script: Vec<String>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// All that the client sent, ever.
    sent: Vec<u8>,
}

impl Link {
    fn new(name: &str, messages: usize, mut keys: Seeded) -> Self {
        let nonce: Vec<u8> = (0..4).filter_map(|_| keys.next_key()).flatten().collect();
        let nonce: [u8; 16] = nonce.try_into().unwrap();
        let (offer, mut sent) = (Offer::new("server.example.com", "/"), Vec::new());
        Self {
            connector: Connector::with_masking_keys(&offer, &nonce, &Config::default(), keys, &mut sent)
                .unwrap(),
            client: None,
            acceptor: Acceptor::new(),
            server: None,
            messages: [Assembler::new(), Assembler::new()],
            script: (0..messages).rev().map(|i| name.repeat(i * 37 % 300)).collect(),
            to_server: sent.clone(),
            to_client: Vec::new(),
            sent,
        }
    }

    /// Delivers some of the bytes to one end.
    fn turn(&mut self, network: &mut ChaCha20Rng) {
        let to_server = network.next_u32() % 2 == 0;
        let from = if to_server { &mut self.to_server } else { &mut self.to_client };
        let len = (network.next_u32() % 400) as usize;
        let mut bytes: Vec<u8> = from.drain(..len.min(from.len())).collect();
        if to_server { self.at_server(&mut bytes) } else { self.at_client(&mut bytes) }
    }

    fn at_server(&mut self, mut input: &mut [u8]) {
        let out = &mut self.to_client;
        if self.server.is_none() {
            self.server = self.acceptor.receive(&mut input, &Config::default(), out).unwrap();
        }
        let Some(ws) = &mut self.server else { return };
        while let Some(message) = self.messages[0].receive(ws, &mut input) {
            ws.send(message, out).unwrap();
        }
        ws.poll_transmit(out).unwrap();
    }

    fn at_client(&mut self, mut input: &mut [u8]) {
        let mut out = Vec::new();
        if self.client.is_none() {
            self.client = self.connector.receive(&mut input).unwrap();
            if let Some(ws) = &mut self.client {
                ws.send("hello", &mut out).unwrap();
            }
        }
        if let Some(ws) = &mut self.client {
            while let Some(Message::Text(_)) = self.messages[1].receive(ws, &mut input) {
                match self.script.pop() {
                    Some(next) => ws.send(&next, &mut out).unwrap(),
                    None => ws.close(CloseCode::NORMAL, "", &mut out).unwrap(),
                }
            }
        }
        self.sent.extend_from_slice(&out);
        self.to_server.extend(take(&mut out));
    }

    fn is_done(&self) -> bool {
        self.client.as_ref().is_some_and(|ws| ws.state() == State::Closed)
    }

    /// The cable is cut: what is under way is lost.
    fn cut(&mut self) -> [Option<u16>; 2] {
        let client = self.client.as_mut().map(|ws| {
            ws.receive_eof();
            ws.close_code().get()
        });
        let server = self.server.as_mut().map(|ws| {
            ws.receive_eof();
            ws.close_code().get()
        });
        [client, server]
    }
}

/// Runs until all are done, in an order that the network's seed decides. Returns what each client sent.
fn run(mut links: Vec<Link>, seed: u64) -> Vec<Vec<u8>> {
    let mut network = ChaCha20Rng::seed_from_u64(seed);
    while !links.iter().all(Link::is_done) {
        let i = network.next_u32() as usize % links.len();
        links[i].turn(&mut network);
    }
    for link in &links {
        assert!(link.client.as_ref().unwrap().was_clean() && link.server.as_ref().unwrap().was_clean());
    }
    links.into_iter().map(|link| link.sent).collect()
}

#[test]
fn the_bytes_of_a_client_do_not_depend_on_what_another_sends() {
    for seed in 0..SEEDS {
        let a = || Link::new("a", 20, Seeded::new(seed));
        let b = |messages| Link::new("b", messages, Seeded::new(seed + SEEDS));
        let alone = run(vec![a()], seed);
        let beside = run(vec![a(), b(1)], seed + 1);
        let beside_more = run(vec![b(50), a()], seed + 2);
        assert!(alone[0] == beside[0] && alone[0] == beside_more[1], "seed {seed}");
        assert!(run(vec![b(50)], seed)[0] == beside_more[0], "seed {seed}");
    }
}

/// What the test above would find.
#[test]
fn a_source_that_two_clients_share_makes_them_depend_on_each_other() {
    let a_beside_b = |messages| {
        let shared = Seeded::new(1);
        run(vec![Link::new("a", 20, shared.clone()), Link::new("b", messages, shared)], 1).swap_remove(0)
    };
    assert!(a_beside_b(1) != a_beside_b(50));
}

/// RFC 6455 §7.1.5: without a Close frame, the code is 1006.
#[test]
fn a_cut_cable_is_1006_at_both_ends() {
    let mut seen = [0, 0];
    for seed in 0..SEEDS {
        let mut network = ChaCha20Rng::seed_from_u64(seed);
        let mut link = Link::new("a", 1000, Seeded::new(seed));
        for _ in 0..network.next_u32() % 200 {
            link.turn(&mut network);
        }
        for (count, code) in seen.iter_mut().zip(link.cut()) {
            assert!(code.is_none_or(|code| code == 1006), "seed {seed}: {code:?}");
            *count += u32::from(code.is_some());
        }
        let both =
            [link.client.as_ref().map(|ws| ws.was_clean()), link.server.as_ref().map(|ws| ws.was_clean())];
        assert!(both.iter().flatten().all(|clean| !clean), "seed {seed}");
    }
    assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
}
