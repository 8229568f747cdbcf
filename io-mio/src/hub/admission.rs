//! The limits on how many connections there are, over all loops.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::conn::peer_addr::PeerAddr;

/// Connections over the limit that are being told so; more are dropped without a word.
const MAX_REFUSALS: usize = 64;

/// How many connections the loops of a server have accepted, together and by address.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    accepted: AtomicUsize,
    /// Only kept if they are limited.
    by_address: Mutex<BTreeMap<IpAddr, Weak<Group>>>,
}

/// Where the connections of one loop come in.
#[derive(Debug)]
pub(crate) struct Entrance {
    admission: Arc<Admission>,
    /// Of those that do not count by their address.
    admitted: Arc<Group>,
    refused: Arc<Group>,
}

/// Connections that are counted together: as many as hold this.
#[derive(Debug)]
struct Group {
    /// `None` if they are not admitted.
    admission: Option<Arc<Admission>>,
    address: Option<IpAddr>,
}

/// What a connection takes of what is limited: given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Group>);

impl Entrance {
    pub(crate) fn new(admission: &Arc<Admission>) -> Self {
        let group = |admission| Arc::new(Group { admission, address: None });
        Self {
            admission: Arc::clone(admission),
            admitted: group(Some(Arc::clone(admission))),
            refused: group(None),
        }
    }

    /// Counts an accepted connection, unless there are `max` of them.
    pub(crate) fn admit(&self, max: usize) -> Option<Place> {
        let has_room = self.admission.accepted.fetch_add(1, Ordering::Relaxed) < max;
        // From here on it is given back by `Drop`.
        let place = Place(Arc::clone(&self.admitted));
        has_room.then_some(place)
    }

    /// Counts it for its address too, once, unless there are `max` of that.
    pub(crate) fn count_address(&self, place: &mut Place, remote: PeerAddr, max: Option<usize>) -> bool {
        let (Some(max), Some(ip), None) = (max, remote.ip(), place.0.address) else { return true };
        let group = self.enter_address(address_group(ip), max);
        let has_room = group.is_some();
        if let Some(group) = group {
            place.0 = group;
        }
        has_room
    }

    fn enter_address(&self, address: IpAddr, max: usize) -> Option<Arc<Group>> {
        let mut by_address = self.admission.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = by_address.get(&address).and_then(Weak::upgrade) {
            // This connection counts already.
            let has_room = Arc::strong_count(&group) <= max;
            // What is dropped here may be the last, and want the lock.
            drop(by_address);
            return has_room.then_some(group);
        }
        if max == 0 {
            return None;
        }
        let admission = Some(Arc::clone(&self.admission));
        let group = Arc::new(Group { admission, address: Some(address) });
        by_address.insert(address, Arc::downgrade(&group));
        Some(group)
    }

    /// A place to be told that there is none, unless too many are being told so.
    pub(crate) fn refuse(&self) -> Option<Place> {
        (Arc::strong_count(&self.refused) <= MAX_REFUSALS).then(|| Place(Arc::clone(&self.refused)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let (Some(admission), Some(address)) = (&self.admission, self.address) else { return };
        let mut by_address = admission.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        // Another connection may have come meanwhile.
        if by_address.get(&address).is_some_and(|group| group.strong_count() == 0) {
            by_address.remove(&address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(admission) = &self.0.admission {
            admission.accepted.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
impl Admission {
    fn counted(&self) -> (usize, usize) {
        (self.accepted.load(Ordering::Relaxed), self.by_address.lock().expect("not poisoned").len())
    }
}

/// One subscriber line usually has a whole IPv6 /64.
fn address_group(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> PeerAddr {
        PeerAddr::Tcp((ip.parse::<IpAddr>().expect("an address"), 1).into())
    }

    fn admit(entrance: &Entrance, ip: &str, max: usize, max_per_address: Option<usize>) -> Option<Place> {
        let mut place = entrance.admit(max)?;
        entrance.count_address(&mut place, peer(ip), max_per_address).then_some(place)
    }

    #[test]
    fn addresses_are_counted_by_ipv4_address_and_ipv6_prefix() {
        let admission = Arc::new(Admission::default());
        // The loops of a server count together.
        let loops = [Entrance::new(&admission), Entrance::new(&admission)];
        let admit = |ip: &str| admit(&loops[ip.len() % 2], ip, 10, Some(1));
        let first = admit("192.0.2.1").expect("the first");
        assert!(admit("::ffff:192.0.2.1").is_none());
        let others = [admit("192.0.2.2"), admit("2001:db8::1"), admit("2001:db8:0:1::1")];
        assert!(others.iter().all(Option::is_some));
        assert!(admit("2001:db8::2").is_none());
        assert_eq!(admission.counted(), (4, 4));
        drop(first);
        let again = admit("192.0.2.1");
        assert!(again.is_some());
        drop((again, others));
        assert_eq!(admission.counted(), (0, 0), "nothing is kept of those who have left");
    }

    #[test]
    fn whoever_is_not_admitted_takes_no_place() {
        let admission = Arc::new(Admission::default());
        let entrance = Entrance::new(&admission);
        let mut unix = entrance.admit(1).expect("it is the first");
        assert!(entrance.count_address(&mut unix, PeerAddr::Unix, Some(0)), "it has no address");
        assert!(entrance.admit(1).is_none());
        assert!(admit(&entrance, "192.0.2.1", 2, Some(0)).is_none());
        assert_eq!(admission.counted(), (1, 0));
        drop(unix);
        assert!(entrance.admit(1).is_some());
    }

    #[test]
    fn a_connection_counts_once_for_an_address() {
        let admission = Arc::new(Admission::default());
        let entrance = Entrance::new(&admission);
        let mut place = admit(&entrance, "192.0.2.1", 10, Some(1)).expect("the first");
        assert!(entrance.count_address(&mut place, peer("192.0.2.1"), Some(1)), "it has its place");
        assert_eq!(admission.counted(), (1, 1));
    }

    #[test]
    fn only_some_are_told_that_there_is_no_place() {
        let entrance = Entrance::new(&Arc::default());
        let mut places: Vec<_> = (0..MAX_REFUSALS).map(|_| entrance.refuse()).collect();
        assert!(places.iter().all(Option::is_some) && entrance.refuse().is_none());
        places.pop();
        assert!(entrance.refuse().is_some());
    }
}
