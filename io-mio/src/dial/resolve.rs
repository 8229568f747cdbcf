//! Host names to addresses, off the event loop.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{io, thread};

use crate::conn::peer_id::PeerId;
use crate::hub::inbox::Inbox;
use crate::settings::resolver::{Resolved, Resolver};

/// Kept by those who wait for an answer, as long as they do. A name is not resolved for those who have dropped it.
pub(crate) type Interest = Arc<()>;

/// Has a name resolved. The answer goes to `inbox`, for `peer`; `None`: too many wait already, and there will be none.
#[must_use]
pub(crate) fn resolve(
    resolver: &Resolver,
    host: &str,
    port: u16,
    peer: PeerId,
    inbox: &Arc<Inbox>,
) -> Option<Interest> {
    let interest = Interest::default();
    let asker = Asker { peer, inbox: Arc::clone(inbox), interest: Arc::downgrade(&interest) };
    POOL.get_or_init(Pool::default).ask(resolver, host, port, asker).then_some(interest)
}

static POOL: std::sync::OnceLock<Pool> = std::sync::OnceLock::new();

const MAX_THREADS: usize = 8;

/// Threads more, in place of those whose name nobody waits for any more: no call of a resolver can be ended from outside.
const MAX_STUCK: usize = 24;

/// Names that wait for a thread.
const MAX_NAMES: usize = 1024;

/// Connections that wait for one name.
const MAX_ASKERS: usize = 65_536;

/// A thread without work ends after this time.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Pool {
    state: Mutex<PoolState>,
    work: Condvar,
}

#[derive(Default)]
struct PoolState {
    waiting: VecDeque<Name>,
    /// Names that are being resolved, each on a thread.
    running: Vec<Name>,
    /// All names that wait or are being resolved.
    askers: HashMap<Name, Vec<Asker>>,
    threads: usize,
    idle: usize,
}

/// A name as one resolver is asked for it.
#[derive(Clone)]
struct Name {
    resolver: Resolver,
    host: Box<str>,
    port: u16,
}

