//! One opening handshake per server at a time, RFC 6455 §4.1.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};

use crate::conn::peer_id::PeerId;

/// What a server is known by while connections to it are being set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Remote {
    /// §4.1: "to the remote host (IP address) identified by /host/ and port /port/ pair, even if
    /// the remote host is known by another name".
    Address(IpAddr, u16),
    /// §4.1: "If the client cannot determine the IP address of the remote host (for example,
    /// because all communication is being done through a proxy server that performs DNS queries
    /// itself), then the client MUST assume … that each host name refers to a distinct remote
    /// host".
    Name(Box<str>, u16),
}

impl Remote {
    pub(crate) fn address(address: &SocketAddr) -> Self {
        Self::Address(address.ip().to_canonical(), address.port())
    }

    pub(crate) fn name(host: &str, port: u16) -> Self {
        Self::Name(host.trim_end_matches('.').to_ascii_lowercase().into(), port)
    }
}

/// §4.1: "If multiple connections to the same IP address are attempted by the client
/// simultaneously, the client MUST serialize them so that there is no more than one connection at a
/// time" in the opening handshake. A server is here while one is; with it those that wait, in the
/// order in which they came.
#[derive(Default)]
pub(crate) struct Serializer {
    waiting: BTreeMap<Remote, BTreeMap<Ticket, PeerId>>,
    last_ticket: Ticket,
}

/// Tells those that wait apart; the earlier is the smaller.
type Ticket = u64;

impl Serializer {
    /// Whether `id` may connect now; otherwise it is among those that wait, with this ticket.
    fn enter(&mut self, remote: &Remote, id: PeerId) -> Result<(), Ticket> {
        match self.waiting.entry(remote.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(BTreeMap::new());
                Ok(())
            }
            Entry::Occupied(mut entry) => {
                self.last_ticket += 1;
                entry.get_mut().insert(self.last_ticket, id);
                Err(self.last_ticket)
            }
        }
    }

    /// One that was waiting no longer is.
    fn withdraw(&mut self, remote: &Remote, ticket: Ticket) {
        if let Some(waiting) = self.waiting.get_mut(remote) {
            waiting.remove(&ticket);
        }
    }

    /// One that was connecting no longer is. Returns who has its place now; if that one is gone,
    /// leave again.
    pub(crate) fn leave(&mut self, remote: &Remote) -> Option<PeerId> {
        let next = self.waiting.get_mut(remote)?.pop_first();
        if next.is_none() {
            self.waiting.remove(remote);
        }
        next.map(|(_, id)| id)
    }
}

/// The places of one connection: those it has, and those it waits for.
///
/// A place is taken when an attempt to connect begins, and given up when that has failed. So
/// whoever is waited for is connecting, for a limited time, and everybody's turn comes. A name can
/// claim the addresses of any servers: were the places of all of them taken before the first
/// attempt, those who wait for a silent one would keep the others from their servers.
#[derive(Debug, Default)]
pub(crate) struct Places {
    held: Vec<Remote>,
    awaited: Vec<(Remote, Ticket)>,
}

impl Places {
    /// Whether this place is held, or can be taken now; otherwise `id` waits for it.
    pub(crate) fn enter(&mut self, serializer: &mut Serializer, remote: Remote, id: PeerId) -> bool {
        if self.held.contains(&remote) {
            return true;
        }
        if self.awaited.iter().any(|(awaited, _)| *awaited == remote) {
            return false;
        }
        match serializer.enter(&remote, id) {
            Ok(()) => {
                self.held.push(remote);
                true
            }
            Err(ticket) => {
                self.awaited.push((remote, ticket));
                false
            }
        }
    }

    /// A place that was waited for has come.
    pub(crate) fn granted(&mut self, remote: &Remote) {
        self.awaited.retain(|(awaited, _)| awaited != remote);
        self.held.push(remote.clone());
    }

    /// Withdraws from all places that have not come.
    pub(crate) fn stop_waiting(&mut self, serializer: &mut Serializer) {
        for (remote, ticket) in self.awaited.drain(..) {
            serializer.withdraw(&remote, ticket);
        }
    }

