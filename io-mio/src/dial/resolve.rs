//! Host names to addresses, off the event loop.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::settings::resolver::{Resolved, Resolver};

/// Kept by those who wait for an answer, as long as they do. A name is not resolved for those who
/// have dropped it.
pub(crate) type Interest = Arc<()>;

/// Has a name resolved. `answer` is called once, on another thread. `None`: too many wait already,
/// and it is not called.
#[must_use]
pub(crate) fn resolve(
    resolver: &Resolver,
    host: &str,
    port: u16,
    answer: impl FnOnce(Resolved) + Send + 'static,
) -> Option<Interest> {
    let interest = Interest::default();
    let asker = Asker { answer: Box::new(answer), interest: Arc::downgrade(&interest) };
    POOL.get_or_init(|| Pool::new(SLOW)).ask(resolver, host, port, asker).then_some(interest)
}

static POOL: std::sync::OnceLock<Pool> = std::sync::OnceLock::new();

/// Calls of resolvers at a time that are not slow.
const MAX_THREADS: usize = 8;

/// Calls more, while others are slow: no call of a resolver can be ended from outside.
const MAX_SLOW: usize = 56;

/// A call that takes longer is slow, and so is one whose name nobody waits for any more: the next
/// name has its turn beside it. So eight names that nobody answers for do not keep those waiting
/// that are resolved at once.
const SLOW: Duration = Duration::from_millis(250);

/// Names that wait for a thread.
const MAX_NAMES: usize = 1024;

/// Connections that wait for one name.
const MAX_ASKERS: usize = 65_536;

/// A thread without work ends after this time.
const IDLE: Duration = Duration::from_secs(10);

struct Pool {
    state: Mutex<PoolState>,
    work: Condvar,
    /// [`SLOW`].
    slow_after: Duration,
}

#[derive(Default)]
struct PoolState {
    waiting: VecDeque<Name>,
    /// Names that are being resolved, each on a thread, and since when.
    running: Vec<(Name, Instant)>,
    /// All names that wait or are being resolved.
    askers: HashMap<Name, Vec<Asker>>,
    /// All there are. While names wait, one more than there are calls, to see when a call has
    /// become slow.
    threads: usize,
}

/// What a thread does next.
enum Next {
    Resolve(Name),
    /// Looks again after this time, or when there is news.
    Wait(Duration),
    /// There is nothing to do.
    Idle,
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
    answer: Box<dyn FnOnce(Resolved) + Send>,
    interest: Weak<()>,
}

impl Asker {
    fn waits(&self) -> bool {
        self.interest.strong_count() > 0
    }
}

impl PoolState {
    /// Gives a thread the next name that somebody waits for, if its turn has come.
    fn next(&mut self, slow_after: Duration) -> Next {
        while let Some(name) = self.waiting.front().filter(|name| !is_awaited(&mut self.askers, name)) {
            self.askers.remove(name);
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            return Next::Idle;
        }
        if self.running.len() >= MAX_THREADS + MAX_SLOW {
            return Next::Wait(IDLE);
        }
        let now = Instant::now();
        let (quick, wait) = self.quick(now, slow_after);
        if quick >= MAX_THREADS {
            return Next::Wait(wait);
        }
        let Some(name) = self.waiting.pop_front() else { return Next::Idle };
        self.running.push((name.clone(), now));
        Next::Resolve(name)
    }