impl Name {
    fn key(&self) -> (usize, &str, u16) {
        (Arc::as_ptr(&self.resolver.resolve).cast::<()>() as usize, &self.host, self.port)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

struct Asker {
    peer: PeerId,
    inbox: Arc<Inbox>,
    interest: Weak<()>,
}

impl Asker {
    fn waits(&self) -> bool {
        self.interest.strong_count() > 0
    }
}

impl PoolState {
    /// The next name that somebody waits for.
    fn next(&mut self) -> Option<Name> {
        loop {
            let name = self.waiting.pop_front()?;
            if is_awaited(&self.askers, &name) {
                return Some(name);
            }
            self.askers.remove(&name);
        }
    }

    /// Strikes out the waiting names that nobody waits for any more.
    fn strike_out(&mut self) {
        let Self { waiting, askers, .. } = self;
        waiting.retain(|name| {
            let is_awaited = is_awaited(askers, name);
            if !is_awaited {
                askers.remove(name);
            }
            is_awaited
        });
    }

    /// How many threads there may be now.
    fn max_threads(&self) -> usize {
        let stuck = self.running.iter().filter(|name| !is_awaited(&self.askers, name)).count();
        MAX_THREADS + stuck.min(MAX_STUCK)
    }
}

fn is_awaited(askers: &HashMap<Name, Vec<Asker>>, name: &Name) -> bool {
    askers.get(name).is_some_and(|askers| askers.iter().any(Asker::waits))
}

impl Pool {
    fn ask(&'static self, resolver: &Resolver, host: &str, port: u16, asker: Asker) -> bool {
        let name = Name { resolver: resolver.clone(), host: host.into(), port };
        let mut state = self.lock();
        if let Some(askers) = state.askers.get_mut(&name) {
            if askers.len() >= MAX_ASKERS {
                askers.retain(Asker::waits);
            }
            let has_room = askers.len() < MAX_ASKERS;
            if has_room {
                askers.push(asker);
            }
            // It may wait for threads that nobody else waits for any more.
            self.start_thread_if_needed(&mut state);
            return has_room;
        }
        if state.waiting.len() >= MAX_NAMES {
            state.strike_out();
        }
        if state.waiting.len() >= MAX_NAMES {
            return false;
        }
        state.waiting.push_back(name.clone());
        state.askers.insert(name.clone(), vec![asker]);
        self.start_thread_if_needed(&mut state);
        if state.threads == 0 {
            state.waiting.pop_back();
            state.askers.remove(&name);
            return false;
        }
        self.work.notify_one();
        true
    }

    fn start_thread_if_needed(&'static self, state: &mut PoolState) {
        if state.idle >= state.waiting.len() || state.threads >= state.max_threads() {
            return;
        }
        match thread::Builder::new().name("sansws-resolver".into()).spawn(|| self.run()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => log::error!("no thread to resolve names: {error}"),
            Err(_) => {}
        }
    }

    /// The life of one thread.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some(name) = state.next() else {
                state.idle += 1;
                let (woken, waited) =
                    self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle -= 1;
                if waited.timed_out() && state.waiting.is_empty() {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            state.running.push(name.clone());
            drop(state);
            let answer = call(&name);
            state = self.lock();
            state.running.retain(|running| *running != name);
            let askers = state.askers.remove(&name).unwrap_or_default();
            drop(state);
            for asker in askers {
                asker.inbox.resolved(asker.peer, share(&answer));
            }
            state = self.lock();
            if state.threads > state.max_threads() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the resolver, which is the application's and may panic: the thread and those who wait must not be lost with it.
fn call(name: &Name) -> Resolved {
    let answer = catch_unwind(AssertUnwindSafe(|| (name.resolver.resolve)(&name.host, name.port)));
    let addresses = answer.unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")))?;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
    }
    Ok(addresses.into())
}

/// The same answer once more; errors cannot be cloned.
fn share(answer: &Resolved) -> Resolved {
    match answer {
        Ok(addresses) => Ok(Arc::clone(addresses)),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Hub;
    use crate::hub::inbox::InboxLimits;
    use crate::settings::Settings;
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Instant;

    /// No test waits longer for anything.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A pool whose resolver says which name it was called with, and then has no answer until it is let go on.
    struct Test {
        pool: &'static Pool,
        resolver: Resolver,
        inbox: Arc<Inbox>,
        called: Receiver<String>,
        go_on: Sender<()>,
    }

    impl Test {
        fn new() -> Self {
            let (tell, called) = mpsc::channel();
            let (go_on, wait) = mpsc::channel();
            let wait = Mutex::new(wait);
            let resolver = Resolver::new(move |host, _| {
                let _ = tell.send(host.to_owned());
                let _ = wait.lock().expect("no panic").recv();
                Err(io::Error::other("only a test"))
            });
            let hub = Hub::new(InboxLimits::of(&Settings::default()));
            let inbox = hub.inbox(0).expect("one loop");
            Self { pool: Box::leak(Box::default()), resolver, inbox, called, go_on }
        }

        fn ask(&self, host: &str) -> Option<Interest> {
            let interest = Interest::default();
            let peer = PeerId { generation: 0, index: 0, worker: 0 };
            let asker = Asker { peer, inbox: Arc::clone(&self.inbox), interest: Arc::downgrade(&interest) };
            self.pool.ask(&self.resolver, host, 80, asker).then_some(interest)
        }

        /// Has all threads at work.
        fn occupy(&self) -> Vec<Interest> {
            let all = (0..MAX_THREADS).map(|n| self.ask(&format!("busy{n}")).expect("room")).collect();
            for _ in 0..MAX_THREADS {
                self.called.recv_timeout(PATIENCE).expect("a call");
            }
            all
        }

        fn next_called(&self) -> String {
            self.go_on.send(()).expect("the resolver is there");
            self.called.recv_timeout(PATIENCE).expect("a call")
        }
    }

    #[test]
    fn a_name_that_nobody_waits_for_any_more_is_passed_over() {
        let test = Test::new();
        let _busy = test.occupy();
        let one = test.ask("one");
        // Of two who ask for this, one goes on waiting.
        let (_, two) = (test.ask("two"), test.ask("two"));
        let three = test.ask("three");
        drop(one);
        assert_eq!(test.next_called(), "two");
        assert_eq!(test.next_called(), "three");
        assert_eq!(test.pool.lock().askers.len(), MAX_THREADS);
        drop((two, three));
    }

    #[test]
    fn threads_whose_names_nobody_waits_for_any_more_have_others_in_their_place() {
        let test = Test::new();
        let mut given_up = test.occupy();
        for n in 0..MAX_STUCK {
            given_up.pop();
            let more = test.ask(&format!("more{n}"));
            assert_eq!(test.called.recv_timeout(PATIENCE), Ok(format!("more{n}")));
            given_up.insert(0, more.expect("room"));
        }
        // There is an end to that.
        given_up.clear();
        let _last = test.ask("last");
        assert_eq!(test.pool.lock().threads, MAX_THREADS + MAX_STUCK);
        assert_eq!(test.next_called(), "last");
        // When they get done, they are no more than before.
        for _ in 0..MAX_THREADS + MAX_STUCK {
            test.go_on.send(()).expect("the resolver is there");
        }
        let until = Instant::now() + PATIENCE;
        while test.pool.lock().threads > MAX_THREADS {
            assert!(Instant::now() < until, "{} threads", test.pool.lock().threads);
            thread::yield_now();
        }
    }

    #[test]
    fn who_asks_again_for_a_name_that_waits_has_a_thread_in_place_of_one_that_hangs() {
        let test = Test::new();
        let busy = test.occupy();
        let first = test.ask("again");
        drop(busy);
        let second = test.ask("again");
        assert_eq!(test.called.recv_timeout(PATIENCE), Ok("again".to_owned()));
        drop((first, second));
    }

    #[test]
    fn names_that_nobody_waits_for_any_more_leave_room_for_others() {
        let test = Test::new();
        let _busy = test.occupy();
        let mut waiting: Vec<_> = (0..MAX_NAMES).map(|n| test.ask(&n.to_string())).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(test.ask("another").is_none());
        waiting.truncate(MAX_NAMES / 2);
        let more: Vec<_> = (0..MAX_NAMES / 2).map(|n| test.ask(&format!("more{n}"))).collect();
        assert!(more.iter().all(Option::is_some));
        assert!(test.ask("another").is_none());
        assert_eq!(test.pool.lock().askers.len(), MAX_THREADS + MAX_NAMES);
        assert_eq!(test.next_called(), "0", "those who waited first are first");
    }

    #[test]
    fn those_who_gave_a_name_up_leave_room_for_others() {
        let test = Test::new();
        let _busy = test.occupy();
        let mut waiting: Vec<_> = (0..MAX_ASKERS).map(|_| test.ask("one")).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(test.ask("one").is_none());
        waiting.pop();
        assert!(test.ask("one").is_some());
    }
}
