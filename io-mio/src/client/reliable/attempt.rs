//! What is said about one attempt before it is made.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::client::error::{FailureCause, SyntaxError};
use crate::client::plan::{Plan, Say};

/// Waits for attempts to be prepared.
pub(crate) trait Prepares: Send + Sync {
    /// The attempt of this number is to be made by this plan, or has failed for this reason.
    fn prepared(self: Arc<Self>, number: u64, answer: Result<Plan, NotPrepared>);
}

/// Why an attempt is not made.
pub(crate) struct NotPrepared {
    pub(crate) cause: FailureCause,
    /// None is to be made any more.
    pub(crate) is_final: bool,
}

/// What a program prepares attempts with.
pub(crate) type Provider = Box<dyn FnMut(Attempt) + Send>;

/// An attempt to connect that is to be made, see
/// [`ReliableBuilder::prepare`](crate::ReliableBuilder::prepare).
///
/// Nothing is dialled before [`start`](Self::start). Dropped without it, the attempt has failed,
/// and the next one comes [after a while](crate::Backoff).
pub struct Attempt {
    number: u64,
    plan: Arc<Plan>,
    retry: u32,
    cause: Option<FailureCause>,
    url: Option<String>,
    said: Vec<Say>,
    /// Whoever waits for it; nobody once it is answered.
    asker: Option<Weak<dyn Prepares>>,
}

impl Attempt {
    pub(crate) fn new(
        number: u64,
        plan: Arc<Plan>,
        retry: u32,
        cause: Option<FailureCause>,
        asker: Weak<dyn Prepares>,
    ) -> Self {
        Self { number, plan, retry, cause, url: None, said: Vec::new(), asker: Some(asker) }
    }

    /// Returns the number of consecutive retries; 0 for the first attempt.
    pub fn retry(&self) -> u32 {
        self.retry
    }

    /// Why the last connection, or the last attempt at one, failed, if it did: status 401 may mean
    /// that the token has expired.
    pub fn cause(&self) -> Option<&FailureCause> {
        self.cause.as_ref()
    }

    /// Connects to this URL, instead of that of the builder.
    ///
    /// Headers and cookies of the builder are sent there too. A user name and password of the
    /// builder are sent only if scheme, host and port are the same and this URL has none.
    #[must_use = "nothing is dialled before `start`"]
    pub fn url(mut self, url: &str) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets a header of the request, such as `Authorization`, in place of those of this name.
    #[must_use = "nothing is dialled before `start`"]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.said.push(Box::new(move |connect| Ok(connect.set_header(&name, &value))));
        self
    }

    /// Adds a cookie to those of the builder, see [`Connect::cookie`](crate::Connect::cookie).
    #[must_use = "nothing is dialled before `start`"]
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.said.push(Box::new(move |connect| connect.cookie(&name, &value)));
        self
    }

    /// Sends this user name and password, see [`Connect::basic_auth`](crate::Connect::basic_auth).
    #[must_use = "nothing is dialled before `start`"]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        self.said.push(Box::new(move |connect| connect.basic_auth(&user, &password)));
        self
    }

    /// Makes the attempt, from any thread. Does nothing if the socket is closed meanwhile, or time
    /// is up.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] if the URL or a header is invalid. The attempt then counts as failed.
    pub fn start(mut self) -> Result<(), SyntaxError> {
        match self.plan.with(self.url.as_deref(), std::mem::take(&mut self.said)) {
            Ok(plan) => {
                self.answer(Ok(plan));
                Ok(())
            }
            Err(error) => {
                self.fail(&error.to_string(), false);
                Err(error)
            }
        }
    }

    /// Ends reconnecting: [`ReliableEvent::GaveUp`](crate::ReliableEvent::GaveUp) follows.
    pub fn give_up(mut self, why: &str) {
        self.fail(why, true);
    }

    fn fail(&mut self, why: &str, is_final: bool) {
        self.answer(Err(NotPrepared { cause: FailureCause::NotPrepared(why.into()), is_final }));
    }

    fn answer(&mut self, answer: Result<Plan, NotPrepared>) {
        if let Some(asker) = self.asker.take().and_then(|asker| asker.upgrade()) {
            asker.prepared(self.number, answer);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.fail("it was dropped", false);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a token.
        f.debug_struct("Attempt")
            .field("retry", &self.retry)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}