    /// How many calls are not slow, and how long it takes until one of them is.
    fn quick(&mut self, now: Instant, slow_after: Duration) -> (usize, Duration) {
        let Self { running, askers, .. } = self;
        let left = running.iter().filter_map(|(name, since)| {
            let left = slow_after.saturating_sub(now.saturating_duration_since(*since));
            (!left.is_zero() && is_awaited(askers, name)).then_some(left)
        });
        left.fold((0, IDLE), |(count, wait), left| (count + 1, wait.min(left)))
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
}

/// Forgets those at the end who have given up, so that nobody is looked at twice.
fn is_awaited(askers: &mut HashMap<Name, Vec<Asker>>, name: &Name) -> bool {
    let Some(askers) = askers.get_mut(name) else { return false };
    while askers.last().is_some_and(|asker| !asker.waits()) {
        askers.pop();
    }
    !askers.is_empty()
}

impl Pool {
    fn new(slow_after: Duration) -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), slow_after }
    }

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
            // It may wait for calls that nobody else waits for any more.
            self.start_thread_if_needed(&mut state);
            self.work.notify_one();
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
        if state.waiting.is_empty() || state.threads >= MAX_THREADS + MAX_SLOW {
            return;
        }
        let (quick, _) = state.quick(Instant::now(), self.slow_after);
        let turns = MAX_THREADS.saturating_sub(quick).min(state.waiting.len());
        let free = state.threads.saturating_sub(state.running.len());
        if free >= turns.max(1) {
            return;
        }
        match thread::Builder::new().name("sansws-resolver".into()).spawn(|| self.run()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => log::error!("no thread to resolve names: {error}"),
            Err(_) => {}
        }
    }

    /// The life of one thread.
    fn run(&'static self) {
        let mut state = self.lock();
        loop {
            let (wait, is_idle) = match state.next(self.slow_after) {
                Next::Resolve(name) => {
                    // Another one sees when the next name has its turn.
                    self.start_thread_if_needed(&mut state);
                    drop(state);
                    self.resolve(&name);
                    state = self.lock();
                    let (quick, _) = state.quick(Instant::now(), self.slow_after);
                    if state.threads > MAX_THREADS + 1 + (state.running.len() - quick) {
                        state.threads -= 1;
                        return;
                    }
                    continue;
                }
                Next::Wait(wait) => (wait, false),
                Next::Idle => (IDLE, true),
            };
            let (woken, waited) = self.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if is_idle && waited.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// Resolves a name that is among the running ones, and tells those who wait for it.
    fn resolve(&self, name: &Name) {
        let answer = call(name);
        let mut state = self.lock();
        state.running.retain(|(running, _)| running != name);
        let askers = state.askers.remove(name).unwrap_or_default();
        drop(state);
        for asker in askers {
            (asker.answer)(share(&answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the resolver, which is the application's and may panic: the thread and those who wait must
/// not be lost with it.
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
    use std::sync::mpsc::{self, Receiver, Sender};

    /// No test waits longer for anything.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Nothing is slow.
    const NEVER: Duration = Duration::from_secs(1 << 30);

    /// A pool whose resolver says which name it was called with, and then has no answer until it is
    /// let go on.
    struct Test {
        pool: &'static Pool,
        resolver: Resolver,
        called: Receiver<String>,
        go_on: Sender<()>,
    }

    impl Test {
        fn new(slow_after: Duration) -> Self {
            let (tell, called) = mpsc::channel();
            let (go_on, wait) = mpsc::channel();
            let wait = Mutex::new(wait);
            let resolver = Resolver::new(move |host, _| {
                let _ = tell.send(host.to_owned());
                let _ = wait.lock().expect("no panic").recv();
                Err(io::Error::other("only a test"))
            });
            Self { pool: Box::leak(Box::new(Pool::new(slow_after))), resolver, called, go_on }
        }

        fn ask(&self, host: &str) -> Option<Interest> {
            let interest = Interest::default();
            let asker = Asker { answer: Box::new(|_| {}), interest: Arc::downgrade(&interest) };
            self.pool.ask(&self.resolver, host, 80, asker).then_some(interest)
        }

        /// Has so many calls going on as there may be while none is slow.
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

        fn running(&self) -> usize {
            self.pool.lock().running.len()
        }
    }

    /// Whoever asks for a name that is resolved at once does not wait for those that are not.
    #[test]
    fn slow_names_keep_no_others_waiting() {
        let test = Test::new(Duration::from_millis(1));
        let mut asked = Vec::new();
        for n in 0..MAX_THREADS + MAX_SLOW {
            asked.push(test.ask(&format!("slow{n}")).expect("room"));
            assert_eq!(test.called.recv_timeout(PATIENCE), Ok(format!("slow{n}")));
        }
        // There is an end to that.
        let _last = test.ask("last");
        assert_eq!(
            (test.running(), test.pool.lock().threads),
            (MAX_THREADS + MAX_SLOW, MAX_THREADS + MAX_SLOW)
        );
        assert_eq!(test.next_called(), "last");
        // When they get done, they are no more than before.
        for _ in 0..MAX_THREADS + MAX_SLOW {
            test.go_on.send(()).expect("the resolver is there");
        }
        let until = Instant::now() + PATIENCE;
        while test.pool.lock().threads > MAX_THREADS + 1 {
            assert!(Instant::now() < until, "{} threads", test.pool.lock().threads);
            thread::yield_now();
        }
    }

    /// Asked for at one time they get their turns too.
    #[test]
    fn behind_many_slow_names_others_have_their_turn() {
        let test = Test::new(Duration::from_millis(1));
        let _asked: Vec<_> = (0..40).map(|n| test.ask(&format!("slow{n}")).expect("room")).collect();
        let _fast = test.ask("fast");
        let called: Vec<_> = (0..41).map(|_| test.called.recv_timeout(PATIENCE).expect("a call")).collect();
        assert!(called.contains(&"fast".to_owned()), "{called:?}");
    }

    #[test]
    fn no_more_calls_go_on_than_may_while_none_is_slow() {
        let test = Test::new(NEVER);
        let _busy = test.occupy();
        let _more: Vec<_> = (0..100).map(|n| test.ask(&format!("more{n}")).expect("room")).collect();
        for n in 0..100 {
            assert_eq!(test.next_called(), format!("more{n}"));
            assert!(test.running() <= MAX_THREADS && test.pool.lock().threads <= MAX_THREADS + 1);
        }
    }

    #[test]
    fn a_name_that_nobody_waits_for_any_more_is_passed_over() {
        let test = Test::new(NEVER);
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
    fn a_call_whose_name_nobody_waits_for_any_more_is_slow() {
        let test = Test::new(NEVER);
        let mut given_up = test.occupy();
        for n in 0..MAX_SLOW {
            given_up.pop();
            let more = test.ask(&format!("more{n}"));
            assert_eq!(test.called.recv_timeout(PATIENCE), Ok(format!("more{n}")));
            given_up.insert(0, more.expect("room"));
        }
        given_up.clear();
        let _last = test.ask("last");
        assert_eq!(test.running(), MAX_THREADS + MAX_SLOW);
        assert_eq!(test.next_called(), "last");
    }

    #[test]
    fn who_asks_again_for_a_name_that_waits_has_a_thread_in_place_of_one_that_hangs() {
        let test = Test::new(NEVER);
        let busy = test.occupy();
        let first = test.ask("again");
        drop(busy);
        let second = test.ask("again");
        assert_eq!(test.called.recv_timeout(PATIENCE), Ok("again".to_owned()));
        drop((first, second));
    }

    #[test]
    fn names_that_nobody_waits_for_any_more_leave_room_for_others() {
        let test = Test::new(NEVER);
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
        let test = Test::new(NEVER);
        let _busy = test.occupy();
        let mut waiting: Vec<_> = (0..MAX_ASKERS).map(|_| test.ask("one")).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(test.ask("one").is_none());
        waiting.pop();
        assert!(test.ask("one").is_some());
    }
}
