//! One opening handshake per server at a time, RFC 6455 §4.1.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::peer::PeerId;

/// What a server is known by while connections to it are being set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Remote {
    /// §4.1: "to the remote host (IP address) identified by /host/ and port /port/ pair, even if the remote host is known by another name".
    Address(IpAddr, u16),
    /// §4.1: "If the client cannot determine the IP address of the remote host (for example, because all communication is being done
    /// through a proxy server that performs DNS queries itself), then the client MUST assume … that each host name refers to a distinct
    /// remote host".
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

/// §4.1: "If multiple connections to the same IP address are attempted by the client simultaneously, the client MUST serialize them so
/// that there is no more than one connection at a time" in the opening handshake. A server is here while one is; with it those that wait.
#[derive(Default)]
pub(crate) struct Serializer {
    waiting: HashMap<Remote, VecDeque<PeerId>>,
}

impl Serializer {
    /// Whether `id` may connect now; otherwise it is among those that wait.
    fn enter(&mut self, remote: &Remote, id: PeerId) -> bool {
        match self.waiting.entry(remote.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(VecDeque::new());
                true
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().push_back(id);
                false
            }
        }
    }

    /// One that was connecting no longer is. Returns who has its place now; if that one is gone, leave again.
    pub(crate) fn leave(&mut self, remote: &Remote) -> Option<PeerId> {
        let next = self.waiting.get_mut(remote)?.pop_front();
        if next.is_none() {
            self.waiting.remove(remote);
        }
        next
    }
}

/// The places that one connection needs before it may connect: one for each address that it may connect to.
///
/// They are taken in one order by all connections, so that no two wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Places {
    needed: Vec<Remote>,
    held: usize,
}

impl Places {
    pub(crate) fn new(mut needed: Vec<Remote>) -> Self {
        needed.sort_unstable();
        needed.dedup();
        Self { needed, held: 0 }
    }

    /// Takes places, until all are held (`true`) or one is another's: then `id` waits for it.
    pub(crate) fn enter(&mut self, serializer: &mut Serializer, id: PeerId) -> bool {
        while let Some(remote) = self.needed.get(self.held) {
            if !serializer.enter(remote, id) {
                return false;
            }
            self.held += 1;
        }
        true
    }

    /// The place that was waited for has come.
    pub(crate) fn granted(&mut self) {
        self.held = (self.held + 1).min(self.needed.len());
    }

    /// Keeps this place alone, if it is held. Returns the others, which are to be given back.
    pub(crate) fn keep_only(&mut self, kept: &Remote) -> Vec<Remote> {
        let held = std::mem::take(self).into_held();
        let (needed, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|remote| remote == kept);
        *self = Self { held: needed.len(), needed };
        others
    }

    /// The places to give back. One that is still waited for is not among them: its turn comes and finds nobody.
    pub(crate) fn into_held(mut self) -> Vec<Remote> {
        self.needed.truncate(self.held);
        self.needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(index: u32) -> PeerId {
        PeerId { generation: index, index, worker: 0 }
    }

    fn remote(number: u8) -> Remote {
        Remote::Address(IpAddr::from([192, 0, 2, number]), 80)
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written_and_a_name_too() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        let plain: SocketAddr = "192.0.2.1:80".parse().expect("an address");
        assert_eq!(Remote::address(&mapped), Remote::address(&plain));
        assert_eq!(Remote::name("Example.COM.", 1), Remote::name("example.com", 1));
        assert_ne!(Remote::name("example.com", 1), Remote::name("example.com", 2));
    }

    proptest! {
        /// However their places overlap: no place is held twice, and all come through.
        /// Rule R-4.1-a.
        #[test]
        fn all_come_through_one_at_a_time(wanted in prop::collection::vec(prop::collection::vec(0..5_u8, 0..5), 1..12)) {
            let mut serializer = Serializer::default();
            let mut places: Vec<Option<Places>> = Vec::new();
            let mut running = VecDeque::new();
            for (index, wanted) in wanted.iter().enumerate() {
                let mut own = Places::new(wanted.iter().copied().map(remote).collect());
                if own.enter(&mut serializer, id(index as u32)) {
                    running.push_back(index);
                }
                places.push(Some(own));
            }
            let mut done = 0;
            while let Some(index) = running.pop_front() {
                let busy: Vec<_> = running.iter().copied().chain([index])
                    .flat_map(|index| places[index].as_ref().map(|own| own.needed.clone()).unwrap_or_default()).collect();
                let mut once = busy.clone();
                once.sort();
                once.dedup();
                prop_assert_eq!(once.len(), busy.len(), "a place is held twice");
                for remote in places[index].take().expect("runs once").into_held() {
                    if let Some(next) = serializer.leave(&remote) {
                        let own = places[next.index as usize].as_mut().expect("waits");
                        own.granted();
                        if own.enter(&mut serializer, next) {
                            running.push_back(next.index as usize);
                        }
                    }
                }
                done += 1;
            }
            prop_assert_eq!(done, wanted.len());
            prop_assert!(serializer.waiting.is_empty());
        }
    }
}
