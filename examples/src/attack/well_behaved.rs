//! The clients who must not notice the attack: one whose messages come back at any time, and others who come and go.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Client, PATIENCE};

const ECHO_EVERY: Duration = Duration::from_millis(3);
const NEWCOMER_EVERY: Duration = Duration::from_millis(100);

/// The longest that one of them may have to wait for an echo, and a newcomer for all of its visit. The demo takes milliseconds; a machine of a
/// CI is busy with other things.
pub(super) const MOST_TO_WAIT: Duration = Duration::from_secs(5);

/// The longest time that a client waits for the others' sake, once it has been told to stop.
const MOST_TO_STOP: Duration = Duration::from_secs(3 * PATIENCE.as_secs());

/// What they saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) echoes: Served,
    /// From connecting to the end of the closing handshake.
    pub(super) newcomers: Served,
    /// Why one of them was not served.
    pub(super) trouble: Option<String>,
}

impl Seen {
    /// Whether both kinds were served at all.
    pub(super) fn some_of_both(&self) -> bool {
        self.echoes.count > 0 && self.newcomers.count > 0
    }
}

/// How often they were served, and the longest that it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    pub(super) count: u64,
    pub(super) worst: Duration,
}

/// Their threads.
pub(super) struct WellBehaved {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Seen,
    /// Since when.
    since: Option<Instant>,
    newcomers_wanted: bool,
    stop: bool,
}

impl Served {
    /// Who began to wait before the time that counts is not counted, but waited for all that.
    fn add(&mut self, began: Instant, since: Option<Instant>) {
        if since.is_none_or(|since| began >= since) {
            self.count += 1;
        }
        self.worst = self.worst.max(began.elapsed());
    }
}

impl WellBehaved {
    /// Connects the one that stays.
    pub(super) fn start(server: SocketAddr) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        let mut client = Client::connect(server, "/echo")?;
        client.echo("ready")?;
        let (echo, newcomers) = (shared.clone(), shared.clone());
        let threads = vec![
            thread::spawn(move || echo.run("echo", |shared| shared.keep_echoing(client))),
            thread::spawn(move || newcomers.run("newcomer", |shared| shared.come_and_go(server))),
        ];
        Ok(Self { shared, threads })
    }

    /// Forgets what was seen; newcomers come from now on.
    pub(super) fn begin(&self) {
        let mut state = self.shared.lock();
        let trouble = state.seen.trouble.take();
        state.seen = Seen { trouble, ..Seen::default() };
        state.since = Some(Instant::now());
        state.newcomers_wanted = true;
        self.shared.changed.notify_all();
    }

    /// What was seen since [`begin`](Self::begin). Only who was served from beginning to end since then is counted.
    pub(super) fn seen(&self) -> Seen {
        self.shared.lock().seen.clone()
    }

    /// Waits until those have been served who were waiting, and one more. Returns what was seen since [`begin`](Self::begin); no newcomers come from
    /// now on.
    pub(super) fn end(&self) -> Seen {
        let mut state = self.shared.lock();
        let (echoes, newcomers) = (state.seen.echoes.count + 2, state.seen.newcomers.count + 1);
        let deadline = Instant::now() + 2 * PATIENCE;
        while state.seen.trouble.is_none()
            && (state.seen.echoes.count < echoes || state.seen.newcomers.count < newcomers)
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.seen.trouble = Some("the well-behaved clients stand still".into());
                break;
            }
            state = self.shared.wait(state, left);
        }
        state.newcomers_wanted = false;
        state.seen.clone()
    }

    /// Ends the threads.
    pub(super) fn stop(self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        let deadline = Instant::now() + MOST_TO_STOP;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn run(&self, who: &str, client: impl FnOnce(&Self) -> Result<(), String>) {
        if let Err(error) = client(self) {
            let trouble = &mut self.lock().seen.trouble;
            trouble.get_or_insert(format!("{who}: {error}"));
            self.changed.notify_all();
        }
    }

    fn keep_echoing(&self, mut client: Client) -> Result<(), String> {
        for number in 0_u64.. {
            let began = Instant::now();
            client.echo(&format!("message {number}, 🦀"))?;
            let mut state = self.lock();
            if state.stop {
                break;
            }
            let since = state.since;
            state.seen.echoes.add(began, since);
            self.changed.notify_all();
            drop(state);
            thread::sleep(ECHO_EVERY);
        }
        client.close()
    }

    fn come_and_go(&self, server: SocketAddr) -> Result<(), String> {
        loop {
            let mut state = self.lock();
            while !state.newcomers_wanted && !state.stop {
                state = self.wait(state, PATIENCE);
            }
            if state.stop {
                return Ok(());
            }
            drop(state);
            let began = Instant::now();
            let mut client = Client::connect(server, "/echo")?;
            client.echo("hello")?;
            client.close()?;
            let mut state = self.lock();
            let since = state.since;
            state.seen.newcomers.add(began, since);
            self.changed.notify_all();
            if !state.stop {
                drop(self.wait(state, NEWCOMER_EVERY));
            }
        }
    }
}