    /// The held places that are such, to be given back.
    pub(crate) fn give_up(&mut self, which: impl Fn(&Remote) -> bool) -> Vec<Remote> {
        let (given_up, held) = std::mem::take(&mut self.held).into_iter().partition(which);
        self.held = held;
        given_up
    }

    /// The places to give back.
    pub(crate) fn into_held(self) -> Vec<Remote> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::eyeballs::{Eyeballs, interleave};
    use proptest::prelude::*;
    use std::time::Duration;

    fn id(index: u32) -> PeerId {
        PeerId { generation: index, index, worker: 0 }
    }

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, number], 80))
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written_and_a_name_too() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        let plain: SocketAddr = "192.0.2.1:80".parse().expect("an address");
        assert_eq!(Remote::address(&mapped), Remote::address(&plain));
        assert_eq!(Remote::name("Example.COM.", 1), Remote::name("example.com", 1));
        assert_ne!(Remote::name("example.com", 1), Remote::name("example.com", 2));
    }

    #[test]
    fn waiting_for_one_address_keeps_no_other_from_anybody() {
        let (silent, server) = (1, 2);
        let mut model = Model::default();
        let first = model.dial(&[silent, server]);
        model.reach(first, 0);
        let claims = [(); 3].map(|()| model.dial(&[server, silent]));
        let honest = [(); 2].map(|()| model.dial(&[server]));
        model.pass(1000);
        // They come to the server in their order, and wait for nobody else.
        for dial in claims.into_iter().chain(honest) {
            assert_eq!(model.dials[dial].connecting, [address(server)]);
            model.reach(dial, 0);
            model.end(dial);
        }
        // Those that only wait for the silent one have no place.
        let late = [(); 2].map(|()| model.dial(&[silent]));
        model.end(late[0]);
        model.end(first);
        assert_eq!(model.dials[late[1]].connecting, [address(silent)]);
    }

    proptest! {
        /// Whatever addresses names have and whatever becomes of attempts: there is one connection
        /// at a time to each address, nobody has a place without connecting to it, and everybody's
        /// turn comes, in the order in which they came.
        /// Rule R-4.1-a.
        #[test]
        fn all_come_through_one_at_a_time(
            steps in prop::collection::vec((0..6_u8, any::<usize>(), prop::collection::vec(0..5_u8, 0..5)), 1..60),
        ) {
            let mut model = Model::default();
            for (what, which, addresses) in steps {
                // One of all attempts under way.
                let attempts: Vec<_> = (0..model.dials.len())
                    .flat_map(|dial| (0..model.dials[dial].connecting.len()).map(move |at| (dial, at))).collect();
                let attempt = attempts.get(which % attempts.len().max(1)).copied();
                match (what, attempt) {
                    (0, Some((dial, at))) => model.reach(dial, at),
                    (1, Some((dial, at))) => model.fail(dial, at),
                    // Anybody may give up, who waits too.
                    (2, _) if !model.dials.is_empty() => model.end(which % model.dials.len()),
                    (3, _) => model.pass(which as u64 % 400),
                    _ => { model.dial(&addresses); }
                }
                model.check();
            }
            // In each round everybody who is connecting gets on by one attempt.
            let mut rounds = 0;
            while model.dials.iter().any(|dial| !dial.is_over) {
                for dial in 0..model.dials.len() {
                    match model.dials[dial].connecting.len() {
                        0 => {}
                        _ if model.dials[dial].has_reached => model.end(dial),
                        _ if dial % 2 == 0 => model.fail(dial, 0),
                        last => model.reach(dial, last - 1),
                    }
                }
                model.check();
                model.pass(250);
                rounds += 1;
                prop_assert!(rounds <= 10 * model.dials.len(), "somebody's turn does not come");
            }
            prop_assert!(model.serializer.waiting.is_empty());
        }
    }

    /// Connections as they are dialled, with sockets that do as they are told.
    #[derive(Default)]
    struct Model {
        serializer: Serializer,
        dials: Vec<Dial>,
        now: Duration,
        /// Who waits for what, in the order in which they began to.
        asked: Vec<(Remote, usize)>,
    }

    struct Dial {
        eyeballs: Eyeballs,
        places: Places,
        /// Attempts under way; the one that was reached, alone.
        connecting: Vec<SocketAddr>,
        has_reached: bool,
        is_over: bool,
    }

    impl Model {
        fn dial(&mut self, addresses: &[u8]) -> usize {
            let addresses: Vec<_> = addresses.iter().copied().map(address).collect();
            self.dials.push(Dial {
                eyeballs: Eyeballs::new(&interleave(&addresses)),
                places: Places::default(),
                connecting: Vec::new(),
                has_reached: false,
                is_over: false,
            });
            let index = self.dials.len() - 1;
            self.race(index);
            index
        }

        /// As the driver does it.
        fn race(&mut self, index: usize) {
            let Dial { eyeballs, places, connecting, has_reached, is_over } = &mut self.dials[index];
            if *has_reached || *is_over {
                return;
            }
            let mut may_start = |address: &SocketAddr| {
                let remote = Remote::address(address);
                let entered = places.enter(&mut self.serializer, remote.clone(), id(index as u32));
                if !entered && !self.asked.contains(&(remote.clone(), index)) {
                    self.asked.push((remote, index));
                }
                entered
            };
            while let Some(address) = eyeballs.next(self.now, &mut may_start) {
                connecting.push(address);
            }
            if eyeballs.is_lost() {
                return self.end(index);
            }
            let given_up = places
                .give_up(|remote| !connecting.iter().any(|address| Remote::address(address) == *remote));
            self.give_up(given_up);
        }

        fn reach(&mut self, index: usize, at: usize) {
            let dial = &mut self.dials[index];
            let reached = dial.connecting.swap_remove(at);
            (dial.connecting, dial.has_reached) = (vec![reached], true);
            let given_up = dial.places.give_up(|remote| *remote != Remote::address(&reached));
            self.stop_waiting(index);
            self.give_up(given_up);
        }

        fn fail(&mut self, index: usize, at: usize) {
            let dial = &mut self.dials[index];
            if dial.has_reached {
                return self.end(index);
            }
            dial.connecting.remove(at);
            dial.eyeballs.failed();
            self.race(index);
        }

        fn end(&mut self, index: usize) {
            self.stop_waiting(index);
            let dial = &mut self.dials[index];
            dial.is_over = true;
            dial.connecting.clear();
            let given_up = std::mem::take(&mut dial.places).into_held();
            self.give_up(given_up);
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
            for index in 0..self.dials.len() {
                self.race(index);
            }
        }

        fn stop_waiting(&mut self, index: usize) {
            self.dials[index].places.stop_waiting(&mut self.serializer);
            self.asked.retain(|(_, waiting)| *waiting != index);
        }

        fn give_up(&mut self, remotes: Vec<Remote>) {
            for remote in remotes {
                let first = self.asked.iter().position(|(asked, _)| *asked == remote);
                let next = self.serializer.leave(&remote).map(|id| id.index as usize);
                assert_eq!(next, first.map(|at| self.asked.remove(at).1), "who waits longest is next");
                if let Some(next) = next {
                    self.dials[next].places.granted(&remote);
                    self.race(next);
                }
            }
        }

        fn check(&self) {
            let mut held = Vec::new();
            for dial in &self.dials {
                let mut own = dial.places.held.clone();
                held.extend(own.iter().cloned());
                own.sort();
                let mut connecting: Vec<_> = dial.connecting.iter().map(Remote::address).collect();
                connecting.sort();
                assert_eq!(own, connecting, "a place for each that it connects to, and no other");
            }
            held.sort();
            let mut known: Vec<_> = self.serializer.waiting.keys().cloned().collect();
            known.sort();
            assert_eq!(held, known, "each place once, and none that nobody has");
            let waiting: usize = self.serializer.waiting.values().map(BTreeMap::len).sum();
            assert_eq!(waiting, self.asked.len(), "nobody is waited for who has gone");
        }
    }
}
